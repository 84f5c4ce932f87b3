/* providers.h - identity providers as the operator writes them: STATE/signin/NAME.conf and NAME.secret.
 *
 * Read by the helper before anything starts; the hub gets the records over its socket pair and never sees the files. A file that
 * others could change, or a secret that others could read, is refused with what to do.
 */
#ifndef CR_PLATFORM_DAEMON_PROVIDERS_H
#define CR_PLATFORM_DAEMON_PROVIDERS_H

#include "platform/daemon/config.h"
#include "platform/identity/provider.h"

/* Sorted by name; none when there is no such folder. */
cr_status cr_providers_load(const cr_config *c, cr_provider_set *ret_set, cr_err *err) CR_MUST_USE;

#endif
