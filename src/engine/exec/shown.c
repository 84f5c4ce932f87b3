/* shown.c - the progress of a call of several computations, as one that never runs backwards. */
#include "base/clock.h"
#include "engine/exec/run.h"

#define BETWEEN_MS 100

static void show_part(void *user, double done, double total, int phase, int n_phases) {
    cr_shown *s = user;
    int64_t ms = cr_now_ms();
    double share = total > 0 ? CR_MIN(1.0, done / total) : 0, now = s->done + s->part * share;
    if (now <= s->shown || now >= s->total || ms - s->shown_ms < BETWEEN_MS) /* the end is shown once, when all is done */
        return;
    s->shown = now;
    s->shown_ms = ms;
    s->progress(s->user, now, s->total, 0, 1);
}

void cr_shown_begin(cr_context *c, cr_shown *s, double total) {
    *s = (cr_shown){.progress = c->progress, .user = c->progress_user, .total = total, .shown = -1, .shown_ms = cr_now_ms() - BETWEEN_MS};
    if (s->progress == NULL)
        return;
    c->progress = show_part;
    c->progress_user = s;
}

void cr_shown_next(cr_shown *s, double part) {
    s->done += s->part;
    s->part = part;
}

void cr_shown_end(cr_context *c, cr_shown *s, bool all) {
    c->progress = s->progress;
    c->progress_user = s->user;
    if (all && s->progress != NULL)
        s->progress(s->user, s->total, s->total, 0, 1);
}
