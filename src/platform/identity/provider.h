/* provider.h - the settings of one identity provider: a record of fixed size, its file format, and presets.
 *
 * The file is STATE/signin/NAME.conf with `key = value` lines, the table in provider.c is the source of the parser and of
 * `cratond --signin-help`; the client secret lies beside it in NAME.secret (daemon/providers.h reads both). The record holds what the
 * preset gives where the file says nothing.
 *
 * The record is sent from the helper to the hub as bytes: no pointers in it.
 */
#ifndef CR_PLATFORM_IDENTITY_PROVIDER_H
#define CR_PLATFORM_IDENTITY_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum {
    CR_PROVIDERS_MAX = 8, CR_PROVIDER_NAME_MAX = 32, CR_PROVIDER_RULES = 32, CR_PROVIDER_HOSTS = 8, CR_PROVIDER_FILE_MAX = 32 << 10
};

typedef enum cr_rule_kind {
    CR_RULE_ALLOW,            /* a group, an entitlement, or "*": everybody who has an account there */
    CR_RULE_ADMIN,            /* the same, without "*" */
    CR_RULE_ALLOW_EMAIL,      /* ada@example.org or @example.org; the address must be verified by the provider */
    CR_RULE_ALLOW_SUBJECT,    /* the provider's own identifier of a person */
    CR_RULE_ADMIN_SUBJECT
} cr_rule_kind;

typedef struct cr_provider_rule {
    int32_t kind;
    char text[252];
} cr_provider_rule;

typedef struct cr_provider {
    char name[CR_PROVIDER_NAME_MAX + 1];      /* of the file: [a-z][a-z0-9-]*; part of addresses */
    char preset[16];
    char label[64];                           /* on the sign-in button */
    char issuer[256];
    char client_id[256];
    char secret[256];                         /* "": a public client, PKCE alone */
    char scopes[256];
    char name_claim[64], groups_claim[64];
    char groups_prefix[64];                   /* before the names of its groups here; "": they are taken as they are */
    char hosts[512];                          /* further hosts of the provider's endpoints, comma-separated */
    char apply_url[512];                      /* where a person asks for membership */
    char contact[256];                        /* whom to ask */
    bool jupyterhub_callback;                 /* the redirect address is /hub/oauth_callback */
    int64_t clock_skew_s;                     /* tolerance for the provider's clock */
    int64_t session_hours;                    /* after which a person passes by the provider again */
    int64_t token_days;                       /* for how long a sign-in is worth something to API tokens */
    uint32_t algs;                            /* set of cr_jose_alg_bit */
    int32_t n_rules;
    cr_provider_rule rules[CR_PROVIDER_RULES];
} cr_provider;

typedef struct cr_provider_set {
    int32_t n;
    cr_provider at[CR_PROVIDERS_MAX];
} cr_provider_set;

bool cr_provider_name_is_valid(const char *name);
/* text: the whole file, changed while it is read. Checks each value, then the record as a whole (all but the secret). Errors name the line. */
cr_status cr_provider_parse(const char *name, char *text, cr_provider *ret_provider, cr_err *err) CR_MUST_USE;
/* The rules between values, also for a record that came over a socket. */
cr_status cr_provider_check(const cr_provider *p, cr_err *err) CR_MUST_USE;
/* The secret as its file has it: one line. */
cr_status cr_provider_set_secret(cr_provider *p, const char *text, size_t n, cr_err *err) CR_MUST_USE;
void cr_provider_help(cr_buf *out);

/* https://host[:port], or http:// on this machine's own addresses. Nothing else is spoken to. out needs 320 bytes. */
cr_status cr_url_origin(const char *url, char out[320], cr_err *err) CR_MUST_USE;
/* May the provider's endpoint lie at this address: at the issuer's host, or at one of `hosts`? */
bool cr_provider_owns(const cr_provider *p, const char *url);
/* Can it be told to ask the person anew (prompt=login, and when that was in the answer)? GitHub and Google cannot. */
bool cr_provider_asks_again(const cr_provider *p);
/* Every origin of this provider, comma-separated, for the process that speaks to it. */
void cr_provider_origins(const cr_provider *p, cr_buf *out);

#endif
