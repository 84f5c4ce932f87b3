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

static void move_servers(cr_hub *hub, int64_t by_ms) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        if (s->state == CR_LAB_STOPPED)
            continue;
        move(&s->started_ms, by_ms);
        move(&s->last_activity_ms, by_ms);
        move(&s->waiting_ms, by_ms);
        move(&s->memory_ms, by_ms);
        move(&s->idle.used_ms, by_ms);
        move(&s->idle.keep_until_ms, by_ms);
    }
}

static cr_status move_rows(cr_hub *hub, int64_t by_ms, cr_err *err) {
    CR_TRY(cr_db_run(hub->db, err, "UPDATE servers SET started_ms = started_ms + ?1, last_activity_ms = last_activity_ms + ?1, "
                     "keep_until_ms = iif(keep_until_ms > 0, keep_until_ms + ?1, 0) WHERE running = 1", "i", by_ms));
    CR_TRY(cr_db_run(hub->db, err, "UPDATE servers SET waiting_ms = max(waiting_ms + ?1, 1) WHERE waiting_ms > 0", "i", by_ms));
    CR_TRY(cr_db_run(hub->db, err, "UPDATE removals SET next_ms = next_ms + ?1", "i", by_ms));
    return cr_db_run(hub->db, err, "UPDATE mails SET next_ms = next_ms + ?1 WHERE state = 'waiting'", "i", by_ms);
}

void cr_clock_look(cr_hub *hub) {
    int64_t ahead_ms = cr_wall_ms() - cr_now_ms(), by_ms = ahead_ms - hub->clock_ahead_ms;
    bool known = hub->clock_ahead_ms != 0;
    if (known && llabs((long long)by_ms) <= CR_CLOCK_STEP_MS)
        return;               /* small steps add up until they count */
    hub->clock_ahead_ms = ahead_ms;
    if (!known)
        return;
    cr_err err = CR_ERR_INIT;
    cr_log(CR_LOG_WARN, "the machine's clock was set: what goes on is counted from now", "by_s=%lld", (long long)(by_ms / 1000));
    hub->clock_back_ms = CR_MAX(hub->clock_back_ms - by_ms, (int64_t)0);
    move_servers(hub, by_ms);
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, move_rows(hub, by_ms, &err), &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_WARN, "moving times in the database", &err);
    if (hub->feature)
        hub->feature->clock_set(hub, by_ms);
}
