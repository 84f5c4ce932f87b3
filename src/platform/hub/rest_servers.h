/* rest_servers.h - what the two files of the REST API of servers share. */
#ifndef CR_PLATFORM_HUB_REST_SERVERS_H
#define CR_PLATFORM_HUB_REST_SERVERS_H

#include "platform/hub/lab.h"
#include "platform/hub/rest.h"

/* The server's name in the path; "": the default one. */
const char *cr_rest_server_name(const cr_request *req);
/* Does the caller hold the scope for the server of this name of the person in the path? false: replied. */
bool cr_rest_needs_server(cr_request *req, cr_scope scope, const char *name);
/* How JupyterHub names it in messages: PERSON or PERSON:NAME. */
const char *cr_rest_log_name(cr_request *req, const cr_lab *server);
/* The body is user_options, or has them beside a display_name. false: replied. */
bool cr_rest_check_options(cr_request *req);
/* NULL: none are given, and those of before count. */
const json_t *cr_rest_options_of(const cr_request *req);

#endif
