/* filter.c - codecs that rearrange values: shuffle, delta, fixed scale and offset. */
#include <string.h>

#include "engine/codec/codec.h"
#include "engine/codec/order.h"

static size_t same_bound(const cr_codec *c, size_t n) { return n; }

static cr_status need_room(const cr_codec *c, size_t n, size_t cap, cr_err *err) {
    if (n > cap)
        return CR_FAIL(err, CR_FORMAT, "%s: %zu bytes; there is room for %zu", cr_codec_name(c->id), n, cap);
    return CR_OK;
}

/* ---- shuffle ---------------------------------------------------------------------------------------------------------- */

#define DEFINE_SHUFFLE(width)                                                                  \
    static void unshuffle_##width(const uint8_t *restrict src, uint8_t *restrict dst, size_t count) { \
        for (size_t i = 0; i < count; i++)                                                     \
            for (size_t k = 0; k < width; k++)                                                 \
                dst[i * width + k] = src[k * count + i];                                       \
    }                                                                                          \
    static void shuffle_##width(const uint8_t *restrict src, uint8_t *restrict dst, size_t count) { \
        for (size_t i = 0; i < count; i++)                                                     \
            for (size_t k = 0; k < width; k++)                                                 \
                dst[k * count + i] = src[i * width + k];                                       \
    }
DEFINE_SHUFFLE(2)
DEFINE_SHUFFLE(4)
DEFINE_SHUFFLE(8)

static void unshuffle_any(const uint8_t *restrict src, uint8_t *restrict dst, size_t count, size_t width) {
    for (size_t k = 0; k < width; k++)
        for (size_t i = 0; i < count; i++)
            dst[i * width + k] = src[k * count + i];
}

static void shuffle_any(const uint8_t *restrict src, uint8_t *restrict dst, size_t count, size_t width) {
    for (size_t k = 0; k < width; k++)
        for (size_t i = 0; i < count; i++)
            dst[k * count + i] = src[i * width + k];
}

/* Bytes after the last whole item stay where they are. */
static void copy_rest(const uint8_t *src, uint8_t *dst, size_t n, size_t width) {
    size_t whole = n / width * width;
    if (whole < n)
        memcpy(dst + whole, src + whole, n - whole);
}

static cr_status shuffle_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                                size_t *ret_n, cr_err *err) {
    size_t width = (size_t)c->itemsize;
    CR_TRY(need_room(c, n, cap, err));
    switch (width) {
    case 2: unshuffle_2(src, dst, n / 2); break;
    case 4: unshuffle_4(src, dst, n / 4); break;
    case 8: unshuffle_8(src, dst, n / 8); break;
    default: unshuffle_any(src, dst, n / width, width);
    }
    copy_rest(src, dst, n, width);
    *ret_n = n;
    return CR_OK;
}

static cr_status shuffle_encode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                                size_t *ret_n, cr_err *err) {
    size_t width = (size_t)c->itemsize;
    CR_TRY(need_room(c, n, cap, err));
    switch (width) {
    case 2: shuffle_2(src, dst, n / 2); break;
    case 4: shuffle_4(src, dst, n / 4); break;
    case 8: shuffle_8(src, dst, n / 8); break;
    default: shuffle_any(src, dst, n / width, width);
    }
    copy_rest(src, dst, n, width);
    *ret_n = n;
    return CR_OK;
}

/* ---- delta, fixedscaleoffset -------------------------------------------------------------------------------------------- */

static uint64_t load_integer(const uint8_t *p, cr_dtype t, bool swapped) {
    uint8_t b[8] = {0};
    size_t width = cr_codec_item_bytes(t);
    for (size_t i = 0; i < width; i++)
        b[i] = p[swapped ? width - 1 - i : i];
    uint64_t v;
    memcpy(&v, b, 8);
    if (t >= CR_I8 && t <= CR_I64 && width < 8 && (v >> (8 * width - 1)))
        v |= ~(uint64_t)0 << (8 * width);
    return v;
}

static void store_bytes(uint8_t *p, const void *value, size_t width, bool swapped) {
    const uint8_t *b = value;
    for (size_t i = 0; i < width; i++)
        p[i] = b[swapped ? width - 1 - i : i];
}

static double load_float(const uint8_t *p, size_t width, bool swapped) {
    uint8_t b[8];
    store_bytes(b, p, width, swapped);
    if (width == 8) {
        double d;
        memcpy(&d, b, 8);
        return d;
    }
    float f;
    memcpy(&f, b, 4);
    return f;
}

static void store_float(uint8_t *p, double value, size_t width, bool swapped) {
    float f = (float)value;
    store_bytes(p, width == 8 ? (const void *)&value : (const void *)&f, width, swapped);
}

/* Number of stored items and whether their decoded form fits. */
static cr_status count_items(const cr_codec *c, size_t n, size_t cap, size_t *ret_count, cr_err *err) {
    size_t from = cr_codec_item_bytes(c->stored), to = cr_codec_item_bytes(c->dtype);
    if (n % from || n / from > cap / to)
        return CR_FAIL(err, CR_FORMAT, "%s: %zu bytes in items of %zu; there is room for %zu bytes", cr_codec_name(c->id), n, from, cap);
    *ret_count = n / from;
    return CR_OK;
}

static size_t retyped_bound(const cr_codec *c, size_t n) {
    size_t count = n / cr_codec_item_bytes(c->dtype) + 1, bytes;
    return __builtin_mul_overflow(count, cr_codec_item_bytes(c->stored), &bytes) ? SIZE_MAX : bytes;
}

static cr_status delta_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                              size_t *ret_n, cr_err *err) {
    size_t from = cr_codec_item_bytes(c->stored), to = cr_codec_item_bytes(c->dtype), count = 0;
    CR_TRY(count_items(c, n, cap, &count, err));
    if (c->dtype == CR_F32 || c->dtype == CR_F64) {
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            double d = load_float(src + i * from, from, c->stored_swapped);
            sum = i == 0 ? d : c->dtype == CR_F32 ? (float)((float)sum + (float)d) : sum + d;
            store_float(dst + i * to, sum, to, c->dtype_swapped);
        }
    } else {
        uint64_t sum = 0;      /* wraps, as the integers do */
        for (size_t i = 0; i < count; i++) {
            sum += load_integer(src + i * from, c->stored, c->stored_swapped);
            store_bytes(dst + i * to, &sum, to, c->dtype_swapped);
        }
    }
    *ret_n = count * to;
    return CR_OK;
}

static cr_status fixedscaleoffset_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                                         size_t *ret_n, cr_err *err) {
    size_t from = cr_codec_item_bytes(c->stored), to = cr_codec_item_bytes(c->dtype), count = 0;
    CR_TRY(count_items(c, n, cap, &count, err));
    for (size_t i = 0; i < count; i++) {
        uint64_t v = load_integer(src + i * from, c->stored, c->stored_swapped);
        double stored = c->stored >= CR_U8 ? (double)v : (double)(int64_t)v;
        store_float(dst + i * to, stored / c->scale + c->offset, to, c->dtype_swapped);
    }
    *ret_n = count * to;
    return CR_OK;
}

static cr_status identity_decode(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap,
                                 size_t *ret_n, cr_err *err) {
    CR_TRY(need_room(c, n, cap, err));
    if (n)
        memcpy(dst, src, n);
    *ret_n = n;
    return CR_OK;
}

const cr_codec_ops cr_codec_ops_shuffle = {"shuffle", same_bound, shuffle_decode, NULL, shuffle_encode};
const cr_codec_ops cr_codec_ops_delta = {"delta", retyped_bound, delta_decode, NULL, NULL};
const cr_codec_ops cr_codec_ops_fixedscaleoffset = {"fixedscaleoffset", retyped_bound, fixedscaleoffset_decode, NULL, NULL};
const cr_codec_ops cr_codec_ops_identity = {"identity", same_bound, identity_decode, NULL, NULL};
