/* deeds.h - what administrators do to others, the same from a page, the REST API and the control socket: the deed, its row in the audit
 * log, and what has to follow. Whether the caller may is asked before. Refusals of the deed itself are errors with a text for people.
 */
#ifndef CR_PLATFORM_HUB_DEEDS_H
#define CR_PLATFORM_HUB_DEEDS_H

#include "platform/hub/auditing.h"
#include "platform/identity/onetime.h"

/* A person without a password: in by a link, or by an identity provider under another name. CR_EXISTS: the name is taken. */
cr_status cr_deed_add_person(cr_hub *hub, const cr_actor *who, const char *name, bool admin, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* The address of a new link; whom: for the audit log. */
cr_status cr_deed_link(cr_hub *hub, const cr_actor *who, const cr_onetime *what, const char *whom, char ret_url[CR_URL_MAX], cr_err *err) CR_MUST_USE;
/* Whoever is disabled loses server and clusters too. CR_CONFLICT: oneself, who is being removed, the last administrator. */
cr_status cr_deed_disable(cr_hub *hub, const cr_actor *who, const cr_person *person, bool disabled, cr_err *err) CR_MUST_USE;
cr_status cr_deed_set_admin(cr_hub *hub, const cr_actor *who, const cr_person *person, bool admin, cr_err *err) CR_MUST_USE;
cr_status cr_deed_remove(cr_hub *hub, const cr_actor *who, const cr_person *person, cr_err *err) CR_MUST_USE;
/* CR_OK also when none runs. */
cr_status cr_deed_stop_server(cr_hub *hub, const cr_actor *who, const cr_person *person, cr_err *err) CR_MUST_USE;

/* Takes somebody who was turned away off the list of those; with the next try the row comes back. CR_NOT_FOUND: it is not there any more. */
cr_status cr_deed_forget_refused(cr_hub *hub, const cr_actor *who, int64_t id, cr_err *err) CR_MUST_USE;

cr_status cr_deed_add_group(cr_hub *hub, const cr_actor *who, const char *name, int64_t *ret_id, cr_err *err) CR_MUST_USE;
cr_status cr_deed_remove_group(cr_hub *hub, const cr_actor *who, int64_t id, const char *name, cr_err *err) CR_MUST_USE;
/* Into the group (join) or out of it. */
cr_status cr_deed_membership(cr_hub *hub, const cr_actor *who, int64_t group, const char *name, const cr_person *person, bool join, cr_err *err) CR_MUST_USE;
cr_status cr_deed_revoke_token(cr_hub *hub, const cr_actor *who, const cr_person *person, int64_t id, cr_err *err) CR_MUST_USE;

#endif
