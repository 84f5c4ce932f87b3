/* clock_set.c - notices a step of the clock, and moves what is counted from now. */
#include "platform/hub/clock_set.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "platform/hub/lab.h"

static void move(int64_t *ms, int64_t by_ms) {
    if (*ms)
        *ms = CR_MAX(*ms + by_ms, (int64_t)1);
}

/* What has been cannot be ahead: a time that was read just after the step is of the new clock already. */
static void move_past(int64_t *ms, int64_t by_ms, int64_t now_ms) {
    move(ms, by_ms);
    *ms = CR_MIN(*ms, now_ms);
}

static void move_servers(cr_hub *hub, int64_t by_ms, int64_t now_ms) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (s->state == CR_LAB_STOPPED)
            continue;
        move_past(&s->started_ms, by_ms, now_ms);
        move_past(&s->last_activity_ms, by_ms, now_ms);
        move_past(&s->waiting_ms, by_ms, now_ms);
        move_past(&s->memory_ms, by_ms, now_ms);
        move_past(&s->idle.used_ms, by_ms, now_ms);
        move(&s->idle.keep_until_ms, by_ms);
    }
}

static cr_status move_rows(cr_hub *hub, int64_t by_ms, int64_t now_ms, cr_err *err) {
    CR_TRY(cr_db_run(hub->db, err, "UPDATE servers SET started_ms = min(started_ms + ?1, ?2), last_activity_ms = min(last_activity_ms + ?1, ?2), "
                     "keep_until_ms = iif(keep_until_ms > 0, keep_until_ms + ?1, 0) WHERE running = 1", "ii", by_ms, now_ms));
    CR_TRY(cr_db_run(hub->db, err, "UPDATE servers SET waiting_ms = min(max(waiting_ms + ?1, 1), ?2) WHERE waiting_ms > 0", "ii", by_ms, now_ms));
    CR_TRY(cr_db_run(hub->db, err, "UPDATE removals SET next_ms = next_ms + ?1", "i", by_ms));
    return cr_db_run(hub->db, err, "UPDATE mails SET next_ms = next_ms + ?1 WHERE state = 'waiting'", "i", by_ms);
}

void cr_clock_look(cr_hub *hub) {
    int64_t now_ms = cr_wall_ms(), ahead_ms = now_ms - cr_now_ms(), by_ms = ahead_ms - hub->clock_ahead_ms;
    bool known = hub->clock_ahead_ms != 0;
    if (known && llabs((long long)by_ms) <= CR_CLOCK_STEP_MS)
        return;               /* small steps add up until they count */
    hub->clock_ahead_ms = ahead_ms;
    if (!known)
        return;
    cr_err err = CR_ERR_INIT;
    cr_log(CR_LOG_WARN, "the machine's clock was set: what goes on is counted from now", "by_s=%lld", (long long)(by_ms / 1000));
    hub->clock_back_ms = CR_MAX(hub->clock_back_ms - by_ms, (int64_t)0);
    move_servers(hub, by_ms, now_ms);
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, move_rows(hub, by_ms, now_ms, &err), &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_WARN, "moving times in the database", &err);
    if (hub->feature)
        hub->feature->clock_set(hub, by_ms);
}
