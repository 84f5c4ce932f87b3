/* gateway_life.c - from submit to the end: the runner's events, heartbeats, deadlines. Of workers: gateway_workers.c. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/gateway/cluster.h"
#include "platform/gateway/cluster_software.h"
#include "platform/gateway/dashboards.h"
#include "platform/gateway/gateway.h"
#include "platform/gateway/listener.h"
#include "platform/hub/disk.h"
#include "platform/hub/lab.h"
#include "platform/runner/protocol.h"

enum {
    WAIT_MS = 20 * 1000,          /* ?wait */
    WAITERS_MOST = 16,
    SCHEDULER_PIDS = 512, SCHEDULER_CPU_MILLI = 1000,
};

/* Deadlines that are settings: to the first heartbeat; between two. */
static int64_t start_ms(const cr_cluster *c) { return c->gateway->hub->config->gateway_start_s * 1000; }
static int64_t beat_ms(const cr_cluster *c) { return c->gateway->hub->config->gateway_heartbeat_s * 1000; }

static const char of_server[] = N_("The server that made it has stopped.");
static const char disabled[] = N_("Its person may not use the hub any more.");

static void on_late(void *user);

/* ---- names for the runner ---- */

static cr_server_id scheduler_id(const cr_cluster *c) {
    cr_server_id id = {.generation = c->generation};
    snprintf(id.account, sizeof id.account, "%s", c->account);
    snprintf(id.server, sizeof id.server, CR_CLUSTER_SERVER "%lld", (long long)c->id);
    return id;
}

void cr_cluster_stop_process(cr_cluster *c, const cr_server_id *id, uint32_t grace_ms) {
    cr_runner *r = c->gateway->hub->runner;
    cr_err err = CR_ERR_INIT;
    if (r->ops->stop(r, id, grace_ms, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "stopping a process of a cluster", &err);
}

/* ---- waiting for the end of PENDING ---- */

static void drop_waiter(cr_cluster_waiter *w) {
    cr_cluster_waiter **at = &w->cluster->waiters;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    cr_timer_stop(&w->timer);
    free(w);
}

static void answer(void *user) {
    cr_cluster_waiter *w = user;
    cr_request *req = w->req;
    char name[CR_CLUSTER_NAME_LEN + 1];
    snprintf(name, sizeof name, "%s", w->cluster->name);
    drop_waiter(w);
    cr_gateway_reply_report(req, name);
}

void cr_cluster_wait(cr_cluster *c, cr_request *req) {
    int waiting = 0;
    for (const cr_cluster_waiter *w = c->waiters; w; w = w->next)
        waiting++;
    cr_cluster_waiter *w = waiting < WAITERS_MOST ? calloc(1, sizeof *w) : NULL;
    if (!w) {                     /* the client asks again by itself */
        cr_gateway_reply_report(req, c->name);
        return;
    }
    *w = (cr_cluster_waiter){.next = c->waiters, .cluster = c, .req = req};
    c->waiters = w;
    cr_request_suspend(req);
    cr_timer_start(c->gateway->hub->loop, &w->timer, WAIT_MS, answer, w);
}

/* After the row was written: that is what they are told. */
static void wake(cr_cluster *c) {
    while (c->waiters)
        answer(c->waiters);
}

/* ---- the end ---- */

static void drop_routes(cr_cluster *c) {
    char key[CR_PROXY_MAP_WORD_MAX + 1];
    cr_proxy_map_remove(c->gateway->map, cr_cluster_sni(c, key, sizeof key));
    cr_proxy_map_remove(c->gateway->map, cr_cluster_api_key(c, key, sizeof key));
    cr_proxy_map_remove(c->gateway->map, cr_dashboard_key(c, key, sizeof key));
    c->waits_for_routes = false;
}

static void stop_all(cr_cluster *c, uint32_t grace_ms) {
    if (c->scheduler_lives) {
        cr_server_id id = scheduler_id(c);
        cr_cluster_stop_process(c, &id, grace_ms);
    }
    for (cr_cluster_worker *w = c->workers; w; w = w->next)
        cr_worker_stop(w, grace_ms);
    cr_timer_start(c->gateway->hub->loop, &c->deadline, CR_CLUSTER_FORCE_MS, on_late, c);
}

void cr_cluster_end(cr_cluster *c, cr_cluster_status outcome, const char *reason) {
    if (c->status == CR_CLUSTER_STOPPING)
        return;
    c->status = CR_CLUSTER_STOPPING;
    c->outcome = outcome;
    c->count = 0;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    cr_text_clean(c->reason);
    cr_log(outcome == CR_CLUSTER_FAILED ? CR_LOG_WARN : CR_LOG_INFO, "cluster ends", "user=%s cluster=%s reason=\"%s\"", c->user, c->name, c->reason);
    drop_routes(c);
    cr_cluster_rows_save(c);
    stop_all(c, CR_CLUSTER_GRACE_MS);
    wake(c);
    cr_cluster_settle(c);
}

void cr_cluster_end_idle(cr_cluster *c) {
    char reason[sizeof c->reason], span[24];
    if (c->kept_until_ms > cr_wall_ms())
        return;
    snprintf(reason, sizeof reason, N_("It had nothing to do for %s."), cr_text_span(c->gateway->hub->config->gateway_idle_s * 1000, span, sizeof span));
    cr_cluster_end(c, CR_CLUSTER_STOPPED, reason);
}

/* Is nothing left of what is ending? Then it has ended. */
void cr_cluster_settle(cr_cluster *c) {
    cr_hub *hub = c->gateway->hub;
    if (c->status != CR_CLUSTER_STOPPING || c->scheduler_lives || c->workers)
        return;
    cr_cluster_rows_ended(c);
    cr_log(CR_LOG_INFO, "cluster ended", "user=%s cluster=%s status=%s", c->user, c->name, cr_cluster_status_name(c->outcome));
    cr_cluster_free(c);
    cr_people_continue_removals(hub);
}

static void on_late(void *user) {
    cr_cluster *c = user;
    char reason[sizeof c->reason], span[24];
    if (c->status == CR_CLUSTER_STOPPING) {
        stop_all(c, 0);
        return;
    }
    if (c->status == CR_CLUSTER_PENDING)
        snprintf(reason, sizeof reason, N_("The scheduler was not ready after %s."), cr_text_span(start_ms(c), span, sizeof span));
    else
        snprintf(reason, sizeof reason, N_("The scheduler has not been heard of for %s."), cr_text_span(beat_ms(c), span, sizeof span));
    cr_cluster_end(c, CR_CLUSTER_FAILED, reason);
}

/* ---- the begin ---- */

static cr_status start_scheduler(cr_cluster *c, cr_err *err) {
    cr_hub *hub = c->gateway->hub;
    cr_runner_start s = {.id = scheduler_id(c), .limits = {CR_SCHEDULER_MEMORY, SCHEDULER_CPU_MILLI, SCHEDULER_PIDS}};
    snprintf(s.user, sizeof s.user, "%s", c->user);
    snprintf(s.token, sizeof s.token, "%s", c->token);
    s.dask.role = CR_ROLE_SCHEDULER;
    s.dask.cluster = (uint64_t)c->id;
    s.dask.idle_s = (uint32_t)hub->config->gateway_idle_s;
    snprintf(s.dask.name, sizeof s.dask.name, "%s", c->name);
    snprintf(s.dask.cert, sizeof s.dask.cert, "%s", c->certificate.cert);
    snprintf(s.dask.key, sizeof s.dask.key, "%s", c->certificate.key);
    memcpy(s.dask.environment, c->choice.environment, sizeof s.dask.environment);
    memcpy(s.dask.software, c->choice.software, sizeof s.dask.software);
    cr_disk disk = {0};
    cr_status status = cr_folders_of(hub->db, c->user_id, &hub->folders, &s.folders, err);
    if (status == CR_OK)
        status = cr_disk_of(hub, c->user_id, &disk, err);
    s.disk_bytes = disk.limit_bytes;
    if (status == CR_OK)
        status = hub->runner->ops->start(hub->runner, &s, err);
    explicit_bzero(&s, sizeof s);
    return status;
}

/* The server's token goes when it stops, so it runs, or is stopping. */
static cr_status belong(cr_cluster *c, int64_t server_id, cr_err *err) {
    cr_lab *server;
    if (!server_id || c->choice.keep)
        return CR_OK;
    CR_TRY(cr_lab_find_by_id(c->gateway->hub, server_id, &server, err));
    if (server->state == CR_LAB_STOPPED || server->state == CR_LAB_STOPPING)
        return CR_FAIL(err, CR_CONFLICT, "the server that asks for a cluster is stopping, and the cluster would end with it");
    c->server_id = server_id;
    c->server_generation = server->generation;
    return CR_OK;
}

static cr_status fill(cr_cluster *c, const cr_person *person, const json_t *options, cr_err *err) {
    cr_random_hex(c->name, CR_CLUSTER_NAME_LEN / 2);
    cr_token_make(c->token);
    c->user_id = person->id;
    snprintf(c->user, sizeof c->user, "%s", person->name);
    snprintf(c->account, sizeof c->account, "%s", person->account);
    c->uid = -1;
    c->idle_ms = -1;
    c->created_ms = cr_wall_ms();
    c->options = json_dumps(options, JSON_COMPACT);
    if (!c->options)
        return CR_FAIL(err, CR_MEMORY, "no memory for a cluster");
    return cr_certificate_make(c->name, c->created_ms, &c->certificate, err);
}

cr_status cr_cluster_begin(cr_gateway *g, const cr_person *person, int64_t server_id, const cr_cluster_options *choice, const json_t *options,
                           cr_cluster **ret_cluster, cr_err *err) {
    if (g->hub->recovering)
        return CR_FAIL(err, CR_BUSY, "the hub has just started and looks for what runs; try again in a second");
    uint32_t groups;
    CR_TRY(cr_group_limits_of(g->hub->db, person->id, g->limits, g->n_limits, &groups, err));
    CR_TRY(cr_cluster_may_begin(g, person->id, groups, err));
    CR_TRY(cr_disk_admits_cluster(g->hub, person, err));
    cr_cluster *c = calloc(1, sizeof *c);
    if (!c)
        return CR_FAIL(err, CR_MEMORY, "no memory for a cluster");
    c->gateway = g;
    c->choice = *choice;
    c->groups = groups;
    c->next = g->clusters;
    g->clusters = c;
    cr_status status = belong(c, server_id, err);
    if (status == CR_OK)
        status = fill(c, person, options, err);
    if (status == CR_OK)
        status = cr_cluster_rows_begin(c, err);
    if (status != CR_OK) {
        cr_cluster_free(c);
        return status;
    }
    c->scheduler_lives = true;
    cr_timer_start(g->hub->loop, &c->deadline, start_ms(c), on_late, c);
    status = start_scheduler(c, err);
    if (status != CR_OK) {
        c->scheduler_lives = false;
        cr_cluster_end(c, CR_CLUSTER_FAILED, err ? err->message : N_("The runner did not take it."));
        return status;
    }
    cr_log(CR_LOG_INFO, "cluster asked for", "user=%s cluster=%s number=%lld", c->user, c->name, (long long)c->id);
    *ret_cluster = c;
    return CR_OK;
}

/* ---- heartbeats ---- */

static void on_routes(void *user) {
    cr_cluster *c = user;
    if (!c->waits_for_routes || c->status != CR_CLUSTER_PENDING)
        return;
    c->waits_for_routes = false;
    c->status = CR_CLUSTER_RUNNING;
    cr_cluster_rows_save(c);
    cr_log(CR_LOG_INFO, "cluster runs", "user=%s cluster=%s after_ms=%lld", c->user, c->name, (long long)(cr_wall_ms() - c->created_ms));
    wake(c);
    cr_workers_balance(c);
}

static cr_status add_routes(cr_cluster *c, cr_loop_fn done, cr_err *err) {
    char key[CR_PROXY_MAP_WORD_MAX + 1], value[32];
    CR_TRY(cr_dashboard_route(c, err));
    snprintf(value, sizeof value, "127.0.0.1:%d", (int)c->ports[1]);
    CR_TRY(cr_proxy_map_set(c->gateway->map, cr_cluster_api_key(c, key, sizeof key), value, NULL, NULL, err));
    snprintf(value, sizeof value, "127.0.0.1:%d", (int)c->ports[0]);
    return cr_proxy_map_set(c->gateway->map, cr_cluster_sni(c, key, sizeof key), value, done, c, err);
}

cr_status cr_gateway_claim_routes(cr_gateway *g, cr_err *err) {
    for (cr_cluster *c = g->clusters; c; c = c->next)
        if (c->status == CR_CLUSTER_RUNNING)
            CR_TRY(add_routes(c, NULL, err));
    return CR_OK;
}

cr_status cr_cluster_beat(cr_cluster *c, const cr_beat *b, cr_err *err) {
    const int64_t ports[] = {b->scheduler_port, b->api_port, b->dashboard_port};
    if (c->uid < 0)
        return CR_FAIL(err, CR_BUSY, "this cluster's scheduler is not known to the runner yet");
    cr_status status = cr_listener_check(ports, CR_ARRAY_LEN(ports), c->uid, err);
    if (status == CR_DENIED)
        cr_cluster_end(c, CR_CLUSTER_FAILED, err ? err->message : N_("A port of the scheduler is not its own."));
    if (status != CR_OK)
        return status;
    bool moved = memcmp(ports, c->ports, sizeof ports) != 0;
    int64_t count = cr_cluster_allowed(c, b->count, NULL, 0);
    bool changed = moved || count != c->count;
    memcpy(c->ports, ports, sizeof ports);
    c->count = count;
    if (changed)
        cr_cluster_rows_save(c);
    cr_timer_start(c->gateway->hub->loop, &c->deadline, beat_ms(c), on_late, c);
    if (c->status == CR_CLUSTER_PENDING) {
        c->waits_for_routes = true;
        cr_timer_start(c->gateway->hub->loop, &c->deadline, start_ms(c), on_late, c);
    }
    if (moved || c->waits_for_routes)
        CR_TRY(add_routes(c, on_routes, err));
    cr_workers_note(c, b);
    cr_cluster_count(c);
    c->idle_ms = b->idle_ms;
    c->idle_told_ms = cr_now_ms();
    if (c->idle_ms > 0 && cr_cluster_idle_left_ms(c, c->idle_ms) == 0)
        cr_cluster_end_idle(c);
    else
        cr_workers_balance(c);
    return CR_OK;
}

/* ---- the runner's events ---- */

static cr_cluster *find_generation(cr_gateway *g, uint64_t generation, cr_cluster_worker **ret_worker) {
    *ret_worker = NULL;
    for (cr_cluster *c = g->clusters; c; c = c->next) {
        if (c->generation == generation)
            return c;
        for (cr_cluster_worker *w = c->workers; w; w = w->next) {
            if (w->generation == generation) {
                *ret_worker = w;
                return c;
            }
        }
    }
    return NULL;
}

static void on_scheduler_exit(cr_cluster *c, const char *text, const char *tail) {
    c->scheduler_lives = false;
    if (c->status == CR_CLUSTER_STOPPING) {
        cr_cluster_settle(c);
        return;
    }
    cr_cluster_rows_failed(c, "scheduler", text, tail);
    cr_cluster_end(c, CR_CLUSTER_FAILED, text);
}

static void on_snapshot(cr_gateway *g, const cr_runner_event *e) {
    cr_cluster_worker *w;
    cr_cluster *c = find_generation(g, e->id.generation, &w);
    cr_err err = CR_ERR_INIT;
    if (!c) {
        cr_log(CR_LOG_WARN, "a cluster's process runs that nobody knows: stopping it", "account=%s generation=%llu", e->id.account,
               (unsigned long long)e->id.generation);
        if (g->hub->runner->ops->stop(g->hub->runner, &e->id, CR_CLUSTER_GRACE_MS, &err) != CR_OK)
            cr_log_err(CR_LOG_ERROR, "stopping an unknown process", &err);
    } else if (w) {
        w->seen = true;
        w->pid = e->pid;
    } else {
        c->seen = true;
        c->uid = e->detail;
    }
}

/* The list of a new hub is complete: what should run and was not in it has ended while nobody watched. */
static void on_snapshot_end(cr_gateway *g) {
    static const char lost[] = N_("It ended while the hub was not looking, for example because the machine was restarted.");
    for (cr_cluster *c = g->clusters, *next; c; c = next) {
        next = c->next;
        for (cr_cluster_worker *w = c->workers, *after; w; w = after) {
            after = w->next;
            if (w->seen)
                continue;
            w->state = CR_WORKER_CLOSING;         /* nobody is to blame */
            cr_worker_exit(w, lost, "");              /* with the last one the cluster may go */
        }
    }
    for (cr_cluster *c = g->clusters, *next; c; c = next) {
        next = c->next;
        if (!c->seen) {
            on_scheduler_exit(c, lost, "");
            continue;
        }
        for (cr_cluster_worker *w = c->workers; w; w = w->next)
            if (w->state == CR_WORKER_STARTING)
                cr_worker_expect(w);
        if (c->status == CR_CLUSTER_STOPPING)
            stop_all(c, CR_CLUSTER_GRACE_MS);
        else if (c->unwanted)                     /* the hub was killed between the one and the other */
            cr_cluster_end(c, CR_CLUSTER_STOPPED, disabled);
        else
            cr_timer_start(g->hub->loop, &c->deadline, c->status == CR_CLUSTER_PENDING ? start_ms(c) : beat_ms(c), on_late, c);
    }
}

static void on_own_event(cr_gateway *g, const cr_runner_event *e) {
    cr_cluster_worker *w;
    cr_cluster *c = find_generation(g, e->id.generation, &w);
    if (e->kind == CR_RUNNER_SNAPSHOT) {
        on_snapshot(g, e);
    } else if (c && e->kind == CR_RUNNER_STARTED && !w) {
        c->uid = e->detail;
        c->seen = true;
    } else if (c && e->kind == CR_RUNNER_STARTED) {
        w->seen = true;
        w->pid = e->pid;
    } else if (c && e->kind == CR_RUNNER_EXITED && w) {
        cr_worker_exit(w, e->text, e->tail);
    } else if (c && e->kind == CR_RUNNER_EXITED) {
        on_scheduler_exit(c, e->text, e->tail);
    }
}

/* ---- the servers that clusters belong to ---- */

static void on_server_exit(cr_gateway *g, uint64_t generation) {
    for (cr_cluster *c = g->clusters, *next; c; c = next) {
        next = c->next;
        if (c->server_generation == generation)
            cr_cluster_end(c, CR_CLUSTER_STOPPED, of_server);
    }
}

/* What the events do not tell: an end that nobody watched, a person who was removed in the meantime. */
void cr_gateway_look_for_servers(cr_gateway *g) {
    if (g->hub->recovering)
        return;
    for (cr_cluster *c = g->clusters, *next; c; c = next) {
        cr_lab *server = NULL;
        cr_err err = CR_ERR_INIT;
        next = c->next;
        cr_status status = c->server_id ? cr_lab_find_by_id(g->hub, c->server_id, &server, &err) : CR_OK;
        if (status == CR_NOT_FOUND || (server && (server->generation != c->server_generation || server->state == CR_LAB_STOPPED)))
            cr_cluster_end(c, CR_CLUSTER_STOPPED, of_server);
        else if (status != CR_OK)
            cr_log_err(CR_LOG_ERROR, "looking for the server of a cluster", &err);
    }
}

static void on_look_for_servers(void *user) { cr_gateway_look_for_servers(user); }

bool cr_gateway_event(cr_hub *hub, const cr_runner_event *e) {
    cr_gateway *g = cr_gateway_of(hub);
    bool about_process = e->kind == CR_RUNNER_STARTED || e->kind == CR_RUNNER_EXITED || e->kind == CR_RUNNER_SNAPSHOT || e->kind == CR_RUNNER_MEMORY ||
                         e->kind == CR_RUNNER_SOCKET;
    if (about_process && cr_starts_with(e->id.server, CR_CLUSTER_SERVER)) {
        on_own_event(g, e);
        return true;
    }
    if (e->kind == CR_RUNNER_STARTED)
        cr_cluster_software_note(hub, e->id.generation);
    if (e->kind == CR_RUNNER_EXITED)
        on_server_exit(g, e->id.generation);
    if (e->kind == CR_RUNNER_SNAPSHOT_END && hub->recovering)
        on_snapshot_end(g);
    if (e->kind == CR_RUNNER_SNAPSHOT_END)        /* when the hub, which sees it after the gateway, has drawn its conclusions */
        cr_timer_start(hub->loop, &g->servers, 1, on_look_for_servers, g);
    if (e->kind == CR_RUNNER_PROXY && e->pid)
        cr_proxy_map_reconnect(g->map);
    return false;
}

bool cr_gateway_release(cr_hub *hub, int64_t user_id) {
    cr_gateway *g = cr_gateway_of(hub);
    cr_dashboards_refresh(g);
    for (cr_cluster *c = g->clusters, *next; c; c = next) {
        next = c->next;
        if (c->user_id == user_id)
            cr_cluster_end(c, CR_CLUSTER_STOPPED, disabled);
    }
    for (const cr_cluster *c = g->clusters; c; c = c->next)
        if (c->user_id == user_id)
            return false;
    return true;
}
