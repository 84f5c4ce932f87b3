/* zarr_stream.h - chunks of a Zarr array that come in pieces, from any thread and in any order, and go to the disk as they come.
 *
 * A chunk is cut along its first axis that is longer than 1 into blocks, some rows each: those of Blosc, or of about 512 KiB where a chunk is one frame
 * of Zstandard. A block of Blosc is compressed by whoever brings its last row, a frame takes its blocks in turn; they go into the chunk's file in their
 * order, and those that come early wait in memory. So besides the blocks that are begun, the chunk is never in memory, neither its values nor what is
 * stored. With Blosc its bytes are those of the same chunk written at once (zarr_put.h); a frame's depend on its blocks, not on who brings them when.
 *
 * Threads: cr_zarr_stream_put from any; the others from one, with no put running.
 */
#ifndef CR_ENGINE_FORMAT_ZARR_STREAM_H
#define CR_ENGINE_FORMAT_ZARR_STREAM_H

#include "engine/format/zarr_put.h"

/* The shape of a block: a chunk's, but for the axis that is cut. false: chunks of this array cannot come in pieces (other codecs, shards, blocks that
 * are no rows). */
bool cr_zarr_stream_block(const cr_zarr_array *a, int64_t *ret_block);
/* Of such an array: what each chunk that is begun holds besides its blocks. */
uint64_t cr_zarr_stream_open_bytes(const cr_zarr_put *p);

typedef struct cr_zarr_stream cr_zarr_stream;
/* Borrows p. */
cr_status cr_zarr_stream_new(const cr_zarr_put *p, cr_zarr_stream **ret_stream, cr_err *err) CR_MUST_USE;
/* Chunks that are not complete leave nothing. NULL is allowed. */
void cr_zarr_stream_free(cr_zarr_stream *s);

/* A piece: some rows of one chunk, at `start` of the array; data: the count[] items that lie in the array, row-major. Each row once.
 * *ret_whole: it was the last of its chunk, of which object[] and *ret_stored say what cr_zarr_put_box says. */
cr_status cr_zarr_stream_put(cr_zarr_stream *s, const int64_t *start, const int64_t *count, const void *data, cr_scratch *scratch,
                             bool *ret_whole, int64_t *object, cr_zarr_stored *ret_stored, cr_err *err) CR_MUST_USE;

#endif
