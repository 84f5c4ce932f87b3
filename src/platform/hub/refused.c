/* refused.c - people who proved who they are and lack the membership: what they are told, and what the administrator sees of them. */
#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/hub.h"

enum { LIST_ROWS = 200 };

static const char *what_it_takes(const cr_provider_rule *r, char *buf, size_t size) {
    switch (r->kind) {
    case CR_RULE_ALLOW_EMAIL: snprintf(buf, size, r->text[0] == '@' ? N_("a verified e-mail address that ends with %s") : N_("the verified e-mail address %s"), r->text); return buf;
    case CR_RULE_ALLOW_SUBJECT: return N_("to be named in the hub's settings");
    default: return r->text;
    }
}

static json_t *requirements(const cr_provider *p) {
    json_t *list = json_array();
    bool named = false;
    for (int i = 0; i < p->n_rules; i++) {
        const cr_provider_rule *r = &p->rules[i];
        char text[360];
        /* Who else is let in by name is nobody's business. */
        if (r->kind == CR_RULE_ADMIN || r->kind == CR_RULE_ADMIN_SUBJECT || (r->kind == CR_RULE_ALLOW_SUBJECT && named) ||
            (r->kind == CR_RULE_ALLOW_EMAIL && r->text[0] != '@'))
            continue;
        named = named || r->kind == CR_RULE_ALLOW_SUBJECT;
        json_array_append_new(list, json_pack("{s:s}", "text", what_it_takes(r, text, sizeof text)));
    }
    return list;
}

/* The likeliest reason, from the best fit of anything received with anything required. */
static const char *explain(const cr_provider *p, const cr_oidc_who *who, char *buf, size_t size) {
    cr_entitlement_fit best = CR_FIT_NONE;
    const char *value = "";
    for (int i = 0; i < p->n_rules; i++)
        for (int k = 0; p->rules[i].kind == CR_RULE_ALLOW && k < who->n_groups; k++) {
            cr_entitlement_fit fit = cr_entitlement_compare(p->rules[i].text, who->groups[k]);
            if (fit > best) {
                best = fit;
                value = who->groups[k];
            }
        }
    switch (best) {
    case CR_FIT_AUTHORITY:
        snprintf(buf, size, N_("You are a member of the right group, but at another instance of the service: %.300s. Register at the instance that this hub uses."), value);
        return buf;
    case CR_FIT_ROLE:
        snprintf(buf, size, N_("You are in the right group, but with another role: %.300s. Ask the managers of the group for the role that is required."), value);
        return buf;
    case CR_FIT_SUBGROUP:
        snprintf(buf, size, N_("You are in a part of the group (%.300s), but not in the group that is required."), value);
        return buf;
    default: break;
    }
    if (!who->has_groups)
        return N_("No group at all was received for you. Either you are a member of none, or your application still waits for approval.");
    if (who->n_groups == 0)
        return N_("You are a member of no group yet. If you have applied, your application still waits for approval.");
    return N_("You are a member of other groups only. If you have applied for this one, your application still waits for approval; it may also have gone to "
              "another group by mistake.");
}

void cr_refused_page(cr_request *req, const cr_provider *p, const cr_oidc_who *who) {
    char again[64 + CR_PROVIDER_NAME_MAX], why[640];
    json_t *groups = json_array();
    for (int i = 0; i < who->n_groups; i++)
        json_array_append_new(groups, json_pack("{s:s}", "text", who->groups[i]));
    snprintf(again, sizeof again, "/hub/signin/%s", p->name);
    cr_site_page(req, 403, "refused",
                 json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:s}", "label", p->label, "issuer", p->issuer, "name", who->name, "shown",
                           who->shown, "email", who->email, "subject", who->subject, "claim", p->groups_claim, "groups", groups, "required",
                           requirements(p), "apply_url", p->apply_url, "contact", p->contact, "again", again, "why",
                           explain(p, who, why, sizeof why)));
}

static void add_row(void *user, const cr_refusal *r) {
    json_t *groups = json_array();
    char first[24], last[24];
    int64_t now = cr_wall_ms();
    for (const char *line = r->received; *line;) {
        size_t n = strcspn(line, "\n");
        json_array_append_new(groups, json_pack("{s:s%}", "text", line, n));
        line += n + (line[n] == '\n');
    }
    json_array_append_new(user, json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:I, s:b, s:s, s:s}", "id", (json_int_t)r->id, "provider", r->provider, "subject",
                                          r->subject, "name", r->name, "shown", r->shown, "email", r->email, "groups", groups, "has_groups",
                                          r->received[0] != 0, "times", (json_int_t)r->times, "several", r->times > 1, "first", cr_text_duration(CR_MAX(now - r->first_ms, 0), first, sizeof first), "last",
                                          cr_text_duration(CR_MAX(now - r->last_ms, 0), last, sizeof last)));
}

json_t *cr_refused_rows(cr_hub *hub) {
    json_t *rows = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_refusal_list(hub->db, LIST_ROWS, add_row, rows, &err) == CR_OK)
        return rows;
    json_decref(rows);
    return NULL;
}
