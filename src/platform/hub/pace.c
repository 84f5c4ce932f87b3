/* pace.c - counters in a bounded map; when it is full, those go first of which all is forgotten. */
#include "platform/hub/pace.h"

#include <stdlib.h>
#include <string.h>
#include "base/map.h"

enum { ADDRESSES_MAX = 30000, SWEEP_MS = 1000 };

typedef struct counter {
    int failures, open;
    int64_t forgot_ms;        /* up to when failures have been forgotten */
} counter;

struct cr_pace {
    cr_map counters;
    int64_t swept_ms;         /* a full map is not looked through for every request */
};

cr_status cr_pace_new(cr_pace **ret_pace, cr_err *err) {
    cr_pace *p = calloc(1, sizeof *p);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory for limits of sign-ins");
    cr_map_init(&p->counters, ADDRESSES_MAX);
    p->swept_ms = -SWEEP_MS;
    *ret_pace = p;
    return CR_OK;
}

void cr_pace_free(cr_pace *p) {
    if (!p)
        return;
    void *c;
    for (size_t i = 0; (i = cr_map_next(&p->counters, i, NULL, &c));)
        free(c);
    cr_map_done(&p->counters);
    free(p);
}

static void forget(counter *c, int64_t now_ms) {
    int64_t n = CR_MIN((now_ms - c->forgot_ms) / CR_PACE_FORGET_MS, (int64_t)c->failures);
    c->failures -= (int)n;
    c->forgot_ms = c->failures ? c->forgot_ms + n * CR_PACE_FORGET_MS : now_ms;
}

static void sweep(cr_pace *p, int64_t now_ms) {
    const char *key;
    void *value;
    char *old[256];
    size_t n;
    p->swept_ms = now_ms;
    do {
        n = 0;
        for (size_t i = 0; n < CR_ARRAY_LEN(old) && (i = cr_map_next(&p->counters, i, &key, &value));) {
            counter *c = value;
            forget(c, now_ms);
            if (!c->failures && !c->open && (old[n] = strdup(key)))
                n++;
        }
        for (size_t i = 0; i < n; i++) {
            free(cr_map_remove(&p->counters, old[i]));
            free(old[i]);
        }
    } while (n);
}

int64_t cr_pace_begin(cr_pace *p, const char *address, int64_t now_ms, cr_pace_hold *hold) {
    *hold = (cr_pace_hold){.held = false};
    cr_throttle_address(address, hold->address);
    counter *c = cr_map_get(&p->counters, hold->address);
    if (!c) {
        if (p->counters.len >= ADDRESSES_MAX && now_ms - p->swept_ms >= SWEEP_MS)
            sweep(p, now_ms);
        c = calloc(1, sizeof *c);
        if (!c || cr_map_set(&p->counters, hold->address, c, NULL) != CR_OK) {
            free(c);
            return 0;         /* thirty thousand addresses fail at this moment: this one is not held up for them */
        }
        c->forgot_ms = now_ms;
    }
    forget(c, now_ms);
    if (c->failures + c->open >= CR_PACE_FAILURES)
        return c->failures ? c->forgot_ms + CR_PACE_FORGET_MS - now_ms : CR_PACE_FORGET_MS;
    c->open++;
    hold->held = true;
    return 0;
}

void cr_pace_end(cr_pace *p, cr_pace_hold *hold, bool wrong, int64_t now_ms) {
    counter *c = hold->held ? cr_map_get(&p->counters, hold->address) : NULL;
    hold->held = false;
    if (!c)
        return;
    forget(c, now_ms);
    c->open--;
    c->failures += wrong;
    if (!c->open && !c->failures)
        free(cr_map_remove(&p->counters, hold->address));
}
