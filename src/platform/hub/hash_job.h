/* hash_job.h - inside hub/: what a worker does for a request that waits: verify a password, make the hash of a new one, or both in this order.
 *
 * A handler makes a job, fills it in and submits it; the request sleeps meanwhile. `then` is called on the hub's loop, and replies, or submits
 * another job for the request; its job is freed when it has returned. Secrets of a job are overwritten.
 *
 * Threads: made, submitted and ended on the hub's loop; between these it is the worker's.
 */
#ifndef CR_PLATFORM_HUB_HASH_JOB_H
#define CR_PLATFORM_HUB_HASH_JOB_H

#include "platform/hub/hub.h"

typedef struct cr_hash_job {
    cr_request *req;
    void (*then)(struct cr_hash_job *job);
    char verify[CR_PASSWORD_MAX + 1];       /* "" with wants_verify: never right */
    char stored[CR_PASSWORD_HASH_BYTES];
    bool wants_verify, has_stored, right;
    int64_t owner;                          /* of the stored hash */
    char make[CR_PASSWORD_MAX + 1];
    char made[CR_PASSWORD_HASH_BYTES];
    cr_status status;                       /* of the work: when it failed, err is replied and then is not called */
    cr_err err;
    cr_person person;
    char name[CR_NAME_MAX + 1];             /* typed, normalized */
    char link[CR_TOKEN_LEN + 1];
    cr_attempt attempt;                     /* counted, when it is a guess at a password */
    cr_signin_asked asked;
} cr_hash_job;

/* NULL: replied. */
cr_hash_job *cr_hash_job_new(cr_request *req, void (*then)(cr_hash_job *));
/* Of one that is not submitted. An attempt that is still counted has come to nothing. */
void cr_hash_job_free(cr_hash_job *j);
/* Takes it, whatever happens. */
void cr_hash_job_submit(cr_hash_job *j);
/* Counts the attempt, else says how long to wait in a text for people and a header. device: NULL for an unknown browser. */
bool cr_hash_job_may_try(cr_hash_job *j, const char *name, const char *device, char message[96]);

#endif
