/* tokens_page.c - /hub/token: a person makes, sees and takes away API tokens in the browser. The same rules as rest_tokens.c. */
#include "platform/hub/deeds.h"
#include "platform/hub/rest.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { NOTE_MOST = 200, DAYS_MOST = 366, DAY_S = 86400 };

/* ---- the page ---- */

typedef struct rows {
    json_t *list;
    int others;               /* of servers and of sign-ins to them: made and ended by themselves */
    int64_t now;
} rows;

static void add_row(void *user, const cr_token_row *row) {
    rows *r = user;
    if (row->kind != CR_TOKEN_API && !row->client) {
        r->others++;
        return;
    }
    char made[40], used[40], left[40], at[CR_SERVICE_NAME_MAX + 40];
    snprintf(at, sizeof at, N_("Your sign-in at the service %s"), row->client ? row->client : "");
    json_t *scopes = row->scopes ? json_loads(row->scopes, 0, NULL) : NULL;
    json_array_append_new(r->list, json_pack("{s:I, s:s, s:s, s:s, s:s, s:o*}", "id", (json_int_t)row->id, "note", row->client ? at : row->note ? row->note : "", "made",
                                             cr_text_span(CR_MAX(r->now - row->created_ms, 0), made, sizeof made), "used",
                                             row->last_ms ? cr_text_span(CR_MAX(r->now - row->last_ms, 0), used, sizeof used) : "", "left",
                                             row->expires_ms ? cr_text_span(CR_MAX(row->expires_ms - r->now, 0), left, sizeof left) : "", "scopes", scopes));
}

/* What was typed comes back with a problem. Steals more (may be NULL). */
static void show(cr_request *req, int status, const cr_err *problem, json_t *more) {
    cr_hub *hub = cr_hub_of(req);
    rows r = {json_array(), 0, cr_wall_ms()};
    cr_err err = CR_ERR_INIT;
    int64_t hidden = 0;
    cr_tokens_write_uses(hub);
    if (cr_token_list(hub->db, cr_caller_of(req)->person.id, 0, add_row, &r, &hidden, &err) != CR_OK) {
        json_decref(r.list);
        json_decref(more);
        cr_reply_err(req, &err);
        return;
    }
    json_t *values = json_pack("{s:b, s:o, s:s, s:s, s:s, s:s}", "has_tokens", json_array_size(r.list) > 0, "tokens", r.list, "problem",
                               problem ? problem->message : "", "hint", problem ? problem->hint : "", "note", cr_request_field(req, "note"), "scopes_typed",
                               cr_request_field(req, "scopes"));
    if (r.others)
        json_object_set_new(values, "others", json_integer(r.others));
    if (hidden)
        json_object_set_new(values, "hidden", json_integer((json_int_t)hidden));
    if (more)
        json_object_update(values, more);
    json_decref(more);
    cr_site_page(req, status, "tokens", values);
}

void cr_tokens_page(cr_request *req) { show(req, 200, NULL, NULL); }

/* ---- making and taking away ---- */

/* NULL: nothing was written, all that the person may. */
static json_t *read_scopes(const char *text) {
    json_t *list = NULL;
    for (size_t n; *text; text += n) {
        text += strspn(text, " ,\t\r\n");
        n = strcspn(text, " ,\t\r\n");
        if (n && !list)
            list = json_array();
        if (n)
            json_array_append_new(list, json_stringn(text, n));
    }
    return list;
}

static cr_status make(cr_request *req, json_t **ret_model, cr_err *err) {
    int64_t days = 0;
    char note[NOTE_MOST + 1];
    if (cr_parse_int(cr_request_field(req, "days"), 0, DAYS_MOST, &days, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "a token ends after 1 to %d days, or never (0)", DAYS_MOST);
    if (strlen(cr_request_field(req, "note")) > NOTE_MOST)
        return CR_FAIL(err, CR_LIMIT, "a note has at most %d bytes", NOTE_MOST);
    snprintf(note, sizeof note, "%s", cr_request_field(req, "note"));
    cr_text_clean(note);
    json_t *scopes = read_scopes(cr_request_field(req, "scopes"));
    cr_status status = json_array_size(scopes) > CR_SCOPE_TEXTS_MAX
                           ? CR_FAIL(err, CR_LIMIT, "at most %d scopes", CR_SCOPE_TEXTS_MAX)
                           : cr_rest_issue_token(req, &cr_caller_of(req)->person, scopes, days * DAY_S, note[0] ? note : N_("Made in the browser"), ret_model, err);
    json_decref(scopes);
    return status;
}

void cr_tokens_page_make(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    json_t *model = NULL;
    if (make(req, &model, &err) != CR_OK) {
        cr_text_clean(err.message);
        show(req, cr_http_status_of(&err), &err, NULL);
        return;
    }
    cr_log(CR_LOG_INFO, "token made", "by=%s user=%s token=%s", cr_caller_of(req)->person.name, cr_caller_of(req)->person.name,
           json_string_value(json_object_get(model, "id")));
    show(req, 200, NULL, json_pack("{s:O, s:s, s:s}", "token", json_object_get(model, "token"), "note", "", "scopes_typed", ""));
    json_decref(model);
}

void cr_tokens_page_remove(cr_request *req) {
    int64_t id = 0;
    cr_err err = CR_ERR_INIT;
    const cr_person *me = &cr_caller_of(req)->person;
    cr_status status = cr_parse_int(cr_request_field(req, "id"), 1, INT64_MAX, &id, &err);
    cr_actor who;
    cr_actor_of(req, &who);
    if (status == CR_OK)
        status = cr_deed_revoke_token(cr_hub_of(req), &who, me, id, &err);
    if (status == CR_NOT_FOUND)
        status = CR_FAIL(&err, CR_NOT_FOUND, "this token is not there any more");
    if (status != CR_OK) {
        show(req, cr_http_status_of(&err), &err, NULL);
        return;
    }
    cr_log(CR_LOG_INFO, "token taken away", "by=%s user=%s token=a%lld", me->name, me->name, (long long)id);
    cr_reply_redirect(req, 303, "/hub/token");
}
