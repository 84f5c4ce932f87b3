/* visits.h - who comes into another person's server: for the audit log, and to be put out again.
 *
 * A browser comes in by a code of the hub, which is noted when it is given (oauth.c). A program sends its token to the server, and the server
 * asks the hub whose it is: JupyterHub's protocol does not say which server asks. So user servers are given an address of the API of
 * their own (cr_url_api_at), of which HAProxy makes the header X-Craton-At. What is noted is what the server says; one that lies can have
 * a row written for a token only that it was given, and that may enter there.
 *
 * One row of the audit log for a token and a server in CR_VISIT_PAUSE_MS: servers ask again every minute. The table visits has who has been in since
 * the server was started, by whatever way: sessions and tokens end, and what was opened with them does not. It is what cr_lab_put_person_out() and
 * the like look at (lab.h). With a token its own person is in it, too: when the token ends, perhaps since somebody has got hold of it, what is open is cut.
 *
 * Threads: the hub's loop.
 */
#ifndef CR_PLATFORM_HUB_VISITS_H
#define CR_PLATFORM_HUB_VISITS_H

#include "platform/hub/hub.h"

enum { CR_VISIT_PAUSE_MS = 3600 * 1000 };

/* For GET /hub/api/user. false: replied, since the person has been in too many servers today (CR_AUDIT_PERSON_MAX). */
bool cr_visits_note(cr_request *req);
/* By a browser; in the transaction of what lets the person in. */
cr_status cr_visits_add(cr_hub *hub, int64_t server_id, int64_t user_id, cr_err *err) CR_MUST_USE;

#endif
