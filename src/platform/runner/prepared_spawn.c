/* prepared_spawn.c - fork, user namespace, rights, exec. */
#include "platform/runner/prepared_spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "platform/runner/confine.h"

enum { CONTROL_FD = 3, STEP_FD = 4, HIGH_FD = 10 };

/* What becoming a user takes, and giving that up afterwards. */
#define KEPT ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_SETPCAP))

/* ---- in the child ---- */

/* Into a namespace that the helper then fills with accounts; there, root of nothing but these. */
static cr_status enter_namespace(cr_err *err) {
    char letter = 'u';
    if (unshare(CLONE_NEWUSER) != 0)
        return CR_FAIL_ERRNO(err, "no user namespace");
    if (write(STEP_FD, &letter, 1) != 1 || read(STEP_FD, &letter, 1) != 1 || letter != 'm')
        return CR_FAIL(err, CR_CANCELLED, "the namespace was not filled");
    if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
        return CR_FAIL_ERRNO(err, "cannot become root of the namespace");
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {{.effective = KEPT, .permitted = KEPT}, {0}};
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if ((cap > 31 || !(KEPT & (1u << cap))) && prctl(PR_CAPBSET_DROP, cap) != 0)
            return CR_FAIL_ERRNO(err, "cannot drop capability %d", cap);
    return syscall(SYS_capset, &head, caps) == 0 ? CR_OK : CR_FAIL_ERRNO(err, "cannot give up capabilities");
}

static cr_status give_up_rights(bool root, cr_err *err) {
    if (root)
        CR_TRY(enter_namespace(err));
    CR_TRY(cr_confine_limits(0, err));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return CR_FAIL_ERRNO(err, "cannot set no_new_privs");
    return cr_confine_filter(CR_FILTER_USER, err);   /* inherited by every server */
}

static _Noreturn void run_child(const cr_prepared_spawn *how, int control, int step) {
    cr_err err = CR_ERR_INIT;
    char python[700], script[700], modules[700], path[700], padding[400];
    int high_control = fcntl(control, F_DUPFD, HIGH_FD), high_step = fcntl(step, F_DUPFD, HIGH_FD);
    if (high_control < 0 || high_step < 0 || dup2(high_control, CONTROL_FD) < 0 || dup2(high_step, STEP_FD) < 0)
        _exit(126);
    cr_confine_fresh(-1, STEP_FD + 1);
    cr_log_setup("start", CR_LOG_INFO, 2);
    if (give_up_rights(how->config->as_root, &err) != CR_OK) {
        cr_log_err(CR_LOG_INFO, "prepared parent not started", &err);
        _exit(err.status == CR_CANCELLED ? 126 : CR_PREPARED_NOT_HERE);
    }
    close(STEP_FD);
    umask(022);
    if (chdir("/") != 0)
        _exit(126);
    snprintf(python, sizeof python, "%s/bin/python3", how->environment);
    snprintf(script, sizeof script, "%s/share/craton/start/prepared.py", how->config->prefix);
    snprintf(modules, sizeof modules, "%s/share/craton/start/%s", how->config->prefix, how->list);
    snprintf(path, sizeof path, "PATH=%s/bin:/usr/bin:/bin", how->environment);
    memset(padding, '.', sizeof padding - 1);   /* room in which a server writes its own arguments */
    padding[sizeof padding - 1] = 0;
    /* No -I: its children would inherit the flag. With this environment and directory there is nothing for it to keep out. */
    char *argv[] = {python, script, modules, padding, NULL};
    char *env[] = {path, "LANG=C.UTF-8", "HOME=/nonexistent", "USER=nobody", "OPENBLAS_NUM_THREADS=1", NULL};
    execve(python, argv, env);
    _exit(127);
}

/* ---- in the helper ---- */

static cr_status write_map(pid_t pid, const char *name, unsigned own, unsigned first, unsigned count, cr_err *err) {
    char path[64], text[96];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int n = snprintf(text, sizeof text, "0 %u 1\n%u %u %u\n", own, first, first, count);
    cr_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)n) != n)   /* the kernel takes it in one piece or not at all */
        return CR_FAIL_ERRNO(err, "cannot write %s", path);
    return CR_OK;
}

cr_status cr_prepared_fill(const cr_prepared_spawn *how, pid_t pid, int step, cr_err *err) {
    char letter = 0;
    if (recv(step, &letter, 1, MSG_DONTWAIT) != 1 || letter != 'u')
        return CR_OK;             /* it has ended; its exit code says why */
    unsigned first = (unsigned)how->config->uid_first, count = (unsigned)how->config->uid_count;
    CR_TRY(write_map(pid, "uid_map", (unsigned)how->uid, first, count, err));
    CR_TRY(write_map(pid, "gid_map", (unsigned)how->gid, first, count, err));
    letter = 'm';
    return send(step, &letter, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? CR_OK : CR_FAIL_ERRNO(err, "the prepared parent is gone");
}

cr_status cr_prepared_spawn_parent(const cr_prepared_spawn *how, pid_t *ret_pid, int *ret_step, cr_err *err) {
    int step[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, step) != 0)
        return CR_FAIL_ERRNO(err, "cannot make a socket pair");
    pid_t pid = fork();
    if (pid == 0)
        run_child(how, how->control, step[1]);
    close(step[1]);
    cr_status status = pid < 0 ? CR_FAIL_ERRNO(err, "cannot start a process") : CR_OK;
    if (status != CR_OK || !how->config->as_root) {
        close(step[0]);
        step[0] = -1;
    }
    if (status == CR_OK) {
        *ret_pid = pid;
        *ret_step = step[0];
    }
    return status;
}
