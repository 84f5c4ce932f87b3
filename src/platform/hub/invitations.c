/* invitations.c - the administrator's page for a course: links for a list of people, to be printed, and one link for a whole room. */
#include "platform/hub/inviting.h"

#include "base/text.h"
#include "platform/hub/mailing.h"

enum { HOUR_MS = 3600 * 1000 };

/* What was typed comes back with a problem. Steals more (may be NULL). */
static void show(cr_request *req, int status, const cr_err *problem, json_t *more) {
    json_t *rooms = json_array(), *unused = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_invite_rooms(cr_hub_of(req), rooms, &err) != CR_OK || cr_invite_unused(cr_hub_of(req), unused, &err) != CR_OK) {
        json_decref(rooms);
        json_decref(unused);
        json_decref(more);
        cr_reply_err(req, &err);
        return;
    }
    json_t *values = json_pack("{s:b, s:o, s:s, s:s, s:s, s:s, s:s, s:s}", "has_rooms", json_array_size(rooms) > 0, "rooms", rooms, "problem",
                               problem ? problem->message : "", "hint", problem ? problem->hint : "", "people", cr_request_field(req, "people"), "group",
                               cr_request_field(req, "group"), "note", cr_request_field(req, "note"), "seats", cr_request_field(req, "seats"));
    json_object_set_new(values, "has_unused", json_boolean(json_array_size(unused) > 0));
    json_object_set_new(values, "unused", unused);
    json_object_set_new(values, "mail", json_boolean(cr_mailing_is_on(cr_hub_of(req))));
    json_object_set_new(values, "mail_typed", json_boolean(strcmp(cr_request_field(req, "mail"), "yes") == 0));
    if (more)
        json_object_update(values, more);
    json_decref(more);
    cr_site_page(req, status, "invitations", values);
}

void cr_invitations(cr_request *req) { show(req, 200, NULL, NULL); }

static void show_problem(cr_request *req, const cr_err *err) { show(req, cr_http_status_of(err), err, NULL); }

static cr_inviting read_form(cr_request *req, cr_actor *who) {
    cr_actor_of(req, who);
    return (cr_inviting){.hours = cr_request_field(req, "hours"), .group = cr_request_field(req, "group"), .people = cr_request_field(req, "people"),
                         .mail = strcmp(cr_request_field(req, "mail"), "yes") == 0, .seats = cr_request_field(req, "seats"),
                         .note = cr_request_field(req, "note")};
}

void cr_invitations_several(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    cr_actor who;
    char span[40];
    json_t *values = json_object();
    int64_t hours = 1;
    const cr_inviting what = read_form(req, &who);
    if (cr_invite_several(cr_hub_of(req), &who, &what, values, &err) != CR_OK) {
        json_decref(values);
        show_problem(req, &err);
        return;
    }
    json_object_set_new(values, "has_links", json_boolean(json_array_size(json_object_get(values, "links")) > 0));
    json_object_set_new(values, "has_there", json_boolean(json_array_size(json_object_get(values, "there")) > 0));
    if (cr_parse_int(what.hours, 1, CR_INVITING_HOURS_MAX, &hours, NULL) == CR_OK)
        json_object_set_new(values, "life", json_string(cr_text_span(hours * HOUR_MS, span, sizeof span)));
    json_object_set_new(values, "hub", json_string(cr_hub_of(req)->hub_url));
    json_object_set_new(values, "group", json_string(what.group));
    cr_site_page(req, 200, "invited", values);
}

void cr_invitations_room(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    cr_actor who;
    char url[CR_URL_MAX];
    int64_t seats = 0;
    const cr_inviting what = read_form(req, &who);
    if (cr_invite_room(cr_hub_of(req), &who, &what, url, &seats, &err) != CR_OK) {
        show_problem(req, &err);
        return;
    }
    json_t *values = json_pack("{s:s, s:I}", "link", url, "link_seats", (json_int_t)seats);
    for (size_t i = 0; i < 4; i++)      /* what was typed is done */
        json_object_set_new(values, (const char *const[]){"people", "group", "note", "seats"}[i], json_string(""));
    show(req, 200, NULL, values);
    explicit_bzero(url, sizeof url);
}

void cr_invitations_close(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    cr_actor who;
    cr_actor_of(req, &who);
    if (cr_invite_close(cr_hub_of(req), &who, cr_request_field(req, "id"), &err) != CR_OK)
        show_problem(req, &err);
    else
        cr_reply_redirect(req, 303, "/hub/admin/invitations");
}
