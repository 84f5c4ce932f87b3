/* server_parts.h - what server_start.c, server_life.c and server_end.c have of each other; the table itself uses server_life.h.
 *
 * Threads: the helper's loop. A server is made by cr_server_add, which lends it; cr_server_let_go frees it.
 */
#ifndef CR_PLATFORM_RUNNER_SERVER_PARTS_H
#define CR_PLATFORM_RUNNER_SERVER_PARTS_H

#include "platform/daemon/urls.h"
#include "platform/runner/server_life.h"

/* server_life.c: names; each writes to buf or path and answers it. */
const char *cr_server_group(const cr_server *v, char buf[CR_LINK_MAX]);              /* of the control group, and for the log */
void cr_server_paths(const cr_server *v, char sock[CR_URL_MAX], char link[CR_URL_MAX]);
char *cr_server_kernels_socket(const cr_server *v, char path[CR_URL_MAX]);
char *cr_server_secrets_dir(const cr_server *v, char path[CR_URL_MAX]);              /* of a scheduler's cluster */
void cr_server_log_path(const cr_server *v, const char *suffix, char path[CR_URL_MAX]);

cr_server *cr_server_add(cr_servers *s, const cr_record *r);                         /* NULL: no memory */
void cr_server_save(cr_server *v);
void cr_server_drop_wait(cr_server *v);
bool cr_server_keeps_log(const cr_server *v);                                        /* of one that has ended */
int cr_server_open_log(const cr_server *v, bool fresh, cr_err *err) CR_MUST_USE;     /* -1: failed */
void cr_server_note(const cr_server *v, const char *line);                           /* into its log */
void cr_server_bound_log(const cr_server *v);                                        /* emptied when it takes more than is allowed */
/* Its end, and its socket where it will have one. */
cr_status cr_server_watch(cr_server *v, cr_err *err) CR_MUST_USE;
void cr_server_stop_looking(cr_server *v);                                           /* for its socket */

/* server_end.c */
void cr_server_close_fds(cr_server *v);                                              /* and what waits for something of it */
void cr_server_on_end(void *user, uint32_t events);                                  /* its process has ended: for cr_watch_add */
void cr_server_wind_up(cr_server *v);
void cr_server_stop_within(cr_server *v, uint32_t grace_ms);

#endif
