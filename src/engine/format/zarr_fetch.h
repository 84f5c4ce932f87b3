/* zarr_fetch.h - the stored bytes of one chunk of a Zarr array: from its own object, or from inside a shard.
 *
 * Shared by the source and by the reader of texts. Indexes of shards are read once and kept (least recently used go first, within
 * CR_ZARR_INDEX_CACHE_BYTES); an index belongs to one version of its shard, and is read again when the shard was replaced.
 * Threads: all functions may be called from any number of threads at once. */
#ifndef CR_ENGINE_FORMAT_ZARR_FETCH_H
#define CR_ENGINE_FORMAT_ZARR_FETCH_H

#include "base/fork_lock.h"
#include "engine/format/zarr.h"

#define CR_ZARR_INDEX_CACHE_BYTES ((size_t)32 << 20)
enum { CR_ZARR_INDEX_SLOTS = 64, CR_ZARR_MOST_PER_SHARD = 1 << 22 };

typedef struct cr_zarr_index {
    char *key;                    /* of the shard; NULL: free slot */
    uint64_t version, last_use;
    uint64_t *entries;            /* offset and length of each chunk, in the order of the index; all ones: absent */
} cr_zarr_index;

typedef struct cr_zarr_fetch {
    cr_store *store;
    const cr_zarr_array *array;   /* borrowed */
    char *meta_key;
    bool has_meta;
    cr_store_info meta;           /* when the array was opened */
    size_t n_per_shard;           /* chunks in one shard */
    cr_fork_lock lock;            /* guards the two below */
    cr_zarr_index index[CR_ZARR_INDEX_SLOTS];
    uint64_t clock;
} cr_zarr_fetch;

/* CR_UNSUPPORTED when a shard has too many chunks for an index. */
cr_status cr_zarr_fetch_init(cr_zarr_fetch *f, cr_store *store, const cr_zarr_array *array, const char *meta_key, cr_err *err) CR_MUST_USE;
void cr_zarr_fetch_done(cr_zarr_fetch *f);
/* Key of the object that holds chunk (indexes within the grid of chunks). */
cr_status cr_zarr_key(const cr_zarr_array *a, const int64_t *chunk, char *key, size_t size, cr_err *err) CR_MUST_USE;
/* Reads the stored bytes into room. *ret_absent: there are none, and room was not called. */
cr_status cr_zarr_fetch_chunk(cr_zarr_fetch *f, const int64_t *chunk, cr_store_room_fn room, void *user, size_t *ret_n, bool *ret_absent,
                              cr_err *err) CR_MUST_USE;

/* Where the stored bytes of a chunk lie, for who reads parts of them. */
typedef struct cr_zarr_place {
    char key[CR_STORE_KEY_MAX + 1];
    uint64_t begin, n, version;
} cr_zarr_place;
cr_status cr_zarr_find_stored(cr_zarr_fetch *f, const int64_t *chunk, cr_zarr_place *ret_stored, bool *ret_absent, cr_err *err) CR_MUST_USE;
/* Bytes [offset, offset + n) of them. CR_CONFLICT: they were replaced since they were found, and are to be found again. */
cr_status cr_zarr_read_stored(cr_zarr_fetch *f, const cr_zarr_place *stored, uint64_t offset, size_t n, void *dst, cr_err *err) CR_MUST_USE;

/* Number of stored bytes, 0 when absent, SIZE_MAX when not known without reading an index. */
size_t cr_zarr_stored_bytes(cr_zarr_fetch *f, const int64_t *chunk);

#endif
