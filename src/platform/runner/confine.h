/* confine.h - giving up rights, for good, in a process that is about to become something else.
 *
 * Used between fork and exec (the helper has one thread, so allocation is safe there) and by the hub on itself. Whatever fails
 * is an error: a caller that cannot confine does not go on.
 *
 * Profiles of the system-call filter
 *  HUB    an allow list: files, threads, Unix sockets, time, memory. No new program, no process, no socket of another family,
 *         no change of identity. Installed by the hub itself, after exec.
 *  FETCH  for craton-fetch, which speaks to identity providers: the hub's list without everything that changes a file or waits for
 *         connections to come, plus sockets of IP. Files are opened for reading only. Installed by the program itself.
 *  PROXY  a deny list, inherited over exec: HAProxy starts as root to enter its root directory and give up root, so those calls
 *         stay; what a program that moves bytes never needs is refused. Also for uacme and its hook, which the operator may choose.
 *  USER   a deny list, inherited over exec, for servers and kernels: administration of the machine and calls that exist for
 *         kernel developers. Compilers, debuggers, containers without privileges inside a user's rights go on working.
 */
#ifndef CR_PLATFORM_RUNNER_CONFINE_H
#define CR_PLATFORM_RUNNER_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"

typedef enum cr_filter { CR_FILTER_HUB, CR_FILTER_FETCH, CR_FILTER_PROXY, CR_FILTER_USER } cr_filter;

/* uid, gid and groups replace the present identity when the process is root; then neither the bounding set nor any other holds
 * a capability. keep_root is for HAProxy, which changes identity itself: the bounding set shrinks to what that needs. */
typedef struct cr_identity {
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
    bool keep_root;
} cr_identity;

/* Ends with no_new_privs set. When not root, only that. */
cr_status cr_confine_identity(const cr_identity *id, cr_err *err) CR_MUST_USE;
/* Needs no_new_privs. */
cr_status cr_confine_filter(cr_filter profile, cr_err *err) CR_MUST_USE;
/* No core dumps, `files` open files (soft and hard) or the fewer that are allowed, 0: leave. */
cr_status cr_confine_limits(uint64_t files, cr_err *err) CR_MUST_USE;
/* Default signal actions, empty mask, own session, the three standard descriptors; closes all others from first_closed on.
 * Async-signal-safe. */
void cr_confine_fresh(int out_fd, int first_closed);
/* From now on this process is killed when `parent`, which has forked it, ends; when that has happened already, it ends here. To be called when its
 * identity is the one it keeps: a change of that undoes it. `parent` is what getpid() said before the fork: 1, where cratond is all that a
 * container runs. */
void cr_confine_end_with(pid_t parent);

#endif
