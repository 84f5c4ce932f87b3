/* jose.c - headers, keys, signatures. */
#include "platform/identity/jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "base/hex.h"
#include "base/text.h"

enum { KID_MAX = 256, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, RSA_E_BYTES_MAX = 8, EC_BYTES_MAX = 66, TRIES_MAX = 8 };

typedef enum { RSA_PKCS1, RSA_PSS, ECDSA } family;

/* RFC 7518 3.1, without what is refused (see invariant 1). */
static const struct {
    const char *name, *digest;
    family family;
    const char *curve, *group;        /* ECDSA: RFC 7518 6.2.1.1, and OpenSSL's name */
    size_t coordinate;                /* ECDSA: bytes of one */
} algs[CR_JOSE_ALGS] = {
    {"RS256", "SHA256", RSA_PKCS1, NULL, NULL, 0},
    {"RS384", "SHA384", RSA_PKCS1, NULL, NULL, 0},
    {"RS512", "SHA512", RSA_PKCS1, NULL, NULL, 0},
    {"PS256", "SHA256", RSA_PSS, NULL, NULL, 0},
    {"PS384", "SHA384", RSA_PSS, NULL, NULL, 0},
    {"PS512", "SHA512", RSA_PSS, NULL, NULL, 0},
    {"ES256", "SHA256", ECDSA, "P-256", "P-256", 32},
    {"ES384", "SHA384", ECDSA, "P-384", "P-384", 48},
    {"ES512", "SHA512", ECDSA, "P-521", "P-521", 66},
};

typedef struct key {
    char kid[KID_MAX + 1];            /* "" : none */
    unsigned algs;                    /* that it may be used for */
    EVP_PKEY *pkey;
} key;

struct cr_jwks {
    int n;
    key keys[CR_JWKS_KEYS_MAX];
};

unsigned cr_jose_alg_bit(const char *name) {
    for (unsigned i = 0; name && i < CR_JOSE_ALGS; i++)
        if (strcmp(algs[i].name, name) == 0)
            return 1u << i;
    return 0;
}

static unsigned index_of(unsigned bit) {
    unsigned i = 0;
    while (i < CR_JOSE_ALGS && bit != 1u << i)
        i++;
    return i;
}

char *cr_jose_alg_list(unsigned set, char *buf, size_t size) {
    size_t n = 0;
    buf[0] = 0;
    for (unsigned i = 0; i < CR_JOSE_ALGS; i++)
        if ((set & 1u << i) && n < size)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", algs[i].name);
    return buf;
}

/* base64url without padding (RFC 7515 2): false for anything else. out needs n * 3 / 4 + 1 bytes. */
static bool decode_base64url(const char *text, size_t n, unsigned char *out, size_t *ret_len) {
    size_t len;
    const char *end;
    if (sodium_base642bin(out, n * 3 / 4 + 1, text, n, NULL, &len, &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 || end != text + n)
        return false;
    *ret_len = len;
    return true;
}

/* ---- key sets ---- */

static bool decode_member(const json_t *jwk, const char *name, unsigned char *out, size_t max, size_t *ret_len) {
    const json_t *value = json_object_get(jwk, name);
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    return text && n > 0 && n * 3 / 4 + 1 <= max && decode_base64url(text, n, out, ret_len) && *ret_len > 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params) {
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static EVP_PKEY *rsa_key(const json_t *jwk) {
    unsigned char n[RSA_BITS_MAX / 8 + 4], e[64];
    size_t n_len, e_len;
    if (!decode_member(jwk, "n", n, sizeof n, &n_len) || !decode_member(jwk, "e", e, sizeof e, &e_len) || e_len > RSA_E_BYTES_MAX)
        return NULL;
    EVP_PKEY *pkey = NULL;
    BIGNUM *bn = BN_bin2bn(n, (int)n_len, NULL), *be = BN_bin2bn(e, (int)e_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool good = bn && be && build && BN_num_bits(bn) >= RSA_BITS_MIN && BN_num_bits(bn) <= RSA_BITS_MAX && BN_is_odd(bn) && BN_is_odd(be) &&
                !BN_is_one(be) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) &&
                OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be);
    OSSL_PARAM *params = good ? OSSL_PARAM_BLD_to_param(build) : NULL;
    if (params)
        pkey = from_params("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(bn);
    BN_free(be);
    return pkey;
}

static EVP_PKEY *ec_key(const json_t *jwk, unsigned alg) {
    const size_t c = algs[alg].coordinate;
    unsigned char point[1 + 2 * EC_BYTES_MAX], part[EC_BYTES_MAX + 4];
    static const char *const names[] = {"x", "y"};
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    for (size_t i = 0; i < 2; i++) {
        size_t len;
        if (!decode_member(jwk, names[i], part, sizeof part, &len) || len != c)
            return NULL;
        memcpy(point + 1 + i * c, part, c);
    }
    char group[16];
    snprintf(group, sizeof group, "%s", algs[alg].group);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * c),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *pkey = from_params("EC", params);   /* refuses a point that is not on the curve */
    EVP_PKEY_CTX *ctx = pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (pkey && (!ctx || EVP_PKEY_public_check(ctx) <= 0)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* For what is this key meant, by kind, "alg", "use" and "key_ops"? */
static unsigned algs_of(const json_t *jwk) {
    const char *kty = json_string_value(json_object_get(jwk, "kty")), *crv = json_string_value(json_object_get(jwk, "crv"));
    const char *use = json_string_value(json_object_get(jwk, "use"));
    const json_t *alg = json_object_get(jwk, "alg"), *ops = json_object_get(jwk, "key_ops");
    unsigned set = 0;
    if (!kty || (use && strcmp(use, "sig") != 0))
        return 0;
    if (ops) {
        bool verifies = false;
        size_t i;
        json_t *op;
        json_array_foreach(ops, i, op)
            verifies = verifies || (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0);
        if (!verifies)
            return 0;
    }
    for (unsigned i = 0; i < CR_JOSE_ALGS; i++) {
        bool fits = algs[i].family == ECDSA ? strcmp(kty, "EC") == 0 && crv && strcmp(crv, algs[i].curve) == 0 : strcmp(kty, "RSA") == 0;
        if (fits && (!alg || (json_is_string(alg) && strcmp(json_string_value(alg), algs[i].name) == 0)))
            set |= 1u << i;
    }
    return set;
}

static void add_key(cr_jwks *keys, const json_t *jwk) {
    const json_t *kid = json_object_get(jwk, "kid");
    unsigned set = algs_of(jwk);
    /* A set that publishes a private key is broken; what was signed with it proves nothing. */
    if (!set || json_object_get(jwk, "d") || (kid && (!json_is_string(kid) || json_string_length(kid) > KID_MAX)))
        return;
    unsigned first = 0;
    while (!(set & 1u << first))
        first++;
    EVP_PKEY *pkey = algs[first].family == ECDSA ? ec_key(jwk, first) : rsa_key(jwk);
    if (!pkey) {
        ERR_clear_error();
        return;
    }
    key *k = &keys->keys[keys->n++];
    k->algs = set;
    k->pkey = pkey;
    snprintf(k->kid, sizeof k->kid, "%s", kid ? json_string_value(kid) : "");
}

cr_status cr_jwks_parse(const char *text, size_t n, cr_jwks **ret_keys, cr_err *err) {
    json_error_t je;
    if (n > CR_JWKS_MAX)
        return CR_FAIL(err, CR_LIMIT, "the key set is larger than %d KiB", CR_JWKS_MAX >> 10);
    json_t *set = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
    const json_t *list = json_object_get(set, "keys");
    cr_jwks *keys = json_is_array(list) ? calloc(1, sizeof *keys) : NULL;
    if (!keys) {
        bool no_memory = json_is_array(list);
        json_decref(set);
        return no_memory ? CR_FAIL(err, CR_MEMORY, "no memory for a key set") : CR_FAIL(err, CR_FORMAT, "this is not a key set (JSON with a list \"keys\")");
    }
    size_t i;
    json_t *jwk;
    json_array_foreach(list, i, jwk)
        if (keys->n < CR_JWKS_KEYS_MAX && json_is_object(jwk))
            add_key(keys, jwk);
    json_decref(set);
    *ret_keys = keys;
    return CR_OK;
}

void cr_jwks_free(cr_jwks *keys) {
    if (!keys)
        return;
    for (int i = 0; i < keys->n; i++)
        EVP_PKEY_free(keys->keys[i].pkey);
    free(keys);
}

int cr_jwks_count(const cr_jwks *keys) { return keys->n; }

/* ---- signatures ---- */

/* JWS has r and s side by side (RFC 7518 3.4), OpenSSL wants them as DER. */
static unsigned char *ecdsa_der(const unsigned char *raw, size_t coordinate, int *ret_len) {
    unsigned char *der = NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)coordinate, NULL), *s = BN_bin2bn(raw + coordinate, (int)coordinate, NULL);
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
        *ret_len = i2d_ECDSA_SIG(sig, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return der;
}

static bool signature_is_right(EVP_PKEY *pkey, unsigned alg, const char *text, size_t n, const unsigned char *sig, size_t sig_len) {
    unsigned char *der = NULL;
    if (algs[alg].family == ECDSA) {
        int der_len = 0;
        if (sig_len != 2 * algs[alg].coordinate || !(der = ecdsa_der(sig, algs[alg].coordinate, &der_len)) || der_len <= 0) {
            OPENSSL_free(der);
            return false;
        }
        sig = der;
        sig_len = (size_t)der_len;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool good = ctx && EVP_DigestVerifyInit_ex(ctx, &pctx, algs[alg].digest, NULL, NULL, pkey, NULL) > 0;
    if (good && algs[alg].family == RSA_PSS)
        good = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0 && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) > 0;
    good = good && EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)text, n) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}

/* ---- tokens ---- */

typedef struct parts {
    const char *head, *body, *sig;
    size_t head_len, body_len, sig_len;
} parts;

static bool split(const char *token, parts *p) {
    size_t n = strnlen(token, CR_JWT_MAX + 1);
    const char *end = token + n, *one = n <= CR_JWT_MAX ? memchr(token, '.', n) : NULL;
    const char *two = one ? memchr(one + 1, '.', (size_t)(end - one - 1)) : NULL;
    if (!two || memchr(two + 1, '.', (size_t)(end - two - 1)))
        return false;
    *p = (parts){token, one + 1, two + 1, (size_t)(one - token), (size_t)(two - one - 1), (size_t)(end - two - 1)};
    return p->head_len && p->body_len;
}

static json_t *json_part(const char *text, size_t n) {
    unsigned char *raw = malloc(n + 4);
    size_t len;
    json_t *value = NULL;
    if (raw && decode_base64url(text, n, raw, &len))
        value = json_loadb((const char *)raw, len, JSON_REJECT_DUPLICATES, NULL);
    free(raw);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

/* The algorithm and key id that the header names. */
static cr_status read_head(const json_t *head, const char *type, unsigned allowed, unsigned *ret_alg, const char **ret_kid, cr_err *err) {
    const json_t *name = json_object_get(head, "alg"), *kid = json_object_get(head, "kid"), *typ = json_object_get(head, "typ");
    unsigned bit = json_is_string(name) ? cr_jose_alg_bit(json_string_value(name)) : 0;
    if (!bit || !(bit & allowed)) {
        char list[96];
        return CR_FAIL(err, CR_DENIED, "the token is signed with \"%.20s\", which is not allowed here (allowed: %s)",
                       json_is_string(name) ? json_string_value(name) : "?", cr_jose_alg_list(allowed, list, sizeof list));
    }
    if (json_object_get(head, "crit"))
        return CR_FAIL(err, CR_DENIED, "the token's header demands an extension that is not known");
    const char *kind = json_string_value(typ);
    if (typ && !(kind && (strcasecmp(kind, "JWT") == 0 || (type && strcasecmp(kind, type) == 0))))
        return CR_FAIL(err, CR_DENIED, "the token is of another type than %s", type ? type : "an ID token");
    if (kid && (!json_is_string(kid) || json_string_length(kid) > KID_MAX))
        return CR_FAIL(err, CR_FORMAT, "the token's key id is not a short text");
    *ret_alg = index_of(bit);
    *ret_kid = kid ? json_string_value(kid) : "";
    return CR_OK;
}

static cr_status check_signature(const parts *p, const cr_jwks *keys, unsigned alg, const char *kid, cr_err *err) {
    unsigned char sig[RSA_BITS_MAX / 8 + 4];
    size_t len;
    if (p->sig_len == 0 || p->sig_len * 3 / 4 + 1 > sizeof sig || !decode_base64url(p->sig, p->sig_len, sig, &len))
        return CR_FAIL(err, CR_FORMAT, "the token's signature is empty, too long or not base64url");
    int fits = 0;
    for (int i = 0; i < keys->n && fits < TRIES_MAX; i++) {
        const key *k = &keys->keys[i];
        if (!(k->algs & 1u << alg) || (kid[0] && strcmp(kid, k->kid) != 0))
            continue;
        fits++;
        if (signature_is_right(k->pkey, alg, p->head, p->head_len + 1 + p->body_len, sig, len))
            return CR_OK;
    }
    if (!fits)
        return CR_FAIL(err, CR_NOT_FOUND, "the provider publishes no %s key%s%.64s with which this token could have been signed", algs[alg].name,
                       kid[0] ? " called " : "", kid);
    return CR_FAIL(err, CR_DENIED, "the token's signature is wrong");
}

cr_status cr_jwt_verify_as(const char *type, const char *token, const cr_jwks *keys, unsigned allowed, json_t **ret_claims, unsigned *ret_alg, cr_err *err) {
    parts p;
    if (!split(token, &p))
        return CR_FAIL(err, CR_FORMAT, "this is not a signed token (three parts, at most %d KiB)", CR_JWT_MAX >> 10);
    json_t *head = json_part(p.head, p.head_len);
    if (!head)
        return CR_FAIL(err, CR_FORMAT, "the token's header is not JSON");
    unsigned alg = 0;
    const char *kid = "";
    cr_status status = read_head(head, type, allowed, &alg, &kid, err);
    if (status == CR_OK)
        status = check_signature(&p, keys, alg, kid, err);
    json_decref(head);
    if (status != CR_OK)
        return status;
    json_t *claims = json_part(p.body, p.body_len);
    if (!claims)
        return CR_FAIL(err, CR_FORMAT, "the token's content is not a JSON object");
    if (ret_alg)
        *ret_alg = 1u << alg;
    *ret_claims = claims;
    return CR_OK;
}

bool cr_jose_hash_is_right(unsigned alg, const char *access_token, const char *at_hash) {
    unsigned i = index_of(alg);
    unsigned char hash[EVP_MAX_MD_SIZE], given[CR_JOSE_HASH_MAX + 4];
    unsigned len;
    size_t given_len, n = strlen(at_hash);
    const EVP_MD *md = i < CR_JOSE_ALGS ? EVP_get_digestbyname(algs[i].digest) : NULL;
    if (!md || n > CR_JOSE_HASH_MAX || !EVP_Digest(access_token, strlen(access_token), hash, &len, md, NULL) ||
        !decode_base64url(at_hash, n, given, &given_len))
        return false;
    return given_len == len / 2 && cr_equal_const(hash, given, given_len);
}

cr_status cr_jwt_verify(const char *token, const cr_jwks *keys, unsigned allowed, json_t **ret_claims, unsigned *ret_alg, cr_err *err) {
    return cr_jwt_verify_as(NULL, token, keys, allowed, ret_claims, ret_alg, err);
}
