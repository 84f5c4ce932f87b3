/* asking.c - connects, looks who listens, asks, reads to the end. */
#include "base/asking.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/file.h"

static cr_status check_listener(int fd, const char *path, pid_t *ret_pid, cr_err *err) {
    struct ucred who = {.uid = (uid_t)-1};   /* of the process that called listen() */
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
        return CR_FAIL_ERRNO(err, "cannot see who listens at %s", path);
    if (who.uid == 0 || who.uid == geteuid()) {
        *ret_pid = who.pid;
        return CR_OK;
    }
    CR_FAIL(err, CR_DENIED, "%s belongs to somebody else (uid %u); nothing is asked there", path, (unsigned)who.uid);
    cr_err_hint(err, "choose another directory of sockets with --run");
    return CR_DENIED;
}

static cr_status connect_to(const char *path, const char *run_dir, int *ret_fd, pid_t *ret_pid, cr_err *err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return CR_FAIL(err, CR_INVALID, "%s is too long for the address of a socket", path);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    cr_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return CR_FAIL(err, CR_NOT_FOUND, "cratond is not running with %s", run_dir);
        return CR_FAIL_ERRNO(err, "cannot reach cratond at %s", path);
    }
    CR_TRY(check_listener(fd, path, ret_pid, err));
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

static cr_status read_all(int fd, cr_buf *out, cr_err *err) {
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        char chunk[8192];
        if (poll(&p, 1, CR_ASKING_PATIENCE_MS) == 0)
            return CR_FAIL(err, CR_TIMEOUT, "cratond does not answer");
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CR_FAIL_ERRNO(err, "cannot read cratond's answer");
        if (n == 0)
            return out->len ? CR_OK : CR_FAIL(err, CR_IO, "cratond closed without an answer");
        cr_buf_add(out, chunk, (size_t)n);
        CR_TRY(cr_buf_check(out, err));
    }
}

cr_status cr_ask(const char *socket_path, const char *run_dir, const char *line, cr_buf *out, cr_err *err) {
    cr_auto_fd int fd = -1;
    pid_t whom;
    CR_TRY(connect_to(socket_path, run_dir, &fd, &whom, err));
    CR_TRY(cr_write_all(fd, line, strlen(line), err));
    CR_TRY(cr_write_all(fd, "\n", 1, err));
    shutdown(fd, SHUT_WR);
    return read_all(fd, out, err);
}

cr_status cr_asking_whom(const char *socket_path, const char *run_dir, pid_t *ret_pid, cr_err *err) {
    cr_auto_fd int fd = -1;
    pid_t pid = 0;
    CR_TRY(connect_to(socket_path, run_dir, &fd, &pid, err));
    if (pid <= 0) {
        CR_FAIL(err, CR_UNSUPPORTED, "cratond with %s cannot be seen from here: it runs in another container", run_dir);
        cr_err_hint(err, "run this command in that container");
        return CR_UNSUPPORTED;
    }
    *ret_pid = pid;
    return CR_OK;
}
