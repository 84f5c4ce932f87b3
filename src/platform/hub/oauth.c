/* oauth.c - the hub as OAuth provider of user servers: authorization code with PKCE S256 (RFC 6749, RFC 7636).
 *
 * The client is a user server: its id names account and server, its secret is the server's API token, and it has exactly one redirect
 * address, compared as text. A code lives 300 s, works once, and is bound to client, browser session, redirect and challenge; a second
 * use also withdraws the tokens given for it. Who may is whoever holds access:servers for the server: its person, and who was given that by
 * a share or a role. These are asked first, since the server learns who they are, and what they do there is done as its person; a live
 * token of theirs for the server says that they agreed.
 */
#include "platform/hub/shares.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/again.h"
#include "platform/hub/auditing.h"

enum { CODE_LIFE_MS = 300 * 1000, STATE_MAX = 4096 };

/* jupyterhub-user-ACCOUNT[.SERVER] */
static cr_status find_client(cr_hub *hub, const char *client_id, cr_person *person, cr_lab **server, cr_err *err) {
    static const char prefix[] = "jupyterhub-user-";
    const char *account = client_id && cr_starts_with(client_id, prefix) ? client_id + sizeof prefix - 1 : "";
    size_t n = strcspn(account, ".");
    char name[CR_ACCOUNT_MAX + 1];
    if (n == 0 || n > CR_ACCOUNT_MAX)
        return CR_FAIL(err, CR_NOT_FOUND, "the client is not known");
    memcpy(name, account, n);
    name[n] = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " CR_PERSON_COLUMNS " FROM users u WHERE u.account = ?", "t", name));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "the client is not known");
    }
    cr_person_read(&q, person);
    cr_query_close(&q);
    return cr_lab_find(hub, person, account[n] ? account + n + 1 : "", false, server, err);
}

/* ---- authorize: the browser of a signed-in person ---- */

static cr_status make_code(cr_request *req, const cr_lab *server, const char *redirect, const char *challenge, char code[CR_TOKEN_LEN + 1], cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_make(code);
    cr_token_hash(code, hash);
    return cr_db_run(cr_hub_of(req)->db, err, "INSERT INTO codes (hash, server_id, session_id, redirect, challenge, expires_ms) VALUES (?, ?, ?, ?, ?, ?)",
                     "biitti", hash, sizeof hash, server->id, cr_caller_of(req)->session_id, redirect, challenge, cr_wall_ms() + CODE_LIFE_MS);
}

static cr_status make_guest_code(cr_request *req, const cr_lab *server, const char *redirect, const char *challenge, char code[CR_TOKEN_LEN + 1],
                                 cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_actor_of(req, &who);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, &who, make_code(req, server, redirect, challenge, code, err), CR_AUDIT_SERVER_ENTERED, server->user, server->name, err);
}

static const char *arg(const cr_request *req, const char *name) {
    const char *value = cr_pairs_count(&req->query, name) == 1 ? cr_pairs_get(&req->query, name) : NULL;
    return value ? value : "";
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

void cr_oauth_authorize(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const cr_caller *c = cr_caller_of(req);
    cr_person owner;
    cr_lab *server;
    cr_err err = CR_ERR_INIT;
    cr_status status = find_client(hub, arg(req, "client_id"), &owner, &server, &err);
    if (status != CR_OK) {
        if (status == CR_NOT_FOUND)
            cr_reply_error(req, 400, "this sign-in request names a server that does not exist", "start again from your home page: /hub/home");
        else
            cr_reply_err(req, &err);
        return;
    }
    char redirect[CR_URL_MAX];
    cr_url_callback(hub->config, owner.account, owner.name, server->name, redirect, sizeof redirect);
    if (strcmp(arg(req, "redirect_uri"), redirect) != 0) {
        /* Never followed: it may lead to somebody who collects codes. */
        cr_reply_error(req, 400, "this sign-in request has a wrong return address", "start again from your home page: /hub/home");
        return;
    }
    const char *state = arg(req, "state"), *challenge = arg(req, "code_challenge");
    if (strcmp(arg(req, "response_type"), "code") != 0 || strcmp(arg(req, "code_challenge_method"), "S256") != 0 ||
        !cr_pkce_challenge_is_wellformed(challenge)) {
        cr_reply_error(req, 400, "this sign-in request lacks response_type=code or a PKCE S256 challenge", "");
        return;
    }
    if (strlen(state) > STATE_MAX) {      /* it goes back in a header */
        cr_reply_error(req, 400, "this sign-in request has a state that is too long", "start again from your home page: /hub/home");
        return;
    }
    if (owner.id != c->person.id && !let_guest_in(req, server))
        return;
    char code[CR_TOKEN_LEN + 1];
    if ((owner.id == c->person.id ? make_code : make_guest_code)(req, server, redirect, challenge, code, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_auto_buf cr_buf url;
    cr_buf_init(&url, 4 * CR_HTTP_TARGET_MAX);
    cr_buf_addf(&url, "%s?code=%s&state=", redirect, code);
    cr_percent_encode(&url, state, NULL);
    cr_reply_redirect(req, 302, cr_buf_str(&url));
}

/* ---- token: the user server ---- */

static void refuse(cr_request *req, int status, const char *error, const char *description) {
    cr_log_often(CR_LOG_WARN, "code not exchanged", "error=%s why=%s", error, description);
    if (status == 401)
        cr_reply_header(req, "WWW-Authenticate", "Bearer error=\"invalid_client\"");
    cr_reply_json(req, status, json_pack("{s:s, s:s}", "error", error, "error_description", description));
}

static const char *form(const cr_request *req, const char *name) {
    const char *value = cr_pairs_count(&req->form, name) == 1 ? cr_pairs_get(&req->form, name) : NULL;
    return value ? value : "";
}

/* Is the secret the token of this very server? */
static bool secret_is_right(cr_hub *hub, const cr_lab *server, const char *secret) {
    cr_token token;
    cr_person person;
    cr_err err = CR_ERR_INIT;
    return cr_token_find(hub->db, secret, &token, &person, &err) == CR_OK && token.kind == CR_TOKEN_SERVER && token.server_id == server->id;
}

typedef struct code_row {
    int64_t session_id, user_id;
    bool used, good;          /* good: everything that it is bound to fits */
} code_row;

static cr_status read_code(cr_hub *hub, const cr_request *req, const cr_lab *server, const unsigned char hash[CR_HASH_BYTES], code_row *row,
                           cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    memset(row, 0, sizeof *row);
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT c.session_id, c.used, c.server_id, c.redirect, c.challenge, s.user_id FROM codes c "
                         "JOIN sessions s ON s.id = c.session_id WHERE c.hash = ? AND c.expires_ms > ?", "bi", hash, (size_t)CR_HASH_BYTES, cr_wall_ms()));
    if (cr_query_next(&q)) {
        row->session_id = cr_query_int(&q, 0);
        row->user_id = cr_query_int(&q, 5);
        row->used = cr_query_int(&q, 1);
        row->good = cr_query_int(&q, 2) == server->id && strcmp(cr_query_text(&q, 3), form(req, "redirect_uri")) == 0 &&
                    cr_pkce_is_right(form(req, "code_verifier"), cr_query_text(&q, 4));
    }
    return cr_query_end(&q, err);
}

/* The code is used up whether or not the rest fits; *ret_token "" means refused. */
static cr_status exchange(cr_hub *hub, const cr_request *req, const cr_lab *server, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    code_row row;
    ret_token[0] = 0;
    cr_token_hash(form(req, "code"), hash);
    CR_TRY(read_code(hub, req, server, hash, &row, err));
    CR_TRY(cr_db_run(hub->db, err, "UPDATE codes SET used = 1 WHERE hash = ?", "b", hash, sizeof hash));
    if (row.used)
        return cr_db_run(hub->db, err, "DELETE FROM tokens WHERE code_hash = ?", "b", hash, sizeof hash);
    if (!row.good)
        return CR_OK;
    cr_token what = {.kind = CR_TOKEN_OAUTH, .user_id = row.user_id, .server_id = server->id, .session_id = row.session_id};
    return cr_token_issue(hub->db, &what, hash, CR_SESSION_LIFE_MS, NULL, ret_token, err);
}

void cr_oauth_token(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_person owner;
    cr_lab *server;
    cr_err err = CR_ERR_INIT;
    if (strcmp(form(req, "grant_type"), "authorization_code") != 0) {
        refuse(req, 400, "unsupported_grant_type", "only authorization_code is supported");
        return;
    }
    if (!form(req, "code")[0]) {
        refuse(req, 400, "invalid_request", "Missing code parameter.");
        return;
    }
    cr_status status = find_client(hub, form(req, "client_id"), &owner, &server, &err);
    if (status != CR_OK && status != CR_NOT_FOUND) {
        cr_reply_err(req, &err);
        return;
    }
    if (status == CR_NOT_FOUND || !secret_is_right(hub, server, form(req, "client_secret"))) {
        refuse(req, 401, "invalid_client", "the client is not known or its secret is wrong");
        return;
    }
    cr_gate_tell_holder(req, form(req, "client_secret"));
    char token[CR_TOKEN_LEN + 1];
    status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, exchange(hub, req, server, token, &err), &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (!token[0]) {
        refuse(req, 400, "invalid_grant", "the code is not valid any more or was made for something else");
        return;
    }
    cr_reply_json(req, 200, json_pack("{s:s, s:s, s:I, s:s+++}", "access_token", token, "token_type", "Bearer", "expires_in",
                                      (json_int_t)(CR_SESSION_LIFE_MS / 1000), "scope", "access:servers!server=", owner.name, "/",
                                      server->name));
    explicit_bzero(token, sizeof token);
}
