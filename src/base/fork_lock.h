/* fork_lock.h - a mutex of an object that a forked child goes on using.
 *
 * Only the thread that forks goes on in the child. A mutex that another thread held at that moment stays locked there, and whoever wants it waits for
 * ever: Python programs fork (multiprocessing) while another thread computes. So fork() waits until nobody holds one of these, which must therefore be
 * held for a short time, never while calling back into a program, never two at once, and not while one is made or destroyed. What is held longer forgets
 * instead: it is free in the child, whatever was going on in the parent, and guards no memory.
 *
 * The first member is the mutex, which is locked and unlocked as any other.
 */
#ifndef CR_BASE_FORK_LOCK_H
#define CR_BASE_FORK_LOCK_H

#include <pthread.h>
#include <stdbool.h>

typedef struct cr_fork_lock {
    pthread_mutex_t mutex;
    bool forgets;
    struct cr_fork_lock *prev, *next;
} cr_fork_lock;

void cr_fork_lock_init(cr_fork_lock *l, bool forgets);
void cr_fork_lock_done(cr_fork_lock *l);

#endif
