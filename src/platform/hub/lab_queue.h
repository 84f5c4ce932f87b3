/* lab_queue.h - starts that wait for memory or for their turn, see admission.h. Inside hub/; the hub's loop.
 *
 * A start that waits has servers.waiting_ms in the database, so that a new hub goes on with it; it has no generation and no token yet, and
 * nothing was asked of the runner. It ends by its person's cancelling, or begins.
 */
#ifndef CR_PLATFORM_HUB_LAB_QUEUE_H
#define CR_PLATFORM_HUB_LAB_QUEUE_H

#include "platform/hub/lab.h"

/* What a server is counted with when it is decided whether one more may start. */
uint64_t cr_lab_guarantee(const cr_lab *server);
/* May this server, which is stopped, start now? Nobody overtakes those who wait. */
bool cr_lab_queue_admits(const cr_lab *server);
/* The stopped server waits. */
cr_status cr_lab_queue_add(cr_lab *server, cr_err *err) CR_MUST_USE;
/* The waiting server does not wait any more and is stopped. */
cr_status cr_lab_queue_cancel(cr_lab *server, cr_err *err) CR_MUST_USE;
/* Something has changed: begins what may begin, and tells the others their place. Does nothing while the hub still looks for servers. */
void cr_lab_queue_go_on(cr_hub *hub);

#endif
