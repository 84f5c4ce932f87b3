/* test_db.c - statements, transactions, migrations, backup, a full disk, the reserve. */
#include "../check_main.h"
#include "../scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "platform/db/db.h"
#include "platform/db/schema.h"

static char dir[64], file[96];

static void setup(void) {
    scratch_make(dir, "db");
    snprintf(file, sizeof file, "%s/hub.sqlite", dir);
}

static void teardown(void) {
    scratch_remove(dir);
}

static const cr_migration rows[] = {
    {1, "first", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"},
    {2, "second", "ALTER TABLE t ADD COLUMN more INTEGER;"},
    {3, "broken", "CREATE TABLE u (id INTEGER PRIMARY KEY) STRICT; CREATE TABLE t (id INTEGER) STRICT;"},
};

static int64_t count(cr_db *db, const char *sql) {
    cr_err err = CR_ERR_INIT;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    ck_assert_ok(cr_query_open(db, &q, &err, sql, ""));
    ck_assert(cr_query_next(&q));
    return cr_query_int(&q, 0);
}

START_TEST(runs_and_queries) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES (?)", "t", "ada'; DROP TABLE t; --"));
    ck_assert_int_eq(cr_db_changes(db), 1);
    ck_assert_fails(cr_db_run(db, &err, "INSERT INTO t (name) VALUES (?)", "t", "ada'; DROP TABLE t; --"), CR_EXISTS);
    ck_assert_fails(cr_db_run(db, &err, "INSERT INTO t (name) VALUES (?)", "t", NULL), CR_EXISTS);
    /* A statement is usable after it has failed. */
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES (?)", "t", "eve"));
    ck_assert_int_eq(count(db, "SELECT count(*) FROM t"), 2);
    cr_db_close(db);
}
END_TEST

START_TEST(transactions_roll_back) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    ck_assert_ok(cr_db_begin(db, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('x')", ""));
    ck_assert_int_eq(cr_db_end(db, CR_INVALID, &err), CR_INVALID);
    ck_assert_int_eq(count(db, "SELECT count(*) FROM t"), 0);
    cr_db_close(db);
}
END_TEST

/* A transaction inside another is a part: it goes alone, and it goes with the whole. */
START_TEST(transactions_have_parts) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    for (int whole = 0; whole < 2; whole++) {
        ck_assert_ok(cr_db_begin(db, &err));
        ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('outer')", ""));
        ck_assert_ok(cr_db_begin(db, &err));
        ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('good')", ""));
        ck_assert_ok(cr_db_end(db, CR_OK, &err));
        ck_assert_ok(cr_db_begin(db, &err));
        ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('bad')", ""));
        ck_assert_int_eq(cr_db_end(db, CR_CONFLICT, &err), CR_CONFLICT);
        ck_assert_int_eq(count(db, "SELECT count(*) FROM t"), 2);
        ck_assert_int_eq(cr_db_end(db, whole ? CR_OK : CR_INVALID, &err), whole ? CR_OK : CR_INVALID);
        ck_assert_int_eq(count(db, "SELECT count(*) FROM t"), whole ? 2 : 0);
    }
    cr_db_close(db);
}
END_TEST

START_TEST(migrates_with_a_copy) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    char copy[128];
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('kept')", ""));
    cr_db_close(db);
    ck_assert_ok(cr_db_open(file, rows, 2, &db, &err));
    ck_assert_int_eq(cr_db_version(db), 2);
    ck_assert_int_eq(count(db, "SELECT count(*) FROM t WHERE name = 'kept' AND more IS NULL"), 1);
    cr_db_close(db);
    snprintf(copy, sizeof copy, "%s.before-version-2", file);
    ck_assert_ok(cr_db_open(copy, rows, 1, &db, &err));
    ck_assert_int_eq(count(db, "SELECT count(*) FROM t"), 1);
    cr_db_close(db);
}
END_TEST

START_TEST(failed_migration_changes_nothing) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, rows, 2, &db, &err));
    cr_db_close(db);
    ck_assert_int_ne(cr_db_open(file, rows, 3, &db, &err), CR_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "version 3"));
    ck_assert_ok(cr_db_open(file, rows, 2, &db, &err));
    ck_assert_int_eq(count(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'u'"), 0);
    cr_db_close(db);
}
END_TEST

START_TEST(newer_database_is_refused) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, rows, 2, &db, &err));
    cr_db_close(db);
    ck_assert_fails(cr_db_open(file, rows, 1, &db, &err), CR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "newer Craton"));
    ck_assert(err.hint[0]);
}
END_TEST

START_TEST(not_a_database) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database ", f);
    fclose(f);
    ck_assert_fails(cr_db_open(file, rows, 1, &db, &err), CR_FORMAT);
}
END_TEST

START_TEST(full_disk_is_said_and_loses_nothing) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('before')", ""));
    /* SQLite's own limit answers with the same code as a full disk. */
    ck_assert_ok(cr_db_run(db, &err, "PRAGMA max_page_count = 1", ""));
    char big[20001];
    memset(big, 'x', 20000);
    big[20000] = 0;
    ck_assert_fails(cr_db_run(db, &err, "INSERT INTO t (name) VALUES (?)", "t", big), CR_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(err.message, "no space left"));
    ck_assert(err.hint[0]);
    ck_assert_int_eq(count(db, "SELECT count(*) FROM t WHERE name = 'before'"), 1);
    ck_assert_ok(cr_db_run(db, &err, "PRAGMA max_page_count = 100000", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES (?)", "t", big));
    cr_db_close(db);
}
END_TEST

START_TEST(backup_is_whole_and_private) {
    cr_db *db, *copy;
    cr_err err = CR_ERR_INIT;
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/copy.sqlite", dir);
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('in the log, not in the file')", ""));
    ck_assert_ok(cr_db_backup(db, path, &err));
    ck_assert_fails(cr_db_backup(db, path, &err), CR_EXISTS);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_ok(cr_db_open(path, rows, 1, &copy, &err));
    ck_assert_int_eq(count(copy, "SELECT count(*) FROM t"), 1);
    cr_db_close(copy);
    cr_db_close(db);
}
END_TEST

static void make_old(const char *path) {
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
}

static int64_t changed_s(const char *path, int64_t *ret_bytes) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    *ret_bytes = (int64_t)st.st_blocks * 512 - st.st_size;
    return st.st_mtim.tv_sec;
}

/* What is held already is not written to; what was written into, or given back, is held anew. */
START_TEST(a_reserve_that_is_there_is_left_alone) {
    enum { RESERVE = 4 << 20, EACH = RESERVE / 2 };
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    bool held = false;
    char log[sizeof file + 8];
    int64_t bytes;
    snprintf(log, sizeof log, "%s-wal", file);
    ck_assert_ok(cr_db_open(file, rows, 1, &db, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) VALUES ('a')", ""));
    cr_db_reserve(db, 0, &held);
    ck_assert(!held);
    cr_db_reserve(db, RESERVE, &held);
    ck_assert(held);
    for (int i = 0; i < 2; i++) {
        const char *path = i ? log : file;
        ck_assert_int_ge(changed_s(path, &bytes), 1001);
        ck_assert_int_ge(bytes, EACH);
        make_old(path);
    }
    cr_db_reserve(db, RESERVE, &held);
    ck_assert(held);
    ck_assert_int_eq(changed_s(file, &bytes), 1000);
    ck_assert_int_eq(changed_s(log, &bytes), 1000);

    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO t (name) SELECT hex(randomblob(300)) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT i FROM n)", ""));
    changed_s(log, &bytes);
    ck_assert_int_lt(bytes, EACH);                 /* the log is longer, into what was held */
    cr_db_reserve(db, RESERVE, &held);
    ck_assert(held);
    changed_s(log, &bytes);
    ck_assert_int_ge(bytes, EACH);

    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_int_eq(truncate(file, st.st_size), 0);      /* to what it is: only what is behind goes */
    changed_s(file, &bytes);
    ck_assert_int_lt(bytes, EACH);
    cr_db_reserve(db, RESERVE, &held);
    ck_assert(held);
    changed_s(file, &bytes);
    ck_assert_int_ge(bytes, EACH);
    cr_db_close(db);
}
END_TEST

START_TEST(the_schema_is_strict) {
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_open(file, cr_schema, cr_schema_len, &db, &err));
    ck_assert_int_eq(count(db, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%' AND NOT strict"), 0);
    for (int i = 1; i < cr_schema_len; i++)
        ck_assert_int_gt(cr_schema[i].version, cr_schema[i - 1].version);
    cr_db_close(db);
}
END_TEST

/* A hub of version 10 that was in use. */
START_TEST(an_old_hub_becomes_new) {
    static const char *const had[] = {
        "INSERT INTO users (id, name, account, admin, created_ms) VALUES (1, 'ada', 'cr-ada', 1, 5), (2, 'bob', 'cr-bob', 0, 6)",
        "INSERT INTO sessions (id, hash, user_id, created_ms, expires_ms) VALUES (1, x'01', 1, 1000, 9000), (2, x'02', 2, 2000, 9000)",
        "INSERT INTO servers (id, user_id, name, generation, running) VALUES (1, 1, '', 7, 1)",
        "INSERT INTO tokens (hash, kind, user_id, server_id, session_id, created_ms) VALUES (x'03', 'oauth', 1, 1, 1, 3)",
        "INSERT INTO identities (issuer, subject, user_id, provider, shown, email, created_ms, last_ms) VALUES ('i', 's', 2, 'egi', '', '', 1, 2)",
        "INSERT INTO memberships VALUES (1, 'egi:vo')",
        "INSERT INTO groups (name) VALUES ('egi:vo')",
        "INSERT INTO links (hash, kind, made_by, created_ms, expires_ms) VALUES (x'04', 'invite', 1, 1, 9)",
        "INSERT INTO clusters (name, user_id, status, options, cores, memory_bytes, generation, token, cert, key, created_ms) "
        "VALUES ('c1', 2, 'RUNNING', '{}', 1, 1, 8, 't', '', '', 4)",
    };
    cr_db *db;
    cr_err err = CR_ERR_INIT;
    ck_assert_int_eq(cr_schema[9].version, 10);
    ck_assert_ok(cr_db_open(file, cr_schema, 10, &db, &err));
    for (size_t i = 0; i < CR_ARRAY_LEN(had); i++)
        ck_assert_ok(cr_db_run(db, &err, had[i], ""));
    cr_db_close(db);
    ck_assert_ok(cr_db_open(file, cr_schema, cr_schema_len, &db, &err));
    ck_assert_int_eq(count(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    ck_assert_int_eq(count(db, "SELECT count(*) FROM sessions WHERE proved_ms = created_ms"), 2);      /* asked again after their sign-in, not after the new start */
    ck_assert_int_eq(count(db, "SELECT count(*) FROM clusters WHERE name = 'c1' AND dashboard_port = 0"), 1);
    ck_assert_int_eq(count(db, "SELECT count(*) FROM users WHERE language <> ''"), 0);
    ck_assert_int_eq(count(db, "SELECT (SELECT count(*) FROM tokens) + (SELECT count(*) FROM links) + (SELECT count(*) FROM groups) + (SELECT count(*) FROM servers)"), 4);
    /* What the new tables hold goes with what it belongs to; the log stays. */
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO shares (server_id, group_id, scopes, created_ms) VALUES (1, 1, '[]', 1)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO share_makers VALUES (1, 1)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO held_forms VALUES (1, '/', '[]', 9)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO dashboard_keys (hash, session_id, is_cookie, expires_ms) VALUES (x'05', 1, 1, 9)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO session_logins VALUES (1, 'i', 's', NULL)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO disk_use (user_id, bytes, at_ms, top) VALUES (1, 5, 1, '')", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO server_software (server_id, generation, python, dask, distributed) VALUES (1, 7, '3.11', '1', '1')", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO ahead (id, group_name, begin_ms, until_ms, made_by) VALUES (1, 'egi:vo', 1, 2, 'ada')", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO ahead_people (ahead_id, user_id, state) VALUES (1, 1, 'to do')", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO codes (hash, client, session_id, redirect, challenge, scopes, expires_ms) VALUES (x'06', 'board', 1, '', '', '[]', 9)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO tokens (hash, kind, user_id, session_id, client, scopes, created_ms) VALUES (x'07', 'oauth', 1, 1, 'board', '[]', 3)", ""));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO audit (at_ms, kind, result, who, via, source, whom, detail) VALUES (1, 'sign-in', 'done', 'ada', '', '', '', '')", ""));
    ck_assert_ok(cr_db_run(db, &err, "DELETE FROM users WHERE id = 1", ""));
    ck_assert_int_eq(count(db, "SELECT (SELECT count(*) FROM shares) + (SELECT count(*) FROM share_makers) + (SELECT count(*) FROM held_forms) + "
                               "(SELECT count(*) FROM dashboard_keys) + (SELECT count(*) FROM session_logins) + (SELECT count(*) FROM disk_use) + "
                               "(SELECT count(*) FROM server_software) + (SELECT count(*) FROM ahead_people) + (SELECT count(*) FROM codes) + "
                               "(SELECT count(*) FROM tokens)"), 0);
    ck_assert_int_eq(count(db, "SELECT count(*) FROM audit"), 1);
    cr_db_close(db);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("db");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, runs_and_queries);
    tcase_add_test(t, transactions_roll_back);
    tcase_add_test(t, transactions_have_parts);
    tcase_add_test(t, migrates_with_a_copy);
    tcase_add_test(t, failed_migration_changes_nothing);
    tcase_add_test(t, newer_database_is_refused);
    tcase_add_test(t, not_a_database);
    tcase_add_test(t, full_disk_is_said_and_loses_nothing);
    tcase_add_test(t, backup_is_whole_and_private);
    tcase_add_test(t, a_reserve_that_is_there_is_left_alone);
    tcase_add_test(t, the_schema_is_strict);
    tcase_add_test(t, an_old_hub_becomes_new);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
