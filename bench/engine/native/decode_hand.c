/* decode_hand.c - the least that reading variables costs: every chunk once, read, inflated and unshuffled, and nothing done with it.
 *
 *   decode_hand [--threads N] VARIABLE[,VARIABLE] FILE
 *
 * What run.py and regrid.py name as the limit of a workload begins with this.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "stored_chunks.h"

typedef struct job {
    stored_chunks chunks;
    atomic_llong next;
} job;

static void work(void *argument, int thread) {
    job *j = argument;
    int64_t n = j->chunks.grid[0] * j->chunks.grid[1] * j->chunks.grid[2];
    inflating tool;
    void *values = memory(j->chunks.chunk_bytes, 1);
    inflating_init(&j->chunks, &tool);
    for (int64_t k; (k = atomic_fetch_add(&j->next, 1)) < n;)
        read_stored_chunk(&j->chunks, k, &tool, values);
    inflating_done(&tool);
    free(values);
    (void)thread;
}

int main(int argc, char **argv) {
    options o = options_read(argc, argv, 1);
    char *names = strdup(o.what), *rest = names;
    for (const char *name; rest != NULL && (name = strsep(&rest, ",")) != NULL;) {
        job j = {0};
        stored_chunks_open(o.path, name, &j.chunks);
        run_threads(o.threads ? o.threads : cpus(), work, &j);
        free(j.chunks.at);
        free(j.chunks.stored);
    }
    free(names);
    digest_begin();
    digest_end();
    return 0;
}
