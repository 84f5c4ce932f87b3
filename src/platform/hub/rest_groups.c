/* rest_groups.c - the REST API of groups: list, read, make, remove, members, properties. */
#include "platform/hub/deeds.h"
#include "platform/hub/rest.h"

#include <stdlib.h>
#include "base/log.h"
#include "base/text.h"
#include "platform/identity/groups.h"

static const cr_rest_field group_fields[] = {{"name", JSON_STRING}, {"users", JSON_ARRAY}, {"roles", JSON_ARRAY}};
static const cr_rest_field groups_fields[] = {{"groups", JSON_ARRAY}, {"name", JSON_STRING}, {"users", JSON_ARRAY}, {"roles", JSON_ARRAY}};

/* ---- the model ---- */

typedef struct models {
    cr_request *req;
    json_t *list;
    cr_status status;
    cr_err err;
} models;

static void add_model(void *user, const cr_group *g) {
    models *m = user;
    json_t *model = json_object();
    bool all = cr_rest_may(m->req, CR_SCOPE_READ_GROUPS, CR_SCOPE_GROUP, g->name);
    bool roles = cr_rest_may(m->req, CR_SCOPE_READ_ROLES_GROUPS, CR_SCOPE_GROUP, g->name);
    if (all || roles || cr_rest_may(m->req, CR_SCOPE_READ_GROUPS_NAME, CR_SCOPE_GROUP, g->name)) {
        json_object_set_new(model, "kind", json_string("group"));
        json_object_set_new(model, "name", json_string(g->name));
    }
    if (roles)
        json_object_set_new(model, "roles", cr_rest_group_roles(cr_hub_of(m->req), g->name));
    if (all) {
        json_t *people = json_array(), *properties = json_loads(g->properties, 0, NULL);
        if (m->status == CR_OK)
            m->status = cr_group_people(cr_hub_of(m->req)->db, g->id, cr_rest_add_text, people, &m->err);
        json_object_set_new(model, "users", people);
        json_object_set_new(model, "properties", properties ? properties : json_object());
    }
    json_array_append_new(m->list, model);
}

/* The models of one group (or of all, id 0), or NULL with an error. */
static json_t *read_models(cr_request *req, int64_t id, const char *names, const cr_rest_page *page, cr_err *err) {
    models m = {.req = req, .list = json_array(), .status = CR_OK, .err = CR_ERR_INIT};
    cr_status status = cr_group_list(cr_hub_of(req)->db, id, names, page ? page->limit : 1, page ? page->offset : 0, add_model, &m, err);
    if (status == CR_OK && m.status != CR_OK)
        *err = m.err;
    if (status == CR_OK && m.status == CR_OK)
        return m.list;
    json_decref(m.list);
    return NULL;
}

static void reply_group(cr_request *req, int status, int64_t id) {
    cr_err err = CR_ERR_INIT;
    json_t *list = read_models(req, id, NULL, NULL, &err);
    if (list)
        cr_reply_json(req, status, json_incref(json_array_get(list, 0)));
    else
        cr_reply_err(req, &err);
    json_decref(list);
}

/* ---- list and read ---- */

void cr_api_groups(cr_request *req) {
    cr_rest_page page;
    int64_t total = 0;
    cr_err err = CR_ERR_INIT;
    if (!cr_scopes_mention(cr_rest_scopes(req), CR_SCOPE_LIST_GROUPS)) {
        (void)!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_LIST_GROUPS);
        return;
    }
    const char *names;
    if (!cr_rest_read_page(req, &page) || !cr_rest_filter(req, CR_SCOPE_LIST_GROUPS, CR_SCOPE_GROUP, &names))
        return;
    json_t *list = cr_group_count(cr_hub_of(req)->db, names, &total, &err) == CR_OK ? read_models(req, 0, names, &page, &err) : NULL;
    if (list)
        cr_rest_reply_page(req, &page, list, total);
    else
        cr_reply_err(req, &err);
}

bool cr_rest_find_group(cr_request *req, int64_t *ret_id) {
    cr_err err = CR_ERR_INIT;
    if (cr_group_find(cr_hub_of(req)->db, req->param[0], ret_id, &err) == CR_OK)
        return true;
    cr_reply_err(req, &err);
    return false;
}

void cr_api_group_get(cr_request *req) {
    int64_t id;
    if (CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], CR_SCOPE_READ_GROUPS, CR_SCOPE_READ_GROUPS_NAME, CR_SCOPE_READ_ROLES_GROUPS) &&
        cr_rest_find_group(req, &id))
        reply_group(req, 200, id);
}

/* ---- changing ---- */

/* The people named in the body's list, one by one. */
static cr_status each_person(cr_request *req, bool join, int64_t group, const char *group_name, cr_err *err) {
    cr_actor who;
    cr_actor_of(req, &who);
    const json_t *users = json_object_get(req->json, "users");
    cr_hub *hub = cr_hub_of(req);
    for (size_t i = 0; i < json_array_size(users); i++) {
        const char *typed = json_string_value(json_array_get(users, i));
        char name[CR_NAME_MAX + 1];
        cr_person p;
        cr_removal_row removal = {0};
        cr_err why = CR_ERR_INIT;
        cr_status status = typed ? cr_name_normalize(typed, name, &why) : CR_INVALID;
        if (status == CR_OK)
            status = cr_person_find(hub->db, name, &p, &why);
        if (status == CR_OK)
            status = cr_removal_find(hub, p.id, &removal, &why);
        if (status == CR_NOT_FOUND || status == CR_INVALID || removal.wanted)
            return CR_FAIL(err, CR_INVALID, "No such user: %.80s", typed ? typed : "(no text)");
        if (status != CR_OK) {
            *err = why;
            return status;
        }
        /* Whoever may fill a group may do with its people what a role gives for that group: with an administrator, everything. */
        if (join && p.admin && !cr_caller_of(req)->person.admin)
            return CR_FAIL(err, CR_DENIED, "Only admins can put other admins into a group: %.80s", p.name);
        CR_TRY(cr_deed_membership(hub, &who, group, group_name, &p, join, err));
    }
    return CR_OK;
}

static cr_status add_group(cr_request *req, const char *name, int64_t *ret_id, cr_err *err) {
    if (!name || !cr_group_name_is_right(name))
        return CR_FAIL(err, CR_INVALID, "Invalid group name: 1 to %d bytes without control characters", CR_GROUP_NAME_MAX);
    cr_actor who;
    cr_actor_of(req, &who);
    CR_TRY(cr_deed_add_group(cr_hub_of(req), &who, name, ret_id, err));
    return each_person(req, true, *ret_id, name, err);
}

static cr_status add_groups(cr_request *req, const json_t *names, json_t *ids, cr_err *err) {
    for (size_t i = 0; i < json_array_size(names); i++) {
        int64_t id;
        CR_TRY(add_group(req, json_string_value(json_array_get(names, i)), &id, err));
        json_array_append_new(ids, json_integer(id));
    }
    return CR_OK;
}

/* All that is done to groups in one request happens or none of it. */
static bool in_transaction(cr_request *req, cr_status (*what)(cr_request *req, void *arg, cr_err *err), void *arg) {
    cr_db *db = cr_hub_of(req)->db;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_db_begin(db, &err);
    if (status == CR_OK)
        status = cr_db_end(db, what(req, arg, &err), &err);
    cr_text_clean(err.message);  /* a name may have been cut inside a character */
    if (status != CR_OK)
        cr_reply_err(req, &err);
    return status == CR_OK;
}

static cr_status make_many(cr_request *req, void *ids, cr_err *err) { return add_groups(req, json_object_get(req->json, "groups"), ids, err); }
static cr_status make_one(cr_request *req, void *id, cr_err *err) { return add_group(req, req->param[0], id, err); }
static cr_status put_in(cr_request *req, void *id, cr_err *err) { return each_person(req, true, *(int64_t *)id, req->param[0], err); }
static cr_status take_out(cr_request *req, void *id, cr_err *err) { return each_person(req, false, *(int64_t *)id, req->param[0], err); }

static void log_change(cr_request *req, const char *what, const char *group) {
    cr_log(CR_LOG_INFO, what, "by=%s group=%s", cr_caller_of(req)->person.name, group);
}

void cr_api_groups_make(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_ADMIN_GROUPS))
        return;
    const json_t *names = json_object_get(req->json, "groups");
    if (!names || (json_is_array(names) && json_array_size(names) == 0)) {
        cr_reply_error(req, 400, "Must specify at least one group to create", "");
        return;
    }
    if (!cr_rest_check_body(req, "group", groups_fields, CR_ARRAY_LEN(groups_fields)))
        return;
    if (json_array_size(names) > CR_REST_MAKE_MAX) {
        cr_rest_reply(req, 400, "at most %d groups in one request", CR_REST_MAKE_MAX);
        return;
    }
    json_t *ids = json_array(), *list = json_array();
    if (in_transaction(req, make_many, ids)) {
        bool good = true;
        for (size_t i = 0; good && i < json_array_size(ids); i++) {
            json_t *one = read_models(req, json_integer_value(json_array_get(ids, i)), NULL, NULL, &err);
            if ((good = one))
                json_array_extend(list, one);
            json_decref(one);
        }
        log_change(req, "groups made", json_string_value(json_array_get(names, 0)));
        if (good)
            cr_reply_json(req, 201, json_incref(list));
        else
            cr_reply_err(req, &err);
    }
    json_decref(ids);
    json_decref(list);
}

void cr_api_group_make(cr_request *req) {
    int64_t id;
    if (!CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], CR_SCOPE_ADMIN_GROUPS))
        return;
    if (req->json && !json_is_null(req->json) && !cr_rest_check_body(req, "group", group_fields, CR_ARRAY_LEN(group_fields)))
        return;
    if (!in_transaction(req, make_one, &id))
        return;
    log_change(req, "group made", req->param[0]);
    reply_group(req, 201, id);
}

void cr_api_group_remove(cr_request *req) {
    int64_t id;
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], CR_SCOPE_DELETE_GROUPS) || !cr_rest_find_group(req, &id))
        return;
    cr_actor who;
    cr_actor_of(req, &who);
    if (cr_deed_remove_group(cr_hub_of(req), &who, id, req->param[0], &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    log_change(req, "group removed", req->param[0]);
    cr_reply_empty(req, 204);
}

void cr_api_group_users(cr_request *req) {
    int64_t id;
    bool leave = req->method == CR_DELETE;
    if (!CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], CR_SCOPE_GROUPS) || !cr_rest_find_group(req, &id) ||
        !cr_rest_check_body(req, "group", group_fields, CR_ARRAY_LEN(group_fields)))
        return;
    if (!json_object_get(req->json, "users")) {
        cr_reply_error(req, 400, leave ? "Must specify users to delete" : "Must specify users to add", "");
        return;
    }
    if (!in_transaction(req, leave ? take_out : put_in, &id))
        return;
    log_change(req, leave ? "people taken out of a group" : "people put into a group", req->param[0]);
    reply_group(req, 200, id);
}

void cr_api_group_properties(cr_request *req) {
    int64_t id;
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_GROUP, req->param[0], CR_SCOPE_GROUPS) || !cr_rest_find_group(req, &id))
        return;
    if (!json_is_object(req->json)) {
        cr_reply_error(req, 400, "Must specify properties", "");
        return;
    }
    char *text = json_dumps(req->json, JSON_COMPACT);
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_actor_of(req, &who);
    cr_status status = text ? cr_db_begin(hub->db, &err) : CR_FAIL(&err, CR_MEMORY, "no memory");
    if (status == CR_OK)
        status = cr_audit_end(hub, &who, cr_group_set_properties(hub->db, id, text, &err), CR_AUDIT_GROUP_CHANGED, req->param[0], "", &err);
    free(text);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    reply_group(req, 200, id);
}
