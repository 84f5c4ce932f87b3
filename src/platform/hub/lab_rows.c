/* lab_rows.c - servers in memory and in the database. */
#include "platform/hub/lab_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/idle_watch.h"
#include "platform/hub/lab_routes.h"

enum {
    KEY_BYTES = 64,
    SPARE = 512,                  /* records beyond those that are needed, before they are trimmed */
    LATELY_MS = 3600 * 1000,      /* for which one that has run is kept: its last failures, and what is told of it */
};

static void make_key(int64_t user_id, const char *name, char key[KEY_BYTES]) {
    snprintf(key, KEY_BYTES, "%lld/%s", (long long)user_id, name);
}

static void copy(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text ? text : ""); }

#define SERVER_COLUMNS "s.id, s.user_id, u.name, u.account, s.name, s.generation, s.running, s.started_ms, s.ready_after_ms, " \
    "s.last_activity_ms, s.stopped_ms, s.stop_reason, s.stop_text, s.keep_until_ms, s.waiting_ms, s.user_options, s.memory_bytes, s.cpu_milli, " \
    "s.display_name, s.removing, s.cleaning, s.guarantee_bytes, s.guests_out_ms"

/* The record of a row, from the map or new. */
static cr_status take_row(cr_hub *hub, const cr_query *q, cr_lab **ret_server, cr_err *err) {
    char key[KEY_BYTES];
    make_key(cr_query_int(q, 1), cr_query_text(q, 4), key);
    cr_lab *s = cr_map_get(&hub->servers, key);
    if (s) {
        *ret_server = s;
        return CR_OK;
    }
    s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory for a server");
    s->hub = hub;
    s->listeners.prev = s->listeners.next = &s->listeners;
    s->id = cr_query_int(q, 0);
    s->user_id = cr_query_int(q, 1);
    copy(s->user, sizeof s->user, cr_query_text(q, 2));
    copy(s->account, sizeof s->account, cr_query_text(q, 3));
    copy(s->name, sizeof s->name, cr_query_text(q, 4));
    copy(s->title, sizeof s->title, cr_query_text(q, 18));
    s->removing = cr_query_int(q, 19);
    s->generation = (uint64_t)cr_query_int(q, 5);
    s->waiting_ms = cr_query_int(q, 14);
    s->state = cr_query_int(q, 6) ? CR_LAB_STARTING : s->waiting_ms ? CR_LAB_WAITING : CR_LAB_STOPPED;
    s->started_ms = cr_query_int(q, 7);
    s->ready_after_ms = llabs(cr_query_int(q, 8));
    s->was_ready = s->state == CR_LAB_STARTING && cr_query_int(q, 8) > 0;
    s->last_activity_ms = cr_query_int(q, 9);
    s->stopped_ms = cr_query_int(q, 10);
    copy(s->stop_reason, sizeof s->stop_reason, cr_query_text(q, 11));
    copy(s->stop_text, sizeof s->stop_text, cr_query_text(q, 12));
    s->idle.keep_until_ms = cr_query_int(q, 13);
    if (s->state == CR_LAB_STARTING) {    /* a hub of before was stopping it for a reason of its own */
        copy(s->why_word, sizeof s->why_word, s->stop_reason);
        copy(s->why, sizeof s->why, s->stop_text);
        s->stop_reason[0] = s->stop_text[0] = 0;
    }
    const char *options = cr_query_text(q, 15);
    s->user_options = options ? json_loads(options, 0, NULL) : NULL;
    if (!json_is_object(s->user_options)) {
        json_decref(s->user_options);
        s->user_options = json_object();
    }
    s->memory_bytes = (uint64_t)cr_query_int(q, 16);
    s->cpu_milli = (uint32_t)cr_query_int(q, 17);
    s->cleaning = s->state != CR_LAB_STOPPED && cr_query_int(q, 20);
    s->guarantee_bytes = (uint64_t)cr_query_int(q, 21);
    s->guests_out_ms = s->state == CR_LAB_STARTING ? cr_query_int(q, 22) : 0;
    copy(s->message, sizeof s->message, s->state == CR_LAB_STOPPED ? "" : N_("The hub looks for your server."));
    cr_status status = cr_map_set(&hub->servers, key, s, err);
    if (status != CR_OK) {
        json_decref(s->user_options);
        free(s);
        return status;
    }
    /* Not now: whoever walks over servers goes on with them. */
    if (hub->servers.len > hub->servers_most && cr_loop_post(hub->loop, cr_labs_trim, hub))
        hub->servers_most = hub->servers.len + SPARE;
    cr_lab_route_park(s);
    *ret_server = s;
    return CR_OK;
}

cr_lab *cr_lab_ordinary(const cr_lab *s) {
    char key[KEY_BYTES];
    make_key(s->user_id, "", key);
    return cr_map_get(&s->hub->servers, key);
}

static cr_status find_row(cr_hub *hub, int64_t user_id, const char *name, cr_lab **ret_server, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " SERVER_COLUMNS " FROM servers s JOIN users u ON u.id = s.user_id "
                         "WHERE s.user_id = ? AND s.name = ?", "it", user_id, name));
    if (cr_query_next(&q))
        return take_row(hub, &q, ret_server, err);
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "there is no such server");
}

/* Nothing is written when the row is there: a page that only looks works on a full disk, too. */
cr_status cr_lab_find(cr_hub *hub, const cr_person *person, const char *name, bool make, cr_lab **ret_server, cr_err *err) {
    char key[KEY_BYTES];
    cr_err absent = CR_ERR_INIT;
    make_key(person->id, name, key);
    cr_lab *s = cr_map_get(&hub->servers, key);
    if (s) {
        *ret_server = s;
        return CR_OK;
    }
    if (!make)
        return find_row(hub, person->id, name, ret_server, err);
    cr_status status = find_row(hub, person->id, name, ret_server, &absent);
    if (status != CR_NOT_FOUND) {
        if (status != CR_OK && err)
            *err = absent;
        return status;
    }
    CR_TRY(cr_db_run(hub->db, err, "INSERT OR IGNORE INTO servers (user_id, name, generation, running) VALUES (?, ?, 0, 0)", "it", person->id, name));
    return find_row(hub, person->id, name, ret_server, err);
}

cr_status cr_lab_find_by_id(cr_hub *hub, int64_t id, cr_lab **ret_server, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " SERVER_COLUMNS " FROM servers s JOIN users u ON u.id = s.user_id WHERE s.id = ?", "i", id));
    if (cr_query_next(&q))
        return take_row(hub, &q, ret_server, err);
    CR_TRY(cr_query_end(&q, err));
    return CR_FAIL(err, CR_NOT_FOUND, "there is no such server");
}

cr_status cr_lab_each(cr_hub *hub, int64_t user_id, void (*each)(void *user, cr_lab *server), void *user, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    cr_lab *s;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " SERVER_COLUMNS " FROM servers s JOIN users u ON u.id = s.user_id WHERE s.user_id = ? ORDER BY s.name", "i",
                         user_id));
    while (cr_query_next(&q)) {
        CR_TRY(take_row(hub, &q, &s, err));
        each(user, s);
    }
    return cr_query_end(&q, err);
}

/* ---- named servers ---- */

cr_status cr_lab_set_title(cr_lab *s, const char *title, cr_err *err) {
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET display_name = ? WHERE id = ?", "ti", title, s->id));
    copy(s->title, sizeof s->title, title);
    return CR_OK;
}

cr_status cr_lab_rename(cr_lab *s, const char *name, cr_err *err) {
    char old[KEY_BYTES], key[KEY_BYTES];
    make_key(s->user_id, s->name, old);
    make_key(s->user_id, name, key);
    CR_TRY(cr_map_set(&s->hub->servers, key, s, err));
    cr_status status = cr_db_run(s->hub->db, err, "UPDATE servers SET name = ? WHERE id = ?", "ti", name, s->id);
    cr_map_remove(&s->hub->servers, status == CR_OK ? old : key);
    if (status != CR_OK)
        return status;
    cr_lab_route_unpark(s);
    copy(s->name, sizeof s->name, name);
    cr_lab_route_park(s);
    return CR_OK;
}

cr_status cr_lab_remove(cr_lab *s, cr_err *err) {
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET removing = 1 WHERE id = ?", "i", s->id));
    s->removing = true;
    CR_TRY(cr_lab_stop(s, NULL, err));
    if (s->state == CR_LAB_STOPPED && !cr_loop_post(s->hub->loop, cr_labs_sweep, s->hub))
        cr_log(CR_LOG_WARN, "a server is removed at the next minute only", "user=%s server=%s", s->user, s->name);
    return CR_OK;
}

/* Only those that may run, and what is beside them: the start of the hub does not grow with the number of people. */
cr_status cr_labs_load(cr_hub *hub, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " SERVER_COLUMNS " FROM servers s JOIN users u ON u.id = s.user_id WHERE s.id IN ("
                         "SELECT id FROM servers WHERE running = 1 UNION SELECT id FROM servers WHERE waiting_ms > 0 "
                         "UNION SELECT id FROM servers WHERE removing = 1 UNION SELECT n.id FROM servers o CROSS JOIN servers n ON n.user_id = o.user_id "
                         "WHERE o.running = 1 AND o.name = '' AND n.name <> '')", ""));
    cr_lab *s;
    while (cr_query_next(&q))
        CR_TRY(take_row(hub, &q, &s, err));
    return cr_query_end(&q, err);
}

cr_status cr_next_generation(cr_db *db, uint64_t *ret_generation, cr_err *err) {
    CR_TRY(cr_db_run(db, err, "UPDATE sequence SET value = value + 1 WHERE name = 'generation'", ""));
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, "SELECT value FROM sequence WHERE name = 'generation'", ""));
    if (cr_query_next(&q))
        *ret_generation = (uint64_t)cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

static cr_status start_rows(cr_lab *s, uint64_t *generation, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    cr_db *db = s->hub->db;
    CR_TRY(cr_next_generation(db, generation, err));
    CR_TRY(cr_db_run(db, err, "UPDATE servers SET generation = ?, running = 1, started_ms = ?, ready_after_ms = -abs(ready_after_ms), stopped_ms = NULL, "
                     "stop_reason = NULL, stop_text = NULL, keep_until_ms = 0, waiting_ms = 0, guests_out_ms = 0, memory_bytes = ?, cpu_milli = ?, cleaning = ?, guarantee_bytes = ? WHERE id = ?", "iiiiiii",
                     (int64_t)*generation, cr_wall_ms(), (int64_t)s->memory_bytes, (int64_t)s->cpu_milli, (int64_t)s->cleaning,
                     (int64_t)s->guarantee_bytes, s->id));
    CR_TRY(cr_db_run(db, err, "DELETE FROM tokens WHERE server_id = ?", "i", s->id));
    CR_TRY(cr_db_run(db, err, "DELETE FROM codes WHERE server_id = ?", "i", s->id));
    CR_TRY(cr_db_run(db, err, "DELETE FROM visits WHERE server_id = ?", "i", s->id));
    cr_token what = {.kind = CR_TOKEN_SERVER, .user_id = s->user_id, .server_id = s->id};
    return cr_token_issue(db, &what, NULL, 0, NULL, ret_token, err);
}

cr_status cr_lab_rows_start(cr_lab *s, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) {
    uint64_t generation = 0;
    CR_TRY(cr_db_begin(s->hub->db, err));
    CR_TRY(cr_db_end(s->hub->db, start_rows(s, &generation, ret_token, err), err));
    s->generation = generation;
    s->stop_reason[0] = s->stop_text[0] = 0;
    s->stopped_ms = s->idle.keep_until_ms = s->waiting_ms = s->guests_out_ms = 0;
    cr_timer_stop(&s->guests);
    s->guests_again = s->guests_asked = false;
    return CR_OK;
}

cr_status cr_lab_rows_guests(cr_lab *s, int64_t out_ms, cr_err *err) {
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET guests_out_ms = ? WHERE id = ?", "ii", out_ms, s->id));
    s->guests_out_ms = out_ms;
    return CR_OK;
}

void cr_lab_rows_ready(cr_lab *s) {
    cr_err err = CR_ERR_INIT;
    if (cr_db_run(s->hub->db, &err, "UPDATE servers SET ready_after_ms = ? WHERE id = ?", "ii", s->ready_after_ms, s->id) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting a start", &err);
}

void cr_lab_rows_stopping(cr_lab *s) {
    cr_err err = CR_ERR_INIT;
    if (s->why_word[0] && cr_db_run(s->hub->db, &err, "UPDATE servers SET stop_reason = ?, stop_text = ? WHERE id = ?", "tti", s->why_word, s->why,
                                    s->id) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting why a server is stopped", &err);
}

static cr_status stop_rows(cr_lab *s, cr_err *err) {
    cr_db *db = s->hub->db;
    CR_TRY(cr_db_run(db, err, "UPDATE servers SET running = 0, waiting_ms = 0, stopped_ms = ?, stop_reason = ?, stop_text = ?, "
                     "last_activity_ms = ? WHERE id = ?",
                     "ittii", s->stopped_ms, s->stop_reason, s->stop_text, s->last_activity_ms, s->id));
    CR_TRY(cr_db_run(db, err, "DELETE FROM tokens WHERE server_id = ?", "i", s->id));
    return cr_db_run(db, err, "DELETE FROM visits WHERE server_id = ?", "i", s->id);
}

static void save_stop(cr_lab *s) {
    cr_db *db = s->hub->db;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_db_begin(db, &err);
    if (status == CR_OK)
        status = cr_db_end(db, stop_rows(s, &err), &err);
    if (status != CR_OK && !s->unsaved)
        cr_log_err(CR_LOG_ERROR, "noting a stop", &err);
    s->unsaved = status != CR_OK;
}

void cr_lab_rows_stopped(cr_lab *s, const char *reason, const char *text, cr_hub *hub) {
    copy(s->stop_reason, sizeof s->stop_reason, reason);
    copy(s->stop_text, sizeof s->stop_text, text);
    cr_text_clean(s->stop_text);     /* it may have been cut inside a character */
    s->stopped_ms = cr_wall_ms();
    s->unsaved = false;
    save_stop(s);
}

void cr_labs_write_stops(cr_hub *hub) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (s->unsaved && s->state == CR_LAB_STOPPED)
            save_stop(s);
        s->unsaved = s->unsaved && s->state == CR_LAB_STOPPED;      /* one that runs again has its own row */
    }
}

static cr_status activity_rows(cr_hub *hub, cr_err *err) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        const cr_lab *s = value;
        if (!s->activity_changed)
            continue;
        CR_TRY(cr_db_run(hub->db, err, "UPDATE servers SET last_activity_ms = ? WHERE id = ?", "ii", s->last_activity_ms, s->id));
        CR_TRY(cr_db_run(hub->db, err, "UPDATE users SET last_activity_ms = max(coalesce(last_activity_ms, 0), ?) WHERE id = ?", "ii",
                         s->last_activity_ms, s->user_id));
    }
    return CR_OK;
}

/* One transaction for all, and none when nobody did anything. */
void cr_labs_write_activity(cr_hub *hub) {
    void *value;
    cr_err err = CR_ERR_INIT;
    bool changed = false;
    for (size_t i = 0; !changed && (i = cr_map_next(&hub->servers, i, NULL, &value));)
        changed = ((cr_lab *)value)->activity_changed;
    if (!changed)
        return;
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, activity_rows(hub, &err), &err);
    if (status != CR_OK) {
        cr_log_err(CR_LOG_WARN, "writing activity", &err);
        return;
    }
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        ((cr_lab *)value)->activity_changed = false;
}

/* ---- guests who may not be there any more ---- */

enum { VISITS_AT_ONCE = 100 };

/* Of the servers that the statement finds from id ?1 on, at most ?2, for ?3 (of is 0: it has none). */
static cr_status put_out_of(cr_hub *hub, const char *sql, int64_t of, cr_err *err) {
    int64_t ids[VISITS_AT_ONCE], last = 0;
    int n;
    do {
        cr_auto_query cr_query q = CR_QUERY_INIT;
        n = 0;
        CR_TRY(cr_query_open(hub->db, &q, err, sql, of ? "iii" : "ii", last, (int64_t)VISITS_AT_ONCE, of));
        while (n < VISITS_AT_ONCE && cr_query_next(&q))
            ids[n++] = cr_query_int(&q, 0);
        CR_TRY(cr_query_end(&q, err));
        for (int i = 0; i < n; i++) {
            cr_lab *s;
            last = ids[i];
            CR_TRY(cr_lab_find_by_id(hub, last, &s, err));
            CR_TRY(cr_lab_put_guests_out(s, err));
        }
    } while (n == VISITS_AT_ONCE);
    return CR_OK;
}

/* Whose own the server is is no guest there. */
cr_status cr_lab_put_person_out(cr_hub *hub, int64_t user_id, cr_err *err) {
    return put_out_of(hub, "SELECT DISTINCT i.server_id FROM visits i CROSS JOIN servers s ON s.id = i.server_id AND s.running = 1 AND s.user_id <> i.user_id "
                      "WHERE i.user_id = ?3 AND i.server_id > ?1 ORDER BY i.server_id LIMIT ?2", user_id, err);
}

/* Those that are shared with it, those that its people have entered, by whatever right, since a role may be the group's, too, and those of its people
 * that others have entered: a role may be for the group's people. */
cr_status cr_lab_put_group_out(cr_hub *hub, int64_t group_id, cr_err *err) {
    return put_out_of(hub, "SELECT s.id FROM (SELECT server_id FROM shares WHERE group_id = ?3 UNION "
                      "SELECT i.server_id FROM group_members gm CROSS JOIN visits i ON i.user_id = gm.user_id WHERE gm.group_id = ?3 UNION "
                      "SELECT v.id FROM group_members gm CROSS JOIN servers v ON v.user_id = gm.user_id AND v.running = 1 CROSS JOIN visits i ON i.server_id = v.id "
                      "WHERE gm.group_id = ?3 AND i.user_id IS NOT v.user_id UNION "
                      "SELECT i.server_id FROM groups g CROSS JOIN memberships m ON m.name = g.name CROSS JOIN identities d ON d.id = m.identity_id "
                      "CROSS JOIN visits i ON i.user_id = d.user_id WHERE g.id = ?3) x "
                      "CROSS JOIN servers s ON s.id = x.server_id AND s.running = 1 WHERE x.server_id > ?1 ORDER BY s.id LIMIT ?2", group_id, err);
}

cr_status cr_lab_put_visitors_out(cr_hub *hub, int64_t user_id, cr_err *err) {
    return put_out_of(hub, "SELECT v.id FROM servers v WHERE v.user_id = ?3 AND v.running = 1 AND v.id > ?1 "
                      "AND EXISTS (SELECT 1 FROM visits i WHERE i.server_id = v.id AND i.user_id IS NOT v.user_id) ORDER BY v.id LIMIT ?2", user_id, err);
}

cr_status cr_lab_put_all_visitors_out(cr_hub *hub, cr_err *err) {
    return put_out_of(hub, "SELECT DISTINCT i.server_id FROM visits i CROSS JOIN servers s ON s.id = i.server_id AND s.running = 1 AND i.user_id IS NOT s.user_id "
                      "WHERE i.server_id > ?1 ORDER BY i.server_id LIMIT ?2", 0, err);
}

#define OF_ENDED_TOKENS "FROM visits WHERE token IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.hash = visits.token)"

static cr_status ended_rows(cr_hub *hub, cr_err *err) {
    CR_TRY(put_out_of(hub, "SELECT DISTINCT server_id " OF_ENDED_TOKENS " AND server_id > ?1 ORDER BY server_id LIMIT ?2", 0, err));
    return cr_db_run(hub->db, err, "DELETE " OF_ENDED_TOKENS, "");
}

cr_status cr_lab_put_ended_tokens_out(cr_hub *hub, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT 1 " OF_ENDED_TOKENS " LIMIT 1", ""));
    if (!cr_query_next(&q))
        return cr_query_end(&q, err);
    cr_query_close(&q);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_db_end(hub->db, ended_rows(hub, err), err);
}

/* Where others are by a share of this person, and where people are for whom this person has made tokens, at their own servers and as guests. */
cr_status cr_lab_put_given_out(cr_hub *hub, int64_t user_id, cr_err *err) {
    return put_out_of(hub, "SELECT s.id FROM (SELECT h.server_id FROM share_makers m CROSS JOIN shares h ON h.id = m.share_id AND h.hash IS NULL "
                      "WHERE m.user_id = ?3 UNION SELECT v.id FROM token_makers m CROSS JOIN tokens t ON t.id = m.token_id AND t.user_id <> ?3 "
                      "CROSS JOIN servers v ON v.user_id = t.user_id AND v.running = 1 WHERE m.user_id = ?3 UNION "
                      "SELECT i.server_id FROM token_makers m CROSS JOIN tokens t ON t.id = m.token_id AND t.user_id <> ?3 "
                      "CROSS JOIN visits i ON i.user_id = t.user_id WHERE m.user_id = ?3) x "
                      "CROSS JOIN servers s ON s.id = x.server_id AND s.running = 1 WHERE x.server_id > ?1 ORDER BY s.id LIMIT ?2", user_id, err);
}

static void free_server(cr_lab *s) {
    while (s->listeners.next != &s->listeners)
        cr_lab_unlisten(s->listeners.next);
    cr_timer_stop(&s->deadline);
    cr_timer_stop(&s->guests);
    cr_probe_free(s->probe);
    cr_idle_drop(s);
    json_decref(s->user_options);
    free(s);
}

/* Does it say no more than its row? */
static bool is_copy(const cr_lab *s) {
    const cr_lab *ordinary = cr_lab_ordinary(s);
    if (s->state != CR_LAB_STOPPED || s->removing || s->start_again || s->cleaning || s->activity_changed || s->unsaved ||
        s->listeners.next != &s->listeners || s->probe || s->idle.ask || cr_timer_running(&s->deadline) || cr_timer_running(&s->guests))
        return false;
    if (s->name[0] && ordinary && ordinary->routed)      /* its path is parked: see lab_routes.h */
        return false;
    if (cr_breaker_left(&s->breaker, cr_now_ms()))       /* breaker-pause may be a day */
        return false;
    return (!s->was_ready && !s->failed && !s->breaker.n) || cr_wall_ms() - s->stopped_ms > LATELY_MS;
}

void cr_labs_trim(void *user) {
    cr_hub *hub = user;
    const char *key;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, &key, &value));) {
        if (!is_copy(value))
            continue;
        cr_map_remove(&hub->servers, key);
        free_server(value);
        i--;                  /* another one may have moved to this place */
    }
    hub->servers_most = hub->servers.len + SPARE;
}

enum { UNWANTED_MOST = 100 };

/* Of people who may not use the hub any more. Their servers are asked to end when that is decided; a hub that was killed just then, or a helper that
 * did not take it, leaves that to the next look. */
static void stop_unwanted(cr_hub *hub) {
    int64_t ids[UNWANTED_MOST];
    int n = 0;
    cr_err err = CR_ERR_INIT;
    {
        cr_auto_query cr_query q = CR_QUERY_INIT;
        cr_status status = cr_query_open(hub->db, &q, &err, "SELECT s.id FROM servers s CROSS JOIN users u ON u.id = s.user_id "
                                         "WHERE s.running = 1 AND u.disabled = 1 LIMIT ?", "i", (int64_t)UNWANTED_MOST);
        while (status == CR_OK && n < UNWANTED_MOST && cr_query_next(&q))
            ids[n++] = cr_query_int(&q, 0);
    }
    for (int i = 0; i < n; i++) {
        cr_lab *s;
        cr_status status = cr_lab_find_by_id(hub, ids[i], &s, &err);
        if (status == CR_OK && s->state != CR_LAB_STOPPED && s->state != CR_LAB_STOPPING)
            status = cr_lab_stop(s, N_("The administrator disabled this user."), &err);
        if (status != CR_OK)
            cr_log_err(CR_LOG_WARN, "stopping a server of somebody who may not use the hub", &err);
    }
}

void cr_labs_sweep(void *user) {
    cr_hub *hub = user;
    const char *key;
    void *value;
    cr_err err = CR_ERR_INIT;
    if (!hub->recovering)
        stop_unwanted(hub);
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, &key, &value));) {
        cr_lab *s = value;
        if (!s->removing)
            continue;
        if (s->state != CR_LAB_STOPPED) {      /* the hub of before was killed before it could say so */
            if (cr_lab_stop(s, NULL, &err) != CR_OK)
                cr_log_err(CR_LOG_WARN, "stopping a server that is removed", &err);
            continue;
        }
        if (cr_db_run(hub->db, &err, "DELETE FROM servers WHERE id = ?", "i", s->id) != CR_OK) {
            cr_log_err(CR_LOG_ERROR, "removing a server", &err);
            return;
        }
        cr_log(CR_LOG_INFO, "server removed", "user=%s server=%s", s->user, s->name);
        cr_lab_route_unpark(s);
        cr_map_remove(&hub->servers, key);
        free_server(s);
        i = 0;            /* the map has moved its entries */
    }
}

bool cr_lab_forget(cr_hub *hub, int64_t user_id) {
    const char *key;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (s->user_id == user_id && s->state != CR_LAB_STOPPED)
            return false;
    }
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, &key, &value));) {
        cr_lab *s = value;
        if (s->user_id == user_id) {
            cr_lab_route_unpark(s);
            cr_map_remove(&hub->servers, key);
            free_server(s);
            i = 0;            /* the map has moved its entries */
        }
    }
    return true;
}

void cr_labs_free(cr_hub *hub) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        free_server(value);
    cr_map_done(&hub->servers);
}
