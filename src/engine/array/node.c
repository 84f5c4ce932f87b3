/* node.c - making, sharing and freeing nodes; the small questions that one can ask of an array. */
#include "engine/array/node.h"
#include "engine/array/spill.h"
#include "engine/array/weights.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/fork_lock.h"
#include "base/text.h"

const cr_op cr_ops[CR_OP_COUNT] = {
    [CR_OP_MEMORY] = {"memory", CR_CLASS_SOURCE},     [CR_OP_SCALAR] = {"scalar", CR_CLASS_SOURCE},
    [CR_OP_FULL] = {"full", CR_CLASS_SOURCE},         [CR_OP_CALLBACK] = {"callback", CR_CLASS_SOURCE},
    [CR_OP_STORED] = {"source", CR_CLASS_SOURCE},     [CR_OP_SLICE] = {"slice", CR_CLASS_VIEW},
    [CR_OP_TAKE] = {"take", CR_CLASS_VIEW},           [CR_OP_PERMUTE] = {"permute", CR_CLASS_VIEW},
    [CR_OP_EXPAND] = {"expand", CR_CLASS_VIEW},       [CR_OP_SQUEEZE] = {"squeeze", CR_CLASS_VIEW},
    [CR_OP_BROADCAST] = {"broadcast", CR_CLASS_VIEW}, [CR_OP_CONCAT] = {"concat", CR_CLASS_VIEW},
    [CR_OP_RECHUNK] = {"rechunk", CR_CLASS_VIEW},     [CR_OP_MAP] = {"map", CR_CLASS_MAP},
    [CR_OP_CAST] = {"cast", CR_CLASS_MAP},            [CR_OP_UNPACK] = {"unpack", CR_CLASS_MAP},
    [CR_OP_REDUCE] = {"reduce", CR_CLASS_REDUCE},     [CR_OP_GROUP] = {"group", CR_CLASS_REDUCE},
    [CR_OP_QUANTILE] = {"quantile", CR_CLASS_REDUCE},     [CR_OP_DIGIT] = {"digit", CR_CLASS_MAP},
    [CR_OP_NARROW] = {"narrow", CR_CLASS_REDUCE},         [CR_OP_BETWEEN] = {"between", CR_CLASS_MAP},
    [CR_OP_CUMULATE] = {"cumsum", CR_CLASS_ALONG},        [CR_OP_FILL] = {"ffill", CR_CLASS_ALONG},
    [CR_OP_WINDOW] = {"window", CR_CLASS_ALONG},          [CR_OP_REGRID] = {"regrid", CR_CLASS_ALONG},
    [CR_OP_SPILLED] = {"scratch file", CR_CLASS_SOURCE},
};

static uint64_t mix(uint64_t h, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; n > 0; n--, p++)
        h = (h ^ *p) * 0x100000001B3u;
    return h ^ (h >> 32);
}

static uint64_t spec_hash(const cr_node_spec *s) {
    uint64_t h = mix(0x243F6A8885A308D3u, &(uint64_t[]){s->op, s->dtype, s->itemsize, s->ndim}, 32);
    h = mix(h, s->shape, (size_t)s->ndim * sizeof(int64_t));
    if (s->op == CR_OP_STORED) { /* two openings of one file are one source */
        const cr_stored_params *p = s->params;
        h = mix(h, p->source->identity, sizeof p->source->identity);
    } else if (s->op == CR_OP_MEMORY) { /* whoever owns it */
        const cr_memory_params *p = s->params;
        h = mix(h, &p->data, sizeof p->data);
        h = mix(h, p->strides, sizeof p->strides);
    } else if (s->op == CR_OP_REDUCE || s->op == CR_OP_GROUP) {
        const cr_reduce_params *p = s->params;
        h = mix(h, p, CR_REDUCE_PLAIN_BYTES);
        h = mix(h, p->codes, (size_t)p->n_codes * sizeof *p->codes);
    } else {
        h = mix(h, s->params, s->params_bytes);
    }
    for (int i = 0; i < s->n_inputs; i++)
        h = mix(h, &s->inputs[i]->hash, sizeof(uint64_t));
    return h;
}

cr_status cr_node_new(const cr_node_spec *spec, cr_array **ret_array, cr_err *err) {
    int64_t size;
    if (spec->ndim < 0 || spec->ndim > CR_MAX_DIMS)
        return CR_FAIL(err, CR_LIMIT, "%d axes; at most %d are possible", spec->ndim, CR_MAX_DIMS);
    for (int a = 0; a < spec->ndim; a++)
        if (spec->shape[a] < 0)
            return CR_FAIL(err, CR_INVALID, "axis %d has the negative extent %lld", a, (long long)spec->shape[a]);
    size_t itemsize = spec->itemsize != 0 ? spec->itemsize : cr_dtype_size(spec->dtype);
    if (itemsize == 0)
        return CR_FAIL(err, CR_TYPE, "an array needs elements of fixed width, not %s", cr_dtype_name(spec->dtype));
    char text[256];
    if (!cr_product(spec->shape, spec->ndim, &size) || size > INT64_MAX / (int64_t)CR_MAX(itemsize, 8))
        return CR_FAIL(err, CR_LIMIT, "an array of shape %s is too large to count its bytes",
                       cr_shape_text(spec->ndim, spec->shape, text, sizeof text));

    size_t shape_bytes = (size_t)spec->ndim * sizeof(int64_t), cuts_bytes = (size_t)spec->ndim * sizeof(cr_cuts *);
    size_t inputs_bytes = (size_t)spec->n_inputs * sizeof(cr_array *);
    char *block = calloc(1, sizeof(cr_array) + shape_bytes + cuts_bytes + inputs_bytes + spec->params_bytes + 8);
    if (block == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a node of the graph");
    cr_array *a = (cr_array *)block;
    atomic_init(&a->refs, 1);
    a->op = (uint8_t)spec->op;
    a->dtype = spec->dtype;
    a->itemsize = itemsize;
    a->ndim = spec->ndim;
    a->n_inputs = spec->n_inputs;
    a->size = size;
    a->shape = (int64_t *)(block + sizeof *a);
    a->cuts = (cr_cuts **)((char *)a->shape + shape_bytes);
    a->inputs = (cr_array **)((char *)a->cuts + cuts_bytes);
    a->params = (char *)a->inputs + inputs_bytes;
    a->params_bytes = spec->params_bytes;
    if (spec->ndim > 0)
        memcpy(a->shape, spec->shape, shape_bytes);
    if (spec->params_bytes > 0)
        memcpy(a->params, spec->params, spec->params_bytes);
    for (int i = 0; i < spec->n_inputs; i++)
        a->inputs[i] = cr_array_ref(spec->inputs[i]);
    a->hash = spec_hash(spec);
    *ret_array = a;
    return CR_OK;
}

cr_status cr_node_cut(cr_array *a, const int64_t *chunks, cr_err *err) {
    int64_t piece[CR_MAX_DIMS];
    if (chunks != NULL) {
        for (int i = 0; i < a->ndim; i++) {
            if (chunks[i] < 1)
                return CR_FAIL(err, CR_INVALID, "axis %d has the chunk size %lld; it must be at least 1", i, (long long)chunks[i]);
            piece[i] = chunks[i];
        }
    } else {
        int64_t room = CR_MAX(1, (int64_t)((size_t)1 << 20) / (int64_t)a->itemsize);
        for (int i = a->ndim - 1; i >= 0; i--) {
            piece[i] = CR_MAX(1, CR_MIN(a->shape[i], room));
            room /= piece[i];
            if (piece[i] < a->shape[i])
                room = 1;
        }
    }
    for (int i = 0; i < a->ndim; i++)
        CR_TRY(cr_cuts_regular(a->shape[i], piece[i], 0, &a->cuts[i], err));
    return CR_OK;
}

cr_status cr_node_cut_along(cr_array *a, const cr_array *in, const int *from, cr_err *err) {
    for (int i = 0; i < a->ndim; i++) {
        if (from[i] >= 0)
            a->cuts[i] = cr_cuts_ref(in->cuts[from[i]]);
        else
            CR_TRY(cr_cuts_regular(a->shape[i], a->shape[i], 0, &a->cuts[i], err));
    }
    return CR_OK;
}

cr_status cr_axis_check(const char *what, int axis, int ndim, int *ret_axis, cr_err *err) {
    if (axis < -ndim || axis >= ndim)
        return CR_FAIL(err, CR_RANGE, "%s: axis %d is out of range for an array of %d axes", what, axis, ndim);
    *ret_axis = axis < 0 ? axis + ndim : axis;
    return CR_OK;
}

char *cr_shape_text(int ndim, const int64_t *shape, char *buf, size_t size) {
    size_t at = (size_t)snprintf(buf, size, "(");
    for (int i = 0; i < ndim && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, i == 0 ? "%lld" : ", %lld", (long long)shape[i]);
    if (at < size)
        snprintf(buf + at, size - at, ndim == 1 ? ",)" : ")");
    return buf;
}

cr_array *cr_array_ref(cr_array *a) {
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

static void release_outside(cr_array *a) {
    if (a->op == CR_OP_MEMORY) {
        const cr_memory_params *p = a->params;
        if (p->release != NULL)
            p->release(p->owner);
    } else if (a->op == CR_OP_CALLBACK) {
        const cr_callback_params *p = a->params;
        if (p->release != NULL)
            p->release(p->user);
        if (p->lock != NULL) {
            cr_fork_lock_done(p->lock);
            free(p->lock);
        }
    } else if (a->op == CR_OP_STORED) {
        cr_source_unref(((const cr_stored_params *)a->params)->source);
    } else if (a->op == CR_OP_SPILLED) {
        cr_spill_unref(((const cr_spilled_params *)a->params)->spill);
    } else if (a->op == CR_OP_GROUP) {
        const cr_reduce_params *p = a->params;
        if (p->release != NULL)
            p->release(p->owner);
    } else if (a->op == CR_OP_REGRID) {
        cr_weights_unref(((const cr_regrid_params *)a->params)->weights);
    }
}

void cr_array_unref(cr_array *a) {
    cr_array *dying = NULL;
    if (a != NULL && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
        dying = a;
    while (dying != NULL) { /* a list instead of recursion */
        cr_array *dead = dying;
        dying = dead->dying;
        for (int i = 0; i < dead->n_inputs; i++) {
            cr_array *input = dead->inputs[i];
            if (atomic_fetch_sub_explicit(&input->refs, 1, memory_order_acq_rel) == 1) {
                input->dying = dying;
                dying = input;
            }
        }
        for (int i = 0; i < dead->ndim; i++)
            cr_cuts_unref(dead->cuts[i]);
        release_outside(dead);
        free(dead);
    }
}

cr_dtype cr_array_dtype(const cr_array *a) { return a->dtype; }
size_t cr_array_itemsize(const cr_array *a) { return a->itemsize; }
int cr_array_ndim(const cr_array *a) { return a->ndim; }
const int64_t *cr_array_shape(const cr_array *a) { return a->shape; }
int64_t cr_array_size(const cr_array *a) { return a->size; }
int cr_array_n_inputs(const cr_array *a) { return a->n_inputs; }
cr_array *cr_array_input(const cr_array *a, int i) { return i >= 0 && i < a->n_inputs ? a->inputs[i] : NULL; }

int64_t cr_array_chunks(const cr_array *a, int axis, int64_t *ret_sizes) {
    if (axis < 0)
        axis += a->ndim;
    if (axis < 0 || axis >= a->ndim)
        return 0;
    const cr_cuts *c = a->cuts[axis];
    if (ret_sizes != NULL)
        for (int64_t i = 0; i < c->n; i++)
            ret_sizes[i] = cr_cuts_begin(c, i + 1) - cr_cuts_begin(c, i);
    return c->n;
}

const char *cr_array_op(const cr_array *a) {
    if (a->op == CR_OP_MAP)
        return cr_map_name((cr_map_op) * (const int *)a->params);
    if (a->op == CR_OP_REDUCE || a->op == CR_OP_GROUP)
        return cr_reduction_name((cr_reduction)((const cr_reduce_params *)a->params)->reduction);
    if (a->op == CR_OP_QUANTILE && ((const cr_quantile_params *)a->params)->n_q == 0)
        return "median";
    if (a->op == CR_OP_CUMULATE && cr_along_params_of(a)->op == CR_CUMULATE_PROD)
        return "cumprod";
    return cr_ops[a->op].name;
}
