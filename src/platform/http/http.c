/* http.c - libmicrohttpd on our own epoll loop. The daemon has no thread: its epoll descriptor is one watch of ours. */
#include "platform/http/http.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/http/http_stream.h"

enum { CONNECTION_MEMORY = 32 * 1024, IDLE_SECONDS = 75, DRAIN_MAX = 64 << 20 };

struct cr_http {
    cr_loop *loop;
    cr_http_hooks hooks;
    struct MHD_Daemon *daemon;
    cr_loop_source *watch;
    cr_request *requests;     /* open ones */
    cr_http_streams streams;
    bool stopping;
};

/* ---- a request's life ---- */

/* libmicrohttpd would decode in place; the router wants the raw path. */
static size_t keep_raw(void *cls, struct MHD_Connection *connection, char *text) { return strlen(text); }

static void *on_target(void *cls, const char *target, struct MHD_Connection *connection) {
    cr_http *http = cls;
    cr_request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    req->http = http;
    req->app = http->hooks.app;
    req->connection = connection;
    cr_arena_init(&req->arena, CR_HTTP_ARENA_MAX);
    cr_buf_init(&req->body, CR_HTTP_BODY_MAX);
    req->source = "";
    req->began_ns = cr_now_ns();
    size_t n = strlen(target);
    if (n > CR_HTTP_TARGET_MAX) {
        req->early_status = MHD_HTTP_URI_TOO_LONG;
        n = CR_HTTP_TARGET_MAX;
    }
    const char *query = memchr(target, '?', n);
    req->target = cr_arena_strndup(&req->arena, target, n);
    req->path = cr_arena_strndup(&req->arena, target, query ? (size_t)(query - target) : n);
    req->query_text = query ? cr_arena_strndup(&req->arena, query + 1, n - (size_t)(query + 1 - target)) : "";
    req->next = http->requests;
    if (req->next)
        req->next->prev = req;
    http->requests = req;
    return req;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode code) {
    cr_http *http = cls;
    cr_request *req = *con_cls;
    if (!req)
        return;
    *con_cls = NULL;
    cr_timer_stop(&req->timer);
    if (req->prev)
        req->prev->next = req->next;
    else
        http->requests = req->next;
    if (req->next)
        req->next->prev = req->prev;
    if (req->response)
        MHD_destroy_response(req->response);
    json_decref(req->json);
    cr_buf_done(&req->body);
    cr_arena_done(&req->arena);
    free(req);
}

const char *cr_request_header(const cr_request *req, const char *name) {
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

const char *cr_request_field(const cr_request *req, const char *name) {
    const char *value = cr_pairs_get(&req->form, name);
    return value ? value : "";
}

/* Does the caller expect HTML? Browsers' navigations do; API paths and programs get JSON. */
static bool wants_page(const cr_request *req) {
    if (req->route)
        return req->route->kind <= CR_ROUTE_PAGE_ADMIN;
    const char *accept = cr_request_header(req, "Accept");
    return !cr_starts_with(req->path, "/hub/api") && accept && strstr(accept, "text/html");
}

void cr_request_suspend(cr_request *req) {
    if (!req->suspended) {
        req->suspended = true;
        MHD_suspend_connection(req->connection);
    }
}

/* ---- what is checked before a handler sees it ---- */

static cr_status read_target(cr_request *req, cr_err *err) {
    CR_TRY(cr_pairs_parse_form(&req->arena, req->query_text, strlen(req->query_text), &req->query, err));
    const char *cookies = cr_request_header(req, "Cookie");
    if (cookies)
        CR_TRY(cr_pairs_parse_cookies(&req->arena, cookies, &req->cookies, err));
    return CR_OK;
}

static void read_source(cr_request *req) {
    const char *forwarded = cr_request_header(req, "X-Forwarded-For");
    if (!forwarded)
        return;
    const char *last = strrchr(forwarded, ',');
    last = last ? last + 1 : forwarded;
    last += strspn(last, " \t");
    req->source = cr_arena_strndup(&req->arena, last, CR_MIN(strcspn(last, " \t"), 63u));
    if (!req->source)
        req->source = "";
}

/* 0, or the status to answer instead of the handler. */
static int find_route(cr_request *req, cr_err *err) {
    cr_route_match match;
    if (cr_route_find(req->http->hooks.routes, req->method, req->path, &req->arena, &match, err) != CR_OK)
        return 400;
    if (!match.route && match.allowed) {
        char list[96];
        cr_reply_header(req, "Allow", cr_method_list(match.allowed, list, sizeof list));
        (void)CR_FAIL(err, CR_INVALID, "this address does not answer this method");
        return 405;
    }
    if (!match.route) {
        (void)CR_FAIL(err, CR_NOT_FOUND, "there is nothing at this address");
        return 404;
    }
    req->route = match.route;
    memcpy(req->param, match.param, sizeof req->param);
    return 0;
}

/* Looks at the headers, before any byte of the body is read. */
static int check_head(cr_request *req, cr_err *err) {
    if (!req->target || !req->path || !req->query_text || req->early_status) {
        (void)CR_FAIL(err, CR_LIMIT, "the address is longer than %d characters", CR_HTTP_TARGET_MAX);
        return 414;
    }
    int status = find_route(req, err);
    if (status)
        return status;
    if (read_target(req, err) != CR_OK)
        return 400;
    const char *length = cr_request_header(req, "Content-Length");
    int64_t n = 0;
    if (length && (cr_parse_int(length, 0, INT64_MAX, &n, NULL) != CR_OK || n > CR_HTTP_BODY_MAX)) {
        (void)CR_FAIL(err, CR_LIMIT, "the request is larger than %d KiB", CR_HTTP_BODY_MAX / 1024);
        return 413;
    }
    return 0;
}

static bool type_is(const char *header, const char *type) {
    size_t n = strlen(type);
    return header && strncasecmp(header, type, n) == 0 && (header[n] == 0 || header[n] == ';' || header[n] == ' ');
}

/* The body as form or JSON, by its Content-Type. */
static int read_body(cr_request *req, cr_err *err) {
    if (req->body_too_large || req->body.failed) {
        (void)CR_FAIL(err, CR_LIMIT, "the request is larger than %d KiB", CR_HTTP_BODY_MAX / 1024);
        return 413;
    }
    if (!req->body.len)
        return 0;
    const char *type = cr_request_header(req, "Content-Type");
    if (type_is(type, "application/x-www-form-urlencoded")) {
        if (cr_pairs_parse_form(&req->arena, req->body.data, req->body.len, &req->form, err) != CR_OK)
            return 400;
        req->has_form = true;
        return 0;
    }
    if (type_is(type, "application/json") || (!type && !wants_page(req))) {
        json_error_t je;
        req->json = json_loadb(req->body.data, req->body.len, JSON_REJECT_DUPLICATES, &je);
        if (!req->json) {
            (void)CR_FAIL(err, CR_INVALID, "the JSON in the request is not valid: line %d: %s", je.line, je.text);
            return 400;
        }
        return 0;
    }
    (void)CR_FAIL(err, CR_INVALID, "this kind of content is not understood here; send application/json or a form");
    return 415;
}

/* ---- replies ---- */

void cr_reply_header(cr_request *req, const char *name, const char *value) {
    struct reply_header *h = cr_arena_alloc(&req->arena, sizeof *h);
    if (!h)
        return;
    h->name = cr_arena_strdup(&req->arena, name);
    h->value = cr_arena_strdup(&req->arena, value);
    if (!h->name || !h->value)
        return;
    /* In the order given: Set-Cookie headers may depend on it. */
    struct reply_header **at = &req->headers;
    while (*at)
        at = &(*at)->next;
    *at = h;
}

static void add_headers(cr_request *req, struct MHD_Response *response) {
    static const char *const fixed[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "same-origin"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"X-Frame-Options", "DENY"},
        /* The clients compare the major version with their own; see docs/decisions/0002. */
        {"X-JupyterHub-Version", CR_JUPYTERHUB_VERSION},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(fixed); i++)
        MHD_add_response_header(response, fixed[i][0], fixed[i][1]);
    MHD_add_response_header(response, "Content-Security-Policy", req->http->hooks.security_policy);
    if (!req->route || req->route->kind != CR_ROUTE_FILE)
        MHD_add_response_header(response, "Cache-Control", "no-store");
    for (const struct reply_header *h = req->headers; h; h = h->next)
        MHD_add_response_header(response, h->name, h->value);
}

void cr_http_send(cr_request *req, int status, struct MHD_Response *response) {
    if (req->replied) {
        cr_log(CR_LOG_ERROR, "a handler replied twice", "path=%s", req->path);
        if (response)
            MHD_destroy_response(response);
        return;
    }
    req->replied = true;
    req->status = status;
    req->response = response;
    if (response)
        add_headers(req, response);
    if (req->suspended) {
        req->suspended = false;
        req->http->streams.resumed = true;
        MHD_resume_connection(req->connection);
    }
    if (req->http->hooks.answered)
        req->http->hooks.answered(req);
}

cr_http_streams *cr_http_get_streams(cr_http *http) { return &http->streams; }

void cr_reply(cr_request *req, int status, const char *type, const void *bytes, size_t n) {
    struct MHD_Response *response = MHD_create_response_from_buffer(n, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
    if (response && type)
        MHD_add_response_header(response, "Content-Type", type);
    cr_http_send(req, status, response);
}

void cr_reply_json(cr_request *req, int status, json_t *body) {
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    static const char no_memory[] = "{\"status\":507,\"message\":\"no memory\"}";
    if (text)
        cr_reply(req, status, "application/json", text, strlen(text));
    else
        cr_reply(req, 507, "application/json", no_memory, sizeof no_memory - 1);
    free(text);
}

void cr_reply_empty(cr_request *req, int status) { cr_reply(req, status, NULL, "", 0); }

/* text with the base put in at `at` bytes. */
static const char *with_base(cr_request *req, const char *text, size_t at) {
    const char *base = req->http->hooks.base;
    size_t n = strlen(text), more = base ? strlen(base) : 0;
    char *out = more ? cr_arena_alloc(&req->arena, n + more + 1) : NULL;
    if (!out)
        return text;
    memcpy(out, text, at);
    memcpy(out + at, base, more);
    memcpy(out + at + more, text + at, n - at + 1);
    return out;
}

void cr_reply_redirect(cr_request *req, int status, const char *location) {
    cr_reply_header(req, "Location", location[0] == '/' ? with_base(req, location, 0) : location);
    cr_reply(req, status, "text/plain; charset=utf-8", "", 0);
}

void cr_reply_error(cr_request *req, int status, const char *message, const char *hint) {
    const char *path = hint ? strstr(hint, " /hub/") : NULL;
    if (path)
        hint = with_base(req, hint, (size_t)(path + 1 - hint));
    if (wants_page(req)) {
        req->http->hooks.error_page(req, status, message, hint);
    } else if (req->route && req->route->kind == CR_ROUTE_API_OWN) {
        cr_reply_json(req, status, json_pack("{s:s+++}", "error", message, hint && *hint ? " (" : "", hint ? hint : "", hint && *hint ? ")" : ""));
    } else if (hint && *hint) {
        cr_reply_json(req, status, json_pack("{s:i, s:s, s:s}", "status", status, "message", message, "hint", hint));
    } else {
        cr_reply_json(req, status, json_pack("{s:i, s:s}", "status", status, "message", message));
    }
}

int cr_http_status_of(const cr_err *err) {
    return err->status == CR_BUSY ? 503 : cr_status_http(err->status);
}

void cr_reply_err(cr_request *req, const cr_err *err) {
    int status = cr_http_status_of(err);
    if (status >= 500 && err->status != CR_NO_SPACE && err->status != CR_TIMEOUT && err->status != CR_BUSY) {
        cr_log_err(CR_LOG_ERROR, "request failed", err);
        cr_reply_error(req, status, "something went wrong inside the hub; the administrator finds the cause in its log", "");
        return;
    }
    if (err->status == CR_BUSY)
        cr_reply_header(req, "Retry-After", "3");
    char message[sizeof err->message];
    snprintf(message, sizeof message, "%s", err->message);
    cr_text_clean(message);      /* what it quotes may have been cut inside a character */
    cr_reply_error(req, status, message, err->hint);
}

/* ---- the daemon ---- */

static void dispatch(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    if (req->early_status) {
        cr_reply_error(req, req->early_status, req->early_message ? req->early_message : "", "");
        return;
    }
    int status = read_body(req, &err);
    if (status) {
        cr_reply_error(req, status, err.message, err.hint);
        return;
    }
    if (!req->http->hooks.gate(req))
        return;
    req->route->handler(req);
    if (!req->replied && !req->suspended) {
        cr_log(CR_LOG_ERROR, "a handler did not reply", "path=%s", req->path);
        cr_reply_error(req, 500, "something went wrong inside the hub", "");
    }
}

static enum MHD_Result queue(cr_request *req) {
    if (!req->response)
        return MHD_NO;
    req->queued = true;
    return MHD_queue_response(req->connection, (unsigned)req->status, req->response);
}

static bool body_is_worth_reading(const cr_request *req) {
    const char *length = cr_request_header(req, "Content-Length");
    int64_t n = 0;
    return !length || cr_parse_int(length, 0, DRAIN_MAX, &n, NULL) == CR_OK;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **con_cls) {
    cr_request *req = *con_cls;
    if (!req)
        return MHD_NO;
    if (!req->seen) {
        req->seen = true;
        req->method = cr_method_parse(method);
        read_source(req);
        cr_err err = CR_ERR_INIT;
        req->early_status = check_head(req, &err);
        if (req->early_status)
            req->early_message = cr_arena_strdup(&req->arena, err.message);
        /* A refusal waits for the end of a body of sensible size: closing before would reset the connection, and nobody reads why. */
        if (!req->early_status || body_is_worth_reading(req))
            return MHD_YES;
        cr_reply_error(req, req->early_status, req->early_message ? req->early_message : "", "");
        return queue(req);
    }
    if (*upload_size) {
        req->body_bytes += *upload_size;
        if (req->body_bytes > DRAIN_MAX)
            return MHD_NO;
        if (req->body_bytes > CR_HTTP_BODY_MAX || req->early_status)
            req->body_too_large = true;
        else
            cr_buf_add(&req->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (req->queued)
        return MHD_YES;
    if (!req->replied)
        dispatch(req);
    return req->suspended ? MHD_YES : queue(req);
}

static void log_daemon(void *cls, const char *fmt, va_list ap) {
    char text[512];
    vsnprintf(text, sizeof text, fmt, ap);
    cr_log(CR_LOG_DEBUG, "http library", "text=%s", text);
}

static void on_ready(void *user, uint32_t events) {
    cr_http *http = user;
    MHD_run(http->daemon);
}

/* Work that the daemon holds outside of epoll: data already read shows as a timeout of 0, a resumed connection not at all. */
static int64_t before_wait(void *user) {
    cr_http *http = user;
    MHD_UNSIGNED_LONG_LONG ms;
    for (int rounds = 0; rounds < 16; rounds++) {
        bool resumed = http->streams.resumed;
        http->streams.resumed = false;
        enum MHD_Result has = resumed ? MHD_NO : MHD_get_timeout(http->daemon, &ms);
        if (!resumed && has != MHD_YES)
            return -1;
        if (!resumed && ms)
            return (int64_t)CR_MIN(ms, 60000u);
        MHD_run(http->daemon);
    }
    return 0;
}

cr_status cr_http_new(cr_loop *loop, int listen_fd, const cr_http_hooks *hooks, cr_http **ret_http, cr_err *err) {
    cr_http *http = calloc(1, sizeof *http);
    if (!http)
        return CR_FAIL(err, CR_MEMORY, "no memory for the HTTP server");
    http->loop = loop;
    http->hooks = *hooks;
    int own_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);     /* the library closes what it is given */
    http->daemon = own_fd < 0 ? NULL : MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http,
        MHD_OPTION_EXTERNAL_LOGGER, log_daemon, http,
        MHD_OPTION_LISTEN_SOCKET, own_fd,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CR_HTTP_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_raw, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
    if (!http->daemon) {
        free(http);
        return CR_FAIL(err, CR_IO, "the HTTP server cannot use the listening socket");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    cr_status status = cr_loop_watch(loop, info->epoll_fd, EPOLLIN, on_ready, http, &http->watch, err);
    if (status != CR_OK) {
        MHD_stop_daemon(http->daemon);
        free(http);
        return status;
    }
    cr_loop_before_wait(loop, before_wait, http);
    *ret_http = http;
    return CR_OK;
}

void cr_http_free(cr_http *http) {
    if (!http)
        return;
    cr_loop_before_wait(http->loop, NULL, NULL);
    cr_loop_source_remove(http->watch);
    cr_http_streams_end(&http->streams);
    for (cr_request *req = http->requests; req; req = req->next)
        if (req->suspended)
            cr_reply_error(req, 503, "the hub is restarting; try again in a second", "");
    MHD_run(http->daemon);
    MHD_stop_daemon(http->daemon);
    free(http);
}
