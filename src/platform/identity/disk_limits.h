/* disk_limits.h - how much of the disk a person's home may take: the settings disk and disk-groups.
 *
 *   disk-groups = NAME SIZE; NAME SIZE ...        such as: staff 50G; vo.example:class 2G
 *
 * Names are those of the hub's pages; blanks are allowed inside. Who is in one or several of these groups has the largest of their sizes, also
 * when that is less than `disk`; who is in none has `disk`. A size of 0 is no limit.
 */
#ifndef CR_PLATFORM_IDENTITY_DISK_LIMITS_H
#define CR_PLATFORM_IDENTITY_DISK_LIMITS_H

#include "platform/identity/groups.h"

enum { CR_DISK_LIMITS_MAX = 16 };

typedef struct cr_disk_limit {
    char group[CR_GROUP_NAME_MAX + 1];
    uint64_t bytes;                   /* 0: no limit */
} cr_disk_limit;

/* text "" : none. CR_INVALID says which entry does not fit. */
cr_status cr_disk_limits_read(const char *text, cr_disk_limit ret_limits[CR_DISK_LIMITS_MAX], int *ret_n, cr_err *err) CR_MUST_USE;
/* standard: who is in none of the groups. *ret_bytes 0: no limit. */
cr_status cr_disk_limit_of(cr_db *db, int64_t user_id, uint64_t standard, const cr_disk_limit *limits, int n, uint64_t *ret_bytes, cr_err *err) CR_MUST_USE;

#endif
