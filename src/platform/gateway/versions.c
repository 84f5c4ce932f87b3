/* versions.c - from the User-Agent, from the names of folders of the environment, and what a server was started with. */
#include "platform/gateway/versions.h"

#include <dirent.h>
#include <stdio.h>
#include "base/log.h"
#include "base/text.h"

static bool take_version(const char *text, size_t n, char out[CR_VERSION_MAX]) {
    if (n == 0 || n >= CR_VERSION_MAX || strspn(text, "0123456789.") < n)
        return false;
    memcpy(out, text, n);
    out[n] = 0;
    return true;
}

bool cr_version_of_agent(const char *agent, char out[CR_VERSION_MAX]) {
    int major, minor, end = 0;
    if (!agent || sscanf(agent, "Python/%2d.%3d aiohttp/%n", &major, &minor, &end) != 2 || !end || major < 0 || minor < 0)
        return false;
    snprintf(out, CR_VERSION_MAX, "%d.%d", major, minor);
    return true;
}

bool cr_versions_of_address(const char *text, cr_versions *v) {
    char *const out[] = {v->python, v->dask, v->distributed};
    for (size_t i = 0; i < CR_ARRAY_LEN(out); i++) {
        size_t n = text ? strcspn(text, ",") : 0;
        if (!text || !take_version(text, n, out[i]) || (text[n] == ',') != (i + 1 < CR_ARRAY_LEN(out)))
            return false;
        text += n + (text[n] == ',');
    }
    return true;
}

/* The version in the first entry PREFIX<version>SUFFIX of the folder. */
static void find(const char *folder, const char *prefix, const char *suffix, char out[CR_VERSION_MAX]) {
    DIR *d = opendir(folder);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        size_t n = strlen(e->d_name), extra = strlen(prefix) + strlen(suffix);
        found = n > extra && cr_starts_with(e->d_name, prefix) && cr_ends_with(e->d_name, suffix) &&
                take_version(e->d_name + strlen(prefix), n - extra, out);
    }
    if (d)
        closedir(d);
}

void cr_versions_installed(const cr_config *c, cr_versions *v) {
    char folder[700];
    *v = (cr_versions){0};
    snprintf(folder, sizeof folder, "%s/env/current/lib", c->prefix);
    find(folder, "python", "", v->python);
    snprintf(folder, sizeof folder, "%s/env/current/lib/python%s/site-packages", c->prefix, v->python);
    if (!v->python[0])
        return;
    find(folder, "dask-", ".dist-info", v->dask);
    find(folder, "distributed-", ".dist-info", v->distributed);
}

void cr_versions_note(cr_db *db, const cr_config *c, uint64_t generation) {
    cr_versions v;
    cr_err err = CR_ERR_INIT;
    cr_versions_installed(c, &v);
    if (cr_db_run(db, &err, "INSERT OR REPLACE INTO server_software (server_id, generation, python, dask, distributed) "
                  "SELECT id, generation, ?, ?, ? FROM servers WHERE generation = ?", "ttti", v.python, v.dask, v.distributed, (int64_t)generation) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting the software of a server", &err);
}

static void copy(char out[CR_VERSION_MAX], const char *text) { snprintf(out, CR_VERSION_MAX, "%s", text ? text : ""); }

bool cr_versions_of_server(cr_db *db, int64_t server_id, cr_versions *v) {
    cr_err err = CR_ERR_INIT;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (cr_query_open(db, &q, &err, "SELECT w.python, w.dask, w.distributed FROM server_software w JOIN servers s ON s.id = w.server_id "
                      "WHERE s.id = ? AND s.generation = w.generation", "i", server_id) != CR_OK || !cr_query_next(&q))
        return false;
    copy(v->python, cr_query_text(&q, 0));
    copy(v->dask, cr_query_text(&q, 1));
    copy(v->distributed, cr_query_text(&q, 2));
    return true;
}
