/* http.h - the hub's HTTP side: requests come from HAProxy over one unix socket, each is answered by one handler on the loop.
 *
 * Who owns what: a cr_request belongs to the server and lives until the reply was sent; everything allocated in req->arena dies with
 * it. A handler replies once, either before it returns or later after cr_request_suspend().
 *
 * Invariants
 *  1. No handler sees a body over the limit, a header or target that is not text, or a form or JSON that does not parse:
 *     413, 414, 431, 400 and 415 are answered before.
 *  2. The gate (who is calling, may they, is it forged) runs before every handler, also on rows that anybody may call.
 *  3. Every reply carries the security headers; those that are not files also Cache-Control: no-store.
 *  4. The caller's address is the last X-Forwarded-For value, which HAProxy wrote; nobody else reaches the socket.
 */
#ifndef CR_PLATFORM_HTTP_HTTP_H
#define CR_PLATFORM_HTTP_HTTP_H

#include <jansson.h>
#include "platform/http/loop.h"
#include "platform/http/pairs.h"
#include "platform/http/route.h"

enum {
    CR_HTTP_BODY_MAX = 16 << 10,          /* forms and small JSON; also the limit of HAProxy, which waits for whole bodies */
    CR_HTTP_CONNECTIONS_MAX = 4096,
    CR_HTTP_TARGET_MAX = 8192,
    CR_HTTP_ARENA_MAX = 8 << 20,
    CR_HTTP_STREAMS_MAX = 1024,
    CR_HTTP_STREAMS_PERSON = 16,
    CR_HTTP_STREAMS_SESSION = 8,
};

/* What jupyterhub-singleuser compares with its own version (same major: no warning). */
#define CR_JUPYTERHUB_VERSION "6.1.1"

typedef struct cr_http cr_http;
typedef struct cr_request cr_request;
struct MHD_Connection;
struct MHD_Response;

struct cr_request {
    cr_http *http;
    cr_arena arena;
    cr_method method;
    const char *target;       /* as sent: path and query */
    const char *path;         /* raw */
    const char *query_text;   /* raw, "" when there is none */
    cr_pairs query, cookies, form;
    json_t *json;             /* NULL unless the body was JSON */
    bool has_form;
    const cr_route *route;    /* NULL while no row fits */
    const char *param[CR_ROUTE_PARAMS];
    const char *source;       /* the caller's address as text */
    int64_t began_ns;         /* monotonic; when its first line was there */
    int status;               /* of the answer, when there is one */
    void *caller;             /* the gate's: who is calling */
    void *app;                /* the application given to cr_http_new */
    cr_timer timer;           /* for who replies later; stopped when the request ends, also with the hub */

    /* private to http.c */
    struct MHD_Connection *connection;
    struct MHD_Response *response;
    int early_status;
    bool seen, suspended, replied, queued, body_too_large;
    const char *early_message;
    uint64_t body_bytes;      /* received */
    cr_buf body;
    struct reply_header {
        struct reply_header *next;
        const char *name, *value;
    } *headers;
    cr_request *prev, *next;
};

typedef struct cr_http_hooks {
    const cr_route *routes;
    /* true: go on to the handler; false: the gate has replied. */
    bool (*gate)(cr_request *req);
    /* Makes the page for an error met by a browser; must reply. */
    void (*error_page)(cr_request *req, int status, const char *message, const char *hint);
    const char *security_policy;      /* Content-Security-Policy */
    void *app;
    void (*answered)(const cr_request *req);      /* may be NULL; after each answer, for counting */
    const char *base;                 /* what public paths begin with and the requests here do not, "" or NULL, or /NAME */
} cr_http_hooks;

/* listen_fd stays the caller's. Borrows the hooks' strings and routes. */
cr_status cr_http_new(cr_loop *loop, int listen_fd, const cr_http_hooks *hooks, cr_http **ret_http, cr_err *err) CR_MUST_USE;
void cr_http_free(cr_http *http);

const char *cr_request_header(const cr_request *req, const char *name);       /* NULL when absent */
const char *cr_request_field(const cr_request *req, const char *name);        /* of the form; "" when absent */
/* The handler returns and replies later, on the loop. */
void cr_request_suspend(cr_request *req);

void cr_reply_header(cr_request *req, const char *name, const char *value);   /* before the reply; copies */
void cr_reply(cr_request *req, int status, const char *type, const void *bytes, size_t n);
void cr_reply_json(cr_request *req, int status, json_t *body);                /* steals body */
void cr_reply_empty(cr_request *req, int status);
void cr_reply_redirect(cr_request *req, int status, const char *location);    /* location must be made by us, never by a stranger; / and what follows is below the base */
/* JSON {"status","message"} or the error page. A path of ours in the hint is put below the base. */
void cr_reply_error(cr_request *req, int status, const char *message, const char *hint);
void cr_reply_err(cr_request *req, const cr_err *err);
/* BUSY, the hub's state and not the caller's number of requests, is 503 and not 429. */
int cr_http_status_of(const cr_err *err);

/* Server-sent events. The stream lives until cr_stream_end() or the reader goes, which calls on_close once (not after an end). */
typedef struct cr_stream cr_stream;
/* Whose stream it is: a person, and the sign-in (or token) it came with. */
typedef struct cr_stream_owner { int64_t person, session; } cr_stream_owner;
/* One more than the owner may have ends the owner's oldest: a page that is waiting asks again. NULL: an error was replied. */
cr_stream *cr_reply_stream(cr_request *req, cr_stream_owner owner, void (*on_close)(void *user), void *user);
void cr_stream_send(cr_stream *stream, const json_t *event);
void cr_stream_end(cr_stream *stream);
void cr_http_keep_streams_alive(cr_http *http);        /* call every few seconds */

#endif
