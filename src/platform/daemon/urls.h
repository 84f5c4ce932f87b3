/* urls.h - the addresses and file names that hub, helper and HAProxy must agree on, each made in one place.
 *
 * Origins (docs/decisions/0002-origins-and-sockets.md): the hub has an origin of its own, every account has one, and no cookie crosses between them.
 *   loopback       http://BIND:PORT           http://ACCOUNT.localhost:PORT+1
 *   --tls          https://DOMAIN:PORT        https://ACCOUNT.DOMAIN:PORT+1
 *   --behind-proxy https://DOMAIN             https://ACCOUNT.DOMAIN         (the proxy in front listens on 443)
 * With a domain on loopback without TLS the second form is used with http.
 *
 * Behind an origin every path begins with the base (--base-url; "" or /NAME), as JupyterHub's base_url. Inside the hub paths have none: HAProxy
 * takes it away before the hub sees a request, and it is put back where an address leaves: cr_reply_redirect(), templates ({{base}}), models of
 * the REST API, cookies, and every function here. Only user servers see the base in what is asked of them.
 *
 * Every function writes a NUL-terminated text into buf and returns buf. A text that does not fit is replaced by "": give
 * CR_URL_MAX bytes, which is enough for everything a validated configuration, name and account can give.
 */
#ifndef CR_PLATFORM_DAEMON_URLS_H
#define CR_PLATFORM_DAEMON_URLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "platform/daemon/config.h"

enum { CR_URL_MAX = 2048, CR_LINK_MAX = 64 };

/* Below RUN. */
#define CR_RUN_CLUSTERS "g"               /* a directory with certificate, key and token for each Dask cluster */
#define CR_RUN_API_FRONT "route/front"    /* HAProxy to itself: HTTP that came to the API port beside TLS of schedulers */
#define CR_RUN_SCHEDULERS "schedulers.sock"   /* HAProxy: from the hub to the API of a scheduler */
#define CR_RUN_CLUSTER_MAP "clusters.map" /* where schedulers are; as CR_RUN_MAP */
#define CR_RUN_ROUTE "route"              /* HAProxy's root: the hub's socket and the pinned links, nothing else */
#define CR_RUN_API "route/api"            /* the hub's listening socket */
#define CR_RUN_CONTROL "control.sock"
#define CR_RUN_FETCH "fetch.sock"         /* craton-fetch: questions of the hub to identity providers */
#define CR_RUN_PROXY "proxy.sock"         /* HAProxy's runtime API */
#define CR_RUN_MAP "routes.map"           /* name of the map in the runtime API; the file itself stays empty */
#define CR_RUN_HAPROXY_CFG "haproxy.cfg"
#define CR_RUN_HAPROXY_PID "haproxy.pid"
#define CR_RUN_PID "cratond.pid"
/* Of an answer at the API port, for HAProxy alone: the SHA-256 of the token that the hub took, in capitals. */
#define CR_HOLDER_HEADER "X-Craton-Holder"
/* Path of the gateway's REST API, at every port where it is. */
#define CR_GATEWAY_PATH "/services/dask-gateway"
/* What is between it and /api names the software of a kernel of another environment (gateway/versions.h); HAProxy makes a header of it. */
#define CR_GATEWAY_WITH CR_GATEWAY_PATH "/with/"
#define CR_SOFTWARE_HEADER "X-Craton-Software"
#define CR_GATEWAY_COOKIE "craton-gateway"
/* Of a person's origin: who has this cookie may look at dashboards, and where it is given. See gateway/dashboards.h. */
#define CR_DASHBOARD_COOKIE "craton-dashboard"
#define CR_GATEWAY_ENTER CR_GATEWAY_PATH "/enter"
/* HAProxy's backend whose dynamic servers are the user servers (name: cr_link_name). */
#define CR_PROXY_BACKEND "usock"
/* ACCOUNT.stopped in the map of routes: there is a server of this path, and it does not run. A route is ACCOUNT.GENERATION. */
#define CR_PROXY_STOPPED "stopped"

char *cr_url_hub_origin(const cr_config *c, char *buf, size_t size);                        /* no slash at the end */
char *cr_url_hub(const cr_config *c, char *buf, size_t size);                               /* with the base; no slash at the end */
char *cr_url_user_origin(const cr_config *c, const char *account, char *buf, size_t size);  /* no slash at the end */
char *cr_url_user_origins(const cr_config *c, char *buf, size_t size);   /* a CSP source, the origin of account "*" */
char *cr_url_api(const cr_config *c, char *buf, size_t size);            /* http://127.0.0.1:PORT+2BASE/hub/api, for user servers */
/* The same for the questions of one server about its visitors: the hub hears which asks (hub/visits.h). */
char *cr_url_api_at(const cr_config *c, uint64_t generation, char *buf, size_t size);
/* http://127.0.0.1:PORT+2BASE/services/dask-gateway: the gateway as programs of this machine reach it; schedulers at the same port, by SNI */
char *cr_url_gateway(const cr_config *c, char *buf, size_t size);
/* USERORIGINBASE/services/dask-gateway: what the links to dashboards begin with */
char *cr_url_dashboards(const cr_config *c, const char *account, char *buf, size_t size);

/* Does this origin lie at a host to which browsers send cookies of the hub or of somebody's server? They do not look at ports. */
bool cr_url_is_host_of_ours(const cr_config *c, const char *origin);

/* One segment of a path, percent-encoded as JupyterHub does it: letters, digits and -._~@ stay. */
char *cr_url_segment(const char *text, char *buf, size_t size);
/* BASE/user/NAME/ or BASE/user/NAME/SERVER/; also the key of the route map. */
char *cr_url_prefix(const cr_config *c, const char *user, const char *server, char *buf, size_t size);
/* jupyterhub-user-ACCOUNT, or jupyterhub-user-ACCOUNT.SERVER: accounts contain no dot, so that two servers never share one. */
char *cr_url_client_id(const char *account, const char *server, char *buf, size_t size);
/* The one redirect address of that OAuth client. */
char *cr_url_callback(const cr_config *c, const char *account, const char *user, const char *server, char *buf, size_t size);

/* ACCOUNT.GENERATION: the pinned link in RUN/route, HAProxy's server name, and the value in the route map. */
char *cr_link_name(const char *account, uint64_t generation, char *buf, size_t size);
/* How HAProxy names a socket in RUN/route: unix@/NAME as root (it is chrooted there), unix@RUN/route/NAME otherwise. */
char *cr_proxy_address(const cr_config *c, const char *name, char *buf, size_t size);
char *cr_run_path(const cr_config *c, const char *name, char *buf, size_t size);            /* RUN/NAME */

#endif
