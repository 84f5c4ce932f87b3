/* level.h - for the files that are compiled once per SIMD level: names, and the tables that each level exports.
 *
 * The build compiles *_loops.c with -DCR_LEVEL=0 (any CPU) and 1 (x86-64-v3), maths_loops.c with 2 (x86-64-v4) too; why not the others:
 * docs/decisions/0006. These files hold nothing but static
 * loops and one exported table each, so that no code of a higher level is reached without asking the CPU first.
 */
#ifndef CR_KERNEL_LEVEL_H
#define CR_KERNEL_LEVEL_H

#include "engine/kernel/fold.h"
#include "engine/kernel/map_table.h"
#include "engine/kernel/rank.h"
#include "engine/kernel/series.h"
#include "engine/kernel/sparse.h"

#define CR_LEVEL_COUNT 2
#define CR_NUMERIC_COUNT (CR_F64 + 1)

#define CR_PASTE_(a, b) a##b
#define CR_PASTE(a, b) CR_PASTE_(a, b)

typedef struct cr_map_table {
    cr_map_kernel map[CR_MAP_COUNT][CR_NUMERIC_COUNT];      /* by the type of the last argument */
    cr_map_kernel signed_unsigned[CR_MAP_COUNT];            /* comparisons of int64 with uint64 ... */
    cr_map_kernel unsigned_signed[CR_MAP_COUNT];            /* ... and the other way round */
} cr_map_table;
extern const cr_map_table cr_map_table_0, cr_map_table_1;

/* exp, sin and their like, which floats alone have: half, float and double. */
typedef struct cr_maths_table {
    cr_map_kernel map[CR_MAP_COUNT][CR_F64 - CR_F16 + 1];
} cr_maths_table;
extern const cr_maths_table cr_maths_table_0, cr_maths_table_1, cr_maths_table_2;

/* What "equal to a fill" is computed in: the raw type itself, or after rounding to a float type. */
enum { CR_COMPARE_RAW, CR_COMPARE_F32, CR_COMPARE_F64, CR_COMPARE_COUNT };
typedef struct cr_cast_table {
    cr_map_kernel cast[CR_NUMERIC_COUNT][CR_NUMERIC_COUNT]; /* from, to */
    cr_map_kernel unpack[CR_NUMERIC_COUNT][CR_COMPARE_COUNT][2]; /* raw, comparison, scaled in double */
} cr_cast_table;
extern const cr_cast_table cr_cast_table_0, cr_cast_table_1;

typedef struct cr_unpack_imm {
    double scale, offset;         /* 1 and -0 when absent: both leave every value as it is */
    int64_t n_fills;
    union {
        int64_t i[4];             /* CR_COMPARE_RAW of integers */
        double f[4];              /* all else, already rounded to the type of the comparison */
    } fill;                       /* unused ones repeat the first */
    cr_map_kernel inner, convert; /* when the result is not of the scaled type */
    cr_dtype raw, scaled, out;
} cr_unpack_imm;

/* Folds, some of which share their loops and differ in the finish. P: NaN is passed on; without P: left out (integers have no P). */
#define CR_FOLD_TABLE(X)                                                                                        \
    X(ISUM) X(IPROD) X(SUM) X(SUMP) X(SUMN) X(SUMNP) X(MEAN) X(MEANP) X(PROD) X(PRODP) X(MIN) X(MINP) X(MAX)    \
    X(MAXP) X(VAR) X(VARP) X(STD) X(STDP) X(COUNT) X(ANY) X(ALL) X(FIRST) X(FIRSTP) X(LAST) X(LASTP)            \
    X(ARGMIN) X(ARGMINP) X(ARGMAX) X(ARGMAXP)
enum cr_fold_id {
#define X(name) CR_FOLD_##name,
    CR_FOLD_TABLE(X)
#undef X
    CR_FOLD_COUNT_OF_IDS
};
/* n_planes is 0 where there is no such fold: ISUM of floats, MINP of integers. bool uses the entries of uint8. */
typedef struct cr_fold_table {
    cr_fold fold[CR_FOLD_COUNT_OF_IDS][CR_NUMERIC_COUNT];
} cr_fold_table;
extern const cr_fold_table cr_fold_ints_0, cr_fold_ints_1;
extern const cr_fold_table cr_fold_floats_0, cr_fold_floats_1;

extern const cr_rank_table cr_rank_table_0, cr_rank_table_1;
extern const cr_sparse_table cr_sparse_table_0, cr_sparse_table_1;
extern const cr_window_table cr_window_table_0, cr_window_table_1;

/* fold_finish.c; the planes of each are listed in fold_number.inc. */
#define CR_FINISH_TABLE(X) X(integer) X(sum) X(counted) X(mean) X(value) X(var) X(std) X(place) X(end)
#define X(name) cr_status cr_finish_##name(void *const *planes, int64_t n, const cr_reduce_options *o, cr_dtype out, void *dst, cr_err *err);
CR_FINISH_TABLE(X)
#undef X

/* dst may be an argument, element by element: there is no dependency between elements. */
#ifdef __clang__
#define CR_EACH(i, n) _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < (n); i++)
#else
#define CR_EACH(i, n) _Pragma("GCC ivdep") for (int64_t i = 0; i < (n); i++)
#endif

#endif
