/* fuzz_labels.c - any bytes as a NetCDF classic file, opened as a dataset: attributes that mean masks, scaling, times, bounds, text and
 * coordinates are decoded, labels read, and what fits is selected, grouped and shown. The last bytes are also read as a date. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "craton/dataset.h"
#include "engine/dataset/variable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { VARIABLES_MOST = 16, VALUES_MOST = 1 << 16 };
static cr_context *context;

/* A failure always says what happened, and never that it should not happen. */
static void check(cr_status status, const cr_err *err) {
    if (status != CR_OK && (err->status != status || status == CR_INTERNAL || !err->message[0]))
        abort();
}

static void check_date(const uint8_t *data, size_t n) {
    char text[40] = "";
    int64_t begin, end;
    cr_err err = CR_ERR_INIT;
    memcpy(text, data + n - CR_MIN(n, 24), CR_MIN(n, 24));
    for (int c = 0; c < CR_CALENDAR_COUNT; c++)
        if (cr_date_span((cr_calendar)c, text, &begin, &end, &err) == CR_OK && begin >= end)
            abort();
}

/* Something of everything with one variable. */
static void use(cr_labelled *a, const char *date) {
    cr_labelled *out = NULL;
    cr_err err = CR_ERR_INIT;
    char *text = NULL, by[300];
    int64_t n = 1;
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        n *= cr_labelled_shape(a)[k];
    if (n > VALUES_MOST)
        return;
    check(cr_labelled_summary(a, &text, &err), &err);
    cr_free(text);
    if (cr_labelled_ndim(a) == 0)
        return;
    const char *dim = cr_labelled_dim(a, 0);
    snprintf(by, sizeof by, "%.200s.month", dim);
    for (int what = 0; what < 6; what++) {
        cr_status status = what == 0   ? cr_sel_text(a, dim, date, CR_MATCH_EXACT, &out, &err)
                           : what == 1 ? cr_sel_text(a, dim, date, CR_MATCH_NEAREST, &out, &err)
                           : what == 2 ? cr_sel_text_range(a, dim, NULL, date, &out, &err)
                           : what == 3 ? cr_sel(a, dim, 1.5, CR_MATCH_NEAREST, &out, &err)
                           : what == 4 ? cr_group_reduce(CR_REDUCE_COUNT, a, by, NULL, &out, &err)
                                       : cr_labelled_reduce(CR_REDUCE_COUNT, a, 0, NULL, NULL, &out, &err);
        check(status, &err);
        if (status != CR_OK)
            continue;
        cr_labelled *held = NULL;
        status = cr_labelled_compute(out, &held, &err);
        check(status, &err);
        if (status == CR_OK)
            cr_labelled_unref(held);
        cr_labelled_unref(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static int fd = -1;
    static char path[64];
    cr_err err = CR_ERR_INIT;
    if (fd < 0) {
        cr_context_options options = {.threads = 1, .memory_limit_bytes = 64 << 20, .simd_level = -1};
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (cr_context_new(&options, &context, &err) != CR_OK)
            abort();
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    check_date(data, n);
    cr_dataset_options options = {.metadata_limit_bytes = 4 << 20, .as_stored = n % 8 == 7};
    cr_dataset *d;
    cr_status status = cr_dataset_open(context, path, &options, &d, &err);
    check(status, &err);
    if (status != CR_OK)
        return 0;
    for (int k = 0; k < cr_dataset_n_variables(d) && k < VARIABLES_MOST; k++) {
        cr_labelled *a = NULL;
        status = cr_dataset_get(d, cr_dataset_name(d, k), &a, &err);
        check(status, &err);
        if (status == CR_OK)
            use(a, "2000-03");
        cr_labelled_unref(a);
    }
    cr_dataset_unref(d);
    return 0;
}
