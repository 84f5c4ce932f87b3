/* again.c - asking administrators again who they are, and carrying on with what they wanted. */
#include "platform/hub/again.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/rest.h"

enum { HELD_MS = 15 * 60 * 1000 };

/* Administrators, and whom the operator has given rights that not everybody has. */
static bool is_raised(const cr_request *req) {
    const cr_person *person = &cr_caller_of(req)->person;
    const cr_role_set *roles = cr_hub_of(req)->roles;
    const cr_scope_members members = cr_rest_members(cr_hub_of(req));
    bool raised = person->admin;
    for (int i = 0; i < roles->n && !raised; i++)
        raised = cr_role_is_for_some(&roles->at[i]) && cr_role_is_of_person(&roles->at[i], person->name, &members);
    return raised;
}

bool cr_again_is_proved(const cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    int64_t proved = 0, now = cr_wall_ms();
    cr_err err = CR_ERR_INIT;
    if (c->by_token || !is_raised(req))
        return true;
    if (cr_session_proved(cr_hub_of(req)->db, c->session_id, &proved, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "reading when somebody was proved", &err);
        return false;
    }
    return proved <= now && now - proved <= CR_AGAIN_MS;      /* a time to come was written before the clock was set back */
}

bool cr_again_needs(cr_request *req, int64_t user_id) {
    if (user_id == cr_caller_of(req)->person.id || cr_again_is_proved(req))
        return true;
    cr_reply_error(req, 403, CR_AGAIN_TEXT, CR_AGAIN_HINT);
    return false;
}

/* ---- the form that is held up ---- */

/* Its own fields and the token of the page are not part of it. */
static bool is_ours(const char *name) { return strcmp(name, "_csrf") == 0 || cr_starts_with(name, "again_"); }

static json_t *fields_of(const cr_request *req) {
    json_t *list = json_array();
    for (int i = 0; i < req->form.n; i++)
        if (!is_ours(req->form.at[i].name))
            json_array_append_new(list, json_pack("{s:s, s:s}", "name", req->form.at[i].name, "value", req->form.at[i].value));
    return list;
}

/* The row that would answer a form sent there; NULL: none that may be carried out from here. */
static const cr_route *row_of(cr_request *req, const char *path, cr_route_match *match) {
    cr_err err = CR_ERR_INIT;
    if (!*path || strlen(path) > CR_HTTP_TARGET_MAX || cr_route_find(cr_hub_of(req)->routes, CR_POST, path, &req->arena, match, &err) != CR_OK || !match->route)
        return NULL;
    bool page = match->route->kind == CR_ROUTE_PAGE || match->route->kind == CR_ROUTE_PAGE_ADMIN;
    return page && match->route->csrf == CR_CSRF_PROVED ? match->route : NULL;
}

/* Where the form wants to go: the request itself, or what the page that asks was told. "" : nothing is held. */
static const char *target_of(cr_request *req) {
    cr_route_match match = {0};
    const char *path = req->route->csrf == CR_CSRF_PROVED ? req->path : cr_request_field(req, "again_to");
    return row_of(req, path, &match) ? path : "";
}

/* The page that wanted the proof, to come back to; "" : none. */
static const char *back_of(const cr_request *req) {
    /* A page of ours that carries itself out as a form (authorize) is shown again: what was agreed to before the proof is not held. */
    bool ours = cr_starts_with(req->path, "/hub/again") && req->method == CR_POST;
    const char *to = ours || req->route->csrf == CR_CSRF_PROVED ? cr_request_field(req, "again_back") : req->target;
    const char *path = cr_gate_safe_next(cr_hub_of(req), to);
    return path && !cr_starts_with(path, "/hub/again") ? path : "";
}

static void go_back(cr_request *req, const char *back) {
    cr_reply_redirect(req, 303, *back ? back : cr_caller_of(req)->person.admin ? "/hub/admin" : "/hub/home");
}

/* ---- the page ---- */

static void add_provider(void *user, const cr_identity *i) {
    json_object_set_new(user, i->provider, json_true());
}

/* [{name, label}] of the providers at which the caller has an identity. */
static json_t *providers_of(const cr_request *req) {
    const cr_hub *hub = cr_hub_of(req);
    json_t *known = json_object(), *list = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_identity_list(hub->db, cr_caller_of(req)->person.id, add_provider, known, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "reading identities", &err);
    for (int i = 0; i < hub->providers->n; i++)
        if (json_object_get(known, hub->providers->at[i].name) && cr_provider_asks_again(&hub->providers->at[i]))
            json_array_append_new(list, json_pack("{s:s, s:s}", "name", hub->providers->at[i].name, "label", hub->providers->at[i].label));
    json_decref(known);
    return list;
}

void cr_again_show(cr_request *req, int status, const char *problem) {
    json_t *providers = providers_of(req);
    cr_site_page(req, status, "again", json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:o, s:s}", "back", back_of(req), "problem", problem, "hint", "", "fields", fields_of(req),
                                                 "has_password", cr_caller_of(req)->person.password[0] != 0, "has_providers",
                                                 json_array_size(providers) > 0, "providers", providers, "to", target_of(req)));
}

/* ---- the password ---- */

static cr_status prove_rows(cr_request *req, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_caller *c = cr_caller_of(req);
    cr_actor who;
    /* Computing the hash took a while: the session may have ended, and the right with it. */
    CR_TRY(cr_session_find(hub->db, c->session, &c->session_id, &c->person, err));
    cr_actor_of(req, &who);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, &who, cr_session_prove(hub->db, c->session_id, cr_wall_ms(), err), CR_AUDIT_PROOF, c->person.name, "password", err);
}

static void carry_on(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    cr_route_match match = {0};
    const cr_route *row = row_of(req, cr_request_field(req, "again_to"), &match);
    if (!row) {
        go_back(req, back_of(req));
        return;
    }
    if (row->kind == CR_ROUTE_PAGE_ADMIN && !c->person.admin) {
        cr_reply_error(req, 403, "this page is for administrators", "");
        return;
    }
    req->route = row;
    memcpy(req->param, match.param, sizeof req->param);
    row->handler(req);
}

static void after_password(cr_request *req, int status, const char *problem) {
    cr_err err = CR_ERR_INIT;
    if (*problem) {
        if (status == 403)
            cr_audit_refused(req, CR_AUDIT_PROOF, cr_caller_of(req)->person.name, "password");
        cr_again_show(req, status, problem);
        return;
    }
    if (prove_rows(req, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        carry_on(req);
}

void cr_again_post(cr_request *req) { cr_signin_ask(req, cr_request_field(req, "again_password"), after_password); }

/* ---- by a provider ---- */

static cr_status hold(cr_request *req, const char *path, cr_err *err) {
    cr_db *db = cr_hub_of(req)->db;
    json_t *fields = fields_of(req);
    cr_auto_free char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    if (!text)
        return CR_FAIL(err, CR_MEMORY, "no memory for the form");
    return cr_db_run(db, err, "INSERT OR REPLACE INTO held_forms (session_id, path, fields, expires_ms) VALUES (?, ?, ?, ?)", "itti",
                     cr_caller_of(req)->session_id, path, text, cr_wall_ms() + HELD_MS);
}

void cr_again_provider(cr_request *req) {
    const char *form = target_of(req), *path = *form ? form : back_of(req);
    cr_err err = CR_ERR_INIT;
    if (*path && hold(req, path, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_oidc_again(req, req->param[0]);
}

/* Takes it: offered once. *ret_fields NULL: nothing waits. */
static cr_status take_held(cr_request *req, json_t **ret_fields, const char **ret_path, cr_err *err) {
    cr_db *db = cr_hub_of(req)->db;
    int64_t session = cr_caller_of(req)->session_id;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    *ret_fields = NULL;
    CR_TRY(cr_query_open(db, &q, err, "SELECT path, fields FROM held_forms WHERE session_id = ? AND expires_ms > ?", "ii", session, cr_wall_ms()));
    if (!cr_query_next(&q))
        return cr_query_end(&q, err);
    *ret_path = cr_arena_strdup(&req->arena, cr_query_text(&q, 0));
    *ret_fields = json_loads(cr_query_text(&q, 1), 0, NULL);
    cr_query_close(&q);
    if (*ret_path && *ret_fields)
        return cr_db_run(db, err, "DELETE FROM held_forms WHERE session_id = ?", "i", session);
    json_decref(*ret_fields);
    *ret_fields = NULL;
    return CR_FAIL(err, CR_MEMORY, "no memory for the form");
}

void cr_again_page(cr_request *req) {
    json_t *fields = NULL;
    const char *path = "";
    cr_route_match match = {0};
    cr_err err = CR_ERR_INIT;
    if (!cr_again_is_proved(req)) {
        cr_again_show(req, 200, "");
        return;
    }
    if (take_held(req, &fields, &path, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (fields && row_of(req, path, &match))
        cr_site_page(req, 200, "again", json_pack("{s:b, s:s, s:O}", "proved", 1, "to", path, "fields", fields));
    else                      /* no form: a page has waited */
        go_back(req, fields && cr_gate_safe_next(cr_hub_of(req), path) && !cr_starts_with(path, "/hub/again") ? path : "");
    json_decref(fields);
}

cr_status cr_again_sweep(cr_db *db, cr_err *err) {
    return cr_db_run(db, err, "DELETE FROM held_forms WHERE expires_ms < ?", "i", cr_wall_ms());
}
