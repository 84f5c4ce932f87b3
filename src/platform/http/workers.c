/* workers.c - a bounded queue and its threads. */
#include "platform/http/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct work {
    struct work *next;
    cr_loop_fn run, done;
    void *job;
} work;

struct cr_workers {
    cr_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t more;
    work *first, **last;
    int waiting, queue_max, n_threads;
    bool stop;
    pthread_t threads[];
};

static void *worker_main(void *arg) {
    cr_workers *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->stop)
            pthread_cond_wait(&p->more, &p->lock);
        if (p->stop)
            break;
        work *w = p->first;
        p->first = w->next;
        if (!p->first)
            p->last = &p->first;
        p->waiting--;
        pthread_mutex_unlock(&p->lock);
        w->run(w->job);
        /* Without memory for the message the job would never be answered; memory comes back, so ask again. */
        while (!cr_loop_post(p->loop, w->done, w->job))
            sched_yield();
        free(w);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

cr_status cr_workers_new(cr_loop *loop, int threads, int queue_max, cr_workers **ret_workers, cr_err *err) {
    cr_workers *p = calloc(1, sizeof *p + (size_t)threads * sizeof p->threads[0]);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory for worker threads");
    p->loop = loop;
    p->queue_max = queue_max;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    /* Signals belong to the loop's thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int e = 0;
    while (p->n_threads < threads && (e = pthread_create(&p->threads[p->n_threads], NULL, worker_main, p)) == 0)
        p->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        cr_workers_free(p);
        return cr_fail_errno(err, e, __FILE__, __LINE__, "starting a worker thread");
    }
    *ret_workers = p;
    return CR_OK;
}

cr_status cr_workers_submit(cr_workers *p, cr_loop_fn run, cr_loop_fn done, void *job, cr_err *err) {
    work *w = malloc(sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory for a job");
    *w = (work){NULL, run, done, job};
    pthread_mutex_lock(&p->lock);
    bool full = p->waiting >= p->queue_max;
    if (!full) {
        *p->last = w;
        p->last = &w->next;
        p->waiting++;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    if (full) {
        free(w);
        return CR_FAIL(err, CR_BUSY, "too many people are signing in at this moment; try again in a few seconds");
    }
    return CR_OK;
}

void cr_workers_free(cr_workers *p) {
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    while (p->first) {
        work *w = p->first;
        p->first = w->next;
        free(w);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->more);
    free(p);
}
