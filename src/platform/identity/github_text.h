/* github_text.h - GitHub and GitHub Enterprise Server, which speak OAuth 2 (RFC 6749, PKCE) but no OpenID Connect: where their addresses are, and what
 * their REST API says of a person, made into the claims that oidc_text.h judges.
 *
 * There is no signed token: what the API says over TLS, with the access token that this sign-in got, is believed. Claims: sub (the number of the
 * account, which never changes; names do), login, name, email and email_verified (the primary address), groups: ORG, and ORG/TEAM by their names in
 * addresses. Facts of GitHub's documentation ("Authorizing OAuth apps"; REST API: users, emails, organizations, teams).
 *
 * Of organizations and teams the first hundred are read. All text is from outside and bounded; fuzzed by fuzz/fuzz_claims.c.
 */
#ifndef CR_PLATFORM_IDENTITY_GITHUB_TEXT_H
#define CR_PLATFORM_IDENTITY_GITHUB_TEXT_H

#include "platform/identity/oidc_text.h"

bool cr_github_is(const cr_provider *p);
/* What discovery says of others. */
void cr_github_meta(const cr_provider *p, cr_oidc_meta *ret_meta);

/* The questions, in their order. */
typedef struct cr_github_step {
    const char *path, *what;
    /* Adds to claims. */
    cr_status (*read)(json_t *claims, const json_t *answer, cr_err *err);
} cr_github_step;
extern const cr_github_step cr_github_steps[];
extern const int cr_github_steps_len;
char *cr_github_url(const cr_provider *p, const cr_github_step *step, char buf[CR_OIDC_URL_MAX]);
/* status: of the HTTP answer. */
cr_status cr_github_take(const cr_github_step *step, int status, const char *text, size_t n, json_t *claims, cr_err *err) CR_MUST_USE;

#endif
