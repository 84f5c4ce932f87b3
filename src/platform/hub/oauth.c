/* oauth.c - authorization code with PKCE S256 (RFC 6749, RFC 7636): codes made for browsers, and exchanged for tokens; see oauth.h.
 *
 * Into a user server comes whoever holds access:servers for it: its person, and who was given that by a share or a role. These are asked
 * first, since the server learns who they are, and what they do there is done as its person; a live token of theirs for the server says
 * that they agreed. Into a service: oauth_service.c.
 */
#include "platform/hub/oauth.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/again.h"
#include "platform/hub/auditing.h"
#include "platform/hub/shares.h"
#include "platform/hub/visits.h"

enum { CODE_LIFE_MS = 60 * 1000, STATE_MAX = 4096 };

const char *cr_oauth_arg(const cr_pairs *pairs, const char *name) {
    const char *value = cr_pairs_count(pairs, name) == 1 ? cr_pairs_get(pairs, name) : NULL;
    return value ? value : "";
}

static const char *arg(const cr_request *req, const char *name) { return cr_oauth_arg(&req->query, name); }

void cr_oauth_return(cr_request *req, const cr_oauth_client *client, const char *name, const char *value, const char *state) {
    cr_auto_buf cr_buf url;
    cr_buf_init(&url, 4 * CR_HTTP_TARGET_MAX);
    cr_buf_addf(&url, "%s?%s=%s&state=", client->redirect, name, value);
    cr_percent_encode(&url, state, NULL);
    cr_reply_redirect(req, 302, cr_buf_str(&url));
}

/* ---- authorize: the browser of a signed-in person ---- */

static cr_status make_code(cr_request *req, const cr_oauth_client *client, const char *challenge, const char *scopes, char code[CR_TOKEN_LEN + 1],
                           cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_make(code);
    cr_token_hash(code, hash);
    return cr_db_run(cr_hub_of(req)->db, err,
                     "INSERT INTO codes (hash, server_id, client, session_id, redirect, challenge, scopes, expires_ms) VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?)",
                     "bitittti", hash, sizeof hash, client->service ? (int64_t)0 : client->server->id, client->service ? client->service->name : NULL,
                     cr_caller_of(req)->session_id, client->redirect, challenge, scopes, cr_wall_ms() + CODE_LIFE_MS);
}

static cr_status code_rows(cr_request *req, const cr_oauth_client *client, const char *challenge, const char *scopes, char code[CR_TOKEN_LEN + 1], cr_err *err) {
    CR_TRY(make_code(req, client, challenge, scopes, code, err));
    return client->service ? CR_OK : cr_visits_add(cr_hub_of(req), client->server->id, cr_caller_of(req)->person.id, err);
}

/* Who goes into what is not the own server stands in the audit log, and is found there when the right to it ends. */
static cr_status make_noted_code(cr_request *req, const cr_oauth_client *client, const char *challenge, const char *scopes, char code[CR_TOKEN_LEN + 1],
                                 cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    bool at_service = client->service;
    cr_actor who;
    cr_actor_of(req, &who);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, &who, code_rows(req, client, challenge, scopes, code, err), at_service ? CR_AUDIT_SERVICE_ENTERED : CR_AUDIT_SERVER_ENTERED,
                        at_service ? "" : client->server->user, at_service ? client->service->name : client->server->name, err);
}

/* true: the person has agreed before, with this server as it is now. */
static cr_status has_agreed(cr_hub *hub, const cr_lab *server, int64_t user_id, bool *ret_agreed, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT 1 FROM tokens WHERE server_id = ? AND user_id = ? AND kind = 'oauth' AND expires_ms > ? LIMIT 1", "iii",
                         server->id, user_id, cr_wall_ms()));
    *ret_agreed = cr_query_next(&q);
    return *ret_agreed ? CR_OK : cr_query_end(&q, err);
}

/* A guest may go on; false: replied. */
static bool let_guest_in(cr_request *req, const cr_lab *server) {
    const cr_person *me = &cr_caller_of(req)->person;
    bool agreed = false;
    cr_err err = CR_ERR_INIT;
    if (!cr_shares_may(req, CR_SCOPE_ACCESS_SERVERS, server)) {
        cr_audit_refused(req, CR_AUDIT_SERVER_ENTERED, server->user, "");
        cr_log_often(CR_LOG_WARN, "access to another person's server refused", "user=%s owner=%s", me->name, server->user);
        cr_reply_error(req, 403, "this server belongs to somebody else", "your own is on your home page: /hub/home");
        return false;
    }
    /* An administrator may go in everywhere, and is that person there. */
    if (!cr_again_is_proved(req)) {
        cr_again_show(req, 403, "");
        return false;
    }
    if (req->method == CR_POST)
        return true;
    if (has_agreed(cr_hub_of(req), server, me->id, &agreed, &err) != CR_OK)
        cr_reply_err(req, &err);
    else if (!agreed)
        cr_site_page(req, 200, "enter", json_pack("{s:s, s:b, s:s, s:s}", "owner", server->user, "is_shared", cr_shares_reach(cr_hub_of(req)->db, server, me->id),
                                                  "server_name", server->name, "target", req->target));
    return agreed;
}

/* The challenge of a browser that comes from a client; false: replied. Programs that are no user servers may have sent none. */
static bool check_request(cr_request *req, const cr_oauth_client *client) {
    const char *challenge = arg(req, "code_challenge"), *method = arg(req, "code_challenge_method");
    bool has_none = client->service && !cr_pairs_count(&req->query, "code_challenge") && !cr_pairs_count(&req->query, "code_challenge_method");
    if (strcmp(arg(req, "response_type"), "code") != 0 || (!has_none && (strcmp(method, "S256") != 0 || !cr_pkce_challenge_is_wellformed(challenge)))) {
        cr_reply_error(req, 400, "this sign-in request lacks response_type=code or a PKCE S256 challenge", "");
        return false;
    }
    if (strlen(arg(req, "state")) > STATE_MAX) {      /* it goes back in a header */
        cr_reply_error(req, 400, "this sign-in request has a state that is too long", "start again from your home page: /hub/home");
        return false;
    }
    return true;
}

/* The client that the request names, with its own return address; false: replied. */
static bool find_client(cr_request *req, cr_oauth_client *client) {
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_oauth_client_find(cr_hub_of(req), arg(req, "client_id"), client, &err);
    if (status == CR_NOT_FOUND)
        cr_reply_error(req, 400, "this sign-in request names a server or service that does not exist", "start again from your home page: /hub/home");
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (strcmp(arg(req, "redirect_uri"), client->redirect) == 0)
        return true;
    else      /* Never followed: it may lead to somebody who collects codes. */
        cr_reply_error(req, 400, "this sign-in request has a wrong return address", "start again from your home page: /hub/home");
    return false;
}

void cr_oauth_authorize(cr_request *req) {
    cr_oauth_client client;
    const char *scopes = NULL;
    cr_err err = CR_ERR_INIT;
    if (!find_client(req, &client) || !check_request(req, &client))
        return;
    bool own = !client.service && client.owner.id == cr_caller_of(req)->person.id;
    if (!own && !(client.service ? cr_oauth_let_into_service(req, &client, &scopes) : let_guest_in(req, client.server)))
        return;
    char code[CR_TOKEN_LEN + 1];
    if ((own ? make_code : make_noted_code)(req, &client, arg(req, "code_challenge"), scopes, code, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_oauth_return(req, &client, "code", code, arg(req, "state"));
}

/* ---- token: the client ---- */

static void refuse(cr_request *req, int status, const char *error, const char *description) {
    cr_log_often(CR_LOG_WARN, "code not exchanged", "error=%s why=%s", error, description);
    if (status == 401)
        cr_reply_header(req, "WWW-Authenticate", "Bearer error=\"invalid_client\"");
    cr_reply_json(req, status, json_pack("{s:s, s:s}", "error", error, "error_description", description));
}

static const char *form(const cr_request *req, const char *name) { return cr_oauth_arg(&req->form, name); }

typedef struct code_row {
    int64_t session_id, user_id;
    bool used, good;          /* good: everything that it is bound to fits */
    const char *scopes;       /* of a service, in the arena of the request */
} code_row;

/* Without a challenge there must be no verifier either: somebody would have taken the challenge away on its way here. */
static bool proves(const cr_request *req, const char *challenge) {
    const char *verifier = form(req, "code_verifier");
    return challenge[0] ? cr_pkce_is_right(verifier, challenge) : !cr_pairs_count(&req->form, "code_verifier");
}

static bool is_for(const cr_oauth_client *client, int64_t server_id, const char *name) {
    return client->service ? name && strcmp(name, client->service->name) == 0 : !name && server_id == client->server->id;
}

static cr_status read_code(cr_hub *hub, cr_request *req, const cr_oauth_client *client, const unsigned char hash[CR_HASH_BYTES], code_row *row,
                           cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    memset(row, 0, sizeof *row);
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT c.session_id, c.used, c.server_id, c.redirect, c.challenge, s.user_id, c.client, c.scopes FROM codes c "
                         "JOIN sessions s ON s.id = c.session_id WHERE c.hash = ? AND c.expires_ms > ?", "bi", hash, (size_t)CR_HASH_BYTES, cr_wall_ms()));
    if (cr_query_next(&q)) {
        const char *scopes = cr_query_text(&q, 7);
        row->session_id = cr_query_int(&q, 0);
        row->user_id = cr_query_int(&q, 5);
        row->used = cr_query_int(&q, 1);
        row->good = is_for(client, cr_query_int(&q, 2), cr_query_text(&q, 6)) && strcmp(cr_query_text(&q, 3), form(req, "redirect_uri")) == 0 &&
                    proves(req, cr_query_text(&q, 4));
        row->scopes = scopes ? cr_arena_strdup(&req->arena, scopes) : NULL;
        if (scopes && !row->scopes)
            return CR_FAIL(err, CR_MEMORY, "no memory for the scopes of a token");
    }
    return cr_query_end(&q, err);
}

/* The code is used up whether or not the rest fits; *ret_token "" means refused. */
static cr_status exchange(cr_hub *hub, cr_request *req, const cr_oauth_client *client, char ret_token[CR_TOKEN_LEN + 1], code_row *row, cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    ret_token[0] = 0;
    cr_token_hash(form(req, "code"), hash);
    CR_TRY(read_code(hub, req, client, hash, row, err));
    CR_TRY(cr_db_run(hub->db, err, "UPDATE codes SET used = 1 WHERE hash = ?", "b", hash, sizeof hash));
    if (row->used)
        return cr_db_run(hub->db, err, "DELETE FROM tokens WHERE code_hash = ?", "b", hash, sizeof hash);
    if (!row->good)
        return CR_OK;
    cr_token what = {.kind = CR_TOKEN_OAUTH, .user_id = row->user_id, .server_id = client->service ? 0 : client->server->id,
                     .session_id = row->session_id, .scopes = row->scopes};
    if (client->service)
        snprintf(what.client, sizeof what.client, "%s", client->service->name);
    return cr_token_issue(hub->db, &what, hash, CR_SESSION_LIFE_MS, NULL, ret_token, err);
}

/* The client, which has proved to be it; false: replied. */
static bool find_sender(cr_request *req, cr_oauth_client *client) {
    cr_hub *hub = cr_hub_of(req);
    const char *secret = form(req, "client_secret");
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_oauth_client_find(hub, form(req, "client_id"), client, &err);
    if (status != CR_OK && status != CR_NOT_FOUND) {
        cr_reply_err(req, &err);
        return false;
    }
    if (status == CR_NOT_FOUND || !cr_oauth_secret_is_right(hub, client, secret)) {
        refuse(req, 401, "invalid_client", "the client is not known or its secret is wrong");
        return false;
    }
    cr_gate_tell_holder(req, secret);
    return true;
}

static void reply_token(cr_request *req, const cr_oauth_client *client, const char *token, const code_row *row) {
    cr_auto_buf cr_buf scope;
    json_t *list = row->scopes ? json_loads(row->scopes, 0, NULL) : NULL;
    cr_buf_init(&scope, 1 << 20);
    if (!client->service)
        cr_buf_addf(&scope, "access:servers!server=%s/%s", client->owner.name, client->server->name);
    for (size_t i = 0; i < json_array_size(list); i++)
        cr_buf_addf(&scope, "%s%s", i ? " " : "", json_string_value(json_array_get(list, i)));
    json_decref(list);
    cr_reply_json(req, 200, json_pack("{s:s, s:s, s:I, s:s}", "access_token", token, "token_type", "Bearer", "expires_in",
                                      (json_int_t)(CR_SESSION_LIFE_MS / 1000), "scope", cr_buf_str(&scope)));
}

void cr_oauth_token(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_oauth_client client;
    code_row row = {0};
    cr_err err = CR_ERR_INIT;
    if (strcmp(form(req, "grant_type"), "authorization_code") != 0) {
        refuse(req, 400, "unsupported_grant_type", "only authorization_code is supported");
        return;
    }
    if (!form(req, "code")[0]) {
        refuse(req, 400, "invalid_request", "Missing code parameter.");
        return;
    }
    if (!find_sender(req, &client))
        return;
    char token[CR_TOKEN_LEN + 1];
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, exchange(hub, req, &client, token, &row, &err), &err);
    if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (!token[0])
        refuse(req, 400, "invalid_grant", "the code is not valid any more or was made for something else");
    else
        reply_token(req, &client, token, &row);
    explicit_bzero(token, sizeof token);
}
