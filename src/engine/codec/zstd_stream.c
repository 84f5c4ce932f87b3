/* zstd_stream.c - see zstd_stream.h. */
#include "engine/codec/zstd_stream.h"

#include <assert.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { MOST_LEVEL = 9 };

bool cr_zstd_in_parts(const cr_codec *c) { return c->id == CR_CODEC_ZSTD && c->level <= MOST_LEVEL; }

static bool begin(const cr_codec *c, uint64_t n, ZSTD_CCtx *s) {
    return !ZSTD_isError(ZSTD_CCtx_setParameter(s, ZSTD_c_compressionLevel, c->level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(s, ZSTD_c_checksumFlag, c->checksum)) && !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(s, n));
}

cr_status cr_zstd_stream_new(const cr_codec *c, uint64_t n, cr_zstd_stream **ret_stream, cr_err *err) {
    ZSTD_CCtx *s = ZSTD_createCCtx();
    if (!s || !begin(c, n, s)) {
        ZSTD_freeCCtx(s);
        return CR_FAIL(err, CR_MEMORY, "no memory for a compressor");
    }
    *ret_stream = s;
    return CR_OK;
}

void cr_zstd_stream_free(cr_zstd_stream *s) { ZSTD_freeCCtx(s); }

uint64_t cr_zstd_stream_bytes(const cr_codec *c, uint64_t n) {
    ZSTD_CCtx *s = ZSTD_createCCtx();
    uint64_t bytes = 0;
    /* Its tables are there when the first bytes are asked of it, even none. */
    ZSTD_inBuffer in = {"", 0, 0};
    char first[32];
    ZSTD_outBuffer out = {first, sizeof first, 0};
    if (s && begin(c, n, s) && !ZSTD_isError(ZSTD_compressStream2(s, &out, &in, ZSTD_e_continue)))
        bytes = ZSTD_sizeof_CCtx(s);
    ZSTD_freeCCtx(s);
    return bytes;
}

/* Beside them a block that waited for its end, and head and checksum of the frame. */
size_t cr_zstd_stream_room(size_t n) { return ZSTD_compressBound(n + ZSTD_CStreamInSize()) + 64; }

cr_status cr_zstd_stream_put(cr_zstd_stream *s, const void *src, size_t n, bool is_last, void *room, size_t room_bytes, size_t *ret_n, cr_err *err) {
    ZSTD_inBuffer in = {src, n, 0};
    ZSTD_outBuffer out = {room, room_bytes, 0};
    size_t left = ZSTD_compressStream2(s, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
    while (!ZSTD_isError(left) && in.pos < n && out.pos < out.size)
        left = ZSTD_compressStream2(s, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
        return CR_FAIL(err, ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? CR_MEMORY : CR_INTERNAL, "zstd cannot compress: %s",
                       ZSTD_getErrorName(left));
    if (in.pos < n || (is_last && left > 0))
        return CR_FAIL(err, CR_INTERNAL, "no room to compress %zu bytes", n);
    *ret_n = out.pos;
    return CR_OK;
}

/* ---- taking ---- */

enum { TAKE_WINDOW_LOG = 24 };
static_assert((size_t)1 << TAKE_WINDOW_LOG == CR_ZSTD_TAKE_BYTES, "what is promised");

cr_status cr_zstd_take_begin(cr_codec_work *w, cr_err *err) {
    if (!w->unzstd)
        w->unzstd = ZSTD_createDCtx();
    if (!w->unzstd || ZSTD_isError(ZSTD_DCtx_reset(w->unzstd, ZSTD_reset_session_only)) ||
        ZSTD_isError(ZSTD_DCtx_setParameter(w->unzstd, ZSTD_d_windowLogMax, TAKE_WINDOW_LOG)))
        return CR_FAIL(err, CR_MEMORY, "no memory for a decompressor");
    return CR_OK;
}

cr_status cr_zstd_take(cr_codec_work *w, const void *src, size_t n, size_t *ret_used, void *dst, size_t cap, size_t *ret_n, cr_err *err) {
    ZSTD_inBuffer in = {src, n, 0};
    ZSTD_outBuffer out = {dst, cap, 0};
    size_t left = ZSTD_decompressStream(w->unzstd, &out, &in);
    if (ZSTD_isError(left)) {
        if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge)
            return CR_FAIL(err, CR_UNSUPPORTED, "the zstd data refer back more than %zu bytes", CR_ZSTD_TAKE_BYTES);
        return CR_FAIL(err, ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? CR_MEMORY : CR_FORMAT, "the zstd data are damaged: %s",
                       ZSTD_getErrorName(left));
    }
    *ret_used = in.pos;
    *ret_n = out.pos;
    return CR_OK;
}
