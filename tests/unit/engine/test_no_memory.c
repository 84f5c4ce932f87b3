/* test_no_memory.c - every allocation of the engine fails once: the call that needed it says so, nothing is lost, left behind or half done,
 * and the same work succeeds afterwards. Under AddressSanitizer also: nothing leaks.
 *
 * The linker leads the engine's calls of malloc and its relatives here (-Wl,--wrap), and jansson is told to call them. Allocations inside
 * of other libraries (zstd, blosc, HDF5, libtiff) do not fail. The n-th fails alone, and the n-th with all after it, for every n until the
 * work is through without meeting it. */
#include "../check_main.h"

#include <dirent.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "craton/craton.h"

/* ---- allocations that fail ------------------------------------------------------------------------------------------------------- */

static atomic_long countdown;     /* allocations until one fails; <= 0: none is to */
static atomic_bool and_after, met;

static bool fails(void) {
    if (atomic_load(&countdown) <= 0)
        return atomic_load(&met) && atomic_load(&and_after);
    if (atomic_fetch_sub(&countdown, 1) != 1)
        return false;
    atomic_store(&met, true);
    return true;
}

static void arm(long n, bool after) {
    atomic_store(&met, false);
    atomic_store(&and_after, after);
    atomic_store(&countdown, n);
}

static void disarm(void) {
    atomic_store(&countdown, 0);
    atomic_store(&and_after, false);
}

#define WRAP(type, name, parameters, arguments)  \
    type __real_##name parameters;               \
    type __wrap_##name parameters;               \
    type __wrap_##name parameters { return fails() ? (errno = ENOMEM, (type)NULL) : __real_##name arguments; }

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, aligned_alloc, (size_t alignment, size_t n), (alignment, n))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))
WRAP(char *, realpath, (const char *path, char *out), (path, out))
WRAP(char *, getcwd, (char *out, size_t n), (out, n))
WRAP(DIR *, opendir, (const char *path), (path))
WRAP(DIR *, fdopendir, (int fd), (fd))

/* Before the engine's own constructor (zarr_json.c), which keeps what it finds. */
__attribute__((constructor(101))) static void lead_jansson_here(void) { json_set_alloc_funcs(__wrap_malloc, free); }

static int print(char **ret, const char *format, va_list values) {
    if (fails())
        return errno = ENOMEM, -1;
    return vasprintf(ret, format, values);
}

int __wrap_asprintf(char **ret, const char *format, ...);
int __wrap_asprintf(char **ret, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int n = print(ret, format, values);
    va_end(values);
    return n;
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...); /* what asprintf is with _FORTIFY_SOURCE */
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int n = print(ret, format, values);
    va_end(values);
    return n;
}

/* ---- data ---------------------------------------------------------------------------------------------------------------------------- */

enum { STEPS = 24, ROWS = 6, COLS = 10, SIZE = STEPS * ROWS * COLS };
static const int64_t shape[] = {STEPS, ROWS, COLS}, chunks[] = {7, 3, 5}, shards[] = {14, 6, 10};
static const char *const dims[] = {"time", "lat", "lon"};
static char dir[64];
static float values[SIZE];

static const char *at(const char *name) {
    static char path[4][160];
    static int k;
    char *p = path[k++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static cr_status context_new(cr_context **ret, cr_err *err) {
    return cr_context_new(&(cr_context_options){.threads = 2, .simd_level = -1, .memory_limit_bytes = 32 << 20}, ret, err);
}

static cr_status add_variables(cr_writer *w, cr_array *a, cr_array *times, const int64_t *sharded, cr_err *err) {
    static const char *unit = "days since 2001-01-01", *names[] = {"a", "bb", "", "d", "e", "f"};
    static const float missing = -1;
    const cr_attr attrs[] = {{"_FillValue", CR_F32, 1, &missing}}, time_attrs[] = {{"units", CR_STRING, 1, &unit}};
    const cr_write_variable v = {.name = "v", .ndim = 3, .dims = dims, .shape = shape, .chunks = chunks, .dtype = CR_F32, .attrs = attrs, .n_attrs = 1, .shards = sharded};
    const cr_write_variable t = {.name = "time", .ndim = 1, .dims = dims, .shape = shape, .dtype = CR_I64, .attrs = time_attrs, .n_attrs = 1};
    const cr_write_variable text = {.name = "name", .ndim = 1, .dims = dims + 1, .shape = shape + 1, .dtype = CR_STRING};
    CR_TRY(cr_writer_variable(w, &v, a, err));
    CR_TRY(cr_writer_variable(w, &t, times, err));
    return cr_writer_strings(w, &text, names, err);
}

static cr_status write_all(const char *path, const cr_write_options *options, const int64_t *sharded, cr_err *err) {
    int64_t days[STEPS];
    cr_context *c = NULL;
    cr_array *a = NULL, *times = NULL;
    cr_writer *w = NULL;
    for (int i = 0; i < STEPS; i++)
        days[i] = i * 10;
    cr_status status = context_new(&c, err);
    if (status == CR_OK)
        status = cr_array_copy_memory(CR_F32, 3, shape, values, &a, err);
    if (status == CR_OK)
        status = cr_array_copy_memory(CR_I64, 1, shape, days, &times, err);
    if (status == CR_OK)
        status = cr_writer_new(path, options, &w, err);
    if (status == CR_OK)
        status = add_variables(w, a, times, sharded, err);
    if (status == CR_OK)
        status = cr_writer_finish(w, c, err);
    cr_writer_free(w);
    cr_array_unref(times);
    cr_array_unref(a);
    cr_context_free(c);
    return status;
}

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    /* In memory where there is such a file system: everything that is written is synced. */
    snprintf(dir, sizeof dir, "%s/craton-no-memory-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (int i = 0; i < SIZE; i++)
        values[i] = (float)(i % 97) + 0.5f;
    ck_assert_ok(write_all(at("zarr3"), &(cr_write_options){.format = "zarr3"}, NULL, &err));
    ck_assert_ok(write_all(at("zarr2"), &(cr_write_options){.format = "zarr2"}, NULL, &err));
    ck_assert_ok(write_all(at("shards"), &(cr_write_options){.format = "zarr3"}, shards, &err));
    ck_assert_ok(write_all(at("netcdf4"), &(cr_write_options){.format = "netcdf4"}, NULL, &err));
}

static void teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static const char *wrong;         /* what a scenario that succeeded has done wrong; asserting there would itself need memory */

static void expect(bool holds, const char *what) {
    if (!holds)
        wrong = what;
}

/* ---- scenarios ----------------------------------------------------------------------------------------------------------------------- */

/* Everything that a file has: numbers computed, texts read. */
static cr_status read_all(const char *path, cr_err *err) {
    cr_context *c = NULL;
    cr_file *f = NULL;
    cr_status status = context_new(&c, err);
    if (status == CR_OK)
        status = cr_file_open(path, NULL, &f, err);
    for (int i = 0; status == CR_OK && i < cr_file_n_variables(f); i++) {
        const cr_variable *v = cr_file_variable(f, i);
        cr_array *a = NULL;
        char **texts = NULL;
        int64_t n;
        static char out[1 << 20];
        if (v->problem)
            continue;
        status = v->dtype == CR_STRING ? cr_file_strings(f, v->name, &texts, &n, err) : cr_file_array(f, v->name, &a, err);
        if (status == CR_OK && a && (size_t)cr_array_size(a) * cr_array_itemsize(a) <= sizeof out)
            status = cr_compute(c, 1, &a, (void *[]){out}, err);
        if (status == CR_OK && a && strcmp(v->name, "v") == 0 && strncmp(path, dir, strlen(dir)) == 0)
            expect(memcmp(out, values, sizeof values) == 0, "other values than were written");
        cr_array_unref(a);
        cr_free(texts);
    }
    cr_file_close(f);
    cr_context_free(c);
    return status;
}

static cr_status read_zarr3(cr_err *err) { return read_all(at("zarr3"), err); }
static cr_status read_zarr2(cr_err *err) { return read_all(at("zarr2"), err); }
static cr_status read_shards(cr_err *err) { return read_all(at("shards"), err); }
static cr_status read_netcdf4(cr_err *err) { return read_all(at("netcdf4"), err); }

static cr_status read_corpus(const char *name, cr_err *err) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", getenv("CRATON_CORPUS"), name);
    return read_all(path, err);
}
static cr_status read_netcdf3(cr_err *err) { return read_corpus("fuzz_netcdf3/netcdf3_64bit_offset", err); }
static cr_status read_geotiff(cr_err *err) { return read_corpus("fuzz_geotiff/deflate-tiles", err); }

/* arrays[0]: the stored one; then what is made of it. */
enum { N_MADE = 9 };
static cr_status make(cr_array **arrays, cr_err *err) {
    static const int two[] = {1, 2}, zero[] = {0};
    static const double q[] = {0.25, 0.5};
    int32_t codes[STEPS];
    const cr_reduce_options skip = {.skipna = true};
    cr_array **a = arrays;
    for (int i = 0; i < STEPS; i++)
        codes[i] = i % 5 - 1;
    CR_TRY(cr_array_map(CR_MAP_MULTIPLY, (cr_array *[]){a[0], a[0]}, &a[1], err));
    CR_TRY(cr_array_map(CR_MAP_SUBTRACT, (cr_array *[]){a[1], a[0]}, &a[2], err));
    CR_TRY(cr_array_reduce(CR_REDUCE_STD, a[2], 2, two, &skip, &a[3], err));
    CR_TRY(cr_array_group(CR_REDUCE_MEAN, a[1], 1, zero, codes, 4, &skip, &a[4], err));
    CR_TRY(cr_array_quantile(a[2], 1, zero, 2, q, NULL, &a[5], err));
    CR_TRY(cr_array_slice(a[2], (cr_slice[]){{STEPS - 1, -2, 5}, {0, 1, ROWS}, {1, 3, 3}}, &a[6], err));
    CR_TRY(cr_array_concat(2, (cr_array *[]){a[1], a[2]}, 0, &a[7], err));
    return cr_array_cumulate(CR_CUMULATE_SUM, a[2], 0, true, &a[8], err);
}

static cr_status with_arrays(cr_status (*work)(cr_context *c, cr_array **arrays, cr_err *err), cr_err *err) {
    cr_context *c = NULL;
    cr_file *f = NULL;
    cr_array *arrays[N_MADE] = {0};
    cr_status status = context_new(&c, err);
    if (status == CR_OK)
        status = cr_file_open(at("zarr3"), NULL, &f, err);
    if (status == CR_OK)
        status = cr_file_array(f, "v", &arrays[0], err);
    cr_file_close(f);
    if (status == CR_OK)
        status = make(arrays, err);
    if (status == CR_OK)
        status = work(c, arrays, err);
    for (int i = 0; i < N_MADE; i++)
        cr_array_unref(arrays[i]);
    cr_context_free(c);
    return status;
}

static cr_status compute_them(cr_context *c, cr_array **arrays, cr_err *err) {
    static char out[6][2 * SIZE * 8];
    void *places[6] = {out[0], out[1], out[2], out[3], out[4], out[5]};
    CR_TRY(cr_compute(c, 6, arrays + 3, places, err));
    expect(((float *)out[4])[0] == values[0] * values[0], "another concatenation");
    return CR_OK;
}
static cr_status compute(cr_err *err) { return with_arrays(compute_them, err); }

static cr_status explain_them(cr_context *c, cr_array **arrays, cr_err *err) {
    char *text = NULL;
    CR_TRY(cr_explain(c, 6, arrays + 3, &text, err));
    expect(strstr(text, "memory at most") != NULL, "no memory in the explanation");
    cr_free(text);
    return CR_OK;
}
static cr_status explain(cr_err *err) { return with_arrays(explain_them, err); }

static cr_status send_them(cr_context *c, cr_array **arrays, cr_err *err) {
    void *bytes = NULL;
    size_t n = 0;
    cr_array **there = NULL;
    int n_there = 0;
    CR_TRY(cr_graph_encode(N_MADE, arrays, 1 << 20, &bytes, &n, err));
    cr_status status = cr_graph_decode(bytes, n, &there, &n_there, err);
    cr_free(bytes);
    CR_TRY(status);
    expect(n_there == N_MADE, "another number of arrays");
    cr_graph_free(there, n_there);
    return CR_OK;
}
static cr_status send(cr_err *err) { return with_arrays(send_them, err); }

static cr_status label_on(cr_context *c, const char *path, const char *out, cr_err *err) {
    cr_dataset *d = NULL, *result = NULL;
    cr_labelled *a[5] = {0};
    cr_status status = cr_dataset_open(c, path, NULL, &d, err);
    if (status == CR_OK)
        status = cr_dataset_get(d, "v", &a[0], err);
    if (status == CR_OK)
        status = cr_sel_text_range(a[0], "time", "2001-02", "2001-06", &a[1], err);
    if (status == CR_OK)
        status = cr_resample_reduce(CR_REDUCE_MEAN, a[1], "time", "MS", NULL, &a[2], err);
    if (status == CR_OK)
        status = cr_group_reduce(CR_REDUCE_MEAN, a[0], "time.month", NULL, &a[3], err);
    if (status == CR_OK)
        status = cr_group_map(CR_MAP_SUBTRACT, a[0], "time.month", a[3], &a[4], err);
    if (status == CR_OK)
        status = cr_dataset_new(c, 1, &a[4], 0, NULL, &result, err);
    if (status == CR_OK)
        status = cr_dataset_write(result, out, &(cr_write_options){.format = "zarr3", .overwrite = true}, err);
    cr_dataset_unref(result);
    for (int i = 0; i < 5; i++)
        cr_labelled_unref(a[i]);
    cr_dataset_unref(d);
    return status;
}

static cr_status labels(cr_err *err) {
    cr_context *c = NULL;
    CR_TRY(context_new(&c, err));
    cr_status status = label_on(c, at("zarr3"), at("anomaly"), err);
    cr_context_free(c);
    return status;
}

static cr_status write_zarr(cr_err *err) { return write_all(at("new"), &(cr_write_options){.format = "zarr3", .overwrite = true}, NULL, err); }
static cr_status write_shards(cr_err *err) { return write_all(at("new"), &(cr_write_options){.format = "zarr3", .overwrite = true}, shards, err); }
static cr_status write_netcdf(cr_err *err) { return write_all(at("new"), &(cr_write_options){.format = "netcdf4", .overwrite = true}, NULL, err); }

static cr_status rechunk(cr_err *err) {
    static const char *const along[] = {"time", "lat"};
    static const int64_t to[] = {-1, 2};
    cr_context *c = NULL;
    CR_TRY(context_new(&c, err));
    cr_status status = cr_rechunk(at("netcdf4"), at("new"), &(cr_rechunk_options){.n = 2, .dims = along, .chunks = to, .overwrite = true}, c, NULL, err);
    cr_context_free(c);
    return status;
}

static const struct {
    const char *name;
    cr_status (*run)(cr_err *err);
    bool writes_new;              /* at("new") is the old values or the new ones afterwards, and nothing lies beside it */
} scenarios[] = {
    {"read zarr 3", read_zarr3, false}, {"read zarr 2", read_zarr2, false}, {"read shards", read_shards, false},
    {"read netcdf 4", read_netcdf4, false}, {"read netcdf 3", read_netcdf3, false}, {"read geotiff", read_geotiff, false},
    {"compute", compute, false}, {"explain", explain, false}, {"send", send, false}, {"labels", labels, false},
    {"write zarr", write_zarr, true}, {"write shards", write_shards, true}, {"write netcdf", write_netcdf, true},
    {"rechunk", rechunk, true},
};

/* ---- the test ------------------------------------------------------------------------------------------------------------------------ */

static int n_entries(void) {
    DIR *d = __real_opendir(dir);
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void check_failure(const char *name, long n, cr_status status, const cr_err *err) {
    /* CR_LIMIT: what lives in an arena cannot tell whether the machine or its own limit is at an end, and says that limit. */
    ck_assert_msg(status == CR_MEMORY || status == CR_LIMIT, "%s, allocation %ld: %s: %s", name, n, cr_status_name(status), err->message);
    ck_assert_msg(err->status == status && *err->message, "%s, allocation %ld: no message", name, n);
}

START_TEST(every_allocation) {
    const char *name = scenarios[_i].name;
    cr_err err = CR_ERR_INIT;
    long tried = 0, failed = 0, unharmed = 0;
    int entries;
    ck_assert_ok(scenarios[_i].run(&err));
    entries = n_entries();
    for (int after = 0; after < 2; after++) {
        bool reached = true;
        for (long n = 1; reached; n++, tried++) {
            err = (cr_err)CR_ERR_INIT;
            arm(n, after);
            cr_status status = scenarios[_i].run(&err);
            reached = atomic_load(&met);
            disarm();
            ck_assert_msg(wrong == NULL, "%s, allocation %ld: %s", name, n, wrong);
            if (status != CR_OK)
                check_failure(name, n, status, &err);
            ck_assert_msg(status == CR_OK || reached, "%s fails although there is memory: %s", name, err.message);
            failed += status != CR_OK;
            unharmed += status == CR_OK && reached;
            if (scenarios[_i].writes_new)
                ck_assert_ok(read_all(at("new"), &err));
            ck_assert_msg(n_entries() == entries, "%s, allocation %ld%s: something is left in the directory", name, n, after ? " and all after it" : "");
        }
    }
    ck_assert_ok(scenarios[_i].run(&err));
    ck_assert_int_gt(failed, 20);
    fprintf(stderr, "%s: %ld runs, %ld failed, %ld did without\n", name, tried, failed, unharmed);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("no_memory");
    TCase *c = tcase_create("engine");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, every_allocation, 0, (int)CR_ARRAY_LEN(scenarios));
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite())
