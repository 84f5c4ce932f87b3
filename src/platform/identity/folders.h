/* folders.h - folders that the people of a group have in common: the setting group-folders.
 *
 *   group-folders = GROUP FOLDER; GROUP FOLDER ...       such as: the class class; vo.example:lab lab
 *
 * The last word of an entry is the folder's name, [a-z][a-z0-9-]{0,31}; what is before it is the group's, as the hub's pages write it. A group
 * may have several folders and a folder several groups, at most CR_FOLDERS_MAX folders. What a folder is on the disk: runner/group_folder.h.
 */
#ifndef CR_PLATFORM_IDENTITY_FOLDERS_H
#define CR_PLATFORM_IDENTITY_FOLDERS_H

#include "platform/identity/groups.h"

enum { CR_FOLDERS_MAX = 16, CR_FOLDER_ENTRIES_MAX = 32, CR_FOLDER_NAME_MAX = 32, CR_FOLDER_NAMES_SIZE = CR_FOLDERS_MAX * (CR_FOLDER_NAME_MAX + 1) };

typedef struct cr_folders {
    int n, n_entries;
    char name[CR_FOLDERS_MAX][CR_FOLDER_NAME_MAX + 1];      /* in the order of the setting: a folder is known by its place */
    struct { int folder; char group[CR_GROUP_NAME_MAX + 1]; } entry[CR_FOLDER_ENTRIES_MAX];
} cr_folders;

/* text "" : none. CR_INVALID says which entry does not fit. */
cr_status cr_folders_read(const char *text, cr_folders *ret_folders, cr_err *err) CR_MUST_USE;
/* The person's: a bit for each folder. */
cr_status cr_folders_of(cr_db *db, int64_t user_id, const cr_folders *folders, uint32_t *ret_set, cr_err *err) CR_MUST_USE;

#endif
