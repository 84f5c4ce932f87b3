/* runner.h - starting, watching and stopping a user's processes somewhere else: the hub's side.
 *
 * The hub is not privileged. It speaks to the runner helper (helper.c; root when cratond was started as root) over a
 * SOCK_SEQPACKET socket pair that it inherited, with the fixed messages of protocol.h: numbers, names that match
 * [a-z][a-z0-9-]{0,31}, limits, a choice among the operator's profiles and one token; never a path, an argv or an environment. The helper validates every field again,
 * derives all paths itself, keeps the list of what runs on disk and finds it again after a restart (pid + start time).
 * Slurm and Kubernetes will be further implementations of cr_runner_ops.
 *
 * Threads: all calls and callbacks on the hub's loop.
 *
 * Invariants
 *  1. A server is identified by (name of the account, server name, generation); a generation is never used twice.
 *  2. After start() succeeded, exactly one exited event follows for that generation, also across restarts of the hub.
 *  3. An exited event's reason is true: an OOM kill is told apart from other SIGKILLs, with the limit in force.
 */
#ifndef CR_PLATFORM_RUNNER_RUNNER_H
#define CR_PLATFORM_RUNNER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "platform/runner/dask_env.h"
#include "platform/runner/profile.h"

enum { CR_LOG_TAIL_MAX = 2047, CR_RUNNER_NAME_MAX = 32, CR_RUNNER_TOKEN_LEN = 64 };

typedef struct cr_server_id {
    char account[CR_RUNNER_NAME_MAX + 1];   /* the system name made from the user's name, [a-z][a-z0-9-]* */
    char server[CR_RUNNER_NAME_MAX + 1];    /* "" is the default server */
    uint64_t generation;
} cr_server_id;

typedef struct cr_server_limits {
    uint64_t memory_bytes;        /* 0: no limit */
    uint32_t cpu_milli;           /* 1000 = one CPU; 0: no limit */
    uint32_t pids;                /* 0: no limit */
} cr_server_limits;

/* What a process is to its person. Schedulers and workers are those of Dask clusters (gateway/); a cluster's processes share a directory
 * RUN/g/CLUSTER with its certificate, key and token, which goes with the scheduler. */
typedef enum cr_server_role { CR_ROLE_LAB, CR_ROLE_SCHEDULER, CR_ROLE_WORKER } cr_server_role;
enum { CR_CLUSTER_NAME_LEN = 32, CR_CLUSTER_CERT_MAX = 2047, CR_CLUSTER_KEY_MAX = 511 };
typedef struct cr_dask_start {
    uint64_t cluster;         /* number */
    uint32_t role;            /* cr_server_role; all of this is zero for CR_ROLE_LAB */
    uint32_t worker;          /* its number in the cluster, from 1; its name is w<number> */
    uint32_t threads;         /* of a worker */
    uint32_t scheduler_port;  /* where a worker finds its scheduler on 127.0.0.1 */
    uint32_t idle_s;          /* a scheduler that has had nothing to do for so long asks to end; 0: never */
    char software[CR_PROFILE_SLUG_MAX + 1]; /* a software environment of the operator's (profile.h); "": Craton's own */
    char name[CR_CLUSTER_NAME_LEN + 1];     /* hexadecimal; as clients know the cluster */
    char environment[CR_DASK_ENV_MAX + 1];  /* lines, see dask_env.h */
    char cert[CR_CLUSTER_CERT_MAX + 1], key[CR_CLUSTER_KEY_MAX + 1];   /* PEM; of a scheduler, "" for a worker */
} cr_dask_start;

typedef enum cr_stop_reason {
    CR_STOP_EXITED,               /* detail: exit code */
    CR_STOP_SIGNAL,               /* detail: signal number */
    CR_STOP_OOM,                  /* detail: memory limit in bytes; 0: the memory of the machine, or of all servers together, was used up */
    CR_STOP_REQUESTED,            /* by stop(); detail: exit code or 128 + signal */
    CR_STOP_LOST,                 /* ended while nobody watched; the status is not known */
    CR_STOP_FAILED_START          /* detail: cr_status; text says why */
} cr_stop_reason;

typedef enum cr_runner_event_kind {
    CR_RUNNER_STARTED,            /* the process exists; pid, preimported are set */
    CR_RUNNER_SOCKET,             /* its socket exists and was pinned as ROUTE_DIR/account[--server].generation: ask /api now */
    CR_RUNNER_EXITED,             /* reason, detail, text; the socket was removed */
    CR_RUNNER_SNAPSHOT,           /* one per running server after list(); socket_ready is set */
    CR_RUNNER_SNAPSHOT_END,
    CR_RUNNER_MEMORY,             /* a process inside, not the server, was ended for memory; detail as of CR_STOP_OOM */
    CR_RUNNER_PROXY,              /* HAProxy (re)started or died: pid (0: not running) */
    CR_RUNNER_REMOVED,            /* id.account: nothing of it is left */
    CR_RUNNER_NOT_REMOVED,        /* id.account; text says why: ask again later */
    CR_RUNNER_TLS,                /* detail: end of the served certificate, seconds since 1970 (0: not known); text: a problem, or "" */
    CR_RUNNER_DISK,               /* id.account: what its home takes; detail: bytes; tail: the largest in it, text: why not
                                   * all of it is counted, or "", see disk_walk.h */
    CR_RUNNER_LOST                /* the helper is gone; the hub ends, cratond starts again */
} cr_runner_event_kind;

typedef struct cr_runner_event {
    cr_runner_event_kind kind;
    cr_server_id id;
    int64_t pid;
    bool preimported, socket_ready;
    cr_stop_reason reason;
    int64_t detail;               /* STARTED, SNAPSHOT: uid of the process */
    char text[256];               /* for people; UTF-8 */
    uint64_t memory_peak_bytes;   /* of the cgroup, 0 when not known */
    char tail[CR_LOG_TAIL_MAX + 1];   /* EXITED, of a cluster's process that ended unasked: the last lines of its log; any bytes. DISK: lines */
} cr_runner_event;

typedef void (*cr_runner_event_fn)(void *user, const cr_runner_event *event);

typedef struct cr_runner_start {
    cr_server_id id;
    cr_server_limits limits;
    cr_profile_asked profile;     /* of a person's server */
    char user[256];               /* the user's name as in URLs and JUPYTERHUB_USER; validated: no control characters, no '/' */
    char token[CR_RUNNER_TOKEN_LEN + 1];    /* the server's API token, hexadecimal; of a scheduler, that of its cluster */
    uint32_t folders;             /* see identity/folders.h */
    uint64_t disk_bytes;          /* limit of the person's home, 0: none; of a person's server or a scheduler */
    bool cleaning;                /* for freeing space only: terminals and files, no kernels */
    char display[128];            /* shown to the user only */
    cr_dask_start dask;
} cr_runner_start;

typedef struct cr_runner cr_runner;
typedef struct cr_runner_ops {
    const char *name;             /* "local" */
    cr_status (*start)(cr_runner *r, const cr_runner_start *start, cr_err *err);
    /* SIGTERM (the server saves and ends), then SIGKILL to everything in its cgroup after grace_ms. */
    cr_status (*stop)(cr_runner *r, const cr_server_id *id, uint32_t grace_ms, cr_err *err);
    cr_status (*list)(cr_runner *r, cr_err *err);                   /* SNAPSHOT events follow, then SNAPSHOT_END */
    /* Removes an account that has no running server: its processes, its Linux user and (purge) its home. REMOVED or NOT_REMOVED
     * follows, unless one of the two processes ends: ask again, until REMOVED was heard. */
    cr_status (*remove_account)(cr_runner *r, const char *account, bool purge, cr_err *err);
    /* A DISK event follows when the account's home is measured, later. */
    cr_status (*measure)(cr_runner *r, const char *account, cr_err *err);
    int (*fd)(cr_runner *r);                                        /* readable: call dispatch */
    cr_status (*dispatch)(cr_runner *r, cr_err *err);               /* reads what is there, calls the event function */
    void (*free)(cr_runner *r);
} cr_runner_ops;
struct cr_runner {
    const cr_runner_ops *ops;
    cr_runner_event_fn on_event;
    void *user;
};

/* fd: the socket inherited from the helper. */
cr_status cr_runner_local_new(int fd, cr_runner_event_fn on_event, void *user, cr_runner **ret_runner, cr_err *err) CR_MUST_USE;

#endif
