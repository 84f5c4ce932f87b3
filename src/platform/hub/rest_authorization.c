/* rest_authorization.c - GET /hub/api/authorizations/token/TOKEN: whose token is this? JupyterHub has kept it for old programs; new ones
 * ask /hub/api/user with the token itself. Who has the token text learns by it what the token itself may learn: name and groups. */
#include "platform/hub/rest.h"

/* The caller's rights and those. NULL: no memory. */
static bool add_rights(cr_request *req, const char *const *texts, const cr_scope_owner *owner) {
    cr_scopes *more = cr_arena_alloc(&req->arena, sizeof *more);
    if (!more || cr_rest_scopes(req)->failed)
        return false;
    *more = *cr_rest_scopes(req);
    for (; *texts; texts++)
        cr_scopes_add(more, *texts, owner);
    cr_caller_of(req)->scopes = more;
    return true;
}

void cr_api_authorization(cr_request *req) {
    static const char *const of_person[] = {"read:users:name!user", "read:users:groups!user", NULL};
    static const char *const of_service[] = {"read:services:name!service", NULL};
    cr_hub *hub = cr_hub_of(req);
    cr_token token;
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (!cr_caller_of(req)->by_token) {
        cr_reply_error(req, 403, "Forbidden", "send Authorization: token TOKEN");
        return;
    }
    cr_status status = cr_token_find(hub->db, req->param[0], &token, &person, &err);
    const cr_service *service = status == CR_NOT_FOUND ? cr_service_find(hub->services, req->param[0]) : NULL;
    if (status != CR_OK && status != CR_NOT_FOUND)
        cr_reply_err(req, &err);
    else if (status == CR_NOT_FOUND && !service)
        cr_reply_error(req, 404, "No such token", "");
    else if (service ? !add_rights(req, of_service, &(cr_scope_owner){.service = service->name}) :
                       !add_rights(req, of_person, &(cr_scope_owner){.user = person.name}))
        cr_reply_error(req, 507, "no memory", "");
    else
        cr_reply_json(req, 200, service ? cr_rest_service_model(req, service) : cr_rest_user_model(req, &person));
}

void cr_api_authorization_make(cr_request *req) {
    cr_reply_error(req, 404, "Deprecated endpoint /hub/api/authorizations/token is removed in JupyterHub 2.0. Use /hub/api/users/:user/tokens instead.", "");
}
