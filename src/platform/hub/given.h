/* given.h - shares and tokens for others that people without the right of an administrator have made end when the right is gone that they were
 * made by: a role of the operator's that is taken back, a group that somebody has left. What ends with an administrator's right, an account or a
 * password ends at once (cr_person_forget_given); this is looked for at the start and every minute, since roles and groups of providers
 * change without a deed.
 */
#ifndef CR_PLATFORM_HUB_GIVEN_H
#define CR_PLATFORM_HUB_GIVEN_H

#include "platform/hub/hub.h"

void cr_given_check(cr_hub *hub);

#endif
