/* blosc_blocks.c - see blosc_blocks.h. Source of the layout: c-blosc README_CHUNK_FORMAT.rst. */
#include "engine/codec/blosc_blocks.h"

#include <blosc.h>
#include <string.h>

enum { HEAD_BYTES = 16, START_BYTES = 4, ONE_STREAM = 0x10, COPIED = 0x2, COMPRESSOR_SHIFT = 5 };

static int item_bytes(const cr_codec *c) { return c->itemsize >= 1 && c->itemsize <= BLOSC_MAX_TYPESIZE ? c->itemsize : 1; }

bool cr_blosc_by_blocks(const cr_codec *c) {
    return c->id == CR_CODEC_BLOSC && c->level > 0 && c->blosc_block_bytes >= CR_BLOSC_LEAST_BYTES && strcmp(c->blosc_inner, "zstd") == 0;
}

size_t cr_blosc_block_room(size_t n) { return n + HEAD_BYTES + 4 * START_BYTES; }

cr_status cr_blosc_block(const cr_codec *c, const void *src, size_t n, void *room, const void **ret_bytes, size_t *ret_n, cr_err *err) {
    uint8_t *alone = room;
    /* A buffer with this block alone, whose head is left out. With so much room it is never copied as it is: at worst its one stream is. */
    int got = blosc_compress_ctx(c->level, c->blosc_shuffle, (size_t)item_bytes(c), n, src, alone, cr_blosc_block_room(n), c->blosc_inner, n, 1);
    if (got <= HEAD_BYTES + START_BYTES || alone[2] & COPIED || !(alone[2] & ONE_STREAM))
        return CR_FAIL(err, CR_UNSUPPORTED, "Blosc cannot compress a block of %zu bytes with \"%s\" here", n, c->blosc_inner);
    *ret_bytes = alone + HEAD_BYTES + START_BYTES;
    *ret_n = (size_t)got - HEAD_BYTES - START_BYTES;
    return CR_OK;
}

size_t cr_blosc_head_bytes(size_t n_blocks) { return HEAD_BYTES + n_blocks * START_BYTES; }

static void put32(uint8_t *at, size_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

void cr_blosc_head(const cr_codec *c, size_t n_bytes, const uint32_t *starts, size_t n_blocks, size_t stored, void *head) {
    uint8_t *h = head;
    size_t n = cr_blosc_head_bytes(n_blocks);
    h[0] = BLOSC_VERSION_FORMAT;
    h[1] = BLOSC_ZSTD_VERSION_FORMAT;
    h[2] = (uint8_t)((c->blosc_shuffle == BLOSC_SHUFFLE ? BLOSC_DOSHUFFLE : c->blosc_shuffle == BLOSC_BITSHUFFLE ? BLOSC_DOBITSHUFFLE : 0) |
                     ONE_STREAM | BLOSC_ZSTD_FORMAT << COMPRESSOR_SHIFT);
    h[3] = (uint8_t)item_bytes(c);
    put32(h + 4, n_bytes);
    put32(h + 8, (size_t)c->blosc_block_bytes);
    put32(h + 12, n + stored);
    for (size_t i = 0; i < n_blocks; i++)
        put32(h + HEAD_BYTES + i * START_BYTES, n + starts[i]);
}
