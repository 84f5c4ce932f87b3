/* helper.h - the privileged parent of everything: lays the ground, keeps hub, HAProxy and craton-fetch running, holds the table of servers.
 *
 * One thread, no network socket, no HTTP, no TLS; the only input it parses is protocol.h, /proc and its own records.
 *   SIGTERM, SIGINT, SIGHUP   end the hub and itself; HAProxy and user servers go on, the next helper finds them
 *   SIGUSR1                   end everything: servers (asked, then killed), hub, HAProxy, itself
 */
#ifndef CR_PLATFORM_DAEMON_HELPER_H
#define CR_PLATFORM_DAEMON_HELPER_H

#include "platform/daemon/config.h"
#include "platform/identity/provider.h"
#include "platform/identity/role.h"
#include "platform/runner/profile.h"

/* Returns when cratond is to end. */
cr_status cr_helper_run(const cr_config *config, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                        const cr_profile_set *profiles, cr_err *err) CR_MUST_USE;

#endif
