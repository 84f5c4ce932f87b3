/* deliver.c - values to a user's sink: cells become whole chunks of the sink's own grid.
 *
 * A chunk is open from its first element to its last: a buffer and a count of what is missing. Whoever brings the last elements writes it.
 * fit.c has counted how many can be open at once.
 */
#include <stdlib.h>

#include "engine/exec/run.h"

typedef struct open_chunk {
    int64_t number, missing;      /* number -1: unused */
    char *bytes;
    struct open_chunk *next;      /* unused ones */
} open_chunk;

struct cr_open {
    const cr_context *context;
    pthread_mutex_t lock, writing;
    int64_t shape[CR_MAX_DIMS], chunks[CR_MAX_DIMS], n_chunks[CR_MAX_DIMS];
    int ndim;
    size_t itemsize;
    char *memory;
    uint64_t memory_bytes;
    open_chunk *entries, *unused, **table; /* open addressing by number */
    size_t table_size;
};

cr_status cr_deliver_init(cr_run *r, cr_sink_run *s, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    struct cr_open *o = calloc(1, sizeof *o);
    if (o == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %s", cr_array_op(s->node));
    s->open = o;
    o->context = r->context;
    pthread_mutex_init(&o->lock, NULL);
    pthread_mutex_init(&o->writing, NULL);
    o->ndim = s->node->ndim;
    o->itemsize = s->node->itemsize;
    for (int a = 0; a < o->ndim; a++) {
        o->shape[a] = s->node->shape[a];
        if (s->user->chunks == NULL)
            continue;
        o->chunks[a] = s->user->chunks[a];
        o->n_chunks[a] = (o->shape[a] + o->chunks[a] - 1) / o->chunks[a];
    }
    if (s->user->chunks == NULL)
        return CR_OK;
    for (o->table_size = 16; o->table_size < 2 * (size_t)k->n_chunks; o->table_size *= 2)
        ;
    o->entries = calloc((size_t)k->n_chunks, sizeof *o->entries);
    o->table = calloc(o->table_size, sizeof *o->table);
    o->memory_bytes = (uint64_t)k->n_chunks * (uint64_t)k->chunk_bytes;
    if (o->entries == NULL || o->table == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %s", cr_array_op(s->node));
    void *block;
    CR_TRY(cr_slab_take(&r->context->slab, o->memory_bytes, &block, err));
    o->memory = block;
    for (int64_t i = k->n_chunks - 1; i >= 0; i--) {
        o->entries[i].bytes = o->memory + i * k->chunk_bytes;
        o->entries[i].next = o->unused;
        o->unused = &o->entries[i];
    }
    return CR_OK;
}

void cr_deliver_done(cr_run *r, cr_sink_run *s) {
    struct cr_open *o = s->open;
    if (o == NULL)
        return;
    cr_slab_give(&r->context->slab, o->memory, o->memory_bytes);
    free(o->entries);
    free(o->table);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->writing);
    free(o);
    s->open = NULL;
}

/* Asked here too, because one cell may be thousands of chunks that take long to compress. */
static cr_status write_box(struct cr_open *o, const cr_sink *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    if (cr_context_cancelled(o->context))
        return CR_FAIL(err, CR_CANCELLED, "cancelled");
    if (user->serial)
        pthread_mutex_lock(&o->writing);
    cr_status status = user->write(user->user, start, count, data, err);
    if (user->serial)
        pthread_mutex_unlock(&o->writing);
    return status;
}

/* ---- the table of open chunks; under the lock ---- */

static size_t table_place(const struct cr_open *o, int64_t number) {
    size_t i = (size_t)((uint64_t)number * 0x9E3779B97F4A7C15u >> 20) & (o->table_size - 1);
    while (o->table[i] != NULL && o->table[i]->number != number)
        i = (i + 1) & (o->table_size - 1);
    return i;
}

static void table_remove(struct cr_open *o, int64_t number) {
    size_t hole = table_place(o, number);
    o->table[hole] = NULL;
    for (size_t i = (hole + 1) & (o->table_size - 1); o->table[i] != NULL; i = (i + 1) & (o->table_size - 1)) {
        open_chunk *e = o->table[i]; /* what had been pushed on by the one removed moves back */
        o->table[i] = NULL;
        o->table[table_place(o, e->number)] = e;
    }
}

static open_chunk *open_or_begin(struct cr_open *o, int64_t number, int64_t elements) {
    pthread_mutex_lock(&o->lock);
    size_t i = table_place(o, number);
    open_chunk *e = o->table[i];
    if (e == NULL && o->unused != NULL) {
        e = o->unused;
        o->unused = e->next;
        e->number = number;
        e->missing = elements;
        o->table[i] = e;
    }
    pthread_mutex_unlock(&o->lock);
    return e;
}

/* ---- boxes ---- */

typedef struct box {
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS];
} box;

/* The part `part` from one row-major box to another. */
static void copy_part(int ndim, size_t item, const box *part, const box *from, const char *src, const box *to, char *dst) {
    int64_t c[CR_MAX_DIMS] = {0}, from_stride[CR_MAX_DIMS], to_stride[CR_MAX_DIMS], f = (int64_t)item, t = (int64_t)item;
    for (int a = ndim - 1; a >= 0; a--) {
        from_stride[a] = f;
        to_stride[a] = t;
        f *= from->count[a];
        t *= to->count[a];
        src += (part->start[a] - from->start[a]) * from_stride[a];
        dst += (part->start[a] - to->start[a]) * to_stride[a];
    }
    int last = ndim - 1;
    size_t row = ndim == 0 ? item : (size_t)part->count[last] * item;
    for (;;) {
        const char *s = src;
        char *d = dst;
        for (int a = 0; a < last; a++) {
            s += c[a] * from_stride[a];
            d += c[a] * to_stride[a];
        }
        memcpy(d, s, row);
        int a = last - 1;
        while (a >= 0 && ++c[a] == part->count[a])
            c[a--] = 0;
        if (a < 0)
            return;
    }
}

static int64_t elements(int ndim, const box *b) {
    int64_t n = 1;
    for (int a = 0; a < ndim; a++)
        n *= b->count[a];
    return n;
}

/* The cell's share of one chunk; writes the chunk when that was the last. */
static cr_status deliver_part(struct cr_open *o, const cr_sink *user, const box *cell, const char *values, const int64_t *at, cr_err *err) {
    box chunk, part;
    int64_t number = 0;
    bool whole = true;
    for (int a = 0; a < o->ndim; a++) {
        number = number * o->n_chunks[a] + at[a];
        chunk.start[a] = at[a] * o->chunks[a];
        chunk.count[a] = CR_MIN(o->chunks[a], o->shape[a] - chunk.start[a]);
        part.start[a] = CR_MAX(chunk.start[a], cell->start[a]);
        part.count[a] = CR_MIN(chunk.start[a] + chunk.count[a], cell->start[a] + cell->count[a]) - part.start[a];
        whole = whole && chunk.start[a] == cell->start[a] && chunk.count[a] == cell->count[a];
    }
    if (whole)
        return write_box(o, user, chunk.start, chunk.count, values, err);
    open_chunk *e = open_or_begin(o, number, elements(o->ndim, &chunk));
    if (e == NULL)
        return CR_FAIL(err, CR_INTERNAL, "more chunks are open than were planned");
    copy_part(o->ndim, o->itemsize, &part, cell, values, &chunk, e->bytes);
    pthread_mutex_lock(&o->lock);
    e->missing -= elements(o->ndim, &part);
    bool full = e->missing == 0;
    pthread_mutex_unlock(&o->lock);
    if (!full)
        return CR_OK;
    cr_status status = write_box(o, user, chunk.start, chunk.count, e->bytes, err);
    pthread_mutex_lock(&o->lock);
    table_remove(o, number);
    e->next = o->unused;
    o->unused = e;
    pthread_mutex_unlock(&o->lock);
    return status;
}

static cr_status deliver_parts(struct cr_open *o, const cr_sink *user, const box *cell, const char *values, cr_err *err) {
    int64_t at[CR_MAX_DIMS], first[CR_MAX_DIMS], last[CR_MAX_DIMS];
    for (int a = 0; a < o->ndim; a++) {
        at[a] = first[a] = cell->start[a] / o->chunks[a];
        last[a] = (cell->start[a] + cell->count[a] - 1) / o->chunks[a];
    }
    for (;;) {
        CR_TRY(deliver_part(o, user, cell, values, at, err));
        int a = o->ndim - 1;
        while (a >= 0 && ++at[a] > last[a]) {
            at[a] = first[a];
            a--;
        }
        if (a < 0)
            return CR_OK;
    }
}

cr_status cr_deliver_box(cr_worker *w, int sink, cr_err *err) {
    cr_sink_run *s = &w->run->sinks[sink];
    box cell;
    for (int d = 0; d < s->node->ndim; d++) {
        cell.start[s->plan->out_axis[d]] = w->lo[d];
        cell.count[s->plan->out_axis[d]] = w->n[d];
    }
    cr_status status = s->user->chunks == NULL ? write_box(s->open, s->user, cell.start, cell.count, w->places[sink].box, err)
                                               : deliver_parts(s->open, s->user, &cell, w->places[sink].box, err);
    if (status != CR_OK)
        cr_err_context(err, "while writing %s", cr_array_op(s->node));
    return status;
}

cr_status cr_deliver_result(cr_context *c, const cr_array *a, const void *data, const cr_sink *user, cr_err *err) {
    box all, chunk;
    int64_t at[CR_MAX_DIMS] = {0};
    uint64_t bytes = a->itemsize;
    for (int i = 0; i < a->ndim; i++) {
        all.start[i] = 0;
        all.count[i] = a->shape[i];
        bytes *= (uint64_t)(user->chunks != NULL ? CR_MIN(user->chunks[i], a->shape[i]) : a->shape[i]);
    }
    if (user->chunks == NULL || bytes == (uint64_t)a->size * a->itemsize)
        return user->write(user->user, all.start, all.count, data, err);
    void *buffer;
    CR_TRY(cr_slab_take(&c->slab, bytes, &buffer, err));
    cr_status status = CR_OK;
    for (;;) {
        for (int i = 0; i < a->ndim; i++) {
            chunk.start[i] = at[i] * user->chunks[i];
            chunk.count[i] = CR_MIN(user->chunks[i], a->shape[i] - chunk.start[i]);
        }
        copy_part(a->ndim, a->itemsize, &chunk, &all, data, &chunk, buffer);
        status = cr_context_cancelled(c) ? CR_FAIL(err, CR_CANCELLED, "cancelled")
                                         : user->write(user->user, chunk.start, chunk.count, buffer, err);
        int i = a->ndim - 1;
        while (i >= 0 && ++at[i] * user->chunks[i] >= a->shape[i])
            at[i--] = 0;
        if (i < 0 || status != CR_OK)
            break;
    }
    cr_slab_give(&c->slab, buffer, bytes);
    if (status != CR_OK)
        cr_err_context(err, "while writing %s", cr_array_op(a));
    return status;
}
