/* services.c - the folder STATE/services. */
#include "platform/daemon/services.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "platform/daemon/settings_folder.h"
#include "platform/daemon/urls.h"
#include "platform/identity/provider.h"

enum { PATH_BYTES = 1200 };

static cr_status load_one(void *user, const char *folder, const char *name, cr_err *err) {
    cr_service_set *set = user;
    char path[PATH_BYTES];
    cr_auto_buf cr_buf text, token;
    cr_buf_init(&text, CR_SERVICE_FILE_MAX + 2);
    cr_buf_init(&token, CR_SERVICE_FILE_MAX + 2);
    if (set->n == CR_SERVICES_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s has more than %d services", folder, CR_SERVICES_MAX);
    cr_service *s = &set->at[set->n];
    snprintf(path, sizeof path, "%s/%s.conf", folder, name);
    CR_TRY(cr_settings_file(path, CR_SETTINGS_PLAIN, CR_SERVICE_FILE_MAX, &text, err));
    cr_status status = strlen(cr_buf_str(&text)) == text.len ? cr_service_parse(name, text.len ? text.data : (char[]){""}, s, err)
                                                             : CR_FAIL(err, CR_FORMAT, "the file contains a NUL byte");
    if (status == CR_OK) {
        snprintf(path, sizeof path, "%s/%s.token", folder, name);
        status = cr_settings_file(path, CR_SETTINGS_SECRET, CR_SERVICE_FILE_MAX, &token, err);
        if (status != CR_OK)
            return status;
        status = cr_service_set_token(s, cr_buf_str(&token), token.len, err);
        explicit_bzero(token.data, token.len);
    }
    if (status != CR_OK)
        cr_err_context(err, "%s", path);
    set->n += status == CR_OK;
    return status;
}

static int by_name(const void *a, const void *b) { return strcmp(((const cr_service *)a)->name, ((const cr_service *)b)->name); }

/* Where a program lies that people sign in to: apart from the hub and from user servers, whose cookies it would receive, and from whose pages
 * only the origin keeps it. */
static cr_status check_place(const cr_config *c, const cr_service *s, cr_err *err) {
    char origin[320], hub[CR_URL_MAX];
    if (!s->redirect[0])
        return CR_OK;
    CR_TRY(cr_url_origin(s->redirect, origin, err));
    cr_url_hub_origin(c, hub, sizeof hub);
    if (strcasecmp(origin, hub) == 0)
        return CR_FAIL(err, CR_INVALID, "%s.conf: oauth_redirect_uri %s is the hub itself, which passes nothing on to services", s->name, s->redirect);
    if (s->trusted || !cr_url_is_host_of_ours(c, origin))
        return CR_OK;
    CR_FAIL(err, CR_DENIED, "%s.conf: oauth_redirect_uri %s is at a host of the hub or of user servers, so that browsers would send it their cookies",
            s->name, s->redirect);
    cr_err_hint(err, "give it a host name of its own, or set trusted = yes if you trust it with all accounts");
    return CR_DENIED;
}

cr_status cr_services_load(const cr_config *c, cr_service_set *ret_set, cr_err *err) {
    char folder[PATH_BYTES / 2];
    snprintf(folder, sizeof folder, "%s/services", c->state_dir);
    memset(ret_set, 0, sizeof *ret_set);
    CR_TRY(cr_settings_folder(folder, load_one, ret_set, err));
    qsort(ret_set->at, (size_t)ret_set->n, sizeof ret_set->at[0], by_name);
    for (int i = 0; i < ret_set->n; i++) {
        cr_status status = check_place(c, &ret_set->at[i], err);
        if (status != CR_OK) {
            cr_err_context(err, "%s", folder);
            return status;
        }
    }
    for (int i = 0; i < ret_set->n; i++)
        for (int k = i + 1; k < ret_set->n; k++)
            if (memcmp(ret_set->at[i].token, ret_set->at[k].token, CR_HASH_BYTES) == 0)
                return CR_FAIL(err, CR_CONFLICT, "%s: %s and %s have the same token", folder, ret_set->at[i].name, ret_set->at[k].name);
    return CR_OK;
}
