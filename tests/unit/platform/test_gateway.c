/* Parts of the gateway that need no hub: options, heartbeats, certificates, owners of ports, limits. */
#include "../check_main.h"
#include "../scratch.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "platform/db/schema.h"
#include "platform/gateway/basic.h"
#include "platform/gateway/cluster.h"
#include "platform/gateway/dashboards.h"
#include "platform/gateway/gateway.h"
#include "platform/gateway/listener.h"
#include "platform/gateway/versions.h"
#include "platform/hub/clock_set.h"
#include "platform/runner/protocol.h"

#define good(call) ck_assert_int_eq((call), CR_OK)

static cr_config config(void) {
    cr_config c = {.gateway = true, .gateway_clusters = 2, .gateway_workers = 5, .gateway_cores = 8, .gateway_memory_bytes = (uint64_t)10 << 30};
    return c;
}

/* ---- options ---- */

static cr_status read_options(const char *text, cr_cluster_options *o, json_t **all) {
    const cr_config c = config();
    json_t *given = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(given);
    cr_status status = cr_options_read(&c, given, o, all, NULL);
    json_decref(given);
    return status;
}

START_TEST(options_are_completed) {
    cr_cluster_options o;
    json_t *all;
    good(read_options("{}", &o, &all));
    ck_assert_int_eq(o.cores, 1);
    ck_assert_uint_eq(o.memory_bytes, (uint64_t)2 << 30);
    ck_assert_uint_eq(json_object_size(all), 4);
    ck_assert(!o.keep && !o.environment[0]);
    json_decref(all);
    good(read_options("{\"worker_cores\": 8, \"worker_memory\": 0.25}", &o, &all));
    ck_assert_int_eq(o.cores, 8);
    ck_assert_uint_eq(o.memory_bytes, (uint64_t)1 << 28);
    ck_assert_int_eq(json_integer_value(json_object_get(all, "worker_cores")), 8);
    json_decref(all);
}
END_TEST

START_TEST(what_is_not_an_option_is_refused) {
    static const char *const bad[] = {"[]", "5", "{\"nosuch\": 1}", "{\"worker_cores\": 0}", "{\"worker_cores\": 9}", "{\"worker_cores\": 1.0}",
                                      "{\"worker_cores\": true}", "{\"worker_cores\": \"1\"}", "{\"worker_cores\": null}", "{\"worker_memory\": 0.24}",
                                      "{\"worker_memory\": 9.01}", "{\"worker_memory\": -1}", "{\"worker_memory\": 1e300}", "{\"worker_memory\": []}",
                                      "{\"keep_after_server\": 1}", "{\"environment\": []}", "{\"environment\": {\"A\": 1}}", "{\"environment\": {\"\": \"\"}}",
                                      "{\"environment\": {\"A=B\": \"\"}}", "{\"environment\": {\"1A\": \"\"}}", "{\"environment\": {\"A\": \"x\\ny\"}}",
                                      "{\"environment\": {\"PATH\": \"/tmp\"}}", "{\"environment\": {\"LD_PRELOAD\": \"/tmp/x.so\"}}",
                                      "{\"environment\": {\"JUPYTERHUB_API_TOKEN\": \"x\"}}", "{\"environment\": {\"DASK_GATEWAY__ADDRESS\": \"x\"}}"};
    cr_cluster_options o;
    json_t *all;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(read_options(bad[i], &o, &all) == CR_INVALID, "%s", bad[i]);
}
END_TEST

/* With what is right instead, and in which unit. */
START_TEST(a_refusal_says_what_would_do) {
    static const char *const said[][2] = {
        {"{\"image\": \"a\"}", "Unknown fields ['image']. There are worker_cores, worker_memory, environment, keep_after_server; Gateway().cluster_options() "
                                   "shows what they may be"},
        {"{\"worker_memory\": \"4GiB\"}", "worker_memory must be a number of GiB, such as 2"},
        {"{\"worker_memory\": 4294967296}", "worker_memory must be <= 9 GiB, got 4.29497e+09"},
        {"{\"worker_cores\": 2.5}", "worker_cores must be an integer, such as 1"},
        {"{\"worker_cores\": 9}", "worker_cores must be <= 8, got 9"},
    };
    const cr_config c = config();
    cr_cluster_options o;
    json_t *all;
    for (size_t i = 0; i < CR_ARRAY_LEN(said); i++) {
        cr_err err = CR_ERR_INIT;
        json_t *given = json_loads(said[i][0], 0, NULL);
        ck_assert_int_eq(cr_options_read(&c, given, &o, &all, &err), CR_INVALID);
        ck_assert_str_eq(err.message, said[i][1]);
        json_decref(given);
    }
}
END_TEST

START_TEST(an_environment_becomes_lines) {
    cr_cluster_options o;
    json_t *all, *many = json_object();
    char text[CR_DASK_ENV_MAX + 1], value[CR_DASK_ENV_MAX + 1], name[16];
    good(read_options("{\"environment\": {\"A\": \"b=c \u00e4\", \"_x9\": \"\"}, \"keep_after_server\": true}", &o, &all));
    ck_assert_str_eq(o.environment, "A=b=c \xc3\xa4\n_x9=\n");
    ck_assert(o.keep && json_is_true(json_object_get(all, "keep_after_server")));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(all, "environment"), "A")), "b=c \xc3\xa4");
    json_decref(all);
    ck_assert(cr_dask_env_has(o.environment, "A") && cr_dask_env_has(o.environment, "_x9") && !cr_dask_env_has(o.environment, "b"));
    good(cr_dask_env_check(o.environment, NULL));
    for (int i = 0; i < CR_DASK_ENV_MOST; i++) {
        snprintf(name, sizeof name, "N%d", i);
        json_object_set_new(many, name, json_string(""));
    }
    good(cr_options_environment(many, text, NULL));
    json_object_set_new(many, "M", json_string(""));
    ck_assert_int_eq(cr_options_environment(many, text, NULL), CR_INVALID);
    json_object_clear(many);
    memset(value, 'v', sizeof value);
    value[CR_DASK_ENV_MAX - 3] = 0;           /* with the name, '=' and the newline it fits exactly */
    json_object_set_new(many, "L", json_string(value));
    good(cr_options_environment(many, text, NULL));
    ck_assert_uint_eq(strlen(text), CR_DASK_ENV_MAX);
    value[CR_DASK_ENV_MAX - 3] = 'v';
    value[CR_DASK_ENV_MAX - 2] = 0;
    json_object_set_new(many, "L", json_string(value));
    ck_assert_int_eq(cr_options_environment(many, text, NULL), CR_INVALID);
    json_decref(many);
}
END_TEST

START_TEST(the_helper_believes_no_environment) {
    static const char *const bad[] = {"A", "A=b", "=b\n", "A=b\nB\n", "LD_LIBRARY_PATH=/tmp\n", "A=\x01\n", "A=\xff\n", "\n", "BASH_FUNC_x%%=() { :; }\n", "CRATON_X=\n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(cr_dask_env_check(bad[i], NULL) == CR_INVALID, "%s", bad[i]);
    good(cr_dask_env_check("", NULL));
    good(cr_dask_env_check("OMP_NUM_THREADS=2\nPYTHONWARNINGS=error\n", NULL));
}
END_TEST

/* A small machine: every default that is offered is itself right. */
START_TEST(defaults_are_within_the_bounds) {
    for (uint64_t gib4 = 1; gib4 < 100; gib4++) {
        cr_config c = config();
        c.gateway_memory_bytes = gib4 << 28;
        c.gateway_cores = 1;
        json_t *list = cr_options_list(&c), *given = json_object(), *all;
        cr_cluster_options o;
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *one = json_array_get(list, i);
            json_object_set(given, json_string_value(json_object_get(one, "field")), json_object_get(one, "default"));
        }
        good(cr_options_read(&c, given, &o, &all, NULL));
        json_decref(all);
        json_decref(given);
        json_decref(list);
    }
}
END_TEST

/* ---- heartbeats ---- */

#define BEAT(scheduler, api, dashboard, count, active) \
    "{\"scheduler_address\": " scheduler ", \"api_address\": " api ", \"dashboard_address\": " dashboard ", \"count\": " count \
    ", \"active_workers\": " active ", \"closing_workers\": [], \"closed_workers\": [\"w3\"]}"
#define GOOD "\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\""

static cr_status read_beat(const char *text, cr_beat *b, cr_arena *a) {
    json_t *body = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(body != NULL, "%s", text);
    cr_status status = cr_beat_read(body, a, b, NULL);
    json_decref(body);
    return status;
}

START_TEST(a_heartbeat_is_read) {
    cr_auto_arena cr_arena a;
    cr_beat b;
    cr_arena_init(&a, 1 << 20);
    good(read_beat(BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"http://127.0.0.1:8787\"", "3",
                                "[\"w1\", \"w20\", \"mine\", \"w\", \"w0\", \"w1x\", \"w99999999999\", 5, null]"), &b, &a));
    ck_assert_int_eq(b.scheduler_port, 4000);
    ck_assert_int_eq(b.api_port, 4001);
    ck_assert_int_eq(b.dashboard_port, 8787);
    ck_assert_int_eq(b.count, 3);
    ck_assert_uint_eq(b.active.n, 2);
    ck_assert_uint_eq(b.active.number[1], 20);
    ck_assert_uint_eq(b.closed.number[0], 3);
    good(read_beat(BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "9223372036854775807", "[]"), &b, &a));
    ck_assert_int_eq(b.dashboard_port, 0);
    ck_assert_int_eq(b.count, CR_BEAT_COUNT_MAX);
}
END_TEST

START_TEST(a_heartbeat_may_say_how_long_there_was_no_work) {
    static const struct { const char *seconds; int64_t ms; } cases[] = {{"null", -1}, {"0", 0}, {"12", 12000}, {"0.25", 250}, {"1e300", CR_BEAT_IDLE_MAX_S * (int64_t)1000}};
    static const char *const bad[] = {"-1", "\"5\"", "true", "[]", "-1e300"};
    cr_auto_arena cr_arena a;
    cr_beat b;
    json_error_t why;
    cr_arena_init(&a, 1 << 20);
    good(read_beat(BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "0", "[]"), &b, &a));
    ck_assert_int_eq(b.idle_ms, -1);
    json_t *body = json_loads(BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "0", "[]"), 0, &why);
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        json_object_set_new(body, "idle_seconds", json_loads(cases[i].seconds, JSON_DECODE_ANY, &why));
        good(cr_beat_read(body, &a, &b, NULL));
        ck_assert_int_eq(b.idle_ms, cases[i].ms);
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        json_object_set_new(body, "idle_seconds", json_loads(bad[i], JSON_DECODE_ANY, &why));
        ck_assert_int_eq(cr_beat_read(body, &a, &b, NULL), CR_INVALID);
    }
    json_decref(body);
}
END_TEST

START_TEST(a_wrong_heartbeat_is_refused) {
    static const char *const bad[] = {
        "[]", "{}", "null",
        BEAT("\"tls://10.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("\"tls://127.0.0.1:1023\"", "\"http://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("\"tls://127.0.0.1:65536\"", "\"http://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("\"tls://127.0.0.1:4000 \"", "\"http://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("\"\"", "\"http://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("7", "\"http://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("\"tls://127.0.0.1:4000\"", "\"https://127.0.0.1:4001\"", "\"\"", "1", "[]"),
        BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "null", "1", "[]"),
        BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "-1", "[]"),
        BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "1.5", "[]"),
        BEAT("\"tls://127.0.0.1:4000\"", "\"http://127.0.0.1:4001\"", "\"\"", "1", "{}"),
    };
    cr_auto_arena cr_arena a;
    cr_beat b;
    cr_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(read_beat(bad[i], &b, &a) == CR_INVALID, "%s", bad[i]);
}
END_TEST

/* ---- certificates ---- */

START_TEST(a_certificate_is_its_own_authority) {
    static const char name[] = "0123456789abcdef0123456789abcdef";
    cr_certificate c, other;
    good(cr_certificate_make(name, cr_wall_ms(), &c, NULL));
    good(cr_certificate_make(name, cr_wall_ms(), &other, NULL));
    ck_assert_str_ne(c.key, other.key);
    BIO *cert = BIO_new_mem_buf(c.cert, -1), *secret = BIO_new_mem_buf(c.key, -1);
    X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(secret, NULL, NULL, NULL);
    ck_assert(x && key);
    ck_assert_int_eq(X509_check_private_key(x, key), 1);
    ck_assert_int_eq(X509_verify(x, key), 1);
    ck_assert_int_eq(X509_check_host(x, name, 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_host(x, "dask-internal", 0, 0, NULL), 1);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, x);
    X509_STORE_CTX_init(ctx, store, x, NULL);
    ck_assert_int_eq(X509_verify_cert(ctx), 1);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    EVP_PKEY_free(key);
    X509_free(x);
    BIO_free(cert);
    BIO_free(secret);
}
END_TEST

/* ---- whose port ---- */

static const char table[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:0FA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000 20001        0 12345 1 0000000000000000 100 0 0 10 0\n"
    "   1: 00000000:0FA1 00000000:0000 0A 00000000:00000000 00:00000000 00000000 20002        0 12346 1 0000000000000000 100 0 0 10 0\n"
    "  22: 0100007F:0FA2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 20003        0 12347 1 0000000000000000 20 4 30 10 -1\n"
    "not a line\n";

START_TEST(owner_of_a_port) {
    int64_t uid = -1;
    char text[sizeof table];
    ck_assert(cr_listener_owner(memcpy(text, table, sizeof table), 4000, &uid));
    ck_assert_int_eq(uid, 20001);
    ck_assert(!cr_listener_owner(memcpy(text, table, sizeof table), 4001, &uid));      /* another address */
    ck_assert(!cr_listener_owner(memcpy(text, table, sizeof table), 4002, &uid));      /* a connection, nobody listens */
    ck_assert(!cr_listener_owner(memcpy(text, table, sizeof table), 4003, &uid));
}
END_TEST

/* ---- versions ---- */

START_TEST(pythons_version_is_in_the_agent) {
    static const char *const none[] = {"", "curl/8", "Python/3.11", "Python/x aiohttp/3", "Mozilla/5.0 Python/3.11 aiohttp/3", "Python/3.11.2 aiohttp/3"};
    char out[CR_VERSION_MAX];
    ck_assert(cr_version_of_agent("Python/3.11 aiohttp/3.12.0", out));
    ck_assert_str_eq(out, "3.11");
    ck_assert(!cr_version_of_agent(NULL, out));
    for (size_t i = 0; i < CR_ARRAY_LEN(none); i++)
        ck_assert_msg(!cr_version_of_agent(none[i], out), "%s", none[i]);
}
END_TEST

START_TEST(versions_of_another_environment_are_in_the_address) {
    static const char *const none[] = {"", "3.12", "3.12,2026.1.0", "3.12,2026.1.0,", "3.12,2026.1.0,x", "3.12,2026.1.0,2026.1.0,1", ",,",
                                       "3.12,2026.1.0,111111111111111111111111111111111111", "3.12,2026.1.0 ,2026.1.0"};
    cr_versions v;
    ck_assert(cr_versions_of_address("3.12,2026.1.0,2026.1.1", &v));
    ck_assert_str_eq(v.python, "3.12");
    ck_assert_str_eq(v.dask, "2026.1.0");
    ck_assert_str_eq(v.distributed, "2026.1.1");
    ck_assert(!cr_versions_of_address(NULL, &v));
    for (size_t i = 0; i < CR_ARRAY_LEN(none); i++)
        ck_assert_msg(!cr_versions_of_address(none[i], &v), "%s", none[i]);
}
END_TEST

/* ---- limits ---- */

START_TEST(limits_of_one_person) {
    const cr_config k = config();
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_gateway g = {.hub = hub};
    cr_cluster_options o = {.cores = 2, .memory_bytes = (uint64_t)1 << 30};
    cr_cluster a = {.gateway = &g, .user_id = 1, .choice = o, .status = CR_CLUSTER_RUNNING}, b = a, other = a;
    char why[160];
    hub->config = &k;
    other.user_id = 2;
    other.count = 5;
    other.next = NULL;
    a.next = &other;
    g.clusters = &a;
    ck_assert_int_eq(cr_cluster_allowed(&a, 3, NULL, 0), 3);
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 4);      /* 8 cores by 2; somebody else's do not count */
    ck_assert_ptr_nonnull(strstr(why, "8 cores"));
    a.choice.cores = 1;
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 5);
    ck_assert_ptr_nonnull(strstr(why, "5 workers"));
    a.choice.memory_bytes = (uint64_t)4 << 30;
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 2);      /* 10 GiB less the scheduler */
    ck_assert_ptr_nonnull(strstr(why, "schedulers counted"));
    good(cr_cluster_may_begin(&g, 1, 0, NULL));
    a.count = 2;                          /* promised, none is there yet */
    b.next = &a;
    g.clusters = &b;
    ck_assert_int_eq(cr_cluster_allowed(&b, 50, why, sizeof why), 0);
    cr_err err = CR_ERR_INIT;
    ck_assert_int_eq(cr_cluster_may_begin(&g, 1, 0, &err), CR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "2 clusters"));
    g.clusters = &a;
    good(cr_cluster_may_begin(&g, 1, 0, &err));          /* 9 of 10 GiB are taken: one more scheduler fits */
    a.count = 3;
    ck_assert_int_eq(cr_cluster_may_begin(&g, 1, 0, &err), CR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "of the 10.0 GiB"));
    free(hub);
}
END_TEST

/* Of two clusters of one person each has the smaller one. */
START_TEST(limits_of_one_cluster) {
    cr_config k = config();
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_gateway g = {.hub = hub};
    cr_cluster a = {.gateway = &g, .user_id = 1, .choice = {.cores = 2, .memory_bytes = (uint64_t)1 << 30}, .status = CR_CLUSTER_RUNNING}, b = a;
    char why[160];
    hub->config = &k;
    a.next = &b;
    g.clusters = &a;
    k.gateway_cluster_workers = 3;
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 3);
    ck_assert_str_eq(why, "3 workers for one cluster");
    k.gateway_cluster_cores = 5;
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 2);
    ck_assert_str_eq(why, "5 cores for one cluster");
    k.gateway_cluster_memory_bytes = (uint64_t)2 << 30;
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 1);      /* less the scheduler */
    ck_assert_ptr_nonnull(strstr(why, "2.0 GiB of memory for one cluster"));
    b.count = 4;                          /* of 8 cores none is left */
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 0);
    ck_assert_str_eq(why, "8 cores for one person");
    json_t *list = cr_options_list(&k);   /* what one worker may be at most follows from both */
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json_array_get(list, 0), "spec"), "max")), 5);
    ck_assert(json_real_value(json_object_get(json_object_get(json_array_get(list, 1), "spec"), "max")) == 1.0);
    json_decref(list);
    free(hub);
}
END_TEST

START_TEST(when_a_cluster_without_work_ends) {
    cr_config k = config();
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_gateway g = {.hub = hub};
    cr_cluster c = {.gateway = &g, .status = CR_CLUSTER_RUNNING, .idle_ms = -1, .idle_told_ms = cr_now_ms()};
    hub->config = &k;
    ck_assert_int_eq(cr_cluster_idle_ms(&c), -1);
    ck_assert_int_eq(cr_cluster_idle_left_ms(&c, 5000), -1);               /* gateway-idle is 0 */
    k.gateway_idle_s = 100;
    c.idle_ms = 30000;
    ck_assert(cr_cluster_idle_ms(&c) >= 30000 && cr_cluster_idle_ms(&c) < 90000);
    ck_assert_int_eq(cr_cluster_idle_left_ms(&c, 30000), 70000);
    ck_assert_int_eq(cr_cluster_idle_left_ms(&c, 100000), 0);
    ck_assert_int_eq(cr_cluster_idle_left_ms(&c, 1000000), 0);
    c.kept_until_ms = cr_wall_ms() + 3600000;
    ck_assert(cr_cluster_idle_left_ms(&c, 1000000) > 3000000 && cr_cluster_idle_left_ms(&c, 1000000) <= 3600000);
    c.kept_until_ms = cr_wall_ms() - 1;
    ck_assert_int_eq(cr_cluster_idle_left_ms(&c, 1000000), 0);
    c.status = CR_CLUSTER_STOPPING;
    ck_assert_int_eq(cr_cluster_idle_ms(&c), -1);
    free(hub);
}
END_TEST

START_TEST(what_is_kept_moves_with_the_clock) {
    cr_config k = config();
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_gateway g = {.hub = hub};
    cr_cluster never = {.gateway = &g, .id = 2}, c = {.gateway = &g, .id = 1, .next = &never, .kept_until_ms = cr_wall_ms() + 3600000};
    cr_err err = CR_ERR_INIT;
    char dir[64], path[80];
    scratch_make(dir, "gateway");
    snprintf(path, sizeof path, "%s/db", dir);
    k.gateway_idle_s = 100;
    g.clusters = &c;
    hub->config = &k;
    hub->feature = &cr_gateway_feature;
    hub->feature_state = &g;
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &hub->db, &err));
    hub->clock_ahead_ms = cr_wall_ms() - cr_now_ms() - 5 * 3600000;      /* as it stood before it was set forward */
    cr_clock_look(hub);
    ck_assert(cr_cluster_idle_left_ms(&c, 1000000) > 21000000 && cr_cluster_idle_left_ms(&c, 1000000) <= 21600000);
    ck_assert_int_eq(never.kept_until_ms, 0);
    cr_db_close(hub->db);
    scratch_remove(dir);
    free(hub);
}
END_TEST

START_TEST(limits_of_a_group_are_shared) {
    cr_config k = config();
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_gateway *g = calloc(1, sizeof *g);
    cr_cluster a = {.gateway = g, .user_id = 1, .groups = 1, .choice = {.cores = 1, .memory_bytes = (uint64_t)1 << 30}, .status = CR_CLUSTER_RUNNING}, b = a;
    char why[200];
    cr_err err = CR_ERR_INIT;
    g->hub = hub;
    hub->config = &k;
    good(cr_group_limits_read("course 2026 cores=3 clusters=2 ; vo.example.org:team memory=4G", g->limits, &g->n_limits, NULL));
    ck_assert_int_eq(g->n_limits, 2);
    ck_assert_str_eq(g->limits[0].group, "course 2026");
    ck_assert_str_eq(g->limits[1].group, "vo.example.org:team");
    b.user_id = 2;
    b.count = 2;
    a.next = &b;
    g->clusters = &a;
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 1);      /* 3 cores less those of the other person */
    ck_assert_str_eq(why, "3 cores for the people of group course 2026 together");
    b.groups = 2;                         /* the other one is not in that group */
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 3);
    a.groups = 3;                         /* both limits hold: 4 GiB less two schedulers and two workers */
    ck_assert_int_eq(cr_cluster_allowed(&a, 50, why, sizeof why), 0);
    ck_assert_ptr_nonnull(strstr(why, "4.0 GiB of memory for the people of group vo.example.org:team together, schedulers counted"));
    ck_assert_int_eq(cr_cluster_may_begin(g, 3, 2, &err), CR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "the clusters of group vo.example.org:team have 4.0 GiB of the 4.0 GiB"));
    good(cr_cluster_may_begin(g, 3, 0, NULL));
    good(cr_cluster_may_begin(g, 3, 1, NULL));
    b.groups = 1;
    ck_assert_int_eq(cr_cluster_may_begin(g, 3, 1, &err), CR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "the people of group course 2026 have 2 clusters, and 2 are allowed"));
    free(g);
    free(hub);
}
END_TEST

START_TEST(a_wrong_limit_of_a_group_is_refused) {
    static const char *const bad[] = {"course", "cores=4", " cores=4", "course cores=x", "course cores=-1", "course memory=1Q", "course cores=1; course workers=2",
                                      "course cores=1;other", "a\tb cores=1"};
    cr_group_limit limits[CR_GROUP_LIMITS_MAX];
    int n;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(cr_group_limits_read(bad[i], limits, &n, NULL) != CR_OK, "%s", bad[i]);
    good(cr_group_limits_read("", limits, &n, NULL));
    ck_assert_int_eq(n, 0);
    good(cr_group_limits_read("a b=c cores=1;", limits, &n, NULL));
    ck_assert_str_eq(limits[0].group, "a b=c");
    ck_assert(limits[0].most.clusters == INT64_MAX && limits[0].most.memory_bytes == UINT64_MAX);
}
END_TEST

/* A scheduler that calls its workers closing, again and again, gets no others before they have gone. */
START_TEST(who_is_going_takes_a_place) {
    const cr_config k = config();
    cr_hub *hub = calloc(1, sizeof *hub);
    cr_gateway g = {.hub = hub};
    cr_cluster c = {.gateway = &g, .user_id = 1, .choice = {.cores = 1, .memory_bytes = (uint64_t)1 << 30}, .status = CR_CLUSTER_RUNNING, .count = 5};
    cr_cluster_worker w[6];
    hub->config = &k;
    g.clusters = &c;
    ck_assert_int_eq(cr_cluster_room(&c), 5);
    for (int i = 0; i < 6; i++) {
        w[i] = (cr_cluster_worker){.next = c.workers, .cluster = &c, .number = (uint32_t)i + 1, .state = CR_WORKER_CLOSING};
        c.workers = &w[i];
        ck_assert_int_eq(cr_cluster_room(&c), CR_MAX(4 - i, 0));
    }
    ck_assert_int_eq(cr_cluster_live_workers(&c), 0);
    free(hub);
}
END_TEST

/* ---- the helper's message ---- */

static cr_msg scheduler(void) {
    cr_msg m;
    cr_certificate c;
    cr_msg_init(&m, CR_MSG_START);
    cr_msg_start *s = &m.as_cr_msg_start;
    strcpy(s->id.account, "ada");
    strcpy(s->id.server, "dask-5");
    s->id.generation = 7;
    strcpy(s->user, "ada");
    memset(s->token, 'a', CR_RUNNER_TOKEN_LEN);
    s->dask.role = CR_ROLE_SCHEDULER;
    s->dask.cluster = 5;
    s->dask.idle_s = 1800;
    memset(s->dask.name, 'b', CR_CLUSTER_NAME_LEN);
    good(cr_certificate_make(s->dask.name, cr_wall_ms(), &c, NULL));
    strcpy(s->dask.cert, c.cert);
    strcpy(s->dask.key, c.key);
    return m;
}

static cr_status check(const cr_msg *m) { return cr_msg_check(m, cr_msg_size(m), true, NULL); }

START_TEST(a_schedulers_start_is_checked) {
    cr_msg m = scheduler();
    cr_dask_start *d = &m.as_cr_msg_start.dask;
    good(check(&m));
    m = scheduler(); strcpy(m.as_cr_msg_start.id.server, "lab");   ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->role = 3;                    ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->role = CR_ROLE_LAB;          ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->cluster = 0;                 ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->worker = 1;                  ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->name[3] = '/';               ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->name[31] = 0;                ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->cert[0] = 0;                 ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->key[40] = '$';               ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); strcat(d->key, "x");            ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->key[sizeof d->key - 1] = 1;  ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); strcpy(d->environment, "A=b\n");          good(check(&m));
    m = scheduler(); strcpy(d->environment, "PATH=/tmp\n");    ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); d->environment[sizeof d->environment - 1] = 1; ck_assert_int_ne(check(&m), CR_OK);
    m = scheduler(); m.as_cr_msg_start.disk_bytes = 1 << 30;   good(check(&m));       /* whoever has clusters and no server has a limit too */
}
END_TEST

START_TEST(a_workers_start_is_checked) {
    cr_msg right = scheduler(), m;
    cr_dask_start *d = &m.as_cr_msg_start.dask;
    memset(right.as_cr_msg_start.dask.cert, 0, sizeof d->cert);
    memset(right.as_cr_msg_start.dask.key, 0, sizeof d->key);
    right.as_cr_msg_start.dask.role = CR_ROLE_WORKER;
    right.as_cr_msg_start.dask.idle_s = 0;
    right.as_cr_msg_start.dask.worker = 1;
    right.as_cr_msg_start.dask.threads = 2;
    right.as_cr_msg_start.dask.scheduler_port = 40000;
    good(check(&right));
    m = right; d->worker = 0;              ck_assert_int_ne(check(&m), CR_OK);
    m = right; d->threads = 0;             ck_assert_int_ne(check(&m), CR_OK);
    m = right; d->threads = 1025;          ck_assert_int_ne(check(&m), CR_OK);
    m = right; d->scheduler_port = 1023;   ck_assert_int_ne(check(&m), CR_OK);
    m = right; d->scheduler_port = 65536;  ck_assert_int_ne(check(&m), CR_OK);
    m = right; d->key[0] = 'x';            ck_assert_int_ne(check(&m), CR_OK);
    m = right; d->role = CR_ROLE_LAB;      ck_assert_int_ne(check(&m), CR_OK);
    m = right; m.as_cr_msg_start.disk_bytes = 1;   ck_assert_int_ne(check(&m), CR_OK);
}
END_TEST

/* ---- who is calling, and from where ---- */

#define T16 "0123456789abcdef"
#define TOKEN T16 T16 T16 T16

START_TEST(name_and_token_are_read) {
    cr_basic b;
    cr_person ada = {.name = "ada", .account = "ada-2"};
    const char *right = "Basic YWRhOjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    ck_assert(cr_basic_read(right, &b));
    ck_assert_str_eq(b.name, "ada");
    ck_assert_str_eq(b.token, TOKEN);
    ck_assert(cr_basic_is_name_of(&b, &ada));
    strcpy(b.name, "ada-2");       /* what BasicAuth() finds in a notebook */
    ck_assert(cr_basic_is_name_of(&b, &ada));
    strcpy(b.name, "Ada");         /* as people type it at the hub */
    ck_assert(cr_basic_is_name_of(&b, &ada));
    strcpy(b.name, "ad");
    ck_assert(!cr_basic_is_name_of(&b, &ada));
    static const char *const wrong[] = {
        "", "Basic", "Basic ", "Basic *", "Basic YWRh", "Basic YWRhOg==", "Basic Og==", "Basi YWRhOg==", "Bearer " TOKEN,
        /* without a name; 63 digits; 65; the name has a NUL in it; the name has 65 letters */
        "Basic OjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "Basic YWRhOjEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==",
        "Basic YWRhOjAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm",
        "Basic YQBhOjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "Basic YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlh"
        "YmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++)
        ck_assert_msg(!cr_basic_read(wrong[i], &b), "%s", wrong[i]);
    ck_assert(!cr_basic_read(NULL, &b) && !cr_is_basic(NULL));
}
END_TEST

START_TEST(paths_of_dashboards) {
    static const char *const right[] = {"/services/dask-gateway/clusters/a/status", "/services/dask-gateway/clusters/a/x?y=1&z=%20"};
    static const char *const wrong[] = {"", "/", "//evil.example/services/dask-gateway/clusters/a", "/user/ada/", "/services/dask-gateway/enter", "/services/dask-gateway/clusters",
                                        "/services/dask-gateway/clusters/a\\b", "/services/dask-gateway/clusters/a\r\nb", "/services/dask-gateway/clusters/a b",
                                        "/services/dask-gateway/clusters/a\x7f", "/services/dask-gateway/clusters/\xc3\xa4", "/services/dask-gateway/clusters/a\"b"};
    char long_one[CR_HTTP_TARGET_MAX];
    for (size_t i = 0; i < CR_ARRAY_LEN(right); i++)
        ck_assert_msg(cr_dashboard_path_is_right(right[i]), "%s", right[i]);
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++)
        ck_assert_msg(!cr_dashboard_path_is_right(wrong[i]), "%s", wrong[i]);
    memset(long_one, 'a', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = 0;
    memcpy(long_one, right[0], strlen(right[0]));
    ck_assert(!cr_dashboard_path_is_right(long_one) && !cr_dashboard_path_is_right(NULL));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gateway");
    TCase *t = tcase_create("gateway");
    tcase_add_test(t, options_are_completed);
    tcase_add_test(t, what_is_not_an_option_is_refused);
    tcase_add_test(t, a_refusal_says_what_would_do);
    tcase_add_test(t, an_environment_becomes_lines);
    tcase_add_test(t, the_helper_believes_no_environment);
    tcase_add_test(t, defaults_are_within_the_bounds);
    tcase_add_test(t, a_heartbeat_is_read);
    tcase_add_test(t, a_heartbeat_may_say_how_long_there_was_no_work);
    tcase_add_test(t, a_wrong_heartbeat_is_refused);
    tcase_add_test(t, a_certificate_is_its_own_authority);
    tcase_add_test(t, owner_of_a_port);
    tcase_add_test(t, pythons_version_is_in_the_agent);
    tcase_add_test(t, versions_of_another_environment_are_in_the_address);
    tcase_add_test(t, limits_of_one_person);
    tcase_add_test(t, limits_of_one_cluster);
    tcase_add_test(t, when_a_cluster_without_work_ends);
    tcase_add_test(t, what_is_kept_moves_with_the_clock);
    tcase_add_test(t, limits_of_a_group_are_shared);
    tcase_add_test(t, a_wrong_limit_of_a_group_is_refused);
    tcase_add_test(t, who_is_going_takes_a_place);
    tcase_add_test(t, name_and_token_are_read);
    tcase_add_test(t, paths_of_dashboards);
    tcase_add_test(t, a_schedulers_start_is_checked);
    tcase_add_test(t, a_workers_start_is_checked);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
