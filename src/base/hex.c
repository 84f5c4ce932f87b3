/* hex.c - hexadecimal text and random bytes. */
#include "base/hex.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void cr_hex(const void *bytes, size_t n, char *out) {
    static const char digit[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[b[i] >> 4];
        out[2 * i + 1] = digit[b[i] & 15];
    }
    out[2 * n] = 0;
}

static int value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool cr_unhex(const char *text, size_t text_len, void *bytes) {
    unsigned char *b = bytes;
    if (text_len % 2)
        return false;
    for (size_t i = 0; i < text_len / 2; i++) {
        int hi = value(text[2 * i]), lo = value(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        b[i] = (unsigned char)(hi << 4 | lo);
    }
    return true;
}

void cr_random_bytes(void *bytes, size_t n) {
    unsigned char *p = bytes;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();   /* secrets must never be predictable: there is nothing sensible to do without randomness */
        }
        p += got;
        n -= (size_t)got;
    }
}

void cr_random_hex(char *out, size_t n_bytes) {
    unsigned char raw[64];
    while (n_bytes) {
        size_t k = n_bytes < sizeof raw ? n_bytes : sizeof raw;
        cr_random_bytes(raw, k);
        cr_hex(raw, k, out);
        out += 2 * k;
        n_bytes -= k;
    }
    *out = 0;
}

bool cr_equal_const(const void *a, const void *b, size_t n) {
    const volatile unsigned char *x = a, *y = b;
    unsigned char d = 0;
    for (size_t i = 0; i < n; i++)
        d |= x[i] ^ y[i];
    return d == 0;
}
