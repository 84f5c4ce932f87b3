/* file.h - whole files: read with a limit, replace so that a reader sees the old or the new content, never a mixture. */
#ifndef CR_BASE_FILE_H
#define CR_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"

/* Appends the file to out; CR_LIMIT when it is longer than out's maximum allows. */
cr_status cr_file_read(const char *path, cr_buf *out, cr_err *err) CR_MUST_USE;
/* A regular file for reading, and its size: no device or pipe, on which opening or reading could wait. CR_FORMAT: it is something else. */
cr_status cr_regular_open(const char *path, int *ret_fd, uint64_t *ret_size, cr_err *err) CR_MUST_USE;
/* Temporary file beside path, fsync, rename, fsync of the directory. */
cr_status cr_file_replace(const char *path, const void *bytes, size_t n, mode_t mode, cr_err *err) CR_MUST_USE;
/* CR_FAIL_ERRNO for a file that could not be opened. Too many open files are no fault of the file: CR_BUSY, and what to do. */
cr_status cr_cannot_open(const char *path, cr_err *err) CR_MUST_USE;
/* mkdir -p; existing directories keep their mode. */
cr_status cr_make_dirs(const char *path, mode_t mode, cr_err *err) CR_MUST_USE;
/* fsync, again when a signal interrupts it (network file systems); 0, or -1 with errno. */
int cr_fsync(int fd) CR_MUST_USE;
/* Writes all bytes or fails. */
cr_status cr_write_all(int fd, const void *bytes, size_t n, cr_err *err) CR_MUST_USE;

static inline void cr_fd_cleanup(int *fd) {
    extern int close(int);
    if (*fd >= 0)
        close(*fd);
}
#define cr_auto_fd __attribute__((cleanup(cr_fd_cleanup)))

#endif
