/* limits.h - what this process may use: the memory and CPU limits of its control groups (v1 and v2), else the machine's. */
#ifndef CR_EXEC_LIMITS_H
#define CR_EXEC_LIMITS_H

#include <stdint.h>

/* Smallest memory limit among the ancestors of the process's cgroup, and the machine's memory. */
uint64_t cr_limits_memory_bytes(void);
/* The cgroup's CPU quota rounded up, at most the CPUs that the process may run on; at least 1. */
int cr_limits_cpus(void);

#endif
