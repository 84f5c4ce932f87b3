/* scheduler_call.c - a request that fits one packet, and the first line of its answer. */
#include "platform/gateway/scheduler_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "platform/hub/probe.h"

enum { TRIES = 3, PAUSE_MS = 500, TRY_MS = 8000, HEAD_MAX = 1024, REQUEST_MAX = 2048 };

struct cr_scheduler_call {
    cr_loop *loop;
    struct sockaddr_un address;
    char request[REQUEST_MAX];
    char head[HEAD_MAX + 1];
    size_t len;
    int fd, tries;
    cr_loop_source *watch;
    cr_timer timer;
    cr_scheduler_call_fn fn;
    void *user;
};

static void try_now(void *user);

static void hang_up(cr_scheduler_call *c) {
    cr_timer_stop(&c->timer);
    cr_loop_source_remove(c->watch);
    c->watch = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void cr_scheduler_call_free(cr_scheduler_call *c) {
    if (!c)
        return;
    hang_up(c);
    explicit_bzero(c->request, sizeof c->request);
    free(c);
}

static void finish(cr_scheduler_call *c, bool done) {
    cr_scheduler_call_fn fn = c->fn;
    void *user = c->user;
    cr_scheduler_call_free(c);
    fn(user, done);
}

static void try_again(void *user) {
    cr_scheduler_call *c = user;
    hang_up(c);
    if (++c->tries >= TRIES)
        finish(c, false);
    else
        cr_timer_start(c->loop, &c->timer, PAUSE_MS, try_now, c);
}

static void on_event(void *user, uint32_t events) {
    cr_scheduler_call *c = user;
    ssize_t n = read(c->fd, c->head + c->len, HEAD_MAX - c->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->len += n > 0 ? (size_t)n : 0;
    c->head[c->len] = 0;
    int status = c->len >= 13 ? cr_probe_status(c->head) : 0;
    if (status >= 200 && status < 300)
        finish(c, true);
    else if (status >= 400 && status < 500)
        finish(c, false);     /* it will not change its mind */
    else if (status || n <= 0 || c->len == HEAD_MAX)
        try_again(c);
}

static void try_now(void *user) {
    cr_scheduler_call *c = user;
    size_t n = strlen(c->request);
    c->len = 0;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&c->address, sizeof c->address) < 0 || send(c->fd, c->request, n, MSG_NOSIGNAL) != (ssize_t)n ||
        cr_loop_watch(c->loop, c->fd, EPOLLIN, on_event, c, &c->watch, NULL) != CR_OK) {
        try_again(c);
        return;
    }
    cr_timer_start(c->loop, &c->timer, TRY_MS, try_again, c);
}

cr_status cr_scheduler_call_start(cr_loop *loop, const char *socket_path, const char *key, const char *token, const json_t *body,
                                  cr_scheduler_call_fn fn, void *user, cr_scheduler_call **ret_call, cr_err *err) {
    cr_auto_free char *text = json_dumps(body, JSON_COMPACT);
    cr_scheduler_call *c = calloc(1, sizeof *c);
    if (!c || !text) {
        free(c);
        return CR_FAIL(err, CR_MEMORY, "no memory to speak to a scheduler");
    }
    int n = snprintf(c->request, sizeof c->request,
                     "POST /api/comm HTTP/1.1\r\nHost: scheduler\r\nConnection: close\r\nX-Craton-Cluster: %s\r\nAuthorization: token %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", key, token, strlen(text), text);
    if (n < 0 || n >= (int)sizeof c->request || strlen(socket_path) >= sizeof c->address.sun_path) {
        free(c);
        return CR_FAIL(err, CR_LIMIT, "a message to a scheduler is too long");
    }
    c->loop = loop;
    c->address.sun_family = AF_UNIX;
    strcpy(c->address.sun_path, socket_path);
    c->fd = -1;
    c->fn = fn;
    c->user = user;
    cr_timer_start(loop, &c->timer, 0, try_now, c);
    *ret_call = c;
    return CR_OK;
}
