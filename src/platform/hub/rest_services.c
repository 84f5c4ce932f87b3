/* rest_services.c - the REST API of services: programs with tokens of their own, which the operator names in STATE/services. */
#include "platform/hub/rest.h"

#include <stdio.h>
#include "base/log.h"
#include "platform/identity/share.h"

/* ---- what a service has given ends with its right to give ---- */

/* JSON list of the services that hold a scope; NULL: no memory. */
static char *holders(const cr_hub *hub, cr_scope scope) {
    json_t *names = json_array();
    for (int i = 0; i < hub->services->n; i++) {
        cr_auto_arena cr_arena arena;
        cr_scopes set;
        cr_arena_init(&arena, 1 << 20);
        cr_scopes_init(&set, &arena);
        cr_rest_service_scopes(hub, &hub->services->at[i], &set);
        if (cr_scopes_mention(&set, scope))
            json_array_append_new(names, json_string(hub->services->at[i].name));
    }
    char *text = json_dumps(names, JSON_COMPACT);
    json_decref(names);
    return text;
}

/* JSON list of the services that people sign in to; NULL: no memory. */
static char *names_of_clients(const cr_hub *hub) {
    json_t *names = json_array();
    for (int i = 0; i < hub->services->n; i++)
        if (hub->services->at[i].redirect[0])
            json_array_append_new(names, json_string(hub->services->at[i].name));
    char *text = json_dumps(names, JSON_COMPACT);
    json_decref(names);
    return text;
}

/* Services change while no hub runs, so this is looked at when one starts. */
cr_status cr_services_open(cr_hub *hub, cr_err *err) {
    cr_auto_free char *by_tokens = holders(hub, CR_SCOPE_TOKENS), *by_shares = holders(hub, CR_SCOPE_SHARES);
    cr_auto_free char *clients = names_of_clients(hub);
    if (!by_tokens || !by_shares || !clients)
        return CR_FAIL(err, CR_MEMORY, "no memory for the names of services");
    CR_TRY(cr_token_keep_of_clients(hub->db, clients, err));
    CR_TRY(cr_token_keep_of_services(hub->db, by_tokens, err));
    CR_TRY(cr_share_keep_of_services(hub->db, by_shares, err));
    if (hub->services->n)
        cr_log(CR_LOG_INFO, "services", "n=%d", hub->services->n);
    return CR_OK;
}

/* ---- the model ---- */

static const struct { cr_scope scope; const char *keys[10]; } visible[] = {
    {CR_SCOPE_READ_SERVICES, {"kind", "name", "admin", "url", "prefix", "command", "pid", "info", "display"}},
    {CR_SCOPE_READ_SERVICES_NAME, {"kind", "name", "admin"}},
    {CR_SCOPE_READ_ROLES_SERVICES, {"kind", "name", "roles", "admin"}},
};

/* As this caller may see it. The hub starts no services and routes nothing to them, so command, prefix and pid are empty. */
json_t *cr_rest_service_model(cr_request *req, const cr_service *s) {
    json_t *full = json_pack("{s:s, s:s, s:o, s:b, s:s, s:s, s:[], s:i, s:{}, s:b}", "kind", "service", "name", s->name, "roles",
                             cr_rest_service_roles(cr_hub_of(req), s), "admin", (int)s->admin, "url", s->url, "prefix", "", "command", "pid", 0,
                             "info", "display", 1);
    json_t *seen = json_object();
    for (size_t i = 0; i < CR_ARRAY_LEN(visible); i++)
        for (const char *const *key = visible[i].keys; *key && cr_rest_may(req, visible[i].scope, CR_SCOPE_SERVICE, s->name); key++)
            json_object_set(seen, *key, json_object_get(full, *key));
    json_decref(full);
    return seen;
}

/* GET /hub/api/user with a service's token: every one may learn whose it is, which is not listed among its scopes. */
void cr_api_service_self(cr_request *req) {
    cr_caller *c = cr_caller_of(req);
    json_t *scopes = cr_scopes_list(cr_rest_scopes(req));
    cr_scopes *more = cr_arena_alloc(&req->arena, sizeof *more);
    if (more && !cr_rest_scopes(req)->failed) {
        const cr_scope_owner owner = {.service = c->service->name};
        *more = *cr_rest_scopes(req);
        cr_scopes_add(more, "read:services:name!service", &owner);
        c->scopes = more;
    }
    json_t *model = cr_rest_service_model(req, c->service);
    static const char *const of_lists[] = {"url", "info", "display"};
    for (size_t i = 0; i < CR_ARRAY_LEN(of_lists); i++)      /* JupyterHub knows them in the list only */
        if (json_object_get(model, of_lists[i]))
            json_object_set_new(model, of_lists[i], json_null());
    json_object_set_new(model, "token_id", json_null());     /* it stands in no list and cannot be taken away by a call */
    json_object_set_new(model, "session_id", json_null());
    json_object_set_new(model, "scopes", scopes);
    cr_reply_json(req, 200, model);
}

void cr_api_services(cr_request *req) {
    const cr_hub *hub = cr_hub_of(req);
    if (!cr_scopes_mention(cr_rest_scopes(req), CR_SCOPE_LIST_SERVICES)) {
        (void)!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_LIST_SERVICES);
        return;
    }
    json_t *all = json_object();
    for (int i = 0; i < hub->services->n; i++)
        if (cr_rest_may(req, CR_SCOPE_LIST_SERVICES, CR_SCOPE_SERVICE, hub->services->at[i].name))
            json_object_set_new(all, hub->services->at[i].name, cr_rest_service_model(req, &hub->services->at[i]));
    cr_reply_json(req, 200, all);
}

static void get_one(cr_request *req, const cr_service *s) {
    const char *name = req->param[0];
    if (!CR_REST_NEEDS(req, CR_SCOPE_SERVICE, name, CR_SCOPE_READ_SERVICES, CR_SCOPE_READ_SERVICES_NAME, CR_SCOPE_READ_ROLES_SERVICES))
        return;
    if (s)
        cr_reply_json(req, 200, cr_rest_service_model(req, s));
    else
        cr_rest_reply(req, 404, "No such service: %s", name);
}

/* The operator says which services there are, in files that the hub cannot write: none is made or removed by a call. */
void cr_api_service(cr_request *req) {
    const char *name = req->param[0];
    const cr_service *s = cr_service_named(cr_hub_of(req)->services, name);
    if (req->method != CR_POST && req->method != CR_DELETE)
        get_one(req, s);
    else if (!CR_REST_NEEDS(req, CR_SCOPE_SERVICE, name, CR_SCOPE_ADMIN_SERVICES))
        return;
    else if (req->method == CR_DELETE)
        cr_rest_reply(req, s ? 405 : 404, s ? "Service %s is not modifiable at runtime" : "Service %s does not exist", name);
    else if (s)
        cr_rest_reply(req, 409, "Service %s already exists", name);
    else if (!json_is_object(req->json) || json_object_size(req->json) == 0)
        cr_reply_error(req, 400, "Invalid service data", "");
    else
        cr_reply_error(req, 501, "Services are named in the settings of this hub.", "cratond --service-help");
}
