/* group_limits.h - what the people of a group may have together: the setting gateway-groups.
 *
 *   NAME clusters=N workers=N cores=N memory=SIZE; NAME ...
 *
 * Each entry names a group (as the hub's pages do; blanks are allowed inside) and at least one limit. All limits hold at the same time:
 * the person's, and those of every group with one that the person is in; the strictest decides.
 */
#ifndef CR_PLATFORM_GATEWAY_GROUP_LIMITS_H
#define CR_PLATFORM_GATEWAY_GROUP_LIMITS_H

#include "platform/identity/groups.h"

enum { CR_GROUP_LIMITS_MAX = 16 };

typedef struct cr_cluster_limits {
    int64_t clusters, workers, cores;         /* INT64_MAX: no limit */
    uint64_t memory_bytes;                    /* UINT64_MAX: no limit */
} cr_cluster_limits;

typedef struct cr_group_limit {
    char group[CR_GROUP_NAME_MAX + 1];
    cr_cluster_limits most;
} cr_group_limit;

/* text "" : none. CR_INVALID says which entry does not fit. */
cr_status cr_group_limits_read(const char *text, cr_group_limit ret_limits[CR_GROUP_LIMITS_MAX], int *ret_n, cr_err *err) CR_MUST_USE;
/* Those of the person: a bit for each. */
cr_status cr_group_limits_of(cr_db *db, int64_t user_id, const cr_group_limit *limits, int n, uint32_t *ret_groups, cr_err *err) CR_MUST_USE;

#endif
