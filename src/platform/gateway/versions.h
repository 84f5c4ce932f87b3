/* versions.h - does the program that asks for a cluster fit the software that clusters run?
 *
 * dask_gateway's protocol says nothing of dask or distributed; the only version that a submit carries is Python's, in the User-Agent of
 * aiohttp ("Python/3.11 aiohttp/3.12.0"). Functions travel as bytecode, so another minor version of Python fails in the first task, with
 * a message that nobody understands: it is refused at submit.
 *
 * Of dask and distributed the hub knows those that a person's server was started with, so what a notebook of that environment has in
 * memory: it notes them when the server starts, and compares when its token asks for a cluster. Clusters run what is installed then, which
 * an upgrade may have changed. A kernel of another environment of that server says its own: python/craton_start.py, which starts it, puts them
 * into the address that its Gateway() goes to, .../dask-gateway/with/PYTHON,DASK,DISTRIBUTED, and HAProxy from there into a header.
 *
 * Of everybody else (tokens of persons and services, programs on other machines) nothing is known at submit: their versions come with the
 * first message to the scheduler, which refuses what does not fit (share/start/craton_scheduler.py).
 *
 * Threads: the hub's loop.
 */
#ifndef CR_PLATFORM_GATEWAY_VERSIONS_H
#define CR_PLATFORM_GATEWAY_VERSIONS_H

#include "platform/db/db.h"
#include "platform/runner/software.h"

/* "3.11" of such a User-Agent; false: it is none. */
bool cr_version_of_agent(const char *agent, char out[CR_VERSION_MAX]);
typedef struct cr_versions {
    char python[CR_VERSION_MAX], dask[CR_VERSION_MAX], distributed[CR_VERSION_MAX], gateway[CR_VERSION_MAX];   /* "3.11", "2026.8.0"; "": not found */
} cr_versions;

/* Of the environment of this prefix, as it is now. */
void cr_versions_installed(const char *prefix, cr_versions *ret_versions);
/* A server of this generation has started, from that software (profile.h; "": Craton's own). A failure is logged; that server is not compared. */
void cr_versions_note(cr_db *db, const cr_versions *v, const char *software, uint64_t generation);
/* "3.12,2026.1.0,2026.1.0": of that header, from outside; false: it is none. */
bool cr_versions_of_address(const char *text, cr_versions *ret_versions);
/* Of the server as it runs, but for `gateway`; false: not known. */
bool cr_versions_of_server(cr_db *db, int64_t server_id, cr_versions *ret_versions, char ret_software[CR_PROFILE_SLUG_MAX + 1]);

#endif
