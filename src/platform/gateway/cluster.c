/* cluster.c - limits and small questions. */
#include "platform/gateway/cluster.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
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

/* Who shares a limit: a person, all people of a group (0 and more), or the workers of one cluster. */
enum { OF_PERSON = -1, OF_CLUSTER = -2 };
typedef struct share {
    int group;
    int64_t user_id;
    cr_cluster_limits most;
    const char *name;         /* of the group */
} share;

static share share_of(const cr_gateway *g, int64_t user_id, int group) {
    const cr_config *k = g->hub->config;
    if (group == OF_CLUSTER)
        return (share){group, user_id, {INT64_MAX, k->gateway_cluster_workers ? k->gateway_cluster_workers : INT64_MAX,
                                        k->gateway_cluster_cores ? k->gateway_cluster_cores : INT64_MAX,
                                        k->gateway_cluster_memory_bytes ? k->gateway_cluster_memory_bytes : UINT64_MAX}, NULL};
    if (group >= 0)
        return (share){group, user_id, g->limits[group].most, g->limits[group].group};
    return (share){OF_PERSON, user_id, {k->gateway_clusters, k->gateway_workers, k->gateway_cores, k->gateway_memory_bytes}, NULL};
}

/* Without one cluster (NULL: of all). Workers that were promised count as those that are there; what is stopping counts until it is gone. */
static use use_of(const cr_gateway *g, const share *s, const cr_cluster *without) {
    use u = {0};
    for (const cr_cluster *c = s->group == OF_CLUSTER ? NULL : g->clusters; c; c = c->next) {
        if (c == without || (s->group < 0 ? c->user_id != s->user_id : !(c->groups & 1u << s->group)))
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

static cr_status may_begin(const cr_gateway *g, const share *s, cr_err *err) {
    use u = use_of(g, s, NULL);
    char have[16], most[16], who[CR_GROUP_NAME_MAX + 32], whose[CR_GROUP_NAME_MAX + 32];
    snprintf(who, sizeof who, "%s%s%s", s->name ? "the people of group " : "you", s->name ? s->name : "", " have");
    snprintf(whose, sizeof whose, "%s%s%s", s->name ? "the clusters of group " : "your clusters", s->name ? s->name : "", " have");
    if (u.clusters >= s->most.clusters)
        return CR_FAIL(err, CR_LIMIT, "%s %lld clusters, and %lld are allowed at a time: stop one (Gateway().list_clusters() shows yours)", who,
                       (long long)u.clusters, (long long)s->most.clusters);
    if (s->most.memory_bytes < CR_SCHEDULER_MEMORY || u.memory_bytes > s->most.memory_bytes - CR_SCHEDULER_MEMORY)
        return CR_FAIL(err, CR_LIMIT, "%s %s of the %s that are allowed, and a scheduler needs 1 GiB: stop a cluster or scale one down", whose,
                       cr_text_bytes(u.memory_bytes, have, sizeof have), cr_text_bytes(s->most.memory_bytes, most, sizeof most));
    return CR_OK;
}

cr_status cr_cluster_may_begin(const cr_gateway *g, int64_t user_id, uint32_t groups, cr_err *err) {
    for (int i = OF_PERSON; i < g->n_limits; i++) {
        share s = share_of(g, user_id, i);
        if (i < 0 || groups & 1u << i)
            CR_TRY(may_begin(g, &s, err));
    }
    return CR_OK;
}

static int64_t allowed(const cr_cluster *c, const share *s, char *why, size_t size) {
    use u = use_of(c->gateway, s, c);
    uint64_t taken = u.memory_bytes + CR_SCHEDULER_MEMORY;
    uint64_t left = s->most.memory_bytes > taken ? s->most.memory_bytes - taken : 0;
    char most[16], whom[CR_GROUP_NAME_MAX + 32];
    const int64_t by_workers = CR_MAX(s->most.workers - u.workers, (int64_t)0);
    const int64_t by_cores = CR_MAX(s->most.cores - u.cores, (int64_t)0) / c->choice.cores;
    const int64_t by_memory = (int64_t)CR_MIN(left / c->choice.memory_bytes, (uint64_t)INT32_MAX);
    int64_t least = CR_MIN(by_workers, CR_MIN(by_cores, by_memory));
    snprintf(whom, sizeof whom, "%s%s%s", s->name ? "the people of group " : s->group == OF_CLUSTER ? "one cluster" : "one person", s->name ? s->name : "",
             s->name ? " together" : "");
    if (why && least == by_memory)
        snprintf(why, size, "%s of memory for %s, schedulers counted", cr_text_bytes(s->most.memory_bytes, most, sizeof most), whom);
    else if (why && least == by_cores)
        snprintf(why, size, "%lld cores for %s", (long long)s->most.cores, whom);
    else if (why)
        snprintf(why, size, "%lld workers for %s", (long long)s->most.workers, whom);
    return least;
}

int64_t cr_cluster_allowed(const cr_cluster *c, int64_t wanted, char *why, size_t size) {
    int64_t least = INT64_MAX;
    for (int i = OF_CLUSTER; i < c->gateway->n_limits; i++) {
        share s = share_of(c->gateway, c->user_id, i);
        if (i >= 0 && !(c->groups & 1u << i))
            continue;
        int64_t n = allowed(c, &s, NULL, 0);
        if (n < least)
            least = allowed(c, &s, why, size);
    }
    return CR_MIN(wanted, least);
}

int64_t cr_cluster_room(const cr_cluster *c) {
    int64_t n = 0;
    for (const cr_cluster_worker *w = c->workers; w; w = w->next)
        n++;
    return CR_MAX(cr_cluster_allowed(c, INT64_MAX, NULL, 0) - n, (int64_t)0);
}

/* ---- use ---- */

/* User and system time of the process and of those that it has waited for, in ms; -1: gone. */
static int64_t cpu_of(int64_t pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return -1;
    text[n] = 0;
    const char *after = strrchr(text, ')');       /* the name may have anything in it */
    long long t[4];
    if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld", &t[0], &t[1], &t[2], &t[3]) != 4)
        return -1;
    return (int64_t)((t[0] + t[1] + t[2] + t[3]) * 1000 / sysconf(_SC_CLK_TCK));
}

void cr_cluster_count(cr_cluster *c) {
    int64_t now = cr_now_ms();
    for (cr_cluster_worker *w = c->workers; w; w = w->next) {
        int64_t cpu = w->pid ? cpu_of(w->pid) : -1;
        c->core_ms += c->choice.cores * (now - w->counted_ms);
        w->counted_ms = now;
        if (cpu > w->cpu_ms) {
            c->cpu_ms += cpu - w->cpu_ms;
            w->cpu_ms = cpu;
        }
    }
}

/* ---- without work ---- */

int64_t cr_cluster_idle_ms(const cr_cluster *c) {
    return c->idle_ms > 0 && c->status == CR_CLUSTER_RUNNING ? c->idle_ms + cr_now_ms() - c->idle_told_ms : -1;
}

int64_t cr_cluster_idle_left_ms(const cr_cluster *c, int64_t idle_ms) {
    const int64_t most = c->gateway->hub->config->gateway_idle_s * 1000;
    return most ? CR_MAX(CR_MAX(most - idle_ms, c->kept_until_ms - cr_wall_ms()), (int64_t)0) : -1;
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
    cr_timer_stop(&c->again);
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
