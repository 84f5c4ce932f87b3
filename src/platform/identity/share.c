/* share.c - the tables shares, share_makers. */
#include "platform/identity/share.h"

#include <stdio.h>
#include "base/clock.h"

/* ---- lists ---- */

/* The filter's numbers are ?1 to ?7 (codes, id, server, owner, person, group, reached person), the time is ?8. */
#define JOINED \
    "FROM shares h JOIN servers s ON s.id = h.server_id JOIN users o ON o.id = s.user_id " \
    "LEFT JOIN users u ON u.id = h.user_id LEFT JOIN groups g ON g.id = h.group_id "
#define LISTED \
    JOINED "WHERE (h.hash IS NOT NULL) = ?1 AND (?2 = 0 OR h.id = ?2) AND (?3 = 0 OR h.server_id = ?3) AND (?4 = 0 OR o.id = ?4) " \
    "AND (?5 = 0 OR h.user_id = ?5) AND (?6 = 0 OR h.group_id = ?6) AND (h.expires_ms IS NULL OR h.expires_ms > ?8) "
/* What reaches a person is asked at every request, so it goes by indexes. A group that a provider names is known by its name (groups.h). */
#define REACHING \
    LISTED "AND h.id IN (SELECT id FROM shares WHERE user_id = ?7 UNION SELECT x.id FROM (SELECT group_id FROM group_members WHERE user_id = ?7 " \
    "UNION SELECT n.id FROM identities i CROSS JOIN memberships m ON m.identity_id = i.id CROSS JOIN groups n ON n.name = m.name " \
    "WHERE i.user_id = ?7) y CROSS JOIN shares x ON x.group_id = y.group_id) "
#define ANY LISTED "AND ?7 = 0 "
#define FILTER_ARGS(f) (int64_t)(f)->codes, (f)->id, (f)->server_id, (f)->owner_id, (f)->user_id, (f)->group_id, (f)->reaches_id, cr_wall_ms()
#define SHARE_COLUMNS \
    "h.id, h.server_id, o.id, h.user_id, h.group_id, o.name, s.name, u.name, g.name, h.scopes, h.created_ms, h.expires_ms, h.last_ms, h.used "

static cr_share read_row(const cr_query *q) {
    return (cr_share){.id = cr_query_int(q, 0), .server_id = cr_query_int(q, 1), .owner_id = cr_query_int(q, 2), .user_id = cr_query_int(q, 3),
                      .group_id = cr_query_int(q, 4), .owner = cr_query_text(q, 5), .server = cr_query_text(q, 6), .user = cr_query_text(q, 7),
                      .group = cr_query_text(q, 8), .scopes = cr_query_text(q, 9), .created_ms = cr_query_int(q, 10),
                      .expires_ms = cr_query_int(q, 11), .last_ms = cr_query_int(q, 12), .used = cr_query_int(q, 13)};
}

cr_status cr_share_list(cr_db *db, const cr_share_filter *which, int64_t limit, int64_t offset, cr_share_fn each, void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, which->reaches_id ? "SELECT " SHARE_COLUMNS REACHING "ORDER BY h.id LIMIT ?9 OFFSET ?10"
                                                         : "SELECT " SHARE_COLUMNS ANY "ORDER BY h.id LIMIT ?9 OFFSET ?10", "iiiiiiiiii",
                         FILTER_ARGS(which), limit, offset));
    while (cr_query_next(&q)) {
        const cr_share row = read_row(&q);
        each(user, &row);
    }
    return cr_query_end(&q, err);
}

cr_status cr_share_count(cr_db *db, const cr_share_filter *which, int64_t *ret_n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, which->reaches_id ? "SELECT count(*) " REACHING : "SELECT count(*) " ANY, "iiiiiiii", FILTER_ARGS(which)));
    while (cr_query_next(&q))
        *ret_n = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

#define GIVES_ON "AND EXISTS (SELECT 1 FROM json_each(h.scopes) WHERE value = 'shares') "

/* What people have given at a server by the shares that the filter names: these are about to go. Its person and administrators need none. */
static cr_status end_given(cr_db *db, const cr_share_filter *which, cr_err *err) {
    return cr_db_run(db, err,
                     "DELETE FROM shares WHERE id IN (SELECT x.id FROM "
                     "(SELECT h.server_id AS server, o.id AS owner, h.user_id AS guest, h.group_id AS guests " ANY GIVES_ON ") t "
                     "JOIN share_makers m ON m.user_id IN (SELECT t.guest UNION SELECT user_id FROM group_members WHERE group_id = t.guests UNION "
                     "SELECT i.user_id FROM groups n JOIN memberships y ON y.name = n.name JOIN identities i ON i.id = y.identity_id WHERE n.id = t.guests) "
                     "JOIN shares x ON x.id = m.share_id AND x.server_id = t.server JOIN users w ON w.id = m.user_id "
                     "WHERE m.user_id <> t.owner AND w.admin = 0)",
                     "iiiiiiii", FILTER_ARGS(which));
}

static cr_status remove_rows(cr_db *db, const cr_share_filter *which, int64_t *ret_n, cr_err *err) {
    CR_TRY(cr_share_count(db, which, ret_n, err));
    CR_TRY(end_given(db, which, err));
    return cr_db_run(db, err, "DELETE FROM shares WHERE id IN (SELECT h.id " ANY ")", "iiiiiiii", FILTER_ARGS(which));
}

cr_status cr_share_remove(cr_db *db, const cr_share_filter *which, int64_t *ret_n, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, remove_rows(db, which, ret_n, err), err);
}

/* ---- giving ---- */

/* Who gives on what was given stands there with those who gave it. */
static cr_status note_givers(cr_db *db, int64_t id, int64_t server_id, int64_t person, cr_err *err) {
    const cr_share_filter held = {.server_id = server_id, .reaches_id = person};
    CR_TRY(cr_db_run(db, err, "INSERT OR IGNORE INTO share_makers (share_id, user_id) VALUES (?, ?)", "ii", id, person));
    return cr_db_run(db, err, "INSERT OR IGNORE INTO share_makers (share_id, user_id) SELECT ?9, user_id FROM share_makers WHERE share_id IN "
                     "(SELECT h.id " REACHING GIVES_ON "AND o.id <> ?7)", "iiiiiiiii", FILTER_ARGS(&held), id);
}

static cr_status note_makers(cr_db *db, int64_t id, int64_t server_id, const cr_share_giver *giver, cr_err *err) {
    if (giver->person)
        CR_TRY(note_givers(db, id, server_id, giver->person, err));
    if (!giver->token)
        return CR_OK;
    return cr_db_run(db, err, "INSERT OR IGNORE INTO share_makers (share_id, user_id) SELECT ?1, user_id FROM token_makers WHERE token_id = ?2", "ii",
                     id, giver->token);
}

/* A service that stands behind the token stands behind what it gives. */
static cr_status add_row(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, const unsigned char *hash, const char *scopes, int64_t life_s,
                         const cr_share_giver *giver, int64_t *ret_id, cr_err *err) {
    int64_t n = 0, now = cr_wall_ms(), most = hash ? CR_SHARE_CODES_MAX : CR_SHARES_MAX;
    const cr_share_filter same = {.codes = hash != NULL, .server_id = server_id};
    CR_TRY(cr_share_count(db, &same, &n, err));
    if (n >= most)
        return CR_FAIL(err, CR_INVALID, "this server has %lld %s already: take some away first", (long long)most, hash ? "links" : "shares");
    CR_TRY(cr_db_run(db, err, "INSERT INTO shares (server_id, user_id, group_id, hash, scopes, service, created_ms, expires_ms) "
                     "VALUES (?, nullif(?, 0), nullif(?, 0), ?, ?, coalesce(?, (SELECT service FROM tokens WHERE id = ?)), ?, nullif(?, 0))", "iiibttiii",
                     server_id, user_id, group_id, hash, (size_t)(hash ? CR_HASH_BYTES : 0), scopes, giver->service, giver->token, now,
                     life_s ? now + life_s * 1000 : (int64_t)0));
    *ret_id = cr_db_last_id(db);
    return note_makers(db, *ret_id, server_id, giver, err);
}

static cr_status find_row(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, int64_t *ret_id, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    *ret_id = 0;
    CR_TRY(cr_query_open(db, &q, err, "SELECT id FROM shares WHERE server_id = ?1 AND hash IS NULL AND ((?2 <> 0 AND user_id = ?2) OR (?3 <> 0 AND group_id = ?3))",
                         "iii", server_id, user_id, group_id));
    while (cr_query_next(&q))
        *ret_id = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

/* Its makers are then those of all that it gives: with the first of them it ends whole. */
static cr_status give_rows(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, const char *scopes, const cr_share_giver *giver,
                           int64_t *ret_id, cr_err *err) {
    CR_TRY(find_row(db, server_id, user_id, group_id, ret_id, err));
    if (!*ret_id)
        return add_row(db, server_id, user_id, group_id, NULL, scopes, 0, giver, ret_id, err);
    CR_TRY(cr_db_run(db, err, "UPDATE shares SET scopes = (SELECT json_group_array(value) FROM (SELECT value FROM json_each(shares.scopes) "
                     "UNION SELECT value FROM json_each(?1) ORDER BY 1)), service = coalesce(service, ?3, (SELECT service FROM tokens WHERE id = ?4)) WHERE id = ?2",
                     "titi", scopes, *ret_id, giver->service, giver->token));
    return note_makers(db, *ret_id, server_id, giver, err);
}

cr_status cr_share_give(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, const char *scopes, const cr_share_giver *giver,
                        int64_t *ret_id, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, give_rows(db, server_id, user_id, group_id, scopes, giver, ret_id, err), err);
}

static cr_status take_rows(cr_db *db, int64_t id, const char *scopes, cr_err *err) {
    if (!scopes || strstr(scopes, "\"shares\""))
        CR_TRY(end_given(db, &(cr_share_filter){.id = id}, err));
    if (scopes)
        CR_TRY(cr_db_run(db, err, "UPDATE shares SET scopes = (SELECT json_group_array(value) FROM (SELECT value FROM json_each(shares.scopes) "
                         "WHERE value NOT IN (SELECT value FROM json_each(?1)) ORDER BY 1)) WHERE id = ?2", "ti", scopes, id));
    return cr_db_run(db, err, "DELETE FROM shares WHERE id = ?1 AND (?2 OR json_array_length(scopes) = 0)", "ii", id, (int64_t)!scopes);
}

cr_status cr_share_take(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, const char *scopes, cr_err *err) {
    int64_t id;
    CR_TRY(find_row(db, server_id, user_id, group_id, &id, err));
    if (!id)
        return CR_OK;
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, take_rows(db, id, scopes, err), err);
}

/* ---- codes ---- */

cr_status cr_share_code_make(cr_db *db, int64_t server_id, const char *scopes, int64_t life_s, const cr_share_giver *giver, int64_t *ret_id,
                             char ret_code[CR_TOKEN_LEN + 1], cr_err *err) {
    char code[CR_TOKEN_LEN + 1];
    unsigned char hash[CR_HASH_BYTES];
    cr_token_make(code);
    cr_token_hash(code, hash);
    CR_TRY(cr_db_begin(db, err));
    CR_TRY(cr_db_end(db, add_row(db, server_id, 0, 0, hash, scopes, life_s, giver, ret_id, err), err));
    memcpy(ret_code, code, sizeof code);
    explicit_bzero(code, sizeof code);
    return CR_OK;
}

static cr_status spent(cr_err *err) {
    cr_status status = CR_FAIL(err, CR_NOT_FOUND, "Share not found or expired");
    cr_err_hint(err, "ask whoever sent you the link for a new one");
    return status;
}

cr_status cr_share_code_find(cr_db *db, const char *code, cr_share_fn each, void *user, cr_err *err) {
    if (!cr_token_is_wellformed(code))
        return spent(err);
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(code, hash);
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT " SHARE_COLUMNS JOINED "WHERE h.hash = ? AND h.expires_ms > ?", "bi", hash, sizeof hash, cr_wall_ms()));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return spent(err);
    }
    const cr_share row = read_row(&q);
    each(user, &row);
    return CR_OK;
}

typedef struct found {
    int64_t id, server_id, owner_id;
    char scopes[CR_SHARE_SCOPES_MAX * 32];
} found;

static void keep(void *user, const cr_share *share) {
    found *f = user;
    *f = (found){.id = share->id, .server_id = share->server_id, .owner_id = share->owner_id};
    snprintf(f->scopes, sizeof f->scopes, "%s", share->scopes);
}

/* By whose rights the code was made, by theirs it is a share. */
static cr_status use_rows(cr_db *db, const found *f, int64_t user_id, cr_err *err) {
    const cr_share_giver nobody = {0};
    int64_t id;
    CR_TRY(give_rows(db, f->server_id, user_id, 0, f->scopes, &nobody, &id, err));
    CR_TRY(cr_db_run(db, err, "INSERT OR IGNORE INTO share_makers (share_id, user_id) SELECT ?1, user_id FROM share_makers WHERE share_id = ?2", "ii", id,
                     f->id));
    CR_TRY(cr_db_run(db, err, "UPDATE shares SET service = coalesce(service, (SELECT service FROM shares WHERE id = ?2)) WHERE id = ?1", "ii", id, f->id));
    return cr_db_run(db, err, "UPDATE shares SET used = used + 1, last_ms = ? WHERE id = ?", "ii", cr_wall_ms(), f->id);
}

cr_status cr_share_code_use(cr_db *db, const char *code, int64_t user_id, cr_err *err) {
    found f;
    CR_TRY(cr_share_code_find(db, code, keep, &f, err));
    if (f.owner_id == user_id)
        return CR_FAIL(err, CR_CONFLICT, "You can't share with yourself!");
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, use_rows(db, &f, user_id, err), err);
}

cr_status cr_share_keep_of_services(cr_db *db, const char *names, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM shares WHERE service IS NOT NULL AND service NOT IN (SELECT value FROM json_each(?))", "t", names);
}
