/* test_columns.c - scans that go over the same chunks column by column: each chunk is decoded once, and neither bits, limit, errors nor
 * cancelling differ from scans that are run one after the other. */
#include "../check_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "craton/craton.h"
#include "craton/quantile.h"
#include "engine/exec/run.h"
#include "engine/format/model.h"

enum { T = 128, Y = 96, X = 64, CT = 16, CY = 32, CX = 32, NT = T / CT, NY = Y / CY, NX = X / CX, GROUPS = 12 };

/* ---- a source that counts, and fails where it is told to ---- */

static atomic_int decoded[NT][NY][NX];
static bool fails[NT][NY][NX];
static cr_context *cancelled; /* by the next chunk that is read */

static double value_at(int64_t t, int64_t y, int64_t x) {
    uint64_t h = (uint64_t)(t * 7919 + y * 104729 + x * 1299709) * 0x9E3779B97F4A7C15u;
    if ((h >> 40) % 17 == 0 || (t % 5 == 0 && y < 3))
        return NAN;
    return (double)(h >> 44) / 3 + 0.1 * (double)t;
}

static cr_status read_chunk(cr_source *s, const int64_t *c, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    double *out = dst;
    atomic_fetch_add(&decoded[c[0]][c[1]][c[2]], 1);
    if (cancelled != NULL)
        cr_context_cancel(cancelled);
    if (fails[c[0]][c[1]][c[2]])
        return CR_FAIL(err, CR_FORMAT, "chunk %d %d %d is broken", (int)c[0], (int)c[1], (int)c[2]);
    for (int64_t t = 0; t < CT; t++)
        for (int64_t y = 0; y < CY; y++)
            for (int64_t x = 0; x < CX; x++)
                *out++ = value_at(c[0] * CT + t, c[1] * CY + y, c[2] * CX + x);
    *ret_absent = false;
    return CR_OK;
}

static size_t scratch_bytes(const cr_source *s) { return 64; }
static size_t stored_bytes(const cr_source *s, const int64_t *chunk) { return s->chunk_bytes; }
static void free_source(cr_source *s) {
    cr_source_fini(s);
    free(s);
}
static const cr_source_ops ops = {"counted", read_chunk, scratch_bytes, stored_bytes, free_source, NULL};

static cr_array *counted_array(void) {
    const int64_t shape[] = {T, Y, X}, chunks[] = {CT, CY, CX};
    cr_source *s = calloc(1, sizeof *s);
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    ck_assert_ptr_nonnull(s);
    ck_assert_ok(cr_source_init(s, &ops, CR_F64, 8, 3, shape, chunks, "counted", &err));
    ck_assert_ok(cr_array_from_source(s, &a, &err));
    cr_source_unref(s);
    return a;
}

/* ---- programs ---- */

static cr_array *map2(cr_map_op op, cr_array *a, cr_array *b) {
    cr_array *args[] = {a, b}, *r;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_array_map(op, args, &r, &err));
    cr_array_unref(a);
    cr_array_unref(b);
    return r;
}

static cr_array *reduced(cr_reduction op, cr_array *a, int n, const int *axes, bool keepdims) {
    cr_reduce_options o = {.skipna = true, .keepdims = keepdims};
    cr_err err = CR_ERR_INIT;
    cr_array *r;
    ck_assert_ok(cr_array_reduce(op, a, n, axes, &o, &r, &err));
    return r;
}

static const int time_axis[] = {0}, space[] = {1, 2}, all_axes[] = {0, 1, 2}, row_axes[] = {0, 2};

/* x - climatology[group of each time]; takes x. */
static cr_array *anomaly(cr_array *x) {
    cr_reduce_options o = {.skipna = true};
    cr_err err = CR_ERR_INIT;
    int32_t codes[T];
    int64_t index[T];
    cr_array *climatology, *back;
    for (int t = 0; t < T; t++)
        index[t] = codes[t] = (t / 3) % GROUPS;
    ck_assert_ok(cr_array_group(CR_REDUCE_MEAN, x, 1, time_axis, codes, GROUPS, &o, &climatology, &err));
    ck_assert_ok(cr_array_take(climatology, 0, index, T, &back, &err));
    cr_array_unref(climatology);
    return map2(CR_MAP_SUBTRACT, x, back);
}

static cr_array *standardised(cr_array *x) {
    cr_array *mean = reduced(CR_REDUCE_MEAN, x, 1, time_axis, true), *std = reduced(CR_REDUCE_STD, x, 1, time_axis, true);
    return map2(CR_MAP_DIVIDE, map2(CR_MAP_SUBTRACT, x, mean), std);
}

static cr_array *give(cr_array *whole, cr_array *part) {
    cr_array_unref(whole);
    return part;
}

enum { MOST_OUT = 3 };
typedef struct program {
    const char *name;
    int n;
    cr_array *(*make)(cr_array *x, int output); /* takes x */
} program;

static cr_array *series(cr_array *x, int i) {
    cr_array *a = anomaly(x);
    return i == 0 ? give(a, reduced(CR_REDUCE_MEAN, a, 2, space, false)) : i == 1 ? give(a, reduced(CR_REDUCE_MAX, a, 1, time_axis, false)) : a;
}
static cr_array *spread(cr_array *x, int i) {
    cr_array *s = standardised(x);
    return i == 0 ? give(s, reduced(CR_REDUCE_VAR, s, 3, all_axes, false)) : s;
}
static cr_array *rows(cr_array *x, int i) { /* the means lack an axis of which another scan makes columns */
    cr_array *mean = reduced(CR_REDUCE_MEAN, x, 2, row_axes, true), *d = map2(CR_MAP_SUBTRACT, x, mean);
    return i == 0 ? give(d, reduced(CR_REDUCE_SUM, d, 2, space, false)) : give(d, reduced(CR_REDUCE_STD, d, 1, time_axis, false));
}
static cr_array *ranks(cr_array *x, int i) {
    cr_array *a = anomaly(x), *r;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_array_median(a, 1, time_axis, NULL, &r, &err));
    return give(a, r);
}
static cr_array *twice(cr_array *x, int i) { /* three phases, and a result of results */
    cr_array *s = standardised(anomaly(x)), *r = reduced(CR_REDUCE_MEAN, s, 2, space, false);
    if (i == 0)
        return give(s, r);
    cr_array *n = reduced(CR_REDUCE_COUNT, s, 2, space, false);
    return give(s, map2(CR_MAP_DIVIDE, r, n));
}
static cr_array *centred(cr_array *x, int i) { /* the whole is needed before anything can be subtracted */
    cr_array *mean = reduced(CR_REDUCE_MEAN, x, 3, all_axes, true);
    return map2(CR_MAP_SUBTRACT, x, mean);
}

static const program programs[] = {
    {"series", 3, series}, {"spread", 2, spread}, {"rows", 2, rows}, {"ranks", 1, ranks}, {"twice", 2, twice}, {"centred", 1, centred},
};

typedef struct answer {
    double *data[MOST_OUT];
    size_t bytes[MOST_OUT];
    cr_array *arrays[MOST_OUT];
} answer;

static void begin(const program *p, answer *a) {
    memset(a, 0, sizeof *a);
    cr_array *x = counted_array();
    for (int i = 0; i < p->n; i++) {
        a->arrays[i] = p->make(cr_array_ref(x), i);
        a->bytes[i] = (size_t)a->arrays[i]->size * 8;
        a->data[i] = malloc(a->bytes[i]);
        ck_assert_ptr_nonnull(a->data[i]);
    }
    cr_array_unref(x);
}

static void end(const program *p, answer *a) {
    for (int i = 0; i < p->n; i++) {
        cr_array_unref(a->arrays[i]);
        free(a->data[i]);
    }
}

static cr_context *context_keeping(int threads, uint64_t limit, uint64_t keep) {
    cr_context_options o = {.threads = threads, .memory_limit_bytes = limit, .simd_level = -1, .keep_bytes = keep};
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(&o, &c, &err));
    return c;
}

static cr_context *context(int threads, uint64_t limit) { return context_keeping(threads, limit, 0); }

static int all_decoded(int *ret_most) {
    int all = *ret_most = 0;
    for (int i = 0; i < NT * NY * NX; i++) {
        int n = atomic_load(&decoded[0][0][0] + i);
        *ret_most = CR_MAX(*ret_most, n);
        all += n;
    }
    return all;
}

typedef enum columns { NO_COLUMNS, KEEP_SOME, KEEP_ALL } columns;

static columns has_columns(cr_context *c, const program *p, answer *a) {
    cr_err err = CR_ERR_INIT;
    char *text;
    ck_assert_ok(cr_explain(c, p->n, a->arrays, &text, &err));
    columns has = strstr(text, "go over each together") == NULL ? NO_COLUMNS : strstr(text, "is decoded once") != NULL ? KEEP_ALL : KEEP_SOME;
    cr_free(text);
    return has;
}

static cr_status run(const program *p, answer *a, cr_context *c, cr_err *err) {
    memset(decoded, 0, sizeof decoded);
    return cr_compute(c, p->n, a->arrays, (void *const *)a->data, err);
}

/* From too little memory to plenty. Whether there were columns is told by explain, and by the reads. */
START_TEST(same_bits_whatever_the_memory) {
    const program *p = &programs[_i];
    static const int threads[] = {1, 2, 7};
    answer first, a;
    bool with = false, without = false, have_first = false;
    int apart = 0;
    begin(p, &first);
    begin(p, &a);
    for (int i = 0; i < p->n; i++)
        ck_assert_uint_eq(first.bytes[i], a.bytes[i]);
    for (uint64_t limit = (uint64_t)3 << 19; limit <= (uint64_t)96 << 20; limit += limit / 4)
        for (size_t t = 0; t < CR_ARRAY_LEN(threads); t++) {
            cr_context *c = context(threads[t], limit);
            cr_err err = CR_ERR_INIT;
            cr_status status = run(p, have_first ? &a : &first, c, &err);
            if (status == CR_OK) {
                columns kept = has_columns(c, p, &a);
                int most, all = all_decoded(&most);
                for (int i = 0; i < p->n && have_first; i++)
                    ck_assert_msg(memcmp(first.data[i], a.data[i], a.bytes[i]) == 0, "%s, output %d, %d threads, limit %llu, columns %d", p->name, i,
                                  threads[t], (unsigned long long)limit, (int)kept);
                uint64_t rounding = kept != NO_COLUMNS ? 0 : limit / 8; /* blocks have eight sizes per doubling, which matters when they are small */
                ck_assert_msg(cr_context_peak_bytes(c) <= limit + rounding, "%s, %d threads, limit %llu, columns %d: peak %llu", p->name, threads[t],
                              (unsigned long long)limit, (int)kept, (unsigned long long)cr_context_peak_bytes(c));
                have_first = true;
                with |= kept == KEEP_ALL;
                without |= kept == NO_COLUMNS;
                if (threads[t] == 1) {
                    apart = kept == NO_COLUMNS ? all : apart;
                    ck_assert_msg(kept != KEEP_ALL || most == 1, "%s, limit %llu: decoded %d times", p->name, (unsigned long long)limit, most);
                    ck_assert_msg(kept != KEEP_SOME || apart == 0 || all < apart, "%s, limit %llu: decoded %d chunks, by themselves %d", p->name,
                                  (unsigned long long)limit, all, apart);
                }
            } else {
                ck_assert_msg(status == CR_MEMORY, "%s", err.message);
            }
            cr_context_free(c);
        }
    ck_assert_msg(with && without, "%s: with columns %d, without %d", p->name, with, without);
    end(p, &first);
    end(p, &a);
}
END_TEST

/* With plenty of memory, and less and less of it for decoded chunks: more is decoded, and nothing else changes. */
START_TEST(the_same_bits_whatever_is_kept) {
    const program *p = &programs[0];
    answer first, a;
    int before = 0, kinds = 0;
    begin(p, &first);
    begin(p, &a);
    for (uint64_t keep = 8 << 20; keep >= 1 << 16; keep /= 2)
        for (int threads = 1; threads <= 3; threads += 2) {
            cr_context *c = context_keeping(threads, 256 << 20, keep);
            cr_err err = CR_ERR_INIT;
            bool begins = keep == 8 << 20 && threads == 1;
            ck_assert_ok(run(p, begins ? &first : &a, c, &err));
            int most, all = all_decoded(&most);
            columns kept = has_columns(c, p, &a);
            for (int i = 0; i < p->n && !begins; i++)
                ck_assert_msg(memcmp(first.data[i], a.data[i], a.bytes[i]) == 0, "output %d, %d threads, %llu kept", i, threads, (unsigned long long)keep);
            if (threads == 1) {
                ck_assert_msg(all >= before && (kept != KEEP_ALL || most == 1), "%llu kept: %d chunks decoded, before %d", (unsigned long long)keep, all, before);
                before = all;
            }
            kinds |= 1 << kept;
            cr_context_free(c);
        }
    ck_assert_int_eq(kinds, 1 << NO_COLUMNS | 1 << KEEP_SOME | 1 << KEEP_ALL);
    end(p, &first);
    end(p, &a);
}
END_TEST

/* The same chunk is named, whatever the number of threads. */
START_TEST(the_same_error) {
    const program *p = &programs[0];
    char first[512] = "";
    memset(fails, 0, sizeof fails);
    fails[5][1][0] = fails[2][1][1] = fails[3][2][0] = true;
    for (int threads = 1; threads <= 7; threads += 2)
        for (int again = 0; again < 5; again++) {
            answer a;
            cr_err err = CR_ERR_INIT;
            cr_context *c = context(threads, 64 << 20);
            begin(p, &a);
            ck_assert(has_columns(c, p, &a));
            ck_assert_int_eq(run(p, &a, c, &err), CR_FORMAT);
            if (first[0] == 0)
                snprintf(first, sizeof first, "%s", err.message);
            ck_assert_str_eq(first, err.message);
            memset(fails, 0, sizeof fails); /* and the context is as good as new */
            err = (cr_err)CR_ERR_INIT;
            ck_assert_ok(run(p, &a, c, &err));
            fails[5][1][0] = fails[2][1][1] = fails[3][2][0] = true;
            end(p, &a);
            cr_context_free(c);
        }
    memset(fails, 0, sizeof fails);
}
END_TEST

START_TEST(cancelled_in_a_column) {
    for (size_t i = 0; i < CR_ARRAY_LEN(programs); i++) {
        const program *p = &programs[i];
        answer a;
        cr_err err = CR_ERR_INIT;
        cr_context *c = context(2, 64 << 20);
        begin(p, &a);
        cancelled = c;
        ck_assert_int_eq(run(p, &a, c, &err), CR_CANCELLED);
        cancelled = NULL;
        err = (cr_err)CR_ERR_INIT;
        ck_assert_ok(run(p, &a, c, &err));
        end(p, &a);
        cr_context_free(c);
    }
}
END_TEST

typedef struct seen {
    double last;
    int n;
} seen;

static void watch(void *user, double done, double total, int phase, int phases) {
    seen *s = user;
    ck_assert(done >= s->last && done <= total * (1 + 1e-9));
    ck_assert(phase >= 0 && phase < phases);
    s->last = done;
    s->n++;
}

START_TEST(progress_goes_forward) {
    for (size_t i = 0; i < CR_ARRAY_LEN(programs); i++) {
        answer a;
        seen s = {0};
        cr_err err = CR_ERR_INIT;
        cr_context *c = context(2, 64 << 20);
        begin(&programs[i], &a);
        cr_context_set_progress(c, watch, &s);
        ck_assert_ok(run(&programs[i], &a, c, &err));
        ck_assert_int_gt(s.n, 1);
        end(&programs[i], &a);
        cr_context_free(c);
    }
}
END_TEST

/* ---- to a sink whose chunks lie across the columns ---- */

static double written[T][Y][X];

static cr_status write_box(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const double *from = data;
    for (int64_t t = 0; t < count[0]; t++)
        for (int64_t y = 0; y < count[1]; y++, from += count[2])
            memcpy(&written[start[0] + t][start[1] + y][start[2]], from, (size_t)count[2] * 8);
    return CR_OK;
}

START_TEST(chunks_of_the_user_across_columns) {
    const int64_t grids[][3] = {{T, 8, 8}, {10, Y, X}, {7, 33, 50}, {1, Y, X}};
    answer a;
    const program p = {"anomaly", 1, series};
    cr_err err = CR_ERR_INIT;
    begin(&p, &a);
    cr_array_unref(a.arrays[0]);
    a.arrays[0] = anomaly(counted_array());
    a.data[0] = realloc(a.data[0], sizeof written);
    cr_context *c = context(2, 64 << 20);
    ck_assert_ok(run(&p, &a, c, &err));
    cr_context_free(c);
    for (size_t i = 0; i < CR_ARRAY_LEN(grids); i++)
        for (uint64_t limit = 4 << 20; limit <= 64 << 20; limit *= 2) {
            cr_sink to = {.chunks = grids[i], .write = write_box};
            c = context(2, limit);
            memset(written, 0, sizeof written);
            cr_status status = cr_compute_to(c, 1, a.arrays, &to, &err);
            if (status == CR_OK) {
                ck_assert_int_eq(memcmp(written, a.data[0], sizeof written), 0);
                ck_assert_uint_le(cr_context_peak_bytes(c), limit);
            } else {
                ck_assert_msg(status == CR_MEMORY && limit < 32 << 20, "%s", err.message);
            }
            err = (cr_err)CR_ERR_INIT;
            cr_context_free(c);
        }
    end(&p, &a);
}
END_TEST

/* Two families that have nothing to do with each other, and memory for one, or none: what is thought of one is no part of the other. */
START_TEST(families_beside_each_other) {
    cr_err err = CR_ERR_INIT;
    cr_array *x = counted_array(), *y = counted_array(), *arrays[4];
    double *first[4], *again[4];
    bool have_first = false;
    arrays[0] = standardised(cr_array_ref(x));
    arrays[1] = anomaly(cr_array_ref(y));
    arrays[2] = centred(cr_array_ref(y), 0);
    arrays[3] = reduced(CR_REDUCE_MEAN, arrays[2], 1, time_axis, false);
    for (int i = 0; i < 4; i++) {
        first[i] = malloc((size_t)arrays[i]->size * 8);
        again[i] = malloc((size_t)arrays[i]->size * 8);
    }
    for (uint64_t limit = 2 << 20; limit <= 96 << 20; limit += limit / 3) {
        cr_context *c = context(2, limit);
        cr_status status = cr_compute(c, 4, arrays, (void *const *)(have_first ? again : first), &err);
        ck_assert_msg(status == CR_OK || status == CR_MEMORY, "%s", err.message);
        for (int i = 0; i < 4 && have_first && status == CR_OK; i++)
            ck_assert_int_eq(memcmp(first[i], again[i], (size_t)arrays[i]->size * 8), 0);
        have_first |= status == CR_OK;
        err = (cr_err)CR_ERR_INIT;
        cr_context_free(c);
    }
    ck_assert(have_first);
    for (int i = 0; i < 4; i++) {
        cr_array_unref(arrays[i]);
        free(first[i]);
        free(again[i]);
    }
    cr_array_unref(x);
    cr_array_unref(y);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("columns");
    TCase *t = tcase_create("columns");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, same_bits_whatever_the_memory, 0, (int)CR_ARRAY_LEN(programs));
    tcase_add_test(t, the_same_bits_whatever_is_kept);
    tcase_add_test(t, the_same_error);
    tcase_add_test(t, cancelled_in_a_column);
    tcase_add_test(t, progress_goes_forward);
    tcase_add_test(t, chunks_of_the_user_across_columns);
    tcase_add_test(t, families_beside_each_other);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
