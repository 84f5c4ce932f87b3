/* service.c - the table of a service's settings. */
#include "platform/identity/service.h"

#include <stddef.h>
#include <stdio.h>
#include "base/hex.h"
#include "base/setting.h"
#include "base/text.h"
#include "platform/identity/provider.h"

static cr_status put_url(char *to, size_t size, const char *value, cr_err *err) {
    char origin[320];
    if (strlen(value) >= size)
        return CR_FAIL(err, CR_LIMIT, "longer than %zu characters", size - 1);
    CR_TRY(cr_url_origin(value, origin, err));
    memset(to, 0, size);
    strcpy(to, value);
    return CR_OK;
}

static cr_status set_url(void *user, const char *value, cr_err *err) {
    cr_service *s = user;
    return put_url(s->url, sizeof s->url, value, err);
}

/* What is added to it, and what is compared, is simple then: no arguments, no fragment, and a path. */
static cr_status check_redirect(const char *value, cr_err *err) {
    char origin[320];
    CR_TRY(cr_url_origin(value, origin, err));
    if (strpbrk(value, "?#") || !strchr(strstr(value, "://") + 3, '/'))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not an address with a path, and without '?' and '#'", value);
    return CR_OK;
}

static cr_status set_redirect(void *user, const char *value, cr_err *err) {
    cr_service *s = user;
    CR_TRY(put_url(s->redirect, sizeof s->redirect, value, err));
    return check_redirect(value, err);
}

static cr_status put_truth(int64_t *to, const char *value, cr_err *err) {
    *to = strcmp(value, "yes") == 0;
    return *to || strcmp(value, "no") == 0 ? CR_OK : CR_FAIL(err, CR_INVALID, "'%.40s' is neither yes nor no", value);
}

static cr_status set_admin(void *user, const char *value, cr_err *err) { return put_truth(&((cr_service *)user)->admin, value, err); }
static cr_status set_no_confirm(void *user, const char *value, cr_err *err) { return put_truth(&((cr_service *)user)->no_confirm, value, err); }
static cr_status set_trusted(void *user, const char *value, cr_err *err) { return put_truth(&((cr_service *)user)->trusted, value, err); }

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

/* Of the person who is signed in: `self` and `!user` are right, and `inherit` would be whatever an administrator may. */
static cr_status check_allowed(const char *text, cr_err *err) {
    size_t n = strcspn(text, "!");
    if (n == 7 && memcmp(text, "inherit", n) == 0)
        return CR_FAIL(err, CR_INVALID, "'%s' has no bounds: name what it may do, as self or read:servers!user", text);
    CR_TRY(cr_scope_check(text, err));
    if (strcmp(text + n, "!server") == 0)
        return CR_FAIL(err, CR_INVALID, "'%s' is for user servers: name whose, as in %.*s!user", text, (int)n, text);
    return CR_OK;
}

static cr_status add_allowed(void *user, const char *value, cr_err *err) {
    cr_service *s = user;
    if (s->n_allowed == CR_SERVICE_SCOPES)
        return CR_FAIL(err, CR_LIMIT, "there are more than %d", CR_SERVICE_SCOPES);
    if (strlen(value) > CR_SERVICE_SCOPE_MAX)
        return CR_FAIL(err, CR_LIMIT, "longer than %d characters", CR_SERVICE_SCOPE_MAX);
    CR_TRY(check_allowed(value, err));
    strcpy(s->allowed[s->n_allowed++], value);
    return CR_OK;
}

/* Adding a setting is adding a row. */
static const cr_setting_row rows[] = {
    {"scope", "SCOPE", "what it may do, as list:users or delete:servers!group=course; may be repeated", add_scope},
    {"admin", "yes|no", "it has the role admin, which is almost everything (no)", set_admin},
    {"url", "URL", "where people find it; shown in the list of services", set_url},
    {"oauth_redirect_uri", "URL", "people sign in to it with their account here, and come back to this address with a code", set_redirect},
    {"oauth_client_allowed_scope", "SCOPE", "what it may do for them besides, as read:servers!user or self; may be repeated", add_allowed},
    {"oauth_no_confirm", "yes|no", "they are not asked before they come in (no)", set_no_confirm},
    {"trusted", "yes|no", "it may lie at the host of the hub or of user servers, where browsers send their cookies too (no)", set_trusted},
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
    if (!s.redirect[0] && (s.n_allowed || s.no_confirm))
        return CR_FAIL(err, CR_INVALID, "nobody signs in to it without oauth_redirect_uri: set that, or none of the oauth settings");
    *ret_service = s;
    return CR_OK;
}

static bool is_truth(int64_t value) { return value == 0 || value == 1; }

static cr_status check_texts(const char texts[][CR_SERVICE_SCOPE_MAX + 1], int n, cr_status (*check)(const char *text, cr_err *err), cr_err *err) {
    for (int i = 0; i < n; i++) {
        if (!memchr(texts[i], 0, sizeof texts[i]))
            return CR_FAIL(err, CR_FORMAT, "a text has no end");
        CR_TRY(check(texts[i], err));
    }
    return CR_OK;
}

cr_status cr_service_check(const cr_service *s, cr_err *err) {
    if (!memchr(s->name, 0, sizeof s->name) || !memchr(s->url, 0, sizeof s->url) || !memchr(s->redirect, 0, sizeof s->redirect) ||
        !cr_provider_name_is_valid(s->name))
        return CR_FAIL(err, CR_FORMAT, "a text has no end");
    if (s->n_scopes < 0 || s->n_scopes > CR_SERVICE_SCOPES || s->n_allowed < 0 || s->n_allowed > CR_SERVICE_SCOPES || !is_truth(s->admin) ||
        !is_truth(s->no_confirm) || !is_truth(s->trusted))
        return CR_FAIL(err, CR_RANGE, "a number is out of range");
    if (s->redirect[0])
        CR_TRY(check_redirect(s->redirect, err));
    CR_TRY(check_texts(s->scopes, s->n_scopes, check_scope, err));
    return check_texts(s->allowed, s->n_allowed, check_allowed, err);
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

void cr_service_add_allowed(const cr_service *s, const char *user, cr_scopes *set) {
    const cr_scope_owner owner = {.user = user, .service = s->name};
    cr_scopes_add(set, "access:services!service", &owner);
    cr_scopes_add(set, "read:users:name!user", &owner);
    cr_scopes_add(set, "read:users:groups!user", &owner);
    for (int i = 0; i < s->n_allowed; i++)
        cr_scopes_add(set, s->allowed[i], &owner);
}
