/* throttle.h - how often somebody may try to sign in.
 *
 * An attempt is counted when it arrives, before a password is looked at, so that sixty at once get no further than sixty one after
 * another. The count is taken back when the password was right, or when nothing was tried.
 *
 * A stranger counts for (name, address), for the name and for the address; of the address there is also a limit of attempts at a time. A
 * browser in which this name has signed in before (device.h) counts for itself only: whoever guesses at a name from elsewhere slows
 * down other strangers, and never the person who owns it. All known browsers of one name have five attempts at a time, so that who
 * collects cookies of an own account does not fill the queue with it. Each counter has some free failures; after them one attempt is let through
 * per pause, and every failure doubles the pause, up to the counter's longest. Counters fade after an hour without an attempt. A
 * network of IPv6 (/64) is one address. In memory: a restart of the hub forgets, which an attacker cannot cause.
 */
#ifndef CR_PLATFORM_IDENTITY_THROTTLE_H
#define CR_PLATFORM_IDENTITY_THROTTLE_H

#include <stdint.h>
#include "base/error.h"

typedef struct cr_throttle cr_throttle;

enum { CR_THROTTLE_ADDRESS_BYTES = 64 };

/* Whom an address counts for: whoever has one of IPv6 has the 2^64 of its network; one of IPv4 in the form of IPv6 is that of IPv4. What is
 * no address counts as it is written. */
void cr_throttle_address(const char *text, char out[CR_THROTTLE_ADDRESS_BYTES]);

/* An attempt under way: held between begin and end, exactly once each. */
typedef struct cr_attempt {
    char name[72], address[CR_THROTTLE_ADDRESS_BYTES], device[40];
    unsigned held;            /* the counters that hold it; 0: ended, or never begun */
} cr_attempt;
typedef enum cr_attempt_end { CR_ATTEMPT_WRONG, CR_ATTEMPT_RIGHT, CR_ATTEMPT_NOT_MADE } cr_attempt_end;

cr_status cr_throttle_new(cr_throttle **ret_throttle, cr_err *err) CR_MUST_USE;
void cr_throttle_free(cr_throttle *t);
/* 0: go on, the attempt is counted and has to be ended; otherwise the ms to wait, and nothing is held. device: what the browser is known
 * by for this name, NULL for a stranger. now_ms is any monotonic clock. */
int64_t cr_throttle_begin(cr_throttle *t, const char *name, const char *address, const char *device, int64_t now_ms, cr_attempt *ret_attempt);
/* Does nothing for an attempt that has ended. */
void cr_throttle_end(cr_throttle *t, cr_attempt *attempt, cr_attempt_end how);
/* Attempts of strangers that are under way. */
int cr_throttle_strangers(const cr_throttle *t);

#endif
