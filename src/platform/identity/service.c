/* service.c - the table of a service's settings. */
#include "platform/identity/service.h"

#include <stddef.h>
#include <stdio.h>
#include "base/hex.h"
#include "base/setting.h"
#include "base/text.h"
#include "platform/identity/provider.h"

static cr_status set_url(void *user, const char *value, cr_err *err) {
    cr_service *s = user;
    char origin[320];
    if (strlen(value) >= sizeof s->url)
        return CR_FAIL(err, CR_LIMIT, "longer than %zu characters", sizeof s->url - 1);
    CR_TRY(cr_url_origin(value, origin, err));
    memset(s->url, 0, sizeof s->url);
    strcpy(s->url, value);
    return CR_OK;
}

static cr_status set_admin(void *user, const char *value, cr_err *err) {
    cr_service *s = user;
    s->admin = strcmp(value, "yes") == 0;
    return s->admin || strcmp(value, "no") == 0 ? CR_OK : CR_FAIL(err, CR_INVALID, "'%.40s' is neither yes nor no", value);
}

/* A service is nobody and holds nothing that could be inherited. */
static cr_status check_scope(const char *text, cr_err *err) {
    size_t n = strcspn(text, "!");
    if ((n == 4 && memcmp(text, "self", n) == 0) || (n == 7 && memcmp(text, "inherit", n) == 0))
        return CR_FAIL(err, CR_INVALID, "'%s' is for people: name what the service may do", text);
    CR_TRY(cr_scope_check(text, err));
    if (strcmp(text + n, "!user") == 0 || strcmp(text + n, "!server") == 0)
        return CR_FAIL(err, CR_INVALID, "'%s' is for people: name whose, as in %.*s!user=ada", text, (int)n, text);
    return CR_OK;
}

static cr_status add_scope(void *user, const char *value, cr_err *err) {
    cr_service *s = user;
    if (s->n_scopes == CR_SERVICE_SCOPES)
        return CR_FAIL(err, CR_LIMIT, "there are more than %d", CR_SERVICE_SCOPES);
    if (strlen(value) > CR_SERVICE_SCOPE_MAX)
        return CR_FAIL(err, CR_LIMIT, "longer than %d characters", CR_SERVICE_SCOPE_MAX);
    CR_TRY(check_scope(value, err));
    strcpy(s->scopes[s->n_scopes++], value);
    return CR_OK;
}

/* Adding a setting is adding a row. */
static const cr_setting_row rows[] = {
    {"scope", "SCOPE", "what it may do, as list:users or delete:servers!group=course; may be repeated", add_scope},
    {"admin", "yes|no", "it has the role admin, which is almost everything (no)", set_admin},
    {"url", "URL", "where people find it; shown in the list of services", set_url},
};

static cr_status set_line(void *user, char *key, char *value, cr_err *err) {
    return cr_setting_set(rows, CR_ARRAY_LEN(rows), "see cratond --service-help; the token has a file of its own", user, key, value, err);
}

cr_status cr_service_parse(const char *name, char *text, cr_service *ret_service, cr_err *err) {
    cr_service s;
    memset(&s, 0, sizeof s);
    if (!cr_provider_name_is_valid(name))
        return CR_FAIL(err, CR_INVALID, "'%.60s' cannot name a service: lower-case letters, digits and '-', beginning with a letter, at most %d", name,
                       CR_SERVICE_NAME_MAX);
    strcpy(s.name, name);
    CR_TRY(cr_settings_read(text, NULL, set_line, &s, err));
    CR_TRY(cr_service_check(&s, err));
    *ret_service = s;
    return CR_OK;
}

cr_status cr_service_check(const cr_service *s, cr_err *err) {
    if (!memchr(s->name, 0, sizeof s->name) || !memchr(s->url, 0, sizeof s->url) || !cr_provider_name_is_valid(s->name))
        return CR_FAIL(err, CR_FORMAT, "a text has no end");
    if (s->n_scopes < 0 || s->n_scopes > CR_SERVICE_SCOPES || s->admin < 0 || s->admin > 1)
        return CR_FAIL(err, CR_RANGE, "a number is out of range");
    for (int i = 0; i < s->n_scopes; i++) {
        if (!memchr(s->scopes[i], 0, sizeof s->scopes[i]))
            return CR_FAIL(err, CR_FORMAT, "a text has no end");
        CR_TRY(check_scope(s->scopes[i], err));
    }
    return CR_OK;
}

cr_status cr_service_set_token(cr_service *s, const char *text, size_t n, cr_err *err) {
    char token[CR_SERVICE_TOKEN_MAX + 1];
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (n < CR_SERVICE_TOKEN_MIN || n > CR_SERVICE_TOKEN_MAX) {
        CR_FAIL(err, CR_INVALID, "the token has %zu characters, not %d to %d", n, CR_SERVICE_TOKEN_MIN, CR_SERVICE_TOKEN_MAX);
        cr_err_hint(err, "make one that cannot be guessed: openssl rand -hex 32");
        return CR_INVALID;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7F)
            return CR_FAIL(err, CR_INVALID, "the token has a character that is not printable, or more than one line");
    memcpy(token, text, n);
    token[n] = 0;
    cr_token_hash(token, s->token);
    explicit_bzero(token, sizeof token);
    return CR_OK;
}

void cr_service_help(cr_buf *out) {
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        cr_setting_help(out, rows[i].key, rows[i].value_name, rows[i].help);
}

/* Every row is looked at, so the time says nothing about them; and what is compared are hashes. */
const cr_service *cr_service_find(const cr_service_set *set, const char *token) {
    unsigned char hash[CR_HASH_BYTES];
    const cr_service *found = NULL;
    size_t n = strnlen(token, CR_SERVICE_TOKEN_MAX + 1);
    if (n < CR_SERVICE_TOKEN_MIN || n > CR_SERVICE_TOKEN_MAX)
        return NULL;
    cr_token_hash(token, hash);
    for (int i = 0; i < set->n; i++)
        if (cr_equal_const(hash, set->at[i].token, sizeof hash))
            found = &set->at[i];
    return found;
}

const cr_service *cr_service_named(const cr_service_set *set, const char *name) {
    for (int i = 0; i < set->n; i++)
        if (strcmp(set->at[i].name, name) == 0)
            return &set->at[i];
    return NULL;
}

void cr_service_add_scopes(const cr_service *s, cr_scopes *set) {
    const cr_scope_owner owner = {.service = s->name};
    const char *const *role = s->admin ? cr_scope_role("admin") : NULL;
    for (int i = 0; role && role[i]; i++)
        cr_scopes_add(set, role[i], &owner);
    for (int i = 0; i < s->n_scopes; i++)
        cr_scopes_add(set, s->scopes[i], &owner);
}
