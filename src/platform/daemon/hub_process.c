/* hub_process.c - start, feed, restart. */
#include "platform/daemon/hub_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "platform/runner/confine.h"
#include "platform/runner/process.h"

enum { QUEUE_MAX = 64 << 20, BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 10000, SETTLED_MS = 30000, END_PATIENCE_MS = 8000,
       SOCKET_BUFFER = 1 << 20, HUB_FILES = 8192 };

struct cr_hub_process {
    const cr_config *config;
    const cr_provider_set *providers;
    const cr_service_set *services;
    const cr_role_set *roles;
    const cr_profile_set *profiles;
    const cr_ground *ground;
    cr_watch *watch;
    cr_hub_message_fn on_message;
    void *user;
    int binary_fd;                /* this program: an upgrade may replace the file while we run */
    int fd, pidfd;
    pid_t pid;
    cr_watch_source *fd_source, *pid_source;
    cr_buf queue;                 /* whole cr_msg_event records; a list of what runs can be thousands */
    size_t sent;                  /* bytes of the queue */
    int64_t started_ms, backoff_ms;         /* backoff: before the next start, should this one end soon */
};

static void launch_again(void *user, uint32_t events);
static void lose_patience(void *user, uint32_t events);

static _Noreturn void run_child(const cr_hub_process *h, pid_t helper, int fd) {
    static char *const argv[] = {"cratond", "--role=hub", NULL};
    static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    const int wanted[] = {fd, h->ground->api_fd, h->ground->control_fd, h->binary_fd};
    int high[CR_ARRAY_LEN(wanted)];
    const cr_identity id = {h->ground->hub_uid, h->ground->hub_gid, &h->ground->proxy_gid, 1, false};
    cr_err err;
    for (size_t i = 0; i < CR_ARRAY_LEN(wanted); i++)   /* out of the way first, so that no dup2 closes a later one */
        high[i] = fcntl(wanted[i], F_DUPFD, 64);
    for (size_t i = 0; i < CR_ARRAY_LEN(wanted); i++)
        if (high[i] < 0 || dup2(high[i], CR_HUB_RUNNER_FD + (int)i) < 0)
            _exit(126);
    int exec_fd = CR_HUB_CONTROL_FD + 1;
    fcntl(exec_fd, F_SETFD, FD_CLOEXEC);
    cr_confine_fresh(-1, exec_fd + 1);
    if (chdir("/") != 0 || cr_confine_limits(HUB_FILES, &err) != CR_OK || cr_confine_identity(&id, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "hub not confined", &err);
        _exit(126);
    }
    umask(077);
    cr_confine_end_with(helper);        /* two hubs on one database are worse than none; the next helper starts a new one */
    syscall(SYS_execveat, exec_fd, "", argv, env, AT_EMPTY_PATH);
    cr_log(CR_LOG_ERROR, "hub not started", "error=\"%s\"", strerror(errno));
    _exit(127);
}

static void forget(cr_hub_process *h) {
    cr_watch_cancel(h->watch, lose_patience, h);
    cr_watch_remove(h->watch, &h->fd_source);
    cr_watch_remove(h->watch, &h->pid_source);
    if (h->fd >= 0)
        close(h->fd);
    if (h->pidfd >= 0)
        close(h->pidfd);
    h->fd = h->pidfd = -1;
    h->pid = 0;
    cr_buf_clear(&h->queue);
    h->sent = 0;
}

/* Everybody waits for the hub: one that ends is started again at once, one that ends again soon after growing pauses. */
static void on_end(void *user, uint32_t events) {
    cr_hub_process *h = user;
    (void)events;
    cr_exit e = cr_process_reap(h->pidfd);
    cr_log(CR_LOG_WARN, "hub ended", "pid=%d code=%d signal=%d", (int)h->pid, e.code, e.signal);
    forget(h);
    bool settled = cr_now_ms() - h->started_ms > SETTLED_MS;
    int64_t pause_ms = settled ? 0 : h->backoff_ms;
    h->backoff_ms = pause_ms ? CR_MIN(pause_ms * 2, (int64_t)BACKOFF_MOST_MS) : BACKOFF_FIRST_MS;
    cr_err err;
    if (cr_watch_after(h->watch, pause_ms, launch_again, h, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "hub will not be restarted", &err);
}

static void end_hub(cr_hub_process *h, const char *why) {
    cr_log(CR_LOG_ERROR, "hub is ended", "why=\"%s\"", why);
    cr_watch_remove(h->watch, &h->fd_source);
    cr_process_signal(h->pidfd, SIGKILL);
}

/* It has closed, or sent an empty packet, which reads the same, and is still there: nobody listens to it. */
static void lose_patience(void *user, uint32_t events) {
    (void)events;
    end_hub(user, "it does not end after its last message");
}

static void flush(cr_hub_process *h) {
    enum { RECORD = sizeof(cr_msg_event) };
    cr_err err;
    while (h->sent < h->queue.len) {
        cr_msg m;
        memcpy(&m, h->queue.data + h->sent, RECORD);
        cr_status status = cr_msg_send(h->fd, &m, &err);
        if (status == CR_BUSY)
            break;
        h->sent = status == CR_OK ? h->sent + RECORD : h->queue.len;   /* closing: its end will be noticed */
    }
    if (h->sent > h->queue.len / 2) {   /* and not each time, which would move what waits by one record after the other */
        cr_buf_consume(&h->queue, h->sent);
        h->sent = 0;
    }
    if (h->fd_source && cr_watch_change(h->watch, h->fd_source, EPOLLIN | (h->queue.len ? (uint32_t)EPOLLOUT : 0), &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "hub socket", &err);
}

static void on_socket(void *user, uint32_t events) {
    cr_hub_process *h = user;
    if (events & EPOLLOUT)
        flush(h);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    cr_msg m;
    cr_err err;
    cr_status status = cr_msg_receive(h->fd, true, &m, &err);
    if (status == CR_OK) {
        h->on_message(h->user, &m);
        explicit_bzero(&m, sizeof m);
    } else if (status == CR_NO_FILE) {
        cr_watch_remove(h->watch, &h->fd_source);   /* the pidfd tells the rest */
        if (cr_watch_after(h->watch, END_PATIENCE_MS, lose_patience, h, &err) != CR_OK)
            lose_patience(h, 0);
    } else if (status != CR_BUSY) {
        cr_log_err(CR_LOG_ERROR, "message refused", &err);
        end_hub(h, "it sent a message that is not allowed");
    }
}

void cr_hub_process_send(cr_hub_process *h, const cr_runner_event *event) {
    if (!h || h->fd < 0)
        return;
    cr_msg m;
    cr_msg_init(&m, CR_MSG_EVENT);
    m.as_cr_msg_event.event = *event;
    cr_buf_add(&h->queue, &m, sizeof(cr_msg_event));
    if (h->queue.failed)
        end_hub(h, "it does not read its events");
    else
        flush(h);
}

static cr_status send_config(const cr_hub_process *h, int fd, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_CONFIG);
    m.as_cr_msg_config.config = *h->config;
    m.as_cr_msg_config.n_providers = h->providers->n;
    m.as_cr_msg_config.n_services = h->services->n;
    m.as_cr_msg_config.n_roles = h->roles->n;
    m.as_cr_msg_config.profiles_bytes = h->profiles->n ? (int32_t)h->profiles->text_bytes : -1;
    cr_status status = cr_msg_send(fd, &m, err);
    for (int i = 0; i < h->providers->n && status == CR_OK; i++) {
        cr_msg_init(&m, CR_MSG_PROVIDER);
        m.as_cr_msg_provider.provider = h->providers->at[i];
        status = cr_msg_send(fd, &m, err);
    }
    for (int i = 0; i < h->services->n && status == CR_OK; i++) {
        cr_msg_init(&m, CR_MSG_SERVICE);
        m.as_cr_msg_service.service = h->services->at[i];
        status = cr_msg_send(fd, &m, err);
    }
    for (int i = 0; i < h->roles->n && status == CR_OK; i++) {
        cr_msg_init(&m, CR_MSG_ROLE);
        m.as_cr_msg_role.role = h->roles->at[i];
        status = cr_msg_send(fd, &m, err);
    }
    for (size_t at = 0; h->profiles->n && at < h->profiles->text_bytes && status == CR_OK; at += CR_PROFILES_PIECE) {
        cr_msg_init(&m, CR_MSG_PROFILES);
        m.as_cr_msg_profiles.bytes = (uint32_t)CR_MIN(h->profiles->text_bytes - at, (size_t)CR_PROFILES_PIECE);
        memcpy(m.as_cr_msg_profiles.text, h->profiles->text + at, m.as_cr_msg_profiles.bytes);
        status = cr_msg_send(fd, &m, err);
    }
    explicit_bzero(&m, sizeof m);
    return status;
}

static cr_status watch_hub(cr_hub_process *h, cr_err *err) {
    CR_TRY(cr_process_pidfd(h->pid, &h->pidfd, err));
    CR_TRY(cr_watch_add(h->watch, h->pidfd, EPOLLIN, on_end, h, &h->pid_source, err));
    return cr_watch_add(h->watch, h->fd, EPOLLIN, on_socket, h, &h->fd_source, err);
}

static cr_status launch(cr_hub_process *h, cr_err *err) {
    int pair[2], size = SOCKET_BUFFER;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return CR_FAIL_ERRNO(err, "cannot create the hub's socket pair");
    for (int i = 0; i < 2; i++)
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
            setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    cr_status status = send_config(h, pair[0], err);
    const pid_t helper = getpid(), pid = status == CR_OK ? fork() : -1;
    if (pid == 0)
        run_child(h, helper, pair[1]);
    if (status == CR_OK && pid < 0)
        status = CR_FAIL_ERRNO(err, "cannot start the hub");
    close(pair[1]);
    if (status != CR_OK) {
        close(pair[0]);
        return status;
    }
    h->fd = pair[0];
    h->pid = pid;
    h->started_ms = cr_now_ms();
    status = watch_hub(h, err);
    if (status != CR_OK) {
        cr_process_abandon(pid);
        forget(h);
        return status;
    }
    cr_log(CR_LOG_INFO, "hub started", "pid=%d", (int)pid);
    return CR_OK;
}

static void launch_again(void *user, uint32_t events) {
    cr_hub_process *h = user;
    cr_err err;
    (void)events;
    if (launch(h, &err) == CR_OK)
        return;
    cr_log_err(CR_LOG_ERROR, "hub not started", &err);
    (void)!cr_watch_after(h->watch, BACKOFF_MOST_MS, launch_again, h, NULL);
}

cr_status cr_hub_process_start(const cr_config *c, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                               const cr_profile_set *profiles, const cr_ground *g, cr_watch *w, cr_hub_message_fn on_message, void *user, cr_hub_process **ret_hub, cr_err *err) {
    cr_hub_process *h = calloc(1, sizeof *h);
    if (!h)
        return CR_FAIL(err, CR_MEMORY, "no memory for the hub's record");
    *h = (cr_hub_process){.config = c, .providers = providers, .services = services, .roles = roles, .profiles = profiles, .ground = g, .watch = w,
                          .on_message = on_message, .user = user, .fd = -1, .pidfd = -1};
    cr_buf_init(&h->queue, QUEUE_MAX);
    h->binary_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    cr_status status = h->binary_fd < 0 ? CR_FAIL_ERRNO(err, "cannot open this program's file") : launch(h, err);
    if (status != CR_OK) {
        cr_hub_process_free(h);
        return status;
    }
    *ret_hub = h;
    return CR_OK;
}

bool cr_hub_process_holds(const cr_hub_process *h, pid_t pid) { return h->pid == pid; }

void cr_hub_process_free(cr_hub_process *h) {
    if (!h)
        return;
    cr_watch_cancel(h->watch, launch_again, h);
    if (h->pidfd >= 0) {
        struct pollfd p = {h->pidfd, POLLIN, 0};
        cr_process_signal(h->pidfd, SIGTERM);
        if (poll(&p, 1, END_PATIENCE_MS) == 0) {
            cr_process_signal(h->pidfd, SIGKILL);
            poll(&p, 1, END_PATIENCE_MS);
        }
        cr_process_reap(h->pidfd);
    }
    forget(h);
    cr_buf_done(&h->queue);
    if (h->binary_fd >= 0)
        close(h->binary_fd);
    free(h);
}
