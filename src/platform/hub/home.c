/* home.c - a person's own pages: home, start, stop. Forms name a server in the field `server`, "" is the default one. */
#include "platform/hub/home.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/disk.h"
#include "platform/hub/idle_watch.h"
#include "platform/hub/language.h"
#include "platform/hub/named.h"
#include "platform/hub/notices.h"
#include "platform/hub/oauth.h"
#include "platform/hub/profile_choice.h"
#include "platform/hub/shares.h"

enum { REST_MAX = 4096 };

void cr_root(cr_request *req) { cr_reply_redirect(req, 302, "/hub/home"); }

bool cr_home_own_server(cr_request *req, const char *name, cr_lab **ret_server) {
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_lab_find(cr_hub_of(req), &cr_caller_of(req)->person, name, !*name, ret_server, &err);
    if (status == CR_NOT_FOUND)
        cr_reply_error(req, 404, "you have no server of this name", "your servers are on your home page: /hub/home");
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    return status == CR_OK;
}

/* The one that a form names. */
static bool form_server(cr_request *req, cr_lab **ret_server) { return cr_home_own_server(req, cr_request_field(req, "server"), ret_server); }

/* The one of /hub/.../PERSON[/SERVER]: the caller's own. */
static bool path_server(cr_request *req, cr_lab **ret_server) {
    if (req->param[0] && strcmp(req->param[0], cr_caller_of(req)->person.name) != 0) {
        cr_reply_error(req, 404, "there is nothing at this address", "");
        return false;
    }
    return cr_home_own_server(req, req->param[1] ? req->param[1] : "", ret_server);
}

static json_t *server_values(cr_lab *s, const char *language) {
    char url[CR_URL_MAX], ago[24], usual[48], over[16], over_ago[24], limits[80];
    bool pending = s->state != CR_LAB_STOPPED && s->state != CR_LAB_READY;
    return json_pack("{s:b, s:s, s:s, s:b, s:b, s:b, s:b, s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:s, s:s, s:s, s:o}", "cleaning", s->cleaning,
                     "name", s->name, "title", s->title[0] ? s->title : s->name, "stopped", s->state == CR_LAB_STOPPED, "ready", s->state == CR_LAB_READY,
                     "starting", pending && s->state != CR_LAB_STOPPING, "stopping", s->state == CR_LAB_STOPPING,
                     "message", s->message, "percent", s->percent, "url", cr_lab_origin_url(s, "lab", url, sizeof url),
                     "stop_text", s->stop_reason[0] && strcmp(s->stop_reason, "requested") != 0 ? s->stop_text : "",
                     "stopped_ago", s->stopped_ms ? cr_text_duration(CR_MAX(cr_wall_ms() - s->stopped_ms, 0), ago, sizeof ago) : "",
                     "failed", s->failed,
                     "usual", s->ready_after_ms ? cr_lab_usual(s, usual) : "",
                     "over_limit", s->memory_ms && s->memory_limit ? cr_text_bytes(s->memory_limit, over, sizeof over) : "",
                     "over_all", s->memory_ms && !s->memory_limit,
                     "over_ago", cr_text_duration(CR_MAX(cr_wall_ms() - s->memory_ms, 0), over_ago, sizeof over_ago),
                     "limits", cr_choice_amounts(s->memory_bytes, s->cpu_milli, limits), "profile", cr_choice_title(s, language), "choice",
                     cr_choice_page(s, language));
}

typedef struct named_rows {
    json_t *list;
    const char *language;
} named_rows;

static void add_named(void *user, cr_lab *s) {
    const named_rows *all = user;
    if (!s->name[0] || s->removing)
        return;
    json_t *values = server_values(s, all->language);
    json_object_set_new(values, "idle", cr_idle_values(s));
    json_array_append_new(all->list, values);
}

/* The others of the caller; limit: how many there may be. NULL: replied. */
static json_t *named_values(cr_request *req, int limit) {
    json_t *list = json_array();
    named_rows all = {list, cr_language_code(req)};
    cr_err err = CR_ERR_INIT;
    if (cr_lab_each(cr_hub_of(req), cr_caller_of(req)->person.id, add_named, &all, &err) != CR_OK) {
        json_decref(list);
        cr_reply_err(req, &err);
        return NULL;
    }
    size_t n = json_array_size(list);
    return json_pack("{s:b, s:b, s:i, s:o}", "any", n > 0 || limit > 0, "more", n < (size_t)limit, "limit", limit, "list", list);
}

/* s: the caller's default server. */
static void show_home(cr_request *req, int status, cr_lab *s) {
    json_t *shared = NULL, *named = named_values(req, cr_named_limit(cr_hub_of(req), &cr_caller_of(req)->person));
    cr_err err = CR_ERR_INIT;
    if (!named)
        return;
    if (cr_shares_guest_rows(req, &shared, &err) != CR_OK) {
        json_decref(named);
        cr_reply_err(req, &err);
        return;
    }
    cr_site_page(req, status, "home", json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:b, s:o}", "server", server_values(s, cr_language_code(req)),
                                                "idle", cr_idle_values(s), "disk",
                                                cr_disk_values(cr_hub_of(req), s->user_id), "measuring", cr_pairs_get(&req->query, "measuring") != NULL,
                                                "has_shared", json_array_size(shared) > 0, "shared", shared, "may_share",
                                                cr_shares_may(req, CR_SCOPE_SHARES, s), "named", named));
}

void cr_home(cr_request *req) {
    cr_lab *s;
    if (cr_home_own_server(req, "", &s))
        show_home(req, 200, s);
}

/* /hub/PAGE/PERSON[/SERVER] */
static void to_page(cr_request *req, const char *page, const cr_lab *s) {
    char name[CR_URL_MAX], url[CR_URL_MAX + 64];
    snprintf(url, sizeof url, "/hub/%s/%s%s%s", page, cr_url_segment(s->user, name, sizeof name), s->name[0] ? "/" : "", s->name);
    cr_reply_redirect(req, 303, url);
}

const char *cr_home_safe_rest(const char *rest) {
    if (strlen(rest) > REST_MAX)
        return "";
    for (const char *p = rest; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F || *p == '\\')
            return "";
    return rest;
}

void cr_home_to_pending(cr_request *req, const cr_lab *s, const char *rest) {
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

void cr_home_show_stopped(cr_request *req, cr_lab *s, const char *rest) {
    cr_site_page(req, 424, "not_running", json_pack("{s:o, s:s, s:o}", "server", server_values(s, cr_language_code(req)), "next", rest, "disk",
                                                    cr_disk_values(s->hub, s->user_id)));
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
    cr_lab *own = NULL;
    if (d.full && cr_home_own_server(req, "", &own))
        show_home(req, 409, own);
    else if (!d.full)
        cr_reply_err(req, &err);
    return false;
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
    if (!begin_cleaning(req, s))
        return;
    if ((may_change && cr_choice_set_form(s, &req->form, &err) != CR_OK) || cr_lab_start(s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_home_to_pending(req, s, cr_home_safe_rest(cr_request_field(req, "next")));
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
        cr_home_to_pending(req, s, "");
    else if (s->name[0])
        cr_site_page(req, 200, "spawn", json_pack("{s:o}", "server", server_values(s, cr_language_code(req))));
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
    const char *rest = cr_home_safe_rest(cr_oauth_arg(&req->query, "next"));
    cr_lab_origin_url(s, *rest ? rest : "lab", url, sizeof url);
    if (s->state == CR_LAB_READY) {
        cr_reply_redirect(req, 303, url);
        return;
    }
    if (s->state == CR_LAB_STOPPED || s->state == CR_LAB_STOPPING) {
        cr_reply_redirect(req, 303, "/hub/home");
        return;
    }
    snprintf(progress, sizeof progress, "/hub/api/users/%s/server%s%s/progress?page=yes", cr_url_segment(s->user, name, sizeof name), s->name[0] ? "s/" : "", s->name);
    cr_site_page(req, 200, "pending", json_pack("{s:o, s:s, s:s}", "server", server_values(s, cr_language_code(req)), "progress_url", progress, "open", url));
}
