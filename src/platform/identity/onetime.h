/* onetime.h - links that let somebody in: the first administrator, an invitation, a new password. Only hashes are stored.
 *
 * A link works once and for one hour, but for invitations that an administrator gives more time or more seats: a room's link is used by as many
 * people as it has seats, each of whom chooses a name. */
#ifndef CR_PLATFORM_IDENTITY_ONETIME_H
#define CR_PLATFORM_IDENTITY_ONETIME_H

#include "platform/identity/entitlement.h"
#include "platform/identity/person.h"
#include "platform/identity/secret.h"

typedef enum cr_onetime_kind {
    CR_ONETIME_ADMIN,         /* choose name and password; becomes administrator. With an administrator's name: a new password */
    CR_ONETIME_INVITE,        /* choose name (or take the proposed one) and password */
    CR_ONETIME_PASSWORD       /* a new password for one person */
} cr_onetime_kind;

enum { CR_ONETIME_LIFE_MS = 3600 * 1000, CR_ONETIME_SEATS_MAX = 1000, CR_ONETIME_NOTE_MAX = 100 };

typedef struct cr_onetime {
    cr_onetime_kind kind;
    int64_t user_id;                  /* PASSWORD */
    char name[CR_NAME_MAX + 1];       /* INVITE: proposed name, or "" */
    int64_t life_ms;                  /* for making; 0: an hour */
    int64_t expires_ms;
    int64_t seats, used;              /* INVITE; seats 0 for making: 1 */
    char group[CR_GROUP_NAME_MAX + 1];        /* INVITE: who uses it is put into this group; "" : into none */
    char note[CR_ONETIME_NOTE_MAX + 1];
    char id[CR_HASH_BYTES + 1];       /* of those that are listed, half of the hash in hex: opens nothing */
} cr_onetime;

/* made_by 0: the control socket. CR_CONFLICT: a password for somebody who is disabled. */
cr_status cr_onetime_make(cr_db *db, const cr_onetime *what, int64_t made_by, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
/* CR_NOT_FOUND for a link that is wrong, used up or too old: one message for all three. Of a room's link that is full and not too old it is said
 * that all seats are taken. */
cr_status cr_onetime_find(cr_db *db, const char *token, cr_onetime *ret_what, cr_err *err) CR_MUST_USE;
/* The same, and a room's link that is full is found, too (used == seats): for who has one of the seats and comes again. */
cr_status cr_onetime_look(cr_db *db, const char *token, cr_onetime *ret_what, cr_err *err) CR_MUST_USE;
/* Uses the link, or one seat of it; inside the transaction that does what the link is for. */
cr_status cr_onetime_use(cr_db *db, const char *token, cr_err *err) CR_MUST_USE;
/* A new secret in place of the one of this hash, for a mail that is sent (mails.h): links that were given out before for it end. CR_NOT_FOUND as above. */
cr_status cr_onetime_renew(cr_db *db, const unsigned char hash[CR_HASH_BYTES], char ret_token[CR_TOKEN_LEN + 1], unsigned char ret_hash[CR_HASH_BYTES],
                           cr_err *err) CR_MUST_USE;
/* Invitations that have not expired: of rooms, newest first; or those for one person each that nobody has used, by name. At most CR_ONETIME_LISTED. */
enum { CR_ONETIME_LISTED = 300 };
cr_status cr_onetime_list(cr_db *db, bool rooms, void (*each)(void *user, const cr_onetime *link), void *user, cr_err *err) CR_MUST_USE;
/* CR_NOT_FOUND: there is none of this id. ret_name: for whom it was; "" for a room, or when the person was to choose. */
cr_status cr_onetime_close(cr_db *db, const char *id, char ret_name[CR_NAME_MAX + 1], cr_err *err) CR_MUST_USE;

#endif
