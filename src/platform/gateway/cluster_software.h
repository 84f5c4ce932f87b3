/* cluster_software.h - from which software environment a cluster runs: an option of new clusters, there when the person has profiles with one.
 *
 * Kernels and servers of an environment ask for clusters of the same by themselves (DASK_GATEWAY__CLUSTER__OPTIONS, which the helper sets);
 * a person may ask for any that one of their profiles gives, and for Craton's own. The helper gets the name and looks up the rest.
 *
 * Threads: the hub's loop.
 */
#ifndef CR_PLATFORM_GATEWAY_CLUSTER_SOFTWARE_H
#define CR_PLATFORM_GATEWAY_CLUSTER_SOFTWARE_H

#include <jansson.h>
#include "platform/gateway/versions.h"
#include "platform/hub/hub.h"

/* Adds the option to those that the person may choose. */
cr_status cr_cluster_software_list(cr_hub *hub, int64_t user_id, json_t *options, cr_err *err) CR_MUST_USE;
/* Takes it out of what was given (an object, changed; or NULL). standard: what is taken when it is not said, "" for Craton's own. CR_INVALID:
 * there is no such option, or no such software open to the person. *ret_is_option: it belongs to what clients are told. */
cr_status cr_cluster_software_take(cr_hub *hub, int64_t user_id, json_t *given, const char *standard, char ret_software[CR_PROFILE_SLUG_MAX + 1],
                                   bool *ret_is_option, cr_err *err) CR_MUST_USE;
/* Of the environment, by its name; nothing is found where it cannot be used. */
void cr_cluster_software_versions(const cr_hub *hub, const char *software, cr_versions *ret_versions);
/* A person's server of this generation has started: its software and versions are noted, see versions.h. */
void cr_cluster_software_note(cr_hub *hub, uint64_t generation);

#endif
