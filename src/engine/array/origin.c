/* origin.c - arrays that come from somewhere: memory, one value, a callback, storage. */
#include <pthread.h>
#include <stdlib.h>

#include "base/fork_lock.h"
#include "engine/array/node.h"
#include "engine/format/model.h"

/* Cuts the new node; on failure frees it without releasing what still belongs to the caller. */
static cr_status cut_or_drop(cr_array *a, const int64_t *chunks, cr_array **ret_array, cr_err *err) {
    cr_status status = cr_node_cut(a, chunks, err);
    if (status == CR_OK) {
        *ret_array = a;
        return CR_OK;
    }
    if (a->op == CR_OP_MEMORY)
        ((cr_memory_params *)a->params)->release = NULL;
    else if (a->op == CR_OP_CALLBACK)
        ((cr_callback_params *)a->params)->release = NULL;
    cr_array_unref(a);
    return status;
}

cr_status cr_array_from_memory(cr_dtype dtype, size_t itemsize, int ndim, const int64_t *shape, const int64_t *strides,
                               const int64_t *chunks, const void *data, void (*release)(void *owner), void *owner,
                               cr_array **ret_array, cr_err *err) {
    cr_memory_params p;
    memset(&p, 0, sizeof p);
    p.data = data;
    p.release = release;
    p.owner = owner;
    if (ndim < 0 || ndim > CR_MAX_DIMS)
        return CR_FAIL(err, CR_LIMIT, "%d axes; at most %d are possible", ndim, CR_MAX_DIMS);
    size_t item = cr_dtype_size(dtype) != 0 ? cr_dtype_size(dtype) : itemsize;
    cr_node_spec spec = {.op = CR_OP_MEMORY, .dtype = dtype, .itemsize = item, .ndim = ndim, .shape = shape, .params = &p,
                         .params_bytes = sizeof p};
    if (itemsize != 0 && itemsize != item)
        return CR_FAIL(err, CR_INVALID, "items of %s have %zu bytes, not %zu", cr_dtype_name(dtype), item, itemsize);
    int64_t row = (int64_t)item;
    for (int a = ndim - 1; a >= 0; a--) {
        p.strides[a] = strides != NULL ? strides[a] : row;
        if (strides == NULL && shape[a] > 0 && __builtin_mul_overflow(row, shape[a], &row))
            return CR_FAIL(err, CR_LIMIT, "the array is too large to count its bytes");
    }
    cr_array *a;
    CR_TRY(cr_node_new(&spec, &a, err));
    if (a->size > 0 && data == NULL) {
        ((cr_memory_params *)a->params)->release = NULL;
        cr_array_unref(a);
        return CR_FAIL(err, CR_INVALID, "an array from memory needs the address of its data");
    }
    return cut_or_drop(a, chunks, ret_array, err);
}

cr_status cr_array_copy_memory(cr_dtype dtype, int ndim, const int64_t *shape, const void *data, cr_array **ret_array, cr_err *err) {
    int64_t size = 1;
    for (int a = 0; a < ndim; a++)
        if (shape[a] < 0 || __builtin_mul_overflow(size, shape[a], &size))
            return CR_FAIL(err, CR_INVALID, "the shape is negative or too large");
    size_t bytes;
    if (__builtin_mul_overflow((size_t)size, cr_dtype_size(dtype), &bytes))
        return CR_FAIL(err, CR_LIMIT, "the array is too large to count its bytes");
    void *copy = malloc(bytes + 1);
    if (copy == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a copy of %zu bytes", bytes);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    cr_status status = cr_array_from_memory(dtype, 0, ndim, shape, NULL, NULL, copy, free, copy, ret_array, err);
    if (status != CR_OK)
        free(copy);
    return status;
}

static cr_status value_node(cr_op_id op, cr_dtype dtype, int ndim, const int64_t *shape, const void *value, bool weak,
                            const int64_t *chunks, cr_array **ret_array, cr_err *err) {
    cr_value_params p;
    memset(&p, 0, sizeof p);
    if (cr_dtype_size(dtype) == 0)
        return CR_FAIL(err, CR_TYPE, "a constant of type %s is not possible", cr_dtype_name(dtype));
    memcpy(p.value, value, cr_dtype_size(dtype));
    p.weak = weak;
    cr_node_spec spec = {.op = op, .dtype = dtype, .ndim = ndim, .shape = shape, .params = &p, .params_bytes = sizeof p};
    cr_array *a;
    CR_TRY(cr_node_new(&spec, &a, err));
    a->weak = weak;
    return cut_or_drop(a, chunks, ret_array, err);
}

cr_status cr_array_scalar(cr_dtype dtype, const void *value, bool weak, cr_array **ret_array, cr_err *err) {
    return value_node(CR_OP_SCALAR, dtype, 0, NULL, value, weak, NULL, ret_array, err);
}

cr_status cr_array_full(cr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks, const void *value, cr_array **ret_array,
                        cr_err *err) {
    return value_node(CR_OP_FULL, dtype, ndim, shape, value, false, chunks, ret_array, err);
}

cr_status cr_array_from_callback(cr_dtype dtype, size_t itemsize, int ndim, const int64_t *shape, const int64_t *chunks, bool serial,
                                 cr_read_box_fn read, void (*release)(void *user), void *user, cr_array **ret_array, cr_err *err) {
    cr_callback_params p;
    memset(&p, 0, sizeof p);
    p.read = read;
    p.release = release;
    p.user = user;
    cr_fork_lock *lock = NULL;
    if (serial) {
        lock = malloc(sizeof *lock);
        if (lock == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory for a lock");
        cr_fork_lock_init(lock, true);    /* it guards nothing of ours, and a program may take its time */
    }
    p.lock = lock;
    cr_node_spec spec = {.op = CR_OP_CALLBACK, .dtype = dtype, .itemsize = cr_dtype_size(dtype) != 0 ? cr_dtype_size(dtype) : itemsize,
                         .ndim = ndim, .shape = shape, .params = &p, .params_bytes = sizeof p};
    cr_array *a;
    cr_status status = cr_node_new(&spec, &a, err);
    if (status != CR_OK) {
        if (lock != NULL)
            cr_fork_lock_done(lock);
        free(lock);
        return status;
    }
    CR_TRY(cut_or_drop(a, chunks, &a, err));
    cr_callback_params *own = a->params;
    for (int i = 0; i < ndim; i++)
        own->chunks[i] = CR_MAX(1, a->cuts[i]->period);
    *ret_array = a;
    return CR_OK;
}

cr_status cr_array_from_source(cr_source *source, cr_array **ret_array, cr_err *err) {
    cr_stored_params p;
    memset(&p, 0, sizeof p);
    p.source = source;
    cr_node_spec spec = {.op = CR_OP_STORED, .dtype = source->dtype, .itemsize = source->itemsize, .ndim = source->ndim,
                         .shape = source->shape, .params = &p, .params_bytes = sizeof p};
    for (int a = 0; a < source->ndim && a < CR_MAX_DIMS; a++)
        if (source->chunk_shape[a] < 1)
            return CR_FAIL(err, CR_INTERNAL, "%s has a chunk of extent %lld", source->path, (long long)source->chunk_shape[a]);
    cr_array *a;
    CR_TRY(cr_node_new(&spec, &a, err));
    cr_source_ref(source);
    return cut_or_drop(a, source->chunk_shape, ret_array, err);
}
