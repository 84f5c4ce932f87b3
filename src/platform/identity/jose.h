/* jose.h - signed tokens of an identity provider: JWS in its compact form (RFC 7515), key sets (RFC 7517), by OpenSSL's EVP.
 *
 * Everything here reads text from outside: sizes and counts are bounded, unknown things are refused or (keys) left out.
 * Fuzzed by fuzz/fuzz_jose.c.
 *
 * Invariants
 *  1. Only signatures with a public key exist here: RS*, PS*, ES*. "none" and HS* have no row in the table, so neither an unsigned
 *     token nor one that was signed with a public key as if it were a password can be taken.
 *  2. A key serves one kind of algorithm: the kind of key, its curve, its "alg" and its "use" must all fit the token's header.
 *  3. No claim is given out before the signature was found right.
 */
#ifndef CR_PLATFORM_IDENTITY_JOSE_H
#define CR_PLATFORM_IDENTITY_JOSE_H

#include <jansson.h>
#include <stdbool.h>
#include "base/error.h"

enum {
    CR_JWT_MAX = 64 << 10,
    CR_JWKS_MAX = 256 << 10,
    CR_JWKS_KEYS_MAX = 64,
    CR_JOSE_ALGS = 9,
    CR_JOSE_HASH_MAX = 64
};

/* Bit of an algorithm in a set; 0 when the name is not in the table. */
unsigned cr_jose_alg_bit(const char *name);
#define CR_JOSE_ALL_ALGS ((1u << CR_JOSE_ALGS) - 1)
/* "RS256, ES256"; returns buf. */
char *cr_jose_alg_list(unsigned set, char *buf, size_t size);

typedef struct cr_jwks cr_jwks;
/* Keys that cannot be used (other kinds, too short, private ones, damaged) are left out; a text that is no key set is CR_FORMAT. */
cr_status cr_jwks_parse(const char *text, size_t n, cr_jwks **ret_keys, cr_err *err) CR_MUST_USE;
void cr_jwks_free(cr_jwks *keys);
int cr_jwks_count(const cr_jwks *keys);

/* allowed: set of algorithms. *ret_claims is a new reference. CR_NOT_FOUND: no key of the set has the token's "kid" (fetch the set
 * again); CR_DENIED: the signature is wrong or the algorithm is not allowed; CR_FORMAT: not a token. ret_alg may be NULL. */
cr_status cr_jwt_verify(const char *token, const cr_jwks *keys, unsigned allowed, json_t **ret_claims, unsigned *ret_alg, cr_err *err) CR_MUST_USE;

/* Also a token whose header says that it is of this type, as "logout+jwt"; NULL: none but "JWT", and those that say nothing. */
cr_status cr_jwt_verify_as(const char *type, const char *token, const cr_jwks *keys, unsigned allowed, json_t **ret_claims, unsigned *ret_alg,
                           cr_err *err) CR_MUST_USE;

/* The at_hash of OpenID Connect Core 3.1.3.6: left half of the algorithm's hash over the access token, base64url. */
bool cr_jose_hash_is_right(unsigned alg, const char *access_token, const char *at_hash);

#endif
