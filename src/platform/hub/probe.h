/* probe.h - asks a user server over its pinned socket whether it answers: GET PREFIX/api until anything below 500 comes.
 *
 * Tries every fifth of a second (a try ends after ten) until it succeeds or is freed; the owner has the deadline.
 * What comes from the server is the user's: only the status line is looked at, and at most a kilobyte is read.
 */
#ifndef CR_PLATFORM_HUB_PROBE_H
#define CR_PLATFORM_HUB_PROBE_H

#include "platform/http/loop.h"

typedef struct cr_probe cr_probe;

/* ready is called once, after which the probe rests until it is freed. */
cr_status cr_probe_new(cr_loop *loop, const char *socket_path, const char *url_path, cr_loop_fn ready, void *user, cr_probe **ret_probe,
                       cr_err *err) CR_MUST_USE;
/* Begin of an answer, "HTTP/1.1 200 ...", as text: the status from 100 to 599, or 0 for anything else. */
int cr_probe_status(const char *head);
void cr_probe_free(cr_probe *probe);

#endif
