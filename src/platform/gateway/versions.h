/* versions.h - does the program that asks for a cluster fit the software that clusters run?
 *
 * dask_gateway's protocol says nothing of dask or distributed; the only version that a submit carries is Python's, in the User-Agent of
 * aiohttp ("Python/3.11 aiohttp/3.12.0"). Functions travel as bytecode, so another minor version of Python fails in the first task, with
 * a message that nobody understands: it is refused at submit. Differences of dask and distributed are shown by distributed's own client
 * when it connects (VersionMismatchWarning).
 */
#ifndef CR_PLATFORM_GATEWAY_VERSIONS_H
#define CR_PLATFORM_GATEWAY_VERSIONS_H

#include "platform/daemon/config.h"

enum { CR_VERSION_MAX = 32 };

/* "3.11" of such a User-Agent; false: it is none. */
bool cr_version_of_agent(const char *agent, char out[CR_VERSION_MAX]);
/* Of the environment that is installed now: "3.11" and "2026.8.0"; "" what is not found. */
void cr_versions_installed(const cr_config *config, char python[CR_VERSION_MAX], char distributed[CR_VERSION_MAX]);

#endif
