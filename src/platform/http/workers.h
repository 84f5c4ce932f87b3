/* workers.h - a few threads for work that would hold up the loop (password hashing).
 *
 * run() is called on a worker thread, then done() on the loop, once each and in this order. The job's memory belongs to the
 * caller until done(). The queue is bounded: a full queue is CR_BUSY, so that a flood of sign-ins is refused, not stored.
 */
#ifndef CR_PLATFORM_HTTP_WORKERS_H
#define CR_PLATFORM_HTTP_WORKERS_H

#include "platform/http/loop.h"

typedef struct cr_workers cr_workers;

cr_status cr_workers_new(cr_loop *loop, int threads, int queue_max, cr_workers **ret_workers, cr_err *err) CR_MUST_USE;
cr_status cr_workers_submit(cr_workers *workers, cr_loop_fn run, cr_loop_fn done, void *job, cr_err *err) CR_MUST_USE;
void cr_workers_free(cr_workers *workers);      /* waits for running jobs; waiting ones are dropped */

#endif
