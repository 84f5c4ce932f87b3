/* scope_words.c - the table of words. */
#include "platform/hub/scope_words.h"

#include <stdio.h>

static const char *const words[CR_SCOPE_COUNT] = {
    [CR_SCOPE_ADMIN_UI] = "open the administrators' pages",
    [CR_SCOPE_ADMIN_USERS] = "make, change and remove accounts",
    [CR_SCOPE_ADMIN_AUTH_STATE] = "see what identity providers say of people",
    [CR_SCOPE_USERS] = "see and change accounts",
    [CR_SCOPE_DELETE_USERS] = "remove accounts",
    [CR_SCOPE_LIST_USERS] = "list the people who have accounts",
    [CR_SCOPE_READ_USERS] = "see accounts: names, groups and when they were used",
    [CR_SCOPE_READ_USERS_NAME] = "see user names",
    [CR_SCOPE_READ_USERS_GROUPS] = "see the groups of people",
    [CR_SCOPE_READ_USERS_ACTIVITY] = "see when people were here last",
    [CR_SCOPE_READ_ROLES] = "see who has which role",
    [CR_SCOPE_READ_ROLES_USERS] = "see the roles of people",
    [CR_SCOPE_READ_ROLES_SERVICES] = "see the roles of services",
    [CR_SCOPE_READ_ROLES_GROUPS] = "see the roles of groups",
    [CR_SCOPE_USERS_ACTIVITY] = "say when people were here last",
    [CR_SCOPE_ADMIN_SERVERS] = "start, stop and look into servers",
    [CR_SCOPE_ADMIN_SERVER_STATE] = "see internal states of servers",
    [CR_SCOPE_SERVERS] = "start and stop servers, and see their state",
    [CR_SCOPE_READ_SERVERS] = "see which servers run",
    [CR_SCOPE_START_SERVERS] = "start servers",
    [CR_SCOPE_DELETE_SERVERS] = "stop servers",
    [CR_SCOPE_TOKENS] = "see and take away API tokens",
    [CR_SCOPE_READ_TOKENS] = "see which API tokens there are",
    [CR_SCOPE_ADMIN_GROUPS] = "make, change and remove groups",
    [CR_SCOPE_GROUPS] = "change groups, and who is in them",
    [CR_SCOPE_LIST_GROUPS] = "list groups",
    [CR_SCOPE_READ_GROUPS] = "see groups, and who is in them",
    [CR_SCOPE_READ_GROUPS_NAME] = "see names of groups",
    [CR_SCOPE_DELETE_GROUPS] = "remove groups",
    [CR_SCOPE_ADMIN_SERVICES] = "see and change services",
    [CR_SCOPE_LIST_SERVICES] = "list services",
    [CR_SCOPE_READ_SERVICES] = "see services",
    [CR_SCOPE_READ_SERVICES_NAME] = "see names of services",
    [CR_SCOPE_READ_HUB] = "see how this hub is set up",
    [CR_SCOPE_ACCESS_SERVERS] = "use servers: run code there, and read and change all files",
    [CR_SCOPE_ACCESS_SERVICES] = "sign in to services",
    [CR_SCOPE_USERS_SHARES] = "see and change which servers of others were shared with people",
    [CR_SCOPE_READ_USERS_SHARES] = "see which servers of others were shared with people",
    [CR_SCOPE_GROUPS_SHARES] = "see and change which servers were shared with groups",
    [CR_SCOPE_READ_GROUPS_SHARES] = "see which servers were shared with groups",
    [CR_SCOPE_READ_SHARES] = "see with whom servers are shared",
    [CR_SCOPE_SHARES] = "share servers with other people, and use them",
    [CR_SCOPE_PROXY] = "see and compare the routes of the proxy",
    [CR_SCOPE_SHUTDOWN] = "stop this hub",
    [CR_SCOPE_READ_METRICS] = "read the figures of this hub",
};

const char *cr_scope_words(cr_scope scope) { return words[scope] ? words[scope] : ""; }

char *cr_scope_whose(cr_scope_kind kind, const char *value, const char *me, char *buf, size_t size) {
    static const char *const forms[] = {"everybody's", "of %s", "of the people in the group %s", "the server %s", "the service %s"};
    if (kind == CR_SCOPE_USER && strcmp(value, me) == 0)
        snprintf(buf, size, "yours only");
    else if (kind == CR_SCOPE_ANY)
        snprintf(buf, size, "%s", forms[CR_SCOPE_ANY]);
    else
        snprintf(buf, size, forms[kind], value);
    return buf;
}

typedef struct sentences {
    json_t *list;
    const char *me;
} sentences;

/* Every program that one signs in to learns this, and a service is itself. */
static bool is_said(cr_scope scope, cr_scope_kind kind, const char *value, const char *me) {
    return (kind == CR_SCOPE_USER && strcmp(value, me) == 0 && (scope == CR_SCOPE_READ_USERS_NAME || scope == CR_SCOPE_READ_USERS_GROUPS)) ||
           (kind == CR_SCOPE_SERVICE && scope == CR_SCOPE_ACCESS_SERVICES);
}

static void add(void *user, cr_scope scope, cr_scope_kind kind, const char *value) {
    static const char *const filters[] = {"", "!user=", "!group=", "!server=", "!service="};
    sentences *s = user;
    char whose[CR_SCOPE_VALUE_MAX + 40], text[CR_SCOPE_TEXT_MAX + 40];
    if (is_said(scope, kind, value, s->me) || !cr_scope_words(scope)[0])
        return;
    snprintf(text, sizeof text, "%s%s%s", cr_scope_name(scope), filters[kind], value ? value : "");
    json_array_append_new(s->list, json_pack("{s:s, s:s, s:s}", "text", text, "words", cr_scope_words(scope), "whose",
                                             cr_scope_whose(kind, value, s->me, whose, sizeof whose)));
}

json_t *cr_scope_sentences(const cr_scopes *set, const char *me) {
    sentences s = {json_array(), me};
    cr_scopes_each_top(set, add, &s);
    return s.list;
}
