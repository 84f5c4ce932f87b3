/* climate_craton.c - w2 from C, with labels: the monthly climatology of daily fields, and the mean of the anomalies weighted with the cosine of
 * the latitude; also the 90th percentile over time of w5.
 *
 *   climate_craton [--threads N] [--memory MIB] [--days N] [--keep] climatology|anomalies|percentile FILE
 *
 * --days: only so many from the beginning on, for the measurements against the amount of data. --keep: as many decoded chunks as the hand-written
 * loop keeps with that option, and not as many as is the engine's default.
 */
#include <craton/craton.h>
#include <string.h>

#include "figures.h"

static cr_err err = CR_ERR_INIT;

static void must(cr_status status) {
    if (status != CR_OK)
        fail("%s\n%s", err.message, err.hint);
}

static cr_labelled *climatology_of(cr_labelled *tas) {
    cr_labelled *mean;
    must(cr_group_reduce(CR_REDUCE_MEAN, tas, "time.month", &(cr_reduce_options){.skipna = true}, &mean, &err));
    return mean;
}

static cr_labelled *weighted_anomalies(cr_labelled *tas, cr_labelled *climatology) {
    static const char *const over[] = {"lat", "lon"};
    cr_labelled *anomaly, *latitude, *radians, *weights, *series;
    must(cr_group_map(CR_MAP_SUBTRACT, tas, "time.month", climatology, &anomaly, &err));
    must(cr_labelled_coord(tas, "lat", &latitude, &err));
    must(cr_labelled_map(CR_MAP_DEG2RAD, &latitude, &radians, &err));
    must(cr_labelled_map(CR_MAP_COS, &radians, &weights, &err));
    must(cr_weighted_mean(anomaly, weights, 2, over, &series, &err));
    cr_labelled *all[] = {anomaly, latitude, radians, weights};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cr_labelled_unref(all[i]);
    return series;
}

int main(int argc, char **argv) {
    options o = options_read(argc, argv, 1);
    cr_context_options how = {.threads = o.threads, .memory_limit_bytes = (uint64_t)o.memory_mib << 20, .simd_level = -1,
                              .keep_bytes = o.keep ? (uint64_t)512 << 20 : 0};
    cr_context *c;
    cr_dataset *in;
    cr_labelled *whole, *tas, *climatology = NULL, *series = NULL;
    cr_array *arrays[2];
    const char *names[2];
    void *out[2];
    int n = 0;
    must(cr_context_new(&how, &c, &err));
    must(cr_dataset_open(c, o.path, NULL, &in, &err));
    must(cr_dataset_get(in, "tas", &whole, &err));
    must(cr_isel_range(whole, "time", 0, o.days ? o.days : CR_FROM_END, 1, &tas, &err));
    if (strcmp(o.what, "percentile") == 0) {
        names[n] = "tas";
        must(cr_array_quantile(cr_labelled_array(tas), 1, (int[]){0}, 1, (double[]){0.9}, &(cr_quantile_options){.skipna = true}, &arrays[n++], &err));
    } else {
        climatology = climatology_of(tas);
        names[n] = "climatology";
        arrays[n++] = cr_array_ref(cr_labelled_array(climatology));
        if (strcmp(o.what, "anomalies") == 0) {
            series = weighted_anomalies(tas, climatology);
            names[n] = "series";
            arrays[n++] = cr_array_ref(cr_labelled_array(series));
        } else if (strcmp(o.what, "climatology") != 0) {
            fail("it computes a climatology, anomalies or a percentile");
        }
    }
    for (int i = 0; i < n; i++)
        out[i] = memory((size_t)cr_array_size(arrays[i]), cr_array_itemsize(arrays[i]));
    must(cr_compute(c, n, arrays, out, &err));
    digest_begin();
    for (int i = 0; i < n; i++) {
        if (cr_array_dtype(arrays[i]) == CR_F32)
            digest_floats(names[i], out[i], cr_array_ndim(arrays[i]), cr_array_shape(arrays[i]));
        else
            digest_doubles(names[i], out[i], cr_array_ndim(arrays[i]), cr_array_shape(arrays[i]));
        cr_array_unref(arrays[i]);
    }
    digest_end();
    cr_labelled_unref(whole);
    cr_labelled_unref(tas);
    cr_labelled_unref(climatology);
    cr_labelled_unref(series);
    cr_dataset_unref(in);
    cr_context_free(c);
    return 0;
}
