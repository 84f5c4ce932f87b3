/* audit.c - the table audit. */
#include "platform/identity/audit.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/text.h"

static const struct { const char *text, *words; } kinds[] = {
#define CR_AUDIT_X(name, text, words) {text, words},
    CR_AUDIT_KINDS(CR_AUDIT_X)
#undef CR_AUDIT_X
};

const char *cr_audit_kind_text(cr_audit_kind kind) { return kinds[kind].text; }

const char *cr_audit_kind_words(const char *kind) {
    for (size_t i = 0; i < CR_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].text, kind) == 0)
            return kinds[i].words;
    return kind;
}

bool cr_audit_kind_is(const char *text) {
    for (size_t i = 0; i < CR_ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].text, text) == 0)
            return true;
    return false;
}

typedef char short_text[CR_AUDIT_DETAIL_MAX + 1];

/* Cut inside a character at worst, which cleaning mends. */
static const char *shorten(const char *text, short_text out) {
    snprintf(out, sizeof(short_text), "%s", text ? text : "");
    cr_text_clean(out);
    return out;
}

cr_status cr_audit_add(cr_db *db, const cr_audit_row *row, cr_err *err) {
    short_text who, via, source, whom, detail;
    return cr_db_run(db, err, "INSERT INTO audit (at_ms, kind, result, who, via, source, whom, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "ittttttt",
                     row->at_ms ? row->at_ms : cr_wall_ms(), row->kind, row->refused ? "refused" : "done", shorten(row->who, who),
                     shorten(row->via, via), shorten(row->source, source), shorten(row->whom, whom), shorten(row->detail, detail));
}

/* By number, which is the order of writing: the wall clock may have been set back between two rows. */
cr_status cr_audit_list(cr_db *db, const cr_audit_filter *f, void (*each)(void *user, const cr_audit_row *row), void *user, cr_err *err) {
    /* Of a person: the newest of what was done by, and of what was done to, each by its index. */
#define COLUMNS "id, at_ms, kind, result = 'refused', who, via, source, whom, detail"
#define FITS "id < iif(?1 = 0, 9223372036854775807, ?1) AND id > ?2 AND (?4 IS NULL OR kind = ?4) AND at_ms >= ?5 AND (?6 = 0 OR at_ms < ?6)"
#define OF(column) "SELECT id FROM (SELECT id FROM audit WHERE " column " = ?3 AND " FITS " ORDER BY id DESC LIMIT ?7)"
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, f->person ? "SELECT " COLUMNS " FROM audit WHERE id IN (" OF("who") " UNION " OF("whom") ") ORDER BY id DESC LIMIT ?7"
                                                : "SELECT " COLUMNS " FROM audit WHERE ?3 IS NULL AND " FITS " ORDER BY id DESC LIMIT ?7",
                         "iittiii", f->before_id, f->after_id, f->person, f->kind, f->since_ms, f->until_ms,
                         CR_MIN(CR_MAX(f->limit, (int64_t)1), (int64_t)CR_AUDIT_LIST_MAX)));
    while (cr_query_next(&q)) {
        const cr_audit_row row = {.id = cr_query_int(&q, 0), .at_ms = cr_query_int(&q, 1), .kind = cr_query_text(&q, 2), .refused = cr_query_int(&q, 3),
                                  .who = cr_query_text(&q, 4), .via = cr_query_text(&q, 5), .source = cr_query_text(&q, 6),
                                  .whom = cr_query_text(&q, 7), .detail = cr_query_text(&q, 8)};
        each(user, &row);
    }
    return cr_query_end(&q, err);
#undef COLUMNS
#undef FITS
#undef OF
}

json_t *cr_audit_json(const cr_audit_row *row) {
    char time[32];
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)row->id, "time", cr_iso8601(row->at_ms, time, sizeof time), "kind",
                     row->kind, "result", row->refused ? "refused" : "done", "by", row->who, "via", row->via, "from", row->source, "on", row->whom,
                     "detail", row->detail);
}

cr_status cr_audit_last_id(cr_db *db, int64_t *ret_id, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT coalesce(max(id), 0) FROM audit", ""));
    if (cr_query_next(&q))
        *ret_id = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

/* Age ends at the first row that is young enough, so that what goes is always a beginning. */
static cr_status sweep(cr_db *db, const char *result, int64_t oldest_ms, int64_t most, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM audit WHERE result = ?1 AND id <= (SELECT id FROM audit WHERE result = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)", "ti",
                     result, most));
    return cr_db_run(db, err, "DELETE FROM audit WHERE result = ?1 AND id < coalesce((SELECT id FROM audit WHERE result = ?1 AND at_ms >= ?2 ORDER BY id LIMIT 1), "
                     "(SELECT max(id) + 1 FROM audit))", "ti", result, oldest_ms);
}

cr_status cr_audit_sweep(cr_db *db, int64_t oldest_ms, int64_t most, cr_err *err) {
    CR_TRY(sweep(db, "done", oldest_ms, most, err));
    return sweep(db, "refused", oldest_ms, most, err);
}
