/* checksum.c - CRC-32C, Fletcher-32, and the codecs that only add a checksum. */
#include "engine/codec/checksum.h"

#include <libdeflate.h>
#include <pthread.h>
#include <string.h>

#include "engine/codec/codec.h"

/* ---- CRC-32C ---------------------------------------------------------------------------------------------------- */

#define POLYNOMIAL 0x82f63b78u     /* bit 31 is x to the power of 0 */

static uint32_t table[8][256];      /* filled once, then constant */

static void fill_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ (c & 1 ? POLYNOMIAL : 0);
        table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
}

static uint32_t crc32c_portable(uint32_t crc, const uint8_t *p, size_t n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
              table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; n; n--, p++)
        crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p, size_t n) {
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    for (; n; n--, p++)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

uint32_t cr_crc32c_more(uint32_t crc, const void *bytes, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_sse42(~crc, bytes, n);
#endif
    return ~crc32c_portable(~crc, bytes, n);
}

uint32_t cr_crc32c(const void *bytes, size_t n) { return cr_crc32c_more(0, bytes, n); }

/* The product of two polynomials, modulo that of the checksum. */
static uint32_t times(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
        product ^= a & bit ? b : 0;
        b = (b >> 1) ^ (b & 1 ? POLYNOMIAL : 0);
    }
    return product;
}

/* Each byte that follows multiplies what was before by x to the power of 8. */
uint32_t cr_crc32c_join(uint32_t a, uint32_t b, uint64_t n) {
    for (uint32_t shift = UINT32_C(1) << 23; n; n >>= 1) {
        a = n & 1 ? times(shift, a) : a;
        shift = times(shift, shift);
    }
    return a ^ b;
}

/* ---- Fletcher-32 -------------------------------------------------------------------------------------------------- */

uint32_t cr_fletcher32(const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    uint32_t a = 0, b = 0;
    size_t words = n / 2;
    while (words) {
        /* 360 words is the most that cannot overflow 32 bits before the sums are folded. */
        size_t run = CR_MIN(words, (size_t)360);
        words -= run;
        for (; run; run--, p += 2) {
            a += (uint32_t)p[0] << 8 | p[1];
            b += a;
        }
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    if (n % 2) {
        a += (uint32_t)*p << 8;
        b += a;
        a = (a & 0xffff) + (a >> 16);
        b = (b & 0xffff) + (b >> 16);
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
    return b << 16 | a;
}

/* ---- codecs --------------------------------------------------------------------------------------------------------- */

typedef uint32_t (*checksum_fn)(const void *bytes, size_t n);

static uint32_t crc32_of(const void *bytes, size_t n) { return libdeflate_crc32(0, bytes, n); }
static uint32_t adler32_of(const void *bytes, size_t n) { return libdeflate_adler32(1, bytes, n); }

static size_t bound(const cr_codec *c, size_t n) { return n > SIZE_MAX - 4 ? SIZE_MAX : n + 4; }

static cr_status check(const cr_codec *c, checksum_fn sum, const uint8_t **src, size_t *n, cr_err *err) {
    const char *name = cr_codec_name(c->id);
    if (*n < 4)
        return CR_FAIL(err, CR_FORMAT, "%zu bytes are too few for a %s checksum", *n, name);
    const uint8_t *data = c->at_start ? *src + 4 : *src, *at = c->at_start ? *src : *src + *n - 4;
    uint32_t stored = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    uint32_t found = sum(data, *n - 4);
    if (found != stored)
        return CR_FAIL(err, CR_FORMAT, "the %s checksum is %08x, stored is %08x: the data are damaged", name, found, stored);
    *src = data;
    *n -= 4;
    return CR_OK;
}

static cr_status add(const cr_codec *c, checksum_fn sum, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, size_t *ret_n,
                     cr_err *err) {
    if (cap < 4 || n > cap - 4)
        return CR_FAIL(err, CR_INTERNAL, "no room for a checksum");
    uint32_t value = sum(src, n);
    uint8_t *at = c->at_start ? dst : dst + n;
    if (n)
        memcpy(c->at_start ? dst + 4 : dst, src, n);
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
    *ret_n = n + 4;
    return CR_OK;
}

#define CHECKSUM_CODEC(id, text, sum)                                                                                     \
    static cr_status id##_check(const cr_codec *c, const uint8_t **src, size_t *n, cr_err *err) { return check(c, sum, src, n, err); } \
    static cr_status id##_add(const cr_codec *c, cr_codec_work *w, const uint8_t *src, size_t n, uint8_t *dst, size_t cap, \
                              size_t *ret_n, cr_err *err) {                                                               \
        return add(c, sum, src, n, dst, cap, ret_n, err);                                                                 \
    }                                                                                                                     \
    const cr_codec_ops cr_codec_ops_##id = {text, bound, NULL, id##_check, id##_add};

CHECKSUM_CODEC(crc32c, "crc32c", cr_crc32c)
CHECKSUM_CODEC(crc32, "crc32", crc32_of)
CHECKSUM_CODEC(adler32, "adler32", adler32_of)
CHECKSUM_CODEC(fletcher32, "fletcher32", cr_fletcher32)
