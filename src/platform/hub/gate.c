/* gate.c - before every handler: is the request from our own pages, who is calling, may they, is the form ours? */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/http/guard.h"
#include "platform/hub/again.h"
#include "platform/hub/auditing.h"
#include "platform/hub/idle_watch.h"
#include "platform/identity/device.h"

#define LOGIN_SECURE "__Host-craton-login"
#define LOGIN_PLAIN "craton-login"
#define PRE_SECURE "__Host-craton-pre"
#define PRE_PLAIN "craton-pre"
#define DEVICE_SECURE "__Host-craton-device"
#define DEVICE_PLAIN "craton-device"
#define SIGNIN_SECURE "__Host-craton-signin"
#define SIGNIN_PLAIN "craton-signin"
#define LANGUAGE_SECURE "__Host-craton-language"
#define LANGUAGE_PLAIN "craton-language"

enum { LANGUAGE_LIFE_S = 365 * 24 * 3600 };

static const char *login_name(const cr_hub *hub) { return hub->secure_cookies ? LOGIN_SECURE : LOGIN_PLAIN; }
static const char *device_name(const cr_hub *hub) { return hub->secure_cookies ? DEVICE_SECURE : DEVICE_PLAIN; }
static const char *signin_name(const cr_hub *hub) { return hub->secure_cookies ? SIGNIN_SECURE : SIGNIN_PLAIN; }
static const char *language_name(const cr_hub *hub) { return hub->secure_cookies ? LANGUAGE_SECURE : LANGUAGE_PLAIN; }
static const char *pre_name(const cr_hub *hub) { return hub->secure_cookies ? PRE_SECURE : PRE_PLAIN; }

/* __Host- cookies belong to the whole host, so that no other path can shadow them; without it the narrowest path. */
static void set_cookie(cr_request *req, const char *name, const char *value, int64_t life_s) {
    const cr_hub *hub = cr_hub_of(req);
    char text[CR_SIGNIN_COOKIE_MAX + 320];
    snprintf(text, sizeof text, "%s=%s; Path=%s%s; Max-Age=%lld; HttpOnly; SameSite=Lax%s", name, value,
             hub->secure_cookies ? "" : hub->config->base_url, hub->secure_cookies ? "/" : "/hub/",
             (long long)life_s, hub->secure_cookies ? "; Secure" : "");
    cr_reply_header(req, "Set-Cookie", text);
}

/* One value only: a second one was put there by somebody else, and nobody can tell which is which. */
static const char *single_cookie(const cr_request *req, const char *name) {
    return cr_pairs_count(&req->cookies, name) == 1 ? cr_pairs_get(&req->cookies, name) : NULL;
}

const char *cr_gate_device(const cr_request *req) { return single_cookie(req, device_name(cr_hub_of(req))); }

void cr_gate_set_device(cr_request *req, const char *name) {
    char text[CR_DEVICE_COOKIE_MAX + 1];
    cr_device_renew(&cr_hub_of(req)->secret, cr_gate_device(req), name, cr_wall_ms() / 1000, text);
    set_cookie(req, device_name(cr_hub_of(req)), text, CR_DEVICE_LIFE_S);
}

void cr_gate_set_login(cr_request *req, const char *token) {
    set_cookie(req, login_name(cr_hub_of(req)), token ? token : "", token ? CR_SESSION_LIFE_MS / 1000 : 0);
}

void cr_gate_set_signin(cr_request *req, const char *value, int64_t life_s) {
    set_cookie(req, signin_name(cr_hub_of(req)), value ? value : "", value ? life_s : 0);
}

const char *cr_gate_language(const cr_request *req) { return single_cookie(req, language_name(cr_hub_of(req))); }

void cr_gate_set_language(cr_request *req, const char *code) { set_cookie(req, language_name(cr_hub_of(req)), code, LANGUAGE_LIFE_S); }

const char *cr_gate_signin(const cr_request *req) { return single_cookie(req, signin_name(cr_hub_of(req))); }

const char *cr_gate_pre_session(cr_request *req) {
    cr_caller *c = cr_caller_of(req);
    if (!c->pre_session) {
        char token[CR_TOKEN_LEN + 1];
        cr_token_make(token);
        c->pre_session = cr_arena_strdup(&req->arena, token);
        if (!c->pre_session)
            c->pre_session = "";
        set_cookie(req, pre_name(cr_hub_of(req)), token, 86400);
    }
    return c->pre_session;
}

const char *cr_gate_safe_next(const cr_hub *hub, const char *next) {
    const char *base = hub->config->base_url;
    if (next && base[0] && cr_starts_with(next, base))
        next += strlen(base);
    if (!next || !cr_starts_with(next, "/hub/") || strlen(next) > 4096 || cr_starts_with(next, "/hub/logout"))
        return NULL;
    for (const char *p = next; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == '\\' || (unsigned char)*p >= 0x7F)
            return NULL;
    return next;
}

static bool refuse(cr_request *req, int status, const char *message, const char *hint) {
    cr_reply_error(req, status, message, hint);
    return false;
}

/* Pages live at one address, else cookies and links fall apart; and a foreign name that leads here (DNS rebinding) gets nothing. */
static bool check_host(cr_request *req) {
    const cr_hub *hub = cr_hub_of(req);
    const char *host = cr_request_header(req, "Host");
    if (host && strcasecmp(host, hub->hub_host) == 0)
        return true;
    char url[CR_HTTP_TARGET_MAX + 600];
    snprintf(url, sizeof url, "%s%s", hub->hub_url, req->target);
    if ((req->method & (CR_GET | CR_HEAD)) && req->target[0] == '/') {
        cr_reply_redirect(req, 302, url);
        return false;
    }
    return refuse(req, 421, "this hub has another address", hub->hub_url);
}

static bool check_guard(cr_request *req) {
    cr_guard_facts f = {
        .method = req->method,
        .origin = cr_request_header(req, "Origin"),
        .fetch_site = cr_request_header(req, "Sec-Fetch-Site"),
        .fetch_mode = cr_request_header(req, "Sec-Fetch-Mode"),
        .fetch_dest = cr_request_header(req, "Sec-Fetch-Dest"),
        .hub_origin = cr_hub_of(req)->hub_origin,
    };
    cr_err err = CR_ERR_INIT;
    if (cr_guard_check(&f, &err) == CR_OK)
        return true;
    return refuse(req, 403, err.message, err.hint);
}

/* "token X" or "bearer X", in any case. */
static const char *token_of(const cr_request *req) {
    const char *value = cr_request_header(req, "Authorization");
    if (!value)
        return NULL;
    size_t n = strncasecmp(value, "token ", 6) == 0 ? 6 : strncasecmp(value, "bearer ", 7) == 0 ? 7 : 0;
    return n ? value + n + strspn(value + n, " ") : NULL;
}

void cr_gate_tell_holder(cr_request *req, const char *token) {
    const char *entry = cr_request_header(req, "X-Craton-Entry");
    unsigned char hash[CR_HASH_BYTES];
    char text[2 * CR_HASH_BYTES + 1];
    if (!entry || strcmp(entry, "api") != 0)
        return;
    cr_token_hash(token, hash);
    cr_hex(hash, sizeof hash, text);
    for (char *p = text; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    cr_reply_header(req, CR_HOLDER_HEADER, text);
}

/* A service is nobody: its id is no person's, and its name none that a person can have. */
static bool is_service(const cr_hub *hub, const char *token, cr_caller *c) {
    c->service = cr_service_find(hub->services, token);
    if (!c->service)
        return false;
    c->token = (cr_token){.kind = CR_TOKEN_API};
    c->person = (cr_person){.id = -1 - (c->service - hub->services->at), .admin = c->service->admin};
    snprintf(c->person.name, sizeof c->person.name, "service %s", c->service->name);
    return true;
}

/* false: the database does not answer (replied). An unknown cookie or token is nobody, no failure. */
static bool identify(cr_request *req, cr_caller *c) {
    cr_hub *hub = cr_hub_of(req);
    cr_err err = CR_ERR_INIT;
    cr_status status = CR_NOT_FOUND;
    bool api = req->route->kind == CR_ROUTE_API || req->route->kind == CR_ROUTE_API_OPEN;
    const char *token = api ? token_of(req) : NULL;
    if (token) {
        status = cr_token_find(hub->db, token, &c->token, &c->person, &err);
        if (status == CR_OK)
            cr_tokens_note_use(hub, &c->token);
        else if (status == CR_NOT_FOUND && (is_service(hub, token, c) || cr_idle_knows(hub, token, c)))
            status = CR_OK;
        c->by_token = status == CR_OK;
        if (c->by_token)
            cr_gate_tell_holder(req, token);
    } else if ((c->session = single_cookie(req, login_name(hub)))) {
        status = cr_session_find(hub->db, c->session, &c->session_id, &c->person, &err);
        c->signed_in = status == CR_OK;
    }
    c->pre_session = single_cookie(req, pre_name(hub));
    if (c->pre_session && !cr_token_is_wellformed(c->pre_session))
        c->pre_session = NULL;
    if (status == CR_OK || status == CR_NOT_FOUND)
        return true;
    cr_reply_err(req, &err);
    return false;
}

#define LOGIN_NEXT "/hub/login?next="

static bool send_to_login(cr_request *req) {
    char url[3 * CR_HTTP_TARGET_MAX + 64];
    cr_auto_buf cr_buf next;
    cr_buf_init(&next, 3 * CR_HTTP_TARGET_MAX);
    /* A form that was sent is not repeated after sign-in, nor an address that is, coded, longer than one may be: the browser would be
     * refused, and HAProxy refuses the answer when that is longer than its buffer. */
    cr_percent_encode(&next, req->method & (CR_GET | CR_HEAD) ? req->target : "/hub/home", "/");
    bool fits = !next.failed && sizeof LOGIN_NEXT + next.len <= CR_HTTP_TARGET_MAX;
    snprintf(url, sizeof url, LOGIN_NEXT "%s", fits ? cr_buf_str(&next) : "/hub/home");
    cr_reply_redirect(req, 303, url);
    return false;
}

static bool check_csrf(cr_request *req, const cr_caller *c) {
    const cr_hub *hub = cr_hub_of(req);
    const char *given = cr_request_header(req, "X-CSRF");
    if (!given)
        given = cr_pairs_get(&req->form, "_csrf");
    if (req->route->csrf == CR_CSRF_PRE)
        return c->pre_session && cr_csrf_is_right(&hub->secret, "pre", c->pre_session, given);
    return cr_csrf_is_right(&hub->secret, "session", c->session, given);
}

static bool check_page(cr_request *req, cr_caller *c) {
    if (req->route->kind != CR_ROUTE_PAGE_OPEN && !c->signed_in)
        return send_to_login(req);
    if (req->route->kind == CR_ROUTE_PAGE_ADMIN && !c->person.admin) {
        cr_audit_refused(req, CR_AUDIT_ADMIN_PAGE, "", req->route->pattern);
        return refuse(req, 403, "this page is for administrators", "");
    }
    bool proved = req->route->csrf == CR_CSRF_PROVED;
    if ((proved || req->route->csrf == CR_CSRF_SESSION) && !check_csrf(req, c))
        return refuse(req, 403, "this form was not made for your present sign-in", "go back, reload the page and try again");
    if (proved && !cr_again_is_proved(req)) {
        cr_again_show(req, 403, "");
        return false;
    }
    /* The form of somebody not signed in grows stale easily (cookies cleared, hub restarted long ago): its handler shows it again. */
    c->stale_form = req->route->csrf == CR_CSRF_PRE && !check_csrf(req, c);
    return true;
}

static bool check_api(cr_request *req, cr_caller *c) {
    if (!c->signed_in && !c->by_token)
        return refuse(req, 403, "Missing or invalid credentials.", "send Authorization: token TOKEN");
    if (c->by_token)
        return true;
    if (!check_guard(req))
        return false;
    if (!(req->method & (CR_GET | CR_HEAD)) && !check_csrf(req, c))
        return refuse(req, 403, "the header X-CSRF is missing or was not made for this sign-in", "");
    if (req->route->csrf == CR_CSRF_PROVED && !(req->method & (CR_GET | CR_HEAD)) && !cr_again_is_proved(req))
        return refuse(req, 403, CR_AGAIN_TEXT, CR_AGAIN_HINT);
    return true;
}

bool cr_gate(cr_request *req) {
    cr_caller *c = cr_arena_alloc(&req->arena, sizeof *c);
    if (!c) {
        cr_reply_error(req, 507, "no memory", "");
        return false;
    }
    req->caller = c;
    cr_route_kind kind = req->route->kind;
    if (kind == CR_ROUTE_FILE || kind == CR_ROUTE_API_OWN)
        return true;
    if (kind == CR_ROUTE_API_OPEN)
        return identify(req, c);
    if (kind == CR_ROUTE_API)
        return identify(req, c) && check_api(req, c);
    /* What another site's page asks for is refused without a cookie, which would replace the one under somebody's form. */
    c->ours = check_host(req) && check_guard(req);
    return c->ours && identify(req, c) && check_page(req, c);
}
