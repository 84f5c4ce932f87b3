/* write_missing.c - what of a resumed write is still to be computed, as boxes of stored objects: chunks, or shards where there are any. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/writer.h"

typedef struct grid {
    const cr_write_item *item;
    int ndim;
    int64_t first[CR_MAX_DIMS], n[CR_MAX_DIMS];   /* chunks of the box, within the grid of the variable */
    uint64_t *taken;              /* bit per chunk of the box */
} grid;

static bool bit(const uint64_t *bits, int64_t i) { return bits[i / 64] >> (i % 64) & 1; }

static int64_t chunks_along(const cr_write_item *item, int axis) { return (item->v.shape[axis] + item->unit[axis] - 1) / item->unit[axis]; }

static bool is_missing(const grid *g, const int64_t *at) {
    int64_t whole = 0, here = 0;
    for (int i = 0; i < g->ndim; i++) {
        whole = whole * chunks_along(g->item, i) + g->first[i] + at[i];
        here = here * g->n[i] + at[i];
    }
    return !bit(g->taken, here) && !bit(g->item->done, whole);
}

/* Visits the chunks of [at, at + n): are all missing (take false), or takes them. */
static bool visit(grid *g, const int64_t *at, const int64_t *n, bool take) {
    int64_t k[CR_MAX_DIMS] = {0};
    for (;;) {
        int64_t now[CR_MAX_DIMS], here = 0;
        for (int i = 0; i < g->ndim; i++) {
            now[i] = at[i] + k[i];
            here = here * g->n[i] + now[i];
        }
        if (take)
            g->taken[here / 64] |= UINT64_C(1) << here % 64;
        else if (!is_missing(g, now))
            return false;
        int axis = g->ndim - 1;
        while (axis >= 0 && ++k[axis] == n[axis])
            k[axis--] = 0;
        if (axis < 0)
            return true;
    }
}

/* From one missing chunk on, along the last axis first, as far as everything is missing. */
static void grow(grid *g, const int64_t *at, cr_write_box *box) {
    const cr_write_variable *v = &g->item->v;
    const int64_t *unit = g->item->unit;
    int64_t n[CR_MAX_DIMS];
    for (int i = 0; i < g->ndim; i++)
        n[i] = 1;
    for (int axis = g->ndim - 1; axis >= 0; axis--)
        for (; at[axis] + n[axis] < g->n[axis]; n[axis]++) {
            int64_t next[CR_MAX_DIMS], size[CR_MAX_DIMS];
            memcpy(next, at, sizeof next);
            memcpy(size, n, sizeof size);
            next[axis] += n[axis];
            size[axis] = 1;
            if (!visit(g, next, size, false))
                break;
        }
    visit(g, at, n, true);
    for (int i = 0; i < g->ndim; i++) {
        box->start[i] = (g->first[i] + at[i]) * unit[i];
        box->count[i] = CR_MIN(n[i] * unit[i], v->shape[i] - box->start[i]);
    }
}

cr_status cr_write_missing(const cr_write_item *item, const cr_write_box *within, cr_write_box *boxes, int max, int *ret_n, cr_err *err) {
    grid g = {.item = item, .ndim = item->v.ndim};
    int64_t total = 1, at[CR_MAX_DIMS] = {0};
    for (int i = 0; i < g.ndim; i++) {
        g.first[i] = within->start[i] / item->unit[i];
        g.n[i] = (within->count[i] + item->unit[i] - 1) / item->unit[i];
        total *= g.n[i];
    }
    *ret_n = 0;
    if (total == 0)
        return CR_OK;
    cr_auto_free uint64_t *taken = calloc((size_t)total / 64 + 1, sizeof *taken);
    if (!taken)
        return CR_FAIL(err, CR_MEMORY, "no memory for the state of %lld chunks", (long long)total);
    g.taken = taken;
    for (;;) {
        if (is_missing(&g, at)) {
            if (*ret_n == max)
                return CR_OK;
            grow(&g, at, &boxes[(*ret_n)++]);
        }
        int axis = g.ndim - 1;
        while (axis >= 0 && ++at[axis] == g.n[axis])
            at[axis--] = 0;
        if (axis < 0)
            return CR_OK;
    }
}

void cr_write_mark(const cr_write_item *item, const cr_write_box *boxes, int n) {
    const cr_write_variable *v = &item->v;
    const int64_t *unit = item->unit;
    for (int k = 0; k < n && item->done; k++) {
        int64_t at[CR_MAX_DIMS] = {0};
        for (int axis = 0; axis >= 0;) {
            int64_t whole = 0;
            for (int i = 0; i < v->ndim; i++)
                whole = whole * chunks_along(item, i) + boxes[k].start[i] / unit[i] + at[i];
            item->done[whole / 64] |= UINT64_C(1) << whole % 64;
            axis = v->ndim - 1;
            while (axis >= 0 && ++at[axis] * unit[axis] >= boxes[k].count[axis])
                at[axis--] = 0;
        }
    }
}

static cr_status write_shifted(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const cr_write_shift *s = user;
    int64_t at[CR_MAX_DIMS];
    for (int i = 0; i < s->ndim; i++)
        at[i] = start[i] + s->start[i];
    return s->sink->write(s->sink->user, at, count, data, err);
}

cr_status cr_write_part(cr_array *values, const cr_write_box *box, const cr_sink *sink, cr_write_shift *shift, cr_array **ret_part,
                        cr_sink *ret_sink, cr_err *err) {
    cr_slice slices[CR_MAX_DIMS];
    int ndim = cr_array_ndim(values);
    for (int i = 0; i < ndim; i++)
        slices[i] = (cr_slice){box->start[i], 1, box->count[i]};
    CR_TRY(cr_array_slice(values, slices, ret_part, err));
    *shift = (cr_write_shift){.sink = sink, .ndim = ndim};
    memcpy(shift->start, box->start, sizeof shift->start);
    *ret_sink = (cr_sink){sink->chunks, sink->serial, write_shifted, shift};
    return CR_OK;
}
