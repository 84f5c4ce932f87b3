/* test_metrics.c - series and their text. */
#include "../check_main.h"

#include <stdio.h>
#include <string.h>
#include "platform/http/metrics.h"

static const double bounds[] = {.5, 1, 10};
static const cr_metric table[] = {
    {"starts_total", "Starts", CR_METRIC_COUNTER, .labels = {"who", "how"}},
    {"room", "Room", CR_METRIC_GAUGE},
    {"wait_seconds", "Wait", CR_METRIC_HISTOGRAM, .labels = {"way"}, .bounds = bounds, .n_bounds = 3},
    {"cpu_total", "CPU", CR_METRIC_COUNTER, .absolute = true},
};
static cr_metrics *m;
static cr_buf out;

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    ck_assert_int_eq(cr_metrics_new(table, 4, &m, &err), CR_OK);
    cr_buf_init(&out, 1 << 20);
}

static void teardown(void) {
    cr_metrics_free(m);
    cr_buf_done(&out);
}

static void note(int which, double x, const char *a, const char *b) { cr_metrics_note(m, which, (const char *const[]){a, b, NULL}, x); }

START_TEST(counters_grow_and_gauges_are_set) {
    note(0, 1, "ada", "slow");
    note(0, 1, "bob", "slow");
    note(0, 2.5, "ada", "slow");
    note(1, 7, NULL, NULL);
    note(1, 3e9, NULL, NULL);
    note(3, 0.25, NULL, NULL);
    note(3, 0.75, NULL, NULL);
    cr_metrics_write(m, &out);
    ck_assert_str_eq(cr_buf_str(&out), "# HELP starts_total Starts\n# TYPE starts_total counter\n"
                                       "starts_total{who=\"ada\",how=\"slow\"} 3.5\nstarts_total{who=\"bob\",how=\"slow\"} 1\n"
                                       "# HELP room Room\n# TYPE room gauge\nroom 3000000000\n"
                                       "# HELP cpu_total CPU\n# TYPE cpu_total counter\ncpu_total 0.75\n");
}
END_TEST

START_TEST(histogram_is_cumulative) {
    const double values[] = {.5, .25, 9, 100};
    for (int i = 0; i < 4; i++)
        note(2, values[i], "in", NULL);
    cr_metrics_write(m, &out);
    ck_assert_str_eq(cr_buf_str(&out), "# HELP wait_seconds Wait\n# TYPE wait_seconds histogram\n"
                                       "wait_seconds_bucket{way=\"in\",le=\"0.5\"} 2\nwait_seconds_bucket{way=\"in\",le=\"1\"} 2\n"
                                       "wait_seconds_bucket{way=\"in\",le=\"10\"} 3\nwait_seconds_bucket{way=\"in\",le=\"+Inf\"} 4\n"
                                       "wait_seconds_sum{way=\"in\"} 109.75\nwait_seconds_count{way=\"in\"} 4\n");
}
END_TEST

START_TEST(label_values_are_quoted) {
    note(0, 1, "a\"b\\c\nd", "e\",x=\"f");
    cr_metrics_write(m, &out);
    ck_assert(strstr(cr_buf_str(&out), "{who=\"a\\\"b\\\\c\\nd\",how=\"e\\\",x=\\\"f\"} 1\n"));
}
END_TEST

START_TEST(number_of_series_has_a_limit) {
    char name[32];
    for (int i = 0; i < CR_METRIC_SERIES_MAX + 5; i++) {
        snprintf(name, sizeof name, "p%d", i);
        note(0, 1, name, "x");
    }
    note(0, 1, "p0", "x");      /* one that is there goes on */
    cr_metrics_write(m, &out);
    ck_assert(strstr(cr_buf_str(&out), "{who=\"p0\",how=\"x\"} 2\n"));
    ck_assert(strstr(cr_buf_str(&out), "craton_metrics_dropped_total 5\n"));
    cr_metrics_note(NULL, 0, NULL, 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, counters_grow_and_gauges_are_set);
    tcase_add_test(t, histogram_is_cumulative);
    tcase_add_test(t, label_values_are_quoted);
    tcase_add_test(t, number_of_series_has_a_limit);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
