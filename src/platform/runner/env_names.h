/* env_names.h - names of environment variables, and whose they are: one table for all that is given to a process from outside the platform.
 *
 * The operator gives variables to labs (profiles.yaml, profile.h), a person to the processes of a cluster (dask_env.h). Both run as the
 * person's own account, so a variable gives no right; kept are those by which a process would be another one than the platform starts and
 * accounts for. A name that is not in the table is free. Pure functions; any thread.
 *
 * Invariant: what the platform itself sets in launch.c without asking what was given is free to nobody.
 */
#ifndef CR_PLATFORM_RUNNER_ENV_NAMES_H
#define CR_PLATFORM_RUNNER_ENV_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { CR_ENV_NAME_MAX = 128 };
typedef enum cr_env_giver { CR_ENV_OPERATOR = 1, CR_ENV_PERSON = 2 } cr_env_giver;

/* n bytes: [A-Za-z_][A-Za-z0-9_]*, at most CR_ENV_NAME_MAX. */
bool cr_env_name_is_right(const char *name, size_t n);
/* Read when an interpreter or a library starts, so that a process that is forked from a running one would not follow it. */
bool cr_env_name_is_early(const char *name, size_t n);
/* False: *ret_rule is the row that keeps it, a name or a beginning with '*' behind it; untouched otherwise. */
bool cr_env_name_may_set(cr_env_giver giver, const char *name, size_t n, const char **ret_rule);

#endif
