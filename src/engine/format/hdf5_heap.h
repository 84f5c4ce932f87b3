/* hdf5_heap.h - the three heaps of HDF5: local (names of old groups), global (strings of variable length, lists of references)
 * and fractal (links, attributes and shared messages in large numbers); and version-2 B-trees, which index the fractal heap.
 *
 * All of them fetch into the parse's temporary arena and keep what they fetched, so that a block is read once. Walks of trees
 * go down by levels that must match, and are bounded by the arena's limit.
 */
#ifndef CR_ENGINE_FORMAT_HDF5_HEAP_H
#define CR_ENGINE_FORMAT_HDF5_HEAP_H

#include "engine/format/hdf5_io.h"

/* ---- local heap ------------------------------------------------------------------------------------------------- */

/* The data segment. A name in it begins at an offset and ends with a NUL. */
cr_status h5_local_heap(h5_ctx *x, uint64_t addr, h5_cur *ret_segment, cr_err *err) CR_MUST_USE;
cr_status h5_local_name(const h5_cur *segment, uint64_t offset, const char **ret_name, cr_err *err) CR_MUST_USE;

/* ---- global heap ------------------------------------------------------------------------------------------------ */

/* Reads a stored reference to the global heap: element count, address, index. An empty one gives a cursor of 0 bytes.
 * The cursor is valid as long as the temporary arena. */
cr_status h5_vlen_get(h5_ctx *x, h5_cur *stored, uint32_t *ret_count, h5_cur *ret_object, cr_err *err) CR_MUST_USE;

/* ---- fractal heap ----------------------------------------------------------------------------------------------- */

typedef struct h5_fheap h5_fheap;
cr_status h5_fheap_open(h5_ctx *x, uint64_t addr, h5_fheap **ret_heap, cr_err *err) CR_MUST_USE;
/* The object with this ID of id_bytes bytes. */
cr_status h5_fheap_get(h5_ctx *x, h5_fheap *heap, const uint8_t *id, size_t id_bytes, h5_cur *ret_object, cr_err *err) CR_MUST_USE;

/* ---- B-tree, version 2 ------------------------------------------------------------------------------------------ */

/* Calls visit with a cursor over every record, in the order of keys. type: what the tree must hold (see the specification). */
typedef cr_status (*h5_record_fn)(void *user, h5_cur *record, cr_err *err);
cr_status h5_btree2_walk(h5_ctx *x, uint64_t addr, unsigned type, h5_record_fn visit, void *user, cr_err *err) CR_MUST_USE;

#endif
