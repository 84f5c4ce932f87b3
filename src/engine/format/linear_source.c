/* linear_source.c - see linear_source.h. */
#include "engine/format/linear_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { CHUNK_ITEMS = 1 << 16 };

typedef struct linear_source {
    cr_source base;
    cr_linear line;
} linear_source;

static cr_status linear_read_chunk(cr_source *base, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    const linear_source *s = (const linear_source *)base;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    int64_t n = base->ndim ? cr_source_extent(base, 0, chunk[0]) : 1, first = base->ndim ? chunk[0] * base->chunk_shape[0] : 0;
    for (int64_t i = 0; i < n; i++) {
        /* In this order, as an affine transform is applied: equal to the last bit to what others compute. */
        double v = ((double)(first + i) + s->line.shift) * s->line.step + s->line.start;
        if (base->dtype == CR_F64)
            ((double *)dst)[i] = v;
        else
            ((int64_t *)dst)[i] = (int64_t)v;
    }
    *ret_absent = false;
    return CR_OK;
}

static size_t linear_scratch_bytes(const cr_source *base) { return 0; }
static size_t linear_stored_bytes(const cr_source *base, const int64_t *chunk) { return 0; }

static void linear_free(cr_source *base) {
    cr_source_fini(base);
    free(base);
}

static const cr_source_ops linear_ops = {"linear", linear_read_chunk, linear_scratch_bytes, linear_stored_bytes, linear_free, NULL};

cr_status cr_linear_source(const cr_linear *line, cr_dtype dtype, int64_t n, const char *file_path, const char *name, cr_source **ret_source,
                           cr_err *err) {
    int64_t chunk = CR_MAX(CR_MIN(n, (int64_t)CHUNK_ITEMS), (int64_t)1);
    cr_auto_free char *path = NULL;
    linear_source *s = calloc(1, sizeof *s);
    if (!s || asprintf(&path, "%s:/%s", file_path, name) < 0) {
        path = NULL;
        free(s);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    cr_status status = cr_source_init(&s->base, &linear_ops, dtype, 8, n >= 0, &n, &chunk, path, err);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    s->line = *line;
    cr_source_identify(&s->base, file_path, path);
    *ret_source = &s->base;
    return CR_OK;
}
