/* route.h - one table says which requests exist: methods, path pattern, who may call, how it is guarded, which function answers.
 *
 * A pattern is "/a/:param/b"; a last part "*" takes the rest of the path (possibly empty), raw. The first row whose pattern fits and
 * whose methods contain the request's wins. Matching works on the raw path, parameter by parameter percent-decoded afterwards, so
 * that "%2F" can never change which row is meant.
 */
#ifndef CR_PLATFORM_HTTP_ROUTE_H
#define CR_PLATFORM_HTTP_ROUTE_H

#include "base/arena.h"

typedef enum cr_method {
    CR_GET = 1, CR_HEAD = 2, CR_POST = 4, CR_PUT = 8, CR_PATCH = 16, CR_DELETE = 32, CR_OPTIONS = 64, CR_OTHER_METHOD = 128
} cr_method;

enum { CR_ROUTE_PARAMS = 4 };

typedef enum cr_route_kind {
    CR_ROUTE_PAGE_OPEN,             /* HTML for anybody */
    CR_ROUTE_PAGE,                  /* HTML for a signed-in person; others are sent to the sign-in page */
    CR_ROUTE_PAGE_ADMIN,            /* HTML for an administrator */
    CR_ROUTE_API_OPEN,              /* JSON for anybody */
    CR_ROUTE_API,                   /* JSON for a token, or a session with its CSRF token */
    CR_ROUTE_API_OWN,               /* JSON; its handler finds out itself who is calling, and errors are {"error": text} */
    CR_ROUTE_FILE                   /* style sheets, scripts, pictures: public and cached */
} cr_route_kind;

typedef enum cr_csrf_rule {
    CR_CSRF_NONE,             /* GET rows, and POST rows that prove themselves otherwise (OAuth token: client secret) */
    CR_CSRF_SESSION,          /* `_csrf` field or X-CSRF header made from the login session */
    CR_CSRF_PROVED,           /* likewise, and an administrator has to have proved who it is lately (hub/again.c) */
    CR_CSRF_PRE               /* `_csrf` field made from the pre-session cookie: sign-in and invitation forms */
} cr_csrf_rule;

struct cr_request;
typedef struct cr_route {
    unsigned methods;
    const char *pattern;
    cr_route_kind kind;
    cr_csrf_rule csrf;
    void (*handler)(struct cr_request *req);
} cr_route;

typedef struct cr_route_match {
    const cr_route *route;    /* NULL: none */
    unsigned allowed;         /* methods of all rows whose pattern fits */
    const char *param[CR_ROUTE_PARAMS];     /* decoded, in the arena; the rest of "*" raw */
    int n_params;
} cr_route_match;

cr_method cr_method_parse(const char *name);
/* Writes "GET, POST"; returns buf. */
char *cr_method_list(unsigned methods, char *buf, size_t size);
/* routes ends with a row whose pattern is NULL. CR_INVALID when a parameter cannot be decoded. */
cr_status cr_route_find(const cr_route *routes, cr_method method, const char *path, cr_arena *arena, cr_route_match *match, cr_err *err) CR_MUST_USE;

#endif
