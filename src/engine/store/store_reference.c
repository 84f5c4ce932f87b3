/* store_reference.c - a store of references: keys in sorted order, found by bisection; files opened for each read, so that a store of
 * thousands of files holds none of them open. */
#include "engine/store/store_reference.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/fork_lock.h"
#include "base/map.h"

enum { MAX_FILES = 1 << 20, FIRST_ENTRIES = 256 };

typedef struct target {
    const char *path;
    struct stat seen;             /* when it was first read from; guarded by the store's lock */
    bool was_seen;
} target;

typedef struct entry {
    const char *key;
    target *file;                 /* NULL: the value is at bytes */
    const unsigned char *bytes;
    uint64_t offset, length;
} entry;

typedef struct reference_store {
    cr_store base;
    cr_arena arena;
    entry *entries;               /* sorted by key once sealed */
    size_t n, cap;
    cr_map by_path;               /* path -> target */
    target **files;
    size_t n_files, cap_files;
    cr_fork_lock lock;
} reference_store;

/* ---- filling in ---------------------------------------------------------------------------------------------------------- */

static cr_status no_room(const reference_store *s, cr_err *err) {
    return CR_FAIL(err, CR_LIMIT, "%s: the references need more than %zu bytes of memory", s->base.name, s->arena.limit_bytes);
}

/* Doubles an array inside the arena; what is left behind is at most as much again. */
static bool grow(reference_store *s, void **array, size_t n, size_t *cap, size_t item) {
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : FIRST_ENTRIES;
    void *p = cr_arena_calloc(&s->arena, more, item);
    if (!p)
        return false;
    if (n)
        memcpy(p, *array, n * item);
    *array = p;
    *cap = more;
    return true;
}

static cr_status add(reference_store *s, const char *key, entry **ret_entry, cr_err *err) {
    CR_TRY(cr_store_check_key(key, err));
    const char *own = cr_arena_strdup(&s->arena, key);
    if (!own || !grow(s, (void **)&s->entries, s->n, &s->cap, sizeof *s->entries))
        return no_room(s, err);
    *ret_entry = &s->entries[s->n++];
    (*ret_entry)->key = own;
    return CR_OK;
}

cr_status cr_references_add_room(cr_store *base, const char *key, size_t n, unsigned char **ret_room, cr_err *err) {
    reference_store *s = (reference_store *)base;
    entry *e = NULL;
    unsigned char *bytes = cr_arena_alloc(&s->arena, n + 1);
    if (!bytes)
        return no_room(s, err);
    CR_TRY(add(s, key, &e, err));
    e->bytes = *ret_room = bytes;
    e->length = n;
    return CR_OK;
}

cr_status cr_references_add_value(cr_store *base, const char *key, const void *bytes, size_t n, cr_err *err) {
    unsigned char *room = NULL;
    CR_TRY(cr_references_add_room(base, key, n, &room, err));
    if (n)
        memcpy(room, bytes, n);
    return CR_OK;
}

static cr_status find_target(reference_store *s, const char *path, target **ret_target, cr_err *err) {
    target *t = cr_map_get(&s->by_path, path);
    if (!t) {
        t = cr_arena_alloc(&s->arena, sizeof *t);
        if (!t || !(t->path = cr_arena_strdup(&s->arena, path)) ||
            !grow(s, (void **)&s->files, s->n_files, &s->cap_files, sizeof *s->files))
            return no_room(s, err);
        CR_TRY(cr_map_set(&s->by_path, path, t, err));
        s->files[s->n_files++] = t;
    }
    *ret_target = t;
    return CR_OK;
}

cr_status cr_references_add_range(cr_store *base, const char *key, const char *file, uint64_t offset, uint64_t length, cr_err *err) {
    reference_store *s = (reference_store *)base;
    entry *e = NULL;
    target *t = NULL;
    CR_TRY(find_target(s, file, &t, err));
    CR_TRY(add(s, key, &e, err));
    e->file = t;
    e->offset = offset;
    e->length = length;
    return CR_OK;
}

static int by_key(const void *a, const void *b) { return strcmp(((const entry *)a)->key, ((const entry *)b)->key); }

cr_status cr_references_seal(cr_store *base, cr_err *err) {
    reference_store *s = (reference_store *)base;
    if (s->n)
        qsort(s->entries, s->n, sizeof *s->entries, by_key);
    for (size_t i = 1; i < s->n; i++)
        if (strcmp(s->entries[i - 1].key, s->entries[i].key) == 0)
            return CR_FAIL(err, CR_FORMAT, "%s has two references for \"%.200s\"", base->name, s->entries[i].key);
    return CR_OK;
}

const char *cr_references_file(const cr_store *base, size_t i) {
    const reference_store *s = (const reference_store *)base;
    return i < s->n_files ? s->files[i]->path : NULL;
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

/* The first entry that is not before key. */
static size_t lower_bound(const reference_store *s, const char *key) {
    size_t from = 0, to = s->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (strcmp(s->entries[mid].key, key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static cr_status find(const reference_store *s, const char *key, const entry **ret_entry, cr_err *err) {
    size_t i = lower_bound(s, key);
    if (i == s->n || strcmp(s->entries[i].key, key) != 0)
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no \"%s\"", s->base.name, key);
    *ret_entry = &s->entries[i];
    return CR_OK;
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static cr_status check_unchanged(reference_store *s, target *t, const struct stat *now, cr_err *err) {
    pthread_mutex_lock(&s->lock.mutex);
    if (!t->was_seen)
        t->seen = *now;
    t->was_seen = true;
    bool same = same_file(&t->seen, now);
    pthread_mutex_unlock(&s->lock.mutex);
    if (same)
        return CR_OK;
    cr_status status = CR_FAIL(err, CR_CONFLICT, "%s, which %s refers to, was changed while it was in use", t->path, s->base.name);
    cr_err_hint(err, "make the references again, and open them again");
    return status;
}

/* A missing file is never CR_NOT_FOUND (invariant 2). */
static cr_status fail_target(const reference_store *s, const entry *e, cr_err *err) {
    bool missing = errno == ENOENT || errno == ENOTDIR;
    cr_status status = missing ? CR_FAIL(err, CR_NO_FILE, "there is no file %s", e->file->path)
                               : cr_cannot_open(e->file->path, err);
    cr_err_context(err, "\"%s\" of %s refers to it", e->key, s->base.name);
    if (missing)
        cr_err_hint(err, "relative names are looked for beside the references; make the references again where the files moved");
    return status == CR_NOT_FOUND ? CR_IO : status;
}

static cr_status open_target(reference_store *s, const entry *e, int *ret_fd, cr_store_info *ret_info, cr_err *err) {
    cr_auto_fd int fd = open(e->file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return fail_target(s, e, err);
    if (!S_ISREG(st.st_mode))
        return CR_FAIL(err, CR_FORMAT, "\"%s\" of %s refers to %s, which is not a regular file", e->key, s->base.name, e->file->path);
    CR_TRY(check_unchanged(s, e->file, &st, err));
    uint64_t size = (uint64_t)st.st_size, length = e->length;
    if (length == UINT64_MAX)
        length = size - CR_MIN(e->offset, size);
    if (e->offset > size || length > size - e->offset) {
        cr_status status = CR_FAIL(err, CR_FORMAT, "\"%s\" of %s refers to bytes %llu + %llu of %s, which has %llu", e->key, s->base.name,
                                   (unsigned long long)e->offset, (unsigned long long)length, e->file->path, (unsigned long long)size);
        cr_err_hint(err, "the file is cut off, or is not the one that the references were made of");
        return status;
    }
    uint64_t version = ((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec) ^ ((uint64_t)st.st_ino << 32);
    *ret_info = (cr_store_info){length, version};
    *ret_fd = fd;
    fd = -1;
    return CR_OK;
}

static cr_status reference_stat(cr_store *base, const char *key, cr_store_info *ret_info, cr_err *err) {
    const entry *e = NULL;
    cr_auto_fd int fd = -1;
    CR_TRY(find((reference_store *)base, key, &e, err));
    if (e->file)
        return open_target((reference_store *)base, e, &fd, ret_info, err);
    *ret_info = (cr_store_info){e->length, 0};
    return CR_OK;
}

static cr_status read_fully(int fd, const char *path, uint64_t at, void *dst, size_t length, cr_err *err) {
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(fd, (char *)dst + done, length - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CR_FAIL_ERRNO(err, "cannot read %s", path);
        if (n == 0)
            return CR_FAIL(err, CR_IO, "%s became shorter while it was read", path);
        done += (size_t)n;
    }
    return CR_OK;
}

static cr_status reference_read(cr_store *base, const char *key, cr_store_range range, cr_store_room_fn room, void *user, size_t *ret_n,
                                cr_store_info *ret_info, cr_err *err) {
    const entry *e = NULL;
    cr_auto_fd int fd = -1;
    uint64_t start;
    size_t length;
    void *dst;
    CR_TRY(find((reference_store *)base, key, &e, err));
    cr_store_info info = {e->length, 0};
    if (e->file)
        CR_TRY(open_target((reference_store *)base, e, &fd, &info, err));
    CR_TRY(cr_store_resolve(base, key, range, info.size, &start, &length, err));
    CR_TRY(room(user, length, &dst, err));
    if (e->file)
        CR_TRY(read_fully(fd, e->file->path, e->offset + start, dst, length, err));
    else if (length)
        memcpy(dst, e->bytes + start, length);
    *ret_n = length;
    if (ret_info)
        *ret_info = info;
    return CR_OK;
}

/* ---- listing ------------------------------------------------------------------------------------------------------------- */

/* Keys below one name stand together, but "a", "a.b" and "a/b" are in this order: names come twice, and are sorted out by the caller. After a
 * name with keys below it, the next place is found by bisection, so that a list does not walk over all chunks. */
static cr_status list_below(const reference_store *s, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **list,
                            size_t *n, cr_err *err) {
    char bound[CR_STORE_KEY_MAX + 2];
    size_t below = *prefix ? (size_t)snprintf(bound, sizeof bound, "%s/", prefix) : 0, cap = 0;
    bound[below] = 0;
    for (size_t i = lower_bound(s, bound); i < s->n && strncmp(s->entries[i].key, bound, below) == 0;) {
        const char *name = s->entries[i].key + below;
        size_t len = strcspn(name, "/");
        bool is_prefix = name[len] == '/';
        if (*n >= limit)
            return CR_FAIL(err, CR_LIMIT, "%s holds more than %zu names", s->base.name, limit);
        if (*n == cap) {
            cap = cap ? cap * 2 : 32;
            cr_store_entry *more = cr_arena_calloc(arena, cap, sizeof *more);
            if (!more)
                return CR_FAIL(err, CR_LIMIT, "the list of names in %s is too long", s->base.name);
            if (*n)
                memcpy(more, *list, *n * sizeof *more);
            *list = more;
        }
        char *copy = cr_arena_strndup(arena, name, len);
        if (!copy)
            return CR_FAIL(err, CR_LIMIT, "the list of names in %s is too long", s->base.name);
        (*list)[(*n)++] = (cr_store_entry){copy, is_prefix};
        if (!is_prefix) {
            i++;
            continue;
        }
        char next[CR_STORE_KEY_MAX + 2];
        snprintf(next, sizeof next, "%.*s%c", (int)(below + len), s->entries[i].key, '/' + 1);
        i = lower_bound(s, next);
    }
    return CR_OK;
}

static cr_status reference_list(cr_store *base, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries,
                                size_t *ret_n, cr_err *err) {
    cr_store_entry *list = NULL;
    size_t n = 0;
    CR_TRY(list_below((reference_store *)base, prefix, limit, arena, &list, &n, err));
    *ret_n = cr_store_sort_entries(list, n);
    *ret_entries = list;
    return CR_OK;
}

/* ---- the store -------------------------------------------------------------------------------------------------------------- */

static cr_status reference_write(cr_store *base, const char *key, cr_store_fill_fn fill, void *user, cr_err *err) {
    return CR_FAIL(err, CR_DENIED, "%s holds references, which are only read; \"%s\" was not written", base->name, key);
}

static cr_status reference_sync(cr_store *base, cr_err *err) { return CR_OK; }

static void reference_free(cr_store *base) {
    reference_store *s = (reference_store *)base;
    cr_map_done(&s->by_path);
    cr_arena_done(&s->arena);
    cr_fork_lock_done(&s->lock);
    free(s->base.name);
    free(s);
}

static const cr_store_ops reference_ops = {"reference",     reference_stat, reference_read, reference_list, reference_write,
                                           reference_sync, reference_free, NULL};

cr_status cr_store_open_reference(const char *path, size_t max_bytes, cr_store **ret_store, cr_err *err) {
    reference_store *s = calloc(1, sizeof *s);
    char *name = strdup(path);
    if (!s || !name) {
        free(s);
        free(name);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    s->base = (cr_store){&reference_ops, 1, name};
    cr_arena_init(&s->arena, max_bytes);
    cr_map_init(&s->by_path, MAX_FILES);
    cr_fork_lock_init(&s->lock, false);
    *ret_store = &s->base;
    return CR_OK;
}
