/* haproxy_process.c - start, find again, watch, restart. */
#include "platform/daemon/haproxy_process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/haproxy_config.h"
#include "platform/daemon/urls.h"
#include "platform/runner/confine.h"
#include "platform/runner/process.h"

enum { CONFIG_MAX = 256 << 10, READY_POLL_MS = 20, READY_PATIENCE_FIRST_MS = 10000, READY_PATIENCE_MOST_MS = 160000,
       BACKOFF_FIRST_MS = 200, BACKOFF_MOST_MS = 10000,
       SETTLED_MS = 30000, STOP_PATIENCE_MS = 5000 };

struct cr_haproxy {
    const cr_config *config;
    const cr_ground *ground;
    cr_watch *watch;
    cr_haproxy_fn on_change;
    void *user;
    cr_watch_source *source;
    int pidfd;
    pid_t pid;
    bool answers;
    int64_t started_ms, backoff_ms, patience_ms;
    uint64_t files;
    cr_haproxy_tls tls;
};

static void launch_again(void *user, uint32_t events);
static void look_if_ready(void *user, uint32_t events);

static char *path_of(const cr_haproxy *h, const char *name, char buf[CR_URL_MAX]) {
    return cr_run_path(h->config, name, buf, CR_URL_MAX);
}

/* Whole answers for what HAProxy says itself when a server is not there; bodies (.html) for its rules. */
static cr_status write_error_pages(const cr_haproxy *h, cr_err *err) {
    static const struct { const char *name, *title, *text; int again_s; } pages[] = {
        {"errors/hub.http", "One moment", "The hub is starting or has very much to do. This page tries again by itself.", 3},
        {"errors/user.http", "Server not answering", "Your server does not answer: it is starting or has just ended. This page tries again by itself.", 3},
        {"errors/many.html", "Too many requests", "Very many requests come from your network address at this moment. This page tries again by itself; "
         "if it does so for long, ask those who run the hub.", 10},
        {"errors/large.html", "Too much at once", "What was sent is larger than any form of the hub. Go back and send less.", 0},
        {"errors/length.html", "Length missing", "What was sent does not say how long it is, and the hub needs to know. Use a current browser.", 0},
    };
    char path[CR_URL_MAX];
    if (mkdir(path_of(h, "errors", path), 0755) != 0 && errno != EEXIST)
        return CR_FAIL_ERRNO(err, "cannot create %s", path);
    for (size_t i = 0; i < CR_ARRAY_LEN(pages); i++) {
        cr_auto_buf cr_buf b;
        cr_buf_init(&b, 8192);
        if (cr_ends_with(pages[i].name, ".http"))
            cr_buf_adds(&b,
                        "HTTP/1.0 503 Service Unavailable\r\nCache-Control: no-store\r\nRetry-After: 3\r\nConnection: close\r\n"
                        "Content-Type: text/html; charset=utf-8\r\n\r\n");
        cr_buf_adds(&b, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
        if (pages[i].again_s)
            cr_buf_addf(&b, "<meta http-equiv=\"refresh\" content=\"%d\">", pages[i].again_s);
        cr_buf_addf(&b,
                    "<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title>"
                    "<body style=\"font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem\">"
                    "<h1>%s</h1><p>%s</p></body></html>\n",
                    pages[i].title, pages[i].title, pages[i].text);
        CR_TRY(cr_buf_check(&b, err));
        CR_TRY(cr_file_replace(path_of(h, pages[i].name, path), b.data, b.len, 0644, err));
    }
    return CR_OK;
}

/* *ret_changed: the text differs from what a running HAProxy was started with. */
static cr_status write_config(const cr_haproxy *h, bool *ret_changed, cr_err *err) {
    char path[CR_URL_MAX];
    cr_auto_buf cr_buf text, old;
    cr_buf_init(&text, CONFIG_MAX);
    cr_buf_init(&old, CONFIG_MAX);
    CR_TRY(cr_haproxy_config(h->config, h->files, &text, err));
    path_of(h, CR_RUN_HAPROXY_CFG, path);
    bool changed = cr_file_read(path, &old, NULL) != CR_OK || strcmp(cr_buf_str(&old), text.data) != 0;
    if (changed)
        CR_TRY(cr_file_replace(path, text.data, text.len, 0600, err));
    *ret_changed = changed;
    return CR_OK;
}

static bool answers(const cr_haproxy *h) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[CR_URL_MAX];
    cr_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    strncpy(addr.sun_path, path_of(h, CR_RUN_PROXY, path), sizeof addr.sun_path - 1);
    return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
}

static void on_end(void *user, uint32_t events) {
    cr_haproxy *h = user;
    (void)events;
    cr_exit e = cr_process_reap(h->pidfd);
    bool answered = h->answers;
    cr_log(CR_LOG_WARN, "haproxy ended", "pid=%d code=%d signal=%d", (int)h->pid, e.code, e.signal);
    cr_watch_remove(h->watch, &h->source);
    cr_watch_cancel(h->watch, look_if_ready, h);
    close(h->pidfd);
    h->pidfd = -1;
    h->pid = 0;
    h->answers = false;
    cr_haproxy_tls_answers(&h->tls, false);
    h->on_change(h->user, 0);
    bool settled = answered && cr_now_ms() - h->started_ms > SETTLED_MS;
    h->backoff_ms = settled ? BACKOFF_FIRST_MS : CR_MIN(h->backoff_ms * 2, (int64_t)BACKOFF_MOST_MS);
    cr_err err;
    if (cr_watch_after(h->watch, settled ? 0 : h->backoff_ms, launch_again, h, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "haproxy will not be restarted", &err);
}

static cr_status hold(cr_haproxy *h, pid_t pid, int pidfd, cr_err *err) {
    h->pid = pid;
    h->pidfd = pidfd;
    h->started_ms = cr_now_ms();
    CR_TRY(cr_watch_add(h->watch, pidfd, EPOLLIN, on_end, h, &h->source, err));
    return cr_watch_after(h->watch, 0, look_if_ready, h, err);
}

static void look_if_ready(void *user, uint32_t events) {
    cr_haproxy *h = user;
    cr_err err;
    (void)events;
    if (answers(h)) {
        h->answers = true;
        h->patience_ms = READY_PATIENCE_FIRST_MS;
        cr_log(CR_LOG_INFO, "haproxy answers", "pid=%d", (int)h->pid);
        h->on_change(h->user, h->pid);
        cr_haproxy_tls_answers(&h->tls, true);
    } else if (cr_now_ms() - h->started_ms > h->patience_ms) {
        /* It may just be slow: while a machine starts, or has far too much to do. The next one gets more time. */
        cr_log(CR_LOG_ERROR, "haproxy does not answer; ending it", "pid=%d waited_s=%d", (int)h->pid, (int)(h->patience_ms / 1000));
        h->patience_ms = CR_MIN(h->patience_ms * 2, (int64_t)READY_PATIENCE_MOST_MS);
        cr_process_signal(h->pidfd, SIGKILL);
    } else if (cr_watch_after(h->watch, READY_POLL_MS, look_if_ready, h, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "cannot wait for haproxy", &err);
    }
}

static const char *program(const cr_config *c, char buf[600]) {
    snprintf(buf, 600, "%s/bin/haproxy", c->prefix);
    return access(buf, X_OK) == 0 ? buf : "/usr/sbin/haproxy";
}

static _Noreturn void run_child(const cr_haproxy *h, int log_fd) {
    char cfg[CR_URL_MAX], exe[600];
    char *const argv[] = {"haproxy", "-db", "-f", path_of(h, CR_RUN_HAPROXY_CFG, cfg), NULL};
    static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL};
    const cr_identity id = {.keep_root = true};
    cr_err err;
    cr_confine_fresh(log_fd, 3);
    cr_log_setup("haproxy", CR_LOG_INFO, 2);
    if (chdir("/") != 0 || cr_confine_limits(h->files, &err) != CR_OK || cr_confine_identity(&id, &err) != CR_OK ||
        cr_confine_filter(CR_FILTER_PROXY, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "haproxy not confined", &err);
        _exit(126);
    }
    const char *file = program(h->config, exe);
    execve(file, argv, env);
    cr_log(CR_LOG_ERROR, "haproxy not started", "program=%s error=\"%s\"", file, strerror(errno));
    _exit(127);
}

static cr_status remember(const cr_haproxy *h, cr_err *err) {
    char path[CR_URL_MAX], text[64];
    uint64_t ticks;
    CR_TRY(cr_process_start_time(h->pid, &ticks, err));
    int n = snprintf(text, sizeof text, "%d %llu\n", (int)h->pid, (unsigned long long)ticks);
    return cr_file_replace(path_of(h, CR_RUN_HAPROXY_PID, path), text, (size_t)n, 0644, err);
}

static cr_status launch(cr_haproxy *h, cr_err *err) {
    char path[CR_URL_MAX], log_path[600];
    /* The map starts empty: the dynamic servers it would name do not exist in a new HAProxy. The hub replays both. */
    CR_TRY(cr_file_replace(path_of(h, CR_RUN_MAP, path), "", 0, 0644, err));
    CR_TRY(cr_file_replace(path_of(h, CR_RUN_CLUSTER_MAP, path), "", 0, 0644, err));
    snprintf(log_path, sizeof log_path, "%s/log/haproxy.log", h->config->state_dir);
    cr_auto_fd int log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log_fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", log_path);
    pid_t pid = fork();
    if (pid < 0)
        return CR_FAIL_ERRNO(err, "cannot start haproxy");
    if (pid == 0)
        run_child(h, log_fd);
    int pidfd;
    if (cr_process_pidfd(pid, &pidfd, err) != CR_OK) {
        cr_process_abandon(pid);      /* else it keeps the ports from the next */
        return err ? err->status : CR_IO;
    }
    CR_TRY(hold(h, pid, pidfd, err));
    cr_log(CR_LOG_INFO, "haproxy started", "pid=%d log=%s", (int)pid, log_path);
    return remember(h, err);
}

static void launch_again(void *user, uint32_t events) {
    cr_haproxy *h = user;
    cr_err err;
    (void)events;
    if (launch(h, &err) == CR_OK)
        return;
    cr_log_err(CR_LOG_ERROR, "haproxy not started", &err);
    if (h->pidfd < 0)
        (void)!cr_watch_after(h->watch, BACKOFF_MOST_MS, launch_again, h, NULL);
}

/* The HAProxy of an earlier helper, if it lives: -1 otherwise. */
static int find_running(const cr_haproxy *h, pid_t *ret_pid) {
    char path[CR_URL_MAX];
    int pid, pidfd;
    unsigned long long ticks;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 256);
    if (cr_file_read(path_of(h, CR_RUN_HAPROXY_PID, path), &text, NULL) != CR_OK ||
        sscanf(cr_buf_str(&text), "%d %llu", &pid, &ticks) != 2 || cr_process_open(pid, ticks, &pidfd, NULL) != CR_OK)
        return -1;
    *ret_pid = pid;
    return pidfd;
}

static void end_and_wait(int pidfd, int sig) {
    cr_process_signal(pidfd, sig);
    struct pollfd p = {pidfd, POLLIN, 0};
    if (poll(&p, 1, STOP_PATIENCE_MS) == 0) {
        cr_process_signal(pidfd, SIGKILL);
        poll(&p, 1, STOP_PATIENCE_MS);
    }
    cr_process_reap(pidfd);
}

/* Said now and plainly, rather than by a HAProxy that dies again and again. */
static cr_status check_port(const char *bind_address, int port, cr_err *err) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is4 = inet_pton(AF_INET, bind_address, &v4.sin_addr) == 1;
    if (!is4 && inet_pton(AF_INET6, bind_address, &v6.sin6_addr) != 1)
        return CR_FAIL(err, CR_INVALID, "'%s' is not an address", bind_address);
    cr_auto_fd int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && bind(fd, is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is4 ? sizeof v4 : sizeof v6) == 0)
        return CR_OK;
    CR_FAIL_ERRNO(err, "cannot use port %d of %s", port, bind_address);
    cr_err_hint(err, "something else listens there: choose another with --port (three ports in a row are used), or stop it");
    return err ? err->status : CR_BUSY;
}

static cr_status check_ports(const cr_config *c, cr_err *err) {
    CR_TRY(check_port(c->bind, (int)c->port, err));
    CR_TRY(check_port(c->bind, (int)c->port + 1, err));
    if (c->acme[0] && !c->acme_hook[0])
        CR_TRY(check_port(c->bind, (int)c->acme_port, err));
    if (c->gateway && c->gateway_port)
        CR_TRY(check_port(c->bind, (int)c->gateway_port, err));
    return check_port("127.0.0.1", (int)c->port + 2, err);
}

static uint64_t files_limit(void) {
    struct rlimit r;
    return getrlimit(RLIMIT_NOFILE, &r) == 0 ? CR_MIN((uint64_t)r.rlim_max, (uint64_t)65536) : 1024;
}

static cr_status start(cr_haproxy *h, cr_err *err) {
    bool changed;
    pid_t pid = 0;
    CR_TRY(write_error_pages(h, err));
    CR_TRY(write_config(h, &changed, err));
    int pidfd = find_running(h, &pid);
    if (pidfd >= 0 && !changed) {
        cr_log(CR_LOG_INFO, "haproxy found running", "pid=%d", (int)pid);
        return hold(h, pid, pidfd, err);
    }
    if (pidfd >= 0) {
        cr_log(CR_LOG_INFO, "haproxy replaced, its settings changed", "pid=%d", (int)pid);
        end_and_wait(pidfd, SIGTERM);
        close(pidfd);
    }
    char exe[600];
    CR_TRY(cr_haproxy_tls_prepare(&h->tls, program(h->config, exe), err));
    CR_TRY(check_ports(h->config, err));
    return launch(h, err);
}

cr_status cr_haproxy_start(const cr_config *c, const cr_ground *g, cr_watch *w, cr_haproxy_fn on_change,
                           cr_haproxy_tls_fn on_tls, void *user, cr_haproxy **ret_haproxy, cr_err *err) {
    cr_haproxy *h = calloc(1, sizeof *h);
    if (!h)
        return CR_FAIL(err, CR_MEMORY, "no memory for haproxy's record");
    *h = (cr_haproxy){.config = c, .ground = g, .watch = w, .on_change = on_change, .user = user, .pidfd = -1,
                      .backoff_ms = BACKOFF_FIRST_MS, .patience_ms = READY_PATIENCE_FIRST_MS, .files = files_limit()};
    cr_haproxy_tls_init(&h->tls, c, w, on_tls, user);
    cr_status status = start(h, err);
    if (status != CR_OK) {
        cr_haproxy_free(h, true);
        return status;
    }
    *ret_haproxy = h;
    return CR_OK;
}

int64_t cr_haproxy_pid(const cr_haproxy *h) { return h->answers ? h->pid : 0; }
void cr_haproxy_tell_tls(const cr_haproxy *h) { cr_haproxy_tls_tell(&h->tls); }
void cr_haproxy_look_tls(cr_haproxy *h) { cr_haproxy_tls_look(&h->tls); }
bool cr_haproxy_holds(const cr_haproxy *h, pid_t pid) { return h->pid == pid; }

void cr_haproxy_free(cr_haproxy *h, bool stop) {
    char path[CR_URL_MAX];
    if (!h)
        return;
    cr_watch_remove(h->watch, &h->source);
    cr_watch_cancel(h->watch, look_if_ready, h);
    cr_watch_cancel(h->watch, launch_again, h);
    cr_haproxy_tls_done(&h->tls);
    if (h->pidfd >= 0) {
        if (stop) {
            end_and_wait(h->pidfd, SIGTERM);
            unlink(path_of(h, CR_RUN_HAPROXY_PID, path));
            unlink(path_of(h, CR_RUN_PROXY, path));
        }
        close(h->pidfd);
    }
    free(h);
}
