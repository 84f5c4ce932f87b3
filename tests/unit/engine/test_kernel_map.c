/* test_kernel_map.c - element-wise operations: every operation, type and shape of arguments against plain code; the same bits at every level,
 * whether a value is repeated or passed once, and when the result takes the place of an argument. CF unpacking likewise. */
#include "../check_main.h"

#include "base/error.h"
#include "craton/array.h"
#include "engine/kernel/map_table.h"
#include "kernel_values.h"

enum { LONGEST = 67, LEVELS = 3 };

static const struct {
    const char *name;
    int arity;
} ops[CR_MAP_COUNT] = {
#define X(id, name, arity) [CR_MAP_##id] = {name, arity},
    CR_MAP_TABLE(X)
#undef X
};

typedef __int128 wide;

static bool is_nan_item(cr_dtype t, const void *items, int64_t i) {
    number v = get_number(t, items, i);
    return v != v;
}

static wide int_power(wide x, wide y) {
    if (y < 0)
        return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
    uint64_t r = 1, b = (uint64_t)x;                         /* only the low bits are wanted */
    for (; y > 0; y >>= 1, b *= b)
        r *= y & 1 ? b : 1;
    return (wide)r;
}

static wide whole_gcd(wide x, wide y) {
    for (x = x < 0 ? -x : x, y = y < 0 ? -y : y; y;) {
        wide rest = x % y;
        x = y;
        y = rest;
    }
    return x;
}

/* The operation on whole numbers, exactly; the caller keeps the low bits. */
static bool on_integers(cr_map_op op, const wide *a, wide *ret) {
    wide x = a[0], y = ops[op].arity > 1 ? a[1] : 0, z = ops[op].arity > 2 ? a[2] : 0, q = y ? x / y : 0, r = y ? x % y : 0;
    switch (op) {
    case CR_MAP_ADD: *ret = x + y; break;
    case CR_MAP_SUBTRACT: *ret = x - y; break;
    case CR_MAP_MULTIPLY: *ret = (wide)((unsigned __int128)x * (unsigned __int128)y); break;
    case CR_MAP_FLOOR_DIVIDE: *ret = q - (r != 0 && (r < 0) != (y < 0)); break;
    case CR_MAP_REMAINDER: *ret = r != 0 && (r < 0) != (y < 0) ? r + y : r; break;
    case CR_MAP_POWER: *ret = int_power(x, y); break;
    case CR_MAP_FMOD: *ret = r; break;
    case CR_MAP_GCD: *ret = whole_gcd(x, y); break;
    case CR_MAP_LCM: *ret = whole_gcd(x, y) ? (wide)((unsigned __int128)((x < 0 ? -x : x) / whole_gcd(x, y)) * (unsigned __int128)(y < 0 ? -y : y)) : 0; break;
    case CR_MAP_MAXIMUM: case CR_MAP_FMAX: *ret = x > y ? x : y; break;
    case CR_MAP_MINIMUM: case CR_MAP_FMIN: *ret = x < y ? x : y; break;
    case CR_MAP_BITWISE_AND: *ret = x & y; break;
    case CR_MAP_BITWISE_OR: *ret = x | y; break;
    case CR_MAP_BITWISE_XOR: *ret = x ^ y; break;
    case CR_MAP_NEGATIVE: *ret = -x; break;
    case CR_MAP_ABSOLUTE: *ret = x < 0 ? -x : x; break;
    case CR_MAP_SIGN: *ret = (x > 0) - (x < 0); break;
    case CR_MAP_INVERT: *ret = ~x; break;
    case CR_MAP_SQUARE: *ret = (wide)((unsigned __int128)x * (unsigned __int128)x); break;
    case CR_MAP_RECIPROCAL: *ret = x == 1 || x == -1 ? x : 0; break;
    case CR_MAP_POSITIVE: case CR_MAP_FLOOR: case CR_MAP_CEIL: case CR_MAP_TRUNC: *ret = x; break;
    case CR_MAP_CLIP: *ret = (x > y ? x : y) < z ? (x > y ? x : y) : z; break;
    default: return false;
    }
    return true;
}

/* Operations whose result is a bool, on numbers of any type; long double holds them all. */
static bool on_truth(cr_map_op op, const number *a, bool *ret) {
    number x = a[0], y = ops[op].arity > 1 ? a[1] : 0;
    switch (op) {
    case CR_MAP_EQUAL: *ret = x == y; break;
    case CR_MAP_NOT_EQUAL: *ret = x != y; break;
    case CR_MAP_LESS: *ret = x < y; break;
    case CR_MAP_LESS_EQUAL: *ret = x <= y; break;
    case CR_MAP_GREATER: *ret = x > y; break;
    case CR_MAP_GREATER_EQUAL: *ret = x >= y; break;
    case CR_MAP_LOGICAL_AND: *ret = x != 0 && y != 0; break;
    case CR_MAP_LOGICAL_OR: *ret = x != 0 || y != 0; break;
    case CR_MAP_LOGICAL_XOR: *ret = (x != 0) != (y != 0); break;
    case CR_MAP_LOGICAL_NOT: *ret = x == 0; break;
    case CR_MAP_ISNAN: *ret = x != x; break;
    case CR_MAP_ISINF: *ret = isinf(x) != 0; break;
    case CR_MAP_ISFINITE: *ret = isfinite(x) != 0; break;
    case CR_MAP_SIGNBIT: *ret = signbit(x) != 0; break;
    default: return false;
    }
    return true;
}

/* Floats, in double; the caller rounds once. Exact where the type is narrower than double. */
static double on_floats(cr_map_op op, cr_dtype t, const double *a) {
    double x = a[0], y = ops[op].arity > 1 ? a[1] : 0, z = ops[op].arity > 2 ? a[2] : 0, r;
    switch (op) {
    case CR_MAP_ADD: return x + y;
    case CR_MAP_SUBTRACT: return x - y;
    case CR_MAP_MULTIPLY: return x * y;
    case CR_MAP_DIVIDE: return x / y;
    case CR_MAP_REMAINDER:
        r = fmod(x, y);
        if (r == 0)
            return copysign(0, y);
        return r != r || (r < 0) == (y < 0) ? r : t == CR_F64 ? r + y : (double)((float)r + (float)y);
    case CR_MAP_FMOD: return fmod(x, y);
    case CR_MAP_HEAVISIDE: return x != x ? x : x == 0 ? y : x > 0;
    case CR_MAP_MAXIMUM: return x != x ? x : y != y ? y : x >= y ? x : y;
    case CR_MAP_MINIMUM: return x != x ? x : y != y ? y : x <= y ? x : y;
    case CR_MAP_FMAX: return x != x ? y : y != y ? x : x >= y ? x : y;
    case CR_MAP_FMIN: return x != x ? y : y != y ? x : x <= y ? x : y;
    case CR_MAP_COPYSIGN: return copysign(x, y);
    case CR_MAP_NEGATIVE: return copysign(x, signbit(x) ? 1 : -1);
    case CR_MAP_POSITIVE: return x;
    case CR_MAP_ABSOLUTE: return fabs(x);
    case CR_MAP_SIGN: return x != x ? x : x > 0 ? 1 : x < 0 ? -1 : 0;
    case CR_MAP_SQRT: return sqrt(x);
    case CR_MAP_SQUARE: return x * x;
    case CR_MAP_RECIPROCAL: return 1 / x;
    case CR_MAP_DEG2RAD: return t == CR_F64 ? x * (M_PI / 180) : (double)((float)x * ((float)M_PI / 180));
    case CR_MAP_RAD2DEG: return t == CR_F64 ? x * (180 / M_PI) : (double)((float)x * (180 / (float)M_PI));
    case CR_MAP_FLOOR: return floor(x);
    case CR_MAP_CEIL: return ceil(x);
    case CR_MAP_TRUNC: return trunc(x);
    case CR_MAP_RINT: return nearbyint(x);
    case CR_MAP_CLIP: return x != x || y != y || z != z ? NAN : (x > y ? x : y) < z ? (x > y ? x : y) : z;
    default: ck_abort_msg("no plain code for %s", ops[op].name);
    }
}

/* exp, sin and their like in long double, whose last digits are beyond those of all types; false where op is none of them. */
static bool on_maths(cr_map_op op, number x, number y, number *ret) {
    switch (op) {
    case CR_MAP_EXP: *ret = expl(x); break;
    case CR_MAP_EXPM1: *ret = expm1l(x); break;
    case CR_MAP_EXP2: *ret = exp2l(x); break;
    case CR_MAP_LOG: *ret = logl(x); break;
    case CR_MAP_LOG1P: *ret = log1pl(x); break;
    case CR_MAP_LOG2: *ret = log2l(x); break;
    case CR_MAP_LOG10: *ret = log10l(x); break;
    case CR_MAP_SIN: *ret = sinl(x); break;
    case CR_MAP_COS: *ret = cosl(x); break;
    case CR_MAP_TAN: *ret = tanl(x); break;
    case CR_MAP_ARCSIN: *ret = asinl(x); break;
    case CR_MAP_ARCCOS: *ret = acosl(x); break;
    case CR_MAP_ARCTAN: *ret = atanl(x); break;
    case CR_MAP_SINH: *ret = sinhl(x); break;
    case CR_MAP_COSH: *ret = coshl(x); break;
    case CR_MAP_TANH: *ret = tanhl(x); break;
    case CR_MAP_ARCSINH: *ret = asinhl(x); break;
    case CR_MAP_ARCCOSH: *ret = acoshl(x); break;
    case CR_MAP_ARCTANH: *ret = atanhl(x); break;
    case CR_MAP_CBRT: *ret = cbrtl(x); break;
    case CR_MAP_ARCTAN2: *ret = atan2l(x, y); break;
    case CR_MAP_HYPOT: *ret = hypotl(x, y); break;
    case CR_MAP_POWER: *ret = powl(x, y); break;
    case CR_MAP_LOGADDEXP: *ret = x == y ? x + M_LN2 : fmaxl(x, y) + log1pl(expl(-fabsl(x - y))); break;
    case CR_MAP_LOGADDEXP2: *ret = x == y ? x + 1 : fmaxl(x, y) + log1pl(exp2l(-fabsl(x - y))) / (number)M_LN2; break;
    default: return false;
    }
    if (x != x || y != y)
        *ret = op == CR_MAP_POWER && (x == 1 || y == 0) ? 1 : op == CR_MAP_HYPOT && (isinf(x) || isinf(y)) ? (number)INFINITY : (number)NAN;
    return true;
}

/* Within `most` units in the last place of type t; NaN, infinities and zeros as they are. scale: what was added up to make the expected number. */
static bool near_number(cr_dtype t, number expected, number got, number scale, number most) {
    const int digits = t == CR_F64 ? 53 : t == CR_F32 ? 24 : 11, lowest = t == CR_F64 ? -1021 : t == CR_F32 ? -125 : -13;
    if (expected != expected || got != got)
        return expected != expected && got != got;
    if (isinf(expected) || expected == 0)
        return got == expected && signbit(got) == signbit(expected);
    int exponent;
    (void)frexpl(fmaxl(fabsl(expected), scale), &exponent);
    const number unit = ldexpl(1, (exponent < lowest ? lowest : exponent) - digits), end = ldexpl(1, t == CR_F64 ? 1024 : t == CR_F32 ? 128 : 16);
    if (isinf(got))
        return (got > 0) == (expected > 0) && fabsl(expected) + most * unit > end - unit;
    return fabsl(got - expected) <= most * unit && (got == 0 || signbit(got) == signbit(expected) || scale > 0);
}

static bool maths_right(cr_map_op op, cr_dtype t, number x, number y, number got) {
    number expected, scale = 0;
    if (!on_maths(op, x, y, &expected))
        return false;
    if (op == CR_MAP_LOGADDEXP || op == CR_MAP_LOGADDEXP2)
        scale = isfinite(x) && isfinite(y) ? fabsl(fmaxl(x, y)) + fabsl(expected - fmaxl(x, y)) * (1 + fabsl(x - y)) : 0; /* x - y is rounded */
    /* An error of the logarithm counts as often as the logarithm of the result says. */
    const bool by_logarithm = op == CR_MAP_POWER && t == CR_F64 && expected != 0 && isfinite(expected);
    return near_number(t, expected, got, scale, by_logarithm ? 3 + fabsl(logl(fabsl(expected))) / 200 : 3);
}

/* Floor division is checked by what it means, with the quotient in long double, which is exact enough below a thousand. */
static bool floor_quotient_ok(number x, number y, number got) {
    if (!isfinite(x) || !isfinite(y) || y == 0 || fabsl(x / y) > 1000)
        return true;
    number r = fmodl(x, y);
    number q = rintl((x - r) / y) - (r != 0 && (r < 0) != (y < 0));
    return got == q;
}

static bool next_right(cr_dtype t, number x, number y, number got) {
    if (x != x || y != y)
        return got != got;
    if (t != CR_F16)
        return got == (t == CR_F64 ? nextafter((double)x, (double)y) : (number)nextafterf((float)x, (float)y));
    uint16_t bits = cr_double_to_half((double)got), from = cr_double_to_half((double)x);
    if (x == y)
        return got == y;
    return x == 0 ? bits == (y < 0 ? 0x8001 : 1) : (got > x) == (y > x) && (bits - from == 1 || from - bits == 1);
}

/* Is item i of the result right? items[k][i * steps[k]] are the arguments. */
static bool right(cr_map_op op, const cr_dtype *loop, cr_dtype out, const void *const *items, const int64_t *steps, int64_t i, const void *result) {
    char expected[8] = {0};
    const size_t size = cr_dtype_size(out);
    number v[3] = {0};
    for (int k = 0; k < ops[op].arity; k++)
        v[k] = get_number(loop[k], items[k], i * steps[k]);
    bool truth = false;
    if (op == CR_MAP_WHERE) {
        int from = v[0] != 0 ? 1 : 2;
        memcpy(expected, (const char *)items[from] + i * steps[from] * (int64_t)size, size);
        return memcmp(expected, (const char *)result + i * (int64_t)size, size) == 0;
    }
    if (on_truth(op, v, &truth))
        return get_number(CR_BOOL, result, i) == truth;
    if (cr_dtype_kind(out) == 'f') {
        double a[3] = {(double)v[0], (double)v[1], (double)v[2]};
        if (op == CR_MAP_FLOOR_DIVIDE)
            return floor_quotient_ok(v[0], v[1], get_number(out, result, i));
        number maths;
        if (on_maths(op, v[0], v[1], &maths))
            return maths_right(op, out, v[0], v[1], get_number(out, result, i));
        if (op == CR_MAP_NEXTAFTER)
            return next_right(out, v[0], v[1], get_number(out, result, i));
        double e = on_floats(op, out, a);
        put_number(out, expected, 0, out == CR_F16 ? (double)(float)e : e);   /* float16 goes through float32 */
        if (is_nan_item(out, expected, 0))
            return is_nan_item(out, result, i);
    } else {
        wide a[3] = {(wide)v[0], (wide)v[1], (wide)v[2]}, e = 0;
        if (out == CR_BOOL)                                  /* sums and products of bools are or and and */
            op = op == CR_MAP_ADD ? CR_MAP_BITWISE_OR : op == CR_MAP_MULTIPLY ? CR_MAP_BITWISE_AND : op;
        const wide bits = 8 * (wide)size;
        if (op == CR_MAP_LEFT_SHIFT)
            e = a[1] < 0 || a[1] >= bits ? 0 : (wide)((unsigned __int128)a[0] << (int)a[1]);
        else if (op == CR_MAP_RIGHT_SHIFT)
            e = a[1] < 0 || a[1] >= bits ? (a[0] < 0 ? -1 : 0) : a[0] >> (int)a[1];
        else
            ck_assert(on_integers(op, a, &e));
        if (out == CR_BOOL && op == CR_MAP_INVERT)
            e = !v[0];
        uint64_t low = (uint64_t)e;
        memcpy(expected, &low, size);
    }
    return memcmp(expected, (const char *)result + i * (int64_t)size, size) == 0;
}

static char args_memory[3][(LONGEST + 1) * 8 + 16], repeated[3][(LONGEST + 1) * 8 + 16], results[LEVELS][(LONGEST + 1) * 8 + 16];

/* One call per level, with the arguments at `at` bytes from an aligned place; then once more with every value in a row, and in place. */
static void check_call(cr_map_op op, const cr_dtype *loop, cr_dtype out, const int64_t *steps, int64_t n, bool shifted) {
    const void *items[3], *rows[3];
    const int64_t ones[3] = {1, 1, 1};
    const size_t bytes = (size_t)n * cr_dtype_size(out);
    const size_t out_at = shifted ? cr_dtype_size(out) : 0;
    for (int k = 0; k < ops[op].arity; k++) {
        const size_t size = cr_dtype_size(loop[k]);
        items[k] = args_memory[k] + (shifted ? size : 0);
        rows[k] = repeated[k];
        for (int64_t i = 0; i < n; i++)
            memcpy(repeated[k] + i * (int64_t)size, (const char *)items[k] + i * steps[k] * (int64_t)size, size);
    }
    for (int level = 0; level < LEVELS; level++) {
        cr_map_kernel f = cr_kernel_map(level, op, loop);
        char *result = results[level] + out_at;
        memset(results[level], 0x5A, sizeof results[level]);
        f(n, result, items, steps, NULL);
        for (int64_t i = 0; i < n; i++)
            if (!right(op, loop, out, items, steps, i, result))
                ck_abort_msg("%s of %s, level %d, item %d of %d: (%.20Lg, %.20Lg, %.20Lg) gives %.20Lg", ops[op].name, cr_dtype_name(loop[ops[op].arity - 1]),
                             level, (int)i, (int)n, get_number(loop[0], items[0], i * steps[0]),
                             ops[op].arity > 1 ? get_number(loop[1], items[1], i * steps[1]) : 0,
                             ops[op].arity > 2 ? get_number(loop[2], items[2], i * steps[2]) : 0, get_number(out, result, i));
        if (memcmp(results[0], results[level], sizeof results[0]) != 0)
            ck_abort_msg("%s of %s: level %d has other bits", ops[op].name, cr_dtype_name(loop[0]), level);
        char row_result[(LONGEST + 1) * 8];
        f(n, row_result, rows, ones, NULL);
        if (memcmp(row_result, result, bytes) != 0)
            ck_abort_msg("%s of %s, level %d: a repeated value gives other bits", ops[op].name, cr_dtype_name(loop[0]), level);
        for (int k = 0; k < ops[op].arity; k++) {
            if (cr_dtype_size(loop[k]) != cr_dtype_size(out))
                continue;
            char place[(LONGEST + 1) * 8];
            const void *mine[3] = {items[0], items[1], items[2]};
            memcpy(place, rows[k], bytes);
            mine[k] = place;
            f(n, place, mine, steps, NULL);
            if (memcmp(place, result, bytes) != 0)
                ck_abort_msg("%s of %s, level %d: other bits in the place of argument %d", ops[op].name, cr_dtype_name(loop[0]), level, k);
        }
    }
}

START_TEST(every_operation) {
    cr_map_op op = (cr_map_op)_i;
    uint64_t random = 5;
    for (int a = 0; a <= CR_F64; a++)
        for (int b = 0; b <= CR_F64; b++) {
            cr_dtype types[3] = {(cr_dtype)a, (cr_dtype)(ops[op].arity == 1 ? a : b), (cr_dtype)b}, loop[3] = {0}, out = CR_BOOL;
            if (op == CR_MAP_WHERE)
                types[0] = CR_BOOL, types[1] = (cr_dtype)b;
            bool mixed = (a == CR_I64 && b == CR_U64) || (a == CR_U64 && b == CR_I64);
            if ((a != b && !mixed) || cr_map_resolve(op, ops[op].arity, types, NULL, loop, &out, NULL) != CR_OK)
                continue;
            for (int64_t n = 0; n <= LONGEST; n++)
                for (int shape = 0; shape < 1 << ops[op].arity; shape++) {
                    const int64_t steps[3] = {shape & 1, shape >> 1 & 1, shape >> 2 & 1};
                    for (int k = 0; k < ops[op].arity; k++)
                        fill_wild(loop[k], args_memory[k], LONGEST + 2, &random);
                    check_call(op, loop, out, steps, n, n & 1);
                }
        }
}
END_TEST

/* exp, sin and their like over the range of each type and where results are of moderate size, in rows that are longer than what the loops take at
 * once; one by one, they have the same bits. */
START_TEST(maths_by_far) {
    enum { N = 1501 };
    static double rows[2][N], results[LEVELS][N], single;
    static const cr_dtype types[] = {CR_F16, CR_F32, CR_F64};
    const cr_map_op op = (cr_map_op)_i;
    number unused;
    uint64_t random = 7;
    if (!on_maths(op, 1, 1, &unused))
        return;
    for (int t = 0; t < 3; t++)
        for (int spread = 0; spread < 4; spread++) {
            const int reach[] = {1, 6, 40, types[t] == CR_F64 ? 1080 : types[t] == CR_F32 ? 150 : 25};
            const cr_dtype loop[2] = {types[t], types[t]};
            const size_t size = cr_dtype_size(types[t]);
            for (int k = 0; k < 2; k++)
                for (int64_t i = 0; i < N; i++) {
                    const int e = (int)(next_random(&random) % (unsigned)(2 * reach[spread])) - reach[spread];
                    put_number(types[t], rows[k], i, ldexp((double)(int64_t)next_random(&random), e - 62));
                }
            for (int level = 0; level < LEVELS; level++) {
                const cr_map_kernel f = cr_kernel_map(level, op, loop);
                const void *args[2] = {rows[0], rows[1]};
                const int64_t ones[2] = {1, 1};
                f(N, results[level], args, ones, NULL);
                ck_assert_msg(memcmp(results[0], results[level], N * size) == 0, "%s of %s: level %d has other bits", ops[op].name,
                              cr_dtype_name(types[t]), level);
                for (int64_t i = level; i < N; i += 7) {
                    const void *one[2] = {(char *)rows[0] + (size_t)i * size, (char *)rows[1] + (size_t)i * size};
                    f(1, &single, one, ones, NULL);
                    ck_assert_msg(memcmp(&single, (char *)results[level] + (size_t)i * size, size) == 0, "%s of %s, level %d: other bits alone",
                                  ops[op].name, cr_dtype_name(types[t]), level);
                }
            }
            for (int64_t i = 0; i < N; i++) {
                const number x = get_number(types[t], rows[0], i), y = get_number(types[t], rows[1], i), got = get_number(types[t], results[0], i);
                ck_assert_msg(maths_right(op, types[t], x, y, got), "%s of %s: (%.20Lg, %.20Lg) gives %.20Lg", ops[op].name, cr_dtype_name(types[t]), x,
                              y, got);
            }
        }
}
END_TEST

/* ---- unpacking -------------------------------------------------------------------------------------------------- */

static double round_as(cr_dtype t, double v) {
    char item[8];
    put_number(t, item, 0, v);
    return (double)get_number(t, item, 0);
}

/* One value, as the definition in map_table.h says. */
static void unpack_plainly(cr_dtype raw, const cr_packing *p, const void *items, int64_t i, void *ret) {
    number x = get_number(raw, items, i);
    bool missing = false;
    for (int k = 0; k < p->n_fills; k++) {
        if (cr_dtype_kind(p->compare_dtype) != 'f')
            missing |= raw == CR_U64 ? (uint64_t)p->fills_exact[k] == (uint64_t)x : (number)p->fills_exact[k] == x;
        else
            missing |= p->compare_dtype == CR_F32 ? (float)x == (float)p->fills[k] : (double)x == p->fills[k];
    }
    double v = p->scale_dtype == CR_F32 ? (double)(float)x : (double)x;
    if (p->has_scale)
        v = round_as(p->scale_dtype, v * round_as(p->scale_dtype, p->scale));
    if (p->has_offset)
        v = round_as(p->scale_dtype, v + round_as(p->scale_dtype, p->offset));
    put_number(p->out_dtype, ret, 0, missing ? NAN : v);
}

static void check_unpack(cr_dtype raw, const cr_packing *p) {
    static char items[80 * 8], out[LEVELS][80 * 8];
    uint64_t imm[32], random = 17;
    cr_err err = CR_ERR_INIT;
    const size_t out_size = cr_dtype_size(p->out_dtype);
    ck_assert_uint_le(cr_map_imm_size(), sizeof imm);
    fill_wild(raw, items, 80, &random);
    for (int i = 0; i < 80; i += 3)                          /* fills, and their neighbours */
        put_number(raw, items, i, i % 2 ? -7 : i % 4 ? 100 : -999);
    for (int level = 0; level < LEVELS; level++)
        for (int64_t n = 0; n < 80; n += n < 20 ? 1 : 19)
            for (int64_t step = 0; step < 2; step++) {
                const void *arg = items;
                ck_assert_ok(cr_unpack_prepare(level, raw, p, imm, &err));
                cr_map_kernel f = cr_kernel_unpack(level, raw, p);
                memset(out[level], 0, sizeof out[level]);
                f(n, out[level], &arg, &step, imm);
                for (int64_t i = 0; i < n; i++) {
                    char expected[8] = {0};
                    unpack_plainly(raw, p, items, i * step, expected);
                    bool same = memcmp(expected, out[level] + i * (int64_t)out_size, out_size) == 0 ||
                                (is_nan_item(p->out_dtype, expected, 0) && is_nan_item(p->out_dtype, out[level], i));
                    if (!same)
                        ck_abort_msg("%s to %s, level %d: %.12Lg gives %.12Lg, expected %.12Lg", cr_dtype_name(raw), cr_dtype_name(p->out_dtype),
                                     level, get_number(raw, items, i * step), get_number(p->out_dtype, out[level], i),
                                     get_number(p->out_dtype, expected, 0));
                }
            }
    ck_assert(memcmp(out[0], out[1], sizeof out[0]) == 0 && memcmp(out[0], out[2], sizeof out[0]) == 0);
}

START_TEST(every_packing) {
    static const cr_dtype floats[] = {CR_F32, CR_F64};
    for (int raw = 0; raw <= CR_F64; raw++)
        for (int s = 0; s < 2; s++)
            for (int o = 0; o < 3; o++)
                for (int fills = 0; fills <= 4; fills++)
                    for (int which = 0; which < 4; which++) {
                        cr_packing p = {.has_scale = which & 1, .has_offset = which & 2, .scale = 0.01, .offset = 273.15, .scale_dtype = floats[s],
                                        .out_dtype = o == 2 ? CR_F16 : floats[o], .n_fills = fills, .fills = {-999, 100, NAN, -7},
                                        .fills_exact = {-999, 100, 101, -7}};
                        if (!which)
                            p.scale_dtype = o == 0 ? CR_F32 : o == 1 ? CR_F64 : CR_F32;
                        if (!which && o == 2 && raw != CR_F16 && raw != CR_F32 && raw > CR_I16)
                            continue;                        /* to float16 by way of float32 only where that is exact */
                        p.compare_dtype = CR_F32;
                        if (raw != CR_F64 || s == 0)
                            check_unpack((cr_dtype)raw, &p);
                        p.compare_dtype = CR_F64;
                        check_unpack((cr_dtype)raw, &p);
                        p.compare_dtype = (cr_dtype)raw;
                        if (raw != CR_BOOL && raw != CR_F16)
                            check_unpack((cr_dtype)raw, &p);
                    }
}
END_TEST

START_TEST(packing_rules) {
    cr_err err = CR_ERR_INIT;
    uint64_t imm[32];
    cr_packing p = {.n_fills = 1, .fills = {-2147483647.0}, .compare_dtype = CR_F32, .has_scale = true, .scale = 1, .scale_dtype = CR_F32, .out_dtype = CR_F32};
    const int32_t raw[3] = {-2147483647, INT32_MIN, -2147483000};
    const void *arg = raw;
    const int64_t one = 1;
    float out[3];
    /* Compared as float32, neighbours of the fill are the fill too; compared exactly, it alone is. */
    ck_assert_ok(cr_unpack_prepare(-1, CR_I32, &p, imm, &err));
    cr_kernel_unpack(-1, CR_I32, &p)(3, out, &arg, &one, imm);
    ck_assert(isnan(out[0]) && isnan(out[1]) && !isnan(out[2]));
    p.compare_dtype = CR_I32;
    p.fills_exact[0] = -2147483647;
    ck_assert_ok(cr_unpack_prepare(-1, CR_I32, &p, imm, &err));
    cr_kernel_unpack(-1, CR_I32, &p)(3, out, &arg, &one, imm);
    ck_assert(isnan(out[0]) && !isnan(out[1]) && !isnan(out[2]));
    /* A fill outside the raw type never matches. */
    p.compare_dtype = CR_F64;
    p.fills[0] = 1e20;
    ck_assert_ok(cr_unpack_prepare(-1, CR_I32, &p, imm, &err));
    cr_kernel_unpack(-1, CR_I32, &p)(3, out, &arg, &one, imm);
    ck_assert(!isnan(out[0]) && !isnan(out[1]));
    /* Two roundings: no fused multiply-add. */
    cr_packing q = {.has_scale = true, .has_offset = true, .scale = 0.1, .offset = 0.3, .scale_dtype = CR_F64, .out_dtype = CR_F64};
    const int16_t seven = 7;
    double v;
    arg = &seven;
    volatile double product = 7 * 0.1;
    for (int level = 0; level < LEVELS; level++) {
        ck_assert_ok(cr_unpack_prepare(level, CR_I16, &q, imm, &err));
        cr_kernel_unpack(level, CR_I16, &q)(1, &v, &arg, &one, imm);
        ck_assert(v == product + 0.3);
    }
    p.out_dtype = CR_I32;
    ck_assert_fails(cr_unpack_prepare(-1, CR_I32, &p, imm, &err), CR_TYPE);
    ck_assert_ptr_null(cr_kernel_unpack(-1, CR_I32, &p));
    q.scale_dtype = CR_I64;
    ck_assert_fails(cr_unpack_prepare(-1, CR_I16, &q, imm, &err), CR_TYPE);
    ck_assert_fails(cr_unpack_prepare(-1, CR_BYTES, &q, imm, &err), CR_TYPE);
    q = (cr_packing){.n_fills = 5, .out_dtype = CR_F32};
    ck_assert_fails(cr_unpack_prepare(-1, CR_I16, &q, imm, &err), CR_INVALID);
}
END_TEST

START_TEST(levels) {
    int best = cr_simd_pick(-1);
    ck_assert_int_ge(best, 0);
    ck_assert_int_eq(cr_simd_pick(0), 0);
    ck_assert_int_eq(cr_simd_pick(99), best);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kernel_map");
    TCase *t = tcase_create("map");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_operation, 0, CR_MAP_COUNT);
    tcase_add_loop_test(t, maths_by_far, 0, CR_MAP_COUNT);
    tcase_add_test(t, every_packing);
    tcase_add_test(t, packing_rules);
    tcase_add_test(t, levels);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
