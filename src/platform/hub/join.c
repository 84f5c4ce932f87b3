/* join.c - one-time links: who has one chooses a name and a password, or a new password, and is signed in. */
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/figures.h"
#include "platform/hub/hash_job.h"
#include "platform/identity/groups.h"

enum { CLICKS_MS = 60 * 1000 };       /* so long after a link was used a post with it may be the second of two clicks */

static void show_join(cr_request *req, int status, const cr_onetime *what, const char *name, const char *problem, const char *hint) {
    cr_site_page(req, status, "join",
                 json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:s}", "link", req->param[0], "for_admin", what->kind == CR_ONETIME_ADMIN,
                           "for_invite", what->kind == CR_ONETIME_INVITE, "for_password", what->kind == CR_ONETIME_PASSWORD,
                           "name_is_set", what->kind == CR_ONETIME_PASSWORD || (what->kind == CR_ONETIME_INVITE && what->name[0] != 0),
                           "may_sign_in", cr_seat_leads_in(what) && !cr_caller_of(req)->signed_in, "username", name, "problem", problem, "hint",
                           hint));
}

/* The link and the name that it fixes; false: replied. */
static bool find_link(cr_request *req, cr_onetime *what) {
    cr_hub *hub = cr_hub_of(req);
    cr_err err = CR_ERR_INIT;
    cr_person person;
    if (cr_onetime_find(hub->db, req->param[0], what, &err) != CR_OK ||
        (what->kind == CR_ONETIME_PASSWORD && cr_person_get(hub->db, what->user_id, &person, &err) != CR_OK)) {
        if (!cr_seat_is_kept(req))
            cr_reply_err(req, &err);
        return false;
    }
    if (what->kind == CR_ONETIME_PASSWORD)
        snprintf(what->name, sizeof what->name, "%s", person.name);
    return true;
}

void cr_join_form(cr_request *req) {
    cr_onetime what;
    if (find_link(req, &what) && !cr_seat_page(req, &what))
        show_join(req, 200, &what, what.name, "", "");
}

/* The administrator may have taken the group away since the invitation was made: then it is not made again. */
static cr_status put_into_group(cr_hub *hub, const cr_actor *who, const char *group, const cr_person *person, cr_err *err) {
    int64_t id;
    cr_status status = *group ? cr_group_find(hub->db, group, &id, err) : CR_NOT_FOUND;
    if (status == CR_NOT_FOUND)
        return CR_OK;
    CR_TRY(status);
    CR_TRY(cr_group_put_in(hub->db, id, person->id, err));
    return cr_audit_write(hub, who, CR_AUDIT_GROUP_JOINED, person->name, group, err);
}

static cr_status join_rows(cr_hub *hub, cr_hash_job *j, const cr_onetime *what, cr_err *err) {
    cr_actor who;
    CR_TRY(cr_onetime_use(hub->db, j->link, err));
    cr_status found = cr_person_find(hub->db, j->name, &j->person, err);
    if (found != CR_OK && found != CR_NOT_FOUND)
        return found;
    bool replaces = what->kind == CR_ONETIME_PASSWORD || (what->kind == CR_ONETIME_ADMIN && found == CR_OK && j->person.admin);
    if (replaces) {
        if (found != CR_OK)
            return found;
        if (j->person.disabled)
            return CR_FAIL(err, CR_CONFLICT, "the account %s is disabled", j->person.name);
        CR_TRY(cr_signin_set_password(hub, j->person.id, j->made, err));
        cr_actor_person(j->req, &j->person, &who);
        return cr_audit_write(hub, &who, CR_AUDIT_PASSWORD, j->person.name, N_("by a link"), err);
    }
    memset(&j->person, 0, sizeof j->person);
    snprintf(j->person.name, sizeof j->person.name, "%s", j->name);
    snprintf(j->person.password, sizeof j->person.password, "%s", j->made);
    j->person.admin = what->kind == CR_ONETIME_ADMIN;
    CR_TRY(cr_person_add(hub->db, &j->person, err));
    cr_actor_person(j->req, &j->person, &who);
    CR_TRY(cr_audit_write(hub, &who, CR_AUDIT_PERSON_MADE, j->person.name, j->person.admin ? N_("administrator, by a link") : N_("by an invitation"), err));
    return put_into_group(hub, &who, what->group, &j->person, err);
}

static void enter(cr_hash_job *j) {
    if (cr_signin_session(j->req, &j->person, CR_SESSION_LIFE_MS, cr_wall_ms(), N_("one-time link"), NULL))
        cr_reply_redirect(j->req, 303, "/hub/home");
}

static void refuse_join(cr_request *req, const char *name, const cr_err *why) {
    cr_onetime what;
    if (why->status != CR_EXISTS)
        cr_reply_err(req, why);
    else if (find_link(req, &what))
        show_join(req, 409, &what, name, why->message, N_("Choose another user name."));
}

/* ---- two clicks ---- */

/* The first post has made the account, and this browser is signed in with it. link: NULL when it is used up. */
static bool is_here_already(cr_request *req, const cr_onetime *link) {
    const cr_caller *c = cr_caller_of(req);
    char name[CR_NAME_MAX + 1];
    bool has = false;
    cr_err err = CR_ERR_INIT;
    if (!c->signed_in || cr_name_normalize(cr_request_field(req, "username"), name, &err) != CR_OK || strcmp(name, c->person.name) != 0)
        return false;
    if (!link || !link->group[0])
        return !link || link->kind == CR_ONETIME_INVITE;
    return cr_group_has(cr_hub_of(req)->db, link->group, name, &has, &err) == CR_OK && has;
}

static void after_second_click(cr_hash_job *j) {
    cr_hub *hub = cr_hub_of(j->req);
    cr_throttle_end(hub->throttle, &j->attempt, j->right ? CR_ATTEMPT_RIGHT : CR_ATTEMPT_WRONG);
    if (j->right) {
        enter(j);
        return;
    }
    cr_log(CR_LOG_WARN, "sign-in refused", "user=%s from=%s", j->name, j->req->source);
    cr_figures_sign_in(hub, false);
    cr_audit_refused(j->req, CR_AUDIT_SIGN_IN, j->person.name, N_("password"));
    refuse_join(j->req, j->name, &j->err);
}

static void note_join(cr_hub *hub, const char *link, int64_t user_id) {
    cr_token_hash(link, hub->joins[hub->next_join].link);
    hub->joins[hub->next_join].user_id = user_id;
    hub->joins[hub->next_join].ms = cr_now_ms();
    hub->next_join = (hub->next_join + 1) % CR_JOINS_MAX;
}

static bool has_just_joined(const cr_hub *hub, const char *link, int64_t user_id) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(link, hash);
    for (int i = 0; i < CR_JOINS_MAX; i++)
        if (hub->joins[i].user_id == user_id && cr_now_ms() - hub->joins[i].ms < CLICKS_MS && memcmp(hub->joins[i].link, hash, sizeof hash) == 0)
            return true;
    return false;
}

/* The other post was first: it has used up the link, or taken the name. Whoever comes with the same link and gives the password of that account is
 * its person. false: nothing is replied. */
static bool try_second_click(cr_request *req, const char *name, const char *password, const cr_err *why) {
    cr_hub *hub = cr_hub_of(req);
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if ((why->status != CR_EXISTS && why->status != CR_NOT_FOUND) || strlen(password) > CR_PASSWORD_MAX || cr_person_find(hub->db, name, &person, &err) != CR_OK ||
        !has_just_joined(hub, req->param[0], person.id) || cr_throttle_strangers(hub->throttle) >= CR_SIGNIN_STRANGERS)
        return false;
    cr_hash_job *again = cr_hash_job_new(req, after_second_click);
    if (!again)
        return true;
    if (cr_throttle_begin(hub->throttle, name, req->source, NULL, cr_now_ms(), &again->attempt) != 0) {
        cr_hash_job_free(again);
        return false;
    }
    again->wants_verify = again->has_stored = true;
    again->owner = person.id;
    again->person = person;
    again->err = *why;
    snprintf(again->name, sizeof again->name, "%s", name);
    snprintf(again->stored, sizeof again->stored, "%s", person.password);
    snprintf(again->verify, sizeof again->verify, "%s", password);
    cr_hash_job_submit(again);
    return true;
}

/* ---- the form ---- */

static void after_join(cr_hash_job *j) {
    cr_hub *hub = cr_hub_of(j->req);
    cr_onetime what = {0};
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_onetime_find(hub->db, j->link, &what, &err);
    if (status == CR_OK)
        status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, join_rows(hub, j, &what, &err), &err);
    if (status == CR_OK) {
        cr_log(CR_LOG_INFO, "one-time link used", "user=%s admin=%d", j->person.name, j->person.admin);
        note_join(hub, j->link, j->person.id);
        enter(j);
    } else if (!try_second_click(j->req, j->name, j->make, &err)) {
        refuse_join(j->req, j->name, &err);
    }
}

void cr_join_post(cr_request *req) {
    cr_onetime what = {0};
    char name[CR_NAME_MAX + 1];
    cr_err err = CR_ERR_INIT, no_link = CR_ERR_INIT;
    bool is_there = cr_onetime_find(cr_hub_of(req)->db, req->param[0], &what, &no_link) == CR_OK;
    if (is_here_already(req, is_there ? &what : NULL)) {
        cr_reply_redirect(req, 303, "/hub/home");
        return;
    }
    if (!is_there && !cr_caller_of(req)->stale_form && cr_name_normalize(cr_request_field(req, "username"), name, &err) == CR_OK &&
        try_second_click(req, name, cr_request_field(req, "password"), &no_link))
        return;
    if (!find_link(req, &what))
        return;
    const char *typed = what.name[0] ? what.name : cr_request_field(req, "username"), *password = cr_request_field(req, "password");
    if (cr_caller_of(req)->stale_form) {
        show_join(req, 403, &what, typed, N_("This page was too old or your browser did not keep its cookie."), N_("Please send it again."));
        return;
    }
    cr_hash_job *j = cr_hash_job_new(req, after_join);
    if (!j)
        return;
    err = (cr_err)CR_ERR_INIT;
    cr_status status = cr_name_normalize(typed, j->name, &err);
    if (status == CR_OK)
        status = cr_password_check(password, j->name, &err);
    if (status == CR_OK && strcmp(password, cr_request_field(req, "password_again")) != 0)
        status = CR_FAIL(&err, CR_INVALID, "the two passwords are not the same");
    if (status != CR_OK) {
        show_join(req, 400, &what, typed, err.message, err.hint);
        cr_hash_job_free(j);
        return;
    }
    snprintf(j->make, sizeof j->make, "%s", password);
    snprintf(j->link, sizeof j->link, "%s", req->param[0]);
    cr_hash_job_submit(j);
}
