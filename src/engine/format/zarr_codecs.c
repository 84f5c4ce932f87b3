/* zarr_codecs.c - from the JSON of codecs to a chain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/codec/order.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_json.h"

static cr_status add_codec(cr_codec_chain *chain, const cr_codec *c, cr_err *err) {
    if (chain->n == CR_CODEC_CHAIN_MAX)
        return CR_FAIL(err, CR_UNSUPPORTED, "more than %d codecs one after the other", CR_CODEC_CHAIN_MAX);
    CR_TRY(cr_codec_check(c, err));
    chain->codecs[chain->n++] = *c;
    return CR_OK;
}

cr_status cr_zarr_numpy_type(const char *code, cr_dtype *ret_dtype, size_t *ret_itemsize, size_t *ret_swap_width, cr_zarr_text *ret_text,
                             cr_err *err) {
    static const struct {
        char kind;
        int width;
        cr_dtype dtype;
    } types[] = {
        {'b', 1, CR_BOOL}, {'i', 1, CR_I8},  {'i', 2, CR_I16}, {'i', 4, CR_I32}, {'i', 8, CR_I64}, {'u', 1, CR_U8},
        {'u', 2, CR_U16},  {'u', 4, CR_U32}, {'u', 8, CR_U64}, {'f', 2, CR_F16}, {'f', 4, CR_F32}, {'f', 8, CR_F64},
    };
    const bool big_host = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    if (!code[0] || !strchr("<>|", code[0]) || !code[1])
        return CR_FAIL(err, CR_FORMAT, "\"%.40s\" is not a data type", code);
    bool swapped = (code[0] == '>' && !big_host) || (code[0] == '<' && big_host);
    char kind = code[1], *end;
    long width = strtol(code + 2, &end, 10);
    *ret_text = CR_ZARR_NOT_TEXT;
    if (kind == 'O' && code[2] == 0) {
        *ret_dtype = CR_STRING;
        *ret_itemsize = *ret_swap_width = 0;
        return CR_OK;
    }
    if (*end || end == code + 2 || width < 0 || width > 1 << 20)
        return CR_FAIL(err, strchr("Mmc", kind) ? CR_UNSUPPORTED : CR_FORMAT, "the data type \"%.40s\" is not supported", code);
    for (size_t i = 0; i < CR_ARRAY_LEN(types); i++)
        if (types[i].kind == kind && types[i].width == width) {
            *ret_dtype = types[i].dtype;
            *ret_itemsize = (size_t)width;
            *ret_swap_width = swapped && width > 1 ? (size_t)width : 0;
            return CR_OK;
        }
    if (!strchr("SVU", kind) || width == 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "the data type \"%.40s\" is not supported", code);
    *ret_dtype = CR_BYTES;
    *ret_itemsize = (size_t)width * (kind == 'U' ? 4 : 1);
    *ret_swap_width = kind == 'U' && swapped ? 4 : 0;
    *ret_text = kind == 'U' ? CR_ZARR_UTF32 : CR_ZARR_NOT_TEXT;
    return CR_OK;
}

/* Types of delta and fixedscaleoffset: "dtype" is decoded, "astype" stored (the same when left out). */
static cr_status value_types(const json_t *j, cr_codec *c, cr_err *err) {
    size_t size, swap;
    cr_zarr_text text;
    const char *dtype = cr_json_text(j, "dtype", ""), *astype = cr_json_text(j, "astype", dtype);
    CR_TRY(cr_zarr_numpy_type(dtype, &c->dtype, &size, &swap, &text, err));
    c->dtype_swapped = swap;
    CR_TRY(cr_zarr_numpy_type(astype, &c->stored, &size, &swap, &text, err));
    c->stored_swapped = swap;
    return CR_OK;
}

static cr_status blosc_codec(const json_t *j, size_t itemsize, cr_codec *c, cr_err *err) {
    static const char *const modes[] = {"noshuffle", "shuffle", "bitshuffle"};
    int64_t v;
    const json_t *shuffle = json_object_get(j, "shuffle");
    CR_TRY(cr_json_int(j, "clevel", 0, 9, 5, &v, err));
    c->level = (int)v;
    CR_TRY(cr_json_int(j, "typesize", 0, INT32_MAX, (int64_t)CR_MAX(itemsize, (size_t)1), &v, err));
    c->itemsize = (int)v;
    CR_TRY(cr_json_int(j, "blocksize", 0, INT32_MAX, 0, &v, err));
    c->blosc_block_bytes = (int)v;
    c->blosc_shuffle = json_is_integer(shuffle) ? (int)json_integer_value(shuffle) : 1;
    for (int i = 0; i < 3; i++)
        if (json_is_string(shuffle) && strcmp(json_string_value(shuffle), modes[i]) == 0)
            c->blosc_shuffle = i;
    snprintf(c->blosc_inner, sizeof c->blosc_inner, "%s", cr_json_text(j, "cname", "lz4"));
    return CR_OK;
}

/* A codec of numcodecs with its parameters; in v2 they stand beside "id", in v3 in "configuration". */
static cr_status numcodecs_codec(const char *id, const json_t *j, size_t itemsize, cr_codec_chain *chain, cr_err *err) {
    cr_codec c = {0};
    int64_t v = 0;
    double d;
    if (strcmp(id, "bitround") == 0 || strcmp(id, "quantize") == 0) {
        c.id = CR_CODEC_IDENTITY;
        return add_codec(chain, &c, err);
    }
    if (cr_codec_find(id, &c.id, NULL) != CR_OK || c.id == CR_CODEC_IDENTITY)
        return CR_FAIL(err, CR_UNSUPPORTED, "the codec \"%.80s\" is not supported", id);
    switch (c.id) {
    case CR_CODEC_ZLIB:
    case CR_CODEC_GZIP:
        CR_TRY(cr_json_int(j, "level", -1, 9, 1, &v, err));
        break;
    case CR_CODEC_ZSTD:
        CR_TRY(cr_json_int(j, "level", -200000, 22, 0, &v, err));
        c.checksum = json_is_true(json_object_get(j, "checksum"));
        break;
    case CR_CODEC_BLOSC:
        CR_TRY(blosc_codec(j, itemsize, &c, err));
        v = c.level;
        break;
    case CR_CODEC_SHUFFLE:
        CR_TRY(cr_json_int(j, "elementsize", 0, 1 << 20, 4, &v, err));
        c.itemsize = (int)CR_MAX(v, 1);
        v = 0;
        break;
    case CR_CODEC_CRC32:
    case CR_CODEC_ADLER32:
        c.at_start = strcmp(cr_json_text(j, "location", "start"), "end") != 0;
        break;
    case CR_CODEC_CRC32C:
        c.at_start = strcmp(cr_json_text(j, "location", "end"), "start") == 0;
        break;
    case CR_CODEC_DELTA:
    case CR_CODEC_FIXEDSCALEOFFSET:
        CR_TRY(value_types(j, &c, err));
        c.scale = cr_json_number(json_object_get(j, "scale"), &d) ? d : 0;
        c.offset = cr_json_number(json_object_get(j, "offset"), &d) ? d : 0;
        break;
    default:
        break;
    }
    c.level = (int)v;
    return add_codec(chain, &c, err);
}

cr_status cr_zarr_chain_v2(const json_t *filters, const json_t *compressor, cr_zarr_array *a, cr_err *err) {
    size_t n = json_is_array(filters) ? json_array_size(filters) : 0;
    if (filters && !json_is_array(filters) && !json_is_null(filters))
        return CR_FAIL(err, CR_FORMAT, "\"filters\" is not a list");
    for (size_t i = 0; i < n; i++) {
        const json_t *f = json_array_get(filters, i);
        const char *id = cr_json_text(f, "id", NULL);
        if (!id)
            return CR_FAIL(err, CR_FORMAT, "\"filters\"[%zu] has no \"id\"", i);
        if (i == 0 && a->dtype == CR_STRING && strcmp(id, "vlen-utf8") == 0) {
            a->text = CR_ZARR_VLEN_UTF8;
            continue;
        }
        CR_TRY(numcodecs_codec(id, f, a->itemsize, &a->chain, err));
    }
    if (a->dtype == CR_STRING && a->text != CR_ZARR_VLEN_UTF8)
        return CR_FAIL(err, CR_UNSUPPORTED, "objects other than vlen-utf8 text are not supported");
    if (!compressor || json_is_null(compressor))
        return CR_OK;
    const char *id = cr_json_text(compressor, "id", NULL);
    if (!id)
        return CR_FAIL(err, CR_FORMAT, "\"compressor\" has no \"id\"");
    return numcodecs_codec(id, compressor, a->itemsize, &a->chain, err);
}

/* ---- version 3 -------------------------------------------------------------------------------------------------------------- */

/* A codec is an object with a name and perhaps a configuration; a bare name is allowed too. */
static cr_status named(const json_t *j, const char **ret_name, const json_t **ret_configuration, cr_err *err) {
    const char *name = json_is_string(j) ? json_string_value(j) : cr_json_text(j, "name", NULL);
    const json_t *configuration = json_object_get(j, "configuration");
    if (!name)
        return CR_FAIL(err, CR_FORMAT, "a codec has no \"name\"");
    if (configuration && !json_is_object(configuration))
        return CR_FAIL(err, CR_FORMAT, "the configuration of codec \"%.80s\" is not an object", name);
    *ret_name = name;
    *ret_configuration = configuration;
    return CR_OK;
}

/* after[i] = before[p[i]]: the axes as they are after one more transposition. */
static cr_status transpose(const json_t *configuration, int ndim, int *order, cr_err *err) {
    const json_t *p = json_object_get(configuration, "order");
    int after[CR_MAX_DIMS];
    bool seen[CR_MAX_DIMS] = {false};
    const char *letter = json_string_value(p);
    if (letter && strcmp(letter, "C") == 0)
        return CR_OK;
    if (!(letter && strcmp(letter, "F") == 0) && (!json_is_array(p) || json_array_size(p) != (size_t)ndim))
        return CR_FAIL(err, CR_FORMAT, "the order of a transpose codec does not list %d axes", ndim);
    for (int i = 0; i < ndim; i++) {
        const json_t *v = letter ? NULL : json_array_get(p, (size_t)i);
        json_int_t axis = letter ? ndim - 1 - i : json_is_integer(v) ? json_integer_value(v) : -1;
        if (axis < 0 || axis >= ndim || seen[axis])
            return CR_FAIL(err, CR_FORMAT, "the order of a transpose codec is not a permutation of %d axes", ndim);
        seen[axis] = true;
        after[i] = order[axis];
    }
    memcpy(order, after, sizeof(int) * (size_t)ndim);
    return CR_OK;
}

static cr_status is_swapped(const json_t *configuration, size_t width, bool *ret, cr_err *err) {
    const char *endian = cr_json_text(configuration, "endian", "little");
    if (strcmp(endian, "little") != 0 && strcmp(endian, "big") != 0)
        return CR_FAIL(err, CR_FORMAT, "the byte order \"%.40s\" is neither little nor big", endian);
    *ret = width > 1 && (endian[0] == 'b') != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    return CR_OK;
}

/* The codecs of a shard's index: bytes, then perhaps crc32c. */
static cr_status index_codecs(const json_t *codecs, cr_zarr_array *a, cr_err *err) {
    const char *name;
    const json_t *configuration;
    size_t n = json_array_size(codecs);
    if (n < 1 || n > 2)
        return CR_FAIL(err, CR_UNSUPPORTED, "an index of shards with %zu codecs", n);
    CR_TRY(named(json_array_get(codecs, 0), &name, &configuration, err));
    if (strcmp(name, "bytes") != 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "an index of shards with the codec \"%.80s\"", name);
    CR_TRY(is_swapped(configuration, 8, &a->index_swapped, err));
    if (n == 2) {
        CR_TRY(named(json_array_get(codecs, 1), &name, &configuration, err));
        if (strcmp(name, "crc32c") != 0)
            return CR_FAIL(err, CR_UNSUPPORTED, "an index of shards with the codec \"%.80s\"", name);
        a->index_crc = true;
    }
    return CR_OK;
}

static cr_status chain_v3(const json_t *codecs, cr_zarr_array *a, cr_err *err);

static cr_status sharding(const json_t *configuration, bool is_last, cr_zarr_array *a, cr_err *err) {
    int64_t inner[CR_MAX_DIMS];
    int n = 0;
    json_t *codecs = NULL, *index = NULL;
    if (a->sharded)
        return CR_FAIL(err, CR_UNSUPPORTED, "shards inside of shards are not supported");
    if (!is_last)
        return CR_FAIL(err, CR_UNSUPPORTED, "codecs after sharding_indexed are not supported");
    a->sharded = true;
    CR_TRY(cr_json_extents(configuration, "chunk_shape", CR_MAX_DIMS, inner, &n, err));
    if (n != a->ndim)
        return CR_FAIL(err, CR_FORMAT, "the chunks of shards have %d dimensions, the array %d", n, a->ndim);
    for (int i = 0; i < n; i++) {
        int axis = a->order[i];
        if (inner[i] < 1 || a->stored[axis] % inner[i])
            return CR_FAIL(err, CR_FORMAT, "shards of %lld along axis %d are not made of whole chunks of %lld", (long long)a->stored[axis],
                           axis, (long long)inner[i]);
        a->chunk[axis] = inner[i];
        a->shard_order[i] = axis;
    }
    const char *location = cr_json_text(configuration, "index_location", "end");
    if (strcmp(location, "start") != 0 && strcmp(location, "end") != 0)
        return CR_FAIL(err, CR_FORMAT, "the index location \"%.40s\" is neither start nor end", location);
    a->index_at_start = location[0] == 's';
    CR_TRY(cr_json_member(configuration, "index_codecs", JSON_ARRAY, &index, err));
    CR_TRY(index_codecs(index, a, err));
    CR_TRY(cr_json_member(configuration, "codecs", JSON_ARRAY, &codecs, err));
    return chain_v3(codecs, a, err);
}

/* The codec that turns items into bytes; false in *ret_known for another name. */
static cr_status array_to_bytes(const char *name, const json_t *configuration, bool is_last, cr_zarr_array *a, bool *ret_known, cr_err *err) {
    *ret_known = true;
    if (strcmp(name, "sharding_indexed") == 0)
        return sharding(configuration, is_last, a, err);
    if (strcmp(name, "vlen-utf8") == 0) {
        if (a->dtype != CR_STRING)
            return CR_FAIL(err, CR_FORMAT, "the codec vlen-utf8 is for strings");
        a->text = CR_ZARR_VLEN_UTF8;
        return CR_OK;
    }
    if (strcmp(name, "bytes") == 0) {
        bool swapped = false;
        size_t width = a->text == CR_ZARR_UTF32 ? 4 : a->dtype == CR_BYTES ? 1 : a->itemsize;
        if (a->dtype == CR_STRING)
            return CR_FAIL(err, CR_UNSUPPORTED, "strings with the codec \"bytes\"");
        CR_TRY(is_swapped(configuration, width, &swapped, err));
        a->swap_width = swapped ? width : 0;
        return CR_OK;
    }
    *ret_known = false;
    return CR_OK;
}

static cr_status chain_v3(const json_t *codecs, cr_zarr_array *a, cr_err *err) {
    bool have_bytes = false;
    size_t n = json_array_size(codecs);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const json_t *configuration;
        bool known = false;
        CR_TRY(named(json_array_get(codecs, i), &name, &configuration, err));
        if (!have_bytes && strcmp(name, "transpose") == 0) {
            CR_TRY(transpose(configuration, a->ndim, a->order, err));
            continue;
        }
        if (!have_bytes) {
            CR_TRY(array_to_bytes(name, configuration, i + 1 == n, a, &known, err));
            if (!known)
                return CR_FAIL(err, CR_UNSUPPORTED, "the codec \"%.80s\" is not supported here", name);
            have_bytes = true;
            continue;
        }
        const char *id = strncmp(name, "numcodecs.", 10) == 0 ? name + 10 : name;
        CR_TRY(numcodecs_codec(id, configuration, a->itemsize, &a->chain, err));
    }
    if (!have_bytes)
        return CR_FAIL(err, CR_FORMAT, "no codec turns the items into bytes");
    return CR_OK;
}

cr_status cr_zarr_chain_v3(const json_t *codecs, cr_zarr_array *a, cr_err *err) { return chain_v3(codecs, a, err); }
