/* error.c - the status table and the error record. */
#include "base/error.h"

#include <stdio.h>

static const struct {
    const char *name, *python, *sentence;
    int http, exitcode;
} status_rows[CR_STATUS_COUNT] = {
#define X(n, h, e, p, s) [CR_##n] = {#n, p, s, h, e},
    CR_STATUS_TABLE(X)
#undef X
};

static cr_status in_table(cr_status s) {
    return (unsigned)s < CR_STATUS_COUNT ? s : CR_INTERNAL;
}

const char *cr_status_name(cr_status s) { return status_rows[in_table(s)].name; }
const char *cr_status_sentence(cr_status s) { return status_rows[in_table(s)].sentence; }
const char *cr_status_python(cr_status s) { return status_rows[in_table(s)].python; }
int cr_status_http(cr_status s) { return status_rows[in_table(s)].http; }
int cr_status_exit(cr_status s) { return status_rows[in_table(s)].exitcode; }

cr_status cr_status_from_errno(int errnum) {
    switch (errnum) {
    case 0: return CR_OK;
    case ENOENT: case ENOTDIR: return CR_NO_FILE;
    case EACCES: case EPERM: case EROFS: return CR_DENIED;
    case ENOSPC: case EDQUOT: return CR_NO_SPACE;
    case EEXIST: return CR_EXISTS;
    case ENOMEM: return CR_MEMORY;
    case EBUSY: case EAGAIN: return CR_BUSY;
    case ETIMEDOUT: return CR_TIMEOUT;
    case EINTR: case ECANCELED: return CR_CANCELLED;
    case ENAMETOOLONG: case EINVAL: return CR_INVALID;
    default: return CR_IO;
    }
}

/* snprintf may cut inside a UTF-8 sequence: drop the incomplete tail. */
static void trim_utf8(char *s, size_t cap) {
    size_t n = strnlen(s, cap - 1);
    s[n] = 0;
    if (n < cap - 1)
        return;
    size_t i = n;
    while (i > 0 && ((unsigned char)s[i - 1] & 0xC0) == 0x80)
        i--;
    if (i == 0)
        return;
    unsigned char lead = (unsigned char)s[i - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (n - (i - 1) < need)
        s[i - 1] = 0;
}

static void vset(cr_err *err, cr_status s, const char *file, int line, const char *fmt, va_list ap) {
    err->status = s;
    err->file = file;
    err->line = line;
    err->hint[0] = 0;
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    trim_utf8(err->message, sizeof err->message);
}

cr_status cr_err_set(cr_err *err, cr_status s, const char *file, int line, const char *fmt, ...) {
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vset(err, s, file, line, fmt, ap);
        va_end(ap);
    }
    return s;
}

cr_status cr_fail_errno(cr_err *err, int errnum, const char *file, int line, const char *fmt, ...) {
    cr_status s = cr_status_from_errno(errnum);
    if (s == CR_OK)
        s = CR_IO;
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        vset(err, s, file, line, fmt, ap);
        va_end(ap);
        size_t n = strlen(err->message);
        snprintf(err->message + n, sizeof err->message - n, ": %s", strerror(errnum));
        trim_utf8(err->message, sizeof err->message);
    }
    return s;
}

void cr_err_context(cr_err *err, const char *fmt, ...) {
    if (!err || err->status == CR_OK)
        return;
    char head[512], tail[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    trim_utf8(head, sizeof head);
    memcpy(tail, err->message, sizeof tail);
    snprintf(err->message, sizeof err->message, "%s: %.*s", head, (int)(sizeof err->message - 2), tail);
    trim_utf8(err->message, sizeof err->message);
}

void cr_err_hint(cr_err *err, const char *fmt, ...) {
    if (!err || err->status == CR_OK || err->hint[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    trim_utf8(err->hint, sizeof err->hint);
}
