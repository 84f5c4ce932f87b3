/* test_codec.c - every codec there and back, alone and in chains; damaged bytes; checksums; axis order. */
#include "../check_main.h"

#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "engine/codec/blosc_blocks.h"
#include "engine/codec/checksum.h"
#include "engine/codec/codec.h"
#include "engine/codec/order.h"
#include "engine/codec/zstd_stream.h"

static cr_err err = CR_ERR_INIT;
static uint64_t seed = 88172645463325252ull;

static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* Compressible: slowly rising 4-byte numbers with noise. */
static void fill_data(uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = i % 4 == 0 ? (uint8_t)next() : (uint8_t)(i / 1000);
}

static const cr_codec all[] = {
    {.id = CR_CODEC_ZLIB, .level = 1}, {.id = CR_CODEC_ZLIB, .level = 9}, {.id = CR_CODEC_ZLIB, .level = 0}, {.id = CR_CODEC_GZIP, .level = 6},
    {.id = CR_CODEC_ZSTD, .level = 3}, {.id = CR_CODEC_ZSTD, .level = -2, .checksum = true}, {.id = CR_CODEC_LZ4},
    {.id = CR_CODEC_BLOSC, .level = 5, .itemsize = 4, .blosc_shuffle = 1, .blosc_inner = "zstd"},
    {.id = CR_CODEC_BLOSC, .level = 9, .itemsize = 8, .blosc_shuffle = 2, .blosc_inner = "lz4"},
    {.id = CR_CODEC_BLOSC, .level = 0, .itemsize = 300, .blosc_shuffle = 0, .blosc_inner = "blosclz"},
    {.id = CR_CODEC_SHUFFLE, .itemsize = 2}, {.id = CR_CODEC_SHUFFLE, .itemsize = 4}, {.id = CR_CODEC_SHUFFLE, .itemsize = 8},
    {.id = CR_CODEC_SHUFFLE, .itemsize = 3}, {.id = CR_CODEC_CRC32C}, {.id = CR_CODEC_CRC32, .at_start = true}, {.id = CR_CODEC_ADLER32},
    {.id = CR_CODEC_FLETCHER32},
};
static const size_t sizes[] = {0, 1, 3, 4, 17, 4096, 100003};
enum { N_ALL = sizeof all / sizeof *all, GUARD = 64 };

static void round_trip(const cr_codec_chain *chain, size_t n, cr_codec_work *work) {
    uint8_t *data = malloc(n + 1), *out = malloc(n + GUARD), *room = malloc(cr_codec_chain_encode_room(chain, n) + 1),
            *between = malloc(cr_codec_chain_decode_room(chain, n) + 1);
    const void *stored;
    size_t n_stored;
    fill_data(data, n);
    memset(out, 0xEE, n + GUARD);
    ck_assert_ok(cr_codec_chain_encode(chain, work, data, n, room, &stored, &n_stored, &err));
    ck_assert(n_stored <= cr_codec_chain_bound(chain, n));
    ck_assert_ok(cr_codec_chain_decode(chain, work, stored, n_stored, out, n, between, &err));
    ck_assert(n == 0 || memcmp(data, out, n) == 0);
    /* Another expected length is refused, and nothing is written behind the room. */
    if (n)
        ck_assert_fails(cr_codec_chain_decode(chain, work, stored, n_stored, out, n - 1, between, &err), CR_FORMAT);
    for (int i = 0; i < GUARD; i++)
        ck_assert_int_eq(out[n + (size_t)i], 0xEE);
    free(data);
    free(out);
    free(room);
    free(between);
}

START_TEST(there_and_back) {
    cr_codec_work *work;
    ck_assert_ok(cr_codec_work_new(&work, &err));
    for (size_t k = 0; k < CR_ARRAY_LEN(sizes); k++) {
        cr_codec_chain chain = {1, {all[_i]}};
        round_trip(&chain, sizes[k], work);
        for (int second = 0; second < N_ALL; second++) {
            chain = (cr_codec_chain){3, {all[_i], all[second], all[(second + _i) % N_ALL]}};
            if (sizes[k] < 5000)
                round_trip(&chain, sizes[k], work);
        }
    }
    cr_codec_work_free(work);
}
END_TEST

START_TEST(damaged_bytes) {
    enum { N = 3000, ROUNDS = 400 };
    cr_codec_chain chain = {1, {all[_i]}};
    cr_codec_work *work;
    uint8_t data[N], out[N + GUARD], room[20000], broken[20000];
    const void *stored;
    size_t n_stored;
    ck_assert_ok(cr_codec_work_new(&work, &err));
    fill_data(data, N);
    ck_assert(cr_codec_chain_encode_room(&chain, N) <= sizeof room);
    ck_assert_ok(cr_codec_chain_encode(&chain, work, data, N, room, &stored, &n_stored, &err));
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = round % 3 ? n_stored : next() % (n_stored + 1);
        memcpy(broken, stored, n);
        for (uint64_t k = next() % 4 + 1; k && n; k--)
            broken[round % 2 ? next() % n : next() % CR_MIN(n, (size_t)24)] ^= (uint8_t)(1 + next() % 255);
        memset(out + N, 0xEE, GUARD);
        cr_status status = cr_codec_chain_decode(&chain, work, broken, n, out, N, NULL, &err);
        ck_assert_msg(status == CR_OK || status == CR_FORMAT, "%s: %s", cr_status_name(status), err.message);
        for (int i = 0; i < GUARD; i++)
            ck_assert_int_eq(out[N + i], 0xEE);
    }
    cr_codec_work_free(work);
}
END_TEST

START_TEST(known_checksums) {
    /* RFC 3720 B.4: 32 bytes of zeros, and the check value of the catalogue of CRCs. */
    uint8_t zeros[32] = {0};
    ck_assert_uint_eq(cr_crc32c(zeros, 32), 0x8a9136aau);
    ck_assert_uint_eq(cr_crc32c("123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(cr_crc32c("", 0), 0);
    /* By hand: words 0x0102 0x0304, sums 0x0406 and 0x0508. */
    ck_assert_uint_eq(cr_fletcher32("\1\2\3\4", 4), 0x05080406u);
    cr_codec_chain chain = {1, {{.id = CR_CODEC_CRC32C}}};
    uint8_t out[9], stored[13] = "123456789\x83\x92\x06\xe3";
    ck_assert_ok(cr_codec_chain_decode(&chain, NULL, stored, 13, out, 9, NULL, &err));
    stored[3] ^= 1;
    ck_assert_fails(cr_codec_chain_decode(&chain, NULL, stored, 13, out, 9, NULL, &err), CR_FORMAT);
}
END_TEST

START_TEST(axes_in_another_order) {
    for (int round = 0; round < 300; round++) {
        int ndim = (int)(next() % 5), order[8];
        int64_t shape[8];
        size_t n = 1, width = (size_t[]){1, 2, 3, 4, 8, 16}[next() % 6];
        for (int i = 0; i < ndim; i++) {
            order[i] = i;
            shape[i] = (int64_t)(next() % (ndim < 3 ? 70 : 9)) + 1;
            n *= (size_t)shape[i];
        }
        for (int i = ndim - 1; i > 0; i--) {
            int k = (int)(next() % (uint64_t)(i + 1)), t = order[i];
            order[i] = order[k];
            order[k] = t;
        }
        uint8_t *src = malloc(n * width), *dst = malloc(n * width);
        for (size_t i = 0; i < n * width; i++)
            src[i] = (uint8_t)next();
        cr_untranspose(ndim, shape, order, width, src, dst);
        for (size_t at = 0; at < n; at++) {
            int64_t index[8];
            size_t rest = at, to = 0;
            for (int i = ndim - 1; i >= 0; i--) {
                index[order[i]] = (int64_t)(rest % (size_t)shape[order[i]]);
                rest /= (size_t)shape[order[i]];
            }
            for (int i = 0; i < ndim; i++)
                to = to * (size_t)shape[i] + (size_t)index[i];
            ck_assert_mem_eq(src + at * width, dst + to * width, width);
        }
        free(src);
        free(dst);
    }
}
END_TEST

START_TEST(bytes_are_swapped) {
    uint8_t data[24], expected[24];
    for (size_t width = 1; width <= 8; width++) {
        size_t n = 24 / width;
        for (size_t i = 0; i < 24; i++)
            data[i] = expected[i] = (uint8_t)i;
        for (size_t i = 0; i < n * width; i++)
            expected[i] = (uint8_t)(i / width * width + width - 1 - i % width);
        cr_byteswap(data, n, width);
        ck_assert_mem_eq(data, expected, 24);
    }
}
END_TEST

START_TEST(checksums_are_joined) {
    uint8_t data[5000];
    fill_data(data, sizeof data);
    for (size_t n = 0; n <= sizeof data; n += n < 20 ? 1 : 333) {
        uint32_t a = cr_crc32c(data, n), b = cr_crc32c(data + n, sizeof data - n);
        ck_assert_uint_eq(cr_crc32c_join(a, b, sizeof data - n), cr_crc32c(data, sizeof data));
        ck_assert_uint_eq(cr_crc32c_more(a, data + n, sizeof data - n), cr_crc32c(data, sizeof data));
    }
}
END_TEST

/* Blosc buffers put together of blocks are those that the library writes at once: whole blocks and a rest, also of noise, which is stored as it is. */
START_TEST(blosc_by_blocks) {
    enum { MOST = 300000, BLOCK = 20736, BLOCKS = MOST / BLOCK + 1 };
    static const size_t lengths[] = {BLOCK / 2, BLOCK, 3 * BLOCK, 5 * BLOCK + 3456, MOST};
    cr_codec c = {.id = CR_CODEC_BLOSC, .level = 1 + _i % 5, .itemsize = 4, .blosc_shuffle = _i % 3, .blosc_block_bytes = BLOCK, .blosc_inner = "zstd"};
    cr_codec_chain chain = {1, {c}};
    cr_codec_work *work;
    ck_assert(cr_blosc_by_blocks(&c));
    ck_assert_ok(cr_codec_work_new(&work, &err));
    uint8_t *data = malloc(MOST), *room = malloc(cr_codec_chain_encode_room(&chain, MOST)), *block = malloc(cr_blosc_block_room(BLOCK)),
            *out = malloc(2 * MOST);
    fill_data(data, MOST);
    for (size_t i = BLOCK; i < 2 * BLOCK; i++)
        data[i] = (uint8_t)next();
    memset(data + 2 * BLOCK, 0, BLOCK);
    for (size_t k = 0; k < CR_ARRAY_LEN(lengths); k++) {
        size_t n = lengths[k], n_blocks = (n + BLOCK - 1) / BLOCK, head = cr_blosc_head_bytes(n_blocks), at = 0, n_stored, got;
        uint32_t starts[BLOCKS];
        const void *stored, *bytes;
        c.blosc_block_bytes = chain.codecs[0].blosc_block_bytes = (int)CR_MIN(n, (size_t)BLOCK);
        for (size_t b = 0; b < n_blocks; b++) {
            ck_assert_ok(cr_blosc_block(&c, data + b * BLOCK, CR_MIN(n - b * BLOCK, (size_t)BLOCK), block, &bytes, &got, &err));
            starts[b] = (uint32_t)at;
            memcpy(out + head + at, bytes, got);
            at += got;
        }
        cr_blosc_head(&c, n, starts, n_blocks, at, out);
        ck_assert_ok(cr_codec_chain_encode(&chain, work, data, n, room, &stored, &n_stored, &err));
        ck_assert_uint_eq(head + at, n_stored);
        ck_assert_mem_eq(out, stored, n_stored);
    }
    c.blosc_block_bytes = 0;
    ck_assert(!cr_blosc_by_blocks(&c));
    free(data);
    free(room);
    free(block);
    free(out);
    cr_codec_work_free(work);
}
END_TEST

/* A frame whose content comes in parts says its length beforehand, and decodes like one that was made at once. */
START_TEST(zstd_in_parts) {
    enum { MOST = 3000000 };
    static const size_t parts[] = {1, 1000, 524288, 700001, MOST};
    static const int levels[] = {-3, 0, 1, 3, 9};
    cr_codec c = {.id = CR_CODEC_ZSTD, .level = levels[_i % 5], .checksum = _i / 5 == 1};
    cr_codec_chain chain = {1, {c}};
    cr_codec_work *work;
    ck_assert_ok(cr_codec_work_new(&work, &err));
    uint8_t *data = malloc(MOST), *out = malloc(2 * MOST + cr_zstd_stream_room(MOST)), *again = malloc(MOST);
    fill_data(data, MOST);
    memset(data + 600000, 0, 900000);
    ck_assert_uint_gt(cr_zstd_stream_bytes(&c, MOST), 1 << 17);
    ck_assert(cr_zstd_in_parts(&c) && !cr_zstd_in_parts(&(cr_codec){.id = CR_CODEC_ZSTD, .level = 19}) && !cr_zstd_in_parts(&(cr_codec){.id = CR_CODEC_LZ4}));
    for (size_t k = 0; k < CR_ARRAY_LEN(parts); k++) {
        size_t n = k == 0 ? 3000 : MOST, at = 0, got, first[2] = {0};
        for (int turn = 0; turn < 2; turn++, first[turn - 1] = at) {
            cr_zstd_stream *s;
            ck_assert_ok(cr_zstd_stream_new(&c, n, &s, &err));
            at = 0;
            for (size_t from = 0; from < n; from += parts[k]) {
                size_t part = CR_MIN(parts[k], n - from);
                ck_assert_ok(cr_zstd_stream_put(s, data + from, part, from + part == n, out + at, cr_zstd_stream_room(part), &got, &err));
                at += got;
            }
            ck_assert_uint_ge(cr_zstd_stream_bytes(&c, n) + (1 << 16), ZSTD_sizeof_CCtx(s));
            cr_zstd_stream_free(s);
        }
        ck_assert_uint_eq(first[0], first[1]);
        ck_assert_uint_eq(ZSTD_getFrameContentSize(out, at), n);
        ck_assert_ok(cr_codec_chain_decode(&chain, work, out, at, again, n, NULL, &err));
        ck_assert_mem_eq(again, data, n);
    }
    /* More or less than was said, and no room. */
    cr_zstd_stream *s;
    size_t got;
    ck_assert_ok(cr_zstd_stream_new(&c, 1000, &s, &err));
    ck_assert_ok(cr_zstd_stream_put(s, data, 500, false, out, cr_zstd_stream_room(500), &got, &err));
    ck_assert_int_eq(cr_zstd_stream_put(s, data, 499, true, out, cr_zstd_stream_room(499), &got, &err), CR_INTERNAL);
    cr_zstd_stream_free(s);
    ck_assert_ok(cr_zstd_stream_new(&c, MOST, &s, &err));
    ck_assert_int_eq(cr_zstd_stream_put(s, data, MOST, true, out, 100, &got, &err), CR_INTERNAL);
    cr_zstd_stream_free(s);
    free(data);
    free(out);
    free(again);
    cr_codec_work_free(work);
}
END_TEST

static Suite *codec_suite(void) {
    Suite *suite = suite_create("codec");
    TCase *t = tcase_create("codec");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, there_and_back, 0, N_ALL);
    tcase_add_loop_test(t, damaged_bytes, 0, N_ALL);
    tcase_add_test(t, known_checksums);
    tcase_add_test(t, checksums_are_joined);
    tcase_add_loop_test(t, blosc_by_blocks, 0, 15);
    tcase_add_loop_test(t, zstd_in_parts, 0, 10);
    tcase_add_test(t, axes_in_another_order);
    tcase_add_test(t, bytes_are_swapped);
    suite_add_tcase(suite, t);
    return suite;
}
CHECK_MAIN(codec_suite())
