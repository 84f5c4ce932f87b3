/* quota.h - limits of homes that the file system enforces: project quotas of ext4 and XFS.
 *
 * Where the file system of the homes accounts and enforces quotas by project (ext4: features `project` and `quota`, mounted with prjquota; XFS: mounted
 * with prjquota), a home is a project whose number is the account's user id: all that is made in it belongs to it, the kernel counts it, and
 * refuses more than the limit (EDQUOT). Usage is then read and not walked for. Elsewhere nothing here is used, and homes are measured (disk_walk.h).
 *
 * The owner of a file could give it to another project. User processes cannot: the system-call filter refuses what changes it (confine_filter.c).
 *
 * A home that was there before the file system had quotas is marked by a walk, and has the extended attribute trusted.craton.project when that is done:
 * when a walk went through and nothing of the account ran meanwhile (measuring.c). What ran could have moved folders between the slices of the walk. The
 * attribute of a copy says nothing: backups keep it, and not the projects of files. So it counts only where the home itself is in the project.
 *
 * Threads: none of its own; calls of the helper and its jobs, as root. Paths are of folders of root's.
 */
#ifndef CR_PLATFORM_RUNNER_QUOTA_H
#define CR_PLATFORM_RUNNER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"

struct fsxattr;
/* What is asked of the kernel; tests put a file system of their own in its place, where the machine has none with quotas. */
typedef struct cr_quota_calls {
    int (*quota)(int fd, unsigned cmd, uint32_t project, void *data);     /* quotactl_fd for projects; -1 and errno */
    int (*get)(int fd, struct fsxattr *attributes);
    int (*set)(int fd, const struct fsxattr *attributes);
} cr_quota_calls;
extern cr_quota_calls cr_quota_kernel;

/* Does the file system of this folder account and enforce quotas by project? */
bool cr_quota_is_on(const char *folder);

typedef struct cr_quota_use { uint64_t bytes, limit_bytes; } cr_quota_use;       /* limit 0: none */
cr_status cr_quota_read(const char *folder, uint32_t project, cr_quota_use *ret_use, cr_err *err) CR_MUST_USE;
/* bytes 0: no limit. What the kernel refuses lies a little above, so that there is room to clean up in: see cr_quota_hard. */
cr_status cr_quota_limit(const char *folder, uint32_t project, uint64_t bytes, cr_err *err) CR_MUST_USE;
/* Where the kernel stops somebody with this limit: a 64th above, at least 16 MiB. 0 of 0. */
uint64_t cr_quota_hard(uint64_t limit_bytes);

/* The file or folder belongs to the project, and what is made in the folder will. */
cr_status cr_quota_mark(int fd, uint32_t project, bool is_folder, cr_err *err) CR_MUST_USE;
/* Was all of the home marked for this project, and is it the home that was? */
bool cr_quota_home_is_marked(int home, uint32_t project);
cr_status cr_quota_home_note(int home, uint32_t project, cr_err *err) CR_MUST_USE;

#endif
