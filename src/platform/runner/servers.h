/* servers.h - the helper's table of user servers: started, watched, limited, stopped, and found again after a restart.
 *
 * A server's life:  STARTING -> RUNNING -> ENDED -> (hub acknowledges) forgotten. Each change is written to STATE/runner/servers/
 * ACCOUNT.GENERATION before it is told to the hub, so that a helper or hub that dies in between loses nothing.
 *
 * Threads: the helper's loop. Invariants
 *  1. A process of a server is in that server's cgroup before its first instruction of foreign code (where cgroups work).
 *  2. When ENDED is told, no process of that server remains, its socket, link and cgroup are gone.
 *  3. Paths are made from validated names and numbers; nothing of a user's directory is followed as root.
 */
#ifndef CR_PLATFORM_RUNNER_SERVERS_H
#define CR_PLATFORM_RUNNER_SERVERS_H

#include <sys/types.h>
#include "platform/runner/protocol.h"
#include "platform/runner/watch.h"

typedef struct cr_servers cr_servers;
typedef void (*cr_servers_event_fn)(void *user, const cr_runner_event *event);

typedef struct cr_servers_setup {
    const cr_config *config;      /* borrowed, outlives the table */
    const cr_profile_set *profiles;    /* likewise; NULL: none */
    cr_watch *watch;
    uid_t start_uid;              /* of the prepared parent (prepared.h) */
    gid_t start_gid;
    gid_t proxy_gid;              /* HAProxy's group: may connect to pinned sockets */
    cr_servers_event_fn on_event;
    void *user;
} cr_servers_setup;

/* Reads the records, adopts what still runs, cleans up what does not. */
cr_status cr_servers_open(const cr_servers_setup *setup, cr_servers **ret_servers, cr_err *err) CR_MUST_USE;
void cr_servers_handle(cr_servers *s, const cr_msg *message);    /* a checked message from the hub */
bool cr_servers_holds(const cr_servers *s, pid_t pid);
/* Asks every server to end; done is called when none is left. */
void cr_servers_stop_all(cr_servers *s, uint32_t grace_ms, void (*done)(void *user), void *user);
void cr_servers_close(cr_servers *s);                            /* the servers go on */

#endif
