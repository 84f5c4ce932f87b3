/* making.c - one job per account at a time: the look at its home, then the making if need be. */
#include "platform/runner/making.h"

#include <stdlib.h>
#include "platform/runner/server_life.h"

enum { MAKE_TIMEOUT_MS = 90000, LOOK_TIMEOUT_MS = 10000 };

struct cr_making {
    cr_making *next;
    cr_servers *table;
    cr_account_work work;
};

static void on_made(void *user, const cr_err *result) {
    cr_making *m = user;
    cr_servers *s = m->table;
    for (cr_making **at = &s->makings; *at; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    for (cr_server *v = s->first; v; v = v->next)
        if (v->waits && v->waits_for == CR_WAIT_ACCOUNT && strcmp(v->r.id.account, m->work.name) == 0)
            cr_server_go_on(v, result);
    free(m);
}

static cr_status make(cr_making *m, cr_err *err) {
    return cr_jobs_add(m->table->jobs, CR_LANE_ACCOUNTS, cr_account_make, &m->work, sizeof m->work, MAKE_TIMEOUT_MS, on_made, m, err);
}

/* A job. */
static cr_status look(const void *what, cr_err *err) {
    const cr_account_work *w = what;
    return cr_account_has_home(&w->account) ? CR_OK : CR_FAIL(err, CR_NOT_FOUND, "there is no %s of uid %u", w->account.home, (unsigned)w->account.uid);
}

static void on_looked(void *user, const cr_err *found) {
    cr_making *m = user;
    cr_err result = *found;
    if (result.status == CR_NOT_FOUND) {
        result = (cr_err)CR_ERR_INIT;
        if (make(m, &result) == CR_OK)
            return;
    }
    if (result.status == CR_TIMEOUT)
        (void)CR_FAIL(&result, CR_TIMEOUT, "The home %s does not answer: the disk on which it lies may be gone", m->work.account.home);
    on_made(m, &result);
}

bool cr_making_is_under_way(const cr_servers *s, const char *account) {
    for (const cr_making *m = s->makings; m; m = m->next)
        if (strcmp(m->work.name, account) == 0)
            return true;
    return false;
}

cr_status cr_making_begin(cr_servers *s, const cr_account_work *work, cr_err *err) {
    if (cr_making_is_under_way(s, work->name))
        return CR_OK;
    cr_making *m = calloc(1, sizeof *m);
    if (!m)
        return CR_FAIL(err, CR_MEMORY, "no memory to make an account");
    *m = (cr_making){s->makings, s, *work};
    cr_status status = cr_account_has_user(s->accounts, &work->account)
                           ? cr_jobs_add(s->jobs, CR_LANE_HOMES, look, work, sizeof *work, LOOK_TIMEOUT_MS, on_looked, m, err) : make(m, err);
    if (status != CR_OK) {
        free(m);
        return status;
    }
    s->makings = m;
    return CR_OK;
}

void cr_makings_free(cr_servers *s) {
    for (cr_making *m = s->makings, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    s->makings = NULL;
}
