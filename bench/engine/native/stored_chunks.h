/* stored_chunks.h - for the hand-written loops: chunks of a NetCDF-4 variable read past libhdf5, from any number of threads.
 *
 * libhdf5 says once where the chunks lie; then each thread reads with pread, inflates with libdeflate and undoes the shuffle. This is as little as
 * can be done: nothing is checked but lengths, the filters are taken to be shuffle and deflate, all chunks to be there and whole.
 */
#ifndef BENCH_STORED_CHUNKS_H
#define BENCH_STORED_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

typedef struct stored_chunks {
    int fd;
    int64_t shape[3], chunk[3], grid[3];  /* of three axes */
    size_t item, chunk_bytes, most_bytes; /* most_bytes: of the longest stored chunk */
    uint64_t *at;                         /* by number: row-major over grid */
    uint32_t *stored;
} stored_chunks;

typedef struct inflating {                /* of one thread */
    struct libdeflate_decompressor *tool;
    uint8_t *stored, *shuffled;
} inflating;

/* Of a variable of three axes. One thread at a time. */
void stored_chunks_open(const char *path, const char *variable, stored_chunks *ret);
/* A one-dimensional variable as doubles; caller frees. */
double *read_axis(const char *path, const char *variable, int64_t *ret_n);
void inflating_init(const stored_chunks *c, inflating *i);
void inflating_done(inflating *i);
/* dst: chunk_bytes. */
void read_stored_chunk(const stored_chunks *c, int64_t number, inflating *i, void *restrict dst);

/* function(job, thread) in n threads, 0 in this one. */
void run_threads(int n, void (*function)(void *job, int thread), void *job);

#endif
