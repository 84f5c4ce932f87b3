/* kernel_rates.c - nanoseconds of processor time per element of every element-wise kernel, for rows in cache and for long ones (bench/engine/kernels.py).
 *
 *     kernel_rates ELEMENTS [LEVEL]      one line each: operation, type, nanoseconds
 *
 * Reads standard input: for every type in the order of TYPES, two rows of ELEMENTS items, which kernels.py gives NumPy too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "craton/array.h"
#include "engine/kernel/map_table.h"

static const cr_dtype TYPES[] = {CR_F32, CR_F64, CR_I16, CR_I32, CR_I64};

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of seven, each of at least four million elements. */
static double rate(cr_map_kernel f, int64_t n, void *out, const void *const *args) {
    static const int64_t ones[3] = {1, 1, 1};
    const int64_t times = n >= 4000000 ? 1 : 4000000 / n;
    double best = 1e9;
    for (int round = 0; round < 7; round++) {
        const double begin = cpu_seconds();
        for (int64_t i = 0; i < times; i++)
            f(n, out, args, ones, NULL);
        const double each = (cpu_seconds() - begin) / (double)(times * n) * 1e9;
        best = each < best ? each : best;
    }
    return best;
}

int main(int argc, char **argv) {
    const int64_t n = argc > 1 ? atoll(argv[1]) : 0;
    const int level = argc > 2 ? atoi(argv[2]) : -1;
    if (n < 1 || n > (1 << 26)) {
        fprintf(stderr, "usage: kernel_rates ELEMENTS [LEVEL] < rows\n");
        return 2;
    }
    unsigned char *truth = calloc((size_t)n, 1);
    void *rows[2] = {malloc((size_t)n * 8), malloc((size_t)n * 8)}, *out = malloc((size_t)n * 8);
    if (!truth || !rows[0] || !rows[1] || !out) {
        fprintf(stderr, "kernel_rates: no memory for %lld elements\n", (long long)n);
        return 1;
    }
    for (int64_t i = 0; i < n; i++)
        truth[i] = i % 3 == 0;
    memset(out, 0, (size_t)n * 8);
    for (size_t t = 0; t < sizeof TYPES / sizeof *TYPES; t++) {
        for (int k = 0; k < 2; k++)
            if (fread(rows[k], cr_dtype_size(TYPES[t]), (size_t)n, stdin) != (size_t)n) {
                fprintf(stderr, "kernel_rates: standard input ended early\n");
                return 1;
            }
        for (int op = 0; op < CR_MAP_COUNT; op++) {
            const cr_dtype types[3] = {op == CR_MAP_WHERE ? CR_BOOL : TYPES[t], TYPES[t], TYPES[t]};
            cr_dtype loop[3], result;
            if (cr_map_resolve((cr_map_op)op, cr_map_arity((cr_map_op)op), types, NULL, loop, &result, NULL) != CR_OK)
                continue;
            if (loop[cr_map_arity((cr_map_op)op) - 1] != TYPES[t])
                continue;                                    /* computed in another type, which has its own line */
            const void *args[3] = {op == CR_MAP_WHERE ? (const void *)truth : rows[0], op == CR_MAP_WHERE ? rows[0] : rows[1], rows[1]};
            printf("%s %s %.4f\n", cr_map_name((cr_map_op)op), cr_dtype_name(TYPES[t]), rate(cr_kernel_map(level, (cr_map_op)op, loop), n, out, args));
        }
    }
    free(truth);
    free(rows[0]);
    free(rows[1]);
    free(out);
    return 0;
}
