/* removal.c - one removal from question to answer. */
#include "platform/runner/removal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"
#include "platform/runner/server_life.h"

enum { KILL_ROUNDS = 250, KILL_PAUSE_MS = 20, CLEAR_TIMEOUT_MS = 24 * 3600 * 1000, UNMAKE_TIMEOUT_MS = 60000 };

struct cr_removal {
    cr_removal *next;
    cr_servers *table;
    cr_account_work work;
    int rounds;                   /* of killing */
};

static void kill_processes(void *user, uint32_t events);

static void tell(cr_servers *s, const char *account, const cr_err *why_not) {
    cr_runner_event e = {.kind = why_not ? CR_RUNNER_NOT_REMOVED : CR_RUNNER_REMOVED};
    snprintf(e.id.account, sizeof e.id.account, "%s", account);
    if (why_not)
        snprintf(e.text, sizeof e.text, "%s", why_not->message);
    cr_text_clean(e.text);
    s->setup.on_event(s->setup.user, &e);
}

static void end(cr_removal *r, const cr_err *why_not) {
    cr_servers *s = r->table;
    for (cr_removal **at = &s->removals; *at; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    if (why_not)
        cr_log_err(CR_LOG_ERROR, "account not removed", why_not);
    else
        cr_log(CR_LOG_INFO, "account removed", "account=%s uid=%u", r->work.name, (unsigned)r->work.account.uid);
    tell(s, r->work.name, why_not);
    free(r);
}

/* ACCOUNT.log, ACCOUNT.SERVER.log and those before: account names have no point. */
static void remove_logs(const cr_servers *s, const char *account) {
    char path[CR_URL_MAX];
    size_t n = strlen(account);
    snprintf(path, sizeof path, "%s/log", s->setup.config->state_dir);
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, account, n) == 0 && e->d_name[n] == '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static void on_unmade(void *user, const cr_err *result) {
    cr_removal *r = user;
    cr_servers *s = r->table;
    cr_err err = CR_ERR_INIT;
    if (result->status != CR_OK) {
        end(r, result);
        return;
    }
    cr_group_folders_forget(&s->folders, r->work.name);
    remove_logs(s, r->work.name);
    end(r, cr_account_forget(s->accounts, r->work.name, &err) == CR_OK ? NULL : &err);
}

static void on_cleared(void *user, const cr_err *result) {
    cr_removal *r = user;
    cr_err err = CR_ERR_INIT;
    if (result->status != CR_OK)
        end(r, result);
    else if (cr_jobs_add(r->table->jobs, CR_LANE_ACCOUNTS, cr_account_unmake, &r->work, sizeof r->work, UNMAKE_TIMEOUT_MS, on_unmade, r, &err) != CR_OK)
        end(r, &err);
}

static void kill_one(void *user, pid_t pid) {
    (*(int *)user)++;
    kill(pid, SIGKILL);
}

/* What the account left behind, cron jobs and all. */
static void kill_processes(void *user, uint32_t events) {
    cr_removal *r = user;
    cr_servers *s = r->table;
    cr_err err = CR_ERR_INIT;
    int seen = 0;
    (void)events;
    if (s->setup.config->as_root)
        cr_process_each_of(r->work.account.uid, kill_one, &seen);
    cr_status status;
    if (seen && r->rounds++ < KILL_ROUNDS)
        status = cr_watch_after(s->setup.watch, KILL_PAUSE_MS, kill_processes, r, &err);
    else if (seen)
        status = CR_FAIL(&err, CR_TIMEOUT, "%d processes of account %s do not end", seen, r->work.name);
    else
        status = cr_jobs_add(s->jobs, CR_LANE_FILES, cr_account_clear, &r->work, sizeof r->work, CLEAR_TIMEOUT_MS, on_cleared, r, &err);
    if (status != CR_OK)
        end(r, &err);
}

static cr_status check(const cr_servers *s, const char *account, cr_err *err) {
    for (const cr_server *v = s->first; v; v = v->next)
        if (v->r.state != CR_SERVER_ENDED && strcmp(v->r.id.account, account) == 0)
            return CR_FAIL(err, CR_CONFLICT, "account %s has a running server", account);
    if (cr_making_is_under_way(s, account))   /* of a start that was stopped */
        return CR_FAIL(err, CR_BUSY, "account %s is just being made", account);
    return CR_OK;
}

bool cr_removal_is_under_way(const cr_servers *s, const char *account) {
    for (const cr_removal *r = s->removals; r; r = r->next)
        if (strcmp(r->work.name, account) == 0)
            return true;
    return false;
}

void cr_removal_ask(cr_servers *s, const char *account, bool purge) {
    cr_err err = CR_ERR_INIT;
    if (cr_removal_is_under_way(s, account))
        return;
    cr_removal *r = calloc(1, sizeof *r);
    cr_status status = r ? check(s, account, &err) : CR_FAIL(&err, CR_MEMORY, "no memory for a removal");
    if (status == CR_OK)
        status = cr_account_leave(s->accounts, account, purge, &r->work, &err);
    if (status != CR_OK) {
        free(r);
        tell(s, account, status == CR_NOT_FOUND ? NULL : &err);   /* not on the list: it has gone, or never was */
        return;
    }
    r->table = s;
    r->next = s->removals;
    s->removals = r;
    kill_processes(r, 0);
}

void cr_removals_free(cr_servers *s) {
    for (cr_removal *r = s->removals, *next; r; r = next) {
        next = r->next;
        cr_watch_cancel(s->setup.watch, kill_processes, r);
        free(r);
    }
    s->removals = NULL;
}
