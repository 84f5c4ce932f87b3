/* password.c - libsodium's crypto_pwhash_str. */
#include "platform/identity/password.h"

#include <pthread.h>
#include <sodium.h>
#include <sys/mman.h>
#include "base/memory_left.h"
#include "base/text.h"

enum { PASSES = 3, MEMORY_BYTES = 64 << 20, PLENTY_BYTES = 4 * MEMORY_BYTES };
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

/* Where little is left, a second hash at the same time could be what brings the kernel to end somebody's kernel. */
static pthread_rwlock_t turns = PTHREAD_RWLOCK_INITIALIZER;

static void take_turn(void) {
    if (cr_memory_left("") < PLENTY_BYTES)
        pthread_rwlock_wrlock(&turns);
    else
        pthread_rwlock_rdlock(&turns);
}

/* The library calls a password wrong for which it got no memory: so it is asked for before, and once more before that is believed. */
static bool has_room(void) {
    void *p = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, MEMORY_BYTES);
    return true;
}

static cr_status no_memory(cr_err *err) { return CR_FAIL(err, CR_BUSY, "there is not enough memory to check a password now; try again in a minute"); }

cr_status cr_password_hash(const char *password, char out[CR_PASSWORD_HASH_BYTES], cr_err *err) {
    memset(out, 0, CR_PASSWORD_HASH_BYTES);
    take_turn();
    int rc = crypto_pwhash_str(out, password, strlen(password), PASSES, MEMORY_BYTES);
    pthread_rwlock_unlock(&turns);
    return rc == 0 ? CR_OK : no_memory(err);
}

cr_status cr_password_verify(const char *password, const char *hash, bool *ret_right, cr_err *err) {
    char out[CR_PASSWORD_HASH_BYTES];
    *ret_right = false;
    if (!hash)
        return cr_password_hash(password, out, err);
    take_turn();
    bool room = has_room();
    int rc = room ? crypto_pwhash_str_verify(hash, password, strlen(password)) : -1;
    if (rc != 0)
        room = room && has_room();
    pthread_rwlock_unlock(&turns);
    if (!room)
        return no_memory(err);
    *ret_right = rc == 0;
    return CR_OK;
}
