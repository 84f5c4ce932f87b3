/* encode.c - packing, fill values and units of time, as xarray writes them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/encode.h"

typedef struct encoder {
    const cr_encoding *e;         /* not NULL */
    cr_array *data;               /* owned */
    cr_attr attrs[8];             /* to be added */
    int n_attrs;
    float nan32;
    double nan64;
    const char *text[3];          /* what attributes of text point to */
    char units[96];
} encoder;

static void replace(encoder *s, cr_array *next) {
    cr_array_unref(s->data);
    s->data = next;
}

static void add(encoder *s, const cr_attr *a, const char *name) {
    s->attrs[s->n_attrs] = *a;
    s->attrs[s->n_attrs++].name = name;
}

static cr_status cast(encoder *s, cr_dtype dtype, cr_err *err) {
    cr_array *next;
    CR_TRY(cr_array_cast(s->data, dtype, &next, err));
    replace(s, next);
    return CR_OK;
}

static cr_status unary(encoder *s, cr_map_op op, cr_err *err) {
    cr_array *next;
    CR_TRY(cr_array_map(op, &s->data, &next, err));
    replace(s, next);
    return CR_OK;
}

/* data op the attribute, kept in the type of data. */
static cr_status with_attr(encoder *s, cr_map_op op, const cr_attr *a, cr_err *err) {
    cr_dtype dtype = s->data->dtype;
    cr_auto_array cr_array *value = NULL;
    cr_array *next;
    CR_TRY(cr_array_scalar(a->dtype, a->values, false, &value, err));
    CR_TRY(cr_array_map(op, (cr_array *[]){s->data, value}, &next, err));
    replace(s, next);
    return cast(s, dtype, err);
}

static cr_status fill_missing(encoder *s, const cr_attr *fill, cr_err *err) {
    cr_dtype dtype = s->data->dtype;
    if (cr_dtype_kind(dtype) != 'f' || fill->n < 1)
        return CR_OK;
    cr_auto_array cr_array *value = NULL, *typed = NULL, *missing = NULL;
    cr_array *next;
    CR_TRY(cr_array_scalar(fill->dtype, fill->values, false, &value, err));
    CR_TRY(cr_array_cast(value, dtype, &typed, err));
    CR_TRY(cr_array_map(CR_MAP_ISNAN, &s->data, &missing, err));
    CR_TRY(cr_array_map(CR_MAP_WHERE, (cr_array *[]){missing, typed, s->data}, &next, err));
    replace(s, next);
    return CR_OK;
}

static cr_status pack(encoder *s, cr_err *err) {
    const cr_encoding *e = s->e;
    cr_dtype to = e->has_dtype && e->dtype != CR_BOOL && cr_dtype_size(e->dtype) ? e->dtype : s->data->dtype;
    bool real = cr_dtype_kind(s->data->dtype) == 'f';
    if (e->offset)
        CR_TRY(with_attr(s, CR_MAP_SUBTRACT, e->offset, err));
    if (e->scale)
        CR_TRY(with_attr(s, CR_MAP_DIVIDE, e->scale, err));
    if (e->fill || e->missing)
        CR_TRY(fill_missing(s, e->fill ? e->fill : e->missing, err));
    if (real && cr_dtype_kind(to) != 'f') {
        CR_TRY(unary(s, CR_MAP_RINT, err));
        if (cr_dtype_size(to) < 8) /* a number that _Unsigned made larger than the stored type comes back as its bits */
            CR_TRY(cast(s, CR_I64, err));
    }
    return cast(s, to, err);
}

static void pack_attrs(encoder *s) {
    const cr_encoding *e = s->e;
    if (e->scale)
        add(s, e->scale, "scale_factor");
    if (e->offset)
        add(s, e->offset, "add_offset");
    if (e->fill)
        add(s, e->fill, "_FillValue");
    if (e->missing)
        add(s, e->missing, "missing_value");
    s->text[0] = e->unsigned_;
    if (e->unsigned_)
        add(s, &(cr_attr){NULL, CR_STRING, 1, &s->text[0]}, "_Unsigned");
    if (e->fill || (s->data->dtype != CR_F32 && s->data->dtype != CR_F64))
        return;
    s->nan32 = NAN;
    s->nan64 = NAN;
    add(s, &(cr_attr){NULL, s->data->dtype, 1, s->data->dtype == CR_F32 ? (const void *)&s->nan32 : &s->nan64}, "_FillValue");
}

static cr_status encode_bools(encoder *s, cr_err *err) {
    s->text[0] = "bool";
    add(s, &(cr_attr){NULL, CR_STRING, 1, &s->text[0]}, "dtype");
    return cast(s, CR_I8, err);
}

/* ---- times ---- */

/* The largest unit that every time is a whole number of, counted from the first. */
static void choose_units(encoder *s, const cr_var *v, const cr_labels *l, cr_time_units *u) {
    static const struct { const char *name; int64_t us; } units[] = {
        {"days", INT64_C(86400000000)}, {"hours", INT64_C(3600000000)}, {"minutes", 60000000}, {"seconds", 1000000}, {"microseconds", 1}};
    int64_t first = 0;
    size_t k = 0;
    for (int64_t i = l->n - 1; i >= 0; i--)
        first = l->i[i] == CR_TIME_MISSING ? first : l->i[i];
    for (int64_t i = 0; i < l->n; i++)
        while (l->i[i] != CR_TIME_MISSING && (l->i[i] - first) % units[k].us != 0)
            k++;
    cr_date date;
    char text[64];
    cr_date_from_us(v->calendar, first, &date);
    snprintf(s->units, sizeof s->units, "%s since %s", units[k].name, cr_date_text(&date, text, sizeof text));
    *u = (cr_time_units){v->calendar, units[k].us, first};
}

static cr_status time_value(const cr_var *v, const cr_time_units *u, int64_t us, bool real, int64_t *ret_whole, double *ret_real, cr_err *err) {
    bool exact = false;
    int64_t whole;
    CR_TRY(cr_time_encode_int(u, us, &whole, &exact, err));
    if (!real && !exact) {
        char text[64];
        cr_date date;
        cr_date_from_us(v->calendar, us, &date);
        return CR_FAIL(err, CR_RANGE, "the time %s is no whole number of its units", cr_date_text(&date, text, sizeof text));
    }
    int64_t rest = u->unit_us ? us - u->epoch_us - whole * u->unit_us : 0;
    *ret_whole = whole;
    *ret_real = (double)whole + (u->unit_us ? (double)rest / (double)u->unit_us : 0);
    return CR_OK;
}

/* Whether whole numbers of that type hold v. */
static bool fits(cr_dtype t, int64_t v) {
    int bits = 8 * (int)cr_dtype_size(t);
    if (cr_dtype_kind(t) == 'u')
        return v >= 0 && (bits == 64 || v < INT64_C(1) << bits);
    return bits == 64 || (v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << (bits - 1));
}

/* All values in one pass: whole ones as int64, others as double with NaN for missing. */
static cr_status time_values(encoder *s, const cr_var *v, const cr_labels *l, const cr_time_units *u, cr_dtype to, int64_t nothing, cr_err *err) {
    bool real = cr_dtype_kind(to) == 'f';
    cr_auto_free int64_t *whole = calloc((size_t)l->n + 1, sizeof *whole);
    cr_auto_free double *reals = calloc((size_t)l->n + 1, sizeof *reals);
    if (!whole || !reals)
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " times", l->n);
    for (int64_t k = 0; k < l->n; k++) {
        if (l->i[k] == CR_TIME_MISSING) {
            whole[k] = nothing;
            reals[k] = NAN;
            continue;
        }
        CR_TRY(time_value(v, u, l->i[k], real, &whole[k], &reals[k], err));
        if (!real && !fits(to, whole[k]))
            return CR_FAIL(err, CR_RANGE, "the time at position %" PRId64 " does not fit into %s", k, cr_dtype_name(to));
    }
    cr_array_unref(s->data);
    s->data = NULL;
    return cr_array_copy_memory(real ? CR_F64 : CR_I64, v->ndim, v->shape, real ? (const void *)reals : whole, &s->data, err);
}

static bool any_missing(const cr_labels *l) {
    for (int64_t k = 0; k < l->n; k++)
        if (l->i[k] == CR_TIME_MISSING)
            return true;
    return false;
}

/* As they were: units, type and fill value of the file, unless it packed its times; else in units of their own. */
static cr_status encode_times(encoder *s, cr_context *c, const cr_var *v, cr_err *err) {
    const cr_encoding *e = s->e;
    const cr_attr *fill = e->fill ? e->fill : e->missing;
    bool as_before = e->units && !e->scale && !e->offset && e->has_dtype && cr_dtype_size(e->dtype) && e->dtype != CR_BOOL && !e->unsigned_;
    cr_time_units u;
    cr_auto_labels cr_labels *l = NULL;
    CR_TRY(cr_var_labels(c, v, &l, err));
    cr_dtype to = as_before ? e->dtype : CR_I64;
    if (any_missing(l) && cr_dtype_kind(to) != 'f' && (!as_before || !fill || fill->n != 1)) {
        as_before = false;
        to = CR_F64;
    }
    if (as_before)
        CR_TRY(cr_time_units_parse(e->units, v->calendar, &u, err));
    else
        choose_units(s, v, l, &u);
    CR_TRY(time_values(s, v, l, &u, to, as_before && fill ? cr_attr_whole(fill) : 0, err));
    if (as_before && fill)
        CR_TRY(fill_missing(s, fill, err));
    CR_TRY(cast(s, to, err));
    s->text[1] = as_before ? e->units : s->units;
    s->text[2] = as_before && e->calendar ? e->calendar : cr_calendar_name(v->calendar);
    add(s, &(cr_attr){NULL, CR_STRING, 1, &s->text[1]}, "units");
    add(s, &(cr_attr){NULL, CR_STRING, 1, &s->text[2]}, "calendar");
    if (as_before && e->fill)
        add(s, e->fill, "_FillValue");
    if (as_before && e->missing)
        add(s, e->missing, "missing_value");
    if (cr_dtype_kind(to) == 'f' && !(as_before && e->fill)) {
        s->nan32 = NAN;
        s->nan64 = NAN;
        add(s, &(cr_attr){NULL, to, 1, to == CR_F32 ? (const void *)&s->nan32 : &s->nan64}, "_FillValue");
    }
    return CR_OK;
}

/* ---- all together ---- */

static cr_status finish(const encoder *s, const cr_var *v, cr_var **ret_var, cr_err *err) {
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_var_new(v->name, v->ndim, v->dims, s->data, CR_KIND_NUMBERS, 0, &var, err));
    for (int k = 0; k < v->n_attrs; k++)
        if (!cr_attr_find(s->attrs, s->n_attrs, v->attrs[k].name))
            CR_TRY(cr_var_add_attr(var, &v->attrs[k], err));
    CR_TRY(cr_var_copy_attrs(var, s->n_attrs, s->attrs, err));
    *ret_var = var;
    var = NULL;
    return CR_OK;
}

cr_status cr_encode(cr_context *c, const cr_var *v, cr_var **ret_var, cr_err *err) {
    static const cr_encoding none;
    if (v->kind == CR_KIND_TEXT)
        return cr_var_renamed(v, v->name, ret_var, err);
    encoder s = {.e = v->encoding ? v->encoding : &none, .data = cr_array_ref(v->data)};
    cr_status status;
    if (v->kind == CR_KIND_TIMES) {
        status = encode_times(&s, c, v, err);
    } else if (s.data->dtype == CR_BOOL) {
        status = encode_bools(&s, err);
    } else {
        status = pack(&s, err);
        if (status == CR_OK)
            pack_attrs(&s);
    }
    if (status == CR_OK)
        status = finish(&s, v, ret_var, err);
    cr_array_unref(s.data);
    if (status != CR_OK)
        cr_err_context(err, "writing %s", v->name);
    return status;
}
