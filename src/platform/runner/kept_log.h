/* kept_log.h - logs of a cluster's processes that ended unasked: their last part, for a day.
 *
 * STATE/log/ACCOUNT.dask-CLUSTER[-wNUMBER].log, mode 0600, root's once the process is gone; ACCOUNT has no point, so names tell whose they
 * are. They go with the account (removal.c). Threads: the helper's.
 */
#ifndef CR_PLATFORM_RUNNER_KEPT_LOG_H
#define CR_PLATFORM_RUNNER_KEPT_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum { CR_KEPT_LOG_BYTES = 64 << 10, CR_KEPT_LOG_HOURS = 24, CR_KEPT_LOGS_MOST = 20 /* of one account */ };

/* Cuts it to its last part, from the begin of a line. What cannot be cut is removed. */
void cr_kept_log_cut(const char *path);
/* The last lines that fit; "" when there is no log. */
void cr_kept_log_tail(const char *path, char *out, size_t size);
/* Removes those that are too old or too many. lives: is this still the log of a process? */
void cr_kept_logs_sweep(const char *dir, bool (*lives)(void *user, const char *name), void *user);

#endif
