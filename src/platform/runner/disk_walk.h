/* disk_walk.h - how much of the disk a home takes, in slices of bounded time, and what in it is large.
 *
 * The walk goes by descriptors and never follows a link, never leaves the file system, opens no file unless it marks: only folders are read. Names of a
 * folder are taken in their order of bytes, so that a slice that runs out of time leaves the place where the next one goes on. What is
 * written meanwhile is counted or not, as it happens.
 *
 * Counted are blocks, as quotas count them. A file with several names in the tree is counted once within a slice (its number is remembered,
 * for CR_DISK_LINKS_MAX files), so the caches of package managers are not counted twice.
 *
 * A folder of more than CR_DISK_NAMES_MAX bytes of names, and what lies deeper than CR_DISK_DEPTH_MAX, is counted as far as that (cut).
 */
#ifndef CR_PLATFORM_RUNNER_DISK_WALK_H
#define CR_PLATFORM_RUNNER_DISK_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

enum { CR_DISK_TOP = 8, CR_DISK_NAME_MAX = 200, CR_DISK_CURSOR_MAX = 4096, CR_DISK_DEPTH_MAX = 200, CR_DISK_NAMES_MAX = 64 << 20,
       CR_DISK_LINKS_MAX = 1 << 20 };

typedef struct cr_disk_use {
    uint64_t bytes, entries;          /* so far */
    struct { uint64_t bytes; char name[CR_DISK_NAME_MAX + 1]; } top[CR_DISK_TOP];    /* of the first level, largest first; any bytes, cut */
    uint64_t part_bytes;              /* of the entry of the first level that is not counted to its end */
    int64_t took_ms;
    bool complete, cut;
    bool left_out;                    /* something of the account could not be put into the project */
    char cursor[CR_DISK_CURSOR_MAX];  /* where the next slice goes on, relative; "" : at the beginning */
} cr_disk_use;

/* Goes on with *use, zeroes at first, for about slice_ms; complete says whether it came to the end. A file that went away meanwhile is no
 * error. CR_NOT_FOUND: there is no such directory. */
cr_status cr_disk_walk(const char *path, int64_t slice_ms, cr_disk_use *use, cr_err *err) CR_MUST_USE;
/* The same, and each folder and file of that user id is put into the project of this number (quota.h), a folder before what is in it. To that
 * end files are opened, as what they were when they were looked at, and nothing else. Whoever can rename folders between two slices can keep some from
 * it; within one slice nobody can, for nothing is moved into a folder of another project (EXDEV), as one that was not marked yet would be. */
cr_status cr_disk_walk_marking(const char *path, int64_t slice_ms, uint32_t project, cr_disk_use *use, cr_err *err) CR_MUST_USE;

/* The largest of the first level as lines "BYTES NAME" for people: at most size bytes, whole lines, names cleaned. */
char *cr_disk_top_text(const cr_disk_use *use, char *out, size_t size);

#endif
