/* breaker.h - a circuit breaker for starts: after several failures in a row, without a good start between, no more are tried for a while.
 *
 * What fails has a key, and a key counts once. One breaker is the hub's, with people as keys: what one person breaks in the own home stops
 * nobody else, and what fails for several people is not theirs. One is each server's, with generations as keys. Decisions only: the clock is given.
 */
#ifndef CR_PLATFORM_HUB_BREAKER_H
#define CR_PLATFORM_HUB_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum { CR_BREAKER_MOST = 16, CR_BREAKER_WINDOW_MS = 10 * 60 * 1000 };

typedef struct cr_breaker {
    struct { int64_t key, ms; } failed[CR_BREAKER_MOST];      /* in the last ten minutes */
    int n;
    int64_t until_ms;                     /* open until then; 0: closed */
    char reason[320];                     /* of the last failure; as long as cr_lab.stop_text, which is UTF-8 */
} cr_breaker;

/* limit: so many keys open it, for pause_ms; at most CR_BREAKER_MOST, 0: never. true: it has opened just now. When the pause is over starts are
 * tried again, and the first failure of a key that has not failed in the last ten minutes opens it again. */
bool cr_breaker_failed(cr_breaker *b, int limit, int64_t pause_ms, int64_t key, const char *reason, int64_t now_ms);
void cr_breaker_close(cr_breaker *b);     /* a good start, or an administrator */
/* 0: closed; otherwise the ms until starts are tried again. */
int64_t cr_breaker_left(const cr_breaker *b, int64_t now_ms);

#endif
