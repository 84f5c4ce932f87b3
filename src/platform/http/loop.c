/* loop.c - epoll, a sorted list of timers, an eventfd for posts. */
#include "platform/http/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/clock.h"

struct cr_loop_source {
    cr_loop *loop;
    int fd;
    bool dead;
    cr_loop_source_fn fn;
    void *user;
    cr_loop_source *next_dead;
};

typedef struct post {
    struct post *next;
    cr_loop_fn fn;
    void *user;
} post;

struct cr_loop {
    int epoll_fd, event_fd;
    cr_timer timers;          /* head of a ring, earliest first */
    cr_loop_source *dead;           /* freed after the round, because the round's event array may still name them */
    cr_loop_source *wake;
    int64_t (*before_wait)(void *user);
    void *before_user;
    cr_loop_fn after_wait;
    void *after_user;
    pthread_mutex_t lock;
    post *first_post, **last_post;
    bool stop;                /* under lock */
};

static void on_wake(void *user, uint32_t events) {
    cr_loop *loop = user;
    uint64_t count;
    (void)events;
    (void)!read(loop->event_fd, &count, sizeof count);
}

cr_status cr_loop_new(cr_loop **ret_loop, cr_err *err) {
    cr_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return CR_FAIL(err, CR_MEMORY, "no memory for the event loop");
    loop->timers.prev = loop->timers.next = &loop->timers;
    loop->last_post = &loop->first_post;
    pthread_mutex_init(&loop->lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_status status = CR_OK;
    if (loop->epoll_fd < 0 || loop->event_fd < 0)
        status = CR_FAIL_ERRNO(err, "making the event loop");
    else
        status = cr_loop_watch(loop, loop->event_fd, EPOLLIN, on_wake, loop, &loop->wake, err);
    if (status != CR_OK) {
        cr_loop_free(loop);
        return status;
    }
    *ret_loop = loop;
    return CR_OK;
}

static void bury(cr_loop *loop) {
    while (loop->dead) {
        cr_loop_source *w = loop->dead;
        loop->dead = w->next_dead;
        free(w);
    }
}

void cr_loop_free(cr_loop *loop) {
    if (!loop)
        return;
    cr_loop_source_remove(loop->wake);
    bury(loop);
    for (post *p = loop->first_post; p;) {
        post *next = p->next;
        free(p);
        p = next;
    }
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->event_fd >= 0)
        close(loop->event_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

static void wake(cr_loop *loop) {
    uint64_t one = 1;
    (void)!write(loop->event_fd, &one, sizeof one);
}

void cr_loop_stop(cr_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    loop->stop = true;
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
}

bool cr_loop_post(cr_loop *loop, cr_loop_fn fn, void *user) {
    post *p = malloc(sizeof *p);
    if (!p)
        return false;
    *p = (post){NULL, fn, user};
    pthread_mutex_lock(&loop->lock);
    *loop->last_post = p;
    loop->last_post = &p->next;
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
    return true;
}

/* Runs what was posted; answers whether the loop is to end. */
static bool run_posts(cr_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    post *p = loop->first_post;
    loop->first_post = NULL;
    loop->last_post = &loop->first_post;
    bool stop = loop->stop;
    loop->stop = false;       /* the loop may be run again */
    pthread_mutex_unlock(&loop->lock);
    while (p) {
        post *next = p->next;
        p->fn(p->user);
        free(p);
        p = next;
    }
    return stop;
}

void cr_loop_before_wait(cr_loop *loop, int64_t (*fn)(void *user), void *user) {
    loop->before_wait = fn;
    loop->before_user = user;
}

void cr_loop_after_wait(cr_loop *loop, cr_loop_fn fn, void *user) {
    loop->after_wait = fn;
    loop->after_user = user;
}

static void run_timers(cr_loop *loop) {
    int64_t now = cr_now_ms();
    while (loop->timers.next != &loop->timers && loop->timers.next->due_ms <= now) {
        cr_timer *t = loop->timers.next;
        cr_timer_stop(t);
        t->fn(t->user);
    }
}

static int wait_ms(cr_loop *loop) {
    int64_t wait = loop->before_wait ? loop->before_wait(loop->before_user) : -1;
    if (loop->timers.next != &loop->timers) {
        int64_t until = loop->timers.next->due_ms - cr_now_ms();
        until = CR_MAX(until, 0);
        wait = wait < 0 ? until : CR_MIN(wait, until);
    }
    return wait < 0 ? -1 : (int)CR_MIN(wait, 60000);
}

cr_status cr_loop_run(cr_loop *loop, cr_err *err) {
    struct epoll_event events[64];
    for (;;) {
        if (run_posts(loop))
            return CR_OK;
        run_timers(loop);
        int n = epoll_wait(loop->epoll_fd, events, CR_ARRAY_LEN(events), wait_ms(loop));
        if (n < 0 && errno != EINTR)
            return CR_FAIL_ERRNO(err, "waiting for events");
        if (loop->after_wait)
            loop->after_wait(loop->after_user);
        for (int i = 0; i < n; i++) {
            cr_loop_source *w = events[i].data.ptr;
            if (!w->dead)
                w->fn(w->user, events[i].events);
        }
        bury(loop);
    }
}

cr_status cr_loop_watch(cr_loop *loop, int fd, uint32_t epoll_events, cr_loop_source_fn fn, void *user, cr_loop_source **ret_watch, cr_err *err) {
    cr_loop_source *w = malloc(sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory to watch a descriptor");
    *w = (cr_loop_source){loop, fd, false, fn, user, NULL};
    struct epoll_event e = {.events = epoll_events, .data.ptr = w};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
        free(w);
        return CR_FAIL_ERRNO(err, "watching a descriptor");
    }
    *ret_watch = w;
    return CR_OK;
}

void cr_loop_source_change(cr_loop_source *watch, uint32_t epoll_events) {
    struct epoll_event e = {.events = epoll_events, .data.ptr = watch};
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &e);
}

void cr_loop_source_remove(cr_loop_source *watch) {
    if (!watch || watch->dead)
        return;
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->dead = true;
    watch->next_dead = watch->loop->dead;
    watch->loop->dead = watch;
}

void cr_timer_start(cr_loop *loop, cr_timer *timer, int64_t delay_ms, cr_loop_fn fn, void *user) {
    cr_timer_stop(timer);
    timer->loop = loop;
    timer->due_ms = cr_now_ms() + CR_MAX(delay_ms, 0);
    timer->fn = fn;
    timer->user = user;
    /* Most timers are due later than those that run: look from the end. */
    cr_timer *after = loop->timers.prev;
    while (after != &loop->timers && after->due_ms > timer->due_ms)
        after = after->prev;
    timer->prev = after;
    timer->next = after->next;
    after->next->prev = timer;
    after->next = timer;
}

void cr_timer_stop(cr_timer *timer) {
    if (!timer->loop)
        return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
    timer->loop = NULL;
}
