/* looking.h - a software environment of the operator's is looked at before something is started from it. Internal to the helper's table (servers.c).
 *
 * The environment may lie on a network disk that hangs, and the helper's loop must not wait for it: it is looked at by a job (jobs.h), and the start goes
 * on when that has found everything in order. What was looked at is then in the kernel's cache, when launch() looks once more, just before it starts.
 */
#ifndef CR_PLATFORM_RUNNER_LOOKING_H
#define CR_PLATFORM_RUNNER_LOOKING_H

#include "platform/runner/servers.h"
#include "platform/runner/software.h"

typedef struct cr_looking cr_looking;

/* cr_server_looked() follows, unless the server is gone by then. */
cr_status cr_looking_begin(cr_servers *s, uint64_t generation, const cr_software *software, bool for_dask, cr_err *err) CR_MUST_USE;
void cr_lookings_free(cr_servers *s);            /* after the table's jobs */

#endif
