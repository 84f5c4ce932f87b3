/* rest_hub.c - the REST API of the hub itself: version, health, information, the proxy's routes, services; and what is not there yet. */
#include "platform/hub/rest.h"

#include <stdlib.h>
#include "platform/hub/lab.h"

/* Clients try it before anything else and read only the header X-JupyterHub-Version. */
void cr_api_version(cr_request *req) {
    cr_reply_header(req, "Access-Control-Allow-Origin", "*");   /* as JupyterHub, for this answer alone: it says nothing about anybody */
    cr_reply_json(req, 200, json_pack("{s:s}", "version", CR_JUPYTERHUB_VERSION));
}

void cr_api_health(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_proxy_state proxy;
    cr_proxy_get_state(hub->proxy, &proxy);
    json_t *answer = json_pack("{s:s, s:b, s:b}", "status", "ok", "proxy", proxy.connected, "recovering", hub->recovering), *late = json_array();
    if (hub->feature)
        hub->feature->health(hub, late);
    if (json_array_size(late))
        json_object_set(answer, "late_software", late);
    json_decref(late);
    cr_reply_json(req, 200, answer);
}

void cr_api_info(cr_request *req) {
    if (CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_READ_HUB))
        cr_reply_json(req, 200, json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "version", CR_JUPYTERHUB_VERSION, "python", "",
                                          "sys_executable", "", "spawner", "class", cr_hub_of(req)->runner->ops->name, "version", "",
                                          "authenticator", "class", "craton", "version", ""));
}

/* ---- proxy ---- */

static void add_route(json_t *all, const cr_lab *s) {
    char target[CR_URL_MAX], spec[CR_URL_MAX];
    cr_url_prefix(s->hub->config, s->user, s->name, spec, sizeof spec);
    json_object_set_new(all, spec, json_pack("{s:s, s:s, s:{s:s, s:s}}", "routespec", spec, "target", cr_lab_origin_url(s, "", target, sizeof target), "data",
                                             "user", s->user, "server_name", s->name));
}

/* The routes that the hub wants, which are those that are there (proxy.h). Few enough to be sorted: one a running server. */
void cr_api_proxy(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_rest_page page;
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_PROXY) || !cr_rest_read_page(req, &page))
        return;
    json_t *all = json_object(), *shown = json_object(), *value;
    json_t *root = json_sprintf("%s/", hub->config->base_url);
    json_object_set_new(all, json_string_value(root), json_pack("{s:O, s:s, s:{s:b}}", "routespec", root, "target", hub->hub_origin, "data", "hub", 1));
    json_decref(root);
    void *server;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &server));) {
        const cr_lab *s = server;
        if (s->state == CR_LAB_READY)
            add_route(all, s);
    }
    char *sorted = json_dumps(all, JSON_SORT_KEYS);
    json_t *ordered = sorted ? json_loads(sorted, 0, NULL) : NULL;
    free(sorted);
    const char *key;
    int64_t at = 0, total = (int64_t)json_object_size(all);
    json_object_foreach(ordered, key, value) {
        if (at >= page.offset && at - page.offset < page.limit)
            json_object_set(shown, key, value);
        at++;
    }
    json_decref(ordered);
    json_decref(all);
    cr_rest_reply_page(req, &page, shown, total);
}

/* Something may be missing in the proxy: look now. */
void cr_api_proxy_check(cr_request *req) {
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_PROXY))
        return;
    cr_proxy_sync(cr_hub_of(req)->proxy);
    cr_reply_empty(req, 200);
}

/* HAProxy is started by cratond: there is no other one to speak to. */
void cr_api_proxy_change(cr_request *req) {
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_PROXY))
        return;
    if (json_is_object(req->json))
        cr_reply_error(req, 501, "This call of JupyterHub is not available in this hub.", "docs/rest.md lists those that are");
    else
        cr_reply_error(req, 400, req->json ? "Request body must be JSON dict" : "need JSON body", "");
}

/* The service manager stops cratond; a program that can ask for it could end everybody's work with one request. */
void cr_api_shutdown(cr_request *req) {
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_SHUTDOWN))
        return;
    static const char *const options[] = {"proxy", "servers"};
    for (size_t i = 0; i < CR_ARRAY_LEN(options); i++) {
        const json_t *value = json_object_get(req->json, options[i]);
        if (value && !json_is_boolean(value)) {
            cr_rest_reply(req, 400, "%s must be true or false", options[i]);
            return;
        }
    }
    cr_reply_error(req, 501, "This hub is not stopped by a request.", "systemctl stop craton");
}
