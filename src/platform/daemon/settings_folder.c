/* settings_folder.c - reading what the operator wrote, and nobody else. */
#include "platform/daemon/settings_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/text.h"

cr_status cr_settings_file(const char *path, mode_t forbidden, size_t most, cr_buf *out, cr_err *err) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return CR_FAIL_ERRNO(err, "cannot use %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & forbidden)) {
        bool secret = forbidden & 0044;
        CR_FAIL(err, CR_DENIED, "%s is not a file that only its owner can %s", path, secret ? "read" : "write");
        cr_err_hint(err, "chown it to the user that runs cratond and chmod %s", secret ? "600" : "go-w");
        return CR_DENIED;
    }
    char *room = cr_buf_reserve(out, most + 1);
    ssize_t n = room ? read(fd, room, most + 1) : -1;
    if (n < 0)
        return CR_FAIL_ERRNO(err, "cannot read %s", path);
    if ((size_t)n > most)
        return CR_FAIL(err, CR_LIMIT, "%s is longer than %zu KiB", path, most >> 10);
    cr_buf_advance(out, (size_t)n);
    return CR_OK;
}

cr_status cr_settings_folder(const char *folder, cr_status (*each)(void *user, const char *folder, const char *name, cr_err *err), void *user,
                             cr_err *err) {
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? CR_OK : CR_FAIL_ERRNO(err, "cannot read %s", folder);
    cr_status status = CR_OK;
    for (struct dirent *e; status == CR_OK && (e = readdir(dir));) {
        char name[256];
        if (e->d_name[0] == '.' || !cr_ends_with(e->d_name, ".conf"))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(strlen(e->d_name) - 5), e->d_name);
        status = each(user, folder, name, err);
    }
    closedir(dir);
    return status;
}
