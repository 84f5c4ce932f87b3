/* auditing.h - writing the audit log (identity/audit.h) from the hub.
 *
 * A deed that changes the database and its row are one transaction:
 *   CR_TRY(cr_db_begin(hub->db, err));
 *   return cr_audit_end(hub, &who, cr_group_remove(hub->db, id, err), CR_AUDIT_GROUP_REMOVED, name, "", err);
 * What changes nothing there (a server is stopped, somebody is refused) is noted by itself; when that fails, the log says so.
 *
 * Each row that was saved is also a line of the log, "audit {JSON}", written by the loop afterwards from the table: the log never
 * tells of what was rolled back. Refusals, which strangers can cause as often as they like, are CR_AUDIT_OFTEN_MAX rows a minute, then
 * one that says how many more there were. What people can do as often as they like (tokens, shares, dashboards) is refused beyond
 * CR_AUDIT_PERSON_MAX a day: deeds of that kind would push the others out of the log. Administrators and services are trusted with it.
 */
#ifndef CR_PLATFORM_HUB_AUDITING_H
#define CR_PLATFORM_HUB_AUDITING_H

#include "platform/hub/hub.h"
#include "platform/identity/audit.h"

enum { CR_AUDIT_OFTEN_MAX = 60, CR_AUDIT_PERSON_MAX = 1000 };
typedef char cr_audit_text[CR_AUDIT_DETAIL_MAX + 1];

/* Who does something. */
typedef struct cr_actor {
    int64_t id;               /* of a person; else 0 or, of a service, negative */
    bool admin;
    char name[CR_NAME_MAX + 16], via[32], source[64];
} cr_actor;

void cr_actor_of(const cr_request *req, cr_actor *who);      /* the caller, or a stranger */
void cr_actor_shell(int64_t uid, cr_actor *who);             /* who asks at the control socket */
void cr_actor_hub(cr_actor *who);                            /* the hub by itself */
/* A person who is let in by this very request. */
void cr_actor_person(const cr_request *req, const cr_person *person, cr_actor *who);

/* CR_CONFLICT: the person has done too much of this kind today. */
cr_status cr_audit_write(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, const char *whom, const char *detail, cr_err *err) CR_MUST_USE;
/* Ends the transaction that the caller has begun: saved with its row when status is CR_OK, else not at all. */
cr_status cr_audit_end(cr_hub *hub, const cr_actor *who, cr_status status, cr_audit_kind kind, const char *whom, const char *detail,
                       cr_err *err) CR_MUST_USE;
void cr_audit_note(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, const char *whom, const char *detail);
void cr_audit_refused(cr_request *req, cr_audit_kind kind, const char *whom, const char *detail);

cr_status cr_audit_open(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_audit_close(cr_hub *hub);
void cr_audit_on_minute(cr_hub *hub);

/* audit_page.c: /hub/admin/audit */
void cr_audit_page(cr_request *req);

#endif
