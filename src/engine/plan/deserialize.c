/* deserialize.c - bytes to a graph (craton/serialize.h; the form is told in serialize.c).
 *
 * Nothing in the bytes is believed: every length is held against what is left, every number against its table, and every node is made by
 * the constructor that a user would call. What constructors do in proportion to the number of chunks along an axis is counted, because
 * a few bytes can name an axis of any length. */
#include <stdlib.h>

#include "craton/file.h"
#include "craton/quantile.h"
#include "craton/regrid.h"
#include "craton/serialize.h"
#include "base/text.h"
#include "engine/array/weights.h"
#include "engine/plan/serialize_form.h"

#define MOST_WORK ((int64_t)1 << 25)      /* steps in making nodes that are not paid for by bytes */
#define MOST_NAME 4096

typedef struct opened {
    char *path, *group;
    cr_file *file;
} opened;

typedef struct reader {
    const char *at, *end;
    cr_array **nodes;
    uint32_t n_nodes;
    opened *files;
    size_t n_files, cap_files;
    int64_t work;
} reader;

/* ---- pieces ---- */

static cr_status take(reader *r, void *to, size_t n, cr_err *err) {
    if (n > (size_t)(r->end - r->at))
        return CR_FAIL(err, CR_FORMAT, "it ends %zu bytes too early", n - (size_t)(r->end - r->at));
    if (n > 0)
        memcpy(to, r->at, n);
    r->at += n;
    return CR_OK;
}

static cr_status take_flag(reader *r, bool *to, cr_err *err) {
    uint8_t v = 0;
    CR_TRY(take(r, &v, 1, err));
    if (v > 1)
        return CR_FAIL(err, CR_FORMAT, "%d stands where 0 or 1 should", v);
    *to = v;
    return CR_OK;
}

static cr_status take_small(reader *r, int most, int *to, cr_err *err) {
    uint8_t v = 0;
    CR_TRY(take(r, &v, 1, err));
    if (v > most)
        return CR_FAIL(err, CR_FORMAT, "%d stands where at most %d should", v, most);
    *to = v;
    return CR_OK;
}

static cr_status take_text(reader *r, char *to, size_t size, cr_err *err) {
    uint16_t n = 0;
    CR_TRY(take(r, &n, 2, err));
    if (n >= size)
        return CR_FAIL(err, CR_FORMAT, "a name has %d bytes", n);
    CR_TRY(take(r, to, n, err));
    to[n] = 0;
    if (strlen(to) != n)
        return CR_FAIL(err, CR_FORMAT, "a name has a zero inside");
    return CR_OK;
}

/* n items, copied so that they are aligned; *ret_items is freed by the caller. */
static cr_status take_items(reader *r, int64_t n, size_t item, void *ret_items, cr_err *err) {
    if (n < 0 || (uint64_t)n > (size_t)(r->end - r->at) / item)
        return CR_FAIL(err, CR_FORMAT, "it tells of %lld items, and ends before", (long long)n);
    void *items = malloc((size_t)n * item + 8);
    if (items == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld items", (long long)n);
    cr_status status = take(r, items, (size_t)n * item, err);
    if (status != CR_OK)
        free(items);
    else
        memcpy(ret_items, &items, sizeof items);
    return status;
}

static cr_status take_dtype(reader *r, cr_dtype *ret_dtype, bool *ret_none, cr_err *err) {
    char name[32];
    CR_TRY(take_text(r, name, sizeof name, err));
    if (ret_none != NULL && (*ret_none = name[0] == 0))
        return CR_OK;
    for (int t = 0; t < CR_DTYPE_COUNT; t++)
        if (t != CR_STRING && strcmp(name, cr_dtype_name((cr_dtype)t)) == 0) {
            *ret_dtype = (cr_dtype)t;
            return CR_OK;
        }
    return CR_FAIL(err, CR_FORMAT, "there is no type %s", name);
}

static cr_status count_work(reader *r, int64_t steps, cr_err *err) {
    if (steps > MOST_WORK - r->work)
        return CR_FAIL(err, CR_LIMIT, "the chunks along the axes are too many to be taken from a graph that was sent");
    r->work += steps;
    return CR_OK;
}

/* axes from a mask over ndim axes */
static cr_status take_axes(reader *r, int ndim, int *axes, int *ret_n, uint32_t *ret_mask, cr_err *err) {
    uint32_t mask = 0;
    CR_TRY(take(r, &mask, 4, err));
    if (ndim < 32 && mask >> ndim != 0)
        return CR_FAIL(err, CR_FORMAT, "it reduces axes beyond the %d that there are", ndim);
    *ret_n = 0;
    for (int i = 0; i < ndim; i++)
        if (mask >> i & 1)
            axes[(*ret_n)++] = i;
    *ret_mask = mask;
    return CR_OK;
}

/* ---- nodes ---- */

typedef struct record {           /* what the bytes say of a node before its parameters */
    int op;
    cr_dtype dtype;
    uint32_t itemsize;
    int ndim;
    int64_t shape[CR_MAX_DIMS];
    uint32_t n_inputs;
    cr_array **inputs;            /* borrowed; freed with the record */
    cr_array *in;                 /* the first, or NULL */
} record;

static cr_status take_chunks(reader *r, int ndim, int64_t *chunks, cr_err *err) {
    CR_TRY(take(r, chunks, (size_t)ndim * sizeof *chunks, err));
    for (int i = 0; i < ndim; i++)
        if (chunks[i] < 1)
            return CR_FAIL(err, CR_FORMAT, "a chunk of %lld elements", (long long)chunks[i]);
    return CR_OK;
}

static cr_status make_memory(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    int64_t chunks[CR_MAX_DIMS], n = 1;
    CR_TRY(take_chunks(r, k->ndim, chunks, err));
    for (int i = 0; i < k->ndim; i++)
        if (k->shape[i] < 0 || __builtin_mul_overflow(n, k->shape[i], &n))
            return CR_FAIL(err, CR_FORMAT, "an array in memory of impossible shape");
    if (k->itemsize == 0)
        return CR_FAIL(err, CR_FORMAT, "an array in memory with items of no bytes");
    void *data;
    CR_TRY(take_items(r, n, k->itemsize, &data, err));
    unsigned char most = 0;
    for (int64_t i = 0; k->dtype == CR_BOOL && k->itemsize == 1 && i < n; i++)
        most |= ((const unsigned char *)data)[i];
    if (most > 1) {
        free(data);
        return CR_FAIL(err, CR_FORMAT, "an array of truth values has others than 0 and 1");
    }
    cr_status status = cr_array_from_memory(k->dtype, k->itemsize, k->ndim, k->shape, NULL, chunks, data, free, data, ret_array, err);
    if (status != CR_OK)
        free(data);
    return status;
}

static cr_status open_once(reader *r, const char *path, const char *group, cr_file **ret_file, cr_err *err) {
    for (size_t i = r->n_files; i-- > 0;)
        if (strcmp(r->files[i].path, path) == 0 && strcmp(r->files[i].group, group) == 0) {
            *ret_file = r->files[i].file;
            return CR_OK;
        }
    if (r->n_files == r->cap_files) {
        size_t cap = r->cap_files == 0 ? 16 : 2 * r->cap_files;
        opened *more = realloc(r->files, cap * sizeof *more);
        if (more == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory for %zu files", cap);
        r->files = more;
        r->cap_files = cap;
    }
    opened new = {.path = strdup(path), .group = strdup(group)};
    cr_status status = new.path != NULL && new.group != NULL
                           ? cr_file_open(path, &(cr_open_options){.group = group}, &new.file, err) : CR_FAIL(err, CR_MEMORY, "no memory for a path");
    if (status != CR_OK) {
        cr_err_hint(err, "a machine that takes part in a computation must find files and stores under the path that they have where it was begun");
        free(new.path);
        free(new.group);
        return status;
    }
    r->files[r->n_files++] = new;
    *ret_file = new.file;
    return CR_OK;
}

static cr_status make_stored(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    char path[MOST_NAME], group[MOST_NAME], name[MOST_NAME];
    int64_t chunks[CR_MAX_DIMS], bytes = 0;
    CR_TRY(take_text(r, path, sizeof path, err));
    CR_TRY(take_text(r, group, sizeof group, err));
    CR_TRY(take_text(r, name, sizeof name, err));
    CR_TRY(take_chunks(r, k->ndim, chunks, err));
    CR_TRY(take(r, &bytes, 8, err));
    if (path[0] != '/')
        return CR_FAIL(err, CR_FORMAT, "the path %s does not begin at the root", path);
    cr_file *file = NULL;
    cr_array *a = NULL;
    CR_TRY(open_once(r, path, group, &file, err));
    CR_TRY(cr_file_array(file, name, &a, err));
    const cr_source *s = ((const cr_stored_params *)a->params)->source;
    if (a->ndim != k->ndim || a->dtype != k->dtype || memcmp(a->shape, k->shape, (size_t)k->ndim * sizeof *chunks) != 0 ||
        memcmp(s->chunk_shape, chunks, (size_t)k->ndim * sizeof *chunks) != 0 || (bytes != 0 && bytes != (int64_t)s->state[1])) {
        cr_status status = CR_FAIL(err, CR_CONFLICT, "%s is not what it was where the computation was begun: another size, shape or type", s->path);
        cr_err_hint(err, "the file was changed since it was opened, or this machine has another file under the same path; open it again");
        cr_array_unref(a);
        return status;
    }
    *ret_array = a;
    return CR_OK;
}

static cr_status make_value(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    unsigned char value[8];
    int64_t chunks[CR_MAX_DIMS];
    bool weak = false;
    if (k->op == CR_OP_SCALAR)
        CR_TRY(take_flag(r, &weak, err));
    CR_TRY(take(r, value, sizeof value, err));
    if (k->dtype == CR_BOOL && value[0] > 1)
        return CR_FAIL(err, CR_FORMAT, "a truth value of %d", value[0]);
    if (k->op == CR_OP_SCALAR)
        return cr_array_scalar(k->dtype, value, weak, ret_array, err);
    CR_TRY(take_chunks(r, k->ndim, chunks, err));
    return cr_array_full(k->dtype, k->ndim, k->shape, chunks, value, ret_array, err);
}

static cr_status make_slice(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    cr_slice s[CR_MAX_DIMS];
    CR_TRY(take(r, s, (size_t)k->in->ndim * sizeof *s, err));
    for (int i = 0; i < k->in->ndim; i++)
        if (s[i].step != 1 || k->in->cuts[i]->ends != NULL)
            CR_TRY(count_work(r, CR_MIN(CR_MAX(s[i].count, 0), k->in->cuts[i]->n), err));
    return cr_array_slice(k->in, s, ret_array, err);
}

static cr_status make_take(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    int64_t axis = 0, n = 0;
    CR_TRY(take(r, &axis, 8, err));
    CR_TRY(take(r, &n, 8, err));
    if (axis < 0 || axis >= k->in->ndim)
        return CR_FAIL(err, CR_FORMAT, "take along axis %lld of %d", (long long)axis, k->in->ndim);
    cr_auto_free int64_t *index = NULL;
    CR_TRY(take_items(r, n, sizeof *index, &index, err));
    return cr_array_take(k->in, (int)axis, index, n, ret_array, err);
}

static cr_status make_permute(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    int axes[CR_MAX_DIMS];
    for (int i = 0; i < k->in->ndim; i++)
        CR_TRY(take_small(r, k->in->ndim - 1, &axes[i], err));
    return cr_array_permute(k->in, axes, ret_array, err);
}

static cr_status make_concat(reader *r, const record *k, int axis, cr_array **ret_array, cr_err *err) {
    for (uint32_t i = 0; i < k->n_inputs; i++) {
        if (axis >= k->inputs[i]->ndim)
            return CR_FAIL(err, CR_FORMAT, "concat along axis %d of %d", axis, k->inputs[i]->ndim);
        CR_TRY(count_work(r, k->inputs[i]->cuts[axis]->n, err));
    }
    return cr_array_concat((int)k->n_inputs, k->inputs, axis, ret_array, err);
}

static cr_status make_map(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    char name[64];
    cr_map_op op;
    CR_TRY(take_text(r, name, sizeof name, err));
    if (cr_map_find(name, &op, NULL) != CR_OK)
        return CR_FAIL(err, CR_FORMAT, "there is no operation %s", name);
    if ((uint32_t)cr_map_arity(op) != k->n_inputs)
        return CR_FAIL(err, CR_FORMAT, "%s of %u arrays", name, k->n_inputs);
    return cr_array_map(op, k->inputs, ret_array, err);
}

static cr_status make_unpack(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    cr_packing p;
    memset(&p, 0, sizeof p);
    p.out_dtype = k->dtype;
    CR_TRY(take_flag(r, &p.has_scale, err));
    CR_TRY(take_flag(r, &p.has_offset, err));
    CR_TRY(take(r, &p.scale, 8, err));
    CR_TRY(take(r, &p.offset, 8, err));
    CR_TRY(take_small(r, 4, &p.n_fills, err));
    for (int i = 0; i < p.n_fills; i++) {
        CR_TRY(take(r, &p.fills[i], 8, err));
        CR_TRY(take(r, &p.fills_exact[i], 8, err));
    }
    CR_TRY(take_dtype(r, &p.compare_dtype, NULL, err));
    CR_TRY(take_dtype(r, &p.scale_dtype, NULL, err));
    return cr_array_unpack(k->in, &p, ret_array, err);
}

/* A count, and as many codes. */
static cr_status take_codes(reader *r, int64_t needed, int32_t **ret_codes, cr_err *err) {
    int64_t n = 0;
    CR_TRY(take(r, &n, 8, err));
    if (n != needed)
        return CR_FAIL(err, CR_FORMAT, "%lld group codes for %lld elements", (long long)n, (long long)needed);
    return take_items(r, n, sizeof(int32_t), ret_codes, err);
}

static cr_status elements_along(const cr_array *in, uint32_t mask, int64_t *ret_n, cr_err *err) {
    int64_t n = 1;
    for (int i = 0; i < in->ndim; i++)
        if (mask >> i & 1 && __builtin_mul_overflow(n, in->shape[i], &n))
            return CR_FAIL(err, CR_FORMAT, "too many elements to group");
    *ret_n = n;
    return CR_OK;
}

static cr_status make_reduce(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    char name[64];
    int axes[CR_MAX_DIMS], n_axes = 0;
    uint32_t mask = 0;
    cr_reduction reduction;
    cr_reduce_options o;
    int64_t ddof = 0, n_groups = 0, n = 0;
    bool none;
    memset(&o, 0, sizeof o);
    CR_TRY(take_text(r, name, sizeof name, err));
    if (cr_reduction_find(name, &reduction, NULL) != CR_OK)
        return CR_FAIL(err, CR_FORMAT, "there is no reduction %s", name);
    CR_TRY(take_axes(r, k->in->ndim, axes, &n_axes, &mask, err));
    CR_TRY(take_flag(r, &o.skipna, err));
    CR_TRY(take_flag(r, &o.keepdims, err));
    CR_TRY(take(r, &ddof, 8, err));
    CR_TRY(take(r, &o.min_count, 8, err));
    if (ddof < INT32_MIN || ddof > INT32_MAX)
        return CR_FAIL(err, CR_FORMAT, "%lld degrees of freedom", (long long)ddof);
    o.ddof = (int)ddof;
    CR_TRY(take_dtype(r, &o.dtype, &none, err));
    o.has_dtype = !none;
    if (k->op == CR_OP_REDUCE)
        return cr_array_reduce(reduction, k->in, n_axes, axes, &o, ret_array, err);
    CR_TRY(take(r, &n_groups, 8, err));
    CR_TRY(elements_along(k->in, mask, &n, err));
    cr_auto_free int32_t *codes = NULL;
    CR_TRY(take_codes(r, n, &codes, err));
    return cr_array_group_node(reduction, k->in, n_axes, axes, codes, n_groups, &o, ret_array, err);
}

static cr_status make_quantile(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    char name[64];
    int axes[CR_MAX_DIMS], n_axes = 0;
    uint32_t mask = 0, n_q = 0;
    cr_quantile_options o;
    int64_t n_groups = 0, n = 0;
    bool grouped;
    memset(&o, 0, sizeof o);
    CR_TRY(take_axes(r, k->in->ndim, axes, &n_axes, &mask, err));
    CR_TRY(take_text(r, name, sizeof name, err));
    if (cr_quantile_method_find(name, &o.method, NULL) != CR_OK)
        return CR_FAIL(err, CR_FORMAT, "there is no method %s", name);
    CR_TRY(take_flag(r, &o.skipna, err));
    CR_TRY(take_flag(r, &o.own_type, err));
    CR_TRY(take_flag(r, &o.keepdims, err));
    CR_TRY(take(r, &n_q, 4, err));
    if (n_q > CR_QUANTILE_MOST)
        return CR_FAIL(err, CR_FORMAT, "%u quantiles", n_q);
    cr_auto_free double *q = NULL;
    cr_auto_free int32_t *codes = NULL;
    CR_TRY(take_items(r, n_q, sizeof *q, &q, err));
    CR_TRY(take_flag(r, &grouped, err));
    CR_TRY(take(r, &n_groups, 8, err));
    if (grouped)
        CR_TRY(elements_along(k->in, mask, &n, err));
    CR_TRY(take_codes(r, n, &codes, err));
    if (grouped && n_q == 0)
        return cr_array_median_group(k->in, n_axes, axes, codes, n_groups, &o, ret_array, err);
    if (grouped)
        return cr_array_quantile_group(k->in, n_axes, axes, codes, n_groups, (int)n_q, q, &o, ret_array, err);
    if (n_q == 0)
        return cr_array_median(k->in, n_axes, axes, &o, ret_array, err);
    return cr_array_quantile(k->in, n_axes, axes, (int)n_q, q, &o, ret_array, err);
}

static cr_status make_along(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    uint32_t op = 0, axis = 0;
    int64_t window = 0, limit = 0, ddof = 0;
    cr_window_options o = {0};
    CR_TRY(take(r, &op, 4, err));
    CR_TRY(take(r, &axis, 4, err));
    CR_TRY(take(r, &window, 8, err));
    CR_TRY(take(r, &limit, 8, err));
    CR_TRY(take_flag(r, &o.skipna, err));
    CR_TRY(take(r, &ddof, 8, err));
    CR_TRY(take(r, &o.min_count, 8, err));
    if (axis >= (uint32_t)k->in->ndim || op >= CR_WINDOW_COUNT || ddof < INT32_MIN || ddof > INT32_MAX)
        return CR_FAIL(err, CR_FORMAT, "operation %u along axis %u of %d", op, axis, k->in->ndim);
    o.ddof = (int)ddof;
    CR_TRY(count_work(r, k->op == CR_OP_WINDOW ? k->in->cuts[axis]->n : k->in->shape[axis], err));
    if (k->op == CR_OP_WINDOW)
        return cr_array_window((cr_window_op)op, k->in, (int)axis, window, &o, ret_array, err);
    cr_array *made;
    if (k->op == CR_OP_FILL)
        CR_TRY(cr_array_fill_forward(k->in, (int)axis, limit, &made, err));
    else
        CR_TRY(cr_array_cumulate((cr_cumulation)op, k->in, (int)axis, o.skipna, &made, err));
    if (k->n_inputs < 2) {
        *ret_array = made;
        return CR_OK;
    }
    cr_status status = cr_along_with_carries(made, k->inputs[1], ret_array, err);
    cr_array_unref(made);
    return status;
}

static cr_status take_grid(reader *r, int *ret_ndim, int64_t *shape, cr_err *err) {
    int64_t size;
    CR_TRY(take_small(r, 2, ret_ndim, err));
    CR_TRY(take(r, shape, (size_t)*ret_ndim * sizeof *shape, err));
    for (int i = 0; i < *ret_ndim; i++)
        if (shape[i] < 1)
            return CR_FAIL(err, CR_FORMAT, "a grid of extent %lld", (long long)shape[i]);
    if (*ret_ndim < 1 || !cr_product(shape, *ret_ndim, &size))
        return CR_FAIL(err, CR_FORMAT, "a grid of impossible shape");
    return count_work(r, size, err);
}

static cr_status make_regrid(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    int src, dst;
    int64_t from[2], to[2], n = 0;
    double least = 0;
    cr_regrid_options o = {0};
    CR_TRY(take_grid(r, &src, from, err));
    CR_TRY(take_grid(r, &dst, to, err));
    CR_TRY(take_flag(r, &o.skipna, err));
    CR_TRY(take(r, &least, 8, err));
    CR_TRY(take(r, &n, 8, err));
    if (!(least >= 0 && least <= 1))
        return CR_FAIL(err, CR_FORMAT, "a share of %g", least);
    o.na_thres = !o.skipna ? 0 : least <= 1e-6 ? 1 : 1 - least; /* as in regridding.c, backwards */
    cr_auto_free int64_t *row = NULL, *col = NULL;
    cr_auto_free double *weight = NULL;
    CR_TRY(take_items(r, n, 8, &row, err));
    CR_TRY(take_items(r, n, 8, &col, err));
    CR_TRY(take_items(r, n, 8, &weight, err));
    cr_weights *w;
    CR_TRY(cr_weights_from_triplets(src, from, dst, to, n, row, col, weight, &w, err));
    cr_status status = cr_array_regrid(k->in, w, &o, ret_array, err);
    cr_weights_unref(w);
    return status;
}

static cr_status make_node(reader *r, const record *k, cr_array **ret_array, cr_err *err) {
    int axis = 0;
    int64_t chunks[CR_MAX_DIMS];
    switch ((cr_op_id)k->op) {
    case CR_OP_MEMORY: return make_memory(r, k, ret_array, err);
    case CR_OP_STORED: return make_stored(r, k, ret_array, err);
    case CR_OP_SCALAR:
    case CR_OP_FULL: return make_value(r, k, ret_array, err);
    case CR_OP_SLICE: return make_slice(r, k, ret_array, err);
    case CR_OP_TAKE: return make_take(r, k, ret_array, err);
    case CR_OP_PERMUTE: return make_permute(r, k, ret_array, err);
    case CR_OP_BROADCAST: return cr_array_broadcast(k->in, k->ndim, k->shape, ret_array, err);
    case CR_OP_MAP: return make_map(r, k, ret_array, err);
    case CR_OP_CAST: return cr_array_cast(k->in, k->dtype, ret_array, err);
    case CR_OP_UNPACK: return make_unpack(r, k, ret_array, err);
    case CR_OP_REDUCE:
    case CR_OP_GROUP: return make_reduce(r, k, ret_array, err);
    case CR_OP_QUANTILE: return make_quantile(r, k, ret_array, err);
    case CR_OP_CUMULATE:
    case CR_OP_FILL:
    case CR_OP_WINDOW: return make_along(r, k, ret_array, err);
    case CR_OP_REGRID: return make_regrid(r, k, ret_array, err);
    case CR_OP_EXPAND:
    case CR_OP_SQUEEZE:
    case CR_OP_CONCAT:
        CR_TRY(take_small(r, CR_MAX_DIMS, &axis, err));
        if (k->op == CR_OP_EXPAND)
            return cr_array_expand(k->in, axis, ret_array, err);
        return k->op == CR_OP_SQUEEZE ? cr_array_squeeze(k->in, axis, ret_array, err) : make_concat(r, k, axis, ret_array, err);
    case CR_OP_RECHUNK:
        CR_TRY(take_chunks(r, k->in->ndim, chunks, err));
        return cr_array_rechunk(k->in, chunks, ret_array, err);
    default: return CR_FAIL(err, CR_FORMAT, "%s is nothing that can be sent", cr_ops[k->op].name);
    }
}

/* Inputs that an operation takes; -1: any number from 1 on. */
static int arity(int op) {
    if (cr_ops[op].cls == CR_CLASS_SOURCE)
        return 0;
    return op == CR_OP_CONCAT || op == CR_OP_MAP ? -1 : 1;
}

static cr_status take_record(reader *r, record *k, cr_err *err) {
    char name[64];
    CR_TRY(take_text(r, name, sizeof name, err));
    for (k->op = 0; k->op < CR_OP_COUNT && strcmp(name, cr_ops[k->op].name) != 0;)
        k->op++;
    if (k->op == CR_OP_COUNT)
        return CR_FAIL(err, CR_FORMAT, "there is no operation %s", name);
    CR_TRY(take_dtype(r, &k->dtype, NULL, err));
    CR_TRY(take(r, &k->itemsize, 4, err));
    CR_TRY(take_small(r, CR_MAX_DIMS, &k->ndim, err));
    CR_TRY(take(r, k->shape, (size_t)k->ndim * sizeof *k->shape, err));
    CR_TRY(take(r, &k->n_inputs, 4, err));
    int wanted = arity(k->op);
    bool given = cr_graph_infers_rest(k->op) && k->n_inputs == 2;
    if (!given && (wanted < 0 ? k->n_inputs < 1 : k->n_inputs != (uint32_t)wanted))
        return CR_FAIL(err, CR_FORMAT, "%s of %u inputs", name, k->n_inputs);
    if (k->n_inputs > (size_t)(r->end - r->at) / 4)
        return CR_FAIL(err, CR_FORMAT, "%s of %u inputs, and it ends before", name, k->n_inputs);
    k->inputs = calloc((size_t)k->n_inputs + 1, sizeof *k->inputs);
    if (k->inputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %u inputs", k->n_inputs);
    for (uint32_t i = 0; i < k->n_inputs; i++) {
        uint32_t number = 0;
        CR_TRY(take(r, &number, 4, err));
        if (number >= r->n_nodes)
            return CR_FAIL(err, CR_FORMAT, "%s of node %u, which does not come before it", name, number);
        k->inputs[i] = r->nodes[number];
    }
    k->in = k->inputs[0];
    return CR_OK;
}

static cr_status take_node(reader *r, cr_err *err) {
    record k = {0};
    cr_array *a = NULL;
    cr_status status = take_record(r, &k, err);
    if (status == CR_OK)
        status = make_node(r, &k, &a, err);
    if (status == CR_OK) {
        bool same = a->op == k.op && a->dtype == k.dtype && a->itemsize == k.itemsize && a->ndim == k.ndim &&
                    memcmp(a->shape, k.shape, (size_t)k.ndim * sizeof *k.shape) == 0;
        if (same)
            r->nodes[r->n_nodes] = a;
        else
            status = CR_FAIL(err, CR_FORMAT, "%s became an array of another operation, type or shape than is told", cr_ops[k.op].name);
    }
    if (status == CR_OK)
        r->n_nodes++;
    else
        cr_array_unref(a);
    free(k.inputs);
    return status;
}

/* ---- the whole ---- */

static cr_status take_all(reader *r, const cr_graph_head *h, cr_array **outputs, cr_err *err) {
    for (uint32_t i = 0; i < h->n_nodes; i++) {
        cr_status status = take_node(r, err);
        if (status != CR_OK) {
            cr_err_context(err, "operation %u of the graph that was sent", i);
            return status;
        }
    }
    for (uint32_t i = 0; i < h->n_outputs; i++) {
        uint32_t number = 0;
        CR_TRY(take(r, &number, 4, err));
        if (number >= r->n_nodes)
            return CR_FAIL(err, CR_FORMAT, "result %u is node %u of %u", i, number, r->n_nodes);
        outputs[i] = r->nodes[number];
    }
    if (r->at != r->end)
        return CR_FAIL(err, CR_FORMAT, "%zu bytes follow the graph that was sent", (size_t)(r->end - r->at));
    return CR_OK;
}

static cr_status take_head(const char *bytes, size_t n, cr_graph_head *h, cr_err *err) {
    if (n < CR_GRAPH_HEAD_BYTES || memcmp(bytes, CR_GRAPH_MAGIC, sizeof h->magic) != 0)
        return CR_FAIL(err, CR_FORMAT, "these %zu bytes are no graph of Craton's", n);
    cr_graph_head_read(h, bytes);
    if (h->version != CR_GRAPH_VERSION) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "the graph is of version %u of its form; this Craton reads version %d", h->version, CR_GRAPH_VERSION);
        cr_err_hint(err, "use the same version of Craton on all machines");
        return status;
    }
    if (h->bytes != n || h->sum != cr_graph_sum(bytes + CR_GRAPH_HEAD_BYTES, n - CR_GRAPH_HEAD_BYTES))
        return CR_FAIL(err, CR_FORMAT, "the graph of %llu bytes arrived damaged, as %zu", (unsigned long long)h->bytes, n);
    if (h->n_nodes > CR_GRAPH_MOST_NODES || h->n_outputs > CR_GRAPH_MOST_OUTPUTS || h->n_outputs > n / 4 || h->n_nodes > n)
        return CR_FAIL(err, CR_FORMAT, "%u operations and %u results are more than a graph may have", h->n_nodes, h->n_outputs);
    return CR_OK;
}

cr_status cr_graph_decode(const void *bytes, size_t n_bytes, cr_array ***ret_arrays, int *ret_n, cr_err *err) {
    cr_graph_head h = {0};
    CR_TRY(take_head(bytes, n_bytes, &h, err));
    const char *from = bytes;
    reader r = {.at = from + CR_GRAPH_HEAD_BYTES, .end = from + n_bytes};
    r.nodes = calloc((size_t)h.n_nodes + 1, sizeof(cr_array *));
    cr_array **outputs = calloc((size_t)h.n_outputs + 1, sizeof(cr_array *));
    cr_status status = r.nodes != NULL && outputs != NULL ? take_all(&r, &h, outputs, err) : CR_FAIL(err, CR_MEMORY, "no memory for a graph");
    if (status == CR_OK) {
        for (uint32_t i = 0; i < h.n_outputs; i++)
            cr_array_ref(outputs[i]);
        *ret_arrays = outputs;
        *ret_n = (int)h.n_outputs;
    } else {
        free(outputs);
    }
    for (uint32_t i = r.n_nodes; i-- > 0;)
        cr_array_unref(r.nodes[i]);
    for (size_t i = 0; i < r.n_files; i++) {
        cr_file_close(r.files[i].file);
        free(r.files[i].path);
        free(r.files[i].group);
    }
    free(r.nodes);
    free(r.files);
    return status;
}

void cr_graph_free(cr_array **arrays, int n) {
    for (int i = 0; arrays != NULL && i < n; i++)
        cr_array_unref(arrays[i]);
    free(arrays);
}
