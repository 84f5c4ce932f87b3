/* test_groups.c - groups by administrators and by providers; API tokens: scopes, listing, taking away; an old database. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "platform/db/schema.h"
#include "platform/identity/groups.h"
#include "platform/identity/session.h"

static char dir[64], path[96];
static cr_db *db;
static cr_secret secret;
static cr_err err;

static void setup(void) {
    char key[96];
    memset(&err, 0, sizeof err);
    scratch_make(dir, "gr");
    snprintf(key, sizeof key, "%s/key", dir);
    ck_assert_ok(cr_secret_open(key, &secret, &err));
    snprintf(path, sizeof path, "%s/db", dir);
}

static void setup_new(void) {
    setup();
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
}

static void teardown(void) {
    cr_db_close(db);
    scratch_remove(dir);
}

static int64_t person(const char *name) {
    cr_person p = {.admin = false};
    snprintf(p.name, sizeof p.name, "%s", name);
    ck_assert_ok(cr_person_add(db, &p, &err));
    return p.id;
}

/* As an older hub wrote it: cr_person_add() reads columns that its tables do not have. */
static int64_t old_person(const char *name) {
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO users (name, account, created_ms) VALUES (?1, 'cr-' || ?1, 1)", "t", name));
    return cr_db_last_id(db);
}

/* In a group by a provider, as a sign-in would write it. */
static void by_provider(int64_t user, const char *group) {
    ck_assert_ok(cr_db_run(db, &err, "INSERT OR IGNORE INTO identities (id, issuer, subject, user_id, provider, shown, email, created_ms, last_ms) "
                           "VALUES (?1, 'https://id.example', ?1, ?1, 'institute', '', '', 0, 0)", "i", user));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO memberships (identity_id, name) VALUES (?, ?)", "it", user, group));
}

static void add_text(void *user, const char *text) {
    cr_buf *b = user;
    cr_buf_addf(b, "%s%s", b->len ? " " : "", text);
}

static void people_are(int64_t group, const char *expected) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 4096);
    ck_assert_ok(cr_group_people(db, group, add_text, &b, &err));
    ck_assert_str_eq(cr_buf_str(&b), expected);
}

static void groups_are(int64_t user, const char *expected) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 4096);
    ck_assert_ok(cr_groups_of(db, user, add_text, &b, &err));
    ck_assert_str_eq(cr_buf_str(&b), expected);
}

START_TEST(by_administrators) {
    int64_t ann = person("ann"), bob = person("bob"), crew, deck;
    bool has;
    ck_assert_ok(cr_group_add(db, "crew", &crew, &err));
    ck_assert_ok(cr_group_add(db, "deck", &deck, &err));
    ck_assert_fails(cr_group_add(db, "crew", &deck, &err), CR_EXISTS);
    ck_assert_ok(cr_group_put_in(db, crew, bob, &err));
    ck_assert_ok(cr_group_put_in(db, crew, ann, &err));
    ck_assert_ok(cr_group_put_in(db, crew, ann, &err));
    people_are(crew, "ann bob");
    people_are(deck, "");
    ck_assert_ok(cr_group_put_in(db, deck, ann, &err));
    groups_are(ann, "crew deck");
    ck_assert_ok(cr_group_has(db, "crew", "ann", &has, &err));
    ck_assert(has);
    ck_assert_ok(cr_group_has(db, "crew", "an", &has, &err));
    ck_assert(!has);
    ck_assert_ok(cr_group_take_out(db, crew, ann, &err));
    ck_assert_ok(cr_group_take_out(db, crew, ann, &err));
    people_are(crew, "bob");
    /* Who is removed is in no group; a group that is removed has nobody. */
    ck_assert_ok(cr_person_remove(db, bob, &err));
    people_are(crew, "");
    ck_assert_ok(cr_group_remove(db, deck, &err));
    groups_are(ann, "");
    ck_assert_fails(cr_group_find(db, "deck", &deck, &err), CR_NOT_FOUND);
}
END_TEST

START_TEST(by_providers) {
    int64_t ann = person("ann"), bob = person("bob"), crew;
    bool has;
    by_provider(ann, "crew");
    ck_assert_ok(cr_group_add(db, "crew", &crew, &err));
    groups_are(ann, "crew");
    ck_assert_ok(cr_group_put_in(db, crew, bob, &err));
    people_are(crew, "ann bob");
    ck_assert_ok(cr_group_has(db, "crew", "ann", &has, &err));
    ck_assert(has);
    /* What the provider says is not changed here. */
    ck_assert_fails(cr_group_take_out(db, crew, ann, &err), CR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "institute"));
    ck_assert_fails(cr_group_remove(db, crew, &err), CR_CONFLICT);
    people_are(crew, "ann bob");
    /* Both ways in count once, and each ends by itself. */
    ck_assert_ok(cr_group_put_in(db, crew, ann, &err));
    people_are(crew, "ann bob");
    ck_assert_ok(cr_db_run(db, &err, "DELETE FROM memberships", ""));
    people_are(crew, "ann bob");
    ck_assert_ok(cr_group_take_out(db, crew, ann, &err));
    people_are(crew, "bob");
    ck_assert_ok(cr_group_remove(db, crew, &err));
}
END_TEST

START_TEST(names) {
    char longest[CR_GROUP_NAME_MAX + 2];
    memset(longest, 'g', sizeof longest);
    longest[sizeof longest - 1] = 0;
    ck_assert(!cr_group_name_is_right(longest));
    longest[CR_GROUP_NAME_MAX] = 0;
    ck_assert(cr_group_name_is_right(longest));
    ck_assert(cr_group_name_is_right("vo.example.eu:team a"));
    ck_assert(!cr_group_name_is_right("") && !cr_group_name_is_right("a\nb") && !cr_group_name_is_right("a\x7F"));
}
END_TEST

static void count(void *user, const cr_group *g) { ++*(int *)user; }

START_TEST(listing) {
    int64_t id = 0, total = 0;
    for (char name[] = "g0"; name[1] < '5'; name[1]++)
        ck_assert_ok(cr_group_add(db, name, &id, &err));
    const struct { int64_t id; const char *names; int64_t limit, offset; int listed, total; } rows[] = {
        {0, NULL, 10, 0, 5, 5}, {0, NULL, 2, 4, 1, 5}, {id, NULL, 1, 0, 1, 5}, {0, "[\"g1\",\"g3\",\"none\"]", 10, 0, 2, 2}, {0, "[]", 10, 0, 0, 0},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        int n = 0;
        ck_assert_ok(cr_group_list(db, rows[i].id, rows[i].names, rows[i].limit, rows[i].offset, count, &n, &err));
        ck_assert_ok(cr_group_count(db, rows[i].names, &total, &err));
        ck_assert_int_eq(n, rows[i].listed);
        ck_assert_int_eq(total, rows[i].total);
    }
}
END_TEST

/* ---- tokens ---- */

typedef struct seen {
    int n;
    cr_token_row last;
    char scopes[200], note[64];
} seen;

static void see(void *user, const cr_token_row *row) {
    seen *s = user;
    s->n++;
    s->last = *row;
    snprintf(s->scopes, sizeof s->scopes, "%s", row->scopes ? row->scopes : "NULL");
    snprintf(s->note, sizeof s->note, "%s", row->note);
}

START_TEST(tokens) {
    int64_t ann = person("ann"), bob = person("bob"), n, more = -1;
    char text[CR_TOKEN_LEN + 1], other[CR_TOKEN_LEN + 1];
    cr_token t, found;
    cr_person p;
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, 1 << 16);
    t = (cr_token){.kind = CR_TOKEN_API, .user_id = ann, .scopes = "[\"read:users!user\"]"};
    ck_assert_ok(cr_token_issue(db, &t, NULL, 0, "nightly", text, &err));
    ck_assert_ok(cr_token_find(db, text, &found, &p, &err));
    ck_assert(found.narrowed && found.kind == CR_TOKEN_API && p.id == ann && !found.scopes);
    const char *scopes = NULL;
    ck_assert_ok(cr_token_scopes(db, found.id, &arena, &scopes, &err));
    ck_assert_str_eq(scopes, "[\"read:users!user\"]");
    seen s = {0};
    ck_assert_ok(cr_token_list(db, ann, 0, see, &s, &more, &err));
    ck_assert(s.n == 1 && s.last.id == found.id && s.last.last_ms == 0 && s.last.expires_ms == 0 && !s.last.server);
    ck_assert_str_eq(s.scopes, "[\"read:users!user\"]");
    ck_assert_str_eq(s.note, "nightly");
    /* Somebody else's cannot be seen or taken by its number. */
    s = (seen){0};
    ck_assert_ok(cr_token_list(db, bob, found.id, see, &s, &more, &err));
    ck_assert_int_eq(s.n, 0);
    ck_assert_fails(cr_token_remove(db, bob, found.id, &err), CR_NOT_FOUND);
    t = (cr_token){.kind = CR_TOKEN_API, .user_id = ann};
    ck_assert_ok(cr_token_issue(db, &t, NULL, 5, NULL, other, &err));
    ck_assert_ok(cr_token_count(db, ann, &n, &err));
    ck_assert_int_eq(n, 2);
    usleep(10000);
    s = (seen){0};
    ck_assert_ok(cr_token_list(db, ann, 0, see, &s, &more, &err));      /* the other one has expired */
    ck_assert_int_eq(s.n, 1);
    ck_assert_fails(cr_token_find(db, other, &t, &p, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_token_note_use(db, found.id, 1234, &err));
    ck_assert_ok(cr_token_list(db, ann, found.id, see, &s, &more, &err));
    ck_assert_int_eq(s.last.last_ms, 1234);
    ck_assert_ok(cr_token_remove(db, ann, found.id, &err));
    ck_assert_fails(cr_token_find(db, text, &t, &p, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_token_remove(db, ann, found.id, &err), CR_NOT_FOUND);
}
END_TEST

/* One of a server's tokens goes with the others of that server, and with no other server's. */
START_TEST(tokens_of_servers) {
    int64_t ann = person("ann"), n = 0, more = -1;
    char text[3][CR_TOKEN_LEN + 1];
    cr_token t;
    cr_person p;
    for (int i = 0; i < 2; i++)
        ck_assert_ok(cr_db_run(db, &err, "INSERT INTO servers (id, user_id, name, generation, running, last_activity_ms) VALUES (?, ?, ?, 0, 0, 77)", "iit",
                               (int64_t)(i + 1), ann, i ? "gpu" : ""));
    for (int i = 0; i < 3; i++) {
        t = (cr_token){.kind = i ? CR_TOKEN_OAUTH : CR_TOKEN_SERVER, .user_id = ann, .server_id = i == 2 ? 2 : 1};
        ck_assert_ok(cr_token_issue(db, &t, NULL, 0, NULL, text[i], &err));
    }
    ck_assert_ok(cr_token_count(db, ann, &n, &err));
    ck_assert_int_eq(n, 0);
    ck_assert_ok(cr_token_find(db, text[0], &t, &p, &err));
    seen s = {0};
    ck_assert_ok(cr_token_list(db, ann, t.id, see, &s, &more, &err));
    ck_assert_int_eq(s.last.last_ms, 77);
    ck_assert_ok(cr_token_find(db, text[1], &t, &p, &err));
    ck_assert_ok(cr_token_remove(db, ann, t.id, &err));
    ck_assert_fails(cr_token_find(db, text[0], &t, &p, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_token_find(db, text[1], &t, &p, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_token_find(db, text[2], &t, &p, &err));
}
END_TEST

static void see_note(void *user, const cr_token_row *row) { snprintf(user, 16, "%s", row->note); }

/* Of too many the newest are listed, and it is said how many others there are. */
START_TEST(more_tokens_than_are_listed) {
    int64_t ann = person("ann"), more = -1;
    char text[CR_TOKEN_LEN + 1], note[16] = "";
    cr_token t = {.kind = CR_TOKEN_API, .user_id = ann};
    ck_assert_ok(cr_db_begin(db, &err));
    for (int i = 0; i < CR_TOKENS_LISTED + 3; i++) {
        snprintf(note, sizeof note, "t%d", i);
        ck_assert_ok(cr_token_issue(db, &t, NULL, 0, note, text, &err));
    }
    ck_assert_ok(cr_db_end(db, CR_OK, &err));
    seen s = {0};
    ck_assert_ok(cr_token_list(db, ann, 0, see, &s, &more, &err));
    ck_assert_int_eq(s.n, CR_TOKENS_LISTED);
    ck_assert_int_eq(more, 3);
    ck_assert_str_eq(s.note, "t252");
    /* One that is used again is one of the newest. */
    ck_assert_ok(cr_db_run(db, &err, "UPDATE tokens SET last_ms = ? WHERE note = 't0'", "i", cr_wall_ms() + 1000));
    ck_assert_ok(cr_token_list(db, ann, 0, see_note, note, &more, &err));
    ck_assert_str_eq(note, "t0");
    ck_assert_int_eq(more, 3);
}
END_TEST

/* Groups that providers had named, and tokens, are there after the upgrade. */
START_TEST(old_database) {
    char text[CR_TOKEN_LEN + 1] = "";
    unsigned char hash[CR_HASH_BYTES];
    cr_token t;
    cr_person p;
    int64_t crew, deck;
    memset(text, 'a', CR_TOKEN_LEN);
    cr_token_hash(text, hash);
    ck_assert_ok(cr_db_open(path, cr_schema, 3, &db, &err));
    int64_t ann = old_person("ann"), bob = old_person("bob");
    by_provider(ann, "crew");
    by_provider(ann, "deck");
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO tokens (hash, kind, user_id, created_ms) VALUES (?, 'api', ?, 1)", "bi", hash, sizeof hash, ann));
    ck_assert_ok(cr_db_run(db, &err, "UPDATE identities SET last_ms = ?", "i", cr_wall_ms()));
    /* One group is called as another one will be. */
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO memberships SELECT id, 'institute:crew' FROM identities", ""));
    cr_db_close(db);
    ck_assert_ok(cr_db_open(path, cr_schema, 4, &db, &err));
    ck_assert_ok(cr_group_find(db, "crew", &crew, &err));
    ck_assert_ok(cr_group_find(db, "deck", &deck, &err));
    ck_assert_ok(cr_group_put_in(db, deck, bob, &err));
    ck_assert_ok(cr_group_set_properties(db, deck, "{\"a\":1}", &err));
    cr_db_close(db);
    /* A provider's groups get its name; a group that has people from here keeps these, and nobody gains anything. */
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
    groups_are(ann, "institute:crew institute:deck institute:institute:crew");
    groups_are(bob, "deck");
    ck_assert_ok(cr_group_find(db, "institute:crew", &crew, &err));
    people_are(crew, "ann");
    people_are(deck, "bob");
    ck_assert_fails(cr_group_find(db, "crew", &crew, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_token_find(db, text, &t, &p, &err));
    ck_assert(!t.narrowed && p.id == ann);
}
END_TEST

/* ---- people ---- */

START_TEST(administrators_and_names) {
    cr_person p;
    int64_t ann = person("ann"), bob = person("bob");
    ck_assert_ok(cr_person_set_admin(db, ann, true, &err));
    ck_assert_fails(cr_person_set_admin(db, ann, false, &err), CR_CONFLICT);
    ck_assert_ok(cr_person_set_admin(db, bob, true, &err));
    ck_assert_ok(cr_person_set_admin(db, ann, false, &err));
    ck_assert_ok(cr_person_rename(db, ann, "anna", &err));
    ck_assert_ok(cr_person_get(db, ann, &p, &err));
    ck_assert_str_eq(p.name, "anna");
    ck_assert_str_eq(p.account, "ann");
    ck_assert(!p.admin);
    ck_assert_fails(cr_person_rename(db, ann, "bob", &err), CR_EXISTS);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("groups");
    TCase *t = tcase_create("groups"), *old = tcase_create("old");
    tcase_add_checked_fixture(t, setup_new, teardown);
    tcase_add_test(t, by_administrators);
    tcase_add_test(t, by_providers);
    tcase_add_test(t, names);
    tcase_add_test(t, listing);
    tcase_add_test(t, tokens);
    tcase_add_test(t, tokens_of_servers);
    tcase_add_test(t, more_tokens_than_are_listed);
    tcase_add_test(t, administrators_and_names);
    tcase_add_checked_fixture(old, setup, teardown);
    tcase_add_test(old, old_database);
    suite_add_tcase(s, t);
    suite_add_tcase(s, old);
    return s;
}

CHECK_MAIN(suite())
