/* home.c - a person's own pages: home, start, stop, the way to their server. */
#include "platform/hub/shares.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/disk.h"
#include "platform/hub/idle_watch.h"
#include "platform/hub/notices.h"
#include "platform/hub/profile_choice.h"

void cr_root(cr_request *req) { cr_reply_redirect(req, 302, "/hub/home"); }

/* The caller's default server; false: replied. */
static bool own_server(cr_request *req, cr_lab **ret_server) {
    cr_err err = CR_ERR_INIT;
    if (cr_lab_find(cr_hub_of(req), &cr_caller_of(req)->person, "", true, ret_server, &err) == CR_OK)
        return true;
    cr_reply_err(req, &err);
    return false;
}

static json_t *server_values(cr_lab *s) {
    char url[CR_URL_MAX], ago[24], usual[48], over[16], over_ago[24], limits[80];
    bool pending = s->state != CR_LAB_STOPPED && s->state != CR_LAB_READY;
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:o}", "cleaning", s->cleaning,
                     "stopped", s->state == CR_LAB_STOPPED, "ready", s->state == CR_LAB_READY,
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

static void show_home(cr_request *req, int status, cr_lab *s) {
    json_t *shared = NULL;
    cr_err err = CR_ERR_INIT;
    if (cr_shares_guest_rows(req, &shared, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_site_page(req, status, "home", json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:b}", "server", server_values(s), "idle", cr_idle_values(s), "disk",
                                                cr_disk_values(cr_hub_of(req), s->user_id), "measuring", cr_pairs_get(&req->query, "measuring") != NULL,
                                                "has_shared", json_array_size(shared) > 0, "shared", shared, "may_share",
                                                cr_shares_may(req, CR_SCOPE_SHARES, s)));
}

void cr_home(cr_request *req) {
    cr_lab *s;
    if (own_server(req, &s))
        show_home(req, 200, s);
}

static void to_pending(cr_request *req) {
    char name[CR_URL_MAX], url[CR_URL_MAX + 64];
    snprintf(url, sizeof url, "/hub/spawn-pending/%s", cr_url_segment(cr_caller_of(req)->person.name, name, sizeof name));
    cr_reply_redirect(req, 303, url);
}

/* Who has too much on the disk sees what, and may start to clean up. false: replied. */
static bool begin_cleaning(cr_request *req, cr_lab *s) {
    cr_disk d;
    cr_err err = CR_ERR_INIT;
    if (s->state != CR_LAB_STOPPED)
        return true;
    if (cr_disk_of(s->hub, s->user_id, &d, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return false;
    }
    s->cleaning = d.full && strcmp(cr_request_field(req, "cleaning"), "yes") == 0;
    if (cr_disk_admits(s, &err) == CR_OK)
        return true;
    if (d.full)
        show_home(req, 409, s);
    else
        cr_reply_err(req, &err);
    return false;
}

void cr_spawn_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!own_server(req, &s))
        return;
    if (!cr_notices_let_start(req, s))
        return;
    bool may_change = s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING;
    if (!begin_cleaning(req, s))
        return;
    if ((may_change && cr_choice_set_form(s, &req->form, &err) != CR_OK) || cr_lab_start(s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        to_pending(req);
}

/* A link to this page (bookmarks, JupyterLab's "restart") only offers to start: a foreign page must not cause it. */
void cr_spawn_form(cr_request *req) {
    cr_lab *s;
    if (!own_server(req, &s))
        return;
    char url[CR_URL_MAX];
    if (s->state == CR_LAB_READY)
        cr_reply_redirect(req, 303, cr_lab_origin_url(s, "lab", url, sizeof url));
    else if (s->state != CR_LAB_STOPPED)
        to_pending(req);
    else
        cr_reply_redirect(req, 303, "/hub/home");
}

void cr_stop_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!own_server(req, &s))
        return;
    if (cr_lab_stop(s, NULL, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply_redirect(req, 303, "/hub/home");
}

void cr_keep_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!own_server(req, &s))
        return;
    if (cr_idle_keep(s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply_redirect(req, 303, "/hub/home");
}

void cr_pending(cr_request *req) {
    cr_lab *s;
    if (!own_server(req, &s))
        return;
    char url[CR_URL_MAX], name[CR_URL_MAX], progress[CR_URL_MAX + 64];
    if (strcmp(req->param[0], cr_caller_of(req)->person.name) != 0) {
        cr_reply_error(req, 404, "there is nothing at this address", "");
        return;
    }
    if (s->state == CR_LAB_READY) {
        cr_reply_redirect(req, 303, cr_lab_origin_url(s, "lab", url, sizeof url));
        return;
    }
    if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING) {
        cr_reply_redirect(req, 303, "/hub/home");
        return;
    }
    snprintf(progress, sizeof progress, "/hub/api/users/%s/server/progress", cr_url_segment(s->user, name, sizeof name));
    cr_site_page(req, 200, "pending", json_pack("{s:o, s:s}", "server", server_values(s), "progress_url", progress));
}

/* /hub/user-redirect/lab/tree/x?a=1 -> the caller's own server with the same rest. */
void cr_user_redirect(cr_request *req) {
    cr_lab *s;
    if (!own_server(req, &s))
        return;
    if (s->state != CR_LAB_READY) {
        if (s->state == CR_LAB_STOPPED)
            cr_reply_redirect(req, 303, "/hub/home");
        else
            to_pending(req);
        return;
    }
    char rest[CR_HTTP_TARGET_MAX + 8], url[CR_HTTP_TARGET_MAX + CR_URL_MAX];
    snprintf(rest, sizeof rest, "%s%s%s", req->param[0], req->query_text[0] ? "?" : "", req->query_text);
    cr_reply_redirect(req, 303, cr_lab_origin_url(s, rest, url, sizeof url));
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

/* HAProxy found no route to a server that runs: mend, and send the browser back. */
static void mend(cr_request *req, const cr_lab *s) {
    char rest[CR_HTTP_TARGET_MAX + 8], url[CR_HTTP_TARGET_MAX + CR_URL_MAX];
    cr_proxy_sync(cr_hub_of(req)->proxy);
    snprintf(rest, sizeof rest, "%s%s%s", req->param[1] ? req->param[1] : "", req->query_text[0] ? "?" : "", req->query_text);
    redirect_later(req, cr_lab_origin_url(s, rest, url, sizeof url));
}

/* Another person's server. Who was not given it does not hear whether it is there. */
static void guest_path(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    char full[CR_SCOPE_VALUE_MAX + 1];
    cr_person owner;
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    snprintf(full, sizeof full, "%s/", req->param[0]);
    cr_status status = cr_rest_may(req, CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_SERVER, full) ? cr_person_find(hub->db, req->param[0], &owner, &err) : CR_NOT_FOUND;
    if (status == CR_OK)
        status = cr_lab_find(hub, &owner, "", true, &s, &err);
    if (status == CR_NOT_FOUND)
        cr_reply_error(req, 403, "this server belongs to somebody else", "your own is on your home page: /hub/home");
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (s->state == CR_LAB_READY)
        mend(req, s);
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
    if (!own_server(req, &s))
        return;
    if (s->state == CR_LAB_READY) {
        mend(req, s);
    } else if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING) {
        json_t *values = json_pack("{s:o, s:o}", "server", server_values(s), "disk", cr_disk_values(s->hub, s->user_id));
        cr_site_page(req, 424, "not_running", values);
    } else {
        to_pending(req);
    }
}

/* /user/NAME/... on the hub's own port: send the browser to /hub/user/NAME/..., in the canonical spelling. */
void cr_user_path_direct(cr_request *req) {
    char url[CR_HTTP_TARGET_MAX + 16], name[CR_URL_MAX];
    snprintf(url, sizeof url, "/hub/user/%s/%s%s%s", cr_url_segment(req->param[0], name, sizeof name), req->param[1] ? req->param[1] : "",
             req->query_text[0] ? "?" : "", req->query_text);
    cr_reply_redirect(req, 302, url);
}
