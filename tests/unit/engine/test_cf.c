/* test_cf.c - calendars and units of time: dates that textbooks name, every day of long spans there and back, texts that are refused. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "../check_main.h"
#include "craton/cf.h"

#define DAY_US INT64_C(86400000000)

static int64_t day_of(cr_calendar c, int64_t y, int m, int d) {
    cr_err err = CR_ERR_INIT;
    cr_date date = {.year = y, .month = m, .day = d};
    int64_t us;
    ck_assert_ok(cr_date_to_us(c, &date, &us, &err));
    return us / DAY_US;
}

/* Every day from year -5 to 2105: the next date is the next number, and each number gives its date. */
START_TEST(every_day) {
    for (int c = 0; c < CR_CALENDAR_COUNT; c++) {
        bool zero = c != CR_CALENDAR_STANDARD && c != CR_CALENDAR_JULIAN;
        int64_t expected = day_of(c, -5, 1, 1);
        for (int64_t y = -5; y <= 2105; y++) {
            if (y == 0 && !zero)
                continue;
            int in_year = 0;
            for (int m = 1; m <= 12; m++)
                for (int d = 1; d <= cr_calendar_days_in_month(c, y, m); d++) {
                    if (c == CR_CALENDAR_STANDARD && y == 1582 && m == 10 && d > 4 && d < 15)
                        continue;
                    /* Not asserted one by one: a check takes longer than a date. */
                    cr_date date = {.year = y, .month = m, .day = d}, back;
                    int64_t us = 0;
                    bool good = cr_date_to_us(c, &date, &us, NULL) == CR_OK && us == expected * DAY_US;
                    cr_date_from_us(c, us, &back);
                    good = good && back.year == y && back.month == m && back.day == d && back.hour == 0;
                    in_year++;
                    if (!good || cr_date_day_of_year(c, &date) != in_year)
                        ck_abort_msg("%s %" PRId64 "-%d-%d", cr_calendar_name(c), y, m, d);
                    expected++;
                }
            ck_assert_int_eq(in_year, cr_calendar_days_in_year(c, y));
        }
    }
}
END_TEST

/* Julian day 2451545 is 2000-01-01 Gregorian (noon); 1582-10-15 follows 1582-10-04. */
START_TEST(known_days) {
    ck_assert_int_eq(day_of(CR_CALENDAR_PROLEPTIC_GREGORIAN, 1, 1, 1), 0);
    ck_assert_int_eq(day_of(CR_CALENDAR_PROLEPTIC_GREGORIAN, 1970, 1, 1), 719162);
    ck_assert_int_eq(day_of(CR_CALENDAR_STANDARD, 1582, 10, 15) - day_of(CR_CALENDAR_STANDARD, 1582, 10, 4), 1);
    ck_assert_int_eq(day_of(CR_CALENDAR_STANDARD, 2000, 1, 1) - day_of(CR_CALENDAR_STANDARD, -4713, 1, 1), 2451545);
    ck_assert_int_eq(day_of(CR_CALENDAR_JULIAN, 1, 1, 1) - day_of(CR_CALENDAR_JULIAN, -1, 12, 31), 1);
    ck_assert_int_eq(day_of(CR_CALENDAR_360_DAY, 2000, 2, 30) - day_of(CR_CALENDAR_360_DAY, 1999, 2, 30), 360);
}
END_TEST

START_TEST(no_such_date) {
    cr_err err = CR_ERR_INIT;
    int64_t us = 17;
    const struct { cr_calendar c; cr_date d; } bad[] = {
        {CR_CALENDAR_STANDARD, {.year = 0, .month = 1, .day = 1}},
        {CR_CALENDAR_STANDARD, {.year = 1582, .month = 10, .day = 10}},
        {CR_CALENDAR_NOLEAP, {.year = 2000, .month = 2, .day = 29}},
        {CR_CALENDAR_360_DAY, {.year = 2000, .month = 1, .day = 31}},
        {CR_CALENDAR_STANDARD, {.year = 1900, .month = 2, .day = 29}},
        {CR_CALENDAR_STANDARD, {.year = 2000, .month = 13, .day = 1}},
        {CR_CALENDAR_STANDARD, {.year = 2000, .month = 1, .day = 1, .hour = 24}},
        {CR_CALENDAR_JULIAN, {.year = 300000, .month = 1, .day = 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_fails(cr_date_to_us(bad[i].c, &bad[i].d, &us, &err), CR_RANGE);
    ck_assert_int_eq(us, 17);
}
END_TEST

START_TEST(texts) {
    cr_err err = CR_ERR_INIT;
    const struct { const char *text; int64_t unit_us, year, in_day_us; int month, day; } good[] = {
        {"days since 1850-01-01", DAY_US, 1850, 0, 1, 1},
        {"  Hours  since 2000-2-3 4:5:6.5 +1:30", 3600000000, 2000, ((2 * 60 + 35) * 60 + 6) * INT64_C(1000000) + 500000, 2, 3},
        {"seconds since 1970-01-01T00:00:00Z", 1000000, 1970, 0, 1, 1},
        {"sec since 1992-10-8 15:15:42.5 -6:00", 1000000, 1992, ((21 * 60 + 15) * 60 + 42) * INT64_C(1000000) + 500000, 10, 8},
        {"minutes since 1990-01-01 12", 60000000, 1990, 12 * INT64_C(3600000000), 1, 1},
        {"msecs since 2000-01-01 00:00:00 UTC", 1000, 2000, 0, 1, 1},
        {"nanoseconds since 2000-01", 0, 2000, 0, 1, 1},
        {"days since 4-1-1", DAY_US, 4, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_time_units u;
        ck_assert_ok(cr_time_units_parse(good[i].text, CR_CALENDAR_STANDARD, &u, &err));
        cr_date date = {.year = good[i].year, .month = good[i].month, .day = good[i].day};
        int64_t us;
        ck_assert_ok(cr_date_to_us(CR_CALENDAR_STANDARD, &date, &us, &err));
        ck_assert_msg(u.unit_us == good[i].unit_us && u.epoch_us == us + good[i].in_day_us, "%s", good[i].text);
    }
    const char *bad[] = {"", "since", "days", "days since", "days since now", "fortnights since 2000-01-01", "days since 2000-01-01 xyz",
                         "days since 2000-01-01 12:61:00", "days since 2000-13-01", "months since 2000-01-01", "days since 2000-02-30",
                         "dayssince 2000-01-01", "days since 2000-01-01 00:00 +25:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_time_units u;
        cr_status s = cr_time_units_parse(bad[i], CR_CALENDAR_STANDARD, &u, &err);
        ck_assert_msg(s == CR_INVALID || s == CR_RANGE, "\"%s\" was taken", bad[i]);
    }
    char endless[600];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    cr_time_units u;
    ck_assert_fails(cr_time_units_parse(endless, CR_CALENDAR_STANDARD, &u, &err), CR_INVALID);
}
END_TEST

START_TEST(there_and_back) {
    cr_err err = CR_ERR_INIT;
    cr_time_units u;
    ck_assert_ok(cr_time_units_parse("hours since 1900-01-01", CR_CALENDAR_NOLEAP, &u, &err));
    for (int64_t v = -3000000; v < 3000000; v += 977) {
        int64_t us, back;
        bool whole;
        ck_assert_ok(cr_time_decode_int(&u, v, &us, &err));
        ck_assert_ok(cr_time_encode_int(&u, us, &back, &whole, &err));
        ck_assert(back == v && whole);
        int64_t same;
        ck_assert_ok(cr_time_decode_float(&u, (double)v, &same, &err));
        ck_assert(same == us);
    }
    int64_t us;
    ck_assert_fails(cr_time_decode_int(&u, INT64_MAX, &us, &err), CR_RANGE);
    ck_assert_fails(cr_time_decode_float(&u, NAN, &us, &err), CR_RANGE);
    ck_assert_fails(cr_time_decode_float(&u, 1e300, &us, &err), CR_RANGE);
    ck_assert_ok(cr_time_decode_float(&u, 0.5, &us, &err));
    ck_assert_int_eq(us - u.epoch_us, INT64_C(1800000000));
}
END_TEST

START_TEST(names) {
    cr_err err = CR_ERR_INIT;
    cr_calendar c;
    ck_assert_ok(cr_calendar_find(NULL, &c, &err));
    ck_assert_int_eq(c, CR_CALENDAR_STANDARD);
    ck_assert_ok(cr_calendar_find("365_DAY", &c, &err));
    ck_assert_int_eq(c, CR_CALENDAR_NOLEAP);
    ck_assert_fails(cr_calendar_find("mayan", &c, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.hint, "360_day"));
    char buf[64];
    cr_date d = {.year = -7, .month = 2, .day = 3, .hour = 4, .second = 5, .microsecond = 60};
    ck_assert_str_eq(cr_date_text(&d, buf, sizeof buf), "-0007-02-03 04:00:05.000060");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("cf");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, every_day);
    tcase_add_test(t, known_days);
    tcase_add_test(t, no_such_date);
    tcase_add_test(t, texts);
    tcase_add_test(t, there_and_back);
    tcase_add_test(t, names);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
