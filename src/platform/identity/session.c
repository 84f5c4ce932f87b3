/* session.c - the tables sessions and tokens. */
#include "platform/identity/session.h"

#include <stdio.h>
#include "base/clock.h"

cr_status cr_session_make(cr_db *db, int64_t user_id, int64_t life_ms, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    char token[CR_TOKEN_LEN + 1];
    unsigned char hash[CR_HASH_BYTES];
    cr_token_make(token);
    cr_token_hash(token, hash);
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(db, err, "INSERT INTO sessions (hash, user_id, created_ms, expires_ms, proved_ms) VALUES (?, ?, ?, ?, ?)", "biiii", hash,
                     sizeof hash, user_id, now, now + CR_MIN(life_ms, CR_SESSION_LIFE_MS), now));
    CR_TRY(cr_db_run(db, err, "DELETE FROM sessions WHERE user_id = ?1 AND id <= (SELECT id FROM sessions WHERE user_id = ?1 "
                     "ORDER BY id DESC LIMIT 1 OFFSET ?2)", "ii", user_id, (int64_t)CR_SESSIONS_MOST));
    memcpy(ret_token, token, sizeof token);
    return CR_OK;
}

cr_status cr_session_find(cr_db *db, const char *token, int64_t *ret_id, cr_person *ret_person, cr_err *err) {
    if (!cr_token_is_wellformed(token))
        return CR_FAIL(err, CR_NOT_FOUND, "not signed in");
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT " CR_PERSON_COLUMNS ", s.id FROM sessions s JOIN users u ON u.id = s.user_id "
                         "WHERE s.hash = ? AND s.expires_ms > ? AND u.disabled = 0", "bi", hash, sizeof hash, cr_wall_ms()));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "not signed in");
    }
    cr_person_read(&q, ret_person);
    *ret_id = cr_query_int(&q, CR_PERSON_N_COLUMNS);
    return CR_OK;
}

cr_status cr_session_proved(cr_db *db, int64_t id, int64_t *ret_ms, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT proved_ms FROM sessions WHERE id = ?", "i", id));
    if (cr_query_next(&q)) {
        *ret_ms = cr_query_int(&q, 0);
        return CR_OK;
    }
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "this sign-in has ended");
}

cr_status cr_session_prove(cr_db *db, int64_t id, int64_t proved_ms, cr_err *err) {
    return cr_db_run(db, err, "UPDATE sessions SET proved_ms = ? WHERE id = ?", "ii", proved_ms, id);
}

cr_status cr_session_end(cr_db *db, int64_t id, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM sessions WHERE id = ?", "i", id);
}

cr_status cr_session_note_login(cr_db *db, int64_t id, const cr_session_login *login, cr_err *err) {
    return cr_db_run(db, err, "INSERT INTO session_logins (session_id, issuer, subject, sid) VALUES (?, ?, ?, nullif(?, ''))", "ittt", id, login->issuer,
                     login->subject, login->sid);
}

/* ?1 issuer, ?2 subject, ?3 sid. A sid says which sign-in, alone: Keycloak puts its own number of the person beside it, also where a mapper
 * gives ID tokens another subject, as EGI Check-in does. */
#define LOGINS_MEANT "issuer = ?1 AND iif(?3 <> '', sid = ?3, ?2 <> '' AND subject = ?2)"

cr_status cr_session_login_find(cr_db *db, const cr_session_login *login, char ret_name[CR_NAME_MAX + 1], cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT u.name FROM session_logins l JOIN sessions s ON s.id = l.session_id JOIN users u ON u.id = s.user_id WHERE "
                         LOGINS_MEANT " LIMIT 1", "ttt", login->issuer, login->subject, login->sid));
    if (cr_query_next(&q)) {
        snprintf(ret_name, CR_NAME_MAX + 1, "%s", cr_query_text(&q, 0));
        return CR_OK;
    }
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "nobody is signed in by that");
}

cr_status cr_session_login_end(cr_db *db, const cr_session_login *login, int64_t *ret_n, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM sessions WHERE id IN (SELECT session_id FROM session_logins WHERE " LOGINS_MEANT ")", "ttt", login->issuer,
                     login->subject, login->sid));
    *ret_n = cr_db_changes(db);
    return CR_OK;
}

cr_status cr_session_logout_once(cr_db *db, const char *issuer, const char *jti, int64_t expires_ms, cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    char text[1024];
    snprintf(text, sizeof text, "%s %s", issuer, jti);
    cr_token_hash(text, hash);
    CR_TRY(cr_db_run(db, err, "INSERT OR IGNORE INTO logout_tokens (hash, expires_ms) VALUES (?, ?)", "bi", hash, sizeof hash, expires_ms));
    return cr_db_changes(db) ? CR_OK : CR_FAIL(err, CR_EXISTS, "this logout token has been obeyed before");
}

static const char *const kind_names[] = {"server", "oauth", "api"};

static cr_token_kind kind_of(const char *name) {
    for (size_t k = 0; k < CR_ARRAY_LEN(kind_names); k++)
        if (strcmp(kind_names[k], name) == 0)
            return (cr_token_kind)k;
    return CR_TOKEN_OAUTH;    /* the one that may least */
}

static cr_status note_makers(cr_db *db, const cr_token *what, int64_t id, cr_err *err) {
    if (what->made_by && what->made_by != what->user_id)
        CR_TRY(cr_db_run(db, err, "INSERT INTO token_makers (token_id, user_id) VALUES (?, ?)", "ii", id, what->made_by));
    if (!what->made_with)
        return CR_OK;
    return cr_db_run(db, err, "INSERT OR IGNORE INTO token_makers (token_id, user_id) SELECT ?1, user_id FROM token_makers WHERE token_id = ?2", "ii", id,
                     what->made_with);
}

/* Whoever has a server knows its secret, and can exchange codes for as long as the sign-in lasts. */
static cr_status keep_latest(cr_db *db, const cr_token *what, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE session_id = ?1 AND kind = 'oauth' AND server_id IS nullif(?2, 0) "
                     "AND client IS nullif(?3, '') ORDER BY id DESC LIMIT -1 OFFSET ?4)", "iiti", what->session_id, what->server_id, what->client,
                     (int64_t)CR_TOKENS_OF_SIGN_IN);
}

static cr_status issue_rows(cr_db *db, const cr_token *what, const unsigned char hash[CR_HASH_BYTES], const unsigned char *code_hash, int64_t life_ms,
                            const char *note, cr_err *err) {
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(db, err,
                     "INSERT INTO tokens (hash, kind, user_id, server_id, session_id, code_hash, note, created_ms, expires_ms, scopes, client, service) "
                     "VALUES (?, ?, ?, nullif(?, 0), nullif(?, 0), ?, ?, ?, nullif(?, 0), ?, nullif(?, ''), coalesce(?, (SELECT service FROM tokens WHERE id = ?)))",
                     "btiiibtiittti", hash, (size_t)CR_HASH_BYTES, kind_names[what->kind], what->user_id, what->server_id, what->session_id, code_hash,
                     (size_t)(code_hash ? CR_HASH_BYTES : 0), note, now, life_ms ? now + life_ms : (int64_t)0, what->scopes, what->client,
                     what->made_by_service, what->made_with));
    int64_t id = cr_db_last_id(db);
    if (what->kind == CR_TOKEN_OAUTH)
        CR_TRY(keep_latest(db, what, err));
    return note_makers(db, what, id, err);
}

cr_status cr_token_issue(cr_db *db, const cr_token *what, const unsigned char *code_hash, int64_t life_ms, const char *note,
                         char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    char token[CR_TOKEN_LEN + 1];
    unsigned char hash[CR_HASH_BYTES];
    cr_token_make(token);
    cr_token_hash(token, hash);
    CR_TRY(cr_db_begin(db, err));
    CR_TRY(cr_db_end(db, issue_rows(db, what, hash, code_hash, life_ms, note, err), err));
    memcpy(ret_token, token, sizeof token);
    return CR_OK;
}

/* ?1 is for the condition, ?2 the time. API tokens of people whom only providers know end with what the last sign-in was worth. */
#define TOKEN_QUERY(condition) \
    "SELECT " CR_PERSON_COLUMNS ", t.id, t.kind, t.server_id, t.session_id, t.expires_ms, o.name || '/' || s.name, t.scopes IS NOT NULL, t.hash, t.client " \
    "FROM tokens t JOIN users u ON u.id = t.user_id LEFT JOIN servers s ON s.id = t.server_id LEFT JOIN users o ON o.id = s.user_id " \
    "WHERE " condition " AND (t.expires_ms IS NULL OR t.expires_ms > ?2) AND (u.disabled = 0 OR t.kind = 'server') " \
    "AND (t.kind <> 'api' OR u.password IS NOT NULL OR NOT EXISTS (SELECT 1 FROM identities WHERE user_id = u.id) " \
    "OR EXISTS (SELECT 1 FROM identities WHERE user_id = u.id AND tokens_until_ms > ?2))"

static cr_status read_token(cr_query *q, cr_token *ret_token, cr_person *ret_person, cr_err *err) {
    if (!cr_query_next(q)) {
        CR_TRY(cr_query_end(q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "the token is not known");
    }
    cr_person_read(q, ret_person);
    const int c = CR_PERSON_N_COLUMNS;
    cr_token t = {.id = cr_query_int(q, c), .user_id = ret_person->id, .server_id = cr_query_int(q, c + 2),
                  .session_id = cr_query_int(q, c + 3), .expires_ms = cr_query_int(q, c + 4),
                  .kind = kind_of(cr_query_text(q, c + 1)), .narrowed = cr_query_int(q, c + 6)};
    const char *server = cr_query_text(q, c + 5);
    snprintf(t.server, sizeof t.server, "%s", server ? server : "");
    size_t n;
    const void *hash = cr_query_blob(q, c + 7, &n);
    if (n != sizeof t.hash)
        return CR_FAIL(err, CR_FORMAT, "the hash of a token has %zu bytes", n);
    memcpy(t.hash, hash, n);
    const char *client = cr_query_text(q, c + 8);
    snprintf(t.client, sizeof t.client, "%s", client ? client : "");
    *ret_token = t;
    return CR_OK;
}

cr_status cr_token_find(cr_db *db, const char *token, cr_token *ret_token, cr_person *ret_person, cr_err *err) {
    if (!cr_token_is_wellformed(token))
        return CR_FAIL(err, CR_NOT_FOUND, "the token is not known");
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, TOKEN_QUERY("t.hash = ?1"), "bi", hash, sizeof hash, cr_wall_ms()));
    return read_token(&q, ret_token, ret_person, err);
}

cr_status cr_token_get(cr_db *db, int64_t id, cr_token *ret_token, cr_person *ret_person, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, TOKEN_QUERY("t.id = ?1"), "ii", id, cr_wall_ms()));
    return read_token(&q, ret_token, ret_person, err);
}

cr_status cr_token_keep_of_services(cr_db *db, const char *names, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM tokens WHERE service IS NOT NULL AND service NOT IN (SELECT value FROM json_each(?))", "t", names);
}

cr_status cr_token_keep_of_clients(cr_db *db, const char *names, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM codes WHERE client IS NOT NULL AND client NOT IN (SELECT value FROM json_each(?))", "t", names));
    return cr_db_run(db, err, "DELETE FROM tokens WHERE client IS NOT NULL AND client NOT IN (SELECT value FROM json_each(?))", "t", names);
}

cr_status cr_token_scopes(cr_db *db, int64_t id, cr_arena *arena, const char **ret_scopes, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT scopes FROM tokens WHERE id = ? AND scopes IS NOT NULL", "i", id));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "the token is not known");
    }
    const char *text = cr_arena_strdup(arena, cr_query_text(&q, 0));
    if (!text)
        return CR_FAIL(err, CR_MEMORY, "no memory for the scopes of a token");
    *ret_scopes = text;
    return CR_OK;
}

cr_status cr_token_list(cr_db *db, int64_t user_id, int64_t id, void (*each)(void *user, const cr_token_row *row), void *user, int64_t *ret_more,
                        cr_err *err) {
    int64_t n = 0, total = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err,
                         "SELECT * FROM (SELECT t.id, t.session_id, t.created_ms, coalesce(t.last_ms, iif(t.kind = 'server', s.last_activity_ms, NULL)) "
                         "AS seen, t.expires_ms, t.kind, t.note, t.scopes, o.name || '/' || s.name, count(*) OVER (), t.client FROM tokens t LEFT JOIN servers s "
                         "ON s.id = t.server_id "
                         "LEFT JOIN users o ON o.id = s.user_id WHERE t.user_id = ?1 AND (?2 = 0 OR t.id = ?2) AND (t.expires_ms IS NULL OR t.expires_ms > ?3) "
                         "ORDER BY coalesce(seen, t.created_ms) DESC, t.id DESC LIMIT ?4) ORDER BY coalesce(seen, created_ms), id",
                         "iiii", user_id, id, cr_wall_ms(), (int64_t)CR_TOKENS_LISTED));
    while (cr_query_next(&q)) {
        const char *note = cr_query_text(&q, 6);
        const cr_token_row row = {.id = cr_query_int(&q, 0), .session_id = cr_query_int(&q, 1), .created_ms = cr_query_int(&q, 2),
                                  .last_ms = cr_query_int(&q, 3), .expires_ms = cr_query_int(&q, 4), .kind = kind_of(cr_query_text(&q, 5)),
                                  .note = note ? note : "", .scopes = cr_query_text(&q, 7), .server = cr_query_text(&q, 8), .client = cr_query_text(&q, 10)};
        total = cr_query_int(&q, 9);
        n++;
        each(user, &row);
    }
    CR_TRY(cr_query_end(&q, err));
    *ret_more = total - n;
    return CR_OK;
}

cr_status cr_token_count(cr_db *db, int64_t user_id, int64_t *ret_n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT count(*) FROM tokens WHERE user_id = ? AND kind = 'api'", "i", user_id));
    while (cr_query_next(&q))
        *ret_n = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

cr_status cr_token_remove(cr_db *db, int64_t user_id, int64_t id, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM tokens WHERE user_id = ?1 AND (id = ?2 OR server_id = (SELECT server_id FROM tokens WHERE id = ?2 AND user_id = ?1) "
                     "OR client = (SELECT client FROM tokens WHERE id = ?2 AND user_id = ?1))", "ii", user_id, id));
    if (cr_db_changes(db) == 0)
        return CR_FAIL(err, CR_NOT_FOUND, "the token is not known");
    return CR_OK;
}

cr_status cr_token_note_use(cr_db *db, int64_t id, int64_t wall_ms, cr_err *err) {
    return cr_db_run(db, err, "UPDATE tokens SET last_ms = ? WHERE id = ?", "ii", wall_ms, id);
}

cr_status cr_session_sweep(cr_db *db, cr_err *err) {
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(db, err, "DELETE FROM sessions WHERE expires_ms < ?", "i", now));
    CR_TRY(cr_db_run(db, err, "DELETE FROM tokens WHERE expires_ms < ?", "i", now));
    CR_TRY(cr_db_run(db, err, "DELETE FROM logout_tokens WHERE expires_ms < ?", "i", now));
    CR_TRY(cr_db_run(db, err, "DELETE FROM codes WHERE expires_ms < ?", "i", now));
    CR_TRY(cr_db_run(db, err, "DELETE FROM shares WHERE expires_ms < ?", "i", now));
    return cr_db_run(db, err, "DELETE FROM links WHERE expires_ms < ?", "i", now);
}
