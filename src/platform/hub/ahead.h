/* ahead.h - servers of a group's people are started before they come: for a training that begins at nine.
 *
 * A plan names a group, when the starts begin and until when the servers are kept from being stopped as unused. Who is in the group is looked
 * up when the starts begin. They give way: one begins only when nobody waits in the queue, when its guarantee fits into the room, and while
 * less than half of the starts that may go on at once do. What does not fit is tried again until the plan ends; who cannot have a server
 * (disabled, no disk space left, no profile open, a start that failed) is said with the reason. In maintenance, and while starts are
 * paused, plans rest.
 *
 * All of it is in the database: a new hub goes on. A server that its person has stopped is not started again.
 *
 * Hub's loop.
 */
#ifndef CR_PLATFORM_HUB_AHEAD_H
#define CR_PLATFORM_HUB_AHEAD_H

#include "platform/hub/auditing.h"
#include "platform/identity/groups.h"

enum { CR_AHEAD_PLANS_MAX = 100, CR_AHEAD_HOURS_MAX = 72, CR_AHEAD_DAYS_MAX = 60 };

typedef struct cr_ahead_plan {
    char group[CR_GROUP_NAME_MAX + 1];
    int64_t begin_ms, until_ms;           /* wall */
} cr_ahead_plan;

cr_status cr_ahead_open(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_ahead_close(cr_hub *hub);
/* Checks texts as they come from a form, a program or the shell: at is UTC, such as 2026-11-24T08:30 or with seconds and Z, "" is now; hours, from
 * then on, is 1 to CR_AHEAD_HOURS_MAX. */
cr_status cr_ahead_read(cr_hub *hub, const char *group, const char *at, const char *hours, cr_ahead_plan *ret_plan, cr_err *err) CR_MUST_USE;
cr_status cr_ahead_add(cr_hub *hub, const cr_actor *who, const cr_ahead_plan *plan, int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* Starts no more; what runs goes on as any other server. CR_NOT_FOUND: there is none of this number. */
cr_status cr_ahead_remove(cr_hub *hub, const cr_actor *who, int64_t id, cr_err *err) CR_MUST_USE;
/* Appends {"id", "group", "begin", "until", "by", "state", "people", "ready", "starting", "waiting", "failed": [{"name", "problem"}]}, all or one. */
cr_status cr_ahead_rows(cr_hub *hub, int64_t id, json_t *rows, cr_err *err) CR_MUST_USE;

void cr_ahead_page(cr_request *req);      /* /hub/admin/ahead */
void cr_ahead_post(cr_request *req);
void cr_ahead_cancel_post(cr_request *req);
void cr_api_aheads(cr_request *req);      /* /hub/api/start-ahead */
void cr_api_ahead(cr_request *req);       /* /hub/api/start-ahead/:id */

#endif
