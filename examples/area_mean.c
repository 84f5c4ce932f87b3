/* area_mean.c - the mean over an area, weighted with the cosine of the latitude, as a table of time and value.
 *
 *   area_mean IN VARIABLE LATITUDE LONGITUDE      area_mean A1B.nc air_temperature latitude longitude
 *
 * The mean is over the two named dimensions; what is left must be one dimension of times. Build it with: cc area_mean.c $(pkg-config --cflags --libs craton)
 */
#include <stdio.h>
#include <stdlib.h>

#include <craton/craton.h>

typedef struct work {
    cr_context *context;
    cr_dataset *in;
    cr_labelled *values, *latitude, *radians, *weights, *mean, *time;
    double *numbers;
    int64_t *instants;
} work;

static cr_status compute(work *w, char **argv, cr_err *err) {
    const char *over[] = {argv[3], argv[4]};
    cr_status status = cr_context_new(NULL, &w->context, err);
    if (status == CR_OK)
        status = cr_dataset_open(w->context, argv[1], NULL, &w->in, err);
    if (status == CR_OK)
        status = cr_dataset_get(w->in, argv[2], &w->values, err);
    if (status == CR_OK)
        status = cr_labelled_coord(w->values, argv[3], &w->latitude, err);
    if (status == CR_OK)
        status = cr_labelled_map(CR_MAP_DEG2RAD, &w->latitude, &w->radians, err);
    if (status == CR_OK)
        status = cr_labelled_map(CR_MAP_COS, &w->radians, &w->weights, err);
    if (status == CR_OK)
        status = cr_weighted_mean(w->values, w->weights, 2, over, &w->mean, err);
    if (status == CR_OK)
        status = cr_labelled_coord(w->mean, cr_labelled_ndim(w->mean) == 1 ? cr_labelled_dim(w->mean, 0) : "", &w->time, err);
    return status;
}

/* The series as numbers of C. */
static cr_status load(work *w, size_t *ret_n, cr_err *err) {
    cr_array *wide = NULL;
    size_t n = (size_t)cr_labelled_shape(w->mean)[0];
    w->numbers = malloc(n * sizeof *w->numbers + 1);
    w->instants = malloc(n * sizeof *w->instants + 1);
    if (!w->numbers || !w->instants || cr_labelled_kind(w->time) != CR_KIND_TIMES)
        return cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s is no row of times", cr_labelled_name(w->time));
    cr_status status = cr_array_cast(cr_labelled_array(w->mean), CR_F64, &wide, err);
    if (status == CR_OK)
        status = cr_compute(w->context, 1, &wide, (void *[]){w->numbers}, err);
    cr_array_unref(wide);
    *ret_n = n;
    return status == CR_OK ? cr_labelled_load(w->time, w->instants, n * sizeof *w->instants, err) : status;
}

static void print(const work *w, size_t n) {
    for (size_t k = 0; k < n; k++) {
        cr_date date;
        char text[64];
        cr_date_from_us(cr_labelled_calendar(w->time), w->instants[k], &date);
        printf("%s\t%.10g\n", cr_date_text(&date, text, sizeof text), w->numbers[k]);
    }
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    size_t n = 0;
    if (argc != 5) {
        fprintf(stderr, "Usage: %s IN VARIABLE LATITUDE LONGITUDE\n", argv[0]);
        return cr_status_exit(CR_INVALID);
    }
    cr_status status = compute(&w, argv, &err);
    if (status == CR_OK)
        status = load(&w, &n, &err);
    if (status == CR_OK)
        print(&w, n);
    else
        fprintf(stderr, "%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    cr_labelled *arrays[] = {w.values, w.latitude, w.radians, w.weights, w.mean, w.time};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        cr_labelled_unref(arrays[k]);
    free(w.numbers);
    free(w.instants);
    cr_dataset_unref(w.in);
    cr_context_free(w.context);
    return cr_status_exit(status);
}
