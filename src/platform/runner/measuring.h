/* measuring.h - the helper's looking after homes: how much of the disk each takes, told to the hub as DISK events.
 *
 * A home changes while its person's servers and clusters run. So it is measured when something of it begins to run, then again after
 * `disk-period` seconds (and fifty times what it took, so that it costs a fiftieth of one disk's time at most), once more when nothing of it
 * runs any more, and when the hub asks, which it does when somebody wants to start and had too much. One home at a time, in slices (disk_walk.h)
 * in a job of its own lane, which gives way to everything else at the disk and the processor.
 *
 * Threads: the helper's loop.
 */
#ifndef CR_PLATFORM_RUNNER_MEASURING_H
#define CR_PLATFORM_RUNNER_MEASURING_H

#include "platform/runner/servers.h"

typedef struct cr_measuring cr_measuring;
/* Regularly. */
void cr_measuring_tick(cr_servers *s);
/* The hub asks. At most once in a few seconds for each account. */
void cr_measuring_ask(cr_servers *s, const char *account);
/* Something of the account begins to run: what is walked just now may be moved. */
void cr_measuring_disturb(cr_servers *s, const char *account);
void cr_measuring_free(cr_servers *s);

#endif
