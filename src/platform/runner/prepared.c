/* prepared.c - starting the parent, watching it, and handing it starts. */
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
#include "platform/runner/prepared_spawn.h"
#include "platform/runner/process.h"

enum { MAGIC = 0x43525054, REQUEST_MOST = 256 << 10, PATIENCE_MS = 3000, BACKOFF_FIRST_MS = 1000, BACKOFF_MOST_MS = 60000, WORKED_MS = 60000 };
#define UNCHANGED UINT32_MAX

struct cr_prepared {
    cr_prepared_setup setup;
    char environment[600];        /* wanted; "" : none yet */
    char running[600];            /* of the parent that runs */
    pid_t pid;                    /* 0: none */
    int pidfd, control;           /* -1: none */
    cr_watch_source *end, *word;
    bool ready, never;            /* never: it cannot work on this machine */
    int64_t started_ms, backoff_ms;
};

static void begin(void *user, uint32_t events);

static void drop(cr_prepared *p) {
    cr_watch_remove(p->setup.watch, &p->end);
    cr_watch_remove(p->setup.watch, &p->word);
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

static cr_status spawn(cr_prepared *p, cr_err *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return CR_FAIL_ERRNO(err, "cannot make a socket pair");
    p->control = pair[0];
    const cr_prepared_spawn how = {.config = p->setup.config, .environment = p->environment, .list = p->setup.list, .control = pair[1],
                                   .uid = p->setup.start_uid, .gid = p->setup.start_gid};
    cr_status status = cr_prepared_spawn_parent(&how, &p->pid, err);
    close(pair[1]);
    if (status != CR_OK)
        return status;
    CR_TRY(cr_process_pidfd(p->pid, &p->pidfd, err));
    CR_TRY(cr_watch_add(p->setup.watch, p->pidfd, EPOLLIN, on_end, p, &p->end, err));
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
    *p = (cr_prepared){.setup = *setup, .pidfd = -1, .control = -1, .backoff_ms = BACKOFF_FIRST_MS / 2};
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

bool cr_prepared_is_ready(const cr_prepared *p, const char *environment) {
    return p && p->ready && strcmp(p->running, environment) == 0;
}

/* ---- one start ---- */

static void add_u32(cr_buf *b, uint32_t v) { cr_buf_add(b, &v, sizeof v); }

static uint32_t add_texts(cr_buf *b, char **texts, uint32_t n) {
    for (; *texts; texts++, n++)
        cr_buf_add(b, *texts, strlen(*texts) + 1);
    return n;
}

cr_status cr_prepared_request(const cr_launch *l, cr_buf *out, cr_err *err) {
    cr_auto_arena cr_arena a;
    cr_auto_buf cr_buf texts;
    char **argv, **env, count[16], groups[16 * CR_FOLDERS_MAX] = "";
    cr_arena_init(&a, 256 << 10);
    cr_buf_init(&texts, REQUEST_MOST);
    CR_TRY(cr_launch_env(l, &a, &env, err));
    CR_TRY(cr_launch_argv(l, &a, &argv, err));
    int n_argv = 0;
    while (argv[n_argv])
        n_argv++;
    snprintf(count, sizeof count, "%d", n_argv);
    for (int i = 0; i < l->account->n_groups; i++)
        snprintf(groups + strlen(groups), sizeof groups - strlen(groups), "%s%u", i ? "," : "", (unsigned)l->account->groups[i]);
    char *first[] = {(char *)l->account->home, count, groups, NULL};
    uint32_t n = add_texts(&texts, first, 0);
    n = add_texts(&texts, argv, n);
    n = add_texts(&texts, env, n);
    CR_TRY(cr_buf_check(&texts, err));
    bool root = l->config->as_root;
    bool pids = root && l->start->limits.pids && !cr_cgroups_has(l->groups, CR_CGROUP_PIDS);
    add_u32(out, MAGIC);
    add_u32(out, root ? (uint32_t)l->account->uid : UNCHANGED);
    add_u32(out, root ? (uint32_t)l->account->gid : UNCHANGED);
    add_u32(out, CR_LAUNCH_USER_FILES);
    add_u32(out, pids ? l->start->limits.pids : UNCHANGED);
    add_u32(out, CR_LAUNCH_OOM_SCORE);
    add_u32(out, n);
    add_u32(out, (uint32_t)texts.len);
    cr_buf_add(out, texts.data, texts.len);
    return cr_buf_check(out, err);
}

static cr_status send_descriptors(int control, int talk, int log, cr_err *err) {
    union { struct cmsghdr head; char bytes[CMSG_SPACE(2 * sizeof(int))]; } box = {0};
    struct iovec word = {.iov_base = "start", .iov_len = 5};
    struct msghdr m = {.msg_iov = &word, .msg_iovlen = 1, .msg_control = &box, .msg_controllen = sizeof box};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    const int fds[2] = {talk, log};
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    return sendmsg(control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == 5 ? CR_OK : CR_FAIL_ERRNO(err, "the prepared parent does not take a start");
}

/* One letter, and who sent it according to the kernel. */
static cr_status receive_pid(int talk, char expected, pid_t *ret_pid, cr_err *err) {
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } box = {0};
    char letter = 0;
    struct iovec word = {.iov_base = &letter, .iov_len = 1};
    struct msghdr m = {.msg_iov = &word, .msg_iovlen = 1, .msg_control = &box, .msg_controllen = sizeof box};
    ssize_t n;
    do
        n = recvmsg(talk, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return CR_FAIL_ERRNO(err, "a prepared start does not go on");
    struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || letter != expected || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
        return CR_FAIL(err, CR_IO, "a prepared start ended early");
    struct ucred who;
    memcpy(&who, CMSG_DATA(c), sizeof who);
    if (who.pid <= 1)
        return CR_FAIL(err, CR_IO, "a prepared start comes from a process that is not seen here");
    *ret_pid = who.pid;
    return CR_OK;
}

static cr_status talk_through(int talk, const cr_launch *l, pid_t *ret_pid, cr_err *err) {
    cr_auto_buf cr_buf request;
    pid_t intermediate;
    cr_buf_init(&request, REQUEST_MOST + 64);
    CR_TRY(cr_prepared_request(l, &request, err));
    CR_TRY(receive_pid(talk, 'i', &intermediate, err));
    CR_TRY(cr_cgroup_enter(l->groups, l->group, intermediate, err));
    CR_TRY(cr_write_all(talk, request.data, request.len, err));
    CR_TRY(receive_pid(talk, 'c', ret_pid, err));
    return cr_write_all(talk, "g", 1, err);       /* only now it goes on: what is not known here does not run */
}

cr_status cr_prepared_launch(cr_prepared *p, const cr_launch *l, pid_t *ret_pid, cr_err *err) {
    int pair[2], on = 1;
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000, .tv_usec = PATIENCE_MS % 1000 * 1000};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return CR_FAIL_ERRNO(err, "cannot make a socket pair");
    cr_auto_fd int talk = pair[0], other = pair[1];
    if (setsockopt(talk, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 || setsockopt(talk, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(talk, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
        return CR_FAIL_ERRNO(err, "cannot prepare a socket");
    cr_status status = send_descriptors(p->control, other, l->log_fd, err);
    close(other);
    other = -1;
    if (status == CR_OK)
        status = talk_through(talk, l, ret_pid, err);
    if (status != CR_OK) {
        /* Whatever is wrong with it, the next one begins afresh; what it forked for this start ends without our word. */
        p->ready = false;
        cr_process_signal(p->pidfd, SIGKILL);
    }
    return status;
}
