/* disk.c - figures in the table disk_use, decisions, pages. */
#include "platform/hub/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/identity/disk_limits.h"

/* A home and what its programs make need some dozens at once. */
enum { INODES_LEAST = 1000 };

typedef enum trouble { TROUBLE_NONE, TROUBLE_SPACE, TROUBLE_INODES, TROUBLE_READ_ONLY } trouble;

struct cr_disk_watch {
    cr_disk_limit limits[CR_DISK_LIMITS_MAX];
    int n;
    uint64_t free_bytes, all_bytes;       /* of the disk of the state; all 0: not known */
    uint64_t free_inodes;
    trouble trouble;                      /* with any nothing starts */
    bool held;                            /* the database has its reserve */
    bool elsewhere;                       /* its file was moved away or replaced */
    char problem[300];
};

/* ---- the disk ---- */

/* File systems without a table of inodes say 0 of all. */
static trouble trouble_of(cr_hub *hub, const struct statvfs *st) {
    const struct cr_disk_watch *w = hub->disk;
    if (cr_db_is_read_only(hub->db) || st->f_flag & ST_RDONLY)
        return TROUBLE_READ_ONLY;
    if (w->free_bytes < hub->config->disk_free_bytes)
        return TROUBLE_SPACE;
    return hub->config->disk_free_bytes && st->f_files && w->free_inodes < INODES_LEAST ? TROUBLE_INODES : TROUBLE_NONE;
}

static void say(cr_hub *hub, trouble before) {
    struct cr_disk_watch *w = hub->disk;
    char size[16];
    cr_text_bytes(w->free_bytes, size, sizeof size);
    w->problem[0] = 0;
    switch (w->trouble) {
    case TROUBLE_NONE:
        if (w->elsewhere)
            snprintf(w->problem, sizeof w->problem, N_("The file of the database was moved away or replaced while the hub runs: what is saved now is lost when the hub ends. Copy it with ./up --backup, then restart the hub."));
        break;
    case TROUBLE_SPACE:
        snprintf(w->problem, sizeof w->problem, N_("The disk of the platform is nearly full: %s left. No server starts until there is more.%s"), size,
                 w->held || !hub->config->reserve_bytes ? "" : " " N_("The database has no reserve any more: soon nothing can be saved."));
        break;
    case TROUBLE_INODES:
        snprintf(w->problem, sizeof w->problem, N_("The disk of the platform is nearly full: it can hold %llu more files (inodes, see df -i). No server starts until there is room for more."),
                 (unsigned long long)w->free_inodes);
        break;
    case TROUBLE_READ_ONLY:
        snprintf(w->problem, sizeof w->problem, N_("The disk of the platform takes no writes: nothing can be saved and no server starts. An error of the disk may have made it read-only; dmesg says which."));
        break;
    }
    if (w->trouble == before)
        return;
    if (w->trouble)
        cr_log(CR_LOG_ERROR, w->trouble == TROUBLE_READ_ONLY ? "the disk takes no writes: nothing is saved, no server starts" : "the disk is nearly full: no server starts",
               "state=%s free=%s inodes=%llu reserve=%s", hub->config->state_dir, size, (unsigned long long)w->free_inodes, w->held ? "held" : "none");
    else
        cr_log(CR_LOG_INFO, "the disk has room again", "free=%s", size);
}

/* Somebody has restored a backup without stopping the hub. To end by ourselves would lose what only the open file has. */
static void look_for_file(cr_hub *hub) {
    const bool was = hub->disk->elsewhere;
    hub->disk->elsewhere = !cr_db_is_in_place(hub->db);
    if (hub->disk->elsewhere && !was)
        cr_log(CR_LOG_ERROR, "the database's file was moved away or replaced: what is saved now is lost when the hub ends, unless it is copied with ./up --backup", NULL);
}

static void look(cr_hub *hub) {
    struct cr_disk_watch *w = hub->disk;
    struct statvfs st;
    const trouble before = w->trouble;
    look_for_file(hub);
    cr_db_reserve(hub->db, hub->config->reserve_bytes, &w->held);
    if (statvfs(hub->config->state_dir, &st) != 0)
        return;
    w->free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    w->all_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    w->free_inodes = st.f_favail;
    w->trouble = trouble_of(hub, &st);
    say(hub, before);
}

cr_status cr_disk_open(cr_hub *hub, cr_err *err) {
    hub->disk = calloc(1, sizeof *hub->disk);
    if (!hub->disk)
        return CR_FAIL(err, CR_MEMORY, "no memory for limits of the disk");
    CR_TRY(cr_disk_limits_read(hub->config->disk_groups, hub->disk->limits, &hub->disk->n, err));
    look(hub);
    return CR_OK;
}

void cr_disk_close(cr_hub *hub) {
    free(hub->disk);
    hub->disk = NULL;
}

void cr_disk_on_minute(cr_hub *hub) { look(hub); }

const char *cr_disk_problem(cr_hub *hub) {
    look(hub);
    return hub->disk->problem;
}

void cr_disk_room(const cr_hub *hub, uint64_t *ret_free, uint64_t *ret_all) {
    *ret_free = hub->disk->free_bytes;
    *ret_all = hub->disk->all_bytes;
}

void cr_disk_text(cr_hub *hub, cr_buf *out) {
    char left[16], all[16];
    look(hub);
    if (hub->disk->all_bytes)
        cr_buf_addf(out, "  disk:    %s of %s left%s\n", cr_text_bytes(hub->disk->free_bytes, left, sizeof left),
                    cr_text_bytes(hub->disk->all_bytes, all, sizeof all), hub->disk->trouble == TROUBLE_READ_ONLY ? ": IT TAKES NO WRITES, NO SERVER STARTS" :
                    hub->disk->trouble == TROUBLE_INODES ? ", but hardly an inode: NO SERVER STARTS" : hub->disk->trouble ? ": NO SERVER STARTS" : "");
}

/* ---- homes ---- */

bool cr_disk_event(cr_hub *hub, const cr_runner_event *e) {
    cr_err err = CR_ERR_INIT;
    char top[sizeof e->tail];
    if (e->kind != CR_RUNNER_DISK)
        return false;
    memcpy(top, e->tail, sizeof top);
    /* Who has been removed meanwhile has no row to be found. */
    if (!cr_text_is_utf8(top, strlen(top)))
        top[0] = 0;
    if (cr_db_run(hub->db, &err, "INSERT OR REPLACE INTO disk_use (user_id, bytes, at_ms, top, cut) SELECT id, ?, ?, ?, ? FROM users WHERE account = ?", "iitit",
                  e->detail, cr_wall_ms(), top, (int64_t)(e->text[0] != 0), e->id.account) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting what a home takes", &err);
    return true;
}

static cr_status limit_of(cr_hub *hub, int64_t user_id, cr_disk *d, cr_err *err) {
    CR_TRY(cr_disk_limit_of(hub->db, user_id, hub->config->disk_bytes, hub->disk->limits, hub->disk->n, &d->limit_bytes, err));
    d->full = d->limit_bytes && d->bytes > d->limit_bytes;
    d->warn = d->limit_bytes && d->bytes >= d->limit_bytes / 100 * CR_DISK_WARN_PERCENT;
    return CR_OK;
}

/* top, when not NULL: its lines are added as {"name", "size"}. */
static cr_status read_row(cr_hub *hub, int64_t user_id, cr_disk *d, json_t *top, cr_err *err) {
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT bytes, at_ms, top, cut FROM disk_use WHERE user_id = ?", "i", user_id));
    if (cr_query_next(&q)) {
        d->bytes = (uint64_t)cr_query_int(&q, 0);
        d->at_ms = cr_query_int(&q, 1);
        d->cut = cr_query_int(&q, 3);
        for (const char *line = top ? cr_query_text(&q, 2) : ""; *line; line += strcspn(line, "\n"), line += *line == '\n') {
            char *name, size[16];
            unsigned long long bytes = strtoull(line, &name, 10);
            name += *name == ' ';
            size_t n = strcspn(name, "\n");
            json_array_append_new(top, json_pack("{s:s%, s:s}", "name", name, n, "size", cr_text_bytes(bytes, size, sizeof size)));
        }
    }
    return cr_query_end(&q, err);
}

cr_status cr_disk_of(cr_hub *hub, int64_t user_id, cr_disk *ret_disk, cr_err *err) {
    cr_disk d = {0};
    CR_TRY(read_row(hub, user_id, &d, NULL, err));
    CR_TRY(limit_of(hub, user_id, &d, err));
    *ret_disk = d;
    return CR_OK;
}

static void measure(cr_hub *hub, const char *account) {
    cr_err err = CR_ERR_INIT;
    if (hub->runner->ops->measure(hub->runner, account, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "asking what a home takes", &err);
}

static cr_status check_room(cr_hub *hub, int64_t user_id, const char *user, const char *account, const char *what, cr_err *err) {
    cr_disk d;
    char used[16], most[16];
    look(hub);
    if (hub->disk->trouble) {
        CR_FAIL(err, CR_CONFLICT, hub->disk->trouble == TROUBLE_READ_ONLY ? "the disk of this platform takes no writes, so no %s starts now"
                                                                          : "the disk of this platform is nearly full, so no %s starts now", what);
        cr_err_hint(err, "your files are safe; tell your administrator, and try again later");
        return CR_CONFLICT;
    }
    CR_TRY(cr_disk_of(hub, user_id, &d, err));
    if (!d.full)
        return CR_OK;
    measure(hub, account);
    CR_FAIL(err, CR_CONFLICT, "the files of %s take %s of disk space, and %s are allowed, so the %s does not start", user,
            cr_text_bytes(d.bytes, used, sizeof used), cr_text_bytes(d.limit_bytes, most, sizeof most), what);
    cr_err_hint(err, "what is large, and a server for cleaning up, are on the home page: /hub/home");
    return CR_CONFLICT;
}

cr_status cr_disk_admits(cr_lab *s, cr_err *err) {
    return s->cleaning ? CR_OK : check_room(s->hub, s->user_id, s->user, s->account, "server", err);
}

cr_status cr_disk_admits_cluster(cr_hub *hub, const cr_person *person, cr_err *err) {
    return check_room(hub, person->id, person->name, person->account, "cluster", err);
}

/* ---- pages ---- */

static int percent_of(const cr_disk *d) { return d->limit_bytes ? (int)CR_MIN((double)d->bytes * 100 / (double)d->limit_bytes, 9999.0) : 0; }

json_t *cr_disk_values(cr_hub *hub, int64_t user_id) {
    cr_disk d = {0};
    char used[16], most[16], ago[24];
    cr_err err = CR_ERR_INIT;
    json_t *top = json_array();
    if (read_row(hub, user_id, &d, top, &err) != CR_OK || limit_of(hub, user_id, &d, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "looking up what a home takes", &err);
    return json_pack("{s:b, s:b, s:s, s:s, s:i, s:s, s:b, s:b, s:b, s:b, s:i, s:o}", "known", d.at_ms > 0, "cut", d.cut, "used", cr_text_bytes(d.bytes, used, sizeof used),
                     "limit", d.limit_bytes ? cr_text_bytes(d.limit_bytes, most, sizeof most) : "", "percent", percent_of(&d), "ago",
                     cr_text_duration(CR_MAX(cr_wall_ms() - d.at_ms, 0), ago, sizeof ago), "warn", d.warn && !d.full, "full", d.full,
                     "low", hub->disk->trouble == TROUBLE_SPACE || hub->disk->trouble == TROUBLE_INODES, "read_only", hub->disk->trouble == TROUBLE_READ_ONLY,
                     "minutes", CR_DISK_CLEANING_MS / 60000, "top", top);
}

typedef struct row {
    int64_t user_id;
    cr_disk d;
    char name[CR_NAME_MAX + 1];
} row;

cr_status cr_disk_rows(cr_hub *hub, int64_t limit, int64_t offset, json_t *rows, cr_err *err) {
    row page[CR_DISK_ROWS_MAX];
    int n = 0;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    CR_TRY(cr_query_open(hub->db, &q, err, "SELECT u.id, u.name, d.bytes, d.at_ms, d.cut FROM disk_use d JOIN users u ON u.id = d.user_id "
                         "ORDER BY d.bytes DESC, u.id LIMIT ? OFFSET ?", "ii", CR_MIN(limit, (int64_t)CR_DISK_ROWS_MAX), offset));
    while (n < CR_DISK_ROWS_MAX && cr_query_next(&q)) {
        row *r = &page[n++];
        *r = (row){.user_id = cr_query_int(&q, 0), .d = {.bytes = (uint64_t)cr_query_int(&q, 2), .at_ms = cr_query_int(&q, 3), .cut = cr_query_int(&q, 4)}};
        snprintf(r->name, sizeof r->name, "%s", cr_query_text(&q, 1));
    }
    CR_TRY(cr_query_end(&q, err));
    for (int i = 0; i < n; i++) {
        cr_disk *d = &page[i].d;
        char used[16], most[16], ago[24];
        CR_TRY(limit_of(hub, page[i].user_id, d, err));
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:i, s:b, s:b, s:b, s:s}", "name", page[i].name, "used", cr_text_bytes(d->bytes, used, sizeof used),
                                              "limit", d->limit_bytes ? cr_text_bytes(d->limit_bytes, most, sizeof most) : "", "percent", percent_of(d),
                                              "full", d->full, "warn", d->warn && !d->full, "cut", d->cut, "ago",
                                              cr_text_duration(CR_MAX(cr_wall_ms() - d->at_ms, 0), ago, sizeof ago)));
    }
    return CR_OK;
}

void cr_disk_page(cr_request *req) {
    cr_hub *hub = cr_hub_of(req);
    const cr_config *c = hub->config;
    int64_t offset = 0;
    char left[16], all[16], most[16];
    cr_err err = CR_ERR_INIT;
    const char *text = cr_pairs_get(&req->query, "offset");
    if (text && cr_parse_int(text, 0, 1000000000, &offset, NULL) != CR_OK)
        offset = 0;
    json_t *rows = json_array();
    if (cr_disk_rows(hub, CR_DISK_ROWS_MAX, offset, rows, &err) != CR_OK) {
        json_decref(rows);
        cr_reply_err(req, &err);
        return;
    }
    bool more = json_array_size(rows) == CR_DISK_ROWS_MAX, none = json_array_size(rows) == 0;
    json_t *values = json_pack("{s:o, s:b, s:s, s:s, s:s, s:s, s:s}", "rows", rows, "none", none, "left",
                               cr_text_bytes(hub->disk->free_bytes, left, sizeof left), "all", cr_text_bytes(hub->disk->all_bytes, all, sizeof all), "disk_problem",
                               cr_disk_problem(hub), "limit", c->disk_bytes ? cr_text_bytes(c->disk_bytes, most, sizeof most) : "", "groups", c->disk_groups);
    if (more)
        json_object_set_new(values, "next_offset", json_integer(offset + CR_DISK_ROWS_MAX));
    cr_site_page(req, 200, "disk", values);
}

void cr_disk_measure_post(cr_request *req) {
    cr_lab *s;
    cr_err err = CR_ERR_INIT;
    if (cr_lab_find(cr_hub_of(req), &cr_caller_of(req)->person, "", true, &s, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    measure(cr_hub_of(req), s->account);
    cr_reply_redirect(req, 303, "/hub/home?measuring=1");
}
