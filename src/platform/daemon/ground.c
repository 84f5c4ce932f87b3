/* ground.c - system users, directories, sockets, the lock. */
#include "platform/daemon/ground.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "platform/daemon/urls.h"
#include "platform/runner/place.h"
#include "platform/runner/process.h"

enum { TOOL_TIMEOUT_MS = 20000, BACKLOG = 1024 };

static cr_status need_system_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, cr_err *err) {
    struct passwd *p = getpwnam(name);
    if (!p) {
        const char *const add[] = {"/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                                   "--shell", "/usr/sbin/nologin", name, NULL};
        CR_TRY(cr_program_run(add, (uid_t)-1, 0, TOOL_TIMEOUT_MS, err));
        p = getpwnam(name);
    }
    if (!p || p->pw_uid == 0 || p->pw_gid == 0)
        return CR_FAIL(err, CR_DENIED, "the system user %s is missing or is root", name);
    *ret_uid = p->pw_uid;
    *ret_gid = p->pw_gid;
    return CR_OK;
}

static cr_status lay_dirs(const cr_config *c, const cr_ground *g, cr_err *err) {
    const struct { const char *base, *name; uid_t uid; gid_t gid; mode_t mode; } dirs[] = {
        {c->state_dir, "", 0, 0, 0711},
        {c->state_dir, "/hub", g->hub_uid, g->hub_gid, 0700},
        {c->state_dir, "/home", 0, 0, 0711},
        {c->state_dir, "/log", 0, 0, 0700},       /* files of accounts, which must not find their way back to them */
        {c->state_dir, "/runner", 0, 0, 0700},
        {c->state_dir, "/signin", 0, 0, 0700},
        {c->state_dir, "/services", 0, 0, 0700},
        {c->state_dir, "/roles", 0, 0, 0700},
        {c->run_dir, "", 0, 0, 0755},
        {c->run_dir, "/" CR_RUN_ROUTE, 0, g->proxy_gid, 0750},
        {c->run_dir, "/u", 0, 0, 0711},
        {c->run_dir, "/r", 0, 0, 0711},
        {c->run_dir, "/" CR_RUN_CLUSTERS, 0, 0, 0711},
    };
    CR_TRY(cr_make_dirs(c->state_dir, 0711, err));
    CR_TRY(cr_make_dirs(c->run_dir, 0755, err));
    for (size_t i = 0; i < CR_ARRAY_LEN(dirs); i++) {
        char path[600];
        snprintf(path, sizeof path, "%s%s", dirs[i].base, dirs[i].name);
        CR_TRY(cr_place_dir(path, dirs[i].uid, dirs[i].gid, c->as_root ? dirs[i].mode : 0700, err));
    }
    return CR_OK;
}

static cr_status take_lock(const cr_config *c, int *ret_fd, cr_err *err) {
    char path[CR_URL_MAX], text[32] = "";
    cr_run_path(c, CR_RUN_PID, path, sizeof path);
    /* 0600: a lock that anybody could take would let anybody keep us out. */
    cr_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        CR_FAIL(err, CR_BUSY, "cratond is already running with %s (pid %s)", c->run_dir, text);
        cr_err_hint(err, "cratond --status shows it, cratond --stop ends it");
        return CR_BUSY;
    }
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return CR_FAIL_ERRNO(err, "cannot write %s", path);
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

static cr_status listen_at(const char *path, uid_t uid, gid_t gid, mode_t mode, int *ret_fd, cr_err *err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return CR_FAIL(err, CR_LIMIT, "%s is too long for a socket address", path);
    strcpy(addr.sun_path, path);
    cr_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot create a socket");
    if (unlink(path) != 0 && errno != ENOENT)
        return CR_FAIL_ERRNO(err, "cannot replace %s", path);
    mode_t before = umask(0177);   /* nobody may connect before owner and mode are right */
    int rc = bind(fd, (struct sockaddr *)&addr, sizeof addr);
    umask(before);
    if (rc != 0)
        return CR_FAIL_ERRNO(err, "cannot bind %s", path);
    if ((geteuid() == 0 && lchown(path, uid, gid) != 0) || chmod(path, mode) != 0 || listen(fd, BACKLOG) != 0)
        return CR_FAIL_ERRNO(err, "cannot listen at %s", path);
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

cr_status cr_ground_lay(const cr_config *c, bool with_fetch, cr_ground *ret_ground, cr_err *err) {
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    cr_ground g = {.hub_uid = uid, .proxy_uid = uid, .start_uid = uid, .fetch_uid = uid, .acme_uid = uid, .hub_gid = gid, .proxy_gid = gid, .start_gid = gid,
                   .fetch_gid = gid, .acme_gid = gid, .lock_fd = -1, .api_fd = -1, .control_fd = -1, .fetch_fd = -1};
    char path[CR_URL_MAX];
    umask(022);
    CR_TRY(cr_make_dirs(c->run_dir, 0755, err));
    CR_TRY(take_lock(c, &g.lock_fd, err));
    cr_status status = CR_OK;
    if (c->as_root) {
        CR_TRY_GOTO(need_system_user(CR_HUB_USER, &g.hub_uid, &g.hub_gid, err), failed);
        CR_TRY_GOTO(need_system_user(CR_PROXY_USER, &g.proxy_uid, &g.proxy_gid, err), failed);
        CR_TRY_GOTO(need_system_user(CR_START_USER, &g.start_uid, &g.start_gid, err), failed);
        if (with_fetch)
            CR_TRY_GOTO(need_system_user(CR_FETCH_USER, &g.fetch_uid, &g.fetch_gid, err), failed);
        if (c->acme[0])
            CR_TRY_GOTO(need_system_user(CR_ACME_USER, &g.acme_uid, &g.acme_gid, err), failed);
    }
    CR_TRY_GOTO(lay_dirs(c, &g, err), failed);
    CR_TRY_GOTO(listen_at(cr_run_path(c, CR_RUN_API, path, sizeof path), 0, g.proxy_gid, c->as_root ? 0660 : 0600, &g.api_fd, err), failed);
    CR_TRY_GOTO(listen_at(cr_run_path(c, CR_RUN_CONTROL, path, sizeof path), g.hub_uid, g.hub_gid, 0600, &g.control_fd, err), failed);
    if (with_fetch)
        CR_TRY_GOTO(listen_at(cr_run_path(c, CR_RUN_FETCH, path, sizeof path), g.hub_uid, g.hub_gid, 0600, &g.fetch_fd, err), failed);
    (void)futimens(g.lock_fd, NULL);      /* as old as what was read of STATE, and not older than what was laid there: ./up compares */
    *ret_ground = g;
    return CR_OK;
failed:
    cr_ground_leave(c, &g);
    return status;
}

void cr_ground_leave(const cr_config *c, cr_ground *g) {
    /* Emptied, not removed: a successor may already have opened it to wait for the lock. */
    if (g->lock_fd >= 0 && ftruncate(g->lock_fd, 0) != 0)
        cr_log(CR_LOG_WARN, "pid file not emptied", "run=%s", c->run_dir);
    int *const fds[] = {&g->api_fd, &g->control_fd, &g->fetch_fd, &g->lock_fd};
    for (size_t i = 0; i < CR_ARRAY_LEN(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}
