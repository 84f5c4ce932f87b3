/* cluster.c - limits and small questions. */
#include "platform/gateway/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "base/text.h"

static const char *const names[CR_CLUSTER_STATUSES] = {"PENDING", "RUNNING", "STOPPING", "STOPPED", "FAILED"};

const char *cr_cluster_status_name(cr_cluster_status status) { return names[status]; }

bool cr_cluster_status_parse(const char *name, size_t n, cr_cluster_status *ret_status) {
    for (int i = 0; i < CR_CLUSTER_STATUSES; i++) {
        if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0) {
            *ret_status = (cr_cluster_status)i;
            return true;
        }
    }
    return false;
}

cr_cluster *cr_cluster_find(const cr_gateway *g, const char *name) {
    for (cr_cluster *c = g->clusters; c; c = c->next)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

cr_cluster_worker *cr_cluster_worker_find(const cr_cluster *c, uint32_t number) {
    for (cr_cluster_worker *w = c->workers; w; w = w->next)
        if (w->number == number)
            return w;
    return NULL;
}

int64_t cr_cluster_live_workers(const cr_cluster *c) {
    int64_t n = 0;
    for (const cr_cluster_worker *w = c->workers; w; w = w->next)
        n += w->state != CR_WORKER_CLOSING;
    return n;
}

/* ---- limits ---- */

typedef struct use {
    int64_t clusters, workers, cores;
    uint64_t memory_bytes;
} use;

/* Of the person, without one cluster (NULL: of all). Workers that were promised count as those that are there; what is stopping counts
 * until it is gone. */
static use use_of(const cr_gateway *g, int64_t user_id, const cr_cluster *without) {
    use u = {0};
    for (const cr_cluster *c = g->clusters; c; c = c->next) {
        if (c->user_id != user_id || c == without)
            continue;
        int64_t n = 0;
        for (const cr_cluster_worker *w = c->workers; w; w = w->next)
            n++;
        n = c->status == CR_CLUSTER_STOPPING ? n : CR_MAX(n, c->count);
        u.clusters++;
        u.workers += n;
        u.cores += n * c->choice.cores;
        u.memory_bytes += CR_SCHEDULER_MEMORY + (uint64_t)n * c->choice.memory_bytes;
    }
    return u;
}

cr_status cr_cluster_may_begin(const cr_gateway *g, int64_t user_id, const cr_cluster_options *choice, cr_err *err) {
    const cr_config *k = g->hub->config;
    use u = use_of(g, user_id, NULL);
    char have[16], most[16];
    (void)choice;             /* its workers are counted when they are asked for */
    if (u.clusters >= k->gateway_clusters)
        return CR_FAIL(err, CR_LIMIT, "you have %lld clusters, and %lld are allowed at a time: stop one (Gateway().list_clusters() shows them)",
                       (long long)u.clusters, (long long)k->gateway_clusters);
    if (u.memory_bytes + CR_SCHEDULER_MEMORY > k->gateway_memory_bytes)
        return CR_FAIL(err, CR_LIMIT, "your clusters have %s of the %s that are allowed, and a scheduler needs 1 GiB: stop a cluster or scale one down",
                       cr_text_bytes(u.memory_bytes, have, sizeof have), cr_text_bytes(k->gateway_memory_bytes, most, sizeof most));
    return CR_OK;
}

int64_t cr_cluster_allowed(const cr_cluster *c, int64_t wanted, char *why, size_t size) {
    const cr_config *k = c->gateway->hub->config;
    use u = use_of(c->gateway, c->user_id, c);
    uint64_t taken = u.memory_bytes + CR_SCHEDULER_MEMORY;
    uint64_t left = k->gateway_memory_bytes > taken ? k->gateway_memory_bytes - taken : 0;
    char most[16];
    const int64_t by_workers = CR_MAX(k->gateway_workers - u.workers, (int64_t)0);
    const int64_t by_cores = CR_MAX(k->gateway_cores - u.cores, (int64_t)0) / c->choice.cores;
    const int64_t by_memory = (int64_t)CR_MIN(left / c->choice.memory_bytes, (uint64_t)INT32_MAX);
    int64_t least = CR_MIN(by_workers, CR_MIN(by_cores, by_memory));
    if (why && least == by_memory)
        snprintf(why, size, "%s of memory for one person, schedulers counted", cr_text_bytes(k->gateway_memory_bytes, most, sizeof most));
    else if (why && least == by_cores)
        snprintf(why, size, "%lld cores for one person", (long long)k->gateway_cores);
    else if (why)
        snprintf(why, size, "%lld workers for one person", (long long)k->gateway_workers);
    return CR_MIN(wanted, least);
}

int64_t cr_cluster_room(const cr_cluster *c) {
    int64_t n = 0;
    for (const cr_cluster_worker *w = c->workers; w; w = w->next)
        n++;
    return CR_MAX(cr_cluster_allowed(c, INT64_MAX, NULL, 0) - n, (int64_t)0);
}

/* ---- the rest ---- */

char *cr_cluster_sni(const cr_cluster *c, char *buf, size_t size) {
    snprintf(buf, size, "daskgateway-%s", c->name);
    return buf;
}

char *cr_cluster_api_key(const cr_cluster *c, char *buf, size_t size) {
    snprintf(buf, size, "api-%s", c->name);
    return buf;
}

void cr_cluster_free(cr_cluster *c) {
    for (cr_cluster **at = &c->gateway->clusters; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    cr_timer_stop(&c->deadline);
    for (cr_cluster_worker *w = c->workers, *next; w; w = next) {
        next = w->next;
        cr_timer_stop(&w->deadline);
        free(w);
    }
    for (cr_cluster_waiter *w = c->waiters, *next; w; w = next) {
        next = w->next;
        cr_timer_stop(&w->timer);
        free(w);
    }
    explicit_bzero(&c->certificate, sizeof c->certificate);
    explicit_bzero(c->token, sizeof c->token);
    free(c->options);
    free(c);
}
