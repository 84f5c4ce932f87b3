/* zarr_writer.h - what the two halves of the Zarr writer share: how one variable is stored, and its metadata.
 *
 * What is written is what zarr-python and xarray read without options: version 3 with consolidated metadata inline, dimension_names,
 * and codecs of the specification alone; version 2 with .zmetadata and _ARRAY_DIMENSIONS. The default codec is Blosc with Zstandard
 * inside and byte shuffle.
 *
 * Fill values. Version 2: the attribute _FillValue is the array's fill_value, as xarray has it; without the attribute fill_value is
 * null. Version 3: fill_value is the declared fill, else _FillValue, else NaN or 0; _FillValue stays an attribute, in xarray's
 * encoding (base64 of a double, or an integer).
 */
#ifndef CR_ENGINE_FORMAT_ZARR_WRITER_H
#define CR_ENGINE_FORMAT_ZARR_WRITER_H

#include "engine/codec/codec.h"
#include "engine/format/writer.h"
#include "engine/format/zarr.h"

typedef struct cr_zarr_output {
    const cr_write_variable *v;
    cr_zarr_array array;          /* enough for writing: keys, extents, item, chain, how shards are made */
    bool has_fill;                /* absent chunks read as fill */
    unsigned char fill[16];       /* of numbers; that of text of fixed width is v->fill, or zeros */
} cr_zarr_output;

/* Borrowed: one item that absent chunks read as; NULL: they are zeros, and every chunk is stored. */
const void *cr_zarr_output_fill(const cr_zarr_output *o);

/* Decides codecs and fill. CR_UNSUPPORTED, CR_INVALID, CR_LIMIT. */
cr_status cr_zarr_output_init(cr_zarr_output *o, int version, const cr_write_variable *v, cr_err *err) CR_MUST_USE;
/* Appends zarr.json (v3), or .zarray and .zattrs (v2). */
void cr_zarr_write_array_v3(const cr_zarr_output *o, cr_buf *out);
void cr_zarr_write_array_v2(const cr_zarr_output *o, cr_buf *out);
void cr_zarr_write_attrs_v2(const cr_zarr_output *o, cr_buf *out);
/* Appends a JSON object of attributes without _FillValue; extra: first members, already JSON, or "". */
void cr_zarr_write_attrs(const cr_attr *attrs, int n, const char *extra, cr_buf *out);

#endif
