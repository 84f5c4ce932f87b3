/* installed.c - a place for each environment, a thread for each look. */
#include "platform/gateway/installed.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { STACK_BYTES = 256 << 10 };

/* Shared by the loop and one thread; freed by whoever is the last to want it. */
typedef struct look {
    pthread_mutex_t lock;
    cr_loop *loop;            /* NULL: nobody wants to know any more */
    bool posted;              /* the loop has it */
    struct place *place;
    char prefix[PATH_MAX];
    cr_versions found;
} look;

typedef struct waiter {
    struct waiter *next;
    cr_installed_fn fn;
    cr_loop_fn drop;
    void *user;
} waiter;

typedef struct place {
    cr_installed *all;
    const char *software;     /* "": Craton's own */
    char prefix[PATH_MAX];    /* "": not there */
    cr_versions known;
    look *look;               /* under way */
    int64_t began_ms;         /* monotonic */
    bool late;
    cr_timer limit;
    waiter *first, **last;
} place;

struct cr_installed {
    cr_hub *hub;
    int n;
    place places[];           /* Craton's own, then in the order of profiles.yaml, then one for names that are not there */
};

static void look_free(look *k) {
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void answer(place *p, bool late) {
    waiter *w = p->first;
    p->first = NULL;
    p->last = &p->first;
    while (w) {
        waiter *next = w->next;
        w->fn(w->user, &p->known, late);
        free(w);
        w = next;
    }
}

static void on_looked(void *user) {
    look *k = user;
    place *p = k->place;
    pthread_mutex_lock(&k->lock);        /* the thread has let go of it then */
    pthread_mutex_unlock(&k->lock);
    p->known = k->found;
    p->look = NULL;
    look_free(k);
    cr_timer_stop(&p->limit);
    if (p->late)
        cr_log(CR_LOG_INFO, "a software environment answers again", "prefix=%s", p->prefix);
    p->late = false;
    answer(p, false);
}

static void *thread_main(void *arg) {
    look *k = arg;
    cr_versions_installed(k->prefix, &k->found);
    pthread_mutex_lock(&k->lock);
    while (k->loop && !cr_loop_post(k->loop, on_looked, k))
        sched_yield();        /* memory comes back */
    k->posted = k->loop != NULL;
    bool unwanted = !k->posted;
    pthread_mutex_unlock(&k->lock);
    if (unwanted)
        look_free(k);
    return NULL;
}

static void on_limit(void *user) {
    place *p = user;
    if (!p->prefix[0]) {
        answer(p, false);
        return;
    }
    if (!p->late)
        cr_log(CR_LOG_WARN, "a software environment does not answer: what was found in it last is used", "prefix=%s after_s=%d", p->prefix, CR_INSTALLED_MS / 1000);
    p->late = true;
    answer(p, true);
}

static int start_thread(look *k) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int e = pthread_attr_init(&attr);
    if (e)
        return e;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);         /* signals belong to the loop's thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    e = pthread_create(&thread, &attr, thread_main, k);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return e;
}

/* Unless somebody looks already. */
static void begin(place *p) {
    if (p->look)
        return;
    look *k = p->prefix[0] ? calloc(1, sizeof *k) : NULL;
    p->began_ms = cr_now_ms();
    if (k) {
        pthread_mutex_init(&k->lock, NULL);
        k->loop = p->all->hub->loop;
        k->place = p;
        memcpy(k->prefix, p->prefix, sizeof k->prefix);
        p->look = k;
        int e = start_thread(k);
        if (e == 0) {
            cr_timer_start(k->loop, &p->limit, CR_INSTALLED_MS, on_limit, p);
            return;
        }
        cr_log(CR_LOG_WARN, "no thread to look at a software environment", "prefix=%s error=\"%s\"", p->prefix, strerror(e));
        look_free(k);
        p->look = NULL;
    }
    cr_timer_start(p->all->hub->loop, &p->limit, 0, on_limit, p);
}

static place *find(cr_installed *all, const char *software) {
    int i = 0;
    while (i < all->n - 1 && strcmp(all->places[i].software, software) != 0)
        i++;
    return &all->places[i];
}

cr_status cr_installed_ask(cr_installed *all, const char *software, cr_installed_fn fn, cr_loop_fn drop, void *user, cr_err *err) {
    place *p = find(all, software);
    waiter *w = malloc(sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory to look at a software environment");
    *w = (waiter){NULL, fn, drop, user};
    *p->last = w;
    p->last = &w->next;
    begin(p);
    if (p->late)              /* nobody waits for what hangs already */
        cr_timer_start(all->hub->loop, &p->limit, 0, on_limit, p);
    return CR_OK;
}

void cr_installed_look(cr_installed *all) {
    for (int i = 0; i < all->n - 1; i++)
        begin(&all->places[i]);
}

void cr_installed_status(const cr_installed *all, cr_buf *out) {
    char span[32];
    for (int i = 0; i < all->n - 1; i++)
        if (all->places[i].late)
            cr_buf_addf(out, "  software: %s does NOT answer for %s; what was found there last is used\n", all->places[i].prefix,
                        cr_text_span(cr_now_ms() - all->places[i].began_ms, span, sizeof span));
}

void cr_installed_health(const cr_installed *all, json_t *late) {
    for (int i = 0; i < all->n - 1; i++)
        if (all->places[i].late)
            json_array_append_new(late, json_string(all->places[i].software[0] ? all->places[i].software : CR_SOFTWARE_OWN));
}

static void add_place(cr_installed *all, const char *software, const char *prefix, const char *below) {
    place *p = &all->places[all->n++];
    p->all = all;
    p->software = software;
    p->last = &p->first;
    if (snprintf(p->prefix, sizeof p->prefix, "%s%s", prefix, below) >= (int)sizeof p->prefix)
        p->prefix[0] = 0;
}

cr_status cr_installed_new(cr_hub *hub, cr_installed **ret_installed, cr_err *err) {
    const cr_profile_set *set = hub->profiles;
    cr_installed *all = calloc(1, sizeof *all + ((size_t)set->n_software + 2) * sizeof all->places[0]);
    if (!all)
        return CR_FAIL(err, CR_MEMORY, "no memory for the software environments");
    all->hub = hub;
    add_place(all, "", hub->config->prefix, "/env/current");
    for (int i = 0; i < set->n_software; i++)
        add_place(all, set->software[i].slug, set->software[i].prefix, "");
    add_place(all, "", "", "");
    *ret_installed = all;
    cr_installed_look(all);
    return CR_OK;
}

void cr_installed_free(cr_installed *all) {
    for (int i = 0; all && i < all->n; i++) {
        place *p = &all->places[i];
        cr_timer_stop(&p->limit);
        for (waiter *w = p->first, *next; w; w = next) {
            next = w->next;
            if (w->drop)
                w->drop(w->user);
            free(w);
        }
        if (!p->look)
            continue;
        pthread_mutex_lock(&p->look->lock);
        bool posted = p->look->posted;       /* and the loop does not run any more */
        p->look->loop = NULL;
        pthread_mutex_unlock(&p->look->lock);
        if (posted)
            look_free(p->look);
    }
    free(all);
}
