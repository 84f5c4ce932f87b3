/* session.h - who is signed in with which browser, and tokens of programs. Only hashes are stored. */
#ifndef CR_PLATFORM_IDENTITY_SESSION_H
#define CR_PLATFORM_IDENTITY_SESSION_H

#include "base/arena.h"
#include "platform/identity/person.h"
#include "platform/identity/secret.h"
#include "platform/identity/service.h"

#define CR_SESSION_LIFE_MS ((int64_t)14 * 86400 * 1000)
#define CR_SESSIONS_MOST 100              /* of one person; a further one ends the oldest */
#define CR_TOKENS_OF_SIGN_IN 16           /* at one server or service; likewise */

/* life_ms: at most CR_SESSION_LIFE_MS. */
cr_status cr_session_make(cr_db *db, int64_t user_id, int64_t life_ms, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
/* CR_NOT_FOUND: unknown or expired, or the person is disabled. */
cr_status cr_session_find(cr_db *db, const char *token, int64_t *ret_id, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* When its person has proved who it is last: at sign-in, or when asked again. Made ones begin with now. CR_NOT_FOUND: it has ended. */
cr_status cr_session_proved(cr_db *db, int64_t id, int64_t *ret_ms, cr_err *err) CR_MUST_USE;
cr_status cr_session_prove(cr_db *db, int64_t id, int64_t proved_ms, cr_err *err) CR_MUST_USE;
/* Ends it with the tokens and codes that were given in it. */
cr_status cr_session_end(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;

/* A sign-in at an identity provider. sid: the provider's name for it, "" : it has none. subject may be "" where a provider ends one by sid alone. */
typedef struct cr_session_login {
    const char *issuer, *subject, *sid;
} cr_session_login;
cr_status cr_session_note_login(cr_db *db, int64_t id, const cr_session_login *login, cr_err *err) CR_MUST_USE;
/* Whose sessions a provider's word would end; CR_NOT_FOUND: there are none. With sid those of this sign-in alone, else all of the subject. */
cr_status cr_session_login_find(cr_db *db, const cr_session_login *login, char ret_name[CR_NAME_MAX + 1], cr_err *err) CR_MUST_USE;
cr_status cr_session_login_end(cr_db *db, const cr_session_login *login, int64_t *ret_n, cr_err *err) CR_MUST_USE;
/* Notes a logout token; CR_EXISTS: it has been obeyed before. */
cr_status cr_session_logout_once(cr_db *db, const char *issuer, const char *jti, int64_t expires_ms, cr_err *err) CR_MUST_USE;

typedef enum cr_token_kind {
    CR_TOKEN_SERVER,          /* of a user server; also its OAuth client secret. No expiry: ends with the server */
    CR_TOKEN_OAUTH,           /* of a browser's session with a user server, or with a service */
    CR_TOKEN_API              /* made by a person for programs */
} cr_token_kind;

typedef struct cr_token {
    int64_t id, user_id, server_id, session_id;    /* server_id, session_id: 0 when not of that kind */
    cr_token_kind kind;
    int64_t expires_ms;                            /* 0: never */
    char server[CR_NAME_MAX + CR_ACCOUNT_MAX + 2]; /* whose and which, "ada/" or "ada/gpu"; "" when not of that kind. A guest's token is of another's */
    char client[CR_SERVICE_NAME_MAX + 1];          /* oauth: the service that holds it; "": a user server does */
    bool narrowed;                                 /* has scopes of its own, see cr_token_scopes: api, and those of services */
    const char *scopes;                            /* of a token to be issued: JSON list, NULL: all that the person may */
    int64_t made_by, made_with;                    /* of one to be issued: who asked, 0: its person; and with which token, 0: none */
    const char *made_by_service;                   /* likewise, NULL: none */
    unsigned char hash[CR_HASH_BYTES];             /* of one that was found; an id is given again after the token's end, this is not */
} cr_token;

/* It ends with the rights of who made it for somebody else, and of whoever stands behind the token that it was made with: see
 * cr_person_forget_given. what: kind and the ids; code_hash (32 bytes) or NULL; life_ms 0: no end. */
cr_status cr_token_issue(cr_db *db, const cr_token *what, const unsigned char *code_hash, int64_t life_ms, const char *note,
                         char ret_token[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
/* An API token of somebody who comes in by identity providers only is right while one of them has let the person in lately
 * (identities.tokens_until_ms): nobody says that a membership has ended. */
cr_status cr_token_find(cr_db *db, const char *token, cr_token *ret_token, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* Ends the tokens that services have made which are not in the JSON list of names, and what was made with such. */
cr_status cr_token_keep_of_services(cr_db *db, const char *names, cr_err *err) CR_MUST_USE;
/* Ends the tokens and codes of people at services which are not in the JSON list of names. */
cr_status cr_token_keep_of_clients(cr_db *db, const char *names, cr_err *err) CR_MUST_USE;
/* The same by its number, for what has proved the token before: that it was this one, the hash says. */
cr_status cr_token_get(cr_db *db, int64_t id, cr_token *ret_token, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* The JSON list of a narrowed token; in the arena. */
cr_status cr_token_scopes(cr_db *db, int64_t id, cr_arena *arena, const char **ret_scopes, cr_err *err) CR_MUST_USE;

/* A token as its person sees it; texts are valid during the call. */
typedef struct cr_token_row {
    int64_t id, session_id, created_ms, last_ms, expires_ms;             /* 0: none */
    cr_token_kind kind;
    const char *note;                              /* "" : none */
    const char *scopes;                            /* JSON; NULL: all that the person may */
    const char *server;                            /* server, oauth: as in cr_token; NULL for api, and at a service */
    const char *client;                            /* the service; NULL: none */
} cr_token_row;
/* Those of a person that have not expired (id 0: all), longest unused first. Of more than CR_TOKENS_LISTED those that were used or made last are
 * listed; *ret_more: how many others there are. */
enum { CR_TOKENS_MAX = 1000, CR_TOKENS_LISTED = 250 };
cr_status cr_token_list(cr_db *db, int64_t user_id, int64_t id, void (*each)(void *user, const cr_token_row *row), void *user, int64_t *ret_more,
                        cr_err *err) CR_MUST_USE;
/* How many API tokens the person has. */
cr_status cr_token_count(cr_db *db, int64_t user_id, int64_t *ret_n, cr_err *err) CR_MUST_USE;
/* Takes it away; one of a user server or of its sessions goes with all others of that server, one at a service with all there. CR_NOT_FOUND: not this person's. */
cr_status cr_token_remove(cr_db *db, int64_t user_id, int64_t id, cr_err *err) CR_MUST_USE;
cr_status cr_token_note_use(cr_db *db, int64_t id, int64_t wall_ms, cr_err *err) CR_MUST_USE;
/* Removes what has expired: sessions, tokens, codes, links, codes of shares. */
cr_status cr_session_sweep(cr_db *db, cr_err *err) CR_MUST_USE;

#endif
