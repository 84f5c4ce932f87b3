/* serialize.c - a graph to bytes (craton/serialize.h). The form, all numbers little-endian, without gaps:
 *
 *   head     8 bytes magic, u32 version, u32 nodes, u32 outputs, u64 bytes in all, u64 checksum of what follows
 *   node     text operation, text type, u32 item bytes, u8 axes, i64 extents, u32 inputs, u32 their numbers, parameters (below)
 *   outputs  u32 node, for each
 *   text     u16 length, bytes
 *
 * A node of class ALONG is written with its first input only, since what the blocks leave follows from that; unless it was given. */
#include "engine/plan/serialize_form.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "craton/quantile.h"
#include "craton/regrid.h"
#include "craton/serialize.h"
#include "engine/array/weights.h"
#include "engine/format/unreadable.h"
#include "engine/plan/idtable.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "graphs are written as they lie in memory; only little-endian machines are supported"
#endif

typedef struct writer {
    cr_buf out;
    cr_idtable numbers;           /* of nodes, by address */
    uint32_t n_nodes;
    uint64_t memory, most_memory; /* bytes of arrays in memory */
    const cr_array *largest;
    char *directory;              /* of the process; NULL until needed */
} writer;

static void put_u8(writer *w, uint8_t v) { cr_buf_add(&w->out, &v, 1); }
static void put_u32(writer *w, uint32_t v) { cr_buf_add(&w->out, &v, 4); }
static void put_i64(writer *w, int64_t v) { cr_buf_add(&w->out, &v, 8); }
static void put_f64(writer *w, double v) { cr_buf_add(&w->out, &v, 8); }

static cr_status put_text(writer *w, const char *text, size_t n, cr_err *err) {
    if (n > UINT16_MAX)
        return CR_FAIL(err, CR_LIMIT, "a name of %zu bytes; at most %d can be sent", n, UINT16_MAX);
    uint16_t length = (uint16_t)n;
    cr_buf_add(&w->out, &length, 2);
    cr_buf_add(&w->out, text, n);
    return CR_OK;
}

static cr_status put_name(writer *w, const char *name, cr_err *err) { return put_text(w, name, strlen(name), err); }

static uint32_t number_of(const writer *w, const cr_array *a) { return (uint32_t)cr_idtable_get(&w->numbers, (uint64_t)(uintptr_t)a, 0); }

/* ---- parameters ---- */

/* One size per axis, of an array whose grid was made of such. */
static void put_chunks(writer *w, const cr_array *a) {
    for (int i = 0; i < a->ndim; i++)
        put_i64(w, CR_MAX(1, a->cuts[i]->period));
}

static cr_status put_memory(writer *w, const cr_array *a, cr_err *err) {
    const cr_memory_params *p = a->params;
    uint64_t bytes = (uint64_t)a->size * a->itemsize;
    if (w->largest == NULL || bytes > (uint64_t)w->largest->size * w->largest->itemsize)
        w->largest = a;
    w->memory += bytes;
    if (w->memory > w->most_memory) {
        char shape[256];
        cr_status status = CR_FAIL(err, CR_LIMIT, "the arrays in memory that this needs have more than the %llu bytes that may be sent along; "
                                   "the largest is %s of shape %s, %llu bytes", (unsigned long long)w->most_memory, cr_dtype_name(w->largest->dtype),
                                   cr_shape_text(w->largest->ndim, w->largest->shape, shape, sizeof shape),
                                   (unsigned long long)w->largest->size * w->largest->itemsize);
        cr_err_hint(err, "write it where all machines can read it (to_zarr, to_netcdf) and open it from there, or raise the limit");
        return status;
    }
    put_chunks(w, a);
    if (bytes == 0)
        return CR_OK;
    char *to = cr_buf_reserve(&w->out, bytes);
    if (to == NULL)
        return CR_OK; /* the buffer has failed, and says so at the end */
    int64_t at[CR_MAX_DIMS] = {0}, step = (int64_t)a->itemsize;
    int inner = a->ndim;          /* axes from here on lie one behind the other */
    while (inner > 0 && (p->strides[inner - 1] == step || a->shape[inner - 1] == 1))
        step *= a->shape[--inner];
    for (int axis = 0; axis >= 0; to += step) {
        const char *from = p->data;
        for (int i = 0; i < inner; i++)
            from += at[i] * p->strides[i];
        memcpy(to, from, (size_t)step);
        for (axis = inner - 1; axis >= 0 && ++at[axis] == a->shape[axis];)
            at[axis--] = 0;
    }
    cr_buf_advance(&w->out, bytes);
    return CR_OK;
}

/* "file:/group/name" in its parts; the file from the root. */
static cr_status put_stored(writer *w, const cr_array *a, cr_err *err) {
    const cr_source *s = ((const cr_stored_params *)a->params)->source;
    const char *colon = NULL, *name;
    if (cr_unreadable_covers(s)) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "%s cannot be sent: its unreadable chunks are to be missing, and listed, here", s->path);
        cr_err_hint(err, "compute it in this process, or open it so that an unreadable chunk is an error");
        return status;
    }
    if (s->of_program) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "%s cannot be sent: it is read from an object of this process", s->path);
        cr_err_hint(err, "compute it in this process, or save it to a file that all machines can read and open that");
        return status;
    }
    for (const char *at = s->path; (at = strstr(at, ":/")) != NULL; at++)
        colon = at;
    if (colon == NULL)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s cannot be sent: it is no variable of a file that could be opened elsewhere", s->path);
    name = strrchr(colon, '/');
    char path[PATH_MAX];
    if (w->directory == NULL && s->path[0] != '/' && (w->directory = getcwd(NULL, 0)) == NULL)
        return CR_FAIL_ERRNO(err, "the directory that %s is relative to cannot be found", s->path);
    int n = s->path[0] == '/' ? snprintf(path, sizeof path, "%.*s", (int)(colon - s->path), s->path)
                              : snprintf(path, sizeof path, "%s/%.*s", w->directory, (int)(colon - s->path), s->path);
    if (n < 0 || (size_t)n >= sizeof path)
        return CR_FAIL(err, CR_LIMIT, "the path of %s is too long to be sent", s->path);
    CR_TRY(put_text(w, path, (size_t)n, err));
    CR_TRY(put_text(w, colon + 1, CR_MAX((size_t)1, (size_t)(name - colon - 1)), err));
    CR_TRY(put_name(w, name + 1, err));
    for (int i = 0; i < s->ndim; i++)
        put_i64(w, s->chunk_shape[i]);
    put_i64(w, (int64_t)s->state[1]);
    return CR_OK;
}

static void put_codes(writer *w, const int32_t *codes, int64_t n) {
    put_i64(w, n);
    cr_buf_add(&w->out, codes, (size_t)n * sizeof *codes);
}

static cr_status put_reduce(writer *w, const cr_array *a, cr_err *err) {
    const cr_reduce_params *p = a->params;
    CR_TRY(put_name(w, cr_reduction_name((cr_reduction)p->reduction), err));
    put_u32(w, p->axes_mask);
    put_u8(w, p->options.skipna);
    put_u8(w, p->options.keepdims);
    put_i64(w, p->options.ddof);
    put_i64(w, p->options.min_count);
    CR_TRY(put_name(w, p->options.has_dtype ? cr_dtype_name(p->options.dtype) : "", err));
    if (a->op == CR_OP_GROUP) {
        put_i64(w, p->n_groups);
        put_codes(w, p->codes, p->n_codes);
    }
    return CR_OK;
}

static cr_status put_quantile(writer *w, const cr_array *a, cr_err *err) {
    const cr_quantile_params *p = a->params;
    put_u32(w, p->axes_mask);
    CR_TRY(put_name(w, cr_quantile_method_name((cr_quantile_method)p->method), err));
    put_u8(w, p->skipna);
    put_u8(w, p->own_type);
    put_u8(w, p->keepdims);
    put_u32(w, (uint32_t)p->n_q);
    cr_buf_add(&w->out, p->q, (size_t)p->n_q * sizeof *p->q);
    put_u8(w, p->grouped);
    put_i64(w, p->n_groups);
    put_codes(w, cr_quantile_codes(p), p->n_codes);
    return CR_OK;
}

static cr_status put_unpack(writer *w, const cr_packing *p, cr_err *err) {
    put_u8(w, p->has_scale);
    put_u8(w, p->has_offset);
    put_f64(w, p->scale);
    put_f64(w, p->offset);
    put_u8(w, (uint8_t)p->n_fills);
    for (int i = 0; i < p->n_fills; i++) {
        put_f64(w, p->fills[i]);
        put_i64(w, p->fills_exact[i]);
    }
    CR_TRY(put_name(w, cr_dtype_name(p->compare_dtype), err));
    return put_name(w, cr_dtype_name(p->scale_dtype), err);
}

static void put_along(writer *w, const cr_array *a) {
    const cr_along_params *p = cr_along_params_of(a);
    put_u32(w, (uint32_t)p->op);
    put_u32(w, (uint32_t)p->axis);
    put_i64(w, p->window);
    put_i64(w, p->limit);
    put_u8(w, p->options.skipna);
    put_i64(w, p->options.ddof);
    put_i64(w, p->options.min_count);
}

static cr_status put_regrid(writer *w, const cr_array *a, cr_err *err) {
    const cr_regrid_params *p = a->params;
    int64_t shape[2], n = cr_weights_count(p->weights);
    for (int side = 0; side < 2; side++) {
        int ndim = side == 0 ? cr_weights_source(p->weights, shape) : cr_weights_target(p->weights, shape);
        put_u8(w, (uint8_t)ndim);
        for (int i = 0; i < ndim; i++)
            put_i64(w, shape[i]);
    }
    put_u8(w, p->skipna != 0);
    put_f64(w, p->least);
    put_i64(w, n);
    cr_auto_free int64_t *row = malloc((size_t)n * sizeof *row + 1), *col = malloc((size_t)n * sizeof *col + 1);
    cr_auto_free double *weight = malloc((size_t)n * sizeof *weight + 1);
    if (row == NULL || col == NULL || weight == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a copy of %lld weights", (long long)n);
    cr_weights_triplets(p->weights, row, col, weight);
    cr_buf_add(&w->out, row, (size_t)n * sizeof *row);
    cr_buf_add(&w->out, col, (size_t)n * sizeof *col);
    cr_buf_add(&w->out, weight, (size_t)n * sizeof *weight);
    return CR_OK;
}

static cr_status put_params(writer *w, const cr_array *a, cr_err *err) {
    switch ((cr_op_id)a->op) {
    case CR_OP_MEMORY: return put_memory(w, a, err);
    case CR_OP_STORED: return put_stored(w, a, err);
    case CR_OP_REDUCE:
    case CR_OP_GROUP: return put_reduce(w, a, err);
    case CR_OP_QUANTILE: return put_quantile(w, a, err);
    case CR_OP_UNPACK: return put_unpack(w, a->params, err);
    case CR_OP_REGRID: return put_regrid(w, a, err);
    case CR_OP_MAP: return put_name(w, cr_map_name((cr_map_op) * (const int *)a->params), err);
    case CR_OP_SCALAR:
        put_u8(w, a->weak);
        cr_buf_add(&w->out, a->params, 8);
        break;
    case CR_OP_FULL:
        cr_buf_add(&w->out, a->params, 8);
        put_chunks(w, a);
        break;
    case CR_OP_RECHUNK:
        cr_buf_add(&w->out, a->params, (size_t)a->ndim * sizeof(int64_t));
        break;
    case CR_OP_SLICE:
        cr_buf_add(&w->out, a->params, (size_t)a->ndim * sizeof(cr_slice));
        break;
    case CR_OP_TAKE: {
        const cr_take_params *p = a->params;
        put_i64(w, p->axis);
        put_i64(w, p->n);
        cr_buf_add(&w->out, p->index, (size_t)p->n * sizeof *p->index);
        break;
    }
    case CR_OP_PERMUTE:
        for (int i = 0; i < a->ndim; i++)
            put_u8(w, (uint8_t)((const int *)a->params)[i]);
        break;
    case CR_OP_EXPAND:
    case CR_OP_SQUEEZE:
    case CR_OP_CONCAT:
        put_u8(w, (uint8_t) * (const int *)a->params);
        break;
    case CR_OP_BROADCAST:
    case CR_OP_CAST: break;       /* shape and type say all */
    case CR_OP_CUMULATE:
    case CR_OP_FILL:
    case CR_OP_WINDOW: put_along(w, a); break;
    case CR_OP_CALLBACK: {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "a function outside of the engine is part of this (map_blocks, apply_ufunc, or an array that "
                                   "another library reads): it cannot be sent");
        cr_err_hint(err, "compute what the function makes here first, or write it to a store and go on from there");
        return status;
    }
    case CR_OP_DIGIT:
    case CR_OP_NARROW:
    case CR_OP_BETWEEN:
    case CR_OP_SPILLED:
    case CR_OP_COUNT: return CR_FAIL(err, CR_INTERNAL, "the operation %s is made while planning, and is never sent", cr_array_op(a));
    }
    return CR_OK;
}

/* ---- nodes ---- */

static int inputs_of(const cr_array *a) { return cr_graph_infers_rest(a->op) && !cr_along_params_of(a)->given ? 1 : a->n_inputs; }

static cr_status put_node(writer *w, const cr_array *a, cr_err *err) {
    if (w->n_nodes == CR_GRAPH_MOST_NODES)
        return CR_FAIL(err, CR_LIMIT, "the computation has more than %d operations", CR_GRAPH_MOST_NODES);
    CR_TRY(put_name(w, cr_ops[a->op].name, err));
    CR_TRY(put_name(w, cr_dtype_name(a->dtype), err));
    put_u32(w, (uint32_t)a->itemsize);
    put_u8(w, (uint8_t)a->ndim);
    cr_buf_add(&w->out, a->shape, (size_t)a->ndim * sizeof *a->shape);
    put_u32(w, (uint32_t)inputs_of(a));
    for (int i = 0; i < inputs_of(a); i++)
        put_u32(w, number_of(w, a->inputs[i]));
    cr_status status = put_params(w, a, err);
    if (status != CR_OK)
        return status;
    return cr_idtable_put(&w->numbers, (uint64_t)(uintptr_t)a, 0, w->n_nodes++, err);
}

typedef struct frame {
    const cr_array *node;
    int next;
} frame;

/* Inputs first, each once. Iterative: depth is in the user's hands. */
static cr_status put_graph(writer *w, const cr_array *root, cr_err *err) {
    size_t n = 0, cap = 64;
    cr_auto_free frame *stack = malloc(cap * sizeof *stack);
    if (stack == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to write a graph");
    if (cr_idtable_get(&w->numbers, (uint64_t)(uintptr_t)root, 0) >= 0)
        return CR_OK;
    stack[n++] = (frame){root, 0};
    while (n > 0) {
        frame *f = &stack[n - 1];
        if (f->next == inputs_of(f->node)) {
            n--;
            CR_TRY(put_node(w, f->node, err));
            continue;
        }
        const cr_array *in = f->node->inputs[f->next++];
        if (cr_idtable_get(&w->numbers, (uint64_t)(uintptr_t)in, 0) >= 0)
            continue;
        if (n == cap) {
            frame *more = realloc(stack, 2 * cap * sizeof *more);
            if (more == NULL)
                return CR_FAIL(err, CR_MEMORY, "no memory to write a graph of depth %zu", n);
            stack = more;
            cap *= 2;
        }
        stack[n++] = (frame){in, 0};
    }
    return CR_OK;
}

static cr_status put_all(writer *w, int n, cr_array *const *arrays, cr_err *err) {
    char *head = cr_buf_reserve(&w->out, CR_GRAPH_HEAD_BYTES);
    if (head == NULL)
        return cr_buf_check(&w->out, err);
    memset(head, 0, CR_GRAPH_HEAD_BYTES);
    cr_buf_advance(&w->out, CR_GRAPH_HEAD_BYTES);
    for (int i = 0; i < n; i++)
        CR_TRY(put_graph(w, arrays[i], err));
    for (int i = 0; i < n; i++)
        put_u32(w, number_of(w, arrays[i]));
    CR_TRY(cr_buf_check(&w->out, err));
    cr_graph_head h = {.version = CR_GRAPH_VERSION, .n_nodes = w->n_nodes, .n_outputs = (uint32_t)n, .bytes = w->out.len};
    memcpy(h.magic, CR_GRAPH_MAGIC, sizeof h.magic);
    h.sum = cr_graph_sum(w->out.data + CR_GRAPH_HEAD_BYTES, w->out.len - CR_GRAPH_HEAD_BYTES);
    cr_graph_head_write(&h, w->out.data);
    return CR_OK;
}

cr_status cr_graph_encode(int n, cr_array *const *arrays, uint64_t most_memory_bytes, void **ret_bytes, size_t *ret_n, cr_err *err) {
    if (n < 0 || n > CR_GRAPH_MOST_OUTPUTS)
        return CR_FAIL(err, CR_LIMIT, "%d results at once; at most %d can be sent", n, CR_GRAPH_MOST_OUTPUTS);
    writer w = {.most_memory = most_memory_bytes};
    cr_buf_init(&w.out, (size_t)CR_GRAPH_MOST_BYTES);
    cr_status status = put_all(&w, n, arrays, err);
    if (status == CR_OK) {
        *ret_n = w.out.len;
        *ret_bytes = cr_buf_take(&w.out);
    }
    cr_buf_done(&w.out);
    cr_idtable_done(&w.numbers);
    free(w.directory);
    return status;
}
