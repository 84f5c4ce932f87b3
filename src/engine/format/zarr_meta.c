/* zarr_meta.c - from the JSON of one array to cr_zarr_array. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/codec/order.h"
#include "engine/format/text8.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_json.h"

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit"); }

/* CR_UNSUPPORTED becomes the problem of the array; other failures are passed on. */
static cr_status as_problem(cr_status status, cr_arena *arena, cr_zarr_array *a, cr_err *local, cr_err *err) {
    if (status == CR_UNSUPPORTED) {
        if (!a->problem)
            a->problem = cr_arena_strdup(arena, local->message);
        return a->problem ? CR_OK : no_room(err);
    }
    if (status != CR_OK && err)
        *err = *local;
    return status;
}

static cr_status check_grid(cr_zarr_array *a, cr_err *err) {
    for (int i = 0; i < a->ndim; i++) {
        if (a->stored[i] == 0 && a->shape[i] == 0)
            a->stored[i] = 1;
        if (a->stored[i] < 1)
            return CR_FAIL(err, CR_FORMAT, "chunks of extent %lld along axis %d", (long long)a->stored[i], i);
        a->chunk[i] = a->stored[i];
        a->order[i] = i;
    }
    return CR_OK;
}

static void finish_order(cr_zarr_array *a) {
    for (int i = 0; i < a->ndim; i++)
        a->permuted |= a->order[i] != i;
}

/* ---- names of dimensions ---------------------------------------------------------------------------------------------------- */

static cr_status name_dims(const json_t *list, cr_arena *arena, cr_zarr_array *a, cr_err *err) {
    const char *leaf = strrchr(a->key, '/');
    leaf = leaf ? leaf + 1 : *a->key ? a->key : "array";
    a->dims = cr_arena_calloc(arena, (size_t)a->ndim, sizeof *a->dims);
    if (!a->dims)
        return no_room(err);
    if (list && !json_is_null(list) && (!json_is_array(list) || json_array_size(list) != (size_t)a->ndim))
        return CR_FAIL(err, CR_FORMAT, "the names of the dimensions are not a list of %d", a->ndim);
    for (int i = 0; i < a->ndim; i++) {
        const json_t *name = json_array_get(list, (size_t)i);
        if (name && !json_is_string(name) && !json_is_null(name))
            return CR_FAIL(err, CR_FORMAT, "the name of dimension %d is not a string", i);
        a->dims[i] = json_is_string(name) ? cr_text8(arena, json_string_value(name), json_string_length(name))
                                          : cr_arena_printf(arena, "%s_dim_%d", leaf, i);
        if (!a->dims[i])
            return no_room(err);
    }
    return CR_OK;
}

/* ---- fill values -------------------------------------------------------------------------------------------------------------- */

/* UTF-8, as jansson has checked it, into so many characters; what does not fit is cut off, as NumPy does. */
static void put_utf32(const char *text, size_t n, unsigned char *dst, size_t width) {
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    for (size_t i = 0; i < width && p < end; i++) {
        uint32_t c = *p++;
        int more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
        c = more ? c & (0x3Fu >> more) : c;
        for (; more && p < end; more--)
            c = c << 6 | (*p++ & 0x3Fu);
        memcpy(dst + 4 * i, &c, 4);
    }
}

/* Fixed-width text and raw bytes: base64, a list of byte values, or (UTF-32) the text itself. */
static bool wide_fill(const json_t *v, const cr_zarr_array *a, unsigned char *dst) {
    const char *s = json_string_value(v);
    size_t n = s ? json_string_length(v) : json_array_size(v);
    bool negative;
    uint64_t byte;
    if (cr_json_integer(v, &negative, &byte))
        return byte == 0;
    if (s && a->text != CR_ZARR_UTF32)
        return cr_base64_decode(s, n, dst, a->itemsize) >= 0;
    if (s) {
        put_utf32(s, n, dst, a->itemsize / 4);
        return true;
    }
    if (!json_is_array(v) || n > a->itemsize)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!cr_json_integer(json_array_get(v, i), &negative, &byte) || negative || byte > 255)
            return false;
        dst[i] = (unsigned char)byte;
    }
    return true;
}

static cr_status set_fill(const json_t *v, cr_arena *arena, cr_zarr_array *a, cr_err *err) {
    a->fill_text = "";
    if (!v || json_is_null(v))
        return CR_OK;
    if (json_is_string(v) && (a->dtype == CR_STRING || a->text == CR_ZARR_UTF32)) {
        a->fill_text = cr_text8(arena, json_string_value(v), json_string_length(v));
        if (!a->fill_text)
            return no_room(err);
    }
    a->has_fill = true;
    if (a->dtype == CR_STRING)
        return CR_OK;
    void *fill = cr_arena_calloc(arena, 1, CR_MAX(a->itemsize, (size_t)1));
    if (!fill)
        return no_room(err);
    bool good = a->dtype == CR_BYTES ? wide_fill(v, a, fill) : cr_json_item(v, a->dtype, fill);
    if (!good && !a->problem) {
        cr_auto_free char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        return CR_FAIL(err, CR_FORMAT, "the fill value %.80s does not fit the data type", text ? text : "?");
    }
    a->fill = fill;
    return CR_OK;
}

/* ---- version 2 ---------------------------------------------------------------------------------------------------------------- */

static cr_status separator_v2(const json_t *array, cr_zarr_array *a, cr_err *err) {
    const char *s = cr_json_text(array, "dimension_separator", ".");
    if (strcmp(s, ".") != 0 && strcmp(s, "/") != 0)
        return CR_FAIL(err, CR_FORMAT, "the dimension separator \"%.40s\" is neither \".\" nor \"/\"", s);
    a->separator = s[0];
    a->v2_keys = true;
    return CR_OK;
}

static cr_status type_v2(const json_t *array, cr_zarr_array *a, cr_err *err) {
    const json_t *dtype = json_object_get(array, "dtype");
    a->dtype = CR_BYTES;
    a->itemsize = 1;
    if (json_is_array(dtype))
        return CR_FAIL(err, CR_UNSUPPORTED, "compound data types are not supported");
    if (!json_is_string(dtype))
        return CR_FAIL(err, CR_FORMAT, "\"dtype\" is missing or not a string");
    return cr_zarr_numpy_type(json_string_value(dtype), &a->dtype, &a->itemsize, &a->swap_width, &a->text, err);
}

cr_status cr_zarr_parse_v2(const char *key, const json_t *array, const json_t *attrs, cr_arena *arena, cr_zarr_array *ret_array,
                           cr_err *err) {
    cr_zarr_array a = {.version = 2, .key = cr_arena_strdup(arena, key), .attrs = attrs};
    cr_err local = CR_ERR_INIT;
    int n_chunks = 0;
    int64_t version;
    if (!a.key)
        return no_room(err);
    if (!json_is_object(array) || (attrs && !json_is_object(attrs)))
        return CR_FAIL(err, CR_FORMAT, "the metadata are not a JSON object");
    CR_TRY(cr_json_int(array, "zarr_format", 2, 2, 2, &version, err));
    CR_TRY(cr_json_extents(array, "shape", CR_MAX_DIMS, a.shape, &a.ndim, err));
    CR_TRY(cr_json_extents(array, "chunks", CR_MAX_DIMS, a.stored, &n_chunks, err));
    if (n_chunks != a.ndim)
        return CR_FAIL(err, CR_FORMAT, "%d dimensions, but chunks of %d", a.ndim, n_chunks);
    CR_TRY(check_grid(&a, err));
    CR_TRY(separator_v2(array, &a, err));
    CR_TRY(as_problem(type_v2(array, &a, &local), arena, &a, &local, err));
    const char *order = cr_json_text(array, "order", "C");
    if (strcmp(order, "C") != 0 && strcmp(order, "F") != 0)
        return CR_FAIL(err, CR_FORMAT, "the order \"%.40s\" is neither \"C\" nor \"F\"", order);
    for (int i = 0; order[0] == 'F' && i < a.ndim; i++)
        a.order[i] = a.ndim - 1 - i;
    if (!a.problem)
        CR_TRY(as_problem(cr_zarr_chain_v2(json_object_get(array, "filters"), json_object_get(array, "compressor"), &a, &local), arena, &a,
                          &local, err));
    finish_order(&a);
    CR_TRY(set_fill(json_object_get(array, "fill_value"), arena, &a, err));
    CR_TRY(name_dims(json_object_get(attrs, "_ARRAY_DIMENSIONS"), arena, &a, err));
    *ret_array = a;
    return CR_OK;
}

/* ---- version 3 ---------------------------------------------------------------------------------------------------------------- */

static cr_status type_v3(const json_t *array, cr_zarr_array *a, cr_err *err) {
    static const struct {
        const char *name, *code;
    } names[] = {{"bool", "|b1"},   {"int8", "|i1"},   {"int16", "|i2"},  {"int32", "|i4"},   {"int64", "|i8"},   {"uint8", "|u1"},
                 {"uint16", "|u2"}, {"uint32", "|u4"}, {"uint64", "|u8"}, {"float16", "|f2"}, {"float32", "|f4"}, {"float64", "|f8"},
                 {"string", "|O"}};
    const json_t *type = json_object_get(array, "data_type"), *configuration = json_object_get(type, "configuration");
    const char *name = json_is_string(type) ? json_string_value(type) : cr_json_text(type, "name", NULL);
    int64_t bytes;
    a->dtype = CR_BYTES;
    a->itemsize = 1;
    if (!name)
        return CR_FAIL(err, CR_FORMAT, "\"data_type\" is missing or has no name");
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        if (strcmp(name, names[i].name) == 0)
            return cr_zarr_numpy_type(names[i].code, &a->dtype, &a->itemsize, &a->swap_width, &a->text, err);
    if (name[0] == 'r' && strspn(name + 1, "0123456789") == strlen(name + 1) && strlen(name) > 1 && strlen(name) < 8) {
        long bits = strtol(name + 1, NULL, 10);
        if (bits < 8 || bits % 8)
            return CR_FAIL(err, CR_FORMAT, "the data type \"%s\" is not a number of whole bytes", name);
        a->itemsize = (size_t)bits / 8;
        return CR_OK;
    }
    bool utf32 = strcmp(name, "fixed_length_utf32") == 0;
    if (!utf32 && strcmp(name, "null_terminated_bytes") != 0 && strcmp(name, "raw_bytes") != 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "the data type \"%.80s\" is not supported", name);
    CR_TRY(cr_json_int(configuration, "length_bytes", 0, 1 << 22, 0, &bytes, err));
    if (bytes == 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "items of no bytes are not supported");
    if (utf32 && bytes % 4)
        return CR_FAIL(err, CR_FORMAT, "UTF-32 text of %lld bytes", (long long)bytes);
    a->itemsize = (size_t)bytes;
    a->text = utf32 ? CR_ZARR_UTF32 : CR_ZARR_NOT_TEXT;
    return CR_OK;
}

static cr_status grid_v3(const json_t *array, cr_zarr_array *a, cr_err *err) {
    json_t *grid = NULL, *keys = json_object_get(array, "chunk_key_encoding");
    int n = 0;
    CR_TRY(cr_json_member(array, "chunk_grid", JSON_OBJECT, &grid, err));
    const char *name = cr_json_text(grid, "name", "");
    if (strcmp(name, "regular") != 0) {
        for (int i = 0; i < a->ndim; i++)
            a->stored[i] = 1;
        CR_TRY(check_grid(a, err));
        return CR_FAIL(err, CR_UNSUPPORTED, "the chunk grid \"%.80s\" is not supported", name);
    }
    CR_TRY(cr_json_extents(json_object_get(grid, "configuration"), "chunk_shape", CR_MAX_DIMS, a->stored, &n, err));
    if (n != a->ndim)
        return CR_FAIL(err, CR_FORMAT, "%d dimensions, but chunks of %d", a->ndim, n);
    CR_TRY(check_grid(a, err));
    name = json_is_string(keys) ? json_string_value(keys) : cr_json_text(keys, "name", "default");
    a->v2_keys = strcmp(name, "v2") == 0;
    if (!a->v2_keys && strcmp(name, "default") != 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "the chunk key encoding \"%.80s\" is not supported", name);
    const char *separator = cr_json_text(json_object_get(keys, "configuration"), "separator", a->v2_keys ? "." : "/");
    if (strcmp(separator, ".") != 0 && strcmp(separator, "/") != 0)
        return CR_FAIL(err, CR_FORMAT, "the separator \"%.40s\" is neither \".\" nor \"/\"", separator);
    a->separator = separator[0];
    return CR_OK;
}

/* Members that a reader does not know may change the meaning, unless they say that they need not be understood. */
static cr_status unknown_members(const json_t *array, cr_err *err) {
    static const char *const known[] = {"zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value",
                                        "codecs", "attributes", "dimension_names", "storage_transformers", "consolidated_metadata"};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)array, name, v) {
        bool is_known = json_is_false(json_object_get(v, "must_understand"));
        for (size_t i = 0; i < CR_ARRAY_LEN(known); i++)
            is_known |= strcmp(name, known[i]) == 0;
        if (!is_known)
            return CR_FAIL(err, CR_UNSUPPORTED, "the extension \"%.80s\" is not supported", name);
    }
    if (json_array_size(json_object_get(array, "storage_transformers")) > 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "storage transformers are not supported");
    return CR_OK;
}

cr_status cr_zarr_parse_v3(const char *key, const json_t *array, cr_arena *arena, cr_zarr_array *ret_array, cr_err *err) {
    cr_zarr_array a = {.version = 3, .key = cr_arena_strdup(arena, key), .attrs = json_object_get(array, "attributes")};
    cr_err local = CR_ERR_INIT;
    json_t *codecs = NULL;
    int64_t version;
    if (!a.key)
        return no_room(err);
    if (!json_is_object(array) || (a.attrs && !json_is_object(a.attrs)))
        return CR_FAIL(err, CR_FORMAT, "the metadata or its attributes are not a JSON object");
    CR_TRY(cr_json_int(array, "zarr_format", 3, 3, 3, &version, err));
    CR_TRY(cr_json_extents(array, "shape", CR_MAX_DIMS, a.shape, &a.ndim, err));
    CR_TRY(as_problem(type_v3(array, &a, &local), arena, &a, &local, err));
    CR_TRY(as_problem(grid_v3(array, &a, &local), arena, &a, &local, err));
    CR_TRY(as_problem(unknown_members(array, &local), arena, &a, &local, err));
    CR_TRY(cr_json_member(array, "codecs", JSON_ARRAY, &codecs, err));
    if (!a.problem)
        CR_TRY(as_problem(cr_zarr_chain_v3(codecs, &a, &local), arena, &a, &local, err));
    finish_order(&a);
    CR_TRY(set_fill(json_object_get(array, "fill_value"), arena, &a, err));
    CR_TRY(name_dims(json_object_get(array, "dimension_names"), arena, &a, err));
    *ret_array = a;
    return CR_OK;
}
