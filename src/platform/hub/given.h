/* given.h - shares and tokens for others that people without the right of an administrator have made end when the right is gone that they were
 * made by: a role of the operator's that is taken back, a group that somebody has left, by a deed here or by the word of an identity provider.
 *
 * What ends with an administrator's right, an account or a password ends whole (cr_person_forget_given). What ends with a group is looked for in
 * the transaction in which the group is left, with a row in the audit log for each, and whoever is in by it is put out (lab.h). All is looked
 * through at the start and every minute, too: the operator's roles change without a deed.
 *
 * What the operator's roles and services give is compared at the start with what it was for the hub before; when it is another, all guests are put
 * out, in the transaction in which the new state is written down.
 */
#ifndef CR_PLATFORM_HUB_GIVEN_H
#define CR_PLATFORM_HUB_GIVEN_H

#include "platform/hub/hub.h"
#include "platform/identity/identities.h"

void cr_given_check(cr_hub *hub);
/* This person has left a group, or several: is put out of others' servers; what the person has given, or others have given at the person's
 * servers, ends where the right to it is gone. In the transaction of what took the group away, after it. */
cr_status cr_given_left(cr_hub *hub, int64_t user_id, cr_err *err) CR_MUST_USE;
/* The same for what was given, when a group is gone as a whole; its people are put out before (cr_lab_put_group_out). */
cr_status cr_given_group_left(cr_hub *hub, cr_err *err) CR_MUST_USE;
/* An identity of this person gives less from now on, by its provider's word or because it is taken away: before that (what an administrator has given
 * ends with the right), and after it (what ended with a group), both in its transaction. */
cr_status cr_given_before_loss(cr_hub *hub, int64_t user_id, const cr_identity_loss *loss, cr_err *err) CR_MUST_USE;
cr_status cr_given_after_loss(cr_hub *hub, int64_t user_id, const cr_identity_loss *loss, cr_err *err) CR_MUST_USE;

#endif
