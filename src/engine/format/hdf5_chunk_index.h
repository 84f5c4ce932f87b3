/* hdf5_chunk_index.h - where the chunks of a dataset lie: any of the six indexes of HDF5, read once into one sorted array.
 *
 * A chunk is found by its number in the row-major grid of the dataset's present shape; chunks outside of it (the dataset was
 * made smaller) are left out. 24 bytes per chunk; a lookup is an index when every chunk is stored, else a binary search.
 *
 * Invariants
 *  1. Keys are unique and ascending; an index that lists a chunk twice is CR_FORMAT.
 *  2. Loading reads every node at most once: the keys of the version-1 B-tree must ascend and its levels must fall, the other
 *     indexes are bounded by the parse's arena.
 */
#ifndef CR_ENGINE_FORMAT_HDF5_CHUNK_INDEX_H
#define CR_ENGINE_FORMAT_HDF5_CHUNK_INDEX_H

#include "engine/format/hdf5_message.h"

typedef struct h5_chunk {
    uint64_t key, addr;
    uint32_t size, mask;           /* stored bytes; bit i: filter i was left out */
} h5_chunk;

typedef struct h5_chunk_index {
    h5_chunk *chunks;              /* owned */
    size_t n;
    bool complete;                 /* chunk i has key i */
} h5_chunk_index;

typedef struct h5_chunked {        /* what an index is about */
    h5_layout layout;
    int ndim;
    int64_t shape[CR_MAX_DIMS], most[CR_MAX_DIMS]; /* most: -1 for unlimited */
    uint32_t chunk_bytes;
} h5_chunked;

cr_status h5_chunk_index_load(h5_file *f, const h5_chunked *d, h5_chunk_index *ret_index, cr_err *err) CR_MUST_USE;
void h5_chunk_index_done(h5_chunk_index *index);
/* NULL: the chunk is not stored. */
const h5_chunk *h5_chunk_index_find(const h5_chunk_index *index, uint64_t key);
/* The number of the chunk at these grid coordinates. */
uint64_t h5_chunk_key(const h5_chunked *d, const int64_t *coordinates);

/* ---- between the files that read indexes ------------------------------------------------------------------------ */

typedef struct h5_chunk_list {     /* an index while it is read */
    h5_ctx *x;
    const h5_chunked *d;
    h5_chunk *chunks;
    size_t n, cap, max;
    int64_t last[CR_MAX_DIMS];     /* coordinates of the last chunk of a B-tree, to see that they ascend */
    bool any;
    bool sized;                    /* entries carry a size and a mask */
} h5_chunk_list;

/* Adds a chunk unless it lies outside the grid or has no address. */
cr_status h5_chunk_list_add(h5_chunk_list *l, const int64_t *coordinates, uint64_t addr, uint64_t size, uint32_t mask, cr_err *err) CR_MUST_USE;
cr_status h5_fixed_array_read(h5_chunk_list *l, cr_err *err) CR_MUST_USE;
cr_status h5_extensible_array_read(h5_chunk_list *l, cr_err *err) CR_MUST_USE;

#endif
