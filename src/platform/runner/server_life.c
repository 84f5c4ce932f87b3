/* server_life.c - start, socket, end, and telling the hub. */
#include "platform/runner/server_life.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/kept_log.h"
#include "platform/runner/launch.h"
#include "platform/runner/place.h"

enum { SOCKET_POLL_MS = 20, SOCKET_SLOW_POLL_MS = 200, SOCKET_QUICK_MS = 15000, SWEEP_POLL_MS = 20, SWEEP_PATIENCE_MS = 30000,
       LOG_MOST = 8 << 20, GIVEN_MOST = 64 << 10, CLUSTER_LEAST = 512 << 20, RESUMED_GRACE_MS = 10000, OOM_FRESH_MS = 5000 };

static void on_end(void *user, uint32_t events);
static void log_path(const cr_server *v, const char *suffix, char path[CR_URL_MAX]);
static void look_for_socket(void *user, uint32_t events);
static void sweep(void *user, uint32_t events);
static void lose_patience(void *user, uint32_t events);

static const char *group_of(const cr_server *v, char buf[CR_LINK_MAX]) {
    return cr_link_name(v->r.id.account, v->r.id.generation, buf, CR_LINK_MAX);
}

static void paths_of(const cr_server *v, char sock[CR_URL_MAX], char link[CR_URL_MAX]) {
    const char *run = v->table->setup.config->run_dir;
    char name[CR_LINK_MAX];
    snprintf(sock, CR_URL_MAX, "%s/u/%s/s%llu", run, v->r.id.account, (unsigned long long)v->r.id.generation);
    snprintf(link, CR_URL_MAX, "%s/" CR_RUN_ROUTE "/%s", run, group_of(v, name));
}

static char *kernels_socket_of(const cr_server *v, char path[CR_URL_MAX]) {
    snprintf(path, CR_URL_MAX, "%s/r/%u/k%llu", v->table->setup.config->run_dir, (unsigned)v->r.uid, (unsigned long long)v->r.id.generation);
    return path;
}

static const char *noun_of(const cr_server *v) {
    static const char *const nouns[] = {[CR_ROLE_LAB] = "server", [CR_ROLE_SCHEDULER] = "scheduler", [CR_ROLE_WORKER] = "worker"};
    return nouns[v->r.role];
}

static char *secrets_dir_of(const cr_server *v, char path[CR_URL_MAX]) {
    snprintf(path, CR_URL_MAX, "%s/" CR_RUN_CLUSTERS "/%lld", v->table->setup.config->run_dir, (long long)v->r.cluster);
    return path;
}

/* A disk that is full must not stop the servers; what is lost then is only the memory across a restart of the helper. */
static void save(cr_server *v) {
    cr_err err;
    if (cr_record_save(v->table->record_dir, &v->r, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "record of a server not saved", &err);
}

/* Of a cluster's process, when it ended in a way that somebody may want to understand. */
static bool keeps_log(const cr_server *v) {
    return v->r.role && v->r.reason != CR_STOP_REQUESTED && !(v->r.reason == CR_STOP_EXITED && v->r.detail == 0);
}

void cr_server_tell(cr_server *v, cr_runner_event_kind kind) {
    cr_runner_event e = {.kind = kind, .id = v->r.id, .pid = v->r.pid, .preimported = v->r.preimported, .socket_ready = v->r.socket_ready,
                         .reason = (cr_stop_reason)v->r.reason, .detail = v->r.detail,
                         .memory_peak_bytes = (uint64_t)v->r.memory_peak_bytes};
    memcpy(e.text, v->r.text, sizeof e.text);
    if (kind == CR_RUNNER_STARTED || kind == CR_RUNNER_SNAPSHOT)
        e.detail = v->r.uid;
    if (kind == CR_RUNNER_EXITED && keeps_log(v)) {
        char path[CR_URL_MAX];
        log_path(v, "", path);
        cr_kept_log_tail(path, e.tail, sizeof e.tail);
    }
    v->table->setup.on_event(v->table->setup.user, &e);
}

static cr_server *add(cr_servers *s, const cr_record *r) {
    cr_server *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    *v = (cr_server){.next = s->first, .table = s, .r = *r, .pidfd = -1, .log_fd = -1};
    s->first = v;
    return v;
}

static void drop_wait(cr_server *v) {
    if (v->waits)
        explicit_bzero(v->waits, sizeof *v->waits);   /* it has the token */
    free(v->waits);
    v->waits = NULL;
}

static void close_fds(cr_server *v) {
    cr_watch *w = v->table->setup.watch;
    cr_watch_remove(w, &v->source);
    cr_watch_cancel(w, look_for_socket, v);
    cr_watch_cancel(w, lose_patience, v);
    cr_watch_cancel(w, sweep, v);
    if (v->pidfd >= 0)
        close(v->pidfd);
    if (v->log_fd >= 0)
        close(v->log_fd);
    v->pidfd = v->log_fd = -1;
}

void cr_server_let_go(cr_server *v) {
    drop_wait(v);
    close_fds(v);
    for (cr_server **at = &v->table->first; *at; at = &(*at)->next) {
        if (*at == v) {
            *at = v->next;
            break;
        }
    }
    free(v);
}

void cr_server_forget(cr_server *v) {
    cr_err err;
    if (cr_record_remove(v->table->record_dir, &v->r, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "record not removed", &err);
    cr_server_let_go(v);
}

/* ---- the end ---- */

/* The last line of the log that says something. */
static void last_words(const cr_server *v, char *out, size_t size) {
    char tail[4097];
    struct stat st;
    out[0] = 0;
    if (v->log_fd < 0 || fstat(v->log_fd, &st) != 0)
        return;
    off_t from = st.st_size > 4096 ? st.st_size - 4096 : 0;
    ssize_t n = pread(v->log_fd, tail, 4096, from);
    if (n <= 0)
        return;
    tail[n] = 0;
    while (n > 0 && strchr("\r\n \t", tail[n - 1]))
        tail[--n] = 0;
    char *line = strrchr(tail, '\n');
    snprintf(out, size, "%s", line ? line + 1 : tail);
    cr_text_clean(out);
}

static void explain(cr_server *v) {
    char size[16], words[160], *t = v->r.text;
    size_t n = sizeof v->r.text;
    last_words(v, words, sizeof words);
    switch ((cr_stop_reason)v->r.reason) {
    case CR_STOP_EXITED:
        if (v->r.detail == 0)
            snprintf(t, n, "The %s ended by itself.", noun_of(v));
        else
            snprintf(t, n, "The %s ended with exit code %d%s%s", noun_of(v), (int)v->r.detail, words[0] ? ": " : ".", words);
        break;
    case CR_STOP_SIGNAL:
        snprintf(t, n, "The %s was ended by signal %d (%s).", noun_of(v), (int)v->r.detail, strsignal((int)v->r.detail));
        break;
    case CR_STOP_OOM:
        snprintf(t, n, "The %s needed more memory than its limit of %s and was ended.", noun_of(v),
                 cr_text_bytes((uint64_t)v->r.detail, size, sizeof size));
        break;
    case CR_STOP_REQUESTED:
        snprintf(t, n, "Stopped.");
        break;
    case CR_STOP_LOST:
        snprintf(t, n, "The %s ended while nobody watched; why is not known.", noun_of(v));
        break;
    case CR_STOP_FAILED_START:
        break;
    }
}

static void judge(cr_server *v) {
    cr_cgroup_usage u = {0};
    char group[CR_LINK_MAX];
    bool measured = cr_cgroup_usage_of(v->table->groups, group_of(v, group), &u, NULL) == CR_OK;
    /* A look between the kill and the end of the process, which takes a while with much memory, has counted this kill already. */
    bool noticed = v->oom_noticed_ms && cr_now_ms() - v->oom_noticed_ms < OOM_FRESH_MS;
    bool oom = measured && (u.oom_kills > v->oom_seen || noticed);
    v->r.memory_peak_bytes = (int64_t)u.memory_peak_bytes;
    if (v->r.reason == CR_STOP_FAILED_START && v->r.text[0])
        return;   /* known before the process was ended */
    if (v->r.stop_requested) {
        v->r.reason = CR_STOP_REQUESTED;
        v->r.detail = v->exit.signal ? 128 + v->exit.signal : CR_MAX(v->exit.code, 0);
    } else if (oom && (v->exit.signal == SIGKILL || !v->exit.known)) {
        v->r.reason = CR_STOP_OOM;
        v->r.detail = (int64_t)(u.memory_limit_bytes ? u.memory_limit_bytes : v->r.limits.memory_bytes);
    } else if (!v->exit.known) {
        v->r.reason = CR_STOP_LOST;
    } else if (v->exit.signal) {
        v->r.reason = CR_STOP_SIGNAL;
        v->r.detail = v->exit.signal;
    } else {
        v->r.reason = CR_STOP_EXITED;
        v->r.detail = v->exit.code;
    }
    explain(v);
}

typedef struct hunt {
    const char *mark;
    bool all;
    pid_t self;
    int seen;
} hunt;

static void hunt_one(void *user, pid_t pid) {
    hunt *h = user;
    if (pid == h->self || !(h->all || cr_process_has_env(pid, h->mark)))
        return;
    h->seen++;
    kill(pid, SIGKILL);
}

/* Without control groups: by uid when it is this server's alone, else by a line in the environment. */
static int kill_by_search(const cr_server *v) {
    char mark[128];
    hunt h = {cr_launch_mark(&v->r.id, mark, sizeof mark), v->table->setup.config->as_root, getpid(), 0};
    for (const cr_server *o = v->table->first; o; o = o->next)
        if (o != v && o->r.uid == v->r.uid && o->r.state != CR_SERVER_ENDED)
            h.all = false;
    if (v->r.uid > 0 || !h.all)
        cr_process_each_of((uid_t)v->r.uid, hunt_one, &h);
    return h.seen;
}

static int kill_rest(const cr_server *v) {
    char group[CR_LINK_MAX];
    if (cr_cgroups_version(v->table->groups))
        return cr_cgroup_kill(v->table->groups, group_of(v, group));
    return kill_by_search(v);
}

/* Nothing of a user's can be in it: the directory is root's. */
static void remove_secrets(const cr_server *v) {
    static const char *const names[] = {"cert.pem", "key.pem", "token"};
    char dir[CR_URL_MAX], path[CR_URL_MAX + 16];
    secrets_dir_of(v, dir);
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static bool is_log_of_a_process(void *user, const char *name) {
    const cr_servers *s = user;
    for (const cr_server *v = s->first; v; v = v->next) {
        char path[CR_URL_MAX];
        if (!v->r.role || v->r.state == CR_SERVER_ENDED || !strstr(name, v->r.id.server))
            continue;
        log_path(v, "", path);
        if (cr_ends_with(path, name) && path[strlen(path) - strlen(name) - 1] == '/')
            return true;
    }
    return false;
}

void cr_servers_sweep_logs(cr_servers *s) {
    char dir[CR_URL_MAX];
    snprintf(dir, sizeof dir, "%s/log", s->setup.config->state_dir);
    cr_kept_logs_sweep(dir, is_log_of_a_process, s);
}

/* Many come and go. */
static void remove_or_keep_log(const cr_server *v) {
    char path[CR_URL_MAX];
    log_path(v, "", path);
    if (keeps_log(v))
        cr_kept_log_cut(path);
    else
        unlink(path);
}

static void finish(cr_server *v) {
    char sock[CR_URL_MAX], link[CR_URL_MAX], group[CR_LINK_MAX];
    cr_err err;
    paths_of(v, sock, link);
    unlink(link);
    unlink(sock);
    if (cr_cgroup_remove(v->table->groups, group_of(v, group), &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "control group not removed", &err);
    if (v->r.role == CR_ROLE_SCHEDULER)
        remove_secrets(v);
    if (v->r.role)
        remove_or_keep_log(v);
    v->r.state = CR_SERVER_ENDED;
    if (keeps_log(v))
        cr_servers_sweep_logs(v->table);
    v->r.socket_ready = 0;
    save(v);
    close_fds(v);
    cr_log(CR_LOG_INFO, "server ended", "server=%s pid=%d reason=%d detail=%lld", group, (int)v->r.pid, (int)v->r.reason,
           (long long)v->r.detail);
    cr_server_tell(v, CR_RUNNER_EXITED);
    cr_servers_note_end(v->table);
}

/* Kernels and whatever else the server has left; a killed process may take a moment to go. */
static void sweep(void *user, uint32_t events) {
    cr_server *v = user;
    cr_err err;
    char group[CR_LINK_MAX];
    (void)events;
    int left = kill_rest(v);
    bool gone = left == 0 && (!cr_cgroups_version(v->table->groups) ||
                              cr_cgroup_remove(v->table->groups, group_of(v, group), NULL) == CR_OK);
    if (!gone && cr_now_ms() - v->wait_since_ms < SWEEP_PATIENCE_MS && cr_watch_after(v->table->setup.watch, SWEEP_POLL_MS, sweep, v, &err) == CR_OK)
        return;
    if (!gone)
        cr_log(CR_LOG_ERROR, "processes of a server do not end", "server=%s left=%d", group_of(v, group), left);
    finish(v);
}

/* The process is gone, or was never there. */
static void wind_up(cr_server *v) {
    cr_watch *w = v->table->setup.watch;
    cr_watch_remove(w, &v->source);
    cr_watch_cancel(w, look_for_socket, v);
    cr_watch_cancel(w, lose_patience, v);
    judge(v);
    v->wait_since_ms = cr_now_ms();
    sweep(v, 0);
}

static void on_end(void *user, uint32_t events) {
    cr_server *v = user;
    (void)events;
    v->exit = cr_process_reap(v->pidfd);
    wind_up(v);
}

static void lose_patience(void *user, uint32_t events) {
    cr_server *v = user;
    (void)events;
    if (v->pidfd >= 0)
        cr_process_signal(v->pidfd, SIGKILL);   /* its end then takes the rest along */
}

static void stop_within(cr_server *v, uint32_t grace_ms) {
    cr_err err;
    cr_process_signal(v->pidfd, SIGTERM);
    if (cr_watch_after(v->table->setup.watch, grace_ms, lose_patience, v, &err) != CR_OK)
        lose_patience(v, 0);
}

void cr_server_stop(cr_server *v, uint32_t grace_ms) {
    if (v->waits) {               /* there is no process; the account is made nevertheless */
        drop_wait(v);
        v->r.stop_requested = 1;
        wind_up(v);
        return;
    }
    if (v->r.state == CR_SERVER_ENDED || v->pidfd < 0)
        return;
    v->r.stop_requested = 1;
    save(v);
    stop_within(v, grace_ms);
}

/* ---- the socket ---- */

static void refuse_socket(cr_server *v, const cr_err *err) {
    cr_log_err(CR_LOG_ERROR, "socket refused", err);
    v->r.reason = CR_STOP_FAILED_START;
    v->r.detail = err->status;
    snprintf(v->r.text, sizeof v->r.text, "%s", err->message);
    cr_process_signal(v->pidfd, SIGKILL);
}

/* The process from which the server's kernels are forked: once, as soon as its parent is ready. Without it they start plainly. */
static void start_kernels(cr_server *v) {
    cr_servers *s = v->table;
    char environment[PATH_MAX], runtime_dir[CR_URL_MAX], path[CR_URL_MAX], group[CR_LINK_MAX];
    cr_err err = CR_ERR_INIT;
    cr_account u;
    pid_t pid;
    if (v->kernels_asked || !v->r.socket_ready || v->r.state != CR_SERVER_RUNNING || v->log_fd < 0 ||
        cr_server_environment(s->setup.config, environment, NULL) != CR_OK || !cr_prepared_is_ready(s->kernels, environment))
        return;
    v->kernels_asked = true;
    if (faccessat(AT_FDCWD, kernels_socket_of(v, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;                   /* that of an earlier helper */
    cr_msg_start m = {.id = v->r.id, .limits = v->r.limits};
    snprintf(m.user, sizeof m.user, "%s", v->r.user);
    snprintf(runtime_dir, sizeof runtime_dir, "%s/r/%u", s->setup.config->run_dir, (unsigned)v->r.uid);
    cr_status status = cr_account_find(s->accounts, v->r.id.account, &u, &err);
    const cr_launch l = {.config = s->setup.config, .start = &m, .account = &u, .groups = s->groups, .group = group_of(v, group),
                         .runtime_dir = runtime_dir, .environment = environment, .kernels_socket = path, .kernels_of = (pid_t)v->r.pid,
                         .log_fd = v->log_fd};
    if (status == CR_OK)
        status = cr_prepared_launch(s->kernels, &l, &pid, &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_WARN, "kernels will be started plainly", &err);
}

static void look_for_socket(void *user, uint32_t events) {
    cr_server *v = user;
    char sock[CR_URL_MAX], link[CR_URL_MAX];
    cr_err err = CR_ERR_INIT;
    (void)events;
    paths_of(v, sock, link);
    cr_status status = cr_place_pin(sock, link, (uid_t)v->r.uid, &err);
    if (status == CR_OK) {
        v->r.socket_ready = 1;
        save(v);
        cr_server_tell(v, CR_RUNNER_SOCKET);
        start_kernels(v);
    } else if (status == CR_NOT_FOUND) {
        int64_t pause = cr_now_ms() - v->wait_since_ms < SOCKET_QUICK_MS ? SOCKET_POLL_MS : SOCKET_SLOW_POLL_MS;
        if (cr_watch_after(v->table->setup.watch, pause, look_for_socket, v, &err) != CR_OK)
            refuse_socket(v, &err);
    } else {
        refuse_socket(v, &err);
    }
}

/* ---- the start ---- */

static cr_status watch(cr_server *v, cr_err *err) {
    cr_watch *w = v->table->setup.watch;
    CR_TRY(cr_watch_add(w, v->pidfd, EPOLLIN, on_end, v, &v->source, err));
    v->wait_since_ms = cr_now_ms();
    return v->r.socket_ready || v->r.role ? CR_OK : cr_watch_after(w, SOCKET_POLL_MS, look_for_socket, v, err);
}

static void log_path(const cr_server *v, const char *suffix, char path[CR_URL_MAX]) {
    const char *server = v->r.id.server;
    snprintf(path, CR_URL_MAX, "%s/log/%s%s%s.log%s", v->table->setup.config->state_dir, v->r.id.account, server[0] ? "." : "", server, suffix);
}

static int open_log(const cr_server *v, bool fresh, cr_err *err) {
    char path[CR_URL_MAX], before[CR_URL_MAX];
    log_path(v, "", path);
    log_path(v, ".1", before);
    if (fresh && !v->r.role)
        (void)!rename(path, before);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || (geteuid() == 0 && fchown(fd, (uid_t)v->r.uid, (gid_t)-1) != 0))
        CR_FAIL_ERRNO(err, "cannot open %s", path);
    return fd;
}

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
    CR_TRY(cr_place_dir(secrets_dir_of(v, dir), 0, u->gid, geteuid() == 0 ? 0750 : 0700, err));
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
    return cr_cgroup_make(v->table->groups, group_of(v, group), &v->r.limits, err);
}

cr_status cr_server_environment(const cr_config *c, char *out, cr_err *err) {
    char path[600];
    snprintf(path, sizeof path, "%s/env/current", c->prefix);
    if (!realpath(path, out)) {
        CR_FAIL_ERRNO(err, "the software environment %s is missing", path);
        cr_err_hint(err, "run ./up to install it");
        return err ? err->status : CR_NO_FILE;
    }
    return CR_OK;
}

/* False: to be started plainly. */
static bool fork_prepared(cr_servers *s, const cr_launch *l, pid_t *ret_pid) {
    cr_err err = CR_ERR_INIT;
    if (!s->prepared || l->start->dask.role)
        return false;
    cr_prepared_want(s->prepared, l->environment);
    cr_prepared_want(s->kernels, l->environment);
    if (!cr_prepared_is_ready(s->prepared, l->environment))
        return false;
    if (cr_prepared_launch(s->prepared, l, ret_pid, &err) == CR_OK)
        return true;
    cr_log_err(CR_LOG_WARN, "prepared start failed, starting plainly", &err);
    return false;
}

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

static cr_status launch(cr_server *v, const cr_msg_start *m, cr_err *err) {
    cr_servers *s = v->table;
    char environment[PATH_MAX], runtime_dir[CR_URL_MAX], sock[CR_URL_MAX], link[CR_URL_MAX], group[CR_LINK_MAX], kernels[CR_URL_MAX],
        secrets[CR_URL_MAX];
    cr_account u;
    cr_profile_given given = {0};
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, GIVEN_MOST);
    CR_TRY(look_up(s, m, &arena, &given, err));
    CR_TRY(cr_server_environment(s->setup.config, environment, err));
    CR_TRY(cr_account_find(s->accounts, m->id.account, &u, err));
    cr_owner_rules_admit(s->rules, u.uid);
    v->r.uid = u.uid;
    CR_TRY(make_places(v, &u, runtime_dir, err));
    CR_TRY(write_secrets(v, m, &u, err));
    v->log_fd = open_log(v, true, err);
    if (v->log_fd < 0)
        return err ? err->status : CR_IO;
    /* Before the process: a helper that is killed in between finds its control group. */
    CR_TRY(cr_record_save(s->record_dir, &v->r, err));
    paths_of(v, sock, link);
    const cr_launch l = {.config = s->setup.config, .start = m, .account = &u, .groups = s->groups, .group = group_of(v, group),
                         .socket = sock, .runtime_dir = runtime_dir, .environment = environment,
                         .given = v->r.role ? NULL : &given, .secrets_dir = v->r.role ? secrets_dir_of(v, secrets) : NULL,
                         .kernels_socket = s->kernels ? kernels_socket_of(v, kernels) : NULL, .log_fd = v->log_fd};
    pid_t pid;
    v->r.preimported = fork_prepared(s, &l, &pid);
    if (!v->r.preimported)
        CR_TRY(cr_launch_plain(&l, &pid, err));
    v->r.pid = pid;
    CR_TRY(cr_process_pidfd(pid, &v->pidfd, err));
    uint64_t ticks = 0;
    (void)!cr_process_start_time(pid, &ticks, NULL);   /* it may have ended already: the pidfd will tell */
    v->r.start_ticks = (int64_t)ticks;
    return CR_OK;
}

static void fail_start(cr_server *v, const cr_err *why) {
    cr_log_err(CR_LOG_ERROR, "server not started", why);
    v->r.reason = CR_STOP_FAILED_START;
    v->r.detail = why->status;
    snprintf(v->r.text, sizeof v->r.text, "%s", why->message);
    if (v->pidfd >= 0)
        cr_process_signal(v->pidfd, SIGKILL);
    wind_up(v);
}

static void begin(cr_server *v, const cr_msg_start *m) {
    cr_err err = CR_ERR_INIT;
    char group[CR_LINK_MAX];
    cr_status status = launch(v, m, &err);
    if (status == CR_OK) {
        v->r.state = CR_SERVER_RUNNING;
        save(v);
        status = watch(v, &err);
    }
    if (status != CR_OK) {
        fail_start(v, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "server started", "server=%s pid=%d uid=%d", group_of(v, group), (int)v->r.pid, (int)v->r.uid);
    cr_server_tell(v, CR_RUNNER_STARTED);
}

/* *ret_made: its account is there. Otherwise it waits for it. */
static cr_status need_account(cr_server *v, const cr_msg_start *m, bool *ret_made, cr_err *err) {
    cr_servers *s = v->table;
    cr_account u;
    cr_account_work work;
    if (cr_removal_is_under_way(s, m->id.account))
        return CR_FAIL(err, CR_CONFLICT, "account %s is being removed", m->id.account);
    CR_TRY(cr_account_claim(s->accounts, m->id.account, &u, &work, err));
    v->r.uid = u.uid;
    *ret_made = !cr_making_is_under_way(s, m->id.account) && cr_account_is_made(s->accounts, &u);
    if (*ret_made)
        return CR_OK;
    v->waits = malloc(sizeof *m);
    if (!v->waits)
        return CR_FAIL(err, CR_MEMORY, "no memory to wait for an account");
    *v->waits = *m;
    cr_status status = cr_making_begin(s, &work, err);
    if (status != CR_OK)
        drop_wait(v);
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
    memcpy(r.boot_id, s->boot_id, sizeof r.boot_id);
    /* Where all are being stopped nothing begins any more: it would be left behind. */
    cr_server *v = s->on_none_left ? NULL : add(s, &r);
    bool made = false;
    if (!v) {
        cr_runner_event e = {.kind = CR_RUNNER_EXITED, .id = m->id, .reason = CR_STOP_FAILED_START,
                             .detail = s->on_none_left ? CR_CONFLICT : CR_MEMORY};
        snprintf(e.text, sizeof e.text, "%s", s->on_none_left ? "the platform is being stopped" : "no memory for the record of a server");
        s->setup.on_event(s->setup.user, &e);
        return;
    }
    if (fits != CR_OK)
        fail_start(v, &why);
    else if (need_account(v, m, &made, &err) != CR_OK)
        fail_start(v, &err);
    else if (made)
        begin(v, m);
    explicit_bzero(&bounded, sizeof bounded);   /* it has the token */
}

void cr_server_go_on(cr_server *v, const cr_err *made) {
    cr_msg_start m = *v->waits;
    drop_wait(v);
    if (made->status == CR_OK)
        begin(v, &m);
    else
        fail_start(v, made);
    explicit_bzero(&m, sizeof m);
}

/* ---- after a restart of the helper ---- */

static void resume(cr_server *v) {
    cr_err err;
    cr_cgroup_usage u;
    char group[CR_LINK_MAX];
    if (cr_cgroup_usage_of(v->table->groups, group_of(v, group), &u, NULL) == CR_OK)
        v->oom_seen = u.oom_kills;
    v->log_fd = open_log(v, false, &err);
    if (watch(v, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "server found running cannot be watched", &err);
    if (v->r.stop_requested)
        stop_within(v, RESUMED_GRACE_MS);
    cr_log(CR_LOG_INFO, "server found running", "server=%s pid=%d", group_of(v, group), (int)v->r.pid);
}

void cr_server_adopt(cr_servers *s, const cr_record *r) {
    cr_server *v = add(s, r);
    if (!v || r->state == CR_SERVER_ENDED)
        return;
    bool same_boot = strcmp(r->boot_id, s->boot_id) == 0;
    if (same_boot && r->pid > 0 && cr_process_open((pid_t)r->pid, (uint64_t)r->start_ticks, &v->pidfd, NULL) == CR_OK) {
        v->r.state = CR_SERVER_RUNNING;
        resume(v);
        return;
    }
    if (r->pid == 0) {
        v->r.reason = CR_STOP_FAILED_START;
        v->r.detail = CR_CANCELLED;
        snprintf(v->r.text, sizeof v->r.text, "The start was interrupted.");
    }
    wind_up(v);
}

static void tell_memory(cr_server *v, uint64_t limit) {
    const cr_runner_event e = {.kind = CR_RUNNER_MEMORY, .id = v->r.id, .pid = v->r.pid,
                               .detail = (int64_t)(limit ? limit : v->r.limits.memory_bytes)};
    v->table->setup.on_event(v->table->setup.user, &e);
}

void cr_server_look_after(cr_server *v) {
    cr_cgroup_usage u;
    char group[CR_LINK_MAX];
    struct stat st;
    if (cr_cgroup_usage_of(v->table->groups, group_of(v, group), &u, NULL) == CR_OK && u.oom_kills != v->oom_seen) {
        cr_log(CR_LOG_WARN, "a process was ended for memory", "server=%s times=%llu", group, (unsigned long long)(u.oom_kills - v->oom_seen));
        v->oom_seen = u.oom_kills;
        v->oom_noticed_ms = cr_now_ms();
        tell_memory(v, u.memory_limit_bytes);
    }
    start_kernels(v);
    if (v->log_fd >= 0 && fstat(v->log_fd, &st) == 0 && st.st_size > LOG_MOST) {
        static const char note[] = "(the log had grown past its limit and begins again here)\n";
        if (ftruncate(v->log_fd, 0) == 0)   /* the server writes with O_APPEND, so it goes on at the new end */
            (void)!write(v->log_fd, note, sizeof note - 1);
    }
}
