/* people.c - the administrator's page: who may use the hub. */
#include "platform/hub/deeds.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/disk.h"
#include "platform/hub/language.h"
#include "platform/hub/mailing.h"
#include "platform/hub/notices.h"
#include "platform/hub/roster.h"
#include "platform/identity/groups.h"
#include "platform/identity/identities.h"

/* So many stay below 100 KiB. */
enum { PAGE_ROWS = 50, GROUPS_BYTES = 200 };

static const char *server_word(cr_lab_state state) {
    return state == CR_LAB_STOPPED ? N_("stopped") : state == CR_LAB_READY ? N_("running") : state == CR_LAB_WAITING ? N_("waiting in the queue")
           : state == CR_LAB_STOPPING ? N_("stopping") : N_("starting");
}

/* What the list itself says beside the person's row. */
typedef struct beside {
    cr_removal_row removal;
    int64_t active_ms;        /* wall; of the default server, stopped or not */
    char stopped[sizeof ((cr_lab *)0)->stop_text];    /* why it stopped, where that is something to help with; "" */
} beside;

/* How the servers are of those whom a page shows. */
typedef struct tally {
    int n, ready, pending;
    json_t *in_trouble;       /* {id, name} */
} tally;

/* "a, b, ..." where there are more than a line holds. */
static const char *groups_of(const cr_roster_row *row, char buf[GROUPS_BYTES]) {
    size_t len = 0, i;
    json_t *name;
    buf[0] = 0;
    json_array_foreach(row->groups, i, name) {
        const char *text = json_string_value(name);
        bool fits = len + strlen(text) + sizeof ", ..." < GROUPS_BYTES;
        len += (size_t)snprintf(buf + len, GROUPS_BYTES - len, "%s%s", len ? ", " : "", fits ? text : "...");
        if (!fits)
            break;
    }
    return buf;
}

/* What its person may need help with: a stop that nobody asked for, or a kernel that was ended for memory. "" : nothing. */
static const char *trouble_of(const cr_lab *s, const beside *b, char *buf, size_t size) {
    char amount[16], ago[24];
    if (!s)
        return b->stopped;
    if (!s->memory_ms)
        return "";
    snprintf(buf, size, N_("A kernel or program was ended %s ago: the memory limit of %s was reached."),
             cr_text_duration(CR_MAX(cr_wall_ms() - s->memory_ms, 0), ago, sizeof ago), cr_text_bytes(s->memory_limit, amount, sizeof amount));
    return buf;
}

static json_t *person_row(const cr_hub *hub, const cr_person *p, const beside *b, const cr_roster_row *more, int64_t me, tally *all) {
    char trouble[sizeof b->stopped], ago[24], state[64], groups[GROUPS_BYTES], account[sizeof p->account + sizeof hub->config->account_prefix];
    const cr_lab *s = cr_roster_ordinary(more);
    int others = 0;
    snprintf(account, sizeof account, "%s%s", hub->config->as_root ? hub->config->account_prefix : "", p->account);
    for (const cr_roster_server *one = more->servers; one; one = one->next)
        others += one->server != s;
    int n = snprintf(state, sizeof state, "%s", server_word(s ? s->state : CR_LAB_STOPPED));
    if (others)
        snprintf(state + n, sizeof state - (size_t)n, ", and %d further running", others);
    int64_t seen = CR_MAX(p->last_activity_ms, CR_MAX(b->active_ms, s ? s->last_activity_ms : 0));
    const char *wrong = trouble_of(s, b, trouble, sizeof trouble);
    all->n++;
    all->ready += s && s->state == CR_LAB_READY;
    all->pending += s && s->state != CR_LAB_READY;
    if (*wrong && all->in_trouble)
        json_array_append_new(all->in_trouble, json_pack("{s:I, s:s}", "id", (json_int_t)p->id, "name", p->name));
    return json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:s, s:s, s:s}", "trouble", wrong, "id", (json_int_t)p->id, "name", p->name, "account", account,
                     "admin", p->admin, "disabled", p->disabled, "removing", b->removal.wanted, "self", p->id == me, "running", others || s,
                     "ready", s && s->state == CR_LAB_READY, "groups", groups_of(more, groups), "seen", seen ? cr_text_duration(CR_MAX(cr_wall_ms() - seen, 0), ago, sizeof ago) : "", "state", state,
                     "remove_problem", b->removal.problem, "address", more->address);
}

static void read_beside(const cr_query *q, beside *b) {
    const char *problem = cr_query_text(q, CR_PERSON_N_COLUMNS + 1);
    b->removal.wanted = cr_query_int(q, CR_PERSON_N_COLUMNS);
    snprintf(b->removal.problem, sizeof b->removal.problem, "%s", problem ? problem : "");
    b->active_ms = cr_query_int(q, CR_PERSON_N_COLUMNS + 2);
    const char *why = cr_query_text(q, CR_PERSON_N_COLUMNS + 3);
    snprintf(b->stopped, sizeof b->stopped, "%s", why ? why : "");
}

/* Whom the page shows: all whose name has this in it (NULL: all) and who are in this group (NULL: any), from the offset on. */
typedef struct sought {
    const char *part, *group;
    int64_t group_id;         /* 0: any */
    int64_t offset;
} sought;

/* Stops that are shown: not what was asked for, done from inside, by the rule, or with the machine (lost). Subqueries are run for what is shown only, and not for all before it. */
static cr_status people_list(cr_request *req, const sought *what, json_t *rows, tally *ret_tally, bool *ret_more, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_person page[PAGE_ROWS + 1];
    beside besides[PAGE_ROWS + 1];
    cr_auto_roster cr_roster roster = {0};
    int n = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT " CR_PERSON_COLUMNS ", EXISTS (SELECT 1 FROM removals r WHERE r.user_id = u.id), "
                         "(SELECT r.problem FROM removals r WHERE r.user_id = u.id), "
                         "(SELECT s.last_activity_ms FROM servers s WHERE s.user_id = u.id AND s.name = ''), "
                         "(SELECT s.stop_text FROM servers s WHERE s.user_id = u.id AND s.name = '' AND s.running = 0 AND "
                         "(s.stop_reason IN ('oom', 'failed_start', 'late', 'signal') OR s.stop_reason = 'exited' AND coalesce(s.ready_after_ms, -1) < 0)) "
                         "FROM users u WHERE (?1 IS NULL OR instr(u.name, lower(?1)) > 0) AND (?4 = 0 OR u.id IN (SELECT gm.user_id FROM group_members gm WHERE gm.group_id = ?4 "
                         "UNION SELECT i.user_id FROM groups g CROSS JOIN memberships m ON m.name = g.name CROSS JOIN identities i ON i.id = m.identity_id WHERE g.id = ?4)) "
                         "ORDER BY u.name LIMIT ?2 OFFSET ?3", "tiii", what->part, (int64_t)CR_ARRAY_LEN(page), what->offset, what->group_id));
    for (; n < (int)CR_ARRAY_LEN(page) && cr_query_next(&q); n++) {
        cr_person_read(&q, &page[n]);
        read_beside(&q, &besides[n]);
    }
    CR_TRY(cr_query_end(&q, err));
    *ret_more = n > PAGE_ROWS;
    n = CR_MIN(n, (int)PAGE_ROWS);
    CR_TRY(cr_roster_read(hub, page, n, CR_ROSTER_GROUPS | (cr_mailing_is_on(hub) ? CR_ROSTER_IDENTITIES : CR_ROSTER_SERVERS), &roster, err));
    for (int i = 0; i < n; i++)
        json_array_append_new(rows, person_row(hub, &page[i], &besides[i], &roster.rows[i], cr_caller_of(req)->person.id, ret_tally));
    return CR_OK;
}

static void add_tls(const cr_hub *hub, json_t *values) {
    char date[32];
    int64_t days;
    bool soon = cr_tls_ends_soon(hub, &days);
    if (soon || hub->tls_problem[0])
        json_object_set_new(values, "tls", json_pack("{s:b, s:s, s:s}", "soon", soon, "until", cr_iso8601(hub->tls_until_s * 1000, date, sizeof date), "problem",
                                                     hub->tls_problem));
}

static void add_mail(cr_request *req, const char *mailed, json_t *values) {
    cr_hub *hub = cr_hub_of(req);
    json_t *problems = cr_mailing_is_on(hub) ? cr_mailing_problems(hub, cr_caller_of(req)->person.id) : NULL;
    json_object_set_new(values, "mail", json_boolean(cr_mailing_is_on(hub)));
    json_object_set_new(values, "mailed", json_string(mailed));
    json_object_set_new(values, "has_mail_problems", json_boolean(json_array_size(problems) > 0));
    if (problems)
        json_object_set_new(values, "mail_problems", problems);
}

/* A form says where it stood in its field `where`, which is a query as the page's own: so it comes through the question for the password, too. */
static cr_status read_sought(cr_request *req, sought *ret_what, cr_err *err) {
    cr_pairs place = {0};
    cr_err unread = CR_ERR_INIT;
    const char *where = cr_request_field(req, "where");
    if (*where && cr_pairs_parse_form(&req->arena, where, strlen(where), &place, &unread) != CR_OK)
        place.n = 0;
    const cr_pairs *from = *where ? &place : &req->query;
    const char *text = cr_pairs_get(from, "offset"), *part = cr_pairs_get(from, "name"), *group = cr_pairs_get(from, "group");
    sought what = {.part = part && *part ? part : NULL, .group = group && *group ? group : NULL};
    if (text && cr_parse_int(text, 0, 1000000000, &what.offset, NULL) != CR_OK)
        what.offset = 0;
    if (what.group)
        CR_TRY(cr_group_find(cr_hub_of(req)->db, what.group, &what.group_id, err));
    *ret_what = what;
    return CR_OK;
}

/* The query of what is sought, from the offset on; "" for the first page of all. */
static const char *where_of(cr_request *req, const sought *what, int64_t offset) {
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_HTTP_TARGET_MAX * 6);
    if (offset)
        cr_buf_addf(&out, "offset=%lld", (long long)offset);
    if (what->part) {
        cr_buf_adds(&out, out.len ? "&name=" : "name=");
        cr_percent_encode(&out, what->part, "");
    }
    if (what->group) {
        cr_buf_adds(&out, out.len ? "&group=" : "group=");
        cr_percent_encode(&out, what->group, "");
    }
    const char *text = cr_arena_strdup(&req->arena, cr_buf_str(&out));
    return text ? text : "";
}

static void add_sought(cr_request *req, const sought *what, bool more, json_t *values) {
    char link[] = "?";
    const char *where = where_of(req, what, what->offset);
    json_object_set_new(values, "where", json_string(where));
    json_object_set_new(values, "sought", json_string(what->part ? what->part : ""));
    json_object_set_new(values, "group", json_string(what->group ? what->group : ""));
    json_object_set_new(values, "group_where", json_string(what->group ? where_of(req, &(sought){.group = what->group}, 0) : ""));
    json_object_set_new(values, "pages", json_boolean(what->offset || more));
    json_object_set_new(values, "filtered", json_boolean(what->part || what->group));
    json_object_set_new(values, "calm", json_boolean(!what->part && !what->group && !what->offset));
    if (what->offset) {
        const char *before = where_of(req, what, CR_MAX(what->offset - PAGE_ROWS, (int64_t)0));
        json_object_set_new(values, "previous", json_pack("{s:s+}", "query", *before ? link : "", before));
    }
    if (more)
        json_object_set_new(values, "next", json_pack("{s:s+}", "query", link, where_of(req, what, what->offset + PAGE_ROWS)));
}

/* In one line, of a group whose people are all on the page; and who may need help on any page of a group. */
static void add_tally(const sought *what, bool more, const tally *t, json_t *values) {
    if (what->group && !what->offset && !more && t->n)
        json_object_set_new(values, "tally", json_pack("{s:i, s:i, s:i, s:i}", "n", t->n, "ready", t->ready, "pending", t->pending, "without",
                                                       t->n - t->ready - t->pending));
    if (what->group && json_array_size(t->in_trouble))
        json_object_set_new(values, "helps", json_pack("{s:O}", "in_trouble", t->in_trouble));
    json_decref(t->in_trouble);
}

static void show_page(cr_request *req, int status, const char *problem, const char *link, const char *link_for, const char *mailed) {
    sought what;
    tally t = {.in_trouble = json_array()};
    json_t *rows = json_array();
    bool more = false;
    cr_err err = CR_ERR_INIT;
    if (read_sought(req, &what, &err) != CR_OK || people_list(req, &what, rows, &t, &more, &err) != CR_OK) {
        json_decref(rows);
        json_decref(t.in_trouble);
        cr_text_clean(err.message);
        cr_reply_err(req, &err);
        return;
    }
    bool all = !what.part && !what.group && !what.offset;
    json_t *values = json_pack("{s:o, s:s, s:o, s:s, s:s, s:s, s:o*}", "people", rows, "disk_problem", cr_disk_problem(cr_hub_of(req)), "notices", cr_notices_values(cr_hub_of(req), cr_language_code(req)), "problem",
                               problem, "link", link, "link_for", link_for, "refused", all ? cr_refused_rows(cr_hub_of(req)) : NULL);
    add_tls(cr_hub_of(req), values);
    add_mail(req, mailed, values);
    if (json_array_size(json_object_get(values, "refused")))
        json_object_set_new(values, "has_refused", json_true());
    json_object_set_new(values, "nobody", json_boolean(json_array_size(rows) == 0));
    add_sought(req, &what, more, values);
    add_tally(&what, more, &t, values);
    cr_groups_add_names(cr_hub_of(req), values);
    cr_site_page(req, status, "people", values);
}

static void show_people(cr_request *req, int status, const char *problem, const char *link, const char *link_for) {
    show_page(req, status, problem, link, link_for, "");
}

void cr_people(cr_request *req) { show_people(req, 200, "", "", ""); }

static void mail_link(cr_request *req, const cr_onetime *what, const char *whom, const char *address) {
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    if (cr_mailing_link(cr_hub_of(req), &who, what, whom, address, &err) != CR_OK)
        show_people(req, cr_http_status_of(&err), err.message, "", "");
    else
        show_page(req, 200, "", "", "", address);
}

static void show_link(cr_request *req, const cr_onetime *what, const char *for_whom) {
    char url[CR_URL_MAX];
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    if (cr_deed_link(cr_hub_of(req), &who, what, what->user_id ? for_whom : what->name, url, &err) != CR_OK)
        show_people(req, cr_http_status_of(&err), err.message, "", "");
    else
        show_people(req, 200, "", url, for_whom);
}

void cr_people_invite(cr_request *req) {
    cr_onetime what = {.kind = CR_ONETIME_INVITE};
    cr_err err = CR_ERR_INIT;
    const char *name = cr_request_field(req, "username");
    cr_person other;
    if (*name && cr_name_normalize(name, what.name, &err) != CR_OK) {
        cr_err_context(&err, "%s", name);
        show_people(req, 400, err.message, "", "");
        return;
    }
    if (what.name[0] && cr_person_find(cr_hub_of(req)->db, what.name, &other, &err) == CR_OK) {
        show_people(req, 409, N_("This user name is taken."), "", "");
        return;
    }
    const char *address = cr_request_field(req, "address");
    if (*address)
        mail_link(req, &what, what.name, address);
    else
        show_link(req, &what, what.name[0] ? what.name : N_("a new person"));
}

/* ---- buttons of a row ---- */

typedef enum act { ACT_NONE, ACT_LINK, ACT_MAIL, ACT_DISABLE, ACT_ENABLE, ACT_STOP, ACT_MAKE_ADMIN, ACT_UNMAKE_ADMIN, ACT_REMOVE } act;

static act act_of(const char *name) {
    static const char *const names[] = {"", "link", "mail", "disable", "enable", "stop", "make-admin", "unmake-admin", "remove"};
    for (size_t i = 1; i < CR_ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (act)i;
    return ACT_NONE;
}

/* To the address that a provider has verified. */
static void mail_password(cr_request *req, const cr_person *person) {
    const cr_onetime link = {.kind = CR_ONETIME_PASSWORD, .user_id = person->id};
    char address[CR_OIDC_SUBJECT_MAX + 1];
    cr_err err = CR_ERR_INIT;
    if (cr_identity_address(cr_hub_of(req)->db, person->id, address, &err) != CR_OK)
        show_people(req, cr_http_status_of(&err), err.message, "", "");
    else if (!address[0])
        show_people(req, 409, N_("No provider has verified an address of this person: give the link by hand."), "", "");
    else
        mail_link(req, &link, person->name, address);
}

static cr_status carry_out(cr_request *req, act what, const cr_person *person, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    cr_actor who;
    cr_removal_row removal;
    cr_actor_of(req, &who);
    switch (what) {
    case ACT_DISABLE: return cr_deed_disable(hub, &who, person, true, err);
    case ACT_ENABLE: return cr_deed_disable(hub, &who, person, false, err);
    case ACT_STOP: return cr_deed_stop_server(hub, &who, person, err);
    case ACT_MAKE_ADMIN: return cr_deed_set_admin(hub, &who, person, true, err);
    case ACT_UNMAKE_ADMIN: return cr_deed_set_admin(hub, &who, person, false, err);
    case ACT_REMOVE:
        CR_TRY(cr_removal_find(hub, person->id, &removal, err));
        if (!removal.wanted && who.id != person->id && strcmp(cr_request_field(req, "confirm"), person->name) != 0)
            return CR_FAIL(err, CR_INVALID, "to remove %s with all files, type the name into the field beside the button", person->name);
        return cr_deed_remove(hub, &who, person, err);
    default: return CR_FAIL(err, CR_INVALID, "this action is not known");
    }
}

/* Takes a person who was turned away off the list; they come back with the next try. Who is off it already was taken off by a second click, or somebody else. */
static void forget_refused(cr_request *req) {
    int64_t id;
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    cr_status status = cr_parse_int(cr_request_field(req, "refused"), 1, INT64_MAX, &id, &err);
    if (status == CR_OK)
        status = cr_deed_forget_refused(cr_hub_of(req), &who, id, &err);
    if (status != CR_OK && status != CR_NOT_FOUND)
        show_people(req, cr_http_status_of(&err), err.message, "", "");
    else
        cr_reply_redirect(req, 303, "/hub/admin");
}

void cr_people_act(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    if (strcmp(cr_request_field(req, "action"), "forget") == 0) {
        forget_refused(req);
        return;
    }
    cr_person person;
    cr_err err = CR_ERR_INIT;
    act what = act_of(cr_request_field(req, "action"));
    if (cr_person_find(hub->db, cr_request_field(req, "user"), &person, &err) != CR_OK) {
        show_people(req, cr_http_status_of(&err), err.message, "", "");
        return;
    }
    if (what == ACT_LINK) {
        cr_onetime link = {.kind = CR_ONETIME_PASSWORD, .user_id = person.id};
        show_link(req, &link, person.name);
        return;
    }
    if (what == ACT_MAIL) {
        mail_password(req, &person);
        return;
    }
    if (carry_out(req, what, &person, &err) != CR_OK) {
        show_people(req, cr_http_status_of(&err), err.message, "", "");
        return;
    }
    sought what_was_shown = {0};
    char place[CR_URL_MAX];
    if (read_sought(req, &what_was_shown, NULL) != CR_OK)    /* the group has gone meanwhile */
        what_was_shown = (sought){0};
    const char *where = where_of(req, &what_was_shown, what_was_shown.offset);
    if ((size_t)snprintf(place, sizeof place, "/hub/admin%s%s#person-%lld", *where ? "?" : "", where, (long long)person.id) >= sizeof place)
        snprintf(place, sizeof place, "/hub/admin");
    cr_log(CR_LOG_INFO, "administrator acted", "admin=%s action=%s user=%s", cr_caller_of(req)->person.name, cr_request_field(req, "action"), person.name);
    cr_reply_redirect(req, 303, place);
}
