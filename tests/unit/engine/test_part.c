/* test_part.c - reductions in parts: however many there are and whoever computes them, the bytes are those of cr_compute; damaged, foreign and
 * misplaced parts are refused, and what was asked for wrongly too. */
#include "../check_main.h"

#include <math.h>
#include <string.h>
#include "base/error.h"
#include "craton/craton.h"
#include "engine/exec/part_form.h"
#include "engine/plan/serialize_form.h"

enum { ROWS = 8400, COLUMNS = 6, GROUPS = 4, MOST = 32, MOST_WANTED = 7, OUT_BYTES = ROWS * COLUMNS * 8 };

static float values[ROWS][COLUMNS];
static int32_t months[ROWS];

typedef struct reduced {
    const char *name;
    cr_reduction reduction;
    bool skipna;
    int n_axes, axes[2];
    bool grouped;                  /* the rows by months, of which one is never met */
} reduced;

static const reduced cases[] = {
    {"sum", CR_REDUCE_SUM, true, 1, {0}, false},
    {"mean", CR_REDUCE_MEAN, true, 2, {0, 1}, false},
    {"mean with gaps", CR_REDUCE_MEAN, false, 1, {0}, false},
    {"mean of rows", CR_REDUCE_MEAN, true, 1, {1}, false},
    {"std", CR_REDUCE_STD, true, 1, {0}, false},
    {"max", CR_REDUCE_MAX, true, 2, {0, 1}, false},
    {"argmax", CR_REDUCE_ARGMAX, true, 1, {0}, false},
    {"count", CR_REDUCE_COUNT, true, 1, {0}, false},
    {"mean of months", CR_REDUCE_MEAN, true, 1, {0}, true},
    {"min of months", CR_REDUCE_MIN, true, 1, {0}, true},
};

static cr_array *source(void) {
    static const int64_t shape[] = {ROWS, COLUMNS}, chunks[] = {1, 4};
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i / COLUMNS][i % COLUMNS] = i * 7919 % 31 == 0 ? NAN : (float)(i * 7919 % 1013) / 7 - 12;
    for (int i = 0; i < ROWS; i++)
        months[i] = i / 30 % GROUPS - 1;
    ck_assert_ok(cr_array_from_memory(CR_F32, 4, 2, shape, NULL, chunks, values, NULL, NULL, &a, &err));
    return a;
}

static cr_array *reduce(const reduced *r, cr_array *a) {
    cr_reduce_options o = {.skipna = r->skipna};
    cr_err err = CR_ERR_INIT;
    cr_array *ret;
    if (r->grouped)
        ck_assert_ok(cr_array_group(r->reduction, a, 1, r->axes, months, GROUPS, &o, &ret, &err));
    else
        ck_assert_ok(cr_array_reduce(r->reduction, a, r->n_axes, r->axes, &o, &ret, &err));
    return ret;
}

static cr_array *make(const reduced *r) {
    cr_array *a = source(), *ret = reduce(r, a);
    cr_array_unref(a);
    return ret;
}

static cr_context *context(int number) {
    static const cr_context_options how[] = {{.threads = 1, .simd_level = -1}, {.threads = 2, .memory_limit_bytes = 16 << 20, .simd_level = -1},
                                             {.threads = 7, .simd_level = 0}};
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(&how[number % 3], &c, &err));
    return c;
}

typedef struct cut_up {
    int64_t wanted, n_parts;
    void *parts[MOST];
    size_t sizes[MOST];
} cut_up;

/* Every part by another context, from the last to the first. */
static void cut(int n, cr_array *const *arrays, int64_t wanted, cut_up *u) {
    cr_context *c[] = {context(0), context(1), context(2)};
    cr_part_cut looked[4];
    cr_err err = CR_ERR_INIT;
    uint64_t states = 0, bytes = 0;
    ck_assert_ok(cr_part_look(c[0], n, arrays, wanted, looked, &err));
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(looked[i].scan, 0);
        ck_assert_int_eq(looked[i].n_parts, looked[0].n_parts);
        ck_assert_uint_ne(looked[i].fold_order, 0);
        states += looked[i].state_bytes;
    }
    *u = (cut_up){.wanted = wanted, .n_parts = looked[0].n_parts};
    ck_assert_int_le(u->n_parts, 2 * wanted);
    ck_assert_int_ge(u->n_parts, wanted == 1 ? 1 : 2);
    for (int64_t k = u->n_parts - 1; k >= 0; k--) {
        ck_assert_ok(cr_part_compute(c[k % 3], n, arrays, wanted, k, &u->parts[k], &u->sizes[k], &err));
        bytes += u->sizes[k];
    }
    ck_assert_uint_gt(bytes, states);
    for (int i = 0; i < 3; i++)
        cr_context_free(c[i]);
}

static void throw_away(cut_up *u) {
    for (int64_t k = 0; k < u->n_parts; k++)
        cr_free(u->parts[k]);
}

static cr_status combine(int n, cr_array *const *arrays, const cut_up *u, void *const *out, cr_err *err) {
    cr_context *c = context(1);
    cr_status s = cr_part_combine(c, n, arrays, u->wanted, u->n_parts, (const void *const *)u->parts, u->sizes, out, err);
    cr_context_free(c);
    return s;
}

/* One array; *ret_most is raised to its number of parts. */
static void check_bytes(const reduced *r, int64_t wanted, int64_t *ret_most) {
    static char whole[OUT_BYTES], combined[OUT_BYTES];
    void *to = whole, *back = combined;
    cr_err err = CR_ERR_INIT;
    cr_array *a = make(r);
    cr_context *c = context(0);
    cut_up u;
    memset(combined, 0x55, sizeof combined);
    ck_assert_ok(cr_compute(c, 1, &a, &to, &err));
    cut(1, &a, wanted, &u);
    ck_assert_ok(combine(1, &a, &u, &back, &err));
    ck_assert_msg(memcmp(whole, combined, (size_t)cr_array_size(a) * cr_dtype_size(cr_array_dtype(a))) == 0, "%s in %lld parts of %lld wanted",
                  r->name, (long long)u.n_parts, (long long)wanted);
    *ret_most = u.n_parts > *ret_most ? u.n_parts : *ret_most;
    throw_away(&u);
    cr_context_free(c);
    cr_array_unref(a);
}

START_TEST(parts_have_the_bytes_of_the_whole) {
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        int64_t most = 0;
        for (int64_t wanted = 1; wanted <= MOST_WANTED; wanted++)
            check_bytes(&cases[i], wanted, &most);
        ck_assert_msg(most >= 4, "%s: at most %lld parts", cases[i].name, (long long)most);
    }
}
END_TEST

START_TEST(arrays_of_one_scan_together) {
    static double whole[3][COLUMNS * GROUPS], combined[3][COLUMNS * GROUPS];
    static const int chosen[] = {0, 6, 8};                     /* the sum, where the maximum is, months */
    void *to[] = {whole[0], whole[1], whole[2]}, *back[] = {combined[0], combined[1], combined[2]};
    cr_err err = CR_ERR_INIT;
    cr_array *a = source(), *arrays[3];
    cr_context *c = context(0);
    cut_up u;
    for (int i = 0; i < 3; i++)
        arrays[i] = reduce(&cases[chosen[i]], a);
    cr_array_unref(a);
    ck_assert_ok(cr_compute(c, 3, arrays, to, &err));
    cut(3, arrays, 4, &u);
    ck_assert_ok(combine(3, arrays, &u, back, &err));
    ck_assert_mem_eq(whole, combined, sizeof whole);
    throw_away(&u);
    for (int i = 0; i < 3; i++)
        cr_array_unref(arrays[i]);
    cr_context_free(c);
}
END_TEST

/* What a changed part answers; the part is as before afterwards. */
static cr_status with_change(cr_array *a, cut_up *u, int64_t part, size_t at, int flip, bool sum_again) {
    static char out[OUT_BYTES];
    void *to = out;
    cr_err err = CR_ERR_INIT;
    cr_part_head before, h;
    char *bytes = u->parts[part];
    memcpy(&before, bytes, sizeof before);
    char old = bytes[at];
    bytes[at] = (char)(old ^ flip);
    if (sum_again) {
        memcpy(&h, bytes, sizeof h);
        h.sum = cr_graph_sum(bytes + CR_PART_HEAD_BYTES, u->sizes[part] - CR_PART_HEAD_BYTES);
        memcpy(bytes, &h, sizeof h);
    }
    cr_status s = combine(1, &a, u, &to, &err);
    bytes[at] = old;
    memcpy(bytes, &before, sizeof before);
    ck_assert_msg(s == CR_OK || strstr(err.message, "part") != NULL, "%s", err.message);
    return s;
}

START_TEST(every_damaged_byte_is_refused) {
    cr_array *a = make(&cases[9]);
    cut_up u;
    cut(1, &a, 3, &u);
    for (int64_t k = 0; k < u.n_parts; k++)
        for (size_t at = 0; at < u.sizes[k]; at++) {
            cr_status s = with_change(a, &u, k, at, 0x41, false);
            bool version = at >= offsetof(cr_part_head, version) && at < offsetof(cr_part_head, n_arrays);
            ck_assert_msg(s == (version ? CR_UNSUPPORTED : CR_FORMAT), "byte %zu of part %lld: %d", at, (long long)k, (int)s);
        }
    /* and with a checksum that fits: the description is another computation's, and a group has elements or not */
    for (size_t at = 0; at < 96 + GROUPS; at++)
        ck_assert_int_eq(with_change(a, &u, 0, CR_PART_HEAD_BYTES + at, 0x42, true), CR_FORMAT);
    ck_assert_int_eq(with_change(a, &u, 0, CR_PART_HEAD_BYTES, 0, true), CR_OK);
    throw_away(&u);
    cr_array_unref(a);
}
END_TEST

START_TEST(cut_off_parts_are_refused) {
    static char out[OUT_BYTES];
    void *to = out;
    cr_err err = CR_ERR_INIT;
    cr_array *a = make(&cases[4]);
    cut_up u, shorter;
    cut(1, &a, 3, &u);
    for (size_t n = 0; n < u.sizes[1]; n++) {
        shorter = u;
        shorter.sizes[1] = n;
        shorter.parts[1] = malloc(n + 1);                      /* its own block: sanitizers see what is read beyond it */
        memcpy(shorter.parts[1], u.parts[1], n);
        ck_assert_fails(combine(1, &a, &shorter, &to, &err), CR_FORMAT);
        free(shorter.parts[1]);
    }
    throw_away(&u);
    cr_array_unref(a);
}
END_TEST

START_TEST(parts_of_something_else_are_refused) {
    static char out[OUT_BYTES];
    void *to = out;
    cr_err err = CR_ERR_INIT;
    cr_array *a = make(&cases[0]), *b = make(&cases[2]);
    cut_up u, v, finer, mixed;
    cut(1, &a, 3, &u);
    cut(1, &a, 4, &finer);
    cut(1, &b, 3, &v);
    mixed = u;
    mixed.parts[0] = u.parts[1];
    mixed.sizes[0] = u.sizes[1];
    ck_assert_fails(combine(1, &a, &mixed, &to, &err), CR_FORMAT);     /* at another place */
    ck_assert_fails(combine(1, &a, &v, &to, &err), CR_FORMAT);         /* of another reduction */
    mixed = finer;
    mixed.parts[0] = u.parts[0];
    mixed.sizes[0] = u.sizes[0];
    ck_assert_fails(combine(1, &a, &mixed, &to, &err), CR_FORMAT);     /* of another cut */
    mixed = u;
    mixed.n_parts--;
    ck_assert_fails(combine(1, &a, &mixed, &to, &err), CR_INVALID);    /* one is missing */
    ck_assert_ok(combine(1, &a, &u, &to, &err));
    throw_away(&u);
    throw_away(&v);
    throw_away(&finer);
    cr_array_unref(a);
    cr_array_unref(b);
}
END_TEST

START_TEST(what_is_no_part_is_refused) {
    cr_err err = CR_ERR_INIT;
    cr_array *a = make(&cases[0]);
    cr_context *c = context(0);
    cr_part_cut looked;
    void *bytes = NULL;
    size_t n = 0;
    ck_assert_ok(cr_part_look(c, 1, &a, 3, &looked, &err));
    ck_assert_fails(cr_part_compute(c, 1, &a, 3, looked.n_parts, &bytes, &n, &err), CR_INVALID);
    ck_assert_fails(cr_part_compute(c, 1, &a, 3, -1, &bytes, &n, &err), CR_INVALID);
    ck_assert_fails(cr_part_compute(c, 1, &a, 0, 0, &bytes, &n, &err), CR_INVALID);
    ck_assert_fails(cr_part_compute(c, 0, &a, 3, 0, &bytes, &n, &err), CR_INVALID);
    ck_assert_fails(cr_part_look(c, 1, &a, CR_PARTS_MOST + 1, &looked, &err), CR_INVALID);
    ck_assert_ptr_null(bytes);
    cr_context_free(c);
    cr_array_unref(a);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("part");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, parts_have_the_bytes_of_the_whole);
    tcase_add_test(t, arrays_of_one_scan_together);
    tcase_add_test(t, every_damaged_byte_is_refused);
    tcase_add_test(t, cut_off_parts_are_refused);
    tcase_add_test(t, parts_of_something_else_are_refused);
    tcase_add_test(t, what_is_no_part_is_refused);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
