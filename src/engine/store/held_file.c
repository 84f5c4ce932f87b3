/* held_file.c - files that keep their descriptor while there are few, and are opened for each read when there are many. */
#include "engine/store/held_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct cr_held_file {
    int fd;                       /* -1: it is opened for each read */
    char *path;                   /* absolute: the process may change its directory */
    struct stat seen;
};

/* Descriptors are of the whole process, and so is their number. */
static atomic_long n_held;

static bool may_hold(void) {
    struct rlimit limit;
    long before = atomic_fetch_add(&n_held, 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && (rlim_t)before >= limit.rlim_cur / 2) {
        atomic_fetch_sub(&n_held, 1);
        return false;
    }
    return true;
}

static cr_status open_regular(const char *path, int *ret_fd, struct stat *ret_stat, cr_err *err) {
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, ret_stat) != 0)
        return cr_cannot_open(path, err);
    if (!S_ISREG(ret_stat->st_mode))
        return CR_FAIL(err, CR_FORMAT, "%s is not a regular file", path);
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

static char *absolute(const char *path) {
    cr_auto_free char *here = *path == '/' ? NULL : getcwd(NULL, 0);
    char *whole = NULL;
    if (!here)
        return strdup(path);
    return asprintf(&whole, "%s/%s", here, path) < 0 ? NULL : whole;
}

cr_status cr_held_open(const char *path, cr_held_file **ret_file, cr_err *err) {
    cr_auto_fd int fd = -1;
    struct stat seen;
    CR_TRY(open_regular(path, &fd, &seen, err));
    cr_held_file *f = malloc(sizeof *f);
    char *own = absolute(path);
    if (!f || !own) {
        free(f);
        free(own);
        return CR_FAIL(err, CR_MEMORY, "no memory to open %s", path);
    }
    *f = (cr_held_file){.fd = -1, .path = own, .seen = seen};
    if (may_hold()) {
        f->fd = fd;
        fd = -1;
    }
    *ret_file = f;
    return CR_OK;
}

void cr_held_close(cr_held_file *f) {
    if (!f)
        return;
    if (f->fd >= 0) {
        close(f->fd);
        atomic_fetch_sub(&n_held, 1);
    }
    free(f->path);
    free(f);
}

uint64_t cr_held_size(const cr_held_file *f) { return (uint64_t)f->seen.st_size; }

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static cr_status open_again(const cr_held_file *f, int *ret_fd, cr_err *err) {
    cr_auto_fd int fd = -1;
    struct stat now;
    CR_TRY(open_regular(f->path, &fd, &now, err));
    if (!same_file(&f->seen, &now)) {
        cr_status status = CR_FAIL(err, CR_CONFLICT, "%s was changed or replaced while it was in use", f->path);
        cr_err_hint(err, "open it again");
        return status;
    }
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

cr_status cr_held_read(const cr_held_file *f, uint64_t offset, void *dst, size_t n, cr_err *err) {
    cr_auto_fd int again = -1;
    uint64_t size = cr_held_size(f);
    if (offset > size || n > size - offset)
        return CR_FAIL(err, CR_FORMAT, "%s has %" PRIu64 " bytes; %zu at offset %" PRIu64 " were asked for", f->path, size, n, offset);
    if (f->fd < 0)
        CR_TRY(open_again(f, &again, err));
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(f->fd < 0 ? again : f->fd, (char *)dst + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return CR_FAIL_ERRNO(err, "cannot read %s", f->path);
        if (got == 0)
            return CR_FAIL(err, CR_IO, "%s became shorter while it was read", f->path);
        done += (size_t)got;
    }
    return CR_OK;
}
