/* test_netcdf4_writer.c - NetCDF-4 as we write it, read again with our own reader. */
#include "../check_main.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/format/model.h"
#include "engine/format/writer.h"

static char path[64];

static void make_path(void) {
    strcpy(path, "/tmp/craton-writer-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_path(void) { unlink(path); }

/* ---- a model ---------------------------------------------------------------------------------------------------- */

enum { TIME = 13, X = 7 };
static const int64_t shape[] = {TIME, X}, chunks[] = {4, 3}, x_shape[] = {X}, x_chunks[] = {X};
static const char *const dims[] = {"time", "x"};
static const int16_t missing = -999;
static const char *const units = "K", *const names[] = {"a", "", "größer", "d", "e", "f", "g"}, *const two[] = {"one", "two"};
static const double factor = 0.01;
static const cr_attr tas_attrs[] = {{"units", CR_STRING, 1, &units}, {"scale_factor", CR_F64, 1, &factor}, {"_FillValue", CR_I16, 1, &missing}};
static const float gap = -1.5f;
static const cr_attr global_attrs[] = {{"list", CR_STRING, 2, two}, {"number", CR_I16, 1, &missing}};
static const cr_dim model_dims[] = {{"time", TIME, true}, {"x", X, false}};

static const cr_write_item items[] = {
    {.v = {.name = "tas", .ndim = 2, .dims = dims, .shape = shape, .chunks = chunks, .dtype = CR_I16, .attrs = tas_attrs, .n_attrs = 3,
           .codec = "deflate", .level = 2, .shuffle = true}},
    {.v = {.name = "x", .ndim = 1, .dims = dims + 1, .shape = x_shape, .chunks = x_chunks, .dtype = CR_F64, .codec = "none"}},
    {.v = {.name = "plain", .ndim = 2, .dims = dims, .shape = shape, .chunks = chunks, .dtype = CR_F32, .fill = &gap, .codec = "none"}},
    {.v = {.name = "label", .ndim = 1, .dims = dims + 1, .shape = x_shape, .chunks = x_chunks, .dtype = CR_STRING}, .strings = names},
    {.v = {.name = "scalar", .ndim = 0, .dtype = CR_U64, .chunks = chunks}},
    {.v = {.name = "flag", .ndim = 1, .dims = dims + 1, .shape = x_shape, .chunks = x_chunks, .dtype = CR_BOOL}},
};
static const cr_write_model model = {.n_dims = 2, .n_attrs = 2, .n_variables = 6, .dims = model_dims, .attrs = global_attrs, .items = items};

static double value_at(int variable, int64_t t, int64_t x) { return (double)((variable * 1000 + t * 31 + x * 7) % 2000 - 500); }

/* Fills a box of variable i as computing would. */
static void fill_box(int i, const int64_t *start, const int64_t *count, void *box) {
    int ndim = items[i].v.ndim;
    int64_t rows = ndim == 2 ? count[0] : 1, columns = ndim ? count[ndim - 1] : 1;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            double v = value_at(i, ndim == 2 ? start[0] + r : 0, ndim ? start[ndim - 1] + c : 0);
            int64_t k = r * columns + c;
            switch (items[i].v.dtype) {
            case CR_I16: ((int16_t *)box)[k] = (int16_t)v; break;
            case CR_F32: ((float *)box)[k] = (float)v; break;
            case CR_F64: ((double *)box)[k] = v; break;
            case CR_U64: ((uint64_t *)box)[k] = (uint64_t)(v + 1e6); break;
            default: ((uint8_t *)box)[k] = (uint8_t)((int64_t)v & 1); break;
            }
        }
}

typedef struct work {
    cr_sink sink;
    int variable, first, stride;
    cr_status status;
} work;

/* Every stride-th box of a variable's grid. */
static void *write_boxes(void *arg) {
    work *w = arg;
    const cr_write_variable *v = &items[w->variable].v;
    int64_t start[2] = {0}, count[2] = {1, 1}, n = 0;
    char box[4096];
    cr_err err = CR_ERR_INIT;
    for (start[0] = 0; start[0] < (v->ndim ? v->shape[0] : 1); start[0] += v->ndim ? w->sink.chunks[0] : 1)
        for (start[1] = 0; start[1] < (v->ndim == 2 ? v->shape[1] : 1); start[1] += v->ndim == 2 ? w->sink.chunks[1] : 1) {
            for (int i = 0; i < v->ndim; i++)
                count[i] = CR_MIN(w->sink.chunks[i], v->shape[i] - start[i]);
            if (n++ % w->stride != w->first)
                continue;
            fill_box(w->variable, start, count, box);
            if (w->status == CR_OK)
                w->status = w->sink.write(w->sink.user, start, count, box, &err);
        }
    return NULL;
}

static void write_model(int n_threads) {
    cr_err err = CR_ERR_INIT;
    void *state;
    for (int i = 0; i < model.n_variables; i++)
        ck_assert_ok(cr_output_netcdf4.check(&items[i].v, &err));
    ck_assert_ok(cr_output_netcdf4.begin(&model, path, &state, &err));
    for (int i = 0; i < model.n_variables; i++) {
        if (items[i].strings) {
            ck_assert_ok(cr_output_netcdf4.strings(state, i, &err));
            continue;
        }
        work w[8] = {0};
        pthread_t threads[8];
        for (int k = 0; k < n_threads; k++) {
            w[k] = (work){.variable = i, .first = k, .stride = n_threads};
            ck_assert_ok(cr_output_netcdf4.sink(state, i, &w[k].sink, &err));
            ck_assert_int_eq(pthread_create(&threads[k], NULL, write_boxes, &w[k]), 0);
        }
        for (int k = 0; k < n_threads; k++) {
            pthread_join(threads[k], NULL);
            ck_assert_int_eq(w[k].status, CR_OK);
        }
    }
    ck_assert_ok(cr_output_netcdf4.finish(state, &err));
    cr_output_netcdf4.free(state);
}

static void check_values(const cr_file *f, int i) {
    cr_err err = CR_ERR_INIT;
    cr_scratch scratch = {.max = 1 << 20};
    const cr_model_variable *v = &f->variables[i];
    int64_t chunk[2] = {0}, start[2] = {0}, count[2] = {1, 1};
    char got[4096], expected[4096];
    bool absent;
    ck_assert_ptr_nonnull(v->source);
    const cr_source *s = v->source;
    int64_t columns = s->ndim ? s->chunk_shape[s->ndim - 1] : 1;
    for (chunk[0] = 0; chunk[0] < (s->ndim ? (s->shape[0] + s->chunk_shape[0] - 1) / s->chunk_shape[0] : 1); chunk[0]++)
        for (chunk[1] = 0; chunk[1] < (s->ndim == 2 ? (s->shape[1] + s->chunk_shape[1] - 1) / s->chunk_shape[1] : 1); chunk[1]++) {
            ck_assert_ok(s->ops->read_chunk(v->source, chunk, got, &scratch, &absent, &err));
            ck_assert(!absent);
            for (int k = 0; k < s->ndim; k++) {
                start[k] = chunk[k] * s->chunk_shape[k];
                count[k] = cr_source_extent(s, k, chunk[k]);
            }
            fill_box(i, start, count, expected);
            int64_t rows = s->ndim == 2 ? count[0] : 1, wanted = s->ndim ? count[s->ndim - 1] : 1;
            for (int64_t r = 0; r < rows; r++)
                ck_assert_mem_eq(got + (size_t)(r * columns) * s->itemsize, expected + (size_t)(r * wanted) * s->itemsize, (size_t)wanted * s->itemsize);
        }
    cr_scratch_done(&scratch);
}

/* ---- tests ------------------------------------------------------------------------------------------------------ */

START_TEST(round_trip) {
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    write_model(_i);
    ck_assert_ok(cr_file_open(path, NULL, &f, &err));
    ck_assert_str_eq(cr_file_format(f), "netcdf4");
    ck_assert_int_eq(cr_file_n_dims(f), 2);
    ck_assert(cr_file_dim(f, 0)->unlimited && !cr_file_dim(f, 1)->unlimited);
    ck_assert_int_eq(cr_file_dim(f, 0)->length, TIME);
    ck_assert_int_eq(cr_file_n_variables(f), model.n_variables);
    for (int i = 0; i < model.n_variables; i++) {
        const cr_variable *v = cr_file_variable(f, i);
        ck_assert_str_eq(v->name, items[i].v.name);
        ck_assert_ptr_null(v->problem);
        ck_assert_int_eq(v->dtype, items[i].v.dtype == CR_BOOL ? CR_I8 : items[i].v.dtype);
        ck_assert_int_eq(v->ndim, items[i].v.ndim);
        if (v->dtype != CR_STRING)
            check_values(f, i);
    }
    const cr_variable *tas = cr_file_find(f, "tas");
    ck_assert_str_eq(tas->compression, "deflate 2, shuffle");
    ck_assert_int_eq(tas->chunks[0], 4);
    ck_assert_int_eq(tas->n_attrs, 3);
    ck_assert_str_eq(tas->attrs[0].name, "units");
    ck_assert_str_eq(*(const char *const *)tas->attrs[0].values, "K");
    ck_assert(tas->has_fill && *(const int16_t *)tas->fill == missing);
    ck_assert_int_eq(*(const int16_t *)cr_attr_find(tas->attrs, 3, "_FillValue")->values, missing);
    const cr_variable *plain = cr_file_find(f, "plain");
    ck_assert(*(const float *)plain->fill == gap);
    ck_assert_ptr_nonnull(cr_attr_find(plain->attrs, plain->n_attrs, "_FillValue"));
    ck_assert_ptr_null(cr_file_find(f, "x")->chunks);
    ck_assert_int_eq(cr_file_n_attrs(f), 2);
    ck_assert_int_eq(cr_file_attr(f, 0)->n, 2);
    char **strings;
    int64_t n;
    ck_assert_ok(cr_file_strings(f, "label", &strings, &n, &err));
    ck_assert_int_eq(n, X);
    for (int i = 0; i < X; i++)
        ck_assert_str_eq(strings[i], names[i]);
    free(strings);
    cr_file_close(f);
}
END_TEST

START_TEST(what_cannot_be_written_is_refused) {
    cr_err err = CR_ERR_INIT;
    cr_write_variable v = items[0].v;
    v.dtype = CR_F16;
    ck_assert_fails(cr_output_netcdf4.check(&v, &err), CR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.hint, "float32"));
    v = items[0].v;
    v.codec = "zstd";
    ck_assert_fails(cr_output_netcdf4.check(&v, &err), CR_UNSUPPORTED);
    v = items[0].v;
    v.level = 12;
    ck_assert_fails(cr_output_netcdf4.check(&v, &err), CR_INVALID);
}
END_TEST

START_TEST(failures_leave_nothing_open) {
    cr_err err = CR_ERR_INIT;
    void *state;
    ck_assert_fails(cr_output_netcdf4.begin(&model, "/tmp/craton-no-such-directory/file.nc", &state, &err), CR_NO_FILE);
    /* The attribute's type must be the variable's. */
    const double wrong = 1;
    const cr_attr attr = {"_FillValue", CR_F64, 1, &wrong};
    cr_write_item item = items[0];
    item.v.attrs = &attr;
    item.v.n_attrs = 1;
    cr_write_model bad = model;
    bad.items = &item;
    bad.n_variables = 1;
    ck_assert_fails(cr_output_netcdf4.begin(&bad, path, &state, &err), CR_INVALID);
    /* Given up half-way. */
    ck_assert_ok(cr_output_netcdf4.begin(&model, path, &state, &err));
    cr_output_netcdf4.free(state);
    write_model(1);
}
END_TEST

/* A limit on the size of files stands for a full disk: the same path through the libraries, another errno. */
START_TEST(full_disk_is_told) {
    cr_err err = CR_ERR_INIT;
    void *state = NULL;
    char box[4096] = {0};
    const int64_t start[2] = {0}, count[2] = {4, 3};
    cr_sink sink;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_ok(cr_output_netcdf4.begin(&model, path, &state, &err));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}), 0);
    ck_assert_ok(cr_output_netcdf4.sink(state, 2, &sink, &err));
    cr_status status = sink.write(sink.user, start, count, box, &err);
    if (status == CR_OK)
        status = cr_output_netcdf4.finish(state, &err);
    cr_output_netcdf4.free(state);
    ck_assert_msg(status == CR_NO_SPACE, "%s: %s", cr_status_name(status), err.message);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("netcdf4_writer");
    TCase *c = tcase_create("all");
    tcase_add_checked_fixture(c, make_path, remove_path);
    tcase_add_loop_test(c, round_trip, 1, 5);
    tcase_add_test(c, what_cannot_be_written_is_refused);
    tcase_add_test(c, failures_leave_nothing_open);
    tcase_add_test(c, full_disk_is_told);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite())
