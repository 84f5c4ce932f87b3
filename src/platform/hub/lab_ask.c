/* lab_ask.c - three questions over a unix socket, one connection each. */
#include "platform/hub/lab_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "platform/hub/idle.h"
#include "platform/hub/probe.h"

enum { PATIENCE_MS = 10000, STEP = 16 << 10, REQUEST_MAX = 2048 };

/* Our own asking is not use: Jupyter does not count requests that say so. */
static const char *const paths[CR_LAB_ASK_PARTS] = {"api/status", "api/kernels?no_track_activity=1", "api/terminals?no_track_activity=1"};

struct cr_lab_ask {
    cr_loop *loop;
    struct sockaddr_un address;
    char prefix[1200], token[80];
    int part, fd;
    int64_t back_ms;
    cr_buf in[CR_LAB_ASK_PARTS];
    cr_loop_source *watch;
    cr_timer timer;
    cr_lab_ask_fn done;
    void *user;
};

const char *cr_lab_ask_body(const char *text, size_t n, size_t *ret_len) {
    const char *end = n > 16 ? memmem(text, n, "\r\n\r\n", 4) : NULL;
    if (!end || strncmp(text, "HTTP/1.", 7) != 0 || cr_probe_status(text) != 200)
        return NULL;
    *ret_len = n - (size_t)(end + 4 - text);
    return end + 4;
}

static void hang_up(cr_lab_ask *a) {
    cr_loop_source_remove(a->watch);
    a->watch = NULL;
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

static void answer(cr_lab_ask *a, bool complete) {
    const char *text[CR_LAB_ASK_PARTS];
    size_t len[CR_LAB_ASK_PARTS];
    int64_t used_ms = 0;
    bool busy = false;
    hang_up(a);
    cr_timer_stop(&a->timer);
    for (int i = 0; complete && i < CR_LAB_ASK_PARTS; i++)
        complete = (text[i] = cr_lab_ask_body(cr_buf_str(&a->in[i]), a->in[i].len, &len[i])) != NULL;
    complete = complete && cr_idle_read(text, len, cr_wall_ms(), a->back_ms, &used_ms, &busy);
    const char *first = cr_buf_str(&a->in[0]);
    bool refused = !complete && strncmp(first, "HTTP/1.", 7) == 0 && cr_probe_status(first) != 200;
    a->done(a->user, complete, refused, used_ms, busy);      /* may free it */
}

static void on_silence(void *user) { answer(user, false); }

static void on_event(void *user, uint32_t events);

static void ask_next(cr_lab_ask *a) {
    char request[REQUEST_MAX];
    int n = snprintf(request, sizeof request, "GET %s%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: craton\r\n"
                     "Accept: application/json\r\n"
                     "Authorization: token %s\r\n\r\n", a->prefix, paths[a->part], a->token);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool sent = a->fd >= 0 && connect(a->fd, (struct sockaddr *)&a->address, sizeof a->address) == 0 &&
                send(a->fd, request, (size_t)n, MSG_NOSIGNAL) == n;
    explicit_bzero(request, sizeof request);
    if (!sent || cr_loop_watch(a->loop, a->fd, EPOLLIN, on_event, a, &a->watch, NULL) != CR_OK)
        answer(a, false);
}

static void on_event(void *user, uint32_t events) {
    cr_lab_ask *a = user;
    char bytes[STEP];
    ssize_t n = read(a->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        cr_buf_add(&a->in[a->part], bytes, (size_t)n);
    if (n < 0 || a->in[a->part].failed) {
        answer(a, false);
        return;
    }
    if (n > 0)
        return;
    hang_up(a);
    if (++a->part == CR_LAB_ASK_PARTS)
        answer(a, true);
    else
        ask_next(a);
}

static void begin(void *user) {
    cr_lab_ask *a = user;
    cr_timer_start(a->loop, &a->timer, PATIENCE_MS, on_silence, a);
    ask_next(a);
}

cr_status cr_lab_ask_new(cr_loop *loop, const char *socket_path, const char *url_prefix, const char *token, int64_t back_ms, cr_lab_ask_fn done, void *user,
                         cr_lab_ask **ret_ask, cr_err *err) {
    cr_lab_ask *a = calloc(1, sizeof *a);
    if (!a)
        return CR_FAIL(err, CR_MEMORY, "no memory to ask a server");
    if (strlen(socket_path) >= sizeof a->address.sun_path || strlen(url_prefix) >= sizeof a->prefix || strlen(token) >= sizeof a->token) {
        free(a);
        return CR_FAIL(err, CR_INVALID, "the path %s is too long to ask a server", socket_path);
    }
    a->loop = loop;
    a->back_ms = back_ms;
    a->address.sun_family = AF_UNIX;
    strcpy(a->address.sun_path, socket_path);
    strcpy(a->prefix, url_prefix);
    strcpy(a->token, token);
    a->fd = -1;
    for (int i = 0; i < CR_LAB_ASK_PARTS; i++)
        cr_buf_init(&a->in[i], CR_LAB_ASK_MAX);
    a->done = done;
    a->user = user;
    cr_timer_start(loop, &a->timer, 0, begin, a);
    *ret_ask = a;
    return CR_OK;
}

void cr_lab_ask_free(cr_lab_ask *a) {
    if (!a)
        return;
    hang_up(a);
    cr_timer_stop(&a->timer);
    for (int i = 0; i < CR_LAB_ASK_PARTS; i++)
        cr_buf_done(&a->in[i]);
    explicit_bzero(a->token, sizeof a->token);
    free(a);
}
