/* prepared.h - a prepared parent: a Python process that has much imported, from which processes of users are forked. There is one with
 * Jupyter for user servers, one with NumPy, xarray and IPython for the processes that fork a user's kernels, and one with what
 * schedulers and workers of Dask clusters import (docs/decisions/0027).
 *
 * A server that is forked is ready in a fraction of the time and CPU of one that imports everything, and shares the parent's memory
 * pages (docs/decisions/0005). share/start/prepared.py is the other side; it says how a start goes. There is one parent, for the
 * environment that servers start from now. It is never waited for: until it is ready, when it is broken, and where user namespaces are
 * not allowed, servers start plainly.
 *
 * As root the parent runs in a user namespace: it is CR_START_USER outside, root of nothing inside, and can only become one of the
 * accounts' user ids. System-call filter and no_new_privs are set before it begins and inherited by all that come from it.
 *
 * Threads: the helper's loop. Invariants
 *  1. The parent never reads a request. One that dies or hangs costs the starts that wait for it ten seconds, which are then made plainly, and nobody else
 *     anything: what is said with a start is said on the loop.
 *  2. A server is in its control group before the request, and so any code for it, is read.
 *  3. Pids are those that the kernel attests (SCM_CREDENTIALS), not those that the parent says.
 */
#ifndef CR_PLATFORM_RUNNER_PREPARED_H
#define CR_PLATFORM_RUNNER_PREPARED_H

#include "base/buf.h"
#include "platform/runner/launch.h"
#include "platform/runner/watch.h"

typedef struct cr_prepared cr_prepared;
typedef struct cr_prepared_setup {
    const cr_config *config;      /* borrowed */
    const char *of;               /* for the log: "servers", "kernels", "clusters"; static */
    const char *list;             /* of modules, below PREFIX/share/craton/start; static */
    cr_watch *watch;
    uid_t start_uid;              /* of CR_START_USER; not used without root */
    gid_t start_gid;
} cr_prepared_setup;

cr_status cr_prepared_new(const cr_prepared_setup *setup, cr_prepared **ret_prepared, cr_err *err) CR_MUST_USE;
void cr_prepared_free(cr_prepared *p);                           /* ends the parent; servers go on. NULL is allowed */
bool cr_prepared_holds(const cr_prepared *p, pid_t pid);
/* Sees to it that a parent for this environment is there or on its way; ends one for another. Nothing for NULL. */
void cr_prepared_want(cr_prepared *p, const char *environment);
bool cr_prepared_is_ready(const cr_prepared *p, const char *environment);

/* One start. fn is called once, from the loop, never from inside cr_prepared_begin: with the pid of the process, which exists, or with 0 and why; then
 * nothing of it remains, and a plain start may follow. Not after cr_prepared_cancel, which ends what was forked so far; the start is gone when fn is called.
 * NULL in *start is allowed. Of l nothing is kept. */
typedef struct cr_prepared_start cr_prepared_start;
typedef void (*cr_prepared_fn)(void *user, pid_t pid, const cr_err *why);
cr_status cr_prepared_begin(cr_prepared *p, const cr_launch *l, cr_prepared_fn fn, void *user, cr_prepared_start **ret_start, cr_err *err) CR_MUST_USE;
void cr_prepared_cancel(cr_prepared_start **start);

/* The request as the intermediate reads it; for tests too. */
cr_status cr_prepared_request(const cr_launch *l, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
