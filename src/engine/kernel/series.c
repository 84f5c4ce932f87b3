/* series.c - running sums and fills, see series.h. */
#include <math.h>

#include "engine/kernel/series.h"

/* ---- running sums ---- */

#define CUMULATE(name, type, wide, neutral, missing, combine)                                                              \
    static void name(bool skipna, const cr_along_box *b, wide *state, const type *in, type *out) {                         \
        for (int64_t o = 0; o < b->outer; o++, state += b->inner)                                                          \
            for (int64_t i = 0; i < b->n; i++) {                                                                           \
                const type *x = in + (o * b->n + i) * b->inner;                                                            \
                for (int64_t j = 0; j < b->inner; j++) {                                                                   \
                    wide v = (wide)x[j];                                                                                   \
                    v = skipna && v != v ? neutral : v;                                                                    \
                    state[j] = combine;                                                                                    \
                }                                                                                                          \
                if (i < b->skip)                                                                                           \
                    continue;                                                                                              \
                type *to = out + (o * b->out_n + b->out_at + i - b->skip) * b->inner;                                      \
                for (int64_t j = 0; j < b->inner; j++)                                                                     \
                    to[j] = state[j] != state[j] ? missing : (type)state[j]; /* one NaN for all: see map_float.inc */      \
            }                                                                                                              \
    }
CUMULATE(sum_f32, float, double, 0, NAN, state[j] + v)
CUMULATE(sum_f64, double, double, 0, (double)NAN, state[j] + v)
CUMULATE(sum_u64, uint64_t, uint64_t, 0, 0, state[j] + v) /* int64 wraps the same way */
CUMULATE(prod_f32, float, double, 1, NAN, state[j] * v)
CUMULATE(prod_f64, double, double, 1, (double)NAN, state[j] * v)
CUMULATE(prod_u64, uint64_t, uint64_t, 1, 0, state[j] * v)

void cr_along_cumulate(cr_dtype type, bool product, bool skipna, const cr_along_box *b, void *state, const void *in, void *out) {
    if (type == CR_F32)
        (product ? prod_f32 : sum_f32)(skipna, b, state, in, out);
    else if (type == CR_F64)
        (product ? prod_f64 : sum_f64)(skipna, b, state, in, out);
    else
        (product ? prod_u64 : sum_u64)(false, b, state, in, out);
}

/* ---- fills ---- */

#define FILL(name, type)                                                                                                    \
    static void name(int64_t limit, const cr_along_box *b, type *last, int64_t *age, const type *in, type *out) {           \
        for (int64_t o = 0; o < b->outer; o++, last += b->inner, age += b->inner)                                           \
            for (int64_t i = 0; i < b->n; i++) {                                                                            \
                const type *x = in + (o * b->n + i) * b->inner;                                                             \
                type *to = i < b->skip ? NULL : out + (o * b->out_n + b->out_at + i - b->skip) * b->inner;                  \
                for (int64_t j = 0; j < b->inner; j++) {                                                                    \
                    bool valid = x[j] == x[j];                                                                              \
                    last[j] = valid ? x[j] : last[j];                                                                       \
                    age[j] = valid ? 0 : age[j] + 1;                                                                        \
                    if (to != NULL)                                                                                         \
                        to[j] = limit == 0 || age[j] <= limit ? last[j] : x[j];                                             \
                }                                                                                                           \
            }                                                                                                               \
    }
FILL(fill_f32, float)
FILL(fill_f64, double)

void cr_along_fill(cr_dtype type, int64_t limit, const cr_along_box *b, void *last, int64_t *age, const void *in, void *out) {
    if (type == CR_F32)
        fill_f32(limit, b, last, age, in, out);
    else
        fill_f64(limit, b, last, age, in, out);
}
