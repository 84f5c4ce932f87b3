/* password.h - passwords as argon2id (64 MiB, 3 passes). Hashing takes a tenth of a second: call it on a worker thread.
 *
 * The memory is asked of the kernel for each hash and given back after it: a process holds none of it at rest. Threads hash at the same time while
 * memory is left for several, else one after the other. CR_BUSY: not even for one. */
#ifndef CR_PLATFORM_IDENTITY_PASSWORD_H
#define CR_PLATFORM_IDENTITY_PASSWORD_H

#include <stdbool.h>
#include "base/error.h"

enum { CR_PASSWORD_MIN = 8, CR_PASSWORD_MAX = 256, CR_PASSWORD_HASH_BYTES = 128 };

/* Length in characters and bytes, UTF-8, not the name: CR_INVALID with a message for people. */
cr_status cr_password_check(const char *password, const char *name, cr_err *err) CR_MUST_USE;
cr_status cr_password_hash(const char *password, char out[CR_PASSWORD_HASH_BYTES], cr_err *err) CR_MUST_USE;
/* hash NULL: takes as long as a wrong password and answers false, so that the time does not tell whether a user exists. CR_BUSY says nothing about
 * the password. */
cr_status cr_password_verify(const char *password, const char *hash, bool *ret_right, cr_err *err) CR_MUST_USE;

#endif
