/* dask_env.h - environment variables that a person gives to the processes of a Dask cluster: what is right, and reading them one by one.
 *
 * One text of lines NAME=VALUE, each ended by a newline; it travels in the helper's fixed record. Both sides check it: the hub for people
 * (with the name of the variable), the helper because it believes nothing.
 *
 * The processes run as the person's own account, so a variable gives no right that the person has not. Refused are those by which a
 * process would be another one than the platform starts and accounts for: where programs, libraries and Python's modules are looked for,
 * who it is, and what the gateway itself says to it (env_names.c has the list).
 */
#ifndef CR_PLATFORM_RUNNER_DASK_ENV_H
#define CR_PLATFORM_RUNNER_DASK_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

enum { CR_DASK_ENV_MAX = 8191, CR_DASK_ENV_MOST = 64 };

/* n bytes. CR_INVALID says what does not fit: [A-Za-z_][A-Za-z0-9_]*, and none of those that are the platform's. */
cr_status cr_dask_env_name_check(const char *name, size_t n, cr_err *err) CR_MUST_USE;
/* UTF-8 without control characters. */
cr_status cr_dask_env_value_check(const char *name, const char *value, size_t n, cr_err *err) CR_MUST_USE;
cr_status cr_dask_env_check(const char *lines, cr_err *err) CR_MUST_USE;

/* at: begins as the text; false: no more. *ret_line is n bytes NAME=VALUE without the newline, no zero behind. */
bool cr_dask_env_next(const char **at, const char **ret_line, size_t *ret_n);
/* Has a variable that counts only in a process that begins with it: see cr_env_name_is_early. */
bool cr_dask_env_is_early(const char *lines);
bool cr_dask_env_has(const char *lines, const char *name);

#endif
