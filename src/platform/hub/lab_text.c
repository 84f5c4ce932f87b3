/* lab_text.c - a server as people and programs see it. */
#include <signal.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/lab_rows.h"

const char *cr_lab_text_stop(const cr_runner_event *e, char *text, size_t size) {
    char amount[16];
    switch (e->reason) {
    case CR_STOP_OOM:
        if (e->detail == 0) {
            snprintf(text, size, N_("It was ended because the memory of the machine was used up; its own limit was not reached. Start it again; if that happens often, tell your administrator."));
            return "oom";
        }
        snprintf(text, size, N_("It ran out of memory: the limit is %s. Close notebooks you do not need, load less at once, or ask your administrator for more."),
                 cr_text_bytes((uint64_t)e->detail, amount, sizeof amount));
        return "oom";
    case CR_STOP_REQUESTED: snprintf(text, size, N_("It was stopped on request.")); return "requested";
    case CR_STOP_SIGNAL:
        snprintf(text, size, N_("It was ended from outside (signal %d, %s)."), (int)e->detail, strsignal((int)e->detail));
        return "signal";
    case CR_STOP_LOST: snprintf(text, size, N_("It ended while nobody was looking; the cause is not known.")); return "lost";
    case CR_STOP_FAILED_START:
        snprintf(text, size, N_("It could not be started: %s"), e->text[0] ? e->text : N_("the cause is not known"));
        return "failed_start";
    case CR_STOP_EXITED: break;
    }
    if (e->detail == 0)
        snprintf(text, size, N_("It was shut down from inside, for example from JupyterLab's File menu."));
    else
        snprintf(text, size, N_("It ended by itself with exit code %d.%s%s"), (int)e->detail, e->text[0] ? " " : "", e->text);
    return "exited";
}

char *cr_lab_origin_url(const cr_lab *s, const char *rest, char *buf, size_t size) {
    char origin[512], prefix[1024];
    cr_url_user_origin(s->hub->config, s->account, origin, sizeof origin);
    cr_url_prefix(s->hub->config, s->user, s->name, prefix, sizeof prefix);
    int n = snprintf(buf, size, "%s%s%s", origin, prefix, rest);
    if (n < 0 || (size_t)n >= size)
        buf[0] = 0;
    return buf;
}

char *cr_lab_usual(const cr_lab *s, char buf[48]) {
    char span[40];
    snprintf(buf, 48, N_("about %s"), cr_text_span(CR_MAX(s->ready_after_ms, (int64_t)1000), span, sizeof span));
    return buf;
}

json_t *cr_lab_progress(const cr_lab *s) {
    char url[CR_URL_MAX], usual[48], message[400];
    if (s->state == CR_LAB_READY)
        return json_pack("{s:i, s:s, s:b, s:s}", "progress", 100, "message", s->message, "ready", 1, "url",
                         cr_lab_origin_url(s, "", url, sizeof url));
    if (s->state == CR_LAB_STOPPED)
        return json_pack("{s:i, s:s+++, s:b}", "progress", 100, "message", s->message, s->stop_text[0] ? " " : "", s->stop_text, "",
                         "failed", 1);
    if (s->ready_after_ms && s->state != CR_LAB_STOPPING && s->state != CR_LAB_WAITING)
        snprintf(message, sizeof message, N_("%s Last time it took %s."), s->message, cr_lab_usual(s, usual));
    else
        snprintf(message, sizeof message, "%s", s->message);
    return json_pack("{s:i, s:s}", "progress", s->percent, "message", message);
}

static json_t *time_or_null(int64_t wall_ms) {
    char buf[32];
    return wall_ms ? json_string(cr_iso8601(wall_ms, buf, sizeof buf)) : json_null();
}

json_t *cr_lab_model(const cr_lab *s) {
    char prefix[CR_URL_MAX], full[CR_URL_MAX], progress[CR_URL_MAX], name[3 * CR_NAME_MAX + 4];
    const char *pending = s->state == CR_LAB_STOPPING ? "stop" : s->state == CR_LAB_READY || s->state == CR_LAB_STOPPED ? NULL : "spawn";
    cr_url_segment(s->user, name, sizeof name);
    if (s->name[0])
        snprintf(progress, sizeof progress, "/hub/api/users/%s/servers/%s/progress", name, s->name);
    else
        snprintf(progress, sizeof progress, "/hub/api/users/%s/server/progress", name);
    return json_pack("{s:s, s:s, s:s+++, s:o, s:o, s:s?, s:b, s:b, s:s, s:s, s:s+, s:s+, s:O, s:o, s:s?}",
                     "name", s->name, "display_name", s->title[0] ? s->title : s->name, "full_name", s->user, "/", s->name, "",
                     "last_activity", time_or_null(s->last_activity_ms), "started", time_or_null(s->state == CR_LAB_STOPPED ? 0 : s->started_ms),
                     "pending", pending, "ready", s->state == CR_LAB_READY, "stopped", s->state == CR_LAB_STOPPED,
                     "url", cr_url_prefix(s->hub->config, s->user, s->name, prefix, sizeof prefix), "full_url", cr_lab_origin_url(s, "", full, sizeof full),
                     "progress_url", s->hub->config->base_url, progress, "full_progress_url", s->hub->hub_url, progress, "user_options", s->user_options,
                     "stopped_at", time_or_null(s->stopped_ms), "stop_reason", s->stop_text[0] ? s->stop_text : NULL);
}
