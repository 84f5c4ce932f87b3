/* figures.c - see figures.h. */
#include "figures.h"

#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static int64_t number(const char *text, const char *option) {
    char *end;
    long long n = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text == NULL || *end != 0 || n < 1)
        fail("%s wants a number from 1 on", option);
    return n;
}

options options_read(int argc, char **argv, int wants_what) {
    options o = {0};
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--keep") == 0)
            o.keep = 1;
        else if (strcmp(argv[i], "--threads") == 0)
            o.threads = (int)number(argv[i + 1], argv[i]), i++;
        else if (strcmp(argv[i], "--memory") == 0)
            o.memory_mib = number(argv[i + 1], argv[i]), i++;
        else if (strcmp(argv[i], "--days") == 0)
            o.days = number(argv[i + 1], argv[i]), i++;
        else
            fail("%s is no option", argv[i]);
    }
    if (argc - i != 1 + (wants_what != 0))
        fail("Usage: %s [--threads N] [--memory MIB] [--days N] [--keep] %sFILE", argv[0], wants_what ? "WHAT " : "");
    o.what = wants_what ? argv[i] : NULL;
    o.path = argv[argc - 1];
    return o;
}

int cpus(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void *memory(size_t n, size_t item) {
    void *p = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(n, item, &bytes) || posix_memalign(&p, 64, bytes + 64) != 0)
        fail("no memory for %zu items of %zu bytes", n, item);
    return p;
}

/* ---- digests ---- */

static int digests;

void digest_begin(void) {
    double peak_kib = -1;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmHWM: %lf", &peak_kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    if (peak_kib < 0)
        fail("/proc/self/status does not say how much memory there was");
    printf("{\"peak_mib\": %.1f, \"result\": {", peak_kib / 1024);
}

static int64_t product(int ndim, const int64_t *shape) {
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= shape[i];
    return n;
}

static void print_digest(const char *name, double sum, double squares, int64_t missing, int ndim, const int64_t *shape) {
    printf("%s\"%s\": [%.17g, %.17g, %lld, [", digests++ ? ", " : "", name, sum, squares, (long long)missing);
    for (int i = 0; i < ndim; i++)
        printf("%s%lld", i ? ", " : "", (long long)shape[i]);
    printf("]]");
}

#define DEFINE_DIGEST(type)                                                                              \
    void digest_##type##s(const char *name, const type *values, int ndim, const int64_t *shape) {        \
        double sum = 0, squares = 0;                                                                     \
        int64_t missing = 0, n = product(ndim, shape);                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                \
            double x = (double)values[i];                                                                \
            int gone = isnan(x) != 0;                                                                    \
            missing += gone;                                                                             \
            sum += gone ? 0 : x;                                                                         \
            squares += gone ? 0 : x * x;                                                                 \
        }                                                                                                \
        print_digest(name, sum, squares, missing, ndim, shape);                                          \
    }
DEFINE_DIGEST(float)
DEFINE_DIGEST(double)

void digest_end(void) { printf("}}\n"); }
