/* ahead_page.c - /hub/admin/ahead and /hub/api/start-ahead: plans to start servers ahead. */
#include "platform/hub/ahead.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/rest.h"

/* ---- the page ---- */

static void show(cr_request *req, int status, const char *problem) {
    cr_err err = CR_ERR_INIT;
    json_t *rows = json_array(), *row;
    size_t i;
    bool moving = false;
    char now[32];
    if (cr_ahead_rows(cr_hub_of(req), 0, rows, &err) != CR_OK) {
        json_decref(rows);
        cr_reply_err(req, &err);
        return;
    }
    json_array_foreach(rows, i, row) {
        moving = moving || strcmp(json_string_value(json_object_get(row, "state")), "starting") == 0;
        json_object_set_new(row, "has_failed", json_boolean(json_array_size(json_object_get(row, "failed")) > 0));
        json_object_set_new(row, "has_begun", json_boolean(json_integer_value(json_object_get(row, "people")) > 0));
    }
    cr_site_page(req, status, "ahead", json_pack("{s:o, s:s, s:s, s:b, s:s, s:s, s:s, s:s%}", "plans", rows, "problem", problem, "hint", "", "moving",
                                                 moving && !*problem, "group", cr_request_field(req, "group"), "at", cr_request_field(req, "at"), "hours",
                                                 cr_request_field(req, "hours"), "now", cr_iso8601(cr_wall_ms(), now, sizeof now), sizeof "2026-11-24T08:30" - 1));
}

void cr_ahead_page(cr_request *req) { show(req, 200, ""); }

static void show_problem(cr_request *req, cr_err *err) {
    cr_text_clean(err->message);
    show(req, cr_http_status_of(err), err->message);
}

void cr_ahead_post(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_ahead_plan plan;
    cr_actor who;
    int64_t id;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    if (cr_ahead_read(hub, cr_request_field(req, "group"), cr_request_field(req, "at"), cr_request_field(req, "hours"), &plan, &err) != CR_OK ||
        cr_ahead_add(hub, &who, &plan, &id, &err) != CR_OK)
        show_problem(req, &err);
    else
        cr_reply_redirect(req, 303, "/hub/admin/ahead");
}

void cr_ahead_cancel_post(cr_request *req) {
    cr_actor who;
    int64_t id = 0;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    if (cr_parse_int(cr_request_field(req, "id"), 1, INT64_MAX, &id, &err) != CR_OK || cr_ahead_remove(cr_hub_of(req), &who, id, &err) != CR_OK)
        show_problem(req, &err);
    else
        cr_reply_redirect(req, 303, "/hub/admin/ahead");
}

/* ---- calls ---- */

static void reply_rows(cr_request *req, int status, int64_t id) {
    cr_err err = CR_ERR_INIT;
    json_t *rows = json_array();
    if (cr_ahead_rows(cr_hub_of(req), id, rows, &err) != CR_OK)
        cr_reply_err(req, &err);
    else if (id && json_array_size(rows) == 0)
        cr_rest_reply(req, 404, "There is no plan %lld", (long long)id);
    else
        cr_reply_json(req, status, json_incref(id ? json_array_get(rows, 0) : rows));
    json_decref(rows);
}

/* Text, or NULL when the field is there and is none. */
static const char *field(const cr_request *req, const char *name, const char *otherwise) {
    const json_t *value = json_object_get(req->json, name);
    return value ? json_string_value(value) : otherwise;
}

void cr_api_aheads(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_ahead_plan plan;
    cr_actor who;
    int64_t id = 0;
    char hours[24];
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_ADMIN_SERVERS))
        return;
    if (req->method != CR_POST) {
        reply_rows(req, 200, 0);
        return;
    }
    const char *group = field(req, "group", NULL), *at = field(req, "at", "");
    const json_t *n = json_object_get(req->json, "hours");
    snprintf(hours, sizeof hours, "%lld", (long long)json_integer_value(n));
    if (!group || !at || !json_is_integer(n)) {
        cr_reply_error(req, 400, "a plan has a group, hours (a number) and, unless it begins now, at (a time)", "");
        return;
    }
    cr_actor_of(req, &who);
    cr_status status = cr_ahead_read(hub, group, at, hours, &plan, &err);
    if (status == CR_OK)
        status = cr_ahead_add(hub, &who, &plan, &id, &err);
    cr_text_clean(err.message);
    if (status != CR_OK)
        cr_reply_err(req, &err);
    else
        reply_rows(req, 201, id);
}

void cr_api_ahead(cr_request *req) {
    cr_actor who;
    int64_t id;
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_ADMIN_SERVERS))
        return;
    if (cr_parse_int(req->param[0], 1, INT64_MAX, &id, NULL) != CR_OK) {
        cr_rest_reply(req, 404, "There is no plan '%.40s'", req->param[0]);
        return;
    }
    cr_actor_of(req, &who);
    if (req->method != CR_DELETE)
        reply_rows(req, 200, id);
    else if (cr_ahead_remove(cr_hub_of(req), &who, id, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply_empty(req, 204);
}
