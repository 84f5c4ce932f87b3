/* rest.c - the calls of JupyterHub's REST API that user servers and programs make. */
#include "platform/hub/hub.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/lab.h"

enum { LIST_MAX = 200, ACTIVITY_FUTURE_MS = 59 * 60 * 1000 };

/* Clients try it before anything else and read only the header X-JupyterHub-Version. */
void cr_api_version(cr_request *req) {
    cr_reply_header(req, "Access-Control-Allow-Origin", "*");   /* as JupyterHub, for this answer alone: it says nothing about anybody */
    cr_reply_json(req, 200, json_pack("{s:s}", "version", CR_JUPYTERHUB_VERSION));
}

void cr_api_health(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_proxy_state proxy;
    cr_proxy_get_state(hub->proxy, &proxy);
    cr_reply_json(req, 200, json_pack("{s:s, s:b, s:b}", "status", "ok", "proxy", proxy.connected, "recovering", hub->recovering));
}

static void format_reply(cr_request *req, int status, const char *format, ...) CR_PRINTF(3, 4);

static void format_reply(cr_request *req, int status, const char *format, ...) {
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    cr_reply_error(req, status, message, "");
}

static bool is_admin(const cr_caller *c) { return c->person.admin && (!c->by_token || c->token.kind == CR_TOKEN_API); }

/* scope: what JupyterHub asks for this call, for the message. */
static bool only_admin(cr_request *req, const char *scope) {
    if (is_admin(cr_caller_of(req)))
        return true;
    format_reply(req, 403, "Action is not authorized with current scopes; requires any of [%s]", scope);
    return false;
}

void cr_api_info(cr_request *req) {
    if (only_admin(req, "read:hub"))
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

/* What JupyterLab shows of the person. */
static json_t *user_info(cr_hub *hub, const cr_person *p) {
    char shown[CR_OIDC_SUBJECT_MAX + 1];
    cr_err err = CR_ERR_INIT;
    if (cr_identity_shown(hub->db, p->id, shown, &err) != CR_OK || !shown[0])
        snprintf(shown, sizeof shown, "%s", p->name);
    return json_pack("{s:s, s:s}", "name", p->name, "display_name", shown);
}

/* Everybody has the role user, as in JupyterHub. */
static json_t *roles_of(const cr_person *p) { return p->admin ? json_pack("[s, s]", "user", "admin") : json_pack("[s]", "user"); }

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
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:s?, s:s?, s:o, s:o, s:o}", "kind", "user", "name", p->name, "admin", p->admin,
                     "roles", roles_of(p), "user_info", user_info(hub, p), "groups", groups_of(hub, p), "server", url, "pending", pending,
                     "created", time_or_null(p->created_ms), "last_activity", time_or_null(p->last_activity_ms), "servers", servers);
}

/* The model as this caller sees it: administrators find that no state of the sign-in is kept for programs. */
static json_t *model_for(const cr_request *req, const cr_person *p, bool with_servers) {
    json_t *model = user_model(cr_hub_of(req), p, with_servers);
    if (is_admin(cr_caller_of(req)))
        json_object_set_new(model, "auth_state", json_null());
    return model;
}

/* GET /hub/api/user: who holds this token? 403 for an unknown one comes from the gate (never 401: clients sign out on 403 only). */
void cr_api_user(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    bool full = !c->by_token || c->token.kind == CR_TOKEN_API;
    json_t *model = model_for(req, &c->person, full);
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
    json_object_set_new(model, "scopes", scopes_of(c));
    cr_reply_json(req, 200, model);
}

/* ---- people ---- */

/* The person of /users/:name, whom the caller may see: themselves, everybody for administrators. */
static bool find_person(cr_request *req, cr_person *ret_person) {
    const cr_caller *c = cr_caller_of(req);
    cr_err err = CR_ERR_INIT;
    if (strcmp(req->param[0], c->person.name) != 0 && !is_admin(c)) {
        cr_reply_error(req, 404, "No access to resources or resources not found", "");
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
        cr_reply_json(req, 200, model_for(req, &person, true));
}

static bool number_arg(cr_request *req, const char *name, int64_t min, int64_t *value) {
    const char *text = cr_pairs_get(&req->query, name);
    if (!text || cr_parse_int(text, min, INT64_MAX, value, NULL) == CR_OK)
        return true;
    cr_reply_error(req, 400, "Invalid argument type, offset and limit must be integers", "");
    return false;
}

/* The name is searched as it is, without wildcards: those could keep the database busy for long. */
#define LISTED(running, filter) \
    "FROM users u WHERE (" running " < 0 OR EXISTS (SELECT 1 FROM servers s WHERE s.user_id = u.id AND s.running = 1) = " running ") " \
    "AND (" filter " IS NULL OR instr(u.name, lower(" filter ")) > 0) "
#define LIST_BY(order) "SELECT " CR_PERSON_COLUMNS ", count(*) OVER () " LISTED("?1", "?4") "ORDER BY " order " LIMIT ?2 OFFSET ?3"

static const struct { const char *name, *sql; } list_orders[] = {
    {"id", LIST_BY("u.id")},
    {"-id", LIST_BY("u.id DESC")},
    {"name", LIST_BY("u.name")},
    {"-name", LIST_BY("u.name DESC")},
    {"last_activity", LIST_BY("u.last_activity_ms, u.id")},
    {"-last_activity", LIST_BY("u.last_activity_ms DESC, u.id")},
};

/* NULL: replied. */
static const char *list_sql(cr_request *req) {
    const char *sort = cr_pairs_get(&req->query, "sort");
    for (size_t i = 0; i < CR_ARRAY_LEN(list_orders); i++)
        if (!sort || !*sort || strcmp(sort, list_orders[i].name) == 0)
            return list_orders[i].sql;
    format_reply(req, 400, "sort must be 'id', 'name', or 'last_activity', not '%.80s'", sort);
    return NULL;
}

/* A page past the end has no row that could say it. */
static cr_status count_listed(cr_db *db, int running, const char *filter, int64_t *ret_total, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT count(*) " LISTED("?1", "?2"), "it", (int64_t)running, filter));
    while (cr_query_next(&q))
        *ret_total = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

void cr_api_users(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    int64_t limit = 50, offset = 0, total = 0;
    if (!only_admin(req, "list:users") || !number_arg(req, "limit", INT64_MIN, &limit) || !number_arg(req, "offset", 0, &offset))
        return;
    limit = CR_MAX(CR_MIN(limit, LIST_MAX), 1);
    const char *state = cr_pairs_get(&req->query, "state");
    if (state && !*state)
        state = NULL;
    const char *filter = cr_pairs_get(&req->query, "name_filter"), *sort = cr_pairs_get(&req->query, "sort");
    int running = !state ? -1 : strcmp(state, "inactive") == 0 ? 0 : strcmp(state, "ready") == 0 || strcmp(state, "active") == 0 ? 1 : -2;
    if (running == -2) {
        format_reply(req, 400, "Unrecognized state filter: '%.80s'", state);
        return;
    }
    const char *sql = list_sql(req);
    if (!sql)
        return;
    cr_person page[LIST_MAX];
    int n = 0;
    cr_err err = CR_ERR_INIT;
    cr_query q = CR_QUERY_INIT;
    cr_status status = cr_query_open(hub->db, &q, &err, sql, "iiit", (int64_t)running, limit, offset, filter);
    while (status == CR_OK && n < LIST_MAX && cr_query_next(&q)) {
        cr_person_read(&q, &page[n++]);
        total = cr_query_int(&q, CR_PERSON_N_COLUMNS);
    }
    if (status == CR_OK)
        status = cr_query_end(&q, &err);
    if (status == CR_OK && n == 0 && offset > 0)
        status = count_listed(hub->db, running, filter, &total, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    json_t *items = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(items, model_for(req, &page[i], true));
    const char *accept = cr_request_header(req, "Accept");
    if (!accept || !strstr(accept, "application/jupyterhub-pagination+json")) {
        cr_reply_json(req, 200, items);
        return;
    }
    json_t *next = json_null();
    if (offset + n < total && n) {
        cr_auto_buf cr_buf url;
        cr_buf_init(&url, 4 * CR_HTTP_TARGET_MAX);
        cr_buf_addf(&url, "%s/hub/api/users?limit=%lld&offset=%lld", hub->hub_origin, (long long)limit, (long long)(offset + n));
        const char *const kept[] = {"state", state, "name_filter", filter, "sort", sort};
        for (size_t i = 0; i < CR_ARRAY_LEN(kept); i += 2)
            if (kept[i + 1]) {
                cr_buf_addf(&url, "&%s=", kept[i]);
                cr_percent_encode(&url, kept[i + 1], "");
            }
        next = json_pack("{s:I, s:I, s:s}", "offset", (json_int_t)(offset + n), "limit", (json_int_t)limit, "url", cr_buf_str(&url));
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
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (!parse_time(text, ret_ms) || *ret_ms < 0)
        format_reply(req, 400, "Not a valid timestamp: '%.80s'", text);
    else if (*ret_ms > cr_wall_ms() + ACTIVITY_FUTURE_MS)
        format_reply(req, 400, "Rejecting activity from more than an hour in the future: %.80s", text);
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
    if (!find_person(req, &person))
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
                format_reply(req, 400, "No such server '%.80s' for user %s", name, person.name);
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

/* A server that was never started is NULL unless it shall be made. false: replied. */
static bool find_server(cr_request *req, bool make, cr_lab **ret_server) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (!may_manage(req) || !find_person(req, &person))
        return false;
    *ret_server = NULL;
    cr_status status = cr_lab_find(cr_hub_of(req), &person, "", make, ret_server, &err);
    if (status == CR_OK || (status == CR_NOT_FOUND && !make))
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
    if (!s || s->state == CR_LAB_STOPPED)
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
    if (!s || (s->state == CR_LAB_STOPPED && !s->failed)) {
        format_reply(req, 400, "%s is not starting...", req->param[0]);
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

/* ---- what JupyterHub has and this hub refuses, by decision or because it is not there yet ---- */

void cr_api_no_named(cr_request *req) {
    cr_person person;
    if (may_manage(req) && find_person(req, &person))
        cr_reply_error(req, 400, "Named servers are not enabled.", "");
}

static void reply_later(cr_request *req) {
    cr_reply_error(req, 501, "This call of JupyterHub is not available in this hub.", "docs/rest.md lists those that are");
}

/* Calls that only administrators may make: others hear which scope is missing, as they would from JupyterHub. */
static const struct { unsigned method; const char *path, *scope; } later[] = {
    {CR_POST,   "/hub/api/users",       "admin:users"},
    {CR_GET,    "/hub/api/groups",      "list:groups"},
    {CR_POST,   "/hub/api/groups",      "admin:groups"},
    {CR_POST,   "/hub/api/groups/",     "admin:groups"},
    {CR_DELETE, "/hub/api/groups/",     "delete:groups"},
    {CR_GET,    "/hub/api/services",    "list:services"},
    {CR_GET,    "/hub/api/proxy",       "proxy"},
    {CR_POST,   "/hub/api/shutdown",    "shutdown"},
    {CR_POST,   "/hub/api/users/",      "admin:users"},
    {CR_PATCH,  "/hub/api/users/",      "admin:users"},
    {CR_DELETE, "/hub/api/users/",      "delete:users"},
};

void cr_api_later(cr_request *req) {
    unsigned method = req->method == CR_HEAD ? CR_GET : req->method;
    for (size_t i = 0; i < CR_ARRAY_LEN(later); i++) {
        size_t n = strlen(later[i].path);
        bool fits = later[i].path[n - 1] == '/' ? strncmp(req->path, later[i].path, n) == 0 : strcmp(req->path, later[i].path) == 0;
        if (later[i].method == method && fits && !only_admin(req, later[i].scope))
            return;
    }
    reply_later(req);
}

void cr_api_later_own(cr_request *req) {
    cr_person person;
    if (may_manage(req) && find_person(req, &person))
        reply_later(req);
}
