/* measuring.c - which home is measured when. */
#include "platform/runner/measuring.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "platform/runner/disk_walk.h"
#include "platform/runner/quota.h"
#include "platform/runner/server_life.h"

enum { SLICE_MS = 20000, JOB_MS = 4 * SLICE_MS, REST_MS = 2000, ASKED_AGAIN_MS = 3000, PER_COST = 50, KEPT_MS = 60000, HOMES_MAX = 20000, SHOWN_PERCENT = 75 };

struct cr_measuring {
    cr_measuring *next;
    cr_servers *table;
    char account[CR_RUNNER_NAME_MAX + 1];
    bool lives;                   /* something of it ran at the last look */
    bool wanted;                  /* to be measured once more, whatever runs */
    bool under_way;               /* a job runs */
    bool alone;                   /* nothing of it ran since the walk began */
    int64_t due_ms, last_ms;      /* monotonic; last: when a whole measurement ended, 0: never */
    cr_disk_use *use;             /* shared with the job; NULL: no memory, and nothing is measured */
};

typedef struct order {
    char path[600], base[600];    /* the home; the folder of homes */
    uint32_t project;             /* its number for the file system's quotas; 0: there are none */
    cr_disk_use *use;
} order;

static cr_measuring *find(const cr_servers *s, const char *account) {
    for (cr_measuring *m = s->measurings; m; m = m->next)
        if (strcmp(m->account, account) == 0)
            return m;
    return NULL;
}

static cr_measuring *find_or_make(cr_servers *s, const char *account) {
    int n = 0;
    cr_measuring *m = find(s, account);
    if (m)
        return m;
    for (m = s->measurings; m; m = m->next)
        n++;
    void *use = n < HOMES_MAX ? mmap(NULL, sizeof(cr_disk_use), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    m = use == MAP_FAILED ? NULL : calloc(1, sizeof *m);
    if (!m) {
        if (use != MAP_FAILED)
            munmap(use, sizeof(cr_disk_use));
        cr_log_often(CR_LOG_WARN, "no memory to measure homes", NULL);
        return NULL;
    }
    *m = (cr_measuring){.next = s->measurings, .table = s, .use = use, .due_ms = cr_now_ms()};
    snprintf(m->account, sizeof m->account, "%s", account);
    s->measurings = m;
    return m;
}

static void drop(cr_measuring *m) {
    cr_servers *s = m->table;
    for (cr_measuring **at = &s->measurings; *at; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    munmap(m->use, sizeof *m->use);
    free(m);
}

static bool runs(const cr_measuring *m) {
    for (const cr_server *v = m->table->first; v; v = v->next)
        if (v->r.state != CR_SERVER_ENDED && strcmp(v->r.id.account, m->account) == 0)
            return true;
    return false;
}

void cr_measuring_disturb(cr_servers *s, const char *account) {
    cr_measuring *m = find(s, account);
    if (m)
        m->alone = false;
}

/* ---- one measurement ---- */

/* What the kernel counts. A home that it does not count yet is walked once and marked; one that is nearly full is walked to say what is large. */
static cr_status by_quota(const order *o, cr_err *err) {
    cr_quota_use q;
    cr_auto_fd int home = open(o->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (home < 0)
        return errno == ENOENT ? CR_FAIL(err, CR_NOT_FOUND, "there is no %s", o->path) : CR_FAIL_ERRNO(err, "cannot open %s", o->path);
    const bool marked = cr_quota_home_is_marked(home, o->project);
    CR_TRY(cr_quota_read(o->base, o->project, &q, err));
    if (marked && (!q.limit_bytes || q.bytes < q.limit_bytes / 100 * SHOWN_PERCENT) && !o->use->cursor[0]) {
        o->use->bytes = q.bytes;
        o->use->complete = true;
        return CR_OK;
    }
    CR_TRY(cr_disk_walk_marking(o->path, SLICE_MS, marked ? 0 : o->project, o->use, err));
    if (!o->use->complete || !marked)     /* the kernel may not count all of it: as where there are no quotas */
        return CR_OK;
    CR_TRY(cr_quota_read(o->base, o->project, &q, err));
    o->use->bytes = q.bytes;
    o->use->cut = false;
    return CR_OK;
}

/* A job: gives way to what people do. */
static cr_status walk(const void *what, cr_err *err) {
    const order *o = what;
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
    return o->project ? by_quota(o, err) : cr_disk_walk(o->path, SLICE_MS, o->use, err);
}

static void tell(const cr_measuring *m) {
    cr_runner_event e = {.kind = CR_RUNNER_DISK, .detail = (int64_t)m->use->bytes};
    snprintf(e.id.account, sizeof e.id.account, "%s", m->account);
    cr_disk_top_text(m->use, e.tail, sizeof e.tail);
    if (m->use->cut) {
        snprintf(e.text, sizeof e.text, "what lies deeper than %d folders, or in a folder with too many names, is not counted", CR_DISK_DEPTH_MAX);
        cr_log_often(CR_LOG_WARN, "a home takes more than is counted", "account=%s why=\"%s\"", m->account, e.text);
    }
    m->table->setup.on_event(m->table->setup.user, &e);
}

/* What was walked is all in the project, if nothing kept it from it: the kernel counts it from now on. */
static void note(const cr_measuring *m) {
    cr_account u;
    cr_err err = CR_ERR_INIT;
    if (!m->table->has_quotas || !m->alone || m->use->left_out || m->use->cut || cr_account_find(m->table->accounts, m->account, &u, NULL) != CR_OK)
        return;
    cr_auto_fd int home = open(u.home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (home >= 0 && !cr_quota_home_is_marked(home, u.uid) && cr_quota_home_note(home, u.uid, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "measuring a home", &err);
}

static void on_end(void *user, const cr_err *result) {
    cr_measuring *m = user;
    const int64_t now = cr_now_ms(), period = m->table->setup.config->disk_period_s * 1000;
    m->under_way = false;
    if (result->status == CR_OK && !m->use->complete) {
        m->due_ms = now + REST_MS;
        return;
    }
    if (result->status == CR_OK) {
        note(m);
        tell(m);
    } else if (result->status != CR_NOT_FOUND) {
        cr_log_err(CR_LOG_WARN, "measuring a home", result);
    }
    m->last_ms = now;
    /* Wanted while the walk went on: it may not have seen what was removed, and nobody measures a home again of which nothing runs. */
    m->due_ms = now + (m->wanted ? ASKED_AGAIN_MS : CR_MAX(period, PER_COST * m->use->took_ms));
    memset(m->use, 0, sizeof *m->use);
}

static void begin(cr_measuring *m) {
    cr_servers *s = m->table;
    cr_account u;
    order o = {.use = m->use};
    cr_err err = CR_ERR_INIT;
    bool first = !m->use->cursor[0];
    if (cr_account_find(s->accounts, m->account, &u, &err) != CR_OK || cr_removal_is_under_way(s, m->account)) {
        memset(m->use, 0, sizeof *m->use);      /* half of a home that is gone: a later account of this name begins anew */
        m->wanted = false;
        m->due_ms = INT64_MAX;
        return;
    }
    snprintf(o.path, sizeof o.path, "%s", u.home);
    snprintf(o.base, sizeof o.base, "%s/home", s->setup.config->state_dir);
    o.project = s->has_quotas ? u.uid : 0;
    if (cr_jobs_add(s->jobs, CR_LANE_DISK, walk, &o, sizeof o, JOB_MS, on_end, m, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "measuring a home", &err);
        m->due_ms = cr_now_ms() + KEPT_MS;
        return;
    }
    m->under_way = true;
    if (first) {
        m->wanted = false;        /* what is asked for from now on is not in this one */
        m->alone = !runs(m);
    }
}

/* ---- when ---- */

static void look_at(cr_measuring *m, int64_t now) {
    bool part = m->use->cursor[0];
    if (m->under_way)
        return;
    if ((m->wanted || m->lives || part) && now >= m->due_ms)
        begin(m);
    else if (!m->wanted && !m->lives && !part && now - m->last_ms > KEPT_MS)
        drop(m);
}

void cr_measuring_tick(cr_servers *s) {
    const int64_t now = cr_now_ms();
    if (!s->setup.config->disk_period_s)
        return;
    for (cr_measuring *m = s->measurings; m; m = m->next) {
        bool lived = m->lives;
        m->lives = runs(m);
        if (lived && !m->lives) {
            m->wanted = true;
            m->due_ms = now;
        }
    }
    for (const cr_server *v = s->first; v; v = v->next) {
        cr_measuring *m = v->r.state == CR_SERVER_RUNNING ? find_or_make(s, v->r.id.account) : NULL;
        if (m)
            m->lives = true;
    }
    for (cr_measuring *m = s->measurings, *next; m; m = next) {
        next = m->next;
        look_at(m, now);
    }
}

void cr_measuring_ask(cr_servers *s, const char *account) {
    cr_account u;
    cr_measuring *m = s->setup.config->disk_period_s && cr_account_find(s->accounts, account, &u, NULL) == CR_OK ? find_or_make(s, account) : NULL;
    if (!m)
        return;
    m->wanted = true;
    m->due_ms = m->last_ms ? CR_MAX(cr_now_ms(), m->last_ms + ASKED_AGAIN_MS) : cr_now_ms();
}

/* After the jobs. */
void cr_measuring_free(cr_servers *s) {
    while (s->measurings)
        drop(s->measurings);
}
