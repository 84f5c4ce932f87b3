/* loop.h - the hub's event loop: descriptors (epoll), timers, and messages from other threads.
 *
 * Threads: everything belongs to the thread that runs the loop, except cr_loop_post() and cr_loop_stop(), which any thread may call.
 *
 * Invariants
 *  1. A callback may remove its own or any other watch, start or stop any timer: nothing removed is called afterwards.
 *  2. Posted functions run in the order in which they were posted.
 */
#ifndef CR_PLATFORM_HTTP_LOOP_H
#define CR_PLATFORM_HTTP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_loop cr_loop;
typedef struct cr_loop_source cr_loop_source;
typedef void (*cr_loop_fn)(void *user);
typedef void (*cr_loop_source_fn)(void *user, uint32_t epoll_events);

/* A timer is part of its owner's record and starts life zeroed. */
typedef struct cr_timer {
    struct cr_timer *prev, *next;
    cr_loop *loop;            /* NULL: not running */
    int64_t due_ms;
    cr_loop_fn fn;
    void *user;
} cr_timer;

cr_status cr_loop_new(cr_loop **ret_loop, cr_err *err) CR_MUST_USE;
void cr_loop_free(cr_loop *loop);
cr_status cr_loop_run(cr_loop *loop, cr_err *err) CR_MUST_USE;      /* until cr_loop_stop */
void cr_loop_stop(cr_loop *loop);
/* Called before every wait; answers the longest wait in ms that its owner allows (-1: no limit). */
void cr_loop_before_wait(cr_loop *loop, int64_t (*fn)(void *user), void *user);
/* Called after every wait, before anything that has come is looked at. */
void cr_loop_after_wait(cr_loop *loop, cr_loop_fn fn, void *user);

cr_status cr_loop_watch(cr_loop *loop, int fd, uint32_t epoll_events, cr_loop_source_fn fn, void *user, cr_loop_source **ret_watch,
                        cr_err *err) CR_MUST_USE;
void cr_loop_source_change(cr_loop_source *watch, uint32_t epoll_events);
void cr_loop_source_remove(cr_loop_source *watch);                              /* NULL is allowed; does not close the descriptor */

void cr_timer_start(cr_loop *loop, cr_timer *timer, int64_t delay_ms, cr_loop_fn fn, void *user);   /* restarts a running one */
void cr_timer_stop(cr_timer *timer);
static inline bool cr_timer_running(const cr_timer *timer) { return timer->loop != NULL; }

/* false: out of memory, the function will not run. */
bool cr_loop_post(cr_loop *loop, cr_loop_fn fn, void *user);

#endif
