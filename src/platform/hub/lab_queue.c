/* lab_queue.c - the queue of starts: it is the set of servers in the state WAITING, ordered when somebody looks. */
#include "platform/hub/lab_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/admission.h"

/* What the profile says; otherwise the same part of every server's limit, so that a profile of 48 GiB is counted as what it is. */
uint64_t cr_lab_guarantee(const cr_lab *s) {
    const cr_config *c = s->hub->config;
    if (s->guarantee_bytes)
        return s->guarantee_bytes;
    if (!s->memory_bytes || !c->memory_bytes || s->memory_bytes == c->memory_bytes)
        return c->guarantee_bytes;
    return (uint64_t)((double)c->guarantee_bytes * ((double)s->memory_bytes / (double)c->memory_bytes));
}

static bool is_active(const cr_lab *s) { return s->state != CR_LAB_STOPPED && s->state != CR_LAB_WAITING; }

static cr_admission admission_of(const cr_hub *hub) {
    cr_admission a = {.room_bytes = hub->config->room_bytes, .starts_most = (int)hub->config->starts};
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        const cr_lab *s = value;
        if (is_active(s)) {
            a.used_bytes += cr_lab_guarantee(s);
            a.starting += s->state != CR_LAB_READY && s->state != CR_LAB_STOPPING;
        }
    }
    return a;
}

/* What is larger than the room runs alone, if at all: it must not hold up those that fit, which would wait until nobody has a server. */
enum { BEHIND_ALL = 1 << 20, TOLD_AT_ONCE = 100, TELL_PAUSE_MS = 1000 };

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* How often a number is among those that are sorted. */
static int count_of(const int64_t *sorted, size_t n, int64_t number) {
    const int64_t *at = bsearch(&number, sorted, n, sizeof *sorted, by_number), *end = at;
    if (!at)
        return 0;
    while (at > sorted && at[-1] == number)
        at--;
    while (end < sorted + n && *end == number)
        end++;
    return (int)(end - at);
}

typedef struct entry {
    cr_lab *s;
    cr_admission_waiting place;
} entry;

static int compare(const void *a, const void *b) {
    return cr_admission_before(&((const entry *)a)->place, &((const entry *)b)->place) ? -1 : 1;
}

/* Those that wait, in their order, to be freed; NULL: nobody does, or no memory, which the next change makes good. */
static entry *queue_of(const cr_hub *hub, int *ret_n) {
    void *value;
    size_t n = 0, active = 0;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        n += ((cr_lab *)value)->state == CR_LAB_WAITING;
        active += is_active(value);
    }
    *ret_n = (int)n;
    if (!n)
        return NULL;
    entry *list = calloc(n, sizeof *list);
    cr_auto_free int64_t *people = calloc(active + 1, sizeof *people);    /* whose the active servers are */
    if (!list || !people) {
        free(list);
        return NULL;
    }
    n = active = 0;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (is_active(s))
            people[active++] = s->user_id;
        else if (s->state == CR_LAB_WAITING)
            list[n++] = (entry){s, {s->waiting_ms, s->id, 0}};
    }
    qsort(people, active, sizeof *people, by_number);
    for (size_t i = 0; i < n; i++) {
        uint64_t room = hub->config->room_bytes;
        list[i].place.servers = count_of(people, active, list[i].s->user_id) + (room && cr_lab_guarantee(list[i].s) > room ? BEHIND_ALL : 0);
    }
    qsort(list, n, sizeof *list, compare);
    return list;
}

bool cr_lab_queue_admits(const cr_lab *s) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&s->hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->state == CR_LAB_WAITING)
            return false;
    cr_admission a = admission_of(s->hub);
    return cr_admission_ask(&a, cr_lab_guarantee(s)) == CR_ADMIT;
}

static void tell_places(cr_hub *hub);
static void on_places(void *user) { tell_places(user); }

/* Everybody who waits is told the place, when it is another one; where many wait, not more often than anybody reads. */
static void tell_places(cr_hub *hub) {
    int n;
    cr_auto_free entry *queue = queue_of(hub, &n);
    int64_t now = cr_now_ms();
    if (!queue)
        return;
    if (n > TOLD_AT_ONCE && now < hub->places_ms + TELL_PAUSE_MS) {
        if (!cr_timer_running(&hub->places))
            cr_timer_start(hub->loop, &hub->places, hub->places_ms + TELL_PAUSE_MS - now, on_places, hub);
        return;
    }
    hub->places_ms = now;
    cr_admission a = admission_of(hub);
    bool memory = cr_admission_ask(&a, cr_lab_guarantee(queue[0].s)) == CR_ADMIT_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        cr_lab *s = queue[i].s;
        char message[sizeof s->message];
        snprintf(message, sizeof message, N_("Your server waits in the queue, number %d of %d: %s It starts by itself."), i + 1, n,
                 hub->recovering ? N_("the hub has just started.") : memory ? N_("all memory for servers is in use.") : N_("others are starting."));
        if (strcmp(message, s->message) != 0)
            cr_lab_tell_state(s, CR_LAB_WAITING, 5, message);
    }
}

cr_status cr_lab_queue_add(cr_lab *s, cr_err *err) {
    int64_t now = cr_wall_ms();
    /* Else its row went on saying that it runs, and whoever reads that looks for the server and not for its place. */
    if (s->unsaved)
        cr_labs_write_stops(s->hub);
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET running = 0, waiting_ms = ?, stop_reason = NULL, stop_text = NULL, memory_bytes = ?, cpu_milli = ?, guarantee_bytes = ?, "
                     "cleaning = ? WHERE id = ?",
                     "iiiiii", now, (int64_t)s->memory_bytes, (int64_t)s->cpu_milli, (int64_t)s->guarantee_bytes, (int64_t)s->cleaning, s->id));
    s->stop_reason[0] = s->stop_text[0] = 0;
    s->waiting_ms = s->started_ms = now;
    s->failed = false;
    s->state = CR_LAB_WAITING;
    snprintf(s->message, sizeof s->message, N_("Your server waits in the queue."));
    cr_log(CR_LOG_INFO, "server waits", "user=%s server=%s", s->user, s->name);
    cr_lab_queue_go_on(s->hub);      /* one that runs alone may be all that waits before it */
    return CR_OK;
}

cr_status cr_lab_queue_cancel(cr_lab *s, cr_err *err) {
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET waiting_ms = 0 WHERE id = ?", "i", s->id));
    s->waiting_ms = 0;
    cr_log(CR_LOG_INFO, "server waits no more", "user=%s server=%s", s->user, s->name);
    cr_lab_tell_state(s, CR_LAB_STOPPED, 0, N_("The start was cancelled."));
    cr_lab_queue_go_on(s->hub);
    return CR_OK;
}

void cr_lab_queue_go_on(cr_hub *hub) {
    int n = 0;
    cr_auto_free entry *queue = hub->recovering ? NULL : queue_of(hub, &n);
    for (int i = 0; queue && i < n; i++) {
        cr_admission a = admission_of(hub);
        if (queue[i].s->state != CR_LAB_WAITING)      /* begun further in */
            continue;
        if (cr_admission_ask(&a, cr_lab_guarantee(queue[i].s)) != CR_ADMIT || !cr_lab_begin_waiting(queue[i].s))
            break;
    }
    tell_places(hub);
}
