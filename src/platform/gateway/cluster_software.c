/* cluster_software.c - the option `software`. */
#include "platform/gateway/cluster_software.h"

#include <limits.h>
#include <stdio.h>
#include "platform/hub/profile_choice.h"

static const char field[] = "software";

/* Names of what is open: Craton's own first. */
static cr_status names(cr_hub *hub, int64_t user_id, const char *ret_names[CR_SOFTWARE_MAX + 1], int *ret_n, cr_err *err) {
    bool open[CR_SOFTWARE_MAX];
    int n = 0;
    CR_TRY(cr_choice_software(hub, user_id, open, err));
    ret_names[n++] = CR_SOFTWARE_OWN;
    for (int i = 0; i < hub->profiles->n_software; i++)
        if (open[i])
            ret_names[n++] = hub->profiles->software[i].slug;
    *ret_n = n;
    return CR_OK;
}

cr_status cr_cluster_software_list(cr_hub *hub, int64_t user_id, json_t *options, cr_err *err) {
    const char *all[CR_SOFTWARE_MAX + 1];
    int n;
    CR_TRY(names(hub, user_id, all, &n, err));
    if (n == 1)
        return CR_OK;
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_string(all[i]));
    json_t *option = json_pack("{s:s, s:s, s:s, s:{s:s, s:o}}", "field", field, "label", "Software", "default", CR_SOFTWARE_OWN, "spec", "type", "select",
                               "options", list);
    return json_array_append_new(options, option) == 0 ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the options of clusters");
}

cr_status cr_cluster_software_take(cr_hub *hub, int64_t user_id, json_t *given, const char *standard, char ret_software[CR_PROFILE_SLUG_MAX + 1],
                                   bool *ret_is_option, cr_err *err) {
    const char *all[CR_SOFTWARE_MAX + 1], *wanted = standard[0] ? standard : CR_SOFTWARE_OWN;
    const json_t *said = json_object_get(given, field);
    char list[200] = "";
    int n;
    CR_TRY(names(hub, user_id, all, &n, err));
    *ret_is_option = n > 1;
    if (n == 1 && !said) {
        snprintf(ret_software, CR_PROFILE_SLUG_MAX + 1, "%s", standard);
        return CR_OK;
    }
    if (n == 1 && hub->profiles->n_software == 0)
        return CR_OK;                 /* is refused as what is not there */
    if (said && !json_is_string(said))
        return CR_FAIL(err, CR_INVALID, "software must be a name");
    wanted = said ? json_string_value(said) : wanted;
    for (int i = 0; i < n; i++) {
        if (strcmp(all[i], wanted) == 0) {
            snprintf(ret_software, CR_PROFILE_SLUG_MAX + 1, "%s", i ? all[i] : "");
            json_object_del(given, field);
            return CR_OK;
        }
        if (strlen(list) < 150)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", all[i]);
    }
    return CR_FAIL(err, CR_INVALID, "software must be one of %s, and not '%.40s'", list, wanted);
}

void cr_cluster_software_versions(const cr_hub *hub, const char *software, cr_versions *v) {
    char prefix[PATH_MAX];
    *v = (cr_versions){0};
    const cr_software *w = cr_profile_software(hub->profiles, software);
    if (!software[0])
        snprintf(prefix, sizeof prefix, "%s/env/current", hub->config->prefix);
    else if (!w || snprintf(prefix, sizeof prefix, "%s", w->prefix) >= (int)sizeof prefix)
        return;
    cr_versions_installed(prefix, v);
}

void cr_cluster_software_note(cr_hub *hub, uint64_t generation) {
    char software[CR_PROFILE_SLUG_MAX + 1] = "";
    cr_lab *server = NULL;
    cr_versions v;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (hub->profiles->n_software && cr_query_open(hub->db, &q, NULL, "SELECT id FROM servers WHERE generation = ?", "i", (int64_t)generation) == CR_OK &&
        cr_query_next(&q) && cr_lab_find_by_id(hub, cr_query_int(&q, 0), &server, NULL) == CR_OK && !server->cleaning)
        cr_choice_whole_software(server, software);
    cr_cluster_software_versions(hub, software, &v);
    cr_versions_note(hub->db, &v, software, generation);
}
