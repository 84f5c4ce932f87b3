/* fuzz_cf.c - texts of units of time and calendars: never a crash, and what is understood survives a way there and back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "craton/cf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the calendar, the next eight are a value, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 9 || size > 4096)
        return 0;
    int64_t value, us, again, back;
    bool whole;
    memcpy(&value, data + 1, 8);
    char *text = malloc(size - 8);
    if (!text)
        return 0;
    memcpy(text, data + 9, size - 9);
    text[size - 9] = 0;
    cr_calendar c = data[0] % CR_CALENDAR_COUNT;
    (void)!cr_calendar_find(text, &c, NULL);
    cr_time_units u;
    if (cr_time_units_parse(text, c, &u, NULL) == CR_OK) {
        if (!cr_time_units_likely(text))
            abort();
        if (cr_time_decode_int(&u, value, &us, NULL) == CR_OK) {
            cr_date d;
            cr_date_from_us(c, us, &d);
            if (cr_date_to_us(c, &d, &again, NULL) == CR_OK && again != us)
                abort();
            char buf[64];
            if (strlen(cr_date_text(&d, buf, sizeof buf)) < 10)
                abort();
            if (u.unit_us && (cr_time_encode_int(&u, us, &back, &whole, NULL) != CR_OK || !whole || back != value))
                abort();
        }
        double real;
        memcpy(&real, data + 1, 8);
        (void)!cr_time_decode_float(&u, real, &us, NULL);
    }
    free(text);
    return 0;
}
