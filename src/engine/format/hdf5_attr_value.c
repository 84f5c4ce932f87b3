/* hdf5_attr_value.c - values of attributes as users see them. */
#include "engine/codec/order.h"
#include "engine/format/hdf5_heap.h"
#include "engine/format/hdf5_netcdf4.h"

/* Written by the NetCDF and HDF5 libraries for themselves. */
static const char *const internal_names[] = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates",
                                             "_nc3_strict", "_NCProperties"};

static bool is_internal(const char *name) {
    for (size_t i = 0; i < CR_ARRAY_LEN(internal_names); i++)
        if (strcmp(name, internal_names[i]) == 0)
            return true;
    return false;
}

static cr_status no_room(const cr_arena *arena, cr_err *err) {
    return CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", arena->limit_bytes);
}

static cr_status fixed_texts(h5_ctx *x, const h5_attr *a, cr_attr *out, cr_err *err) {
    /* NetCDF stores empty text without a value; an array of single characters is one text. */
    bool joined = a->type.size == 1 && a->space.ndim == 1;
    out->n = a->space.null || joined ? 1 : a->space.n;
    const char **texts;
    CR_TRY(h5_alloc(x->keep, (size_t)CR_MAX(out->n, (int64_t)1), sizeof *texts, &texts, err));
    size_t width = joined ? h5_left(&a->data) : a->type.size;
    for (int64_t i = 0; i < out->n; i++) {
        texts[i] = h5_text(x->keep, a->data.p + (size_t)i * width, a->space.null ? 0 : width);
        if (!texts[i])
            return no_room(x->keep, err);
    }
    out->values = texts;
    return CR_OK;
}

static cr_status vlen_texts(h5_ctx *x, const h5_attr *a, cr_attr *out, cr_err *err) {
    const char **texts;
    h5_cur stored = a->data, text;
    CR_TRY(h5_alloc(x->keep, (size_t)CR_MAX(a->space.n, (int64_t)1), sizeof *texts, &texts, err));
    for (int64_t i = 0; i < a->space.n; i++) {
        uint32_t count;
        CR_TRY(h5_vlen_get(x, &stored, &count, &text, err));
        texts[i] = h5_text(x->keep, text.p, CR_MIN((size_t)count, h5_left(&text)));
        if (!texts[i])
            return no_room(x->keep, err);
    }
    out->n = a->space.n;
    out->values = texts;
    return CR_OK;
}

static cr_status numbers(h5_ctx *x, const h5_attr *a, cr_attr *out, cr_err *err) {
    size_t n = (size_t)a->space.n, width = a->type.size;
    void *values;
    CR_TRY(h5_alloc(x->keep, CR_MAX(n, (size_t)1), width, &values, err));
    if (n)
        memcpy(values, a->data.p, n * width);
    if (a->type.big_endian)
        cr_byteswap(values, n, width);
    out->n = a->space.n;
    out->values = values;
    return CR_OK;
}

static bool is_number(const h5_type *t) { return !t->problem && (t->class == H5_ENUM || cr_dtype_size(t->dtype) > 0); }

cr_status nc_attrs(h5_ctx *x, const h5_attr *attrs, int n, cr_attr **ret_attrs, int *ret_n, cr_err *err) {
    cr_attr *out;
    int count = 0;
    CR_TRY(h5_alloc(x->keep, (size_t)CR_MAX(n, 1), sizeof *out, &out, err));
    for (int i = 0; i < n; i++) {
        const h5_attr *a = &attrs[i];
        cr_attr *o = &out[count];
        if (is_internal(a->name))
            continue;
        if (a->type.class == H5_TEXT) {
            o->dtype = CR_STRING;
            CR_TRY(fixed_texts(x, a, o, err));
        } else if (a->type.vlen_text) {
            o->dtype = CR_STRING;
            CR_TRY(vlen_texts(x, a, o, err));
        } else if (is_number(&a->type)) {
            o->dtype = a->type.dtype;
            CR_TRY(numbers(x, a, o, err));
        } else {
            continue;
        }
        o->name = cr_arena_strdup(x->keep, a->name);
        if (!o->name)
            return no_room(x->keep, err);
        count++;
    }
    *ret_attrs = out;
    *ret_n = count;
    return CR_OK;
}

cr_status nc_attr_integers(h5_ctx *x, const h5_attr *a, int64_t **ret_values, cr_err *err) {
    int64_t *values;
    cr_attr raw;
    *ret_values = NULL;
    if (!is_number(&a->type) || cr_dtype_kind(a->type.dtype) != 'i')
        return CR_OK;
    h5_ctx temporary = *x;
    temporary.keep = x->temp;
    CR_TRY(numbers(&temporary, a, &raw, err));
    CR_TRY(h5_alloc(x->temp, (size_t)CR_MAX(raw.n, (int64_t)1), sizeof *values, &values, err));
    for (int64_t i = 0; i < raw.n; i++)
        switch (a->type.dtype) {
        case CR_I8: values[i] = ((const int8_t *)raw.values)[i]; break;
        case CR_I16: values[i] = ((const int16_t *)raw.values)[i]; break;
        case CR_I32: values[i] = ((const int32_t *)raw.values)[i]; break;
        default: values[i] = ((const int64_t *)raw.values)[i]; break;
        }
    *ret_values = values;
    return CR_OK;
}
