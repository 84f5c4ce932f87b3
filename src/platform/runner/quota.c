/* quota.c - quotactl_fd and the attributes of files. */
#include "platform/runner/quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/file.h"

enum { BLOCK = 1024, LEAST_ABOVE = 16 << 20 };     /* limits are in blocks of 1 KiB */

static const char mark_name[] = "trusted.craton.project";

static int ask_kernel(int fd, unsigned cmd, uint32_t project, void *data) { return (int)syscall(SYS_quotactl_fd, fd, QCMD(cmd, PRJQUOTA), project, data); }
static int get_attributes(int fd, struct fsxattr *a) { return ioctl(fd, FS_IOC_FSGETXATTR, a); }
static int set_attributes(int fd, const struct fsxattr *a) { return ioctl(fd, FS_IOC_FSSETXATTR, a); }

cr_quota_calls cr_quota_kernel = {ask_kernel, get_attributes, set_attributes};

static int open_folder(const char *folder) { return open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

bool cr_quota_is_on(const char *folder) {
    const unsigned needed = FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD;
    struct fs_quota_statv v = {.qs_version = FS_QSTATV_VERSION1};
    cr_auto_fd int fd = open_folder(folder);
    return fd >= 0 && cr_quota_kernel.quota(fd, Q_XGETQSTATV, 0, &v) == 0 && (v.qs_flags & needed) == needed;
}

cr_status cr_quota_read(const char *folder, uint32_t project, cr_quota_use *ret_use, cr_err *err) {
    struct if_dqblk b = {0};
    cr_auto_fd int fd = open_folder(folder);
    if (fd < 0 || (cr_quota_kernel.quota(fd, Q_GETQUOTA, project, &b) != 0 && errno != ENOENT && errno != ESRCH))
        return CR_FAIL_ERRNO(err, "cannot read the quota of project %u at %s", (unsigned)project, folder);
    *ret_use = (cr_quota_use){b.dqb_curspace, b.dqb_bhardlimit * BLOCK};
    return CR_OK;
}

uint64_t cr_quota_hard(uint64_t bytes) { return bytes ? bytes + CR_MAX(bytes / 64, (uint64_t)LEAST_ABOVE) : 0; }

cr_status cr_quota_limit(const char *folder, uint32_t project, uint64_t bytes, cr_err *err) {
    struct if_dqblk b = {.dqb_bhardlimit = (cr_quota_hard(bytes) + BLOCK - 1) / BLOCK, .dqb_valid = QIF_BLIMITS};
    cr_auto_fd int fd = open_folder(folder);
    if (fd < 0 || cr_quota_kernel.quota(fd, Q_SETQUOTA, project, &b) != 0)
        return CR_FAIL_ERRNO(err, "cannot set the quota of project %u at %s", (unsigned)project, folder);
    return CR_OK;
}

cr_status cr_quota_mark(int fd, uint32_t project, bool is_folder, cr_err *err) {
    struct fsxattr a;
    if (cr_quota_kernel.get(fd, &a) != 0)
        return CR_FAIL_ERRNO(err, "cannot read the project of a file");
    const uint32_t flags = a.fsx_xflags | (is_folder ? FS_XFLAG_PROJINHERIT : 0);
    if (a.fsx_projid == project && a.fsx_xflags == flags)
        return CR_OK;
    a.fsx_projid = project;
    a.fsx_xflags = flags;
    return cr_quota_kernel.set(fd, &a) == 0 ? CR_OK : CR_FAIL_ERRNO(err, "cannot set the project of a file");
}

bool cr_quota_home_is_marked(int home, uint32_t project) {
    char value[16] = "";
    struct fsxattr a;
    ssize_t n = fgetxattr(home, mark_name, value, sizeof value - 1);
    return n > 0 && strtoul(value, NULL, 10) == project && cr_quota_kernel.get(home, &a) == 0 && a.fsx_projid == project &&
           (a.fsx_xflags & FS_XFLAG_PROJINHERIT);
}

cr_status cr_quota_home_note(int home, uint32_t project, cr_err *err) {
    char value[16];
    int n = snprintf(value, sizeof value, "%u", (unsigned)project);
    return fsetxattr(home, mark_name, value, (size_t)n, 0) == 0 ? CR_OK : CR_FAIL_ERRNO(err, "cannot note that a home is marked");
}
