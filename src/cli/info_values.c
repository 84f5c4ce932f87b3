/* info_values.c - a few values of a coordinate, as people write them. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli/info.h"

const char *cr_info_text_attr(const cr_variable *v, const char *name) {
    const cr_attr *a = cr_attr_find(v->attrs, v->n_attrs, name);
    return a && a->dtype == CR_STRING && a->n == 1 ? *(const char *const *)a->values : NULL;
}

/* Item i of an attribute; false for text. */
static bool number(const cr_attr *a, int64_t i, double *ret) {
    switch (a->dtype) {
    case CR_I8: *ret = ((const int8_t *)a->values)[i]; return true;
    case CR_I16: *ret = ((const int16_t *)a->values)[i]; return true;
    case CR_I32: *ret = ((const int32_t *)a->values)[i]; return true;
    case CR_I64: *ret = (double)((const int64_t *)a->values)[i]; return true;
    case CR_U8: *ret = ((const uint8_t *)a->values)[i]; return true;
    case CR_U16: *ret = ((const uint16_t *)a->values)[i]; return true;
    case CR_U32: *ret = ((const uint32_t *)a->values)[i]; return true;
    case CR_U64: *ret = (double)((const uint64_t *)a->values)[i]; return true;
    case CR_F32: *ret = ((const float *)a->values)[i]; return true;
    case CR_F64: *ret = ((const double *)a->values)[i]; return true;
    default: return false;
    }
}

double cr_info_number_attr(const cr_variable *v, const char *name, double otherwise) {
    const cr_attr *a = cr_attr_find(v->attrs, v->n_attrs, name);
    double value;
    return a && a->n == 1 && number(a, 0, &value) ? value : otherwise;
}

static bool is_time(const cr_variable *v) {
    char kind = cr_dtype_kind(v->dtype);
    return (kind == 'i' || kind == 'u' || kind == 'f') && cr_time_units_likely(cr_info_text_attr(v, "units"));
}

static bool is_packed(const cr_variable *v) {
    return cr_attr_find(v->attrs, v->n_attrs, "scale_factor") || cr_attr_find(v->attrs, v->n_attrs, "add_offset");
}

static double unpack(const cr_variable *v, double x) {
    return x * cr_info_number_attr(v, "scale_factor", 1) + cr_info_number_attr(v, "add_offset", 0);
}

/* NetCDF-3 has no unsigned types, and some protocols no signed bytes: the attribute _Unsigned says what the bits mean. */
static cr_dtype meant_dtype(const cr_variable *v) {
    static const cr_dtype pairs[][2] = {{CR_I8, CR_U8}, {CR_I16, CR_U16}, {CR_I32, CR_U32}, {CR_I64, CR_U64}};
    const char *text = cr_info_text_attr(v, "_Unsigned");
    for (size_t i = 0; text && i < CR_ARRAY_LEN(pairs); i++) {
        if (strcmp(text, "true") == 0 && v->dtype == pairs[i][0])
            return pairs[i][1];
        if (strcmp(text, "false") == 0 && v->dtype == pairs[i][1])
            return pairs[i][0];
    }
    return v->dtype;
}

const char *cr_info_meaning(const cr_variable *v) {
    if (is_time(v))
        return "datetime";
    if (is_packed(v) && cr_dtype_kind(v->dtype) != 'f')
        return cr_dtype_size(v->dtype) <= 2 ? "float32" : "float64";
    return cr_dtype_name(meant_dtype(v));
}

/* One stored number: exact as an integer when whole, and as a double. */
typedef struct stored {
    int64_t whole;
    double real;
} stored;

static bool missing(const cr_variable *v, const stored *s) {
    double none = NAN;
    return isnan(s->real) || s->real == cr_info_number_attr(v, "_FillValue", none) || s->real == cr_info_number_attr(v, "missing_value", none);
}

/* The same bits read as meant_dtype. */
static void reread(const cr_variable *v, stored *s) {
    switch (meant_dtype(v)) {
    case CR_I8: s->whole = (int8_t)s->whole; break;
    case CR_I16: s->whole = (int16_t)s->whole; break;
    case CR_I32: s->whole = (int32_t)s->whole; break;
    case CR_U8: s->whole = (uint8_t)s->whole; break;
    case CR_U16: s->whole = (uint16_t)s->whole; break;
    case CR_U32: s->whole = (uint32_t)s->whole; break;
    default: break;           /* the same 64 bits */
    }
    s->real = meant_dtype(v) == CR_U64 ? (double)(uint64_t)s->whole : (double)s->whole;
}

static bool as_date(const cr_variable *v, const stored *s, char *buf, size_t size) {
    cr_calendar calendar;
    cr_time_units units;
    int64_t us;
    if (cr_calendar_find(cr_info_text_attr(v, "calendar"), &calendar, NULL) != CR_OK ||
        cr_time_units_parse(cr_info_text_attr(v, "units"), calendar, &units, NULL) != CR_OK)
        return false;
    bool is_float = cr_dtype_kind(v->dtype) == 'f' || is_packed(v);
    if ((is_float ? cr_time_decode_float(&units, unpack(v, s->real), &us, NULL) : cr_time_decode_int(&units, s->whole, &us, NULL)) != CR_OK)
        return false;
    cr_date date;
    cr_date_from_us(calendar, us, &date);
    cr_date_text(&date, buf, size);
    return true;
}

static void as_text(const cr_variable *v, stored *s, char *buf, size_t size) {
    if (missing(v, s)) {
        snprintf(buf, size, "%s", is_time(v) ? "NaT" : "nan");
        return;
    }
    if (meant_dtype(v) != v->dtype)
        reread(v, s);
    if (is_time(v) && as_date(v, s, buf, size)) {
        return;
    } else if (is_packed(v)) {
        snprintf(buf, size, "%.6g", unpack(v, s->real));
    } else if (meant_dtype(v) == CR_U64) {
        snprintf(buf, size, "%" PRIu64, (uint64_t)s->whole);
    } else if (cr_dtype_kind(v->dtype) == 'f') {
        snprintf(buf, size, "%.6g", s->real);
    } else {
        snprintf(buf, size, "%" PRId64, s->whole);
    }
}

/* The elements at `positions` of a variable of at most one dimension. */
static cr_status read_at(const cr_info *info, const cr_variable *v, const int64_t *positions, int n, stored *out, cr_err *err) {
    cr_array *stored_array = NULL, *picked = NULL, *both[2] = {NULL, NULL};
    int64_t whole[CR_INFO_SHOWN] = {0};
    double real[CR_INFO_SHOWN] = {0};
    cr_status status = cr_file_array(info->file, v->name, &stored_array, err);
    if (status == CR_OK && v->ndim == 1)
        status = cr_array_take(stored_array, 0, positions, n, &picked, err);
    cr_array *source = picked ? picked : stored_array;
    if (status == CR_OK)
        status = cr_array_cast(source, cr_dtype_kind(v->dtype) == 'f' ? CR_F64 : CR_I64, &both[0], err);
    if (status == CR_OK)
        status = cr_array_cast(source, CR_F64, &both[1], err);
    void *const to[2] = {cr_dtype_kind(v->dtype) == 'f' ? (void *)real : (void *)whole, real};
    if (status == CR_OK)
        status = cr_compute(info->context, 1, both, to, err);
    if (status == CR_OK && cr_dtype_kind(v->dtype) != 'f')
        status = cr_compute(info->context, 1, both + 1, to + 1, err);
    for (int i = 0; status == CR_OK && i < n; i++)
        out[i] = (stored){.whole = whole[i], .real = real[i]};
    cr_array_unref(both[1]);
    cr_array_unref(both[0]);
    cr_array_unref(picked);
    cr_array_unref(stored_array);
    return status;
}

static void read_strings(const cr_info *info, const cr_variable *v, cr_info_values *values) {
    char **strings = NULL;
    int64_t n = 0;
    if (cr_file_strings(info->file, v->name, &strings, &n, NULL) != CR_OK)
        return;
    for (int64_t i = 0; i < n && values->n < CR_INFO_SHOWN; i++)
        if (i < 2 || i == n - 1 || n <= CR_INFO_SHOWN)
            snprintf(values->text[values->n++], sizeof values->text[0], "'%s'", strings[i]);
        else
            i = n - 2;
    cr_free(strings);
}

void cr_info_read_values(const cr_info *info, const cr_variable *v, cr_info_values *ret_values) {
    *ret_values = (cr_info_values){0};
    int64_t length = v->ndim == 0 ? 1 : v->shape[0];
    if (v->ndim > 1 || length == 0 || v->problem)
        return;
    if (v->dtype == CR_STRING) {
        if (length <= 100000)
            read_strings(info, v, ret_values);
        return;
    }
    if (!cr_dtype_size(v->dtype))
        return;
    int64_t positions[CR_INFO_SHOWN] = {0, 1, length - 1};
    int n = (int)CR_MIN(length, CR_INFO_SHOWN);
    stored found[CR_INFO_SHOWN];
    if (read_at(info, v, positions, n, found, NULL) != CR_OK)
        return;
    for (int i = 0; i < n; i++)
        as_text(v, &found[i], ret_values->text[i], sizeof ret_values->text[i]);
    ret_values->n = n;
}

void cr_info_attr_value(cr_buf *b, const cr_attr *a, size_t most, bool utf8) {
    if (a->dtype == CR_STRING && a->n == 1) {
        cr_cli_text(b, *(const char *const *)a->values, most, utf8);
        return;
    }
    cr_auto_buf cr_buf all;
    cr_buf_init(&all, CR_CLI_OUTPUT_MAX);
    for (int64_t i = 0; i < a->n && i < 1000; i++) {
        double value = 0;
        cr_buf_adds(&all, i ? ", " : "");
        if (a->dtype == CR_STRING)
            cr_buf_addf(&all, "'%s'", ((const char *const *)a->values)[i]);
        else if (a->dtype == CR_I64 || a->dtype == CR_U64)
            cr_buf_addf(&all, "%" PRId64, ((const int64_t *)a->values)[i]);
        else if (number(a, i, &value))
            cr_buf_addf(&all, a->dtype == CR_F64 ? "%.15g" : "%.7g", value);
        else
            cr_buf_adds(&all, "?");
    }
    cr_cli_text(b, cr_buf_str(&all), most, utf8);
}
