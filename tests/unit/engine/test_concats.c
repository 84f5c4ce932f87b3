/* test_concats.c - shifts of shifts, concats of slices of concats, concats of very many parts: how many parts a plan has, and that results are right. */
#include "../check_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "craton/craton.h"
#include "engine/exec/run.h"

enum { N = 500, CHUNK = 16, DEEP = 40, SIDE = 40, FEW = 8, PARTS = 3000 };

static cr_err err = CR_ERR_INIT;

static cr_status read_values(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *e) {
    const double *values = user;
    memcpy(dst, values + start[0], (size_t)count[0] * sizeof *values);
    return CR_OK;
}

static double values[N + DEEP];
static cr_array *source(int64_t n) {
    const int64_t chunk = CHUNK;
    cr_array *a;
    for (int i = 0; i < n; i++)
        values[i] = (double)((i * 7919 + 13) % 1009) / 8;
    ck_assert_ok(cr_array_from_callback(CR_F64, 0, 1, &n, &chunk, false, read_values, NULL, values, &a, &err));
    return a;
}

static void replace(cr_array **a, cr_array *with) {
    cr_array_unref(*a);
    *a = with;
}

/* Positions [from, end) along the axis. */
static cr_array *piece(cr_array *a, int axis, int64_t from, int64_t end) {
    cr_slice s[CR_MAX_DIMS];
    cr_array *v;
    for (int d = 0; d < cr_array_ndim(a); d++)
        s[d] = (cr_slice){d == axis ? from : 0, 1, d == axis ? end - from : cr_array_shape(a)[d]};
    ck_assert_ok(cr_array_slice(a, s, &v, &err));
    return v;
}

static cr_array *missing_like(cr_array *a, int axis, int64_t n, double value) {
    int64_t shape[CR_MAX_DIMS];
    cr_array *v;
    memcpy(shape, cr_array_shape(a), (size_t)cr_array_ndim(a) * sizeof *shape);
    shape[axis] = n;
    ck_assert_ok(cr_array_full(CR_F64, cr_array_ndim(a), shape, NULL, &value, &v, &err));
    return v;
}

static cr_array *joined(cr_array *a, cr_array *b, int axis) { /* and takes them */
    cr_array *both[] = {a, b}, *v;
    ck_assert_ok(cr_array_concat(2, both, axis, &v, &err));
    cr_array_unref(a);
    cr_array_unref(b);
    return v;
}

static cr_array *shifted(cr_array *a, int axis, int64_t by) {
    int64_t n = cr_array_shape(a)[axis];
    if (by > 0)
        return joined(missing_like(a, axis, by, 0.5), piece(a, axis, 0, n - by), axis);
    return joined(piece(a, axis, -by, n), missing_like(a, axis, -by, 0.5), axis);
}

static cr_array *mapped(cr_map_op op, cr_array *a, cr_array *b) { /* takes b */
    cr_array *both[] = {a, b}, *v;
    ck_assert_ok(cr_array_map(op, both, &v, &err));
    cr_array_unref(b);
    return v;
}

typedef struct size {
    int64_t values, scopes, borders;
} size;

static size planned(cr_array *a) {
    cr_output_spec to = {0};
    cr_plan plan;
    cr_plan_options o = {.simd = 0, .threads = 2, .limit_bytes = 64 << 20};
    size s = {0};
    ck_assert_ok(cr_plan_make(&plan, 1, &a, &to, &o, &err));
    for (int32_t i = 0; i < plan.n_scans; i++) {
        s.values += plan.scans[i].program.n_values;
        s.scopes += plan.scans[i].program.n_scopes;
        s.borders += plan.scans[i].program.n_borders;
    }
    cr_plan_done(&plan);
    return s;
}

#define ck_assert_size(s, v, c)                                                                                                              \
    ck_assert_msg((s).values <= (v) && (s).scopes <= (c), "%d values, %d scopes", (int)(s).values, (int)(s).scopes)

static void same(cr_array *a, const double *want, int64_t n) {
    double *got = calloc((size_t)n + 1, sizeof *got);
    void *to = got;
    ck_assert_ptr_nonnull(got);
    for (int threads = 1; threads <= 3; threads += 2) {
        cr_context_options o = {.threads = threads, .simd_level = -1, .memory_limit_bytes = 64 << 20};
        cr_context *c;
        ck_assert_ok(cr_context_new(&o, &c, &err));
        memset(got, 0xff, (size_t)n * sizeof *got);
        ck_assert_ok(cr_compute(c, 1, &a, &to, &err));
        cr_context_free(c);
        for (int64_t i = 0; i < n; i++)
            ck_assert_msg(memcmp(&got[i], &want[i], sizeof *got) == 0, "element %d is %.17g, not %.17g", (int)i, got[i], want[i]);
    }
    free(got);
}

START_TEST(shifts_of_shifts) {
    cr_array *a = source(N);
    double want[N];
    for (int k = 0; k < DEEP; k++)
        replace(&a, shifted(a, 0, 1));
    for (int i = 0; i < N; i++)
        want[i] = i < DEEP ? 0.5 : values[i - DEEP];
    ck_assert_size(planned(a), 3 * DEEP, 2 * DEEP);
    same(a, want, N);
    cr_array_unref(a);
}
END_TEST

/* Of each the differences of the one before: what the k-th looks at is shifted by 0 to DEEP - k, once each. */
START_TEST(differences_of_differences) {
    cr_array *a = source(N);
    double want[N];
    memcpy(want, values, sizeof want);
    for (int k = 0; k < DEEP; k++) {
        replace(&a, mapped(CR_MAP_SUBTRACT, a, shifted(a, 0, 1)));
        for (int i = N - 1; i >= 0; i--)
            want[i] = want[i] - (i > 0 ? want[i - 1] : 0.5);
    }
    ck_assert_size(planned(a), (DEEP + 1) * (DEEP + 1) + 2 * DEEP, DEEP + 1);
    same(a, want, N);
    cr_array_unref(a);
}
END_TEST

/* Shifts forth and back meet again: a place that several ways lead to is there once. */
START_TEST(shifts_both_ways) {
    cr_array *a = source(N);
    double want[N], before[N];
    memcpy(want, values, sizeof want);
    for (int k = 0; k < DEEP; k++) {
        cr_array *ahead = shifted(a, 0, -1), *sum = mapped(CR_MAP_ADD, a, shifted(a, 0, 1));
        replace(&a, mapped(CR_MAP_MAXIMUM, sum, ahead));
        cr_array_unref(sum);
        memcpy(before, want, sizeof want);
        for (int i = 0; i < N; i++)
            want[i] = fmax(before[i] + (i > 0 ? before[i - 1] : 0.5), i + 1 < N ? before[i + 1] : 0.5);
    }
    ck_assert_size(planned(a), 5 * (DEEP + 1) * (DEEP + 1), 3 * DEEP);
    same(a, want, N);
    cr_array_unref(a);
}
END_TEST

static double plane[SIDE][SIDE];
static cr_status read_plane(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *e) {
    double *out = dst;
    for (int64_t i = start[0]; i < start[0] + count[0]; i++, out += count[1])
        memcpy(out, &plane[i][start[1]], (size_t)count[1] * sizeof *out);
    return CR_OK;
}

START_TEST(shifts_along_two_axes) {
    static double want[SIDE][SIDE], before[SIDE][SIDE];
    const int64_t shape[] = {SIDE, SIDE}, chunks[] = {CHUNK, CHUNK};
    cr_array *a;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            plane[i][j] = (i * 31 + j * 17) % 101;
    ck_assert_ok(cr_array_from_callback(CR_F64, 0, 2, shape, chunks, false, read_plane, NULL, NULL, &a, &err));
    memcpy(want, plane, sizeof want);
    for (int k = 0; k < FEW; k++) {
        cr_array *sum = mapped(CR_MAP_ADD, a, shifted(a, 0, 1));
        for (int way = 0; way < 3; way++)
            replace(&sum, mapped(CR_MAP_ADD, sum, shifted(a, way > 0, way == 1 ? 1 : -1)));
        replace(&a, sum);
        memcpy(before, want, sizeof want);
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++)
                want[i][j] = before[i][j] + (i > 0 ? before[i - 1][j] : 0.5) + (i + 1 < SIDE ? before[i + 1][j] : 0.5) + (j > 0 ? before[i][j - 1] : 0.5) +
                             (j + 1 < SIDE ? before[i][j + 1] : 0.5);
    }
    ck_assert_size(planned(a), 14 * FEW * FEW * FEW, 12 * FEW * FEW);
    same(a, &want[0][0], SIDE * SIDE);
    cr_array_unref(a);
}
END_TEST

/* Padded on both sides, and what is in the middle of two of them taken together. */
START_TEST(pads_of_pads) {
    cr_array *a = source(N);
    double want[N + 2 * DEEP];
    int n = N;
    memcpy(want, values, N * sizeof *want);
    for (int k = 0; k < DEEP; k++) {
        cr_array *front = missing_like(a, 0, 1, 2), *padded = joined(front, cr_array_ref(a), 0), *wide;
        wide = joined(cr_array_ref(padded), missing_like(a, 0, 1, 3), 0);
        replace(&a, piece(wide, 0, 0, n + 1));
        replace(&a, mapped(CR_MAP_MAXIMUM, a, piece(wide, 0, 1, n + 2)));
        cr_array_unref(padded);
        cr_array_unref(wide);
        double left = 2;
        for (int i = 0; i <= n; i++) {
            double here = i < n ? want[i] : 3;
            want[i] = fmax(left, here);
            left = here;
        }
        n++;
    }
    ck_assert_size(planned(a), 3 * (DEEP + 1) * (DEEP + 1), (DEEP + 1) * (DEEP + 1));
    same(a, want, n);
    cr_array_unref(a);
}
END_TEST

START_TEST(concats_of_overlapping_slices) {
    cr_array *a = source(N);
    double want[N + DEEP];
    int n = N;
    memcpy(want, values, N * sizeof *want);
    for (int k = 0; k < DEEP; k++, n++) {
        int at = n / 2 + k - DEEP / 2;
        replace(&a, joined(piece(a, 0, 0, at + 1), piece(a, 0, at, n), 0));
        memmove(want + at + 1, want + at, (size_t)(n - at) * sizeof *want);
    }
    ck_assert_size(planned(a), (DEEP + 1) * (DEEP + 1), 3 * DEEP);
    same(a, want, n);
    cr_array_unref(a);
}
END_TEST

/* Neighbouring slices of one array are looked at as one; a list of positions over them too. */
START_TEST(neighbouring_slices) {
    cr_array *a = source(N), *slices[N / 10], *all, *taken;
    int64_t index[N];
    double want[N];
    for (int i = 0; i < N / 10; i++)
        slices[i] = piece(a, 0, 10 * i, 10 * i + 10);
    ck_assert_ok(cr_array_concat(N / 10, slices, 0, &all, &err));
    for (int i = 0; i < N / 10; i++)
        cr_array_unref(slices[i]);
    ck_assert_int_eq(planned(all).scopes, 0);
    same(all, values, N);
    for (int i = 0; i < N; i++) {
        index[i] = (i * 7) % N;
        want[i] = values[index[i]];
    }
    ck_assert_ok(cr_array_take(all, 0, index, N, &taken, &err));
    same(taken, want, N);
    cr_array_unref(taken);
    cr_array_unref(all);
    cr_array_unref(a);
}
END_TEST

/* What a worker walks over as it goes from part to part is as much as there are parts, in all; and all of them once for many variables. */
START_TEST(very_many_parts) {
    const int64_t two = 2;
    cr_array **parts = calloc(PARTS, sizeof *parts), *all, *sum;
    double *want = calloc(2 * PARTS, sizeof *want);
    ck_assert(parts && want);
    for (int i = 0; i < PARTS; i++) {
        want[2 * i] = i;
        want[2 * i + 1] = -i;
        ck_assert_ok(cr_array_copy_memory(CR_F64, 1, &two, want + 2 * i, &parts[i], &err));
    }
    ck_assert_ok(cr_array_concat(PARTS, parts, 0, &all, &err));
    size s = planned(all);
    ck_assert_size(s, PARTS + 1, PARTS);
    ck_assert_int_le(s.borders, 3 * PARTS);
    same(all, want, 2 * PARTS);
    for (int i = 0; i < PARTS; i++) {
        cr_array *minus[] = {parts[i]}, *m;
        ck_assert_ok(cr_array_map(CR_MAP_NEGATIVE, minus, &m, &err));
        replace(&parts[i], m);
    }
    ck_assert_ok(cr_array_concat(PARTS, parts, 0, &sum, &err));
    sum = mapped(CR_MAP_SUBTRACT, all, sum);
    s = planned(sum);
    ck_assert_size(s, 3 * PARTS + 10, PARTS);
    ck_assert_int_le(s.borders, 3 * PARTS);
    for (int i = 0; i < 2 * PARTS; i++)
        want[i] *= 2;
    same(sum, want, 2 * PARTS);
    cr_array_unref(sum);
    cr_array_unref(all);
    for (int i = 0; i < PARTS; i++)
        cr_array_unref(parts[i]);
    free(parts);
    free(want);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("concats");
    TCase *t = tcase_create("concats");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, shifts_of_shifts);
    tcase_add_test(t, differences_of_differences);
    tcase_add_test(t, shifts_both_ways);
    tcase_add_test(t, shifts_along_two_axes);
    tcase_add_test(t, pads_of_pads);
    tcase_add_test(t, concats_of_overlapping_slices);
    tcase_add_test(t, neighbouring_slices);
    tcase_add_test(t, very_many_parts);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
