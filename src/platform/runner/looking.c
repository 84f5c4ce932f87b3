/* looking.c - one job per start. */
#include "platform/runner/looking.h"

#include <limits.h>
#include <stdlib.h>
#include "platform/runner/server_life.h"

enum { LOOK_TIMEOUT_MS = 10000 };

struct cr_looking {
    cr_looking *next;
    cr_servers *table;
    uint64_t generation;
    const cr_software *software;     /* of the operator's file, which stays as it is */
    bool for_dask;
};

/* In the job: a fork has all that the pointers lead to. */
static cr_status look(const void *what, cr_err *err) {
    const cr_looking *k = what;
    char prefix[PATH_MAX];
    return k->for_dask ? cr_software_open_dask(k->software, prefix, err) : cr_software_open(k->software, prefix, err);
}

static void on_looked(void *user, const cr_err *found) {
    cr_looking *k = user;
    cr_servers *s = k->table;
    cr_err result = *found;
    for (cr_looking **at = &s->lookings; *at; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            break;
        }
    }
    if (result.status == CR_TIMEOUT)
        (void)CR_FAIL(&result, CR_TIMEOUT, "The software '%s' (%s) does not answer: the disk on which it lies may be gone", k->software->title, k->software->prefix);
    cr_server *v = cr_servers_find(s, k->generation);
    free(k);
    if (v)
        cr_server_looked(v, &result);
}

cr_status cr_looking_begin(cr_servers *s, uint64_t generation, const cr_software *software, bool for_dask, cr_err *err) {
    cr_looking *k = calloc(1, sizeof *k);
    if (!k)
        return CR_FAIL(err, CR_MEMORY, "no memory to look at a software environment");
    *k = (cr_looking){s->lookings, s, generation, software, for_dask};
    cr_status status = cr_jobs_add(s->jobs, CR_LANE_SOFTWARE, look, k, sizeof *k, LOOK_TIMEOUT_MS, on_looked, k, err);
    if (status != CR_OK) {
        free(k);
        return status;
    }
    s->lookings = k;
    return CR_OK;
}

void cr_lookings_free(cr_servers *s) {
    for (cr_looking *k = s->lookings, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    s->lookings = NULL;
}
