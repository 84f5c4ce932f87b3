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
/* What a new cluster is asked for with. */
typedef struct cr_software_asked {
    char software[CR_PROFILE_SLUG_MAX + 1];         /* from which it is to run; "": Craton's own */
    bool known;                                     /* what follows: what the person's server was started with */
    cr_versions theirs;
    char their_software[CR_PROFILE_SLUG_MAX + 1];
} cr_software_asked;

/* Does who asks fit what is installed there (found, late: see installed.h)? 0, or an HTTP status and why. */
enum { CR_SOFTWARE_WHY_MAX = 512 };
int cr_cluster_software_check(const cr_request *req, const cr_software_asked *asked, const cr_versions *found, bool late, char ret_why[CR_SOFTWARE_WHY_MAX]);
/* A person's server of this generation has started: its software and versions are noted, see versions.h. */
void cr_cluster_software_note(cr_hub *hub, uint64_t generation);

#endif
