/* shares.h - what the REST API and the pages of shares have in common (identity/share.h has the tables): who may give what to whom. */
#ifndef CR_PLATFORM_HUB_SHARES_H
#define CR_PLATFORM_HUB_SHARES_H

#include "platform/hub/lab.h"
#include "platform/hub/rest.h"
#include "platform/identity/share.h"

/* To whom: a person's name, a group's, or neither for a code. */
typedef struct cr_share_wish {
    const char *user, *group;         /* "" : not to such */
    const json_t *scopes;             /* list of texts, NULL: access to the server */
    int64_t life_s;                   /* of a code */
} cr_share_wish;

/* Gives by the rights of the caller, who holds `shares` for this server (asked before), with JupyterHub's rules: every scope must be held
 * by the caller for this server, and the person or group must be one whose name the caller may read. CR_DENIED: a right is missing.
 * CR_INVALID: it is no scope, is held back to something else, or there is no such person or group. *ret_id is the share's or the code's. */
cr_status cr_shares_give(cr_request *req, const cr_lab *server, const cr_share_wish *wish, int64_t *ret_id, char ret_code[CR_TOKEN_LEN + 1],
                         cr_err *err) CR_MUST_USE;
/* Takes away what the filter names (identity/share.h), with one row of the audit log; *ret_n: how many there were. */
cr_status cr_shares_remove(cr_request *req, const cr_share_filter *which, int64_t *ret_n, cr_err *err) CR_MUST_USE;
/* Of one person or group some scopes (JSON list), or all (NULL). None there is CR_OK. */
cr_status cr_shares_take(cr_request *req, const cr_lab *server, int64_t user_id, int64_t group_id, const char *names, cr_err *err) CR_MUST_USE;
/* The caller gets what the code gives; errors as cr_share_code_use. */
cr_status cr_shares_accept(cr_request *req, const char *code, const char *owner, cr_err *err) CR_MUST_USE;
/* The path of the page where a code is taken. */
char *cr_shares_accept_path(const char *code, char buf[CR_TOKEN_LEN + 64]);
/* Is the server shared with this person, also by a group? */
bool cr_shares_reach(cr_db *db, const cr_lab *server, int64_t user_id);
/* Does the caller hold the scope for this server? */
bool cr_shares_may(cr_request *req, cr_scope scope, const cr_lab *server);
/* The servers of others that the caller was given, for pages: [{id, owner, server_name, url, ready, by_group}]. NULL with an error. */
cr_status cr_shares_guest_rows(cr_request *req, json_t **ret_rows, cr_err *err) CR_MUST_USE;
/* "OWNER/NAME" */
char *cr_shares_full_name(const cr_lab *server, char buf[CR_NAME_MAX + CR_ACCOUNT_MAX + 2]);
/* The names without filters of a list of texts that must have none or this server's; sorted, once each, as JSON. NULL with CR_INVALID. */
cr_status cr_shares_names(const cr_lab *server, const json_t *texts, char **ret_json, cr_err *err) CR_MUST_USE;

#endif
