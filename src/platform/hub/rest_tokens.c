/* rest_tokens.c - the REST API of API tokens: list, make, look at, take away.
 *
 * A token can never do more than its person: what it was given is met with what the person may do at every request, so rights that
 * the person loses are gone from the tokens too.
 */
#include "platform/hub/again.h"
#include "platform/hub/deeds.h"
#include "platform/hub/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { NOTE_MAX = 1023, SCOPES_BYTES = 4 << 20 };
#define LIFE_MAX_S ((int64_t)100 * 366 * 86400)

/* ---- uses: in memory, written every minute and before somebody looks ---- */

static cr_status use_rows(cr_hub *hub, cr_err *err) {
    for (int i = 0; i < hub->n_token_uses; i++)
        CR_TRY(cr_token_note_use(hub->db, hub->token_uses[i].id, hub->token_uses[i].ms, err));
    return CR_OK;
}

void cr_tokens_write_uses(cr_hub *hub) {
    cr_err err = CR_ERR_INIT;
    if (!hub->n_token_uses)
        return;
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, use_rows(hub, &err), &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting the use of tokens", &err);
    hub->n_token_uses = 0;
}

void cr_tokens_note_use(cr_hub *hub, const cr_token *token) {
    /* A user server's is as old as its activity. */
    if (token->kind == CR_TOKEN_SERVER)
        return;
    for (int i = 0; i < hub->n_token_uses; i++)
        if (hub->token_uses[i].id == token->id) {
            hub->token_uses[i].ms = cr_wall_ms();
            return;
        }
    if (hub->n_token_uses == CR_TOKEN_USES_MAX)
        cr_tokens_write_uses(hub);
    hub->token_uses[hub->n_token_uses].id = token->id;
    hub->token_uses[hub->n_token_uses++].ms = cr_wall_ms();
}

/* ---- the model ---- */

typedef struct models {
    cr_hub *hub;
    const cr_person *person;
    json_t *list;
    cr_arena arena;           /* of all, once that was read */
    cr_scopes all;            /* what the person may: found once for all tokens, since one person may have a thousand, and be given hundreds of shares */
    json_t *inherited;        /* its texts; NULL: not needed so far */
} models;

static void models_done(models *m) {
    if (m->all.arena)
        cr_arena_done(&m->arena);
    json_decref(m->inherited);
}

static json_t *scopes_of(models *m, const cr_token_row *row) {
    cr_auto_arena cr_arena arena;
    cr_scopes set;
    cr_arena_init(&arena, SCOPES_BYTES);
    cr_scopes_init(&set, &arena);
    const cr_token_of of = {row->kind, row->server, row->client};
    if (!m->all.arena) {
        cr_arena_init(&m->arena, SCOPES_BYTES);
        cr_scopes_init(&m->all, &m->arena);
        cr_rest_person_scopes(m->hub, m->person, &m->all);
    }
    if (row->kind == CR_TOKEN_API && !row->scopes) {
        if (!m->inherited)
            m->inherited = cr_scopes_list(&m->all);
        return json_incref(m->inherited);
    }
    cr_rest_token_scopes_from(m->hub, m->person, &m->all, &of, row->scopes, &set);
    return cr_scopes_list(&set);
}

static void add_model(void *user, const cr_token_row *row) {
    models *m = user;
    char id[32], session[32], server[CR_NAME_MAX + CR_ACCOUNT_MAX + 32], service[CR_SERVICE_NAME_MAX + 32];
    const char *of = row->server ? row->server : "";
    snprintf(id, sizeof id, "a%lld", (long long)row->id);
    snprintf(session, sizeof session, "%lld", (long long)row->session_id);
    snprintf(server, sizeof server, "Server at /user/%s%s", of, cr_ends_with(of, "/") ? "" : "/");
    snprintf(service, sizeof service, "JupyterHub service %s", row->client ? row->client : "");
    json_array_append_new(m->list, json_pack("{s:s, s:s, s:s, s:[], s:o, s:o, s:o, s:o, s:s, s:s?, s:s}", "user", m->person->name, "id", id, "kind",
                                             "api_token", "roles", "scopes", scopes_of(m, row), "created", cr_rest_time(row->created_ms),
                                             "last_activity", cr_rest_time(row->last_ms), "expires_at", cr_rest_time(row->expires_ms), "note",
                                             row->kind == CR_TOKEN_SERVER ? server : row->note, "session_id", row->session_id ? session : NULL,
                                             "oauth_client", row->client ? service : row->kind == CR_TOKEN_OAUTH ? server : "JupyterHub"));
}

/* ---- list and look ---- */

/* The path's person, for whom the caller holds the scope. */
static bool find_owner(cr_request *req, cr_scope scope, cr_person *ret_person) {
    if (!CR_REST_NEEDS(req, CR_SCOPE_USER, req->param[0], scope) || !cr_rest_find_person(req, req->param[0], ret_person))
        return false;
    cr_tokens_write_uses(cr_hub_of(req));
    return true;
}

void cr_api_tokens(cr_request *req) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (!find_owner(req, CR_SCOPE_READ_TOKENS, &person))
        return;
    models m = {.hub = cr_hub_of(req), .person = &person, .list = json_array()};
    int64_t more = 0;
    cr_status status = cr_token_list(m.hub->db, person.id, 0, add_model, &m, &more, &err);
    models_done(&m);
    if (status == CR_OK) {
        json_t *answer = json_pack("{s:o}", "api_tokens", m.list);
        if (more)
            json_object_set_new(answer, "more", json_integer((json_int_t)more));
        cr_reply_json(req, 200, answer);
        return;
    }
    json_decref(m.list);
    cr_reply_err(req, &err);
}

/* The id in the path, as aN; false: replied as for an id that nobody has. */
static bool read_id(cr_request *req, const cr_person *person, int64_t *ret_id) {
    const char *text = req->param[1];
    if (text[0] == 'a' && cr_parse_int(text + 1, 1, INT64_MAX, ret_id, NULL) == CR_OK)
        return true;
    cr_rest_reply(req, 404, "No such token %.80s for user %s", text, person->name);
    return false;
}

void cr_api_token_get(cr_request *req) {
    cr_person person;
    int64_t id, more;
    cr_err err = CR_ERR_INIT;
    if (!find_owner(req, CR_SCOPE_READ_TOKENS, &person) || !read_id(req, &person, &id))
        return;
    models m = {.hub = cr_hub_of(req), .person = &person, .list = json_array()};
    cr_status status = cr_token_list(m.hub->db, person.id, id, add_model, &m, &more, &err);
    models_done(&m);
    if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (json_array_size(m.list) == 0)
        cr_rest_reply(req, 404, "No such token %.80s for user %s", req->param[1], person.name);
    else
        cr_reply_json(req, 200, json_incref(json_array_get(m.list, 0)));
    json_decref(m.list);
}

void cr_api_token_remove(cr_request *req) {
    cr_person person;
    int64_t id;
    cr_err err = CR_ERR_INIT;
    if (!find_owner(req, CR_SCOPE_TOKENS, &person) || !cr_again_needs(req, person.id) || !read_id(req, &person, &id))
        return;
    cr_actor who;
    cr_actor_of(req, &who);
    cr_status status = cr_deed_revoke_token(cr_hub_of(req), &who, &person, id, &err);
    if (status == CR_NOT_FOUND) {
        cr_rest_reply(req, 404, "No such token %.80s for user %s", req->param[1], person.name);
    } else if (status != CR_OK) {
        cr_reply_err(req, &err);
    } else {
        cr_log(CR_LOG_INFO, "token taken away", "by=%s user=%s token=%s", cr_caller_of(req)->person.name, person.name, req->param[1]);
        cr_reply_empty(req, 204);
    }
}

/* ---- making ---- */

/* null, or a list of texts; false: replied. */
static bool check_texts(cr_request *req, const char *name) {
    const json_t *value = json_object_get(req->json, name);
    bool right = !value || json_is_null(value) || (json_is_array(value) && json_array_size(value) <= CR_SCOPE_TEXTS_MAX);
    for (size_t i = 0; right && i < json_array_size(value); i++)
        right = json_is_string(json_array_get(value, i));
    if (!right)
        cr_rest_reply(req, 400, "token %s must be null or a list of strings, at most %d", name, CR_SCOPE_TEXTS_MAX);
    return right;
}

/* The scopes of a role, JupyterHub's own or the operator's; false: there is none of this name. */
static bool add_role(const cr_hub *hub, const char *name, json_t *list) {
    const char *const *texts = cr_scope_role(name);
    const cr_role *more = cr_role_named(hub->roles, name);
    for (; texts && *texts; texts++)
        json_array_append_new(list, json_string(*texts));
    for (int i = 0; more && i < more->n_scopes; i++)
        json_array_append_new(list, json_string(more->scopes[i]));
    return cr_scope_role(name) || more;
}

/* The list of scopes that the body asks for, NULL: all that the person may. Roles are their scopes. */
static cr_status read_scopes(const cr_hub *hub, const json_t *body, json_t **ret_scopes, cr_err *err) {
    const json_t *scopes = json_object_get(body, "scopes"), *by_role = json_object_get(body, "roles");
    bool has_scopes = scopes && !json_is_null(scopes), has_roles = by_role && !json_is_null(by_role);
    *ret_scopes = NULL;
    if (has_scopes && has_roles)
        return CR_FAIL(err, CR_INVALID, "Can only assign one of scopes or roles when creating tokens.");
    if (!has_scopes && !has_roles)
        return CR_OK;
    if (has_scopes) {
        *ret_scopes = json_deep_copy(scopes);
        return CR_OK;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(by_role); i++) {
        const char *role = json_string_value(json_array_get(by_role, i));
        bool known = add_role(hub, role, list);
        if (!known || json_array_size(list) > CR_SCOPE_TEXTS_MAX) {
            json_decref(list);
            return known ? CR_FAIL(err, CR_INVALID, "roles of more than %d scopes together", CR_SCOPE_TEXTS_MAX)
                         : CR_FAIL(err, CR_INVALID, "No such role: %.80s", role);
        }
    }
    *ret_scopes = list;
    return CR_OK;
}

/* The first that is asked for and not held; NULL: none. */
static const char *first_excess(cr_arena *arena, const cr_scopes *asked, const cr_scopes *granted) {
    json_t *a = cr_scopes_list(asked), *g = cr_scopes_list(granted);
    const char *found = NULL;
    size_t j = 0;
    for (size_t i = 0; !found && i < json_array_size(a); i++) {      /* both sorted */
        const char *text = json_string_value(json_array_get(a, i));
        while (j < json_array_size(g) && strcmp(json_string_value(json_array_get(g, j)), text) < 0)
            j++;
        if (j == json_array_size(g) || strcmp(json_string_value(json_array_get(g, j)), text) != 0)
            found = cr_arena_strdup(arena, text);
    }
    json_decref(a);
    json_decref(g);
    return found;
}

/* Every scope exists and is held by the person. `inherit` beside others is allowed and means all, as in JupyterHub. */
static cr_status check_scopes(cr_request *req, const cr_person *person, const json_t *list, cr_err *err) {
    const cr_scope_owner owner = {person->name, NULL, NULL};
    const cr_scope_members members = cr_rest_members(cr_hub_of(req));
    cr_scopes asked, held, both;
    cr_scopes_init(&asked, &req->arena);
    cr_scopes_init(&held, &req->arena);
    cr_scopes_init(&both, &req->arena);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        CR_TRY(cr_scope_check(text, err));
        if (strcmp(text, "inherit") != 0)
            cr_scopes_add(&asked, text, &owner);
    }
    cr_rest_person_scopes(cr_hub_of(req), person, &held);
    cr_scopes_intersect(&both, &asked, &held, &members);
    if (cr_scopes_equal(&asked, &both))
        return CR_OK;
    const char *excess = asked.failed || both.failed ? NULL : first_excess(&req->arena, &asked, &both);
    return CR_FAIL(err, CR_INVALID, "Not assigning requested scopes %s not held by User %s", excess ? excess : "that are too many", person->name);
}

/* Seconds; 0: no end. false: replied. */
static bool read_life(cr_request *req, int64_t *ret_s) {
    const json_t *value = json_object_get(req->json, "expires_in");
    *ret_s = 0;
    if (!value || json_is_null(value))
        return true;
    int64_t s = json_integer_value(value);
    if (!json_is_integer(value))
        cr_reply_error(req, 400, "token expires_in must be null or integer", "");
    else if (s < 1)
        cr_rest_reply(req, 400, "expires_in must be a positive integer or null, not %lld", (long long)s);
    else if (s > LIFE_MAX_S)
        cr_reply_error(req, 400, "expires_in is too large", "null means that it does not expire");
    else {
        *ret_s = s;
        return true;
    }
    return false;
}

/* JupyterHub's words for what the person's right to this is; the same for nobody and for somebody else. */
static bool find_new_owner(cr_request *req, cr_person *person) {
    cr_err err = CR_ERR_INIT;
    cr_removal_row removal = {0};
    cr_hub *hub = cr_hub_of(req);
    cr_status status = cr_person_find(hub->db, req->param[0], person, &err);
    if (status == CR_OK)
        status = cr_removal_find(hub, person->id, &removal, &err);
    if (status != CR_OK && status != CR_NOT_FOUND) {
        cr_reply_err(req, &err);
        return false;
    }
    if (status == CR_OK && !removal.wanted && cr_rest_may(req, CR_SCOPE_TOKENS, CR_SCOPE_USER, person->name))
        return true;
    cr_rest_reply(req, 403, "%s %.80s not found or no permissions to generate tokens", cr_caller_of(req)->service ? "Service" : "User", req->param[0]);
    return false;
}

/* Ends the transaction. */
static cr_status issue(cr_request *req, const cr_person *person, const cr_token *what, int64_t life_s, const char *note, char token[CR_TOKEN_LEN + 1],
                       int64_t *ret_id, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    char detail[80];
    cr_actor who;
    cr_actor_of(req, &who);
    cr_status status = cr_token_issue(hub->db, what, NULL, life_s * 1000, note, token, err);
    *ret_id = cr_db_last_id(hub->db);
    snprintf(detail, sizeof detail, "a%lld%s", (long long)*ret_id, what->scopes ? ", with scopes of its own" : "");
    return cr_audit_end(hub, &who, status, CR_AUDIT_TOKEN_MADE, person->name, detail, err);
}

cr_status cr_rest_issue_token(cr_request *req, const cr_person *person, const json_t *list, int64_t life_s, const char *note, json_t **ret_model,
                              cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    char token[CR_TOKEN_LEN + 1];
    int64_t n = 0;
    cr_status status = cr_token_count(hub->db, person->id, &n, err);
    if (status == CR_OK && n >= CR_TOKENS_MAX)
        status = CR_FAIL(err, CR_INVALID, "%s has %d tokens already: take some away first", person->name, CR_TOKENS_MAX);
    if (status == CR_OK && list)
        status = check_scopes(req, person, list, err);
    char *text = status == CR_OK && list ? json_dumps(list, JSON_COMPACT) : NULL;
    const cr_caller *c = cr_caller_of(req);
    const cr_token what = {.kind = CR_TOKEN_API, .user_id = person->id, .scopes = text, .made_by = c->service ? 0 : c->person.id,
                           .made_with = c->by_token ? c->token.id : 0, .made_by_service = c->service ? c->service->name : NULL};
    int64_t id = 0;
    if (status == CR_OK)
        status = cr_db_begin(hub->db, err);
    if (status == CR_OK)
        status = issue(req, person, &what, life_s, note, token, &id, err);
    free(text);
    CR_TRY(status);
    models m = {.hub = hub, .person = person, .list = json_array()};
    status = cr_token_list(hub->db, person->id, id, add_model, &m, &n, err);
    models_done(&m);
    if (status == CR_OK && json_array_size(m.list) == 0)
        status = CR_FAIL(err, CR_INTERNAL, "the new token is not there");
    if (status == CR_OK) {
        *ret_model = json_incref(json_array_get(m.list, 0));
        json_object_set_new(*ret_model, "token", json_string(token));
    }
    explicit_bzero(token, sizeof token);
    json_decref(m.list);
    return status;
}

void cr_api_token_make(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    cr_person person;
    int64_t life_s;
    json_t *model = NULL;
    cr_err err = CR_ERR_INIT;
    if (json_is_array(req->json) && json_array_size(req->json)) {
        cr_reply_error(req, 400, "Body must be a JSON dict or empty", "");
        return;
    }
    if (c->token.client[0]) {      /* it would outlive the sign-in, and could hold more */
        char hint[CR_URL_MAX];
        snprintf(hint, sizeof hint, "make one at %s/hub/token", cr_hub_of(req)->hub_url);
        cr_reply_error(req, 403, "a program that somebody has signed in to makes no tokens", hint);
        return;
    }
    if (!find_new_owner(req, &person) || !check_texts(req, "roles") || !check_texts(req, "scopes") || !read_life(req, &life_s))
        return;
    const json_t *given = json_object_get(req->json, "note");
    char note[NOTE_MAX + 1];
    if (given && !json_is_string(given) && !json_is_null(given)) {
        cr_reply_error(req, 400, "token note must be null or a string", "");
        return;
    }
    snprintf(note, sizeof note, "%s", json_is_string(given) ? json_string_value(given) : "");
    if (json_is_string(given) && strlen(json_string_value(given)) > NOTE_MAX) {
        cr_rest_reply(req, 400, "token note must have at most %d bytes", NOTE_MAX);
        return;
    }
    if (!note[0])
        snprintf(note, sizeof note, "Requested via api%s%s", c->person.id == person.id ? "" : c->service ? " by " : " by user ",
                 c->person.id == person.id ? "" : c->person.name);
    json_t *scopes = NULL;
    cr_status status = read_scopes(cr_hub_of(req), req->json, &scopes, &err);
    if (status == CR_OK)
        status = cr_rest_issue_token(req, &person, scopes, life_s, note, &model, &err);
    json_decref(scopes);
    cr_text_clean(err.message);  /* a name may have been cut inside a character */
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "token made", "by=%s user=%s token=%s", c->person.name, person.name, json_string_value(json_object_get(model, "id")));
    cr_reply_json(req, 201, model);
}
