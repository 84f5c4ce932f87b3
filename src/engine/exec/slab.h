/* slab.h - memory for running: big blocks straight from mmap, kept for the next taker, counted.
 *
 * Chunks come and go by the million; malloc would scatter them and keep what it cannot give back. Blocks here have eight sizes per
 * doubling from 64 KiB, freed ones wait on a list per size (last in, first out: its pages are warm), and what waits is
 * unmapped when the pool is trimmed, or when a new block would otherwise bring all blocks together over the limit. bytes_held is what the
 * takers of the blocks in use have asked for, as plans count it: pages behind that are not touched, or given back when a block changes hands.
 *
 * Threads: any; one lock.
 */
#ifndef CR_EXEC_SLAB_H
#define CR_EXEC_SLAB_H

#include <pthread.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_slab_free cr_slab_free;
typedef struct cr_slab {
    pthread_mutex_t lock;
    cr_slab_free *waiting[8 * 48];
    uint64_t bytes_held, bytes_waiting, peak_bytes;
    uint64_t limit_bytes;         /* of held and waiting together, as long as what is held allows it; 0: none */
} cr_slab;

void cr_slab_init(cr_slab *s);
void cr_slab_done(cr_slab *s);
/* At least bytes, 64-aligned, not zeroed. CR_MEMORY when the system has none. */
cr_status cr_slab_take(cr_slab *s, uint64_t bytes, void **ret_block, cr_err *err) CR_MUST_USE;
void cr_slab_give(cr_slab *s, void *block, uint64_t bytes);    /* the same bytes; NULL is allowed */
/* Of `bytes` addresses, pages for touched_bytes at most, which are counted; zeroed, and never kept for another taker. The same bytes to release; NULL is allowed. */
cr_status cr_slab_reserve(cr_slab *s, uint64_t bytes, uint64_t touched_bytes, void **ret_block, cr_err *err) CR_MUST_USE;
void cr_slab_release(cr_slab *s, void *block, uint64_t bytes, uint64_t touched_bytes);
void cr_slab_trim(cr_slab *s, uint64_t keep_bytes);            /* unmaps what waits beyond keep_bytes, the largest first */

#endif
