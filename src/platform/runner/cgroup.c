/* cgroup.c - finding the hierarchies, and the operations, with the differences of v1 and v2 in one table of file names. */
#include "platform/runner/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

enum { PATH_SIZE = 1024, CPU_PERIOD_US = 100000, PROC_TEXT_MAX = 4 << 20, CLEAR_ROUNDS = 20 };
enum { LIMIT_MARGIN_BYTES = 1 << 20 };   /* pages are counted in batches for each CPU */

static const char *const controller_names[CR_CGROUP_CONTROLLERS] = {"memory", "cpu", "pids", "freezer"};

struct cr_cgroups {
    int version;
    bool has[CR_CGROUP_CONTROLLERS];
    char tree[CR_CGROUP_CONTROLLERS][PATH_SIZE];   /* v2: all the same */
    const char *where;                             /* v2: in words, what the tree lies in */
    char described[256];
};

static cr_status write_file(const char *dir, const char *file, const char *text, cr_err *err) {
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    cr_auto_fd int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return CR_FAIL_ERRNO(err, "cannot write %s to %s", text, path);
    return CR_OK;
}

static bool read_text(const char *dir, const char *file, cr_buf *out) {
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s%s%s", dir, file[0] ? "/" : "", file);
    return cr_file_read(path, out, NULL) == CR_OK;
}

/* A file with one number; 0 when it is absent or "max". */
static uint64_t read_number(const char *dir, const char *file) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 4096);
    return read_text(dir, file, &text) ? strtoull(cr_buf_str(&text), NULL, 10) : 0;
}

/* The number behind "key " at the begin of a line. */
static uint64_t read_key(const char *dir, const char *file, const char *key) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 65536);
    if (!read_text(dir, file, &text))
        return 0;
    size_t n = strlen(key);
    for (char *rest = text.data, *line; (line = strsep(&rest, "\n"));)
        if (strncmp(line, key, n) == 0 && line[n] == ' ')
            return strtoull(line + n + 1, NULL, 10);
    return 0;
}

/* ---- finding ---- */

static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || strchr(", ", p[-1])) && (p[n] == 0 || strchr(", \n", p[n])))
            return true;
    return false;
}

/* Our own group in the hierarchy of that controller ("" for v2): the third field of its line in /proc/self/cgroup. */
static bool own_group(const char *own_text, const char *controller, char *out, size_t size) {
    cr_auto_free char *copy = strdup(own_text);
    for (char *rest = copy, *line; rest && (line = strsep(&rest, "\n"));) {
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        if (controller[0] ? has_word(list + 1, controller) : list[1] == 0)
            return snprintf(out, size, "%s", path) < (int)size;
    }
    return false;
}

/* Field n (from 0) of a mountinfo line; the part behind " - " is in `tail`. */
static bool split_mount(char *line, char **ret_root, char **ret_point, char **ret_type, char **ret_options) {
    char *dash = strstr(line, " - "), *field[5], *rest = line;
    if (!dash)
        return false;
    *dash = 0;
    for (int i = 0; i < 5; i++)
        if (!(field[i] = strsep(&rest, " ")))
            return false;
    char *tail = dash + 3;
    *ret_root = field[3];
    *ret_point = field[4];
    *ret_type = strsep(&tail, " ");
    strsep(&tail, " ");
    *ret_options = tail ? tail : "";
    return *ret_type != NULL;
}

/* The directory of our own group in that hierarchy: the mount shows the part of it below `root`. */
static bool own_dir(const char *mounts, const char *own_text, const char *controller, char *out, size_t size) {
    char own[PATH_SIZE];
    if (!own_group(own_text, controller, own, sizeof own))
        return false;
    cr_auto_free char *copy = strdup(mounts);
    for (char *rest = copy, *line; rest && (line = strsep(&rest, "\n"));) {
        char *root, *point, *type, *options;
        if (!split_mount(line, &root, &point, &type, &options))
            continue;
        if (strcmp(type, controller[0] ? "cgroup" : "cgroup2") != 0 || (controller[0] && !has_word(options, controller)))
            continue;
        const char *below = strcmp(root, "/") == 0 ? own : cr_starts_with(own, root) ? own + strlen(root) : "";
        return snprintf(out, size, "%s%s", point, strcmp(below, "/") == 0 ? "" : below) < (int)size;
    }
    return false;
}

static bool make_tree(const char *dir, const char *tree, char *out, size_t size) {
    if (snprintf(out, size, "%s/%s", dir, tree) >= (int)size)
        return false;
    return (mkdir(out, 0755) == 0 || errno == EEXIST) && access(out, W_OK) == 0;
}

static bool open_v1(cr_cgroups *g, const char *mounts, const char *own, const char *tree) {
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        char dir[PATH_SIZE];
        g->has[c] = own_dir(mounts, own, controller_names[c], dir, sizeof dir) && make_tree(dir, tree, g->tree[c], PATH_SIZE);
        g->version = g->has[c] ? 1 : g->version;
    }
    return g->version == 1;
}

/* Does the group have anything that we could limit with? */
static bool has_any(const char *dir) {
    cr_auto_buf cr_buf have;
    cr_buf_init(&have, 4096);
    read_text(dir, "cgroup.controllers", &have);
    for (int c = 0; c < CR_CGROUP_FREEZER; c++)
        if (has_word(cr_buf_str(&have), controller_names[c]))
            return true;
    return false;
}

/* Grants the children of dir what dir has of memory, cpu and pids; at least one must work. */
static bool grant(const char *dir) {
    cr_auto_buf cr_buf have;
    cr_buf_init(&have, 4096);
    if (!read_text(dir, "cgroup.controllers", &have))
        return false;
    bool any = false;
    for (int c = 0; c < CR_CGROUP_FREEZER; c++) {
        char text[32];
        snprintf(text, sizeof text, "+%s", controller_names[c]);
        if (has_word(cr_buf_str(&have), controller_names[c]) && write_file(dir, "cgroup.subtree_control", text, NULL) == CR_OK)
            any = true;
    }
    return any;
}

static void note_v2(cr_cgroups *g, const char *path) {
    cr_auto_buf cr_buf have;
    cr_buf_init(&have, 4096);
    read_text(path, "cgroup.controllers", &have);
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        snprintf(g->tree[c], PATH_SIZE, "%s", path);
        g->has[c] = c == CR_CGROUP_FREEZER || has_word(cr_buf_str(&have), controller_names[c]);
    }
    g->version = 2;
}

/* Moves this process into a child of its own, so that its group may have limited children. */
static bool step_down(const char *dir) {
    char path[PATH_SIZE];
    if (!make_tree(dir, "supervisor", path, sizeof path))
        return false;
    return write_file(path, "cgroup.procs", "0", NULL) == CR_OK;
}

/* The group of NAME-servers.service beside that of NAME.service, which runs us. */
static bool given_dir(const char *own, char *out, size_t size) {
    static const char suffix[] = ".service";
    int n = (int)(strlen(own) - strlen(suffix));
    return cr_ends_with(own, suffix) && snprintf(out, size, "%.*s-servers%s", n, own, suffix) < (int)size && access(out, W_OK) == 0;
}

/* Moves the processes of a group into a child of it, so that it may have limited children. One that forks meanwhile is met in the
 * next round; when some stay, granting fails and says so. */
static void clear_out(const char *dir) {
    char child[PATH_SIZE];
    cr_auto_buf cr_buf procs;
    cr_buf_init(&procs, PROC_TEXT_MAX);
    if (!make_tree(dir, "keeper", child, sizeof child))
        return;
    for (int round = 0; round < CLEAR_ROUNDS && read_text(dir, "cgroup.procs", &procs) && procs.len; round++) {
        for (char *rest = procs.data, *line; (line = strsep(&rest, "\n"));)
            if (line[0])
                (void)write_file(child, "cgroup.procs", line, NULL);
        cr_buf_clear(&procs);
    }
}

/* A group that systemd made for the servers and keeps its hands off. */
static bool open_given(cr_cgroups *g, const char *dir, const char *tree) {
    char path[PATH_SIZE];
    if (!has_any(dir))
        return false;
    clear_out(dir);
    if (!grant(dir) || !make_tree(dir, tree, path, sizeof path))
        return false;
    grant(path);
    note_v2(g, path);
    g->where = ", in the group of the servers' unit";
    return true;
}

static bool open_v2(cr_cgroups *g, const char *mounts, const char *own, const char *tree) {
    char dir[PATH_SIZE], parent[PATH_SIZE], path[PATH_SIZE], own_path[PATH_SIZE], given[PATH_SIZE];
    if (!own_dir(mounts, own, "", dir, sizeof dir) || !own_group(own, "", own_path, sizeof own_path))
        return false;
    if (given_dir(dir, given, sizeof given) && open_given(g, given, tree))
        return true;
    snprintf(parent, sizeof parent, "%s", dir);
    if (strcmp(own_path, "/") != 0 && strrchr(parent, '/'))
        *strrchr(parent, '/') = 0;
    if (cr_ends_with(dir, "/supervisor") && strrchr(parent, '/'))   /* we stepped down in an earlier life of this service */
        snprintf(dir, sizeof dir, "%s", parent);
    if (!has_any(dir))   /* both versions mounted and the controllers with v1: nothing is touched here */
        return false;
    bool ready = grant(parent) && make_tree(parent, tree, path, sizeof path);
    if (!ready)
        ready = step_down(dir) && grant(dir) && make_tree(dir, tree, path, sizeof path);
    if (!ready)
        return false;
    grant(path);
    note_v2(g, path);
    g->where = cr_ends_with(dir, ".service") ? ", in a group that systemd does not know of: see recipes/systemd" : NULL;
    return g->has[CR_CGROUP_MEMORY] || g->has[CR_CGROUP_PIDS] || g->has[CR_CGROUP_CPU];
}

static void describe(cr_cgroups *g) {
    size_t n = (size_t)snprintf(g->described, sizeof g->described, g->version ? "v%d:" : "none: no limits of memory and CPU per server", g->version);
    for (int c = 0; g->version && c < CR_CGROUP_CONTROLLERS; c++)
        if (g->has[c])
            n += (size_t)snprintf(g->described + n, sizeof g->described - n, " %s", controller_names[c]);
    snprintf(g->described + n, sizeof g->described - n, "%s", g->where ? g->where : "");
}

cr_status cr_cgroups_open(const char *tree, const cr_cgroup_source *source, cr_cgroups **ret_groups, cr_err *err) {
    cr_auto_buf cr_buf mounts, own;
    cr_buf_init(&mounts, PROC_TEXT_MAX);
    cr_buf_init(&own, PROC_TEXT_MAX);
    CR_TRY(cr_file_read(source ? source->mountinfo : "/proc/self/mountinfo", &mounts, err));
    CR_TRY(cr_file_read(source ? source->own : "/proc/self/cgroup", &own, err));
    cr_cgroups *g = calloc(1, sizeof *g);
    if (!g)
        return CR_FAIL(err, CR_MEMORY, "no memory for the control groups");
    /* A machine may have both mounted: v2 counts where it has controllers to give. */
    if (!open_v2(g, cr_buf_str(&mounts), cr_buf_str(&own), tree)) {
        memset(g, 0, sizeof *g);
        open_v1(g, cr_buf_str(&mounts), cr_buf_str(&own), tree);
    }
    describe(g);
    *ret_groups = g;
    return CR_OK;
}

void cr_cgroups_close(cr_cgroups *g) { free(g); }
int cr_cgroups_version(const cr_cgroups *g) { return g->version; }
bool cr_cgroups_has(const cr_cgroups *g, cr_cgroup_controller c) { return g->has[c]; }
const char *cr_cgroups_describe(const cr_cgroups *g) { return g->described; }

/* ---- one group ---- */

static void group_dir(const cr_cgroups *g, int c, const char *name, char out[PATH_SIZE]) {
    snprintf(out, PATH_SIZE, "%s/%s", g->tree[c], name);
}

/* v1 has a directory per controller, v2 one for all. */
static bool is_own_dir(const cr_cgroups *g, int c) { return g->has[c] && (g->version == 1 || c == CR_CGROUP_FREEZER); }

static cr_status limit_memory(const cr_cgroups *g, const char *dir, uint64_t bytes, cr_err *err) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    if (g->version == 1) {
        /* Raising the sum of memory and swap comes before memory, lowering after: with both at once one order always works. */
        (void)write_file(dir, "memory.memsw.limit_in_bytes", bytes ? text : "-1", NULL);
        CR_TRY(write_file(dir, "memory.limit_in_bytes", bytes ? text : "-1", err));
        (void)write_file(dir, "memory.memsw.limit_in_bytes", bytes ? text : "-1", NULL);   /* absent without swap accounting */
        return CR_OK;
    }
    CR_TRY(write_file(dir, "memory.max", bytes ? text : "max", err));
    (void)write_file(dir, "memory.swap.max", bytes ? "0" : "max", NULL);
    return CR_OK;
}

static cr_status limit_cpu(const cr_cgroups *g, const char *dir, uint32_t milli, cr_err *err) {
    char text[64];
    unsigned long long quota = (unsigned long long)milli * CPU_PERIOD_US / 1000;
    if (g->version == 2) {
        snprintf(text, sizeof text, milli ? "%llu %d" : "max", quota, CPU_PERIOD_US);
        return write_file(dir, "cpu.max", text, err);
    }
    snprintf(text, sizeof text, "%d", CPU_PERIOD_US);
    CR_TRY(write_file(dir, "cpu.cfs_period_us", text, err));
    snprintf(text, sizeof text, milli ? "%llu" : "-1", quota);
    return write_file(dir, "cpu.cfs_quota_us", text, err);
}

static cr_status limit_pids(const char *dir, uint32_t pids, cr_err *err) {
    char text[32];
    snprintf(text, sizeof text, pids ? "%u" : "max", pids);
    return write_file(dir, "pids.max", text, err);
}

cr_status cr_cgroup_make(cr_cgroups *g, const char *name, const cr_server_limits *limits, cr_err *err) {
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        char dir[PATH_SIZE];
        if (!g->has[c])
            continue;
        group_dir(g, c, name, dir);
        if (mkdir(dir, 0755) != 0 && errno != EEXIST)
            return CR_FAIL_ERRNO(err, "cannot create the control group %s", dir);
        if (c == CR_CGROUP_MEMORY)
            CR_TRY(limit_memory(g, dir, limits->memory_bytes, err));
        if (c == CR_CGROUP_CPU)
            CR_TRY(limit_cpu(g, dir, limits->cpu_milli, err));
        if (c == CR_CGROUP_PIDS)
            CR_TRY(limit_pids(dir, limits->pids, err));
    }
    return CR_OK;
}

cr_status cr_cgroup_enter(const cr_cgroups *g, const char *name, pid_t pid, cr_err *err) {
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        char dir[PATH_SIZE];
        if (!is_own_dir(g, c))
            continue;
        group_dir(g, c, name, dir);
        CR_TRY(write_file(dir, "cgroup.procs", text, err));
    }
    return CR_OK;
}

cr_status cr_cgroup_usage_of(const cr_cgroups *g, const char *name, cr_cgroup_usage *ret_usage, cr_err *err) {
    char dir[PATH_SIZE];
    cr_cgroup_usage u = {0};
    if (!g->version)
        return CR_FAIL(err, CR_UNSUPPORTED, "there are no control groups here");
    if (g->has[CR_CGROUP_MEMORY]) {
        bool v1 = g->version == 1;
        group_dir(g, CR_CGROUP_MEMORY, name, dir);
        u.memory_bytes = read_number(dir, v1 ? "memory.usage_in_bytes" : "memory.current");
        u.memory_peak_bytes = read_number(dir, v1 ? "memory.max_usage_in_bytes" : "memory.peak");
        u.memory_limit_bytes = read_number(dir, v1 ? "memory.limit_in_bytes" : "memory.max");
        u.oom_kills = read_key(dir, v1 ? "memory.oom_control" : "memory.events", "oom_kill");
        /* With swap accounting the sum of both is what is full first. */
        u.limit_hits = v1 ? read_number(dir, "memory.failcnt") + read_number(dir, "memory.memsw.failcnt") : read_key(dir, "memory.events", "oom");
    }
    if (u.memory_limit_bytes >= (uint64_t)1 << 62)   /* how v1 writes "no limit" */
        u.memory_limit_bytes = 0;
    u.limit_reached = g->version == 1 && u.memory_limit_bytes && u.memory_peak_bytes + LIMIT_MARGIN_BYTES >= u.memory_limit_bytes;
    group_dir(g, CR_CGROUP_PIDS, name, dir);
    u.pids = g->has[CR_CGROUP_PIDS] ? read_number(dir, "pids.current") : 0;
    *ret_usage = u;
    return CR_OK;
}

cr_status cr_cgroup_oom_kills(const cr_cgroups *g, const char *name, uint64_t *ret_kills, cr_err *err) {
    char dir[PATH_SIZE];
    if (!g->has[CR_CGROUP_MEMORY])
        return CR_FAIL(err, CR_UNSUPPORTED, "there are no control groups for memory here");
    group_dir(g, CR_CGROUP_MEMORY, name, dir);
    *ret_kills = read_key(dir, g->version == 1 ? "memory.oom_control" : "memory.events", "oom_kill");
    return CR_OK;
}

static int kill_listed(const char *dir) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, PROC_TEXT_MAX);
    int seen = 0;
    if (!read_text(dir, "cgroup.procs", &text) || !text.len)
        return 0;
    for (char *rest = text.data, *line; (line = strsep(&rest, "\n"));) {
        int64_t pid;
        /* 0 is a process outside of our pid namespace; 1 would be madness. */
        if (cr_parse_int(line, 2, INT32_MAX, &pid, NULL) != CR_OK || pid == getpid())
            continue;
        seen++;
        kill((pid_t)pid, SIGKILL);
    }
    return seen;
}

int cr_cgroup_kill(const cr_cgroups *g, const char *name) {
    char dir[PATH_SIZE];
    int most = 0;
    if (g->has[CR_CGROUP_PIDS]) {   /* no new processes from now on, so the list can only shrink */
        group_dir(g, CR_CGROUP_PIDS, name, dir);
        (void)write_file(dir, "pids.max", "0", NULL);
    }
    group_dir(g, CR_CGROUP_FREEZER, name, dir);
    if (g->version == 2 && write_file(dir, "cgroup.kill", "1", NULL) == CR_OK)
        return (int)(g->has[CR_CGROUP_PIDS] ? read_number(dir, "pids.current") : (uint64_t)kill_listed(dir));
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        if (!is_own_dir(g, c))
            continue;
        group_dir(g, c, name, dir);
        most = CR_MAX(most, kill_listed(dir));
    }
    return most;
}

cr_status cr_cgroup_remove(const cr_cgroups *g, const char *name, cr_err *err) {
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        char dir[PATH_SIZE];
        if (!is_own_dir(g, c))
            continue;
        group_dir(g, c, name, dir);
        if (rmdir(dir) != 0 && errno != ENOENT)
            return CR_FAIL_ERRNO(err, "cannot remove the control group %s", dir);
    }
    return CR_OK;
}

void cr_cgroup_each(const cr_cgroups *g, void (*fn)(void *user, const char *name), void *user) {
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++) {
        DIR *d = is_own_dir(g, c) ? opendir(g->tree[c]) : NULL;
        if (!d)
            continue;
        for (struct dirent *e; (e = readdir(d));)
            if (e->d_type == DT_DIR && e->d_name[0] != '.')
                fn(user, e->d_name);
        closedir(d);
    }
}

void cr_cgroups_remove_tree(const cr_cgroups *g) {
    for (int c = 0; c < CR_CGROUP_CONTROLLERS; c++)
        if (is_own_dir(g, c))
            rmdir(g->tree[c]);
}
