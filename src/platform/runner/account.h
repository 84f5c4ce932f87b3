/* account.h - Linux users for accounts: one uid each, never given twice; homes.
 *
 * STATE/runner/accounts has a line "ACCOUNT UID" per account and a line "next UID"; uids only grow, so that a file left anywhere by
 * a removed account never belongs to a later one. The Linux name is PREFIX + ACCOUNT (cr-ada). A home is made beside
 * its place, filled, and moved there whole; that of a removed account is kept as STATE/home/.removed/ACCOUNT.UID, out
 * of reach of a later account of the same name, unless purged.
 *
 * Without root there is one account with the uid of the process; the first name that is used is kept. Beside it there may be demo
 * accounts (identity/user_names.h), which no person can have.
 *
 * What touches files of people or the machine's account files takes long and is done in jobs (jobs.h); the list is only changed by the
 * loop. Making and removing may be interrupted after any step and are then simply done again.
 */
#ifndef CR_PLATFORM_RUNNER_ACCOUNT_H
#define CR_PLATFORM_RUNNER_ACCOUNT_H

#include <sys/types.h>
#include "platform/daemon/config.h"
#include "platform/identity/folders.h"
#include "platform/runner/runner.h"

typedef struct cr_accounts cr_accounts;
typedef struct cr_account {
    char linux_name[64];
    char home[600];
    uid_t uid;
    gid_t gid;
    int n_groups;                 /* of one start; see group_folder.h */
    gid_t groups[CR_FOLDERS_MAX];
} cr_account;
/* What a job needs to know. */
typedef struct cr_account_work {
    const cr_config *config;
    char name[CR_RUNNER_NAME_MAX + 1];
    cr_account account;
    bool purge;
} cr_account_work;

cr_status cr_accounts_open(const cr_config *c, cr_accounts **ret_accounts, cr_err *err) CR_MUST_USE;
/* text: what the file holds, n bytes and a NUL; is changed. path: for messages. */
cr_status cr_accounts_parse(const cr_config *c, char *text, size_t n, const char *path, cr_accounts **ret_accounts, cr_err *err) CR_MUST_USE;
void cr_accounts_close(cr_accounts *a);
cr_status cr_account_find(const cr_accounts *a, const char *account, cr_account *ret_account, cr_err *err) CR_MUST_USE;

/* An id that is given to nobody else, ever. */
cr_status cr_accounts_take_id(cr_accounts *a, int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* Puts the account on the list, where it gets its uid, unless it is there. Then, unless it has its user and its home: cr_account_make in a job. */
cr_status cr_account_claim(cr_accounts *a, const char *account, cr_account *ret_account, cr_account_work *ret_work, cr_err *err) CR_MUST_USE;
bool cr_account_has_user(const cr_accounts *a, const cr_account *u);
bool cr_account_has_home(const cr_account *u);   /* in a job: the disk of a home may not answer */
/* A job: makes what is missing of group, user, home. what: a cr_account_work. */
cr_status cr_account_make(const void *what, cr_err *err) CR_MUST_USE;

/* Removal, in this order; the caller has ended the account's processes. The line in the list goes last: as long as it is there, the
 * rest can be repeated. CR_NOT_FOUND: the account is not on the list. */
cr_status cr_account_leave(const cr_accounts *a, const char *account, bool purge, cr_account_work *ret_work, cr_err *err) CR_MUST_USE;
cr_status cr_account_clear(const void *what, cr_err *err) CR_MUST_USE;     /* a job: files */
cr_status cr_account_unmake(const void *what, cr_err *err) CR_MUST_USE;    /* a job: user and group */
cr_status cr_account_forget(cr_accounts *a, const char *account, cr_err *err) CR_MUST_USE;

#endif
