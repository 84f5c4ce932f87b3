/* hdf5_mutate.c - reads damaged copies of HDF5 files; for sanitizer builds, where any slip ends the program.
 *
 *   hdf5_mutate COUNT FILE...        COUNT damaged copies of each file: flipped bits and bytes, wild integers, cut and repeated parts
 *
 * Prints the number of copies that were read. An input that takes more than 20 seconds ends the program by SIGALRM; the seed of an input that
 * ended it stands in the last line of standard error when HDF5_MUTATE_TRACE is set. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;

static uint64_t next_random(void) {        /* splitmix64: the same damage on every machine */
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Places where something is stored: most of a file is zeros or data. */
static size_t interesting(const uint8_t *p, size_t n) {
    size_t at = 0;
    for (int i = 0; i < 8; i++) {
        at = next_random() % n;
        if (p[at] || (at > 0 && p[at - 1]))
            break;
    }
    return at;
}

static size_t damage(uint8_t *p, size_t n) {
    static const uint64_t wild[] = {0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF,
                                    0x8000000000000000, 0xFFFFFFFFFFFFFFFF};
    int times = 1 + (int)(next_random() % 6);
    for (int i = 0; i < times; i++) {
        size_t at = interesting(p, n), width = (size_t)1 << next_random() % 4, from;
        switch (next_random() % 8) {
        case 0: case 1: p[at] ^= (uint8_t)(1u << next_random() % 8); break;
        case 2: p[at] = (uint8_t)next_random(); break;
        case 3: p[at] = (uint8_t)(p[at] + (next_random() % 2 ? 1 : -1)); break;
        case 4: case 5: {
            uint64_t v = next_random() % 2 ? wild[next_random() % (sizeof wild / sizeof *wild)] : next_random() % n;
            if (at + width <= n)
                memcpy(p + at, &v, width);
            break;
        }
        case 6:
            from = next_random() % n;
            width = 1 + next_random() % 64;
            if (at + width <= n && from + width <= n)
                memmove(p + at, p + from, width);
            break;
        default:
            if (next_random() % 8 == 0)
                return 1 + next_random() % n;
        }
    }
    return n;
}

int main(int argc, char **argv) {
    long count = argc > 2 ? atol(argv[1]) : 0, done = 0;
    const char *trace = getenv("HDF5_MUTATE_TRACE");
    for (int i = 2; i < argc; i++) {
        cr_auto_buf cr_buf whole;
        cr_err err = CR_ERR_INIT;
        cr_buf_init(&whole, (size_t)1 << 28);
        if (cr_file_read(argv[i], &whole, &err) != CR_OK || whole.len == 0) {
            fprintf(stderr, "%s: %s\n", argv[i], err.message);
            return 2;
        }
        for (long k = 0; k < count; k++, done++) {
            uint8_t *copy = malloc(whole.len);
            if (!copy)
                return 2;
            memcpy(copy, whole.data, whole.len);
            state = (uint64_t)k * 1000003 + 17;
            size_t n = damage(copy, whole.len);
            if (trace)
                fprintf(stderr, "%s %ld\n", argv[i], k);
            alarm(20);
            LLVMFuzzerTestOneInput(copy, n);
            alarm(0);
            free(copy);
        }
    }
    printf("%ld\n", done);
    return 0;
}
