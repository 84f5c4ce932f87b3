/* test_quota.c - homes as projects of their file system: what is asked of the kernel, which here is a table of numbers of files (the kernel at hand
 * may have no quotas; test_quota_kernel.c and tests/wire/test_quota.py are with real ones). */
#include "../check_main.h"
#include "../scratch.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "platform/runner/disk_walk.h"
#include "platform/runner/quota.h"

enum { PROJECT = 4711, FILES = 64 };

static char folder[64];
static cr_err err;

/* ---- the file system ---- */

static struct { ino_t number; uint32_t project, flags; } files[FILES];
static int n_files, n_changes, refuse;
static unsigned state;
static struct if_dqblk quotas;
static uint32_t asked_project;

static ino_t number_of(int fd) {
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

static int place_of(ino_t number) {
    for (int i = 0; i < n_files; i++)
        if (files[i].number == number)
            return i;
    ck_assert_int_lt(n_files, FILES);
    files[n_files].number = number;
    return n_files++;
}

static int fake_get(int fd, struct fsxattr *a) {
    int i = place_of(number_of(fd));
    *a = (struct fsxattr){.fsx_projid = files[i].project, .fsx_xflags = files[i].flags};
    return 0;
}

static int fake_set(int fd, const struct fsxattr *a) {
    int i = place_of(number_of(fd));
    if (refuse) {
        errno = refuse;
        return -1;
    }
    files[i].project = a->fsx_projid;
    files[i].flags = a->fsx_xflags;
    n_changes++;
    return 0;
}

static int fake_quota(int fd, unsigned cmd, uint32_t project, void *data) {
    (void)fd;
    asked_project = project;
    if (refuse) {
        errno = refuse;
        return -1;
    }
    if (cmd == Q_XGETQSTATV)
        ((struct fs_quota_statv *)data)->qs_flags = (__u16)state;
    else if (cmd == Q_SETQUOTA)
        quotas.dqb_bhardlimit = ((struct if_dqblk *)data)->dqb_bhardlimit;
    else if (cmd == Q_GETQUOTA)
        *(struct if_dqblk *)data = quotas;
    return 0;
}

static void set_up(void) {
    scratch_make(folder, "quota");
    cr_quota_kernel = (cr_quota_calls){fake_quota, fake_get, fake_set};
    memset(files, 0, sizeof files);
    memset(&quotas, 0, sizeof quotas);
    n_files = n_changes = refuse = 0;
    state = FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD;
}

static void tear_down(void) {
    scratch_remove(folder);
}

static const char *at(const char *name) {
    static char path[2][256];
    static int next;
    char *p = path[next++ % 2];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static bool is_marked(const char *name, bool inherits) {
    struct stat st;
    ck_assert_int_eq(lstat(at(name), &st), 0);
    int i = place_of(st.st_ino);
    return files[i].project == PROJECT && !!(files[i].flags & FS_XFLAG_PROJINHERIT) == inherits;
}

/* ---- tests ---- */

START_TEST(where_it_is_on) {
    ck_assert(cr_quota_is_on(folder));
    ck_assert_uint_eq(asked_project, 0);
    state = FS_QUOTA_PDQ_ACCT;                       /* counted and not enforced, as ext4 without prjquota */
    ck_assert(!cr_quota_is_on(folder));
    state = FS_QUOTA_UDQ_ACCT | FS_QUOTA_UDQ_ENFD;   /* of users, not of projects */
    ck_assert(!cr_quota_is_on(folder));
    state = FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD;
    static const int errors[] = {ENOSYS, ENOTTY, ESRCH, EPERM, EINVAL};
    for (size_t i = 0; i < CR_ARRAY_LEN(errors); i++) {
        refuse = errors[i];
        ck_assert(!cr_quota_is_on(folder));
    }
    refuse = 0;
    ck_assert(!cr_quota_is_on("/no/such/folder"));
}
END_TEST

START_TEST(limits) {
    cr_quota_use use;
    ck_assert_ok(cr_quota_limit(folder, PROJECT, (uint64_t)1 << 30, &err));
    ck_assert_uint_eq(asked_project, PROJECT);
    ck_assert_uint_eq(quotas.dqb_bhardlimit, (1 << 20) + (16 << 10));       /* in KiB: a GiB and a 64th */
    quotas.dqb_curspace = 12345;
    ck_assert_ok(cr_quota_read(folder, PROJECT, &use, &err));
    ck_assert_uint_eq(use.bytes, 12345);
    ck_assert_uint_eq(use.limit_bytes, cr_quota_hard((uint64_t)1 << 30));
    ck_assert_uint_eq(cr_quota_hard(1 << 20), (1 << 20) + (16 << 20));      /* room to clean up in, also with a small limit */
    ck_assert_ok(cr_quota_limit(folder, PROJECT, 0, &err));
    ck_assert_uint_eq(quotas.dqb_bhardlimit, 0);
    refuse = ENOENT;                                 /* of a project that has nothing yet there is no record */
    quotas.dqb_curspace = 0;
    ck_assert_ok(cr_quota_read(folder, PROJECT, &use, &err));
    ck_assert_uint_eq(use.bytes, 0);
    refuse = EPERM;
    ck_assert(cr_quota_read(folder, PROJECT, &use, &err) != CR_OK && cr_quota_limit(folder, PROJECT, 1, &err) != CR_OK);
}
END_TEST

/* A home that was there before: folders and files of the account, nothing else, and the second time nothing at all. */
START_TEST(marking_a_home) {
    cr_disk_use use = {0};
    if (geteuid() != 0)
        return;
    ck_assert_ok(cr_make_dirs(at("a/b"), 0755, &err));
    static const char *const names[] = {"a/b/file", "a/theirs", "own"};
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        ck_assert_ok(cr_file_replace(at(names[i]), "x", 1, 0644, &err));
    ck_assert_int_eq(symlink("/etc/passwd", at("link")), 0);
    ck_assert_int_eq(mkfifo(at("pipe"), 0600), 0);
    static const char *const owned[] = {".", "a", "a/b", "a/b/file", "own", "link", "pipe"};
    for (size_t i = 0; i < CR_ARRAY_LEN(owned); i++)
        ck_assert_int_eq(lchown(at(owned[i]), PROJECT, PROJECT), 0);
    ck_assert_ok(cr_disk_walk(folder, 10000, &use, &err));
    ck_assert_int_eq(n_changes, 0);                  /* measuring alone marks nothing */
    memset(&use, 0, sizeof use);
    ck_assert_ok(cr_disk_walk_marking(folder, 10000, PROJECT, &use, &err));
    ck_assert(use.complete && is_marked(".", true) && is_marked("a", true) && is_marked("a/b", true) && is_marked("a/b/file", false) && is_marked("own", false));
    ck_assert(!is_marked("a/theirs", false) && !is_marked("link", false) && !is_marked("pipe", false));
    ck_assert_int_eq(n_changes, 5);
    memset(&use, 0, sizeof use);
    ck_assert_ok(cr_disk_walk_marking(folder, 10000, PROJECT, &use, &err));
    ck_assert_int_eq(n_changes, 5);
}
END_TEST

START_TEST(what_is_noted) {
    cr_auto_fd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (geteuid() != 0)
        return;
    ck_assert(!cr_quota_home_is_marked(fd, PROJECT));
    ck_assert_ok(cr_quota_home_note(fd, PROJECT, &err));
    ck_assert(!cr_quota_home_is_marked(fd, PROJECT));       /* of a copy: the note came along, and the project did not */
    ck_assert_ok(cr_quota_mark(fd, PROJECT, false, &err));
    ck_assert(!cr_quota_home_is_marked(fd, PROJECT));       /* what is made in it would not be counted */
    ck_assert_ok(cr_quota_mark(fd, PROJECT, true, &err));
    ck_assert(cr_quota_home_is_marked(fd, PROJECT) && !cr_quota_home_is_marked(fd, PROJECT + 1));
    refuse = EOPNOTSUPP;
    ck_assert(cr_quota_mark(fd, PROJECT + 1, true, &err) != CR_OK);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("quota");
    TCase *t = tcase_create("quota");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, where_it_is_on);
    tcase_add_test(t, limits);
    tcase_add_test(t, marking_a_home);
    tcase_add_test(t, what_is_noted);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
