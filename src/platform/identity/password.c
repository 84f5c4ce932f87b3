/* password.c - libsodium's crypto_pwhash_str. */
#include "platform/identity/password.h"

#include <sodium.h>
#include "base/text.h"

enum { PASSES = 3, MEMORY_BYTES = 64 << 20 };
_Static_assert(crypto_pwhash_STRBYTES <= CR_PASSWORD_HASH_BYTES, "the hash must fit");

cr_status cr_password_check(const char *password, const char *name, cr_err *err) {
    size_t bytes = strlen(password), characters = 0;
    for (const char *p = password; *p; p++)
        characters += ((unsigned char)*p & 0xC0) != 0x80;
    if (characters < CR_PASSWORD_MIN)
        return CR_FAIL(err, CR_INVALID, "the password is too short: use at least %d characters", CR_PASSWORD_MIN);
    if (bytes > CR_PASSWORD_MAX)
        return CR_FAIL(err, CR_INVALID, "the password is too long: use at most %d characters", CR_PASSWORD_MAX);
    if (!cr_text_is_utf8(password, bytes))
        return CR_FAIL(err, CR_INVALID, "the password is not valid text");
    if (name && strcmp(password, name) == 0)
        return CR_FAIL(err, CR_INVALID, "the password must not be the user name");
    return CR_OK;
}

cr_status cr_password_hash(const char *password, char out[CR_PASSWORD_HASH_BYTES], cr_err *err) {
    memset(out, 0, CR_PASSWORD_HASH_BYTES);
    if (crypto_pwhash_str(out, password, strlen(password), PASSES, MEMORY_BYTES) != 0)
        return CR_FAIL(err, CR_BUSY, "there is not enough memory to check a password now; try again in a minute");
    return CR_OK;
}

bool cr_password_verify(const char *password, const char *hash) {
    if (!hash) {
        char out[CR_PASSWORD_HASH_BYTES];
        (void)!crypto_pwhash_str(out, password, strlen(password), PASSES, MEMORY_BYTES);
        return false;
    }
    return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

void cr_password_forget(char *password) {
    if (password)
        sodium_memzero(password, strlen(password));
}
