/* removals.c - removing people: at once no sign-in, then the servers end, then the helper takes files and account away, then the rows go.
 *
 * The row in the table removals is the intent. It stays until the helper has confirmed (CR_RUNNER_REMOVED); the helper is asked again
 * after every start of the hub, after a failure with growing pauses, and when it has been silent for long. It ignores a question about
 * what it is doing, and confirms what it finds done.
 */
#include "platform/hub/auditing.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/lab.h"

enum {
    BATCH = 64,
    ASK_AGAIN_MS = 15 * 60 * 1000,        /* an answer that was lost */
    BACKOFF_FIRST_MS = 5 * 1000, BACKOFF_MOST_MS = 60 * 60 * 1000,
    LOOK_SOON_MS = 2 * 1000, LOOK_LATE_MS = 60 * 1000,
    DEMO_LIFE_MS = 60 * 60 * 1000,
};

static void continue_now(void *user);

cr_status cr_removal_find(cr_hub *hub, int64_t user_id, cr_removal_row *ret_row, cr_err *err) {
    cr_removal_row row = {0};
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT problem FROM removals WHERE user_id = ?", "i", user_id));
    if (cr_query_next(&q)) {
        const char *problem = cr_query_text(&q, 0);
        row.wanted = true;
        snprintf(row.problem, sizeof row.problem, "%s", problem ? problem : "");
    }
    CR_TRY(cr_query_end(&q, err));
    *ret_row = row;
    return CR_OK;
}

static cr_status postpone(cr_hub *hub, int64_t user_id, int64_t ms, cr_err *err) {
    return cr_db_run(hub->db, err, "UPDATE removals SET next_ms = ? WHERE user_id = ?", "ii", cr_wall_ms() + ms, user_id);
}

static void note_failure(cr_hub *hub, int64_t user_id, const char *why) {
    cr_err err = CR_ERR_INIT;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    int64_t attempts = 0;
    cr_status status = cr_query_open(hub->db, &q, &err, "SELECT attempts FROM removals WHERE user_id = ?", "i", user_id);
    if (status == CR_OK && cr_query_next(&q))
        attempts = cr_query_int(&q, 0);
    cr_query_close(&q);
    int64_t pause = CR_MIN((int64_t)BACKOFF_FIRST_MS << CR_MIN(attempts, (int64_t)20), (int64_t)BACKOFF_MOST_MS);
    if (status == CR_OK)
        status = cr_db_run(hub->db, &err, "UPDATE removals SET attempts = attempts + 1, problem = ?, next_ms = ? WHERE user_id = ?", "tii", why,
                           cr_wall_ms() + pause, user_id);
    if (status != CR_OK)
        cr_log_err(CR_LOG_ERROR, "noting a failed removal", &err);
}

/* CR_OK also when something of the person still runs: its end comes back here. */
static cr_status ask_helper(cr_hub *hub, const cr_person *person, cr_err *err) {
    bool released = !hub->feature || hub->feature->release(hub, person->id);
    if (!cr_lab_forget(hub, person->id) || !released)
        return CR_OK;
    CR_TRY(hub->runner->ops->remove_account(hub->runner, person->account, true, err));
    return postpone(hub, person->id, ASK_AGAIN_MS, err);
}

static cr_status due_after(cr_hub *hub, int64_t last_id, cr_person due[BATCH], int *ret_n, cr_err *err) {
    int n = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " CR_PERSON_COLUMNS " FROM removals r JOIN users u ON u.id = r.user_id "
                         "WHERE r.next_ms <= ? AND u.id > ? ORDER BY u.id LIMIT ?", "iii", cr_wall_ms(), last_id, (int64_t)BATCH));
    while (n < BATCH && cr_query_next(&q))
        cr_person_read(&q, &due[n++]);
    CR_TRY(cr_query_end(&q, err));
    *ret_n = n;
    return CR_OK;
}

static cr_status look_again(cr_hub *hub, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT count(*), coalesce(min(next_ms), 0) FROM removals", ""));
    if (cr_query_next(&q) && cr_query_int(&q, 0) > 0) {
        int64_t pause = CR_MIN(CR_MAX(cr_query_int(&q, 1) - cr_wall_ms(), (int64_t)LOOK_SOON_MS), (int64_t)LOOK_LATE_MS);
        cr_timer_start(hub->loop, &hub->removals, pause, continue_now, hub);
    }
    return cr_query_end(&q, err);
}

static void continue_now(void *user) {
    cr_hub *hub = user;
    cr_person due[BATCH];
    int n = 0;
    int64_t last_id = 0;
    cr_err err = CR_ERR_INIT;
    cr_status status;
    do {
        status = due_after(hub, last_id, due, &n, &err);
        for (int i = 0; status == CR_OK && i < n; i++) {
            cr_err why = CR_ERR_INIT;
            last_id = due[i].id;
            if (ask_helper(hub, &due[i], &why) != CR_OK) {
                cr_log_err(CR_LOG_ERROR, "asking for a removal", &why);
                note_failure(hub, due[i].id, why.message);
            }
        }
    } while (status == CR_OK && n == BATCH);
    if (status == CR_OK)
        status = look_again(hub, &err);
    if (status != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "removing people", &err);
        cr_timer_start(hub->loop, &hub->removals, LOOK_LATE_MS, continue_now, hub);
    }
}

/* Later on the loop: the caller may still hold a server of the person. */
void cr_people_continue_removals(cr_hub *hub) {
    if (!hub->recovering)
        (void)!cr_loop_post(hub->loop, continue_now, hub);
}

cr_status cr_people_remove(cr_hub *hub, const cr_actor *who, const cr_person *person, cr_err *err) {
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = cr_lab_put_person_out(hub, person->id, err);
    if (status == CR_OK)
        status = cr_lab_put_given_out(hub, person->id, err);
    if (status == CR_OK)
        status = cr_person_set_disabled(hub->db, person->id, true, err);
    if (status == CR_OK)
        status = cr_db_run(hub->db, err, "INSERT INTO removals (user_id) VALUES (?) ON CONFLICT DO UPDATE SET next_ms = 0", "i", person->id);
    CR_TRY(cr_audit_end(hub, who, status, CR_AUDIT_PERSON_REMOVE, person->name, "", err));
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->user_id == person->id)
            CR_TRY(cr_lab_stop(value, N_("The user was removed."), err));
    cr_people_continue_removals(hub);
    return CR_OK;
}

/* ---- the helper's answers ---- */

static cr_status end_rows(cr_hub *hub, const cr_person *person, cr_err *err) {
    cr_actor who;
    cr_actor_hub(&who);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, &who, cr_person_remove(hub->db, person->id, err), CR_AUDIT_PERSON_REMOVED, person->name, person->account, err);
}

void cr_removals_event(cr_hub *hub, const cr_runner_event *e) {
    cr_err err = CR_ERR_INIT;
    cr_person person;
    cr_query q = CR_QUERY_INIT;
    bool found = false;
    cr_status status = cr_query_open(hub->db, &q, &err, "SELECT " CR_PERSON_COLUMNS " FROM removals r JOIN users u ON u.id = r.user_id WHERE u.account = ?",
                                     "t", e->id.account);
    if (status == CR_OK && (found = cr_query_next(&q)))
        cr_person_read(&q, &person);
    cr_query_close(&q);
    if (found && e->kind == CR_RUNNER_NOT_REMOVED) {
        note_failure(hub, person.id, e->text);
    } else if (found) {
        /* A page may have looked at the servers since: their records must not wait for the next person with this id. */
        status = cr_lab_forget(hub, person.id) ? end_rows(hub, &person, &err)
                                               : CR_FAIL(&err, CR_CONFLICT, "a server of %s runs", person.name);
        if (status == CR_OK)
            cr_log(CR_LOG_INFO, "user removed", "user=%s account=%s", person.name, person.account);
        else
            note_failure(hub, person.id, err.message);
    }
    if (status != CR_OK)
        cr_log_err(CR_LOG_ERROR, "removing a user", &err);
    cr_people_continue_removals(hub);
}

/* ---- at the start, and every minute ---- */

static cr_status sweep_demos(cr_hub *hub, int64_t made_before_ms, cr_err *err) {
    cr_person demos[BATCH];
    cr_actor who;
    cr_actor_hub(&who);
    int n = 0;
    cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " CR_PERSON_COLUMNS " FROM users u WHERE u.demo = 1 AND u.created_ms < ? AND "
                         "u.id NOT IN (SELECT user_id FROM removals) LIMIT ?", "ii", made_before_ms, (int64_t)BATCH));
    while (n < BATCH && cr_query_next(&q))
        cr_person_read(&q, &demos[n++]);
    cr_query_close(&q);
    for (int i = 0; i < n; i++) {
        cr_log(CR_LOG_INFO, "demo account was left over", "user=%s", demos[i].name);
        CR_TRY(cr_people_remove(hub, &who, &demos[i], err));
    }
    return CR_OK;
}

void cr_removals_begin(cr_hub *hub) {
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_db_run(hub->db, &err, "UPDATE removals SET next_ms = 0", "");
    if (status == CR_OK)
        status = sweep_demos(hub, INT64_MAX, &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_ERROR, "taking up removals", &err);
    cr_people_continue_removals(hub);
}

void cr_removals_on_minute(cr_hub *hub) {
    cr_err err = CR_ERR_INIT;
    if (!hub->recovering && sweep_demos(hub, cr_wall_ms() - DEMO_LIFE_MS, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "sweeping demo accounts", &err);
}

void cr_removals_text(cr_hub *hub, cr_buf *out) {
    cr_err err = CR_ERR_INIT;
    cr_query q = CR_QUERY_INIT;
    if (cr_query_open(hub->db, &q, &err, "SELECT u.name, r.problem, r.attempts FROM removals r CROSS JOIN users u ON u.id = r.user_id ORDER BY u.name", "") != CR_OK)
        return;
    while (cr_query_next(&q)) {
        const char *problem = cr_query_text(&q, 1);
        if (problem)
            cr_buf_addf(out, "  removal: %s NOT removed yet, %lld failed attempts: %s\n", cr_query_text(&q, 0), (long long)cr_query_int(&q, 2), problem);
        else
            cr_buf_addf(out, "  removal: %s is being removed\n", cr_query_text(&q, 0));
    }
    cr_query_close(&q);
}
