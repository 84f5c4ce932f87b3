/* jobs.c - forks, lanes, results. */
#include "platform/runner/jobs.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/log.h"
#include "platform/runner/confine.h"
#include "platform/runner/process.h"

enum { RESULT_FD = 3, LAST_MS = 2000, KILLED_MS = 5000 };

typedef struct job {
    struct job *next;             /* in the order in which they were given */
    cr_jobs *jobs;
    cr_lane lane;
    cr_job_fn fn;
    void *what;
    int64_t timeout_ms;
    cr_job_done_fn done;
    void *user;
    pid_t pid;                    /* 0: waits */
    int pidfd, result_fd;
    bool too_late;
    cr_watch_source *source;
} job;

struct cr_jobs {
    cr_watch *watch;
    job *first;
};

static const int widths[CR_LANE_COUNT] = {[CR_LANE_ACCOUNTS] = 1, [CR_LANE_FILES] = 2, [CR_LANE_DISK] = 1, [CR_LANE_SOFTWARE] = 8, [CR_LANE_RULES] = 1, [CR_LANE_LINKS] = 4,
                                          [CR_LANE_LEFTOVERS] = 2};

static void start_waiting(void *user, uint32_t events);

cr_status cr_jobs_new(cr_watch *watch, cr_jobs **ret_jobs, cr_err *err) {
    cr_jobs *j = calloc(1, sizeof *j);
    if (!j)
        return CR_FAIL(err, CR_MEMORY, "no memory for the list of jobs");
    j->watch = watch;
    *ret_jobs = j;
    return CR_OK;
}

static void free_job(job *b) {
    for (job **at = &b->jobs->first; *at; at = &(*at)->next) {
        if (*at == b) {
            *at = b->next;
            break;
        }
    }
    cr_watch_remove(b->jobs->watch, &b->source);
    if (b->pidfd >= 0)
        close(b->pidfd);
    if (b->result_fd >= 0)
        close(b->result_fd);
    free(b->what);
    free(b);
}

/* The whole group: also the program that the job waits for. */
static void kill_group(const job *b) {
    if (b->pid > 0 && kill(-b->pid, SIGKILL) != 0)
        cr_process_signal(b->pidfd, SIGKILL);   /* it has not made its group yet */
}

static void too_late(void *user, uint32_t events) {
    job *b = user;
    (void)events;
    b->too_late = true;
    kill_group(b);
}

static void end(job *b, const cr_err *result) {
    cr_jobs *j = b->jobs;
    cr_job_done_fn done = b->done;
    void *user = b->user;
    cr_watch_cancel(j->watch, too_late, b);
    free_job(b);
    done(user, result);
    start_waiting(j, 0);
}

static void on_end(void *user, uint32_t events) {
    job *b = user;
    cr_err result = CR_ERR_INIT;
    (void)events;
    cr_process_reap(b->pidfd);
    if (b->too_late)
        (void)CR_FAIL(&result, CR_TIMEOUT, "it did not end within %d s", (int)(b->timeout_ms / 1000));
    else if (read(b->result_fd, &result, sizeof result) != (ssize_t)sizeof result)
        (void)CR_FAIL(&result, CR_CANCELLED, "it was ended from outside");
    result.file = NULL;
    end(b, &result);
}

static _Noreturn void run_child(const job *b, pid_t helper, int result_fd) {
    cr_err result = CR_ERR_INIT;
    cr_confine_end_with(helper);
    setpgid(0, 0);
    /* Nothing of the helper stays open here: its lock would outlive it. */
    if (dup2(result_fd, RESULT_FD) < 0 || fcntl(RESULT_FD, F_SETFD, FD_CLOEXEC) != 0 || close_range(RESULT_FD + 1, ~0u, 0) != 0)
        _exit(126);
    result.status = b->fn(b->what, &result);
    _exit(write(RESULT_FD, &result, sizeof result) == (ssize_t)sizeof result ? 0 : 126);
}

static cr_status start(job *b, cr_err *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return CR_FAIL_ERRNO(err, "cannot start a job");
    const pid_t helper = getpid(), pid = fork();
    if (pid == 0)
        run_child(b, helper, ends[1]);
    close(ends[1]);
    b->result_fd = ends[0];
    if (pid < 0)
        return CR_FAIL_ERRNO(err, "cannot start a job");
    b->pid = pid;
    setpgid(pid, pid);            /* here too: whoever comes first */
    cr_status status = cr_process_pidfd(pid, &b->pidfd, err);
    if (status == CR_OK)
        status = cr_watch_add(b->jobs->watch, b->pidfd, EPOLLIN, on_end, b, &b->source, err);
    if (status == CR_OK)
        status = cr_watch_after(b->jobs->watch, b->timeout_ms, too_late, b, err);
    if (status != CR_OK)
        kill(-pid, SIGKILL);      /* reaped as an orphan */
    return status;
}

static job *next_to_start(const cr_jobs *j) {
    int running[CR_LANE_COUNT] = {0};
    for (const job *b = j->first; b; b = b->next)
        running[b->lane] += b->pid > 0;
    for (job *b = j->first; b; b = b->next)
        if (b->pid == 0 && running[b->lane] < widths[b->lane])
            return b;
    return NULL;
}

static void start_waiting(void *user, uint32_t events) {
    cr_jobs *j = user;
    (void)events;
    for (job *b; (b = next_to_start(j));) {
        cr_err err = CR_ERR_INIT;
        if (start(b, &err) == CR_OK)
            continue;
        end(b, &err);             /* goes on with the next */
        return;
    }
}

cr_status cr_jobs_add(cr_jobs *j, cr_lane lane, cr_job_fn fn, const void *what, size_t size, int64_t timeout_ms, cr_job_done_fn done,
                      void *user, cr_err *err) {
    job *b = calloc(1, sizeof *b);
    void *copy = malloc(size);
    if (!b || !copy || cr_watch_after(j->watch, 0, start_waiting, j, err) != CR_OK) {
        free(b);
        free(copy);
        return CR_FAIL(err, CR_MEMORY, "no memory for a job");
    }
    memcpy(copy, what, size);
    *b = (job){.jobs = j, .lane = lane, .fn = fn, .what = copy, .timeout_ms = timeout_ms, .done = done, .user = user, .pidfd = -1, .result_fd = -1};
    job **at = &j->first;
    while (*at)
        at = &(*at)->next;
    *at = b;
    return CR_OK;
}

bool cr_jobs_holds(const cr_jobs *j, pid_t pid) {
    for (const job *b = j ? j->first : NULL; b; b = b->next)
        if (b->pidfd >= 0 && b->pid == pid)
            return true;
    return false;
}

int cr_jobs_count(const cr_jobs *j) {
    int n = 0;
    for (const job *b = j->first; b; b = b->next)
        n++;
    return n;
}

void cr_jobs_free(cr_jobs *j) {
    if (!j)
        return;
    cr_watch_cancel(j->watch, start_waiting, j);
    while (j->first) {
        job *b = j->first;
        cr_watch_cancel(j->watch, too_late, b);
        if (b->pidfd >= 0) {
            struct pollfd p = {b->pidfd, POLLIN, 0};
            bool is_short = b->lane == CR_LANE_ACCOUNTS;   /* better not in the middle of the account files */
            if (!is_short || poll(&p, 1, LAST_MS) <= 0) {
                kill_group(b);
                poll(&p, 1, KILLED_MS);
            }
            cr_process_reap(b->pidfd);
        }
        free_job(b);
    }
    free(j);
}
