/* hash_job.c - passwords are hashed by the workers, and what was right is looked at again when the hash is there. */
#include "platform/hub/hash_job.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/text.h"

void cr_hash_job_free(cr_hash_job *j) {
    cr_throttle_end(cr_hub_of(j->req)->throttle, &j->attempt, CR_ATTEMPT_NOT_MADE);   /* of one that came to nothing */
    explicit_bzero(j, sizeof *j);
    free(j);
}

static void job_run(void *user) {
    cr_hash_job *j = user;
    if (j->wants_verify)
        j->status = cr_password_verify(j->verify, j->has_stored ? j->stored : NULL, &j->right, &j->err);
    if (j->status == CR_OK && j->make[0] && (!j->wants_verify || j->right))
        j->status = cr_password_hash(j->make, j->made, &j->err);
}

/* Hashing takes a while, and a queue of it longer: a password that was changed meanwhile is not right any more, nor is that of
 * somebody who was locked out. */
static void look_again(cr_hash_job *j) {
    cr_person now;
    cr_err err = CR_ERR_INIT;
    if (j->right && (cr_person_get(cr_hub_of(j->req)->db, j->owner, &now, &err) != CR_OK || now.disabled || strcmp(now.password, j->stored) != 0))
        j->right = false;
}

static void job_done(void *user) {
    cr_hash_job *j = user;
    look_again(j);
    if (j->status != CR_OK)
        cr_reply_err(j->req, &j->err);
    else
        j->then(j);
    cr_hash_job_free(j);
}

void cr_hash_job_submit(cr_hash_job *j) {
    cr_err err = CR_ERR_INIT;
    if (cr_workers_submit(cr_hub_of(j->req)->workers, job_run, job_done, j, &err) == CR_OK) {
        cr_request_suspend(j->req);
        return;
    }
    cr_reply_err(j->req, &err);
    cr_hash_job_free(j);
}

cr_hash_job *cr_hash_job_new(cr_request *req, void (*then)(cr_hash_job *)) {
    cr_hash_job *j = calloc(1, sizeof *j);
    if (!j) {
        cr_reply_error(req, 507, "no memory", "");
        return NULL;
    }
    j->req = req;
    j->then = then;
    return j;
}

bool cr_hash_job_may_try(cr_hash_job *j, const char *name, const char *device, char message[96]) {
    char text[24], seconds[24];
    int64_t wait = cr_throttle_begin(cr_hub_of(j->req)->throttle, name, j->req->source, device, cr_now_ms(), &j->attempt);
    if (!wait)
        return true;
    snprintf(message, 96, N_("Too many attempts. Try again in %s."), cr_text_duration((wait + 999) / 1000 * 1000, text, sizeof text));
    snprintf(seconds, sizeof seconds, "%lld", (long long)((wait + 999) / 1000));
    cr_reply_header(j->req, "Retry-After", seconds);
    return false;
}
