/* process.h - processes that are held on to safely: by pidfd, and across restarts by pid and start time.
 *
 * A pid alone may name another process later; pid + start time (field 22 of /proc/PID/stat) + boot id never does.
 */
#ifndef CR_PLATFORM_RUNNER_PROCESS_H
#define CR_PLATFORM_RUNNER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"

/* In clock ticks since boot; CR_NOT_FOUND when there is no such process. */
cr_status cr_process_start_time(pid_t pid, uint64_t *ret_ticks, cr_err *err) CR_MUST_USE;
/* This boot's identity, 36 characters and NUL. */
enum { CR_BOOT_ID_SIZE = 37 };
cr_status cr_process_boot_id(char ret_id[CR_BOOT_ID_SIZE], cr_err *err) CR_MUST_USE;
/* A descriptor for the process if it is the one that started then; CR_NOT_FOUND otherwise, also for a zombie. */
cr_status cr_process_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, cr_err *err) CR_MUST_USE;
cr_status cr_process_pidfd(pid_t pid, int *ret_pidfd, cr_err *err) CR_MUST_USE;
bool cr_process_signal(int pidfd, int signal);   /* false: gone */

typedef struct cr_exit {
    bool known;               /* false: not our child any more, the status went elsewhere */
    int code;                 /* exit code, or -1 */
    int signal;               /* or 0 */
} cr_exit;
/* After the pidfd became readable: reaps the process if it is our child. */
cr_exit cr_process_reap(int pidfd);
/* Ends one that has only just begun, waits a moment for that, and reaps it. */
cr_exit cr_process_kill(int pidfd);
/* Ends and reaps a child that was forked just now and cannot be held: one that is not reaped keeps its number, so the signal reaches nobody else. */
void cr_process_abandon(pid_t child);
/* Reaps children that ended and that nobody holds by pidfd: orphans re-parented to us (the helper is a subreaper). false: it stopped at the
 * first for which is_held is true; call again when that one has been reaped. */
bool cr_process_reap_orphans(bool (*is_held)(void *user, pid_t pid), void *user);

/* Calls fn for each process of the machine with that real uid that has not ended. */
typedef void (*cr_process_fn)(void *user, pid_t pid);
void cr_process_each_of(uid_t uid, cr_process_fn fn, void *user);
/* True when the environment the process was started with has exactly this NAME=VALUE line. */
bool cr_process_has_env(pid_t pid, const char *line);

/* Runs argv[0] (absolute) with a fixed environment and waits at most timeout_ms; CR_IO with its last words when it fails. The
 * program runs as uid:gid unless uid is (uid_t)-1. */
cr_status cr_program_run(const char *const argv[], uid_t uid, gid_t gid, int64_t timeout_ms, cr_err *err) CR_MUST_USE;

#endif
