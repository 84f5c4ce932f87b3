/* oidc_text.h - OpenID Connect without the network: what a provider says, read and judged; what is sent to it, written.
 *
 * Sources: OpenID Connect Core 1.0, Discovery 1.0, Back-Channel Logout 1.0 and RP-Initiated Logout 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9207 (issuer in the answer).
 * hub/oidc.c moves the texts; here nothing blocks and nothing is stored. All text is from outside and bounded; fuzzed by
 * fuzz/fuzz_claims.c.
 */
#ifndef CR_PLATFORM_IDENTITY_OIDC_TEXT_H
#define CR_PLATFORM_IDENTITY_OIDC_TEXT_H

#include <jansson.h>
#include "base/arena.h"
#include "platform/identity/entitlement.h"
#include "platform/identity/provider.h"

enum {
    CR_OIDC_URL_MAX = 1024, CR_OIDC_DOCUMENT_MAX = 256 << 10, CR_OIDC_GROUPS_MAX = 256, CR_OIDC_SUBJECT_MAX = 255,
    CR_OIDC_CODE_MAX = 4096
};

/* ---- discovery ---- */

typedef struct cr_oidc_meta {
    char authorize[CR_OIDC_URL_MAX], token[CR_OIDC_URL_MAX], userinfo[CR_OIDC_URL_MAX], keys[CR_OIDC_URL_MAX],
         end_session[CR_OIDC_URL_MAX];    /* userinfo and end_session may be "" */
    unsigned algs;            /* that both the provider and the settings name; the settings alone decide about a token */
    bool secret_in_form;      /* client_secret_post instead of HTTP Basic */
    bool answers_with_issuer; /* RFC 9207: `iss` must be in the answer */
} cr_oidc_meta;

/* ISSUER/.well-known/openid-configuration */
char *cr_oidc_discovery_url(const cr_provider *p, char buf[CR_OIDC_URL_MAX]);
/* The document must name exactly the issuer of the settings, and endpoints at hosts of this provider only. */
cr_status cr_oidc_read_meta(const cr_provider *p, const char *text, size_t n, cr_oidc_meta *ret_meta, cr_err *err) CR_MUST_USE;

/* ---- the way there ---- */

typedef struct cr_oidc_ask {
    const char *redirect, *state, *nonce, *challenge;     /* PKCE S256 */
    bool again;               /* the provider must ask the person anew: prompt=login, max_age=0 */
} cr_oidc_ask;
/* Adds the address to which the browser is sent. */
void cr_oidc_authorize_url(const cr_provider *p, const cr_oidc_meta *m, const cr_oidc_ask *ask, cr_buf *out);
/* The form for the token endpoint; with the secret when it belongs into the form. */
void cr_oidc_token_form(const cr_provider *p, const cr_oidc_meta *m, const char *code, const char *redirect, const char *verifier, cr_buf *out);

/* ---- the way back ---- */

typedef struct cr_oidc_tokens {
    char *id_token, *access_token;    /* in the arena; access_token may be "" */
} cr_oidc_tokens;
/* status: of the HTTP answer. A refusal (RFC 6749 5.2) is CR_DENIED with the provider's word for it. */
cr_status cr_oidc_read_tokens(int status, const char *text, size_t n, cr_arena *arena, cr_oidc_tokens *ret_tokens, cr_err *err) CR_MUST_USE;

/* The same of a provider that has no ID tokens. */
cr_status cr_oidc_read_access(int status, const char *text, size_t n, cr_arena *arena, cr_oidc_tokens *ret_tokens, cr_err *err) CR_MUST_USE;

typedef struct cr_oidc_expect {
    const char *nonce, *access_token;
    unsigned alg;             /* of the verified token, for at_hash */
    int64_t now_s;
    int64_t asked_s;          /* the person must have been asked since (auth_time); 0: whenever */
} cr_oidc_expect;
/* Claims of a token whose signature is right: issuer, audience, authorized party, times, nonce, at_hash, a usable subject, auth_time. */
cr_status cr_oidc_check_claims(const cr_provider *p, const json_t *claims, const cr_oidc_expect *expect, cr_err *err) CR_MUST_USE;
/* Adds what only userinfo says; what the signed token says stays. CR_DENIED: it speaks of another subject. */
cr_status cr_oidc_merge_userinfo(json_t *claims, const char *text, size_t n, cr_err *err) CR_MUST_USE;
/* Is there something left that userinfo could tell? */
bool cr_oidc_wants_userinfo(const cr_provider *p, const json_t *claims);

/* ---- the way out ---- */

/* A logout token (Back-Channel Logout 2.4): whom the provider has signed out. Borrows from claims; sid or subject may be "", not both. */
typedef struct cr_oidc_logout {
    const char *subject, *sid, *jti;
    int64_t until_s;          /* after this it would not be taken again */
} cr_oidc_logout;
/* Claims of a token whose signature is right (2.6): issuer, audience, times, the event, no nonce, somebody. */
cr_status cr_oidc_read_logout(const cr_provider *p, const json_t *claims, int64_t now_s, cr_oidc_logout *ret_logout, cr_err *err) CR_MUST_USE;
/* Adds the address where a browser ends its session with the provider (RP-Initiated Logout 2). */
void cr_oidc_end_session_url(const cr_provider *p, const cr_oidc_meta *m, const char *back, cr_buf *out);
/* The provider's name for a sign-in, "" when it gives none or one that is none. */
const char *cr_oidc_sid(const json_t *claims);

/* ---- who it is, and may they ---- */

typedef struct cr_oidc_who {
    const char *subject;              /* with the issuer: the key of the person */
    const char *name, *email, *shown; /* "" when unknown; name: as the provider has it, not yet a user name */
    bool email_verified, has_groups;  /* has_groups: the claim was there, even if it was empty */
    int n_groups;
    const char *groups[CR_OIDC_GROUPS_MAX];   /* as sent */
    char joined[2 * CR_OIDC_SUBJECT_MAX + 2]; /* given and family name, where no whole one was sent; shown leads here then */
    bool allowed, admin;
} cr_oidc_who;
/* Borrows from claims, and shown may lead into *ret_who, which is not to be copied. Groups that are no text, too long or over the limit are left out: an absent claim means no group. */
void cr_oidc_read_who(const cr_provider *p, const json_t *claims, cr_oidc_who *ret_who);

/* A user name that fits identity/user_names.h, made from any text; n-th choice, as for accounts: ada, ada-2, ... */
void cr_oidc_name_choice(const char *text, int n, char *out);

#endif
