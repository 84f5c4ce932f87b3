/* regridding.c - the node of a regridded array. */
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/array/weights.h"

#define TILE_BYTES ((double)(8 << 20))   /* of the target, and twice that of the source, for the chunk of the other axes */

/* The target is cut in rows when maps are large, but not so that many tiles want the same chunk of the source. */
static int64_t tile_rows(const cr_array *a, const cr_weights *w, size_t item) {
    double maps = 1;
    int64_t rows = w->dst_shape[0], chunk_rows = 1;
    int lead = a->ndim - w->src_ndim;
    for (int d = 0; d < lead; d++)
        maps *= (double)(a->cuts[d]->n > 0 ? cr_cuts_begin(a->cuts[d], 1) : 1);
    if (w->src_ndim == 2 && a->cuts[lead]->n > 1)
        chunk_rows = cr_cuts_begin(a->cuts[lead], 1);
    while (rows > 1) {
        cr_source_box box = cr_weights_most(w, rows, w->dst_shape[1]);
        double in = maps * (double)item * (double)box.ny * (double)box.nx;
        double out = maps * (double)item * (double)rows * (double)w->dst_shape[1];
        if ((in <= 2 * TILE_BYTES && out <= TILE_BYTES) || (out <= 16 * TILE_BYTES && box.ny <= chunk_rows))
            break;
        rows = (rows + 1) / 2;
    }
    return rows;
}

static cr_status set_cuts(cr_array *v, const cr_array *a, const cr_weights *w, cr_err *err) {
    int lead = a->ndim - w->src_ndim;
    for (int d = 0; d < lead; d++)
        v->cuts[d] = cr_cuts_ref(a->cuts[d]);
    if (w->dst_ndim == 2)
        CR_TRY(cr_cuts_regular(w->dst_shape[0], tile_rows(a, w, v->itemsize), 0, &v->cuts[lead], err));
    int64_t piece = w->dst_ndim == 2 ? w->dst_shape[1] : CR_MIN(w->dst_shape[1], (int64_t)1 << 20);
    return cr_cuts_regular(w->dst_shape[1], piece, 0, &v->cuts[v->ndim - 1], err);
}

cr_status cr_array_regrid(cr_array *a, cr_weights *w, const cr_regrid_options *options, cr_array **ret_array, cr_err *err) {
    int64_t shape[CR_MAX_DIMS], own[2], target[2];
    int src = cr_weights_source(w, own), dst = cr_weights_target(w, target), lead = a->ndim - src;
    char text[256], grid[64];
    if (lead < 0 || memcmp(a->shape + lead, own, (size_t)src * sizeof *own) != 0)
        return CR_FAIL(err, CR_INVALID, "regrid: the array has shape %s, the source grid of the weights %s; its axes must be the last ones",
                       cr_shape_text(a->ndim, a->shape, text, sizeof text), cr_shape_text(src, own, grid, sizeof grid));
    if (lead + dst > CR_MAX_DIMS)
        return CR_FAIL(err, CR_LIMIT, "regrid: %d axes; at most %d are possible", lead + dst, CR_MAX_DIMS);
    if (strchr("biuf", cr_dtype_kind(a->dtype)) == NULL)
        return CR_FAIL(err, CR_TYPE, "regrid of %s is not possible", cr_dtype_name(a->dtype));
    double na_thres = options != NULL ? options->na_thres : 0;
    if (!(na_thres >= 0 && na_thres <= 1))
        return CR_FAIL(err, CR_INVALID, "regrid: na_thres is %g; it is a share, 0 to 1", na_thres);
    cr_dtype type = a->dtype == CR_F32 || a->dtype == CR_F16 ? CR_F32 : CR_F64;
    cr_regrid_params p;
    memset(&p, 0, sizeof p);
    p.weights = w;
    p.skipna = options != NULL && options->skipna;
    p.least = p.skipna ? CR_MIN(CR_MAX(1 - na_thres, 1e-6), 1 - 1e-6) : 0; /* sums of weights are not exactly 0 or 1 */
    memcpy(shape, a->shape, (size_t)lead * sizeof *shape);
    memcpy(shape + lead, target, (size_t)dst * sizeof *shape);
    cr_array *input = NULL, *v = NULL;
    CR_TRY(cr_array_cast(a, type, &input, err));
    cr_node_spec spec = {.op = CR_OP_REGRID, .dtype = type, .ndim = lead + dst, .shape = shape, .n_inputs = 1, .inputs = &input,
                         .params = &p, .params_bytes = sizeof p};
    cr_status status = cr_node_new(&spec, &v, err);
    if (status == CR_OK) {
        cr_weights_ref(w);
        status = set_cuts(v, input, w, err);
    }
    cr_array_unref(input);
    if (status != CR_OK)
        cr_array_unref(v);
    else
        *ret_array = v;
    return status;
}
