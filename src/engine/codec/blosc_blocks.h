/* blosc_blocks.h - Blosc buffers made block by block, for chunks that come in parts.
 *
 * A Blosc 1 buffer is a head and blocks, each compressed by itself; the head says where each begins. What is put together here has the
 * bytes that the library writes for the whole chunk at once (tests/unit/engine/test_codec.c).
 */
#ifndef CR_ENGINE_CODEC_BLOSC_BLOCKS_H
#define CR_ENGINE_CODEC_BLOSC_BLOCKS_H

#include "engine/codec/codec.h"

#define CR_BLOSC_LEAST_BYTES 128  /* the library copies what is less, if it stands alone */

/* Whether buffers of this codec can be made so: the size of blocks is said, and each is one stream (Zstandard's; other compressors may have one for
 * each byte of an item, or one, by rules of the library's). */
bool cr_blosc_by_blocks(const cr_codec *c);
size_t cr_blosc_block_room(size_t n);
/* What stands for n bytes (CR_BLOSC_LEAST_BYTES to blosc_block_bytes of the codec) in the buffer; it lies in room, cr_blosc_block_room(n) bytes. */
cr_status cr_blosc_block(const cr_codec *c, const void *src, size_t n, void *room, const void **ret_bytes, size_t *ret_n, cr_err *err) CR_MUST_USE;
size_t cr_blosc_head_bytes(size_t n_blocks);
/* head: of n_blocks blocks that decode to n_bytes; starts: where each begins behind the head; stored: their bytes, at most CR_BLOSC_MOST_STORED. */
#define CR_BLOSC_MOST_STORED ((uint64_t)INT32_MAX - (64 << 20))
void cr_blosc_head(const cr_codec *c, size_t n_bytes, const uint32_t *starts, size_t n_blocks, size_t stored, void *head);

#endif
