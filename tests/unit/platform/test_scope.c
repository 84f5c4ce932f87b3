/* test_scope.c - scopes: texts, hierarchy, filters, roles, intersections. tests/wire/test_scopes.py compares with JupyterHub's own. */
#include "../check_main.h"

#include <stdio.h>
#include "base/buf.h"
#include "platform/hub/scope_words.h"
#include "platform/identity/scope.h"

static cr_arena arena;
static const cr_scope_owner ann = {"ann", NULL}, anns_server = {"ann", "ann/gpu"};

static void setup(void) { cr_arena_init(&arena, 8 << 20); }
static void teardown(void) { cr_arena_done(&arena); }

static bool crew_has_ann(void *arg, const char *group, const char *user) {
    return strcmp(group, "crew") == 0 && strcmp(user, "ann") == 0;
}
static const cr_scope_members members = {crew_has_ann, NULL};

/* texts divided by blanks */
static cr_scopes *set_of(const char *texts, const cr_scope_owner *owner) {
    cr_scopes *set = cr_arena_alloc(&arena, sizeof *set);
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", texts);
    cr_scopes_init(set, &arena);
    char *save;
    for (char *text = strtok_r(copy, " ", &save); text; text = strtok_r(NULL, " ", &save))
        cr_scopes_add(set, text, owner);
    return set;
}

static const char *text_of(const cr_scopes *set) {
    json_t *list = cr_scopes_list(set);
    char *out = cr_arena_alloc(&arena, 16384);
    for (size_t i = 0; i < json_array_size(list); i++) {
        strcat(out, i ? " " : "");
        strcat(out, json_string_value(json_array_get(list, i)));
    }
    json_decref(list);
    return out;
}

START_TEST(texts) {
    static const struct { const char *text, *message; } bad[] = {
        {"", "Scope '' for token does not exist"}, {"user", "Scope 'user' for token does not exist"},
        {"all", "Draft scope 'all' is now called 'inherit'"}, {"Users", "Scope 'Users' for token does not exist"},
        {"users ", "Scope 'users ' for token does not exist"}, {"read:users:", "Scope 'read:users:' for token does not exist"},
        {"users!color=red", "Scope filter color=red '!color=red' in scope 'users!color=red' for token does not exist"},
        {"users!group", "Scope filter group '!group' in scope 'users!group' for token does not exist"},
        {"users!", "Scope filter  '!' in scope 'users!' for token does not exist"},
        {"users!user=", "Empty string is not a valid filter: users!user="},
        {"!user=ann", "Scope '!user=ann' for token does not exist"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        cr_err err = CR_ERR_INIT;
        ck_assert_fails(cr_scope_check(bad[i].text, &err), CR_INVALID);
        ck_assert_str_eq(err.message, bad[i].message);
    }
    static const char *const good[] = {"users", "inherit", "self", "(no_scope)", "users!user", "users!user=ann", "access:servers!server=ann/",
                                       "groups!group=crew", "access:services!service=x", "access:servers!server", "read:users!user=a=b!c"};
    cr_err err = CR_ERR_INIT;
    for (size_t i = 0; i < CR_ARRAY_LEN(good); i++)
        ck_assert_ok(cr_scope_check(good[i], &err));
    char longest[CR_SCOPE_TEXT_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = 0;
    ck_assert_fails(cr_scope_check(longest, &err), CR_INVALID);
    memcpy(longest, "users!user=", 11);
    longest[11 + CR_SCOPE_VALUE_MAX + 1] = 0;
    ck_assert_fails(cr_scope_check(longest, &err), CR_INVALID);
    longest[11 + CR_SCOPE_VALUE_MAX] = 0;
    ck_assert_ok(cr_scope_check(longest, &err));
}
END_TEST

START_TEST(expansion) {
    static const struct { const char *texts, *expanded; } rows[] = {
        {"", ""}, {"shutdown", "shutdown"}, {"inherit", "inherit"}, {"(no_scope)", "(no_scope)"},
        {"servers", "delete:servers read:servers read:users:name servers start:servers"},
        {"tokens!user", "read:tokens!user=ann tokens!user=ann"},
        {"tokens!user=bob tokens!user", "read:tokens!user=ann read:tokens!user=bob tokens!user=ann tokens!user=bob"},
        {"tokens!user tokens", "read:tokens tokens"},
        {"tokens tokens!user", "read:tokens tokens"},
        {"servers!server=ann/gpu", "delete:servers!server=ann/gpu read:servers!server=ann/gpu servers!server=ann/gpu start:servers!server=ann/gpu"},
        {"users:activity!server=ann/", "users:activity!server=ann/"},
        {"access:servers!server", ""}, {"access:services!service", ""}, {"self!user=bob", "self!user=bob"},
        {"self", "access:servers!user=ann delete:servers!user=ann read:servers!user=ann read:shares!user=ann read:tokens!user=ann "
                 "read:users!user=ann read:users:activity!user=ann read:users:groups!user=ann read:users:name!user=ann "
                 "read:users:shares!user=ann servers!user=ann start:servers!user=ann tokens!user=ann users:activity!user=ann users:shares!user=ann"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        ck_assert_str_eq(text_of(set_of(rows[i].texts, &ann)), rows[i].expanded);
    ck_assert_str_eq(text_of(set_of("access:servers!server users:activity!user", &anns_server)),
                     "access:servers!server=ann/gpu read:users:activity!user=ann users:activity!user=ann");
    ck_assert_str_eq(text_of(set_of("self access:servers!user", &(cr_scope_owner){NULL, NULL})), "");
}
END_TEST

START_TEST(intersections) {
    static const struct { const char *a, *b, *both; } rows[] = {
        {"tokens", "shutdown", ""}, {"tokens", "tokens", "read:tokens tokens"}, {"tokens!user=bob", "tokens", "read:tokens!user=bob tokens!user=bob"},
        {"tokens!user=bob", "tokens!user=ann", ""}, {"tokens!user=bob tokens!user=ann", "read:tokens!user=ann", "read:tokens!user=ann"},
        {"access:servers!server=ann/x", "access:servers!user=ann", "access:servers!server=ann/x"},
        {"access:servers!user=ann", "access:servers!server=ann/x access:servers!server=bob/x", "access:servers!server=ann/x"},
        {"access:servers!server=annie/x", "access:servers!user=ann", ""},
        {"tokens!group=crew", "tokens!user=ann tokens!user=bob", "read:tokens!user=ann tokens!user=ann"},
        {"access:servers!group=crew", "access:servers!server=ann/ access:servers!server=bob/", "access:servers!server=ann/"},
        {"tokens!group=crew", "tokens!group=crew tokens!group=deck", "read:tokens!group=crew tokens!group=crew"},
        {"access:services!service=x", "access:services!user=ann", ""},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        for (int turn = 0; turn < 2; turn++) {
            cr_scopes both;
            cr_scopes_init(&both, &arena);
            cr_scopes_intersect(&both, set_of(turn ? rows[i].b : rows[i].a, &ann), set_of(turn ? rows[i].a : rows[i].b, &ann), &members);
            ck_assert_str_eq(text_of(&both), rows[i].both);
            ck_assert(cr_scopes_equal(&both, set_of(rows[i].both, &ann)));
        }
    cr_scopes none;
    cr_scopes_init(&none, &arena);
    cr_scopes_intersect(&none, set_of("tokens!group=crew", &ann), set_of("tokens!user=ann", &ann), NULL);
    ck_assert_str_eq(text_of(&none), "");
}
END_TEST

START_TEST(permission) {
    const cr_scopes *s = set_of("read:users!user=ann start:servers!group=crew access:servers!server=bob/x shutdown", &ann);
    ck_assert(cr_scopes_allow(s, CR_SCOPE_SHUTDOWN, CR_SCOPE_ANY, NULL, &members));
    ck_assert(cr_scopes_allow(s, CR_SCOPE_READ_USERS_NAME, CR_SCOPE_USER, "ann", &members));
    ck_assert(!cr_scopes_allow(s, CR_SCOPE_READ_USERS_NAME, CR_SCOPE_USER, "an", &members));
    ck_assert(!cr_scopes_allow(s, CR_SCOPE_READ_USERS_NAME, CR_SCOPE_ANY, NULL, &members));
    ck_assert(!cr_scopes_allow(s, CR_SCOPE_USERS, CR_SCOPE_USER, "ann", &members));
    ck_assert(cr_scopes_allow(s, CR_SCOPE_START_SERVERS, CR_SCOPE_SERVER, "ann/", &members));
    ck_assert(!cr_scopes_allow(s, CR_SCOPE_START_SERVERS, CR_SCOPE_SERVER, "bob/", &members));
    ck_assert(cr_scopes_allow(s, CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_SERVER, "bob/x", &members));
    ck_assert(!cr_scopes_allow(s, CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_USER, "bob", &members));
    ck_assert(cr_scopes_mention(s, CR_SCOPE_START_SERVERS) && !cr_scopes_mention(s, CR_SCOPE_DELETE_SERVERS));
    cr_scopes person, root;
    cr_scopes_init(&person, &arena);
    cr_scopes_add_roles(&person, "ann", false);
    cr_scopes_init(&root, &arena);
    cr_scopes_add_roles(&root, "ann", true);
    ck_assert(cr_scopes_equal(&person, set_of("self", &ann)));
    for (int i = 0; i < CR_SCOPE_COUNT; i++)
        if (i != CR_SCOPE_NO_SCOPE && i != CR_SCOPE_SELF && i != CR_SCOPE_INHERIT)
            ck_assert_msg(cr_scopes_allow(&root, (cr_scope)i, CR_SCOPE_ANY, NULL, &members), "%s", cr_scope_name((cr_scope)i));
    ck_assert_ptr_null(cr_scope_role("all"));
    ck_assert_str_eq(cr_scope_role("token")[0], "inherit");
}
END_TEST

/* What does not fit grants nothing, rather than a part. */
START_TEST(limits) {
    cr_scopes full, small;
    char text[64];
    cr_scopes_init(&full, &arena);
    cr_scopes_add(&full, "shutdown", &ann);
    for (int i = 0; i <= CR_SCOPE_FILTERS_MAX; i++) {
        snprintf(text, sizeof text, "delete:users!user=u%d", i);
        cr_scopes_add(&full, text, &ann);
    }
    ck_assert(full.failed && !cr_scopes_allow(&full, CR_SCOPE_SHUTDOWN, CR_SCOPE_ANY, NULL, NULL) && !cr_scopes_mention(&full, CR_SCOPE_SHUTDOWN));
    ck_assert_str_eq(text_of(&full), "");
    cr_arena little;
    cr_arena_init(&little, 16);
    cr_scopes_init(&small, &little);
    cr_scopes_add(&small, "shutdown", &ann);
    cr_scopes_add(&small, "self", &ann);
    ck_assert(small.failed && !cr_scopes_equal(&small, &small));
    cr_arena_done(&little);
}
END_TEST

static const char *sentences(const char *of) {
    json_t *list = cr_scope_sentences(set_of(of, &ann), "ann");
    cr_buf out;
    cr_buf_init(&out, 1 << 16);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *one = json_array_get(list, i);
        cr_buf_addf(&out, "%s%s (%s)", i ? "; " : "", json_string_value(json_object_get(one, "words")), json_string_value(json_object_get(one, "whose")));
    }
    const char *text = cr_arena_strdup(&arena, cr_buf_str(&out));
    cr_buf_done(&out);
    json_decref(list);
    return text;
}

/* What people are asked: nothing that follows from something else that is said, and nothing left out. */
START_TEST(words) {
    ck_assert_str_eq(sentences("read:users:name!user read:users:groups!user access:services!service=board"), "");
    ck_assert_str_eq(sentences("servers!user"), "start and stop servers, and see their state (yours only)");
    ck_assert_str_eq(sentences("read:servers!user read:servers"), "see which servers run (everybody's)");
    ck_assert_str_eq(sentences("read:servers!user=bob read:servers!user"), "see which servers run (yours only); see which servers run (of bob)");
    ck_assert_str_eq(sentences("delete:servers!group=crew"), "stop servers (of the people in the group crew)");
    ck_assert_str_eq(sentences("access:servers!server=bob/gpu"), "use servers: run code there, and read and change all files (the server bob/gpu)");
    ck_assert_str_eq(sentences("list:users read:users:name"), "list the people who have accounts (everybody's)");
    ck_assert(strstr(sentences("read:users:name!user=bob"), "of bob"));
    /* Every scope has words, but those that are for no program. */
    for (int s = 0; s < CR_SCOPE_COUNT; s++)
        ck_assert_msg((cr_scope_words((cr_scope)s)[0] == 0) == (s == CR_SCOPE_NO_SCOPE || s == CR_SCOPE_SELF || s == CR_SCOPE_INHERIT), "%s", cr_scope_name((cr_scope)s));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("scope");
    TCase *t = tcase_create("scopes");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, texts);
    tcase_add_test(t, expansion);
    tcase_add_test(t, intersections);
    tcase_add_test(t, permission);
    tcase_add_test(t, limits);
    tcase_add_test(t, words);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
