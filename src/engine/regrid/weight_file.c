/* weight_file.c - weights in NetCDF: ESMF's names (row, col, S, n_a, n_b, src_grid_dims; ESMF Reference Manual, "Regrid interpolation weight
 * file format") and SCRIP's (dst_address, src_address, remap_matrix; SCRIP User's Guide 1.4, chapter 2.3). Both count cells from 1, and the
 * sizes of a grid from the axis that varies fastest. */
#include <stdlib.h>

#include "craton/file.h"
#include "engine/array/weights.h"
#include "engine/exec/run.h"

static void array_cleanup(cr_array **a) { cr_array_unref(*a); }
#define cr_auto_array __attribute__((cleanup(array_cleanup)))

/* ---- reading ---- */

typedef struct names {
    const char *form, *row, *col, *weight;
} names;

static const names forms[] = {{"ESMF", "row", "col", "S"}, {"SCRIP", "dst_address", "src_address", "remap_matrix"}};

/* A variable of n numbers in memory; of a matrix the first column. */
static cr_status load(cr_context *c, const cr_file *f, const char *name, cr_dtype type, int64_t *ret_n, void **ret_values, cr_err *err) {
    cr_auto_array cr_array *stored = NULL, *column = NULL, *cast = NULL;
    const cr_variable *v = cr_file_find(f, name);
    if (v == NULL || v->ndim < 1 || v->ndim > 2 || strchr("iuf", cr_dtype_kind(v->dtype)) == NULL)
        return CR_FAIL(err, CR_FORMAT, "%s is not there, or is no list of numbers", name);
    if (v->shape[0] < 0 || (uint64_t)v->shape[0] > c->memory_limit_bytes / 48 || (v->ndim == 2 && v->shape[1] < 1))
        return CR_FAIL(err, CR_LIMIT, "%s has %lld values; that does not fit the memory limit", name, (long long)v->shape[0]);
    CR_TRY(cr_file_array(f, name, &stored, err));
    int64_t n = v->shape[0];
    if (v->ndim == 2) {
        const cr_slice first[] = {{0, 1, n}, {0, 1, 1}};
        CR_TRY(cr_array_slice(stored, first, &column, err));
    } else {
        column = cr_array_ref(stored);
    }
    CR_TRY(cr_array_cast(column, type, &cast, err));
    void *values = malloc(((size_t)n + 1) * 8);
    if (values == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld numbers", (long long)n);
    cr_status status = cr_compute(c, 1, &cast, &values, err);
    if (status != CR_OK) {
        free(values);
        return status;
    }
    *ret_n = n;
    *ret_values = values;
    return CR_OK;
}

static int64_t dim_length(const cr_file *f, const char *name) {
    for (int i = 0; i < cr_file_n_dims(f); i++)
        if (strcmp(cr_file_dim(f, i)->name, name) == 0)
            return cr_file_dim(f, i)->length;
    return -1;
}

/* Shape of a grid: as given, or as the file says. */
static cr_status grid_shape(cr_context *c, const cr_file *f, bool source, int given, const int64_t *given_shape, int *ret_ndim,
                            int64_t *ret_shape, cr_err *err) {
    const char *which = source ? "source" : "target", *dims = source ? "src_grid_dims" : "dst_grid_dims";
    int64_t cells = dim_length(f, source ? "n_a" : "n_b"), n = 0;
    if (cells < 0)
        cells = dim_length(f, source ? "src_grid_size" : "dst_grid_size");
    if (given != 0) {
        int64_t product;
        if (given_shape[0] < 1 || (given == 2 && given_shape[1] < 1) ||
            __builtin_mul_overflow(given_shape[0], given == 2 ? given_shape[1] : 1, &product))
            return CR_FAIL(err, CR_INVALID, "the shape given for the %s grid is empty, negative or too large", which);
        if (cells >= 0 && cells != product)
            return CR_FAIL(err, CR_INVALID, "the %s grid has %lld cells, the file of weights was made for %lld", which, (long long)product,
                           (long long)cells);
        *ret_ndim = given;
        memcpy(ret_shape, given_shape, (size_t)given * sizeof *ret_shape);
        return CR_OK;
    }
    cr_auto_free void *values = NULL;
    if (cr_file_find(f, dims) != NULL)
        CR_TRY(load(c, f, dims, CR_I64, &n, &values, err));
    const int64_t *size = values;
    if (n == 2 && size[0] > 0 && size[1] > 0 && size[0] <= INT32_MAX && size[1] <= INT32_MAX && (cells < 0 || size[0] * size[1] == cells)) {
        *ret_ndim = 2;
        ret_shape[0] = size[1];
        ret_shape[1] = size[0];
        return CR_OK;
    }
    if (n > 2 || n == 2 || (n == 1 && cells >= 0 && size[0] != cells))
        return CR_FAIL(err, CR_FORMAT, "%s does not fit a grid of %lld cells", dims, (long long)cells);
    if (n == 0 && cells < 0) {
        cr_status s = CR_FAIL(err, CR_INVALID, "the file of weights does not say how large the %s grid is", which);
        cr_err_hint(err, "give its shape");
        return s;
    }
    *ret_ndim = 1;
    ret_shape[0] = n == 1 ? size[0] : cells;
    return CR_OK;
}

static cr_status read_open(cr_context *c, const cr_file *f, int src_ndim, const int64_t *src_shape, int dst_ndim, const int64_t *dst_shape,
                           cr_weights **ret_weights, cr_err *err) {
    const names *form = cr_file_find(f, forms[0].weight) != NULL ? &forms[0] : &forms[1];
    int64_t n, n_row, n_col, src[2] = {0, 0}, dst[2] = {0, 0};
    int src_n, dst_n;
    cr_auto_free void *rows = NULL, *cols = NULL, *weights = NULL;
    if (cr_file_find(f, form->weight) == NULL) {
        cr_status s = CR_FAIL(err, CR_FORMAT, "it holds no regridding weights");
        cr_err_hint(err, "ESMF's files hold row, col and S, SCRIP's dst_address, src_address and remap_matrix");
        return s;
    }
    CR_TRY(load(c, f, form->weight, CR_F64, &n, &weights, err));
    CR_TRY(load(c, f, form->row, CR_I64, &n_row, &rows, err));
    CR_TRY(load(c, f, form->col, CR_I64, &n_col, &cols, err));
    if (n != n_row || n != n_col)
        return CR_FAIL(err, CR_FORMAT, "it holds %lld values of %s, %lld of %s and %lld of %s", (long long)n, form->weight, (long long)n_row,
                       form->row, (long long)n_col, form->col);
    CR_TRY(grid_shape(c, f, true, src_ndim, src_shape, &src_n, src, err));
    CR_TRY(grid_shape(c, f, false, dst_ndim, dst_shape, &dst_n, dst, err));
    int64_t *row = rows, *col = cols;
    for (int64_t k = 0; k < n; k++) { /* the least of all would wrap */
        row[k] = row[k] == INT64_MIN ? -1 : row[k] - 1;
        col[k] = col[k] == INT64_MIN ? -1 : col[k] - 1;
    }
    /* Grids are memory in proportion to their cells, whatever the file says. */
    double cells = (double)src[0] * (double)(src_n == 2 ? src[1] : 1) + (double)dst[0] * (double)(dst_n == 2 ? dst[1] : 1);
    if (cells > (double)c->memory_limit_bytes / 32)
        return CR_FAIL(err, CR_LIMIT, "grids of %.0f cells do not fit the memory limit", cells);
    cr_status status = cr_weights_from_triplets(src_n, src, dst_n, dst, n, row, col, weights, ret_weights, err);
    if (status == CR_RANGE || status == CR_INVALID) { /* the file is wrong, not who reads it */
        status = CR_FORMAT;
        if (err != NULL)
            err->status = status;
    }
    return status;
}

cr_status cr_weights_read(cr_context *c, const char *path, int src_ndim, const int64_t *src_shape, int dst_ndim, const int64_t *dst_shape,
                          cr_weights **ret_weights, cr_err *err) {
    cr_file *f;
    if (src_ndim < 0 || src_ndim > 2 || dst_ndim < 0 || dst_ndim > 2)
        return CR_FAIL(err, CR_INVALID, "grids of %d and %d axes; 1 and 2 are possible", src_ndim, dst_ndim);
    CR_TRY(cr_file_open(path, NULL, &f, err));
    cr_status status = read_open(c, f, src_ndim, src_shape, dst_ndim, dst_shape, ret_weights, err);
    cr_file_close(f);
    if (status != CR_OK)
        cr_err_context(err, "while reading weights from %s", path);
    return status;
}

/* ---- writing ---- */

static cr_status put(cr_writer *w, const char *name, const char *dim, int64_t n, cr_dtype stored, cr_dtype type, const void *values,
                     const char *units, cr_err *err) {
    cr_auto_array cr_array *a = NULL;
    const cr_attr attr = {.name = "units", .dtype = CR_STRING, .n = 1, .values = &units};
    cr_write_variable v = {.name = name, .ndim = 1, .dims = &dim, .shape = &n, .dtype = stored, .attrs = &attr, .n_attrs = units != NULL};
    CR_TRY(cr_array_copy_memory(type, 1, &n, values, &a, err));
    return cr_writer_variable(w, &v, a, err);
}

static cr_status put_grid(cr_writer *w, bool source, int ndim, const int64_t *shape, cr_err *err) {
    int64_t turned[2] = {ndim == 2 ? shape[1] : shape[0], shape[0]};
    return put(w, source ? "src_grid_dims" : "dst_grid_dims", source ? "src_grid_rank" : "dst_grid_rank", ndim, CR_I32, CR_I64, turned, NULL,
               err);
}

static cr_status put_all(cr_writer *w, const cr_weights *m, cr_err *err) {
    int64_t n = m->n, src[2], dst[2];
    cr_auto_free int64_t *row = malloc(((size_t)n + 1) * sizeof *row), *col = malloc(((size_t)n + 1) * sizeof *col);
    cr_auto_free double *weight = malloc(((size_t)n + 1) * sizeof *weight);
    const char *title = "regridding weights, applied as: target[row] += S * source[col]";
    const cr_attr attr = {.name = "title", .dtype = CR_STRING, .n = 1, .values = &title};
    if (row == NULL || col == NULL || weight == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld regridding weights", (long long)n);
    cr_weights_triplets(m, row, col, weight);
    for (int64_t k = 0; k < n; k++) {
        row[k]++;
        col[k]++;
    }
    CR_TRY(cr_writer_attrs(w, &attr, 1, err));
    CR_TRY(put_grid(w, true, cr_weights_source(m, src), src, err));
    CR_TRY(put_grid(w, false, cr_weights_target(m, dst), dst, err));
    if (m->src_area != NULL)
        CR_TRY(put(w, "area_a", "n_a", m->n_src, CR_F64, CR_F64, m->src_area, "steradian", err));
    if (m->dst_area != NULL)
        CR_TRY(put(w, "area_b", "n_b", m->n_dst, CR_F64, CR_F64, m->dst_area, "steradian", err));
    CR_TRY(put(w, "frac_b", "n_b", m->n_dst, CR_F64, CR_F64, m->dst_fraction != NULL ? m->dst_fraction : m->sum, "1", err));
    CR_TRY(put(w, "row", "n_s", n, CR_I32, CR_I64, row, NULL, err));
    CR_TRY(put(w, "col", "n_s", n, CR_I32, CR_I64, col, NULL, err));
    return put(w, "S", "n_s", n, CR_F64, CR_F64, weight, NULL, err);
}

cr_status cr_weights_write(cr_context *c, const cr_weights *w, const char *path, bool overwrite, cr_err *err) {
    cr_write_options options = {.format = "netcdf4", .overwrite = overwrite};
    cr_writer *to;
    CR_TRY(cr_writer_new(path, &options, &to, err));
    cr_status status = put_all(to, w, err);
    if (status == CR_OK)
        status = cr_writer_finish(to, c, err);
    cr_writer_free(to);
    if (status != CR_OK)
        cr_err_context(err, "while writing weights to %s", path);
    return status;
}
