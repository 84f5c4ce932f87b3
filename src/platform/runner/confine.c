/* confine.c - identity, capabilities, limits, signals. The filters are in confine_filter.c. */
#include "platform/runner/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What HAProxy does as root before it gives up root: bind low ports, own its socket, chroot, setgid, setuid. */
static bool is_kept_for_proxy(int cap) {
    return cap == CAP_SETUID || cap == CAP_SETGID || cap == CAP_SYS_CHROOT || cap == CAP_NET_BIND_SERVICE || cap == CAP_CHOWN ||
           cap == CAP_FOWNER || cap == CAP_DAC_OVERRIDE;
}

static cr_status shrink_bounding_set(bool for_proxy, cr_err *err) {
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (!(for_proxy && is_kept_for_proxy(cap)) && prctl(PR_CAPBSET_DROP, cap) != 0)
            return CR_FAIL_ERRNO(err, "cannot drop capability %d", cap);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return CR_OK;
}

static cr_status clear_capabilities(cr_err *err) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}};
    if (syscall(SYS_capset, &head, none) != 0)
        return CR_FAIL_ERRNO(err, "cannot give up capabilities");
    return CR_OK;
}

static cr_status become(const cr_identity *id, cr_err *err) {
    if (setgroups(id->n_groups, id->groups) != 0 || setresgid(id->gid, id->gid, id->gid) != 0 ||
        setresuid(id->uid, id->uid, id->uid) != 0)
        return CR_FAIL_ERRNO(err, "cannot become uid %u", (unsigned)id->uid);
    uid_t r, e, s;
    if (getresuid(&r, &e, &s) != 0 || r != id->uid || e != id->uid || s != id->uid || setuid(0) == 0)
        return CR_FAIL(err, CR_INTERNAL, "root was not given up");
    return clear_capabilities(err);
}

cr_status cr_confine_identity(const cr_identity *id, cr_err *err) {
    if (geteuid() == 0) {
        CR_TRY(shrink_bounding_set(id->keep_root, err));
        if (!id->keep_root)
            CR_TRY(become(id, err));
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return CR_FAIL_ERRNO(err, "cannot set no_new_privs");
    return CR_OK;
}

cr_status cr_confine_limits(uint64_t files, cr_err *err) {
    struct rlimit core = {0, 0}, open_files = {files, files}, now;
    if (setrlimit(RLIMIT_CORE, &core) != 0)
        return CR_FAIL_ERRNO(err, "cannot switch core dumps off");
    if (files && getrlimit(RLIMIT_NOFILE, &now) == 0) {
        bool set = setrlimit(RLIMIT_NOFILE, &open_files) == 0;
        if (!set && errno == EPERM && open_files.rlim_max > now.rlim_max) {   /* without CAP_SYS_RESOURCE, which root in a container may lack too */
            open_files.rlim_cur = open_files.rlim_max = now.rlim_max;
            set = setrlimit(RLIMIT_NOFILE, &open_files) == 0;
        }
        if (!set)
            return CR_FAIL_ERRNO(err, "cannot set the limit of open files to %llu", (unsigned long long)files);
    }
    return CR_OK;
}

void cr_confine_fresh(int out_fd, int first_closed) {
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    if (out_fd >= 0) {
        dup2(out_fd, 1);
        dup2(out_fd, 2);
    }
    if (first_closed > 2)
        close_range((unsigned)first_closed, ~0u, 0);
}

void cr_confine_end_with(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}
