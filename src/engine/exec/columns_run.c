/* columns_run.c - a family of scans, column by column, and the decoded chunks that are kept meanwhile.
 *
 * All scans of the family are set up at the beginning, since states of one may stay open over many columns. For each column every scan runs
 * its units there, with all workers; the next begins when these are through. A chunk has a place of its own, which is
 * filled by the first who needs it and read by all others until the column ends. Chunks behind the end of the memory that is there have none.
 */
#include <stdlib.h>

#include "engine/exec/run.h"

struct cr_kept {
    const cr_columns *columns;
    cr_chunk_box *boxes;          /* per source */
    uint64_t *bytes_at, *chunk_at;        /* of its first chunk in memory and states */
    char *memory;
    atomic_uchar *states;
};

static void kept_done(cr_context *c, cr_kept *k) {
    cr_slab_give(&c->slab, k->memory, k->columns->keep_bytes);
    free(k->boxes);
    free(k->bytes_at);
    free(k->chunk_at);
    free(k->states);
}

static cr_status kept_init(cr_context *c, const cr_columns *g, cr_kept *k, cr_err *err) {
    void *block;
    size_t n = (size_t)g->n_sources + 1;
    *k = (cr_kept){.columns = g, .boxes = malloc(n * sizeof *k->boxes), .bytes_at = malloc(n * sizeof *k->bytes_at),
                   .chunk_at = malloc(n * sizeof *k->chunk_at), .states = calloc((size_t)g->wanted_chunks + 1, 1)};
    if (k->boxes == NULL || k->bytes_at == NULL || k->chunk_at == NULL || k->states == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to run");
    CR_TRY(cr_slab_take(&c->slab, g->keep_bytes, &block, err));
    k->memory = block;
    return CR_OK;
}

static void kept_begin(cr_kept *k, const cr_scan *scans, int64_t column) {
    uint64_t bytes = 0, chunks = 0;
    cr_columns_chunks(k->columns, scans, column, k->boxes);
    for (int32_t i = 0; i < k->columns->n_sources; i++) {
        const cr_kept_source *s = &k->columns->sources[i];
        uint64_t n = (uint64_t)cr_chunk_box_count(&k->boxes[i], s->node->ndim);
        k->bytes_at[i] = bytes;
        k->chunk_at[i] = chunks;
        bytes += n * s->slot_bytes;
        chunks += n;
    }
    for (uint64_t i = 0; i < chunks; i++)
        atomic_init(&k->states[i], CR_KEPT_NOTHING);
}

char *cr_kept_chunk(const cr_kept *k, const cr_leaf *l, const int64_t *at, atomic_uchar **ret_state) {
    int32_t i = l->kept - 1;
    const cr_chunk_box *b = &k->boxes[i];
    uint64_t number = 0;
    for (int a = 0; a < l->node->ndim; a++) {
        if (at[a] < b->first[a] || at[a] >= b->end[a])
            return NULL;
        number = number * (uint64_t)(b->end[a] - b->first[a]) + (uint64_t)(at[a] - b->first[a]);
    }
    uint64_t slot = k->columns->sources[i].slot_bytes, from = k->bytes_at[i] + number * slot;
    if (from + slot > k->columns->keep_bytes)
        return NULL;
    *ret_state = &k->states[k->chunk_at[i] + number];
    return k->memory + from;
}

static double done_in(const cr_run *runs, int32_t n) {
    double done = 0;
    for (int32_t i = 0; i < n; i++)
        done += (double)atomic_load_explicit(&runs[i].cells_done, memory_order_relaxed) * cr_scan_weight(runs[i].scan);
    return done;
}

static cr_status run_column(cr_run *runs, const cr_columns *g, int64_t column, double done_before, cr_err *err) {
    for (int32_t i = 0; i < g->n_scans; i++) {
        cr_run *r = &runs[i];
        int64_t first, end;
        cr_columns_units(g, r->scan, column, &first, &end);
        r->done_before = done_before + done_in(runs, g->n_scans) - done_in(r, 1);
        CR_TRY(cr_run_units(r, first, end, err));
    }
    return CR_OK;
}

cr_status cr_run_columns(cr_context *c, const cr_plan *plan, const cr_columns *g, double *done, double total, cr_err *err) {
    cr_kept kept;
    cr_run *runs = calloc((size_t)g->n_scans, sizeof *runs);
    int32_t begun = 0;
    cr_status status = kept_init(c, g, &kept, err);
    if (status == CR_OK && runs == NULL)
        status = CR_FAIL(err, CR_MEMORY, "no memory to run");
    while (begun < g->n_scans && status == CR_OK) {
        cr_run *r = &runs[begun++];
        status = cr_run_begin(r, c, plan, &plan->scans[g->scans[begun - 1]], err);
        r->kept = &kept;
        r->total = total;
        r->shown_phase = plan->scans[g->scans[g->n_scans - 1]].phase;
    }
    for (int64_t column = 0; column < g->n_columns && status == CR_OK; column++) {
        kept_begin(&kept, plan->scans, column);
        status = run_column(runs, g, column, *done, err);
    }
    if (status == CR_OK)
        *done += done_in(runs, g->n_scans);
    for (int32_t i = 0; i < begun; i++)
        cr_run_end(&runs[i]);
    free(runs);
    kept_done(c, &kept);
    return status;
}
