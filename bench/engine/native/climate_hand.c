/* climate_hand.c - w2 as somebody would write it for this file alone: the monthly climatology of daily fields, and the mean of the anomalies
 * weighted with the cosine of the latitude.
 *
 *   climate_hand [--threads N] [--keep] climatology|anomalies FILE      FILE: w2.nc or maps.nc of make_data.py
 *
 * Threads take chunks and add them to sums of their own, which are put together at the end. For the anomalies all chunks are decoded
 * once more; with --keep, column of chunks by column, so that the decoded ones of a column can be kept until then.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "stored_chunks.h"

enum { MONTHS = 12 };

typedef struct own {              /* of a thread; fields of a month one after the other */
    double *sum, *times_weight, *weight;  /* the latter two by day */
    int32_t *count;
} own;

typedef struct job {
    stored_chunks c;
    int threads, keep, anomalies;
    int *month_of;                /* of each day */
    double *weights;              /* of each row */
    float *climatology;
    double *series;
    char *kept;                   /* the chunks of a column */
    own *own;
    pthread_barrier_t all;
    atomic_llong next[3];
    int64_t columns, slices;      /* of chunks across, along the time */
} job;

static int64_t field_of(const job *j) { return j->c.shape[1] * j->c.shape[2]; }

/* The part of a chunk's row in a field. */
static int64_t place(const job *j, int64_t column, int64_t row) {
    const stored_chunks *c = &j->c;
    return ((column / c->grid[2]) * c->chunk[1] + row) * c->shape[2] + (column % c->grid[2]) * c->chunk[2];
}

static void add_chunk(const job *j, own *w, int64_t slice, int64_t column, const float *values) {
    const stored_chunks *c = &j->c;
    for (int64_t t = 0; t < c->chunk[0]; t++) {
        int64_t month = j->month_of[slice * c->chunk[0] + t];
        for (int64_t row = 0; row < c->chunk[1]; row++, values += c->chunk[2]) {
            double *restrict sum = w->sum + month * field_of(j) + place(j, column, row);
            int32_t *restrict count = w->count + month * field_of(j) + place(j, column, row);
            for (int64_t i = 0; i < c->chunk[2]; i++) {
                int there = values[i] == values[i];
                sum[i] += there ? (double)values[i] : 0;
                count[i] += there;
            }
        }
    }
}

static void weigh_chunk(const job *j, own *w, int64_t slice, int64_t column, const float *values) {
    enum { LANES = 8 };
    const stored_chunks *c = &j->c;
    for (int64_t t = 0; t < c->chunk[0]; t++) {
        int64_t day = slice * c->chunk[0] + t;
        const float *mean = j->climatology + j->month_of[day] * field_of(j);
        for (int64_t row = 0; row < c->chunk[1]; row++, values += c->chunk[2]) {
            const float *m = mean + place(j, column, row);
            double sum[LANES] = {0}, count[LANES] = {0}, weight = j->weights[(column / c->grid[2]) * c->chunk[1] + row];
            int64_t i = 0;
            for (; i + LANES <= c->chunk[2]; i += LANES)
                for (int k = 0; k < LANES; k++) {
                    float x = values[i + k] - m[i + k];
                    sum[k] += x == x ? (double)x : 0;
                    count[k] += x == x;
                }
            for (; i < c->chunk[2]; i++) {
                float x = values[i] - m[i];
                sum[0] += x == x ? (double)x : 0;
                count[0] += x == x;
            }
            for (int k = 1; k < LANES; k++) {
                sum[0] += sum[k];
                count[0] += count[k];
            }
            w->times_weight[day] += sum[0] * weight;
            w->weight[day] += count[0] * weight;
        }
    }
}

/* A share of the rows of all months, once all threads have added what they have. */
static void make_climatology(job *j, int thread) {
    int64_t n = MONTHS * field_of(j), from = n * thread / j->threads, to = n * (thread + 1) / j->threads;
    for (int64_t i = from; i < to; i++) {
        double sum = 0;
        int64_t count = 0;
        for (int k = 0; k < j->threads; k++) {
            sum += j->own[k].sum[i];
            count += j->own[k].count[i];
        }
        j->climatology[i] = (float)(sum / (double)count);
    }
}

static void decode_twice(job *j, int thread, inflating *tool, float *values) {
    int64_t n = j->columns * j->slices;
    for (int64_t k; (k = atomic_fetch_add(&j->next[0], 1)) < n;) {
        read_stored_chunk(&j->c, k, tool, values);
        add_chunk(j, &j->own[thread], k / j->columns, k % j->columns, values);
    }
    pthread_barrier_wait(&j->all);
    make_climatology(j, thread);
    pthread_barrier_wait(&j->all);
    if (!j->anomalies)
        return;
    for (int64_t k; (k = atomic_fetch_add(&j->next[1], 1)) < n;) {
        read_stored_chunk(&j->c, k, tool, values);
        weigh_chunk(j, &j->own[thread], k / j->columns, k % j->columns, values);
    }
}

/* What of other columns is not there yet is divided by zero in make_climatology, and made again with their own. */
static void decode_once(job *j, int thread, inflating *tool) {
    for (int64_t column = 0; column < j->columns; column++) {
        for (int64_t k; (k = atomic_fetch_add(&j->next[0], 1)) < j->slices;) {
            float *values = (float *)(j->kept + (size_t)k * j->c.chunk_bytes);
            read_stored_chunk(&j->c, k * j->columns + column, tool, values);
            add_chunk(j, &j->own[thread], k, column, values);
        }
        pthread_barrier_wait(&j->all);
        make_climatology(j, thread);
        pthread_barrier_wait(&j->all);
        for (int64_t k; (k = atomic_fetch_add(&j->next[1], 1)) < j->slices;)
            weigh_chunk(j, &j->own[thread], k, column, (const float *)(j->kept + (size_t)k * j->c.chunk_bytes));
        pthread_barrier_wait(&j->all);
        if (thread == 0)
            j->next[0] = j->next[1] = 0;
        pthread_barrier_wait(&j->all);
    }
}

static void work(void *argument, int thread) {
    job *j = argument;
    inflating tool;
    float *values = j->keep ? NULL : memory(j->c.chunk_bytes, 1);
    inflating_init(&j->c, &tool);
    if (j->keep)
        decode_once(j, thread, &tool);
    else
        decode_twice(j, thread, &tool, values);
    inflating_done(&tool);
    free(values);
}

static void *zeros(size_t n, size_t item) {
    void *p = calloc(n + 1, item);
    if (p == NULL)
        fail("no memory for %zu items", n);
    return p;
}

/* Days since the beginning of a year without leap days. */
static int *months_of(const char *path, int64_t *ret_n) {
    static const int ends[MONTHS] = {31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    double *days = read_axis(path, "time", ret_n);
    int *month = memory((size_t)*ret_n, sizeof *month);
    for (int64_t i = 0; i < *ret_n; i++)
        for (month[i] = 0; (int64_t)days[i] % 365 >= ends[month[i]];)
            month[i]++;
    free(days);
    return month;
}

static void finish_series(job *j) {
    for (int64_t day = 0; day < j->c.shape[0]; day++) {
        double times = 0, weight = 0;
        for (int k = 0; k < j->threads; k++) {
            times += j->own[k].times_weight[day];
            weight += j->own[k].weight[day];
        }
        j->series[day] = times / weight;
    }
}

int main(int argc, char **argv) {
    options o = options_read(argc, argv, 1);
    job j = {.threads = o.threads ? o.threads : cpus(), .keep = o.keep, .anomalies = strcmp(o.what, "anomalies") == 0};
    int64_t n, rows;
    if (!j.anomalies && (strcmp(o.what, "climatology") != 0 || o.keep))
        fail("it computes a climatology, or anomalies");
    stored_chunks_open(o.path, "tas", &j.c);
    j.month_of = months_of(o.path, &n);
    j.weights = read_axis(o.path, "lat", &rows);
    if (n != j.c.shape[0] || rows != j.c.shape[1] || j.c.item != 4)
        fail("%s is not as make_data.py makes it", o.path);
    for (int64_t i = 0; i < rows; i++)
        j.weights[i] = cos(j.weights[i] * (M_PI / 180));
    j.slices = j.c.grid[0];
    j.columns = j.c.grid[1] * j.c.grid[2];
    size_t cells = (size_t)(MONTHS * field_of(&j));
    j.climatology = memory(cells, sizeof *j.climatology);
    j.series = memory((size_t)n, sizeof *j.series);
    j.kept = j.keep ? memory((size_t)j.slices, j.c.chunk_bytes) : NULL;
    j.own = memory((size_t)j.threads, sizeof *j.own);
    for (int k = 0; k < j.threads; k++)
        j.own[k] = (own){zeros(cells, sizeof(double)), zeros((size_t)n, sizeof(double)), zeros((size_t)n, sizeof(double)), zeros(cells, sizeof(int32_t))};
    pthread_barrier_init(&j.all, NULL, (unsigned)j.threads);
    run_threads(j.threads, work, &j);
    finish_series(&j);
    digest_begin();
    digest_floats("climatology", j.climatology, 3, (int64_t[]){MONTHS, j.c.shape[1], j.c.shape[2]});
    if (j.anomalies)
        digest_doubles("series", j.series, 1, &n);
    digest_end();
    return 0;
}
