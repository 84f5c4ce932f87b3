/* zarr.h - Zarr version 2 and 3: metadata of arrays, and reading their chunks.
 *
 * Sources: the Zarr v2 and v3 specifications; the v3 sharding codec (ZEP 2); conventions of xarray (_ARRAY_DIMENSIONS; _FillValue);
 * numcodecs for the bytes of its codecs and of vlen-utf8.
 *
 * What is damaged (wrong JSON types, impossible shapes) is an error when the store is opened. What is only not supported (a codec, a
 * data type, an extension that must be understood) becomes the `problem` of its variable; the rest can be read.
 *
 * Attributes are given as NetCDF would: "_FillValue" has the type of the variable. In v2 it is the array's fill_value, in v3 the
 * attribute that xarray stores (a number, or base64 of a little-endian double). _ARRAY_DIMENSIONS is left out.
 *
 * A chunk that is not stored is fill, so reading such a chunk also looks whether the array's metadata are still those that were
 * read: a store that was replaced or removed meanwhile is CR_CONFLICT, not fill values.
 */
#ifndef CR_ENGINE_FORMAT_ZARR_H
#define CR_ENGINE_FORMAT_ZARR_H

#include <jansson.h>

#include "engine/codec/codec.h"
#include "engine/format/model.h"
#include "engine/store/store.h"

typedef enum cr_zarr_text {
    CR_ZARR_NOT_TEXT,
    CR_ZARR_UTF32,                /* fixed width, 4 bytes a character */
    CR_ZARR_VLEN_UTF8,
} cr_zarr_text;

/* Everything that reading one array needs; immutable after parsing, strings and fill live in the arena it was parsed with. */
typedef struct cr_zarr_array {
    int version;                  /* 2 or 3 */
    const char *key;              /* path of the array in the store, "" for the root */
    cr_dtype dtype;               /* of one item; CR_BYTES for UTF-32, CR_STRING for variable-length text */
    size_t itemsize;              /* 0 for variable-length text */
    size_t swap_width;            /* items are stored in the other byte order: bytes to reverse; else 0 */
    cr_zarr_text text;
    int ndim;
    int64_t shape[CR_MAX_DIMS];
    int64_t stored[CR_MAX_DIMS];  /* shape of one stored object: a chunk or a shard */
    int64_t chunk[CR_MAX_DIMS];   /* shape of one chunk; divides stored */
    int order[CR_MAX_DIMS];       /* axis i of the stored chunk is axis order[i] of the array */
    bool permuted;                /* order is not 0, 1, 2, ... */
    cr_codec_chain chain;         /* of one chunk */
    bool sharded;
    int shard_order[CR_MAX_DIMS]; /* axis i of the shard's index is axis shard_order[i] of the array */
    bool index_at_start, index_crc, index_swapped;
    bool v2_keys;                 /* "0.0" instead of "c/0/0" */
    char separator;
    bool has_fill;
    const void *fill;             /* one item in native order, or NULL for zeros */
    const char *fill_text;        /* for text */
    const char **dims;            /* ndim names, made up where the array has none */
    const json_t *attrs;          /* object or NULL; borrowed from the metadata */
    const char *problem;          /* why it cannot be read, or NULL */
} cr_zarr_array;

/* Opens the hierarchy in a store: fills in f, which then keeps a reference to the store. What cr_file_open calls for directories. */
cr_status cr_zarr_open_store(cr_store *store, const cr_open_options *options, cr_file *f, cr_err *err) CR_MUST_USE;

/* array: the parsed .zarray and .zattrs (v2; attrs may be NULL), or zarr.json (v3). key is copied to the arena. */
cr_status cr_zarr_parse_v2(const char *key, const json_t *array, const json_t *attrs, cr_arena *arena, cr_zarr_array *ret_array,
                           cr_err *err) CR_MUST_USE;
cr_status cr_zarr_parse_v3(const char *key, const json_t *array, cr_arena *arena, cr_zarr_array *ret_array, cr_err *err) CR_MUST_USE;

/* Codecs. CR_UNSUPPORTED says which codec cannot be read; the caller makes it the problem of the variable. */
cr_status cr_zarr_chain_v2(const json_t *filters, const json_t *compressor, cr_zarr_array *a, cr_err *err) CR_MUST_USE;
cr_status cr_zarr_chain_v3(const json_t *codecs, cr_zarr_array *a, cr_err *err) CR_MUST_USE;
/* "<i4", "|S10", ">f8": type, width and whether the bytes are in the other order than this machine's. CR_UNSUPPORTED, CR_FORMAT. */
cr_status cr_zarr_numpy_type(const char *code, cr_dtype *ret_dtype, size_t *ret_itemsize, size_t *ret_swap_width, cr_zarr_text *ret_text,
                             cr_err *err) CR_MUST_USE;

/* The source of an array (not for text of variable length). meta_key: whose replacement means that the store changed. The array is copied; the arena it
 * lives in may go. */
cr_status cr_zarr_source(cr_store *store, const cr_zarr_array *array, const char *meta_key, cr_source **ret_source, cr_err *err) CR_MUST_USE;
/* What a source of a Zarr array reads, borrowed from it; false when it is another kind of source. fill: one item. */
bool cr_zarr_source_array(const cr_source *source, const cr_zarr_array **ret_array, const void **ret_fill, cr_store **ret_store);
/* All texts of a text array, in row-major order. */
cr_status cr_zarr_strings(cr_store *store, const cr_zarr_array *array, const char *meta_key, cr_arena *arena, const char ***ret_strings,
                          int64_t *ret_n, cr_err *err) CR_MUST_USE;

#endif
