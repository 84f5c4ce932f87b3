/* roles.c - the folder STATE/roles. */
#include "platform/daemon/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include "platform/daemon/settings_folder.h"

enum { PATH_BYTES = 1200 };

static cr_status load_one(void *user, const char *folder, const char *name, cr_err *err) {
    cr_role_set *set = user;
    char path[PATH_BYTES];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, CR_ROLE_FILE_MAX + 2);
    if (set->n == CR_ROLES_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s has more than %d roles", folder, CR_ROLES_MAX);
    snprintf(path, sizeof path, "%s/%s.conf", folder, name);
    CR_TRY(cr_settings_file(path, CR_SETTINGS_PLAIN, CR_ROLE_FILE_MAX, &text, err));
    cr_status status = strlen(cr_buf_str(&text)) == text.len ? cr_role_parse(name, text.len ? text.data : (char[]){""}, &set->at[set->n], err)
                                                             : CR_FAIL(err, CR_FORMAT, "the file contains a NUL byte");
    if (status != CR_OK)
        cr_err_context(err, "%s", path);
    set->n += status == CR_OK;
    return status;
}

static int by_name(const void *a, const void *b) { return strcmp(((const cr_role *)a)->name, ((const cr_role *)b)->name); }

cr_status cr_roles_load(const cr_config *c, const cr_service_set *services, cr_role_set *ret_set, cr_err *err) {
    char folder[PATH_BYTES / 2];
    snprintf(folder, sizeof folder, "%s/roles", c->state_dir);
    memset(ret_set, 0, sizeof *ret_set);
    CR_TRY(cr_settings_folder(folder, load_one, ret_set, err));
    qsort(ret_set->at, (size_t)ret_set->n, sizeof ret_set->at[0], by_name);
    for (int i = 0; i < ret_set->n; i++)
        for (int k = 0; k < ret_set->at[i].n_services; k++)
            if (!cr_service_named(services, ret_set->at[i].services[k]))
                return CR_FAIL(err, CR_INVALID, "%s/%s.conf: there is no service %s: it would be services/%s.conf", folder, ret_set->at[i].name,
                               ret_set->at[i].services[k], ret_set->at[i].services[k]);
    return CR_OK;
}
