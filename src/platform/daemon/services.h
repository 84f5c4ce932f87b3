/* services.h - services as the operator writes them: STATE/services/NAME.conf and NAME.token.
 *
 * Read by the helper before anything starts; the hub gets the records over its socket pair, with the hashes of the tokens only.
 */
#ifndef CR_PLATFORM_DAEMON_SERVICES_H
#define CR_PLATFORM_DAEMON_SERVICES_H

#include "platform/daemon/config.h"
#include "platform/identity/service.h"

/* Sorted by name; none when there is no such folder. CR_CONFLICT: two have one token. */
cr_status cr_services_load(const cr_config *c, cr_service_set *ret_set, cr_err *err) CR_MUST_USE;

#endif
