/* scheduler_call.h - one request of the hub to the API of a cluster's scheduler: POST /api/comm, through HAProxy (RUN/schedulers.sock), as
 * the hub has no network sockets. Tried three times; what the scheduler is told is the same each time.
 */
#ifndef CR_PLATFORM_GATEWAY_SCHEDULER_CALL_H
#define CR_PLATFORM_GATEWAY_SCHEDULER_CALL_H

#include <jansson.h>
#include "platform/http/loop.h"

typedef struct cr_scheduler_call cr_scheduler_call;
/* Called once, never from inside cr_scheduler_call_start; false: it does not answer, or refuses. The call has freed itself. */
typedef void (*cr_scheduler_call_fn)(void *user, bool done);

/* key: of the clusters map; token: hexadecimal; body is borrowed for the call. */
cr_status cr_scheduler_call_start(cr_loop *loop, const char *socket_path, const char *key, const char *token, const json_t *body,
                                  cr_scheduler_call_fn fn, void *user, cr_scheduler_call **ret_call, cr_err *err) CR_MUST_USE;
void cr_scheduler_call_free(cr_scheduler_call *call);    /* gives up; fn is not called. NULL is allowed */

#endif
