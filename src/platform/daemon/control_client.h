/* control_client.h - the commands that a person gives to a running cratond: cratond --status, --admin-link, --backup, --stop.
 *
 * One JSON line to RUN/control.sock, JSON lines back until it closes. The hub answers; what it cannot do itself (ending the
 * whole of cratond) is done by a signal to the helper: that there is one its lock on the pid file says, and who it is the socket. */
#ifndef CR_PLATFORM_DAEMON_CONTROL_CLIENT_H
#define CR_PLATFORM_DAEMON_CONTROL_CLIENT_H

#include <stdbool.h>
#include "platform/daemon/config.h"

typedef struct cr_control_command {
    bool status, json, admin_link, stop, keep_servers;
    const char *backup;
} cr_control_command;

bool cr_control_is_asked(const cr_control_command *k);
/* Runs the one command asked for, prints its answer; returns the process's exit code. */
int cr_control_run(const cr_config *c, const cr_control_command *k);

#endif
