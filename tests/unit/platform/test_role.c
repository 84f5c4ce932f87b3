/* test_role.c - settings of roles, and to whom they give what. */
#include "../check_main.h"

#include <stdio.h>
#include "platform/identity/role.h"

static cr_err err;

static cr_status parse(const char *name, const char *settings, cr_role *r) {
    static char text[128 << 10];
    memset(&err, 0, sizeof err);
    snprintf(text, sizeof text, "%s", settings);
    return cr_role_parse(name, text, r, &err);
}

static bool is_member(void *arg, const char *group, const char *user) {
    (void)arg;
    return strcmp(group, "course") == 0 && strcmp(user, "bob") == 0;
}

static const cr_scope_members members = {is_member, NULL};

START_TEST(settings) {
    cr_role r;
    ck_assert_ok(parse("tutor", "# sees the course\nscope = list:users!group=course\nscope = shares!user\nuser = Ann\ngroup = course\nservice = culler\n", &r));
    ck_assert(r.n_scopes == 2 && r.n_users == 1 && r.n_groups == 1 && r.n_services == 1);
    ck_assert_str_eq(r.users[0], "ann");
    ck_assert_ok(parse("user", "scope = self\nscope = shares!user", &r));
    static const struct { const char *name, *text, *says; } bad[] = {
        {"Tutor", "", "cannot name a role"}, {"../x", "", "cannot name"}, {"admin", "scope = list:users", "JupyterHub's own"}, {"server", "", "JupyterHub's own"},
        {"token", "", "JupyterHub's own"}, {"user", "scope = self\nuser = ann", "everybody has"}, {"user", "group = course", "everybody has"},
        {"t", "\nscope = list:people", "line 2: scope"}, {"t", "scope = inherit", "for tokens"}, {"t", "scope = servers!server", "servers!user"},
        {"t", "scope = list:users!user=", "valid filter"}, {"t", "user =", "line 1: user"}, {"t", "group =", "line 1: group"}, {"t", "service = A", "cannot name a service"},
        {"t", "admin = yes", "no setting 'admin'"}, {"t", "scope", "line 1"},
        {"t", "named_servers = 0", "line 1: named_servers"}, {"t", "named_servers = 101", "named_servers"}, {"t", "named_servers = x", "named_servers"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert_msg(parse(bad[i].name, bad[i].text, &r) != CR_OK, "%s was taken", bad[i].text);
        ck_assert_msg(strstr(err.message, bad[i].says), "%s: %s", bad[i].text, err.message);
    }
    static const struct { const char *line; int most; } many[] = {
        {"scope = list:users\n", CR_ROLE_SCOPES}, {"user = ann\n", CR_ROLE_USERS}, {"group = g\n", CR_ROLE_GROUPS}, {"service = s\n", CR_ROLE_SERVICES},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(many); i++) {
        char text[8192] = "";
        for (int k = 0; k < many[i].most; k++)
            strcat(text, many[i].line);
        ck_assert_ok(parse("t", text, &r));
        strcat(text, many[i].line);
        ck_assert_fails(parse("t", text, &r), CR_LIMIT);
    }
}
END_TEST

/* A record from the socket is looked at as the file was. */
START_TEST(records) {
    cr_role good, r;
    ck_assert_ok(parse("tutor", "scope = list:users\nuser = ann\ngroup = g\nservice = s", &good));
    ck_assert_ok(cr_role_check(&good, &err));
#define SPOILT(change, status) \
    r = good; \
    change; \
    ck_assert_fails(cr_role_check(&r, &err), status)
    SPOILT(memset(r.name, 'x', sizeof r.name), CR_FORMAT);
    SPOILT(memset(r.scopes[0], 'x', sizeof r.scopes[0]), CR_FORMAT);
    SPOILT(memset(r.users[0], 'x', sizeof r.users[0]), CR_FORMAT);
    SPOILT(memset(r.groups[0], 'x', sizeof r.groups[0]), CR_FORMAT);
    SPOILT(memset(r.services[0], 'x', sizeof r.services[0]), CR_FORMAT);
    SPOILT(r.n_scopes = CR_ROLE_SCOPES + 1, CR_RANGE);
    SPOILT(r.n_users = -1, CR_RANGE);
    SPOILT(r.n_groups = INT32_MAX, CR_RANGE);
    SPOILT(r.named_servers = CR_NAMED_SERVERS_MAX + 1, CR_RANGE);
    SPOILT(r.named_servers = -1, CR_RANGE);
    SPOILT(strcpy(r.scopes[0], "inherit"), CR_INVALID);
    SPOILT(strcpy(r.name, "admin"), CR_INVALID);
}
END_TEST

static bool gives(const cr_role *r, const cr_scope_owner *owner, cr_scope scope, cr_scope_kind kind, const char *value) {
    cr_auto_arena cr_arena arena;
    cr_scopes set;
    cr_arena_init(&arena, 1 << 20);
    cr_scopes_init(&set, &arena);
    cr_role_add_scopes(r, owner, &set);
    return cr_scopes_allow(&set, scope, kind, value, &members);
}

START_TEST(who_has_it) {
    cr_role r;
    const cr_scope_owner ann = {.user = "ann"}, culler = {.service = "culler"};
    ck_assert_ok(parse("tutor", "scope = access:servers!group=course\nscope = shares!user\nuser = ann\ngroup = course\nservice = culler", &r));
    ck_assert(cr_role_is_of_person(&r, "ann", &members) && cr_role_is_of_person(&r, "bob", &members) && !cr_role_is_of_person(&r, "eve", &members));
    ck_assert(cr_role_is_of_group(&r, "course") && !cr_role_is_of_group(&r, "ann"));
    ck_assert(cr_role_is_of_service(&r, "culler") && !cr_role_is_of_service(&r, "ann"));
    ck_assert(gives(&r, &ann, CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_SERVER, "bob/") && !gives(&r, &ann, CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_SERVER, "eve/"));
    ck_assert(gives(&r, &ann, CR_SCOPE_SHARES, CR_SCOPE_USER, "ann") && !gives(&r, &ann, CR_SCOPE_SHARES, CR_SCOPE_USER, "bob"));
    ck_assert(!gives(&r, &culler, CR_SCOPE_SHARES, CR_SCOPE_USER, "culler"));      /* a service is no person of that name */
    ck_assert_ok(parse("user", "scope = shares!user", &r));
    ck_assert(cr_role_is_of_person(&r, "eve", &members) && !cr_role_is_of_service(&r, "culler"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("role");
    TCase *t = tcase_create("all");
    tcase_add_test(t, settings);
    tcase_add_test(t, records);
    tcase_add_test(t, who_has_it);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
