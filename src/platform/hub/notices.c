/* notices.c - announcement, maintenance, and who may start. */
#include "platform/hub/notices.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/profile_choice.h"

enum { HOURS_MOST = 24 * 90, HOUR_MS = 3600 * 1000 };

static cr_status load(cr_hub *hub, cr_notices *n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT name, text, until_ms FROM notices", ""));
    while (cr_query_next(&q)) {
        if (strcmp(cr_query_text(&q, 0), "maintenance") == 0) {
            n->maintenance = true;
        } else {
            snprintf(n->text, sizeof n->text, "%s", cr_query_text(&q, 1));
            n->until_ms = cr_query_int(&q, 2);
        }
    }
    return cr_query_end(&q, err);
}

cr_status cr_notices_open(cr_hub *hub, cr_err *err) {
    cr_notices *n = calloc(1, sizeof *n);
    if (!n)
        return CR_FAIL(err, CR_MEMORY, "no memory for notices");
    hub->notices = n;
    return load(hub, n, err);
}

void cr_notices_close(cr_hub *hub) {
    free(hub->notices);
    hub->notices = NULL;
}

static bool is_shown(const cr_notices *n) { return n->text[0] && (!n->until_ms || cr_wall_ms() < n->until_ms); }

void cr_notices_add(const cr_hub *hub, json_t *values) {
    const cr_notices *n = hub->notices;
    json_object_set_new(values, "announcement", json_string(n && is_shown(n) ? n->text : ""));
    json_object_set_new(values, "maintenance", json_boolean(n && n->maintenance));
}

json_t *cr_notices_values(const cr_hub *hub, const char *language) {
    const cr_notices *n = hub->notices;
    int64_t now = cr_wall_ms(), paused = 0;
    int which = 0;            /* the first that is open */
    for (int i = CR_PROFILES_MAX - 1; i >= 0; i--) {
        int64_t left = cr_breaker_left(&hub->breaker[i], cr_now_ms());
        which = left ? i : which;
        paused = left ? left : paused;
    }
    char left[40], pause[40];
    bool shown = is_shown(n);
    return json_pack("{s:b, s:s, s:s, s:b, s:s, s:s, s:s}", "active", shown || n->maintenance, "text", shown ? n->text : "",
                     "left", shown && n->until_ms ? cr_text_span(n->until_ms - now, left, sizeof left) : "", "maintenance", n->maintenance,
                     "paused", paused ? cr_text_span(paused, pause, sizeof pause) : "", "pause_reason", hub->breaker[which].reason, "pause_profile",
                     hub->profiles->n > 1 ? cr_profile_words_in(&hub->profiles->at[which].title, language) : "");
}

static cr_status save_rows(cr_db *db, const cr_notices *n, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "DELETE FROM notices", ""));
    if (n->text[0])
        CR_TRY(cr_db_run(db, err, "INSERT INTO notices (name, text, until_ms) VALUES ('announcement', ?, ?)", "ti", n->text, n->until_ms));
    return n->maintenance ? cr_db_run(db, err, "INSERT INTO notices (name, text, until_ms) VALUES ('maintenance', '', 0)", "") : CR_OK;
}

cr_status cr_notices_read(const char *text, const char *hours, cr_notices *n, cr_err *err) {
    int64_t count = 0;
    if (text && strlen(text) > CR_NOTICE_MAX)
        return CR_FAIL(err, CR_LIMIT, "an announcement has at most %d bytes; this one has %zu", CR_NOTICE_MAX, strlen(text));
    snprintf(n->text, sizeof n->text, "%s", text ? text : "");
    cr_text_clean(n->text);
    if (hours && *hours && cr_parse_int(hours, 1, HOURS_MOST, &count, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "the hours of an announcement are a number from 1 to %d, or empty for no end", HOURS_MOST);
    n->until_ms = n->text[0] && count ? cr_wall_ms() + count * HOUR_MS : 0;
    return CR_OK;
}

/* A row for each of the two that changes. */
static cr_status set_rows(cr_hub *hub, const cr_actor *who, const cr_notices *n, cr_err *err) {
    CR_TRY(save_rows(hub->db, n, err));
    if (strcmp(n->text, hub->notices->text) != 0 || n->until_ms != hub->notices->until_ms)
        CR_TRY(cr_audit_write(hub, who, CR_AUDIT_ANNOUNCEMENT, "", n->text[0] ? n->text : "taken away", err));
    if (n->maintenance != hub->notices->maintenance)
        CR_TRY(cr_audit_write(hub, who, CR_AUDIT_MAINTENANCE, "", n->maintenance ? "on" : "off", err));
    return CR_OK;
}

cr_status cr_notices_set(cr_hub *hub, const cr_actor *who, const cr_notices *n, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_db_end(hub->db, set_rows(hub, who, n, err), err));
    *hub->notices = *n;
    return CR_OK;
}

void cr_notices_post(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_notices n = {.maintenance = false};
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    cr_status status = cr_notices_read(cr_request_field(req, "text"), cr_request_field(req, "hours"), &n, &err);
    n.maintenance = strcmp(cr_request_field(req, "maintenance"), "yes") == 0;
    if (status == CR_OK)
        status = cr_notices_set(hub, &who, &n, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "notices changed", "admin=%s announcement=%s maintenance=%s", cr_caller_of(req)->person.name, n.text[0] ? "yes" : "no",
           n.maintenance ? "yes" : "no");
    cr_reply_redirect(req, 303, "/hub/admin");
}

void cr_notices_try_starts(cr_hub *hub, const cr_actor *who) {
    void *value;
    for (int i = 0; i < CR_PROFILES_MAX; i++)
        cr_breaker_close(&hub->breaker[i]);
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        cr_breaker_close(&((cr_lab *)value)->breaker);
    cr_audit_note(hub, who, CR_AUDIT_BREAKER, "", "");
    cr_log(CR_LOG_INFO, "starts are tried again", "admin=%s", who->name);
}

void cr_breaker_post(cr_request *req) {
    cr_actor who;
    cr_actor_of(req, &who);
    cr_notices_try_starts(cr_hub_of(req), &who);
    cr_reply_redirect(req, 303, "/hub/admin");
}

static bool refuse(cr_request *req, const char *message, const char *hint) {
    cr_reply_error(req, 503, message, hint);
    return false;
}

/* What this request would start: by its form, by its user_options, or as chosen before. */
static const char *profile_of(const cr_request *req) {
    const char *slug = cr_pairs_get(&req->form, "profile");
    const json_t *options = json_object_get(req->json, "user_options");
    return slug ? slug : json_string_value(json_object_get(options ? options : req->json, "profile"));
}

bool cr_notices_let_start(cr_request *req, const cr_lab *s) {
    cr_hub *hub = cr_hub_of(req);
    if (cr_caller_of(req)->person.admin || (s->state != CR_LAB_STOPPED && s->state != CR_LAB_STOPPING))
        return true;
    if (hub->notices->maintenance)
        return refuse(req, "this hub is being maintained: no new servers are started now", "servers that run go on; try again later");
    const cr_breaker *own = &s->breaker, *all = &hub->breaker[cr_choice_place(s, profile_of(req))];
    int64_t now = cr_now_ms(), left = CR_MAX(cr_breaker_left(own, now), cr_breaker_left(all, now));
    if (!left)
        return true;
    const cr_breaker *b = cr_breaker_left(own, now) ? own : all;
    char message[400], span[40];
    /* What somebody else's server has said last is that person's, and administrators' (the users' page). */
    cr_text_span(left, span, sizeof span);
    if (b == own)
        snprintf(message, sizeof message, N_("your last starts have failed, so none is tried for %s. The last one: %s"), span, b->reason);
    else if (hub->profiles->n > 1)
        snprintf(message, sizeof message, N_("the last starts of several people with this kind of server have failed, so none is tried for %s."), span);
    else
        snprintf(message, sizeof message, N_("the last starts of several people have failed, so none is tried for %s."), span);
    cr_text_clean(message);
    return refuse(req, message, b == own ? "an administrator can look into the reason and let you try at once"
                                         : "administrators see this too, and can end the pause");
}
