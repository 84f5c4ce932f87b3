/* oauth_client.c - clients of the hub as OAuth provider. */
#include "platform/hub/oauth.h"

#include <stdio.h>
#include "base/text.h"

static cr_status unknown(cr_err *err) { return CR_FAIL(err, CR_NOT_FOUND, "the client is not known"); }

static cr_status find_service(cr_hub *hub, const char *name, cr_oauth_client *ret_client, cr_err *err) {
    const cr_service *service = cr_service_named(hub->services, name);
    if (!service || !service->redirect[0])
        return unknown(err);
    ret_client->service = service;
    snprintf(ret_client->redirect, sizeof ret_client->redirect, "%s", service->redirect);
    return CR_OK;
}

/* ACCOUNT[.SERVER] */
static cr_status find_server(cr_hub *hub, const char *account, cr_oauth_client *ret_client, cr_err *err) {
    size_t n = strcspn(account, ".");
    char name[CR_ACCOUNT_MAX + 1];
    if (n == 0 || n > CR_ACCOUNT_MAX)
        return unknown(err);
    memcpy(name, account, n);
    name[n] = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " CR_PERSON_COLUMNS " FROM users u WHERE u.account = ?", "t", name));
    if (!cr_query_next(&q)) {
        CR_TRY(cr_query_end(&q, err));
        return unknown(err);
    }
    cr_person_read(&q, &ret_client->owner);
    cr_query_close(&q);
    CR_TRY(cr_lab_find(hub, &ret_client->owner, account[n] ? account + n + 1 : "", false, &ret_client->server, err));
    cr_url_callback(hub->config, ret_client->owner.account, ret_client->owner.name, ret_client->server->name, ret_client->redirect,
                    sizeof ret_client->redirect);
    return CR_OK;
}

cr_status cr_oauth_client_find(cr_hub *hub, const char *client_id, cr_oauth_client *ret_client, cr_err *err) {
    static const struct { const char *prefix; cr_status (*find)(cr_hub *hub, const char *rest, cr_oauth_client *ret_client, cr_err *err); } forms[] = {
        {"jupyterhub-user-", find_server}, {CR_OAUTH_SERVICE_PREFIX, find_service},
    };
    memset(ret_client, 0, sizeof *ret_client);
    for (size_t i = 0; i < CR_ARRAY_LEN(forms); i++)
        if (cr_starts_with(client_id, forms[i].prefix))
            return forms[i].find(hub, client_id + strlen(forms[i].prefix), ret_client, err);
    return unknown(err);
}

/* Of a server, the token of this very server. */
bool cr_oauth_secret_is_right(cr_hub *hub, const cr_oauth_client *client, const char *secret) {
    cr_token token;
    cr_person person;
    cr_err err = CR_ERR_INIT;
    if (client->service)
        return cr_service_find(hub->services, secret) == client->service;
    return cr_token_find(hub->db, secret, &token, &person, &err) == CR_OK && token.kind == CR_TOKEN_SERVER && token.server_id == client->server->id;
}
