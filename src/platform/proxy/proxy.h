/* proxy.h - which user server is reached at which path: HAProxy's dynamic servers and route map, kept as the hub wants them.
 *
 * The hub says what should be there (add, remove); this module makes HAProxy agree, over one connection to its runtime API with one
 * command at a time, and makes it agree again whenever the connection was lost, HAProxy has another pid, somebody asks (cr_proxy_sync),
 * and every half minute: it reads HAProxy's map and servers and mends every difference, in both directions.
 *
 * Threads: the loop's.
 *
 * Invariants
 *  1. A server is added with weight 0, so that HAProxy never balances a request to it: it gets only what the route map gives it.
 *  2. Server names carry a generation and are never used for two sockets.
 *  3. A key has at most one entry in the map (set, and add only when there was none).
 */
#ifndef CR_PLATFORM_PROXY_PROXY_H
#define CR_PLATFORM_PROXY_PROXY_H

#include "platform/http/loop.h"

enum { CR_PROXY_KEY_MAX = 511, CR_PROXY_SERVER_MAX = 63, CR_PROXY_ADDRESS_MAX = 255 };

typedef struct cr_proxy cr_proxy;
typedef struct cr_proxy_settings {
    const char *socket_path;      /* RUN/proxy.sock; copied */
    const char *map;              /* the map's name in HAProxy; copied */
    const char *backend;          /* copied */
    void (*on_cut)(void *user, const char *server); /* HAProxy has done what cr_proxy_cut() asked for */
    void *user;
} cr_proxy_settings;

typedef struct cr_proxy_state {
    bool connected;
    int64_t pid;                  /* of the HAProxy worker, 0 when not known */
    int64_t routes;               /* wanted, to servers */
    int64_t repairs;              /* differences found and mended since the start */
} cr_proxy_state;

cr_status cr_proxy_new(cr_loop *loop, const cr_proxy_settings *settings, cr_proxy **ret_proxy, cr_err *err) CR_MUST_USE;
void cr_proxy_free(cr_proxy *proxy);

/* Wants key -> server at address. done (may be NULL) is called once when HAProxy has it; not when the route is removed before. */
cr_status cr_proxy_add(cr_proxy *proxy, const char *key, const char *server, const char *address, cr_loop_fn done, void *user,
                       cr_err *err) CR_MUST_USE;
/* Takes the route away when it still leads to this server, cuts its connections, deletes the server. */
void cr_proxy_remove(cr_proxy *proxy, const char *key, const char *server);
/* Wants key -> value, where value names no server: the configuration knows what it means. A route of this key, if there is one, is gone then. */
cr_status cr_proxy_park(cr_proxy *proxy, const char *key, const char *value, cr_err *err) CR_MUST_USE;
/* Takes such an entry away; a route of this key stays. */
void cr_proxy_unpark(cr_proxy *proxy, const char *key);
/* Cuts what is open to this server, of everybody; the route stays, and whoever may comes back. Done when on_cut() says so; asked for while HAProxy is away it
 * is lost. */
void cr_proxy_cut(cr_proxy *proxy, const char *server);
/* HAProxy may have lost something: look at once. */
void cr_proxy_sync(cr_proxy *proxy);
/* HAProxy was started again: connect anew. */
void cr_proxy_reconnect(cr_proxy *proxy);
void cr_proxy_get_state(const cr_proxy *proxy, cr_proxy_state *ret_state);

#endif
