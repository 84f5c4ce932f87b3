/* issuer.h - what the hub knows of one identity provider at this moment: its discovery document and its keys, fetched and kept.
 *
 *   document  fetched at the first need, again after an hour; an old one is used on while the provider does not answer
 *   keys      fetched with the document, again after an hour, and when a token names a key that is not known (rotation): then at
 *             most twice a minute, so that nobody can make the hub ask by sending tokens
 * GitHub has neither: its addresses are known (identity/github_text.h), and there are no keys.
 * A failure is remembered for a few seconds: people who sign in meanwhile are told at once.
 *
 * Threads: everything on the loop; answers come later, never from inside the call.
 */
#ifndef CR_PLATFORM_HUB_ISSUER_H
#define CR_PLATFORM_HUB_ISSUER_H

#include "platform/http/fetch.h"
#include "platform/identity/github_text.h"
#include "platform/identity/jose.h"
#include "platform/identity/oidc_text.h"

enum { CR_ISSUER_WAITERS_MAX = 256 };

typedef struct cr_issuer cr_issuer;
/* err is NULL when document and keys are there. */
typedef void (*cr_issuer_fn)(void *user, const cr_err *err);

/* Borrows the settings and the socket's path. */
cr_status cr_issuer_new(cr_loop *loop, const cr_provider *p, const char *socket_path, cr_issuer **ret_issuer, cr_err *err) CR_MUST_USE;
void cr_issuer_free(cr_issuer *issuer);        /* waiters are not called */

/* Calls done when document and keys are usable. new_keys: fetch the keys again if that is allowed now. CR_BUSY: too many wait. */
cr_status cr_issuer_ready(cr_issuer *issuer, bool new_keys, cr_issuer_fn done, void *user, cr_err *err) CR_MUST_USE;
const cr_provider *cr_issuer_settings(const cr_issuer *issuer);
/* Only from inside a done() without err, or later: never NULL then. */
const cr_oidc_meta *cr_issuer_meta(const cr_issuer *issuer);
const cr_jwks *cr_issuer_keys(const cr_issuer *issuer);

#endif
