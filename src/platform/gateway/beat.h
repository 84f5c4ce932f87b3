/* beat.h - the heartbeat of a cluster's scheduler (dask_gateway.scheduler_preload), read from JSON.
 *
 * idle_seconds is Craton's own (share/start/craton_scheduler.py).
 *
 * The scheduler is its person's program: what it says is a wish (count) or a claim (addresses, workers) of that person, never more.
 * Fuzzed by fuzz/fuzz_gateway.c.
 */
#ifndef CR_PLATFORM_GATEWAY_BEAT_H
#define CR_PLATFORM_GATEWAY_BEAT_H

#include <jansson.h>
#include <stdint.h>
#include "base/arena.h"

enum { CR_BEAT_COUNT_MAX = 1000000, CR_BEAT_IDLE_MAX_S = 1000000000 };

typedef struct cr_beat_list {
    uint32_t *number;         /* of workers that are called w<number>; others are none of ours and left out */
    size_t n;
} cr_beat_list;

typedef struct cr_beat {
    int64_t scheduler_port, api_port;     /* on 127.0.0.1 */
    int64_t dashboard_port;               /* 0: none */
    int64_t idle_ms;          /* for so long it has had nothing to do; -1: it does not say */
    int64_t count;                        /* workers that it wants; larger numbers become CR_BEAT_COUNT_MAX */
    cr_beat_list active, closing, closed;
} cr_beat;

/* Lists lie in the arena. CR_INVALID says which member is wrong. */
cr_status cr_beat_read(const json_t *body, cr_arena *arena, cr_beat *ret_beat, cr_err *err) CR_MUST_USE;

#endif
