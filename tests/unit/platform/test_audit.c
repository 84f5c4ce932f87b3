/* test_audit.c - the audit log: what is written stays as it is, what is cut, filters, and how it ends. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/db/schema.h"
#include "platform/identity/audit.h"

static char dir[64];
static cr_db *db;

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    char path[96];
    scratch_make(dir, "audit");
    snprintf(path, sizeof path, "%s/db", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
}

static void teardown(void) {
    cr_db_close(db);
    scratch_remove(dir);
}

static void add(int64_t at_ms, cr_audit_kind kind, bool refused, const char *who, const char *whom) {
    cr_err err = CR_ERR_INIT;
    const cr_audit_row row = {.at_ms = at_ms, .kind = cr_audit_kind_text(kind), .refused = refused, .who = who, .via = "browser", .source = "192.0.2.1",
                              .whom = whom, .detail = ""};
    ck_assert_ok(cr_audit_add(db, &row, &err));
}

typedef struct found {
    char ids[256];            /* "7 5 2": newest first */
    char last_detail[CR_AUDIT_DETAIL_MAX + 8];
} found;

static void note(void *user, const cr_audit_row *row) {
    found *f = user;
    size_t n = strlen(f->ids);
    snprintf(f->ids + n, sizeof f->ids - n, "%s%lld", n ? " " : "", (long long)row->id);
    snprintf(f->last_detail, sizeof f->last_detail, "%s", row->detail);
}

static found list(cr_audit_filter filter) {
    found f = {0};
    cr_err err = CR_ERR_INIT;
    if (!filter.limit)
        filter.limit = 100;
    ck_assert_ok(cr_audit_list(db, &filter, note, &f, &err));
    return f;
}

START_TEST(filters) {
    add(1000, CR_AUDIT_SIGN_IN, false, "ada", "ada");
    add(2000, CR_AUDIT_SIGN_IN, true, "", "bob");
    add(3000, CR_AUDIT_PERSON_DISABLED, false, "ada", "bob");
    add(4000, CR_AUDIT_SIGN_OUT, false, "ada", "ada");
    static const struct { cr_audit_filter filter; const char *ids; } rows[] = {
        {{0}, "4 3 2 1"}, {{.person = "bob"}, "3 2"}, {{.person = "ada"}, "4 3 1"}, {{.person = "ad"}, ""}, {{.person = "a%"}, ""},
        {{.kind = "sign-in"}, "2 1"}, {{.kind = "sign-in", .person = "ada"}, "1"}, {{.since_ms = 2000}, "4 3 2"}, {{.until_ms = 2000}, "1"},
        {{.since_ms = 2000, .until_ms = 4000}, "3 2"}, {{.before_id = 3}, "2 1"}, {{.after_id = 3}, "4"}, {{.limit = 2}, "4 3"},
        {{.limit = 2, .before_id = 3}, "2 1"}, {{.limit = -5}, "4"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        ck_assert_msg(strcmp(list(rows[i].filter).ids, rows[i].ids) == 0, "row %zu: %s", i, list(rows[i].filter).ids);
}
END_TEST

START_TEST(rows_stay_as_they_are) {
    cr_err err = CR_ERR_INIT;
    for (int i = 1; i <= 5; i++)
        add(i * 1000, CR_AUDIT_SIGN_IN, i == 1, "ada", "ada");
    ck_assert_int_ne(cr_db_run(db, &err, "UPDATE audit SET who = 'eve' WHERE id = 3", ""), CR_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "not changed"));
    ck_assert_int_ne(cr_db_run(db, &err, "DELETE FROM audit WHERE id = 3", ""), CR_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "oldest"));
    ck_assert_int_ne(cr_db_run(db, &err, "DELETE FROM audit WHERE id >= 4", ""), CR_OK);
    ck_assert_int_ne(cr_db_run(db, &err, "REPLACE INTO audit SELECT id, at_ms, kind, result, 'eve', via, source, whom, detail FROM audit WHERE id = 3", ""), CR_OK);
    ck_assert_ptr_nonnull(strstr(err.message, "not changed"));
    ck_assert_str_eq(list((cr_audit_filter){.person = "eve"}).ids, "");
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "5 4 3 2 1");
}
END_TEST

START_TEST(a_row_and_its_deed_are_one) {
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_db_begin(db, &err));
    add(1, CR_AUDIT_GROUP_MADE, false, "ada", "students");
    ck_assert_int_eq(cr_db_end(db, CR_FAIL(&err, CR_EXISTS, "no"), &err), CR_EXISTS);
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "");
}
END_TEST

START_TEST(bounds) {
    cr_err err = CR_ERR_INIT;
    for (int i = 1; i <= 10; i++)
        add(i * 1000, CR_AUDIT_SIGN_IN, false, "ada", "ada");
    for (int i = 11; i <= 40; i++)        /* of strangers: they push out no deed */
        add(i * 1000, CR_AUDIT_SIGN_IN, true, "", "");
    ck_assert_ok(cr_audit_sweep(db, 0, 10, &err));
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "40 39 38 37 36 35 34 33 32 31 10 9 8 7 6 5 4 3 2 1");
    ck_assert_ok(cr_audit_sweep(db, 8000, 10, &err));
    ck_assert_str_eq(list((cr_audit_filter){.before_id = 31}).ids, "10 9 8");
    ck_assert_ok(cr_audit_sweep(db, 0, 2, &err));
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "40 39 10 9");
    ck_assert_ok(cr_audit_sweep(db, 1000000, 2, &err));
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "");
    add(1, CR_AUDIT_SIGN_IN, false, "ada", "ada");
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "41");         /* a number is not given again */
}
END_TEST

/* The wall clock was set back: rows behind the step are younger than those before it, and still only a beginning goes. */
START_TEST(a_clock_that_was_set_back) {
    cr_err err = CR_ERR_INIT;
    add(5000, CR_AUDIT_SIGN_IN, false, "ada", "ada");
    add(1000, CR_AUDIT_SIGN_IN, false, "ada", "ada");
    add(2000, CR_AUDIT_SIGN_IN, false, "ada", "ada");
    ck_assert_ok(cr_audit_sweep(db, 3000, 100, &err));
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "3 2 1");
    ck_assert_ok(cr_audit_sweep(db, 6000, 100, &err));
    ck_assert_str_eq(list((cr_audit_filter){0}).ids, "");
}
END_TEST

START_TEST(texts_are_short_lines) {
    cr_err err = CR_ERR_INIT;
    char longest[2000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    for (size_t i = 0; i + 2 < sizeof longest; i += 2)
        memcpy(longest + i, "\xC3\xA9", 2);        /* cut inside a character */
    const char *const texts[] = {"a\nb\r\x1b[31m", "\xFF\xFE", longest, NULL};
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        const cr_audit_row row = {.kind = "sign-in", .who = texts[i], .via = texts[i], .source = texts[i], .whom = texts[i], .detail = texts[i]};
        ck_assert_ok(cr_audit_add(db, &row, &err));
        found f = list((cr_audit_filter){.limit = 1});
        ck_assert_int_le(strlen(f.last_detail), CR_AUDIT_DETAIL_MAX);
        ck_assert(cr_text_is_utf8(f.last_detail, strlen(f.last_detail)));
        for (const char *c = f.last_detail; *c; c++)
            ck_assert_msg((unsigned char)*c >= ' ' && *c != 0x7F, "text %zu", i);
    }
}
END_TEST

START_TEST(kinds_and_json) {
    for (int k = 0; k < CR_AUDIT_N_KINDS; k++) {
        const char *text = cr_audit_kind_text((cr_audit_kind)k);
        ck_assert(cr_audit_kind_is(text));
        ck_assert_str_ne(cr_audit_kind_words(text), text);
        ck_assert_int_eq(strspn(text, "abcdefghijklmnopqrstuvwxyz-"), strlen(text));
    }
    ck_assert(!cr_audit_kind_is("sign"));
    ck_assert_str_eq(cr_audit_kind_words("of-another-version"), "of-another-version");
    const cr_audit_row row = {.id = 7, .at_ms = 1764403200000, .kind = "sign-in", .refused = true, .who = "", .via = "browser", .source = "192.0.2.1",
                              .whom = "ada", .detail = "pass\"word"};
    json_t *json = cr_audit_json(&row);
    char *text = json_dumps(json, JSON_COMPACT);
    ck_assert_str_eq(text, "{\"id\":7,\"time\":\"2025-11-29T08:00:00.000Z\",\"kind\":\"sign-in\",\"result\":\"refused\",\"by\":\"\",\"via\":\"browser\","
                           "\"from\":\"192.0.2.1\",\"on\":\"ada\",\"detail\":\"pass\\\"word\"}");
    free(text);
    json_decref(json);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("audit");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, filters);
    tcase_add_test(t, rows_stay_as_they_are);
    tcase_add_test(t, a_row_and_its_deed_are_one);
    tcase_add_test(t, bounds);
    tcase_add_test(t, a_clock_that_was_set_back);
    tcase_add_test(t, texts_are_short_lines);
    tcase_add_test(t, kinds_and_json);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
