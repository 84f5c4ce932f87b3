/* rest.c - the calls of JupyterHub's REST API that user servers and programs make. */
#include "platform/hub/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/lab.h"

enum { LIST_MAX = 200, ACTIVITY_FUTURE_MS = 59 * 60 * 1000 };

/* Clients try it before anything else and read only the header X-JupyterHub-Version. */
void cr_api_version(cr_request *req) { cr_reply_json(req, 200, json_pack("{s:s}", "version", CR_JUPYTERHUB_VERSION)); }

void cr_api_health(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_proxy_state proxy;
    cr_proxy_get_state(hub->proxy, &proxy);
    cr_reply_json(req, 200, json_pack("{s:s, s:b, s:b}", "status", "ok", "proxy", proxy.connected, "recovering", hub->recovering));
}

static bool only_admin(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    if (c->person.admin && (!c->by_token || c->token.kind == CR_TOKEN_API))
        return true;
    cr_reply_error(req, 403, "Action is not authorized with current scopes.", "");
    return false;
}

void cr_api_info(cr_request *req) {
    if (only_admin(req))
        cr_reply_json(req, 200, json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "version", CR_JUPYTERHUB_VERSION, "python", "",
                                          "sys_executable", "", "spawner", "class", cr_hub_of(req)->runner->ops->name, "version", "",
                                          "authenticator", "class", "craton", "version", ""));
}

static json_t *time_or_null(int64_t wall_ms) {
    char buf[32];
    return wall_ms ? json_string(cr_iso8601(wall_ms, buf, sizeof buf)) : json_null();
}

/* What the holder of this credential may do, expanded as JupyterHub does; a session may do what its person may. */
static json_t *scopes_of(const cr_caller *c) {
    const char *n = c->person.name;
    if (!c->by_token || c->token.kind == CR_TOKEN_API)
        return json_pack("[s+, s+, s+, s+, s+, s+, s+]", "access:servers!user=", n, "read:users!user=", n, "read:users:name!user=", n,
                         "read:servers!user=", n, "start:servers!user=", n, "delete:servers!user=", n, "users:activity!user=", n);
    if (c->token.kind == CR_TOKEN_OAUTH)
        return json_pack("[s+++, s+, s+]", "access:servers!server=", n, "/", c->token.server, "read:users:groups!user=", n,
                         "read:users:name!user=", n);
    return json_pack("[s+++, s+, s+, s+, s+]", "access:servers!server=", n, "/", c->token.server, "read:users:activity!user=", n,
                     "read:users:groups!user=", n, "read:users:name!user=", n, "users:activity!user=", n);
}

static void add_group(void *user, const char *group) { json_array_append_new(user, json_string(group)); }

/* Groups as the person's providers named them; none when they cannot be read: fewer rights, never more. */
static json_t *groups_of(cr_hub *hub, const cr_person *p) {
    json_t *groups = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_identity_groups(hub->db, p->id, add_group, groups, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "reading groups", &err);
        json_array_clear(groups);
    }
    return groups;
}

static json_t *user_model(cr_hub *hub, const cr_person *p, bool with_servers) {
    json_t *servers = json_object();
    const char *pending = NULL, *url = NULL;
    char prefix[CR_URL_MAX];
    cr_lab *s;
    cr_err err;
    if (with_servers && cr_lab_find(hub, p, "", false, &s, &err) == CR_OK && s->state != CR_LAB_STOPPED) {
        pending = s->state == CR_LAB_READY ? NULL : s->state == CR_LAB_STOPPING ? "stop" : "spawn";
        if (s->state == CR_LAB_READY)
            url = cr_url_prefix(s->user, "", prefix, sizeof prefix);
        json_object_set_new(servers, "", cr_lab_model(s));
    }
    return json_pack("{s:s, s:s, s:b, s:[s], s:o, s:s?, s:s?, s:o, s:o, s:o}", "kind", "user", "name", p->name, "admin", p->admin, "roles",
                     p->admin ? "admin" : "user", "groups", groups_of(hub, p), "server", url, "pending", pending, "created", time_or_null(p->created_ms),
                     "last_activity", time_or_null(p->last_activity_ms), "servers", servers);
}

/* What JupyterLab shows of the person. */
static json_t *user_info(cr_hub *hub, const cr_person *p) {
    char shown[CR_OIDC_SUBJECT_MAX + 1];
    cr_err err = CR_ERR_INIT;
    if (cr_identity_shown(hub->db, p->id, shown, &err) != CR_OK || !shown[0])
        snprintf(shown, sizeof shown, "%s", p->name);
    return json_pack("{s:s, s:s}", "name", p->name, "display_name", shown);
}

/* GET /hub/api/user: who holds this token? 403 for an unknown one comes from the gate (never 401: clients sign out on 403 only). */
void cr_api_user(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    bool full = !c->by_token || c->token.kind == CR_TOKEN_API;
    json_t *model = user_model(cr_hub_of(req), &c->person, full);
    char id[32];
    snprintf(id, sizeof id, "a%lld", (long long)c->token.id);
    if (c->by_token) {
        json_object_set_new(model, "token_id", json_string(id));
        if (!full)
            json_object_set_new(model, "admin", json_false());   /* what the user's own code sees of it grants nothing */
    }
    json_t *session = json_null();
    if (c->by_token && c->token.session_id) {
        snprintf(id, sizeof id, "%lld", (long long)c->token.session_id);
        session = json_string(id);
    }
    json_object_set_new(model, "session_id", session);
    json_object_set_new(model, "user_info", user_info(cr_hub_of(req), &c->person));
    json_object_set_new(model, "scopes", scopes_of(c));
    cr_reply_json(req, 200, model);
}

/* ---- people ---- */

/* The person of /users/:name, whom the caller may see: themselves, everybody for administrators. */
static bool find_person(cr_request *req, cr_person *ret_person) {
    const cr_caller *c = cr_caller_of(req);
    cr_err err = CR_ERR_INIT;
    bool own = strcmp(req->param[0], c->person.name) == 0;
    bool admin = c->person.admin && (!c->by_token || c->token.kind == CR_TOKEN_API);
    if (!own && !admin) {
        cr_reply_error(req, 404, "No such user, or not yours to see.", "");
        return false;
    }
    if (cr_person_find(cr_hub_of(req)->db, req->param[0], ret_person, &err) == CR_OK)
        return true;
    cr_reply_err(req, &err);
    return false;
}

/* Start, stop and watch: a person's session or own token, not what lies in the environment of a user server. */
static bool may_manage(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    if (!c->by_token || c->token.kind == CR_TOKEN_API)
        return true;
    cr_reply_error(req, 403, "Action is not authorized with current scopes.", "");
    return false;
}

void cr_api_user_get(cr_request *req) {
    cr_person person;
    if (may_manage(req) && find_person(req, &person))
        cr_reply_json(req, 200, user_model(cr_hub_of(req), &person, true));
}

static bool number_arg(cr_request *req, const char *name, int64_t max, int64_t *value) {
    const char *text = cr_pairs_get(&req->query, name);
    if (!text || cr_parse_int(text, 0, max, value, NULL) == CR_OK)
        return true;
    cr_reply_error(req, 400, "limit and offset must be numbers from 0 on", "");
    return false;
}

void cr_api_users(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    int64_t limit = 50, offset = 0, total = 0;
    if (!only_admin(req) || !number_arg(req, "limit", INT64_MAX, &limit) || !number_arg(req, "offset", INT64_MAX, &offset))
        return;
    limit = CR_MAX(CR_MIN(limit, LIST_MAX), 1);
    const char *state = cr_pairs_get(&req->query, "state");
    int running = !state ? -1 : strcmp(state, "inactive") == 0 ? 0 : strcmp(state, "ready") == 0 || strcmp(state, "active") == 0 ? 1 : -2;
    if (running == -2) {
        cr_reply_error(req, 400, "state must be active, ready or inactive", "");
        return;
    }
    cr_person page[LIST_MAX];
    int n = 0;
    cr_err err = CR_ERR_INIT;
    cr_query q = CR_QUERY_INIT;
    cr_status status = cr_query_open(hub->db, &q, &err,
        "SELECT " CR_PERSON_COLUMNS ", count(*) OVER () FROM users u WHERE ?1 < 0 OR "
        "EXISTS (SELECT 1 FROM servers s WHERE s.user_id = u.id AND s.running = 1) = ?1 ORDER BY u.id LIMIT ?2 OFFSET ?3",
        "iii", (int64_t)running, limit, offset);
    while (status == CR_OK && n < LIST_MAX && cr_query_next(&q)) {
        cr_person_read(&q, &page[n++]);
        total = cr_query_int(&q, CR_PERSON_N_COLUMNS);
    }
    if (status == CR_OK)
        status = cr_query_end(&q, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    json_t *items = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(items, user_model(hub, &page[i], true));
    const char *accept = cr_request_header(req, "Accept");
    if (!accept || !strstr(accept, "application/jupyterhub-pagination+json")) {
        cr_reply_json(req, 200, items);
        return;
    }
    json_t *next = json_null();
    if (offset + n < total && n) {
        char url[CR_URL_MAX];
        snprintf(url, sizeof url, "%s/hub/api/users?limit=%lld&offset=%lld%s%s", hub->hub_origin, (long long)limit, (long long)(offset + n),
                 state ? "&state=" : "", state ? state : "");
        next = json_pack("{s:I, s:I, s:s}", "offset", (json_int_t)(offset + n), "limit", (json_int_t)limit, "url", url);
    }
    cr_reply_json(req, 200, json_pack("{s:o, s:{s:I, s:I, s:I, s:o}}", "items", items, "_pagination", "offset", (json_int_t)offset, "limit",
                                      (json_int_t)limit, "total", (json_int_t)total, "next", next));
}

/* ---- activity: kept in memory, written once a minute when it changed ---- */

/* YYYY-MM-DDTHH:MM:SS[.fraction]Z (or +00:00) as ms since 1970; false for anything else. */
static bool parse_time(const char *text, int64_t *ret_ms) {
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    int64_t ms = 0;
    if (*rest == '.') {
        rest++;
        for (int scale = 100; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            ms += (*rest - '0') * scale;
    }
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "+00:00") != 0 && *rest)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return true;
}

static bool take_time(cr_request *req, const json_t *value, int64_t *ret_ms) {
    if (json_is_string(value) && parse_time(json_string_value(value), ret_ms) && *ret_ms >= 0 && *ret_ms <= cr_wall_ms() + ACTIVITY_FUTURE_MS)
        return true;
    cr_reply_error(req, 400, "last_activity must be a time in UTC that is not in the future", "");
    return false;
}

void cr_api_activity(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_person person;
    if (!find_person(req, &person))
        return;
    const json_t *servers = json_object_get(req->json, "servers"), *own = json_object_get(req->json, "last_activity");
    if (!json_is_object(req->json) || (servers && !json_is_object(servers)) || (!servers && !own)) {
        cr_reply_error(req, 400, "the body must be an object with last_activity or servers", "");
        return;
    }
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
                cr_reply_error(req, 400, "No such server.", "");
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

static bool find_server(cr_request *req, bool make, cr_lab **ret_server) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (!may_manage(req) || !find_person(req, &person))
        return false;
    if (cr_lab_find(cr_hub_of(req), &person, "", make, ret_server, &err) == CR_OK)
        return true;
    cr_reply_err(req, &err);
    return false;
}

void cr_api_server_start(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find_server(req, true, &s))
        return;
    if (s->state == CR_LAB_READY)
        cr_reply_error(req, 400, "This server is already running.", "");
    else if (cr_lab_start(s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply_empty(req, 202);
}

void cr_api_server_stop(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find_server(req, false, &s))
        return;
    if (s->state == CR_LAB_STOPPED)
        cr_reply_empty(req, 204);
    else if (cr_lab_stop(s, NULL, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply_empty(req, 202);
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
    if (!find_server(req, false, &s))
        return;
    if (s->state == CR_LAB_STOPPED && !s->failed) {
        cr_reply_error(req, 400, "This server is not starting.", "");
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
