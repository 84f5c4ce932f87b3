/* role.h - a role that the operator gives: scopes, and who has them.
 *
 * The file is STATE/roles/NAME.conf with `key = value` lines; the table in role.c is the source of the parser and of
 * `cratond --role-help` (daemon/roles.h reads the files). Beside JupyterHub's own roles; of these `user`, which everybody has, can be
 * given more scopes by a file of its name, and the others are not changed.
 *
 * The record is sent from the helper to the hub as bytes: no pointers in it.
 */
#ifndef CR_PLATFORM_IDENTITY_ROLE_H
#define CR_PLATFORM_IDENTITY_ROLE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "platform/identity/scope.h"
#include "platform/identity/service.h"
#include "platform/identity/user_names.h"

enum {
    CR_NAMED_SERVERS_MAX = 100,
    CR_ROLES_MAX = 16, CR_ROLE_SCOPES = 24, CR_ROLE_USERS = 64, CR_ROLE_GROUPS = 16, CR_ROLE_GROUP_MAX = 255, CR_ROLE_SERVICES = CR_SERVICES_MAX,
    CR_ROLE_FILE_MAX = 64 << 10
};

typedef struct cr_role {
    char name[CR_SERVICE_NAME_MAX + 1];       /* of the file: [a-z][a-z0-9-]* */
    int32_t n_scopes, n_users, n_groups, n_services;
    int64_t named_servers;                    /* that each of its people may have, beside the default one; 0: says nothing of it */
    char scopes[CR_ROLE_SCOPES][CR_SERVICE_SCOPE_MAX + 1];
    char users[CR_ROLE_USERS][CR_NAME_MAX + 1];
    char groups[CR_ROLE_GROUPS][CR_ROLE_GROUP_MAX + 1];
    char services[CR_ROLE_SERVICES][CR_SERVICE_NAME_MAX + 1];
} cr_role;

typedef struct cr_role_set {
    int32_t n;
    cr_role at[CR_ROLES_MAX];
} cr_role_set;

/* text: the whole file, changed while it is read. Errors name the line. */
cr_status cr_role_parse(const char *name, char *text, cr_role *ret_role, cr_err *err) CR_MUST_USE;
/* The rules for values, also for a record that came over a socket. */
cr_status cr_role_check(const cr_role *r, cr_err *err) CR_MUST_USE;
void cr_role_help(cr_buf *out);

const cr_role *cr_role_named(const cr_role_set *set, const char *name);       /* NULL: there is none */
/* By name, by a group that the person is in, or because everybody has it. */
bool cr_role_is_of_person(const cr_role *r, const char *user, const cr_scope_members *members);
/* false: it is everybody's (user), or gives no scope, and raises nobody above others. */
bool cr_role_is_for_some(const cr_role *r);
/* One of its scopes is for the people of a group. */
bool cr_role_reaches_groups(const cr_role *r);
bool cr_role_is_of_group(const cr_role *r, const char *group);
bool cr_role_is_of_service(const cr_role *r, const char *service);
/* What it gives to this owner. */
void cr_role_add_scopes(const cr_role *r, const cr_scope_owner *owner, cr_scopes *set);

#endif
