/* info_json.c - the same as one JSON object, for programs. Numbers that JSON cannot hold (NaN, infinities) are null. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli/info.h"

static json_t *text(const char *s) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, CR_CLI_OUTPUT_MAX);
    json_t *plain = json_string(s);   /* NULL when it is no UTF-8 */
    if (plain)
        return plain;
    cr_cli_text(&b, s, 0, true);
    return json_string(cr_buf_str(&b));
}

static json_t *real(double v) { return isfinite(v) ? json_real(v) : json_null(); }

#define INTS(name, T)                                                  \
    case CR_##name:                                                    \
        return json_integer((json_int_t)((const T *)a->values)[i])

static json_t *item(const cr_attr *a, int64_t i) {
    switch (a->dtype) {
    INTS(BOOL, uint8_t);
    INTS(I8, int8_t);
    INTS(I16, int16_t);
    INTS(I32, int32_t);
    INTS(I64, int64_t);
    INTS(U8, uint8_t);
    INTS(U16, uint16_t);
    INTS(U32, uint32_t);
    INTS(U64, uint64_t);
    case CR_F32: return real(((const float *)a->values)[i]);
    case CR_F64: return real(((const double *)a->values)[i]);
    case CR_STRING: return text(((const char *const *)a->values)[i]);
    default: return json_null();
    }
}

static json_t *attrs(int n, const cr_attr *(*get)(const void *from, int i), const void *from) {
    json_t *all = json_object();
    for (int k = 0; k < n; k++) {
        const cr_attr *a = get(from, k);
        json_t *value = a->n == 1 ? item(a, 0) : json_array();
        for (int64_t i = 0; a->n != 1 && i < a->n; i++)
            json_array_append_new(value, item(a, i));
        json_object_set_new_nocheck(all, a->name, value);
    }
    return all;
}

static const cr_attr *attr_of_variable(const void *from, int i) { return &((const cr_variable *)from)->attrs[i]; }
static const cr_attr *attr_of_file(const void *from, int i) { return cr_file_attr(from, i); }

static json_t *extents(int n, const int64_t *values) {
    json_t *list = json_array();
    for (int d = 0; d < n; d++)
        json_array_append_new(list, json_integer(values[d]));
    return list;
}

static json_t *variable(const cr_info *info, const cr_variable *v, bool coordinate) {
    json_t *dims = json_array(), *values = json_array();
    for (int d = 0; d < v->ndim; d++)
        json_array_append_new(dims, text(v->dims[d]));
    cr_info_values shown = {0};
    if (coordinate)
        cr_info_read_values(info, v, &shown);
    for (int i = 0; i < shown.n; i++)
        json_array_append_new(values, text(shown.text[i]));
    json_t *o = json_object();
    json_object_set_new(o, "dimensions", dims);
    json_object_set_new(o, "shape", extents(v->ndim, v->shape));
    json_object_set_new(o, "dtype", text(cr_dtype_name(v->dtype)));
    json_object_set_new(o, "decoded", text(cr_info_meaning(v)));
    json_object_set_new(o, "coordinate", json_boolean(coordinate));
    json_object_set_new(o, "chunks", v->chunks ? extents(v->ndim, v->chunks) : json_null());
    json_object_set_new(o, "compression", text(v->compression));
    json_object_set_new(o, "values", values);
    if (v->problem)
        json_object_set_new(o, "problem", text(v->problem));
    json_object_set_new(o, "attributes", attrs(v->n_attrs, attr_of_variable, v));
    return o;
}

cr_status cr_info_json(const cr_info *info, cr_buf *out, cr_err *err) {
    json_t *dims = json_object(), *variables = json_object(), *groups = json_array(), *targets = json_array(), *o = json_object();
    for (int i = 0; i < cr_file_n_dims(info->file); i++) {
        const cr_dim *d = cr_file_dim(info->file, i);
        json_object_set_new_nocheck(dims, d->name, json_pack("{sI sb}", "length", (json_int_t)d->length, "unlimited", d->unlimited));
    }
    for (int i = 0; i < cr_file_n_variables(info->file); i++) {
        const cr_variable *v = cr_file_variable(info->file, i);
        json_object_set_new_nocheck(variables, v->name, variable(info, v, info->is_coordinate[i]));
    }
    for (int i = 0; i < cr_file_n_groups(info->file); i++)
        json_array_append_new(groups, text(cr_file_group(info->file, i)));
    for (int i = 0; cr_file_target(info->file, i); i++)
        json_array_append_new(targets, text(cr_file_target(info->file, i)));
    json_object_set_new(o, "path", text(info->path));
    json_object_set_new(o, "format", text(cr_file_format(info->file)));
    json_object_set_new(o, "dimensions", dims);
    json_object_set_new(o, "variables", variables);
    json_object_set_new(o, "groups", groups);
    if (json_array_size(targets) > 0)
        json_object_set(o, "targets", targets);
    json_decref(targets);
    json_object_set_new(o, "attributes", attrs(cr_file_n_attrs(info->file), attr_of_file, info->file));
    char *dump = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(o);
    if (!dump)
        return CR_FAIL(err, CR_FORMAT, "%s: a name or text cannot be written as JSON", info->path);
    cr_buf_adds(out, dump);
    cr_buf_addc(out, '\n');
    free(dump);
    return cr_buf_check(out, err);
}
