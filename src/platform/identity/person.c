/* person.c - the table users. */
#include "platform/identity/person.h"

#include <stdio.h>
#include "base/clock.h"

enum { ACCOUNT_CHOICES = 10000 };

static void copy(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text ? text : ""); }

void cr_person_read(const cr_query *q, cr_person *p) {
    memset(p, 0, sizeof *p);
    p->id = cr_query_int(q, 0);
    copy(p->name, sizeof p->name, cr_query_text(q, 1));
    copy(p->account, sizeof p->account, cr_query_text(q, 2));
    copy(p->password, sizeof p->password, cr_query_text(q, 3));
    p->admin = cr_query_int(q, 4);
    p->disabled = cr_query_int(q, 5);
    p->demo = cr_query_int(q, 6);
    p->created_ms = cr_query_int(q, 7);
    p->last_activity_ms = cr_query_int(q, 8);
    copy(p->language, sizeof p->language, cr_query_text(q, 9));
}

cr_status cr_person_find(cr_db *db, const char *name, cr_person *ret_person, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT " CR_PERSON_COLUMNS " FROM users u WHERE u.name = ?", "t", name));
    if (cr_query_next(&q)) {
        cr_person_read(&q, ret_person);
        return CR_OK;
    }
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "there is no user of this name");
}

cr_status cr_person_get(cr_db *db, int64_t id, cr_person *ret_person, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT " CR_PERSON_COLUMNS " FROM users u WHERE u.id = ?", "i", id));
    if (cr_query_next(&q)) {
        cr_person_read(&q, ret_person);
        return CR_OK;
    }
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "this user does not exist any more");
}

static cr_status find_account(cr_db *db, const char *name, bool demo, char *out, cr_err *err) {
    for (int n = 1; n <= ACCOUNT_CHOICES; n++) {
        cr_account_choice(name, n, out);
        if (cr_account_is_demo(out) != demo)
            continue;
        cr_auto_query cr_query q = CR_QUERY_INIT;
        CR_TRY(cr_query_open(db, &q, err, "SELECT 1 FROM users WHERE account = ?1 UNION ALL SELECT 1 FROM past_accounts WHERE account = ?1",
                             "t", out));
        if (!cr_query_next(&q))
            return cr_query_end(&q, err);
    }
    return CR_FAIL(err, CR_LIMIT, "no system account is free for this user name");
}

cr_status cr_person_add(cr_db *db, cr_person *p, cr_err *err) {
    cr_person other;
    cr_status found = cr_person_find(db, p->name, &other, err);
    if (found == CR_OK)
        return CR_FAIL(err, CR_EXISTS, "the user name \"%s\" is taken", p->name);
    if (found != CR_NOT_FOUND)
        return found;
    char account[CR_ACCOUNT_MAX + 1];
    CR_TRY(find_account(db, p->name, p->demo, account, err));
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(db, err, "INSERT INTO users (name, account, password, admin, demo, created_ms) VALUES (?, ?, ?, ?, ?, ?)", "tttiii",
                     p->name, account, p->password[0] ? p->password : NULL, (int64_t)p->admin, (int64_t)p->demo, now));
    p->id = cr_db_last_id(db);
    p->created_ms = now;
    copy(p->account, sizeof p->account, account);
    return CR_OK;
}

/* A link, a token for somebody else, or a share is a way in for its holder, so it must not outlive the rights that it came from. */
cr_status cr_person_forget_given(cr_db *db, int64_t id, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM links WHERE made_by = ?", "i", id));
    CR_TRY(cr_db_run(db, err, "DELETE FROM tokens WHERE id IN (SELECT token_id FROM token_makers WHERE user_id = ?)", "i", id));
    return cr_db_run(db, err, "DELETE FROM shares WHERE id IN (SELECT share_id FROM share_makers WHERE user_id = ?)", "i", id);
}

/* Tokens of user servers end with the servers, which go on. */
static cr_status end_sign_ins(cr_db *db, int64_t id, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM sessions WHERE user_id = ?", "i", id));
    return cr_db_run(db, err, "DELETE FROM tokens WHERE user_id = ? AND kind <> 'server'", "i", id);
}

static cr_status password_rows(cr_db *db, int64_t id, const char *hash, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM links WHERE kind = 'password' AND user_id = ?", "i", id));
    CR_TRY(end_sign_ins(db, id, err));
    CR_TRY(cr_person_forget_given(db, id, err));
    return cr_db_run(db, err, "UPDATE users SET password = ? WHERE id = ?", "ti", hash, id);
}

cr_status cr_person_set_password(cr_db *db, int64_t id, const char *hash, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, password_rows(db, id, hash, err), err);
}

static cr_status check_not_last_admin(cr_db *db, int64_t id, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT admin, (SELECT count(*) FROM users WHERE admin = 1 AND disabled = 0 AND id <> ?1) FROM users WHERE id = ?1",
                         "i", id));
    bool last = cr_query_next(&q) && cr_query_int(&q, 0) && cr_query_int(&q, 1) == 0;
    CR_TRY(cr_query_end(&q, err));
    if (last)
        return CR_FAIL(err, CR_CONFLICT, "this is the last administrator: make another one first");
    return CR_OK;
}

static cr_status disable_rows(cr_db *db, int64_t id, cr_err *err) {
    CR_TRY(check_not_last_admin(db, id, err));
    CR_TRY(cr_db_run(db, err, "UPDATE users SET disabled = 1 WHERE id = ?", "i", id));
    CR_TRY(end_sign_ins(db, id, err));
    CR_TRY(cr_db_run(db, err, "DELETE FROM links WHERE user_id = ?", "i", id));
    return cr_person_forget_given(db, id, err);
}

cr_status cr_person_set_disabled(cr_db *db, int64_t id, bool disabled, cr_err *err) {
    if (!disabled)
        return cr_db_run(db, err, "UPDATE users SET disabled = 0 WHERE id = ?", "i", id);
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, disable_rows(db, id, err), err);
}

static cr_status admin_rows(cr_db *db, int64_t id, bool admin, cr_err *err) {
    if (!admin) {
        CR_TRY(check_not_last_admin(db, id, err));
        CR_TRY(cr_person_forget_given(db, id, err));
    }
    return cr_db_run(db, err, "UPDATE users SET admin = ? WHERE id = ?", "ii", (int64_t)admin, id);
}

cr_status cr_person_set_admin(cr_db *db, int64_t id, bool admin, cr_err *err) {
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, admin_rows(db, id, admin, err), err);
}

cr_status cr_person_rename(cr_db *db, int64_t id, const char *name, cr_err *err) {
    return cr_db_run(db, err, "UPDATE users SET name = ? WHERE id = ?", "ti", name, id);
}

cr_status cr_person_set_language(cr_db *db, int64_t id, const char *code, cr_err *err) {
    return cr_db_run(db, err, "UPDATE users SET language = ? WHERE id = ?", "ti", code, id);
}

cr_status cr_person_remove(cr_db *db, int64_t id, cr_err *err) {
    CR_TRY(check_not_last_admin(db, id, err));
    CR_TRY(cr_db_begin(db, err));
    cr_status status = cr_db_run(db, err, "INSERT OR IGNORE INTO past_accounts SELECT account FROM users WHERE id = ?", "i", id);
    if (status == CR_OK)
        status = cr_person_forget_given(db, id, err);
    if (status == CR_OK)
        status = cr_db_run(db, err, "DELETE FROM users WHERE id = ?", "i", id);
    return cr_db_end(db, status, err);
}

cr_status cr_person_count(cr_db *db, int64_t *ret_all, int64_t *ret_admins, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT count(*), count(*) FILTER (WHERE admin = 1 AND disabled = 0) FROM users WHERE demo = 0", ""));
    if (cr_query_next(&q)) {
        *ret_all = cr_query_int(&q, 0);
        *ret_admins = cr_query_int(&q, 1);
    }
    return cr_query_end(&q, err);
}
