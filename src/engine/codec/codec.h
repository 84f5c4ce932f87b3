/* codec.h - bytes to bytes: compressors, checksums and filters of stored chunks, and chains of them.
 *
 * A cr_codec is a plain value: which codec (a row of CR_CODEC_TABLE) and its parameters. Who reads a format fills it in; nothing
 * here knows JSON or HDF5. A chain lists codecs in the order of writing; reading applies them backwards.
 *
 * Stored bytes are never trusted: a decoder writes at most the room it is given, whatever sizes the bytes claim, and a chain
 * must give exactly the number of bytes that the chunk has. Anything else is CR_FORMAT; the caller adds which file and key.
 *
 * Threads: codecs and chains are immutable and shared. Library contexts live in a cr_codec_work, one per thread at a time.
 */
#ifndef CR_ENGINE_CODEC_CODEC_H
#define CR_ENGINE_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "craton/dtype.h"

/*   id                name                 what it is */
#define CR_CODEC_TABLE(X)                                                                        \
    X(ZLIB,             "zlib",              "deflate in a zlib stream (RFC 1950)")              \
    X(GZIP,             "gzip",              "deflate in gzip members (RFC 1952)")               \
    X(ZSTD,             "zstd",              "Zstandard frames (RFC 8878)")                      \
    X(LZ4,              "lz4",               "numcodecs: 4 bytes of length, one LZ4 block")      \
    X(BLOSC,            "blosc",             "a Blosc 1 buffer, any compressor inside")          \
    X(SHUFFLE,          "shuffle",           "first bytes of all items, then the second ...")    \
    X(CRC32C,           "crc32c",            "Castagnoli checksum in the last 4 bytes")          \
    X(CRC32,            "crc32",             "numcodecs: checksum in the first or last 4 bytes") \
    X(ADLER32,          "adler32",           "numcodecs: checksum in the first or last 4 bytes") \
    X(FLETCHER32,       "fletcher32",        "HDF5 and numcodecs: checksum in the last 4 bytes") \
    X(DELTA,            "delta",             "numcodecs: differences of neighbours")             \
    X(FIXEDSCALEOFFSET, "fixedscaleoffset",  "numcodecs: packed as (x - offset) * scale")        \
    X(IDENTITY,         "identity",          "filters that only round when writing")

typedef enum cr_codec_id {
#define X(id, name, what) CR_CODEC_##id,
    CR_CODEC_TABLE(X)
#undef X
    CR_CODEC_COUNT
} cr_codec_id;

typedef struct cr_codec {
    cr_codec_id id;
    int level;                    /* zlib, gzip: 0..9 (0 stores); zstd: as the library; blosc: 0..9 */
    int itemsize;                 /* shuffle, blosc: bytes of one item */
    bool checksum;                /* zstd: add one when writing */
    bool at_start;                /* crc32, adler32: the checksum stands before the data */
    int blosc_shuffle;            /* 0 none, 1 bytes, 2 bits */
    int blosc_block_bytes;        /* 0: chosen by Blosc */
    char blosc_inner[12];         /* "zstd", "lz4", "lz4hc", "blosclz", "zlib", "snappy" */
    /* delta, fixedscaleoffset: type of the values and type stored, and whether each is byte-swapped */
    cr_dtype dtype, stored;
    bool dtype_swapped, stored_swapped;
    double scale, offset;
} cr_codec;

typedef struct cr_codec_work cr_codec_work;
cr_status cr_codec_work_new(cr_codec_work **ret_work, cr_err *err) CR_MUST_USE;
void cr_codec_work_free(cr_codec_work *w);                         /* NULL is allowed */

const char *cr_codec_name(cr_codec_id id);
/* CR_NOT_FOUND for a name that has no row. Only id is set in ret. */
cr_status cr_codec_find(const char *name, cr_codec_id *ret_id, cr_err *err) CR_MUST_USE;
/* CR_UNSUPPORTED or CR_INVALID when the parameters make no sense (item size 0, types that delta cannot add, ...). */
cr_status cr_codec_check(const cr_codec *c, cr_err *err) CR_MUST_USE;

#define CR_CODEC_CHAIN_MAX 8
typedef struct cr_codec_chain {
    int n;
    cr_codec codecs[CR_CODEC_CHAIN_MAX];
} cr_codec_chain;

/* Most bytes that n decoded bytes can have when stored; SIZE_MAX when that overflows. */
size_t cr_codec_chain_bound(const cr_codec_chain *chain, size_t n);
/* Bytes of temporary memory that decoding to n bytes, or encoding of n bytes, needs; SIZE_MAX when that overflows. */
size_t cr_codec_chain_decode_room(const cr_codec_chain *chain, size_t n);
size_t cr_codec_chain_encode_room(const cr_codec_chain *chain, size_t n);
/* Decodes n_src stored bytes into exactly n_dst bytes. temporary: cr_codec_chain_decode_room(chain, n_dst) bytes; NULL when 0. */
cr_status cr_codec_chain_decode(const cr_codec_chain *chain, cr_codec_work *work, const void *src, size_t n_src, void *dst,
                                size_t n_dst, void *temporary, cr_err *err) CR_MUST_USE;
/* The same into at most cap bytes, when the length is not known before; *ret_n came. */
cr_status cr_codec_chain_decode_within(const cr_codec_chain *chain, cr_codec_work *work, const void *src, size_t n_src, void *dst,
                                       size_t cap, void *temporary, size_t *ret_n, cr_err *err) CR_MUST_USE;
/* Encodes n bytes. The result lies in temporary (cr_codec_chain_encode_room(chain, n) bytes), or is src itself when the chain is empty. */
cr_status cr_codec_chain_encode(const cr_codec_chain *chain, cr_codec_work *work, const void *src, size_t n, void *temporary,
                                const void **ret_bytes, size_t *ret_n, cr_err *err) CR_MUST_USE;
/* "zstd 3", "blosc lz4 5 shuffle, crc32c": writes into buf, returns it. */
char *cr_codec_chain_text(const cr_codec_chain *chain, char *buf, size_t size);

/* ---- one codec, for the files of this folder ---------------------------------------------------------------------- */

typedef struct cr_codec_ops {
    const char *name;
    /* Most bytes of n when stored. */
    size_t (*bound)(const cr_codec *c, size_t n);
    /* Exactly one of decode and check is set. decode writes at most cap bytes; src and dst do not overlap. */
    cr_status (*decode)(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *ret_n,
                        cr_err *err);
    /* check verifies and narrows [*src, *src + *n) to what lies inside: checksums. */
    cr_status (*check)(const cr_codec *c, const uint8_t **src, size_t *n, cr_err *err);
    /* dst has room for bound(n). NULL: this codec is only read. */
    cr_status (*encode)(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *ret_n,
                        cr_err *err);
} cr_codec_ops;

extern const cr_codec_ops cr_codec_ops_zlib, cr_codec_ops_gzip, cr_codec_ops_zstd, cr_codec_ops_lz4, cr_codec_ops_blosc,
    cr_codec_ops_shuffle, cr_codec_ops_crc32c, cr_codec_ops_crc32, cr_codec_ops_adler32, cr_codec_ops_fletcher32, cr_codec_ops_delta,
    cr_codec_ops_fixedscaleoffset, cr_codec_ops_identity;

struct libdeflate_decompressor;
struct libdeflate_compressor;
struct ZSTD_DCtx_s;
struct ZSTD_CCtx_s;
struct cr_codec_work {            /* each made when first needed */
    struct libdeflate_decompressor *inflate;
    struct libdeflate_compressor *deflate;
    int deflate_level;
    struct ZSTD_DCtx_s *unzstd;
    struct ZSTD_CCtx_s *zstd;
};

#endif
