/* helper.c - wiring and signals. */
#include "platform/daemon/helper.h"

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "platform/daemon/acme.h"
#include "platform/daemon/fetch_process.h"
#include "platform/daemon/haproxy_process.h"
#include "platform/daemon/hub_process.h"
#include "platform/runner/process.h"
#include "platform/runner/servers.h"

enum { STOP_GRACE_MS = 10000, REAP_AGAIN_MS = 100, FILES_LEAST = 900 };     /* HAProxy with its 200 connections takes most, see haproxy_config.c */

typedef struct helper {
    const cr_config *config;
    const cr_provider_set *providers;
    const cr_service_set *services;
    const cr_role_set *roles;
    const cr_profile_set *profiles;
    cr_ground ground;
    cr_watch *watch;
    cr_watch_source *signals;
    int signal_fd;
    cr_hub_process *hub;
    cr_haproxy *haproxy;
    cr_fetch_process *fetch;
    cr_acme *acme;
    cr_servers *servers;
    bool stop_all;
} helper;

static void on_server_event(void *user, const cr_runner_event *event) {
    cr_hub_process_send(((helper *)user)->hub, event);
}

static void on_proxy_change(void *user, int64_t pid) {
    const cr_runner_event e = {.kind = CR_RUNNER_PROXY, .pid = pid};
    cr_hub_process_send(((helper *)user)->hub, &e);
}

static void on_tls_change(void *user, int64_t until_s, const char *problem) {
    cr_runner_event e = {.kind = CR_RUNNER_TLS, .detail = until_s};
    snprintf(e.text, sizeof e.text, "%s", *problem ? problem : cr_acme_problem(((helper *)user)->acme));
    cr_hub_process_send(((helper *)user)->hub, &e);
}

static void on_acme_change(void *user) {
    helper *h = user;
    if (!h->haproxy)
        return;
    cr_haproxy_look_tls(h->haproxy);
    cr_haproxy_tell_tls(h->haproxy);
}

static void on_hub_message(void *user, const cr_msg *m) {
    helper *h = user;
    if (m->head.kind == CR_MSG_LIST) {   /* a new hub: it must also hear which HAProxy there is, and what it serves */
        on_proxy_change(h, cr_haproxy_pid(h->haproxy));
        cr_haproxy_tell_tls(h->haproxy);
    }
    cr_servers_handle(h->servers, m);
}

static bool is_held(void *user, pid_t pid) {
    helper *h = user;
    return (h->hub && cr_hub_process_holds(h->hub, pid)) || (h->haproxy && cr_haproxy_holds(h->haproxy, pid)) ||
           (h->servers && cr_servers_holds(h->servers, pid)) || (h->fetch && cr_fetch_process_holds(h->fetch, pid)) || cr_acme_holds(h->acme, pid);
}

static void on_all_stopped(void *user) { cr_watch_stop(((helper *)user)->watch); }

/* One that has ended and is held stands before the others until who holds it has seen it: then no further signal comes for those. */
static void reap_orphans(void *user, uint32_t events) {
    helper *h = user;
    (void)events;
    cr_watch_cancel(h->watch, reap_orphans, h);
    if (!cr_process_reap_orphans(is_held, h) && cr_watch_after(h->watch, REAP_AGAIN_MS, reap_orphans, h, NULL) != CR_OK)
        cr_log(CR_LOG_WARN, "processes that have ended may wait", NULL);
}

static void on_signal(void *user, uint32_t events) {
    helper *h = user;
    struct signalfd_siginfo info;
    (void)events;
    while (read(h->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            reap_orphans(h, 0);
            break;
        case SIGUSR1:
            cr_log(CR_LOG_INFO, "stopping everything", NULL);
            h->stop_all = true;
            cr_servers_stop_all(h->servers, STOP_GRACE_MS, on_all_stopped, h);
            break;
        default:
            cr_log(CR_LOG_INFO, "ending", "signal=%u", info.ssi_signo);
            cr_watch_stop(h->watch);
        }
    }
}

static cr_status watch_signals(helper *h, cr_err *err) {
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < CR_ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (h->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return CR_FAIL_ERRNO(err, "cannot receive signals");
    return cr_watch_add(h->watch, h->signal_fd, EPOLLIN, on_signal, h, &h->signals, err);
}

static cr_status raise_limits(cr_err *err) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
        if (r.rlim_max < FILES_LEAST) {
            CR_FAIL(err, CR_LIMIT, "this process may have %llu open files, and cratond needs %d", (unsigned long long)r.rlim_max, FILES_LEAST);
            cr_err_hint(err, "raise the limit where cratond is started: LimitNOFILE= of a unit, --ulimit nofile= of a container, ulimit -n");
            return CR_LIMIT;
        }
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return CR_OK;
}

static cr_status begin(helper *h, cr_err *err) {
    CR_TRY(cr_watch_new(&h->watch, err));
    CR_TRY(watch_signals(h, err));
    const cr_servers_setup setup = {.config = h->config, .profiles = h->profiles, .watch = h->watch, .start_uid = h->ground.start_uid, .start_gid = h->ground.start_gid,
                                    .proxy_gid = h->ground.proxy_gid, .on_event = on_server_event, .user = h};
    CR_TRY(cr_servers_open(&setup, &h->servers, err));
    CR_TRY(cr_acme_start(h->config, &h->ground, h->watch, on_acme_change, h, &h->acme, err));
    CR_TRY(cr_haproxy_start(h->config, &h->ground, h->watch, on_proxy_change, on_tls_change, h, &h->haproxy, err));
    CR_TRY(cr_fetch_process_start(h->config, h->providers, &h->ground, h->watch, &h->fetch, err));
    return cr_hub_process_start(h->config, h->providers, h->services, h->roles, h->profiles, &h->ground, h->watch, on_hub_message, h, &h->hub, err);
}

static void finish(helper *h) {
    cr_hub_process_free(h->hub);
    cr_fetch_process_free(h->fetch);
    cr_haproxy_free(h->haproxy, h->stop_all);
    cr_acme_free(h->acme);
    cr_servers_close(h->servers);
    cr_watch_remove(h->watch, &h->signals);
    if (h->signal_fd >= 0)
        close(h->signal_fd);
    cr_watch_free(h->watch);
    cr_ground_leave(h->config, &h->ground);
}

cr_status cr_helper_run(const cr_config *config, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                        const cr_profile_set *profiles, cr_err *err) {
    helper h = {.config = config, .providers = providers, .services = services, .roles = roles, .profiles = profiles, .signal_fd = -1};
    CR_TRY(raise_limits(err));
    CR_TRY(cr_ground_lay(config, providers->n > 0 || config->smtp[0], &h.ground, err));
    cr_log(CR_LOG_INFO, "cratond starts", "pid=%d root=%s run=%s state=%s", (int)getpid(), config->as_root ? "yes" : "no",
           config->run_dir, config->state_dir);
    cr_status status = begin(&h, err);
    if (status == CR_OK)
        status = cr_watch_run(h.watch, err);
    finish(&h);
    cr_log(CR_LOG_INFO, "cratond ended", NULL);
    return status;
}
