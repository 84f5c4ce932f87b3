/* test_format_zarr.c - JSON beyond the standard, half precision, replaced stores, shards read from several threads. */
#include "../check_main.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/codec/checksum.h"
#include "engine/format/model.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_json.h"

static char dir[64];
static cr_err err = CR_ERR_INIT;

static void setup(void) {
    snprintf(dir, sizeof dir, "/tmp/craton-zarr-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static json_t *parse(const char *text) {
    json_t *j = NULL;
    ck_assert_ok(cr_json_parse(text, strlen(text), 1000, &j, &err));
    return j;
}

START_TEST(json_words) {
    double d;
    uint64_t u;
    int64_t i;
    cr_auto_json json_t *j = parse("[NaN, -Infinity, 18446744073709551615, -9223372036854775808, 1e400, \"NaN\", \"a \\\" NaN\", 1.5, -9223372036854775809]");
    ck_assert(cr_json_number(json_array_get(j, 0), &d) && isnan(d));
    ck_assert(cr_json_number(json_array_get(j, 1), &d) && d == -INFINITY);
    ck_assert(cr_json_item(json_array_get(j, 2), CR_U64, &u) && u == UINT64_MAX);
    ck_assert(!cr_json_item(json_array_get(j, 2), CR_I64, &i));
    ck_assert(cr_json_item(json_array_get(j, 3), CR_I64, &i) && i == INT64_MIN);
    ck_assert(cr_json_number(json_array_get(j, 4), &d) && d == INFINITY);
    ck_assert(cr_json_number(json_array_get(j, 5), &d) && isnan(d));
    ck_assert_str_eq(json_string_value(json_array_get(j, 6)), "a \" NaN");
    ck_assert(!cr_json_item(json_array_get(j, 7), CR_I64, &i));
    ck_assert(!cr_json_item(json_array_get(j, 8), CR_I64, &i));
}
END_TEST

START_TEST(json_is_bounded) {
    char deep[400];
    json_t *j = NULL;
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    ck_assert_fails(cr_json_parse(deep, 400, 100000, &j, &err), CR_LIMIT);
    ck_assert_fails(cr_json_parse("[1,2,3,4]", 9, 3, &j, &err), CR_LIMIT);
    static const char *const bad[] = {"", "{", "{\"a\":}", "NaN NaN", "[1,]", "\"abc", "\"\\", "nan", "[01234567890123456789]", "--1", "\xff"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_fails(cr_json_parse(bad[i], strlen(bad[i]), 100, &j, &err), CR_FORMAT);
    ck_assert_ptr_null(j);
}
END_TEST

START_TEST(numbers_survive_writing) {
    static const double values[] = {0.1, 1.0 / 3, 1e300, -2.5e-308, 5e-324, 123456789.0, 0, -0.0, 1e22, 0.30000000000000004};
    for (size_t i = 0; i < CR_ARRAY_LEN(values); i++) {
        double back;
        cr_auto_buf cr_buf text;
        cr_buf_init(&text, 100);
        cr_json_write_item(CR_F64, &values[i], true, &text);
        cr_auto_json json_t *j = parse(cr_buf_str(&text));
        ck_assert(cr_json_item(j, CR_F64, &back));
        ck_assert_mem_eq(&back, &values[i], 8);
    }
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 100);
    cr_json_write_item(CR_F64, &values[0], true, &text);
    ck_assert_str_eq(cr_buf_str(&text), "0.1");
}
END_TEST

START_TEST(half_precision) {
    for (unsigned h = 0; h < 65536; h++) {
        double v = cr_half_to_double((uint16_t)h);
        if (isnan(v))
            continue;
        ck_assert_uint_eq(cr_half_from_double(v), h);
        /* Halfway to the next one goes to the even one; a little more goes up. */
        double up = cr_half_to_double((uint16_t)(h + 1));
        if ((h & 0x7fff) < 0x7bff) {
            ck_assert_uint_eq(cr_half_from_double((v + up) / 2), h + (h & 1));
            ck_assert_uint_eq(cr_half_from_double(nextafter((v + up) / 2, up)), h + 1);
        }
    }
    ck_assert_uint_eq(cr_half_from_double(65519.99), 0x7bff);
    ck_assert_uint_eq(cr_half_from_double(65520), 0x7c00);
}
END_TEST

START_TEST(base64_both_ways) {
    unsigned char back[300], bytes[300];
    for (int n = 0; n < 300; n++) {
        cr_auto_buf cr_buf text;
        cr_buf_init(&text, 1000);
        for (int i = 0; i < n; i++)
            bytes[i] = (unsigned char)(i * 37 + n);
        cr_base64_write(bytes, (size_t)n, &text);
        ck_assert_int_eq(cr_base64_decode(cr_buf_str(&text), text.len, back, sizeof back), n);
        ck_assert(n == 0 || memcmp(back, bytes, (size_t)n) == 0);
    }
    static const char *const bad[] = {"a", "ab=", "a===", "ab=c", "====", "ab c", "abc\n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_int_eq(cr_base64_decode(bad[i], strlen(bad[i]), back, sizeof back), -1);
    ck_assert_int_eq(cr_base64_decode("AAAA", 4, back, 2), -1);
}
END_TEST

/* ---- stores ---------------------------------------------------------------------------------------------------------------------- */

static void put(const char *key, const void *bytes, size_t n) {
    cr_store *s;
    ck_assert_ok(cr_store_open_dir(dir, false, &s, &err));
    ck_assert_ok(cr_store_write(s, key, bytes, n, &err));
    cr_store_unref(s);
}

static cr_file *open_here(void) {
    cr_file *f = NULL;
    ck_assert_ok(cr_file_open(dir, NULL, &f, &err));
    return f;
}

static const char plain[] = "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4],\"data_type\":\"int32\",\"chunk_grid\":{\"name\":\"regular\","
    "\"configuration\":{\"chunk_shape\":[2]}},\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":7,\"codecs\":[{\"name\":\"bytes\","
    "\"configuration\":{\"endian\":\"little\"}}],\"attributes\":{}}";

START_TEST(absent_chunks_of_a_replaced_store) {
    int32_t two[2] = {1, 2}, got[2];
    bool absent;
    cr_scratch scratch = {.max = 1 << 20};
    put("zarr.json", plain, strlen(plain));
    put("c/0", two, sizeof two);
    cr_file *f = open_here();
    cr_source *s = cr_source_ref(f->variables[0].source);
    ck_assert_str_eq(cr_file_format(f), "zarr3");
    cr_file_close(f);
    ck_assert_ok(s->ops->read_chunk(s, (int64_t[]){0}, got, &scratch, &absent, &err));
    ck_assert(!absent && got[1] == 2);
    ck_assert_ok(s->ops->read_chunk(s, (int64_t[]){1}, got, &scratch, &absent, &err));
    ck_assert(absent && got[0] == 7 && got[1] == 7);
    ck_assert_fails(s->ops->read_chunk(s, (int64_t[]){2}, got, &scratch, &absent, &err), CR_RANGE);
    ck_assert_int_eq(s->ops->stored_bytes(s, (int64_t[]){0}), 8);
    ck_assert_int_eq(s->ops->stored_bytes(s, (int64_t[]){1}), 0);
    /* The same metadata, written anew: another array, whose chunks need not be these. */
    put("zarr.json", plain, strlen(plain));
    ck_assert_fails(s->ops->read_chunk(s, (int64_t[]){1}, got, &scratch, &absent, &err), CR_CONFLICT);
    teardown();
    ck_assert_fails(s->ops->read_chunk(s, (int64_t[]){0}, got, &scratch, &absent, &err), CR_CONFLICT);
    cr_source_unref(s);
    cr_scratch_done(&scratch);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
}
END_TEST

enum { SHARD_CHUNKS = 64, THREADS = 4, SHARDS = 80 };
static const char sharded[] = "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[5120],\"data_type\":\"uint8\",\"chunk_grid\":{\"name\":\"regular\","
    "\"configuration\":{\"chunk_shape\":[64]}},\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":9,\"codecs\":[{\"name\":"
    "\"sharding_indexed\",\"configuration\":{\"chunk_shape\":[1],\"codecs\":[{\"name\":\"bytes\"}],\"index_codecs\":[{\"name\":\"bytes\","
    "\"configuration\":{\"endian\":\"little\"}},{\"name\":\"crc32c\"}]}}],\"attributes\":{}}";

/* One byte a chunk, in reversed order, every seventh absent. */
static void put_shard(int shard, int add) {
    struct {
        uint8_t data[SHARD_CHUNKS];
        uint64_t index[2 * SHARD_CHUNKS];
        uint32_t crc;
    } __attribute__((packed)) bytes;
    char key[32];
    for (int i = 0; i < SHARD_CHUNKS; i++) {
        bytes.data[SHARD_CHUNKS - 1 - i] = (uint8_t)(shard + i + add);
        bytes.index[2 * i] = i % 7 ? (uint64_t)(SHARD_CHUNKS - 1 - i) : UINT64_MAX;
        bytes.index[2 * i + 1] = i % 7 ? 1 : UINT64_MAX;
    }
    bytes.crc = cr_crc32c(bytes.index, sizeof bytes.index);
    snprintf(key, sizeof key, "c/%d", shard);
    put(key, &bytes, sizeof bytes);
}

typedef struct reader {
    cr_source *s;
    int add, wrong;
} reader;

static void *read_shards(void *user) {
    reader *r = user;
    cr_scratch scratch = {.max = 1 << 20};
    cr_err e = CR_ERR_INIT;
    for (int64_t c = 0; c < SHARDS * SHARD_CHUNKS; c++) {
        uint8_t got = 0;
        bool absent = false;
        int shard = (int)(c / SHARD_CHUNKS), i = (int)(c % SHARD_CHUNKS);
        cr_status status = r->s->ops->read_chunk(r->s, &c, &got, &scratch, &absent, &e);
        r->wrong += status != CR_OK || absent != (i % 7 == 0) || got != (i % 7 ? (uint8_t)(shard + i + r->add) : 9);
    }
    cr_scratch_done(&scratch);
    return NULL;
}

START_TEST(shards_from_many_threads) {
    put("zarr.json", sharded, strlen(sharded));
    for (int i = 0; i < SHARDS; i++)
        put_shard(i, 0);
    cr_file *f = open_here();
    cr_source *s = f->variables[0].source;
    ck_assert_int_eq(s->chunk_shape[0], 1);
    pthread_t threads[THREADS];
    reader readers[THREADS];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < THREADS; i++) {
            readers[i] = (reader){s, round, 0};
            ck_assert_int_eq(pthread_create(&threads[i], NULL, read_shards, &readers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            ck_assert_int_eq(readers[i].wrong, 0);
        }
        /* Replaced shards are noticed although their indexes are kept. */
        for (int i = 0; i < SHARDS; i++)
            put_shard(i, 1);
    }
    cr_file_close(f);
}
END_TEST

START_TEST(damaged_shards) {
    uint8_t got;
    bool absent;
    cr_scratch scratch = {.max = 1 << 20};
    char path[128];
    put("zarr.json", sharded, strlen(sharded));
    for (int i = 0; i < 3; i++)
        put_shard(i, 0);
    snprintf(path, sizeof path, "%s/c/0", dir);
    ck_assert_int_eq(truncate(path, 100), 0);
    snprintf(path, sizeof path, "%s/c/1", dir);
    FILE *file = fopen(path, "r+");
    fseek(file, SHARD_CHUNKS + 16, SEEK_SET);
    fputc(0x55, file);
    fclose(file);
    cr_file *f = open_here();
    cr_source *s = f->variables[0].source;
    ck_assert_fails(s->ops->read_chunk(s, (int64_t[]){1}, &got, &scratch, &absent, &err), CR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "c/0"));
    ck_assert_fails(s->ops->read_chunk(s, (int64_t[]){65}, &got, &scratch, &absent, &err), CR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "checksum"));
    ck_assert_ok(s->ops->read_chunk(s, (int64_t[]){129}, &got, &scratch, &absent, &err));
    cr_file_close(f);
    cr_scratch_done(&scratch);
}
END_TEST

static Suite *zarr_suite(void) {
    Suite *suite = suite_create("zarr");
    TCase *t = tcase_create("zarr");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, json_words);
    tcase_add_test(t, json_is_bounded);
    tcase_add_test(t, numbers_survive_writing);
    tcase_add_test(t, half_precision);
    tcase_add_test(t, base64_both_ways);
    tcase_add_test(t, absent_chunks_of_a_replaced_store);
    tcase_add_test(t, shards_from_many_threads);
    tcase_add_test(t, damaged_shards);
    suite_add_tcase(suite, t);
    return suite;
}
CHECK_MAIN(zarr_suite())
