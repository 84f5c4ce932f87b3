/* probe.c - a very small HTTP client over a unix socket. */
#include "platform/hub/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { AGAIN_MS = 200, TRY_MS = 10000, HEAD_MAX = 1024 };

struct cr_probe {
    cr_loop *loop;
    struct sockaddr_un address;
    char request[1400];
    char head[HEAD_MAX + 1];
    size_t len;
    int fd;
    cr_loop_source *watch;
    cr_timer timer;
    cr_loop_fn ready;
    void *user;
};

static void try_now(void *user);

static void hang_up(cr_probe *p) {
    cr_loop_source_remove(p->watch);
    p->watch = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void try_later(cr_probe *p) {
    hang_up(p);
    cr_timer_start(p->loop, &p->timer, AGAIN_MS, try_now, p);
}

static void on_silence(void *user) { try_later(user); }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

int cr_probe_status(const char *head) {
    if (strncmp(head, "HTTP/1.", 7) != 0 || (head[7] != '0' && head[7] != '1') || head[8] != ' ' || head[9] < '1' || head[9] > '5' ||
        !is_digit(head[10]) || !is_digit(head[11]) || (head[12] != ' ' && head[12] != '\r'))
        return 0;
    return (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
}

static void on_event(void *user, uint32_t events) {
    cr_probe *p = user;
    ssize_t n = read(p->fd, p->head + p->len, HEAD_MAX - p->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        try_later(p);
        return;
    }
    p->len += (size_t)n;
    p->head[p->len] = 0;
    if (p->len < 13)
        return;
    int status = cr_probe_status(p->head);
    if (status < 100 || status >= 500) {
        try_later(p);
        return;
    }
    hang_up(p);
    cr_timer_stop(&p->timer);
    p->ready(p->user);        /* may free the probe */
}

static void try_now(void *user) {
    cr_probe *p = user;
    p->len = 0;
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t n = strlen(p->request);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&p->address, sizeof p->address) < 0 ||
        send(p->fd, p->request, n, MSG_NOSIGNAL) != (ssize_t)n ||
        cr_loop_watch(p->loop, p->fd, EPOLLIN, on_event, p, &p->watch, NULL) != CR_OK) {
        try_later(p);
        return;
    }
    cr_timer_start(p->loop, &p->timer, TRY_MS, on_silence, p);
}

cr_status cr_probe_new(cr_loop *loop, const char *socket_path, const char *url_path, cr_loop_fn ready, void *user, cr_probe **ret_probe,
                       cr_err *err) {
    cr_probe *p = calloc(1, sizeof *p);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory to check a server");
    if (strlen(socket_path) >= sizeof p->address.sun_path) {
        free(p);
        return CR_FAIL(err, CR_INVALID, "the path %s is too long for a socket", socket_path);
    }
    p->loop = loop;
    p->address.sun_family = AF_UNIX;
    strcpy(p->address.sun_path, socket_path);
    snprintf(p->request, sizeof p->request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: craton\r\n\r\n", url_path);
    p->fd = -1;
    p->ready = ready;
    p->user = user;
    cr_timer_start(loop, &p->timer, 0, try_now, p);
    *ret_probe = p;
    return CR_OK;
}

void cr_probe_free(cr_probe *p) {
    if (!p)
        return;
    hang_up(p);
    cr_timer_stop(&p->timer);
    free(p);
}
