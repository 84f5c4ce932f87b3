/* sibling.c - make beside, then take the place. */
#include "engine/format/sibling.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "base/text.h"
#include "engine/codec/checksum.h"

enum { MAX_NAME = 200, MAX_DEPTH = 200, RANDOM_BYTES = 8, TRIES = 8, LIST_BYTES = 2048, MAX_LINKS = 40, LINK_BYTES = 4096 };
static const char MARK[] = ".craton-";
/* Removed first: a reader that misses a chunk then also misses these, and knows that the store is going (zarr.h). */
static const char *const metadata[] = {"zarr.json", ".zmetadata", ".zarray", ".zgroup", ".zattrs"};

/* ---- removing -------------------------------------------------------------------------------------------------------------------- */

static void remove_entries(int dir, int depth);

/* Never follows links; what cannot be removed stays. */
static void remove_at(int dir, const char *name, int depth) {
    if (unlinkat(dir, name, 0) == 0 || depth > MAX_DEPTH)
        return;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    remove_entries(fd, depth);
    unlinkat(dir, name, AT_REMOVEDIR);
}

/* Empties a directory; closes dir. Without readdir, which takes memory: a write that failed for want of it leaves nothing either. */
static void remove_entries(int dir, int depth) {
    _Alignas(struct dirent64) char block[LIST_BYTES];
    for (size_t i = 0; i < CR_ARRAY_LEN(metadata); i++)
        unlinkat(dir, metadata[i], 0);
    for (ssize_t n; (n = getdents64(dir, block, sizeof block)) > 0;)
        for (const struct dirent64 *e = (const void *)block; (const char *)e < block + n; e = (const void *)((const char *)e + e->d_reclen))
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                remove_at(dir, e->d_name, depth + 1);
    close(dir);
}

/* ---- names ----------------------------------------------------------------------------------------------------------------------- */

static char *parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static char *without_slashes(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return strndup(path, n);
}

/* What a path is when links are followed, also one that leads to nothing yet: it is made there, as other programs do. NULL: no memory. */
static char *where_it_leads(const char *path) {
    char *at = realpath(path, NULL), to[LINK_BYTES];
    if (at)
        return at;
    at = strdup(path);
    for (int i = 0; at && i < MAX_LINKS; i++) {
        ssize_t n = readlink(at, to, sizeof to - 1);
        if (n < 0)
            return at;
        to[n] = '\0';
        cr_auto_free char *parent = parent_of(at);
        char *next = NULL;
        if (parent && asprintf(&next, "%s%s%s", *to == '/' ? "" : parent, *to == '/' ? "" : "/", to) < 0)
            next = NULL;
        free(at);
        at = next;
    }
    return at;                        /* a ring of links: refused as what is neither file nor store */
}

static bool looks_like_store(int dir) {
    for (size_t i = 0; i < CR_ARRAY_LEN(metadata); i++)
        if (faccessat(dir, metadata[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    return false;
}

static bool is_empty(int dir) {
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    bool empty = d != NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (d)
        closedir(d);
    else if (copy >= 0)
        close(copy);
    return empty;
}

static bool is_store(const char *path) {
    cr_auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 && looks_like_store(dir);
}

/* The outermost Zarr hierarchy that a directory is in; NULL: in none. */
static char *hierarchy_of(const char *dir) {
    char *at = realpath(dir, NULL), *found = NULL;
    while (at && strcmp(at, "/") != 0 && is_store(at)) {
        free(found);
        found = at;
        at = parent_of(found);
    }
    free(at);
    return found;
}

static bool can_move(const char *from_dir, const char *to_dir) {
    struct stat a, b;
    return access(from_dir, W_OK | X_OK) == 0 && stat(from_dir, &a) == 0 && stat(to_dir, &b) == 0 && a.st_dev == b.st_dev;
}

/* The directory of the temporary and the part of its name that tells whose it is; both owned by the caller. */
static cr_status choose_place(const char *destination, char **ret_dir, char **ret_stem, cr_err *err) {
    cr_auto_free char *parent = parent_of(destination), *real = parent ? realpath(parent, NULL) : NULL, *store = real ? hierarchy_of(real) : NULL;
    cr_auto_free char *outside = store ? parent_of(store) : NULL;
    char *stem = NULL;
    bool is_outside = outside && strlen(name_of(store)) <= MAX_NAME && can_move(outside, real);
    if (is_outside) {
        cr_auto_free char *below = NULL;
        if (asprintf(&below, "%s/%s", real + strlen(store), name_of(destination)) < 0)
            below = NULL;
        if (!below || asprintf(&stem, "%s.%08x", name_of(store), cr_crc32c(below, strlen(below))) < 0)
            stem = NULL;
    } else {
        stem = strdup(name_of(destination));
    }
    char *dir = strdup(is_outside ? outside : parent ? parent : "");
    if (!parent || !dir || !stem) {
        free(dir);
        free(stem);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    *ret_dir = dir;
    *ret_stem = stem;
    return CR_OK;
}

/* Whether what stands at the destination may be replaced. */
static cr_status check_destination(const char *path, bool overwrite, cr_err *err) {
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? CR_OK : CR_FAIL_ERRNO(err, "cannot look at %s", path);
    if (!overwrite) {
        cr_status status = CR_FAIL(err, CR_EXISTS, "%s exists", path);
        cr_err_hint(err, "ask for overwriting, or choose another name");
        return status;
    }
    if (S_ISREG(st.st_mode))
        return CR_OK;
    cr_auto_fd int dir = S_ISDIR(st.st_mode) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0 || (!looks_like_store(dir) && !is_empty(dir)))
        return CR_FAIL(err, CR_EXISTS, "%s exists and is not a file or Zarr store; it is not replaced", path);
    return CR_OK;
}

/* ---- the temporary ----------------------------------------------------------------------------------------------------------------- */

/* Removes what killed writers of the same destination left: it has our mark and nobody holds its lock. */
static void remove_stale(const char *parent, const char *name) {
    cr_auto_free char *prefix = NULL;
    DIR *d = opendir(parent);
    if (!d || asprintf(&prefix, ".%s%s", name, MARK) < 0) {
        if (d)
            closedir(d);
        prefix = NULL;
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (!cr_starts_with(e->d_name, prefix) || strlen(e->d_name) != strlen(prefix) + 2 * RANDOM_BYTES)
            continue;
        cr_auto_fd int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            remove_at(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

/* What replaces a private file or store is private too, from its first byte; where there are no modes, nothing happens. */
static void take_over_mode(const cr_sibling *s, int fd, mode_t made) {
    struct stat old;
    if (!s->overwrite || lstat(s->destination, &old) != 0 || (old.st_mode & S_IFMT) != (made & S_IFMT))
        return;
    mode_t owner = S_ISDIR(made) ? S_IRWXU : S_IRUSR | S_IWUSR;
    (void)!fchmod(fd, (old.st_mode & 0777) | owner | (made & 07000));
}

/* Makes and locks one temporary; CR_BUSY when another process removed it before it was locked. */
static cr_status make_once(cr_sibling *s, const char *parent, const char *stem, cr_err *err) {
    char random[2 * RANDOM_BYTES + 1];
    cr_random_hex(random, RANDOM_BYTES);
    free(s->temporary);
    if (asprintf(&s->temporary, "%s/.%s%s%s", parent, stem, MARK, random) < 0) {
        s->temporary = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    int made = s->is_directory ? mkdir(s->temporary, 0777) : open(s->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (made < 0)
        return CR_FAIL_ERRNO(err, "cannot write in the directory %s", parent);
    cr_auto_fd int fd = s->is_directory ? open(s->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : made;
    struct stat a, b;
    /* A file system without locks works too; only stale names then stay. */
    bool lost = fd < 0 || (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) || fstat(fd, &a) != 0 || lstat(s->temporary, &b) != 0 ||
                a.st_ino != b.st_ino;
    if (lost)
        return CR_FAIL(err, CR_BUSY, "another process removed %s", s->temporary);
    take_over_mode(s, fd, a.st_mode);
    s->lock = fd;
    fd = -1;
    return CR_OK;
}

static cr_status make_temporary(cr_sibling *s, const char *parent, const char *stem, cr_err *err) {
    cr_status status = CR_BUSY;
    for (int i = 0; status == CR_BUSY && i < TRIES; i++)
        status = make_once(s, parent, stem, err);
    return status;
}

/* Of the unfinished ones that killed processes left the newest that can be resumed; *s keeps its lock. */
static cr_status adopt(cr_sibling *s, const char *parent, const char *name, bool (*is_resumable)(const char *path), cr_err *err) {
    cr_auto_free char *prefix = NULL;
    struct timespec newest = {0};
    cr_status status = CR_OK;
    DIR *d = opendir(parent);
    if (!d || asprintf(&prefix, ".%s%s", name, MARK) < 0) {
        prefix = NULL;
        status = d ? CR_FAIL(err, CR_MEMORY, "no memory") : CR_FAIL_ERRNO(err, "cannot look into the directory %s", parent);
    }
    for (struct dirent *e; status == CR_OK && (e = readdir(d));) {
        cr_auto_free char *path = NULL;
        struct stat st;
        if (!cr_starts_with(e->d_name, prefix) || strlen(e->d_name) != strlen(prefix) + 2 * RANDOM_BYTES)
            continue;
        if (asprintf(&path, "%s/%s", parent, e->d_name) < 0) {
            path = NULL;
            status = CR_FAIL(err, CR_MEMORY, "no memory");
            continue;
        }
        cr_auto_fd int fd = is_resumable(path) ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd < 0 || fstat(fd, &st) != 0)
            continue;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            status = CR_FAIL(err, CR_BUSY, "another process is writing %s", s->destination);
            continue;
        }
        if (s->lock >= 0 && (st.st_mtim.tv_sec < newest.tv_sec || (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec < newest.tv_nsec)))
            continue;
        newest = st.st_mtim;
        if (s->lock >= 0)
            close(s->lock);
        free(s->temporary);
        s->temporary = path;
        s->lock = fd;
        s->adopted = true;
        path = NULL;
        fd = -1;
    }
    if (d)
        closedir(d);
    s->keep = status != CR_OK;        /* what is not ours to judge stays */
    return status;
}

static cr_status begin(cr_sibling *s, const char *destination, bool is_directory, bool overwrite, bool (*is_resumable)(const char *path),
                       cr_err *err) {
    cr_auto_free char *plain = without_slashes(destination);
    *s = (cr_sibling){.is_directory = is_directory, .overwrite = overwrite, .lock = -1};
    s->destination = plain ? where_it_leads(plain) : NULL;
    if (!s->destination)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    const char *name = name_of(s->destination);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > MAX_NAME)
        return CR_FAIL(err, CR_INVALID, "\"%s\" cannot be the name of a file", destination);
    CR_TRY(check_destination(s->destination, overwrite, err));
    cr_auto_free char *dir = NULL, *stem = NULL;
    CR_TRY(choose_place(s->destination, &dir, &stem, err));
    if (is_resumable)
        CR_TRY(adopt(s, dir, stem, is_resumable, err));
    remove_stale(dir, stem);
    return s->adopted ? CR_OK : make_temporary(s, dir, stem, err);
}

cr_status cr_sibling_new(cr_sibling *s, const char *destination, bool is_directory, bool overwrite, cr_err *err) {
    return begin(s, destination, is_directory, overwrite, NULL, err);
}

cr_status cr_sibling_resume(cr_sibling *s, const char *destination, bool overwrite, bool (*is_resumable)(const char *path), cr_err *err) {
    return begin(s, destination, true, overwrite, is_resumable, err);
}

/* ---- taking the place ---------------------------------------------------------------------------------------------------------------- */

static bool cannot_rename2(int why) { return why == EINVAL || why == ENOSYS || why == ENOTSUP; }

/* Without an exchange: move the old one aside, the new one in, and back if that fails. */
static cr_status move_in_two_steps(cr_sibling *s, cr_err *err) {
    cr_auto_free char *aside = NULL;
    if (asprintf(&aside, "%s.old", s->temporary) < 0) {
        aside = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    if (rename(s->destination, aside) != 0)
        return CR_FAIL_ERRNO(err, "cannot move %s aside", s->destination);
    if (rename(s->temporary, s->destination) != 0) {
        cr_status status = CR_FAIL_ERRNO(err, "cannot move %s into place", s->temporary);
        if (rename(aside, s->destination) != 0)
            cr_err_hint(err, "the old content is in %s", aside);
        return status;
    }
    remove_at(AT_FDCWD, aside, 0);
    return CR_OK;
}

static cr_status fail_move(const cr_sibling *s, cr_err *err) {
    if (errno == EEXIST || errno == ENOTEMPTY)
        return CR_FAIL(err, CR_EXISTS, "%s was made by someone else meanwhile", s->destination);
    return CR_FAIL_ERRNO(err, "cannot move %s into place", s->temporary);
}

static cr_status move_new(cr_sibling *s, cr_err *err) {
    if (renameat2(AT_FDCWD, s->temporary, AT_FDCWD, s->destination, RENAME_NOREPLACE) == 0)
        return CR_OK;
    if (!cannot_rename2(errno))
        return fail_move(s, err);
    CR_TRY(check_destination(s->destination, false, err));
    return rename(s->temporary, s->destination) == 0 ? CR_OK : fail_move(s, err);
}

static cr_status move_over_once(cr_sibling *s, cr_err *err) {
    struct stat st;
    CR_TRY(check_destination(s->destination, true, err));
    if (lstat(s->destination, &st) != 0) {
        cr_status status = move_new(s, err);
        return status == CR_EXISTS ? CR_BUSY : status;
    }
    if (S_ISREG(st.st_mode) && !s->is_directory)
        return rename(s->temporary, s->destination) == 0 ? CR_OK : fail_move(s, err);
    if (renameat2(AT_FDCWD, s->temporary, AT_FDCWD, s->destination, RENAME_EXCHANGE) == 0) {
        remove_at(AT_FDCWD, s->temporary, 0);    /* it is the old one now */
        return CR_OK;
    }
    if (errno == ENOENT)
        return CR_FAIL(err, CR_BUSY, "%s comes and goes", s->destination);
    return cannot_rename2(errno) ? move_in_two_steps(s, err) : fail_move(s, err);
}

/* Again when another writer made or removed the destination between looking and moving. */
static cr_status move_over(cr_sibling *s, cr_err *err) {
    cr_status status = CR_BUSY;
    for (int i = 0; status == CR_BUSY && i < TRIES; i++)
        status = move_over_once(s, err);
    return status;
}

cr_status cr_sibling_commit(cr_sibling *s, cr_err *err) {
    CR_TRY(s->overwrite ? move_over(s, err) : move_new(s, err));
    free(s->temporary);
    s->temporary = NULL;
    cr_auto_free char *parent = parent_of(s->destination);
    cr_auto_fd int dir = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0 || cr_fsync(dir) != 0)
        return CR_FAIL_ERRNO(err, "%s is complete, but its directory cannot be synced", s->destination);
    return CR_OK;
}

void cr_sibling_remove(const char *path) { remove_at(AT_FDCWD, path, 0); }

void cr_sibling_done(cr_sibling *s) {
    if (s->temporary && s->lock >= 0 && !s->keep)
        remove_at(AT_FDCWD, s->temporary, 0);
    if (s->destination && s->lock >= 0)
        close(s->lock);
    free(s->temporary);
    free(s->destination);
    *s = (cr_sibling){.lock = -1};
}
