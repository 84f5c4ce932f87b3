/* server_life.c - a server between its start and its end: its names and record, its log and socket, found again, looked after. */
#include "platform/runner/server_parts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/kept_log.h"
#include "platform/runner/launch.h"
#include "platform/runner/place.h"

enum { SOCKET_POLL_MS = 20, SOCKET_SLOW_POLL_MS = 200, SOCKET_QUICK_MS = 15000, LOG_MOST = 8 << 20, RESUMED_GRACE_MS = 10000 };

/* ---- names and places ---- */

const char *cr_server_group(const cr_server *v, char buf[CR_LINK_MAX]) {
    return cr_link_name(v->r.id.account, v->r.id.generation, buf, CR_LINK_MAX);
}

void cr_server_paths(const cr_server *v, char sock[CR_URL_MAX], char link[CR_URL_MAX]) {
    const char *run = v->table->setup.config->run_dir;
    char name[CR_LINK_MAX];
    snprintf(sock, CR_URL_MAX, "%s/u/%s/s%llu", run, v->r.id.account, (unsigned long long)v->r.id.generation);
    snprintf(link, CR_URL_MAX, "%s/" CR_RUN_ROUTE "/%s", run, cr_server_group(v, name));
}

char *cr_server_kernels_socket(const cr_server *v, char path[CR_URL_MAX]) {
    snprintf(path, CR_URL_MAX, "%s/r/%u/k%llu", v->table->setup.config->run_dir, (unsigned)v->r.uid, (unsigned long long)v->r.id.generation);
    return path;
}

char *cr_server_secrets_dir(const cr_server *v, char path[CR_URL_MAX]) {
    snprintf(path, CR_URL_MAX, "%s/" CR_RUN_CLUSTERS "/%lld", v->table->setup.config->run_dir, (long long)v->r.cluster);
    return path;
}

void cr_server_log_path(const cr_server *v, const char *suffix, char path[CR_URL_MAX]) {
    const char *server = v->r.id.server;
    snprintf(path, CR_URL_MAX, "%s/log/%s%s%s.log%s", v->table->setup.config->state_dir, v->r.id.account, server[0] ? "." : "", server, suffix);
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

/* ---- record and table ---- */

/* A disk that is full must not stop the servers; what is lost then is only the memory across a restart of the helper. */
void cr_server_save(cr_server *v) {
    cr_err err;
    if (cr_record_save(v->table->record_dir, &v->r, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "record of a server not saved", &err);
}

/* Of a cluster's process, when it ended in a way that somebody may want to understand. */
bool cr_server_keeps_log(const cr_server *v) {
    return v->r.role && v->r.reason != CR_STOP_REQUESTED && !(v->r.reason == CR_STOP_EXITED && v->r.detail == 0);
}

void cr_server_tell(cr_server *v, cr_runner_event_kind kind) {
    cr_runner_event e = {.kind = kind, .id = v->r.id, .pid = v->r.pid, .preimported = v->r.preimported, .socket_ready = v->r.socket_ready,
                         .reason = (cr_stop_reason)v->r.reason, .detail = v->r.detail,
                         .memory_peak_bytes = (uint64_t)v->r.memory_peak_bytes};
    memcpy(e.text, v->r.text, sizeof e.text);
    if (kind == CR_RUNNER_STARTED || kind == CR_RUNNER_SNAPSHOT)
        e.detail = v->r.uid;
    if (kind == CR_RUNNER_EXITED && cr_server_keeps_log(v)) {
        char path[CR_URL_MAX];
        cr_server_log_path(v, "", path);
        cr_kept_log_tail(path, e.tail, sizeof e.tail);
    }
    v->table->setup.on_event(v->table->setup.user, &e);
}

cr_server *cr_server_add(cr_servers *s, const cr_record *r) {
    cr_server *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    *v = (cr_server){.next = s->first, .table = s, .r = *r, .pidfd = -1, .log_fd = -1};
    s->first = v;
    return v;
}

void cr_server_drop_wait(cr_server *v) {
    if (v->waits)
        explicit_bzero(v->waits, sizeof *v->waits);   /* it has the token */
    free(v->waits);
    v->waits = NULL;
    cr_prepared_cancel(&v->fork);
}

void cr_server_let_go(cr_server *v) {
    cr_server_drop_wait(v);
    cr_server_close_fds(v);
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

/* ---- log and socket ---- */

int cr_server_open_log(const cr_server *v, bool fresh, cr_err *err) {
    char path[CR_URL_MAX], before[CR_URL_MAX];
    cr_server_log_path(v, "", path);
    cr_server_log_path(v, ".1", before);
    if (fresh && !v->r.role)
        (void)!rename(path, before);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && (geteuid() != 0 || fchown(fd, (uid_t)v->r.uid, (gid_t)-1) == 0))
        return fd;
    CR_FAIL_ERRNO(err, "cannot open %s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

void cr_server_note(const cr_server *v, const char *line) {
    if (v->log_fd >= 0)
        (void)!write(v->log_fd, line, strlen(line));
}

/* The account's programs have it open, and what they allocate beyond its end takes space without making it longer. */
void cr_server_bound_log(const cr_server *v) {
    struct stat st;
    if (v->log_fd < 0 || fstat(v->log_fd, &st) != 0 || CR_MAX((int64_t)st.st_size, (int64_t)st.st_blocks * 512) <= LOG_MOST)
        return;
    if (ftruncate(v->log_fd, 0) == 0)       /* the server writes with O_APPEND, so it goes on at the new end */
        cr_server_note(v, "(the log had grown past its limit and begins again here)\n");
}

static void refuse_socket(cr_server *v, const cr_err *err) {
    cr_log_err(CR_LOG_ERROR, "socket refused", err);
    v->r.reason = CR_STOP_FAILED_START;
    v->r.detail = err->status;
    snprintf(v->r.text, sizeof v->r.text, "%s", err->message);
    cr_process_signal(v->pidfd, SIGKILL);
}

static void on_kernels_forked(void *user, pid_t pid, const cr_err *why) {
    ((cr_server *)user)->kernels_fork = NULL;
    if (!pid)
        cr_log_err(CR_LOG_WARN, "kernels will be started plainly", why);
}

/* The process from which the server's kernels are forked: once, as soon as its parent is ready. Without it they start plainly. */
static void start_kernels(cr_server *v) {
    cr_servers *s = v->table;
    char environment[PATH_MAX], runtime_dir[CR_URL_MAX], path[CR_URL_MAX], group[CR_LINK_MAX];
    cr_err err = CR_ERR_INIT;
    cr_account u;
    if (!s->kernels || v->kernels_asked || v->r.software[0] || !v->r.socket_ready || v->r.state != CR_SERVER_RUNNING || v->log_fd < 0 ||
        cr_server_environment(s->setup.config, environment, NULL) != CR_OK || !cr_prepared_is_ready(s->kernels, environment))
        return;
    v->kernels_asked = true;
    if (faccessat(AT_FDCWD, cr_server_kernels_socket(v, path), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;                   /* that of an earlier helper */
    cr_msg_start m = {.id = v->r.id, .limits = v->r.limits};
    snprintf(m.user, sizeof m.user, "%s", v->r.user);
    snprintf(runtime_dir, sizeof runtime_dir, "%s/r/%u", s->setup.config->run_dir, (unsigned)v->r.uid);
    cr_status status = cr_account_find(s->accounts, v->r.id.account, &u, &err);
    if (status == CR_OK)
        cr_group_folders_of(&s->folders, cr_group_folders_set(&s->folders, v->r.folders), &u);
    const cr_launch l = {.config = s->setup.config, .start = &m, .account = &u, .groups = s->groups, .group = cr_server_group(v, group),
                         .runtime_dir = runtime_dir, .environment = environment, .kernels_socket = path, .kernels_of = (pid_t)v->r.pid,
                         .log_fd = v->log_fd};
    if (status == CR_OK)
        status = cr_prepared_begin(s->kernels, &l, on_kernels_forked, v, &v->kernels_fork, &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_WARN, "kernels will be started plainly", &err);
}

static void look_for_socket(void *user, uint32_t events) {
    cr_server *v = user;
    char sock[CR_URL_MAX], link[CR_URL_MAX];
    cr_err err = CR_ERR_INIT;
    (void)events;
    cr_server_paths(v, sock, link);
    cr_status status = cr_place_pin(sock, link, (uid_t)v->r.uid, &err);
    if (status == CR_OK) {
        v->r.socket_ready = 1;
        cr_server_save(v);
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

void cr_server_stop_looking(cr_server *v) { cr_watch_cancel(v->table->setup.watch, look_for_socket, v); }

cr_status cr_server_watch(cr_server *v, cr_err *err) {
    cr_watch *w = v->table->setup.watch;
    CR_TRY(cr_watch_add(w, v->pidfd, EPOLLIN, cr_server_on_end, v, &v->source, err));
    v->wait_since_ms = cr_now_ms();
    return v->r.socket_ready || v->r.role ? CR_OK : cr_watch_after(w, SOCKET_POLL_MS, look_for_socket, v, err);
}

/* ---- after a restart of the helper ---- */

static void resume(cr_server *v) {
    cr_err err;
    cr_cgroup_usage u;
    char group[CR_LINK_MAX];
    if (cr_cgroup_usage_of(v->table->groups, cr_server_group(v, group), &u, NULL) == CR_OK)
        v->oom_seen = u.oom_kills, v->limit_seen = u.limit_hits;
    v->log_fd = cr_server_open_log(v, false, &err);
    if (cr_server_watch(v, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "server found running cannot be watched", &err);
    if (v->r.stop_requested)
        cr_server_stop_within(v, RESUMED_GRACE_MS);
    cr_log(CR_LOG_INFO, "server found running", "server=%s pid=%d", cr_server_group(v, group), (int)v->r.pid);
}

void cr_server_adopt(cr_servers *s, const cr_record *r) {
    cr_server *v = cr_server_add(s, r);
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
        snprintf(v->r.text, sizeof v->r.text, N_("The start was interrupted."));
    }
    cr_server_wind_up(v);
}

static void tell_memory(cr_server *v) {
    const cr_runner_event e = {.kind = CR_RUNNER_MEMORY, .id = v->r.id, .pid = v->r.pid, .detail = (int64_t)v->oom_limit};
    v->table->setup.on_event(v->table->setup.user, &e);
}

/* Guarantees are less than limits, so all together can want more than there is: then the kernel ends the largest process, whatever its own limit. */
static void log_memory(const cr_server *v, const cr_cgroup_usage *u, uint64_t times) {
    char group[CR_LINK_MAX], peak[16];
    cr_log(CR_LOG_WARN, "a process was ended for memory", "server=%s times=%llu", cr_server_group(v, group), (unsigned long long)times);
    if (!v->oom_limit)
        cr_log_often(CR_LOG_ERROR, "the memory of the machine, or of all servers together, was used up: make guarantee larger or room smaller, see docs/lifecycle.md",
                     "server=%s used_at_most=%s", group, cr_text_bytes(u->memory_peak_bytes, peak, sizeof peak));
}

bool cr_server_note_oom(cr_server *v, const cr_cgroup_usage *u) {
    const uint64_t times = u->oom_kills - v->oom_seen;
    if (!times)
        return false;
    v->oom_limit = u->limit_hits == v->limit_seen && !u->limit_reached ? 0 : u->memory_limit_bytes ? u->memory_limit_bytes : v->r.limits.memory_bytes;
    v->oom_seen = u->oom_kills;
    v->limit_seen = u->limit_hits;
    v->oom_noticed_ms = cr_now_ms();
    log_memory(v, u, times);
    return true;
}

void cr_server_look_after(cr_server *v) {
    cr_cgroup_usage u = {0};
    uint64_t kills;
    char group[CR_LINK_MAX];
    if (cr_cgroup_oom_kills(v->table->groups, cr_server_group(v, group), &kills, NULL) == CR_OK && kills != v->oom_seen &&
        cr_cgroup_usage_of(v->table->groups, group, &u, NULL) == CR_OK && cr_server_note_oom(v, &u))
        tell_memory(v);
    start_kernels(v);
    cr_server_bound_log(v);
}
