/* clock.h - time as the code needs it: monotonic for durations, wall for records, ISO 8601 for people and clients. */
#ifndef CR_BASE_CLOCK_H
#define CR_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t cr_now_ns(void);                    /* monotonic */
int64_t cr_now_ms(void);                    /* monotonic */
int64_t cr_wall_ms(void);                   /* since 1970-01-01T00:00:00Z */
/* "2026-11-24T03:48:13.250Z"; buf needs 32 bytes; returns buf. */
char *cr_iso8601(int64_t wall_ms, char *buf, size_t size);

#endif
