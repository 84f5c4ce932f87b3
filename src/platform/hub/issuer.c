/* issuer.c - fetching and keeping. One round at a time: the document if it is due, then the keys if they are due, then the waiters. */
#include "platform/hub/issuer.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"

enum { FRESH_MS = 3600 * 1000, KEYS_AGAIN_MS = 30 * 1000, FAILURE_MS = 3000 };

typedef struct waiter {
    cr_issuer_fn done;
    void *user;
} waiter;

struct cr_issuer {
    cr_loop *loop;
    const cr_provider *p;
    const char *socket_path;
    bool has_meta, round, want_keys;
    cr_oidc_meta meta;
    cr_jwks *keys;            /* NULL until the first fetch */
    int64_t meta_ms, keys_ms, failed_ms;      /* monotonic; 0: never */
    cr_err failure;
    cr_fetch *fetch;
    cr_timer later;           /* calls the waiters when nothing has to be fetched */
    waiter waiters[CR_ISSUER_WAITERS_MAX];
    int n_waiters;
};

const cr_provider *cr_issuer_settings(const cr_issuer *i) { return i->p; }
const cr_oidc_meta *cr_issuer_meta(const cr_issuer *i) { return &i->meta; }
const cr_jwks *cr_issuer_keys(const cr_issuer *i) { return i->keys; }

static bool is_due(int64_t since_ms, int64_t life_ms) { return since_ms == 0 || cr_now_ms() - since_ms > life_ms; }

static void end_round(void *user) {
    cr_issuer *i = user;
    waiter list[CR_ISSUER_WAITERS_MAX];
    int n = i->n_waiters;
    bool usable = i->has_meta && (i->keys || cr_github_is(i->p));
    cr_err failure = i->failure;
    memcpy(list, i->waiters, (size_t)n * sizeof list[0]);
    i->n_waiters = 0;
    i->round = false;
    /* A provider that is away does not end what can go on without it. */
    for (int k = 0; k < n; k++)
        list[k].done(list[k].user, usable ? NULL : &failure);
}

static void note_failure(cr_issuer *i, const cr_err *err) {
    i->failure = *err;
    i->failed_ms = cr_now_ms();
    cr_log_often(CR_LOG_WARN, "identity provider not usable", "provider=%s error=\"%s\"", i->p->name, err->message);
}

static cr_status ask(cr_issuer *i, const char *url, cr_fetch_fn done, cr_err *err) {
    const cr_fetch_ask what = {.url = url};
    return cr_fetch_start(i->loop, i->socket_path, &what, done, i, &i->fetch, err);
}

static void on_keys(void *user, int status, const char *body, size_t n, const cr_err *failure) {
    cr_issuer *i = user;
    cr_err err = CR_ERR_INIT;
    cr_jwks *keys = NULL;
    i->fetch = NULL;
    i->keys_ms = cr_now_ms();         /* also after a failure: the next try waits */
    if (failure)
        err = *failure;
    else if (status != 200)
        (void)CR_FAIL(&err, CR_IO, "its key set came with status %d", status);
    else if (cr_jwks_parse(body, n, &keys, &err) == CR_OK && cr_jwks_count(keys) == 0)
        (void)CR_FAIL(&err, CR_FORMAT, "its key set has no usable key");
    if (keys && cr_jwks_count(keys)) {
        cr_jwks_free(i->keys);
        i->keys = keys;
        i->failed_ms = 0;
    } else {
        cr_jwks_free(keys);
        note_failure(i, &err);
    }
    end_round(i);
}

static void fetch_keys(cr_issuer *i) {
    cr_err err = CR_ERR_INIT;
    bool due = !i->keys || is_due(i->keys_ms, FRESH_MS) || (i->want_keys && is_due(i->keys_ms, KEYS_AGAIN_MS));
    i->want_keys = false;
    if (!due) {
        end_round(i);
    } else if (ask(i, i->meta.keys, on_keys, &err) != CR_OK) {
        note_failure(i, &err);
        end_round(i);
    }
}

static void on_meta(void *user, int status, const char *body, size_t n, const cr_err *failure) {
    cr_issuer *i = user;
    cr_err err = CR_ERR_INIT;
    i->fetch = NULL;
    if (failure)
        err = *failure;
    else if (status != 200)
        (void)CR_FAIL(&err, CR_IO, "its discovery document came with status %d", status);
    else if (cr_oidc_read_meta(i->p, body, n, &i->meta, &err) == CR_OK) {
        i->has_meta = true;
        i->meta_ms = cr_now_ms();
        fetch_keys(i);
        return;
    }
    note_failure(i, &err);
    if (i->has_meta)
        fetch_keys(i);
    else
        end_round(i);
}

static void begin_round(void *user) {
    cr_issuer *i = user;
    cr_err err = CR_ERR_INIT;
    char url[CR_OIDC_URL_MAX];
    bool waits = i->failed_ms && !is_due(i->failed_ms, FAILURE_MS);      /* the last failure is too recent to ask again */
    if (cr_github_is(i->p)) {
        cr_github_meta(i->p, &i->meta);
        i->has_meta = true;
        end_round(i);
    } else if (waits) {
        end_round(i);
    } else if (i->has_meta && !is_due(i->meta_ms, FRESH_MS)) {
        fetch_keys(i);
    } else if (ask(i, cr_oidc_discovery_url(i->p, url), on_meta, &err) != CR_OK) {
        note_failure(i, &err);
        end_round(i);
    }
}

cr_status cr_issuer_ready(cr_issuer *i, bool new_keys, cr_issuer_fn done, void *user, cr_err *err) {
    if (i->n_waiters == CR_ISSUER_WAITERS_MAX)
        return CR_FAIL(err, CR_BUSY, "too many people are signing in at this moment; try again in a few seconds");
    i->waiters[i->n_waiters++] = (waiter){done, user};
    i->want_keys = i->want_keys || new_keys;
    if (!i->round) {
        i->round = true;
        cr_timer_start(i->loop, &i->later, 0, begin_round, i);
    }
    return CR_OK;
}

cr_status cr_issuer_new(cr_loop *loop, const cr_provider *p, const char *socket_path, cr_issuer **ret_issuer, cr_err *err) {
    cr_issuer *i = calloc(1, sizeof *i);
    if (!i)
        return CR_FAIL(err, CR_MEMORY, "no memory for an identity provider");
    i->loop = loop;
    i->p = p;
    i->socket_path = socket_path;
    *ret_issuer = i;
    return CR_OK;
}

void cr_issuer_free(cr_issuer *i) {
    if (!i)
        return;
    cr_fetch_free(i->fetch);
    cr_timer_stop(&i->later);
    cr_jwks_free(i->keys);
    free(i);
}
