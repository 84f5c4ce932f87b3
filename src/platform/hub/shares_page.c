/* shares_page.c - /hub/shares: a person lets others use an own server (server=NAME: a named one), sees who may, and takes that back;
 * /hub/accept-share: the page of a link that was sent. The same rules as rest_shares.c. */
#include "platform/hub/shares.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/home.h"
#include "platform/hub/oauth.h"

enum { DAYS_MOST = 365, DAY_S = 86400, GUEST_ROWS_MAX = 200 };

/* ---- servers of others ---- */

typedef struct guest_rows {
    cr_hub *hub;
    json_t *list;
} guest_rows;

static void add_guest_row(void *user, const cr_share *row) {
    guest_rows *r = user;
    char url[CR_URL_MAX] = "";
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!strstr(row->scopes, "\"access:servers\"") && !strstr(row->scopes, "\"shares\""))      /* what has no page is for programs */
        return;
    if (cr_lab_find_by_id(r->hub, row->server_id, &s, &err) != CR_OK)
        return;
    json_array_append_new(r->list, json_pack("{s:I, s:s, s:s, s:s, s:b, s:s}", "id", (json_int_t)row->id, "owner", row->owner, "server_name",
                                             s->title[0] ? s->title : s->name, "url",
                                             cr_lab_origin_url(s, "lab", url, sizeof url), "ready", s->state == CR_LAB_READY, "by_group",
                                             row->group ? row->group : ""));
}

cr_status cr_shares_guest_rows(cr_request *req, json_t **ret_rows, cr_err *err) {
    guest_rows r = {cr_hub_of(req), json_array()};
    const cr_share_filter mine = {.reaches_id = cr_caller_of(req)->person.id};
    cr_status status = cr_share_list(r.hub->db, &mine, GUEST_ROWS_MAX, 0, add_guest_row, &r, err);
    if (status == CR_OK)
        *ret_rows = r.list;
    else
        json_decref(r.list);
    return status;
}

/* Out of a share that was given by name. */
void cr_shares_page_leave(cr_request *req) {
    cr_share_filter which = {.user_id = cr_caller_of(req)->person.id};
    int64_t n = 0;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_parse_int(cr_request_field(req, "id"), 1, INT64_MAX, &which.id, &err);
    if (status == CR_OK)
        status = cr_shares_remove(req, &which, &n, &err);
    if (status == CR_OK && n == 0)
        status = CR_FAIL(&err, CR_NOT_FOUND, "this share is not there any more");
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_reply_redirect(req, 303, "/hub/home");
}

/* ---- the own server ---- */

/* The caller's server that the page is about, which the caller may share. false: replied. */
static bool own_server(cr_request *req, cr_lab **ret_server) {
    const char *name = req->method == CR_GET ? cr_oauth_arg(&req->query, "server") : cr_request_field(req, "server");
    if (!cr_home_own_server(req, name, ret_server))
        return false;
    if (cr_shares_may(req, CR_SCOPE_SHARES, *ret_server) && cr_shares_may(req, CR_SCOPE_READ_SHARES, *ret_server))
        return true;
    cr_reply_error(req, 403, "you may not share your server here", "administrators can allow it with a role that has the scope shares!user");
    return false;
}

static void back_to_page(cr_request *req, const cr_lab *s) {
    char url[CR_ACCOUNT_MAX + 32];
    snprintf(url, sizeof url, "/hub/shares%s%s", s->name[0] ? "?server=" : "", s->name);      /* a name has letters, digits and '-' */
    cr_reply_redirect(req, 303, url);
}

static char *texts(const char *scopes, char *buf, size_t size) {
    json_t *list = json_loads(scopes, 0, NULL);
    buf[0] = 0;
    for (size_t i = 0, n = 0; i < json_array_size(list) && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", json_string_value(json_array_get(list, i)));
    json_decref(list);
    return strcmp(buf, "access:servers") == 0 ? strcpy(buf, "") : buf;      /* the ordinary case says nothing */
}

static void add_row(void *user, const cr_share *row) {
    char made[40], left[40], more[CR_SHARE_SCOPES_MAX * 32];
    int64_t now = cr_wall_ms();
    cr_text_span(CR_MAX(now - row->created_ms, 0), made, sizeof made);
    cr_text_span(CR_MAX(row->expires_ms - now, 0), left, sizeof left);
    json_array_append_new(user, json_pack("{s:I, s:s, s:b, s:s, s:s, s:I, s:b, s:b, s:s}", "id", (json_int_t)row->id, "who",
                                          row->group ? row->group : row->user ? row->user : "", "is_group", row->group != NULL, "made", made, "left", left,
                                          "used", (json_int_t)row->used, "accepted", row->used > 0, "once", row->used == 1, "more", texts(row->scopes, more, sizeof more)));
}

/* What was typed comes back with a problem. Steals more (may be NULL). */
static void show(cr_request *req, const cr_lab *s, int status, const cr_err *problem, json_t *more) {
    cr_db *db = cr_hub_of(req)->db;
    json_t *shares = json_array(), *codes = json_array();
    cr_err err = CR_ERR_INIT;
    cr_status read = cr_share_list(db, &(cr_share_filter){.server_id = s->id}, CR_SHARES_MAX, 0, add_row, shares, &err);
    if (read == CR_OK)
        read = cr_share_list(db, &(cr_share_filter){.server_id = s->id, .codes = true}, CR_SHARE_CODES_MAX, 0, add_row, codes, &err);
    if (read != CR_OK) {
        json_decref(shares);
        json_decref(codes);
        json_decref(more);
        cr_reply_err(req, &err);
        return;
    }
    const cr_scopes *mine = cr_rest_scopes(req);
    json_t *values = json_pack("{s:s, s:s, s:b, s:o, s:b, s:o, s:b, s:b, s:s, s:s, s:s, s:s}", "server_name", s->name,
                               "server_title", s->title[0] ? s->title : s->name, "has_shares", json_array_size(shares) > 0, "shares", shares, "has_codes",
                               json_array_size(codes) > 0, "codes", codes, "by_name", cr_scopes_mention(mine, CR_SCOPE_READ_USERS_NAME), "by_group",
                               cr_scopes_mention(mine, CR_SCOPE_READ_GROUPS_NAME), "problem", problem ? problem->message : "", "hint",
                               problem ? problem->hint : "", "user_typed", problem ? cr_request_field(req, "user") : "", "group_typed",
                               problem ? cr_request_field(req, "group") : "");
    if (more)
        json_object_update(values, more);
    json_decref(more);
    cr_site_page(req, status, "shares", values);
}

void cr_shares_page(cr_request *req) {
    cr_lab *s;
    if (own_server(req, &s))
        show(req, s, 200, NULL, NULL);
}

/* The field `to` says which of the page's forms it is. */
static cr_status read_wish(cr_request *req, cr_share_wish *wish, char name[CR_NAME_MAX + 1], cr_err *err) {
    const char *to = cr_request_field(req, "to"), *typed = cr_request_field(req, "user"), *group = cr_request_field(req, "group");
    int64_t days = 0;
    *wish = (cr_share_wish){"", "", NULL, 0};
    if (strcmp(to, "user") == 0) {
        CR_TRY(cr_name_normalize(typed, name, err));
        wish->user = name;
        return CR_OK;
    }
    if (strcmp(to, "group") == 0 && *group) {
        wish->group = group;
        return CR_OK;
    }
    if (strcmp(to, "link") != 0)
        return CR_FAIL(err, CR_INVALID, "say with whom: the name of a person or of a group");
    if (cr_parse_int(cr_request_field(req, "days"), 1, DAYS_MOST, &days, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "a link works for 1 to %d days", DAYS_MOST);
    wish->life_s = days * DAY_S;
    return CR_OK;
}

void cr_shares_page_give(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_share_wish wish;
    cr_lab *s;
    char name[CR_NAME_MAX + 1], code[CR_TOKEN_LEN + 1] = "", path[CR_TOKEN_LEN + 64];
    int64_t id;
    cr_err err = CR_ERR_INIT;
    if (!own_server(req, &s))
        return;
    cr_status status = read_wish(req, &wish, name, &err);
    if (status == CR_OK && strcmp(wish.user, s->user) == 0)
        status = CR_FAIL(&err, CR_INVALID, "it is your own server already");
    if (status == CR_OK)
        status = cr_shares_give(req, s, &wish, &id, code, &err);
    if (status != CR_OK) {
        show(req, s, cr_http_status_of(&err), &err, NULL);
        return;
    }
    if (!code[0]) {
        back_to_page(req, s);
        return;
    }
    json_t *link = json_pack("{s:s+}", "link", hub->hub_url, cr_shares_accept_path(code, path));
    explicit_bzero(code, sizeof code);
    explicit_bzero(path, sizeof path);
    show(req, s, 200, NULL, link);
}

void cr_shares_page_remove(cr_request *req) {
    cr_lab *s;
    int64_t n = 0;
    cr_err err = CR_ERR_INIT;
    if (!own_server(req, &s))
        return;
    cr_share_filter which = {.server_id = s->id, .codes = strcmp(cr_request_field(req, "kind"), "link") == 0};
    cr_status status = cr_parse_int(cr_request_field(req, "id"), 1, INT64_MAX, &which.id, &err);
    if (status == CR_OK)
        status = cr_shares_remove(req, &which, &n, &err);
    if (status == CR_OK && n == 0)
        status = CR_FAIL(&err, CR_NOT_FOUND, "this share is not there any more");
    if (status != CR_OK) {
        show(req, s, cr_http_status_of(&err), &err, NULL);
        return;
    }
    back_to_page(req, s);
}

/* ---- a link that was sent ---- */

typedef struct offer {
    char owner[CR_NAME_MAX + 1];
    char more[CR_SHARE_SCOPES_MAX * 32];
    int64_t server_id, owner_id;
} offer;

static void keep(void *user, const cr_share *row) {
    offer *o = user;
    snprintf(o->owner, sizeof o->owner, "%s", row->owner);
    texts(row->scopes, o->more, sizeof o->more);
    o->server_id = row->server_id;
    o->owner_id = row->owner_id;
}

/* What the code offers to somebody else than its server's person. false: replied. */
static bool read_offer(cr_request *req, const char *code, offer *o) {
    cr_err err = CR_ERR_INIT;
    if (cr_share_code_find(cr_hub_of(req)->db, code, keep, o, &err) != CR_OK) {
        if (err.status == CR_NOT_FOUND)
            cr_audit_refused(req, CR_AUDIT_SHARE_ACCEPTED, "", N_("a link that is wrong, taken away or too old"));
        cr_reply_err(req, &err);
        return false;
    }
    if (o->owner_id != cr_caller_of(req)->person.id)
        return true;
    cr_reply_error(req, 403, "You can't share with yourself!", "send the link to whom you want to let in");
    return false;
}

void cr_accept_page(cr_request *req) {
    const char *code = cr_pairs_count(&req->query, "code") == 1 ? cr_pairs_get(&req->query, "code") : "";
    offer o;
    if (read_offer(req, code, &o))
        cr_site_page(req, 200, "accept", json_pack("{s:s, s:s, s:s}", "owner", o.owner, "more", o.more, "code", code));
}

void cr_accept_post(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const char *code = cr_request_field(req, "code");
    char url[CR_URL_MAX];
    cr_lab *s;
    offer o;
    cr_err err = CR_ERR_INIT;
    if (!read_offer(req, code, &o))
        return;
    cr_status status = cr_shares_accept(req, code, o.owner, &err);
    if (status == CR_OK)
        status = cr_lab_find_by_id(hub, o.server_id, &s, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_reply_redirect(req, 303, s->state == CR_LAB_READY ? cr_lab_origin_url(s, "lab", url, sizeof url) : "/hub/home");
}
