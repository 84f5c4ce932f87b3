/* test_runner_prepared.c - the request that a fork of the prepared parent reads: what a plain start gets, in one fixed layout. */
#include <stdlib.h>
#include <string.h>
#include "../check_main.h"
#include "platform/runner/prepared.h"

static cr_config config;
static cr_msg_start start;
static cr_account account;
static cr_cgroups *groups;

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    char *argv[] = {"cratond", "--state", "/s", "--run", "/r", "--prefix", "/p", NULL};
    ck_assert_ok(cr_config_load(NULL, 7, argv, &config, &err));
    config.as_root = true;
    start = (cr_msg_start){.id = {.account = "ada", .generation = 7}, .limits = {1 << 30, 1500, 256}, .user = "ada"};
    memset(start.token, 'a', CR_RUNNER_TOKEN_LEN);
    account = (cr_account){.linux_name = "cr-ada", .home = "/s/home/ada", .uid = 20001, .gid = 20001};
    const cr_cgroup_source none = {"/dev/null", "/dev/null"};
    ck_assert_ok(cr_cgroups_open("t", &none, &groups, &err));
}

static void teardown(void) { cr_cgroups_close(groups); }

static cr_launch launch(const char *socket) {
    return (cr_launch){.config = &config, .start = &start, .account = &account, .groups = groups, .group = "ada.7", .socket = socket,
                       .runtime_dir = "/r/r/20001", .environment = "/p/env/g", .log_fd = -1};
}

/* Head and texts as the Python side takes them apart. */
typedef struct parsed {
    uint32_t head[8];
    const char *text[200];
    uint32_t n;
} parsed;

static parsed parse(const cr_buf *b) {
    parsed p = {0};
    ck_assert_uint_gt(b->len, sizeof p.head);
    memcpy(p.head, b->data, sizeof p.head);
    ck_assert_uint_eq(p.head[7], b->len - sizeof p.head);
    for (const char *at = b->data + sizeof p.head; at < b->data + b->len; at += strlen(at) + 1)
        p.text[p.n++] = at;
    ck_assert_uint_eq(p.n, p.head[6]);
    return p;
}

START_TEST(layout) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf b;
    cr_auto_arena cr_arena a;
    cr_arena_init(&a, 1 << 20);
    cr_buf_init(&b, 1 << 20);
    cr_account member = account;
    member.n_groups = 2;
    member.groups[0] = 20007;
    member.groups[1] = 4294967294u;
    cr_launch l = launch("/r/u/ada/s7");
    l.account = &member;
    ck_assert_ok(cr_prepared_request(&l, &b, &err));
    parsed p = parse(&b);
    ck_assert_uint_eq(p.head[0], 0x43525054);
    ck_assert_uint_eq(p.head[1], 20001);
    ck_assert_uint_eq(p.head[2], 20001);
    ck_assert_uint_eq(p.head[3], CR_LAUNCH_USER_FILES);
    ck_assert_uint_eq(p.head[4], 256);        /* no control group counts processes here */
    ck_assert_uint_eq(p.head[5], CR_LAUNCH_OOM_SCORE);
    ck_assert_str_eq(p.text[0], "/s/home/ada");
    char **argv, **env;
    ck_assert_ok(cr_launch_argv(&l, &a, &argv, &err));
    ck_assert_ok(cr_launch_env(&l, &a, &env, &err));
    ck_assert_str_eq(p.text[2], "20007,4294967294");
    int n_argv = atoi(p.text[1]), i = 3;
    for (int k = 0; argv[k]; k++, i++)
        ck_assert_str_eq(p.text[i], argv[k]);
    ck_assert_int_eq(i, n_argv + 3);
    for (int k = 0; env[k]; k++, i++)
        ck_assert_str_eq(p.text[i], env[k]);
    ck_assert_uint_eq((uint32_t)i, p.n);
}
END_TEST

static bool has_env(const parsed *p, const char *name) {
    for (uint32_t i = 0; i < p->n; i++)
        if (strncmp(p->text[i], name, strlen(name)) == 0)
            return true;
    return false;
}

START_TEST(kernels_know_nothing_of_the_hub) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf b, of_server;
    cr_buf_init(&b, 1 << 20);
    cr_buf_init(&of_server, 1 << 20);
    cr_launch l = launch("/r/u/ada/s7");
    l.kernels_socket = "/r/r/20001/k7";
    ck_assert_ok(cr_prepared_request(&l, &of_server, &err));
    l.kernels_of = 4711;
    ck_assert_ok(cr_prepared_request(&l, &b, &err));
    parsed server = parse(&of_server), kernels = parse(&b);
    ck_assert(has_env(&server, "JUPYTERHUB_API_TOKEN=") && has_env(&server, "CRATON_KERNELS=/r/r/20001/k7"));
    ck_assert(!has_env(&kernels, "JUPYTERHUB") && !has_env(&kernels, "JPY_") && has_env(&kernels, "HOME=/s/home/ada"));
    ck_assert(has_env(&server, "DASK_TEMPORARY_DIRECTORY=/s/home/ada/.cache") && has_env(&kernels, "DASK_TEMPORARY_DIRECTORY=/s/home/ada/.cache"));
    ck_assert_str_eq(kernels.text[1], "4");
    ck_assert_str_eq(kernels.text[2], "");
    ck_assert(strstr(kernels.text[4], "/share/craton/start/kernels.py") != NULL);
    ck_assert_str_eq(kernels.text[5], "/r/r/20001/k7");
    ck_assert_str_eq(kernels.text[6], "4711");
}
END_TEST

START_TEST(without_root_nobody_changes_identity) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 1 << 20);
    config.as_root = false;
    cr_launch l = launch("/r/u/ada/s7");
    ck_assert_ok(cr_prepared_request(&l, &b, &err));
    parsed p = parse(&b);
    ck_assert_uint_eq(p.head[1], UINT32_MAX);
    ck_assert_uint_eq(p.head[2], UINT32_MAX);
    ck_assert_uint_eq(p.head[4], UINT32_MAX);
}
END_TEST

START_TEST(too_long_is_refused) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf b, small;
    cr_buf_init(&b, 1 << 20);
    cr_buf_init(&small, 100);
    char endless[8000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    cr_launch l = launch(endless);
    ck_assert_fails(cr_prepared_request(&l, &b, &err), CR_LIMIT);
    l = launch("/r/u/ada/s7");
    ck_assert_fails(cr_prepared_request(&l, &small, &err), CR_LIMIT);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("runner_prepared");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, layout);
    tcase_add_test(t, kernels_know_nothing_of_the_hub);
    tcase_add_test(t, without_root_nobody_changes_identity);
    tcase_add_test(t, too_long_is_refused);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
