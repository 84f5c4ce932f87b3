/* test_index_span.c - least and greatest of stretches of a list, against looking at each element. */
#include "../check_main.h"

#include <stdlib.h>

#include "engine/plan/index_span.h"

static int64_t numbers[5000];

static void check_stretch(const cr_index_span *s, int64_t lo, int64_t hi) {
    int64_t least, most, a = INT64_MAX, b = INT64_MIN;
    for (int64_t i = lo; i < hi; i++) {
        a = CR_MIN(a, numbers[i]);
        b = CR_MAX(b, numbers[i]);
    }
    cr_index_span_ask(s, lo, hi, &least, &most);
    ck_assert_int_eq(least, a);
    ck_assert_int_eq(most, b);
}

START_TEST(stretches) {
    static const int64_t lengths[] = {1, 2, 15, 16, 17, 255, 256, 257, 300, 4096, 4097, 5000};
    for (size_t k = 0; k < CR_ARRAY_LEN(lengths); k++) {
        cr_auto_arena cr_arena arena;
        cr_arena_init(&arena, 1 << 20);
        int64_t n = lengths[k];
        unsigned seed = 7 + (unsigned)k;
        for (int64_t i = 0; i < n; i++)
            numbers[i] = rand_r(&seed) % 100000;
        const cr_index_span *s = cr_index_span_make(&arena, numbers, n);
        ck_assert_ptr_nonnull(s);
        for (int64_t i = 0; i < CR_MIN(n, 40); i++)
            for (int64_t hi = i + 1; hi <= CR_MIN(n, 40); hi++) {
                check_stretch(s, i, hi);
                check_stretch(s, i, n - hi + i + 1);
            }
        for (int i = 0; i < 500; i++) {
            int64_t lo = rand_r(&seed) % n;
            check_stretch(s, lo, lo + 1 + rand_r(&seed) % (n - lo));
        }
    }
}
END_TEST

START_TEST(no_room) {
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, 1024);
    ck_assert_ptr_null(cr_index_span_make(&arena, numbers, 5000));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("index_span");
    TCase *t = tcase_create("index_span");
    tcase_add_test(t, stretches);
    tcase_add_test(t, no_room);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
