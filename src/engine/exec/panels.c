/* panels.c - how an array goes from one chunk grid to another. */
#include "engine/exec/panels.h"

#include <math.h>

#include "base/error.h"

static int64_t pieces(int64_t extent, int64_t size) { return extent / size + (extent % size != 0); }

/* Meetings of panels and source chunks along an axis, per source chunk. Both cut the axis; a border of both cuts it once. */
static double reads_along(int64_t extent, int64_t source, int64_t panel) {
    if (extent <= 1 || panel >= extent || panel % source == 0)
        return 1;
    int64_t a = source, b = panel;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    double both = floor((double)(extent - 1) / ((double)source / (double)a * (double)panel));
    double chunks = (double)pieces(extent, source);
    return CR_MAX((chunks + (double)pieces(extent, panel) - 1 - both) / chunks, 1.0);
}

double cr_panels_reads(const cr_panels *p) {
    double reads = 1;
    for (int i = 0; i < p->ndim; i++)
        reads *= reads_along(p->shape[i], p->source[i], p->panel[i]);
    return reads;
}

double cr_panels_bytes(const cr_panels *p) {
    double bytes = (double)p->itemsize;
    for (int i = 0; i < p->ndim; i++)
        bytes *= (double)CR_MIN(p->panel[i], p->shape[i]);
    return bytes;
}

int64_t cr_panels_count(const cr_panels *p) {
    int64_t n = 1;
    for (int i = 0; i < p->ndim; i++)
        if (__builtin_mul_overflow(n, pieces(p->shape[i], p->panel[i]), &n))
            return INT64_MAX;
    return n;
}

typedef struct step {
    int axis;
    int64_t panel;
    double worth;
} step;

/* How much one step helps: fewer reads for each doubling of the memory; what does not fit or not help is worth nothing. */
static void weigh(const cr_panels *p, int axis, int64_t panel, double most_bytes, step *best) {
    panel = CR_MIN(panel, p->shape[axis]);
    double growth = (double)panel / (double)p->panel[axis];
    if (growth <= 1 || cr_panels_bytes(p) * growth > most_bytes)
        return;
    double less = reads_along(p->shape[axis], p->source[axis], p->panel[axis]) / reads_along(p->shape[axis], p->source[axis], panel);
    double worth = less > 1 ? log(less) / log(growth) : 0;
    if (worth > best->worth * (1 + 1e-9))
        *best = (step){axis, panel, worth};
}

/* Largest multiple of `of` that the memory allows. */
static int64_t most_of(const cr_panels *p, int axis, int64_t of, double most_bytes) {
    double most = floor((double)p->panel[axis] * most_bytes / cr_panels_bytes(p));
    if (most >= (double)p->shape[axis])
        return p->shape[axis];
    int64_t n = (int64_t)most / of;
    return n * of;
}

static void grow_to_read_less(cr_panels *p, double most_bytes) {
    for (;;) {
        step best = {-1, 0, 0};
        for (int i = 0; i < p->ndim; i++) {
            int64_t chunk = p->chunk[i], to_source = pieces(p->source[i], chunk), k;
            if (p->panel[i] >= p->shape[i])
                continue;
            for (k = pieces(p->panel[i], chunk) + 1; k < pieces(p->shape[i], chunk); k += CR_MAX(k / 2, 1))
                weigh(p, i, k * chunk, most_bytes, &best);
            weigh(p, i, to_source * chunk, most_bytes, &best);
            weigh(p, i, most_of(p, i, chunk, most_bytes), most_bytes, &best);
            weigh(p, i, p->shape[i], most_bytes, &best);
        }
        if (best.axis < 0)
            return;
        p->panel[best.axis] = best.panel;
    }
}

/* Fewer panels cost less: the first axes grow while the reads do not. */
static void grow_to_be_few(cr_panels *p, double most_bytes) {
    for (int i = 0; i < p->ndim; i++) {
        int64_t old = p->panel[i], larger = most_of(p, i, old, most_bytes);
        double before = reads_along(p->shape[i], p->source[i], old);
        if (larger > old && reads_along(p->shape[i], p->source[i], larger) <= before)
            p->panel[i] = larger;
    }
}

void cr_panels_choose(cr_panels *p, uint64_t most_bytes) {
    for (int i = 0; i < p->ndim; i++)
        p->panel[i] = CR_MAX(CR_MIN(p->chunk[i], p->shape[i]), 1);
    grow_to_read_less(p, (double)most_bytes);
    grow_to_be_few(p, (double)most_bytes);
}

/* Grows a box of whole chunks until the memory is full, from the last axis on, where more is needed. */
static void fill_box(const cr_panels *p, const int64_t *chunk, const int64_t *wanted, double most_bytes, int64_t *ret_box) {
    cr_panels box = *p;
    for (int i = 0; i < p->ndim; i++)
        box.panel[i] = CR_MAX(CR_MIN(chunk[i], p->shape[i]), 1);
    for (int i = p->ndim - 1; i >= 0; i--)
        if (wanted[i] > box.panel[i]) {
            int64_t larger = most_of(&box, i, box.panel[i], most_bytes);
            int64_t enough = pieces(wanted[i], box.panel[i]) * box.panel[i];
            box.panel[i] = CR_MAX(box.panel[i], CR_MIN(larger, CR_MIN(enough, p->shape[i])));
        }
    for (int i = 0; i < p->ndim; i++)
        ret_box[i] = box.panel[i];
}

void cr_panels_between(const cr_panels *p, uint64_t most_bytes, int64_t *ret_chunk) {
    int64_t in[CR_MAX_DIMS], out[CR_MAX_DIMS];
    fill_box(p, p->source, p->chunk, (double)most_bytes, in);
    fill_box(p, p->chunk, p->source, (double)most_bytes, out);
    for (int i = 0; i < p->ndim; i++)
        ret_chunk[i] = CR_MAX(CR_MIN(in[i], out[i]), 1);
}
