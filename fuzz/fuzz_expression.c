/* fuzz_expression.c - any text as an expression of `craton calc`: read, and evaluated on three small variables in memory; what comes out is
 * shown as lazily as it is. Nothing is computed. */
#include "fuzz_text.h"

#include "base/error.h"
#include "cli/evaluate.h"

static cr_context *context;
static cr_dataset *dataset;

/* A failure says what happened, and where in the text. */
static void check(cr_status status, const cr_err *err, int at, size_t size) {
    fuzz_must(status == CR_OK || (err->status == status && status != CR_INTERNAL && err->message[0] && at >= 0 && (size_t)at <= size));
}

static cr_labelled *ramp(const char *name, int n_dims, const char *const *dims, cr_kind kind, int64_t step) {
    static const int64_t shape[] = {6, 4};
    int64_t values[24], n = n_dims == 2 ? 24 : kind == CR_KIND_TIMES ? 6 : 4;
    cr_array *data = NULL;
    cr_labelled *a = NULL;
    for (int64_t k = 0; k < n; k++)
        values[k] = k * step + (kind == CR_KIND_TIMES ? INT64_C(63113904000000000) : 0); /* the year 2000 */
    fuzz_must(cr_array_copy_memory(CR_I64, n_dims, n_dims == 2 ? shape : &n, values, &data, NULL) == CR_OK);
    fuzz_must(cr_labelled_new(context, name, dims, data, kind, CR_CALENDAR_NOLEAP, &a, NULL) == CR_OK);
    cr_array_unref(data);
    return a;
}

static void begin(void) {
    static const char *const dims[] = {"time", "lat"};
    cr_context_options options = {.threads = 1, .memory_limit_bytes = 16 << 20, .simd_level = -1};
    fuzz_must(cr_context_new(&options, &context, NULL) == CR_OK);
    cr_labelled *time = ramp("time", 1, dims, CR_KIND_TIMES, INT64_C(20) * 86400 * 1000000), *lat = ramp("lat", 1, dims + 1,
                                                                                                         CR_KIND_NUMBERS, 10);
    cr_labelled *x = ramp("x", 2, dims, CR_KIND_NUMBERS, 3), *y = ramp("y", 1, dims + 1, CR_KIND_NUMBERS, 1), *half = NULL, *both[2];
    fuzz_must(cr_labelled_with_coord(x, time, &half, NULL) == CR_OK && cr_labelled_with_coord(half, lat, &both[0], NULL) == CR_OK);
    fuzz_must(cr_set_attr(y, "units", "K", &both[1], NULL) == CR_OK);
    fuzz_must(cr_dataset_new(context, 2, both, 0, NULL, &dataset, NULL) == CR_OK);
    cr_labelled *used[] = {time, lat, x, y, half, both[0], both[1]};
    for (size_t k = 0; k < CR_ARRAY_LEN(used); k++)
        cr_labelled_unref(used[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    cr_arena memory;
    cr_program program;
    cr_err err = CR_ERR_INIT;
    int at = 0;
    if (!context)
        begin();
    cr_arena_init(&memory, CR_EXPR_MEMORY);
    cr_status status = cr_program_parse(text, &memory, &program, &at, &err);
    check(status, &err, at, strlen(text));
    if (status == CR_OK) {
        cr_results *results = calloc(1, sizeof *results);
        cr_inputs inputs = {.context = context, .n = 1, .sets = &dataset};
        fuzz_must(results != NULL);
        status = cr_evaluate(&program, &inputs, results, &at, &err);
        check(status, &err, at, strlen(text));
        fuzz_must((status == CR_OK) == (results->n > 0));
        cr_results_done(results);
        free(results);
    }
    cr_arena_done(&memory);
    free(text);
    return 0;
}
