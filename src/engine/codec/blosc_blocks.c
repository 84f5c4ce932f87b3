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

/* ---- taking single blocks out of a buffer ---- */

enum { MOST_SPLITS = 16 };

static uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }

cr_status cr_blosc_layout_of(const uint8_t *head, uint64_t stored, cr_blosc_layout *ret_layout, cr_err *err) {
    cr_blosc_layout *l = ret_layout;
    memcpy(l->head, head, HEAD_BYTES);
    l->copied = head[2] & COPIED;
    l->n_bytes = get32(head + 4);
    l->block_bytes = get32(head + 8);
    if (get32(head + 12) != stored || l->n_bytes > INT32_MAX || l->block_bytes > INT32_MAX || (l->copied && stored != HEAD_BYTES + l->n_bytes))
        return CR_FAIL(err, CR_FORMAT, "%llu bytes are not a whole Blosc buffer", (unsigned long long)stored);
    if (l->n_bytes > 0 && !l->copied && (l->block_bytes == 0 || head[3] == 0))
        return CR_FAIL(err, CR_FORMAT, "a Blosc buffer of %zu bytes says that its blocks have none", l->n_bytes);
    l->block_bytes = CR_MIN(l->block_bytes, l->n_bytes);
    l->n_blocks = l->block_bytes > 0 ? (l->n_bytes + l->block_bytes - 1) / l->block_bytes : 0;
    if (!l->copied && l->n_blocks > (stored - HEAD_BYTES) / START_BYTES)
        return CR_FAIL(err, CR_FORMAT, "a Blosc buffer of %llu bytes cannot have %zu blocks", (unsigned long long)stored, l->n_blocks);
    return CR_OK;
}

/* Each of its streams says how long it is, and is never longer than what it stands for. */
static size_t most_stored(const cr_blosc_layout *l) { return l->block_bytes + MOST_SPLITS * START_BYTES; }

size_t cr_blosc_take_room(const cr_blosc_layout *l) { return CR_BLOSC_BEFORE + most_stored(l); }

cr_status cr_blosc_block_place(const cr_blosc_layout *l, const uint8_t *starts, size_t i, uint64_t stored, uint64_t *ret_begin, size_t *ret_n,
                               cr_err *err) {
    uint64_t begin = get32(starts + i * START_BYTES), end = i + 1 < l->n_blocks ? get32(starts + (i + 1) * START_BYTES) : stored;
    if (begin < HEAD_BYTES + (uint64_t)l->n_blocks * START_BYTES || begin >= stored)
        return CR_FAIL(err, CR_FORMAT, "block %zu of the Blosc buffer is said to begin at byte %llu of %llu", i, (unsigned long long)begin,
                       (unsigned long long)stored);
    if (end <= begin || end > stored) /* several threads write blocks in any order */
        end = stored;
    *ret_begin = begin;
    *ret_n = (size_t)CR_MIN(end - begin, (uint64_t)most_stored(l));
    return CR_OK;
}

/* A buffer with this block alone is what the library decodes. The last block, where it is shorter, is one stream. */
cr_status cr_blosc_take_block(const cr_blosc_layout *l, size_t i, uint8_t *room, size_t n, void *dst, size_t *ret_n, cr_err *err) {
    size_t bytes = CR_MIN(l->block_bytes, l->n_bytes - i * l->block_bytes);
    memcpy(room, l->head, HEAD_BYTES);
    if (bytes < l->block_bytes)
        room[2] |= ONE_STREAM;
    put32(room + 4, bytes);
    put32(room + 8, bytes);
    put32(room + 12, CR_BLOSC_BEFORE + n);
    put32(room + HEAD_BYTES, CR_BLOSC_BEFORE);
    int got = blosc_decompress_ctx(room, dst, bytes, 1);
    if (got < 0 || (size_t)got != bytes) {
        const char *inner = blosc_cbuffer_complib(room);
        return CR_FAIL(err, CR_FORMAT, "block %zu of the Blosc data (%s inside) is damaged", i, inner ? inner : "an unknown compressor");
    }
    *ret_n = bytes;
    return CR_OK;
}
