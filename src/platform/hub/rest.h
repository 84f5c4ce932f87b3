/* rest.h - what the files of the REST API share. One file a resource: rest_hub.c (the hub itself, proxy), rest_services.c,
 * rest_users.c, rest_servers.c, rest_tokens.c, rest_groups.c, rest_shares.c; handlers are declared in hub.h.
 *
 * A handler first asks cr_rest_needs: who may not hears so before anything about the object, 404 when the scope is held for other
 * objects, 403 when it is not held at all. Then it looks for the object.
 */
#ifndef CR_PLATFORM_HUB_REST_H
#define CR_PLATFORM_HUB_REST_H

#include "platform/hub/hub.h"
#include "platform/identity/audit.h"
#include "platform/identity/scope.h"

enum { CR_REST_LIST_MAX = 200, CR_REST_LIST_DEFAULT = 50, CR_REST_MAKE_MAX = 500 };

/* ---- rights ---- */

/* What the caller may do; made at the first question. */
const cr_scopes *cr_rest_scopes(cr_request *req);
/* Adds what a person may by roles and by shares of others' servers. */
void cr_rest_person_scopes(cr_hub *hub, const cr_person *person, cr_scopes *out);
void cr_rest_service_scopes(const cr_hub *hub, const cr_service *service, cr_scopes *out);
/* Which token it is: fields as in cr_token. */
typedef struct cr_token_of {
    cr_token_kind kind;
    const char *server, *client;
} cr_token_of;
/* What a token may do that its person holds. scopes: JSON list, NULL: all that the person may. */
void cr_rest_token_scopes(cr_hub *hub, const cr_person *person, const cr_token_of *of, const char *scopes, cr_scopes *out);
/* The same for many tokens of one person; all: what that person may (cr_rest_person_scopes), in an arena that lasts as long as out. */
void cr_rest_token_scopes_from(cr_hub *hub, const cr_person *person, const cr_scopes *all, const cr_token_of *of, const char *scopes, cr_scopes *out);
bool cr_rest_may(cr_request *req, cr_scope scope, cr_scope_kind kind, const char *value);
/* Any of n scopes for this object; false: replied. */
bool cr_rest_needs_any(cr_request *req, cr_scope_kind kind, const char *value, int n, const cr_scope *scopes);
#define CR_REST_NEEDS(req, kind, value, ...) \
    cr_rest_needs_any((req), (kind), (value), (int)(sizeof (cr_scope[]){__VA_ARGS__} / sizeof(cr_scope)), (const cr_scope[]){__VA_ARGS__})
/* For group filters, by the database. */
cr_scope_members cr_rest_members(cr_hub *hub);

/* ---- replies and bodies ---- */

void cr_rest_reply(cr_request *req, int status, const char *format, ...) CR_PRINTF(3, 4);
json_t *cr_rest_time(int64_t wall_ms);           /* null for 0 */
void cr_rest_add_text(void *array, const char *text);

typedef struct cr_rest_field {
    const char *name;
    json_type type;           /* JSON_TRUE: either truth value */
} cr_rest_field;
/* The body is an object with these fields only, of these types; false: replied. */
bool cr_rest_check_body(cr_request *req, const char *what, const cr_rest_field *fields, int n_fields);

/* The person of this name, not one who is being removed. false: replied, 404 without words as JupyterHub when there is none. */
bool cr_rest_find_person(cr_request *req, const char *name, cr_person *ret_person);
/* The group that the path names first. false: replied. */
bool cr_rest_find_group(cr_request *req, int64_t *ret_id);
/* The person as this caller may see it; NULL: nothing may be seen. */
json_t *cr_rest_user_model(cr_request *req, const cr_person *p);
/* The service as this caller may see it. */
json_t *cr_rest_service_model(cr_request *req, const cr_service *service);
/* GET /hub/api/user for a service. */
void cr_api_service_self(cr_request *req);
/* A token for the person, who is the caller or somebody for whom the caller may make one. scopes: list of texts, each held by the person; NULL:
 * all that the person may. life_s 0: no end. The model has the token itself as `token`. */
cr_status cr_rest_issue_token(cr_request *req, const cr_person *person, const json_t *scopes, int64_t life_s, const char *note, json_t **ret_model,
                              cr_err *err) CR_MUST_USE;
/* Names of the operator's roles that a group or a service has. */
json_t *cr_rest_group_roles(const cr_hub *hub, const char *group);
json_t *cr_rest_service_roles(const cr_hub *hub, const cr_service *service);
/* A server that this caller may see. */
struct cr_lab;
json_t *cr_rest_server_model(cr_request *req, const struct cr_lab *s);
/* A row in the audit log, unless it is the caller's own server: what people do with those does not stand there. */
void cr_rest_note_other(cr_request *req, cr_audit_kind kind, const struct cr_lab *s);

typedef struct cr_rest_page {
    int64_t limit, offset;
    bool wanted;              /* the caller understands pages */
} cr_rest_page;
/* false: replied. */
bool cr_rest_read_page(cr_request *req, cr_rest_page *page);
/* Steals items. */
void cr_rest_reply_page(cr_request *req, const cr_rest_page *page, json_t *items, int64_t total);
/* The filters of this kind under which the caller holds a scope, as a JSON list in the arena; NULL: nothing holds it back.
 * false: replied. */
bool cr_rest_filter(cr_request *req, cr_scope scope, cr_scope_kind kind, const char **ret_list);

#endif
