/* operator.c - the actions of `craton admin`. */
#include "platform/hub/operator.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/text.h"
#include "platform/hub/ahead.h"
#include "platform/hub/deeds.h"
#include "platform/hub/disk.h"
#include "platform/hub/inviting.h"
#include "platform/hub/lab.h"
#include "platform/hub/mailing.h"
#include "platform/hub/notices.h"
#include "platform/hub/rest.h"
#include "platform/hub/rest_time.h"
#include "platform/hub/roster.h"
#include "platform/identity/groups.h"

enum { ROWS_AT_ONCE = 500, ARGUMENTS_MAX = 64, ROOM_ID_SHOWN = 12 };

typedef struct task {
    cr_hub *hub;
    const cr_actor *who;
    const json_t *ask;
    const char *args[ARGUMENTS_MAX];
    int n_args;
    json_t *answer, *rows;
    cr_status status;         /* of a callback */
    cr_err *err;
} task;

static const char *option(const task *t, const char *name) {
    const char *text = json_string_value(json_object_get(t->ask, name));
    return text ? text : "";
}

static void say(task *t, const char *format, ...) CR_PRINTF(2, 3);
static void say(task *t, const char *format, ...) {
    char text[CR_URL_MAX + 200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cr_text_clean(text);
    json_object_set_new(t->answer, "text", json_string(text));
}

static cr_status find(const task *t, const char *typed, cr_person *ret_person) {
    char name[CR_NAME_MAX + 1];
    if (cr_name_normalize(typed, name, t->err) == CR_OK && cr_person_find(t->hub->db, name, ret_person, t->err) == CR_OK)
        return CR_OK;
    if (t->err->status == CR_NOT_FOUND || t->err->status == CR_INVALID)
        return CR_FAIL(t->err, CR_NOT_FOUND, "there is no user of the name '%.80s'", typed);
    return t->err->status;
}

/* ---- people ---- */

static const char *state_of(const cr_lab *s) {
    if (!s)
        return "";
    return s->state == CR_LAB_READY ? "running" : s->state == CR_LAB_STOPPING ? "stopping" : s->state == CR_LAB_WAITING ? "waiting" : "starting";
}

static cr_status people(task *t) {
    cr_person page[ROWS_AT_ONCE];
    bool removing[ROWS_AT_ONCE];
    cr_auto_roster cr_roster roster = {0};
    int n = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(t->hub->db, &q, t->err, "SELECT " CR_PERSON_COLUMNS ", EXISTS (SELECT 1 FROM removals r WHERE r.user_id = u.id) FROM users u "
                         "WHERE u.name > ? ORDER BY u.name LIMIT ?", "ti", option(t, "from"), (int64_t)ROWS_AT_ONCE));
    for (; n < ROWS_AT_ONCE && cr_query_next(&q); n++) {
        cr_person_read(&q, &page[n]);
        removing[n] = cr_query_int(&q, CR_PERSON_N_COLUMNS);
    }
    CR_TRY(cr_query_end(&q, t->err));
    CR_TRY(cr_roster_read(t->hub, page, n, CR_ROSTER_SERVERS, &roster, t->err));
    for (int i = 0; i < n; i++)
        json_array_append_new(t->rows, json_pack("{s:s, s:b, s:s, s:s, s:o, s:o}", "name", page[i].name, "admin", page[i].admin, "state",
                                                 removing[i] ? "being removed" : page[i].disabled ? "disabled" : "", "server",
                                                 state_of(cr_roster_ordinary(&roster.rows[i])), "made", cr_rest_time(page[i].created_ms), "active",
                                                 cr_rest_time(page[i].last_activity_ms)));
    if (n == ROWS_AT_ONCE)
        json_object_set_new(t->answer, "next", json_string(page[n - 1].name));
    return CR_OK;
}

static cr_status password_link(task *t, const cr_person *person) {
    const cr_onetime what = {.kind = CR_ONETIME_PASSWORD, .user_id = person->id};
    char url[CR_URL_MAX];
    CR_TRY(cr_deed_link(t->hub, t->who, &what, person->name, url, t->err));
    json_object_set_new(t->answer, "url", json_string(url));
    say(t, "%s", url);
    explicit_bzero(url, sizeof url);
    return CR_OK;
}

static cr_status add_rows(task *t) {
    char name[CR_NAME_MAX + 1];
    cr_person person;
    CR_TRY(cr_name_normalize(t->args[0], name, t->err));
    CR_TRY(cr_deed_add_person(t->hub, t->who, name, json_is_true(json_object_get(t->ask, "admin")), &person, t->err));
    return password_link(t, &person);
}

static cr_status add(task *t) {
    CR_TRY(cr_db_begin(t->hub->db, t->err));
    return cr_db_end(t->hub->db, add_rows(t), t->err);
}

static cr_status new_link(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    return password_link(t, &person);
}

static cr_status disable(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    CR_TRY(cr_deed_disable(t->hub, t->who, &person, true, t->err));
    say(t, "%s is disabled", person.name);
    return CR_OK;
}

static cr_status enable(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    CR_TRY(cr_deed_disable(t->hub, t->who, &person, false, t->err));
    say(t, "%s is enabled", person.name);
    return CR_OK;
}

static cr_status make_admin(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    CR_TRY(cr_deed_set_admin(t->hub, t->who, &person, true, t->err));
    say(t, "%s is an administrator", person.name);
    return CR_OK;
}

static cr_status unmake_admin(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    CR_TRY(cr_deed_set_admin(t->hub, t->who, &person, false, t->err));
    say(t, "%s is no administrator", person.name);
    return CR_OK;
}

static cr_status take_away(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    if (!json_is_true(json_object_get(t->ask, "yes"))) {
        (void)CR_FAIL(t->err, CR_INVALID, "this deletes all files of %s", person.name);
        cr_err_hint(t->err, "add --yes when that is meant");
        return CR_INVALID;
    }
    CR_TRY(cr_deed_remove(t->hub, t->who, &person, t->err));
    say(t, "%s is being removed; craton admin people shows when it is done", person.name);
    return CR_OK;
}

/* Who proved who it is at a provider, and was not let in. */
static cr_status turned_away(task *t) {
    size_t i, k;
    json_t *one, *group, *list = cr_refused_rows(t->hub);
    if (!list)
        return CR_FAIL(t->err, CR_IO, "the list of those who were turned away cannot be read");
    json_array_foreach(list, i, one) {
        json_t *received = json_array();
        json_array_foreach(json_object_get(one, "groups"), k, group)
            json_array_append(received, json_object_get(group, "text"));
        json_array_append_new(t->rows, json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:o}", "id", json_object_get(one, "id"), "name", json_object_get(one, json_string_length(json_object_get(one, "shown")) ? "shown" : "name"),
                                                 "address", json_object_get(one, "email"), "provider", json_object_get(one, "provider"), "subject",
                                                 json_object_get(one, "subject"), "times", json_object_get(one, "times"), "ago",
                                                 json_object_get(one, "last"), "received", received));
    }
    json_decref(list);
    return CR_OK;
}

static cr_status turned_away_remove(task *t) {
    int64_t id;
    if (cr_parse_int(t->args[0], 1, INT64_MAX, &id, NULL) != CR_OK)
        return CR_FAIL(t->err, CR_INVALID, "'%.40s' is not the number of somebody who was turned away; craton admin turned-away lists them", t->args[0]);
    cr_status status = cr_deed_forget_refused(t->hub, t->who, id, t->err);
    if (status == CR_NOT_FOUND)
        return CR_FAIL(t->err, CR_NOT_FOUND, "nobody who was turned away has the number %lld; craton admin turned-away lists them", (long long)id);
    CR_TRY(status);
    say(t, "taken off the list; who tries again and is no member is on it again");
    return CR_OK;
}

/* ---- people of a course ---- */

static cr_inviting read_inviting(const task *t, const char *hours, const char *people) {
    return (cr_inviting){.hours = *option(t, "hours") ? option(t, "hours") : hours, .group = option(t, "group"), .people = people,
                         .seats = option(t, "seats"), .note = option(t, "note")};
}

static cr_status invite(task *t) {
    cr_auto_buf cr_buf people;
    cr_buf_init(&people, 1 << 16);
    for (int i = 0; i < t->n_args; i++)
        cr_buf_addf(&people, "%s\n", t->args[i]);
    CR_TRY(cr_buf_check(&people, t->err));
    const cr_inviting what = read_inviting(t, "168", cr_buf_str(&people));
    json_t *made = json_object(), *one;
    size_t i;
    cr_status status = cr_invite_several(t->hub, t->who, &what, made, t->err);
    json_array_foreach(status == CR_OK ? json_object_get(made, "links") : NULL, i, one)
        json_array_append_new(t->rows, json_pack("{s:O, s:O}", "user", json_object_get(one, "name"), "link", json_object_get(one, "url")));
    json_array_foreach(status == CR_OK ? json_object_get(made, "there") : NULL, i, one)
        json_array_append_new(t->rows, json_pack("{s:O, s:s}", "user", json_object_get(one, "name"), "link",
                                                 *what.group ? "has an account, and is in the group" : "has an account"));
    json_decref(made);
    return status;
}

static cr_status room(task *t) {
    const cr_inviting what = read_inviting(t, "4", "");
    char url[CR_URL_MAX];
    int64_t seats;
    CR_TRY(cr_invite_room(t->hub, t->who, &what, url, &seats, t->err));
    json_object_set_new(t->answer, "url", json_string(url));
    say(t, "%s", url);
    explicit_bzero(url, sizeof url);
    return CR_OK;
}

static cr_status rooms(task *t) {
    size_t i;
    json_t *one;
    CR_TRY(cr_invite_rooms(t->hub, t->rows, t->err));
    json_array_foreach(t->rows, i, one) {
        json_object_set_new(one, "id", json_sprintf("%.*s", ROOM_ID_SHOWN, json_string_value(json_object_get(one, "id"))));
        json_object_del(one, "full");
        json_object_del(one, "name");
    }
    return CR_OK;
}

/* By the begin of its number, as the list shows it. */
static cr_status room_close(task *t) {
    json_t *list = json_array(), *one;
    const char *id = "";
    size_t i, n = strlen(t->args[0]);
    cr_status status = cr_invite_rooms(t->hub, list, t->err);
    json_array_foreach(status == CR_OK ? list : NULL, i, one)
        if (n >= ROOM_ID_SHOWN && strncmp(json_string_value(json_object_get(one, "id")), t->args[0], n) == 0)
            id = json_string_value(json_object_get(one, "id"));
    if (status == CR_OK)
        status = *id ? cr_invite_close(t->hub, t->who, id, t->err)
                     : CR_FAIL(t->err, CR_NOT_FOUND, "no link of a room has the number '%.80s'; craton admin rooms lists them", t->args[0]);
    json_decref(list);
    if (status == CR_OK)
        say(t, "the link is closed; who came in by it stays");
    return status;
}

/* ---- groups ---- */

static void add_group_row(void *user, const cr_group *g) {
    task *t = user;
    json_t *names = json_array();
    if (t->status == CR_OK)
        t->status = cr_group_people(t->hub->db, g->id, cr_rest_add_text, names, t->err);
    json_array_append_new(t->rows, json_pack("{s:s, s:o}", "name", g->name, "people", names));
}

static cr_status groups(task *t) {
    int64_t offset = 0;
    if (*option(t, "from"))
        CR_TRY(cr_parse_int(option(t, "from"), 0, INT64_MAX, &offset, t->err));
    CR_TRY(cr_group_list(t->hub->db, 0, NULL, ROWS_AT_ONCE, offset, add_group_row, t, t->err));
    if (json_array_size(t->rows) == ROWS_AT_ONCE)
        json_object_set_new(t->answer, "next", json_sprintf("%lld", (long long)offset + ROWS_AT_ONCE));
    return t->status;
}

static cr_status find_group(const task *t, int64_t *ret_id) {
    cr_status status = cr_group_find(t->hub->db, t->args[0], ret_id, t->err);
    return status == CR_NOT_FOUND ? CR_FAIL(t->err, CR_NOT_FOUND, "there is no group of the name '%.80s'", t->args[0]) : status;
}

static cr_status group_add(task *t) {
    int64_t id;
    if (!cr_group_name_is_right(t->args[0]))
        return CR_FAIL(t->err, CR_INVALID, "a group's name has 1 to %d bytes and no control characters", CR_GROUP_NAME_MAX);
    CR_TRY(cr_deed_add_group(t->hub, t->who, t->args[0], &id, t->err));
    say(t, "the group %s is made", t->args[0]);
    return CR_OK;
}

static cr_status group_remove(task *t) {
    int64_t id;
    CR_TRY(find_group(t, &id));
    CR_TRY(cr_deed_remove_group(t->hub, t->who, id, t->args[0], t->err));
    say(t, "the group %s is removed", t->args[0]);
    return CR_OK;
}

static cr_status membership_rows(task *t, bool join) {
    int64_t id;
    cr_person person;
    CR_TRY(find_group(t, &id));
    for (int i = 1; i < t->n_args; i++) {
        CR_TRY(find(t, t->args[i], &person));
        CR_TRY(cr_deed_membership(t->hub, t->who, id, t->args[0], &person, join, t->err));
    }
    say(t, join ? "%d put into %s" : "%d taken out of %s", t->n_args - 1, t->args[0]);
    return CR_OK;
}

/* All or nobody. */
static cr_status membership(task *t, bool join) {
    CR_TRY(cr_db_begin(t->hub->db, t->err));
    return cr_db_end(t->hub->db, membership_rows(t, join), t->err);
}

static cr_status group_join(task *t) { return membership(t, true); }
static cr_status group_leave(task *t) { return membership(t, false); }

/* ---- tokens ---- */

static void add_token_row(void *user, const cr_token_row *row) {
    task *t = user;
    if (row->kind != CR_TOKEN_API)
        return;
    json_t *scopes = row->scopes ? json_loads(row->scopes, 0, NULL) : NULL;
    json_array_append_new(t->rows, json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "id", json_sprintf("a%lld", (long long)row->id), "note", row->note, "made",
                                             cr_rest_time(row->created_ms), "used", cr_rest_time(row->last_ms), "ends", cr_rest_time(row->expires_ms),
                                             "scopes", scopes ? scopes : json_null()));
}

static cr_status tokens(task *t) {
    cr_person person;
    int64_t more;
    CR_TRY(find(t, t->args[0], &person));
    cr_tokens_write_uses(t->hub);
    return cr_token_list(t->hub->db, person.id, 0, add_token_row, t, &more, t->err);
}

static cr_status revoke(task *t) {
    cr_person person;
    int64_t id;
    const char *text = t->args[1];
    CR_TRY(find(t, t->args[0], &person));
    if (cr_parse_int(text + (text[0] == 'a'), 1, INT64_MAX, &id, NULL) != CR_OK)
        return CR_FAIL(t->err, CR_INVALID, "'%.40s' is not the number of a token, such as a7", text);
    cr_status status = cr_deed_revoke_token(t->hub, t->who, &person, id, t->err);
    if (status == CR_NOT_FOUND)
        return CR_FAIL(t->err, CR_NOT_FOUND, "%s has no token %.40s", person.name, text);
    CR_TRY(status);
    say(t, "the token a%lld of %s is revoked", (long long)id, person.name);
    return CR_OK;
}

/* ---- servers and clusters ---- */

static cr_status servers(task *t) {
    void *value;
    for (size_t i = 0; (i = cr_map_next(&t->hub->servers, i, NULL, &value));) {
        const cr_lab *s = value;
        if (s->state != CR_LAB_STOPPED)
            json_array_append_new(t->rows, json_pack("{s:s, s:s, s:o, s:o, s:s}", "user", s->user, "account", s->account, "started",
                                                     cr_rest_time(s->started_ms), "active", cr_rest_time(s->last_activity_ms), "message", s->message));
    }
    return CR_OK;
}

static cr_status stop_server(task *t) {
    cr_person person;
    CR_TRY(find(t, t->args[0], &person));
    CR_TRY(cr_deed_stop_server(t->hub, t->who, &person, t->err));
    say(t, "the server of %s is stopped", person.name);
    return CR_OK;
}

static cr_status clusters(task *t) {
    if (t->hub->feature && t->hub->feature->clusters)
        t->hub->feature->clusters(t->hub, t->rows);
    return CR_OK;
}

static cr_status stop_cluster(task *t) {
    char user[CR_NAME_MAX + 1];
    if (!t->hub->feature || !t->hub->feature->stop_cluster || !t->hub->feature->stop_cluster(t->hub, t->args[0], "The operator stopped it.", user))
        return CR_FAIL(t->err, CR_NOT_FOUND, "no cluster of the name '%.80s' runs", t->args[0]);
    cr_audit_note(t->hub, t->who, CR_AUDIT_CLUSTER_STOPPED, user, t->args[0]);
    say(t, "the cluster %s of %s is stopped", t->args[0], user);
    return CR_OK;
}

/* ---- everybody ---- */

static cr_status announce(task *t) {
    cr_notices n = *t->hub->notices;
    CR_TRY(cr_notices_read(t->n_args ? t->args[0] : "", option(t, "hours"), &n, t->err));
    CR_TRY(cr_notices_set(t->hub, t->who, &n, t->err));
    say(t, n.text[0] ? "every page announces: %s" : "nothing is announced%s", n.text);
    return CR_OK;
}

static cr_status maintenance(task *t) {
    cr_notices n = *t->hub->notices;
    n.maintenance = strcmp(t->args[0], "on") == 0;
    if (!n.maintenance && strcmp(t->args[0], "off") != 0)
        return CR_FAIL(t->err, CR_INVALID, "maintenance is on or off, not '%.40s'", t->args[0]);
    CR_TRY(cr_notices_set(t->hub, t->who, &n, t->err));
    say(t, n.maintenance ? "maintenance: nobody but administrators starts a server" : "no maintenance: people can start servers");
    return CR_OK;
}

static cr_status try_starts(task *t) {
    cr_notices_try_starts(t->hub, t->who);
    say(t, "starts are tried again");
    return CR_OK;
}

/* The control socket waits for what becomes of it. */
static cr_status mail_test(task *t) {
    int64_t id;
    CR_TRY(cr_mailing_test(t->hub, t->who, t->args[0], &id, t->err));
    json_object_set_new(t->answer, "mail", json_integer(id));
    return CR_OK;
}

static cr_status start_ahead(task *t) {
    cr_ahead_plan plan;
    int64_t id;
    char from[32], to[32];
    CR_TRY(cr_ahead_read(t->hub, option(t, "group"), option(t, "at"), option(t, "hours"), &plan, t->err));
    CR_TRY(cr_ahead_add(t->hub, t->who, &plan, &id, t->err));
    say(t, "plan %lld: servers of %s are started from %s on and kept until %s", (long long)id, plan.group, cr_iso8601(plan.begin_ms, from, sizeof from),
        cr_iso8601(plan.until_ms, to, sizeof to));
    return CR_OK;
}

static cr_status ahead(task *t) {
    size_t i, k;
    json_t *row, *one;
    CR_TRY(cr_ahead_rows(t->hub, 0, t->rows, t->err));
    json_array_foreach(t->rows, i, row) {     /* as words of a table */
        json_t *words = json_array();
        json_array_foreach(json_object_get(row, "failed"), k, one)
            json_array_append_new(words, json_sprintf("%s: %s", json_string_value(json_object_get(one, "name")),
                                                      json_string_value(json_object_get(one, "problem"))));
        json_object_set_new(row, "failed", words);
    }
    return CR_OK;
}

static cr_status ahead_cancel(task *t) {
    int64_t id;
    CR_TRY(cr_parse_int(t->args[0], 1, INT64_MAX, &id, t->err));
    CR_TRY(cr_ahead_remove(t->hub, t->who, id, t->err));
    say(t, "plan %lld is taken away; servers that run go on", (long long)id);
    return CR_OK;
}

static cr_status disk(task *t) {
    int64_t offset = 0;
    if (*option(t, "from"))
        CR_TRY(cr_parse_int(option(t, "from"), 0, INT64_MAX, &offset, t->err));
    CR_TRY(cr_disk_rows(t->hub, CR_DISK_ROWS_MAX, offset, t->rows, t->err));
    if (json_array_size(t->rows) == CR_DISK_ROWS_MAX)
        json_object_set_new(t->answer, "next", json_sprintf("%lld", (long long)offset + CR_DISK_ROWS_MAX));
    return CR_OK;
}

static void add_audit_row(void *user, const cr_audit_row *row) {
    task *t = user;
    json_array_append_new(t->rows, cr_audit_json(row));
}

static cr_status read_time(const task *t, const char *name, int64_t *ret_ms) {
    const char *text = option(t, name);
    char whole[40];
    if (!*text)
        return CR_OK;
    snprintf(whole, sizeof whole, strlen(text) == 10 ? "%sT00:00:00Z" : "%s", text);
    return cr_rest_parse_time(whole, ret_ms) && *ret_ms >= 0
               ? CR_OK : CR_FAIL(t->err, CR_INVALID, "--%s: '%.40s' is no time such as 2026-11-24 or 2026-11-24T18:30:00Z", name, text);
}

static cr_status audit(task *t) {
    cr_audit_filter f = {.person = *option(t, "person") ? option(t, "person") : NULL, .kind = *option(t, "kind") ? option(t, "kind") : NULL,
                         .limit = ROWS_AT_ONCE};
    if (f.kind && !cr_audit_kind_is(f.kind))
        return CR_FAIL(t->err, CR_INVALID, "--kind: there is no kind of entries called '%.40s'", f.kind);
    CR_TRY(read_time(t, "since", &f.since_ms));
    CR_TRY(read_time(t, "until", &f.until_ms));
    if (*option(t, "from"))
        CR_TRY(cr_parse_int(option(t, "from"), 1, INT64_MAX, &f.before_id, t->err));
    CR_TRY(cr_audit_list(t->hub->db, &f, add_audit_row, t, t->err));
    size_t n = json_array_size(t->rows);
    if (n == ROWS_AT_ONCE)
        json_object_set_new(t->answer, "next",
                            json_sprintf("%lld", (long long)json_integer_value(json_object_get(json_array_get(t->rows, n - 1), "id"))));
    return CR_OK;
}

/* ---- the table ---- */

static const struct { const char *name; int least, most; bool lists; cr_status (*fn)(task *t); } actions[] = {
    {"people", 0, 0, true, people}, {"add", 1, 1, false, add}, {"link", 1, 1, false, new_link}, {"disable", 1, 1, false, disable},
    {"enable", 1, 1, false, enable}, {"make-admin", 1, 1, false, make_admin}, {"unmake-admin", 1, 1, false, unmake_admin},
    {"remove", 1, 1, false, take_away}, {"groups", 0, 0, true, groups}, {"group-add", 1, 1, false, group_add},
    {"group-remove", 1, 1, false, group_remove}, {"group-join", 2, ARGUMENTS_MAX, false, group_join},
    {"group-leave", 2, ARGUMENTS_MAX, false, group_leave}, {"tokens", 1, 1, true, tokens}, {"revoke", 2, 2, false, revoke},
    {"servers", 0, 0, true, servers}, {"stop", 1, 1, false, stop_server}, {"clusters", 0, 0, true, clusters},
    {"stop-cluster", 1, 1, false, stop_cluster}, {"announce", 0, 1, false, announce}, {"maintenance", 1, 1, false, maintenance},
    {"invite", 1, ARGUMENTS_MAX, true, invite}, {"room", 0, 0, false, room}, {"rooms", 0, 0, true, rooms}, {"room-close", 1, 1, false, room_close},
    {"turned-away", 0, 0, true, turned_away}, {"turned-away-remove", 1, 1, false, turned_away_remove}, {"try-starts", 0, 0, false, try_starts},
    {"audit", 0, 0, true, audit}, {"disk", 0, 0, true, disk},
    {"mail-test", 1, 1, false, mail_test},
    {"start-ahead", 0, 0, false, start_ahead}, {"ahead", 0, 0, true, ahead}, {"ahead-cancel", 1, 1, false, ahead_cancel},
};

static cr_status read_arguments(task *t) {
    const json_t *args = json_object_get(t->ask, "args");
    if (json_array_size(args) > ARGUMENTS_MAX)
        return CR_FAIL(t->err, CR_LIMIT, "at most %d operands", ARGUMENTS_MAX);
    for (size_t i = 0; i < json_array_size(args); i++)
        if (!(t->args[t->n_args++] = json_string_value(json_array_get(args, i))))
            return CR_FAIL(t->err, CR_INVALID, "an operand is no text");
    return CR_OK;
}

cr_status cr_operator_do(cr_hub *hub, const cr_actor *who, const json_t *ask, json_t *answer, cr_err *err) {
    task t = {.hub = hub, .who = who, .ask = ask, .answer = answer, .status = CR_OK, .err = err};
    const char *name = json_string_value(json_object_get(ask, "do"));
    CR_TRY(read_arguments(&t));
    for (size_t i = 0; name && i < CR_ARRAY_LEN(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        if (t.n_args < actions[i].least || t.n_args > actions[i].most)
            return CR_FAIL(err, CR_INVALID, "%s has another number of operands than %d", name, t.n_args);
        if (actions[i].lists)
            json_object_set_new(answer, "rows", t.rows = json_array());
        return actions[i].fn(&t);
    }
    return CR_FAIL(err, CR_INVALID, "there is no action '%.40s'", name ? name : "");
}
