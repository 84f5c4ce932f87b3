/* store_dir.c - a store in a local directory: one file per key.
 *
 * The directory is held open: a store that is replaced by a new one of the same name while it is read does not mix both. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "engine/store/store.h"

enum { MAX_DEPTH = 200 };

typedef struct dir_store {
    cr_store base;
    int fd;
    int staging;                  /* where values are made; -1: beside their place */
    bool is_private;
} dir_store;

/* Without openat2 (old kernels, strict sandboxes): walk name by name and follow no link at all. */
static int open_walking(int dir, const char *key, int flags, mode_t mode) {
    int at = dir;
    for (;;) {
        size_t len = strcspn(key, "/");
        char name[256];
        if (len >= sizeof name) {
            errno = ENAMETOOLONG;
            len = 0;
        }
        memcpy(name, key, len);
        name[len] = 0;
        bool last = key[len] == 0;
        int fd = len == 0 ? -1 : openat(at, name, (last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW, mode);
        int why = errno;
        if (at != dir)
            close(at);
        errno = why;
        if (fd < 0 || last)
            return fd;
        at = fd;
        key += len + 1;
    }
}

/* Opens a key below dir; never leaves it (ELOOP, EXDEV). */
static int open_beneath(int dir, const char *key, int flags, mode_t mode) {
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    for (int tries = 0; tries < 100; tries++) {
        long fd = syscall(SYS_openat2, dir, key, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if (errno == ENOSYS || errno == EPERM || errno == EINVAL)
            return open_walking(dir, key, flags | O_CLOEXEC, mode);
        if (errno != EAGAIN && errno != EINTR)
            return -1;
    }
    return -1;
}

static cr_status fail_open(const dir_store *s, const char *key, cr_err *err) {
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no \"%s\"", s->base.name, key);
    case ELOOP:
    case EXDEV:
        return CR_FAIL(err, CR_DENIED, "%s/%s is a link that leads outside of the store", s->base.name, key);
    default: {
        char path[CR_STORE_KEY_MAX + PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", s->base.name, key);
        return cr_cannot_open(path, err);
    }
    }
}

static cr_status open_value(const dir_store *s, const char *key, int *ret_fd, cr_store_info *ret_info, cr_err *err) {
    cr_auto_fd int fd = open_beneath(s->fd, key, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return fail_open(s, key, err);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return CR_FAIL_ERRNO(err, "cannot look at %s/%s", s->base.name, key);
    if (S_ISDIR(st.st_mode))
        return CR_FAIL(err, CR_NOT_FOUND, "%s/%s is a directory", s->base.name, key);
    if (!S_ISREG(st.st_mode))
        return CR_FAIL(err, CR_FORMAT, "%s/%s is not a regular file", s->base.name, key);
    uint64_t version = ((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec) ^ ((uint64_t)st.st_ino << 32);
    *ret_info = (cr_store_info){(uint64_t)st.st_size, version};
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

static cr_status dir_stat(cr_store *base, const char *key, cr_store_info *ret_info, cr_err *err) {
    cr_auto_fd int fd = -1;
    cr_store_info info;
    CR_TRY(open_value((dir_store *)base, key, &fd, &info, err));
    *ret_info = info;
    return CR_OK;
}

static cr_status dir_read(cr_store *base, const char *key, cr_store_range range, cr_store_room_fn room, void *user, size_t *ret_n,
                          cr_store_info *ret_info, cr_err *err) {
    cr_auto_fd int fd = -1;
    cr_store_info info;
    uint64_t start;
    size_t length;
    void *dst;
    CR_TRY(open_value((dir_store *)base, key, &fd, &info, err));
    CR_TRY(cr_store_resolve(base, key, range, info.size, &start, &length, err));
    CR_TRY(room(user, length, &dst, err));
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(fd, (char *)dst + done, length - done, (off_t)(start + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CR_FAIL_ERRNO(err, "cannot read %s/%s", base->name, key);
        if (n == 0)
            return CR_FAIL(err, CR_IO, "%s/%s became shorter while it was read", base->name, key);
        done += (size_t)n;
    }
    *ret_n = length;
    if (ret_info)
        *ret_info = info;
    return CR_OK;
}

static cr_status add_entries(DIR *d, const char *where, size_t limit, cr_arena *arena, cr_store_entry **list, size_t *n, cr_err *err) {
    size_t cap = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e && errno)
            return CR_FAIL_ERRNO(err, "cannot list %s", where);
        if (!e)
            return CR_OK;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (*n >= limit)
            return CR_FAIL(err, CR_LIMIT, "%s holds more than %zu names", where, limit);
        if (*n == cap) {
            cap = cap ? cap * 2 : 32;
            cr_store_entry *more = cr_arena_calloc(arena, cap, sizeof *more);
            if (!more)
                return CR_FAIL(err, CR_LIMIT, "the list of names in %s is too long", where);
            if (*n)
                memcpy(more, *list, *n * sizeof *more);
            *list = more;
        }
        struct stat st;
        bool is_dir = e->d_type == DT_DIR;
        /* Links count as what they lead to; opening them is checked when it happens. */
        if (e->d_type == DT_UNKNOWN || e->d_type == DT_LNK)
            is_dir = fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
        char *name = cr_arena_strdup(arena, e->d_name);
        if (!name)
            return CR_FAIL(err, CR_LIMIT, "the list of names in %s is too long", where);
        (*list)[(*n)++] = (cr_store_entry){name, is_dir};
    }
}

static cr_status dir_list(cr_store *base, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries,
                          size_t *ret_n, cr_err *err) {
    dir_store *s = (dir_store *)base;
    int fd = *prefix ? open_beneath(s->fd, prefix, O_RDONLY | O_DIRECTORY, 0) : openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        *ret_entries = NULL;
        *ret_n = 0;
        return CR_OK;
    }
    if (fd < 0)
        return fail_open(s, prefix, err);
    DIR *d = fdopendir(fd);
    if (!d) {
        cr_status status = CR_FAIL_ERRNO(err, "cannot list %s/%s", base->name, prefix);
        close(fd);
        return status;
    }
    cr_store_entry *list = NULL;
    size_t n = 0;
    cr_status status = add_entries(d, base->name, limit, arena, &list, &n, err);
    closedir(d);
    CR_TRY(status);
    *ret_n = cr_store_sort_entries(list, n);
    *ret_entries = list;
    return CR_OK;
}

/* Makes the directories above a key. */
static cr_status make_parents(const dir_store *s, const char *key, cr_err *err) {
    char path[CR_STORE_KEY_MAX + 1];
    for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - key);
        memcpy(path, key, n);
        path[n] = 0;
        if (mkdirat(s->fd, path, 0777) != 0 && errno != EEXIST)
            return CR_FAIL_ERRNO(err, "cannot make the directory %s/%s", s->base.name, path);
    }
    return CR_OK;
}

/* The directory of a key, opened beneath the store, so that the rename below cannot be led elsewhere. */
static cr_status open_parent(const dir_store *s, const char *key, int *ret_fd, const char **ret_name, cr_err *err) {
    char path[CR_STORE_KEY_MAX + 1];
    const char *slash = strrchr(key, '/');
    int fd;
    if (slash) {
        memcpy(path, key, (size_t)(slash - key));
        path[slash - key] = 0;
        fd = open_beneath(s->fd, path, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0 && errno == ENOENT) {
            CR_TRY(make_parents(s, key, err));
            fd = open_beneath(s->fd, path, O_RDONLY | O_DIRECTORY, 0);
        }
    } else {
        fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0 && errno == ENOTDIR)
        return CR_FAIL(err, CR_EXISTS, "cannot write %s/%s: a value stands where a directory is needed", s->base.name, key);
    if (fd < 0)
        return fail_open(s, key, err);
    *ret_fd = fd;
    *ret_name = slash ? slash + 1 : key;
    return CR_OK;
}

typedef struct dir_out {
    cr_store_out base;
    int fd;
} dir_out;

static cr_status dir_put(cr_store_out *out, const void *bytes, size_t n, cr_err *err) { return cr_write_all(((dir_out *)out)->fd, bytes, n, err); }

static cr_status dir_write(cr_store *base, const char *key, cr_store_fill_fn fill, void *user, cr_err *err) {
    dir_store *s = (dir_store *)base;
    cr_auto_fd int dir = -1;
    const char *name;
    char temporary[64] = ".tmp-", random[17];
    CR_TRY(open_parent(s, key, &dir, &name, err));
    if (!s->is_private) {
        cr_random_hex(random, 8);
        strcat(temporary, random);
    }
    const char *target = s->is_private ? name : temporary;
    int made_in = s->staging >= 0 ? s->staging : dir;
    int fd = openat(made_in, target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (s->is_private ? O_TRUNC : O_EXCL), 0666);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot create %s/%s", base->name, key);
    dir_out out = {.base = {.put = dir_put}, .fd = fd};
    cr_status status = fill(user, &out.base, err);
    if (status == CR_OK && !s->is_private && cr_fsync(fd) != 0)
        status = CR_FAIL_ERRNO(err, "cannot sync");
    if (s->is_private)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);    /* only a start; dir_sync waits */
    if (close(fd) != 0 && status == CR_OK)
        status = CR_FAIL_ERRNO(err, "cannot close");
    if (status == CR_OK && !s->is_private && (renameat(made_in, temporary, dir, name) != 0 || cr_fsync(dir) != 0))
        status = CR_FAIL_ERRNO(err, "cannot move into place");
    if (status != CR_OK) {
        unlinkat(made_in, target, 0);
        cr_err_context(err, "while writing %s/%s", base->name, key);
    }
    return status;
}

/* ---- values that are begun and finished ---- */

typedef struct begun_out {
    dir_out out;
    dir_store *store;
    size_t head_bytes;
    char key[];
} begun_out;

static cr_status put_head(int fd, const void *head, size_t n, cr_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pwrite(fd, (const char *)head + done, n - done, (off_t)done);
        if (got < 0 && errno != EINTR)
            return CR_FAIL_ERRNO(err, "cannot write");
        done += got > 0 ? (size_t)got : 0;
    }
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);        /* only a start; dir_sync waits */
    return CR_OK;
}

static cr_status begun_end(cr_store_out *base, const void *head, cr_err *err) {
    begun_out *b = (begun_out *)base;
    cr_status status = head ? put_head(b->out.fd, head, b->head_bytes, err) : CR_OK;
    if (close(b->out.fd) != 0 && head && status == CR_OK)
        status = CR_FAIL_ERRNO(err, "cannot close");
    if (!head || status != CR_OK)
        unlinkat(b->store->fd, b->key, 0);
    if (status != CR_OK)
        cr_err_context(err, "while writing %s/%s", b->store->base.name, b->key);
    cr_store_unref(&b->store->base);
    free(b);
    return status;
}

static cr_status dir_begin(cr_store *base, const char *key, size_t head_bytes, cr_store_out **ret_out, cr_err *err) {
    dir_store *s = (dir_store *)base;
    cr_auto_fd int dir = -1;
    const char *name;
    if (!s->is_private)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: others read it, so that values come whole", base->name);
    begun_out *b = malloc(sizeof *b + strlen(key) + 1);
    if (!b)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %s/%s", base->name, key);
    cr_status status = open_parent(s, key, &dir, &name, err);
    int fd = status == CR_OK ? openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_TRUNC, 0666) : -1;
    if (status == CR_OK && (fd < 0 || lseek(fd, (off_t)head_bytes, SEEK_SET) < 0))
        status = CR_FAIL_ERRNO(err, "cannot create %s/%s", base->name, key);
    if (status != CR_OK) {
        if (fd >= 0)
            close(fd);
        free(b);
        return status;
    }
    *b = (begun_out){.out = {.base = {.put = dir_put, .end = begun_end}, .fd = fd}, .store = s, .head_bytes = head_bytes};
    memcpy(b->key, key, strlen(key) + 1);
    cr_store_ref(base);
    *ret_out = &b->out.base;
    return CR_OK;
}

/* Syncs every file below a directory, then the directory itself; closes dir. One by one and not syncfs: that would also wait for what
 * others write to the same disk. Writing back was started when each file was written, so that most calls find nothing left to do. */
static cr_status sync_tree(int dir, const char *where, int depth, cr_err *err) {
    DIR *d = depth <= MAX_DEPTH ? fdopendir(dir) : NULL;
    if (!d) {
        cr_status status = depth > MAX_DEPTH ? CR_FAIL(err, CR_LIMIT, "%s is too deep", where) : CR_FAIL_ERRNO(err, "cannot list %s", where);
        close(dir);
        return status;
    }
    cr_status status = CR_OK;
    for (struct dirent *e; status == CR_OK && (e = readdir(d));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) != 0) {
            status = CR_FAIL_ERRNO(err, "cannot open %s in %s", e->d_name, where);
        } else if (S_ISDIR(st.st_mode)) {
            status = sync_tree(fd, where, depth + 1, err);
            continue;
        } else if (cr_fsync(fd) != 0) {
            status = CR_FAIL_ERRNO(err, "cannot sync %s in %s", e->d_name, where);
        }
        if (fd >= 0)
            close(fd);
    }
    if (status == CR_OK && cr_fsync(dirfd(d)) != 0)
        status = CR_FAIL_ERRNO(err, "cannot sync %s", where);
    closedir(d);
    return status;
}

/* Values of a store that others read were synced when they were written. */
static cr_status dir_sync(cr_store *base, cr_err *err) {
    dir_store *s = (dir_store *)base;
    if (!s->is_private)
        return CR_OK;
    int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", base->name);
    return sync_tree(fd, base->name, 0, err);
}

static void dir_free(cr_store *base) {
    dir_store *s = (dir_store *)base;
    if (s->staging >= 0)
        close(s->staging);
    close(s->fd);
    free(base->name);
    free(base);
}

static const cr_store_ops dir_ops = {"directory", dir_stat, dir_read, dir_list, dir_write, dir_sync, dir_free, dir_begin};

cr_status cr_store_open_dir(const char *path, bool is_private, cr_store **ret_store, cr_err *err) {
    cr_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cr_cannot_open(path, err);
    dir_store *s = calloc(1, sizeof *s);
    char *name = strdup(path);
    if (!s || !name) {
        free(s);
        free(name);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    *s = (dir_store){{&dir_ops, 1, name}, fd, -1, is_private};
    fd = -1;
    *ret_store = &s->base;
    return CR_OK;
}

/* Held open: a directory that was removed makes no files, under whatever name a new one stands there. */
cr_status cr_store_stage(cr_store *base, const char *name, cr_err *err) {
    dir_store *s = (dir_store *)base;
    if (base->ops != &dir_ops || s->is_private)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: only values of a directory that others may read are made apart", base->name);
    CR_TRY(cr_store_check_key(name, err));
    int fd = open_beneath(s->fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fail_open(s, name, err);
    if (s->staging >= 0)
        close(s->staging);
    s->staging = fd;
    return CR_OK;
}
