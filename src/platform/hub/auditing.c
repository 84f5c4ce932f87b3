/* auditing.c - rows of the audit log, and the lines that are made of them. */
#include "platform/hub/auditing.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { LINES_AT_ONCE = CR_AUDIT_LIST_MAX, PEOPLE_MOST = 100000 };
#define DAY_MS ((int64_t)86400 * 1000)

struct cr_auditing {
    int64_t told;             /* number of the last row that is in the log */
    bool posted;              /* the loop will tell of new rows */
    int refused, more;        /* rows of this minute, and what was not written */
    cr_map people;            /* name -> how much of what is cheap, since day_ms */
    int64_t day_ms;
};

/* ---- who ---- */

void cr_actor_of(const cr_request *req, cr_actor *who) {
    const cr_caller *c = cr_caller_of(req);
    memset(who, 0, sizeof *who);
    snprintf(who->source, sizeof who->source, "%s", req->source ? req->source : "");
    if (!c || (!c->signed_in && !c->by_token)) {
        snprintf(who->via, sizeof who->via, "browser");
        return;
    }
    who->id = c->person.id;
    who->admin = c->person.admin;
    snprintf(who->name, sizeof who->name, "%s", c->person.name);
    if (!c->by_token)
        snprintf(who->via, sizeof who->via, "browser");
    else if (c->service)
        snprintf(who->via, sizeof who->via, "service");
    else
        snprintf(who->via, sizeof who->via, "token a%lld", (long long)c->token.id);
}

void cr_actor_person(const cr_request *req, const cr_person *person, cr_actor *who) {
    cr_actor_of(req, who);
    who->id = person->id;
    who->admin = person->admin;
    snprintf(who->name, sizeof who->name, "%s", person->name);
}

void cr_actor_shell(int64_t uid, cr_actor *who) {
    *who = (cr_actor){.admin = true, .name = "operator", .via = "shell"};
    snprintf(who->source, sizeof who->source, "uid %lld", (long long)uid);
}

void cr_actor_hub(cr_actor *who) { *who = (cr_actor){.name = "hub", .via = "hub"}; }

/* ---- lines of the log ---- */

typedef struct lines {
    char *at[LINES_AT_ONCE];
    int n;
    int64_t newest;
} lines;

static void add_line(void *user, const cr_audit_row *row) {
    lines *l = user;
    json_t *json = cr_audit_json(row);
    l->newest = CR_MAX(l->newest, row->id);
    if (l->n < LINES_AT_ONCE)
        l->at[l->n++] = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(json);
}

/* Nothing runs inside a transaction when the loop calls this: what is in the table is saved. */
static void tell(void *user) {
    cr_hub *hub = user;
    struct cr_auditing *a = hub->auditing;
    cr_err err = CR_ERR_INIT;
    lines l = {.newest = a->told};
    const cr_audit_filter filter = {.after_id = a->told, .limit = LINES_AT_ONCE};
    a->posted = false;
    if (cr_audit_list(hub->db, &filter, add_line, &l, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "reading the audit log", &err);
    while (l.n > 0) {         /* they came newest first */
        char *text = l.at[--l.n];
        if (text)
            cr_log(CR_LOG_INFO, "audit", "%s", text);
        free(text);
    }
    a->told = l.newest;
}

/* ---- rows ---- */

static cr_status write_row(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, bool refused, const char *whom, const char *detail, cr_err *err) {
    struct cr_auditing *a = hub->auditing;
    const cr_audit_row row = {.kind = cr_audit_kind_text(kind), .refused = refused, .who = who->name, .via = who->via, .source = who->source,
                              .whom = whom, .detail = detail};
    cr_status status = cr_audit_add(hub->db, &row, err);
    if (status != CR_OK) {
        cr_err_context(err, "writing the audit log");
        return status;
    }
    if (!a->posted)
        a->posted = cr_loop_post(hub->loop, tell, hub);      /* else the next row, or minute */
    return CR_OK;
}

static bool is_cheap(cr_audit_kind kind) {
    static const cr_audit_kind cheap[] = {CR_AUDIT_TOKEN_MADE, CR_AUDIT_SHARE_GIVEN, CR_AUDIT_SHARE_LINK, CR_AUDIT_SHARE_ACCEPTED, CR_AUDIT_SERVER_ENTERED,
                                          CR_AUDIT_SERVICE_ENTERED, CR_AUDIT_DASHBOARD};
    for (size_t i = 0; i < CR_ARRAY_LEN(cheap); i++)
        if (cheap[i] == kind)
            return true;
    return false;
}

/* Taking away again is not counted: it needs something that was given. */
static cr_status check_number(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, cr_err *err) {
    struct cr_auditing *a = hub->auditing;
    if (!is_cheap(kind) || who->admin || who->id <= 0)
        return CR_OK;
    intptr_t n = (intptr_t)cr_map_get(&a->people, who->name);
    if (n < CR_AUDIT_PERSON_MAX)
        return cr_map_set(&a->people, who->name, (void *)(n + 1), err);
    CR_FAIL(err, CR_CONFLICT, "%d new tokens, shares and visits a day are enough", CR_AUDIT_PERSON_MAX);
    cr_err_hint(err, "use those that there are, or come back tomorrow");
    return CR_CONFLICT;
}

cr_status cr_audit_write(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, const char *whom, const char *detail, cr_err *err) {
    CR_TRY(check_number(hub, who, kind, err));
    return write_row(hub, who, kind, false, whom, detail, err);
}

cr_status cr_audit_end(cr_hub *hub, const cr_actor *who, cr_status status, cr_audit_kind kind, const char *whom, const char *detail, cr_err *err) {
    if (status == CR_OK)
        status = cr_audit_write(hub, who, kind, whom, detail, err);
    return cr_db_end(hub->db, status, err);
}

static void note(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, bool refused, const char *whom, const char *detail) {
    cr_err err = CR_ERR_INIT;
    if (write_row(hub, who, kind, refused, whom, detail, &err) != CR_OK)
        cr_log_err(CR_LOG_ERROR, cr_audit_kind_text(kind), &err);
}

void cr_audit_note(cr_hub *hub, const cr_actor *who, cr_audit_kind kind, const char *whom, const char *detail) {
    note(hub, who, kind, false, whom, detail);
}

void cr_audit_refused(cr_request *req, cr_audit_kind kind, const char *whom, const char *detail) {
    cr_hub *hub = cr_hub_of(req);
    struct cr_auditing *a = hub->auditing;
    cr_actor who;
    if (a->refused >= CR_AUDIT_OFTEN_MAX) {
        a->more++;
        return;
    }
    a->refused++;
    cr_actor_of(req, &who);
    note(hub, &who, kind, true, whom, detail);
}

/* ---- life ---- */

cr_status cr_audit_open(cr_hub *hub, cr_err *err) {
    hub->auditing = calloc(1, sizeof *hub->auditing);
    if (!hub->auditing)
        return CR_FAIL(err, CR_MEMORY, "no memory for the audit log");
    cr_map_init(&hub->auditing->people, PEOPLE_MOST);
    hub->auditing->day_ms = cr_now_ms();
    return cr_audit_last_id(hub->db, &hub->auditing->told, err);
}

void cr_audit_close(cr_hub *hub) {
    if (hub->auditing)
        cr_map_done(&hub->auditing->people);
    free(hub->auditing);
    hub->auditing = NULL;
}

void cr_audit_on_minute(cr_hub *hub) {
    struct cr_auditing *a = hub->auditing;
    char text[80];
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    if (a->more) {
        cr_actor_hub(&who);
        snprintf(text, sizeof text, N_("%d more refusals in this minute, which are not listed"), a->more);
        note(hub, &who, CR_AUDIT_SIGN_IN, true, "", text);
    }
    a->refused = a->more = 0;
    if (cr_now_ms() - a->day_ms > DAY_MS) {
        cr_map_done(&a->people);
        cr_map_init(&a->people, PEOPLE_MOST);
        a->day_ms = cr_now_ms();
    }
    tell(hub);
    if (cr_audit_sweep(hub->db, cr_wall_ms() - hub->config->audit_days * DAY_MS, hub->config->audit_rows, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "sweeping the audit log", &err);
}
