/* zstd_stream.h - one frame of Zstandard, made while its content comes; and frames taken from their beginning on.
 *
 * Its head says how long the content is, as that of a frame made at once does, so every reader knows what room it needs. The bytes depend on the
 * parts in which the content comes, and are others than those of a frame made at once: what they decode to is the same.
 */
#ifndef CR_ENGINE_CODEC_ZSTD_STREAM_H
#define CR_ENGINE_CODEC_ZSTD_STREAM_H

#include "engine/codec/codec.h"

typedef struct ZSTD_CCtx_s cr_zstd_stream;

/* Whether frames of this codec are worth making so: streams of higher levels hold tens to hundreds of MiB each. */
bool cr_zstd_in_parts(const cr_codec *c);
/* A frame for n bytes. */
cr_status cr_zstd_stream_new(const cr_codec *c, uint64_t n, cr_zstd_stream **ret_stream, cr_err *err) CR_MUST_USE;
void cr_zstd_stream_free(cr_zstd_stream *s);                       /* NULL is allowed */
/* Memory that one stream for n bytes holds; 0: none can be made. */
uint64_t cr_zstd_stream_bytes(const cr_codec *c, uint64_t n);
/* Room for what n more bytes can add to the frame. */
size_t cr_zstd_stream_room(size_t n);
/* The next n bytes; is_last: with them the content is complete. What they add to the frame, maybe nothing yet, is written to room. */
cr_status cr_zstd_stream_put(cr_zstd_stream *s, const void *src, size_t n, bool is_last, void *room, size_t room_bytes, size_t *ret_n,
                             cr_err *err) CR_MUST_USE;

/* ---- taking ---- */

/* What frames refer back to is held by the library: at most so many bytes. Frames that need more are CR_UNSUPPORTED. */
#define CR_ZSTD_TAKE_BYTES ((size_t)16 << 20)
cr_status cr_zstd_take_begin(cr_codec_work *w, cr_err *err) CR_MUST_USE;
/* Decodes on from where the last call was: uses *ret_used of n bytes, and gives *ret_n of at most cap. CR_FORMAT. */
cr_status cr_zstd_take(cr_codec_work *w, const void *src, size_t n, size_t *ret_used, void *dst, size_t cap, size_t *ret_n, cr_err *err) CR_MUST_USE;

#endif
