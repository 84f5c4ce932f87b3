/* mails.c - the table mails. */
#include "platform/identity/mails.h"

#include <stdio.h>
#include "base/clock.h"

enum { DAY_MS = 24 * 3600 * 1000, KEPT_DAYS = 7, FIRST_PAUSE_MS = 30 * 1000, MOST_PAUSE_MS = 3600 * 1000, ROWS_SHOWN = 50 };

static cr_status count(cr_db *db, const char *address, int64_t *ret_all, int64_t *ret_here, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT count(*), coalesce(sum(address = ?), 0) FROM mails WHERE created_ms > ?", "ti", address, cr_wall_ms() - DAY_MS));
    if (cr_query_next(&q)) {
        *ret_all = cr_query_int(&q, 0);
        *ret_here = cr_query_int(&q, 1);
    }
    return cr_query_end(&q, err);
}

cr_status cr_mail_add(cr_db *db, const cr_mail *m, int64_t *ret_id, cr_err *err) {
    int64_t all = 0, here = 0;
    bool test = m->kind == CR_MAIL_TEST;
    CR_TRY(count(db, m->address, &all, &here, err));
    if (here >= CR_MAILS_ADDRESS_MAX || all >= CR_MAILS_MAX) {
        CR_FAIL(err, CR_LIMIT, here >= CR_MAILS_ADDRESS_MAX ? "%s was written to %lld times within a day" : "%s is not written to: there were %lld mails within a day",
                m->address, (long long)(here >= CR_MAILS_ADDRESS_MAX ? here : all));
        cr_err_hint(err, "give the link by hand");
        return CR_LIMIT;
    }
    CR_TRY(cr_db_run(db, err, "INSERT INTO mails (kind, address, name, link, made_by, created_ms, until_ms, next_ms, state) "
                     "VALUES (?, ?, ?, ?, nullif(?, 0), ?, ?, ?, 'waiting')",
                     "tttbiiii", cr_mail_kind_text(m->kind), m->address, m->name, m->link, test ? (size_t)0 : sizeof m->link, m->made_by, cr_wall_ms(),
                     m->until_ms, test ? (int64_t)0 : cr_wall_ms()));      /* who tests waits for it */
    *ret_id = cr_db_last_id(db);
    return CR_OK;
}

static void read_row(const cr_query *q, cr_mail *m) {
    size_t n = 0;
    const void *link = cr_query_blob(q, 4, &n);
    *m = (cr_mail){.id = cr_query_int(q, 0), .made_by = cr_query_int(q, 5), .until_ms = cr_query_int(q, 6)};
    (void)cr_mail_kind_of(cr_query_text(q, 1), &m->kind);      /* the table holds no other */
    snprintf(m->address, sizeof m->address, "%s", cr_query_text(q, 2));
    snprintf(m->name, sizeof m->name, "%s", cr_query_text(q, 3));
    if (link && n == sizeof m->link)
        memcpy(m->link, link, n);
}

static cr_status next_time(cr_db *db, int64_t *ret_wait_ms, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT min(next_ms), count(*) FROM mails WHERE state = 'waiting'", ""));
    if (cr_query_next(&q))
        *ret_wait_ms = cr_query_int(&q, 1) ? CR_MAX(cr_query_int(&q, 0) - cr_wall_ms(), (int64_t)0) : -1;
    return cr_query_end(&q, err);
}

cr_status cr_mail_next(cr_db *db, cr_mail *ret_mail, int64_t *ret_wait_ms, cr_err *err) {
    {
        cr_auto_query cr_query q = CR_QUERY_INIT;
        CR_TRY(cr_query_open(db, &q, err, "SELECT id, kind, address, name, link, coalesce(made_by, 0), until_ms FROM mails "
                             "WHERE state = 'waiting' AND next_ms <= ? ORDER BY next_ms, id LIMIT 1", "i", cr_wall_ms()));
        if (cr_query_next(&q)) {
            read_row(&q, ret_mail);
            return CR_OK;
        }
        CR_TRY(cr_query_end(&q, err));
    }
    *ret_wait_ms = -1;
    CR_TRY(next_time(db, ret_wait_ms, err));
    return CR_FAIL(err, CR_NOT_FOUND, "no mail is due");
}

cr_status cr_mail_try(cr_db *db, const cr_mail *m, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    unsigned char hash[CR_HASH_BYTES] = {0};
    bool test = m->kind == CR_MAIL_TEST;
    ret_token[0] = 0;
    if (!test)
        CR_TRY(cr_onetime_renew(db, m->link, ret_token, hash, err));
    return cr_db_run(db, err, "UPDATE mails SET tries = tries + 1, link = ?, next_ms = ? + min(? * (1 << min(tries, 20)), ?) WHERE id = ?", "biiii", hash,
                     test ? (size_t)0 : sizeof hash, cr_wall_ms(), (int64_t)FIRST_PAUSE_MS, (int64_t)MOST_PAUSE_MS, m->id);
}

cr_status cr_mail_sent(cr_db *db, int64_t id, cr_err *err) {
    return cr_db_run(db, err, "UPDATE mails SET state = 'sent', problem = '' WHERE id = ?", "i", id);
}

cr_status cr_mail_not_sent(cr_db *db, int64_t id, bool for_good, const char *problem, cr_err *err) {
    return cr_db_run(db, err, "UPDATE mails SET state = ?, problem = ? WHERE id = ?", "tti", for_good ? "failed" : "waiting", problem, id);
}

/* ---- for people ---- */

#define ROW_COLUMNS "address, name, state, problem, created_ms, tries"

static cr_status each_row(cr_query *q, cr_mail_each each, void *user, cr_err *err) {
    while (cr_query_next(q)) {
        const cr_mail_row row = {cr_query_text(q, 0), cr_query_text(q, 1), cr_query_text(q, 2), cr_query_text(q, 3), cr_query_int(q, 4), cr_query_int(q, 5)};
        each(user, &row);
    }
    return cr_query_end(q, err);
}

cr_status cr_mail_get(cr_db *db, int64_t id, cr_mail_each each, void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT " ROW_COLUMNS " FROM mails WHERE id = ?", "i", id));
    return each_row(&q, each, user, err);
}

cr_status cr_mail_problems(cr_db *db, int64_t made_by, cr_mail_each each, void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT " ROW_COLUMNS " FROM mails WHERE made_by = ? AND state <> 'sent' AND problem <> '' ORDER BY id DESC LIMIT ?",
                         "ii", made_by, (int64_t)ROWS_SHOWN));
    return each_row(&q, each, user, err);
}

cr_status cr_mail_counts(cr_db *db, int64_t *ret_waiting, int64_t *ret_failed, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT coalesce(sum(state = 'waiting'), 0), coalesce(sum(state = 'failed'), 0) FROM mails", ""));
    if (cr_query_next(&q)) {
        *ret_waiting = cr_query_int(&q, 0);
        *ret_failed = cr_query_int(&q, 1);
    }
    return cr_query_end(&q, err);
}

cr_status cr_mail_sweep(cr_db *db, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM mails WHERE created_ms < ? AND state <> 'waiting'", "i", cr_wall_ms() - (int64_t)KEPT_DAYS * DAY_MS);
}
