/* roster.c - servers by one walk; groups and names by the people's ids as one JSON list. */
#include "platform/hub/roster.h"

#include <stdlib.h>
#include "platform/hub/rest.h"
#include "platform/identity/groups.h"
#include "platform/identity/identities.h"

enum { ARENA_MAX = 64 << 20, ID_DIGITS = 21 };

/* Where on the page somebody stands. */
typedef struct place {
    int64_t id;
    int at;
} place;

static int by_id(const void *a, const void *b) {
    int64_t x = ((const place *)a)->id, y = ((const place *)b)->id;
    return (x > y) - (x < y);
}

static cr_status add_server(cr_roster *r, cr_roster_row *row, cr_lab *s, cr_err *err) {
    cr_roster_server *node = cr_arena_alloc(&r->arena, sizeof *node), **at = &row->servers;
    if (!node)
        return CR_FAIL(err, CR_MEMORY, "no memory for a list of people");
    while (*at && strcmp((*at)->server->name, s->name) < 0)
        at = &(*at)->next;
    *node = (cr_roster_server){*at, s};
    *at = node;
    return CR_OK;
}

/* All that are not stopped are in memory. */
static cr_status add_servers(cr_hub *hub, cr_roster *r, const cr_person *people, cr_err *err) {
    void *value;
    place *places = cr_arena_calloc(&r->arena, (size_t)r->n, sizeof *places);
    if (!places)
        return CR_FAIL(err, CR_MEMORY, "no memory for a list of people");
    for (int i = 0; i < r->n; i++)
        places[i] = (place){people[i].id, i};
    qsort(places, (size_t)r->n, sizeof *places, by_id);
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        cr_lab *s = value;
        const place wanted = {s->user_id, 0}, *found;
        if (s->state != CR_LAB_STOPPED && (found = bsearch(&wanted, places, (size_t)r->n, sizeof *places, by_id)))
            CR_TRY(add_server(r, &r->rows[found->at], s, err));
    }
    return CR_OK;
}

static void add_group(void *user, int64_t at, const char *name) {
    cr_roster *r = user;
    cr_rest_add_text(r->rows[at].groups, name);
}

/* They come with the latest sign-in first. */
static void add_identity(void *user, int64_t at, const char *shown, const char *address) {
    cr_roster *r = user;
    cr_roster_row *row = &r->rows[at];
    if (!row->shown)
        row->shown = cr_arena_strdup(&r->arena, shown);
    if (!row->address && *address)
        row->address = cr_arena_strdup(&r->arena, address);
}

static cr_status read_all(cr_hub *hub, const cr_person *people, unsigned what, cr_roster *r, cr_err *err) {
    cr_auto_buf cr_buf ids;
    cr_buf_init(&ids, (size_t)r->n * ID_DIGITS + 2);
    for (int i = 0; i < r->n; i++)
        cr_buf_addf(&ids, "%c%lld", i ? ',' : '[', (long long)people[i].id);
    cr_buf_addc(&ids, ']');
    CR_TRY(cr_buf_check(&ids, err));
    r->rows = cr_arena_calloc(&r->arena, (size_t)r->n, sizeof *r->rows);
    if (!r->rows)
        return CR_FAIL(err, CR_MEMORY, "no memory for a list of people");
    CR_TRY(add_servers(hub, r, people, err));
    if (what & CR_ROSTER_IDENTITIES)
        CR_TRY(cr_identities_of(hub->db, cr_buf_str(&ids), add_identity, r, err));
    if (what & CR_ROSTER_GROUPS) {
        for (int i = 0; i < r->n; i++)
            r->rows[i].groups = json_array();
        CR_TRY(cr_groups_of_several(hub->db, cr_buf_str(&ids), add_group, r, err));
    }
    for (int i = 0; i < r->n; i++) {
        r->rows[i].shown = r->rows[i].shown ? r->rows[i].shown : "";
        r->rows[i].address = r->rows[i].address ? r->rows[i].address : "";
    }
    return CR_OK;
}

cr_status cr_roster_read(cr_hub *hub, const cr_person *people, int n, unsigned what, cr_roster *ret_roster, cr_err *err) {
    cr_roster r = {.n = n};
    cr_arena_init(&r.arena, ARENA_MAX);
    cr_status status = n ? read_all(hub, people, what, &r, err) : CR_OK;
    if (status == CR_OK)
        *ret_roster = r;
    else
        cr_roster_done(&r);
    return status;
}

void cr_roster_done(cr_roster *r) {
    for (int i = 0; r->rows && i < r->n; i++)
        json_decref(r->rows[i].groups);
    cr_arena_done(&r->arena);
    *r = (cr_roster){0};
}
