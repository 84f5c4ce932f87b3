/* options.h - what a person may choose of a new cluster: the table, as clients are told it, and the check of what they send.
 *
 * One row an option in options.c: name, label, type, bounds, default. Bounds follow the limits of one person (daemon/config.h), so that
 * what can never be granted is refused with the option's name. Texts of refusals are like dask-gateway-server's.
 *
 * JSON from outside; fuzzed by fuzz/fuzz_gateway.c.
 */
#ifndef CR_PLATFORM_GATEWAY_OPTIONS_H
#define CR_PLATFORM_GATEWAY_OPTIONS_H

#include <jansson.h>
#include "platform/daemon/config.h"
#include "platform/runner/dask_env.h"
#include "platform/runner/profile.h"

/* Memory of a scheduler, counted among what a person uses. */
#define CR_SCHEDULER_MEMORY ((uint64_t)1 << 30)

typedef struct cr_cluster_options {
    int64_t cores;            /* of each worker */
    uint64_t memory_bytes;    /* of each worker */
    bool keep;                /* does not end with the server that made it */
    char software[CR_PROFILE_SLUG_MAX + 1];   /* see cluster_software.h, not of the table here; "": Craton's own */
    char environment[CR_DASK_ENV_MAX + 1];    /* lines, see runner/dask_env.h; of scheduler and workers; zero behind its end */
} cr_cluster_options;

/* [{"field","label","default","spec"}], new. */
json_t *cr_options_list(const cr_config *config);
/* given: an object, or NULL. *ret_all: the complete choice as clients will be told it, new. CR_INVALID: not an object, an option that does
 * not exist, a wrong type or out of bounds. */
cr_status cr_options_read(const cr_config *config, const json_t *given, cr_cluster_options *ret_options, json_t **ret_all, cr_err *err) CR_MUST_USE;

/* Name to text, as lines. CR_INVALID names the variable that does not fit. */
cr_status cr_options_environment(const json_t *given, char out[CR_DASK_ENV_MAX + 1], cr_err *err) CR_MUST_USE;

#endif
