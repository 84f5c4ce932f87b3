/* launch.h - what a user server is started with (environment, arguments, limits), and the plain start by fork and exec.
 *
 * The same for the process from which a server's kernels are forked (share/start/kernels.py): `kernels_of` says for which server. It is
 * only ever forked from a prepared parent.
 *
 * And for schedulers and workers of Dask clusters (start->dask.role): `dask scheduler` and `dask worker` of that environment, on
 * 127.0.0.1, with TLS of the cluster's own. Their arguments and variables are made here from numbers; secrets are files of secrets_dir.
 *
 * The environment is made from nothing: what jupyterhub-singleuser reads, the account's own places, and a fixed few variables of the
 * helper's own environment (proxy, certificates, time zone) that people's downloads need. Threads: the helper's.
 */
#ifndef CR_PLATFORM_RUNNER_LAUNCH_H
#define CR_PLATFORM_RUNNER_LAUNCH_H

#include "base/arena.h"
#include "platform/runner/account.h"
#include "platform/runner/cgroup.h"
#include "platform/runner/protocol.h"

/* Of every server, plain or prepared: open files, and who goes first when the machine's memory ends (users before the hub). */
enum { CR_LAUNCH_USER_FILES = 16384, CR_LAUNCH_OOM_SCORE = 500 };

typedef struct cr_launch {
    const cr_config *config;
    const cr_msg_start *start;
    const cr_account *account;
    const cr_cgroups *groups;
    const char *group;            /* name of its control group */
    const char *socket;           /* where the server is to listen */
    const char *runtime_dir;
    const char *environment;      /* what it runs from: PREFIX/env/GENERATION, resolved, or a software environment of the operator's */
    const char *software;         /* the name of that environment, if it is the operator's; NULL: it is Craton's own */
    const cr_software *kernel;    /* whose kernel is offered, first; NULL: none */
    const char *jupyter_path;     /* where that kernel is described */
    const cr_profile_given *given; /* variables and kernels of its profile; NULL: none */
    const char *secrets_dir;      /* of a cluster's process; NULL: it is none */
    const char *kernels_socket;   /* where its kernels are forked; NULL: nowhere */
    pid_t kernels_of;             /* 0: this is the start of a server */
    int log_fd;
} cr_launch;

/* NULL-terminated; memory of the arena. CR_MEMORY when it does not fit. */
cr_status cr_launch_env(const cr_launch *l, cr_arena *a, char ***ret_env, cr_err *err) CR_MUST_USE;
cr_status cr_launch_argv(const cr_launch *l, cr_arena *a, char ***ret_argv, cr_err *err) CR_MUST_USE;
/* The process exists when this returns; what goes wrong in it before exec is its exit code 126 or 127 and a line in its log. */
cr_status cr_launch_plain(const cr_launch *l, pid_t *ret_pid, cr_err *err) CR_MUST_USE;
/* The line of the environment by which processes of a server are found where there are no control groups. */
char *cr_launch_mark(const cr_server_id *id, char *buf, size_t size);

#endif
