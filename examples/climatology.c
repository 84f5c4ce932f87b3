/* climatology.c - the mean of each calendar month, and how far each time is from it.
 *
 *   climatology IN VARIABLE TIME OUT      climatology ostia.nc surface_temperature time out.zarr
 *
 * Reads a NetCDF file or Zarr store, writes the variables "climatology" and "anomaly" (as a NetCDF-4 file when OUT ends in .nc), and
 * prints a summary of both. Build it with: cc climatology.c $(pkg-config --cflags --libs craton)
 */
#include <stdio.h>
#include <string.h>

#include <craton/craton.h>

typedef struct work {
    cr_context *context;
    cr_dataset *in, *out;
    cr_labelled *values, *mean, *climatology, *difference, *plain, *anomaly;
} work;

/* Everything stays lazy until cr_dataset_write, which reads the file twice: once for the means, once for the differences. */
static cr_status compute(work *w, const char *in, const char *variable, const char *time, cr_err *err) {
    char by[256];
    cr_status status = cr_context_new(NULL, &w->context, err);
    snprintf(by, sizeof by, "%s.month", time);
    if (status == CR_OK)
        status = cr_dataset_open(w->context, in, NULL, &w->in, err);
    if (status == CR_OK)
        status = cr_dataset_get(w->in, variable, &w->values, err);
    if (status == CR_OK)
        status = cr_group_reduce(CR_REDUCE_MEAN, w->values, by, NULL, &w->mean, err);
    if (status == CR_OK)
        status = cr_labelled_with_name(w->mean, "climatology", &w->climatology, err);
    if (status == CR_OK)
        status = cr_group_map(CR_MAP_SUBTRACT, w->values, by, w->mean, &w->difference, err);
    /* "month" is the dimension of the climatology: it cannot also be a coordinate along the time. */
    if (status == CR_OK)
        status = cr_labelled_without_coord(w->difference, "month", &w->plain, err);
    if (status == CR_OK)
        status = cr_labelled_with_name(w->plain, "anomaly", &w->anomaly, err);
    return status;
}

static cr_status save(work *w, const char *out, cr_err *err) {
    size_t n = strlen(out);
    cr_write_options options = {.format = n > 3 && strcmp(out + n - 3, ".nc") == 0 ? "netcdf4" : "zarr3", .overwrite = true};
    cr_status status = cr_dataset_new(w->context, 2, (cr_labelled *[]){w->climatology, w->anomaly}, 0, NULL, &w->out, err);
    return status == CR_OK ? cr_dataset_write(w->out, out, &options, err) : status;
}

static cr_status show(cr_labelled *a, cr_err *err) {
    char *text = NULL;
    cr_status status = cr_labelled_summary(a, &text, err);
    if (status == CR_OK)
        printf("%s\n", text);
    cr_free(text);
    return status;
}

static void done(work *w) {
    cr_labelled *arrays[] = {w->values, w->mean, w->climatology, w->difference, w->plain, w->anomaly};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        cr_labelled_unref(arrays[k]);
    cr_dataset_unref(w->in);
    cr_dataset_unref(w->out);
    cr_context_free(w->context);
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    if (argc != 5) {
        fprintf(stderr, "Usage: %s IN VARIABLE TIME OUT\n", argv[0]);
        return cr_status_exit(CR_INVALID);
    }
    cr_status status = compute(&w, argv[1], argv[2], argv[3], &err);
    if (status == CR_OK)
        status = save(&w, argv[4], &err);
    if (status == CR_OK)
        status = show(w.climatology, &err);
    if (status == CR_OK)
        status = show(w.anomaly, &err);
    if (status != CR_OK)
        fprintf(stderr, "%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    done(&w);
    return cr_status_exit(status);
}
