/* composite.c - the greenest NDVI of each month of a series of satellite scenes, within a memory limit, with progress and Ctrl-C.
 *
 *   composite IN RED NIR TIME OUT [MEBIBYTES]      composite scenes.nc red nir time ndvi.zarr 256
 *
 * NDVI is (nir - red) / (nir + red), missing where both are 0 or missing. Reads a NetCDF file or Zarr store, writes the variable "ndvi" (as a NetCDF-4
 * file when OUT ends in .nc). Ctrl-C leaves nothing behind: what is not complete is never at OUT. Build it with: cc composite.c $(pkg-config
 * --cflags --libs craton)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <craton/craton.h>

typedef struct work {
    cr_context *context;
    cr_dataset *in, *out;
    cr_labelled *red, *nir, *difference, *sum, *zero, *lit, *known, *ndvi, *monthly, *named, *result;
} work;

static cr_context *running;       /* for the signal handler */

static void stop(int signal) {
    (void)signal;
    cr_context_cancel(running);
}

static void show(void *user, double done, double total, int phase, int n_phases) {
    (void)user, (void)phase, (void)n_phases;
    fprintf(stderr, "\r%3.0f %%%s", total > 0 ? 100 * done / total : 100, done >= total ? "\n" : "");
}

static cr_status begin(work *w, char **argv, cr_err *err) {
    cr_context_options options = {.simd_level = -1, .progress = show, .cancel_stays = true};
    long long mebibytes = argv[6] ? atoll(argv[6]) : 0;
    if (mebibytes > 0)
        options.memory_limit_bytes = (uint64_t)mebibytes << 20;
    cr_status status = cr_context_new(&options, &w->context, err);
    if (status == CR_OK)
        status = cr_dataset_open(w->context, argv[1], NULL, &w->in, err);
    if (status == CR_OK)
        status = cr_dataset_get(w->in, argv[2], &w->red, err);
    if (status == CR_OK)
        status = cr_dataset_get(w->in, argv[3], &w->nir, err);
    return status;
}

/* Nothing is read here: these are steps of a plan, which one pass over the file carries out. */
static cr_status compute(work *w, const char *time, cr_err *err) {
    cr_attr name = {.name = "long_name", .dtype = CR_STRING, .n = 1, .values = (const char *[]){"greatest NDVI of the month"}};
    cr_status status = cr_labelled_map(CR_MAP_SUBTRACT, (cr_labelled *[]){w->nir, w->red}, &w->difference, err);
    if (status == CR_OK)
        status = cr_labelled_map(CR_MAP_ADD, (cr_labelled *[]){w->nir, w->red}, &w->sum, err);
    if (status == CR_OK)
        status = cr_labelled_number(w->context, 0, &w->zero, err);
    if (status == CR_OK)
        status = cr_labelled_map(CR_MAP_GREATER, (cr_labelled *[]){w->sum, w->zero}, &w->lit, err);
    if (status == CR_OK)
        status = cr_labelled_where(w->sum, w->lit, NULL, &w->known, err);
    if (status == CR_OK)
        status = cr_labelled_map(CR_MAP_DIVIDE, (cr_labelled *[]){w->difference, w->known}, &w->ndvi, err);
    if (status == CR_OK)
        status = cr_resample_reduce(CR_REDUCE_MAX, w->ndvi, time, "MS", NULL, &w->monthly, err);
    if (status == CR_OK)
        status = cr_labelled_with_name(w->monthly, "ndvi", &w->named, err);
    if (status == CR_OK)
        status = cr_labelled_with_attrs(w->named, 1, &name, &w->result, err);
    return status;
}

static cr_status save(work *w, const char *out, cr_err *err) {
    size_t n = strlen(out);
    cr_write_options options = {.format = n > 3 && strcmp(out + n - 3, ".nc") == 0 ? "netcdf4" : "zarr3", .overwrite = true};
    cr_status status = cr_dataset_new(w->context, 1, &w->result, 0, NULL, &w->out, err);
    return status == CR_OK ? cr_dataset_write(w->out, out, &options, err) : status;
}

static void done(work *w) {
    cr_labelled *arrays[] = {w->red, w->nir, w->difference, w->sum, w->zero, w->lit, w->known, w->ndvi, w->monthly, w->named, w->result};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        cr_labelled_unref(arrays[k]);
    cr_dataset_unref(w->in);
    cr_dataset_unref(w->out);
    cr_context_free(w->context);
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    if (argc < 6 || argc > 7) {
        fprintf(stderr, "Usage: %s IN RED NIR TIME OUT [MEBIBYTES]\n", argv[0]);
        return cr_status_exit(CR_INVALID);
    }
    cr_status status = begin(&w, argv, &err);
    if (status == CR_OK) {
        running = w.context;
        signal(SIGINT, stop);
        status = compute(&w, argv[4], &err);
    }
    if (status == CR_OK)
        status = save(&w, argv[5], &err);
    if (status != CR_OK)
        fprintf(stderr, "\n%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    done(&w);
    return cr_status_exit(status);
}
