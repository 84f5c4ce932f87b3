/* home.h - what a person's pages (home.c) and the ways to servers (user_paths.c) have in common. */
#ifndef CR_PLATFORM_HUB_HOME_H
#define CR_PLATFORM_HUB_HOME_H

#include "platform/hub/lab.h"

/* The caller's server of this name; the default one is made. false: replied. */
bool cr_home_own_server(cr_request *req, const char *name, cr_lab **ret_server);
/* Where the browser shall go in the server when it is ready: what follows the server's prefix, as it stood in a link; "" : JupyterLab. It is
 * put behind the person's own origin, so it must be text that an address can have, and nothing more; else "". */
const char *cr_home_safe_rest(const char *rest);
/* To the page of a start, which leads on to rest. */
void cr_home_to_pending(cr_request *req, const cr_lab *server, const char *rest);
/* The page that offers to start it, and then leads on to rest. */
void cr_home_show_stopped(cr_request *req, cr_lab *server, const char *rest);

#endif
