/* device.h - a browser remembers that somebody has signed in with it, so that guesses of others do not lock this person out.
 *
 * After the pattern that OWASP calls device cookies. The cookie holds up to four entries, newest first, one per name, joined by '.':
 * ID (16 hexadecimal digits, random), when (8, seconds since 1970), MAC (32, the begin of an HMAC-SHA-256 over purpose, ID, when and name
 * with the hub's key). It names nobody, proves only that the name signed in here within the last half year, and is no proof of who
 * asks: it gives a counter of one's own in throttle.h and nothing else. Each sign-in makes a new ID: a stolen copy does not
 * share the counter of its owner.
 */
#ifndef CR_PLATFORM_IDENTITY_DEVICE_H
#define CR_PLATFORM_IDENTITY_DEVICE_H

#include <stdint.h>
#include "platform/identity/secret.h"

enum {
    CR_DEVICE_ENTRIES = 4, CR_DEVICE_ID_LEN = 16, CR_DEVICE_WHEN_LEN = 8, CR_DEVICE_MAC_LEN = 32,
    CR_DEVICE_ENTRY_LEN = CR_DEVICE_ID_LEN + CR_DEVICE_WHEN_LEN + CR_DEVICE_MAC_LEN,
    CR_DEVICE_COOKIE_MAX = CR_DEVICE_ENTRIES * (CR_DEVICE_ENTRY_LEN + 1) - 1,
    CR_DEVICE_LIFE_S = 180 * 86400,
};

/* Has this name signed in with this browser? cookie may be NULL and anything. */
bool cr_device_find(const cr_secret *secret, const char *cookie, const char *name, int64_t now_s, char ret_id[CR_DEVICE_ID_LEN + 1]);
/* The cookie after a sign-in: a new entry for the name, then the newest others of the old cookie. */
void cr_device_renew(const cr_secret *secret, const char *cookie, const char *name, int64_t now_s, char out[CR_DEVICE_COOKIE_MAX + 1]);

#endif
