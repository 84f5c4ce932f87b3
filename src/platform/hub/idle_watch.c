/* idle_watch.c - asks servers that have not been used for long, and stops them. */
#include "platform/hub/idle_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/disk.h"
#include "platform/hub/idle.h"

/* So many answers in a row may be missing: a server that swaps or computes is slow. Then what it has posted counts. */
enum { UNANSWERED_MOST = 3, TOKENS_MAX = 100000, HASH_TEXT = 2 * CR_HASH_BYTES + 1 };

typedef struct cr_idle_watch {
    cr_hub *hub;
    cr_idle_rules rules;
    int64_t period_ms;
    cr_timer timer;
    cr_map tokens;            /* SHA-256 of a token that is in use -> its server */
} cr_idle_watch;

/* A server that was started for cleaning up has an age of its own. */
static cr_idle_rules rules_of(const cr_lab *s) {
    cr_idle_rules r = s->hub->idle->rules;
    if (s->cleaning)
        r.age_ms = r.age_ms ? CR_MIN(r.age_ms, (int64_t)CR_DISK_CLEANING_MS) : CR_DISK_CLEANING_MS;
    return r;
}

static cr_idle_plan plan_of(const cr_lab *s) {
    const cr_idle_watch *w = s->hub->idle;
    cr_idle_rules r = rules_of(s);
    cr_idle_facts f = {s->started_ms, CR_MAX(s->last_activity_ms, s->idle.used_ms), s->idle.keep_until_ms};
    return cr_idle_decide(&r, &f, cr_wall_ms(), w->period_ms);
}

static void hash_text(const char *token, char out[HASH_TEXT]) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(token, hash);
    cr_hex(hash, sizeof hash, out);
}

void cr_idle_drop(cr_lab *s) {
    cr_lab_ask_free(s->idle.ask);
    s->idle.ask = NULL;
    if (s->idle.token[0])
        cr_map_remove(&s->hub->idle->tokens, s->idle.token);
    s->idle.token[0] = 0;
}

bool cr_idle_knows(cr_hub *hub, const char *token, cr_caller *c) {
    char key[HASH_TEXT];
    if (!hub->idle || !cr_token_is_wellformed(token))
        return false;
    hash_text(token, key);
    const cr_lab *s = cr_map_get(&hub->idle->tokens, key);
    cr_err err = CR_ERR_INIT;
    if (!s || cr_person_get(hub->db, s->user_id, &c->person, &err) != CR_OK)
        return false;
    /* As a browser's token at that server: it may go in there, and be told whose it is. */
    c->token = (cr_token){.kind = CR_TOKEN_OAUTH, .user_id = s->user_id, .server_id = s->id};
    snprintf(c->token.server, sizeof c->token.server, "%s/%s", s->user, s->name);
    return true;
}

static void stop(cr_lab *s, cr_idle_why why) {
    const cr_idle_rules r = rules_of(s);
    char after[40], text[sizeof s->why];
    cr_err err = CR_ERR_INIT;
    if (why == CR_IDLE_AGE)
        snprintf(text, sizeof text, N_("It had run for %s, the longest time that is allowed here."), cr_text_span(r.age_ms, after, sizeof after));
    else
        snprintf(text, sizeof text, N_("It was not used for %s: no kernel computed, no terminal was used, no Dask cluster ran."),
                 cr_text_span(r.idle_ms, after, sizeof after));
    cr_log(CR_LOG_INFO, "server is stopped by rule", "user=%s server=%s why=%s", s->user, s->name, why == CR_IDLE_AGE ? "age" : "idle");
    if (cr_lab_stop_for(s, why == CR_IDLE_AGE ? "age" : "idle", text, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, "stopping a server that is not used", &err);
}

static void on_answer(void *user, bool answered, bool refused, int64_t used_ms, bool busy) {
    cr_lab *s = user;
    cr_idle_drop(s);
    /* A refusal says that it lives and not what it does; floods at the API's port cause them, and must not end what computes. */
    s->idle.unanswered = answered ? 0 : s->idle.unanswered + !refused;
    if (answered)
        s->idle.used_ms = CR_MAX(s->idle.used_ms, used_ms);
    cr_idle_plan plan = plan_of(s);
    if (plan.stop && (answered || (!refused && s->idle.unanswered > UNANSWERED_MOST)) && s->state == CR_LAB_READY)
        stop(s, plan.why);
}

static void ask(cr_lab *s) {
    cr_hub *hub = s->hub;
    char link[CR_LINK_MAX], name[CR_LINK_MAX + sizeof CR_RUN_ROUTE], path[CR_URL_MAX], url[CR_URL_MAX], token[CR_TOKEN_LEN + 1];
    cr_err err = CR_ERR_INIT;
    cr_link_name(s->account, s->generation, link, sizeof link);
    snprintf(name, sizeof name, CR_RUN_ROUTE "/%s", link);
    cr_run_path(hub->config, name, path, sizeof path);
    cr_token_make(token);
    hash_text(token, s->idle.token);
    cr_status status = cr_map_set(&hub->idle->tokens, s->idle.token, s, &err);
    if (status != CR_OK)
        s->idle.token[0] = 0;
    else
        status = cr_lab_ask_new(hub->loop, path, cr_url_prefix(hub->config, s->user, s->name, url, sizeof url), token, hub->clock_back_ms, on_answer, s, &s->idle.ask, &err);
    explicit_bzero(token, sizeof token);
    if (status != CR_OK) {
        cr_log_err(CR_LOG_WARN, "asking a server what it does", &err);
        cr_idle_drop(s);
    }
}

static void look_at(cr_lab *s) {
    cr_hub *hub = s->hub;
    if (hub->feature && hub->feature->works(hub, s->user_id))
        s->idle.used_ms = cr_wall_ms();
    cr_idle_plan plan = plan_of(s);
    if (plan.stop && plan.why == CR_IDLE_AGE)
        stop(s, plan.why);
    else if (plan.ask && !s->idle.ask)
        ask(s);
}

static void on_time(void *user) {
    cr_idle_watch *w = user;
    void *value;
    cr_timer_start(w->hub->loop, &w->timer, w->period_ms, on_time, w);
    for (size_t i = 0; (i = cr_map_next(&w->hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->state == CR_LAB_READY)
            look_at(value);
}

cr_status cr_idle_open(cr_hub *hub, cr_err *err) {
    cr_idle_watch *w = calloc(1, sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory for rules about idle servers");
    const cr_config *c = hub->config;
    w->hub = hub;
    w->rules = (cr_idle_rules){c->idle_s * 1000, c->age_s * 1000, c->idle_warning_s * 1000, c->idle_keep_s * 1000};
    w->period_ms = cr_idle_period(&w->rules);
    cr_map_init(&w->tokens, TOKENS_MAX);
    cr_timer_start(hub->loop, &w->timer, w->period_ms, on_time, w);
    hub->idle = w;
    return CR_OK;
}

void cr_idle_close(cr_hub *hub) {
    cr_idle_watch *w = hub->idle;
    void *value;
    if (!w)
        return;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        cr_idle_drop(value);
    cr_timer_stop(&w->timer);
    cr_map_done(&w->tokens);
    free(w);
    hub->idle = NULL;
}

cr_status cr_idle_keep(cr_lab *s, cr_err *err) {
    const cr_idle_rules *r = &s->hub->idle->rules;
    if (s->state != CR_LAB_READY)
        return CR_FAIL(err, CR_CONFLICT, "your server is not running");
    if (!r->keep_ms || !r->idle_ms)
        return CR_FAIL(err, CR_CONFLICT, "servers cannot be kept here; ask your administrator");
    cr_idle_facts f = {.started_ms = s->started_ms};
    int64_t until = cr_idle_keep_until(r, &f, cr_wall_ms());
    CR_TRY(cr_db_run(s->hub->db, err, "UPDATE servers SET keep_until_ms = ? WHERE id = ?", "ii", until, s->id));
    s->idle.keep_until_ms = until;
    return CR_OK;
}

json_t *cr_idle_values(const cr_lab *s) {
    const cr_idle_rules rules = rules_of(s), *r = &rules;
    char in[40], keep[40], kept[40], rule[40], age[40];
    int64_t now = cr_wall_ms();
    cr_idle_plan plan = s->state == CR_LAB_READY ? plan_of(s) : (cr_idle_plan){.why = CR_IDLE_NEVER};
    bool is_kept = s->state == CR_LAB_READY && s->idle.keep_until_ms > now;
    return json_pack("{s:b, s:b, s:s, s:s, s:s, s:s, s:s}", "warn", plan.warn, "age", plan.why == CR_IDLE_AGE,
                     "in", plan.why == CR_IDLE_NEVER ? "" : cr_text_span(CR_MAX(plan.stop_ms - now, 0), in, sizeof in),
                     "keep", r->keep_ms && r->idle_ms && plan.why == CR_IDLE_UNUSED ? cr_text_span(r->keep_ms, keep, sizeof keep) : "",
                     "kept", is_kept ? cr_text_span(s->idle.keep_until_ms - now, kept, sizeof kept) : "",
                     "rule", r->idle_ms ? cr_text_span(r->idle_ms, rule, sizeof rule) : "",
                     "age_rule", r->age_ms ? cr_text_span(r->age_ms, age, sizeof age) : "");
}
