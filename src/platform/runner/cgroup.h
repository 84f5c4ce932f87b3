/* cgroup.h - memory, CPU and process limits per server; one interface over cgroup v1, v2, and neither.
 *
 * All groups lie in one tree of ours, below the group that cratond itself was started in (v1), or beside it (v2, where a
 * group with processes cannot have limited children), so that limits of a container or a slice around us stay in force.
 *   v1  MOUNT(controller)/OWN/TREE/NAME   for each of memory, cpu, pids, freezer that is mounted and writable
 *   v2  MOUNT/UNIT-servers.service/TREE/NAME   when OWN is MOUNT/UNIT.service and that group is there: systemd made it for us and
 *                                         leaves alone what is below (docs/decisions/0012); its own processes move to a child, "keeper"
 *       MOUNT/PARENT-OF-OWN/TREE/NAME     else, with the controllers that the parent grants; OWN/TREE when OWN can be emptied
 * What is missing is said by cr_cgroups_describe; groups then limit what they can, and killing falls back on other means.
 *
 * Names are made by the caller from validated parts: [a-z0-9.-]. Threads: the helper's.
 */
#ifndef CR_PLATFORM_RUNNER_CGROUP_H
#define CR_PLATFORM_RUNNER_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>
#include "platform/runner/runner.h"

typedef struct cr_cgroups cr_cgroups;

typedef enum cr_cgroup_controller { CR_CGROUP_MEMORY, CR_CGROUP_CPU, CR_CGROUP_PIDS, CR_CGROUP_FREEZER, CR_CGROUP_CONTROLLERS } cr_cgroup_controller;

typedef struct cr_cgroup_usage {
    uint64_t memory_bytes, memory_peak_bytes, memory_limit_bytes;   /* 0: not known, or no limit */
    uint64_t oom_kills;           /* of processes in it, whoever's memory was used up: its own limit's, that of a group above, the machine's */
    uint64_t limit_hits;          /* how often its own limit was met: v2 and nothing could be freed, v1 at all */
    bool limit_reached;           /* v1: it has held all that it may once; newer kernels count no hits there */
    uint64_t pids;
} cr_cgroup_usage;

/* Where to read; tests give files of their own with paths into a fake tree. */
typedef struct cr_cgroup_source {
    const char *mountinfo;        /* /proc/self/mountinfo */
    const char *own;              /* /proc/self/cgroup */
} cr_cgroup_source;

/* Succeeds also when nothing is usable. tree: the name of our tree. source NULL: /proc/self. */
cr_status cr_cgroups_open(const char *tree, const cr_cgroup_source *source, cr_cgroups **ret_groups, cr_err *err) CR_MUST_USE;
void cr_cgroups_close(cr_cgroups *g);
int cr_cgroups_version(const cr_cgroups *g);                              /* 0: none, 1, 2 */
bool cr_cgroups_has(const cr_cgroups *g, cr_cgroup_controller c);
const char *cr_cgroups_describe(const cr_cgroups *g);                     /* "v1: memory cpu pids freezer" */

/* A group with these limits, new or existing. */
cr_status cr_cgroup_make(cr_cgroups *g, const char *name, const cr_server_limits *limits, cr_err *err) CR_MUST_USE;
/* Called by a process on itself (pid 0), before it becomes anything else. */
cr_status cr_cgroup_enter(const cr_cgroups *g, const char *name, pid_t pid, cr_err *err) CR_MUST_USE;
cr_status cr_cgroup_usage_of(const cr_cgroups *g, const char *name, cr_cgroup_usage *ret_usage, cr_err *err) CR_MUST_USE;
/* Only how often something in it was ended for memory: one file to read, for those who ask often. */
cr_status cr_cgroup_oom_kills(const cr_cgroups *g, const char *name, uint64_t *ret_kills, cr_err *err) CR_MUST_USE;
/* SIGKILL to every process in it, which cannot multiply meanwhile. Returns how many were seen; call until 0. */
int cr_cgroup_kill(const cr_cgroups *g, const char *name);
/* CR_BUSY while processes are in it. A group that is not there is removed already. */
cr_status cr_cgroup_remove(const cr_cgroups *g, const char *name, cr_err *err) CR_MUST_USE;
/* Calls fn for every group of the tree. fn may remove that group. */
void cr_cgroup_each(const cr_cgroups *g, void (*fn)(void *user, const char *name), void *user);
/* Removes the tree, if it is empty. */
void cr_cgroups_remove_tree(const cr_cgroups *g);

#endif
