/* kernel_values.h - for the tests of the inner loops: items of any type made from a reproducible stream, and read back as numbers. */
#ifndef CRATON_TESTS_KERNEL_VALUES_H
#define CRATON_TESTS_KERNEL_VALUES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "craton/dtype.h"
#include "engine/kernel/half.h"

typedef long double number;       /* holds every item of every type exactly (64 bits of digits) */

static inline uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline void put_number(cr_dtype t, void *items, int64_t i, double v) {
    switch (t) {
#define PUT(T, value) do { T item_ = (value); memcpy((char *)items + i * (int64_t)sizeof item_, &item_, sizeof item_); } while (0)
    case CR_BOOL: PUT(uint8_t, v != 0); break;
    case CR_I8: PUT(int8_t, (int8_t)(int64_t)v); break;
    case CR_U8: PUT(uint8_t, (uint8_t)(int64_t)v); break;
    case CR_I16: PUT(int16_t, (int16_t)(int64_t)v); break;
    case CR_U16: PUT(uint16_t, (uint16_t)(int64_t)v); break;
    case CR_I32: PUT(int32_t, (int32_t)(int64_t)v); break;
    case CR_U32: PUT(uint32_t, (uint32_t)(int64_t)v); break;
    case CR_I64: PUT(int64_t, (int64_t)v); break;
    case CR_U64: PUT(uint64_t, (uint64_t)(int64_t)v); break;
    case CR_F16: PUT(uint16_t, cr_double_to_half(v)); break;
    case CR_F32: PUT(float, (float)v); break;
    default: PUT(double, v); break;
#undef PUT
    }
}

static inline number get_number(cr_dtype t, const void *items, int64_t i) {
#define GET(T) ({ T item_; memcpy(&item_, (const char *)items + i * (int64_t)sizeof item_, sizeof item_); item_; })
    switch (t) {
    case CR_BOOL:
    case CR_U8: return GET(uint8_t);
    case CR_I8: return GET(int8_t);
    case CR_I16: return GET(int16_t);
    case CR_U16: return GET(uint16_t);
    case CR_I32: return GET(int32_t);
    case CR_U32: return GET(uint32_t);
    case CR_I64: return GET(int64_t);
    case CR_U64: return GET(uint64_t);
    case CR_F16: return cr_half_to_float(GET(uint16_t));
    case CR_F32: return GET(float);
    default: return GET(double);
    }
#undef GET
}

/* n items: any bits for integers; for floats numbers of all sizes with zeros of both signs, infinities, NaN and halves mixed in. */
static inline void fill_wild(cr_dtype t, void *items, int64_t n, uint64_t *state) {
    static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 0.5, -0.5, 1.0, -1.0, 2.0, 1e-45, 1e-310, 65504, 1e30, -2.5, 3.5};
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = next_random(state);
        if (cr_dtype_kind(t) == 'f') {
            double v = ldexp((double)(int64_t)next_random(state), (int)(r >> 8 & 31) - 76);
            put_number(t, items, i, (r & 3) == 0 ? special[r >> 16 & 15] : v);
        } else if (t == CR_BOOL) {
            put_number(t, items, i, (double)(r & 1));
        } else {
            uint64_t v = (r & 7) == 0 ? (r >> 8 & 1) - (r >> 9 & 1) : (r & 7) == 1 ? 1ull << (8 * cr_dtype_size(t) - 1) : next_random(state);
            memcpy((char *)items + i * (int64_t)cr_dtype_size(t), &v, cr_dtype_size(t));
        }
    }
}

/* n items of moderate size with many equal ones; for floats one in every_nan is NaN (0: none). */
static inline void fill_tame(cr_dtype t, void *items, int64_t n, int every_nan, uint64_t *state) {
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = next_random(state);
        double v = (double)(r % 23) - (cr_dtype_kind(t) == 'u' ? 0 : 11);
        if (cr_dtype_kind(t) == 'f') {
            v = v * 0.3125 + 20;
            if (every_nan && (r >> 32) % (unsigned)every_nan == 0)
                v = NAN;
        }
        put_number(t, items, i, v);
    }
}

#endif
