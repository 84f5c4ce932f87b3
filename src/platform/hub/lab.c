/* lab.c - the state machine. Rows are in lab_rows.c, texts and JSON in lab_text.c. */
#include "platform/hub/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/disk.h"
#include "platform/hub/figures.h"
#include "platform/hub/idle_watch.h"
#include "platform/hub/lab_queue.h"
#include "platform/hub/lab_routes.h"
#include "platform/hub/lab_rows.h"
#include "platform/hub/profile_choice.h"

enum {
    START_MS = 150 * 1000,        /* STARTING to READY: a cold start on a busy small machine */
    GRACE_MS = 10 * 1000,         /* for the server to end by itself */
    STOP_MS = 20 * 1000,          /* then it should be gone */
    FORCE_MS = 10 * 1000,         /* between repetitions with force */
    RESUMED_MS = 10 * 1000,       /* a start that a new hub finds has at least this long */
    LIST_MS = 30 * 1000,          /* for the runner's list */
    GUESTS_MS = 65 * 1000,        /* longer than servers believe what the hub said of a visitor, see launch.c */
    CUT_AGAIN_MS = 5000,          /* where the proxy has not said that it is done */
};

static void on_start_late(void *user);
static void on_stop_late(void *user);

/* ---- telling ---- */

static void tell(cr_lab *s) {
    for (cr_lab_listener *l = s->listeners.next, *next; l != &s->listeners; l = next) {
        next = l->next;
        l->fn(l->user, s);
    }
}

static void set_state(cr_lab *s, cr_lab_state state, int percent, const char *message) {
    s->state = state;
    s->percent = percent;
    snprintf(s->message, sizeof s->message, "%s", message);
    tell(s);
}

void cr_lab_tell_state(cr_lab *s, cr_lab_state state, int percent, const char *message) { set_state(s, state, percent, message); }

void cr_lab_listen(cr_lab *s, cr_lab_listener *l, cr_lab_fn fn, void *user) {
    *l = (cr_lab_listener){s->listeners.prev, &s->listeners, s, fn, user};
    s->listeners.prev->next = l;
    s->listeners.prev = l;
}

void cr_lab_unlisten(cr_lab_listener *l) {
    if (!l->server)
        return;
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->server = NULL;
}

static cr_server_id id_of(const cr_lab *s) {
    cr_server_id id = {.generation = s->generation};
    snprintf(id.account, sizeof id.account, "%s", s->account);
    snprintf(id.server, sizeof id.server, "%s", s->name);
    return id;
}

/* ---- start ---- */

/* start: with what was chosen. */
static cr_status begin(cr_lab *s, cr_runner_start *start, cr_err *err) {
    cr_hub *hub = s->hub;
    CR_TRY(cr_folders_of(hub->db, s->user_id, &hub->folders, &start->folders, err));
    cr_disk disk;
    CR_TRY(cr_disk_of(hub, s->user_id, &disk, err));
    start->disk_bytes = disk.limit_bytes;
    CR_TRY(cr_lab_rows_start(s, start->token, err));
    start->id = id_of(s);
    start->cleaning = s->cleaning;
    snprintf(start->user, sizeof start->user, "%s", s->user);
    snprintf(start->display, sizeof start->display, "%s", s->user);
    cr_status status = hub->runner->ops->start(hub->runner, start, err);
    explicit_bzero(start->token, sizeof start->token);
    if (status != CR_OK) {
        cr_lab_rows_stopped(s, "failed_start", err ? err->message : N_("the runner did not take it"), hub);
        return status;
    }
    cr_log(CR_LOG_INFO, "server starting", "user=%s server=%s generation=%llu", s->user, s->name, (unsigned long long)s->generation);
    s->failed = s->was_ready = s->start_again = false;
    s->memory_ms = s->idle.used_ms = 0;
    s->idle.unanswered = 0;
    s->why[0] = s->why_word[0] = 0;
    s->began_ms = cr_now_ms();
    s->started_ms = s->last_activity_ms = cr_wall_ms();
    cr_timer_start(hub->loop, &s->deadline, START_MS, on_start_late, s);
    set_state(s, CR_LAB_STARTING, 10, N_("Your server was asked for."));
    return CR_OK;
}

static cr_status check_person(const cr_lab *s, cr_err *err) {
    cr_removal_row removal;
    CR_TRY(cr_removal_find(s->hub, s->user_id, &removal, err));
    if (removal.wanted)
        return CR_FAIL(err, CR_CONFLICT, "%s is being removed", s->user);
    cr_person person;
    CR_TRY(cr_person_get(s->hub->db, s->user_id, &person, err));
    return person.disabled ? CR_FAIL(err, CR_CONFLICT, "%s is disabled", s->user) : CR_OK;
}

bool cr_lab_begin_waiting(cr_lab *s) {
    cr_err err = CR_ERR_INIT;
    cr_runner_start start = {0};
    cr_status status = check_person(s, &err);
    if (status == CR_OK)
        status = cr_disk_admits(s, &err);
    if (status == CR_OK)
        status = cr_choice_for_start(s, &start, &err);
    if (status == CR_OK && begin(s, &start, &err) == CR_OK)
        return true;
    cr_log_err(CR_LOG_ERROR, "starting a server that waited", &err);
    if (status == CR_CONFLICT || status == CR_DENIED)
        cr_lab_rows_stopped(s, "failed_start", err.message, s->hub);
    else if (s->waiting_ms)
        return false;
    s->waiting_ms = 0;
    s->failed = true;
    set_state(s, CR_LAB_STOPPED, 0, N_("The start failed."));
    return true;
}

cr_status cr_lab_start(cr_lab *s, cr_err *err) {
    if (s->hub->recovering)
        return CR_FAIL(err, CR_BUSY, "the hub has just started and looks for running servers; try again in a second");
    CR_TRY(check_person(s, err));
    if (s->removing)
        return CR_FAIL(err, CR_CONFLICT, "this server is being removed");
    if (s->state == CR_LAB_STOPPING) {
        s->start_again = true;
        return CR_OK;
    }
    if (s->state != CR_LAB_STOPPED)
        return CR_OK;
    cr_runner_start start = {0};
    CR_TRY(cr_disk_admits(s, err));
    CR_TRY(cr_choice_for_start(s, &start, err));     /* what it will take decides whether it waits */
    return cr_lab_queue_admits(s) ? begin(s, &start, err) : cr_lab_queue_add(s, err);
}

static void on_start_late(void *user) {
    cr_lab *s = user;
    cr_err err = CR_ERR_INIT;
    if (s->was_ready && s->state == CR_LAB_ROUTING) {      /* somebody works there, and it is the proxy that is missing */
        cr_log(CR_LOG_WARN, "a server that was ready waits for its route", "user=%s server=%s", s->user, s->name);
        cr_timer_start(s->hub->loop, &s->deadline, START_MS, on_start_late, s);
        return;
    }
    s->failed = true;
    if (cr_lab_stop_for(s, "late", N_("It was not ready after two and a half minutes and was stopped."), &err) == CR_OK)
        return;
    cr_log_err(CR_LOG_ERROR, "stopping a late server", &err);
    cr_timer_start(s->hub->loop, &s->deadline, FORCE_MS, on_start_late, s);      /* the helper did not take it; without this nobody would ask again */
}

/* A new hub has found it starting: what is left of its time, which the hub of before has counted. However often hubs are killed, a start does not
 * get its whole time again. */
static void resume_deadline(cr_lab *s) {
    int64_t left = START_MS - (cr_wall_ms() - s->started_ms);
    cr_timer_start(s->hub->loop, &s->deadline, CR_MIN(CR_MAX(left, (int64_t)RESUMED_MS), (int64_t)START_MS), on_start_late, s);
}

/* ---- guests ---- */

static void on_guests(void *user);

/* What is to be cut waits until there is a way to the server that can be cut. */
static void wait_for_guests(cr_lab *s) {
    int64_t left = s->guests_out_ms - cr_wall_ms();
    if (s->guests_out_ms && s->state == CR_LAB_READY && !cr_timer_running(&s->guests))
        cr_timer_start(s->hub->loop, &s->guests, CR_MIN(CR_MAX(left, (int64_t)0), (int64_t)GUESTS_MS), on_guests, s);
}

static void on_guests(void *user) {
    cr_lab *s = user;
    char link[CR_LINK_MAX];
    bool asked = s->guests_asked;
    s->guests_asked = false;
    if (s->state != CR_LAB_READY) {
        s->guests_again = false;
        return;          /* what begins anew cuts nothing, see start_rows() */
    }
    if (!asked)
        cr_log(CR_LOG_INFO, "what is open to a server is cut: a guest may not be there any more", "user=%s", s->user);
    s->guests_asked = true;
    cr_timer_start(s->hub->loop, &s->guests, CUT_AGAIN_MS, on_guests, s);
    cr_proxy_cut(s->hub->proxy, cr_link_name(s->account, s->generation, link, sizeof link));
}

static void guests_are_out(cr_lab *s) {
    cr_err err = CR_ERR_INIT;
    int64_t next_ms = s->guests_again ? cr_wall_ms() + GUESTS_MS : 0;
    s->guests_asked = s->guests_again = false;
    cr_timer_stop(&s->guests);
    if (cr_lab_rows_guests(s, next_ms, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "noting when guests are put out", &err);
        s->guests_out_ms = next_ms;      /* the row says earlier: a next hub cuts too soon or in vain, and never too late */
    }
    wait_for_guests(s);
}

/* Not before is it noted as done: a hub that is killed in between, or a proxy that is away, would leave everybody in. */
void cr_lab_on_cut(void *user, const char *server) {
    cr_hub *hub = user;
    char link[CR_LINK_MAX];
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (s->guests_asked && s->state == CR_LAB_READY && strcmp(cr_link_name(s->account, s->generation, link, sizeof link), server) == 0)
            guests_are_out(s);
    }
}

/* Who takes a link and gives it back all the time holds up nobody's end. */
cr_status cr_lab_put_guests_out(cr_lab *s, cr_err *err) {
    if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_WAITING)
        return CR_OK;
    CR_TRY(cr_lab_rows_guests(s, cr_wall_ms() + GUESTS_MS, err));
    s->guests_again = cr_timer_running(&s->guests);
    wait_for_guests(s);
    return CR_OK;
}

static void on_routed(void *user) {
    cr_lab *s = user;
    if (s->state != CR_LAB_ROUTING)
        return;
    cr_timer_stop(&s->deadline);
    bool fresh = !s->was_ready && s->began_ms;
    s->was_ready = true;
    s->why[0] = s->why_word[0] = 0;      /* of a stop that a hub of before has asked for and nobody carried out */
    if (fresh) {
        cr_breaker_close(&s->breaker);
        cr_breaker_close(&s->hub->breaker[cr_choice_place(s, NULL)]);
        s->ready_after_ms = CR_MAX(cr_now_ms() - s->began_ms, (int64_t)1);
        cr_figures_start(s, "");
        cr_lab_rows_ready(s);
        cr_log(CR_LOG_INFO, "server ready", "user=%s server=%s after_ms=%lld", s->user, s->name, (long long)s->ready_after_ms);
    }
    set_state(s, CR_LAB_READY, 100, N_("Your server is ready."));
    wait_for_guests(s);
    cr_lab_queue_go_on(s->hub);
}

static void route(cr_lab *s, const char *message) {
    cr_err err = CR_ERR_INIT;
    set_state(s, CR_LAB_ROUTING, 90, message);
    if (cr_lab_route_add(s, on_routed, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "making a route", &err);       /* the deadline stops the server */
}

static void on_answered(void *user) {
    cr_lab *s = user;
    cr_probe_free(s->probe);
    s->probe = NULL;
    route(s, N_("JupyterLab answers; connecting it to your address."));
}

/* A hub of before had it ready: it is again when the proxy has its route. A kernel that keeps JupyterLab from answering just now, or a proxy that is
 * away, are no reason to end what the hub of before would have left alone. */
static void take_up(cr_lab *s) {
    cr_timer_start(s->hub->loop, &s->deadline, START_MS, on_start_late, s);
    route(s, N_("The hub looks for your server."));
}

static void check(cr_lab *s) {
    char link[CR_LINK_MAX], name[CR_LINK_MAX + sizeof CR_RUN_ROUTE], path[CR_URL_MAX], url[CR_URL_MAX];
    snprintf(name, sizeof name, CR_RUN_ROUTE "/%s", cr_link_name(s->account, s->generation, link, sizeof link));
    cr_run_path(s->hub->config, name, path, sizeof path);
    cr_url_prefix(s->hub->config, s->user, s->name, url, sizeof url - 4);
    strcat(url, "api");
    cr_probe_free(s->probe);
    s->probe = NULL;
    cr_err err = CR_ERR_INIT;
    if (cr_probe_new(s->hub->loop, path, url, on_answered, s, &s->probe, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "checking a server", &err);
    s->was_ready = false;
    if (!cr_timer_running(&s->deadline))
        resume_deadline(s);
    set_state(s, CR_LAB_CHECKING, 60, N_("JupyterLab is loading its parts."));
}

/* ---- stop ---- */

cr_status cr_lab_stop(cr_lab *s, const char *why, cr_err *err) { return cr_lab_stop_for(s, "", why, err); }

cr_status cr_lab_stop_for(cr_lab *s, const char *word, const char *why, cr_err *err) {
    s->start_again = false;
    if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING)
        return CR_OK;
    if (s->state == CR_LAB_WAITING)
        return cr_lab_queue_cancel(s, err);
    cr_server_id id = id_of(s);
    CR_TRY(s->hub->runner->ops->stop(s->hub->runner, &id, GRACE_MS, err));
    snprintf(s->why, sizeof s->why, "%s", why ? why : "");
    snprintf(s->why_word, sizeof s->why_word, "%s", word);
    cr_lab_rows_stopping(s);
    cr_idle_drop(s);
    cr_probe_free(s->probe);
    s->probe = NULL;
    cr_lab_route_drop(s);
    cr_timer_start(s->hub->loop, &s->deadline, STOP_MS, on_stop_late, s);
    s->stopping_ms = cr_now_ms();
    set_state(s, CR_LAB_STOPPING, 0, N_("Your server is stopping."));
    return CR_OK;
}

/* Said again, without grace; and the list tells when the runner does not know it (any more). */
static void on_stop_late(void *user) {
    cr_lab *s = user;
    cr_hub *hub = s->hub;
    cr_server_id id = id_of(s);
    cr_err err = CR_ERR_INIT;
    s->seen = false;
    cr_log(CR_LOG_WARN, "server does not stop: using force", "user=%s server=%s", s->user, s->name);
    if (hub->runner->ops->stop(hub->runner, &id, 0, &err) != CR_OK || hub->runner->ops->list(hub->runner, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "stopping by force", &err);
    cr_timer_start(hub->loop, &s->deadline, FORCE_MS, on_stop_late, s);
}

/* What was ended from outside, or while nobody looked, says nothing about the next start. */
static void note_failure(cr_lab *s) {
    if (strcmp(s->stop_reason, "signal") == 0 || strcmp(s->stop_reason, "lost") == 0)
        return;
    cr_hub *hub = s->hub;
    const cr_config *c = hub->config;
    int64_t now = cr_now_ms(), pause = c->breaker_pause_s * 1000;
    if (cr_breaker_failed(&s->breaker, (int)c->breaker, pause, (int64_t)s->generation, s->stop_text, now))
        cr_log(CR_LOG_WARN, "starts fail: a pause for this person", "user=%s failures=%d", s->user, s->breaker.n);
    cr_breaker *all = &hub->breaker[cr_choice_place(s, NULL)];
    if (cr_breaker_failed(all, (int)c->breaker, pause, s->user_id, s->stop_text, now))
        cr_log(CR_LOG_ERROR, "starts fail: a pause for everybody", "people=%d profile=%s last=%s", all->n, cr_choice_title(s, NULL), all->reason);
}

static void on_stopped(cr_lab *s, const char *reason, const char *text) {
    cr_hub *hub = s->hub;
    cr_timer_stop(&s->deadline);
    cr_probe_free(s->probe);
    s->probe = NULL;
    cr_lab_route_drop(s);
    if (!s->was_ready && s->state != CR_LAB_STOPPING)
        s->failed = true;
    cr_idle_drop(s);
    cr_lab_rows_stopped(s, s->why_word[0] ? s->why_word : reason, s->why[0] ? s->why : text, hub);
    cr_log(CR_LOG_INFO, "server stopped", "user=%s server=%s reason=%s text=%s", s->user, s->name, s->stop_reason, s->stop_text);
    cr_figures_stopped(s);
    if (!s->was_ready)
        cr_figures_start(s, s->failed ? s->stop_reason : "cancelled");
    s->stopping_ms = 0;
    if (s->failed && !hub->recovering)
        note_failure(s);
    bool again = s->start_again;
    s->start_again = s->cleaning = false;
    s->began_ms = 0;
    set_state(s, CR_LAB_STOPPED, 0, s->failed ? N_("The start failed.") : N_("Your server has stopped."));
    cr_err err = CR_ERR_INIT;
    if (again && cr_lab_start(s, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "starting again", &err);
    else if (!again)
        cr_people_continue_removals(hub);
    cr_lab_queue_go_on(hub);
    if (s->removing && !cr_loop_post(hub->loop, cr_labs_sweep, hub))
        cr_log(CR_LOG_WARN, "a server is removed at the next minute only", "user=%s server=%s", s->user, s->name);
}

/* ---- the runner's events ---- */

static cr_lab *find_by_event(cr_hub *hub, const cr_runner_event *e) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (s->generation == e->id.generation && strcmp(s->account, e->id.account) == 0 && strcmp(s->name, e->id.server) == 0)
            return s;
    }
    return NULL;
}

static void on_snapshot(cr_hub *hub, const cr_runner_event *e) {
    cr_lab *s = find_by_event(hub, e);
    if (!s) {
        cr_err err = CR_ERR_INIT;
        cr_log(CR_LOG_WARN, "a server runs that nobody knows: stopping it", "account=%s generation=%llu", e->id.account,
               (unsigned long long)e->id.generation);
        if (hub->runner->ops->stop(hub->runner, &e->id, GRACE_MS, &err) != CR_OK)
            cr_log_err(CR_LOG_ERROR, "stopping an unknown server", &err);
        return;
    }
    s->seen = true;
    if (!hub->recovering || s->state != CR_LAB_STARTING)
        return;
    hub->recovery_seen++;
    s->listens = e->socket_ready;
}

/* What should run and was not in the list has ended while nobody watched. The others are asked whether they answer now and not before: a thousand
 * that wake up at once take the processor from the list, for which everybody waits. */
static void on_snapshot_end(cr_hub *hub) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        bool unsure = hub->recovering ? s->state != CR_LAB_STOPPED && s->state != CR_LAB_WAITING
                                      : s->state == CR_LAB_STOPPING && cr_timer_running(&s->deadline);
        if (unsure && !s->seen && (hub->recovering || s->state == CR_LAB_STOPPING))
            on_stopped(s, "lost", N_("It ended while the hub was not looking, for example because the machine was restarted."));
        else if (hub->recovering && s->state == CR_LAB_STARTING && s->listens && s->was_ready)
            take_up(s);
        else if (hub->recovering && s->state == CR_LAB_STARTING && s->listens)
            check(s);
        else if (hub->recovering && s->state == CR_LAB_STARTING)
            resume_deadline(s);
        s->seen = true;
    }
    if (hub->recovering) {
        hub->recovering = false;
        cr_timer_stop(&hub->recovery);
        cr_log(CR_LOG_INFO, "hub has found the running servers", "n=%lld", (long long)hub->recovery_seen);
        cr_removals_begin(hub);
        cr_labs_sweep(hub);
        cr_lab_queue_go_on(hub);
    }
}

static void on_list_late(void *user) {
    cr_hub *hub = user;
    cr_err err = CR_ERR_INIT;
    cr_log(CR_LOG_ERROR, "the helper does not tell what runs: asking again", "after_s=%d", LIST_MS / 1000);
    if (cr_labs_recover(hub, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "asking for what runs", &err);
}

cr_status cr_labs_recover(cr_hub *hub, cr_err *err) {
    hub->recovering = true;
    hub->recovery_seen = 0;
    cr_timer_start(hub->loop, &hub->recovery, LIST_MS, on_list_late, hub);
    return hub->runner->ops->list(hub->runner, err);
}

static void on_exited(cr_lab *s, const cr_runner_event *e) {
    char text[sizeof s->stop_text];
    const char *reason = cr_lab_text_stop(e, text, sizeof text);
    on_stopped(s, reason, text);
}

void cr_labs_event(void *user, const cr_runner_event *e) {
    cr_hub *hub = user;
    if (cr_disk_event(hub, e))
        return;
    if (e->kind == CR_RUNNER_SNAPSHOT) {
        on_snapshot(hub, e);
        return;
    }
    if (e->kind == CR_RUNNER_SNAPSHOT_END) {
        on_snapshot_end(hub);
        return;
    }
    if (e->kind == CR_RUNNER_PROXY) {
        hub->proxy_pid = e->pid;
        if (e->pid)
            cr_proxy_reconnect(hub->proxy);
        return;
    }
    if (e->kind == CR_RUNNER_TLS) {
        hub->tls_until_s = e->detail;
        snprintf(hub->tls_problem, sizeof hub->tls_problem, "%s", e->text);
        return;
    }
    if (e->kind == CR_RUNNER_LOST) {
        cr_log(CR_LOG_ERROR, "the helper is gone: ending, servers go on", NULL);
        cr_hub_stop(hub, 0);
        return;
    }
    if (e->kind == CR_RUNNER_REMOVED || e->kind == CR_RUNNER_NOT_REMOVED) {
        cr_removals_event(hub, e);
        return;
    }
    cr_lab *s = find_by_event(hub, e);
    if (!s)
        return;
    if (e->kind == CR_RUNNER_STARTED && s->state == CR_LAB_STARTING)
        set_state(s, CR_LAB_STARTING, 30, e->preimported ? N_("Your server was started from the prepared process.") : N_("Your server's process was started."));
    else if (e->kind == CR_RUNNER_SOCKET && s->state == CR_LAB_STARTING)
        check(s);
    else if (e->kind == CR_RUNNER_EXITED && s->state != CR_LAB_STOPPED && s->state != CR_LAB_WAITING)
        on_exited(s, e);
    else if (e->kind == CR_RUNNER_MEMORY) {
        s->memory_ms = cr_wall_ms();
        s->memory_limit = (uint64_t)e->detail;
    }
}

void cr_lab_note_activity(cr_lab *s, int64_t wall_ms) {
    if (wall_ms > s->last_activity_ms) {
        s->last_activity_ms = wall_ms;
        s->activity_changed = true;
    }
}

int cr_lab_count_running(const cr_hub *hub) {
    int n = 0;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        n += ((cr_lab *)value)->state != CR_LAB_STOPPED && ((cr_lab *)value)->state != CR_LAB_WAITING;
    return n;
}
