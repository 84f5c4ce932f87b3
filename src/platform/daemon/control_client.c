/* control_client.c - ask, print, and for --stop wait until nothing is left. */
#include "platform/daemon/control_client.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/asking.h"
#include "base/buf.h"
#include "base/file.h"
#include "platform/daemon/urls.h"
#include "platform/runner/process.h"

enum { ANSWER_MAX = 4 << 20, STOP_PATIENCE_MS = 60000 };

bool cr_control_is_asked(const cr_control_command *k) { return k->status || k->admin_link || k->stop || k->backup; }

/* Every line that came, in `out`. */
static cr_status ask(const cr_config *c, json_t *request, cr_buf *out, cr_err *err) {
    char path[CR_URL_MAX];
    cr_auto_free char *line = json_dumps(request, JSON_COMPACT);
    if (!line)
        return CR_FAIL(err, CR_MEMORY, "no memory for the request");
    return cr_ask(cr_run_path(c, CR_RUN_CONTROL, path, sizeof path), c->run_dir, line, out, err);
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

/* The helper, held by pidfd; CR_NOT_FOUND when nobody holds the lock. Not by the number in the file, which is that of its own namespace: from outside
 * of a container, 1 is somebody else. */
static cr_status find_helper(const cr_config *c, int *ret_pidfd, cr_err *err) {
    char path[CR_URL_MAX];
    pid_t pid;
    cr_auto_fd int fd = open(cr_run_path(c, CR_RUN_PID, path, sizeof path), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
        return CR_FAIL(err, CR_NOT_FOUND, "cratond is not running with %s", c->run_dir);
    cr_status status = cr_asking_whom(cr_run_path(c, CR_RUN_CONTROL, path, sizeof path), c->run_dir, &pid, err);
    if (status == CR_NOT_FOUND)
        return CR_FAIL(err, CR_BUSY, "cratond is just starting or ending: try again in a moment");
    CR_TRY(status);
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
