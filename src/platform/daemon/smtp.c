/* smtp.c - STATE/smtp.password. */
#include "platform/daemon/smtp.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "platform/daemon/settings_folder.h"

enum { FILE_MAX = 1024 };

static cr_status set_secret(cr_config *c, const char *path, const cr_buf *text, cr_err *err) {
    const char *s = text->data ? text->data : "";
    size_t n = strcspn(s, "\r\n");
    if (n == 0 || n >= sizeof c->smtp_secret || s[n + strspn(s + n, "\r\n")] || strlen(s) != text->len)
        return CR_FAIL(err, CR_FORMAT, "%s is not one line of 1 to %zu bytes", path, sizeof c->smtp_secret - 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < ' ' || (unsigned char)s[i] >= 0x7F)
            return CR_FAIL(err, CR_FORMAT, "%s has bytes that are not printable ASCII", path);
    memcpy(c->smtp_secret, s, n);
    c->smtp_secret[n] = 0;
    return CR_OK;
}

/* craton-fetch has a user of its own. */
static cr_status check_authorities(const cr_config *c, cr_err *err) {
    struct stat st;
    if (!c->smtp_ca[0])
        return CR_OK;
    if (stat(c->smtp_ca, &st) != 0)
        return CR_FAIL_ERRNO(err, "smtp-ca: cannot use %s", c->smtp_ca);
    if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) && !(st.st_mode & 0022))
        return CR_OK;
    CR_FAIL(err, CR_DENIED, "smtp-ca: %s is not a file that everybody can read and only its owner can write", c->smtp_ca);
    cr_err_hint(err, "certificates of authorities are public: chmod 644");
    return CR_DENIED;
}

cr_status cr_smtp_load(cr_config *c, cr_err *err) {
    char path[600];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, FILE_MAX + 2);
    if (!c->smtp[0])
        return CR_OK;
    CR_TRY(check_authorities(c, err));
    snprintf(path, sizeof path, "%s/smtp.password", c->state_dir);
    bool there = access(path, F_OK) == 0;
    if (!there && !c->smtp_user[0])
        return CR_OK;             /* a server that knows this machine by its address */
    if (there != (c->smtp_user[0] != 0)) {
        CR_FAIL(err, CR_INVALID, there ? "there is %s, and no --smtp-user" : "there is --smtp-user, and no %s", path);
        cr_err_hint(err, "a server is told both or neither");
        return CR_INVALID;
    }
    CR_TRY(cr_settings_file(path, CR_SETTINGS_SECRET, FILE_MAX, &text, err));
    cr_status status = set_secret(c, path, &text, err);
    explicit_bzero(text.data, text.len);
    return status;
}
