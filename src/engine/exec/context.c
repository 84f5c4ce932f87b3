/* context.c - threads, memory limit, progress, cancelling: what running needs. */
#include <stdlib.h>

#include "engine/exec/limits.h"
#include "engine/exec/run.h"

#define LEAST_LIMIT_BYTES ((uint64_t)1 << 20)
#define MOST_THREADS 1024
#define KEEP_BYTES ((uint64_t)64 << 20)

typedef struct users_context {
    cr_context context;           /* first: its address is that of the whole */
    cr_shared shared;
} users_context;

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
    users_context *whole = calloc(1, sizeof *whole);
    if (whole == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a context");
    cr_context *c = &whole->context;
    cr_shared *s = c->shared = &whole->shared;
    c->threads = o.threads > 0 ? o.threads : CR_MIN(MOST_THREADS, cr_limits_cpus());
    c->memory_limit_bytes = o.memory_limit_bytes > 0 ? o.memory_limit_bytes : CR_MAX(LEAST_LIMIT_BYTES, cr_limits_memory_bytes() / 4);
    c->keep_bytes = o.keep_bytes > 0 ? o.keep_bytes : KEEP_BYTES;
    c->simd = cr_simd_pick(o.simd_level);
    c->progress = o.progress;
    c->progress_user = o.progress_user;
    atomic_init(&s->cancelled, false);
    atomic_init(&s->n_operations, 0);
    atomic_init(&s->peak_bytes, 0);
    s->cancel_stays = o.cancel_stays;
    cr_status status = cr_team_new(c->threads, &s->team, err);
    if (status != CR_OK) {
        free(whole);
        return status;
    }
    pthread_mutex_init(&s->busy, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->rates_lock, NULL);
    cr_slab_init(&s->slab);
    s->slab.limit_bytes = c->memory_limit_bytes;
    *ret_context = c;
    return CR_OK;
}

void cr_context_free(cr_context *c) {
    if (c == NULL)
        return;
    cr_shared *s = c->shared;
    cr_team_free(s->team);
    cr_slab_done(&s->slab);
    pthread_mutex_destroy(&s->busy);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->rates_lock);
    free(c);
}

int cr_context_threads(const cr_context *c) { return c->threads; }
uint64_t cr_context_memory_limit(const cr_context *c) { return c->memory_limit_bytes; }
uint64_t cr_context_peak_bytes(const cr_context *c) { return atomic_load_explicit(&c->shared->peak_bytes, memory_order_relaxed); }

void cr_context_set_progress(cr_context *c, cr_progress_fn fn, void *user) {
    pthread_mutex_lock(&c->shared->lock);
    c->progress = fn;
    c->progress_user = user;
    pthread_mutex_unlock(&c->shared->lock);
}

cr_context cr_context_own(const cr_context *c) {
    pthread_mutex_lock(&c->shared->lock);
    cr_context own = *c;
    pthread_mutex_unlock(&c->shared->lock);
    return own;
}

void cr_context_cancel(cr_context *c) { atomic_store_explicit(&c->shared->cancelled, true, memory_order_relaxed); }

void cr_context_begin(cr_context *c) {
    if (atomic_fetch_add_explicit(&c->shared->n_operations, 1, memory_order_relaxed) == 0 && !c->shared->cancel_stays)
        atomic_store_explicit(&c->shared->cancelled, false, memory_order_relaxed);
}

void cr_context_end(cr_context *c) { atomic_fetch_sub_explicit(&c->shared->n_operations, 1, memory_order_relaxed); }
