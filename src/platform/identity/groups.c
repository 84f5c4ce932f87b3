/* groups.c - groups of people. Joins stand in the order in which they are to be made (CROSS JOIN): each then goes by an index, however
 * many people and groups there are. */
#include "platform/identity/groups.h"

bool cr_group_name_is_right(const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7F)
            return false;
    return n > 0 && n <= CR_GROUP_NAME_MAX;
}

cr_status cr_group_find(cr_db *db, const char *name, int64_t *ret_id, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT id FROM groups WHERE name = ?", "t", name));
    if (cr_query_next(&q)) {
        *ret_id = cr_query_int(&q, 0);
        return CR_OK;
    }
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "No such group: %s", name);
}

cr_status cr_group_add(cr_db *db, const char *name, int64_t *ret_id, cr_err *err) {
    int64_t id;
    cr_status found = cr_group_find(db, name, &id, err);
    if (found == CR_OK)
        return CR_FAIL(err, CR_EXISTS, "Group %s already exists", name);
    if (found != CR_NOT_FOUND)
        return found;
    CR_TRY(cr_db_run(db, err, "INSERT INTO groups (name) VALUES (?)", "t", name));
    *ret_id = cr_db_last_id(db);
    return CR_OK;
}

/* One who is in by a provider; user_id 0: anybody. */
static cr_status check_provider(cr_db *db, int64_t id, int64_t user_id, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT u.name, i.provider FROM groups g JOIN memberships m ON m.name = g.name JOIN identities i ON i.id = m.identity_id "
                         "JOIN users u ON u.id = i.user_id WHERE g.id = ?1 AND (?2 = 0 OR u.id = ?2) LIMIT 1", "ii", id, user_id));
    if (cr_query_next(&q))
        return CR_FAIL(err, CR_CONFLICT, "%s is in this group because %s says so: it has to be changed there", cr_query_text(&q, 0),
                       cr_query_text(&q, 1));
    return cr_query_end(&q, err);
}

cr_status cr_group_check_removable(cr_db *db, int64_t id, cr_err *err) { return check_provider(db, id, 0, err); }

cr_status cr_group_remove(cr_db *db, int64_t id, cr_err *err) {
    CR_TRY(cr_group_check_removable(db, id, err));
    return cr_db_run(db, err, "DELETE FROM groups WHERE id = ?", "i", id);
}

cr_status cr_group_set_properties(cr_db *db, int64_t id, const char *json, cr_err *err) {
    return cr_db_run(db, err, "UPDATE groups SET properties = ? WHERE id = ?", "ti", json, id);
}

cr_status cr_group_put_in(cr_db *db, int64_t id, int64_t user_id, cr_err *err) {
    return cr_db_run(db, err, "INSERT OR IGNORE INTO group_members (group_id, user_id) VALUES (?, ?)", "ii", id, user_id);
}

cr_status cr_group_take_out(cr_db *db, int64_t id, int64_t user_id, cr_err *err) {
    CR_TRY(check_provider(db, id, user_id, err));
    return cr_db_run(db, err, "DELETE FROM group_members WHERE group_id = ? AND user_id = ?", "ii", id, user_id);
}

#define LISTED "FROM groups WHERE (?1 IS NULL OR name IN (SELECT value FROM json_each(?1))) "

cr_status cr_group_list(cr_db *db, int64_t id, const char *names, int64_t limit, int64_t offset, void (*each)(void *user, const cr_group *g),
                        void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT id, name, properties " LISTED "AND (?2 = 0 OR id = ?2) ORDER BY id LIMIT ?3 OFFSET ?4", "tiii", names, id,
                         limit, offset));
    while (cr_query_next(&q)) {
        const cr_group g = {cr_query_int(&q, 0), cr_query_text(&q, 1), cr_query_text(&q, 2)};
        each(user, &g);
    }
    return cr_query_end(&q, err);
}

cr_status cr_group_count(cr_db *db, const char *names, int64_t *ret_n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT count(*) " LISTED, "t", names));
    while (cr_query_next(&q))
        *ret_n = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

static cr_status each_text(cr_query *q, void (*each)(void *user, const char *text), void *user, cr_err *err) {
    while (cr_query_next(q))
        each(user, cr_query_text(q, 0));
    return cr_query_end(q, err);
}

cr_status cr_group_people(cr_db *db, int64_t id, void (*each)(void *user, const char *name), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err,
                         "SELECT u.name FROM groups g CROSS JOIN memberships m ON m.name = g.name CROSS JOIN identities i ON i.id = m.identity_id "
                         "CROSS JOIN users u ON u.id = i.user_id WHERE g.id = ?1 "
                         "UNION SELECT u.name FROM group_members gm CROSS JOIN users u ON u.id = gm.user_id WHERE gm.group_id = ?1 ORDER BY 1",
                         "i", id));
    return each_text(&q, each, user, err);
}

cr_status cr_group_size(cr_db *db, int64_t id, int64_t *ret_n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err,
                         "SELECT count(*) FROM (SELECT i.user_id FROM groups g CROSS JOIN memberships m ON m.name = g.name "
                         "CROSS JOIN identities i ON i.id = m.identity_id WHERE g.id = ?1 "
                         "UNION SELECT gm.user_id FROM group_members gm WHERE gm.group_id = ?1)", "i", id));
    while (cr_query_next(&q))
        *ret_n = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

cr_status cr_groups_of(cr_db *db, int64_t user_id, void (*each)(void *user, const char *group), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err,
                         "SELECT m.name FROM identities i CROSS JOIN memberships m ON m.identity_id = i.id WHERE i.user_id = ?1 "
                         "UNION SELECT g.name FROM group_members gm CROSS JOIN groups g ON g.id = gm.group_id WHERE gm.user_id = ?1 ORDER BY 1",
                         "i", user_id));
    return each_text(&q, each, user, err);
}

cr_status cr_groups_of_several(cr_db *db, const char *ids, void (*each)(void *user, int64_t place, const char *group), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err,
                         "SELECT j.key, m.name FROM json_each(?1) j CROSS JOIN identities i ON i.user_id = j.value CROSS JOIN memberships m ON m.identity_id = i.id "
                         "UNION SELECT j.key, g.name FROM json_each(?1) j CROSS JOIN group_members gm ON gm.user_id = j.value "
                         "CROSS JOIN groups g ON g.id = gm.group_id ORDER BY 1, 2", "t", ids));
    while (cr_query_next(&q))
        each(user, cr_query_int(&q, 0), cr_query_text(&q, 1));
    return cr_query_end(&q, err);
}

cr_status cr_group_has(cr_db *db, const char *group, const char *user, bool *ret_has, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err,
                         "SELECT 1 FROM users u CROSS JOIN identities i ON i.user_id = u.id CROSS JOIN memberships m ON m.identity_id = i.id "
                         "WHERE u.name = ?2 AND m.name = ?1 "
                         "UNION ALL SELECT 1 FROM users u CROSS JOIN groups g CROSS JOIN group_members gm ON gm.group_id = g.id AND gm.user_id = u.id "
                         "WHERE u.name = ?2 AND g.name = ?1", "tt", group, user));
    bool has = cr_query_next(&q);
    if (!has)
        CR_TRY(cr_query_end(&q, err));
    *ret_has = has;
    return CR_OK;
}
