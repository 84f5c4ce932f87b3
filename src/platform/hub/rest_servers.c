/* rest_servers.c - the REST API of user servers: activity, start, stop, progress. */
#include "platform/hub/rest_servers.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "platform/hub/again.h"
#include "platform/hub/auditing.h"
#include "platform/hub/language.h"
#include "platform/hub/languages.h"
#include "platform/hub/named.h"
#include "platform/hub/notices.h"
#include "platform/hub/profile_choice.h"
#include "platform/hub/rest_time.h"

enum { ACTIVITY_FUTURE_MS = 59 * 60 * 1000, MESSAGE_MAX = 8 << 10 };

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
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], CR_SCOPE_USERS_ACTIVITY) || !cr_rest_find_person(req, req->param[0], &person) ||
        !cr_again_needs(req, person.id))
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

const char *cr_rest_server_name(const cr_request *req) { return req->param[1] ? req->param[1] : ""; }

bool cr_rest_needs_server(cr_request *req, cr_scope scope, const char *name) {
    const char *full_name = cr_arena_printf(&req->arena, "%s/%s", req->param[0], name);
    return CR_REST_NEEDS(req, CR_SCOPE_SERVER, full_name ? full_name : "", scope);
}

const char *cr_rest_log_name(cr_request *req, const cr_lab *s) {
    const char *name = s->name[0] ? cr_arena_printf(&req->arena, "%s:%s", s->user, s->name) : s->user;
    return name ? name : s->user;
}

/* The server that the path names; NULL when it was never made. false: replied. */
static bool find_server(cr_request *req, cr_scope scope, cr_person *person, cr_lab **ret_server) {
    const char *name = cr_rest_server_name(req);
    cr_err err = CR_ERR_INIT;
    if (!cr_rest_needs_server(req, scope, name) || !cr_rest_find_person(req, req->param[0], person))
        return false;
    if (!(req->method & (CR_GET | CR_HEAD)) && !cr_again_needs(req, person->id))
        return false;
    *ret_server = NULL;
    cr_status status = cr_lab_find(cr_hub_of(req), person, name, false, ret_server, &err);
    if (status == CR_OK || status == CR_NOT_FOUND)
        return true;
    cr_reply_err(req, &err);
    return false;
}

void cr_api_server_get(cr_request *req) {
    cr_person person;
    cr_lab *s;
    if (!find_server(req, CR_SCOPE_READ_SERVERS, &person, &s))
        return;
    if (s)
        cr_reply_json(req, 200, cr_rest_server_model(req, s));
    else if (*cr_rest_server_name(req))
        cr_rest_reply(req, 404, "%s has no server of this name", person.name);
    else
        cr_rest_reply(req, 404, "%s's server was never started", req->param[0]);
}

bool cr_rest_check_options(cr_request *req) {
    const json_t *name = json_object_get(req->json, "display_name"), *options = json_object_get(req->json, "user_options");
    const char *problem = json_is_array(req->json) && json_array_size(req->json) ? "Body must be a JSON object"
                          : name && !json_is_string(name) ? "display_name must be a string"
                          : options && !json_is_object(options) && !json_is_null(options) ? "user_options must be an object or null" : NULL;
    if (problem)
        cr_reply_error(req, 400, problem, "");
    return !problem;
}

const json_t *cr_rest_options_of(const cr_request *req) {
    const json_t *options = json_object_get(req->json, "user_options");
    if (!json_is_object(req->json) || json_object_size(req->json) == 0)
        return NULL;
    if (options || json_object_get(req->json, "display_name"))
        return json_is_object(options) ? options : NULL;
    return req->json;
}

void cr_rest_note_other(cr_request *req, cr_audit_kind kind, const cr_lab *s) {
    cr_actor who;
    cr_actor_of(req, &who);
    if (who.id != s->user_id)
        cr_audit_note(cr_hub_of(req), &who, kind, s->user, s->name);
}

/* Makes it when it is not there; a title in the body is taken. */
static cr_status prepare(cr_request *req, const cr_person *person, cr_lab **server, cr_err *err) {
    const char *name = cr_rest_server_name(req), *title = json_string_value(json_object_get(req->json, "display_name"));
    if (*name)
        CR_TRY(cr_named_check(cr_hub_of(req), person, name, *server ? CR_NAMED_USE : CR_NAMED_MAKE, err));
    if (*name && title && *title && !cr_named_title_is_right(title))
        return CR_FAIL(err, CR_INVALID, "Invalid display_name: %.80s", title);
    if (!*server)
        CR_TRY(cr_lab_find(cr_hub_of(req), person, name, true, server, err));
    return *name && title && *title ? cr_lab_set_title(*server, title, err) : CR_OK;
}

/* false: replied. */
static bool begin(cr_request *req, cr_lab *s) {
    const json_t *options = cr_rest_options_of(req);
    cr_err err = CR_ERR_INIT;
    if (s->state == CR_LAB_STOPPED)
        s->cleaning = false;
    if (s->state == CR_LAB_READY) {
        cr_rest_reply(req, 400, "%s is already running", cr_rest_log_name(req, s));
        return false;
    }
    if (!cr_notices_let_start(req, s))
        return false;
    if ((!options || (s->state != CR_LAB_STOPPED && s->state != CR_LAB_STOPPING) || cr_choice_set(s, options, &err) == CR_OK) &&
        cr_lab_start(s, &err) == CR_OK)
        return true;
    cr_reply_err(req, &err);
    return false;
}

/* A named server that was made for this request goes again when it was refused: what is wrong does not count as one of the person's. */
void cr_api_server_start(cr_request *req) {
    cr_person person;
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find_server(req, CR_SCOPE_START_SERVERS, &person, &s) || !cr_rest_check_options(req))
        return;
    bool made = !s && *cr_rest_server_name(req);
    if (prepare(req, &person, &s, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (begin(req, s)) {
        cr_rest_note_other(req, CR_AUDIT_SERVER_STARTED, s);
        cr_reply_empty(req, 202);
    } else if (made && cr_lab_remove(s, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "taking back a server that was refused", &err);
    }
}

static cr_status stop(cr_lab *s, bool remove, cr_err *err) { return remove ? cr_lab_remove(s, err) : cr_lab_stop(s, NULL, err); }

void cr_api_server_stop(cr_request *req) {
    const char *name = cr_rest_server_name(req);
    bool remove = json_is_true(json_object_get(req->json, "remove"));
    cr_person person;
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find_server(req, CR_SCOPE_DELETE_SERVERS, &person, &s))
        return;
    if (*name && !s && !cr_named_limit(cr_hub_of(req), &person))
        cr_reply_error(req, 400, "Named servers are not enabled.", "");
    else if (*name && !s)
        cr_rest_reply(req, 404, "%s has no server named '%.80s'", person.name, name);
    else if (!*name && remove)
        cr_reply_error(req, 400, "Cannot delete the default server", "");
    else if (!s || (s->state == CR_LAB_STOPPED && !remove))
        cr_reply_empty(req, 204);
    else {
        bool ran = s->state != CR_LAB_STOPPED;
        if (stop(s, remove, &err) != CR_OK) {
            cr_reply_err(req, &err);
            return;
        }
        if (ran)
            cr_rest_note_other(req, CR_AUDIT_SERVER_STOPPED, s);
        cr_reply_empty(req, s->state == CR_LAB_STOPPED ? 204 : 202);
    }
}

typedef struct watcher {
    cr_lab_listener listener;
    cr_stream *stream;
    const cr_texts *texts;    /* of a page of ours, in its reader's language; NULL: English, as for programs */
} watcher;

static void on_gone(void *user) {
    watcher *w = user;
    cr_lab_unlisten(&w->listener);
    free(w);
}

static void translate(json_t *event, const cr_texts *texts) {
    cr_auto_buf cr_buf said;
    cr_buf_init(&said, MESSAGE_MAX);
    cr_texts_say(texts, json_string_value(json_object_get(event, "message")), &said);
    if (!said.failed)
        json_object_set_new(event, "message", json_string(cr_buf_str(&said)));
}

static void on_change(void *user, const cr_lab *s) {
    watcher *w = user;
    json_t *event = cr_lab_progress(s);
    if (w->texts)
        translate(event, w->texts);
    cr_stream_send(w->stream, event);
    json_decref(event);
    if (s->state == CR_LAB_READY || s->state == CR_LAB_STOPPED) {
        cr_stream_end(w->stream);
        cr_lab_unlisten(&w->listener);
        free(w);
    }
}

void cr_api_progress(cr_request *req) {
    cr_person person;
    cr_lab *s;
    if (!find_server(req, CR_SCOPE_READ_SERVERS, &person, &s))
        return;
    if (!s && *cr_rest_server_name(req)) {
        cr_rest_reply(req, 404, "%s has no server of this name", person.name);
        return;
    }
    if (!s || (s->state == CR_LAB_STOPPED && !s->failed)) {
        cr_rest_reply(req, 400, "%s is not starting...", s ? cr_rest_log_name(req, s) : person.name);
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
    if (c->signed_in && cr_pairs_get(&req->query, "page"))
        w->texts = cr_site_languages(cr_hub_of(req)->site)->at[cr_language_of(req)].texts;
    cr_lab_listen(s, &w->listener, on_change, w);
    on_change(w, s);
}
