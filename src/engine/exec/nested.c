/* nested.c - what goes along an axis (running sums, fills, windows) and what is regridded. Their input is made box by box by a worker inside the worker, whose scan has
 * only one sink, a box in memory; then the loops of series.h make what the cell needs.
 *
 * Running sums and fills begin where a block of chunks begins, from what the blocks before have left, or go on from where the last
 * cell ended when that was in the same block and the same series. Either way the same additions are done in the same order. */
#include <math.h>

#include "engine/array/weights.h"
#include "engine/exec/run.h"
#include "engine/kernel/series.h"
#include "engine/kernel/sparse.h"

typedef struct nested {
    cr_run run;
    cr_sink_run sink;
    cr_worker worker;
    bool stands;                  /* state is that of these series, after all positions before `at`; of windows, raw is what the last cell has read */
    int64_t at;
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS];
} nested;
_Static_assert(sizeof(nested) <= CR_NESTED_BYTES, "plan.h counts less for it");

static char *raw_of(const cr_leaf_state *s) { return s->chunk + CR_NESTED_BYTES; }
static char *state_of(const cr_leaf *l, const cr_leaf_state *s) { return raw_of(s) + l->raw_bytes; }

cr_status cr_nested_begin(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, cr_err *err) {
    nested *n = (nested *)s->chunk;
    memset(n, 0, sizeof *n);
    n->run = (cr_run){.context = w->run->context, .plan = w->run->plan, .scan = l->inner, .sinks = &n->sink};
    n->sink.plan = &l->inner->sinks[0];
    n->sink.node = l->node->inputs[0];
    n->worker.run = &n->run;
    n->worker.id = w->id;
    n->worker.scratch = w->scratch;
    n->worker.block = state_of(l, s) + l->state_bytes;
    cr_worker_ready(&n->worker, n->worker.block);
    if (n->worker.block_bytes > l->inner_bytes)
        return CR_FAIL(err, CR_INTERNAL, "%s needs %llu bytes to be computed, planned were %llu", cr_array_op(l->node),
                       (unsigned long long)n->worker.block_bytes, (unsigned long long)l->inner_bytes);
    for (int32_t i = 0; i < l->inner->program.n_leaves; i++)
        n->worker.leaves[i].lender = s;
    return CR_OK;
}

static int64_t part_at(const cr_cells *c, int d, int64_t position) {
    int64_t lo = 0, hi = c->n[d] - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (c->ends[d][mid] > position)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* The box of the input to `to`, row-major in a box of the shape `room`. Parts of concats are made one by one. */
static cr_status make_box(nested *n, const int64_t *start, const int64_t *count, const int64_t *room, char *to, cr_err *err) {
    cr_worker *w = &n->worker;
    const cr_cells *c = &n->run.scan->cells;
    int ndim = n->run.scan->program.ndim;
    int64_t stride[CR_MAX_DIMS], first[CR_MAX_DIMS], bytes = (int64_t)n->sink.node->itemsize;
    for (int d = ndim - 1; d >= 0; d--) {
        stride[d] = bytes;
        bytes *= room[d];
        w->cell[d] = first[d] = part_at(c, d, start[d]);
    }
    for (;;) {
        cr_place *p = &w->places[0];
        p->out = to;
        for (int d = 0; d < ndim; d++) {
            w->lo[d] = CR_MAX(start[d], cr_cells_begin(c, d, w->cell[d]));
            w->n[d] = CR_MIN(start[d] + count[d], c->ends[d][w->cell[d]]) - w->lo[d];
            p->out_stride[d] = stride[d];
            p->out += (w->lo[d] - start[d]) * stride[d];
        }
        CR_TRY(cr_worker_scopes(w, err));
        CR_TRY(cr_load_cell(w, err));
        CR_TRY(cr_strip_cell(w, err));
        int d = ndim - 1;
        while (d >= 0 && c->ends[d][w->cell[d]] >= start[d] + count[d]) {
            w->cell[d] = first[d];
            d--;
        }
        if (d < 0)
            return CR_OK;
        w->cell[d]++;
    }
}

/* ---- what the blocks before have left ---- */

typedef struct carried {
    const cr_leaf *l;
    bool product, fills;
    void *state;
    const char *left;             /* the result of the reduction by blocks */
    size_t item;
} carried;

static void take_row(const carried *c, int64_t at, const char *from, int64_t step, int64_t n) {
    for (int64_t i = 0; i < n; i++, from += step) {
        if (c->fills && c->item == 4) {
            float *s = (float *)c->state + at + i;
            *s = *s == *s ? *s : *(const float *)from;
        } else if (c->fills) {
            double *s = (double *)c->state + at + i;
            *s = *s == *s ? *s : *(const double *)from;
        } else if (cr_dtype_kind(c->l->node->dtype) == 'f') {
            double *s = (double *)c->state + at + i;
            *s = c->product ? *s * *(const double *)from : *s + *(const double *)from;
        } else {
            uint64_t *s = (uint64_t *)c->state + at + i;
            *s = c->product ? *s * *(const uint64_t *)from : *s + *(const uint64_t *)from;
        }
    }
}

static void take_block(const carried *c, const int64_t *start, const int64_t *count, int64_t block) {
    const cr_array *a = c->l->node;
    const cr_along_params *k = cr_along_params_of(a);
    int64_t stride[CR_MAX_DIMS], bytes = (int64_t)c->item, i[CR_MAX_DIMS] = {0}, at = 0;
    const char *base = c->left;
    int last = a->ndim - 1;
    for (int d = last; d >= 0; d--) {
        stride[d] = bytes;
        bytes *= d == k->axis ? k->n_blocks : a->shape[d];
        base += (d == k->axis ? block : start[d]) * stride[d];
    }
    int64_t row = last == k->axis ? 1 : count[last];
    for (;;) {
        const char *from = base;
        for (int d = 0; d < last; d++)
            from += i[d] * stride[d];
        take_row(c, at, from, stride[last], row);
        at += row;
        int d = last - 1;
        while (d >= 0 && (d == k->axis || ++i[d] == count[d]))
            i[d--] = 0;
        if (d < 0)
            return;
    }
}

static void begin_block(const cr_worker *w, const cr_leaf *l, void *state, int64_t kept, const int64_t *start, const int64_t *count,
                        int64_t block) {
    const cr_along_params *k = cr_along_params_of(l->node);
    bool fills = l->node->op == CR_OP_FILL, floats = cr_dtype_kind(l->node->dtype) == 'f';
    carried c = {.l = l, .fills = fills, .product = !fills && k->op == CR_CUMULATE_PROD, .state = state,
                 .left = l->result >= 0 ? w->run->plan->results[l->result].data : NULL, .item = fills ? l->itemsize : 8};
    for (int64_t i = 0; i < kept; i++) {
        if (fills && l->itemsize == 4)
            ((float *)state)[i] = NAN;
        else if (floats)
            ((double *)state)[i] = fills ? NAN : c.product;
        else
            ((uint64_t *)state)[i] = c.product;
    }
    for (int64_t q = 0; q < block && c.left != NULL; q++)
        take_block(&c, start, count, fills ? block - 1 - q : q);
}

/* ---- running ---- */

static int64_t block_at(const cr_array *a, int64_t position) {
    int64_t b = cr_along_params_of(a)->n_blocks - 1;
    while (b > 0 && cr_along_begin(a, b) > position)
        b--;
    return b;
}

static bool goes_on(const nested *n, const cr_array *a, int64_t begin, const int64_t *start, const int64_t *count) {
    int axis = cr_along_params_of(a)->axis;
    if (!n->stands || n->at <= begin || n->at > start[axis])
        return false;
    for (int d = 0; d < a->ndim; d++)
        if (d != axis && (n->start[d] != start[d] || n->count[d] != count[d]))
            return false;
    return true;
}

static cr_status run_along(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, const int64_t *start, const int64_t *count, cr_along_box *box,
                           cr_err *err) {
    const cr_array *a = l->node;
    const cr_along_params *k = cr_along_params_of(a);
    nested *n = (nested *)s->chunk;
    void *state = state_of(l, s);
    int64_t *age = (int64_t *)((char *)state + l->state_bytes / 2), kept = box->outer * box->inner;
    int64_t from[CR_MAX_DIMS], size[CR_MAX_DIMS], end = start[k->axis] + count[k->axis], block = block_at(a, start[k->axis]);
    int64_t begin = k->limit > 0 ? CR_MAX(0, start[k->axis] - k->limit) : cr_along_begin(a, block);
    memcpy(from, start, sizeof from);
    memcpy(size, count, sizeof size);
    if (!goes_on(n, a, begin, start, count)) {
        begin_block(w, l, state, kept, start, count, block);
        memset(age, 0, (size_t)kept * sizeof *age);
        n->at = begin;
    }
    n->stands = false; /* until it is known again */
    for (int64_t at = n->at; at < end;) {
        int64_t border = block + 1 < k->n_blocks ? cr_along_begin(a, block + 1) : a->shape[k->axis];
        if (at == border) {
            begin_block(w, l, state, kept, start, count, ++block);
            memset(age, 0, (size_t)kept * sizeof *age);
            continue;
        }
        from[k->axis] = at;
        size[k->axis] = CR_MIN(CR_MIN(border, end) - at, l->inner->cells.most[k->axis]);
        CR_TRY(make_box(n, from, size, size, raw_of(s), err));
        box->n = size[k->axis];
        box->skip = CR_MIN(box->n, CR_MAX(0, start[k->axis] - at));
        box->out_at = CR_MAX(0, at - start[k->axis]);
        if (a->op == CR_OP_FILL)
            cr_along_fill(a->dtype, k->limit, box, state, age, raw_of(s), s->tile);
        else
            cr_along_cumulate(a->dtype, k->op == CR_CUMULATE_PROD, k->options.skipna, box, state, raw_of(s), s->tile);
        at += box->n;
    }
    n->at = end;
    n->stands = true;
    memcpy(n->start, start, (size_t)a->ndim * sizeof *start);
    memcpy(n->count, count, (size_t)a->ndim * sizeof *count);
    return CR_OK;
}

/* What the last cell has read and this one looks at again goes to the beginning of the box, so that only what is new is made. */
static void keep_rows(const cr_along_box *box, int64_t had, int64_t kept, size_t itemsize, char *raw) {
    size_t row = (size_t)box->inner * itemsize;
    for (int64_t i = 0; i < box->outer; i++) {
        int64_t o = box->n > had ? box->outer - 1 - i : i; /* nothing is written over before it has moved */
        memmove(raw + (size_t)(o * box->n) * row, raw + (size_t)((o + 1) * had - kept) * row, (size_t)kept * row);
    }
}

static cr_status run_window(const cr_worker *w, const cr_leaf *l, cr_leaf_state *s, const int64_t *start, const int64_t *count, cr_along_box *box,
                            cr_err *err) {
    const cr_array *a = l->node;
    const cr_along_params *k = cr_along_params_of(a);
    nested *n = (nested *)s->chunk;
    int64_t from[CR_MAX_DIMS], size[CR_MAX_DIMS], room[CR_MAX_DIMS], kept = 0, had = n->count[k->axis] + k->window - 1;
    memcpy(from, start, sizeof from);
    memcpy(size, count, sizeof size);
    memcpy(room, count, sizeof room);
    box->n = room[k->axis] = size[k->axis] = count[k->axis] + k->window - 1;
    if (goes_on(n, a, start[k->axis] - 1, start, count) && n->at == start[k->axis]) {
        kept = k->window - 1;
        keep_rows(box, had, kept, a->inputs[0]->itemsize, raw_of(s));
        from[k->axis] += kept;
        size[k->axis] -= kept;
    }
    n->stands = false; /* until it is known again */
    CR_TRY(make_box(n, from, size, room, raw_of(s) + (size_t)(kept * box->inner) * a->inputs[0]->itemsize, err));
    cr_along_window(w->run->plan->simd, a->dtype, (cr_window_op)k->op, &k->options, k->window, start[k->axis], box, state_of(l, s), raw_of(s), s->tile);
    n->at = start[k->axis] + count[k->axis];
    n->stands = true;
    memcpy(n->start, start, (size_t)a->ndim * sizeof *start);
    memcpy(n->count, count, (size_t)a->ndim * sizeof *count);
    return CR_OK;
}

/* First position and number of positions of an axis that the cell looks at, gaps included. */
static void stretch(const cr_worker *w, const cr_access_axis *x, int64_t *ret_start, int64_t *ret_count) {
    int64_t lo = x->start, hi = x->start;
    if (x->dim >= 0 && x->index == NULL) {
        int64_t first = x->start + x->step * w->lo[x->dim], last = first + x->step * (w->n[x->dim] - 1);
        lo = CR_MIN(first, last);
        hi = CR_MAX(first, last);
    } else if (x->dim >= 0) {
        lo = hi = x->index[w->lo[x->dim]];
        for (int64_t i = 1; i < w->n[x->dim]; i++) {
            lo = CR_MIN(lo, x->index[w->lo[x->dim] + i]);
            hi = CR_MAX(hi, x->index[w->lo[x->dim] + i]);
        }
    }
    *ret_start = lo;
    *ret_count = hi - lo + 1;
}

/* ---- regridding ---- */

typedef struct regrid_tile {
    const cr_weights *w;
    const cr_sparse_loops *loops;
    cr_source_box box;            /* what raw holds of each map */
    int64_t y, ny, x, nx, maps;   /* of the target */
    cr_sparse_rows rows;
    char *raw, *columns, *out;
    size_t item;
} regrid_tile;

/* The source cells of a block for some maps, as far as they are in the box: rows of the tile want no others. */
static bool gather_block(const regrid_tile *t, int64_t block, int64_t map, int lanes) {
    const cr_weights *w = t->w;
    int64_t nx = w->src_shape[1], plane = t->box.ny * t->box.nx;
    bool missing = false;
    for (int64_t r = block > 0 ? w->blocks[block - 1].run_end : 0; r < w->blocks[block].run_end; r++) {
        const cr_weight_run *run = &w->runs[r];
        int64_t y = run->first / nx - t->box.y, from = run->first % nx - t->box.x, end = CR_MIN(from + run->length, t->box.nx);
        int64_t lo = CR_MAX(from, 0);
        if (y < 0 || y >= t->box.ny || lo >= end)
            continue;
        const char *cells = t->raw + (size_t)(map * plane + y * t->box.nx + lo) * t->item;
        char *to = t->columns + (size_t)(run->place + lo - from) * (size_t)t->loops->width * t->item;
        missing |= t->loops->gather(cells, plane, lanes, end - lo, to);
    }
    return missing;
}

/* Rows of the matrix from first to end that lie in the tile, for maps from `map` on. */
static void apply_block(regrid_tile *t, int64_t first, int64_t end, bool missing, int64_t map, int lanes) {
    const cr_weights *w = t->w;
    int64_t nx = w->dst_shape[1], plane = t->ny * t->nx;
    for (int64_t y = CR_MAX(t->y, first / nx); y < t->y + t->ny && y * nx < end; y++) {
        int64_t lo = CR_MAX(first, y * nx + t->x), hi = CR_MIN(end, y * nx + t->x + t->nx);
        if (lo >= hi)
            continue;
        t->rows.n = hi - lo;
        t->rows.begin = w->begin + lo;
        t->rows.sum = w->sum + lo;
        char *to = t->out + (size_t)(map * plane + (y - t->y) * t->nx + lo - y * nx - t->x) * t->item;
        t->loops->apply(&t->rows, missing, t->columns, lanes, plane, to);
    }
}

static int64_t block_of_row(const cr_weights *w, int64_t row) {
    int64_t lo = 0, hi = w->n_blocks - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (w->blocks[mid].row_end > row)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

static cr_status run_regrid(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, const int64_t *start, const int64_t *count, cr_err *err) {
    const cr_array *a = l->node, *in = a->inputs[0];
    const cr_regrid_params *p = a->params;
    const cr_weights *m = p->weights;
    int lead = cr_regrid_lead(a), last = a->ndim - 1;
    int64_t from[CR_MAX_DIMS], size[CR_MAX_DIMS];
    regrid_tile t = {.w = m, .y = 0, .ny = 1, .x = start[last], .nx = count[last], .maps = 1, .raw = raw_of(s), .columns = state_of(l, s),
                     .out = s->tile, .item = a->itemsize};
    if (m->dst_ndim == 2) {
        t.y = start[lead];
        t.ny = count[lead];
    }
    t.box = cr_weights_box(m, t.y, t.ny, t.x, t.nx);
    for (int d = 0; d < lead; d++) {
        from[d] = start[d];
        size[d] = count[d];
        t.maps *= count[d];
    }
    from[lead] = t.box.y;
    size[lead] = t.box.ny;
    from[in->ndim - 1] = t.box.x;
    size[in->ndim - 1] = t.box.nx;
    if (t.box.ny > 0)
        CR_TRY(make_box((nested *)s->chunk, from, size, size, t.raw, err));
    t.rows = (cr_sparse_rows){.place = m->place, .weight = m->weight, .skipna = p->skipna != 0, .least = p->least};
    t.loops = cr_sparse_find(w->run->plan->simd, a->dtype, t.maps, cr_weights_lanes(m));
    int64_t nx = m->dst_shape[1], first = t.y * nx + t.x, end = (t.y + t.ny - 1) * nx + t.x + t.nx;
    for (int64_t b = block_of_row(m, first); b < m->n_blocks && first < end; b++) {
        int64_t stop = CR_MIN(end, m->blocks[b].row_end);
        for (int64_t map = 0; map < t.maps; map += t.loops->width) {
            int lanes = (int)CR_MIN(t.loops->width, t.maps - map);
            bool missing = t.box.ny > 0 && gather_block(&t, b, map, lanes);
            apply_block(&t, first, stop, missing, map, lanes);
        }
        first = stop;
    }
    return CR_OK;
}

cr_status cr_nested_load(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, int64_t *start, int64_t *count, cr_err *err) {
    const cr_array *a = l->node;
    bool regrids = a->op == CR_OP_REGRID;
    int axis = regrids ? 0 : cr_along_params_of(a)->axis;
    cr_along_box box = {.outer = 1, .inner = 1};
    for (int d = 0; d < a->ndim; d++) {
        stretch(w, &l->access->axis[d], &start[d], &count[d]);
        if (d != axis)
            *(d < axis ? &box.outer : &box.inner) *= count[d];
    }
    box.out_n = count[axis];
    cr_status status = regrids               ? run_regrid(w, l, s, start, count, err)
                       : a->op == CR_OP_WINDOW ? run_window(w, l, s, start, count, &box, err)
                                               : run_along(w, l, s, start, count, &box, err);
    if (status != CR_OK)
        cr_err_context(err, "while computing %s", cr_array_op(a));
    return status;
}
