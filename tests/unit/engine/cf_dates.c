/* cf_dates.c - for the oracle test: reads lines "calendar|units|i or f|value", writes the date of each, or "error STATUS". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "craton/cf.h"

static cr_status decode(char *line, cr_date *ret_date) {
    char *calendar = strsep(&line, "|"), *units = strsep(&line, "|"), *kind = strsep(&line, "|");
    cr_calendar c;
    cr_time_units u;
    int64_t us;
    cr_status s = cr_calendar_find(calendar, &c, NULL);
    if (s == CR_OK)
        s = cr_time_units_parse(units, c, &u, NULL);
    if (s == CR_OK)
        s = *kind == 'i' ? cr_time_decode_int(&u, strtoll(line, NULL, 10), &us, NULL) : cr_time_decode_float(&u, strtod(line, NULL), &us, NULL);
    if (s == CR_OK)
        cr_date_from_us(c, us, ret_date);
    return s;
}

int main(void) {
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        cr_date d;
        cr_status s = decode(line, &d);
        if (s != CR_OK)
            printf("error %s\n", cr_status_name(s));
        else
            printf("%" PRId64 " %d %d %d %d %d %d\n", d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond);
    }
    return 0;
}
