/* gateway_workers.c - workers of a cluster: as many as are wanted and allowed, at what pace, and how they end. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/gateway/cluster.h"
#include "platform/runner/protocol.h"

enum {
    CLOSING_MS = 60 * 1000,       /* for a worker that the scheduler sent away */
    TOLD_MS = 2 * 1000,           /* what a scheduler says so long after a worker's end says whether it had met it: it hears of the end at once */
    SHORT_LIFE_MS = 60 * 1000,    /* a worker that ends before that, unasked, delays the start of others */
    PAUSE_MS = 1000, PAUSE_MOST_MS = 60 * 1000,    /* from the second such one on, doubled for each */
    REFILL_MS = 5 * 1000,         /* whatever the reason: this often one worker more may be started, */
    STARTS_LEAST = 16,            /* of so many, or twice those that the limits allow, at once */
};

/* From its start until the scheduler has met it. */
static int64_t worker_ms(const cr_cluster *c) { return c->gateway->hub->config->gateway_worker_s * 1000; }

static cr_server_id worker_id(const cr_cluster_worker *w) {
    cr_server_id id = {.generation = w->generation};
    snprintf(id.account, sizeof id.account, "%s", w->cluster->account);
    snprintf(id.server, sizeof id.server, CR_CLUSTER_SERVER "%lld-w%u", (long long)w->cluster->id, w->number);
    return id;
}

static void on_worker_stays(void *user) {
    cr_cluster_worker *w = user;
    cr_worker_stop(w, 0);
}

void cr_worker_stop(cr_cluster_worker *w, uint32_t grace_ms) {
    cr_server_id id = worker_id(w);
    w->state = CR_WORKER_CLOSING;
    cr_cluster_stop_process(w->cluster, &id, grace_ms);
    cr_timer_start(w->cluster->gateway->hub->loop, &w->deadline, CR_CLUSTER_FORCE_MS, on_worker_stays, w);
}

/* ---- workers ---- */

/* A worker may end, for example by what it computes, before a heartbeat tells that it was there. Whether it was, the heartbeats after that say. */
static void note_unmet(cr_cluster *c, uint32_t number) {
    if (c->failures < CR_CLUSTER_FAILURES_MOST)
        c->unmet[c->failures++] = number;
    c->unmet_ms = cr_now_ms();
}

static void forget_unmet(cr_cluster *c, uint32_t number) {
    int left = 0;
    for (int i = 0; i < c->failures; i++)
        if (c->unmet[i] != number)
            c->unmet[left++] = c->unmet[i];
    c->failures = left;
}

static void on_worker_late(void *user) {
    cr_cluster_worker *w = user;
    cr_cluster *c = w->cluster;
    cr_log(CR_LOG_WARN, "worker did not join its cluster in time", "cluster=%s worker=w%u", c->name, w->number);
    char reason[sizeof c->reason], span[24];
    cr_worker_stop(w, 0);
    note_unmet(c, 0);
    if (c->failures < CR_CLUSTER_FAILURES_MOST) {
        cr_workers_balance(c);
        return;
    }
    snprintf(reason, sizeof reason, N_("Three workers in a row did not reach the scheduler within %s."), cr_text_span(worker_ms(c), span, sizeof span));
    cr_cluster_end(c, CR_CLUSTER_FAILED, reason);
}

void cr_worker_expect(cr_cluster_worker *w) {
    cr_timer_start(w->cluster->gateway->hub->loop, &w->deadline, worker_ms(w->cluster), on_worker_late, w);
}

static cr_status start_worker(cr_cluster *c, cr_err *err) {
    cr_hub *hub = c->gateway->hub;
    cr_cluster_worker *w = calloc(1, sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory for a worker");
    w->cluster = c;
    w->began_ms = w->counted_ms = cr_now_ms();
    cr_status status = cr_cluster_rows_worker(c, w, err);
    if (status != CR_OK) {
        free(w);
        return status;
    }
    w->next = c->workers;
    c->workers = w;
    cr_runner_start s = {.id = worker_id(w), .limits = {c->choice.memory_bytes, (uint32_t)(c->choice.cores * 1000), (uint32_t)hub->config->pids}};
    snprintf(s.user, sizeof s.user, "%s", c->user);
    memset(s.token, '0', CR_RUNNER_TOKEN_LEN);    /* a worker needs none */
    s.dask.role = CR_ROLE_WORKER;
    s.dask.cluster = (uint64_t)c->id;
    s.dask.worker = w->number;
    s.dask.threads = (uint32_t)c->choice.cores;
    s.dask.scheduler_port = (uint32_t)c->ports[0];
    snprintf(s.dask.name, sizeof s.dask.name, "%s", c->name);
    memcpy(s.dask.environment, c->choice.environment, sizeof s.dask.environment);
    memcpy(s.dask.software, c->choice.software, sizeof s.dask.software);
    cr_worker_expect(w);
    status = cr_folders_of(hub->db, c->user_id, &hub->folders, &s.folders, err);
    if (status == CR_OK)
        status = hub->runner->ops->start(hub->runner, &s, err);
    if (status != CR_OK) {
        cr_cluster_rows_worker_ended(w);
        c->workers = w->next;
        cr_timer_stop(&w->deadline);
        free(w);
    }
    return status;
}

/* ---- pace: workers that come and go must not keep the machine busy with starting ---- */

static void on_again(void *user) {
    cr_cluster *c = user;
    cr_workers_balance(c);
}

static void try_again_at(cr_cluster *c, int64_t at_ms) {
    cr_timer_start(c->gateway->hub->loop, &c->again, CR_MAX(at_ms - cr_now_ms(), (int64_t)1), on_again, c);
}

/* May one be started now? Otherwise cr_workers_balance() is called when that may be. */
static bool may_start(cr_cluster *c) {
    int64_t now = cr_now_ms(), most = CR_MAX(2 * cr_cluster_allowed(c, CR_BEAT_COUNT_MAX, NULL, 0), (int64_t)STARTS_LEAST);
    if (now < c->pause_until_ms) {
        try_again_at(c, c->pause_until_ms);
        return false;
    }
    if (!c->starts_ms) {
        c->starts_ms = now;
        c->starts_left = most;
    }
    int64_t more = (now - c->starts_ms) / REFILL_MS;
    c->starts_left = CR_MIN(c->starts_left + more, most);
    c->starts_ms += more * REFILL_MS;
    if (c->starts_left <= 0) {
        try_again_at(c, c->starts_ms + REFILL_MS);
        return false;
    }
    c->starts_left--;
    return true;
}

static void note_end_unasked(cr_cluster *c, const cr_cluster_worker *w, const char *text, const char *tail) {
    char who[16];
    snprintf(who, sizeof who, "w%u", w->number);
    cr_cluster_rows_failed(c, who, text, tail);
    snprintf(c->news, sizeof c->news, N_("Worker %s: %s"), who, text);
    if (cr_now_ms() - w->began_ms >= SHORT_LIFE_MS) {
        c->short_lives = 0;
        return;
    }
    c->short_lives = CR_MIN(c->short_lives + 1, 10);
    if (c->short_lives < 2)
        return;
    int64_t pause = CR_MIN((int64_t)PAUSE_MS << (c->short_lives - 2), (int64_t)PAUSE_MOST_MS);
    c->pause_until_ms = cr_now_ms() + pause;
    cr_log(CR_LOG_WARN, "workers end soon after their start: the next ones wait", "user=%s cluster=%s ended=%d wait_ms=%lld", c->user, c->name,
           c->short_lives, (long long)pause);
}

/* As many workers as are wanted: missing ones are started, surplus ones that the scheduler has not met are stopped. Those that it has met
 * it sends away itself. */
void cr_workers_balance(cr_cluster *c) {
    cr_err err = CR_ERR_INIT;
    if (c->status != CR_CLUSTER_RUNNING || c->gateway->hub->recovering)
        return;
    int64_t live = cr_cluster_live_workers(c), room = cr_cluster_room(c);
    for (; live < c->count && room > 0 && c->failures < CR_CLUSTER_FAILURES_MOST && may_start(c); live++, room--) {
        if (start_worker(c, &err) != CR_OK) {
            cr_log_err(CR_LOG_ERROR, "starting a worker", &err);
            return;               /* the next heartbeat tries again */
        }
    }
    for (cr_cluster_worker *w = c->workers; w && live > c->count; w = w->next) {
        if (w->state == CR_WORKER_STARTING) {
            cr_worker_stop(w, 0);
            live--;
        }
    }
}

void cr_worker_exit(cr_cluster_worker *w, const char *text, const char *tail) {
    cr_cluster *c = w->cluster;
    uint32_t number = w->number;
    bool was_starting = w->state == CR_WORKER_STARTING, expected = w->state == CR_WORKER_CLOSING;
    cr_log(expected ? CR_LOG_INFO : CR_LOG_WARN, "worker ended", "cluster=%s worker=w%u text=\"%s\"", c->name, w->number, text);
    cr_cluster_count(c);
    if (!expected)
        note_end_unasked(c, w, text, tail);
    cr_cluster_rows_worker_ended(w);
    cr_cluster_worker **at = &c->workers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    cr_timer_stop(&w->deadline);
    free(w);
    if (c->status == CR_CLUSTER_STOPPING) {
        cr_cluster_settle(c);
        return;
    }
    if (was_starting) {
        note_unmet(c, number);
        snprintf(c->unmet_how, sizeof c->unmet_how, "%s", text);
    }
    cr_workers_balance(c);               /* also when it was expected: another may have waited for its place */
}

void cr_workers_note(cr_cluster *c, const cr_beat *b) {
    for (size_t i = 0; i < b->active.n; i++) {
        cr_cluster_worker *w = cr_cluster_worker_find(c, b->active.number[i]);
        if (!w || w->state != CR_WORKER_STARTING)
            continue;
        w->state = CR_WORKER_JOINED;
        c->failures = 0;
        cr_timer_stop(&w->deadline);
        cr_cluster_rows_joined(w);
    }
    for (size_t i = 0; i < b->closing.n; i++) {
        cr_cluster_worker *w = cr_cluster_worker_find(c, b->closing.number[i]);
        if (!w || w->state == CR_WORKER_CLOSING)
            continue;
        w->state = CR_WORKER_CLOSING;
        cr_timer_start(c->gateway->hub->loop, &w->deadline, CLOSING_MS, on_worker_stays, w);
    }
    /* The scheduler does not see them any more. One that the runner still sees is stopped; the scheduler never forgets a name. */
    for (size_t i = 0; i < b->closed.n; i++) {
        cr_cluster_worker *w = cr_cluster_worker_find(c, b->closed.number[i]);
        if (w && w->state == CR_WORKER_JOINED)
            cr_worker_stop(w, CR_CLUSTER_GRACE_MS);
        forget_unmet(c, b->closed.number[i]);
    }
    if (c->failures >= CR_CLUSTER_FAILURES_MOST && cr_now_ms() - c->unmet_ms >= TOLD_MS) {
        char reason[sizeof c->reason];
        snprintf(reason, sizeof reason, N_("Three workers in a row did not start. %s"), c->unmet_how);
        cr_cluster_end(c, CR_CLUSTER_FAILED, reason);
    }
}
