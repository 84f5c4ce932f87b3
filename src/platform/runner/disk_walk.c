/* disk_walk.c - one tree, in order, by descriptors. */
#include "platform/runner/disk_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/runner/quota.h"

enum { BLOCK = 512, LINKS_FIRST = 1024 };

typedef struct links {        /* numbers of files with several names that were counted; open addressing, 0 is free */
    uint64_t *at;
    size_t n, cap;
} links;

typedef struct walk {
    cr_disk_use *use;
    dev_t dev;
    int64_t end_ms;
    bool stopped;
    uint32_t project;                 /* 0: nothing is marked */
    links seen;
    char path[CR_DISK_CURSOR_MAX];    /* of the folder that is read, relative, "" at the top */
    size_t len;
} walk;

typedef struct names {
    char *text;
    size_t bytes, cap, n;
    const char **at;
} names;

/* ---- files with several names ---- */

static bool put(uint64_t *at, size_t cap, uint64_t number) {
    size_t i = (size_t)(number * 0x9E3779B97F4A7C15u >> 20) & (cap - 1);
    while (at[i] && at[i] != number)
        i = (i + 1) & (cap - 1);
    bool fresh = !at[i];
    at[i] = number;
    return fresh;
}

static bool grow(links *l) {
    size_t cap = l->cap ? 2 * l->cap : LINKS_FIRST;
    uint64_t *at = l->n < CR_DISK_LINKS_MAX ? calloc(cap, sizeof *at) : NULL;
    if (!at)
        return false;
    for (size_t i = 0; i < l->cap; i++)
        if (l->at[i])
            put(at, cap, l->at[i]);
    free(l->at);
    l->at = at;
    l->cap = cap;
    return true;
}

/* false: it was counted before. What there is no memory to know is counted again. */
static bool is_fresh(links *l, const struct stat *st) {
    if (st->st_nlink < 2 || S_ISDIR(st->st_mode) || !st->st_ino || (2 * l->n >= l->cap && !grow(l)))
        return true;
    bool fresh = put(l->at, l->cap, st->st_ino);
    l->n += fresh;
    return fresh;
}

/* ---- one folder ---- */

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void names_done(names *v) {
    free(v->text);
    free(v->at);
}

/* false: no memory, or too many; what is there is right. */
static bool add_name(names *v, const char *name) {
    size_t n = strlen(name) + 1;
    if (v->bytes + n > v->cap) {
        size_t cap = CR_MAX(v->cap * 2, (size_t)4096);
        char *text = v->bytes + n <= CR_DISK_NAMES_MAX ? realloc(v->text, cap) : NULL;
        if (!text)
            return false;
        v->text = text;
        v->cap = cap;
    }
    memcpy(v->text + v->bytes, name, n);
    v->bytes += n;
    v->n++;
    return true;
}

static bool read_names(int fd, names *v) {
    bool whole = true;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return true;
    }
    for (const struct dirent *e; whole && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            whole = add_name(v, e->d_name);
    closedir(d);
    v->at = calloc(v->n + 1, sizeof *v->at);
    if (!v->at) {
        v->n = 0;
        return false;
    }
    const char *next = v->text;
    for (size_t i = 0; i < v->n; i++, next += strlen(next) + 1)
        v->at[i] = next;
    qsort(v->at, v->n, sizeof *v->at, by_bytes);
    return whole;
}

/* ---- the tree ---- */

static void note_top(cr_disk_use *u, const char *name) {
    int i = CR_DISK_TOP;
    while (i > 0 && u->part_bytes > u->top[i - 1].bytes)
        i--;
    if (i < CR_DISK_TOP) {
        memmove(u->top + i + 1, u->top + i, (size_t)(CR_DISK_TOP - 1 - i) * sizeof u->top[0]);
        u->top[i].bytes = u->part_bytes;
        snprintf(u->top[i].name, sizeof u->top[i].name, "%s", name);
    }
    u->part_bytes = 0;
}

static void count(walk *w, const struct stat *st) {
    if (!is_fresh(&w->seen, st))
        return;
    w->use->bytes += (uint64_t)st->st_blocks * BLOCK;
    w->use->part_bytes += (uint64_t)st->st_blocks * BLOCK;
    w->use->entries++;
}

/* The next slice begins with this entry. A place whose path is too long to be kept is passed. */
static bool stop_here(walk *w, const char *name) {
    if (cr_now_ms() < w->end_ms || w->len + strlen(name) + 2 > sizeof w->path)
        return false;
    snprintf(w->use->cursor, sizeof w->use->cursor, "%s%s%s", w->path, w->len ? "/" : "", name);
    w->stopped = true;
    return true;
}

static void read_folder(walk *w, int fd, int depth, const char *from);

/* What cannot be marked is said once a while, and does not hold the rest up. */
static void mark(const walk *w, int fd, const struct stat *st) {
    cr_err err = CR_ERR_INIT;
    if (w->project && st->st_uid == w->project && cr_quota_mark(fd, w->project, S_ISDIR(st->st_mode), &err) != CR_OK) {
        w->use->left_out = true;
        cr_log_often(CR_LOG_WARN, "marking a home", "error=\"%s\"", err.message);
    }
}

/* As enter, of a file. One with a lease does not open: it stays as it is, and the home is not marked to its end. */
static void mark_file(const walk *w, int dir, const char *name, const struct stat *st) {
    struct stat now;
    if (!w->project || st->st_uid != w->project)
        return;
    cr_auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &now) == 0 && S_ISREG(now.st_mode) && now.st_dev == st->st_dev && now.st_ino == st->st_ino)
        mark(w, fd, &now);
    else
        w->use->left_out = true;
}

/* It is opened as what was looked at, or not at all: whoever swaps it meanwhile gains nothing. */
static void enter(walk *w, int dir, const char *name, const struct stat *st, int depth, const char *from) {
    struct stat now;
    size_t len = w->len, n = strlen(name);
    if (depth >= CR_DISK_DEPTH_MAX || len + n + 2 > sizeof w->path) {
        w->use->cut = true;
        return;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        w->use->left_out = true;
        return;
    }
    if (fstat(fd, &now) != 0 || now.st_dev != st->st_dev || now.st_ino != st->st_ino) {
        w->use->left_out = true;
        close(fd);
        return;
    }
    mark(w, fd, &now);
    w->len += (size_t)snprintf(w->path + len, sizeof w->path - len, "%s%s", len ? "/" : "", name);
    read_folder(w, fd, depth + 1, from);
    w->path[w->len = len] = 0;
}

/* dir: for what lies in it; from: the rest of the cursor, of which `name` is the first part when it leads in here. */
static void look_at(walk *w, int dir, const char *name, int depth, const char *from) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0 || st.st_dev != w->dev)
        return;
    if (!*from)               /* else it was counted by the slice that stopped inside */
        count(w, &st);
    if (S_ISREG(st.st_mode))
        mark_file(w, dir, name, &st);
    if (S_ISDIR(st.st_mode))
        enter(w, dir, name, &st, depth, from);
}

/* Steals fd. from: "" or the place inside at which the slice of before has stopped. */
static void read_folder(walk *w, int fd, int depth, const char *from) {
    names v = {0};
    char first[NAME_MAX + 1] = "";
    const char *rest = from + strcspn(from, "/");
    int dir = dup(fd);        /* reading closes its own */
    snprintf(first, sizeof first, "%.*s", (int)CR_MIN((size_t)(rest - from), sizeof first - 1), from);
    rest += *rest == '/';
    if (!read_names(fd, &v))
        w->use->cut = true;
    for (size_t i = 0; dir >= 0 && i < v.n && !w->stopped; i++) {
        int order = *first ? strcmp(v.at[i], first) : 1;
        if (order < 0)
            continue;
        if (order > 0 && stop_here(w, v.at[i]))
            break;
        look_at(w, dir, v.at[i], depth, order == 0 ? rest : "");
        if (depth == 0 && !w->stopped)
            note_top(w->use, v.at[i]);
    }
    if (dir >= 0)
        close(dir);
    names_done(&v);
}

cr_status cr_disk_walk(const char *path, int64_t slice_ms, cr_disk_use *use, cr_err *err) { return cr_disk_walk_marking(path, slice_ms, 0, use, err); }

cr_status cr_disk_walk_marking(const char *path, int64_t slice_ms, uint32_t project, cr_disk_use *use, cr_err *err) {
    struct stat st;
    int64_t began_ms = cr_now_ms();
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int number = errno;
        if (fd >= 0)
            close(fd);
        errno = number;
        return number == ENOENT ? CR_FAIL(err, CR_NOT_FOUND, "there is no %s", path) : CR_FAIL_ERRNO(err, "cannot open %s", path);
    }
    walk w = {.use = use, .dev = st.st_dev, .end_ms = began_ms + slice_ms, .project = project};
    char from[CR_DISK_CURSOR_MAX];
    memcpy(from, use->cursor, sizeof from);
    use->cursor[0] = 0;
    if (!from[0]) {
        mark(&w, fd, &st);
        count(&w, &st);
        use->part_bytes = 0;  /* the folder itself is nobody's part */
    }
    read_folder(&w, fd, 0, from);
    free(w.seen.at);
    use->complete = !w.stopped;
    use->took_ms += cr_now_ms() - began_ms;
    return CR_OK;
}

char *cr_disk_top_text(const cr_disk_use *use, char *out, size_t size) {
    size_t len = 0;
    out[0] = 0;
    for (int i = 0; i < CR_DISK_TOP && use->top[i].bytes; i++) {
        char name[CR_DISK_NAME_MAX + 1];
        memcpy(name, use->top[i].name, sizeof name);
        cr_text_clean(name);
        int n = snprintf(out + len, size - len, "%llu %s\n", (unsigned long long)use->top[i].bytes, name);
        if (n < 0 || (size_t)n >= size - len) {
            out[len] = 0;
            break;
        }
        len += (size_t)n;
    }
    return out;
}
