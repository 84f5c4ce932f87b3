/* making.h - accounts that are being made, and the starts that wait for them. Internal to the helper's table (servers.c).
 *
 * Making an account runs programs that write the machine's account files and may wait for their lock: it is a job (jobs.h), and starts of
 * that account go on when it has ended. An account that is made already costs nothing of this.
 */
#ifndef CR_PLATFORM_RUNNER_MAKING_H
#define CR_PLATFORM_RUNNER_MAKING_H

#include "platform/runner/account.h"
#include "platform/runner/servers.h"

typedef struct cr_making cr_making;

/* Begins it, or joins one that is under way. cr_server_go_on follows for every server of the account that waits. */
cr_status cr_making_begin(cr_servers *s, const cr_account_work *work, cr_err *err) CR_MUST_USE;
bool cr_making_is_under_way(const cr_servers *s, const char *account);
void cr_makings_free(cr_servers *s);             /* after the table's jobs */

#endif
