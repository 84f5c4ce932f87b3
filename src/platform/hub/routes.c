/* routes.c - every request that the hub answers. The first row that fits wins. */
#include "platform/hub/hub.h"

const cr_route cr_hub_routes[] = {
    /* methods            path                                kind                  CSRF              handler */
    {CR_GET,              "/",                                CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_root},
    {CR_GET,              "/hub",                             CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_root},
    {CR_GET,              "/hub/",                            CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_root},
    {CR_GET,              "/hub/static/:file",                CR_ROUTE_FILE,        CR_CSRF_NONE,     cr_site_file},
    {CR_GET,              "/hub/health",                      CR_ROUTE_API_OPEN,    CR_CSRF_NONE,     cr_api_health},
    /* sign-in */
    {CR_GET,              "/hub/login",                       CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_login_form},
    {CR_POST,             "/hub/login",                       CR_ROUTE_PAGE_OPEN,   CR_CSRF_PRE,      cr_login_post},
    {CR_GET,              "/hub/signin/:provider",            CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_oidc_start},
    {CR_GET,              "/hub/signin/:provider/callback",   CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_oidc_callback},
    {CR_POST,             "/hub/signin/:provider/link",       CR_ROUTE_PAGE,        CR_CSRF_SESSION,  cr_link_post},
    {CR_POST,             "/hub/signin/:provider/unlink",     CR_ROUTE_PAGE,        CR_CSRF_SESSION,  cr_unlink_post},
    {CR_GET,              "/hub/oauth_callback",              CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_oidc_callback},
    {CR_GET,              "/hub/logout",                      CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_logout},
    {CR_POST,             "/hub/logout",                      CR_ROUTE_PAGE,        CR_CSRF_SESSION,  cr_logout},
    {CR_GET,              "/hub/join/:link",                  CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_join_form},
    {CR_POST,             "/hub/join/:link",                  CR_ROUTE_PAGE_OPEN,   CR_CSRF_PRE,      cr_join_post},
    {CR_GET,              "/hub/password",                    CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_password_form},
    {CR_POST,             "/hub/password",                    CR_ROUTE_PAGE,        CR_CSRF_SESSION,  cr_password_post},
    /* a person's pages */
    {CR_GET,              "/hub/home",                        CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_home},
    {CR_GET,              "/hub/spawn",                       CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_spawn_form},
    {CR_POST,             "/hub/spawn",                       CR_ROUTE_PAGE,        CR_CSRF_SESSION,  cr_spawn_post},
    {CR_GET,              "/hub/spawn/:name",                 CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_spawn_form},
    {CR_GET,              "/hub/spawn-pending/:name",         CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_pending},
    {CR_POST,             "/hub/stop",                        CR_ROUTE_PAGE,        CR_CSRF_SESSION,  cr_stop_post},
    {CR_GET,              "/hub/user-redirect/*",             CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_user_redirect},
    {CR_GET,              "/hub/user/:name",                  CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_user_path},
    {CR_GET,              "/hub/user/:name/*",                CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_user_path},
    {CR_GET,              "/user/:name",                      CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_user_path_direct},
    {CR_GET,              "/user/:name/*",                    CR_ROUTE_PAGE_OPEN,   CR_CSRF_NONE,     cr_user_path_direct},
    /* administrators */
    {CR_GET,              "/hub/admin",                       CR_ROUTE_PAGE_ADMIN,  CR_CSRF_NONE,     cr_people},
    {CR_POST,             "/hub/admin/invite",                CR_ROUTE_PAGE_ADMIN,  CR_CSRF_SESSION,  cr_people_invite},
    {CR_POST,             "/hub/admin/act",                   CR_ROUTE_PAGE_ADMIN,  CR_CSRF_SESSION,  cr_people_act},
    /* OAuth provider */
    {CR_GET,              "/hub/api/oauth2/authorize",        CR_ROUTE_PAGE,        CR_CSRF_NONE,     cr_oauth_authorize},
    {CR_POST,             "/hub/api/oauth2/token",            CR_ROUTE_API_OPEN,    CR_CSRF_NONE,     cr_oauth_token},
    /* REST */
    {CR_GET,              "/hub/api",                         CR_ROUTE_API_OPEN,    CR_CSRF_NONE,     cr_api_version},
    {CR_GET,              "/hub/api/",                        CR_ROUTE_API_OPEN,    CR_CSRF_NONE,     cr_api_version},
    {CR_GET,              "/hub/api/health",                  CR_ROUTE_API_OPEN,    CR_CSRF_NONE,     cr_api_health},
    {CR_GET,              "/hub/api/info",                    CR_ROUTE_API,         CR_CSRF_NONE,     cr_api_info},
    {CR_GET,              "/hub/api/user",                    CR_ROUTE_API,         CR_CSRF_NONE,     cr_api_user},
    {CR_GET,              "/hub/api/users",                   CR_ROUTE_API,         CR_CSRF_NONE,     cr_api_users},
    {CR_GET,              "/hub/api/users/:name",             CR_ROUTE_API,         CR_CSRF_NONE,     cr_api_user_get},
    {CR_POST,             "/hub/api/users/:name/activity",    CR_ROUTE_API,         CR_CSRF_SESSION,  cr_api_activity},
    {CR_POST,             "/hub/api/users/:name/server",      CR_ROUTE_API,         CR_CSRF_SESSION,  cr_api_server_start},
    {CR_DELETE,           "/hub/api/users/:name/server",      CR_ROUTE_API,         CR_CSRF_SESSION,  cr_api_server_stop},
    {CR_GET,              "/hub/api/users/:name/server/progress", CR_ROUTE_API,     CR_CSRF_NONE,     cr_api_progress},
    {0},
};
