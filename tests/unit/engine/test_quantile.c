/* test_quantile.c - order statistics through the public header: against plain sorting, for every type and method, under small limits. */
#include "../check_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/error.h"
#include "base/poison.h"
#include "craton/craton.h"

enum { TIME = 61, Y = 9, X = 7, SIZE = TIME * Y * X };

static double data[SIZE];

static double noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (double)(1 << 24);
}

static void make_data(double missing) {
    uint32_t state = 7;
    for (int i = 0; i < SIZE; i++) {
        double v = floor(noise(&state) * 200) - 100;
        data[i] = noise(&state) < missing ? NAN : v;
    }
}

static cr_array *source(cr_dtype dtype) {
    const int64_t shape[] = {TIME, Y, X}, chunks[] = {8, 4, 3};
    cr_array *a, *b;
    ck_assert_int_eq(cr_array_from_memory(CR_F64, 0, 3, shape, NULL, chunks, data, NULL, NULL, &a, NULL), CR_OK);
    ck_assert_int_eq(cr_array_cast(a, dtype, &b, NULL), CR_OK);
    cr_array_unref(a);
    return b;
}

static cr_context *context_at(int threads, uint64_t limit, int simd_level) {
    cr_context_options o = {.threads = threads, .memory_limit_bytes = limit, .simd_level = simd_level};
    cr_context *c;
    ck_assert_int_eq(cr_context_new(&o, &c, NULL), CR_OK);
    return c;
}

static cr_context *context(int threads, uint64_t limit) { return context_at(threads, limit, -1); }

static void compute(cr_array *a, void *out) {
    cr_context *c = context(2, 0);
    cr_err err = CR_ERR_INIT;
    ck_assert_msg(cr_compute(c, 1, &a, &out, &err) == CR_OK, "%s", err.message);
    cr_context_free(c);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The values of one place (y, x) with code g, or all when codes is NULL, sorted; without NaN. */
static int series(int y, int x, const int32_t *codes, int g, double *out) {
    int n = 0;
    for (int t = 0; t < TIME; t++) {
        double v = data[(t * Y + y) * X + x];
        if ((codes == NULL || codes[t] == g) && v == v)
            out[n++] = v;
    }
    qsort(out, (size_t)n, sizeof *out, ascending);
    return n;
}

static double linear(const double *sorted, int n, double q) {
    if (n == 0)
        return NAN;
    double at = (n - 1) * q;
    int below = (int)floor(at), above = below + 1 < n ? below + 1 : below;
    double t = at - below, d = sorted[above] - sorted[below];
    return t >= 0.5 ? sorted[above] - d * (1 - t) : sorted[below] + d * t;
}

static void same(double answer, double expected) {
    if (expected != expected)
        ck_assert(answer != answer);
    else
        ck_assert_double_eq(answer, expected);
}

START_TEST(quantiles_over_time) {
    const double q[] = {0.9, 0, 0.25, 1, 0.5};
    double out[5][Y][X], sorted[TIME];
    const int axis = 0;
    make_data(_i == 0 ? 0.0 : 0.3);
    cr_array *a = source(CR_F64), *v;
    cr_quantile_options o = {.skipna = true};
    ck_assert_int_eq(cr_array_quantile(a, 1, &axis, 5, q, &o, &v, NULL), CR_OK);
    ck_assert_str_eq(cr_array_op(v), "quantile");
    ck_assert_int_eq(cr_array_ndim(v), 3);
    ck_assert_int_eq(cr_array_shape(v)[0], 5);
    compute(v, out);
    for (int y = 0; y < Y; y++)
        for (int x = 0; x < X; x++) {
            int n = series(y, x, NULL, 0, sorted);
            for (int i = 0; i < 5; i++)
                same(out[i][y][x], linear(sorted, n, q[i]));
        }
    cr_array_unref(v);
    cr_array_unref(a);
}
END_TEST

START_TEST(medians_by_group) {
    int32_t codes[TIME];
    double out[5][Y][X], sorted[TIME];
    const int axis = 0;
    make_data(0.2);
    for (int t = 0; t < TIME; t++)
        codes[t] = t % 7 == 6 ? -1 : t * t % 4;          /* of the groups 0 to 4, only 0 and 1 have members */
    cr_array *a = source(CR_F64), *v;
    cr_quantile_options o = {.skipna = true};
    ck_assert_int_eq(cr_array_median_group(a, 1, &axis, codes, 5, &o, &v, NULL), CR_OK);
    ck_assert_str_eq(cr_array_op(v), "median");
    compute(v, out);
    for (int g = 0; g < 5; g++)
        for (int y = 0; y < Y; y++)
            for (int x = 0; x < X; x++) {
                int n = series(y, x, codes, g, sorted);
                same(out[g][y][x], n == 0 ? NAN : (sorted[(n - 1) / 2] + sorted[n / 2]) / 2);
            }
    cr_array_unref(v);
    cr_array_unref(a);
}
END_TEST

START_TEST(nan_is_passed_on) {
    double out[Y], expected[Y];
    const int axes[] = {-1, 0};
    make_data(0.001);
    for (int y = 0; y < Y; y++) {
        expected[y] = 0;
        for (int t = 0; t < TIME; t++)
            for (int x = 0; x < X; x++)
                expected[y] += data[(t * Y + y) * X + x];
    }
    cr_array *a = source(CR_F64), *v;
    ck_assert_int_eq(cr_array_median(a, 2, axes, NULL, &v, NULL), CR_OK);
    compute(v, out);
    int missing = 0;
    for (int y = 0; y < Y; y++) {
        ck_assert_int_eq(isnan(out[y]) != 0, isnan(expected[y]) != 0);
        missing += isnan(out[y]) != 0;
    }
    ck_assert_int_gt(missing, 0);
    ck_assert_int_lt(missing, Y);
    cr_array_unref(v);
    cr_array_unref(a);
}
END_TEST

/* Every type holds the same numbers, so every type must give the same quantiles. */
START_TEST(types_agree) {
    static const cr_dtype types[] = {CR_I8, CR_I16, CR_I32, CR_I64, CR_F16, CR_F32, CR_F64, CR_U8, CR_U16, CR_U32, CR_U64};
    const double q[] = {0.1, 0.5, 0.77};
    double reference[3 * X], answer[3 * X];
    const int axes[] = {0, 1};
    make_data(0);
    for (int i = 0; i < SIZE; i++)
        data[i] = fabs(data[i]);
    for (size_t t = 0; t < CR_ARRAY_LEN(types); t++) {
        cr_array *a = source(types[t]), *v;
        ck_assert_int_eq(cr_array_quantile(a, 2, axes, 3, q, NULL, &v, NULL), CR_OK);
        ck_assert_int_eq(cr_array_dtype(v), CR_F64);
        compute(v, t == 0 ? reference : answer);
        if (t > 0)
            ck_assert_mem_eq(answer, reference, sizeof reference);
        cr_array_unref(v);
        cr_array_unref(a);
    }
}
END_TEST

/* Of 0, 1, ... 9 and one quantile, by each method: what numpy.quantile(numpy.arange(10.), 0.33, method=...) says. */
START_TEST(methods) {
    static const double expected[CR_QUANTILE_METHOD_COUNT] = {
        [CR_QUANTILE_LINEAR] = 2.97, [CR_QUANTILE_INVERTED_CDF] = 3, [CR_QUANTILE_AVERAGED_INVERTED_CDF] = 3,
        [CR_QUANTILE_CLOSEST_OBSERVATION] = 2, [CR_QUANTILE_INTERPOLATED_INVERTED_CDF] = 2.3, [CR_QUANTILE_HAZEN] = 2.8,
        [CR_QUANTILE_WEIBULL] = 2.63, [CR_QUANTILE_MEDIAN_UNBIASED] = 2.7433333333333336, [CR_QUANTILE_NORMAL_UNBIASED] = 2.7575,
        [CR_QUANTILE_LOWER] = 2, [CR_QUANTILE_HIGHER] = 3, [CR_QUANTILE_MIDPOINT] = 2.5, [CR_QUANTILE_NEAREST] = 3};
    const double ten[] = {7, 3, 0, 9, 1, 8, 2, 6, 4, 5}, q = 0.33;
    const int64_t shape = 10;
    cr_array *a;
    ck_assert_int_eq(cr_array_copy_memory(CR_F64, 1, &shape, ten, &a, NULL), CR_OK);
    for (int m = 0; m < CR_QUANTILE_METHOD_COUNT; m++) {
        cr_quantile_options o;
        memset(&o, 0, sizeof o);
        double out;
        cr_array *v;
        ck_assert_int_eq(cr_quantile_method_find(cr_quantile_method_name((cr_quantile_method)m), &o.method, NULL), CR_OK);
        ck_assert_int_eq(cr_array_quantile(a, 0, NULL, 1, &q, &o, &v, NULL), CR_OK);
        compute(v, &out);
        ck_assert_double_eq_tol(out, expected[m], 1e-14);
        cr_array_unref(v);
    }
    cr_array_unref(a);
}
END_TEST

/* ---- more values than the memory limit ---- */

enum { MANY = 16 << 20, LIMIT = 8 << 20 };

/* A permutation of 0, 1, ... MANY - 1, less MANY / 2. */
static cr_status read_many(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *err) {
    for (int64_t i = 0; i < count[0]; i++)
        ((double *)dst)[i] = (double)((start[0] + i) * 7368787 % MANY - MANY / 2);
    return CR_OK;
}

START_TEST(a_series_longer_than_memory) {
    const int64_t shape = MANY, chunk = 50000;
    const double q[] = {0, 0.25, 0.9, 1};
    double out[4], median;
    void *const to[] = {out, &median};
    struct rusage before, after;
    cr_err err = CR_ERR_INIT;
    cr_array *a, *both[2];
    ck_assert_ok(cr_array_from_callback(CR_F64, 0, 1, &shape, &chunk, false, read_many, NULL, NULL, &a, &err));
    ck_assert_ok(cr_array_quantile(a, 0, NULL, 4, q, NULL, &both[0], &err));
    ck_assert_ok(cr_array_median(a, 0, NULL, NULL, &both[1], &err));
    cr_context *c = context(2, LIMIT);
    getrusage(RUSAGE_SELF, &before);
    ck_assert_ok(cr_compute(c, 2, both, to, &err));
    getrusage(RUSAGE_SELF, &after);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(out[i], (MANY - 1) * q[i] - MANY / 2);
    ck_assert_double_eq(median, -0.5);
    ck_assert_uint_le(cr_context_peak_bytes(c), LIMIT);
#if !defined(CR_POISONS) && !defined(__SANITIZE_THREAD__) /* which have memory of their own */
    ck_assert_int_le((after.ru_maxrss - before.ru_maxrss) * 1024, LIMIT);
#endif
    cr_context_free(c);
    for (int i = 0; i < 2; i++)
        cr_array_unref(both[i]);
    cr_array_unref(a);
}
END_TEST

/* The same bits when series are held whole, when some are, and when none is; plain, by group along one axis, and along several. */
START_TEST(memory_changes_no_bit) {
    static const uint64_t limits[] = {0, 3 << 20, 3 << 19, 5 << 18};
    const int64_t shape[] = {400, 30, 20}, chunks[] = {50, 30, 20};
    const double q[] = {0.1, 0.77};
    const int axes[] = {0, 1};
    static double values[400 * 30 * 20];
    static int32_t codes[400 * 30];
    static double out[4][3][2 * 3 * 600], reference[3][2 * 3 * 600];
    uint32_t state = 5;
    cr_err err = CR_ERR_INIT;
    cr_array *a, *asked[3];
    for (int i = 0; i < 400 * 30 * 20; i++)
        values[i] = noise(&state) < 0.1 ? NAN : floor(noise(&state) * 1e4) / 7 - 300;
    for (int i = 0; i < 400 * 30; i++)
        codes[i] = (int32_t)(noise(&state) * 4) - 1;
    ck_assert_ok(cr_array_from_memory(CR_F64, 0, 3, shape, NULL, chunks, values, NULL, NULL, &a, &err));
    cr_quantile_options o;
    memset(&o, 0, sizeof o);
    o.skipna = true;
    ck_assert_ok(cr_array_quantile(a, 2, axes, 2, q, &o, &asked[0], &err));
    ck_assert_ok(cr_array_quantile_group(a, 1, axes, codes, 3, 2, q, &o, &asked[1], &err));
    ck_assert_ok(cr_array_median_group(a, 2, axes, codes, 3, &o, &asked[2], &err));
    for (size_t l = 0; l < CR_ARRAY_LEN(limits); l++) {
        cr_context *c = context_at(1 + (int)l, limits[l], (int)l % 2);
        void *const to[] = {out[l][0], out[l][1], out[l][2]};
        for (int i = 0; i < 3; i++)
            ck_assert_ok(cr_compute(c, 1, &asked[i], &to[i], &err));
        cr_context_free(c);
        if (l == 0)
            memcpy(reference, out[0], sizeof reference);
        ck_assert_msg(memcmp(out[l], reference, sizeof reference) == 0, "with the limit %d the bits differ", (int)l);
    }
    for (int i = 0; i < 3; i++)
        cr_array_unref(asked[i]);
    cr_array_unref(a);
}
END_TEST

/* Both ways of ranking, at every SIMD level, of every type: by rows of series, and series by series (more quantiles than rows are good for). */
START_TEST(ways_and_levels_agree) {
    static const cr_dtype types[] = {CR_BOOL, CR_I8, CR_I16, CR_I32, CR_I64, CR_F16, CR_F32, CR_F64, CR_U8, CR_U16, CR_U32, CR_U64};
    enum { ROWS = 77, COLUMNS = 150 };
    const int64_t shape[] = {ROWS, COLUMNS}, chunks[] = {10, COLUMNS};
    const double q[] = {0.3, 0.95, 0, 0.5, 1};
    const int axis = 0;
    static double values[ROWS * COLUMNS];
    static uint64_t few[2][2][COLUMNS], many[5][COLUMNS];
    uint32_t state = 11;
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = floor(noise(&state) * 120);
    ck_assert_ok(cr_array_from_memory(CR_F64, 0, 2, shape, NULL, chunks, values, NULL, NULL, &a, &err));
    for (size_t t = 0; t < CR_ARRAY_LEN(types); t++) {
        cr_array *b, *v;
        cr_quantile_options o;
        memset(&o, 0, sizeof o);
        o.method = CR_QUANTILE_NEAREST;
        ck_assert_ok(cr_array_cast(a, types[t], &b, &err));
        for (int simd = 0; simd < 2; simd++) {
            cr_context *c = context_at(2, 0, simd);
            void *to = few[simd];
            ck_assert_ok(cr_array_quantile(b, 1, &axis, 2, q, &o, &v, &err));
            ck_assert_ok(cr_compute(c, 1, &v, &to, &err));
            cr_array_unref(v);
            to = many;
            ck_assert_ok(cr_array_quantile(b, 1, &axis, 5, q, &o, &v, &err));
            ck_assert_ok(cr_compute(c, 1, &v, &to, &err));
            ck_assert_msg(memcmp(few[simd], many, 2 * COLUMNS * cr_array_itemsize(v)) == 0, "%s: the ways differ", cr_dtype_name(types[t]));
            cr_array_unref(v);
            cr_context_free(c);
        }
        ck_assert_msg(memcmp(few[0], few[1], sizeof few[0]) == 0, "%s: levels differ", cr_dtype_name(types[t]));
        cr_array_unref(b);
    }
    cr_array_unref(a);
}
END_TEST

/* ---- near an end, where only a part of each series is held ---- */

enum { DAYS = 700, ROWS_NEAR = 10, COLUMNS_NEAR = 23, PLACES = ROWS_NEAR * COLUMNS_NEAR };

/* Any bits, many of them those of the largest and the least number, of infinities and zeros; or rising or falling along the days, so that every value, or none, is
 * among the largest when it comes. */
static void fill_days(char *values, size_t item, int kind, bool floats, uint32_t *state) {
    static const uint64_t special[] = {0, ~0ull, 1ull << 63, ~0ull >> 1, 0x7FF0000000000000, 0xFFF0000000000000, 1};
    for (int64_t i = 0; i < (int64_t)DAYS * PLACES; i++) {
        uint64_t bits = (uint64_t)(noise(state) * 0xFFFFFFFF);
        bits ^= (uint64_t)*state << 32;
        if (noise(state) < 0.2)
            bits = special[(int)(noise(state) * 7)];
        if (kind > 0) {
            int64_t day = i / PLACES;
            bits = (uint64_t)(kind == 1 ? day : DAYS - day) << (floats ? 52 : 54);
        }
        bits >>= 8 * (8 - item);
        memcpy(values + (size_t)i * item, &bits, item);
    }
}

static cr_array *near_an_end(cr_array *a, int n_q, const double *q, const cr_quantile_options *o, bool grouped) {
    static const int32_t one_group[DAYS];
    const int axis = 0;
    cr_err err = CR_ERR_INIT;
    cr_array *v;
    if (grouped)
        ck_assert_ok(cr_array_quantile_group(a, 1, &axis, one_group, 1, n_q, q, o, &v, &err));
    else
        ck_assert_ok(cr_array_quantile(a, 1, &axis, n_q, q, o, &v, &err));
    return v;
}

static bool is_sifted(cr_context *c, cr_array *v, const char *which) {
    char *text, wanted[64];
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_explain(c, 1, &v, &text, &err));
    snprintf(wanted, sizeof wanted, "%s values at hand", which);
    bool found = strstr(text, wanted) != NULL;
    cr_free(text);
    return found;
}

/* The bits of ranking whole series (one group of all days, which is never done in parts), for all types and methods, at every SIMD level, for several workers and
 * units. */
START_TEST(a_part_of_each_series) {
    static const cr_dtype types[] = {CR_I16, CR_U16, CR_F16, CR_I32, CR_U32, CR_F32, CR_I64, CR_U64, CR_F64};
    static const double q[4][2] = {{0.9, 0.9}, {0.02, 0.17}, {1, 0.95}, {0, 0}};
    const int64_t shape[] = {DAYS, ROWS_NEAR, COLUMNS_NEAR}, chunks[] = {37, 6, COLUMNS_NEAR};
    static char values[DAYS * PLACES * 8], part[2 * PLACES * 8], whole[2 * PLACES * 8];
    uint32_t state = 3;
    int method = 0;
    cr_err err = CR_ERR_INIT;
    for (size_t t = 0; t < CR_ARRAY_LEN(types); t++)
        for (int kind = 0; kind < 3; kind++) {
            cr_array *a;
            fill_days(values, cr_dtype_size(types[t]), kind, cr_dtype_kind(types[t]) == 'f', &state);
            ck_assert_ok(cr_array_from_memory(types[t], 0, 3, shape, NULL, chunks, values, NULL, NULL, &a, &err));
            for (int i = 0; i < 4; i++) {
                cr_quantile_options o;
                memset(&o, 0, sizeof o);
                o.skipna = (kind + i) % 3 != 0;
                o.own_type = i == 2;
                o.method = (cr_quantile_method)(method++ % CR_QUANTILE_METHOD_COUNT);
                cr_array *sifted = near_an_end(a, 1 + i % 2, q[i], &o, false), *all = near_an_end(a, 1 + i % 2, q[i], &o, true);
                size_t bytes = (size_t)(1 + i % 2) * PLACES * cr_array_itemsize(sifted);
                cr_context *c = context_at(1 + i % 3, i == 3 ? 4 << 20 : 0, (i + kind) % 2);
                void *to[] = {part, whole};
                ck_assert_msg(is_sifted(c, sifted, i % 2 ? "smallest" : "largest") && !is_sifted(c, all, ""), "%s, %g", cr_dtype_name(types[t]), q[i][0]);
                ck_assert_ok(cr_compute(c, 1, &sifted, &to[0], &err));
                ck_assert_ok(cr_compute(c, 1, &all, &to[1], &err));
                ck_assert_msg(memcmp(part, whole, bytes) == 0, "%s, %s, quantile %g, values of kind %d", cr_dtype_name(types[t]),
                              cr_quantile_method_name(o.method), q[i][0], kind);
                cr_context_free(c);
                cr_array_unref(sifted);
                cr_array_unref(all);
            }
            cr_array_unref(a);
        }
}
END_TEST

/* Against sorting, over several axes and with places that are no multiple of a row; and what it is for: less memory than the values take. */
START_TEST(a_part_takes_less_memory) {
    enum { LONG = 3000, WIDE = 300 };
    const int64_t shape[] = {LONG / 3, 3, WIDE}, chunks[] = {20, 2, WIDE};
    const int axes[] = {0, 1};
    static const double q[] = {0.9, 0.99};
    static float values[LONG][WIDE];
    static double out[2][WIDE], sorted[LONG];
    uint32_t state = 9;
    cr_err err = CR_ERR_INIT;
    cr_array *a, *v;
    for (int i = 0; i < LONG; i++)
        for (int k = 0; k < WIDE; k++)
            values[i][k] = noise(&state) < (k == 7 ? 1.0 : k * 0.002) ? NAN : (float)floor(noise(&state) * 500);
    ck_assert_ok(cr_array_from_memory(CR_F32, 0, 3, shape, NULL, chunks, values, NULL, NULL, &a, &err));
    cr_quantile_options o;
    memset(&o, 0, sizeof o);
    o.skipna = true;
    ck_assert_ok(cr_array_quantile(a, 2, axes, 2, q, &o, &v, &err));
    cr_context *c = context(2, 0);
    void *to = out;
    ck_assert_ok(cr_compute(c, 1, &v, &to, &err));
    ck_assert_uint_le(cr_context_peak_bytes(c), sizeof values / 2);
    for (int k = 0; k < WIDE; k++) {
        int n = 0;
        for (int i = 0; i < LONG; i++)
            if (values[i][k] == values[i][k])
                sorted[n++] = (double)values[i][k];
        qsort(sorted, (size_t)n, sizeof *sorted, ascending);
        for (int i = 0; i < 2; i++)
            same(out[i][k], linear(sorted, n, q[i]));
    }
    cr_context_free(c);
    cr_array_unref(v);
    cr_array_unref(a);
}
END_TEST

START_TEST(refusals) {
    const double bad = 1.5, nan_q = NAN, good = 0.5;
    const int axis = 3, zero = 0;
    const int32_t codes[TIME] = {9};
    cr_err err = CR_ERR_INIT;
    cr_quantile_options o;
    memset(&o, 0, sizeof o);
    cr_array *a = source(CR_F64), *b = source(CR_BOOL), *v = NULL;
    ck_assert_int_eq(cr_array_quantile(a, 0, NULL, 1, &bad, NULL, &v, &err), CR_RANGE);
    ck_assert_int_eq(cr_array_quantile(a, 0, NULL, 1, &nan_q, NULL, &v, &err), CR_RANGE);
    ck_assert_int_eq(cr_array_quantile(a, 0, NULL, 0, &good, NULL, &v, &err), CR_LIMIT);
    ck_assert_int_eq(cr_array_quantile(a, 0, NULL, CR_QUANTILE_MOST + 1, &good, NULL, &v, &err), CR_LIMIT);
    ck_assert_int_eq(cr_array_quantile(a, 1, &axis, 1, &good, NULL, &v, &err), CR_RANGE);
    ck_assert_int_eq(cr_array_median_group(a, 1, &zero, codes, 3, NULL, &v, &err), CR_RANGE);
    ck_assert_int_eq(cr_array_quantile(b, 0, NULL, 1, &good, NULL, &v, &err), CR_TYPE);
    ck_assert_int_eq(cr_quantile_method_find("tdigest", &o.method, &err), CR_NOT_FOUND);
    o.method = (cr_quantile_method)99;
    ck_assert_int_eq(cr_array_quantile(a, 0, NULL, 1, &good, &o, &v, &err), CR_INVALID);
    ck_assert_ptr_null(v);
    cr_array_unref(a);
    cr_array_unref(b);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("quantile");
    TCase *t = tcase_create("quantile");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, quantiles_over_time, 0, 2);
    tcase_add_test(t, medians_by_group);
    tcase_add_test(t, nan_is_passed_on);
    tcase_add_test(t, types_agree);
    tcase_add_test(t, methods);
    tcase_add_test(t, a_series_longer_than_memory);
    tcase_add_test(t, memory_changes_no_bit);
    tcase_add_test(t, ways_and_levels_agree);
    tcase_add_test(t, a_part_of_each_series);
    tcase_add_test(t, a_part_takes_less_memory);
    tcase_add_test(t, refusals);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
