/* oidc.c - sign-in by an identity provider: code flow with PKCE, state and nonce (OpenID Connect Core 3.1).
 *
 *   GET /hub/signin/NAME            -> provider: a random text goes there as `state` and into a cookie of this browser
 *   GET /hub/signin/NAME/callback   <- provider: code for tokens, tokens checked, userinfo if the token says too little, session
 *
 * Nothing of a sign-in that was begun is stored here: strangers could fill a store. The cookie holds provider, random text, end and
 * way on, under an HMAC of the hub's key; PKCE verifier and nonce are HMACs of the random text, so that nobody but the hub knows them
 * before they are sent. The cookie is taken away at the first answer, and the provider takes a code only once.
 *
 * The same way makes an identity a further way in to an account (POST /hub/signin/NAME/link, with the password): then the cookie also
 * holds a mark of the login session, and the answer counts only in that session.
 *
 * The same way an administrator who has no password here proves again to be there (hub/again.c): the mark is made for this, the provider is told
 * to ask anew and has to say that it did, and the identity must be one of the session's person.
 *
 * GitHub gives no signed token: its API is asked, question by question, and what it says are the claims (identity/github_text.h).
 *
 * The request sleeps while craton-fetch asks; each step ends in exactly one reply.
 */
#include "platform/hub/auditing.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/lab.h"
#include "platform/hub/provider_word.h"
#include "platform/hub/signin_cookie.h"

enum { JOBS_MAX = 512 };

#define VERIFIER_PURPOSE "signin-verifier"
#define NONCE_PURPOSE "signin-nonce"

typedef struct cr_oidc_job {
    struct cr_oidc_job *prev, *next;
    cr_hub *hub;
    cr_request *req;
    cr_issuer *issuer;
    cr_fetch *fetch;
    char state[CR_TOKEN_LEN + 1];
    cr_signin_begun begun;                 /* what it is for; next_path is in the request's arena */
    bool keys_again;                       /* a refetch for an unknown key has been made */
    int step;                              /* of cr_github_steps */
    cr_pace_hold hold;                     /* counted for the address while the answer is looked at */
    cr_oidc_tokens tokens;
    json_t *claims;
} job;

/* ---- jobs ---- */

static void job_free(job *j) {
    cr_hub *hub = j->hub;
    if (j->prev)
        j->prev->next = j->next;
    else
        hub->oidc_jobs = j->next;
    if (j->next)
        j->next->prev = j->prev;
    hub->n_oidc_jobs--;
    cr_pace_end(hub->oidc_pace, &j->hold, false, cr_now_ms());
    cr_fetch_free(j->fetch);
    if (j->tokens.id_token)
        explicit_bzero(j->tokens.id_token, strlen(j->tokens.id_token));
    if (j->tokens.access_token)
        explicit_bzero(j->tokens.access_token, strlen(j->tokens.access_token));
    json_decref(j->claims);
    free(j);
}

static job *job_new(cr_request *req, cr_issuer *issuer) {
    cr_hub *hub = cr_hub_of(req);
    job *j = hub->n_oidc_jobs < JOBS_MAX ? calloc(1, sizeof *j) : NULL;
    if (!j) {
        cr_reply_header(req, "Retry-After", "3");
        cr_reply_error(req, 503, "too many people are signing in at this moment; try again in a few seconds", "");
        return NULL;
    }
    *j = (job){.hub = hub, .req = req, .issuer = issuer, .next = hub->oidc_jobs};
    if (j->next)
        j->next->prev = j;
    hub->oidc_jobs = j;
    hub->n_oidc_jobs++;
    return j;
}

cr_status cr_oidc_open(cr_hub *hub, cr_err *err) {
    cr_run_path(hub->config, CR_RUN_FETCH, hub->fetch_socket, sizeof hub->fetch_socket);
    CR_TRY(cr_pace_new(&hub->oidc_pace, err));
    for (int i = 0; i < hub->providers->n; i++)
        CR_TRY(cr_issuer_new(hub->loop, &hub->providers->at[i], hub->fetch_socket, &hub->issuers[i], err));
    return CR_OK;
}

void cr_oidc_close(cr_hub *hub) {
    while (hub->oidc_jobs)
        job_free(hub->oidc_jobs);
    for (int i = 0; i < hub->providers->n; i++)
        cr_issuer_free(hub->issuers[i]);
    cr_pace_free(hub->oidc_pace);
}

/* ---- pages ---- */

json_t *cr_oidc_buttons(const cr_hub *hub, const char *next) {
    json_t *list = json_array();
    for (int i = 0; i < hub->providers->n; i++) {
        const cr_provider *p = &hub->providers->at[i];
        cr_auto_buf cr_buf url;
        cr_buf_init(&url, 4 * CR_HTTP_TARGET_MAX);
        cr_buf_addf(&url, "/hub/signin/%s", p->name);
        if (next) {
            cr_buf_adds(&url, "?next=");
            cr_percent_encode(&url, next, "/");
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "url", cr_buf_str(&url), "label", p->label, "name", p->name));
    }
    return list;
}

/* The sign-in was not finished: what happened, and the way to begin again. */
static void show_failure(cr_request *req, int status, const char *message, const char *hint, const cr_provider *p, bool proves) {
    char again[64 + CR_PROVIDER_NAME_MAX];
    snprintf(again, sizeof again, proves ? "/hub/again" : p ? "/hub/signin/%s" : "/hub/login", p ? p->name : "");
    cr_site_page(req, status, "signin_failed", json_pack("{s:s, s:s, s:s, s:s}", "message", message, "hint", hint, "again", again, "label", p ? p->label : ""));
}

static void fail(job *j, int status, const char *message, const char *hint) {
    show_failure(j->req, status, message, hint, cr_issuer_settings(j->issuer), j->begun.aim == CR_AIM_PROVE);
    job_free(j);
}

/* What a provider did wrong, or an attacker: people are told the kind, the log has the details. */
static void fail_err(job *j, const cr_err *err) {
    const cr_provider *p = cr_issuer_settings(j->issuer);
    char message[400];
    bool away = err->status == CR_IO || err->status == CR_TIMEOUT || err->status == CR_BUSY;
    cr_log_often(CR_LOG_WARN, "sign-in by provider failed", "provider=%s from=%s error=\"%s\"", p->name, j->req->source, err->message);
    if (away) {
        snprintf(message, sizeof message, N_("%s does not answer at the moment."), p->label);
        cr_reply_header(j->req, "Retry-After", "10");
        fail(j, 503, message, "Nothing is wrong with your account here. Try again in a minute.");
        return;
    }
    if (err->status == CR_NO_SPACE || err->status == CR_MEMORY || err->status == CR_INTERNAL) {
        cr_reply_err(j->req, err);
        job_free(j);
        return;
    }
    cr_pace_end(j->hub->oidc_pace, &j->hold, true, cr_now_ms());
    snprintf(message, sizeof message, N_("The answer of %s was not accepted: %.300s."), p->label, err->message);
    fail(j, err->status == CR_DENIED ? 403 : 502, message, err->hint);
}

/* ---- the way there ---- */

static void redirect_address(const cr_hub *hub, const cr_provider *p, char *buf, size_t size) {
    if (p->jupyterhub_callback)
        snprintf(buf, size, "%s/hub/oauth_callback", hub->hub_url);
    else
        snprintf(buf, size, "%s/hub/signin/%s/callback", hub->hub_url, p->name);
}

static cr_issuer *find_issuer(const cr_hub *hub, const char *name) {
    for (int i = 0; i < hub->providers->n; i++) {
        const cr_provider *p = &hub->providers->at[i];
        if (name ? strcmp(p->name, name) == 0 : p->jupyterhub_callback)
            return hub->issuers[i];
    }
    return NULL;
}

/* Apart from what counts for passwords: what fails here is a browser, not a guess at a name. */
static bool may_try(job *j) {
    char text[24], message[96], seconds[24];
    int64_t wait = cr_pace_begin(j->hub->oidc_pace, j->req->source, cr_now_ms(), &j->hold);
    if (!wait)
        return true;
    snprintf(seconds, sizeof seconds, "%lld", (long long)(wait + 999) / 1000);
    cr_reply_header(j->req, "Retry-After", seconds);
    snprintf(message, sizeof message, N_("Too many attempts. Try again in %s."), cr_text_duration((wait + 999) / 1000 * 1000, text, sizeof text));
    show_failure(j->req, 429, message, "", NULL, false);
    return false;
}

static void go(void *user, const cr_err *err) {
    job *j = user;
    if (err) {
        fail_err(j, err);
        return;
    }
    const cr_provider *p = cr_issuer_settings(j->issuer);
    char redirect[CR_URL_MAX], verifier[CR_TOKEN_LEN + 1], challenge[CR_PKCE_CHALLENGE_LEN + 1], nonce[CR_TOKEN_LEN + 1];
    cr_auto_buf cr_buf cookie, url;
    cr_buf_init(&cookie, 2 * CR_SIGNIN_COOKIE_MAX);
    cr_buf_init(&url, 4 * CR_HTTP_TARGET_MAX);
    cr_token_make(j->state);
    cr_csrf_make(&j->hub->secret, VERIFIER_PURPOSE, j->state, verifier);
    cr_csrf_make(&j->hub->secret, NONCE_PURPOSE, j->state, nonce);
    cr_pkce_challenge(verifier, challenge);
    redirect_address(j->hub, p, redirect, sizeof redirect);
    cr_signin_cookie_make(j->req, p->name, j->state, &j->begun, &cookie);
    const cr_oidc_ask ask = {redirect, j->state, nonce, challenge, j->begun.aim == CR_AIM_PROVE};
    cr_oidc_authorize_url(p, cr_issuer_meta(j->issuer), &ask, &url);
    cr_gate_set_signin(j->req, cr_buf_str(&cookie), CR_SIGNIN_LIFE_MS / 1000);
    /* A form must not lead to another site (form-action of the policy), so the way there from a form is a link. */
    if (j->begun.aim != CR_AIM_SIGN_IN)
        cr_site_page(j->req, 200, "link", json_pack("{s:s, s:s, s:b}", "url", cr_buf_str(&url), "label", p->label, "again", j->begun.aim == CR_AIM_PROVE));
    else
        cr_reply_redirect(j->req, 303, cr_buf_str(&url));
    explicit_bzero(verifier, sizeof verifier);
    job_free(j);
}

/* Sleeps until the provider's document and keys are there. */
static void await_issuer(job *j, bool new_keys, cr_issuer_fn then) {
    cr_err err = CR_ERR_INIT;
    cr_request_suspend(j->req);
    if (cr_issuer_ready(j->issuer, new_keys, then, j, &err) != CR_OK)
        fail_err(j, &err);
}

void cr_oidc_start(cr_request *req) {
    cr_issuer *issuer = find_issuer(cr_hub_of(req), req->param[0]);
    const char *next = cr_gate_safe_next(cr_hub_of(req), cr_pairs_get(&req->query, "next"));
    if (!issuer) {
        cr_reply_error(req, 404, "there is no such way to sign in", "see the sign-in page: /hub/login");
        return;
    }
    if (cr_caller_of(req)->signed_in) {
        cr_reply_redirect(req, 303, next ? next : "/hub/home");
        return;
    }
    job *j = job_new(req, issuer);
    if (!j)
        return;
    j->begun.next_path = next ? next : "";
    await_issuer(j, false, go);
}

static void begin_in_session(cr_request *req, const char *provider, cr_signin_aim aim, const char *next) {
    cr_issuer *issuer = find_issuer(cr_hub_of(req), provider);
    if (!issuer) {
        cr_reply_error(req, 404, "there is no such way to sign in", "");
        return;
    }
    if (aim == CR_AIM_PROVE && !cr_provider_asks_again(cr_issuer_settings(issuer))) {
        cr_reply_error(req, 400, "this provider cannot be told to ask you again", "an administrator can make a link with which you set a password");
        return;
    }
    job *j = job_new(req, issuer);
    if (!j)
        return;
    j->begun.next_path = next;
    j->begun.aim = aim;
    await_issuer(j, false, go);
}

void cr_oidc_link(cr_request *req, const char *provider) { begin_in_session(req, provider, CR_AIM_LINK, "/hub/password"); }
void cr_oidc_again(cr_request *req, const char *provider) { begin_in_session(req, provider, CR_AIM_PROVE, "/hub/again"); }

/* ---- the way back ---- */

/* When the provider has asked the person last; 0: it does not say, and may have remembered an old sign-in of its own. */
static int64_t proved_ms(const job *j) {
    const json_t *at = json_object_get(j->claims, "auth_time");
    int64_t now = cr_wall_ms(), s = json_is_integer(at) ? json_integer_value(at) : 0;
    return s > 0 && s < now / 1000 ? s * 1000 : s > 0 ? now : 0;
}

static void come_in(job *j, const cr_oidc_who *who) {
    const cr_provider *p = cr_issuer_settings(j->issuer);
    cr_person person;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_word_sign_in(j->req, p, who, &person, &err);
    if (status == CR_DENIED) {
        cr_audit_refused(j->req, CR_AUDIT_SIGN_IN, person.name, "disabled");
        cr_log(CR_LOG_WARN, "sign-in refused", "user=%s provider=%s from=%s", person.name, p->name, j->req->source);
        fail(j, 403, "Your account here is disabled.", p->contact[0] ? p->contact : "Ask the administrator of this hub.");
        return;
    }
    if (status != CR_OK) {
        fail_err(j, &err);
        return;
    }
    char how[CR_PROVIDER_NAME_MAX + 16];
    snprintf(how, sizeof how, N_("provider %s"), p->name);
    const cr_session_login login = {p->issuer, who->subject, cr_oidc_sid(j->claims)};
    if (cr_signin_session(j->req, &person, p->session_hours * 3600 * 1000, proved_ms(j), how, &login)) {
        const char *next = cr_gate_safe_next(cr_hub_of(j->req), j->begun.next_path);
        cr_reply_redirect(j->req, 303, next ? next : "/hub/home");
    }
    job_free(j);
}

/* The session was looked at when the answer came; it may have ended since. */
static void link_identity(job *j, const cr_oidc_who *who) {
    const cr_provider *p = cr_issuer_settings(j->issuer);
    const cr_caller *c = cr_caller_of(j->req);
    cr_person person;
    int64_t session_id;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_session_find(j->hub->db, c->session, &session_id, &person, &err);
    if (status == CR_OK)
        status = cr_db_begin(j->hub->db, &err);
    if (status == CR_OK) {
        cr_actor actor;
        char detail[CR_PROVIDER_NAME_MAX + 32];
        snprintf(detail, sizeof detail, "provider %s was connected", p->name);
        cr_actor_person(j->req, &person, &actor);
        status = cr_audit_end(j->hub, &actor, cr_identity_link(j->hub->db, p, who, person.id, &err), CR_AUDIT_WAY_IN, person.name, detail, &err);
    }
    if (status == CR_EXISTS || status == CR_NOT_FOUND) {
        fail(j, 409, status == CR_EXISTS ? "This identity belongs to another account here." : "You have been signed out meanwhile.",
             status == CR_EXISTS ? "Sign in with it, or ask the administrator to remove the other account." : "");
        return;
    }
    if (status != CR_OK) {
        fail_err(j, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "identity linked", "user=%s provider=%s", person.name, p->name);
    cr_reply_redirect(j->req, 303, "/hub/password");
    job_free(j);
}

static cr_status prove_rows(job *j, int64_t session_id, const cr_person *person, cr_err *err) {
    cr_actor actor;
    char detail[CR_PROVIDER_NAME_MAX + 16];
    snprintf(detail, sizeof detail, N_("provider %s"), cr_issuer_settings(j->issuer)->name);
    cr_actor_person(j->req, person, &actor);
    CR_TRY(cr_db_begin(j->hub->db, err));
    return cr_audit_end(j->hub, &actor, cr_session_prove(j->hub->db, session_id, cr_wall_ms(), err), CR_AUDIT_PROOF, person->name, detail, err);
}

/* That the provider has asked just now is known from its token. */
static void prove(job *j, const cr_oidc_who *who) {
    cr_person person, owner;
    int64_t session_id;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_session_find(j->hub->db, cr_caller_of(j->req)->session, &session_id, &person, &err);
    if (status == CR_NOT_FOUND) {
        fail(j, 409, "You have been signed out meanwhile.", "");
        return;
    }
    if (status == CR_OK)
        status = cr_identity_find(j->hub->db, cr_issuer_settings(j->issuer), who->subject, &owner, &err);
    if (status == CR_NOT_FOUND || (status == CR_OK && owner.id != person.id)) {
        cr_audit_refused(j->req, CR_AUDIT_PROOF, person.name, N_("another identity"));
        fail(j, 403, "That is another identity than the one of this account.", "Sign in there as the person that you are here.");
        return;
    }
    if (status == CR_OK)
        status = prove_rows(j, session_id, &person, &err);
    if (status != CR_OK) {
        fail_err(j, &err);
        return;
    }
    cr_reply_redirect(j->req, 303, "/hub/again");
    job_free(j);
}

static void decide(job *j) {
    const cr_provider *p = cr_issuer_settings(j->issuer);
    cr_oidc_who who;
    cr_err err = CR_ERR_INIT;
    cr_person had;
    cr_oidc_read_who(p, j->claims, &who);
    if (who.allowed) {
        (j->begun.aim == CR_AIM_PROVE ? prove : j->begun.aim == CR_AIM_LINK ? link_identity : come_in)(j, &who);
        return;
    }
    if (cr_word_refuse(j->hub, p, &who, &had, &err) != CR_OK) {
        fail_err(j, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "membership missing", "provider=%s subject=%s groups=%d had_account=%d", p->name, who.subject, who.n_groups, had.id != 0);
    cr_audit_refused(j->req, CR_AUDIT_SIGN_IN, had.name, N_("membership missing"));
    cr_refused_page(j->req, p, &who);
    job_free(j);
}

static void on_userinfo(void *user, int status, const char *body, size_t n, const cr_err *failure) {
    job *j = user;
    cr_err err = CR_ERR_INIT;
    j->fetch = NULL;
    if (failure)
        err = *failure;
    else if (status != 200)
        (void)CR_FAIL(&err, status >= 500 ? CR_IO : CR_FORMAT, N_("its userinfo came with status %d"), status);
    else if (cr_oidc_merge_userinfo(j->claims, body, n, &err) == CR_OK) {
        decide(j);
        return;
    }
    fail_err(j, &err);
}

static void ask_more(job *j) {
    const cr_provider *p = cr_issuer_settings(j->issuer);
    const cr_oidc_meta *m = cr_issuer_meta(j->issuer);
    if (!m->userinfo[0] || !j->tokens.access_token[0] || !cr_oidc_wants_userinfo(p, j->claims)) {
        decide(j);
        return;
    }
    const cr_fetch_ask ask = {.url = m->userinfo, .bearer = j->tokens.access_token};
    cr_err err = CR_ERR_INIT;
    if (cr_fetch_start(j->hub->loop, j->hub->fetch_socket, &ask, on_userinfo, j, &j->fetch, &err) != CR_OK)
        fail_err(j, &err);
}

static void verify(void *user, const cr_err *failure) {
    job *j = user;
    const cr_provider *p = cr_issuer_settings(j->issuer);
    cr_err err = CR_ERR_INIT;
    char nonce[CR_TOKEN_LEN + 1];
    cr_oidc_expect expect = {.nonce = nonce, .access_token = j->tokens.access_token, .now_s = cr_wall_ms() / 1000,
                             .asked_s = j->begun.aim == CR_AIM_PROVE ? j->begun.at_ms / 1000 : 0};
    if (failure) {
        fail_err(j, failure);
        return;
    }
    cr_status status = cr_jwt_verify(j->tokens.id_token, cr_issuer_keys(j->issuer), p->algs, &j->claims, &expect.alg, &err);
    if (status == CR_NOT_FOUND && !j->keys_again) {
        j->keys_again = true;
        await_issuer(j, true, verify);
        return;
    }
    if (status == CR_NOT_FOUND)
        err.status = CR_DENIED;
    cr_csrf_make(&j->hub->secret, NONCE_PURPOSE, j->state, nonce);
    if (status == CR_OK)
        status = cr_oidc_check_claims(p, j->claims, &expect, &err);
    if (status != CR_OK)
        fail_err(j, &err);
    else
        ask_more(j);
}

static void ask_github(job *j);

static void on_github(void *user, int status, const char *body, size_t n, const cr_err *failure) {
    job *j = user;
    cr_err err = CR_ERR_INIT;
    j->fetch = NULL;
    if (failure)
        err = *failure;
    else if (cr_github_take(&cr_github_steps[j->step], status, body, n, j->claims, &err) == CR_OK) {
        if (++j->step < cr_github_steps_len)
            ask_github(j);
        else
            decide(j);
        return;
    }
    fail_err(j, &err);
}

static void ask_github(job *j) {
    char url[CR_OIDC_URL_MAX];
    cr_err err = CR_ERR_INIT;
    const cr_fetch_ask ask = {.url = cr_github_url(cr_issuer_settings(j->issuer), &cr_github_steps[j->step], url), .bearer = j->tokens.access_token};
    if (!j->claims)
        j->claims = json_object();
    if (cr_fetch_start(j->hub->loop, j->hub->fetch_socket, &ask, on_github, j, &j->fetch, &err) != CR_OK)
        fail_err(j, &err);
}

static void on_tokens(void *user, int status, const char *body, size_t n, const cr_err *failure) {
    job *j = user;
    cr_err err = CR_ERR_INIT;
    j->fetch = NULL;
    if (failure)
        err = *failure;
    else if (status >= 500)
        (void)CR_FAIL(&err, CR_IO, N_("its token endpoint answered with status %d"), status);
    else if (cr_github_is(cr_issuer_settings(j->issuer))) {
        if (cr_oidc_read_access(status, body, n, &j->req->arena, &j->tokens, &err) == CR_OK) {
            ask_github(j);
            return;
        }
    } else if (cr_oidc_read_tokens(status, body, n, &j->req->arena, &j->tokens, &err) == CR_OK) {
        verify(j, NULL);
        return;
    }
    fail_err(j, &err);
}

/* client_secret_basic: both parts are form-encoded first (RFC 6749 2.3.1). */
static void exchange(void *user, const cr_err *failure) {
    job *j = user;
    const cr_provider *p = cr_issuer_settings(j->issuer);
    cr_err err = CR_ERR_INIT;
    if (failure) {
        fail_err(j, failure);
        return;
    }
    const cr_oidc_meta *m = cr_issuer_meta(j->issuer);
    const char *iss = cr_pairs_get(&j->req->query, "iss");
    if (iss ? strcmp(iss, p->issuer) != 0 : m->answers_with_issuer) {
        (void)CR_FAIL(&err, CR_DENIED, "it does not say that it comes from %s", p->issuer);
        fail_err(j, &err);
        return;
    }
    char redirect[CR_URL_MAX], verifier[CR_TOKEN_LEN + 1];
    cr_auto_buf cr_buf form, id, secret;
    cr_buf_init(&form, 32 << 10);
    cr_buf_init(&id, 2048);
    cr_buf_init(&secret, 2048);
    redirect_address(j->hub, p, redirect, sizeof redirect);
    cr_csrf_make(&j->hub->secret, VERIFIER_PURPOSE, j->state, verifier);
    cr_oidc_token_form(p, m, cr_pairs_get(&j->req->query, "code"), redirect, verifier, &form);
    cr_percent_encode(&id, p->client_id, NULL);
    cr_percent_encode(&secret, p->secret, NULL);
    bool basic = p->secret[0] && !m->secret_in_form;
    const cr_fetch_ask ask = {.url = m->token, .form = cr_buf_str(&form), .user = basic ? cr_buf_str(&id) : NULL,
                              .password = basic ? cr_buf_str(&secret) : NULL};
    cr_status status = cr_fetch_start(j->hub->loop, j->hub->fetch_socket, &ask, on_tokens, j, &j->fetch, &err);
    if (form.data)
        explicit_bzero(form.data, form.len);
    if (secret.data)
        explicit_bzero(secret.data, secret.len);
    if (status != CR_OK)
        fail_err(j, &err);
}

/* The provider says no: people know best why. */
static void show_refusal(cr_request *req, const cr_provider *p, const char *error, bool proves) {
    char message[300];
    bool denied = strcmp(error, "access_denied") == 0;
    snprintf(message, sizeof message, denied ? N_("%s says that you did not agree or may not use this service.") : N_("%s did not let you in (%.60s)."), p->label, error);
    cr_log_often(CR_LOG_INFO, "provider refused", "provider=%s error=\"%.60s\" from=%s", p->name, error, req->source);
    show_failure(req, 403, message, "", p, proves);
}

void cr_oidc_callback(cr_request *req) {
    cr_issuer *issuer = find_issuer(cr_hub_of(req), req->param[0]);
    cr_err err = CR_ERR_INIT;
    cr_signin_begun begun = {.next_path = ""};
    if (!issuer) {
        cr_reply_error(req, 404, "there is no such way to sign in", "see the sign-in page: /hub/login");
        return;
    }
    const cr_provider *p = cr_issuer_settings(issuer);
    const char *state = cr_pairs_get(&req->query, "state"), *code = cr_pairs_get(&req->query, "code"), *error = cr_pairs_get(&req->query, "error");
    bool once = cr_pairs_count(&req->query, "state") == 1 && cr_pairs_count(&req->query, "code") <= 1 && cr_pairs_count(&req->query, "error") <= 1 &&
                cr_pairs_count(&req->query, "iss") <= 1;
    if (!once || cr_signin_cookie_read(req, p->name, state, &begun, &err) != CR_OK) {
        cr_log_often(CR_LOG_WARN, "sign-in not begun here", "provider=%s from=%s", p->name, req->source);
        show_failure(req, 403, N_("This sign-in was not begun in this browser, was finished before, or took longer than ten minutes."), N_("Please begin again."), p, begun.aim == CR_AIM_PROVE);
        return;
    }
    cr_gate_set_signin(req, NULL, 0);
    if (error) {
        show_refusal(req, p, error, begun.aim == CR_AIM_PROVE);
        return;
    }
    if (!code || !code[0] || strlen(code) > CR_OIDC_CODE_MAX) {
        show_failure(req, 400, N_("The provider's answer holds no code."), N_("Please begin again."), p, begun.aim == CR_AIM_PROVE);
        return;
    }
    job *j = job_new(req, issuer);
    if (!j)
        return;
    if (!may_try(j)) {
        job_free(j);
        return;
    }
    j->begun = begun;
    snprintf(j->state, sizeof j->state, "%s", state);
    await_issuer(j, false, exchange);
}
