/* beat.c - members of a heartbeat. */
#include "platform/gateway/beat.h"

#include <string.h>
#include "base/text.h"

static cr_status read_port(const json_t *body, const char *member, const char *prefix, bool may_be_empty, int64_t *ret_port, cr_err *err) {
    const char *text = json_string_value(json_object_get(body, member));
    if (text && may_be_empty && !*text) {
        *ret_port = 0;
        return CR_OK;
    }
    if (!text || !cr_starts_with(text, prefix) || cr_parse_int(text + strlen(prefix), 1024, 65535, ret_port, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "%s must be %sPORT", member, prefix);
    return CR_OK;
}

static cr_status read_list(const json_t *body, const char *member, cr_arena *arena, cr_beat_list *ret_list, cr_err *err) {
    const json_t *list = json_object_get(body, member);
    if (!json_is_array(list))
        return CR_FAIL(err, CR_INVALID, "%s must be a list", member);
    size_t n = json_array_size(list);
    cr_beat_list l = {cr_arena_calloc(arena, n + 1, sizeof *l.number), 0};
    if (!l.number)
        return CR_FAIL(err, CR_MEMORY, "no memory for a heartbeat");
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        int64_t number;
        if (name && name[0] == 'w' && cr_parse_int(name + 1, 1, INT32_MAX, &number, NULL) == CR_OK)
            l.number[l.n++] = (uint32_t)number;
    }
    *ret_list = l;
    return CR_OK;
}

static cr_status read_idle(const json_t *body, int64_t *ret_idle_ms, cr_err *err) {
    const json_t *idle = json_object_get(body, "idle_seconds");
    if (idle && !json_is_null(idle) && !(json_is_number(idle) && json_number_value(idle) >= 0))
        return CR_FAIL(err, CR_INVALID, "idle_seconds must be a number, 0 or more, or null");
    *ret_idle_ms = json_is_number(idle) ? (int64_t)(CR_MIN(json_number_value(idle), (double)CR_BEAT_IDLE_MAX_S) * 1000) : -1;
    return CR_OK;
}

cr_status cr_beat_read(const json_t *body, cr_arena *arena, cr_beat *ret_beat, cr_err *err) {
    cr_beat b;
    if (!json_is_object(body))
        return CR_FAIL(err, CR_INVALID, "a heartbeat is a JSON object");
    CR_TRY(read_port(body, "scheduler_address", "tls://127.0.0.1:", false, &b.scheduler_port, err));
    CR_TRY(read_port(body, "api_address", "http://127.0.0.1:", false, &b.api_port, err));
    CR_TRY(read_port(body, "dashboard_address", "http://127.0.0.1:", true, &b.dashboard_port, err));
    const json_t *count = json_object_get(body, "count");
    if (!json_is_integer(count) || json_integer_value(count) < 0)
        return CR_FAIL(err, CR_INVALID, "count must be a whole number, 0 or more");
    b.count = CR_MIN((int64_t)json_integer_value(count), (int64_t)CR_BEAT_COUNT_MAX);
    CR_TRY(read_idle(body, &b.idle_ms, err));
    CR_TRY(read_list(body, "active_workers", arena, &b.active, err));
    CR_TRY(read_list(body, "closing_workers", arena, &b.closing, err));
    CR_TRY(read_list(body, "closed_workers", arena, &b.closed, err));
    *ret_beat = b;
    return CR_OK;
}
