/* test_format_store.c - stores: keys, ranges, lists, links, both kinds alike. */
#include "../check_main.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/store/store.h"
#include "engine/store/store_reference.h"

static char dir[64];
static cr_err err = CR_ERR_INIT;

static void setup(void) {
    snprintf(dir, sizeof dir, "/tmp/craton-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

/* i = 0: directory, 1: private directory, 2: memory. */
static cr_store *open_store(int i) {
    cr_store *s = NULL;
    if (i < 2)
        ck_assert_ok(cr_store_open_dir(dir, i == 1, &s, &err));
    else
        ck_assert_ok(cr_store_open_memory(1000, &s, &err));
    return s;
}

static void put(cr_store *s, const char *key, const char *text) { ck_assert_ok(cr_store_write(s, key, text, strlen(text), &err)); }

static void expect(cr_store *s, const char *key, const char *text) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 100);
    ck_assert_ok(cr_store_read_buf(s, key, &b, &err));
    ck_assert_str_eq(cr_buf_str(&b), text);
}

static cr_status room_of_ten(void *user, size_t n, void **ret_room, cr_err *e) {
    if (n > 10)
        return CR_FAIL(e, CR_LIMIT, "%zu", n);
    *ret_room = user;
    return CR_OK;
}

START_TEST(values_and_ranges) {
    cr_store *s = open_store(_i);
    char got[11];
    size_t n;
    cr_store_info info, later;
    put(s, "a/b/c", "0123456789");
    put(s, "top", "");
    expect(s, "a/b/c", "0123456789");
    expect(s, "top", "");
    ck_assert_ok(cr_store_read(s, "a/b/c", (cr_store_range){3, 4}, room_of_ten, got, &n, &info, &err));
    ck_assert_int_eq(n, 4);
    ck_assert_mem_eq(got, "3456", 4);
    ck_assert_int_eq(info.size, 10);
    ck_assert_ok(cr_store_read(s, "a/b/c", (cr_store_range){-3, UINT64_MAX}, room_of_ten, got, &n, NULL, &err));
    ck_assert_int_eq(n, 3);
    ck_assert_mem_eq(got, "789", 3);
    ck_assert_ok(cr_store_read(s, "a/b/c", (cr_store_range){10, 5}, room_of_ten, got, &n, NULL, &err));
    ck_assert_int_eq(n, 0);
    ck_assert_fails(cr_store_read(s, "a/b/c", (cr_store_range){11, 1}, room_of_ten, got, &n, NULL, &err), CR_RANGE);
    ck_assert_fails(cr_store_read(s, "a/b/c", (cr_store_range){-11, 1}, room_of_ten, got, &n, NULL, &err), CR_RANGE);
    ck_assert_fails(cr_store_read(s, "a/b/c", (cr_store_range){INT64_MIN, 1}, room_of_ten, got, &n, NULL, &err), CR_RANGE);
    ck_assert_fails(cr_store_read(s, "a/b", CR_STORE_WHOLE, room_of_ten, got, &n, NULL, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_store_read(s, "a/b/c/d", CR_STORE_WHOLE, room_of_ten, got, &n, NULL, &err), CR_NOT_FOUND);
    put(s, "a/b/c", "another one, longer");
    expect(s, "a/b/c", "another one, longer");
    ck_assert_fails(cr_store_read(s, "a/b/c", CR_STORE_WHOLE, room_of_ten, got, &n, NULL, &err), CR_LIMIT);
    ck_assert_ok(cr_store_stat(s, "a/b/c", &later, &err));
    ck_assert(later.version != info.version);
    ck_assert_ok(cr_store_sync(s, &err));
    cr_store_unref(s);
}
END_TEST

START_TEST(keys_are_checked) {
    static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "./a", "a/."};
    cr_store *s = open_store(_i);
    cr_store_info info;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert_fails(cr_store_write(s, bad[i], "x", 1, &err), CR_INVALID);
        ck_assert_fails(cr_store_stat(s, bad[i], &info, &err), CR_INVALID);
    }
    char name[300];
    memset(name, 'x', sizeof name);
    name[256] = 0;
    ck_assert_fails(cr_store_write(s, name, "x", 1, &err), CR_INVALID);
    put(s, "...", "three dots are a name");
    put(s, ".zarray", "so is this");
    cr_store_unref(s);
}
END_TEST

START_TEST(lists_are_sorted) {
    cr_store *s = open_store(_i);
    cr_auto_arena cr_arena arena;
    cr_store_entry *e;
    size_t n;
    cr_arena_init(&arena, 100000);
    put(s, "b/2/x", "1");
    put(s, "b/1", "1");
    put(s, "b/10/y", "1");
    put(s, "b/10/z", "1");
    put(s, "a", "1");
    ck_assert_ok(cr_store_list(s, "b", 100, &arena, &e, &n, &err));
    ck_assert_int_eq(n, 3);
    ck_assert_str_eq(e[0].name, "1");
    ck_assert_str_eq(e[1].name, "10");
    ck_assert(!e[0].is_prefix && e[1].is_prefix && e[2].is_prefix);
    ck_assert_ok(cr_store_list(s, "", 100, &arena, &e, &n, &err));
    ck_assert_int_eq(n, 2);
    ck_assert_ok(cr_store_list(s, "none", 100, &arena, &e, &n, &err));
    ck_assert_int_eq(n, 0);
    ck_assert_fails(cr_store_list(s, "b", 2, &arena, &e, &n, &err), CR_LIMIT);
    cr_store_unref(s);
}
END_TEST

START_TEST(links_stay_inside) {
    char path[128], outside[128];
    cr_store *s = open_store(0);
    cr_store_info info;
    put(s, "in/file", "good");
    snprintf(path, sizeof path, "%s/link", dir);
    ck_assert_int_eq(symlink("in/file", path), 0);
    expect(s, "link", "good");
    snprintf(path, sizeof path, "%s/out", dir);
    ck_assert_int_eq(symlink("/etc/hostname", path), 0);
    ck_assert_fails(cr_store_stat(s, "out", &info, &err), CR_DENIED);
    snprintf(path, sizeof path, "%s/up", dir);
    ck_assert_int_eq(symlink("..", path), 0);
    ck_assert_fails(cr_store_stat(s, "up/hostname", &info, &err), CR_DENIED);
    ck_assert_fails(cr_store_write(s, "up/written", "x", 1, &err), CR_DENIED);
    snprintf(outside, sizeof outside, "%s/../written", dir);
    ck_assert_int_ne(access(outside, F_OK), 0);
    snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_fails(cr_store_stat(s, "fifo", &info, &err), CR_FORMAT);
    cr_store_unref(s);
}
END_TEST

/* A writer that is in the middle of a value when its staging directory goes. */
static cr_status remove_staging(void *user, cr_store_out *out, cr_err *e) {
    char command[160];
    snprintf(command, sizeof command, "rm -r '%s/staging'", dir);
    CR_TRY(cr_store_put(out, "new", 3, e));
    if (user != NULL)
        ck_assert_int_eq(system(command), 0);
    return CR_OK;
}

START_TEST(who_removes_the_staging_stops_writers) {
    char path[128];
    cr_store *s = open_store(0), *other = open_store(0), *private = open_store(1), *memory = open_store(2);
    put(s, "a/b", "old");
    ck_assert_fails(cr_store_stage(s, "staging", &err), CR_NOT_FOUND);
    ck_assert_fails(cr_store_stage(s, "../staging", &err), CR_INVALID);
    snprintf(path, sizeof path, "%s/staging", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_fails(cr_store_stage(private, "staging", &err), CR_UNSUPPORTED);
    ck_assert_fails(cr_store_stage(memory, "staging", &err), CR_UNSUPPORTED);
    ck_assert_ok(cr_store_stage(s, "staging", &err));
    ck_assert_ok(cr_store_stage(other, "staging", &err));
    ck_assert_ok(cr_store_write_from(s, "a/b", remove_staging, NULL, &err));
    ck_assert_ok(cr_store_write_from(other, "c/d", remove_staging, NULL, &err));
    expect(s, "a/b", "new");
    expect(s, "c/d", "new");
    put(s, "a/b", "again");
    ck_assert_fails(cr_store_write_from(s, "a/b", remove_staging, s, &err), CR_NO_FILE);
    expect(s, "a/b", "again");
    ck_assert_fails(cr_store_write(other, "c/d", "late", 4, &err), CR_NO_FILE);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_fails(cr_store_write(other, "c/e", "late", 4, &err), CR_NO_FILE);    /* another directory of that name is not its own */
    expect(s, "c/d", "new");
    cr_store_unref(s);
    cr_store_unref(other);
    cr_store_unref(private);
    cr_store_unref(memory);
}
END_TEST

START_TEST(memory_is_bounded) {
    cr_store *s = open_store(2);
    char big[2000] = {0};
    ck_assert_fails(cr_store_write(s, "a", big, sizeof big, &err), CR_NO_SPACE);
    ck_assert_ok(cr_store_write(s, "a", big, 900, &err));
    ck_assert_fails(cr_store_write(s, "b", big, 200, &err), CR_NO_SPACE);
    ck_assert_ok(cr_store_write(s, "a", big, 100, &err));
    ck_assert_ok(cr_store_write(s, "b", big, 200, &err));
    cr_store_unref(s);
}
END_TEST

/* A file of ten digits, and references: a range of it, all of it, a value, a file that is not there. */
static cr_store *open_references(char file[128]) {
    cr_store *s = NULL;
    char missing[128];
    snprintf(file, 128, "%s/digits", dir);
    snprintf(missing, sizeof missing, "%s/missing", dir);
    FILE *out = fopen(file, "w");
    ck_assert(out && fputs("0123456789", out) >= 0 && fclose(out) == 0);
    ck_assert_ok(cr_store_open_reference("refs.json", 1 << 16, &s, &err));
    ck_assert_ok(cr_references_add_range(s, "a/part", file, 2, 5, &err));
    ck_assert_ok(cr_references_add_range(s, "a/whole", file, 0, UINT64_MAX, &err));
    ck_assert_ok(cr_references_add_range(s, "a/beyond", file, 8, 3, &err));
    ck_assert_ok(cr_references_add_range(s, "a/missing", missing, 0, 1, &err));
    ck_assert_ok(cr_references_add_value(s, "a.value", "text", 4, &err));
    return s;
}

START_TEST(references) {
    char file[128], got[11];
    size_t n;
    cr_auto_arena cr_arena arena;
    cr_store_entry *e;
    cr_store *s = open_references(file);
    cr_store_info info;
    cr_arena_init(&arena, 100000);
    ck_assert_ok(cr_references_seal(s, &err));
    expect(s, "a/part", "23456");
    expect(s, "a/whole", "0123456789");
    expect(s, "a.value", "text");
    ck_assert_ok(cr_store_read(s, "a/part", (cr_store_range){-2, 9}, room_of_ten, got, &n, &info, &err));
    ck_assert(n == 2 && info.size == 5 && memcmp(got, "56", 2) == 0);
    ck_assert_fails(cr_store_read(s, "a/part", (cr_store_range){6, 1}, room_of_ten, got, &n, NULL, &err), CR_RANGE);
    ck_assert_fails(cr_store_stat(s, "a/beyond", &info, &err), CR_FORMAT);
    ck_assert_fails(cr_store_stat(s, "a/missing", &info, &err), CR_NO_FILE);
    ck_assert_fails(cr_store_stat(s, "a", &info, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_store_write(s, "a/part", "x", 1, &err), CR_DENIED);
    ck_assert_ok(cr_store_list(s, "", 100, &arena, &e, &n, &err));
    ck_assert_int_eq(n, 2);
    ck_assert(strcmp(e[0].name, "a") == 0 && e[0].is_prefix && !e[1].is_prefix);
    ck_assert_ok(cr_store_list(s, "a", 100, &arena, &e, &n, &err));
    ck_assert_int_eq(n, 4);
    ck_assert_fails(cr_store_list(s, "a", 3, &arena, &e, &n, &err), CR_LIMIT);
    ck_assert(strcmp(cr_references_file(s, 0), file) == 0 && cr_references_file(s, 1) && !cr_references_file(s, 2));
    cr_store_unref(s);
}
END_TEST

START_TEST(references_are_checked) {
    char file[128], big[1000] = {0};
    cr_store_info info;
    cr_store *s = open_references(file);
    ck_assert_fails(cr_references_add_value(s, "../a", "x", 1, &err), CR_INVALID);
    ck_assert_ok(cr_references_add_value(s, "a/part", "x", 1, &err));
    ck_assert_fails(cr_references_seal(s, &err), CR_FORMAT);
    for (int i = 0; i < 100 && cr_references_add_value(s, "more", big, sizeof big, &err) == CR_OK; i++)
        ck_assert_int_lt(i, 99);
    ck_assert_int_eq(err.status, CR_LIMIT);
    cr_store_unref(s);
    s = open_references(file);
    ck_assert_ok(cr_references_seal(s, &err));
    ck_assert_ok(cr_store_stat(s, "a/part", &info, &err));
    ck_assert_int_eq(truncate(file, 9), 0);
    ck_assert_fails(cr_store_stat(s, "a/part", &info, &err), CR_CONFLICT);
    cr_store_unref(s);
}
END_TEST

static Suite *store_suite(void) {
    Suite *suite = suite_create("store");
    TCase *t = tcase_create("store");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, values_and_ranges, 0, 3);
    tcase_add_loop_test(t, keys_are_checked, 0, 3);
    tcase_add_loop_test(t, lists_are_sorted, 0, 3);
    tcase_add_test(t, links_stay_inside);
    tcase_add_test(t, who_removes_the_staging_stops_writers);
    tcase_add_test(t, memory_is_bounded);
    tcase_add_test(t, references);
    tcase_add_test(t, references_are_checked);
    suite_add_tcase(suite, t);
    return suite;
}
CHECK_MAIN(store_suite())
