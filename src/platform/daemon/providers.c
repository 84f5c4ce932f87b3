/* providers.c - the folder STATE/signin. */
#include "platform/daemon/providers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/text.h"

enum { PATH_BYTES = 1200 };

/* forbidden: permission bits that the file must not have. */
static cr_status read_guarded(const char *path, mode_t forbidden, cr_buf *out, cr_err *err) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return CR_FAIL_ERRNO(err, "cannot use %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & forbidden)) {
        bool secret = forbidden & 0044;
        CR_FAIL(err, CR_DENIED, "%s is not a file that only its owner can %s", path, secret ? "read" : "write");
        cr_err_hint(err, "chown it to the user that runs cratond and chmod %s", secret ? "600" : "go-w");
        return CR_DENIED;
    }
    char *room = cr_buf_reserve(out, CR_PROVIDER_FILE_MAX + 1);
    ssize_t n = room ? read(fd, room, CR_PROVIDER_FILE_MAX + 1) : -1;
    if (n < 0)
        return CR_FAIL_ERRNO(err, "cannot read %s", path);
    if (n > CR_PROVIDER_FILE_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s is longer than %d KiB", path, CR_PROVIDER_FILE_MAX >> 10);
    cr_buf_advance(out, (size_t)n);
    return CR_OK;
}

static cr_status load_one(const char *folder, const char *name, cr_provider *p, cr_err *err) {
    char path[PATH_BYTES];
    cr_auto_buf cr_buf text, secret;
    cr_buf_init(&text, CR_PROVIDER_FILE_MAX + 2);
    cr_buf_init(&secret, CR_PROVIDER_FILE_MAX + 2);
    snprintf(path, sizeof path, "%s/%s.conf", folder, name);
    CR_TRY(read_guarded(path, 022, &text, err));
    cr_status status = text.len && strlen(text.data) == text.len ? cr_provider_parse(name, text.data, p, err)
                                                                 : CR_FAIL(err, CR_FORMAT, "the file is empty or contains a NUL byte");
    if (status == CR_OK) {
        snprintf(path, sizeof path, "%s/%s.secret", folder, name);
        if (access(path, F_OK) != 0 && errno == ENOENT)
            return CR_OK;         /* a public client: PKCE alone protects the code */
        CR_TRY(read_guarded(path, 077, &secret, err));
        status = cr_provider_set_secret(p, cr_buf_str(&secret), secret.len, err);
    }
    explicit_bzero(secret.data, secret.len);
    if (status != CR_OK)
        cr_err_context(err, "%s", path);
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
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? CR_OK : CR_FAIL_ERRNO(err, "cannot read %s", folder);
    cr_status status = CR_OK;
    for (struct dirent *e; status == CR_OK && (e = readdir(dir));) {
        char name[256];
        if (e->d_name[0] == '.' || !cr_ends_with(e->d_name, ".conf"))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(strlen(e->d_name) - 5), e->d_name);
        if (ret_set->n == CR_PROVIDERS_MAX)
            status = CR_FAIL(err, CR_LIMIT, "%s has more than %d providers", folder, CR_PROVIDERS_MAX);
        else
            status = load_one(folder, name, &ret_set->at[ret_set->n], err);
        ret_set->n += status == CR_OK;
    }
    closedir(dir);
    if (status == CR_OK) {
        qsort(ret_set->at, (size_t)ret_set->n, sizeof ret_set->at[0], by_name);
        status = check_set(ret_set, folder, err);
    }
    return status;
}
