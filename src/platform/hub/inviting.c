/* inviting.c - links for the people of a course. */
#include "platform/hub/inviting.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/mailing.h"
#include "platform/identity/groups.h"
#include "platform/identity/people_list.h"

enum { HOUR_MS = 3600 * 1000 };

/* What all links of one call have. */
typedef struct calling {
    cr_hub *hub;
    const cr_actor *who;
    const cr_inviting *what;
    cr_onetime common;
    int64_t group;            /* 0: none */
    json_t *links, *there;
} calling;

/* Time and group; a group that is not there yet is made. Inside a transaction. */
static cr_status read_common(calling *c, cr_err *err) {
    int64_t hours = 0;
    const char *group = c->what->group;
    if (cr_parse_int(c->what->hours, 1, CR_INVITING_HOURS_MAX, &hours, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "links work for 1 to %d hours", CR_INVITING_HOURS_MAX);
    c->common.kind = CR_ONETIME_INVITE;
    c->common.life_ms = hours * HOUR_MS;
    if (!*group)
        return CR_OK;
    if (!cr_group_name_is_right(group))
        return CR_FAIL(err, CR_INVALID, "a group's name has 1 to %d bytes and no control characters", CR_GROUP_NAME_MAX);
    snprintf(c->common.group, sizeof c->common.group, "%s", group);
    cr_status status = cr_group_find(c->hub->db, group, &c->group, err);
    return status == CR_NOT_FOUND ? cr_deed_add_group(c->hub, c->who, group, &c->group, err) : status;
}

/* ---- several people ---- */

static bool is_listed(const json_t *rows, const char *name) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            return true;
    return false;
}

static cr_status put_in(calling *c, const cr_person *person, cr_err *err) {
    cr_removal_row removal = {0};
    CR_TRY(cr_removal_find(c->hub, person->id, &removal, err));
    if (removal.wanted)
        return CR_FAIL(err, CR_CONFLICT, "%s is being removed", person->name);
    json_array_append_new(c->there, json_pack("{s:s, s:b}", "name", person->name, "disabled", person->disabled));
    bool has = false;
    if (c->group)
        CR_TRY(cr_group_has(c->hub->db, c->common.group, person->name, &has, err));
    return c->group && !has ? cr_deed_membership(c->hub, c->who, c->group, c->common.group, person, true, err) : CR_OK;
}

static cr_status invite_one(void *user, const cr_people_line *line, cr_err *err) {
    calling *c = user;
    cr_onetime what = c->common;
    char url[CR_URL_MAX] = "";
    cr_person other;
    CR_TRY(cr_name_normalize(line->name, what.name, err));
    if (is_listed(c->links, what.name) || is_listed(c->there, what.name))
        return CR_FAIL(err, CR_INVALID, "it stands in the list twice");
    if (json_array_size(c->links) + json_array_size(c->there) >= CR_INVITING_PEOPLE_MAX)
        return CR_FAIL(err, CR_LIMIT, "that is more than %d people at once", CR_INVITING_PEOPLE_MAX);
    cr_status found = cr_person_find(c->hub->db, what.name, &other, err);
    if (found == CR_OK)
        return put_in(c, &other, err);
    if (found != CR_NOT_FOUND)
        return found;
    bool mail = c->what->mail && line->address[0];
    if (mail)
        CR_TRY(cr_mailing_link(c->hub, c->who, &what, what.name, line->address, err));
    else
        CR_TRY(cr_deed_link(c->hub, c->who, &what, what.name, url, err));
    json_array_append_new(c->links, json_pack("{s:s, s:s, s:s, s:s}", "name", what.name, "label", line->label, "url", url, "address",
                                              mail ? line->address : ""));
    explicit_bzero(url, sizeof url);
    return CR_OK;
}

static cr_status several_rows(calling *c, bool *ret_columns, cr_err *err) {
    CR_TRY(read_common(c, err));
    CR_TRY(cr_people_list_read(c->what->people, invite_one, c, ret_columns, err));
    if (!json_array_size(c->links) && !json_array_size(c->there))
        return CR_FAIL(err, CR_INVALID, "write one user name on each line");
    return CR_OK;
}

cr_status cr_invite_several(cr_hub *hub, const cr_actor *who, const cr_inviting *what, json_t *values, cr_err *err) {
    calling c = {.hub = hub, .who = who, .what = what, .links = json_array(), .there = json_array()};
    bool columns = false;
    json_object_set_new(values, "links", c.links);
    json_object_set_new(values, "there", c.there);
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_db_end(hub->db, several_rows(&c, &columns, err), err));
    json_object_set_new(values, "columns", json_boolean(columns));
    cr_log(CR_LOG_INFO, "invitations made", "by=\"%s\" links=%zu known=%zu group=\"%s\"", who->name, json_array_size(c.links), json_array_size(c.there),
           c.common.group);
    return CR_OK;
}

/* ---- a room ---- */

static cr_status room_rows(calling *c, char url[CR_URL_MAX], int64_t *ret_seats, cr_err *err) {
    const char *note = c->what->note;
    CR_TRY(read_common(c, err));
    if (cr_parse_int(c->what->seats, 2, CR_ONETIME_SEATS_MAX, &c->common.seats, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "a room has 2 to %d seats", CR_ONETIME_SEATS_MAX);
    if (strlen(note) > CR_ONETIME_NOTE_MAX)
        return CR_FAIL(err, CR_LIMIT, "the note has at most %d bytes", CR_ONETIME_NOTE_MAX);
    snprintf(c->common.note, sizeof c->common.note, "%s", note);
    cr_text_clean(c->common.note);
    *ret_seats = c->common.seats;
    return cr_deed_link(c->hub, c->who, &c->common, "", url, err);
}

cr_status cr_invite_room(cr_hub *hub, const cr_actor *who, const cr_inviting *what, char ret_url[CR_URL_MAX], int64_t *ret_seats, cr_err *err) {
    calling c = {.hub = hub, .who = who, .what = what};
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_db_end(hub->db, room_rows(&c, ret_url, ret_seats, err), err));
    cr_log(CR_LOG_INFO, "invitation for a room made", "by=\"%s\" seats=%lld group=\"%s\"", who->name, (long long)c.common.seats, c.common.group);
    return CR_OK;
}

/* ---- what was made ---- */

static void add_link(void *user, const cr_onetime *link) {
    char left[40];
    json_array_append_new(user, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s}", "id", link->id, "name", link->name, "note", link->note, "group",
                                          link->group, "seats", (json_int_t)link->seats, "used", (json_int_t)link->used, "full",
                                          link->used >= link->seats, "left",
                                          cr_text_span(CR_MAX(link->expires_ms - cr_wall_ms(), 0), left, sizeof left)));
}

cr_status cr_invite_rooms(cr_hub *hub, json_t *rows, cr_err *err) { return cr_onetime_list(hub->db, true, add_link, rows, err); }
cr_status cr_invite_unused(cr_hub *hub, json_t *rows, cr_err *err) { return cr_onetime_list(hub->db, false, add_link, rows, err); }

cr_status cr_invite_close(cr_hub *hub, const cr_actor *who, const char *id, cr_err *err) {
    char name[CR_NAME_MAX + 1] = "";
    CR_TRY(cr_db_begin(hub->db, err));
    cr_status status = cr_onetime_close(hub->db, id, name, err);
    CR_TRY(cr_audit_end(hub, who, status, CR_AUDIT_LINK_CLOSED, name, N_("invitation"), err));
    cr_log(CR_LOG_INFO, "invitation closed", "by=\"%s\" name=%s", who->name, name);
    return CR_OK;
}
