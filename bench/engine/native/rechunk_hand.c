/* rechunk_hand.c - the least that w4 costs: every chunk decoded once and laid into the new chunks, these compressed once and written to a file that has no
 * name.
 *
 *   rechunk_hand [--threads N] zstd|blosc FILE      Zstandard at level 1, or Craton's default: Blosc with bytes shuffled and Zstandard at level 1
 *
 * The variable is tas(time, lat, lon), the new chunks have all times of 24 x 36 cells. One Zstandard frame is compressed from its beginning to its end, so
 * the whole variable is in memory then; Blosc's blocks stand by themselves, and are compressed as soon as 60 maps are there.
 */
#include <blosc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "figures.h"
#include "stored_chunks.h"

enum { ROWS = 24, COLUMNS = 36, TIMES = 60 };

typedef struct job {
    stored_chunks from;
    char *values;                 /* new chunks one after the other */
    size_t chunk_bytes;
    int64_t across, n;            /* new chunks along lon, and in all */
    atomic_llong next;
} job;

/* One map, or several, in chunks that are whole along lat and lon. */
static void lay(const job *j, int64_t number, const char *maps) {
    const stored_chunks *c = &j->from;
    size_t run = COLUMNS * c->item;
    for (int64_t t = 0; t < c->chunk[0]; t++)
        for (int64_t y = 0; y < c->shape[1]; y++)
            for (int64_t k = 0; k < j->across; k++, maps += run) {
                char *chunk = j->values + (size_t)(y / ROWS * j->across + k) * j->chunk_bytes;
                memcpy(chunk + (size_t)((number * c->chunk[0] + t) * ROWS + y % ROWS) * run, maps, run);
            }
}

static void decode(void *argument, int thread) {
    job *j = argument;
    inflating tool;
    char *maps = memory(j->from.chunk_bytes, 1);
    inflating_init(&j->from, &tool);
    for (int64_t k; (k = atomic_fetch_add(&j->next, 1)) < j->from.grid[0];) {
        read_stored_chunk(&j->from, k, &tool, maps);
        lay(j, k, maps);
    }
    inflating_done(&tool);
    free(maps);
    (void)thread;
}

static void encode(void *argument, int thread) {
    job *j = argument;
    size_t room = ZSTD_compressBound(j->chunk_bytes);
    char *packed = memory(room, 1);
    ZSTD_CCtx *tool = ZSTD_createCCtx();
    FILE *file = tmpfile();
    if (tool == NULL || file == NULL)
        fail("no memory, or no place for a file");
    for (int64_t k; (k = atomic_fetch_add(&j->next, 1)) < j->n;) {
        size_t n = ZSTD_compressCCtx(tool, packed, room, j->values + (size_t)k * j->chunk_bytes, j->chunk_bytes, 1);
        if (ZSTD_isError(n) || write(fileno(file), packed, n) != (ssize_t)n)
            fail("chunk %lld cannot be written", (long long)k);
    }
    fclose(file);
    ZSTD_freeCCtx(tool);
    free(packed);
    (void)thread;
}

/* Chunk number k of some maps, as one block. */
static void gather(const job *j, int64_t k, int64_t times, const char *maps, char *block) {
    const stored_chunks *c = &j->from;
    size_t run = COLUMNS * c->item, row = (size_t)c->shape[2] * c->item;
    const char *corner = maps + (size_t)(k / j->across * ROWS) * row + (size_t)(k % j->across) * run;
    for (int64_t t = 0; t < times; t++)
        for (int64_t y = 0; y < ROWS; y++, block += run)
            memcpy(block, corner + (size_t)(t * c->shape[1] + y) * row, run);
}

static void by_blocks(void *argument, int thread) {
    job *j = argument;
    const stored_chunks *c = &j->from;
    size_t most = (size_t)TIMES * ROWS * COLUMNS * c->item;
    char *maps = memory(TIMES, c->chunk_bytes), *block = memory(most, 1), *packed = memory(most + BLOSC_MAX_OVERHEAD, 1);
    inflating tool;
    FILE *file = tmpfile();
    if (file == NULL)
        fail("no place for a file");
    inflating_init(c, &tool);
    for (int64_t first; (first = TIMES * atomic_fetch_add(&j->next, 1)) < c->shape[0];) {
        int64_t times = c->shape[0] - first < TIMES ? c->shape[0] - first : TIMES;
        size_t n = (size_t)times * ROWS * COLUMNS * c->item;
        for (int64_t t = 0; t < times; t++)
            read_stored_chunk(c, first + t, &tool, maps + (size_t)t * c->chunk_bytes);
        for (int64_t k = 0; k < j->n; k++) {
            gather(j, k, times, maps, block);
            int got = blosc_compress_ctx(1, BLOSC_SHUFFLE, c->item, n, block, packed, n + BLOSC_MAX_OVERHEAD, "zstd", n, 1);
            if (got <= 0 || write(fileno(file), packed, (size_t)got) != got)
                fail("chunk %lld cannot be written", (long long)k);
        }
    }
    inflating_done(&tool);
    fclose(file);
    free(maps);
    free(block);
    free(packed);
    (void)thread;
}

int main(int argc, char **argv) {
    options o = options_read(argc, argv, 1);
    job j = {0};
    int blosc = strcmp(o.what, "blosc") == 0, threads = o.threads ? o.threads : cpus();
    if (!blosc && strcmp(o.what, "zstd") != 0)
        fail("%s is neither zstd nor blosc", o.what);
    stored_chunks_open(o.path, "tas", &j.from);
    const stored_chunks *c = &j.from;
    if (c->grid[1] != 1 || c->grid[2] != 1 || c->shape[1] % ROWS != 0 || c->shape[2] % COLUMNS != 0)
        fail("%s: chunks are no whole maps, or maps no whole chunks", o.path);
    j.across = c->shape[2] / COLUMNS;
    j.n = c->shape[1] / ROWS * j.across;
    j.chunk_bytes = (size_t)c->shape[0] * ROWS * COLUMNS * c->item;
    if (blosc && c->chunk[0] != 1)
        fail("%s: chunks of several maps", o.path);
    if (blosc) {
        run_threads(threads, by_blocks, &j);
    } else {
        j.values = memory((size_t)j.n, j.chunk_bytes);
        run_threads(threads, decode, &j);
        atomic_store(&j.next, 0);
        run_threads(threads, encode, &j);
    }
    digest_begin();
    digest_end();
    return 0;
}
