/* provider.c - the table of a provider's settings, and the presets. */
#include "platform/identity/provider.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include "base/setting.h"
#include "base/text.h"
#include "platform/identity/entitlement.h"
#include "platform/identity/jose.h"

typedef enum { TEXT, URL, SCOPES, CLAIM, HOSTS, INT, CALLBACK, ALGS, RULE, PRESET } kind;

typedef struct row {
    const char *key, *value_name, *help;
    kind kind;
    size_t offset, size;
    int64_t min, max;
} row;

#define AT(field) offsetof(cr_provider, field), sizeof(((cr_provider *)NULL)->field)

/* Adding a setting is adding a row. */
static const row rows[] = {
    {"preset", "NAME", "egi, egi-demo, egi-dev, keycloak, google, orcid, github or oidc; the first line (oidc)", PRESET, AT(preset), 0, 0},
    {"label", "TEXT", "on the sign-in button", TEXT, AT(label), 0, 0},
    {"issuer", "URL", "the provider's own address, as in its tokens", URL, AT(issuer), 0, 0},
    {"client-id", "TEXT", "given by the provider at registration", TEXT, AT(client_id), 0, 0},
    {"scopes", "WORDS", "what is asked of the provider (openid profile email)", SCOPES, AT(scopes), 0, 0},
    {"name-claim", "CLAIM", "where user names come from (preferred_username)", CLAIM, AT(name_claim), 0, 0},
    {"groups-claim", "CLAIM", "where groups or entitlements come from (groups)", CLAIM, AT(groups_claim), 0, 0},
    {"groups-prefix", "TEXT", "before the names of its groups in the hub; nothing: as they come, also if another provider's are called so (NAME:)", TEXT,
     AT(groups_prefix), 0, 0},
    {"hosts", "HOSTS", "further hosts of its endpoints, comma-separated; the issuer's own is always one", HOSTS, AT(hosts), 0, 0},
    {"allow", "GROUP", "may sign in: an entitlement, a group, or * for everybody who has an account there; may be repeated", RULE, AT(rules), CR_RULE_ALLOW, 0},
    {"allow-email", "ADDRESS", "may sign in: a verified address, or @example.org; may be repeated", RULE, AT(rules), CR_RULE_ALLOW_EMAIL, 0},
    {"allow-subject", "ID", "may sign in: the provider's identifier of a person; may be repeated", RULE, AT(rules), CR_RULE_ALLOW_SUBJECT, 0},
    {"admin", "GROUP", "is administrator: an entitlement or a group; may be repeated", RULE, AT(rules), CR_RULE_ADMIN, 0},
    {"admin-subject", "ID", "is administrator: the provider's identifier of a person; may be repeated", RULE, AT(rules), CR_RULE_ADMIN_SUBJECT, 0},
    {"apply-url", "URL", "where membership is asked for; shown to people who have none", URL, AT(apply_url), 0, 0},
    {"contact", "TEXT", "whom to ask; shown to people who have no membership", TEXT, AT(contact), 0, 0},
    {"callback", "own|jupyterhub", "redirect address HUB/hub/signin/NAME/callback, or HUB/hub/oauth_callback (own)", CALLBACK, AT(jupyterhub_callback), 0, 0},
    {"clock-skew", "SECONDS", "how far the provider's clock may be off (60)", INT, AT(clock_skew_s), 0, 300},
    {"session-hours", "N", "after how long a person passes by the provider again (24)", INT, AT(session_hours), 1, 336},
    {"token-days", "N", "how long API tokens work after the last sign-in of who has no password here (30)", INT, AT(token_days), 1, 3650},
    {"algorithms", "LIST", "signatures that are accepted (RS256, PS256, ES256 and their longer forms)", ALGS, AT(algs), 0, 0},
};

/* Facts of the providers' own documentation; everything can be overridden by a later line. */
static const struct {
    const char *name, *label, *issuer, *scopes, *name_claim, *groups_claim, *hosts;
} presets[] = {
    {"oidc", "Single sign-on", "", "openid profile email", "preferred_username", "groups", ""},
    {"egi", "EGI Check-in", "https://aai.egi.eu/auth/realms/egi", "openid profile email voperson_id eduperson_entitlement", "preferred_username",
     "eduperson_entitlement", ""},
    {"egi-demo", "EGI Check-in (demo)", "https://aai-demo.egi.eu/auth/realms/egi", "openid profile email voperson_id eduperson_entitlement",
     "preferred_username", "eduperson_entitlement", ""},
    {"egi-dev", "EGI Check-in (development)", "https://aai-dev.egi.eu/auth/realms/egi",
     "openid profile email voperson_id eduperson_entitlement", "preferred_username", "eduperson_entitlement", ""},
    {"keycloak", "Single sign-on", "", "openid profile email", "preferred_username", "groups", ""},
    {"google", "Google", "https://accounts.google.com", "openid profile email", "email", "hd",
     "oauth2.googleapis.com,openidconnect.googleapis.com,www.googleapis.com"},
    {"orcid", "ORCID", "https://orcid.org", "openid", "sub", "groups", ""},
    {"github", "GitHub", "https://github.com", "read:user user:email read:org", "login", "groups", "api.github.com"},    /* OAuth 2, see github_text.h */
};

bool cr_provider_name_is_valid(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n <= CR_PROVIDER_NAME_MAX && islower((unsigned char)name[0]) && name[n - 1] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* ---- addresses ---- */

static bool is_host(const char *s, size_t n) {
    if (n == 0 || n > 253 || s[0] == '-' || s[0] == '.' || s[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
            return false;
    return true;
}

static bool is_this_machine(const char *host) {
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (cr_starts_with(host, "127.") && strspn(host, "0123456789.") == strlen(host));
}

cr_status cr_url_origin(const char *url, char out[320], cr_err *err) {
    bool secure = cr_starts_with(url, "https://"), plain = cr_starts_with(url, "http://");
    char host[256], port[8] = "";
    size_t n = strnlen(url, 1025);
    if (n > 1024 || (!secure && !plain))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not an https address", url);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)url[i] <= ' ' || (unsigned char)url[i] >= 0x7F || strchr("\"<>\\^`{|}", url[i]))
            return CR_FAIL(err, CR_INVALID, "the address '%.80s' has a character that an address cannot have", url);
    const char *start = url + (secure ? 8 : 7);
    size_t authority = strcspn(start, "/?#"), len = start[0] == '[' ? strcspn(start, "]") + 1 : strcspn(start, ":/?#");
    bool v6 = cr_starts_with(start, "[::1]");
    if (len > authority || len >= sizeof host || (!v6 && !is_host(start, len)))
        return CR_FAIL(err, CR_INVALID, "the address '%.80s' has no host name", url);
    for (size_t i = 0; i < len; i++)
        host[i] = (char)tolower((unsigned char)start[i]);
    host[len] = 0;
    if (authority > len) {
        int64_t number;
        if (start[len] != ':' || authority - len - 1 >= sizeof port)
            return CR_FAIL(err, CR_INVALID, "the address '%.80s' has more than a host name and a port", url);
        snprintf(port, sizeof port, "%.*s", (int)(authority - len - 1), start + len + 1);
        if (cr_parse_int(port, 1, 65535, &number, NULL) != CR_OK)
            return CR_FAIL(err, CR_INVALID, "the address '%.80s' has no usable port", url);
        snprintf(port, sizeof port, "%d", (int)number);
    }
    if (plain && !is_this_machine(host)) {
        CR_FAIL(err, CR_DENIED, "'%.80s' is not https: secrets would cross the network in the clear", url);
        cr_err_hint(err, "http is taken for 127.0.0.1, [::1] and localhost only");
        return CR_DENIED;
    }
    bool usual = !port[0] || strcmp(port, secure ? "443" : "80") == 0;
    snprintf(out, 320, "%s://%s%s%s", secure ? "https" : "http", host, usual ? "" : ":", usual ? "" : port);
    return CR_OK;
}

/* One origin for each entry of `hosts`: https, host and perhaps a port. */
static bool next_host(const char **rest, char out[320]) {
    while (**rest == ',' || **rest == ' ')
        (*rest)++;
    size_t n = strcspn(*rest, ", ");
    char url[300];
    if (n == 0 || n > 260)
        return false;
    snprintf(url, sizeof url, "https://%.*s", (int)n, *rest);
    if (cr_url_origin(url, out, NULL) != CR_OK)
        return false;
    *rest += n;
    return true;
}

bool cr_provider_owns(const cr_provider *p, const char *url) {
    char origin[320], own[320];
    if (cr_url_origin(url, origin, NULL) != CR_OK || cr_url_origin(p->issuer, own, NULL) != CR_OK)
        return false;
    if (strcmp(origin, own) == 0)
        return true;
    for (const char *rest = p->hosts; next_host(&rest, own);)
        if (strcmp(origin, own) == 0)
            return true;
    return false;
}

/* Google documents none, consent and select_account as values of prompt, and has no auth_time among its claims. */
bool cr_provider_asks_again(const cr_provider *p) { return strcmp(p->preset, "github") != 0 && strcmp(p->preset, "google") != 0; }

void cr_provider_origins(const cr_provider *p, cr_buf *out) {
    char origin[320];
    if (cr_url_origin(p->issuer, origin, NULL) == CR_OK)
        cr_buf_adds(out, origin);
    for (const char *rest = p->hosts; next_host(&rest, origin);)
        cr_buf_addf(out, ",%s", origin);
}

/* ---- values ---- */

static bool is_clean(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return false;
    return true;
}

static cr_status set_preset(cr_provider *p, const char *value, cr_err *err) {
    for (size_t i = 0; i < CR_ARRAY_LEN(presets); i++) {
        if (strcmp(presets[i].name, value) != 0)
            continue;
        const struct { char *to; size_t size; const char *from; } texts[] = {
            {p->preset, sizeof p->preset, presets[i].name}, {p->label, sizeof p->label, presets[i].label},
            {p->issuer, sizeof p->issuer, presets[i].issuer}, {p->scopes, sizeof p->scopes, presets[i].scopes},
            {p->name_claim, sizeof p->name_claim, presets[i].name_claim}, {p->groups_claim, sizeof p->groups_claim, presets[i].groups_claim},
            {p->hosts, sizeof p->hosts, presets[i].hosts}};
        for (size_t k = 0; k < CR_ARRAY_LEN(texts); k++) {
            memset(texts[k].to, 0, texts[k].size);
            strcpy(texts[k].to, texts[k].from);
        }
        return CR_OK;
    }
    return CR_FAIL(err, CR_INVALID, "preset: '%.40s' is none of egi, egi-demo, egi-dev, keycloak, google, orcid, github, oidc", value);
}

static cr_status set_algs(cr_provider *p, char *value, cr_err *err) {
    unsigned set = 0;
    for (char *one; (one = strsep(&value, ", "));) {
        unsigned bit = cr_jose_alg_bit(one);
        char list[96];
        if (*one && !bit)
            return CR_FAIL(err, CR_INVALID, "algorithms: '%.20s' is none of %s", one, cr_jose_alg_list(CR_JOSE_ALL_ALGS, list, sizeof list));
        set |= bit;
    }
    p->algs = set;
    return set ? CR_OK : CR_FAIL(err, CR_INVALID, "algorithms: the list is empty");
}

static cr_status add_rule(cr_provider *p, const row *r, const char *value, cr_err *err) {
    cr_provider_rule rule = {(int32_t)r->min, {0}};
    cr_entitlement e;
    if (p->n_rules == CR_PROVIDER_RULES)
        return CR_FAIL(err, CR_LIMIT, "there are more than %d lines that allow or appoint", CR_PROVIDER_RULES);
    if (!value[0] || strlen(value) >= sizeof rule.text)
        return CR_FAIL(err, CR_INVALID, "%s: the value is empty or longer than %zu characters", r->key, sizeof rule.text - 1);
    if (rule.kind == CR_RULE_ADMIN && strcmp(value, "*") == 0)
        return CR_FAIL(err, CR_INVALID, "admin: not everybody can be administrator; name a group");
    /* A rule that can never match is a mistake that shows only when people are turned away. */
    if (rule.kind <= CR_RULE_ADMIN && cr_starts_with(value, "urn:") && cr_entitlement_parse(value, &e, err) != CR_OK) {
        cr_err_context(err, "%s", r->key);
        return CR_INVALID;
    }
    if (rule.kind == CR_RULE_ALLOW_EMAIL && (!strchr(value, '@') || strchr(value, ' ')))
        return CR_FAIL(err, CR_INVALID, "allow-email: '%.80s' is neither an address nor @ and a domain", value);
    strcpy(rule.text, value);
    p->rules[p->n_rules++] = rule;
    return CR_OK;
}

static cr_status set_text(const row *r, char *target, const char *value, cr_err *err) {
    char origin[320];
    if (strlen(value) >= r->size)
        return CR_FAIL(err, CR_LIMIT, "%s: longer than %zu characters", r->key, r->size - 1);
    if (r->kind == URL && value[0] && cr_url_origin(value, origin, err) != CR_OK) {
        cr_err_context(err, "%s", r->key);
        return CR_INVALID;
    }
    if (r->kind == CLAIM && strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:") != strlen(value))
        return CR_FAIL(err, CR_INVALID, "%s: '%.60s' is not the name of a claim", r->key, value);
    if (r->kind == HOSTS) {
        const char *rest = value;
        while (next_host(&rest, origin)) {}
        if (*rest)
            return CR_FAIL(err, CR_INVALID, "%s: '%.80s' is not a host name", r->key, rest);
    }
    memset(target, 0, r->size);
    strcpy(target, value);
    return CR_OK;
}

static bool has_word(const char *words, const char *word) {
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
            return true;
    return false;
}

static cr_status set_row(cr_provider *p, const row *r, char *value, cr_err *err) {
    void *target = (char *)p + r->offset;
    if (!cr_text_is_utf8(value, strlen(value)) || !is_clean(value))
        return CR_FAIL(err, CR_INVALID, "%s: the value is not plain text", r->key);
    switch (r->kind) {
    case TEXT: case URL: case CLAIM: case HOSTS: case SCOPES:
        return set_text(r, target, value, err);
    case INT: {
        cr_status status = cr_parse_int(value, r->min, r->max, target, err);
        cr_err_context(err, "%s", r->key);
        return status;
    }
    case CALLBACK:
        if (strcmp(value, "own") != 0 && strcmp(value, "jupyterhub") != 0)
            return CR_FAIL(err, CR_INVALID, "callback: '%.40s' is neither own nor jupyterhub", value);
        p->jupyterhub_callback = value[0] == 'j';
        return CR_OK;
    case ALGS: return set_algs(p, value, err);
    case RULE: return add_rule(p, r, value, err);
    case PRESET: return set_preset(p, value, err);
    }
    return CR_OK;
}

static cr_status set_key(cr_provider *p, const char *key, char *value, cr_err *err) {
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].key, key) == 0)
            return set_row(p, &rows[i], value, err);
    CR_FAIL(err, CR_INVALID, "there is no setting '%.40s'", key);
    cr_err_hint(err, "see cratond --signin-help; the client secret has a file of its own");
    return CR_INVALID;
}

/* ---- the whole ---- */

static int count_rules(const cr_provider *p, bool allow) {
    int n = 0;
    for (int i = 0; i < p->n_rules; i++)
        n += (p->rules[i].kind == CR_RULE_ADMIN || p->rules[i].kind == CR_RULE_ADMIN_SUBJECT) != allow;
    return n;
}

static cr_status check_numbers(const cr_provider *p, cr_err *err) {
    if (p->n_rules < 0 || p->n_rules > CR_PROVIDER_RULES || p->clock_skew_s < 0 || p->clock_skew_s > 300 || p->session_hours < 1 ||
        p->session_hours > 336 || p->token_days < 1 || p->token_days > 3650 || (p->algs & ~CR_JOSE_ALL_ALGS) || !p->algs)
        return CR_FAIL(err, CR_RANGE, "a number is out of range");
    const struct { const char *text; size_t size; } texts[] = {
        {p->name, sizeof p->name}, {p->preset, sizeof p->preset}, {p->label, sizeof p->label}, {p->issuer, sizeof p->issuer},
        {p->client_id, sizeof p->client_id}, {p->secret, sizeof p->secret}, {p->scopes, sizeof p->scopes},
        {p->name_claim, sizeof p->name_claim}, {p->groups_claim, sizeof p->groups_claim}, {p->groups_prefix, sizeof p->groups_prefix},
        {p->hosts, sizeof p->hosts}, {p->apply_url, sizeof p->apply_url}, {p->contact, sizeof p->contact}};
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++)
        if (!memchr(texts[i].text, 0, texts[i].size))
            return CR_FAIL(err, CR_FORMAT, "a text has no end");
    for (int i = 0; i < p->n_rules; i++)
        if (p->rules[i].kind < CR_RULE_ALLOW || p->rules[i].kind > CR_RULE_ADMIN_SUBJECT || !memchr(p->rules[i].text, 0, sizeof p->rules[i].text))
            return CR_FAIL(err, CR_FORMAT, "a rule is damaged");
    return CR_OK;
}

cr_status cr_provider_check(const cr_provider *p, cr_err *err) {
    char origin[320];
    CR_TRY(check_numbers(p, err));
    if (!cr_provider_name_is_valid(p->name))
        return CR_FAIL(err, CR_INVALID, "the name of a provider is lower-case letters, digits and '-', beginning with a letter");
    if (!p->issuer[0] || !p->client_id[0])
        return CR_FAIL(err, CR_INVALID, "the line '%s = ...' is missing", p->issuer[0] ? "client-id" : "issuer");
    CR_TRY(cr_url_origin(p->issuer, origin, err));
    if (strpbrk(p->issuer, "?#"))
        return CR_FAIL(err, CR_INVALID, "issuer: an issuer has no '?' and no '#'");
    if (strcmp(p->preset, "github") != 0 && !has_word(p->scopes, "openid"))
        return CR_FAIL(err, CR_INVALID, "scopes: 'openid' is missing; without it the provider sends no ID token");
    if (!count_rules(p, true)) {
        CR_FAIL(err, CR_INVALID, "nobody may sign in: there is no line 'allow = ...'");
        cr_err_hint(err, "name a group or an entitlement; 'allow = *' lets in everybody who has an account there");
        return CR_INVALID;
    }
    return CR_OK;
}

typedef struct reading {
    cr_provider *provider;
    bool first;
} reading;

static cr_status set_line(void *user, char *key, char *value, cr_err *err) {
    reading *r = user;
    bool first = r->first;
    r->first = false;
    if (!first && strcmp(key, "preset") == 0)
        return CR_FAIL(err, CR_INVALID, "preset: this line comes first, because it replaces others");
    return set_key(r->provider, key, value, err);
}

cr_status cr_provider_parse(const char *name, char *text, cr_provider *ret_provider, cr_err *err) {
    cr_provider p;
    memset(&p, 0, sizeof p);
    if (!cr_provider_name_is_valid(name))
        return CR_FAIL(err, CR_INVALID, "'%.60s' cannot name a provider: lower-case letters, digits and '-', beginning with a letter, at most %d",
                       name, CR_PROVIDER_NAME_MAX);
    strcpy(p.name, name);
    CR_TRY(set_preset(&p, "oidc", err));
    p.clock_skew_s = 60;
    p.session_hours = 24;
    p.token_days = 30;
    snprintf(p.groups_prefix, sizeof p.groups_prefix, "%s:", name);
    p.algs = CR_JOSE_ALL_ALGS;
    reading r = {&p, true};
    CR_TRY(cr_settings_read(text, NULL, set_line, &r, err));
    CR_TRY(cr_provider_check(&p, err));
    *ret_provider = p;
    return CR_OK;
}

cr_status cr_provider_set_secret(cr_provider *p, const char *text, size_t n, cr_err *err) {
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (n == 0 || n >= sizeof p->secret)
        return CR_FAIL(err, CR_INVALID, "the secret is empty or longer than %zu characters", sizeof p->secret - 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7F)
            return CR_FAIL(err, CR_INVALID, "the secret has a character that is not printable, or more than one line");
    memset(p->secret, 0, sizeof p->secret);
    memcpy(p->secret, text, n);
    return CR_OK;
}

void cr_provider_help(cr_buf *out) {
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        cr_setting_help(out, rows[i].key, rows[i].value_name, rows[i].help);
}
