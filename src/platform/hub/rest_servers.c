/* rest_servers.c - the REST API of user servers: activity, start, stop, progress. */
#include "platform/hub/rest.h"

#include <stdlib.h>
#include "base/clock.h"
#include "platform/hub/again.h"
#include "platform/hub/auditing.h"
#include "platform/hub/lab.h"
#include "platform/hub/notices.h"
#include "platform/hub/profile_choice.h"
#include "platform/hub/rest_time.h"

enum { ACTIVITY_FUTURE_MS = 59 * 60 * 1000 };

/* ---- activity: kept in memory, written once a minute when it changed ---- */

static bool take_time(cr_request *req, const json_t *value, int64_t *ret_ms) {
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (!cr_rest_parse_time(text, ret_ms) || *ret_ms < 0)
        cr_rest_reply(req, 400, "Not a valid timestamp: '%.80s'", text);
    else if (*ret_ms > cr_wall_ms() + ACTIVITY_FUTURE_MS)
        cr_rest_reply(req, 400, "Rejecting activity from more than an hour in the future: %.80s", text);
    else
        return true;
    return false;
}

/* The body has the right form; false: replied. */
static bool check_activity(cr_request *req, const json_t *servers, const json_t *own) {
    const char *problem = !json_is_object(req->json) ? "body must be a json dict"
                          : !servers && !own ? "body must contain at least one of `last_activity` or `servers`"
                          : servers && !json_is_object(servers) ? "servers must be a dict of the form {server_name: {last_activity: timestamp}}"
                                                                : NULL;
    if (problem)
        cr_reply_error(req, 400, problem, "");
    return !problem;
}

void cr_api_activity(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_person person;
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], CR_SCOPE_USERS_ACTIVITY) || !cr_rest_find_person(req, req->param[0], &person))
        return;
    const json_t *servers = json_object_get(req->json, "servers"), *own = json_object_get(req->json, "last_activity");
    /* null and {} are as good as nothing */
    if (json_is_null(own))
        own = NULL;
    if (json_is_null(servers) || (json_is_object(servers) && !json_object_size(servers)))
        servers = NULL;
    if (!check_activity(req, servers, own))
        return;
    int64_t ms;
    if (own && !take_time(req, own, &ms))
        return;
    /* First all are checked, then all are taken. */
    for (int take = 0; take < 2; take++) {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)servers, name, value) {
            cr_lab *s;
            cr_err err = CR_ERR_INIT;
            if (cr_lab_find(hub, &person, name, false, &s, &err) != CR_OK) {
                cr_rest_reply(req, 400, "No such server '%.80s' for user %s", name, person.name);
                return;
            }
            if (!take_time(req, json_object_get(value, "last_activity"), &ms))
                return;
            if (take)
                cr_lab_note_activity(s, ms);
        }
    }
    cr_reply_empty(req, 200);
}

/* ---- servers ---- */

/* The scope for the person's server of this name. */
static bool needs_server(cr_request *req, cr_scope scope, const char *name) {
    const char *full_name = cr_arena_printf(&req->arena, "%s/%s", req->param[0], name);
    return CR_REST_NEEDS(req, CR_SCOPE_SERVER, full_name ? full_name : "", scope);
}

/* A server that was never started is NULL unless it shall be made. false: replied. */
static bool find_server(cr_request *req, cr_scope scope, bool make, cr_lab **ret_server) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (!needs_server(req, scope, "") || !cr_rest_find_person(req, req->param[0], &person))
        return false;
    if (!(req->method & (CR_GET | CR_HEAD)) && !cr_again_needs(req, person.id))
        return false;
    *ret_server = NULL;
    cr_status status = cr_lab_find(cr_hub_of(req), &person, "", make, ret_server, &err);
    if (status == CR_OK || (status == CR_NOT_FOUND && !make))
        return true;
    cr_reply_err(req, &err);
    return false;
}

void cr_api_server_get(cr_request *req) {
    cr_lab *s;
    if (!find_server(req, CR_SCOPE_READ_SERVERS, false, &s))
        return;
    if (s)
        cr_reply_json(req, 200, cr_rest_server_model(req, s));
    else
        cr_rest_reply(req, 404, "%s's server was never started", req->param[0]);
}

/* The body is user_options, or has them beside a display_name. */
static bool check_options(cr_request *req) {
    const json_t *name = json_object_get(req->json, "display_name"), *options = json_object_get(req->json, "user_options");
    const char *problem = json_is_array(req->json) && json_array_size(req->json) ? "Body must be a JSON object"
                          : name && !json_is_string(name) ? "display_name must be a string"
                          : options && !json_is_object(options) && !json_is_null(options) ? "user_options must be an object or null" : NULL;
    if (problem)
        cr_reply_error(req, 400, problem, "");
    return !problem;
}

/* NULL: none are given, and those of before count. */
static const json_t *options_of(const cr_request *req) {
    const json_t *options = json_object_get(req->json, "user_options");
    if (!json_is_object(req->json) || json_object_size(req->json) == 0)
        return NULL;
    if (options || json_object_get(req->json, "display_name"))
        return json_is_object(options) ? options : NULL;
    return req->json;
}

/* What people do with their own servers is not in the audit log. */
static void note_other(cr_request *req, cr_audit_kind kind, const cr_lab *s) {
    cr_actor who;
    cr_actor_of(req, &who);
    if (who.id != s->user_id)
        cr_audit_note(cr_hub_of(req), &who, kind, s->user, "");
}

void cr_api_server_start(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find_server(req, CR_SCOPE_START_SERVERS, true, &s) || !check_options(req))
        return;
    const json_t *options = options_of(req);
    if (s->state == CR_LAB_STOPPED)
        s->cleaning = false;
    if (s->state == CR_LAB_READY)
        cr_rest_reply(req, 400, "%s is already running", s->user);
    else if (!cr_notices_let_start(req, s))
        return;
    else if ((options && (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING) && cr_choice_set(s, options, &err) != CR_OK) ||
             cr_lab_start(s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else {
        note_other(req, CR_AUDIT_SERVER_STARTED, s);
        cr_reply_empty(req, 202);
    }
}

void cr_api_server_stop(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find_server(req, CR_SCOPE_DELETE_SERVERS, false, &s))
        return;
    if (json_is_true(json_object_get(req->json, "remove")))
        cr_reply_error(req, 400, "Cannot delete the default server", "");
    else if (!s || s->state == CR_LAB_STOPPED)
        cr_reply_empty(req, 204);
    else if (cr_lab_stop(s, NULL, &err) != CR_OK)
        cr_reply_err(req, &err);
    else {
        note_other(req, CR_AUDIT_SERVER_STOPPED, s);
        cr_reply_empty(req, s->state == CR_LAB_STOPPED ? 204 : 202);
    }
}

typedef struct watcher {
    cr_lab_listener listener;
    cr_stream *stream;
} watcher;

static void on_gone(void *user) {
    watcher *w = user;
    cr_lab_unlisten(&w->listener);
    free(w);
}

static void on_change(void *user, const cr_lab *s) {
    watcher *w = user;
    json_t *event = cr_lab_progress(s);
    cr_stream_send(w->stream, event);
    json_decref(event);
    if (s->state == CR_LAB_READY || s->state == CR_LAB_STOPPED) {
        cr_stream_end(w->stream);
        cr_lab_unlisten(&w->listener);
        free(w);
    }
}

void cr_api_progress(cr_request *req) {
    cr_lab *s;
    if (!find_server(req, CR_SCOPE_READ_SERVERS, false, &s))
        return;
    if (!s || (s->state == CR_LAB_STOPPED && !s->failed)) {
        cr_rest_reply(req, 400, "%s is not starting...", req->param[0]);
        return;
    }
    watcher *w = calloc(1, sizeof *w);
    if (!w) {
        cr_reply_error(req, 507, "no memory", "");
        return;
    }
    const cr_caller *c = cr_caller_of(req);
    w->stream = cr_reply_stream(req, (cr_stream_owner){c->person.id, c->by_token ? -c->token.id : c->session_id}, on_gone, w);
    if (!w->stream) {
        free(w);
        return;
    }
    cr_lab_listen(s, &w->listener, on_change, w);
    on_change(w, s);
}

/* ---- named servers are refused, by decision; who may not, or asks for nobody, hears that first ---- */

static void refuse_named(cr_request *req) { cr_reply_error(req, 400, "Named servers are not enabled.", ""); }

void cr_api_no_named(cr_request *req) {
    cr_person person;
    cr_scope scope = req->method == CR_DELETE ? CR_SCOPE_DELETE_SERVERS : req->method == CR_GET ? CR_SCOPE_READ_SERVERS : CR_SCOPE_START_SERVERS;
    if (!needs_server(req, scope, req->param[1]) || !cr_rest_find_person(req, req->param[0], &person))
        return;
    if (req->method == CR_GET)
        cr_rest_reply(req, 404, "%s has no server of this name", person.name);
    else if (req->method == CR_DELETE || check_options(req))
        refuse_named(req);
}

/* PUT makes a server without starting it: the default one is there. */
void cr_api_server_make(cr_request *req) {
    cr_person person;
    if (needs_server(req, CR_SCOPE_START_SERVERS, "") && cr_rest_find_person(req, req->param[0], &person))
        cr_rest_reply(req, 409, "User %s already has a default server", person.name);
}

/* PATCH: a name or a title is one of a named server; options are those of the next start. */
static void change(cr_request *req, const char *server) {
    cr_person person;
    cr_lab *s = NULL;
    cr_err err = CR_ERR_INIT;
    const char *key;
    json_t *value;
    if (!needs_server(req, CR_SCOPE_START_SERVERS, server) || !cr_rest_find_person(req, req->param[0], &person) || !cr_again_needs(req, person.id))
        return;
    if (json_object_size(req->json) == 0) {
        cr_reply_error(req, 400, json_array_size(req->json) ? "Body must be a JSON object" : "Must specify at least one field to modify.", "");
        return;
    }
    json_object_foreach(req->json, key, value) {
        if (strcmp(key, "name") != 0 && strcmp(key, "display_name") != 0 && strcmp(key, "user_options") != 0) {
            cr_rest_reply(req, 400, "Unexpected field: %.80s, supported fields: name,display_name,user_options", key);
            return;
        }
    }
    const json_t *name = json_object_get(req->json, "name"), *title = json_object_get(req->json, "display_name");
    if ((name && !json_is_null(name)) || (title && !json_is_null(title) && !(json_is_string(title) && !json_string_length(title)))) {
        refuse_named(req);
        return;
    }
    cr_status status = *server ? CR_NOT_FOUND : cr_lab_find(cr_hub_of(req), &person, "", true, &s, &err);
    if (status == CR_NOT_FOUND)
        cr_rest_reply(req, 404, "User %s has no such server '%.80s'", person.name, server);
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (s->state != CR_LAB_STOPPED)
        cr_rest_reply(req, 400, "%s is active. Please stop it before modifying it.", person.name);
    else if (!json_is_object(json_object_get(req->json, "user_options")))
        cr_reply_error(req, 400, "user_options must be a dict", "");
    else if (cr_choice_set(s, json_object_get(req->json, "user_options"), &err) != CR_OK)
        cr_reply_err(req, &err);
    else {
        note_other(req, CR_AUDIT_SERVER_CHANGED, s);
        cr_reply_json(req, 200, cr_rest_server_model(req, s));
    }
}

void cr_api_server_change(cr_request *req) { change(req, ""); }
void cr_api_named_change(cr_request *req) { change(req, req->param[1]); }

void cr_api_named_progress(cr_request *req) {
    cr_person person;
    if (needs_server(req, CR_SCOPE_READ_SERVERS, req->param[1]) && cr_rest_find_person(req, req->param[0], &person))
        cr_rest_reply(req, 404, "%s has no server of this name", person.name);
}
