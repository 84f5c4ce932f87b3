/* geotiff_io.c - handles of libtiff: one for each thread that reads, through functions that stay inside of the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/format/geotiff.h"

/* ---- what libtiff reads through --------------------------------------------------------------------------------------------- */

static tmsize_t on_read(thandle_t user, void *dst, tmsize_t n) {
    cr_tiff_handle *h = user;
    if (n < 0 || h->at > h->size)
        return -1;
    uint64_t length = CR_MIN((uint64_t)n, h->size - h->at);
    cr_err err = CR_ERR_INIT;
    if (cr_held_read(h->held, h->at, dst, (size_t)length, &err) != CR_OK) {
        if (!h->message[0])
            snprintf(h->message, sizeof h->message, "%.*s", (int)sizeof h->message - 1, err.message);
        return -1;
    }
    h->at += length;
    return (tmsize_t)length;
}

static tmsize_t on_write(thandle_t user, void *src, tmsize_t n) { return -1; }

static toff_t on_seek(thandle_t user, toff_t offset, int whence) {
    cr_tiff_handle *h = user;
    uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? h->at : h->size, to;
    if (__builtin_add_overflow(from, offset, &to) || to > INT64_MAX)
        return (toff_t)-1;
    h->at = to;
    return to;
}

static int on_close(thandle_t user) { return 0; }
static toff_t on_size(thandle_t user) { return ((cr_tiff_handle *)user)->size; }

static int on_error(TIFF *tif, void *user, const char *module, const char *format, va_list ap) {
    cr_tiff_handle *h = user;
    if (!h->message[0]) {
        vsnprintf(h->message, sizeof h->message, format, ap);
        cr_text_clean(h->message);
    }
    return 1;
}

/* Odd tags are no concern of the reader. */
static int on_warning(TIFF *tif, void *user, const char *module, const char *format, va_list ap) { return 1; }

/* ---- handles -------------------------------------------------------------------------------------------------------------------- */

static void close_handle(cr_tiff_handle *h) {
    if (h && h->tif)
        TIFFClose(h->tif);
    free(h);
}

static cr_status open_handle(cr_tiff_file *f, cr_tiff_handle **ret_handle, cr_err *err) {
    cr_tiff_handle *h = calloc(1, sizeof *h);
    TIFFOpenOptions *options = h ? TIFFOpenOptionsAlloc() : NULL;
    if (!options) {
        free(h);
        return CR_FAIL(err, CR_MEMORY, "no memory to read %s", f->path);
    }
    h->held = f->held;
    h->size = f->size;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, CR_TIFF_ALLOC_MAX);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, h);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, h);
    /* m: no mapping (a file that gets shorter would be SIGBUS); O: arrays of places are read when they are asked for. */
    h->tif = TIFFClientOpenExt("file", "rmO", h, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    if (!h->tif) {
        cr_status status = cr_tiff_fail(f, h, "it is not a TIFF that can be read", err);
        close_handle(h);
        return status;
    }
    *ret_handle = h;
    return CR_OK;
}

cr_status cr_tiff_take(cr_tiff_file *f, uint16_t page, cr_tiff_handle **ret_handle, cr_err *err) {
    cr_tiff_handle *h = NULL;
    pthread_mutex_lock(&f->lock.mutex);
    if (f->n_idle > 0) {
        int pick = f->n_idle - 1;
        for (int i = 0; i < f->n_idle; i++)
            pick = f->idle[i]->page == page ? i : pick;
        h = f->idle[pick];
        f->idle[pick] = f->idle[--f->n_idle];
    }
    pthread_mutex_unlock(&f->lock.mutex);
    if (!h)
        CR_TRY(open_handle(f, &h, err));
    h->message[0] = 0;
    if (h->page != page && !TIFFSetDirectory(h->tif, page)) {
        cr_status status = cr_tiff_fail(f, h, "a page cannot be read", err);
        close_handle(h);
        return status;
    }
    h->page = page;
    *ret_handle = h;
    return CR_OK;
}

void cr_tiff_give(cr_tiff_file *f, cr_tiff_handle *h) {
    pthread_mutex_lock(&f->lock.mutex);
    bool keep = f->n_idle < CR_TIFF_IDLE_MAX;
    if (keep)
        f->idle[f->n_idle++] = h;
    pthread_mutex_unlock(&f->lock.mutex);
    if (!keep)
        close_handle(h);
}

cr_status cr_tiff_fail(const cr_tiff_file *f, const cr_tiff_handle *h, const char *what, cr_err *err) {
    return CR_FAIL(err, CR_FORMAT, "%s: %s%s%s", f->path, what, h->message[0] ? ": " : "", h->message);
}

const void *cr_tiff_tag(const cr_tiff_handle *h, uint32_t tag, TIFFDataType type, uint32_t *ret_n) {
    const TIFFField *field = TIFFFindField(h->tif, tag, TIFF_ANY);
    uint32_t n = 0;
    void *values = NULL;
    if (!field || TIFFFieldDataType(field) != type || !TIFFFieldPassCount(field) || TIFFFieldReadCount(field) != TIFF_VARIABLE2 ||
        TIFFGetField(h->tif, tag, &n, &values) != 1 || n == 0)
        return NULL;
    *ret_n = n;
    return values;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------------- */

cr_status cr_tiff_open(const char *path, cr_reader *reader, cr_tiff_file **ret_file, cr_err *err) {
    cr_held_file *held = NULL;
    CR_TRY(cr_held_open(path, reader, &held, err));
    cr_tiff_file *f = calloc(1, sizeof *f);
    char *copy = strdup(path);
    if (!f || !copy) {
        free(f);
        free(copy);
        cr_held_close(held);
        return CR_FAIL(err, CR_MEMORY, "no memory to open %s", path);
    }
    *f = (cr_tiff_file){.refs = 1, .held = held, .size = cr_held_size(held), .path = copy};
    cr_fork_lock_init(&f->lock, false);
    *ret_file = f;
    return CR_OK;
}

cr_tiff_file *cr_tiff_ref(cr_tiff_file *f) {
    __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
    return f;
}

void cr_tiff_unref(cr_tiff_file *f) {
    if (!f || __atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (int i = 0; i < f->n_idle; i++)
        close_handle(f->idle[i]);
    cr_fork_lock_done(&f->lock);
    cr_held_close(f->held);
    free(f->path);
    free(f);
}
