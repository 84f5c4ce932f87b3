/* given.c - looks whether the makers of shares and tokens still may. */
#include "platform/hub/given.h"

#include <limits.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "platform/hub/auditing.h"
#include "platform/hub/lab.h"
#include "platform/hub/rest.h"
#include "platform/identity/share.h"

enum { ENDS_AT_ONCE = 100, SCOPES_BYTES = 4 << 20, RIGHTS_BYTES = 1 << 20 };

/* One that was made by a person for a server or a person that is not the maker's own. */
typedef struct given {
    int64_t id, owner_id, server_id;
    bool is_token;
    char owner[CR_NAME_MAX + 1], server[CR_ACCOUNT_MAX + 1];
} given;

typedef struct makers {
    cr_hub *hub;
    int64_t id;               /* whose rights these are; 0: nobody's yet */
    cr_arena arena;
    cr_scopes scopes;
    given ends[ENDS_AT_ONCE];
    int n;
} makers;

static cr_status read_rights(makers *m, int64_t id, cr_err *err) {
    cr_person person;
    if (m->id == id)
        return CR_OK;
    CR_TRY(cr_person_get(m->hub->db, id, &person, err));
    cr_arena_done(&m->arena);
    cr_arena_init(&m->arena, SCOPES_BYTES);
    cr_scopes_init(&m->scopes, &m->arena);
    cr_rest_person_scopes(m->hub, &person, &m->scopes);
    m->id = id;
    return m->scopes.failed ? CR_FAIL(err, CR_MEMORY, "no memory for the rights of %s", person.name) : CR_OK;
}

/* Behind what was made with a token stands its maker too, who needed the right to make tokens and none at the server. */
static bool still_may(const makers *m, const given *g) {
    const cr_scope_members members = cr_rest_members(m->hub);
    char full[CR_NAME_MAX + CR_ACCOUNT_MAX + 2];
    snprintf(full, sizeof full, "%s/%s", g->owner, g->server);
    return cr_scopes_allow(&m->scopes, CR_SCOPE_TOKENS, CR_SCOPE_USER, g->owner, &members) ||
           (!g->is_token && cr_scopes_allow(&m->scopes, CR_SCOPE_SHARES, CR_SCOPE_SERVER, full, &members));
}

#define COLUMNS_OF_SHARE "SELECT w.id, 0, h.id, o.id, o.name, s.name, s.id "
#define COLUMNS_OF_TOKEN "SELECT w.id, 1, t.id, o.id, o.name, '', 0 "
#define LASTS "(h.expires_ms IS NULL OR h.expires_ms > ?1)"      /* of codes; the others are swept */
#define MAKER "CROSS JOIN users w ON w.id = m.user_id AND w.admin = 0 "

static const char of_everybody[] =
    COLUMNS_OF_SHARE "FROM share_makers m JOIN users w ON w.id = m.user_id AND w.admin = 0 JOIN shares h ON "
    "h.id = m.share_id AND " LASTS " JOIN servers s ON s.id = h.server_id JOIN users o ON o.id = s.user_id AND o.id <> w.id UNION ALL "
    COLUMNS_OF_TOKEN "FROM token_makers m JOIN users w ON w.id = m.user_id AND w.admin = 0 JOIN tokens t ON "
    "t.id = m.token_id JOIN users o ON o.id = t.user_id AND o.id <> w.id ORDER BY 1";

/* What ?2 has made, and what was made by others for ?2. */
static const char of_person[] =
    COLUMNS_OF_SHARE "FROM share_makers m " MAKER "CROSS JOIN shares h ON h.id = m.share_id AND " LASTS " CROSS JOIN servers s ON s.id = h.server_id "
    "CROSS JOIN users o ON o.id = s.user_id AND o.id <> w.id WHERE m.user_id = ?2 UNION ALL "
    COLUMNS_OF_SHARE "FROM servers s CROSS JOIN shares h ON h.server_id = s.id AND " LASTS " CROSS JOIN share_makers m ON m.share_id = h.id " MAKER
    "CROSS JOIN users o ON o.id = s.user_id AND o.id <> w.id WHERE s.user_id = ?2 UNION ALL "
    COLUMNS_OF_TOKEN "FROM token_makers m " MAKER "CROSS JOIN tokens t ON t.id = m.token_id "
    "CROSS JOIN users o ON o.id = t.user_id AND o.id <> w.id WHERE m.user_id = ?2 UNION ALL "
    COLUMNS_OF_TOKEN "FROM tokens t CROSS JOIN token_makers m ON m.token_id = t.id " MAKER
    "CROSS JOIN users o ON o.id = t.user_id AND o.id <> w.id WHERE t.user_id = ?2 ORDER BY 1";

/* The first of them. person 0: of everybody's. */
static cr_status find_ends(makers *m, int64_t person, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    m->n = 0;
    CR_TRY(person ? cr_query_open(m->hub->db, &q, err, of_person, "ii", cr_wall_ms(), person)
                  : cr_query_open(m->hub->db, &q, err, of_everybody, "i", cr_wall_ms()));
    while (m->n < ENDS_AT_ONCE && cr_query_next(&q)) {
        given *g = &m->ends[m->n];
        *g = (given){.is_token = cr_query_int(&q, 1), .id = cr_query_int(&q, 2), .owner_id = cr_query_int(&q, 3), .server_id = cr_query_int(&q, 6)};
        snprintf(g->owner, sizeof g->owner, "%s", cr_query_text(&q, 4));
        snprintf(g->server, sizeof g->server, "%s", cr_query_text(&q, 5));
        CR_TRY(read_rights(m, cr_query_int(&q, 0), err));
        if (!still_may(m, g))
            m->n++;
    }
    return m->n == ENDS_AT_ONCE ? CR_OK : cr_query_end(&q, err);
}

typedef struct puts_out {
    cr_status status;             /* of the first that could not be written */
    cr_err *err;
} puts_out;

static void put_out_there(void *user, cr_lab *s) {
    puts_out *p = user;
    if (p->status == CR_OK)
        p->status = cr_lab_put_guests_out(s, p->err);
}

/* Whoever came in by it; with a token that is to all servers of its person, and to those of others where this person is a guest. */
static cr_status put_out(cr_hub *hub, const given *g, cr_err *err) {
    puts_out p = {CR_OK, err};
    cr_lab *s;
    if (!g->is_token) {
        CR_TRY(cr_lab_find_by_id(hub, g->server_id, &s, err));
        return cr_lab_put_guests_out(s, err);
    }
    CR_TRY(cr_lab_each(hub, g->owner_id, put_out_there, &p, err));
    return p.status == CR_OK ? cr_lab_put_person_out(hub, g->owner_id, err) : p.status;
}

/* CR_NOT_FOUND: it has ended with another one. */
static cr_status end_rows(cr_hub *hub, const given *g, cr_err *err) {
    int64_t n = 0;
    CR_TRY(put_out(hub, g, err));
    if (g->is_token)
        return cr_token_remove(hub->db, g->owner_id, g->id, err);
    for (int codes = 0; codes < 2 && n == 0; codes++)
        CR_TRY(cr_share_remove(hub->db, &(cr_share_filter){.codes = codes, .id = g->id}, &n, err));
    return n ? CR_OK : CR_FAIL(err, CR_NOT_FOUND, "this share has ended");
}

static cr_status end_one(cr_hub *hub, const given *g, int *ended, cr_err *err) {
    cr_audit_text detail;
    cr_actor who;
    cr_actor_hub(&who);
    snprintf(detail, sizeof detail, g->is_token ? "a%lld: its maker may not make it any more" : "share %lld: its maker may not give it any more", (long long)g->id);
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = cr_audit_end(hub, &who, end_rows(hub, g, err), g->is_token ? CR_AUDIT_TOKEN_REVOKED : CR_AUDIT_SHARE_TAKEN, g->owner, detail, err);
    *ended += status == CR_OK;
    if (status != CR_NOT_FOUND)
        return status;
    *err = (cr_err)CR_ERR_INIT;
    return CR_OK;
}

/* Rounds of what is read at once, until one finds less, or nothing that could be ended; at most so many. */
static cr_status end_rounds(cr_hub *hub, int64_t person, int most, cr_err *err) {
    makers m = {.hub = hub};
    int before, ended = 0;
    cr_arena_init(&m.arena, SCOPES_BYTES);
    cr_status status;
    do {
        before = ended;
        m.id = 0;                 /* rights are read anew: what has ended may have been one */
        status = find_ends(&m, person, err);
        for (int i = 0; status == CR_OK && i < m.n; i++)
            status = end_one(hub, &m.ends[i], &ended, err);
    } while (status == CR_OK && m.n == ENDS_AT_ONCE && ended > before && --most > 0);
    cr_arena_done(&m.arena);
    if (ended && hub->feature)
        hub->feature->signed_out(hub);
    return status;
}

/* May a role reach into the servers of a group's people? Then its holders are guests of whoever leaves the group. */
static bool reaches_people_of_groups(const cr_hub *hub) {
    for (int i = 0; i < hub->roles->n; i++)
        if (cr_role_reaches_groups(&hub->roles->at[i]))
            return true;
    return false;
}

cr_status cr_given_left(cr_hub *hub, int64_t user_id, cr_err *err) {
    CR_TRY(cr_lab_put_person_out(hub, user_id, err));
    if (reaches_people_of_groups(hub))
        CR_TRY(cr_lab_put_visitors_out(hub, user_id, err));
    return end_rounds(hub, user_id, INT_MAX, err);
}

cr_status cr_given_group_left(cr_hub *hub, cr_err *err) { return end_rounds(hub, 0, INT_MAX, err); }

cr_status cr_given_before_loss(cr_hub *hub, int64_t user_id, const cr_identity_loss *loss, cr_err *err) {
    if (!loss->admin)
        return CR_OK;
    CR_TRY(cr_lab_put_person_out(hub, user_id, err));
    return cr_lab_put_given_out(hub, user_id, err);
}

cr_status cr_given_after_loss(cr_hub *hub, int64_t user_id, const cr_identity_loss *loss, cr_err *err) {
    if (loss->group)
        CR_TRY(cr_given_left(hub, user_id, err));
    if ((loss->group || loss->admin) && hub->feature)
        hub->feature->signed_out(hub);
    return CR_OK;
}

/* ---- what the operator's files give ---- */

static void add_list(cr_buf *text, const char *key, const char *first, size_t size, int n) {
    for (int i = 0; i < n; i++)
        cr_buf_addf(text, "%s %s\n", key, first + size * (size_t)i);
}

/* All that can let somebody into a server; names have no line breaks. */
static cr_status rights_text(const cr_hub *hub, cr_buf *text, cr_err *err) {
    for (int i = 0; i < hub->roles->n; i++) {
        const cr_role *r = &hub->roles->at[i];
        cr_buf_addf(text, "role %s\n", r->name);
        add_list(text, "scope", r->scopes[0], sizeof r->scopes[0], r->n_scopes);
        add_list(text, "user", r->users[0], sizeof r->users[0], r->n_users);
        add_list(text, "group", r->groups[0], sizeof r->groups[0], r->n_groups);
        add_list(text, "service", r->services[0], sizeof r->services[0], r->n_services);
    }
    for (int i = 0; i < hub->services->n; i++) {
        const cr_service *s = &hub->services->at[i];
        char token[2 * CR_HASH_BYTES + 1];
        cr_hex(s->token, sizeof s->token, token);
        cr_buf_addf(text, "service %s %d %s\n", s->name, (int)s->admin, token);
        add_list(text, "scope", s->scopes[0], sizeof s->scopes[0], s->n_scopes);
        add_list(text, "allowed", s->allowed[0], sizeof s->allowed[0], s->n_allowed);
    }
    return cr_buf_check(text, err);
}

/* ret_known: the same that the hub before this one has written down. */
static cr_status look_at_rights(cr_hub *hub, const unsigned char hash[CR_HASH_BYTES], bool *ret_known, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT 1 FROM given_rights WHERE hash = ?", "b", hash, (size_t)CR_HASH_BYTES));
    *ret_known = cr_query_next(&q);
    return *ret_known ? CR_OK : cr_query_end(&q, err);
}

static cr_status new_rights(cr_hub *hub, const unsigned char hash[CR_HASH_BYTES], bool *ret_first, cr_err *err) {
    CR_TRY(cr_lab_put_all_visitors_out(hub, err));
    CR_TRY(cr_db_run(hub->db, err, "DELETE FROM given_rights", ""));
    *ret_first = cr_db_changes(hub->db) == 0;
    return cr_db_run(hub->db, err, "INSERT INTO given_rights (hash) VALUES (?)", "b", hash, (size_t)CR_HASH_BYTES);
}

/* Files are read when cratond starts. Whom they do not let in any more is not looked for one by one: all guests are cut once, and who still may comes back. */
static cr_status compare_rights(cr_hub *hub, cr_err *err) {
    cr_auto_buf cr_buf text;
    unsigned char hash[CR_HASH_BYTES];
    cr_buf_init(&text, RIGHTS_BYTES);
    CR_TRY(rights_text(hub, &text, err));
    cr_token_hash(cr_buf_str(&text), hash);
    CR_TRY(look_at_rights(hub, hash, &hub->rights_known, err));
    if (hub->rights_known)
        return CR_OK;
    bool first = false;
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_db_end(hub->db, new_rights(hub, hash, &first, err), err));
    hub->rights_known = true;
    if (!first)
        cr_log(CR_LOG_INFO, "roles or services are not what they were: guests of servers are put out once", NULL);
    return CR_OK;
}

void cr_given_check(cr_hub *hub) {
    cr_err err = CR_ERR_INIT;
    if (!hub->rights_known && compare_rights(hub, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking whether roles and services are what they were", &err);
    err = (cr_err)CR_ERR_INIT;
    if (cr_lab_put_ended_tokens_out(hub, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "putting out who came with a token that has ended", &err);
    err = (cr_err)CR_ERR_INIT;
    if (end_rounds(hub, 0, 1, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking for what was given by rights that are gone", &err);
}
