/* provider_word.c - before the word is taken it is asked what the person loses by it: only then are the rows there that say who is a guest by it. */
#include "platform/hub/provider_word.h"

#include <stdio.h>
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/given.h"

/* What the word changed of the person. */
static cr_status note_sign_in(cr_request *req, const cr_provider *p, const cr_person *before, bool was_there, const cr_person *person, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    char detail[CR_PROVIDER_NAME_MAX + 16];
    cr_actor who;
    cr_actor_person(req, person, &who);
    snprintf(detail, sizeof detail, N_("provider %s"), p->name);
    if (!was_there)
        CR_TRY(cr_audit_write(hub, &who, CR_AUDIT_PERSON_MADE, person->name, detail, err));
    if (person->admin == (was_there && before->admin))
        return CR_OK;
    return cr_audit_write(hub, &who, person->admin ? CR_AUDIT_ADMIN_GIVEN : CR_AUDIT_ADMIN_TAKEN, person->name, detail, err);
}

static cr_status sign_in_rows(cr_request *req, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_person, bool *ret_denied, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_person before;
    cr_identity_loss loss = {false, false};
    cr_status found = cr_identity_find(hub->db, p, who->subject, &before, err);
    if (found != CR_OK && found != CR_NOT_FOUND)
        return found;
    if (found == CR_OK) {
        CR_TRY(cr_identity_will_lose(hub->db, p, who, &loss, err));
        CR_TRY(cr_given_before_loss(hub, before.id, &loss, err));
    }
    cr_status status = cr_identity_sign_in(hub->db, p, who, ret_person, err);
    *ret_denied = status == CR_DENIED;
    if (status != CR_OK && status != CR_DENIED)
        return status;
    CR_TRY(cr_given_after_loss(hub, ret_person->id, &loss, err));
    return note_sign_in(req, p, &before, found == CR_OK, ret_person, err);
}

cr_status cr_word_sign_in(cr_request *req, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_person, cr_err *err) {
    cr_db *db = cr_hub_of(req)->db;
    bool denied = false;
    CR_TRY(cr_db_begin(db, err));
    CR_TRY(cr_db_end(db, sign_in_rows(req, p, who, ret_person, &denied, err), err));
    return denied ? CR_FAIL(err, CR_DENIED, "the account %s is disabled here", ret_person->name) : CR_OK;
}

/* All that the person has given ends, as with an administrator's right. */
static cr_status refuse_rows(cr_hub *hub, const cr_provider *p, const cr_oidc_who *who, cr_person *had, cr_err *err) {
    cr_identity_loss loss = {false, false};
    int64_t user_id;
    cr_status found = cr_identity_find(hub->db, p, who->subject, had, err);
    if (found == CR_NOT_FOUND)
        return cr_identity_refuse(hub->db, p, who, &user_id, err);
    CR_TRY(found);
    CR_TRY(cr_identity_will_lose(hub->db, p, who, &loss, err));
    loss.admin = true;
    CR_TRY(cr_given_before_loss(hub, had->id, &loss, err));
    CR_TRY(cr_identity_refuse(hub->db, p, who, &user_id, err));
    return cr_given_after_loss(hub, had->id, &loss, err);
}

cr_status cr_word_refuse(cr_hub *hub, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_had, cr_err *err) {
    memset(ret_had, 0, sizeof *ret_had);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_db_end(hub->db, refuse_rows(hub, p, who, ret_had, err), err);
}
