/* versions.c - from the User-Agent, and from the names of folders of the environment. */
#include "platform/gateway/versions.h"

#include <dirent.h>
#include <stdio.h>
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

void cr_versions_installed(const cr_config *c, char python[CR_VERSION_MAX], char distributed[CR_VERSION_MAX]) {
    char folder[700];
    python[0] = distributed[0] = 0;
    snprintf(folder, sizeof folder, "%s/env/current/lib", c->prefix);
    find(folder, "python", "", python);
    snprintf(folder, sizeof folder, "%s/env/current/lib/python%s/site-packages", c->prefix, python);
    if (python[0])
        find(folder, "distributed-", ".dist-info", distributed);
}
