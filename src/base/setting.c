/* setting.c - lines of settings. */
#include "base/setting.h"

#include <ctype.h>
#include <stdio.h>
#include "base/text.h"

static char *trim(char *s) {
    while (isspace((unsigned char)*s))
        s++;
    for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
        *--end = 0;
    return s;
}

static cr_status read_line(char *line, cr_setting_fn set, void *user, cr_err *err) {
    char *equals = strchr(line, '=');
    if (!equals)
        return CR_FAIL(err, CR_INVALID, "'%.60s' is not of the form key = value", line);
    *equals = 0;
    return set(user, trim(line), trim(equals + 1), err);
}

cr_status cr_settings_read(char *text, const char *where, cr_setting_fn set, void *user, cr_err *err) {
    int line = 0;
    for (char *one; (one = strsep(&text, "\n"));) {
        line++;
        one = trim(one);
        if (!*one || *one == '#')
            continue;
        cr_status status = read_line(one, set, user, err);
        if (status != CR_OK) {
            cr_err_context(err, "%s%sline %d", where ? where : "", where ? " " : "", line);
            return status;
        }
    }
    return CR_OK;
}

enum { CR_SETTING_NAMES = 64 };    /* looked at for one that is near */

cr_status cr_setting_set(const cr_setting_row *rows, size_t n, const char *hint, void *user, const char *key, const char *value, cr_err *err) {
    if (!cr_text_is_utf8(key, strlen(key)) || !cr_text_is_utf8(value, strlen(value)))
        return CR_FAIL(err, CR_INVALID, "this is not plain text");
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].key, key) != 0)
            continue;
        cr_status status = rows[i].set(user, value, err);
        cr_err_context(err, "%s", key);
        return status;
    }
    const char *names[CR_SETTING_NAMES];
    int known = 0;
    for (size_t i = 0; i < n && known < CR_SETTING_NAMES; i++)
        names[known++] = rows[i].key;
    const char *near = cr_text_nearest(key, names, known);
    CR_FAIL(err, CR_INVALID, "there is no setting '%.40s'%s%s%s", key, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    cr_err_hint(err, "%s", hint);
    return CR_INVALID;
}

void cr_setting_help(cr_buf *out, const char *key, const char *value_name, const char *help) {
    char left[64];
    snprintf(left, sizeof left, "%s = %s", key, value_name);
    cr_buf_addf(out, "  %-28s %s\n", left, help);
}
