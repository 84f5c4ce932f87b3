/* strip.c - the program of a scan over one cell, a strip of elements at a time, so that intermediate values stay in the first cache.
 *
 * The innermost axes are flattened as far as the leaves lie contiguously and every sink treats them alike; what remains are rows. Where
 * all reductions keep the flattened axes, rows run inside strips: the states of a strip stay in cache while all rows are
 * folded onto them. Otherwise rows run outside.
 *
 * Calling a kernel costs as much as it takes for some hundred elements, so short rows are flattened even where something must be gathered for that. A leaf that
 * does not change along a row (weights of latitudes) stays one element for each row, and so does what is computed of such leaves alone: it is
 * written out where it meets values that do change.
 */
#include "engine/exec/run.h"

#define SHORT_ROW 512             /* rows shorter than this are flattened further even if elements must be gathered */
#define LEAST_ROW 8               /* shorter ones are written out at once */

/* ---- how the cell is flattened ---- */

/* The outermost axis that the sinks allow among the flattened ones. */
static int inner_least(const cr_worker *w) {
    const cr_scan *scan = w->run->scan;
    int least = 0;
    for (int i = 0; i < scan->n_sinks; i++) {
        const cr_sink_plan *s = &scan->sinks[i];
        if (!cr_sink_folds(s))
            continue;
        int d = scan->program.ndim;
        while (d > 0 && (w->n[d - 1] == 1 || ((s->reduced >> (d - 1)) & 1) == s->runs))
            d--;
        least = CR_MAX(least, s->runs ? CR_MAX(d, s->run_from) : d);
    }
    return least;
}

/* Does an axis of stride s continue a contiguous (or constant) run of n elements? */
static bool continues(cr_read_mode *mode, int64_t s, bool index, int64_t n, size_t item) {
    if (n == 1) {
        *mode = index ? CR_READ_PACK : s == (int64_t)item ? CR_READ_FLAT : s == 0 ? CR_READ_SAME : CR_READ_PACK;
        return *mode != CR_READ_PACK;
    }
    if (*mode == CR_READ_ROWS)
        return true;
    return *mode != CR_READ_PACK && !index && s == (*mode == CR_READ_FLAT ? n * (int64_t)item : 0);
}

/* A leaf cannot go on as it was after n elements: from here on it is gathered, or read once for every n elements. */
static cr_read_mode broken(cr_worker *w, cr_read_mode mode, int64_t n) {
    if (mode != CR_READ_SAME || n < LEAST_ROW)
        return CR_READ_PACK;
    w->row_n = w->row_n > 0 ? w->row_n : n; /* rows of another leaf are shorter, or as long */
    return CR_READ_ROWS;
}

static void choose_inner(cr_worker *w) {
    const cr_scan *scan = w->run->scan;
    const cr_program *p = &scan->program;
    int least = inner_least(w), j = p->ndim;
    int64_t n = 1;
    w->row_n = 0;
    cr_read_mode out_mode[64];
    int n_out = CR_MIN(scan->n_sinks, 64);
    for (int32_t i = 0; i < w->n_active_leaves; i++)
        w->leaves[w->active_leaves[i]].mode = CR_READ_SAME;
    for (int i = 0; i < scan->n_sinks; i++)
        w->places[i].out_flat = i < n_out;
    for (; j > least; j--) {
        int d = j - 1;
        if (w->n[d] == 1)
            continue;
        bool all = true;
        for (int pass = 0; pass < 2; pass++) { /* look first, and change the modes only when the axis is taken */
            for (int32_t i = 0; i < w->n_active_leaves; i++) {
                cr_leaf_state *l = &w->leaves[w->active_leaves[i]];
                cr_read_mode mode = l->mode;
                bool ok = continues(&mode, l->view.stride[d], l->view.index[d] != NULL, n, p->leaves[w->active_leaves[i]].itemsize);
                if (pass == 0)
                    all = all && ok;
                else
                    l->mode = ok ? mode : broken(w, l->mode, n);
            }
            for (int i = 0; i < n_out; i++) {
                if (cr_sink_folds(&scan->sinks[i]))
                    continue;
                cr_read_mode mode = n == 1 ? CR_READ_SAME : out_mode[i];
                bool ok = continues(&mode, w->places[i].out_stride[d], false, n, p->values[scan->sinks[i].value].itemsize) &&
                          mode == CR_READ_FLAT;
                if (pass == 0)
                    all = all && ok;
                else
                    out_mode[i] = ok ? mode : CR_READ_PACK;
                if (pass == 1)
                    w->places[i].out_flat = w->places[i].out_flat && ok;
            }
            if (pass == 0 && !all && n >= SHORT_ROW)
                goto done;
        }
        n *= w->n[d];
    }
done:
    w->inner = j;
    w->inner_n = n;
}

/* ---- moving elements ---- */

static int64_t view_offset(const cr_view *v, int d, int64_t i) { return (v->index[d] != NULL ? v->index[d][i] : i) * v->stride[d]; }

static void pack_run(char *dst, const char *src, int64_t stride, const int64_t *index, int64_t n, size_t item) {
#define PACK(type)                                                             \
    do {                                                                       \
        type *to = (type *)dst;                                                \
        if (index != NULL)                                                     \
            for (int64_t i = 0; i < n; i++)                                    \
                to[i] = *(const type *)(src + index[i] * stride);              \
        else                                                                   \
            for (int64_t i = 0; i < n; i++)                                    \
                to[i] = *(const type *)(src + i * stride);                     \
    } while (0)
    if (index == NULL && stride == (int64_t)item) {
        memcpy(dst, src, (size_t)n * item);
        return;
    }
    switch (item) {
    case 1: PACK(uint8_t); break;
    case 2: PACK(uint16_t); break;
    case 4: PACK(uint32_t); break;
    case 8: PACK(uint64_t); break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + (size_t)i * item, src + (index != NULL ? index[i] : i) * stride, item);
    }
#undef PACK
}

/* Coordinates of flattened element at along the inner axes. */
static void inner_coords(const cr_worker *w, int64_t at, int64_t *c) {
    for (int d = w->run->scan->program.ndim - 1; d >= w->inner; d--) {
        c[d] = at % w->n[d];
        at /= w->n[d];
    }
}

static void advance_coords(const cr_worker *w, int64_t *c) { /* to the beginning of the next row of the innermost axis */
    int d = w->run->scan->program.ndim - 1;
    c[d] = 0;
    while (--d >= w->inner && ++c[d] == w->n[d])
        c[d] = 0;
}

static void pack(const cr_worker *w, const cr_view *v, const char *row, int64_t at, int64_t n, size_t item, char *dst) {
    int last = w->run->scan->program.ndim - 1;
    int64_t c[CR_MAX_DIMS];
    inner_coords(w, at, c);
    while (n > 0) {
        int64_t m = CR_MIN(n, w->n[last] - c[last]);
        const char *src = row;
        for (int d = w->inner; d < last; d++)
            src += view_offset(v, d, c[d]);
        if (v->index[last] != NULL)
            pack_run(dst, src, v->stride[last], v->index[last] + c[last], m, item);
        else
            pack_run(dst, src + c[last] * v->stride[last], v->stride[last], NULL, m, item);
        dst += (size_t)m * item;
        n -= m;
        advance_coords(w, c);
    }
}

static void fill(char *dst, const char *value, int64_t n, size_t item) {
#define FILL(type)                                \
    do {                                          \
        const type one = *(const type *)value;    \
        for (int64_t i = 0; i < n; i++)           \
            ((type *)dst)[i] = one;               \
    } while (0)
    switch (item) {
    case 1: memset(dst, *(const uint8_t *)value, (size_t)n); break;
    case 2: FILL(uint16_t); break;
    case 4: FILL(uint32_t); break;
    case 8: FILL(uint64_t); break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + (size_t)i * item, value, item);
    }
#undef FILL
}

/* Rows that the strip touches, the first and the last of them maybe in part. */
static int64_t rows_in(const cr_worker *w, int64_t at, int64_t n) { return (at + n - 1) / w->row_n - at / w->row_n + 1; }

static void pack_rows(const cr_worker *w, const cr_view *v, const char *row, int64_t at, int64_t n, size_t item, char *dst) {
    int64_t c[CR_MAX_DIMS], first = at / w->row_n, m = rows_in(w, at, n);
    for (int64_t r = 0; r < m; r++) {
        const char *src = row;
        inner_coords(w, (first + r) * w->row_n, c);
        for (int d = w->inner; d < w->run->scan->program.ndim; d++)
            src += view_offset(v, d, c[d]);
        memcpy(dst + (size_t)r * item, src, item);
    }
}

/* Writes out a value that has one element for each row. It lies in its register; from the end on, what is still to be read is not written over. */
static void write_out(cr_worker *w, int32_t i, int64_t at, int64_t n) {
    if (w->step[i] != CR_STEP_ROWS)
        return;
    const cr_value *v = &w->run->scan->program.values[i];
    char *reg = w->regs + (size_t)v->reg * w->run->scan->program.reg_bytes;
    size_t item = v->itemsize;
    int64_t first = at / w->row_n, end = n;
    for (int64_t r = rows_in(w, at, n) - 1; r >= 0; r--) {
        int64_t begin = CR_MAX(0, (first + r) * w->row_n - at);
        fill(reg + (size_t)begin * item, reg + (size_t)r * item, end - begin, item);
        end = begin;
    }
    w->step[i] = CR_STEP_EACH;
}

/* n elements (or one, repeated) to their places in a result. */
static void unpack(const cr_worker *w, const int64_t *stride, char *row, int64_t at, int64_t n, size_t item, const char *src, bool same) {
    int last = w->run->scan->program.ndim - 1;
    int64_t c[CR_MAX_DIMS];
    inner_coords(w, at, c);
    while (n > 0) {
        int64_t m = CR_MIN(n, w->n[last] - c[last]);
        char *dst = row;
        for (int d = w->inner; d <= last; d++)
            dst += c[d] * stride[d];
        if (!same && stride[last] == (int64_t)item) {
            memcpy(dst, src, (size_t)m * item);
            src += (size_t)m * item;
            n -= m;
            advance_coords(w, c);
            continue;
        }
#define UNPACK(type)                                                            \
    for (int64_t i = 0; i < m; i++)                                             \
        *(type *)(dst + i * stride[last]) = ((const type *)src)[same ? 0 : i]
        switch (item) {
        case 1: UNPACK(uint8_t); break;
        case 2: UNPACK(uint16_t); break;
        case 4: UNPACK(uint32_t); break;
        case 8: UNPACK(uint64_t); break;
        default:
            for (int64_t i = 0; i < m; i++)
                memcpy(dst + i * stride[last], src + (same ? 0 : (size_t)i * item), item);
        }
#undef UNPACK
        src += same ? 0 : (size_t)m * item;
        n -= m;
        advance_coords(w, c);
    }
}

/* ---- folding ---- */

static void *const *planes(const cr_place *p) { return p->state->planes; }

static int64_t index_of(const cr_worker *w, const cr_sink_plan *s, const int64_t *c) {
    int64_t index = 0;
    for (int d = 0; d < w->run->scan->program.ndim; d++)
        if (s->reduced & (1u << d))
            index += (w->lo[d] + (d < w->inner ? w->row[d] : c[d])) * s->index_stride[d];
    return index;
}

static int64_t row_slot(const cr_worker *w, const cr_sink_plan *s, const cr_place *p) {
    int64_t slot = 0;
    for (int d = 0; d < w->inner; d++)
        slot += (s->reduced & (1u << d)) ? 0 : w->row[d] * p->slot_stride[d];
    return slot;
}

/* The inner axes are kept: a strip goes onto as many slots. */
static void fold_row(cr_worker *w, const cr_sink_plan *s, cr_place *p, const void *x, int64_t at, int64_t n) {
    int64_t slot = row_slot(w, s, p) + at, index = 0, zero[CR_MAX_DIMS] = {0};
    if (s->codes >= 0) {
        int32_t code = *(const int32_t *)w->ptr[s->codes];
        if (code < 0)
            return;
        if (!p->state->touched[code]) {
            s->fold->init(planes(p), code * p->kept_slots, p->kept_slots);
            p->state->touched[code] = 1;
        }
        slot += code * p->kept_slots;
    }
    if (s->by_index)
        index = index_of(w, s, zero);
    s->fold->row(planes(p), slot, x, n, index);
}

/* Pieces along which the position rises by one: rows of the innermost axis, or single elements where the order was changed. */
static int64_t index_piece(const cr_worker *w, const cr_sink_plan *s, int64_t at, int64_t n, int64_t *ret_index) {
    int last = w->run->scan->program.ndim - 1;
    int64_t c[CR_MAX_DIMS];
    inner_coords(w, at, c);
    *ret_index = index_of(w, s, c);
    if (w->inner > last)
        return n;
    return s->index_stride[last] == 1 && (s->reduced & (1u << last)) ? CR_MIN(n, w->n[last] - c[last]) : 1;
}

static void fold_indexed(cr_worker *w, const cr_sink_plan *s, cr_place *p, const char *x, int64_t at, int64_t n, size_t item) {
    int64_t slot = row_slot(w, s, p), index;
    const int32_t *codes = s->codes >= 0 ? w->ptr[s->codes] : NULL;
    while (n > 0) {
        int64_t m = index_piece(w, s, at, n, &index);
        if (codes != NULL) {
            s->fold->scatter(planes(p), slot, p->kept_slots, codes, x, m, index);
            codes += m;
        } else {
            s->fold->run(planes(p), slot, x, m, index);
        }
        x += (size_t)m * item;
        at += m;
        n -= m;
    }
}

static void flush_pending(const cr_sink_plan *s, cr_place *p) {
    if (p->pending > 0)
        s->fold->run(planes(p), p->pending_slot, p->pending_bytes, p->pending, p->pending_at);
    p->pending = 0;
}

/* A strip of a run. Runs are folded in segments that begin at multiples of CR_FOLD_SEGMENT from the run's beginning in the cell, whatever
 * the strips: beginnings and ends of segments wait in pending_bytes until they are whole. */
static void fold_run(cr_worker *w, const cr_sink_plan *s, cr_place *p, const char *x, int64_t at, int64_t n, size_t item) {
    int64_t slot = row_slot(w, s, p), pos = 0;
    for (int d = s->run_from; d < w->inner; d++)
        pos = pos * w->n[d] + w->row[d];
    pos = pos * w->inner_n + at;
    while (n > 0) {
        int64_t to_border = CR_FOLD_SEGMENT - pos % CR_FOLD_SEGMENT, to_end = p->run_total - pos;
        int64_t m = CR_MIN(n, CR_MIN(to_border, to_end));
        bool ends = m == to_border || m == to_end;
        if (p->pending == 0 && ends && pos % CR_FOLD_SEGMENT == 0) {
            /* whole segments, straight from the strip */
            int64_t whole = CR_MIN(n, to_end);
            if (whole < to_end)
                whole -= whole % CR_FOLD_SEGMENT;
            m = CR_MAX(m, whole);
            s->fold->run(planes(p), slot, x, m, pos);
        } else {
            if (p->pending == 0) {
                p->pending_at = pos;
                p->pending_slot = slot;
            }
            memcpy(p->pending_bytes + (size_t)p->pending * item, x, (size_t)m * item);
            p->pending += m;
            if (ends)
                flush_pending(s, p);
        }
        pos += m;
        x += (size_t)m * item;
        n -= m;
    }
}

/* Digits are the values, and say where they are counted. */
static void count_strip(cr_worker *w, const cr_sink_plan *s, cr_place *p, const int32_t *digits, int64_t at, int64_t n) {
    int64_t slot = row_slot(w, s, p);
    if (s->runs) {
        s->fold->scatter(planes(p), slot, p->kept_slots, digits, NULL, n, 0);
        return;
    }
    int64_t *counts = (int64_t *)planes(p)[0] + slot + at;
    for (int64_t i = 0; i < n; i++)
        if (digits[i] >= 0)
            counts[digits[i] * p->kept_slots + i]++;
}

static void fold_strip(cr_worker *w, int sink, int64_t at, int64_t n) {
    const cr_sink_plan *s = &w->run->scan->sinks[sink];
    const cr_value *v = &w->run->scan->program.values[s->value];
    cr_place *p = &w->places[sink];
    const char *x = w->ptr[s->value];
    write_out(w, s->value, at, n);
    if (s->codes >= 0)
        write_out(w, s->codes, at, n);
    if (w->step[s->value] == CR_STEP_SAME && n > 1) {
        fill(p->expanded, x, n, v->itemsize);
        x = p->expanded;
    }
    if (s->narrows != NULL)
        count_strip(w, s, p, (const int32_t *)x, at, n);
    else if (!s->runs)
        fold_row(w, s, p, x, at, n);
    else if (s->by_index)
        fold_indexed(w, s, p, x, at, n, v->itemsize);
    else if (s->codes >= 0)
        s->fold->scatter(planes(p), row_slot(w, s, p), p->kept_slots, w->ptr[s->codes], x, n, 0);
    else
        fold_run(w, s, p, x, at, n, v->itemsize);
}

/* ---- a strip ---- */

static char *out_row(const cr_worker *w, const cr_place *p) {
    char *row = p->out;
    for (int d = 0; d < w->inner; d++)
        row += w->row[d] * p->out_stride[d];
    return row;
}

static void store_strip(cr_worker *w, int sink, int64_t at, int64_t n) {
    const cr_sink_plan *s = &w->run->scan->sinks[sink];
    const cr_place *p = &w->places[sink];
    size_t item = w->run->scan->program.values[s->value].itemsize;
    const char *x = w->ptr[s->value];
    char *row = out_row(w, p);
    write_out(w, s->value, at, n);
    if (!p->out_flat)
        unpack(w, p->out_stride, row, at, n, item, x, w->step[s->value] == CR_STEP_SAME);
    else if (w->step[s->value] == CR_STEP_SAME)
        fill(row + (size_t)at * item, x, n, item);
    else if (x != row + (size_t)at * item)
        memcpy(row + (size_t)at * item, x, (size_t)n * item);
}

static void load_value(cr_worker *w, int32_t i, int64_t at, int64_t n) {
    const cr_value *v = &w->run->scan->program.values[i];
    const cr_leaf_state *l = &w->leaves[v->leaf];
    if (l->mode == CR_READ_PACK || l->mode == CR_READ_ROWS) {
        char *reg = w->regs + (size_t)v->reg * w->run->scan->program.reg_bytes;
        (l->mode == CR_READ_PACK ? pack : pack_rows)(w, &l->view, l->row, at, n, v->itemsize, reg);
        w->ptr[i] = reg;
        w->in_reg[i] = 1;
        w->step[i] = l->mode == CR_READ_PACK ? CR_STEP_EACH : CR_STEP_ROWS;
    } else {
        w->ptr[i] = l->mode == CR_READ_FLAT ? l->row + (size_t)at * v->itemsize : l->row;
        w->in_reg[i] = 0;
        w->step[i] = l->mode == CR_READ_FLAT ? CR_STEP_EACH : CR_STEP_SAME;
    }
}

static void call_value(cr_worker *w, int32_t i, int64_t at, int64_t n) {
    const cr_program *p = &w->run->scan->program;
    const cr_value *v = &p->values[i];
    const void *args[3];
    int64_t steps[3];
    bool each = false, rows = false;
    for (int k = 0; k < v->n_args; k++) {
        each = each || w->step[v->args[k]] == CR_STEP_EACH;
        rows = rows || w->step[v->args[k]] == CR_STEP_ROWS;
    }
    for (int k = 0; k < v->n_args; k++) {
        if (each)
            write_out(w, v->args[k], at, n);
        args[k] = w->ptr[v->args[k]];
        steps[k] = w->step[v->args[k]] != CR_STEP_SAME;
    }
    char *to = w->regs + (size_t)v->reg * p->reg_bytes;
    w->in_reg[i] = 1;
    if (w->dst[i] != NULL && each) {
        to = w->dst[i] + (size_t)at * v->itemsize; /* straight into the result, set per row */
        w->in_reg[i] = 0;
    }
    int64_t count = each ? n : rows ? rows_in(w, at, n) : 1;
    v->kernel(count, to, args, steps, v->data);
    w->ptr[i] = to;
    w->step[i] = each ? CR_STEP_EACH : rows ? CR_STEP_ROWS : CR_STEP_SAME;
}

/* The part of a concat that is active here; its register may be used again after the select, so what lies in one is moved. */
static void select_value(cr_worker *w, int32_t i, int64_t at, int64_t n) {
    const cr_program *p = &w->run->scan->program;
    const cr_value *v = &p->values[i];
    int32_t from = w->chosen[i];
    w->ptr[i] = w->ptr[from];
    w->step[i] = w->step[from];
    w->in_reg[i] = w->in_reg[from];
    if (w->in_reg[from]) {
        char *to = w->regs + (size_t)v->reg * p->reg_bytes;
        int64_t count = w->step[from] == CR_STEP_EACH ? n : w->step[from] == CR_STEP_ROWS ? rows_in(w, at, n) : 1;
        memcpy(to, w->ptr[from], (size_t)count * v->itemsize);
        w->ptr[i] = to;
    }
}

static void run_strip(cr_worker *w, int64_t at, int64_t n) {
    const cr_scan *scan = w->run->scan;
    for (int32_t k = 0; k < w->n_active; k++) {
        int32_t i = w->active[k];
        switch (scan->program.values[i].kind) {
        case CR_VALUE_LOAD: load_value(w, i, at, n); break;
        case CR_VALUE_CALL: call_value(w, i, at, n); break;
        case CR_VALUE_SELECT: select_value(w, i, at, n); break;
        default: break; /* constants are set once */
        }
    }
    for (int i = 0; i < scan->n_sinks; i++) {
        if (cr_sink_folds(&scan->sinks[i]))
            fold_strip(w, i, at, n);
        else
            store_strip(w, i, at, n);
    }
}

/* Addresses of the current row. */
static void begin_row(cr_worker *w) {
    const cr_scan *scan = w->run->scan;
    for (int32_t k = 0; k < w->n_active_leaves; k++) {
        cr_leaf_state *l = &w->leaves[w->active_leaves[k]];
        l->row = l->view.base;
        for (int d = 0; d < w->inner; d++)
            l->row += view_offset(&l->view, d, w->row[d]);
    }
    for (int i = 0; i < scan->n_sinks; i++) {
        const cr_sink_plan *s = &scan->sinks[i];
        if (!cr_sink_folds(s) && w->places[i].out_flat && scan->program.values[s->value].kind == CR_VALUE_CALL)
            w->dst[s->value] = out_row(w, &w->places[i]);
    }
}

static bool next_row(cr_worker *w) {
    int d = w->inner - 1;
    while (d >= 0 && ++w->row[d] == w->n[d])
        w->row[d--] = 0;
    return d >= 0;
}

static bool rows_inside(const cr_scan *scan) {
    bool any = false;
    for (int i = 0; i < scan->n_sinks; i++) {
        if (cr_sink_folds(&scan->sinks[i]) && scan->sinks[i].runs)
            return false;
        any = any || cr_sink_folds(&scan->sinks[i]);
    }
    return any;
}

static bool cancelled(const cr_worker *w) { return cr_context_cancelled(w->run->context); }

cr_status cr_strip_cell(cr_worker *w, cr_err *err) {
    const cr_program *p = &w->run->scan->program;
    choose_inner(w);
    for (int i = 0; i < w->run->scan->n_sinks; i++)
        w->dst[w->run->scan->sinks[i].value] = NULL;
    memset(w->row, 0, sizeof w->row);
    int64_t strip = p->strip;
    if (rows_inside(w->run->scan)) {
        for (int64_t at = 0; at < w->inner_n && !cancelled(w); at += strip)
            do {
                begin_row(w);
                run_strip(w, at, CR_MIN(strip, w->inner_n - at));
            } while (next_row(w));
    } else {
        do {
            begin_row(w);
            for (int64_t at = 0; at < w->inner_n && !cancelled(w); at += strip)
                run_strip(w, at, CR_MIN(strip, w->inner_n - at));
        } while (next_row(w) && !cancelled(w));
    }
    return cancelled(w) ? CR_FAIL(err, CR_CANCELLED, "cancelled") : CR_OK;
}
