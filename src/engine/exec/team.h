/* team.h - a fixed set of threads that do one job together. The caller is worker 0; the others sleep between jobs. */
#ifndef CR_EXEC_TEAM_H
#define CR_EXEC_TEAM_H

#include <stdbool.h>
#include "base/error.h"

typedef struct cr_team cr_team;
typedef void (*cr_team_fn)(void *job, int worker);

/* n workers, the caller included; threads are started when a job first needs them. */
cr_status cr_team_new(int n, cr_team **ret_team, cr_err *err) CR_MUST_USE;
void cr_team_free(cr_team *t);
/* fn(job, 0..n-1) at once, n at most the team's size; fn(job, 0) runs here. while_waiting(job) is called about ten times a second until the
 * others are through. One job at a time. When the system gives fewer threads, fewer workers run. */
void cr_team_run(cr_team *t, int n, cr_team_fn fn, void (*while_waiting)(void *job), void *job);

#endif
