/* server_start.c - the start of a server: what it may have, its account, its places and secrets, the process. Every outcome is an event. */
#include "platform/runner/server_parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/launch.h"
#include "platform/runner/place.h"
#include "platform/runner/quota.h"
#include "platform/runner/software.h"

enum { GIVEN_MOST = 64 << 10, CLUSTER_LEAST = 512 << 20 };

/* ---- places ---- */

static cr_status write_secret(const char *dir, const char *name, const char *text, const cr_account *u, cr_err *err) {
    char path[CR_URL_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CR_TRY(cr_file_replace(path, text, strlen(text), geteuid() == 0 ? 0640 : 0600, err));
    if (geteuid() == 0 && lchown(path, 0, u->gid) != 0)
        return CR_FAIL_ERRNO(err, "cannot set the group of %s", path);
    return CR_OK;
}

/* The account reads them and cannot change them. */
static cr_status write_secrets(const cr_server *v, const cr_msg_start *m, const cr_account *u, cr_err *err) {
    char dir[CR_URL_MAX];
    if (m->dask.role != CR_ROLE_SCHEDULER)
        return CR_OK;
    CR_TRY(cr_place_dir(cr_server_secrets_dir(v, dir), 0, u->gid, geteuid() == 0 ? 0750 : 0700, err));
    CR_TRY(write_secret(dir, "cert.pem", m->dask.cert, u, err));
    CR_TRY(write_secret(dir, "key.pem", m->dask.key, u, err));
    return write_secret(dir, "token", m->token, u, err);
}

static cr_status make_places(cr_server *v, const cr_account *u, char runtime_dir[CR_URL_MAX], cr_err *err) {
    const cr_config *c = v->table->setup.config;
    char path[CR_URL_MAX], group[CR_LINK_MAX];
    snprintf(path, sizeof path, "%s/u/%s", c->run_dir, v->r.id.account);
    /* setgid: sockets made here get HAProxy's group, though the user is not in it. HAProxy itself may not enter. */
    CR_TRY(cr_place_dir(path, u->uid, v->table->setup.proxy_gid, c->as_root ? 02700 : 0700, err));
    snprintf(runtime_dir, CR_URL_MAX, "%s/r/%u", c->run_dir, (unsigned)u->uid);
    CR_TRY(cr_place_dir(runtime_dir, u->uid, u->gid, 0700, err));
    return cr_cgroup_make(v->table->groups, cr_server_group(v, group), &v->r.limits, err);
}

/* ---- what it may have ---- */

/* What the profile gives, by the operator's file as this process has read it. */
static cr_status look_up(const cr_servers *s, const cr_msg_start *m, cr_arena *a, cr_profile_given *ret_given, cr_err *err) {
    static const cr_profile_set none;
    const cr_config *c = s->setup.config;
    if (m->dask.role)
        return CR_OK;
    return cr_profile_apply(s->setup.profiles ? s->setup.profiles : &none, &m->profile, c->memory_bytes, (uint32_t)c->cpu_milli, a, ret_given,
                            err);
}

static uint64_t at_most(uint64_t asked, uint64_t allowed) { return allowed && (asked == 0 || asked > allowed) ? allowed : asked; }

/* The hub is not believed: nothing starts with more than the operator's file and settings give. */
static cr_status bound(const cr_servers *s, cr_msg_start *m, cr_err *err) {
    const cr_config *c = s->setup.config;
    cr_profile_given given;
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, GIVEN_MOST);
    m->limits.pids = (uint32_t)at_most(m->limits.pids, (uint64_t)c->pids);
    if (m->dask.role) {
        m->limits.memory_bytes = at_most(m->limits.memory_bytes, CR_MAX(c->gateway_memory_bytes, (uint64_t)CLUSTER_LEAST));
        m->limits.cpu_milli = (uint32_t)at_most(m->limits.cpu_milli, (uint64_t)c->gateway_cores * 1000);
        return CR_OK;
    }
    CR_TRY(look_up(s, m, &arena, &given, err));
    m->limits.memory_bytes = at_most(m->limits.memory_bytes, given.memory_bytes);
    m->limits.cpu_milli = (uint32_t)at_most(m->limits.cpu_milli, given.cpu_milli);
    return CR_OK;
}

/* ---- the process ---- */

/* The parent that this start may be forked from; NULL: none. */
static cr_prepared *parent_for(cr_servers *s, const cr_launch *l) {
    if (l->software)
        return NULL;
    if (!l->start->dask.role) {
        cr_prepared_want(s->prepared, l->environment);
        cr_prepared_want(s->kernels, l->environment);
        return s->prepared;
    }
    cr_prepared_want(s->clusters, l->environment);
    return cr_dask_env_is_early(l->start->dask.environment) ? NULL : s->clusters;
}

static void on_forked(void *user, pid_t pid, const cr_err *why);

/* False: to be started plainly. */
static bool begin_fork(cr_server *v, const cr_launch *l) {
    cr_err err = CR_ERR_INIT;
    cr_prepared *parent = parent_for(v->table, l);
    if (!cr_prepared_is_ready(parent, l->environment))
        return false;
    if (cr_prepared_begin(parent, l, on_forked, v, &v->fork, &err) == CR_OK)
        return true;
    cr_log_err(CR_LOG_WARN, "prepared start failed, starting plainly", &err);
    return false;
}

/* The limit of the home, where the file system holds people to it. A server starts also where that fails: the hub has looked at the figures. */
static void set_quota(const cr_servers *s, const cr_msg_start *m, const cr_account *u) {
    char base[600];
    cr_err err = CR_ERR_INIT;
    snprintf(base, sizeof base, "%s/home", s->setup.config->state_dir);
    if (s->has_quotas && m->dask.role != CR_ROLE_WORKER && cr_quota_limit(base, u->uid, m->disk_bytes, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "limit of a home not set", &err);
}

typedef struct software {
    char environment[PATH_MAX], kernel_prefix[PATH_MAX], jupyter_path[PATH_MAX];
    const cr_software *whole, *kernel;
} software;

/* From which environment it runs, by the operator's file. One that only leads to Craton's own is Craton's own. */
static cr_status find_software(const cr_servers *s, const cr_msg_start *m, const cr_software *given, software *ret, cr_err *err) {
    char own[PATH_MAX];
    const cr_software *w = m->cleaning ? NULL : given;     /* who only cleans up needs no software but the hub's */
    CR_TRY(cr_server_environment(s->setup.config, own, err));
    if (m->dask.software[0]) {
        w = s->setup.profiles ? cr_profile_software(s->setup.profiles, m->dask.software) : NULL;
        if (!w)
            return CR_FAIL(err, CR_NOT_FOUND, "there is no software '%s' any more", m->dask.software);
        CR_TRY(cr_software_open_dask(w, ret->environment, err));
    } else if (w) {
        CR_TRY(cr_software_open(w, w->whole ? ret->environment : ret->kernel_prefix, err));
    }
    ret->kernel = w && !m->dask.role && !w->whole ? w : NULL;
    ret->whole = w && !ret->kernel && strcmp(ret->environment, own) != 0 ? w : NULL;
    if (!ret->whole)
        memcpy(ret->environment, own, sizeof own);
    return ret->kernel ? cr_software_kernel(s->setup.config, w, ret->kernel_prefix, ret->jupyter_path, err) : CR_OK;
}

static cr_status take_process(cr_server *v, pid_t pid, bool preimported, cr_err *err) {
    uint64_t ticks = 0;
    v->r.preimported = preimported;
    v->r.pid = pid;
    CR_TRY(cr_process_pidfd(pid, &v->pidfd, err));
    (void)!cr_process_start_time(pid, &ticks, NULL);   /* it may have ended already: the pidfd will tell */
    v->r.start_ticks = (int64_t)ticks;
    return CR_OK;
}

/* Afterwards the process is there, or v->fork is: then it will be. plainly: the latter has failed before. */
static cr_status launch(cr_server *v, const cr_msg_start *m, bool plainly, cr_err *err) {
    cr_servers *s = v->table;
    char runtime_dir[CR_URL_MAX], sock[CR_URL_MAX], link[CR_URL_MAX], group[CR_LINK_MAX], kernels[CR_URL_MAX],
        secrets[CR_URL_MAX];
    cr_account u;
    cr_profile_given given = {0};
    software from = {0};
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, GIVEN_MOST);
    CR_TRY(look_up(s, m, &arena, &given, err));
    CR_TRY(find_software(s, m, given.software, &from, err));
    snprintf(v->r.software, sizeof v->r.software, "%s", from.whole ? from.whole->slug : "");
    CR_TRY(cr_account_find(s->accounts, m->id.account, &u, err));
    cr_group_folders_of(&s->folders, m->folders, &u);
    CR_TRY(cr_group_folders_show(&s->folders, s->jobs, m->id.account, &u, m->folders, err));
    set_quota(s, m, &u);
    cr_measuring_disturb(s, m->id.account);
    v->r.uid = u.uid;
    CR_TRY(make_places(v, &u, runtime_dir, err));
    CR_TRY(write_secrets(v, m, &u, err));
    if (v->log_fd < 0 && (v->log_fd = cr_server_open_log(v, true, err)) < 0)
        return err ? err->status : CR_IO;
    /* Before the process: a helper that is killed in between finds its control group. */
    CR_TRY(cr_record_save(s->record_dir, &v->r, err));
    cr_server_paths(v, sock, link);
    const cr_launch l = {.config = s->setup.config, .start = m, .account = &u, .groups = s->groups, .group = cr_server_group(v, group),
                         .socket = sock, .runtime_dir = runtime_dir, .environment = from.environment, .software = from.whole ? from.whole->slug : NULL,
                         .kernel = from.kernel, .jupyter_path = from.jupyter_path,
                         .given = v->r.role ? NULL : &given, .secrets_dir = v->r.role ? cr_server_secrets_dir(v, secrets) : NULL,
                         .kernels_socket = s->kernels && !from.whole ? cr_server_kernels_socket(v, kernels) : NULL, .log_fd = v->log_fd};
    pid_t pid;
    if (!plainly && begin_fork(v, &l))
        return CR_OK;
    CR_TRY(cr_launch_plain(&l, &pid, err));
    return take_process(v, pid, false, err);
}

static void fail_start(cr_server *v, const cr_err *why) {
    cr_log_err(CR_LOG_ERROR, "server not started", why);
    v->r.reason = CR_STOP_FAILED_START;
    v->r.detail = why->status;
    snprintf(v->r.text, sizeof v->r.text, "%s", why->message);
    if (v->pidfd >= 0)
        v->exit = cr_process_kill(v->pidfd);
    else if (v->r.pid > 0 && why->status != CR_NOT_FOUND)    /* it is there, and there was no descriptor left to hold it by */
        kill((pid_t)v->r.pid, SIGKILL);
    cr_server_wind_up(v);
}

/* Its process is there, if status says so. */
static void run(cr_server *v, cr_status status, cr_err *err) {
    char group[CR_LINK_MAX];
    if (status == CR_OK) {
        v->r.state = CR_SERVER_RUNNING;
        /* Without a record the next helper would not know it, and end it as something that was left over. */
        status = cr_record_save(v->table->record_dir, &v->r, err);
        if (status == CR_OK)
            status = cr_server_watch(v, err);
    }
    if (status != CR_OK) {
        fail_start(v, err);
        return;
    }
    cr_log(CR_LOG_INFO, "server started", "server=%s pid=%d uid=%d", cr_server_group(v, group), (int)v->r.pid, (int)v->r.uid);
    cr_server_tell(v, CR_RUNNER_STARTED);
}

static cr_status wait_with(cr_server *v, const cr_msg_start *m, cr_wait what, cr_err *err) {
    v->waits = malloc(sizeof *m);
    if (!v->waits)
        return CR_FAIL(err, CR_MEMORY, "no memory for a start that waits");
    *v->waits = *m;
    v->waits_for = what;
    return CR_OK;
}

static void begin(cr_server *v, const cr_msg_start *m, bool plainly) {
    cr_err err = CR_ERR_INIT;
    cr_status status = launch(v, m, plainly, &err);
    if (status == CR_OK && v->fork) {
        status = wait_with(v, m, CR_WAIT_FORK, &err);
        if (status == CR_OK)
            return;
        cr_prepared_cancel(&v->fork);
    }
    run(v, status, &err);
}

static void on_forked(void *user, pid_t pid, const cr_err *why) {
    cr_server *v = user;
    cr_msg_start m = *v->waits;
    cr_err err = CR_ERR_INIT;
    v->fork = NULL;
    cr_server_drop_wait(v);
    if (pid) {
        run(v, take_process(v, pid, true, &err), &err);
    } else {
        cr_log_err(CR_LOG_WARN, "prepared start failed, starting plainly", why);
        begin(v, &m, true);
    }
    explicit_bzero(&m, sizeof m);         /* it has the token */
}

/* The environment of the operator's from which something will run; NULL: none, or what is said when it begins. */
static const cr_software *software_of(const cr_servers *s, const cr_msg_start *m) {
    cr_profile_given given = {0};
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, GIVEN_MOST);
    if (m->dask.software[0])
        return s->setup.profiles ? cr_profile_software(s->setup.profiles, m->dask.software) : NULL;
    return !m->cleaning && look_up(s, m, &arena, &given, NULL) == CR_OK ? given.software : NULL;
}

/* What its account's programs serve is out of others' reach, as far as it can be. */
static void begin_with_software(cr_server *v, const cr_msg_start *m) {
    const cr_software *w = software_of(v->table, m);
    cr_err err = CR_ERR_INIT;
    if (!w) {
        begin(v, m, false);
        return;
    }
    cr_status status = wait_with(v, m, CR_WAIT_SOFTWARE, &err);
    if (status == CR_OK && (status = cr_looking_begin(v->table, m->id.generation, w, m->dask.role != 0, &err)) != CR_OK)
        cr_server_drop_wait(v);
    if (status != CR_OK)
        fail_start(v, &err);
}

/* Its account is there. */
static void begin_with_rules(cr_server *v, const cr_msg_start *m) {
    cr_err err = CR_ERR_INIT;
    if (!cr_owner_rules_admit(v->table->rules, (uid_t)v->r.uid))
        begin_with_software(v, m);
    else if (wait_with(v, m, CR_WAIT_RULES, &err) != CR_OK)
        fail_start(v, &err);
}

/* It waits until its account is there. */
static cr_status need_account(cr_server *v, const cr_msg_start *m, cr_err *err) {
    cr_servers *s = v->table;
    cr_account u;
    cr_account_work work;
    if (cr_removal_is_under_way(s, m->id.account))
        return CR_FAIL(err, CR_CONFLICT, "account %s is being removed", m->id.account);
    CR_TRY(cr_account_claim(s->accounts, m->id.account, &u, &work, err));
    v->r.uid = u.uid;
    CR_TRY(wait_with(v, m, CR_WAIT_ACCOUNT, err));
    cr_status status = cr_making_begin(s, &work, err);
    if (status != CR_OK)
        cr_server_drop_wait(v);
    return status;
}

void cr_server_start(cr_servers *s, const cr_msg_start *asked) {
    cr_msg_start bounded = *asked, *m = &bounded;
    cr_err why = CR_ERR_INIT;
    cr_status fits = bound(s, m, &why);
    cr_record r = {.id = m->id, .limits = m->limits, .state = CR_SERVER_STARTING, .started_ms = cr_wall_ms(), .role = m->dask.role,
                   .cluster = (int64_t)m->dask.cluster};
    cr_err err = CR_ERR_INIT;
    snprintf(r.user, sizeof r.user, "%s", m->user);
    cr_group_folders_names(&s->folders, m->folders, r.folders);
    memcpy(r.boot_id, s->boot_id, sizeof r.boot_id);
    /* Where all are being stopped nothing begins any more: it would be left behind. */
    cr_server *v = s->on_none_left ? NULL : cr_server_add(s, &r);
    if (!v) {
        cr_runner_event e = {.kind = CR_RUNNER_EXITED, .id = m->id, .reason = CR_STOP_FAILED_START,
                             .detail = s->on_none_left ? CR_CONFLICT : CR_MEMORY};
        snprintf(e.text, sizeof e.text, "%s", s->on_none_left ? N_("the platform is being stopped") : "no memory for the record of a server");
        s->setup.on_event(s->setup.user, &e);
        return;
    }
    if (fits != CR_OK)
        fail_start(v, &why);
    else if (need_account(v, m, &err) != CR_OK)
        fail_start(v, &err);
    explicit_bzero(&bounded, sizeof bounded);   /* it has the token */
}

void cr_server_go_on(cr_server *v, const cr_err *made) {
    cr_msg_start m = *v->waits;
    cr_server_drop_wait(v);
    if (made->status == CR_OK)
        begin_with_rules(v, &m);
    else
        fail_start(v, made);
    explicit_bzero(&m, sizeof m);
}

void cr_server_admitted(cr_server *v) {
    cr_msg_start m = *v->waits;
    cr_server_drop_wait(v);
    begin_with_software(v, &m);
    explicit_bzero(&m, sizeof m);
}

void cr_server_looked(cr_server *v, const cr_err *found) {
    if (!v->waits || v->waits_for != CR_WAIT_SOFTWARE)    /* it was stopped */
        return;
    cr_msg_start m = *v->waits;
    cr_server_drop_wait(v);
    if (found->status == CR_OK)
        begin(v, &m, false);
    else
        fail_start(v, found);
    explicit_bzero(&m, sizeof m);
}
