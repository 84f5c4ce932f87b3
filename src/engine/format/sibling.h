/* sibling.h - a file or directory that is made beside its destination and takes its place when it is complete.
 *
 * The temporary name is ".<name>.craton-<random>" in the directory of the destination, locked (flock) while it is being made. What
 * a killed process left behind is unlocked, and is removed when the same destination is written again. A group of a Zarr hierarchy is made
 * beside the hierarchy, as ".<its name>.<checksum of the group's path>.craton-<random>": inside, other programs would list the
 * unfinished one as a group, and keep it in their consolidated metadata. Where nothing can be made or moved from there, it is made inside.
 *
 * Invariants
 *  1. Until cr_sibling_commit returns CR_OK nothing changes at the destination; what was there stays readable.
 *  2. Where the file system can exchange names (renameat2), a reader finds the old or the new one at every moment; elsewhere a
 *     directory is absent for the time between two renames. A file is always replaced atomically.
 *  3. A directory is only replaced when it looks like a Zarr store or is empty: nobody's folder is deleted for a wrong path.
 */
#ifndef CR_ENGINE_FORMAT_SIBLING_H
#define CR_ENGINE_FORMAT_SIBLING_H

#include <stdbool.h>

#include "base/error.h"

typedef struct cr_sibling {
    char *destination, *temporary;    /* absolute or as given; without a slash at the end */
    bool is_directory, overwrite;
    bool adopted;                     /* a killed process began it */
    bool keep;                        /* cr_sibling_done leaves it where it is */
    int lock;                         /* the open temporary, locked */
} cr_sibling;

/* CR_EXISTS when the destination exists and is not to be, or cannot be, replaced. A link is followed, also to what is not there yet. */
cr_status cr_sibling_new(cr_sibling *s, const char *destination, bool is_directory, bool overwrite, cr_err *err) CR_MUST_USE;
/* The same for a directory that a killed process may have begun: the newest of those that is_resumable says yes to is locked and taken as
 * it is (adopted); without one, as cr_sibling_new. CR_BUSY when a running process holds it. */
cr_status cr_sibling_resume(cr_sibling *s, const char *destination, bool overwrite, bool (*is_resumable)(const char *path), cr_err *err) CR_MUST_USE;
/* Moves the temporary into place and removes what was there. The content must be on disk already. */
cr_status cr_sibling_commit(cr_sibling *s, cr_err *err) CR_MUST_USE;
/* Removes the temporary if it was not committed or is to be kept. s may be all zeros. */
void cr_sibling_done(cr_sibling *s);
/* Removes a file, or a directory with all that is in it; what cannot be removed stays. */
void cr_sibling_remove(const char *path);

#endif
