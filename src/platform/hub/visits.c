/* visits.c - the header, the table, and what was noted last. */
#include "platform/hub/visits.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/auditing.h"
#include "platform/hub/lab.h"
#include "platform/hub/shares.h"

/* NULL: it does not say, or none such runs. */
static const cr_lab *asking(cr_request *req) {
    const cr_hub *hub = cr_hub_of(req);
    const char *at = cr_request_header(req, "X-Craton-At"), *entry = cr_request_header(req, "X-Craton-Entry");
    int64_t generation;
    void *value;
    if (!at || !entry || strcmp(entry, "api") != 0 || cr_parse_int(at, 1, INT64_MAX, &generation, NULL) != CR_OK)
        return NULL;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));)
        if (((cr_lab *)value)->generation == (uint64_t)generation && ((cr_lab *)value)->state != CR_LAB_STOPPED)
            return value;
    return NULL;
}

/* As the server sees it: JupyterHub's compares scopes as texts, and knows nobody's groups. Who has the right by a group alone is refused there. */
static bool may_enter(cr_request *req, const cr_lab *s) {
    char full[CR_NAME_MAX + CR_ACCOUNT_MAX + 2];
    return cr_scopes_allow(cr_rest_scopes(req), CR_SCOPE_ACCESS_SERVERS, CR_SCOPE_SERVER, cr_shares_full_name(s, full), NULL);
}

/* Services have no numbers for their tokens: each has its place in the table below zero. */
static int64_t visitor(const cr_caller *c) { return c->service ? c->person.id : c->token.id; }

static cr_status add(cr_hub *hub, int64_t server_id, int64_t user_id, const unsigned char *token, cr_err *err) {
    return cr_db_run(hub->db, err, "INSERT OR IGNORE INTO visits (server_id, user_id, token) VALUES (?, nullif(?, 0), nullif(?, x''))", "iib", server_id,
                     CR_MAX(user_id, (int64_t)0), token, token ? (size_t)CR_HASH_BYTES : (size_t)0);
}

cr_status cr_visits_add(cr_hub *hub, int64_t server_id, int64_t user_id, cr_err *err) { return add(hub, server_id, user_id, NULL, err); }

/* Where it was noted last; -1: nowhere. */
static int noted(const cr_hub *hub, const cr_caller *c, int64_t server_id) {
    const int64_t now = cr_now_ms();
    for (int i = 0; i < CR_VISITS_MAX; i++)
        if (hub->visits[i].who == visitor(c) && hub->visits[i].server_id == server_id && now - hub->visits[i].ms < CR_VISIT_PAUSE_MS &&
            memcmp(hub->visits[i].hash, c->token.hash, sizeof c->token.hash) == 0)
            return i;
    return -1;
}

/* in_log: the audit log has it already. */
static cr_status note_rows(cr_request *req, const cr_lab *s, bool in_log, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_actor_of(req, &who);
    CR_TRY(add(hub, s->id, cr_caller_of(req)->person.id, cr_caller_of(req)->service ? NULL : cr_caller_of(req)->token.hash, err));
    return in_log ? CR_OK : cr_audit_write(hub, &who, CR_AUDIT_SERVER_ENTERED, s->user, s->name, err);
}

bool cr_visits_note(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const cr_caller *c = cr_caller_of(req);
    cr_err err = CR_ERR_INIT;
    /* A server's own opens that server; a browser's was noted when it was given. */
    if (!c->by_token || c->token.kind == CR_TOKEN_SERVER || (c->token.kind == CR_TOKEN_OAUTH && !c->token.client[0]))
        return true;
    const cr_lab *s = asking(req);
    if (!s || !may_enter(req, s))
        return true;
    if (s->user_id == c->person.id) {     /* nobody's business, but for the day on which the token ends: no reason to refuse when it cannot be written */
        if (add(hub, s->id, s->user_id, c->token.hash, &err) != CR_OK)
            cr_log_err(CR_LOG_WARN, "noting where a token is used", &err);
        return true;
    }
    int at = noted(hub, c, s->id);
    if (at >= 0 && hub->visits[at].generation == s->generation)
        return true;
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_db_end(hub->db, note_rows(req, s, at >= 0, &err), &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return false;
    }
    if (at < 0) {
        at = hub->next_visit;
        hub->next_visit = (hub->next_visit + 1) % CR_VISITS_MAX;
        hub->visits[at].who = visitor(c);
        hub->visits[at].server_id = s->id;
        hub->visits[at].ms = cr_now_ms();
        memcpy(hub->visits[at].hash, c->token.hash, sizeof c->token.hash);
    }
    hub->visits[at].generation = s->generation;      /* a start forgets who was in before */
    return true;
}
