/* owner_rules.h - TCP on the loopback between accounts: what one account's program serves there, another account's cannot reach.
 *
 * Dask schedulers, debuggers and the like listen on the loopback without a password. Two rules of the packet filter (nft) keep them to their
 * account: the first packet of a connection marks it with the uid that opens it; the listener's answer is dropped when that mark is another
 * account's. So no program needs an address or a setting of its own, and processes that are no account's (root, the proxy) are not
 * concerned. Two more keep accounts from what HAProxy takes an address for: a person, or the front proxy. Where the filter cannot be had (no nft, no right
 * to, a machine too busy) this is said in the log, everything else works, and it is tried again: an account that the table does not know could reach
 * all the others.
 *
 * Threads: the helper's loop, which nft never holds up: a machine that is busy may let it take seconds. It is run by jobs (jobs.h), and only whoever starts
 * the first process of an account waits for it. The rules outlive the helper, as servers do; a new one replaces them in one step.
 */
#ifndef CR_PLATFORM_RUNNER_OWNER_RULES_H
#define CR_PLATFORM_RUNNER_OWNER_RULES_H

#include <sys/types.h>
#include "base/buf.h"
#include "platform/daemon/config.h"
#include "platform/runner/jobs.h"

typedef struct cr_owner_rules cr_owner_rules;
typedef void (*cr_owner_rules_fn)(void *user, uid_t uid);

/* nft: the program's path, kept; it is run once before this returns. table: of this platform alone. uids: accounts that have servers now. admitted: see
 * below. NULL in *ret_rules: not as root, so there is one account. CR_MEMORY. */
cr_status cr_owner_rules_open(const cr_config *c, const char *nft, const char *table, const uid_t *uids, size_t n, cr_jobs *jobs,
                              cr_owner_rules_fn admitted, void *user, cr_owner_rules **ret_rules, cr_err *err) CR_MUST_USE;
/* Before the first process of an account. true: it is to wait until admitted() is called for it, from the loop, which happens also when nft fails;
 * false: nothing to wait for. NULL is allowed. */
bool cr_owner_rules_admit(cr_owner_rules *r, uid_t uid);
/* Now and then: has the rules put in place when they are not, at most twice a minute. now_ms: cr_now_ms(). NULL is allowed. */
void cr_owner_rules_again(cr_owner_rules *r, int64_t now_ms);
/* After its jobs are gone (cr_jobs_free). */
void cr_owner_rules_close(cr_owner_rules *r, bool remove);

/* What nft is given; for tests too. */
void cr_owner_rules_text(const char *table, const cr_config *c, const uid_t *uids, size_t n, cr_buf *out);

#endif
