/* proxy.c - the wanted routes, the queue of commands, and the comparison with what HAProxy has. The connection is in proxy_link.c. */
#include "platform/proxy/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/map.h"
#include "platform/proxy/proxy_link.h"
#include "platform/proxy/proxy_text.h"

enum { ROUTES_MAX = 100000, SYNC_MS = 30000, RETIRE_MS = 300, RETIRE_MAX_MS = 10000, RETIRED_MAX = 100000 };

typedef struct route {
    char key[CR_PROXY_KEY_MAX + 1], server[CR_PROXY_SERVER_MAX + 1], address[CR_PROXY_ADDRESS_MAX + 1];      /* address "": parked, server is a word */
    cr_loop_fn done;
    void *user;
    bool seen;                /* in the map, by the comparison that runs */
    bool there;               /* in the map and led to a server that is on, by a comparison over this connection */
} route;

/* A server that is to disappear from HAProxy. */
typedef struct retired {
    struct retired *next;
    char server[CR_PROXY_SERVER_MAX + 1];
    int64_t pause_ms;
    cr_timer timer;
    cr_proxy *proxy;
} retired;

struct cr_proxy {
    cr_loop *loop;
    char map[300], backend[64];
    cr_proxy_link *link;
    cr_map routes;            /* key -> route */
    retired *retired;
    cr_timer sync_timer;
    bool syncing, telling;    /* telling: tell_there() was posted */
    int64_t pid, repairs;
    void (*on_cut)(void *user, const char *server);
    void *user;
};

static void retire(cr_proxy *p, const char *server);

/* ---- one route ---- */

static bool contains(const char *reply, const char *text) { return strstr(reply, text) != NULL; }

static void tell_done(route *r) {
    cr_loop_fn done = r->done;
    r->done = NULL;
    if (done)
        done(r->user);
}

static void on_mapped(void *user, const char *key, const char *reply) {
    cr_proxy *p = user;
    route *r = cr_map_get(&p->routes, key);
    if (!r || !reply)
        return;
    if (contains(reply, "not found")) {
        /* Before anything else that waits, so that nobody adds the same key in between. */
        cr_proxy_link_next(p->link, on_mapped, p, key, "add map %s %s %s", p->map, r->key, r->server);
        return;
    }
    if (reply[strspn(reply, "\n ")])
        cr_log(CR_LOG_WARN, "the proxy refused a route", "key=%s reply=%s", key, reply);
    else
        tell_done(r);
}

static void on_added(void *user, const char *key, const char *reply) {
    if (reply && !contains(reply, "New server registered") && !contains(reply, "lready exists"))
        cr_log(CR_LOG_WARN, "the proxy refused a server", "key=%s reply=%s", key, reply);
}

static bool is_parked(const route *r) { return !r->address[0]; }

static void send_route(cr_proxy *p, route *r) {
    r->there = false;
    if (!is_parked(r)) {
        cr_proxy_link_send(p->link, on_added, p, r->key, "add server %s/%s %s weight 0", p->backend, r->server, r->address);
        cr_proxy_link_send(p->link, NULL, NULL, "", "enable server %s/%s", p->backend, r->server);
    }
    cr_proxy_link_send(p->link, on_mapped, p, r->key, "set map %s %s %s", p->map, r->key, r->server);
}

/* Those who asked for what was there already, not before their call has returned. */
static void tell_there(void *user) {
    cr_proxy *p = user;
    void *value;
    p->telling = false;
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, NULL, &value));)
        if (((route *)value)->there)
            tell_done(value);
}

/* A new hub wants what the one before it has made: HAProxy is not told three times for each of a thousand servers. */
static bool is_there(cr_proxy *p, const route *r, const char *server, const char *address) {
    if (!r->there || strcmp(r->server, server) != 0 || strcmp(r->address, address) != 0)
        return false;
    return p->telling || (p->telling = cr_loop_post(p->loop, tell_there, p));
}

static cr_status want(cr_proxy *p, const char *key, const char *server, const char *address, cr_loop_fn done, void *user, cr_err *err) {
    if (strlen(key) > CR_PROXY_KEY_MAX || strlen(server) > CR_PROXY_SERVER_MAX || strlen(address) > CR_PROXY_ADDRESS_MAX ||
        !*key || key[strcspn(key, " ;\n\r\t\\\"'#")] || server[strcspn(server, " ;\n\r\t\\\"'#/")])
        return CR_FAIL(err, CR_INVALID, "the route %s is not one that the proxy can hold", key);
    route *r = cr_map_get(&p->routes, key);
    if (r && is_there(p, r, server, address)) {
        r->done = done;
        r->user = user;
        return CR_OK;
    }
    if (r) {
        if (!is_parked(r) && strcmp(r->server, server) != 0)
            retire(p, r->server);
    } else {
        r = calloc(1, sizeof *r);
        if (!r)
            return CR_FAIL(err, CR_MEMORY, "no memory for a route");
        cr_status status = cr_map_set(&p->routes, key, r, err);
        if (status != CR_OK) {
            free(r);
            return status;
        }
    }
    snprintf(r->key, sizeof r->key, "%s", key);
    snprintf(r->server, sizeof r->server, "%s", server);
    snprintf(r->address, sizeof r->address, "%s", address);
    r->done = done;
    r->user = user;
    send_route(p, r);
    return CR_OK;
}

cr_status cr_proxy_add(cr_proxy *p, const char *key, const char *server, const char *address, cr_loop_fn done, void *user, cr_err *err) {
    return *address ? want(p, key, server, address, done, user, err) : CR_FAIL(err, CR_INVALID, "the route %s leads nowhere", key);
}

cr_status cr_proxy_park(cr_proxy *p, const char *key, const char *value, cr_err *err) { return want(p, key, value, "", NULL, NULL, err); }

static void forget(cr_proxy *p, route *r) {
    cr_proxy_link_send(p->link, NULL, NULL, "", "del map %s %s", p->map, r->key);
    cr_map_remove(&p->routes, r->key);
    free(r);
}

void cr_proxy_remove(cr_proxy *p, const char *key, const char *server) {
    route *r = cr_map_get(&p->routes, key);
    if (r && !is_parked(r) && strcmp(r->server, server) == 0)
        forget(p, r);
    retire(p, server);
}

void cr_proxy_unpark(cr_proxy *p, const char *key) {
    route *r = cr_map_get(&p->routes, key);
    if (r && is_parked(r))
        forget(p, r);
}

/* ---- servers that go ---- */

static void drop_retired(retired *t) {
    retired **at = &t->proxy->retired;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    cr_timer_stop(&t->timer);
    free(t);
}

static retired *find_retired(cr_proxy *p, const char *server) {
    for (retired *t = p->retired; t; t = t->next)
        if (strcmp(t->server, server) == 0)
            return t;
    return NULL;
}

static void try_delete(void *user);

static void on_deleted(void *user, const char *server, const char *reply) {
    cr_proxy *p = user;
    retired *t = find_retired(p, server);
    if (!t)
        return;
    if (!reply || contains(reply, "Server deleted") || contains(reply, "No such server") || contains(reply, "not found")) {
        drop_retired(t);      /* without an answer the next comparison finds it again */
        return;
    }
    /* Connections are still closing. */
    t->pause_ms = CR_MIN(t->pause_ms * 2, RETIRE_MAX_MS);
    cr_timer_start(p->loop, &t->timer, t->pause_ms, try_delete, t);
}

static void try_delete(void *user) {
    retired *t = user;
    cr_proxy_link_send(t->proxy->link, NULL, NULL, "", "shutdown sessions server %s/%s", t->proxy->backend, t->server);
    cr_proxy_link_send(t->proxy->link, on_deleted, t->proxy, t->server, "del server %s/%s", t->proxy->backend, t->server);
}

static void retire(cr_proxy *p, const char *server) {
    if (find_retired(p, server))
        return;
    retired *t = calloc(1, sizeof *t);
    if (!t)
        return;               /* the next comparison finds it */
    snprintf(t->server, sizeof t->server, "%s", server);
    t->proxy = p;
    t->pause_ms = RETIRE_MS;
    t->next = p->retired;
    p->retired = t;
    cr_proxy_link_send(p->link, NULL, NULL, "", "set server %s/%s state maint", p->backend, server);
    cr_proxy_link_send(p->link, NULL, NULL, "", "shutdown sessions server %s/%s", p->backend, server);
    cr_timer_start(p->loop, &t->timer, RETIRE_MS, try_delete, t);
}

static void on_cut(void *user, const char *server, const char *reply) {
    cr_proxy *p = user;
    if (reply && p->on_cut)
        p->on_cut(p->user, server);
}

void cr_proxy_cut(cr_proxy *p, const char *server) {
    cr_proxy_link_send(p->link, on_cut, p, server, "shutdown sessions server %s/%s", p->backend, server);
}

/* ---- comparison ---- */

static void on_info(void *user, const char *arg, const char *reply) {
    cr_proxy *p = user;
    int64_t pid = reply ? cr_proxy_text_pid(reply) : 0;
    if (pid && p->pid && pid != p->pid)
        cr_log(CR_LOG_INFO, "the proxy was restarted: routes are given again", "pid=%lld routes=%zu", (long long)pid, p->routes.len);
    if (pid)
        p->pid = pid;
}

static void on_map(void *user, const char *arg, const char *reply) {
    cr_proxy *p = user;
    if (!reply)
        return;
    const char *key, *server;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, NULL, &value));)
        ((route *)value)->seen = false;
    cr_auto_free char *copy = strdup(reply);
    char *rest = copy;
    while (cr_proxy_text_map(&rest, &key, &server)) {
        route *r = cr_map_get(&p->routes, key);
        if (r && strcmp(r->server, server) == 0 && !r->seen) {
            r->seen = true;
        } else {
            /* Not wanted, wrong, or there twice: after this every entry of the key is gone. */
            p->repairs++;
            cr_proxy_link_send(p->link, NULL, NULL, "", "del map %s %s", p->map, key);
            if (r)
                r->seen = false;
        }
    }
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, &key, &value));) {
        route *r = value;
        if (!r->seen) {
            p->repairs++;
            send_route(p, r);
        }
    }
}

static void on_servers(void *user, const char *arg, const char *reply) {
    cr_proxy *p = user;
    p->syncing = false;
    if (!reply)
        return;
    cr_map present;           /* server names in HAProxy */
    cr_map_init(&present, ROUTES_MAX + RETIRED_MAX);
    cr_auto_free char *copy = strdup(reply);
    char *rest = copy;
    const char *name;
    bool off;
    while (cr_proxy_text_server(&rest, p->backend, &name, &off))
        (void)!cr_map_set(&present, name, (void *)(uintptr_t)(off ? 2 : 1), NULL);
    void *value;
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, NULL, &value));) {
        route *r = value;
        if (is_parked(r))
            continue;
        uintptr_t state = (uintptr_t)cr_map_remove(&present, r->server);
        if (state != 1) {     /* missing, or in maintenance */
            p->repairs++;
            send_route(p, r);
        } else if (r->seen) {
            r->there = true;
            tell_done(r);     /* it was there already: the hub was restarted, not the proxy */
        }
    }
    for (size_t i = 0; (i = cr_map_next(&present, i, &name, &value));)
        retire(p, name);
    cr_map_done(&present);
}

void cr_proxy_sync(cr_proxy *p) {
    if (p->syncing || !cr_proxy_link_is_up(p->link))
        return;
    p->syncing = true;
    cr_proxy_link_send(p->link, on_info, p, "", "show info");
    cr_proxy_link_send(p->link, on_map, p, "", "show map %s", p->map);
    cr_proxy_link_send(p->link, on_servers, p, "", "show servers state %s", p->backend);
}

static void on_sync_timer(void *user) {
    cr_proxy *p = user;
    cr_timer_start(p->loop, &p->sync_timer, SYNC_MS, on_sync_timer, p);
    cr_proxy_sync(p);
}

static void on_link(void *user) {
    cr_proxy *p = user;
    void *value;
    p->syncing = false;
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, NULL, &value));)
        ((route *)value)->there = false;
    cr_proxy_sync(p);
}

void cr_proxy_reconnect(cr_proxy *p) { cr_proxy_link_reconnect(p->link); }

/* ---- life ---- */

cr_status cr_proxy_new(cr_loop *loop, const cr_proxy_settings *settings, cr_proxy **ret_proxy, cr_err *err) {
    cr_proxy *p = calloc(1, sizeof *p);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory for the proxy's routes");
    p->loop = loop;
    snprintf(p->map, sizeof p->map, "%s", settings->map);
    snprintf(p->backend, sizeof p->backend, "%s", settings->backend);
    p->on_cut = settings->on_cut;
    p->user = settings->user;
    cr_map_init(&p->routes, ROUTES_MAX);
    cr_status status = cr_proxy_link_new(loop, settings->socket_path, on_link, p, &p->link, err);
    if (status != CR_OK) {
        free(p);
        return status;
    }
    cr_timer_start(loop, &p->sync_timer, SYNC_MS, on_sync_timer, p);
    *ret_proxy = p;
    return CR_OK;
}

void cr_proxy_free(cr_proxy *p) {
    if (!p)
        return;
    cr_timer_stop(&p->sync_timer);
    cr_proxy_link_free(p->link);
    while (p->retired)
        drop_retired(p->retired);
    void *value;
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, NULL, &value));)
        free(value);
    cr_map_done(&p->routes);
    free(p);
}

void cr_proxy_get_state(const cr_proxy *p, cr_proxy_state *ret_state) {
    int64_t n = 0;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&p->routes, i, NULL, &value));)
        n += !is_parked(value);
    *ret_state = (cr_proxy_state){cr_proxy_link_is_up(p->link), p->pid, n, p->repairs};
}
