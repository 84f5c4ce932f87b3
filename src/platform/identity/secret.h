/* secret.h - the hub's key, tokens and what is stored of them.
 *
 * A token is 256 random bits as 64 hexadecimal digits; the database holds only its SHA-256. The key (STATE/hub/secret.key, 0600)
 * makes CSRF tokens: HMAC-SHA-256 over purpose and session, so a token read from one session is worth nothing in another.
 */
#ifndef CR_PLATFORM_IDENTITY_SECRET_H
#define CR_PLATFORM_IDENTITY_SECRET_H

#include <stdbool.h>
#include "base/error.h"

enum { CR_TOKEN_LEN = 64, CR_HASH_BYTES = 32, CR_PKCE_CHALLENGE_LEN = 43 };

typedef struct cr_secret {
    unsigned char key[32];
} cr_secret;

/* Reads the key, or makes it at the first start. Also readies the crypto library: call first. */
cr_status cr_secret_open(const char *path, cr_secret *secret, cr_err *err) CR_MUST_USE;
void cr_secret_done(cr_secret *secret);

void cr_token_make(char out[CR_TOKEN_LEN + 1]);
bool cr_token_is_wellformed(const char *token);
void cr_token_hash(const char *token, unsigned char out[CR_HASH_BYTES]);     /* SHA-256 of the text */
/* purpose: "session", "pre", "signin...": what the text is for; texts made for one purpose are worth nothing for another. */
void cr_csrf_make(const cr_secret *secret, const char *purpose, const char *session, char out[CR_TOKEN_LEN + 1]);
bool cr_csrf_is_right(const cr_secret *secret, const char *purpose, const char *session, const char *given);

/* PKCE: BASE64URL(SHA256(verifier)) == challenge (RFC 7636 4.6); verifier 43 to 128 unreserved characters. */
bool cr_pkce_is_right(const char *verifier, const char *challenge);
void cr_pkce_challenge(const char *verifier, char out[CR_PKCE_CHALLENGE_LEN + 1]);
bool cr_pkce_challenge_is_wellformed(const char *challenge);

#endif
