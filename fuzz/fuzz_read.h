/* fuzz_read.h - what all fuzz targets of formats do with a file that could be opened: look at everything, read a little. */
#ifndef CR_FUZZ_READ_H
#define CR_FUZZ_READ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FUZZ_CHUNK_BYTES = 1 << 22, FUZZ_VARIABLES = 16 };

/* A failure always says what happened, and never that it should not happen. */
static void fuzz_check_error(const cr_err *err) {
    if (err->status == CR_OK || err->status == CR_INTERNAL || !err->message[0])
        abort();
}

static size_t fuzz_touch_attrs(const cr_attr *attrs, int n) {
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += strlen(attrs[i].name);
        for (int64_t k = 0; k < attrs[i].n; k++) {
            if (attrs[i].dtype == CR_STRING)
                sum += strlen(((const char *const *)attrs[i].values)[k]);
            else
                for (size_t b = 0; b < cr_dtype_size(attrs[i].dtype); b++)
                    sum += ((const unsigned char *)attrs[i].values)[(size_t)k * cr_dtype_size(attrs[i].dtype) + b];
        }
    }
    return sum;
}

/* A box of a chunk that could be read: the same bytes, or an error. */
static void fuzz_read_part(cr_source *s, const int64_t *chunk, const char *whole, cr_scratch *scratch) {
    int64_t lo[CR_MAX_DIMS], n[CR_MAX_DIMS], at[CR_MAX_DIMS] = {0};
    size_t items = 1;
    bool absent;
    cr_err err = CR_ERR_INIT;
    for (int i = 0; i < s->ndim; i++) {
        lo[i] = s->chunk_shape[i] / 3;
        n[i] = (s->chunk_shape[i] - lo[i] + 1) / 2;
        items *= (size_t)n[i];
    }
    char *part = malloc(items * s->itemsize);
    cr_status status = s->ops->read_part(s, chunk, lo, n, part, scratch, &absent, &err);
    if (status != CR_OK)
        fuzz_check_error(&err);
    for (size_t k = 0; status == CR_OK && whole != NULL && k < items; k++) {
        size_t from = 0;
        for (int i = 0; i < s->ndim; i++)
            from = from * (size_t)s->chunk_shape[i] + (size_t)(lo[i] + at[i]);
        if (memcmp(part + k * s->itemsize, whole + from * s->itemsize, s->itemsize) != 0)
            abort();
        for (int i = s->ndim - 1; i >= 0 && ++at[i] == n[i]; i--)
            at[i] = 0;
    }
    free(part);
}

/* The first, the last and one middle chunk. */
static void fuzz_read_source(cr_source *s) {
    if (s->chunk_bytes > FUZZ_CHUNK_BYTES)
        return;
    char *dst = malloc(s->chunk_bytes + 1);
    cr_scratch scratch = {.max = (size_t)64 << 20};
    cr_err err = CR_ERR_INIT;
    for (int which = 0; which < 3; which++) {
        int64_t chunk[CR_MAX_DIMS];
        bool absent;
        for (int i = 0; i < s->ndim; i++) {
            int64_t count = s->shape[i] / s->chunk_shape[i] + (s->shape[i] % s->chunk_shape[i] != 0);
            chunk[i] = which == 0 ? 0 : which == 1 ? count - 1 : count / 2;
        }
        cr_status status = s->ops->read_chunk(s, chunk, dst, &scratch, &absent, &err);
        if (status != CR_OK)
            fuzz_check_error(&err);
        if (s->ops->read_part)
            fuzz_read_part(s, chunk, status == CR_OK ? dst : NULL, &scratch);
        (void)s->ops->stored_bytes(s, chunk);
    }
    (void)s->ops->scratch_bytes(s);
    cr_scratch_done(&scratch);
    free(dst);
}

static inline void fuzz_read_file(cr_file *f) {
    volatile size_t sum = fuzz_touch_attrs(f->attrs, f->n_attrs);
    for (int i = 0; i < f->n_dims; i++)
        sum += strlen(cr_file_dim(f, i)->name);
    for (int i = 0; i < f->n_groups; i++)
        sum += strlen(cr_file_group(f, i));
    for (int i = 0; i < f->n_variables && i < FUZZ_VARIABLES; i++) {
        const cr_model_variable *v = &f->variables[i];
        sum += fuzz_touch_attrs(v->pub.attrs, v->pub.n_attrs) + strlen(v->pub.name) + strlen(v->pub.compression);
        for (int k = 0; k < v->pub.ndim; k++)
            sum += strlen(v->pub.dims[k]) + (size_t)v->pub.shape[k];
        if (v->source)
            fuzz_read_source(v->source);
        if (v->read_strings && !v->pub.problem) {
            cr_err err = CR_ERR_INIT;
            cr_arena arena;
            const char **strings;
            int64_t n = 0;
            cr_arena_init(&arena, 8 << 20);
            if (v->read_strings(v->user, &arena, &strings, &n, &err) == CR_OK) {
                for (int64_t k = 0; k < n; k++)
                    sum += strlen(strings[k]);
            } else {
                fuzz_check_error(&err);
            }
            cr_arena_done(&arena);
        }
    }
    (void)sum;
}

#endif
