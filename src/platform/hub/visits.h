/* visits.h - who comes into another person's server with an API token, for the audit log.
 *
 * A browser comes in by a code of the hub, which is noted when it is given (oauth.c). A program sends its token to the server, and the server
 * asks the hub whose it is: JupyterHub's protocol does not say which server asks. So user servers are given an address of the API of
 * their own (cr_url_api_at), of which HAProxy makes the header X-Craton-At. What is noted is what the server says; one that lies can have
 * a row written for a token only that it was given, and that may enter there.
 *
 * One row for a token and a server in CR_VISIT_PAUSE_MS: servers ask again every minute.
 *
 * Threads: the hub's loop.
 */
#ifndef CR_PLATFORM_HUB_VISITS_H
#define CR_PLATFORM_HUB_VISITS_H

#include "platform/hub/hub.h"

enum { CR_VISIT_PAUSE_MS = 3600 * 1000 };

/* For GET /hub/api/user. false: replied, since the person has been in too many servers today (CR_AUDIT_PERSON_MAX). */
bool cr_visits_note(cr_request *req);

#endif
