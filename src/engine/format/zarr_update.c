/* zarr_update.c - values into arrays of a Zarr store that is in use: whole chunks, each seen old or new by readers. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/codec/order.h"
#include "engine/format/source.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_fetch.h"

typedef struct target {
    const cr_zarr_array *array;
    const void *fill;
    cr_store *store;
    const char *name;
    int64_t start[CR_MAX_DIMS];
    size_t chunk_bytes;
} target;

static void lay_in(const target *t, const int64_t *count, const char *box, char *chunk) {
    const cr_zarr_array *a = t->array;
    size_t rows = 1, run = a->ndim ? a->itemsize * (size_t)count[a->ndim - 1] : a->itemsize;
    int64_t at[CR_MAX_DIMS] = {0};
    cr_source_fill(chunk, t->chunk_bytes / a->itemsize, t->fill, a->itemsize);
    for (int i = 0; i + 1 < a->ndim; i++)
        rows *= (size_t)count[i];
    for (; rows; rows--, box += run) {
        size_t offset = 0;
        for (int i = 0; i < a->ndim; i++)
            offset = offset * (size_t)a->chunk[i] + (size_t)at[i];
        memcpy(chunk + offset * a->itemsize, box, run);
        for (int i = a->ndim - 2; i >= 0 && ++at[i] == count[i]; i--)
            at[i] = 0;
    }
}

static cr_status store_chunk(const target *t, const int64_t *index, const void *chunk, char *temporary, cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    cr_codec_work *work = NULL;
    const void *stored;
    size_t n;
    CR_TRY(cr_zarr_key(t->array, index, key, sizeof key, err));
    CR_TRY(cr_codec_work_new(&work, err));
    cr_status status = cr_codec_chain_encode(&t->array->chain, work, chunk, t->chunk_bytes, temporary, &stored, &n, err);
    if (status == CR_OK)
        status = cr_store_write(t->store, key, stored, n, err);
    cr_codec_work_free(work);
    return status;
}

static cr_status write_chunk(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const target *t = user;
    const cr_zarr_array *a = t->array;
    int64_t index[CR_MAX_DIMS];
    size_t between = (cr_codec_chain_encode_room(&a->chain, t->chunk_bytes) + 63) & ~(size_t)63;
    cr_auto_free char *memory = malloc(between + t->chunk_bytes + 64);
    if (!memory)
        return CR_FAIL(err, CR_MEMORY, "no memory to write a chunk of \"%s\"", t->name);
    for (int i = 0; i < a->ndim; i++)
        index[i] = (start[i] + t->start[i]) / a->chunk[i];
    lay_in(t, count, data, memory + between);
    if (a->swap_width)
        cr_byteswap(memory + between, t->chunk_bytes / a->swap_width, a->swap_width);
    cr_status status = store_chunk(t, index, memory + between, memory, err);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", t->name);
    return status;
}

static cr_status aim(const cr_file *f, const cr_update *u, target *t, cr_err *err) {
    const cr_model_variable *v = NULL;
    for (int i = 0; i < f->n_variables && !v; i++)
        if (strcmp(f->variables[i].pub.name, u->name) == 0)
            v = &f->variables[i];
    if (!v)
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no variable \"%.80s\"", f->path, u->name);
    if (!v->source || !cr_zarr_source_array(v->source, &t->array, &t->fill, &t->store))
        return CR_FAIL(err, CR_UNSUPPORTED, "\"%.80s\" is not an array of numbers in a Zarr store, which alone can be written into", u->name);
    if (cr_array_ndim(u->values) != t->array->ndim)
        return CR_FAIL(err, CR_INVALID, "values of %d axes for \"%.80s\", which has %d", cr_array_ndim(u->values), u->name, t->array->ndim);
    if (t->array->permuted || t->array->sharded || t->array->dtype >= CR_BYTES)
        return CR_FAIL(err, CR_UNSUPPORTED, "writing into \"%.80s\": arrays in shards, in Fortran's order, or of bytes are only read", u->name);
    t->name = u->name;
    t->chunk_bytes = t->array->itemsize;
    for (int i = 0; i < t->array->ndim; i++) {
        if (u->start[i] < 0 || u->start[i] % t->array->chunk[i] != 0)
            return CR_FAIL(err, CR_INVALID, "axis %d of \"%.80s\": position %lld is not the beginning of a chunk", i, u->name, (long long)u->start[i]);
        t->start[i] = u->start[i];
        t->chunk_bytes *= (size_t)t->array->chunk[i];
    }
    return CR_OK;
}

static cr_status update(const cr_file *f, int n, const cr_update *updates, cr_context *c, cr_err *err) {
    cr_auto_free target *targets = calloc((size_t)n + 1, sizeof *targets);
    cr_auto_free cr_array **arrays = calloc((size_t)n + 1, sizeof *arrays);
    cr_auto_free cr_sink *sinks = calloc((size_t)n + 1, sizeof *sinks);
    cr_status status = CR_OK;
    if (!targets || !arrays || !sinks)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    for (int i = 0; i < n && status == CR_OK; i++) {
        status = aim(f, &updates[i], &targets[i], err);
        if (status == CR_OK)
            status = cr_array_cast(updates[i].values, targets[i].array->dtype, &arrays[i], err);
        if (status == CR_OK)
            sinks[i] = (cr_sink){targets[i].array->chunk, false, write_chunk, &targets[i]};
    }
    if (status == CR_OK && n)
        status = cr_compute_to(c, n, arrays, sinks, err);
    for (int i = 0; i < n; i++)
        cr_array_unref(arrays[i]);
    return status;
}

cr_status cr_zarr_update(const char *path, int n, const cr_update *updates, cr_context *c, cr_err *err) {
    cr_file *f = NULL;
    CR_TRY(cr_file_open(path, NULL, &f, err));
    cr_status status = update(f, n, updates, c, err);
    cr_file_close(f);
    if (status != CR_OK)
        cr_err_context(err, "while writing into %s", path);
    return status;
}
