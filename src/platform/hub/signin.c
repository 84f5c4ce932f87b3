/* signin.c - sign in, sign out, change of password. */
#include "platform/hub/hash_job.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/figures.h"
#include "platform/hub/given.h"
#include "platform/hub/lab.h"
#include "platform/identity/device.h"

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
    CR_TRY(cr_session_make(db, person->id, life_ms, token, err));
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

static void after_login(cr_hash_job *j) {
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
    cr_hash_job *j = cr_hash_job_new(req, after_login);
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
        cr_hash_job_free(j);
        return;
    }
    if (!cr_hash_job_may_try(j, j->name, known ? device : NULL, message)) {
        show_login(req, 429, message, "");
        cr_hash_job_free(j);
        return;
    }
    cr_status found = cr_person_find(hub->db, j->name, &j->person, &err);
    if (found != CR_OK && found != CR_NOT_FOUND) {
        cr_reply_err(req, &err);
        cr_hash_job_free(j);
        return;
    }
    j->wants_verify = true;
    j->has_stored = found == CR_OK && j->person.password[0] && strlen(password) <= CR_PASSWORD_MAX;
    j->owner = j->person.id;
    snprintf(j->stored, sizeof j->stored, "%s", j->person.password);
    snprintf(j->verify, sizeof j->verify, "%s", password);
    cr_hash_job_submit(j);
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

/* ---- change of password ---- */

/* What was given ends, since somebody who knew the old one may have given it: whoever is in by it is put out. */
cr_status cr_signin_set_password(cr_hub *hub, int64_t id, const char *hash, cr_err *err) {
    CR_TRY(cr_lab_put_given_out(hub, id, err));
    return cr_person_set_password(hub->db, id, hash, err);
}

/* The present password, asked again: guesses of others at the name do not count, those made in this sign-in do. */
static bool may_try_here(cr_hash_job *j, char message[96]) {
    const cr_caller *c = cr_caller_of(j->req);
    char session[32];
    snprintf(session, sizeof session, "session-%lld", (long long)c->session_id);
    return cr_hash_job_may_try(j, c->person.name, session, message);
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

static void after_password(cr_hash_job *j) {
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
        status = cr_audit_end(hub, &who, cr_signin_set_password(hub, c->person.id, j->made, &err), CR_AUDIT_PASSWORD, c->person.name, "", &err);
    if (status != CR_OK) {
        cr_reply_err(j->req, &err);
        return;
    }
    if (sign_in(j->req, &c->person, N_("change of the password")))
        cr_reply_redirect(j->req, 303, "/hub/home");
}

/* ---- further ways in: each change asks for the password, so that a session alone cannot be made into an account for ever ---- */

static bool password_was_right(cr_hash_job *j) {
    cr_throttle_end(cr_hub_of(j->req)->throttle, &j->attempt, j->right ? CR_ATTEMPT_RIGHT : CR_ATTEMPT_WRONG);
    if (j->right)
        return true;
    show_password(j->req, 403, N_("Your present password is wrong."));
    return false;
}

static void after_link(cr_hash_job *j) {
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

static void after_unlink(cr_hash_job *j) {
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

static void with_password(cr_request *req, void (*then)(cr_hash_job *)) {
    const cr_person *me = &cr_caller_of(req)->person;
    if (!me->password[0]) {
        show_password(req, 403, N_("Your account has no password yet. Ask an administrator for a link to set one."));
        return;
    }
    cr_hash_job *j = cr_hash_job_new(req, then);
    if (!j)
        return;
    char message[96];
    if (!may_try_here(j, message)) {
        show_password(req, 429, message);
        cr_hash_job_free(j);
        return;
    }
    j->wants_verify = true;
    j->has_stored = strlen(cr_request_field(req, "password_now")) <= CR_PASSWORD_MAX;
    j->owner = me->id;
    snprintf(j->stored, sizeof j->stored, "%s", me->password);
    snprintf(j->verify, sizeof j->verify, "%s", cr_request_field(req, "password_now"));
    cr_hash_job_submit(j);
}

static void after_ask(cr_hash_job *j) {
    cr_throttle_end(cr_hub_of(j->req)->throttle, &j->attempt, j->right ? CR_ATTEMPT_RIGHT : CR_ATTEMPT_WRONG);
    j->asked(j->req, j->right ? 200 : 403, j->right ? "" : N_("The password is wrong."));
}

void cr_signin_ask(cr_request *req, const char *password, cr_signin_asked then) {
    const cr_person *me = &cr_caller_of(req)->person;
    char message[96];
    cr_hash_job *j = cr_hash_job_new(req, after_ask);
    if (!j)
        return;
    if (!may_try_here(j, message)) {
        then(req, 429, message);
        cr_hash_job_free(j);
        return;
    }
    j->asked = then;
    j->wants_verify = true;
    j->has_stored = me->password[0] && strlen(password) <= CR_PASSWORD_MAX;
    j->owner = me->id;
    snprintf(j->stored, sizeof j->stored, "%s", me->password);
    snprintf(j->verify, sizeof j->verify, "%s", password);
    cr_hash_job_submit(j);
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
    cr_hash_job *j = cr_hash_job_new(req, after_password);
    if (!j)
        return;
    char message[96];
    if (!may_try_here(j, message)) {
        show_password(req, 429, message);
        cr_hash_job_free(j);
        return;
    }
    j->wants_verify = true;
    j->has_stored = c->person.password[0] && strlen(cr_request_field(req, "password_now")) <= CR_PASSWORD_MAX;
    j->owner = c->person.id;
    snprintf(j->stored, sizeof j->stored, "%s", c->person.password);
    snprintf(j->verify, sizeof j->verify, "%s", cr_request_field(req, "password_now"));
    snprintf(j->make, sizeof j->make, "%s", password);
    cr_hash_job_submit(j);
}
