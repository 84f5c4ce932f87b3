/* watch.h - the helper's event loop: descriptors, timers, and ends of processes (a pidfd is a descriptor).
 *
 * One thread, level-triggered epoll. Callbacks may add and remove anything, themselves included.
 *
 * Invariants
 *  1. After cr_watch_remove or cr_watch_cancel returned, that callback is not called again.
 *  2. The loop owns no descriptor but its own; callers close theirs after removing them.
 */
#ifndef CR_PLATFORM_RUNNER_WATCH_H
#define CR_PLATFORM_RUNNER_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_watch cr_watch;
typedef struct cr_watch_source cr_watch_source;
typedef void (*cr_watch_fn)(void *user, uint32_t events);   /* EPOLLIN ...; 0 from a timer */

cr_status cr_watch_new(cr_watch **ret_watch, cr_err *err) CR_MUST_USE;
void cr_watch_free(cr_watch *w);
cr_status cr_watch_add(cr_watch *w, int fd, uint32_t events, cr_watch_fn fn, void *user, cr_watch_source **ret_source, cr_err *err) CR_MUST_USE;
cr_status cr_watch_change(cr_watch *w, cr_watch_source *s, uint32_t events, cr_err *err) CR_MUST_USE;
void cr_watch_remove(cr_watch *w, cr_watch_source **source);   /* NULL is allowed; sets it to NULL */

/* Calls fn once after delay_ms. One timer per (fn, user): a second call moves it. */
cr_status cr_watch_after(cr_watch *w, int64_t delay_ms, cr_watch_fn fn, void *user, cr_err *err) CR_MUST_USE;
void cr_watch_cancel(cr_watch *w, cr_watch_fn fn, void *user);

/* Until cr_watch_stop. */
cr_status cr_watch_run(cr_watch *w, cr_err *err) CR_MUST_USE;
void cr_watch_stop(cr_watch *w);

#endif
