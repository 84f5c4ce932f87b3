/* providers.c - the folder STATE/signin. */
#include "platform/daemon/providers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "platform/daemon/settings_folder.h"

enum { PATH_BYTES = 1200 };

static cr_status load_one(void *user, const char *folder, const char *name, cr_err *err) {
    cr_provider_set *set = user;
    char path[PATH_BYTES];
    cr_auto_buf cr_buf text, secret;
    cr_buf_init(&text, CR_PROVIDER_FILE_MAX + 2);
    cr_buf_init(&secret, CR_PROVIDER_FILE_MAX + 2);
    if (set->n == CR_PROVIDERS_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s has more than %d providers", folder, CR_PROVIDERS_MAX);
    cr_provider *p = &set->at[set->n];
    snprintf(path, sizeof path, "%s/%s.conf", folder, name);
    CR_TRY(cr_settings_file(path, CR_SETTINGS_PLAIN, CR_PROVIDER_FILE_MAX, &text, err));
    cr_status status = text.len && strlen(text.data) == text.len ? cr_provider_parse(name, text.data, p, err)
                                                                 : CR_FAIL(err, CR_FORMAT, "the file is empty or contains a NUL byte");
    if (status == CR_OK) {
        snprintf(path, sizeof path, "%s/%s.secret", folder, name);
        if (access(path, F_OK) != 0 && errno == ENOENT) {
            set->n++;             /* a public client: PKCE alone protects the code */
            return CR_OK;
        }
        CR_TRY(cr_settings_file(path, CR_SETTINGS_SECRET, CR_PROVIDER_FILE_MAX, &secret, err));
        status = cr_provider_set_secret(p, cr_buf_str(&secret), secret.len, err);
    }
    explicit_bzero(secret.data, secret.len);
    if (status != CR_OK)
        cr_err_context(err, "%s", path);
    set->n += status == CR_OK;
    return status;
}

static int by_name(const void *a, const void *b) { return strcmp(((const cr_provider *)a)->name, ((const cr_provider *)b)->name); }

/* What two of them must not share. */
static cr_status check_set(const cr_provider_set *set, const char *folder, cr_err *err) {
    for (int i = 0; i < set->n; i++)
        for (int k = i + 1; k < set->n; k++) {
            if (set->at[i].jupyterhub_callback && set->at[k].jupyterhub_callback)
                return CR_FAIL(err, CR_CONFLICT, "%s: %s and %s both have 'callback = jupyterhub'; only one can", folder, set->at[i].name, set->at[k].name);
            if (strcmp(set->at[i].issuer, set->at[k].issuer) == 0)
                return CR_FAIL(err, CR_CONFLICT, "%s: %s and %s have the same issuer", folder, set->at[i].name, set->at[k].name);
        }
    return CR_OK;
}

cr_status cr_providers_load(const cr_config *c, cr_provider_set *ret_set, cr_err *err) {
    char folder[PATH_BYTES / 2];
    snprintf(folder, sizeof folder, "%s/signin", c->state_dir);
    memset(ret_set, 0, sizeof *ret_set);
    cr_status status = cr_settings_folder(folder, load_one, ret_set, err);
    if (status == CR_OK) {
        qsort(ret_set->at, (size_t)ret_set->n, sizeof ret_set->at[0], by_name);
        status = check_set(ret_set, folder, err);
    }
    return status;
}
