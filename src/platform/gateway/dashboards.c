/* dashboards.c - codes, cookies, and what HAProxy knows of both. */
#include "platform/gateway/dashboards.h"
#include "platform/hub/auditing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"

enum {
    CODE_LIFE_MS = 60 * 1000, COOKIE_LIFE_MS = 24 * 3600 * 1000,
    SESSION_MOST = 4,             /* cookies of one sign-in: a browser keeps one, and several tabs may ask at once */
    PERSON_MOST = 16, ALL_MOST = 2000,        /* cookies: each is looked for among all; who has none any more is let in again by the way in */
    WAIT_MS = 3 * 1000,           /* for HAProxy to take a cookie; then the browser is sent on, and asks again when it is not there */
};

/* Somebody with whom a server of the owner's is shared, to be used: who may run programs there may see what these show anyway; also by a group, an
 * administrator's or one that a provider names (identity/share.c). Whether it is so is asked when a code is made, when it is used, and as long as
 * the cookie is there. The order is that of the owner's servers: an index of hashes would lead through everybody's shares. */
#define IS_GUEST(owner, guest) "EXISTS (SELECT 1 FROM servers r CROSS JOIN shares h ON h.server_id = r.id WHERE r.user_id = " owner " AND +h.hash IS NULL AND " \
    "EXISTS (SELECT 1 FROM json_each(h.scopes) WHERE value = 'access:servers') AND (h.user_id = " guest " OR h.group_id IN " \
    "(SELECT group_id FROM group_members WHERE user_id = " guest " UNION SELECT n.id FROM identities i CROSS JOIN memberships m ON " \
    "m.identity_id = i.id CROSS JOIN groups n ON n.name = m.name WHERE i.user_id = " guest ")))"
/* k: the key, s: the sign-in, u: who has signed in, o: the owner when that is somebody else. */
#define KEYS "dashboard_keys k JOIN sessions s ON s.id = k.session_id JOIN users u ON u.id = s.user_id LEFT JOIN users o ON o.id = k.owner_id"
#define MAY "u.disabled = 0 AND (k.owner_id IS NULL OR (o.disabled = 0 AND " IS_GUEST("k.owner_id", "s.user_id") "))"

/* A cookie that HAProxy knows. */
struct cr_dashboard_view {
    struct cr_dashboard_view *next;
    cr_gateway *gateway;
    char key[2 * CR_HASH_BYTES + 1], account[CR_ACCOUNT_MAX + 1];
    bool seen;
};

/* A browser on its way in, until HAProxy has its cookie. */
struct cr_dashboard_entry {
    struct cr_dashboard_entry *next;
    cr_gateway *gateway;
    cr_request *req;
    char key[2 * CR_HASH_BYTES + 1];
    cr_timer timer;
};

static char *key_of(const void *hash, char out[2 * CR_HASH_BYTES + 1]) {
    cr_hex(hash, CR_HASH_BYTES, out);
    for (char *p = out; *p; p++)
        *p = (char)toupper((unsigned char)*p);   /* as HAProxy writes it */
    return out;
}

/* ---- what HAProxy knows ---- */

char *cr_dashboard_key(const cr_cluster *c, char *buf, size_t size) {
    snprintf(buf, size, "dash-%s", c->name);
    return buf;
}

cr_status cr_dashboard_route(cr_cluster *c, cr_err *err) {
    char key[CR_PROXY_MAP_WORD_MAX + 1], value[CR_ACCOUNT_MAX + 32];
    cr_dashboard_key(c, key, sizeof key);
    if (!c->ports[2]) {
        cr_proxy_map_remove(c->gateway->map, key);
        return CR_OK;
    }
    snprintf(value, sizeof value, "%s:127.0.0.1:%d", c->account, (int)c->ports[2]);
    return cr_proxy_map_set(c->gateway->map, key, value, NULL, NULL, err);
}

static struct cr_dashboard_view *find_view(cr_gateway *g, const char *key) {
    for (struct cr_dashboard_view *v = g->views; v; v = v->next)
        if (strcmp(v->key, key) == 0)
            return v;
    return NULL;
}

static void go_on(void *user);

static void on_known(void *user) {
    const struct cr_dashboard_view *v = user;
    for (struct cr_dashboard_entry *e = v->gateway->entries; e; e = e->next) {
        if (strcmp(e->key, v->key) == 0) {
            go_on(e);
            return;
        }
    }
}

/* The view lives as long as the map's entry, which calls. */
static cr_status add_view(cr_gateway *g, const char *key, const char *account, cr_err *err) {
    struct cr_dashboard_view *v = calloc(1, sizeof *v);
    if (!v)
        return CR_FAIL(err, CR_MEMORY, "no memory for somebody who looks at a dashboard");
    snprintf(v->key, sizeof v->key, "%s", key);
    snprintf(v->account, sizeof v->account, "%s", account);
    v->gateway = g;
    v->seen = true;
    cr_status status = cr_proxy_map_set(g->map, key, account, on_known, v, err);
    if (status != CR_OK) {        /* else it counted as one that the proxy has */
        free(v);
        return status;
    }
    v->next = g->views;
    g->views = v;
    return CR_OK;
}

static cr_status look(cr_gateway *g, cr_err *err) {
    char key[2 * CR_HASH_BYTES + 1];
    size_t n;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(g->hub->db, &q, err, "SELECT k.hash, coalesce(o.account, u.account) FROM " KEYS " WHERE k.is_cookie = 1 AND k.expires_ms > ?1 AND "
                         "s.expires_ms > ?1 AND " MAY " ORDER BY k.id DESC LIMIT ?2",
                         "ii", cr_wall_ms(), (int64_t)ALL_MOST));
    while (cr_query_next(&q)) {
        const void *hash = cr_query_blob(&q, 0, &n);
        if (n != CR_HASH_BYTES)
            continue;
        struct cr_dashboard_view *v = find_view(g, key_of(hash, key));
        if (v)
            v->seen = true;
        else
            CR_TRY(add_view(g, key, cr_query_text(&q, 1), err));
    }
    return cr_query_end(&q, err);
}

void cr_dashboards_refresh(cr_gateway *g) {
    cr_err err = CR_ERR_INIT;
    for (struct cr_dashboard_view *v = g->views; v; v = v->next)
        v->seen = false;
    /* When the database does not answer nobody looks at anything until it does. */
    if (look(g, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "looking up who may see dashboards", &err);
    for (struct cr_dashboard_view **at = &g->views, *v; (v = *at);) {
        if (v->seen) {
            at = &v->next;
            continue;
        }
        cr_proxy_map_remove(g->map, v->key);
        *at = v->next;
        free(v);
    }
}

void cr_dashboards_close(cr_gateway *g) {
    for (struct cr_dashboard_entry *e = g->entries, *next; e; e = next) {
        next = e->next;
        cr_timer_stop(&e->timer);
        free(e);
    }
    for (struct cr_dashboard_view *v = g->views, *next; v; v = next) {
        next = v->next;
        free(v);
    }
    g->entries = NULL;
    g->views = NULL;
}

/* ---- keys ---- */

static bool is_guest_of(cr_hub *hub, int64_t owner_id, int64_t user_id) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    return cr_query_open(hub->db, &q, NULL, "SELECT 1 WHERE " IS_GUEST("?1", "?2"), "ii", owner_id, user_id) == CR_OK && cr_query_next(&q);
}

/* A new one of the sign-in, for dashboards of its own person (owner_id 0) or of somebody else; the oldest of too many go. */
static cr_status insert_key(cr_hub *hub, int64_t session_id, int64_t owner_id, bool is_cookie, char secret[CR_TOKEN_LEN + 1], unsigned char hash[CR_HASH_BYTES], cr_err *err) {
    int64_t now = cr_wall_ms();
    cr_token_make(secret);
    cr_token_hash(secret, hash);
    CR_TRY(cr_db_run(hub->db, err, "DELETE FROM dashboard_keys WHERE expires_ms <= ?", "i", now));
    CR_TRY(cr_db_run(hub->db, err, "INSERT INTO dashboard_keys (hash, session_id, owner_id, is_cookie, expires_ms) VALUES (?, ?, nullif(?, 0), ?, ?)", "biiii",
                     hash, (size_t)CR_HASH_BYTES, session_id, owner_id, (int64_t)is_cookie, now + (is_cookie ? COOKIE_LIFE_MS : CODE_LIFE_MS)));
    CR_TRY(cr_db_run(hub->db, err, "DELETE FROM dashboard_keys WHERE session_id = ?1 AND is_cookie = ?2 AND id <= (SELECT id FROM dashboard_keys WHERE "
                     "session_id = ?1 AND is_cookie = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)", "iii", session_id, (int64_t)is_cookie, (int64_t)SESSION_MOST));
    return cr_db_run(hub->db, err, "DELETE FROM dashboard_keys WHERE id IN (SELECT k.id FROM dashboard_keys k JOIN sessions s ON s.id = k.session_id WHERE "
                     "s.user_id = (SELECT user_id FROM sessions WHERE id = ?) AND k.is_cookie = ? ORDER BY k.id DESC LIMIT -1 OFFSET ?)", "iii", session_id,
                     (int64_t)is_cookie, (int64_t)PERSON_MOST);
}

typedef struct way_in {
    int64_t session_id, owner_id;         /* owner_id 0: of who has signed in */
    cr_person person;                     /* who has signed in */
    char owner[CR_NAME_MAX + 1], account[CR_ACCOUNT_MAX + 1];     /* whose dashboards */
} way_in;

/* The code is used up. CR_NOT_FOUND: it was never right, or is not any more. */
static cr_status take_code(cr_hub *hub, const char *code, way_in *w, cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(code, hash);
    {
        cr_auto_query cr_query q = CR_QUERY_INIT;
        CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " CR_PERSON_COLUMNS ", s.id, coalesce(k.owner_id, 0), coalesce(o.name, u.name), coalesce(o.account, u.account) FROM "
                             KEYS " WHERE k.hash = ?1 AND k.is_cookie = 0 AND k.expires_ms > ?2 AND s.expires_ms > ?2 AND " MAY, "bi", hash,
                             (size_t)CR_HASH_BYTES, cr_wall_ms()));
        if (!cr_query_next(&q)) {
            CR_TRY(cr_query_end(&q, err));
            return CR_FAIL(err, CR_NOT_FOUND, "This way to a dashboard was used, or is older than a minute. Begin again with the dashboard's link.");
        }
        cr_person_read(&q, &w->person);
        w->session_id = cr_query_int(&q, CR_PERSON_N_COLUMNS);
        w->owner_id = cr_query_int(&q, CR_PERSON_N_COLUMNS + 1);
        snprintf(w->owner, sizeof w->owner, "%s", cr_query_text(&q, CR_PERSON_N_COLUMNS + 2));
        snprintf(w->account, sizeof w->account, "%s", cr_query_text(&q, CR_PERSON_N_COLUMNS + 3));
    }
    return cr_db_run(hub->db, err, "DELETE FROM dashboard_keys WHERE hash = ?", "b", hash, (size_t)CR_HASH_BYTES);
}

/* ---- requests ---- */

bool cr_dashboard_path_is_right(const char *path) {
    if (!path || !cr_starts_with(path, CR_GATEWAY_PATH "/clusters/") || strlen(path) >= CR_HTTP_TARGET_MAX / 4)
        return false;
    for (const char *p = path; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("\\\"<>#", *p))
            return false;
    return true;
}

void cr_dashboard_page(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const cr_caller *who = cr_caller_of(req);
    const cr_cluster *c = cr_cluster_find(cr_gateway_of(hub), req->param[0]);
    const char *path = req->target + strlen("/hub/dashboard");
    char code[CR_TOKEN_LEN + 1], url[CR_URL_MAX];
    unsigned char hash[CR_HASH_BYTES];
    cr_err err = CR_ERR_INIT;
    const bool own = c && c->user_id == who->person.id;
    if (c && !own && !is_guest_of(hub, c->user_id, who->person.id)) {
        cr_audit_refused(req, CR_AUDIT_DASHBOARD, c->user, "");
        cr_log_often(CR_LOG_WARN, "access to another person's dashboard refused", "user=%s owner=%s", who->person.name, c->user);
        cr_reply_error(req, 403, "This cluster is not yours.", "Your own are at /hub/clusters.");
        return;
    }
    if (!c || c->status != CR_CLUSTER_RUNNING || !c->ports[2]) {
        cr_reply_error(req, 404, c ? "This cluster has no dashboard now." : "This cluster does not run any more.", "Your clusters are at /hub/clusters.");
        return;
    }
    if (!cr_dashboard_path_is_right(path)) {
        cr_site_error(req, 400, "This is no address of a dashboard.", "Begin again with the link of the cluster: cluster.dashboard_link.");
        return;
    }
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, insert_key(hub, who->session_id, own ? 0 : c->user_id, false, code, hash, &err), &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_auto_buf cr_buf to;
    cr_buf_init(&to, 4 * CR_HTTP_TARGET_MAX);
    cr_buf_addf(&to, "%s%s" CR_GATEWAY_ENTER "?code=%s&to=", cr_url_user_origin(hub->config, c->account, url, sizeof url), hub->config->base_url, code);
    cr_percent_encode(&to, path, "/");
    cr_reply_redirect(req, 302, cr_buf_str(&to));
    explicit_bzero(code, sizeof code);
}

static void go_on(void *user) {
    struct cr_dashboard_entry *e = user, **at = &e->gateway->entries;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    cr_timer_stop(&e->timer);
    cr_reply_redirect(e->req, 303, cr_pairs_get(&e->req->query, "to"));
    free(e);
}

static bool is_at_home(const cr_request *req, const char *account) {
    char origin[CR_URL_MAX];
    const char *host = cr_request_header(req, "Host");
    cr_url_user_origin(cr_hub_of(req)->config, account, origin, sizeof origin);
    return host && strcmp(host, strstr(origin, "://") + 3) == 0;
}

/* So that the scheduler's pages have it, and nothing else of this origin. */
static void set_cookie(cr_request *req, const char *secret) {
    char text[CR_TOKEN_LEN + 320];
    snprintf(text, sizeof text, CR_DASHBOARD_COOKIE "=%s; Path=%s" CR_GATEWAY_PATH "/clusters/; Max-Age=%d; HttpOnly; SameSite=Lax%s", secret,
             cr_hub_of(req)->config->base_url, COOKIE_LIFE_MS / 1000, cr_starts_with(cr_hub_of(req)->hub_origin, "https:") ? "; Secure" : "");
    cr_reply_header(req, "Set-Cookie", text);
}

static void refuse(cr_request *req, int status, const char *message) { cr_reply_error(req, status, message, ""); }

/* Somebody else's code leads nowhere and is used up: a page that sends people here could have made it. */
static cr_status exchange(cr_request *req, char secret[CR_TOKEN_LEN + 1], char key[2 * CR_HASH_BYTES + 1], cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    way_in w;
    cr_actor who;
    unsigned char hash[CR_HASH_BYTES];
    CR_TRY(take_code(hub, cr_pairs_get(&req->query, "code"), &w, err));
    if (!is_at_home(req, w.account))
        return CR_FAIL(err, CR_DENIED, "This way to a dashboard belongs to another address.");
    cr_actor_person(req, &w.person, &who);
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_audit_end(hub, &who, insert_key(hub, w.session_id, w.owner_id, true, secret, hash, err), CR_AUDIT_DASHBOARD, w.owner, "", err));
    return add_view(cr_gateway_of(hub), key_of(hash, key), w.account, err);
}

void cr_dashboard_enter(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_gateway *g = cr_gateway_of(hub);
    char secret[CR_TOKEN_LEN + 1], key[2 * CR_HASH_BYTES + 1];
    cr_err err = CR_ERR_INIT;
    if (cr_pairs_count(&req->query, "code") != 1 || cr_pairs_count(&req->query, "to") != 1 ||
        !cr_token_is_wellformed(cr_pairs_get(&req->query, "code")) || !cr_dashboard_path_is_right(cr_pairs_get(&req->query, "to"))) {
        refuse(req, 400, "This is no way to a dashboard. Begin again with the dashboard's link.");
        return;
    }
    struct cr_dashboard_entry *e = calloc(1, sizeof *e);
    if (!e) {
        refuse(req, 507, "no memory");
        return;
    }
    cr_status status = exchange(req, secret, key, &err);
    if (status != CR_OK) {
        refuse(req, status == CR_NOT_FOUND || status == CR_DENIED ? 403 : 503, err.message);
        free(e);
        return;
    }
    *e = (struct cr_dashboard_entry){.next = g->entries, .gateway = g, .req = req};
    snprintf(e->key, sizeof e->key, "%s", key);
    g->entries = e;
    set_cookie(req, secret);
    explicit_bzero(secret, sizeof secret);
    cr_request_suspend(req);
    cr_timer_start(hub->loop, &e->timer, WAIT_MS, go_on, e);
}

void cr_dashboard_elsewhere(cr_request *req) {
    char url[CR_URL_MAX + CR_HTTP_TARGET_MAX];
    if (!cr_dashboard_path_is_right(req->target)) {
        refuse(req, 400, "This is no address of a dashboard");
        return;
    }
    snprintf(url, sizeof url, "%s/hub/dashboard%s", cr_hub_of(req)->hub_url, req->target);
    cr_reply_redirect(req, 302, url);
}
