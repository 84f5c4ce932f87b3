/* service.h - the settings of one service: a program that calls the REST API with a token of its own and is nobody's. One that has a
 * redirect address is an OAuth client too: people sign in to it with their account here (hub/oauth.h), and its token is its client secret.
 *
 * The file is STATE/services/NAME.conf with `key = value` lines, the table in service.c is the source of the parser and of
 * `cratond --service-help`; the token lies beside it in NAME.token (daemon/services.h reads both).
 *
 * The record is sent from the helper to the hub as bytes: no pointers in it, and of the token only its hash.
 */
#ifndef CR_PLATFORM_IDENTITY_SERVICE_H
#define CR_PLATFORM_IDENTITY_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "platform/identity/scope.h"
#include "platform/identity/secret.h"

enum {
    CR_SERVICES_MAX = 16, CR_SERVICE_NAME_MAX = 32, CR_SERVICE_SCOPES = 24, CR_SERVICE_SCOPE_MAX = 159, CR_SERVICE_FILE_MAX = 16 << 10,
    CR_SERVICE_TOKEN_MIN = 32, CR_SERVICE_TOKEN_MAX = 256
};

typedef struct cr_service {
    char name[CR_SERVICE_NAME_MAX + 1];       /* of the file: [a-z][a-z0-9-]* */
    char url[256];                            /* where people find it; "": nowhere */
    int64_t admin;                            /* 1: has the role admin */
    int32_t n_scopes;
    char scopes[CR_SERVICE_SCOPES][CR_SERVICE_SCOPE_MAX + 1];
    char redirect[256];                       /* where browsers come back to with a code, compared as text; "": nobody signs in to it */
    int64_t no_confirm;                       /* 1: people are not asked before */
    int64_t trusted;                          /* 1: may lie at a host to which browsers send cookies of the hub or of user servers */
    int32_t n_allowed;                        /* what it may do for who is signed in to it, beside learning who it is */
    char allowed[CR_SERVICE_SCOPES][CR_SERVICE_SCOPE_MAX + 1];
    unsigned char token[CR_HASH_BYTES];       /* SHA-256 of its text */
} cr_service;

typedef struct cr_service_set {
    int32_t n;
    cr_service at[CR_SERVICES_MAX];
} cr_service_set;

/* text: the whole file, changed while it is read. Errors name the line. */
cr_status cr_service_parse(const char *name, char *text, cr_service *ret_service, cr_err *err) CR_MUST_USE;
/* The rules for values, also for a record that came over a socket. */
cr_status cr_service_check(const cr_service *s, cr_err *err) CR_MUST_USE;
/* The token as its file has it: one line of 32 to 256 printable characters. */
cr_status cr_service_set_token(cr_service *s, const char *text, size_t n, cr_err *err) CR_MUST_USE;
void cr_service_help(cr_buf *out);

/* Whose token this is; NULL: no service's. */
const cr_service *cr_service_find(const cr_service_set *set, const char *token);
const cr_service *cr_service_named(const cr_service_set *set, const char *name);
/* What it may do, in an empty set. */
void cr_service_add_scopes(const cr_service *s, cr_scopes *set);
/* The most that it may do for this person, in an empty set: to be met with what the person may. */
void cr_service_add_allowed(const cr_service *s, const char *user, cr_scopes *set);

#endif
