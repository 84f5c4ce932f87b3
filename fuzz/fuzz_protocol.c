/* fuzz_protocol.c - packets between hub and helper, the boundary to root: what is taken has names, texts and numbers as promised. */
#include "fuzz_text.h"
#include "platform/runner/protocol.h"

static void check_text(const char *field, size_t size) { fuzz_must(memchr(field, 0, size) != NULL); }

static void check_id(const cr_server_id *id) {
    check_text(id->account, sizeof id->account);
    check_text(id->server, sizeof id->server);
    fuzz_must(cr_account_is_valid(id->account) && cr_server_name_is_valid(id->server));
    fuzz_must(id->account[strspn(id->account, "abcdefghijklmnopqrstuvwxyz0123456789-")] == 0);
    fuzz_must(id->generation > 0 && id->generation <= INT64_MAX);
}

static void check_from_hub(const cr_msg *m) {
    switch (m->head.kind) {
    case CR_MSG_START: {
        const cr_msg_start *s = &m->as_cr_msg_start;
        check_id(&s->id);
        check_text(s->user, sizeof s->user);
        check_text(s->token, sizeof s->token);
        fuzz_must(s->user[0] && !strchr(s->user, '/') && !strchr(s->user, '\n') && strcmp(s->user, "..") != 0);
        fuzz_must(strlen(s->token) == CR_RUNNER_TOKEN_LEN && strspn(s->token, "0123456789abcdef") == CR_RUNNER_TOKEN_LEN);
        check_text(s->profile.profile, sizeof s->profile.profile);
        check_text(s->profile.answers, sizeof s->profile.answers);
        fuzz_must(!s->profile.profile[0] || cr_profile_slug_is_right(s->profile.profile));
        fuzz_must(s->dask.role == CR_ROLE_LAB || !s->profile.answers[0]);
        fuzz_must(s->cleaning <= 1 && s->folders < 1u << CR_FOLDERS_MAX && (s->dask.role == CR_ROLE_LAB || !s->cleaning));
        fuzz_must(s->limits.memory_bytes <= INT64_MAX && s->limits.pids <= 1 << 22);
        break;
    }
    case CR_MSG_STOP:
        check_id(&m->as_cr_msg_stop.id);
        fuzz_must(m->as_cr_msg_stop.grace_ms <= CR_GRACE_MAX_MS);
        break;
    case CR_MSG_ACK:
        check_id(&m->as_cr_msg_ack.id);
        break;
    case CR_MSG_REMOVE_ACCOUNT:
        check_text(m->as_cr_msg_remove.account, sizeof m->as_cr_msg_remove.account);
        fuzz_must(cr_account_is_valid(m->as_cr_msg_remove.account) && m->as_cr_msg_remove.purge <= 1);
        break;
    case CR_MSG_MEASURE:
        check_text(m->as_cr_msg_measure.account, sizeof m->as_cr_msg_measure.account);
        fuzz_must(cr_account_is_valid(m->as_cr_msg_measure.account));
        break;
    case CR_MSG_LIST:
        break;
    default:
        abort();          /* no other kind may come from the hub */
    }
}

static void check_service(const cr_service *s) {
    fuzz_must(s->n_scopes >= 0 && s->n_scopes <= CR_SERVICE_SCOPES && s->n_allowed >= 0 && s->n_allowed <= CR_SERVICE_SCOPES);
    check_text(s->url, sizeof s->url);
    check_text(s->redirect, sizeof s->redirect);
    for (int32_t i = 0; i < s->n_allowed; i++)
        check_text(s->allowed[i], sizeof s->allowed[i]);
}

static void check_role(const cr_role *r) {
    check_text(r->name, sizeof r->name);
    fuzz_must(cr_provider_name_is_valid(r->name) && r->n_scopes <= CR_ROLE_SCOPES && r->n_users <= CR_ROLE_USERS && r->n_groups <= CR_ROLE_GROUPS &&
              r->n_services <= CR_ROLE_SERVICES);
    for (int32_t i = 0; i < r->n_scopes; i++)
        check_text(r->scopes[i], sizeof r->scopes[i]);
    for (int32_t i = 0; i < r->n_users; i++)
        check_text(r->users[i], sizeof r->users[i]);
    for (int32_t i = 0; i < r->n_groups; i++)
        check_text(r->groups[i], sizeof r->groups[i]);
    for (int32_t i = 0; i < r->n_services; i++)
        check_text(r->services[i], sizeof r->services[i]);
}

static void check_from_helper(const cr_msg *m) {
    if (m->head.kind == CR_MSG_EVENT)
        check_text(m->as_cr_msg_event.event.text, sizeof m->as_cr_msg_event.event.text);
    else if (m->head.kind == CR_MSG_PROVIDER)
        check_text(m->as_cr_msg_provider.provider.issuer, sizeof m->as_cr_msg_provider.provider.issuer);
    else if (m->head.kind == CR_MSG_SERVICE)
        check_service(&m->as_cr_msg_service.service);
    else if (m->head.kind == CR_MSG_ROLE)
        check_role(&m->as_cr_msg_role.role);
    else if (m->head.kind == CR_MSG_PROFILES)
        fuzz_must(m->as_cr_msg_profiles.bytes > 0 && m->as_cr_msg_profiles.bytes <= CR_PROFILES_PIECE);
    else if (m->head.kind != CR_MSG_CONFIG)
        abort();          /* no other kind may come from the helper */
    else
        check_text(m->as_cr_msg_config.config.log_file, sizeof m->as_cr_msg_config.config.log_file);
}

/* byte 0: from which side, and whether head and length are put right, so that mutations reach the fields; then the packet. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    bool from_hub = data[0] & 1, whole = data[0] & 2;
    cr_msg m;
    size_t n = size - 1;
    memset(&m, 0, sizeof m);
    memcpy(&m, data + 1, n < sizeof m ? n : sizeof m);
    if (whole) {
        m.head.magic = CR_MSG_MAGIC;
        m.head.kind %= CR_MSG_COUNT;
        n = cr_msg_size(&m);
    }
    /* As long as the packet, so that reading behind it is noticed. */
    uint8_t *packet = malloc(n);
    if (!packet)
        return 0;
    if (whole)
        memcpy(packet, &m, n);
    else
        memcpy(packet, data + 1, n);
    cr_err err = CR_ERR_INIT;
    if (cr_msg_check(packet, n, from_hub, &err) == CR_OK) {
        fuzz_must(n <= sizeof m);
        memset(&m, 0, sizeof m);
        memcpy(&m, packet, n);
        fuzz_must(m.head.magic == CR_MSG_MAGIC && n == cr_msg_size(&m));
        if (from_hub)
            check_from_hub(&m);
        else
            check_from_helper(&m);
    } else {
        fuzz_must(err.message[0] != 0);
    }
    free(packet);
    return 0;
}
