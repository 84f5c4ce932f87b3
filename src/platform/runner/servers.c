/* servers.c - the table: messages in, events out. The life of one server is in server_life.c. */
#include "platform/runner/servers.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/place.h"
#include "platform/runner/quota.h"
#include "platform/runner/run_space.h"
#include "platform/runner/server_life.h"

enum { TICK_MS = 2000, LOGS_MS = 3600 * 1000, KILL_ROUNDS = 100, KILL_PAUSE_US = 20000 };

cr_server *cr_servers_find(const cr_servers *s, uint64_t generation) {
    for (cr_server *v = s->first; v; v = v->next)
        if (v->r.id.generation == generation)
            return v;
    return NULL;
}

static bool is_same(const cr_server *v, const cr_server_id *id) {
    return strcmp(v->r.id.account, id->account) == 0 && strcmp(v->r.id.server, id->server) == 0;
}

static size_t count_live(const cr_servers *s) {
    size_t n = 0;
    for (const cr_server *v = s->first; v; v = v->next)
        n += v->r.state != CR_SERVER_ENDED;
    return n;
}

void cr_servers_note_end(cr_servers *s) {
    if (s->on_none_left && count_live(s) == 0) {
        void (*done)(void *) = s->on_none_left;
        s->on_none_left = NULL;
        done(s->none_left_user);
    }
}

bool cr_servers_holds(const cr_servers *s, pid_t pid) {
    if (cr_jobs_holds(s->jobs, pid) || cr_prepared_holds(s->prepared, pid) || cr_prepared_holds(s->kernels, pid) ||
        cr_prepared_holds(s->clusters, pid))
        return true;
    for (const cr_server *v = s->first; v; v = v->next)
        if (v->pidfd >= 0 && v->r.pid == pid)
            return true;
    return false;
}

/* ---- messages ---- */

static void on_start(cr_servers *s, const cr_msg_start *m) {
    if (cr_servers_find(s, m->id.generation)) {
        cr_log(CR_LOG_WARN, "start of a known generation ignored", "generation=%llu", (unsigned long long)m->id.generation);
        return;
    }
    cr_server_start(s, m);
}

static void on_stop(cr_servers *s, const cr_msg_stop *m) {
    cr_server *v = cr_servers_find(s, m->id.generation);
    if (!v || !is_same(v, &m->id)) {
        cr_runner_event e = {.kind = CR_RUNNER_EXITED, .id = m->id, .reason = CR_STOP_LOST};
        snprintf(e.text, sizeof e.text, N_("This server was not running."));
        s->setup.on_event(s->setup.user, &e);
        return;
    }
    cr_server_stop(v, m->grace_ms);
}

static void on_list(cr_servers *s) {
    for (cr_server *v = s->first; v; v = v->next)
        cr_server_tell(v, v->r.state == CR_SERVER_ENDED ? CR_RUNNER_EXITED : CR_RUNNER_SNAPSHOT);
    const cr_runner_event end = {.kind = CR_RUNNER_SNAPSHOT_END};
    s->setup.on_event(s->setup.user, &end);
}

static void on_ack(cr_servers *s, const cr_msg_ack *m) {
    cr_server *v = cr_servers_find(s, m->id.generation);
    if (v && v->r.state == CR_SERVER_ENDED)
        cr_server_forget(v);
}

void cr_servers_handle(cr_servers *s, const cr_msg *m) {
    switch ((cr_msg_kind)m->head.kind) {
    case CR_MSG_START:
        on_start(s, &m->as_cr_msg_start);
        break;
    case CR_MSG_STOP:
        on_stop(s, &m->as_cr_msg_stop);
        break;
    case CR_MSG_LIST:
        on_list(s);
        break;
    case CR_MSG_ACK:
        on_ack(s, &m->as_cr_msg_ack);
        break;
    case CR_MSG_REMOVE_ACCOUNT:
        cr_removal_ask(s, m->as_cr_msg_remove.account, m->as_cr_msg_remove.purge);
        break;
    case CR_MSG_MEASURE:
        cr_measuring_ask(s, m->as_cr_msg_measure.account);
        break;
    default:
        break;
    }
}

void cr_servers_stop_all(cr_servers *s, uint32_t grace_ms, void (*done)(void *user), void *user) {
    s->on_none_left = done;
    s->none_left_user = user;
    for (cr_server *v = s->first; v; v = v->next)
        if (v->r.state != CR_SERVER_ENDED)
            cr_server_stop(v, grace_ms);
    cr_servers_note_end(s);
}

/* ---- opening ---- */

static void adopt_one(void *user, const cr_record *r) { cr_server_adopt(user, r); }

/* What an earlier helper has left: names of servers that do not run. */
typedef struct stale {
    cr_servers *s;
    cr_map running;               /* names of links and groups */
} stale;

static cr_status name_running(stale *t, cr_err *err) {
    char link[CR_LINK_MAX];
    cr_map_init(&t->running, SIZE_MAX);
    for (cr_server *v = t->s->first; v; v = v->next)
        if (v->r.state != CR_SERVER_ENDED)
            CR_TRY(cr_map_set(&t->running, cr_link_name(v->r.id.account, v->r.id.generation, link, sizeof link), v, err));
    return CR_OK;
}

static void remove_stale_links(const stale *t) {
    char path[CR_URL_MAX];
    DIR *d = opendir(cr_run_path(t->s->setup.config, CR_RUN_ROUTE, path, sizeof path));
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "api") != 0 && strcmp(e->d_name, "front") != 0 && !cr_map_get(&t->running, e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static void remove_stale_group(void *user, const char *name) {
    const stale *t = user;
    cr_servers *s = t->s;
    if (cr_map_get(&t->running, name))
        return;
    for (int i = 0; i < KILL_ROUNDS && cr_cgroup_kill(s->groups, name) > 0; i++)
        usleep(KILL_PAUSE_US);
    cr_err err;
    if (cr_cgroup_remove(s->groups, name, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "left-over control group", &err);
}

static void tick(void *user, uint32_t events) {
    cr_servers *s = user;
    (void)events;
    for (cr_server *v = s->first; v; v = v->next)
        if (v->r.state == CR_SERVER_RUNNING)
            cr_server_look_after(v);
    cr_run_space_tick(s);
    cr_owner_rules_again(s->rules, cr_now_ms());
    cr_measuring_tick(s);
    if (cr_now_ms() - s->logs_ms > LOGS_MS) {
        s->logs_ms = cr_now_ms();
        cr_servers_sweep_logs(s);
    }
    (void)!cr_watch_after(s->setup.watch, TICK_MS, tick, s, NULL);
}

static cr_status remove_stale(cr_servers *s, cr_err *err) {
    stale t = {.s = s};
    cr_status status = name_running(&t, err);
    if (status == CR_OK) {
        remove_stale_links(&t);
        cr_cgroup_each(s->groups, remove_stale_group, &t);
    }
    cr_map_done(&t.running);
    return status;
}

/* Two cratonds on one machine have two trees. */
static void tree_name(const cr_config *c, char out[32]) {
    uint32_t h = 2166136261u;
    for (const char *p = c->run_dir; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    snprintf(out, 32, strcmp(c->run_dir, "/run/craton") == 0 ? "craton" : "craton-%08x", h);
}

static bool has_clusters(const cr_servers *s) {
    for (const cr_server *v = s->first; v; v = v->next)
        if (v->r.role && v->r.state != CR_SERVER_ENDED)
            return true;
    return false;
}

static cr_status open_prepared(cr_servers *s, cr_err *err) {
    const cr_servers_setup *u = &s->setup;
    cr_prepared_setup setup = {.config = u->config, .watch = u->watch, .of = "servers", .list = "modules", .start_uid = u->start_uid,
                               .start_gid = u->start_gid};
    char environment[PATH_MAX];
    if (!u->config->preimport)
        return CR_OK;
    CR_TRY(cr_prepared_new(&setup, &s->prepared, err));
    setup.of = "kernels";
    setup.list = "kernel-modules";
    if (u->config->as_root)       /* for one account it would take more memory than it saves */
        CR_TRY(cr_prepared_new(&setup, &s->kernels, err));
    setup.of = "clusters";
    setup.list = "cluster-modules";
    if (u->config->gateway)
        CR_TRY(cr_prepared_new(&setup, &s->clusters, err));
    if (cr_server_environment(u->config, environment, NULL) == CR_OK) {   /* else the first start says what is missing */
        cr_prepared_want(s->prepared, environment);
        cr_prepared_want(s->kernels, environment);
        if (has_clusters(s))      /* else the first cluster begins it: most of the time nobody has one */
            cr_prepared_want(s->clusters, environment);
    }
    return CR_OK;
}

static void look_for_quotas(cr_servers *s) {
    char base[600];
    snprintf(base, sizeof base, "%s/home", s->setup.config->state_dir);
    s->has_quotas = s->setup.config->as_root && cr_quota_is_on(base);
    if (s->has_quotas)
        cr_log(CR_LOG_INFO, "limits of homes are enforced by the file system", "path=%s", base);
}

static void on_admitted(void *user, uid_t uid) {
    cr_servers *s = user;
    for (cr_server *v = s->first; v; v = v->next)
        if (v->waits && v->waits_for == CR_WAIT_RULES && (uid_t)v->r.uid == uid)
            cr_server_admitted(v);
}

static cr_status open_rules(cr_servers *s, const char *tree, cr_err *err) {
    size_t n = 0;
    for (const cr_server *v = s->first; v; v = v->next)
        n++;
    cr_auto_free uid_t *uids = calloc(n + 1, sizeof *uids);
    if (!uids)
        return CR_FAIL(err, CR_MEMORY, "no memory for owner rules");
    n = 0;
    for (const cr_server *v = s->first; v; v = v->next)
        uids[n++] = (uid_t)v->r.uid;
    return cr_owner_rules_open(s->setup.config, "/usr/sbin/nft", tree, uids, n, s->jobs, on_admitted, s, &s->rules, err);
}

cr_status cr_servers_open(const cr_servers_setup *setup, cr_servers **ret_servers, cr_err *err) {
    cr_servers *s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory for the table of servers");
    s->setup = *setup;
    char tree[32];
    tree_name(setup->config, tree);
    snprintf(s->record_dir, sizeof s->record_dir, "%s/runner/servers", setup->config->state_dir);
    cr_status status;
    CR_TRY_GOTO(cr_place_dir(s->record_dir, 0, 0, 0700, err), failed);
    CR_TRY_GOTO(cr_process_boot_id(s->boot_id, err), failed);
    CR_TRY_GOTO(cr_jobs_new(setup->watch, &s->jobs, err), failed);
    CR_TRY_GOTO(cr_accounts_open(setup->config, &s->accounts, err), failed);
    look_for_quotas(s);
    CR_TRY_GOTO(cr_group_folders_open(setup->config, s->accounts, &s->folders, err), failed);
    CR_TRY_GOTO(cr_cgroups_open(tree, NULL, &s->groups, err), failed);
    cr_log(CR_LOG_INFO, "control groups", "use=%s", cr_cgroups_describe(s->groups));
    CR_TRY_GOTO(cr_record_each(s->record_dir, adopt_one, s, err), failed);
    CR_TRY_GOTO(remove_stale(s, err), failed);
    CR_TRY_GOTO(open_rules(s, tree, err), failed);
    CR_TRY_GOTO(open_prepared(s, err), failed);
    CR_TRY_GOTO(cr_watch_after(setup->watch, TICK_MS, tick, s, err), failed);
    *ret_servers = s;
    return CR_OK;
failed:
    cr_servers_close(s);
    return status;
}

void cr_servers_close(cr_servers *s) {
    if (!s)
        return;
    cr_watch_cancel(s->setup.watch, tick, s);
    cr_jobs_free(s->jobs);
    cr_owner_rules_close(s->rules, count_live(s) == 0);   /* else they go on with the servers */
    cr_measuring_free(s);
    cr_removals_free(s);
    cr_makings_free(s);
    cr_lookings_free(s);
    cr_prepared_free(s->prepared);
    cr_prepared_free(s->kernels);
    cr_prepared_free(s->clusters);
    while (s->first)
        cr_server_let_go(s->first);
    if (s->groups)
        cr_cgroups_remove_tree(s->groups);   /* only when it is empty */
    cr_cgroups_close(s->groups);
    cr_accounts_close(s->accounts);
    free(s);
}
