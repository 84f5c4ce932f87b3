/* notices.h - what administrators tell everybody: an announcement on every page, maintenance (nobody but administrators starts a server); and
 * the circuit breaker as they see it. In the database, and a copy in memory for every page. */
#ifndef CR_PLATFORM_HUB_NOTICES_H
#define CR_PLATFORM_HUB_NOTICES_H

#include "platform/hub/lab.h"

enum { CR_NOTICE_MAX = 500 };

typedef struct cr_notices {
    char text[CR_NOTICE_MAX + 1];         /* "" : none */
    int64_t until_ms;                     /* wall; 0: until it is taken away */
    bool maintenance;
} cr_notices;

cr_status cr_notices_open(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_notices_close(cr_hub *hub);
/* For every page: adds "announcement" and "maintenance" to its values. */
void cr_notices_add(const cr_hub *hub, json_t *values);
/* For the administrator's page, titles of profiles in this language. */
json_t *cr_notices_values(const cr_hub *hub, const char *language);
/* Announcement and maintenance anew, for the audit log by whom. */
struct cr_actor;
cr_status cr_notices_set(cr_hub *hub, const struct cr_actor *who, const cr_notices *notices, cr_err *err) CR_MUST_USE;
/* Checks an announcement: its length, and hours as text ("" : no end); fills text and until_ms. */
cr_status cr_notices_read(const char *text, const char *hours, cr_notices *notices, cr_err *err) CR_MUST_USE;
void cr_notices_post(cr_request *req);    /* /hub/admin/notice */
/* Ends all pauses of starts. */
void cr_notices_try_starts(cr_hub *hub, const struct cr_actor *who);
void cr_breaker_post(cr_request *req);    /* /hub/admin/breaker: starts are tried again */
/* May the caller start this server, which may be running? Maintenance and breakers; an administrator always. false: replied. */
bool cr_notices_let_start(cr_request *req, const cr_lab *server);

#endif
