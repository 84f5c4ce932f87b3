/* signout.c - signing out at an identity provider: the provider says so here (OpenID Connect Back-Channel Logout 1.0), or a person goes there to do
 * it (RP-Initiated Logout 1.0).
 *
 * A logout token is believed like an ID token: by the provider's keys, for this client, of these minutes, and once. It ends the sessions that
 * were made by that sign-in, or all of that person by this provider when it names no sign-in, with all that was opened in them. Programs' tokens
 * stay: the person is still a member.
 *
 * The person goes there without an ID token as a hint, since none is kept here; the provider then asks whether it is meant.
 */
#include "platform/hub/auditing.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"

typedef struct going {        /* in the request's arena */
    cr_request *req;
    cr_issuer *issuer;
    const char *token;
    bool keys_again;
} going;

static cr_issuer *find_issuer(const cr_hub *hub, const char *name) {
    for (int i = 0; i < hub->providers->n; i++)
        if (strcmp(hub->providers->at[i].name, name) == 0)
            return hub->issuers[i];
    return NULL;
}

/* GitHub signs nothing and has no page for this. */
static going *going_new(cr_request *req, const char *token) {
    cr_issuer *issuer = find_issuer(cr_hub_of(req), req->param[0]);
    if (issuer && cr_github_is(cr_issuer_settings(issuer)))
        issuer = NULL;
    going *g = issuer ? cr_arena_alloc(&req->arena, sizeof *g) : NULL;
    if (g)
        *g = (going){.req = req, .issuer = issuer, .token = token};
    else
        cr_reply_error(req, issuer ? 507 : 404, issuer ? "no memory" : "there is no such way to sign in", issuer ? "" : "see the sign-in page: /hub/login");
    return g;
}

/* ---- the provider says so ---- */

/* 2.8 of the specification: 400 and a JSON object as of RFC 6749. */
static void refuse(cr_request *req, const cr_err *why) {
    cr_log_often(CR_LOG_WARN, "logout token refused", "provider=%s why=\"%.200s\" from=%s", req->param[0], why->message, req->source);
    cr_reply_json(req, 400, json_pack("{s:s, s:s}", "error", "invalid_request", "error_description", why->message));
}

static cr_status end_rows(cr_request *req, const cr_provider *p, const cr_oidc_logout *what, char name[CR_NAME_MAX + 1], int64_t *ret_n, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    const cr_session_login login = {p->issuer, what->subject, what->sid};
    char detail[CR_PROVIDER_NAME_MAX + 16];
    cr_actor who = {.via = "provider"};
    snprintf(who.name, sizeof who.name, "provider %.40s", p->name);      /* a name that no person has */
    snprintf(who.source, sizeof who.source, "%s", req->source);
    snprintf(detail, sizeof detail, "provider %s", p->name);
    CR_TRY(cr_session_logout_once(hub->db, p->issuer, what->jti, what->until_s * 1000, err));
    cr_status found = cr_session_login_find(hub->db, &login, name, err);
    if (found == CR_NOT_FOUND)      /* nobody, which is what was wanted */
        return CR_OK;
    CR_TRY(found);
    CR_TRY(cr_session_login_end(hub->db, &login, ret_n, err));
    return cr_audit_write(hub, &who, CR_AUDIT_SIGN_OUT, name, detail, err);
}

static void obey(going *g, const json_t *claims) {
    cr_hub *hub = cr_hub_of(g->req);
    const cr_provider *p = cr_issuer_settings(g->issuer);
    char name[CR_NAME_MAX + 1] = "";
    int64_t n = 0;
    cr_oidc_logout what;
    cr_err err = CR_ERR_INIT;
    if (cr_oidc_read_logout(p, claims, cr_wall_ms() / 1000, &what, &err) != CR_OK) {
        refuse(g->req, &err);
        return;
    }
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, end_rows(g->req, p, &what, name, &n, &err), &err);
    if (status == CR_EXISTS) {
        refuse(g->req, &err);
    } else if (status != CR_OK) {
        cr_reply_err(g->req, &err);
    } else {
        if (n)
            cr_log(CR_LOG_INFO, "signed out by provider", "user=%s provider=%s sessions=%lld", name, p->name, (long long)n);
        cr_signin_sessions_ended(hub);
        cr_reply_empty(g->req, 200);
    }
}

static void verify(void *user, const cr_err *failure) {
    going *g = user;
    const cr_provider *p = cr_issuer_settings(g->issuer);
    json_t *claims = NULL;
    cr_err err = CR_ERR_INIT;
    if (failure) {
        cr_reply_header(g->req, "Retry-After", "30");
        cr_reply_error(g->req, 503, failure->message, "");
        return;
    }
    cr_status status = cr_jwt_verify_as("logout+jwt", g->token, cr_issuer_keys(g->issuer), p->algs, &claims, NULL, &err);
    if (status == CR_NOT_FOUND && !g->keys_again) {
        g->keys_again = true;
        if (cr_issuer_ready(g->issuer, true, verify, g, &err) == CR_OK)
            return;
    }
    if (status != CR_OK)
        refuse(g->req, &err);
    else
        obey(g, claims);
    json_decref(claims);
}

/* Not from a browser: no cookie counts here, nor does the origin. */
void cr_oidc_backchannel(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    going *g = going_new(req, cr_pairs_get(&req->form, "logout_token"));
    if (!g)
        return;
    if (cr_pairs_count(&req->form, "logout_token") != 1) {
        (void)CR_FAIL(&err, CR_INVALID, "there must be one logout_token in the form");
        refuse(req, &err);
        return;
    }
    cr_request_suspend(req);
    if (cr_issuer_ready(g->issuer, false, verify, g, &err) != CR_OK)
        cr_reply_err(req, &err);
}

/* ---- a person goes there ---- */

static void go(void *user, const cr_err *failure) {
    going *g = user;
    char back[CR_URL_MAX];
    cr_auto_buf cr_buf url;
    cr_buf_init(&url, 8 << 10);
    const cr_oidc_meta *m = failure ? NULL : cr_issuer_meta(g->issuer);
    if (!m) {
        cr_reply_err(g->req, failure);
        return;
    }
    if (!m->end_session[0]) {
        cr_reply_error(g->req, 404, "This provider has no page to sign out at.", "Close the browser, or sign out at the provider itself.");
        return;
    }
    snprintf(back, sizeof back, "%.1000s/hub/logout", cr_hub_of(g->req)->hub_url);
    cr_oidc_end_session_url(cr_issuer_settings(g->issuer), m, back, &url);
    cr_reply_redirect(g->req, 303, cr_buf_str(&url));
}

json_t *cr_oidc_ways_out(const cr_hub *hub) {
    json_t *list = json_array();
    for (int i = 0; i < hub->providers->n; i++) {
        const cr_provider *p = &hub->providers->at[i];
        if (!cr_github_is(p))
            json_array_append_new(list, json_pack("{s:s, s:s}", "label", p->label, "name", p->name));
    }
    return list;
}

void cr_oidc_signout(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    going *g = going_new(req, NULL);
    if (!g)
        return;
    cr_request_suspend(req);
    if (cr_issuer_ready(g->issuer, false, go, g, &err) != CR_OK)
        cr_reply_err(req, &err);
}
