/* seat.c - the link of a room in the hands of somebody who has an account here: no second account, but a seat, and with it the course's group. So people
 * whom an identity provider knows are brought together for a course by the same link as those who are new. */
#include <stdio.h>
#include "base/log.h"
#include "platform/hub/auditing.h"
#include "platform/identity/groups.h"

static void show(cr_request *req, const cr_onetime *what, bool is_in) {
    cr_site_page(req, 200, "seat", json_pack("{s:s, s:s, s:b}", "link", req->param[0], "group", what->group, "is_in", is_in));
}

bool cr_seat_leads_in(const cr_onetime *what) { return what->kind == CR_ONETIME_INVITE && !what->name[0] && what->group[0]; }

bool cr_seat_page(cr_request *req, const cr_onetime *what) {
    const cr_caller *c = cr_caller_of(req);
    bool has = false;
    cr_err err = CR_ERR_INIT;
    if (!c->signed_in || !cr_seat_leads_in(what) || cr_pairs_get(&req->query, "new"))
        return false;
    if (cr_group_has(cr_hub_of(req)->db, what->group, c->person.name, &has, &err) == CR_OK)
        show(req, what, has);
    else
        cr_reply_err(req, &err);
    return true;
}

bool cr_seat_is_kept(cr_request *req) {
    const cr_caller *c = cr_caller_of(req);
    cr_onetime what;
    bool has = false;
    cr_err err = CR_ERR_INIT;
    if (!c->signed_in || cr_onetime_look(cr_hub_of(req)->db, req->param[0], &what, &err) != CR_OK || !cr_seat_leads_in(&what) ||
        cr_group_has(cr_hub_of(req)->db, what.group, c->person.name, &has, &err) != CR_OK || !has)
        return false;
    show(req, &what, true);
    return true;
}

static cr_status seat_rows(cr_request *req, const cr_onetime *what, const cr_actor *who, cr_err *err) {
    cr_hub *hub = cr_hub_of(req);
    const cr_person *me = &cr_caller_of(req)->person;
    int64_t id;
    cr_status status = cr_group_find(hub->db, what->group, &id, err);
    if (status == CR_NOT_FOUND)
        return CR_FAIL(err, CR_NOT_FOUND, "the group that this link leads into was taken away: ask for another link");
    CR_TRY(status);
    CR_TRY(cr_onetime_use(hub->db, req->param[0], err));
    CR_TRY(cr_group_put_in(hub->db, id, me->id, err));
    return cr_audit_write(hub, who, CR_AUDIT_GROUP_JOINED, me->name, what->group, err);
}

void cr_seat_post(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const cr_person *me = &cr_caller_of(req)->person;
    cr_onetime what;
    cr_actor who;
    bool has = false;
    cr_err err = CR_ERR_INIT;
    cr_actor_of(req, &who);
    cr_status status = cr_onetime_find(hub->db, req->param[0], &what, &err);
    if (status == CR_NOT_FOUND && cr_seat_is_kept(req))      /* a second click on the last seat */
        return;
    if (status == CR_OK && !cr_seat_leads_in(&what))
        status = CR_FAIL(&err, CR_CONFLICT, "this link makes a new account, and is of no use for one that is there");
    if (status == CR_OK)
        status = cr_group_has(hub->db, what.group, me->name, &has, &err);
    if (status == CR_OK && !has && (status = cr_db_begin(hub->db, &err)) == CR_OK)
        status = cr_db_end(hub->db, seat_rows(req, &what, &who, &err), &err);
    if (status != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    if (!has)
        cr_log(CR_LOG_INFO, "seat of a room taken", "user=%s group=\"%s\"", me->name, what.group);
    show(req, &what, true);
}
