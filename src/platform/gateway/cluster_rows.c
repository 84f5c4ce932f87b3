/* cluster_rows.c - the tables clusters and cluster_workers. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/gateway/cluster.h"
#include "platform/hub/lab.h"

/* How long clients may ask what became of a cluster, and how many of them are kept. */
enum { HISTORY_MS = 24 * 3600 * 1000, HISTORY_MOST = 1000, FAILURES_SHOWN = 4 };

static void note(const char *what, cr_status status, const cr_err *err) {
    if (status != CR_OK)
        cr_log_err(CR_LOG_ERROR, what, err);
}

static cr_status insert(cr_cluster *c, cr_err *err) {
    cr_db *db = c->gateway->hub->db;
    CR_TRY(cr_next_generation(db, &c->generation, err));
    CR_TRY(cr_db_run(db, err, "INSERT INTO clusters (name, user_id, status, options, cores, memory_bytes, generation, token, cert, key, created_ms, "
                     "server_id, server_generation) VALUES (?, ?, 'PENDING', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "titiiitttiii", c->name, c->user_id,
                     c->options, c->choice.cores, (int64_t)c->choice.memory_bytes, (int64_t)c->generation, c->token, c->certificate.cert,
                     c->certificate.key, c->created_ms, c->server_id, (int64_t)c->server_generation));
    c->id = cr_db_last_id(db);
    return CR_OK;
}

cr_status cr_cluster_rows_begin(cr_cluster *c, cr_err *err) {
    CR_TRY(cr_db_begin(c->gateway->hub->db, err));
    return cr_db_end(c->gateway->hub->db, insert(c, err), err);
}

static cr_status insert_worker(cr_cluster *c, cr_cluster_worker *w, cr_err *err) {
    cr_db *db = c->gateway->hub->db;
    CR_TRY(cr_next_generation(db, &w->generation, err));
    CR_TRY(cr_db_run(db, err, "UPDATE clusters SET last_worker = ? WHERE id = ?", "ii", (int64_t)w->number, c->id));
    return cr_db_run(db, err, "INSERT INTO cluster_workers (generation, cluster_id, number) VALUES (?, ?, ?)", "iii", (int64_t)w->generation, c->id,
                     (int64_t)w->number);
}

cr_status cr_cluster_rows_worker(cr_cluster *c, cr_cluster_worker *w, cr_err *err) {
    w->number = c->last_worker + 1;
    CR_TRY(cr_db_begin(c->gateway->hub->db, err));
    CR_TRY(cr_db_end(c->gateway->hub->db, insert_worker(c, w, err), err));
    c->last_worker = w->number;
    return CR_OK;
}

void cr_cluster_rows_save(const cr_cluster *c) {
    cr_err err = CR_ERR_INIT;
    const char *outcome = c->status == CR_CLUSTER_STOPPING ? cr_cluster_status_name(c->outcome) : NULL;
    note("saving a cluster",
         cr_db_run(c->gateway->hub->db, &err, "UPDATE clusters SET status = ?, outcome = ?, reason = ?, scheduler_port = ?, api_port = ?, "
                   "dashboard_port = ?, count = ?, core_ms = ?, cpu_ms = ? WHERE id = ?", "tttiiiiiii", cr_cluster_status_name(c->status), outcome,
                   c->reason[0] ? c->reason : NULL, c->ports[0], c->ports[1], c->ports[2], c->count, c->core_ms,
                   c->cpu_ms, c->id), &err);
}

void cr_cluster_rows_joined(const cr_cluster_worker *w) {
    cr_err err = CR_ERR_INIT;
    note("noting a worker", cr_db_run(w->cluster->gateway->hub->db, &err, "UPDATE cluster_workers SET joined = 1 WHERE generation = ?", "i",
                                      (int64_t)w->generation), &err);
}

void cr_cluster_rows_worker_ended(const cr_cluster_worker *w) {
    cr_err err = CR_ERR_INIT;
    note("noting the end of a worker", cr_db_run(w->cluster->gateway->hub->db, &err, "DELETE FROM cluster_workers WHERE generation = ?", "i",
                                                 (int64_t)w->generation), &err);
}

void cr_cluster_rows_ended(const cr_cluster *c) {
    cr_err err = CR_ERR_INIT;
    note("noting the end of a cluster",
         cr_db_run(c->gateway->hub->db, &err, "UPDATE clusters SET status = ?, outcome = NULL, reason = ?, token = '', cert = '', key = '', "
                   "options = json_set(options, '$.environment', json('{}')), scheduler_port = 0, api_port = 0, dashboard_port = 0, count = 0, "
                   "core_ms = ?, cpu_ms = ?, stopped_ms = ? WHERE id = ?", "ttiiii", cr_cluster_status_name(c->outcome),
                   c->reason[0] ? c->reason : NULL, c->core_ms, c->cpu_ms, cr_wall_ms(), c->id), &err);
}

cr_status cr_cluster_rows_keep(const cr_cluster *c, cr_err *err) {
    return cr_db_run(c->gateway->hub->db, err, "UPDATE clusters SET kept_until_ms = ? WHERE id = ?", "ii", c->kept_until_ms, c->id);
}

/* ---- reading ---- */

static void copy(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text ? text : ""); }

static cr_cluster_status status_of(const char *text) {
    cr_cluster_status s;
    return text && cr_cluster_status_parse(text, strlen(text), &s) ? s : CR_CLUSTER_FAILED;
}

static cr_status load_workers(cr_cluster *c, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(c->gateway->hub->db, &q, err, "SELECT generation, number, joined FROM cluster_workers WHERE cluster_id = ?", "i", c->id));
    while (cr_query_next(&q)) {
        cr_cluster_worker *w = calloc(1, sizeof *w);
        if (!w)
            return CR_FAIL(err, CR_MEMORY, "no memory for a worker");
        *w = (cr_cluster_worker){.next = c->workers, .cluster = c, .began_ms = cr_now_ms(), .counted_ms = cr_now_ms(),
                                 .generation = (uint64_t)cr_query_int(&q, 0), .number = (uint32_t)cr_query_int(&q, 1),
                                 .state = cr_query_int(&q, 2) ? CR_WORKER_JOINED : CR_WORKER_STARTING};
        c->workers = w;
    }
    return cr_query_end(&q, err);
}

/* It was right when it was written. */
static void load_options(cr_cluster *c) {
    cr_err err = CR_ERR_INIT;
    json_t *options = c->options ? json_loads(c->options, 0, NULL) : NULL, *given = json_object_get(options, "environment");
    if (given)
        note("reading a cluster's environment", cr_options_environment(given, c->choice.environment, &err), &err);
    const char *software = json_string_value(json_object_get(options, "software"));
    if (software && strcmp(software, CR_SOFTWARE_OWN) != 0 && cr_profile_slug_is_right(software))
        copy(c->choice.software, sizeof c->choice.software, software);
    json_decref(options);
}

static cr_status load_cluster(cr_gateway *g, const cr_query *q, cr_err *err) {
    cr_cluster *c = calloc(1, sizeof *c);
    if (!c)
        return CR_FAIL(err, CR_MEMORY, "no memory for a cluster");
    c->gateway = g;
    c->next = g->clusters;
    g->clusters = c;
    c->id = cr_query_int(q, 0);
    copy(c->name, sizeof c->name, cr_query_text(q, 1));
    c->user_id = cr_query_int(q, 2);
    copy(c->user, sizeof c->user, cr_query_text(q, 3));
    copy(c->account, sizeof c->account, cr_query_text(q, 4));
    c->status = status_of(cr_query_text(q, 5));
    c->outcome = status_of(cr_query_text(q, 6));
    copy(c->reason, sizeof c->reason, cr_query_text(q, 7));
    c->options = strdup(cr_query_text(q, 8));
    c->choice.cores = cr_query_int(q, 9);
    c->choice.memory_bytes = (uint64_t)cr_query_int(q, 10);
    load_options(c);
    c->generation = (uint64_t)cr_query_int(q, 11);
    copy(c->token, sizeof c->token, cr_query_text(q, 12));
    copy(c->certificate.cert, sizeof c->certificate.cert, cr_query_text(q, 13));
    copy(c->certificate.key, sizeof c->certificate.key, cr_query_text(q, 14));
    c->ports[0] = cr_query_int(q, 15);
    c->ports[1] = cr_query_int(q, 16);
    c->count = cr_query_int(q, 17);
    c->last_worker = (uint32_t)cr_query_int(q, 18);
    c->created_ms = cr_query_int(q, 19);
    c->unwanted = cr_query_int(q, 20);
    c->server_id = cr_query_int(q, 21);
    c->server_generation = (uint64_t)cr_query_int(q, 22);
    c->core_ms = cr_query_int(q, 23);
    c->cpu_ms = cr_query_int(q, 24);
    c->ports[2] = cr_query_int(q, 25);
    c->kept_until_ms = cr_query_int(q, 26);
    c->idle_ms = -1;
    c->scheduler_lives = true;        /* until the runner's list says otherwise */
    c->uid = -1;
    return c->options ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for a cluster");
}

cr_status cr_cluster_rows_load(cr_gateway *g, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(g->hub->db, &q, err, "SELECT c.id, c.name, c.user_id, u.name, u.account, c.status, c.outcome, c.reason, c.options, c.cores, "
                         "c.memory_bytes, c.generation, c.token, c.cert, c.key, c.scheduler_port, c.api_port, c.count, c.last_worker, c.created_ms, u.disabled, "
                         "c.server_id, c.server_generation, c.core_ms, c.cpu_ms, c.dashboard_port, c.kept_until_ms "
                         "FROM clusters c JOIN users u ON u.id = c.user_id WHERE c.status IN ('PENDING', 'RUNNING', 'STOPPING')", ""));
    while (cr_query_next(&q))
        CR_TRY(load_cluster(g, &q, err));
    CR_TRY(cr_query_end(&q, err));
    for (cr_cluster *c = g->clusters; c; c = c->next)
        CR_TRY(load_workers(c, err));
    return CR_OK;
}

static json_t *or_null(json_t *value) { return value ? value : json_null(); }

static json_t *report(const cr_query *q, bool with_keys) {
    const char *status = cr_query_text(q, 1);
    bool running = strcmp(status, "RUNNING") == 0;
    json_t *r = json_pack("{s:s, s:s, s:o, s:I, s:o, s:o}", "name", cr_query_text(q, 0), "status", status, "options",
                          or_null(json_loads(cr_query_text(q, 2), 0, NULL)), "start_time", (json_int_t)cr_query_int(q, 3), "stop_time",
                          cr_query_int(q, 4) ? json_integer(cr_query_int(q, 4)) : json_null(), "dashboard_route",
                          running && cr_query_int(q, 8) ? json_sprintf("/clusters/%s/status", cr_query_text(q, 0)) : json_null());
    if (r && with_keys) {
        json_object_set_new(r, "tls_cert", running ? json_string(cr_query_text(q, 5)) : json_null());
        json_object_set_new(r, "tls_key", running ? json_string(cr_query_text(q, 6)) : json_null());
    }
    return r;
}

cr_status cr_cluster_rows_report(cr_gateway *g, int64_t user_id, unsigned statuses, const char *name, cr_cluster_row_fn fn, void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(g->hub->db, &q, err, "SELECT name, status, options, created_ms, coalesce(stopped_ms, 0), cert, key, user_id, dashboard_port FROM clusters "
                         "WHERE ((?1 IS NULL AND user_id = ?2) OR name = ?1) ORDER BY id DESC LIMIT 1000", "ti", name, user_id));
    while (cr_query_next(&q))
        if (statuses & 1u << status_of(cr_query_text(&q, 1)))
            fn(user, cr_query_int(&q, 7), report(&q, name != NULL));
    return cr_query_end(&q, err);
}

const char *cr_cluster_rows_failure(cr_gateway *g, const char *name, cr_arena *arena) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (cr_query_open(g->hub->db, &q, NULL, "SELECT coalesce(reason, '') FROM clusters WHERE name = ? AND (status = 'FAILED' OR outcome = 'FAILED')", "t",
                      name) != CR_OK || !cr_query_next(&q))
        return NULL;
    return cr_arena_strdup(arena, cr_query_text(&q, 0));
}

const char *cr_cluster_rows_reason(cr_gateway *g, const char *name, cr_arena *arena) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (cr_query_open(g->hub->db, &q, NULL, "SELECT coalesce(reason, '') FROM clusters WHERE name = ?", "t", name) != CR_OK || !cr_query_next(&q))
        return NULL;
    return cr_arena_strdup(arena, cr_query_text(&q, 0));
}

/* ---- how processes ended ---- */

/* Lines of a program on their way to people: each cleaned, newlines kept. In place. */
static void clean_lines(char *text) {
    char *out = text, *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        cr_text_clean(line);
        size_t n = strlen(line);
        memmove(out, line, n);
        out += n;
        if (rest)
            *out++ = '\n';
    }
    *out = 0;
}

static cr_status add_failure(const cr_cluster *c, const char *who, const char *reason, const char *tail, cr_err *err) {
    cr_db *db = c->gateway->hub->db;
    CR_TRY(cr_db_run(db, err, "INSERT INTO cluster_failures (cluster_id, who, ended_ms, reason, tail) VALUES (?, ?, ?, ?, ?)", "ititt", c->id, who,
                     cr_wall_ms(), reason, tail));
    return cr_db_run(db, err, "DELETE FROM cluster_failures WHERE cluster_id = ?1 AND id <= "
                     "(SELECT id FROM cluster_failures WHERE cluster_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)", "ii", c->id, (int64_t)CR_FAILURES_KEPT);
}

void cr_cluster_rows_failed(const cr_cluster *c, const char *who, const char *reason, const char *tail) {
    char clean_reason[CR_LOG_TAIL_MAX + 1], clean_tail[CR_LOG_TAIL_MAX + 1];
    cr_err err = CR_ERR_INIT;
    snprintf(clean_reason, sizeof clean_reason, "%s", reason);
    snprintf(clean_tail, sizeof clean_tail, "%s", tail);
    cr_text_clean(clean_reason);
    clean_lines(clean_tail);
    cr_status status = cr_db_begin(c->gateway->hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(c->gateway->hub->db, add_failure(c, who, clean_reason, clean_tail, &err), &err);
    note("noting how a worker ended", status, &err);
}

/* ---- for pages ---- */

static json_t *ago(int64_t wall_ms) {
    char text[24];
    return json_string(cr_text_duration(CR_MAX(cr_wall_ms() - wall_ms, (int64_t)0), text, sizeof text));
}

static json_t *hours(int64_t ms) { return json_sprintf("%.2f", (double)ms / 3600000); }

/* What a person's programs wrote is that person's to read; a reason has the last line of it behind ": ". */
#define WITHOUT_OUTPUT(column) "substr(" column ", 1, instr(" column " || ': ', ': ') - 1)"

static cr_status failures_of(cr_gateway *g, int64_t cluster_id, bool with_tails, json_t *list, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(g->hub->db, &q, err, "SELECT who, ended_ms, CASE WHEN ?2 THEN reason ELSE " WITHOUT_OUTPUT("reason") " END, "
                         "CASE WHEN ?2 THEN tail ELSE '' END FROM cluster_failures "
                         "WHERE cluster_id = ?1 ORDER BY id DESC LIMIT ?3", "iii", cluster_id, (int64_t)with_tails, (int64_t)FAILURES_SHOWN));
    while (cr_query_next(&q))
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "who", cr_query_text(&q, 0), "ago", ago(cr_query_int(&q, 1)), "reason",
                                              cr_query_text(&q, 2), "tail", cr_query_text(&q, 3)));
    return cr_query_end(&q, err);
}

/* Since when it has nothing to do, and when it ends for that. What is shorter than a heartbeat or two is no news. */
static void add_idle(json_t *row, const cr_cluster *c, bool own) {
    const cr_config *k = c->gateway->hub->config;
    int64_t idle = cr_cluster_idle_ms(c), left = cr_cluster_idle_left_ms(c, CR_MAX(idle, (int64_t)0)), kept = c->kept_until_ms - cr_wall_ms();
    char text[24];
    if (idle >= k->gateway_heartbeat_s * 1000 && left >= 0) {
        json_object_set_new(row, "idle", json_string(cr_text_span(idle, text, sizeof text)));
        json_object_set_new(row, "ends_in", json_string(cr_text_span(left, text, sizeof text)));
    }
    if (kept > 0 && left >= 0)
        json_object_set_new(row, "kept", json_string(cr_text_span(kept, text, sizeof text)));
    if (own && k->gateway_keep_s && left >= 0)
        json_object_set_new(row, "keep", json_string(cr_text_span(k->gateway_keep_s * 1000, text, sizeof text)));
}

/* own: for the cluster's person. */
static json_t *shown(cr_gateway *g, const cr_query *q, bool own) {
    const char *status = cr_query_text(q, 2), *name = cr_query_text(q, 1);
    const cr_cluster *c = cr_cluster_find(g, name);
    int64_t core = c ? c->core_ms : cr_query_int(q, 8), cpu = c ? c->cpu_ms : cr_query_int(q, 9), stopped = cr_query_int(q, 7);
    char memory[16];
    bool lives = strcmp(status, "STOPPED") != 0 && strcmp(status, "FAILED") != 0;
    json_t *row = json_pack("{s:s, s:s#, s:s, s:b, s:b, s:b, s:s, s:I, s:I, s:I, s:s, s:o, s:o, s:I, s:o, s:o, s:b}", "name", name, "short", name,
                            (int)CR_MIN(strlen(name), (size_t)8), "state", status, "lives", lives, "runs", strcmp(status, "RUNNING") == 0, "failed",
                            strcmp(status, "FAILED") == 0, "reason", cr_query_text(q, 3), "workers", (json_int_t)(c ? cr_cluster_live_workers(c) : 0), "wanted",
                            (json_int_t)(c ? c->count : 0), "cores", (json_int_t)cr_query_int(q, 4), "memory",
                            cr_text_bytes((uint64_t)cr_query_int(q, 5), memory, sizeof memory), "core_hours", hours(core), "wasted",
                            hours(CR_MAX(core - cpu, (int64_t)0)), "used_percent", (json_int_t)(core > 0 ? CR_MIN(cpu * 100 / core, (int64_t)100) : 0),
                            "made", ago(cr_query_int(q, 6)), "ended", stopped ? ago(stopped) : json_null(), "bound", cr_query_int(q, 10) != 0);
    if (row)
        json_object_set_new(row, "user", json_string(cr_query_text(q, 11)));
    if (row && c && c->status != CR_CLUSTER_STOPPING) {
        json_object_set_new(row, "may_stop", json_true());
        add_idle(row, c, own);
    }
    /* The hub's own address, which leads on to the person's. */
    if (row && own && c && c->status == CR_CLUSTER_RUNNING && c->ports[2])
        json_object_set_new(row, "dashboard", json_sprintf("/hub/dashboard" CR_GATEWAY_PATH "/clusters/%s/status", c->name));
    return row;
}

cr_status cr_cluster_rows_shown(cr_gateway *g, int64_t user_id, bool by_waste, int64_t limit, json_t **ret_rows, cr_err *err) {
    json_t *rows = json_array();
    cr_auto_query cr_query q = CR_QUERY_INIT;
    cr_status status = cr_query_open(g->hub->db, &q, err, "SELECT c.id, c.name, c.status, coalesce(CASE WHEN ?1 THEN c.reason ELSE " WITHOUT_OUTPUT("c.reason") " END, ''), c.cores, c.memory_bytes, c.created_ms, "
                                     "coalesce(c.stopped_ms, 0), c.core_ms, c.cpu_ms, c.server_id, u.name FROM clusters c JOIN users u ON u.id = c.user_id "
                                     "WHERE ?1 = 0 OR c.user_id = ?1 ORDER BY CASE WHEN ?2 THEN c.core_ms - c.cpu_ms ELSE c.stopped_ms IS NULL END DESC, "
                                     "c.id DESC LIMIT ?3", "iii", user_id, (int64_t)by_waste, limit);
    while (status == CR_OK && cr_query_next(&q)) {
        json_t *row = shown(g, &q, user_id != 0), *failures = json_array();
        status = failures_of(g, cr_query_int(&q, 0), user_id != 0, failures, err);
        json_object_set_new(row, "n_failures", json_array_size(failures) ? json_integer((json_int_t)json_array_size(failures)) : json_null());
        json_object_set_new(row, "failures", failures);
        json_array_append_new(rows, row);
    }
    if (status == CR_OK)
        status = cr_query_end(&q, err);
    if (status != CR_OK) {
        json_decref(rows);
        return status;
    }
    *ret_rows = rows;
    return CR_OK;
}

void cr_cluster_rows_sweep(cr_gateway *g) {
    cr_err err = CR_ERR_INIT;
    note("sweeping old clusters",
         cr_db_run(g->hub->db, &err, "DELETE FROM clusters WHERE status IN ('STOPPED', 'FAILED') AND (stopped_ms < ?1 OR id <= "
                   "(SELECT id FROM clusters WHERE status IN ('STOPPED', 'FAILED') ORDER BY id DESC LIMIT 1 OFFSET ?2))", "ii",
                   cr_wall_ms() - HISTORY_MS, (int64_t)HISTORY_MOST), &err);
}
