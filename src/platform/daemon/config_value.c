/* config_value.c - what the value of one setting may be. */
#include "platform/daemon/config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include "base/option.h"
#include "base/text.h"
#include "platform/gateway/group_limits.h"
#include "platform/http/texts.h"
#include "platform/identity/disk_limits.h"
#include "platform/identity/folders.h"
#include "platform/identity/mail_text.h"

static bool is_host(const char *s) {
    size_t label = 0, n = strlen(s);
    if (n == 0 || n > 200)
        return false;
    for (size_t i = 0; i <= n; i++) {
        if (s[i] == '.' || s[i] == 0) {
            if (label == 0 || label > 63 || s[i - 1] == '-' || s[i - label] == '-')
                return false;
            label = 0;
        } else if (islower((unsigned char)s[i]) || isdigit((unsigned char)s[i]) || s[i] == '-') {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_address(const char *s) {
    unsigned char raw[16];
    return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

static bool is_cidrs(const char *s) {
    char copy[512], *rest = copy;
    if (snprintf(copy, sizeof copy, "%s", s) >= (int)sizeof copy)
        return false;
    for (char *one; (one = strsep(&rest, ","));) {
        char *slash = strchr(one, '/');
        int64_t bits;
        unsigned char raw[16];
        if (slash)
            *slash = 0;
        int most = inet_pton(AF_INET, one, raw) == 1 ? 32 : inet_pton(AF_INET6, one, raw) == 1 ? 128 : 0;
        if (!most || (slash && cr_parse_int(slash + 1, 1, most, &bits, NULL) != CR_OK))
            return false;
    }
    return true;
}

#define LETSENCRYPT "https://acme-v02.api.letsencrypt.org/directory"

/* It is an argument of a program: no option, no blank. */
bool cr_value_is_url(const char *s) {
    return cr_starts_with(s, "https://") && isalnum((unsigned char)s[8]) &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]?=&%") == strlen(s);
}

bool cr_value_is_mail(const char *s) {
    const char *at = strchr(s, '@');
    return at && at != s && isalnum((unsigned char)s[0]) && !strchr(at + 1, '@') && is_host(at + 1) &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._+") == (size_t)(at - s);
}

bool cr_value_is_words(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || (unsigned char)*s >= 0x7F)
            return false;
    return true;
}

static bool is_line(const char *s) {
    char copy[512];
    if (!cr_text_is_utf8(s, strlen(s)) || strlen(s) >= sizeof copy)
        return false;
    strcpy(copy, s);
    cr_text_clean(copy);
    return strcmp(copy, s) == 0;
}

/* Paths go into HAProxy's configuration, whose quoting we do not want to depend on. */
static bool is_plain_path(const char *s) {
    if (s[0] != '/' || strstr(s, "/../") || cr_ends_with(s, "/.."))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("/._-+@,=", *s))
            return false;
    return true;
}

/* Segments that stay as they are in an address, in HAProxy's configuration and in a regular expression, but for dots. The first names of our own
 * paths would make it ambiguous whether the base was there. */
bool cr_value_is_base(const char *s) {
    static const char *const own[] = {"/hub", "/user", "/services"};
    if (s[0] != '/' || strstr(s, "//") || strstr(s, "/.") || strspn(s, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") != strlen(s))
        return false;
    for (size_t i = 0; i < CR_ARRAY_LEN(own); i++) {
        size_t n = strlen(own[i]);
        if (strncmp(s, own[i], n) == 0 && (s[n] == '/' || s[n] == 0))
            return false;
    }
    return true;
}

/* Lists whose reader lies where they are used. */
static cr_status check_list(const cr_config_row *r, const char *value, cr_err *err) {
    cr_group_limit limits[CR_GROUP_LIMITS_MAX];
    cr_disk_limit disks[CR_DISK_LIMITS_MAX];
    cr_folders folders;
    int count;
    cr_status status = CR_OK;
    if (r->kind == CR_VALUE_GROUPS)
        status = cr_group_limits_read(value, limits, &count, err);
    else if (r->kind == CR_VALUE_DISKS)
        status = cr_disk_limits_read(value, disks, &count, err);
    else if (r->kind == CR_VALUE_FOLDERS)
        status = cr_folders_read(value, &folders, err);
    if (status != CR_OK)
        cr_err_context(err, "%s", r->key);
    return status;
}

static cr_status set_text(const cr_config_row *r, char *target, const char *value, cr_err *err) {
    bool empty = value[0] == 0;
    if (r->kind == CR_VALUE_PATH && !empty && !is_plain_path(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not an absolute path of letters, digits and /._-+@,=", r->key, value);
    if (r->kind == CR_VALUE_BASE && !empty && !cr_value_is_base(value)) {
        CR_FAIL(err, CR_INVALID, "%s: '%s' is not a path such as /craton/", r->key, value);
        cr_err_hint(err, "letters, digits and -_~. between slashes; no segment begins with a dot, and the first is not hub, user or services");
        return CR_INVALID;
    }
    if (r->kind == CR_VALUE_ACME && strcmp(value, "letsencrypt") == 0)
        value = LETSENCRYPT;
    if (r->kind == CR_VALUE_ACME && !empty && !cr_value_is_url(value)) {
        CR_FAIL(err, CR_INVALID, "%s: '%s' is not an https:// address", r->key, value);
        cr_err_hint(err, "give the address of the server's directory, or letsencrypt");
        return CR_INVALID;
    }
    if (r->kind == CR_VALUE_MAIL && !empty && !cr_value_is_mail(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not a mail address such as ada@example.org", r->key, value);
    if (r->kind == CR_VALUE_SMTP && !empty && !cr_mail_server_is_right(value)) {
        CR_FAIL(err, CR_INVALID, "%s: '%s' is neither smtps://HOST:PORT nor smtp://HOST:PORT", r->key, value);
        cr_err_hint(err, "name and password do not belong there: give --smtp-user, and STATE/smtp.password");
        return CR_INVALID;
    }
    if (r->kind == CR_VALUE_WORDS && !cr_value_is_words(value))
        return CR_FAIL(err, CR_INVALID, "%s: not printable ASCII", r->key);
    if (r->kind == CR_VALUE_LINE && !is_line(value))
        return CR_FAIL(err, CR_INVALID, "%s: not one line of text in UTF-8", r->key);
    if (r->kind == CR_VALUE_LINK && !empty && !cr_value_is_url(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not an https:// address", r->key, value);
    if (r->kind == CR_VALUE_LANGUAGE && !empty && !cr_texts_is_language(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is no code of a language such as de or pt-BR", r->key, value);
    if (r->kind == CR_VALUE_ADDRESS && !is_address(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not an IPv4 or IPv6 address", r->key, value);
    if (r->kind == CR_VALUE_HOST && !empty && !is_host(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not a host name in lower case", r->key, value);
    if (r->kind == CR_VALUE_CIDRS && !empty && !is_cidrs(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not a list of networks such as 10.0.0.0/8,192.168.7.1", r->key, value);
    if (r->kind == CR_VALUE_PREFIX && (!islower((unsigned char)value[0]) || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(value)))
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not lower-case letters, digits and '-', beginning with a letter", r->key, value);
    CR_TRY(check_list(r, value, err));
    if (strlen(value) >= r->size)
        return CR_FAIL(err, CR_LIMIT, "%s: longer than %zu characters", r->key, r->size - 1);
    size_t n = strlen(value);
    while ((r->kind == CR_VALUE_PATH && n > 1 && value[n - 1] == '/') || (r->kind == CR_VALUE_BASE && n > 0 && value[n - 1] == '/'))
        n--;
    memcpy(target, value, n);
    target[n] = 0;
    return CR_OK;
}

static cr_status parse_cpus(const cr_config_row *r, const char *value, int64_t *ret_milli, cr_err *err) {
    char *end;
    double v = cr_parse_real(value, &end);
    if (end == value || *end || !(v >= 0) || v * 1000 > (double)r->max)
        return CR_FAIL(err, CR_INVALID, "%s: '%s' is not a number of CPUs between 0 and %d", r->key, value, (int)(r->max / 1000));
    *ret_milli = (int64_t)(v * 1000 + 0.5);
    return CR_OK;
}

cr_status cr_config_row_set(cr_config *c, const cr_config_row *r, const char *value, cr_err *err) {
    void *target = (char *)c + r->offset;
    cr_status status = CR_OK;
    uint64_t bytes;
    if (cr_value_is_text(r->kind))
        return set_text(r, target, value, err);
    switch (r->kind) {
    case CR_VALUE_INT:
        status = cr_parse_int(value, r->min, r->max, target, err);
        break;
    case CR_VALUE_CPUS:
        return parse_cpus(r, value, target, err);
    case CR_VALUE_BYTES:
        status = cr_parse_bytes(value, &bytes, err);
        if (status == CR_OK && (int64_t)bytes < r->min)
            status = CR_FAIL(err, CR_RANGE, "'%s' is less than the least useful size, %lld MiB", value, (long long)(r->min >> 20));
        if (status == CR_OK)
            *(uint64_t *)target = bytes;
        break;
    case CR_VALUE_YES_NO:
        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
            return CR_FAIL(err, CR_INVALID, "%s: '%s' is neither yes nor no", r->key, value);
        *(bool *)target = value[0] == 'y';
        break;
    default: break;
    }
    cr_err_context(err, "%s", r->key);
    return status;
}
