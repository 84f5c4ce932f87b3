/* fetch_process.h - keeps craton-fetch running: the one program of the platform that connects to other machines.
 *
 * The hub asks it over RUN/fetch.sock (mode 0600, the hub's); it has a user of its own, no right to any file of the hub's, a
 * filter, and a fixed list of origins that it speaks to. It is started only when there are identity providers or a mail server, and again,
 * with growing pauses, whenever it ends. See docs/decisions/0010.
 */
#ifndef CR_PLATFORM_DAEMON_FETCH_PROCESS_H
#define CR_PLATFORM_DAEMON_FETCH_PROCESS_H

#include "platform/daemon/ground.h"
#include "platform/identity/provider.h"
#include "platform/runner/watch.h"

enum { CR_FETCH_LISTEN_FD = 3 };

typedef struct cr_fetch_process cr_fetch_process;

/* *ret_fetch is NULL when there are neither providers nor mail. */
cr_status cr_fetch_process_start(const cr_config *config, const cr_provider_set *providers, const cr_ground *g, cr_watch *w,
                                 cr_fetch_process **ret_fetch, cr_err *err) CR_MUST_USE;
bool cr_fetch_process_holds(const cr_fetch_process *f, pid_t pid);
void cr_fetch_process_free(cr_fetch_process *f);      /* ends it */

#endif
