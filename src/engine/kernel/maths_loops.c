/* maths_loops.c - exp, log, sin and their like over rows: the loops of one SIMD level, and their table. Why not a library: docs/decisions/0057.
 *
 * The functions of maths.inc are straight-line code for nearly all arguments. A row is done in blocks: one loop asks whether a block has arguments that
 * a function is not for, one computes all, and where there were any the C library computes these again.
 */
#include <math.h>

#include "base/error.h"
#include "engine/kernel/half.h"
#include "engine/kernel/map_shapes.h"
#include "engine/kernel/maths_coefficients.h"

#define INLINE static inline __attribute__((always_inline))

/* Added to and taken from a number, WHOLE leaves the nearest whole one, which then is in the low bits of the sum. */
#define WHOLE_FLOAT 0x1.8p23f
#define WHOLE_DOUBLE 0x1.8p52
#define DIGITS_FLOAT 23
#define DIGITS_DOUBLE 52
#define BIAS_FLOAT 127
#define BIAS_DOUBLE 1023
#define LEAST_NORMAL_FLOAT 0x1p-126f
#define LEAST_NORMAL_DOUBLE 0x1p-1022
#define ROOT_HALF_BITS_FLOAT 0x3F3504F3u
#define ROOT_HALF_BITS_DOUBLE 0x3FE6A09E667F3BCDull
#define EXP_MOST_FLOAT 90
#define EXP_MOST_DOUBLE 720
#define EXP_LEAST_FLOAT -105
#define EXP_LEAST_DOUBLE -760
#define LN2_FLOAT 0x1.62e43p-1f
#define LN2_DOUBLE 0x1.62e42fefa39efp-1
#define LN2_REST_FLOAT -0x1.05c61p-29f
#define LN2_REST_DOUBLE 0x1.abc9e3b39803fp-56
/* 16 and 42 digits: times any exponent they are exact. */
#define LN2_HIGH_FLOAT 0x1.62e4p-1f
#define LN2_HIGH_DOUBLE 0x1.62e42fefa3800p-1
#define LN2_LOW_FLOAT 0x1.7f7d1cp-20f
#define LN2_LOW_DOUBLE 0x1.ef35793c76730p-45
#define LOG10_2_HIGH_FLOAT 0x1.3440p-2f
#define LOG10_2_HIGH_DOUBLE 0x1.34413509f7800p-2
#define LOG10_2_LOW_FLOAT 0x1.3509f8p-18f
#define LOG10_2_LOW_DOUBLE 0x1.fef311f12b358p-46
#define LOG2_E_FLOAT 0x1.715476p+0f
#define LOG2_E_DOUBLE 0x1.71547652b82fep+0
#define LOG10_E_FLOAT 0x1.bcb7b2p-2f
#define LOG10_E_DOUBLE 0x1.bcb7b1526e50ep-2
#define PI_HIGH_FLOAT 0x1.921fb6p+1f
#define PI_HIGH_DOUBLE 0x1.921fb54442d18p+1
#define PI_LOW_FLOAT -0x1.777a5cp-24f
#define PI_LOW_DOUBLE 0x1.1a62633145c07p-53
#define PIO2_HIGH_FLOAT (PI_HIGH_FLOAT / 2)
#define PIO2_HIGH_DOUBLE (PI_HIGH_DOUBLE / 2)
#define PIO2_LOW_FLOAT (PI_LOW_FLOAT / 2)
#define PIO2_LOW_DOUBLE (PI_LOW_DOUBLE / 2)
#define PIO4_HIGH_FLOAT (PI_HIGH_FLOAT / 4)
#define PIO4_HIGH_DOUBLE (PI_HIGH_DOUBLE / 4)
#define PIO4_LOW_FLOAT (PI_LOW_FLOAT / 4)
#define PIO4_LOW_DOUBLE (PI_LOW_DOUBLE / 4)
#define CBRT_DIGITS_FLOAT 0xFFFFF000u
#define CBRT_DIGITS_DOUBLE 0xFFFFFFFFC0000000ull

/* x = k * pi / 2 + result; ret_quarter: k in its low bits. In double: only so are results near 0 as exact as others. k may be one beside the
 * nearest where that is as good as a tie. |x| below 2^16: k is found in float then. pi / 2 is cut after 25 digits. */
INLINE float reduce_float(float x, uint32_t *ret_quarter) {
    const float biased = x * 0x1.45f306p-1f + WHOLE_FLOAT, k = biased - WHOLE_FLOAT;
    *ret_quarter = cr_float_bits(biased);
    return (float)(((double)x - (double)k * 0x1.921fb50000000p+0) - (double)k * 0x1.110b4611a6263p-26);
}

/* |x| below 2^20: pi / 2 in parts of 33, 33 and 53 digits. */
INLINE double reduce_double(double x, uint64_t *ret_quarter) {
    const double biased = x * 0x1.45f306dc9c883p-1 + WHOLE_DOUBLE, k = biased - WHOLE_DOUBLE;
    *ret_quarter = cr_double_bits(biased);
    return ((x - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69;
}

/* The cube root within a few percent: a third of the exponent and digits taken as one whole number. */
INLINE float third_of_bits_float(float a) {
    return cr_bits_float((uint32_t)(int32_t)((float)(int32_t)cr_float_bits(a) * (1.0f / 3)) + 709958130u);
}

INLINE double third_of_bits_double(double a) {
    /* Of the upper half, and there is no vector conversion of 64 bits: put where the digits of 2^52 are. */
    const double word = cr_bits_double((cr_double_bits(a) >> 32) | 0x4330000000000000ull) - 0x1p52;
    return cr_bits_double(cr_double_bits((word * (1.0 / 3) + 715094163.0) + 0x1p52) << 32);
}

#define HIGH_DIGITS(v) cr_bits_double(cr_double_bits(v) & 0xFFFFFFFFF8000000ull)

/* C's remainder, exactly: the product of a quotient below 2^29 with a float has the digits of a double, and what is left those of a float. The
 * quotient may have been rounded up to a whole number. Not for larger quotients, nor infinite x or y. */
INLINE float fmod_float(float x, float y) {
    const double a = x, b = y, r = a - trunc(a / b) * b;
    return copysignf((float)((r < 0) != (a < 0) && r != 0 ? r + copysign(b, a) : r), x);
}

/* The product in two parts. Not for quotients beyond 2^51, nor where a part may leave the range of normal numbers. */
INLINE double fmod_double(double x, double y) {
    const double q = trunc(x / y), product = q * y, q_high = HIGH_DIGITS(q), q_low = q - q_high, y_high = HIGH_DIGITS(y), y_low = y - y_high;
    const double rest = ((q_high * y_high - product) + q_high * y_low + q_low * y_high) + q_low * y_low;
    const double r = (x - product) - rest;
    return copysign((r < 0) != (x < 0) && r != 0 ? r + copysign(y, x) : r, x);
}

#define W float
#define U uint32_t
#define BITS(v) cr_float_bits(v)
#define VALUE(u) cr_bits_float(u)
#define C(v) v##f
#define F(name) name##f
#define FN(name) name##_float
#define P(name, z) name##_FLOAT(z)
#define K(name) name##_FLOAT
#include "engine/kernel/maths.inc"
#define W double
#define U uint64_t
#define BITS(v) cr_double_bits(v)
#define VALUE(u) cr_bits_double(u)
#define C(v) v
#define F(name) name
#define FN(name) name##_double
#define P(name, z) name##_DOUBLE(z)
#define K(name) name##_DOUBLE
#include "engine/kernel/maths.inc"

INLINE float hypot_float(float x, float y) {
    const double a = x, b = y;
    const float v = (float)sqrt(a * a + b * b);
    return ((fabsf(x) == INFINITY) | (fabsf(y) == INFINITY)) ? INFINITY : v;
}

/* Not where the sum of the squares leaves the normal numbers. */
INLINE double hypot_double(double x, double y) { return sqrt(x * x + y * y); }

/* exp(y * log(x)) in double, by polynomials that are good enough for float. */
INLINE float power_float(float x, float y) {
    const double a = fabsf(x);
    const uint64_t u = cr_double_bits(a) - ROOT_HALF_BITS_DOUBLE;
    const double e = cr_bits_double(((u + (1024ull << 52)) >> 52) | 0x4330000000000000ull) - (0x1p52 + 1024);
    const double f = cr_bits_double((u & 0xFFFFFFFFFFFFFull) + ROOT_HALF_BITS_DOUBLE) - 1, s = f / (2 + f), z = s * s;
    const double finite = e + (2 * LOG2_E_DOUBLE) * (s + s * z * ATANH_POWER_FLOAT(z)), log_2 = a < INFINITY ? finite : a;
    double t = y * (a == 0 ? -INFINITY : log_2);
    t = t > 160 ? 160 : t;
    t = t < -160 ? -160 : t;
    const double k = (t + WHOLE_DOUBLE) - WHOLE_DOUBLE, r = (t - k) * LN2_DOUBLE;
    const double v = (1 + (r + r * r * EXP_POWER_FLOAT(r))) * two_to_double(k);
    return power_ends_float(x, y, ((a == 1) & (fabsf(y) == INFINITY)) ? 1 : (float)v);
}

/* The same with twice the digits of double where they count. Not for infinite or subnormal x, nor for |y| beyond 1e18. */
INLINE double power_double(double x, double y) {
    const double a = fabs(x), positive = a == 0 ? 1 : a;
    double k;
    const double m = split_double(positive, &k);
    /* log(m) is that of a number close by, and a short series: what the series rounds is small beside the sum. */
    const bool small = m < 0.89, large = m >= 1.12;
    const double near_large = large ? 1.25 : 1, base = small ? 0.796875 : near_large;
    const double high_large = large ? 0x1.c8ff7c79a8000p-3 : 0, base_high = small ? -0x1.d1037f2654000p-3 : high_large;
    const double low_large = large ? 0x1.a21ac25d81ef3p-43 : 0, base_low = small ? -0x1.e7b5818a49092p-43 : low_large;
    const double f = m - base, t = m + base, inverse = 1 / t, s = f * inverse, z = s * s;
    /* s = s_high + s_low: what rounding leaves, in products that are exact. */
    const double s_high = HIGH_DIGITS(s), t_high = HIGH_DIGITS(t), t_low = m - (t_high - base);
    const double s_low = ((f - s_high * t_high) - s_high * t_low) * inverse;
    const double main = k * LN2_HIGH_DOUBLE + base_high, twice = 2 * s_high, sum = main + twice;
    const double rest = ((main - sum) + twice) + (2 * s_low + 2 * s * z * ATANH_POWER_DOUBLE(z) + (k * LN2_LOW_DOUBLE + base_low));
    const double log_high = sum + rest, log_low = (sum - log_high) + rest;
    /* The product with y likewise. */
    const double y_high = HIGH_DIGITS(y), y_low = y - y_high, l_high = HIGH_DIGITS(log_high), l_low = log_high - l_high;
    double p = log_high * y;
    double p_low = (((y_high * l_high - p) + y_high * l_low + y_low * l_high) + y_low * l_low) + y * log_low;
    p_low = fabs(p) < 750 ? p_low : 0;
    p = p > 750 ? 750 : p;
    p = p < -800 ? -800 : p;
    const double n = (p * LOG2_E_DOUBLE + WHOLE_DOUBLE) - WHOLE_DOUBLE, high = p - n * LN2_HIGH_DOUBLE, low = p_low - n * LN2_LOW_DOUBLE, r = high + low;
    const double e = 1 + (r + (r * r * EXP_DOUBLE(r) + ((high - r) + low))), half = (n * 0.5 + WHOLE_DOUBLE) - WHOLE_DOUBLE;
    const double v = e * two_to_double(half) * two_to_double(n - half), of_zero = y > 0 ? 0 : (double)INFINITY;
    return power_ends_double(x, y, a == 0 ? of_zero : v);
}

enum { BLOCK = 512 };

#define ONE_NAN(v) ((v) != (v) ? NAN : (v))

/* special: for which x the C library is asked; it is evaluated for all. */
#define UNARY(op, N, T, W, LOAD, STORE, special, fn, library)                              \
    static void op##_##N(CR_MAP_ARGS) {                                                 \
        T kept[BLOCK], *d = dst;                                                        \
        const int64_t all = steps[0] ? n : CR_MIN(n, 1);                                \
        for (int64_t at = 0; at < all; at += BLOCK) {                                   \
            const int64_t m = CR_MIN(all - at, (int64_t)BLOCK);                         \
            const T *a = (const T *)args[0] + at;                                       \
            T *to = d + at;                                                             \
            uint64_t some = 0;                                                          \
            for (int64_t i = 0; i < m; i++) {                                           \
                const W x = LOAD(a[i]);                                            \
                (void)x;                                                                \
                some |= (special) ? 1 : 0;                                              \
            }                                                                           \
            if (some)                                                                   \
                memcpy(kept, a, (size_t)m * sizeof(T));                                 \
            CR_EACH(i, m) {                                                             \
                const W x = LOAD(a[i]), v = fn(x);                                 \
                to[i] = (T)STORE(ONE_NAN(v));                                           \
            }                                                                           \
            for (int64_t i = 0; some && i < m; i++) {                                   \
                const W x = LOAD(kept[i]);                                         \
                if (special) {                                                          \
                    const W v = (W)library(x);                                          \
                    to[i] = (T)STORE(ONE_NAN(v));                                       \
                }                                                                       \
            }                                                                           \
        }                                                                               \
        if (!steps[0] && n > 1) {                                                       \
            const T one = d[0];                                                         \
            CR_EACH(i, n) { d[i] = one; }                                               \
        }                                                                               \
    }

/* A repeated value is made a row of a block: one loop for all shapes. */
#define BINARY(op, N, T, W, LOAD, STORE, special, fn, library)                             \
    static void op##_##N(CR_MAP_ARGS) {                                                 \
        T rows[2][BLOCK], kept[2][BLOCK], *d = dst;                                     \
        for (int k = 0; k < 2; k++)                                                     \
            for (int64_t i = 0; !steps[k] && i < CR_MIN(n, (int64_t)BLOCK); i++)        \
                rows[k][i] = *(const T *)args[k];                                       \
        for (int64_t at = 0; at < n; at += BLOCK) {                                     \
            const int64_t m = CR_MIN(n - at, (int64_t)BLOCK);                           \
            const T *a = steps[0] ? (const T *)args[0] + at : rows[0];                  \
            const T *b = steps[1] ? (const T *)args[1] + at : rows[1];                  \
            T *to = d + at;                                                             \
            uint64_t some = 0;                                                          \
            for (int64_t i = 0; i < m; i++) {                                           \
                const W x = LOAD(a[i]), y = LOAD(b[i]);                                 \
                (void)x, (void)y;                                                       \
                some |= (special) ? 1 : 0;                                              \
            }                                                                           \
            if (some) {                                                                 \
                memcpy(kept[0], a, (size_t)m * sizeof(T));                              \
                memcpy(kept[1], b, (size_t)m * sizeof(T));                              \
            }                                                                           \
            CR_EACH(i, m) {                                                             \
                const W x = LOAD(a[i]), y = LOAD(b[i]), v = fn(x, y);              \
                to[i] = (T)STORE(ONE_NAN(v));                                           \
            }                                                                           \
            for (int64_t i = 0; some && i < m; i++) {                                   \
                const W x = LOAD(kept[0][i]), y = LOAD(kept[1][i]);                \
                if (special) {                                                          \
                    const W v = (W)library(x, y);                                       \
                    to[i] = (T)STORE(ONE_NAN(v));                                       \
                }                                                                       \
            }                                                                           \
        }                                                                               \
    }

/* Two conditions: for half and float, and for double. Of the C library the functions of double are taken, rounded to float. */
#define EACH_TYPE(SHAPE, op, of_float, of_double, fn, library)                                                  \
    SHAPE(op, f16, uint16_t, float, cr_half_to_float, cr_float_to_half, of_float, fn##_float, library)          \
    SHAPE(op, f32, float, float, CR_AS_IS, CR_AS_IS, of_float, fn##_float, library)                             \
    SHAPE(op, f64, double, double, CR_AS_IS, CR_AS_IS, of_double, fn##_double, library)
#define FLOATING1(op, fn, of_float, of_double) EACH_TYPE(UNARY, op, of_float, of_double, fn, fn)
#define FLOATING2(op, fn, of_float, of_double) EACH_TYPE(BINARY, op, of_float, of_double, fn, fn)

FLOATING1(EXP, exp, 0, 0)
FLOATING1(EXPM1, expm1, x > 88, x > 709)
FLOATING1(EXP2, exp2, 0, 0)
FLOATING1(LOG, log, 0, 0)
FLOATING1(LOG1P, log1p, 0, 0)
FLOATING1(LOG2, log2, 0, 0)
FLOATING1(LOG10, log10, 0, 0)
FLOATING1(SIN, sin, fabsf(x) > 0x1p16f, fabs(x) > 0x1p20)
FLOATING1(COS, cos, fabsf(x) > 0x1p16f, fabs(x) > 0x1p20)
FLOATING1(TAN, tan, fabsf(x) > 0x1p16f, fabs(x) > 0x1p20)
FLOATING1(ARCSIN, asin, 0, 0)
FLOATING1(ARCCOS, acos, 0, 0)
FLOATING1(ARCTAN, atan, 0, 0)
FLOATING1(SINH, sinh, fabsf(x) > 88, fabs(x) > 709)
FLOATING1(COSH, cosh, fabsf(x) > 88, fabs(x) > 709)
FLOATING1(TANH, tanh, 0, 0)
FLOATING1(ARCSINH, asinh, fabsf(x) > 1e18f, fabs(x) > 1e150)
FLOATING1(ARCCOSH, acosh, x > 1e18f, x > 1e150)
FLOATING1(ARCTANH, atanh, 0, 0)
FLOATING1(CBRT, cbrt, ((fabsf(x) < 0x1p-120f) & (x != 0)) | (fabsf(x) > 1e38f), ((fabs(x) < 0x1p-1000) & (x != 0)) | (fabs(x) > 1e307))
FLOATING2(ARCTAN2, atan2, (fabsf(x) > 1e38f) | (fabsf(y) > 1e38f), (fabs(x) > 1e300) | (fabs(y) > 1e300))
/* Neither has a case for the C library. */
#define nothing_else(x, y) ((x) + (y))
EACH_TYPE(BINARY, LOGADDEXP, 0, 0, logaddexp, nothing_else)
EACH_TYPE(BINARY, LOGADDEXP2, 0, 0, logaddexp2, nothing_else)
FLOATING2(HYPOT, hypot, 0, !((x * x + y * y > 1e-280) & (x * x + y * y < 1e280)))
#define REMAINDERS(op, fn)                                                                                                              \
    BINARY(op, f16, uint16_t, float, cr_half_to_float, cr_float_to_half, FAR_FLOAT, fn##_float, library_##fn##_float)                   \
    BINARY(op, f32, float, float, CR_AS_IS, CR_AS_IS, FAR_FLOAT, fn##_float, library_##fn##_float)                                      \
    BINARY(op, f64, double, double, CR_AS_IS, CR_AS_IS, FAR_DOUBLE, fn##_double, library_##fn##_double)
#define FAR_FLOAT (fabs((double)x) >= 0x1p29 * fabs((double)y)) | (fabsf(x) == INFINITY) | (fabsf(y) == INFINITY)
#define FAR_DOUBLE (fabs(x) >= 0x1p51 * fabs(y)) | (fabs(x) > 1e300) | (fabs(y) > 1e300) | (fabs(y) < 1e-280)
REMAINDERS(FMOD, fmod)
REMAINDERS(REMAINDER, remainder)
REMAINDERS(FLOOR_DIVIDE, floor_divide)
#define library_pow(x, y) pow(x, y)
EACH_TYPE(BINARY, power_any, 0, (fabs(x) == INFINITY) | ((fabs(x) < 0x1p-1022) & (x != 0)) | (fabs(y) > 1e18), power, library_pow)

/* A square by one exponent for all needs nothing of that. */
#define POWER(N, T, W, LOAD, STORE)                                                                                      \
    static void POWER_##N(CR_MAP_ARGS) {                                                                                \
        if (n <= 0 || steps[1] || !steps[0] || LOAD(*(const T *)args[1]) != 2) {                                        \
            power_any_##N(n, dst, args, steps, imm);                                                                    \
            return;                                                                                                     \
        }                                                                                                               \
        const T *a = args[0];                                                                                           \
        T *d = dst;                                                                                                     \
        CR_EACH(i, n) { const W x = LOAD(a[i]), v = x * x; d[i] = (T)STORE(ONE_NAN(v)); }                          \
    }
POWER(f16, uint16_t, float, cr_half_to_float, cr_float_to_half)
POWER(f32, float, float, CR_AS_IS, CR_AS_IS)
POWER(f64, double, double, CR_AS_IS, CR_AS_IS)

#define FLOATS(op) [CR_MAP_##op] = {op##_f16, op##_f32, op##_f64}
const cr_maths_table CR_PASTE(cr_maths_table_, CR_LEVEL) = {
    .map = {
        FLOATS(EXP), FLOATS(EXPM1), FLOATS(LOG), FLOATS(LOG1P), FLOATS(LOG2), FLOATS(LOG10), FLOATS(SIN), FLOATS(COS), FLOATS(TAN),
        FLOATS(ARCSIN), FLOATS(ARCCOS), FLOATS(ARCTAN), FLOATS(SINH), FLOATS(COSH), FLOATS(TANH), FLOATS(ARCTAN2), FLOATS(HYPOT),
        FLOATS(EXP2), FLOATS(ARCSINH), FLOATS(ARCCOSH), FLOATS(ARCTANH), FLOATS(CBRT),
        FLOATS(LOGADDEXP), FLOATS(LOGADDEXP2), FLOATS(FMOD), FLOATS(REMAINDER), FLOATS(FLOOR_DIVIDE),
        FLOATS(POWER),
    },
};
