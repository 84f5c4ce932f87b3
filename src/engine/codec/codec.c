/* codec.c - the table of codecs, and chains of them. */
#include "engine/codec/codec.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static const cr_codec_ops *const rows[CR_CODEC_COUNT] = {
    [CR_CODEC_ZLIB] = &cr_codec_ops_zlib,       [CR_CODEC_GZIP] = &cr_codec_ops_gzip,
    [CR_CODEC_ZSTD] = &cr_codec_ops_zstd,       [CR_CODEC_LZ4] = &cr_codec_ops_lz4,
    [CR_CODEC_BLOSC] = &cr_codec_ops_blosc,     [CR_CODEC_SHUFFLE] = &cr_codec_ops_shuffle,
    [CR_CODEC_CRC32C] = &cr_codec_ops_crc32c,   [CR_CODEC_CRC32] = &cr_codec_ops_crc32,
    [CR_CODEC_ADLER32] = &cr_codec_ops_adler32, [CR_CODEC_FLETCHER32] = &cr_codec_ops_fletcher32,
    [CR_CODEC_DELTA] = &cr_codec_ops_delta,     [CR_CODEC_FIXEDSCALEOFFSET] = &cr_codec_ops_fixedscaleoffset,
    [CR_CODEC_IDENTITY] = &cr_codec_ops_identity,
};

cr_status cr_codec_work_new(cr_codec_work **ret_work, cr_err *err) {
    cr_codec_work *w = calloc(1, sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory for codecs");
    *ret_work = w;
    return CR_OK;
}

void cr_codec_work_free(cr_codec_work *w) {
    if (!w)
        return;
    if (w->inflate)
        libdeflate_free_decompressor(w->inflate);
    if (w->deflate)
        libdeflate_free_compressor(w->deflate);
    ZSTD_freeDCtx(w->unzstd);
    ZSTD_freeCCtx(w->zstd);
    free(w);
}

const char *cr_codec_name(cr_codec_id id) { return (unsigned)id < CR_CODEC_COUNT ? rows[id]->name : "?"; }

cr_status cr_codec_find(const char *name, cr_codec_id *ret_id, cr_err *err) {
    for (int i = 0; i < CR_CODEC_COUNT; i++)
        if (strcmp(rows[i]->name, name) == 0) {
            *ret_id = (cr_codec_id)i;
            return CR_OK;
        }
    return CR_FAIL(err, CR_NOT_FOUND, "the codec \"%.80s\" is not known", name);
}

static bool is_integer(cr_dtype t) { return t >= CR_I8 && t <= CR_U64; }

cr_status cr_codec_check(const cr_codec *c, cr_err *err) {
    const char *name = cr_codec_name(c->id);
    switch (c->id) {
    case CR_CODEC_SHUFFLE:
        if (c->itemsize < 1 || c->itemsize > 1 << 20)
            return CR_FAIL(err, CR_INVALID, "%s: an item of %d bytes", name, c->itemsize);
        return CR_OK;
    case CR_CODEC_ZLIB:
    case CR_CODEC_GZIP:
    case CR_CODEC_BLOSC:
        if (c->level < -1 || c->level > 9)
            return CR_FAIL(err, CR_INVALID, "%s: level %d; it goes from 0 to 9", name, c->level);
        return CR_OK;
    case CR_CODEC_DELTA:
        if (!(is_integer(c->dtype) && is_integer(c->stored)) && !(c->dtype == c->stored && (c->dtype == CR_F32 || c->dtype == CR_F64)))
            return CR_FAIL(err, CR_UNSUPPORTED, "%s with these two data types", name);
        return CR_OK;
    case CR_CODEC_FIXEDSCALEOFFSET:
        if (!is_integer(c->stored) || (c->dtype != CR_F32 && c->dtype != CR_F64) || !(c->scale != 0))
            return CR_FAIL(err, CR_UNSUPPORTED, "%s with these data types or scale", name);
        return CR_OK;
    default:
        return CR_OK;
    }
}

/* sizes[i] bounds the bytes before codec i is applied; sizes[n] bounds what is stored. */
static void bounds(const cr_codec_chain *chain, size_t n, size_t sizes[CR_CODEC_CHAIN_MAX + 1]) {
    sizes[0] = n;
    for (int i = 0; i < chain->n; i++)
        sizes[i + 1] = sizes[i] == SIZE_MAX ? SIZE_MAX : rows[chain->codecs[i].id]->bound(&chain->codecs[i], sizes[i]);
}

size_t cr_codec_chain_bound(const cr_codec_chain *chain, size_t n) {
    size_t sizes[CR_CODEC_CHAIN_MAX + 1];
    bounds(chain, n, sizes);
    return sizes[chain->n];
}

static size_t largest(const size_t *sizes, int from, int to) {
    size_t most = 0;
    for (int i = from; i <= to; i++)
        most = CR_MAX(most, sizes[i]);
    return most > SIZE_MAX - 64 ? SIZE_MAX : (most + 63) & ~(size_t)63;
}

/* Codecs write to two areas of this size in turn. When reading, the first codec of the chain writes to its destination. */
static size_t decode_area(const cr_codec_chain *chain, const size_t *sizes) { return largest(sizes, 1, chain->n - 1); }
static size_t encode_area(const cr_codec_chain *chain, const size_t *sizes) { return largest(sizes, 1, chain->n); }

static size_t areas(int n, size_t each) {
    n = CR_MIN(n, 2);
    return n <= 0 ? 0 : each > SIZE_MAX / 2 ? SIZE_MAX : (size_t)n * each;
}

size_t cr_codec_chain_decode_room(const cr_codec_chain *chain, size_t n) {
    size_t sizes[CR_CODEC_CHAIN_MAX + 1];
    bounds(chain, n, sizes);
    return areas(chain->n - 1, decode_area(chain, sizes));
}

size_t cr_codec_chain_encode_room(const cr_codec_chain *chain, size_t n) {
    size_t sizes[CR_CODEC_CHAIN_MAX + 1];
    bounds(chain, n, sizes);
    return areas(chain->n, encode_area(chain, sizes));
}

cr_status cr_codec_chain_decode_within(const cr_codec_chain *chain, cr_codec_work *work, const void *src, size_t n_src, void *dst,
                                       size_t cap, void *temporary, size_t *ret_n, cr_err *err) {
    size_t sizes[CR_CODEC_CHAIN_MAX + 1], n = n_src;
    bounds(chain, cap, sizes);
    size_t area = decode_area(chain, sizes);
    const uint8_t *at = src;
    int turn = 0;
    for (int i = chain->n - 1; i >= 0; i--) {
        const cr_codec *c = &chain->codecs[i];
        if (rows[c->id]->check) {
            CR_TRY(rows[c->id]->check(c, &at, &n, err));
            continue;
        }
        uint8_t *to = i == 0 ? dst : (uint8_t *)temporary + (size_t)turn * area;
        CR_TRY(rows[c->id]->decode(c, work, at, n, to, sizes[i], &n, err));
        at = to;
        turn = !turn;
    }
    if (n > cap)
        return CR_FAIL(err, CR_FORMAT, "it decodes to %zu bytes; the chunk has at most %zu", n, cap);
    if (at != dst && n)
        memcpy(dst, at, n);
    *ret_n = n;
    return CR_OK;
}

cr_status cr_codec_chain_decode(const cr_codec_chain *chain, cr_codec_work *work, const void *src, size_t n_src, void *dst,
                                size_t n_dst, void *temporary, cr_err *err) {
    size_t n = 0;
    CR_TRY(cr_codec_chain_decode_within(chain, work, src, n_src, dst, n_dst, temporary, &n, err));
    if (n != n_dst)
        return CR_FAIL(err, CR_FORMAT, "it decodes to %zu bytes; the chunk has %zu", n, n_dst);
    return CR_OK;
}

cr_status cr_codec_chain_encode(const cr_codec_chain *chain, cr_codec_work *work, const void *src, size_t n, void *temporary,
                                const void **ret_bytes, size_t *ret_n, cr_err *err) {
    size_t sizes[CR_CODEC_CHAIN_MAX + 1];
    bounds(chain, n, sizes);
    size_t area = encode_area(chain, sizes);
    const uint8_t *at = src;
    for (int i = 0; i < chain->n; i++) {
        const cr_codec *c = &chain->codecs[i];
        uint8_t *to = (uint8_t *)temporary + (size_t)(i % 2) * area;
        if (!rows[c->id]->encode)
            return CR_FAIL(err, CR_UNSUPPORTED, "writing with the codec \"%s\"", rows[c->id]->name);
        CR_TRY(rows[c->id]->encode(c, work, at, n, to, sizes[i + 1], &n, err));
        at = to;
    }
    *ret_bytes = at;
    *ret_n = n;
    return CR_OK;
}

static int codec_text(const cr_codec *c, char *buf, size_t size) {
    switch (c->id) {
    case CR_CODEC_ZLIB:
    case CR_CODEC_GZIP:
    case CR_CODEC_ZSTD:
        return snprintf(buf, size, "%s %d", c->id == CR_CODEC_ZLIB ? "deflate" : rows[c->id]->name, c->level);
    case CR_CODEC_BLOSC:
        return snprintf(buf, size, "blosc %s %d%s", c->blosc_inner, c->level,
                        c->blosc_shuffle == 1 ? " shuffle" : c->blosc_shuffle == 2 ? " bitshuffle" : "");
    default:
        return snprintf(buf, size, "%s", rows[c->id]->name);
    }
}

char *cr_codec_chain_text(const cr_codec_chain *chain, char *buf, size_t size) {
    size_t used = 0;
    buf[0] = 0;
    for (int i = 0; i < chain->n && used < size - 1; i++) {
        if (i)
            used += (size_t)snprintf(buf + used, size - used, ", ");
        if (used < size - 1)
            used += (size_t)codec_text(&chain->codecs[i], buf + used, size - used);
    }
    return buf;
}
