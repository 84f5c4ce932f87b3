/* guard.h - is this request from the hub's own pages? The rules that keep users' pages away from the hub (docs/decisions/0002).
 *
 * A user's server runs whatever the user likes, also pages that try to act on the hub in the name of a visitor. The browser tells
 * where a request comes from: Origin and the Sec-Fetch headers. The rules, in this order:
 *  1. Sec-Fetch-Dest iframe, frame, object, embed: refused (never inside another page).
 *  2. GET, HEAD: Sec-Fetch-Site same-origin, none or absent is fine; anything else only as a navigation (Sec-Fetch-Mode navigate).
 *  3. Everything else: Sec-Fetch-Site must be absent or same-origin (or none), and Origin must be the hub's, or absent together with
 *     Sec-Fetch-Site (a program; it still needs the CSRF token of a session it holds).
 */
#ifndef CR_PLATFORM_HTTP_GUARD_H
#define CR_PLATFORM_HTTP_GUARD_H

#include "platform/http/route.h"

typedef struct cr_guard_facts {
    cr_method method;
    const char *origin, *fetch_site, *fetch_mode, *fetch_dest;     /* NULL: header absent */
    const char *hub_origin;                                        /* http://127.0.0.1:8000 */
} cr_guard_facts;

/* CR_DENIED with a message for people. */
cr_status cr_guard_check(const cr_guard_facts *facts, cr_err *err) CR_MUST_USE;

#endif
