/* certificate.c - OpenSSL. */
#include "platform/gateway/certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { DAY_S = 86400, LIFE_DAYS = 365, SERIAL_BYTES = 16 };

static cr_status fail(cr_err *err, const char *what) {
    char why[256];
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    ERR_clear_error();
    return CR_FAIL(err, CR_INTERNAL, "%s: %s", what, why);
}

static bool add_extension(X509 *x, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool done = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return done;
}

static bool set_serial(X509 *x) {
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7F) | 0x40);   /* positive, and always as long */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return done;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *name, time_t now) {
    char names[128];
    snprintf(names, sizeof names, "DNS:%s, DNS:dask-internal", name);
    X509_NAME *subject = X509_get_subject_name(x);
    time_t from = now - DAY_S, until = now + (time_t)LIFE_DAYS * DAY_S;      /* clocks differ */
    return X509_set_version(x, 2) == 1 && set_serial(x) && X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &from) &&
           X509_time_adj_ex(X509_getm_notAfter(x), 0, 0, &until) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"dask-internal", -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 &&
           add_extension(x, NID_basic_constraints, "critical,CA:TRUE") && add_extension(x, NID_subject_key_identifier, "hash") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature,keyCertSign") && add_extension(x, NID_subject_alt_name, names) &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

/* What was written to memory, as text. */
static bool take(BIO *bio, char *out, size_t size) {
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    if (n <= 0 || (size_t)n >= size)
        return false;
    memcpy(out, data, (size_t)n);
    out[n] = 0;
    return true;
}

static bool write_pem(X509 *x, EVP_PKEY *key, cr_certificate *out) {
    BIO *cert = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    bool done = cert && secret && PEM_write_bio_X509(cert, x) == 1 && PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                take(cert, out->cert, sizeof out->cert) && take(secret, out->key, sizeof out->key);
    BIO_free(cert);
    BIO_free(secret);
    return done;
}

cr_status cr_certificate_make(const char *name, int64_t wall_ms, cr_certificate *ret_certificate, cr_err *err) {
    cr_certificate c = {{0}, {0}};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    cr_status status = CR_OK;
    if (!key || !x)
        status = fail(err, "making a key for a cluster");
    else if (!fill(x, key, name, (time_t)(wall_ms / 1000)))
        status = fail(err, "making a certificate for a cluster");
    else if (!write_pem(x, key, &c))
        status = fail(err, "writing a certificate for a cluster");
    X509_free(x);
    EVP_PKEY_free(key);
    if (status == CR_OK)
        *ret_certificate = c;
    explicit_bzero(c.key, sizeof c.key);
    return status;
}
