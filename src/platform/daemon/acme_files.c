/* acme_files.c - OpenSSL and files. */
#include "platform/daemon/acme_files.h"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/place.h"

enum { PEM_MAX = 64 << 10, DAY_S = 86400, P256_BYTES = 32 };

static cr_status fail(cr_err *err, const char *what) {
    char why[256];
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    ERR_clear_error();
    return CR_FAIL(err, CR_FORMAT, "%s: %s", what, why);
}

static X509 *read_cert(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return x;
}

/* No password: none is asked for at a terminal. */
static int no_password(char *buf, int size, int writing, void *user) { return -1; }

static EVP_PKEY *read_key(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* ---- names ---- */

static void add_name(cr_acme_names *names, const char *fmt, const char *part, int part_len, const char *domain) {
    if (names->n == CR_ACME_NAMES_MAX) {
        names->cut = true;
        return;
    }
    int n = snprintf(names->at[names->n], sizeof names->at[0], fmt, part_len, part, domain);
    names->n += n > 0 && (size_t)n < sizeof names->at[0];
}

void cr_acme_wanted(const cr_config *c, const char *accounts, cr_acme_names *ret_names) {
    memset(ret_names, 0, sizeof *ret_names);
    add_name(ret_names, "%.*s%s", "", 0, c->domain);
    if (c->acme_hook[0]) {
        add_name(ret_names, "%.*s.%s", "*", 1, c->domain);
        return;
    }
    for (const char *line = accounts; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        int n = (int)strcspn(line, " \n");
        if (line[n] == ' ' && n > 0 && n <= 63 && (line != accounts || strncmp(line, "next ", 5) != 0))
            add_name(ret_names, "%.*s.%s", line, n, c->domain);
    }
}

static bool covers(X509 *x, const char *name) {
    char one[CR_ACME_NAME_MAX + 1];
    /* Of a wildcard a name that it stands for. */
    snprintf(one, sizeof one, "%s%s", name[0] == '*' ? "x" : "", name + (name[0] == '*'));
    return X509_check_host(x, one, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static bool time_of(const ASN1_TIME *t, int64_t *ret_s) {
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *ret_s = (int64_t)timegm(&tm);
    return true;
}

static cr_acme_need look(X509 *x, const cr_acme_names *wanted, int64_t now_s) {
    int64_t from, until;
    if (!time_of(X509_get0_notBefore(x), &from) || !time_of(X509_get0_notAfter(x), &until) || until <= from || now_s >= until - (until - from) / 3)
        return CR_ACME_LATE;
    if (X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0)
        return CR_ACME_LATE;
    for (int i = 0; i < wanted->n; i++)
        if (!covers(x, wanted->at[i]))
            return CR_ACME_NAME;
    return CR_ACME_FINE;
}

cr_acme_need cr_acme_look(const char *pem, const cr_acme_names *wanted, int64_t now_s) {
    X509 *x = read_cert(pem);
    cr_acme_need need = x ? look(x, wanted, now_s) : CR_ACME_LATE;
    X509_free(x);
    return need;
}

/* ---- the account key ---- */

static void base64url(const unsigned char bytes[P256_BYTES], char out[44]) {
    sodium_bin2base64(out, 44, bytes, P256_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static bool coordinate(const EVP_PKEY *key, const char *which, char out[44]) {
    BIGNUM *n = NULL;
    unsigned char bytes[P256_BYTES];
    bool done = EVP_PKEY_get_bn_param(key, which, &n) == 1 && BN_bn2binpad(n, bytes, P256_BYTES) == P256_BYTES;
    BN_free(n);
    if (done)
        base64url(bytes, out);
    return done;
}

cr_status cr_acme_thumbprint(const char *pem, char ret_text[44], cr_err *err) {
    char x[44], y[44], json[160], group[32] = "";
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_PKEY *key = read_key(pem);
    bool done = key && EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) == 1 && strcmp(group, "prime256v1") == 0 &&
                coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, x) && coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, y);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!done)
        return CR_FAIL(err, CR_FORMAT, "this is no EC key on P-256");
    int n = snprintf(json, sizeof json, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    if (EVP_Digest(json, (size_t)n, hash, NULL, EVP_sha256(), NULL) != 1)
        return fail(err, "hashing the account key");
    base64url(hash, ret_text);
    return CR_OK;
}

/* No link is followed, and no second name of another file taken for it: the folder may be another user's. */
static cr_status give(const char *path, uid_t uid, gid_t gid, cr_err *err) {
    struct stat st;
    if (geteuid() != 0)
        return CR_OK;
    cr_auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", path);
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return CR_FAIL(err, CR_DENIED, "%s is not a file of one name: somebody else has put it there", path);
    return fchown(fd, uid, gid) == 0 ? CR_OK : CR_FAIL_ERRNO(err, "cannot give %s its owner", path);
}

static cr_status read_regular(const char *path, cr_buf *out, cr_err *err) {
    int fd;
    uint64_t size;
    CR_TRY(cr_regular_open(path, &fd, &size, err));      /* nor is waited for a pipe that was laid there */
    cr_auto_fd int held = fd;
    char place[64];
    snprintf(place, sizeof place, "/proc/self/fd/%d", held);
    return cr_file_read(place, out, err);
}

/* What was written to memory, into a file. */
static cr_status save(BIO *bio, const char *path, uid_t uid, gid_t gid, cr_err *err) {
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    CR_TRY(cr_file_replace(path, data, (size_t)n, 0600, err));
    return give(path, uid, gid, err);
}

static cr_status save_key(EVP_PKEY *key, const char *path, uid_t uid, gid_t gid, cr_err *err) {
    BIO *bio = BIO_new(BIO_s_secmem());
    cr_status status = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 ? save(bio, path, uid, gid, err)
                                                                                                       : fail(err, "writing a key");
    BIO_free(bio);
    return status;
}

static cr_status lay_account(const cr_config *c, const cr_ground *g, cr_err *err) {
    char path[600], answer[128], thumbprint[44];
    snprintf(path, sizeof path, "%s/acme/private/key.pem", c->state_dir);
    if (access(path, F_OK) != 0) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        cr_status status = key ? save_key(key, path, g->acme_uid, g->acme_gid, err) : fail(err, "making an account key");
        EVP_PKEY_free(key);
        CR_TRY(status);
    }
    cr_auto_buf cr_buf pem;
    cr_buf_init(&pem, PEM_MAX);
    CR_TRY(give(path, g->acme_uid, g->acme_gid, err));      /* a restored one is root's */
    CR_TRY(read_regular(path, &pem, err));
    cr_status status = cr_acme_thumbprint(cr_buf_str(&pem), thumbprint, err);
    explicit_bzero(pem.data, pem.len);
    cr_err_context(err, "%s", path);
    CR_TRY(status);
    snprintf(answer, sizeof answer, "%%[path,field(-1,/)].%s", thumbprint);      /* a log-format string of HAProxy */
    return cr_file_replace(cr_run_path(c, CR_ACME_ANSWER, path, sizeof path), answer, strlen(answer), 0644, err);
}

/* ---- the pair ---- */

static char *served(const cr_config *c, const char *name, char buf[600]) {
    snprintf(buf, 600, "%s/tls/%s", c->state_dir, name);
    return buf;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *domain, time_t now) {
    char names[600];
    snprintf(names, sizeof names, "DNS:%s,DNS:*.%s", domain, domain);
    time_t from = now - DAY_S, until = now + DAY_S;
    X509_NAME *subject = X509_get_subject_name(x);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    uint64_t serial = 0;
    bool done = e && RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 && X509_set_version(x, 2) == 1 &&
                ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1) == 1 && X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &from) &&
                X509_time_adj_ex(X509_getm_notAfter(x), 0, 0, &until) &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"not certified yet", -1, -1, 0) == 1 &&
                X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1 && X509_add_ext(x, e, -1) == 1 && X509_sign(x, key, EVP_sha256()) > 0;
    X509_EXTENSION_free(e);
    return done;
}

/* HAProxy needs a pair to listen with, before it can answer the CA. */
static cr_status make_first_pair(const cr_config *c, cr_err *err) {
    char path[600];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    cr_status status = CR_OK;
    if (!key || !x || !bio || !fill(x, key, c->domain, (time_t)(cr_wall_ms() / 1000)) || PEM_write_bio_X509(bio, x) != 1)
        status = fail(err, "making a first certificate");
    if (status == CR_OK)
        status = save_key(key, served(c, "key.pem", path), geteuid(), getegid(), err);
    if (status == CR_OK)
        status = save(bio, served(c, "cert.pem", path), geteuid(), getegid(), err);
    BIO_free(bio);
    X509_free(x);
    EVP_PKEY_free(key);
    return status;
}

cr_status cr_acme_check_pair(const char *cert, const char *key_pem, const char *domain, int64_t now_s, cr_err *err) {
    X509 *x = read_cert(cert);
    EVP_PKEY *key = read_key(key_pem);
    int64_t from, until;
    cr_status status = CR_OK;
    if (!x || !key)
        status = CR_FAIL(err, CR_FORMAT, "there is no %s in what the CA gave", x ? "private key" : "certificate");
    else if (X509_check_private_key(x, key) != 1)
        status = CR_FAIL(err, CR_FORMAT, "the certificate that the CA gave is for another key");
    else if (!covers(x, domain))
        status = CR_FAIL(err, CR_FORMAT, "the certificate that the CA gave is not for %s", domain);
    else if (!time_of(X509_get0_notBefore(x), &from) || !time_of(X509_get0_notAfter(x), &until) || now_s + 60 < from || now_s >= until)
        status = CR_FAIL(err, CR_FORMAT, "the certificate that the CA gave is not good now: is this machine's clock right?");
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return status;
}

cr_status cr_acme_take(const cr_config *c, int64_t now_s, cr_err *err) {
    char path[1024];
    cr_auto_buf cr_buf cert, key;
    cr_buf_init(&cert, PEM_MAX);
    cr_buf_init(&key, PEM_MAX);
    snprintf(path, sizeof path, "%s/acme/%s/cert.pem", c->state_dir, c->domain);
    CR_TRY(read_regular(path, &cert, err));
    snprintf(path, sizeof path, "%s/acme/private/%s/key.pem", c->state_dir, c->domain);
    CR_TRY(read_regular(path, &key, err));
    cr_status status = cr_acme_check_pair(cr_buf_str(&cert), cr_buf_str(&key), c->domain, now_s, err);
    if (status == CR_OK)      /* both before the loop looks at them again (haproxy_tls.c) */
        status = cr_file_replace(served(c, "key.pem", path), key.data, key.len, 0600, err);
    if (status == CR_OK)
        status = cr_file_replace(served(c, "cert.pem", path), cert.data, cert.len, 0600, err);
    if (key.data)
        explicit_bzero(key.data, key.len);
    return status;
}

cr_status cr_acme_lay(const cr_config *c, const cr_ground *g, cr_err *err) {
    char own[320], path[900];
    /* uacme changes nothing in the first, so that root's way to the account key is root's own. */
    const struct { const char *name; uid_t uid; gid_t gid; mode_t mode; } dirs[] = {
        {"acme", geteuid(), g->acme_gid, 0750}, {"acme/private", g->acme_uid, g->acme_gid, 0700}, {own, g->acme_uid, g->acme_gid, 0700},
        {"tls", geteuid(), getegid(), 0700}};
    snprintf(own, sizeof own, "acme/%s", c->domain);
    for (size_t i = 0; i < CR_ARRAY_LEN(dirs); i++) {
        snprintf(path, sizeof path, "%s/%s", c->state_dir, dirs[i].name);
        CR_TRY(cr_place_dir(path, dirs[i].uid, dirs[i].gid, dirs[i].mode, err));
    }
    CR_TRY(lay_account(c, g, err));
    /* What was got before, for this domain; also when a kill came between the two files. */
    if (cr_acme_take(c, cr_wall_ms() / 1000, NULL) == CR_OK)
        return CR_OK;
    cr_auto_buf cr_buf cert, key;
    cr_buf_init(&cert, PEM_MAX);
    cr_buf_init(&key, PEM_MAX);
    bool good = cr_file_read(served(c, "cert.pem", path), &cert, NULL) == CR_OK && cr_file_read(served(c, "key.pem", path), &key, NULL) == CR_OK &&
                cr_acme_check_pair(cr_buf_str(&cert), cr_buf_str(&key), c->domain, cr_wall_ms() / 1000, NULL) == CR_OK;
    if (key.data)
        explicit_bzero(key.data, key.len);
    return good ? CR_OK : make_first_pair(c, err);
}
