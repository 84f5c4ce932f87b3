/* test_disk.c - measuring a tree, whole and in slices; limits of the disk by group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../check_main.h"
#include "../scratch.h"
#include "platform/db/schema.h"
#include "platform/identity/disk_limits.h"
#include "platform/identity/person.h"
#include "platform/runner/disk_walk.h"

static char folder[64];
static cr_err err = CR_ERR_INIT;

static void shell(const char *command) {
    char all[2000];
    snprintf(all, sizeof all, "cd %s && { %s; }", folder, command);
    ck_assert_int_eq(system(all), 0);
}

/* What du says, which counts as quotas do. */
static uint64_t du(const char *options) {
    char command[200], line[64] = "";
    snprintf(command, sizeof command, "du -s --block-size=1 %s %s", options, folder);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_int_eq(pclose(f), 0);
    return strtoull(line, NULL, 10);
}

static void setup(void) {
    scratch_make(folder, "disk");
    shell("mkdir -p small big/deep/er 'odd name\x01'; for i in $(seq 40); do head -c ${i}000 /dev/urandom > big/deep/er/f$i; done;"
          "head -c 90000 /dev/urandom > small/a; head -c 5000 /dev/urandom > 'odd name\x01/b'; head -c 300000 /dev/urandom > big/twice; ln big/twice small/again;"
          "ln -s /usr small/away; ln -s .. big/deep/up; mkfifo small/pipe; truncate -s 1G small/hole; sync .");
}

static void teardown(void) {
    scratch_remove(folder);
}

START_TEST(whole) {
    static cr_disk_use use;
    char text[500];
    memset(&use, 0, sizeof use);
    ck_assert_ok(cr_disk_walk(folder, 60000, &use, &err));
    ck_assert(use.complete && !use.cut && !use.cursor[0]);
    ck_assert_uint_eq(use.bytes, du(""));
    ck_assert_str_eq(use.top[0].name, "big");
    ck_assert_str_eq(use.top[1].name, "small");
    ck_assert_uint_eq(use.top[3].bytes, 0);
    uint64_t top = 0;
    for (int i = 0; i < CR_DISK_TOP; i++)
        top += use.top[i].bytes;
    struct stat st;
    ck_assert_int_eq(stat(folder, &st), 0);
    ck_assert_uint_eq(top + (uint64_t)st.st_blocks * 512, use.bytes);
    cr_disk_top_text(&use, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, " big\n"));
    ck_assert_ptr_nonnull(strstr(text, " odd name \n"));       /* no control character leaves */
    cr_disk_top_text(&use, text, 12);                          /* whole lines or none */
    ck_assert(!text[0] || text[strlen(text) - 1] == '\n');
}
END_TEST

/* Each slice has no time at all, so each goes one step. */
START_TEST(slices) {
    static cr_disk_use use, all;
    memset(&use, 0, sizeof use);
    memset(&all, 0, sizeof all);
    shell("rm small/again");                                   /* what has two names is known within a slice only */
    ck_assert_ok(cr_disk_walk(folder, 60000, &all, &err));
    int n = 0;
    do {
        ck_assert_ok(cr_disk_walk(folder, 0, &use, &err));
        ck_assert(use.complete == !use.cursor[0]);
    } while (!use.complete && ++n < 1000);
    ck_assert_int_ge(n, 50);
    ck_assert(use.complete);
    ck_assert_uint_eq(use.bytes, all.bytes);
    ck_assert_uint_eq(use.entries, all.entries);
    for (int i = 0; i < CR_DISK_TOP; i++) {
        ck_assert_uint_eq(use.top[i].bytes, all.top[i].bytes);
        ck_assert_str_eq(use.top[i].name, all.top[i].name);
    }
}
END_TEST

/* The place where a slice has stopped goes away: it goes on behind it. */
START_TEST(place_is_gone) {
    static cr_disk_use use;
    memset(&use, 0, sizeof use);
    for (int i = 0; i < 5; i++)
        ck_assert_ok(cr_disk_walk(folder, 0, &use, &err));
    ck_assert_int_eq(strncmp(use.cursor, "big/", 4), 0);
    shell("rm -rf big; ln -s /usr big");
    ck_assert_ok(cr_disk_walk(folder, 60000, &use, &err));
    ck_assert(use.complete);
    ck_assert_uint_lt(use.bytes, 2000000);
}
END_TEST

START_TEST(deep_and_missing) {
    static cr_disk_use use;
    memset(&use, 0, sizeof use);
    shell("d=.; for i in $(seq 250); do d=$d/d; done; mkdir -p $d");
    ck_assert_ok(cr_disk_walk(folder, 60000, &use, &err));
    ck_assert(use.complete && use.cut);
    memset(&use, 0, sizeof use);
    ck_assert_int_eq(cr_disk_walk("/tmp/craton-no-such-home", 1000, &use, &err), CR_NOT_FOUND);
    shell("ln -s /usr link");
    char path[100];
    snprintf(path, sizeof path, "%s/link", folder);
    ck_assert_int_ne(cr_disk_walk(path, 1000, &use, &err), CR_OK);
}
END_TEST

START_TEST(limits) {
    cr_disk_limit l[CR_DISK_LIMITS_MAX];
    int n = -1;
    ck_assert_ok(cr_disk_limits_read("", l, &n, &err));
    ck_assert_int_eq(n, 0);
    ck_assert_ok(cr_disk_limits_read(" the class  5G; vo.example:staff 0 ;x 1.5M;", l, &n, &err));
    ck_assert_int_eq(n, 3);
    ck_assert_str_eq(l[0].group, "the class");
    ck_assert_uint_eq(l[0].bytes, (uint64_t)5 << 30);
    ck_assert_uint_eq(l[1].bytes, 0);
    ck_assert_uint_eq(l[2].bytes, 3 << 19);
    static const char *const wrong[] = {"class", "class big", "5G", " 5G", "a 1G; a 2G", "a 99999999999999T"};
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++)
        ck_assert_int_eq(cr_disk_limits_read(wrong[i], l, &n, &err), CR_INVALID);
}
END_TEST

START_TEST(limit_of_a_person) {
    static const cr_disk_limit given[] = {{"class", 10}, {"staff", 30}, {"all", 0}};
    static const struct { const char *groups[3]; uint64_t most; } rows[] = {
        {{NULL}, 20}, {{"class"}, 10}, {{"class", "staff"}, 30}, {{"staff", "all"}, 0}, {{"other"}, 20}};
    cr_db *db;
    char path[100];
    snprintf(path, sizeof path, "%s/db", folder);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_person p = {0};
        uint64_t most = 1;
        snprintf(p.name, sizeof p.name, "p%zu", i);
        ck_assert_ok(cr_person_add(db, &p, &err));
        for (int k = 0; k < 3 && rows[i].groups[k]; k++) {
            int64_t id;
            if (cr_group_find(db, rows[i].groups[k], &id, NULL) != CR_OK)
                ck_assert_ok(cr_group_add(db, rows[i].groups[k], &id, &err));
            ck_assert_ok(cr_group_put_in(db, id, p.id, &err));
        }
        ck_assert_ok(cr_disk_limit_of(db, p.id, 20, given, 3, &most, &err));
        ck_assert_uint_eq(most, rows[i].most);
    }
    cr_db_close(db);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("disk");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, whole);
    tcase_add_test(t, slices);
    tcase_add_test(t, place_is_gone);
    tcase_add_test(t, deep_and_missing);
    tcase_add_test(t, limits);
    tcase_add_test(t, limit_of_a_person);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
