/* launch.c - environment, arguments, fork. */
#include "platform/runner/launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "platform/daemon/urls.h"
#include "platform/runner/confine.h"
#include "platform/runner/software.h"

enum { ENV_MOST = 96 + CR_DASK_ENV_MOST + CR_PROFILE_ENV_ALL_MAX };

typedef struct list {
    cr_arena *arena;
    char **items;
    int n;
    bool failed;
} list;

static void put(list *l, const char *fmt, ...) CR_PRINTF(2, 3);
static void put(list *l, const char *fmt, ...) {
    va_list ap;
    char text[CR_URL_MAX + 256];
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *copy = n >= 0 && n < (int)sizeof text ? cr_arena_strdup(l->arena, text) : NULL;
    if (!copy || l->n >= ENV_MOST) {
        l->failed = true;
        return;
    }
    l->items[l->n++] = copy;
}

static cr_status begin(list *l, cr_arena *a, cr_err *err) {
    *l = (list){a, cr_arena_calloc(a, ENV_MOST + 1, sizeof(char *)), 0, false};
    return l->items ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory to start a server");
}

static cr_status end(const list *l, char ***ret, cr_err *err) {
    if (l->failed)
        return CR_FAIL(err, CR_LIMIT, "the environment or the arguments of the server are too long");
    *ret = l->items;
    return CR_OK;
}

char *cr_launch_mark(const cr_server_id *id, char *buf, size_t size) {
    snprintf(buf, size, "CRATON_SERVER=%s.%llu", id->account, (unsigned long long)id->generation);
    return buf;
}

/* What a person has given to the cluster; said once, so that nothing depends on which of two a program believes. */
static void put_given(list *v, const char *lines) {
    const char *line;
    size_t n;
    while (cr_dask_env_next(&lines, &line, &n)) {
        char *copy = v->n < ENV_MOST ? cr_arena_strndup(v->arena, line, n) : NULL;
        if (!copy) {
            v->failed = true;
            return;
        }
        v->items[v->n++] = copy;
    }
}

/* A variable with a default that a person may have given. */
static void put_default(list *v, const cr_launch *l, const char *name, const char *value) {
    if (!cr_dask_env_has(l->start->dask.environment, name))
        put(v, "%s=%s", name, value);
}

static void put_person(list *v, const cr_launch *l) {
    put(v, "HOME=%s", l->account->home);
    put(v, "USER=%s", l->account->linux_name);
    put(v, "LOGNAME=%s", l->account->linux_name);
    put(v, "SHELL=/bin/bash");
    put_default(v, l, "LANG", "C.UTF-8");
    put(v, "PATH=%s/bin:/usr/local/bin:/usr/bin:/bin", l->environment);
    put(v, "VIRTUAL_ENV=%s", l->environment);
    if (l->software && cr_software_is_conda(l->environment))
        put(v, "CONDA_PREFIX=%s", l->environment);
    put(v, "JUPYTER_RUNTIME_DIR=%s", l->runtime_dir);
    /* Dask would lay what does not fit its memory, which it reads as programs, into a folder of /tmp that anybody may have made before. */
    put(v, "DASK_TEMPORARY_DIRECTORY=%s/.cache", l->account->home);
    char mark[128];
    put(v, "%s", cr_launch_mark(&l->start->id, mark, sizeof mark));
}

static void put_kernels(list *v, const cr_launch *l) {
    if (l->kernel)
        put(v, "JUPYTER_PATH=%s", l->jupyter_path);
    if (l->start->cleaning) {
        put(v, "JUPYTER_DEFAULT_PROVISIONER_NAME=none-while-cleaning-up");    /* there is none of this name: no kernel starts, also none by name */
        return;
    }
    if (!l->kernels_socket)
        return;
    put(v, "CRATON_KERNELS=%s", l->kernels_socket);
    put(v, "JUPYTER_DEFAULT_PROVISIONER_NAME=craton-forked");   /* python/craton_start.py */
}

static void put_hub(list *v, const cr_launch *l) {
    const cr_msg_start *s = l->start;
    const char *account = s->id.account, *server = s->id.server;
    char url[CR_URL_MAX], origin[CR_URL_MAX], prefix[CR_URL_MAX], segment[CR_URL_MAX], client[CR_URL_MAX];
    cr_url_prefix(l->config, s->user, server, prefix, sizeof prefix);
    cr_url_user_origin(l->config, account, origin, sizeof origin);
    cr_url_segment(s->user, segment, sizeof segment);
    cr_url_client_id(account, server, client, sizeof client);
    put(v, "JUPYTERHUB_API_TOKEN=%s", s->token);
    put(v, "JPY_API_TOKEN=%s", s->token);
    put(v, "JUPYTERHUB_CLIENT_ID=%s", client);
    put(v, "JUPYTERHUB_USER=%s", s->user);
    put(v, "JUPYTERHUB_SERVER_NAME=%s", server);
    put(v, "JUPYTERHUB_BASE_URL=%s/", l->config->base_url);
    put(v, "JUPYTERHUB_SERVICE_PREFIX=%s", prefix);
    cr_url_api(l->config, url, sizeof url);
    put(v, "JUPYTERHUB_API_URL=%s", url);
    put(v, "JUPYTERHUB_ACTIVITY_URL=%s/users/%s/activity", url, segment);
    put(v, "JUPYTERHUB_OAUTH_CALLBACK_URL=%s%soauth_callback", origin, prefix);
    put(v, "JUPYTERHUB_PUBLIC_URL=%s%s", origin, prefix);
    cr_url_hub_origin(l->config, url, sizeof url);
    put(v, "JUPYTERHUB_HOST=%s", url);
    put(v, "JUPYTERHUB_PUBLIC_HUB_URL=%s/hub/", cr_url_hub(l->config, url, sizeof url));
    put(v, "JUPYTERHUB_OAUTH_ACCESS_SCOPES=[\"access:servers!server=%s/%s\", \"access:servers!user=%s\"]", segment, server, segment);
    put(v, "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES=[]");
    put(v, "JUPYTERHUB_COOKIE_OPTIONS={\"SameSite\":\"Lax\"}");
    cr_url_segment(l->socket, segment, sizeof segment);
    put(v, "JUPYTERHUB_SERVICE_URL=http+unix://%s%s", segment, prefix);   /* this scheme keeps the server from opening a port */
}

/* So that Gateway() needs no argument: JupyterHubAuth sends the server's own token. The public address is for links to dashboards only. */
static void put_gateway(list *v, const cr_launch *l) {
    char url[CR_URL_MAX], options[80];
    if (!l->config->gateway)
        return;
    put(v, "DASK_GATEWAY__ADDRESS=%s", cr_url_gateway(l->config, url, sizeof url));
    put(v, "DASK_GATEWAY__PUBLIC_ADDRESS=%s", cr_url_dashboards(l->config, l->start->id.account, url, sizeof url));
    put(v, "DASK_GATEWAY__AUTH__TYPE=jupyterhub");
    /* What asks for a cluster here gets one of its own environment. */
    if (l->software)
        put(v, "DASK_GATEWAY__CLUSTER__OPTIONS=%s", cr_software_options(l->software, options, sizeof options));
}

/* A cluster's process; see docs/gateway.md. There is no nanny: the helper watches. */
static void put_dask(list *v, const cr_launch *l) {
    const cr_dask_start *d = &l->start->dask;
    const char *who = d->role == CR_ROLE_SCHEDULER ? "SCHEDULER" : "WORKER";
    char url[CR_URL_MAX];
    put_given(v, d->environment);
    put(v, "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True");
    put(v, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE=%s/cert.pem", l->secrets_dir);
    put(v, "DASK_DISTRIBUTED__COMM__TLS__%s__CERT=%s/cert.pem", who, l->secrets_dir);
    put(v, "DASK_DISTRIBUTED__COMM__TLS__%s__KEY=%s/key.pem", who, l->secrets_dir);
    put(v, "DASK_GATEWAY_CLUSTER_NAME=%s", d->name);
    if (d->role == CR_ROLE_SCHEDULER) {
        put(v, "DASK_GATEWAY_API_URL=%s/api", cr_url_gateway(l->config, url, sizeof url));
        put(v, "DASK_GATEWAY_API_TOKEN=%s/token", l->secrets_dir);
        return;
    }
    /* As a nanny would set them: one thread of these libraries for each thread of the worker. */
    put_default(v, l, "OMP_NUM_THREADS", "1");
    put_default(v, l, "MKL_NUM_THREADS", "1");
    put_default(v, l, "OPENBLAS_NUM_THREADS", "1");
    put_default(v, l, "MALLOC_TRIM_THRESHOLD_", "65536");
    put_gateway(v, l);
}

static void put_dask_argv(list *v, const cr_launch *l) {
    const cr_dask_start *d = &l->start->dask;
    put(v, "%s/bin/dask", l->environment);
    if (d->role == CR_ROLE_SCHEDULER) {
        static const char *const args[] = {"scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
                                           "--preload", "dask_gateway.scheduler_preload", "--preload"};
        for (size_t i = 0; i < CR_ARRAY_LEN(args); i++)
            put(v, "%s", args[i]);
        put(v, "%s/share/craton/start/craton_scheduler.py", l->config->prefix);      /* adds to what the first has set up */
        put(v, "--dg-api-address");
        put(v, "127.0.0.1:0");
        put(v, "--dg-adaptive-period");
        put(v, "3");
        put(v, "--dg-heartbeat-period");
        put(v, "%lld", (long long)CR_MAX(l->config->gateway_heartbeat_s / 2, (int64_t)1));
        put(v, "--dg-idle-timeout");
        put(v, "%u", d->idle_s);
        return;
    }
    put(v, "worker");
    put(v, "tls://127.0.0.1:%u", d->scheduler_port);
    static const char *const args[] = {"--host", "127.0.0.1", "--no-dashboard", "--no-nanny", "--death-timeout", "60"};
    for (size_t i = 0; i < CR_ARRAY_LEN(args); i++)
        put(v, "%s", args[i]);
    put(v, "--name");
    put(v, "w%u", d->worker);
    put(v, "--nthreads");
    put(v, "%u", d->threads);
    put(v, "--memory-limit");
    put(v, "%llu", (unsigned long long)l->start->limits.memory_bytes);
}

static void put_limits(list *v, const cr_launch *l) {
    const cr_server_limits *m = &l->start->limits;
    if (m->memory_bytes)
        put(v, "MEM_LIMIT=%llu", (unsigned long long)m->memory_bytes);
    if (m->cpu_milli)
        put(v, "CPU_LIMIT=%u.%03u", m->cpu_milli / 1000, m->cpu_milli % 1000);
}

/* What the profile sets is not Craton's own (cr_profile_env_check); it may be what is passed on. */
static bool is_given(const cr_launch *l, const char *name) {
    for (int i = 0; l->given && i < l->given->n_env; i++)
        if (strcmp(l->given->env[i].name, name) == 0)
            return true;
    return false;
}

static void put_profile(list *v, const cr_launch *l) {
    for (int i = 0; l->given && i < l->given->n_env; i++)
        put(v, "%s=%s", l->given->env[i].name, l->given->env[i].value);
}

cr_status cr_launch_env(const cr_launch *l, cr_arena *a, char ***ret_env, cr_err *err) {
    static const char *const passed_on[] = {"TZ", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
                                            "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"};
    list v;
    CR_TRY(begin(&v, a, err));
    put_person(&v, l);
    if (l->start->dask.role) {
        put_dask(&v, l);
    } else if (!l->kernels_of) {
        put_hub(&v, l);
        put_kernels(&v, l);
        put_gateway(&v, l);
    }
    put_limits(&v, l);
    put_profile(&v, l);
    for (size_t i = 0; i < CR_ARRAY_LEN(passed_on); i++)
        if (!is_given(l, passed_on[i]) && getenv(passed_on[i]) && strlen(getenv(passed_on[i])) < 1024)
            put_default(&v, l, passed_on[i], getenv(passed_on[i]));
    return end(&v, ret_env, err);
}

/* Which kernels are shown, and which is for new notebooks. That of a software environment is the first unless the operator has put it elsewhere. */
static void put_kernel_names(list *v, const cr_launch *l) {
    char name[CR_KERNEL_NAME_MAX + 1];
    const char *first = l->kernel ? l->kernel->slug : NULL;
    int n = l->given ? l->given->n_kernels : 0;
    for (int i = 0; first && i < n; i++)
        if (strcmp(l->given->kernels[i], first) == 0)
            first = NULL;
    if (first && n)
        put(v, "--KernelSpecManager.allowed_kernelspecs=%s", first);
    for (int i = 0; i < n; i++) {
        cr_kernel_find(l->config, l->given->kernels[i], name);
        put(v, "--KernelSpecManager.allowed_kernelspecs=%s", name);
    }
    if (!first && n)
        cr_kernel_find(l->config, l->given->kernels[0], name);
    if (first || n)
        put(v, "--MultiKernelManager.default_kernel_name=%s", first ? first : name);
}

cr_status cr_launch_argv(const cr_launch *l, cr_arena *a, char ***ret_argv, cr_err *err) {
    list v;
    CR_TRY(begin(&v, a, err));
    put(&v, "%s/bin/python3", l->environment);
    if (l->start->dask.role) {
        put_dask_argv(&v, l);
        return end(&v, ret_argv, err);
    }
    if (l->kernels_of) {
        put(&v, "%s/share/craton/start/kernels.py", l->config->prefix);
        put(&v, "%s", l->kernels_socket);
        put(&v, "%d", (int)l->kernels_of);
        return end(&v, ret_argv, err);
    }
    put(&v, "%s/bin/jupyterhub-singleuser", l->environment);
    put(&v, "--ServerApp.sock=%s", l->socket);
    put(&v, "--ServerApp.sock_mode=0660");
    put(&v, "--KernelManager.transport=ipc");
    /* How long it believes what the hub said of a visitor: a share that is taken away, or a sign-out, counts after this. */
    put(&v, "--HubOAuth.cache_max_age=60");
    /* The hub notes who comes in with a token: its questions say at which server. */
    char at[CR_URL_MAX];
    put(&v, "--HubOAuth.api_url=%s", cr_url_api_at(l->config, l->start->id.generation, at, sizeof at));
    /* Without it terminals are login shells, whose profile takes PATH away, and with it craton and python. */
    put(&v, "--ServerApp.terminado_settings=shell_command=/bin/bash");
    /* Otherwise every server asks npm, when there is one, for half a second of CPU. */
    put(&v, "--LanguageServerManager.node_roots=[]");
    if (l->start->cleaning) {      /* nothing that computes: space is freed in the file browser and in terminals */
        put(&v, "--KernelSpecManager.ensure_native_kernel=False");
        put(&v, "--KernelSpecManager.allowed_kernelspecs=none-while-cleaning-up");
        return end(&v, ret_argv, err);
    }
    put_kernel_names(&v, l);
    return end(&v, ret_argv, err);
}

static cr_status set_limits(const cr_launch *l, cr_err *err) {
    struct rlimit hard;
    uint64_t files = getrlimit(RLIMIT_NOFILE, &hard) == 0 ? CR_MIN((uint64_t)hard.rlim_max, (uint64_t)CR_LAUNCH_USER_FILES) : 1024;
    CR_TRY(cr_confine_limits(files, err));
    if (l->config->as_root && l->start->limits.pids && !cr_cgroups_has(l->groups, CR_CGROUP_PIDS)) {
        struct rlimit n = {l->start->limits.pids, l->start->limits.pids};
        if (setrlimit(RLIMIT_NPROC, &n) != 0)
            return CR_FAIL_ERRNO(err, "cannot limit the number of processes");
    }
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);   /* the machine's memory ends: users before the hub */
    if (fd >= 0) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", CR_LAUNCH_OOM_SCORE);
        if (write(fd, text, (size_t)n) != n)
            cr_log(CR_LOG_WARN, "oom score not set", NULL);
        close(fd);
    }
    return CR_OK;
}

static cr_status become_user(const cr_launch *l, cr_err *err) {
    const cr_identity id = {l->account->uid, l->account->gid, l->account->groups, (size_t)l->account->n_groups, false};
    CR_TRY(cr_cgroup_enter(l->groups, l->group, 0, err));
    cr_confine_fresh(l->log_fd, 3);
    cr_log_setup("start", CR_LOG_INFO, 2);
    CR_TRY(set_limits(l, err));
    CR_TRY(cr_confine_identity(&id, err));
    CR_TRY(cr_confine_filter(CR_FILTER_USER, err));
    umask(022);
    if (chdir(l->account->home) != 0)
        return CR_FAIL_ERRNO(err, "cannot enter %s", l->account->home);
    return CR_OK;
}

static _Noreturn void run_child(const cr_launch *l, char **argv, char **env) {
    cr_err err = CR_ERR_INIT;
    if (become_user(l, &err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "server not started", &err);
        _exit(126);
    }
    execve(argv[0], argv, env);
    cr_log(CR_LOG_ERROR, "server not started", "program=%s error=\"%s\"", argv[0], strerror(errno));
    _exit(127);
}

cr_status cr_launch_plain(const cr_launch *l, pid_t *ret_pid, cr_err *err) {
    cr_auto_arena cr_arena a;
    char **argv, **env;
    cr_arena_init(&a, 256 << 10);
    CR_TRY(cr_launch_env(l, &a, &env, err));
    CR_TRY(cr_launch_argv(l, &a, &argv, err));
    pid_t pid = fork();
    if (pid < 0)
        return CR_FAIL_ERRNO(err, "cannot start a process");
    if (pid == 0)
        run_child(l, argv, env);
    *ret_pid = pid;
    return CR_OK;
}
