/* roles.h - roles as the operator writes them: STATE/roles/NAME.conf.
 *
 * Read by the helper before anything starts; the hub gets the records over its socket pair.
 */
#ifndef CR_PLATFORM_DAEMON_ROLES_H
#define CR_PLATFORM_DAEMON_ROLES_H

#include "platform/daemon/config.h"
#include "platform/identity/role.h"

/* Sorted by name; none when there is no such folder. CR_INVALID also for a service that there is not. */
cr_status cr_roles_load(const cr_config *c, const cr_service_set *services, cr_role_set *ret_set, cr_err *err) CR_MUST_USE;

#endif
