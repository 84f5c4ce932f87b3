/* prepared_spawn.h - the process of the prepared parent: namespace, rights, program. Internal to prepared.c. */
#ifndef CR_PLATFORM_RUNNER_PREPARED_SPAWN_H
#define CR_PLATFORM_RUNNER_PREPARED_SPAWN_H

#include <sys/types.h>
#include "platform/daemon/config.h"

enum { CR_PREPARED_NOT_HERE = 125 };      /* exit code: this machine does not allow it */

typedef struct cr_prepared_spawn {
    const cr_config *config;
    const char *environment;      /* PREFIX/env/GENERATION */
    const char *list;             /* of modules: a name below PREFIX/share/craton/start */
    int control;                  /* becomes descriptor 3 */
    uid_t uid;                    /* with root: who the parent is outside of its namespace */
    gid_t gid;
} cr_prepared_spawn;

/* The process exists when this returns. *ret_step: with root a socket to it that can be read when it has made its user namespace, or has ended; then
 * cr_prepared_fill gives the namespace its accounts, and the caller closes it. -1: there is none. What it says goes to the helper's log. */
cr_status cr_prepared_spawn_parent(const cr_prepared_spawn *how, pid_t *ret_pid, int *ret_step, cr_err *err) CR_MUST_USE;
cr_status cr_prepared_fill(const cr_prepared_spawn *how, pid_t pid, int step, cr_err *err) CR_MUST_USE;

#endif
