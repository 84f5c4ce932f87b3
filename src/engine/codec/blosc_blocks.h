/* blosc_blocks.h - Blosc buffers made block by block, for chunks that come in parts, and blocks taken out of them.
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


/* ---- taking single blocks out of a buffer ---- */

enum { CR_BLOSC_HEAD_BYTES = 16 };
typedef struct cr_blosc_layout {
    uint8_t head[CR_BLOSC_HEAD_BYTES];
    bool copied;                  /* what follows the head are the bytes themselves */
    size_t n_bytes, block_bytes, n_blocks;
} cr_blosc_layout;
/* head: of a buffer of `stored` bytes. Unless copied, n_blocks starts of 4 bytes follow it. CR_FORMAT. */
cr_status cr_blosc_layout_of(const uint8_t *head, uint64_t stored, cr_blosc_layout *ret_layout, cr_err *err) CR_MUST_USE;
/* Where block i lies in the buffer: at most as many bytes as it can have, maybe with others behind. starts: as they are stored. CR_FORMAT. */
cr_status cr_blosc_block_place(const cr_blosc_layout *l, const uint8_t *starts, size_t i, uint64_t stored, uint64_t *ret_begin, size_t *ret_n,
                               cr_err *err) CR_MUST_USE;
/* Stored bytes of a block, at most, with what cr_blosc_take_block needs before them. */
size_t cr_blosc_take_room(const cr_blosc_layout *l);
#define CR_BLOSC_BEFORE 20        /* bytes of room before those of the block */
/* Decodes block i, whose n stored bytes lie in room from CR_BLOSC_BEFORE on. dst: block_bytes. *ret_n: what it has, less at the end of the buffer. */
cr_status cr_blosc_take_block(const cr_blosc_layout *l, size_t i, uint8_t *room, size_t n, void *dst, size_t *ret_n, cr_err *err) CR_MUST_USE;

#endif
