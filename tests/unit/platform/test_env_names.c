/* Who may set which environment variable: the table, and that what is set at the start of a process keeps to it. */
#include "../check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/text.h"
#include "platform/runner/env_names.h"
#include "platform/runner/launch.h"

static bool may(cr_env_giver giver, const char *name) {
    const char *rule = NULL;
    bool right = cr_env_name_may_set(giver, name, strlen(name), &rule);
    ck_assert_msg(right == (rule == NULL), "%s", name);
    return right;
}

START_TEST(each_name_has_its_givers) {
    static const struct {
        const char *name;
        bool by_operator, by_person;
    } rows[] = {
        {"OMP_NUM_THREADS", true, true}, {"PATHS", true, true}, {"LD", true, true}, {"path", true, true}, {"GDAL_CACHEMAX", true, true},
        {"PATH", false, false}, {"VIRTUAL_ENV", false, false}, {"CONDA_PREFIX", false, false}, {"LD_PRELOAD", false, false}, {"LD_", false, false}, {"LOCPATH", false, false}, {"GCONV_PATH", false, false},
        {"GLIBC_TUNABLES", false, false}, {"BASH_FUNC_x", false, false}, {"PYTHONPATH", false, false}, {"PYTHONSTARTUP", false, false},
        {"MEM_LIMIT", false, false}, {"MEM_GUARANTEE", false, false}, {"CPU_LIMIT", false, false}, {"CPU_GUARANTEE", false, false},
        {"CRATON_SERVER", false, false}, {"JUPYTERHUB_USER", false, false}, {"DASK_GATEWAY_CLUSTER_NAME", false, false},
        {"DASK_GATEWAY__ADDRESS", false, false}, {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE", false, false}, {"DASK_TEMPORARY_DIRECTORY", false, false},
        {"PYTHONWARNINGS", false, true}, {"LANG", false, true}, {"LC_ALL", false, true}, {"TMPDIR", false, true}, {"JUPYTER_PATH", false, true},
        {"XDG_RUNTIME_DIR", false, true}, {"DASK_CONFIG", true, false}, {"DASK_DISTRIBUTED__SCHEDULER__PRELOAD", true, false},
        {"DASK_DISTRIBUTED__WORKER__PRELOAD_ARGV", true, false}, {"DASK_DISTRIBUTED__WORKER__MEMORY__TARGET", true, true},
        /* As Dask reads them: in any letters, and a dictionary for all that lies below. */
        {"DASK_distributed__Scheduler__preload", true, false}, {"DASK_distributed__comm__tls__ciphers", false, false}, {"DASK_gateway__address", false, false},
        {"DASK_DISTRIBUTED", false, false}, {"DASK_DISTRIBUTED__COMM", false, false}, {"DASK_distributed__worker", true, false}, {"DASK_GATEWAY", false, false},
        {"dask_distributed__comm__x", true, true}, {"DASK_ARRAY__CHUNK_SIZE", true, true}, {"PYTHONPYCACHEPREFIX", false, false},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        ck_assert_msg(may(CR_ENV_OPERATOR, rows[i].name) == rows[i].by_operator, "operator: %s", rows[i].name);
        ck_assert_msg(may(CR_ENV_PERSON, rows[i].name) == rows[i].by_person, "person: %s", rows[i].name);
    }
}
END_TEST

START_TEST(what_is_read_early) {
    static const char *const early[] = {"PYTHONWARNINGS", "LANG", "LC_ALL", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX", "PANDAS_FUTURE", "BOKEH_MINIFIED"};
    static const char *const late[] = {"DASK_CONFIG", "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT", "GDAL_CACHEMAX", "AWS_REGION", "TZ", "OMP", "ZARR_CONFIG", "MY_LANG"};
    for (size_t i = 0; i < CR_ARRAY_LEN(early); i++)
        ck_assert_msg(cr_env_name_is_early(early[i], strlen(early[i])), "%s", early[i]);
    for (size_t i = 0; i < CR_ARRAY_LEN(late); i++)
        ck_assert_msg(!cr_env_name_is_early(late[i], strlen(late[i])), "%s", late[i]);
    ck_assert(cr_dask_env_is_early("A=1\nOMP_NUM_THREADS=2\n") && cr_dask_env_is_early("LC_ALL=C\n"));
    ck_assert(!cr_dask_env_is_early("") && !cr_dask_env_is_early("A=OMP_NUM_THREADS=2\nB=LANG\n"));
}
END_TEST

START_TEST(only_names_are_names) {
    char longest[CR_ENV_NAME_MAX + 2];
    memset(longest, 'A', sizeof longest);
    ck_assert(cr_env_name_is_right("_x9", 3) && cr_env_name_is_right(longest, CR_ENV_NAME_MAX));
    ck_assert(!cr_env_name_is_right(longest, CR_ENV_NAME_MAX + 1) && !cr_env_name_is_right("", 0) && !cr_env_name_is_right("9x", 2));
    ck_assert(!cr_env_name_is_right("A=B", 3) && !cr_env_name_is_right("A B", 3) && !cr_env_name_is_right("A\0B", 3));
}
END_TEST

/* What a process is given of a name that somebody else may set as well would stand in its environment twice. */
static void nothing_is_said_twice(const cr_launch *l, cr_env_giver giver, const char *const *asked_about) {
    cr_arena a;
    char **env;
    cr_err err = CR_ERR_INIT;
    cr_arena_init(&a, 256 << 10);
    ck_assert_ok(cr_launch_env(l, &a, &env, &err));
    for (; *env; env++) {
        size_t n = strcspn(*env, "=");
        const char *rule;
        bool asked = false;
        for (const char *const *at = asked_about; *at; at++)
            asked = asked || (strlen(*at) == n && memcmp(*at, *env, n) == 0);
        ck_assert_msg(asked || !cr_env_name_may_set(giver, *env, n, &rule), "%.*s is set by the platform and free to others", (int)n, *env);
    }
    cr_arena_done(&a);
}

START_TEST(what_the_platform_sets_is_kept) {
    static const char *const passed_on[] = {"TZ", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
                                            "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", NULL};
    static const char *const defaults[] = {"LANG", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_", NULL};
    static const cr_config config = {.gateway = true};
    static const cr_account account = {.home = "/home/ada", .linux_name = "cr-ada"};
    static cr_msg_start start = {.user = "ada", .limits = {.memory_bytes = 1 << 30, .cpu_milli = 1500}};
    cr_launch l = {.config = &config, .start = &start, .account = &account, .socket = "/run/s", .runtime_dir = "/run/r", .environment = "/env",
                   .kernels_socket = "/run/k", .secrets_dir = "/run/c"};
    for (const char *const *at = passed_on; *at; at++)
        unsetenv(*at);
    nothing_is_said_twice(&l, CR_ENV_OPERATOR, passed_on);
    start.dask.role = CR_ROLE_SCHEDULER;
    nothing_is_said_twice(&l, CR_ENV_PERSON, defaults);
    start.dask.role = CR_ROLE_WORKER;
    nothing_is_said_twice(&l, CR_ENV_PERSON, defaults);
    /* From an environment of conda, and with a kernel of another one. */
    static const cr_software geo = {"geo", "Geo", "/envs/geo", false};
    char conda[] = "/tmp/craton-conda-XXXXXX", meta[64];
    ck_assert_ptr_nonnull(mkdtemp(conda));
    snprintf(meta, sizeof meta, "%s/conda-meta", conda);
    ck_assert_int_eq(mkdir(meta, 0755), 0);
    l.environment = conda;
    l.software = "labs";
    nothing_is_said_twice(&l, CR_ENV_PERSON, defaults);
    start.dask.role = 0;
    l.kernel = &geo;
    l.jupyter_path = "/run/software/geo";
    nothing_is_said_twice(&l, CR_ENV_OPERATOR, passed_on);
    ck_assert(rmdir(meta) == 0 && rmdir(conda) == 0);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("env_names");
    TCase *t = tcase_create("all");
    tcase_add_test(t, each_name_has_its_givers);
    tcase_add_test(t, what_is_read_early);
    tcase_add_test(t, only_names_are_names);
    tcase_add_test(t, what_the_platform_sets_is_kept);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
