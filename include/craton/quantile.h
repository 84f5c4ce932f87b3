/* quantile.h - order statistics of lazy arrays: quantiles and medians, exact, plain or by group.
 *
 * A quantile is found by ordering all values of a series (the elements along the reduced axes), not by merging summaries of parts, so
 * the answer does not depend on chunks. What is held in memory is all values of as many series as fit the memory limit, or, where all
 * quantiles lie near one end, those that can still be in their place; when
 * not even one series fits, its values are counted digit by digit in several passes over the source. The bits are the same
 * either way, for any number of threads.
 *
 * Numbers are NumPy's: the same formulas in the same types, so that results are the same bits as numpy.quantile's. This includes two
 * that may surprise: next to an infinity, interpolation gives NaN where inf - inf appears; and neighbours of an integer type are
 * subtracted in that type, which wraps when they lie further apart than the type can say.
 */
#ifndef CRATON_QUANTILE_H
#define CRATON_QUANTILE_H

#include "craton/array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CR_QUANTILE_MOST 4096     /* quantiles of one call */

/* Methods by NumPy's names (Hyndman and Fan 1996, and four more). Discrete ones give one of the values, in the type of the elements;
 * the others interpolate. */
/*    name                      NumPy                        discrete */
#define CR_QUANTILE_METHOD_TABLE(X)                                          \
    X(LINEAR, "linear", false)                                               \
    X(INVERTED_CDF, "inverted_cdf", true)                                    \
    X(AVERAGED_INVERTED_CDF, "averaged_inverted_cdf", false)                 \
    X(CLOSEST_OBSERVATION, "closest_observation", true)                      \
    X(INTERPOLATED_INVERTED_CDF, "interpolated_inverted_cdf", false)         \
    X(HAZEN, "hazen", false)                                                 \
    X(WEIBULL, "weibull", false)                                             \
    X(MEDIAN_UNBIASED, "median_unbiased", false)                             \
    X(NORMAL_UNBIASED, "normal_unbiased", false)                             \
    X(LOWER, "lower", true)                                                  \
    X(HIGHER, "higher", true)                                                \
    X(MIDPOINT, "midpoint", false)                                           \
    X(NEAREST, "nearest", true)

typedef enum cr_quantile_method {
#define X(id, name, discrete) CR_QUANTILE_##id,
    CR_QUANTILE_METHOD_TABLE(X)
#undef X
    CR_QUANTILE_METHOD_COUNT
} cr_quantile_method;

CR_API const char *cr_quantile_method_name(cr_quantile_method m);
/* CR_NOT_FOUND when no method has that NumPy name. */
CR_API cr_status cr_quantile_method_find(const char *name, cr_quantile_method *ret_method, cr_err *err) CR_MUST_USE;

typedef struct cr_quantile_options {
    cr_quantile_method method;    /* 0: linear. Not for medians */
    bool skipna;                  /* NaN is missing: left out. false: a series with a NaN gives NaN */
    bool keepdims;                /* not by group */
    bool own_type;                /* interpolate floats in their own type (numpy.quantile with a Python number); false: in double */
} cr_quantile_options;

/* q: n_q numbers in [0, 1] (1 to CR_QUANTILE_MOST), copied. The result has an axis of n_q first, then the axes that are kept. Its type: that
 * of the elements for discrete methods, and for floats with own_type; else double. Series of no valid values give NaN. axes NULL
 * with n_axes 0: all axes. CR_TYPE: text, and interpolation between booleans. CR_INVALID: a discrete method over no elements of
 * an integer type. options NULL: all zero. */
CR_API cr_status cr_array_quantile(cr_array *a, int n_axes, const int *axes, int n_q, const double *q, const cr_quantile_options *options,
                                   cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* The mean of the two middle values, or the middle one: floats in their own type, all else in double. No axis of quantiles. */
CR_API cr_status cr_array_median(cr_array *a, int n_axes, const int *axes, const cr_quantile_options *options, cr_array **ret_array,
                                 cr_err *err) CR_MUST_USE;
/* Grouped, with codes and the place of the axis of groups as in cr_array_group(). Groups without members are NaN, or 0 where the result
 * is of an integer type. */
CR_API cr_status cr_array_quantile_group(cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups, int n_q,
                                         const double *q, const cr_quantile_options *options, cr_array **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_array_median_group(cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                                       const cr_quantile_options *options, cr_array **ret_array, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
