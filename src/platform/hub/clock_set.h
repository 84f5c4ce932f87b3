/* clock_set.h - the machine's clock is set by hours while the hub runs (a wrong clock is put right, a machine has slept).
 *
 * Deadlines run on the monotonic clock and do not notice. What is measured from records in wall time would: after a step forward every server
 * looks unused for hours and all would be stopped at once, after a step back none would for as long. So when wall time has moved against
 * monotonic time by more than CR_CLOCK_STEP_MS, the times of what goes on move along, in memory and in the database: of servers that run or wait,
 * clusters that are kept, removals, mails. What others were told as a date (ends of sessions, tokens, links, announcements) stays that date.
 *
 * Threads: the hub's loop.
 */
#ifndef CR_PLATFORM_HUB_CLOCK_SET_H
#define CR_PLATFORM_HUB_CLOCK_SET_H

#include "platform/hub/hub.h"

enum { CR_CLOCK_STEP_MS = 60 * 1000 };

/* After every wait of the hub's loop: so nothing is noted or decided between a step and here. The first time only notes how the clocks stand. */
void cr_clock_look(cr_hub *hub);

#endif
