/* coarse.c - a variable on another grid: cells of so many degrees over the whole Earth, each the mean of what lies in it.
 *
 *   coarse IN VARIABLE LATITUDE LONGITUDE DEGREES OUT      coarse A1B.nc air_temperature latitude longitude 10 coarse.nc
 *
 * Latitude and longitude are the last two dimensions of the variable. Shows how an operation that knows no labels (regrid.h) gets them back. Build
 * it with: cc coarse.c $(pkg-config --cflags --libs craton)
 */
#include <stdio.h>
#include <stdlib.h>

#include <craton/craton.h>

typedef struct work {
    cr_context *context;
    cr_dataset *in, *out;
    cr_labelled *values, *lat, *lon, *new_lat, *new_lon, *moved, *half, *result;
    cr_grid *from, *to;
    cr_weights *weights;
    cr_array *data;
    double *rows, *columns;
} work;

#define TRY(call)                        \
    do {                                 \
        cr_status status = (call);       \
        if (status != CR_OK)             \
            return status;               \
    } while (0)

/* The grid that the coordinates of the variable describe; borders of cells are midway between their centres. */
static cr_status source_grid(work *w, const char *lat, const char *lon, cr_err *err) {
    TRY(cr_labelled_coord(w->values, lat, &w->lat, err));
    TRY(cr_labelled_coord(w->values, lon, &w->lon, err));
    int64_t ny = cr_labelled_shape(w->lat)[0], nx = cr_labelled_shape(w->lon)[0];
    w->rows = calloc((size_t)ny + 1, sizeof *w->rows);
    w->columns = calloc((size_t)nx + 1, sizeof *w->columns);
    if (!w->rows || !w->columns)
        return cr_err_set(err, CR_MEMORY, __FILE__, __LINE__, "no memory for the coordinates");
    TRY(cr_labelled_load_doubles(w->lat, w->rows, (size_t)ny, err));
    TRY(cr_labelled_load_doubles(w->lon, w->columns, (size_t)nx, err));
    return cr_grid_rectilinear(ny, w->rows, NULL, nx, w->columns, NULL, NULL, &w->from, err);
}

/* Cells of so many degrees, and their rows of labels. */
static cr_status target_grid(work *w, const char *lat, const char *lon, double degrees, cr_err *err) {
    double rows[180], columns[360];
    int64_t ny = (int64_t)(180 / degrees), nx = (int64_t)(360 / degrees);
    if (!(degrees >= 1 && degrees <= 90) || (double)ny * degrees != 180)
        return cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%g degrees do not divide the Earth: 1, 2, 2.5, 5, 10 ...", degrees);
    for (int64_t j = 0; j < ny; j++)
        rows[j] = -90 + degrees * ((double)j + 0.5);
    for (int64_t i = 0; i < nx; i++)
        columns[i] = degrees * ((double)i + 0.5);
    TRY(cr_grid_rectilinear(ny, rows, NULL, nx, columns, NULL, NULL, &w->to, err));
    TRY(cr_labelled_row(w->context, lat, ny, rows, "degrees_north", &w->new_lat, err));
    return cr_labelled_row(w->context, lon, nx, columns, "degrees_east", &w->new_lon, err);
}

static cr_status run(work *w, char **argv, cr_err *err) {
    const cr_weights_options how = {.method = CR_REGRID_CONSERVATIVE};
    const cr_regrid_options missing = {.skipna = true, .na_thres = 1};
    const cr_write_options writing = {.format = "netcdf4", .overwrite = true};
    TRY(cr_context_new(NULL, &w->context, err));
    TRY(cr_dataset_open(w->context, argv[1], NULL, &w->in, err));
    TRY(cr_dataset_get(w->in, argv[2], &w->values, err));
    TRY(source_grid(w, argv[3], argv[4], err));
    TRY(target_grid(w, argv[3], argv[4], atof(argv[5]), err));
    TRY(cr_weights_make(w->context, w->from, w->to, &how, &w->weights, err));
    TRY(cr_array_regrid(cr_labelled_array(w->values), w->weights, &missing, &w->data, err));
    TRY(cr_labelled_with_values(w->values, w->data, &w->moved, err)); /* the times are those of before; the old rows, which are as long no more, go */
    TRY(cr_labelled_with_coord(w->moved, w->new_lat, &w->half, err));
    TRY(cr_labelled_with_coord(w->half, w->new_lon, &w->result, err));
    TRY(cr_dataset_new(w->context, 1, &w->result, 0, NULL, &w->out, err));
    return cr_dataset_write(w->out, argv[6], &writing, err);
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    if (argc != 7) {
        fprintf(stderr, "Usage: %s IN VARIABLE LATITUDE LONGITUDE DEGREES OUT\n", argv[0]);
        return cr_status_exit(CR_INVALID);
    }
    cr_status status = run(&w, argv, &err);
    if (status != CR_OK)
        fprintf(stderr, "%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    cr_labelled *arrays[] = {w.values, w.lat, w.lon, w.new_lat, w.new_lon, w.moved, w.half, w.result};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        cr_labelled_unref(arrays[k]);
    cr_array_unref(w.data);
    cr_weights_unref(w.weights);
    cr_grid_unref(w.to);
    cr_grid_unref(w.from);
    free(w.columns);
    free(w.rows);
    cr_dataset_unref(w.out);
    cr_dataset_unref(w.in);
    cr_context_free(w.context);
    return cr_status_exit(status);
}
