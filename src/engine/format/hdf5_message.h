/* hdf5_message.h - what the messages of a dataset say: its type, extents, fill value, layout and filters.
 *
 * Everything is plain data in caller's memory or the arena given. A parse that meets something valid that is not supported
 * does not fail: it says so in `problem` (text for people), so that the metadata of such a variable can still be shown.
 */
#ifndef CR_ENGINE_FORMAT_HDF5_MESSAGE_H
#define CR_ENGINE_FORMAT_HDF5_MESSAGE_H

#include "craton/dtype.h"
#include "craton/array.h"
#include "engine/format/hdf5_io.h"

/* ---- datatype --------------------------------------------------------------------------------------------------- */

typedef enum h5_class {
    H5_INTEGER, H5_FLOAT, H5_TIME, H5_TEXT, H5_BITS, H5_OPAQUE, H5_COMPOUND, H5_REFERENCE, H5_ENUM, H5_VLEN, H5_ARRAY, H5_COMPLEX
} h5_class;

typedef struct h5_type {
    h5_class class;
    uint32_t size;                 /* bytes of one item in the file */
    cr_dtype dtype;                /* numbers, enumerations: as read; text, opaque, compound: CR_BYTES; strings of variable length: CR_STRING */
    bool big_endian;               /* numbers: the bytes must be swapped */
    bool vlen_text;                /* H5_VLEN of characters */
    bool space_padded;             /* H5_TEXT */
    h5_class base_class;           /* H5_VLEN: of its items */
    uint32_t base_size;
    const char *problem;           /* static text; NULL when values can be read */
} h5_type;

cr_status h5_type_parse(h5_cur *c, h5_type *ret_type, cr_err *err) CR_MUST_USE;

/* ---- dataspace -------------------------------------------------------------------------------------------------- */

typedef struct h5_space {
    int ndim;
    bool null;                     /* no elements at all, not even one */
    int64_t shape[CR_MAX_DIMS], most[CR_MAX_DIMS]; /* most: -1 for unlimited */
    int64_t n;                     /* elements */
} h5_space;

cr_status h5_space_parse(h5_cur *c, h5_space *ret_space, cr_err *err) CR_MUST_USE;

/* ---- fill value ------------------------------------------------------------------------------------------------- */

typedef struct h5_fill {
    bool defined;                  /* the writer chose a value (size 0: zeros) */
    h5_cur bytes;                  /* as stored; empty: zeros */
} h5_fill;

cr_status h5_fill_parse(h5_cur *c, h5_fill *ret_fill, cr_err *err) CR_MUST_USE;
/* The message that older libraries wrote: a size and the bytes. */
cr_status h5_fill_parse_old(h5_cur *c, h5_fill *ret_fill, cr_err *err) CR_MUST_USE;

/* ---- layout ----------------------------------------------------------------------------------------------------- */

typedef enum h5_layout_class { H5_COMPACT, H5_CONTIGUOUS, H5_CHUNKED, H5_VIRTUAL } h5_layout_class;
typedef enum h5_index {
    H5_INDEX_BTREE1, H5_INDEX_SINGLE, H5_INDEX_IMPLICIT, H5_INDEX_FIXED, H5_INDEX_EXTENSIBLE, H5_INDEX_BTREE2
} h5_index;

typedef struct h5_layout {
    h5_layout_class class;
    uint64_t addr;                 /* of the data or of the index; H5_UNDEF: nothing is stored yet */
    uint64_t size;                 /* contiguous */
    h5_cur bytes;                  /* compact */
    int ndim;                      /* chunked: dimensions of the chunk, without that of the item's bytes */
    int64_t chunk[CR_MAX_DIMS];
    h5_index index;
    bool edges_unfiltered;         /* chunks that the shape cuts are stored without filters */
    bool single_filtered;          /* H5_INDEX_SINGLE: with its own size and mask */
    uint64_t single_size;
    uint32_t single_mask;
    const char *problem;
} h5_layout;

cr_status h5_layout_parse(h5_cur *c, h5_layout *ret_layout, cr_err *err) CR_MUST_USE;

/* ---- filters ---------------------------------------------------------------------------------------------------- */

enum { H5_MAX_FILTERS = 32, H5_MAX_FILTER_VALUES = 32 };
enum {
    H5_FILTER_DEFLATE = 1, H5_FILTER_SHUFFLE = 2, H5_FILTER_FLETCHER32 = 3, H5_FILTER_SZIP = 4, H5_FILTER_NBIT = 5,
    H5_FILTER_SCALEOFFSET = 6, H5_FILTER_LZF = 32000, H5_FILTER_BLOSC = 32001, H5_FILTER_LZ4 = 32004, H5_FILTER_BITSHUFFLE = 32008,
    H5_FILTER_ZSTD = 32015
};

typedef struct h5_filter {
    uint16_t id;
    bool optional;                 /* a chunk may lack it, says its mask */
    int n_values;
    uint32_t values[H5_MAX_FILTER_VALUES];
} h5_filter;

typedef struct h5_pipeline {
    int n;
    h5_filter filters[H5_MAX_FILTERS]; /* in the order of writing */
} h5_pipeline;

cr_status h5_pipeline_parse(h5_cur *c, h5_pipeline *ret_pipeline, cr_err *err) CR_MUST_USE;

#endif
