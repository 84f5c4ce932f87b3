/* rechunk_run.c - moves the values of one variable from chunk grid to chunk grid, panel by panel, through an intermediate store when
 * that reads less. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/array/node.h"
#include "engine/dataset/panels.h"
#include "engine/dataset/rechunk.h"
#include "engine/exec/run.h"

enum { TRIES = 6 };

void cr_rechunk_progress(void *user, double done, double total, int phase, int n_phases) {
    cr_rechunk_run *r = user;
    double panel = total > 0 ? ((double)phase + done / total) / (double)CR_MAX(n_phases, 1) : 1;
    double now = r->done_bytes + r->panel_bytes * CR_MIN(panel, 1.0);
    if (!r->progress || now <= r->shown || now >= r->total_bytes)
        return;                       /* the end is shown once, when everything is in place */
    r->shown = now;
    r->progress(r->progress_user, now, r->total_bytes, 0, 1);
}

/* ---- one panel ---- */

typedef struct shifted {              /* a sink that sees a panel as part of the whole */
    const cr_sink *sink;
    int ndim;
    const int64_t *start;
} shifted;

static cr_status write_shifted(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const shifted *s = user;
    int64_t at[CR_MAX_DIMS];
    for (int i = 0; i < s->ndim; i++)
        at[i] = start[i] + s->start[i];
    return s->sink->write(s->sink->user, at, count, data, err);
}

static cr_status write_panel(cr_context *c, const cr_panels *p, cr_array *values, const int64_t *start, const cr_sink *sink, cr_err *err) {
    cr_slice slices[CR_MAX_DIMS];
    cr_array *part = NULL;
    for (int i = 0; i < p->ndim; i++)
        slices[i] = (cr_slice){start[i], 1, CR_MIN(p->panel[i], p->shape[i] - start[i])};
    CR_TRY(cr_array_slice(values, slices, &part, err));
    shifted user = {sink, p->ndim, start};
    cr_sink to = {p->chunk, sink->serial, write_shifted, &user};
    cr_status status = cr_compute_to(c, 1, &part, &to, err);
    cr_array_unref(part);
    return status;
}

static cr_status write_panels(cr_rechunk_run *r, cr_context *c, const cr_panels *p, cr_array *values, const cr_sink *sink, double share,
                              bool *ret_begun, cr_err *err) {
    int64_t start[CR_MAX_DIMS] = {0};
    double weight = share / (double)cr_panels_count(p);
    for (;;) {
        r->panel_bytes = weight;
        if (atomic_load_explicit(&c->cancels, memory_order_relaxed) != r->cancels)
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        CR_TRY(write_panel(c, p, values, start, sink, err));
        r->done_bytes += weight;
        r->panel_bytes = 0;
        r->report.n_panels++;
        *ret_begun = true;
        int axis = p->ndim - 1;
        while (axis >= 0 && (start[axis] += p->panel[axis]) >= p->shape[axis])
            start[axis--] = 0;
        if (axis < 0)
            return CR_OK;
    }
}

/* ---- one variable ---- */

static bool is_empty(const cr_panels *p) {
    for (int i = 0; i < p->ndim; i++)
        if (p->shape[i] == 0)
            return true;
    return false;
}

static cr_status source_grid(cr_array *values, cr_panels *p, cr_err *err) {
    p->ndim = values->ndim;
    p->itemsize = values->itemsize;
    for (int i = 0; i < p->ndim; i++) {
        int64_t n = cr_array_chunks(values, i, NULL);
        cr_auto_free int64_t *sizes = calloc((size_t)CR_MAX(n, 1), sizeof *sizes);
        if (!sizes)
            return CR_FAIL(err, CR_MEMORY, "no memory for the sizes of %lld chunks", (long long)n);
        cr_array_chunks(values, i, sizes);
        p->shape[i] = values->shape[i];
        p->source[i] = CR_MAX(n ? sizes[0] : 1, 1);
    }
    return CR_OK;
}

/* The panels are made smaller until the executor, which knows what reading needs besides, takes them. */
static cr_status write_directly(cr_rechunk_run *r, cr_context *c, cr_panels *p, uint64_t budget, cr_array *values, const cr_sink *sink,
                                double share, cr_err *err) {
    for (int i = 0;; i++, budget /= 2) {
        bool begun = false;
        cr_err why = CR_ERR_INIT;
        cr_panels_choose(p, budget);
        cr_status status = write_panels(r, c, p, values, sink, share, &begun, &why);
        if (status == CR_MEMORY && !begun && i < TRIES && cr_panels_bytes(p) > (double)budget / 4)
            continue;
        r->report.most_reads = CR_MAX(r->report.most_reads, cr_panels_reads(p));
        if (status != CR_OK && err)
            *err = why;
        return status;
    }
}

/* Nobody looks at the intermediate store but us: one variable, no dimension names to keep. */
static cr_status write_stage(cr_rechunk_run *r, cr_context *c, const cr_panels *p, const cr_write_item *item, const char *path, cr_err *err) {
    static const char *const names[CR_MAX_DIMS] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10", "11", "12", "13", "14", "15",
                                                   "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31"};
    cr_write_variable v = {.name = "values", .ndim = p->ndim, .dims = names, .shape = p->shape, .chunks = p->chunk, .dtype = item->v.dtype,
                           .codec = "lz4", .level = 1, .shuffle = true, .fill = item->v.fill};
    cr_write_options options = {.format = "zarr3"};
    cr_writer *w = NULL;
    CR_TRY(cr_writer_new(path, &options, &w, err));
    cr_status status = cr_writer_variable(w, &v, item->values, err);
    if (status == CR_OK)
        status = cr_writer_finish_with(w, c, cr_rechunk_values, r, err);
    cr_writer_free(w);
    return status;
}

static cr_status write_staged(cr_rechunk_run *r, cr_context *c, const cr_panels *p, uint64_t budget, const cr_write_item *item, const cr_sink *sink,
                              double share, cr_err *err) {
    cr_panels first = *p, second = *p;
    cr_auto_free char *path = NULL;
    cr_file *file = NULL;
    cr_array *values = NULL;
    cr_panels_between(p, budget, first.chunk);
    memcpy(second.source, first.chunk, sizeof second.source);
    if (asprintf(&path, "%s/stage-%d", r->scratch, r->report.n_staged) < 0) {
        path = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    cr_rechunk_run part = {.cancels = r->cancels, .scratch = NULL, .done_bytes = r->done_bytes, .total_bytes = r->total_bytes, .shown = r->shown,
                           .progress = r->progress, .progress_user = r->progress_user};
    cr_context_set_progress(c, cr_rechunk_progress, &part);
    cr_status status = write_stage(&part, c, &first, item, path, err);
    cr_context_set_progress(c, cr_rechunk_progress, r);
    r->done_bytes += share / 2;
    r->shown = part.shown;
    r->report.n_panels += part.report.n_panels;
    r->report.most_reads = CR_MAX(r->report.most_reads, part.report.most_reads);
    r->report.n_staged++;
    if (status == CR_OK)
        status = cr_file_open(path, NULL, &file, err);
    if (status == CR_OK)
        status = cr_file_array(file, "values", &values, err);
    cr_file_close(file);
    if (status == CR_OK)
        status = write_directly(r, c, &second, budget, values, sink, share / 2, err);
    cr_array_unref(values);
    return status;
}

static cr_status move_values(cr_rechunk_run *r, cr_context *c, const cr_write_item *item, const cr_sink *sink, cr_err *err) {
    cr_panels p = {0};
    uint64_t budget = cr_context_memory_limit(c) / 2;
    CR_TRY(source_grid(item->values, &p, err));
    if (is_empty(&p))
        return CR_OK;
    for (int i = 0; i < p.ndim; i++)
        p.chunk[i] = item->v.chunks[i];
    double share = (double)p.itemsize;
    for (int i = 0; i < p.ndim; i++)
        share *= (double)p.shape[i];
    cr_panels_choose(&p, budget);
    /* An intermediate costs a writing and a reading more. A quarter: both sides of its chunks have to fit with what reading needs. */
    cr_panels between = p, last = p;
    cr_panels_between(&p, budget / 2, between.chunk);
    memcpy(last.source, between.chunk, sizeof last.source);
    cr_panels_choose(&between, budget / 2);
    cr_panels_choose(&last, budget / 2);
    bool staged = r->scratch && cr_panels_reads(&p) > CR_RECHUNK_MOST_READS &&
                  cr_panels_reads(&between) + cr_panels_reads(&last) + 1 < cr_panels_reads(&p);
    return staged ? write_staged(r, c, &p, budget / 2, item, sink, share, err)
                  : write_directly(r, c, &p, budget, item->values, sink, share * (r->scratch ? 1 : 0.5), err);
}

cr_status cr_rechunk_values(void *user, cr_context *c, const cr_write_item *item, const cr_sink *sink, cr_err *err) {
    cr_rechunk_run *r = user;
    cr_status status = move_values(r, c, item, sink, err);
    if (status == CR_MEMORY && err && !err->hint[0]) {
        char limit[16];
        cr_err_hint(err, "one chunk and what it is read from must fit into %s: allow more memory, use fewer threads, or choose smaller chunks",
                    cr_text_bytes(cr_context_memory_limit(c), limit, sizeof limit));
    }
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", item->v.name);
    return status;
}
