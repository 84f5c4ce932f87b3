/* rest_users.c - the REST API of people: who am I, list, read, make, change, remove. */
#include "platform/hub/deeds.h"
#include "platform/hub/rest.h"

#include <stdio.h>
#include <strings.h>
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/roster.h"
#include "platform/hub/visits.h"
#include "platform/identity/groups.h"

/* ---- the model ---- */

/* Which scope lets one see which keys. */
static const struct { cr_scope scope; const char *keys[10]; } visible[] = {
    {CR_SCOPE_READ_USERS, {"admin", "roles", "user_info", "groups", "server", "pending", "created", "last_activity"}},
    {CR_SCOPE_READ_USERS_NAME, {"admin", "user_info"}},
    {CR_SCOPE_READ_USERS_GROUPS, {"groups"}},
    {CR_SCOPE_READ_USERS_ACTIVITY, {"last_activity"}},
    {CR_SCOPE_READ_SERVERS, {"servers"}},
    {CR_SCOPE_READ_ROLES_USERS, {"admin", "roles"}},
    {CR_SCOPE_ADMIN_AUTH_STATE, {"auth_state"}},
};

/* None when they cannot be read: fewer rights, never more. */
static json_t *groups_of(cr_hub *hub, const cr_person *p) {
    json_t *groups = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_groups_of(hub->db, p->id, cr_rest_add_text, groups, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "reading groups", &err);
        json_array_clear(groups);
    }
    return groups;
}

/* What JupyterLab shows of the person. */
static json_t *user_info(cr_hub *hub, const cr_person *p, const cr_roster_row *row) {
    char shown[CR_OIDC_SUBJECT_MAX + 1] = "";
    cr_err err = CR_ERR_INIT;
    if (row)
        snprintf(shown, sizeof shown, "%s", row->shown);
    else if (cr_identity_shown(hub->db, p->id, shown, &err) != CR_OK)
        shown[0] = 0;
    return json_pack("{s:s, s:s}", "name", p->name, "display_name", shown[0] ? shown : p->name);
}

static bool not_asked(void *arg, const char *group, const char *user) {
    (void)arg, (void)group, (void)user;
    return false;
}

/* Everybody has the role user, as in JupyterHub. */
static json_t *roles_of(cr_hub *hub, const cr_person *p) {
    json_t *list = p->admin ? json_pack("[s, s]", "user", "admin") : json_pack("[s]", "user");
    const cr_scope_members nobody = {not_asked, NULL};      /* a role of a group is the group's, not the person's */
    for (int i = 0; i < hub->roles->n; i++)
        if (strcmp(hub->roles->at[i].name, "user") != 0 && cr_role_is_of_person(&hub->roles->at[i], p->name, &nobody))
            json_array_append_new(list, json_string(hub->roles->at[i].name));
    return list;
}

/* include_stopped_servers, as JupyterHub reads it. */
static bool wants_stopped(const cr_request *req) {
    const char *text = cr_pairs_get(&req->query, "include_stopped_servers");
    return text && strcmp(text, "0") != 0 && strcasecmp(text, "false") != 0;
}

json_t *cr_rest_server_model(cr_request *req, const cr_lab *s) {
    const char *full_name = cr_arena_printf(&req->arena, "%s/%s", s->user, s->name);
    json_t *model = cr_lab_model(s);
    if (full_name && cr_rest_may(req, CR_SCOPE_ADMIN_SERVER_STATE, CR_SCOPE_SERVER, full_name))
        json_object_set_new(model, "state", json_object());      /* nothing that a program could use */
    return model;
}

typedef struct shown {
    cr_request *req;
    json_t *servers;
} shown;

static void add_server(void *user, cr_lab *s) {
    const shown *m = user;
    const char *full_name = cr_arena_printf(&m->req->arena, "%s/%s", s->user, s->name);
    if ((s->state != CR_LAB_STOPPED || wants_stopped(m->req)) && full_name && cr_rest_may(m->req, CR_SCOPE_READ_SERVERS, CR_SCOPE_SERVER, full_name))
        json_object_set_new(m->servers, s->name, cr_rest_server_model(m->req, s));
}

/* All servers of the person are looked at where stopped ones are wanted, or nobody has looked for those that are not. Returns the default one. */
static const cr_lab *add_servers(cr_request *req, const cr_person *p, const cr_roster_row *row, json_t *servers) {
    shown m = {req, servers};
    cr_lab *s = NULL;
    cr_err err = CR_ERR_INIT;
    if (row && !wants_stopped(req)) {
        for (const cr_roster_server *one = row->servers; one; one = one->next)
            add_server(&m, one->server);
        return cr_roster_ordinary(row);
    }
    if (cr_lab_each(cr_hub_of(req), p->id, add_server, &m, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "reading the servers of a person", &err);
    return cr_lab_find(cr_hub_of(req), p, "", false, &s, &err) == CR_OK ? s : NULL;
}

static json_t *full_model(cr_request *req, const cr_person *p, const cr_roster_row *row) {
    cr_hub *hub = cr_hub_of(req);
    json_t *servers = json_object();
    const char *pending = NULL, *url = NULL;
    char prefix[CR_URL_MAX];
    const cr_lab *s = add_servers(req, p, row, servers);
    if (s && s->state != CR_LAB_STOPPED)
        pending = s->state == CR_LAB_READY ? NULL : s->state == CR_LAB_STOPPING ? "stop" : "spawn";
    if (s && s->state == CR_LAB_READY)
        url = cr_url_prefix(hub->config, s->user, "", prefix, sizeof prefix);
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:s?, s:s?, s:o, s:o, s:o, s:n}", "kind", "user", "name", p->name, "admin", p->admin,
                     "roles", roles_of(hub, p), "user_info", user_info(hub, p, row), "groups", row ? json_incref(row->groups) : groups_of(hub, p), "server", url, "pending", pending,
                     "created", cr_rest_time(p->created_ms), "last_activity", cr_rest_time(p->last_activity_ms), "servers", servers, "auth_state");
}

/* row: what was read for the whole list; NULL: it is read now. */
static json_t *seen_model(cr_request *req, const cr_person *p, const cr_roster_row *row) {
    json_t *full = full_model(req, p, row), *seen = json_object();
    for (size_t i = 0; i < CR_ARRAY_LEN(visible); i++) {
        if (!cr_rest_may(req, visible[i].scope, CR_SCOPE_USER, p->name))
            continue;
        json_object_set(seen, "kind", json_object_get(full, "kind"));
        json_object_set(seen, "name", json_object_get(full, "name"));
        for (const char *const *key = visible[i].keys; *key; key++)
            json_object_set(seen, *key, json_object_get(full, *key));
    }
    if (json_object_size(seen) && json_object_size(json_object_get(full, "servers")))
        json_object_set(seen, "servers", json_object_get(full, "servers"));
    const cr_caller *c = cr_caller_of(req);
    if (c->by_token && c->token.kind != CR_TOKEN_API && !c->token.client[0] && json_object_get(seen, "admin"))
        json_object_set_new(seen, "admin", json_false());   /* what the user's own code sees of it grants nothing */
    json_decref(full);
    return seen;
}

json_t *cr_rest_user_model(cr_request *req, const cr_person *p) { return seen_model(req, p, NULL); }

/* GET /hub/api/user: who holds this token? 403 for an unknown one comes from the gate (never 401: clients sign out on 403 only). */
void cr_api_user(cr_request *req) {
    cr_caller *c = cr_caller_of(req);
    if (!cr_visits_note(req))
        return;
    if (c->service) {
        cr_api_service_self(req);
        return;
    }
    json_t *scopes = cr_scopes_list(cr_rest_scopes(req));
    /* Whose it is may be read with every token; that is not listed among what the token may do. */
    cr_scopes *more = cr_arena_alloc(&req->arena, sizeof *more);
    if (more && !cr_rest_scopes(req)->failed) {
        *more = *cr_rest_scopes(req);
        const cr_scope_owner owner = {c->person.name, NULL};
        cr_scopes_add(more, "read:users:name!user", &owner);
        cr_scopes_add(more, "read:users:groups!user", &owner);
        c->scopes = more;
    }
    json_t *model = cr_rest_user_model(req, &c->person);
    char id[32];
    snprintf(id, sizeof id, "a%lld", (long long)c->token.id);
    json_object_set_new(model, "token_id", c->by_token ? json_string(id) : json_null());
    snprintf(id, sizeof id, "%lld", (long long)c->token.session_id);
    json_object_set_new(model, "session_id", c->by_token && c->token.session_id ? json_string(id) : json_null());
    json_object_set_new(model, "scopes", scopes);
    cr_reply_json(req, 200, model);
}

void cr_api_user_get(cr_request *req) {
    cr_person person;
    if (CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], CR_SCOPE_READ_USERS, CR_SCOPE_READ_USERS_NAME, CR_SCOPE_READ_SERVERS,
                      CR_SCOPE_READ_USERS_GROUPS, CR_SCOPE_READ_USERS_ACTIVITY, CR_SCOPE_READ_ROLES_USERS) &&
        cr_rest_find_person(req, req->param[0], &person))
        cr_reply_json(req, 200, cr_rest_user_model(req, &person));
}

/* ---- the list ---- */

/* Which people, by their servers; with statements of their own, since the page of those who work must not look at all the others, and the page of
 * all not beyond itself. */
typedef enum listed_state { LISTED_ALL, LISTED_INACTIVE, LISTED_ACTIVE, LISTED_STATES } listed_state;
#define WORKING "(SELECT user_id FROM servers WHERE running = 1 UNION SELECT user_id FROM servers WHERE waiting_ms > 0) "
#define FROM_ALL "FROM users u WHERE "
#define FROM_INACTIVE "FROM users u WHERE u.id NOT IN " WORKING "AND "
#define FROM_ACTIVE "FROM users u WHERE u.id IN " WORKING "AND "
/* ?1: part of the name, searched as it is, without wildcards: those could keep the database busy for long. ?2, ?3: who may be seen, JSON lists of
 * names and of groups; NULL: everybody. Who is being removed is gone. */
#define LISTED \
    "(?1 IS NULL OR instr(u.name, lower(?1)) > 0) AND NOT EXISTS (SELECT 1 FROM removals r WHERE r.user_id = u.id) " \
    "AND (?2 IS NULL OR u.name IN (SELECT value FROM json_each(?2)) OR u.id IN (" \
    "SELECT i.user_id FROM json_each(?3) j CROSS JOIN memberships m ON m.name = j.value CROSS JOIN identities i ON i.id = m.identity_id " \
    "UNION SELECT gm.user_id FROM json_each(?3) j CROSS JOIN groups g ON g.name = j.value CROSS JOIN group_members gm ON gm.group_id = g.id)) "
#define LIST_BY(from, order) "SELECT " CR_PERSON_COLUMNS " " from LISTED "ORDER BY " order " LIMIT ?4 OFFSET ?5"
#define LISTS_BY(order) {LIST_BY(FROM_ALL, order), LIST_BY(FROM_INACTIVE, order), LIST_BY(FROM_ACTIVE, order)}

static const struct { const char *name, *sql[LISTED_STATES]; } list_orders[] = {
    {"id", LISTS_BY("u.id")},
    {"-id", LISTS_BY("u.id DESC")},
    {"name", LISTS_BY("u.name")},
    {"-name", LISTS_BY("u.name DESC")},
    {"last_activity", LISTS_BY("u.last_activity_ms, u.id")},
    {"-last_activity", LISTS_BY("u.last_activity_ms DESC, u.id")},
};

static const char *const list_counts[LISTED_STATES] = {
    "SELECT count(*) " FROM_ALL LISTED, "SELECT count(*) " FROM_INACTIVE LISTED, "SELECT count(*) " FROM_ACTIVE LISTED,
};

typedef struct listing {
    listed_state state;
    const char *filter;
    const char *names, *groups;         /* NULL: everybody */
    cr_rest_page page;
} listing;

/* NULL: replied. */
static const char *list_sql(cr_request *req, const listing *l) {
    const char *sort = cr_pairs_get(&req->query, "sort");
    for (size_t i = 0; i < CR_ARRAY_LEN(list_orders); i++)
        if (!sort || !*sort || strcmp(sort, list_orders[i].name) == 0)
            return list_orders[i].sql[l->state];
    cr_rest_reply(req, 400, "sort must be 'id', 'name', or 'last_activity', not '%.80s'", sort);
    return NULL;
}

static cr_status count_listed(cr_db *db, const listing *l, int64_t *ret_total, cr_err *err) {
    bool all = l->state == LISTED_ALL && !l->filter && !l->names;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    /* Of everybody there is an index to count, without a look at each. */
    if (all)
        CR_TRY(cr_query_open(db, &q, err, "SELECT (SELECT count(*) FROM users) - (SELECT count(*) FROM removals)", ""));
    else
        CR_TRY(cr_query_open(db, &q, err, list_counts[l->state], "ttt", l->filter, l->names, l->groups));
    while (cr_query_next(&q))
        *ret_total = cr_query_int(&q, 0);
    return cr_query_end(&q, err);
}

static cr_status read_listed(cr_db *db, const char *sql, const listing *l, cr_person page[CR_REST_LIST_MAX], int *ret_n, int64_t *ret_total,
                             cr_err *err) {
    int n = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(db, &q, err, sql, "tttii", l->filter, l->names, l->groups, l->page.limit, l->page.offset));
    while (n < CR_REST_LIST_MAX && cr_query_next(&q))
        cr_person_read(&q, &page[n++]);
    CR_TRY(cr_query_end(&q, err));
    *ret_n = n;
    return l->page.wanted ? count_listed(db, l, ret_total, err) : CR_OK;
}

/* What is asked for; false: replied. */
static bool read_listing(cr_request *req, listing *l) {
    const char *state = cr_pairs_get(&req->query, "state");
    memset(l, 0, sizeof *l);
    if (!cr_rest_read_page(req, &l->page))
        return false;
    l->filter = cr_pairs_get(&req->query, "name_filter");
    if (!state || !*state)
        l->state = LISTED_ALL;
    else if (strcmp(state, "inactive") == 0)
        l->state = LISTED_INACTIVE;
    else if (strcmp(state, "ready") == 0 || strcmp(state, "active") == 0)
        l->state = LISTED_ACTIVE;
    else {
        cr_rest_reply(req, 400, "Unrecognized state filter: '%.80s'", state);
        return false;
    }
    return true;
}

void cr_api_users(cr_request *req) {
    listing l;
    cr_person page[CR_REST_LIST_MAX];
    cr_auto_roster cr_roster roster = {0};
    int n = 0;
    int64_t total = 0;
    cr_err err = CR_ERR_INIT;
    if (!cr_scopes_mention(cr_rest_scopes(req), CR_SCOPE_LIST_USERS)) {
        (void)!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_LIST_USERS);
        return;
    }
    if (!read_listing(req, &l))
        return;
    const char *sql = list_sql(req, &l);
    if (!sql || !cr_rest_filter(req, CR_SCOPE_LIST_USERS, CR_SCOPE_USER, &l.names) ||
        !cr_rest_filter(req, CR_SCOPE_LIST_USERS, CR_SCOPE_GROUP, &l.groups))
        return;
    cr_status status = read_listed(cr_hub_of(req)->db, sql, &l, page, &n, &total, &err);
    if (status == CR_OK)
        status = cr_roster_read(cr_hub_of(req), page, n, CR_ROSTER_IDENTITIES | CR_ROSTER_GROUPS, &roster, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    json_t *items = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(items, seen_model(req, &page[i], &roster.rows[i]));
    cr_rest_reply_page(req, &l.page, items, total);
}

/* ---- making, changing, removing ---- */

static const cr_rest_field user_fields[] = {
    {"name", JSON_STRING}, {"admin", JSON_TRUE}, {"groups", JSON_ARRAY}, {"roles", JSON_ARRAY}, {"auth_state", JSON_OBJECT},
};
static const cr_rest_field users_fields[] = {
    {"usernames", JSON_ARRAY}, {"name", JSON_STRING}, {"admin", JSON_TRUE}, {"groups", JSON_ARRAY}, {"roles", JSON_ARRAY}, {"auth_state", JSON_OBJECT},
};

static bool only_admin_grants(cr_request *req, bool admin) {
    if (!admin || cr_caller_of(req)->person.admin)
        return true;
    cr_reply_error(req, 403, "Only admins can grant admin permissions", "");
    return false;
}

static cr_status add_person(cr_request *req, const char *name, bool admin, cr_person *ret_person, cr_err *err) {
    cr_actor who;
    cr_actor_of(req, &who);
    return cr_deed_add_person(cr_hub_of(req), &who, name, admin, ret_person, err);
}

/* Normal names of those who are not there yet, or replies. */
static bool read_usernames(cr_request *req, const json_t *usernames, json_t *fresh) {
    cr_auto_buf cr_buf bad;
    cr_buf_init(&bad, 400);
    int n_bad = 0;
    for (size_t i = 0; i < json_array_size(usernames); i++) {
        const char *typed = json_string_value(json_array_get(usernames, i));
        char name[CR_NAME_MAX + 1];
        cr_person other;
        cr_err err = CR_ERR_INIT;
        if (!typed || cr_name_normalize(typed, name, &err) != CR_OK) {
            cr_buf_addf(&bad, "%s%.80s", n_bad++ ? ", " : "", typed ? typed : "(no text)");
            continue;
        }
        cr_status status = cr_person_find(cr_hub_of(req)->db, name, &other, &err);
        if (status == CR_NOT_FOUND) {
            json_object_set_new(fresh, name, json_true());
        } else if (status != CR_OK) {
            cr_reply_err(req, &err);
            return false;
        }
    }
    if (n_bad)
        cr_rest_reply(req, 400, "Invalid username%s: %s", n_bad == 1 ? "" : "s", cr_buf_str(&bad));
    else if (json_object_size(fresh) == 0)
        cr_rest_reply(req, 409, "All %zu users already exist", json_array_size(usernames));
    return !n_bad && json_object_size(fresh);
}

/* One transaction: all or nobody. */
static cr_status add_people(cr_request *req, json_t *names, bool admin, json_t *models, cr_err *err) {
    const char *name;
    json_t *value;
    cr_hub *hub = cr_hub_of(req);
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = CR_OK;
    json_object_foreach(names, name, value) {
        cr_person p;
        if (status == CR_OK && (status = add_person(req, name, admin, &p, err)) == CR_OK)
            json_array_append_new(models, cr_rest_user_model(req, &p));
    }
    return cr_db_end(hub->db, status, err);
}

void cr_api_users_make(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_ANY, NULL, CR_SCOPE_ADMIN_USERS))
        return;
    const json_t *usernames = json_object_get(req->json, "usernames");
    if (!usernames || (json_is_array(usernames) && json_array_size(usernames) == 0)) {
        cr_reply_error(req, 400, "Must specify at least one user to create", "");
        return;
    }
    bool admin = json_is_true(json_object_get(req->json, "admin"));
    if (!cr_rest_check_body(req, "user", users_fields, CR_ARRAY_LEN(users_fields)) || !only_admin_grants(req, admin))
        return;
    if (json_array_size(usernames) > CR_REST_MAKE_MAX) {
        cr_rest_reply(req, 400, "at most %d users in one request", CR_REST_MAKE_MAX);
        return;
    }
    json_t *fresh = json_object(), *models = json_array();
    if (read_usernames(req, usernames, fresh)) {
        if (add_people(req, fresh, admin, models, &err) == CR_OK) {
            cr_log(CR_LOG_INFO, "users made", "by=%s users=%zu admin=%d", cr_caller_of(req)->person.name, json_array_size(models), admin);
            cr_reply_json(req, 201, json_incref(models));
        } else {
            cr_reply_err(req, &err);
        }
    }
    json_decref(fresh);
    json_decref(models);
}

void cr_api_user_make(cr_request *req) {
    const char *typed = req->param[0];
    char name[CR_NAME_MAX + 1];
    cr_person p;
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, typed, CR_SCOPE_ADMIN_USERS))
        return;
    cr_status status = cr_person_find(cr_hub_of(req)->db, typed, &p, &err);
    if (status == CR_OK) {
        cr_rest_reply(req, 409, "User %s already exists", typed);
        return;
    }
    bool empty = !req->json || json_is_null(req->json) || (json_is_object(req->json) && json_object_size(req->json) == 0);
    if (!empty && !cr_rest_check_body(req, "user", user_fields, CR_ARRAY_LEN(user_fields)))
        return;
    bool admin = json_is_true(json_object_get(req->json, "admin"));
    if (!only_admin_grants(req, admin))
        return;
    if (status == CR_NOT_FOUND && cr_name_normalize(typed, name, &err) == CR_OK) {
        /* The right was for the name as it was sent. */
        if (strcmp(name, typed) != 0 && !CR_REST_NEEDS(req, CR_SCOPE_USER, name, CR_SCOPE_ADMIN_USERS))
            return;
        status = add_person(req, name, admin, &p, &err);
    } else if (status == CR_NOT_FOUND) {
        cr_reply_error(req, 400, err.message, err.hint);
        return;
    }
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "user made", "by=%s user=%s admin=%d", cr_caller_of(req)->person.name, p.name, admin);
    cr_reply_json(req, 201, cr_rest_user_model(req, &p));
}

/* The new name, when there shall be one. false: replied. */
static bool read_new_name(cr_request *req, const cr_person *p, char name[CR_NAME_MAX + 1]) {
    const char *typed = json_string_value(json_object_get(req->json, "name"));
    cr_person other;
    cr_err err = CR_ERR_INIT;
    name[0] = 0;
    if (!typed || strcmp(typed, p->name) == 0)
        return true;
    if (cr_name_normalize(typed, name, &err) != CR_OK) {
        cr_rest_reply(req, 400, "Invalid username: %.80s", typed);
        return false;
    }
    cr_status status = cr_person_find(cr_hub_of(req)->db, name, &other, &err);
    if (status == CR_OK)
        cr_rest_reply(req, 400, "User %s already exists, username must be unique", name);
    else if (status != CR_NOT_FOUND)
        cr_reply_err(req, &err);
    return status == CR_NOT_FOUND && CR_REST_NEEDS(req, CR_SCOPE_USER, name, CR_SCOPE_ADMIN_USERS);
}

static cr_status change_rows(cr_request *req, const cr_person *p, const char *name, const json_t *admin, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_actor_of(req, &who);
    if (admin)
        CR_TRY(cr_deed_set_admin(hub, &who, p, json_is_true(admin), err));
    if (!*name)
        return CR_OK;
    CR_TRY(cr_person_rename(hub->db, p->id, name, err));
    return cr_audit_write(hub, &who, CR_AUDIT_PERSON_RENAMED, name, cr_arena_printf(&req->arena, "was %s", p->name), err);
}

void cr_api_user_change(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_person p;
    char name[CR_NAME_MAX + 1];
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], CR_SCOPE_ADMIN_USERS) || !cr_rest_find_person(req, req->param[0], &p) ||
        !cr_rest_check_body(req, "user", user_fields, CR_ARRAY_LEN(user_fields)))
        return;
    const json_t *admin = json_object_get(req->json, "admin");
    if (!read_new_name(req, &p, name) || !only_admin_grants(req, json_is_true(admin)))
        return;
    if (p.admin && !cr_caller_of(req)->person.admin) {
        cr_reply_error(req, 403, "Only admins can modify other admins", "");
        return;
    }
    if (json_object_get(req->json, "groups") || json_object_get(req->json, "roles") || json_object_get(req->json, "auth_state")) {
        cr_reply_error(req, 400, "only name and admin can be changed here", "groups have calls of their own: POST /hub/api/groups/GROUP/users");
        return;
    }
    if (*name)
        cr_labs_sweep(hub);      /* who knows that a server is being removed is its record */
    if (*name && !cr_lab_forget(hub, p.id)) {
        cr_rest_reply(req, 400, "%s's server is running: stop it before the name is changed", p.name);
        return;
    }
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, change_rows(req, &p, name, admin, &err), &err);
    if (status == CR_OK)
        status = cr_person_get(hub->db, p.id, &p, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "user changed", "by=%s user=%s now=%s admin=%d", cr_caller_of(req)->person.name, req->param[0], p.name, p.admin);
    cr_reply_json(req, 200, cr_rest_user_model(req, &p));
}

/* Answers when the intent is kept: who is being removed cannot do anything and is in no list any more; see removals.c. */
void cr_api_user_remove(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_person p;
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], CR_SCOPE_DELETE_USERS) || !cr_rest_find_person(req, req->param[0], &p))
        return;
    if (p.id == cr_caller_of(req)->person.id) {
        cr_reply_error(req, 400, "Cannot delete yourself!", "");
        return;
    }
    if (cr_lab_find(hub, &p, "", false, &s, &err) == CR_OK && s->state == CR_LAB_STOPPING) {
        cr_rest_reply(req, 400, "%s's server is in the process of stopping, please wait.", p.name);
        return;
    }
    cr_actor who;
    cr_actor_of(req, &who);
    if (cr_deed_remove(hub, &who, &p, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "removal asked for", "by=%s user=%s", cr_caller_of(req)->person.name, p.name);
    cr_reply_empty(req, 204);
}
