/* load.c - what the leaves show in a cell: a view into memory, into a decoded chunk, or into a tile put together of several chunks. */
#include <stdio.h>
#include <stdlib.h>

#include "base/poison.h"
#include "engine/exec/run.h"

/* Buffers are dealt to the leaves that are active; which these are changes only with the parts of concats. */
cr_status cr_load_assign(cr_worker *w, cr_err *err) {
    const cr_program *p = &w->run->scan->program;
    char *at = w->load;
    cr_unpoison(at, w->run->scan->load_bytes); /* workers inside of what was loaded before */
    for (int32_t i = 0; i < w->n_active_leaves; i++) {
        const cr_leaf *l = &p->leaves[w->active_leaves[i]];
        cr_leaf_state *s = &w->leaves[w->active_leaves[i]];
        s->holds = false;
        s->tile = at;
        at += l->tile_bytes;
        s->chunk = at;
        at += l->chunk_bytes;
        if (l->kind == CR_LEAF_ALONG)
            CR_TRY(cr_nested_begin(w, l, s, err));
    }
    return CR_OK;
}

static void row_major(int ndim, const int64_t *shape, size_t itemsize, int64_t *strides) {
    int64_t s = (int64_t)itemsize;
    for (int a = ndim - 1; a >= 0; a--) {
        strides[a] = s;
        s *= shape[a];
    }
}

/* The view of an array that lies at base with these strides; origin: the position of base along each axis, NULL: 0. */
static void view_of(const cr_worker *w, const cr_access *x, const char *base, const int64_t *strides, const int64_t *origin, cr_view *v) {
    memset(v->stride, 0, sizeof v->stride);
    memset(v->index, 0, sizeof v->index);
    for (int a = 0; a < x->ndim; a++) {
        const cr_access_axis *ax = &x->axis[a];
        int64_t from = origin != NULL ? origin[a] : 0;
        if (ax->dim < 0) {
            base += (ax->start - from) * strides[a];
        } else if (ax->index == NULL) {
            base += (ax->start + ax->step * w->lo[ax->dim] - from) * strides[a];
            v->stride[ax->dim] = ax->step * strides[a];
        } else if (w->n[ax->dim] == 1) { /* axes of one element are not walked */
            base += (ax->index[w->lo[ax->dim]] - from) * strides[a];
            v->stride[ax->dim] = strides[a];
        } else {
            base -= from * strides[a];
            v->index[ax->dim] = ax->index + w->lo[ax->dim];
            v->stride[ax->dim] = strides[a];
        }
    }
    v->base = base;
}

static void load_memory(const cr_worker *w, const cr_leaf *l, cr_view *v) {
    int64_t strides[CR_MAX_DIMS], shape[CR_MAX_DIMS];
    if (l->kind == CR_LEAF_MEMORY) {
        const cr_memory_params *p = l->node->params;
        view_of(w, l->access, p->data, p->strides, NULL, v);
    } else if (l->kind == CR_LEAF_RESULT) {
        row_major(l->node->ndim, l->node->shape, l->itemsize, strides);
        view_of(w, l->access, w->run->plan->results[l->result].data, strides, NULL, v);
    } else {
        const cr_reduce_params *p = l->node->params;
        const cr_array *in = l->node->inputs[0];
        int k = 0;
        for (int a = 0; a < in->ndim; a++)
            if (p->axes_mask & (1u << a))
                shape[k++] = in->shape[a];
        row_major(k, shape, l->itemsize, strides);
        view_of(w, l->access, (const char *)(l->codes != NULL ? l->codes : p->codes), strides, NULL, v);
    }
}

/* ---- chunks ---- */

static const int64_t *chunk_shape(const cr_leaf *l) {
    if (l->kind == CR_LEAF_STORED)
        return ((const cr_stored_params *)l->node->params)->source->chunk_shape;
    return ((const cr_callback_params *)l->node->params)->chunks;
}

static cr_status read_box(const cr_leaf *l, const int64_t *start, const int64_t *count, void *dst, cr_err *err) {
    const cr_callback_params *p = l->node->params;
    if (p->lock != NULL)
        pthread_mutex_lock(p->lock);
    cr_status status = p->read(p->user, start, count, dst, err);
    if (p->lock != NULL)
        pthread_mutex_unlock(p->lock);
    if (status != CR_OK) {
        char from[256], size[256];
        cr_err_context(err, "while reading the box at %s of shape %s from a callback", cr_shape_text(l->node->ndim, start, from, sizeof from),
                       cr_shape_text(l->node->ndim, count, size, sizeof size));
    }
    return status;
}

/* Decodes chunk `at`, or the box of it that is looked at, to dst (chunk_layout). */
static cr_status read_chunk(cr_worker *w, const cr_leaf *l, const int64_t *at, char *dst, cr_err *err) {
    if (l->kind == CR_LEAF_STORED) {
        cr_source *s = ((const cr_stored_params *)l->node->params)->source;
        int64_t lo[CR_MAX_DIMS], n[CR_MAX_DIMS];
        bool absent;
        if (l->in_parts)
            cr_leaf_part(&w->run->scan->program, l, at, lo, n);
        cr_status status = l->in_parts ? s->ops->read_part(s, at, lo, n, dst, w->scratch, &absent, err)
                                       : s->ops->read_chunk(s, at, dst, w->scratch, &absent, err);
        if (status != CR_OK) {
            char text[256];
            cr_err_context(err, "while reading chunk %s of %s", cr_shape_text(s->ndim, at, text, sizeof text),
                           s->path != NULL ? s->path : s->ops->name);
        }
        return status;
    }
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS];
    const int64_t *cs = chunk_shape(l);
    for (int a = 0; a < l->node->ndim; a++) {
        start[a] = at[a] * cs[a];
        count[a] = CR_MIN(cs[a], l->node->shape[a] - start[a]);
    }
    return read_box(l, start, count, dst, err);
}

/* How a chunk lies in memory; origin: the position of its first element. */
static void chunk_layout(const cr_worker *w, const cr_leaf *l, const int64_t *at, int64_t *strides, int64_t *origin) {
    int64_t shape[CR_MAX_DIMS], lo[CR_MAX_DIMS] = {0};
    const int64_t *cs = chunk_shape(l);
    if (l->in_parts)
        cr_leaf_part(&w->run->scan->program, l, at, lo, shape);
    for (int a = 0; a < l->node->ndim; a++) { /* stored chunks are whole, boxes end at the shape */
        origin[a] = at[a] * cs[a] + lo[a];
        if (!l->in_parts)
            shape[a] = l->kind == CR_LEAF_STORED ? cs[a] : CR_MIN(cs[a], l->node->shape[a] - at[a] * cs[a]);
    }
    row_major(l->node->ndim, shape, l->itemsize, strides);
}

static bool holds(const cr_leaf_state *s, int ndim, const int64_t *at) {
    return s->holds && (ndim == 0 || memcmp(s->held, at, (size_t)ndim * sizeof *at) == 0);
}

/* A chunk of the column: whoever comes first decodes it to where it stays for the scans that follow. NULL: it is not the column's, or somebody
 * else is at it. */
static cr_status get_kept(cr_worker *w, const cr_leaf *l, const int64_t *at, const char **ret_bytes, cr_err *err) {
    atomic_uchar *state;
    unsigned char seen = CR_KEPT_NOTHING;
    char *place = cr_kept_chunk(w->run->kept, l, at, &state);
    *ret_bytes = NULL;
    if (place == NULL)
        return CR_OK;
    if (atomic_compare_exchange_strong(state, &seen, CR_KEPT_COMING)) {
        cr_status status = read_chunk(w, l, at, place, err);
        atomic_store(state, status == CR_OK ? CR_KEPT_HERE : CR_KEPT_NOTHING);
        CR_TRY(status);
    } else if (seen != CR_KEPT_HERE) {
        return CR_OK;
    }
    *ret_bytes = place;
    return CR_OK;
}

/* A chunk that stays until the unit ends. They are mostly asked for in the order in which they came. NULL: there are more than were planned, which
 * costs time alone. */
static cr_status get_staying(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, const int64_t *at, const char **ret_bytes, cr_err *err) {
    size_t ndim = (size_t)l->node->ndim;
    *ret_bytes = NULL;
    s = s->lender != NULL ? s->lender : s;
    for (int64_t i = 0, k = s->stay_next; i < s->n_stay; i++, k++) {
        k = k < s->n_stay ? k : 0;
        if (memcmp(s->stay_at + (size_t)k * ndim, at, ndim * sizeof *at) == 0) {
            s->stay_next = k + 1;
            *ret_bytes = s->stay + (size_t)k * l->chunk_bytes;
            return CR_OK;
        }
    }
    if (s->n_stay == l->stays)
        return CR_OK;
    char *place = s->stay + (size_t)s->n_stay * l->chunk_bytes;
    CR_TRY(read_chunk(w, l, at, place, err));
    memcpy(s->stay_at + (size_t)s->n_stay * ndim, at, ndim * sizeof *at);
    s->n_stay++;
    *ret_bytes = place;
    return CR_OK;
}

/* The decoded chunk `at`: here already, in the buffer of another leaf of the same source, or read now. Another leaf's buffer may be written over
 * when that leaf is loaded later for this cell; fixed: only such as stay. */
static cr_status get_chunk(cr_worker *w, int32_t number, const int64_t *at, bool fixed, const char **ret_bytes, cr_err *err) {
    const cr_program *p = &w->run->scan->program;
    const cr_leaf *l = &p->leaves[w->active_leaves[number]];
    cr_leaf_state *s = &w->leaves[w->active_leaves[number]];
    int ndim = l->node->ndim;
    if (w->run->kept != NULL && l->kept > 0) {
        CR_TRY(get_kept(w, l, at, ret_bytes, err));
        if (*ret_bytes != NULL)
            return CR_OK;
    }
    if (l->stays > 0) {
        CR_TRY(get_staying(w, l, s, at, ret_bytes, err));
        if (*ret_bytes != NULL)
            return CR_OK;
    }
    if (!holds(s, ndim, at)) {
        int32_t end = l->in_parts ? 0 : fixed ? number : w->n_active_leaves;
        for (int32_t i = 0; i < end; i++) {
            const cr_leaf_state *other = &w->leaves[w->active_leaves[i]];
            const cr_leaf *of = &p->leaves[w->active_leaves[i]];
            if (i != number && of->node == l->node && !of->in_parts && holds(other, ndim, at)) {
                *ret_bytes = other->chunk;
                return CR_OK;
            }
        }
        s->holds = false;
        CR_TRY(read_chunk(w, l, at, s->chunk, err));
        s->holds = true;
        if (ndim > 0)
            memcpy(s->held, at, (size_t)ndim * sizeof *at);
    }
    *ret_bytes = s->chunk;
    return CR_OK;
}

/* ---- tiles ---- */

typedef struct gather_axis {
    const cr_access_axis *x;
    int64_t m, lo;                /* positions needed; the domain's position of the first */
    int64_t chunk;                /* chunk extent */
    const int64_t *order;         /* positions sorted by chunk; NULL: as they are */
    int64_t begin, end;           /* the current group: positions in one chunk */
} gather_axis;

static int64_t gather_at(const gather_axis *g, int64_t k) {
    int64_t i = g->order != NULL ? g->order[k] : k;
    if (g->x->dim < 0)
        return g->x->start;
    return g->x->index != NULL ? g->x->index[g->lo + i] : g->x->start + g->x->step * (g->lo + i);
}

static int by_chunk(const void *a, const void *b, void *axis) {
    const gather_axis *g = axis;
    int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    int64_t x = g->x->index[g->lo + i] / g->chunk, y = g->x->index[g->lo + k] / g->chunk;
    return x != y ? (x > y) - (x < y) : (i > k) - (i < k);
}

static void first_group(gather_axis *g, int64_t begin) {
    g->begin = begin;
    int64_t chunk = gather_at(g, begin) / g->chunk;
    if (g->x->dim < 0) {
        g->end = 1;
    } else if (g->x->index == NULL && g->x->step == 1) {
        g->end = CR_MIN(g->m, begin + (chunk + 1) * g->chunk - gather_at(g, begin));
    } else {
        for (g->end = begin + 1; g->end < g->m && gather_at(g, g->end) / g->chunk == chunk; g->end++)
            ;
    }
}

/* Positions sorted by chunk when they jump; order: room for m. */
static void prepare_axis(gather_axis *g, int64_t *order) {
    bool rising = true;
    if (g->x->dim >= 0 && g->x->index != NULL) {
        for (int64_t i = 1; i < g->m && rising; i++)
            rising = g->x->index[g->lo + i] / g->chunk >= g->x->index[g->lo + i - 1] / g->chunk;
        if (!rising) {
            for (int64_t i = 0; i < g->m; i++)
                order[i] = i;
            qsort_r(order, (size_t)g->m, sizeof *order, by_chunk, g);
            g->order = order;
        }
    }
    first_group(g, 0);
}

static void copy_items(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n, size_t item) {
#define COPY(type)                                                        \
    for (int64_t i = 0; i < n; i++)                                       \
        *(type *)(dst + i * dst_step) = *(const type *)(src + i * src_step)
    switch (item) {
    case 1: COPY(uint8_t); break;
    case 2: COPY(uint16_t); break;
    case 4: COPY(uint32_t); break;
    case 8: COPY(uint64_t); break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * dst_step, src + i * src_step, item);
    }
#undef COPY
}

/* The elements of the current groups from one chunk into the tile. */
static void copy_group(const gather_axis *g, int n, const char *src, const int64_t *src_stride, const int64_t *src_origin, char *tile,
                       const int64_t *tile_stride, size_t item) {
    int64_t k[CR_MAX_DIMS];
    int last = n - 1;
    for (int a = 0; a < n; a++)
        k[a] = g[a].begin;
    for (;;) {
        const char *s = src;
        char *d = tile;
        for (int a = 0; a < last; a++) {
            s += (gather_at(&g[a], k[a]) - src_origin[a]) * src_stride[a];
            d += (g[a].order != NULL ? g[a].order[k[a]] : k[a]) * tile_stride[a];
        }
        if (n == 0) {
            memcpy(d, s, item);
            return;
        }
        const gather_axis *in = &g[last];
        int64_t m = in->end - in->begin;
        if (in->x->dim < 0 || in->x->index == NULL) {
            int64_t step = in->x->dim < 0 ? 0 : in->x->step;
            s += (gather_at(in, in->begin) - src_origin[last]) * src_stride[last];
            d += in->begin * tile_stride[last];
            if (step == 1)
                memcpy(d, s, (size_t)m * item);
            else
                copy_items(d, tile_stride[last], s, step * src_stride[last], m, item);
        } else {
            for (int64_t i = in->begin; i < in->end; i++)
                memcpy(d + (in->order != NULL ? in->order[i] : i) * tile_stride[last],
                       s + (gather_at(in, i) - src_origin[last]) * src_stride[last], item);
        }
        int a = last - 1;
        while (a >= 0 && ++k[a] == g[a].end) {
            k[a] = g[a].begin;
            a--;
        }
        if (a < 0)
            return;
    }
}

/* Can the whole chunk be decoded straight into its place in the tile? */
static bool fits_in_place(const cr_leaf *l, const gather_axis *g, const int64_t *at, const int64_t *cs) {
    bool whole = true; /* inner axes so far cover the tile's */
    if (l->kind != CR_LEAF_STORED || l->in_parts)
        return false;
    for (int a = l->node->ndim - 1; a >= 0; a--) {
        bool straight = g[a].x->dim < 0 ? cs[a] == 1 : g[a].x->index == NULL && g[a].x->step == 1 && g[a].end - g[a].begin == cs[a];
        if (!straight || at[a] * cs[a] + cs[a] > l->node->shape[a] || (!whole && cs[a] != 1))
            return false;
        whole = whole && cs[a] == g[a].m;
    }
    return true;
}

static cr_status load_tile(cr_worker *w, int32_t number, cr_err *err) {
    const cr_leaf *l = &w->run->scan->program.leaves[w->active_leaves[number]];
    cr_leaf_state *s = &w->leaves[w->active_leaves[number]];
    const int64_t *cs = chunk_shape(l);
    int n = l->node->ndim;
    gather_axis g[CR_MAX_DIMS];
    int64_t tile_shape[CR_MAX_DIMS], tile_stride[CR_MAX_DIMS], at[CR_MAX_DIMS], strides[CR_MAX_DIMS], origin[CR_MAX_DIMS];
    int64_t *order = w->order;
    for (int a = 0; a < n; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        g[a] = (gather_axis){.x = x, .m = x->dim < 0 ? 1 : w->n[x->dim], .lo = x->dim < 0 ? 0 : w->lo[x->dim], .chunk = cs[a]};
        tile_shape[a] = g[a].m;
        prepare_axis(&g[a], order);
        if (g[a].order != NULL)
            order += g[a].m;
    }
    row_major(n, tile_shape, l->itemsize, tile_stride);
    for (;;) {
        const char *bytes;
        char *place = s->tile;
        for (int a = 0; a < n; a++) {
            at[a] = gather_at(&g[a], g[a].begin) / cs[a];
            place += g[a].begin * tile_stride[a];
        }
        bool kept = l->stays > 0 || (w->run->kept != NULL && l->kept > 0);
        if (!kept && !holds(s, n, at) && fits_in_place(l, g, at, cs)) {
            CR_TRY(read_chunk(w, l, at, place, err));
        } else {
            CR_TRY(get_chunk(w, number, at, false, &bytes, err));
            chunk_layout(w, l, at, strides, origin);
            copy_group(g, n, bytes, strides, origin, s->tile, tile_stride, l->itemsize);
        }
        int a = n - 1;
        for (; a >= 0; a--) {
            if (g[a].end < g[a].m) {
                first_group(&g[a], g[a].end);
                break;
            }
            first_group(&g[a], 0);
        }
        if (a < 0)
            break;
    }
    memset(s->view.stride, 0, sizeof s->view.stride);
    memset(s->view.index, 0, sizeof s->view.index);
    s->view.base = s->tile;
    for (int a = 0; a < n; a++)
        if (g[a].x->dim >= 0)
            s->view.stride[g[a].x->dim] = tile_stride[a];
    return CR_OK;
}

/* What the cell looks at, in its order. */
static cr_status load_spilled(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, cr_err *err) {
    cr_spill_axis axes[CR_MAX_DIMS];
    int64_t shape[CR_MAX_DIMS], strides[CR_MAX_DIMS];
    for (int a = 0; a < l->node->ndim; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        shape[a] = x->dim < 0 ? 1 : w->n[x->dim];
        axes[a] = (cr_spill_axis){.n = shape[a], .start = x->start, .step = x->step};
        if (x->dim >= 0 && x->index != NULL)
            axes[a].index = x->index + w->lo[x->dim];
        else if (x->dim >= 0)
            axes[a].start += x->step * w->lo[x->dim];
    }
    CR_TRY(cr_spill_read(cr_spill_of(l->node), axes, s->tile, err));
    row_major(l->node->ndim, shape, l->itemsize, strides);
    memset(s->view.stride, 0, sizeof s->view.stride);
    memset(s->view.index, 0, sizeof s->view.index);
    s->view.base = s->tile;
    for (int a = 0; a < l->node->ndim; a++)
        if (l->access->axis[a].dim >= 0)
            s->view.stride[l->access->axis[a].dim] = strides[a];
    return CR_OK;
}

/* A callback that is asked for exactly what the cell needs. */
static cr_status load_box(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, cr_err *err) {
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS], strides[CR_MAX_DIMS];
    for (int a = 0; a < l->node->ndim; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        start[a] = x->dim < 0 ? x->start : x->start + w->lo[x->dim];
        count[a] = x->dim < 0 ? 1 : w->n[x->dim];
    }
    CR_TRY(read_box(l, start, count, s->tile, err));
    row_major(l->node->ndim, count, l->itemsize, strides);
    view_of(w, l->access, s->tile, strides, start, &s->view);
    return CR_OK;
}

static cr_status load_along(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, cr_err *err) {
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS], strides[CR_MAX_DIMS];
    CR_TRY(cr_nested_load(w, l, s, start, count, err));
    row_major(l->node->ndim, count, l->itemsize, strides);
    view_of(w, l->access, s->tile, strides, start, &s->view);
    return CR_OK;
}

static cr_status load_chunked(cr_worker *w, int32_t number, cr_err *err) {
    const cr_leaf *l = &w->run->scan->program.leaves[w->active_leaves[number]];
    cr_leaf_state *s = &w->leaves[w->active_leaves[number]];
    const int64_t *cs = chunk_shape(l);
    int64_t at[CR_MAX_DIMS], strides[CR_MAX_DIMS], origin[CR_MAX_DIMS];
    bool one = true;
    for (int a = 0; a < l->node->ndim && one; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        if (x->dim < 0) {
            at[a] = x->start / cs[a];
        } else if (x->index == NULL) {
            int64_t first = x->start + x->step * w->lo[x->dim], last = first + x->step * (w->n[x->dim] - 1);
            at[a] = first / cs[a];
            one = last / cs[a] == at[a];
        } else {
            at[a] = x->index[w->lo[x->dim]] / cs[a];
            for (int64_t i = 1; i < w->n[x->dim] && one; i++)
                one = x->index[w->lo[x->dim] + i] / cs[a] == at[a];
        }
    }
    if (!one)
        return load_tile(w, number, err);
    const char *bytes;
    CR_TRY(get_chunk(w, number, at, true, &bytes, err));
    chunk_layout(w, l, at, strides, origin);
    view_of(w, l->access, bytes, strides, origin, &s->view);
    return CR_OK;
}

cr_status cr_load_cell(cr_worker *w, cr_err *err) {
    const cr_program *p = &w->run->scan->program;
    for (int32_t i = 0; i < w->n_active_leaves; i++) {
        const cr_leaf *l = &p->leaves[w->active_leaves[i]];
        cr_leaf_state *s = &w->leaves[w->active_leaves[i]];
        if (l->kind == CR_LEAF_ALONG)
            CR_TRY(load_along(w, l, s, err));
        else if (l->kind == CR_LEAF_SPILLED)
            CR_TRY(load_spilled(w, l, s, err));
        else if (l->kind != CR_LEAF_STORED && l->kind != CR_LEAF_CALLBACK)
            load_memory(w, l, &s->view);
        else if (cr_leaf_reads_boxes(l))
            CR_TRY(load_box(w, l, s, err));
        else
            CR_TRY(load_chunked(w, i, err));
    }
    return CR_OK;
}
