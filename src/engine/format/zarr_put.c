/* zarr_put.c - boxes of values into chunks and shards. */
#include "engine/format/zarr_put.h"

#include <endian.h>
#include <string.h>

#include "base/error.h"
#include "engine/codec/checksum.h"
#include "engine/codec/order.h"
#include "engine/format/zarr_fetch.h"

enum { ENTRY_BYTES = 16, CRC_BYTES = 4, GATHER_BYTES = 1 << 18, ALIGN = 64 };
static const uint64_t ABSENT = UINT64_MAX;

cr_status cr_zarr_put_init(cr_zarr_put *p, cr_store *store, const cr_zarr_array *array, const void *fill, bool replaces, cr_err *err) {
    size_t chunk_bytes = array->itemsize, n = 1;
    if (array->sharded && array->index_at_start)
        return CR_FAIL(err, CR_UNSUPPORTED, "shards with their index at the start are only read");
    for (int i = 0; i < array->ndim; i++)
        if (__builtin_mul_overflow(chunk_bytes, (size_t)array->chunk[i], &chunk_bytes) || chunk_bytes > SIZE_MAX / 4)
            return CR_FAIL(err, CR_LIMIT, "a chunk is larger than memory can be");
    for (int i = 0; array->sharded && i < array->ndim; i++)
        if (__builtin_mul_overflow(n, (size_t)(array->stored[i] / array->chunk[i]), &n) || n > CR_ZARR_MOST_PER_SHARD)
            return CR_FAIL(err, CR_LIMIT, "one shard would have more than %d chunks", CR_ZARR_MOST_PER_SHARD);
    *p = (cr_zarr_put){array, fill, store, replaces, chunk_bytes, n};
    return CR_OK;
}

/* ---- one chunk ---------------------------------------------------------------------------------------------------------------------- */

/* Equal to the first item, which is the fill: the data equal themselves one item further. */
static bool is_all_fill(const cr_zarr_put *p, const char *data, size_t bytes) {
    size_t itemsize = p->array->itemsize;
    return p->fill && memcmp(data, p->fill, itemsize) == 0 && memcmp(data, data + itemsize, bytes - itemsize) == 0;
}

/* Lays the chunk that begins at from[] of a box of count[] into chunk; beyond the box is fill. */
static void cut(const cr_zarr_put *p, const int64_t *count, const int64_t *from, const char *box, char *chunk) {
    const cr_zarr_array *a = p->array;
    int64_t n[CR_MAX_DIMS] = {0}, at[CR_MAX_DIMS] = {0};
    size_t rows = 1, run = a->itemsize;
    bool whole = true;
    for (int i = 0; i < a->ndim; i++) {
        n[i] = CR_MIN(a->chunk[i], count[i] - from[i]);
        whole &= n[i] == a->chunk[i];
        rows *= i + 1 < a->ndim ? (size_t)n[i] : 1;
    }
    if (a->ndim)
        run *= (size_t)n[a->ndim - 1];
    if (!whole)
        cr_source_fill(chunk, p->chunk_bytes / a->itemsize, p->fill, a->itemsize);
    for (; rows; rows--) {
        size_t to = 0, source = 0;
        for (int i = 0; i < a->ndim; i++) {
            to = to * (size_t)a->chunk[i] + (size_t)at[i];
            source = source * (size_t)count[i] + (size_t)(from[i] + at[i]);
        }
        memcpy(chunk + to * a->itemsize, box + source * a->itemsize, run);
        for (int i = a->ndim - 2; i >= 0 && ++at[i] == n[i]; i--)
            at[i] = 0;
    }
}

/* What encoding one chunk needs, besides the chunk. */
static size_t encode_room(const cr_zarr_put *p) {
    return (cr_codec_chain_encode_room(&p->array->chain, p->chunk_bytes) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static cr_status put_chunk(const cr_zarr_put *p, const char *key, const int64_t *count, const char *box, cr_scratch *scratch,
                           cr_zarr_stored *ret, cr_err *err) {
    static const int64_t origin[CR_MAX_DIMS] = {0};
    const cr_zarr_array *a = p->array;
    size_t between = encode_room(p), n;
    struct cr_codec_work *work;
    const void *stored;
    bool as_it_is = a->swap_width == 0;
    for (int i = 0; i < a->ndim; i++)
        as_it_is &= count[i] == a->chunk[i];
    CR_TRY(cr_scratch_need(scratch, between + (as_it_is ? 0 : p->chunk_bytes) + ALIGN, err));
    CR_TRY(cr_scratch_work(scratch, &work, err));
    char *chunk = (char *)scratch->bytes + between;
    if (!as_it_is)
        cut(p, count, origin, box, chunk);
    if (a->swap_width)
        cr_byteswap(chunk, p->chunk_bytes / a->swap_width, a->swap_width);
    CR_TRY(cr_codec_chain_encode(&a->chain, work, as_it_is ? box : chunk, p->chunk_bytes, scratch->bytes, &stored, &n, err));
    *ret = (cr_zarr_stored){false, n, cr_crc32c(stored, n)};
    return cr_store_write(p->store, key, stored, n, err);
}

/* ---- one shard ---------------------------------------------------------------------------------------------------------------------- */

typedef struct shard {
    const cr_zarr_put *p;
    const int64_t *count;
    const char *box;
    struct cr_codec_work *work;
    char *temporary, *chunk, *gathered;
    uint64_t *entries;            /* the index, as it is stored; the checksum follows */
    size_t n_gathered;
    cr_zarr_stored stored;
} shard;

/* Small chunks go into the store many at a time. */
static cr_status flush(shard *s, cr_store_out *out, cr_err *err) {
    size_t n = s->n_gathered;
    s->n_gathered = 0;
    return n ? cr_store_put(out, s->gathered, n, err) : CR_OK;
}

static cr_status emit(shard *s, cr_store_out *out, const void *bytes, size_t n, cr_err *err) {
    s->stored.crc = cr_crc32c_more(s->stored.crc, bytes, n);
    s->stored.bytes += n;
    if (n > GATHER_BYTES - s->n_gathered)
        CR_TRY(flush(s, out, err));
    if (n > GATHER_BYTES)
        return cr_store_put(out, bytes, n, err);
    memcpy(s->gathered + s->n_gathered, bytes, n);
    s->n_gathered += n;
    return CR_OK;
}

/* The chunk that begins at from[], which is number k of the index. */
static cr_status add_chunk(shard *s, cr_store_out *out, const int64_t *from, size_t k, cr_err *err) {
    const cr_zarr_array *a = s->p->array;
    const void *stored;
    size_t n;
    uint64_t entry[2] = {ABSENT, ABSENT};
    bool inside = true;
    for (int i = 0; i < a->ndim; i++)
        inside &= from[i] < s->count[i];
    if (inside)
        cut(s->p, s->count, from, s->box, s->chunk);
    if (inside && !is_all_fill(s->p, s->chunk, s->p->chunk_bytes)) {
        if (a->swap_width)
            cr_byteswap(s->chunk, s->p->chunk_bytes / a->swap_width, a->swap_width);
        CR_TRY(cr_codec_chain_encode(&a->chain, s->work, s->chunk, s->p->chunk_bytes, s->temporary, &stored, &n, err));
        entry[0] = s->stored.bytes;
        entry[1] = n;
        CR_TRY(emit(s, out, stored, n, err));
    }
    memcpy(s->entries + 2 * k, entry, ENTRY_BYTES);
    return CR_OK;
}

static cr_status add_index(shard *s, cr_store_out *out, cr_err *err) {
    const cr_zarr_array *a = s->p->array;
    size_t n = s->p->n_per_shard * ENTRY_BYTES;
    if (a->index_swapped)
        cr_byteswap(s->entries, 2 * s->p->n_per_shard, 8);
    if (a->index_crc) {
        uint32_t crc = htole32(cr_crc32c(s->entries, n));
        memcpy((char *)s->entries + n, &crc, CRC_BYTES);
        n += CRC_BYTES;
    }
    CR_TRY(emit(s, out, s->entries, n, err));
    return flush(s, out, err);
}

static cr_status fill_shard(void *user, cr_store_out *out, cr_err *err) {
    shard *s = user;
    const cr_zarr_array *a = s->p->array;
    int64_t from[CR_MAX_DIMS] = {0};
    for (size_t k = 0; k < s->p->n_per_shard; k++) {
        CR_TRY(add_chunk(s, out, from, k, err));
        /* In the order of the index, whose axes may be turned. */
        for (int i = a->ndim - 1; i >= 0; i--) {
            int axis = a->shard_order[i];
            if ((from[axis] += a->chunk[axis]) < a->stored[axis])
                break;
            from[axis] = 0;
        }
    }
    return add_index(s, out, err);
}

static cr_status put_shard(const cr_zarr_put *p, const char *key, const int64_t *count, const char *box, cr_scratch *scratch,
                           cr_zarr_stored *ret, cr_err *err) {
    size_t between = encode_room(p), chunk = (p->chunk_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1), index = p->n_per_shard * ENTRY_BYTES + ALIGN;
    struct cr_codec_work *work;
    CR_TRY(cr_scratch_need(scratch, between + chunk + index + GATHER_BYTES, err));
    CR_TRY(cr_scratch_work(scratch, &work, err));
    char *at = scratch->bytes;
    shard s = {.p = p, .count = count, .box = box, .work = work, .temporary = at, .chunk = at + between,
               .entries = (uint64_t *)(at + between + chunk), .gathered = at + between + chunk + index};
    CR_TRY(cr_store_write_from(p->store, key, fill_shard, &s, err));
    *ret = s.stored;
    return CR_OK;
}

cr_status cr_zarr_put_box(const cr_zarr_put *p, const int64_t *object, const int64_t *count, const void *box, cr_scratch *scratch,
                          cr_zarr_stored *ret_stored, cr_err *err) {
    const cr_zarr_array *a = p->array;
    char key[CR_STORE_KEY_MAX + 1];
    int64_t chunk[CR_MAX_DIMS];
    size_t bytes = a->itemsize;
    for (int i = 0; i < a->ndim; i++) {
        bytes *= (size_t)count[i];
        chunk[i] = object[i] * (a->stored[i] / a->chunk[i]);
    }
    if (!p->replaces && is_all_fill(p, box, bytes)) {
        *ret_stored = (cr_zarr_stored){.absent = true};
        return CR_OK;
    }
    CR_TRY(cr_zarr_key(a, chunk, key, sizeof key, err));
    return a->sharded ? put_shard(p, key, count, box, scratch, ret_stored, err) : put_chunk(p, key, count, box, scratch, ret_stored, err);
}
