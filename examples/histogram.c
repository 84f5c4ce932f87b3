/* histogram.c - how often values are, counted by a function of one's own that gets block after block.
 *
 *   histogram IN VARIABLE LOWEST HIGHEST BINS      histogram ostia.nc surface_temperature 288 305 17
 *
 * The blocks come from several threads at once, in any order, and each value comes once; what the function keeps has a lock. An array of any
 * size goes through within the memory limit. Build it with: cc histogram.c $(pkg-config --cflags --libs craton) -pthread
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <craton/craton.h>

enum { BINS_MOST = 1000 };

typedef struct histogram {
    pthread_mutex_t lock;
    double lowest, highest;
    int n, ndim;
    long long bins[BINS_MOST], missing, outside;
} histogram;

/* data holds count[0] * count[1] * ... values, row-major; start is where they lie in the array. What is returned here, if it is not CR_OK, ends
 * cr_compute_to with it. */
static cr_status count(void *user, const int64_t *start, const int64_t *size, const void *data, cr_err *err) {
    histogram *h = user;
    const double *values = data;
    long long own[BINS_MOST] = {0}, missing = 0, outside = 0;
    int64_t n = 1;
    (void)start, (void)err;
    for (int k = 0; k < h->ndim; k++)
        n *= size[k];
    for (int64_t i = 0; i < n; i++) {
        double at = (values[i] - h->lowest) / (h->highest - h->lowest) * h->n;
        if (values[i] != values[i])
            missing++;
        else if (at >= 0 && at < h->n)
            own[(int)at]++;
        else
            outside++;
    }
    pthread_mutex_lock(&h->lock);
    for (int k = 0; k < h->n; k++)
        h->bins[k] += own[k];
    h->missing += missing;
    h->outside += outside;
    pthread_mutex_unlock(&h->lock);
    return CR_OK;
}

typedef struct work {
    cr_context *context;
    cr_dataset *in;
    cr_labelled *values;
    cr_array *wide;
} work;

#define TRY(call)                        \
    do {                                 \
        cr_status status = (call);       \
        if (status != CR_OK)             \
            return status;               \
    } while (0)

static cr_status run(work *w, char **argv, histogram *h, cr_err *err) {
    cr_sink sink = {.write = count, .user = h};       /* .chunks NULL: blocks as the engine likes them */
    TRY(cr_context_new(NULL, &w->context, err));
    TRY(cr_dataset_open(w->context, argv[1], NULL, &w->in, err));
    TRY(cr_dataset_get(w->in, argv[2], &w->values, err));
    if (cr_labelled_kind(w->values) != CR_KIND_NUMBERS)
        return cr_err_set(err, CR_TYPE, __FILE__, __LINE__, "%s is no numbers", argv[2]);
    h->ndim = cr_labelled_ndim(w->values);
    TRY(cr_array_cast(cr_labelled_array(w->values), CR_F64, &w->wide, err));
    return cr_compute_to(w->context, 1, &w->wide, &sink, err);
}

int main(int argc, char **argv) {
    work w = {0};
    cr_err err = CR_ERR_INIT;
    static histogram h;
    if (argc == 6) {
        h.lowest = atof(argv[3]);
        h.highest = atof(argv[4]);
        h.n = atoi(argv[5]);
    }
    if (argc != 6 || !(h.lowest < h.highest) || h.n < 1 || h.n > BINS_MOST) {
        fprintf(stderr, "Usage: %s IN VARIABLE LOWEST HIGHEST BINS (1 to %d)\n", argv[0], BINS_MOST);
        return cr_status_exit(CR_INVALID);
    }
    pthread_mutex_init(&h.lock, NULL);
    cr_status status = run(&w, argv, &h, &err);
    for (int k = 0; k < h.n && status == CR_OK; k++)
        printf("%.6g\t%lld\n", h.lowest + k * (h.highest - h.lowest) / h.n, h.bins[k]);
    if (status == CR_OK)
        printf("missing\t%lld\noutside\t%lld\n", h.missing, h.outside);
    else
        fprintf(stderr, "%s: %s\n%s%s", argv[0], err.message, err.hint, err.hint[0] ? "\n" : "");
    cr_array_unref(w.wide);
    cr_labelled_unref(w.values);
    cr_dataset_unref(w.in);
    cr_context_free(w.context);
    pthread_mutex_destroy(&h.lock);
    return cr_status_exit(status);
}
