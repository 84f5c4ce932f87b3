/* fuzz_plot.c - any numbers as values, labels and places of a small array, drawn in every form: as PNG, as SVG and on a terminal. */
#include "fuzz_text.h"

#include "base/error.h"
#include "cli/picture.h"

static cr_context *context;

/* Doubles from the input, then 0. */
typedef struct numbers {
    const uint8_t *at;
    size_t left;
} numbers;

static double next(numbers *n) {
    double v = 0;
    size_t take = CR_MIN(n->left, sizeof v);
    memcpy(&v, n->at, take);
    n->at += take;
    n->left -= take;
    return v;
}

static cr_labelled *filled(numbers *n, const char *name, int ndim, const char *const *dims, const int64_t *shape, cr_kind kind) {
    double real[64];
    int64_t whole[64], size = ndim == 2 ? shape[0] * shape[1] : shape[0];
    cr_array *data = NULL;
    cr_labelled *a = NULL;
    for (int64_t k = 0; k < size; k++) {
        real[k] = next(n);
        memcpy(&whole[k], &real[k], sizeof *whole);
    }
    bool times = kind == CR_KIND_TIMES;
    fuzz_must(cr_array_copy_memory(times ? CR_I64 : CR_F64, ndim, shape, times ? (const void *)whole : real, &data, NULL) == CR_OK);
    fuzz_must(cr_labelled_new(context, name, dims, data, kind, CR_CALENDAR_STANDARD, &a, NULL) == CR_OK);
    cr_array_unref(data);
    return a;
}

/* a gets a coordinate when it can be one. */
static void add_coord(cr_labelled **a, cr_labelled *coord, const char *units) {
    cr_labelled *named = coord, *next = NULL;
    if (units)
        fuzz_must(cr_set_attr(coord, "units", units, &named, NULL) == CR_OK);
    if (cr_labelled_with_coord(*a, named, &next, NULL) == CR_OK)
        cr_labelled_become(a, next);
    if (units)
        cr_labelled_unref(named);
    cr_labelled_unref(coord);
}

static void draw(cr_labelled *a, const cr_plot_options *options) {
    cr_plot plot;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_plot_make(context, a, options, &plot, &err);
    fuzz_must(status == CR_OK || (err.status == status && status != CR_INTERNAL && err.message[0]));
    if (status != CR_OK)
        return;
    fuzz_must(plot.low <= plot.high);
    for (int form = 0; form < 5; form++) {
        cr_buf out;
        cr_cli_screen screen = {.columns = 40, .colour = form == 2, .utf8 = form < 4};
        cr_buf_init(&out, 16 << 20);
        status = form < 2 ? cr_picture_file(&plot, form == 1, 200, &out, &err) : cr_picture_text(&plot, &screen, form == 4, &out, &err);
        fuzz_must(status == CR_OK && out.len > 0);
        cr_buf_done(&out);
    }
    cr_plot_done(&plot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const dims[] = {"y", "x"};
    if (size < 2)
        return 0;
    cr_context_options limits = {.threads = 1, .memory_limit_bytes = 16 << 20, .simd_level = -1};
    if (!context)
        fuzz_must(cr_context_new(&limits, &context, NULL) == CR_OK);
    int kind = data[0] % 6;
    int64_t shape[2] = {1 + data[1] % 7, 1 + data[1] / 7 % 7};
    numbers n = {data + 2, size - 2};
    cr_plot_options options = {.most = data[0] & 128 ? 3 : 1024, .histogram = kind == 5, .bins = kind == 5 ? 1 + data[1] % 9 : 0};
    cr_labelled *a = filled(&n, "v", kind > 2 ? 1 : 2, dims, shape, CR_KIND_NUMBERS);
    if (kind == 0 || kind == 3) {
        add_coord(&a, filled(&n, "y", 1, dims, shape, kind == 3 ? CR_KIND_TIMES : CR_KIND_NUMBERS), kind == 3 ? NULL : "degrees_north");
        if (kind == 0)
            add_coord(&a, filled(&n, "x", 1, dims + 1, shape + 1, CR_KIND_NUMBERS), "degrees_east");
    } else if (kind == 1 || kind == 4) {
        add_coord(&a, filled(&n, "y", 1, dims, shape, CR_KIND_NUMBERS), NULL);
    } else if (kind == 2) {
        add_coord(&a, filled(&n, "lat", 2, dims, shape, CR_KIND_NUMBERS), "degrees_north");
        add_coord(&a, filled(&n, "lon", 2, dims, shape, CR_KIND_NUMBERS), "degrees_east");
    }
    draw(a, &options);
    cr_labelled_unref(a);
    return 0;
}
