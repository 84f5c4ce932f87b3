/* test_shared_context.c - threads that share a context and write at the same time: what one of them needs for its own run, less memory and a progress
 * of the whole write, the others never see. Under the thread sanitizer (./check threads) it finds races of the writing itself too. */
#include "../check_main.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "craton/craton.h"

enum { ITEMS = 480 * 32 * 96, WRITES = 2 };

static const char *const dims[] = {"time", "y", "x"};
static int64_t shape[3], day[3], series[3];
static double values[ITEMS];
static char folder[64], source[128];
static uint64_t limit;
static const uint64_t LITTLE = 4 << 20, ROOMY = 16 << 20;
static cr_context *shared;

typedef struct writer {
    int number;
    cr_array *array;              /* of doubles, or of floats: the bytes to write tell whose progress it is */
    bool rechunks;                /* the store of days, which is what `array` holds; else writes the array */
    double total, last;
    int n_calls, n_ends;
    bool wrong;                   /* somebody else's total, backwards, or the limit was another meanwhile */
} writer;

static __thread writer *mine;

static void watch(void *user, double done, double total, int phase, int n_phases) {
    (void)phase;
    (void)n_phases;
    writer *w = mine;
    ck_assert_ptr_eq(user, folder);
    if (w == NULL)
        return;
    w->n_calls++;
    w->n_ends += done == total;
    w->wrong = w->wrong || total != w->total || done < w->last || done > total || cr_context_memory_limit(shared) != limit;
    w->last = done == total ? 0 : done;
}

/* As they are stored: a day in a chunk. */
static cr_array *days(void) {
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    cr_array *a;
    ck_assert_ok(cr_file_open(source, NULL, &f, &err));
    ck_assert_ok(cr_file_array(f, "a", &a, &err));
    cr_file_close(f);
    return a;
}

static cr_array *anomalies(cr_dtype dtype) {
    const int axis = 0;
    const cr_reduce_options keep = {.keepdims = true};
    cr_err err = CR_ERR_INIT;
    cr_array *all = days(), *mean, *wide, *difference, *cast;
    ck_assert_ok(cr_array_reduce(CR_REDUCE_MEAN, all, 1, &axis, &keep, &mean, &err));
    ck_assert_ok(cr_array_broadcast(mean, 3, shape, &wide, &err));
    ck_assert_ok(cr_array_map(CR_MAP_SUBTRACT, (cr_array *[]){all, wide}, &difference, &err));
    ck_assert_ok(cr_array_cast(difference, dtype, &cast, &err));
    cr_array_unref(all);
    cr_array_unref(mean);
    cr_array_unref(wide);
    cr_array_unref(difference);
    return cast;
}

/* Written in chunks of all days of some cells, which do not fit when they are all open: the mean is settled, and the rest goes in panels of whole
 * chunks. */
static void write_array(cr_context *c, cr_array *array, const int64_t *chunks, const char *path) {
    cr_write_options options = {.format = "zarr3", .overwrite = true};
    cr_write_variable v = {.name = "a", .ndim = 3, .dims = dims, .shape = shape, .dtype = cr_array_dtype(array), .chunks = chunks};
    cr_err err = CR_ERR_INIT;
    cr_writer *to;
    ck_assert_ok(cr_writer_new(path, &options, &to, &err));
    ck_assert_ok(cr_writer_variable(to, &v, array, &err));
    ck_assert_ok(cr_writer_finish(to, c, &err));
    cr_writer_free(to);
}

static void rechunk(const char *path) {
    cr_rechunk_options options = {.n = 3, .dims = dims, .chunks = series, .overwrite = true};
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_rechunk(source, path, &options, shared, NULL, &err));
}

static void *write_all(void *user) {
    writer *w = mine = user;
    for (int i = 0; i < WRITES; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%d-%d.zarr", folder, w->number, i);
        w->last = 0;
        if (w->rechunks)
            rechunk(path);
        else
            write_array(shared, w->array, series, path);
    }
    return NULL;
}

static void compute_alone(cr_array *a, void *out) {
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(NULL, &c, &err));
    ck_assert_ok(cr_compute(c, 1, &a, &out, &err));
    cr_context_free(c);
}

static void expect_written(const writer *w) {
    size_t bytes = (size_t)cr_array_size(w->array) * cr_array_itemsize(w->array);
    char *expected = malloc(bytes), *got = malloc(bytes);
    compute_alone(w->array, expected);
    for (int i = 0; i < WRITES; i++) {
        char path[128];
        cr_err err = CR_ERR_INIT;
        cr_file *f;
        cr_array *back;
        snprintf(path, sizeof path, "%s/%d-%d.zarr", folder, w->number, i);
        ck_assert_ok(cr_file_open(path, NULL, &f, &err));
        ck_assert_ok(cr_file_array(f, "a", &back, &err));
        compute_alone(back, got);
        ck_assert_mem_eq(got, expected, bytes);
        cr_array_unref(back);
        cr_file_close(f);
    }
    free(expected);
    free(got);
}

static void store_days(int64_t days_n, int64_t rows, int64_t cols) {
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    cr_array *memory;
    memcpy(shape, (int64_t[]){days_n, rows, cols}, sizeof shape);
    memcpy(day, (int64_t[]){1, rows, cols}, sizeof day);
    memcpy(series, (int64_t[]){days_n, 16, 16}, sizeof series);
    ck_assert_ok(cr_context_new(NULL, &c, &err));
    ck_assert_ok(cr_array_from_memory(CR_F64, 8, 3, shape, NULL, day, values, NULL, NULL, &memory, &err));
    write_array(c, memory, day, source);
    cr_array_unref(memory);
    cr_context_free(c);
}

static void begin(void) {
    for (int i = 0; i < ITEMS; i++)
        values[i] = (double)((int64_t)i * 7919 % 1000) / 8;
    snprintf(folder, sizeof folder, "/tmp/craton-shared-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(source, sizeof source, "%s/days.zarr", folder);
    store_days(480, 32, 96);
}

static void end(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void run_together(writer *w, int n, uint64_t limit_bytes) {
    cr_context_options o = {.threads = 2, .memory_limit_bytes = limit_bytes, .simd_level = -1, .progress = watch, .progress_user = folder};
    cr_err err = CR_ERR_INIT;
    pthread_t threads[4];
    limit = limit_bytes;
    ck_assert_ok(cr_context_new(&o, &shared, &err));
    for (int i = 0; i < n; i++) {
        w[i].number = i;
        w[i].total = (double)cr_array_size(w[i].array) * (double)cr_array_itemsize(w[i].array);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_all, &w[i]), 0);
    }
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < n; i++) {
        ck_assert_msg(!w[i].wrong, "writer %d saw another's progress, or a changed limit", i);
        ck_assert_int_eq(w[i].n_ends, WRITES);
        expect_written(&w[i]);
        cr_array_unref(w[i].array);
    }
    ck_assert_uint_eq(cr_context_memory_limit(shared), limit);
    cr_context_free(shared);
}

START_TEST(one_alone) {
    writer w = {.array = anomalies(CR_F64)};
    run_together(&w, 1, LITTLE);
}
END_TEST

START_TEST(three_at_a_time) {
    writer w[] = {{.array = anomalies(CR_F64)}, {.array = anomalies(CR_F32)}, {.array = days(), .rechunks = true}};
    run_together(w, 3, LITTLE);
}
END_TEST

/* With room for the blocks that are begun, chunks of several blocks go to the disk block by block. */
START_TEST(in_pieces) {
    store_days(1920, 16, 48);
    writer w[] = {{.array = days(), .rechunks = true}, {.array = days(), .rechunks = true}};
    run_together(w, 2, ROOMY);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("shared_context");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, one_alone);
    tcase_add_test(t, three_at_a_time);
    tcase_add_test(t, in_pieces);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
