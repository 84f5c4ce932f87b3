/* idle_watch.h - looks at running servers from time to time and stops those that are not used or too old, see idle.h. Hub's loop. */
#ifndef CR_PLATFORM_HUB_IDLE_WATCH_H
#define CR_PLATFORM_HUB_IDLE_WATCH_H

#include "platform/hub/lab.h"

cr_status cr_idle_open(cr_hub *hub, cr_err *err) CR_MUST_USE;      /* settings are there, the loop too */
void cr_idle_close(cr_hub *hub);                                   /* before the servers' records go */
void cr_idle_drop(cr_lab *server);                                 /* it runs no more: what is being asked is forgotten */
/* Is the token one that a server is being asked with? Then the caller is that server's person, with no right but to it. */
bool cr_idle_knows(cr_hub *hub, const char *token, cr_caller *caller);
/* The person keeps the server for the time of the settings. CR_CONFLICT: it does not run, or the settings do not allow it. */
cr_status cr_idle_keep(cr_lab *server, cr_err *err) CR_MUST_USE;
/* For pages: {"warn", "age", "in", "keep", "kept", "rule"}; texts are "" when there is nothing to say. */
json_t *cr_idle_values(const cr_lab *server);

#endif
