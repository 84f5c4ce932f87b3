/* idle.h - stopping servers that nobody uses, and those that are too old: when, and what counts as use.
 *
 * What counts: what the server itself has posted as its last activity; a kernel that computes; a terminal that was typed into or printed
 * something; a Dask cluster of the person; a promise to the person ("keep"). The server's posts come every five minutes and know nothing of a kernel
 * that computes silently, so a server is asked before it is stopped, and while its stop is near: GET api/status, api/kernels, api/terminals,
 * with a token that opens this one server, is known to this process only and ends with the question.
 *
 * What comes from a server is its person's: it can lie about its use, which only the age limit bounds.
 *
 * Files: idle.c (the decisions, without clock, database and network), idle_watch.c (asks, stops), lab_ask.c (one question).
 */
#ifndef CR_PLATFORM_HUB_IDLE_H
#define CR_PLATFORM_HUB_IDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cr_idle_rules {
    int64_t idle_ms;          /* 0: servers are not stopped for being idle */
    int64_t age_ms;           /* 0: nor for their age */
    int64_t warn_ms;          /* the person is told so long before */
    int64_t keep_ms;          /* for how long a person can keep an idle server; 0: not at all */
} cr_idle_rules;

/* All times are of one clock; 0: never. */
typedef struct cr_idle_facts {
    int64_t started_ms;
    int64_t used_ms;          /* the latest use that is known */
    int64_t keep_until_ms;
} cr_idle_facts;

typedef enum cr_idle_why { CR_IDLE_NEVER, CR_IDLE_UNUSED, CR_IDLE_AGE } cr_idle_why;
typedef struct cr_idle_plan {
    cr_idle_why why;          /* what ends it first; NEVER: nothing does */
    int64_t stop_ms;          /* when */
    bool warn;                /* it is time to tell the person */
    bool ask;                 /* a fresh answer of the server is wanted */
    bool stop;                /* it is time; for UNUSED only after an answer that is fresh */
} cr_idle_plan;

/* period_ms: how often this is asked. */
cr_idle_plan cr_idle_decide(const cr_idle_rules *rules, const cr_idle_facts *facts, int64_t now_ms, int64_t period_ms);
/* Until when a person's click keeps the server: not beyond its age limit. */
int64_t cr_idle_keep_until(const cr_idle_rules *rules, const cr_idle_facts *facts, int64_t now_ms);
/* How often servers are looked at: often enough for the times of the rules, at most every second, at least every minute. */
int64_t cr_idle_period(const cr_idle_rules *rules);

/* What a server says of itself, three JSON texts: its latest use (not after now_ms), now when a kernel is busy. back_ms: by how much the clock was set
 * back lately; a time to come is then one from before. false: not the form of an answer. */
bool cr_idle_read(const char *const text[3], const size_t len[3], int64_t now_ms, int64_t back_ms, int64_t *ret_used_ms, bool *ret_busy);

#endif
