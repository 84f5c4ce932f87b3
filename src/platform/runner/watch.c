/* watch.c - epoll and a list of timers. The lists are short (a few per running server), so they are searched. */
#include "platform/runner/watch.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/clock.h"

struct cr_watch_source {
    cr_watch_source *next;
    cr_watch_fn fn;
    void *user;
    int fd;
    bool dead;
};
typedef struct timer {
    struct timer *next;
    int64_t due_ms;
    cr_watch_fn fn;
    void *user;
} timer;
struct cr_watch {
    int epoll_fd;
    bool stopped;
    cr_watch_source *sources;
    timer *timers;
};

cr_status cr_watch_new(cr_watch **ret_watch, cr_err *err) {
    cr_watch *w = calloc(1, sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory for the event loop");
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd < 0) {
        free(w);
        return CR_FAIL_ERRNO(err, "cannot create the event loop");
    }
    *ret_watch = w;
    return CR_OK;
}

/* Removed sources stay until the events already fetched have been walked. */
static void sweep(cr_watch *w) {
    for (cr_watch_source **at = &w->sources, *s; (s = *at);) {
        if (s->dead) {
            *at = s->next;
            free(s);
        } else {
            at = &s->next;
        }
    }
}

void cr_watch_free(cr_watch *w) {
    if (!w)
        return;
    for (cr_watch_source *s = w->sources; s; s = s->next)
        s->dead = true;
    sweep(w);
    for (timer *t = w->timers, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    close(w->epoll_fd);
    free(w);
}

cr_status cr_watch_add(cr_watch *w, int fd, uint32_t events, cr_watch_fn fn, void *user, cr_watch_source **ret_source, cr_err *err) {
    cr_watch_source *s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory to watch a descriptor");
    *s = (cr_watch_source){w->sources, fn, user, fd, false};
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        free(s);
        return CR_FAIL_ERRNO(err, "cannot watch a descriptor");
    }
    w->sources = s;
    *ret_source = s;
    return CR_OK;
}

cr_status cr_watch_change(cr_watch *w, cr_watch_source *s, uint32_t events, cr_err *err) {
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) != 0)
        return CR_FAIL_ERRNO(err, "cannot change what is watched");
    return CR_OK;
}

void cr_watch_remove(cr_watch *w, cr_watch_source **source) {
    if (!*source)
        return;
    epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, (*source)->fd, NULL);
    (*source)->dead = true;
    *source = NULL;
}

cr_status cr_watch_after(cr_watch *w, int64_t delay_ms, cr_watch_fn fn, void *user, cr_err *err) {
    timer *t = w->timers;
    while (t && (t->fn != fn || t->user != user))
        t = t->next;
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return CR_FAIL(err, CR_MEMORY, "no memory for a timer");
        *t = (timer){w->timers, 0, fn, user};
        w->timers = t;
    }
    t->due_ms = cr_now_ms() + delay_ms;
    return CR_OK;
}

void cr_watch_cancel(cr_watch *w, cr_watch_fn fn, void *user) {
    for (timer **at = &w->timers, *t; (t = *at); at = &t->next) {
        if (t->fn == fn && t->user == user) {
            *at = t->next;
            free(t);
            return;
        }
    }
}

static int next_wait_ms(const cr_watch *w) {
    int64_t least = -1, now = cr_now_ms();
    for (const timer *t = w->timers; t; t = t->next) {
        int64_t left = CR_MAX(t->due_ms - now, (int64_t)0);
        if (least < 0 || left < least)
            least = left;
    }
    return least > 3600000 ? 3600000 : (int)least;
}

static void run_due(cr_watch *w) {
    int64_t now = cr_now_ms();
    for (timer **at = &w->timers, *t; (t = *at) && !w->stopped;) {
        if (t->due_ms > now) {
            at = &t->next;
            continue;
        }
        timer due = *t;
        *at = t->next;
        free(t);
        due.fn(due.user, 0);
        at = &w->timers;   /* the callback may have changed the list */
    }
}

cr_status cr_watch_run(cr_watch *w, cr_err *err) {
    while (!w->stopped) {
        struct epoll_event events[64];
        int n = epoll_wait(w->epoll_fd, events, CR_ARRAY_LEN(events), next_wait_ms(w));
        if (n < 0 && errno != EINTR)
            return CR_FAIL_ERRNO(err, "cannot wait for events");
        for (int i = 0; i < n && !w->stopped; i++) {
            cr_watch_source *s = events[i].data.ptr;
            if (!s->dead)
                s->fn(s->user, events[i].events);
        }
        run_due(w);
        sweep(w);
    }
    return CR_OK;
}

void cr_watch_stop(cr_watch *w) { w->stopped = true; }
