/* listener.h - whose is the program that listens at a port of 127.0.0.1? From the kernel's table, /proc/net/tcp (proc(5)).
 *
 * A scheduler tells its ports itself, and HAProxy, which no owner rule stops, connects to them: so they must be ports of that account.
 */
#ifndef CR_PLATFORM_GATEWAY_LISTENER_H
#define CR_PLATFORM_GATEWAY_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

/* text: the table, cut in place. false: nobody listens there. */
bool cr_listener_owner(char *text, int64_t port, int64_t *ret_uid);
/* CR_DENIED: another account, or nobody, listens at one of n ports; 0 is passed over. */
cr_status cr_listener_check(const int64_t *ports, int n, int64_t uid, cr_err *err) CR_MUST_USE;

#endif
