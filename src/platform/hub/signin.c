/* signin.c - sign in, sign out, one-time links, change of password. Hashing is done by the workers; the request sleeps meanwhile. */
#include "platform/hub/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/figures.h"
#include "platform/hub/given.h"
#include "platform/hub/lab.h"
#include "platform/identity/device.h"
#include "platform/identity/groups.h"

/* What a worker does for a request: verify a password, make the hash of a new one, or both in this order. */
typedef struct hash_job {
    cr_request *req;
    void (*then)(struct hash_job *job);
    char verify[CR_PASSWORD_MAX + 1];       /* "" with wants_verify: never right */
    char stored[CR_PASSWORD_HASH_BYTES];
    bool wants_verify, has_stored, right;
    int64_t owner;                          /* of the stored hash */
    char make[CR_PASSWORD_MAX + 1];
    char made[CR_PASSWORD_HASH_BYTES];
    cr_status status;
    cr_err err;
    cr_person person;
    char name[CR_NAME_MAX + 1];             /* typed, normalized */
    char link[CR_TOKEN_LEN + 1];
    cr_attempt attempt;                     /* counted, when it is a guess at a password */
    cr_signin_asked asked;
} hash_job;

static void job_free(hash_job *j) {
    cr_throttle_end(cr_hub_of(j->req)->throttle, &j->attempt, CR_ATTEMPT_NOT_MADE);   /* of one that came to nothing */
    explicit_bzero(j, sizeof *j);
    free(j);
}

static void job_run(void *user) {
    hash_job *j = user;
    if (j->wants_verify)
        j->status = cr_password_verify(j->verify, j->has_stored ? j->stored : NULL, &j->right, &j->err);
    if (j->status == CR_OK && j->make[0] && (!j->wants_verify || j->right))
        j->status = cr_password_hash(j->make, j->made, &j->err);
}

/* Hashing takes a while, and a queue of it longer: a password that was changed meanwhile is not right any more, nor is that of
 * somebody who was locked out. */
static void look_again(hash_job *j) {
    cr_person now;
    cr_err err = CR_ERR_INIT;
    if (j->right && (cr_person_get(cr_hub_of(j->req)->db, j->owner, &now, &err) != CR_OK || now.disabled || strcmp(now.password, j->stored) != 0))
        j->right = false;
}

static void job_done(void *user) {
    hash_job *j = user;
    look_again(j);
    if (j->status != CR_OK)
        cr_reply_err(j->req, &j->err);
    else
        j->then(j);
    job_free(j);
}

static void submit(hash_job *j) {
    cr_err err = CR_ERR_INIT;
    if (cr_workers_submit(cr_hub_of(j->req)->workers, job_run, job_done, j, &err) == CR_OK) {
        cr_request_suspend(j->req);
        return;
    }
    cr_reply_err(j->req, &err);
    job_free(j);
}

static hash_job *job_new(cr_request *req, void (*then)(hash_job *)) {
    hash_job *j = calloc(1, sizeof *j);
    if (!j) {
        cr_reply_error(req, 507, "no memory", "");
        return NULL;
    }
    j->req = req;
    j->then = then;
    return j;
}

/* Counts the attempt, else says how long to wait in a text for people and a header. device: NULL for an unknown browser. */
static bool may_try(hash_job *j, const char *name, const char *device, char message[96]) {
    char text[24], seconds[24];
    int64_t wait = cr_throttle_begin(cr_hub_of(j->req)->throttle, name, j->req->source, device, cr_now_ms(), &j->attempt);
    if (!wait)
        return true;
    snprintf(message, 96, N_("Too many attempts. Try again in %s."), cr_text_duration((wait + 999) / 1000 * 1000, text, sizeof text));
    snprintf(seconds, sizeof seconds, "%lld", (long long)((wait + 999) / 1000));
    cr_reply_header(j->req, "Retry-After", seconds);
    return false;
}

/* ---- sign in ---- */

static const char *next_of(const cr_request *req) {
    const char *next = cr_pairs_get(&req->form, "next");
    if (!next)
        next = cr_pairs_get(&req->query, "next");
    return cr_gate_safe_next(cr_hub_of(req), next);
}

static void show_login(cr_request *req, int status, const char *problem, const char *hint) {
    const char *next = next_of(req);
    cr_site_page(req, status, "login", json_pack("{s:s, s:s, s:s, s:s, s:o}", "next", next ? next : "", "problem", problem, "hint", hint,
                                                 "username", cr_request_field(req, "username"), "providers", cr_oidc_buttons(cr_hub_of(req), next)));
}

static void go_on(cr_request *req) {
    const char *next = next_of(req);
    cr_reply_redirect(req, 303, next ? next : "/hub/home");
}

void cr_login_form(cr_request *req) {
    if (cr_caller_of(req)->signed_in)
        go_on(req);
    else
        show_login(req, 200, "", "");
}

void cr_signin_sessions_ended(cr_hub *hub) {
    if (hub->feature)
        hub->feature->signed_out(hub);
}

static cr_status session_rows(cr_request *req, const cr_person *person, int64_t life_ms, int64_t proved_ms,
                              const cr_session_login *login, char token[CR_TOKEN_LEN + 1], cr_err *err) {
    cr_db *db = cr_hub_of(req)->db;
    const cr_caller *c = cr_caller_of(req);
    if (c->signed_in)
        CR_TRY(cr_session_end(db, c->session_id, err));
    CR_TRY(cr_session_make_for(db, person->id, life_ms, token, err));
    int64_t id = cr_db_last_id(db);
    if (login)
        CR_TRY(cr_session_note_login(db, id, login, err));
    return cr_session_prove(db, id, proved_ms, err);
}

bool cr_signin_session(cr_request *req, const cr_person *person, int64_t life_ms, int64_t proved_ms, const char *how, const cr_session_login *login) {
    cr_hub *hub = cr_hub_of(req);
    char token[CR_TOKEN_LEN + 1];
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_person(req, person, &who);
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_audit_end(hub, &who, session_rows(req, person, life_ms, proved_ms, login, token, &err), CR_AUDIT_SIGN_IN, person->name, how, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return false;
    }
    cr_signin_sessions_ended(hub);
    cr_gate_set_login(req, token);
    cr_gate_set_device(req, person->name);
    explicit_bzero(token, sizeof token);
    cr_log(CR_LOG_INFO, "signed in", "user=%s from=%s", person->name, req->source);
    cr_figures_sign_in(hub, true);
    return true;
}

static bool sign_in(cr_request *req, const cr_person *person, const char *how) {
    return cr_signin_session(req, person, CR_SESSION_LIFE_MS, cr_wall_ms(), how, NULL);
}

static void after_login(hash_job *j) {
    cr_hub *hub = cr_hub_of(j->req);
    if (!j->right || j->person.disabled) {
        cr_throttle_end(hub->throttle, &j->attempt, CR_ATTEMPT_WRONG);
        cr_log(CR_LOG_WARN, "sign-in refused", "user=%s from=%s", j->name, j->req->source);
        cr_figures_sign_in(hub, false);
        /* A name that nobody has may be a password in the wrong field. */
        cr_audit_refused(j->req, CR_AUDIT_SIGN_IN, j->owner ? j->person.name : "", !j->owner ? N_("unknown user name") : j->right ? "disabled" : N_("password"));
        show_login(j->req, 403, N_("User name or password is wrong."), "");
        return;
    }
    cr_throttle_end(hub->throttle, &j->attempt, CR_ATTEMPT_RIGHT);
    if (sign_in(j->req, &j->person, "password"))
        go_on(j->req);
}

void cr_login_post(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    if (cr_caller_of(req)->stale_form) {
        show_login(req, 403, N_("This sign-in page was too old or your browser did not keep its cookie."), N_("Please sign in again."));
        return;
    }
    hash_job *j = job_new(req, after_login);
    if (!j)
        return;
    cr_err err = CR_ERR_INIT;
    const char *password = cr_request_field(req, "password");
    /* An impossible name is treated like an unknown one, and takes as long. */
    if (cr_name_normalize(cr_request_field(req, "username"), j->name, &err) != CR_OK)
        snprintf(j->name, sizeof j->name, "?");
    char device[CR_DEVICE_ID_LEN + 1], message[96];
    bool known = cr_device_find(&hub->secret, cr_gate_device(req), j->name, cr_wall_ms() / 1000, device);
    if (!known && cr_throttle_strangers(hub->throttle) >= CR_SIGNIN_STRANGERS) {
        (void)CR_FAIL(&err, CR_BUSY, "too many people are signing in at this moment; try again in a few seconds");
        cr_reply_err(req, &err);
        job_free(j);
        return;
    }
    if (!may_try(j, j->name, known ? device : NULL, message)) {
        show_login(req, 429, message, "");
        job_free(j);
        return;
    }
    cr_status found = cr_person_find(hub->db, j->name, &j->person, &err);
    if (found != CR_OK && found != CR_NOT_FOUND) {
        cr_reply_err(req, &err);
        job_free(j);
        return;
    }
    j->wants_verify = true;
    j->has_stored = found == CR_OK && j->person.password[0] && strlen(password) <= CR_PASSWORD_MAX;
    j->owner = j->person.id;
    snprintf(j->stored, sizeof j->stored, "%s", j->person.password);
    snprintf(j->verify, sizeof j->verify, "%s", password);
    submit(j);
}

/* ---- sign out ---- */

/* By a link or a window of another site, which would sign somebody out unseen. The person's own server may: JupyterLab's Log Out comes from there. */
static bool leads_here_from_elsewhere(const cr_request *req) {
    const char *site = cr_request_header(req, "Sec-Fetch-Site"), *from = cr_request_header(req, "Referer");
    char own[CR_URL_MAX];
    if (!(req->method & (CR_GET | CR_HEAD)) || (site ? strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0 : !from))
        return false;
    const char *hub = cr_hub_of(req)->hub_origin;
    cr_url_user_origin(cr_hub_of(req)->config, cr_caller_of(req)->person.account, own, sizeof own);
    size_t n = from ? strcspn(from, "/") : 0;      /* of the scheme; then its two slashes and the host */
    n = from && cr_starts_with(from + n, "//") ? n + 2 + strcspn(from + n + 2, "/") : 0;
    return !n || ((strlen(own) != n || strncmp(from, own, n) != 0) && (strlen(hub) != n || strncmp(from, hub, n) != 0));
}

/* Also the server's own cookie has to go: the browser passes through the server's logout page, which comes back here. */
void cr_logout(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_caller *c = cr_caller_of(req);
    if (!c->signed_in || leads_here_from_elsewhere(req)) {
        cr_site_page(req, 200, "signed_out", json_pack("{s:b, s:o}", "ask", c->signed_in, "providers", cr_oidc_ways_out(hub)));
        return;
    }
    cr_err err = CR_ERR_INIT;
    cr_actor who;
    cr_actor_of(req, &who);
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_audit_end(hub, &who, cr_session_end(hub->db, c->session_id, &err), CR_AUDIT_SIGN_OUT, c->person.name, "", &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "signed out", "user=%s", c->person.name);
    cr_signin_sessions_ended(hub);
    cr_gate_set_login(req, NULL);
    cr_lab *server;
    char url[CR_URL_MAX];
    if (cr_lab_find(hub, &c->person, "", false, &server, &err) == CR_OK && server->state == CR_LAB_READY)
        cr_reply_redirect(req, 303, cr_lab_origin_url(server, "logout", url, sizeof url));
    else
        cr_reply_redirect(req, 303, "/hub/logout");
}

/* ---- one-time links ---- */

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

/* What was given ends, since somebody who knew the old one may have given it: whoever is in by it is put out. */
static cr_status set_password(cr_hub *hub, int64_t id, const char *hash, cr_err *err) {
    CR_TRY(cr_lab_put_given_out(hub, id, err));
    return cr_person_set_password(hub->db, id, hash, err);
}

static cr_status join_rows(cr_hub *hub, hash_job *j, const cr_onetime *what, cr_err *err) {
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
        CR_TRY(set_password(hub, j->person.id, j->made, err));
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

static void after_join(hash_job *j) {
    cr_hub *hub = cr_hub_of(j->req);
    cr_onetime what;
    if (!find_link(j->req, &what))
        return;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, join_rows(hub, j, &what, &err), &err);
    if (status == CR_EXISTS) {
        show_join(j->req, 409, &what, j->name, err.message, N_("Choose another user name."));
        return;
    }
    if (status != CR_OK) {
        cr_reply_err(j->req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "one-time link used", "user=%s admin=%d", j->person.name, j->person.admin);
    if (sign_in(j->req, &j->person, N_("one-time link")))
        cr_reply_redirect(j->req, 303, "/hub/home");
}

void cr_join_post(cr_request *req) {
    cr_onetime what;
    if (!find_link(req, &what))
        return;
    const char *typed = what.name[0] ? what.name : cr_request_field(req, "username"), *password = cr_request_field(req, "password");
    if (cr_caller_of(req)->stale_form) {
        show_join(req, 403, &what, typed, N_("This page was too old or your browser did not keep its cookie."), N_("Please send it again."));
        return;
    }
    hash_job *j = job_new(req, after_join);
    if (!j)
        return;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_name_normalize(typed, j->name, &err);
    if (status == CR_OK)
        status = cr_password_check(password, j->name, &err);
    if (status == CR_OK && strcmp(password, cr_request_field(req, "password_again")) != 0)
        status = CR_FAIL(&err, CR_INVALID, "the two passwords are not the same");
    if (status != CR_OK) {
        show_join(req, 400, &what, typed, err.message, err.hint);
        job_free(j);
        return;
    }
    snprintf(j->make, sizeof j->make, "%s", password);
    snprintf(j->link, sizeof j->link, "%s", req->param[0]);
    submit(j);
}

/* ---- change of password ---- */

/* The present password, asked again: guesses of others at the name do not count, those made in this sign-in do. */
static bool may_try_here(hash_job *j, char message[96]) {
    const cr_caller *c = cr_caller_of(j->req);
    char session[32];
    snprintf(session, sizeof session, "session-%lld", (long long)c->session_id);
    return may_try(j, c->person.name, session, message);
}

static void add_identity(void *user, const cr_identity *i) {
    json_array_append_new(user, json_pack("{s:I, s:s, s:s, s:s, s:s}", "id", (json_int_t)i->id, "provider", i->provider, "subject", i->subject, "shown",
                                          i->shown, "email", i->email));
}

static void show_password(cr_request *req, int status, const char *problem) {
    cr_hub *hub = cr_hub_of(req);
    const cr_person *me = &cr_caller_of(req)->person;
    json_t *identities = json_array(), *providers = cr_oidc_buttons(hub, NULL);
    cr_err err = CR_ERR_INIT;
    if (cr_identity_list(hub->db, me->id, add_identity, identities, &err) != CR_OK) {
        json_decref(identities);
        json_decref(providers);
        cr_reply_err(req, &err);
        return;
    }
    cr_site_page(req, status, "password", json_pack("{s:s, s:b, s:b, s:o, s:o}", "problem", problem, "has_password", me->password[0] != 0, "has_providers",
                                                    json_array_size(providers) > 0 || json_array_size(identities) > 0, "identities", identities,
                                                    "providers", providers));
}

void cr_password_form(cr_request *req) { show_password(req, 200, ""); }

static void after_password(hash_job *j) {
    cr_hub *hub = cr_hub_of(j->req);
    const cr_caller *c = cr_caller_of(j->req);
    cr_throttle_end(hub->throttle, &j->attempt, j->right ? CR_ATTEMPT_RIGHT : CR_ATTEMPT_WRONG);
    if (!j->right) {
        show_password(j->req, 403, N_("Your present password is wrong."));
        return;
    }
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(j->req, &who);
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_audit_end(hub, &who, set_password(hub, c->person.id, j->made, &err), CR_AUDIT_PASSWORD, c->person.name, "", &err);
    if (status != CR_OK) {
        cr_reply_err(j->req, &err);
        return;
    }
    if (sign_in(j->req, &c->person, N_("change of the password")))
        cr_reply_redirect(j->req, 303, "/hub/home");
}

/* ---- further ways in: each change asks for the password, so that a session alone cannot be made into an account for ever ---- */

static bool password_was_right(hash_job *j) {
    cr_throttle_end(cr_hub_of(j->req)->throttle, &j->attempt, j->right ? CR_ATTEMPT_RIGHT : CR_ATTEMPT_WRONG);
    if (j->right)
        return true;
    show_password(j->req, 403, N_("Your present password is wrong."));
    return false;
}

static void after_link(hash_job *j) {
    if (password_was_right(j))
        cr_oidc_link(j->req, j->req->param[0]);
}

static cr_status unlink_rows(cr_hub *hub, int64_t id, int64_t user_id, cr_err *err) {
    cr_identity_loss loss;
    CR_TRY(cr_identity_unlink_loses(hub->db, id, user_id, &loss, err));
    CR_TRY(cr_given_before_loss(hub, user_id, &loss, err));
    CR_TRY(cr_identity_unlink(hub->db, id, user_id, err));
    return cr_given_after_loss(hub, user_id, &loss, err);
}

static void after_unlink(hash_job *j) {
    const cr_person *me = &cr_caller_of(j->req)->person;
    int64_t id = 0;
    cr_err err = CR_ERR_INIT;
    if (!password_was_right(j))
        return;
    cr_hub *hub = cr_hub_of(j->req);
    cr_actor who;
    cr_actor_of(j->req, &who);
    cr_status status = cr_parse_int(cr_request_field(j->req, "identity"), 1, INT64_MAX, &id, &err);
    if (status == CR_OK)
        status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_audit_end(hub, &who, unlink_rows(hub, id, me->id, &err), CR_AUDIT_WAY_IN, me->name, N_("an identity was disconnected"), &err);
    if (status != CR_OK) {
        show_password(j->req, cr_status_http(status), err.message);
        return;
    }
    cr_log(CR_LOG_INFO, "identity unlinked", "user=%s provider=%s", me->name, j->req->param[0]);
    cr_reply_redirect(j->req, 303, "/hub/password");
}

static void with_password(cr_request *req, void (*then)(hash_job *)) {
    const cr_person *me = &cr_caller_of(req)->person;
    if (!me->password[0]) {
        show_password(req, 403, N_("Your account has no password yet. Ask an administrator for a link to set one."));
        return;
    }
    hash_job *j = job_new(req, then);
    if (!j)
        return;
    char message[96];
    if (!may_try_here(j, message)) {
        show_password(req, 429, message);
        job_free(j);
        return;
    }
    j->wants_verify = true;
    j->has_stored = strlen(cr_request_field(req, "password_now")) <= CR_PASSWORD_MAX;
    j->owner = me->id;
    snprintf(j->stored, sizeof j->stored, "%s", me->password);
    snprintf(j->verify, sizeof j->verify, "%s", cr_request_field(req, "password_now"));
    submit(j);
}

static void after_ask(hash_job *j) {
    cr_throttle_end(cr_hub_of(j->req)->throttle, &j->attempt, j->right ? CR_ATTEMPT_RIGHT : CR_ATTEMPT_WRONG);
    j->asked(j->req, j->right ? 200 : 403, j->right ? "" : N_("The password is wrong."));
}

void cr_signin_ask(cr_request *req, const char *password, cr_signin_asked then) {
    const cr_person *me = &cr_caller_of(req)->person;
    char message[96];
    hash_job *j = job_new(req, after_ask);
    if (!j)
        return;
    if (!may_try_here(j, message)) {
        then(req, 429, message);
        job_free(j);
        return;
    }
    j->asked = then;
    j->wants_verify = true;
    j->has_stored = me->password[0] && strlen(password) <= CR_PASSWORD_MAX;
    j->owner = me->id;
    snprintf(j->stored, sizeof j->stored, "%s", me->password);
    snprintf(j->verify, sizeof j->verify, "%s", password);
    submit(j);
}

void cr_link_post(cr_request *req) { with_password(req, after_link); }
void cr_unlink_post(cr_request *req) { with_password(req, after_unlink); }

void cr_password_post(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    cr_err err = CR_ERR_INIT;
    const char *password = cr_request_field(req, "password");
    cr_status status = cr_password_check(password, c->person.name, &err);
    if (status == CR_OK && strcmp(password, cr_request_field(req, "password_again")) != 0)
        status = CR_FAIL(&err, CR_INVALID, "the two passwords are not the same");
    if (status != CR_OK) {
        show_password(req, 400, err.message);
        return;
    }
    hash_job *j = job_new(req, after_password);
    if (!j)
        return;
    char message[96];
    if (!may_try_here(j, message)) {
        show_password(req, 429, message);
        job_free(j);
        return;
    }
    j->wants_verify = true;
    j->has_stored = c->person.password[0] && strlen(cr_request_field(req, "password_now")) <= CR_PASSWORD_MAX;
    j->owner = c->person.id;
    snprintf(j->stored, sizeof j->stored, "%s", c->person.password);
    snprintf(j->verify, sizeof j->verify, "%s", cr_request_field(req, "password_now"));
    snprintf(j->make, sizeof j->make, "%s", password);
    submit(j);
}
