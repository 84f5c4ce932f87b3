/* test_service.c - settings of services, their tokens, what they may do, and what ends with them. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include "platform/db/schema.h"
#include "platform/identity/service.h"
#include "platform/identity/session.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static cr_err err;

static cr_status parse(const char *name, const char *settings, cr_service *s) {
    char text[4096];
    memset(&err, 0, sizeof err);
    snprintf(text, sizeof text, "%s", settings);
    return cr_service_parse(name, text, s, &err);
}

START_TEST(settings) {
    cr_service s;
    ck_assert_ok(parse("culler", "# stops what is idle\nurl = https://hub.example/culler\nscope = list:users\n\n scope = delete:servers!group=course\n", &s));
    ck_assert_str_eq(s.name, "culler");
    ck_assert_str_eq(s.url, "https://hub.example/culler");
    ck_assert(!s.admin && s.n_scopes == 2);
    ck_assert_str_eq(s.scopes[1], "delete:servers!group=course");
    ck_assert_ok(parse("boss", "admin = yes", &s));
    ck_assert(s.admin && s.n_scopes == 0);
    ck_assert_ok(parse("idle", "", &s));
    static const struct { const char *name, *text, *says; } bad[] = {
        {"Culler", "", "cannot name a service"}, {"../x", "", "cannot name"}, {"", "", "cannot name"}, {"c", "scope list:users", "line 1"},
        {"c", "\nscope = list:people\n", "line 2"}, {"c", "scope = list:users!", "does not exist"}, {"c", "scope = list:users!user=", "valid filter"},
        {"c", "scope = self", "for people"}, {"c", "scope = inherit", "for people"}, {"c", "scope = self!user", "for people"},
        {"c", "scope = read:users!user", "!user=ada"}, {"c", "scope = servers!server", "name whose"}, {"c", "admin = maybe", "neither yes nor no"},
        {"c", "oauth_redirect_uri = http://example.org/x", "https"}, {"c", "oauth_redirect_uri = https://u@example.org/x", "host name"},
        {"c", "oauth_redirect_uri = https://example.org/x?y=1", "without '?'"}, {"c", "oauth_redirect_uri = https://example.org/x#y", "without '?'"},
        {"c", "oauth_redirect_uri = https://example.org", "with a path"}, {"c", "oauth_redirect_uri = /back", "https"},
        {"c", "oauth_client_allowed_scope = list:users", "without oauth_redirect_uri"}, {"c", "oauth_no_confirm = yes", "without oauth_redirect_uri"},
        {"c", "oauth_client_allowed_scope = inherit", "no bounds"}, {"c", "oauth_client_allowed_scope = access:servers!server", "name whose"},
        {"c", "oauth_client_allowed_scope = list:people", "does not exist"}, {"c", "oauth_no_confirm = 1", "neither yes nor no"},
        {"c", "trusted = perhaps", "neither yes nor no"}, {"c", "url = ftp://x", "https"}, {"c", "url = http://example.org", "https"}, {"c", "token = x", "no setting"}, {"c", "scope =", "does not exist"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert_msg(parse(bad[i].name, bad[i].text, &s) != CR_OK, "%s was taken", bad[i].text);
        ck_assert_msg(strstr(err.message, bad[i].says), "%s: %s", bad[i].text, err.message);
    }
    char many[4096] = "";
    for (int i = 0; i <= CR_SERVICE_SCOPES; i++)
        strcat(many, "scope = list:users\n");
    ck_assert_fails(parse("c", many, &s), CR_LIMIT);
}
END_TEST

/* A record from the socket is looked at as the file was. */
START_TEST(records) {
    cr_service good, s;
    ck_assert_ok(parse("culler", "scope = list:users", &good));
    ck_assert_ok(cr_service_check(&good, &err));
    s = good;
    memset(s.url, 'x', sizeof s.url);
    ck_assert_fails(cr_service_check(&s, &err), CR_FORMAT);
    s = good;
    memset(s.scopes[0], 'x', sizeof s.scopes[0]);
    ck_assert_fails(cr_service_check(&s, &err), CR_FORMAT);
    s = good;
    s.n_scopes = CR_SERVICE_SCOPES + 1;
    ck_assert_fails(cr_service_check(&s, &err), CR_RANGE);
    s = good;
    s.admin = 2;
    ck_assert_fails(cr_service_check(&s, &err), CR_RANGE);
    s = good;
    strcpy(s.scopes[0], "self");
    ck_assert_fails(cr_service_check(&s, &err), CR_INVALID);
    s = good;
    memset(s.redirect, 'x', sizeof s.redirect);
    ck_assert_fails(cr_service_check(&s, &err), CR_FORMAT);
    strcpy(s.redirect, "https://example.org/x?y");
    ck_assert_fails(cr_service_check(&s, &err), CR_INVALID);
    s = good;
    s.n_allowed = -1;
    ck_assert_fails(cr_service_check(&s, &err), CR_RANGE);
    s.n_allowed = 1;
    strcpy(s.allowed[0], "inherit");
    ck_assert_fails(cr_service_check(&s, &err), CR_INVALID);
    s = good;
    s.no_confirm = 2;
    ck_assert_fails(cr_service_check(&s, &err), CR_RANGE);
    s = good;
    s.trusted = -1;
    ck_assert_fails(cr_service_check(&s, &err), CR_RANGE);
}
END_TEST

/* What it may do for somebody: who it is, and what is allowed, for that person. */
START_TEST(for_people) {
    cr_service s;
    cr_scopes set;
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, 1 << 20);
    cr_scopes_init(&set, &arena);
    ck_assert_ok(parse("board", "oauth_redirect_uri = https://board.example/back\noauth_client_allowed_scope = read:servers!user\n"
                       "oauth_no_confirm = yes\ntrusted = no\n", &s));
    ck_assert_str_eq(s.redirect, "https://board.example/back");
    ck_assert(s.no_confirm && !s.trusted && s.n_allowed == 1 && s.n_scopes == 0);
    cr_service_add_allowed(&s, "ada", &set);
    ck_assert(cr_scopes_allow(&set, CR_SCOPE_READ_SERVERS, CR_SCOPE_USER, "ada", NULL));
    ck_assert(!cr_scopes_allow(&set, CR_SCOPE_READ_SERVERS, CR_SCOPE_USER, "eve", NULL));
    ck_assert(cr_scopes_allow(&set, CR_SCOPE_ACCESS_SERVICES, CR_SCOPE_SERVICE, "board", NULL));
    ck_assert(!cr_scopes_allow(&set, CR_SCOPE_ACCESS_SERVICES, CR_SCOPE_SERVICE, "other", NULL));
    ck_assert(cr_scopes_allow(&set, CR_SCOPE_READ_USERS_GROUPS, CR_SCOPE_USER, "ada", NULL));
    ck_assert(!cr_scopes_allow(&set, CR_SCOPE_READ_USERS, CR_SCOPE_USER, "ada", NULL));
}
END_TEST

START_TEST(tokens) {
    static cr_service_set set;
    set.n = 2;
    ck_assert_ok(parse("a", "", &set.at[0]));
    ck_assert_ok(parse("b", "", &set.at[1]));
    ck_assert_ok(cr_service_set_token(&set.at[0], TOKEN "\n", strlen(TOKEN) + 1, &err));
    ck_assert_ok(cr_service_set_token(&set.at[1], TOKEN "-b", strlen(TOKEN) + 2, &err));
    ck_assert_ptr_eq(cr_service_find(&set, TOKEN), &set.at[0]);
    ck_assert_ptr_eq(cr_service_find(&set, TOKEN "-b"), &set.at[1]);
    ck_assert_ptr_null(cr_service_find(&set, TOKEN "-c"));
    ck_assert_ptr_null(cr_service_find(&set, ""));
    ck_assert_ptr_eq(cr_service_named(&set, "b"), &set.at[1]);
    ck_assert_ptr_null(cr_service_named(&set, "c"));
    static const char *const bad[] = {"", "short", "0123456789abcdef0123456789abcde", "0123456789abcdef 0123456789abcdef", TOKEN "\n" TOKEN, TOKEN "\x7f"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(cr_service_set_token(&set.at[0], bad[i], strlen(bad[i]), &err) == CR_INVALID, "'%s' was taken", bad[i]);
    char large[CR_SERVICE_TOKEN_MAX + 2];
    memset(large, 'x', sizeof large);
    ck_assert_fails(cr_service_set_token(&set.at[0], large, CR_SERVICE_TOKEN_MAX + 1, &err), CR_INVALID);
}
END_TEST

static bool may(const char *lines, cr_scope scope, cr_scope_kind kind, const char *value) {
    cr_service s;
    cr_scopes set;
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, 1 << 20);
    cr_scopes_init(&set, &arena);
    ck_assert_ok(parse("culler", lines, &s));
    cr_service_add_scopes(&s, &set);
    return cr_scopes_allow(&set, scope, kind, value, NULL);
}

START_TEST(rights) {
    ck_assert(!may("", CR_SCOPE_LIST_USERS, CR_SCOPE_ANY, NULL));
    ck_assert(may("scope = list:users", CR_SCOPE_LIST_USERS, CR_SCOPE_ANY, NULL));
    ck_assert(!may("scope = list:users", CR_SCOPE_READ_USERS, CR_SCOPE_ANY, NULL));
    ck_assert(may("scope = servers!user=ada", CR_SCOPE_DELETE_SERVERS, CR_SCOPE_USER, "ada"));
    ck_assert(!may("scope = servers!user=ada", CR_SCOPE_DELETE_SERVERS, CR_SCOPE_USER, "eve"));
    ck_assert(may("admin = yes", CR_SCOPE_ADMIN_USERS, CR_SCOPE_ANY, NULL));
    ck_assert(may("scope = read:services!service", CR_SCOPE_READ_SERVICES, CR_SCOPE_SERVICE, "culler"));
    ck_assert(!may("scope = read:services!service", CR_SCOPE_READ_SERVICES, CR_SCOPE_SERVICE, "other"));
}
END_TEST

/* Who is taken out of the settings, or may make no tokens any more, leaves none behind; not even by way of those. */
START_TEST(what_they_made_ends_with_them) {
    char dir[64], path[80];
    char text[4][CR_TOKEN_LEN + 1];
    cr_db *db;
    cr_secret secret;
    cr_token t, used;
    cr_person who, ada = {.name = "ada"}, bob = {.name = "bob"};
    scratch_make(dir, "service");
    snprintf(path, sizeof path, "%s/key", dir);
    ck_assert_ok(cr_secret_open(path, &secret, &err));
    snprintf(path, sizeof path, "%s/db", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
    ck_assert_ok(cr_person_add(db, &ada, &err));
    ck_assert_ok(cr_person_add(db, &bob, &err));
    for (int i = 0; i < 4; i++) {      /* of the services gone and kept; by the first's token; by a person */
        t = (cr_token){.kind = CR_TOKEN_API, .user_id = ada.id, .made_by_service = i == 0 ? "gone" : i == 1 ? "kept" : NULL};
        if (i == 2) {
            ck_assert_ok(cr_token_find(db, text[0], &used, &who, &err));
            t = (cr_token){.kind = CR_TOKEN_API, .user_id = bob.id, .made_by = ada.id, .made_with = used.id};
        }
        ck_assert_ok(cr_token_issue(db, &t, NULL, 0, NULL, text[i], &err));
    }
    ck_assert_ok(cr_token_keep_of_services(db, "[\"kept\",\"other\"]", &err));
    for (int i = 0; i < 4; i++)
        ck_assert_msg((cr_token_find(db, text[i], &t, &who, &err) == CR_OK) == (i & 1), "token %d", i);
    ck_assert_ok(cr_token_keep_of_services(db, "[]", &err));
    ck_assert_fails(cr_token_find(db, text[1], &t, &who, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_token_find(db, text[3], &t, &who, &err));
    cr_db_close(db);
    scratch_remove(dir);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("service");
    TCase *t = tcase_create("all");
    tcase_add_test(t, settings);
    tcase_add_test(t, records);
    tcase_add_test(t, for_people);
    tcase_add_test(t, tokens);
    tcase_add_test(t, rights);
    tcase_add_test(t, what_they_made_ends_with_them);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
