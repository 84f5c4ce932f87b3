/* context.c - threads, memory limit, progress, cancelling: what running needs. */
#include <stdlib.h>

#include "engine/exec/limits.h"
#include "engine/exec/run.h"

#define LEAST_LIMIT_BYTES ((uint64_t)1 << 20)
#define MOST_THREADS 1024
#define KEEP_BYTES ((uint64_t)64 << 20)

cr_status cr_context_new(const cr_context_options *options, cr_context **ret_context, cr_err *err) {
    cr_context_options o = {.simd_level = -1};
    if (options != NULL)
        o = *options;
    if (o.threads < 0 || o.threads > MOST_THREADS)
        return CR_FAIL(err, CR_INVALID, "%d threads; 0 (chosen) to %d are possible", o.threads, MOST_THREADS);
    if (o.memory_limit_bytes != 0 && o.memory_limit_bytes < LEAST_LIMIT_BYTES)
        return CR_FAIL(err, CR_INVALID, "a memory limit of %llu bytes is below the least, 1 MiB", (unsigned long long)o.memory_limit_bytes);
    if (o.simd_level < -1)
        return CR_FAIL(err, CR_INVALID, "there is no SIMD level %d", o.simd_level);
    cr_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a context");
    c->threads = o.threads > 0 ? o.threads : CR_MIN(MOST_THREADS, cr_limits_cpus());
    c->memory_limit_bytes = o.memory_limit_bytes > 0 ? o.memory_limit_bytes : CR_MAX(LEAST_LIMIT_BYTES, cr_limits_memory_bytes() / 4);
    c->keep_bytes = o.keep_bytes > 0 ? o.keep_bytes : KEEP_BYTES;
    c->simd = cr_simd_pick(o.simd_level);
    c->progress = o.progress;
    c->progress_user = o.progress_user;
    atomic_init(&c->cancelled, false);
    c->cancel_stays = o.cancel_stays;
    cr_status status = cr_team_new(c->threads, &c->team, err);
    if (status != CR_OK) {
        free(c);
        return status;
    }
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&c->busy, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&c->rates_lock, NULL);
    cr_slab_init(&c->slab);
    c->slab.limit_bytes = c->memory_limit_bytes;
    *ret_context = c;
    return CR_OK;
}

void cr_context_free(cr_context *c) {
    if (c == NULL)
        return;
    cr_team_free(c->team);
    cr_slab_done(&c->slab);
    pthread_mutex_destroy(&c->busy);
    pthread_mutex_destroy(&c->rates_lock);
    free(c);
}

int cr_context_threads(const cr_context *c) { return c->threads; }
uint64_t cr_context_memory_limit(const cr_context *c) { return c->memory_limit_bytes; }
uint64_t cr_context_peak_bytes(const cr_context *c) { return c->peak_bytes; }

void cr_context_set_progress(cr_context *c, cr_progress_fn fn, void *user) {
    pthread_mutex_lock(&c->busy);
    c->progress = fn;
    c->progress_user = user;
    pthread_mutex_unlock(&c->busy);
}

void cr_context_cancel(cr_context *c) { atomic_store_explicit(&c->cancelled, true, memory_order_relaxed); }

void cr_context_begin(cr_context *c) {
    pthread_mutex_lock(&c->busy);
    if (c->n_operations++ == 0 && !c->cancel_stays)
        atomic_store_explicit(&c->cancelled, false, memory_order_relaxed);
}

void cr_context_end(cr_context *c) {
    c->n_operations--;
    pthread_mutex_unlock(&c->busy);
}

cr_status cr_context_take(cr_context *c, cr_err *err) {
    cr_context_begin(c);
    if (c->computing) {
        cr_status status = CR_FAIL(err, CR_BUSY, "a computation of this context is going on, and what it calls cannot compute in it too");
        cr_err_hint(err, "use another context in functions that a computation calls");
        cr_context_end(c);
        return status;
    }
    c->computing = true;
    return CR_OK;
}

void cr_context_give(cr_context *c) {
    c->computing = false;
    cr_context_end(c);
}
