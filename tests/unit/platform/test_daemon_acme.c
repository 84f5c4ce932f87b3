/* test_daemon_acme.c - which names are wanted, when a certificate is renewed, what is believed of a pair, and the account key's thumbprint.
 *
 * The keys and certificates were made for this file with Python's cryptography, and so was the thumbprint computed: good from 2026-01-01 to 2026-04-01,
 * 90 days, signed by an authority that is nowhere. tests/wire/test_acme.py asks a real server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../check_main.h"
#include "../scratch.h"
#include "platform/daemon/acme_files.h"

static const char key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8+8avFIdvuPq77tX\n"
    "F3t5bf3m7ereCESb8vgEiE8v4KqhRANCAARIZGVIkMT8922w4KRiO/Q99h8WAiDv\n"
    "HFxGdMfaukEEDVZvdkHJmk4T2bjuyVDVleEJQQMf/oV0KOa4C6wkTYE3\n"
    "-----END PRIVATE KEY-----\n";
static const char other_curve[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAGbUW/V1WTtA8yBE6R\n"
    "BQK9TM3Bd+4ODDGL91PeGc4WJgyn9DqLBaBiTl+vmtZ28+KhZANiAAR7MlDZufrh\n"
    "xBzO/pEd3WLhYBWLvIVJOJ0YXvA6kdBpPowmeFpSZ6JfBpp+23w6Q989ab+9B3Ew\n"
    "FbRSISM0OQrXZK1kJ55HY6RnsbFcWAdcEOdFeKQt78puQ6h46EIe1eM=\n"
    "-----END PRIVATE KEY-----\n";
static const char named[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBTjCB9qADAgECAgEHMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWF1dGhvcml0\n"
    "eTAeFw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMBoxGDAWBgNVBAMMD2h1\n"
    "Yi5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEhkZUiQxPz3\n"
    "bbDgpGI79D32HxYCIO8cXEZ0x9q6QQQNVm92QcmaThPZuO7JUNWV4QlBAx/+hXQo\n"
    "5rgLrCRNgTejMzAxMC8GA1UdEQQoMCaCD2h1Yi5leGFtcGxlLm9yZ4ITYWRhLmh1\n"
    "Yi5leGFtcGxlLm9yZzAKBggqhkjOPQQDAgNHADBEAiBCxPjru9Tz+RJZY4f8BYQe\n"
    "d5WVdnJRtD1LVg9oB+nONgIgCCV8nJpQUyB8YGUA5RFyVKEMv/VKd8dyB6nfmfg6\n"
    "F0o=\n"
    "-----END CERTIFICATE-----\n";
static const char wild[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBTjCB9KADAgECAgEHMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWF1dGhvcml0\n"
    "eTAeFw0yNjAxMDEwMDAwMDBaFw0yNjA0MDEwMDAwMDBaMBoxGDAWBgNVBAMMD2h1\n"
    "Yi5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEhkZUiQxPz3\n"
    "bbDgpGI79D32HxYCIO8cXEZ0x9q6QQQNVm92QcmaThPZuO7JUNWV4QlBAx/+hXQo\n"
    "5rgLrCRNgTejMTAvMC0GA1UdEQQmMCSCD2h1Yi5leGFtcGxlLm9yZ4IRKi5odWIu\n"
    "ZXhhbXBsZS5vcmcwCgYIKoZIzj0EAwIDSQAwRgIhAPnlzWJxMkDwYJ68yG1Bn7KF\n"
    "pXrxj1KGxAkGAPDQA3WWAiEA9+0A1CQaA99mSqb1dS+ejjHqTI7kVN0XU9Xyxsaw\n"
    "uRA=\n"
    "-----END CERTIFICATE-----\n";
#define THUMBPRINT "GxYwXntoFcMhO7B6kNBGM46N7MrdLVKBxPKRd5H9jgI"

enum { JANUARY = 1767225600, DAY = 86400 };

static cr_err err = CR_ERR_INIT;

static cr_config config(const char *hook) {
    cr_config c = {.domain = "hub.example.org"};
    strcpy(c.acme_hook, hook);
    return c;
}

START_TEST(names_are_those_of_the_accounts) {
    cr_acme_names n;
    cr_config c = config("");
    cr_acme_wanted(&c, "", &n);
    ck_assert_int_eq(n.n, 1);
    ck_assert_str_eq(n.at[0], "hub.example.org");
    cr_acme_wanted(&c, "next 20004\nada 20001\nbob-2 20002\nnext 20003\n", &n);      /* the first next is the list's own */
    ck_assert_int_eq(n.n, 4);
    ck_assert_str_eq(n.at[1], "ada.hub.example.org");
    ck_assert_str_eq(n.at[2], "bob-2.hub.example.org");
    ck_assert_str_eq(n.at[3], "next.hub.example.org");
    ck_assert(!n.cut);
    cr_acme_wanted(&c, "next 3\ntorn", &n);
    ck_assert_int_eq(n.n, 1);
    c = config("/bin/hook");
    cr_acme_wanted(&c, "next 2\nada 20001\n", &n);
    ck_assert_int_eq(n.n, 2);
    ck_assert_str_eq(n.at[1], "*.hub.example.org");
}
END_TEST

START_TEST(a_certificate_has_room_for_a_hundred_names) {
    static char list[8192];
    cr_acme_names n;
    cr_config c = config("");
    size_t at = 0;
    for (int i = 0; i < 120; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "a%d %d\n", i, 20001 + i);
    cr_acme_wanted(&c, list, &n);
    ck_assert_int_eq(n.n, CR_ACME_NAMES_MAX);
    ck_assert(n.cut);
}
END_TEST

START_TEST(renewed_at_a_third_of_the_life_or_for_a_name) {
    cr_acme_names n;
    cr_config c = config("");
    cr_acme_wanted(&c, "next 2\nada 20001\n", &n);
    ck_assert_int_eq(cr_acme_look(named, &n, JANUARY + 1), CR_ACME_FINE);
    ck_assert_int_eq(cr_acme_look(named, &n, JANUARY + 60 * DAY - 1), CR_ACME_FINE);
    ck_assert_int_eq(cr_acme_look(named, &n, JANUARY + 60 * DAY), CR_ACME_LATE);
    ck_assert_int_eq(cr_acme_look(named, &n, JANUARY + 100 * DAY), CR_ACME_LATE);
    ck_assert_int_eq(cr_acme_look("", &n, JANUARY + 1), CR_ACME_LATE);
    ck_assert_int_eq(cr_acme_look("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", &n, JANUARY + 1), CR_ACME_LATE);
    cr_acme_wanted(&c, "next 2\nada 20001\nbob 20002\n", &n);
    ck_assert_int_eq(cr_acme_look(named, &n, JANUARY + 1), CR_ACME_NAME);
    ck_assert_int_eq(cr_acme_look(wild, &n, JANUARY + 1), CR_ACME_FINE);
    c = config("/bin/hook");
    cr_acme_wanted(&c, "", &n);
    ck_assert_int_eq(cr_acme_look(wild, &n, JANUARY + 1), CR_ACME_FINE);
    ck_assert_int_eq(cr_acme_look(named, &n, JANUARY + 1), CR_ACME_NAME);
}
END_TEST

START_TEST(what_is_believed_of_a_pair) {
    ck_assert_ok(cr_acme_check_pair(named, key, "hub.example.org", JANUARY + DAY, &err));
    ck_assert_fails(cr_acme_check_pair(named, other_curve, "hub.example.org", JANUARY + DAY, &err), CR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "another key"));
    ck_assert_fails(cr_acme_check_pair(named, key, "other.example.org", JANUARY + DAY, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_check_pair(wild, key, "a.b.hub.example.org", JANUARY + DAY, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_check_pair(named, key, "hub.example.org", JANUARY - DAY, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_check_pair(named, key, "hub.example.org", JANUARY + 90 * DAY, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_check_pair("", key, "hub.example.org", JANUARY + DAY, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_check_pair(named, named, "hub.example.org", JANUARY + DAY, &err), CR_FORMAT);
}
END_TEST

START_TEST(thumbprint_of_the_account_key) {
    char text[44];
    ck_assert_ok(cr_acme_thumbprint(key, text, &err));
    ck_assert_str_eq(text, THUMBPRINT);
    ck_assert_fails(cr_acme_thumbprint(other_curve, text, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_thumbprint(named, text, &err), CR_FORMAT);
    ck_assert_fails(cr_acme_thumbprint("", text, &err), CR_FORMAT);
}
END_TEST

/* Root gives the account key to uacme's user: no other file by that way, whatever lies there. */
START_TEST(no_other_file_is_given_away) {
    const uid_t uid = 65534;
    char folder[] = "/tmp/craton-acme-XXXXXX", path[300], other[300], command[400];
    struct stat st;
    cr_ground g = {.acme_uid = uid, .acme_gid = uid};
    cr_config c = config("");
    if (geteuid() != 0)       /* without root there is no --acme */
        return;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(c.state_dir, sizeof c.state_dir, "%s", folder);
    snprintf(c.run_dir, sizeof c.run_dir, "%s", folder);
    ck_assert_ok(cr_acme_lay(&c, &g, &err));
    const struct { const char *name; uid_t uid; } are[] = {{"acme", 0}, {"acme/private", uid}, {"acme/hub.example.org", uid}, {"acme/private/key.pem", uid}, {"tls/key.pem", 0}};
    for (size_t i = 0; i < CR_ARRAY_LEN(are); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, are[i].name);
        ck_assert_msg(stat(path, &st) == 0 && st.st_uid == are[i].uid && !(st.st_mode & (S_IWGRP | S_IRWXO)), "%s", path);
    }
    snprintf(path, sizeof path, "%s/acme/private/key.pem", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    snprintf(command, sizeof command, "cp %s %s && chown 0:0 %s", path, other, other);
    ck_assert_int_eq(system(command), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(i ? symlink(other, path) : link(other, path), 0);
        ck_assert_int_ne(cr_acme_lay(&c, &g, &err), CR_OK);
        ck_assert(stat(other, &st) == 0 && st.st_uid == 0);
    }
    scratch_remove(folder);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("daemon_acme");
    TCase *t = tcase_create("all");
    tcase_add_test(t, names_are_those_of_the_accounts);
    tcase_add_test(t, a_certificate_has_room_for_a_hundred_names);
    tcase_add_test(t, renewed_at_a_third_of_the_life_or_for_a_name);
    tcase_add_test(t, what_is_believed_of_a_pair);
    tcase_add_test(t, thumbprint_of_the_account_key);
    tcase_add_test(t, no_other_file_is_given_away);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
