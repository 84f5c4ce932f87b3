/* visits.c - the header, and what was noted last. */
#include "platform/hub/visits.h"

#include "base/clock.h"
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

/* Services have no numbers for their tokens: each has its place in the table below zero. */
static int64_t visitor(const cr_caller *c) { return c->service ? c->person.id : c->token.id; }

static bool is_noted(cr_hub *hub, const cr_caller *c, int64_t server_id) {
    const int64_t now = cr_now_ms();
    for (int i = 0; i < CR_VISITS_MAX; i++)
        if (hub->visits[i].who == visitor(c) && hub->visits[i].server_id == server_id && now - hub->visits[i].ms < CR_VISIT_PAUSE_MS &&
            memcmp(hub->visits[i].hash, c->token.hash, sizeof c->token.hash) == 0)
            return true;
    return false;
}

bool cr_visits_note(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const cr_caller *c = cr_caller_of(req);
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    /* A server's own opens that server; a browser's was noted when it was given. */
    if (!c->by_token || c->token.kind == CR_TOKEN_SERVER || (c->token.kind == CR_TOKEN_OAUTH && !c->token.client[0]))
        return true;
    const cr_lab *s = asking(req);
    if (!s || s->user_id == c->person.id || is_noted(hub, c, s->id) || !cr_shares_may(req, CR_SCOPE_ACCESS_SERVERS, s))
        return true;
    cr_actor_of(req, &who);
    if (cr_audit_write(hub, &who, CR_AUDIT_SERVER_ENTERED, s->user, s->name, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return false;
    }
    hub->visits[hub->next_visit].who = visitor(c);
    hub->visits[hub->next_visit].server_id = s->id;
    hub->visits[hub->next_visit].ms = cr_now_ms();
    memcpy(hub->visits[hub->next_visit].hash, c->token.hash, sizeof c->token.hash);
    hub->next_visit = (hub->next_visit + 1) % CR_VISITS_MAX;
    return true;
}
