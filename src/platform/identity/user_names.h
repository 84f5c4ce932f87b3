/* user_names.h - what a user may be called, and which system account belongs to a name.
 *
 * name     the hub's user name, as in /user/NAME/ and JUPYTERHUB_USER: lower case, [a-z0-9] first and last, between them also
 *          . _ - @ ; 1 to 64 characters. Typed upper case is lowered, as JupyterHub does. Everything else is refused with a
 *          proposal, so that two names can never look alike or need escaping in an address.
 * account  the system name: [a-z][a-z0-9-]{0,31}, not ending in '-', unique for ever, kept in the database. Made from the name:
 *          other characters become '-', a letter first, cut to 32; taken ones get -2, -3, ... A name that has this form is its own account.
 *          demo-XXXXXXXX, eight hexadecimal digits, belongs to demo accounts and to no person's.
 */
#ifndef CR_PLATFORM_IDENTITY_USER_NAMES_H
#define CR_PLATFORM_IDENTITY_USER_NAMES_H

#include <stdbool.h>
#include "base/error.h"

enum { CR_NAME_MAX = 64, CR_ACCOUNT_MAX = 32 };

/* out needs CR_NAME_MAX + 1 bytes. CR_INVALID: message for people, hint with a proposal. */
cr_status cr_name_normalize(const char *typed, char *out, cr_err *err) CR_MUST_USE;
/* The n-th choice (1, 2, ...) of an account for a name; out needs CR_ACCOUNT_MAX + 1 bytes. */
void cr_account_choice(const char *name, int n, char *out);
bool cr_account_is_demo(const char *account);
/* STATE/log/ACCOUNT.log would be a log of the platform itself. Nobody gets such an account; the helper starts none. */
bool cr_account_is_platform_log(const char *account);

#endif
