/* test_pieces.c - cells that are cut into pieces so that states stay in cache: each chunk is decoded once, and neither bits, limit nor errors
 * differ from cells that are whole. */
#include "../check_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "craton/craton.h"
#include "engine/exec/run.h"
#include "engine/format/model.h"

/* Chunks of one time and 288 KiB, the last ones along y shorter. */
enum { T = 24, Y = 120, X = 512, CY = 72, NY = 2, GROUPS = 12, SOURCES = 2 };

typedef struct counted_source {
    cr_source base;
    int number;
} counted_source;

static atomic_int decoded[SOURCES][T][NY];
static int broken_time = -1;

static double value_at(int number, int64_t t, int64_t y, int64_t x) {
    uint64_t h = (uint64_t)(t * 7919 + y * 104729 + x * 1299709 + number * 31) * 0x9E3779B97F4A7C15u;
    if ((h >> 40) % 13 == 0 || (t % 5 == 0 && y < 3))
        return NAN;
    return (double)(h >> 44) / 7 + 0.1 * (double)t;
}

static cr_status read_chunk(cr_source *s, const int64_t *c, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    double *out = dst;
    int number = ((counted_source *)s)->number;
    atomic_fetch_add(&decoded[number][c[0]][c[1]], 1);
    if (c[0] == broken_time)
        return CR_FAIL(err, CR_FORMAT, "chunk %d %d is broken", (int)c[0], (int)c[1]);
    for (int64_t y = 0; y < CY; y++)
        for (int64_t x = 0; x < X; x++)
            *out++ = value_at(number, c[0], c[1] * CY + y, x);
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

static cr_array *counted_array(int number) {
    const int64_t shape[] = {T, Y, X}, chunks[] = {1, CY, X};
    counted_source *s = calloc(1, sizeof *s);
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    ck_assert_ptr_nonnull(s);
    s->number = number;
    ck_assert_ok(cr_source_init(&s->base, &ops, CR_F64, 8, 3, shape, chunks, "counted", &err));
    ck_assert_ok(cr_array_from_source(&s->base, &a, &err));
    cr_source_unref(&s->base);
    return a;
}

/* ---- programs: several reductions over time of one field ---- */

static const int time_axis[] = {0};

static cr_array *difference(void) {
    cr_array *args[] = {counted_array(0), counted_array(1)}, *r;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_array_map(CR_MAP_SUBTRACT, args, &r, &err));
    cr_array_unref(args[0]);
    cr_array_unref(args[1]);
    return r;
}

/* The first half of one and the second half of the other, from a position inside of their chunks on. */
static cr_array *joined(void) {
    cr_array *parts[2], *r;
    cr_err err = CR_ERR_INIT;
    for (int i = 0; i < 2; i++) {
        cr_array *whole = counted_array(i);
        const cr_slice box[] = {{.start = i * T / 2, .step = 1, .count = T / 2}, {.start = 5, .step = 1, .count = Y - 9}, {.start = 0, .step = 1, .count = X}};
        ck_assert_ok(cr_array_slice(whole, box, &parts[i], &err));
        cr_array_unref(whole);
    }
    ck_assert_ok(cr_array_concat(2, parts, 0, &r, &err));
    cr_array_unref(parts[0]);
    cr_array_unref(parts[1]);
    return r;
}

static const struct program {
    const char *name;
    cr_array *(*make)(void);
} programs[] = {{"difference", difference}, {"joined", joined}};

enum { N_OUT = 5 };
typedef struct answer {
    cr_array *arrays[N_OUT];
    void *data[N_OUT];
    size_t bytes[N_OUT];
} answer;

static void begin(int program, answer *a) {
    static const cr_reduction plain[] = {CR_REDUCE_MIN, CR_REDUCE_MEAN, CR_REDUCE_STD, CR_REDUCE_LAST};
    cr_reduce_options o = {.skipna = true};
    cr_err err = CR_ERR_INIT;
    int32_t codes[T];
    cr_array *x = programs[program].make();
    for (int t = 0; t < T; t++)
        codes[t] = t == 7 ? -1 : (t * 5 + t / 12) % GROUPS;
    ck_assert_ok(cr_array_group(CR_REDUCE_MEAN, x, 1, time_axis, codes, GROUPS, &o, &a->arrays[0], &err));
    for (int i = 1; i < N_OUT; i++)
        ck_assert_ok(cr_array_reduce(plain[i - 1], x, 1, time_axis, &o, &a->arrays[i], &err));
    cr_array_unref(x);
    for (int i = 0; i < N_OUT; i++) {
        a->bytes[i] = (size_t)cr_array_size(a->arrays[i]) * cr_array_itemsize(a->arrays[i]);
        a->data[i] = malloc(a->bytes[i]);
        ck_assert_ptr_nonnull(a->data[i]);
    }
}

static void end(answer *a) {
    for (int i = 0; i < N_OUT; i++) {
        cr_array_unref(a->arrays[i]);
        free(a->data[i]);
    }
}

static cr_context *context(int threads, uint64_t limit) {
    cr_context_options o = {.threads = threads, .memory_limit_bytes = limit, .simd_level = -1};
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(&o, &c, &err));
    return c;
}

/* Of the plan that is run: the results are in the caller's memory, which explain does not know. */
static bool has_pieces(cr_context *c, const answer *a) {
    cr_err err = CR_ERR_INIT;
    cr_output_spec outputs[N_OUT] = {{0}};
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes};
    cr_plan plan;
    for (int i = 0; i < N_OUT; i++)
        outputs[i].data = a->data[i];
    ck_assert_ok(cr_plan_make(&plan, N_OUT, a->arrays, outputs, &o, &err));
    ck_assert_int_eq(plan.n_scans, 1);
    bool has = plan.scans[0].stay_bytes > 0;
    cr_plan_done(&plan);
    return has;
}

static int most_decoded(void) {
    int most = 0;
    for (int i = 0; i < SOURCES * T * NY; i++)
        most = CR_MAX(most, atomic_load(&decoded[0][0][0] + i));
    return most;
}

/* From too little memory to plenty. */
START_TEST(same_bits_whatever_the_memory) {
    static const int threads[] = {1, 2, 7};
    answer first, a;
    bool with = false, without = false, have_first = false;
    begin(_i, &first);
    begin(_i, &a);
    for (uint64_t limit = (uint64_t)3 << 20; limit <= (uint64_t)243 << 20; limit *= 3)
        for (size_t t = 0; t < CR_ARRAY_LEN(threads); t++) {
            cr_context *c = context(threads[t], limit);
            cr_err err = CR_ERR_INIT;
            memset(decoded, 0, sizeof decoded);
            cr_status status = cr_compute(c, N_OUT, a.arrays, have_first ? a.data : first.data, &err);
            if (status == CR_OK) {
                bool pieces = has_pieces(c, &a);
                for (int i = 0; i < N_OUT && have_first; i++)
                    ck_assert_msg(memcmp(first.data[i], a.data[i], a.bytes[i]) == 0, "%s, output %d, %d threads, limit %llu, pieces %d",
                                  programs[_i].name, i, threads[t], (unsigned long long)limit, pieces);
                ck_assert_msg(!pieces || most_decoded() == 1, "%s, %d threads, limit %llu: decoded %d times", programs[_i].name, threads[t],
                              (unsigned long long)limit, most_decoded());
                ck_assert_msg(cr_context_peak_bytes(c) <= limit + limit / 8, "%s, %d threads, limit %llu, pieces %d: peak %llu", programs[_i].name,
                              threads[t], (unsigned long long)limit, pieces, (unsigned long long)cr_context_peak_bytes(c));
                have_first = true;
                with |= pieces;
                without |= !pieces;
            } else {
                ck_assert_msg(status == CR_MEMORY, "%s", err.message);
            }
            cr_context_free(c);
        }
    ck_assert_msg(with && without, "%s: with pieces %d, without %d", programs[_i].name, with, without);
    end(&first);
    end(&a);
}
END_TEST

/* Counts do not round, so they can be done again by hand. */
START_TEST(nothing_is_left_out_and_nothing_comes_twice) {
    cr_reduce_options o = {.skipna = true};
    cr_err err = CR_ERR_INIT;
    int32_t codes[T];
    cr_array *x = difference(), *r, *low;
    for (int t = 0; t < T; t++)
        codes[t] = (t * 5) % GROUPS;
    ck_assert_ok(cr_array_group(CR_REDUCE_COUNT, x, 1, time_axis, codes, GROUPS, &o, &r, &err));
    ck_assert_ok(cr_array_reduce(CR_REDUCE_MIN, x, 1, time_axis, &o, &low, &err));
    cr_array_unref(x);
    int64_t *counts = malloc((size_t)GROUPS * Y * X * sizeof *counts);
    double *least = malloc((size_t)Y * X * sizeof *least);
    ck_assert(counts != NULL && least != NULL);
    cr_context *c = context(2, (uint64_t)256 << 20);
    ck_assert_ok(cr_compute(c, 2, (cr_array *[]){r, low}, (void *[]){counts, least}, &err));
    for (int64_t y = 0; y < Y; y++)
        for (int64_t k = 0; k < X; k++) {
            int64_t want[GROUPS] = {0};
            double smallest = NAN;
            for (int t = 0; t < T; t++) {
                double v = value_at(0, t, y, k) - value_at(1, t, y, k);
                want[codes[t]] += v == v;
                smallest = v < smallest || smallest != smallest ? v : smallest;
            }
            for (int g = 0; g < GROUPS; g++)
                ck_assert_int_eq(counts[(g * Y + y) * X + k], want[g]);
            ck_assert(least[y * X + k] == smallest || (smallest != smallest && least[y * X + k] != least[y * X + k]));
        }
    cr_context_free(c);
    cr_array_unref(r);
    cr_array_unref(low);
    free(counts);
    free(least);
}
END_TEST

START_TEST(a_chunk_that_cannot_be_read_is_named) {
    answer a;
    cr_err err = CR_ERR_INIT;
    char *text;
    cr_context *c = context(2, (uint64_t)256 << 20);
    begin(0, &a);
    ck_assert(has_pieces(c, &a));
    ck_assert_ok(cr_explain(c, N_OUT, a.arrays, &text, &err));
    ck_assert_msg(strstr(text, "cells are pieces of chunks") != NULL && strstr(text, "each decoded") == NULL, "%s", text);
    cr_free(text);
    broken_time = 13;
    for (int again = 0; again < 3; again++) {
        err = (cr_err)CR_ERR_INIT;
        ck_assert_int_eq(cr_compute(c, N_OUT, a.arrays, a.data, &err), CR_FORMAT);
        ck_assert_msg(strstr(err.message, "chunk 13 0 is broken") != NULL, "%s", err.message);
    }
    broken_time = -1;
    cr_context_free(c);
    end(&a);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("pieces");
    TCase *t = tcase_create("pieces");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, same_bits_whatever_the_memory, 0, (int)CR_ARRAY_LEN(programs));
    tcase_add_test(t, nothing_is_left_out_and_nothing_comes_twice);
    tcase_add_test(t, a_chunk_that_cannot_be_read_is_named);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
