/* mailing.h - sends what stands in the table mails (identity/mails.h), one after the other, through craton-fetch.
 *
 * One mail at a time and at most one in MAIL_PAUSE: a course of three hundred is through in five minutes, and a mail server is not flooded. What
 * the server refuses for good (550 to 559) is given up; anything else is tried again, later and later, until the link is over. A test is tried once.
 *
 * Hub's loop. Neither links nor the server's password are logged; addresses stand in the audit log only.
 */
#ifndef CR_PLATFORM_HUB_MAILING_H
#define CR_PLATFORM_HUB_MAILING_H

#include "platform/hub/auditing.h"
#include "platform/identity/mails.h"

enum { CR_MAILING_LINK_MS = 24 * 3600 * 1000 };      /* how long a link works that is made to be mailed, unless somebody chose */

typedef struct cr_mailing cr_mailing;

static inline bool cr_mailing_is_on(const cr_hub *hub) { return hub->config->smtp[0] != 0; }

cr_status cr_mailing_open(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_mailing_close(cr_hub *hub);
void cr_mailing_on_minute(cr_hub *hub);
void cr_mailing_text(cr_hub *hub, cr_buf *out);      /* a line for cratond --status */
/* Makes a link (what, as for cr_deed_link) that is sent to this address, as it was typed, and shown to nobody. */
cr_status cr_mailing_link(cr_hub *hub, const cr_actor *who, const cr_onetime *what, const char *whom, const char *address, cr_err *err) CR_MUST_USE;
cr_status cr_mailing_test(cr_hub *hub, const cr_actor *who, const char *address, int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* [{address, name, ago, problem, waits}] of mails of this person that are not sent; NULL: the database does not answer. */
json_t *cr_mailing_problems(cr_hub *hub, int64_t user_id);

#endif
