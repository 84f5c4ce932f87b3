/* main.c - cratond: reads the settings, then becomes the helper, the hub, or a client of one that runs. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/log.h"
#include "base/option.h"
#include "platform/daemon/config.h"
#include "platform/daemon/control_client.h"
#include "platform/daemon/helper.h"
#include "platform/daemon/hub_process.h"
#include "platform/daemon/profiles.h"
#include "platform/daemon/providers.h"
#include "platform/daemon/roles.h"
#include "platform/daemon/services.h"
#include "platform/daemon/smtp.h"
#include "platform/daemon/urls.h"
#include "platform/gateway/gateway.h"
#include "platform/hub/languages.h"
#include "platform/identity/github_text.h"
#include "platform/runner/confine.h"
#include "platform/runner/protocol.h"

/* hub/hub.c. Returns the exit code. */
int cr_hub_main(const cr_config *config, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                const cr_profile_set *profiles, const struct cr_hub_feature *feature, int runner_fd, int api_fd, int control_fd);

static int fail(const cr_err *err) {
    fprintf(stderr, "cratond: %s\n", err->message);
    if (err->hint[0])
        fprintf(stderr, "  %s\n", err->hint);
    return cr_status_exit(err->status);
}

static cr_status open_log(const cr_config *c, const char *component, cr_err *err) {
    int fd = 2;
    if (c->log_file[0]) {
        fd = open(c->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
            return CR_FAIL_ERRNO(err, "cannot open the log %s", c->log_file);
        if (dup2(fd, 2) < 0)   /* what children say goes there too */
            return CR_FAIL_ERRNO(err, "cannot use the log %s", c->log_file);
    }
    cr_log_setup(component, CR_LOG_INFO, 2);
    return CR_OK;
}

static cr_status receive_profiles(int bytes, cr_profile_set *profiles, cr_err *err) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, CR_PROFILE_FILE_MAX);
    if (bytes < 0)
        return CR_OK;
    while (text.len < (size_t)bytes) {
        cr_msg m;
        CR_TRY(cr_msg_receive(CR_HUB_RUNNER_FD, false, &m, err));
        if (m.head.kind != CR_MSG_PROFILES)
            return CR_FAIL(err, CR_FORMAT, "a packet is not a piece of the profiles");
        cr_buf_add(&text, m.as_cr_msg_profiles.text, m.as_cr_msg_profiles.bytes);
        CR_TRY(cr_buf_check(&text, err));
    }
    return cr_profiles_parse("profiles.yaml", cr_buf_str(&text), text.len, profiles, err);
}

/* What the helper sends before anything else. */
static cr_status receive_settings(cr_config *config, cr_provider_set *providers, cr_service_set *services, cr_role_set *roles, cr_profile_set *profiles,
                                  cr_err *err) {
    cr_msg m;
    CR_TRY(cr_msg_receive(CR_HUB_RUNNER_FD, false, &m, err));
    if (m.head.kind != CR_MSG_CONFIG)
        return CR_FAIL(err, CR_FORMAT, "the first packet is not the settings");
    *config = m.as_cr_msg_config.config;
    int n_providers = m.as_cr_msg_config.n_providers, n_services = m.as_cr_msg_config.n_services, n_roles = m.as_cr_msg_config.n_roles;
    int profiles_bytes = m.as_cr_msg_config.profiles_bytes;
    for (; providers->n < n_providers; providers->n++) {
        CR_TRY(cr_msg_receive(CR_HUB_RUNNER_FD, false, &m, err));
        if (m.head.kind != CR_MSG_PROVIDER)
            return CR_FAIL(err, CR_FORMAT, "a packet is not an identity provider");
        providers->at[providers->n] = m.as_cr_msg_provider.provider;
    }
    for (; services->n < n_services; services->n++) {
        CR_TRY(cr_msg_receive(CR_HUB_RUNNER_FD, false, &m, err));
        if (m.head.kind != CR_MSG_SERVICE)
            return CR_FAIL(err, CR_FORMAT, "a packet is not a service");
        services->at[services->n] = m.as_cr_msg_service.service;
    }
    for (; roles->n < n_roles; roles->n++) {
        CR_TRY(cr_msg_receive(CR_HUB_RUNNER_FD, false, &m, err));
        if (m.head.kind != CR_MSG_ROLE)
            return CR_FAIL(err, CR_FORMAT, "a packet is not a role");
        roles->at[roles->n] = m.as_cr_msg_role.role;
    }
    explicit_bzero(&m, sizeof m);
    return receive_profiles(profiles_bytes, profiles, err);
}

static int run_hub(void) {
    static cr_config config;
    static cr_provider_set providers;
    static cr_service_set services;
    static cr_role_set roles;
    static cr_profile_set profiles;
    cr_err err = CR_ERR_INIT;
    cr_log_setup("hub", CR_LOG_INFO, 2);
    signal(SIGPIPE, SIG_IGN);
    cr_status status = receive_settings(&config, &providers, &services, &roles, &profiles, &err);
    if (status == CR_OK && prctl(PR_SET_DUMPABLE, 0) != 0)   /* no other process of this uid looks into its memory */
        status = CR_FAIL_ERRNO(&err, "cannot protect the hub's memory");
    if (status == CR_OK)
        status = cr_confine_filter(CR_FILTER_HUB, &err);
    if (status != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "hub cannot start", &err);
        return cr_status_exit(status);
    }
    return cr_hub_main(&config, &providers, &services, &roles, &profiles, config.gateway ? &cr_gateway_feature : NULL, CR_HUB_RUNNER_FD,
                       CR_HUB_API_FD, CR_HUB_CONTROL_FD);
}

static int help(const cr_option *actions) {
    cr_auto_buf cr_buf settings;
    cr_buf_init(&settings, 64 << 10);
    cr_config_help(&settings);
    printf("cratond - a hub for people who compute on Earth data\n\nUsage: cratond [SETTING...]          run in the foreground\n"
           "       cratond [SETTING...] ACTION    speak to one that runs\n\nActions\n");
    cr_option_help(actions, stdout);
    printf("\nSettings (also lines `key = value` in STATE/config)\n%s", cr_buf_str(&settings));
    return 0;
}

static int signin_help(void) {
    cr_auto_buf cr_buf rows;
    cr_buf_init(&rows, 64 << 10);
    cr_provider_help(&rows);
    printf("Sign-in by an identity provider: one file STATE/signin/NAME.conf for each, lines `key = value`; the client secret in\n"
           "STATE/signin/NAME.secret with mode 600. Both belong to the user that runs cratond, and are read at its start.\n\n%s", cr_buf_str(&rows));
    return 0;
}

static int service_help(void) {
    cr_auto_buf cr_buf rows;
    cr_buf_init(&rows, 64 << 10);
    cr_service_help(&rows);
    printf("A service, that is a program with rights of its own in the REST API: one file STATE/services/NAME.conf for each, lines `key = value`;\n"
           "its token in STATE/services/NAME.token with mode 600 (openssl rand -hex 32). Both belong to the user that runs cratond, and are read at\n"
           "its start.\n\n%s", cr_buf_str(&rows));
    return 0;
}

static int role_help(void) {
    cr_auto_buf cr_buf rows;
    cr_buf_init(&rows, 64 << 10);
    cr_role_help(&rows);
    printf("A role, that is rights that some people, groups or services have: one file STATE/roles/NAME.conf for each, lines `key = value`. It\n"
           "belongs to the user that runs cratond, and is read at its start. The role user is everybody's: a file user.conf gives more to all.\n\n%s",
           cr_buf_str(&rows));
    return 0;
}

static void count_problem(void *user, const char *what) {
    fprintf(stderr, "%s\n", what);
    ++*(int *)user;
}

/* The operator's texts: the hub leaves out what is wrong there, and here it is said. false: something is. */
static bool check_texts(const cr_config *c) {
    char shipped[1200], own[1200];
    static cr_languages all;
    cr_err err = CR_ERR_INIT;
    int problems = 0;
    snprintf(shipped, sizeof shipped, "%s/share/craton/web/texts", c->prefix);
    snprintf(own, sizeof own, "%s/texts", c->state_dir);
    if (cr_languages_load(shipped, own, count_problem, &problems, &all, &err) != CR_OK) {
        fail(&err);
        return false;
    }
    printf("  languages of the pages:");
    for (int i = 0; i < all.n; i++)
        printf(" %s%s", all.at[i].code, strcmp(all.at[i].code, c->language[0] ? c->language : "en") == 0 ? " (unless another is asked for)" : "");
    printf("\n");
    if (c->language[0] && cr_languages_find(&all, c->language) < 0)
        count_problem(&problems, "language: the hub has no texts in it; put STATE/texts/CODE.po there, see docs/texts.md");
    cr_languages_free(&all);
    return problems == 0;
}

/* Each file is read by itself, so that a mistake in one does not hide those of the others. The last problem is the caller's to say. */
static bool all_are_good(cr_config *c, cr_provider_set *providers, cr_service_set *services, cr_role_set *roles, cr_profile_set *profiles, cr_err *ret_last) {
    bool right = true;
    cr_err errs[5] = {CR_ERR_INIT, CR_ERR_INIT, CR_ERR_INIT, CR_ERR_INIT, CR_ERR_INIT};
    bool services_are_read;
    const bool good[5] = {cr_smtp_load(c, &errs[0]) == CR_OK, cr_providers_load(c, providers, &errs[1]) == CR_OK,
                          services_are_read = cr_services_load(c, services, &errs[2]) == CR_OK,
                          !services_are_read || cr_roles_load(c, services, roles, &errs[3]) == CR_OK,    /* roles name services */
                          cr_profiles_load(c, profiles, &errs[4]) == CR_OK};
    for (int i = 0; i < 5; i++)
        if (!good[i]) {
            if (!right)
                fail(ret_last);
            *ret_last = errs[i];
            right = false;
        }
    return right;
}

/* Says what the next start will use. */
static int check(const cr_config *c, const cr_provider_set *set, const cr_service_set *services, const cr_role_set *roles, const cr_profile_set *profiles) {
    char origin[CR_URL_MAX];
    cr_url_hub(c, origin, sizeof origin);
    printf("The settings are good. The hub will be at %s.\n", origin);
    if (c->smtp[0])
        printf("  mail: %s%s%s, from %s; try it with: craton admin mail-test ADDRESS\n", c->smtp, c->smtp_user[0] ? " as " : "", c->smtp_user, c->smtp_from);
    for (int i = 0; i < set->n; i++) {
        const cr_provider *p = &set->at[i];
        printf("  sign-in %s: %s%s\n    redirect address to register there: %s/hub/%s%s%s\n", p->name, p->issuer, p->secret[0] ? "" : " (no client secret)", origin,
               p->jupyterhub_callback ? "oauth_callback" : "signin/", p->jupyterhub_callback ? "" : p->name, p->jupyterhub_callback ? "" : "/callback");
        if (!cr_github_is(p))
            printf("    and, where it has such fields: back-channel logout %s/hub/signin/%s/backchannel, after logout %s/hub/logout\n", origin, p->name, origin);
    }
    for (int i = 0; i < services->n; i++) {
        const cr_service *s = &services->at[i];
        printf("  service %s: %s%d scopes\n", s->name, s->admin ? "administrator, and " : "", s->n_scopes);
        if (s->redirect[0])
            printf("    people sign in to it%s, as client service-%s, back at %s\n", s->no_confirm ? " without being asked" : "", s->name, s->redirect);
    }
    for (int i = 0; i < roles->n; i++) {
        const cr_role *r = &roles->at[i];
        if (strcmp(r->name, "user") == 0)
            printf("  role %s: %d scopes for everybody\n", r->name, r->n_scopes);
        else
            printf("  role %s: %d scopes for %d people, %d groups, %d services\n", r->name, r->n_scopes, r->n_users, r->n_groups, r->n_services);
    }
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 256 << 10);
    cr_profiles_describe(c, profiles, &text);
    printf("%s", cr_buf_str(&text));
    return check_texts(c) ? 0 : cr_status_exit(CR_FORMAT);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--role=hub") == 0)
        return run_hub();

    cr_control_command k = {0};
    bool want_help = false, want_version = false, want_check = false, want_signin_help = false, want_service_help = false, want_role_help = false;
    static cr_provider_set providers;
    static cr_service_set services;
    static cr_role_set roles;
    static cr_profile_set profiles;
    const cr_option actions[] = {
        {0, "status", NULL, "what runs", CR_OPTION_FLAG, &k.status},
        {0, "json", NULL, "with an action: the answer as JSON", CR_OPTION_FLAG, &k.json},
        {0, "admin-link", NULL, "a new one-use link for an administrator", CR_OPTION_FLAG, &k.admin_link},
        {0, "backup", "FILE", "copy the database to FILE", CR_OPTION_TEXT, &k.backup},
        {0, "stop", NULL, "end servers, hub and proxy", CR_OPTION_FLAG, &k.stop},
        {0, "keep-servers", NULL, "with --stop: servers and proxy go on", CR_OPTION_FLAG, &k.keep_servers},
        {0, "check", NULL, "read the settings and say whether they are good", CR_OPTION_FLAG, &want_check},
        {0, "signin-help", NULL, "settings of identity providers", CR_OPTION_FLAG, &want_signin_help},
        {0, "service-help", NULL, "settings of services", CR_OPTION_FLAG, &want_service_help},
        {0, "role-help", NULL, "settings of roles", CR_OPTION_FLAG, &want_role_help},
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &want_help},
        {0, "version", NULL, "the version", CR_OPTION_FLAG, &want_version},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    cr_config config;
    cr_status status = cr_config_load(actions, argc, argv, &config, &err);
    if (want_help)
        return help(actions);
    if (want_version)
        return puts("cratond " CRATON_VERSION) < 0;
    if (want_signin_help)
        return signin_help();
    if (want_service_help)
        return service_help();
    if (want_role_help)
        return role_help();
    if (status != CR_OK)
        return fail(&err);
    if (cr_control_is_asked(&k))
        return cr_control_run(&config, &k);
    if (want_check)
        return all_are_good(&config, &providers, &services, &roles, &profiles, &err) ? check(&config, &providers, &services, &roles, &profiles) : fail(&err);
    if (cr_smtp_load(&config, &err) != CR_OK || cr_providers_load(&config, &providers, &err) != CR_OK || cr_services_load(&config, &services, &err) != CR_OK ||
        cr_roles_load(&config, &services, &roles, &err) != CR_OK || cr_profiles_load(&config, &profiles, &err) != CR_OK)
        return fail(&err);
    if (open_log(&config, "cratond", &err) != CR_OK || cr_helper_run(&config, &providers, &services, &roles, &profiles, &err) != CR_OK)
        return fail(&err);
    return 0;
}
