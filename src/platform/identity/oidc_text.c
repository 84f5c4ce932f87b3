/* oidc_text.c - discovery, requests, answers, claims. */
#include "platform/identity/oidc_text.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>
#include "base/hex.h"
#include "base/text.h"
#include "platform/http/pairs.h"
#include "platform/identity/jose.h"
#include "platform/identity/user_names.h"

enum { AGE_MAX_S = 600, AUDIENCES_MAX = 32 };

static json_t *parse(const char *text, size_t n, const char *what, cr_err *err) {
    json_error_t je;
    if (n > CR_OIDC_DOCUMENT_MAX) {
        (void)CR_FAIL(err, CR_LIMIT, "%s is larger than %d KiB", what, CR_OIDC_DOCUMENT_MAX >> 10);
        return NULL;
    }
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
    if (json_is_object(value))
        return value;
    (void)CR_FAIL(err, CR_FORMAT, "%s is not a JSON object%s%s", what, value ? "" : ": ", value ? "" : je.text);
    json_decref(value);
    return NULL;
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static bool list_has(const json_t *list, const char *text) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), text) == 0)
            return true;
    return false;
}

/* ---- discovery ---- */

char *cr_oidc_discovery_url(const cr_provider *p, char buf[CR_OIDC_URL_MAX]) {
    size_t n = strlen(p->issuer);
    while (n && p->issuer[n - 1] == '/')      /* Discovery 4.1 */
        n--;
    snprintf(buf, CR_OIDC_URL_MAX, "%.*s/.well-known/openid-configuration", (int)n, p->issuer);
    return buf;
}

static cr_status take_endpoint(const cr_provider *p, const json_t *doc, const char *name, bool needed, char out[CR_OIDC_URL_MAX], cr_err *err) {
    const char *url = text_of(doc, name);
    char origin[320];
    if (!url[0] && !needed) {
        out[0] = 0;
        return CR_OK;
    }
    if (!url[0] || strlen(url) >= CR_OIDC_URL_MAX || strchr(url, '#'))
        return CR_FAIL(err, CR_FORMAT, "the provider's %s is missing, too long or has a fragment", name);
    cr_status status = cr_url_origin(url, origin, err);
    if (status == CR_OK && !cr_provider_owns(p, url)) {
        status = CR_FAIL(err, CR_DENIED, "the provider's %s is at %s, which is not among its hosts", name, origin);
        cr_err_hint(err, "if that is right, add the host to the line 'hosts = ...' of the provider's settings");
    }
    if (status == CR_OK)
        snprintf(out, CR_OIDC_URL_MAX, "%s", url);
    else
        cr_err_context(err, "%s", name);
    return status;
}

static cr_status read_abilities(const cr_provider *p, const json_t *doc, cr_oidc_meta *m, cr_err *err) {
    const json_t *algs = json_object_get(doc, "id_token_signing_alg_values_supported"), *methods = json_object_get(doc, "code_challenge_methods_supported"),
                 *auth = json_object_get(doc, "token_endpoint_auth_methods_supported");
    m->algs = p->algs;
    if (json_is_array(algs)) {
        size_t i;
        json_t *one;
        m->algs = 0;
        json_array_foreach(algs, i, one)
            m->algs |= cr_jose_alg_bit(json_string_value(one)) & p->algs;
    }
    if (!m->algs)
        return CR_FAIL(err, CR_UNSUPPORTED, "the provider signs with no algorithm that is allowed here");
    if (json_is_array(methods) && !list_has(methods, "S256"))
        return CR_FAIL(err, CR_UNSUPPORTED, "the provider does not know PKCE with S256");
    /* Discovery 3: client_secret_basic is meant where nothing is said. */
    if (json_is_array(auth) && p->secret[0] && !list_has(auth, "client_secret_basic")) {
        if (!list_has(auth, "client_secret_post"))
            return CR_FAIL(err, CR_UNSUPPORTED, "the provider takes the client secret neither by HTTP Basic nor in a form");
        m->secret_in_form = true;
    }
    m->answers_with_issuer = json_is_true(json_object_get(doc, "authorization_response_iss_parameter_supported"));
    return CR_OK;
}

cr_status cr_oidc_read_meta(const cr_provider *p, const char *text, size_t n, cr_oidc_meta *ret_meta, cr_err *err) {
    cr_oidc_meta m;
    memset(&m, 0, sizeof m);
    json_t *doc = parse(text, n, "the provider's discovery document", err);
    if (!doc)
        return CR_FORMAT;
    cr_status status = CR_OK;
    if (strcmp(text_of(doc, "issuer"), p->issuer) != 0) {
        status = CR_FAIL(err, CR_DENIED, "the discovery document is of the issuer '%.200s', not of '%s'", text_of(doc, "issuer"), p->issuer);
        cr_err_hint(err, "the issuer in the settings must be the same text, also at its end");
    }
    if (status == CR_OK)
        status = take_endpoint(p, doc, "authorization_endpoint", true, m.authorize, err);
    if (status == CR_OK)
        status = take_endpoint(p, doc, "token_endpoint", true, m.token, err);
    if (status == CR_OK)
        status = take_endpoint(p, doc, "jwks_uri", true, m.keys, err);
    if (status == CR_OK)
        status = take_endpoint(p, doc, "userinfo_endpoint", false, m.userinfo, err);
    if (status == CR_OK)
        status = take_endpoint(p, doc, "end_session_endpoint", false, m.end_session, err);
    if (status == CR_OK)
        status = read_abilities(p, doc, &m, err);
    json_decref(doc);
    if (status == CR_OK)
        *ret_meta = m;
    return status;
}

/* ---- the way there ---- */

static void add_pair(cr_buf *out, const char *between, const char *name, const char *value) {
    cr_buf_addf(out, "%s%s=", between, name);
    cr_percent_encode(out, value, NULL);
}

void cr_oidc_authorize_url(const cr_provider *p, const cr_oidc_meta *m, const cr_oidc_ask *ask, cr_buf *out) {
    cr_buf_adds(out, m->authorize);
    add_pair(out, strchr(m->authorize, '?') ? "&" : "?", "response_type", "code");
    add_pair(out, "&", "client_id", p->client_id);
    add_pair(out, "&", "redirect_uri", ask->redirect);
    add_pair(out, "&", "scope", p->scopes);
    add_pair(out, "&", "state", ask->state);
    add_pair(out, "&", "nonce", ask->nonce);
    add_pair(out, "&", "code_challenge", ask->challenge);
    add_pair(out, "&", "code_challenge_method", "S256");
    if (ask->again)
        cr_buf_adds(out, "&prompt=login&max_age=0");
}

void cr_oidc_token_form(const cr_provider *p, const cr_oidc_meta *m, const char *code, const char *redirect, const char *verifier, cr_buf *out) {
    cr_buf_adds(out, "grant_type=authorization_code");
    add_pair(out, "&", "code", code);
    add_pair(out, "&", "redirect_uri", redirect);
    add_pair(out, "&", "code_verifier", verifier);
    if (m->secret_in_form || !p->secret[0])
        add_pair(out, "&", "client_id", p->client_id);
    if (m->secret_in_form && p->secret[0])
        add_pair(out, "&", "client_secret", p->secret);
}

/* ---- the way back ---- */

/* What a provider says of an error, cut to what may stand in a page and a log. */
static void plain(const char *text, char out[160]) {
    size_t n = 0;
    for (; *text && n < 150; text++)
        if ((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7F)
            out[n++] = *text;
    out[n] = 0;
}

static cr_status read_tokens(int status, const char *text, size_t n, bool signs, cr_arena *arena, cr_oidc_tokens *ret_tokens, cr_err *err) {
    json_t *doc = parse(text, n, "the answer of the token endpoint", err);
    if (!doc) {
        if (status != 200)
            return CR_FAIL(err, CR_FORMAT, "the token endpoint answered with status %d", status);
        return CR_FORMAT;
    }
    cr_status result = CR_OK;
    char word[160], more[160];
    plain(text_of(doc, "error"), word);
    plain(text_of(doc, "error_description"), more);
    const char *id = text_of(doc, "id_token"), *access = text_of(doc, "access_token"), *type = text_of(doc, "token_type");
    if (status != 200 || word[0])
        result = CR_FAIL(err, CR_DENIED, "the provider did not exchange the code: %s%s%s (status %d)", word[0] ? word : "no reason given", more[0] ? ", " : "",
                         more, status);
    else if (signs ? !id[0] : !access[0])
        result = CR_FAIL(err, CR_FORMAT, "the provider sent no %s token", signs ? "ID" : "access");
    else if (access[0] && type[0] && strcasecmp(type, "Bearer") != 0)
        result = CR_FAIL(err, CR_FORMAT, "the provider's access token is of an unknown type");
    if (result == CR_OK) {
        ret_tokens->id_token = cr_arena_strdup(arena, id);
        ret_tokens->access_token = cr_arena_strdup(arena, access);
        if (!ret_tokens->id_token || !ret_tokens->access_token)
            result = CR_FAIL(err, CR_LIMIT, "the provider's tokens are too large");
    }
    json_decref(doc);
    return result;
}

cr_status cr_oidc_read_tokens(int status, const char *text, size_t n, cr_arena *arena, cr_oidc_tokens *ret_tokens, cr_err *err) {
    return read_tokens(status, text, n, true, arena, ret_tokens, err);
}

cr_status cr_oidc_read_access(int status, const char *text, size_t n, cr_arena *arena, cr_oidc_tokens *ret_tokens, cr_err *err) {
    return read_tokens(status, text, n, false, arena, ret_tokens, err);
}

static bool is_audience(const json_t *aud, const char *client_id) {
    if (json_is_string(aud))
        return strcmp(json_string_value(aud), client_id) == 0;
    return json_is_array(aud) && json_array_size(aud) <= AUDIENCES_MAX && list_has(aud, client_id);
}

static bool is_time(const json_t *value, int64_t *ret_s) {
    double v = json_number_value(value);
    if (!json_is_number(value) || !isfinite(v) || v < 0 || v > 1e11)
        return false;
    *ret_s = (int64_t)v;
    return true;
}

static cr_status check_times(const json_t *claims, int64_t skew, int64_t now, cr_err *err) {
    const json_t *nbf = json_object_get(claims, "nbf");
    int64_t exp, iat, from;
    if (!is_time(json_object_get(claims, "exp"), &exp) || !is_time(json_object_get(claims, "iat"), &iat))
        return CR_FAIL(err, CR_FORMAT, "the ID token does not say when it was issued or when it ends");
    cr_status status = CR_OK;
    if (nbf && !is_time(nbf, &from))
        return CR_FAIL(err, CR_FORMAT, "the ID token's nbf is not a time");
    if (exp <= now - skew)
        status = CR_FAIL(err, CR_DENIED, "the ID token ended %lld s ago", (long long)(now - exp));
    else if (iat > now + skew || (nbf && from > now + skew))
        status = CR_FAIL(err, CR_DENIED, "the ID token is valid only in %lld s", (long long)(CR_MAX(iat, nbf ? from : iat) - now));
    else if (iat < now - skew - AGE_MAX_S)
        status = CR_FAIL(err, CR_DENIED, "the ID token was issued %lld s ago, though it was asked for just now", (long long)(now - iat));
    if (status != CR_OK)
        cr_err_hint(err, "the clocks of this machine and of the provider disagree by more than the tolerance of %lld s", (long long)skew);
    return status;
}

static bool is_subject(const json_t *sub) {
    const char *text = json_string_value(sub);
    size_t n = json_string_length(sub);
    if (!text || n == 0 || n > CR_OIDC_SUBJECT_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    return true;
}

/* With max_age in the question the answer has to hold it (OpenID Connect Core 2 and 3.1.2.1). */
static cr_status check_asked(const json_t *claims, int64_t skew, int64_t asked_s, cr_err *err) {
    int64_t at;
    if (!is_time(json_object_get(claims, "auth_time"), &at))
        return CR_FAIL(err, CR_DENIED, "the ID token does not say when you signed in there (auth_time), though that was asked for");
    if (at < asked_s - skew)
        return CR_FAIL(err, CR_DENIED, "you signed in there %lld s ago and were not asked again", (long long)(asked_s - at));
    return CR_OK;
}

/* The same text; Google also leaves the scheme out, as its documentation and OpenID Connect Core (15.6.2) say. */
static bool is_issuer(const cr_provider *p, const char *iss) {
    return strcmp(iss, p->issuer) == 0 || (strcmp(p->issuer, "https://accounts.google.com") == 0 && strcmp(iss, "accounts.google.com") == 0);
}

cr_status cr_oidc_check_claims(const cr_provider *p, const json_t *claims, const cr_oidc_expect *expect, cr_err *err) {
    const json_t *aud = json_object_get(claims, "aud"), *azp = json_object_get(claims, "azp"), *at_hash = json_object_get(claims, "at_hash");
    const char *nonce = text_of(claims, "nonce");
    if (!is_issuer(p, text_of(claims, "iss")))
        return CR_FAIL(err, CR_DENIED, "the ID token is of the issuer '%.200s', not of '%s'", text_of(claims, "iss"), p->issuer);
    if (!is_audience(aud, p->client_id))
        return CR_FAIL(err, CR_DENIED, "the ID token was made for another service");
    if (azp ? !json_is_string(azp) || strcmp(json_string_value(azp), p->client_id) != 0 : json_array_size(aud) > 1)
        return CR_FAIL(err, CR_DENIED, "the ID token was given to another service");
    CR_TRY(check_times(claims, p->clock_skew_s, expect->now_s, err));
    if (strlen(nonce) != strlen(expect->nonce) || !cr_equal_const(nonce, expect->nonce, strlen(nonce)))
        return CR_FAIL(err, CR_DENIED, "the ID token belongs to another sign-in");
    if (at_hash && expect->access_token[0] &&
        (!json_is_string(at_hash) || !cr_jose_hash_is_right(expect->alg, expect->access_token, json_string_value(at_hash))))
        return CR_FAIL(err, CR_DENIED, "the ID token belongs to another access token");
    if (!is_subject(json_object_get(claims, "sub")))
        return CR_FAIL(err, CR_FORMAT, "the ID token names no subject");
    return expect->asked_s ? check_asked(claims, p->clock_skew_s, expect->asked_s, err) : CR_OK;
}

/* A claim by name, at the top or, for names with dots such as realm_access.roles, inside; NULL when absent. */
static const json_t *find_claim(const json_t *claims, const char *name) {
    const json_t *whole = json_object_get(claims, name);
    if (whole)
        return whole;
    char part[64];
    const char *rest = name;
    for (int depth = 0; depth < 4 && claims; depth++) {
        size_t n = strcspn(rest, ".");
        if (n == 0 || n >= sizeof part)
            return NULL;
        memcpy(part, rest, n);
        part[n] = 0;
        claims = json_object_get(claims, part);
        if (!rest[n])
            return claims;
        rest += n + 1;
    }
    return NULL;
}

/* Check-in has entitlements under a second name for services that are registered for the scope `entitlements`. */
static const json_t *groups_of(const cr_provider *p, const json_t *claims) {
    const json_t *groups = find_claim(claims, p->groups_claim);
    return groups || strcmp(p->groups_claim, "eduperson_entitlement") != 0 ? groups : find_claim(claims, "entitlements");
}

bool cr_oidc_wants_userinfo(const cr_provider *p, const json_t *claims) {
    return !find_claim(claims, p->name_claim) || !groups_of(p, claims) || !json_object_get(claims, "name") ||
           !json_object_get(claims, "email");
}

cr_status cr_oidc_merge_userinfo(json_t *claims, const char *text, size_t n, cr_err *err) {
    json_t *info = parse(text, n, "the provider's userinfo", err);
    if (!info)
        return CR_FORMAT;
    cr_status status = CR_OK;
    if (!is_subject(json_object_get(info, "sub")) || strcmp(text_of(info, "sub"), text_of(claims, "sub")) != 0)
        status = CR_FAIL(err, CR_DENIED, "the provider's userinfo speaks of another person than its token");
    else if (json_object_update_missing(claims, info) != 0)
        status = CR_FAIL(err, CR_MEMORY, "no memory for the provider's claims");
    json_decref(info);
    return status;
}

/* ---- the way out ---- */

#define LOGOUT_EVENT "http://schemas.openid.net/event/backchannel-logout"

const char *cr_oidc_sid(const json_t *claims) {
    const json_t *sid = json_object_get(claims, "sid");
    return is_subject(sid) ? json_string_value(sid) : "";
}

cr_status cr_oidc_read_logout(const cr_provider *p, const json_t *claims, int64_t now_s, cr_oidc_logout *ret_logout, cr_err *err) {
    const json_t *sub = json_object_get(claims, "sub"), *sid = json_object_get(claims, "sid"), *jti = json_object_get(claims, "jti");
    if (strcmp(text_of(claims, "iss"), p->issuer) != 0)
        return CR_FAIL(err, CR_DENIED, "the logout token is of another issuer");
    if (!is_audience(json_object_get(claims, "aud"), p->client_id))
        return CR_FAIL(err, CR_DENIED, "the logout token was made for another service");
    if (!json_is_object(json_object_get(json_object_get(claims, "events"), LOGOUT_EVENT)))
        return CR_FAIL(err, CR_DENIED, "this is no logout token");
    if (json_object_get(claims, "nonce"))      /* an ID token must not do for one */
        return CR_FAIL(err, CR_DENIED, "a logout token has no nonce");
    CR_TRY(check_times(claims, p->clock_skew_s, now_s, err));
    if ((sub && !is_subject(sub)) || (sid && !is_subject(sid)) || (!sub && !sid))
        return CR_FAIL(err, CR_FORMAT, "the logout token says not whom it means");
    if (!is_subject(jti))
        return CR_FAIL(err, CR_FORMAT, "the logout token has no name of its own (jti)");
    *ret_logout = (cr_oidc_logout){sub ? json_string_value(sub) : "", sid ? json_string_value(sid) : "", json_string_value(jti),
                                   now_s + AGE_MAX_S + 2 * p->clock_skew_s + 1};
    return CR_OK;
}

void cr_oidc_end_session_url(const cr_provider *p, const cr_oidc_meta *m, const char *back, cr_buf *out) {
    cr_buf_adds(out, m->end_session);
    add_pair(out, strchr(m->end_session, '?') ? "&" : "?", "client_id", p->client_id);
    add_pair(out, "&", "post_logout_redirect_uri", back);
}

/* ---- who it is, and may they ---- */

static void take_group(cr_oidc_who *who, const json_t *value) {
    char name[CR_GROUP_NAME_MAX + 1];
    if (json_is_string(value) && who->n_groups < CR_OIDC_GROUPS_MAX && json_string_length(value) <= CR_ENTITLEMENT_MAX &&
        cr_entitlement_group(json_string_value(value), name))
        who->groups[who->n_groups++] = json_string_value(value);
}

static bool has_group(const cr_oidc_who *who, const char *rule) {
    for (int i = 0; i < who->n_groups; i++)
        if (cr_entitlement_matches(rule, who->groups[i]))
            return true;
    return false;
}

static bool has_email(const cr_oidc_who *who, const char *rule) {
    if (!who->email_verified || !who->email[0])
        return false;
    const char *at = strrchr(who->email, '@');
    return rule[0] == '@' ? at && strcasecmp(at, rule) == 0 : strcasecmp(who->email, rule) == 0;
}

static bool rule_fits(const cr_oidc_who *who, const cr_provider_rule *r) {
    switch (r->kind) {
    case CR_RULE_ALLOW: return strcmp(r->text, "*") == 0 || has_group(who, r->text);
    case CR_RULE_ADMIN: return has_group(who, r->text);
    case CR_RULE_ALLOW_EMAIL: return has_email(who, r->text);
    default: return strcmp(who->subject, r->text) == 0;
    }
}

/* For people to read, and to be stored: what is longer than any name is not one. */
static const char *short_text(const json_t *value) {
    return json_is_string(value) && json_string_length(value) <= CR_OIDC_SUBJECT_MAX ? json_string_value(value) : "";
}

/* ORCID sends the parts of a name, and the whole as null. */
static void join_names(const json_t *claims, cr_oidc_who *who) {
    const char *given = short_text(json_object_get(claims, "given_name")), *family = short_text(json_object_get(claims, "family_name"));
    snprintf(who->joined, sizeof who->joined, "%s%s%s", given, given[0] && family[0] ? " " : "", family);
    if (strlen(who->joined) <= CR_OIDC_SUBJECT_MAX)
        who->shown = who->joined;
}

void cr_oidc_read_who(const cr_provider *p, const json_t *claims, cr_oidc_who *who) {
    memset(who, 0, sizeof *who);
    const json_t *name = find_claim(claims, p->name_claim), *groups = groups_of(p, claims);
    who->subject = text_of(claims, "sub");
    who->name = short_text(name);
    who->email = short_text(json_object_get(claims, "email"));
    who->shown = short_text(json_object_get(claims, "name"));
    if (!who->shown[0])
        join_names(claims, who);
    who->email_verified = json_is_true(json_object_get(claims, "email_verified"));
    who->has_groups = json_is_array(groups) || json_is_string(groups);
    if (json_is_string(groups))
        take_group(who, groups);
    size_t i;
    json_t *one;
    json_array_foreach(groups, i, one)
        take_group(who, one);
    for (int k = 0; k < p->n_rules; k++) {
        const cr_provider_rule *r = &p->rules[k];
        bool *which = r->kind == CR_RULE_ADMIN || r->kind == CR_RULE_ADMIN_SUBJECT ? &who->admin : &who->allowed;
        *which = *which || rule_fits(who, r);
    }
    /* Who is appointed administrator need not be let in by a line of their own. */
    who->allowed = who->allowed || who->admin;
}

void cr_oidc_name_choice(const char *text, int n, char *out) {
    char base[CR_NAME_MAX + 1];
    size_t len = 0;
    if (cr_name_normalize(text, base, NULL) == CR_OK) {
        len = strlen(base);
    } else {
        for (const char *p = text; *p && len < CR_NAME_MAX; p++) {
            char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
            if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (len && strchr("._-@", c)))
                base[len++] = c;
            else if (len && base[len - 1] != '-')
                base[len++] = '-';
        }
        while (len && strchr("._-@", base[len - 1]))
            len--;
        base[len] = 0;
        if (len == 0 || strncmp(base, "xn--", 4) == 0)
            len = (size_t)snprintf(base, sizeof base, "user");
    }
    char suffix[16] = "";
    if (n > 1)
        snprintf(suffix, sizeof suffix, "-%d", n);
    size_t keep = CR_MIN(len, CR_NAME_MAX - strlen(suffix));
    /* Cut where a name may end. */
    while (keep > 1 && suffix[0] == 0 && strchr("._-@", base[keep - 1]))
        keep--;
    snprintf(out, CR_NAME_MAX + 1, "%.*s%s", (int)keep, base, suffix);
}
