/* group_folder.h - folders of groups on the disk, and what a person sees of them.
 *
 * STATE/groups/FOLDER belongs to root and to a group id of its own, taken from the accounts' user ids and never given again (the list is
 * STATE/runner/folders, lines "FOLDER ID"); mode 2770 with a default ACL, so that whatever is made in it can be written by all who have the
 * group, whatever their umask. A server gets the ids of its person's folders as supplementary groups when it starts: who has left a group
 * loses the folder with the next start. The hub says which (it knows the groups), by places in the operator's setting; nothing else can
 * be named. Without root there is one account and no such folder.
 *
 * RUN/f/ACCOUNT, of root and for the account alone, holds a link for each folder of the person and, when the operator has one, `shared` for the data that everybody may
 * read. The home gets the link `folders` there, made by the account itself in a job: root writes nothing into a home, and the helper
 * waits for none, since a home may lie on a file system that does not answer.
 *
 * A folder that is taken out of the setting stays on the disk with all it holds, for the operator to remove; its id stays on the list.
 *
 * Threads: the helper's loop.
 */
#ifndef CR_PLATFORM_RUNNER_GROUP_FOLDER_H
#define CR_PLATFORM_RUNNER_GROUP_FOLDER_H

#include "platform/identity/folders.h"
#include "platform/runner/account.h"
#include "platform/runner/jobs.h"

typedef struct cr_group_folders {
    const cr_config *config;
    cr_folders names;
    gid_t gid[CR_FOLDERS_MAX];
} cr_group_folders;

/* Makes what is missing. */
cr_status cr_group_folders_open(const cr_config *c, cr_accounts *accounts, cr_group_folders *ret_folders, cr_err *err) CR_MUST_USE;
/* set: a bit for each place. The account's groups for a start. */
void cr_group_folders_of(const cr_group_folders *f, uint32_t set, cr_account *u);
/* The folders of a set by name, with commas, and back: places change with the setting, and a server outlives that. Names that are in the setting
 * no more are in no set. */
char *cr_group_folders_names(const cr_group_folders *f, uint32_t set, char out[CR_FOLDER_NAMES_SIZE]);
uint32_t cr_group_folders_set(const cr_group_folders *f, const char *names);
/* Its links as they are from now on; the one in the home comes a moment later. */
cr_status cr_group_folders_show(const cr_group_folders *f, cr_jobs *jobs, const char *account, const cr_account *u, uint32_t set,
                                cr_err *err) CR_MUST_USE;
/* Its links, when the account is removed. */
void cr_group_folders_forget(const cr_group_folders *f, const char *account);

#endif
