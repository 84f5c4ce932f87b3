/* profiles.h - STATE/profiles.yaml as the operator writes it. Read by the helper before anything starts; the hub gets its text over the
 * socket pair and reads it again. */
#ifndef CR_PLATFORM_DAEMON_PROFILES_H
#define CR_PLATFORM_DAEMON_PROFILES_H

#include "platform/daemon/config.h"
#include "platform/runner/profile.h"

/* An empty set when there is no such file. Messages begin FILE:LINE:COLUMN. */
cr_status cr_profiles_load(const cr_config *c, cr_profile_set *ret_set, cr_err *err) CR_MUST_USE;
/* What --check says of them: a line each, and what is not as it may be meant on this machine. */
struct cr_buf;
void cr_profiles_describe(const cr_config *c, const cr_profile_set *set, struct cr_buf *out);

#endif
