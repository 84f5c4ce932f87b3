/* acme.h - certificates by ACME (RFC 8555), got and renewed without an operator (--acme; docs/decisions/0026-public-addresses.md).
 *
 * The protocol is spoken by uacme (Debian), a child of the helper without rights, as CR_ACME_USER: what comes from the CA is read there.
 * Proof of the names
 *   HTTP-01  (RFC 8555 8.3) The answer is TOKEN.THUMBPRINT, and the thumbprint that of the account key (RFC 7638), so HAProxy gives it for
 *            every token by itself, at --acme-port. Names: DOMAIN, and ACCOUNT.DOMAIN of each account, which appear with the accounts.
 *   DNS-01   (8.4) where --acme-hook names a program that can change DOMAIN's zone: DOMAIN and *.DOMAIN.
 *
 * Files
 *   STATE/acme  0700 CR_ACME_USER   uacme's own: private/key.pem is the account key, made here; every private key 0600 or less
 *   STATE/tls   0700 root           cert.pem, key.pem: what haproxy_tls.h serves, and exchanges when they change; account: who was registered where
 *   RUN/acme-answer                 the answer to HTTP-01, as HAProxy reads it at its start
 *
 * Invariants
 *  1. STATE/tls always holds a pair, at first a self-signed one for a day. What uacme leaves gets there only when key and certificate belong
 *     together, it is good now, and DOMAIN is among its names.
 *  2. A new one is asked for when a third of the life is left, or when a name is missing; after a failure the pause doubles (2 min to 12 h), so that at most five
 *     fail in an hour.
 *     Names that appear one by one cost at most 20 orders at once and six a day after that: public CAs count.
 *  3. At most one child, ended after a quarter of an hour, and with the helper.
 */
#ifndef CR_PLATFORM_DAEMON_ACME_H
#define CR_PLATFORM_DAEMON_ACME_H

#include "platform/daemon/ground.h"
#include "platform/runner/watch.h"

typedef struct cr_acme cr_acme;
typedef void (*cr_acme_fn)(void *user);      /* the problem or the pair has changed */

/* Before HAProxy is started. *ret_acme: NULL without --acme. */
cr_status cr_acme_start(const cr_config *c, const cr_ground *g, cr_watch *w, cr_acme_fn on_change, void *user, cr_acme **ret_acme, cr_err *err) CR_MUST_USE;
const char *cr_acme_problem(const cr_acme *a);      /* "" : none; NULL is allowed */
bool cr_acme_holds(const cr_acme *a, pid_t pid);
void cr_acme_free(cr_acme *a);

#endif
