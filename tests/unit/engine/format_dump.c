/* format_dump.c - prints what libcraton reads from a file, for tests that compare it with other libraries.
 *
 *   format_dump PATH [GROUP]             metadata and the values of string variables, as JSON on standard output
 *   format_dump PATH GROUP VALUES_DIR    also writes VALUES_DIR/<i>.raw: the values of variable i, row-major, native byte order
 *
 * Values are read chunk by chunk through cr_source, so that this needs no executor. On failure: {"error": ...}, exit status 1. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/model.h"
#include "engine/format/zarr_json.h"

static json_t *number(cr_dtype t, const void *values, int64_t i) {
    char text[64];
    switch (t) {
#define X(name, type) case CR_##name: return json_integer((json_int_t)((const type *)values)[i]);
    X(BOOL, uint8_t) X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t) X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t)
#undef X
    case CR_U64: snprintf(text, sizeof text, "%llu", (unsigned long long)((const uint64_t *)values)[i]); break;
    case CR_F16: snprintf(text, sizeof text, "%a", cr_half_to_double(((const uint16_t *)values)[i])); break;
    case CR_F32: snprintf(text, sizeof text, "%a", (double)((const float *)values)[i]); break;
    case CR_F64: snprintf(text, sizeof text, "%a", ((const double *)values)[i]); break;
    default: snprintf(text, sizeof text, "?");
    }
    return json_string(text);
}

static json_t *attributes(const cr_attr *attrs, int n) {
    json_t *out = json_object();
    for (int i = 0; i < n; i++) {
        json_t *values = json_array();
        for (int64_t k = 0; k < attrs[i].n; k++)
            json_array_append_new(values, attrs[i].dtype == CR_STRING ? json_string(((const char *const *)attrs[i].values)[k])
                                                                      : number(attrs[i].dtype, attrs[i].values, k));
        json_object_set_new(out, attrs[i].name, json_pack("{s:i, s:o}", "dtype", (int)attrs[i].dtype, "values", values));
    }
    return out;
}

static json_t *extents(const int64_t *v, int n) {
    json_t *out = v ? json_array() : json_null();
    for (int i = 0; v && i < n; i++)
        json_array_append_new(out, json_integer(v[i]));
    return out;
}

static json_t *hex(const void *bytes, size_t n) {
    char *text = calloc(2, n + 1);
    for (size_t i = 0; bytes && i < n; i++)
        sprintf(text + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
    json_t *out = bytes ? json_string(text) : json_null();
    free(text);
    return out;
}

/* Copies the part of a chunk that lies inside the shape to its place in the whole array. */
static void place(const cr_source *s, const int64_t *chunk, const char *from, char *whole) {
    int64_t at[CR_MAX_DIMS] = {0};
    for (;;) {
        size_t src = 0, dst = 0;
        bool inside = true;
        for (int i = 0; i < s->ndim; i++) {
            int64_t position = chunk[i] * s->chunk_shape[i] + at[i];
            inside &= position < s->shape[i];
            src = src * (size_t)s->chunk_shape[i] + (size_t)at[i];
            dst = dst * (size_t)s->shape[i] + (size_t)position;
        }
        if (inside)
            memcpy(whole + dst * s->itemsize, from + src * s->itemsize, s->itemsize);
        int axis = s->ndim - 1;
        while (axis >= 0 && ++at[axis] == s->chunk_shape[axis])
            at[axis--] = 0;
        if (axis < 0)
            return;
    }
}

static cr_status read_all(cr_source *s, char **ret_whole, size_t *ret_bytes, cr_err *err) {
    size_t bytes = s->itemsize;
    for (int i = 0; i < s->ndim; i++)
        bytes *= (size_t)s->shape[i];
    if (bytes > (size_t)1 << 31)
        return CR_FAIL(err, CR_LIMIT, "too large to dump");
    cr_scratch scratch = {.max = (size_t)1 << 32};
    char *whole = malloc(bytes + 1), *part = malloc(s->chunk_bytes + 1);
    int64_t chunk[CR_MAX_DIMS] = {0};
    cr_status status = CR_OK;
    while (bytes && status == CR_OK) {
        bool absent;
        status = s->ops->read_chunk(s, chunk, part, &scratch, &absent, err);
        if (status == CR_OK)
            place(s, chunk, part, whole);
        int axis = s->ndim - 1;
        while (axis >= 0 && ++chunk[axis] * s->chunk_shape[axis] >= s->shape[axis])
            chunk[axis--] = 0;
        if (axis < 0)
            break;
    }
    cr_scratch_done(&scratch);
    free(part);
    if (status != CR_OK) {
        free(whole);
        return status;
    }
    *ret_whole = whole;
    *ret_bytes = bytes;
    return CR_OK;
}

static cr_status save_values(const cr_model_variable *v, int i, const char *dir, cr_err *err) {
    char path[4096], *whole = NULL;
    size_t bytes = 0;
    CR_TRY(read_all(v->source, &whole, &bytes, err));
    snprintf(path, sizeof path, "%s/%d.raw", dir, i);
    FILE *out = fopen(path, "wb");
    bool good = out && fwrite(whole, 1, bytes, out) == bytes && fclose(out) == 0;
    free(whole);
    return good ? CR_OK : CR_FAIL_ERRNO(err, "cannot write %s", path);
}

static json_t *failure(const cr_err *err) {
    return json_pack("{s:s, s:s, s:s}", "status", cr_status_name(err->status), "error", err->message, "hint", err->hint);
}

static json_t *variable(const cr_file *f, int i, const char *dir) {
    const cr_model_variable *v = &f->variables[i];
    const cr_variable *p = &v->pub;
    cr_err err = CR_ERR_INIT;
    json_t *dims = json_array(), *out = json_object();
    for (int k = 0; k < p->ndim; k++)
        json_array_append_new(dims, json_string(p->dims[k]));
    json_object_set_new(out, "name", json_string(p->name));
    json_object_set_new(out, "dtype", json_integer(p->dtype));
    json_object_set_new(out, "itemsize", json_integer((json_int_t)p->itemsize));
    json_object_set_new(out, "dims", dims);
    json_object_set_new(out, "shape", extents(p->shape, p->ndim));
    json_object_set_new(out, "chunks", extents(p->chunks, p->ndim));
    json_object_set_new(out, "grid", extents(v->source ? v->source->chunk_shape : NULL, p->ndim));
    json_object_set_new(out, "attrs", attributes(p->attrs, p->n_attrs));
    json_object_set_new(out, "fill", p->has_fill && p->fill ? hex(p->fill, p->itemsize) : json_null());
    json_object_set_new(out, "compression", json_string(p->compression));
    json_object_set_new(out, "problem", p->problem ? json_string(p->problem) : json_null());
    if (dir && v->source && save_values(v, i, dir, &err) != CR_OK)
        json_object_set_new(out, "failure", failure(&err));
    if (v->read_strings && !p->problem) {
        char **strings;
        int64_t n;
        if (cr_file_strings(f, p->name, &strings, &n, &err) != CR_OK) {
            json_object_set_new(out, "failure", failure(&err));
        } else {
            json_t *list = json_array();
            for (int64_t k = 0; k < n; k++)
                json_array_append_new(list, json_string(strings[k]));
            json_object_set_new(out, "strings", list);
            free(strings);
        }
    }
    return out;
}

static json_t *file(const cr_file *f, const char *dir) {
    json_t *dims = json_array(), *groups = json_array(), *variables = json_array();
    for (int i = 0; i < cr_file_n_dims(f); i++) {
        const cr_dim *d = cr_file_dim(f, i);
        json_array_append_new(dims, json_pack("{s:s, s:I, s:b}", "name", d->name, "length", (json_int_t)d->length, "unlimited", d->unlimited));
    }
    for (int i = 0; i < cr_file_n_groups(f); i++)
        json_array_append_new(groups, json_string(cr_file_group(f, i)));
    for (int i = 0; i < cr_file_n_variables(f); i++)
        json_array_append_new(variables, variable(f, i, dir));
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "format", cr_file_format(f), "dims", dims, "attrs", attributes(f->attrs, f->n_attrs),
                     "groups", groups, "variables", variables);
}

int main(int argc, char **argv) {
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: format_dump PATH [GROUP [VALUES_DIR]]\n");
        return 2;
    }
    cr_open_options options = {argc > 2 ? argv[2] : NULL, 0};
    cr_status status = cr_file_open(argv[1], &options, &f, &err);
    json_t *out = status == CR_OK ? file(f, argc > 3 ? argv[3] : NULL) : failure(&err);
    if (status == CR_OK)
        cr_file_close(f);
    json_dumpf(out, stdout, JSON_INDENT(1));
    json_decref(out);
    return status == CR_OK ? 0 : 1;
}
