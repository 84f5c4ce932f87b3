/* zarr_write_meta.c - metadata of arrays to be written: codecs, fill values, JSON. */
#include <blosc.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/codec_text.h"
#include "engine/format/zarr_json.h"
#include "engine/format/zarr_put.h"
#include "engine/format/zarr_writer.h"

enum { DEFAULT_LEVEL = 1, ZSTD_LEVEL = 3, LZ4_LEVEL = 5, DEFLATE_LEVEL = 4, BLOSC_LEVEL = 5, BLOSC_LIMIT_BYTES = BLOSC_MAX_BUFFERSIZE };

static const char *const numpy_codes[CR_DTYPE_COUNT] = {
#define X(name, numpy, bytes, kind) [CR_##name] = numpy,
    CR_DTYPE_TABLE(X)
#undef X
};

/* ---- codecs ---------------------------------------------------------------------------------------------------------------------- */

static cr_codec blosc_of(const char *inner, int level, int shuffle, size_t itemsize) {
    cr_codec c = {.id = CR_CODEC_BLOSC, .level = level, .itemsize = (int)CR_MAX(itemsize, (size_t)1), .blosc_shuffle = shuffle};
    snprintf(c.blosc_inner, sizeof c.blosc_inner, "%s", inner);
    return c;
}

static void add(cr_codec_chain *chain, cr_codec c) { chain->codecs[chain->n++] = c; }

static cr_status check_level(const char *codec, int level, int least, int most, cr_err *err) {
    return level < least || level > most ? CR_FAIL(err, CR_INVALID, "%s level %d; it goes from %d to %d", codec, level, least, most) : CR_OK;
}

/* Shuffling is Blosc's in both versions (and a filter for deflate in version 2): codecs that every reader has. Numbers for which nothing is said:
 * bytes of one weight side by side, then Zstandard at its quickest (docs/decisions/0039). */
static cr_status choose_codecs(cr_zarr_output *o, int version, cr_err *err) {
    const cr_write_variable *v = o->v;
    size_t itemsize = cr_dtype_size(v->dtype);
    cr_codec_words w;
    cr_codec_chain *chain = &o->array.chain;
    if (v->level < 0 || v->level > 22)
        return CR_FAIL(err, CR_INVALID, "compression level %d", v->level);
    CR_TRY(cr_codec_text_parse(v->codec ? v->codec : "zstd", &w, err));
    bool shuffle = (v->shuffle || w.shuffle) && itemsize > 1, is_gzip = strcmp(w.name, "gzip") == 0;
    int level = w.has_level ? w.level : v->level;
    bool chosen = w.has_level || v->level;
    if (!v->codec && itemsize > 1) {
        add(chain, blosc_of("zstd", chosen ? CR_MIN(level, 9) : DEFAULT_LEVEL, BLOSC_SHUFFLE, itemsize));
    } else if (strcmp(w.name, "blosc") == 0) {
        CR_TRY(check_level("blosc", chosen ? level : BLOSC_LEVEL, 0, 9, err));
        add(chain, blosc_of(w.inner, chosen ? level : BLOSC_LEVEL, w.shuffle, itemsize));
    } else if (strcmp(w.name, "zstd") == 0) {
        level = chosen ? level : ZSTD_LEVEL;
        add(chain, shuffle ? blosc_of("zstd", CR_MAX(CR_MIN(level, 9), 0), 1, itemsize) : (cr_codec){.id = CR_CODEC_ZSTD, .level = level});
    } else if (strcmp(w.name, "lz4") == 0) {
        add(chain, blosc_of("lz4", chosen ? CR_MAX(CR_MIN(level, 9), 0) : LZ4_LEVEL, shuffle, itemsize));
    } else if (strcmp(w.name, "deflate") == 0 || is_gzip) {
        level = chosen ? level : DEFLATE_LEVEL;
        CR_TRY(check_level(w.name, level, 0, 9, err));
        if (shuffle && version == 2)
            add(chain, (cr_codec){.id = CR_CODEC_SHUFFLE, .itemsize = (int)itemsize});
        if (shuffle && version == 3)
            add(chain, blosc_of("zlib", level, 1, itemsize));
        else
            add(chain, (cr_codec){.id = version == 2 && !is_gzip ? CR_CODEC_ZLIB : CR_CODEC_GZIP, .level = level});
    }
    return CR_OK;
}

/* A little fewer rows, if that makes them an even number, or a dozen: what is computed at once is then more often whole parts of a block. */
static int64_t even_rows(int64_t most) {
    for (int64_t step = 12; step >= 2; step /= 2)
        if (100 * (most - most % step) >= 97 * most)
            return most - most % step;
    return most;
}

/* Blosc's own choice at low levels is 32 KiB, each with tables of its own. Zstandard has new tables every 128 KiB, so that in 512 KiB of shuffled
 * items of 4 bytes the bytes of one weight have theirs: smaller and faster (docs/decisions/0043). Blocks are whole rows of the chunk, so that chunks
 * can come in pieces (zarr_stream.h). */
static void choose_block(cr_zarr_output *o) {
    enum { BLOCK_BYTES = 1 << 19, LEAST_BYTES = 1 << 15, OWN_LEVELS = 6 };
    const cr_zarr_array *a = &o->array;
    cr_codec *c = a->chain.n == 1 ? &o->array.chain.codecs[0] : NULL;
    int64_t inner = (int64_t)a->itemsize, rows;
    int axis = a->ndim - 1;
    if (!c || c->id != CR_CODEC_BLOSC || strcmp(c->blosc_inner, "zstd") != 0 || c->level == 0 || c->level >= OWN_LEVELS || axis < 0)
        return;
    while (axis > 0 && inner * a->chunk[axis] <= BLOCK_BYTES)
        inner *= a->chunk[axis--];
    if (inner * a->chunk[axis] <= LEAST_BYTES)
        return;
    rows = BLOCK_BYTES / inner;
    c->blosc_block_bytes = (int)((rows < a->chunk[axis] ? even_rows(rows) : a->chunk[axis]) * inner);
}

static cr_status check_chunk_size(const cr_zarr_output *o, cr_err *err) {
    size_t bytes = CR_MAX(cr_write_itemsize(o->v), (size_t)1);
    for (int i = 0; i < o->v->ndim; i++)
        if (__builtin_mul_overflow(bytes, (size_t)o->v->chunks[i], &bytes) || bytes > BLOSC_LIMIT_BYTES) {
            cr_status status = CR_FAIL(err, CR_LIMIT, "one chunk would be larger than %d bytes", BLOSC_LIMIT_BYTES);
            cr_err_hint(err, "choose smaller chunks; 1 to 64 MiB serve well");
            return status;
        }
    return CR_OK;
}

static cr_status check_shards(const cr_zarr_output *o, int version, cr_err *err) {
    cr_zarr_put p;
    if (!o->array.sharded)
        return CR_OK;
    if (version == 2) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "shards in Zarr version 2");
        cr_err_hint(err, "version 3 has them: leave out shards, or choose the format zarr3");
        return status;
    }
    if (o->v->dtype == CR_STRING)
        return CR_FAIL(err, CR_UNSUPPORTED, "shards of text; leave out the shards of this variable");
    return cr_zarr_put_init(&p, NULL, &o->array, NULL, false, err);
}

/* ---- fill ------------------------------------------------------------------------------------------------------------------------ */

/* The one number of an attribute as an item of the variable's type; false when it does not fit. */
static bool attr_as_item(const cr_attr *a, cr_dtype dtype, void *dst) {
    if (a->n != 1 || cr_dtype_size(a->dtype) == 0)
        return false;
    if (a->dtype == dtype) {
        memcpy(dst, a->values, cr_dtype_size(dtype));
        return true;
    }
    cr_auto_buf cr_buf text;
    cr_auto_json json_t *number = NULL;
    cr_buf_init(&text, 256);
    cr_json_write_item(a->dtype, a->values, true, &text);
    return !text.failed && cr_json_parse(cr_buf_str(&text), text.len, 16, &number, NULL) == CR_OK && cr_json_item(number, dtype, dst);
}

static cr_status choose_fill(cr_zarr_output *o, int version, cr_err *err) {
    const cr_write_variable *v = o->v;
    if (v->dtype == CR_STRING)
        return CR_OK;
    if (v->dtype == CR_BYTES) {
        o->has_fill = v->fill != NULL;
        return CR_OK;
    }
    const cr_attr *mark = cr_attr_find(v->attrs, v->n_attrs, "_FillValue");
    if (mark && !attr_as_item(mark, v->dtype, o->fill))
        return CR_FAIL(err, CR_INVALID, "the attribute _FillValue is not one value of type %s", cr_dtype_name(v->dtype));
    o->has_fill = version == 3 || mark;
    if (version == 3 && v->fill)
        memcpy(o->fill, v->fill, cr_dtype_size(v->dtype));
    if (version == 3 && !v->fill && !mark && cr_dtype_kind(v->dtype) == 'f') {
        const uint16_t half_nan = 0x7e00;
        const float single_nan = NAN;
        const double double_nan = NAN;
        memcpy(o->fill, v->dtype == CR_F16 ? (const void *)&half_nan : v->dtype == CR_F32 ? (const void *)&single_nan : (const void *)&double_nan,
               cr_dtype_size(v->dtype));
    }
    return CR_OK;
}

cr_status cr_zarr_output_init(cr_zarr_output *o, int version, const cr_write_variable *v, cr_err *err) {
    *o = (cr_zarr_output){.v = v};
    if (v->dtype >= CR_DTYPE_COUNT)
        return CR_FAIL(err, CR_UNSUPPORTED, "writing a type that Zarr does not have");
    if (v->fletcher32) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "fletcher32 in Zarr");
        cr_err_hint(err, "it is NetCDF-4's; leave it out");
        return status;
    }
    const bool big_host = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    size_t itemsize = cr_write_itemsize(v), number = v->dtype != CR_BYTES ? itemsize : v->utf32 ? 4 : 1;
    o->array = (cr_zarr_array){.version = version, .key = v->name, .dtype = v->dtype, .itemsize = itemsize, .ndim = v->ndim,
                               .swap_width = big_host && number > 1 ? number : 0, .v2_keys = version == 2,
                               .separator = version == 2 ? '.' : '/', .sharded = v->shards != NULL, .index_crc = true, .index_swapped = big_host};
    for (int i = 0; i < v->ndim; i++) {
        o->array.shape[i] = v->shape[i];
        o->array.chunk[i] = v->chunks[i];
        o->array.stored[i] = v->shards ? v->shards[i] : v->chunks[i];
        o->array.shard_order[i] = i;
    }
    CR_TRY(check_shards(o, version, err));
    CR_TRY(choose_codecs(o, version, err));
    CR_TRY(check_chunk_size(o, err));
    choose_block(o);
    return choose_fill(o, version, err);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------ */

static void write_extents(const int64_t *v, int n, cr_buf *out) {
    cr_buf_addc(out, '[');
    for (int i = 0; i < n; i++)
        cr_buf_addf(out, "%s%lld", i ? ", " : "", (long long)v[i]);
    cr_buf_addc(out, ']');
}

static void write_dims(const cr_write_variable *v, cr_buf *out) {
    cr_buf_addc(out, '[');
    for (int i = 0; i < v->ndim; i++) {
        cr_buf_adds(out, i ? ", " : "");
        cr_json_write_text(v->dims[i], out);
    }
    cr_buf_addc(out, ']');
}

static const char *shuffle_name(const cr_codec *c) {
    return c->blosc_shuffle == 2 ? "bitshuffle" : c->blosc_shuffle ? "shuffle" : "noshuffle";
}

static void write_codec_v3(const cr_codec *c, cr_buf *out) {
    switch (c->id) {
    case CR_CODEC_BLOSC:
        cr_buf_addf(out, "{\"name\": \"blosc\", \"configuration\": {\"typesize\": %d, \"cname\": \"%s\", \"clevel\": %d, \"shuffle\": \"%s\", "
                         "\"blocksize\": %d}}", c->itemsize, c->blosc_inner, c->level, shuffle_name(c), c->blosc_block_bytes);
        return;
    case CR_CODEC_ZSTD:
        cr_buf_addf(out, "{\"name\": \"zstd\", \"configuration\": {\"level\": %d, \"checksum\": false}}", c->level);
        return;
    default:
        cr_buf_addf(out, "{\"name\": \"gzip\", \"configuration\": {\"level\": %d}}", c->level);
    }
}

static void write_codec_v2(const cr_codec *c, cr_buf *out) {
    switch (c->id) {
    case CR_CODEC_BLOSC:
        cr_buf_addf(out, "{\"id\": \"blosc\", \"cname\": \"%s\", \"clevel\": %d, \"shuffle\": %d, \"blocksize\": %d}", c->blosc_inner, c->level,
                    c->blosc_shuffle, c->blosc_block_bytes);
        return;
    case CR_CODEC_SHUFFLE:
        cr_buf_addf(out, "{\"id\": \"shuffle\", \"elementsize\": %d}", c->itemsize);
        return;
    default:
        cr_buf_addf(out, "{\"id\": \"%s\", \"level\": %d}", cr_codec_name(c->id), c->level);
    }
}

void cr_zarr_write_attrs(const cr_attr *attrs, int n, const char *extra, cr_buf *out) {
    bool first = !*extra;
    cr_buf_addf(out, "{%s", extra);
    for (int i = 0; i < n; i++) {
        if (strcmp(attrs[i].name, "_FillValue") == 0)
            continue;
        cr_buf_adds(out, first ? "" : ", ");
        cr_json_write_text(attrs[i].name, out);
        cr_buf_adds(out, ": ");
        cr_json_write_attr(&attrs[i], out);
        first = false;
    }
    cr_buf_addc(out, '}');
}

/* xarray's encoding of _FillValue in version 3, as a first member of the attributes. */
static void write_fill_attr(const cr_zarr_output *o, cr_buf *out) {
    const cr_attr *mark = cr_attr_find(o->v->attrs, o->v->n_attrs, "_FillValue");
    unsigned char item[16] = {0}, bytes[8];
    if (mark && o->v->dtype == CR_BYTES && mark->dtype == CR_STRING && mark->n == 1) { /* the caller has put it so, in base64 if it is bytes */
        cr_buf_adds(out, "\"_FillValue\": ");
        cr_json_write_text(*(const char *const *)mark->values, out);
        return;
    }
    if (!mark || o->v->dtype >= CR_BYTES || !attr_as_item(mark, o->v->dtype, item))
        return;
    cr_buf_adds(out, "\"_FillValue\": ");
    if (cr_dtype_kind(o->v->dtype) != 'f') {
        cr_json_write_item(o->v->dtype, item, true, out);
        return;
    }
    double d;
    if (o->v->dtype == CR_F16) {
        uint16_t h;
        memcpy(&h, item, 2);
        d = cr_half_to_double(h);
    } else if (o->v->dtype == CR_F32) {
        float f;
        memcpy(&f, item, 4);
        d = f;
    } else {
        memcpy(&d, item, 8);
    }
    uint64_t bits;
    memcpy(&bits, &d, 8);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(bits >> 8 * i);
    cr_buf_addc(out, '"');
    cr_base64_write(bytes, 8, out);
    cr_buf_addc(out, '"');
}

/* From items to stored bytes of one chunk. */
static void write_codecs_v3(const cr_zarr_output *o, cr_buf *out) {
    const cr_write_variable *v = o->v;
    cr_buf_adds(out, v->dtype == CR_STRING ? "{\"name\": \"vlen-utf8\", \"configuration\": {}}"
                     : cr_dtype_size(v->dtype) == 1 || (v->dtype == CR_BYTES && !v->utf32) ? "{\"name\": \"bytes\"}"
                                                    : "{\"name\": \"bytes\", \"configuration\": {\"endian\": \"little\"}}");
    for (int i = 0; i < o->array.chain.n; i++) {
        cr_buf_adds(out, ", ");
        write_codec_v3(&o->array.chain.codecs[i], out);
    }
}

static void write_type_v3(const cr_write_variable *v, cr_buf *out) {
    if (v->dtype == CR_BYTES)
        cr_buf_addf(out, "{\"name\": \"%s\", \"configuration\": {\"length_bytes\": %zu}}", v->utf32 ? "fixed_length_utf32" : "null_terminated_bytes",
                    v->itemsize);
    else
        cr_buf_addf(out, "\"%s\"", v->dtype == CR_STRING ? "string" : cr_dtype_name(v->dtype));
}

/* As zarr-python has it: bytes up to the zeros at their end, in base64; of UTF-32 the text, which in version 2 is the attribute. */
static void write_fill_text(const cr_write_variable *v, bool version2, cr_buf *out) {
    const cr_attr *mark = version2 && v->utf32 ? cr_attr_find(v->attrs, v->n_attrs, "_FillValue") : NULL;
    size_t n = v->fill && !v->utf32 ? v->itemsize : 0;
    if (mark && mark->dtype == CR_STRING && mark->n == 1) {
        cr_json_write_text(*(const char *const *)mark->values, out);
        return;
    }
    while (n > 0 && ((const char *)v->fill)[n - 1] == 0)
        n--;
    cr_buf_addc(out, '"');
    cr_base64_write(v->fill, n, out);
    cr_buf_addc(out, '"');
}

void cr_zarr_write_array_v3(const cr_zarr_output *o, cr_buf *out) {
    const cr_write_variable *v = o->v;
    bool text = v->dtype == CR_STRING;
    cr_auto_buf cr_buf mark;
    cr_buf_init(&mark, 256);
    cr_buf_adds(out, "{\"zarr_format\": 3, \"node_type\": \"array\", \"shape\": ");
    write_extents(v->shape, v->ndim, out);
    cr_buf_adds(out, ", \"data_type\": ");
    write_type_v3(v, out);
    cr_buf_adds(out, ", \"chunk_grid\": {\"name\": \"regular\", \"configuration\": {\"chunk_shape\": ");
    write_extents(o->array.stored, v->ndim, out);
    cr_buf_adds(out, "}}, \"chunk_key_encoding\": {\"name\": \"default\", \"configuration\": {\"separator\": \"/\"}}, \"fill_value\": ");
    if (text)
        cr_buf_adds(out, "\"\"");
    else if (v->dtype == CR_BYTES)
        write_fill_text(v, false, out);
    else
        cr_json_write_item(v->dtype, o->fill, true, out);
    cr_buf_adds(out, ", \"codecs\": [");
    if (o->array.sharded) {
        cr_buf_adds(out, "{\"name\": \"sharding_indexed\", \"configuration\": {\"chunk_shape\": ");
        write_extents(v->chunks, v->ndim, out);
        cr_buf_adds(out, ", \"codecs\": [");
        write_codecs_v3(o, out);
        cr_buf_adds(out, "], \"index_codecs\": [{\"name\": \"bytes\", \"configuration\": {\"endian\": \"little\"}}, {\"name\": \"crc32c\"}], "
                         "\"index_location\": \"end\"}}");
    } else {
        write_codecs_v3(o, out);
    }
    cr_buf_adds(out, "], \"dimension_names\": ");
    write_dims(v, out);
    cr_buf_adds(out, ", \"attributes\": ");
    write_fill_attr(o, &mark);
    cr_zarr_write_attrs(v->attrs, v->n_attrs, cr_buf_str(&mark), out);
    cr_buf_adds(out, ", \"storage_transformers\": []}");
}

void cr_zarr_write_array_v2(const cr_zarr_output *o, cr_buf *out) {
    const cr_write_variable *v = o->v;
    bool text = v->dtype == CR_STRING;
    int n_filters = o->array.chain.n ? o->array.chain.n - 1 : 0;
    cr_buf_adds(out, "{\"zarr_format\": 2, \"shape\": ");
    write_extents(v->shape, v->ndim, out);
    cr_buf_adds(out, ", \"chunks\": ");
    write_extents(v->chunks, v->ndim, out);
    if (v->dtype == CR_BYTES)
        cr_buf_addf(out, ", \"dtype\": \"%s%zu\"", v->utf32 ? "<U" : "|S", v->itemsize / (v->utf32 ? 4 : 1));
    else
        cr_buf_addf(out, ", \"dtype\": \"%s\"", text ? "|O" : numpy_codes[v->dtype]);
    cr_buf_adds(out, ", \"order\": \"C\", \"dimension_separator\": \".\", \"fill_value\": ");
    if (o->has_fill && v->dtype == CR_BYTES)
        write_fill_text(v, true, out);
    else if (o->has_fill && !text)
        cr_json_write_item(v->dtype, o->fill, true, out);
    else
        cr_buf_adds(out, "null");
    cr_buf_adds(out, ", \"filters\": ");
    cr_buf_adds(out, text ? "[{\"id\": \"vlen-utf8\"}" : n_filters ? "[" : "null");
    for (int i = 0; i < n_filters; i++) {
        cr_buf_adds(out, i || text ? ", " : "");
        write_codec_v2(&o->array.chain.codecs[i], out);
    }
    cr_buf_adds(out, text || n_filters ? "], \"compressor\": " : ", \"compressor\": ");
    if (o->array.chain.n)
        write_codec_v2(&o->array.chain.codecs[o->array.chain.n - 1], out);
    else
        cr_buf_adds(out, "null");
    cr_buf_addc(out, '}');
}

const void *cr_zarr_output_fill(const cr_zarr_output *o) { return !o->has_fill ? NULL : o->v->dtype == CR_BYTES ? o->v->fill : o->fill; }

void cr_zarr_write_attrs_v2(const cr_zarr_output *o, cr_buf *out) {
    cr_auto_buf cr_buf dims;
    cr_buf_init(&dims, out->max);
    cr_buf_adds(&dims, "\"_ARRAY_DIMENSIONS\": ");
    write_dims(o->v, &dims);
    cr_zarr_write_attrs(o->v->attrs, o->v->n_attrs, cr_buf_str(&dims), out);
    out->failed |= dims.failed;
}
