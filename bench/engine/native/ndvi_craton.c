/* ndvi_craton.c - w1 from C, with labels: NDVI's mean of each calendar month, its minimum, maximum and mean.
 *
 *   ndvi_craton [--threads N] [--memory MIB] FILE      FILE: w1.nc of make_data.py
 *
 * The bands are unpacked to float, as the hand-written loop does it; xarray takes double, since scale_factor is one.
 */
#include <craton/craton.h>

#include "figures.h"

static cr_err err = CR_ERR_INIT;

static void must(cr_status status) {
    if (status != CR_OK)
        fail("%s\n%s", err.message, err.hint);
}

static cr_labelled *band(cr_context *c, cr_dataset *stored, cr_labelled *time, const char *name) {
    static const char *const dims[] = {"time", "y", "x"};
    const cr_packing packing = {.has_scale = true, .scale = (double)1e-4f, .out_dtype = CR_F32, .n_fills = 1, .fills = {-9999},
                                .fills_exact = {-9999}, .compare_dtype = CR_I16, .scale_dtype = CR_F32};
    cr_labelled *raw, *plain, *whole;
    cr_array *values;
    must(cr_dataset_get(stored, name, &raw, &err));
    must(cr_array_unpack(cr_labelled_array(raw), &packing, &values, &err));
    must(cr_labelled_new(c, name, dims, values, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, &err));
    must(cr_labelled_with_coord(plain, time, &whole, &err));
    cr_labelled_unref(raw);
    cr_labelled_unref(plain);
    cr_array_unref(values);
    return whole;
}

static cr_labelled *map(cr_map_op op, cr_labelled *a, cr_labelled *b) {
    cr_labelled *result;
    must(cr_labelled_map(op, (cr_labelled *[]){a, b}, &result, &err));
    return result;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"monthly", "low", "high", "mean"}, *const along[] = {"time"};
    static const cr_reduction reductions[] = {CR_REDUCE_MEAN, CR_REDUCE_MIN, CR_REDUCE_MAX, CR_REDUCE_MEAN};
    options o = options_read(argc, argv, 0);
    cr_context_options how = {.threads = o.threads, .memory_limit_bytes = (uint64_t)o.memory_mib << 20, .simd_level = -1};
    cr_context *c;
    cr_dataset *decoded, *stored;
    cr_labelled *time, *results[4];
    cr_array *arrays[4];
    void *out[4];
    must(cr_context_new(&how, &c, &err));
    must(cr_dataset_open(c, o.path, NULL, &decoded, &err));
    must(cr_dataset_open(c, o.path, &(cr_dataset_options){.as_stored = true}, &stored, &err));
    must(cr_dataset_get(decoded, "time", &time, &err));
    cr_labelled *red = band(c, stored, time, "red"), *nir = band(c, stored, time, "nir");
    cr_labelled *difference = map(CR_MAP_SUBTRACT, nir, red), *sum = map(CR_MAP_ADD, nir, red), *ndvi = map(CR_MAP_DIVIDE, difference, sum);
    must(cr_group_reduce(CR_REDUCE_MEAN, ndvi, "time.month", &(cr_reduce_options){.skipna = true}, &results[0], &err));
    for (int i = 1; i < 4; i++)
        must(cr_labelled_reduce(reductions[i], ndvi, 1, along, &(cr_reduce_options){.skipna = true}, &results[i], &err));
    for (int i = 0; i < 4; i++) {
        arrays[i] = cr_labelled_array(results[i]);
        if (cr_array_dtype(arrays[i]) != CR_F32)
            fail("%s is %s", names[i], cr_dtype_name(cr_array_dtype(arrays[i])));
        out[i] = memory((size_t)cr_array_size(arrays[i]), sizeof(float));
    }
    must(cr_compute(c, 4, arrays, out, &err));
    digest_begin();
    for (int i = 0; i < 4; i++)
        digest_floats(names[i], out[i], cr_array_ndim(arrays[i]), cr_array_shape(arrays[i]));
    digest_end();
    cr_labelled *all[] = {time, red, nir, difference, sum, ndvi, results[0], results[1], results[2], results[3]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cr_labelled_unref(all[i]);
    cr_dataset_unref(decoded);
    cr_dataset_unref(stored);
    cr_context_free(c);
    return 0;
}
