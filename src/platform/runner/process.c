/* process.c - pidfds, start times, small fixed programs. */
#include "platform/runner/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

enum { KILL_WAIT_MS = 1000 };

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* Field 22 of /proc/PID/stat, counted behind the name, which may contain anything. state is field 3. */
static cr_status read_stat(pid_t pid, char *ret_state, uint64_t *ret_ticks, cr_err *err) {
    char path[64];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 8192);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (cr_file_read(path, &text, err) != CR_OK || text.len == 0)
        return CR_FAIL(err, CR_NOT_FOUND, "there is no process %d", (int)pid);
    char *p = strrchr(text.data, ')');
    unsigned long long ticks;
    char state;
    if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state, &ticks) != 2)
        return CR_FAIL(err, CR_FORMAT, "%s is not understood", path);
    *ret_state = state;
    *ret_ticks = ticks;
    return CR_OK;
}

cr_status cr_process_start_time(pid_t pid, uint64_t *ret_ticks, cr_err *err) {
    char state;
    return read_stat(pid, &state, ret_ticks, err);
}

cr_status cr_process_boot_id(char ret_id[CR_BOOT_ID_SIZE], cr_err *err) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 256);
    CR_TRY(cr_file_read("/proc/sys/kernel/random/boot_id", &text, err));
    if (text.len < CR_BOOT_ID_SIZE - 1)
        return CR_FAIL(err, CR_FORMAT, "the boot id is not understood");
    memcpy(ret_id, text.data, CR_BOOT_ID_SIZE - 1);
    ret_id[CR_BOOT_ID_SIZE - 1] = 0;
    return CR_OK;
}

cr_status cr_process_pidfd(pid_t pid, int *ret_pidfd, cr_err *err) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH ? CR_FAIL(err, CR_NOT_FOUND, "there is no process %d", (int)pid)
                              : CR_FAIL_ERRNO(err, "cannot hold process %d", (int)pid);
    *ret_pidfd = fd;
    return CR_OK;
}

cr_status cr_process_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, cr_err *err) {
    cr_auto_fd int fd = -1;
    CR_TRY(cr_process_pidfd(pid, &fd, err));
    uint64_t ticks = 0;
    char state = 0;
    CR_TRY(read_stat(pid, &state, &ticks, err));   /* after the pidfd: now the pid cannot change hands between the two */
    if (ticks != start_ticks || state == 'Z' || state == 'X')
        return CR_FAIL(err, CR_NOT_FOUND, "process %d is another one", (int)pid);
    *ret_pidfd = fd;
    fd = -1;
    return CR_OK;
}

bool cr_process_signal(int pidfd, int sig) { return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == 0; }

/* Linux 6.15 keeps the status of a process for whoever holds its pidfd, also when another process reaped it. */
static bool status_from_pidfd(int pidfd, int *ret_status) {
    struct {
        uint64_t mask, cgroupid;
        uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
        int32_t exit_code;
        uint32_t coredump_mask, spare;
    } info;
    enum { WANT_EXIT = 1 << 3 };
    for (int i = 0; i < 10; i++) {   /* it appears when the new parent has reaped, shortly after the end */
        memset(&info, 0, sizeof info);
        info.mask = WANT_EXIT;
        if (ioctl(pidfd, _IOC(_IOC_READ | _IOC_WRITE, 0xFF, 11, 64), &info) != 0)
            return false;
        if (info.mask & WANT_EXIT) {
            *ret_status = info.exit_code;
            return true;
        }
        poll(NULL, 0, 5);
    }
    return false;
}

cr_exit cr_process_reap(int pidfd) {
    siginfo_t info = {0};
    int status;
    if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid) {
        if (info.si_code == CLD_EXITED)
            return (cr_exit){true, info.si_status, 0};
        return (cr_exit){true, -1, info.si_status};
    }
    if (status_from_pidfd(pidfd, &status)) {
        if (WIFEXITED(status))
            return (cr_exit){true, WEXITSTATUS(status), 0};
        return (cr_exit){true, -1, WTERMSIG(status)};
    }
    return (cr_exit){false, -1, 0};
}

cr_exit cr_process_kill(int pidfd) {
    struct pollfd end = {pidfd, POLLIN, 0};
    cr_process_signal(pidfd, SIGKILL);
    poll(&end, 1, KILL_WAIT_MS);
    return cr_process_reap(pidfd);
}

void cr_process_abandon(pid_t child) {
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
}

bool cr_process_reap_orphans(bool (*is_held)(void *user, pid_t pid), void *user) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || !info.si_pid)
            return true;
        if (is_held(user, info.si_pid))
            return false;
        waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
    }
}

void cr_process_each_of(uid_t uid, cr_process_fn fn, void *user) {
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *e; (e = readdir(proc));) {
        int64_t pid;
        struct stat st;
        uint64_t ticks;
        char state;
        if (cr_parse_int(e->d_name, 1, INT32_MAX, &pid, NULL) == CR_OK && fstatat(dirfd(proc), e->d_name, &st, 0) == 0 && st.st_uid == uid &&
            read_stat((pid_t)pid, &state, &ticks, NULL) == CR_OK && state != 'Z' && state != 'X')
            fn(user, (pid_t)pid);
    }
    closedir(proc);
}

bool cr_process_has_env(pid_t pid, const char *line) {
    char path[64];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 1 << 20);
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    if (cr_file_read(path, &text, NULL) != CR_OK)
        return false;
    for (size_t i = 0; i < text.len; i += strlen(text.data + i) + 1)
        if (strcmp(text.data + i, line) == 0)
            return true;
    return false;
}

static _Noreturn void run_child(const char *const argv[], uid_t uid, gid_t gid, int out) {
    static char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    close_range(3, ~0u, 0);
    if (uid != (uid_t)-1 && geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0))
        _exit(126);
    if (chdir("/") != 0)
        _exit(126);
    execve(argv[0], (char *const *)argv, env);
    _exit(127);
}

/* Collects the last words; returns when the program has closed its output or the time is over. */
static bool drain(int fd, int64_t deadline_ms, char *last, size_t size) {
    size_t n = 0;
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left = deadline_ms - cr_now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return false;
        char chunk[512];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return true;
        size_t take = CR_MIN((size_t)got, size - 1 - n);
        memcpy(last + n, chunk, take);
        n += take;
        last[n] = 0;
    }
}

cr_status cr_program_run(const char *const argv[], uid_t uid, gid_t gid, int64_t timeout_ms, cr_err *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return CR_FAIL_ERRNO(err, "cannot run %s", argv[0]);
    pid_t pid = fork();
    if (pid == 0)
        run_child(argv, uid, gid, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return CR_FAIL_ERRNO(err, "cannot run %s", argv[0]);
    }
    char last[512] = "";
    bool in_time = drain(ends[0], cr_now_ms() + timeout_ms, last, sizeof last);
    close(ends[0]);
    if (!in_time)
        kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!in_time)
        return CR_FAIL(err, CR_TIMEOUT, "%s did not end within %d s", argv[0], (int)(timeout_ms / 1000));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CR_OK;
    last[strcspn(last, "\n")] = 0;
    return CR_FAIL(err, CR_IO, "%s failed (%s %d): %s", argv[0], WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), last);
}
