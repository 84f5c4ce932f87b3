/* groups.h - groups of people: tables groups, group_members.
 *
 * A person is in a group because an administrator put them there (group_members), or because an identity provider said so at the last
 * sign-in (memberships, see identities.h). Everything that is read here is both together.
 *
 * Invariants
 *  1. Every group that a provider has named has a row, so it can be listed and have properties and further members.
 *  2. What a provider says is not changed here: the next sign-in would bring it back. Removing such a member, or a group that has
 *     some, is CR_CONFLICT.
 */
#ifndef CR_PLATFORM_IDENTITY_GROUPS_H
#define CR_PLATFORM_IDENTITY_GROUPS_H

#include "platform/db/db.h"
#include "platform/identity/entitlement.h"

typedef struct cr_group {
    int64_t id;
    const char *name, *properties;               /* properties: JSON object; valid during the call */
} cr_group;

/* 1 to CR_GROUP_NAME_MAX bytes, no control characters. */
bool cr_group_name_is_right(const char *name);
/* CR_NOT_FOUND when there is none. */
cr_status cr_group_find(cr_db *db, const char *name, int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* CR_EXISTS: the name is taken. */
cr_status cr_group_add(cr_db *db, const char *name, int64_t *ret_id, cr_err *err) CR_MUST_USE;
cr_status cr_group_remove(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;
/* CR_CONFLICT: a provider's members are in it, as cr_group_remove() would say. */
cr_status cr_group_check_removable(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;
cr_status cr_group_set_properties(cr_db *db, int64_t id, const char *json, cr_err *err) CR_MUST_USE;
/* Being in already, or not at all, is CR_OK. */
cr_status cr_group_put_in(cr_db *db, int64_t id, int64_t user_id, cr_err *err) CR_MUST_USE;
cr_status cr_group_take_out(cr_db *db, int64_t id, int64_t user_id, cr_err *err) CR_MUST_USE;

/* In the order of making. names: JSON list of those to be listed, NULL: all. id 0: all. */
cr_status cr_group_list(cr_db *db, int64_t id, const char *names, int64_t limit, int64_t offset, void (*each)(void *user, const cr_group *g),
                        void *user, cr_err *err) CR_MUST_USE;
cr_status cr_group_count(cr_db *db, const char *names, int64_t *ret_n, cr_err *err) CR_MUST_USE;
/* Names of a group's people, and of a person's groups, sorted. */
cr_status cr_group_people(cr_db *db, int64_t id, void (*each)(void *user, const char *name), void *user, cr_err *err) CR_MUST_USE;
/* How many there are. */
cr_status cr_group_size(cr_db *db, int64_t id, int64_t *ret_n, cr_err *err) CR_MUST_USE;
cr_status cr_groups_of(cr_db *db, int64_t user_id, void (*each)(void *user, const char *group), void *user, cr_err *err) CR_MUST_USE;
/* The same for several: ids is a JSON list of numbers; of each name the person's place in it. */
cr_status cr_groups_of_several(cr_db *db, const char *ids, void (*each)(void *user, int64_t place, const char *group), void *user, cr_err *err) CR_MUST_USE;
cr_status cr_group_has(cr_db *db, const char *group, const char *user, bool *ret_has, cr_err *err) CR_MUST_USE;

#endif
