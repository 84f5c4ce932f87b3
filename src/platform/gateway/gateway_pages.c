/* gateway_pages.c - clusters as people see them in a browser: the own ones, and for administrators those of all. */
#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/gateway/cluster.h"
#include "platform/hub/auditing.h"

enum { SHOWN_OWN = 50, SHOWN_ALL = 200 };

static void show(cr_request *req, bool all) {
    json_t *rows;
    cr_err err = CR_ERR_INIT;
    if (cr_cluster_rows_shown(cr_gateway_of(cr_hub_of(req)), all ? 0 : cr_caller_of(req)->person.id, all, all ? SHOWN_ALL : SHOWN_OWN, &rows, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    const cr_config *k = cr_hub_of(req)->config;
    char idle[24];
    cr_site_page(req, 200, "clusters", json_pack("{s:b, s:b, s:b, s:o, s:s, s:s}", "all", all, "none", json_array_size(rows) == 0, "cut",
                                                 json_array_size(rows) == (all ? SHOWN_ALL : SHOWN_OWN), "clusters", rows, "idle_after",
                                                 k->gateway_idle_s ? cr_text_span(k->gateway_idle_s * 1000, idle, sizeof idle) : "", "stop_url", all ? "/hub/admin/clusters/stop" : "/hub/clusters/stop"));
}

void cr_clusters_page(cr_request *req) { show(req, false); }
void cr_clusters_admin_page(cr_request *req) { show(req, true); }

/* One that has ended meanwhile, or is not there, is no error: the page shows what is. */
static void stop(cr_request *req, bool all, const char *page) {
    const cr_person *me = &cr_caller_of(req)->person;
    const char *name = cr_pairs_get(&req->form, "cluster");
    cr_cluster *c = name ? cr_cluster_find(cr_gateway_of(cr_hub_of(req)), name) : NULL;
    char reason[CR_NAME_MAX + 64];
    if (c && !all && c->user_id != me->id) {
        cr_site_error(req, 403, "This cluster is not yours.", NULL);
        return;
    }
    if (c) {
        snprintf(reason, sizeof reason, c->user_id == me->id ? N_("%s stopped it.") : N_("%s, an administrator, stopped it."), me->name);
        cr_actor who;
        cr_actor_of(req, &who);
        if (c->user_id != me->id)
            cr_audit_note(cr_hub_of(req), &who, CR_AUDIT_CLUSTER_STOPPED, c->user, c->name);
        cr_cluster_end(c, CR_CLUSTER_STOPPED, reason);
    }
    cr_reply_redirect(req, 303, page);
}

void cr_clusters_keep(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const char *name = cr_pairs_get(&req->form, "cluster");
    cr_cluster *c = name ? cr_cluster_find(cr_gateway_of(hub), name) : NULL;
    cr_err err = CR_ERR_INIT;
    if (c && c->user_id != cr_caller_of(req)->person.id) {
        cr_site_error(req, 403, "This cluster is not yours.", NULL);
        return;
    }
    if (!hub->config->gateway_keep_s) {
        cr_site_error(req, 409, "Clusters without work cannot be kept here.", "Its time begins anew with the next computation.");
        return;
    }
    if (c) {
        int64_t before = c->kept_until_ms;
        c->kept_until_ms = cr_wall_ms() + hub->config->gateway_keep_s * 1000;
        if (cr_cluster_rows_keep(c, &err) != CR_OK) {
            c->kept_until_ms = before;
            cr_reply_err(req, &err);
            return;
        }
    }
    cr_reply_redirect(req, 303, "/hub/clusters");
}

void cr_clusters_stop(cr_request *req) { stop(req, false, "/hub/clusters"); }
void cr_clusters_admin_stop(cr_request *req) { stop(req, true, "/hub/admin/clusters"); }
