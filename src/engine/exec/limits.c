/* limits.c - reading /proc/self/cgroup and the files of each ancestor. A file that is missing or says "max" is no limit. */
#include "engine/exec/limits.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"

/* "v1:controller" hierarchies are mounted at /sys/fs/cgroup/<controllers>; v2 at /sys/fs/cgroup or .../unified. */
#define ROOT "/sys/fs/cgroup"

typedef void (*visit_fn)(const char *dir, void *user);

static bool read_line(const char *dir, const char *name, char *buf, size_t size) {
    char path[4096 + 128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ok = fgets(buf, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* dir and everything above it down to the mount. In a container the path of /proc/self/cgroup may not exist below the mount: the mount
 * itself then is the container's group. */
static void visit_up(const char *mount, const char *path, visit_fn fn, void *user) {
    char dir[4096];
    int n = snprintf(dir, sizeof dir, "%s%s", mount, strcmp(path, "/") == 0 ? "" : path);
    if (n < 0 || (size_t)n >= sizeof dir)
        return;
    size_t least = strlen(mount);
    for (;;) {
        if (access(dir, F_OK) == 0)
            fn(dir, user);
        char *slash = strrchr(dir + least, '/');
        if (slash == NULL)
            break;
        *slash = 0;
    }
    if (strlen(dir) != least) {
        dir[least] = 0;
        fn(dir, user);
    }
}

/* Calls fn for each directory of the groups that have `controller`. */
static void visit_groups(const char *controller, visit_fn fn, void *user) {
    char line[4096];
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':'), *path = names == NULL ? NULL : strchr(names + 1, ':');
        if (path == NULL)
            continue;
        *names++ = 0;
        *path++ = 0;
        char mount[512];
        if (*names == 0) { /* v2 */
            visit_up(ROOT, path, fn, user);
            visit_up(ROOT "/unified", path, fn, user);
            continue;
        }
        bool ours = false;
        char copy[512], *save = NULL;
        snprintf(copy, sizeof copy, "%s", names);
        for (char *t = strtok_r(copy, ",", &save); t != NULL; t = strtok_r(NULL, ",", &save))
            ours = ours || strcmp(t, controller) == 0;
        if (!ours)
            continue;
        snprintf(mount, sizeof mount, ROOT "/%s", names);
        visit_up(mount, path, fn, user);
        snprintf(mount, sizeof mount, ROOT "/%s", controller);
        visit_up(mount, path, fn, user);
    }
    fclose(f);
}

static void memory_of(const char *dir, void *user) {
    static const char *const names[] = {"memory.max", "memory.high", "memory.limit_in_bytes"};
    uint64_t *least = user;
    char line[64];
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        char *end;
        if (!read_line(dir, names[i], line, sizeof line) || line[0] < '0' || line[0] > '9')
            continue;
        uint64_t bytes = strtoull(line, &end, 10);
        if (bytes > 0)
            *least = CR_MIN(*least, bytes);
    }
}

uint64_t cr_limits_memory_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t least = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : (uint64_t)1 << 30;
    visit_groups("memory", memory_of, &least);
    return least;
}

static void cpu_of(const char *dir, void *user) {
    double *least = user;
    char line[128], quota[64], period[64];
    if (read_line(dir, "cpu.max", line, sizeof line) && sscanf(line, "%63s %63s", quota, period) == 2 && strcmp(quota, "max") != 0 &&
        atof(period) > 0)
        *least = CR_MIN(*least, atof(quota) / atof(period));
    if (read_line(dir, "cpu.cfs_quota_us", quota, sizeof quota) && atof(quota) > 0 &&
        read_line(dir, "cpu.cfs_period_us", period, sizeof period) && atof(period) > 0)
        *least = CR_MIN(*least, atof(quota) / atof(period));
}

int cr_limits_cpus(void) {
    cpu_set_t set;
    double cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (double)sysconf(_SC_NPROCESSORS_ONLN);
    visit_groups("cpu", cpu_of, &cpus);
    int n = (int)cpus;
    return CR_MAX(1, n + (cpus > n));
}
