/* invitations.c - the administrator's page for a course: links for a list of people, to be printed, and one link for a whole room. */
#include "platform/hub/deeds.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/mailing.h"
#include "platform/identity/groups.h"

enum { PEOPLE_MAX = 300, HOURS_MAX = 30 * 24, HOUR_MS = 3600 * 1000 };

/* ---- the page ---- */

static void add_room(void *user, const cr_onetime *link) {
    char left[40];
    json_array_append_new(user, json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:s}", "id", link->id, "note", link->note, "group", link->group, "seats",
                                          (json_int_t)link->seats, "used", (json_int_t)link->used, "full", link->used >= link->seats, "left",
                                          cr_text_span(CR_MAX(link->expires_ms - cr_wall_ms(), 0), left, sizeof left)));
}

/* What was typed comes back with a problem. Steals more (may be NULL). */
static void show(cr_request *req, int status, const cr_err *problem, json_t *more) {
    json_t *rooms = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_onetime_list(cr_hub_of(req)->db, add_room, rooms, &err) != CR_OK) {
        json_decref(rooms);
        json_decref(more);
        cr_reply_err(req, &err);
        return;
    }
    json_t *values = json_pack("{s:b, s:o, s:s, s:s, s:s, s:s, s:s, s:s}", "has_rooms", json_array_size(rooms) > 0, "rooms", rooms, "problem",
                               problem ? problem->message : "", "hint", problem ? problem->hint : "", "people", cr_request_field(req, "people"), "group",
                               cr_request_field(req, "group"), "note", cr_request_field(req, "note"), "seats", cr_request_field(req, "seats"));
    json_object_set_new(values, "mail", json_boolean(cr_mailing_is_on(cr_hub_of(req))));
    json_object_set_new(values, "mail_typed", json_boolean(strcmp(cr_request_field(req, "mail"), "yes") == 0));
    if (more)
        json_object_update(values, more);
    json_decref(more);
    cr_site_page(req, status, "invitations", values);
}

void cr_invitations(cr_request *req) { show(req, 200, NULL, NULL); }

static void show_problem(cr_request *req, const cr_err *err) { show(req, cr_http_status_of(err), err, NULL); }

/* ---- what both forms have ---- */

/* Time and group of new links; a group that is not there yet is made. Inside a transaction. */
static cr_status read_common(cr_request *req, cr_onetime *what, cr_err *err) {
    int64_t hours = 0, id;
    const char *group = cr_request_field(req, "group");
    if (cr_parse_int(cr_request_field(req, "hours"), 1, HOURS_MAX, &hours, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "links work for 1 to %d hours", HOURS_MAX);
    what->kind = CR_ONETIME_INVITE;
    what->life_ms = hours * HOUR_MS;
    if (!*group)
        return CR_OK;
    if (!cr_group_name_is_right(group))
        return CR_FAIL(err, CR_INVALID, "a group's name has 1 to %d bytes and no control characters", CR_GROUP_NAME_MAX);
    snprintf(what->group, sizeof what->group, "%s", group);
    cr_actor who;
    cr_actor_of(req, &who);
    cr_status status = cr_group_find(cr_hub_of(req)->db, group, &id, err);
    return status == CR_NOT_FOUND ? cr_deed_add_group(cr_hub_of(req), &who, group, &id, err) : status;
}

static cr_status make_link(cr_request *req, const cr_onetime *what, char url[CR_URL_MAX], cr_err *err) {
    cr_actor who;
    cr_actor_of(req, &who);
    return cr_deed_link(cr_hub_of(req), &who, what, what->name, url, err);
}

/* The links are good when the transaction has ended, and are shown only then. */
static cr_status in_transaction(cr_request *req, cr_status (*work)(cr_request *req, json_t *ret_values, cr_err *err), json_t *ret_values, cr_err *err) {
    cr_db *db = cr_hub_of(req)->db;
    CR_TRY(cr_db_begin(db, err));
    return cr_db_end(db, work(req, ret_values, err), err);
}

/* ---- several people ---- */

/* How much of n bytes is shown where at most so many are: no half of a character, which a page could not hold. */
static size_t shown(const char *text, size_t n, size_t most) {
    if (n <= most)
        return n;
    while (most && ((unsigned char)text[most] & 0xC0) == 0x80)
        most--;
    return most;
}

/* The first word with an @ in the rest of a line, when mails were asked for; false: there is none, "" , or it is no address. */
static bool find_address(cr_request *req, const char *rest, size_t n, char address[CR_MAIL_ADDRESS_MAX + 2]) {
    static const char between[] = " ,;\t<>\"()";
    address[0] = 0;
    for (size_t i = 0; strcmp(cr_request_field(req, "mail"), "yes") == 0 && i < n;) {
        size_t len = 0;
        while (i + len < n && !strchr(between, rest[i + len]))
            len++;
        if (memchr(rest + i, '@', len)) {
            snprintf(address, CR_MAIL_ADDRESS_MAX + 2, "%.*s", (int)CR_MIN(len, (size_t)CR_MAIL_ADDRESS_MAX + 1), rest + i);
            return true;
        }
        i += len + 1;
    }
    return false;
}

/* One line: a name, or the first field of a line of a table; what follows a comma, semicolon or tab is for the administrator's eyes. */
static cr_status invite_line(cr_request *req, const cr_onetime *common, const char *line, size_t n, json_t *links, json_t *skipped, cr_err *err) {
    cr_onetime what = *common;
    char typed[CR_NAME_MAX + 2], url[CR_URL_MAX], label[3 * CR_NAME_MAX], address[CR_MAIL_ADDRESS_MAX + 2];
    size_t len = 0;
    while (len < n && !strchr(",;\t", line[len]))
        len++;
    const char *rest = line + CR_MIN(len + 1, n);
    snprintf(label, sizeof label, "%.*s", (int)shown(rest, (size_t)(line + n - rest), sizeof label - 1), rest);
    cr_text_clean(label);
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    snprintf(typed, sizeof typed, "%.*s", (int)CR_MIN(len, sizeof typed - 1), line);
    CR_TRY(cr_name_normalize(typed, what.name, err));
    cr_person other;
    cr_status found = cr_person_find(cr_hub_of(req)->db, what.name, &other, err);
    if (found == CR_OK) {
        json_array_append_new(skipped, json_pack("{s:s}", "name", what.name));
        return CR_OK;
    }
    if (found != CR_NOT_FOUND)
        return found;
    size_t i;
    json_t *link;
    json_array_foreach(links, i, link)
        if (strcmp(json_string_value(json_object_get(link, "name")), what.name) == 0)
            return CR_FAIL(err, CR_INVALID, "it stands in the list twice");
    if (json_array_size(links) >= PEOPLE_MAX)
        return CR_FAIL(err, CR_LIMIT, "that is more than %d people at once", PEOPLE_MAX);
    if (find_address(req, rest, (size_t)(line + n - rest), address)) {
        cr_actor who;
        cr_actor_of(req, &who);
        CR_TRY(cr_mailing_link(cr_hub_of(req), &who, &what, what.name, address, err));
        json_array_append_new(links, json_pack("{s:s, s:s, s:s, s:s}", "name", what.name, "label", label, "url", "", "address", address));
        return CR_OK;
    }
    CR_TRY(make_link(req, &what, url, err));
    json_array_append_new(links, json_pack("{s:s, s:s, s:s, s:s}", "name", what.name, "label", label, "url", url, "address", ""));
    return CR_OK;
}

static cr_status invite_several(cr_request *req, json_t *values, cr_err *err) {
    cr_onetime common = {0};
    CR_TRY(read_common(req, &common, err));
    json_t *links = json_array(), *skipped = json_array();
    json_object_set_new(values, "links", links);
    json_object_set_new(values, "skipped", skipped);
    int number = 1;
    for (const char *line = cr_request_field(req, "people"); *line; number++) {
        size_t n = strcspn(line, "\r\n"), skip = n + (line[n] == '\r') + (line[n] && line[n + (line[n] == '\r')] == '\n');
        size_t begin = strspn(line, " \t");
        if (begin < n && invite_line(req, &common, line + begin, n - begin, links, skipped, err) != CR_OK) {
            cr_err_context(err, "line %d (%.*s)", number, (int)shown(line, n, 40), line);
            return err->status;
        }
        line += skip;
    }
    if (!json_array_size(links) && !json_array_size(skipped))
        return CR_FAIL(err, CR_INVALID, "write one user name on each line");
    json_object_set_new(values, "has_links", json_boolean(json_array_size(links) > 0));
    json_object_set_new(values, "has_skipped", json_boolean(json_array_size(skipped) > 0));
    return CR_OK;
}

void cr_invitations_several(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    char span[40];
    json_t *values = json_object();
    int64_t hours = 1;
    if (in_transaction(req, invite_several, values, &err) != CR_OK) {
        json_decref(values);
        show_problem(req, &err);
        return;
    }
    if (cr_parse_int(cr_request_field(req, "hours"), 1, HOURS_MAX, &hours, NULL) == CR_OK)
        json_object_set_new(values, "life", json_string(cr_text_span(hours * HOUR_MS, span, sizeof span)));
    json_object_set_new(values, "hub", json_string(cr_hub_of(req)->hub_url));
    cr_log(CR_LOG_INFO, "invitations made", "admin=%s people=%zu group=%s", cr_caller_of(req)->person.name,
           json_array_size(json_object_get(values, "links")), cr_request_field(req, "group"));
    cr_site_page(req, 200, "invited", values);
}

/* ---- a room ---- */

static cr_status invite_room(cr_request *req, json_t *values, cr_err *err) {
    cr_onetime what = {0};
    char url[CR_URL_MAX];
    const char *note = cr_request_field(req, "note");
    CR_TRY(read_common(req, &what, err));
    if (cr_parse_int(cr_request_field(req, "seats"), 2, CR_ONETIME_SEATS_MAX, &what.seats, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "a room has 2 to %d seats", CR_ONETIME_SEATS_MAX);
    if (strlen(note) > CR_ONETIME_NOTE_MAX)
        return CR_FAIL(err, CR_LIMIT, "the note has at most %d bytes", CR_ONETIME_NOTE_MAX);
    snprintf(what.note, sizeof what.note, "%s", note);
    cr_text_clean(what.note);
    CR_TRY(make_link(req, &what, url, err));
    json_object_set_new(values, "link", json_string(url));
    json_object_set_new(values, "link_seats", json_integer(what.seats));
    return CR_OK;
}

void cr_invitations_room(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    json_t *values = json_object();
    if (in_transaction(req, invite_room, values, &err) != CR_OK) {
        json_decref(values);
        show_problem(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "invitation for a room made", "admin=%s seats=%s group=%s", cr_caller_of(req)->person.name, cr_request_field(req, "seats"),
           cr_request_field(req, "group"));
    for (size_t i = 0; i < 4; i++)      /* what was typed is done */
        json_object_set_new(values, (const char *const[]){"people", "group", "note", "seats"}[i], json_string(""));
    show(req, 200, NULL, values);
}

void cr_invitations_close(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_actor_of(req, &who);
    cr_status status = cr_db_begin(hub->db, &err);
    if (status == CR_OK)
        status = cr_audit_end(hub, &who, cr_onetime_close(hub->db, cr_request_field(req, "id"), &err), CR_AUDIT_LINK_CLOSED, "", N_("for a room"), &err);
    if (status != CR_OK) {
        show_problem(req, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "invitation for a room closed", "admin=%s", cr_caller_of(req)->person.name);
    cr_reply_redirect(req, 303, "/hub/admin/invitations");
}
