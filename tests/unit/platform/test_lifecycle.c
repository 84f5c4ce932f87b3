/* test_lifecycle.c - when a server is stopped for want of use or for its age, and what a server says of its use. */
#include "../check_main.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "platform/hub/admission.h"
#include "platform/hub/breaker.h"
#include "platform/hub/idle.h"
#include "platform/hub/lab_ask.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
static const int64_t T0 = 1700000000000;

static const cr_idle_rules rules = {.idle_ms = HOUR, .age_ms = 10 * HOUR, .warn_ms = 10 * MINUTE, .keep_ms = 4 * HOUR};

static cr_idle_plan at(int64_t now, int64_t used, int64_t keep_until) {
    cr_idle_facts f = {.started_ms = T0, .used_ms = used, .keep_until_ms = keep_until};
    return cr_idle_decide(&rules, &f, now, MINUTE);
}

START_TEST(unused_for_an_hour) {
    cr_idle_plan p = at(T0 + HOUR, T0 + HOUR / 2, 0);
    ck_assert_int_eq(p.why, CR_IDLE_UNUSED);
    ck_assert_int_eq(p.stop_ms, T0 + HOUR * 3 / 2);
    ck_assert(!p.warn && !p.stop && !p.ask);
    ck_assert(!at(p.stop_ms - 10 * MINUTE - 1, T0 + HOUR / 2, 0).warn);
    ck_assert(at(p.stop_ms - 10 * MINUTE, T0 + HOUR / 2, 0).warn);
    /* It has been asked twice when the warning is due. */
    ck_assert(at(p.stop_ms - 11 * MINUTE, T0 + HOUR / 2, 0).ask);
    ck_assert(!at(p.stop_ms - 11 * MINUTE - 1, T0 + HOUR / 2, 0).ask);
    ck_assert(!at(p.stop_ms - 1, T0 + HOUR / 2, 0).stop);
    ck_assert(at(p.stop_ms, T0 + HOUR / 2, 0).stop);
    /* Never used: the start counts. */
    ck_assert_int_eq(at(T0 + 1, 0, 0).stop_ms, T0 + HOUR);
}
END_TEST

START_TEST(kept_by_its_person) {
    cr_idle_facts f = {.started_ms = T0, .used_ms = T0};
    int64_t until = cr_idle_keep_until(&rules, &f, T0 + HOUR - 1);
    ck_assert_int_eq(until, T0 + 5 * HOUR - 1);
    ck_assert(!at(until - 1, T0, until).stop);
    ck_assert(at(until, T0, until).stop);
    /* Use behind the promise counts as always. */
    ck_assert_int_eq(at(until, until - MINUTE, until).stop_ms, until - MINUTE + HOUR);
    /* Not beyond the age. */
    ck_assert_int_eq(cr_idle_keep_until(&rules, &f, T0 + 9 * HOUR), T0 + 10 * HOUR);
    ck_assert_int_eq(at(T0 + 9 * HOUR, T0, T0 + 13 * HOUR).why, CR_IDLE_AGE);
}
END_TEST

START_TEST(too_old_although_used) {
    cr_idle_plan p = at(T0 + 10 * HOUR, T0 + 10 * HOUR, 0);
    ck_assert_int_eq(p.why, CR_IDLE_AGE);
    ck_assert(p.stop && p.warn && !p.ask);
    ck_assert(!at(T0 + 10 * HOUR - 1, T0 + 10 * HOUR - 1, 0).stop);
}
END_TEST

START_TEST(rules_that_are_off) {
    static const cr_idle_rules off = {.warn_ms = 10 * MINUTE, .keep_ms = HOUR}, age = {.age_ms = HOUR}, idle = {.idle_ms = HOUR};
    cr_idle_facts f = {.started_ms = T0, .used_ms = T0};
    cr_idle_plan p = cr_idle_decide(&off, &f, T0 + 1000 * HOUR, MINUTE);
    ck_assert(p.why == CR_IDLE_NEVER && !p.stop && !p.warn && !p.ask);
    ck_assert_int_eq(cr_idle_decide(&age, &f, T0, MINUTE).why, CR_IDLE_AGE);
    ck_assert_int_eq(cr_idle_decide(&idle, &f, T0, MINUTE).why, CR_IDLE_UNUSED);
    ck_assert_int_eq(cr_idle_period(&idle), MINUTE);
    static const cr_idle_rules quick = {.idle_ms = 30 * SECOND, .age_ms = HOUR}, instant = {.idle_ms = 1};
    ck_assert_int_eq(cr_idle_period(&quick), 3 * SECOND);
    ck_assert_int_eq(cr_idle_period(&instant), SECOND);
}
END_TEST

#define STATUS "{\"connections\":1,\"kernels\":1,\"last_activity\":\"2023-11-14T22:13:20.000000Z\",\"started\":\"2023-11-14T21:00:00Z\"}"

static int64_t back_ms;       /* by how much the clock was set back */

static bool read3(const char *status, const char *kernels, const char *terminals, int64_t *used, bool *busy) {
    const char *text[3] = {status, kernels, terminals};
    size_t len[3] = {strlen(status), strlen(kernels), strlen(terminals)};
    return cr_idle_read(text, len, T0 + HOUR, back_ms, used, busy);
}

START_TEST(what_a_server_says) {
    int64_t used;
    bool busy;
    ck_assert(read3(STATUS, "[]", "[]", &used, &busy));
    ck_assert(!busy);
    ck_assert_int_eq(used, T0);
    ck_assert(read3(STATUS, "[{\"execution_state\":\"idle\",\"last_activity\":\"2023-11-14T22:13:21Z\"}]", "[]", &used, &busy));
    ck_assert(!busy);
    ck_assert_int_eq(used, T0 + SECOND);
    ck_assert(read3(STATUS, "[{\"execution_state\":\"idle\"},{\"execution_state\":\"busy\"}]", "[]", &used, &busy));
    ck_assert(busy);
    ck_assert_int_eq(used, T0 + HOUR);
    ck_assert(read3(STATUS, "[]", "[{\"name\":\"1\",\"last_activity\":\"2023-11-14T22:14:20Z\"}]", &used, &busy));
    ck_assert(!busy);
    ck_assert_int_eq(used, T0 + MINUTE);
    /* A time ahead of ours is now. */
    ck_assert(read3("{\"last_activity\":\"2033-11-14T22:13:20Z\"}", "[]", "[]", &used, &busy));
    ck_assert_int_eq(used, T0 + HOUR);
    /* Unless it is from before the clock was set back. */
    back_ms = 2 * HOUR;
    ck_assert(read3("{\"last_activity\":\"2023-11-15T00:13:20Z\"}", "[]", "[]", &used, &busy));
    ck_assert_int_eq(used, T0);
    ck_assert(read3("{\"last_activity\":\"2033-11-14T22:13:20Z\"}", "[]", "[]", &used, &busy));
    ck_assert_int_eq(used, T0 + HOUR);
    ck_assert(read3(STATUS, "[]", "[]", &used, &busy));
    ck_assert_int_eq(used, T0);
    back_ms = 0;
    /* Odd members are nothing. */
    ck_assert(read3("{\"last_activity\":7}", "[1,null,{\"execution_state\":[]}]", "[{\"last_activity\":\"soon\"}]", &used, &busy));
    ck_assert(!busy);
    ck_assert_int_eq(used, 0);
    ck_assert(!read3("[]", "[]", "[]", &used, &busy));
    ck_assert(!read3(STATUS, "{}", "[]", &used, &busy));
    ck_assert(!read3(STATUS, "[]", "", &used, &busy));
    ck_assert(!read3(STATUS, "[", "[]", &used, &busy));
}
END_TEST

START_TEST(answers_of_a_server) {
    static const struct { const char *text, *body; } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "[]"}, {"HTTP/1.0 200 OK\r\nA: b\r\n\r\n", ""}, {"HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n[]", NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", NULL}, {"HTTP/2.1 200 OK\r\nA: b\r\n\r\n[]", NULL}, {"", NULL}, {"\r\n\r\n", NULL},
        {"GET / HTTP/1.1\r\nA: b\r\n\r\n[]", NULL},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        size_t len = 99;
        const char *body = cr_lab_ask_body(cases[i].text, strlen(cases[i].text), &len);
        ck_assert_msg(!body == !cases[i].body, "%s", cases[i].text);
        if (body) {
            ck_assert_uint_eq(len, strlen(cases[i].body));
            ck_assert_int_eq(memcmp(body, cases[i].body, len), 0);
        }
    }
}
END_TEST

START_TEST(admission_by_memory_and_turn) {
    const uint64_t G = 1 << 30;
    cr_admission a = {.room_bytes = 4 * G, .used_bytes = 3 * G, .starts_most = 2, .starting = 1};
    ck_assert_int_eq(cr_admission_ask(&a, G), CR_ADMIT);
    ck_assert_int_eq(cr_admission_ask(&a, G + 1), CR_ADMIT_NO_MEMORY);
    ck_assert_int_eq(cr_admission_ask(&a, UINT64_MAX), CR_ADMIT_NO_MEMORY);
    a.starting = 2;
    ck_assert_int_eq(cr_admission_ask(&a, G), CR_ADMIT_NO_TURN);
    ck_assert_int_eq(cr_admission_ask(&a, 2 * G), CR_ADMIT_NO_MEMORY);
    /* Settings have shrunk since those in use began. */
    a = (cr_admission){.room_bytes = G, .used_bytes = 3 * G};
    ck_assert_int_eq(cr_admission_ask(&a, 0), CR_ADMIT_NO_MEMORY);
    /* What is larger than all runs alone. */
    a.used_bytes = 0;
    ck_assert_int_eq(cr_admission_ask(&a, 8 * G), CR_ADMIT);
    a = (cr_admission){.used_bytes = UINT64_MAX, .starting = 1000};
    ck_assert_int_eq(cr_admission_ask(&a, 8 * G), CR_ADMIT);
}
END_TEST

START_TEST(who_is_next) {
    static const cr_admission_waiting order[] = {{100, 7, 0}, {100, 9, 0}, {300, 1, 0}, {50, 2, 1}, {60, 1, 1}, {1, 1, 3}};
    for (size_t i = 0; i < CR_ARRAY_LEN(order); i++)
        for (size_t k = 0; k < CR_ARRAY_LEN(order); k++)
            ck_assert_int_eq(cr_admission_before(&order[i], &order[k]), i < k);
}
END_TEST

START_TEST(breaker_of_several_people) {
    cr_breaker b = {.n = 0};
    for (int i = 0; i < 20; i++)                                    /* one person's failures count once */
        ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 7, "his own", T0 + i));
    ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 8, "hers", T0 + SECOND));
    ck_assert_int_eq(cr_breaker_left(&b, T0 + SECOND), 0);
    ck_assert(cr_breaker_failed(&b, 3, MINUTE, 9, "no room on disk", T0 + 2 * SECOND));
    ck_assert_int_eq(cr_breaker_left(&b, T0 + 2 * SECOND), MINUTE);
    ck_assert_str_eq(b.reason, "no room on disk");
    ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 10, "was under way", T0 + 3 * SECOND));      /* the pause gets no longer */
    ck_assert_int_eq(cr_breaker_left(&b, T0 + 2 * SECOND + MINUTE), 0);
    /* Behind the pause one failure is enough, and one good start makes all good. */
    ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 9, "the same few", T0 + 5 * MINUTE));       /* of somebody else */
    char cut[400] = "";
    while (strlen(cut) + 2 < sizeof cut)
        strcat(cut, "\xc3\xa9");                                     /* longer than is kept, and cut inside a character */
    ck_assert(cr_breaker_failed(&b, 3, MINUTE, 11, cut, T0 + 5 * MINUTE));
    ck_assert(cr_text_is_utf8(b.reason, strlen(b.reason)));
    cr_breaker_close(&b);
    ck_assert_int_eq(cr_breaker_left(&b, T0 + 5 * MINUTE), 0);
    ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 12, "x", T0 + 5 * MINUTE));
    ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 13, "x", T0 + 5 * MINUTE));
    /* Old ones do not count. */
    ck_assert(!cr_breaker_failed(&b, 3, MINUTE, 14, "x", T0 + 5 * MINUTE + CR_BREAKER_WINDOW_MS));
    /* Off; and more keys than there are places. */
    cr_breaker_close(&b);
    for (int i = 0; i < 100; i++)
        ck_assert(!cr_breaker_failed(&b, 0, MINUTE, i, "x", T0));
    ck_assert(cr_breaker_failed(&b, CR_BREAKER_MOST, MINUTE, 100, "x", T0));
}
END_TEST

START_TEST(spans_in_words) {
    static const struct { int64_t ms; const char *text; } cases[] = {
        {0, "0 seconds"}, {1000, "1 second"}, {45 * SECOND, "45 seconds"}, {10 * MINUTE, "10 minutes"}, {HOUR, "1 hour"}, {90 * MINUTE, "1 hour 30 minutes"},
        {61 * MINUTE, "1 hour 1 minute"}, {4 * HOUR, "4 hours"}, {47 * HOUR, "47 hours"}, {72 * HOUR, "3 days"},
    };
    char buf[40];
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++)
        ck_assert_str_eq(cr_text_span(cases[i].ms, buf, sizeof buf), cases[i].text);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("lifecycle");
    TCase *t = tcase_create("lifecycle");
    tcase_add_test(t, unused_for_an_hour);
    tcase_add_test(t, kept_by_its_person);
    tcase_add_test(t, too_old_although_used);
    tcase_add_test(t, rules_that_are_off);
    tcase_add_test(t, what_a_server_says);
    tcase_add_test(t, answers_of_a_server);
    tcase_add_test(t, admission_by_memory_and_turn);
    tcase_add_test(t, who_is_next);
    tcase_add_test(t, breaker_of_several_people);
    tcase_add_test(t, spans_in_words);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
