/* proxy_link.h - the connection to HAProxy's runtime API: commands in order, one at a time, each with its reply.
 *
 * While there is no connection commands are dropped (the owner compares everything when on_up is called); a connection that breaks
 * or does not answer for five seconds is made anew, and the commands that waited get a NULL reply.
 */
#ifndef CR_PLATFORM_PROXY_PROXY_LINK_H
#define CR_PLATFORM_PROXY_PROXY_LINK_H

#include "platform/http/loop.h"

typedef struct cr_proxy_link cr_proxy_link;
/* arg is what was given with the command; reply without the prompt, NULL when there was none. May send further commands. */
typedef void (*cr_proxy_reply_fn)(void *user, const char *arg, const char *reply);

cr_status cr_proxy_link_new(cr_loop *loop, const char *path, cr_loop_fn on_up, void *user, cr_proxy_link **ret_link, cr_err *err) CR_MUST_USE;
void cr_proxy_link_free(cr_proxy_link *link);
bool cr_proxy_link_is_up(const cr_proxy_link *link);
void cr_proxy_link_reconnect(cr_proxy_link *link);
/* fn may be NULL: the reply does not matter. arg is copied. */
void cr_proxy_link_send(cr_proxy_link *link, cr_proxy_reply_fn fn, void *user, const char *arg, const char *fmt, ...) CR_PRINTF(5, 6);
/* The same, before everything that waits. */
void cr_proxy_link_next(cr_proxy_link *link, cr_proxy_reply_fn fn, void *user, const char *arg, const char *fmt, ...) CR_PRINTF(5, 6);

#endif
