/* installed.h - what is installed in Craton's own software environment and in the operator's (profile.h), looked at by threads.
 *
 * An environment may lie on a network disk, and a network disk may hang: who reads a folder of it waits as long as that takes. The hub's loop, for
 * which everybody waits, therefore never does. At most one thread looks at an environment at a time. Who asks gets what it finds; after
 * CR_INSTALLED_MS, what was found the last time. A thread that hangs is left alone until the disk answers; until then nobody waits for it again, and log,
 * status and health say which environment it is.
 *
 * Owner: the gateway, on the hub's loop.
 */
#ifndef CR_PLATFORM_GATEWAY_INSTALLED_H
#define CR_PLATFORM_GATEWAY_INSTALLED_H

#include <jansson.h>
#include "platform/gateway/versions.h"
#include "platform/hub/hub.h"

enum { CR_INSTALLED_MS = 2000 };

typedef struct cr_installed cr_installed;
/* late: it does not answer now; *v is what was found the last time, all "" when nothing ever was. */
typedef void (*cr_installed_fn)(void *user, const cr_versions *v, bool late);

/* Looks at all of them, so that there is a last time. */
cr_status cr_installed_new(cr_hub *hub, cr_installed **ret_installed, cr_err *err) CR_MUST_USE;
/* Who waits is not answered: drop is called. Threads that hang end with the process. */
void cr_installed_free(cr_installed *installed);
/* software: a name of profiles.yaml, "" for Craton's own; of one that is not there nothing is found. fn is called once, on the loop, after this has
 * returned; drop (may be NULL) instead of it. */
cr_status cr_installed_ask(cr_installed *installed, const char *software, cr_installed_fn fn, cr_loop_fn drop, void *user, cr_err *err) CR_MUST_USE;
/* Every minute: looks at all of them. */
void cr_installed_look(cr_installed *installed);
/* A line for each that does not answer; and their names. */
void cr_installed_status(const cr_installed *installed, cr_buf *out);
void cr_installed_health(const cr_installed *installed, json_t *late);

#endif
