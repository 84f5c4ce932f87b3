/* lab_routes.c - the paths of servers at the proxy. */
#include "platform/hub/lab_routes.h"

#include <stdio.h>
#include "base/log.h"
#include "platform/hub/lab_rows.h"

static char *path_of(const cr_lab *s, char key[CR_URL_MAX]) { return cr_url_prefix(s->hub->config, s->user, s->name, key, CR_URL_MAX); }

void cr_lab_route_park(cr_lab *s) {
    char key[CR_URL_MAX], value[CR_LINK_MAX];
    const cr_lab *ordinary = cr_lab_ordinary(s);
    cr_err err = CR_ERR_INIT;
    if (!s->name[0] || s->routed || s->removing || !ordinary || !ordinary->routed)
        return;
    snprintf(value, sizeof value, "%s." CR_PROXY_STOPPED, s->account);
    if (cr_proxy_park(s->hub->proxy, path_of(s, key), value, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "parking the path of a named server", &err);
}

void cr_lab_route_unpark(cr_lab *s) {
    char key[CR_URL_MAX];
    if (s->name[0] && !s->routed)
        cr_proxy_unpark(s->hub->proxy, path_of(s, key));
}

static void park(void *user, cr_lab *s) { cr_lab_route_park(s); }

static cr_status add(cr_lab *s, cr_loop_fn done, cr_err *err) {
    char key[CR_URL_MAX], link[CR_LINK_MAX], address[CR_URL_MAX];
    cr_link_name(s->account, s->generation, link, sizeof link);
    cr_proxy_address(s->hub->config, link, address, sizeof address);
    CR_TRY(cr_proxy_add(s->hub->proxy, path_of(s, key), link, address, done, s, err));
    s->routed = true;
    return CR_OK;
}

cr_status cr_lab_route_add(cr_lab *s, cr_loop_fn done, cr_err *err) {
    cr_err parking = CR_ERR_INIT;
    CR_TRY(add(s, done, err));
    if (!s->name[0] && cr_lab_each(s->hub, s->user_id, park, NULL, &parking) != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking for named servers", &parking);
    return CR_OK;
}

void cr_lab_route_drop(cr_lab *s) {
    char key[CR_URL_MAX], link[CR_LINK_MAX];
    void *value;
    s->routed = false;
    cr_proxy_remove(s->hub->proxy, path_of(s, key), cr_link_name(s->account, s->generation, link, sizeof link));
    cr_lab_route_park(s);
    for (size_t i = 0; !s->name[0] && (i = cr_map_next(&s->hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->user_id == s->user_id)
            cr_lab_route_unpark(value);
}

/* In memory is what may run, and what stands beside an ordinary server that may: see cr_labs_load(). */
cr_status cr_labs_claim_routes(cr_hub *hub, cr_err *err) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->state != CR_LAB_STOPPED && ((cr_lab *)value)->state != CR_LAB_WAITING)
            CR_TRY(add(value, NULL, err));
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        cr_lab_route_park(value);
    return CR_OK;
}
