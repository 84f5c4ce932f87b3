/* build.c - weights from two grids: threads take stretches of target cells, and what they find is put together in order. */
#include <stdlib.h>

#include "engine/exec/run.h"
#include "engine/regrid/search.h"

enum { STRETCH = 1024 };          /* target cells */
#define BYTES_EACH 48             /* of a weight, in all places where it is at the same time */

static const char *const method_names[] = {"bilinear", "conservative", "nearest"};

const char *cr_regrid_method_name(cr_regrid_method m) { return (unsigned)m < CR_REGRID_METHOD_COUNT ? method_names[m] : "?"; }

cr_status cr_regrid_method_find(const char *name, cr_regrid_method *ret_method, cr_err *err) {
    for (int i = 0; i < CR_REGRID_METHOD_COUNT; i++)
        if (strcmp(name, method_names[i]) == 0) {
            *ret_method = (cr_regrid_method)i;
            return CR_OK;
        }
    return CR_FAIL(err, CR_NOT_FOUND, "there is no method of regridding \"%.40s\"; there are bilinear, conservative, nearest", name);
}

cr_status cr_search_items(const cr_grid *g, int32_t **ret_items, int32_t *ret_n, cr_err *err) {
    int32_t n = 0, *items = malloc(((size_t)g->n + 1) * sizeof *items);
    if (items == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to search %lld cells", (long long)g->n);
    for (int32_t i = 0; i < g->n; i++)
        if (cr_grid_has(g, i))
            items[n++] = i;
    *ret_items = items;
    *ret_n = n;
    return CR_OK;
}

cr_status cr_found_add(cr_found *f, int64_t col, double weight, cr_err *err) {
    if (weight == 0)
        return CR_OK;
    if (f->n == f->cap) {
        int64_t cap = f->cap == 0 ? 4096 : 2 * f->cap;
        int32_t *cols = f->n >= f->most ? NULL : realloc(f->col, (size_t)cap * sizeof *cols);
        f->col = cols != NULL ? cols : f->col;
        double *weights = cols == NULL ? NULL : realloc(f->weight, (size_t)cap * sizeof *weights);
        f->weight = weights != NULL ? weights : f->weight;
        if (weights == NULL) {
            cr_status s = CR_FAIL(err, CR_MEMORY, "the weights from one grid to the other do not fit the memory limit");
            cr_err_hint(err, "raise the memory limit, or regrid to a part of the target");
            return s;
        }
        f->cap = cap;
    }
    f->col[f->n] = (int32_t)col;
    f->weight[f->n++] = weight;
    return CR_OK;
}

/* ---- stretches ---- */

typedef struct stretch {
    cr_found found;
    int32_t count[STRETCH];       /* weights per target cell */
    double share[STRETCH];
} stretch;

typedef struct build {
    cr_context *context;
    const cr_search *search;
    stretch **stretches;
    int64_t n_stretches;
    atomic_llong next, found;
    int64_t most;
    pthread_mutex_t lock;
    int64_t failed_at;            /* the lowest stretch that failed counts */
    cr_status status;
    cr_err err;
} build;

typedef struct numbered {
    int32_t col;
    int64_t at;
    double weight;
} numbered;

static int compare_numbered(const void *a, const void *b) {
    const numbered *x = a, *y = b;
    if (x->col != y->col)
        return x->col < y->col ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static cr_status sort_many(cr_found *f, int64_t first, cr_err *err) {
    int64_t n = f->n - first;
    cr_auto_free numbered *all = malloc((size_t)n * sizeof *all);
    if (all == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for regridding weights");
    for (int64_t i = 0; i < n; i++)
        all[i] = (numbered){f->col[first + i], i, f->weight[first + i]};
    qsort(all, (size_t)n, sizeof *all, compare_numbered);
    for (int64_t i = 0; i < n; i++) {
        f->col[first + i] = all[i].col;
        f->weight[first + i] = all[i].weight;
    }
    return CR_OK;
}

/* By column; weights of one column are added up. */
static cr_status sort_cell(cr_found *f, int64_t first, cr_err *err) {
    if (f->n - first > 64)
        CR_TRY(sort_many(f, first, err));
    for (int64_t i = first + 1; i < f->n; i++) {
        int32_t c = f->col[i];
        double w = f->weight[i];
        int64_t k = i;
        for (; k > first && f->col[k - 1] > c; k--) {
            f->col[k] = f->col[k - 1];
            f->weight[k] = f->weight[k - 1];
        }
        f->col[k] = c;
        f->weight[k] = w;
    }
    int64_t n = first;
    for (int64_t i = first; i < f->n; i++) {
        if (n > first && f->col[n - 1] == f->col[i]) {
            f->weight[n - 1] += f->weight[i];
        } else {
            f->col[n] = f->col[i];
            f->weight[n++] = f->weight[i];
        }
    }
    f->n = n;
    return CR_OK;
}

static cr_status run_stretch(build *b, int64_t number, cr_err *err) {
    const cr_search *s = b->search;
    stretch *t = calloc(1, sizeof *t);
    if (t == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for regridding weights");
    b->stretches[number] = t;
    int64_t from = number * STRETCH, end = CR_MIN(from + STRETCH, s->to->n);
    for (int64_t cell = from; cell < end; cell++) {
        if (cr_context_cancelled(b->context))
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        int64_t first = t->found.n;
        t->found.most = b->most - atomic_load_explicit(&b->found, memory_order_relaxed);
        if (cr_grid_has(s->to, cell))
            CR_TRY(s->find(s, cell, &t->found, &t->share[cell - from], err));
        CR_TRY(sort_cell(&t->found, first, err));
        t->count[cell - from] = (int32_t)(t->found.n - first);
    }
    atomic_fetch_add_explicit(&b->found, t->found.n, memory_order_relaxed);
    return CR_OK;
}

static void work(void *job, int worker) {
    build *b = job;
    (void)worker;
    for (;;) {
        int64_t number = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);
        if (number >= b->n_stretches)
            return;
        cr_err err = CR_ERR_INIT;
        cr_status status = run_stretch(b, number, &err);
        if (status == CR_OK)
            continue;
        pthread_mutex_lock(&b->lock);
        if (b->status == CR_OK || number < b->failed_at) {
            b->status = status;
            b->err = err;
            b->failed_at = number;
        }
        pthread_mutex_unlock(&b->lock);
        atomic_store_explicit(&b->next, b->n_stretches, memory_order_relaxed);
        return;
    }
}

/* ---- together ---- */

static cr_status areas_of(const cr_context *c, const cr_grid *g, bool polygons, double **ret_areas, cr_err *err) {
    double *areas = malloc((size_t)g->n * sizeof *areas);
    if (areas == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for the areas of %lld cells", (long long)g->n);
    *ret_areas = areas;
    return cr_grid_areas_as(c, g, polygons, areas, err);
}

static cr_status put_together(const build *b, cr_weights **ret_weights, cr_err *err) {
    const cr_search *s = b->search;
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < b->n_stretches; i++)
        n += b->stretches[i]->found.n;
    cr_auto_free int64_t *begin = malloc(((size_t)s->to->n + 1) * sizeof *begin);
    cr_auto_free int32_t *col = malloc(((size_t)n + 1) * sizeof *col);
    cr_auto_free double *weight = malloc(((size_t)n + 1) * sizeof *weight), *share = malloc((size_t)s->to->n * sizeof *share);
    if (begin == NULL || col == NULL || weight == NULL || share == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld regridding weights", (long long)n);
    begin[0] = 0;
    for (int64_t i = 0; i < b->n_stretches; i++) {
        stretch *t = b->stretches[i];
        if (t->found.n > 0) {
            memcpy(col + k, t->found.col, (size_t)t->found.n * sizeof *col);
            memcpy(weight + k, t->found.weight, (size_t)t->found.n * sizeof *weight);
        }
        k += t->found.n;
        for (int64_t cell = i * STRETCH; cell < CR_MIN((i + 1) * STRETCH, s->to->n); cell++) {
            begin[cell + 1] = begin[cell] + t->count[cell - i * STRETCH];
            share[cell] = t->share[cell - i * STRETCH];
        }
        free(t->found.col);
        free(t->found.weight);
        t->found = (cr_found){0};
    }
    cr_weights *w;
    CR_TRY(cr_weights_new(s->from->ndim, s->from->shape, s->to->ndim, s->to->shape, n, begin, col, weight, &w, err));
    cr_status status = CR_OK;
    if (s->options.method == CR_REGRID_CONSERVATIVE) {
        bool polygons = !s->from->rectilinear || !s->to->rectilinear;
        status = areas_of(s->context, s->from, polygons, &w->src_area, err);
        if (status == CR_OK)
            status = areas_of(s->context, s->to, polygons, &w->dst_area, err);
        w->dst_fraction = share;
        share = NULL;
    }
    if (status == CR_OK)
        *ret_weights = w;
    else
        cr_weights_unref(w);
    return status;
}

static cr_status run(cr_context *c, const cr_search *s, cr_weights **ret_weights, cr_err *err) {
    build b = {.context = c, .search = s, .n_stretches = (s->to->n + STRETCH - 1) / STRETCH, .status = CR_OK};
    b.most = (int64_t)CR_MIN(c->memory_limit_bytes / BYTES_EACH, (uint64_t)1 << 40);
    b.stretches = calloc((size_t)b.n_stretches, sizeof *b.stretches);
    if (b.stretches == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for regridding weights");
    pthread_mutex_init(&b.lock, NULL);
    cr_status status = cr_context_take(c, err);
    if (status == CR_OK) {
        cr_team_run(c->team, c->threads, work, NULL, &b);
        cr_context_give(c);
        status = b.status;
        if (status != CR_OK && err != NULL)
            *err = b.err;
    }
    pthread_mutex_destroy(&b.lock);
    if (status == CR_OK)
        status = put_together(&b, ret_weights, err);
    for (int64_t i = 0; i < b.n_stretches; i++)
        if (b.stretches[i] != NULL) {
            free(b.stretches[i]->found.col);
            free(b.stretches[i]->found.weight);
            free(b.stretches[i]);
        }
    free(b.stretches);
    return status;
}

cr_status cr_weights_make(cr_context *c, const cr_grid *from, const cr_grid *to, const cr_weights_options *options,
                          cr_weights **ret_weights, cr_err *err) {
    cr_search s = {.context = c, .from = from, .to = to};
    if (options != NULL)
        s.options = *options;
    if ((unsigned)s.options.method >= CR_REGRID_METHOD_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no method of regridding number %d", (int)s.options.method);
    cr_context_begin(c);
    cr_status status = s.options.method == CR_REGRID_BILINEAR       ? cr_search_bilinear(&s, err)
                       : s.options.method == CR_REGRID_CONSERVATIVE ? cr_search_conservative(&s, err)
                                                                    : cr_search_nearest(&s, err);
    if (status == CR_OK)
        status = run(c, &s, ret_weights, err);
    cr_context_end(c);
    cr_search_done(&s);
    return status;
}
