/* password.h - passwords as argon2id (64 MiB, 3 passes). Hashing takes a tenth of a second: call it on a worker thread. */
#ifndef CR_PLATFORM_IDENTITY_PASSWORD_H
#define CR_PLATFORM_IDENTITY_PASSWORD_H

#include <stdbool.h>
#include "base/error.h"

enum { CR_PASSWORD_MIN = 8, CR_PASSWORD_MAX = 256, CR_PASSWORD_HASH_BYTES = 128 };

/* Length in characters and bytes, UTF-8, not the name: CR_INVALID with a message for people. */
cr_status cr_password_check(const char *password, const char *name, cr_err *err) CR_MUST_USE;
cr_status cr_password_hash(const char *password, char out[CR_PASSWORD_HASH_BYTES], cr_err *err) CR_MUST_USE;
/* hash NULL: takes as long as a wrong password and answers false, so that the time does not tell whether a user exists. */
bool cr_password_verify(const char *password, const char *hash);
void cr_password_forget(char *password);       /* overwrites */

#endif
