/* ticks.h - round numbers, degrees and dates to write beside an axis. */
#ifndef CR_CLI_TICKS_H
#define CR_CLI_TICKS_H

#include "cli/plot_data.h"

enum { CR_TICKS_MOST = 24, CR_TICK_TEXT = 40 };

typedef struct cr_tick {
    double at;
    char text[CR_TICK_TEXT];
} cr_tick;

/* At most `most` (2 to CR_TICKS_MOST) between two values; plain: only ASCII. Returns how many. */
int cr_ticks(cr_plot_scale scale, cr_calendar calendar, double from, double to, int most, bool plain, cr_tick *ret_ticks);

#endif
