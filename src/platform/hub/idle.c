/* idle.c - when a server is stopped for want of use or for its age: decisions only. */
#include "platform/hub/idle.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>
#include "base/error.h"
#include "platform/hub/rest_time.h"

enum { PERIOD_LEAST_MS = 1000, PERIOD_MOST_MS = 60 * 1000, PARTS = 10, ITEMS_MAX = 10000 };

cr_idle_plan cr_idle_decide(const cr_idle_rules *r, const cr_idle_facts *f, int64_t now_ms, int64_t period_ms) {
    cr_idle_plan plan = {.why = CR_IDLE_NEVER};
    if (r->idle_ms) {
        int64_t used = CR_MAX(f->used_ms, f->started_ms);
        plan = (cr_idle_plan){.why = CR_IDLE_UNUSED, .stop_ms = CR_MAX(used + r->idle_ms, f->keep_until_ms)};
    }
    if (r->age_ms && (plan.why == CR_IDLE_NEVER || f->started_ms + r->age_ms <= plan.stop_ms))
        plan = (cr_idle_plan){.why = CR_IDLE_AGE, .stop_ms = f->started_ms + r->age_ms};
    if (plan.why == CR_IDLE_NEVER)
        return plan;
    plan.stop = now_ms >= plan.stop_ms;
    plan.warn = now_ms >= plan.stop_ms - r->warn_ms;
    /* Asked while the warning is shown, so that it does not scare somebody whose kernel computes. */
    plan.ask = plan.why == CR_IDLE_UNUSED && now_ms >= plan.stop_ms - CR_MAX(r->warn_ms, period_ms) - period_ms;
    return plan;
}

int64_t cr_idle_keep_until(const cr_idle_rules *r, const cr_idle_facts *f, int64_t now_ms) {
    int64_t until = now_ms + r->keep_ms;
    return r->age_ms ? CR_MIN(until, f->started_ms + r->age_ms) : until;
}

int64_t cr_idle_period(const cr_idle_rules *r) {
    if (!r->idle_ms && !r->age_ms)
        return PERIOD_MOST_MS;
    int64_t least = r->idle_ms && r->age_ms ? CR_MIN(r->idle_ms, r->age_ms) : CR_MAX(r->idle_ms, r->age_ms);
    return CR_MIN(CR_MAX(least / PARTS, (int64_t)PERIOD_LEAST_MS), (int64_t)PERIOD_MOST_MS);
}

/* A clock of the server's that runs ahead does not keep it. */
static void take_time(const json_t *object, int64_t now_ms, int64_t back_ms, int64_t *used_ms) {
    const char *text = json_string_value(json_object_get(object, "last_activity"));
    int64_t ms;
    if (!text || !cr_rest_parse_time(text, &ms))
        return;
    if (ms > now_ms && ms - back_ms <= now_ms)
        ms -= back_ms;
    if (ms > *used_ms)
        *used_ms = CR_MIN(ms, now_ms);
}

static bool is_busy(const json_t *kernel) {
    const char *state = json_string_value(json_object_get(kernel, "execution_state"));
    return state && strcmp(state, "busy") == 0;
}

bool cr_idle_read(const char *const text[3], const size_t len[3], int64_t now_ms, int64_t back_ms, int64_t *ret_used_ms, bool *ret_busy) {
    json_t *parts[3];
    int64_t used = 0;
    bool right = true, busy = false;
    for (int i = 0; i < 3; i++) {
        parts[i] = json_loadb(text[i], len[i], 0, NULL);
        right = right && (i == 0 ? json_is_object(parts[i]) : json_is_array(parts[i]) && json_array_size(parts[i]) <= ITEMS_MAX);
    }
    if (right) {
        take_time(parts[0], now_ms, back_ms, &used);
        for (int i = 1; i < 3; i++) {
            for (size_t k = 0; k < json_array_size(parts[i]); k++) {
                take_time(json_array_get(parts[i], k), now_ms, back_ms, &used);
                busy = busy || (i == 1 && is_busy(json_array_get(parts[i], k)));
            }
        }
        *ret_used_ms = busy ? now_ms : used;
        *ret_busy = busy;
    }
    for (int i = 0; i < 3; i++)
        json_decref(parts[i]);
    return right;
}
