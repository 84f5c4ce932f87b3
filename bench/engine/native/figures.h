/* figures.h - what the programs of this folder have in common: failing, options, and the line of JSON that run.py and scaling.py read.
 *
 * The line is {"peak_mib": P, "result": {"NAME": [sum, sum of squares, missing, [shape]], ...}}: digests as program.py makes them, and the
 * kernel's own count of the most memory that the process had (VmHWM). One thread.
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

typedef struct options {
    const char *what, *path;      /* what: of programs that can do several things, else NULL */
    int threads;                  /* 0: not said */
    int64_t memory_mib, days;     /* 0: not said */
    int keep;
} options;

void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* [--threads N] [--memory MIB] [--days N] [--keep] [WHAT] FILE; WHAT if wants_what. */
options options_read(int argc, char **argv, int wants_what);
int cpus(void);
/* Not zeroed; fails when there is none. */
void *memory(size_t n, size_t item);

void digest_begin(void);
void digest_floats(const char *name, const float *values, int ndim, const int64_t *shape);
void digest_doubles(const char *name, const double *values, int ndim, const int64_t *shape);
void digest_end(void);

#endif
