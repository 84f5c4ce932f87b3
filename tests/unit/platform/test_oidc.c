/* test_oidc.c - settings of providers, discovery, claims, entitlements, people of a provider: everything of a sign-in but the network. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "platform/db/schema.h"
#include "platform/identity/groups.h"
#include "platform/identity/identities.h"
#include "platform/identity/jose.h"
#include "platform/identity/onetime.h"
#include "platform/identity/session.h"

#define MEMBER "urn:mace:egi.eu:group:vo.example.eu:role=member#aai.egi.eu"

static cr_provider parsed(const char *text) {
    cr_provider p;
    char copy[4096];
    cr_err err = CR_ERR_INIT;
    snprintf(copy, sizeof copy, "%s", text);
    ck_assert_ok(cr_provider_parse("egi", copy, &p, &err));
    return p;
}

static cr_provider egi(void) {
    return parsed("preset = egi\nclient-id = hub\nallow = " MEMBER "\nadmin = urn:mace:egi.eu:group:vo.example.eu:admins\n");
}

/* ---- settings ---- */

START_TEST(presets) {
    cr_provider p = egi();
    ck_assert_str_eq(p.issuer, "https://aai.egi.eu/auth/realms/egi");
    ck_assert_str_eq(p.label, "EGI Check-in");
    ck_assert_str_eq(p.name_claim, "preferred_username");
    ck_assert_str_eq(p.groups_claim, "eduperson_entitlement");
    ck_assert_ptr_nonnull(strstr(p.scopes, "voperson_id"));
    ck_assert_int_eq(p.n_rules, 2);
    ck_assert_int_eq(p.session_hours, 24);
    p = parsed("# a comment\n\n preset = google \nclient-id=x\nallow-email = @example.org\nlabel = Our Google\nclock-skew = 0\nalgorithms = RS256, ES256\n");
    ck_assert_str_eq(p.label, "Our Google");
    ck_assert_int_eq(p.clock_skew_s, 0);
    ck_assert_uint_eq(p.algs, cr_jose_alg_bit("RS256") | cr_jose_alg_bit("ES256"));
    ck_assert(cr_provider_owns(&p, "https://oauth2.googleapis.com/token"));
    ck_assert(cr_provider_owns(&p, "https://ACCOUNTS.google.com:443/o/oauth2/v2/auth"));
    ck_assert(!cr_provider_owns(&p, "https://oauth2.googleapis.com.evil.example/token"));
    ck_assert(!cr_provider_owns(&p, "https://oauth2.googleapis.com:8443/token"));
    ck_assert(!cr_provider_owns(&p, "https://accounts.google.com@evil.example/"));
}
END_TEST

/* Each provider's own facts, as its documentation has them (docs/signin.md). */
START_TEST(what_each_preset_says) {
    static const char check_in[] = "openid profile email voperson_id eduperson_entitlement", entitlement[] = "eduperson_entitlement", usual[] = "openid profile email";
    static const struct { const char *preset, *label, *issuer, *scopes, *name, *groups; } says[] = {
        {"egi", "EGI Check-in", "https://aai.egi.eu/auth/realms/egi", check_in, "preferred_username", entitlement},
        {"egi-demo", "EGI Check-in (demo)", "https://aai-demo.egi.eu/auth/realms/egi", check_in, "preferred_username", entitlement},
        {"egi-dev", "EGI Check-in (development)", "https://aai-dev.egi.eu/auth/realms/egi", check_in, "preferred_username", entitlement},
        {"google", "Google", "https://accounts.google.com", usual, "email", "hd"},
        {"orcid", "ORCID", "https://orcid.org", "openid", "sub", "groups"},
        {"github", "GitHub", "https://github.com", "read:user user:email read:org", "login", "groups"},
        {"keycloak", "Single sign-on", "https://sso.example.org/realms/x", usual, "preferred_username", "groups"},
        {"oidc", "Single sign-on", "https://sso.example.org/realms/x", usual, "preferred_username", "groups"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(says); i++) {
        const bool own_issuer = strstr(says[i].issuer, "example") != NULL;
        char text[160];
        snprintf(text, sizeof text, "preset = %s\n%s%s\nclient-id = x\nallow = *\n", says[i].preset, own_issuer ? "issuer = " : "", own_issuer ? says[i].issuer : "");
        cr_provider p = parsed(text);
        ck_assert_str_eq(p.label, says[i].label);
        ck_assert_str_eq(p.issuer, says[i].issuer);
        ck_assert_str_eq(p.scopes, says[i].scopes);
        ck_assert_str_eq(p.name_claim, says[i].name);
        ck_assert_str_eq(p.groups_claim, says[i].groups);
    }
    cr_provider p;
    cr_err err = CR_ERR_INIT;
    char text[] = "preset = keycloak\nclient-id = x\nallow = *\n";
    ck_assert_fails(cr_provider_parse("keycloak", text, &p, &err), CR_INVALID);      /* whose? */
}
END_TEST

START_TEST(bad_settings) {
    static const struct { const char *text, *says; } rows[] = {
        {"client-id = x\nallow = *\n", "issuer = ...' is missing"},
        {"issuer = https://a.example\nallow = *\n", "client-id = ...' is missing"},
        {"preset = egi\nclient-id = x\n", "nobody may sign in"},
        {"preset = egi\nclient-id = x\nadmin = g\n", "nobody may sign in"},
        {"preset = nonsense\n", "line 1: preset"},
        {"client-id = x\npreset = egi\n", "line 2: preset: this line comes first"},
        {"preset = egi\nclient-id = x\nallow\n", "line 3: 'allow' is not of the form"},
        {"preset = egi\nclient_id = x\n", "there is no setting 'client_id'"},
        {"preset = egi\nsecret = x\n", "there is no setting 'secret'"},
        {"issuer = http://a.example/\n", "not https"},
        {"issuer = ftp://a.example/\n", "not an https address"},
        {"issuer = https://a.example:99999/\n", "no usable port"},
        {"issuer = https://user@a.example/\n", "no host name"},
        {"issuer = https://a b/\n", "a character that an address cannot have"},
        {"issuer = https://a.example/?x=1\nclient-id = x\nallow = *\n", "no '?'"},
        {"preset = egi\nclient-id = x\nallow = urn:mace:egi.eu:grupo:x\n", "names no group"},
        {"preset = egi\nclient-id = x\nadmin = *\n", "not everybody can be administrator"},
        {"preset = egi\nclient-id = x\nallow =\n", "empty"},
        {"preset = egi\nallow-email = nobody\n", "neither an address"},
        {"preset = egi\nscopes = profile\nclient-id = x\nallow = *\n", "'openid' is missing"},
        {"preset = egi\nscopes = openidx\nclient-id = x\nallow = *\n", "'openid' is missing"},
        {"preset = egi\nalgorithms = RS256,HS256\n", "'HS256' is none of"},
        {"preset = egi\nalgorithms = none\n", "'none' is none of"},
        {"preset = egi\nclock-skew = 301\n", "clock-skew"},
        {"preset = egi\nsession-hours = 0\n", "session-hours"},
        {"preset = egi\ncallback = elsewhere\n", "neither own nor jupyterhub"},
        {"preset = egi\nhosts = a.example,b c\n", ""},
        {"preset = egi\nhosts = a.example/path?x\n", ""},
        {"preset = egi\nname-claim = a\"b\n", "not the name of a claim"},
        {"preset = egi\nlabel = a\x01" "b\n", "not plain text"},
        {"preset = egi\nlabel = \xC3\x28\n", "not plain text"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_provider p;
        char copy[1024];
        cr_err err = CR_ERR_INIT;
        snprintf(copy, sizeof copy, "%s", rows[i].text);
        cr_status status = cr_provider_parse("egi", copy, &p, &err);
        ck_assert_msg(status != CR_OK && strstr(err.message, rows[i].says), "%s: %s (%s)", rows[i].text, cr_status_name(status), err.message);
    }
    cr_provider p;
    cr_err err = CR_ERR_INIT;
    char many[16384] = "preset = egi\n", empty[] = "";
    for (int i = 0; i <= CR_PROVIDER_RULES; i++)
        strcat(many, "allow = g\n");
    ck_assert_fails(cr_provider_parse("egi", many, &p, &err), CR_LIMIT);
    static const char *const names[] = {"", "Egi", "1egi", "egi-", "a/b", "..", "egi.conf", "abcdefghijklmnopqrstuvwxyzabcdefg"};
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        ck_assert_fails(cr_provider_parse(names[i], empty, &p, &err), CR_INVALID);
}
END_TEST

START_TEST(secrets) {
    cr_provider p = egi();
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_provider_set_secret(&p, "s3cret\r\n", 8, &err));
    ck_assert_str_eq(p.secret, "s3cret");
    char large[300];
    memset(large, 'x', sizeof large);
    ck_assert_fails(cr_provider_set_secret(&p, large, sizeof large, &err), CR_INVALID);
    ck_assert_fails(cr_provider_set_secret(&p, "", 0, &err), CR_INVALID);
    ck_assert_fails(cr_provider_set_secret(&p, "\n", 1, &err), CR_INVALID);
    ck_assert_fails(cr_provider_set_secret(&p, "a\nb", 3, &err), CR_INVALID);
    ck_assert_fails(cr_provider_set_secret(&p, "a\0b", 3, &err), CR_INVALID);
    ck_assert_str_eq(p.secret, "s3cret");
}
END_TEST

START_TEST(origins) {
    static const struct { const char *url, *origin; } rows[] = {
        {"https://A.Example/x", "https://a.example"}, {"https://a.example:443", "https://a.example"}, {"https://a.example:8443/y?z#f", "https://a.example:8443"},
        {"http://127.0.0.1:8080/x", "http://127.0.0.1:8080"}, {"http://localhost/", "http://localhost"}, {"http://[::1]:80/", "http://[::1]"},
        {"http://a.example/", NULL}, {"http://127.0.0.1.evil.example/", NULL}, {"http://localhost.evil.example/", NULL}, {"http://10.0.0.1/", NULL},
        {"https://", NULL}, {"https:///x", NULL}, {"https://a.example:/", NULL}, {"https://a.example:0/", NULL}, {"https://a@b/", NULL},
        {"https://a.example\\@b/", NULL}, {"//a.example/", NULL}, {"javascript:alert(1)", NULL}, {"https://[fe80::1]/", NULL}, {"https://a..b\n/", NULL},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        char origin[320];
        cr_err err = CR_ERR_INIT;
        cr_status status = cr_url_origin(rows[i].url, origin, &err);
        ck_assert_msg((status == CR_OK) == (rows[i].origin != NULL), "%s: %s", rows[i].url, err.message);
        if (rows[i].origin)
            ck_assert_str_eq(origin, rows[i].origin);
    }
}
END_TEST

/* ---- entitlements ---- */

START_TEST(entitlements) {
    static const struct { const char *text, *group, *role, *authority; } rows[] = {
        {MEMBER, "vo.example.eu", "member", "aai.egi.eu"},
        {"urn:mace:egi.eu:group:vo.example.eu:field:role=member#aai.egi.eu", "vo.example.eu:field", "member", "aai.egi.eu"},
        {"urn:mace:egi.eu:group:vo.example.eu:a:b", "vo.example.eu:a:b", "", ""},
        {"URN:MACE:EGI.eu:group:vo%20x#A", "vo x", "", "a"},
        {"urn:geant:h-df.de:group:HDF#login.helmholtz.de", "HDF", "", "login.helmholtz.de"},
        {"urn:mace:egi.eu:group:a%3Ab", "a%3Ab", "", ""},
        {"urn:mace:egi.eu:group:", NULL, NULL, NULL}, {"urn:mace:egi.eu:group::x", NULL, NULL, NULL}, {"urn:mace:egi.eu:group:x:", NULL, NULL, NULL},
        {"urn:mace:egi.eu:group:x#", NULL, NULL, NULL}, {"urn:mace:egi.eu:group:x:role=#a", NULL, NULL, NULL}, {"urn:group:x", NULL, NULL, NULL},
        {"urn:mace:egi.eu:group:x%", NULL, NULL, NULL}, {"urn:mace:egi.eu:group:x%2", NULL, NULL, NULL}, {"urn:mace:egi.eu:group:x%00y", NULL, NULL, NULL},
        {"urn:mace:egi.eu:group:x%0Ay", NULL, NULL, NULL}, {"urn:mace:egi.eu:group:x:role=admin:role=member", NULL, NULL, NULL},
        {"urn:mace:egi.eu#x:group:y", NULL, NULL, NULL}, {"vo.example.eu", NULL, NULL, NULL}, {"", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_entitlement e;
        cr_err err = CR_ERR_INIT;
        cr_status status = cr_entitlement_parse(rows[i].text, &e, &err);
        ck_assert_msg((status == CR_OK) == (rows[i].group != NULL), "%s: %s", rows[i].text, err.message);
        if (status != CR_OK)
            continue;
        ck_assert_str_eq(e.path, rows[i].group);
        ck_assert_str_eq(e.role, rows[i].role);
        ck_assert_str_eq(e.authority, rows[i].authority);
    }
}
END_TEST

START_TEST(entitlement_rules) {
    static const struct { const char *rule, *value; cr_entitlement_fit fit; } rows[] = {
        {MEMBER, MEMBER, CR_FIT_RIGHT},
        {"urn:mace:egi.eu:group:vo.example.eu", MEMBER, CR_FIT_RIGHT},
        {"urn:mace:egi.eu:group:vo.example.eu:role=member", MEMBER, CR_FIT_RIGHT},
        {MEMBER, "urn:mace:egi.eu:group:vo.example.eu:role=manager#aai.egi.eu", CR_FIT_ROLE},
        {MEMBER, "urn:mace:egi.eu:group:vo.example.eu#aai.egi.eu", CR_FIT_ROLE},
        {MEMBER, "urn:mace:egi.eu:group:vo.example.eu:role=member#aai-dev.egi.eu", CR_FIT_AUTHORITY},
        {MEMBER, "urn:mace:egi.eu:group:vo.example.eu:role=member", CR_FIT_AUTHORITY},
        {MEMBER, "urn:mace:evil:group:vo.example.eu:role=member#aai.egi.eu", CR_FIT_AUTHORITY},
        {MEMBER, "urn:mace:egi.eu:group:vo.example.eu:field:role=member#aai.egi.eu", CR_FIT_SUBGROUP},
        {"urn:mace:egi.eu:group:vo.example.eu:field", MEMBER, CR_FIT_NONE},
        {MEMBER, "urn:mace:egi.eu:group:vo.example.eu.evil:role=member#aai.egi.eu", CR_FIT_NONE},
        {MEMBER, "urn:mace:egi.eu:group:VO.example.eu:role=member#aai.egi.eu", CR_FIT_NONE},
        {"/staff", "/staff", CR_FIT_RIGHT}, {"/staff", "/staff/x", CR_FIT_NONE}, {"", "", CR_FIT_NONE}, {"staff", "Staff", CR_FIT_NONE},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        ck_assert_msg(cr_entitlement_compare(rows[i].rule, rows[i].value) == rows[i].fit, "%s against %s", rows[i].rule, rows[i].value);
        ck_assert(cr_entitlement_matches(rows[i].rule, rows[i].value) == (rows[i].fit == CR_FIT_RIGHT));
    }
    char name[CR_GROUP_NAME_MAX + 1];
    ck_assert(cr_entitlement_group(MEMBER, name));
    ck_assert_str_eq(name, "vo.example.eu");
    ck_assert(cr_entitlement_group("urn:mace:egi.eu:group:vo.example.eu:role=manager#x", name));
    ck_assert_str_eq(name, "vo.example.eu:role=manager");
    ck_assert(!cr_entitlement_group("", name));
    ck_assert(!cr_entitlement_group("a\nb", name));
}
END_TEST

/* ---- discovery ---- */

#define AT "https://aai.egi.eu/auth/realms/egi"
#define META(more) "{\"issuer\":\"" AT "\",\"authorization_endpoint\":\"" AT "/auth\",\"token_endpoint\":\"" AT "/token\",\"jwks_uri\":\"" AT "/certs\"" more "}"

START_TEST(discovery) {
    cr_provider p = egi();
    cr_oidc_meta m;
    cr_err err = CR_ERR_INIT;
    char url[CR_OIDC_URL_MAX];
    ck_assert_str_eq(cr_oidc_discovery_url(&p, url), AT "/.well-known/openid-configuration");
    static const struct { const char *text; cr_status expected; } rows[] = {
        {META(""), CR_OK},
        {META(",\"userinfo_endpoint\":\"" AT "/userinfo\",\"code_challenge_methods_supported\":[\"plain\",\"S256\"],"
              "\"id_token_signing_alg_values_supported\":[\"HS256\",\"ES256\",5],\"authorization_response_iss_parameter_supported\":true"), CR_OK},
        {META(",\"code_challenge_methods_supported\":[\"plain\"]"), CR_UNSUPPORTED},
        {META(",\"id_token_signing_alg_values_supported\":[\"HS256\",\"none\"]"), CR_UNSUPPORTED},
        {META(",\"userinfo_endpoint\":\"https://elsewhere.example/userinfo\""), CR_DENIED},
        {META(",\"userinfo_endpoint\":\"http://169.254.169.254/latest\""), CR_DENIED},
        {META(",\"userinfo_endpoint\":\"file:///etc/passwd\""), CR_INVALID},
        {META(",\"issuer\":\"x\""), CR_FORMAT},      /* twice the same name */
        {"{\"issuer\":\"https://aai.egi.eu/auth/realms/egi/\"}", CR_DENIED}, {"{\"issuer\":\"https://evil.example\"}", CR_DENIED},
        {"{\"issuer\":\"" AT "\"}", CR_FORMAT}, {"{}", CR_DENIED}, {"[]", CR_FORMAT}, {"", CR_FORMAT}, {"<html>", CR_FORMAT},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_status got = cr_oidc_read_meta(&p, rows[i].text, strlen(rows[i].text), &m, &err);
        ck_assert_msg(got == rows[i].expected, "%s: %s %s", rows[i].text, cr_status_name(got), err.message);
    }
    ck_assert_ok(cr_oidc_read_meta(&p, rows[1].text, strlen(rows[1].text), &m, &err));
    ck_assert_uint_eq(m.algs, cr_jose_alg_bit("ES256"));
    ck_assert(m.answers_with_issuer && !m.secret_in_form);
    const char *post = META(",\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"]"), *none = META(",\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\"]");
    ck_assert_ok(cr_provider_set_secret(&p, "s", 1, &err));
    ck_assert_ok(cr_oidc_read_meta(&p, post, strlen(post), &m, &err));
    ck_assert(m.secret_in_form);
    ck_assert_fails(cr_oidc_read_meta(&p, none, strlen(none), &m, &err), CR_UNSUPPORTED);
}
END_TEST

START_TEST(requests) {
    cr_provider p = egi();
    cr_oidc_meta m = {.authorize = "https://x.example/a?b=c"};
    const cr_oidc_ask ask = {"http://h/cb", "st", "no", "ch"};
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf url, form;
    cr_buf_init(&url, 4096);
    cr_buf_init(&form, 4096);
    cr_oidc_authorize_url(&p, &m, &ask, &url);
    ck_assert_str_eq(cr_buf_str(&url), "https://x.example/a?b=c&response_type=code&client_id=hub&redirect_uri=http%3A%2F%2Fh%2Fcb&scope=openid%20profile%20email%20"
                     "voperson_id%20eduperson_entitlement&state=st&nonce=no&code_challenge=ch&code_challenge_method=S256");
    ck_assert_ok(cr_provider_set_secret(&p, "a&b", 3, &err));
    cr_oidc_token_form(&p, &m, "c&d", "http://h/cb", "ver", &form);
    ck_assert_str_eq(cr_buf_str(&form), "grant_type=authorization_code&code=c%26d&redirect_uri=http%3A%2F%2Fh%2Fcb&code_verifier=ver");
    m.secret_in_form = true;
    cr_buf_clear(&form);
    cr_oidc_token_form(&p, &m, "c", "r", "v", &form);
    ck_assert_str_eq(cr_buf_str(&form), "grant_type=authorization_code&code=c&redirect_uri=r&code_verifier=v&client_id=hub&client_secret=a%26b");
}
END_TEST

START_TEST(token_answers) {
    static const struct { int status; const char *text; cr_status expected; } rows[] = {
        {200, "{\"id_token\":\"a.b.c\",\"access_token\":\"x\",\"token_type\":\"bearer\"}", CR_OK}, {200, "{\"id_token\":\"a.b.c\"}", CR_OK},
        {200, "{\"access_token\":\"x\"}", CR_FORMAT}, {200, "{\"id_token\":\"a\",\"access_token\":\"x\",\"token_type\":\"mac\"}", CR_FORMAT},
        {400, "{\"error\":\"invalid_grant\"}", CR_DENIED}, {200, "{\"error\":\"x\",\"id_token\":\"a.b.c\"}", CR_DENIED}, {400, "{\"id_token\":\"a.b.c\"}", CR_DENIED},
        {502, "<html>", CR_FORMAT}, {200, "", CR_FORMAT},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_auto_arena cr_arena a;
        cr_oidc_tokens t = {0};
        cr_err err = CR_ERR_INIT;
        cr_arena_init(&a, 1 << 20);
        cr_status got = cr_oidc_read_tokens(rows[i].status, rows[i].text, strlen(rows[i].text), &a, &t, &err);
        ck_assert_msg(got == rows[i].expected, "%s: %s", rows[i].text, cr_status_name(got));
    }
}
END_TEST

/* ---- claims ---- */

enum { NOW = 1800000000 };

static cr_status check_since(const char *change, const json_t *value, int64_t asked_s, cr_err *err) {
    cr_provider p = egi();
    const cr_oidc_expect expect = {.nonce = "n-1", .access_token = "", .alg = cr_jose_alg_bit("RS256"), .now_s = NOW, .asked_s = asked_s};
    json_t *claims = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "iss", AT, "aud", "hub", "sub", "abc@egi.eu", "iat", NOW - 5, "exp", NOW + 300, "nonce", "n-1");
    if (change && value)
        json_object_set_new(claims, change, (json_t *)(uintptr_t)value);
    else if (change)
        json_object_del(claims, change);
    cr_status status = cr_oidc_check_claims(&p, claims, &expect, err);
    json_decref(claims);
    return status;
}

static cr_status check(const char *change, const json_t *value, cr_err *err) { return check_since(change, value, 0, err); }

/* Asked anew at NOW - 100; the clocks may differ by 60 s. */
START_TEST(when_somebody_was_asked) {
    const struct { json_t *auth_time; cr_status expected; } rows[] = {
        {NULL, CR_DENIED}, {json_integer(NOW), CR_OK}, {json_integer(NOW - 100), CR_OK}, {json_integer(NOW - 159), CR_OK}, {json_integer(NOW - 161), CR_DENIED},
        {json_integer(0), CR_DENIED}, {json_integer(-5), CR_DENIED}, {json_string("1800000000"), CR_DENIED}, {json_real(NOW - 50.5), CR_OK},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_err err = CR_ERR_INIT;
        cr_status got = check_since("auth_time", rows[i].auth_time, NOW - 100, &err);
        ck_assert_msg(got == rows[i].expected, "row %zu: %s %s", i, cr_status_name(got), err.message);
    }
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(check("auth_time", json_string("whatever"), &err));       /* not asked for, not looked at */
}
END_TEST

START_TEST(claims_of_a_token) {
    const struct { const char *name; json_t *value; cr_status expected; } rows[] = {
        {NULL, NULL, CR_OK},
        {"iss", json_string("https://evil.example"), CR_DENIED}, {"iss", json_string(AT "/"), CR_DENIED}, {"iss", NULL, CR_DENIED}, {"iss", json_pack("[s]", AT), CR_DENIED},
        {"aud", json_string("other"), CR_DENIED}, {"aud", NULL, CR_DENIED}, {"aud", json_pack("[s]", "hub"), CR_OK}, {"aud", json_pack("[s, s]", "hub", "other"), CR_DENIED},
        {"aud", json_pack("[]"), CR_DENIED}, {"aud", json_pack("{s:s}", "hub", "hub"), CR_DENIED},
        {"azp", json_string("hub"), CR_OK}, {"azp", json_string("other"), CR_DENIED}, {"azp", json_integer(1), CR_DENIED},
        {"exp", json_integer(NOW - 61), CR_DENIED}, {"exp", json_integer(NOW - 30), CR_OK}, {"exp", NULL, CR_FORMAT}, {"exp", json_string("9999999999"), CR_FORMAT},
        {"exp", json_integer(-1), CR_FORMAT}, {"exp", json_real(1e300), CR_FORMAT}, {"exp", json_real(NOW + 30.5), CR_OK},
        {"iat", json_integer(NOW + 59), CR_OK}, {"iat", json_integer(NOW + 61), CR_DENIED}, {"iat", json_integer(NOW - 3600), CR_DENIED}, {"iat", NULL, CR_FORMAT},
        {"nbf", json_integer(NOW + 59), CR_OK}, {"nbf", json_integer(NOW + 120), CR_DENIED}, {"nbf", json_string("x"), CR_FORMAT},
        {"nonce", json_string("n-2"), CR_DENIED}, {"nonce", NULL, CR_DENIED}, {"nonce", json_string(""), CR_DENIED}, {"nonce", json_string("n-11"), CR_DENIED},
        {"sub", NULL, CR_FORMAT}, {"sub", json_string(""), CR_FORMAT}, {"sub", json_integer(7), CR_FORMAT}, {"sub", json_string("a\nb"), CR_FORMAT},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_err err = CR_ERR_INIT;
        cr_status got = check(rows[i].name, rows[i].value, &err);
        ck_assert_msg(got == rows[i].expected, "row %zu, %s: %s %s", i, rows[i].name ? rows[i].name : "-", cr_status_name(got), err.message);
    }
    char large[400];
    cr_err err = CR_ERR_INIT;
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    ck_assert_int_eq(check("sub", json_string(large), &err), CR_FORMAT);
}
END_TEST

START_TEST(userinfo) {
    cr_err err = CR_ERR_INIT;
    json_t *claims = json_pack("{s:s, s:s}", "sub", "a", "email", "signed@example.org");
    const char *info = "{\"sub\":\"a\",\"email\":\"other@example.org\",\"name\":\"Ada\"}", *other = "{\"sub\":\"b\",\"name\":\"Eve\"}", *nobody = "{\"name\":\"Eve\"}";
    ck_assert_ok(cr_oidc_merge_userinfo(claims, info, strlen(info), &err));
    ck_assert_str_eq(json_string_value(json_object_get(claims, "email")), "signed@example.org");
    ck_assert_str_eq(json_string_value(json_object_get(claims, "name")), "Ada");
    ck_assert_fails(cr_oidc_merge_userinfo(claims, other, strlen(other), &err), CR_DENIED);
    ck_assert_fails(cr_oidc_merge_userinfo(claims, nobody, strlen(nobody), &err), CR_DENIED);
    ck_assert_fails(cr_oidc_merge_userinfo(claims, "[]", 2, &err), CR_FORMAT);
    ck_assert_str_eq(json_string_value(json_object_get(claims, "name")), "Ada");
    json_decref(claims);
}
END_TEST

static void who_of(const cr_provider *p, const char *text, bool allowed, bool admin, int groups) {
    json_t *claims = json_loads(text, 0, NULL);
    cr_oidc_who who;
    ck_assert_ptr_nonnull(claims);
    cr_oidc_read_who(p, claims, &who);
    ck_assert_msg(who.allowed == allowed && who.admin == admin && who.n_groups == groups, "%s: allowed %d admin %d groups %d", text, who.allowed, who.admin, who.n_groups);
    json_decref(claims);
}

START_TEST(who_may) {
    cr_provider p = egi();
    who_of(&p, "{\"sub\":\"a\"}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":null}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":[]}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":[\"" MEMBER "\"]}", true, false, 1);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":\"" MEMBER "\"}", true, false, 1);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":[7,null,{},\"\",\"a\\nb\",\"" MEMBER "\"]}", true, false, 1);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":{\"x\":\"" MEMBER "\"}}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"groups\":[\"" MEMBER "\"]}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"entitlements\":[\"" MEMBER "\"]}", true, false, 1);        /* Check-in's newer name of the claim */
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":[],\"entitlements\":[\"" MEMBER "\"]}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"eduperson_entitlement\":[\"urn:mace:egi.eu:group:vo.example.eu:admins:role=member#aai.egi.eu\"]}", true, true, 1);
    who_of(&p, "{\"sub\":\"*\",\"eduperson_entitlement\":[\"*\"]}", false, false, 1);
    p = parsed("issuer = https://a.example\nclient-id = x\nallow = staff\n");
    who_of(&p, "{\"sub\":\"a\",\"entitlements\":[\"staff\"]}", false, false, 0);                /* nobody else's */
    p = parsed("issuer = https://a.example\nclient-id = x\ngroups-claim = realm_access.roles\nallow = staff\n");
    who_of(&p, "{\"sub\":\"a\",\"realm_access\":{\"roles\":[\"staff\"]}}", true, false, 1);
    who_of(&p, "{\"sub\":\"a\",\"realm_access\":[\"staff\"]}", false, false, 0);
    p = parsed("issuer = https://a.example\nclient-id = x\nallow-email = @example.org\nallow-email = Eve@other.example\n");
    who_of(&p, "{\"sub\":\"a\",\"email\":\"ada@Example.org\",\"email_verified\":true}", true, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"email\":\"ada@example.org\"}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"email\":\"ada@example.org\",\"email_verified\":\"true\"}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"email\":\"ada@evilexample.org\",\"email_verified\":true}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"email\":\"ada@example.org@evil.example\",\"email_verified\":true}", false, false, 0);
    who_of(&p, "{\"sub\":\"a\",\"email\":\"eve@other.example\",\"email_verified\":true}", true, false, 0);
    p = parsed("preset = orcid\nclient-id = x\nallow-subject = 0000-0001\nadmin-subject = 0000-0002\n");
    who_of(&p, "{\"sub\":\"0000-0001\"}", true, false, 0);
    who_of(&p, "{\"sub\":\"0000-0002\"}", true, true, 0);
    who_of(&p, "{\"sub\":\"0000-00011\"}", false, false, 0);
    p = parsed("issuer = https://a.example\nclient-id = x\nallow = *\n");
    who_of(&p, "{\"sub\":\"a\"}", true, false, 0);
}
END_TEST

START_TEST(names_that_are_shown) {
    static const struct { const char *claims, *shown; } rows[] = {
        {"{\"sub\":\"a\",\"name\":\"Ada\",\"given_name\":\"A\"}", "Ada"},
        /* as ORCID sends them */
        {"{\"sub\":\"a\",\"name\":null,\"given_name\":\"Josiah\",\"family_name\":\"Carberry\"}", "Josiah Carberry"},
        {"{\"sub\":\"a\",\"given_name\":\"Josiah\",\"family_name\":null}", "Josiah"}, {"{\"sub\":\"a\",\"family_name\":\"Carberry\"}", "Carberry"},
        {"{\"sub\":\"a\"}", ""}, {"{\"sub\":\"a\",\"given_name\":7}", ""},
    };
    cr_provider p = parsed("preset = orcid\nclient-id = x\nallow = *\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        json_t *claims = json_loads(rows[i].claims, 0, NULL);
        cr_oidc_who who;
        cr_oidc_read_who(&p, claims, &who);
        ck_assert_str_eq(who.shown, rows[i].shown);
        json_decref(claims);
    }
}
END_TEST

/* What the presets' providers say of themselves, by their documentation: endpoints, how the secret goes, algorithms. */
START_TEST(published_discovery) {
    static const struct { const char *preset, *document, *token; bool in_form, asks_again; } rows[] = {
        {"google", "{\"issuer\":\"https://accounts.google.com\",\"authorization_endpoint\":\"https://accounts.google.com/o/oauth2/v2/auth\","
         "\"token_endpoint\":\"https://oauth2.googleapis.com/token\",\"userinfo_endpoint\":\"https://openidconnect.googleapis.com/v1/userinfo\","
         "\"jwks_uri\":\"https://www.googleapis.com/oauth2/v3/certs\",\"response_types_supported\":[\"code\",\"token\",\"id_token\"],"
         "\"id_token_signing_alg_values_supported\":[\"RS256\"],\"token_endpoint_auth_methods_supported\":[\"client_secret_post\",\"client_secret_basic\"],"
         "\"code_challenge_methods_supported\":[\"plain\",\"S256\"]}", "https://oauth2.googleapis.com/token", false, false},
        {"orcid", "{\"issuer\":\"https://orcid.org\",\"authorization_endpoint\":\"https://orcid.org/oauth/authorize\",\"token_endpoint\":\"https://orcid.org/oauth/token\","
         "\"userinfo_endpoint\":\"https://orcid.org/oauth/userinfo\",\"jwks_uri\":\"https://orcid.org/oauth/jwks\",\"scopes_supported\":[\"openid\"],"
         "\"id_token_signing_alg_values_supported\":[\"RS256\"],\"response_types_supported\":[\"code\",\"id_token\",\"id_token token\"],"
         "\"token_endpoint_auth_methods_supported\":[\"client_secret_basic\"],\"claims_parameter_supported\":false}", "https://orcid.org/oauth/token", false, true},
        {"egi", "{\"issuer\":\"https://aai.egi.eu/auth/realms/egi\",\"authorization_endpoint\":\"https://aai.egi.eu/auth/realms/egi/protocol/openid-connect/auth\","
         "\"token_endpoint\":\"https://aai.egi.eu/auth/realms/egi/protocol/openid-connect/token\","
         "\"userinfo_endpoint\":\"https://aai.egi.eu/auth/realms/egi/protocol/openid-connect/userinfo\","
         "\"jwks_uri\":\"https://aai.egi.eu/auth/realms/egi/protocol/openid-connect/certs\",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES256\"]}",
         "https://aai.egi.eu/auth/realms/egi/protocol/openid-connect/token", false, true},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        char text[80];
        cr_err err = CR_ERR_INIT;
        cr_oidc_meta m;
        snprintf(text, sizeof text, "preset = %s\nclient-id = x\nallow = *\n", rows[i].preset);
        cr_provider p = parsed(text);
        ck_assert_ok(cr_oidc_read_meta(&p, rows[i].document, strlen(rows[i].document), &m, &err));
        ck_assert_str_eq(m.token, rows[i].token);
        ck_assert(m.secret_in_form == rows[i].in_form && cr_provider_asks_again(&p) == rows[i].asks_again);
    }
    cr_provider p = parsed("preset = github\nclient-id = x\nallow = *\n");
    ck_assert(!cr_provider_asks_again(&p));
}
END_TEST

/* Google leaves the scheme out at times; nobody else may. */
START_TEST(the_issuer_of_google) {
    static const struct { const char *issuer, *said; cr_status expected; } rows[] = {
        {"https://accounts.google.com", "https://accounts.google.com", CR_OK}, {"https://accounts.google.com", "accounts.google.com", CR_OK},
        {"https://accounts.google.com", "http://accounts.google.com", CR_DENIED}, {"https://accounts.google.com", "accounts.google.com/", CR_DENIED},
        {"https://a.example", "a.example", CR_DENIED}, {"https://a.example", "accounts.google.com", CR_DENIED},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        char text[120];
        cr_err err = CR_ERR_INIT;
        snprintf(text, sizeof text, "issuer = %s\nclient-id = hub\nallow = *\n", rows[i].issuer);
        cr_provider p = parsed(text);
        json_t *claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", rows[i].said, "aud", "hub", "sub", "a", "nonce", "n-1", "exp", (json_int_t)NOW + 300, "iat",
                                   (json_int_t)NOW);
        const cr_oidc_expect expect = {.nonce = "n-1", .access_token = "", .alg = cr_jose_alg_bit("RS256"), .now_s = NOW};
        ck_assert_msg(cr_oidc_check_claims(&p, claims, &expect, &err) == rows[i].expected, "%s for %s: %s", rows[i].said, rows[i].issuer, err.message);
        json_decref(claims);
    }
}
END_TEST

START_TEST(names_from_claims) {
    static const struct { const char *text; int n; const char *name; } rows[] = {
        {"ada", 1, "ada"}, {"ada", 2, "ada-2"}, {"Ada Lovelace", 1, "ada-lovelace"}, {"ada@example.org", 1, "ada@example.org"}, {"../../etc", 1, "etc"},
        {"Jos\xC3\xA9", 1, "jos"}, {"\xE6\x9D\x8E", 1, "user"}, {"", 1, "user"}, {"xn--ada", 1, "user"}, {"<b>", 1, "b"}, {"-ada-", 1, "ada"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 10, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-10"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        char name[CR_NAME_MAX + 1], normal[CR_NAME_MAX + 1];
        cr_err err = CR_ERR_INIT;
        cr_oidc_name_choice(rows[i].text, rows[i].n, name);
        ck_assert_str_eq(name, rows[i].name);
        ck_assert_ok(cr_name_normalize(name, normal, &err));
        ck_assert_str_eq(name, normal);
    }
}
END_TEST

/* ---- people ---- */

static char dir[64];
static cr_db *db;

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    char path[96];
    scratch_make(dir, "oidc");
    snprintf(path, sizeof path, "%s/db", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
}

static void teardown(void) {
    cr_db_close(db);
    scratch_remove(dir);
}

static cr_oidc_who person_of(const char *subject, const char *name, bool admin) {
    cr_oidc_who who = {.subject = subject, .name = name, .email = "", .shown = "", .n_groups = 1, .groups = {MEMBER}, .allowed = true, .admin = admin};
    return who;
}

static void count_group(void *user, const char *group) {
    ck_assert_str_eq(group, "egi:vo.example.eu");
    ++*(int *)user;
}

START_TEST(identity_is_issuer_and_subject) {
    cr_provider p = egi(), q = parsed("issuer = https://other.example\nclient-id = x\nallow = *\n");
    cr_person local = {.name = "ada"}, first, again, other, elsewhere;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_person_add(db, &local, &err));
    cr_oidc_who ada = person_of("s-1", "ada", false), renamed = person_of("s-1", "grace", false), second = person_of("s-2", "ada", false);
    ck_assert_ok(cr_identity_sign_in(db, &p, &ada, &first, &err));
    ck_assert_str_eq(first.name, "ada-2");
    ck_assert_ok(cr_identity_sign_in(db, &p, &renamed, &again, &err));
    ck_assert_int_eq(again.id, first.id);
    ck_assert_str_eq(again.name, "ada-2");
    ck_assert_ok(cr_identity_sign_in(db, &p, &second, &other, &err));
    ck_assert_str_eq(other.name, "ada-3");
    ck_assert_ok(cr_identity_sign_in(db, &q, &ada, &elsewhere, &err));
    ck_assert_int_ne(elsewhere.id, first.id);
    int groups = 0;
    ck_assert_ok(cr_groups_of(db, first.id, count_group, &groups, &err));
    ck_assert_int_eq(groups, 1);
    ck_assert_ok(cr_person_set_disabled(db, first.id, true, &err));
    ck_assert_fails(cr_identity_sign_in(db, &p, &ada, &again, &err), CR_DENIED);
    /* Removed with the person: a later sign-in makes a new one, whose account is not the old one. */
    ck_assert_ok(cr_person_remove(db, first.id, &err));
    ck_assert_ok(cr_identity_sign_in(db, &p, &ada, &again, &err));
    ck_assert_int_ne(again.id, first.id);
    ck_assert_str_ne(again.account, first.account);
}
END_TEST

START_TEST(admin_comes_and_goes) {
    cr_provider p = egi();
    cr_person person;
    cr_err err = CR_ERR_INIT;
    cr_oidc_who with = person_of("s", "ada", true), without = person_of("s", "ada", false);
    ck_assert_ok(cr_identity_sign_in(db, &p, &with, &person, &err));
    ck_assert(person.admin);
    char made[CR_TOKEN_LEN + 1];
    cr_onetime invite = {.kind = CR_ONETIME_INVITE}, found;
    ck_assert_ok(cr_onetime_make(db, &invite, person.id, made, &err));
    ck_assert_ok(cr_identity_sign_in(db, &p, &without, &person, &err));
    ck_assert(!person.admin);
    ck_assert_fails(cr_onetime_find(db, made, &found, &err), CR_NOT_FOUND);
    /* An administrator made here stays one, whatever the provider says. */
    ck_assert_ok(cr_db_run(db, &err, "UPDATE users SET admin = 1 WHERE id = ?", "i", person.id));
    ck_assert_ok(cr_identity_sign_in(db, &p, &without, &person, &err));
    ck_assert(person.admin);
}
END_TEST

static void last_identity(void *user, const cr_identity *i) { *(int64_t *)user = i->id; }

START_TEST(links) {
    cr_provider p = egi();
    cr_person local = {.name = "ada"}, other = {.name = "eve"}, person;
    cr_err err = CR_ERR_INIT;
    cr_oidc_who who = person_of("s", "somebody", true), theirs = person_of("t", "eve", false);
    int64_t id = 0;
    ck_assert_ok(cr_person_add(db, &local, &err));
    ck_assert_ok(cr_person_add(db, &other, &err));
    ck_assert_ok(cr_identity_link(db, &p, &who, local.id, &err));
    ck_assert_ok(cr_identity_link(db, &p, &who, local.id, &err));
    ck_assert_fails(cr_identity_link(db, &p, &who, other.id, &err), CR_EXISTS);
    /* Rights come with a sign-in at the provider, not with the link. */
    ck_assert_ok(cr_person_get(db, local.id, &person, &err));
    ck_assert(!person.admin);
    ck_assert_ok(cr_identity_sign_in(db, &p, &who, &person, &err));
    ck_assert_int_eq(person.id, local.id);
    ck_assert(person.admin);
    ck_assert_ok(cr_identity_list(db, local.id, last_identity, &id, &err));
    ck_assert_fails(cr_identity_unlink(db, id, other.id, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_identity_unlink(db, id, local.id, &err));
    ck_assert_fails(cr_identity_unlink(db, id, local.id, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_person_get(db, local.id, &person, &err));
    ck_assert(!person.admin);
    ck_assert_ok(cr_identity_sign_in(db, &p, &theirs, &person, &err));
    ck_assert_str_eq(person.name, "eve-2");
    ck_assert_fails(cr_identity_link(db, &p, &theirs, other.id, &err), CR_EXISTS);
}
END_TEST

/* The provider's rules are for links too. */
START_TEST(no_link_without_membership) {
    cr_provider p = egi();
    cr_person local = {.name = "ada"};
    cr_err err = CR_ERR_INIT;
    cr_oidc_who who = person_of("s", "somebody", false);
    int groups = 0;
    int64_t id = 0;
    who.allowed = false;
    ck_assert_ok(cr_person_add(db, &local, &err));
    ck_assert_fails(cr_identity_link(db, &p, &who, local.id, &err), CR_DENIED);
    ck_assert_ok(cr_identity_list(db, local.id, last_identity, &id, &err));
    ck_assert_ok(cr_groups_of(db, local.id, count_group, &groups, &err));
    ck_assert(id == 0 && groups == 0);
}
END_TEST

static void add_group(void *user, const char *group) { cr_buf_addf(user, "%s ", group); }

static void groups_are(int64_t user, const char *expected) {
    cr_auto_buf cr_buf b;
    cr_err err = CR_ERR_INIT;
    cr_buf_init(&b, 4096);
    ck_assert_ok(cr_groups_of(db, user, add_group, &b, &err));
    ck_assert_str_eq(cr_buf_str(&b), expected);
}

/* Two providers say the same, and one of them says it no more. */
START_TEST(groups_of_two_providers) {
    const char *settings = "issuer = https://%s.example\nclient-id = x\nallow = *\n%s";
    char text[2][200];
    cr_provider p[2];
    cr_person person, other;
    cr_err err = CR_ERR_INIT;
    int64_t local;
    bool has = true;
    for (int i = 0; i < 2; i++) {
        snprintf(text[i], sizeof text[i], settings, i ? "b" : "a", "");
        ck_assert_ok(cr_provider_parse(i ? "bee" : "ay", text[i], &p[i], &err));
    }
    cr_oidc_who who = person_of("s", "ada", false);
    who.groups[0] = "admins";
    ck_assert_ok(cr_group_add(db, "admins", &local, &err));
    ck_assert_ok(cr_identity_sign_in(db, &p[0], &who, &person, &err));
    ck_assert_ok(cr_identity_link(db, &p[1], &(cr_oidc_who){.subject = "t", .name = "", .email = "", .shown = "", .n_groups = 1, .groups = {"admins"},
                                  .allowed = true}, person.id, &err));
    groups_are(person.id, "ay:admins bee:admins ");
    ck_assert_ok(cr_group_has(db, "admins", person.name, &has, &err));
    ck_assert(!has);
    who.n_groups = 0;
    ck_assert_ok(cr_identity_sign_in(db, &p[0], &who, &person, &err));
    groups_are(person.id, "bee:admins ");
    /* What calls itself like another's group is not in it. */
    who = person_of("eve", "eve", false);
    who.groups[0] = "ay:admins";
    ck_assert_ok(cr_identity_sign_in(db, &p[1], &who, &other, &err));
    groups_are(other.id, "bee:ay:admins ");
    /* Unless the operator wants the names as they come. */
    snprintf(text[0], sizeof text[0], settings, "b", "groups-prefix =\n");
    ck_assert_ok(cr_provider_parse("bee", text[0], &p[1], &err));
    ck_assert_ok(cr_identity_sign_in(db, &p[1], &who, &other, &err));
    groups_are(other.id, "ay:admins ");
}
END_TEST

static bool opens(const char *text) {
    cr_token token;
    cr_person who;
    return cr_token_find(db, text, &token, &who, NULL) == CR_OK;
}

/* Nobody tells when a membership ends: API tokens of who has no password here wait for the next sign-in. */
START_TEST(tokens_wait_for_a_sign_in) {
    cr_provider p = egi();
    cr_person person;
    cr_err err = CR_ERR_INIT;
    char text[CR_TOKEN_LEN + 1];
    const cr_oidc_who who = person_of("s", "ada", false);
    ck_assert_int_eq(p.token_days, 30);
    ck_assert_ok(cr_identity_sign_in(db, &p, &who, &person, &err));
    cr_token what = {.kind = CR_TOKEN_API, .user_id = person.id};
    ck_assert_ok(cr_token_issue(db, &what, NULL, 0, NULL, text, &err));
    ck_assert(opens(text));
    ck_assert_ok(cr_db_run(db, &err, "UPDATE identities SET tokens_until_ms = tokens_until_ms - ?", "i", (int64_t)31 * 86400 * 1000));
    ck_assert(!opens(text));
    ck_assert_ok(cr_identity_sign_in(db, &p, &who, &person, &err));
    ck_assert(opens(text));
    /* With a password the account is the hub's own. */
    ck_assert_ok(cr_db_run(db, &err, "UPDATE identities SET tokens_until_ms = 0", ""));
    ck_assert(!opens(text));
    ck_assert_ok(cr_db_run(db, &err, "UPDATE users SET password = 'x'", ""));
    ck_assert(opens(text));
}
END_TEST

static void count_refusal(void *user, const cr_refusal *r) {
    ck_assert_str_eq(r->provider, "egi");
    *(int64_t *)user += r->times;
}

START_TEST(refusal_ends_what_was_given) {
    cr_provider p = egi();
    cr_person person, seen;
    cr_err err = CR_ERR_INIT;
    char token[CR_TOKEN_LEN + 1];
    int64_t session, user_id = 0, times = 0;
    int groups = 0;
    cr_oidc_who who = person_of("s", "ada", true);
    ck_assert_ok(cr_identity_sign_in(db, &p, &who, &person, &err));
    ck_assert_ok(cr_session_make(db, person.id, 3600 * 1000, token, &err));
    cr_person friend = {.name = "friend"};
    ck_assert_ok(cr_person_add(db, &friend, &err));
    cr_onetime about = {.kind = CR_ONETIME_PASSWORD, .user_id = person.id}, invite = {.kind = CR_ONETIME_INVITE}, found;
    char of_account[CR_TOKEN_LEN + 1], made[CR_TOKEN_LEN + 1], given[CR_TOKEN_LEN + 1], own[CR_TOKEN_LEN + 1];
    ck_assert_ok(cr_onetime_make(db, &about, 0, of_account, &err));
    ck_assert_ok(cr_onetime_make(db, &invite, person.id, made, &err));
    cr_token what = {.kind = CR_TOKEN_API, .user_id = person.id};
    ck_assert_ok(cr_token_issue(db, &what, NULL, 0, NULL, own, &err));
    what = (cr_token){.kind = CR_TOKEN_API, .user_id = friend.id, .made_by = person.id};
    ck_assert_ok(cr_token_issue(db, &what, NULL, 0, NULL, given, &err));
    who.allowed = who.admin = false;
    ck_assert_ok(cr_identity_refuse(db, &p, &who, &user_id, &err));
    ck_assert_ok(cr_identity_refuse(db, &p, &who, &user_id, &err));
    ck_assert_int_eq(user_id, person.id);
    ck_assert_fails(cr_session_find(db, token, &session, &seen, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_onetime_find(db, of_account, &found, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_onetime_find(db, made, &found, &err), CR_NOT_FOUND);
    ck_assert(!opens(own) && !opens(given));
    ck_assert_ok(cr_person_get(db, person.id, &seen, &err));
    ck_assert(!seen.admin);
    ck_assert_ok(cr_groups_of(db, person.id, count_group, &groups, &err));
    ck_assert_int_eq(groups, 0);
    ck_assert_ok(cr_refusal_list(db, 10, count_refusal, &times, &err));
    ck_assert_int_eq(times, 2);
    /* Somebody new leaves no account behind. */
    cr_oidc_who stranger = person_of("s-9", "eve", false);
    ck_assert_ok(cr_identity_refuse(db, &p, &stranger, &user_id, &err));
    ck_assert_int_eq(user_id, 0);
    ck_assert_fails(cr_person_find(db, "eve", &seen, &err), CR_NOT_FOUND);
    /* Who gets in leaves the list. */
    who.allowed = true;
    ck_assert_ok(cr_identity_sign_in(db, &p, &who, &person, &err));
    times = 0;
    ck_assert_ok(cr_refusal_list(db, 10, count_refusal, &times, &err));
    ck_assert_int_eq(times, 1);
}
END_TEST

START_TEST(refusals_are_bounded) {
    cr_provider p = egi();
    cr_err err = CR_ERR_INIT;
    int64_t user_id, times = 0;
    for (int i = 0; i < CR_REFUSALS_MAX + 50; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "s-%d", i);
        cr_oidc_who who = person_of(subject, "x", false);
        ck_assert_ok(cr_identity_refuse(db, &p, &who, &user_id, &err));
    }
    ck_assert_ok(cr_refusal_list(db, 1 << 20, count_refusal, &times, &err));
    ck_assert_int_eq(times, CR_REFUSALS_MAX);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("oidc");
    TCase *t = tcase_create("texts"), *d = tcase_create("database");
    tcase_add_test(t, presets);
    tcase_add_test(t, what_each_preset_says);
    tcase_add_test(t, bad_settings);
    tcase_add_test(t, secrets);
    tcase_add_test(t, origins);
    tcase_add_test(t, entitlements);
    tcase_add_test(t, entitlement_rules);
    tcase_add_test(t, discovery);
    tcase_add_test(t, requests);
    tcase_add_test(t, token_answers);
    tcase_add_test(t, claims_of_a_token);
    tcase_add_test(t, when_somebody_was_asked);
    tcase_add_test(t, userinfo);
    tcase_add_test(t, who_may);
    tcase_add_test(t, names_that_are_shown);
    tcase_add_test(t, published_discovery);
    tcase_add_test(t, the_issuer_of_google);
    tcase_add_test(t, names_from_claims);
    suite_add_tcase(s, t);
    tcase_set_timeout(d, 60);
    tcase_add_checked_fixture(d, setup, teardown);
    tcase_add_test(d, identity_is_issuer_and_subject);
    tcase_add_test(d, admin_comes_and_goes);
    tcase_add_test(d, links);
    tcase_add_test(d, no_link_without_membership);
    tcase_add_test(d, groups_of_two_providers);
    tcase_add_test(d, tokens_wait_for_a_sign_in);
    tcase_add_test(d, refusal_ends_what_was_given);
    tcase_add_test(d, refusals_are_bounded);
    suite_add_tcase(s, d);
    return s;
}

CHECK_MAIN(suite())
