/* role.c - the table of a role's settings. */
#include "platform/identity/role.h"

#include <stdio.h>
#include "base/setting.h"
#include "base/text.h"
#include "platform/identity/groups.h"
#include "platform/identity/provider.h"

#define EVERYBODY "user"

/* Whoever has it may be a person or a service, so !user, !service and self are those of the holder. */
static cr_status check_scope(const char *text, cr_err *err) {
    size_t n = strcspn(text, "!");
    CR_TRY(cr_scope_check(text, err));
    if (n == 7 && memcmp(text, "inherit", n) == 0)
        return CR_FAIL(err, CR_INVALID, "'%s' is for tokens: name what the role gives", text);
    if (strcmp(text + n, "!server") == 0)
        return CR_FAIL(err, CR_INVALID, "'%s' is for user servers: say %.*s!user for those of who has the role", text, (int)n, text);
    return CR_OK;
}

static cr_status add_text(char *list, size_t size, int most, int32_t *n, const char *value, cr_err *err) {
    if (*n == most)
        return CR_FAIL(err, CR_LIMIT, "there are more than %d", most);
    if (strlen(value) >= size)
        return CR_FAIL(err, CR_LIMIT, "longer than %zu bytes", size - 1);
    strcpy(list + (size_t)(*n)++ * size, value);
    return CR_OK;
}

static cr_status add_scope(void *user, const char *value, cr_err *err) {
    cr_role *r = user;
    CR_TRY(check_scope(value, err));
    return add_text(r->scopes[0], sizeof r->scopes[0], CR_ROLE_SCOPES, &r->n_scopes, value, err);
}

static cr_status add_user(void *user, const char *value, cr_err *err) {
    cr_role *r = user;
    char name[CR_NAME_MAX + 1];
    CR_TRY(cr_name_normalize(value, name, err));
    return add_text(r->users[0], sizeof r->users[0], CR_ROLE_USERS, &r->n_users, name, err);
}

static cr_status add_group(void *user, const char *value, cr_err *err) {
    cr_role *r = user;
    if (!cr_group_name_is_right(value))
        return CR_FAIL(err, CR_INVALID, "a group's name has 1 to %d bytes and no control characters", CR_ROLE_GROUP_MAX);
    return add_text(r->groups[0], sizeof r->groups[0], CR_ROLE_GROUPS, &r->n_groups, value, err);
}

static cr_status add_service(void *user, const char *value, cr_err *err) {
    cr_role *r = user;
    if (!cr_provider_name_is_valid(value))
        return CR_FAIL(err, CR_INVALID, "'%.60s' cannot name a service", value);
    return add_text(r->services[0], sizeof r->services[0], CR_ROLE_SERVICES, &r->n_services, value, err);
}

static cr_status set_named_servers(void *user, const char *value, cr_err *err) {
    return cr_parse_int(value, 1, CR_NAMED_SERVERS_MAX, &((cr_role *)user)->named_servers, err);
}

/* Adding a setting is adding a row. */
static const cr_setting_row rows[] = {
    {"scope", "SCOPE", "what it gives, as list:users!group=course or shares!user (one's own); may be repeated", add_scope},
    {"user", "NAME", "who has it; may be repeated. The role user is everybody's and names nobody", add_user},
    {"group", "NAME", "a group whose people have it; may be repeated", add_group},
    {"service", "NAME", "a service that has it; may be repeated", add_service},
    {"named_servers", "N", "servers that each of its people may have beside the ordinary one, where that is more than the setting", set_named_servers},
};

static cr_status set_line(void *user, char *key, char *value, cr_err *err) {
    return cr_setting_set(rows, CR_ARRAY_LEN(rows), "see cratond --role-help", user, key, value, err);
}

cr_status cr_role_parse(const char *name, char *text, cr_role *ret_role, cr_err *err) {
    cr_role r;
    memset(&r, 0, sizeof r);
    if (!cr_provider_name_is_valid(name))
        return CR_FAIL(err, CR_INVALID, "'%.60s' cannot name a role: lower-case letters, digits and '-', beginning with a letter, at most %d", name,
                       CR_SERVICE_NAME_MAX);
    strcpy(r.name, name);
    CR_TRY(cr_settings_read(text, NULL, set_line, &r, err));
    CR_TRY(cr_role_check(&r, err));
    *ret_role = r;
    return CR_OK;
}

static bool ends_inside(const char *list, size_t size, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!memchr(list + (size_t)i * size, 0, size))
            return false;
    return true;
}

cr_status cr_role_check(const cr_role *r, cr_err *err) {
    if (!memchr(r->name, 0, sizeof r->name) || !cr_provider_name_is_valid(r->name))
        return CR_FAIL(err, CR_FORMAT, "a role without a right name");
    if (r->n_scopes < 0 || r->n_scopes > CR_ROLE_SCOPES || r->n_users < 0 || r->n_users > CR_ROLE_USERS || r->n_groups < 0 ||
        r->n_groups > CR_ROLE_GROUPS || r->n_services < 0 || r->n_services > CR_ROLE_SERVICES)
        return CR_FAIL(err, CR_RANGE, "a number is out of range");
    if (r->named_servers < 0 || r->named_servers > CR_NAMED_SERVERS_MAX)
        return CR_FAIL(err, CR_RANGE, "a number of servers is out of range");
    if (!ends_inside(r->scopes[0], sizeof r->scopes[0], r->n_scopes) || !ends_inside(r->users[0], sizeof r->users[0], r->n_users) ||
        !ends_inside(r->groups[0], sizeof r->groups[0], r->n_groups) || !ends_inside(r->services[0], sizeof r->services[0], r->n_services))
        return CR_FAIL(err, CR_FORMAT, "a text has no end");
    for (int32_t i = 0; i < r->n_scopes; i++)
        CR_TRY(check_scope(r->scopes[i], err));
    if (strcmp(r->name, EVERYBODY) == 0)
        return r->n_users || r->n_groups || r->n_services
                   ? CR_FAIL(err, CR_INVALID, "everybody has the role user: give what only some shall have a role of another name") : CR_OK;
    if (cr_scope_role(r->name))
        return CR_FAIL(err, CR_INVALID, "the role %s is JupyterHub's own and is not changed: give this one another name", r->name);
    return CR_OK;
}

void cr_role_help(cr_buf *out) {
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        cr_setting_help(out, rows[i].key, rows[i].value_name, rows[i].help);
}

const cr_role *cr_role_named(const cr_role_set *set, const char *name) {
    for (int i = 0; i < set->n; i++)
        if (strcmp(set->at[i].name, name) == 0)
            return &set->at[i];
    return NULL;
}

static bool holds(const char *list, size_t size, int32_t n, const char *value) {
    for (int32_t i = 0; i < n; i++)
        if (strcmp(list + (size_t)i * size, value) == 0)
            return true;
    return false;
}

static bool is_everybodys(const cr_role *r) { return strcmp(r->name, EVERYBODY) == 0; }

bool cr_role_is_for_some(const cr_role *r) { return !is_everybodys(r) && r->n_scopes > 0; }

bool cr_role_reaches_groups(const cr_role *r) {
    for (int32_t i = 0; i < r->n_scopes; i++)
        if (strstr(r->scopes[i], "!group="))
            return true;
    return false;
}

bool cr_role_is_of_person(const cr_role *r, const char *user, const cr_scope_members *members) {
    if (is_everybodys(r) || holds(r->users[0], sizeof r->users[0], r->n_users, user))
        return true;
    for (int32_t i = 0; i < r->n_groups; i++)
        if (members->is_member(members->arg, r->groups[i], user))
            return true;
    return false;
}

bool cr_role_is_of_group(const cr_role *r, const char *group) { return holds(r->groups[0], sizeof r->groups[0], r->n_groups, group); }

bool cr_role_is_of_service(const cr_role *r, const char *service) { return holds(r->services[0], sizeof r->services[0], r->n_services, service); }

void cr_role_add_scopes(const cr_role *r, const cr_scope_owner *owner, cr_scopes *set) {
    for (int32_t i = 0; i < r->n_scopes; i++)
        cr_scopes_add(set, r->scopes[i], owner);
}
