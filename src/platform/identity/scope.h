/* scope.h - what the holder of a token or session may do: JupyterHub's scopes, their hierarchy and filters.
 *
 * Text      NAME or NAME!FILTER with FILTER one of user=NAME, group=NAME, server=USER/SERVER, service=NAME; or `user`, `server`,
 *           `service` for those of the owner. `self` is what every person may do with what is theirs; `inherit`, for tokens, whatever
 *           the owner may.
 * Set       cr_scopes: per scope either everything, or a list of filters. Adding a text adds the scopes below it. Sets live in an
 *           arena and are bounded.
 *
 * Invariants
 *  1. A set that could not hold something (arena, limits) is failed and grants nothing.
 *  2. A filter that cannot be resolved (`!server` of somebody who is no server) grants nothing.
 *
 * Text from outside, fuzzed by fuzz/fuzz_scope.c.
 */
#ifndef CR_PLATFORM_IDENTITY_SCOPE_H
#define CR_PLATFORM_IDENTITY_SCOPE_H

#include <jansson.h>
#include <stdbool.h>
#include "base/arena.h"

/* One row a scope: name here, name in texts, the scopes directly below. */
#define CR_SCOPES(X) \
    X(NO_SCOPE, "(no_scope)") \
    X(SELF, "self") \
    X(INHERIT, "inherit") \
    X(ADMIN_UI, "admin-ui") \
    X(ADMIN_USERS, "admin:users", CR_SCOPE_ADMIN_AUTH_STATE, CR_SCOPE_USERS, CR_SCOPE_READ_ROLES_USERS, CR_SCOPE_DELETE_USERS) \
    X(ADMIN_AUTH_STATE, "admin:auth_state") \
    X(USERS, "users", CR_SCOPE_READ_USERS, CR_SCOPE_LIST_USERS, CR_SCOPE_USERS_ACTIVITY) \
    X(DELETE_USERS, "delete:users") \
    X(LIST_USERS, "list:users", CR_SCOPE_READ_USERS_NAME) \
    X(READ_USERS, "read:users", CR_SCOPE_READ_USERS_NAME, CR_SCOPE_READ_USERS_GROUPS, CR_SCOPE_READ_USERS_ACTIVITY) \
    X(READ_USERS_NAME, "read:users:name") \
    X(READ_USERS_GROUPS, "read:users:groups") \
    X(READ_USERS_ACTIVITY, "read:users:activity") \
    X(READ_ROLES, "read:roles", CR_SCOPE_READ_ROLES_USERS, CR_SCOPE_READ_ROLES_SERVICES, CR_SCOPE_READ_ROLES_GROUPS) \
    X(READ_ROLES_USERS, "read:roles:users") \
    X(READ_ROLES_SERVICES, "read:roles:services") \
    X(READ_ROLES_GROUPS, "read:roles:groups") \
    X(USERS_ACTIVITY, "users:activity", CR_SCOPE_READ_USERS_ACTIVITY) \
    X(ADMIN_SERVERS, "admin:servers", CR_SCOPE_ADMIN_SERVER_STATE, CR_SCOPE_SERVERS) \
    X(ADMIN_SERVER_STATE, "admin:server_state") \
    X(SERVERS, "servers", CR_SCOPE_READ_SERVERS, CR_SCOPE_START_SERVERS, CR_SCOPE_DELETE_SERVERS) \
    X(READ_SERVERS, "read:servers", CR_SCOPE_READ_USERS_NAME) \
    X(START_SERVERS, "start:servers") \
    X(DELETE_SERVERS, "delete:servers") \
    X(TOKENS, "tokens", CR_SCOPE_READ_TOKENS) \
    X(READ_TOKENS, "read:tokens") \
    X(ADMIN_GROUPS, "admin:groups", CR_SCOPE_GROUPS, CR_SCOPE_READ_ROLES_GROUPS, CR_SCOPE_DELETE_GROUPS) \
    X(GROUPS, "groups", CR_SCOPE_READ_GROUPS, CR_SCOPE_LIST_GROUPS) \
    X(LIST_GROUPS, "list:groups", CR_SCOPE_READ_GROUPS_NAME) \
    X(READ_GROUPS, "read:groups", CR_SCOPE_READ_GROUPS_NAME) \
    X(READ_GROUPS_NAME, "read:groups:name") \
    X(DELETE_GROUPS, "delete:groups") \
    X(ADMIN_SERVICES, "admin:services", CR_SCOPE_LIST_SERVICES, CR_SCOPE_READ_SERVICES, CR_SCOPE_READ_ROLES_SERVICES) \
    X(LIST_SERVICES, "list:services", CR_SCOPE_READ_SERVICES_NAME) \
    X(READ_SERVICES, "read:services", CR_SCOPE_READ_SERVICES_NAME) \
    X(READ_SERVICES_NAME, "read:services:name") \
    X(READ_HUB, "read:hub") \
    X(ACCESS_SERVERS, "access:servers") \
    X(ACCESS_SERVICES, "access:services") \
    X(USERS_SHARES, "users:shares", CR_SCOPE_READ_USERS_SHARES) \
    X(READ_USERS_SHARES, "read:users:shares") \
    X(GROUPS_SHARES, "groups:shares", CR_SCOPE_READ_GROUPS_SHARES) \
    X(READ_GROUPS_SHARES, "read:groups:shares") \
    X(READ_SHARES, "read:shares") \
    X(SHARES, "shares", CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_READ_SHARES, CR_SCOPE_USERS_SHARES, CR_SCOPE_GROUPS_SHARES) \
    X(PROXY, "proxy") \
    X(SHUTDOWN, "shutdown") \
    X(READ_METRICS, "read:metrics")

typedef enum cr_scope {
#define X(id, ...) CR_SCOPE_##id,
    CR_SCOPES(X)
#undef X
    CR_SCOPE_COUNT
} cr_scope;

typedef enum cr_scope_kind {
    CR_SCOPE_ANY,             /* no filter */
    CR_SCOPE_USER, CR_SCOPE_GROUP, CR_SCOPE_SERVER, CR_SCOPE_SERVICE
} cr_scope_kind;

enum {
    CR_SCOPE_VALUE_MAX = 255,         /* bytes of a filter's value */
    CR_SCOPE_TEXT_MAX = 300,          /* bytes of a text */
    CR_SCOPE_TEXTS_MAX = 100,         /* texts of one token */
    CR_SCOPE_FILTERS_MAX = 4096       /* filters in one set */
};

typedef struct cr_scope_filter {
    struct cr_scope_filter *next;
    cr_scope_kind kind;
    const char *value;
} cr_scope_filter;

typedef struct cr_scopes {
    cr_arena *arena;
    bool failed;
    int n_filters;
    struct {
        bool all;
        cr_scope_filter *filters;     /* none when all */
    } at[CR_SCOPE_COUNT];
} cr_scopes;

/* Whose scopes they are: fills !user, !server and !service in, and self. "" or NULL: none. */
typedef struct cr_scope_owner {
    const char *user;
    const char *server;               /* "USER/SERVER" for the token of a user server */
    const char *service;
} cr_scope_owner;

/* Answers whether a person is in a group. */
typedef struct cr_scope_members {
    bool (*is_member)(void *arg, const char *group, const char *user);
    void *arg;
} cr_scope_members;

const char *cr_scope_name(cr_scope scope);
/* CR_INVALID, in JupyterHub's words, for a scope or a form of filter that does not exist. `inherit` and `self` are right. */
cr_status cr_scope_check(const char *text, cr_err *err) CR_MUST_USE;

void cr_scopes_init(cr_scopes *set, cr_arena *arena);
/* Adds what a right text means for this owner, with all that is below it. `inherit` is added as itself, which grants nothing. */
void cr_scopes_add(cr_scopes *set, const char *text, const cr_scope_owner *owner);
/* What the default roles of a person give: user, and admin for administrators. */
void cr_scopes_add_roles(cr_scopes *set, const char *user, bool admin);
/* The scopes of JupyterHub's roles user, admin, server, token as texts, ended by NULL; NULL when there is no such role. */
const char *const *cr_scope_role(const char *role);
/* out: what both grant. Group filters meet users and servers through members. */
void cr_scopes_intersect(cr_scopes *out, const cr_scopes *a, const cr_scopes *b, const cr_scope_members *members);
bool cr_scopes_equal(const cr_scopes *a, const cr_scopes *b);

/* May its holder do this to that? kind ANY: to everything. */
bool cr_scopes_allow(const cr_scopes *set, cr_scope scope, cr_scope_kind kind, const char *value, const cr_scope_members *members);
/* Is there anything that its holder may do this to? */
bool cr_scopes_mention(const cr_scopes *set, cr_scope scope);
/* Each thing that it grants and that does not follow from another one; value NULL: no filter. */
void cr_scopes_each_top(const cr_scopes *set, void (*each)(void *user, cr_scope scope, cr_scope_kind kind, const char *value), void *user);
/* Texts, sorted; NULL: no memory. */
json_t *cr_scopes_list(const cr_scopes *set);

#endif
