/* roster.h - what lists of people show beside the rows of users, read for a whole page at once: one statement for each kind of it and one
 * walk over the servers in memory, however many people the page has. A page that asks for each person costs hundreds of statements, and
 * leaves behind a record of each server that somebody once had.
 *
 * Owner: the caller, on the hub's loop. It borrows servers (lab.h): it is good until the handler returns.
 */
#ifndef CR_PLATFORM_HUB_ROSTER_H
#define CR_PLATFORM_HUB_ROSTER_H

#include "base/arena.h"
#include "platform/hub/lab.h"

typedef struct cr_roster_server {
    struct cr_roster_server *next;
    cr_lab *server;
} cr_roster_server;

typedef struct cr_roster_row {
    cr_roster_server *servers;   /* those that are not stopped: the default one first, then by name */
    const char *shown;           /* the name by which a provider showed the person last; "": none did */
    const char *address;         /* that the last provider has verified; "": none */
    json_t *groups;              /* names, sorted; NULL: not asked for */
} cr_roster_row;

typedef struct cr_roster {
    int n;
    cr_roster_row *rows;         /* in the order of the people */
    cr_arena arena;
} cr_roster;

/* What is wanted beside the servers. */
enum { CR_ROSTER_SERVERS = 0, CR_ROSTER_IDENTITIES = 1, CR_ROSTER_GROUPS = 2 };

cr_status cr_roster_read(cr_hub *hub, const cr_person *people, int n, unsigned what, cr_roster *ret_roster, cr_err *err) CR_MUST_USE;
void cr_roster_done(cr_roster *roster);      /* also of one that is all zero */
#define cr_auto_roster __attribute__((cleanup(cr_roster_done)))

/* The default server when it is not stopped; else NULL. */
static inline const cr_lab *cr_roster_ordinary(const cr_roster_row *row) {
    return row->servers && !row->servers->server->name[0] ? row->servers->server : NULL;
}

#endif
