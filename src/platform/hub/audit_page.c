/* audit_page.c - /hub/admin/audit: the audit log for administrators, filtered by person, kind and days, a page at a time. */
#include "platform/hub/auditing.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/rest_time.h"

enum { PAGE_ROWS = 100, DAY_MS = 86400 * 1000 };

typedef struct shown {
    json_t *list;
    int64_t oldest;           /* number of the last row that is shown */
    bool more;
} shown;

static void add_row(void *user, const cr_audit_row *row) {
    shown *s = user;
    char time[32];
    if (json_array_size(s->list) == PAGE_ROWS) {
        s->more = true;
        return;
    }
    s->oldest = row->id;
    cr_iso8601(row->at_ms, time, sizeof time);
    time[10] = ' ';
    time[19] = 0;
    json_array_append_new(s->list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "time", time, "words", cr_audit_kind_words(row->kind), "who",
                                             row->who, "via", row->via, "source", row->source, "whom", row->whom, "detail", row->detail, "refused",
                                             row->refused));
}

static const char *argument(const cr_request *req, const char *name) {
    const char *text = cr_pairs_get(&req->query, name);
    return text ? text : "";
}

/* A day, or a time to the second; as the first moment of it, or with `past` the first one after. */
static cr_status read_time(const char *text, bool past, int64_t *ret_ms, cr_err *err) {
    char whole[40];
    *ret_ms = 0;
    if (!*text)
        return CR_OK;
    bool day = strlen(text) == 10;
    snprintf(whole, sizeof whole, day ? "%sT00:00:00Z" : "%s", text);
    if (!cr_rest_parse_time(whole, ret_ms) || *ret_ms < 0)
        return CR_FAIL(err, CR_INVALID, "'%.40s' is no day such as 2026-11-24", text);
    *ret_ms += past ? day ? DAY_MS : 1 : 0;
    return CR_OK;
}

static cr_status read_filter(const cr_request *req, cr_audit_filter *f, cr_err *err) {
    const char *before = argument(req, "before");
    if (*argument(req, "person"))
        f->person = argument(req, "person");
    if (*argument(req, "kind"))
        f->kind = argument(req, "kind");
    if (f->kind && !cr_audit_kind_is(f->kind))
        return CR_FAIL(err, CR_INVALID, "there is no kind of entries called '%.40s'", f->kind);
    if (*before && cr_parse_int(before, 1, INT64_MAX, &f->before_id, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "'%.40s' is not the number of an entry", before);
    CR_TRY(read_time(argument(req, "since"), false, &f->since_ms, err));
    return read_time(argument(req, "until"), true, &f->until_ms, err);
}

/* The filter as it is in addresses. */
static void add_arguments(const cr_request *req, cr_buf *out) {
    static const char *const names[] = {"person", "kind", "since", "until"};
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        if (!*argument(req, names[i]))
            continue;
        cr_buf_addf(out, "%s%s=", out->len ? "&" : "", names[i]);
        cr_percent_encode(out, argument(req, names[i]), "");
    }
}

static json_t *kinds(const char *chosen) {
    json_t *list = json_array();
    for (int k = 0; k < CR_AUDIT_N_KINDS; k++) {
        const char *text = cr_audit_kind_text((cr_audit_kind)k);
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "text", text, "words", cr_audit_kind_words(text), "chosen", strcmp(text, chosen) == 0));
    }
    return list;
}

static void show(cr_request *req, int status, const shown *s, const char *problem) {
    cr_auto_buf cr_buf filter, older;
    cr_buf_init(&filter, 4 * CR_HTTP_TARGET_MAX);
    cr_buf_init(&older, 4 * CR_HTTP_TARGET_MAX);
    add_arguments(req, &filter);
    if (s->more)
        cr_buf_addf(&older, "%s%sbefore=%lld", cr_buf_str(&filter), filter.len ? "&" : "", (long long)s->oldest);
    if (!filter.len)
        cr_buf_adds(&filter, "kind=");
    const cr_config *k = cr_hub_of(req)->config;
    cr_site_page(req, status, "audit", json_pack("{s:o, s:o, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "entries", s->list, "kinds",
                                                 kinds(argument(req, "kind")), "none", !*problem && json_array_size(s->list) == 0, "problem", problem,
                                                 "hint", "", "person", argument(req, "person"), "since", argument(req, "since"), "until",
                                                 argument(req, "until"), "older", cr_buf_str(&older), "newest",
                                                 *argument(req, "before") ? cr_buf_str(&filter) : "", "days", (json_int_t)k->audit_days, "rows_most",
                                                 (json_int_t)k->audit_rows));
}

void cr_audit_page(cr_request *req) {
    shown s = {.list = json_array()};
    cr_audit_filter filter = {.limit = PAGE_ROWS + 1};
    cr_err err = CR_ERR_INIT;
    cr_status status = read_filter(req, &filter, &err);
    if (status == CR_OK)
        status = cr_audit_list(cr_hub_of(req)->db, &filter, add_row, &s, &err);
    cr_text_clean(err.message);
    show(req, status == CR_OK ? 200 : cr_http_status_of(&err), &s, status == CR_OK ? "" : err.message);
}
