/* shares.c - giving others rights at a server. */
#include "platform/hub/shares.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/identity/groups.h"

char *cr_shares_accept_path(const char *code, char buf[CR_TOKEN_LEN + 64]) {
    snprintf(buf, CR_TOKEN_LEN + 64, "/hub/accept-share?code=%s", code);
    return buf;
}

char *cr_shares_full_name(const cr_lab *s, char buf[CR_NAME_MAX + CR_ACCOUNT_MAX + 2]) {
    snprintf(buf, CR_NAME_MAX + CR_ACCOUNT_MAX + 2, "%s/%s", s->user, s->name);
    return buf;
}

bool cr_shares_may(cr_request *req, cr_scope scope, const cr_lab *s) {
    char full[CR_NAME_MAX + CR_ACCOUNT_MAX + 2];
    return cr_rest_may(req, scope, CR_SCOPE_SERVER, cr_shares_full_name(s, full));
}

/* ---- scopes ---- */

/* How long the name is; 0 with CR_INVALID when the text is none that can be given. */
static size_t name_of(const cr_lab *s, const char *text, cr_err *err) {
    char full[CR_NAME_MAX + CR_ACCOUNT_MAX + 2], filter[CR_NAME_MAX + CR_ACCOUNT_MAX + 16];
    size_t n = text ? strcspn(text, "!") : 0;
    if (!text) {
        (void)CR_FAIL(err, CR_INVALID, "scopes is a list of texts");
        return 0;
    }
    if (cr_scope_check(text, err) != CR_OK)
        return 0;
    snprintf(filter, sizeof filter, "!server=%s", cr_shares_full_name(s, full));
    if (!text[n] || strcmp(text + n, filter) == 0)
        return n;
    (void)CR_FAIL(err, CR_INVALID, "%s not allowed on sharing %s, only %s", text + n, text, filter);
    return 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

cr_status cr_shares_names(const cr_lab *s, const json_t *texts, char **ret_json, cr_err *err) {
    cr_auto_arena cr_arena arena;
    const char *names[CR_SHARE_SCOPES_MAX];
    size_t n = json_array_size(texts);
    cr_arena_init(&arena, 64 << 10);
    if (n > CR_SHARE_SCOPES_MAX)
        return CR_FAIL(err, CR_INVALID, "at most %d scopes", CR_SHARE_SCOPES_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        size_t len = name_of(s, text, err);
        if (!len)
            return CR_INVALID;
        names[i] = cr_arena_printf(&arena, "%.*s", (int)len, text);
        if (!names[i])
            return CR_FAIL(err, CR_MEMORY, "no memory for scopes");
    }
    qsort(names, n, sizeof *names, by_text);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            json_array_append_new(list, json_string(names[i]));
    *ret_json = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return *ret_json ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for scopes");
}

/* Nobody gives what they have not got. */
static cr_status check_held(cr_request *req, const cr_lab *s, const char *names, cr_err *err) {
    char full[CR_NAME_MAX + CR_ACCOUNT_MAX + 2], text[CR_SCOPE_TEXT_MAX + 1];
    cr_scopes one;
    cr_shares_full_name(s, full);
    json_t *list = json_loads(names, 0, NULL);
    cr_status status = CR_OK;
    for (size_t i = 0; status == CR_OK && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        bool held = false;
        snprintf(text, sizeof text, "%s!server=%s", name, full);
        cr_scopes_init(&one, &req->arena);
        cr_scopes_add(&one, text, &(cr_scope_owner){0});
        for (int k = 0; k < CR_SCOPE_COUNT && !held; k++)
            held = strcmp(cr_scope_name((cr_scope)k), name) == 0 && cr_rest_may(req, (cr_scope)k, CR_SCOPE_SERVER, full);
        for (int k = 0; k < CR_SCOPE_COUNT && held; k++)      /* and all that lies below it */
            held = !cr_scopes_mention(&one, (cr_scope)k) || cr_rest_may(req, (cr_scope)k, CR_SCOPE_SERVER, full);
        if (!held)
            status = CR_FAIL(err, CR_DENIED, "Do not have permission to grant share with scope %s", text);
    }
    json_decref(list);
    return status;
}

/* ---- to whom ---- */

static cr_status find_person(cr_request *req, const char *name, int64_t *ret_id, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_person p;
    cr_removal_row removal = {0};
    if (!cr_rest_may(req, CR_SCOPE_READ_USERS_NAME, CR_SCOPE_USER, name))
        return CR_FAIL(err, CR_DENIED, "Need scope 'read:users:name' to share with users by name");
    cr_status status = cr_person_find(hub->db, name, &p, err);
    if (status == CR_OK)
        status = cr_removal_find(hub, p.id, &removal, err);
    if (status == CR_NOT_FOUND || (status == CR_OK && removal.wanted))
        return CR_FAIL(err, CR_INVALID, "No such user: %.80s", name);
    *ret_id = p.id;
    return status;
}

static cr_status find_group(cr_request *req, const char *name, int64_t *ret_id, cr_err *err) {
    if (!cr_rest_may(req, CR_SCOPE_READ_GROUPS_NAME, CR_SCOPE_GROUP, name))
        return CR_FAIL(err, CR_DENIED, "Need scope 'read:groups:name' to share with groups by name");
    cr_status status = cr_group_find(cr_hub_of(req)->db, name, ret_id, err);
    return status == CR_NOT_FOUND ? CR_FAIL(err, CR_INVALID, "No such group: %.80s", name) : status;
}

static cr_status give(cr_request *req, const cr_lab *s, const cr_share_wish *wish, const char *names, int64_t *ret_id,
                      char ret_code[CR_TOKEN_LEN + 1], cr_err *err) {
    const cr_caller *c = cr_caller_of(req);
    const cr_share_giver giver = {c->service ? 0 : c->person.id, c->by_token ? c->token.id : 0, c->service ? c->service->name : NULL};
    cr_db *db = cr_hub_of(req)->db;
    int64_t user = 0, group = 0;
    cr_actor who;
    cr_audit_text detail;
    cr_actor_of(req, &who);
    CR_TRY(check_held(req, s, names, err));
    if (wish->user[0])
        CR_TRY(find_person(req, wish->user, &user, err));
    else if (wish->group[0])
        CR_TRY(find_group(req, wish->group, &group, err));
    CR_TRY(cr_db_begin(db, err));
    bool code = !user && !group;
    cr_status status = code ? cr_share_code_make(db, s->id, names, wish->life_s, &giver, ret_id, ret_code, err)
                            : cr_share_give(db, s->id, user, group, names, &giver, ret_id, err);
    snprintf(detail, sizeof detail, "server %s/%s, %s", s->user, s->name, names);
    if (code && status == CR_OK)
        snprintf(detail, sizeof detail, "sc_%lld, server %s/%s, %s", (long long)*ret_id, s->user, s->name, names);
    return cr_audit_end(cr_hub_of(req), &who, status, code ? CR_AUDIT_SHARE_LINK : CR_AUDIT_SHARE_GIVEN, code ? s->user : user ? wish->user : wish->group,
                        detail, err);
}

cr_status cr_shares_give(cr_request *req, const cr_lab *s, const cr_share_wish *wish, int64_t *ret_id, char ret_code[CR_TOKEN_LEN + 1], cr_err *err) {
    cr_auto_free char *names = NULL;
    json_t *access = json_pack("[s]", cr_scope_name(CR_SCOPE_ACCESS_SERVERS));
    cr_status status = cr_shares_names(s, json_array_size(wish->scopes) ? wish->scopes : access, &names, err);
    json_decref(access);
    if (status == CR_OK)
        status = give(req, s, wish, names, ret_id, ret_code, err);
    cr_text_clean(err->message);      /* a name may have been cut inside a character */
    return status;
}

/* ---- taking away ---- */

typedef struct taken {
    int64_t n, server_id;         /* of the last */
    char owner[CR_NAME_MAX + 1], guest[CR_GROUP_NAME_MAX + 1];
    char scopes[CR_SHARE_SCOPES_MAX * 32];        /* of the last */
    cr_audit_text detail;
} taken;

/* Of one its scopes are told, of several how many. */
static void add_taken(void *user, const cr_share *row) {
    taken *t = user;
    const char *guest = row->group ? row->group : row->user ? row->user : row->owner;
    t->n++;
    t->server_id = row->server_id;
    snprintf(t->owner, sizeof t->owner, "%s", row->owner);
    snprintf(t->scopes, sizeof t->scopes, "%s", row->scopes);
    snprintf(t->guest, sizeof t->guest, "%s", t->n > 1 ? row->owner : guest);
    if (t->n > 1)
        snprintf(t->detail, sizeof t->detail, "server %s/%s, all %lld", row->owner, row->server, (long long)t->n);
    else if (row->expires_ms)
        snprintf(t->detail, sizeof t->detail, "sc_%lld, server %s/%s, %s", (long long)row->id, row->owner, row->server, row->scopes);
    else
        snprintf(t->detail, sizeof t->detail, "server %s/%s, %s", row->owner, row->server, row->scopes);
}

/* A part of the deed: a share that is gone from the list while its guests stay in would be believed to be gone. */
static cr_status put_guests_out(cr_hub *hub, int64_t server_id, cr_err *err) {
    cr_lab *s;
    CR_TRY(cr_lab_find_by_id(hub, server_id, &s, err));
    CR_TRY(cr_lab_put_guests_out(s, err));
    if (hub->feature)
        hub->feature->signed_out(hub);
    return CR_OK;
}

bool cr_shares_reach(cr_db *db, const cr_lab *s, int64_t user_id) {
    taken t = {0};
    cr_err err = CR_ERR_INIT;
    return cr_share_list(db, &(cr_share_filter){.server_id = s->id, .reaches_id = user_id}, 1, 0, add_taken, &t, &err) == CR_OK && t.n > 0;
}

cr_status cr_shares_remove(cr_request *req, const cr_share_filter *which, int64_t *ret_n, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    taken t = {0};
    cr_actor who;
    cr_actor_of(req, &who);
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = cr_share_list(hub->db, which, CR_SHARES_MAX, 0, add_taken, &t, err);
    if (status == CR_OK)
        status = cr_share_remove(hub->db, which, ret_n, err);
    if (status != CR_OK || t.n == 0)
        return cr_db_end(hub->db, status, err);
    if (!which->codes)
        status = put_guests_out(hub, t.server_id, err);
    return cr_audit_end(hub, &who, status, which->codes ? CR_AUDIT_SHARE_LINK_ENDED : CR_AUDIT_SHARE_TAKEN,
                        strcmp(who.name, t.guest) == 0 ? t.owner : t.guest, t.detail, err);
}

cr_status cr_shares_take(cr_request *req, const cr_lab *s, int64_t user_id, int64_t group_id, const char *names, cr_err *err) {
    cr_db *db = cr_hub_of(req)->db;
    const cr_share_filter which = {.server_id = s->id, .user_id = user_id, .group_id = group_id};
    int64_t n = 0;
    taken t = {0}, left = {0};
    cr_actor who;
    if (!names)
        return cr_shares_remove(req, &which, &n, err);
    cr_actor_of(req, &who);
    CR_TRY(cr_db_begin(db, err));
    cr_status status = cr_share_list(db, &which, 1, 0, add_taken, &t, err);
    if (status == CR_OK)
        status = cr_share_take(db, s->id, user_id, group_id, names, err);
    if (status == CR_OK)
        status = cr_share_list(db, &which, 1, 0, add_taken, &left, err);
    if (t.n == left.n && strcmp(t.scopes, left.scopes) == 0)      /* nothing of that was held */
        return cr_db_end(db, status, err);
    snprintf(t.detail, sizeof t.detail, "server %s/%s, %s", s->user, s->name, names);
    if (status == CR_OK)
        status = put_guests_out(cr_hub_of(req), s->id, err);
    return cr_audit_end(cr_hub_of(req), &who, status, CR_AUDIT_SHARE_TAKEN, t.guest, t.detail, err);
}

/* ---- codes ---- */

cr_status cr_shares_accept(cr_request *req, const char *code, const char *owner, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_actor_of(req, &who);
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, &who, cr_share_code_use(hub->db, code, who.id, err), CR_AUDIT_SHARE_ACCEPTED, owner, "", err);
}
