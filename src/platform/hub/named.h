/* named.h - servers that a person has beside the ordinary one, each with a name, a prefix and a token of its own: /user/PERSON/NAME/.
 *
 * How many a person may have is the setting named-servers, or what a role of the person gives when that is more; 0: none. What was made
 * while more were allowed stays; where none are allowed any more it can be seen, stopped and removed, and not be started.
 *
 * A name is [a-z][a-z0-9-]{0,31} (runner/protocol.h), and none that begins a path of JupyterLab: /user/PERSON/lab/ is the ordinary server's.
 * Names of Dask's processes are not people's either.
 */
#ifndef CR_PLATFORM_HUB_NAMED_H
#define CR_PLATFORM_HUB_NAMED_H

#include "platform/hub/lab.h"

int cr_named_limit(cr_hub *hub, const cr_person *person);
bool cr_named_title_is_right(const char *title);
typedef enum cr_named_wish {
    CR_NAMED_USE,             /* one that is there */
    CR_NAMED_RENAME,          /* it gets this name */
    CR_NAMED_MAKE             /* one more than now, of this name */
} cr_named_wish;
/* CR_INVALID, in JupyterHub's words where it has some. */
cr_status cr_named_check(cr_hub *hub, const cr_person *person, const char *name, cr_named_wish wish, cr_err *err) CR_MUST_USE;

#endif
