/* proxy_link.c - HAProxy's CLI in prompt mode: every reply ends with "\n> ", so the connection stays and replies keep their order. */
#include "platform/proxy/proxy_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/log.h"

enum { REPLY_MAX = 32 << 20, ANSWER_MS = 5000, RETRY_MS = 100, RETRY_MAX_MS = 2000, LINE_MAX_BYTES = 1200 };

typedef struct command {
    struct command *next;
    cr_proxy_reply_fn fn;
    void *user;
    char *arg;
    size_t len;
    char line[];              /* with its newline */
} command;

struct cr_proxy_link {
    cr_loop *loop;
    struct sockaddr_un address;
    cr_loop_fn on_up;
    void *user;
    int fd;
    cr_loop_source *watch;
    bool up;                  /* the prompt was seen */
    bool busy;                /* `first` was sent */
    bool was_lost;            /* said in the log */
    command *first, **last;
    cr_buf reply;
    cr_timer timer;           /* retry, or waiting for an answer */
    int64_t retry_ms;
};

static void connect_now(void *user);
static void send_first(cr_proxy_link *l);

static void free_command(command *c) {
    free(c->arg);
    free(c);
}

static void lose(cr_proxy_link *l, const char *why) {
    if (!l->was_lost)
        cr_log(CR_LOG_WARN, "no connection to the proxy", "why=%s", why);
    l->was_lost = true;
    cr_loop_source_remove(l->watch);
    l->watch = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->up = l->busy = false;
    cr_buf_clear(&l->reply);
    command *c = l->first;
    l->first = NULL;
    l->last = &l->first;
    cr_timer_start(l->loop, &l->timer, l->retry_ms, connect_now, l);
    l->retry_ms = CR_MIN(l->retry_ms * 2, RETRY_MAX_MS);
    while (c) {
        command *next = c->next;
        if (c->fn)
            c->fn(c->user, c->arg, NULL);
        free_command(c);
        c = next;
    }
}

static void on_silence(void *user) { lose(user, "it does not answer"); }

static void on_reply(cr_proxy_link *l) {
    l->reply.data[l->reply.len - 3] = 0;      /* cut the prompt */
    cr_timer_stop(&l->timer);
    if (!l->up) {
        l->up = true;
        l->retry_ms = RETRY_MS;
        if (l->was_lost)
            cr_log(CR_LOG_INFO, "connected to the proxy", NULL);
        l->was_lost = false;
        cr_buf_clear(&l->reply);
        l->on_up(l->user);
        send_first(l);
        return;
    }
    command *c = l->first;
    l->busy = false;
    l->first = c->next;
    if (!l->first)
        l->last = &l->first;
    cr_auto_free char *text = cr_buf_take(&l->reply);
    if (c->fn)
        c->fn(c->user, c->arg, text ? text : "");
    free_command(c);
    send_first(l);
}

static void on_event(void *user, uint32_t events) {
    cr_proxy_link *l = user;
    char bytes[16384];
    ssize_t n = read(l->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(l, n ? strerror(errno) : "it closed the connection");
        return;
    }
    cr_buf_add(&l->reply, bytes, (size_t)n);
    if (l->reply.failed)
        lose(l, "a reply is too long");
    else if (l->reply.len >= 3 && memcmp(l->reply.data + l->reply.len - 3, "\n> ", 3) == 0 && (!l->up || l->busy))
        on_reply(l);
}

static bool put(cr_proxy_link *l, const char *line, size_t len) {
    /* Lines are shorter than a socket's buffer, and only one is on its way. */
    ssize_t n = send(l->fd, line, len, MSG_NOSIGNAL);
    if (n == (ssize_t)len) {
        cr_timer_start(l->loop, &l->timer, ANSWER_MS, on_silence, l);
        return true;
    }
    lose(l, n < 0 ? strerror(errno) : "it does not take a command");
    return false;
}

static void send_first(cr_proxy_link *l) {
    if (l->up && !l->busy && l->first) {
        l->busy = true;
        put(l, l->first->line, l->first->len);
    }
}

static void connect_now(void *user) {
    cr_proxy_link *l = user;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_err err = CR_ERR_INIT;
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&l->address, sizeof l->address) < 0) {
        lose(l, strerror(errno));
        return;
    }
    if (cr_loop_watch(l->loop, l->fd, EPOLLIN, on_event, l, &l->watch, &err) != CR_OK) {
        lose(l, err.message);
        return;
    }
    put(l, "prompt\n", 7);
}

cr_status cr_proxy_link_new(cr_loop *loop, const char *path, cr_loop_fn on_up, void *user, cr_proxy_link **ret_link, cr_err *err) {
    cr_proxy_link *l = calloc(1, sizeof *l);
    if (!l)
        return CR_FAIL(err, CR_MEMORY, "no memory for the proxy's connection");
    if (strlen(path) >= sizeof l->address.sun_path) {
        free(l);
        return CR_FAIL(err, CR_INVALID, "the path %s is too long for a socket", path);
    }
    l->loop = loop;
    l->address.sun_family = AF_UNIX;
    strcpy(l->address.sun_path, path);
    l->on_up = on_up;
    l->user = user;
    l->fd = -1;
    l->last = &l->first;
    l->retry_ms = RETRY_MS;
    cr_buf_init(&l->reply, REPLY_MAX);
    cr_timer_start(loop, &l->timer, 0, connect_now, l);
    *ret_link = l;
    return CR_OK;
}

void cr_proxy_link_free(cr_proxy_link *l) {
    if (!l)
        return;
    cr_timer_stop(&l->timer);
    cr_loop_source_remove(l->watch);
    if (l->fd >= 0)
        close(l->fd);
    while (l->first) {
        command *c = l->first;
        l->first = c->next;
        free_command(c);
    }
    cr_buf_done(&l->reply);
    free(l);
}

bool cr_proxy_link_is_up(const cr_proxy_link *l) { return l->up; }

void cr_proxy_link_reconnect(cr_proxy_link *l) {
    l->retry_ms = RETRY_MS;
    if (l->fd >= 0)
        lose(l, "it was restarted");
    else
        cr_timer_start(l->loop, &l->timer, 0, connect_now, l);
}

static command *make_command(cr_proxy_reply_fn fn, void *user, const char *arg, const char *fmt, va_list ap) CR_PRINTF(4, 0);
static command *make_command(cr_proxy_reply_fn fn, void *user, const char *arg, const char *fmt, va_list ap) {
    char line[LINE_MAX_BYTES];
    int n = vsnprintf(line, sizeof line - 1, fmt, ap);
    if (n < 0 || n >= (int)sizeof line - 1)
        return NULL;
    line[n++] = '\n';
    command *c = malloc(sizeof *c + (size_t)n);
    char *copy = strdup(arg);
    if (!c || !copy) {
        free(c);
        free(copy);
        return NULL;
    }
    *c = (command){NULL, fn, user, copy, (size_t)n};
    memcpy(c->line, line, (size_t)n);
    return c;
}

void cr_proxy_link_send(cr_proxy_link *l, cr_proxy_reply_fn fn, void *user, const char *arg, const char *fmt, ...) {
    if (!l->up)
        return;
    va_list ap;
    va_start(ap, fmt);
    command *c = make_command(fn, user, arg, fmt, ap);
    va_end(ap);
    if (!c)
        return;               /* the next comparison mends it */
    *l->last = c;
    l->last = &c->next;
    send_first(l);
}

void cr_proxy_link_next(cr_proxy_link *l, cr_proxy_reply_fn fn, void *user, const char *arg, const char *fmt, ...) {
    if (!l->up)
        return;
    va_list ap;
    va_start(ap, fmt);
    command *c = make_command(fn, user, arg, fmt, ap);
    va_end(ap);
    if (!c)
        return;
    command **at = l->busy ? &l->first->next : &l->first;
    c->next = *at;
    *at = c;
    if (!c->next)
        l->last = &c->next;
    send_first(l);
}
