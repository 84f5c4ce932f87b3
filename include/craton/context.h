/* context.h - what running needs: threads, a memory limit, progress, cancelling. libcraton has no globals.
 *
 * A context owns a worker pool and a slab pool and may be used by one computation at a time per thread; several threads may
 * share it (their computations, and writes as a whole, run one after the other). The memory limit covers everything that a computation allocates
 * beyond its results. Reductions on the way that are larger go through scratch files in CRATON_SCRATCH, else TMPDIR, else /var/tmp, for which room is taken
 * first (CR_NO_SPACE); a plan that cannot fit is refused before it runs (CR_MEMORY), with advice.
 */
#ifndef CRATON_CONTEXT_H
#define CRATON_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "craton/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_context cr_context;

/* done and total are in the same unit (predicted nanoseconds); called from one thread at most ten times a second, and once
 * at the end with done == total. Never runs backwards. phase counts from 0. */
typedef void (*cr_progress_fn)(void *user, double done, double total, int phase, int n_phases);

typedef struct cr_context_options {
    int threads;                  /* 0: the cgroup's CPU quota, else the CPUs this process may use */
    uint64_t memory_limit_bytes;  /* 0: a quarter of the smallest memory limit among the cgroup's ancestors, or of the machine */
    cr_progress_fn progress;      /* may be NULL */
    void *progress_user;
    int simd_level;               /* -1: best of this CPU; 0 baseline, 1 x86-64-v3, 2 x86-64-v4. Bits do not depend on it */
    bool cancel_stays;            /* a cancel is for all that is done in this context from then on (a program with one task), not only for
                                     what runs at that moment */
    uint64_t keep_bytes;          /* of decoded chunks, within the memory limit, that are kept for those who read them again in the same computation, as
                                     an anomaly does; the others are decoded again. 0: 64 MiB */
} cr_context_options;

CR_API cr_status cr_context_new(const cr_context_options *options /* NULL: defaults */, cr_context **ret_context, cr_err *err) CR_MUST_USE;
CR_API void cr_context_free(cr_context *c);
CR_API int cr_context_threads(const cr_context *c);
CR_API uint64_t cr_context_memory_limit(const cr_context *c);
/* For what begins afterwards: what another thread computes at the time is waited for. */
CR_API void cr_context_set_progress(cr_context *c, cr_progress_fn fn, void *user);
/* Safe in a signal handler and from any thread: the running computation returns CR_CANCELLED within one chunk. When none runs it is
 * without effect, unless the context was made with cancel_stays. */
CR_API void cr_context_cancel(cr_context *c);
/* Highest number of bytes that the last computation held beyond its results. */
CR_API uint64_t cr_context_peak_bytes(const cr_context *c);

#ifdef __cplusplus
}
#endif
#endif
