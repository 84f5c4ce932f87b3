/* figures.c - the table of metrics, and what is looked up when somebody asks. */
#include "platform/hub/figures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "platform/hub/disk.h"
#include "platform/hub/lab_queue.h"
#include "platform/hub/rest.h"

enum { LINE_MOST = 160, TEXT_MAX = CR_METRIC_SERIES_MAX * (CR_METRIC_BOUNDS + 3) * LINE_MOST };

/* The bounds are those of JupyterHub 6 (jupyterhub/metrics.py) and of the Prometheus client for Python. */
static const double request_s[] = {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
static const double spawn_s[] = {.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 180, 300, 600};
static const double stop_s[] = {.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};

static const cr_metric table[CR_FIGURE_COUNT] = {
#define HISTOGRAM(list) CR_METRIC_HISTOGRAM, .bounds = list, .n_bounds = CR_ARRAY_LEN(list)
    [CR_FIGURE_REQUEST] = {"jupyterhub_request_duration_seconds", "From a request to its answer; handler is the pattern of its address",
                           HISTOGRAM(request_s), .labels = {"method", "handler", "code"}},
    [CR_FIGURE_SPAWN] = {"jupyterhub_server_spawn_duration_seconds", "From the start of a user server, without waiting in the queue, to its readiness",
                         HISTOGRAM(spawn_s), .labels = {"status", "reason"}},
    [CR_FIGURE_STOP] = {"jupyterhub_server_stop_seconds", "From the order to stop a user server to its end", HISTOGRAM(stop_s), .labels = {"status"}},
    [CR_FIGURE_STOPS] = {"craton_server_stops_total", "User servers that have ended, by reason", CR_METRIC_COUNTER, .labels = {"reason"}},
    [CR_FIGURE_SIGN_INS] = {"craton_sign_ins_total", "Sign-ins, right and wrong", CR_METRIC_COUNTER, .labels = {"outcome"}},
    [CR_FIGURE_RUNNING] = {"jupyterhub_running_servers", "User servers that are ready", CR_METRIC_GAUGE},
    [CR_FIGURE_USERS] = {"jupyterhub_total_users", "People who have an account", CR_METRIC_GAUGE},
    [CR_FIGURE_ACTIVE] = {"jupyterhub_active_users", "People who were active in the last 24 hours, 7 days, 30 days", CR_METRIC_GAUGE, .labels = {"period"}},
    [CR_FIGURE_SERVERS] = {"craton_servers", "User servers that are not stopped, by state", CR_METRIC_GAUGE, .labels = {"state"}},
    [CR_FIGURE_DISK] = {"craton_disk_bytes", "Size of the disk that has the state", CR_METRIC_GAUGE},
    [CR_FIGURE_DISK_FREE] = {"craton_disk_free_bytes", "What is left of it", CR_METRIC_GAUGE},
    [CR_FIGURE_ROOM] = {"craton_room_bytes", "Memory that may be given to user servers by guarantee; 0: no limit", CR_METRIC_GAUGE},
    [CR_FIGURE_RESERVED] = {"craton_reserved_bytes", "Memory that is given to user servers by guarantee", CR_METRIC_GAUGE},
    [CR_FIGURE_PAUSED] = {"craton_starts_paused", "1 while starts are paused because they failed for several people", CR_METRIC_GAUGE},
    [CR_FIGURE_PROXY] = {"craton_proxy_connected", "1 while HAProxy answers", CR_METRIC_GAUGE},
    [CR_FIGURE_TLS_UNTIL] = {"craton_certificate_expiry_timestamp_seconds", "End of the public certificate, seconds since 1970", CR_METRIC_GAUGE},
    [CR_FIGURE_CLUSTERS] = {"craton_dask_clusters", "Dask clusters that have not ended, by state", CR_METRIC_GAUGE, .labels = {"state"}},
    [CR_FIGURE_WORKERS] = {"craton_dask_workers", "Dask workers that are there or coming", CR_METRIC_GAUGE},
    [CR_FIGURE_BUILD] = {"craton_build_info", "Always 1; the version of Craton", CR_METRIC_GAUGE, .labels = {"version"}},
    [CR_FIGURE_CPU] = {"process_cpu_seconds_total", "CPU time of the hub process", CR_METRIC_COUNTER, .absolute = true},
    [CR_FIGURE_RESIDENT] = {"process_resident_memory_bytes", "Resident memory of the hub process", CR_METRIC_GAUGE},
    [CR_FIGURE_VIRTUAL] = {"process_virtual_memory_bytes", "Virtual memory of the hub process", CR_METRIC_GAUGE},
    [CR_FIGURE_FILES] = {"process_open_fds", "Open files of the hub process", CR_METRIC_GAUGE},
    [CR_FIGURE_FILES_MOST] = {"process_max_fds", "Most files that the hub process may open", CR_METRIC_GAUGE},
    [CR_FIGURE_PROCESS_START] = {"process_start_time_seconds", "Start of the hub process, seconds since 1970", CR_METRIC_GAUGE},
#undef HISTOGRAM
};

cr_status cr_figures_open(cr_hub *hub, cr_err *err) { return cr_metrics_new(table, CR_FIGURE_COUNT, &hub->figures, err); }

void cr_figures_close(cr_hub *hub) {
    cr_metrics_free(hub->figures);
    hub->figures = NULL;
}

void cr_figures_note(cr_hub *hub, cr_figure which, double x, const char *label0, const char *label1, const char *label2) {
    cr_metrics_note(hub->figures, (int)which, (const char *const[CR_METRIC_LABELS]){label0, label1, label2}, x);
}

static void set(cr_hub *hub, cr_figure which, double x) { cr_figures_note(hub, which, x, NULL, NULL, NULL); }

/* ---- what happens ---- */

void cr_figures_request(const cr_request *req) {
    char method[16], code[16];
    snprintf(code, sizeof code, "%d", req->status);
    cr_figures_note(cr_hub_of(req), CR_FIGURE_REQUEST, (double)(cr_now_ns() - req->began_ns) * 1e-9, *cr_method_list(req->method, method, sizeof method) ? method : "other",
                    req->route ? req->route->pattern : "none", code);
}

void cr_figures_start(const cr_lab *s, const char *failure) {
    if (s->began_ms)
        cr_figures_note(s->hub, CR_FIGURE_SPAWN, (double)(cr_now_ms() - s->began_ms) * 1e-3, *failure ? "failure" : "success", failure, NULL);
}

void cr_figures_stopped(const cr_lab *s) {
    cr_figures_note(s->hub, CR_FIGURE_STOPS, 1, s->stop_reason, NULL, NULL);
    if (s->stopping_ms)
        cr_figures_note(s->hub, CR_FIGURE_STOP, (double)(cr_now_ms() - s->stopping_ms) * 1e-3, "success", NULL, NULL);
}

void cr_figures_sign_in(cr_hub *hub, bool right) { cr_figures_note(hub, CR_FIGURE_SIGN_INS, 1, right ? "right" : "wrong", NULL, NULL); }

/* ---- what is looked up ---- */

static void look_at_servers(cr_hub *hub) {
    static const char *const names[] = {"stopped", "waiting", "starting", "starting", "starting", "ready", "stopping"};
    double n[CR_LAB_STOPPING + 1] = {0}, reserved = 0;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        const cr_lab *s = value;
        n[s->state]++;
        if (s->state != CR_LAB_STOPPED && s->state != CR_LAB_WAITING)
            reserved += (double)cr_lab_guarantee(s);
    }
    n[CR_LAB_STARTING] += n[CR_LAB_CHECKING] + n[CR_LAB_ROUTING];
    static const cr_lab_state shown[] = {CR_LAB_WAITING, CR_LAB_STARTING, CR_LAB_READY, CR_LAB_STOPPING};
    for (size_t i = 0; i < CR_ARRAY_LEN(shown); i++)
        cr_figures_note(hub, CR_FIGURE_SERVERS, n[shown[i]], names[shown[i]], NULL, NULL);
    set(hub, CR_FIGURE_RUNNING, n[CR_LAB_READY]);
    set(hub, CR_FIGURE_RESERVED, reserved);
    set(hub, CR_FIGURE_ROOM, (double)hub->config->room_bytes);
    uint64_t left, all;
    cr_disk_room(hub, &left, &all);
    set(hub, CR_FIGURE_DISK, (double)all);
    set(hub, CR_FIGURE_DISK_FREE, (double)left);
}

static cr_status look_at_people(cr_hub *hub, cr_err *err) {
    static const char *const periods[] = {"24h", "7d", "30d"};
    const int64_t now = cr_wall_ms(), day = 24 * 3600 * (int64_t)1000;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err,
                         "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM users WHERE last_activity_ms > ?), "
                         "(SELECT count(*) FROM users WHERE last_activity_ms > ?), (SELECT count(*) FROM users WHERE last_activity_ms > ?)", "iii", now - day, now - 7 * day, now - 30 * day));
    if (cr_query_next(&q)) {
        set(hub, CR_FIGURE_USERS, (double)cr_query_int(&q, 0));
        for (size_t i = 0; i < CR_ARRAY_LEN(periods); i++)
            cr_figures_note(hub, CR_FIGURE_ACTIVE, (double)cr_query_int(&q, (int)i + 1), periods[i], NULL, NULL);
    }
    return cr_query_end(&q, err);
}

static void look_at_process(cr_hub *hub) {
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) == 0)
        set(hub, CR_FIGURE_CPU, (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6);
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long all, resident;
    if (f && fscanf(f, "%llu %llu", &all, &resident) == 2) {
        double page = (double)sysconf(_SC_PAGESIZE);
        set(hub, CR_FIGURE_VIRTUAL, (double)all * page);
        set(hub, CR_FIGURE_RESIDENT, (double)resident * page);
    }
    if (f)
        fclose(f);
    DIR *d = opendir("/proc/self/fd");
    if (d) {
        double n = 0;
        for (const struct dirent *e; (e = readdir(d));)
            n += e->d_name[0] != '.';
        closedir(d);
        set(hub, CR_FIGURE_FILES, n - 1);      /* not the folder's own */
    }
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most) == 0)
        set(hub, CR_FIGURE_FILES_MOST, (double)most.rlim_cur);
    set(hub, CR_FIGURE_PROCESS_START, (double)hub->started_ms * 1e-3);
}

void cr_api_metrics(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_READ_METRICS))
        return;
    look_at_servers(hub);
    if (look_at_people(hub, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    look_at_process(hub);
    cr_proxy_state proxy;
    cr_proxy_get_state(hub->proxy, &proxy);
    set(hub, CR_FIGURE_PROXY, proxy.connected);
    bool paused = false;
    for (int i = 0; i < CR_PROFILES_MAX; i++)
        paused = paused || cr_breaker_left(&hub->breaker[i], cr_now_ms());
    set(hub, CR_FIGURE_PAUSED, paused);
    if (hub->tls_until_s)
        set(hub, CR_FIGURE_TLS_UNTIL, (double)hub->tls_until_s);
    cr_figures_note(hub, CR_FIGURE_BUILD, 1, CRATON_VERSION, NULL, NULL);
    if (hub->feature)
        hub->feature->figures(hub);
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, TEXT_MAX);
    cr_metrics_write(hub->figures, &text);
    if (cr_buf_check(&text, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
}
