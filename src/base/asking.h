/* asking.h - one question at a unix socket of Craton: a line goes there, everything until it is closed comes back. Used by cratond's actions
 * and by `craton admin`.
 *
 * The directory of sockets may lie where others can make one first (/tmp, without root): who listens must be root or the caller's own user,
 * else nothing is asked.
 */
#ifndef CR_BASE_ASKING_H
#define CR_BASE_ASKING_H

#include <sys/types.h>
#include "base/buf.h"

enum { CR_ASKING_PATIENCE_MS = 120000 };

/* line: without its end. run_dir: for messages. CR_NOT_FOUND: nobody listens; CR_DENIED: somebody else does. */
cr_status cr_ask(const char *socket_path, const char *run_dir, const char *line, cr_buf *out, cr_err *err) CR_MUST_USE;

/* The process that has called listen() there, by its number in the caller's namespace of processes. CR_NOT_FOUND: nobody listens; CR_DENIED: somebody
 * else does; CR_UNSUPPORTED: the process cannot be seen from here (it runs in another container). Nothing is sent. */
cr_status cr_asking_whom(const char *socket_path, const char *run_dir, pid_t *ret_pid, cr_err *err) CR_MUST_USE;

#endif
