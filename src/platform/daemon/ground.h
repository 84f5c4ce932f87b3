/* ground.h - what must exist before anything starts: system users, directories with owners and modes, listening sockets, the
 * lock that keeps a second cratond out. Done by the helper, with its rights, from the validated settings only.
 *
 * Directories (root; without root everything is 0700 of the one user)
 *   STATE            0711 root          STATE/hub        0700 craton     database, keys
 *   STATE/home       0711 root          STATE/home/A     0700 account
 *   STATE/log        0711 root          STATE/log/A.log  0600 account    output of user servers
 *   STATE/runner     0700 root          what runs, and the list of accounts
 *   STATE/signin     0700 root          identity providers and their client secrets
 *   STATE/acme, STATE/tls               see acme.h
 *   RUN              0755 root          RUN/route        0750 root:craton-proxy
 *   RUN/u            0711 root          RUN/u/A          2700 account:craton-proxy (docs/decisions/0002)
 *   RUN/r            0711 root          RUN/r/UID        0700 account
 */
#ifndef CR_PLATFORM_DAEMON_GROUND_H
#define CR_PLATFORM_DAEMON_GROUND_H

#include <sys/types.h>
#include "platform/daemon/config.h"

#define CR_HUB_USER "craton"
#define CR_PROXY_USER "craton-proxy"
#define CR_START_USER "craton-start"   /* the prepared parent, which owns nothing */
#define CR_FETCH_USER "craton-fetch"   /* the program that speaks to identity providers; owns nothing; only where there are any */
#define CR_ACME_USER "craton-acme"     /* asks for certificates; owns the keys that it asks for, see acme.h; only with --acme */

typedef struct cr_ground {
    uid_t hub_uid, proxy_uid, start_uid, fetch_uid, acme_uid;
    gid_t hub_gid, proxy_gid, start_gid, fetch_gid, acme_gid;
    int lock_fd, api_fd, control_fd, fetch_fd;      /* fetch_fd: -1 without identity providers */
} cr_ground;

/* CR_BUSY: another cratond holds RUN. */
cr_status cr_ground_lay(const cr_config *c, bool with_fetch, cr_ground *ret_ground, cr_err *err) CR_MUST_USE;
/* Closes, and empties the pid file; the sockets' names stay, so that clients get "refused" rather than a wrong answer. */
void cr_ground_leave(const cr_config *c, cr_ground *g);

#endif
