/* confine_filter.c - which system calls remain. Names are libseccomp's; one that this machine does not have is skipped. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <unistd.h>
#include "platform/runner/confine.h"

enum { FILE_SETATTR = 469 };       /* of all architectures */

/* Calls of an unprivileged program that serves files and sockets with threads. */
static const char *const hub_allowed[] = {
    /* files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "open", "openat", "openat2",
    "close", "close_range", "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "lseek", "access", "faccessat",
    "faccessat2", "fcntl", "flock", "fsync", "fdatasync", "sync_file_range", "truncate", "ftruncate", "fallocate", "getdents64",
    "getcwd", "chdir", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "unlink", "unlinkat",
    "symlink", "readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "umask", "utimensat",
    "dup", "dup2", "dup3", "pipe", "pipe2", "sendfile", "copy_file_range", "splice", "fadvise64", "memfd_create", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch",
    /* sockets; socket and socketpair are allowed below by family */
    "bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown",
    "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
    /* waiting */
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "eventfd2", "signalfd4", "timerfd_create", "timerfd_settime", "timerfd_gettime", "nanosleep", "clock_nanosleep", "pause",
    /* memory, threads, signals */
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mlock", "mlock2", "munlock", "msync", "mincore", "futex", "futex_wake",
    "futex_wait", "futex_requeue", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "membarrier", "sched_yield",
    "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "getcpu",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "tgkill", "restart_syscall",
    "exit", "exit_group", "arch_prctl", "prctl",
    /* who and when */
    "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "getpgrp", "getsid",
    "getrandom", "uname", "sysinfo", "times", "time", "gettimeofday", "clock_gettime", "clock_getres", "getrusage", "getrlimit",
    "prlimit64", "capget", "ioctl", "getpriority",
};

/* Of these, what a program does not need that only asks others and reads files: open calls are allowed below by their flags. */
static const char *const fetch_does_not_need[] = {
    "open", "openat", "openat2", "truncate", "ftruncate", "fallocate", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link",
    "linkat", "unlink", "unlinkat", "symlink", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat", "bind", "listen",
    "inotify_init1", "inotify_add_watch", "sendfile", "copy_file_range", "memfd_create", "fsync", "fdatasync", "sync_file_range",
};

/* Refused to HAProxy and to user processes alike. */
static const char *const nobody_needs[] = {
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module", "reboot", "swapon", "swapoff",
    "bpf", "perf_event_open", "userfaultfd", "add_key", "request_key", "keyctl", "acct", "quotactl", "quotactl_fd", "nfsservctl",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "iopl", "ioperm", "modify_ldt", "lookup_dcookie", "vm86", "vm86old",
    "open_by_handle_at", "name_to_handle_at", "io_uring_setup", "io_uring_enter", "io_uring_register", "syslog", "vhangup", "uselib",
    "ustat", "sysfs", "_sysctl", "fanotify_init", "sethostname", "setdomainname",
};

/* Refused to HAProxy on top. */
static const char *const proxy_does_not_need[] = {
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "mount", "umount2", "pivot_root", "unshare", "setns", "fsopen", "fsconfig",
    "fsmount", "fspick", "move_mount", "open_tree", "mount_setattr", "mknod", "mknodat", "memfd_secret", "pidfd_getfd",
    "move_pages", "mbind", "set_mempolicy", "migrate_pages", "process_madvise",
};

static const struct { const char *const *names; size_t n; } denied_lists[] = {
    {nobody_needs, CR_ARRAY_LEN(nobody_needs)},
    {proxy_does_not_need, CR_ARRAY_LEN(proxy_does_not_need)},
};

static int add_names(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int nr = seccomp_syscall_resolve_name(names[i]);
        int rc = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, action, nr, 0);
        if (rc != 0 && rc != -EDOM && rc != -EACCES)
            return rc;
    }
    return 0;
}

static bool is_in(const char *name, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Threads, sockets between processes, signals to itself: the same for both allow lists. */
static int add_common_rules(scmp_filter_ctx ctx) {
    /* A thread, never a process. clone3 hides its flags in memory: "not there" makes the C library use clone. */
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    /* A signal to itself only (abort, raise). */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return rc;
}

static int add_hub_rules(scmp_filter_ctx ctx) {
    int rc = add_names(ctx, SCMP_ACT_ALLOW, hub_allowed, CR_ARRAY_LEN(hub_allowed));
    return rc == 0 ? add_common_rules(ctx) : rc;
}

static int add_fetch_rules(scmp_filter_ctx ctx) {
    static const int families[] = {AF_INET, AF_INET6};
    int rc = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(hub_allowed) && rc == 0; i++)
        if (!is_in(hub_allowed[i], fetch_does_not_need, CR_ARRAY_LEN(fetch_does_not_need)))
            rc = add_names(ctx, SCMP_ACT_ALLOW, &hub_allowed[i], 1);
    const scmp_datum_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
    if (rc == 0 && (rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0))) == -EDOM)
        rc = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(families) && rc == 0; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    return rc == 0 ? add_common_rules(ctx) : rc;
}

/* What gives a file to another project, or takes from a folder that what is made in it belongs to its own: with it people could leave the quota of
 * their home (quota.h). The kernel looks at 32 bits of the number. file_setattr (Linux 6.17) does the same; libseccomp does not know its name yet. */
static int add_project_rules(scmp_filter_ctx ctx) {
    static const unsigned long changes[] = {FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS};
    int rc = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(changes) && rc == 0; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, changes[i]));
    return rc == 0 ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), FILE_SETATTR, 0) : rc;
}

static int add_denied(scmp_filter_ctx ctx, size_t n_lists) {
    int rc = add_project_rules(ctx);
    for (size_t i = 0; i < n_lists && rc == 0; i++)
        rc = add_names(ctx, SCMP_ACT_ERRNO(EPERM), denied_lists[i].names, denied_lists[i].n);
    return rc;
}

cr_status cr_confine_filter(cr_filter profile, cr_err *err) {
    bool allow_list = profile == CR_FILTER_HUB || profile == CR_FILTER_FETCH;
    scmp_filter_ctx ctx = seccomp_init(allow_list ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
    if (!ctx)
        return CR_FAIL(err, CR_MEMORY, "no memory for the system-call filter");
    int rc = profile == CR_FILTER_HUB ? add_hub_rules(ctx) : profile == CR_FILTER_FETCH ? add_fetch_rules(ctx) : add_denied(ctx, profile == CR_FILTER_PROXY ? 2 : 1);
    if (rc == 0)
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    if (rc != 0)
        return CR_FAIL(err, CR_DENIED, "cannot install the system-call filter: %s", strerror(-rc));
    return CR_OK;
}
