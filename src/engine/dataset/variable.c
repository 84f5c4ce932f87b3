/* variable.c - variables: made, copied, counted. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/array/node.h"
#include "engine/dataset/variable.h"
#include "engine/kernel/half.h"

static cr_status no_memory(cr_err *err) { return CR_FAIL(err, CR_MEMORY, "no memory for a variable and its attributes"); }

static cr_status var_new(const char *name, int ndim, const char *const *dims, const int64_t *shape, cr_var **ret_var, cr_err *err) {
    for (int a = 0; a < ndim; a++)
        for (int b = 0; b < a; b++)
            if (strcmp(dims[a], dims[b]) == 0)
                return CR_FAIL(err, CR_INVALID, "%s%stwo axes have the name %.100s", name ? name : "", name ? ": " : "", dims[a]);
    cr_var *v = calloc(1, sizeof *v);
    if (!v)
        return no_memory(err);
    v->refs = 1;
    cr_arena_init(&v->memory, CR_VAR_MEMORY_MAX);
    bool good = true;
    if (name)
        good = (v->name = cr_arena_strdup(&v->memory, name)) != NULL;
    v->ndim = ndim;
    for (int a = 0; a < ndim && good; a++) {
        good = (v->dims[a] = cr_arena_strdup(&v->memory, dims[a])) != NULL;
        v->shape[a] = shape[a];
    }
    if (!good) {
        cr_var_unref(v);
        return no_memory(err);
    }
    *ret_var = v;
    return CR_OK;
}

cr_status cr_var_new(const char *name, int ndim, const char *const *dims, cr_array *data, cr_kind kind, cr_calendar calendar,
                     cr_var **ret_var, cr_err *err) {
    if (kind == CR_KIND_TIMES && data->dtype != CR_I64)
        return CR_FAIL(err, CR_TYPE, "times are int64 (microseconds), not %s", cr_dtype_name(data->dtype));
    if (ndim != data->ndim)
        return CR_FAIL(err, CR_INVALID, "%d dimension names for an array of %d axes", ndim, data->ndim);
    CR_TRY(var_new(name, ndim, dims, data->shape, ret_var, err));
    (*ret_var)->data = cr_array_ref(data);
    (*ret_var)->kind = kind;
    (*ret_var)->calendar = calendar;
    return CR_OK;
}

cr_status cr_var_new_text(const char *name, int ndim, const char *const *dims, const int64_t *shape, cr_labels *labels, cr_var **ret_var,
                          cr_err *err) {
    int64_t n;
    if (!cr_product(shape, ndim, &n) || n != labels->n)
        return CR_FAIL(err, CR_INVALID, "%lld texts do not fill the shape", (long long)labels->n);
    CR_TRY(var_new(name, ndim, dims, shape, ret_var, err));
    (*ret_var)->kind = CR_KIND_TEXT;
    (*ret_var)->labels = cr_labels_ref(labels);
    return CR_OK;
}

static void release_labels(void *labels) { cr_labels_unref(labels); }

cr_status cr_var_of_labels(const char *name, const char *dim, cr_labels *labels, cr_dtype dtype, cr_calendar calendar, cr_var **ret_var,
                           cr_err *err) {
    if (labels->kind == 's')
        return cr_var_new_text(name, 1, &dim, &labels->n, labels, ret_var, err);
    cr_auto_array cr_array *wide = NULL;
    CR_TRY(cr_array_from_memory(labels->kind == 'f' ? CR_F64 : CR_I64, 0, 1, &labels->n, NULL, NULL,
                                labels->kind == 'f' ? (const void *)labels->f : labels->i, release_labels, labels, &wide, err));
    cr_labels_ref(labels);
    cr_auto_array cr_array *data = NULL;
    CR_TRY(cr_array_cast(wide, dtype, &data, err));
    CR_TRY(cr_var_new(name, 1, &dim, data, labels->kind == 't' ? CR_KIND_TIMES : CR_KIND_NUMBERS, calendar, ret_var, err));
    (*ret_var)->labels = cr_labels_ref(labels);
    return CR_OK;
}

cr_var *cr_var_ref(cr_var *v) {
    if (v)
        atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void cr_var_unref(cr_var *v) {
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    cr_array_unref(v->data);
    cr_labels_unref(v->labels);
    cr_arena_done(&v->memory);
    free(v);
}

cr_status cr_attr_copy(cr_arena *memory, const cr_attr *from, cr_attr *ret_attr, cr_err *err) {
    cr_attr to = *from;
    to.name = cr_arena_strdup(memory, from->name);
    size_t size = from->dtype == CR_STRING ? sizeof(char *) : cr_dtype_size(from->dtype) ? cr_dtype_size(from->dtype) : 1;
    void *values = cr_arena_calloc(memory, (size_t)from->n + 1, size);
    if (!to.name || !values)
        return no_memory(err);
    if (from->dtype == CR_STRING) {
        for (int64_t k = 0; k < from->n; k++)
            if ((((char **)values)[k] = cr_arena_strdup(memory, ((const char *const *)from->values)[k])) == NULL)
                return no_memory(err);
    } else if (from->n > 0) {
        memcpy(values, from->values, (size_t)from->n * size);
    }
    to.values = values;
    *ret_attr = to;
    return CR_OK;
}

bool cr_attr_equal(const cr_attr *a, const cr_attr *b) {
    if (a->n != b->n || (a->dtype == CR_STRING) != (b->dtype == CR_STRING))
        return false;
    if (a->dtype == CR_STRING) {
        for (int64_t k = 0; k < a->n; k++)
            if (strcmp(((const char *const *)a->values)[k], ((const char *const *)b->values)[k]) != 0)
                return false;
        return true;
    }
    size_t size = cr_dtype_size(a->dtype) ? cr_dtype_size(a->dtype) : 1;
    return a->dtype == b->dtype && memcmp(a->values, b->values, (size_t)a->n * size) == 0;
}

#define AS_DOUBLE(name, T) \
    case CR_##name: return (double)*(const T *)at

double cr_attr_double(const cr_attr *a, int64_t i) {
    const char *at = (const char *)a->values + (size_t)i * cr_dtype_size(a->dtype);
    switch (a->dtype) {
    AS_DOUBLE(BOOL, uint8_t);
    AS_DOUBLE(I8, int8_t);
    AS_DOUBLE(I16, int16_t);
    AS_DOUBLE(I32, int32_t);
    AS_DOUBLE(I64, int64_t);
    AS_DOUBLE(U8, uint8_t);
    AS_DOUBLE(U16, uint16_t);
    AS_DOUBLE(U32, uint32_t);
    AS_DOUBLE(U64, uint64_t);
    case CR_F16: {
        uint16_t half;
        memcpy(&half, at, sizeof half);
        return (double)cr_half_to_float(half);
    }
    AS_DOUBLE(F32, float);
    AS_DOUBLE(F64, double);
    default: return 0;
    }
}

int64_t cr_attr_whole(const cr_attr *a) {
    if (a->dtype == CR_I64)
        return *(const int64_t *)a->values;
    double v = cr_attr_double(a, 0);
    return v >= -9.2e18 && v <= 9.2e18 ? (int64_t)v : INT64_MIN;
}

const char *cr_attr_text(const cr_attr *attrs, int n, const char *name) {
    const cr_attr *a = cr_attr_find(attrs, n, name);
    return a && a->dtype == CR_STRING && a->n == 1 ? *(const char *const *)a->values : NULL;
}

cr_status cr_var_add_attr(cr_var *v, const cr_attr *attr, cr_err *err) { /* the array grows in steps of 16 */
    if (v->n_attrs % 16 == 0) {
        cr_attr *grown = cr_arena_calloc(&v->memory, (size_t)v->n_attrs + 16, sizeof *grown);
        if (!grown)
            return no_memory(err);
        if (v->n_attrs > 0)
            memcpy(grown, v->attrs, (size_t)v->n_attrs * sizeof *grown);
        v->attrs = grown;
    }
    CR_TRY(cr_attr_copy(&v->memory, attr, &v->attrs[v->n_attrs], err));
    v->n_attrs++;
    return CR_OK;
}

cr_status cr_var_copy_attrs(cr_var *v, int n, const cr_attr *attrs, cr_err *err) {
    for (int k = 0; k < n; k++)
        CR_TRY(cr_var_add_attr(v, &attrs[k], err));
    return CR_OK;
}

static cr_status keep_attr(cr_var *v, const cr_attr *from, const cr_attr **ret, cr_err *err) {
    if (!from)
        return CR_OK;
    cr_attr *copy = cr_arena_alloc(&v->memory, sizeof *copy);
    if (!copy)
        return no_memory(err);
    CR_TRY(cr_attr_copy(&v->memory, from, copy, err));
    *ret = copy;
    return CR_OK;
}

static cr_status keep_text(cr_var *v, const char *from, const char **ret, cr_err *err) {
    if (from && (*ret = cr_arena_strdup(&v->memory, from)) == NULL)
        return no_memory(err);
    return CR_OK;
}

cr_status cr_var_copy_encoding(cr_var *v, const cr_encoding *e, cr_err *err) {
    if (!e)
        return CR_OK;
    cr_encoding *own = cr_arena_alloc(&v->memory, sizeof *own);
    if (!own)
        return no_memory(err);
    own->has_dtype = e->has_dtype;
    own->dtype = e->dtype;
    CR_TRY(keep_attr(v, e->scale, &own->scale, err));
    CR_TRY(keep_attr(v, e->offset, &own->offset, err));
    CR_TRY(keep_attr(v, e->fill, &own->fill, err));
    CR_TRY(keep_attr(v, e->missing, &own->missing, err));
    CR_TRY(keep_text(v, e->units, &own->units, err));
    CR_TRY(keep_text(v, e->calendar, &own->calendar, err));
    CR_TRY(keep_text(v, e->unsigned_, &own->unsigned_, err));
    CR_TRY(keep_text(v, e->coordinates, &own->coordinates, err));
    v->encoding = own;
    return CR_OK;
}

cr_status cr_var_renamed(const cr_var *v, const char *name, cr_var **ret_var, cr_err *err) {
    cr_auto_var cr_var *copy = NULL;
    CR_TRY(var_new(name, v->ndim, v->dims, v->shape, &copy, err));
    copy->kind = v->kind;
    copy->calendar = v->calendar;
    copy->data = v->data ? cr_array_ref(v->data) : NULL;
    copy->labels = cr_labels_ref(v->labels);
    CR_TRY(cr_var_copy_attrs(copy, v->n_attrs, v->attrs, err));
    CR_TRY(cr_var_copy_encoding(copy, v->encoding, err));
    CR_TRY(keep_text(copy, v->problem, &copy->problem, err));
    *ret_var = copy;
    copy = NULL;
    return CR_OK;
}

int cr_var_axis(const cr_var *v, const char *dim) {
    for (int a = 0; a < v->ndim; a++)
        if (strcmp(v->dims[a], dim) == 0)
            return a;
    return -1;
}

bool cr_var_is_index(const cr_var *v) { return v->ndim == 1 && v->name && strcmp(v->name, v->dims[0]) == 0; }

char *cr_var_dims_text(const cr_var *v, char *buf, size_t size) {
    size_t used = 0;
    buf[0] = 0;
    for (int a = 0; a < v->ndim && used < size; a++)
        used += (size_t)snprintf(buf + used, size - used, "%s%s", a ? ", " : "", v->dims[a]);
    return buf;
}
