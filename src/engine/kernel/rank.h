/* rank.h - order statistics of one series: values become unsigned keys that compare as the values do, some ranks are put in place
 * among them, and NumPy's formulas make results of what lies there.
 *
 * Threads: everything is the caller's memory; a cr_rank is constant while it is used.
 *
 * Invariants
 *  1. The result is a function of the multiset of values: the order of the series, and how it was put together, change no bit.
 *  2. Time is linear in the length of the series for any values: pivots that go wrong too often are replaced by exact ones.
 */
#ifndef CR_KERNEL_RANK_H
#define CR_KERNEL_RANK_H

#include "craton/quantile.h"
#include "engine/kernel/fold.h"

typedef struct cr_rank {
    cr_dtype in, out;
    cr_quantile_method method;
    bool skipna, own_type;
    int n_q;                      /* 0: the median */
    const double *q;
    const int32_t *ascending;     /* n_q positions in q, smallest quantile first */
} cr_rank;

/* Where one quantile lies in n ordered values: between two ranks, or (gamma unused) at `below`. */
typedef struct cr_rank_place {
    int64_t below, above;
    double gamma;
} cr_rank_place;

/* The type of the result. CR_TYPE: there is none. */
cr_status cr_rank_type(const cr_rank *o, cr_dtype *ret_out, cr_err *err) CR_MUST_USE;
bool cr_rank_discrete(const cr_rank *o);
static inline int cr_rank_places(const cr_rank *o) { return o->n_q > 0 ? o->n_q : 1; }
void cr_rank_place_at(const cr_rank *o, int64_t n, int i, cr_rank_place *ret_place);
/* The ranks of all places, ascending, each once; ret_ranks has room for 2 * places. Returns how many. */
int cr_rank_list(const cr_rank *o, const cr_rank_place *places, int64_t *ret_ranks);

/* n_lanes series side by side: element i of lane l lies at src + i * step + l * lane_step. Their keys are appended to lane l at
 * keys + l * room * itemsize, behind the counts[l] that are there; NaN is left out. keys may be src itself when n_lanes is 1 and
 * step is the item size. */
void cr_rank_gather(cr_dtype in, void *keys, int64_t room, int64_t *counts, const void *src, int64_t lane_step, int n_lanes, int64_t step,
                     int64_t n);
/* The same for elements at offsets[0..n-1] bytes. */
void cr_rank_gather_at(cr_dtype in, void *keys, int64_t room, int64_t *counts, const char *src, int64_t lane_step, int n_lanes,
                        const int64_t *offsets, int64_t n);

typedef struct cr_rank_work {    /* places and ranks, kept as long as the number of values stays the same */
    int64_t n;                    /* -1: none yet */
    int n_ranks;
    cr_rank_place *places;       /* cr_rank_places() */
    int64_t *ranks;               /* twice as many */
} cr_rank_work;

/* Results of a series of n elements, n_keys of which are no NaN (the keys, which are reordered); result i goes to out + i * out_step. */
void cr_rank_series(const cr_rank *o, cr_rank_work *w, void *keys, int64_t n_keys, int64_t n, char *out, int64_t out_step);
/* The result of two neighbours given as keys; NaN when n_keys is 0. For ways of finding them other than ordering a series. */
void cr_rank_between(const cr_rank *o, const cr_rank_place *p, const void *below, const void *above, void *out);

/* ---- many series side by side ---- */

#define CR_RANK_ROW_BYTES 128     /* one key of each series; rows are aligned to 32 bytes */
#define CR_RANK_MOST_LANES 128

typedef struct cr_rank_source {    /* where the elements of rows lie, see cr_rank_gather_rows */
    const char *src;
    int64_t lane_step, step;
    const int64_t *offsets;
    int n_lanes;
    bool is_unsigned;
    int64_t infinity;             /* its bits, for floats; 0: there is nothing missing */
} cr_rank_source;

/* A rank near an end of the order needs only the smallest values of a series, or the largest: whatever else comes, the others cannot get there. A sieve
 * keeps those of as many series as a row has, in keys of which always the smallest are wanted (those of the largest values are inverted), in
 * any order: no more than `room` of each, and when one is full, all are narrowed to the `wanted` smallest. What lies behind is the largest
 * key, as what is missing. */
typedef struct cr_rank_sift {     /* how; the same for all sieves of a panel */
    int32_t wanted, room;         /* 0 < wanted < room <= CR_RANK_SIEVE_MOST */
    bool largest, floats;
} cr_rank_sift;

typedef struct cr_rank_sieve {    /* beside its rows: room + 1 of CR_RANK_ROW_BYTES */
    int64_t begun;                /* 0: neither this nor the rows have been written */
    unsigned char bound[CR_RANK_ROW_BYTES];       /* keys: what is not smaller cannot be wanted any more */
    int32_t kept[CR_RANK_MOST_LANES];
    int32_t seen[CR_RANK_MOST_LANES];             /* elements that are no NaN */
} cr_rank_sieve;

typedef struct cr_rank_table {    /* of a SIMD level, by the logarithm of the key's size */
    /* Of the n rows: per lane the key of rank ranks[lane], and of the rank after it (above NULL: not wanted; nor at the last rank), as
     * unsigned keys. missing: some keys stand for missing values, and are larger than any. */
    void (*rows[4])(void *rows, int64_t *counts, const struct cr_rank_source *from, int64_t n);
    void (*lanes[4])(const void *rows, int64_t n, bool missing, const int64_t *ranks, void *below, void *above);
    /* n elements of each series through the sieve; offsets are not looked at, and lanes lie side by side. */
    void (*sift[4])(cr_rank_sieve *s, void *rows, const struct cr_rank_source *from, int64_t n, const cr_rank_sift *how);
} cr_rank_table;

static inline int cr_rank_lanes(cr_dtype in) { return CR_RANK_ROW_BYTES / (int)cr_dtype_size(in); }
/* Whether this is the better way for series of n elements. */
bool cr_rank_side_by_side(const cr_rank *o, int64_t n);
/* Appends n rows to `rows`: element i of lane l lies at src + (offsets ? offsets[i] : i * step) + l * lane_step. counts[l] grows by those
 * that are no NaN. */
void cr_rank_gather_rows(cr_dtype in, int simd, void *rows, int64_t *counts, const char *src, int64_t lane_step, int n_lanes, int64_t step,
                         const int64_t *offsets, int64_t n);
/* As cr_rank_series, for n_lanes series of n elements; those of lane l go to out + l * lane_out + i * out_step. */
void cr_rank_rows(const cr_rank *o, int simd, const void *rows, int64_t n, const int64_t *counts, int n_lanes, char *out, int64_t lane_out,
                  int64_t out_step);

#define CR_RANK_SIEVE_MOST 16384
#define CR_RANK_SIEVE_LONGEST (1 << 18)

/* How a sieve would be for series of n elements; false: it would not keep much less than all of them. */
bool cr_rank_sift_of(const cr_rank *o, int64_t n, cr_rank_sift *ret_how);
/* Element i of lane l lies at src + i * step + l * item size. */
void cr_rank_sift_rows(const cr_rank *o, int simd, const cr_rank_sift *how, cr_rank_sieve *s, void *rows, const char *src, int n_lanes, int64_t step,
                       int64_t n);
/* Results of n_lanes series of n elements, which the sieve has seen; those of lane l go to out[l] + i * out_step. */
void cr_rank_sifted(const cr_rank *o, int simd, const cr_rank_sift *how, const cr_rank_sieve *s, const void *rows, int64_t n, int n_lanes,
                    char *const *out, int64_t out_step);

/* Counting digits as a fold (fold.h): one plane, slot = digit * kept elements + kept index; scatter() is what folds: codes are the digits. */
extern const cr_fold cr_fold_digits;

/* ---- series that are too long to be held: their keys, digit by digit ---- */

/* What a pass over all elements of a series leaves: three words per series. */
typedef struct cr_rank_narrowed {
    uint64_t prefix;              /* the digits of the wanted key that are known */
    int64_t rank;                 /* of the wanted key among those that begin with them */
    int64_t n;                    /* values that are not missing */
} cr_rank_narrowed;

typedef struct cr_rank_digit {     /* which digit, of which elements; steps are 0 (one for all) or 1 */
    int shift, bits;              /* the bits [shift, shift + bits) of a key */
    const uint64_t *prefix;       /* higher bits that the key must have; NULL: any */
    const int32_t *codes;         /* NULL: all elements; else those whose code is group */
    int32_t group;
    int64_t prefix_step, codes_step;
} cr_rank_digit;

/* n elements to int32 digits, -1 for NaN and where the element is not wanted. */
void cr_rank_digits(cr_dtype in, const cr_rank_digit *d, int64_t n, int32_t *dst, const void *x, int64_t x_step);
/* counts[d * step]: elements with digit d. Before the first pass `at` is zeroed, and the rank becomes that of the quantile (its only one;
 * above: of the upper neighbour). */
void cr_rank_narrow(const cr_rank *o, bool first, bool above, int bits, const int64_t *counts, int64_t step, cr_rank_narrowed *at);
/* The result from the keys that are then known; n: elements of the series, n_valid those that are no NaN. */
void cr_rank_known(const cr_rank *o, uint64_t below, uint64_t above, int64_t n_valid, int64_t n, void *out);

#endif
