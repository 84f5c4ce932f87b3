/* zarr_update.c - values into arrays of a Zarr store that is in use: whole chunks, each seen old or new by readers. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/source.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_put.h"

typedef struct target {
    cr_zarr_put put;
    const char *name;
    int64_t start[CR_MAX_DIMS];
} target;

static cr_status write_chunk(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const target *t = user;
    const cr_zarr_array *a = t->put.array;
    int64_t object[CR_MAX_DIMS];
    cr_zarr_stored stored;
    cr_scratch scratch = {.max = SIZE_MAX / 2};
    for (int i = 0; i < a->ndim; i++)
        object[i] = (start[i] + t->start[i]) / a->stored[i];
    cr_status status = cr_zarr_put_box(&t->put, object, count, data, &scratch, &stored, err);
    cr_scratch_done(&scratch);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", t->name);
    return status;
}

static cr_status aim(const cr_file *f, const cr_update *u, const char *staging, target *t, cr_err *err) {
    const cr_model_variable *v = NULL;
    const cr_zarr_array *a;
    const void *fill;
    cr_store *store;
    for (int i = 0; i < f->n_variables && !v; i++)
        if (strcmp(f->variables[i].pub.name, u->name) == 0)
            v = &f->variables[i];
    if (!v)
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no variable \"%.80s\"", f->path, u->name);
    if (!v->source || !cr_zarr_source_array(v->source, &a, &fill, &store))
        return CR_FAIL(err, CR_UNSUPPORTED, "\"%.80s\" is not an array of numbers in a Zarr store, which alone can be written into", u->name);
    if (cr_array_ndim(u->values) != a->ndim)
        return CR_FAIL(err, CR_INVALID, "values of %d axes for \"%.80s\", which has %d", cr_array_ndim(u->values), u->name, a->ndim);
    if (a->permuted)
        return CR_FAIL(err, CR_UNSUPPORTED, "writing into \"%.80s\": arrays in Fortran's order are only read", u->name);
    if (a->dtype == CR_BYTES && (cr_array_dtype(u->values) != CR_BYTES || cr_array_itemsize(u->values) != a->itemsize))
        return CR_FAIL(err, CR_TYPE, "\"%.80s\" holds text of %zu bytes, and the values are not", u->name, a->itemsize);
    t->name = u->name;
    for (int i = 0; i < a->ndim; i++) {
        if (u->start[i] < 0 || u->start[i] % a->stored[i] != 0)
            return CR_FAIL(err, CR_INVALID, "axis %d of \"%.80s\": position %lld is not the beginning of a %s", i, u->name, (long long)u->start[i],
                           a->sharded ? "shard" : "chunk");
        t->start[i] = u->start[i];
    }
    cr_status status = staging != NULL ? cr_store_stage(store, staging, err) : CR_OK;
    if (status == CR_OK)
        status = cr_zarr_put_init(&t->put, store, a, fill, true, err);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%.80s\"", u->name);
    return status;
}

static cr_status update(const cr_file *f, const char *staging, int n, const cr_update *updates, cr_context *c, cr_err *err) {
    cr_auto_free target *targets = calloc((size_t)n + 1, sizeof *targets);
    cr_auto_free cr_array **arrays = calloc((size_t)n + 1, sizeof *arrays);
    cr_auto_free cr_sink *sinks = calloc((size_t)n + 1, sizeof *sinks);
    cr_status status = CR_OK;
    if (!targets || !arrays || !sinks)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    for (int i = 0; i < n && status == CR_OK; i++) {
        status = aim(f, &updates[i], staging, &targets[i], err);
        if (status == CR_OK && targets[i].put.array->dtype == CR_BYTES)
            arrays[i] = cr_array_ref(updates[i].values);
        else if (status == CR_OK)
            status = cr_array_cast(updates[i].values, targets[i].put.array->dtype, &arrays[i], err);
        if (status == CR_OK)
            sinks[i] = (cr_sink){targets[i].put.array->stored, false, write_chunk, &targets[i]};
    }
    if (status == CR_OK && n)
        status = cr_compute_to(c, n, arrays, sinks, err);
    for (int i = 0; i < n; i++)
        cr_array_unref(arrays[i]);
    return status;
}

cr_status cr_zarr_update(const char *path, const char *staging, int n, const cr_update *updates, cr_context *c, cr_err *err) {
    cr_file *f = NULL;
    CR_TRY(cr_file_open(path, NULL, &f, err));
    cr_status status = update(f, staging, n, updates, c, err);
    cr_file_close(f);
    if (status != CR_OK)
        cr_err_context(err, "while writing into %s", path);
    return status;
}
