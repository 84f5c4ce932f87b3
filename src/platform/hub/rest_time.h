/* rest_time.h - times as programs write them. */
#ifndef CR_PLATFORM_HUB_REST_TIME_H
#define CR_PLATFORM_HUB_REST_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* YYYY-MM-DDTHH:MM:SS[.fraction]Z (or +00:00) as ms since 1970; false for anything else. */
bool cr_rest_parse_time(const char *text, int64_t *ret_ms);

#endif
