/* deeds.c - what administrators do to others. */
#include "platform/hub/deeds.h"

#include <stdio.h>
#include "base/text.h"
#include "platform/hub/given.h"
#include "platform/hub/lab.h"
#include "platform/identity/groups.h"
#include "platform/identity/identities.h"
#include "platform/identity/share.h"

/* ---- people ---- */

static cr_status add_person(cr_db *db, const char *name, bool admin, cr_person *ret_person, cr_err *err) {
    cr_person p = {.admin = admin};
    snprintf(p.name, sizeof p.name, "%s", name);
    CR_TRY(cr_person_add(db, &p, err));
    return cr_person_get(db, p.id, ret_person, err);
}

cr_status cr_deed_add_person(cr_hub *hub, const cr_actor *who, const char *name, bool admin, cr_person *ret_person, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, add_person(hub->db, name, admin, ret_person, err), CR_AUDIT_PERSON_MADE, name, admin ? "administrator" : "", err);
}

static cr_status check_stays(cr_hub *hub, int64_t id, const char *name, cr_err *err) {
    cr_removal_row removal = {0};
    CR_TRY(cr_removal_find(hub, id, &removal, err));
    return removal.wanted ? CR_FAIL(err, CR_CONFLICT, "%s is being removed", name) : CR_OK;
}

cr_status cr_deed_link(cr_hub *hub, const cr_actor *who, const cr_onetime *what, const char *whom, char ret_url[CR_URL_MAX], cr_err *err) {
    char token[CR_TOKEN_LEN + 1], detail[CR_GROUP_NAME_MAX + 80] = N_("to set a password");
    if (what->kind == CR_ONETIME_ADMIN)
        snprintf(detail, sizeof detail, N_("for an administrator"));
    else if (what->kind == CR_ONETIME_INVITE)
        snprintf(detail, sizeof detail, what->group[0] ? N_("invitation for %lld, group %s") : N_("invitation for %lld"), (long long)CR_MAX(what->seats, (int64_t)1),
                 what->group);
    if (what->user_id)
        CR_TRY(check_stays(hub, what->user_id, whom, err));
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = cr_onetime_make(hub->db, what, CR_MAX(who->id, (int64_t)0), token, err);
    CR_TRY(cr_audit_end(hub, who, status, CR_AUDIT_LINK_MADE, whom, detail, err));
    snprintf(ret_url, CR_URL_MAX, "%s/hub/join/%s", hub->hub_url, token);
    explicit_bzero(token, sizeof token);
    return CR_OK;
}

typedef struct stops {
    const char *word, *why;
    int n;
    cr_status status;         /* of the first that could not be stopped */
    cr_err *err;
} stops;

static void stop_one(void *user, cr_lab *s) {
    stops *all = user;
    if (s->state == CR_LAB_STOPPED || all->status != CR_OK)
        return;
    all->n++;
    all->status = cr_lab_stop_for(s, all->word, all->why, all->err);
}

/* All of the person. CR_NOT_FOUND: none runs. */
static cr_status stop_server(cr_hub *hub, const cr_person *person, const char *word, const char *why, cr_err *err) {
    stops all = {word, why, 0, CR_OK, err};
    CR_TRY(cr_lab_each(hub, person->id, stop_one, &all, err));
    return all.status == CR_OK && all.n == 0 ? CR_NOT_FOUND : all.status;
}

static cr_status none_is_good(cr_status status, cr_err *err) {
    if (status == CR_NOT_FOUND)
        *err = (cr_err)CR_ERR_INIT;
    return status == CR_NOT_FOUND ? CR_OK : status;
}

static cr_status set_disabled(cr_hub *hub, const cr_person *person, bool disabled, cr_err *err) {
    if (disabled) {
        CR_TRY(cr_lab_put_person_out(hub, person->id, err));
        CR_TRY(cr_lab_put_given_out(hub, person->id, err));
    }
    return cr_person_set_disabled(hub->db, person->id, disabled, err);
}

cr_status cr_deed_disable(cr_hub *hub, const cr_actor *who, const cr_person *person, bool disabled, cr_err *err) {
    if (disabled && who->id == person->id)
        return CR_FAIL(err, CR_CONFLICT, "You cannot disable or remove yourself.");
    CR_TRY(check_stays(hub, person->id, person->name, err));
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_audit_end(hub, who, set_disabled(hub, person, disabled, err),
                        disabled ? CR_AUDIT_PERSON_DISABLED : CR_AUDIT_PERSON_ENABLED, person->name, "", err));
    if (!disabled)
        return CR_OK;
    if (hub->feature)
        (void)hub->feature->release(hub, person->id);
    return none_is_good(stop_server(hub, person, "disabled", N_("The administrator disabled this user."), err), err);
}

/* An administrator may be in others' servers, and have let others in. */
static cr_status set_admin(cr_hub *hub, const cr_person *person, bool admin, cr_err *err) {
    if (!admin) {
        CR_TRY(cr_lab_put_person_out(hub, person->id, err));
        CR_TRY(cr_lab_put_given_out(hub, person->id, err));
    }
    return cr_person_set_admin(hub->db, person->id, admin, err);
}

cr_status cr_deed_set_admin(cr_hub *hub, const cr_actor *who, const cr_person *person, bool admin, cr_err *err) {
    CR_TRY(check_stays(hub, person->id, person->name, err));
    if (person->admin == admin)
        return CR_OK;
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, set_admin(hub, person, admin, err), admin ? CR_AUDIT_ADMIN_GIVEN : CR_AUDIT_ADMIN_TAKEN,
                        person->name, "", err);
}

cr_status cr_deed_remove(cr_hub *hub, const cr_actor *who, const cr_person *person, cr_err *err) {
    if (who->id == person->id)
        return CR_FAIL(err, CR_CONFLICT, "You cannot disable or remove yourself.");
    return cr_people_remove(hub, who, person, err);
}

cr_status cr_deed_stop_server(cr_hub *hub, const cr_actor *who, const cr_person *person, cr_err *err) {
    CR_TRY(check_stays(hub, person->id, person->name, err));
    cr_status status = stop_server(hub, person, "administrator", N_("The administrator stopped it."), err);
    if (status == CR_OK)
        cr_audit_note(hub, who, CR_AUDIT_SERVER_STOPPED, person->name, "");
    return none_is_good(status, err);
}

cr_status cr_deed_forget_refused(cr_hub *hub, const cr_actor *who, int64_t id, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, cr_refusal_forget(hub->db, id, err), CR_AUDIT_REFUSED_LIST, "", "", err);
}

/* ---- groups ---- */

cr_status cr_deed_add_group(cr_hub *hub, const cr_actor *who, const char *name, int64_t *ret_id, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, cr_group_add(hub->db, name, ret_id, err), CR_AUDIT_GROUP_MADE, name, "", err);
}

/* What was shared with the group goes as if each share were taken away: with what its people have given on, and with whoever is in by it. */
static cr_status remove_group(cr_hub *hub, int64_t id, cr_err *err) {
    const cr_share_filter given = {.group_id = id};
    int64_t n;
    CR_TRY(cr_group_check_removable(hub->db, id, err));
    CR_TRY(cr_lab_put_group_out(hub, id, err));
    CR_TRY(cr_share_remove(hub->db, &given, &n, err));
    CR_TRY(cr_group_remove(hub->db, id, err));
    return cr_given_group_left(hub, err);
}

cr_status cr_deed_remove_group(cr_hub *hub, const cr_actor *who, int64_t id, const char *name, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_audit_end(hub, who, remove_group(hub, id, err), CR_AUDIT_GROUP_REMOVED, name, "", err));
    if (hub->feature)
        hub->feature->signed_out(hub);
    return CR_OK;
}

static cr_status take_out(cr_hub *hub, int64_t group, const cr_person *person, cr_err *err) {
    CR_TRY(cr_group_take_out(hub->db, group, person->id, err));
    return cr_given_left(hub, person->id, err);
}

cr_status cr_deed_membership(cr_hub *hub, const cr_actor *who, int64_t group, const char *name, const cr_person *person, bool join, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = join ? cr_group_put_in(hub->db, group, person->id, err) : take_out(hub, group, person, err);
    return cr_audit_end(hub, who, status, join ? CR_AUDIT_GROUP_JOINED : CR_AUDIT_GROUP_LEFT, person->name, name, err);
}

/* ---- tokens ---- */

cr_status cr_deed_revoke_token(cr_hub *hub, const cr_actor *who, const cr_person *person, int64_t id, cr_err *err) {
    char text[32];
    snprintf(text, sizeof text, "a%lld", (long long)id);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, cr_token_remove(hub->db, person->id, id, err), CR_AUDIT_TOKEN_REVOKED, person->name, text, err);
}
