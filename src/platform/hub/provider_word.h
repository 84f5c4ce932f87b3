/* provider_word.h - what an identity provider says of a person is taken: the person comes in with its groups and rights, or comes in no more. With
 * its rows in the audit log, and the end of what was given by a right that is gone (given.h), in one transaction.
 */
#ifndef CR_PLATFORM_HUB_PROVIDER_WORD_H
#define CR_PLATFORM_HUB_PROVIDER_WORD_H

#include "platform/hub/hub.h"
#include "platform/identity/identities.h"

/* CR_DENIED: the account is disabled here; *ret_person is filled. */
cr_status cr_word_sign_in(cr_request *req, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* *ret_had: whose identity it was; its id is 0 when it had no account. */
cr_status cr_word_refuse(cr_hub *hub, const cr_provider *p, const cr_oidc_who *who, cr_person *ret_had, cr_err *err) CR_MUST_USE;

#endif
