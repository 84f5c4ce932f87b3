/* fetch.c - the hub's side of a question to craton-fetch. */
#include "platform/http/fetch.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_MAX = 4096 };

struct cr_fetch {
    int fd;
    cr_loop_source *watch;
    cr_timer timer;
    cr_buf in;
    cr_fetch_fn done;
    void *user;
};

void cr_fetch_free(cr_fetch *f) {
    if (!f)
        return;
    cr_loop_source_remove(f->watch);
    cr_timer_stop(&f->timer);
    if (f->fd >= 0)
        close(f->fd);
    if (f->in.data)
        explicit_bzero(f->in.data, f->in.len);
    cr_buf_done(&f->in);
    free(f);
}

static void finish(cr_fetch *f, int status, const char *body, size_t n, const cr_err *err) {
    cr_loop_source_remove(f->watch);
    f->watch = NULL;
    cr_timer_stop(&f->timer);
    f->done(f->user, status, body, n, err);
    cr_fetch_free(f);
}

static void fail(cr_fetch *f, cr_status status, const char *why) {
    cr_err err = CR_ERR_INIT;
    (void)CR_FAIL(&err, status, "%s", why);
    finish(f, 0, "", 0, &err);
}

static void read_answer(cr_fetch *f) {
    const char *end = f->in.len ? memchr(f->in.data, '\n', f->in.len) : NULL;
    json_t *head = end && end - f->in.data < HEAD_MAX ? json_loadb(f->in.data, (size_t)(end - f->in.data), JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t status = json_integer_value(json_object_get(head, "status"));
    const char *error = json_string_value(json_object_get(head, "error"));
    char why[300];
    snprintf(why, sizeof why, "%s", error ? error : "no complete answer");
    json_decref(head);
    if (status >= 100 && status <= 599 && !error)
        finish(f, (int)status, end + 1, f->in.len - (size_t)(end + 1 - f->in.data), NULL);
    else
        fail(f, CR_IO, why);
}

static void on_event(void *user, uint32_t events) {
    cr_fetch *f = user;
    char bytes[16384];
    ssize_t n = read(f->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        cr_buf_add(&f->in, bytes, (size_t)n);
    if (f->in.failed)
        fail(f, CR_LIMIT, "the answer is too large");
    else if (n <= 0)
        read_answer(f);
}

static void on_silence(void *user) { fail(user, CR_TIMEOUT, "no answer in time"); }

static cr_status write_ask(int fd, const cr_fetch_ask *ask, cr_err *err) {
    json_t *line = json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "url", ask->url, "form", ask->form, "user", ask->user, "password",
                             ask->password, "bearer", ask->bearer, "mail", ask->mail, "mail_from", ask->mail_from, "mail_to", ask->mail_to, "mail_ca",
                             ask->mail_ca);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    size_t n = text ? strlen(text) : 0;
    cr_status status = CR_OK;
    if (!text || n >= CR_FETCH_LINE_MAX)
        status = CR_FAIL(err, CR_LIMIT, "the question is too large");
    if (status == CR_OK) {
        text[n] = '\n';       /* in place of the terminating zero: the length is known */
        if (send(fd, text, n + 1, MSG_NOSIGNAL) != (ssize_t)(n + 1))
            status = CR_FAIL(err, CR_BUSY, "the part that speaks to other machines is not ready");
    }
    if (text)
        explicit_bzero(text, n);
    free(text);
    return status;
}

static cr_status open_ask(cr_fetch *f, const char *path, const cr_fetch_ask *ask, cr_err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return CR_FAIL(err, CR_INVALID, "the path %s is too long for a socket", path);
    strcpy(address.sun_path, path);
    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (f->fd < 0)
        return CR_FAIL_ERRNO(err, "making a socket");
    if (connect(f->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return CR_FAIL(err, CR_BUSY, "the part that speaks to other machines is busy or not there");
    return write_ask(f->fd, ask, err);
}

cr_status cr_fetch_start(cr_loop *loop, const char *socket_path, const cr_fetch_ask *ask, cr_fetch_fn done, void *user, cr_fetch **ret_fetch,
                         cr_err *err) {
    cr_fetch *f = calloc(1, sizeof *f);
    if (!f)
        return CR_FAIL(err, CR_MEMORY, "no memory to ask another machine");
    cr_buf_init(&f->in, HEAD_MAX + CR_FETCH_BODY_MAX);
    f->fd = -1;
    f->done = done;
    f->user = user;
    cr_status status = open_ask(f, socket_path, ask, err);
    if (status == CR_OK)
        status = cr_loop_watch(loop, f->fd, EPOLLIN, on_event, f, &f->watch, err);
    if (status != CR_OK) {
        cr_fetch_free(f);
        return status;
    }
    cr_timer_start(loop, &f->timer, ask->mail ? CR_FETCH_MAIL_PATIENCE_MS : CR_FETCH_PATIENCE_MS, on_silence, f);
    *ret_fetch = f;
    return CR_OK;
}
