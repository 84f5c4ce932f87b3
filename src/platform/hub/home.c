/* home.c - a person's own pages: home, start, stop, the way to their servers. Forms name a server in the field `server`, "" is the default one. */
#include "platform/hub/shares.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/idle_watch.h"
#include "platform/hub/named.h"
#include "platform/hub/notices.h"
#include "platform/hub/oauth.h"
#include "platform/hub/profile_choice.h"

enum { REST_MAX = 4096 };

void cr_root(cr_request *req) { cr_reply_redirect(req, 302, "/hub/home"); }

/* The caller's server of this name; the default one is made. false: replied. */
static bool own_server(cr_request *req, const char *name, cr_lab **ret_server) {
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_lab_find(cr_hub_of(req), &cr_caller_of(req)->person, name, !*name, ret_server, &err);
    if (status == CR_NOT_FOUND)
        cr_reply_error(req, 404, "you have no server of this name", "your servers are on your home page: /hub/home");
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    return status == CR_OK;
}

/* The one that a form names. */
static bool form_server(cr_request *req, cr_lab **ret_server) { return own_server(req, cr_request_field(req, "server"), ret_server); }

/* The one of /hub/.../PERSON[/SERVER]: the caller's own. */
static bool path_server(cr_request *req, cr_lab **ret_server) {
    if (req->param[0] && strcmp(req->param[0], cr_caller_of(req)->person.name) != 0) {
        cr_reply_error(req, 404, "there is nothing at this address", "");
        return false;
    }
    return own_server(req, req->param[1] ? req->param[1] : "", ret_server);
}

static json_t *server_values(cr_lab *s) {
    char url[CR_URL_MAX], ago[24], usual[48], over[16], over_ago[24], limits[80];
    bool pending = s->state != CR_LAB_STOPPED && s->state != CR_LAB_READY;
    return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:o}",
                     "name", s->name, "title", s->title[0] ? s->title : s->name, "stopped", s->state == CR_LAB_STOPPED, "ready", s->state == CR_LAB_READY,
                     "starting", pending && s->state != CR_LAB_STOPPING, "stopping", s->state == CR_LAB_STOPPING,
                     "message", s->message, "percent", s->percent, "url", cr_lab_origin_url(s, "lab", url, sizeof url),
                     "stop_text", s->stop_reason[0] && strcmp(s->stop_reason, "requested") != 0 ? s->stop_text : "",
                     "stopped_ago", s->stopped_ms ? cr_text_duration(CR_MAX(cr_wall_ms() - s->stopped_ms, 0), ago, sizeof ago) : "",
                     "failed", s->failed,
                     "usual", s->ready_after_ms ? cr_lab_usual(s, usual) : "",
                     "over_limit", s->memory_ms ? cr_text_bytes(s->memory_limit, over, sizeof over) : "",
                     "over_ago", cr_text_duration(CR_MAX(cr_wall_ms() - s->memory_ms, 0), over_ago, sizeof over_ago),
                     "limits", cr_choice_amounts(s->memory_bytes, s->cpu_milli, limits), "profile", cr_choice_title(s), "choice", cr_choice_page(s));
}

static void add_named(void *user, cr_lab *s) {
    if (s->name[0] && !s->removing)
        json_array_append_new(user, server_values(s));
}

/* The others of the caller; limit: how many there may be. NULL: replied. */
static json_t *named_values(cr_request *req, int limit) {
    json_t *list = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_lab_each(cr_hub_of(req), cr_caller_of(req)->person.id, add_named, list, &err) != CR_OK) {
        json_decref(list);
        cr_reply_err(req, &err);
        return NULL;
    }
    size_t n = json_array_size(list);
    return json_pack("{s:b, s:b, s:i, s:o}", "any", n > 0 || limit > 0, "more", n < (size_t)limit, "limit", limit, "list", list);
}

void cr_home(cr_request *req) {
    cr_lab *s;
    json_t *shared = NULL, *named;
    cr_err err = CR_ERR_INIT;
    if (!own_server(req, "", &s) || !(named = named_values(req, cr_named_limit(cr_hub_of(req), &cr_caller_of(req)->person))))
        return;
    if (cr_shares_guest_rows(req, &shared, &err) != CR_OK) {
        json_decref(named);
        cr_reply_err(req, &err);
        return;
    }
    cr_site_page(req, 200, "home", json_pack("{s:o, s:o, s:b, s:o, s:b, s:o}", "server", server_values(s), "idle", cr_idle_values(s), "has_shared",
                                             json_array_size(shared) > 0, "shared", shared, "may_share", cr_shares_may(req, CR_SCOPE_SHARES, s), "named",
                                             named));
}

/* /hub/PAGE/PERSON[/SERVER] */
static void to_page(cr_request *req, const char *page, const cr_lab *s) {
    char name[CR_URL_MAX], url[CR_URL_MAX + 64];
    snprintf(url, sizeof url, "/hub/%s/%s%s%s", page, cr_url_segment(s->user, name, sizeof name), s->name[0] ? "/" : "", s->name);
    cr_reply_redirect(req, 303, url);
}

/* Where the browser shall go in the server when it is ready: what follows the server's prefix, as it stood in a link. "" : JupyterLab. It is
 * put behind the person's own origin, so it must be text that an address can have, and nothing more. */
static const char *safe_rest(const char *rest) {
    if (strlen(rest) > REST_MAX)
        return "";
    for (const char *p = rest; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F || *p == '\\')
            return "";
    return rest;
}

/* REST of a path, with the query. */
static const char *rest_of(cr_request *req, const char *path) {
    const char *rest = cr_arena_printf(&req->arena, "%s%s%s", path, req->query_text[0] ? "?" : "", req->query_text);
    return rest ? safe_rest(rest) : "";
}

/* The page of a start, with where it leads. */
static void to_pending(cr_request *req, const cr_lab *s, const char *rest) {
    cr_auto_buf cr_buf page;
    cr_buf_init(&page, 4 * CR_HTTP_TARGET_MAX);
    char name[CR_URL_MAX];
    cr_buf_addf(&page, "/hub/spawn-pending/%s%s%s", cr_url_segment(s->user, name, sizeof name), s->name[0] ? "/" : "", s->name);
    if (*rest) {
        cr_buf_adds(&page, "?next=");
        cr_percent_encode(&page, rest, NULL);
    }
    cr_reply_redirect(req, 303, cr_buf_str(&page));
}

/* The page that offers to start it. */
static void show_stopped(cr_request *req, cr_lab *s, const char *rest) {
    cr_site_page(req, 424, "not_running", json_pack("{s:o, s:s}", "server", server_values(s), "next", rest));
}

void cr_spawn_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!form_server(req, &s))
        return;
    if (s->name[0] && cr_named_check(cr_hub_of(req), &cr_caller_of(req)->person, s->name, CR_NAMED_USE, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (!cr_notices_let_start(req, s))
        return;
    bool may_change = s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING;
    if ((may_change && cr_choice_set_form(s, &req->form, &err) != CR_OK) || cr_lab_start(s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        to_pending(req, s, safe_rest(cr_request_field(req, "next")));
}

/* A link to this page (bookmarks, JupyterLab's "restart") only offers to start: a foreign page must not cause it. */
void cr_spawn_form(cr_request *req) {
    cr_lab *s;
    if (!path_server(req, &s))
        return;
    char url[CR_URL_MAX];
    if (s->state == CR_LAB_READY)
        cr_reply_redirect(req, 303, cr_lab_origin_url(s, "lab", url, sizeof url));
    else if (s->state != CR_LAB_STOPPED)
        to_pending(req, s, "");
    else if (s->name[0])
        cr_site_page(req, 200, "spawn", json_pack("{s:o}", "server", server_values(s)));
    else
        cr_reply_redirect(req, 303, "/hub/home");
}

static void home_or_error(cr_request *req, cr_status status, const cr_err *err) {
    if (status == CR_OK)
        cr_reply_redirect(req, 303, "/hub/home");
    else
        cr_reply_err(req, err);
}

/* ---- named servers ---- */

static cr_status make_named(cr_request *req, const char *name, const char *title, cr_lab **ret_server, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    const cr_person *me = &cr_caller_of(req)->person;
    cr_status status = *name ? cr_lab_find(hub, me, name, false, ret_server, err) : CR_NOT_FOUND;
    if (status == CR_OK)
        return CR_FAIL(err, CR_CONFLICT, "you have a server of this name");
    if (status != CR_NOT_FOUND)
        return status;
    *err = (cr_err)CR_ERR_INIT;
    CR_TRY(cr_named_check(hub, me, name, CR_NAMED_MAKE, err));
    if (*title && !cr_named_title_is_right(title))
        return CR_FAIL(err, CR_INVALID, "a title has at most %d bytes and no control characters", CR_LAB_TITLE_MAX);
    CR_TRY(cr_lab_find(hub, me, name, true, ret_server, err));
    return *title ? cr_lab_set_title(*ret_server, title, err) : CR_OK;
}

void cr_servers_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (make_named(req, cr_request_field(req, "server"), cr_request_field(req, "title"), &s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        to_page(req, "spawn", s);
}

void cr_servers_remove(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!form_server(req, &s))
        return;
    if (!s->name[0])
        cr_reply_error(req, 400, "the ordinary server stays", "");
    else
        home_or_error(req, cr_lab_remove(s, &err), &err);
}

void cr_stop_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (form_server(req, &s))
        home_or_error(req, cr_lab_stop(s, NULL, &err), &err);
}

void cr_keep_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (form_server(req, &s))
        home_or_error(req, cr_idle_keep(s, &err), &err);
}

void cr_pending(cr_request *req) {
    cr_lab *s;
    if (!path_server(req, &s))
        return;
    char url[CR_HTTP_TARGET_MAX + CR_URL_MAX], name[CR_URL_MAX], progress[CR_URL_MAX + 96];
    const char *rest = safe_rest(cr_oauth_arg(&req->query, "next"));
    cr_lab_origin_url(s, *rest ? rest : "lab", url, sizeof url);
    if (s->state == CR_LAB_READY) {
        cr_reply_redirect(req, 303, url);
        return;
    }
    if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING) {
        cr_reply_redirect(req, 303, "/hub/home");
        return;
    }
    snprintf(progress, sizeof progress, "/hub/api/users/%s/server%s%s/progress", cr_url_segment(s->user, name, sizeof name), s->name[0] ? "s/" : "", s->name);
    cr_site_page(req, 200, "pending", json_pack("{s:o, s:s, s:s}", "server", server_values(s), "progress_url", progress, "open", url));
}

/* /hub/user-redirect/lab/tree/x?a=1 -> the caller's own server with the same rest, after a start if need be. */
void cr_user_redirect(cr_request *req) {
    cr_lab *s;
    if (!own_server(req, "", &s))
        return;
    const char *rest = rest_of(req, req->param[0]);
    char url[CR_HTTP_TARGET_MAX + CR_URL_MAX];
    if (s->state == CR_LAB_READY)
        cr_reply_redirect(req, 303, cr_lab_origin_url(s, rest, url, sizeof url));
    else if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING)
        show_stopped(req, s, rest);
    else
        to_pending(req, s, rest);
}

enum { REPAIR_MS = 250 };

typedef struct later {
    cr_timer timer;
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
    cr_timer_start(cr_hub_of(req)->loop, &l->timer, REPAIR_MS, redirect_now, l);
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
        cr_site_page(req, 424, "guest", json_pack("{s:s}", "owner", s->user));
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
        show_stopped(req, s, rest_of(req, rest));
    } else {
        to_pending(req, s, rest_of(req, rest));
    }
}

/* /user/NAME/... on the hub's own port: send the browser to /hub/user/NAME/..., in the canonical spelling. */
void cr_user_path_direct(cr_request *req) {
    char url[CR_HTTP_TARGET_MAX + 16], name[CR_URL_MAX];
    snprintf(url, sizeof url, "/hub/user/%s/%s%s%s", cr_url_segment(req->param[0], name, sizeof name), req->param[1] ? req->param[1] : "",
             req->query_text[0] ? "?" : "", req->query_text);
    cr_reply_redirect(req, 302, url);
}
