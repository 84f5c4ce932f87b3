/* fetch_process.c - start and restart. */
#include "platform/daemon/fetch_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "platform/runner/confine.h"
#include "platform/runner/process.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 10000, SETTLED_MS = 30000, END_PATIENCE_MS = 3000, FETCH_FILES = 256, ORIGINS_MAX = 64 << 10 };

struct cr_fetch_process {
    const cr_ground *ground;
    cr_watch *watch;
    cr_watch_source *pid_source;
    cr_buf origins;               /* comma-separated */
    int binary_fd;                /* craton-fetch: an upgrade may replace the file while we run */
    int pidfd;
    pid_t pid;
    int64_t started_ms, backoff_ms;
};

static void launch_again(void *user, uint32_t events);

static _Noreturn void run_child(const cr_fetch_process *f, pid_t helper) {
    char *const argv[] = {"craton-fetch", f->origins.data, NULL};
    static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    const cr_identity id = {f->ground->fetch_uid, f->ground->fetch_gid, NULL, 0, false};
    cr_err err;
    int listen_high = fcntl(f->ground->fetch_fd, F_DUPFD, 64), exec_high = fcntl(f->binary_fd, F_DUPFD, 64);
    const int exec_fd = CR_FETCH_LISTEN_FD + 1;
    if (listen_high < 0 || exec_high < 0 || dup2(listen_high, CR_FETCH_LISTEN_FD) < 0 || dup2(exec_high, exec_fd) < 0)
        _exit(126);
    fcntl(exec_fd, F_SETFD, FD_CLOEXEC);
    cr_confine_fresh(-1, exec_fd + 1);
    if (chdir("/") != 0 || cr_confine_limits(FETCH_FILES, &err) != CR_OK || cr_confine_identity(&id, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "craton-fetch not confined", &err);
        _exit(126);
    }
    cr_confine_end_with(helper);
    syscall(SYS_execveat, exec_fd, "", argv, env, AT_EMPTY_PATH);
    cr_log(CR_LOG_ERROR, "craton-fetch not started", "error=\"%s\"", strerror(errno));
    _exit(127);
}

static void forget(cr_fetch_process *f) {
    cr_watch_remove(f->watch, &f->pid_source);
    if (f->pidfd >= 0)
        close(f->pidfd);
    f->pidfd = -1;
    f->pid = 0;
}

static void on_end(void *user, uint32_t events) {
    cr_fetch_process *f = user;
    (void)events;
    cr_exit e = cr_process_reap(f->pidfd);
    cr_log(CR_LOG_WARN, "craton-fetch ended", "pid=%d code=%d signal=%d", (int)f->pid, e.code, e.signal);
    forget(f);
    bool settled = cr_now_ms() - f->started_ms > SETTLED_MS;
    f->backoff_ms = settled ? BACKOFF_FIRST_MS : CR_MIN(f->backoff_ms * 2, (int64_t)BACKOFF_MOST_MS);
    cr_err err;
    if (cr_watch_after(f->watch, f->backoff_ms, launch_again, f, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "craton-fetch will not be restarted", &err);
}

static cr_status launch(cr_fetch_process *f, cr_err *err) {
    const pid_t helper = getpid(), pid = fork();
    if (pid < 0)
        return CR_FAIL_ERRNO(err, "cannot start craton-fetch");
    if (pid == 0)
        run_child(f, helper);
    f->pid = pid;
    f->started_ms = cr_now_ms();
    cr_status status = cr_process_pidfd(pid, &f->pidfd, err);
    if (status == CR_OK)
        status = cr_watch_add(f->watch, f->pidfd, EPOLLIN, on_end, f, &f->pid_source, err);
    if (status != CR_OK) {
        cr_process_abandon(pid);
        forget(f);
        return status;
    }
    cr_log(CR_LOG_INFO, "craton-fetch started", "pid=%d", (int)pid);
    return CR_OK;
}

static void launch_again(void *user, uint32_t events) {
    cr_fetch_process *f = user;
    cr_err err;
    (void)events;
    if (launch(f, &err) == CR_OK)
        return;
    cr_log_err(CR_LOG_ERROR, "craton-fetch not started", &err);
    (void)!cr_watch_after(f->watch, BACKOFF_MOST_MS, launch_again, f, NULL);
}

/* Beside this program's own file. */
static cr_status open_binary(int *ret_fd, cr_err *err) {
    char path[1200];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (!slash)
        return CR_FAIL(err, CR_INTERNAL, "cannot find this program's own file");
    strcpy(slash + 1, "craton-fetch");
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*ret_fd < 0) {
        cr_status status = CR_FAIL_ERRNO(err, "cannot open %s, which speaks to identity providers", path);
        cr_err_hint(err, "install Craton again: both programs belong into one directory");
        return status;
    }
    return CR_OK;
}

cr_status cr_fetch_process_start(const cr_config *config, const cr_provider_set *providers, const cr_ground *g, cr_watch *w,
                                 cr_fetch_process **ret_fetch, cr_err *err) {
    *ret_fetch = NULL;
    if (providers->n == 0 && !config->smtp[0])
        return CR_OK;
    cr_fetch_process *f = calloc(1, sizeof *f);
    if (!f)
        return CR_FAIL(err, CR_MEMORY, "no memory for craton-fetch's record");
    *f = (cr_fetch_process){.ground = g, .watch = w, .binary_fd = -1, .pidfd = -1, .backoff_ms = BACKOFF_FIRST_MS};
    cr_buf_init(&f->origins, ORIGINS_MAX);
    for (int i = 0; i < providers->n; i++) {
        if (i)
            cr_buf_addc(&f->origins, ',');
        cr_provider_origins(&providers->at[i], &f->origins);
    }
    if (config->smtp[0])
        cr_buf_addf(&f->origins, "%s%s", providers->n ? "," : "", config->smtp);
    cr_status status = cr_buf_check(&f->origins, err);
    if (status == CR_OK)
        status = open_binary(&f->binary_fd, err);
    if (status == CR_OK)
        status = launch(f, err);
    if (status != CR_OK) {
        cr_fetch_process_free(f);
        return status;
    }
    *ret_fetch = f;
    return CR_OK;
}

bool cr_fetch_process_holds(const cr_fetch_process *f, pid_t pid) { return f->pid == pid; }

void cr_fetch_process_free(cr_fetch_process *f) {
    if (!f)
        return;
    cr_watch_cancel(f->watch, launch_again, f);
    if (f->pidfd >= 0) {
        struct pollfd p = {f->pidfd, POLLIN, 0};
        cr_process_signal(f->pidfd, SIGKILL);      /* it holds nothing that would have to be written */
        poll(&p, 1, END_PATIENCE_MS);
        cr_process_reap(f->pidfd);
    }
    forget(f);
    cr_buf_done(&f->origins);
    if (f->binary_fd >= 0)
        close(f->binary_fd);
    free(f);
}
