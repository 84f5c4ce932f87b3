/* foretell.c - rates of this machine, and what a plan takes by them. */
#include "engine/exec/foretell.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/array/weights.h"
#include "engine/codec/codec.h"

#define COPY_BYTES ((size_t)4 << 20)
#define INFLATE_BYTES ((size_t)1 << 17)
#define STEP_ELEMENTS 4096
#define STEP_ROUNDS 16
#define TRIES 3                       /* the best counts: others may be using the machine */

/* Steps per element, by kind of operation: a load and a step of the program are 1. */
#define FOLD_STEPS 1.5
#define RANK_STEPS 12.0               /* selecting in a panel, after putting it there */
#define ALONG_STEPS 4.0
#define WEIGHT_STEPS 2.0

/* ---- rates ---- */

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static cr_status measure_copy(double *ret_rate, cr_err *err) {
    cr_auto_free char *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    double best = 1;
    if (from == NULL || to == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to measure how fast it is copied");
    memset(from, 1, COPY_BYTES);
    memset(to, 2, COPY_BYTES);
    for (int i = 0; i < TRIES; i++) {
        double begin = now_s();
        memcpy(to, from, COPY_BYTES);
        *(volatile char *)&to[i] = to[COPY_BYTES - 1];     /* it is needed */
        best = CR_MIN(best, now_s() - begin);
    }
    *ret_rate = (double)COPY_BYTES / CR_MAX(best, 1e-9);
    return CR_OK;
}

/* Numbers like a field's: the upper bits repeat, the lower do not. */
static void fill_field(uint32_t *values, size_t n) {
    uint32_t noise = 1;
    for (size_t i = 0; i < n; i++) {
        noise = noise * 1664525 + 1013904223;
        values[i] = 0x43800000u + ((uint32_t)(i / 64) << 9) + (noise >> 20);
    }
}

static cr_status measure_inflate(double *ret_rate, cr_err *err) {
    const cr_codec_chain chain = {.n = 1, .codecs = {{.id = CR_CODEC_ZLIB, .level = 1}}};
    size_t room = cr_codec_chain_encode_room(&chain, INFLATE_BYTES), aside = cr_codec_chain_decode_room(&chain, INFLATE_BYTES), n = 0;
    cr_auto_free char *plain = malloc(INFLATE_BYTES), *packed = malloc(room), *temporary = malloc(aside + 1);
    cr_codec_work *work = NULL;
    const void *bytes = NULL;
    double best = 1;
    if (plain == NULL || packed == NULL || temporary == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to measure how fast is inflated");
    fill_field((uint32_t *)(void *)plain, INFLATE_BYTES / sizeof(uint32_t));
    CR_TRY(cr_codec_work_new(&work, err));
    cr_status status = cr_codec_chain_encode(&chain, work, plain, INFLATE_BYTES, packed, &bytes, &n, err);
    for (int i = 0; i < TRIES && status == CR_OK; i++) {
        double begin = now_s();
        status = cr_codec_chain_decode(&chain, work, bytes, n, plain, INFLATE_BYTES, aside > 0 ? temporary : NULL, err);
        best = CR_MIN(best, now_s() - begin);
    }
    cr_codec_work_free(work);
    *ret_rate = (double)INFLATE_BYTES / CR_MAX(best, 1e-9);
    return status;
}

static double measure_step_ns(void) {
    double values[STEP_ELEMENTS], best = 1;
    for (int i = 0; i < STEP_ELEMENTS; i++)
        values[i] = i;
    for (int t = 0; t < TRIES; t++) {
        double begin = now_s();
        for (int round = 0; round < STEP_ROUNDS; round++) {
            for (int i = 0; i < STEP_ELEMENTS; i++)
                values[i] = values[i] * 0.999 + 1.0;
            *(volatile double *)&values[round] = values[round + 1];
        }
        best = CR_MIN(best, now_s() - begin);
    }
    return CR_MAX(best * 1e9 / (STEP_ELEMENTS * STEP_ROUNDS), 0.01);
}

static cr_status rates_of(cr_context *c, cr_rates *ret_rates, cr_err *err) {
    cr_status status = CR_OK;
    pthread_mutex_lock(&c->rates_lock);
    if (c->rates.step_ns == 0) {
        cr_rates r = {0};
        status = measure_copy(&r.copy_bytes_per_s, err);
        if (status == CR_OK)
            status = measure_inflate(&r.inflate_bytes_per_s, err);
        r.step_ns = measure_step_ns();
        if (status == CR_OK)
            c->rates = r;
    }
    *ret_rates = c->rates;
    pthread_mutex_unlock(&c->rates_lock);
    return status;
}

/* ---- the plan ---- */

/* Chunks that cells touch, over chunks there are: how often a chunk is decoded. Product of the axes' own factors. Cells that were cut finer
 * are cells like others; only below a concat, where positions mean little, the number of cuts has to do. */
static double times_read(const cr_scan *scan, const cr_leaf *l) {
    double touched = 1, chunks = 1;
    if (l->stays > 0) /* cells are pieces of what is decoded once */
        return 1;
    if (scan->program.n_scopes > 0)
        return (double)CR_MAX(1, scan->refine);
    for (int a = 0; a < l->access->ndim; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        if (x->dim < 0)
            continue;
        int64_t last = -1, n = 0, t = 0;
        for (int64_t i = 0; i < scan->cells.n[x->dim]; i++) {
            int64_t lo = cr_cells_begin(&scan->cells, x->dim, i), hi = scan->cells.ends[x->dim][i];
            if (scan->part != NULL && (lo < scan->part->lo[x->dim] || lo >= scan->part->hi[x->dim]))
                continue;
            int64_t from = cr_cuts_find(l->node->cuts[a], x->index != NULL ? x->index[lo] : x->start + x->step * lo);
            int64_t to = cr_cuts_find(l->node->cuts[a], x->index != NULL ? x->index[hi - 1] : x->start + x->step * (hi - 1));
            int64_t across = (from < to ? to - from : from - to) + 1;
            t += across;
            n += across - (from == last);
            last = to;
        }
        touched *= (double)CR_MAX(1, t);
        chunks *= (double)CR_MAX(1, n);
    }
    return touched / chunks;
}

double cr_foretell_redecode(const cr_scan *scan, const cr_leaf *l) { return (l->in_parts ? l->part_again : 1) * times_read(scan, l); }

/* Elements of an axis that are decoded for one cell: of whole pieces, each as often as positions come to it anew. */
static double decoded_along(const cr_cuts *cuts, const cr_access_axis *x, int64_t lo, int64_t hi) {
    double n = 0;
    int64_t first = x->start + x->step * lo, last = x->start + x->step * (hi - 1);
    if (x->index == NULL && x->step != 0) {
        int64_t from = cr_cuts_find(cuts, CR_MIN(first, last)), to = cr_cuts_find(cuts, CR_MAX(first, last));
        return (double)(cr_cuts_begin(cuts, to + 1) - cr_cuts_begin(cuts, from));
    }
    int64_t begin = 0, end = 0;
    for (int64_t i = lo; i < hi; i++) {
        int64_t at = x->index != NULL ? x->index[i] : x->start;
        if (at >= begin && at < end)
            continue;
        int64_t piece = cr_cuts_find(cuts, at);
        begin = cr_cuts_begin(cuts, piece);
        end = cr_cuts_begin(cuts, piece + 1);
        n += (double)(end - begin);
    }
    return n;
}

double cr_foretell_decoded(const cr_scan *scan, const cr_leaf *l) {
    double elements = 1;
    if (scan->nested || scan->program.n_scopes > 0 || l->stays > 0 || l->in_parts)
        return (double)l->read_bytes * (scan->nested && !l->in_parts ? 1 : cr_foretell_redecode(scan, l));
    for (int a = 0; a < l->access->ndim; a++) {
        const cr_access_axis *x = &l->access->axis[a];
        double n = 0;
        if (x->dim < 0) {
            int64_t piece = cr_cuts_find(l->node->cuts[a], x->start);
            elements *= (double)(cr_cuts_begin(l->node->cuts[a], piece + 1) - cr_cuts_begin(l->node->cuts[a], piece));
            continue;
        }
        for (int64_t i = 0; i < scan->cells.n[x->dim]; i++) {
            int64_t lo = cr_cells_begin(&scan->cells, x->dim, i), hi = scan->cells.ends[x->dim][i];
            bool outside = scan->part != NULL && (lo < scan->part->lo[x->dim] || lo >= scan->part->hi[x->dim]);
            if (!outside && (scan->wanted == NULL || scan->wanted_axis != x->dim || scan->wanted[i]))
                n += decoded_along(l->node->cuts[a], x, lo, hi);
        }
        elements *= n;
    }
    return elements * (double)l->itemsize;
}

static double elements_of(const cr_scan *s) {
    double n = s->empty ? 0 : 1;
    for (int d = 0; d < s->program.ndim; d++)
        n *= (double)s->program.shape[d];
    return n;
}

/* Whether a source is compressed is told by one of its chunks; one that is absent costs what filling it costs. */
static double read_s(const cr_foretold *f, const cr_scan *scan, const cr_leaf *l) {
    cr_source *s = ((const cr_stored_params *)l->node->params)->source;
    const int64_t first[CR_MAX_DIMS] = {0};
    size_t stored = s->ops->stored_bytes != NULL && l->node->size > 0 ? s->ops->stored_bytes(s, first) : SIZE_MAX;
    double bytes = (double)l->read_bytes * (scan->nested ? 1 : cr_foretell_redecode(scan, l));
    bool packed = stored == SIZE_MAX || (stored > 0 && stored < s->chunk_bytes);
    return bytes / f->rates.copy_bytes_per_s + (packed ? bytes / f->rates.inflate_bytes_per_s : 0);
}

/* The share that the scan has to decode: what the scans of a family keep of a source is decoded for the first of them. */
static double share_to_decode(const cr_plan *plan, const cr_scan *scan, const cr_leaf *l) {
    for (const cr_scan *s = plan->scans; l->kept > 0 && s < scan; s++)
        for (int32_t i = 0; s->columns == scan->columns && i < s->program.n_leaves; i++)
            if (s->program.leaves[i].kept == l->kept) {
                const cr_columns *g = &plan->columns[scan->columns - 1];
                return 1 - (double)g->keep_bytes / (double)CR_MAX(1, g->wanted_bytes);
            }
    return 1;
}

static double steps_of_sinks(const cr_scan *scan) {
    double steps = 0;
    for (int i = 0; i < scan->n_sinks; i++)
        steps += scan->sinks[i].ranks ? RANK_STEPS : scan->sinks[i].reduces ? FOLD_STEPS : 1;
    return steps;
}

/* Adds the time of one worker. outer: the scan of the plan that this is, or lies in. */
static void add_scan(cr_foretold *f, const cr_plan *plan, const cr_scan *scan, const cr_scan *outer, double workers) {
    double elements = elements_of(scan), steps = steps_of_sinks(scan) + scan->program.n_values, extra = 0;
    for (int32_t i = 0; i < scan->program.n_leaves && !scan->empty; i++) {
        const cr_leaf *l = &scan->program.leaves[i];
        f->n_callbacks += l->kind == CR_LEAF_CALLBACK;
        if (l->kind == CR_LEAF_STORED)
            f->read_s += read_s(f, scan, l) * (scan == outer ? share_to_decode(plan, scan, l) : 1) / workers;
        if (l->kind == CR_LEAF_SPILLED)
            f->read_s += (double)l->read_bytes / f->rates.copy_bytes_per_s / workers;
        if (l->kind != CR_LEAF_ALONG)
            continue;
        add_scan(f, plan, l->inner, outer, workers);
        if (l->node->op == CR_OP_REGRID) {
            const cr_weights *w = ((const cr_regrid_params *)l->node->params)->weights;
            extra += WEIGHT_STEPS * elements * (double)w->n / (double)CR_MAX(1, w->n_dst);
        } else {
            extra += ALONG_STEPS * elements_of(l->inner);
        }
    }
    f->compute_s += 1e-9 * f->rates.step_ns * (elements * steps + extra) / workers;
}

cr_status cr_foretell(cr_context *c, const cr_plan *plan, cr_foretold *ret_foretold, cr_err *err) {
    cr_foretold f = {0};
    CR_TRY(rates_of(c, &f.rates, err));
    for (int32_t i = 0; i < plan->n_scans; i++)
        add_scan(&f, plan, &plan->scans[i], &plan->scans[i], CR_MAX(1, plan->scans[i].workers));
    *ret_foretold = f;
    return CR_OK;
}
