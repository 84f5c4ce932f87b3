/* named.c - names and numbers of named servers. */
#include "platform/hub/named.h"

#include "base/text.h"
#include "platform/hub/rest.h"
#include "platform/runner/protocol.h"

/* What JupyterLab, its extensions and the hub's own paths begin with, below /user/PERSON/. */
static const char *const taken[] = {
    "api", "consoles", "custom", "dask", "doc", "edit", "files", "git", "git-pull", "hub", "kernels", "kernelspecs", "lab", "login", "logout", "lsp",
    "metrics", "nbclassic", "nbconvert", "nbextensions", "notebooks", "proxy", "retro", "services", "server", "servers", "shutdown", "static",
    "terminals", "tree", "user", "view", "voila",
};

static bool name_is_right(const char *name) {
    if (!name[0] || !cr_server_name_is_valid(name) || cr_starts_with(name, CR_CLUSTER_SERVER))
        return false;
    for (size_t i = 0; i < CR_ARRAY_LEN(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            return false;
    return true;
}

/* One line of text; the parser of JSON and forms has seen to it that it is UTF-8. */
bool cr_named_title_is_right(const char *title) {
    char clean[CR_LAB_TITLE_MAX + 1];
    if (!title[0] || strlen(title) > CR_LAB_TITLE_MAX)
        return false;
    strcpy(clean, title);
    cr_text_clean(clean);
    return strcmp(clean, title) == 0;
}

int cr_named_limit(cr_hub *hub, const cr_person *person) {
    const cr_scope_members members = cr_rest_members(hub);
    int64_t most = hub->config->named_servers;
    for (int i = 0; i < hub->roles->n; i++)
        if (hub->roles->at[i].named_servers > most && cr_role_is_of_person(&hub->roles->at[i], person->name, &members))
            most = hub->roles->at[i].named_servers;
    return (int)most;
}

static cr_status count_named(cr_hub *hub, int64_t user_id, int64_t *ret_n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT count(*) FROM servers WHERE user_id = ? AND name <> ''", "i", user_id));
    if (cr_query_next(&q))
        *ret_n = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

cr_status cr_named_check(cr_hub *hub, const cr_person *person, const char *name, cr_named_wish wish, cr_err *err) {
    int64_t n = 0;
    int limit = cr_named_limit(hub, person);
    if (limit == 0)
        return CR_FAIL(err, CR_INVALID, "Named servers are not enabled.");
    CR_TRY(count_named(hub, person->id, &n, err));
    if (wish == CR_NAMED_MAKE && n >= limit)
        return CR_FAIL(err, CR_INVALID, "User %s already has the maximum of %d named servers.  One must be deleted before a new server can be created",
                       person->name, limit);
    if (wish != CR_NAMED_USE && !name_is_right(name)) {
        CR_FAIL(err, CR_INVALID, "Invalid server_name: %.80s", name);
        cr_err_hint(err, "a name has small letters, digits and '-', begins with a letter, has at most 32, and is no path of JupyterLab such as lab");
        return CR_INVALID;
    }
    return CR_OK;
}
