/* test_runner_owner_rules.c - the text that the packet filter is given: the program itself says whether it is right. */
#include "../check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
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
    ck_assert(strstr(cr_buf_str(&some), "meta skuid 20001-40000 ct mark 20001-40000") != NULL);
    accepted_by_nft(&none);
    accepted_by_nft(&some);
}
END_TEST

START_TEST(without_root_there_are_none) {
    const cr_config c = {.as_root = false, .uid_first = 20001, .uid_count = 20000};
    cr_owner_rules *r = NULL;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_owner_rules_open(&c, "craton", NULL, 0, &r, &err));
    ck_assert_ptr_null(r);
    cr_owner_rules_admit(r, 20001);
    cr_owner_rules_close(r, true);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("runner_owner_rules");
    TCase *t = tcase_create("all");
    tcase_add_test(t, rules);
    tcase_add_test(t, without_root_there_are_none);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
