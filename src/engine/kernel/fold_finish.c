/* fold_finish.c - from the planes of a finished reduction to its result. */
#include <math.h>

#include "base/error.h"
#include "engine/kernel/level.h"

enum { BLOCK = 256 };

/* Items of type from, contiguous, to out; the same bits for every NaN. */
static void convert(cr_dtype from, cr_dtype out, const void *items, int64_t n, void *dst) {
    const int64_t contiguous = 1;
    cr_kernel_cast(-1, from, out)(n, dst, &items, &contiguous, NULL);
}

/* For each slot i the double `expr`, by blocks, to type out. */
#define EACH_DOUBLE(expr)                                                                       \
    do {                                                                                        \
        double block_[BLOCK];                                                                   \
        for (int64_t at_ = 0; at_ < n; at_ += BLOCK) {                                          \
            int64_t m_ = CR_MIN(n - at_, (int64_t)BLOCK);                                       \
            for (int64_t i = at_; i < at_ + m_; i++) {                                          \
                double v_ = (expr);                                                             \
                block_[i - at_] = v_ != v_ ? (double)NAN : v_;                                  \
            }                                                                                   \
            convert(CR_F64, out, block_, m_, (char *)dst + (size_t)at_ * cr_dtype_size(out));   \
        }                                                                                       \
        return CR_OK;                                                                           \
    } while (0)

cr_status cr_finish_integer(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    convert(CR_I64, out, planes[0], n, dst);
    return CR_OK;
}

cr_status cr_finish_sum(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const double *s = planes[0];
    EACH_DOUBLE(s[i]);
}

/* Sum or product with the number of valid elements. */
cr_status cr_finish_counted(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const double *s = planes[0];
    const int64_t *count = planes[1], least = o ? o->min_count : 0;
    EACH_DOUBLE(count[i] < least ? (double)NAN : s[i]);
}

cr_status cr_finish_mean(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const double *s = planes[0];
    const int64_t *count = planes[1], least = o && o->min_count > 1 ? o->min_count : 1;
    EACH_DOUBLE(count[i] < least ? (double)NAN : s[i] / (double)count[i]);
}

/* The planes of VAR: n, shift, sum of differences, sum of their squares. With no degrees of freedom, as NumPy has it: infinite, unless missing values
 * were to be left out. */
static double variance(void *const *planes, int64_t i, int64_t least, const cr_reduce_options *o) {
    const int64_t count = ((const int64_t *)planes[0])[i];
    const double d = ((const double *)planes[2])[i], dd = ((const double *)planes[3])[i];
    const int64_t freedom = CR_MAX(0, count - (o ? o->ddof : 0));
    if (count < least || (freedom == 0 && o->skipna))
        return NAN;
    double m2 = dd - d * d / (double)count;
    return (m2 < 0 ? 0 : m2) / (double)freedom;       /* keeps NaN */
}

cr_status cr_finish_var(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const int64_t least = o && o->min_count > 1 ? o->min_count : 1;
    EACH_DOUBLE(variance(planes, i, least, o));
}

cr_status cr_finish_std(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const int64_t least = o && o->min_count > 1 ? o->min_count : 1;
    EACH_DOUBLE(sqrt(variance(planes, i, least, o)));
}

/* Minimum, maximum, any, all: the plane is the result, but for float16, which is kept as float32. */
cr_status cr_finish_value(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    if (out == CR_F16)
        convert(CR_F32, CR_F16, planes[0], n, dst);
    else
        memcpy(dst, planes[0], (size_t)n * cr_dtype_size(out));
    return CR_OK;
}

cr_status cr_finish_place(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const int64_t *index = planes[1];
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0) {
            cr_status s = CR_FAIL(err, CR_INVALID, "argmin or argmax of a slice in which every value is missing");
            cr_err_hint(err, "drop or fill such slices first, or pass NaN on with skipna=False");
            return s;
        }
    convert(CR_I64, out, index, n, dst);
    return CR_OK;
}

cr_status cr_finish_end(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err) {
    const int64_t *index = planes[1];
    const size_t size = cr_dtype_size(out);
    memcpy(dst, planes[0], (size_t)n * size);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0)
            cr_fold_put_missing(out, (char *)dst + (size_t)i * size, 1);
    return CR_OK;
}

void cr_fold_put_missing(cr_dtype out, void *dst, int64_t n) {
    const double nan_value = NAN;
    const int64_t repeated = 0;
    const void *arg = &nan_value;
    if (cr_dtype_kind(out) == 'f')
        cr_kernel_cast(0, CR_F64, out)(n, dst, &arg, &repeated, NULL);
    else
        memset(dst, 0, (size_t)n * cr_dtype_size(out));
}
