/* identities.c - finding, making and refusing people of a provider. */
#include "platform/identity/identities.h"

#include <stdio.h>
#include "base/buf.h"
#include "base/clock.h"

enum { NAME_CHOICES = 10000, RECEIVED_MAX = 16 << 10 };
#define DAY_MS ((int64_t)86400 * 1000)

typedef struct found {
    int64_t id, user_id;
    bool admin;               /* by the provider, at the last sign-in */
} found;

static cr_status find(cr_db *db, const cr_provider *p, const char *subject, found *f, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT id, user_id, admin FROM identities WHERE issuer = ? AND subject = ?", "tt", p->issuer, subject));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "this identity has no account here");
    }
    *f = (found){cr_query_int(&q, 0), cr_query_int(&q, 1), cr_query_int(&q, 2)};
    return CR_OK;
}

static cr_status add_person(cr_db *db, const cr_oidc_who *who, cr_person *person, cr_err *err) {
    const char *text = who->name[0] ? who->name : who->subject;
    for (int n = 1; n <= NAME_CHOICES; n++) {
        memset(person, 0, sizeof *person);
        cr_oidc_name_choice(text, n, person->name);
        cr_status status = cr_person_add(db, person, err);
        if (status != CR_EXISTS)
            return status;
    }
    return CR_FAIL(err, CR_LIMIT, "no user name is free for %s", text);
}

/* The hub's name of a group that the provider has named; false: it cannot be one. */
static bool group_name(const cr_provider *p, const char *text, char out[CR_GROUP_NAME_MAX + 1]) {
    char said[CR_GROUP_NAME_MAX + 1], name[sizeof p->groups_prefix + sizeof said];
    if (!cr_entitlement_group(text, said) || snprintf(name, sizeof name, "%s%s", p->groups_prefix, said) > CR_GROUP_NAME_MAX)
        return false;
    memcpy(out, name, strlen(name) + 1);
    return true;
}

static cr_status set_groups(cr_db *db, const cr_provider *p, int64_t identity, const cr_oidc_who *who, cr_err *err) {
    char name[CR_GROUP_NAME_MAX + 1];
    CR_TRY(cr_db_run(db, err, "DELETE FROM memberships WHERE identity_id = ?", "i", identity));
    for (int i = 0; i < who->n_groups; i++) {
        if (!group_name(p, who->groups[i], name))
            continue;
        CR_TRY(cr_db_run(db, err, "INSERT OR IGNORE INTO memberships (identity_id, name) VALUES (?, ?)", "it", identity, name));
        CR_TRY(cr_db_run(db, err, "INSERT OR IGNORE INTO groups (name) VALUES (?)", "t", name));
    }
    return CR_OK;
}

static bool is_said(const cr_provider *p, const cr_oidc_who *who, const char *group) {
    char name[CR_GROUP_NAME_MAX + 1];
    for (int i = 0; i < who->n_groups; i++)
        if (group_name(p, who->groups[i], name) && strcmp(name, group) == 0)
            return true;
    return false;
}

/* What the provider gave, it takes; what was given here it does not touch. */
static cr_status set_admin(cr_db *db, const found *f, bool admin, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "UPDATE identities SET admin = ? WHERE id = ?", "ii", (int64_t)admin, f->id));
    if (admin)
        return cr_db_run(db, err, "UPDATE users SET admin = 1 WHERE id = ?", "i", f->user_id);
    if (!f->admin)
        return CR_OK;
    CR_TRY(cr_db_run(db, err, "UPDATE users SET admin = 0 WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM identities WHERE user_id = ?1 AND admin = 1)", "i",
                     f->user_id));
    return cr_db_changes(db) ? cr_person_forget_given(db, f->user_id, err) : CR_OK;
}

static cr_status read_loss(cr_db *db, const found *f, const cr_provider *p, const cr_oidc_who *who, cr_identity_loss *loss, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT, groups = CR_QUERY_INIT;
    if (f->admin && !(who && who->admin)) {
        CR_TRY(cr_query_open(db, &q, err, "SELECT 1 FROM users WHERE id = ?1 AND admin = 1 AND "
                             "NOT EXISTS (SELECT 1 FROM identities WHERE user_id = ?1 AND admin = 1 AND id <> ?2)", "ii", f->user_id, f->id));
        loss->admin = cr_query_next(&q);
        if (!loss->admin)
            CR_TRY(cr_query_end(&q, err));
    }
    CR_TRY(cr_query_open(db, &groups, err, "SELECT name FROM memberships WHERE identity_id = ?", "i", f->id));
    while (!loss->group && cr_query_next(&groups))
        loss->group = !who || !is_said(p, who, cr_query_text(&groups, 0));
    return loss->group ? CR_OK : cr_query_end(&groups, err);
}

cr_status cr_identity_will_lose(cr_db *db, const cr_provider *p, const cr_oidc_who *who, cr_identity_loss *ret_loss, cr_err *err) {
    found f;
    cr_identity_loss loss = {false, false};
    cr_status status = find(db, p, who->subject, &f, err);
    if (status != CR_OK)
        return status;
    CR_TRY(read_loss(db, &f, p, who->allowed ? who : NULL, &loss, err));
    *ret_loss = loss;
    return CR_OK;
}

static cr_status add_identity(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t user_id, cr_err *err) {
    int64_t now = cr_wall_ms();
    return cr_db_run(db, err, "INSERT INTO identities (issuer, subject, user_id, provider, shown, email, created_ms, last_ms, tokens_until_ms) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     "ttitttiii", p->issuer, who->subject, user_id, p->name, who->shown, who->email, now, now, now + p->token_days * DAY_MS);
}

static cr_status sign_in_rows(cr_db *db, const cr_provider *p, const cr_oidc_who *who, cr_person *person, cr_err *err) {
    found f;
    int64_t now = cr_wall_ms();
    cr_status status = find(db, p, who->subject, &f, err);
    if (status == CR_NOT_FOUND) {
        CR_TRY(add_person(db, who, person, err));
        CR_TRY(add_identity(db, p, who, person->id, err));
        f = (found){cr_db_last_id(db), person->id, false};
    } else if (status != CR_OK) {
        return status;
    }
    CR_TRY(cr_db_run(db, err, "UPDATE identities SET provider = ?, shown = ?, email = ?, email_verified = ?, last_ms = ?, tokens_until_ms = ? WHERE id = ?",
                     "tttiiii", p->name, who->shown, who->email, (int64_t)who->email_verified, now, now + p->token_days * DAY_MS, f.id));
    CR_TRY(set_groups(db, p, f.id, who, err));
    CR_TRY(set_admin(db, &f, who->admin, err));
    CR_TRY(cr_db_run(db, err, "DELETE FROM refusals WHERE issuer = ? AND subject = ?", "tt", p->issuer, who->subject));
    return cr_person_get(db, f.user_id, person, err);
}

cr_status cr_identity_find(cr_db *db, const cr_provider *p, const char *subject, cr_person *ret_person, cr_err *err) {
    found f = {0};
    CR_TRY(find(db, p, subject, &f, err));
    return cr_person_get(db, f.user_id, ret_person, err);
}

cr_status cr_identity_sign_in(cr_db *db, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_person, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    CR_TRY(cr_db_end(db, sign_in_rows(db, p, who, ret_person, err), err));
    if (ret_person->disabled)
        return CR_FAIL(err, CR_DENIED, "the account %s is disabled here", ret_person->name);
    return CR_OK;
}

static cr_status link_rows(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t user_id, cr_err *err) {
    found f;
    if (!who->allowed)
        return CR_FAIL(err, CR_DENIED, "this identity has no membership that %s asks for", p->name);
    cr_status status = find(db, p, who->subject, &f, err);
    if (status == CR_OK && f.user_id != user_id)
        return CR_FAIL(err, CR_EXISTS, "this identity belongs to another account here");
    if (status == CR_NOT_FOUND) {
        CR_TRY(add_identity(db, p, who, user_id, err));
        return set_groups(db, p, cr_db_last_id(db), who, err);
    }
    return status;
}

cr_status cr_identity_link(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t user_id, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, link_rows(db, p, who, user_id, err), err);
}

static cr_status find_way_in(cr_db *db, int64_t id, int64_t user_id, found *f, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT admin FROM identities WHERE id = ? AND user_id = ?", "ii", id, user_id));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "this way to sign in does not exist any more");
    }
    *f = (found){id, user_id, cr_query_int(&q, 0)};
    return CR_OK;
}

cr_status cr_identity_unlink_loses(cr_db *db, int64_t id, int64_t user_id, cr_identity_loss *ret_loss, cr_err *err) {
    found f;
    cr_identity_loss loss = {false, false};
    CR_TRY(find_way_in(db, id, user_id, &f, err));
    CR_TRY(read_loss(db, &f, NULL, NULL, &loss, err));
    *ret_loss = loss;
    return CR_OK;
}

static cr_status unlink_rows(cr_db *db, int64_t id, int64_t user_id, cr_err *err) {
    found f;
    CR_TRY(find_way_in(db, id, user_id, &f, err));
    CR_TRY(set_admin(db, &f, false, err));
    return cr_db_run(db, err, "DELETE FROM identities WHERE id = ?", "i", id);
}

cr_status cr_identity_unlink(cr_db *db, int64_t id, int64_t user_id, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, unlink_rows(db, id, user_id, err), err);
}

cr_status cr_identity_list(cr_db *db, int64_t user_id, void (*each)(void *user, const cr_identity *i), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT id, provider, subject, shown, email FROM identities WHERE user_id = ? ORDER BY id LIMIT 50", "i", user_id));
    while (cr_query_next(&q)) {
        const cr_identity i = {cr_query_int(&q, 0), cr_query_text(&q, 1), cr_query_text(&q, 2), cr_query_text(&q, 3), cr_query_text(&q, 4)};
        each(user, &i);
    }
    return cr_query_end(&q, err);
}

static cr_status revoke(cr_db *db, const found *f, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM memberships WHERE identity_id = ?", "i", f->id));
    CR_TRY(set_admin(db, f, false, err));
    CR_TRY(cr_person_forget_given(db, f->user_id, err));
    CR_TRY(cr_db_run(db, err, "DELETE FROM links WHERE user_id = ?", "i", f->user_id));
    CR_TRY(cr_db_run(db, err, "DELETE FROM sessions WHERE user_id = ?", "i", f->user_id));
    return cr_db_run(db, err, "DELETE FROM tokens WHERE user_id = ? AND kind <> 'server'", "i", f->user_id);
}

static cr_status refuse_rows(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t *ret_user_id, cr_err *err) {
    found f;
    cr_status status = find(db, p, who->subject, &f, err);
    if (status != CR_OK && status != CR_NOT_FOUND)
        return status;
    *ret_user_id = status == CR_OK ? f.user_id : 0;
    if (status == CR_OK)
        CR_TRY(revoke(db, &f, err));
    cr_auto_buf cr_buf received;
    cr_buf_init(&received, RECEIVED_MAX);
    for (int i = 0; i < who->n_groups; i++)
        if (received.len + strlen(who->groups[i]) + 2 < RECEIVED_MAX)
            cr_buf_addf(&received, "%s\n", who->groups[i]);
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(db, err,
                     "INSERT INTO refusals (issuer, subject, provider, name, shown, email, received, first_ms, last_ms, times) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (issuer, subject) DO UPDATE SET provider = excluded.provider, "
                     "name = excluded.name, shown = excluded.shown, email = excluded.email, received = excluded.received, "
                     "last_ms = excluded.last_ms, times = times + 1",
                     "tttttttii", p->issuer, who->subject, p->name, who->name, who->shown, who->email, cr_buf_str(&received), now, now));
    return cr_db_run(db, err, "DELETE FROM refusals WHERE id NOT IN (SELECT id FROM refusals ORDER BY last_ms DESC, id DESC LIMIT ?)", "i",
                     (int64_t)CR_REFUSALS_MAX);
}

cr_status cr_identity_refuse(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t *ret_user_id, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, refuse_rows(db, p, who, ret_user_id, err), err);
}

cr_status cr_refusal_forget(cr_db *db, int64_t id, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM refusals WHERE id = ?", "i", id));
    return cr_db_changes(db) ? CR_OK : CR_FAIL(err, CR_NOT_FOUND, "nobody of this number is on the list of those who were turned away");
}

cr_status cr_refusal_sweep(cr_db *db, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM refusals WHERE last_ms < ?", "i", cr_wall_ms() - CR_REFUSAL_LIFE_MS);
}

cr_status cr_refusal_list(cr_db *db, int64_t limit, void (*each)(void *user, const cr_refusal *r), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT id, first_ms, last_ms, times, provider, subject, name, shown, email, received FROM refusals "
                         "ORDER BY last_ms DESC, id DESC LIMIT ?", "i", limit));
    while (cr_query_next(&q)) {
        const cr_refusal r = {cr_query_int(&q, 0), cr_query_int(&q, 1), cr_query_int(&q, 2), cr_query_int(&q, 3), cr_query_text(&q, 4),
                              cr_query_text(&q, 5), cr_query_text(&q, 6), cr_query_text(&q, 7), cr_query_text(&q, 8), cr_query_text(&q, 9)};
        each(user, &r);
    }
    return cr_query_end(&q, err);
}

cr_status cr_identities_of(cr_db *db, const char *ids, void (*each)(void *user, int64_t place, const char *shown, const char *address), void *user,
                           cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT j.key, i.shown, CASE WHEN i.email_verified = 1 THEN i.email ELSE '' END FROM json_each(?) j "
                         "CROSS JOIN identities i ON i.user_id = j.value ORDER BY j.key, i.last_ms DESC", "t", ids));
    while (cr_query_next(&q))
        each(user, cr_query_int(&q, 0), cr_query_text(&q, 1), cr_query_text(&q, 2));
    return cr_query_end(&q, err);
}

cr_status cr_identity_address(cr_db *db, int64_t user_id, char ret_address[CR_OIDC_SUBJECT_MAX + 1], cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT email FROM identities WHERE user_id = ? AND email_verified = 1 AND email <> '' ORDER BY last_ms DESC LIMIT 1", "i",
                         user_id));
    snprintf(ret_address, CR_OIDC_SUBJECT_MAX + 1, "%s", cr_query_next(&q) ? cr_query_text(&q, 0) : "");
    return cr_query_end(&q, err);
}

cr_status cr_identity_shown(cr_db *db, int64_t user_id, char ret_shown[CR_OIDC_SUBJECT_MAX + 1], cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT shown FROM identities WHERE user_id = ? ORDER BY last_ms DESC LIMIT 1", "i", user_id));
    snprintf(ret_shown, CR_OIDC_SUBJECT_MAX + 1, "%s", cr_query_next(&q) ? cr_query_text(&q, 0) : "");
    return cr_query_end(&q, err);
}
