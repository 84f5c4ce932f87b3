/* rest.c - what the files of the REST API share: rights, bodies, pages. */
#include "platform/hub/oauth.h"
#include "platform/hub/rest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/identity/groups.h"
#include "platform/identity/share.h"

void cr_rest_reply(cr_request *req, int status, const char *format, ...) {
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    cr_text_clean(message);      /* a name may have been cut inside a character */
    cr_reply_error(req, status, message, "");
}

json_t *cr_rest_time(int64_t wall_ms) {
    char buf[32];
    return wall_ms ? json_string(cr_iso8601(wall_ms, buf, sizeof buf)) : json_null();
}

void cr_rest_add_text(void *array, const char *text) { json_array_append_new(array, json_string(text)); }

/* ---- rights ---- */

/* Not in the group when the database does not answer: fewer rights, never more. */
static bool is_member(void *arg, const char *group, const char *user) {
    cr_hub *hub = arg;
    bool has = false;
    cr_err err = CR_ERR_INIT;
    if (cr_group_has(hub->db, group, user, &has, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking into a group", &err);
    return has;
}

cr_scope_members cr_rest_members(cr_hub *hub) { return (cr_scope_members){is_member, hub}; }

/* Texts of a token of its own; true: it inherits. */
static bool add_texts(cr_scopes *set, const char *scopes, const cr_scope_owner *owner) {
    json_t *list = json_loads(scopes, 0, NULL);
    bool inherits = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text && strcmp(text, "inherit") == 0)
            inherits = true;
        else if (text)
            cr_scopes_add(set, text, owner);
    }
    json_decref(list);
    return inherits;
}

typedef struct given {
    cr_scopes *set;
    const cr_scope_owner *owner;
} given;

/* Others decide how many shares a person is given: they must not fill the set, which would then grant nothing. */
enum { GIVEN_FILTERS_MAX = CR_SCOPE_FILTERS_MAX / 8 };

static void add_given(void *user, const cr_share *share) {
    const given *g = user;
    json_t *list = json_loads(share->scopes, 0, NULL);
    for (size_t i = 0; i < json_array_size(list) && g->set->n_filters < GIVEN_FILTERS_MAX; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        const char *text = name ? cr_arena_printf(g->set->arena, "%s!server=%s/%s", name, share->owner, share->server) : NULL;
        if (text)
            cr_scopes_add(g->set, text, g->owner);
    }
    json_decref(list);
}

void cr_rest_person_scopes(cr_hub *hub, const cr_person *person, cr_scopes *out) {
    const cr_scope_owner owner = {person->name, NULL, NULL};
    const cr_share_filter mine = {.reaches_id = person->id};
    given g = {out, &owner};
    cr_err err = CR_ERR_INIT;
    const cr_scope_members members = cr_rest_members(hub);
    cr_scopes_add_roles(out, person->name, person->admin);
    for (int i = 0; i < hub->roles->n; i++)
        if (cr_role_is_of_person(&hub->roles->at[i], person->name, &members))
            cr_role_add_scopes(&hub->roles->at[i], &owner, out);
    if (cr_share_list(hub->db, &mine, GIVEN_FILTERS_MAX, 0, add_given, &g, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking for shares", &err);
}

json_t *cr_rest_group_roles(const cr_hub *hub, const char *group) {
    json_t *list = json_array();
    for (int i = 0; i < hub->roles->n; i++)
        if (cr_role_is_of_group(&hub->roles->at[i], group))
            json_array_append_new(list, json_string(hub->roles->at[i].name));
    return list;
}

json_t *cr_rest_service_roles(const cr_hub *hub, const cr_service *service) {
    json_t *list = service->admin ? json_pack("[s]", "admin") : json_array();
    for (int i = 0; i < hub->roles->n; i++)
        if (cr_role_is_of_service(&hub->roles->at[i], service->name))
            json_array_append_new(list, json_string(hub->roles->at[i].name));
    return list;
}

void cr_rest_service_scopes(const cr_hub *hub, const cr_service *service, cr_scopes *out) {
    const cr_scope_owner owner = {.service = service->name};
    cr_service_add_scopes(service, out);
    for (int i = 0; i < hub->roles->n; i++)
        if (cr_role_is_of_service(&hub->roles->at[i], service->name))
            cr_role_add_scopes(&hub->roles->at[i], &owner, out);
}

void cr_rest_token_scopes(cr_hub *hub, const cr_person *person, const cr_token_of *of, const char *scopes, cr_scopes *out) {
    cr_scopes all;
    cr_scopes_init(&all, out->arena);
    cr_rest_person_scopes(hub, person, &all);
    cr_rest_token_scopes_from(hub, person, &all, of, scopes, out);
}

void cr_rest_token_scopes_from(cr_hub *hub, const cr_person *person, const cr_scopes *all, const cr_token_of *of, const char *scopes, cr_scopes *out) {
    const cr_token_kind kind = of->kind;
    const cr_scope_owner owner = {person->name, kind == CR_TOKEN_API ? "" : of->server, NULL};
    const cr_scope_members members = cr_rest_members(hub);
    cr_scopes own;
    cr_scopes_init(&own, out->arena);
    if (of->client && of->client[0]) {
        cr_oauth_service_scopes(hub, person, of->client, scopes, all, out);
        return;
    }
    if (kind == CR_TOKEN_API && (!scopes || add_texts(&own, scopes, &owner))) {
        *out = *all;
        return;
    }
    if (kind == CR_TOKEN_SERVER)
        for (const char *const *text = cr_scope_role("server"); *text; text++)
            cr_scopes_add(&own, *text, &owner);
    else if (kind == CR_TOKEN_OAUTH)
        cr_scopes_add(&own, "access:servers!server", &owner);
    /* Every token may learn whose it is. */
    cr_scopes_add(&own, "read:users:name!user", &owner);
    cr_scopes_add(&own, "read:users:groups!user", &owner);
    cr_scopes_intersect(out, &own, all, &members);
}

const cr_scopes *cr_rest_scopes(cr_request *req) {
    static const cr_scopes nothing = {.failed = true};
    cr_caller *c = cr_caller_of(req);
    cr_hub *hub = cr_hub_of(req);
    if (c->scopes)
        return c->scopes;
    cr_scopes *set = cr_arena_alloc(&req->arena, sizeof *set);
    const char *texts = NULL;
    cr_err err = CR_ERR_INIT;
    if (!set || (!c->signed_in && !c->by_token))
        return &nothing;
    cr_scopes_init(set, &req->arena);
    if (c->service) {
        cr_rest_service_scopes(hub, c->service, set);
        return c->scopes = set;
    }
    if (c->by_token && c->token.narrowed && cr_token_scopes(hub->db, c->token.id, &req->arena, &texts, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "reading the scopes of a token", &err);
        return &nothing;
    }
    const cr_token_of of = {c->by_token ? c->token.kind : CR_TOKEN_API, c->token.server, c->token.client};
    cr_rest_token_scopes(hub, &c->person, &of, texts, set);
    c->scopes = set;
    return set;
}

bool cr_rest_may(cr_request *req, cr_scope scope, cr_scope_kind kind, const char *value) {
    const cr_scope_members members = cr_rest_members(cr_hub_of(req));
    return cr_scopes_allow(cr_rest_scopes(req), scope, kind, value, &members);
}

bool cr_rest_needs_any(cr_request *req, cr_scope_kind kind, const char *value, int n, const cr_scope *scopes) {
    bool held = false;
    char names[400] = "";
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        if (cr_rest_may(req, scopes[i], kind, value))
            return true;
        held |= cr_scopes_mention(cr_rest_scopes(req), scopes[i]);
        if (len < sizeof names)
            len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "", cr_scope_name(scopes[i]));
    }
    if (kind != CR_SCOPE_ANY && held)
        cr_reply_error(req, 404, "No access to resources or resources not found", "");
    else
        cr_rest_reply(req, 403, "Action is not authorized with current scopes; requires any of [%s]", names);
    return false;
}

bool cr_rest_filter(cr_request *req, cr_scope scope, cr_scope_kind kind, const char **ret_list) {
    const cr_scopes *set = cr_rest_scopes(req);
    *ret_list = NULL;
    if (cr_scopes_allow(set, scope, CR_SCOPE_ANY, NULL, NULL))
        return true;
    json_t *values = json_array();
    for (const cr_scope_filter *f = set->failed ? NULL : set->at[scope].filters; f; f = f->next)
        if (f->kind == kind)
            json_array_append_new(values, json_string(f->value));
    cr_auto_free char *text = json_dumps(values, JSON_COMPACT);
    json_decref(values);
    *ret_list = text ? cr_arena_strdup(&req->arena, text) : NULL;
    if (!*ret_list)
        cr_reply_error(req, 507, "no memory", "");
    return *ret_list != NULL;
}

/* ---- bodies ---- */

static const char *python_type(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "dict";
    case JSON_ARRAY: return "list";
    case JSON_STRING: return "str";
    case JSON_INTEGER: return "int";
    case JSON_REAL: return "float";
    case JSON_NULL: return "NoneType";
    default: return "bool";
    }
}

static const cr_rest_field *field_of(const char *name, const cr_rest_field *fields, int n) {
    for (int i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

bool cr_rest_check_body(cr_request *req, const char *what, const cr_rest_field *fields, int n_fields) {
    const char *key;
    json_t *value;
    if (!json_is_object(req->json)) {
        cr_reply_error(req, 400, "Invalid JSON data: it must be an object", "");
        return false;
    }
    json_object_foreach(req->json, key, value) {
        if (!field_of(key, fields, n_fields)) {
            cr_rest_reply(req, 400, "Invalid JSON keys: %.80s", key);
            return false;
        }
    }
    json_object_foreach(req->json, key, value) {
        const cr_rest_field *f = field_of(key, fields, n_fields);
        if (json_typeof(value) != f->type && !(f->type == JSON_TRUE && json_is_boolean(value))) {
            static const char *const types[] = {[JSON_OBJECT] = "dict", [JSON_ARRAY] = "list", [JSON_STRING] = "str", [JSON_TRUE] = "bool"};
            cr_rest_reply(req, 400, "%s.%s must be <class '%s'>, not: <class '%s'>", what, key, types[f->type], python_type(value));
            return false;
        }
    }
    return true;
}

bool cr_rest_find_person(cr_request *req, const char *name, cr_person *ret_person) {
    cr_hub *hub = cr_hub_of(req);
    cr_err err = CR_ERR_INIT;
    cr_removal_row removal = {0};
    cr_status status = cr_person_find(hub->db, name, ret_person, &err);
    if (status == CR_OK)
        status = cr_removal_find(hub, ret_person->id, &removal, &err);
    if (status == CR_OK && removal.wanted)
        status = CR_NOT_FOUND;
    if (status == CR_NOT_FOUND)
        cr_rest_reply(req, 404, "No such user: %.80s", name);
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    return status == CR_OK;
}

/* ---- pages ---- */

static bool number_arg(cr_request *req, const char *name, int64_t min, int64_t *value) {
    const char *text = cr_pairs_get(&req->query, name);
    if (!text || cr_parse_int(text, min, INT64_MAX, value, NULL) == CR_OK)
        return true;
    cr_reply_error(req, 400, "Invalid argument type, offset and limit must be integers", "");
    return false;
}

/* One of the types of the header Accept, in any case. */
static bool accepts(const cr_request *req, const char *type) {
    const char *list = cr_request_header(req, "Accept");
    size_t n = strlen(type);
    while (list && *list) {
        list += strspn(list, " \t,");
        size_t len = strcspn(list, ",");
        size_t end = len;
        while (end && (list[end - 1] == ' ' || list[end - 1] == '\t'))
            end--;
        if (end == n && strncasecmp(list, type, n) == 0)
            return true;
        list += len;
    }
    return false;
}

bool cr_rest_read_page(cr_request *req, cr_rest_page *page) {
    page->wanted = accepts(req, "application/jupyterhub-pagination+json");
    page->limit = page->wanted ? CR_REST_LIST_DEFAULT : CR_REST_LIST_MAX;
    page->offset = 0;
    if (!number_arg(req, "limit", -INT64_MAX, &page->limit) || !number_arg(req, "offset", 0, &page->offset))
        return false;
    int64_t limit = page->limit < 0 ? -page->limit : page->limit;
    page->limit = CR_MAX(CR_MIN(limit, (int64_t)CR_REST_LIST_MAX), (int64_t)1);
    return true;
}

static json_t *next_page(const cr_request *req, const cr_rest_page *page) {
    const cr_hub *hub = cr_hub_of(req);
    cr_auto_buf cr_buf url;
    cr_buf_init(&url, 4 * CR_HTTP_TARGET_MAX);
    cr_buf_addf(&url, "%s%s?limit=%lld&offset=%lld", hub->hub_url, req->path, (long long)page->limit, (long long)(page->offset + page->limit));
    for (int i = 0; i < req->query.n; i++) {
        const cr_pair *pair = &req->query.at[i];
        if (strcmp(pair->name, "limit") == 0 || strcmp(pair->name, "offset") == 0)
            continue;
        cr_buf_addc(&url, '&');
        cr_percent_encode(&url, pair->name, "");
        cr_buf_addc(&url, '=');
        cr_percent_encode(&url, pair->value, "");
    }
    return json_pack("{s:I, s:I, s:s}", "offset", (json_int_t)(page->offset + page->limit), "limit", (json_int_t)page->limit, "url", cr_buf_str(&url));
}

void cr_rest_reply_page(cr_request *req, const cr_rest_page *page, json_t *items, int64_t total) {
    if (!page->wanted) {
        cr_reply_json(req, 200, items);
        return;
    }
    json_t *next = total > page->limit && page->offset < total - page->limit ? next_page(req, page) : json_null();
    cr_reply_json(req, 200, json_pack("{s:o, s:{s:I, s:I, s:I, s:o}}", "items", items, "_pagination", "offset", (json_int_t)page->offset, "limit",
                                      (json_int_t)page->limit, "total", (json_int_t)total, "next", next));
}
