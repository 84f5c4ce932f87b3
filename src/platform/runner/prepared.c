/* prepared.c - starting the parent and watching it. */
#include "platform/runner/prepared.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "platform/runner/prepared_parts.h"
#include "platform/runner/prepared_spawn.h"
#include "platform/runner/process.h"

enum { STEP_PATIENCE_MS = 10000, BACKOFF_FIRST_MS = 1000, BACKOFF_MOST_MS = 60000, WORKED_MS = 60000 };

static void begin(void *user, uint32_t events);
static void step_is_late(void *user, uint32_t events);

static void close_step(cr_prepared *p) {
    cr_watch_remove(p->setup.watch, &p->stepped);
    cr_watch_cancel(p->setup.watch, step_is_late, p);
    if (p->step >= 0)
        close(p->step);
    p->step = -1;
}

static void drop(cr_prepared *p) {
    cr_watch_remove(p->setup.watch, &p->end);
    cr_watch_remove(p->setup.watch, &p->word);
    close_step(p);
    if (p->control >= 0)
        close(p->control);
    if (p->pidfd >= 0)
        close(p->pidfd);
    p->control = p->pidfd = -1;
    p->pid = 0;
    p->ready = false;
}

static void again_later(cr_prepared *p) {
    cr_err err;
    if (p->never || !p->environment[0])
        return;
    /* One that has served for a while died of something else than its start. */
    p->backoff_ms = cr_now_ms() - p->started_ms > WORKED_MS ? BACKOFF_FIRST_MS : CR_MIN(p->backoff_ms * 2, (int64_t)BACKOFF_MOST_MS);
    if (cr_watch_after(p->setup.watch, p->backoff_ms, begin, p, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "prepared parent not started again", &err);
}

static void on_end(void *user, uint32_t events) {
    cr_prepared *p = user;
    (void)events;
    cr_exit e = cr_process_reap(p->pidfd);
    p->never = e.known && e.code == CR_PREPARED_NOT_HERE;
    cr_log(p->never ? CR_LOG_INFO : CR_LOG_WARN, p->never ? "no prepared starts: user namespaces are not allowed here" : "prepared parent ended",
           "of=%s pid=%d code=%d signal=%d", p->setup.of, (int)p->pid, e.code, e.signal);
    drop(p);
    again_later(p);
}

static void on_word(void *user, uint32_t events) {
    cr_prepared *p = user;
    char word[16];
    (void)events;
    ssize_t n = recv(p->control, word, sizeof word, MSG_DONTWAIT);
    if (n == 5 && memcmp(word, "ready", 5) == 0) {
        p->ready = true;
        cr_log(CR_LOG_INFO, "prepared parent is ready", "of=%s pid=%d ms=%lld", p->setup.of, (int)p->pid, (long long)(cr_now_ms() - p->started_ms));
    } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        p->ready = false;
        cr_watch_remove(p->setup.watch, &p->word);   /* its end follows */
        cr_process_signal(p->pidfd, SIGKILL);
    }
}

static cr_prepared_spawn how_of(const cr_prepared *p, int control) {
    return (cr_prepared_spawn){.config = p->setup.config, .environment = p->environment, .list = p->setup.list, .control = control,
                               .uid = p->setup.start_uid, .gid = p->setup.start_gid};
}

/* It has made its user namespace, or has ended. */
static void on_step(void *user, uint32_t events) {
    cr_prepared *p = user;
    const cr_prepared_spawn how = how_of(p, -1);
    cr_err err = CR_ERR_INIT;
    (void)events;
    cr_status status = cr_prepared_fill(&how, p->pid, p->step, &err);
    close_step(p);
    if (status == CR_OK)
        return;
    cr_log_err(CR_LOG_WARN, "prepared parent not started", &err);
    cr_process_signal(p->pidfd, SIGKILL);      /* its end follows */
}

static void step_is_late(void *user, uint32_t events) {
    cr_prepared *p = user;
    (void)events;
    cr_log(CR_LOG_WARN, "prepared parent not started", "of=%s why=\"it makes no user namespace\"", p->setup.of);
    close_step(p);
    cr_process_signal(p->pidfd, SIGKILL);
}

static cr_status watch_step(cr_prepared *p, cr_err *err) {
    if (p->step < 0)
        return CR_OK;
    CR_TRY(cr_watch_add(p->setup.watch, p->step, EPOLLIN, on_step, p, &p->stepped, err));
    return cr_watch_after(p->setup.watch, STEP_PATIENCE_MS, step_is_late, p, err);
}

static cr_status spawn(cr_prepared *p, cr_err *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return CR_FAIL_ERRNO(err, "cannot make a socket pair");
    p->control = pair[0];
    const cr_prepared_spawn how = how_of(p, pair[1]);
    cr_status status = cr_prepared_spawn_parent(&how, &p->pid, &p->step, err);
    close(pair[1]);
    if (status != CR_OK)
        return status;
    CR_TRY(cr_process_pidfd(p->pid, &p->pidfd, err));
    CR_TRY(cr_watch_add(p->setup.watch, p->pidfd, EPOLLIN, on_end, p, &p->end, err));
    CR_TRY(watch_step(p, err));
    return cr_watch_add(p->setup.watch, p->control, EPOLLIN, on_word, p, &p->word, err);
}

static void begin(void *user, uint32_t events) {
    cr_prepared *p = user;
    cr_err err = CR_ERR_INIT;
    (void)events;
    if (p->pid || p->never || !p->environment[0])
        return;
    p->started_ms = cr_now_ms();
    snprintf(p->running, sizeof p->running, "%s", p->environment);
    if (spawn(p, &err) == CR_OK)
        return;
    cr_log_err(CR_LOG_WARN, "prepared parent not started", &err);
    if (p->pid)
        kill(p->pid, SIGKILL);
    drop(p);
    again_later(p);
}

cr_status cr_prepared_new(const cr_prepared_setup *setup, cr_prepared **ret_prepared, cr_err *err) {
    cr_prepared *p = calloc(1, sizeof *p);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory for the prepared parent");
    *p = (cr_prepared){.setup = *setup, .pidfd = -1, .control = -1, .step = -1, .backoff_ms = BACKOFF_FIRST_MS / 2};
    *ret_prepared = p;
    return CR_OK;
}

void cr_prepared_free(cr_prepared *p) {
    if (!p)
        return;
    cr_watch_cancel(p->setup.watch, begin, p);
    if (p->pidfd >= 0)
        cr_process_signal(p->pidfd, SIGKILL);
    drop(p);
    free(p);
}

bool cr_prepared_holds(const cr_prepared *p, pid_t pid) { return p && p->pidfd >= 0 && p->pid == pid; }

void cr_prepared_want(cr_prepared *p, const char *environment) {
    if (!p || strlen(environment) >= sizeof p->environment)
        return;
    bool changed = strcmp(p->environment, environment) != 0;
    if (!changed)
        return;
    snprintf(p->environment, sizeof p->environment, "%s", environment);
    if (p->pid)
        cr_process_signal(p->pidfd, SIGKILL);   /* of another environment; its end starts the next */
    else
        begin(p, 0);
}

void cr_prepared_give_up(cr_prepared *p, pid_t pid) {
    if (p->pid != pid || !pid)
        return;
    p->ready = false;
    cr_process_signal(p->pidfd, SIGKILL);
}

bool cr_prepared_is_ready(const cr_prepared *p, const char *environment) {
    return p && p->ready && strcmp(p->running, environment) == 0;
}
