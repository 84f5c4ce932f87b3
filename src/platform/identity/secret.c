/* secret.c - SHA-256 and HMAC from libsodium. */
#include "platform/identity/secret.h"

#include <sodium.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hex.h"

cr_status cr_secret_open(const char *path, cr_secret *secret, cr_err *err) {
    if (sodium_init() < 0)
        return CR_FAIL(err, CR_INTERNAL, "the crypto library does not start");
    if (access(path, F_OK) != 0) {
        unsigned char key[sizeof secret->key];
        cr_random_bytes(key, sizeof key);
        cr_status status = cr_file_replace(path, key, sizeof key, 0600, err);
        sodium_memzero(key, sizeof key);
        CR_TRY(status);
    }
    cr_auto_buf cr_buf bytes;
    cr_buf_init(&bytes, 4096);
    CR_TRY(cr_file_read(path, &bytes, err));
    if (bytes.len != sizeof secret->key) {
        cr_status status = CR_FAIL(err, CR_FORMAT, "the key %s has %zu bytes instead of %zu", path, bytes.len, sizeof secret->key);
        cr_err_hint(err, "remove it: a new one is made, and everybody signs in again");
        return status;
    }
    memcpy(secret->key, bytes.data, sizeof secret->key);
    sodium_memzero(bytes.data, bytes.len);
    return CR_OK;
}

void cr_secret_done(cr_secret *secret) { sodium_memzero(secret, sizeof *secret); }

void cr_token_make(char out[CR_TOKEN_LEN + 1]) { cr_random_hex(out, CR_TOKEN_LEN / 2); }

bool cr_token_is_wellformed(const char *token) {
    return strlen(token) == CR_TOKEN_LEN && strspn(token, "0123456789abcdef") == CR_TOKEN_LEN;
}

void cr_token_hash(const char *token, unsigned char out[CR_HASH_BYTES]) {
    crypto_hash_sha256(out, (const unsigned char *)token, strlen(token));
}

void cr_csrf_make(const cr_secret *secret, const char *purpose, const char *session, char out[CR_TOKEN_LEN + 1]) {
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, secret->key, sizeof secret->key);
    /* With its zero byte, so that purpose and session cannot run into each other. */
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)purpose, strlen(purpose) + 1);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)session, strlen(session));
    crypto_auth_hmacsha256_final(&state, mac);
    cr_hex(mac, sizeof mac, out);
}

bool cr_csrf_is_right(const cr_secret *secret, const char *purpose, const char *session, const char *given) {
    char right[CR_TOKEN_LEN + 1];
    cr_csrf_make(secret, purpose, session, right);
    return given && strlen(given) == CR_TOKEN_LEN && cr_equal_const(right, given, CR_TOKEN_LEN);
}

static bool is_unreserved(const char *s, size_t min, size_t max) {
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");
    return s[n] == 0 && n >= min && n <= max;
}

bool cr_pkce_challenge_is_wellformed(const char *challenge) { return is_unreserved(challenge, 43, 43); }

void cr_pkce_challenge(const char *verifier, char out[CR_PKCE_CHALLENGE_LEN + 1]) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(verifier, hash);
    sodium_bin2base64(out, CR_PKCE_CHALLENGE_LEN + 1, hash, sizeof hash, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool cr_pkce_is_right(const char *verifier, const char *challenge) {
    if (!is_unreserved(verifier, 43, 128))
        return false;
    char text[CR_PKCE_CHALLENGE_LEN + 1];
    cr_pkce_challenge(verifier, text);
    return strlen(challenge) == strlen(text) && cr_equal_const(text, challenge, strlen(text));
}
