/* acme.c - when, for which names, and the child that asks. */
#include "platform/daemon/acme.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/acme_files.h"
#include "platform/daemon/urls.h"
#include "platform/runner/confine.h"
#include "platform/runner/process.h"

enum { LOOK_MS = 5000, PATIENCE_MS = 15 * 60 * 1000, PAUSE_FIRST_MS = 2 * 60 * 1000, PAUSE_MOST_MS = 12 * 60 * 60 * 1000, TEXT_MAX = 1 << 20,
       ORDER_COST_MS = 4 * 60 * 60 * 1000, ORDERS_AT_ONCE = 20, UACME_FILES = 64, LOG_MAX = 256 << 10 };

struct cr_acme {
    const cr_config *config;
    const cr_ground *ground;
    cr_watch *watch;
    cr_acme_fn on_change;
    void *user;
    cr_acme_names names;
    cr_watch_source *source;
    pid_t pid;                    /* 0: no child */
    int pidfd;
    bool registering;             /* what the child does */
    int64_t not_before_ms, pause_ms;      /* after a failure; monotonic */
    int64_t credit_ms, counted_ms;        /* for orders that only add a name, see acme.h */
    char problem[256];
};

static void look(void *user, uint32_t events);
static cr_status launch(cr_acme *a, cr_err *err);

const char *cr_acme_problem(const cr_acme *a) { return a ? a->problem : ""; }
bool cr_acme_holds(const cr_acme *a, pid_t pid) { return a && a->pid == pid; }

static void set_problem(cr_acme *a, const char *text) {
    char clean[sizeof a->problem];
    snprintf(clean, sizeof clean, "%s", text);
    cr_text_clean(clean);
    if (strcmp(clean, a->problem) == 0)
        return;
    memcpy(a->problem, clean, sizeof clean);
    a->on_change(a->user);
}

static void fail(cr_acme *a, const cr_err *why) {
    cr_log_err(CR_LOG_ERROR, "no certificate by ACME", why);
    a->not_before_ms = cr_now_ms() + a->pause_ms;
    a->pause_ms = CR_MIN(a->pause_ms * 2, (int64_t)PAUSE_MOST_MS);
    set_problem(a, why->message);
}

/* ---- what is wanted ---- */

static cr_acme_need need(cr_acme *a) {
    char path[600];
    cr_auto_buf cr_buf accounts, cert;
    cr_buf_init(&accounts, TEXT_MAX);
    cr_buf_init(&cert, TEXT_MAX);
    snprintf(path, sizeof path, "%s/runner/accounts", a->config->state_dir);
    (void)!cr_file_read(path, &accounts, NULL);      /* not there before the first account */
    cr_acme_wanted(a->config, cr_buf_str(&accounts), &a->names);
    if (cr_file_read(a->config->tls_cert, &cert, NULL) != CR_OK)
        return CR_ACME_LATE;
    return cr_acme_look(cr_buf_str(&cert), &a->names, cr_wall_ms() / 1000);
}

/* Grows with time up to what may be spent at once. */
static bool may_spend(cr_acme *a) {
    int64_t now = cr_now_ms();
    a->credit_ms = CR_MIN(a->credit_ms + now - a->counted_ms, (int64_t)ORDERS_AT_ONCE * ORDER_COST_MS);
    a->counted_ms = now;
    return a->credit_ms >= ORDER_COST_MS;
}

/* ---- the child ---- */

static char *registration(const cr_acme *a, char buf[600]) {
    snprintf(buf, 600, "%s/tls/account", a->config->state_dir);
    return buf;
}

/* Was this account made at this server before? */
static bool is_registered(const cr_acme *a) {
    char path[600];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 4096);
    return cr_file_read(registration(a, path), &text, NULL) == CR_OK && strcmp(cr_buf_str(&text), a->config->acme) == 0;
}

static const char *hook(const cr_acme *a, char buf[600]) {
    snprintf(buf, 600, "%s/share/craton/acme/http-01", a->config->prefix);
    return a->config->acme_hook[0] ? a->config->acme_hook : buf;
}

static _Noreturn void run_child(const cr_acme *a, pid_t helper, int log_fd) {
    char folder[600], program[600];
    const char *argv[16 + CR_ACME_NAMES_MAX];
    static char *const env[] = {"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C.UTF-8", NULL};
    const cr_identity id = {a->ground->acme_uid, a->ground->acme_gid, NULL, 0, false};
    cr_err err;
    int n = 0;
    snprintf(folder, sizeof folder, "%s/acme", a->config->state_dir);
    const char *const first[] = {"uacme", "-c", folder, "-a", a->config->acme};
    const char *const account[] = {"-y", "new", a->config->acme_contact[0] ? a->config->acme_contact : NULL};
    const char *const order[] = {"-f", "-t", "EC", "-h", hook(a, program), "issue"};
    for (size_t i = 0; i < CR_ARRAY_LEN(first); i++)
        argv[n++] = first[i];
    for (size_t i = 0; a->registering && i < CR_ARRAY_LEN(account) && account[i]; i++)
        argv[n++] = account[i];
    for (size_t i = 0; !a->registering && i < CR_ARRAY_LEN(order); i++)
        argv[n++] = order[i];
    for (int i = 0; !a->registering && i < a->names.n; i++)
        argv[n++] = a->names.at[i];
    argv[n] = NULL;
    cr_confine_fresh(log_fd, 3);
    cr_log_setup("uacme", CR_LOG_INFO, 2);
    umask(077);
    if (chdir("/") != 0 || cr_confine_limits(UACME_FILES, &err) != CR_OK || cr_confine_identity(&id, &err) != CR_OK ||
        cr_confine_filter(CR_FILTER_PROXY, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "uacme not confined", &err);
        _exit(126);
    }
    cr_confine_end_with(helper);
    execve("/usr/bin/uacme", (char *const *)argv, env);
    cr_log(CR_LOG_ERROR, "uacme not started", "error=\"%s\"", strerror(errno));
    _exit(127);
}

static char *log_path(const cr_acme *a, char buf[600]) {
    snprintf(buf, 600, "%s/log/acme.log", a->config->state_dir);
    return buf;
}

/* What it said last. */
static void last_words(const cr_acme *a, char *out, size_t size) {
    char path[600];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, LOG_MAX + TEXT_MAX);
    out[0] = 0;
    if (cr_file_read(log_path(a, path), &text, NULL) != CR_OK || !text.len)
        return;
    char *data = text.data;
    for (size_t n = strlen(data); n > 0 && data[n - 1] == '\n'; n--)
        data[n - 1] = 0;
    const char *line = strrchr(data, '\n');
    snprintf(out, size, "%s", line ? line + 1 : data);
}

static void lose_patience(void *user, uint32_t events) {
    (void)events;
    cr_process_signal(((cr_acme *)user)->pidfd, SIGKILL);
}

static void forget(cr_acme *a) {
    cr_watch_cancel(a->watch, lose_patience, a);
    cr_watch_remove(a->watch, &a->source);
    if (a->pidfd >= 0)
        close(a->pidfd);
    a->pidfd = -1;
    a->pid = 0;
}

static cr_status finish(cr_acme *a, const cr_exit *e, cr_err *err) {
    char words[160], path[600];
    last_words(a, words, sizeof words);
    if (a->registering) {      /* 2 also when the CA knows the account: the order will show */
        a->registering = false;
        if (e->code == 0 || e->code == 2)
            return launch(a, err);
    }
    if (e->code != 0)
        return CR_FAIL(err, CR_IO, "uacme ended with %d at %s: %s", e->signal ? 128 + e->signal : e->code, a->config->acme, words);
    CR_TRY(cr_acme_take(a->config, cr_wall_ms() / 1000, err));
    a->pause_ms = PAUSE_FIRST_MS;
    a->on_change(a->user);
    set_problem(a, a->names.cut ? "the certificate has no room for more than 99 accounts: give --acme-hook, see docs/tls.md" : "");
    cr_log(CR_LOG_INFO, "certificate by ACME", "names=%d server=%s", a->names.n, a->config->acme);
    return cr_file_replace(registration(a, path), a->config->acme, strlen(a->config->acme), 0600, err);
}

static void on_end(void *user, uint32_t events) {
    cr_acme *a = user;
    cr_err err = CR_ERR_INIT;
    (void)events;
    cr_exit e = cr_process_reap(a->pidfd);
    forget(a);
    if (finish(a, &e, &err) != CR_OK)
        fail(a, &err);
}

static cr_status watch_child(cr_acme *a, cr_err *err) {
    CR_TRY(cr_process_pidfd(a->pid, &a->pidfd, err));
    CR_TRY(cr_watch_add(a->watch, a->pidfd, EPOLLIN, on_end, a, &a->source, err));
    return cr_watch_after(a->watch, PATIENCE_MS, lose_patience, a, err);
}

static cr_status launch(cr_acme *a, cr_err *err) {
    char path[600];
    struct stat st;
    int fresh = stat(log_path(a, path), &st) == 0 && st.st_size > LOG_MAX ? O_TRUNC : 0;
    cr_auto_fd int log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | fresh, 0600);
    if (log_fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", path);
    const pid_t helper = getpid(), pid = fork();
    if (pid < 0)
        return CR_FAIL_ERRNO(err, "cannot start uacme");
    if (pid == 0)
        run_child(a, helper, log_fd);
    a->pid = pid;
    cr_status status = watch_child(a, err);
    if (status != CR_OK) {
        cr_process_abandon(pid);
        forget(a);
        return status;
    }
    cr_log(CR_LOG_INFO, "uacme started", "pid=%d what=%s names=%d server=%s log=%s", (int)pid, a->registering ? "account" : "order", a->names.n,
           a->config->acme, path);
    return CR_OK;
}

static void look(void *user, uint32_t events) {
    cr_acme *a = user;
    cr_err err = CR_ERR_INIT;
    (void)events;
    cr_acme_need what = a->pid || cr_now_ms() < a->not_before_ms ? CR_ACME_FINE : need(a);
    if (what == CR_ACME_LATE || (what == CR_ACME_NAME && may_spend(a))) {
        if (what == CR_ACME_NAME)
            a->credit_ms -= ORDER_COST_MS;
        a->registering = !is_registered(a);
        if (launch(a, &err) != CR_OK)
            fail(a, &err);
    }
    if (cr_watch_after(a->watch, LOOK_MS, look, a, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "certificates will not be renewed", &err);
}

cr_status cr_acme_start(const cr_config *c, const cr_ground *g, cr_watch *w, cr_acme_fn on_change, void *user, cr_acme **ret_acme, cr_err *err) {
    char path[600];
    *ret_acme = NULL;
    if (!c->acme[0])
        return CR_OK;
    cr_acme *a = calloc(1, sizeof *a);
    if (!a)
        return CR_FAIL(err, CR_MEMORY, "no memory for the certificates' record");
    *a = (cr_acme){.config = c, .ground = g, .watch = w, .on_change = on_change, .user = user, .pidfd = -1, .pause_ms = PAUSE_FIRST_MS,
                   .credit_ms = (int64_t)ORDERS_AT_ONCE * ORDER_COST_MS, .counted_ms = cr_now_ms()};
    cr_status status = cr_acme_lay(c, g, err);
    if (status == CR_OK && access("/usr/bin/uacme", X_OK) != 0) {
        status = CR_FAIL(err, CR_NOT_FOUND, "--acme needs the program uacme");
        cr_err_hint(err, "install Debian's package uacme, or run ./up again");
    }
    if (status == CR_OK && access(hook(a, path), X_OK) != 0)
        status = CR_FAIL_ERRNO(err, "cannot run %s", hook(a, path));
    if (status == CR_OK)
        status = cr_watch_after(w, 1000, look, a, err);      /* HAProxy answers the CA by then */
    if (status != CR_OK) {
        cr_acme_free(a);
        return status;
    }
    *ret_acme = a;
    return CR_OK;
}

void cr_acme_free(cr_acme *a) {
    if (!a)
        return;
    cr_watch_cancel(a->watch, look, a);
    if (a->pidfd >= 0) {
        struct pollfd p = {a->pidfd, POLLIN, 0};
        cr_process_signal(a->pidfd, SIGKILL);
        poll(&p, 1, 3000);
        cr_process_reap(a->pidfd);
    }
    forget(a);
    free(a);
}
