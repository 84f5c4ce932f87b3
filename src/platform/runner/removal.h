/* removal.h - the helper's part of removing an account: its processes end, then its files go, then the Linux user, then its line in the
 * list of accounts. Internal to the helper's table (servers.c).
 *
 * The hub keeps the intent and asks again until it hears CR_RUNNER_REMOVED; nothing of a removal is kept here across a restart. Each
 * step may have been done before, wholly or in part, and the line goes last: a kill at any instant costs time only.
 *
 * Invariants
 *  1. Of each account at most one removal is under way; another question about it is answered by the end of that one.
 *  2. Every removal that was begun is answered once, by CR_RUNNER_REMOVED or CR_RUNNER_NOT_REMOVED, unless the helper ends.
 */
#ifndef CR_PLATFORM_RUNNER_REMOVAL_H
#define CR_PLATFORM_RUNNER_REMOVAL_H

#include "platform/runner/servers.h"

typedef struct cr_removal cr_removal;

void cr_removal_ask(cr_servers *s, const char *account, bool purge);
bool cr_removal_is_under_way(const cr_servers *s, const char *account);
void cr_removals_free(cr_servers *s);            /* after the table's jobs */

#endif
