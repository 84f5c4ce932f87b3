/* test_daemon_tls.c - what is taken from PEM files, and the end of a certificate as HAProxy shows it. tests/wire/test_tls.py serves it. */
#include <stdlib.h>
#include <string.h>
#include "../check_main.h"
#include "platform/daemon/haproxy_tls.h"

static cr_err err = CR_ERR_INIT;

static const char *blocks(const char *text) {
    static cr_buf out;
    cr_buf_done(&out);
    cr_buf_init(&out, 1 << 16);
    ck_assert_ok(cr_haproxy_tls_blocks(text, &out, &err));
    return cr_buf_str(&out);
}

/* An empty line would end the command that carries the pair, and what follows it would be a command to HAProxy. */
START_TEST(only_blocks_without_empty_lines) {
    ck_assert_str_eq(blocks(""), "");
    ck_assert_str_eq(blocks("Certificate:\n    Data\n\n-----BEGIN CERTIFICATE-----\nMII\n\n  \r\nBC\r\n-----END CERTIFICATE-----\n\nshow info\n"),
                     "-----BEGIN CERTIFICATE-----\nMII\nBC\n-----END CERTIFICATE-----\n");
    ck_assert_str_eq(blocks("-----BEGIN A-----\nx\n-----END A-----\nbetween\n-----BEGIN B-----\ny\n-----END B-----"),
                     "-----BEGIN A-----\nx\n-----END A-----\n-----BEGIN B-----\ny\n-----END B-----\n");
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, 1 << 16);
    ck_assert_fails(cr_haproxy_tls_blocks("-----BEGIN A-----\nx\n", &out, &err), CR_FORMAT);
}
END_TEST

START_TEST(end_of_a_certificate) {
    ck_assert_int_eq(cr_haproxy_tls_until("Filename: a\nnotBefore: Nov 25 22:10:00 2026 GMT\nnotAfter: Nov 27 22:10:00 2026 GMT\nx"), 1795817400);
    ck_assert_int_eq(cr_haproxy_tls_until("notAfter: Jan  1 00:00:00 1970 GMT\n"), 0);
    ck_assert_int_eq(cr_haproxy_tls_until("notAfter: soon\n"), 0);
    ck_assert_int_eq(cr_haproxy_tls_until(""), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("daemon_tls");
    TCase *t = tcase_create("all");
    tcase_add_test(t, only_blocks_without_empty_lines);
    tcase_add_test(t, end_of_a_certificate);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
