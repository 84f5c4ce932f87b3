/* onetime.c - the table links. */
#include "platform/identity/onetime.h"

#include <stdio.h>
#include "base/clock.h"

static const char *const kind_names[] = {"admin", "invite", "password"};

cr_status cr_onetime_make(cr_db *db, const cr_onetime *what, int64_t made_by, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    char token[CR_TOKEN_LEN + 1];
    unsigned char hash[CR_HASH_BYTES];
    if (what->kind == CR_ONETIME_PASSWORD) {
        cr_person person;
        CR_TRY(cr_person_get(db, what->user_id, &person, err));
        if (person.disabled)
            return CR_FAIL(err, CR_CONFLICT, "%s is disabled: enable the account first, then make a link", person.name);
    }
    cr_token_make(token);
    cr_token_hash(token, hash);
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(db, err, "DELETE FROM links WHERE expires_ms < ?", "i", now));
    CR_TRY(cr_db_run(db, err,
                     "INSERT INTO links (hash, kind, user_id, name, made_by, created_ms, expires_ms, seats, group_name, note) "
                     "VALUES (?, ?, nullif(?, 0), nullif(?, ''), nullif(?, 0), ?, ?, ?, nullif(?, ''), ?)",
                     "btitiiiitt", hash, sizeof hash, kind_names[what->kind], what->user_id, what->name, made_by, now,
                     now + (what->life_ms ? what->life_ms : CR_ONETIME_LIFE_MS), what->seats ? what->seats : (int64_t)1, what->group, what->note));
    memcpy(ret_token, token, sizeof token);
    return CR_OK;
}

static cr_status spent(cr_err *err) {
    cr_status status = CR_FAIL(err, CR_NOT_FOUND, "this link does not work any more: it was used, is too old, or was cut when it was copied");
    cr_err_hint(err, "ask your administrator for a new one (administrators run ./up --admin-link)");
    return status;
}

cr_status cr_onetime_look(cr_db *db, const char *token, cr_onetime *ret_what, cr_err *err) {
    if (!cr_token_is_wellformed(token))
        return spent(err);
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT kind, user_id, name, expires_ms, seats, used, group_name FROM links "
                         "WHERE hash = ? AND expires_ms >= ?", "bi", hash, sizeof hash, cr_wall_ms()));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return spent(err);
    }
    cr_onetime what = {.user_id = cr_query_int(&q, 1), .expires_ms = cr_query_int(&q, 3), .seats = cr_query_int(&q, 4), .used = cr_query_int(&q, 5)};
    for (size_t k = 0; k < CR_ARRAY_LEN(kind_names); k++)
        if (strcmp(kind_names[k], cr_query_text(&q, 0)) == 0)
            what.kind = (cr_onetime_kind)k;
    const char *name = cr_query_text(&q, 2), *group = cr_query_text(&q, 6);
    snprintf(what.name, sizeof what.name, "%s", name ? name : "");
    snprintf(what.group, sizeof what.group, "%s", group ? group : "");
    *ret_what = what;
    return CR_OK;
}

cr_status cr_onetime_find(cr_db *db, const char *token, cr_onetime *ret_what, cr_err *err) {
    cr_onetime what;
    CR_TRY(cr_onetime_look(db, token, &what, err));
    if (what.used >= what.seats) {
        cr_status status = CR_FAIL(err, CR_NOT_FOUND, "all seats of this link are taken");
        cr_err_hint(err, "sign in if you have an account here already; if you have none, ask who gave you the link for another one");
        return status;
    }
    *ret_what = what;
    return CR_OK;
}

cr_status cr_onetime_use(cr_db *db, const char *token, cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    CR_TRY(cr_db_run(db, err, "UPDATE links SET used = used + 1 WHERE hash = ? AND expires_ms >= ? AND used < seats", "bi", hash, sizeof hash, cr_wall_ms()));
    if (cr_db_changes(db) != 1)
        return spent(err);
    /* A room's stays to be seen in the list until its time is over. */
    return cr_db_run(db, err, "DELETE FROM links WHERE hash = ? AND seats = 1", "b", hash, sizeof hash);
}

cr_status cr_onetime_renew(cr_db *db, const unsigned char hash[CR_HASH_BYTES], char ret_token[CR_TOKEN_LEN + 1], unsigned char ret_hash[CR_HASH_BYTES],
                           cr_err *err) {
    unsigned char made[CR_HASH_BYTES];
    cr_token_make(ret_token);
    cr_token_hash(ret_token, made);
    CR_TRY(cr_db_run(db, err, "UPDATE links SET hash = ? WHERE hash = ? AND expires_ms >= ? AND used < seats", "bbi", made, sizeof made, hash,
                     (size_t)CR_HASH_BYTES, cr_wall_ms()));
    if (cr_db_changes(db) != 1)
        return spent(err);
    memcpy(ret_hash, made, sizeof made);
    return CR_OK;
}

/* Half of the hash tells all links apart, and a page that lists three hundred stays small. */
#define ID "lower(hex(substr(hash, 1, 16)))"
#define LISTED "SELECT " ID ", expires_ms, seats, used, coalesce(group_name, ''), note, coalesce(name, '') FROM links WHERE kind = 'invite' AND expires_ms >= ?1 "

cr_status cr_onetime_list(cr_db *db, bool rooms, void (*each)(void *user, const cr_onetime *link), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, rooms ? LISTED "AND seats > 1 ORDER BY created_ms DESC LIMIT ?2" : LISTED "AND seats = 1 ORDER BY name, created_ms LIMIT ?2", "ii",
                         cr_wall_ms(), (int64_t)CR_ONETIME_LISTED));
    while (cr_query_next(&q)) {
        cr_onetime link = {.kind = CR_ONETIME_INVITE, .expires_ms = cr_query_int(&q, 1), .seats = cr_query_int(&q, 2), .used = cr_query_int(&q, 3)};
        snprintf(link.id, sizeof link.id, "%s", cr_query_text(&q, 0));
        snprintf(link.group, sizeof link.group, "%s", cr_query_text(&q, 4));
        snprintf(link.note, sizeof link.note, "%s", cr_query_text(&q, 5));
        snprintf(link.name, sizeof link.name, "%s", cr_query_text(&q, 6));
        each(user, &link);
    }
    return cr_query_end(&q, err);
}

#define OF_ID "FROM links WHERE kind = 'invite' AND " ID " = ?"

cr_status cr_onetime_close(cr_db *db, const char *id, char ret_name[CR_NAME_MAX + 1], cr_err *err) {
    char name[CR_NAME_MAX + 1] = "";
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT coalesce(name, '') " OF_ID, "t", id));
    while (cr_query_next(&q))
        snprintf(name, sizeof name, "%s", cr_query_text(&q, 0));
    CR_TRY(cr_query_end(&q, err));
    CR_TRY(cr_db_run(db, err, "DELETE " OF_ID, "t", id));
    if (cr_db_changes(db) != 1)
        return CR_FAIL(err, CR_NOT_FOUND, "this link is not there any more");
    memcpy(ret_name, name, sizeof name);
    return CR_OK;
}
