/* check_main.h - the main() of a unit test program: runs one suite, forks per case, prints TAP for Meson.
 * CK_FORK=no in the environment runs in-process, for a debugger. */
#ifndef CRATON_TESTS_CHECK_MAIN_H
#define CRATON_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define CHECK_MAIN(suite_expr)                              \
    int main(void) {                                        \
        SRunner *all_cases = srunner_create(suite_expr);    \
        srunner_run_all(all_cases, CK_ENV);                 \
        int failed = srunner_ntests_failed(all_cases);      \
        srunner_free(all_cases);                            \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;        \
    }

/* ck_assert_ok(call(..., &err)) prints the message of err on failure. */
#define ck_assert_ok(call)                                                                           \
    do {                                                                                             \
        cr_status ok_ = (call);                                                                      \
        ck_assert_msg(ok_ == CR_OK, "%s: %s: %s (%s)", #call, cr_status_name(ok_), err.message, err.hint); \
    } while (0)
#define ck_assert_fails(call, expected)                                                              \
    do {                                                                                             \
        cr_status got_ = (call);                                                                     \
        ck_assert_msg(got_ == (expected), "%s gave %s, expected %s: %s", #call, cr_status_name(got_), #expected, err.message); \
    } while (0)

#endif
