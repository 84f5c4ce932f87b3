/* jobs.h - work of the helper that may take long, done in child processes while its loop goes on: trees of files to delete, programs
 * that write the machine's account files.
 *
 * A job is a function and a copy of what it needs. It runs in a fork of the helper that keeps no descriptor of it, in a process group
 * of its own, and may block; what it returns is read by the loop. Jobs of one lane wait for each other, in the order in which
 * they were given. A job is killed with the helper: each must be one that can be done again after any of its steps.
 *
 * Threads: the helper's loop.
 *
 * Invariants
 *  1. done is called exactly once for each job that was taken, from the loop, never from inside cr_jobs_add; not after cr_jobs_free.
 *  2. Of a lane at most its width run at once.
 */
#ifndef CR_PLATFORM_RUNNER_JOBS_H
#define CR_PLATFORM_RUNNER_JOBS_H

#include <sys/types.h>
#include "platform/runner/watch.h"

typedef enum cr_lane {
    CR_LANE_ACCOUNTS,             /* one at a time: the machine's account files have one lock */
    CR_LANE_FILES,                /* trees of files: two */
    CR_LANE_DISK,                 /* measuring homes: one at a time */
    CR_LANE_HOMES,                /* is the home of a start there: eight, as the next */
    CR_LANE_SOFTWARE,             /* software environments: eight, since one that does not answer keeps its place for a while */
    CR_LANE_RULES,                /* the packet filter's program: one at a time */
    CR_LANE_LINKS,                /* links in homes: four, since a home that does not answer keeps its place */
    CR_LANE_LEFTOVERS,            /* what programs have left in memory: two */
    CR_LANE_COUNT
} cr_lane;

typedef struct cr_jobs cr_jobs;
typedef cr_status (*cr_job_fn)(const void *what, cr_err *err);           /* in the child */
typedef void (*cr_job_done_fn)(void *user, const cr_err *result);       /* in the helper; result->status CR_OK: it succeeded */

cr_status cr_jobs_new(cr_watch *watch, cr_jobs **ret_jobs, cr_err *err) CR_MUST_USE;
/* what (size bytes) is copied. After timeout_ms the job and what it has started are killed, and done gets CR_TIMEOUT,
 * a little later also when the kernel keeps the process, which waits for a disk: it does no more. */
cr_status cr_jobs_add(cr_jobs *j, cr_lane lane, cr_job_fn fn, const void *what, size_t size, int64_t timeout_ms, cr_job_done_fn done,
                      void *user, cr_err *err) CR_MUST_USE;
bool cr_jobs_holds(const cr_jobs *j, pid_t pid);
int cr_jobs_count(const cr_jobs *j);              /* that run or wait */
/* Kills what runs; NULL is allowed. */
void cr_jobs_free(cr_jobs *j);

#endif
