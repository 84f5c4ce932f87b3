/* scope.c - JupyterHub's scopes. */
#include "platform/identity/scope.h"

#include <stdio.h>
#include <stdlib.h>

enum { BELOW_MAX = 5 };

/* below ends with 0, which is NO_SCOPE: it is below nothing. */
static const struct { const char *name; cr_scope below[BELOW_MAX]; } rows[] = {
#define X(id, name, ...) {name, {__VA_ARGS__}},
    CR_SCOPES(X)
#undef X
};

static const struct { const char *name; cr_scope_kind kind; } kinds[] = {
    {"user", CR_SCOPE_USER}, {"group", CR_SCOPE_GROUP}, {"server", CR_SCOPE_SERVER}, {"service", CR_SCOPE_SERVICE},
};

static const char *const role_user[] = {"self", NULL};
static const char *const role_admin[] = {
    "admin-ui", "admin:users", "admin:servers", "admin:services", "tokens", "admin:groups", "list:services", "read:services", "read:hub",
    "proxy", "shutdown", "access:services", "access:servers", "read:roles", "read:metrics", "shares", NULL,
};
static const char *const role_server[] = {"users:activity!user", "access:servers!server", NULL};
static const char *const role_token[] = {"inherit", NULL};
static const struct { const char *name; const char *const *scopes; } roles[] = {
    {"user", role_user}, {"admin", role_admin}, {"server", role_server}, {"token", role_token},
};

static const cr_scope self_scopes[] = {
    CR_SCOPE_READ_USERS, CR_SCOPE_USERS_SHARES, CR_SCOPE_READ_SHARES, CR_SCOPE_USERS_ACTIVITY, CR_SCOPE_SERVERS, CR_SCOPE_TOKENS,
    CR_SCOPE_ACCESS_SERVERS,
};

const char *cr_scope_name(cr_scope scope) { return rows[scope].name; }

const char *const *cr_scope_role(const char *role) {
    for (size_t i = 0; i < CR_ARRAY_LEN(roles); i++)
        if (strcmp(roles[i].name, role) == 0)
            return roles[i].scopes;
    return NULL;
}

/* ---- texts ---- */

static cr_scope find_scope(const char *name, size_t n) {
    for (size_t i = 0; i < CR_SCOPE_COUNT; i++)
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0)
            return (cr_scope)i;
    return CR_SCOPE_COUNT;
}

/* A text in parts. value NULL: the owner's own. false: a form that does not exist. */
static bool split(const char *text, cr_scope *scope, cr_scope_kind *kind, const char **value) {
    size_t n = strcspn(text, "!");
    *scope = find_scope(text, n);
    *kind = CR_SCOPE_ANY;
    *value = NULL;
    if (!text[n])
        return true;
    const char *filter = text + n + 1;
    size_t len = strcspn(filter, "=");
    for (size_t i = 0; i < CR_ARRAY_LEN(kinds); i++)
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, filter, len) == 0) {
            *kind = kinds[i].kind;
            *value = filter[len] ? filter + len + 1 : NULL;
            return *value || *kind != CR_SCOPE_GROUP;
        }
    return false;
}

cr_status cr_scope_check(const char *text, cr_err *err) {
    cr_scope scope;
    cr_scope_kind kind;
    const char *value;
    if (strlen(text) > CR_SCOPE_TEXT_MAX)
        return CR_FAIL(err, CR_INVALID, "a scope of more than %d bytes", CR_SCOPE_TEXT_MAX);
    bool good = split(text, &scope, &kind, &value);
    if (scope == CR_SCOPE_COUNT && strncmp(text, "all", strcspn(text, "!")) == 0 && strcspn(text, "!") == 3)
        return CR_FAIL(err, CR_INVALID, "Draft scope 'all' is now called 'inherit'");
    if (scope == CR_SCOPE_COUNT)
        return CR_FAIL(err, CR_INVALID, "Scope '%s' for token does not exist", text);
    if (!good) {
        const char *filter = strchr(text, '!');
        return CR_FAIL(err, CR_INVALID, "Scope filter %s '%s' in scope '%s' for token does not exist", filter + 1, filter, text);
    }
    if (value && !*value)
        return CR_FAIL(err, CR_INVALID, "Empty string is not a valid filter: %s", text);
    if (value && strlen(value) > CR_SCOPE_VALUE_MAX)
        return CR_FAIL(err, CR_INVALID, "a filter of more than %d bytes", CR_SCOPE_VALUE_MAX);
    return CR_OK;
}

/* ---- sets ---- */

void cr_scopes_init(cr_scopes *set, cr_arena *arena) {
    memset(set, 0, sizeof *set);
    set->arena = arena;
}

static bool has_filter(const cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value) {
    for (const cr_scope_filter *f = set->at[scope].filters; f; f = f->next)
        if (f->kind == kind && strcmp(f->value, value) == 0)
            return true;
    return false;
}

static void add_one(cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value) {
    if (set->failed || set->at[scope].all)
        return;
    if (kind == CR_SCOPE_ANY) {
        set->at[scope].all = true;
        set->at[scope].filters = NULL;
        return;
    }
    if (has_filter(set, scope, kind, value))
        return;
    cr_scope_filter *f = set->n_filters < CR_SCOPE_FILTERS_MAX ? cr_arena_alloc(set->arena, sizeof *f) : NULL;
    if (!f || !(f->value = cr_arena_strdup(set->arena, value))) {
        set->failed = true;
        return;
    }
    f->kind = kind;
    f->next = set->at[scope].filters;
    set->at[scope].filters = f;
    set->n_filters++;
}

/* A filter by server says nothing about people. */
static bool about_people(cr_scope scope) { return strncmp(rows[scope].name, "read:user", 9) == 0; }

static void add_below(cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value) {
    if (kind != CR_SCOPE_SERVER || !about_people(scope))
        add_one(set, scope, kind, value);
    for (int i = 0; rows[scope].below[i]; i++)
        add_below(set, rows[scope].below[i], kind, value);
}

void cr_scopes_add(cr_scopes *set, const char *text, const cr_scope_owner *owner) {
    cr_scope scope;
    cr_scope_kind kind;
    const char *value;
    if (!split(text, &scope, &kind, &value) || scope == CR_SCOPE_COUNT || (value && !*value))
        return;
    if (kind != CR_SCOPE_ANY && !value) {
        value = kind == CR_SCOPE_USER ? owner->user : kind == CR_SCOPE_SERVER ? owner->server :
                kind == CR_SCOPE_SERVICE ? owner->service : NULL;
        if (!value || !*value)
            return;
    }
    if (scope != CR_SCOPE_SELF || kind != CR_SCOPE_ANY) {
        add_below(set, scope, kind, value);
        return;
    }
    if (owner->user && *owner->user)
        for (size_t i = 0; i < CR_ARRAY_LEN(self_scopes); i++)
            add_below(set, self_scopes[i], CR_SCOPE_USER, owner->user);
}

void cr_scopes_add_roles(cr_scopes *set, const char *user, bool admin) {
    const cr_scope_owner owner = {user, NULL, NULL};
    for (int i = 0; admin && role_admin[i]; i++)
        cr_scopes_add(set, role_admin[i], &owner);
    for (int i = 0; role_user[i]; i++)
        cr_scopes_add(set, role_user[i], &owner);
}

static bool in_group(const cr_scopes *set, cr_scope scope, const char *user, const cr_scope_members *members) {
    for (const cr_scope_filter *f = set->at[scope].filters; f; f = f->next)
        if (f->kind == CR_SCOPE_GROUP && members && members->is_member(members->arg, f->value, user))
            return true;
    return false;
}

/* Does the set grant the scope for this filter: itself, the server's person, a group that the person is in? */
static bool covers(const cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value, const cr_scope_members *members) {
    if (set->at[scope].all || has_filter(set, scope, kind, value))
        return true;
    if (kind != CR_SCOPE_USER && kind != CR_SCOPE_SERVER)
        return false;
    char user[CR_SCOPE_VALUE_MAX + 1];
    size_t n = kind == CR_SCOPE_SERVER ? strcspn(value, "/") : strlen(value);
    if (n > CR_SCOPE_VALUE_MAX)
        return false;
    memcpy(user, value, n);
    user[n] = 0;
    return (kind == CR_SCOPE_SERVER && has_filter(set, scope, CR_SCOPE_USER, user)) || in_group(set, scope, user, members);
}

bool cr_scopes_allow(const cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value, const cr_scope_members *members) {
    if (set->failed)
        return false;
    return kind == CR_SCOPE_ANY ? set->at[scope].all : covers(set, scope, kind, value, members);
}

bool cr_scopes_mention(const cr_scopes *set, cr_scope scope) {
    return !set->failed && (set->at[scope].all || set->at[scope].filters);
}

void cr_scopes_intersect(cr_scopes *out, const cr_scopes *a, const cr_scopes *b, const cr_scope_members *members) {
    out->failed |= a->failed || b->failed;
    for (int s = 0; s < CR_SCOPE_COUNT && !out->failed; s++) {
        if (a->at[s].all && b->at[s].all)
            add_one(out, (cr_scope)s, CR_SCOPE_ANY, NULL);
        for (const cr_scope_filter *f = a->at[s].filters; f; f = f->next)
            if (covers(b, (cr_scope)s, f->kind, f->value, members))
                add_one(out, (cr_scope)s, f->kind, f->value);
        for (const cr_scope_filter *f = b->at[s].filters; f; f = f->next)
            if (covers(a, (cr_scope)s, f->kind, f->value, members))
                add_one(out, (cr_scope)s, f->kind, f->value);
    }
}

/* Everything in a is in b, filter by filter. */
static bool is_part(const cr_scopes *a, const cr_scopes *b) {
    for (int s = 0; s < CR_SCOPE_COUNT; s++) {
        if (a->at[s].all && !b->at[s].all)
            return false;
        for (const cr_scope_filter *f = a->at[s].filters; f; f = f->next)
            if (b->at[s].all || !has_filter(b, (cr_scope)s, f->kind, f->value))
                return false;
    }
    return true;
}

bool cr_scopes_equal(const cr_scopes *a, const cr_scopes *b) { return !a->failed && !b->failed && is_part(a, b) && is_part(b, a); }

/* Sets hold what is below a scope as well, so looking directly above is enough. */
static bool follows(const cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value) {
    for (int s = 0; s < CR_SCOPE_COUNT; s++)
        for (const cr_scope *below = rows[s].below; *below; below++)
            if (*below == scope && (set->at[s].all || (kind != CR_SCOPE_ANY && has_filter(set, (cr_scope)s, kind, value))))
                return true;
    return false;
}

void cr_scopes_each_top(const cr_scopes *set, void (*each)(void *user, cr_scope scope, cr_scope_kind kind, const char *value), void *user) {
    for (int s = 0; s < CR_SCOPE_COUNT && !set->failed; s++) {
        if (set->at[s].all && !follows(set, (cr_scope)s, CR_SCOPE_ANY, NULL))
            each(user, (cr_scope)s, CR_SCOPE_ANY, NULL);
        for (const cr_scope_filter *f = set->at[s].filters; f; f = f->next)
            if (!follows(set, (cr_scope)s, f->kind, f->value))
                each(user, (cr_scope)s, f->kind, f->value);
    }
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

json_t *cr_scopes_list(const cr_scopes *set) {
    static const char *const forms[] = {"", "user", "group", "server", "service"};
    size_t n = 0, max = CR_SCOPE_COUNT + (size_t)set->n_filters;
    json_t *list = json_array();
    const char **texts = set->failed ? NULL : cr_arena_calloc(set->arena, max, sizeof *texts);
    for (int s = 0; texts && s < CR_SCOPE_COUNT; s++) {
        if (set->at[s].all)
            texts[n++] = rows[s].name;
        for (const cr_scope_filter *f = set->at[s].filters; f; f = f->next)
            if ((texts[n] = cr_arena_printf(set->arena, "%s!%s=%s", rows[s].name, forms[f->kind], f->value)))
                n++;
    }
    if (texts)
        qsort(texts, n, sizeof *texts, by_text);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}
