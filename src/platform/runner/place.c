/* place.c - directories and pinned sockets. */
#include "platform/runner/place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

cr_status cr_place_dir(const char *path, uid_t uid, gid_t gid, mode_t mode, cr_err *err) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return CR_FAIL_ERRNO(err, "cannot create the directory %s", path);
    cr_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot use the directory %s", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || (geteuid() != 0 && st.st_uid != geteuid()))
        return CR_FAIL(err, CR_DENIED, "the directory %s belongs to somebody else", path);
    if ((geteuid() == 0 && fchown(fd, uid, gid) != 0) || fchmod(fd, mode) != 0)
        return CR_FAIL_ERRNO(err, "cannot set owner and mode of %s", path);
    return CR_OK;
}

cr_status cr_place_pin(const char *socket_path, const char *link_path, uid_t uid, cr_err *err) {
    struct stat st;
    if (lstat(socket_path, &st) != 0)
        return errno == ENOENT ? CR_FAIL(err, CR_NOT_FOUND, "there is no %s", socket_path)
                               : CR_FAIL_ERRNO(err, "cannot look at %s", socket_path);
    if (unlink(link_path) != 0 && errno != ENOENT)
        return CR_FAIL_ERRNO(err, "cannot replace %s", link_path);
    if (linkat(AT_FDCWD, socket_path, AT_FDCWD, link_path, 0) != 0)   /* 0: a symbolic link is linked itself, not followed */
        return errno == ENOENT ? CR_FAIL(err, CR_NOT_FOUND, "there is no %s", socket_path)
                               : CR_FAIL_ERRNO(err, "cannot pin %s", socket_path);
    /* Judged by the new name: the old one may have changed since. */
    if (lstat(link_path, &st) != 0 || !S_ISSOCK(st.st_mode) || st.st_uid != uid) {
        unlink(link_path);
        return CR_FAIL(err, CR_DENIED, "%s is not a socket of uid %u", socket_path, (unsigned)uid);
    }
    return CR_OK;
}
