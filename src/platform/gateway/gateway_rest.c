/* gateway_rest.c - what dask_gateway's client and scheduler ask: /services/dask-gateway/api, in dask-gateway-server's words.
 *
 * People are known by a token of the hub (Authorization: jupyterhub, token, bearer, or basic with their name before it), or by the cookie that a
 * right token was answered with; schedulers by the token of their cluster. Every error is {"error": text}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/gateway/basic.h"
#include "platform/gateway/cluster.h"
#include "platform/gateway/cluster_software.h"
#include "platform/gateway/dashboards.h"
#include "platform/gateway/installed.h"
#include "platform/hub/rest.h"

/* Of the protocol; what get_versions() shows. */
#define PROTOCOL_VERSION "2026.3.0"
enum { WARNING_MAX = 900, COOKIE_LIFE_S = 600, COOKIE_MAX = 128, CALLS_PERSON = 16 };

static cr_gateway *gateway_of(const cr_request *req) { return cr_gateway_of(cr_hub_of(req)); }

static void reply(cr_request *req, int status, const char *format, ...) CR_PRINTF(3, 4);
static void reply(cr_request *req, int status, const char *format, ...) {
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    cr_text_clean(message);
    cr_reply_error(req, status, message, "");
}

/* ---- who is calling ---- */

static const char *token_of(const cr_request *req) {
    static const char *const schemes[] = {"jupyterhub ", "token ", "bearer "};
    const char *value = cr_request_header(req, "Authorization");
    for (size_t i = 0; value && i < CR_ARRAY_LEN(schemes); i++)
        if (strncasecmp(value, schemes[i], strlen(schemes[i])) == 0)
            return value + strlen(schemes[i]) + strspn(value + strlen(schemes[i]), " ");
    return NULL;
}

/* The token of a person's server, and tokens that a person has made: those that inherit, and those with access:services. Not what lies in
 * the pages of a server. */
static bool may_use(cr_request *req, const cr_token *t, const cr_person *p) {
    cr_hub *hub = cr_hub_of(req);
    const char *texts = NULL;
    cr_err err = CR_ERR_INIT;
    cr_scopes set;
    if (p->disabled || t->kind == CR_TOKEN_OAUTH)
        return false;
    if (t->kind == CR_TOKEN_SERVER || !t->narrowed)
        return true;
    if (cr_token_scopes(hub->db, t->id, &req->arena, &texts, &err) != CR_OK)
        return false;
    cr_scopes_init(&set, &req->arena);
    cr_rest_token_scopes(hub, p, &(cr_token_of){t->kind, t->server, t->client}, texts, &set);
    return cr_scopes_allow(&set, CR_SCOPE_ACCESS_SERVICES, CR_SCOPE_SERVICE, "dask-gateway", NULL);
}

/* With the token's hash: its number is given again when the token is gone, perhaps to somebody else's. */
static char *cookie_session(const char *what, const cr_token *t, char out[COOKIE_MAX + 2 * CR_HASH_BYTES + 2]) {
    char hash[2 * CR_HASH_BYTES + 1];
    cr_hex(t->hash, sizeof t->hash, hash);
    snprintf(out, COOKIE_MAX + 2 * CR_HASH_BYTES + 2, "%s.%s", what, hash);
    return out;
}

/* So that the next request needs no second one: TOKEN-ID.EXPIRES.MAC. The token itself is looked for each time. */
static void set_cookie(cr_request *req, const cr_token *t) {
    char what[64], mac[CR_TOKEN_LEN + 1], text[COOKIE_MAX + 320], session[COOKIE_MAX + 2 * CR_HASH_BYTES + 2];
    snprintf(what, sizeof what, "%lld.%lld", (long long)t->id, (long long)(cr_wall_ms() / 1000 + COOKIE_LIFE_S));
    cr_csrf_make(&cr_hub_of(req)->secret, "gateway", cookie_session(what, t, session), mac);
    snprintf(text, sizeof text, CR_GATEWAY_COOKIE "=%s.%s; Path=%s" CR_GATEWAY_PATH "/; Max-Age=%d; HttpOnly; SameSite=Strict", what, mac,
             cr_hub_of(req)->config->base_url, COOKIE_LIFE_S);
    cr_reply_header(req, "Set-Cookie", text);
}

/* Not from a page: browsers say where a request comes from. */
static bool find_by_cookie(cr_request *req, cr_token *t, cr_person *p) {
    const cr_hub *hub = cr_hub_of(req);
    const char *cookie = cr_pairs_count(&req->cookies, CR_GATEWAY_COOKIE) == 1 ? cr_pairs_get(&req->cookies, CR_GATEWAY_COOKIE) : NULL;
    char what[COOKIE_MAX], number[COOKIE_MAX], session[COOKIE_MAX + 2 * CR_HASH_BYTES + 2];
    int64_t id, until;
    if (!cookie || strlen(cookie) >= sizeof what || cr_request_header(req, "Origin") || cr_request_header(req, "Sec-Fetch-Site"))
        return false;
    snprintf(what, sizeof what, "%s", cookie);
    char *mac = strrchr(what, '.');
    if (!mac)
        return false;
    *mac++ = 0;
    const char *expires = strchr(what, '.');
    if (!expires)
        return false;
    snprintf(number, sizeof number, "%.*s", (int)(expires - what), what);
    cr_err err = CR_ERR_INIT;
    return cr_parse_int(number, 1, INT64_MAX, &id, NULL) == CR_OK && cr_parse_int(expires + 1, 1, INT64_MAX, &until, NULL) == CR_OK &&
           until > cr_wall_ms() / 1000 && cr_token_get(hub->db, id, t, p, &err) == CR_OK &&
           cr_csrf_is_right(&hub->secret, "gateway", cookie_session(what, t, session), mac);
}

/* RFC 9110 11.6.1: says what to send. */
static void reply_unknown(cr_request *req, const char *scheme, const char *message) {
    cr_reply_header(req, "WWW-Authenticate", scheme);
    reply(req, 401, "%s", message ? message : "no memory");
}

/* By the header; *ret_token is what was found when it is right. */
static bool find_by_header(cr_request *req, const char *value, cr_token *ret_token, cr_person *ret_person) {
    cr_hub *hub = cr_hub_of(req);
    cr_basic basic;
    cr_err err = CR_ERR_INIT;
    bool is_basic = cr_is_basic(value);
    if (is_basic && !cr_basic_read(value, &basic))
        return false;
    const char *token = is_basic ? basic.token : token_of(req);
    bool known = token && cr_token_find(hub->db, token, ret_token, ret_person, &err) == CR_OK && may_use(req, ret_token, ret_person) &&
                 (!is_basic || cr_basic_is_name_of(&basic, ret_person));
    explicit_bzero(&basic, sizeof basic);
    if (!known)
        return false;
    const char *word = strrchr(value, ' ');        /* as HAProxy takes it */
    cr_gate_tell_holder(req, word ? word + 1 : value);
    cr_tokens_note_use(hub, ret_token);
    set_cookie(req, ret_token);
    return true;
}

/* false: replied. */
static bool needs_caller(cr_request *req, cr_person *ret_person, int64_t *ret_server_id) {
    const char *value = cr_request_header(req, "Authorization");
    cr_token t;
    bool known = value ? find_by_header(req, value, &t, ret_person) : find_by_cookie(req, &t, ret_person) && may_use(req, &t, ret_person);
    if (known && !value)
        cr_gate_tell_holder(req, cr_pairs_get(&req->cookies, CR_GATEWAY_COOKIE));
    if (!known && cr_is_basic(value))
        reply_unknown(req, "Basic", cr_arena_printf(&req->arena, "Name and password do not fit: the password is a token of the hub (made at %s/hub/token), the name "
                                                    "that of its person.", cr_hub_of(req)->hub_url));
    else if (!known)
        reply_unknown(req, "jupyterhub", token_of(req) ? "This token is not known, or is not for Dask clusters."
                                                       : "Send Authorization: jupyterhub TOKEN, with a token of the hub.");
    *ret_server_id = known && t.kind == CR_TOKEN_SERVER ? t.server_id : 0;
    return known;
}

static bool needs_person(cr_request *req, cr_person *ret_person) {
    int64_t server_id;
    return needs_caller(req, ret_person, &server_id);
}

/* Is this the token of a cluster that lives? */
static cr_cluster *by_cluster_token(cr_request *req) {
    cr_cluster *c = cr_cluster_find(gateway_of(req), req->param[0]);
    const char *token = token_of(req);
    if (!c || !token || strlen(token) != CR_TOKEN_LEN || !cr_equal_const(token, c->token, CR_TOKEN_LEN))
        return NULL;
    cr_gate_tell_holder(req, token);
    return c;
}

/* ---- reports ---- */

typedef struct found {
    int64_t user_id;
    json_t *report;
} found;

static void take_one(void *user, int64_t user_id, json_t *report) {
    found *f = user;
    json_decref(f->report);
    *f = (found){user_id, report};
}

/* The cluster of this name is the person's; false: replied. *ret_report may be NULL, else is new. */
static bool needs_own(cr_request *req, const cr_person *person, json_t **ret_report) {
    found f = {0, NULL};
    cr_err err = CR_ERR_INIT;
    bool own = false;
    if (cr_cluster_rows_report(gateway_of(req), 0, ~0u, req->param[0], take_one, &f, &err) != CR_OK)
        cr_reply_err(req, &err);
    else if (!f.report)
        reply(req, 404, "Cluster %.64s not found", req->param[0]);
    else if (f.user_id != person->id)
        reply(req, 403, "Cluster %.64s is not yours", req->param[0]);
    else
        own = true;
    if (own && ret_report)
        *ret_report = f.report;
    else
        json_decref(f.report);
    return own;
}

/* Who waits for the start is told why it failed: the client shows it (GatewayClusterError). false: it did not. */
static bool reply_failure(cr_request *req, const char *name) {
    const char *why = cr_cluster_rows_failure(gateway_of(req), name, &req->arena);
    if (why)
        reply(req, 409, "Cluster %.64s failed: %s", name, why);
    return why != NULL;
}

void cr_gateway_reply_report(cr_request *req, const char *name) {
    if (reply_failure(req, name))
        return;
    found f = {0, NULL};
    cr_err err = CR_ERR_INIT;
    if (cr_cluster_rows_report(gateway_of(req), 0, ~0u, name, take_one, &f, &err) != CR_OK)
        cr_reply_err(req, &err);
    else if (!f.report)
        reply(req, 404, "Cluster %.64s not found", name);
    else
        cr_reply_json(req, 200, f.report);
}

/* ---- requests ---- */

static void on_health(cr_request *req) { cr_reply_json(req, 200, json_pack("{s:s}", "status", "pass")); }
static void on_version(cr_request *req) { cr_reply_json(req, 200, json_pack("{s:s}", "version", PROTOCOL_VERSION)); }

static void on_options(cr_request *req) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (!needs_person(req, &person))
        return;
    json_t *list = cr_options_list(cr_hub_of(req)->config);
    if (cr_cluster_software_list(cr_hub_of(req), person.id, list, &err) == CR_OK) {
        cr_reply_json(req, 200, json_pack("{s:o}", "cluster_options", list));
    } else {
        json_decref(list);
        cr_reply_err(req, &err);
    }
}

static bool read_statuses(cr_request *req, unsigned *ret_statuses) {
    const char *text = cr_pairs_get(&req->query, "status");
    unsigned statuses = text ? 0 : 1u << CR_CLUSTER_PENDING | 1u << CR_CLUSTER_RUNNING;
    while (text) {
        size_t n = strcspn(text, ",");
        cr_cluster_status s;
        if (!cr_cluster_status_parse(text, n, &s)) {
            reply(req, 422, "'%.*s' is not a valid ClusterStatus", (int)CR_MIN(n, (size_t)64), text);
            return false;
        }
        statuses |= 1u << s;
        text = text[n] ? text + n + 1 : NULL;
    }
    *ret_statuses = statuses;
    return true;
}

static void add_report(void *user, int64_t user_id, json_t *report) {
    const char *name = json_string_value(json_object_get(report, "name"));
    if (name)
        json_object_set_new(user, name, report);
    else
        json_decref(report);
}

static void on_list(cr_request *req) {
    cr_person person;
    unsigned statuses;
    cr_err err = CR_ERR_INIT;
    if (!needs_person(req, &person) || !read_statuses(req, &statuses))
        return;
    json_t *all = json_object();
    if (cr_cluster_rows_report(gateway_of(req), person.id, statuses, NULL, add_report, all, &err) == CR_OK) {
        cr_reply_json(req, 200, all);
    } else {
        json_decref(all);
        cr_reply_err(req, &err);
    }
}

/* What is asked for, while somebody looks at the software; in the arena of the request. */
typedef struct submit {
    cr_request *req;
    cr_person person;
    int64_t server_id;
    cr_software_asked asked;
    bool is_option;
    const json_t *given;
} submit;

static void begin_cluster(const submit *s) {
    cr_request *req = s->req;
    cr_hub *hub = cr_hub_of(req);
    cr_cluster_options choice;
    cr_cluster *c;
    json_t *all = NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_options_read(hub->config, s->given, &choice, &all, &err);
    if (status != CR_OK) {
        reply(req, status == CR_INVALID ? 422 : 507, "%s", err.message);
        return;
    }
    memset(choice.software, 0, sizeof choice.software);
    snprintf(choice.software, sizeof choice.software, "%s", s->asked.software);
    if (s->is_option || s->asked.software[0])
        json_object_set_new(all, "software", json_string(s->asked.software[0] ? s->asked.software : CR_SOFTWARE_OWN));
    status = cr_cluster_begin(gateway_of(req), &s->person, s->server_id, &choice, all, &c, &err);
    json_decref(all);
    if (status == CR_OK)
        cr_reply_json(req, 201, json_pack("{s:s}", "name", c->name));
    else if (status == CR_LIMIT || status == CR_CONFLICT)
        reply(req, 409, "%s", err.message);
    else
        cr_reply_err(req, &err);
}

/* Looking may have taken a while: who was disabled or removed meanwhile begins nothing. */
static void on_looked(void *user, const cr_versions *installed, bool late) {
    submit *s = user;
    char why[CR_SOFTWARE_WHY_MAX];
    cr_person now;
    cr_removal_row removal = {0};
    int http;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_person_get(cr_hub_of(s->req)->db, s->person.id, &now, &err);
    if (status == CR_OK)
        status = cr_removal_find(cr_hub_of(s->req), now.id, &removal, &err);
    if (status != CR_OK)
        cr_reply_err(s->req, &err);
    else if (now.disabled || removal.wanted)
        reply(s->req, 403, "%s is disabled.", now.name);
    else if ((http = cr_cluster_software_check(s->req, &s->asked, installed, late, why)))
        reply(s->req, http, "%s", why);
    else
        begin_cluster(s);
}

static void on_submit(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    cr_err err = CR_ERR_INIT;
    submit *s = cr_arena_alloc(&req->arena, sizeof *s);
    if (!s) {
        reply(req, 507, "no memory for a cluster");
        return;
    }
    s->req = req;
    if (!needs_caller(req, &s->person, &s->server_id))
        return;
    cr_software_asked *asked = &s->asked;
    asked->known = s->server_id && cr_versions_of_server(hub->db, s->server_id, &asked->theirs, asked->their_software);
    json_t *given = json_object_get(req->json, "cluster_options");
    s->given = given = json_is_null(given) ? NULL : given;
    cr_status status = cr_cluster_software_take(hub, s->person.id, json_is_object(given) ? given : NULL, asked->their_software, asked->software,
                                                 &s->is_option, &err);
    if (!json_is_object(req->json))
        reply(req, 422, "The body must be an object with cluster_options");
    else if (status != CR_OK)
        reply(req, status == CR_INVALID ? 422 : 507, "%s", err.message);
    else if (cr_installed_ask(gateway_of(req)->installed, asked->software, on_looked, NULL, s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_request_suspend(req);
}

/* ?wait, or ?wait= a whole number that is not 0. */
static bool shall_wait(const cr_request *req) {
    const char *text = cr_pairs_get(&req->query, "wait");
    int64_t n;
    return text && (!*text || (cr_parse_int(text, INT32_MIN, INT32_MAX, &n, NULL) == CR_OK && n));
}

static void on_get(cr_request *req) {
    cr_person person;
    json_t *report;
    if (!needs_person(req, &person) || !needs_own(req, &person, &report))
        return;
    cr_cluster *c = cr_cluster_find(gateway_of(req), req->param[0]);
    if (c && c->status == CR_CLUSTER_PENDING && shall_wait(req)) {
        json_decref(report);
        cr_cluster_wait(c, req);
    } else if (shall_wait(req) && reply_failure(req, req->param[0])) {
        json_decref(report);
    } else {
        cr_reply_json(req, 200, report);
    }
}

static void on_delete(cr_request *req) {
    cr_person person;
    cr_cluster *c = by_cluster_token(req);
    if (c) {                      /* also when it is kept: after an error its scheduler would never ask again */
        cr_cluster_end_idle(c);
        cr_reply_empty(req, 204);
        return;
    }
    if (!needs_person(req, &person))
        return;
    c = cr_cluster_find(gateway_of(req), req->param[0]);
    if (c && c->user_id != person.id) {
        reply(req, 403, "Cluster %.64s is not yours", req->param[0]);
        return;
    }
    if (c)
        cr_cluster_end(c, CR_CLUSTER_STOPPED, "Its person stopped it.");
    cr_reply_empty(req, 204);
}

/* ---- what is passed on to the scheduler ---- */

typedef struct cr_gateway_call {
    struct cr_gateway_call *next;
    cr_gateway *gateway;
    cr_request *req;
    cr_scheduler_call *call;
    char cluster[CR_CLUSTER_NAME_LEN + 1];
    int64_t user_id;
    char warning[WARNING_MAX]; /* "" : all that was asked for is done */
} gateway_call;

static void drop_call(gateway_call *k) {
    gateway_call **at = &k->gateway->calls;
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    free(k);
}

void cr_gateway_drop_calls(cr_gateway *g) {
    while (g->calls) {
        cr_scheduler_call_free(g->calls->call);
        drop_call(g->calls);
    }
}

static void on_passed_on(void *user, bool done) {
    gateway_call *k = user;
    cr_request *req = k->req;
    cr_gateway *g = k->gateway;
    char cluster[sizeof k->cluster];
    memcpy(cluster, k->cluster, sizeof cluster);
    if (done)
        cr_reply_json(req, 200, json_pack("{s:b, s:o}", "ok", !k->warning[0], "msg", k->warning[0] ? json_string(k->warning) : json_null()));
    else
        reply(req, 409, "The scheduler of cluster %s does not answer", cluster);
    drop_call(k);
    cr_cluster *c = done ? NULL : cr_cluster_find(g, cluster);
    if (c)
        cr_cluster_end(c, CR_CLUSTER_FAILED, "The scheduler does not answer the gateway.");
}

/* Steals body. */
static void pass_on(cr_request *req, cr_cluster *c, json_t *body, const char *warning) {
    cr_gateway *g = c->gateway;
    char key[CR_PROXY_MAP_WORD_MAX + 1];
    cr_err err = CR_ERR_INIT;
    int open = 0;
    for (const gateway_call *k = g->calls; k; k = k->next)
        open += k->user_id == c->user_id;
    gateway_call *k = open < CALLS_PERSON ? calloc(1, sizeof *k) : NULL;
    if (!k) {
        json_decref(body);
        reply(req, 503, "Too many requests to schedulers are under way; try again");
        return;
    }
    *k = (gateway_call){.next = g->calls, .gateway = g, .req = req, .user_id = c->user_id};
    snprintf(k->cluster, sizeof k->cluster, "%s", c->name);
    snprintf(k->warning, sizeof k->warning, "%s", warning);
    g->calls = k;
    cr_status status = cr_scheduler_call_start(g->hub->loop, g->schedulers_socket, cr_cluster_api_key(c, key, sizeof key), c->token, body, on_passed_on,
                                               k, &k->call, &err);
    json_decref(body);
    if (status == CR_OK) {
        cr_request_suspend(req);
        return;
    }
    drop_call(k);
    cr_reply_err(req, &err);
}

/* A running cluster of the caller's; NULL: replied. */
static cr_cluster *needs_running(cr_request *req) {
    cr_person person;
    if (!needs_person(req, &person) || !needs_own(req, &person, NULL))
        return NULL;
    cr_cluster *c = cr_cluster_find(gateway_of(req), req->param[0]);
    if (c && c->status == CR_CLUSTER_RUNNING)
        return c;
    const char *why = cr_cluster_rows_reason(gateway_of(req), req->param[0], &req->arena);
    if (c && c->status == CR_CLUSTER_PENDING)
        reply(req, 409, "cluster %.64s is not running yet: its scheduler is being started", req->param[0]);
    else
        reply(req, 409, "cluster %.64s is not running%s%s", req->param[0], why && *why ? ": " : "", why ? why : "");
    return NULL;
}

/* How workers ended since the person was told last: clients show it as a warning. */
static void add_news(cr_cluster *c, char *warning, size_t size) {
    size_t n = strlen(warning);
    if (c->news[0])
        snprintf(warning + n, size - n, "%s%s Its log is at %s/hub/clusters.", n ? ". " : "", c->news, c->gateway->hub->hub_url);
    cr_text_clean(warning);
    c->news[0] = 0;
}

static void on_scale(cr_request *req) {
    char why[CR_GROUP_NAME_MAX + 160], warning[WARNING_MAX] = "";
    cr_cluster *c = needs_running(req);
    if (!c)
        return;
    const json_t *count = json_object_get(req->json, "count");
    if (!json_is_integer(count) || json_integer_value(count) < 0) {
        reply(req, 422, "Malformed request: count must be a whole number, 0 or more");
        return;
    }
    int64_t wanted = CR_MIN((int64_t)json_integer_value(count), (int64_t)CR_BEAT_COUNT_MAX);
    int64_t allowed = cr_cluster_allowed(c, wanted, why, sizeof why);
    if (allowed < wanted)
        snprintf(warning, sizeof warning, "%lld workers were asked for; with the limit of %s, it is scaled to %lld", (long long)wanted, why, (long long)allowed);
    add_news(c, warning, sizeof warning);
    pass_on(req, c, json_pack("{s:s, s:I}", "op", "scale", "count", (json_int_t)allowed), warning);
}

/* A whole number that is not negative, or null. */
static bool read_bound(const json_t *value, int64_t nothing, int64_t *ret_bound) {
    *ret_bound = nothing;
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret_bound = CR_MIN((int64_t)json_integer_value(value), (int64_t)CR_BEAT_COUNT_MAX);
    return true;
}

static void on_adapt(cr_request *req) {
    char why[CR_GROUP_NAME_MAX + 160], warning[WARNING_MAX] = "";
    cr_cluster *c = needs_running(req);
    if (!c)
        return;
    int64_t low, high;
    const json_t *active = json_object_get(req->json, "active"), *maximum = json_object_get(req->json, "maximum");
    if (!json_is_object(req->json) || !read_bound(json_object_get(req->json, "minimum"), 0, &low) || !read_bound(maximum, CR_BEAT_COUNT_MAX, &high) ||
        low > high || (active && !json_is_boolean(active))) {
        reply(req, 422, "Malformed request: minimum and maximum must be whole numbers or null, minimum not above maximum, active true or false");
        return;
    }
    int64_t allowed = cr_cluster_allowed(c, CR_BEAT_COUNT_MAX, why, sizeof why);
    if ((maximum && !json_is_null(maximum) && high > allowed) || low > allowed)
        snprintf(warning, sizeof warning, "with the limit of %s it adapts to at most %lld workers", why, (long long)allowed);
    pass_on(req, c, json_pack("{s:s, s:I, s:I, s:b}", "op", "adapt", "minimum", (json_int_t)CR_MIN(low, allowed), "maximum",
                              (json_int_t)CR_MIN(high, allowed), "active", !json_is_false(active)), warning);
}

static void on_heartbeat(cr_request *req) {
    cr_cluster *c = by_cluster_token(req);
    cr_beat beat;
    cr_err err = CR_ERR_INIT;
    if (!c) {
        reply_unknown(req, "token", "This is not the token of that cluster");
        return;
    }
    if (c->status == CR_CLUSTER_STOPPING) {
        reply(req, 409, "Cluster %s is stopping", c->name);
        return;
    }
    cr_status status = cr_beat_read(req->json, &req->arena, &beat, &err);
    if (status == CR_OK)
        status = cr_cluster_beat(c, &beat, &err);
    if (status == CR_OK)
        cr_reply_empty(req, 200);
    else if (status == CR_INVALID)
        reply(req, 422, "Malformed request: %s", err.message);
    else if (status == CR_DENIED)
        reply(req, 409, "%s", err.message);
    else
        cr_reply_err(req, &err);
}

static void on_nothing(cr_request *req);

#define API CR_GATEWAY_PATH "/api"
#define ANY (CR_GET | CR_POST | CR_PUT | CR_PATCH | CR_DELETE)
const cr_route cr_gateway_routes[] = {
    /* methods   path                                kind               CSRF          handler */
    {CR_GET,     API "/health",                      CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_health},
    {CR_GET,     API "/version",                     CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_version},
    {CR_GET,     API "/v1/options",                  CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_options},
    {CR_GET,     API "/v1/clusters/",                CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_list},
    {CR_POST,    API "/v1/clusters/",                CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_submit},
    {CR_GET,     API "/v1/clusters/:name",           CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_get},
    {CR_DELETE,  API "/v1/clusters/:name",           CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_delete},
    {CR_POST,    API "/v1/clusters/:name/scale",     CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_scale},
    {CR_POST,    API "/v1/clusters/:name/adapt",     CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_adapt},
    {CR_POST,    API "/v1/clusters/:name/heartbeat", CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_heartbeat},
    {CR_GET,     CR_GATEWAY_ENTER,                   CR_ROUTE_API_OWN,  CR_CSRF_NONE, cr_dashboard_enter},
    {CR_GET,     CR_GATEWAY_PATH "/clusters/:name/*", CR_ROUTE_API_OWN, CR_CSRF_NONE, cr_dashboard_elsewhere},
    {CR_GET,     "/hub/dashboard" CR_GATEWAY_PATH "/clusters/:name/*", CR_ROUTE_PAGE, CR_CSRF_NONE, cr_dashboard_page},
    {ANY,        CR_GATEWAY_PATH "/*",               CR_ROUTE_API_OWN,  CR_CSRF_NONE, on_nothing},
    {CR_GET,     "/hub/clusters",                    CR_ROUTE_PAGE,     CR_CSRF_NONE, cr_clusters_page},
    {CR_POST,    "/hub/clusters/stop",               CR_ROUTE_PAGE,     CR_CSRF_SESSION, cr_clusters_stop},
    {CR_POST,    "/hub/clusters/keep",               CR_ROUTE_PAGE,     CR_CSRF_SESSION, cr_clusters_keep},
    {CR_GET,     "/hub/admin/clusters",              CR_ROUTE_PAGE_ADMIN, CR_CSRF_NONE, cr_clusters_admin_page},
    {CR_POST,    "/hub/admin/clusters/stop",         CR_ROUTE_PAGE_ADMIN, CR_CSRF_PROVED, cr_clusters_admin_stop},
    {0},
};

/* The row for every address under the gateway's: is it one of the others', asked in another way? Both are said as its errors are. */
static void on_nothing(cr_request *req) {
    cr_route others[CR_ARRAY_LEN(cr_gateway_routes)] = {0};
    cr_route_match match;
    char list[64];
    size_t n = 0;
    for (const cr_route *r = cr_gateway_routes; r->pattern; r++)
        if (r->handler != on_nothing)
            others[n++] = *r;
    if (cr_route_find(others, CR_OTHER_METHOD, req->path, &req->arena, &match, NULL) != CR_OK || !match.allowed) {
        reply(req, 404, "There is nothing at this address");
        return;
    }
    cr_reply_header(req, "Allow", cr_method_list(match.allowed, list, sizeof list));
    reply(req, 405, "This address does not answer this method");
}
