/* rest_named.c - the REST API of servers: making one without starting it (PUT), and changing one that is stopped (PATCH). */
#include "platform/hub/rest_servers.h"

#include "base/log.h"
#include "platform/hub/again.h"
#include "platform/hub/named.h"
#include "platform/hub/profile_choice.h"

/* null is as good as nothing. */
static const json_t *given(const cr_request *req, const char *key) {
    const json_t *value = json_object_get(req->json, key);
    return json_is_null(value) ? NULL : value;
}

/* The title that the body has, or the name; NULL: replied. */
static const char *read_title(cr_request *req, const char *name) {
    const char *title = json_string_value(json_object_get(req->json, "display_name"));
    if (!title || !*title)
        return name;
    if (cr_named_title_is_right(title))
        return title;
    cr_rest_reply(req, 400, "Invalid display_name: %.80s", title);
    return NULL;
}

static cr_status furnish(cr_request *req, cr_lab *s, const char *title, cr_err *err) {
    const json_t *options = cr_rest_options_of(req);
    CR_TRY(cr_lab_set_title(s, title, err));
    return json_object_size(options) ? cr_choice_set(s, options, err) : CR_OK;
}

/* Whole, or not at all: what was refused does not count as one of the person's. */
static cr_status make(cr_request *req, const cr_person *person, const char *name, const char *title, cr_lab **ret_server, cr_err *err) {
    cr_err other = CR_ERR_INIT;
    CR_TRY(cr_lab_find(cr_hub_of(req), person, name, true, ret_server, err));
    cr_status status = furnish(req, *ret_server, title, err);
    if (status != CR_OK && cr_lab_remove(*ret_server, &other) != CR_OK)
        cr_log_err(CR_LOG_WARN, "taking back a server that was refused", &other);
    return status;
}

void cr_api_server_make(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const char *name = cr_rest_server_name(req), *title;
    cr_person person;
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (!cr_rest_needs_server(req, CR_SCOPE_START_SERVERS, name) || !cr_rest_find_person(req, req->param[0], &person) || !cr_again_needs(req, person.id))
        return;
    if (!*name) {
        cr_rest_reply(req, 409, "User %s already has a default server", person.name);
        return;
    }
    cr_status status = cr_lab_find(hub, &person, name, false, &s, &err);
    if (status == CR_OK) {
        cr_rest_reply(req, 409, "User %s already has server %s", person.name, name);
        return;
    }
    if (!cr_rest_check_options(req))
        return;
    if (status == CR_NOT_FOUND)
        status = cr_named_check(hub, &person, name, CR_NAMED_MAKE, &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (!(title = read_title(req, name)))
        return;
    if (make(req, &person, name, title, &s, &err) != CR_OK)
        cr_reply_err(req, &err);
    else
        cr_reply_json(req, 201, cr_rest_server_model(req, s));
}

/* ---- PATCH ---- */

static bool check_fields(cr_request *req) {
    const char *key;
    json_t *value;
    if (json_object_size(req->json) == 0) {
        cr_reply_error(req, 400, json_array_size(req->json) ? "Body must be a JSON object" : "Must specify at least one field to modify.", "");
        return false;
    }
    json_object_foreach(req->json, key, value) {
        if (strcmp(key, "name") != 0 && strcmp(key, "display_name") != 0 && strcmp(key, "user_options") != 0) {
            cr_rest_reply(req, 400, "Unexpected field: %.80s, supported fields: name,display_name,user_options", key);
            return false;
        }
    }
    const json_t *name = given(req, "name"), *title = given(req, "display_name");
    if ((name && !json_is_string(name)) || (title && !json_is_string(title))) {
        cr_rest_reply(req, 400, "%s must be a string", name && !json_is_string(name) ? "name" : "display_name");
        return false;
    }
    return true;
}

/* A new name, or a title: is it allowed? A default server that gets a name makes room for another default one. */
static cr_status check_names(cr_request *req, const cr_person *person, const char *server, const char *name, const char *title, cr_err *err) {
    if (name)
        CR_TRY(cr_named_check(cr_hub_of(req), person, name, *server ? CR_NAMED_RENAME : CR_NAMED_MAKE, err));
    else if (title && *title)
        CR_TRY(cr_named_check(cr_hub_of(req), person, server, CR_NAMED_USE, err));
    if (title && *title && !cr_named_title_is_right(title))
        return CR_FAIL(err, CR_INVALID, "Invalid display_name: %.80s", title);
    return CR_OK;
}

static cr_status change(cr_request *req, const cr_person *person, cr_lab *s, const char *name, const char *title, cr_err *err) {
    cr_lab *other;
    const json_t *options = json_object_get(req->json, "user_options");
    if (name) {
        cr_status status = cr_lab_find(cr_hub_of(req), person, name, false, &other, err);
        if (status == CR_OK)
            return CR_FAIL(err, CR_CONFLICT, "User %s already has server '%s'", person->name, name);
        if (status != CR_NOT_FOUND)
            return status;
        *err = (cr_err)CR_ERR_INIT;
    }
    if (options)
        CR_TRY(cr_choice_set(s, options, err));
    if (name)
        CR_TRY(cr_lab_rename(s, name, err));
    return title && *title ? cr_lab_set_title(s, title, err) : CR_OK;
}

void cr_api_server_change(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const char *server = cr_rest_server_name(req);
    cr_person person;
    cr_lab *s = NULL;
    cr_err err = CR_ERR_INIT;
    if (!cr_rest_needs_server(req, CR_SCOPE_START_SERVERS, server) || !cr_rest_find_person(req, req->param[0], &person) ||
        !cr_again_needs(req, person.id) || !check_fields(req))
        return;
    const char *name = json_string_value(given(req, "name")), *title = json_string_value(given(req, "display_name"));
    const json_t *options = json_object_get(req->json, "user_options");
    if (check_names(req, &person, server, name, title, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_status status = cr_lab_find(hub, &person, server, !*server, &s, &err);
    if (status == CR_NOT_FOUND)
        cr_rest_reply(req, 404, "User %s has no such server '%.80s'", person.name, server);
    else if (status != CR_OK)
        cr_reply_err(req, &err);
    else if (s->state != CR_LAB_STOPPED || s->removing)
        cr_rest_reply(req, 400, "%s is active. Please stop it before modifying it.", cr_rest_log_name(req, s));
    else if (options && !json_is_object(options))
        cr_reply_error(req, 400, "user_options must be a dict", "");
    else if (change(req, &person, s, name, title, &err) != CR_OK)
        cr_reply_err(req, &err);
    else {
        if (options)
            cr_rest_note_other(req, CR_AUDIT_SERVER_CHANGED, s);
        cr_reply_json(req, 200, cr_rest_server_model(req, s));
    }
}
