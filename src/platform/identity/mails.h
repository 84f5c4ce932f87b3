/* mails.h - the table mails: what is to be sent, what was, and what could not be.
 *
 * A mail that carries a link does not hold it: the row knows the hash of a link (onetime.h), and each try to send makes a new secret for it.
 * So nothing in the database opens anything, and only the last mail of several tries works.
 *
 * Invariants
 *  1. A row is `waiting` until the server has taken the mail, or refused it for good, or the link is over. Whoever is killed in between sends again: a mail
 *     is sent at least once.
 *  2. One address is written to at most CR_MAILS_ADDRESS_MAX times a day, all together at most CR_MAILS_MAX times.
 */
#ifndef CR_PLATFORM_IDENTITY_MAILS_H
#define CR_PLATFORM_IDENTITY_MAILS_H

#include "platform/identity/mail_text.h"
#include "platform/identity/onetime.h"

enum { CR_MAILS_ADDRESS_MAX = 5, CR_MAILS_MAX = 2000, CR_MAIL_PROBLEM_MAX = 300 };

typedef struct cr_mail {
    int64_t id;
    cr_mail_kind kind;
    char address[CR_MAIL_ADDRESS_MAX + 1];
    char name[CR_NAME_MAX + 1];       /* whom it greets; "" : not known */
    unsigned char link[CR_HASH_BYTES];    /* not of a test */
    int64_t made_by;                  /* who is told of a failure; 0: nobody here */
    int64_t until_ms;                 /* wall; then it is given up */
} cr_mail;

/* CR_LIMIT: enough mail for a day. */
cr_status cr_mail_add(cr_db *db, const cr_mail *mail, int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* The next that is due. CR_NOT_FOUND: none is; *ret_wait_ms: one will be then, -1: nothing waits. */
cr_status cr_mail_next(cr_db *db, cr_mail *ret_mail, int64_t *ret_wait_ms, cr_err *err) CR_MUST_USE;
/* One more try: the next one is later, whatever happens; and the secret of its link ("" of a test). CR_NOT_FOUND: the link is over. In a transaction. */
cr_status cr_mail_try(cr_db *db, const cr_mail *mail, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
cr_status cr_mail_sent(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;
/* for_good: it is not tried again. */
cr_status cr_mail_not_sent(cr_db *db, int64_t id, bool for_good, const char *problem, cr_err *err) CR_MUST_USE;

typedef struct cr_mail_row {
    const char *address, *name, *state, *problem;      /* state: waiting, sent, failed; valid during the call */
    int64_t created_ms, tries;
} cr_mail_row;
typedef void (*cr_mail_each)(void *user, const cr_mail_row *row);
cr_status cr_mail_get(cr_db *db, int64_t id, cr_mail_each each, void *user, cr_err *err) CR_MUST_USE;
/* Of this person, newest first: those that had a problem and are not sent. */
cr_status cr_mail_problems(cr_db *db, int64_t made_by, cr_mail_each each, void *user, cr_err *err) CR_MUST_USE;
cr_status cr_mail_counts(cr_db *db, int64_t *ret_waiting, int64_t *ret_failed, cr_err *err) CR_MUST_USE;
/* Rows older than a week. */
cr_status cr_mail_sweep(cr_db *db, cr_err *err) CR_MUST_USE;

#endif
