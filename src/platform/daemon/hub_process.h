/* hub_process.h - keeps the unprivileged hub running: the same program file, started with --role=hub.
 *
 * It inherits descriptor 3 (packets to the helper), 4 (listening API socket) and 5 (listening control socket), gets the
 * settings as first packet, then one packet for each identity provider, service and role, and is confined before it runs a line of its own:
 * identity, no capabilities, no_new_privs, limits; its system-call filter it installs itself (main.c). It is started again, with growing
 * pauses, whenever it ends.
 */
#ifndef CR_PLATFORM_DAEMON_HUB_PROCESS_H
#define CR_PLATFORM_DAEMON_HUB_PROCESS_H

#include "platform/daemon/ground.h"
#include "platform/runner/protocol.h"
#include "platform/runner/watch.h"

enum { CR_HUB_RUNNER_FD = 3, CR_HUB_API_FD = 4, CR_HUB_CONTROL_FD = 5 };

typedef struct cr_hub_process cr_hub_process;
typedef void (*cr_hub_message_fn)(void *user, const cr_msg *message);

cr_status cr_hub_process_start(const cr_config *c, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                               const cr_profile_set *profiles, const cr_ground *g, cr_watch *w, cr_hub_message_fn on_message, void *user, cr_hub_process **ret_hub, cr_err *err) CR_MUST_USE;
/* In order, never waits. What a hub that reads too slowly cannot get ends that hub; the next one asks for the list anyway. */
void cr_hub_process_send(cr_hub_process *h, const cr_runner_event *event);
bool cr_hub_process_holds(const cr_hub_process *h, pid_t pid);
void cr_hub_process_free(cr_hub_process *h);    /* ends it: SIGTERM, after some seconds SIGKILL */

#endif
