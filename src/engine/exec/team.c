/* team.c - threads, a job counter, and two conditions. */
#include "engine/exec/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define STACK_BYTES (1 << 20)

typedef struct member {
    cr_team *team;
    pthread_t thread;
    int worker;
} member;

struct cr_team {
    pthread_mutex_t lock;
    pthread_cond_t begin, finished;
    int n, started;               /* started threads, worker 0 not counted */
    unsigned job_number;
    int wanted, running;          /* workers of this job; members not yet through */
    bool quit;
    cr_team_fn fn;
    void *job;
    member members[];
};

static void *member_main(void *arg) {
    member *m = arg;
    cr_team *t = m->team;
    unsigned seen = 0;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->quit && (t->job_number == seen || m->worker >= t->wanted)) {
            seen = t->job_number; /* not for this member */
            pthread_cond_wait(&t->begin, &t->lock);
        }
        if (t->quit)
            break;
        seen = t->job_number;
        cr_team_fn fn = t->fn;
        void *job = t->job;
        pthread_mutex_unlock(&t->lock);
        fn(job, m->worker);
        pthread_mutex_lock(&t->lock);
        if (--t->running == 0)
            pthread_cond_signal(&t->finished);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

cr_status cr_team_new(int n, cr_team **ret_team, cr_err *err) {
    cr_team *t = calloc(1, sizeof *t + (size_t)n * sizeof(member));
    if (t == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d workers", n);
    t->n = n;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->begin, NULL);
    pthread_cond_init(&t->finished, NULL);
    *ret_team = t;
    return CR_OK;
}

void cr_team_free(cr_team *t) {
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->begin);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->started; i++)
        pthread_join(t->members[i].thread, NULL);
    pthread_cond_destroy(&t->begin);
    pthread_cond_destroy(&t->finished);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Signals are for the program's own threads. */
static void start_members(cr_team *t, int n) {
    pthread_attr_t attr;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (t->started < n - 1) {
        member *m = &t->members[t->started];
        m->team = t;
        m->worker = t->started + 1;
        if (pthread_create(&m->thread, &attr, member_main, m) != 0)
            break;
        t->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
}

void cr_team_run(cr_team *t, int n, cr_team_fn fn, void (*while_waiting)(void *job), void *job) {
    pthread_mutex_lock(&t->lock);
    start_members(t, CR_MIN(n, t->n));
    t->wanted = CR_MIN(CR_MIN(n, t->n), t->started + 1);
    t->running = t->wanted - 1;
    t->fn = fn;
    t->job = job;
    t->job_number++;
    pthread_cond_broadcast(&t->begin);
    pthread_mutex_unlock(&t->lock);
    fn(job, 0);
    pthread_mutex_lock(&t->lock);
    while (t->running > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100 * 1000 * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&t->finished, &t->lock, &until);
        if (while_waiting != NULL) {
            pthread_mutex_unlock(&t->lock);
            while_waiting(job);
            pthread_mutex_lock(&t->lock);
        }
    }
    t->wanted = 0;
    pthread_mutex_unlock(&t->lock);
}
