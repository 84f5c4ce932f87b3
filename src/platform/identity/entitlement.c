/* entitlement.c - AARC-G002 texts. */
#include "platform/identity/entitlement.h"

#include <stdio.h>
#include <strings.h>
#include "base/hex.h"
#include "base/text.h"

static bool is_clean(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            return false;
    return cr_text_is_utf8(s, n);
}

/* Copies n bytes, lowered when `lower`; false when it is empty or does not fit. */
static bool take(const char *text, size_t n, bool lower, char *out, size_t size) {
    if (n == 0 || n >= size)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = lower && text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    out[n] = 0;
    return true;
}

/* %XX becomes its byte; a decoded ':' would change the meaning of a path, so it stays coded. */
static bool decode(const char *text, size_t n, char *out, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        unsigned char byte;
        if (c == '%') {
            if (n - i < 3 || !cr_unhex(text + i + 1, 2, &byte))
                return false;
            if (byte != ':' && byte != '%' && byte != '#') {
                c = (char)byte;
                i += 2;
            }
        }
        if (len + 1 >= size)
            return false;
        out[len++] = c;
    }
    out[len] = 0;
    return len > 0 && is_clean(out, len) && strlen(out) == len;
}

static bool has_empty_part(const char *path) {
    size_t n = strlen(path);
    return n == 0 || path[0] == ':' || path[n - 1] == ':' || strstr(path, "::");
}

cr_status cr_entitlement_parse(const char *text, cr_entitlement *ret_e, cr_err *err) {
    cr_entitlement e;
    memset(&e, 0, sizeof e);
    size_t n = strnlen(text, CR_ENTITLEMENT_MAX + 1);
    if (n > CR_ENTITLEMENT_MAX || !is_clean(text, n) || strncasecmp(text, "urn:", 4) != 0)
        return CR_FAIL(err, CR_INVALID, "this is not a group entitlement (urn:...:group:...)");
    const char *group = strstr(text, ":group:"), *end = text + n, *hash = memchr(text, '#', n);
    if (!group || (hash && hash < group) || group < text + 5 ||
        !take(text, (size_t)(group - text), true, e.namespace, sizeof e.namespace) || has_empty_part(e.namespace))
        return CR_FAIL(err, CR_INVALID, "the entitlement names no group");
    group += strlen(":group:");
    if (hash && !take(hash + 1, (size_t)(end - hash - 1), true, e.authority, sizeof e.authority))
        return CR_FAIL(err, CR_INVALID, "the entitlement's authority is empty or too long");
    end = hash ? hash : end;
    /* The role is the last part. */
    const char *role = NULL;
    for (const char *p = group; (p = strstr(p, ":role=")) && p < end; p++)
        role = p;
    if (role && (!decode(role + 6, (size_t)(end - role - 6), e.role, sizeof e.role) || strchr(e.role, ':')))
        return CR_FAIL(err, CR_INVALID, "the entitlement's role is empty or damaged");
    end = role ? role : end;
    if (!decode(group, (size_t)(end - group), e.path, sizeof e.path) || has_empty_part(e.path) || strstr(e.path, ":role="))
        return CR_FAIL(err, CR_INVALID, "the entitlement's group is empty or damaged");
    *ret_e = e;
    return CR_OK;
}

bool cr_entitlement_group(const char *text, char out[CR_GROUP_NAME_MAX + 1]) {
    cr_entitlement e;
    int n;
    if (cr_entitlement_parse(text, &e, NULL) == CR_OK) {
        bool plain = !e.role[0] || strcmp(e.role, "member") == 0;
        n = snprintf(out, CR_GROUP_NAME_MAX + 1, "%s%s%s", e.path, plain ? "" : ":role=", plain ? "" : e.role);
    } else {
        size_t len = strnlen(text, CR_GROUP_NAME_MAX + 1);
        if (len > CR_GROUP_NAME_MAX || !is_clean(text, len))
            return false;
        n = snprintf(out, CR_GROUP_NAME_MAX + 1, "%s", text);
    }
    return n > 0 && n <= CR_GROUP_NAME_MAX;
}

cr_entitlement_fit cr_entitlement_compare(const char *rule, const char *value) {
    cr_entitlement r, v;
    bool rule_is = cr_entitlement_parse(rule, &r, NULL) == CR_OK, value_is = cr_entitlement_parse(value, &v, NULL) == CR_OK;
    if (!rule_is || !value_is)
        return rule[0] && strcmp(rule, value) == 0 ? CR_FIT_RIGHT : CR_FIT_NONE;
    size_t n = strlen(r.path);
    if (strcmp(r.path, v.path) != 0)
        return strncmp(r.path, v.path, n) == 0 && v.path[n] == ':' ? CR_FIT_SUBGROUP : CR_FIT_NONE;
    if (r.role[0] && strcmp(r.role, v.role) != 0)
        return CR_FIT_ROLE;
    if (strcmp(r.namespace, v.namespace) != 0 || (r.authority[0] && strcmp(r.authority, v.authority) != 0))
        return CR_FIT_AUTHORITY;
    return CR_FIT_RIGHT;
}

bool cr_entitlement_matches(const char *rule, const char *value) { return cr_entitlement_compare(rule, value) == CR_FIT_RIGHT; }
