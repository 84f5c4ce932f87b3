/* identities.h - who a person of an identity provider is here: tables identities, memberships, refusals.
 *
 * Invariants
 *  1. (issuer, subject) decides; a name that fits an account which is here already gives no right to it: the newcomer gets NAME-2.
 *  2. Groups and the administrator's right that came from a provider are those of the last sign-in; what the provider no longer
 *     says is taken away. An administrator made here stays one. A provider's groups stand under its prefix, so that no provider speaks
 *     about another's or about those made here; each gets a row in groups, see groups.h.
 *  3. Refusals are bounded: the oldest goes first.
 */
#ifndef CR_PLATFORM_IDENTITY_IDENTITIES_H
#define CR_PLATFORM_IDENTITY_IDENTITIES_H

#include "platform/identity/oidc_text.h"
#include "platform/identity/person.h"

enum { CR_REFUSALS_MAX = 1000 };
#define CR_REFUSAL_LIFE_MS ((int64_t)90 * 86400 * 1000)

/* Whose this identity is; CR_NOT_FOUND: nobody's. */
cr_status cr_identity_find(cr_db *db, const cr_provider *p, const char *subject, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* What the person loses when the provider's word is taken, or the way in is taken away: asked before, so that whoever is in others' servers by it
 * is put out in the same transaction (hub/given.h). */
typedef struct cr_identity_loss {
    bool admin;               /* no other identity gives the right of an administrator, nor was it given here */
    bool group;               /* one at least */
} cr_identity_loss;
/* who not allowed: all that the identity gives. CR_NOT_FOUND: nobody's, so nothing. */
cr_status cr_identity_will_lose(cr_db *db, const cr_provider *p, const cr_oidc_who *who, cr_identity_loss *ret_loss, cr_err *err) CR_MUST_USE;
cr_status cr_identity_unlink_loses(cr_db *db, int64_t id, int64_t user_id, cr_identity_loss *ret_loss, cr_err *err) CR_MUST_USE;
/* The person of a proven identity who may come in: found, or made with a free name. One transaction of its own. CR_DENIED: disabled
 * here (*ret_person is filled). */
cr_status cr_identity_sign_in(cr_db *db, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* Makes a proven identity that may come in a further way in for a person who is here. CR_EXISTS: it is somebody's here already; CR_DENIED: it
 * may not come in. */
cr_status cr_identity_link(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t user_id, cr_err *err) CR_MUST_USE;
/* Takes a way in away, with the groups and rights that came by it. CR_NOT_FOUND: not this person's. */
cr_status cr_identity_unlink(cr_db *db, int64_t id, int64_t user_id, cr_err *err) CR_MUST_USE;

typedef struct cr_identity {
    int64_t id;
    const char *provider, *subject, *shown, *email;                      /* valid during the call */
} cr_identity;
cr_status cr_identity_list(cr_db *db, int64_t user_id, void (*each)(void *user, const cr_identity *i), void *user, cr_err *err) CR_MUST_USE;
/* The person may not come in (any more): noted for the administrator; rights and groups that came from the provider end, and so do
 * sessions, tokens and links of a person who had an account by it, and what that person has given to others. *ret_user_id: whose, or 0. */
cr_status cr_identity_refuse(cr_db *db, const cr_provider *p, const cr_oidc_who *who, int64_t *ret_user_id, cr_err *err) CR_MUST_USE;
/* CR_NOT_FOUND: it is not there any more. */
cr_status cr_refusal_forget(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;
/* Removes what is older than CR_REFUSAL_LIFE_MS. */
cr_status cr_refusal_sweep(cr_db *db, cr_err *err) CR_MUST_USE;

typedef struct cr_refusal {
    int64_t id, first_ms, last_ms, times;
    const char *provider, *subject, *name, *shown, *email, *received;    /* valid during the call */
} cr_refusal;
/* Newest first. */
cr_status cr_refusal_list(cr_db *db, int64_t limit, void (*each)(void *user, const cr_refusal *r), void *user, cr_err *err) CR_MUST_USE;
/* Of several people: ids is a JSON list of numbers. For each identity the person's place in it, the latest sign-in first: the name that it showed
 * and the address that it has verified ("" : none). */
cr_status cr_identities_of(cr_db *db, const char *ids, void (*each)(void *user, int64_t place, const char *shown, const char *address), void *user,
                           cr_err *err) CR_MUST_USE;
/* The address that a provider has verified, of the latest sign-in; "" when there is none. */
cr_status cr_identity_address(cr_db *db, int64_t user_id, char ret_address[CR_OIDC_SUBJECT_MAX + 1], cr_err *err) CR_MUST_USE;
/* The name by which a provider showed the person last; "" when there is none. */
cr_status cr_identity_shown(cr_db *db, int64_t user_id, char ret_shown[CR_OIDC_SUBJECT_MAX + 1], cr_err *err) CR_MUST_USE;

#endif
