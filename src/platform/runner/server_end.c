/* server_end.c - the end of a server: asked for or not, why, what is left of it, and telling the hub (servers.h, invariant 2). */
#include "platform/runner/server_parts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/kept_log.h"
#include "platform/runner/launch.h"
#include "platform/runner/leftovers.h"

enum { SWEEP_POLL_MS = 20, SWEEP_PATIENCE_MS = 30000, OOM_FRESH_MS = 5000 };

static void sweep(void *user, uint32_t events);
static void lose_patience(void *user, uint32_t events);

/* ---- why ---- */

static const char *noun_of(const cr_server *v) {
    static const char *const nouns[] = {[CR_ROLE_LAB] = "server", [CR_ROLE_SCHEDULER] = "scheduler", [CR_ROLE_WORKER] = "worker"};
    return nouns[v->r.role];
}

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
            snprintf(t, n, N_("The %s ended by itself."), noun_of(v));
        else if (words[0])
            snprintf(t, n, N_("The %s ended with exit code %d: %s"), noun_of(v), (int)v->r.detail, words);
        else
            snprintf(t, n, N_("The %s ended with exit code %d."), noun_of(v), (int)v->r.detail);
        break;
    case CR_STOP_SIGNAL:
        snprintf(t, n, N_("The %s was ended by signal %d (%s)."), noun_of(v), (int)v->r.detail, strsignal((int)v->r.detail));
        break;
    case CR_STOP_OOM:
        if (!v->r.detail)
            snprintf(t, n, N_("The %s was ended because the memory of the machine was used up; its own limit was not reached."), noun_of(v));
        else
            snprintf(t, n, N_("The %s needed more memory than its limit of %s and was ended."), noun_of(v),
                     cr_text_bytes((uint64_t)v->r.detail, size, sizeof size));
        break;
    case CR_STOP_REQUESTED:
        snprintf(t, n, N_("Stopped."));
        break;
    case CR_STOP_LOST:
        snprintf(t, n, N_("The %s ended while nobody watched; why is not known."), noun_of(v));
        break;
    case CR_STOP_FAILED_START:
        break;
    }
}

static void judge(cr_server *v) {
    cr_cgroup_usage u = {0};
    char group[CR_LINK_MAX];
    bool measured = cr_cgroup_usage_of(v->table->groups, cr_server_group(v, group), &u, NULL) == CR_OK;
    /* A look between the kill and the end of the process, which takes a while with much memory, has counted this kill already. */
    bool noticed = v->oom_noticed_ms && cr_now_ms() - v->oom_noticed_ms < OOM_FRESH_MS;
    bool oom = measured && (cr_server_note_oom(v, &u) || noticed);
    v->r.memory_peak_bytes = (int64_t)u.memory_peak_bytes;
    if (v->r.reason == CR_STOP_FAILED_START && v->r.text[0])
        return;   /* known before the process was ended */
    if (v->r.stop_requested) {
        v->r.reason = CR_STOP_REQUESTED;
        v->r.detail = v->exit.signal ? 128 + v->exit.signal : CR_MAX(v->exit.code, 0);
    } else if (oom && (v->exit.signal == SIGKILL || !v->exit.known)) {
        v->r.reason = CR_STOP_OOM;
        v->r.detail = (int64_t)v->oom_limit;
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

/* ---- what is left ---- */

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
        return cr_cgroup_kill(v->table->groups, cr_server_group(v, group));
    return kill_by_search(v);
}

/* Nothing of a user's can be in it: the directory is root's. */
static void remove_secrets(const cr_server *v) {
    static const char *const names[] = {"cert.pem", "key.pem", "token"};
    char dir[CR_URL_MAX], path[CR_URL_MAX + 16];
    cr_server_secrets_dir(v, dir);
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
        cr_server_log_path(v, "", path);
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
    cr_server_log_path(v, "", path);
    if (cr_server_keeps_log(v))
        cr_kept_log_cut(path);
    else
        unlink(path);
}

void cr_server_close_fds(cr_server *v) {
    cr_watch *w = v->table->setup.watch;
    cr_watch_remove(w, &v->source);
    cr_prepared_cancel(&v->kernels_fork);
    cr_server_stop_looking(v);
    cr_watch_cancel(w, lose_patience, v);
    cr_watch_cancel(w, sweep, v);
    if (v->pidfd >= 0)
        close(v->pidfd);
    if (v->log_fd >= 0)
        close(v->log_fd);
    v->pidfd = v->log_fd = -1;
}

static void finish(cr_server *v) {
    char sock[CR_URL_MAX], link[CR_URL_MAX], group[CR_LINK_MAX];
    cr_err err;
    cr_server_paths(v, sock, link);
    unlink(link);
    unlink(sock);
    if (cr_cgroup_remove(v->table->groups, cr_server_group(v, group), &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "control group not removed", &err);
    if (v->r.role == CR_ROLE_SCHEDULER)
        remove_secrets(v);
    cr_server_bound_log(v);       /* what was written since it was looked at last stays for as long as nothing is started */
    if (v->r.role)
        remove_or_keep_log(v);
    v->r.state = CR_SERVER_ENDED;
    if (cr_server_keeps_log(v))
        cr_servers_sweep_logs(v->table);
    v->r.socket_ready = 0;
    cr_leftovers_after(v);
    cr_server_save(v);
    cr_server_close_fds(v);
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
                              cr_cgroup_remove(v->table->groups, cr_server_group(v, group), NULL) == CR_OK);
    if (!gone && cr_now_ms() - v->wait_since_ms < SWEEP_PATIENCE_MS && cr_watch_after(v->table->setup.watch, SWEEP_POLL_MS, sweep, v, &err) == CR_OK)
        return;
    if (!gone)
        cr_log(CR_LOG_ERROR, "processes of a server do not end", "server=%s left=%d", cr_server_group(v, group), left);
    finish(v);
}

/* ---- how it comes to it ---- */

/* The process is gone, or was never there. */
void cr_server_wind_up(cr_server *v) {
    cr_watch *w = v->table->setup.watch;
    cr_watch_remove(w, &v->source);
    cr_prepared_cancel(&v->kernels_fork);
    cr_server_stop_looking(v);
    cr_watch_cancel(w, lose_patience, v);
    judge(v);
    v->wait_since_ms = cr_now_ms();
    sweep(v, 0);
}

void cr_server_on_end(void *user, uint32_t events) {
    cr_server *v = user;
    (void)events;
    v->exit = cr_process_reap(v->pidfd);
    cr_server_wind_up(v);
}

static void lose_patience(void *user, uint32_t events) {
    cr_server *v = user;
    (void)events;
    if (v->pidfd >= 0)
        cr_process_signal(v->pidfd, SIGKILL);   /* its end then takes the rest along */
}

void cr_server_stop_within(cr_server *v, uint32_t grace_ms) {
    cr_err err;
    cr_process_signal(v->pidfd, SIGTERM);
    if (cr_watch_after(v->table->setup.watch, grace_ms, lose_patience, v, &err) != CR_OK)
        lose_patience(v, 0);
}

void cr_server_stop(cr_server *v, uint32_t grace_ms) {
    if (v->waits) {               /* there is no process; the account is made nevertheless */
        cr_server_drop_wait(v);
        v->r.stop_requested = 1;
        cr_server_wind_up(v);
        return;
    }
    if (v->r.state == CR_SERVER_ENDED || v->pidfd < 0)
        return;
    v->r.stop_requested = 1;
    cr_server_save(v);
    cr_server_stop_within(v, grace_ms);
}
