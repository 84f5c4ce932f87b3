/* zarr_json_write.c - writing JSON as Python does, base64, and half precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/zarr_json.h"

void cr_json_write_text(const char *text, cr_buf *out) {
    cr_buf_addc(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            cr_buf_addf(out, "\\%c", *p);
        else if (*p < 0x20)
            cr_buf_addf(out, "\\u%04x", *p);
        else
            cr_buf_addc(out, (char)*p);
    }
    cr_buf_addc(out, '"');
}

static void write_float(double v, bool is_single, bool quote, cr_buf *out) {
    if (isnan(v) || isinf(v)) {
        const char *word = isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
        cr_buf_addf(out, quote ? "\"%s\"" : "%s", word);
        return;
    }
    char text[40];
    for (int digits = is_single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (is_single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
            break;
    }
    /* The decimal point of the locale, if it is not a point, is the only character that is none of these. */
    for (char *p = text; *p; p++)
        if (!strchr("0123456789+-e.", *p))
            *p = '.';
    cr_buf_adds(out, text);
    if (!strpbrk(text, ".e"))
        cr_buf_adds(out, ".0");
}

void cr_json_write_item(cr_dtype dtype, const void *item, bool quote_special, cr_buf *out) {
    switch (dtype) {
    case CR_BOOL: cr_buf_adds(out, *(const unsigned char *)item ? "true" : "false"); return;
#define X(name, type, format, as)                              \
    case CR_##name: {                                          \
        type v;                                                \
        memcpy(&v, item, sizeof v);                            \
        cr_buf_addf(out, format, (as)v);                       \
        return;                                                \
    }
    X(I8, int8_t, "%d", int) X(I16, int16_t, "%d", int) X(I32, int32_t, "%d", int) X(I64, int64_t, "%lld", long long)
    X(U8, uint8_t, "%u", unsigned) X(U16, uint16_t, "%u", unsigned) X(U32, uint32_t, "%u", unsigned)
    X(U64, uint64_t, "%llu", unsigned long long)
#undef X
    case CR_F16: {
        uint16_t h;
        memcpy(&h, item, 2);
        write_float(cr_half_to_double(h), true, quote_special, out);
        return;
    }
    case CR_F32: {
        float f;
        memcpy(&f, item, 4);
        /* As a double: Python reads it as one, and must find the value of the float. */
        write_float((double)f, false, quote_special, out);
        return;
    }
    case CR_F64: {
        double d;
        memcpy(&d, item, 8);
        write_float(d, false, quote_special, out);
        return;
    }
    default: cr_buf_adds(out, "null");
    }
}

void cr_json_write_attr(const cr_attr *a, cr_buf *out) {
    bool list = a->n != 1 || a->form == CR_ATTR_LIST;
    if (a->form == CR_ATTR_JSON) {
        cr_buf_adds(out, *(const char *const *)a->values);
        return;
    }
    if (list)
        cr_buf_addc(out, '[');
    for (int64_t i = 0; i < a->n; i++) {
        if (i)
            cr_buf_adds(out, ", ");
        if (a->dtype == CR_STRING)
            cr_json_write_text(((const char *const *)a->values)[i], out);
        else
            cr_json_write_item(a->dtype, (const char *)a->values + (size_t)i * cr_dtype_size(a->dtype), false, out);
    }
    if (list)
        cr_buf_addc(out, ']');
}

/* ---- base64 (RFC 4648 section 4) ------------------------------------------------------------------------------------------ */

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int64_t cr_base64_decode(const char *text, size_t n_text, unsigned char *ret_bytes, size_t max) {
    size_t n = 0;
    if (n_text % 4)
        return -1;
    for (size_t i = 0; i < n_text; i += 4) {
        unsigned v = 0, pad = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = text[i + k] ? strchr(digits64, text[i + k]) : NULL;
            if (text[i + k] == '=' && i + 4 == n_text && k >= 2)
                pad++;
            else if (!at || pad)
                return -1;
            v = v << 6 | (at ? (unsigned)(at - digits64) : 0);
        }
        for (unsigned k = 0; k < 3 - pad; k++) {
            if (n == max)
                return -1;
            ret_bytes[n++] = (unsigned char)(v >> (16 - 8 * k));
        }
    }
    return (int64_t)n;
}

void cr_base64_write(const void *bytes, size_t n, cr_buf *out) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        for (unsigned k = 0; k < 4; k++)
            cr_buf_addc(out, i + k > n ? '=' : digits64[v >> (18 - 6 * k) & 63]);
    }
}

/* ---- half precision (IEEE 754 binary16) ------------------------------------------------------------------------------------ */

double cr_half_to_double(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -v : v;
}

uint16_t cr_half_from_double(double v) {
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    v = fabs(v);
    if (isnan(v))
        return sign | 0x7e00;
    if (v >= 65520)
        return sign | 0x7c00;
    int exponent;
    (void)frexp(v, &exponent);
    exponent = v == 0 ? -14 : CR_MAX(exponent - 1, -14);
    /* nearbyint rounds halves to even; 2048 carries into the exponent by itself. */
    double scaled = nearbyint(ldexp(v, 10 - exponent));
    return sign | (uint16_t)((unsigned)(exponent + 14) * 1024 + (unsigned)scaled);
}
