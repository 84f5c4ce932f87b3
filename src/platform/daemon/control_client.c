/* control_client.c - ask, print, and for --stop wait until nothing is left. */
#include "platform/daemon/control_client.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "platform/daemon/urls.h"
#include "platform/runner/process.h"

enum { ANSWER_MAX = 4 << 20, ANSWER_PATIENCE_MS = 120000, STOP_PATIENCE_MS = 60000 };

bool cr_control_is_asked(const cr_control_command *k) { return k->status || k->admin_link || k->stop || k->backup; }

/* The directory of sockets may lie where others can make one first (/tmp, without root): their answers are not believed. */
static cr_status check_listener(int fd, const char *path, cr_err *err) {
    struct ucred who = {.uid = (uid_t)-1};   /* of the process that called listen() */
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
        return CR_FAIL_ERRNO(err, "cannot see who listens at %s", path);
    if (who.uid == 0 || who.uid == geteuid())
        return CR_OK;
    CR_FAIL(err, CR_DENIED, "%s belongs to somebody else (uid %u); nothing is asked there", path, (unsigned)who.uid);
    cr_err_hint(err, "choose another directory of sockets with --run");
    return CR_DENIED;
}

static cr_status connect_control(const cr_config *c, int *ret_fd, cr_err *err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[CR_URL_MAX];
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", cr_run_path(c, CR_RUN_CONTROL, path, sizeof path));
    cr_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return CR_FAIL(err, CR_NOT_FOUND, "cratond is not running with %s", c->run_dir);
        return CR_FAIL_ERRNO(err, "cannot reach cratond at %s", path);
    }
    CR_TRY(check_listener(fd, path, err));
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

/* Every line that came, in `out`. */
static cr_status ask(const cr_config *c, json_t *request, cr_buf *out, cr_err *err) {
    cr_auto_fd int fd = -1;
    CR_TRY(connect_control(c, &fd, err));
    char *line = json_dumps(request, JSON_COMPACT);
    if (!line)
        return CR_FAIL(err, CR_MEMORY, "no memory for the request");
    cr_status status = cr_write_all(fd, line, strlen(line), err);
    free(line);
    CR_TRY(status);
    CR_TRY(cr_write_all(fd, "\n", 1, err));
    shutdown(fd, SHUT_WR);
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, ANSWER_PATIENCE_MS) == 0)
            return CR_FAIL(err, CR_TIMEOUT, "cratond does not answer");
        char chunk[8192];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CR_FAIL_ERRNO(err, "cannot read cratond's answer");
        if (n == 0)
            break;
        cr_buf_add(out, chunk, (size_t)n);
        CR_TRY(cr_buf_check(out, err));
    }
    return out->len ? CR_OK : CR_FAIL(err, CR_IO, "cratond closed without an answer");
}

/* Prints {"text": ...} as text and {"error": ...} as an error; anything else as indented JSON. */
static int print_line(const char *line, bool as_json) {
    if (as_json) {
        printf("%s\n", line);
    }
    json_t *o = json_loads(line, 0, NULL);
    const char *text = json_string_value(json_object_get(o, "text")), *error = json_string_value(json_object_get(o, "error"));
    if (error)
        fprintf(stderr, "cratond: %s\n", error);
    else if (!as_json && text)
        printf("%s%s", text, text[0] && text[strlen(text) - 1] == '\n' ? "" : "\n");
    else if (!as_json && o)
        json_dumpf(o, stdout, JSON_INDENT(2)), putchar('\n');
    json_decref(o);
    return error || !o ? 1 : 0;
}

static int fail(const cr_err *err) {
    fprintf(stderr, "cratond: %s\n", err->message);
    if (err->hint[0])
        fprintf(stderr, "  %s\n", err->hint);
    return cr_status_exit(err->status);
}

static int ask_and_print(const cr_config *c, json_t *request, bool as_json) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, ANSWER_MAX);
    cr_status status = ask(c, request, &out, &err);
    json_decref(request);
    if (status != CR_OK)
        return fail(&err);
    int code = 0;
    for (char *rest = out.data, *line; (line = strsep(&rest, "\n"));)
        if (*line)
            code |= print_line(line, as_json);
    return code;
}

/* The helper, held by pidfd; CR_NOT_FOUND when nobody holds the lock. */
static cr_status find_helper(const cr_config *c, int *ret_pidfd, cr_err *err) {
    char path[CR_URL_MAX];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 64);
    cr_auto_fd int fd = open(cr_run_path(c, CR_RUN_PID, path, sizeof path), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return CR_FAIL(err, CR_NOT_FOUND, "cratond is not running with %s", c->run_dir);
    CR_TRY(cr_file_read(path, &text, err));
    pid_t pid = (pid_t)strtol(cr_buf_str(&text), NULL, 10);
    if (pid <= 1)
        return CR_FAIL(err, CR_BUSY, "cratond is just starting or ending");
    return cr_process_pidfd(pid, ret_pidfd, err);
}

static int stop(const cr_config *c, bool keep_servers) {
    cr_err err = CR_ERR_INIT;
    cr_auto_fd int pidfd = -1;
    if (find_helper(c, &pidfd, &err) != CR_OK)
        return fail(&err);
    if (!cr_process_signal(pidfd, keep_servers ? SIGTERM : SIGUSR1)) {
        CR_FAIL_ERRNO(&err, "cannot signal cratond");
        return fail(&err);
    }
    struct pollfd p = {pidfd, POLLIN, 0};
    if (poll(&p, 1, STOP_PATIENCE_MS) == 0) {
        fprintf(stderr, "cratond: still running after %d s\n", STOP_PATIENCE_MS / 1000);
        return cr_status_exit(CR_TIMEOUT);
    }
    puts(keep_servers ? "cratond ended; user servers and the proxy go on" : "everything ended");
    return 0;
}

int cr_control_run(const cr_config *c, const cr_control_command *k) {
    signal(SIGPIPE, SIG_IGN);     /* a hub that ends meanwhile is an error that is said */
    if (k->stop)
        return stop(c, k->keep_servers);
    if (k->status)
        return ask_and_print(c, json_pack("{s:s}", "command", "status"), k->json);
    if (k->admin_link)
        return ask_and_print(c, json_pack("{s:s}", "command", "admin-link"), k->json);
    return ask_and_print(c, json_pack("{s:s, s:s}", "command", "backup", "file", k->backup), k->json);
}
