/* held_file.c - files that keep their descriptor while there are few, and are opened for each read when there are many; bytes of a program. */
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
    cr_reader *reader;            /* not NULL: instead of a file */
    char *path;                   /* absolute: the process may change its directory */
    struct stat seen;
};

struct cr_reader {
    int refs;                     /* atomic */
    uint64_t size;
    cr_reader_read_fn read;
    void (*release)(void *user);
    void *user;
};

cr_status cr_reader_new(uint64_t size, cr_reader_read_fn read, void (*release)(void *user), void *user, cr_reader **ret_reader, cr_err *err) {
    if (!read || !ret_reader || size > INT64_MAX)
        return CR_FAIL(err, CR_INVALID, "a size of at most 2^63 - 1 bytes, a function that reads and a place for the reader are needed");
    cr_reader *r = malloc(sizeof *r);
    if (!r)
        return CR_FAIL(err, CR_MEMORY, "no memory for a reader");
    *r = (cr_reader){1, size, read, release, user};
    *ret_reader = r;
    return CR_OK;
}

static cr_reader *reader_ref(cr_reader *r) {
    __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void cr_reader_unref(cr_reader *r) {
    if (!r || __atomic_fetch_sub(&r->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    if (r->release)
        r->release(r->user);
    free(r);
}

uint64_t cr_reader_size(const cr_reader *r) { return r->size; }

cr_status cr_reader_read(const cr_reader *r, uint64_t offset, void *dst, size_t n, cr_err *err) {
    return n ? r->read(r->user, offset, dst, n, err) : CR_OK;
}

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

cr_status cr_held_open(const char *path, cr_reader *reader, cr_held_file **ret_file, cr_err *err) {
    cr_auto_fd int fd = -1;
    struct stat seen = {0};
    if (reader)
        seen.st_size = (off_t)reader->size;
    else
        CR_TRY(open_regular(path, &fd, &seen, err));
    cr_held_file *f = malloc(sizeof *f);
    char *own = reader ? strdup(path) : absolute(path);
    if (!f || !own) {
        free(f);
        free(own);
        return CR_FAIL(err, CR_MEMORY, "no memory to open %s", path);
    }
    *f = (cr_held_file){.fd = -1, .reader = reader ? reader_ref(reader) : NULL, .path = own, .seen = seen};
    if (!reader && may_hold()) {
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
    cr_reader_unref(f->reader);
    free(f->path);
    free(f);
}

uint64_t cr_held_size(const cr_held_file *f) { return (uint64_t)f->seen.st_size; }

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static cr_status check_same(const cr_held_file *f, int fd, cr_err *err) {
    struct stat now;
    if (fstat(fd, &now) != 0)
        return CR_FAIL_ERRNO(err, "cannot look at %s", f->path);
    if (same_file(&f->seen, &now))
        return CR_OK;
    cr_status status = CR_FAIL(err, CR_CONFLICT, "%s was changed or replaced while it was in use", f->path);
    cr_err_hint(err, "open it again");
    return status;
}

static cr_status open_again(const cr_held_file *f, int *ret_fd, cr_err *err) {
    cr_auto_fd int fd = -1;
    struct stat now;
    CR_TRY(open_regular(f->path, &fd, &now, err));
    CR_TRY(check_same(f, fd, err));
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

static cr_status read_all(const cr_held_file *f, int fd, uint64_t offset, char *dst, size_t n, cr_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, dst + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return CR_FAIL_ERRNO(err, "cannot read %s", f->path);
        if (got == 0) {
            CR_TRY(check_same(f, fd, err));
            return CR_FAIL(err, CR_IO, "%s ends before its size", f->path);
        }
        done += (size_t)got;
    }
    return CR_OK;
}

cr_status cr_held_read(const cr_held_file *f, uint64_t offset, void *dst, size_t n, cr_err *err) {
    cr_auto_fd int again = -1;
    uint64_t size = cr_held_size(f);
    if (offset > size || n > size - offset)
        return CR_FAIL(err, CR_FORMAT, "%s has %" PRIu64 " bytes; %zu at offset %" PRIu64 " were asked for", f->path, size, n, offset);
    if (f->reader)
        return cr_reader_read(f->reader, offset, dst, n, err);
    if (f->fd < 0)
        CR_TRY(open_again(f, &again, err));
    int fd = f->fd < 0 ? again : f->fd;
    CR_TRY(read_all(f, fd, offset, dst, n, err));
    return check_same(f, fd, err);          /* after reading: what was changed before is seen then too */
}
