/* rest_time.c - times as programs write them. */
#include "platform/hub/rest_time.h"

#include <string.h>
#include <time.h>

bool cr_rest_parse_time(const char *text, int64_t *ret_ms) {
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    int64_t ms = 0;
    if (*rest == '.') {
        rest++;
        for (int scale = 100; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
            ms += (*rest - '0') * scale;
    }
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "+00:00") != 0 && *rest)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return true;
}
