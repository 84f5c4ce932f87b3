/* rank.c - keys, ranks, and the formulas of numpy.quantile and numpy.median. */
#include "engine/kernel/rank.h"

#include <math.h>
#include "base/error.h"
#include "engine/kernel/half.h"
#include "engine/kernel/level.h"

static const struct {
    const char *name;
    bool discrete;
} methods[CR_QUANTILE_METHOD_COUNT] = {
#define X(id, name, discrete) [CR_QUANTILE_##id] = {name, discrete},
    CR_QUANTILE_METHOD_TABLE(X)
#undef X
};

const char *cr_quantile_method_name(cr_quantile_method m) { return (unsigned)m < CR_QUANTILE_METHOD_COUNT ? methods[m].name : "?"; }

cr_status cr_quantile_method_find(const char *name, cr_quantile_method *ret_method, cr_err *err) {
    for (int m = 0; m < CR_QUANTILE_METHOD_COUNT; m++)
        if (strcmp(name, methods[m].name) == 0) {
            *ret_method = (cr_quantile_method)m;
            return CR_OK;
        }
    cr_status s = CR_FAIL(err, CR_NOT_FOUND, "there is no method '%.64s' of quantiles", name);
    cr_err_hint(err, "numpy.quantile lists the methods; 'linear' is the usual one");
    return s;
}

bool cr_rank_discrete(const cr_rank *o) { return o->n_q > 0 && methods[o->method].discrete; }

cr_status cr_rank_type(const cr_rank *o, cr_dtype *ret_out, cr_err *err) {
    const char *what = o->n_q > 0 ? "quantile" : "median";
    bool is_float = cr_dtype_kind(o->in) == 'f';
    if ((unsigned)o->in >= CR_NUMERIC_COUNT)
        return CR_FAIL(err, CR_TYPE, "%s is not defined for %s", what, cr_dtype_name(o->in));
    if (o->n_q > 0 && !cr_rank_discrete(o) && o->in == CR_BOOL) {
        cr_status s = CR_FAIL(err, CR_TYPE, "quantile by the method '%s' is not defined for bool", methods[o->method].name);
        cr_err_hint(err, "cast to an integer type, or take a method that does not interpolate");
        return s;
    }
    *ret_out = cr_rank_discrete(o) || (is_float && (o->n_q == 0 || o->own_type)) ? o->in : CR_F64;
    return CR_OK;
}

static const cr_rank_table *rank_table(int simd) {
#if CR_KERNEL_LEVELS > 1
    static const cr_rank_table *const tables[CR_LEVEL_COUNT] = {&cr_rank_table_0, &cr_rank_table_1};
    return tables[cr_simd_pick_of(simd, CR_LEVEL_COUNT)];
#else
    return &cr_rank_table_0;
#endif
}

/* ---- places ----------------------------------------------------------------------------------------------------- */

/* numpy's _compute_virtual_index. */
static double virtual_index(double n, double q, double alpha, double beta) { return n * q + (alpha + q * (1 - alpha - beta)) - 1; }

static int64_t next_or(double index, bool stay) {
    double at = floor(index);
    return at < 0 && (stay || at + 1 < 0) ? 0 : (int64_t)(stay ? at : at + 1);
}

static void place_discrete(cr_quantile_method method, double n, double q, cr_rank_place *p) {
    double v, floor_v;
    switch (method) {
    case CR_QUANTILE_INVERTED_CDF:
        v = n * q - 1;
        p->below = next_or(v, v - floor(v) == 0);
        break;
    case CR_QUANTILE_CLOSEST_OBSERVATION:
        v = n * q - 1 - 0.5;
        floor_v = floor(v);
        p->below = next_or(v, v - floor_v == 0 && floor_v - 2 * floor(floor_v / 2) == 1);
        break;
    case CR_QUANTILE_LOWER:
        p->below = (int64_t)floor((n - 1) * q);
        break;
    case CR_QUANTILE_HIGHER:
        p->below = (int64_t)ceil((n - 1) * q);
        break;
    default:
        p->below = (int64_t)rint((n - 1) * q);
    }
    p->below = CR_MIN(p->below, (int64_t)n - 1);
    p->above = p->below;
}

static void place_between(cr_quantile_method method, int64_t n, double q, cr_rank_place *p) {
    double m = (double)n, v;
    switch (method) {
    case CR_QUANTILE_AVERAGED_INVERTED_CDF: v = m * q - 1; break;
    case CR_QUANTILE_INTERPOLATED_INVERTED_CDF: v = virtual_index(m, q, 0, 1); break;
    case CR_QUANTILE_HAZEN: v = virtual_index(m, q, 0.5, 0.5); break;
    case CR_QUANTILE_WEIBULL: v = virtual_index(m, q, 0, 0); break;
    case CR_QUANTILE_MEDIAN_UNBIASED: v = virtual_index(m, q, 1 / 3.0, 1 / 3.0); break;
    case CR_QUANTILE_NORMAL_UNBIASED: v = virtual_index(m, q, 3 / 8.0, 3 / 8.0); break;
    case CR_QUANTILE_MIDPOINT: v = 0.5 * (floor((m - 1) * q) + ceil((m - 1) * q)); break;
    default: v = (m - 1) * q;
    }
    double previous = floor(v);
    p->below = p->above = (int64_t)previous;
    if (v >= m - 1) {
        p->below = p->above = n - 1;
        previous = -1; /* numpy's index of the last */
    } else if (v < 0) {
        p->below = p->above = 0;
        previous = 0;
    } else {
        p->above++;
    }
    p->gamma = v - previous;
    if (method == CR_QUANTILE_AVERAGED_INVERTED_CDF)
        p->gamma = p->gamma == 0 ? 0.5 : 1;
    else if (method == CR_QUANTILE_MIDPOINT)
        p->gamma = v == floor(v) ? 0 : 0.5;
}

void cr_rank_place_at(const cr_rank *o, int64_t n, int i, cr_rank_place *p) {
    p->gamma = 0;
    if (o->n_q == 0) {
        p->below = (n - 1) / 2;
        p->above = n / 2;
    } else if (cr_rank_discrete(o)) {
        place_discrete(o->method, (double)n, o->q[i], p);
    } else {
        place_between(o->method, n, o->q[i], p);
    }
}

int cr_rank_list(const cr_rank *o, const cr_rank_place *places, int64_t *ret_ranks) {
    int n = 0;
    for (int i = 0; i < cr_rank_places(o); i++) {
        const cr_rank_place *p = &places[o->n_q > 0 ? o->ascending[i] : 0];
        if (n == 0 || p->below > ret_ranks[n - 1])
            ret_ranks[n++] = p->below;
        if (p->above > ret_ranks[n - 1])
            ret_ranks[n++] = p->above;
    }
    return n;
}

/* ---- ranks ------------------------------------------------------------------------------------------------------ */

enum { FEW = 24, GATHER_ROWS = 32 };      /* keys that are sorted straight away; rows gathered at a time */

#define U uint8_t
#define N u8
#include "engine/kernel/rank_select.inc"
#define U uint16_t
#define N u16
#include "engine/kernel/rank_select.inc"
#define U uint32_t
#define N u32
#include "engine/kernel/rank_select.inc"
#define U uint64_t
#define N u64
#include "engine/kernel/rank_select.inc"

/* ---- types ------------------------------------------------------------------------------------------------------ */

static void put_double(void *out, double v) {
    v = v != v ? (double)NAN : v;
    memcpy(out, &v, sizeof v);
}

static void put_float(void *out, float v) {
    v = v != v ? NAN : v;
    memcpy(out, &v, sizeof v);
}

static void put_half(void *out, float v) {
    uint16_t h = v != v ? 0x7E00u : cr_float_to_half(v);
    memcpy(out, &h, sizeof h);
}

static float half(float v) { return cr_half_to_float(cr_float_to_half(v)); }

/* numpy's _lerp with a difference that was made in the type of the elements. */
static void lerp_double(void *out, double a, double b, double difference, double t) {
    put_double(out, t >= 0.5 ? b - difference * (1 - t) : a + difference * t);
}

#define BETWEEN_INTEGERS                                                                     \
    if (o->n_q == 0)                                                                         \
        put_double(out, ((double)a + (double)b) / 2);                                        \
    else                                                                                     \
        lerp_double(out, (double)a, (double)b, (double)(T)(U)((U)b - (U)a), p->gamma);

#define SIGNED_KEY(u) ((U)((u) ^ (U)((U)1 << (sizeof(U) * 8 - 1))))
#define SAME(u) (u)
#define NEVER(u) false

#define T int8_t
#define U uint8_t
#define N i8
#define KEY SIGNED_KEY
#define BITS SIGNED_KEY
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T int16_t
#define U uint16_t
#define N i16
#define KEY SIGNED_KEY
#define BITS SIGNED_KEY
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T int32_t
#define U uint32_t
#define N i32
#define KEY SIGNED_KEY
#define BITS SIGNED_KEY
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T int64_t
#define U uint64_t
#define N i64
#define KEY SIGNED_KEY
#define BITS SIGNED_KEY
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T uint8_t
#define U uint8_t
#define N u8
#define KEY SAME
#define BITS SAME
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T uint16_t
#define U uint16_t
#define N u16
#define KEY SAME
#define BITS SAME
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T uint32_t
#define U uint32_t
#define N u32
#define KEY SAME
#define BITS SAME
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"
#define T uint64_t
#define U uint64_t
#define N u64
#define KEY SAME
#define BITS SAME
#define MISSING NEVER
#define BETWEEN BETWEEN_INTEGERS
#include "engine/kernel/rank_type.inc"

/* Negative floats are ordered backwards by their bits. */
#define FLOAT_KEY(u) ((U)((u) ^ ((U)(0 - ((u) >> (sizeof(U) * 8 - 1))) | (U)((U)1 << (sizeof(U) * 8 - 1)))))
#define FLOAT_BITS(k) ((U)((k) ^ ((U)(((k) >> (sizeof(U) * 8 - 1)) - 1) | (U)((U)1 << (sizeof(U) * 8 - 1)))))

#define T uint16_t
#define U uint16_t
#define N f16
#define KEY FLOAT_KEY
#define BITS FLOAT_BITS
#define MISSING(u) (((u) & 0x7FFFu) > 0x7C00u)
#define BETWEEN                                                                              \
    float x = cr_half_to_float(a), y = cr_half_to_float(b), d = half(y - x), t = half((float)p->gamma); \
    if (o->n_q == 0)                                                                         \
        put_half(out, (x + y) / 2);                                                            \
    else if (!o->own_type)                                                                   \
        lerp_double(out, x, y, d, p->gamma);                                                 \
    else if (p->gamma >= 0.5)                                                                \
        put_half(out, y - half(d * half((float)(1 - p->gamma))));                            \
    else                                                                                     \
        put_half(out, x + half(d * t));
#include "engine/kernel/rank_type.inc"
#define T float
#define U uint32_t
#define N f32
#define KEY FLOAT_KEY
#define BITS FLOAT_BITS
#define MISSING(u) (((u) & 0x7FFFFFFFu) > 0x7F800000u)
#define BETWEEN                                                                              \
    float d = b - a;                                                                         \
    if (o->n_q == 0)                                                                         \
        put_float(out, (a + b) / 2);                                                         \
    else if (!o->own_type)                                                                   \
        lerp_double(out, a, b, d, p->gamma);                                                 \
    else if (p->gamma >= 0.5)                                                                \
        put_float(out, b - d * (float)(1 - p->gamma));                                       \
    else                                                                                     \
        put_float(out, a + d * (float)p->gamma);
#include "engine/kernel/rank_type.inc"
#define T double
#define U uint64_t
#define N f64
#define KEY FLOAT_KEY
#define BITS FLOAT_BITS
#define MISSING(u) (((u) & 0x7FFFFFFFFFFFFFFFu) > 0x7FF0000000000000u)
#define BETWEEN                                                                              \
    if (o->n_q == 0)                                                                         \
        put_double(out, (a + b) / 2);                                                        \
    else                                                                                     \
        lerp_double(out, a, b, b - a, p->gamma);
#include "engine/kernel/rank_type.inc"

#define EACH_TYPE(X) \
    X(BOOL, u8) X(I8, i8) X(I16, i16) X(I32, i32) X(I64, i64) X(U8, u8) X(U16, u16) X(U32, u32) X(U64, u64) X(F16, f16) X(F32, f32) X(F64, f64)

void cr_rank_gather(cr_dtype in, void *keys, int64_t room, int64_t *counts, const void *src, int64_t lane_step, int n_lanes, int64_t step,
                     int64_t n) {
    switch (in) {
#define X(type, name) case CR_##type: gather_##name(keys, room, counts, src, lane_step, n_lanes, step, n); break;
        EACH_TYPE(X)
#undef X
    default: break;
    }
}

void cr_rank_gather_at(cr_dtype in, void *keys, int64_t room, int64_t *counts, const char *src, int64_t lane_step, int n_lanes,
                        const int64_t *offsets, int64_t n) {
    switch (in) {
#define X(type, name) case CR_##type: gather_at_##name(keys, room, counts, src, lane_step, n_lanes, offsets, n); break;
        EACH_TYPE(X)
#undef X
    default: break;
    }
}

void cr_rank_between(const cr_rank *o, const cr_rank_place *p, const void *below, const void *above, void *out) {
    switch (o->in) {
#define X(type, name) case CR_##type: between_##name(o, p, below, above, out); break;
        EACH_TYPE(X)
#undef X
    default: break;
    }
}

static void select_keys(size_t item, void *keys, int64_t n, const int64_t *ranks, int n_ranks) {
    switch (item) {
    case 1: select_u8(keys, 0, n, ranks, n_ranks); break;
    case 2: select_u16(keys, 0, n, ranks, n_ranks); break;
    case 4: select_u32(keys, 0, n, ranks, n_ranks); break;
    default: select_u64(keys, 0, n, ranks, n_ranks);
    }
}

void cr_rank_series(const cr_rank *o, cr_rank_work *w, void *keys, int64_t n_keys, int64_t n, char *out, int64_t out_step) {
    int n_places = cr_rank_places(o);
    size_t item = cr_dtype_size(o->in);
    if (n_keys == 0 || (n_keys < n && !o->skipna)) {
        for (int i = 0; i < n_places; i++)
            cr_fold_put_missing(o->out, out + i * out_step, 1);
        return;
    }
    if (w->n != n_keys) {
        for (int i = 0; i < n_places; i++)
            cr_rank_place_at(o, n_keys, i, &w->places[i]);
        w->n_ranks = cr_rank_list(o, w->places, w->ranks);
        w->n = n_keys;
    }
    select_keys(item, keys, n_keys, w->ranks, w->n_ranks);
    for (int i = 0; i < n_places; i++) {
        const cr_rank_place *p = &w->places[i];
        cr_rank_between(o, p, (char *)keys + (size_t)p->below * item, (char *)keys + (size_t)p->above * item, out + i * out_step);
    }
}

/* ---- side by side ----------------------------------------------------------------------------------------------- */

/* Measured: the time of a rank goes with the bits of the key, and rows should stay in the second cache. */
bool cr_rank_side_by_side(const cr_rank *o, int64_t n) {
    static const int64_t most[] = {INT8_MAX, INT16_MAX, 16384, 1024};
    return o->n_q <= (n > 2048 ? 1 : 3) && n <= CR_MIN(most[__builtin_ctz((unsigned)cr_dtype_size(o->in))], 16384);
}

static void describe_source(cr_dtype in, cr_rank_source *from) {
    from->is_unsigned = in == CR_BOOL || cr_dtype_kind(in) == 'u';
    from->infinity = in == CR_F16 ? 0x7C00 : in == CR_F32 ? 0x7F800000 : in == CR_F64 ? 0x7FF0000000000000 : 0;
}

void cr_rank_gather_rows(cr_dtype in, int simd, void *rows, int64_t *counts, const char *src, int64_t lane_step, int n_lanes, int64_t step,
                         const int64_t *offsets, int64_t n) {
    cr_rank_source from = {.src = src, .lane_step = lane_step, .step = step, .offsets = offsets, .n_lanes = n_lanes};
    describe_source(in, &from);
    rank_table(simd)->rows[__builtin_ctz((unsigned)cr_dtype_size(in))](rows, counts, &from, n);
}

void cr_rank_rows(const cr_rank *o, int simd, const void *rows, int64_t n, const int64_t *counts, int n_lanes, char *out, int64_t lane_out,
                  int64_t out_step) {
    uint64_t below[CR_RANK_ROW_BYTES / 8], above[CR_RANK_ROW_BYTES / 8];
    int64_t ranks[CR_RANK_MOST_LANES] = {0};
    cr_rank_place places[CR_RANK_MOST_LANES];
    size_t item = cr_dtype_size(o->in);
    bool missing = false, two = !cr_rank_discrete(o);
    for (int l = 0; l < n_lanes; l++)
        missing = missing || counts[l] < n;
    for (int i = 0; i < cr_rank_places(o); i++) {
        for (int l = 0; l < n_lanes; l++) {
            if (l > 0 && counts[l] == counts[l - 1])
                places[l] = places[l - 1];
            else if (counts[l] > 0)
                cr_rank_place_at(o, counts[l], i, &places[l]);
            ranks[l] = counts[l] > 0 ? places[l].below : 0;
        }
        rank_table(simd)->lanes[__builtin_ctz((unsigned)item)](rows, n, missing, ranks, below, two ? above : NULL);
        for (int l = 0; l < n_lanes; l++) {
            char *to = out + l * lane_out + i * out_step;
            const char *low = (const char *)below + (size_t)l * item, *high = (const char *)above + (size_t)l * item;
            if (counts[l] == 0 || (counts[l] < n && !o->skipna))
                cr_fold_put_missing(o->out, to, 1);
            else
                cr_rank_between(o, &places[l], low, places[l].above > places[l].below ? high : low, to);
        }
    }
}

/* ---- near an end ------------------------------------------------------------------------------------------------ */

enum { SIEVE_FROM = 256, SIEVE_LEAST_FREE = 64, SIEVE_QUANTILES = 8 };

/* Missing values make a series shorter, and move its ranks: all lengths are asked. */
static int64_t wanted_of(const cr_rank *o, int64_t n, bool largest) {
    int64_t wanted = 0;
    for (int64_t m = 1; m <= n && wanted <= n / 2; m++)
        for (int i = 0; i < cr_rank_places(o); i++) {
            cr_rank_place p;
            cr_rank_place_at(o, m, i, &p);
            wanted = CR_MAX(wanted, largest ? m - p.below : CR_MAX(p.below, p.above) + 1);
        }
    return wanted;
}

bool cr_rank_sift_of(const cr_rank *o, int64_t n, cr_rank_sift *ret_how) {
    if (n < SIEVE_FROM || n > CR_RANK_SIEVE_LONGEST || o->n_q < 1 || o->n_q > SIEVE_QUANTILES || cr_dtype_size(o->in) < 2)
        return false;
    int64_t smallest = wanted_of(o, n, false), largest = wanted_of(o, n, true), wanted = CR_MIN(smallest, largest);
    int64_t room = wanted + CR_MAX(wanted / 2, SIEVE_LEAST_FREE); /* so that all narrowing together takes no more than linear time */
    if (room > n / 2 || room > CR_RANK_SIEVE_MOST)
        return false;
    *ret_how = (cr_rank_sift){.wanted = (int32_t)wanted, .room = (int32_t)room, .largest = largest < smallest,
                              .floats = cr_dtype_kind(o->in) == 'f'};
    return true;
}

void cr_rank_sift_rows(const cr_rank *o, int simd, const cr_rank_sift *how, cr_rank_sieve *s, void *rows, const char *src, int n_lanes, int64_t step,
                       int64_t n) {
    cr_rank_source from = {.src = src, .lane_step = (int64_t)cr_dtype_size(o->in), .step = step, .n_lanes = n_lanes};
    describe_source(o->in, &from);
    rank_table(simd)->sift[__builtin_ctz((unsigned)cr_dtype_size(o->in))](s, rows, &from, n, how);
}

/* Keys of the largest values are inverted, and so is their order. */
static void turn_back(void *keys, bool inverted) {
    uint64_t *k = keys;
    for (int i = 0; i < CR_RANK_ROW_BYTES / 8 && inverted; i++)
        k[i] = ~k[i];
}

void cr_rank_sifted(const cr_rank *o, int simd, const cr_rank_sift *how, const cr_rank_sieve *s, const void *rows, int64_t n, int n_lanes,
                    char *const *out, int64_t out_step) {
    uint64_t first[CR_RANK_ROW_BYTES / 8], second[CR_RANK_ROW_BYTES / 8] = {0};
    int64_t ranks[CR_RANK_MOST_LANES] = {0}, n_rows = how->wanted;
    cr_rank_place places[CR_RANK_MOST_LANES];
    size_t item = cr_dtype_size(o->in);
    bool two = !cr_rank_discrete(o);
    for (int l = 0; l < n_lanes; l++)
        n_rows = CR_MAX(n_rows, s->kept[l]);
    for (int i = 0; i < cr_rank_places(o); i++) {
        for (int l = 0; l < n_lanes; l++) {
            if (l > 0 && s->seen[l] == s->seen[l - 1])
                places[l] = places[l - 1];
            else if (s->seen[l] > 0)
                cr_rank_place_at(o, s->seen[l], i, &places[l]);
            ranks[l] = s->seen[l] == 0 ? 0 : how->largest ? s->seen[l] - 1 - places[l].above : places[l].below;
        }
        rank_table(simd)->lanes[__builtin_ctz((unsigned)item)](rows, n_rows, how->floats, ranks, first, two ? second : NULL);
        turn_back(first, how->largest);
        turn_back(second, how->largest && two);
        for (int l = 0; l < n_lanes; l++) {
            char *to = out[l] + i * out_step;
            const char *a = (const char *)first + (size_t)l * item, *b = (const char *)second + (size_t)l * item;
            bool apart = s->seen[l] > 0 && places[l].above > places[l].below;
            if (s->seen[l] == 0 || (s->seen[l] < n && !o->skipna))
                cr_fold_put_missing(o->out, to, 1);
            else
                cr_rank_between(o, &places[l], how->largest && apart ? b : a, how->largest || !apart ? a : b, to);
        }
    }
}

/* ---- digit by digit --------------------------------------------------------------------------------------------- */

static void digits_init(void *const *planes, int64_t slot0, int64_t n) { memset((int64_t *)planes[0] + slot0, 0, (size_t)n * sizeof(int64_t)); }

static void digits_scatter(void *const *planes, int64_t slot0, int64_t slot_stride, const int32_t *codes, const void *x, int64_t n,
                           int64_t index0) {
    int64_t *counts = (int64_t *)planes[0] + slot0;
    for (int64_t i = 0; i < n; i++)
        if (codes[i] >= 0)
            counts[codes[i] * slot_stride]++;
}

static void digits_merge(void *const *left, void *const *right, int64_t n) {
    int64_t *a = left[0];
    const int64_t *b = right[0];
    for (int64_t i = 0; i < n; i++)
        a[i] += b[i];
}

const cr_fold cr_fold_digits = {.n_planes = 1, .plane = {CR_I64}, .init = digits_init, .scatter = digits_scatter, .merge = digits_merge};

void cr_rank_digits(cr_dtype in, const cr_rank_digit *d, int64_t n, int32_t *dst, const void *x, int64_t x_step) {
    switch (in) {
#define X(type, name) case CR_##type: digits_##name(d, n, dst, x, x_step); break;
        EACH_TYPE(X)
#undef X
    default: break;
    }
}

void cr_rank_narrow(const cr_rank *o, bool first, bool above, int bits, const int64_t *counts, int64_t step, cr_rank_narrowed *at) {
    const int64_t digits = (int64_t)1 << bits;
    int64_t d = 0;
    if (first) {
        cr_rank_place p;
        memset(at, 0, sizeof *at);
        for (int64_t i = 0; i < digits; i++)
            at->n += counts[i * step];
        if (at->n > 0) {
            cr_rank_place_at(o, at->n, 0, &p);
            at->rank = above ? p.above : p.below;
        }
    }
    while (d < digits - 1 && at->rank >= counts[d * step])
        at->rank -= counts[d++ * step];
    at->prefix = at->prefix << bits | (uint64_t)d;
}

void cr_rank_known(const cr_rank *o, uint64_t below, uint64_t above, int64_t n_valid, int64_t n, void *out) {
    cr_rank_place p;
    if (n_valid == 0 || (n_valid < n && !o->skipna)) {
        cr_fold_put_missing(o->out, out, 1);
        return;
    }
    cr_rank_place_at(o, n_valid, 0, &p);
    cr_rank_between(o, &p, &below, &above, out); /* the low bytes come first */
}
