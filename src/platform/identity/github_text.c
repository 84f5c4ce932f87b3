/* github_text.c - addresses and answers of GitHub. */
#include "platform/identity/github_text.h"

#include <stdio.h>
#include "base/text.h"

#define PUBLIC "https://github.com"
enum { LIST_MAX = 100 };

bool cr_github_is(const cr_provider *p) { return strcmp(p->preset, "github") == 0; }

static int base_len(const cr_provider *p) {
    size_t n = strlen(p->issuer);
    while (n && p->issuer[n - 1] == '/')
        n--;
    return (int)n;
}

void cr_github_meta(const cr_provider *p, cr_oidc_meta *ret_meta) {
    memset(ret_meta, 0, sizeof *ret_meta);
    int n = base_len(p);
    snprintf(ret_meta->authorize, sizeof ret_meta->authorize, "%.*s/login/oauth/authorize", n, p->issuer);
    snprintf(ret_meta->token, sizeof ret_meta->token, "%.*s/login/oauth/access_token", n, p->issuer);
    ret_meta->secret_in_form = true;
}

char *cr_github_url(const cr_provider *p, const cr_github_step *step, char buf[CR_OIDC_URL_MAX]) {
    int n = base_len(p);
    if (n == (int)strlen(PUBLIC) && strncmp(p->issuer, PUBLIC, (size_t)n) == 0)
        snprintf(buf, CR_OIDC_URL_MAX, "https://api.github.com%s", step->path);
    else
        snprintf(buf, CR_OIDC_URL_MAX, "%.*s/api/v3%s", n, p->issuer, step->path);
    return buf;
}

/* Of letters, digits and what GitHub allows in its names; anything else is no name. */
static bool is_name(const json_t *value) {
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);
    return s && n > 0 && n <= 100 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

static void copy_text(json_t *claims, const json_t *answer, const char *name) {
    json_t *value = json_object_get(answer, name);
    if (json_is_string(value))
        json_object_set(claims, name, value);
}

static cr_status read_user(json_t *claims, const json_t *answer, cr_err *err) {
    const json_t *id = json_object_get(answer, "id"), *login = json_object_get(answer, "login");
    char number[24];
    if (!json_is_integer(id) || json_integer_value(id) <= 0 || !is_name(login))
        return CR_FAIL(err, CR_FORMAT, "it says not who it is");
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(id));
    json_object_set_new(claims, "sub", json_string(number));
    json_object_set_new(claims, "groups", json_array());
    copy_text(claims, answer, "login");
    copy_text(claims, answer, "name");
    return CR_OK;
}

static cr_status read_emails(json_t *claims, const json_t *answer, cr_err *err) {
    size_t i;
    json_t *one;
    (void)err;
    json_array_foreach(answer, i, one)
        if (json_is_true(json_object_get(one, "primary")) && json_is_string(json_object_get(one, "email"))) {
            copy_text(claims, one, "email");
            json_object_set_new(claims, "email_verified", json_boolean(json_is_true(json_object_get(one, "verified"))));
        }
    return CR_OK;
}

static cr_status read_orgs(json_t *claims, const json_t *answer, cr_err *err) {
    size_t i;
    json_t *one;
    (void)err;
    json_array_foreach(answer, i, one)
        if (is_name(json_object_get(one, "login")) && i < LIST_MAX)
            json_array_append(json_object_get(claims, "groups"), json_object_get(one, "login"));
    return CR_OK;
}

static cr_status read_teams(json_t *claims, const json_t *answer, cr_err *err) {
    size_t i;
    json_t *one;
    (void)err;
    json_array_foreach(answer, i, one) {
        const json_t *org = json_object_get(json_object_get(one, "organization"), "login"), *slug = json_object_get(one, "slug");
        if (is_name(org) && is_name(slug) && i < LIST_MAX)
            json_array_append_new(json_object_get(claims, "groups"), json_sprintf("%s/%s", json_string_value(org), json_string_value(slug)));
    }
    return CR_OK;
}

const cr_github_step cr_github_steps[] = {
    {"/user", "its word on the person", read_user},
    {"/user/emails?per_page=100", "its list of addresses", read_emails},
    {"/user/orgs?per_page=100", "its list of organizations", read_orgs},
    {"/user/teams?per_page=100", "its list of teams", read_teams},
};
const int cr_github_steps_len = (int)CR_ARRAY_LEN(cr_github_steps);

cr_status cr_github_take(const cr_github_step *step, int status, const char *text, size_t n, json_t *claims, cr_err *err) {
    if (status == 403 || status == 404) {
        CR_FAIL(err, CR_DENIED, "%s was refused (status %d)", step->what, status);
        cr_err_hint(err, "the registered app must be allowed to see it: scopes read:user user:email read:org, and the organization's approval");
        return CR_DENIED;
    }
    if (status != 200)
        return CR_FAIL(err, status >= 500 ? CR_IO : CR_FORMAT, "%s came with status %d", step->what, status);
    if (n > CR_OIDC_DOCUMENT_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s is larger than %d KiB", step->what, CR_OIDC_DOCUMENT_MAX >> 10);
    json_t *answer = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    bool is_user = step == &cr_github_steps[0];
    cr_status result = is_user ? json_is_object(answer) ? CR_OK : CR_FORMAT : json_is_array(answer) ? CR_OK : CR_FORMAT;
    if (result != CR_OK)
        (void)CR_FAIL(err, CR_FORMAT, "%s is no JSON of the right form", step->what);
    else
        result = step->read(claims, answer, err);
    json_decref(answer);
    return result;
}
