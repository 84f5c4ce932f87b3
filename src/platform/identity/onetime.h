/* onetime.h - links that work once and for one hour: the first administrator, an invitation, a new password. Only hashes are stored. */
#ifndef CR_PLATFORM_IDENTITY_ONETIME_H
#define CR_PLATFORM_IDENTITY_ONETIME_H

#include "platform/identity/person.h"
#include "platform/identity/secret.h"

typedef enum cr_onetime_kind {
    CR_ONETIME_ADMIN,         /* choose name and password; becomes administrator. With an administrator's name: a new password */
    CR_ONETIME_INVITE,        /* choose name (or take the proposed one) and password */
    CR_ONETIME_PASSWORD       /* a new password for one person */
} cr_onetime_kind;

enum { CR_ONETIME_LIFE_MS = 3600 * 1000 };

typedef struct cr_onetime {
    cr_onetime_kind kind;
    int64_t user_id;                  /* PASSWORD */
    char name[CR_NAME_MAX + 1];       /* INVITE: proposed name, or "" */
    int64_t expires_ms;
} cr_onetime;

/* made_by 0: the control socket. CR_CONFLICT: a password for somebody who is disabled. */
cr_status cr_onetime_make(cr_db *db, const cr_onetime *what, int64_t made_by, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
/* CR_NOT_FOUND for a link that is wrong, used or older than an hour: one message for all three. */
cr_status cr_onetime_find(cr_db *db, const char *token, cr_onetime *ret_what, cr_err *err) CR_MUST_USE;
/* Uses the link up; inside the transaction that does what the link is for. */
cr_status cr_onetime_use(cr_db *db, const char *token, cr_err *err) CR_MUST_USE;

#endif
