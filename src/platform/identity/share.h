/* share.h - user servers that others may use: tables shares, share_makers.
 *
 * A share gives scopes, each held back to one server, to a person, to the people of a group, or to whoever brings a code (a link). What
 * a person was given is added to what the person may at every request (hub/rest.c), so a share that is taken away is gone from sessions
 * and tokens too.
 *
 * Invariants
 *  1. One share for a server and a person or group: giving again adds scopes. A code is used by any number of people until it ends;
 *     each of them then has a share as if it had been given by name.
 *  2. Of a code only the SHA-256 is kept: it is looked for by that, so how long the search takes says nothing about a code.
 *  3. Behind a share stand the people by whose rights it was made (and of a token that it was made with, see token_makers; and of a share
 *     with `shares` by which a guest gave it on). It ends with the rights of the first of them, in the same transaction
 *     (cr_person_forget_given), and so does one that was got by a code. When `shares` is taken from a guest, all ends that the guest has
 *     given at that server.
 *  4. Numbers are bounded: of one server CR_SHARES_MAX shares and CR_SHARE_CODES_MAX codes.
 */
#ifndef CR_PLATFORM_IDENTITY_SHARE_H
#define CR_PLATFORM_IDENTITY_SHARE_H

#include "base/arena.h"
#include "platform/identity/person.h"
#include "platform/identity/secret.h"
#include "platform/identity/session.h"

enum { CR_SHARES_MAX = 500, CR_SHARE_CODES_MAX = 100, CR_SHARE_SCOPES_MAX = 32 };
#define CR_SHARE_CODE_LIFE_MIN_S 60
#define CR_SHARE_CODE_LIFE_MAX_S ((int64_t)365 * 86400)
#define CR_SHARE_CODE_LIFE_S 86400

/* One as it stands in the table; texts are valid during the call. */
typedef struct cr_share {
    int64_t id, server_id, owner_id, user_id, group_id;      /* user_id, group_id: 0 when not given to such */
    const char *owner, *server;                    /* the server's person, and its name ("" : the default one) */
    const char *user, *group;                      /* NULL: not of that kind; a code has neither */
    const char *scopes;                            /* JSON list of names without filters, sorted */
    int64_t created_ms, expires_ms, last_ms, used; /* expires_ms, last_ms, used: of codes; 0: never */
} cr_share;
typedef void (*cr_share_fn)(void *user, const cr_share *share);

/* Which of them: the members that are not 0 narrow the list. Codes that have expired are in none. */
typedef struct cr_share_filter {
    bool codes;               /* codes, else what was given to people and groups */
    int64_t id, server_id, owner_id;
    int64_t user_id;          /* given to this person by name */
    int64_t group_id;
    int64_t reaches_id;       /* given to this person, by name or by a group */
} cr_share_filter;

/* Who gives: made_by, made_with, made_by_service of what. */
typedef struct cr_share_giver {
    int64_t person, token;    /* 0: none */
    const char *service;      /* NULL: none */
} cr_share_giver;

/* In the order of making. */
cr_status cr_share_list(cr_db *db, const cr_share_filter *which, int64_t limit, int64_t offset, cr_share_fn each, void *user, cr_err *err) CR_MUST_USE;
cr_status cr_share_count(cr_db *db, const cr_share_filter *which, int64_t *ret_n, cr_err *err) CR_MUST_USE;

/* scopes: JSON list of right names without filters. One of user_id and group_id. CR_INVALID: the server has too many. */
cr_status cr_share_give(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, const char *scopes, const cr_share_giver *giver,
                        int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* scopes NULL: all of them, else those of the JSON list; one without scopes is gone. None there is CR_OK. */
cr_status cr_share_take(cr_db *db, int64_t server_id, int64_t user_id, int64_t group_id, const char *scopes, cr_err *err) CR_MUST_USE;
/* What the filter names (reaches_id is not for this); *ret_n: how many there were. */
cr_status cr_share_remove(cr_db *db, const cr_share_filter *which, int64_t *ret_n, cr_err *err) CR_MUST_USE;

/* life_s: CR_SHARE_CODE_LIFE_MIN_S to CR_SHARE_CODE_LIFE_MAX_S. */
cr_status cr_share_code_make(cr_db *db, int64_t server_id, const char *scopes, int64_t life_s, const cr_share_giver *giver, int64_t *ret_id,
                             char ret_code[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
/* CR_NOT_FOUND for one that is wrong, taken away or too old: one message for all three. each is called once. */
cr_status cr_share_code_find(cr_db *db, const char *code, cr_share_fn each, void *user, cr_err *err) CR_MUST_USE;
/* The person gets what the code gives. CR_NOT_FOUND as above; CR_CONFLICT: it is the person's own server. */
cr_status cr_share_code_use(cr_db *db, const char *code, int64_t user_id, cr_err *err) CR_MUST_USE;

/* Ends what services have given that are not in the JSON list of names. */
cr_status cr_share_keep_of_services(cr_db *db, const char *names, cr_err *err) CR_MUST_USE;

#endif
