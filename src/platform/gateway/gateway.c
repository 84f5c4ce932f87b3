/* gateway.c - beginning and end of the gateway in the hub. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "platform/gateway/cluster.h"
#include "platform/gateway/dashboards.h"
#include "platform/gateway/gateway.h"
#include "platform/gateway/installed.h"
#include "platform/hub/figures.h"

/* Who is in which group may change while clusters run. */
static void look_up_groups(cr_gateway *g) {
    for (cr_cluster *c = g->clusters; c; c = c->next) {
        cr_err err = CR_ERR_INIT;
        if (cr_group_limits_of(g->hub->db, c->user_id, g->limits, g->n_limits, &c->groups, &err) != CR_OK)
            cr_log_err(CR_LOG_ERROR, "looking up the groups of a cluster's person", &err);
    }
}

static cr_status open_gateway(cr_hub *hub, cr_err *err) {
    char socket[CR_URL_MAX], map[CR_URL_MAX];
    cr_gateway *g = calloc(1, sizeof *g);
    if (!g)
        return CR_FAIL(err, CR_MEMORY, "no memory for the gateway");
    g->hub = hub;
    hub->feature_state = g;
    cr_run_path(hub->config, CR_RUN_SCHEDULERS, g->schedulers_socket, sizeof g->schedulers_socket);
    CR_TRY(cr_proxy_map_new(hub->loop, cr_run_path(hub->config, CR_RUN_PROXY, socket, sizeof socket),
                            cr_run_path(hub->config, CR_RUN_CLUSTER_MAP, map, sizeof map), &g->map, err));
    CR_TRY(cr_installed_new(hub, &g->installed, err));
    CR_TRY(cr_group_limits_read(hub->config->gateway_groups, g->limits, &g->n_limits, err));
    CR_TRY(cr_cluster_rows_load(g, err));
    look_up_groups(g);
    cr_dashboards_refresh(g);
    return cr_gateway_claim_routes(g, err);
}

static void close_gateway(cr_hub *hub) {
    cr_gateway *g = cr_gateway_of(hub);
    if (!g)
        return;
    cr_timer_stop(&g->servers);
    cr_installed_free(g->installed);
    cr_gateway_drop_calls(g);
    cr_dashboards_close(g);
    while (g->clusters)
        cr_cluster_free(g->clusters);
    cr_proxy_map_free(g->map);
    free(g);
    hub->feature_state = NULL;
}

static void on_minute(cr_hub *hub) {
    cr_installed_look(cr_gateway_of(hub)->installed);
    look_up_groups(cr_gateway_of(hub));
    cr_dashboards_refresh(cr_gateway_of(hub));
    for (cr_cluster *c = cr_gateway_of(hub)->clusters; c; c = c->next) {
        cr_cluster_count(c);
        cr_cluster_rows_save(c);
    }
    cr_gateway_look_for_servers(cr_gateway_of(hub));
    cr_cluster_rows_sweep(cr_gateway_of(hub));
}

static void add_status(cr_hub *hub, cr_buf *out) {
    int64_t clusters = 0, workers = 0;
    for (const cr_cluster *c = cr_gateway_of(hub)->clusters; c; c = c->next) {
        clusters++;
        workers += cr_cluster_live_workers(c);
    }
    if (clusters)
        cr_buf_addf(out, "  dask:    %lld clusters, %lld workers\n", (long long)clusters, (long long)workers);
    cr_installed_status(cr_gateway_of(hub)->installed, out);
}

static void add_late(const cr_hub *hub, json_t *late) { cr_installed_health(cr_gateway_of(hub)->installed, late); }

static void note_figures(cr_hub *hub) {
    double n[CR_CLUSTER_STATUSES] = {0}, workers = 0;
    for (const cr_cluster *c = cr_gateway_of(hub)->clusters; c; c = c->next) {
        n[c->status]++;
        workers += (double)cr_cluster_live_workers(c);
    }
    for (int i = CR_CLUSTER_PENDING; i <= CR_CLUSTER_STOPPING; i++)
        cr_figures_note(hub, CR_FIGURE_CLUSTERS, n[i], cr_cluster_status_name((cr_cluster_status)i), NULL, NULL);
    cr_figures_note(hub, CR_FIGURE_WORKERS, workers, NULL, NULL, NULL);
}

/* A cluster without work ends by itself: one that is there is used. */
static bool works(cr_hub *hub, int64_t user_id) {
    for (const cr_cluster *c = cr_gateway_of(hub)->clusters; c; c = c->next)
        if (c->user_id == user_id && c->status != CR_CLUSTER_STOPPING)
            return true;
    return false;
}

static void on_signed_out(cr_hub *hub) { cr_dashboards_refresh(cr_gateway_of(hub)); }

/* What somebody keeps for four hours is kept for four hours. */
static void on_clock_set(cr_hub *hub, int64_t by_ms) {
    cr_err err = CR_ERR_INIT;
    for (cr_cluster *c = cr_gateway_of(hub)->clusters; c; c = c->next) {
        if (!c->kept_until_ms)
            continue;
        c->kept_until_ms = CR_MAX(c->kept_until_ms + by_ms, (int64_t)1);
        if (cr_cluster_rows_keep(c, &err) != CR_OK)
            cr_log_err(CR_LOG_WARN, "moving until when a cluster is kept", &err);
    }
}

static void add_clusters(cr_hub *hub, json_t *rows) {
    char time[32];
    for (const cr_cluster *c = cr_gateway_of(hub)->clusters; c; c = c->next)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "name", c->name, "user", c->user, "status", cr_cluster_status_name(c->status),
                                              "workers", (json_int_t)cr_cluster_live_workers(c), "wanted", (json_int_t)c->count, "made",
                                              cr_iso8601(c->created_ms, time, sizeof time)));
}

static bool stop_cluster(cr_hub *hub, const char *name, const char *reason, char ret_user[CR_NAME_MAX + 1]) {
    cr_cluster *c = cr_cluster_find(cr_gateway_of(hub), name);
    if (!c || c->status == CR_CLUSTER_STOPPING)
        return false;
    snprintf(ret_user, CR_NAME_MAX + 1, "%s", c->user);
    cr_cluster_end(c, CR_CLUSTER_STOPPED, reason);
    return true;
}

const cr_hub_feature cr_gateway_feature = {
    .routes = cr_gateway_routes,
    .open = open_gateway,
    .close = close_gateway,
    .event = cr_gateway_event,
    .minute = on_minute,
    .status = add_status,
    .health = add_late,
    .figures = note_figures,
    .works = works,
    .release = cr_gateway_release,
    .signed_out = on_signed_out,
    .clock_set = on_clock_set,
    .clusters = add_clusters,
    .stop_cluster = stop_cluster,
};
