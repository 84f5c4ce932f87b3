/* test_laws.c - the laws of the node interface, over random graphs of every class of node.
 *
 *   regions    a part of a result that is computed by itself has the bits of the whole, whatever the part: boxes with steps, lists of positions
 *   demand     what is read for a part is all that it depends on: with other values in place of all that is not, the whole has the same part; and
 *              a smaller part reads nothing that the larger one does not
 *   cost       a computation never holds more than its plan said, and runs within exactly that limit; within a smaller one it has the same bits, or
 *              is refused before anything is read
 *   tiles      threads, levels of the kernels and memory limits (and so units, pieces, panels and passes) change no bit
 *   identity   an expression that is built twice is one node of a plan; as bytes and back it is the same: shape, type, chunks, bits, bytes
 *
 * Arrays are read through callbacks, in chunks so small that a domain has several cells. What cannot be built (a window longer than its axis, the
 * negative of a bool) is passed over; the last test counts that every operation took part. Regridding has its own in test_regrid.c. */
#include "../check_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "craton/craton.h"
#include "engine/exec/run.h"

#define LEAST_LIMIT ((uint64_t)1 << 20) /* that a context takes */
enum { SOURCES = 2, DIMS = 3, STEPS = 5, PROGRAMS = 80, PARTS = 3, LARGEST = 200000 };

typedef struct world world;
typedef struct reader {
    world *in;
    int number;
} reader;
struct world {
    int64_t shape[DIMS], chunks[DIMS], size;
    cr_dtype types[SOURCES];
    char *values[SOURCES];
    unsigned char *seen[SOURCES]; /* of each element, whether it was read */
    reader readers[SOURCES];
    cr_array *sources[SOURCES];
    atomic_int n_reads;
};

static uint64_t state;
static uint64_t next(void) { /* xorshift64*, Vigna 2016 */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Du;
}
static int64_t below(int64_t n) { return (int64_t)((next() >> 11) % (uint64_t)n); }
static bool one_in(int64_t n) { return below(n) == 0; }

/* ---- sources ---- */

static cr_status read_box(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *err) {
    const reader *r = user;
    world *w = r->in;
    size_t item = cr_dtype_size(w->types[r->number]);
    char *out = dst;
    atomic_fetch_add(&w->n_reads, 1);
    for (int d = 0; d < DIMS; d++)
        if (start[d] < 0 || count[d] < 1 || start[d] + count[d] > w->shape[d])
            return CR_FAIL(err, CR_INTERNAL, "axis %d: %d elements from %d on, of %d", d, (int)count[d], (int)start[d], (int)w->shape[d]);
    for (int64_t i = start[0]; i < start[0] + count[0]; i++)
        for (int64_t j = start[1]; j < start[1] + count[1]; j++) {
            int64_t at = (i * w->shape[1] + j) * w->shape[2] + start[2];
            memcpy(out, w->values[r->number] + (size_t)at * item, (size_t)count[2] * item);
            out += (size_t)count[2] * item;
            for (int64_t k = 0; k < count[2]; k++)
                __atomic_store_n(&w->seen[r->number][at + k], 1, __ATOMIC_RELAXED);
        }
    return CR_OK;
}

static void put(cr_dtype type, char *to, double v) {
    switch (type) {
    case CR_BOOL: *(uint8_t *)to = v > 0; break;
    case CR_U8: *(uint8_t *)to = (uint8_t)fabs(v); break;
    case CR_I16: *(int16_t *)to = (int16_t)v; break;
    case CR_I32: *(int32_t *)to = (int32_t)v; break;
    case CR_F32: *(float *)to = (float)v; break;
    default: *(double *)to = v; break;
    }
}

static void fill(const world *w, int source, int64_t at) {
    bool floating = cr_dtype_kind(w->types[source]) == 'f';
    double v = (double)(below(4000) - 2000) / (floating ? 7 : 16);
    put(w->types[source], w->values[source] + (size_t)at * cr_dtype_size(w->types[source]), floating && one_in(9) ? NAN : v);
}

/* Between 40 and 400 chunks of each array, unequal at the end; or one, of more than half of the least memory limit. */
static void begin(world *w, uint64_t seed, bool one_chunk) {
    static const cr_dtype kinds[] = {CR_F64, CR_F32, CR_F64, CR_F32, CR_I16, CR_I32, CR_U8, CR_BOOL};
    cr_err err = CR_ERR_INIT;
    state = seed * 0x9E3779B97F4A7C15u + 1;
    memset(w, 0, sizeof *w);
    w->size = 1;
    for (int d = 0; d < DIMS; d++) {
        w->shape[d] = 24 + below(20) + (one_chunk ? 20 : 0);
        w->chunks[d] = one_chunk ? w->shape[d] : 4 + below(9);
        w->size *= w->shape[d];
    }
    if (!one_chunk && one_in(4))
        w->chunks[below(DIMS)] = 1;
    for (int s = 0; s < SOURCES; s++) {
        w->types[s] = kinds[below((int64_t)(sizeof kinds / sizeof *kinds))];
        w->values[s] = calloc((size_t)w->size, cr_dtype_size(w->types[s]));
        w->seen[s] = calloc((size_t)w->size, 1);
        ck_assert(w->values[s] && w->seen[s]);
        for (int64_t i = 0; i < w->size; i++)
            fill(w, s, i);
        w->readers[s] = (reader){w, s};
        ck_assert_ok(cr_array_from_callback(w->types[s], 0, DIMS, w->shape, w->chunks, false, read_box, NULL, &w->readers[s], &w->sources[s], &err));
    }
}

static void end(world *w) {
    for (int s = 0; s < SOURCES; s++) {
        cr_array_unref(w->sources[s]);
        free(w->values[s]);
        free(w->seen[s]);
    }
}

static void forget(world *w) {
    for (int s = 0; s < SOURCES; s++)
        memset(w->seen[s], 0, (size_t)w->size);
    atomic_store(&w->n_reads, 0);
}

/* ---- programs: a chain of steps from the first source on ---- */

enum step { UNARY, BINARY, SCALAR, CAST, SLICE, TAKE, PERMUTE, CONCAT, EXPAND, RECHUNK, WHERE, REDUCE, GROUP, CUMULATE, FORWARD, WINDOW, QUANTILE, MEDIAN_OF_GROUPS, N_STEPS };
static const char *const step_names[N_STEPS] = {"unary", "binary", "scalar", "cast", "slice", "take", "permute", "concat", "expand", "rechunk", "where",
                                                "reduce", "group", "cumulate", "fill forward", "window", "quantile", "median of groups"};
static int taken[N_STEPS];

static cr_status slice(cr_array *a, cr_array **ret, cr_err *err) {
    cr_slice box[CR_MAX_DIMS];
    for (int d = 0; d < cr_array_ndim(a); d++) {
        int64_t n = cr_array_shape(a)[d], step = one_in(3) ? 2 + below(2) : 1, from = below(n), most = (n - 1 - from) / step + 1;
        box[d] = (cr_slice){from, step, most - below(most / 2 + 1)};
        if (one_in(4))
            box[d] = (cr_slice){from + (box[d].count - 1) * step, -step, box[d].count};
    }
    return cr_array_slice(a, box, ret, err);
}

static cr_status take(cr_array *a, cr_array **ret, cr_err *err) {
    int axis = (int)below(cr_array_ndim(a));
    int64_t n = cr_array_shape(a)[axis], index[64], m = 1 + below(40);
    bool rising = one_in(2);
    for (int64_t k = 0; k < m; k++)
        index[k] = rising ? k * n / m : below(2 * n) - n;
    return cr_array_take(a, axis, index, m, ret, err);
}

static cr_status concat(cr_array *a, cr_array **ret, cr_err *err) {
    int axis = (int)below(cr_array_ndim(a)), d = cr_array_ndim(a);
    cr_slice box[CR_MAX_DIMS];
    for (int k = 0; k < d; k++)
        box[k] = (cr_slice){0, 1, cr_array_shape(a)[k]};
    box[axis].start = below(box[axis].count);
    box[axis].count -= box[axis].start;
    cr_array *part;
    CR_TRY(cr_array_slice(a, box, &part, err));
    cr_status status = cr_array_concat(2, (cr_array *[]){a, part}, axis, ret, err);
    cr_array_unref(part);
    return status;
}

static cr_status permute(cr_array *a, cr_array **ret, cr_err *err) {
    int axes[CR_MAX_DIMS], n = cr_array_ndim(a);
    for (int d = 0; d < n; d++)
        axes[d] = d;
    for (int d = n - 1; d > 0; d--) {
        int with = (int)below(d + 1), held = axes[d];
        axes[d] = axes[with];
        axes[with] = held;
    }
    return cr_array_permute(a, axes, ret, err);
}

static int some_axes(const cr_array *a, int *axes) { /* rising */
    int n = 0, most = cr_array_ndim(a);
    for (int d = 0; d < most; d++)
        if (one_in(2))
            axes[n++] = d;
    if (n == 0)
        axes[n++] = (int)below(most);
    return n;
}

static cr_status grouped(cr_array *a, bool median, cr_array **ret, cr_err *err) {
    int axes[CR_MAX_DIMS], n = median ? 1 : some_axes(a, axes);
    if (median)
        axes[0] = (int)below(cr_array_ndim(a));
    int64_t m = 1, groups = 1 + below(9);
    for (int k = 0; k < n; k++)
        m *= cr_array_shape(a)[axes[k]];
    int32_t *codes = calloc((size_t)m + 1, sizeof *codes);
    ck_assert_ptr_nonnull(codes);
    bool runs = one_in(2);
    for (int64_t k = 0; k < m; k++)
        codes[k] = runs ? (int32_t)(k * groups / m) : (int32_t)below(groups + 1) - 1;
    const cr_reduction r[] = {CR_REDUCE_SUM, CR_REDUCE_MEAN, CR_REDUCE_STD, CR_REDUCE_MAX, CR_REDUCE_COUNT, CR_REDUCE_FIRST};
    const cr_reduce_options o = {.skipna = !one_in(3), .min_count = below(3)};
    const cr_quantile_options q = {.skipna = o.skipna};
    cr_status status = median ? cr_array_median_group(a, n, axes, codes, groups, &q, ret, err)
                              : cr_array_group(r[below(6)], a, n, axes, codes, groups, &o, ret, err);
    free(codes);
    return status;
}

static cr_status combined(enum step s, const world *w, cr_array *a, cr_array **ret, cr_err *err) {
    static const cr_map_op one[] = {CR_MAP_NEGATIVE, CR_MAP_ABSOLUTE, CR_MAP_SQRT, CR_MAP_ISNAN, CR_MAP_SIN, CR_MAP_FLOOR};
    static const cr_map_op two[] = {CR_MAP_ADD, CR_MAP_SUBTRACT, CR_MAP_MULTIPLY, CR_MAP_MAXIMUM, CR_MAP_LESS, CR_MAP_DIVIDE, CR_MAP_REMAINDER};
    double value = (double)(below(40) - 20) / 4;
    cr_array *scalar, *flag = NULL;
    if (s == UNARY)
        return cr_array_map(one[below(6)], &a, ret, err);
    if (s == BINARY) /* of one shape at first, then broadcast where that is possible */
        return cr_array_map(two[below(7)], (cr_array *[]){a, w->sources[1]}, ret, err);
    CR_TRY(cr_array_scalar(CR_F64, &value, one_in(2), &scalar, err));
    cr_status status = s == SCALAR ? cr_array_map(two[below(7)], (cr_array *[]){a, scalar}, ret, err)
                                   : cr_array_map(CR_MAP_GREATER, (cr_array *[]){a, scalar}, &flag, err);
    if (s == WHERE && status == CR_OK)
        status = cr_array_map(CR_MAP_WHERE, (cr_array *[]){flag, a, scalar}, ret, err);
    cr_array_unref(flag);
    cr_array_unref(scalar);
    return status;
}

static cr_status along(enum step s, cr_array *a, cr_array **ret, cr_err *err) {
    int axes[CR_MAX_DIMS], axis = (int)below(cr_array_ndim(a));
    int64_t n = cr_array_shape(a)[axis];
    const double q[] = {0.1, 0.5, 1};
    const cr_reduction r[] = {CR_REDUCE_SUM, CR_REDUCE_MEAN, CR_REDUCE_MIN, CR_REDUCE_MAX, CR_REDUCE_COUNT, CR_REDUCE_VAR, CR_REDUCE_STD, CR_REDUCE_ANY,
                              CR_REDUCE_FIRST, CR_REDUCE_LAST};
    switch (s) {
    case CUMULATE: return cr_array_cumulate(CR_CUMULATE_SUM, a, axis, one_in(2), ret, err);
    case FORWARD: return cr_array_fill_forward(a, axis, below(4), ret, err);
    case WINDOW: {
        const cr_window_options o = {.skipna = one_in(2), .min_count = below(2)};
        return cr_array_window((cr_window_op)below(CR_WINDOW_COUNT), a, axis, 1 + below(CR_MIN(n, 12)), &o, ret, err);
    }
    case QUANTILE: {
        const cr_quantile_options o = {.skipna = one_in(2), .own_type = one_in(2)};
        return cr_array_quantile(a, 1, &axis, 1 + (int)below(3), q, &o, ret, err);
    }
    default: {
        const cr_reduce_options o = {.skipna = !one_in(3), .keepdims = one_in(3), .ddof = (int)below(2), .min_count = below(3)};
        int m = some_axes(a, axes);
        return cr_array_reduce(r[below(10)], a, m, axes, &o, ret, err);
    }
    }
}

static cr_status step(enum step s, const world *w, cr_array *a, cr_array **ret, cr_err *err) {
    static const cr_dtype kinds[] = {CR_F32, CR_F64, CR_I32, CR_I64, CR_F16};
    int64_t chunks[CR_MAX_DIMS];
    switch (s) {
    case CAST: return cr_array_cast(a, kinds[below(5)], ret, err);
    case SLICE: return slice(a, ret, err);
    case TAKE: return take(a, ret, err);
    case PERMUTE: return permute(a, ret, err);
    case CONCAT: return concat(a, ret, err);
    case EXPAND: return cr_array_expand(a, (int)below(cr_array_ndim(a) + 1), ret, err);
    case RECHUNK:
        for (int d = 0; d < cr_array_ndim(a); d++)
            chunks[d] = 1 + below(cr_array_shape(a)[d]);
        return cr_array_rechunk(a, chunks, ret, err);
    case GROUP:
    case MEDIAN_OF_GROUPS: return grouped(a, s == MEDIAN_OF_GROUPS, ret, err);
    case UNARY:
    case BINARY:
    case SCALAR:
    case WHERE: return combined(s, w, a, ret, err);
    default: return along(s, a, ret, err);
    }
}

/* The same program for the same seed, on the sources of w. */
static cr_array *build(const world *w, uint64_t seed) {
    state = seed * 0xD1342543DE82EF95u + 7;
    cr_array *a = cr_array_ref(w->sources[0]);
    for (int k = 0; k < STEPS; k++) {
        cr_err err = CR_ERR_INIT;
        cr_array *b;
        enum step s = (enum step)below(N_STEPS);
        if (cr_array_ndim(a) == 0 || cr_array_ndim(a) > 5 || cr_array_size(a) == 0)
            break;
        if (step(s, w, a, &b, &err) != CR_OK)
            continue;
        if (cr_array_size(b) == 0 || cr_array_size(b) > LARGEST) {
            cr_array_unref(b);
            continue;
        }
        taken[s]++;
        cr_array_unref(a);
        a = b;
    }
    return a;
}

/* ---- running ---- */

static cr_context *context(int threads, int simd, uint64_t memory) {
    const cr_context_options o = {.threads = threads, .simd_level = simd, .memory_limit_bytes = memory};
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(&o, &c, &err));
    return c;
}

static size_t bytes_of(const cr_array *a) { return (size_t)cr_array_size(a) * cr_array_itemsize(a); }

static char *computed(cr_context *c, cr_array *a) {
    cr_err err = CR_ERR_INIT;
    char *out = malloc(bytes_of(a) + 1);
    ck_assert_ptr_nonnull(out);
    ck_assert_ok(cr_compute(c, 1, &a, (void *[]){out}, &err));
    return out;
}

static uint64_t planned(cr_context *c, cr_array *a) {
    cr_plan plan;
    cr_err err = CR_ERR_INIT;
    const cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes, .keep_bytes = c->keep_bytes};
    ck_assert_ok(cr_plan_make(&plan, 1, &a, NULL, &o, &err));
    uint64_t peak = plan.peak_bytes;
    cr_plan_done(&plan);
    return peak;
}

/* ---- parts ---- */

typedef struct part {
    cr_slice box[CR_MAX_DIMS];
} part;

static part some_part(const cr_array *a) {
    part p = {0};
    for (int d = 0; d < cr_array_ndim(a); d++) {
        int64_t n = cr_array_shape(a)[d], step = one_in(4) ? 2 : 1, from = below(n), most = (n - 1 - from) / step + 1, m = 1 + below(most);
        p.box[d] = one_in(5) ? (cr_slice){from + (m - 1) * step, -step, m} : (cr_slice){from, step, m};
    }
    return p;
}

/* A part of a part. */
static part within(const cr_array *a, const part *p) {
    part q = *p;
    for (int d = 0; d < cr_array_ndim(a); d++) {
        int64_t skip = below(p->box[d].count);
        q.box[d].start += skip * q.box[d].step;
        q.box[d].count = 1 + below(q.box[d].count - skip);
    }
    return q;
}

static cr_array *cut(cr_array *a, const part *p) {
    cr_err err = CR_ERR_INIT;
    cr_array *r;
    ck_assert_ok(cr_array_slice(a, p->box, &r, &err));
    return r;
}

/* Whether `values` are those of part p of `whole`. */
static bool same_part(const cr_array *a, const char *whole, const part *p, const char *values) {
    size_t item = cr_array_itemsize(a);
    int n = cr_array_ndim(a);
    int64_t at[CR_MAX_DIMS] = {0}, size = 1;
    for (int d = 0; d < n; d++)
        size *= p->box[d].count;
    for (int64_t k = 0; k < size; k++) {
        int64_t place = 0;
        for (int d = 0; d < n; d++)
            place = place * cr_array_shape(a)[d] + p->box[d].start + at[d] * p->box[d].step;
        if (memcmp(whole + (size_t)place * item, values + (size_t)k * item, item) != 0)
            return false;
        for (int d = n - 1; d >= 0 && ++at[d] == p->box[d].count; d--)
            at[d] = 0;
    }
    return true;
}

/* ---- the laws ---- */

START_TEST(regions) {
    cr_context *c = context(2, -1, 0);
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        world w;
        begin(&w, seed, false);
        cr_array *a = build(&w, seed);
        char *whole = computed(c, a);
        for (int k = 0; k < PARTS; k++) {
            part p = some_part(a);
            cr_array *some = cut(a, &p);
            char *values = computed(c, some);
            ck_assert_msg(same_part(a, whole, &p, values), "program %d, part %d of %s", (int)seed, k, cr_array_op(a));
            free(values);
            cr_array_unref(some);
        }
        if (cr_array_ndim(a) > 0) { /* positions in a row, some twice, some counted from the end */
            cr_err err = CR_ERR_INIT;
            int64_t n = cr_array_shape(a)[0], row = cr_array_size(a) / n, index[20];
            size_t bytes = (size_t)row * cr_array_itemsize(a);
            cr_array *some;
            for (int k = 0; k < 20; k++)
                index[k] = below(2 * n) - n;
            ck_assert_ok(cr_array_take(a, 0, index, 20, &some, &err));
            char *values = computed(c, some);
            for (int k = 0; k < 20; k++)
                ck_assert_msg(memcmp(whole + (size_t)((index[k] + n) % n) * bytes, values + (size_t)k * bytes, bytes) == 0, "program %d, position %d", (int)seed, k);
            free(values);
            cr_array_unref(some);
        }
        free(whole);
        cr_array_unref(a);
        end(&w);
    }
    cr_context_free(c);
}
END_TEST

START_TEST(demand) {
    cr_context *c = context(2, -1, 0);
    int64_t not_read = 0, fewer = 0;
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        world w;
        unsigned char *larger[SOURCES];
        begin(&w, seed, false);
        cr_array *a = build(&w, seed);
        part p = some_part(a), q = within(a, &p);
        cr_array *some = cut(a, &p), *less = cut(a, &q);
        forget(&w);
        char *values = computed(c, some);
        for (int s = 0; s < SOURCES; s++) {
            larger[s] = malloc((size_t)w.size);
            ck_assert_ptr_nonnull(larger[s]);
            memcpy(larger[s], w.seen[s], (size_t)w.size);
        }
        forget(&w);
        free(computed(c, less));
        for (int s = 0; s < SOURCES; s++)
            for (int64_t i = 0; i < w.size; i++) {
                if (w.seen[s][i] && !larger[s][i])
                    ck_abort_msg("program %d (%s): the smaller part reads element %d of source %d", (int)seed, cr_array_op(a), (int)i, s);
                fewer += larger[s][i] && !w.seen[s][i];
                if (!larger[s][i]) { /* other values where nothing was read for the part */
                    fill(&w, s, i);
                    not_read++;
                }
            }
        char *whole = computed(c, a);
        ck_assert_msg(same_part(a, whole, &p, values), "program %d: what is not read for a part of %s changes it", (int)seed, cr_array_op(a));
        for (int s = 0; s < SOURCES; s++)
            free(larger[s]);
        free(whole);
        free(values);
        cr_array_unref(less);
        cr_array_unref(some);
        cr_array_unref(a);
        end(&w);
    }
    cr_context_free(c);
    ck_assert_int_gt(not_read, 100000);
    ck_assert_int_gt(fewer, 100000);
}
END_TEST

START_TEST(cost) {
    int refused = 0, ran = 0;
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        world w;
        cr_context *c = context(2, -1, 1 << 30);
        begin(&w, seed, seed % 4 == 0);
        cr_array *a = build(&w, seed);
        uint64_t peak = planned(c, a);
        char *whole = computed(c, a);
        ck_assert_msg(cr_context_peak_bytes(c) <= peak, "program %d: %s held %d bytes, planned were %d", (int)seed, cr_array_op(a),
                      (int)cr_context_peak_bytes(c), (int)peak);
        cr_context_free(c);
        for (int part_of = 1; part_of <= 16; part_of *= 4) {
            cr_err err = CR_ERR_INIT;
            char *out = calloc(bytes_of(a) + 1, 1);
            ck_assert_ptr_nonnull(out);
            c = context(2, -1, CR_MAX(peak / (uint64_t)part_of, LEAST_LIMIT));
            forget(&w);
            cr_status status = cr_compute(c, 1, &a, (void *[]){out}, &err);
            ck_assert_msg(status == CR_OK || (status == CR_MEMORY && cr_context_memory_limit(c) < peak), "program %d, a limit of %d: %s", (int)seed, (int)cr_context_memory_limit(c), err.message);
            if (status == CR_OK) {
                ck_assert_msg(memcmp(out, whole, bytes_of(a)) == 0, "program %d: other bits with a limit of %d", (int)seed, (int)cr_context_memory_limit(c));
                ck_assert_msg(cr_context_peak_bytes(c) <= cr_context_memory_limit(c), "program %d: more than its limit", (int)seed);
                ran += cr_context_memory_limit(c) < peak;
            } else {
                ck_assert_msg(atomic_load(&w.n_reads) == 0 && err.hint[0] != 0, "program %d: refused late, or without advice", (int)seed);
                refused++;
            }
            cr_context_free(c);
            free(out);
        }
        free(whole);
        cr_array_unref(a);
        end(&w);
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_gt(ran, 10);
}
END_TEST

START_TEST(tiles) {
    static const struct {
        int threads, simd;
        uint64_t memory;
    } ways[] = {{1, 0, 0}, {2, -1, 0}, {7, -1, 0}, {3, 0, 2 << 20}, {1, -1, 1 << 20}};
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        world w;
        char *first = NULL;
        begin(&w, seed, false);
        cr_array *a = build(&w, seed);
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
            cr_err err = CR_ERR_INIT;
            cr_context *c = context(ways[k].threads, ways[k].simd, ways[k].memory);
            char *out = malloc(bytes_of(a) + 1);
            ck_assert_ptr_nonnull(out);
            cr_status status = cr_compute(c, 1, &a, (void *[]){out}, &err);
            ck_assert_msg(status == CR_OK || (status == CR_MEMORY && ways[k].memory > 0), "program %d: %s", (int)seed, err.message);
            if (status == CR_OK && first)
                ck_assert_msg(memcmp(out, first, bytes_of(a)) == 0, "program %d, %s: other bits with way %d", (int)seed, cr_array_op(a), (int)k);
            if (first)
                free(out);
            else
                first = out;
            cr_context_free(c);
        }
        free(first);
        cr_array_unref(a);
        end(&w);
    }
}
END_TEST

/* With memory in place of callbacks, which cannot be sent. */
static void in_memory(world *w) {
    cr_err err = CR_ERR_INIT;
    for (int s = 0; s < SOURCES; s++) {
        cr_array_unref(w->sources[s]);
        ck_assert_ok(cr_array_from_memory(w->types[s], 0, DIMS, w->shape, NULL, w->chunks, w->values[s], NULL, NULL, &w->sources[s], &err));
    }
}

static void same_chunks(const cr_array *a, const cr_array *b) {
    ck_assert_int_eq(cr_array_ndim(a), cr_array_ndim(b));
    for (int d = 0; d < cr_array_ndim(a); d++) {
        int64_t n = cr_array_chunks(a, d, NULL), *one = calloc((size_t)n + 1, sizeof *one), *other = calloc((size_t)n + 1, sizeof *other);
        ck_assert(one && other && n == cr_array_chunks(b, d, NULL));
        cr_array_chunks(a, d, one);
        cr_array_chunks(b, d, other);
        ck_assert_int_eq(cr_array_shape(a)[d], cr_array_shape(b)[d]);
        ck_assert_mem_eq(one, other, (size_t)n * sizeof *one);
        free(one);
        free(other);
    }
}

START_TEST(identity) {
    cr_context *c = context(2, -1, 0);
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        world w;
        cr_err err = CR_ERR_INIT;
        cr_plan plan;
        begin(&w, seed, false);
        in_memory(&w);
        cr_array *a = build(&w, seed), *twin = build(&w, seed), **back;
        const cr_plan_options o = {.threads = 2, .limit_bytes = 1 << 30};
        ck_assert_ok(cr_plan_make(&plan, 2, (cr_array *[]){a, twin}, NULL, &o, &err));
        ck_assert_msg(plan.output_nodes[0] == plan.output_nodes[1], "program %d: %s twice", (int)seed, cr_array_op(a));
        cr_plan_done(&plan);

        void *bytes, *again;
        size_t n, n_again;
        int n_back;
        ck_assert_ok(cr_graph_encode(1, &a, 1 << 30, &bytes, &n, &err));
        ck_assert_ok(cr_graph_decode(bytes, n, &back, &n_back, &err));
        ck_assert_int_eq(n_back, 1);
        ck_assert_int_eq(cr_array_dtype(back[0]), cr_array_dtype(a));
        same_chunks(back[0], a);
        ck_assert_ok(cr_graph_encode(1, back, 1 << 30, &again, &n_again, &err));
        ck_assert_msg(n == n_again && memcmp(bytes, again, n) == 0, "program %d: other bytes the second time", (int)seed);
        char *one = computed(c, a), *other = computed(c, back[0]);
        ck_assert_msg(memcmp(one, other, bytes_of(a)) == 0, "program %d: other values the second time", (int)seed);
        free(one);
        free(other);
        cr_free(bytes);
        cr_free(again);
        cr_graph_free(back, n_back);
        cr_array_unref(twin);
        cr_array_unref(a);
        end(&w);
    }
    cr_context_free(c);
}
END_TEST

START_TEST(every_operation_took_part) {
    memset(taken, 0, sizeof taken);
    for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
        world w;
        begin(&w, seed, false);
        cr_array_unref(build(&w, seed));
        end(&w);
    }
    for (int s = 0; s < N_STEPS; s++)
        ck_assert_msg(taken[s] >= 3, "%s: %d times", step_names[s], taken[s]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("laws");
    TCase *t = tcase_create("laws");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, regions);
    tcase_add_test(t, demand);
    tcase_add_test(t, cost);
    tcase_add_test(t, tiles);
    tcase_add_test(t, identity);
    tcase_add_test(t, every_operation_took_part);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
