/* kept_log.c - cutting, reading, forgetting. */
#include "platform/runner/kept_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/runner/protocol.h"

enum { LOOKED_AT_MOST = 1 << 16 };

/* The last bytes of the file, at most size - 1, from the begin of a line when it does not begin with the file. */
static char *last_part(int fd, char *buf, size_t size) {
    struct stat st;
    buf[0] = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return buf;
    off_t from = CR_MAX(st.st_size - (off_t)(size - 1), (off_t)0);
    ssize_t n = pread(fd, buf, size - 1, from);
    buf[CR_MAX(n, (ssize_t)0)] = 0;
    char *line = from ? strchr(buf, '\n') : NULL;
    return line ? line + 1 : buf;
}

void cr_kept_log_cut(const char *path) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    cr_auto_free char *buf = malloc(CR_KEPT_LOG_BYTES + 1);
    if (fd < 0)
        return;
    /* A file of its own: what another process of the account has open, or has linked elsewhere, stays the account's. */
    const char *part = buf ? last_part(fd, buf, CR_KEPT_LOG_BYTES + 1) : NULL;
    if (unlink(path) != 0 || !part || !part[0])
        return;
    cr_auto_fd int kept_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (kept_fd >= 0 && write(kept_fd, part, strlen(part)) != (ssize_t)strlen(part))
        unlink(path);
}

void cr_kept_log_tail(const char *path, char *out, size_t size) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    out[0] = 0;
    if (fd < 0)
        return;
    const char *part = last_part(fd, out, size);
    memmove(out, part, strlen(part) + 1);
}

typedef struct kept {
    char name[256];
    size_t account;           /* length of its name */
    time_t changed;
} kept;

/* By account, the newest first. */
static int compare(const void *a, const void *b) {
    const kept *x = a, *y = b;
    int order = strncmp(x->name, y->name, CR_MAX(x->account, y->account));
    if (order)
        return order;
    return (x->changed < y->changed) - (x->changed > y->changed);
}

static size_t find(const char *dir, bool (*lives)(void *user, const char *name), void *user, kept **ret_list) {
    DIR *d = opendir(dir);
    size_t n = 0, room = 0;
    kept *list = NULL;
    for (struct dirent *e; d && n < LOOKED_AT_MOST && (e = readdir(d));) {
        const char *point = strchr(e->d_name, '.');
        struct stat st;
        if (!point || !cr_starts_with(point, "." CR_CLUSTER_SERVER) || lives(user, e->d_name) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (n == room) {
            kept *more = realloc(list, (room = room ? 2 * room : 64) * sizeof *list);
            if (!more)
                break;
            list = more;
        }
        list[n] = (kept){.account = (size_t)(point - e->d_name) + 1, .changed = st.st_mtime};
        snprintf(list[n++].name, sizeof list[0].name, "%s", e->d_name);
    }
    if (d)
        closedir(d);
    *ret_list = list;
    return n;
}

void cr_kept_logs_sweep(const char *dir, bool (*lives)(void *user, const char *name), void *user) {
    kept *list = NULL;
    size_t n = find(dir, lives, user, &list), of_account = 0;
    time_t now = time(NULL);
    if (n)
        qsort(list, n, sizeof *list, compare);
    for (size_t i = 0; i < n; i++) {
        char path[1024];
        bool same = i && list[i].account == list[i - 1].account && strncmp(list[i].name, list[i - 1].name, list[i].account) == 0;
        of_account = same ? of_account + 1 : 1;
        snprintf(path, sizeof path, "%s/%s", dir, list[i].name);
        if (of_account > CR_KEPT_LOGS_MOST || list[i].changed < now - CR_KEPT_LOG_HOURS * 3600)
            unlink(path);
    }
    free(list);
}
