/* oauth_service.c - what a service is given by who signs in to it, and the page that asks.
 *
 * A token of a service is what its person was shown: the scopes that the service asks for (all that its settings allow, or those of the
 * request), met with what the person may at that moment. Rights that the person gains later are not in it; those that the person or the
 * service loses are gone from it at once (cr_oauth_service_scopes).
 */
#include "platform/hub/oauth.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/again.h"
#include "platform/hub/auditing.h"
#include "platform/hub/rest.h"
#include "platform/hub/scope_words.h"
#include "platform/identity/provider.h"

enum { TEXTS_MAX = 1000, WORD_MAX = CR_SCOPE_TEXT_MAX };

void cr_oauth_service_scopes(cr_hub *hub, const cr_person *person, const char *client, const char *texts, const cr_scopes *of_person, cr_scopes *out) {
    const cr_service *service = cr_service_named(hub->services, client);
    const cr_scope_owner owner = {.user = person->name, .service = client};
    const cr_scope_members members = cr_rest_members(hub);
    cr_scopes held, allowed, both;
    if (!service || !service->redirect[0] || !texts)
        return;
    cr_scopes_init(&held, out->arena);
    cr_scopes_init(&allowed, out->arena);
    cr_scopes_init(&both, out->arena);
    json_t *list = json_loads(texts, 0, NULL);
    for (size_t i = 0; i < json_array_size(list); i++)
        cr_scopes_add(&held, json_string_value(json_array_get(list, i)), &owner);
    json_decref(list);
    cr_service_add_allowed(service, person->name, &allowed);
    cr_scopes_intersect(&both, &held, &allowed, &members);
    cr_scopes_intersect(out, &both, of_person, &members);
}

/* ---- what is asked for ---- */

/* The words of the parameter scope, in a set; false: one is no scope, or not for people's programs. */
static bool read_words(const char *text, const cr_scope_owner *owner, cr_scopes *set) {
    char word[WORD_MAX + 1];
    for (size_t n; *text; text += n) {
        text += strspn(text, " ");
        n = strcspn(text, " ");
        if (n == 0)
            continue;
        if (n > WORD_MAX)
            return false;
        memcpy(word, text, n);
        word[n] = 0;
        if (strcmp(word, "identify") == 0)      /* what clients of old hubs say for: nothing more */
            continue;
        if (cr_scope_check(word, NULL) != CR_OK || cr_starts_with(word, "inherit"))
            return false;
        cr_scopes_add(set, word, owner);
    }
    return !set->failed;
}

/* false: more than the service is allowed. */
static bool read_wish(cr_request *req, const cr_service *service, cr_scopes *wish) {
    const char *me = cr_caller_of(req)->person.name;
    const cr_scope_owner owner = {.user = me, .service = service->name};
    const cr_scope_members members = cr_rest_members(cr_hub_of(req));
    cr_scopes allowed, both;
    cr_scopes_init(&allowed, &req->arena);
    cr_scopes_init(&both, &req->arena);
    cr_service_add_allowed(service, me, &allowed);
    if (cr_pairs_count(&req->query, "scope") == 0) {
        *wish = allowed;
        return !wish->failed;
    }
    cr_service bare = *service;      /* what every client is given */
    bare.n_allowed = 0;
    cr_service_add_allowed(&bare, me, wish);
    if (cr_pairs_count(&req->query, "scope") > 1 || !read_words(cr_oauth_arg(&req->query, "scope"), &owner, wish))
        return false;
    cr_scopes_intersect(&both, wish, &allowed, &members);
    return cr_scopes_equal(&both, wish);
}

/* The set as a JSON list in the arena; NULL: replied. */
static const char *texts_of(cr_request *req, const cr_scopes *set) {
    json_t *list = cr_scopes_list(set);
    bool fits = !set->failed && json_array_size(list) <= TEXTS_MAX;
    cr_auto_free char *text = fits ? json_dumps(list, JSON_COMPACT) : NULL;
    const char *kept = text ? cr_arena_strdup(&req->arena, text) : NULL;
    json_decref(list);
    if (!fits)
        cr_reply_error(req, 403, "what you may do is too much to be given to a service", "ask the operator to allow the service less");
    else if (!kept)
        cr_reply_error(req, 507, "no memory", "");
    return kept;
}

/* ---- agreeing ---- */

/* Names what the page has shown: a form for something else is not agreed to. */
static void mark_of(const char *texts, char mark[2 * CR_HASH_BYTES + 1]) {
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(texts, hash);
    cr_hex(hash, sizeof hash, mark);
}

/* Before, to the same, by this person, and it lasts. */
static cr_status has_agreed(cr_request *req, const cr_service *service, const char *texts, bool *ret_agreed, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(cr_hub_of(req)->db, &q, err,
                         "SELECT 1 FROM tokens WHERE client = ? AND user_id = ? AND kind = 'oauth' AND expires_ms > ? AND scopes = ? LIMIT 1", "tiit",
                         service->name, cr_caller_of(req)->person.id, cr_wall_ms(), texts));
    *ret_agreed = cr_query_next(&q);
    return *ret_agreed ? CR_OK : cr_query_end(&q, err);
}

static void show(cr_request *req, const cr_oauth_client *client, const char *texts, json_t *sentences) {
    char mark[2 * CR_HASH_BYTES + 1], origin[320] = "";
    cr_auto_buf cr_buf no;
    cr_buf_init(&no, 4 * CR_HTTP_TARGET_MAX);
    cr_buf_addf(&no, "%s?error=access_denied&state=", client->redirect);
    cr_percent_encode(&no, cr_oauth_arg(&req->query, "state"), NULL);
    mark_of(texts, mark);
    if (cr_url_origin(client->redirect, origin, NULL) != CR_OK)      /* looked at when the settings were read */
        origin[0] = 0;
    cr_site_page(req, 200, "enter_service", json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:O}", "service", client->service->name, "origin", origin, "mark", mark,
                                                      "target", req->target, "no", cr_buf_str(&no), "has_scopes", json_array_size(sentences) > 0,
                                                      "scopes", sentences));
}

/* false: replied. */
static bool agrees(cr_request *req, const cr_oauth_client *client, const char *texts, json_t *sentences) {
    char mark[2 * CR_HASH_BYTES + 1];
    bool agreed = client->service->no_confirm;
    cr_err err = CR_ERR_INIT;
    mark_of(texts, mark);
    if (!agreed && req->method == CR_POST)
        agreed = strcmp(cr_request_field(req, "agreed"), mark) == 0;
    if (!agreed && has_agreed(req, client->service, texts, &agreed, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return false;
    }
    if (!agreed)
        show(req, client, texts, sentences);
    return agreed;
}

bool cr_oauth_let_into_service(cr_request *req, const cr_oauth_client *client, const char **ret_scopes) {
    const cr_service *service = client->service;
    const cr_person *me = &cr_caller_of(req)->person;
    const cr_scope_members members = cr_rest_members(cr_hub_of(req));
    cr_scopes wish, granted;
    cr_scopes_init(&wish, &req->arena);
    cr_scopes_init(&granted, &req->arena);
    if (!cr_rest_may(req, CR_SCOPE_ACCESS_SERVICES, CR_SCOPE_SERVICE, service->name)) {
        cr_audit_refused(req, CR_AUDIT_SERVICE_ENTERED, "", service->name);
        cr_log_often(CR_LOG_WARN, "sign-in at a service refused", "user=%s service=%s", me->name, service->name);
        cr_reply_error(req, 403, "you may not sign in to this service", "ask the administrators of this hub for access to it");
        return false;
    }
    if (!read_wish(req, service, &wish)) {
        cr_oauth_return(req, client, "error", "invalid_scope", cr_oauth_arg(&req->query, "state"));
        return false;
    }
    cr_scopes_intersect(&granted, &wish, cr_rest_scopes(req), &members);
    if (!(*ret_scopes = texts_of(req, &granted)))
        return false;
    json_t *sentences = cr_scope_sentences(&granted, me->name);
    bool go_on = false;
    if (json_array_size(sentences) > 0 && !cr_again_is_proved(req))      /* an administrator's rights are not given away by an old session */
        cr_again_show(req, 403, "");
    else
        go_on = agrees(req, client, *ret_scopes, sentences);
    json_decref(sentences);
    return go_on;
}
