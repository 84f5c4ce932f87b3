/* file.c - whole files. */
#include "base/file.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

cr_status cr_file_read(const char *path, cr_buf *out, cr_err *err) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", path);
    for (;;) {
        size_t room = CR_MIN((size_t)65536, out->max - out->len + 1);
        char chunk[65536];
        ssize_t n = read(fd, chunk, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CR_FAIL_ERRNO(err, "cannot read %s", path);
        if (n == 0)
            return CR_OK;
        cr_buf_add(out, chunk, (size_t)n);
        if (out->failed)
            return CR_FAIL(err, CR_LIMIT, "%s is larger than %zu bytes", path, out->max);
    }
}

cr_status cr_write_all(int fd, const void *bytes, size_t n, cr_err *err) {
    const char *p = bytes;
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0) {
            if (errno == EINTR)
                continue;
            return CR_FAIL_ERRNO(err, "cannot write %zu bytes", n);
        }
        p += k;
        n -= (size_t)k;
    }
    return CR_OK;
}

int cr_fsync(int fd) {
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

static cr_status sync_dir_of(const char *path, cr_err *err) {
    cr_auto_free char *copy = strdup(path);
    if (!copy)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    cr_auto_fd int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || cr_fsync(fd) != 0)
        return CR_FAIL_ERRNO(err, "cannot sync the directory of %s", path);
    return CR_OK;
}

cr_status cr_cannot_open(const char *path, cr_err *err) {
    bool too_many = errno == EMFILE || errno == ENFILE;
    cr_status status = CR_FAIL_ERRNO(err, "cannot open %s", path);
    if (!too_many)
        return status;
    if (err)
        err->status = CR_BUSY;
    cr_err_hint(err, "close files, or allow this process more (ulimit -n)");
    return CR_BUSY;
}

cr_status cr_regular_open(const char *path, int *ret_fd, uint64_t *ret_size, cr_err *err) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return CR_FAIL(err, CR_FORMAT, "%s is not a regular file", path);
    *ret_fd = fd;
    *ret_size = (uint64_t)st.st_size;
    fd = -1;
    return CR_OK;
}

cr_status cr_file_replace(const char *path, const void *bytes, size_t n, mode_t mode, cr_err *err) {
    cr_auto_free char *tmp = NULL;
    if (asprintf(&tmp, "%s.tmp.%d.XXXXXX", path, (int)getpid()) < 0) {
        tmp = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot create a temporary file beside %s", path);
    cr_status status = cr_write_all(fd, bytes, n, err);
    if (status == CR_OK && (fchmod(fd, mode) != 0 || cr_fsync(fd) != 0))
        status = CR_FAIL_ERRNO(err, "cannot finish %s", tmp);
    if (close(fd) != 0 && status == CR_OK)
        status = CR_FAIL_ERRNO(err, "cannot close %s", tmp);
    if (status == CR_OK && rename(tmp, path) != 0)
        status = CR_FAIL_ERRNO(err, "cannot move %s into place", tmp);
    if (status != CR_OK) {
        unlink(tmp);
        cr_err_context(err, "while replacing %s", path);
        return status;
    }
    return sync_dir_of(path, err);
}

cr_status cr_make_dirs(const char *path, mode_t mode, cr_err *err) {
    cr_auto_free char *p = strdup(path);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s != 0)
            continue;
        char keep = *s;
        *s = 0;
        if (mkdir(p, mode) != 0 && errno != EEXIST)
            return CR_FAIL_ERRNO(err, "cannot create the directory %s", p);
        *s = keep;
        if (!keep)
            break;
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return CR_FAIL_ERRNO(err, "cannot use the directory %s", path);
    if (!S_ISDIR(st.st_mode))
        return CR_FAIL(err, CR_EXISTS, "%s exists and is not a directory", path);
    return CR_OK;
}
