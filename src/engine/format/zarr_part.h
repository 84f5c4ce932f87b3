/* zarr_part.h - a box of a chunk of a Zarr array, read without decoding the rest of the chunk.
 *
 * Possible where a chunk is stored as it is, by Blosc (in blocks, each by itself), or as frames of Zstandard (from their beginning on), in native byte
 * order and order of axes. Whatever else a chunk turns out to be is decoded whole, in memory of its own, and the box taken from it.
 */
#ifndef CR_ENGINE_FORMAT_ZARR_PART_H
#define CR_ENGINE_FORMAT_ZARR_PART_H

#include "engine/format/source.h"
#include "engine/format/zarr_fetch.h"

/* As reads_part of source.h. */
bool cr_zarr_reads_part(const cr_zarr_array *a, size_t chunk_bytes, const int64_t *n, const int64_t *end, size_t *ret_bytes,
                        size_t *ret_decoded);
/* CR_UNSUPPORTED: this chunk can be decoded whole alone. */
cr_status cr_zarr_read_part(cr_zarr_fetch *f, size_t chunk_bytes, const int64_t *chunk, const int64_t *lo, const int64_t *n, void *dst, cr_scratch *scratch,
                            bool *ret_absent, cr_err *err) CR_MUST_USE;
/* The box out of a chunk in memory. */
void cr_zarr_cut(const cr_zarr_array *a, const void *chunk, const int64_t *lo, const int64_t *n, void *dst);

#endif
