/* test_lab.c - what a hub does with the servers that it finds after a kill of the one before, at instants which no real runner can be made to meet:
 * deadlines go on, what was ready stays, nothing runs on of people who may not use the hub any more. And that what is no news is not written.
 * The runner is a note of what it was asked. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "platform/db/schema.h"
#include "platform/hub/figures.h"
#include "platform/hub/lab.h"

enum { START_S = 150, RESUMED_S = 10, GENERATION = 7 };

static cr_err err;
static cr_hub hub;
static cr_config config;
static cr_profile_set profiles;
static cr_lab *server;
static char dir[64];
static int stops;
static cr_status answer_of_stop;

static cr_status asked_to_stop(cr_runner *r, const cr_server_id *id, uint32_t grace_ms, cr_err *ret_err) {
    ck_assert_int_eq(id->generation, GENERATION);
    stops++;
    return answer_of_stop == CR_OK ? CR_OK : CR_FAIL(ret_err, answer_of_stop, "the helper takes nothing");
}

static cr_status asked_to_list(cr_runner *r, cr_err *ret_err) { return CR_OK; }

static const cr_runner_ops ops = {.name = "of the test", .stop = asked_to_stop, .list = asked_to_list};
static cr_runner runner = {.ops = &ops};

static void setup(void) {
    char path[128];
    cr_person ann = {.name = "ann"};
    scratch_make(dir, "lab");
    snprintf(path, sizeof path, "%s/db", dir);
    hub = (cr_hub){.config = &config, .profiles = &profiles, .runner = &runner};
    snprintf(config.run_dir, sizeof config.run_dir, "%s", dir);
    cr_map_init(&hub.servers, 100);
    ck_assert_ok(cr_loop_new(&hub.loop, &err));
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &hub.db, &err));
    snprintf(path, sizeof path, "%s/nobody-listens", dir);
    ck_assert_ok(cr_proxy_new(hub.loop, &(cr_proxy_settings){path, "map", "usock"}, &hub.proxy, &err));
    ck_assert_ok(cr_figures_open(&hub, &err));
    ck_assert_ok(cr_person_add(hub.db, &ann, &err));
    ck_assert_ok(cr_db_run(hub.db, &err, "INSERT INTO servers (user_id, name, generation, running) VALUES (?, '', ?, 1)", "ii", ann.id, (int64_t)GENERATION));
    answer_of_stop = CR_OK;
    stops = 0;
}

static void teardown(void) {
    cr_labs_free(&hub);
    cr_figures_close(&hub);
    cr_proxy_free(hub.proxy);
    cr_timer_stop(&hub.recovery);
    cr_timer_stop(&hub.removals);
    cr_db_close(hub.db);
    cr_loop_free(hub.loop);
    scratch_remove(dir);
}

static void tell(cr_runner_event_kind kind, bool socket_ready) {
    cr_runner_event e = {.kind = kind, .id = {.account = "ann", .generation = GENERATION}, .socket_ready = socket_ready};
    cr_labs_event(&hub, &e);
}

/* A hub comes up and hears from the runner that the server is there. ready_after_ms: as the hub of before has left it. */
static void find(int64_t started_s_ago, int64_t ready_after_ms, bool socket_ready) {
    ck_assert_ok(cr_db_run(hub.db, &err, "UPDATE servers SET started_ms = ?, ready_after_ms = ?", "ii", cr_wall_ms() - started_s_ago * 1000, ready_after_ms));
    ck_assert_ok(cr_labs_load(&hub, &err));
    ck_assert_ok(cr_lab_find_by_id(&hub, 1, &server, &err));
    ck_assert_ok(cr_labs_claim_routes(&hub, &err));
    ck_assert_ok(cr_labs_recover(&hub, &err));
    tell(CR_RUNNER_SNAPSHOT, socket_ready);
    tell(CR_RUNNER_SNAPSHOT_END, false);
    ck_assert(!hub.recovering);
}

static int64_t left_s(void) {
    ck_assert(cr_timer_running(&server->deadline));
    return (server->deadline.due_ms - cr_now_ms() + 999) / 1000;
}

/* As if its time had come. */
static void let_deadline_pass(void) {
    cr_timer t = server->deadline;
    cr_timer_stop(&server->deadline);
    t.fn(t.user);
}

START_TEST(a_start_has_what_is_left_of_its_time) {
    const bool has_socket = _i % 2;
    const int64_t before = _i / 2 ? 2500 : 0;         /* how long its last good start took; 0: it never had one */
    find(60, -before, has_socket);
    ck_assert_int_eq(server->state, has_socket ? CR_LAB_CHECKING : CR_LAB_STARTING);
    ck_assert_int_eq(server->ready_after_ms, before);
    ck_assert_int_le(left_s(), START_S - 60);
    ck_assert_int_ge(left_s(), START_S - 60 - 5);
}
END_TEST

START_TEST(a_start_that_is_over_its_time_has_a_moment) {
    find(START_S + 60, 0, true);
    ck_assert_int_le(left_s(), RESUMED_S);
    let_deadline_pass();
    ck_assert_int_eq(server->state, CR_LAB_STOPPING);
    ck_assert_int_eq(stops, 1);
}
END_TEST

START_TEST(a_late_start_is_stopped_also_when_the_helper_does_not_take_it_at_once) {
    find(START_S, 0, _i);
    answer_of_stop = CR_BUSY;
    let_deadline_pass();
    ck_assert_int_ne(server->state, CR_LAB_STOPPING);
    ck_assert_int_le(left_s(), RESUMED_S);
    answer_of_stop = CR_OK;
    let_deadline_pass();
    ck_assert_int_eq(server->state, CR_LAB_STOPPING);
    ck_assert_int_eq(stops, 2);
}
END_TEST

START_TEST(what_was_ready_is_not_ended_by_a_hub_that_finds_no_proxy) {
    find(3600, 2500, true);
    ck_assert_int_eq(server->state, CR_LAB_ROUTING);      /* without asking JupyterLab, which may be busy */
    for (int i = 0; i < 3; i++)
        let_deadline_pass();
    ck_assert_int_eq(server->state, CR_LAB_ROUTING);
    ck_assert_int_eq(stops, 0);
    ck_assert(cr_timer_running(&server->deadline));
    /* When it ends by itself, that was no failed start. */
    tell(CR_RUNNER_EXITED, false);
    ck_assert_int_eq(server->state, CR_LAB_STOPPED);
    ck_assert(!server->failed && !server->breaker.n);
}
END_TEST

static int64_t number(cr_db *db, const char *sql) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    ck_assert_ok(cr_query_open(db, &q, &err, sql, ""));
    ck_assert(cr_query_next(&q));
    return cr_query_int(&q, 0);
}

/* An idle server says the same every five minutes: with a thousand of them that must cost the disk nothing. */
START_TEST(activity_that_says_nothing_new_is_not_written) {
    static const char seen[] = "PRAGMA data_version";      /* as another connection to the file sees what is committed */
    cr_db *other;
    char path[128];
    find(3600, 2500, true);
    cr_labs_write_activity(&hub);
    snprintf(path, sizeof path, "%s/db", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &other, &err));
    const int64_t used = cr_wall_ms() - 1000;
    int64_t before = number(other, seen);
    cr_lab_note_activity(server, used);
    cr_labs_write_activity(&hub);
    ck_assert_int_ne(number(other, seen), before);
    before = number(other, seen);
    for (int i = 0; i < 3; i++) {
        cr_lab_note_activity(server, used - 5 * i);
        cr_labs_write_activity(&hub);
    }
    ck_assert_int_eq(number(other, seen), before);
    ck_assert_int_eq(number(other, "SELECT last_activity_ms FROM servers"), used);
    ck_assert_int_eq(number(other, "SELECT last_activity_ms FROM users"), used);
    cr_db_close(other);
}
END_TEST

START_TEST(nothing_runs_on_of_people_who_may_not_use_the_hub) {
    ck_assert_ok(cr_db_run(hub.db, &err, "UPDATE users SET disabled = 1", ""));
    if (_i)
        ck_assert_ok(cr_db_run(hub.db, &err, "INSERT INTO removals (user_id) SELECT id FROM users", ""));
    answer_of_stop = CR_BUSY;
    find(3600, 2500, true);
    ck_assert_int_eq(stops, 1);
    ck_assert_int_ne(server->state, CR_LAB_STOPPING);
    answer_of_stop = CR_OK;
    cr_labs_sweep(&hub);          /* a minute later */
    ck_assert_int_eq(server->state, CR_LAB_STOPPING);
    cr_labs_sweep(&hub);
    ck_assert_int_eq(stops, 2);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("lab");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_start_has_what_is_left_of_its_time, 0, 4);
    tcase_add_test(t, a_start_that_is_over_its_time_has_a_moment);
    tcase_add_loop_test(t, a_late_start_is_stopped_also_when_the_helper_does_not_take_it_at_once, 0, 2);
    tcase_add_test(t, what_was_ready_is_not_ended_by_a_hub_that_finds_no_proxy);
    tcase_add_test(t, activity_that_says_nothing_new_is_not_written);
    tcase_add_loop_test(t, nothing_runs_on_of_people_who_may_not_use_the_hub, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
