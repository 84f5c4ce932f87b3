/* clock.c - clocks. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t cr_now_ns(void) { return read_ns(CLOCK_MONOTONIC); }
int64_t cr_now_ms(void) { return cr_now_ns() / 1000000; }
int64_t cr_wall_ms(void) { return read_ns(CLOCK_REALTIME) / 1000000; }

char *cr_iso8601(int64_t wall_ms, char *buf, size_t size) {
    int64_t s = wall_ms / 1000, ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        s--;
    }
    time_t t = (time_t)s;
    struct tm tm;
    gmtime_r(&t, &tm);
    char head[24];
    strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf, size, "%s.%03dZ", head, (int)ms);
    return buf;
}
