/* test_hdf5.c - the HDF5 reader on files that the libraries write here: shared messages, threads, limits, and damage at every byte.
 * What the reader makes of the many kinds of files is compared with other libraries in tests/oracle/test_hdf5.py. */
#include "../check_main.h"

#include <fcntl.h>
#include <hdf5.h>
#include <netcdf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/format/hdf5_chunk_index.h"
#include "engine/format/model.h"

static char path[64];

static void make_path(void) {
    strcpy(path, "/tmp/craton-hdf5-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_path(void) { unlink(path); }

#define ck_nc(call) ck_assert_int_eq((call), NC_NOERR)

enum { ROWS = 61, COLUMNS = 17 };

/* A variable of many small chunks, attributes and strings. */
static void write_netcdf(void) {
    int nc, dims[2], v, s;
    int values[ROWS * COLUMNS];
    size_t chunks[2] = {4, 5}, start[2] = {0}, count[2] = {ROWS, COLUMNS};
    const char *texts[] = {"one", "", "three"};
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = i * 37 % 1001;
    ck_nc(nc_create(path, NC_NETCDF4 | NC_CLOBBER, &nc));
    ck_nc(nc_def_dim(nc, "time", NC_UNLIMITED, &dims[0]));
    ck_nc(nc_def_dim(nc, "x", COLUMNS, &dims[1]));
    ck_nc(nc_def_var(nc, "v", NC_INT, 2, dims, &v));
    ck_nc(nc_def_var_chunking(nc, v, NC_CHUNKED, chunks));
    ck_nc(nc_def_var_deflate(nc, v, 1, 1, 1));
    ck_nc(nc_put_att_text(nc, v, "units", 1, "K"));
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "attribute%d", i);
        ck_nc(nc_put_att_int(nc, NC_GLOBAL, name, NC_INT, 3, values + i));
    }
    int three;
    ck_nc(nc_def_dim(nc, "three", 3, &three));
    ck_nc(nc_def_var(nc, "s", NC_STRING, 1, &three, &s));
    ck_nc(nc_put_vara_int(nc, v, start, count, values));
    ck_nc(nc_put_var_string(nc, s, texts));
    ck_nc(nc_close(nc));
}

START_TEST(checksum_vectors) {
    /* From the description of the algorithm by its author: hashlittle with initial value 0. */
    ck_assert_uint_eq(h5_checksum((const uint8_t *)"", 0), 0xdeadbeef);
    ck_assert_uint_eq(h5_checksum((const uint8_t *)"Four score and seven years ago", 30), 0x17770551);
}
END_TEST

START_TEST(cursor_never_leaves_its_bytes) {
    const uint8_t bytes[] = {1, 2, 3, 0xFF, 0xFF, 0xFF, 0xFF};
    h5_cur c = {bytes, bytes, bytes + sizeof bytes, 100, "test", 4, 4, false};
    cr_err err = CR_ERR_INIT;
    ck_assert_uint_eq(h5_uint(&c, 3), 0x030201);
    ck_assert_uint_eq(h5_at(&c), 103);
    ck_assert(h5_addr(&c) == H5_UNDEF);
    ck_assert_uint_eq(h5_uint(&c, 1), 0);
    ck_assert_fails(h5_cur_ok(&c, &err), CR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "test at offset 100"));
    ck_assert_uint_eq(h5_uint(&c, 1), 0);
    c = (h5_cur){bytes, bytes, bytes + sizeof bytes, 100, "test", 4, 4, false};
    h5_cur inner = h5_sub(&c, UINT64_MAX);
    ck_assert(inner.bad && c.bad && h5_left(&inner) == 0);
    ck_assert_uint_eq(h5_bytes_for(255), 1);
    ck_assert_uint_eq(h5_bytes_for(256), 2);
    ck_assert_uint_eq(h5_log2(1), 0);
    ck_assert_uint_eq(h5_log2(UINT64_MAX), 63);
}
END_TEST

START_TEST(lookup_of_chunks) {
    h5_chunk some[] = {{3, 10, 1, 0}, {7, 20, 1, 0}, {8, 30, 1, 0}};
    h5_chunk_index sparse = {some, 3, false};
    ck_assert_ptr_eq(h5_chunk_index_find(&sparse, 7), &some[1]);
    ck_assert_ptr_eq(h5_chunk_index_find(&sparse, 8), &some[2]);
    ck_assert_ptr_null(h5_chunk_index_find(&sparse, 0));
    ck_assert_ptr_null(h5_chunk_index_find(&sparse, 4));
    ck_assert_ptr_null(h5_chunk_index_find(&sparse, 9));
}
END_TEST

/* ---- messages kept once for many objects ------------------------------------------------------------------------ */

START_TEST(shared_messages) {
    hid_t fcpl = H5Pcreate(H5P_FILE_CREATE), fapl = H5Pcreate(H5P_FILE_ACCESS);
    ck_assert_int_ge(H5Pset_shared_mesg_nindexes(fcpl, 2), 0);
    H5Pset_shared_mesg_index(fcpl, 0, H5O_SHMESG_DTYPE_FLAG | H5O_SHMESG_SDSPACE_FLAG | H5O_SHMESG_FILL_FLAG | H5O_SHMESG_PLINE_FLAG, 8);
    H5Pset_shared_mesg_index(fcpl, 1, H5O_SHMESG_ATTR_FLAG, 8);
    if (_i)
        H5Pset_libver_bounds(fapl, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, fcpl, fapl);
    ck_assert_int_ge(file, 0);
    for (int i = 0; i < 4; i++) {
        char name[16];
        hsize_t shape[2] = {6, 8}, chunk[2] = {4, 4}, five = 5;
        double values[48], fill = 4.5;
        int numbers[5] = {1, 2, 3, 4, 77};
        for (int k = 0; k < 48; k++)
            values[k] = k * i;
        hid_t space = H5Screate_simple(2, shape, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_chunk(plist, 2, chunk);
        H5Pset_deflate(plist, 3);
        H5Pset_fill_value(plist, H5T_NATIVE_DOUBLE, &fill);
        snprintf(name, sizeof name, "d%d", i);
        hid_t d = H5Dcreate2(file, name, H5T_IEEE_F64BE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        ck_assert_int_ge(H5Dwrite(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
        for (int k = 0; k < 12; k++) {     /* enough to go into a heap of attributes */
            snprintf(name, sizeof name, "a%d", k);
            hid_t line = H5Screate_simple(1, &five, NULL), a = H5Acreate2(d, name, H5T_STD_I32BE, line, H5P_DEFAULT, H5P_DEFAULT);
            ck_assert_int_ge(H5Awrite(a, H5T_NATIVE_INT, numbers), 0);
            H5Aclose(a);
            H5Sclose(line);
        }
        H5Dclose(d);
        H5Sclose(space);
        H5Pclose(plist);
    }
    ck_assert_int_ge(H5Fclose(file), 0);
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    ck_assert_ok(cr_file_open(path, NULL, &f, &err));
    ck_assert_int_eq(cr_file_n_variables(f), 4);
    for (int i = 0; i < 4; i++) {
        const cr_variable *v = cr_file_variable(f, i);
        cr_source *s = f->variables[i].source;
        cr_scratch scratch = {.max = 1 << 20};
        double got[16];
        bool absent;
        ck_assert_int_eq(v->n_attrs, 12);
        ck_assert_int_eq(((const int32_t *)v->attrs[11].values)[4], 77);
        ck_assert(*(const double *)v->fill == 4.5);
        ck_assert_ok(s->ops->read_chunk(s, (int64_t[]){1, 1}, got, &scratch, &absent, &err));
        ck_assert(got[0] == (4 * 8 + 4) * i && got[5] == (5 * 8 + 5) * i);
        cr_scratch_done(&scratch);
    }
    cr_file_close(f);
}
END_TEST

/* ---- threads ---------------------------------------------------------------------------------------------------- */

typedef struct reader {
    cr_source *s;
    int first;
    long sum;
    cr_status status;
} reader;

static void *read_all(void *arg) {
    reader *r = arg;
    cr_scratch scratch = {.max = 1 << 20};
    cr_err err = CR_ERR_INIT;
    int64_t rows = (ROWS + 3) / 4, columns = (COLUMNS + 4) / 5;
    for (int64_t n = 0; n < rows * columns && r->status == CR_OK; n++) {
        int64_t k = (n + r->first) % (rows * columns), chunk[2] = {k / columns, k % columns};
        int32_t got[20];
        bool absent;
        r->status = r->s->ops->read_chunk(r->s, chunk, got, &scratch, &absent, &err);
        for (int i = 0; i < 4 && r->status == CR_OK; i++)
            for (int j = 0; j < 5; j++)
                if (chunk[0] * 4 + i < ROWS && chunk[1] * 5 + j < COLUMNS)
                    r->sum += got[i * 5 + j];
    }
    cr_scratch_done(&scratch);
    cr_source_unref(r->s);
    return NULL;
}

START_TEST(threads_share_a_source_that_outlives_its_file) {
    enum { N = 8 };
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    pthread_t threads[N];
    reader readers[N];
    long expected = 0;
    write_netcdf();
    for (int i = 0; i < ROWS * COLUMNS; i++)
        expected += i * 37 % 1001;
    ck_assert_ok(cr_file_open(path, NULL, &f, &err));
    for (int i = 0; i < N; i++)
        readers[i] = (reader){cr_source_ref(f->variables[0].source), i * 7, 0, CR_OK};
    cr_file_close(f);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(readers[i].status, CR_OK);
        ck_assert_int_eq(readers[i].sum, expected);
    }
}
END_TEST

/* ---- limits and damage ------------------------------------------------------------------------------------------ */

START_TEST(metadata_limit) {
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    write_netcdf();
    cr_open_options small = {NULL, 6000}, enough = {NULL, 1 << 20};
    ck_assert_fails(cr_file_open(path, &small, &f, &err), CR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.hint, "metadata_limit_bytes"));
    ck_assert_ok(cr_file_open(path, &enough, &f, &err));
    cr_file_close(f);
}
END_TEST

/* Opens and reads; what comes out does not matter, only that it is a result or an error with a message. */
static bool try_file(void) {
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    cr_open_options options = {NULL, 1 << 20};
    if (cr_file_open(path, &options, &f, &err) != CR_OK) {
        ck_assert(err.message[0]);
        ck_assert_int_ne(err.status, CR_INTERNAL);
        return false;
    }
    for (int i = 0; i < cr_file_n_variables(f); i++) {
        cr_source *s = f->variables[i].source;
        char **strings, dst[4096];
        int64_t chunk[CR_MAX_DIMS] = {0}, n;
        cr_scratch scratch = {.max = 1 << 20};
        bool absent;
        if (s && s->chunk_bytes <= sizeof dst)
            (void)s->ops->read_chunk(s, chunk, dst, &scratch, &absent, &err);
        else if (!s && cr_file_strings(f, cr_file_variable(f, i)->name, &strings, &n, &err) == CR_OK)
            free(strings);
        cr_scratch_done(&scratch);
    }
    cr_file_close(f);
    return true;
}

static void store(const void *bytes, size_t n) {
    FILE *out = fopen(path, "wb");
    ck_assert(out && fwrite(bytes, 1, n, out) == n && fclose(out) == 0);
}

START_TEST(every_truncation_is_an_error) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf whole;
    cr_buf_init(&whole, 1 << 20);
    write_netcdf();
    ck_assert_ok(cr_file_read(path, &whole, &err));
    for (size_t n = 0; n < whole.len; n += 1 + n / 40) {
        store(whole.data, n);
        ck_assert(!try_file());
    }
    store(whole.data, whole.len);
    ck_assert(try_file());
}
END_TEST

START_TEST(damage_at_every_byte) {
    static const uint8_t masks[] = {0x01, 0x80, 0xFF};
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf whole;
    cr_buf_init(&whole, 1 << 20);
    write_netcdf();
    ck_assert_ok(cr_file_read(path, &whole, &err));
    int refused = 0;
    cr_auto_fd int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < whole.len; i++) {
        uint8_t byte = (uint8_t)whole.data[i] ^ masks[i % sizeof masks];
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
        refused += !try_file();
        ck_assert_int_eq(pwrite(fd, whole.data + i, 1, (off_t)i), 1);
    }
    ck_assert_int_gt(refused, 100);
    ck_assert(try_file());
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("hdf5");
    TCase *c = tcase_create("all");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, make_path, remove_path);
    tcase_add_test(c, checksum_vectors);
    tcase_add_test(c, cursor_never_leaves_its_bytes);
    tcase_add_test(c, lookup_of_chunks);
    tcase_add_loop_test(c, shared_messages, 0, 2);
    tcase_add_test(c, threads_share_a_source_that_outlives_its_file);
    tcase_add_test(c, metadata_limit);
    tcase_add_test(c, every_truncation_is_an_error);
    tcase_add_test(c, damage_at_every_byte);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite())
