/* test_format_writer.c - cr_writer from end to end: lazy arrays into stores, what is refused, what is left behind. */
#include "../check_main.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "craton/file.h"
#include "engine/exec/run.h"
#include "engine/format/writer.h"

static char dir[64], out[96];
static cr_err err = CR_ERR_INIT;
static cr_context *context;

static void setup(void) {
    cr_context_options options = {.threads = 3, .simd_level = -1, .memory_limit_bytes = 256 << 20};
    snprintf(dir, sizeof dir, "/tmp/craton-writer-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(out, sizeof out, "%s/out", dir);
    ck_assert_ok(cr_context_new(&options, &context, &err));
}

static void teardown(void) {
    char command[128];
    cr_context_free(context);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static int n_entries(void) {
    DIR *d = opendir(dir);
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

enum { ROWS = 300, COLS = 70 };
static const int64_t shape[] = {ROWS, COLS};
static const char *const dims[] = {"y", "x"};

/* value(y, x) = y * 1000 + x as int32, in another chunking than what is written. */
static cr_array *numbers(int add) {
    static int32_t data[ROWS * COLS];
    cr_array *a = NULL;
    for (int i = 0; i < ROWS * COLS; i++)
        data[i] = i / COLS * 1000 + i % COLS + add;
    ck_assert_ok(cr_array_copy_memory(CR_I32, 2, shape, data, &a, &err));
    return a;
}

static cr_write_variable variable(const char *name, cr_dtype dtype, const int64_t *chunks) {
    return (cr_write_variable){.name = name, .ndim = 2, .dims = dims, .shape = shape, .chunks = chunks, .dtype = dtype};
}

static void write_numbers(const char *format, int add, bool overwrite) {
    static const int64_t chunks[] = {64, 33};
    cr_write_options options = {format, overwrite, NULL};
    const char *texts[] = {"first", "", "Gr\xc3\xbc\xc3\x9f"}, *title = "numbers";
    const int64_t three = 3;
    const char *const text_dim = "name";
    cr_attr attr = {"title", CR_STRING, 1, &title};
    cr_writer *w;
    cr_array *a = numbers(add), *b = NULL;
    cr_write_variable plain = variable("plain", CR_I32, chunks), as_double = variable("double", CR_F64, NULL);
    cr_write_variable text = {.name = "text", .ndim = 1, .dims = &text_dim, .shape = &three, .dtype = CR_STRING};
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    ck_assert_ok(cr_writer_attrs(w, &attr, 1, &err));
    ck_assert_ok(cr_array_rechunk(a, (int64_t[]){17, 70}, &b, &err));
    ck_assert_ok(cr_writer_variable(w, &plain, a, &err));
    ck_assert_ok(cr_writer_variable(w, &as_double, b, &err));
    ck_assert_ok(cr_writer_strings(w, &text, texts, &err));
    cr_array_unref(a);
    cr_array_unref(b);
    ck_assert_ok(cr_writer_finish(w, context, &err));
    ck_assert_fails(cr_writer_finish(w, context, &err), CR_CONFLICT);
    cr_writer_free(w);
}

static void expect_numbers(int add) {
    cr_file *f;
    cr_array *arrays[2];
    static int32_t plain[ROWS * COLS];
    static double doubles[ROWS * COLS];
    void *results[] = {plain, doubles};
    char **texts;
    int64_t n;
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_ok(cr_file_array(f, "plain", &arrays[0], &err));
    ck_assert_ok(cr_file_array(f, "double", &arrays[1], &err));
    ck_assert_ok(cr_file_strings(f, "text", &texts, &n, &err));
    ck_assert_int_eq(n, 3);
    ck_assert_str_eq(texts[0], "first");
    ck_assert_str_eq(texts[2], "Gr\xc3\xbc\xc3\x9f");
    ck_assert_str_eq(*(const char *const *)cr_attr_find(cr_file_attr(f, 0), cr_file_n_attrs(f), "title")->values, "numbers");
    cr_file_close(f);
    cr_free(texts);
    ck_assert_ok(cr_compute(context, 2, arrays, results, &err));
    for (int i = 0; i < ROWS * COLS; i++) {
        ck_assert_int_eq(plain[i], i / COLS * 1000 + i % COLS + add);
        ck_assert(doubles[i] == plain[i]);
    }
    cr_array_unref(arrays[0]);
    cr_array_unref(arrays[1]);
}

static const char *const formats[] = {"zarr3", "zarr2", "netcdf4"};

START_TEST(there_and_back) {
    write_numbers(formats[_i], 0, false);
    expect_numbers(0);
    write_numbers(formats[_i], 5, true);
    expect_numbers(5);
    write_numbers(formats[(_i + 1) % 3], 7, true);
    expect_numbers(7);
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

/* Read lazily from the store that is being replaced. */
START_TEST(a_store_from_itself) {
    cr_write_options options = {formats[_i], true, NULL};
    cr_file *f;
    cr_array *a, *one, *sum;
    cr_writer *w;
    cr_write_variable v = variable("plain", CR_I32, NULL);
    const int32_t value = 1;
    write_numbers(formats[_i], 0, false);
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_ok(cr_file_array(f, "plain", &a, &err));
    cr_file_close(f);
    ck_assert_ok(cr_array_scalar(CR_I32, &value, false, &one, &err));
    ck_assert_ok(cr_array_map(CR_MAP_ADD, (cr_array *[]){a, one}, &sum, &err));
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    ck_assert_ok(cr_writer_variable(w, &v, sum, &err));
    ck_assert_ok(cr_writer_finish(w, context, &err));
    cr_writer_free(w);
    cr_array_unref(a);
    cr_array_unref(one);
    cr_array_unref(sum);
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_int_eq(cr_file_n_variables(f), 1);
    ck_assert_ok(cr_file_array(f, "plain", &a, &err));
    static int32_t got[ROWS * COLS];
    void *result = got;
    ck_assert_ok(cr_compute(context, 1, &a, &result, &err));
    ck_assert_int_eq(got[ROWS * COLS - 1], (ROWS - 1) * 1000 + COLS);
    cr_array_unref(a);
    cr_file_close(f);
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

static cr_status failing_read(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *e) {
    memset(dst, 0, sizeof(int32_t) * (size_t)(count[0] * count[1]));
    return start[0] + count[0] > 100 ? CR_FAIL(e, CR_IO, "the instrument is gone") : CR_OK;
}

START_TEST(failures_leave_nothing) {
    cr_write_options options = {formats[_i], true, NULL};
    cr_write_variable v = variable("plain", CR_I32, NULL);
    cr_array *broken;
    cr_writer *w;
    write_numbers(formats[_i], 3, false);
    ck_assert_ok(cr_array_from_callback(CR_I32, 4, 2, shape, (int64_t[]){50, 70}, false, failing_read, NULL, NULL, &broken, &err));
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    ck_assert_ok(cr_writer_variable(w, &v, broken, &err));
    ck_assert_fails(cr_writer_finish(w, context, &err), CR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "the instrument is gone"));
    cr_writer_free(w);
    cr_array_unref(broken);
    ck_assert_int_eq(n_entries(), 1);
    expect_numbers(3);
    /* Not finished at all. */
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    ck_assert_int_eq(n_entries(), 2);
    cr_writer_free(w);
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

/* 27 MiB, a map at a time; one map cannot be read for want of memory, once. */
enum { STEPS = 8192, MAP_ROWS = 24, MAP_COLS = 36, MAP = MAP_ROWS * MAP_COLS };
static atomic_bool short_of_memory;

static cr_status read_maps(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *e) {
    float *to = dst;
    if (start[0] <= 6000 && start[0] + count[0] > 6000 && atomic_exchange(&short_of_memory, false))
        return CR_FAIL(e, CR_MEMORY, "no memory for a map");
    for (int64_t t = start[0]; t < start[0] + count[0]; t++)
        for (int64_t y = start[1]; y < start[1] + count[1]; y++)
            for (int64_t x = start[2]; x < start[2] + count[2]; x++)
                *to++ = (float)(t * MAP + y * MAP_COLS + x);
    return CR_OK;
}

static cr_status write_long_chunks(cr_context *c, cr_err *e) {
    static const int64_t maps[] = {STEPS, MAP_ROWS, MAP_COLS}, one[] = {1, MAP_ROWS, MAP_COLS}, chunks[] = {STEPS, MAP_ROWS / 2, MAP_COLS / 2};
    static const char *const names[] = {"time", "lat", "lon"};
    const cr_write_variable v = {.name = "v", .ndim = 3, .dims = names, .shape = maps, .chunks = chunks, .dtype = CR_F32};
    const cr_write_options options = {.format = "zarr3", .overwrite = true};
    cr_array *a = NULL;
    cr_writer *w = NULL;
    ck_assert_ok(cr_array_from_callback(CR_F32, 4, 3, maps, one, false, read_maps, NULL, NULL, &a, e));
    ck_assert_ok(cr_writer_new(out, &options, &w, e));
    ck_assert_ok(cr_writer_variable(w, &v, a, e));
    cr_array_unref(a);
    cr_status status = cr_writer_finish(w, c, e);
    cr_writer_free(w);
    return status;
}

/* What was begun in pieces and failed must not be given up after the same chunk was written in another way. */
START_TEST(long_chunks_are_whole_or_not_there) {
    cr_context_options options = {.threads = 2, .simd_level = -1, .memory_limit_bytes = 16 << 20};
    cr_context *c = NULL;
    cr_file *f = NULL;
    cr_array *a = NULL;
    float *values = malloc((size_t)STEPS * MAP * sizeof *values);
    ck_assert_ptr_nonnull(values);
    ck_assert_ok(cr_context_new(&options, &c, &err));
    atomic_store(&short_of_memory, true);
    ck_assert_fails(write_long_chunks(c, &err), CR_MEMORY);
    ck_assert(!atomic_load(&short_of_memory));
    ck_assert_int_eq(n_entries(), 0);
    ck_assert_ok(write_long_chunks(c, &err));
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_ok(cr_file_array(f, "v", &a, &err));
    ck_assert_ok(cr_compute(c, 1, &a, (void *[]){values}, &err));
    int others = 0;
    for (int i = 0; i < STEPS * MAP; i++)
        others += values[i] != (float)i;
    ck_assert_int_eq(others, 0);
    cr_array_unref(a);
    cr_file_close(f);
    cr_context_free(c);
    free(values);
}
END_TEST

/* ---- one context, several threads ---------------------------------------------------------------------------------------------------- */

static cr_context *shared;
static atomic_bool write_begun, taken_over;

static void show(void *user, double done, double total, int phase, int n_phases) {
    (void)done, (void)total, (void)phase, (void)n_phases;
    ++*(int *)user;
}

static void *write_meanwhile(void *ret_status) {
    cr_err own = CR_ERR_INIT;
    atomic_store(&write_begun, true);
    *(cr_status *)ret_status = write_long_chunks(shared, &own);
    return NULL;
}

/* Long enough for the write to come as far as it can while this computation runs. */
static cr_status read_while_somebody_writes(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *e) {
    (void)user, (void)e;
    while (!atomic_load(&write_begun))
        usleep(1000);
    for (int i = 0; i < 100 && shared->progress == show; i++)
        usleep(1000);
    atomic_store(&taken_over, shared->progress != show);
    for (int64_t i = 0; i < count[0]; i++)
        ((int32_t *)dst)[i] = (int32_t)(start[0] + i);
    return CR_OK;
}

START_TEST(a_write_waits_for_what_others_compute) {
    static const int64_t ten[] = {10};
    int shown = 0;
    cr_context_options options = {.threads = 2, .simd_level = -1, .memory_limit_bytes = 16 << 20, .progress = show, .progress_user = &shown};
    cr_array *a = NULL;
    int32_t values[10];
    cr_status written = CR_INTERNAL;
    pthread_t thread;
    ck_assert_ok(cr_context_new(&options, &shared, &err));
    ck_assert_ok(cr_array_from_callback(CR_I32, 4, 1, ten, ten, false, read_while_somebody_writes, NULL, NULL, &a, &err));
    ck_assert_int_eq(pthread_create(&thread, NULL, write_meanwhile, &written), 0);
    ck_assert_ok(cr_compute(shared, 1, &a, (void *[]){values}, &err));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(written, CR_OK);
    ck_assert(!atomic_load(&taken_over));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(values[i], i);
    ck_assert_int_gt(shown, 1);
    cr_array_unref(a);
    cr_context_free(shared);
}
END_TEST

static cr_status compute_inside(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *e) {
    (void)start, (void)count;
    return cr_compute(shared, 1, user, (void *[]){dst}, e);
}

START_TEST(no_computation_inside_another) {
    static const int64_t ten[] = {10};
    const cr_context_options options = {.threads = 1, .simd_level = -1};
    cr_array *a = NULL, *b = NULL;
    int32_t values[10];
    ck_assert_ok(cr_context_new(&options, &shared, &err));
    ck_assert_ok(cr_array_full(CR_I32, 1, ten, NULL, &(int32_t){7}, &b, &err));
    ck_assert_ok(cr_array_from_callback(CR_I32, 4, 1, ten, ten, false, compute_inside, NULL, &b, &a, &err));
    ck_assert_fails(cr_compute(shared, 1, &a, (void *[]){values}, &err), CR_BUSY);
    ck_assert_ptr_nonnull(strstr(err.hint, "another context"));
    ck_assert_ok(cr_compute(shared, 1, &b, (void *[]){values}, &err));
    ck_assert_int_eq(values[9], 7);
    cr_array_unref(a);
    cr_array_unref(b);
    cr_context_free(shared);
}
END_TEST

/* Killed while it wrote by way of an intermediate store, and resumed with memory enough to do without. */
START_TEST(nothing_of_the_way_stays) {
    const cr_context_options options = {.threads = 1, .simd_level = -1, .cancel_stays = true};
    const cr_write_options resuming = {.format = "zarr3", .resume = true};
    const cr_write_variable v = variable("plain", CR_I32, NULL);
    const char *scratch;
    char inside[160], name[64], again[192];
    cr_context *cancelled;
    cr_writer *w;
    cr_array *a = numbers(0);
    ck_assert_ok(cr_context_new(&options, &cancelled, &err));
    cr_context_cancel(cancelled);
    ck_assert_ok(cr_writer_new(out, &resuming, &w, &err));
    ck_assert_ok(cr_writer_variable(w, &v, a, &err));
    ck_assert_ok(cr_writer_scratch(w, &scratch, &err));
    snprintf(inside, sizeof inside, "%s/stage-1", scratch);
    snprintf(name, sizeof name, "%s", strrchr(scratch, '/') + 1);
    ck_assert_int_eq(mkdir(inside, 0777), 0);
    ck_assert_fails(cr_writer_finish(w, cancelled, &err), CR_CANCELLED);
    cr_writer_free(w);
    cr_context_free(cancelled);
    ck_assert_int_eq(access(inside, F_OK), 0);
    ck_assert_ok(cr_writer_new(out, &resuming, &w, &err));
    ck_assert_ok(cr_writer_variable(w, &v, a, &err));
    ck_assert_ok(cr_writer_finish(w, context, &err));
    cr_writer_free(w);
    cr_array_unref(a);
    snprintf(again, sizeof again, "%s/%s", out, name);
    ck_assert_int_ne(access(again, F_OK), 0);
    ck_assert_int_eq(n_entries(), 1);
}
END_TEST

START_TEST(what_is_refused) {
    static const char *const names[] = {"", ".hidden", "a/b", "..", "zarr.json", "new\nline", "\xff"};
    cr_write_options options = {formats[_i], false, NULL}, unknown = {"grib", false, NULL};
    cr_writer *w;
    cr_array *a = numbers(0);
    cr_write_variable v = variable("v", CR_I32, NULL), other;
    const int64_t wrong[] = {ROWS, COLS + 1}, zero[] = {0, 5};
    const char *const twice[] = {"x", "x"};
    ck_assert_fails(cr_writer_new(out, &unknown, &w, &err), CR_UNSUPPORTED);
    ck_assert_fails(cr_writer_new("", &options, &w, &err), CR_INVALID);
    ck_assert_fails(cr_writer_new("/nowhere/at/all", &options, &w, &err), CR_NO_FILE);
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        other = variable(names[i], CR_I32, NULL);
        ck_assert_fails(cr_writer_variable(w, &other, a, &err), CR_INVALID);
    }
    ck_assert_ok(cr_writer_variable(w, &v, a, &err));
    ck_assert_fails(cr_writer_variable(w, &v, a, &err), CR_INVALID);
    other = variable("other", CR_I32, NULL);
    other.shape = wrong;
    ck_assert_fails(cr_writer_variable(w, &other, a, &err), CR_INVALID);
    other = variable("other", CR_I32, zero);
    ck_assert_fails(cr_writer_variable(w, &other, a, &err), CR_INVALID);
    other = variable("other", CR_I32, NULL);
    other.dims = twice;
    ck_assert_fails(cr_writer_variable(w, &other, a, &err), CR_INVALID);
    other = variable("other", CR_STRING, NULL);
    ck_assert_fails(cr_writer_variable(w, &other, a, &err), CR_TYPE);
    other = variable("other", CR_I32, NULL);
    other.codec = "mp3";
    cr_status status = cr_writer_variable(w, &other, a, &err);
    ck_assert_msg(status == CR_UNSUPPORTED || status == CR_INVALID, "%s", cr_status_name(status));
    cr_array_unref(a);
    cr_writer_free(w);
    ck_assert_int_eq(n_entries(), 0);
}
END_TEST

static void read_plain(int32_t *values) {
    cr_file *f;
    cr_array *a;
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_ok(cr_file_array(f, "plain", &a, &err));
    ck_assert_ok(cr_compute(context, 1, &a, (void *[]){values}, &err));
    cr_array_unref(a);
    cr_file_close(f);
}

/* Into a store that is there: a whole chunk and one that ends with the array; what does not fit changes nothing. */
START_TEST(into_what_is_there) {
    static const int64_t size[] = {128, COLS};
    int64_t start[] = {64, 0};
    cr_array *part = NULL, *narrow = NULL;
    int32_t *values = calloc(ROWS * COLS, sizeof *values);
    write_numbers(_i == 0 ? "zarr3" : "zarr2", 0, false);
    ck_assert_ok(cr_array_copy_memory(CR_I32, 2, size, values, &part, &err));
    ck_assert_ok(cr_array_copy_memory(CR_I32, 1, size, values, &narrow, &err));
    cr_update update = {"plain", part, start};
    ck_assert_ok(cr_zarr_update(out, NULL, 1, &update, context, &err));
    read_plain(values);
    for (int i = 0; i < ROWS * COLS; i++)
        ck_assert_int_eq(values[i], i / COLS >= 64 && i / COLS < 192 ? 0 : i / COLS * 1000 + i % COLS);
    update = (cr_update){"plain", narrow, start};
    ck_assert_fails(cr_zarr_update(out, NULL, 1, &update, context, &err), CR_INVALID);
    update = (cr_update){"text", part, start};
    ck_assert_fails(cr_zarr_update(out, NULL, 1, &update, context, &err), CR_UNSUPPORTED);
    update = (cr_update){"none", part, start};
    ck_assert_fails(cr_zarr_update(out, NULL, 1, &update, context, &err), CR_NOT_FOUND);
    start[0] = 63;
    update = (cr_update){"plain", part, start};
    ck_assert_fails(cr_zarr_update(out, NULL, 1, &update, context, &err), CR_INVALID);
    ck_assert_int_eq(n_entries(), 1);
    cr_array_unref(part);
    cr_array_unref(narrow);
    free(values);
}
END_TEST

/* No dimensions, no elements, no variables. */
START_TEST(empty_things) {
    cr_write_options options = {formats[_i], false, NULL};
    const int64_t none[] = {0, 4};
    const double pi = 3.25;
    cr_array *scalar, *empty, *read;
    cr_writer *w;
    cr_file *f;
    cr_write_variable s = {.name = "s", .dtype = CR_F64}, e = {.name = "e", .ndim = 2, .dims = dims, .shape = none, .dtype = CR_F32};
    ck_assert_ok(cr_array_copy_memory(CR_F64, 0, NULL, &pi, &scalar, &err));
    ck_assert_ok(cr_array_copy_memory(CR_F32, 2, none, &pi, &empty, &err));
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    ck_assert_ok(cr_writer_variable(w, &s, scalar, &err));
    ck_assert_ok(cr_writer_variable(w, &e, empty, &err));
    ck_assert_ok(cr_writer_finish(w, context, &err));
    cr_writer_free(w);
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_ok(cr_file_array(f, "s", &read, &err));
    double got = NAN;
    void *result = &got;
    ck_assert_ok(cr_compute(context, 1, &read, &result, &err));
    ck_assert(got == pi);
    ck_assert_int_eq(cr_file_find(f, "e")->shape[0], 0);
    cr_file_close(f);
    cr_array_unref(read);
    cr_array_unref(scalar);
    cr_array_unref(empty);
    options.overwrite = true;
    ck_assert_ok(cr_writer_new(out, &options, &w, &err));
    ck_assert_ok(cr_writer_finish(w, context, &err));
    cr_writer_free(w);
    ck_assert_ok(cr_file_open(out, NULL, &f, &err));
    ck_assert_int_eq(cr_file_n_variables(f), 0);
    cr_file_close(f);
}
END_TEST

static Suite *writer_suite(void) {
    Suite *suite = suite_create("writer");
    TCase *t = tcase_create("writer");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, there_and_back, 0, 3);
    tcase_add_loop_test(t, a_store_from_itself, 0, 3);
    tcase_add_loop_test(t, failures_leave_nothing, 0, 3);
    tcase_add_test(t, long_chunks_are_whole_or_not_there);
    tcase_add_test(t, nothing_of_the_way_stays);
    tcase_add_test(t, a_write_waits_for_what_others_compute);
    tcase_add_test(t, no_computation_inside_another);
    tcase_add_loop_test(t, what_is_refused, 0, 3);
    tcase_add_loop_test(t, into_what_is_there, 0, 2);
    tcase_add_loop_test(t, empty_things, 0, 3);
    suite_add_tcase(suite, t);
    return suite;
}
CHECK_MAIN(writer_suite())
