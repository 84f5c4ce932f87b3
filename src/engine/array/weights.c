/* weights.c - sparse matrices in the order in which they are applied. */
#include "engine/array/weights.h"

#include <math.h>
#include <stdlib.h>
#include "engine/kernel/sparse.h"

#define BLOCK_PLACES 4096         /* 128 KiB of 8 lanes of float32: what a small second-level cache holds beside what is written */
#define BLOCK_ROWS 8192
#define BUFFER_BYTES (2 << 20)

cr_weights *cr_weights_ref(cr_weights *w) {
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void cr_weights_unref(cr_weights *w) {
    if (w == NULL || atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1)
        return;
    void *const parts[] = {w->begin, w->place, w->weight, w->sum, w->runs, w->blocks, w->row_y, w->row_x, w->col_y, w->col_x, w->src_area,
                           w->dst_area, w->dst_fraction};
    for (size_t i = 0; i < CR_ARRAY_LEN(parts); i++)
        free(parts[i]);
    free(w);
}

int64_t cr_weights_count(const cr_weights *w) { return w->n; }

static int shape_of(int ndim, const int64_t *shape, int64_t *ret) {
    ret[0] = ndim == 1 ? shape[1] : shape[0];
    ret[1] = ndim == 1 ? 1 : shape[1];
    return ndim;
}

int cr_weights_source(const cr_weights *w, int64_t ret_shape[2]) { return shape_of(w->src_ndim, w->src_shape, ret_shape); }
const double *cr_weights_areas(const cr_weights *w, bool of_source) { return of_source ? w->src_area : w->dst_area; }
int cr_weights_target(const cr_weights *w, int64_t ret_shape[2]) { return shape_of(w->dst_ndim, w->dst_shape, ret_shape); }

/* ---- what parts of the target need ---- */

static void widen(cr_span *s, int64_t lo, int64_t hi) {
    s->lo = (int32_t)(s->lo >= s->hi ? lo : CR_MIN(s->lo, lo));
    s->hi = (int32_t)CR_MAX(s->hi, hi);
}

static void join(cr_span *s, cr_span other) {
    if (other.lo < other.hi)
        widen(s, other.lo, other.hi);
}

static cr_span all_of(const cr_span *spans, int64_t from, int64_t n) {
    cr_span s = {0, 0};
    for (int64_t i = from; i < from + n; i++)
        join(&s, spans[i]);
    return s;
}

cr_source_box cr_weights_box(const cr_weights *w, int64_t y, int64_t ny, int64_t x, int64_t nx) {
    cr_span ry = all_of(w->row_y, y, ny), rx = all_of(w->row_x, y, ny), cy = all_of(w->col_y, x, nx), cx = all_of(w->col_x, x, nx);
    int64_t y0 = CR_MAX(ry.lo, cy.lo), y1 = CR_MIN(ry.hi, cy.hi), x0 = CR_MAX(rx.lo, cx.lo), x1 = CR_MIN(rx.hi, cx.hi);
    if (y0 >= y1 || x0 >= x1)
        return (cr_source_box){0, 0, 0, 0};
    return (cr_source_box){y0, x0, y1 - y0, x1 - x0};
}

/* Any n of them in a row lie in two neighbours of blocks of n. */
static int64_t widest(const cr_span *spans, int64_t all, int64_t n) {
    int64_t most = 0;
    n = CR_MAX(1, CR_MIN(n, all));
    cr_span last = {0, 0};
    for (int64_t i = 0; i < all; i += n) {
        cr_span here = all_of(spans, i, CR_MIN(n, all - i)), both = here;
        join(&both, last);
        most = CR_MAX(most, both.hi - both.lo);
        last = here;
    }
    return most;
}

cr_source_box cr_weights_most(const cr_weights *w, int64_t ny, int64_t nx) {
    int64_t rows = w->dst_shape[0], cols = w->dst_shape[1];
    return (cr_source_box){0, 0, CR_MIN(widest(w->row_y, rows, ny), widest(w->col_y, cols, nx)),
                           CR_MIN(widest(w->row_x, rows, ny), widest(w->col_x, cols, nx))};
}

int cr_weights_lanes(const cr_weights *w) {
    int lanes = CR_SPARSE_LANES_MOST;
    while (lanes > 1 && (int64_t)w->most_places * lanes * 8 > BUFFER_BYTES)
        lanes /= 2;
    return lanes;
}

/* ---- making ---- */

static int compare_columns(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

typedef struct maker {
    cr_weights *w;
    const int32_t *col;
    int32_t *seen;                /* per source cell: the block it was last met in, from 1 on */
    int32_t *at;                  /* per source cell of the block: its place there */
    int32_t *found;               /* cells of the block */
    int64_t n_found, cap_found, cap_runs, cap_blocks;
} maker;

static cr_status grow(void **items, int64_t n, int64_t *cap, size_t item, cr_err *err) {
    if (n < *cap)
        return CR_OK;
    int64_t more = *cap == 0 ? 1024 : 2 * *cap;
    void *bigger = realloc(*items, (size_t)more * item);
    if (bigger == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for regridding weights");
    *items = bigger;
    *cap = more;
    return CR_OK;
}

/* Cells of a stretch of rows mostly lie close together: then looking for those that were met puts them in order. */
static void sort_found(maker *m, int32_t number) {
    int32_t lo = INT32_MAX, hi = -1;
    for (int64_t i = 0; i < m->n_found; i++) {
        lo = CR_MIN(lo, m->found[i]);
        hi = CR_MAX(hi, m->found[i]);
    }
    if ((int64_t)hi - lo > 16 * m->n_found) {
        qsort(m->found, (size_t)m->n_found, sizeof *m->found, compare_columns);
        return;
    }
    for (int64_t c = lo, n = 0; c <= hi; c++)
        if (m->seen[c] == number)
            m->found[n++] = (int32_t)c;
}

/* Rows [from, to) become block `number`. */
static cr_status close_block(maker *m, int64_t from, int64_t to, int32_t number, cr_err *err) {
    cr_weights *w = m->w;
    int64_t nx = w->src_shape[1];
    sort_found(m, number);
    for (int64_t i = 0; i < m->n_found; i++) {
        int32_t c = m->found[i];
        bool goes_on = i > 0 && c == m->found[i - 1] + 1 && c % nx != 0;
        if (!goes_on) {
            CR_TRY(grow((void **)&w->runs, w->n_runs, &m->cap_runs, sizeof *w->runs, err));
            w->runs[w->n_runs++] = (cr_weight_run){.first = c, .length = 0, .place = (int32_t)i};
        }
        w->runs[w->n_runs - 1].length++;
        m->at[c] = (int32_t)i;
    }
    for (int64_t k = w->begin[from]; k < w->begin[to]; k++)
        w->place[k] = m->at[m->col[k]];
    CR_TRY(grow((void **)&w->blocks, w->n_blocks, &m->cap_blocks, sizeof *w->blocks, err));
    w->blocks[w->n_blocks++] = (cr_weight_block){.row_end = to, .run_end = w->n_runs, .n_places = (int32_t)m->n_found};
    w->most_places = (int32_t)CR_MAX(w->most_places, m->n_found);
    m->n_found = 0;
    return CR_OK;
}

static cr_status make_blocks(maker *m, cr_err *err) {
    cr_weights *w = m->w;
    int64_t from = 0;
    int32_t number = 1;
    for (int64_t r = 0; r < w->n_dst; r++) {
        int64_t fresh = 0;
        for (int64_t k = w->begin[r]; k < w->begin[r + 1]; k++)
            fresh += m->seen[m->col[k]] != number;
        if (r > from && (m->n_found + fresh > BLOCK_PLACES || r - from >= BLOCK_ROWS)) {
            CR_TRY(close_block(m, from, r, number, err));
            from = r;
            number++;
        }
        for (int64_t k = w->begin[r]; k < w->begin[r + 1]; k++) {
            if (m->seen[m->col[k]] == number)
                continue;
            m->seen[m->col[k]] = number;
            CR_TRY(grow((void **)&m->found, m->n_found, &m->cap_found, sizeof *m->found, err));
            m->found[m->n_found++] = m->col[k];
        }
    }
    return from < w->n_dst ? close_block(m, from, w->n_dst, number, err) : CR_OK;
}

static void note_spans(cr_weights *w, const int32_t *col) {
    int64_t nx = w->dst_shape[1], src_nx = w->src_shape[1];
    for (int64_t r = 0; r < w->n_dst; r++)
        for (int64_t k = w->begin[r]; k < w->begin[r + 1]; k++) {
            int64_t y = col[k] / src_nx, x = col[k] % src_nx;
            widen(&w->row_y[r / nx], y, y + 1);
            widen(&w->row_x[r / nx], x, x + 1);
            widen(&w->col_y[r % nx], y, y + 1);
            widen(&w->col_x[r % nx], x, x + 1);
        }
}

static cr_status check_shape(const char *what, int ndim, const int64_t *shape, int64_t *ret_shape, int64_t *ret_n, cr_err *err) {
    if (ndim < 1 || ndim > 2)
        return CR_FAIL(err, CR_INVALID, "the %s grid has %d axes; 1 and 2 are possible", what, ndim);
    ret_shape[0] = ndim == 1 ? 1 : shape[0];
    ret_shape[1] = shape[ndim - 1];
    if (ret_shape[0] < 1 || ret_shape[1] < 1 || __builtin_mul_overflow(ret_shape[0], ret_shape[1], ret_n) || *ret_n > INT32_MAX - 1)
        return CR_FAIL(err, CR_INVALID, "the %s grid has %lld x %lld cells; 1 to 2^31 - 2 are possible", what, (long long)ret_shape[0],
                       (long long)ret_shape[1]);
    return CR_OK;
}

cr_status cr_weights_new(int src_ndim, const int64_t *src_shape, int dst_ndim, const int64_t *dst_shape, int64_t n, const int64_t *begin,
                         const int32_t *col, const double *weight, cr_weights **ret_weights, cr_err *err) {
    cr_weights *w = calloc(1, sizeof *w);
    cr_status status = CR_OK;
    maker m = {.w = w, .col = col};
    if (w == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for regridding weights");
    atomic_init(&w->refs, 1);
    w->src_ndim = src_ndim;
    w->dst_ndim = dst_ndim;
    CR_TRY_GOTO(check_shape("source", src_ndim, src_shape, w->src_shape, &w->n_src, err), out);
    CR_TRY_GOTO(check_shape("target", dst_ndim, dst_shape, w->dst_shape, &w->n_dst, err), out);
    w->n = n;
    w->begin = malloc(((size_t)w->n_dst + 1) * sizeof *w->begin);
    w->place = malloc(((size_t)n + 1) * sizeof *w->place);
    w->weight = malloc(((size_t)n + 1) * sizeof *w->weight);
    w->sum = malloc((size_t)w->n_dst * sizeof *w->sum);
    w->row_y = calloc((size_t)w->dst_shape[0], sizeof(cr_span));
    w->row_x = calloc((size_t)w->dst_shape[0], sizeof(cr_span));
    w->col_y = calloc((size_t)w->dst_shape[1], sizeof(cr_span));
    w->col_x = calloc((size_t)w->dst_shape[1], sizeof(cr_span));
    m.seen = calloc((size_t)w->n_src, sizeof *m.seen);
    m.at = malloc((size_t)w->n_src * sizeof *m.at);
    if (w->begin == NULL || w->place == NULL || w->weight == NULL || w->sum == NULL || w->row_y == NULL || w->row_x == NULL ||
        w->col_y == NULL || w->col_x == NULL || m.seen == NULL || m.at == NULL) {
        status = CR_FAIL(err, CR_MEMORY, "no memory for %lld regridding weights", (long long)n);
        goto out;
    }
    memcpy(w->begin, begin, ((size_t)w->n_dst + 1) * sizeof *begin);
    if (n > 0)
        memcpy(w->weight, weight, (size_t)n * sizeof *weight);
    for (int64_t r = 0; r < w->n_dst; r++) {
        w->sum[r] = 0;
        for (int64_t k = begin[r]; k < begin[r + 1]; k++)
            w->sum[r] += weight[k];
    }
    note_spans(w, col);
    status = make_blocks(&m, err);
out:
    free(m.seen);
    free(m.at);
    free(m.found);
    if (status == CR_OK)
        *ret_weights = w;
    else
        cr_weights_unref(w);
    return status;
}

typedef struct triplet {
    int32_t col;
    double weight;
} triplet;

static int compare_triplets(const void *a, const void *b) {
    const triplet *x = a, *y = b;
    if (x->col != y->col)
        return x->col < y->col ? -1 : 1;
    return (x->weight > y->weight) - (x->weight < y->weight);
}

/* Counting by rows, then each row by its columns. */
cr_status cr_weights_from_triplets(int src_ndim, const int64_t *src_shape, int dst_ndim, const int64_t *dst_shape, int64_t n,
                                   const int64_t *row, const int64_t *col, const double *weight, cr_weights **ret_weights, cr_err *err) {
    int64_t shape[2], n_src, n_dst, kept = 0;
    CR_TRY(check_shape("source", src_ndim, src_shape, shape, &n_src, err));
    CR_TRY(check_shape("target", dst_ndim, dst_shape, shape, &n_dst, err));
    if (n < 0 || n > (int64_t)(PTRDIFF_MAX / (int64_t)sizeof(triplet)) - 1)
        return CR_FAIL(err, CR_INVALID, "%lld regridding weights", (long long)n);
    cr_auto_free int64_t *begin = calloc((size_t)n_dst + 2, sizeof *begin);
    cr_auto_free triplet *sorted = malloc(((size_t)n + 1) * sizeof *sorted);
    if (begin == NULL || sorted == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld regridding weights", (long long)n);
    for (int64_t k = 0; k < n; k++) {
        if (row[k] < 0 || row[k] >= n_dst || col[k] < 0 || col[k] >= n_src)
            return CR_FAIL(err, CR_RANGE, "weight %lld is from cell %lld to cell %lld; the grids have %lld and %lld cells", (long long)k,
                           (long long)col[k], (long long)row[k], (long long)n_src, (long long)n_dst);
        if (!isfinite(weight[k]))
            return CR_FAIL(err, CR_INVALID, "weight %lld is %g", (long long)k, weight[k]);
        begin[row[k] + 2] += weight[k] != 0; /* a weight of nothing would spread NaN */
        kept += weight[k] != 0;
    }
    for (int64_t r = 2; r < n_dst + 2; r++)
        begin[r] += begin[r - 1];
    for (int64_t k = 0; k < n; k++)
        if (weight[k] != 0)
            sorted[begin[row[k] + 1]++] = (triplet){(int32_t)col[k], weight[k]};
    for (int64_t r = 0; r < n_dst; r++)
        qsort(sorted + begin[r], (size_t)(begin[r + 1] - begin[r]), sizeof *sorted, compare_triplets);
    cr_auto_free int32_t *cols = malloc(((size_t)kept + 1) * sizeof *cols);
    cr_auto_free double *weights = malloc(((size_t)kept + 1) * sizeof *weights);
    if (cols == NULL || weights == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld regridding weights", (long long)n);
    for (int64_t k = 0; k < kept; k++) {
        cols[k] = sorted[k].col;
        weights[k] = sorted[k].weight;
    }
    return cr_weights_new(src_ndim, src_shape, dst_ndim, dst_shape, kept, begin, cols, weights, ret_weights, err);
}

void cr_weights_triplets(const cr_weights *w, int64_t *ret_row, int64_t *ret_col, double *ret_weight) {
    int64_t row = 0, run = 0;
    for (int64_t b = 0; b < w->n_blocks; b++) {
        int64_t n_runs = w->blocks[b].run_end - run;
        for (; row < w->blocks[b].row_end; row++)
            for (int64_t k = w->begin[row]; k < w->begin[row + 1]; k++) {
                int64_t lo = run, hi = run + n_runs - 1;
                while (lo < hi) {
                    int64_t mid = lo + (hi - lo + 1) / 2;
                    if (w->runs[mid].place <= w->place[k])
                        lo = mid;
                    else
                        hi = mid - 1;
                }
                ret_row[k] = row;
                ret_col[k] = w->runs[lo].first + (w->place[k] - w->runs[lo].place);
                ret_weight[k] = w->weight[k];
            }
        run = w->blocks[b].run_end;
    }
}
