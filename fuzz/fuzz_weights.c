/* fuzz_weights.c - any bytes as a file of regridding weights (in NetCDF classic): read, taken apart, and applied to a field. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "craton/craton.h"
#include "fuzz_read.h"

static void look(cr_context *c, cr_weights *w) {
    int64_t shape[2], target[2], n = cr_weights_count(w), size = 1;
    int ndim = cr_weights_source(w, shape), dst = cr_weights_target(w, target);
    int64_t *row = malloc(((size_t)n + 1) * 8), *col = malloc(((size_t)n + 1) * 8);
    double *weight = malloc(((size_t)n + 1) * 8), one = 1;
    cr_err err = CR_ERR_INIT;
    cr_array *a, *r;
    cr_weights_triplets(w, row, col, weight);
    for (int i = 0; i < dst; i++)
        size *= target[i];
    for (int64_t k = 0; k < n; k++)
        if (row[k] < 0 || row[k] >= size || col[k] < 0 || !isfinite(weight[k]) || (k > 0 && row[k] < row[k - 1]))
            abort();
    double *out = malloc((size_t)size * 8);
    if (cr_array_full(CR_F64, ndim, shape, NULL, &one, &a, &err) != CR_OK || cr_array_regrid(a, w, NULL, &r, &err) != CR_OK)
        abort();
    if (cr_compute(c, 1, &r, (void *[]){out}, &err) != CR_OK)
        fuzz_check_error(&err);
    cr_array_unref(a);
    cr_array_unref(r);
    free(row);
    free(col);
    free(weight);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static int fd = -1;
    static char path[64];
    static cr_context *c;
    cr_context_options options = {.threads = 1, .memory_limit_bytes = 16 << 20, .simd_level = -1};
    cr_err err = CR_ERR_INIT;
    cr_weights *w;
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (cr_context_new(&options, &c, &err) != CR_OK)
            abort();
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    if (cr_weights_read(c, path, 0, NULL, 0, NULL, &w, &err) != CR_OK) {
        fuzz_check_error(&err);
        return 0;
    }
    look(c, w);
    cr_weights_unref(w);
    return 0;
}
