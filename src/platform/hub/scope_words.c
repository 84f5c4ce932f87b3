/* scope_words.c - the table of words. */
#include "platform/hub/scope_words.h"

#include <stdio.h>
#include "base/text.h"

static const char *const words[CR_SCOPE_COUNT] = {
    [CR_SCOPE_ADMIN_UI] = N_("open the administrators' pages"),
    [CR_SCOPE_ADMIN_USERS] = N_("make, change and remove accounts"),
    [CR_SCOPE_ADMIN_AUTH_STATE] = N_("see what identity providers say of people"),
    [CR_SCOPE_USERS] = N_("see and change accounts"),
    [CR_SCOPE_DELETE_USERS] = N_("remove accounts"),
    [CR_SCOPE_LIST_USERS] = N_("list the people who have accounts"),
    [CR_SCOPE_READ_USERS] = N_("see accounts: names, groups and when they were used"),
    [CR_SCOPE_READ_USERS_NAME] = N_("see user names"),
    [CR_SCOPE_READ_USERS_GROUPS] = N_("see the groups of people"),
    [CR_SCOPE_READ_USERS_ACTIVITY] = N_("see when people were here last"),
    [CR_SCOPE_READ_ROLES] = N_("see who has which role"),
    [CR_SCOPE_READ_ROLES_USERS] = N_("see the roles of people"),
    [CR_SCOPE_READ_ROLES_SERVICES] = N_("see the roles of services"),
    [CR_SCOPE_READ_ROLES_GROUPS] = N_("see the roles of groups"),
    [CR_SCOPE_USERS_ACTIVITY] = N_("say when people were here last"),
    [CR_SCOPE_ADMIN_SERVERS] = N_("start, stop and look into servers"),
    [CR_SCOPE_ADMIN_SERVER_STATE] = N_("see internal states of servers"),
    [CR_SCOPE_SERVERS] = N_("start and stop servers, and see their state"),
    [CR_SCOPE_READ_SERVERS] = N_("see which servers run"),
    [CR_SCOPE_START_SERVERS] = N_("start servers"),
    [CR_SCOPE_DELETE_SERVERS] = N_("stop servers"),
    [CR_SCOPE_TOKENS] = N_("see and take away API tokens"),
    [CR_SCOPE_READ_TOKENS] = N_("see which API tokens there are"),
    [CR_SCOPE_ADMIN_GROUPS] = N_("make, change and remove groups"),
    [CR_SCOPE_GROUPS] = N_("change groups, and who is in them"),
    [CR_SCOPE_LIST_GROUPS] = N_("list groups"),
    [CR_SCOPE_READ_GROUPS] = N_("see groups, and who is in them"),
    [CR_SCOPE_READ_GROUPS_NAME] = N_("see names of groups"),
    [CR_SCOPE_DELETE_GROUPS] = N_("remove groups"),
    [CR_SCOPE_ADMIN_SERVICES] = N_("see and change services"),
    [CR_SCOPE_LIST_SERVICES] = N_("list services"),
    [CR_SCOPE_READ_SERVICES] = N_("see services"),
    [CR_SCOPE_READ_SERVICES_NAME] = N_("see names of services"),
    [CR_SCOPE_READ_HUB] = N_("see how this hub is set up"),
    [CR_SCOPE_ACCESS_SERVERS] = N_("use servers: run code there, and read and change all files"),
    [CR_SCOPE_ACCESS_SERVICES] = N_("sign in to services"),
    [CR_SCOPE_USERS_SHARES] = N_("see and change which servers of others were shared with people"),
    [CR_SCOPE_READ_USERS_SHARES] = N_("see which servers of others were shared with people"),
    [CR_SCOPE_GROUPS_SHARES] = N_("see and change which servers were shared with groups"),
    [CR_SCOPE_READ_GROUPS_SHARES] = N_("see which servers were shared with groups"),
    [CR_SCOPE_READ_SHARES] = N_("see with whom servers are shared"),
    [CR_SCOPE_SHARES] = N_("share servers with other people, and use them"),
    [CR_SCOPE_PROXY] = N_("see and compare the routes of the proxy"),
    [CR_SCOPE_SHUTDOWN] = N_("stop this hub"),
    [CR_SCOPE_READ_METRICS] = N_("read the figures of this hub"),
};

const char *cr_scope_words(cr_scope scope) { return words[scope] ? words[scope] : ""; }

/* To what: "yours only", "everybody's", "of the group course"; me: the person who reads it. Returns buf. */
static char *whose_is(cr_scope_kind kind, const char *value, const char *me, char *buf, size_t size) {
    static const char *const forms[] = {N_("everybody's"), N_("of %s"), N_("of the people in the group %s"), N_("the server %s"),
                                        N_("the service %s")};
    if (kind == CR_SCOPE_USER && strcmp(value, me) == 0)
        snprintf(buf, size, N_("yours only"));
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
                                             whose_is(kind, value, s->me, whose, sizeof whose)));
}

json_t *cr_scope_sentences(const cr_scopes *set, const char *me) {
    sentences s = {json_array(), me};
    cr_scopes_each_top(set, add, &s);
    return s.list;
}
