/* zonal_mean.c - the mean along the circles of latitude, over all times, as a NetCDF file.
 *
 *   zonal_mean IN VARIABLE LONGITUDE TIME OUT      zonal_mean A1B.nc air_temperature longitude time zonal.nc
 *
 * The shortest program of these: open, reduce, write. Build it with: cc zonal_mean.c $(pkg-config --cflags --libs craton)
 */
#include <stdio.h>

#include <craton/craton.h>

typedef struct work {
    cr_context *context;
    cr_dataset *in, *out;
    cr_labelled *values, *zonal;
} work;

/* The first failure ends it, with its message in err. */
#define TRY(call)                        \
    do {                                 \
        cr_status status = (call);       \
        if (status != CR_OK)             \
            return status;               \
    } while (0)

static cr_status run(work *w, char **argv, cr_err *err) {
    const char *over[] = {argv[3], argv[4]};
    const cr_write_options how = {.format = "netcdf4", .overwrite = true};
    TRY(cr_context_new(NULL, &w->context, err));
    TRY(cr_dataset_open(w->context, argv[1], NULL, &w->in, err));
    TRY(cr_dataset_get(w->in, argv[2], &w->values, err));
    TRY(cr_labelled_reduce(CR_REDUCE_MEAN, w->values, 2, over, NULL, &w->zonal, err));
    TRY(cr_dataset_new(w->context, 1, &w->zonal, 0, NULL, &w->out, err));
    return cr_dataset_write(w->out, argv[5], &how, err);          /* all of the above happens here, in one pass over the file */
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    if (argc != 6) {
        fprintf(stderr, "Usage: %s IN VARIABLE LONGITUDE TIME OUT\n", argv[0]);
        return cr_status_exit(CR_INVALID);
    }
    cr_status status = run(&w, argv, &err);
    if (status != CR_OK)
        fprintf(stderr, "%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    cr_dataset_unref(w.out);
    cr_labelled_unref(w.zonal);
    cr_labelled_unref(w.values);
    cr_dataset_unref(w.in);
    cr_context_free(w.context);
    return cr_status_exit(status);
}
