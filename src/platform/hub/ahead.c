/* ahead.c - the tables ahead and ahead_people, and what is done about them every second. Pages and calls are in ahead_page.c. */
#include "platform/hub/ahead.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/lab_queue.h"
#include "platform/hub/notices.h"
#include "platform/hub/profile_choice.h"
#include "platform/hub/rest.h"
#include "platform/hub/rest_time.h"
#include "platform/identity/groups.h"

enum { TICK_MS = 1000, AT_ONCE = 32, KEPT_MS = 24 * 3600 * 1000, HOUR_MS = 3600 * 1000, FAILED_MOST = 200 };

struct cr_aheads {
    cr_hub *hub;
    cr_timer timer;
    int64_t after_plan, after_user;   /* where the next look at what runs goes on */
};

/* ---- plans ---- */

cr_status cr_ahead_read(cr_hub *hub, const char *group, const char *at, const char *hours, cr_ahead_plan *ret_plan, cr_err *err) {
    cr_ahead_plan p = {.begin_ms = cr_wall_ms()};
    int64_t id, n, now = p.begin_ms;
    char whole[48];
    if (strlen(group) >= sizeof p.group || cr_group_find(hub->db, group, &id, NULL) != CR_OK)
        return CR_FAIL(err, CR_NOT_FOUND, "there is no group of the name '%.80s'", group);
    snprintf(p.group, sizeof p.group, "%s", group);
    if (*at) {
        snprintf(whole, sizeof whole, "%.40s%s", at, strlen(at) == 16 ? ":00Z" : cr_ends_with(at, "Z") ? "" : "Z");
        if (!cr_rest_parse_time(whole, &p.begin_ms))
            return CR_FAIL(err, CR_INVALID, "'%.40s' is no time (UTC) such as 2026-11-24T08:30", at);
    }
    if (p.begin_ms > now + CR_AHEAD_DAYS_MAX * (int64_t)24 * HOUR_MS)
        return CR_FAIL(err, CR_RANGE, "the time to begin is more than %d days from now", CR_AHEAD_DAYS_MAX);
    if (cr_parse_int(hours, 1, CR_AHEAD_HOURS_MAX, &n, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "servers are kept for 1 to %d hours, not '%.20s'", CR_AHEAD_HOURS_MAX, hours);
    p.until_ms = p.begin_ms + n * HOUR_MS;
    if (p.until_ms <= now)
        return CR_FAIL(err, CR_RANGE, "that time has passed");
    *ret_plan = p;
    return CR_OK;
}

static cr_status count_plans(cr_hub *hub, int64_t *ret_n, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT count(*) FROM ahead", ""));
    if (cr_query_next(&q))
        *ret_n = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

static cr_status add_row(cr_hub *hub, const cr_actor *who, const cr_ahead_plan *p, int64_t *ret_id, cr_err *err) {
    int64_t n = 0;
    CR_TRY(count_plans(hub, &n, err));
    if (n >= CR_AHEAD_PLANS_MAX)
        return CR_FAIL(err, CR_LIMIT, "there are %d plans already: take some away", CR_AHEAD_PLANS_MAX);
    CR_TRY(cr_db_run(hub->db, err, "INSERT INTO ahead (group_name, begin_ms, until_ms, made_by) VALUES (?, ?, ?, ?)", "tiit", p->group, p->begin_ms,
                     p->until_ms, who->name));
    *ret_id = cr_db_last_id(hub->db);
    return CR_OK;
}

cr_status cr_ahead_add(cr_hub *hub, const cr_actor *who, const cr_ahead_plan *p, int64_t *ret_id, cr_err *err) {
    char from[32], to[32], detail[100];
    snprintf(detail, sizeof detail, "from %s to %s", cr_iso8601(p->begin_ms, from, sizeof from), cr_iso8601(p->until_ms, to, sizeof to));
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, add_row(hub, who, p, ret_id, err), CR_AUDIT_AHEAD_PLANNED, p->group, detail, err);
}

static cr_status remove_row(cr_hub *hub, int64_t id, char group[CR_GROUP_NAME_MAX + 1], cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT group_name FROM ahead WHERE id = ?", "i", id));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return CR_FAIL(err, CR_NOT_FOUND, "there is no plan %lld", (long long)id);
    }
    snprintf(group, CR_GROUP_NAME_MAX + 1, "%s", cr_query_text(&q, 0));
    cr_query_close(&q);
    return cr_db_run(hub->db, err, "DELETE FROM ahead WHERE id = ?", "i", id);
}

cr_status cr_ahead_remove(cr_hub *hub, const cr_actor *who, int64_t id, cr_err *err) {
    char group[CR_GROUP_NAME_MAX + 1] = "";
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = remove_row(hub, id, group, err);
    return cr_audit_end(hub, who, status, CR_AUDIT_AHEAD_CANCELLED, group, "", err);
}

/* ---- carrying out ---- */

/* Who is in the group now. Those whom an administrator has disabled are not asked for. */
static cr_status begin_rows(cr_hub *hub, int64_t now, cr_err *err) {
    CR_TRY(cr_db_run(hub->db, err,
                     "INSERT OR IGNORE INTO ahead_people (ahead_id, user_id, state) "
                     "SELECT a.id, u.id, 'to do' FROM ahead a JOIN groups g ON g.name = a.group_name JOIN users u ON u.disabled = 0 AND "
                     "(u.id IN (SELECT user_id FROM group_members WHERE group_id = g.id) OR "
                     " u.id IN (SELECT i.user_id FROM memberships m JOIN identities i ON i.id = m.identity_id WHERE m.name = g.name)) "
                     "WHERE a.begun = 0 AND a.begin_ms <= ?1 AND a.until_ms > ?1", "i", now));
    return cr_db_run(hub->db, err, "UPDATE ahead SET begun = 1 WHERE begun = 0 AND begin_ms <= ?", "i", now);
}

static void begin_plans(cr_hub *hub, int64_t now) {
    cr_err err = CR_ERR_INIT;
    bool any = false;
    {
        cr_auto_query cr_query q = CR_QUERY_INIT;
        if (cr_query_open(hub->db, &q, &err, "SELECT 1 FROM ahead WHERE begun = 0 AND begin_ms <= ? LIMIT 1", "i", now) == CR_OK)
            any = cr_query_next(&q);
    }
    if (!any)
        return;
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, begin_rows(hub, now, &err), &err);
    if (status == CR_OK)
        cr_log(CR_LOG_INFO, "servers are started ahead", NULL);
    else
        cr_log_err(CR_LOG_ERROR, "starting servers ahead", &err);
}

typedef struct one {
    int64_t plan, user_id, until_ms;
    bool ready;               /* and noted as that */
} one;

/* state, whose rows: at most AT_ONCE, after a place. */
static int read_rows(cr_hub *hub, const char *state, int64_t plan, int64_t user, int64_t now, one *list) {
    int n = 0;
    cr_err err = CR_ERR_INIT;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (cr_query_open(hub->db, &q, &err, "SELECT p.ahead_id, p.user_id, a.until_ms, p.state = 'ready' FROM ahead_people p JOIN ahead a ON a.id = p.ahead_id "
                      "WHERE p.state IN (?1, iif(?1 = 'asked', 'ready', ?1)) AND a.until_ms > ?2 AND (p.ahead_id, p.user_id) > (?3, ?4) "
                      "ORDER BY p.ahead_id, p.user_id LIMIT ?5", "tiiii", state, now, plan, user, (int64_t)AT_ONCE) == CR_OK)
        while (n < AT_ONCE && cr_query_next(&q))
            list[n++] = (one){cr_query_int(&q, 0), cr_query_int(&q, 1), cr_query_int(&q, 2), cr_query_int(&q, 3)};
    return n;
}

static void set_state(cr_hub *hub, const one *o, const char *state, const char *problem) {
    cr_err err = CR_ERR_INIT;
    char text[400];
    snprintf(text, sizeof text, "%s", problem);
    cr_text_clean(text);
    if (cr_db_run(hub->db, &err, "UPDATE ahead_people SET state = ?, problem = ? WHERE ahead_id = ? AND user_id = ?", "ttii", state, text, o->plan,
                  o->user_id) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting a start ahead", &err);
}

/* Until the plan ends, used or not. */
static void keep(cr_lab *s, int64_t until_ms) {
    cr_err err = CR_ERR_INIT;
    if (s->idle.keep_until_ms >= until_ms)
        return;
    s->idle.keep_until_ms = until_ms;
    if (cr_db_run(s->hub->db, &err, "UPDATE servers SET keep_until_ms = ? WHERE id = ?", "ii", until_ms, s->id) != CR_OK)
        cr_log_err(CR_LOG_WARN, "keeping a server that was started ahead", &err);
}

static bool runs(const cr_lab *s) { return s->state != CR_LAB_STOPPED && s->state != CR_LAB_STOPPING && s->state != CR_LAB_WAITING; }

static bool find(cr_hub *hub, const one *o, cr_lab **ret_server) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    return cr_person_get(hub->db, o->user_id, &person, &err) == CR_OK && cr_lab_find(hub, &person, "", true, ret_server, &err) == CR_OK;
}

/* false: not now, and nobody after. */
static bool start(cr_hub *hub, const one *o) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!find(hub, o, &s))
        return true;
    if (runs(s) || s->state == CR_LAB_WAITING) {
        set_state(hub, o, "asked", "");
        return true;
    }
    if (s->state == CR_LAB_STOPPING || cr_breaker_left(&hub->breaker[cr_choice_place(s, NULL)], cr_now_ms()))
        return true;              /* a later look finds it stopped, or the pause over */
    cr_runner_start now = {0};
    s->cleaning = false;
    cr_status status = cr_choice_for_start(s, &now, &err);      /* what it will take, and not what its last start took */
    if (status == CR_OK && !cr_lab_queue_admits(s))      /* what is larger than all the room starts alone, and nobody waits for that */
        return hub->config->room_bytes && cr_lab_guarantee(s) > hub->config->room_bytes;
    if (status == CR_OK)
        status = cr_lab_start(s, &err);
    if (status == CR_OK) {
        keep(s, o->until_ms);
        set_state(hub, o, "asked", "");
    } else if (status == CR_CONFLICT || status == CR_DENIED) {
        set_state(hub, o, "failed", err.message);
    } else {
        return false;
    }
    return true;
}

static int starting_now(const cr_hub *hub) {
    int n = 0;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        n += runs(value) && ((cr_lab *)value)->state != CR_LAB_READY;
    return n;
}

static void start_some(cr_hub *hub, int64_t now) {
    one list[AT_ONCE];
    int n = read_rows(hub, "to do", 0, 0, now, list), most = (int)CR_MAX(hub->config->starts / 2, (int64_t)1);
    if (hub->notices->maintenance)
        return;
    for (int i = 0; i < n && starting_now(hub) < most; i++)
        if (!start(hub, &list[i]))
            break;
}

/* What was asked for: has it come, is it kept? A part of it each time. */
static void look_after(cr_hub *hub, int64_t now) {
    struct cr_aheads *a = hub->aheads;
    one list[AT_ONCE];
    int n = read_rows(hub, "asked", a->after_plan, a->after_user, now, list);
    a->after_plan = n < AT_ONCE ? 0 : list[n - 1].plan;
    a->after_user = n < AT_ONCE ? 0 : list[n - 1].user_id;
    for (int i = 0; i < n; i++) {
        cr_lab *s;
        if (!find(hub, &list[i], &s))
            continue;
        if (runs(s))
            keep(s, list[i].until_ms);
        if (s->state == CR_LAB_READY && !list[i].ready)        /* once: this is looked at every second for as long as the plan goes on */
            set_state(hub, &list[i], "ready", "");
        else if (s->state == CR_LAB_STOPPED && s->failed)
            set_state(hub, &list[i], "failed", s->stop_text[0] ? s->stop_text : N_("The start failed."));
    }
}

static bool has_plans(cr_hub *hub) {
    cr_err err = CR_ERR_INIT;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    return cr_query_open(hub->db, &q, &err, "SELECT 1 FROM ahead LIMIT 1", "") == CR_OK && cr_query_next(&q);
}

static void on_time(void *user) {
    struct cr_aheads *a = user;
    cr_hub *hub = a->hub;
    const int64_t now = cr_wall_ms();
    cr_err err = CR_ERR_INIT;
    cr_timer_start(hub->loop, &a->timer, TICK_MS, on_time, a);
    if (hub->recovering || !has_plans(hub))
        return;
    begin_plans(hub, now);
    start_some(hub, now);
    look_after(hub, now);
    if (cr_db_run(hub->db, &err, "DELETE FROM ahead WHERE until_ms < ?", "i", now - KEPT_MS) != CR_OK)
        cr_log_err(CR_LOG_WARN, "sweeping plans", &err);
}

cr_status cr_ahead_open(cr_hub *hub, cr_err *err) {
    hub->aheads = calloc(1, sizeof *hub->aheads);
    if (!hub->aheads)
        return CR_FAIL(err, CR_MEMORY, "no memory for plans");
    hub->aheads->hub = hub;
    cr_timer_start(hub->loop, &hub->aheads->timer, TICK_MS, on_time, hub->aheads);
    return CR_OK;
}

void cr_ahead_close(cr_hub *hub) {
    if (hub->aheads)
        cr_timer_stop(&hub->aheads->timer);
    free(hub->aheads);
    hub->aheads = NULL;
}

/* ---- telling ---- */

static cr_status add_failed(cr_hub *hub, int64_t id, json_t *list, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT u.name, p.problem FROM ahead_people p JOIN users u ON u.id = p.user_id "
                         "WHERE p.ahead_id = ? AND p.state = 'failed' ORDER BY u.name LIMIT ?", "ii", id, (int64_t)FAILED_MOST));
    while (cr_query_next(&q))
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", cr_query_text(&q, 0), "problem", cr_query_text(&q, 1)));
    return cr_query_end(&q, err);
}

static const char *state_of(int64_t begin_ms, int64_t until_ms, int64_t to_do, int64_t asked) {
    const int64_t now = cr_wall_ms();
    return now < begin_ms ? "planned" : now >= until_ms ? "over" : to_do + asked ? "starting" : "started";
}

cr_status cr_ahead_rows(cr_hub *hub, int64_t id, json_t *rows, cr_err *err) {
    {
        cr_auto_query cr_query q = CR_QUERY_INIT;
        CR_TRY(cr_query_open(hub->db, &q, err,
                             "SELECT a.id, a.group_name, a.begin_ms, a.until_ms, a.made_by, count(p.user_id), coalesce(sum(p.state = 'ready'), 0), "
                             "coalesce(sum(p.state = 'asked'), 0), coalesce(sum(p.state = 'to do'), 0) "
                             "FROM ahead a LEFT JOIN ahead_people p ON p.ahead_id = a.id WHERE ?1 = 0 OR a.id = ?1 GROUP BY a.id ORDER BY a.begin_ms, a.id",
                             "i", id));
        while (cr_query_next(&q))
            json_array_append_new(rows, json_pack("{s:I, s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:[]}", "id", (json_int_t)cr_query_int(&q, 0), "group",
                                                  cr_query_text(&q, 1), "begin", cr_rest_time(cr_query_int(&q, 2)), "until",
                                                  cr_rest_time(cr_query_int(&q, 3)), "by", cr_query_text(&q, 4), "state",
                                                  state_of(cr_query_int(&q, 2), cr_query_int(&q, 3), cr_query_int(&q, 8), cr_query_int(&q, 7)), "people",
                                                  (json_int_t)cr_query_int(&q, 5), "ready", (json_int_t)cr_query_int(&q, 6), "starting",
                                                  (json_int_t)cr_query_int(&q, 7), "waiting", (json_int_t)cr_query_int(&q, 8), "failed"));
        CR_TRY(cr_query_end(&q, err));
    }
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
        CR_TRY(add_failed(hub, json_integer_value(json_object_get(row, "id")), json_object_get(row, "failed"), err));
    return CR_OK;
}
