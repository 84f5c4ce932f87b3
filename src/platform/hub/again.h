/* again.h - administrators are asked again who they are: what changes something for others needs a proof of identity (password, or sign-in at
 * a provider that asked just then) that is at most CR_AGAIN_MS old. A stolen session, or a browser left alone, is then no administrator for long.
 * So are people to whom a role of the operator's gives what not everybody has.
 *
 * Rows of the table of requests with CR_CSRF_PROVED ask for it, in a browser's session; API tokens have no such age. A page's form that is
 * held up comes back inside the page that asks for the password, and is carried out with the right one. For the way over a provider it waits in
 * the table held_forms, one for a session, and is offered again at /hub/again.
 *
 * Invariants
 *  1. What is carried out after the proof has passed the gate before: the same session, its CSRF token, an administrator where the page is one
 *     of theirs.
 *  2. Only rows with CR_CSRF_PROVED that are pages are carried out from here.
 */
#ifndef CR_PLATFORM_HUB_AGAIN_H
#define CR_PLATFORM_HUB_AGAIN_H

#include "platform/hub/hub.h"

enum { CR_AGAIN_MS = 15 * 60 * 1000 };
/* What a program is told. */
#define CR_AGAIN_TEXT "prove again who you are before this"
#define CR_AGAIN_HINT "open /hub/again in this browser, then repeat the request"

/* Nobody else has to. false also when the database does not answer. */
bool cr_again_is_proved(const cr_request *req);
/* For calls of the REST API that people make for themselves too: has the caller proved it, where this is somebody else's? false: replied. */
bool cr_again_needs(cr_request *req, int64_t user_id);
/* The page that asks; holds the form of the request, unless that is the page's own. */
void cr_again_show(cr_request *req, int status, const char *problem);
void cr_again_page(cr_request *req);           /* GET /hub/again */
void cr_again_post(cr_request *req);
void cr_again_provider(cr_request *req);       /* POST /hub/again/:provider */
/* Every minute: forms that nobody came back for. */
cr_status cr_again_sweep(cr_db *db, cr_err *err) CR_MUST_USE;

#endif
