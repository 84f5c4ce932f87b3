/* basic.h - name and password of dask_gateway.BasicAuth (RFC 7617): the password is a token of the hub, the name its person's.
 *
 * A token and not the password of the account: it is random, so that guessing needs no counting and nobody's guesses lock anybody out; it
 * can be taken back and may be narrow; and people who come in by an identity provider have it, too (docs/decisions/0014-gateway.md).
 *
 * Text from outside; fuzzed by fuzz/fuzz_gateway.c.
 */
#ifndef CR_PLATFORM_GATEWAY_BASIC_H
#define CR_PLATFORM_GATEWAY_BASIC_H

#include "platform/identity/person.h"
#include "platform/identity/secret.h"

typedef struct cr_basic {
    char name[CR_NAME_MAX + 1];
    char token[CR_TOKEN_LEN + 1];
} cr_basic;

/* value: of the header Authorization. */
bool cr_is_basic(const char *value);
/* false: not of this form, or the password is no token. */
bool cr_basic_read(const char *value, cr_basic *ret_basic);
/* Is that the person's name? Also the name of the Linux account, which BasicAuth() takes by itself in a notebook. */
bool cr_basic_is_name_of(const cr_basic *basic, const cr_person *person);

#endif
