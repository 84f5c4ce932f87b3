/* zarr_put.h - values into stored objects of a Zarr array: chunks, and shards of chunks (ZEP 2), of new stores and of those that are there.
 *
 * A shard is its encoded chunks one after the other, then the index (offset and length of each, crc32c). It goes into the store as it is
 * made: besides the box of values one encoded chunk and the index are in memory, never the encoded shard.
 *
 * Edge chunks are stored whole, what lies beyond the array as fill. Chunks that hold nothing but fill, bit by bit, are not stored, as
 * zarr-python does by default: neither as an object nor in a shard.
 *
 * Threads: a cr_zarr_put is immutable; each call has a scratch of its own.
 */
#ifndef CR_ENGINE_FORMAT_ZARR_PUT_H
#define CR_ENGINE_FORMAT_ZARR_PUT_H

#include "engine/format/source.h"
#include "engine/format/zarr.h"

typedef struct cr_zarr_put {
    const cr_zarr_array *array;   /* of numbers, not permuted; an index at the end of its shards */
    const void *fill;             /* one item in native order; NULL: zeros, and nothing counts as fill */
    cr_store *store;
    bool replaces;                /* an object may be there: one that is nothing but fill is stored too */
    size_t chunk_bytes;
    size_t n_per_shard;           /* chunks in one stored object */
} cr_zarr_put;

/* Borrows all. CR_LIMIT, CR_UNSUPPORTED. */
cr_status cr_zarr_put_init(cr_zarr_put *p, cr_store *store, const cr_zarr_array *array, const void *fill, bool replaces, cr_err *err) CR_MUST_USE;

typedef struct cr_zarr_stored {
    bool absent;                  /* nothing was stored */
    uint64_t bytes;
    uint32_t crc;                 /* crc32c of them */
} cr_zarr_stored;

/* Stores the object at this place in the grid of stored objects; box: the count[] items of it that lie in the array, row-major. */
cr_status cr_zarr_put_box(const cr_zarr_put *p, const int64_t *object, const int64_t *count, const void *box, cr_scratch *scratch,
                          cr_zarr_stored *ret_stored, cr_err *err) CR_MUST_USE;

#endif
