/* spill.c - see spill.h. */
#include "engine/array/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/text.h"

#define WINDOW_BYTES 16384            /* read at once where elements of the last axis do not follow each other */

struct cr_spill {
    atomic_int refs;
    int fd;                           /* -1: not open */
    int ndim;
    int64_t shape[CR_MAX_DIMS], stride[CR_MAX_DIMS]; /* stride: bytes */
    size_t itemsize;
    uint64_t bytes;
};

/* ---- making ---- */

const char *cr_spill_directory(void) {
    static const char *const names[] = {"CRATON_SCRATCH", "TMPDIR"};
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != 0)
            return value;
    }
    return "/var/tmp";
}

cr_status cr_spill_array(const cr_array *like, cr_array **ret_array, cr_err *err) {
    cr_spill *s = calloc(1, sizeof *s);
    if (s == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    atomic_init(&s->refs, 1);
    s->fd = -1;
    s->ndim = like->ndim;
    s->itemsize = like->itemsize;
    s->bytes = (uint64_t)like->size * like->itemsize;
    int64_t row = (int64_t)like->itemsize;
    for (int a = like->ndim - 1; a >= 0; a--) {
        s->shape[a] = like->shape[a];
        s->stride[a] = row;
        row *= CR_MAX(1, like->shape[a]);
    }
    cr_spilled_params p = {.spill = s, .was_read = cr_ops[like->op].cls == CR_CLASS_SOURCE};
    cr_node_spec spec = {.op = CR_OP_SPILLED, .dtype = like->dtype, .itemsize = like->itemsize, .ndim = like->ndim, .shape = like->shape, .params = &p,
                         .params_bytes = sizeof p};
    cr_array *a;
    cr_status status = cr_node_new(&spec, &a, err);
    if (status != CR_OK) {
        cr_spill_unref(s);
        return status;
    }
    for (int i = 0; i < like->ndim; i++)
        a->cuts[i] = cr_cuts_ref(like->cuts[i]);
    a->weak = like->weak;
    *ret_array = a;
    return CR_OK;
}

static cr_status no_room(const char *directory, uint64_t bytes, int why, cr_err *err) {
    struct statvfs fs;
    char need[32], have[32] = "";
    if (statvfs(directory, &fs) == 0)
        cr_text_bytes((uint64_t)fs.f_bavail * fs.f_frsize, have, sizeof have);
    cr_text_bytes(bytes, need, sizeof need);
    cr_status status = CR_FAIL(err, CR_NO_SPACE, "what is computed does not fit into memory, and a scratch file of %s for it has no room in %s%s%s: %s", need, directory,
                               have[0] ? ", which has " : "", have, strerror(why));
    cr_err_hint(err, "make room there, set CRATON_SCRATCH to a directory of a larger disk, or raise the memory limit");
    return status;
}

/* A name is there for a moment only where the file system knows no files without. */
static int open_nameless(const char *directory) {
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *path = NULL;
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    if (asprintf(&path, "%s/craton-scratch-XXXXXX", directory) < 0) {
        errno = ENOMEM;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    int why = errno;
    free(path);
    errno = why;
    return fd;
}

/* Without a call that takes room, what is free is asked for; writing may still find it full. */
static int take_room(int fd, const char *directory, uint64_t bytes) {
    struct statvfs fs;
    if (bytes == 0 || fallocate(fd, 0, 0, (off_t)bytes) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return errno;
    if (statvfs(directory, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < bytes)
        return ENOSPC;
    return ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
}

cr_status cr_spill_open(cr_spill *s, cr_err *err) {
    const char *directory = cr_spill_directory();
    int fd = open_nameless(directory);
    if (fd < 0) {
        cr_status status = CR_FAIL(err, cr_status_from_errno(errno), "what is computed does not fit into memory, and no scratch file for it can be made in %s: %s", directory,
                                   strerror(errno));
        cr_err_hint(err, "set CRATON_SCRATCH to a directory that can be written, or raise the memory limit");
        return status;
    }
    int why = take_room(fd, directory, s->bytes);
    if (why != 0) {
        close(fd);
        return no_room(directory, s->bytes, why, err);
    }
    s->fd = fd;
    return CR_OK;
}

uint64_t cr_spill_bytes(const cr_spill *s) { return s->bytes; }

cr_spill *cr_spill_ref(cr_spill *s) {
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void cr_spill_unref(cr_spill *s) {
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

/* ---- bytes ---- */

static cr_status failed(const char *what, cr_err *err) {
    cr_status status = CR_FAIL(err, cr_status_from_errno(errno), "%s a scratch file in %s: %s", what, cr_spill_directory(), strerror(errno));
    cr_err_hint(err, "make room there, or set CRATON_SCRATCH to another directory");
    return status;
}

static cr_status put(const cr_spill *s, int64_t at, const char *bytes, size_t n, cr_err *err) {
    while (n > 0) {
        ssize_t done = pwrite(s->fd, bytes, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return failed("while writing to", err);
        at += done;
        bytes += done;
        n -= (size_t)done;
    }
    return CR_OK;
}

static cr_status get(const cr_spill *s, int64_t at, char *bytes, size_t n, cr_err *err) {
    while (n > 0) {
        ssize_t done = pread(s->fd, bytes, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return failed("while reading", err);
        if (done == 0)
            return CR_FAIL(err, CR_IO, "a scratch file in %s ends too early", cr_spill_directory());
        at += done;
        bytes += done;
        n -= (size_t)done;
    }
    return CR_OK;
}

static cr_status write_box(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const cr_spill *s = user;
    int run = s->ndim;                /* the axes from here on lie together in the file */
    size_t bytes = s->itemsize;
    int64_t i[CR_MAX_DIMS] = {0};
    const char *from = data;
    for (int a = 0; a < s->ndim; a++)
        if (count[a] == 0)
            return CR_OK;
    while (run > 0 && (run == s->ndim || count[run] == s->shape[run]))
        bytes *= (size_t)count[--run];
    for (;;) {
        int64_t at = 0;
        for (int a = 0; a < s->ndim; a++)
            at += (start[a] + i[a]) * s->stride[a];
        CR_TRY(put(s, at, from, bytes, err));
        from += bytes;
        int a = run - 1;
        while (a >= 0 && ++i[a] == count[a])
            i[a--] = 0;
        if (a < 0)
            return CR_OK;
    }
}

cr_sink cr_spill_sink(cr_spill *s) { return (cr_sink){.write = write_box, .user = s}; }

/* ---- reading ---- */

static int64_t position(const cr_spill_axis *x, int64_t i) { return x->index != NULL ? x->index[i] : x->start + x->step * i; }

static bool is_straight(const cr_spill_axis *x) { return x->n == 1 || (x->index == NULL && x->step == 1); }

/* Elements of the last axis that do not follow each other, at `base` and further. */
static cr_status read_scattered(const cr_spill *s, int64_t base, const cr_spill_axis *x, char *dst, cr_err *err) {
    char window[WINDOW_BYTES];
    int64_t from = 0, end = 0, extent = s->shape[s->ndim - 1], room = CR_MAX(1, WINDOW_BYTES / (int64_t)s->itemsize);
    if (s->itemsize > WINDOW_BYTES) {
        for (int64_t i = 0; i < x->n; i++)
            CR_TRY(get(s, base + position(x, i) * (int64_t)s->itemsize, dst + i * (int64_t)s->itemsize, s->itemsize, err));
        return CR_OK;
    }
    for (int64_t i = 0; i < x->n; i++) {
        int64_t at = position(x, i);
        if (at < from || at >= end) { /* what is asked for next lies where the last step leads */
            bool down = i + 1 < x->n && position(x, i + 1) < at;
            from = down ? CR_MAX(0, at + 1 - room) : at;
            end = CR_MIN(extent, from + room);
            CR_TRY(get(s, base + from * (int64_t)s->itemsize, window, (size_t)(end - from) * s->itemsize, err));
        }
        memcpy(dst + i * (int64_t)s->itemsize, window + (size_t)(at - from) * s->itemsize, s->itemsize);
    }
    return CR_OK;
}

cr_status cr_spill_read(const cr_spill *s, const cr_spill_axis *axes, void *dst, cr_err *err) {
    int run = s->ndim, last = s->ndim - 1;
    size_t bytes = s->itemsize;
    int64_t i[CR_MAX_DIMS] = {0};
    char *to = dst;
    while (run > 0 && is_straight(&axes[run - 1]) && (run == s->ndim || axes[run].n == s->shape[run]))
        bytes *= (size_t)axes[--run].n;
    bool scattered = run == s->ndim && s->ndim > 0;
    for (;;) {
        int64_t at = 0;
        for (int a = 0; a < s->ndim - scattered; a++)
            at += position(&axes[a], i[a]) * s->stride[a];
        if (scattered)
            CR_TRY(read_scattered(s, at, &axes[last], to, err));
        else
            CR_TRY(get(s, at, to, bytes, err));
        to += scattered ? (size_t)axes[last].n * s->itemsize : bytes;
        int a = run - 1 - scattered;
        while (a >= 0 && ++i[a] == axes[a].n)
            i[a--] = 0;
        if (a < 0)
            return CR_OK;
    }
}
