/* oauth.h - the hub as OAuth provider (RFC 6749, RFC 7636): what its files share.
 *
 *   oauth_client.c    who the client is: a user server, or a service that people sign in to
 *   oauth.c           authorize and token: codes made and exchanged
 *   oauth_service.c   what a service is given by whom, and the page that asks
 *
 * A client has an id, a secret and exactly one redirect address, which is compared as text; nothing is ever sent to another one.
 *   user server   jupyterhub-user-ACCOUNT[.SERVER]; its secret is its API token
 *   service       service-NAME; its secret is the token of the service (identity/service.h)
 *
 * Invariants
 *  1. A code lives a minute, works once, and is bound to client, browser session, redirect address and challenge; a second use withdraws
 *     the token given for it as well.
 *  2. A token of a service never does more than the person may, than the service is allowed now, and than the person was shown.
 *  3. It ends with the session in which it was given, with the service, and when the person takes it away.
 */
#ifndef CR_PLATFORM_HUB_OAUTH_H
#define CR_PLATFORM_HUB_OAUTH_H

#include "platform/hub/lab.h"

#define CR_OAUTH_SERVICE_PREFIX "service-"

typedef struct cr_oauth_client {
    const cr_service *service;        /* NULL: a user server */
    cr_lab *server;
    cr_person owner;                  /* of the server */
    char redirect[CR_URL_MAX];
} cr_oauth_client;

/* CR_NOT_FOUND: there is no such client. */
cr_status cr_oauth_client_find(cr_hub *hub, const char *client_id, cr_oauth_client *ret_client, cr_err *err) CR_MUST_USE;
bool cr_oauth_secret_is_right(cr_hub *hub, const cr_oauth_client *client, const char *secret);

/* REDIRECT?NAME=VALUE&state=STATE */
void cr_oauth_return(cr_request *req, const cr_oauth_client *client, const char *name, const char *value, const char *state);
/* The one value of this name in query or form; "" when there is none, or more. */
const char *cr_oauth_arg(const cr_pairs *pairs, const char *name);

/* May the caller go in to this service, and has it agreed? *ret_scopes: what the token will hold, JSON list in the arena. false: replied. */
bool cr_oauth_let_into_service(cr_request *req, const cr_oauth_client *client, const char **ret_scopes);
/* What the texts of a token mean for this person now, in an empty set. client: as in cr_token. */
void cr_oauth_service_scopes(cr_hub *hub, const cr_person *person, const char *client, const char *texts, const cr_scopes *of_person, cr_scopes *out);

#endif
