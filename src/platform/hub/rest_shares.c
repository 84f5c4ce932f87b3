/* rest_shares.c - the REST API of shares and share codes: list, give, take away. */
#include "platform/hub/shares.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "platform/hub/again.h"
#include "platform/identity/groups.h"

/* ---- the models ---- */

typedef struct models {
    cr_request *req;
    json_t *list;
} models;

/* So much of the server as a guest needs to find it. */
static json_t *server_of(cr_request *req, const cr_share *row) {
    char prefix[CR_URL_MAX], full[CR_URL_MAX] = "";
    cr_lab *s = NULL;
    cr_err err = CR_ERR_INIT;
    if (cr_lab_find_by_id(cr_hub_of(req), row->server_id, &s, &err) == CR_OK)
        cr_lab_origin_url(s, "", full, sizeof full);
    return json_pack("{s:{s:s}, s:s, s:s, s:s, s:b}", "user", "name", row->owner, "name", row->server, "url",
                     cr_url_prefix(cr_hub_of(req)->config, row->owner, row->server, prefix, sizeof prefix), "full_url", full, "ready", s && s->state == CR_LAB_READY);
}

static json_t *scopes_of(const cr_share *row) {
    json_t *names = json_loads(row->scopes, 0, NULL), *list = json_array();
    for (size_t i = 0; i < json_array_size(names); i++)
        json_array_append_new(list, json_sprintf("%s!server=%s/%s", json_string_value(json_array_get(names, i)), row->owner, row->server));
    json_decref(names);
    return list;
}

static void add_share(void *user, const cr_share *row) {
    models *m = user;
    json_t *model = json_pack("{s:o, s:o, s:n, s:n, s:s, s:o}", "server", server_of(m->req, row), "scopes", scopes_of(row), "user", "group", "kind",
                              row->group ? "group" : "user", "created_at", cr_rest_time(row->created_ms));
    json_object_set_new(model, row->group ? "group" : "user", json_pack("{s:s}", "name", row->group ? row->group : row->user));
    json_array_append_new(m->list, model);
}

static void add_code(void *user, const cr_share *row) {
    models *m = user;
    json_array_append_new(m->list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "server", server_of(m->req, row), "scopes", scopes_of(row), "id",
                                             json_sprintf("sc_%lld", (long long)row->id), "created_at", cr_rest_time(row->created_ms), "expires_at",
                                             cr_rest_time(row->expires_ms), "exchange_count", (json_int_t)row->used, "last_exchanged_at",
                                             cr_rest_time(row->last_ms)));
}

static void reply_list(cr_request *req, const cr_share_filter *which) {
    cr_db *db = cr_hub_of(req)->db;
    cr_rest_page page;
    int64_t total = 0;
    cr_err err = CR_ERR_INIT;
    if (!cr_rest_read_page(req, &page))
        return;
    page.wanted = true;      /* these lists have pages for everybody, with as many rows as a plain list has when nobody asks for pages */
    models m = {req, json_array()};
    cr_status status = cr_share_count(db, which, &total, &err);
    if (status == CR_OK)
        status = cr_share_list(db, which, page.limit, page.offset, which->codes ? add_code : add_share, &m, &err);
    if (status == CR_OK) {
        cr_rest_reply_page(req, &page, m.list, total);
        return;
    }
    json_decref(m.list);
    cr_reply_err(req, &err);
}

/* The only one that the filter names; NULL: there is none, or the database does not answer (*ret_status). */
static json_t *one_model(cr_request *req, const cr_share_filter *which, cr_status *ret_status, cr_err *err) {
    models m = {req, json_array()};
    *ret_status = cr_share_list(cr_hub_of(req)->db, which, 1, 0, which->codes ? add_code : add_share, &m, err);
    json_t *model = *ret_status == CR_OK ? json_incref(json_array_get(m.list, 0)) : NULL;
    json_decref(m.list);
    return model;
}

/* ---- /shares/OWNER[/SERVER], /share-codes/OWNER[/SERVER] ---- */

/* The caller holds the scope for the server in the path, or for all of its person's. */
static bool may_at(cr_request *req, cr_scope scope) {
    char full[CR_SCOPE_VALUE_MAX + 1];
    if (!req->param[1])
        return CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], scope);
    snprintf(full, sizeof full, "%s/%s", req->param[0], req->param[1]);
    return CR_REST_NEEDS(req, CR_SCOPE_SERVER, full, scope);
}

/* The server of the path, which is there for everybody when it is the default one. false: replied. */
static bool find_server(cr_request *req, const char *owner, const char *name, cr_lab **ret_server) {
    cr_hub *hub = cr_hub_of(req);
    cr_person person;
    cr_removal_row removal = {0};
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_person_find(hub->db, owner, &person, &err);
    if (status == CR_OK)
        status = cr_removal_find(hub, person.id, &removal, &err);
    if (status == CR_OK)
        status = removal.wanted ? CR_NOT_FOUND : cr_lab_find(hub, &person, name, !name[0], ret_server, &err);
    if (status == CR_NOT_FOUND)
        cr_rest_reply(req, 404, "No such server: %.80s/%.80s", owner, name);
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    return status == CR_OK;
}

static void list_at(cr_request *req, bool codes) {
    cr_share_filter which = {.codes = codes};
    cr_lab *s;
    cr_person owner;
    cr_err err = CR_ERR_INIT;
    if (!may_at(req, CR_SCOPE_READ_SHARES))
        return;
    if (req->param[1]) {
        if (!find_server(req, req->param[0], req->param[1], &s))
            return;
        which.server_id = s->id;
    } else {
        cr_status status = cr_person_find(cr_hub_of(req)->db, req->param[0], &owner, &err);
        if (status != CR_OK) {
            if (status == CR_NOT_FOUND)
                cr_rest_reply(req, 404, "No such user: %.80s", req->param[0]);
            else
                cr_reply_err(req, &err);
            return;
        }
        which.owner_id = owner.id;
    }
    reply_list(req, &which);
}

/* null, absent, or a text. */
static bool is_text(const json_t *value) { return !value || json_is_null(value) || json_is_string(value); }
static const char *text_of(const json_t *value) { return json_is_string(value) ? json_string_value(value) : ""; }

/* false: replied. */
static bool check_keys(cr_request *req, const char *const *keys, size_t n) {
    const char *key;
    json_t *value;
    if (req->json && !json_is_null(req->json) && !json_is_object(req->json) && (!json_is_array(req->json) || json_array_size(req->json))) {
        cr_reply_error(req, 400, "Invalid JSON data: it must be an object", "");
        return false;
    }
    json_object_foreach(req->json, key, value) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= strcmp(key, keys[i]) == 0;
        if (!known) {
            cr_rest_reply(req, 400, "Invalid JSON keys: %.80s", key);
            return false;
        }
    }
    const json_t *scopes = json_object_get(req->json, "scopes");
    if (scopes && !json_is_null(scopes) && !json_is_array(scopes)) {
        cr_reply_error(req, 400, "scopes must be null or a list of texts", "");
        return false;
    }
    return true;
}

/* The body of a share; false: replied. */
static bool read_wish(cr_request *req, cr_share_wish *wish) {
    static const char *const keys[] = {"scopes", "user", "group"};
    const json_t *user = json_object_get(req->json, "user"), *group = json_object_get(req->json, "group");
    if (!check_keys(req, keys, CR_ARRAY_LEN(keys)))
        return false;
    *wish = (cr_share_wish){text_of(user), text_of(group), json_object_get(req->json, "scopes"), 0};
    if (is_text(user) && is_text(group) && !wish->user[0] != !wish->group[0])
        return true;
    cr_reply_error(req, 400, "Specify exactly one of `user` or `group`, as text", "");
    return false;
}

static bool read_code_wish(cr_request *req, cr_share_wish *wish) {
    static const char *const keys[] = {"scopes", "expires_in"};
    const json_t *life = json_object_get(req->json, "expires_in");
    if (!check_keys(req, keys, CR_ARRAY_LEN(keys)))
        return false;
    *wish = (cr_share_wish){"", "", json_object_get(req->json, "scopes"), life ? json_integer_value(life) : CR_SHARE_CODE_LIFE_S};
    if ((!life || json_is_integer(life)) && wish->life_s >= CR_SHARE_CODE_LIFE_MIN_S && wish->life_s <= CR_SHARE_CODE_LIFE_MAX_S)
        return true;
    cr_rest_reply(req, 400, "expires_in is a number of seconds, %d to %lld", CR_SHARE_CODE_LIFE_MIN_S, (long long)CR_SHARE_CODE_LIFE_MAX_S);
    return false;
}

static void reply_failure(cr_request *req, const cr_err *err) {
    if (err->status == CR_DENIED)
        cr_reply_error(req, 403, err->message, "");
    else if (err->status == CR_INVALID)
        cr_reply_error(req, 400, err->message, "");
    else
        cr_reply_err(req, err);
}

static void give_at(cr_request *req, bool code) {
    cr_hub *hub = cr_hub_of(req);
    cr_share_wish wish;
    cr_lab *s;
    char text[CR_TOKEN_LEN + 1] = "", path[CR_TOKEN_LEN + 64];
    cr_share_filter made = {.codes = code};
    cr_err err = CR_ERR_INIT;
    if (!(code ? read_code_wish(req, &wish) : read_wish(req, &wish)) || !find_server(req, req->param[0], req->param[1], &s))
        return;
    cr_status status = cr_shares_give(req, s, &wish, &made.id, text, &err);
    json_t *model = status == CR_OK ? one_model(req, &made, &status, &err) : NULL;
    if (!model) {
        if (status == CR_OK)
            (void)CR_FAIL(&err, CR_INTERNAL, "the new share is not there");
        reply_failure(req, &err);
        return;
    }
    if (code) {
        cr_shares_accept_path(text, path);
        json_object_set_new(model, "code", json_string(text));
        json_object_set_new(model, "accept_url", json_sprintf("%s%s", hub->config->base_url, path));
        json_object_set_new(model, "full_accept_url", json_sprintf("%s%s", hub->hub_url, path));
        explicit_bzero(text, sizeof text);
        explicit_bzero(path, sizeof path);
    }
    cr_reply_json(req, 200, model);
}

/* Whom it is taken from: an id, both 0: there is nobody of this name, which is as good as having nothing. */
static cr_status find_target(cr_request *req, const cr_share_wish *wish, int64_t *user, int64_t *group, cr_err *err) {
    cr_person p = {0};
    cr_status status = wish->user[0] ? cr_person_find(cr_hub_of(req)->db, wish->user, &p, err) : cr_group_find(cr_hub_of(req)->db, wish->group, group, err);
    *user = p.id;
    return status == CR_NOT_FOUND ? CR_OK : status;
}

/* PATCH: some scopes, or all, of one person or group. */
static void take_at(cr_request *req) {
    cr_share_wish wish;
    cr_lab *s;
    cr_auto_free char *names = NULL;
    cr_share_filter left = {0};
    cr_err err = CR_ERR_INIT;
    if (!read_wish(req, &wish) || !find_server(req, req->param[0], req->param[1], &s))
        return;
    cr_status status = json_array_size(wish.scopes) ? cr_shares_names(s, wish.scopes, &names, &err) : CR_OK;
    if (status == CR_OK)
        status = find_target(req, &wish, &left.user_id, &left.group_id, &err);
    bool somebody = left.user_id || left.group_id;
    if (status == CR_OK && somebody)
        status = cr_shares_take(req, s, left.user_id, left.group_id, names, &err);
    left.server_id = s->id;
    json_t *model = status == CR_OK && somebody ? one_model(req, &left, &status, &err) : NULL;
    if (status != CR_OK) {
        reply_failure(req, &err);
        return;
    }
    cr_reply_json(req, 200, model ? model : json_object());
}

static void remove_at(cr_request *req, const cr_share_filter *which, const char *no_such) {
    int64_t n = 0;
    cr_err err = CR_ERR_INIT;
    if (cr_shares_remove(req, which, &n, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (n == 0 && no_such) {
        cr_rest_reply(req, 404, "%s", no_such);
        return;
    }
    cr_reply_empty(req, 204);
}

/* Only a server's shares are given and taken, not those of all servers of a person. */
static bool has_server(cr_request *req) {
    if (req->param[1])
        return true;
    cr_reply_error(req, 405, "Method Not Allowed", "name the server: .../USER/ is the default one");
    return false;
}

void cr_api_shares(cr_request *req) {
    cr_lab *s;
    if (req->method == CR_GET || req->method == CR_HEAD)
        list_at(req, false);
    else if (!may_at(req, CR_SCOPE_SHARES) || !has_server(req))
        return;
    else if (req->method == CR_POST)
        give_at(req, false);
    else if (req->method == CR_PATCH)
        take_at(req);
    else if (find_server(req, req->param[0], req->param[1], &s))
        remove_at(req, &(cr_share_filter){.server_id = s->id}, NULL);
}

static void keep_id(void *user, const cr_share *row) { *(cr_share *)user = *row; }

/* One, by the code or by its id, or all of the server. */
static void remove_codes(cr_request *req, const cr_lab *s) {
    const char *code = cr_pairs_get(&req->query, "code"), *id = cr_pairs_get(&req->query, "id");
    cr_share_filter which = {.codes = true, .server_id = s->id};
    cr_share row;
    cr_err err = CR_ERR_INIT;
    char no_such[160];
    snprintf(no_such, sizeof no_such, "No code found matching id=%.80s", id ? id : "");
    cr_text_clean(no_such);
    if (code && *code) {
        cr_status status = cr_share_code_find(cr_hub_of(req)->db, code, keep_id, &row, &err);
        if (status != CR_OK && status != CR_NOT_FOUND) {
            cr_reply_err(req, &err);
            return;
        }
        which.id = status == CR_OK ? row.id : -1;
        remove_at(req, &which, "No matching code found");
        return;
    }
    if (id && *id && (!cr_starts_with(id, "sc_") || cr_parse_int(id + 3, 1, INT64_MAX, &which.id, NULL) != CR_OK))
        which.id = -1;
    remove_at(req, &which, id && *id ? no_such : NULL);
}

void cr_api_share_codes(cr_request *req) {
    cr_lab *s;
    if (req->method == CR_GET || req->method == CR_HEAD)
        list_at(req, true);
    else if (!may_at(req, CR_SCOPE_SHARES) || !has_server(req))
        return;
    else if (req->method == CR_POST)
        give_at(req, true);
    else if (find_server(req, req->param[0], req->param[1], &s))
        remove_codes(req, s);
}

/* ---- what was given to somebody ---- */

void cr_api_shared(cr_request *req) {
    cr_person person;
    if (CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], CR_SCOPE_READ_USERS_SHARES) && cr_rest_find_person(req, req->param[0], &person))
        reply_list(req, &(cr_share_filter){.reaches_id = person.id});
}

void cr_api_group_shared(cr_request *req) {
    int64_t id;
    if (CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], CR_SCOPE_READ_GROUPS_SHARES) && cr_rest_find_group(req, &id))
        reply_list(req, &(cr_share_filter){.group_id = id});
}

/* GET, DELETE of one share: which->user_id or group_id is who has it. */
static void one_share(cr_request *req, const char *kind, cr_share_filter *which) {
    cr_hub *hub = cr_hub_of(req);
    char no_such[400];
    cr_person owner;
    cr_lab *s = NULL;
    cr_err err = CR_ERR_INIT;
    snprintf(no_such, sizeof no_such, "No such share for %s %.80s on %.80s/%.80s", kind, req->param[0], req->param[1], req->param[2]);
    cr_text_clean(no_such);
    cr_status status = cr_person_find(hub->db, req->param[1], &owner, &err);
    if (status == CR_OK)
        status = cr_lab_find(hub, &owner, req->param[2], !req->param[2][0], &s, &err);
    if (status != CR_OK && status != CR_NOT_FOUND) {
        cr_reply_err(req, &err);
        return;
    }
    which->server_id = status == CR_OK && (which->user_id || which->group_id) ? s->id : -1;
    if (req->method == CR_DELETE) {
        remove_at(req, which, no_such);
        return;
    }
    json_t *model = one_model(req, which, &status, &err);
    if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (model)
        cr_reply_json(req, 200, model);
    else
        cr_rest_reply(req, 404, "%s", no_such);
}

void cr_api_shared_one(cr_request *req) {
    cr_share_filter which = {0};
    cr_person person;
    cr_err err = CR_ERR_INIT;
    cr_scope scope = req->method == CR_DELETE ? CR_SCOPE_USERS_SHARES : CR_SCOPE_READ_USERS_SHARES;
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], scope))
        return;
    cr_status status = cr_person_find(cr_hub_of(req)->db, req->param[0], &person, &err);
    which.user_id = status == CR_OK ? person.id : 0;
    if (status != CR_OK && status != CR_NOT_FOUND)
        cr_reply_err(req, &err);
    else if (req->method != CR_DELETE || cr_again_needs(req, which.user_id))
        one_share(req, "user", &which);
}

void cr_api_group_shared_one(cr_request *req) {
    cr_share_filter which = {0};
    cr_scope scope = req->method == CR_DELETE ? CR_SCOPE_GROUPS_SHARES : CR_SCOPE_READ_GROUPS_SHARES;
    if (CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], scope) && cr_rest_find_group(req, &which.group_id) &&
        (req->method != CR_DELETE || cr_again_needs(req, 0)))      /* what a group was given is nobody's own */
        one_share(req, "group", &which);
}
