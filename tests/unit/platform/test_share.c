/* test_share.c - who is given what at a server, by codes too, and what ends with whom. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include "platform/db/schema.h"
#include "platform/identity/groups.h"
#include "platform/identity/share.h"

static cr_err err;
static cr_db *db;
static cr_secret secret;
static char dir[64];
static cr_person ann, bob, eve;
static int64_t server;                     /* ann's */
static const cr_share_giver by_nobody;

static void setup(void) {
    char path[128];
    scratch_make(dir, "share");
    snprintf(path, sizeof path, "%s/key", dir);
    ck_assert_ok(cr_secret_open(path, &secret, &err));
    snprintf(path, sizeof path, "%s/db", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
    ann = (cr_person){.name = "ann"}, bob = (cr_person){.name = "bob"}, eve = (cr_person){.name = "eve"};
    ck_assert_ok(cr_person_add(db, &ann, &err));
    ck_assert_ok(cr_person_add(db, &bob, &err));
    ck_assert_ok(cr_person_add(db, &eve, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO servers (user_id, name, generation, running) VALUES (?, '', 0, 0)", "i", ann.id));
    server = cr_db_last_id(db);
}

static void teardown(void) {
    cr_db_close(db);
    scratch_remove(dir);
}

static void note(void *user, const cr_share *share) {
    char *text = user;
    snprintf(text + strlen(text), 400 - strlen(text), "%s/%s %s %s;", share->owner, share->server, share->group ? share->group : share->user, share->scopes);
}

/* All that reaches this person, as "ann/ bob [...];". */
static const char *reaches(const cr_person *p) {
    static char text[400];
    text[0] = 0;
    ck_assert_ok(cr_share_list(db, &(cr_share_filter){.reaches_id = p->id}, 100, 0, note, text, &err));
    return text;
}

static int64_t count(bool codes) {
    int64_t n = -1;
    ck_assert_ok(cr_share_count(db, &(cr_share_filter){.codes = codes, .server_id = server}, &n, &err));
    return n;
}

START_TEST(giving_and_taking) {
    int64_t id, again, group;
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\"]", &by_nobody, &id, &err));
    ck_assert_str_eq(reaches(&bob), "ann/ bob [\"access:servers\"];");
    ck_assert_str_eq(reaches(&eve), "");
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\",\"read:servers\"]", &by_nobody, &again, &err));
    ck_assert_int_eq(id, again);
    ck_assert_str_eq(reaches(&bob), "ann/ bob [\"access:servers\",\"read:servers\"];");
    ck_assert_ok(cr_share_take(db, server, bob.id, 0, "[\"access:servers\",\"shares\"]", &err));
    ck_assert_str_eq(reaches(&bob), "ann/ bob [\"read:servers\"];");
    ck_assert_ok(cr_share_take(db, server, bob.id, 0, "[\"read:servers\"]", &err));
    ck_assert_int_eq(count(false), 0);
    ck_assert_ok(cr_share_take(db, server, bob.id, 0, NULL, &err));      /* nothing there to take */

    ck_assert_ok(cr_group_add(db, "team", &group, &err));
    ck_assert_ok(cr_share_give(db, server, 0, group, "[\"access:servers\"]", &by_nobody, &id, &err));
    ck_assert_str_eq(reaches(&bob), "");
    ck_assert_ok(cr_group_put_in(db, group, bob.id, &err));
    ck_assert_str_eq(reaches(&bob), "ann/ team [\"access:servers\"];");
    ck_assert_str_eq(reaches(&eve), "");
    ck_assert_ok(cr_group_remove(db, group, &err));
    ck_assert_str_eq(reaches(&bob), "");
    ck_assert_int_eq(count(false), 0);
}
END_TEST

/* Groups that a provider names reach their people too. */
START_TEST(groups_of_providers) {
    int64_t group, id;
    ck_assert_ok(cr_group_add(db, "egi:vo", &group, &err));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO identities (issuer, subject, user_id, provider, shown, email, created_ms, last_ms) "
                           "VALUES ('https://i', 's', ?, 'egi', '', '', 0, 0)", "i", bob.id));
    ck_assert_ok(cr_db_run(db, &err, "INSERT INTO memberships VALUES (last_insert_rowid(), 'egi:vo')", ""));
    ck_assert_ok(cr_share_give(db, server, 0, group, "[\"access:servers\"]", &by_nobody, &id, &err));
    ck_assert_str_eq(reaches(&bob), "ann/ egi:vo [\"access:servers\"];");
    ck_assert_str_eq(reaches(&eve), "");
}
END_TEST

/* A guest who may give on: what was given ends with the guest's share, and with the rights of who gave that. */
START_TEST(what_guests_give) {
    char code[CR_TOKEN_LEN + 1];
    int64_t id, n;
    const cr_share_giver by_ann = {.person = ann.id}, by_bob = {.person = bob.id}, by_eve = {.person = eve.id};
    for (int way = 0; way < 5; way++) {
        cr_person dan = {.name = "dan"};
        ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\",\"shares\"]", &by_ann, &id, &err));
        ck_assert_ok(cr_share_give(db, server, eve.id, 0, "[\"access:servers\",\"shares\"]", &by_bob, &id, &err));
        ck_assert_ok(cr_person_add(db, &dan, &err));
        ck_assert_ok(cr_share_give(db, server, dan.id, 0, "[\"access:servers\"]", &by_eve, &id, &err));
        ck_assert_ok(cr_share_code_make(db, server, "[\"access:servers\"]", 3600, &by_bob, &id, code, &err));
        ck_assert_int_eq(count(false), 3);
        if (way == 0)
            ck_assert_ok(cr_share_take(db, server, bob.id, 0, NULL, &err));
        else if (way == 1)
            ck_assert_ok(cr_share_take(db, server, bob.id, 0, "[\"shares\"]", &err));
        else if (way == 2)
            ck_assert_ok(cr_person_forget_given(db, ann.id, &err));
        else if (way == 3)
            ck_assert_ok(cr_person_forget_given(db, bob.id, &err));
        else {
            ck_assert_ok(cr_share_remove(db, &(cr_share_filter){.server_id = server}, &n, &err));
            ck_assert_int_eq(n, 3);
        }
        ck_assert_str_eq(reaches(&eve), "");
        ck_assert_str_eq(reaches(&dan), "");
        ck_assert_fails(cr_share_code_use(db, code, bob.id, &err), CR_NOT_FOUND);
        ck_assert_str_eq(reaches(&bob), way == 1 ? "ann/ bob [\"access:servers\"];" : way == 3 ? "ann/ bob [\"access:servers\",\"shares\"];" : "");
        ck_assert_ok(cr_share_remove(db, &(cr_share_filter){.server_id = server}, &n, &err));
        ck_assert_ok(cr_person_remove(db, dan.id, &err));
    }
    /* What they gave by their own right stays, and so do a guest's shares of other servers. */
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\",\"shares\"]", &by_ann, &id, &err));
    ck_assert_ok(cr_share_give(db, server, eve.id, 0, "[\"access:servers\"]", &by_ann, &id, &err));
    ck_assert_ok(cr_share_take(db, server, bob.id, 0, NULL, &err));
    ck_assert_str_eq(reaches(&eve), "ann/ eve [\"access:servers\"];");
}
END_TEST

/* By a group: those who are in it may give on. */
START_TEST(what_groups_give) {
    int64_t id, group;
    const cr_share_giver by_ann = {.person = ann.id}, by_bob = {.person = bob.id};
    ck_assert_ok(cr_group_add(db, "team", &group, &err));
    ck_assert_ok(cr_group_put_in(db, group, bob.id, &err));
    ck_assert_ok(cr_share_give(db, server, 0, group, "[\"access:servers\",\"shares\"]", &by_ann, &id, &err));
    ck_assert_ok(cr_share_give(db, server, eve.id, 0, "[\"access:servers\"]", &by_bob, &id, &err));
    ck_assert_ok(cr_share_take(db, server, 0, group, "[\"access:servers\"]", &err));
    ck_assert_str_eq(reaches(&eve), "ann/ eve [\"access:servers\"];");
    ck_assert_ok(cr_share_take(db, server, 0, group, "[\"shares\"]", &err));
    ck_assert_str_eq(reaches(&eve), "");
}
END_TEST

START_TEST(codes) {
    char code[CR_TOKEN_LEN + 1], wrong[CR_TOKEN_LEN + 1], text[400] = "";
    int64_t id, n;
    ck_assert_ok(cr_share_code_make(db, server, "[\"access:servers\"]", CR_SHARE_CODE_LIFE_S, &by_nobody, &id, code, &err));
    ck_assert_str_eq(reaches(&bob), "");
    memcpy(wrong, code, sizeof wrong);
    wrong[0] = wrong[0] == '0' ? '1' : '0';
    ck_assert_fails(cr_share_code_use(db, wrong, bob.id, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_share_code_use(db, "", bob.id, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_share_code_use(db, code, ann.id, &err), CR_CONFLICT);
    ck_assert_ok(cr_share_code_use(db, code, bob.id, &err));
    ck_assert_ok(cr_share_code_use(db, code, bob.id, &err));             /* again is no second share */
    ck_assert_ok(cr_share_code_use(db, code, eve.id, &err));
    ck_assert_str_eq(reaches(&bob), "ann/ bob [\"access:servers\"];");
    ck_assert_int_eq(count(false), 2);
    ck_assert_ok(cr_share_code_find(db, code, note, text, &err));
    ck_assert_ok(cr_db_run(db, &err, "UPDATE shares SET expires_ms = 1 WHERE hash IS NOT NULL", ""));
    ck_assert_fails(cr_share_code_use(db, code, eve.id, &err), CR_NOT_FOUND);
    ck_assert_int_eq(count(true), 0);
    ck_assert_ok(cr_session_sweep(db, &err));
    ck_assert_ok(cr_share_remove(db, &(cr_share_filter){.server_id = server}, &n, &err));
    ck_assert_int_eq(n, 2);                                              /* the code itself is swept */
}
END_TEST

/* With the rights of the first of those who stand behind it; what was got by a code as what was given by name. */
START_TEST(ends_with_the_rights_of_makers) {
    const cr_share_giver by_eve = {.person = eve.id}, by_service = {.service = "tutor"};
    char code[CR_TOKEN_LEN + 1], token[CR_TOKEN_LEN + 1];
    int64_t id;
    ck_assert_ok(cr_share_code_make(db, server, "[\"access:servers\"]", 60, &by_eve, &id, code, &err));
    ck_assert_ok(cr_share_code_use(db, code, bob.id, &err));
    ck_assert_ok(cr_share_give(db, server, eve.id, 0, "[\"access:servers\"]", &by_eve, &id, &err));
    ck_assert_ok(cr_person_forget_given(db, eve.id, &err));
    ck_assert_int_eq(count(false) + count(true), 0);
    /* By a token that eve had made for ann. */
    cr_token t = {.kind = CR_TOKEN_API, .user_id = ann.id, .made_by = eve.id};
    cr_person who;
    ck_assert_ok(cr_token_issue(db, &t, NULL, 0, NULL, token, &err));
    ck_assert_ok(cr_token_find(db, token, &t, &who, &err));
    const cr_share_giver by_token = {.person = ann.id, .token = t.id};
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\"]", &by_token, &id, &err));
    ck_assert_ok(cr_person_set_disabled(db, eve.id, true, &err));
    ck_assert_int_eq(count(false), 0);
    /* By a service, and with what its code gave. */
    ck_assert_ok(cr_share_code_make(db, server, "[\"access:servers\"]", 60, &by_service, &id, code, &err));
    ck_assert_ok(cr_share_code_use(db, code, bob.id, &err));
    ck_assert_ok(cr_share_keep_of_services(db, "[\"tutor\"]", &err));
    ck_assert_int_eq(count(false) + count(true), 2);
    ck_assert_ok(cr_share_keep_of_services(db, "[]", &err));
    ck_assert_int_eq(count(false) + count(true), 0);
    /* The server's person, and with the person the server. */
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\"]", &by_nobody, &id, &err));
    ck_assert_ok(cr_person_remove(db, ann.id, &err));
    ck_assert_str_eq(reaches(&bob), "");
}
END_TEST

START_TEST(numbers_are_bounded) {
    char code[CR_TOKEN_LEN + 1];
    int64_t id;
    for (int i = 0; i < CR_SHARE_CODES_MAX; i++)
        ck_assert_ok(cr_share_code_make(db, server, "[\"access:servers\"]", 60, &by_nobody, &id, code, &err));
    ck_assert_fails(cr_share_code_make(db, server, "[\"access:servers\"]", 60, &by_nobody, &id, code, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "100 links already"));
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"access:servers\"]", &by_nobody, &id, &err));     /* these are counted apart */
    for (int i = 1; i < CR_SHARES_MAX; i++) {
        cr_person p = {0};
        snprintf(p.name, sizeof p.name, "p%d", i);
        ck_assert_ok(cr_person_add(db, &p, &err));
        ck_assert_ok(cr_share_give(db, server, p.id, 0, "[\"access:servers\"]", &by_nobody, &id, &err));
    }
    ck_assert_fails(cr_share_give(db, server, eve.id, 0, "[\"access:servers\"]", &by_nobody, &id, &err), CR_INVALID);
    ck_assert_ok(cr_share_give(db, server, bob.id, 0, "[\"shares\"]", &by_nobody, &id, &err));             /* more for one that is there */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("share");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, giving_and_taking);
    tcase_add_test(t, groups_of_providers);
    tcase_add_test(t, what_guests_give);
    tcase_add_test(t, what_groups_give);
    tcase_add_test(t, codes);
    tcase_add_test(t, ends_with_the_rights_of_makers);
    tcase_add_test(t, numbers_are_bounded);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
