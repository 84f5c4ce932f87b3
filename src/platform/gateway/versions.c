/* versions.c - from the User-Agent, from the names of folders of the environment, and what a server was started with. */
#include "platform/gateway/versions.h"

#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/text.h"

bool cr_version_of_agent(const char *agent, char out[CR_VERSION_MAX]) {
    int major, minor, end = 0;
    if (!agent || sscanf(agent, "Python/%2d.%3d aiohttp/%n", &major, &minor, &end) != 2 || !end || major < 0 || minor < 0)
        return false;
    snprintf(out, CR_VERSION_MAX, "%d.%d", major, minor);
    return true;
}

static bool take_version(const char *text, size_t n, char out[CR_VERSION_MAX]) {
    if (n == 0 || n >= CR_VERSION_MAX || strspn(text, "0123456789.") < n)
        return false;
    memcpy(out, text, n);
    out[n] = 0;
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

void cr_versions_installed(const char *prefix, cr_versions *v) {
    *v = (cr_versions){0};
    cr_software_python(prefix, v->python);
    cr_software_package(prefix, v->python, "dask", v->dask);
    cr_software_package(prefix, v->python, "distributed", v->distributed);
    cr_software_package(prefix, v->python, "dask_gateway", v->gateway);
}

void cr_versions_note(cr_db *db, const cr_versions *v, const char *software, uint64_t generation) {
    cr_err err = CR_ERR_INIT;
    if (cr_db_run(db, &err, "INSERT OR REPLACE INTO server_software (server_id, generation, python, dask, distributed, software) "
                  "SELECT id, generation, ?, ?, ?, ? FROM servers WHERE generation = ?", "tttti", v->python, v->dask, v->distributed, software,
                  (int64_t)generation) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting the software of a server", &err);
}

static void copy(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text ? text : ""); }

bool cr_versions_of_server(cr_db *db, int64_t server_id, cr_versions *v, char software[CR_PROFILE_SLUG_MAX + 1]) {
    cr_err err = CR_ERR_INIT;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (cr_query_open(db, &q, &err, "SELECT w.python, w.dask, w.distributed, w.software FROM server_software w JOIN servers s ON s.id = w.server_id "
                      "WHERE s.id = ? AND s.generation = w.generation", "i", server_id) != CR_OK || !cr_query_next(&q))
        return false;
    copy(v->python, sizeof v->python, cr_query_text(&q, 0));
    copy(v->dask, sizeof v->dask, cr_query_text(&q, 1));
    copy(v->distributed, sizeof v->distributed, cr_query_text(&q, 2));
    copy(software, CR_PROFILE_SLUG_MAX + 1, cr_query_text(&q, 3));
    return true;
}
