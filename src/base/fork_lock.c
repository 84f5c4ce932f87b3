/* fork_lock.c - the list of those that there are, and what fork() does with it. */
#include "base/fork_lock.h"

#include <stddef.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static cr_fork_lock *list;

static void before_fork(void) {
    pthread_mutex_lock(&list_lock);
    for (cr_fork_lock *l = list; l; l = l->next)
        if (!l->forgets)
            pthread_mutex_lock(&l->mutex);
}

static void release(void) {
    for (cr_fork_lock *l = list; l; l = l->next)
        if (!l->forgets)
            pthread_mutex_unlock(&l->mutex);
    pthread_mutex_unlock(&list_lock);
}

static void in_child(void) {
    for (cr_fork_lock *l = list; l; l = l->next)
        if (l->forgets)
            pthread_mutex_init(&l->mutex, NULL);
    release();
}

static void watch_forks(void) { pthread_atfork(before_fork, release, in_child); }

void cr_fork_lock_init(cr_fork_lock *l, bool forgets) {
    pthread_once(&once, watch_forks);
    pthread_mutex_init(&l->mutex, NULL);
    l->forgets = forgets;
    l->prev = NULL;
    pthread_mutex_lock(&list_lock);
    l->next = list;
    if (list)
        list->prev = l;
    list = l;
    pthread_mutex_unlock(&list_lock);
}

void cr_fork_lock_done(cr_fork_lock *l) {
    pthread_mutex_lock(&list_lock);
    *(l->prev ? &l->prev->next : &list) = l->next;
    if (l->next)
        l->next->prev = l->prev;
    pthread_mutex_unlock(&list_lock);
    pthread_mutex_destroy(&l->mutex);
}
