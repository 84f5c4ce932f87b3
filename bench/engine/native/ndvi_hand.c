/* ndvi_hand.c - w1 as somebody would write it for this file alone: NDVI's mean of each calendar month, its minimum, maximum and mean.
 *
 *   ndvi_hand [--threads N] FILE      FILE: w1.nc of make_data.py
 *
 * A thread takes a column of chunks. It decodes the scenes of one month, both bands, and goes over them pixel by pixel, a strip at a time that
 * stays in cache; sums are double, everything else float.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "figures.h"
#include "stored_chunks.h"

enum { MONTHS = 12, STRIP = 2048 };
#define FILL (-9999)
#define SCALE 1e-4f

typedef struct job {
    stored_chunks red, nir;
    int64_t *month_of, most;      /* of each scene; scenes in the month that has most */
    float *monthly, *low, *high, *mean;
    atomic_llong next;
} job;

typedef struct sums {             /* of a column */
    float *low, *high;
    double *sum;
    int32_t *count;
} sums;

/* "days since 2018-01-15" in the calendar of the clock. */
static int64_t *months_of(const char *path, int64_t *ret_n) {
    double *days = read_axis(path, "time", ret_n);
    int64_t *month = memory((size_t)*ret_n, sizeof *month);
    for (int64_t i = 0; i < *ret_n; i++) {
        time_t t = 1515974400 + (time_t)(days[i] * 86400);
        struct tm date;
        month[i] = gmtime_r(&t, &date)->tm_mon;
    }
    free(days);
    return month;
}

/* One strip of all scenes of a month: its mean to out, and onto the sums of the column. */
static void add_strip(int64_t scenes, const int16_t *red, const int16_t *nir, size_t step, int64_t n, float *restrict out, float *restrict low,
                      float *restrict high, double *restrict sum, int32_t *restrict count) {
    double part[STRIP];
    int32_t present[STRIP];
    memset(part, 0, sizeof part);
    memset(present, 0, sizeof present);
    for (int64_t k = 0; k < scenes; k++) {
        const int16_t *r = red + k * (int64_t)step, *q = nir + k * (int64_t)step;
        for (int64_t i = 0; i < n; i++) {
            float a = (float)q[i] * SCALE, b = (float)r[i] * SCALE, x = (a - b) / (a + b);
            int there = (q[i] != FILL) & (r[i] != FILL) & (x == x);
            part[i] += there ? (double)x : 0;
            present[i] += there;
            low[i] = there && !(low[i] <= x) ? x : low[i];
            high[i] = there && !(high[i] >= x) ? x : high[i];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)(part[i] / present[i]);
        sum[i] += part[i];
        count[i] += present[i];
    }
}

static void clear(sums *s, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        s->low[i] = s->high[i] = NAN;
        s->sum[i] = 0;
        s->count[i] = 0;
    }
}

/* A row of the column's chunk to its place in a field. */
static float *place(const job *j, float *field, int64_t column, int64_t row) {
    const stored_chunks *c = &j->red;
    return field + ((column / c->grid[2]) * c->chunk[1] + row) * c->shape[2] + (column % c->grid[2]) * c->chunk[2];
}

static void run_column(job *j, int64_t column, inflating *tool, sums *s, int16_t *red, int16_t *nir, float *means) {
    const stored_chunks *c = &j->red;
    int64_t n = c->chunk[1] * c->chunk[2], columns = c->grid[1] * c->grid[2], width = c->chunk[2];
    clear(s, n);
    for (int64_t month = 0; month < MONTHS; month++) {
        int64_t scenes = 0;
        for (int64_t t = 0; t < c->shape[0]; t++) {
            if (j->month_of[t] != month)
                continue;
            read_stored_chunk(&j->red, t * columns + column, tool, red + scenes * n);
            read_stored_chunk(&j->nir, t * columns + column, tool, nir + scenes * n);
            scenes++;
        }
        for (int64_t at = 0; at < n; at += STRIP) {
            int64_t m = n - at < STRIP ? n - at : STRIP;
            add_strip(scenes, red + at, nir + at, (size_t)n, m, means + at, s->low + at, s->high + at, s->sum + at, s->count + at);
        }
        for (int64_t row = 0; row < c->chunk[1]; row++)
            memcpy(place(j, j->monthly + month * c->shape[1] * c->shape[2], column, row), means + row * width, (size_t)width * sizeof *means);
    }
    for (int64_t row = 0; row < c->chunk[1]; row++) {
        float *low = place(j, j->low, column, row), *high = place(j, j->high, column, row), *mean = place(j, j->mean, column, row);
        for (int64_t i = 0; i < width; i++) {
            low[i] = s->low[row * width + i];
            high[i] = s->high[row * width + i];
            mean[i] = (float)(s->sum[row * width + i] / s->count[row * width + i]);
        }
    }
}

static void work(void *argument, int thread) {
    job *j = argument;
    const stored_chunks *c = &j->red;
    size_t n = (size_t)(c->chunk[1] * c->chunk[2]);
    inflating tool;
    sums s = {memory(n, sizeof(float)), memory(n, sizeof(float)), memory(n, sizeof(double)), memory(n, sizeof(int32_t))};
    int16_t *red = memory(n * (size_t)j->most, sizeof *red), *nir = memory(n * (size_t)j->most, sizeof *nir);
    float *means = memory(n, sizeof *means);
    inflating_init(c->most_bytes > j->nir.most_bytes ? c : &j->nir, &tool);
    for (int64_t column; (column = atomic_fetch_add(&j->next, 1)) < c->grid[1] * c->grid[2];)
        run_column(j, column, &tool, &s, red, nir, means);
    inflating_done(&tool);
    free(s.low), free(s.high), free(s.sum), free(s.count), free(red), free(nir), free(means);
    (void)thread;
}

int main(int argc, char **argv) {
    options o = options_read(argc, argv, 0);
    job j = {0};
    int64_t n, scenes[MONTHS] = {0};
    stored_chunks_open(o.path, "red", &j.red);
    stored_chunks_open(o.path, "nir", &j.nir);
    j.month_of = months_of(o.path, &n);
    if (n != j.red.shape[0] || j.red.chunk[0] != 1 || j.red.item != 2 || j.nir.item != 2 || memcmp(j.red.chunk, j.nir.chunk, sizeof j.red.chunk) != 0)
        fail("%s is not as make_data.py makes it", o.path);
    for (int64_t t = 0; t < n; t++)
        if (++scenes[j.month_of[t]] > j.most)
            j.most = scenes[j.month_of[t]];
    size_t field = (size_t)(j.red.shape[1] * j.red.shape[2]);
    j.monthly = memory(MONTHS * field, sizeof *j.monthly);
    j.low = memory(field, sizeof *j.low);
    j.high = memory(field, sizeof *j.high);
    j.mean = memory(field, sizeof *j.mean);
    run_threads(o.threads ? o.threads : cpus(), work, &j);
    int64_t shape[3] = {MONTHS, j.red.shape[1], j.red.shape[2]};
    digest_begin();
    digest_floats("monthly", j.monthly, 3, shape);
    digest_floats("low", j.low, 2, shape + 1);
    digest_floats("high", j.high, 2, shape + 1);
    digest_floats("mean", j.mean, 2, shape + 1);
    digest_end();
    return 0;
}
