/* cluster.h - Dask clusters of people: one small state machine each, in memory while something of it may run, in the database always.
 *
 *   PENDING (scheduler asked of the runner) -> RUNNING (it has sent its heartbeat, and HAProxy knows where it is)
 *   PENDING, RUNNING -> STOPPING -> STOPPED or FAILED, when neither scheduler nor worker is left
 * A start that takes too long, a heartbeat that does not come, and a scheduler that ends make it FAILED, with a reason.
 *
 * Workers: the scheduler says with each heartbeat how many it wants. That number is cut to what the person may have; missing workers are
 * started, those that it has not met yet and does not want any more are stopped; those that it has it sends away itself.
 *
 * Files: cluster.c (limits, small questions), cluster_rows.c (the database), gateway_life.c and gateway_workers.c (what happens), gateway_rest.c (what is asked),
 *   gateway_pages.c (what people look at), dashboards.h.
 * Threads: the hub's loop.
 *
 * Invariants
 *  1. What may run has a row before the runner is asked for it; the row of a worker goes when the runner has said that it ended. So a
 *     hub that was killed finds every process, or knows that it is gone.
 *  2. Limits are looked at and taken on the same turn of the loop: no burst of requests gets past them. Processes are counted, not what
 *     a scheduler says of them: who calls workers closing that are not gets no others.
 *  3. Only ports that the cluster's own account listens at are given to HAProxy; they are looked at again at every heartbeat.
 */
#ifndef CR_PLATFORM_GATEWAY_CLUSTER_H
#define CR_PLATFORM_GATEWAY_CLUSTER_H

#include "platform/gateway/beat.h"
#include "platform/gateway/certificate.h"
#include "platform/gateway/group_limits.h"
#include "platform/gateway/options.h"
#include "platform/gateway/scheduler_call.h"
#include "platform/hub/hub.h"
#include "platform/proxy/proxy_map.h"

typedef enum cr_cluster_status { CR_CLUSTER_PENDING, CR_CLUSTER_RUNNING, CR_CLUSTER_STOPPING, CR_CLUSTER_STOPPED, CR_CLUSTER_FAILED } cr_cluster_status;
enum { CR_CLUSTER_STATUSES = CR_CLUSTER_FAILED + 1 };

typedef enum cr_worker_state {
    CR_WORKER_STARTING,       /* not met by the scheduler yet */
    CR_WORKER_JOINED,
    CR_WORKER_CLOSING         /* sent away by the scheduler, or asked to end: its end is expected */
} cr_worker_state;

struct cr_cluster;
typedef struct cr_cluster_worker {
    struct cr_cluster_worker *next;
    struct cr_cluster *cluster;
    uint32_t number;
    uint64_t generation;
    cr_worker_state state;
    bool seen;                /* in the runner's list */
    int64_t pid;              /* 0: not told yet */
    int64_t counted_ms;       /* monotonic; its time is in the cluster's core_ms up to here */
    int64_t cpu_ms;           /* that it had used then */
    int64_t began_ms;         /* monotonic; of one that an earlier hub started: when this hub began */
    cr_timer deadline;        /* to be met; to be gone */
} cr_cluster_worker;

/* So many workers in a row that never came to the scheduler, and the cluster is given up. */
enum { CR_CLUSTER_FAILURES_MOST = 3 };

/* A request that waits for the end of PENDING. */
typedef struct cr_cluster_waiter {
    struct cr_cluster_waiter *next;
    struct cr_cluster *cluster;
    cr_request *req;
    cr_timer timer;
} cr_cluster_waiter;

typedef struct cr_gateway cr_gateway;
typedef struct cr_cluster {
    struct cr_cluster *next;
    cr_gateway *gateway;
    int64_t id, user_id;
    int64_t server_id;        /* the person's server that it ends with; 0: none */
    uint64_t server_generation;
    char name[CR_CLUSTER_NAME_LEN + 1];
    uint32_t groups;          /* of its person, with a limit: bits of cr_gateway.limits; looked up every minute */
    char user[CR_NAME_MAX + 1], account[CR_ACCOUNT_MAX + 1];
    cr_cluster_status status, outcome;    /* outcome: while STOPPING, what it will be */
    char reason[320];
    char *options;            /* JSON */
    cr_cluster_options choice;
    uint64_t generation;      /* of the scheduler */
    bool scheduler_lives, seen;
    int64_t uid;              /* of its processes; -1: not told yet */
    char token[CR_TOKEN_LEN + 1];
    cr_certificate certificate;
    int64_t ports[3];         /* scheduler, api, dashboard; 0: none */
    int64_t count;            /* workers wanted, within the limits */
    uint32_t last_worker;
    int failures;             /* workers that ended, as far as is known, before the scheduler met them, in a row */
    uint32_t unmet[CR_CLUSTER_FAILURES_MOST];     /* their numbers; 0: of one that never came so far as to end */
    int64_t unmet_ms;         /* when the last of them ended, monotonic, */
    char unmet_how[320];      /* and how */
    int short_lives;          /* workers that ended unasked soon after their start, in a row */
    int64_t pause_until_ms;   /* monotonic; no worker is started before */
    int64_t starts_left, starts_ms;    /* of workers, and since when (monotonic) that is counted; 0: not yet */
    cr_timer again;           /* to start workers after a pause */
    int64_t created_ms;       /* wall */
    int64_t idle_ms, idle_told_ms;     /* how long it had nothing to do, and when (monotonic) its scheduler said so; -1: not known */
    int64_t kept_until_ms;    /* wall; its person keeps it until then, idle or not; 0: not */
    int64_t core_ms, cpu_ms;  /* cores of workers times how long they were there; what they computed */
    char news[320];           /* how a worker ended lately, for who scales it next; "" : nothing new */
    bool unwanted;            /* found when the hub started, and its person is disabled */
    bool waits_for_routes;    /* the first heartbeat came; HAProxy is being told */
    cr_cluster_worker *workers;
    cr_cluster_waiter *waiters;
    cr_timer deadline;        /* PENDING: start; RUNNING: heartbeat; STOPPING: force */
} cr_cluster;

struct cr_gateway {
    cr_hub *hub;
    cr_proxy_map *map;
    cr_group_limit limits[CR_GROUP_LIMITS_MAX];
    int n_limits;
    char schedulers_socket[300];
    cr_cluster *clusters;     /* that are not STOPPED or FAILED */
    struct cr_gateway_call *calls;
    struct cr_dashboard_view *views;      /* see dashboards.h */
    struct cr_dashboard_entry *entries;
    cr_timer servers;         /* to look for the servers of clusters */
    struct cr_installed *installed;       /* see installed.h */
};

static inline cr_gateway *cr_gateway_of(const cr_hub *hub) { return hub->feature_state; }

/* ---- cluster.c ---- */
const char *cr_cluster_status_name(cr_cluster_status status);
/* false: there is no such status. */
bool cr_cluster_status_parse(const char *name, size_t n, cr_cluster_status *ret_status);
cr_cluster *cr_cluster_find(const cr_gateway *g, const char *name);      /* among those in memory */
cr_cluster_worker *cr_cluster_worker_find(const cr_cluster *c, uint32_t number);
/* How many of its workers are there or coming, and not going. */
int64_t cr_cluster_live_workers(const cr_cluster *c);
/* May the person, who is in these groups, have one more cluster? CR_LIMIT names limit and use. */
cr_status cr_cluster_may_begin(const cr_gateway *g, int64_t user_id, uint32_t groups, cr_err *err) CR_MUST_USE;
/* The largest number of workers, at most wanted, that this cluster may have beside the other ones of its person and of its groups; why
 * (may be NULL) says what holds it back. */
int64_t cr_cluster_allowed(const cr_cluster *c, int64_t wanted, char *why, size_t size);
/* How many workers may be started now, as the limits go: those that are going take their place until they are gone. */
int64_t cr_cluster_room(const cr_cluster *c);
/* Brings core_ms and cpu_ms up to date; what a worker computes after the last look before its end is not seen. */
void cr_cluster_count(cr_cluster *c);
/* How long it has had nothing to do, at the moment; -1: it has, or that is not known. */
int64_t cr_cluster_idle_ms(const cr_cluster *c);
/* How long it still may be there without work; -1: for ever. */
int64_t cr_cluster_idle_left_ms(const cr_cluster *c, int64_t idle_ms);
void cr_cluster_free(cr_cluster *c);             /* out of memory; answers nobody */
/* Keys of the clusters map. */
char *cr_cluster_sni(const cr_cluster *c, char *buf, size_t size);
char *cr_cluster_api_key(const cr_cluster *c, char *buf, size_t size);

/* ---- cluster_rows.c ---- */
cr_status cr_cluster_rows_begin(cr_cluster *c, cr_err *err) CR_MUST_USE;           /* gives id and generation */
cr_status cr_cluster_rows_worker(cr_cluster *c, cr_cluster_worker *w, cr_err *err) CR_MUST_USE;   /* gives number and generation */
/* The rest is logged when it fails: the runner's list sets a new hub right. */
void cr_cluster_rows_save(const cr_cluster *c);
void cr_cluster_rows_joined(const cr_cluster_worker *w);
void cr_cluster_rows_worker_ended(const cr_cluster_worker *w);
void cr_cluster_rows_ended(const cr_cluster *c);
cr_status cr_cluster_rows_load(cr_gateway *g, cr_err *err) CR_MUST_USE;
/* Those of a person as clients are told them; statuses: a bit for each cr_cluster_status; name NULL: all, else this one of anybody. */
typedef void (*cr_cluster_row_fn)(void *user, int64_t user_id, json_t *report);
cr_status cr_cluster_rows_report(cr_gateway *g, int64_t user_id, unsigned statuses, const char *name, cr_cluster_row_fn fn, void *user,
                                 cr_err *err) CR_MUST_USE;
/* Why this cluster failed, in the arena; NULL when it did not. */
const char *cr_cluster_rows_failure(cr_gateway *g, const char *name, cr_arena *arena);
/* Why it has ended, or is ending; "" when it does neither, NULL when it is not known. */
const char *cr_cluster_rows_reason(cr_gateway *g, const char *name, cr_arena *arena);
void cr_cluster_rows_sweep(cr_gateway *g);
/* Until when its person keeps it. */
cr_status cr_cluster_rows_keep(const cr_cluster *c, cr_err *err) CR_MUST_USE;
/* A process of it ended unasked; tail: of its log, any bytes. Of one cluster the last CR_FAILURES_KEPT are kept. */
enum { CR_FAILURES_KEPT = 20 };
void cr_cluster_rows_failed(const cr_cluster *c, const char *who, const char *reason, const char *tail);
/* For pages: those of a person (user_id 0: of all), the newest first or the most wasteful; at most limit. [{...}], new. */
cr_status cr_cluster_rows_shown(cr_gateway *g, int64_t user_id, bool by_waste, int64_t limit, json_t **ret_rows, cr_err *err) CR_MUST_USE;

/* ---- gateway_life.c ---- */
/* server_id: of the server that asks, 0: none. */
cr_status cr_cluster_begin(cr_gateway *g, const cr_person *person, int64_t server_id, const cr_cluster_options *choice, const json_t *options,
                           cr_cluster **ret_cluster, cr_err *err) CR_MUST_USE;
/* Ends the clusters whose server does not run any more. */
void cr_gateway_look_for_servers(cr_gateway *g);
void cr_cluster_end(cr_cluster *c, cr_cluster_status outcome, const char *reason);
/* Its scheduler has nothing to do, and asks to end: it does, unless its person keeps it. */
void cr_cluster_end_idle(cr_cluster *c);
/* false: the heartbeat does not fit (err); the cluster may have ended by it. */
cr_status cr_cluster_beat(cr_cluster *c, const cr_beat *beat, cr_err *err) CR_MUST_USE;
void cr_cluster_wait(cr_cluster *c, cr_request *req);        /* answers later */
bool cr_gateway_event(cr_hub *hub, const cr_runner_event *event);
bool cr_gateway_release(cr_hub *hub, int64_t user_id);
cr_status cr_gateway_claim_routes(cr_gateway *g, cr_err *err) CR_MUST_USE;

void cr_cluster_stop_process(cr_cluster *c, const cr_server_id *id, uint32_t grace_ms);
/* Is nothing left of what is ending? Then it has ended, and is out of memory. */
void cr_cluster_settle(cr_cluster *c);

/* ---- gateway_workers.c ---- */
enum {
    CR_CLUSTER_GRACE_MS = 5 * 1000,       /* for a process to end by itself */
    CR_CLUSTER_FORCE_MS = 15 * 1000       /* then it should be gone; between repetitions */
};
/* As many workers as are wanted: missing ones are started, surplus ones that the scheduler has not met are stopped. Those that it has met
 * it sends away itself. */
void cr_workers_balance(cr_cluster *c);
/* What its scheduler says of them. */
void cr_workers_note(cr_cluster *c, const cr_beat *beat);
/* Begins the time in which the scheduler must meet it. */
void cr_worker_expect(cr_cluster_worker *w);
void cr_worker_stop(cr_cluster_worker *w, uint32_t grace_ms);
/* It has ended; the cluster may go with it. */
void cr_worker_exit(cr_cluster_worker *w, const char *text, const char *tail);

/* ---- gateway_rest.c ---- */
extern const cr_route cr_gateway_routes[];       /* also those of gateway_pages.c */
void cr_gateway_reply_report(cr_request *req, const char *name);
void cr_gateway_drop_calls(cr_gateway *g);

/* ---- gateway_pages.c ---- */
void cr_clusters_page(cr_request *req);
void cr_clusters_stop(cr_request *req);
void cr_clusters_keep(cr_request *req);
void cr_clusters_admin_page(cr_request *req);
void cr_clusters_admin_stop(cr_request *req);

#endif
