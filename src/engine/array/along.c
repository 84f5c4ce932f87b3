/* along.c - nodes of running sums, fills and moving windows. What runs from one end of the axis to the other is cut in blocks of
 * whole chunks; a reduction made beforehand says what each leaves. Blocks follow from shape and chunks, and with them the bits. */
#include "craton/along.h"

#include <stdlib.h>

#include "engine/array/node.h"

#define MOST_BLOCKS 32
#define CARRY_BYTES ((int64_t)64 << 20)   /* what the blocks leave is held in memory as a whole */
#define CARRY_SHARE 8                     /* and is at most an eighth of the elements */

static int64_t block_begin(const cr_cuts *c, int64_t n_blocks, int64_t b) { return cr_cuts_begin(c, b * c->n / n_blocks); }

int64_t cr_along_begin(const cr_array *a, int64_t b) {
    const cr_along_params *p = cr_along_params_of(a);
    return block_begin(a->inputs[0]->cuts[p->axis], p->n_blocks, b);
}

static int64_t choose_blocks(const cr_array *a, int axis) {
    int64_t extent = a->shape[axis];
    if (a->size == 0)
        return 1;
    int64_t n = CR_MIN(a->cuts[axis]->n, MOST_BLOCKS);
    n = CR_MIN(n, extent / CARRY_SHARE);
    n = CR_MIN(n, CARRY_BYTES / 8 / (a->size / extent));
    return CR_MAX(n, 1);
}

/* inputs[1]: the reduction of each block. */
static cr_status reduce_blocks(cr_reduction r, cr_array *a, const cr_along_params *p, const cr_reduce_options *o, cr_array **ret_array,
                               cr_err *err) {
    int64_t extent = a->shape[p->axis], b = 0;
    int axis = p->axis;
    cr_auto_free int32_t *codes = malloc((size_t)extent * sizeof *codes);
    if (codes == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for the blocks of an axis of %lld", (long long)extent);
    for (int64_t i = 0; i < extent; i++) {
        while (b + 1 < p->n_blocks && i >= block_begin(a->cuts[axis], p->n_blocks, b + 1))
            b++;
        codes[i] = (int32_t)b;
    }
    return cr_array_group_node(r, a, 1, &axis, codes, p->n_blocks, o, ret_array, err);
}

static cr_status along_new(cr_op_id op, cr_array *a, cr_array *carries, const cr_along_params *p, cr_array **ret_array, cr_err *err) {
    cr_array *inputs[] = {a, carries}, *v;
    int64_t shape[CR_MAX_DIMS];
    memcpy(shape, a->shape, (size_t)a->ndim * sizeof *shape);
    if (op == CR_OP_WINDOW)
        shape[p->axis] -= p->window - 1;
    cr_node_spec spec = {.op = op, .dtype = a->dtype, .ndim = a->ndim, .shape = shape, .n_inputs = carries != NULL ? 2 : 1,
                         .inputs = inputs, .params = p, .params_bytes = sizeof *p};
    CR_TRY(cr_node_new(&spec, &v, err));
    cr_status status = CR_OK;
    for (int d = 0; d < a->ndim && status == CR_OK; d++) {
        if (shape[d] == a->shape[d])
            v->cuts[d] = cr_cuts_ref(a->cuts[d]);
        else
            status = cr_cuts_slice(a->cuts[d], 0, 1, shape[d], &v->cuts[d], err);
    }
    if (status != CR_OK)
        cr_array_unref(v);
    else
        *ret_array = v;
    return status;
}

/* The type in which series are worked on. */
static cr_dtype working_type(cr_dtype t) {
    switch (cr_dtype_kind(t)) {
    case 'f': return t == CR_F16 ? CR_F32 : t;
    case 'u': return CR_U64;
    case 'b':
    case 'i': return CR_I64;
    default: return CR_STRING;
    }
}

static cr_status begin(const char *what, cr_array *a, int axis, cr_dtype type, cr_along_params *p, cr_array **ret_input, cr_err *err) {
    int own;
    memset(p, 0, sizeof *p);
    CR_TRY(cr_axis_check(what, axis, a->ndim, &own, err));
    p->axis = own;
    p->n_blocks = 1;
    if (type == CR_STRING)
        return CR_FAIL(err, CR_TYPE, "%s of %s is not possible", what, cr_dtype_name(a->dtype));
    return cr_array_cast(a, type, ret_input, err);
}

/* Makes the node of input (taken) and carries (taken), in type out. */
static cr_status end(cr_op_id op, cr_array *input, cr_array *carries, const cr_along_params *p, cr_dtype out, cr_status status,
                     cr_array **ret_array, cr_err *err) {
    cr_array *made = NULL;
    if (status == CR_OK)
        status = along_new(op, input, carries, p, &made, err);
    cr_array_unref(input);
    cr_array_unref(carries);
    if (status == CR_OK)
        status = cr_array_cast(made, out, ret_array, err);
    cr_array_unref(made);
    return status;
}

cr_status cr_array_cumulate(cr_cumulation c, cr_array *a, int axis, bool skipna, cr_array **ret_array, cr_err *err) {
    cr_along_params p;
    cr_array *input = NULL, *carries = NULL;
    if ((unsigned)c >= CR_CUMULATION_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no cumulation number %d", (int)c);
    CR_TRY(begin(c == CR_CUMULATE_SUM ? "cumsum" : "cumprod", a, axis, working_type(a->dtype), &p, &input, err));
    bool floats = cr_dtype_kind(input->dtype) == 'f';
    p.op = (int32_t)c;
    p.options.skipna = skipna && floats;
    p.n_blocks = choose_blocks(input, p.axis);
    cr_reduce_options o = {.skipna = p.options.skipna, .has_dtype = true, .dtype = floats ? CR_F64 : input->dtype};
    cr_status status = CR_OK;
    if (p.n_blocks > 1)
        status = reduce_blocks(c == CR_CUMULATE_SUM ? CR_REDUCE_SUM : CR_REDUCE_PROD, input, &p, &o, &carries, err);
    return end(CR_OP_CUMULATE, input, carries, &p, floats ? a->dtype : input->dtype, status, ret_array, err);
}

cr_status cr_array_fill_forward(cr_array *a, int axis, int64_t limit, cr_array **ret_array, cr_err *err) {
    cr_along_params p;
    cr_array *input = NULL, *carries = NULL;
    if (limit < 0)
        return CR_FAIL(err, CR_INVALID, "ffill: the limit %lld is negative; 0 is none", (long long)limit);
    CR_TRY(begin("ffill", a, axis, working_type(a->dtype), &p, &input, err));
    if (cr_dtype_kind(a->dtype) != 'f') {
        cr_array_unref(input);
        *ret_array = cr_array_ref(a);
        return CR_OK;
    }
    p.limit = limit >= a->shape[p.axis] ? 0 : limit;
    p.n_blocks = p.limit > 0 ? 1 : choose_blocks(input, p.axis); /* with a limit, that is how far back one has to look */
    cr_reduce_options o = {.skipna = true};
    cr_status status = CR_OK;
    if (p.n_blocks > 1)
        status = reduce_blocks(CR_REDUCE_LAST, input, &p, &o, &carries, err);
    return end(CR_OP_FILL, input, carries, &p, a->dtype, status, ret_array, err);
}

/* ---- what the blocks leave, given ---- */

static cr_array *running(cr_array *a) {
    if (a->op == CR_OP_CAST)
        a = a->inputs[0];
    return a->op == CR_OP_CUMULATE || a->op == CR_OP_FILL ? a : NULL;
}

cr_array *cr_along_carries(cr_array *a) {
    cr_array *v = running(a);
    return v != NULL && v->n_inputs > 1 ? v->inputs[1] : NULL;
}

/* Leaves begin from results of reductions: values become one of an axis of one element, which changes no bit of them. */
static cr_status as_reduction(cr_array *a, cr_array **ret_array, cr_err *err) {
    cr_reduce_options o = {0};
    cr_array *wide;
    if (cr_ops[a->op].cls == CR_CLASS_REDUCE) {
        *ret_array = cr_array_ref(a);
        return CR_OK;
    }
    CR_TRY(cr_array_expand(a, a->ndim, &wide, err));
    cr_status status = cr_array_reduce(CR_REDUCE_FIRST, wide, 1, (const int[]){a->ndim}, &o, ret_array, err);
    cr_array_unref(wide);
    return status;
}

cr_status cr_along_with_carries(cr_array *a, cr_array *carries, cr_array **ret_array, cr_err *err) {
    cr_array *v = running(a), *own = cr_along_carries(a), *left;
    if (own == NULL)
        return CR_FAIL(err, CR_INVALID, "%s has no blocks whose values could be given", cr_array_op(a));
    if (carries->dtype != own->dtype || carries->ndim != own->ndim || memcmp(carries->shape, own->shape, (size_t)own->ndim * sizeof *own->shape) != 0) {
        char one[256], other[256];
        return CR_FAIL(err, CR_INVALID, "what the blocks of %s leave is %s of shape %s, not %s of shape %s", cr_array_op(v), cr_dtype_name(own->dtype),
                       cr_shape_text(own->ndim, own->shape, one, sizeof one), cr_dtype_name(carries->dtype),
                       cr_shape_text(carries->ndim, carries->shape, other, sizeof other));
    }
    cr_along_params p = *cr_along_params_of(v);
    p.given = true;
    CR_TRY(as_reduction(carries, &left, err));
    return end((cr_op_id)v->op, cr_array_ref(v->inputs[0]), left, &p, a->dtype, CR_OK, ret_array, err);
}

static const char *const window_names[] = {
#define X(id, name) name,
    CR_WINDOW_TABLE(X)
#undef X
};

cr_status cr_window_find(const char *name, cr_window_op *ret_op, cr_err *err) {
    for (int i = 0; i < CR_WINDOW_COUNT; i++)
        if (strcmp(name, window_names[i]) == 0) {
            *ret_op = (cr_window_op)i;
            return CR_OK;
        }
    return CR_FAIL(err, CR_NOT_FOUND, "there is no moving window of the name %s", name);
}

cr_status cr_array_window(cr_window_op op, cr_array *a, int axis, int64_t window, const cr_window_options *options, cr_array **ret_array,
                          cr_err *err) {
    cr_along_params p;
    cr_array *input = NULL;
    if ((unsigned)op >= CR_WINDOW_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no window operation number %d", (int)op);
    if (window < 1 || window > CR_WINDOW_LONGEST)
        return CR_FAIL(err, CR_RANGE, "a window of %lld elements; 1 to %lld are possible", (long long)window, (long long)CR_WINDOW_LONGEST);
    cr_dtype type = working_type(a->dtype);
    if (type == CR_U64 && a->dtype != CR_U64) /* the order of smaller ones is that of int64 */
        type = CR_I64;
    CR_TRY(begin(window_names[op], a, axis, type, &p, &input, err));
    bool floats = cr_dtype_kind(input->dtype) == 'f', moments = op == CR_WINDOW_MEAN || op == CR_WINDOW_VAR || op == CR_WINDOW_STD;
    cr_status status = CR_OK;
    if (options != NULL && (options->min_count < 0 || options->min_count > window))
        status = CR_FAIL(err, CR_RANGE, "a window of %lld elements of which %lld have to be valid", (long long)window, (long long)options->min_count);
    else if (window > a->shape[p.axis] + 1)
        status = CR_FAIL(err, CR_RANGE, "a window of %lld elements along an axis of %lld", (long long)window, (long long)a->shape[p.axis]);
    else if (!floats && (moments || (input->dtype == CR_U64 && (op == CR_WINDOW_MIN || op == CR_WINDOW_MAX))))
        status = CR_FAIL(err, CR_TYPE, "a moving %s of %s is not possible; cast it first", window_names[op], cr_dtype_name(a->dtype));
    p.op = (int32_t)op;
    p.window = window;
    p.options.skipna = options != NULL && options->skipna && floats;
    p.options.ddof = options != NULL && (op == CR_WINDOW_VAR || op == CR_WINDOW_STD) ? options->ddof : 0;
    p.options.min_count = options != NULL && floats ? options->min_count : 0;
    bool own = floats || op == CR_WINDOW_MIN || op == CR_WINDOW_MAX;
    return end(CR_OP_WINDOW, input, NULL, &p, own ? a->dtype : working_type(a->dtype), status, ret_array, err);
}
