/* haproxy_process.h - keeps one HAProxy alive, in a session of its own so that it outlives the helper.
 *
 * HAProxy runs as a single process without a master (a master would stay root): it starts as root with the few capabilities it
 * needs to bind, enter RUN/route as its root directory and become craton-proxy; no_new_privs and a system-call filter are
 * set before. Routes change by the runtime socket only, so nothing is ever reloaded.
 *
 * Invariants
 *  1. on_change(pid) is called when a HAProxy answers on its runtime socket (also one that was found running), and with 0
 *     when it has died.
 *  2. A HAProxy found running is kept when RUN/haproxy.cfg would not change, replaced otherwise. A new certificate changes nothing
 *     there: it is exchanged while HAProxy runs (haproxy_tls.h).
 */
#ifndef CR_PLATFORM_DAEMON_HAPROXY_PROCESS_H
#define CR_PLATFORM_DAEMON_HAPROXY_PROCESS_H

#include "platform/daemon/ground.h"
#include "platform/daemon/haproxy_tls.h"
#include "platform/runner/watch.h"

typedef struct cr_haproxy cr_haproxy;
typedef void (*cr_haproxy_fn)(void *user, int64_t pid);

cr_status cr_haproxy_start(const cr_config *c, const cr_ground *g, cr_watch *w, cr_haproxy_fn on_change,
                           cr_haproxy_tls_fn on_tls, void *user, cr_haproxy **ret_haproxy, cr_err *err) CR_MUST_USE;
int64_t cr_haproxy_pid(const cr_haproxy *h);               /* 0: not answering now */
void cr_haproxy_tell_tls(const cr_haproxy *h);
void cr_haproxy_look_tls(cr_haproxy *h);       /* as cr_haproxy_tls_look */              /* calls on_tls with what is known now */
bool cr_haproxy_holds(const cr_haproxy *h, pid_t pid);
/* stop: ends the process too; otherwise it goes on serving. */
void cr_haproxy_free(cr_haproxy *h, bool stop);

#endif
