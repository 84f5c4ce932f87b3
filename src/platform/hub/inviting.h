/* inviting.h - people for a course, the same from the administrators' page and from the shell: links for each of a list of people, and one link for a
 * whole room. Who is invited is put into a group; people of the list who have an account already are put into it at once, and get no link.
 *
 * Everything of one call is done or nothing is. Links are good when it has returned, and are told only to its caller.
 */
#ifndef CR_PLATFORM_HUB_INVITING_H
#define CR_PLATFORM_HUB_INVITING_H

#include "platform/hub/deeds.h"

enum { CR_INVITING_PEOPLE_MAX = 300, CR_INVITING_HOURS_MAX = 30 * 24 };

/* As they come from a form or the shell. */
typedef struct cr_inviting {
    const char *hours;        /* how long the links work */
    const char *group;        /* "": none; one that is not there is made */
    const char *people;       /* of several: see people_list.h */
    bool mail;                /* of several: who has an address in the list gets the link by mail */
    const char *seats, *note; /* of a room */
} cr_inviting;

/* Sets in values: links [{name, label, url, address}], url or address being ""; there [{name, disabled}], who has an account; columns, whether the first
 * line was that of a table. */
cr_status cr_invite_several(cr_hub *hub, const cr_actor *who, const cr_inviting *what, json_t *values, cr_err *err) CR_MUST_USE;
cr_status cr_invite_room(cr_hub *hub, const cr_actor *who, const cr_inviting *what, char ret_url[CR_URL_MAX], int64_t *ret_seats, cr_err *err) CR_MUST_USE;
/* Rooms whose time is not over, and links for one person each that nobody has used: [{id, name, note, group, seats, used, full, left}]. */
cr_status cr_invite_rooms(cr_hub *hub, json_t *rows, cr_err *err) CR_MUST_USE;
cr_status cr_invite_unused(cr_hub *hub, json_t *rows, cr_err *err) CR_MUST_USE;
cr_status cr_invite_close(cr_hub *hub, const cr_actor *who, const char *id, cr_err *err) CR_MUST_USE;

#endif
