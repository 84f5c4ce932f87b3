/* array.h - lazy N-dimensional arrays without labels: what to compute, not yet computed.
 *
 * A cr_array is an immutable, reference-counted node: dtype, shape, the chunk grid it likes to be asked in, and how any
 * rectangular region of it is made from its inputs. Building nodes is cheap and touches no data; every argument is checked
 * while the node is built, so that an error names the operation that was wrong. cr_compute() runs any number of arrays
 * together: what they share is read and computed once, in bounded memory (see context.h).
 *
 * Shapes are int64_t, row-major (last axis fastest). Axes may be negative (counted from the end). Operations between arrays
 * broadcast and promote as NumPy 2 does. Results are bit-identical for any number of threads and any memory limit.
 * Integer arithmetic wraps; integer division and remainder by zero give 0, as NumPy does.
 *
 * Ownership: constructors return a new reference in ret_array (cr_array_unref when done) and keep references to their
 * inputs. Threads: nodes may be shared between threads freely.
 */
#ifndef CRATON_ARRAY_H
#define CRATON_ARRAY_H

#include "craton/context.h"
#include "craton/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CR_MAX_DIMS 32

typedef struct cr_array cr_array;

CR_API cr_array *cr_array_ref(cr_array *a);
CR_API void cr_array_unref(cr_array *a);                    /* NULL is allowed */
CR_API cr_dtype cr_array_dtype(const cr_array *a);
CR_API size_t cr_array_itemsize(const cr_array *a);         /* also for CR_BYTES */
CR_API int cr_array_ndim(const cr_array *a);
CR_API const int64_t *cr_array_shape(const cr_array *a);
CR_API int64_t cr_array_size(const cr_array *a);            /* number of elements; overflow was refused at construction */
/* The chunk grid: n = cr_array_chunks(a, axis, NULL) sizes along axis, then cr_array_chunks(a, axis, sizes). */
CR_API int64_t cr_array_chunks(const cr_array *a, int axis, int64_t *ret_sizes);
/* Operation name ("source", "add", "mean", ...) and inputs, for explain, tests and bindings. */
CR_API const char *cr_array_op(const cr_array *a);
CR_API int cr_array_n_inputs(const cr_array *a);
CR_API cr_array *cr_array_input(const cr_array *a, int i);  /* borrowed */
/* Of a permute: axis i is axis ret_axes[i] of its input. false: it is something else. */
CR_API bool cr_array_permutation(const cr_array *a, int *ret_axes);

/* ---- sources ---------------------------------------------------------------------------------------------------- */

/* Memory that stays as it is until release(owner) is called (once, from any thread). strides in bytes, NULL: row-major;
 * may be negative or 0. chunks: grid sizes per axis (one size per axis, the last chunk may be shorter), NULL: chosen. */
CR_API cr_status cr_array_from_memory(cr_dtype dtype, size_t itemsize, int ndim, const int64_t *shape, const int64_t *strides,
                                      const int64_t *chunks, const void *data, void (*release)(void *owner), void *owner,
                                      cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* The same with a copy of the data (row-major). */
CR_API cr_status cr_array_copy_memory(cr_dtype dtype, int ndim, const int64_t *shape, const void *data, cr_array **ret_array,
                                      cr_err *err) CR_MUST_USE;
/* A 0-d value. weak: takes part in promotion as a Python int, float or bool would (int16 + weak 1.5 is float64, float32 * weak 1.5
 * stays float32). value points to one item of dtype. */
CR_API cr_status cr_array_scalar(cr_dtype dtype, const void *value, bool weak, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* Every element the same. */
CR_API cr_status cr_array_full(cr_dtype dtype, int ndim, const int64_t *shape, const int64_t *chunks, const void *value,
                               cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* A source that someone else implements (a binding, a test): read() fills dst, row-major, with the box [start, start+count) and is called
 * from worker threads, one at a time if serial. Errors are passed on. release(user) is called once when the node dies. */
typedef cr_status (*cr_read_box_fn)(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *err);
CR_API cr_status cr_array_from_callback(cr_dtype dtype, size_t itemsize, int ndim, const int64_t *shape, const int64_t *chunks, bool serial,
                                        cr_read_box_fn read, void (*release)(void *user), void *user, cr_array **ret_array,
                                        cr_err *err) CR_MUST_USE;

/* ---- views ------------------------------------------------------------------------------------------------------ */

typedef struct cr_slice {
    int64_t start, step, count;   /* elements start, start + step, ...; step may be negative, not 0; all must lie inside */
} cr_slice;
CR_API cr_status cr_array_slice(cr_array *a, const cr_slice *slices /* ndim of a */, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* Elements index[0..n-1] along one axis, in that order; repeats allowed; each in [-extent, extent). index is copied. */
CR_API cr_status cr_array_take(cr_array *a, int axis, const int64_t *index, int64_t n, cr_array **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_array_permute(cr_array *a, const int *axes, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* New axis of extent 1 before position axis (0..ndim). */
CR_API cr_status cr_array_expand(cr_array *a, int axis, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* Drops an axis of extent 1. */
CR_API cr_status cr_array_squeeze(cr_array *a, int axis, cr_array **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_array_broadcast(cr_array *a, int ndim, const int64_t *shape, cr_array **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_array_concat(int n, cr_array *const *arrays, int axis, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* Same values, another preferred grid: chunks has one size per axis. */
CR_API cr_status cr_array_rechunk(cr_array *a, const int64_t *chunks, cr_array **ret_array, cr_err *err) CR_MUST_USE;

/* ---- element by element ----------------------------------------------------------------------------------------- */

/*      name          arity */
#define CR_MAP_TABLE(X)                                                                                             \
    X(ADD, "add", 2) X(SUBTRACT, "subtract", 2) X(MULTIPLY, "multiply", 2) X(DIVIDE, "divide", 2)                   \
    X(FLOOR_DIVIDE, "floor_divide", 2) X(REMAINDER, "remainder", 2) X(POWER, "power", 2)                            \
    X(MAXIMUM, "maximum", 2) X(MINIMUM, "minimum", 2) X(FMAX, "fmax", 2) X(FMIN, "fmin", 2)                         \
    X(ARCTAN2, "arctan2", 2) X(HYPOT, "hypot", 2) X(COPYSIGN, "copysign", 2)                                        \
    X(EQUAL, "equal", 2) X(NOT_EQUAL, "not_equal", 2) X(LESS, "less", 2) X(LESS_EQUAL, "less_equal", 2)             \
    X(GREATER, "greater", 2) X(GREATER_EQUAL, "greater_equal", 2)                                                   \
    X(BITWISE_AND, "bitwise_and", 2) X(BITWISE_OR, "bitwise_or", 2) X(BITWISE_XOR, "bitwise_xor", 2)                \
    X(LOGICAL_AND, "logical_and", 2) X(LOGICAL_OR, "logical_or", 2) X(LOGICAL_XOR, "logical_xor", 2)                \
    X(NEGATIVE, "negative", 1) X(POSITIVE, "positive", 1) X(ABSOLUTE, "absolute", 1) X(SIGN, "sign", 1)             \
    X(INVERT, "invert", 1) X(LOGICAL_NOT, "logical_not", 1)                                                         \
    X(SQRT, "sqrt", 1) X(SQUARE, "square", 1) X(RECIPROCAL, "reciprocal", 1) X(EXP, "exp", 1) X(EXPM1, "expm1", 1)  \
    X(LOG, "log", 1) X(LOG1P, "log1p", 1) X(LOG2, "log2", 1) X(LOG10, "log10", 1)                                   \
    X(SIN, "sin", 1) X(COS, "cos", 1) X(TAN, "tan", 1) X(ARCSIN, "arcsin", 1) X(ARCCOS, "arccos", 1)                \
    X(ARCTAN, "arctan", 1) X(SINH, "sinh", 1) X(COSH, "cosh", 1) X(TANH, "tanh", 1)                                 \
    X(EXP2, "exp2", 1) X(CBRT, "cbrt", 1) X(ARCSINH, "arcsinh", 1) X(ARCCOSH, "arccosh", 1)                         \
    X(ARCTANH, "arctanh", 1)                                                                                        \
    X(LOGADDEXP, "logaddexp", 2) X(LOGADDEXP2, "logaddexp2", 2) X(FMOD, "fmod", 2) X(HEAVISIDE, "heaviside", 2)     \
    X(NEXTAFTER, "nextafter", 2) X(LEFT_SHIFT, "left_shift", 2) X(RIGHT_SHIFT, "right_shift", 2)                    \
    X(GCD, "gcd", 2) X(LCM, "lcm", 2)                                                                               \
    X(DEG2RAD, "deg2rad", 1) X(RAD2DEG, "rad2deg", 1)                                                               \
    X(FLOOR, "floor", 1) X(CEIL, "ceil", 1) X(TRUNC, "trunc", 1) X(RINT, "rint", 1)                                 \
    X(ISNAN, "isnan", 1) X(ISINF, "isinf", 1) X(ISFINITE, "isfinite", 1) X(SIGNBIT, "signbit", 1)                   \
    X(WHERE, "where", 3)      /* condition, value if true, value if false */                                        \
    X(CLIP, "clip", 3)        /* value, lowest, highest */

typedef enum cr_map_op {
#define X(id, name, arity) CR_MAP_##id,
    CR_MAP_TABLE(X)
#undef X
    CR_MAP_COUNT
} cr_map_op;

CR_API const char *cr_map_name(cr_map_op op);
CR_API int cr_map_arity(cr_map_op op);
/* CR_NOT_FOUND when no operation has that NumPy name. */
CR_API cr_status cr_map_find(const char *name, cr_map_op *ret_op, cr_err *err) CR_MUST_USE;
/* args: as many as the arity; shapes broadcast. The type of the result is NumPy's for that ufunc; CR_TYPE where NumPy has none. */
CR_API cr_status cr_array_map(cr_map_op op, cr_array *const *args, cr_array **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_array_cast(cr_array *a, cr_dtype dtype, cr_array **ret_array, cr_err *err) CR_MUST_USE; /* as ndarray.astype */

/* CF packing (CF conventions 8.1, 2.5.1): out = (raw == any fill ? missing : raw) * scale + offset, in three roundings, the mask
 * compared in compare_dtype (raw's type when has_fill is to mean "exactly these raw values"; xarray compares after conversion). */
typedef struct cr_packing {
    bool has_scale, has_offset;
    double scale, offset;
    cr_dtype out_dtype;           /* of the decoded values */
    int n_fills;                  /* 0..4 */
    double fills[4];              /* compared after converting the raw value to compare_dtype; NaN matches NaN */
    int64_t fills_exact[4];       /* used instead when compare_dtype is an integer type */
    cr_dtype compare_dtype;
    cr_dtype scale_dtype;         /* type in which scale and offset are applied, normally out_dtype */
} cr_packing;
CR_API cr_status cr_array_unpack(cr_array *raw, const cr_packing *p, cr_array **ret_array, cr_err *err) CR_MUST_USE;

/* ---- reductions ------------------------------------------------------------------------------------------------- */

#define CR_REDUCTION_TABLE(X)                                                                             \
    X(SUM, "sum") X(PROD, "prod") X(MEAN, "mean") X(MIN, "min") X(MAX, "max") X(COUNT, "count")           \
    X(VAR, "var") X(STD, "std") X(ANY, "any") X(ALL, "all") X(FIRST, "first") X(LAST, "last")             \
    X(ARGMIN, "argmin") X(ARGMAX, "argmax")

typedef enum cr_reduction {
#define X(id, name) CR_REDUCE_##id,
    CR_REDUCTION_TABLE(X)
#undef X
    CR_REDUCTION_COUNT
} cr_reduction;

CR_API const char *cr_reduction_name(cr_reduction r);
CR_API cr_status cr_reduction_find(const char *name, cr_reduction *ret_reduction, cr_err *err) CR_MUST_USE;

typedef struct cr_reduce_options {
    bool skipna;                  /* NaN is missing: left out. false: NaN is passed on */
    bool keepdims;
    int ddof;                     /* var, std */
    int64_t min_count;            /* fewer valid values than this give NaN (sum, prod: result becomes floating when > 0) */
    bool has_dtype;               /* type of the result; without it NumPy's rule (mean of int is float64, sum of int16 is int64 ...) */
    cr_dtype dtype;
} cr_reduce_options;

/* axes NULL with n_axes 0: all axes. Sums of floats are accumulated in double and rounded once. count counts values that are not
 * NaN (all, for integers). Empty or all-missing: sum 0, prod 1, mean/min/max/var NaN; min/max of no elements of an integer type:
 * CR_INVALID when built. argmin/argmax take one axis or all; all-missing slice: CR_INVALID when run. */
CR_API cr_status cr_array_reduce(cr_reduction r, cr_array *a, int n_axes, const int *axes, const cr_reduce_options *options,
                                 cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* Grouped along one or several axes: codes has the extents of these axes (row-major, in the order of axes, ascending), values 0..n_groups-1 or -1 to
 * leave an element out; copied. The result has an axis of n_groups in place of the first of them (the others are dropped). Groups
 * without members are missing: NaN for floating results, 0 for sum/count/any of integers and bools (fill_value is for the caller). */
CR_API cr_status cr_array_group(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                                const cr_reduce_options *options, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* The same without a copy of the codes, which several reductions may share: they stay as they are until release(owner) is called (once, from any
 * thread). On failure it is not called. */
CR_API cr_status cr_array_group_shared(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                                       const cr_reduce_options *options, void (*release)(void *owner), void *owner, cr_array **ret_array,
                                       cr_err *err) CR_MUST_USE;

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* Computes n arrays together. out[i] points to memory for the whole result i, row-major, cr_array_size * itemsize bytes. On
 * failure the contents of out are undefined and the error names the operation and, for a file, the file and chunk. */
CR_API cr_status cr_compute(cr_context *c, int n, cr_array *const *arrays, void *const *out, cr_err *err) CR_MUST_USE;

/* Where a computation can be written chunk by chunk (a Zarr array, a NetCDF variable, memory of a binding). write() receives complete boxes
 * of the sink's own chunk grid, each once, from worker threads (one at a time if serial). */
typedef struct cr_sink {
    const int64_t *chunks;        /* one size per axis; NULL: any boxes that do not overlap */
    bool serial;
    cr_status (*write)(void *user, const int64_t *start, const int64_t *count, const void *data /* row-major box */, cr_err *err);
    void *user;
} cr_sink;
/* Several arrays, each to its sink, in shared scans. */
CR_API cr_status cr_compute_to(cr_context *c, int n, cr_array *const *arrays, const cr_sink *sinks, cr_err *err) CR_MUST_USE;

/* What cr_compute would do: phases, scans, bytes read per source, re-decode factor, memory, and about how long it takes (an estimate by rates
 * that the context measures when it is first asked). Text for people; caller frees with cr_free. */
CR_API cr_status cr_explain(cr_context *c, int n, cr_array *const *arrays, char **ret_text, cr_err *err) CR_MUST_USE;
CR_API void cr_free(void *p);

#ifdef __cplusplus
}
#endif
#endif
