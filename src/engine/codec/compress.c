/* compress.c - zlib, gzip, Zstandard, LZ4 and Blosc by their libraries. */
#include <blosc.h>
#include <libdeflate.h>
#include <limits.h>
#include <lz4.h>
#include <string.h>
#include <zstd.h>

#include "engine/codec/codec.h"

/* Room for what a compressor adds at worst, generous enough for other encoders than those below. */
static size_t with_overhead(size_t n) {
    size_t extra = n / 32 + 4096;
    return n > SIZE_MAX - extra ? SIZE_MAX : n + extra;
}

static size_t any_bound(const cr_codec *c, size_t n) { return with_overhead(n); }

/* ---- deflate ------------------------------------------------------------------------------------------------------ */

static cr_status inflater(cr_codec_work *w, cr_err *err) {
    if (!w->inflate)
        w->inflate = libdeflate_alloc_decompressor();
    return w->inflate ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for a decompressor");
}

static cr_status deflater(cr_codec_work *w, int level, cr_err *err) {
    level = level < 0 ? 6 : level;
    if (w->deflate && w->deflate_level != level) {
        libdeflate_free_compressor(w->deflate);
        w->deflate = NULL;
    }
    if (!w->deflate)
        w->deflate = libdeflate_alloc_compressor(level);
    w->deflate_level = level;
    return w->deflate ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for a compressor");
}

static cr_status fail_inflate(enum libdeflate_result r, const char *what, cr_err *err) {
    return CR_FAIL(err, CR_FORMAT, r == LIBDEFLATE_INSUFFICIENT_SPACE ? "the %s data hold more than the chunk has room for"
                                                                      : "the %s data are damaged", what);
}

static cr_status zlib_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                             size_t *ret_n, cr_err *err) {
    CR_TRY(inflater(w, err));
    size_t got;
    enum libdeflate_result r = libdeflate_zlib_decompress(w->inflate, src, n, dst, cap, &got);
    if (r != LIBDEFLATE_SUCCESS)
        return fail_inflate(r, "zlib", err);
    *ret_n = got;
    return CR_OK;
}

static cr_status zlib_encode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                             size_t *ret_n, cr_err *err) {
    CR_TRY(deflater(w, c->level, err));
    *ret_n = libdeflate_zlib_compress(w->deflate, src, n, dst, cap);
    return *ret_n ? CR_OK : CR_FAIL(err, CR_INTERNAL, "no room to compress %zu bytes", n);
}

/* Members follow each other; each adds to the output (RFC 1952 section 2.2). */
static cr_status gzip_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                             size_t *ret_n, cr_err *err) {
    CR_TRY(inflater(w, err));
    size_t done = 0;
    do {
        size_t used, got;
        enum libdeflate_result r = libdeflate_gzip_decompress_ex(w->inflate, src, n, dst + done, cap - done, &used, &got);
        if (r != LIBDEFLATE_SUCCESS)
            return fail_inflate(r, "gzip", err);
        done += got;
        src += used;
        n -= used;
    } while (n);
    *ret_n = done;
    return CR_OK;
}

static cr_status gzip_encode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                             size_t *ret_n, cr_err *err) {
    CR_TRY(deflater(w, c->level, err));
    *ret_n = libdeflate_gzip_compress(w->deflate, src, n, dst, cap);
    return *ret_n ? CR_OK : CR_FAIL(err, CR_INTERNAL, "no room to compress %zu bytes", n);
}

/* ---- Zstandard ------------------------------------------------------------------------------------------------------ */

static cr_status zstd_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                             size_t *ret_n, cr_err *err) {
    if (!w->unzstd)
        w->unzstd = ZSTD_createDCtx();
    if (!w->unzstd)
        return CR_FAIL(err, CR_MEMORY, "no memory for a decompressor");
    size_t got = ZSTD_decompressDCtx(w->unzstd, dst, cap, src, n);
    if (ZSTD_isError(got))
        return CR_FAIL(err, CR_FORMAT, "the zstd data are damaged or hold more than the chunk: %s", ZSTD_getErrorName(got));
    *ret_n = got;
    return CR_OK;
}

static cr_status zstd_encode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                             size_t *ret_n, cr_err *err) {
    if (!w->zstd)
        w->zstd = ZSTD_createCCtx();
    if (!w->zstd)
        return CR_FAIL(err, CR_MEMORY, "no memory for a compressor");
    ZSTD_CCtx_reset(w->zstd, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, c->level);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, c->checksum);
    size_t got = ZSTD_compress2(w->zstd, dst, cap, src, n);
    if (ZSTD_isError(got))
        return CR_FAIL(err, CR_INTERNAL, "zstd cannot compress: %s", ZSTD_getErrorName(got));
    *ret_n = got;
    return CR_OK;
}

/* ---- LZ4 ------------------------------------------------------------------------------------------------------------ */

static cr_status lz4_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                            size_t *ret_n, cr_err *err) {
    if (n < 4 || n - 4 > INT_MAX)
        return CR_FAIL(err, CR_FORMAT, "%zu bytes are no lz4 block with a length before it", n);
    uint32_t length = (uint32_t)src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16 | (uint32_t)src[3] << 24;
    if (length > cap || length > INT_MAX)
        return CR_FAIL(err, CR_FORMAT, "the lz4 data claim %u bytes; there is room for %zu", length, cap);
    int got = LZ4_decompress_safe((const char *)src + 4, (char *)dst, (int)(n - 4), (int)length);
    if (got < 0 || (uint32_t)got != length)
        return CR_FAIL(err, CR_FORMAT, "the lz4 data are damaged");
    *ret_n = length;
    return CR_OK;
}

static cr_status lz4_encode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                            size_t *ret_n, cr_err *err) {
    if (n > LZ4_MAX_INPUT_SIZE || cap < 4)
        return CR_FAIL(err, CR_LIMIT, "lz4 takes at most %d bytes at once, not %zu: use smaller chunks", LZ4_MAX_INPUT_SIZE, n);
    for (int i = 0; i < 4; i++)
        dst[i] = (uint8_t)(n >> 8 * i);
    int got = LZ4_compress_fast((const char *)src, (char *)dst + 4, (int)n, (int)CR_MIN(cap - 4, (size_t)INT_MAX), 1);
    if (got <= 0)
        return CR_FAIL(err, CR_INTERNAL, "no room to compress %zu bytes", n);
    *ret_n = (size_t)got + 4;
    return CR_OK;
}

/* ---- Blosc ------------------------------------------------------------------------------------------------------------ */

static cr_status blosc_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                              size_t *ret_n, cr_err *err) {
    size_t length;
    if (n < BLOSC_MIN_HEADER_LENGTH || blosc_cbuffer_validate(src, n, &length) != 0)
        return CR_FAIL(err, CR_FORMAT, "%zu bytes are not a whole Blosc buffer", n);
    if (length > cap)
        return CR_FAIL(err, CR_FORMAT, "the Blosc data claim %zu bytes; there is room for %zu", length, cap);
    int got = blosc_decompress_ctx(src, dst, cap, 1);
    if (got < 0 || (size_t)got != length) {
        const char *inner = blosc_cbuffer_complib(src);
        return CR_FAIL(err, CR_FORMAT, "the Blosc data (%s inside) are damaged", inner ? inner : "an unknown compressor");
    }
    *ret_n = length;
    return CR_OK;
}

static cr_status blosc_encode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                              size_t *ret_n, cr_err *err) {
    if (n > BLOSC_MAX_BUFFERSIZE)
        return CR_FAIL(err, CR_LIMIT, "Blosc takes at most %d bytes at once, not %zu: use smaller chunks", BLOSC_MAX_BUFFERSIZE, n);
    int typesize = c->itemsize >= 1 && c->itemsize <= BLOSC_MAX_TYPESIZE ? c->itemsize : 1;
    int got = blosc_compress_ctx(c->level, c->blosc_shuffle, (size_t)typesize, n, src, dst, cap, c->blosc_inner,
                                 (size_t)c->blosc_block_bytes, 1);
    if (got <= 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "Blosc cannot compress with \"%s\" here", c->blosc_inner);
    *ret_n = (size_t)got;
    return CR_OK;
}

const cr_codec_ops cr_codec_ops_zlib = {"zlib", any_bound, zlib_decode, NULL, zlib_encode};
const cr_codec_ops cr_codec_ops_gzip = {"gzip", any_bound, gzip_decode, NULL, gzip_encode};
const cr_codec_ops cr_codec_ops_zstd = {"zstd", any_bound, zstd_decode, NULL, zstd_encode};
const cr_codec_ops cr_codec_ops_lz4 = {"lz4", any_bound, lz4_decode, NULL, lz4_encode};
const cr_codec_ops cr_codec_ops_blosc = {"blosc", any_bound, blosc_decode, NULL, blosc_encode};
