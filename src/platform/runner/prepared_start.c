/* prepared_start.c - one start at a prepared parent: what is asked for, and the conversation with the fork that answers, on the helper's loop. */
#include "platform/runner/prepared_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "platform/daemon/urls.h"

enum { MAGIC = 0x43525054, REQUEST_MOST = 256 << 10, PATIENCE_MS = 10000 };
#define UNCHANGED UINT32_MAX

struct cr_prepared_start {
    cr_prepared *parent;
    pid_t parent_pid;
    cr_watch *watch;
    int talk;
    cr_watch_source *source;
    enum { JOINS, ASKS, FORKS } step;     /* the intermediate comes; is given the request; the program's process comes */
    const cr_cgroups *groups;
    char group[CR_LINK_MAX];
    cr_buf request;                       /* has the token */
    size_t sent;
    cr_prepared_fn fn;
    void *user;
};

/* ---- the request ---- */

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

/* ---- the conversation ---- */

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

/* One letter, and who sent it according to the kernel. CR_BUSY: it has not come. */
static cr_status receive_pid(int talk, char expected, pid_t *ret_pid, cr_err *err) {
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } box = {0};
    char letter = 0;
    struct iovec word = {.iov_base = &letter, .iov_len = 1};
    struct msghdr m = {.msg_iov = &word, .msg_iovlen = 1, .msg_control = &box, .msg_controllen = sizeof box};
    ssize_t n;
    do
        n = recvmsg(talk, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return CR_FAIL(err, CR_BUSY, "a prepared start says nothing yet");
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

static void too_late(void *user, uint32_t events);

void cr_prepared_cancel(cr_prepared_start **start) {
    cr_prepared_start *t = *start;
    *start = NULL;
    if (!t)
        return;
    cr_watch_remove(t->watch, &t->source);
    cr_watch_cancel(t->watch, too_late, t);
    if (t->talk >= 0)
        close(t->talk);           /* what was forked for it ends without our word */
    if (t->request.data)
        explicit_bzero(t->request.data, t->request.len);
    cr_buf_done(&t->request);
    free(t);
}

static void end(cr_prepared_start *t, pid_t pid, const cr_err *why) {
    cr_prepared_fn fn = t->fn;
    void *user = t->user;
    if (!pid)
        cr_prepared_give_up(t->parent, t->parent_pid);
    cr_prepared_cancel(&t);
    fn(user, pid, why);
}

static void too_late(void *user, uint32_t events) {
    cr_err err = CR_ERR_INIT;
    (void)events;
    (void)CR_FAIL(&err, CR_TIMEOUT, "a prepared start did not go on for %d s", PATIENCE_MS / 1000);
    end(user, 0, &err);
}

/* CR_BUSY: the rest later. */
static cr_status send_request(cr_prepared_start *t, cr_err *err) {
    while (t->sent < t->request.len) {
        ssize_t n = send(t->talk, t->request.data + t->sent, t->request.len - t->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            CR_TRY(cr_watch_change(t->watch, t->source, EPOLLOUT, err));
            return CR_FAIL(err, CR_BUSY, "a prepared start reads slowly");
        }
        if (n <= 0)
            return CR_FAIL_ERRNO(err, "a prepared start takes no request");
        t->sent += (size_t)n;
    }
    return cr_watch_change(t->watch, t->source, EPOLLIN, err);
}

static cr_status go_on(cr_prepared_start *t, pid_t *ret_pid, cr_err *err) {
    pid_t intermediate;
    if (t->step == JOINS) {
        CR_TRY(receive_pid(t->talk, 'i', &intermediate, err));
        CR_TRY(cr_cgroup_enter(t->groups, t->group, intermediate, err));
        t->step = ASKS;
    }
    if (t->step == ASKS) {
        CR_TRY(send_request(t, err));
        t->step = FORKS;
    }
    CR_TRY(receive_pid(t->talk, 'c', ret_pid, err));
    /* Only now it goes on: what is not known here does not run. */
    return send(t->talk, "g", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? CR_OK : CR_FAIL_ERRNO(err, "a prepared start is gone");
}

static void on_talk(void *user, uint32_t events) {
    cr_prepared_start *t = user;
    pid_t pid = 0;
    cr_err err = CR_ERR_INIT;
    (void)events;
    cr_status status = go_on(t, &pid, &err);
    if (status != CR_BUSY)
        end(t, status == CR_OK ? pid : 0, &err);
}

static cr_status open_talk(cr_prepared_start *t, int log, cr_err *err) {
    int pair[2], on = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return CR_FAIL_ERRNO(err, "cannot make a socket pair");
    t->talk = pair[0];
    cr_auto_fd int other = pair[1];
    if (setsockopt(t->talk, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return CR_FAIL_ERRNO(err, "cannot prepare a socket");
    CR_TRY(cr_watch_add(t->watch, t->talk, EPOLLIN, on_talk, t, &t->source, err));
    CR_TRY(cr_watch_after(t->watch, PATIENCE_MS, too_late, t, err));
    return send_descriptors(t->parent->control, other, log, err);
}

cr_status cr_prepared_begin(cr_prepared *p, const cr_launch *l, cr_prepared_fn fn, void *user, cr_prepared_start **ret_start, cr_err *err) {
    cr_prepared_start *t = calloc(1, sizeof *t);
    if (!t)
        return CR_FAIL(err, CR_MEMORY, "no memory for a start");
    *t = (cr_prepared_start){.parent = p, .parent_pid = p->pid, .watch = p->setup.watch, .talk = -1, .groups = l->groups, .fn = fn, .user = user};
    snprintf(t->group, sizeof t->group, "%s", l->group);
    cr_buf_init(&t->request, REQUEST_MOST + 64);
    cr_status status = cr_prepared_request(l, &t->request, err);
    if (status == CR_OK && (status = open_talk(t, l->log_fd, err)) != CR_OK)
        cr_prepared_give_up(p, p->pid);
    if (status != CR_OK) {
        cr_prepared_cancel(&t);
        return status;
    }
    *ret_start = t;
    return CR_OK;
}
