/* column_boxes.c - which units belong to a column, and which chunks these look at (columns.c chooses the columns; exec/columns_run.c goes through
 * them). */
#include "engine/plan/plan.h"

#define MOST_COLUMNS ((int64_t)1 << 16)
#define MOST_STEPS ((int64_t)1 << 22)    /* columns times leaves that are looked at while planning */

bool cr_columns_lists(cr_arena *arena, const cr_program *p, cr_leaf *l, cr_idtable *made) {
    const cr_access *x = l->access;
    l->spans = NULL;
    for (int a = 0; a < x->ndim; a++) {
        if (x->axis[a].dim < 0 || x->axis[a].index == NULL)
            continue;
        if (l->spans == NULL)
            l->spans = cr_arena_calloc(arena, (size_t)x->ndim, sizeof *l->spans);
        if (l->spans == NULL)
            return false;
        uint64_t list = (uint64_t)(uintptr_t)x->axis[a].index;
        int64_t n = p->shape[x->axis[a].dim], known = cr_idtable_get(made, list, (uint64_t)n);
        const cr_index_span *s = known >= 0 ? (const cr_index_span *)(uintptr_t)known : cr_index_span_make(arena, x->axis[a].index, n);
        if (s == NULL || (known < 0 && cr_idtable_put(made, list, (uint64_t)n, (int64_t)(uintptr_t)s, NULL) != CR_OK))
            return false;
        l->spans[a] = s;
    }
    return true;
}

int cr_columns_axis(const cr_columns *g, int d) {
    for (int i = 0; i < g->n_axes; i++)
        if (g->axes[i] == d)
            return i;
    return -1;
}

/* ---- columns ---- */

/* The units of the column axes that column number `column` covers. */
static void column_units(const cr_columns *g, const cr_scan *s, int64_t column, int64_t *first, int64_t *end) {
    for (int i = g->n_axes - 1; i >= 0; i--) {
        int64_t n = s->unit_n[g->axes[i]], step = i > g->at ? n : i == g->at ? g->step : 1, pieces = (n + step - 1) / step;
        first[i] = column % pieces * step;
        end[i] = CR_MIN(n, first[i] + step);
        column /= pieces;
    }
}

void cr_columns_units(const cr_columns *g, const cr_scan *s, int64_t column, int64_t *ret_first, int64_t *ret_end) {
    int64_t first[CR_MAX_DIMS], end[CR_MAX_DIMS], from = 0, to = 0, inner = s->n_units;
    column_units(g, s, column, first, end);
    for (int i = 0; i < g->n_axes; i++) {
        from = from * s->unit_n[g->axes[i]] + first[i];
        to = to * s->unit_n[g->axes[i]] + end[i] - 1;
        inner /= s->unit_n[g->axes[i]];
    }
    *ret_first = from * inner;
    *ret_end = (to + 1) * inner;
}

int64_t cr_columns_count(const cr_columns *g, const cr_scan *s) {
    int64_t n = 1;
    for (int i = 0; i <= g->at && i < g->n_axes; i++) {
        int64_t units = s->unit_n[g->axes[i]], step = i == g->at ? g->step : 1;
        if (__builtin_mul_overflow(n, (units + step - 1) / step, &n))
            return INT64_MAX;
    }
    return n;
}

/* Positions of an axis of the source that positions lo .. hi - 1 of the domain look at; below a concat some lie outside. */
static void looked_at(const cr_leaf *l, int axis, const int64_t *lo, const int64_t *hi, int64_t *ret_from, int64_t *ret_to) {
    const cr_access_axis *x = &l->access->axis[axis];
    *ret_from = *ret_to = x->start;
    if (x->dim >= 0 && x->index == NULL) {
        int64_t a = x->start + x->step * lo[x->dim], b = x->start + x->step * (hi[x->dim] - 1);
        *ret_from = CR_MIN(a, b);
        *ret_to = CR_MAX(a, b);
    } else if (x->dim >= 0) {
        cr_index_span_ask(l->spans[axis], lo[x->dim], hi[x->dim], ret_from, ret_to);
    }
}

static void widen(const cr_leaf *l, const int64_t *lo, const int64_t *hi, cr_chunk_box *b) {
    const cr_source *s = ((const cr_stored_params *)l->node->params)->source;
    for (int a = 0; a < l->node->ndim; a++) {
        int64_t from, to;
        looked_at(l, a, lo, hi, &from, &to);
        from = CR_MAX(from, 0);
        to = CR_MIN(to, l->node->shape[a] - 1);
        if (from > to)
            continue;
        b->first[a] = CR_MIN(b->first[a], from / s->chunk_shape[a]);
        b->end[a] = CR_MAX(b->end[a], to / s->chunk_shape[a] + 1);
    }
}

void cr_columns_chunks(const cr_columns *g, const cr_scan *scans, int64_t column, cr_chunk_box *ret_boxes) {
    for (int32_t i = 0; i < g->n_sources; i++)
        for (int a = 0; a < CR_MAX_DIMS; a++)
            ret_boxes[i].first[a] = INT64_MAX, ret_boxes[i].end[a] = 0;
    for (int32_t i = 0; i < g->n_scans; i++) {
        const cr_scan *s = &scans[g->scans[i]];
        int64_t first[CR_MAX_DIMS], end[CR_MAX_DIMS], lo[CR_MAX_DIMS], hi[CR_MAX_DIMS];
        column_units(g, s, column, first, end);
        for (int d = 0; d < s->program.ndim; d++) {
            int k = cr_columns_axis(g, d);
            lo[d] = k < 0 ? 0 : cr_cells_begin(&s->cells, d, cr_unit_begin(s, d, first[k]));
            hi[d] = k < 0 ? s->program.shape[d] : s->cells.ends[d][cr_unit_begin(s, d, end[k]) - 1];
        }
        for (int32_t k = 0; k < s->program.n_leaves; k++)
            if (s->program.leaves[k].kept > 0)
                widen(&s->program.leaves[k], lo, hi, &ret_boxes[s->program.leaves[k].kept - 1]);
    }
}

bool cr_columns_measure(cr_columns *g, const cr_scan *scans, int64_t leaves, cr_chunk_box *boxes) {
    g->n_columns = cr_columns_count(g, &scans[g->scans[0]]);
    if (g->n_columns > MOST_COLUMNS || g->n_columns > MOST_STEPS / leaves)
        return false;
    g->wanted_bytes = 0;
    g->wanted_chunks = 0;
    for (int64_t c = 0; c < g->n_columns; c++) {
        uint64_t bytes = 0;
        int64_t chunks = 0;
        cr_columns_chunks(g, scans, c, boxes);
        for (int32_t i = 0; i < g->n_sources; i++) {
            int64_t n = cr_chunk_box_count(&boxes[i], g->sources[i].node->ndim);
            uint64_t more;
            if (__builtin_mul_overflow((uint64_t)n, g->sources[i].slot_bytes, &more) || more > UINT64_MAX / 4 - bytes)
                more = UINT64_MAX / 4 - bytes;
            bytes += more;
            chunks += n;
        }
        g->wanted_bytes = CR_MAX(g->wanted_bytes, bytes);
        g->wanted_chunks = CR_MAX(g->wanted_chunks, chunks);
    }
    return true;
}
