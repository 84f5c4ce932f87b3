/* protocol.c - checks of the packets between hub and helper. */
#include "platform/runner/protocol.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include "base/text.h"
#include "platform/identity/user_names.h"

static const struct {
    const char *name;
    size_t size;
    bool from_hub;
} kinds[CR_MSG_COUNT] = {
#define X(name, type, from_hub) {#name, sizeof(type), from_hub},
    CR_MESSAGE_TABLE(X)
#undef X
};

const char *cr_msg_name(uint32_t kind) { return kind < CR_MSG_COUNT ? kinds[kind].name : "?"; }

void cr_msg_init(cr_msg *msg, cr_msg_kind kind) {
    memset(msg, 0, kinds[kind].size);      /* a union, of which the largest is many times the others */
    msg->head = (cr_msg_head){CR_MSG_MAGIC, kind};
}

size_t cr_msg_size(const cr_msg *msg) { return msg->head.kind < CR_MSG_COUNT ? kinds[msg->head.kind].size : 0; }

static bool is_name(const char *s) {
    size_t n = strlen(s);
    if (n == 0 || n > CR_RUNNER_NAME_MAX || s[0] < 'a' || s[0] > 'z' || s[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '-'))
            return false;
    return true;
}

bool cr_account_is_valid(const char *account) { return is_name(account); }
bool cr_server_name_is_valid(const char *server) { return !server[0] || is_name(server); }

/* A text that ends inside its field, with nothing hidden behind the end. */
static bool ends_inside(const char *field, size_t size) {
    size_t n = strnlen(field, size);
    if (n == size)
        return false;
    for (size_t i = n; i < size; i++)
        if (field[i])
            return false;
    return true;
}

static cr_status check_account(const char *field, size_t size, cr_err *err) {
    if (!ends_inside(field, size) || !is_name(field))
        return CR_FAIL(err, CR_INVALID, "account is not of the form [a-z][a-z0-9-]{0,31}");
    return CR_OK;
}

static cr_status check_id(const cr_server_id *id, cr_err *err) {
    CR_TRY(check_account(id->account, sizeof id->account, err));
    if (!ends_inside(id->server, sizeof id->server) || !cr_server_name_is_valid(id->server))
        return CR_FAIL(err, CR_INVALID, "server name is not of the form [a-z][a-z0-9-]{0,31}");
    if (id->generation == 0 || id->generation > INT64_MAX)
        return CR_FAIL(err, CR_RANGE, "generation %llu is out of range", (unsigned long long)id->generation);
    return CR_OK;
}

static bool is_user(const char *s) {
    size_t n = strlen(s);
    if (n == 0 || !cr_text_is_utf8(s, n) || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        return false;
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p < 0x20 || *p == 0x7F || *p == '/' || (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0))
            return false;
    return true;
}

static bool is_zero(const void *bytes, size_t n) {
    for (const unsigned char *p = bytes; n; p++, n--)
        if (*p)
            return false;
    return true;
}

/* One block of PEM: what lies between the lines is base64, and nothing follows. The helper writes it into a file and reads no further. */
static bool is_pem(const char *field, size_t size, const char *label) {
    char head[64], foot[64];
    if (!ends_inside(field, size))
        return false;
    snprintf(head, sizeof head, "-----BEGIN %s-----\n", label);
    snprintf(foot, sizeof foot, "\n-----END %s-----\n", label);
    if (!cr_starts_with(field, head) || !cr_ends_with(field, foot) || strlen(field) < strlen(head) + strlen(foot))
        return false;
    const char *body = field + strlen(head), *end = field + strlen(field) - strlen(foot);
    return body < end && body + strspn(body, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n") >= end;
}

static cr_status check_dask(const cr_dask_start *d, const cr_server_id *id, cr_err *err) {
    if (d->role == CR_ROLE_LAB)
        return is_zero(d, offsetof(cr_dask_start, key) + sizeof d->key) ? CR_OK : CR_FAIL(err, CR_INVALID, "a server that is no cluster's has a part of one");
    if (d->role > CR_ROLE_WORKER || d->cluster == 0 || d->cluster > INT32_MAX)
        return CR_FAIL(err, CR_RANGE, "role or number of a cluster is out of range");
    if (!cr_starts_with(id->server, CR_CLUSTER_SERVER))
        return CR_FAIL(err, CR_INVALID, "a cluster's process is not called " CR_CLUSTER_SERVER "...");
    if (!ends_inside(d->name, sizeof d->name) || strlen(d->name) != CR_CLUSTER_NAME_LEN ||
        strspn(d->name, "0123456789abcdef") != CR_CLUSTER_NAME_LEN)
        return CR_FAIL(err, CR_INVALID, "a cluster's name is not %d hexadecimal digits", CR_CLUSTER_NAME_LEN);
    if (!ends_inside(d->software, sizeof d->software) || (d->software[0] && !cr_profile_slug_is_right(d->software)))
        return CR_FAIL(err, CR_INVALID, "the name of a software environment has a wrong form");
    if (!ends_inside(d->environment, sizeof d->environment))
        return CR_FAIL(err, CR_INVALID, "a cluster's environment has no end");
    CR_TRY(cr_dask_env_check(d->environment, err));
    if (d->role == CR_ROLE_SCHEDULER) {
        if (d->worker || d->threads || d->scheduler_port || d->idle_s > 10000000)
            return CR_FAIL(err, CR_RANGE, "a scheduler has what is a worker's, or waits too long");
        if (!is_pem(d->cert, sizeof d->cert, "CERTIFICATE") || !is_pem(d->key, sizeof d->key, "PRIVATE KEY"))
            return CR_FAIL(err, CR_INVALID, "certificate or key of a cluster is not PEM");
        return CR_OK;
    }
    if (d->worker == 0 || d->worker > INT32_MAX || d->threads == 0 || d->threads > 1024 || d->scheduler_port < 1024 ||
        d->scheduler_port > 65535 || d->idle_s)
        return CR_FAIL(err, CR_RANGE, "a number of a worker is out of range");
    return is_zero(d->cert, sizeof d->cert) && is_zero(d->key, sizeof d->key)
               ? CR_OK : CR_FAIL(err, CR_INVALID, "a worker has a certificate of its own");
}

/* Names and answers; what they mean, and whether they fit, the table of servers asks the operator's file. */
static cr_status check_profile(const cr_profile_asked *p, uint32_t role, cr_err *err) {
    if (!ends_inside(p->profile, sizeof p->profile) || !ends_inside(p->answers, sizeof p->answers) || (p->profile[0] && !cr_profile_slug_is_right(p->profile)))
        return CR_FAIL(err, CR_INVALID, "the name of a profile, or the answers to its options, have a wrong form");
    if (role != CR_ROLE_LAB && (p->profile[0] || p->answers[0]))
        return CR_FAIL(err, CR_INVALID, "a cluster's process has a profile");
    for (const unsigned char *c = (const unsigned char *)p->answers; *c; c++)
        if ((*c < 0x20 && *c != '\n') || *c == 0x7F)
            return CR_FAIL(err, CR_INVALID, "an answer to an option has a control character");
    return CR_OK;
}

static cr_status check_start(const cr_msg_start *m, cr_err *err) {
    CR_TRY(check_id(&m->id, err));
    if (cr_account_is_platform_log(m->id.account))
        return CR_FAIL(err, CR_INVALID, "the account name %s is kept for a log of the platform", m->id.account);
    if (!ends_inside(m->user, sizeof m->user) || !is_user(m->user))
        return CR_FAIL(err, CR_INVALID, "user name is empty, not UTF-8, or has control characters or '/'");
    if (!ends_inside(m->token, sizeof m->token) || strlen(m->token) != CR_RUNNER_TOKEN_LEN ||
        strspn(m->token, "0123456789abcdef") != CR_RUNNER_TOKEN_LEN)
        return CR_FAIL(err, CR_INVALID, "token is not %d hexadecimal digits", CR_RUNNER_TOKEN_LEN);
    if (m->limits.memory_bytes > INT64_MAX || m->limits.cpu_milli > 4096000 || m->limits.pids > 1 << 22)
        return CR_FAIL(err, CR_RANGE, "a limit is out of range");
    CR_TRY(check_profile(&m->profile, m->dask.role, err));
    if (m->disk_bytes > INT64_MAX / 2 || (m->dask.role == CR_ROLE_WORKER && m->disk_bytes))
        return CR_FAIL(err, CR_RANGE, "the limit of a home is out of range, or a worker's");
    if (m->folders >> CR_FOLDERS_MAX)
        return CR_FAIL(err, CR_RANGE, "folders that there cannot be");
    if (m->cleaning > (m->dask.role == CR_ROLE_LAB))
        return CR_FAIL(err, CR_RANGE, "cleaning is neither 0 nor 1, or a cluster's");
    return check_dask(&m->dask, &m->id, err);
}

static cr_status check_event(const cr_runner_event *e, cr_err *err) {
    if ((unsigned)e->kind > CR_RUNNER_LOST || (unsigned)e->reason > CR_STOP_FAILED_START)
        return CR_FAIL(err, CR_FORMAT, "event of unknown kind %d", (int)e->kind);
    if (!memchr(e->text, 0, sizeof e->text) || !memchr(e->tail, 0, sizeof e->tail))
        return CR_FAIL(err, CR_FORMAT, "event text has no end");
    if (e->kind == CR_RUNNER_DISK && e->detail < 0)
        return CR_FAIL(err, CR_RANGE, "a home of less than nothing");
    if (e->kind == CR_RUNNER_REMOVED || e->kind == CR_RUNNER_NOT_REMOVED || e->kind == CR_RUNNER_DISK)
        return check_account(e->id.account, sizeof e->id.account, err);
    bool has_id = e->kind == CR_RUNNER_STARTED || e->kind == CR_RUNNER_SOCKET || e->kind == CR_RUNNER_EXITED ||
                  e->kind == CR_RUNNER_SNAPSHOT || e->kind == CR_RUNNER_MEMORY;
    return has_id ? check_id(&e->id, err) : CR_OK;
}

static cr_status check_body(const cr_msg *m, cr_err *err) {
    switch ((cr_msg_kind)m->head.kind) {
    case CR_MSG_CONFIG:
        if (m->as_cr_msg_config.n_providers < 0 || m->as_cr_msg_config.n_providers > CR_PROVIDERS_MAX)
            return CR_FAIL(err, CR_RANGE, "%d identity providers", m->as_cr_msg_config.n_providers);
        if (m->as_cr_msg_config.n_services < 0 || m->as_cr_msg_config.n_services > CR_SERVICES_MAX)
            return CR_FAIL(err, CR_RANGE, "%d services", m->as_cr_msg_config.n_services);
        if (m->as_cr_msg_config.n_roles < 0 || m->as_cr_msg_config.n_roles > CR_ROLES_MAX)
            return CR_FAIL(err, CR_RANGE, "%d roles", m->as_cr_msg_config.n_roles);
        if (m->as_cr_msg_config.profiles_bytes < -1 || m->as_cr_msg_config.profiles_bytes > CR_PROFILE_FILE_MAX)
            return CR_FAIL(err, CR_RANGE, "profiles of %d bytes", m->as_cr_msg_config.profiles_bytes);
        return cr_config_check(&m->as_cr_msg_config.config, err);
    case CR_MSG_PROVIDER:
        return cr_provider_check(&m->as_cr_msg_provider.provider, err);
    case CR_MSG_SERVICE:
        return cr_service_check(&m->as_cr_msg_service.service, err);
    case CR_MSG_ROLE:
        return cr_role_check(&m->as_cr_msg_role.role, err);
    case CR_MSG_PROFILES:
        if (m->as_cr_msg_profiles.bytes == 0 || m->as_cr_msg_profiles.bytes > CR_PROFILES_PIECE)
            return CR_FAIL(err, CR_RANGE, "a piece of %u bytes", m->as_cr_msg_profiles.bytes);
        return CR_OK;
    case CR_MSG_EVENT:
        return check_event(&m->as_cr_msg_event.event, err);
    case CR_MSG_START:
        return check_start(&m->as_cr_msg_start, err);
    case CR_MSG_STOP:
        if (m->as_cr_msg_stop.grace_ms > CR_GRACE_MAX_MS)
            return CR_FAIL(err, CR_RANGE, "grace of %u ms is out of range", m->as_cr_msg_stop.grace_ms);
        return check_id(&m->as_cr_msg_stop.id, err);
    case CR_MSG_LIST:
        return CR_OK;
    case CR_MSG_ACK:
        return check_id(&m->as_cr_msg_ack.id, err);
    case CR_MSG_REMOVE_ACCOUNT:
        CR_TRY(check_account(m->as_cr_msg_remove.account, sizeof m->as_cr_msg_remove.account, err));
        if (m->as_cr_msg_remove.purge > 1)
            return CR_FAIL(err, CR_RANGE, "purge is neither 0 nor 1");
        return CR_OK;
    case CR_MSG_MEASURE:
        return check_account(m->as_cr_msg_measure.account, sizeof m->as_cr_msg_measure.account, err);
    case CR_MSG_COUNT:
        break;
    }
    return CR_FAIL(err, CR_FORMAT, "unknown message");
}

cr_status cr_msg_check(const void *bytes, size_t n, bool from_hub, cr_err *err) {
    cr_msg m;
    if (n < sizeof m.head || n > sizeof m)
        return CR_FAIL(err, CR_FORMAT, "a packet of %zu bytes", n);
    memcpy(&m, bytes, n);
    if (m.head.magic != CR_MSG_MAGIC)
        return CR_FAIL(err, CR_FORMAT, "a packet of another version of the protocol");
    if (m.head.kind >= CR_MSG_COUNT || kinds[m.head.kind].from_hub != from_hub)
        return CR_FAIL(err, CR_FORMAT, "message kind %u may not come from this side", m.head.kind);
    if (n != kinds[m.head.kind].size)
        return CR_FAIL(err, CR_FORMAT, "%s of %zu bytes, expected %zu", kinds[m.head.kind].name, n, kinds[m.head.kind].size);
    cr_status status = check_body(&m, err);
    cr_err_context(err, "message %s", kinds[m.head.kind].name);
    return status;
}

cr_status cr_msg_receive(int fd, bool from_hub, cr_msg *ret_msg, cr_err *err) {
    cr_msg m;
    ssize_t n;
    do
        n = recv(fd, &m, sizeof m, MSG_TRUNC);   /* MSG_TRUNC: the true length, also of a packet that is too long */
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? CR_FAIL(err, CR_NO_FILE, "the other side has closed") : CR_FAIL_ERRNO(err, "cannot receive");
    if (n == 0)
        return CR_FAIL(err, CR_NO_FILE, "the other side has closed");
    CR_TRY(cr_msg_check(&m, (size_t)n, from_hub, err));
    memcpy(ret_msg, &m, (size_t)n);
    return CR_OK;
}

cr_status cr_msg_send(int fd, const cr_msg *msg, cr_err *err) {
    size_t size = cr_msg_size(msg);
    ssize_t n;
    do
        n = send(fd, msg, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return CR_FAIL_ERRNO(err, "cannot send %s", cr_msg_name(msg->head.kind));
    return CR_OK;
}
