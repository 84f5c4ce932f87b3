/* linear_source.h - values that are computed where they are asked for: start + (i + shift) * step. Coordinates of rasters, which are not stored. */
#ifndef CR_ENGINE_FORMAT_LINEAR_SOURCE_H
#define CR_ENGINE_FORMAT_LINEAR_SOURCE_H

#include "engine/format/source.h"

typedef struct cr_linear {
    double start, shift, step;
} cr_linear;

/* n values along one axis, or (n < 0) one value without axes, of dtype CR_F64 or CR_I64. file_path: what the values belong to. */
cr_status cr_linear_source(const cr_linear *line, cr_dtype dtype, int64_t n, const char *file_path, const char *name, cr_source **ret_source,
                           cr_err *err) CR_MUST_USE;

#endif
