/* lab_routes.h - the paths of servers at the proxy.
 *
 * A server that runs has a route. A named server that does not would leave its path to the ordinary one's, which begins as its own does and
 * answers that there is no such page; so its path is parked while the ordinary one has a route: the proxy then answers that it does not
 * run, as for any other server.
 *
 * Invariant: an entry of a named server is there only while it, or the ordinary one of its person, has a route.
 */
#ifndef CR_PLATFORM_HUB_LAB_ROUTES_H
#define CR_PLATFORM_HUB_LAB_ROUTES_H

#include "platform/hub/lab.h"

cr_status cr_lab_route_add(cr_lab *server, cr_loop_fn done, cr_err *err) CR_MUST_USE;
void cr_lab_route_drop(cr_lab *server);
/* A named server is there now, under this name; and it is there under this name no longer. */
void cr_lab_route_park(cr_lab *server);
void cr_lab_route_unpark(cr_lab *server);

#endif
