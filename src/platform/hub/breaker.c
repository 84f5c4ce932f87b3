/* breaker.c - counts failures by key within a window. */
#include "platform/hub/breaker.h"

#include <stdio.h>
#include <string.h>
#include "base/text.h"

bool cr_breaker_failed(cr_breaker *b, int limit, int64_t pause_ms, int64_t key, const char *reason, int64_t now_ms) {
    int kept = 0;
    bool known = false;       /* who has failed lately does not stop everybody once more */
    for (int i = 0; i < b->n; i++) {
        if (now_ms - b->failed[i].ms >= CR_BREAKER_WINDOW_MS)
            continue;
        if (b->failed[i].key == key)
            known = true;
        else
            b->failed[kept++] = b->failed[i];
    }
    if (kept == CR_BREAKER_MOST) {        /* the oldest goes */
        memmove(b->failed, b->failed + 1, (CR_BREAKER_MOST - 1) * sizeof b->failed[0]);
        kept--;
    }
    b->failed[kept].key = key;
    b->failed[kept].ms = now_ms;
    b->n = kept + 1;
    snprintf(b->reason, sizeof b->reason, "%s", reason);
    cr_text_clean(b->reason);        /* it may have been cut inside a character, and pages take UTF-8 only */
    if (!limit || b->n < limit || known || cr_breaker_left(b, now_ms))
        return false;
    b->until_ms = now_ms + pause_ms;
    return true;
}

void cr_breaker_close(cr_breaker *b) {
    b->n = 0;
    b->until_ms = 0;
    b->reason[0] = 0;
}

int64_t cr_breaker_left(const cr_breaker *b, int64_t now_ms) { return b->until_ms > now_ms ? b->until_ms - now_ms : 0; }
