/* decode.c - from stored numbers to values: masks, scaling, times, characters; the order of steps and the types are xarray's.
 *
 * What is missing is found among the values as they are stored, as CF means it; xarray converts them first, and then overlooks fill values
 * that the conversion rounds. Where that makes a difference the variable has a note, which `explain` shows.
 *
 * Where one fused step of the engine (cr_array_unpack) has exactly this meaning, it is used; else the steps are single nodes.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/decode.h"
#include "engine/kernel/half.h"

enum { FILLS_MOST = 16 };

typedef struct decoder {
    const cr_variable *stored;
    const cr_decoding *how;
    cr_array *data;               /* as far as decoded; owned */
    cr_encoding encoding;
    cr_attr fill_values[FILLS_MOST]; /* of one value each */
    int n_fills;
    const char *units, *calendar;
    bool times;
    char note[200];               /* cr_var.note */
} decoder;

static const cr_attr *own(const decoder *d, const char *name) { return cr_attr_find(d->stored->attrs, d->stored->n_attrs, name); }

static cr_status replace(decoder *d, cr_array *next) {
    cr_array_unref(d->data);
    d->data = next;
    return CR_OK;
}

static bool is_number(cr_dtype t) { return cr_dtype_size(t) != 0; }
static bool is_integer(cr_dtype t) { return cr_dtype_kind(t) == 'i' || cr_dtype_kind(t) == 'u'; }

/* A factor as an operand: with its own type, or a plain number where attributes have none. */
static cr_status attr_scalar(const decoder *d, const cr_attr *a, cr_array **ret_array, cr_err *err) {
    return cr_array_scalar(a->dtype, a->values, d->how->weak_attrs, ret_array, err);
}

static cr_status cast(decoder *d, cr_dtype dtype, cr_err *err) {
    cr_array *next;
    CR_TRY(cr_array_cast(d->data, dtype, &next, err));
    return replace(d, next);
}

static cr_status combine(decoder *d, cr_map_op op, cr_array *other, cr_err *err) {
    cr_array *next;
    CR_TRY(cr_array_map(op, (cr_array *[]){d->data, other}, &next, err));
    return replace(d, next);
}

/* ---- what the attributes say ---- */

static cr_status usable(const decoder *d, const cr_attr *a, cr_err *err) {
    if (!is_number(a->dtype))
        return CR_FAIL(err, CR_FORMAT, "%s: the attribute %s is not a number", d->stored->name, a->name);
    return CR_OK;
}

static cr_status add_fills(decoder *d, const cr_attr *a, cr_err *err) {
    if (!a)
        return CR_OK;
    CR_TRY(usable(d, a, err));
    for (int64_t i = 0; i < a->n; i++) {
        cr_attr one = {.name = a->name, .dtype = a->dtype, .n = 1, .values = (const char *)a->values + (size_t)i * cr_dtype_size(a->dtype)};
        bool known = isnan(cr_attr_double(&one, 0));
        for (int k = 0; k < d->n_fills && !known; k++)
            known = cr_attr_double(&d->fill_values[k], 0) == cr_attr_double(&one, 0) && d->fill_values[k].dtype == one.dtype;
        if (known)
            continue;
        if (d->n_fills == FILLS_MOST)
            return CR_FAIL(err, CR_LIMIT, "%s: more than %d values stand for missing ones", d->stored->name, FILLS_MOST);
        d->fill_values[d->n_fills++] = one;
    }
    return CR_OK;
}

/* Type in which packed values are unpacked (xarray's _choose_float_dtype). */
static cr_dtype float_type(const decoder *d, cr_dtype raw) {
    const cr_attr *scale = d->encoding.scale, *offset = d->encoding.offset;
    if (!scale && !offset) {
        bool small = cr_dtype_kind(raw) == 'f' ? cr_dtype_size(raw) <= 4 : cr_dtype_size(raw) <= 2 && is_integer(raw);
        return small ? CR_F32 : CR_F64;
    }
    cr_dtype s = scale ? (d->how->weak_attrs ? (cr_dtype_kind(scale->dtype) == 'f' ? CR_F64 : CR_I64) : scale->dtype) : CR_F64;
    cr_dtype o = offset ? (d->how->weak_attrs ? (cr_dtype_kind(offset->dtype) == 'f' ? CR_F64 : CR_I64) : offset->dtype) : CR_F64;
    if (scale && offset && s == o && (s == CR_F32 || s == CR_F64))
        return cr_dtype_size(raw) == 4 && is_integer(raw) ? CR_F64 : s;
    return offset ? CR_F64 : s;
}

static cr_dtype promoted_for_missing(cr_dtype t) {
    if (cr_dtype_kind(t) == 'f')
        return t;
    return cr_dtype_size(t) <= 2 ? CR_F32 : CR_F64;
}

static cr_dtype unsigned_twin(cr_dtype t) { return t == CR_I8 ? CR_U8 : t == CR_I16 ? CR_U16 : t == CR_I32 ? CR_U32 : CR_U64; }
static cr_dtype signed_twin(cr_dtype t) { return t == CR_U8 ? CR_I8 : t == CR_U16 ? CR_I16 : t == CR_U32 ? CR_I32 : CR_I64; }

/* The attribute _Unsigned: the same bits, read with or without a sign; of the fill value too. */
static cr_status apply_unsigned(decoder *d, cr_err *err) {
    const char *word = d->encoding.unsigned_;
    char kind = cr_dtype_kind(d->data->dtype);
    cr_dtype to = d->data->dtype;
    if (word && kind == 'i' && strcmp(word, "true") == 0)
        to = unsigned_twin(to);
    else if (word && kind == 'u' && strcmp(word, "false") == 0)
        to = signed_twin(to);
    if (to == d->data->dtype)
        return CR_OK;
    for (int k = 0; k < d->n_fills; k++)
        if (d->fill_values[k].dtype == d->data->dtype)
            d->fill_values[k].dtype = to;
    return cast(d, to, err);
}

/* ---- masks and scaling ---- */

/* What stands for a missing value, as one of the stored type: CF wants it in that type, and files have others (8.1: "missing_value" of a float
 * variable as a double). false: no stored value is equal to it. */
static bool in_stored_type(const cr_attr *a, cr_dtype raw, void *ret_value) {
    memset(ret_value, 0, 8);
    double v = cr_attr_double(a, 0);
    if (raw == a->dtype) {
        memcpy(ret_value, a->values, cr_dtype_size(raw));
        return true;
    }
    if (raw == CR_F32 || raw == CR_F64) {
        float single = (float)v;
        memcpy(ret_value, raw == CR_F32 ? (const void *)&single : &v, cr_dtype_size(raw));
        return true;
    }
    if (raw == CR_F16) {
        uint16_t half = cr_double_to_half(v);
        memcpy(ret_value, &half, sizeof half);
        return (double)cr_half_to_float(half) == v;
    }
    if (cr_dtype_kind(raw) == 'f' || v != trunc(v) || v < -0x1p63 || v >= 0x1p63)
        return false;
    int64_t whole = is_integer(a->dtype) ? cr_attr_whole(a) : (int64_t)v, least = 0, most = INT64_MAX;
    int bits = raw == CR_BOOL ? 1 : 8 * (int)cr_dtype_size(raw) - (cr_dtype_kind(raw) == 'i');
    if (bits < 63)
        most = ((int64_t)1 << bits) - 1;
    if (cr_dtype_kind(raw) == 'i')
        least = -most - 1;
    memcpy(ret_value, &whole, cr_dtype_size(raw)); /* little endian, as all that the engine runs on */
    return whole >= least && whole <= most;
}

/* A value of a type as a whole number; for uint64 the bits. */
static int64_t whole_of(cr_dtype t, const void *value) {
    uint64_t bits = 0;
    int shift = 64 - 8 * (int)cr_dtype_size(t);
    memcpy(&bits, value, cr_dtype_size(t));
    return cr_dtype_kind(t) == 'i' ? (int64_t)(bits << shift) >> shift : (int64_t)bits;
}

/* The first one stays: a variable with two such attributes has the second for the same reason. */
static void note(decoder *d, const char *format, ...) CR_PRINTF(2, 3);
static void note(decoder *d, const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (!d->note[0])
        vsnprintf(d->note, sizeof d->note, format, values);
    va_end(values);
}

/* How xarray's answer differs, where it does: it converts to `out` before it compares (xarray 2026.9, coding/variables.py). */
static void note_fill(decoder *d, const cr_attr *fill, cr_dtype out, const void *value) {
    cr_dtype raw = d->data->dtype;
    bool near = false;
    if (out != CR_F32 && out != CR_F64)
        return;
    cr_dtype compare = cr_dtype_promote(out, fill->dtype); /* numbers of JSON have types by then */
    double theirs = cr_attr_double(fill, 0), ours;
    if (cr_dtype_kind(raw) == 'f') {
        double v = raw == CR_F64 ? *(const double *)value : (double)*(const float *)value;
        ours = out == CR_F32 ? (double)(float)v : v;
        near = raw == CR_F64 && out == CR_F32 && ((float)nextafter(v, INFINITY) == (float)v || (float)nextafter(v, -INFINITY) == (float)v);
    } else {
        int64_t whole = whole_of(raw, value);
        double v = raw == CR_U64 ? (double)(uint64_t)whole : (double)whole;
        ours = out == CR_F32 ? (double)(float)whole : v;
        if (fabs(v) >= 0x1p62)
            near = true;
        else
            near = out == CR_F32 ? (float)(whole - 1) == (float)whole || (float)(whole + 1) == (float)whole
                                 : (double)(whole - 1) == v || (double)(whole + 1) == v;
    }
    bool same = compare == CR_F32 ? ours == (double)(float)theirs : ours == theirs;
    if (!same || near)
        note(d, same ? "only what is stored as its %s %.9g is missing; for xarray, which compares as %s, its neighbours are missing too"
                 : "what is stored as its %s %.9g is missing; for xarray, which compares as %s, it is a value",
         fill->name, theirs, cr_dtype_name(compare));
}

/* The engine's unpacking, where its rule is the one wanted here: all in one floating type, at most four fill values. */
static cr_status fused(decoder *d, bool masked, cr_dtype out, bool *ret_done, cr_err *err) {
    const cr_attr *factors[2] = {d->encoding.scale, d->encoding.offset};
    cr_packing p = {.out_dtype = out, .scale_dtype = out, .compare_dtype = d->data->dtype};
    if ((out != CR_F32 && out != CR_F64) || d->data->dtype == CR_BOOL || (masked && d->n_fills > 4))
        return CR_OK;
    for (int k = 0; k < 2; k++) {
        if (!factors[k])
            continue;
        if (!d->how->weak_attrs && cr_dtype_promote(out, factors[k]->dtype) != out)
            return CR_OK;
        double value = cr_attr_double(factors[k], 0);
        *(k == 0 ? &p.scale : &p.offset) = out == CR_F32 ? (double)(float)value : value;
        *(k == 0 ? &p.has_scale : &p.has_offset) = true;
    }
    for (int k = 0; masked && k < d->n_fills; k++) {
        unsigned char value[8] __attribute__((aligned(8)));
        if (!in_stored_type(&d->fill_values[k], d->data->dtype, value))
            continue;
        if (cr_dtype_kind(d->data->dtype) != 'f')
            p.fills_exact[p.n_fills++] = whole_of(d->data->dtype, value);
        else
            p.fills[p.n_fills++] = d->data->dtype == CR_F32 ? (double)*(const float *)value : *(const double *)value;
    }
    cr_array *next;
    CR_TRY(cr_array_unpack(d->data, &p, &next, err));
    *ret_done = true;
    return replace(d, next);
}

/* Where the stored value is one of the fill values; *ret_hit NULL: nowhere. */
static cr_status find_missing(decoder *d, cr_array **ret_hit, cr_err *err) {
    cr_auto_array cr_array *hit = NULL;
    for (int k = 0; k < d->n_fills; k++) {
        cr_auto_array cr_array *value = NULL, *same = NULL;
        unsigned char stored[8] __attribute__((aligned(8)));
        if (!in_stored_type(&d->fill_values[k], d->data->dtype, stored))
            continue;
        CR_TRY(cr_array_scalar(d->data->dtype, stored, false, &value, err));
        CR_TRY(cr_array_map(CR_MAP_EQUAL, (cr_array *[]){d->data, value}, &same, err));
        cr_array *all = NULL;
        if (hit)
            CR_TRY(cr_array_map(CR_MAP_LOGICAL_OR, (cr_array *[]){hit, same}, &all, err));
        else
            all = cr_array_ref(same);
        cr_array_unref(hit);
        hit = all;
    }
    *ret_hit = hit;
    hit = NULL;
    return CR_OK;
}

static cr_status mask(decoder *d, cr_array *hit, cr_dtype out, const void *missing, cr_err *err) {
    cr_auto_array cr_array *nothing = NULL;
    cr_array *next;
    CR_TRY(cast(d, out, err));
    if (!hit)
        return CR_OK;
    CR_TRY(cr_array_scalar(out, missing, false, &nothing, err));
    CR_TRY(cr_array_map(CR_MAP_WHERE, (cr_array *[]){hit, nothing, d->data}, &next, err));
    return replace(d, next);
}

static cr_status scale(decoder *d, cr_dtype out, cr_err *err) {
    const cr_attr *factors[2] = {d->encoding.scale, d->encoding.offset};
    CR_TRY(cast(d, out, err));
    for (int k = 0; k < 2; k++) {
        if (!factors[k])
            continue;
        cr_auto_array cr_array *value = NULL;
        CR_TRY(attr_scalar(d, factors[k], &value, err));
        CR_TRY(combine(d, k == 0 ? CR_MAP_MULTIPLY : CR_MAP_ADD, value, err));
        CR_TRY(cast(d, out, err));
    }
    return CR_OK;
}

static cr_status mask_and_scale(decoder *d, cr_err *err) {
    bool packed = d->encoding.scale || d->encoding.offset, masked = d->n_fills > 0, done = false;
    if (!packed && !masked)
        return CR_OK;
    cr_auto_array cr_array *hit = NULL;
    /* Whole numbers of times stay whole: their missing value is one. */
    if (!packed && d->times && is_integer(d->data->dtype)) {
        int64_t nothing = CR_TIME_MISSING;
        CR_TRY(find_missing(d, &hit, err));
        return mask(d, hit, CR_I64, &nothing, err);
    }
    cr_dtype out = packed ? float_type(d, d->data->dtype) : promoted_for_missing(d->data->dtype);
    if (!masked && cr_dtype_kind(d->data->dtype) == 'f' && (d->encoding.fill || d->encoding.missing))
        out = d->data->dtype; /* NaN alone is missing: floats stay what they are */
    if (masked && is_integer(out)) { /* a whole scale factor; whole numbers cannot be missing */
        note(d, "is float64, since its scale factor is a whole number; xarray refuses that beside a fill value");
        out = CR_F64;
    }
    if (d->data->dtype == CR_F16 && out != CR_F16) /* exactly */
        CR_TRY(cast(d, CR_F32, err));
    for (int k = 0; k < d->n_fills; k++) {
        unsigned char value[8] __attribute__((aligned(8)));
        if (in_stored_type(&d->fill_values[k], d->data->dtype, value))
            note_fill(d, &d->fill_values[k], out, value);
    }
    CR_TRY(fused(d, masked, out, &done, err));
    if (done)
        return CR_OK;
    if (masked) {
        double nan64 = NAN;
        float nan32 = NAN;
        uint16_t nan16 = cr_double_to_half(NAN);
        if (cr_dtype_kind(out) != 'f')
            return CR_FAIL(err, CR_UNSUPPORTED, "%s: missing values of type %s", d->stored->name, cr_dtype_name(out));
        CR_TRY(find_missing(d, &hit, err));
        CR_TRY(mask(d, hit, out, out == CR_F16 ? (const void *)&nan16 : out == CR_F32 ? (const void *)&nan32 : &nan64, err));
    }
    return packed ? scale(d, out, err) : CR_OK;
}

/* ---- times ---- */

static cr_status i64_scalar(int64_t value, cr_array **ret_array, cr_err *err) { return cr_array_scalar(CR_I64, &value, false, ret_array, err); }

static cr_status with_i64(decoder *d, cr_map_op op, int64_t value, cr_err *err) {
    cr_auto_array cr_array *scalar = NULL;
    CR_TRY(i64_scalar(value, &scalar, err));
    return combine(d, op, scalar, err);
}

/* where(condition, value, data) for the named value of time. */
static cr_status mark(decoder *d, cr_array *condition, int64_t value, cr_err *err) {
    cr_auto_array cr_array *scalar = NULL;
    cr_array *next;
    CR_TRY(i64_scalar(value, &scalar, err));
    CR_TRY(cr_array_map(CR_MAP_WHERE, (cr_array *[]){condition, scalar, d->data}, &next, err));
    return replace(d, next);
}

/* Units beyond which a time does not fit: US_MOST of time_units.c, which cr_time_decode_int knows. */
static void whole_bounds(const cr_time_units *u, int64_t *ret_least, int64_t *ret_most) {
    int64_t limits[2], us;
    for (int side = 0; side < 2; side++) {
        int64_t inside = 0, outside = side ? INT64_MAX : INT64_MIN + 1;
        if (cr_time_decode_int(u, outside, &us, NULL) == CR_OK)
            inside = outside;
        while (llabs(outside / 2 - inside / 2) > 0) {
            int64_t middle = inside / 2 + outside / 2;
            if (middle == inside || middle == outside)
                break;
            if (cr_time_decode_int(u, middle, &us, NULL) == CR_OK)
                inside = middle;
            else
                outside = middle;
        }
        limits[side] = inside;
    }
    *ret_least = limits[0];
    *ret_most = limits[1];
}

static cr_status outside_of(cr_array *a, cr_dtype dtype, const void *least, const void *most, cr_array **ret_array, cr_err *err) {
    cr_auto_array cr_array *low = NULL, *high = NULL, *below = NULL, *above = NULL;
    CR_TRY(cr_array_scalar(dtype, least, false, &low, err));
    CR_TRY(cr_array_scalar(dtype, most, false, &high, err));
    CR_TRY(cr_array_map(CR_MAP_LESS, (cr_array *[]){a, low}, &below, err));
    CR_TRY(cr_array_map(CR_MAP_GREATER, (cr_array *[]){a, high}, &above, err));
    return cr_array_map(CR_MAP_LOGICAL_OR, (cr_array *[]){below, above}, ret_array, err);
}

static cr_status whole_times(decoder *d, const cr_time_units *u, cr_err *err) {
    int64_t least, most;
    whole_bounds(u, &least, &most);
    cr_auto_array cr_array *missing = NULL, *outside = NULL, *wrong = NULL, *nothing = NULL;
    if (d->data->dtype == CR_U64) { /* 2^63 and more would turn negative */
        cr_auto_array cr_array *limit = NULL;
        uint64_t top = (uint64_t)1 << 63;
        CR_TRY(cr_array_scalar(CR_U64, &top, false, &limit, err));
        CR_TRY(cr_array_map(CR_MAP_GREATER_EQUAL, (cr_array *[]){d->data, limit}, &wrong, err));
    }
    CR_TRY(cast(d, CR_I64, err));
    CR_TRY(i64_scalar(CR_TIME_MISSING, &nothing, err));
    CR_TRY(cr_array_map(CR_MAP_EQUAL, (cr_array *[]){d->data, nothing}, &missing, err));
    CR_TRY(outside_of(d->data, CR_I64, &least, &most, &outside, err));
    CR_TRY(u->unit_us ? with_i64(d, CR_MAP_MULTIPLY, u->unit_us, err) : with_i64(d, CR_MAP_FLOOR_DIVIDE, 1000, err));
    CR_TRY(with_i64(d, CR_MAP_ADD, u->epoch_us, err));
    CR_TRY(mark(d, outside, CR_TIME_MISSING + 1, err));
    if (wrong)
        CR_TRY(mark(d, wrong, CR_TIME_MISSING + 1, err));
    return mark(d, missing, CR_TIME_MISSING, err);
}

/* As cr_time_decode_float: whole units exactly, the fraction rounded to the nearest microsecond. */
static cr_status real_times(decoder *d, const cr_time_units *u, cr_err *err) {
    int64_t least, most;
    whole_bounds(u, &least, &most);
    double low = (double)least * (1 - 1e-15), high = (double)most * (1 - 1e-15), unit = u->unit_us ? (double)u->unit_us : 1e-3;
    cr_auto_array cr_array *missing = NULL, *outside = NULL, *floor = NULL, *whole = NULL, *part = NULL, *scaled = NULL, *rounded = NULL;
    cr_auto_array cr_array *us = NULL, *factor = NULL;
    CR_TRY(cast(d, CR_F64, err));
    CR_TRY(cr_array_map(CR_MAP_ISNAN, &d->data, &missing, err));
    CR_TRY(outside_of(d->data, CR_F64, &low, &high, &outside, err));
    if (u->unit_us) {
        CR_TRY(cr_array_map(CR_MAP_FLOOR, &d->data, &floor, err));
    } else {
        double zero = 0;
        CR_TRY(cr_array_scalar(CR_F64, &zero, false, &floor, err));
    }
    CR_TRY(cr_array_map(CR_MAP_SUBTRACT, (cr_array *[]){d->data, floor}, &part, err));
    CR_TRY(cr_array_scalar(CR_F64, &unit, false, &factor, err));
    CR_TRY(cr_array_map(CR_MAP_MULTIPLY, (cr_array *[]){part, factor}, &scaled, err));
    CR_TRY(cr_array_map(CR_MAP_RINT, &scaled, &rounded, err));
    CR_TRY(cr_array_cast(rounded, CR_I64, &us, err));
    CR_TRY(cr_array_cast(floor, CR_I64, &whole, err));
    CR_TRY(replace(d, cr_array_ref(whole)));
    CR_TRY(with_i64(d, CR_MAP_MULTIPLY, u->unit_us, err));
    CR_TRY(combine(d, CR_MAP_ADD, us, err));
    CR_TRY(with_i64(d, CR_MAP_ADD, u->epoch_us, err));
    CR_TRY(mark(d, outside, CR_TIME_MISSING + 1, err));
    return mark(d, missing, CR_TIME_MISSING, err);
}

static cr_status decode_times(decoder *d, cr_calendar calendar, cr_err *err) {
    cr_time_units units;
    CR_TRY(cr_time_units_parse(d->units, calendar, &units, err));
    if (d->data->dtype == CR_BOOL || d->data->dtype == CR_F16)
        CR_TRY(cast(d, d->data->dtype == CR_BOOL ? CR_I64 : CR_F64, err));
    return is_integer(d->data->dtype) ? whole_times(d, &units, err) : real_times(d, &units, err);
}

/* ---- text ---- */

/* Fixed-width bytes to texts; joined: the last axis counts the characters of one text. */
static cr_status read_text(cr_context *c, const cr_variable *v, cr_array *raw, bool joined, cr_labels **ret_labels, cr_err *err) {
    size_t width = v->itemsize * (size_t)(joined ? v->shape[v->ndim - 1] : 1), total = (size_t)raw->size * raw->itemsize;
    if (total > CR_VAR_MEMORY_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s holds %zu bytes of text; at most %d are read", v->name, total, CR_VAR_MEMORY_MAX);
    int64_t n = 1;
    for (int a = 0; a < v->ndim - joined; a++)
        n *= v->shape[a];
    if (raw->itemsize != v->itemsize || total != (size_t)n * width)
        return CR_FAIL(err, CR_FORMAT, "%s: %zu bytes of text do not make %lld texts of %zu", v->name, total, (long long)n, width);
    cr_auto_free char *bytes = malloc(total + 1), *copies = malloc((size_t)n * (width + 1) + 1);
    cr_auto_free const char **texts = calloc((size_t)n + 1, sizeof *texts);
    if (!bytes || !copies || !texts)
        return CR_FAIL(err, CR_MEMORY, "no memory for the text of %s", v->name);
    void *out = bytes;
    CR_TRY(cr_compute(c, 1, &raw, &out, err));
    for (int64_t k = 0; k < n; k++) {
        char *to = copies + (size_t)k * (width + 1);
        if (width > 0)
            memcpy(to, bytes + (size_t)k * width, width);
        to[width] = 0;
        texts[k] = to;
    }
    return cr_labels_text(n, texts, ret_labels, err);
}

/* ---- all together ---- */

static bool left_out(const decoder *d, const char *name) {
    static const char *const always[] = {"_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "coordinates"};
    for (size_t k = 0; k < CR_ARRAY_LEN(always); k++)
        if (strcmp(name, always[k]) == 0)
            return true;
    if (d->times && (strcmp(name, "units") == 0 || strcmp(name, "calendar") == 0))
        return true;
    return d->encoding.has_dtype && d->encoding.dtype == CR_BOOL && strcmp(name, "dtype") == 0;
}

static cr_status finish(decoder *d, cr_var *v, cr_err *err) {
    for (int k = 0; k < d->stored->n_attrs; k++)
        if (d->how->as_stored || !left_out(d, d->stored->attrs[k].name))
            CR_TRY(cr_var_add_attr(v, &d->stored->attrs[k], err));
    return d->how->as_stored ? CR_OK : cr_var_copy_encoding(v, &d->encoding, err);
}

static cr_status decode_text(cr_context *c, decoder *d, cr_labels *texts, cr_var **ret_var, cr_err *err) {
    const cr_variable *v = d->stored;
    bool joined = d->how->join_characters && v->dtype == CR_BYTES;
    cr_auto_labels cr_labels *own_texts = cr_labels_ref(texts);
    cr_auto_var cr_var *var = NULL;
    if (!texts)
        CR_TRY(read_text(c, v, d->data, joined, &own_texts, err));
    CR_TRY(cr_var_new_text(v->name, v->ndim - joined, v->dims, v->shape, own_texts, &var, err));
    CR_TRY(finish(d, var, err));
    *ret_var = var;
    var = NULL;
    return CR_OK;
}

static cr_status decode_numbers(decoder *d, cr_var **ret_var, cr_err *err) {
    const cr_variable *v = d->stored;
    cr_calendar calendar = CR_CALENDAR_STANDARD;
    cr_auto_var cr_var *var = NULL;
    if (!d->how->as_stored) {
        const char *word = cr_attr_text(v->attrs, v->n_attrs, "dtype");
        bool truth = word && strcmp(word, "bool") == 0;
        d->encoding.has_dtype = true;
        d->encoding.dtype = truth ? CR_BOOL : v->dtype;
        d->times = !d->how->plain_times && cr_time_units_likely(d->units) && cr_dtype_kind(v->dtype) != 'b';
        CR_TRY(add_fills(d, d->encoding.fill, err));
        CR_TRY(add_fills(d, d->encoding.missing, err));
        CR_TRY(apply_unsigned(d, err));
        CR_TRY(mask_and_scale(d, err));
        if (d->times) {
            CR_TRY(cr_calendar_find(d->calendar, &calendar, err));
            CR_TRY(decode_times(d, calendar, err));
            d->encoding.units = d->units;
            d->encoding.calendar = d->calendar;
        }
        if (truth && d->data->dtype != CR_BOOL)
            CR_TRY(cast(d, CR_BOOL, err));
    }
    CR_TRY(cr_var_new(v->name, v->ndim, v->dims, d->data, d->times ? CR_KIND_TIMES : CR_KIND_NUMBERS, calendar, &var, err));
    if (d->note[0]) {
        var->note = cr_arena_strdup(&var->memory, d->note);
        if (!var->note)
            return CR_FAIL(err, CR_MEMORY, "no memory for %s", v->name);
    }
    CR_TRY(finish(d, var, err));
    *ret_var = var;
    var = NULL;
    return CR_OK;
}

cr_status cr_decode(cr_context *c, const cr_variable *stored, cr_array *raw, cr_labels *texts, const cr_decoding *how, cr_var **ret_var,
                    cr_err *err) {
    decoder d = {.stored = stored, .how = how, .data = raw ? cr_array_ref(raw) : NULL};
    d.units = how->units ? how->units : cr_attr_text(stored->attrs, stored->n_attrs, "units");
    d.calendar = how->calendar ? how->calendar : cr_attr_text(stored->attrs, stored->n_attrs, "calendar");
    d.encoding.scale = own(&d, "scale_factor");
    d.encoding.offset = own(&d, "add_offset");
    d.encoding.fill = own(&d, "_FillValue");
    d.encoding.missing = own(&d, "missing_value");
    d.encoding.unsigned_ = cr_attr_text(stored->attrs, stored->n_attrs, "_Unsigned");
    d.encoding.coordinates = cr_attr_text(stored->attrs, stored->n_attrs, "coordinates");
    cr_status status = CR_OK;
    bool text = stored->dtype == CR_STRING || stored->dtype == CR_BYTES;
    if (!text && !how->as_stored) {
        if (d.encoding.scale)
            status = usable(&d, d.encoding.scale, err);
        if (d.encoding.offset && status == CR_OK)
            status = usable(&d, d.encoding.offset, err);
        if (status == CR_OK && ((d.encoding.scale && d.encoding.scale->n != 1) || (d.encoding.offset && d.encoding.offset->n != 1)))
            status = CR_FAIL(err, CR_FORMAT, "%s: scale_factor and add_offset are one number each", stored->name);
    }
    if (status == CR_OK)
        status = text ? decode_text(c, &d, texts, ret_var, err) : decode_numbers(&d, ret_var, err);
    cr_array_unref(d.data);
    if (status != CR_OK)
        cr_err_context(err, "decoding %s", stored->name);
    return status;
}
