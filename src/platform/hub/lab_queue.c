/* lab_queue.c - the queue of starts: it is the set of servers in the state WAITING, ordered when somebody looks. */
#include "platform/hub/lab_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "platform/hub/admission.h"

/* The same part of every server's limit, so that a profile of 48 GiB is counted as what it is. */
uint64_t cr_lab_guarantee(const cr_lab *s) {
    const cr_config *c = s->hub->config;
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

static cr_admission_waiting place_of(const cr_lab *s) {
    cr_admission_waiting w = {s->waiting_ms, s->id, 0};
    void *value;
    for (size_t i = 0; (i = cr_map_next(&s->hub->servers, i, NULL, &value));)
        w.servers += ((cr_lab *)value)->user_id == s->user_id && is_active(value);
    return w;
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
    size_t n = 0;
    entry *list = NULL;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        n += ((cr_lab *)value)->state == CR_LAB_WAITING;
    *ret_n = (int)n;
    if (!n || !(list = calloc(n, sizeof *list)))
        return NULL;
    n = 0;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->state == CR_LAB_WAITING)
            list[n++] = (entry){value, place_of(value)};
    qsort(list, n, sizeof *list, compare);
    return list;
}

bool cr_lab_queue_admits(const cr_lab *s) {
    int n;
    cr_admission a = admission_of(s->hub);
    free(queue_of(s->hub, &n));
    return !n && cr_admission_ask(&a, cr_lab_guarantee(s)) == CR_ADMIT;
}

/* Everybody who waits is told the place, when it is another one. */
static void tell_places(cr_hub *hub) {
    int n;
    cr_auto_free entry *queue = queue_of(hub, &n);
    if (!queue)
        return;
    cr_admission a = admission_of(hub);
    bool memory = cr_admission_ask(&a, cr_lab_guarantee(queue[0].s)) == CR_ADMIT_NO_MEMORY;
    for (int i = 0; i < n; i++) {
        cr_lab *s = queue[i].s;
        char message[sizeof s->message];
        snprintf(message, sizeof message, "Your server waits in the queue, number %d of %d: %s It starts by itself.", i + 1, n,
                 hub->recovering ? "the hub has just started." : memory ? "all memory for servers is in use." : "others are starting.");
        if (strcmp(message, s->message) != 0)
            cr_lab_tell_state(s, CR_LAB_WAITING, 5, message);
    }
}

cr_status cr_lab_queue_add(cr_lab *s, cr_err *err) {
    int64_t now = cr_wall_ms();
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET waiting_ms = ?, stop_reason = NULL, stop_text = NULL, memory_bytes = ?, cpu_milli = ? WHERE id = ?", "iiii", now,
                     (int64_t)s->memory_bytes, (int64_t)s->cpu_milli, s->id));
    s->stop_reason[0] = s->stop_text[0] = 0;
    s->waiting_ms = s->started_ms = now;
    s->failed = false;
    s->state = CR_LAB_WAITING;
    s->message[0] = 0;
    cr_log(CR_LOG_INFO, "server waits", "user=%s server=%s", s->user, s->name);
    tell_places(s->hub);
    return CR_OK;
}

cr_status cr_lab_queue_cancel(cr_lab *s, cr_err *err) {
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET waiting_ms = 0 WHERE id = ?", "i", s->id));
    s->waiting_ms = 0;
    cr_log(CR_LOG_INFO, "server waits no more", "user=%s server=%s", s->user, s->name);
    cr_lab_tell_state(s, CR_LAB_STOPPED, 0, "The start was cancelled.");
    cr_lab_queue_go_on(s->hub);
    return CR_OK;
}

void cr_lab_queue_go_on(cr_hub *hub) {
    bool more = !hub->recovering;
    while (more) {
        int n;
        cr_auto_free entry *queue = queue_of(hub, &n);
        cr_admission a = admission_of(hub);
        more = queue && cr_admission_ask(&a, cr_lab_guarantee(queue[0].s)) == CR_ADMIT && cr_lab_begin_waiting(queue[0].s);
    }
    tell_places(hub);
}
