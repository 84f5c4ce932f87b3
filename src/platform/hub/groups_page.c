/* groups_page.c - /hub/admin/groups: groups of people, for administrators. */
#include "platform/hub/deeds.h"

#include <stdio.h>
#include "base/log.h"
#include "base/text.h"
#include "platform/identity/groups.h"
#include "platform/identity/people_list.h"

enum { GROUPS_SHOWN = 100, PEOPLE_SHOWN = 300 };

/* ---- what is shown ---- */

typedef struct listing {
    cr_hub *hub;
    json_t *rows;
    int64_t n;
    cr_status status;         /* of the first that could not be read */
    cr_err *err;
} listing;

static void add_group(void *user, const cr_group *g) {
    listing *l = user;
    int64_t people = 0;
    if (l->n++ >= GROUPS_SHOWN || l->status != CR_OK)
        return;
    l->status = cr_group_size(l->hub->db, g->id, &people, l->err);
    cr_auto_buf cr_buf query;
    cr_buf_init(&query, 3 * CR_GROUP_NAME_MAX + 1);
    cr_percent_encode(&query, g->name, "");
    json_array_append_new(l->rows, json_pack("{s:s, s:s, s:I}", "name", g->name, "query", cr_buf_str(&query), "n", (json_int_t)people));
}

static cr_status add_groups(cr_request *req, json_t *values, cr_err *err) {
    int64_t offset = 0;
    const char *text = cr_pairs_get(&req->query, "offset");
    if (text && cr_parse_int(text, 0, 1000000000, &offset, NULL) != CR_OK)
        offset = 0;
    listing l = {.hub = cr_hub_of(req), .rows = json_array(), .status = CR_OK, .err = err};
    json_object_set_new(values, "groups", l.rows);
    CR_TRY(cr_group_list(l.hub->db, 0, NULL, GROUPS_SHOWN + 1, offset, add_group, &l, err));
    json_object_set_new(values, "has_groups", json_boolean(json_array_size(l.rows) > 0));
    if (l.n > GROUPS_SHOWN)
        json_object_set_new(values, "next_offset", json_integer(offset + GROUPS_SHOWN));
    return l.status;
}

static void add_name(void *user, const char *name) {
    listing *l = user;
    if (l->n++ < PEOPLE_SHOWN)
        json_array_append_new(l->rows, json_pack("{s:s}", "name", name));
}

static cr_status add_people(cr_request *req, const char *group, json_t *values, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    listing l = {.rows = json_array()};
    int64_t id;
    json_object_set_new(values, "people", l.rows);
    CR_TRY(cr_group_find(hub->db, group, &id, err));
    CR_TRY(cr_group_people(hub->db, id, add_name, &l, err));
    json_object_set_new(values, "group", json_string(group));
    cr_auto_buf cr_buf query;
    cr_buf_init(&query, 3 * CR_GROUP_NAME_MAX + 1);
    cr_percent_encode(&query, group, "");
    json_object_set_new(values, "query", json_string(cr_buf_str(&query)));
    json_object_set_new(values, "has_people", json_boolean(l.n > 0));
    json_object_set_new(values, "n", json_integer(l.n));
    if (l.n > PEOPLE_SHOWN)
        json_object_set_new(values, "more", json_integer(l.n - PEOPLE_SHOWN));
    return CR_OK;
}

static void add_proposal(void *user, const cr_group *g) { json_array_append_new(user, json_pack("{s:s}", "name", g->name)); }

/* Without them the field is a field still. */
void cr_groups_add_names(cr_hub *hub, json_t *values) {
    json_t *names = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_group_list(hub->db, 0, NULL, GROUPS_SHOWN, 0, add_proposal, names, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "groups are not proposed", &err);
    json_object_set_new(values, "group_names", names);
}

/* One group, or all; what was typed comes back with a problem. */
static void show(cr_request *req, int status, const char *group, const cr_err *problem) {
    json_t *values = json_pack("{s:s, s:s, s:s, s:s}", "problem", problem ? problem->message : "", "hint", problem ? problem->hint : "", "typed",
                               cr_request_field(req, "people"), "typed_group", cr_request_field(req, "group"));
    cr_err err = CR_ERR_INIT;
    if ((*group ? add_people(req, group, values, &err) : add_groups(req, values, &err)) == CR_OK) {
        cr_site_page(req, status, "groups", values);
        return;
    }
    json_decref(values);
    cr_text_clean(err.message);
    cr_reply_err(req, &err);
}

void cr_groups_page(cr_request *req) {
    const char *group = cr_pairs_get(&req->query, "group");
    show(req, 200, group ? group : "", NULL);
}

/* ---- what is done ---- */

typedef struct change {
    cr_request *req;
    cr_actor who;
    const char *group;
    int64_t id, n;
    bool join;
} change;

static cr_status change_one(void *user, const cr_people_line *line, cr_err *err) {
    change *c = user;
    cr_db *db = cr_hub_of(c->req)->db;
    char name[CR_NAME_MAX + 1];
    cr_person person;
    CR_TRY(cr_name_normalize(line->name, name, err));
    cr_status found = cr_person_find(db, name, &person, err);
    if (found == CR_NOT_FOUND)
        return CR_FAIL(err, CR_NOT_FOUND, "nobody of this name has an account; invitations make accounts and put people into a group");
    CR_TRY(found);
    c->n++;
    return cr_deed_membership(cr_hub_of(c->req), &c->who, c->id, c->group, &person, c->join, err);
}

/* All or nobody. */
static cr_status change_people(change *c, cr_err *err) {
    bool columns;
    CR_TRY(cr_people_list_read(cr_request_field(c->req, "people"), change_one, c, &columns, err));
    return c->n ? CR_OK : CR_FAIL(err, CR_INVALID, "write one user name on each line");
}

static cr_status carry_out(cr_request *req, const char *action, const char *group, bool *ret_there, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    change c = {.req = req, .group = group, .join = strcmp(action, "join") == 0};
    cr_actor_of(req, &c.who);
    if (strcmp(action, "make") == 0) {
        if (!cr_group_name_is_right(group))
            return CR_FAIL(err, CR_INVALID, "a group's name has 1 to %d bytes and no control characters", CR_GROUP_NAME_MAX);
        return cr_deed_add_group(hub, &c.who, group, &c.id, err);
    }
    CR_TRY(cr_group_find(hub->db, group, &c.id, err));
    *ret_there = true;
    if (strcmp(action, "remove") == 0) {
        CR_TRY(cr_deed_remove_group(hub, &c.who, c.id, group, err));
        *ret_there = false;
        return CR_OK;
    }
    if (!c.join && strcmp(action, "leave") != 0)
        return CR_FAIL(err, CR_INVALID, "this action is not known");
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_db_end(hub->db, change_people(&c, err), err);
}

void cr_groups_post(cr_request *req) {
    const char *action = cr_request_field(req, "action"), *group = cr_request_field(req, "group");
    bool there = false;
    cr_err err = CR_ERR_INIT;
    if (carry_out(req, action, group, &there, &err) != CR_OK) {
        cr_text_clean(err.message);      /* a name may have been cut inside a character */
        show(req, cr_http_status_of(&err), there ? group : "", &err);
        return;
    }
    cr_auto_buf cr_buf url;
    cr_buf_init(&url, 64 + 3 * CR_GROUP_NAME_MAX);
    cr_buf_adds(&url, "/hub/admin/groups");
    if (there || strcmp(action, "make") == 0) {
        cr_buf_adds(&url, "?group=");
        cr_percent_encode(&url, group, "");
    }
    cr_reply_redirect(req, 303, cr_buf_str(&url));
}
