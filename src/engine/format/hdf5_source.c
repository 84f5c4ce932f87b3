/* hdf5_source.c - reading the chunks of a dataset, from any number of threads. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fork_lock.h"
#include "engine/codec/order.h"
#include "engine/format/hdf5_dataset.h"
#include "engine/format/hdf5_heap.h"

enum { VIRTUAL_CHUNK_BYTES = 4 << 20 };

typedef struct h5_source {
    cr_source base;
    h5_file *file;
    h5_layout_class class;
    uint64_t addr;                         /* contiguous; H5_UNDEF: nothing is stored */
    uint8_t *compact;
    h5_chunked chunked;
    cr_codec_chain chain;
    size_t stored_max;                     /* no honest chunk is longer */
    bool swap, grown;                      /* grown: the shape is longer than what is stored */
    uint8_t *fill;                         /* one native item; NULL: zeros */
    cr_fork_lock lock;                     /* guards the loading of index */
    atomic_bool loaded;
    h5_chunk_index index;
} h5_source;

static h5_source *of(const cr_source *s) { return (h5_source *)s; }

static void source_free(cr_source *base) {
    h5_source *s = of(base);
    h5_chunk_index_done(&s->index);
    cr_fork_lock_done(&s->lock);
    h5_file_unref(s->file);
    free(s->compact);
    free(s->fill);
    cr_source_fini(base);
    free(s);
}

/* Reading calls back into the program, which may wait for what a thread holds that forks, or that wants the lock: so without it, even if several
 * threads then load the same. */
static cr_status need_index_of_program(h5_source *s, cr_err *err) {
    h5_chunk_index index;
    CR_TRY(h5_chunk_index_load(s->file, &s->chunked, &index, err));
    pthread_mutex_lock(&s->lock.mutex);
    bool first = !atomic_load_explicit(&s->loaded, memory_order_relaxed);
    if (first)
        s->index = index;
    atomic_store_explicit(&s->loaded, true, memory_order_release);
    pthread_mutex_unlock(&s->lock.mutex);
    if (!first)
        h5_chunk_index_done(&index);
    return CR_OK;
}

static cr_status need_index(h5_source *s, cr_err *err) {
    if (atomic_load_explicit(&s->loaded, memory_order_acquire))
        return CR_OK;
    if (s->base.of_program)
        return need_index_of_program(s, err);
    pthread_mutex_lock(&s->lock.mutex);
    cr_status status = CR_OK;
    if (!atomic_load_explicit(&s->loaded, memory_order_relaxed)) {
        status = h5_chunk_index_load(s->file, &s->chunked, &s->index, err);
        if (status == CR_OK)
            atomic_store_explicit(&s->loaded, true, memory_order_release);
    }
    pthread_mutex_unlock(&s->lock.mutex);
    return status;
}

/* The stored chunk at grid coordinates, or NULL. */
static const h5_chunk *find_chunk(const h5_source *s, const int64_t *chunk) {
    const h5_chunked *d = &s->chunked;
    for (int i = 0; i < d->ndim; i++)
        if (chunk[i] > (d->shape[i] - 1) / d->layout.chunk[i] || d->shape[i] == 0)
            return NULL;
    return h5_chunk_index_find(&s->index, h5_chunk_key(d, chunk));
}

static bool crosses_edge(const h5_source *s, const int64_t *chunk) {
    const h5_chunked *d = &s->chunked;
    for (int i = 0; i < d->ndim; i++)
        if (d->shape[i] - chunk[i] * d->layout.chunk[i] < d->layout.chunk[i])
            return true;
    return false;
}

/* The codecs that were really applied to a chunk. */
static cr_codec_chain chain_of(const h5_source *s, const h5_chunk *k, const int64_t *chunk) {
    cr_codec_chain chain = {0};
    if (s->chunked.layout.edges_unfiltered && crosses_edge(s, chunk))
        return chain;
    for (int i = 0; i < s->chain.n; i++)
        if (!(k->mask & 1u << i))
            chain.codecs[chain.n++] = s->chain.codecs[i];
    return chain;
}

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

static cr_status read_stored(h5_source *s, const h5_chunk *k, const int64_t *chunk, void *dst, cr_scratch *scratch, cr_err *err) {
    size_t n = s->base.chunk_bytes;
    cr_codec_chain chain = chain_of(s, k, chunk);
    if (chain.n == 0) {
        if (k->size != n)
            return CR_FAIL(err, CR_FORMAT, "it is stored in %" PRIu32 " bytes; it has %zu", k->size, n);
        return h5_pread(s->file, k->addr, dst, n, "chunk", err);
    }
    if (k->size > s->stored_max)
        return CR_FAIL(err, CR_FORMAT, "it is said to take %" PRIu32 " bytes; %zu suffice for any content", k->size, s->stored_max);
    size_t room = cr_codec_chain_decode_room(&chain, n), stored = align64(k->size), total;
    if (__builtin_add_overflow(stored, room, &total))
        return CR_FAIL(err, CR_LIMIT, "it is too large");
    if (!scratch->work)
        CR_TRY(cr_codec_work_new(&scratch->work, err));
    CR_TRY(cr_scratch_need(scratch, total, err));
    uint8_t *bytes = scratch->bytes;
    CR_TRY(h5_pread(s->file, k->addr, bytes, k->size, "chunk", err));
    return cr_codec_chain_decode(&chain, scratch->work, bytes, k->size, dst, n, room ? bytes + stored : NULL, err);
}

/* Elements of the chunk past what is stored, along axes that other variables made longer. */
static void fill_grown(const h5_source *s, const int64_t *chunk, void *dst) {
    const cr_source *b = &s->base;
    int64_t inside[CR_MAX_DIMS], at[CR_MAX_DIMS] = {0};
    int last = b->ndim - 1;
    for (int i = 0; i < b->ndim; i++)
        inside[i] = CR_MIN(CR_MAX(s->chunked.shape[i] - chunk[i] * b->chunk_shape[i], (int64_t)0), b->chunk_shape[i]);
    char *row = dst;
    size_t row_bytes = (size_t)b->chunk_shape[last] * b->itemsize;
    for (int i = 0; i >= 0; row += row_bytes) {
        bool out = false;
        for (i = 0; i < last; i++)
            out = out || at[i] >= inside[i];
        int64_t keep = out ? 0 : inside[last];
        cr_source_fill(row + (size_t)keep * b->itemsize, (size_t)(b->chunk_shape[last] - keep), s->fill, b->itemsize);
        for (i = last - 1; i >= 0 && ++at[i] == b->chunk_shape[i]; i--)
            at[i] = 0;
    }
}

static cr_status read_chunked(h5_source *s, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    CR_TRY(need_index(s, err));
    const h5_chunk *k = find_chunk(s, chunk);
    *ret_absent = !k;
    if (!k) {
        cr_source_fill(dst, s->base.chunk_bytes / s->base.itemsize, s->fill, s->base.itemsize);
        return CR_OK;
    }
    CR_TRY(read_stored(s, k, chunk, dst, scratch, err));
    if (s->swap)
        cr_byteswap(dst, s->base.chunk_bytes / s->base.itemsize, s->base.itemsize);
    if (s->grown && crosses_edge(s, chunk))
        fill_grown(s, chunk, dst);
    return CR_OK;
}

/* A chunk of the virtual grid is one run of elements: axes after the one that is cut are whole, axes before it have extent 1. */
static cr_status read_run(h5_source *s, const int64_t *chunk, void *dst, bool *ret_absent, cr_err *err) {
    const cr_source *b = &s->base;
    uint64_t first = 0, n = 1;
    for (int i = 0; i < b->ndim; i++) {
        first = first * (uint64_t)b->shape[i] + (uint64_t)(chunk[i] * b->chunk_shape[i]);
        n *= (uint64_t)cr_source_extent(b, i, chunk[i]);
    }
    *ret_absent = s->class == H5_CONTIGUOUS && s->addr == H5_UNDEF;
    if (*ret_absent) {
        cr_source_fill(dst, (size_t)n, s->fill, b->itemsize);
        return CR_OK;
    }
    if (s->class == H5_COMPACT)
        memcpy(dst, s->compact + first * b->itemsize, (size_t)n * b->itemsize);
    else
        CR_TRY(h5_pread(s->file, s->addr + first * b->itemsize, dst, (size_t)n * b->itemsize, "contiguous data", err));
    if (s->swap)
        cr_byteswap(dst, (size_t)n, b->itemsize);
    return CR_OK;
}

static cr_status read_chunk(cr_source *base, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    h5_source *s = of(base);
    bool absent = false;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    cr_status status = s->class == H5_CHUNKED ? read_chunked(s, chunk, dst, scratch, &absent, err) : read_run(s, chunk, dst, &absent, err);
    if (status != CR_OK) {
        char text[CR_MAX_DIMS * 22] = "";
        for (int i = 0, n = 0; i < base->ndim; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, i ? ", %" PRId64 : "%" PRId64, chunk[i]);
        cr_err_context(err, "%s, chunk (%s)", base->path, text);
        return status;
    }
    if (ret_absent)
        *ret_absent = absent;
    return CR_OK;
}

static size_t scratch_bytes(const cr_source *base) {
    const h5_source *s = of(base);
    if (s->class != H5_CHUNKED || s->chain.n == 0)
        return 0;
    size_t room = cr_codec_chain_decode_room(&s->chain, base->chunk_bytes), total;
    return __builtin_add_overflow(align64(s->stored_max), room, &total) ? SIZE_MAX : total;
}

static size_t stored_bytes(const cr_source *base, const int64_t *chunk) {
    h5_source *s = of(base);
    if (s->class == H5_CHUNKED) {
        if (cr_source_check_chunk(base, chunk, NULL) != CR_OK || need_index(s, NULL) != CR_OK)
            return SIZE_MAX;
        const h5_chunk *k = find_chunk(s, chunk);
        return k ? k->size : 0;
    }
    if (s->class == H5_CONTIGUOUS && s->addr == H5_UNDEF)
        return 0;
    size_t n = base->itemsize;
    for (int i = 0; i < base->ndim; i++)
        n *= (size_t)CR_MAX(cr_source_extent(base, i, chunk[i]), (int64_t)0);
    return n;
}

static const cr_source_ops ops = {"hdf5", read_chunk, scratch_bytes, stored_bytes, source_free, NULL};

/* ---- making ----------------------------------------------------------------------------------------------------- */

static cr_status copy_bytes(const void *bytes, size_t n, uint8_t **ret_copy, cr_err *err) {
    uint8_t *copy = malloc(CR_MAX(n, (size_t)1));
    if (!copy)
        return CR_FAIL(err, CR_MEMORY, "no memory for %zu bytes", n);
    memcpy(copy, bytes, n);
    *ret_copy = copy;
    return CR_OK;
}

static void set_chunked(h5_source *s, const h5_dataset *d) {
    s->chunked.layout = d->layout;
    s->chunked.ndim = d->space.ndim;
    memcpy(s->chunked.shape, d->space.shape, sizeof s->chunked.shape);
    memcpy(s->chunked.most, d->space.most, sizeof s->chunked.most);
    s->chunked.chunk_bytes = (uint32_t)s->base.chunk_bytes;
    s->chain = d->chain;
    /* Compressors differ in how much they add to what they cannot compress. */
    size_t bound = cr_codec_chain_bound(&s->chain, s->base.chunk_bytes);
    s->stored_max = bound > SIZE_MAX / 2 ? bound : bound + bound / 8 + 4096;
    for (int i = 0; i < d->space.ndim; i++)
        s->grown = s->grown || s->base.shape[i] > d->space.shape[i];
}

cr_status h5_source_new(h5_file *f, const h5_dataset *d, const int64_t *shape, const void *fill, const char *path, cr_source **ret_source,
                        cr_err *err) {
    h5_source *s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory for a variable");
    int64_t chunk[CR_MAX_DIMS];
    size_t itemsize = d->type.size;
    cr_dtype dtype = d->type.dtype == CR_STRING ? CR_BYTES : d->type.dtype;
    if (d->layout.class == H5_CHUNKED)
        memcpy(chunk, d->layout.chunk, sizeof chunk);
    else
        cr_source_virtual_chunks(d->space.ndim, shape, itemsize, VIRTUAL_CHUNK_BYTES, chunk);
    char full[1024];
    snprintf(full, sizeof full, "%s:%s", f->path, path);
    cr_status status = cr_source_init(&s->base, &ops, dtype, itemsize, d->space.ndim, shape, chunk, full, err);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    cr_fork_lock_init(&s->lock, false);
    s->file = h5_file_ref(f);
    s->class = d->layout.class;
    s->addr = d->layout.addr;
    s->swap = d->type.big_endian;
    cr_source_identify(&s->base, f->path, path);
    if (fill)
        CR_TRY_GOTO(copy_bytes(fill, itemsize, &s->fill, err), fail);
    if (s->class == H5_COMPACT)
        CR_TRY_GOTO(copy_bytes(d->layout.bytes.p, h5_left(&d->layout.bytes), &s->compact, err), fail);
    if (s->class == H5_CHUNKED)
        set_chunked(s, d);
    s->chunked.layout.bytes = (h5_cur){0};
    *ret_source = &s->base;
    return CR_OK;
fail:
    source_free(&s->base);
    return status;
}

/* ---- strings ---------------------------------------------------------------------------------------------------- */

typedef struct string_reader {
    h5_ctx x;
    cr_arena *arena;
    const char **strings;
    const cr_source *s;
} string_reader;

static cr_status read_string(string_reader *r, const uint8_t *descriptor, const char **ret, cr_err *err) {
    size_t n = r->s->itemsize;
    h5_cur stored = {descriptor, descriptor, descriptor + n, 0, "string", r->x.file->off_size, r->x.file->len_size, false}, text;
    uint32_t count;
    CR_TRY(h5_vlen_get(&r->x, &stored, &count, &text, err));
    if (count > h5_left(&text))
        return H5_DAMAGED(&text, err, "a string of %" PRIu32 " bytes in an object of %zu", count, h5_left(&text));
    *ret = h5_text(r->arena, text.p, count);
    return *ret ? CR_OK : CR_FAIL(err, CR_LIMIT, "the strings need more than %zu bytes", r->arena->limit_bytes);
}

/* The strings of one chunk to their places in the whole. */
static cr_status place_strings(string_reader *r, const int64_t *chunk, const uint8_t *items, cr_err *err) {
    const cr_source *s = r->s;
    int64_t at[CR_MAX_DIMS] = {0}, extent[CR_MAX_DIMS];
    for (int i = 0; i < s->ndim; i++)
        extent[i] = cr_source_extent(s, i, chunk[i]);
    for (int i = 0; i >= 0;) {
        int64_t from = 0, to = 0;
        for (i = 0; i < s->ndim; i++) {
            from = from * s->chunk_shape[i] + at[i];
            to = to * s->shape[i] + chunk[i] * s->chunk_shape[i] + at[i];
        }
        CR_TRY(read_string(r, items + (size_t)from * s->itemsize, &r->strings[to], err));
        for (i = s->ndim - 1; i >= 0 && ++at[i] == extent[i]; i--)
            at[i] = 0;
    }
    return CR_OK;
}

static cr_status read_all_strings(string_reader *r, cr_scratch *scratch, uint8_t *items, cr_err *err) {
    int64_t chunk[CR_MAX_DIMS] = {0};
    cr_source *s = (cr_source *)r->s;
    for (int i = 0; i >= 0;) {
        bool absent;
        CR_TRY(read_chunk(s, chunk, items, scratch, &absent, err));
        CR_TRY(place_strings(r, chunk, items, err));
        for (i = s->ndim - 1; i >= 0 && ++chunk[i] * s->chunk_shape[i] >= s->shape[i]; i--)
            chunk[i] = 0;
    }
    return CR_OK;
}

cr_status h5_strings_read(cr_source *s, cr_arena *arena, const char ***ret_strings, int64_t *ret_n, cr_err *err) {
    cr_auto_arena cr_arena temp;
    h5_file *f = of(s)->file;
    cr_arena_init(&temp, (size_t)CR_MIN(f->limit_bytes, (uint64_t)SIZE_MAX));
    string_reader r = {.x = {.file = f, .keep = arena, .temp = &temp}, .arena = arena, .s = s};
    int64_t n = 1;
    for (int i = 0; i < s->ndim; i++)
        n *= s->shape[i];                  /* does not overflow: checked when the source was made */
    CR_TRY(h5_alloc(arena, (size_t)n, sizeof *r.strings, &r.strings, err));
    if (n > 0) {
        uint8_t *items;
        cr_scratch scratch = {.max = f->limit_bytes > SIZE_MAX ? SIZE_MAX : (size_t)f->limit_bytes};
        CR_TRY(h5_alloc(&temp, 1, s->chunk_bytes, &items, err));
        cr_status status = read_all_strings(&r, &scratch, items, err);
        cr_scratch_done(&scratch);
        CR_TRY(status);
    }
    *ret_strings = r.strings;
    *ret_n = n;
    return CR_OK;
}
