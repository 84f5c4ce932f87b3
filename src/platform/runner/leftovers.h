/* leftovers.h - memory that outlives the programs that took it: shared memory, semaphores and messages of System V, and files of /dev/shm.
 *
 * They count for a server's control group while that is there, and for nobody afterwards: by starting again and again a person could take all
 * memory of the machine, of which nothing is left to kill. So what an account has left is taken away when the last of its processes has ended,
 * as logind does it for people who sign out, with what lies in its folders of RUN, which is memory on most machines; and with an account that is
 * removed also what it has in the folders where everybody may write.
 *
 * All of it is done as the account, so nothing of anybody else can go with it.
 */
#ifndef CR_PLATFORM_RUNNER_LEFTOVERS_H
#define CR_PLATFORM_RUNNER_LEFTOVERS_H

#include "platform/daemon/urls.h"
#include "platform/runner/server_life.h"

/* A job: forks, and waits for that. What was made or changed in the second before_s (wall) or later stays: it may be of a process that has begun since.
 * folders: also /tmp and /var/tmp. */
typedef struct cr_leftovers {
    uid_t uid;
    gid_t gid;
    int64_t before_s;
    bool folders;
    char run[2][CR_URL_MAX];      /* "" : none */
} cr_leftovers;
cr_status cr_leftovers_remove(const void *what, cr_err *err) CR_MUST_USE;
/* When a process of this account has ended: if it was the last one. */
void cr_leftovers_after(const cr_server *ended);

#endif
