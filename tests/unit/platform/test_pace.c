/* test_pace.c - failures of sign-ins by identity providers, by address. */
#include "../check_main.h"

#include <stdio.h>
#include <string.h>
#include "platform/hub/pace.h"

static cr_pace *pace;

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_pace_new(&pace, &err));
}

static void teardown(void) { cr_pace_free(pace); }

static void fail_at(const char *address, int n, int64_t now_ms) {
    for (int i = 0; i < n; i++) {
        cr_pace_hold h;
        ck_assert_int_eq(cr_pace_begin(pace, address, now_ms, &h), 0);
        cr_pace_end(pace, &h, true, now_ms);
    }
}

START_TEST(failures_fade_one_by_one) {
    cr_pace_hold h;
    fail_at("192.0.2.1", CR_PACE_FAILURES, 1000);
    ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.1", 1000, &h), CR_PACE_FORGET_MS);
    ck_assert(!h.held);
    cr_pace_end(pace, &h, true, 1000);                    /* nothing is held: nothing is counted */
    ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.1", 2999, &h), 1);
    ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.2", 1000, &h), 0);      /* another address */
    cr_pace_end(pace, &h, false, 1000);
    /* What was told as the pause is enough, and a further failure costs no longer one. */
    fail_at("192.0.2.1", 1, 3000);
    ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.1", 3000, &h), CR_PACE_FORGET_MS);
    fail_at("192.0.2.1", 1, 5000);
    /* After two minutes all is forgotten. */
    fail_at("192.0.2.1", CR_PACE_FAILURES, 5000 + CR_PACE_FAILURES * CR_PACE_FORGET_MS);
}
END_TEST

START_TEST(many_at_once_are_no_better) {
    cr_pace_hold h[CR_PACE_FAILURES], more;
    for (int i = 0; i < CR_PACE_FAILURES; i++)
        ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.1", 0, &h[i]), 0);
    ck_assert_int_gt(cr_pace_begin(pace, "192.0.2.1", 0, &more), 0);
    cr_pace_end(pace, &h[0], false, 0);
    cr_pace_end(pace, &h[0], true, 0);                    /* ended before */
    ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.1", 0, &more), 0);
    cr_pace_end(pace, &more, false, 0);
    for (int i = 1; i < CR_PACE_FAILURES; i++)
        cr_pace_end(pace, &h[i], false, 0);
    fail_at("192.0.2.1", CR_PACE_FAILURES, 0);
}
END_TEST

START_TEST(a_network_is_one_address) {
    cr_pace_hold h;
    fail_at("2001:db8:1:2::1", CR_PACE_FAILURES / 2, 0);
    fail_at("2001:db8:1:2:ffff::", CR_PACE_FAILURES / 2, 0);
    ck_assert_int_gt(cr_pace_begin(pace, "2001:db8:1:2::77", 0, &h), 0);
    ck_assert_int_eq(cr_pace_begin(pace, "2001:db8:1:3::1", 0, &h), 0);
    fail_at("::ffff:192.0.2.1", CR_PACE_FAILURES, 0);
    ck_assert_int_gt(cr_pace_begin(pace, "192.0.2.1", 0, &h), 0);
}
END_TEST

START_TEST(many_addresses) {
    cr_pace_hold h;
    char address[32];
    for (int i = 0; i < 40000; i++) {
        snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        fail_at(address, 1, 0);
    }
    /* Full of what is not forgotten: nobody is refused, nobody is counted; later there is room again. */
    for (int i = 0; i < 2 * CR_PACE_FAILURES; i++)
        ck_assert_int_eq(cr_pace_begin(pace, "192.0.2.1", 0, &h), 0);
    fail_at("192.0.2.1", CR_PACE_FAILURES, CR_PACE_FORGET_MS);
    ck_assert_int_gt(cr_pace_begin(pace, "192.0.2.1", CR_PACE_FORGET_MS, &h), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("pace");
    TCase *t = tcase_create("pace");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, failures_fade_one_by_one);
    tcase_add_test(t, many_at_once_are_no_better);
    tcase_add_test(t, a_network_is_one_address);
    tcase_add_test(t, many_addresses);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
