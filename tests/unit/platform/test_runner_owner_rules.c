/* test_runner_owner_rules.c - the text that the packet filter is given: the program itself says whether it is right. */
#include "../check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "platform/runner/owner_rules.h"

static void accepted_by_nft(const cr_buf *text) {
    char path[] = "/tmp/craton-rules-XXXXXX", command[200];
    cr_err err = CR_ERR_INIT;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_ok(cr_file_replace(path, text->data, text->len, 0600, &err));
    snprintf(command, sizeof command, "/usr/sbin/nft --check --file %s 2>&1", path);
    if (access("/usr/sbin/nft", X_OK) == 0 && geteuid() == 0 && system("/usr/sbin/nft list tables >/dev/null 2>&1") == 0)
        ck_assert_int_eq(system(command), 0);
    unlink(path);
}

START_TEST(rules) {
    cr_auto_buf cr_buf none, some;
    cr_buf_init(&none, 1 << 20);
    cr_buf_init(&some, 1 << 20);
    const uid_t uids[] = {20001, 20007};
    cr_owner_rules_text("craton", 20001, 20000, NULL, 0, &none);
    cr_owner_rules_text("craton-0a1b2c3d", 20001, 20000, uids, 2, &some);
    ck_assert(strstr(cr_buf_str(&none), "elements") == NULL);
    ck_assert(strstr(cr_buf_str(&some), "elements = { 20001 : 20001, 20007 : 20007 }") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "elements = { 20001 . 20001, 20007 . 20007 }") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "elements = { 20001, 20007 }") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "meta skuid @ours ct mark 20001-40000") != NULL);
    accepted_by_nft(&none);
    accepted_by_nft(&some);
}
END_TEST

START_TEST(without_root_there_are_none) {
    const cr_config c = {.as_root = false, .uid_first = 20001, .uid_count = 20000};
    cr_owner_rules *r = NULL;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_owner_rules_open(&c, "/usr/sbin/nft", "craton", NULL, 0, &r, &err));
    ck_assert_ptr_null(r);
    cr_owner_rules_admit(r, 20001);
    cr_owner_rules_close(r, true);
}
END_TEST

/* A program in nft's place that keeps what it is given, and fails while the file "busy" is there. */
static void write_program(const char *folder, char path[200]) {
    cr_err err = CR_ERR_INIT;
    char text[600];
    snprintf(path, 200, "%s/nft", folder);
    snprintf(text, sizeof text, "#!/bin/sh\n[ ! -e %s/busy ] || exit 1\n[ \"$1\" != -f ] || cat \"$2\" >>%s/given\n", folder, folder);
    ck_assert_ok(cr_file_replace(path, text, strlen(text), 0700, &err));
}

static void busy(const char *folder, bool yes) {
    char path[200];
    cr_err err = CR_ERR_INIT;
    snprintf(path, sizeof path, "%s/busy", folder);
    if (yes)
        ck_assert_ok(cr_file_replace(path, "", 0, 0600, &err));
    else
        ck_assert_int_eq(unlink(path), 0);
}

/* What the program was given since the last call. */
static void given(const char *folder, cr_buf *out) {
    char path[200];
    cr_err err = CR_ERR_INIT;
    snprintf(path, sizeof path, "%s/given", folder);
    out->len = 0;
    if (access(path, F_OK) == 0) {
        ck_assert_ok(cr_file_read(path, out, &err));
        unlink(path);
    }
}

START_TEST(what_failed_is_tried_again) {
    char folder[] = "/tmp/craton-rules-XXXXXX", program[200], command[200];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    cr_config c = {.as_root = true, .uid_first = 20001, .uid_count = 20000};
    snprintf(c.run_dir, sizeof c.run_dir, "%s", folder);
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 1 << 20);
    const uid_t uids[] = {20003};
    cr_owner_rules *r = NULL;
    cr_err err = CR_ERR_INIT;
    const int64_t minute = 60 * 1000;
    write_program(folder, program);
    busy(folder, true);
    ck_assert_ok(cr_owner_rules_open(&c, program, "craton", uids, 1, &r, &err));
    ck_assert_ptr_nonnull(r);
    cr_owner_rules_admit(r, 20005);
    busy(folder, false);
    cr_owner_rules_again(r, cr_now_ms());              /* not at once */
    given(folder, &text);
    ck_assert_uint_eq(text.len, 0);
    cr_owner_rules_again(r, cr_now_ms() + minute);     /* then everything that was missed */
    given(folder, &text);
    ck_assert(strstr(cr_buf_str(&text), "elements = { 20003 : 20003, 20005 : 20005 }") != NULL);
    cr_owner_rules_again(r, cr_now_ms() + 2 * minute);
    given(folder, &text);
    ck_assert_uint_eq(text.len, 0);
    cr_owner_rules_admit(r, 20006);
    given(folder, &text);
    ck_assert(strstr(cr_buf_str(&text), "add element inet craton marks { 20006 : 20006 }") != NULL);
    busy(folder, true);
    cr_owner_rules_admit(r, 20007);                    /* an account that is not in the table */
    busy(folder, false);
    cr_owner_rules_again(r, cr_now_ms() + minute);
    given(folder, &text);
    ck_assert(strstr(cr_buf_str(&text), "20006 : 20006, 20007 : 20007 }") != NULL);
    cr_owner_rules_close(r, true);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("runner_owner_rules");
    TCase *t = tcase_create("all");
    tcase_add_test(t, rules);
    tcase_add_test(t, without_root_there_are_none);
    tcase_add_test(t, what_failed_is_tried_again);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
