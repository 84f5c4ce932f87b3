/* given.c - looks whether the makers of shares and tokens still may. */
#include "platform/hub/given.h"

#include <stdio.h>
#include "base/log.h"
#include "platform/hub/auditing.h"
#include "platform/hub/rest.h"
#include "platform/identity/share.h"

enum { ENDS_AT_ONCE = 100, SCOPES_BYTES = 4 << 20 };

/* One that was made by a person for a server or a person that is not the maker's own. */
typedef struct given {
    int64_t id, owner_id;
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

static cr_status find_ends(makers *m, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(m->hub->db, &q, err,
                         "SELECT w.id, 0, h.id, o.id, o.name, s.name FROM share_makers m JOIN users w ON w.id = m.user_id AND w.admin = 0 JOIN shares h ON "
                         "h.id = m.share_id JOIN servers s ON s.id = h.server_id JOIN users o ON o.id = s.user_id AND o.id <> w.id UNION ALL "
                         "SELECT w.id, 1, t.id, o.id, o.name, '' FROM token_makers m JOIN users w ON w.id = m.user_id AND w.admin = 0 JOIN tokens t ON "
                         "t.id = m.token_id JOIN users o ON o.id = t.user_id AND o.id <> w.id ORDER BY 1", ""));
    while (m->n < ENDS_AT_ONCE && cr_query_next(&q)) {
        given *g = &m->ends[m->n];
        *g = (given){.is_token = cr_query_int(&q, 1), .id = cr_query_int(&q, 2), .owner_id = cr_query_int(&q, 3)};
        snprintf(g->owner, sizeof g->owner, "%s", cr_query_text(&q, 4));
        snprintf(g->server, sizeof g->server, "%s", cr_query_text(&q, 5));
        CR_TRY(read_rights(m, cr_query_int(&q, 0), err));
        if (!still_may(m, g))
            m->n++;
    }
    return m->n == ENDS_AT_ONCE ? CR_OK : cr_query_end(&q, err);
}

/* CR_NOT_FOUND: it has ended with another one. */
static cr_status end_rows(cr_hub *hub, const given *g, cr_err *err) {
    int64_t n = 0;
    if (g->is_token)
        return cr_token_remove(hub->db, g->owner_id, g->id, err);
    for (int codes = 0; codes < 2 && n == 0; codes++)
        CR_TRY(cr_share_remove(hub->db, &(cr_share_filter){.codes = codes, .id = g->id}, &n, err));
    return n ? CR_OK : CR_FAIL(err, CR_NOT_FOUND, "this share has ended");
}

static cr_status end_one(cr_hub *hub, const given *g, cr_err *err) {
    cr_audit_text detail;
    cr_actor who;
    cr_actor_hub(&who);
    snprintf(detail, sizeof detail, g->is_token ? "a%lld: its maker may not make it any more" : "share %lld: its maker may not give it any more", (long long)g->id);
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = cr_audit_end(hub, &who, end_rows(hub, g, err), g->is_token ? CR_AUDIT_TOKEN_REVOKED : CR_AUDIT_SHARE_TAKEN, g->owner, detail, err);
    if (status != CR_NOT_FOUND)
        return status;
    *err = (cr_err)CR_ERR_INIT;
    return CR_OK;
}

void cr_given_check(cr_hub *hub) {
    makers m = {.hub = hub};
    cr_err err = CR_ERR_INIT;
    cr_arena_init(&m.arena, SCOPES_BYTES);
    cr_status status = find_ends(&m, &err);
    for (int i = 0; status == CR_OK && i < m.n; i++)
        status = end_one(hub, &m.ends[i], &err);
    if (status != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking for what was given by rights that are gone", &err);
    cr_arena_done(&m.arena);
}
