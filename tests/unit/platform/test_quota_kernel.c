/* test_quota_kernel.c - homes as projects of real file systems, ext4 and XFS, each in a file. Where the kernel has none with quotas, or this is not root,
 * nothing is tested, unless CRATON_QUOTA=required is in the environment. */
#include "../check_main.h"
#include "../scratch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "platform/runner/confine.h"
#include "platform/runner/disk_walk.h"
#include "platform/runner/quota.h"

enum { ADA = 54711, BOB = 54712, MIB = 1 << 20, SLICE_MS = 60000 };

static const struct { const char *name, *make; int refuses; } kinds[] = {     /* refuses: with this error; XFS takes a project for a small disk */
    {"ext4", "mkfs.ext4 -q -O quota,project -E quotatype=prjquota", EDQUOT},
    {"xfs", "mkfs.xfs -q", ENOSPC},
};
static char folder[64];
static bool is_there;
static cr_err err;

static const char *at(const char *name) {
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/on/%s", folder, name);
    return p;
}

static int run(const char *command) {
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void begin(int kind) {
    char command[512];
    const char *required = getenv("CRATON_QUOTA");
    ck_assert(snprintf(command, sizeof command, "(truncate -s 400M %s/image && %s %s/image && mount -t %s -o loop,prjquota %s/image %s/on) >%s 2>&1", folder,
                       kinds[kind].make, folder, kinds[kind].name, folder, folder, required ? "/dev/stderr" : "/dev/null") < (int)sizeof command);
    is_there = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && run(command) == 0;
    ck_assert_msg(is_there || !required, "no %s with quotas of projects", kinds[kind].name);
    if (is_there)
        ck_assert_int_eq(chmod(at("."), 0755), 0);
}

static void set_up(void) {
    scratch_make(folder, "quota");
    char on[80];
    snprintf(on, sizeof on, "%s/on", folder);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(mkdir(on, 0755), 0);
    is_there = false;
}

static void tear_down(void) {
    char command[256];
    snprintf(command, sizeof command, "%s%s%s rm -rf %s", is_there ? "umount " : "", is_there ? folder : "", is_there ? "/on;" : "", folder);
    ck_assert_int_eq(run(command), 0);
}

/* ---- a home and who lives there ---- */

static void make_home(const char *name, uid_t uid) {
    ck_assert_int_eq(mkdir(at(name), 0755), 0);
    cr_auto_fd int fd = open(at(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_ok(cr_quota_mark(fd, uid, true, &err));
    ck_assert_ok(cr_quota_home_note(fd, uid, &err));
    ck_assert_int_eq(fchown(fd, uid, uid), 0);
}

static struct fsxattr attributes(const char *name) {
    struct fsxattr a;
    cr_auto_fd int fd = open(at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
    ck_assert_int_eq(ioctl(fd, FS_IOC_FSGETXATTR, &a), 0);
    return a;
}

/* As that account: 0, or the error number of what it does. */
static int as(uid_t uid, int (*what)(const char *, const char *), const char *a, const char *b) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
            _exit(255);
        _exit(what(a, b) == 0 ? 0 : errno);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 255);
    return WEXITSTATUS(status);
}

/* So many MiB behind what is there. */
static int append(const char *path, const char *mib) {
    static const char block[MIB];
    cr_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    for (int i = 0; fd >= 0 && i < atoi(mib); i++)
        for (size_t n = 0; n < sizeof block;) {
            ssize_t wrote = write(fd, block + n, sizeof block - n);
            if (wrote < 0)
                return -1;
            n += (size_t)wrote;
        }
    return fd < 0 ? -1 : fsync(fd);
}

static int leave_project(const char *path, const char *unused) {
    struct fsxattr a;
    (void)unused;
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &a) != 0)
        return -1;
    a.fsx_projid = BOB;
    return ioctl(fd, FS_IOC_FSSETXATTR, &a);
}

static int leave_confined(const char *path, const char *unused) {
    const cr_identity self = {.uid = ADA, .gid = ADA};
    if (cr_confine_identity(&self, NULL) != CR_OK || cr_confine_filter(CR_FILTER_USER, NULL) != CR_OK)
        _exit(254);
    return leave_project(path, unused);
}

static uint64_t used(uint32_t project) {
    cr_quota_use use;
    sync();
    ck_assert_ok(cr_quota_read(at("."), project, &use, &err));
    return use.bytes;
}

/* What is freed is counted a moment later in XFS. */
static void wait_for_less(uint32_t project, uint64_t bytes) {
    for (int64_t end = cr_now_ms() + 20000; used(project) >= bytes && cr_now_ms() < end;)
        usleep(50000);
    ck_assert_uint_lt(used(project), bytes);
}

static off_t size_of(const char *name) {
    struct stat st;
    ck_assert_int_eq(stat(at(name), &st), 0);
    return st.st_size;
}

/* ---- tests, for each kind ---- */

START_TEST(a_home_has_its_limit) {
    begin(_i);
    if (!is_there)
        return;
    cr_quota_use use;
    ck_assert(cr_quota_is_on(at(".")) && !cr_quota_is_on("/proc"));
    make_home("ada", ADA);
    make_home("bob", BOB);
    cr_auto_fd int home = open(at("ada"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert(cr_quota_home_is_marked(home, ADA) && !cr_quota_home_is_marked(home, BOB));
    ck_assert_ok(cr_quota_limit(at("."), ADA, 16 * MIB, &err));
    ck_assert_ok(cr_quota_read(at("."), ADA, &use, &err));
    ck_assert_uint_eq(use.limit_bytes, 32 * MIB);
    ck_assert_ok(cr_quota_read(at("."), ADA + 9, &use, &err));              /* nothing is known of it */
    ck_assert(use.bytes == 0 && use.limit_bytes == 0);
    /* What is read is what was written; beyond the limit nothing is. */
    ck_assert_int_eq(as(ADA, append, at("ada/a"), "10"), 0);
    ck_assert_msg(used(ADA) >= 10 * MIB && used(ADA) < 11 * MIB, "%llu", (unsigned long long)used(ADA));
    ck_assert_int_eq(as(ADA, append, at("ada/b"), "100"), kinds[_i].refuses);
    ck_assert(size_of("ada/b") > 20 * MIB && size_of("ada/b") <= 22 * MIB && used(ADA) <= 32 * MIB);
    ck_assert_int_eq(as(ADA, append, at("ada/c"), "1"), kinds[_i].refuses);
    /* Not of another home, and not of what lies in none. */
    ck_assert_int_eq(as(BOB, append, at("bob/a"), "40"), 0);
    ck_assert_int_eq(append(at("roots"), "40"), 0);
    ck_assert(used(BOB) >= 40 * MIB && used(BOB) < 41 * MIB && used(ADA) <= 32 * MIB);
    /* Room to clean up in; more; none; no limit. */
    ck_assert_int_eq(as(ADA, (int (*)(const char *, const char *))(void (*)(void))unlink, at("ada/b"), NULL), 0);
    wait_for_less(ADA, 11 * MIB);
    ck_assert_int_eq(as(ADA, append, at("ada/b"), "10"), 0);
    ck_assert_ok(cr_quota_limit(at("."), ADA, 1 * MIB, &err));
    ck_assert_int_eq(as(ADA, append, at("ada/b"), "1"), kinds[_i].refuses);
    ck_assert_ok(cr_quota_limit(at("."), ADA, 32 * MIB, &err));
    ck_assert_int_eq(as(ADA, append, at("ada/b"), "20"), 0);
    ck_assert_int_eq(as(ADA, append, at("ada/b"), "20"), kinds[_i].refuses);
    ck_assert_ok(cr_quota_limit(at("."), ADA, 0, &err));
    ck_assert_int_eq(as(ADA, append, at("ada/b"), "20"), 0);
}
END_TEST

START_TEST(nothing_leaves_or_enters) {
    begin(_i);
    if (!is_there)
        return;
    make_home("ada", ADA);
    make_home("bob", BOB);
    ck_assert_int_eq(mkdir(at("open"), 0777) | chmod(at("open"), 0777), 0);
    ck_assert_int_eq(as(ADA, append, at("ada/own"), "1"), 0);
    ck_assert_int_eq(as(ADA, append, at("open/elsewhere"), "1"), 0);
    ck_assert_int_eq(as(BOB, append, at("bob/theirs"), "1"), 0);
    ck_assert_uint_eq(attributes("ada/own").fsx_projid, ADA);
    ck_assert_uint_eq(attributes("open/elsewhere").fsx_projid, 0);
    /* Names of files of other projects: nobody, root neither. */
    ck_assert(link(at("bob/theirs"), at("ada/theirs")) != 0 && errno == EXDEV);
    ck_assert(link(at("open/elsewhere"), at("ada/elsewhere")) != 0 && errno == EXDEV);
    ck_assert_int_eq(as(ADA, link, at("open/elsewhere"), at("ada/elsewhere")), EXDEV);
    ck_assert_int_eq(as(ADA, rename, at("open/elsewhere"), at("ada/elsewhere")), EXDEV);
    /* The kernel lets the owner; the filter of user processes does not. */
    ck_assert_int_eq(as(ADA, leave_confined, at("ada/own"), NULL), EPERM);
    ck_assert_int_eq(as(ADA, leave_confined, at("ada"), NULL), EPERM);
    ck_assert_uint_eq(attributes("ada/own").fsx_projid, ADA);
    ck_assert_int_eq(as(ADA, leave_project, at("ada/own"), NULL), 0);
    ck_assert_uint_eq(attributes("ada/own").fsx_projid, BOB);
    ck_assert_int_ne(as(ADA, leave_project, at("bob/theirs"), NULL), 0);
}
END_TEST

static void be_of(uid_t uid, const char *const *names) {
    for (; *names; names++)
        ck_assert_int_eq(lchown(at(*names), uid, uid), 0);
}

START_TEST(a_home_from_before) {
    begin(_i);
    if (!is_there)
        return;
    cr_disk_use use = {0};
    make_home("bob", BOB);
    ck_assert_int_eq(as(BOB, append, at("bob/theirs"), "1"), 0);
    ck_assert_ok(cr_make_dirs(at("ada/a/b"), 0755, &err));
    ck_assert_ok(cr_make_dirs(at("ada/z"), 0755, &err));
    ck_assert_int_eq(append(at("ada/a/b/file"), "3") | append(at("ada/z/file"), "2") | append(at("ada/a/roots"), "1") | append(at("plain"), "1"), 0);
    ck_assert_int_eq(symlink(at("bob/theirs"), at("ada/link")) | symlink(at("bob"), at("ada/folder")) | mkfifo(at("ada/pipe"), 0600), 0);
    ck_assert_int_eq(link(at("bob/theirs"), at("ada/theirs")) | link(at("ada/z/file"), at("ada/again")) | link(at("plain"), at("ada/plain")), 0);
    be_of(ADA, (const char *const[]){"ada", "ada/a", "ada/a/b", "ada/z", "ada/a/b/file", "ada/z/file", "ada/link", "ada/folder", "ada/pipe", NULL});
    cr_auto_fd int home = open(at("ada"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A backup brings the note and not the projects. */
    ck_assert_ok(cr_quota_home_note(home, ADA, &err));
    ck_assert(!cr_quota_home_is_marked(home, ADA));
    /* A file with a lease is not opened: it is left out, and that is known. */
    ck_assert_int_eq(chown(at("ada/a/b/file"), ADA, ADA), 0);
    int lease = open(at("ada/a/b/file"), O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(fcntl(lease, F_SETLEASE, F_WRLCK), 0);
    ck_assert(signal(SIGIO, SIG_IGN) != SIG_ERR);
    ck_assert_ok(cr_disk_walk_marking(at("ada"), SLICE_MS, ADA, &use, &err));
    ck_assert(use.complete && use.left_out);
    ck_assert_int_eq(fcntl(lease, F_SETLEASE, F_UNLCK) | close(lease), 0);
    ck_assert_uint_eq(attributes("ada/a/b/file").fsx_projid, 0);
    /* What was not marked yet stays where it is: it cannot be moved behind the walk. */
    ck_assert_int_eq(as(ADA, rename, at("ada/a/b/file"), at("ada/a/b/moved")), EXDEV);
    ck_assert_int_eq(as(ADA, rename, at("ada/a/b/file"), at("ada/z/moved")), EXDEV);
    memset(&use, 0, sizeof use);
    ck_assert_ok(cr_disk_walk_marking(at("ada"), SLICE_MS, ADA, &use, &err));
    ck_assert(use.complete && !use.left_out && !use.cut);
    static const char *const own[] = {"ada", "ada/a", "ada/a/b", "ada/z", "ada/a/b/file", "ada/z/file"};
    for (size_t i = 0; i < CR_ARRAY_LEN(own); i++) {
        struct stat st;
        struct fsxattr a = attributes(own[i]);
        ck_assert_int_eq(stat(at(own[i]), &st), 0);
        ck_assert_msg(a.fsx_projid == ADA && !!(a.fsx_xflags & FS_XFLAG_PROJINHERIT) == S_ISDIR(st.st_mode), "%s", own[i]);
    }
    ck_assert_uint_eq(attributes("bob/theirs").fsx_projid, BOB);
    ck_assert(attributes("plain").fsx_projid == 0 && attributes("ada/a/roots").fsx_projid == 0);
    ck_assert(cr_quota_home_is_marked(home, ADA));
    ck_assert_msg(used(ADA) >= 5 * MIB && used(ADA) < 6 * MIB, "%llu", (unsigned long long)used(ADA));
    ck_assert_ok(cr_quota_limit(at("."), ADA, 4 * MIB, &err));
    ck_assert_int_eq(as(ADA, append, at("ada/z/new"), "30"), kinds[_i].refuses);
    ck_assert_uint_eq(attributes("ada/z/new").fsx_projid, ADA);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("quota_kernel");
    TCase *t = tcase_create("quota_kernel");
    tcase_set_timeout(t, 50);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_home_has_its_limit, 0, (int)CR_ARRAY_LEN(kinds));
    tcase_add_loop_test(t, nothing_leaves_or_enters, 0, (int)CR_ARRAY_LEN(kinds));
    tcase_add_loop_test(t, a_home_from_before, 0, (int)CR_ARRAY_LEN(kinds));
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
