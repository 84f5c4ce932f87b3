/* test_jose.c - signed tokens and key sets: what is taken, and every way of being wrong that attackers use. */
#include "../check_main.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "platform/identity/jose.h"

static char *b64(const void *bytes, size_t n) {
    size_t size = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *out = malloc(size);
    ck_assert_ptr_nonnull(out);
    sodium_bin2base64(out, size, bytes, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return out;
}

static char *number(EVP_PKEY *key, const char *name, int width) {
    BIGNUM *bn = NULL;
    unsigned char raw[1100];
    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &bn), 1);
    int n = width ? width : BN_num_bytes(bn);
    ck_assert_int_eq(BN_bn2binpad(bn, raw, n), n);
    BN_free(bn);
    return b64(raw, (size_t)n);
}

/* more: further members, beginning with a comma. */
static char *rsa_jwk(EVP_PKEY *key, const char *kid, const char *more) {
    static char text[4096];
    char *n = number(key, OSSL_PKEY_PARAM_RSA_N, 0), *e = number(key, OSSL_PKEY_PARAM_RSA_E, 0);
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"%s}", kid, n, e, more);
    free(n);
    free(e);
    return text;
}

static char *ec_jwk(EVP_PKEY *key, const char *kid, const char *crv, int width) {
    static char text[2048];
    char *x = number(key, OSSL_PKEY_PARAM_EC_PUB_X, width), *y = number(key, OSSL_PKEY_PARAM_EC_PUB_Y, width);
    snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"%s\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", crv, kid, x, y);
    free(x);
    free(y);
    return text;
}

static cr_jwks *keys_of(const char *jwk) {
    char set[8192];
    cr_jwks *keys = NULL;
    cr_err err = CR_ERR_INIT;
    snprintf(set, sizeof set, "{\"keys\":[%s]}", jwk);
    ck_assert_ok(cr_jwks_parse(set, strlen(set), &keys, &err));
    return keys;
}

static int count_of(const char *jwk) {
    cr_jwks *keys = keys_of(jwk);
    int n = cr_jwks_count(keys);
    cr_jwks_free(keys);
    return n;
}

static char *join(const char *head, const char *body, const unsigned char *sig, size_t n) {
    static char token[8192];
    char *h = b64(head, strlen(head)), *b = b64(body, strlen(body)), *s = b64(sig, n);
    snprintf(token, sizeof token, "%s.%s.%s", h, b, s);
    free(h);
    free(b);
    free(s);
    return token;
}

/* A token signed by OpenSSL; width 0: RSA, else bytes of an EC coordinate. */
static char *make_token(EVP_PKEY *key, const char *digest, bool pss, int width, const char *head, const char *body) {
    char text[4096];
    unsigned char sig[1100], raw[140];
    size_t n = sizeof sig;
    char *h = b64(head, strlen(head)), *b = b64(body, strlen(body));
    snprintf(text, sizeof text, "%s.%s", h, b);
    free(h);
    free(b);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, &pctx, digest, NULL, NULL, key, NULL), 1);
    if (pss) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    ck_assert_int_eq(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    if (!width)
        return join(head, body, sig, n);
    const unsigned char *p = sig;
    ECDSA_SIG *es = d2i_ECDSA_SIG(NULL, &p, (long)n);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(es), raw, width), width);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(es), raw + width, width), width);
    ECDSA_SIG_free(es);
    return join(head, body, raw, 2 * (size_t)width);
}

static cr_status verify(const char *token, const cr_jwks *keys, unsigned allowed) {
    json_t *claims = NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_jwt_verify(token, keys, allowed, &claims, NULL, &err);
    if (status == CR_OK)
        ck_assert_str_eq(json_string_value(json_object_get(claims, "sub")), "ada");
    else
        ck_assert_ptr_null(claims);
    json_decref(claims);
    return status;
}

#define BODY "{\"sub\":\"ada\"}"

/* RFC 7515, appendix A.3: made by others. */
START_TEST(rfc_vector) {
    cr_jwks *keys = keys_of("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                            "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
    const char *token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    json_t *claims = NULL;
    unsigned alg = 0;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_jwt_verify(token, keys, CR_JOSE_ALL_ALGS, &claims, &alg, &err));
    ck_assert_str_eq(json_string_value(json_object_get(claims, "iss")), "joe");
    ck_assert_uint_eq(alg, cr_jose_alg_bit("ES256"));
    json_decref(claims);
    ck_assert_fails(cr_jwt_verify(token, keys, cr_jose_alg_bit("ES384"), &claims, &alg, &err), CR_DENIED);
    cr_jwks_free(keys);
}
END_TEST

START_TEST(good_tokens) {
    static const struct { const char *alg, *digest, *curve; bool pss; int width; } rows[] = {
        {"RS256", "SHA256", NULL, false, 0}, {"RS384", "SHA384", NULL, false, 0}, {"RS512", "SHA512", NULL, false, 0},
        {"PS256", "SHA256", NULL, true, 0}, {"PS384", "SHA384", NULL, true, 0}, {"PS512", "SHA512", NULL, true, 0},
        {"ES256", "SHA256", "P-256", false, 32}, {"ES384", "SHA384", "P-384", false, 48}, {"ES512", "SHA512", "P-521", false, 66},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        EVP_PKEY *key = rows[i].curve ? EVP_EC_gen(rows[i].curve) : EVP_RSA_gen(2048);
        cr_jwks *keys = keys_of(rows[i].curve ? ec_jwk(key, "k1", rows[i].curve, rows[i].width) : rsa_jwk(key, "k1", ""));
        char head[80];
        ck_assert_int_eq(cr_jwks_count(keys), 1);
        snprintf(head, sizeof head, "{\"alg\":\"%s\",\"kid\":\"k1\"}", rows[i].alg);
        char *token = make_token(key, rows[i].digest, rows[i].pss, rows[i].width, head, BODY);
        ck_assert_msg(verify(token, keys, CR_JOSE_ALL_ALGS) == CR_OK, "%s", rows[i].alg);
        ck_assert_int_eq(verify(token, keys, CR_JOSE_ALL_ALGS & ~cr_jose_alg_bit(rows[i].alg)), CR_DENIED);
        char *digit = token + strlen(token) - 10;
        *digit = *digit == 'A' ? 'B' : 'A';
        ck_assert_int_eq(verify(token, keys, CR_JOSE_ALL_ALGS), CR_DENIED);
        cr_jwks_free(keys);
        EVP_PKEY_free(key);
    }
}
END_TEST

START_TEST(wrong_tokens) {
    EVP_PKEY *key = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048);
    cr_jwks *keys = keys_of(rsa_jwk(key, "k1", ""));
    static const struct { const char *head; cr_status expected; } heads[] = {
        {"{\"alg\":\"RS256\",\"kid\":\"k1\"}", CR_OK}, {"{\"alg\":\"RS256\"}", CR_OK}, {"{\"alg\":\"RS256\",\"typ\":\"jwt\"}", CR_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k2\"}", CR_NOT_FOUND}, {"{\"alg\":\"ES256\",\"kid\":\"k1\"}", CR_NOT_FOUND},
        {"{\"alg\":\"none\"}", CR_DENIED}, {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", CR_DENIED}, {"{\"alg\":\"rs256\"}", CR_DENIED}, {"{\"kid\":\"k1\"}", CR_DENIED},
        {"{\"alg\":[\"RS256\"]}", CR_DENIED}, {"{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", CR_DENIED},
        {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", CR_DENIED}, {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", CR_DENIED},
        {"{\"alg\":\"RS256\",\"kid\":7}", CR_FORMAT}, {"{\"alg\":\"RS256\",\"alg\":\"RS256\"}", CR_FORMAT}, {"[]", CR_FORMAT}, {"{", CR_FORMAT},
        {"{\"alg\":\"PS256\",\"kid\":\"k1\"}", CR_DENIED}, {"{\"alg\":\"RS512\",\"kid\":\"k1\"}", CR_DENIED},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(heads); i++) {
        cr_status got = verify(make_token(key, "SHA256", false, 0, heads[i].head, BODY), keys, CR_JOSE_ALL_ALGS);
        ck_assert_msg(got == heads[i].expected, "%s: %s", heads[i].head, cr_status_name(got));
    }
    /* A good signature of a wrong key; a body that was changed; a body that is no object. */
    const char *head = "{\"alg\":\"RS256\",\"kid\":\"k1\"}";
    ck_assert_int_eq(verify(make_token(other, "SHA256", false, 0, head, BODY), keys, CR_JOSE_ALL_ALGS), CR_DENIED);
    char *token = make_token(key, "SHA256", false, 0, head, BODY);
    *strchr(token, '.') = 0;
    char changed[8192], *eve = b64("{\"sub\":\"eve\"}", 13);
    snprintf(changed, sizeof changed, "%s.%s.%s", token, eve, strrchr(token + strlen(token) + 1, '.') + 1);
    free(eve);
    ck_assert_int_eq(verify(changed, keys, CR_JOSE_ALL_ALGS), CR_DENIED);
    ck_assert_int_eq(verify(make_token(key, "SHA256", false, 0, head, "[1]"), keys, CR_JOSE_ALL_ALGS), CR_FORMAT);
    ck_assert_int_eq(verify(make_token(key, "SHA256", false, 0, head, "{\"sub\":\"ada\",\"sub\":\"eve\"}"), keys, CR_JOSE_ALL_ALGS), CR_FORMAT);
    cr_jwks_free(keys);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}
END_TEST

/* HS256 with the published key as secret, and no signature at all. */
START_TEST(key_confusion) {
    EVP_PKEY *key = EVP_RSA_gen(2048);
    char *jwk = rsa_jwk(key, "k1", "");
    cr_jwks *keys = keys_of(jwk);
    char text[512], token[1024];
    unsigned char mac[32];
    unsigned n = sizeof mac;
    char *h = b64("{\"alg\":\"HS256\",\"kid\":\"k1\"}", 26), *b = b64(BODY, strlen(BODY));
    snprintf(text, sizeof text, "%s.%s", h, b);
    HMAC(EVP_sha256(), jwk, (int)strlen(jwk), (unsigned char *)text, strlen(text), mac, &n);
    ck_assert_int_eq(verify(join("{\"alg\":\"HS256\",\"kid\":\"k1\"}", BODY, mac, n), keys, CR_JOSE_ALL_ALGS), CR_DENIED);
    free(h);
    h = b64("{\"alg\":\"none\"}", 14);
    snprintf(token, sizeof token, "%s.%s.", h, b);
    ck_assert_int_eq(verify(token, keys, CR_JOSE_ALL_ALGS), CR_DENIED);
    free(h);
    h = b64("{\"alg\":\"RS256\"}", 15);
    snprintf(token, sizeof token, "%s.%s.", h, b);
    ck_assert_int_eq(verify(token, keys, CR_JOSE_ALL_ALGS), CR_FORMAT);
    free(h);
    free(b);
    ck_assert_uint_eq(cr_jose_alg_bit("none") | cr_jose_alg_bit("HS256") | cr_jose_alg_bit("HS512") | cr_jose_alg_bit("") | cr_jose_alg_bit(NULL), 0);
    cr_jwks_free(keys);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(texts_that_are_no_tokens) {
    EVP_PKEY *key = EVP_RSA_gen(2048);
    cr_jwks *keys = keys_of(rsa_jwk(key, "k1", ""));
    static const char *const rows[] = {"", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", ".e30.c2ln", "eyJhbGciOiJSUzI1NiJ9..c2ln", "e30=.e30.e30",
                                       "eyJhbGciOiJSUzI1NiJ9.e30.c2ln!", "eyJhbGciOiJSUzI1NiJ9.e30.c2+n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_status got = verify(rows[i], keys, CR_JOSE_ALL_ALGS);
        ck_assert_msg(got == CR_FORMAT || got == CR_DENIED, "'%s': %s", rows[i], cr_status_name(got));
    }
    char *large = malloc(CR_JWT_MAX + 100);
    memset(large, 'a', CR_JWT_MAX + 99);
    large[CR_JWT_MAX + 99] = 0;
    large[10] = large[20] = '.';
    ck_assert_int_eq(verify(large, keys, CR_JOSE_ALL_ALGS), CR_FORMAT);
    free(large);
    cr_jwks_free(keys);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(keys_that_are_left_out) {
    EVP_PKEY *key = EVP_RSA_gen(2048), *small = EVP_RSA_gen(1024), *ec = EVP_EC_gen("P-256");
    cr_err err = CR_ERR_INIT;
    cr_jwks *keys = NULL;
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", "")), 1);
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", ",\"use\":\"sig\",\"alg\":\"RS256\",\"key_ops\":[\"verify\"]")), 1);
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", ",\"use\":\"enc\"")), 0);
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", ",\"alg\":\"RSA-OAEP\"")), 0);
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", ",\"alg\":\"ES256\"")), 0);
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", ",\"key_ops\":[\"encrypt\"]")), 0);
    ck_assert_int_eq(count_of(rsa_jwk(key, "k", ",\"d\":\"AQAB\"")), 0);
    ck_assert_int_eq(count_of(rsa_jwk(small, "k", "")), 0);
    ck_assert_int_eq(count_of("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"k\"}"), 0);
    ck_assert_int_eq(count_of("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},7,null,{}"), 0);
    char *jwk = ec_jwk(ec, "k", "P-256", 32);
    ck_assert_int_eq(count_of(jwk), 1);
    char *y = strstr(jwk, "\"y\":\"") + 5;
    y[5] = y[5] == 'A' ? 'B' : 'A';       /* not on the curve any more */
    ck_assert_int_eq(count_of(jwk), 0);
    ck_assert_int_eq(count_of("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AQ\",\"y\":\"AQ\"}"), 0);
    static const char *const not_sets[] = {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "nonsense"};
    for (size_t i = 0; i < CR_ARRAY_LEN(not_sets); i++)
        ck_assert_fails(cr_jwks_parse(not_sets[i], strlen(not_sets[i]), &keys, &err), CR_FORMAT);
    EVP_PKEY_free(key);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
}
END_TEST

/* The key says for which algorithm it is: a token may not choose another. */
START_TEST(algorithm_of_the_key) {
    EVP_PKEY *key = EVP_RSA_gen(2048);
    cr_jwks *keys = keys_of(rsa_jwk(key, "k1", ",\"alg\":\"PS256\""));
    ck_assert_int_eq(verify(make_token(key, "SHA256", false, 0, "{\"alg\":\"RS256\",\"kid\":\"k1\"}", BODY), keys, CR_JOSE_ALL_ALGS), CR_NOT_FOUND);
    ck_assert_int_eq(verify(make_token(key, "SHA256", true, 0, "{\"alg\":\"PS256\",\"kid\":\"k1\"}", BODY), keys, CR_JOSE_ALL_ALGS), CR_OK);
    cr_jwks_free(keys);
    EVP_PKEY_free(key);
}
END_TEST

/* OpenID Connect Core, appendix A.3: access token and at_hash of the example. */
START_TEST(access_token_hash) {
    const char *token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    unsigned rs = cr_jose_alg_bit("RS256");
    ck_assert(cr_jose_hash_is_right(rs, token, "77QmUPtjPfzWtF2AnpK9RQ"));
    ck_assert(!cr_jose_hash_is_right(rs, token, "77QmUPtjPfzWtF2AnpK9RA"));
    ck_assert(!cr_jose_hash_is_right(rs, token, "77QmUPtjPfzWtF2AnpK9"));
    ck_assert(!cr_jose_hash_is_right(rs, token, ""));
    ck_assert(!cr_jose_hash_is_right(rs, "other", "77QmUPtjPfzWtF2AnpK9RQ"));
    ck_assert(!cr_jose_hash_is_right(cr_jose_alg_bit("ES384"), token, "77QmUPtjPfzWtF2AnpK9RQ"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("jose");
    TCase *c = tcase_create("all");
    tcase_set_timeout(c, 30);
    tcase_add_test(c, rfc_vector);
    tcase_add_test(c, good_tokens);
    tcase_add_test(c, wrong_tokens);
    tcase_add_test(c, key_confusion);
    tcase_add_test(c, texts_that_are_no_tokens);
    tcase_add_test(c, keys_that_are_left_out);
    tcase_add_test(c, algorithm_of_the_key);
    tcase_add_test(c, access_token_hash);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite())
