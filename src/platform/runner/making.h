/* making.h - accounts that are looked at, and made where need be, and the starts that wait for that. Internal to the helper's table (servers.c).
 *
 * A home may lie on a network disk that hangs: whether it is there is looked up in a job (jobs.h), and only the start of its person waits, until
 * the time for that is over. Making an account runs programs that write the machine's account files and may wait for their lock: it is a job too.
 */
#ifndef CR_PLATFORM_RUNNER_MAKING_H
#define CR_PLATFORM_RUNNER_MAKING_H

#include "platform/runner/account.h"
#include "platform/runner/servers.h"

typedef struct cr_making cr_making;

/* Looks, and makes what is not there; or joins one that is under way. cr_server_go_on follows for every server of the account that waits. */
cr_status cr_making_begin(cr_servers *s, const cr_account_work *work, cr_err *err) CR_MUST_USE;
bool cr_making_is_under_way(const cr_servers *s, const char *account);
void cr_makings_free(cr_servers *s);             /* after the table's jobs */

#endif
