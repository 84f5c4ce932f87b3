/* elementwise.c - nodes whose element i depends on element i of their inputs: broadcasting and types are settled here. */
#include "engine/array/node.h"
#include "engine/kernel/map_table.h"

static cr_status broadcast_shape(const char *name, int n, cr_array *const *args, int *ret_ndim, int64_t *shape, cr_err *err) {
    int ndim = 0;
    for (int i = 0; i < n; i++)
        ndim = CR_MAX(ndim, args[i]->ndim);
    for (int a = 0; a < ndim; a++) {
        shape[a] = 1;
        for (int i = 0; i < n; i++) {
            int own = a - (ndim - args[i]->ndim);
            int64_t extent = own < 0 ? 1 : args[i]->shape[own];
            if (extent == 1 || extent == shape[a])
                continue;
            if (shape[a] != 1) {
                char one[256], two[256];
                int j = 0; /* the argument that said otherwise */
                while (j < i && !(a - (ndim - args[j]->ndim) >= 0 && args[j]->shape[a - (ndim - args[j]->ndim)] == shape[a]))
                    j++;
                return CR_FAIL(err, CR_INVALID, "%s: shapes %s and %s do not fit together (axis %d: %lld and %lld)", name,
                               cr_shape_text(args[j]->ndim, args[j]->shape, one, sizeof one),
                               cr_shape_text(args[i]->ndim, args[i]->shape, two, sizeof two), a, (long long)shape[a],
                               (long long)extent);
            }
            shape[a] = extent;
        }
    }
    *ret_ndim = ndim;
    return CR_OK;
}

/* Each axis takes the cuts of the largest input that has the axis. */
static void broadcast_cuts(cr_array *v) {
    for (int a = 0; a < v->ndim; a++) {
        int64_t most = -1;
        for (int i = 0; i < v->n_inputs; i++) {
            cr_array *in = v->inputs[i];
            int own = a - (v->ndim - in->ndim);
            if (own < 0 || in->shape[own] != v->shape[a] || in->size * (int64_t)in->itemsize <= most)
                continue;
            most = in->size * (int64_t)in->itemsize;
            cr_cuts_unref(v->cuts[a]);
            v->cuts[a] = cr_cuts_ref(in->cuts[own]);
        }
    }
}

static cr_status elementwise_new(cr_op_id op, const char *name, cr_dtype dtype, int n, cr_array *const *args, const void *params,
                                 size_t params_bytes, cr_array **ret_array, cr_err *err) {
    int64_t shape[CR_MAX_DIMS];
    int ndim = 0;
    CR_TRY(broadcast_shape(name, n, args, &ndim, shape, err));
    cr_node_spec spec = {.op = op, .dtype = dtype, .ndim = ndim, .shape = shape, .n_inputs = n, .inputs = args, .params = params,
                         .params_bytes = params_bytes};
    cr_array *v;
    CR_TRY(cr_node_new(&spec, &v, err));
    broadcast_cuts(v);
    *ret_array = v;
    return CR_OK;
}

cr_status cr_array_map(cr_map_op op, cr_array *const *args, cr_array **ret_array, cr_err *err) {
    if ((unsigned)op >= CR_MAP_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no elementwise operation number %d", (int)op);
    int n = cr_map_arity(op), code = (int)op;
    cr_dtype types[3], loop[3], out;
    bool weak[3], all_weak = true;
    for (int i = 0; i < n; i++) {
        types[i] = args[i]->dtype;
        weak[i] = args[i]->weak;
        all_weak = all_weak && weak[i];
    }
    CR_TRY(cr_map_resolve(op, n, types, weak, loop, &out, err));
    cr_array *v;
    CR_TRY(elementwise_new(CR_OP_MAP, cr_map_name(op), out, n, args, &code, sizeof code, &v, err));
    v->weak = all_weak && v->ndim == 0;
    *ret_array = v;
    return CR_OK;
}

cr_status cr_array_cast(cr_array *a, cr_dtype dtype, cr_array **ret_array, cr_err *err) {
    if (a->dtype == dtype && !a->weak) {
        *ret_array = cr_array_ref(a);
        return CR_OK;
    }
    if (cr_dtype_size(dtype) == 0 || cr_dtype_size(a->dtype) == 0)
        return CR_FAIL(err, CR_TYPE, "cast: %s to %s is not possible", cr_dtype_name(a->dtype), cr_dtype_name(dtype));
    return elementwise_new(CR_OP_CAST, "cast", dtype, 1, &a, NULL, 0, ret_array, err);
}

cr_status cr_array_unpack(cr_array *raw, const cr_packing *p, cr_array **ret_array, cr_err *err) {
    if (p->n_fills < 0 || p->n_fills > 4)
        return CR_FAIL(err, CR_INVALID, "unpack: %d fill values; 0 to 4 are possible", p->n_fills);
    unsigned char imm[1024] __attribute__((aligned(8)));
    if (cr_map_imm_size() > sizeof imm)
        return CR_FAIL(err, CR_INTERNAL, "unpack: the prepared packing has %zu bytes", cr_map_imm_size());
    CR_TRY(cr_unpack_prepare(-1, raw->dtype, p, imm, err));
    cr_packing own;
    memset(&own, 0, sizeof own); /* copied field by field: padding takes part in the comparison of nodes */
    own.has_scale = p->has_scale;
    own.has_offset = p->has_offset;
    own.scale = p->has_scale ? p->scale : 1;
    own.offset = p->has_offset ? p->offset : 0;
    own.out_dtype = p->out_dtype;
    own.n_fills = p->n_fills;
    for (int i = 0; i < p->n_fills; i++) {
        own.fills[i] = p->fills[i];
        own.fills_exact[i] = p->fills_exact[i];
    }
    own.compare_dtype = p->compare_dtype;
    own.scale_dtype = p->scale_dtype;
    return elementwise_new(CR_OP_UNPACK, "unpack", p->out_dtype, 1, &raw, &own, sizeof own, ret_array, err);
}
