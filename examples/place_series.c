/* place_series.c - the series of the cell that is nearest to a place, as CSV on standard output.
 *
 *   place_series IN VARIABLE LATITUDE=NUMBER LONGITUDE=NUMBER      place_series A1B.nc air_temperature latitude=52.5 longitude=283.4
 *
 * What is left must be one dimension of times. Only the chunks with that cell are read. Build it with: cc place_series.c $(pkg-config --cflags --libs craton)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <craton/craton.h>

typedef struct work {
    cr_context *context;
    cr_dataset *in;
    cr_labelled *values, *row, *cell, *time;
    double *numbers;
    int64_t *instants;
} work;

#define TRY(call)                        \
    do {                                 \
        cr_status status = (call);       \
        if (status != CR_OK)             \
            return status;               \
    } while (0)

/* "latitude=52.5": the dimension is cut off in place. */
static cr_status nearest(cr_labelled *a, char *word, cr_labelled **ret_array, cr_err *err) {
    char *equals = strchr(word, '=');
    if (!equals)
        return cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s is not DIMENSION=NUMBER", word);
    *equals = 0;
    return cr_sel(a, word, strtod(equals + 1, NULL), CR_MATCH_NEAREST, ret_array, err);
}

static cr_status run(work *w, char **argv, size_t *ret_n, cr_err *err) {
    TRY(cr_context_new(NULL, &w->context, err));
    TRY(cr_dataset_open(w->context, argv[1], NULL, &w->in, err));
    TRY(cr_dataset_get(w->in, argv[2], &w->values, err));
    TRY(nearest(w->values, argv[3], &w->row, err));
    TRY(nearest(w->row, argv[4], &w->cell, err));
    if (cr_labelled_ndim(w->cell) != 1)
        return cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%d dimensions are left, not one", cr_labelled_ndim(w->cell));
    TRY(cr_labelled_coord(w->cell, cr_labelled_dim(w->cell, 0), &w->time, err));
    if (cr_labelled_kind(w->time) != CR_KIND_TIMES)
        return cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s has no times", cr_labelled_name(w->time));
    size_t n = *ret_n = (size_t)cr_labelled_shape(w->cell)[0];
    w->numbers = calloc(n + 1, sizeof *w->numbers);
    w->instants = calloc(n + 1, sizeof *w->instants);
    if (!w->numbers || !w->instants)
        return cr_err_set(err, CR_MEMORY, __FILE__, __LINE__, "no memory for %zu values", n);
    TRY(cr_labelled_load_doubles(w->cell, w->numbers, n, err));
    return cr_labelled_load(w->time, w->instants, n * sizeof *w->instants, err);
}

static void print(const work *w, size_t n) {
    printf("time,%s\n", cr_labelled_name(w->values));
    for (size_t k = 0; k < n; k++) {
        cr_date date;
        char text[64];
        cr_date_from_us(cr_labelled_calendar(w->time), w->instants[k], &date);
        printf(isnan(w->numbers[k]) ? "%s,\n" : "%s,%.9g\n", cr_date_text(&date, text, sizeof text), w->numbers[k]);
    }
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    size_t n = 0;
    if (argc != 5) {
        fprintf(stderr, "Usage: %s IN VARIABLE LATITUDE=NUMBER LONGITUDE=NUMBER\n", argv[0]);
        return cr_status_exit(CR_INVALID);
    }
    cr_status status = run(&w, argv, &n, &err);
    if (status == CR_OK)
        print(&w, n);
    else
        fprintf(stderr, "%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    free(w.instants);
    free(w.numbers);
    cr_labelled *arrays[] = {w.time, w.cell, w.row, w.values};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        cr_labelled_unref(arrays[k]);
    cr_dataset_unref(w.in);
    cr_context_free(w.context);
    return cr_status_exit(status);
}
