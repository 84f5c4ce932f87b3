/* hub.c - starts the hub's parts in order, runs the loop, ends them in reverse. */
#include "platform/hub/hub.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/db/schema.h"
#include "platform/hub/again.h"
#include "platform/hub/ahead.h"
#include "platform/hub/auditing.h"
#include "platform/hub/clock_set.h"
#include "platform/hub/disk.h"
#include "platform/hub/figures.h"
#include "platform/hub/given.h"
#include "platform/hub/idle_watch.h"
#include "platform/hub/lab.h"
#include "platform/hub/lab_queue.h"
#include "platform/hub/mailing.h"
#include "platform/hub/notices.h"

enum { MINUTE_MS = 60 * 1000, KEEP_ALIVE_MS = 8000, WORKERS = 2, WORK_QUEUE = CR_SIGNIN_STRANGERS + 32, SERVERS_MAX = 100000 };

void cr_hub_stop(cr_hub *hub, int exit_code) {
    hub->exit_code = exit_code;
    cr_loop_stop(hub->loop);
}

static void on_minute(void *user) {
    cr_hub *hub = user;
    cr_err err = CR_ERR_INIT;
    cr_timer_start(hub->loop, &hub->minute, MINUTE_MS, on_minute, hub);
    cr_labs_write_stops(hub);
    cr_labs_write_activity(hub);
    cr_tokens_write_uses(hub);
    cr_lab_queue_go_on(hub);
    cr_labs_sweep(hub);
    cr_labs_trim(hub);
    cr_log_often_tell();
    cr_removals_on_minute(hub);
    cr_given_check(hub);
    cr_disk_on_minute(hub);
    cr_audit_on_minute(hub);
    cr_mailing_on_minute(hub);
    if (hub->feature)
        hub->feature->minute(hub);
    if (cr_session_sweep(hub->db, &err) != CR_OK || cr_refusal_sweep(hub->db, &err) != CR_OK ||
        cr_again_sweep(hub->db, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "sweeping what has expired", &err);
}

static void after_wait(void *user) { cr_clock_look(user); }

static void on_keep_alive(void *user) {
    cr_hub *hub = user;
    cr_timer_start(hub->loop, &hub->keep_alive, KEEP_ALIVE_MS, on_keep_alive, hub);
    cr_http_keep_streams_alive(hub->http);
}

static void on_runner(void *user, uint32_t events) {
    cr_hub *hub = user;
    cr_err err = CR_ERR_INIT;
    if (hub->runner->ops->dispatch(hub->runner, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "reading from the helper", &err);
        cr_hub_stop(hub, cr_status_exit(err.status));
    }
}

static void on_signal(void *user, uint32_t events) {
    cr_log(CR_LOG_INFO, "hub is asked to end", NULL);
    cr_hub_stop(user, 0);
}

/* ---- addresses and policy ---- */

static void make_addresses(cr_hub *hub) {
    const cr_config *c = hub->config;
    char users[CR_URL_MAX];
    cr_url_hub_origin(c, hub->hub_origin, sizeof hub->hub_origin);
    cr_url_hub(c, hub->hub_url, sizeof hub->hub_url);
    const char *host = strstr(hub->hub_origin, "://");
    snprintf(hub->hub_host, sizeof hub->hub_host, "%s", host ? host + 3 : hub->hub_origin);
    /* Browsers keep Secure cookies of plain http only on the loopback. */
    hub->secure_cookies = cr_starts_with(hub->hub_origin, "https:") || cr_config_is_loopback(c);
    cr_url_user_origins(c, users, sizeof users);
    /* form-action follows redirects: signing in leads on to the person's own origin, or to a service's. */
    cr_auto_buf cr_buf services;
    cr_buf_init(&services, sizeof hub->policy - 1000);
    for (int i = 0; i < hub->services->n; i++) {
        char origin[320];
        if (hub->services->at[i].redirect[0] && cr_url_origin(hub->services->at[i].redirect, origin, NULL) == CR_OK)
            cr_buf_addf(&services, " %s", origin);
    }
    snprintf(hub->policy, sizeof hub->policy,
             "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
             "form-action 'self' %.500s%s; frame-ancestors 'none'; base-uri 'none'", users, cr_buf_str(&services));
}

/* ---- life ---- */

static cr_status open_state(cr_hub *hub, cr_err *err) {
    char path[1200], texts[1200];
    snprintf(path, sizeof path, "%s/hub", hub->config->state_dir);
    CR_TRY(cr_make_dirs(path, 0700, err));
    snprintf(path, sizeof path, "%s/hub/secret.key", hub->config->state_dir);
    CR_TRY(cr_secret_open(path, &hub->secret, err));
    snprintf(path, sizeof path, "%s/hub/hub.sqlite", hub->config->state_dir);
    CR_TRY(cr_db_open(path, cr_schema, cr_schema_len, &hub->db, err));
    snprintf(path, sizeof path, "%s/share/craton/web", hub->config->prefix);
    snprintf(texts, sizeof texts, "%s/texts", hub->config->state_dir);
    return cr_site_new(path, texts, &hub->site, err);
}

static void on_runner_event(void *user, const cr_runner_event *event) {
    cr_hub *hub = user;
    if (!hub->feature || !hub->feature->event(hub, event))
        cr_labs_event(hub, event);
}

static cr_status open_loop(cr_hub *hub, int runner_fd, cr_err *err) {
    CR_TRY(cr_loop_new(&hub->loop, err));
    CR_TRY(cr_workers_new(hub->loop, WORKERS, WORK_QUEUE, &hub->workers, err));
    CR_TRY(cr_throttle_new(&hub->throttle, err));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "receiving signals");
    CR_TRY(cr_loop_watch(hub->loop, fd, EPOLLIN, on_signal, hub, &hub->term_watch, err));
    CR_TRY(cr_runner_local_new(runner_fd, on_runner_event, hub, &hub->runner, err));
    return cr_loop_watch(hub->loop, hub->runner->ops->fd(hub->runner), EPOLLIN, on_runner, hub, &hub->runner_watch, err);
}

static cr_status join_routes(cr_hub *hub, cr_err *err) {
    size_t n = 0, more = 0;
    while (cr_hub_routes[n].pattern)
        n++;
    while (hub->feature && hub->feature->routes[more].pattern)
        more++;
    hub->routes = calloc(n + more + 1, sizeof *hub->routes);
    if (!hub->routes)
        return CR_FAIL(err, CR_MEMORY, "no memory for the table of requests");
    memcpy(hub->routes, cr_hub_routes, n * sizeof *hub->routes);
    if (more)
        memcpy(hub->routes + n, hub->feature->routes, more * sizeof *hub->routes);
    return CR_OK;
}

static cr_status open_services(cr_hub *hub, int api_fd, int control_fd, cr_err *err) {
    char socket[CR_URL_MAX], map[CR_URL_MAX];
    cr_proxy_settings proxy = {cr_run_path(hub->config, CR_RUN_PROXY, socket, sizeof socket), cr_run_path(hub->config, CR_RUN_MAP, map, sizeof map),
                               CR_PROXY_BACKEND, cr_lab_on_cut, hub};
    CR_TRY(cr_proxy_new(hub->loop, &proxy, &hub->proxy, err));
    CR_TRY(cr_audit_open(hub, err));
    CR_TRY(cr_figures_open(hub, err));
    CR_TRY(cr_services_open(hub, err));
    CR_TRY(cr_idle_open(hub, err));
    CR_TRY(cr_notices_open(hub, err));
    CR_TRY(cr_folders_read(hub->config->group_folders, &hub->folders, err));
    CR_TRY(cr_disk_open(hub, err));
    CR_TRY(cr_ahead_open(hub, err));
    CR_TRY(cr_labs_load(hub, err));
    CR_TRY(cr_labs_claim_routes(hub, err));
    if (hub->feature)
        CR_TRY(hub->feature->open(hub, err));
    CR_TRY(cr_labs_recover(hub, err));
    cr_given_check(hub);
    CR_TRY(cr_oidc_open(hub, err));
    CR_TRY(cr_mailing_open(hub, err));
    CR_TRY(join_routes(hub, err));
    cr_http_hooks hooks = {hub->routes, cr_gate, cr_site_error, hub->policy, hub, cr_figures_request, hub->config->base_url};
    CR_TRY(cr_http_new(hub->loop, api_fd, &hooks, &hub->http, err));
    return cr_control_new(hub, control_fd, &hub->control, err);
}

static void close_all(cr_hub *hub) {
    if (hub->db) {
        cr_labs_write_stops(hub);
        cr_labs_write_activity(hub);
        cr_tokens_write_uses(hub);
    }
    cr_control_free(hub->control);
    /* Workers first: a request that waits for one must not be answered twice. */
    cr_workers_free(hub->workers);
    cr_oidc_close(hub);
    cr_mailing_close(hub);
    if (hub->feature)
        hub->feature->close(hub);
    cr_http_free(hub->http);
    cr_idle_close(hub);
    cr_notices_close(hub);
    cr_ahead_close(hub);
    cr_disk_close(hub);
    cr_labs_free(hub);
    cr_figures_close(hub);
    cr_audit_close(hub);
    cr_proxy_free(hub->proxy);
    cr_loop_source_remove(hub->runner_watch);
    if (hub->runner)
        hub->runner->ops->free(hub->runner);
    cr_loop_source_remove(hub->term_watch);
    cr_site_free(hub->site);
    cr_throttle_free(hub->throttle);
    cr_db_close(hub->db);
    cr_loop_free(hub->loop);
    cr_secret_done(&hub->secret);
    free(hub->routes);
}

int cr_hub_main(const cr_config *config, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                const cr_profile_set *profiles, const cr_hub_feature *feature, int runner_fd, int api_fd, int control_fd) {
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_err err = CR_ERR_INIT;
    if (!hub)
        return cr_status_exit(CR_MEMORY);
    hub->config = config;
    hub->providers = providers;
    hub->services = services;
    hub->roles = roles;
    hub->profiles = profiles;
    hub->feature = feature;
    hub->started_ms = cr_wall_ms();
    cr_clock_look(hub);
    cr_map_init(&hub->servers, SERVERS_MAX);
    umask(0077);
    make_addresses(hub);
    cr_status status = open_state(hub, &err);
    if (status == CR_OK)
        status = open_loop(hub, runner_fd, &err);
    if (status == CR_OK)
        status = open_services(hub, api_fd, control_fd, &err);
    if (status == CR_OK) {
        cr_loop_after_wait(hub->loop, after_wait, hub);
        cr_timer_start(hub->loop, &hub->minute, MINUTE_MS, on_minute, hub);
        cr_timer_start(hub->loop, &hub->keep_alive, KEEP_ALIVE_MS, on_keep_alive, hub);
        cr_log(CR_LOG_INFO, "hub is ready", "url=%s", hub->hub_url);
        status = cr_loop_run(hub->loop, &err);
    }
    if (status != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "hub ends", &err);
        hub->exit_code = cr_status_exit(status);
    }
    int code = hub->exit_code;
    close_all(hub);
    free(hub);
    return code;
}
