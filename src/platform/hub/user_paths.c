/* user_paths.c - addresses that lead to somebody's server: links of people (/hub/user-redirect/...), and what HAProxy found no route for. */
#include "platform/hub/home.h"

#include <stdio.h>
#include "base/clock.h"
#include "platform/hub/shares.h"

/* REST of a path, with the query. */
static const char *rest_of(cr_request *req, const char *path) {
    const char *rest = cr_arena_printf(&req->arena, "%s%s%s", path, req->query_text[0] ? "?" : "", req->query_text);
    return rest ? cr_home_safe_rest(rest) : "";
}

/* /hub/user-redirect/lab/tree/x?a=1 -> the caller's own server with the same rest, after a start if need be. */
void cr_user_redirect(cr_request *req) {
    cr_lab *s;
    if (!cr_home_own_server(req, "", &s))
        return;
    const char *rest = rest_of(req, req->param[0]);
    char url[CR_HTTP_TARGET_MAX + CR_URL_MAX];
    if (s->state == CR_LAB_READY)
        cr_reply_redirect(req, 303, cr_lab_origin_url(s, rest, url, sizeof url));
    else if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING)
        cr_home_show_stopped(req, s, rest);
    else
        cr_home_to_pending(req, s, rest);
}

enum { REPAIR_MS = 250 };

typedef struct later {
    cr_request *req;
    char url[CR_HTTP_TARGET_MAX + CR_URL_MAX];
} later;

static void redirect_now(void *user) {
    later *l = user;
    cr_reply_redirect(l->req, 303, l->url);
}

/* The browser waits a moment, so that it does not come back before the route is mended. */
static void redirect_later(cr_request *req, const char *url) {
    later *l = cr_arena_alloc(&req->arena, sizeof *l);
    if (!l) {
        cr_reply_redirect(req, 303, url);
        return;
    }
    l->req = req;
    snprintf(l->url, sizeof l->url, "%s", url);
    cr_timer_start(cr_hub_of(req)->loop, &req->timer, REPAIR_MS, redirect_now, l);
    cr_request_suspend(req);
}

/* The server of this person that a path is about, and what follows: NAME/REST when there is a named one, else the default one, which is made
 * when make says so. */
static cr_status server_of_path(cr_request *req, const cr_person *person, bool make, cr_lab **ret_server, const char **ret_rest, cr_err *err) {
    const char *rest = req->param[1] ? req->param[1] : "";
    size_t n = strcspn(rest, "/");
    char name[CR_ACCOUNT_MAX + 1] = "";
    *ret_rest = rest;
    if (n > 0 && n <= CR_ACCOUNT_MAX) {
        memcpy(name, rest, n);
        cr_status status = cr_lab_find(cr_hub_of(req), person, name, false, ret_server, err);
        if (status == CR_OK)
            *ret_rest = rest + n + (rest[n] == '/');
        if (status != CR_NOT_FOUND)
            return status;
        *err = (cr_err)CR_ERR_INIT;
    }
    return cr_lab_find(cr_hub_of(req), person, "", make, ret_server, err);
}

/* HAProxy found no route to a server that runs: mend, and send the browser back. */
static void mend(cr_request *req, const cr_lab *s, const char *path) {
    char rest[CR_HTTP_TARGET_MAX + 8], url[CR_HTTP_TARGET_MAX + CR_URL_MAX];
    cr_proxy_sync(cr_hub_of(req)->proxy);
    snprintf(rest, sizeof rest, "%s%s%s", path, req->query_text[0] ? "?" : "", req->query_text);
    redirect_later(req, cr_lab_origin_url(s, rest, url, sizeof url));
}

/* Another person's server. Who was not given it does not hear whether it is there. */
static void guest_path(cr_request *req) {
    cr_person owner;
    char full[CR_SCOPE_VALUE_MAX + 1];
    cr_lab *s = NULL;
    const char *rest;
    cr_err err = CR_ERR_INIT;
    snprintf(full, sizeof full, "%s/", req->param[0]);
    bool may = cr_rest_may(req, CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_SERVER, full);
    cr_status status = cr_person_find(cr_hub_of(req)->db, req->param[0], &owner, &err);
    if (status == CR_OK)
        status = server_of_path(req, &owner, may, &s, &rest, &err);
    if (status == CR_NOT_FOUND || (status == CR_OK && !cr_shares_may(req, CR_SCOPE_ACCESS_SERVERS, s)))
        cr_reply_error(req, 403, "this server belongs to somebody else", "your own is on your home page: /hub/home");
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (s->state == CR_LAB_READY)
        mend(req, s, rest);
    else
        cr_site_page(req, 424, "guest", json_pack("{s:s, s:s}", "owner", s->user, "server_name", s->title[0] ? s->title : s->name));
}

/* /hub/user/NAME/rest: HAProxy found no route and sent the browser here. */
void cr_user_path(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    if (!c->signed_in) {
        char next[3 * CR_HTTP_TARGET_MAX];
        cr_auto_buf cr_buf encoded;
        cr_buf_init(&encoded, sizeof next - 64);
        cr_percent_encode(&encoded, req->target, "/");
        snprintf(next, sizeof next, "/hub/login?next=%s", cr_buf_str(&encoded));
        cr_reply_redirect(req, 303, next);
        return;
    }
    if (strcmp(req->param[0], c->person.name) != 0) {
        guest_path(req);
        return;
    }
    cr_lab *s;
    const char *rest;
    cr_err err = CR_ERR_INIT;
    if (server_of_path(req, &c->person, true, &s, &rest, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (s->state == CR_LAB_READY) {
        mend(req, s, rest);
    } else if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING) {
        cr_home_show_stopped(req, s, rest_of(req, rest));
    } else {
        cr_home_to_pending(req, s, rest_of(req, rest));
    }
}

/* /user/NAME/... on the hub's own port: send the browser to /hub/user/NAME/..., in the canonical spelling. */
void cr_user_path_direct(cr_request *req) {
    char url[CR_HTTP_TARGET_MAX + 16], name[CR_URL_MAX];
    snprintf(url, sizeof url, "/hub/user/%s/%s%s%s", cr_url_segment(req->param[0], name, sizeof name), req->param[1] ? req->param[1] : "",
             req->query_text[0] ? "?" : "", req->query_text);
    cr_reply_redirect(req, 302, url);
}
