/* zarr_stream.c - see zarr_stream.h. */
#include "engine/format/zarr_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/codec/blosc_blocks.h"
#include "engine/codec/checksum.h"
#include "engine/codec/zstd_stream.h"
#include "engine/format/zarr_fetch.h"

enum { ALIGN = 64 };
static const size_t MOST_CHUNK_BYTES = (size_t)1 << 30, ZSTD_PART_BYTES = (size_t)1 << 19;

typedef struct begun {            /* a block of which some rows are there */
    struct begun *next;
    size_t number, missing;       /* rows that have not been copied yet */
    char bytes[];
} begun;

typedef struct early {            /* a block that waits for those before it; compressed, where each is by itself */
    struct early *next;
    size_t number, n;
    bool is_fill;
    char bytes[];
} early;

typedef struct open_chunk {
    struct open_chunk *next;
    int64_t object[CR_MAX_DIMS];  /* its place in the grid of chunks */
    size_t n_blocks, n_coming;    /* in all; those of which something lies in the array */
    size_t next_block;            /* to go into the file */
    size_t leading_fill;          /* so many blocks are fill, and there is no file yet */
    bool busy;                    /* somebody writes; who comes meanwhile leaves a block among the early ones */
    begun *begun;
    early *early;
    cr_store_out *out;            /* NULL: none yet */
    cr_zstd_stream *frame;        /* NULL: blocks are compressed each by itself */
    uint64_t stored;              /* behind the head */
    uint32_t crc;                 /* of these */
    uint32_t *starts;
} open_chunk;

struct cr_zarr_stream {
    const cr_zarr_put *p;
    const cr_codec *codec;
    bool in_turn;                 /* a chunk is one frame of Zstandard, which takes its blocks in their order; else they are Blosc's */
    int axis;                     /* along which chunks are cut */
    size_t rows, row_bytes;       /* of a block; of a row of a whole chunk */
    pthread_mutex_t lock;         /* guards the list, and all of a chunk but what the busy one alone looks at */
    open_chunk *chunks;
    void *fill_room;              /* a whole block of fill, compressed if it is Blosc's; made when first needed */
    const void *fill_block;
    size_t fill_block_bytes;
};

/* ---- blocks ---- */

/* The axis along which one block holds some rows; -1: there is none. */
static int cut_axis(const cr_zarr_array *a, size_t *ret_rows, size_t *ret_row_bytes) {
    const cr_codec *c = &a->chain.codecs[0];
    size_t block = (size_t)c->blosc_block_bytes, inner = a->itemsize;
    int axis = 0;
    while (axis < a->ndim - 1 && a->chunk[axis] == 1)
        axis++;
    for (int i = axis + 1; i < a->ndim; i++)
        if (__builtin_mul_overflow(inner, (size_t)a->chunk[i], &inner))
            return -1;
    if (c->id == CR_CODEC_ZSTD)
        block = CR_MAX(ZSTD_PART_BYTES / CR_MAX(inner, (size_t)1), (size_t)1) * inner;
    if (inner == 0 || block % inner || block / inner > (size_t)a->chunk[axis] || (size_t)a->chunk[axis] > MOST_CHUNK_BYTES / inner)
        return -1;
    *ret_rows = block / inner;
    *ret_row_bytes = inner;
    return axis;
}

bool cr_zarr_stream_block(const cr_zarr_array *a, int64_t *ret_block) {
    size_t rows = 0, row_bytes = 0;
    if (a->sharded || a->swap_width || a->permuted || a->ndim == 0 || a->chain.n != 1 ||
        !(cr_zstd_in_parts(&a->chain.codecs[0]) || cr_blosc_by_blocks(&a->chain.codecs[0])))
        return false;
    int axis = cut_axis(a, &rows, &row_bytes);
    if (axis < 0)
        return false;
    size_t rest = (size_t)a->chunk[axis] % rows * row_bytes;
    if (a->chain.codecs[0].id == CR_CODEC_BLOSC && rest > 0 && rest < CR_BLOSC_LEAST_BYTES)
        return false;
    memcpy(ret_block, a->chunk, (size_t)a->ndim * sizeof *ret_block);
    ret_block[axis] = (int64_t)rows;
    return true;
}

uint64_t cr_zarr_stream_open_bytes(const cr_zarr_put *p) {
    const cr_codec *c = &p->array->chain.codecs[0];
    return c->id == CR_CODEC_ZSTD ? cr_zstd_stream_bytes(c, p->chunk_bytes) : 0;
}

cr_status cr_zarr_stream_new(const cr_zarr_put *p, cr_zarr_stream **ret_stream, cr_err *err) {
    int64_t block[CR_MAX_DIMS];
    if (!cr_zarr_stream_block(p->array, block) || p->replaces)
        return CR_FAIL(err, CR_UNSUPPORTED, "chunks of \"%s\" in pieces", p->array->key);
    cr_zarr_stream *s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory to write chunks in pieces");
    s->p = p;
    s->codec = &p->array->chain.codecs[0];
    s->in_turn = s->codec->id == CR_CODEC_ZSTD;
    s->axis = cut_axis(p->array, &s->rows, &s->row_bytes);
    pthread_mutex_init(&s->lock, NULL);
    *ret_stream = s;
    return CR_OK;
}

static void free_chunk(open_chunk *c) {
    for (early *e = c->early, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    for (begun *b = c->begun, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    cr_store_abandon(c->out);
    cr_zstd_stream_free(c->frame);
    free(c->starts);
    free(c);
}

void cr_zarr_stream_free(cr_zarr_stream *s) {
    if (!s)
        return;
    for (open_chunk *c = s->chunks, *next; c; c = next) {
        next = c->next;
        free_chunk(c);
    }
    pthread_mutex_destroy(&s->lock);
    free(s->fill_room);
    free(s);
}

/* ---- one chunk; called by the busy one ---- */

static size_t block_bytes(const cr_zarr_stream *s, size_t number) {
    size_t begin = number * s->rows, rows = CR_MIN(s->rows, (size_t)s->p->array->chunk[s->axis] - begin);
    return rows * s->row_bytes;
}

/* What becoming a part of the stored chunk needs for a block of n bytes. */
static size_t encode_room(const cr_zarr_stream *s, size_t n) {
    return ((s->in_turn ? cr_zstd_stream_room(n) : cr_blosc_block_room(n)) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* bytes: the block compressed, or its values if that is done in turn; room: encode_room() of it. */
static cr_status append(const cr_zarr_stream *s, open_chunk *c, const void *bytes, size_t n, void *room, cr_err *err) {
    if (s->in_turn) {
        CR_TRY(cr_zstd_stream_put(c->frame, bytes, n, c->next_block + 1 == c->n_blocks, room, encode_room(s, n), &n, err));
        bytes = room;
    } else {
        if (c->stored + n > CR_BLOSC_MOST_STORED)
            return CR_FAIL(err, CR_LIMIT, "one chunk would be stored in more than %llu bytes", (unsigned long long)CR_BLOSC_MOST_STORED);
        c->starts[c->next_block] = (uint32_t)c->stored;
    }
    c->next_block++;
    c->stored += n;
    c->crc = cr_crc32c_more(c->crc, bytes, n);
    return n ? cr_store_put(c->out, bytes, n, err) : CR_OK;
}

static cr_status open_file(const cr_zarr_stream *s, open_chunk *c, void *room, cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    CR_TRY(cr_zarr_key(s->p->array, c->object, key, sizeof key, err));
    if (s->in_turn)
        CR_TRY(cr_zstd_stream_new(s->codec, s->p->chunk_bytes, &c->frame, err));
    CR_TRY(cr_store_begin(s->p->store, key, s->in_turn ? 0 : cr_blosc_head_bytes(c->n_blocks), &c->out, err));
    c->next_block = 0;
    for (size_t i = 0; i < c->leading_fill; i++)
        CR_TRY(append(s, c, s->fill_block, s->fill_block_bytes, room, err));
    return CR_OK;
}

/* The next block. Chunks that hold nothing but fill get no file, so it waits for the first block with something else. */
static cr_status take_block(const cr_zarr_stream *s, open_chunk *c, const void *bytes, size_t n, bool is_fill, void *room, cr_err *err) {
    if (!c->out && is_fill) {
        c->leading_fill++;
        c->next_block++;
        return CR_OK;
    }
    if (!c->out)
        CR_TRY(open_file(s, c, room, err));
    return append(s, c, bytes, n, room, err);
}

/* Blocks of which nothing lies in the array. */
static cr_status add_beyond(const cr_zarr_stream *s, open_chunk *c, cr_scratch *scratch, cr_err *err) {
    size_t whole = s->rows * s->row_bytes, room = encode_room(s, whole);
    CR_TRY(cr_scratch_need(scratch, room + whole, err));
    while (c->next_block < c->n_blocks && block_bytes(s, c->next_block) == whole)
        CR_TRY(append(s, c, s->fill_block, s->fill_block_bytes, scratch->bytes, err));
    if (c->next_block == c->n_blocks)
        return CR_OK;
    size_t n = block_bytes(s, c->next_block); /* the last one, which is shorter */
    const void *bytes = (char *)scratch->bytes + room;
    cr_source_fill((char *)scratch->bytes + room, n / s->p->array->itemsize, s->p->fill, s->p->array->itemsize);
    if (!s->in_turn)
        CR_TRY(cr_blosc_block(s->codec, bytes, n, scratch->bytes, &bytes, &n, err));
    return append(s, c, bytes, n, scratch->bytes, err);
}

static cr_status finish(const cr_zarr_stream *s, open_chunk *c, cr_scratch *scratch, cr_zarr_stored *ret, cr_err *err) {
    if (!c->out) {
        *ret = (cr_zarr_stored){.absent = true};
        return CR_OK;
    }
    CR_TRY(add_beyond(s, c, scratch, err));
    size_t n = s->in_turn ? 0 : cr_blosc_head_bytes(c->n_blocks);
    cr_auto_free void *head = malloc(CR_MAX(n, (size_t)1));
    if (!head)
        return CR_FAIL(err, CR_MEMORY, "no memory for the head of a chunk");
    if (!s->in_turn)
        cr_blosc_head(s->codec, s->p->chunk_bytes, c->starts, c->n_blocks, (size_t)c->stored, head);
    *ret = (cr_zarr_stored){false, n + c->stored, cr_crc32c_join(cr_crc32c(head, n), c->crc, c->stored)};
    cr_store_out *out = c->out;
    c->out = NULL;
    return cr_store_finish(out, head, err);
}

/* ---- the list; under the lock ---- */

static open_chunk *find_chunk(cr_zarr_stream *s, const int64_t *object) {
    for (open_chunk **link = &s->chunks; *link; link = &(*link)->next) {
        open_chunk *c = *link;
        if (memcmp(c->object, object, (size_t)s->p->array->ndim * sizeof *object) != 0)
            continue;
        *link = c->next;              /* to the front: chunks are asked for in turn */
        c->next = s->chunks;
        s->chunks = c;
        return c;
    }
    return NULL;
}

static open_chunk *new_chunk(cr_zarr_stream *s, const int64_t *object) {
    const cr_zarr_array *a = s->p->array;
    open_chunk *c = calloc(1, sizeof *c);
    size_t extent = (size_t)a->chunk[s->axis], inside = CR_MIN(extent, (size_t)(a->shape[s->axis] - object[s->axis] * a->chunk[s->axis]));
    size_t n_blocks = (extent + s->rows - 1) / s->rows;
    uint32_t *starts = calloc(n_blocks, sizeof *starts);
    if (!c || !starts) {
        free(c);
        free(starts);
        return NULL;
    }
    *c = (open_chunk){.next = s->chunks, .n_blocks = n_blocks, .n_coming = (inside + s->rows - 1) / s->rows, .starts = starts};
    memcpy(c->object, object, (size_t)a->ndim * sizeof *object);
    s->chunks = c;
    return c;
}

static void remove_chunk(cr_zarr_stream *s, open_chunk *c) {
    open_chunk **link = &s->chunks;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    free_chunk(c);
}

static early *take_early(open_chunk *c) {
    for (early **link = &c->early; *link; link = &(*link)->next)
        if ((*link)->number == c->next_block) {
            early *e = *link;
            *link = e->next;
            return e;
        }
    return NULL;
}

/* ---- one block ---- */

/* Rows as they lie in a whole chunk, with fill where they reach beyond the array. */
static void pad(const cr_zarr_stream *s, const int64_t *count, size_t n_rows, const char *rows, char *block, size_t n) {
    const cr_zarr_array *a = s->p->array;
    int64_t at[CR_MAX_DIMS] = {0};
    size_t runs = s->axis < a->ndim - 1 ? n_rows : 1;
    size_t run = (s->axis < a->ndim - 1 ? (size_t)count[a->ndim - 1] : n_rows) * a->itemsize;
    cr_source_fill(block, n / a->itemsize, s->p->fill, a->itemsize);
    for (int i = s->axis + 1; i < a->ndim - 1; i++)
        runs *= (size_t)count[i];
    for (; runs; runs--, rows += run) {
        size_t to = 0;
        for (int i = s->axis; i < a->ndim; i++)
            to = to * (size_t)(i == s->axis ? 1 : a->chunk[i]) + (size_t)at[i];
        memcpy(block + to * a->itemsize, rows, run);
        for (int i = a->ndim - 2; i >= s->axis && ++at[i] == (i == s->axis ? (int64_t)n_rows : count[i]); i--)
            at[i] = 0;
    }
}

/* Blocks that are nothing but fill are all alike. */
static cr_status need_fill_block(cr_zarr_stream *s, cr_err *err) {
    size_t n = s->rows * s->row_bytes;
    cr_status status = CR_OK;
    pthread_mutex_lock(&s->lock);
    if (!s->fill_block) {
        char *room = malloc(n + (s->in_turn ? 0 : cr_blosc_block_room(n)));
        if (room) {
            cr_source_fill(room, n / s->p->array->itemsize, s->p->fill, s->p->array->itemsize);
            s->fill_room = room;
            s->fill_block_bytes = n;
            if (s->in_turn)
                s->fill_block = room;
            else
                status = cr_blosc_block(s->codec, room, n, room + n, &s->fill_block, &s->fill_block_bytes, err);
        } else {
            status = CR_FAIL(err, CR_MEMORY, "no memory for a block of fill");
        }
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* Leaves the block for whoever comes to its place; under the lock. */
static cr_status leave(open_chunk *c, size_t number, const void *bytes, size_t n, bool is_fill, cr_err *err) {
    early *e = malloc(sizeof *e + n);
    if (!e)
        return CR_FAIL(err, CR_MEMORY, "no memory for a compressed block that came early");
    *e = (early){c->early, number, n, is_fill};
    memcpy(e->bytes, bytes, n);
    c->early = e;
    return CR_OK;
}

/* The block, and the early ones that follow it; *ret_whole: the chunk is complete. */
static cr_status take_blocks(cr_zarr_stream *s, open_chunk *c, const void *bytes, size_t n, bool is_fill, void *room, bool *ret_whole, cr_err *err) {
    cr_status status = take_block(s, c, bytes, n, is_fill, room, err);
    for (bool more = true; more && status == CR_OK;) {
        pthread_mutex_lock(&s->lock);
        early *e = take_early(c);
        more = e != NULL;
        *ret_whole = c->next_block == c->n_coming;
        c->busy = more || *ret_whole;
        pthread_mutex_unlock(&s->lock);
        if (e)
            status = take_block(s, c, e->bytes, e->n, e->is_fill, room, err);
        free(e);
    }
    return status;
}

/* Equal to the first item, which is the fill: the data equal themselves one item further. */
static bool is_all_fill(const cr_zarr_put *p, const char *data, size_t bytes) {
    size_t itemsize = p->array->itemsize;
    return p->fill && memcmp(data, p->fill, itemsize) == 0 && memcmp(data, data + itemsize, bytes - itemsize) == 0;
}

/* What a call is about. */
typedef struct piece {
    const int64_t *object, *count;
    size_t inside;                /* rows of the chunk that lie in the array */
    size_t row_bytes;             /* as given */
    cr_scratch *scratch;
} piece;

/* All rows of one block that lie in the array. */
static cr_status put_block(cr_zarr_stream *s, open_chunk *c, const piece *p, size_t number, size_t n_rows, const char *rows, bool *ret_whole,
                           cr_err *err) {
    size_t n = block_bytes(s, number), given = n_rows * p->row_bytes, room = encode_room(s, s->rows * s->row_bytes), got = n;
    cr_status status = CR_OK;
    bool is_fill = is_all_fill(s->p, rows, given);
    CR_TRY(cr_scratch_need(p->scratch, room + (given == n ? 0 : n), err));
    if (is_fill || p->inside < (size_t)s->p->array->chunk[s->axis])
        CR_TRY(need_fill_block(s, err));
    if (given != n) {
        pad(s, p->count, n_rows, rows, (char *)p->scratch->bytes + room, n);
        rows = (char *)p->scratch->bytes + room;
    }
    const void *bytes = rows;
    if (!s->in_turn)
        CR_TRY(cr_blosc_block(s->codec, rows, n, p->scratch->bytes, &bytes, &got, err));
    pthread_mutex_lock(&s->lock);
    bool mine = !c->busy && c->next_block == number;
    if (mine)
        c->busy = true;
    else
        status = leave(c, number, bytes, got, is_fill, err);
    pthread_mutex_unlock(&s->lock);
    return mine ? take_blocks(s, c, bytes, got, is_fill, p->scratch->bytes, ret_whole, err) : status;
}

/* Some rows of a block, which begin at row `at` of it: among those that came before. *ret_block: all are there; the caller frees it. */
static cr_status collect(cr_zarr_stream *s, open_chunk *c, const piece *p, size_t number, size_t at, size_t n_rows, const char *rows, begun **ret_block,
                         cr_err *err) {
    size_t present = CR_MIN(s->rows, p->inside - number * s->rows);
    begun **link, *b;
    *ret_block = NULL;
    pthread_mutex_lock(&s->lock);
    for (b = c->begun; b && b->number != number;)
        b = b->next;
    if (!b && (b = malloc(sizeof *b + present * p->row_bytes))) {
        *b = (begun){c->begun, number, present};
        c->begun = b;
    }
    pthread_mutex_unlock(&s->lock);
    if (!b)
        return CR_FAIL(err, CR_MEMORY, "no memory for a block of %zu bytes", present * p->row_bytes);
    memcpy(b->bytes + at * p->row_bytes, rows, n_rows * p->row_bytes);
    pthread_mutex_lock(&s->lock);
    b->missing -= n_rows;
    if (b->missing == 0) {
        for (link = &c->begun; *link != b;)
            link = &(*link)->next;
        *link = b->next;
        *ret_block = b;
    }
    pthread_mutex_unlock(&s->lock);
    return CR_OK;
}

static cr_status put_rows(cr_zarr_stream *s, open_chunk *c, const piece *p, size_t first, size_t end, const char *data, bool *ret_whole, cr_err *err) {
    for (size_t at = first, to; at < end; at = to) {
        size_t number = at / s->rows, from = number * s->rows, present = CR_MIN(s->rows, p->inside - from);
        const char *rows = data + (at - first) * p->row_bytes;
        to = CR_MIN(end, from + present);
        if (to - at == present) {
            CR_TRY(put_block(s, c, p, number, present, rows, ret_whole, err));
            continue;
        }
        begun *b;
        CR_TRY(collect(s, c, p, number, at - from, to - at, rows, &b, err));
        cr_status status = b ? put_block(s, c, p, number, present, b->bytes, ret_whole, err) : CR_OK;
        free(b);
        CR_TRY(status);
    }
    return CR_OK;
}

cr_status cr_zarr_stream_put(cr_zarr_stream *s, const int64_t *start, const int64_t *count, const void *data, cr_scratch *scratch,
                             bool *ret_whole, int64_t *object, cr_zarr_stored *ret_stored, cr_err *err) {
    const cr_zarr_array *a = s->p->array;
    piece p = {.object = object, .count = count, .row_bytes = a->itemsize, .scratch = scratch};
    size_t first = (size_t)(start[s->axis] % a->chunk[s->axis]), end = first + (size_t)count[s->axis];
    *ret_whole = false;
    for (int i = 0; i < a->ndim; i++) {
        object[i] = start[i] / a->chunk[i];
        if (i == s->axis)
            p.inside = (size_t)CR_MIN(a->chunk[i], a->shape[i] - object[i] * a->chunk[i]);
        else if (start[i] % a->chunk[i] != 0 || count[i] != CR_MIN(a->chunk[i], a->shape[i] - start[i]))
            return CR_FAIL(err, CR_INTERNAL, "a box that is not some rows of one chunk");
        p.row_bytes *= i > s->axis ? (size_t)count[i] : 1;
    }
    if (end > p.inside)
        return CR_FAIL(err, CR_INTERNAL, "rows of two chunks");
    pthread_mutex_lock(&s->lock);
    open_chunk *c = find_chunk(s, object);
    if (!c)
        c = new_chunk(s, object);
    pthread_mutex_unlock(&s->lock);
    if (!c)
        return CR_FAIL(err, CR_MEMORY, "no memory to write a chunk in pieces");
    CR_TRY(put_rows(s, c, &p, first, end, data, ret_whole, err));
    if (!*ret_whole)
        return CR_OK;
    cr_status status = finish(s, c, scratch, ret_stored, err);
    pthread_mutex_lock(&s->lock);
    remove_chunk(s, c);
    pthread_mutex_unlock(&s->lock);
    return status;
}
