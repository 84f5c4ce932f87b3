/* test_along.c - running sums, fills and windows against the plainest loops; bytes over threads, limits, chunks of time and parts. */
#include "../check_main.h"

#include <math.h>
#include <string.h>
#include "base/error.h"
#include "craton/craton.h"

enum { N = 53, M = 7, SIZE = N * M };

static double values[N][M];
static const int64_t shape[] = {N, M};

static void fill_values(void) {
    for (int i = 0; i < SIZE; i++)
        values[i / M][i % M] = i * 7919 % 31 == 0 ? NAN : (double)(i * 7919 % 101) / 4 - 12;
}

static cr_array *array_in(int64_t rows, int64_t columns) {
    const int64_t chunks[] = {rows, columns};
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    fill_values();
    ck_assert_ok(cr_array_from_memory(CR_F64, 8, 2, shape, NULL, chunks, values, NULL, NULL, &a, &err));
    return a;
}

/* Computed with 1, 2 and 7 threads, with much and with little memory; bytes must be the same. */
static void compute(cr_array *a, double *out) {
    static const struct { int threads; uint64_t limit; } how[] = {{1, 0}, {2, 0}, {7, 0}, {1, 1 << 20}, {3, 2 << 20}};
    static double again[SIZE];
    cr_err err = CR_ERR_INIT;
    for (size_t i = 0; i < CR_ARRAY_LEN(how); i++) {
        cr_context_options o = {.threads = how[i].threads, .memory_limit_bytes = how[i].limit, .simd_level = -1};
        cr_context *c;
        void *to = i == 0 ? out : again;
        ck_assert_ok(cr_context_new(&o, &c, &err));
        ck_assert_ok(cr_compute(c, 1, &a, &to, &err));
        if (how[i].limit > 0)
            ck_assert_uint_le(cr_context_peak_bytes(c), how[i].limit);
        cr_context_free(c);
        if (i > 0)
            ck_assert_mem_eq(out, again, (size_t)cr_array_size(a) * sizeof(double));
    }
}

static void check_near(double a, double b, const char *what, int64_t i, int j) {
    ck_assert_msg((isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * (1 + fabs(b)), "%s at %lld, %d: %.17g, expected %.17g", what, (long long)i, j, a, b);
}

static const int64_t grids[][2] = {{1, M}, {4, 3}, {10, 1}, {N, M}, {26, 2}};

START_TEST(sums_run_on) {
    double out[SIZE];
    cr_err err = CR_ERR_INIT;
    for (size_t g = 0; g < CR_ARRAY_LEN(grids); g++)
        for (int axis = 0; axis < 2; axis++)
            for (int product = 0; product < 2; product++) {
                cr_array *a = array_in(grids[g][0], grids[g][1]), *s;
                ck_assert_ok(cr_array_cumulate(product ? CR_CUMULATE_PROD : CR_CUMULATE_SUM, a, axis - 2, true, &s, &err));
                compute(s, out);
                for (int j = 0; j < (axis == 0 ? M : N); j++) {
                    double sum = product;
                    for (int i = 0; i < (axis == 0 ? N : M); i++) {
                        double x = axis == 0 ? values[i][j] : values[j][i], y = out[axis == 0 ? i * M + j : j * M + i];
                        x = isnan(x) ? product : x;
                        sum = product ? sum * x : sum + x;
                        check_near(y, sum, product ? "product" : "sum", i, j);
                    }
                }
                cr_array_unref(s);
                cr_array_unref(a);
            }
}
END_TEST

START_TEST(gaps_are_filled) {
    static const int64_t limits[] = {0, 1, 4, 1000};
    double out[SIZE];
    cr_err err = CR_ERR_INIT;
    for (size_t g = 0; g < CR_ARRAY_LEN(grids); g++)
        for (size_t l = 0; l < CR_ARRAY_LEN(limits); l++) {
            cr_array *a = array_in(grids[g][0], grids[g][1]), *f;
            for (int i = 0; i < 30; i++)
                values[i][2] = i == 3 ? 1 : NAN;
            ck_assert_ok(cr_array_fill_forward(a, 0, limits[l], &f, &err));
            compute(f, out);
            for (int j = 0; j < M; j++) {
                double last = NAN;
                int64_t age = 0;
                for (int i = 0; i < N; i++) {
                    age = isnan(values[i][j]) ? age + 1 : 0;
                    last = isnan(values[i][j]) ? last : values[i][j];
                    check_near(out[i * M + j], limits[l] == 0 || age <= limits[l] ? last : NAN, "fill", i, j);
                }
            }
            cr_array_unref(f);
            cr_array_unref(a);
        }
}
END_TEST

static double plain_window(cr_window_op op, int i, int j, int64_t w, bool skipna) {
    double sum = 0, prod = 1, least = INFINITY, most = -INFINITY, n = 0, m2 = 0;
    for (int k = 0; k < w; k++) {
        double x = values[i + k][j];
        if (isnan(x) && !skipna)
            return NAN;
        if (isnan(x))
            continue;
        sum += x;
        prod *= x;
        least = fmin(least, x);
        most = fmax(most, x);
        n++;
    }
    for (int k = 0; k < w; k++)
        m2 += isnan(values[i + k][j]) ? 0 : pow(values[i + k][j] - sum / n, 2);
    switch (op) {
    case CR_WINDOW_SUM: return sum;
    case CR_WINDOW_PROD: return prod;
    case CR_WINDOW_MEAN: return sum / n;
    case CR_WINDOW_MIN: return n == 0 ? NAN : least;
    case CR_WINDOW_MAX: return n == 0 ? NAN : most;
    case CR_WINDOW_VAR: return n > 1 ? m2 / (n - 1) : NAN;
    default: return n > 1 ? sqrt(m2 / (n - 1)) : NAN;
    }
}

static int valid_in(int i, int j, int64_t w) {
    int n = 0;
    for (int k = 0; k < w; k++)
        n += !isnan(values[i + k][j]);
    return n;
}

START_TEST(windows_move) {
    static const int64_t widths[] = {1, 2, 5, 13, N};
    double out[SIZE];
    cr_err err = CR_ERR_INIT;
    for (int op = 0; op < CR_WINDOW_COUNT; op++)
        for (size_t g = 0; g < CR_ARRAY_LEN(grids); g++) {
            int64_t w = widths[(g + (size_t)op) % CR_ARRAY_LEN(widths)];
            cr_window_options o = {.skipna = g % 2 == 0, .ddof = 1, .min_count = g % 4 == 0 ? (w + 1) / 2 : 0};
            cr_array *a = array_in(grids[g][0], grids[g][1]), *v;
            ck_assert_ok(cr_array_window((cr_window_op)op, a, 0, w, &o, &v, &err));
            ck_assert_int_eq(cr_array_shape(v)[0], N - w + 1);
            compute(v, out);
            for (int i = 0; i < N - w + 1; i++)
                for (int j = 0; j < M; j++)
                    check_near(out[i * M + j], valid_in(i, j, w) < o.min_count ? NAN : plain_window((cr_window_op)op, i, j, w, o.skipna), "window", i, j);
            cr_array_unref(v);
            cr_array_unref(a);
        }
}
END_TEST

/* Any part of a result, backwards too, has the bytes that it has in the whole. */
START_TEST(parts_are_those_of_the_whole) {
    double whole[SIZE], part[SIZE];
    cr_err err = CR_ERR_INIT;
    const cr_slice pick[] = {{N - 3, -4, 11}, {1, 2, 3}};
    for (size_t g = 0; g < CR_ARRAY_LEN(grids); g++)
        for (int kind = 0; kind < 3; kind++) {
            cr_array *a = array_in(grids[g][0], grids[g][1]), *v = NULL, *s;
            cr_window_options o = {.skipna = true};
            ck_assert_ok(kind == 0   ? cr_array_cumulate(CR_CUMULATE_SUM, a, 0, true, &v, &err)
                         : kind == 1 ? cr_array_fill_forward(a, 0, 0, &v, &err)
                                     : cr_array_window(CR_WINDOW_MEAN, a, 0, 3, &o, &v, &err));
            cr_slice slices[] = {pick[0], pick[1]};
            ck_assert_ok(cr_array_slice(v, slices, &s, &err));
            compute(v, whole);
            compute(s, part);
            for (int i = 0; i < 11; i++)
                for (int j = 0; j < 3; j++)
                    ck_assert_mem_eq(&part[i * 3 + j], &whole[(N - 3 - 4 * i) * M + 1 + 2 * j], sizeof(double));
            cr_array_unref(s);
            cr_array_unref(v);
            cr_array_unref(a);
        }
}
END_TEST

/* Of a transposition too; and transposing, grouping and transposing back is the grouping itself, made without a second pass. */
START_TEST(what_is_transposed) {
    static const int swap[] = {1, 0};
    double straight[SIZE], across[SIZE];
    int32_t codes[N];
    cr_err err = CR_ERR_INIT;
    for (int i = 0; i < N; i++)
        codes[i] = i % 4 - (i % 9 == 0);
    for (size_t g = 0; g < CR_ARRAY_LEN(grids); g++) {
        cr_array *a = array_in(grids[g][0], grids[g][1]), *t, *s[3], *of_t[3];
        ck_assert_ok(cr_array_permute(a, swap, &t, &err));
        ck_assert_ok(cr_array_cumulate(CR_CUMULATE_SUM, a, 0, true, &s[0], &err));
        ck_assert_ok(cr_array_cumulate(CR_CUMULATE_SUM, t, 1, true, &of_t[0], &err));
        ck_assert_ok(cr_array_fill_forward(a, 0, 0, &s[1], &err));
        ck_assert_ok(cr_array_fill_forward(t, 1, 0, &of_t[1], &err));
        ck_assert_ok(cr_array_group(CR_REDUCE_MEAN, a, 1, (const int[]){0}, codes, 4, NULL, &s[2], &err));
        ck_assert_ok(cr_array_group(CR_REDUCE_MEAN, t, 1, (const int[]){1}, codes, 4, NULL, &of_t[2], &err));
        for (int k = 0; k < 3; k++) {
            cr_array *back;
            compute(s[k], straight);
            compute(of_t[k], across);
            int64_t n = cr_array_shape(s[k])[0];
            for (int64_t i = 0; i < n; i++)
                for (int j = 0; j < M; j++)
                    ck_assert_mem_eq(&straight[i * M + j], &across[j * n + i], sizeof(double));
            ck_assert_ok(cr_array_permute(of_t[k], swap, &back, &err));
            ck_assert_str_eq(cr_array_op(back), k == 2 ? "mean" : "permute");
            compute(back, across);
            ck_assert_mem_eq(straight, across, (size_t)(n * M) * sizeof(double));
            cr_array_unref(back);
            cr_array_unref(s[k]);
            cr_array_unref(of_t[k]);
        }
        cr_array_unref(t);
        cr_array_unref(a);
    }
}
END_TEST

START_TEST(integers_keep_their_types) {
    const int64_t n = 6;
    const uint16_t x[] = {5, 65535, 1, 0, 7, 2};
    uint64_t sums[6];
    uint16_t least[4];
    void *to[] = {sums, least};
    cr_err err = CR_ERR_INIT;
    cr_array *a, *both[2];
    cr_context *c;
    ck_assert_ok(cr_array_copy_memory(CR_U16, 1, &n, x, &a, &err));
    ck_assert_ok(cr_array_cumulate(CR_CUMULATE_SUM, a, 0, false, &both[0], &err));
    ck_assert_ok(cr_array_window(CR_WINDOW_MIN, a, 0, 3, NULL, &both[1], &err));
    ck_assert_int_eq(cr_array_dtype(both[0]), CR_U64);
    ck_assert_int_eq(cr_array_dtype(both[1]), CR_U16);
    ck_assert_ok(cr_context_new(NULL, &c, &err));
    ck_assert_ok(cr_compute(c, 2, both, to, &err));
    ck_assert_uint_eq(sums[5], 65550);
    ck_assert_mem_eq(least, ((uint16_t[]){1, 0, 0, 0}), sizeof least);
    cr_context_free(c);
    cr_array_unref(both[0]);
    cr_array_unref(both[1]);
    cr_array_unref(a);
}
END_TEST

START_TEST(what_cannot_be_is_refused) {
    cr_err err = CR_ERR_INIT;
    cr_array *a = array_in(4, 3), *v, *text;
    cr_window_op op;
    const int64_t n = 2;
    ck_assert_fails(cr_array_cumulate(CR_CUMULATE_SUM, a, 2, false, &v, &err), CR_RANGE);
    ck_assert_fails(cr_array_cumulate((cr_cumulation)9, a, 0, false, &v, &err), CR_INVALID);
    ck_assert_fails(cr_array_fill_forward(a, 0, -1, &v, &err), CR_INVALID);
    ck_assert_fails(cr_array_window(CR_WINDOW_SUM, a, 0, 0, NULL, &v, &err), CR_RANGE);
    ck_assert_fails(cr_array_window(CR_WINDOW_SUM, a, 0, 3, &(cr_window_options){.min_count = 4}, &v, &err), CR_RANGE);
    ck_assert_fails(cr_array_window(CR_WINDOW_SUM, a, 0, 3, &(cr_window_options){.min_count = -1}, &v, &err), CR_RANGE);
    ck_assert_fails(cr_array_window(CR_WINDOW_SUM, a, 0, N + 2, NULL, &v, &err), CR_RANGE);
    ck_assert_fails(cr_window_find("mode", &op, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_array_from_memory(CR_BYTES, 4, 1, &n, NULL, NULL, "abcdefgh", NULL, NULL, &text, &err));
    ck_assert_fails(cr_array_cumulate(CR_CUMULATE_SUM, text, 0, false, &v, &err), CR_TYPE);
    cr_array_unref(text);
    cr_array_unref(a);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("along");
    TCase *t = tcase_create("along");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, sums_run_on);
    tcase_add_test(t, gaps_are_filled);
    tcase_add_test(t, windows_move);
    tcase_add_test(t, parts_are_those_of_the_whole);
    tcase_add_test(t, what_is_transposed);
    tcase_add_test(t, integers_keep_their_types);
    tcase_add_test(t, what_cannot_be_is_refused);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
