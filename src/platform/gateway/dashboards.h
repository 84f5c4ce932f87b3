/* dashboards.h - who may look at the dashboard of a cluster: its person, and those with whom that person shares a server to be used; signed in, at the
 * person's origin.
 *
 *   USERORIGIN/services/dask-gateway/clusters/NAME/status      where a dashboard is; HAProxy lets through who has the cookie
 *   HUB/hub/dashboard/services/dask-gateway/clusters/NAME/...  where HAProxy sends everybody else: is it the person's, or a guest's, and signed in?
 *   USERORIGIN/services/dask-gateway/enter?code=..&to=..       the hub again: code for cookie, and back to the dashboard
 *
 * A dashboard is a program of its person's, which writes what it likes into its pages. So it is never at the hub's origin, and its origin
 * is the one where that person's server is. The cookie is a secret of one sign-in at the hub and one browser; HAProxy's clusters map has
 * its SHA-256 with the account that it opens, beside where the dashboard of each cluster is and whose. HAProxy takes the cookie out
 * before a request reaches the scheduler.
 *
 * Owner: the hub's loop. Codes and cookies are rows (dashboard_keys, hashes only) that go with the sign-in; what HAProxy has follows them: at once when
 * somebody signs out or is disabled, else within a minute.
 *
 * A guest's cookie is a row of the guest's sign-in with the owner's number. A share that ends takes it away: at once from who asks anew, else when
 * HAProxy's entries are compared.
 *
 * Invariants
 *  1. A code works once, for a minute, and only at the origin of the account that it was made for.
 *  2. A cookie opens the dashboards of one account, whichever cluster; HAProxy compares the account with the cluster's and with the host.
 */
#ifndef CR_PLATFORM_GATEWAY_DASHBOARDS_H
#define CR_PLATFORM_GATEWAY_DASHBOARDS_H

#include "platform/gateway/cluster.h"

/* Where HAProxy finds it, beside the cluster's other routes. Without a port it has none. */
char *cr_dashboard_key(const cr_cluster *c, char *buf, size_t size);
cr_status cr_dashboard_route(cr_cluster *c, cr_err *err) CR_MUST_USE;

/* Makes HAProxy's cookies those of the database: at start, every minute, when a sign-in has ended. */
void cr_dashboards_refresh(cr_gateway *g);
void cr_dashboards_close(cr_gateway *g);
/* Is this a path of a dashboard, as it may stand in a redirect? Text from outside; fuzzed by fuzz/fuzz_gateway.c. */
bool cr_dashboard_path_is_right(const char *path);

void cr_dashboard_page(cr_request *req);         /* /hub/dashboard/services/dask-gateway/clusters/:name/... */
void cr_dashboard_enter(cr_request *req);        /* .../enter, at a person's origin */
void cr_dashboard_elsewhere(cr_request *req);    /* a dashboard asked for at another port: on to the page */

#endif
