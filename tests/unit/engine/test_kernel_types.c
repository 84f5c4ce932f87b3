/* test_kernel_types.c - data types, promotion, and the types and conversions of element-wise operations, against NumPy's answers. */
#include "../check_main.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "craton/array.h"
#include "engine/kernel/map_table.h"
#include "../../data/promotion.h"

static const char letters[] = "?bhiqBHIQefd";
static const struct {
    const char *name;
    int arity;
} ops[CR_MAP_COUNT] = {
#define X(id, name, arity) [CR_MAP_##id] = {name, arity},
    CR_MAP_TABLE(X)
#undef X
};

START_TEST(names_and_codes) {
    cr_err err = CR_ERR_INIT;
    cr_dtype t = CR_BOOL;
    ck_assert_str_eq(cr_dtype_name(CR_F32), "float32");
    ck_assert_str_eq(cr_dtype_name(CR_STRING), "string");
    ck_assert_str_eq(cr_dtype_name((cr_dtype)77), "unknown");
    ck_assert_int_eq(cr_dtype_kind(CR_U16), 'u');
    ck_assert_int_eq(cr_dtype_kind(CR_BYTES), 'S');
    ck_assert_uint_eq(cr_dtype_size(CR_BYTES), 0);
    ck_assert_ok(cr_dtype_from_numpy("<f8", &t, &err));
    ck_assert_int_eq(t, CR_F64);
    ck_assert_ok(cr_dtype_from_numpy("|b1", &t, &err));
    ck_assert_int_eq(t, CR_BOOL);
    ck_assert_fails(cr_dtype_from_numpy(">f8", &t, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_dtype_from_numpy(NULL, &t, &err), CR_INVALID);
    ck_assert_int_eq(t, CR_BOOL);
}
END_TEST

START_TEST(promotion_is_numpys) {
    for (int a = 0; a < 12; a++)
        for (int b = 0; b < 12; b++)
            ck_assert_msg(letters[cr_dtype_promote((cr_dtype)a, (cr_dtype)b)] == promote_types[a][b], "%c with %c", letters[a], letters[b]);
}
END_TEST

/* One combination: word is NumPy's answer. */
static void check_one(cr_map_op op, const int *args, const char *word, size_t len) {
    cr_err err = CR_ERR_INIT;
    cr_dtype types[3] = {0}, loop[3] = {0}, out = CR_BOOL;
    bool weak[3] = {0};
    char got[8] = "-", said[8] = "";
    for (int i = 0; i < ops[op].arity; i++) {
        weak[i] = args[i] >= 12;
        types[i] = args[i] == 12 ? CR_I64 : args[i] == 13 ? CR_F64 : (cr_dtype)args[i];
    }
    cr_status s = cr_map_resolve(op, ops[op].arity, types, weak, loop, &out, &err);
    if (s == CR_OK) {
        for (int i = 0; i < ops[op].arity; i++)
            got[i] = letters[loop[i]];
        got[ops[op].arity] = letters[out];
        got[ops[op].arity + 1] = 0;
        for (int level = 0; level < 3; level++)
            if (!cr_kernel_map(level, op, loop))
                ck_abort_msg("%s has no kernel for %s", ops[op].name, got);
    } else if (s != CR_TYPE || !err.message[0]) {
        ck_abort_msg("%s: status %s, message \"%s\"", ops[op].name, cr_status_name(s), err.message);
    }
    memcpy(said, word, len);
    if (strncmp(ops[op].name, "logical_", 8) == 0)         /* NumPy has loops per type, which compare with 0; here the cast does that */
        memset(said, '?', len);
    if (strcmp(got, said) != 0)
        ck_abort_msg("%s of %d, %d, %d: %s, NumPy says %s", ops[op].name, args[0], args[1], args[2], got, said);
}

START_TEST(resolution_is_numpys) {
    ck_assert_uint_eq(CR_ARRAY_LEN(resolved), CR_MAP_COUNT);
    const char *w = resolved[_i].words;
    cr_map_op op = resolved[_i].op;
    int total = ops[op].arity == 1 ? 14 : ops[op].arity == 2 ? 196 : 2744;
    for (int k = 0; k < total; k++) {
        size_t len = strcspn(w, " ");
        int args[3] = {0, 0, 0}, rest = k;
        for (int i = ops[op].arity - 1; i >= 0; i--, rest /= 14)
            args[i] = rest % 14;
        check_one(op, args, w, len);
        w += len + 1;
    }
    ck_assert_str_eq(w, "");
}
END_TEST

START_TEST(resolution_refuses) {
    cr_err err = CR_ERR_INIT;
    cr_dtype types[3] = {CR_F32, CR_BYTES, CR_F32}, loop[3], out;
    bool weak[2] = {false, true};
    ck_assert_fails(cr_map_resolve(CR_MAP_ADD, 2, types, NULL, loop, &out, &err), CR_TYPE);
    ck_assert_fails(cr_map_resolve(CR_MAP_ADD, 1, types, NULL, loop, &out, &err), CR_INVALID);
    ck_assert_fails(cr_map_resolve((cr_map_op)9999, 1, types, NULL, loop, &out, &err), CR_INVALID);
    types[1] = CR_BOOL;
    ck_assert_fails(cr_map_resolve(CR_MAP_ADD, 2, types, weak, loop, &out, &err), CR_INVALID);
}
END_TEST

/* Item i of type t as bits, NaN as all ones. */
static uint64_t item_bits(cr_dtype t, const void *items, int i) {
    uint64_t u = 0;
    size_t size = cr_dtype_size(t);
    memcpy(&u, (const char *)items + (size_t)i * size, size);
    bool nan = (t == CR_F16 && (u & 0x7FFF) > 0x7C00) || (t == CR_F32 && (u & 0x7FFFFFFF) > 0x7F800000) ||
               (t == CR_F64 && (u & INT64_MAX) > 0x7FF0000000000000);
    return nan ? UINT64_MAX : u;
}

static void check_cast(cr_dtype from, const void *values, int n, const uint64_t *expected, cr_dtype to) {
    for (int level = 0; level < 3; level++)
        for (int step = 0; step < 2; step++)
            for (int first = 0; first < n; first++) {      /* so that each value meets the vector loop and its tail */
                char out[64 * 8];
                const void *arg = (const char *)values + (size_t)first * cr_dtype_size(from);
                const int64_t steps = step;
                cr_kernel_cast(level, from, to)(n - first, out, &arg, &steps, NULL);
                for (int i = 0; i < n - first; i++)
                    if (item_bits(to, out, i) != expected[step ? first + i : first])
                        ck_abort_msg("%s to %s, value %d: %llx, NumPy %llx", cr_dtype_name(from), cr_dtype_name(to), first + i,
                                     (unsigned long long)item_bits(to, out, i), (unsigned long long)expected[step ? first + i : first]);
            }
}

START_TEST(casts_are_numpys) {
    enum { N = CR_ARRAY_LEN(cast_values) };
    float singles[N];
    for (int i = 0; i < N; i++)
        singles[i] = (float)cast_values[i];
    for (int to = 0; to < 12; to++) {
        check_cast(CR_F64, cast_values, N, cast_f64[to], (cr_dtype)to);
        check_cast(CR_F32, singles, N, cast_f32[to], (cr_dtype)to);
        check_cast(CR_I64, cast_integers, CR_ARRAY_LEN(cast_integers), cast_i64[to], (cr_dtype)to);
        check_cast(CR_U64, cast_integers, CR_ARRAY_LEN(cast_integers), cast_u64[to], (cr_dtype)to);
    }
    ck_assert_ptr_null(cr_kernel_cast(0, CR_BYTES, CR_F32));
}
END_TEST

/* Every float16 there is, to float32 and back, and through every level. */
START_TEST(half_round_trip) {
    static uint16_t halves[65536], back[65536];
    static float singles[65536];
    static double doubles[65536];
    for (int i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    const int64_t one = 1;
    const void *h = halves, *s = singles, *d = doubles;
    for (int level = 0; level < 3; level++) {
        cr_kernel_cast(level, CR_F16, CR_F32)(65536, singles, &h, &one, NULL);
        cr_kernel_cast(level, CR_F16, CR_F64)(65536, doubles, &h, &one, NULL);
        ck_assert(singles[1] == 0x1p-24f && singles[0x3C00] == 1 && singles[0x7BFF] == 65504 && singles[0xFC00] == -INFINITY);
        cr_kernel_cast(level, CR_F32, CR_F16)(65536, back, &s, &one, NULL);
        for (int i = 0; i < 65536; i++)
            if (item_bits(CR_F16, back, i) != item_bits(CR_F16, halves, i))
                ck_abort_msg("float16 %#x comes back as %#x", i, back[i]);
        cr_kernel_cast(level, CR_F64, CR_F16)(65536, back, &d, &one, NULL);
        for (int i = 0; i < 65536; i++)
            if (item_bits(CR_F16, back, i) != item_bits(CR_F16, halves, i))
                ck_abort_msg("float16 %#x comes back as %#x", i, back[i]);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kernel_types");
    TCase *t = tcase_create("types");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_and_codes);
    tcase_add_test(t, promotion_is_numpys);
    tcase_add_loop_test(t, resolution_is_numpys, 0, CR_MAP_COUNT);
    tcase_add_test(t, resolution_refuses);
    tcase_add_test(t, casts_are_numpys);
    tcase_add_test(t, half_round_trip);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
