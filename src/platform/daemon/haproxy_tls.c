/* haproxy_tls.c - reading, proving and exchanging the pair. */
#include "platform/daemon/haproxy_tls.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/process.h"

enum { PEM_MAX = 1 << 20, EXCHANGE_MAX = 15000 /* HAProxy's buffer has 16 KiB */, REPLY_MAX = 64 << 10, LOOK_MS = 10000, PATIENCE_MS = 2000,
       PROVE_MS = 10000, WARN_DAYS = 14, DAY_S = 24 * 60 * 60 };

static void look(void *user, uint32_t events);

static bool is_used(const cr_haproxy_tls *t) { return t->config->tls_cert[0] != 0; }
static const char *pem_path(const cr_haproxy_tls *t, char buf[CR_URL_MAX]) { return cr_run_path(t->config, "tls.pem", buf, CR_URL_MAX); }

void cr_haproxy_tls_init(cr_haproxy_tls *t, const cr_config *c, cr_watch *w, cr_haproxy_tls_fn on_change, void *user) {
    *t = (cr_haproxy_tls){.config = c, .watch = w, .on_change = on_change, .user = user};
}

void cr_haproxy_tls_done(cr_haproxy_tls *t) { cr_watch_cancel(t->watch, look, t); }

void cr_haproxy_tls_tell(const cr_haproxy_tls *t) {
    if (is_used(t))
        t->on_change(t->user, t->until_s, t->problem);
}

/* ---- the files ---- */

cr_status cr_haproxy_tls_blocks(const char *text, cr_buf *out, cr_err *err) {
    bool inside = false;
    for (const char *line = text, *next; *line; line = next) {
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        while (n > 0 && strchr(" \t\r", line[n - 1]))
            n--;
        inside = inside || strncmp(line, "-----BEGIN ", 11) == 0;
        if (inside && n > 0) {
            cr_buf_add(out, line, n);
            cr_buf_addc(out, '\n');
        }
        if (strncmp(line, "-----END ", 9) == 0)
            inside = false;
    }
    if (inside)
        return CR_FAIL(err, CR_FORMAT, "a PEM block has no end");
    return cr_buf_check(out, err);
}

static cr_status add_file(const char *path, const char *kind, cr_buf *pem, cr_err *err) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, PEM_MAX);
    size_t before = pem->len;
    CR_TRY(cr_file_read(path, &text, err));
    cr_status status = cr_haproxy_tls_blocks(cr_buf_str(&text), pem, err);
    explicit_bzero(text.data, text.len);
    cr_err_context(err, "%s", path);
    CR_TRY(status);
    if (!strstr(cr_buf_str(pem) + before, kind))
        return CR_FAIL(err, CR_FORMAT, "%s has no PEM block of a %s", path, kind);
    return CR_OK;
}

static cr_status read_pair(const cr_haproxy_tls *t, cr_buf *pem, cr_err *err) {
    CR_TRY(add_file(t->config->tls_cert, "CERTIFICATE", pem, err));
    return add_file(t->config->tls_key, "PRIVATE KEY", pem, err);
}

static cr_haproxy_tls_stamp stamp_of(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0)
        return (cr_haproxy_tls_stamp){0};
    return (cr_haproxy_tls_stamp){st.st_mtim, st.st_ino, (uint64_t)st.st_size};
}

static bool same_stamp(const cr_haproxy_tls_stamp *a, const cr_haproxy_tls_stamp *b) {
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec && a->inode == b->inode && a->size == b->size;
}

/* Noted before the files are read: a change while we read is seen at the next look. */
static bool note_stamps(cr_haproxy_tls *t) {
    const cr_haproxy_tls_stamp now[2] = {stamp_of(t->config->tls_cert), stamp_of(t->config->tls_key)};
    bool changed = !same_stamp(&now[0], &t->seen[0]) || !same_stamp(&now[1], &t->seen[1]);
    memcpy(t->seen, now, sizeof now);
    return changed;
}

/* ---- before a start ---- */

static cr_status prove(const cr_haproxy_tls *t, const char *program, const char *pem_path, cr_err *err) {
    char cfg[CR_URL_MAX];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 4096);
    cr_buf_addf(&text, "defaults\n    mode http\n    timeout client 1s\nfrontend check\n    bind unix@%s/none.sock ssl crt %s\n    http-request deny\n",
                t->config->run_dir, pem_path);
    CR_TRY(cr_buf_check(&text, err));
    cr_run_path(t->config, "tls-check.cfg", cfg, sizeof cfg);
    CR_TRY(cr_file_replace(cfg, text.data, text.len, 0600, err));
    const char *const check[] = {program, "-c", "-q", "-f", cfg, NULL};
    cr_err why = CR_ERR_INIT;
    cr_status status = cr_program_run(check, (uid_t)-1, 0, PROVE_MS, &why);
    unlink(cfg);
    if (status == CR_OK)
        return CR_OK;
    CR_FAIL(err, CR_FORMAT, "HAProxy refuses the certificate %s with the key %s", t->config->tls_cert, t->config->tls_key);
    cr_err_hint(err, "do they belong together? openssl x509 -noout -pubkey -in CERT and openssl pkey -pubout -in KEY must print the same");
    return CR_FORMAT;
}

static cr_status prepare(cr_haproxy_tls *t, const char *program, cr_buf *pem, cr_err *err) {
    char path[CR_URL_MAX], fresh[CR_URL_MAX];
    note_stamps(t);
    CR_TRY(read_pair(t, pem, err));
    cr_run_path(t->config, "tls-new.pem", fresh, sizeof fresh);
    CR_TRY(cr_file_replace(fresh, pem->data, pem->len, 0600, err));
    cr_status status = prove(t, program, fresh, err);
    if (status == CR_OK && rename(fresh, pem_path(t, path)) != 0)
        status = CR_FAIL_ERRNO(err, "cannot replace %s", path);
    if (status != CR_OK)
        unlink(fresh);
    return status;
}

static void set_problem(cr_haproxy_tls *t, const cr_err *why) {
    snprintf(t->problem, sizeof t->problem, "%s", why ? why->message : "");
    cr_text_clean(t->problem);
}

cr_status cr_haproxy_tls_prepare(cr_haproxy_tls *t, const char *program, cr_err *err) {
    char path[CR_URL_MAX];
    cr_err why = CR_ERR_INIT;
    if (!is_used(t))
        return CR_OK;
    cr_auto_buf cr_buf pem;
    cr_buf_init(&pem, PEM_MAX);
    cr_status status = prepare(t, program, &pem, &why);
    if (pem.data)
        explicit_bzero(pem.data, pem.len);
    set_problem(t, status == CR_OK ? NULL : &why);
    if (status == CR_OK)
        return CR_OK;
    if (access(pem_path(t, path), R_OK) != 0) {
        if (err)
            *err = why;
        return status;
    }
    cr_log_err(CR_LOG_ERROR, "certificate refused, the one of before is served", &why);
    return CR_OK;
}

/* ---- while HAProxy runs ---- */

static bool wait_for(int fd, short events, int64_t deadline_ms) {
    struct pollfd p = {fd, events, 0};
    int64_t left = deadline_ms - cr_now_ms();
    return left > 0 && poll(&p, 1, (int)left) > 0;
}

/* One command, one answer: HAProxy closes after it. */
static cr_status command(const cr_haproxy_tls *t, const char *text, size_t n, cr_buf *answer, cr_err *err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[CR_URL_MAX], chunk[4096];
    int64_t deadline = cr_now_ms() + PATIENCE_MS;
    cr_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    strncpy(addr.sun_path, cr_run_path(t->config, CR_RUN_PROXY, path, sizeof path), sizeof addr.sun_path - 1);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        return CR_FAIL_ERRNO(err, "cannot speak to HAProxy");
    for (size_t done = 0; done < n;) {
        ssize_t sent = send(fd, text + done, n - done, MSG_NOSIGNAL);
        if (sent > 0)
            done += (size_t)sent;
        else if ((sent < 0 && errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline))
            return CR_FAIL(err, CR_TIMEOUT, "HAProxy does not take a command");
    }
    for (;;) {
        ssize_t got = recv(fd, chunk, sizeof chunk, 0);
        if (got == 0)
            return cr_buf_check(answer, err);
        if (got > 0)
            cr_buf_add(answer, chunk, (size_t)got);
        else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN, deadline))
            return CR_FAIL(err, CR_TIMEOUT, "HAProxy does not answer a command");
    }
}

static cr_status say(const cr_haproxy_tls *t, const char *what, cr_buf *answer, cr_err *err) {
    char line[CR_URL_MAX + 64], path[CR_URL_MAX];
    int n = snprintf(line, sizeof line, "%s ssl cert %s\n", what, pem_path(t, path));
    return command(t, line, (size_t)n, answer, err);
}

static cr_status give(const cr_haproxy_tls *t, const cr_buf *pem, cr_err *err) {
    char path[CR_URL_MAX];
    cr_auto_buf cr_buf text, answer, ignored;
    cr_buf_init(&text, PEM_MAX);
    cr_buf_init(&answer, REPLY_MAX);
    cr_buf_init(&ignored, REPLY_MAX);
    cr_buf_addf(&text, "set ssl cert %s <<\n", pem_path(t, path));
    cr_buf_add(&text, pem->data, pem->len);
    cr_buf_addc(&text, '\n');
    CR_TRY(cr_buf_check(&text, err));
    cr_status status = command(t, text.data, text.len, &answer, err);
    explicit_bzero(text.data, text.len);
    CR_TRY(status);
    if (strstr(cr_buf_str(&answer), "ransaction ")) {   /* Transaction created, or updated: an earlier one that was not finished */
        cr_buf_clear(&answer);
        CR_TRY(say(t, "commit", &answer, err));
        if (strstr(cr_buf_str(&answer), "Success!"))
            return CR_OK;
    }
    (void)!say(t, "abort", &ignored, NULL);
    char *reply = answer.data ? answer.data : "";
    cr_text_clean(reply);
    return CR_FAIL(err, CR_FORMAT, "HAProxy refuses the certificate %s with the key %s: %.100s", t->config->tls_cert, t->config->tls_key, reply);
}

static cr_status exchange(cr_haproxy_tls *t, cr_buf *pem, bool *ret_exchanged, cr_err *err) {
    char path[CR_URL_MAX];
    cr_auto_buf cr_buf old;
    cr_buf_init(&old, PEM_MAX);
    CR_TRY(read_pair(t, pem, err));
    bool same = cr_file_read(pem_path(t, path), &old, NULL) == CR_OK && old.len == pem->len && memcmp(old.data, pem->data, pem->len) == 0;
    if (old.data)
        explicit_bzero(old.data, old.len);
    if (same)
        return CR_OK;
    if (pem->len > EXCHANGE_MAX)
        return CR_FAIL(err, CR_LIMIT, "chain and key have %zu bytes, too many to be exchanged while HAProxy runs: used after cratond --stop", pem->len);
    CR_TRY(give(t, pem, err));
    *ret_exchanged = true;
    return cr_file_replace(path, pem->data, pem->len, 0600, err);
}

int64_t cr_haproxy_tls_until(const char *shown) {
    const char *at = strcasestr(shown, "notAfter:");
    struct tm tm = {0};
    if (!at || !strptime(at + 9, "%n%b %d %H:%M:%S %Y", &tm))
        return 0;
    return (int64_t)timegm(&tm);
}

static void ask_until(cr_haproxy_tls *t) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf answer;
    cr_buf_init(&answer, REPLY_MAX);
    if (say(t, "show", &answer, &err) == CR_OK)
        t->until_s = cr_haproxy_tls_until(cr_buf_str(&answer));
    else
        cr_log_err(CR_LOG_WARN, "asking for the certificate", &err);
}

/* Once a day. */
static void warn_of_expiry(cr_haproxy_tls *t) {
    char date[32];
    int64_t left_s = t->until_s - cr_wall_ms() / 1000;
    if (!t->until_s || left_s > WARN_DAYS * (int64_t)DAY_S || (t->warned_ms && cr_now_ms() - t->warned_ms < DAY_S * (int64_t)1000))
        return;
    t->warned_ms = cr_now_ms();
    cr_log(CR_LOG_WARN, left_s > 0 ? "the certificate ends soon" : "THE CERTIFICATE HAS ENDED", "until=%s days=%lld file=%s",
           cr_iso8601(t->until_s * 1000, date, sizeof date), (long long)(left_s / DAY_S), t->config->tls_cert);
}

static void bring_up_to_date(cr_haproxy_tls *t) {
    cr_err err = CR_ERR_INIT;
    bool exchanged = false;
    cr_auto_buf cr_buf pem;
    cr_buf_init(&pem, PEM_MAX);
    note_stamps(t);
    cr_status status = exchange(t, &pem, &exchanged, &err);
    if (pem.data)
        explicit_bzero(pem.data, pem.len);
    set_problem(t, status == CR_OK ? NULL : &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_ERROR, "certificate refused, the one of before is served", &err);
    ask_until(t);
    if (exchanged) {
        char date[32];
        t->warned_ms = 0;
        cr_log(CR_LOG_INFO, "certificate exchanged", "until=%s", cr_iso8601(t->until_s * 1000, date, sizeof date));
    }
    cr_haproxy_tls_tell(t);
}

static void look(void *user, uint32_t events) {
    cr_haproxy_tls *t = user;
    cr_err err = CR_ERR_INIT;
    (void)events;
    if (!t->answers)
        return;
    const cr_haproxy_tls_stamp now[2] = {stamp_of(t->config->tls_cert), stamp_of(t->config->tls_key)};
    if (!same_stamp(&now[0], &t->seen[0]) || !same_stamp(&now[1], &t->seen[1]))
        bring_up_to_date(t);
    warn_of_expiry(t);
    if (cr_watch_after(t->watch, LOOK_MS, look, t, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "the certificate will not be looked at again", &err);
}

void cr_haproxy_tls_look(cr_haproxy_tls *t) {
    cr_err err = CR_ERR_INIT;
    if (is_used(t) && t->answers && cr_watch_after(t->watch, 0, look, t, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "the certificate is looked at later", &err);
}

void cr_haproxy_tls_answers(cr_haproxy_tls *t, bool answers) {
    if (!is_used(t))
        return;
    t->answers = answers;
    if (!answers) {
        cr_watch_cancel(t->watch, look, t);
        return;
    }
    bring_up_to_date(t);
    look(t, 0);
}
