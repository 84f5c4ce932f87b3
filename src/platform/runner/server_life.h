/* server_life.h - one user server from start to end; internal to the helper's table (servers.c). */
#ifndef CR_PLATFORM_RUNNER_SERVER_LIFE_H
#define CR_PLATFORM_RUNNER_SERVER_LIFE_H

#include <signal.h>
#include "platform/runner/account.h"
#include "platform/runner/cgroup.h"
#include "platform/runner/group_folder.h"
#include "platform/runner/jobs.h"
#include "platform/runner/looking.h"
#include "platform/runner/making.h"
#include "platform/runner/measuring.h"
#include "platform/runner/owner_rules.h"
#include "platform/runner/prepared.h"
#include "platform/runner/record.h"
#include "platform/runner/removal.h"
#include "platform/runner/servers.h"

/* What a start waits for, in this order. */
typedef enum cr_wait { CR_WAIT_ACCOUNT, CR_WAIT_RULES, CR_WAIT_SOFTWARE, CR_WAIT_FORK } cr_wait;

typedef struct cr_server cr_server;
struct cr_server {
    cr_server *next;
    cr_servers *table;
    cr_record r;                  /* as on disk */
    int pidfd, log_fd;            /* -1: none */
    cr_watch_source *source;
    int64_t wait_since_ms;        /* for the socket, or for the last process to go */
    uint64_t oom_seen;            /* OOM kills of the group at the last look */
    int64_t oom_noticed_ms;       /* when that look found a new one (monotonic); 0: none yet */
    uint64_t limit_seen;          /* limit_hits of the group then */
    uint64_t oom_limit;           /* of what that look found: the limit in bytes; 0: it was not the own limit that was met */
    cr_msg_start *waits;          /* for its account to be made, to be in the packet filter's rules, its software to be looked at, or to be forked;
                                     NULL: does not */
    cr_wait waits_for;
    cr_prepared_start *fork;      /* CR_WAIT_FORK */
    cr_prepared_start *kernels_fork;      /* of the process that forks its kernels */
    bool kernels_asked;           /* the process that forks its kernels was started, or found, or could not be */
    cr_exit exit;
};

struct cr_servers {
    cr_servers_setup setup;
    char record_dir[600];
    char boot_id[CR_BOOT_ID_SIZE];
    cr_accounts *accounts;
    cr_cgroups *groups;
    bool has_quotas;              /* homes are projects of their file system (quota.h) */
    cr_group_folders folders;
    cr_owner_rules *rules;        /* NULL: not as root */
    cr_prepared *prepared;        /* parent of servers; NULL: switched off */
    cr_prepared *kernels;         /* parent of the processes that fork kernels; NULL: switched off */
    cr_prepared *clusters;        /* parent of schedulers and workers, from the first cluster on; NULL: switched off */
    cr_jobs *jobs;
    cr_making *makings;
    cr_looking *lookings;
    cr_removal *removals;
    cr_measuring *measurings;
    cr_server *first;
    int64_t logs_ms;              /* when kept logs were looked through last (monotonic) */
    void (*on_none_left)(void *user);
    void *none_left_user;
};

/* PREFIX/env/current resolved: an upgrade must not change it under a server that starts. out has PATH_MAX bytes. */
cr_status cr_server_environment(const cr_config *c, char *out, cr_err *err) CR_MUST_USE;
void cr_server_start(cr_servers *s, const cr_msg_start *m);      /* every outcome becomes an event */
void cr_server_go_on(cr_server *v, const cr_err *made);          /* the account it has waited for is made, or cannot be */
void cr_server_admitted(cr_server *v);                            /* to the rules that it has waited for; or they cannot be had */
void cr_server_looked(cr_server *v, const cr_err *found);        /* the software that it has waited for can be used, or cannot */
void cr_server_adopt(cr_servers *s, const cr_record *r);
void cr_server_stop(cr_server *v, uint32_t grace_ms);
void cr_server_look_after(cr_server *v);                         /* regularly: OOM count, size of the log */
bool cr_server_note_oom(cr_server *v, const cr_cgroup_usage *u); /* true: there are kills that were not seen before; sets oom_limit */
void cr_server_tell(cr_server *v, cr_runner_event_kind kind);
void cr_server_forget(cr_server *v);                             /* record and all */
void cr_server_let_go(cr_server *v);                             /* of the memory only */
void cr_servers_note_end(cr_servers *s);
void cr_servers_sweep_logs(cr_servers *s);                       /* regularly: kept logs that are too old */
cr_server *cr_servers_find(const cr_servers *s, uint64_t generation);

#endif
