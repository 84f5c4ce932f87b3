/* run_space.h - RUN, where everybody's sockets lie, must not be filled by one person.
 *
 * On most machines it lies in /run, which is memory and small. Each account has two folders of its own there, for sockets and for what kernels and
 * JupyterLab write about themselves, and no limit holds it to so little. While there is room nobody looks. When room is scarce, so that soon nothing could be started
 * any more, the servers of an account that takes much of it are stopped; what it has there goes with the last of them (leftovers.h).
 *
 * Threads: the helper's loop.
 */
#ifndef CR_PLATFORM_RUNNER_RUN_SPACE_H
#define CR_PLATFORM_RUNNER_RUN_SPACE_H

#include "platform/runner/servers.h"

void cr_run_space_tick(cr_servers *s);

#endif
