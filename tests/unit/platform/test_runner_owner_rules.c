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
    const cr_config plain = {.uid_first = 20001, .uid_count = 20000, .port = 8000},
                    behind = {.uid_first = 20001, .uid_count = 20000, .port = 8000, .gateway_port = 8786, .trusted_proxies = "127.0.0.1"};
    cr_owner_rules_text("craton", &plain, NULL, 0, &none);
    cr_owner_rules_text("craton-0a1b2c3d", &behind, uids, 2, &some);
    ck_assert(strstr(cr_buf_str(&none), "elements") == NULL);
    ck_assert(strstr(cr_buf_str(&some), "elements = { 20001 : 20001, 20007 : 20007 }") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "elements = { 20001 . 20001, 20007 . 20007 }") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "elements = { 20001, 20007 }") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "meta skuid @ours ct mark 20001-40000") != NULL);
    ck_assert(strstr(cr_buf_str(&none), "tcp dport { 8000, 8001, 8002 } ip saddr 127.0.0.0/8 ip saddr != 127.0.0.1 drop") != NULL);
    ck_assert(strstr(cr_buf_str(&none), "tcp dport { 8000, 8001 } drop") == NULL);
    ck_assert(strstr(cr_buf_str(&some), "tcp dport { 8000, 8001, 8002, 8786 } ip saddr") != NULL);
    ck_assert(strstr(cr_buf_str(&some), "tcp dport { 8000, 8001 } drop") != NULL);
    accepted_by_nft(&none);
    accepted_by_nft(&some);
}
END_TEST

START_TEST(without_root_there_are_none) {
    const cr_config c = {.as_root = false, .uid_first = 20001, .uid_count = 20000};
    cr_owner_rules *r = NULL;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_owner_rules_open(&c, "/usr/sbin/nft", "craton", NULL, 0, NULL, NULL, NULL, &r, &err));
    ck_assert_ptr_null(r);
    ck_assert(!cr_owner_rules_admit(r, 20001));
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

/* What is done one after the other on the helper's loop, each step when no job is left of the one before. */
static struct {
    cr_watch *watch;
    cr_jobs *jobs;
    cr_owner_rules *rules;
    char folder[40];
    cr_buf text;
    uid_t last;               /* that was told of */
    int step;
    int64_t until_ms;
} t;
enum { MINUTE_MS = 60 * 1000 };

static void on_admitted(void *user, uid_t uid) {
    (void)user;
    t.last = uid;
}

/* Whether what the program was given since the last look has this. */
static bool was_given(const char *what) {
    given(t.folder, &t.text);
    return what ? t.text.len && strstr(cr_buf_str(&t.text), what) : !t.text.len;
}

static void not_at_once(void) {
    ck_assert(!cr_owner_rules_admit(t.rules, 20005));        /* there is no table that it could be put into */
    busy(t.folder, false);
    cr_owner_rules_again(t.rules, cr_now_ms());
}

static void then_everything_that_was_missed(void) {
    ck_assert(was_given(NULL));
    cr_owner_rules_again(t.rules, cr_now_ms() + MINUTE_MS);
}

static void and_no_more(void) {
    ck_assert(was_given("elements = { 20003 : 20003, 20005 : 20005 }"));
    cr_owner_rules_again(t.rules, cr_now_ms() + 2 * MINUTE_MS);
}

static void one_that_is_new(void) {
    ck_assert(was_given(NULL));
    ck_assert(!cr_owner_rules_admit(t.rules, 20005));        /* it is in there */
    ck_assert(cr_owner_rules_admit(t.rules, 20006) && cr_owner_rules_admit(t.rules, 20006));     /* both are told */
    ck_assert_uint_eq(t.last, 0);
}

static void one_that_cannot_be_put_in(void) {
    ck_assert_uint_eq(t.last, 20006);
    ck_assert(was_given("add element inet craton marks { 20006 : 20006 }"));
    ck_assert(strstr(strstr(cr_buf_str(&t.text), "marks") + 1, "marks") == NULL);
    busy(t.folder, true);
    ck_assert(cr_owner_rules_admit(t.rules, 20007));
}

static void one_that_comes_while_the_table_is_put(void) {
    ck_assert_uint_eq(t.last, 20007);                        /* its start goes on nevertheless */
    busy(t.folder, false);
    cr_owner_rules_again(t.rules, cr_now_ms() + MINUTE_MS);
    ck_assert(!cr_owner_rules_admit(t.rules, 20008));
}

static void in_force_again(void) {
    ck_assert(was_given("20006 : 20006, 20007 : 20007, 20008 : 20008 }"));
    ck_assert(cr_owner_rules_admit(t.rules, 20009));
}

static void look(void *user, uint32_t events) {
    static void (*const steps[])(void) = {not_at_once, then_everything_that_was_missed, and_no_more, one_that_is_new, one_that_cannot_be_put_in,
                                          one_that_comes_while_the_table_is_put, in_force_again};
    cr_err err = CR_ERR_INIT;
    (void)user, (void)events;
    ck_assert_msg(cr_now_ms() < t.until_ms, "the jobs do not end");
    if (cr_jobs_count(t.jobs) == 0 && t.step == (int)CR_ARRAY_LEN(steps)) {
        cr_watch_stop(t.watch);
        return;
    }
    if (cr_jobs_count(t.jobs) == 0)
        steps[t.step++]();
    ck_assert_ok(cr_watch_after(t.watch, 2, look, NULL, &err));
}

START_TEST(what_failed_is_tried_again) {
    char program[200], command[200];
    cr_config c = {.as_root = true, .uid_first = 20001, .uid_count = 20000};
    const uid_t uids[] = {20003};
    cr_err err = CR_ERR_INIT;
    strcpy(t.folder, "/tmp/craton-rules-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(t.folder));
    snprintf(c.run_dir, sizeof c.run_dir, "%s", t.folder);
    cr_buf_init(&t.text, 1 << 20);
    t.until_ms = cr_now_ms() + MINUTE_MS;
    ck_assert_ok(cr_watch_new(&t.watch, &err));
    ck_assert_ok(cr_jobs_new(t.watch, &t.jobs, &err));
    write_program(t.folder, program);
    busy(t.folder, true);
    ck_assert_ok(cr_owner_rules_open(&c, program, "craton", uids, 1, t.jobs, on_admitted, NULL, &t.rules, &err));
    ck_assert_ptr_nonnull(t.rules);
    ck_assert_ok(cr_watch_after(t.watch, 0, look, NULL, &err));
    ck_assert_ok(cr_watch_run(t.watch, &err));
    ck_assert_uint_eq(t.last, 20009);
    cr_jobs_free(t.jobs);
    cr_owner_rules_close(t.rules, true);
    cr_watch_free(t.watch);
    cr_buf_done(&t.text);
    snprintf(command, sizeof command, "rm -r %s", t.folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("runner_owner_rules");
    TCase *all = tcase_create("all");
    tcase_add_test(all, rules);
    tcase_add_test(all, without_root_there_are_none);
    tcase_add_test(all, what_failed_is_tried_again);
    suite_add_tcase(s, all);
    return s;
}

CHECK_MAIN(suite())
