/* rechunk_run.c - moves the values of one variable from chunk grid to chunk grid, panel by panel: all at once where the chunks of the destination can be
 * made piece by piece, through an intermediate store when that reads less. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/array/node.h"
#include "engine/dataset/rechunk.h"
#include "engine/exec/reduced_panels.h"
#include "engine/exec/run.h"

enum { TRIES = 6, MOST_BOXES = 32, MOST_FILES = 256, MOST_CELLS = 64 };
#define MOST_DECODES 10.0         /* of all that is read, for a reduction that is made for each panel */
#define STAGE_CHUNK_BYTES ((double)(2 << 20))
#define STAGE_CHUNKS 8192.0
#define DIRECT_BYTES ((double)(32 << 20))

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

static cr_status write_box(cr_context *c, cr_array *values, const cr_write_box *box, const cr_sink *sink, cr_err *err) {
    cr_array *part = NULL;
    cr_write_shift shift;
    cr_sink to;
    CR_TRY(cr_write_part(values, box, sink, &shift, &part, &to, err));
    cr_status status = cr_compute_to(c, 1, &part, &to, err);
    cr_array_unref(part);
    return status;
}

/* What is not finished of a panel, which is all or nothing of it but for the panels that were begun when a process was killed. */
static cr_status write_panel(cr_context *c, const cr_panels *p, const cr_write_item *item, cr_array *values,
                             const int64_t *start, const cr_sink *sink, cr_err *err) {
    cr_write_box panel = {0}, boxes[MOST_BOXES];
    for (int i = 0; i < p->ndim; i++) {
        panel.start[i] = start[i];
        panel.count[i] = CR_MIN(p->panel[i], p->shape[i] - start[i]);
    }
    if (!item->done)
        return write_box(c, values, &panel, sink, err);
    for (int n = MOST_BOXES; n == MOST_BOXES;) {
        CR_TRY(cr_write_missing(item, &panel, boxes, MOST_BOXES, &n, err));
        for (int k = 0; k < n; k++)
            CR_TRY(write_box(c, values, &boxes[k], sink, err));
        cr_write_mark(item, boxes, n);
    }
    return CR_OK;
}

static cr_status write_panels(cr_rechunk_run *r, cr_context *c, const cr_panels *p, const cr_write_item *item, cr_array *values,
                              const cr_sink *sink, double share, bool *ret_begun, cr_err *err) {
    int64_t start[CR_MAX_DIMS] = {0};
    double weight = share / (double)cr_panels_count(p);
    for (;;) {
        r->panel_bytes = weight;
        if (cr_context_cancelled(c))
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        CR_TRY(write_panel(c, p, item, values, start, sink, err));
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

static bool is_finished(const cr_write_item *item) {
    int64_t n = 0;
    for (int64_t k = 0; item->done && k < item->n_chunks / 64 + 1; k++)
        n += __builtin_popcountll(item->done[k]);
    return item->done && n == item->n_chunks;
}

cr_status cr_rechunk_source(cr_array *values, cr_panels *p, cr_err *err) {
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
static cr_status write_directly(cr_rechunk_run *r, cr_context *c, cr_panels *p, uint64_t budget, const cr_write_item *item, cr_array *values,
                                const cr_sink *sink, double share, cr_err *err) {
    for (int i = 0;; i++, budget /= 2) {
        bool begun = false;
        cr_err why = CR_ERR_INIT;
        cr_panels_choose(p, budget);
        cr_status status = write_panels(r, c, p, item, values, sink, share, &begun, &why);
        if (status == CR_MEMORY && !begun && i < TRIES && cr_panels_bytes(p) > (double)budget / 4)
            continue;
        r->report.most_reads = CR_MAX(r->report.most_reads, cr_panels_reads(p));
        if (status != CR_OK && err)
            *err = why;
        return status;
    }
}

/* How often what is stored is read in all, by way of an intermediate store in these chunks. */
static double staged_reads(const cr_panels *p, uint64_t budget, const int64_t *chunk) {
    cr_panels first = *p, second = *p;
    memcpy(first.chunk, chunk, sizeof first.chunk);
    memcpy(second.source, chunk, sizeof second.source);
    cr_panels_choose(&first, budget);
    cr_panels_choose(&second, budget);
    return cr_panels_reads(&first) + cr_panels_reads(&second);
}

/* The largest chunks of the intermediate store fill the memory, and what is decoded of one would go through memory three times until it lies in those of
 * the destination. Smaller ones stay in a cache meanwhile; not such as are read more often, nor very many. */
static void cut_between(const cr_panels *p, uint64_t budget, int64_t *chunk) {
    double before = staged_reads(p, budget, chunk), most = (double)p->itemsize / STAGE_CHUNKS;
    for (int i = 0; i < p->ndim; i++)
        most *= (double)p->shape[i];
    most = CR_MAX(most, STAGE_CHUNK_BYTES);
    for (int i = 0; i < p->ndim; i++) {
        double bytes = (double)p->itemsize;
        for (int k = 0; k < p->ndim; k++)
            bytes *= (double)chunk[k];
        int64_t old = chunk[i], n = (int64_t)CR_MIN(ceil(bytes / most), (double)old);
        if (n <= 1)
            continue;
        chunk[i] = (old + n - 1) / n;
        if (staged_reads(p, budget, chunk) > before * (1 + 1e-9))
            chunk[i] = old;
    }
}

/* Nobody looks at the intermediate store but us: one variable, no dimension names to keep. */
static cr_status write_stage(cr_rechunk_run *r, cr_context *c, const cr_panels *p, const cr_write_item *item, const char *path, bool resume,
                             cr_err *err) {
    static const char *const names[CR_MAX_DIMS] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10", "11", "12", "13", "14", "15",
                                                   "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31"};
    cr_write_variable v = {.name = "values", .ndim = p->ndim, .dims = names, .shape = p->shape, .chunks = p->chunk, .dtype = item->v.dtype,
                           .itemsize = item->v.itemsize, .utf32 = item->v.utf32,
                           .codec = "lz4", .level = 1, .shuffle = true, .fill = item->v.fill};
    cr_write_options options = {.format = "zarr3", .journal = item->done != NULL, .resume = resume};
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
    cut_between(p, budget, first.chunk);
    if (asprintf(&path, "%s/stage-%d", r->scratch, r->n_begun) < 0) {
        path = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    cr_rechunk_run part = {.scratch = NULL, .is_stage = true, .done_bytes = r->done_bytes, .total_bytes = r->total_bytes, .shown = r->shown,
                           .progress = r->progress, .progress_user = r->progress_user};
    cr_context_set_progress(c, cr_rechunk_progress, &part);
    /* A killed run may have left it, whole or begun; with another memory limit its chunks are others, so it is made anew if it was begun only. */
    cr_status status = access(path, F_OK) == 0 ? CR_OK : write_stage(&part, c, &first, item, path, item->done != NULL, err);
    if (status == CR_CONFLICT)
        status = write_stage(&part, c, &first, item, path, false, err);
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
    if (status == CR_OK)
        memcpy(second.source, cr_file_find(file, "values")->chunks, (size_t)p->ndim * sizeof *second.source);
    cr_file_close(file);
    if (status == CR_OK)
        status = write_directly(r, c, &second, budget, item, values, sink, share / 2, err);
    cr_array_unref(values);
    return status;
}

/* ---- in pieces ---- */

/* Of a panel in pieces only the blocks that are begun are in memory, and its chunks are open files. So it may be as wide as the source, but not so long
 * that a killed write has much to do again: chunks are finished at its end only. */
#define STREAM_MOST_BYTES ((double)((uint64_t)16 << 30))
#define STREAM_MOST_READS 2.0

/* Chunks of one panel. Files are of the whole process. */
static int64_t most_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    return (int64_t)CR_MIN(limit.rlim_cur / 4, (rlim_t)MOST_FILES);
}

/* How much of an axis the executor computes at once; 0: not known. */
static int64_t cell_along(cr_context *c, cr_array *values, const cr_sink *sink, int axis) {
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = cr_context_room(c), .only_cells = true};
    cr_output_spec output = {.sink = sink};
    cr_plan plan;
    int64_t cell = 0;
    cr_status status = cr_plan_make(&plan, 1, &values, &output, &o, NULL);
    for (int d = 0; status == CR_OK && plan.n_scans == 1 && plan.scans[0].n_sinks == 1 && d < values->ndim; d++)
        if (plan.scans[0].sinks[0].out_axis[d] == axis && plan.scans[0].cells.n[d] > 0)
            cell = plan.scans[0].cells.ends[d][0];
    cr_plan_done(&plan);
    return cell;
}

static int64_t panel_chunks(const cr_panels *p) {
    int64_t n = 1;
    for (int i = 0; i < p->ndim; i++)
        if (__builtin_mul_overflow(n, (p->panel[i] + p->chunk[i] - 1) / p->chunk[i], &n))
            return INT64_MAX;
    return n;
}

/* Rows of a box, whole cells, of which workers have two rows over the panel open each, beside the blocks that are begun, what waits for its turn, and
 * what open chunks hold; 0: there is no room for one cell. */
static int64_t box_rows(cr_context *c, const cr_panels *p, const cr_write_pieces *pieces, int cut, int64_t cell) {
    int64_t block = pieces->sink.chunks[cut];
    double row = (double)p->itemsize, room = (double)cr_context_room(c) / 2, threads = (double)cr_context_threads(c);
    for (int i = 0; i < p->ndim; i++)
        row *= i == cut ? 1 : (double)CR_MIN(p->panel[i], p->shape[i]);
    room -= (double)panel_chunks(p) * (double)pieces->open_bytes;
    double most = (room - 3 * row * (double)block) / (4 * threads * row);
    int64_t cells = CR_MIN((block + cell - 1) / cell, (int64_t)MOST_CELLS);
    return most < (double)cell ? 0 : CR_MIN(cells, (int64_t)(most / (double)cell)) * cell;
}

/* Panels of one chunk along the axis that is cut, and of as many as can be along the others; *box: whole cells of about one block. false: that
 * would read more than panels in memory do, or the source has chunks as long as the destination. */
static bool choose_streamed(cr_context *c, cr_panels *p, cr_array *values, const cr_write_pieces *pieces, int64_t *box) {
    const cr_sink *blocks = &pieces->sink;
    double most_reads = CR_MIN(cr_panels_reads(p), STREAM_MOST_READS);
    int64_t files = most_files(), cell;
    int cut = 0;
    while (cut < p->ndim && blocks->chunks[cut] == p->chunk[cut])
        cut++;
    if (cut == p->ndim || p->source[cut] > p->chunk[cut] / 2 || (cell = cell_along(c, values, blocks, cut)) == 0)
        return false;
    for (int i = 0; i < p->ndim; i++) {
        box[i] = p->chunk[i];
        p->panel[i] = i == cut ? p->chunk[i] : p->shape[i];
    }
    while (panel_chunks(p) > files || cr_panels_bytes(p) > STREAM_MOST_BYTES || (box[cut] = box_rows(c, p, pieces, cut, cell)) == 0) {
        int widest = -1;
        for (int i = 0; i < p->ndim; i++)
            if (i != cut && p->panel[i] > p->chunk[i] && (widest < 0 || p->panel[i] / p->chunk[i] > p->panel[widest] / p->chunk[widest]))
                widest = i;
        if (widest < 0)
            return false;
        int64_t chunks = (p->panel[widest] + p->chunk[widest] - 1) / p->chunk[widest];
        p->panel[widest] = (chunks + 1) / 2 * p->chunk[widest];
    }
    return cr_panels_reads(p) <= most_reads;
}

/* Whether anything went into chunks in pieces: what is begun so cannot be given up and written at once, for that is the same file. */
typedef struct watched {
    const cr_sink *to;
    atomic_bool any;
} watched;

static cr_status write_watched(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    watched *w = user;
    atomic_store_explicit(&w->any, true, memory_order_relaxed);
    return w->to->write(w->to->user, start, count, data, err);
}

/* *ret_done: it was written so. */
static cr_status write_streamed(cr_rechunk_run *r, cr_context *c, const cr_panels *direct, const cr_write_item *item, const cr_write_pieces *pieces, double share,
                                bool *ret_done, cr_err *err) {
    cr_panels p = *direct;
    cr_err why = CR_ERR_INIT;
    int64_t box[CR_MAX_DIMS];
    bool begun = false;
    *ret_done = false;
    /* What is small goes as it is, at once. */
    if (cr_panels_reads(direct) <= 1 + 1e-9 && cr_panels_bytes(direct) <= CR_MIN(DIRECT_BYTES, (double)cr_context_room(c) / 4))
        return CR_OK;
    if (!choose_streamed(c, &p, item->values, pieces, box))
        return CR_OK;
    watched w = {.to = &pieces->sink};
    cr_sink sink = {box, pieces->sink.serial, write_watched, &w};
    cr_status status = write_panels(r, c, &p, item, item->values, &sink, share, &begun, &why);
    if (status == CR_MEMORY && !begun && !atomic_load(&w.any)) /* the executor refused */
        return CR_OK;
    *ret_done = true;
    r->report.most_reads = CR_MAX(r->report.most_reads, cr_panels_reads(&p));
    if (status != CR_OK && err)
        *err = why;
    return status;
}

/* Reductions that nothing stages: what would be decoded for them over and over is refused. */
static cr_status not_over_and_over(const cr_context *c, double reads, const cr_err *why, cr_err *err) {
    char have[32];
    if (reads == 0 && err != NULL)
        *err = *why;
    if (reads > 0 && reads <= MOST_DECODES)
        return CR_OK;
    if (reads == 0)
        return CR_MEMORY;
    cr_status status = CR_FAIL(err, CR_MEMORY, "what is computed does not fit into the memory limit of %s, and made piece by piece it would read its source %.0f times",
                               cr_text_bytes(c->memory_limit_bytes, have, sizeof have), reads);
    cr_err_hint(err, "raise the memory limit, write smaller chunks, or store the source in chunks that are short along the axes that stay");
    return status;
}

static cr_status move_values(cr_rechunk_run *r, cr_context *c, const cr_write_item *item, const cr_sink *sink, const cr_write_pieces *pieces, cr_err *err) {
    cr_panels p = {0};
    uint64_t budget = CR_MIN(cr_context_room(c) / 2, CR_RECHUNK_MOST_BYTES);
    CR_TRY(cr_rechunk_source(item->values, &p, err));
    r->n_begun++;
    if (is_empty(&p) || is_finished(item))
        return CR_OK;
    for (int i = 0; i < p.ndim; i++)
        p.chunk[i] = item->unit[i];
    double share = (double)p.itemsize;
    for (int i = 0; i < p.ndim; i++)
        share *= (double)p.shape[i];
    if (r->reduced) {
        bool reduces, begun;
        double reads;
        cr_err why = CR_ERR_INIT;
        CR_TRY(cr_reduced_panels(c, 1, &item->values, sink, &p, &reduces, &reads, &why, err));
        if (reduces)
            CR_TRY(not_over_and_over(c, reads, &why, err));
        r->report.most_reads = CR_MAX(r->report.most_reads, reads);
        if (reduces)
            return write_panels(r, c, &p, item, item->values, sink, share, &begun, err);
    }
    cr_panels_choose(&p, budget);
    if (pieces) {
        bool done;
        CR_TRY(write_streamed(r, c, &p, item, pieces, share * (r->is_stage ? 0.5 : 1), &done, err));
        if (done)
            return CR_OK;
    }
    /* An intermediate costs a writing and a reading more. A quarter: both sides of its chunks have to fit with what reading needs. */
    int64_t between[CR_MAX_DIMS] = {0};
    cr_panels_between(&p, budget / 2, between);
    bool staged = r->scratch && cr_panels_reads(&p) > CR_RECHUNK_MOST_READS && staged_reads(&p, budget / 2, between) + 1 < cr_panels_reads(&p);
    return staged ? write_staged(r, c, &p, budget / 2, item, sink, share, err)
                  : write_directly(r, c, &p, budget, item, item->values, sink, share * (r->is_stage ? 0.5 : 1), err);
}

cr_status cr_rechunk_values(void *user, cr_context *c, const cr_write_item *item, const cr_sink *sink, const cr_write_pieces *pieces, cr_err *err) {
    cr_rechunk_run *r = user;
    cr_write_item own = *item;
    for (int i = 0; i < r->n_settled; i++)
        if (r->unsettled[i] == item->values)
            own.values = r->settled[i];
    cr_status status = move_values(r, c, &own, sink, pieces, err);
    if (status == CR_MEMORY && err && (!err->hint[0] || item->v.shards)) {
        char limit[16];
        err->hint[0] = 0;
        const char *what = item->v.shards ? "shard" : "chunk";
        cr_err_hint(err, "one %s and what it is read from must fit into %s: allow more memory, use fewer threads, or choose smaller %ss", what,
                    cr_text_bytes(cr_context_memory_limit(c), limit, sizeof limit), what);
    }
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", item->v.name);
    return status;
}
