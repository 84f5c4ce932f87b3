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
                     "INSERT INTO links (hash, kind, user_id, name, made_by, created_ms, expires_ms) "
                     "VALUES (?, ?, nullif(?, 0), nullif(?, ''), nullif(?, 0), ?, ?)",
                     "btitiii", hash, sizeof hash, kind_names[what->kind], what->user_id, what->name, made_by, now,
                     now + CR_ONETIME_LIFE_MS));
    memcpy(ret_token, token, sizeof token);
    return CR_OK;
}

static cr_status spent(cr_err *err) {
    cr_status status = CR_FAIL(err, CR_NOT_FOUND, "this link does not work any more: it was used, is older than an hour, or was cut when it was copied");
    cr_err_hint(err, "ask your administrator for a new one (administrators run ./up --admin-link)");
    return status;
}

cr_status cr_onetime_find(cr_db *db, const char *token, cr_onetime *ret_what, cr_err *err) {
    if (!cr_token_is_wellformed(token))
        return spent(err);
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT kind, user_id, name, expires_ms FROM links WHERE hash = ? AND expires_ms >= ?", "bi",
                         hash, sizeof hash, cr_wall_ms()));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return spent(err);
    }
    cr_onetime what = {.user_id = cr_query_int(&q, 1), .expires_ms = cr_query_int(&q, 3)};
    for (size_t k = 0; k < CR_ARRAY_LEN(kind_names); k++)
        if (strcmp(kind_names[k], cr_query_text(&q, 0)) == 0)
            what.kind = (cr_onetime_kind)k;
    const char *name = cr_query_text(&q, 2);
    snprintf(what.name, sizeof what.name, "%s", name ? name : "");
    *ret_what = what;
    return CR_OK;
}

cr_status cr_onetime_use(cr_db *db, const char *token, cr_err *err) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    CR_TRY(cr_db_run(db, err, "DELETE FROM links WHERE hash = ? AND expires_ms >= ?", "bi", hash, sizeof hash, cr_wall_ms()));
    return cr_db_changes(db) == 1 ? CR_OK : spent(err);
}
