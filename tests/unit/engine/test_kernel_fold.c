/* test_kernel_fold.c - reductions: every fold of every type against straightforward code, by every way in, with the same bits at every level. */
#include "../check_main.h"

#include "base/error.h"
#include "engine/kernel/fold.h"
#include "kernel_values.h"

enum { COLUMNS = 67, ROWS = 41, LEVELS = 3, SLOTS = COLUMNS + 8 };

static const char *const names[CR_REDUCTION_COUNT] = {
#define X(id, name) [CR_REDUCE_##id] = name,
    CR_REDUCTION_TABLE(X)
#undef X
};

/* Planes for SLOTS slots, with guards behind them. */
typedef struct state {
    const cr_fold *f;
    void *planes[CR_FOLD_MAX_PLANES];
    uint64_t memory[CR_FOLD_MAX_PLANES][SLOTS + 2];
} state;

static void state_init(state *s, const cr_fold *f) {
    s->f = f;
    memset(s->memory, 0xA5, sizeof s->memory);
    for (int p = 0; p < f->n_planes; p++)
        s->planes[p] = s->memory[p];
    f->init(s->planes, 0, SLOTS);
}

static void check_guards(const state *s) {
    for (int p = 0; p < s->f->n_planes; p++) {
        const unsigned char *m = (const unsigned char *)s->memory[p];
        for (size_t b = SLOTS * cr_dtype_size(s->f->plane[p]); b < sizeof s->memory[p]; b++)
            if (m[b] != 0xA5)
                ck_abort_msg("a fold wrote behind plane %d", p);
    }
}

/* The reduction of n items, item i at position i * step, done plainly. false: no result (argmin of nothing). */
static bool plain(cr_reduction r, cr_dtype t, const cr_reduce_options *o, const void *items, int64_t n, int64_t step, number *ret) {
    number sum = 0, prod = 1, low = NAN, high = NAN, first = NAN, last = NAN, mean, m2 = 0;
    int64_t count = 0, numbers = 0, at_low = -1, at_high = -1;
    bool any = false, all = true, skip = o->skipna;
    for (int64_t i = 0; i < n; i++) {
        number x = get_number(t, items, i * step);
        numbers += x == x;
        any |= x != 0;
        all &= x != 0;
        if (skip && x != x)
            continue;
        if (count++ == 0)
            first = low = high = x, at_low = at_high = i;
        last = x;
        sum += x;
        prod *= x;
        if (low == low && (x < low || x != x))
            low = x, at_low = i;
        if (high == high && (x > high || x != x))
            high = x, at_high = i;
    }
    mean = sum / (number)count;
    for (int64_t i = 0; i < n; i++) {
        number x = get_number(t, items, i * step);
        if (!(skip && x != x))
            m2 += (x - mean) * (x - mean);
    }
    bool enough = count >= o->min_count;
    switch (r) {
    case CR_REDUCE_SUM: *ret = enough ? sum : NAN; break;
    case CR_REDUCE_PROD: *ret = enough ? prod : NAN; break;
    case CR_REDUCE_MEAN: *ret = enough ? mean : NAN; break;
    case CR_REDUCE_VAR: *ret = enough && count > o->ddof ? m2 / (number)(count - o->ddof) : NAN; break;
    case CR_REDUCE_STD: *ret = enough && count > o->ddof ? sqrtl(m2 / (number)(count - o->ddof)) : NAN; break;
    case CR_REDUCE_MIN: *ret = low; break;
    case CR_REDUCE_MAX: *ret = high; break;
    case CR_REDUCE_COUNT: *ret = numbers; break;
    case CR_REDUCE_ANY: *ret = any; break;
    case CR_REDUCE_ALL: *ret = all; break;
    case CR_REDUCE_FIRST: *ret = first; break;
    case CR_REDUCE_LAST: *ret = last; break;
    case CR_REDUCE_ARGMIN: *ret = at_low; return at_low >= 0;
    default: *ret = at_high; return at_high >= 0;
    }
    return true;
}

static void check_item(cr_reduction r, cr_dtype in, cr_dtype out, const void *got, int64_t i, number expected, const char *how) {
    number g = get_number(out, got, i);
    double tolerance = 0;
    if (cr_dtype_kind(out) == 'f' && r != CR_REDUCE_MIN && r != CR_REDUCE_MAX && r != CR_REDUCE_FIRST && r != CR_REDUCE_LAST)
        tolerance = out == CR_F16 ? 1e-3 : out == CR_F32 ? 1e-7 : 1e-12;
    if (r == CR_REDUCE_PROD && cr_dtype_kind(out) != 'f')    /* wraps: see integers_wrap */
        return;
    if (out == CR_F16 && fabsl(expected) >= 65520)
        expected = expected > 0 ? INFINITY : -INFINITY;
    if (out == CR_F32 && fabsl(expected) > 3.4028236e38L)
        expected = expected > 0 ? INFINITY : -INFINITY;
    bool same = (g != g && expected != expected) || g == expected || fabsl(g - expected) <= tolerance * fabsl(expected) ||
                ((r == CR_REDUCE_VAR || r == CR_REDUCE_STD) && fabsl(g - expected) < 1e-12);
    if (!same)                                               /* an assertion of its own for each item would take minutes */
        ck_abort_msg("%s of %s by %s, slot %d: %.12Lg, expected %.12Lg", names[r], cr_dtype_name(in), how, (int)i, g, expected);
}

static char matrix[ROWS * COLUMNS * 8 + 16], transposed[ROWS * COLUMNS * 8 + 16];

/* Folds the matrix into slots 3.. in the given way. */
enum way { BY_ROW, BY_ROWS, BY_MERGE, BY_SCATTER, BY_RUN, WAYS };
static const char *const way_names[WAYS] = {"row", "rows", "merge", "scatter", "run"};

static void fold_matrix(const cr_fold *f, enum way way, const char *m, size_t size, int64_t rows, int64_t columns, state *s) {
    static state right;
    const int64_t rb = columns * (int64_t)size;
    int32_t codes[COLUMNS];
    state_init(s, f);
    for (int64_t c = 0; c < columns; c++)
        codes[c] = (int32_t)c;
    switch (way) {
    case BY_ROW:
        for (int64_t r = 0; r < rows; r++)
            f->row(s->planes, 3, m + r * rb, columns, r);
        break;
    case BY_ROWS:
        f->rows(s->planes, 3, m, columns, rows / 3, rb, 0, 1);
        f->rows(s->planes, 3, m + rows / 3 * rb, columns, rows - rows / 3, rb, rows / 3, 1);
        break;
    case BY_MERGE:
        state_init(&right, f);
        f->rows(s->planes, 3, m, columns, rows / 2, rb, 0, 1);
        f->rows(right.planes, 3, m + rows / 2 * rb, columns, rows - rows / 2, rb, rows / 2, 1);
        f->merge(s->planes, right.planes, SLOTS);
        break;
    case BY_SCATTER:                                         /* transposed, so that index runs along it: one column at a time */
        for (int64_t c = 0; c < columns; c++) {
            int32_t same[ROWS];
            for (int64_t r = 0; r < rows; r++)
                same[r] = (int32_t)c;
            f->scatter(s->planes, 3, 1, same, transposed + c * rows * (int64_t)size, rows, 0);
        }
        memset(codes, 0xFF, sizeof codes);                   /* and nothing for -1 */
        f->scatter(s->planes, 3, 1, codes, m, columns, 0);
        break;
    default:
        for (int64_t c = 0; c < columns; c++)
            f->run(s->planes, 3 + c, transposed + c * rows * (int64_t)size, rows, 0);
    }
    check_guards(s);
}

static void transpose(const char *m, size_t size, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            memcpy(transposed + (c * rows + r) * (int64_t)size, m + (r * columns + c) * (int64_t)size, size);
}

/* expected: one per column; possible: all of them exist. */
static void check_way(cr_reduction r, cr_dtype in, const cr_reduce_options *o, enum way way, const char *m, int64_t rows, int64_t columns,
                      const number *expected, bool possible) {
    static state s, base;
    cr_err err = CR_ERR_INIT;
    char out[LEVELS][SLOTS * 8];
    const size_t size = cr_dtype_size(in);
    cr_dtype t = CR_BOOL;
    for (int level = 0; level < LEVELS; level++) {
        const cr_fold *f = NULL;
        void *at[CR_FOLD_MAX_PLANES];
        ck_assert_ok(cr_fold_find(level, r, in, o, &f, &t, &err));
        state *mine = level ? &s : &base;
        fold_matrix(f, way, m, size, rows, columns, mine);
        cr_fold_planes_at(f, mine->planes, 3, at);
        memset(out[level], 0, sizeof out[level]);
        cr_status status = f->finish(at, columns, o, t, out[level], &err);
        ck_assert_int_eq(status, possible ? CR_OK : CR_INVALID);
        if (level)
            ck_assert_msg(memcmp(base.memory, s.memory, sizeof s.memory) == 0 && memcmp(out[0], out[level], sizeof out[0]) == 0,
                          "%s of %s by %s: level %d has other bits", names[r], cr_dtype_name(in), way_names[way], level);
        for (int64_t c = 0; c < columns && possible; c++)
            check_item(r, in, t, out[level], c, expected[c], way_names[way]);
    }
}

static void check_all(cr_reduction r, cr_dtype in, const cr_reduce_options *o, int every_nan) {
    uint64_t random = 7 + (uint64_t)in;
    static const int64_t rows[] = {1, 2, 3, 8, 9, ROWS}, columns[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, COLUMNS};
    for (size_t a = 0; a < CR_ARRAY_LEN(rows); a++)
        for (size_t b = 0; b < CR_ARRAY_LEN(columns); b++) {
            char *m = matrix + (b & 1) * cr_dtype_size(in);  /* aligned to the item only */
            fill_tame(in, m, rows[a] * columns[b], every_nan, &random);
            transpose(m, cr_dtype_size(in), rows[a], columns[b]);
            number expected[COLUMNS];
            bool possible = true;
            for (int64_t c = 0; c < columns[b]; c++)
                possible &= plain(r, in, o, m + c * (int64_t)cr_dtype_size(in), rows[a], columns[b], &expected[c]);
            for (int way = 0; way < WAYS; way++)
                check_way(r, in, o, (enum way)way, m, rows[a], columns[b], expected, possible);
        }
}

START_TEST(every_fold) {
    cr_reduction r = (cr_reduction)_i;
    for (int in = 0; in <= CR_F64; in++)
        for (int skipna = 0; skipna < 2; skipna++) {
            cr_reduce_options o = {.skipna = skipna};
            check_all(r, (cr_dtype)in, &o, 0);
            if (in >= CR_F16)
                check_all(r, (cr_dtype)in, &o, r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX ? 40 : 3);
        }
}
END_TEST

START_TEST(min_count_ddof_dtype) {
    static const cr_reduction counted[] = {CR_REDUCE_SUM, CR_REDUCE_PROD, CR_REDUCE_MEAN, CR_REDUCE_VAR, CR_REDUCE_STD};
    for (size_t k = 0; k < CR_ARRAY_LEN(counted); k++)
        for (int in = 0; in <= CR_F64; in++)
            for (int skipna = 0; skipna < 2; skipna++) {
                cr_reduce_options o = {.skipna = skipna, .min_count = 3, .ddof = 1, .has_dtype = true, .dtype = CR_F64};
                check_all(counted[k], (cr_dtype)in, &o, 2);
            }
}
END_TEST

START_TEST(result_types) {
    cr_err err = CR_ERR_INIT;
    const cr_fold *f = NULL;
    cr_dtype t = CR_BYTES;
    static const struct {
        cr_reduction r;
        cr_dtype in, out;
    } rows[] = {
        {CR_REDUCE_SUM, CR_I16, CR_I64}, {CR_REDUCE_SUM, CR_U8, CR_U64}, {CR_REDUCE_SUM, CR_BOOL, CR_I64}, {CR_REDUCE_SUM, CR_F32, CR_F32},
        {CR_REDUCE_PROD, CR_U32, CR_U64}, {CR_REDUCE_PROD, CR_BOOL, CR_I64}, {CR_REDUCE_MEAN, CR_I16, CR_F64}, {CR_REDUCE_MEAN, CR_F16, CR_F16},
        {CR_REDUCE_MEAN, CR_BOOL, CR_F64}, {CR_REDUCE_VAR, CR_F32, CR_F32}, {CR_REDUCE_STD, CR_I32, CR_F64}, {CR_REDUCE_MAX, CR_I16, CR_I16},
        {CR_REDUCE_MIN, CR_BOOL, CR_BOOL}, {CR_REDUCE_COUNT, CR_F32, CR_I64}, {CR_REDUCE_ANY, CR_F64, CR_BOOL}, {CR_REDUCE_LAST, CR_U16, CR_U16},
        {CR_REDUCE_ARGMAX, CR_F16, CR_I64},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        ck_assert_ok(cr_fold_find(-1, rows[i].r, rows[i].in, NULL, &f, &t, &err));
        ck_assert_int_eq(t, rows[i].out);
    }
    cr_reduce_options o = {.min_count = 1};
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_SUM, CR_I32, &o, &f, &t, &err));
    ck_assert_int_eq(t, CR_F64);
    o = (cr_reduce_options){.has_dtype = true, .dtype = CR_I16};
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_SUM, CR_I32, &o, &f, &t, &err));
    ck_assert_int_eq(t, CR_I16);
    ck_assert_fails(cr_fold_find(-1, CR_REDUCE_SUM, CR_F32, &o, &f, &t, &err), CR_TYPE);
    ck_assert_fails(cr_fold_find(-1, CR_REDUCE_MEAN, CR_I32, &o, &f, &t, &err), CR_TYPE);
    ck_assert_fails(cr_fold_find(-1, CR_REDUCE_MAX, CR_I32, &o, &f, &t, &err), CR_TYPE);
    o = (cr_reduce_options){.min_count = 2};
    ck_assert_fails(cr_fold_find(-1, CR_REDUCE_ARGMAX, CR_F32, &o, &f, &t, &err), CR_UNSUPPORTED);
    o.min_count = -1;
    ck_assert_fails(cr_fold_find(-1, CR_REDUCE_SUM, CR_F32, &o, &f, &t, &err), CR_INVALID);
    ck_assert_fails(cr_fold_find(-1, CR_REDUCE_SUM, CR_BYTES, NULL, &f, &t, &err), CR_TYPE);
}
END_TEST

START_TEST(integers_wrap) {
    cr_err err = CR_ERR_INIT;
    const int64_t x[3] = {INT64_MAX, 2, 5};
    uint64_t plane, out = 0;
    void *planes[1] = {&plane};
    const cr_fold *f = NULL;
    cr_dtype t;
    ck_assert_ok(cr_fold_find(0, CR_REDUCE_SUM, CR_I64, NULL, &f, &t, &err));
    f->init(planes, 0, 1);
    f->run(planes, 0, x, 3, 0);
    ck_assert_ok(f->finish(planes, 1, NULL, t, &out, &err));
    ck_assert_uint_eq(out, (uint64_t)INT64_MAX + 7);
    ck_assert_ok(cr_fold_find(0, CR_REDUCE_PROD, CR_I64, NULL, &f, &t, &err));
    f->init(planes, 0, 1);
    f->run(planes, 0, x, 3, 0);
    ck_assert_ok(f->finish(planes, 1, NULL, t, &out, &err));
    ck_assert_uint_eq(out, (uint64_t)INT64_MAX * 10);
    const int8_t small[4] = {-3, 5, 7, -1};
    ck_assert_ok(cr_fold_find(0, CR_REDUCE_PROD, CR_I8, NULL, &f, &t, &err));
    f->init(planes, 0, 1);
    f->run(planes, 0, small, 4, 0);
    ck_assert_ok(f->finish(planes, 1, NULL, t, &out, &err));
    ck_assert_int_eq((int64_t)out, 105);
}
END_TEST

/* The law of segments, on long runs: cuts at multiples of CR_FOLD_SEGMENT do not change bits. And the answer is right. */
START_TEST(long_runs) {
    enum { N = 5 * CR_FOLD_SEGMENT + 137, START = 600 };
    static float x[N];
    uint64_t random = 3;
    cr_err err = CR_ERR_INIT;
    fill_tame(CR_F32, x, N, 9, &random);
    for (int r = 0; r < CR_REDUCTION_COUNT; r++)
        for (int skipna = 0; skipna < 2; skipna++) {
            cr_reduce_options o = {.skipna = skipna};
            uint64_t bits[LEVELS][2] = {{0}};
            cr_dtype t = CR_F32;
            for (int level = 0; level < LEVELS; level++)
                for (int cut = 0; cut < 2; cut++) {
                    const cr_fold *f = NULL;
                    static state s;
                    ck_assert_ok(cr_fold_find(level, (cr_reduction)r, CR_F32, &o, &f, &t, &err));
                    state_init(&s, f);
                    int64_t m = cut ? 3 * CR_FOLD_SEGMENT - START : N;
                    f->run(s.planes, 0, x, m, START);
                    f->run(s.planes, 0, x + m, N - m, START + m);
                    ck_assert_ok(f->finish(s.planes, 1, &o, t, &bits[level][cut], &err));
                    ck_assert_uint_eq(bits[level][cut], bits[0][0]);
                }
            number e;
            ck_assert(plain((cr_reduction)r, CR_F32, &o, x, N, 1, &e));
            if (r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX)
                e += START;
            if (r != CR_REDUCE_PROD)
                check_item((cr_reduction)r, CR_F32, t, bits[0], 0, e, "long run");
        }
}
END_TEST

START_TEST(ties_and_order) {
    cr_err err = CR_ERR_INIT;
    const double later[4] = {5, NAN, 1, 1}, earlier[4] = {5, 1, 1, 9};
    double value[8];
    int64_t index[8], out[4] = {0};
    void *planes[2] = {value, index};
    const cr_fold *f = NULL;
    cr_dtype t;
    cr_reduce_options o = {.skipna = true};
    /* Rows may come in any order of index; ties take the lowest. */
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_ARGMIN, CR_F64, &o, &f, &t, &err));
    f->init(planes, 0, 4);
    f->row(planes, 0, later, 4, 9);
    f->row(planes, 0, earlier, 4, 2);
    ck_assert_ok(f->finish(planes, 4, &o, t, out, &err));
    ck_assert(out[0] == 2 && out[1] == 2 && out[2] == 2 && out[3] == 9);
    /* -0 equals 0; the first NaN wins when NaN is passed on. */
    const double zeros[6] = {3, 0.0, -0.0, 7, NAN, NAN};
    f->init(planes, 0, 1);
    f->run(planes, 0, zeros, 6, 0);
    ck_assert_ok(f->finish(planes, 1, &o, t, out, &err));
    ck_assert_int_eq(out[0], 1);
    o.skipna = false;
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_ARGMAX, CR_F64, &o, &f, &t, &err));
    f->init(planes, 0, 1);
    f->run(planes, 0, zeros, 6, 0);
    ck_assert_ok(f->finish(planes, 1, &o, t, out, &err));
    ck_assert_int_eq(out[0], 4);
    /* first and last likewise go by index. */
    double ends[4];
    o.skipna = true;
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_FIRST, CR_F64, &o, &f, &t, &err));
    f->init(planes, 0, 4);
    f->row(planes, 0, later, 4, 9);
    f->row(planes, 0, earlier, 4, 2);
    ck_assert_ok(f->finish(planes, 4, &o, t, ends, &err));
    ck_assert(ends[1] == 1 && ends[3] == 9);
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_LAST, CR_F64, &o, &f, &t, &err));
    f->init(planes, 0, 4);
    f->row(planes, 0, later, 4, 9);
    f->row(planes, 0, earlier, 4, 2);
    ck_assert_ok(f->finish(planes, 4, &o, t, ends, &err));
    ck_assert(ends[1] == 1 && ends[3] == 1);
}
END_TEST

START_TEST(nothing_and_infinity) {
    cr_err err = CR_ERR_INIT;
    const float nans[3] = {NAN, NAN, NAN}, infinite[3] = {INFINITY, 1, NAN}, large[2] = {3e38f, 3e38f};
    for (int r = 0; r < CR_REDUCTION_COUNT; r++) {
        const cr_fold *f = NULL;
        static state s;
        cr_dtype t;
        double v = 0;
        cr_reduce_options o = {.skipna = true};
        ck_assert_ok(cr_fold_find(-1, (cr_reduction)r, CR_F32, &o, &f, &t, &err));
        state_init(&s, f);
        f->run(s.planes, 0, nans, 3, 0);
        if (r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX) {
            ck_assert_fails(f->finish(s.planes, 1, &o, t, &v, &err), CR_INVALID);
            continue;
        }
        ck_assert_ok(f->finish(s.planes, 1, &o, t, &v, &err));
        number got = get_number(t, &v, 0);
        number expected = r == CR_REDUCE_SUM || r == CR_REDUCE_COUNT ? 0
                          : r == CR_REDUCE_PROD || r == CR_REDUCE_ANY || r == CR_REDUCE_ALL ? 1 : (number)NAN;
        ck_assert_msg(got == expected || (got != got && expected != expected), "%s of NaN: %Lg", names[r], got);
        state_init(&s, f);
        f->run(s.planes, 0, infinite, 3, 0);
        ck_assert_ok(f->finish(s.planes, 1, &o, t, &v, &err));
        if (r == CR_REDUCE_SUM || r == CR_REDUCE_MAX || r == CR_REDUCE_MEAN)
            ck_assert(get_number(t, &v, 0) == INFINITY);
        if (r == CR_REDUCE_VAR || r == CR_REDUCE_STD)
            ck_assert(get_number(t, &v, 0) != get_number(t, &v, 0));
        state_init(&s, f);
        f->run(s.planes, 0, large, 2, 0);
        ck_assert_ok(f->finish(s.planes, 1, &o, t, &v, &err));
        if (r == CR_REDUCE_MEAN)                             /* the sum does not fit a float; the mean does */
            ck_assert(get_number(t, &v, 0) == 3e38f);
    }
    uint64_t out[2] = {1, 1};
    cr_fold_put_missing(CR_I32, out, 2);
    ck_assert_uint_eq(out[0], 0);
    cr_fold_put_missing(CR_F64, out, 2);
    ck_assert(get_number(CR_F64, out, 1) != get_number(CR_F64, out, 1));
}
END_TEST

/* Pressure-like data: the variance is small beside the square of the mean. */
START_TEST(variance_keeps_digits) {
    enum { N = 100000 };
    static double x[N];
    cr_err err = CR_ERR_INIT;
    number mean = 0, m2 = 0;
    uint64_t random = 11;
    for (int i = 0; i < N; i++)
        mean += x[i] = 1e8 + (double)(next_random(&random) % 1000) / 1000;
    mean /= N;
    for (int i = 0; i < N; i++)
        m2 += (x[i] - mean) * (x[i] - mean);
    const cr_fold *f = NULL;
    static state s;
    cr_dtype t;
    double v = 0;
    ck_assert_ok(cr_fold_find(-1, CR_REDUCE_VAR, CR_F64, NULL, &f, &t, &err));
    ck_assert_uint_eq(cr_fold_slot_bytes(f), 32);
    state_init(&s, f);
    f->run(s.planes, 0, x, N, 0);
    ck_assert_ok(f->finish(s.planes, 1, NULL, t, &v, &err));
    ck_assert(fabsl(v - m2 / N) < 1e-12L * (m2 / N));
    state_init(&s, f);
    f->rows(s.planes, 0, x, 10, N / 10, 80, 0, 1);
    for (int64_t k = 1; k < 10; k++) {
        void *right[CR_FOLD_MAX_PLANES];
        cr_fold_planes_at(f, s.planes, k, right);
        f->merge(s.planes, right, 1);
    }
    ck_assert_ok(f->finish(s.planes, 1, NULL, t, &v, &err));
    ck_assert(fabsl(v - m2 / N) < 1e-12L * (m2 / N));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kernel_fold");
    TCase *t = tcase_create("fold");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_fold, 0, CR_REDUCTION_COUNT);
    tcase_add_test(t, min_count_ddof_dtype);
    tcase_add_test(t, result_types);
    tcase_add_test(t, integers_wrap);
    tcase_add_test(t, long_runs);
    tcase_add_test(t, ties_and_order);
    tcase_add_test(t, nothing_and_infinity);
    tcase_add_test(t, variance_keeps_digits);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
