/* run_space.c - looking, and stopping who takes too much. */
#include "platform/runner/run_space.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/runner/disk_walk.h"
#include "platform/runner/server_parts.h"

enum {
    SCARCE_BYTES = 16 << 20, SCARCE_FILES = 2000,         /* left, or an eighth of the whole when that is less */
    MUCH_BYTES = 4 << 20, MUCH_FILES = 2000,              /* of one account: what it needs is a hundredth of that */
    WALK_MS = 20, TICK_MOST_MS = 400,
};

static bool is_scarce(const char *folder) {
    struct statvfs f;
    if (statvfs(folder, &f) != 0 || !f.f_blocks)
        return false;
    uint64_t size = f.f_frsize, few = CR_MIN((uint64_t)SCARCE_BYTES, f.f_blocks * size / 8);
    return f.f_bavail * size < few || (f.f_files && f.f_favail < CR_MIN((uint64_t)SCARCE_FILES, (uint64_t)f.f_files / 8));
}

/* In folders of root's, walked by descriptors: whose they are cannot lead this elsewhere. */
static void add_taken(const char *path, uint64_t *bytes, uint64_t *files) {
    cr_disk_use use = {0};
    cr_err err = CR_ERR_INIT;
    if (cr_disk_walk(path, WALK_MS, &use, &err) != CR_OK)
        return;
    *bytes += use.bytes;
    *files += use.entries;
}

static bool takes_much(const cr_server *v) {
    const char *run = v->table->setup.config->run_dir;
    char path[CR_URL_MAX];
    uint64_t bytes = 0, files = 0;
    snprintf(path, sizeof path, "%s/r/%u", run, (unsigned)v->r.uid);
    add_taken(path, &bytes, &files);
    snprintf(path, sizeof path, "%s/u/%s", run, v->r.id.account);
    add_taken(path, &bytes, &files);
    if (bytes < MUCH_BYTES && files < MUCH_FILES)
        return false;
    cr_log(CR_LOG_ERROR, "an account fills the folder of sockets: its servers are stopped", "folder=%s account=%s bytes=%llu files=%llu", run, v->r.id.account,
           (unsigned long long)bytes, (unsigned long long)files);
    return true;
}

static void stop_all(cr_servers *s, int64_t uid) {
    static const char note[] = "(stopped: the programs of this account had filled the folder where everybody's sockets lie, with JUPYTER_RUNTIME_DIR in it)\n";
    for (cr_server *v = s->first; v; v = v->next) {
        if (v->r.uid != uid || v->r.state != CR_SERVER_RUNNING)
            continue;
        cr_server_note(v, note);
        cr_server_stop(v, 0);
    }
}

void cr_run_space_tick(cr_servers *s) {
    const int64_t until = cr_now_ms() + TICK_MOST_MS;
    int64_t looked_at = -1;
    if (!s->setup.config->as_root || !is_scarce(s->setup.config->run_dir))
        return;
    for (cr_server *v = s->first; v && cr_now_ms() < until; v = v->next) {
        if (v->r.state != CR_SERVER_RUNNING || v->r.stop_requested || v->r.uid == looked_at)
            continue;
        looked_at = v->r.uid;
        if (takes_much(v)) {
            stop_all(s, v->r.uid);
            return;
        }
    }
}
