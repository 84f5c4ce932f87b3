/* pace.h - how many sign-ins by an identity provider may go wrong at one address.
 *
 * What goes wrong there is a browser and no guess at a name, so nobody is locked out: an address has CR_PACE_FAILURES, one is forgotten
 * every two seconds, and while all are used up one more is let in as soon as one is forgotten. What is under way counts as well, so that
 * many at once get no further than many one after another. A network of IPv6 (/64) is one address. Belongs to one thread.
 */
#ifndef CR_PLATFORM_HUB_PACE_H
#define CR_PLATFORM_HUB_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "platform/identity/throttle.h"

enum { CR_PACE_FAILURES = 60, CR_PACE_FORGET_MS = 2000 };

typedef struct cr_pace cr_pace;
/* One sign-in, between begin and end. Starts life zeroed. */
typedef struct cr_pace_hold {
    char address[CR_THROTTLE_ADDRESS_BYTES];
    bool held;
} cr_pace_hold;

cr_status cr_pace_new(cr_pace **ret_pace, cr_err *err) CR_MUST_USE;
void cr_pace_free(cr_pace *p);
/* 0: go on, it is counted and has to be ended; otherwise the ms to wait, and nothing is held. now_ms is any monotonic clock. */
int64_t cr_pace_begin(cr_pace *p, const char *address, int64_t now_ms, cr_pace_hold *ret_hold);
/* Does nothing for one that has ended. */
void cr_pace_end(cr_pace *p, cr_pace_hold *hold, bool wrong, int64_t now_ms);

#endif
