/* grid.c - chunk borders along one axis. */
#include "engine/array/grid.h"

#include <stdlib.h>

static cr_cuts *cuts_alloc(int64_t n_ends) {
    if (n_ends > (int64_t)(SIZE_MAX / 16))
        return NULL;
    cr_cuts *c = malloc(sizeof *c + (size_t)n_ends * sizeof(int64_t));
    if (c != NULL) {
        memset(c, 0, sizeof *c);
        atomic_init(&c->refs, 1);
    }
    return c;
}

cr_status cr_cuts_regular(int64_t extent, int64_t period, int64_t phase, cr_cuts **ret_cuts, cr_err *err) {
    cr_cuts *c = cuts_alloc(0);
    if (c == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk grid");
    c->extent = extent;
    c->period = CR_MAX(1, CR_MIN(period, extent));
    if (period > extent && phase > 0 && period - phase < extent) { /* a cut inside although the period is longer than the axis */
        c->period = period;
    }
    c->phase = c->period == period ? phase : 0;
    /* Written so that it cannot overflow for extents near INT64_MAX. */
    c->n = extent == 0 ? 0 : (extent - 1) / c->period + ((extent - 1) % c->period + c->phase >= c->period ? 2 : 1);
    *ret_cuts = c;
    return CR_OK;
}

cr_status cr_cuts_list(const int64_t *ends, int64_t n, cr_cuts **ret_cuts, cr_err *err) {
    if (n == 0)
        return cr_cuts_regular(0, 1, 0, ret_cuts, err);
    int64_t period = n > 1 ? ends[1] - ends[0] : ends[0];
    bool regular = ends[0] <= period;
    for (int64_t i = 1; i + 1 < n && regular; i++)
        regular = ends[i] - ends[i - 1] == period;
    if (n > 2 && ends[n - 1] - ends[n - 2] > period)
        regular = false;
    if (regular)
        return cr_cuts_regular(ends[n - 1], period, n > 1 ? period - ends[0] : 0, ret_cuts, err);
    cr_cuts *c = cuts_alloc(n);
    if (c == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk grid of %lld pieces", (long long)n);
    int64_t *copy = (int64_t *)(c + 1);
    memcpy(copy, ends, (size_t)n * sizeof *copy);
    c->ends = copy;
    c->n = n;
    c->extent = ends[n - 1];
    *ret_cuts = c;
    return CR_OK;
}

cr_cuts *cr_cuts_ref(cr_cuts *c) {
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void cr_cuts_unref(cr_cuts *c) {
    if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free(c);
}

int64_t cr_cuts_begin(const cr_cuts *c, int64_t i) {
    if (i <= 0)
        return 0;
    if (i >= c->n)
        return c->extent;
    return c->ends != NULL ? c->ends[i - 1] : i * c->period - c->phase;
}

int64_t cr_cuts_find(const cr_cuts *c, int64_t position) {
    if (c->ends == NULL) /* (position + phase) / period without overflow */
        return position / c->period + (position % c->period + c->phase >= c->period);
    int64_t lo = 0, hi = c->n - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (c->ends[mid] > position)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

cr_status cr_cuts_slice(cr_cuts *in, int64_t start, int64_t step, int64_t count, cr_cuts **ret_cuts, cr_err *err) {
    if (start == 0 && step == 1 && count == in->extent) {
        *ret_cuts = cr_cuts_ref(in);
        return CR_OK;
    }
    if (count == 0)
        return cr_cuts_regular(0, 1, 0, ret_cuts, err);
    if (in->ends == NULL && step == 1) {
        int64_t phase = start % in->period + in->phase;
        return cr_cuts_regular(count, in->period, phase >= in->period ? phase - in->period : phase, ret_cuts, err);
    }
    int64_t first = cr_cuts_find(in, start), last = cr_cuts_find(in, start + (count - 1) * step);
    int64_t most = CR_MIN(count, (last > first ? last - first : first - last) + 1), n = 0;
    int64_t *ends = malloc((size_t)most * sizeof *ends);
    if (ends == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk grid");
    for (int64_t at = 0; at < count;) { /* the first position beyond the piece that holds element `at` */
        int64_t piece = cr_cuts_find(in, start + at * step), left;
        if (step > 0)
            left = (cr_cuts_begin(in, piece + 1) - 1 - start) / step;
        else
            left = (start - cr_cuts_begin(in, piece)) / -step;
        at = CR_MIN(count, left + 1);
        ends[n++] = at;
    }
    cr_status status = cr_cuts_list(ends, n, ret_cuts, err);
    free(ends);
    return status;
}

cr_status cr_cuts_take(cr_cuts *in, const int64_t *index, int64_t n, cr_cuts **ret_cuts, cr_err *err) {
    int64_t changes = 0, mean = CR_MAX(1, in->n > 0 ? in->extent / in->n : 1);
    for (int64_t i = 1; i < n; i++)
        changes += cr_cuts_find(in, index[i]) != cr_cuts_find(in, index[i - 1]);
    if (n == 0 || changes > 2 * (n / mean) + 16)
        return cr_cuts_regular(n, mean, 0, ret_cuts, err);
    int64_t *ends = malloc((size_t)(changes + 1) * sizeof *ends), k = 0;
    if (ends == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk grid");
    for (int64_t i = 1; i < n; i++)
        if (cr_cuts_find(in, index[i]) != cr_cuts_find(in, index[i - 1]))
            ends[k++] = i;
    ends[k++] = n;
    cr_status status = cr_cuts_list(ends, k, ret_cuts, err);
    free(ends);
    return status;
}
