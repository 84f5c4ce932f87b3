/* local.c - the hub's side of the local runner: calls become packets, packets become events. */
#include "platform/runner/runner.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/log.h"
#include "platform/runner/protocol.h"

typedef struct local {
    cr_runner base;
    int fd;
    bool lost;
} local;

enum { SEND_PATIENCE_MS = 2000 };   /* the helper never works longer than this on one message: what takes long is a job there */

static cr_status send_patiently(local *l, const cr_msg *m, cr_err *err) {
    if (l->lost)
        return CR_FAIL(err, CR_BUSY, "the runner helper is gone");
    CR_TRY(cr_msg_check(m, cr_msg_size(m), true, err));
    cr_status status = cr_msg_send(l->fd, m, err);
    if (status == CR_BUSY) {
        struct pollfd p = {l->fd, POLLOUT, 0};
        poll(&p, 1, SEND_PATIENCE_MS);
        status = cr_msg_send(l->fd, m, err);
    }
    return status;
}

/* The texts end inside their fields and are zero behind, as the helper demands. */
static cr_server_id clean_id(const cr_server_id *id) {
    cr_server_id c = {.generation = id->generation};
    memcpy(c.account, id->account, strnlen(id->account, sizeof c.account - 1));
    memcpy(c.server, id->server, strnlen(id->server, sizeof c.server - 1));
    return c;
}

static cr_status local_start(cr_runner *r, const cr_runner_start *start, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_START);
    cr_msg_start *s = &m.as_cr_msg_start;
    s->id = clean_id(&start->id);
    s->limits = start->limits;
    snprintf(s->profile.profile, sizeof s->profile.profile, "%s", start->profile.profile);
    snprintf(s->profile.answers, sizeof s->profile.answers, "%s", start->profile.answers);
    snprintf(s->user, sizeof s->user, "%s", start->user);
    snprintf(s->token, sizeof s->token, "%s", start->token);
    s->dask = start->dask;
    s->folders = start->folders;
    s->disk_bytes = start->disk_bytes;
    s->cleaning = start->cleaning;
    cr_status status = send_patiently((local *)r, &m, err);
    explicit_bzero(s->token, sizeof s->token);
    explicit_bzero(s->dask.key, sizeof s->dask.key);
    explicit_bzero(s->dask.environment, sizeof s->dask.environment);
    return status;
}

static cr_status local_stop(cr_runner *r, const cr_server_id *id, uint32_t grace_ms, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_STOP);
    m.as_cr_msg_stop.id = clean_id(id);
    m.as_cr_msg_stop.grace_ms = grace_ms;
    return send_patiently((local *)r, &m, err);
}

static cr_status local_list(cr_runner *r, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_LIST);
    return send_patiently((local *)r, &m, err);
}

static cr_status local_remove_account(cr_runner *r, const char *account, bool purge, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_REMOVE_ACCOUNT);
    snprintf(m.as_cr_msg_remove.account, sizeof m.as_cr_msg_remove.account, "%s", account);
    m.as_cr_msg_remove.purge = purge;
    return send_patiently((local *)r, &m, err);
}

static cr_status local_measure(cr_runner *r, const char *account, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_MEASURE);
    snprintf(m.as_cr_msg_measure.account, sizeof m.as_cr_msg_measure.account, "%s", account);
    return send_patiently((local *)r, &m, err);
}

static int local_fd(cr_runner *r) { return ((local *)r)->fd; }

/* The helper keeps an exit on disk until it hears that the hub's callback has seen it. */
static void acknowledge(local *l, const cr_server_id *id) {
    cr_msg m;
    cr_err err;
    cr_msg_init(&m, CR_MSG_ACK);
    m.as_cr_msg_ack.id = *id;
    if (send_patiently(l, &m, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "exit not acknowledged", &err);
}

static bool packet_waits(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 0) > 0;
}

static cr_status local_dispatch(cr_runner *r, cr_err *err) {
    local *l = (local *)r;
    while (!l->lost && packet_waits(l->fd)) {
        cr_msg m;
        cr_status status = cr_msg_receive(l->fd, false, &m, err);
        if (status == CR_NO_FILE) {
            cr_runner_event gone = {.kind = CR_RUNNER_LOST};
            l->lost = true;
            r->on_event(r->user, &gone);
            return CR_OK;
        }
        if (status != CR_OK)
            return status;
        if (m.head.kind != CR_MSG_EVENT)
            return CR_FAIL(err, CR_FORMAT, "unexpected %s from the runner helper", cr_msg_name(m.head.kind));
        r->on_event(r->user, &m.as_cr_msg_event.event);
        if (m.as_cr_msg_event.event.kind == CR_RUNNER_EXITED)
            acknowledge(l, &m.as_cr_msg_event.event.id);
    }
    return CR_OK;
}

static void local_free(cr_runner *r) {
    close(((local *)r)->fd);
    free(r);
}

static const cr_runner_ops local_ops = {
    .name = "local",
    .start = local_start,
    .stop = local_stop,
    .list = local_list,
    .remove_account = local_remove_account,
    .measure = local_measure,
    .fd = local_fd,
    .dispatch = local_dispatch,
    .free = local_free,
};

cr_status cr_runner_local_new(int fd, cr_runner_event_fn on_event, void *user, cr_runner **ret_runner, cr_err *err) {
    local *l = calloc(1, sizeof *l);
    if (!l)
        return CR_FAIL(err, CR_MEMORY, "no memory for the runner");
    l->base = (cr_runner){&local_ops, on_event, user};
    l->fd = fd;
    *ret_runner = &l->base;
    return CR_OK;
}
