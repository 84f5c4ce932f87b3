/* Settings: where they come from, what is refused. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "platform/daemon/config.h"
#include "platform/daemon/haproxy_config.h"
#include "platform/daemon/urls.h"

static char dir[64];

static void make_dir(void) {
    scratch_make(dir, "test");
}

static void write_config(const char *text, mode_t mode) {
    char path[128];
    snprintf(path, sizeof path, "%s/config", dir);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    chmod(path, mode);
}

static void remove_dir(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/config", dir);
    unlink(path);
    rmdir(dir);
}

static cr_status load(cr_config *c, cr_err *err, const char *a, const char *b, const char *d, const char *e) {
    char *argv[] = {"cratond", "--state", dir, (char *)a, (char *)b, (char *)d, (char *)e, NULL};
    int argc = 3;
    while (argv[argc])
        argc++;
    return cr_config_load(NULL, argc, argv, c, err);
}

START_TEST(argv_wins_over_file_over_default) {
    cr_err err = CR_ERR_INIT;
    cr_config c;
    write_config("# comment\n port = 9000 \n\nmemory = 512M\ncpu = 1.5\npreimport = no\n", 0600);
    ck_assert_ok(load(&c, &err, "--port", "9100", NULL, NULL));
    ck_assert_int_eq(c.port, 9100);
    ck_assert_uint_eq(c.memory_bytes, 512u << 20);
    ck_assert_int_eq(c.cpu_milli, 1500);
    ck_assert(!c.preimport);
    ck_assert_str_eq(c.bind, "127.0.0.1");
    ck_assert_str_eq(c.state_dir, dir);
}
END_TEST

START_TEST(room_is_made_from_memory_and_machine) {
    cr_err err = CR_ERR_INIT;
    cr_config c;
    write_config("memory = 512M\n", 0600);
    ck_assert_ok(load(&c, &err, NULL, NULL, NULL, NULL));
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    ck_assert_uint_eq(c.guarantee_bytes, 64u << 20);
    ck_assert_uint_gt(c.room_bytes, 0);
    ck_assert_uint_le(c.room_bytes, machine - machine / 10);
    ck_assert_int_ge(c.starts, 8);
    ck_assert_int_eq(c.idle_s, 3600);
    ck_assert_int_eq(c.age_s, 0);
    /* What is given counts, and nothing is counted with more than its limit. */
    ck_assert_ok(load(&c, &err, "--room", "100M", "--guarantee", "4G"));
    ck_assert_uint_eq(c.room_bytes, 100u << 20);
    ck_assert_uint_eq(c.guarantee_bytes, c.memory_bytes);
}
END_TEST

START_TEST(file_mistakes_name_file_and_line) {
    static const struct { const char *text, *expect; } cases[] = {
        {"port = 1\nprot = 3\n", "line 2: there is no setting 'prot'; did you mean 'port'?"},
        {"port 3\n", "line 1: 'port 3' is not of the form key = value"},
        {"port = many\n", "line 1: port"},
        {"state = /elsewhere\n", "cannot move the state directory"},
        {"memory = 12M\n", "least useful size"},
        {"preimport = maybe\n", "neither yes nor no"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        cr_err err = CR_ERR_INIT;
        cr_config c;
        write_config(cases[i].text, 0600);
        ck_assert_int_ne(load(&c, &err, NULL, NULL, NULL, NULL), CR_OK);
        ck_assert_msg(strstr(err.message, cases[i].expect) != NULL, "%s: %s", cases[i].text, err.message);
    }
}
END_TEST

START_TEST(the_port_of_schedulers_is_its_own) {
    static const char *const taken[] = {"9000", "9001", "9002"};
    cr_config c;
    write_config("port = 9000\n", 0600);
    for (size_t i = 0; i < CR_ARRAY_LEN(taken); i++) {
        cr_err err = CR_ERR_INIT;
        ck_assert_fails(load(&c, &err, "--gateway-port", taken[i], NULL, NULL), CR_INVALID);
        ck_assert_msg(strstr(err.message, "one of the three ports from 9000 on"), "%s", err.message);
    }
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(load(&c, &err, "--gateway-port", "9003", NULL, NULL));
}
END_TEST

START_TEST(file_that_others_can_write_is_refused) {
    cr_err err = CR_ERR_INIT;
    cr_config c;
    write_config("port = 9000\n", 0666);
    ck_assert_fails(load(&c, &err, NULL, NULL, NULL, NULL), CR_DENIED);
}
END_TEST

START_TEST(values_are_checked) {
    static const struct { const char *key, *value; cr_status expect; } cases[] = {
        {"port", "0", CR_RANGE}, {"port", "65534", CR_RANGE}, {"port", "80 ", CR_INVALID}, {"port", "80", CR_OK},
        {"bind", "localhost", CR_INVALID}, {"bind", "::1", CR_OK}, {"bind", "", CR_INVALID},
        {"state", "relative", CR_INVALID}, {"state", "/a/../b", CR_INVALID}, {"state", "/a b", CR_INVALID}, {"state", "/a\"b", CR_INVALID},
        {"state", "/a\nb", CR_INVALID}, {"domain", "Hub.Example", CR_INVALID}, {"domain", "hub..org", CR_INVALID}, {"domain", "-a.org", CR_INVALID},
        {"domain", "hub.example.org", CR_OK}, {"behind-proxy", "10.0.0.0/8,192.168.1.1", CR_OK}, {"behind-proxy", "10.0.0.0/33", CR_INVALID},
        {"behind-proxy", "10.0.0.0/8 ", CR_INVALID}, {"cpu", "-1", CR_INVALID}, {"cpu", "nan", CR_INVALID}, {"cpu", "0.25", CR_OK},
        {"account-prefix", "cr-", CR_OK}, {"account-prefix", "Cr", CR_INVALID}, {"account-prefix", "a:b", CR_INVALID},
        {"uid-first", "0", CR_RANGE}, {"nonsense", "1", CR_INVALID},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        cr_err err = CR_ERR_INIT;
        cr_config c = {0};
        cr_status got = cr_config_set(&c, cases[i].key, cases[i].value, &err);
        ck_assert_msg(got == cases[i].expect || (cases[i].expect == CR_RANGE && got == CR_INVALID), "%s=%s gave %s: %s", cases[i].key,
                      cases[i].value, cr_status_name(got), err.message);
    }
    char huge[2048];
    memset(huge, 'a', sizeof huge - 1);
    huge[0] = '/';
    huge[sizeof huge - 1] = 0;
    cr_err err = CR_ERR_INIT;
    cr_config c = {0};
    ck_assert_fails(cr_config_set(&c, "state", huge, &err), CR_LIMIT);
}
END_TEST

/* The rules between values, on a record that is right as root with TLS and a domain. */
static cr_config public_config(void) {
    cr_config c;
    memset(&c, 0, sizeof c);
    c.as_root = true;
    c.port = 443;
    strcpy(c.bind, "0.0.0.0");
    strcpy(c.domain, "hub.example.org");
    strcpy(c.tls_cert, "/etc/cert");
    strcpy(c.tls_key, "/etc/key");
    strcpy(c.state_dir, "/var/lib/craton");
    strcpy(c.run_dir, "/run/craton");
    strcpy(c.prefix, "/opt/craton");
    return c;
}

START_TEST(a_public_address_needs_tls_and_a_domain) {
    cr_err err = CR_ERR_INIT;
    cr_config c = public_config();
    ck_assert_ok(cr_config_check(&c, &err));
    c.tls_cert[0] = c.tls_key[0] = 0;
    ck_assert_fails(cr_config_check(&c, &err), CR_DENIED);
    ck_assert_ptr_nonnull(strstr(err.hint, "--behind-proxy"));
    strcpy(c.trusted_proxies, "10.0.0.0/8");
    ck_assert_ok(cr_config_check(&c, &err));
    c.domain[0] = 0;
    ck_assert_fails(cr_config_check(&c, &err), CR_INVALID);
    c = public_config();
    c.tls_key[0] = 0;
    ck_assert_fails(cr_config_check(&c, &err), CR_INVALID);
    c = public_config();
    c.as_root = false;
    ck_assert_fails(cr_config_check(&c, &err), CR_DENIED);
    c = public_config();
    memset(c.run_dir, 'r', 60);
    c.run_dir[0] = '/';
    ck_assert_fails(cr_config_check(&c, &err), CR_LIMIT);
}
END_TEST

START_TEST(addresses_of_the_three_forms) {
    char buf[CR_URL_MAX];
    cr_config c = public_config();
    ck_assert_str_eq(cr_url_hub_origin(&c, buf, sizeof buf), "https://hub.example.org");
    ck_assert_str_eq(cr_url_user_origin(&c, "ada", buf, sizeof buf), "https://ada.hub.example.org:444");
    c.tls_cert[0] = c.tls_key[0] = 0;
    strcpy(c.trusted_proxies, "10.0.0.0/8");
    c.port = 8000;
    ck_assert_str_eq(cr_url_hub_origin(&c, buf, sizeof buf), "https://hub.example.org");
    ck_assert_str_eq(cr_url_user_origin(&c, "ada", buf, sizeof buf), "https://ada.hub.example.org");
    c.trusted_proxies[0] = c.domain[0] = 0;
    strcpy(c.bind, "127.0.0.1");
    ck_assert_str_eq(cr_url_hub_origin(&c, buf, sizeof buf), "http://127.0.0.1:8000");
    ck_assert_str_eq(cr_url_user_origin(&c, "ada", buf, sizeof buf), "http://ada.localhost:8001");
    ck_assert_str_eq(cr_url_api(&c, buf, sizeof buf), "http://127.0.0.1:8002/hub/api");
    ck_assert_str_eq(cr_url_callback(&c, "ada", "Ada L", "gpu", buf, sizeof buf), "http://ada.localhost:8001/user/Ada%20L/gpu/oauth_callback");
    ck_assert_str_eq(cr_url_prefix(&c, "zo\xC3\xAB@x", "", buf, sizeof buf), "/user/zo%C3%AB@x/");
    ck_assert_str_eq(cr_proxy_address(&c, "ada.7", buf, sizeof buf), "unix@/ada.7");
    c.as_root = false;
    ck_assert_str_eq(cr_proxy_address(&c, "ada.7", buf, sizeof buf), "unix@/run/craton/route/ada.7");
    strcpy(c.bind, "::1");
    ck_assert_str_eq(cr_url_hub_origin(&c, buf, sizeof buf), "http://[::1]:8000");
    ck_assert_str_eq(cr_url_hub_origin(&c, buf, 10), "");
    ck_assert_str_eq(cr_url_hub(&c, buf, sizeof buf), "http://[::1]:8000");
}
END_TEST

START_TEST(addresses_below_a_base) {
    char buf[CR_URL_MAX];
    cr_config c = public_config();
    strcpy(c.base_url, "/earth/lab");
    ck_assert_str_eq(cr_url_hub_origin(&c, buf, sizeof buf), "https://hub.example.org");
    ck_assert_str_eq(cr_url_hub(&c, buf, sizeof buf), "https://hub.example.org/earth/lab");
    ck_assert_str_eq(cr_url_prefix(&c, "ada", "", buf, sizeof buf), "/earth/lab/user/ada/");
    ck_assert_str_eq(cr_url_prefix(&c, "ada", "gpu", buf, sizeof buf), "/earth/lab/user/ada/gpu/");
    ck_assert_str_eq(cr_url_callback(&c, "ada", "ada", "", buf, sizeof buf), "https://ada.hub.example.org:444/earth/lab/user/ada/oauth_callback");
    ck_assert_str_eq(cr_url_api(&c, buf, sizeof buf), "http://127.0.0.1:445/earth/lab/hub/api");
    ck_assert_str_eq(cr_url_gateway(&c, buf, sizeof buf), "http://127.0.0.1:445/earth/lab/services/dask-gateway");
    ck_assert_str_eq(cr_url_dashboards(&c, "ada", buf, sizeof buf), "https://ada.hub.example.org:444/earth/lab/services/dask-gateway");
}
END_TEST

START_TEST(a_base_is_a_plain_path) {
    static const struct { const char *given, *kept; } good[] = {
        {"/", ""}, {"", ""}, {"/craton", "/craton"}, {"/craton/", "/craton"}, {"/earth/lab.v2/", "/earth/lab.v2"}, {"/hubs/", "/hubs"}, {"/a-b_c~/", "/a-b_c~"},
    };
    static const char *const bad[] = {"craton", "craton/", "//", "/a//b", "/../a", "/a/..", "/.a", "/hub", "/hub/x", "/user/", "/services/x", "/a b", "/a?b", "/a%20",
                                      "/a\"b", "/a'b", "/a#b", "/a\\b", "/\xC3\xA9", "http://a/b"};
    cr_err err = CR_ERR_INIT;
    cr_config c;
    for (size_t i = 0; i < CR_ARRAY_LEN(good); i++) {
        c = public_config();
        ck_assert_ok(cr_config_set(&c, "base-url", good[i].given, &err));
        ck_assert_str_eq(c.base_url, good[i].kept);
        ck_assert_ok(cr_config_check(&c, &err));
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert_fails(cr_config_set(&c, "base-url", bad[i], &err), CR_INVALID);
        ck_assert_msg(strstr(err.message, "is not a path such as /craton/"), "%s", err.message);
    }
    c = public_config();
    strcpy(c.base_url, "/a/");      /* a record that did not come through cr_config_set */
    ck_assert_fails(cr_config_check(&c, &err), CR_INVALID);
    char longest[200];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = 0;
    ck_assert_fails(cr_config_set(&c, "base-url", longest, &err), CR_LIMIT);
}
END_TEST

START_TEST(client_ids_of_two_servers_differ) {
    char a[CR_URL_MAX], b[CR_URL_MAX];
    ck_assert_str_ne(cr_url_client_id("a-b", "", a, sizeof a), cr_url_client_id("a", "b", b, sizeof b));
    ck_assert_str_eq(cr_url_client_id("ada", "", a, sizeof a), "jupyterhub-user-ada");
}
END_TEST

/* The lines on which isolation rests must not get lost. */
START_TEST(haproxy_text_keeps_its_promises) {
    static const char *const must[] = {
        "chroot /run/craton/route\n", "user craton-proxy\n", "mode 600 user craton level admin\n", "use-server %[var(txn.route)] if TRUE\n",
        "http-request return status 421", "del-header Service-Worker-Allowed", "replace-header Set-Cookie", "ssl crt /run/craton/tls.pem",
        "bind ipv4@127.0.0.1:445\n", "concat(.hub.example.org:444)", "server hub unix@/api maxconn 1024 ", "timeout tunnel 24h\n",
        "http-request wait-for-body time 10s if !routed\n", "acl by_token req.fhdr(authorization),lower -m beg \"token \" \"bearer \"\n",
        "path,map_beg(/run/craton/routes.map) if by_token !browser { path_beg /user/ }\n", "set-header Content-Security-Policy sandbox if routed\n", "src,ipmask(32,64) table hub_connections\n", "tcp-request connection reject if { sc0_conn_cur gt 1200 }\n",
        "req.hdr_ip(x-forwarded-for),ipmask(32,64) table hub_requests\n", "use_backend hub_events if { path_end /server/progress } or { path_beg /services/dask-gateway/ } { query -m found }",
        "use_backend hub_events if { path_end /server/progress } or gateway { query -m found } or gateway { path_end /scale /adapt }\n", "{ query -m reg ^([^&]*&){200} }",
        "default_backend hub_api\n", "acl known var(txn.holder),table_gpt0(api_tokens) eq 1\n",
        "req.fhdr(authorization),word(-1,' '),sha2(256)", "if { req.fhdr_cnt(authorization) gt 1 }\n", "http-response del-header X-Craton-Holder\n",
    };
    cr_err err = CR_ERR_INIT;
    cr_config c = public_config();
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 1 << 20);
    ck_assert_ok(cr_haproxy_config(&c, 20000, &text, &err));
    for (size_t i = 0; i < CR_ARRAY_LEN(must); i++)
        ck_assert_msg(strstr(text.data, must[i]) != NULL, "missing: %s", must[i]);
    ck_assert_ptr_null(strstr(text.data, "redispatch"));
    ck_assert_ptr_null(strstr(text.data, "frontend front"));
    ck_assert_ptr_null(strstr(text.data, "dashboard"));
    c.gateway = true;
    cr_buf_clear(&text);
    ck_assert_ok(cr_haproxy_config(&c, 20000, &text, &err));
    ck_assert_ptr_nonnull(strstr(text.data, "tcp-request content reject if { sc1_conn_cur gt 64 }\n"));    /* to one scheduler */
    ck_assert_ptr_nonnull(strstr(text.data, "maxconn 9750\n"));
    static const char *const dashboards[] = {
        "concat(.hub.example.org:444) if dashboard { var(txn.owner) -m found }\n", "\"wrong host\" if dashboard { var(txn.owner) -m found } !right_host\n",
        "acl may_look var(txn.viewer),strcmp(txn.owner) eq 0\n", "str(https://),concat(,txn.host,) if dashboard\n",
        "if dashboard { req.hdr(origin) -m found } !from_here or dashboard from_elsewhere !navigation", "use_backend dashboards if dashboard may_look\n",
        "redirect location https://hub.example.org/hub/dashboard%[pathq] code 302 if dashboard !may_look navigation\n", "{ sc2_conn_cur(dashboards) gt 64 }",
        "craton-.* x-refused=1;Max-Age=0;Path=/x-refused if !{ var(txn.entering) -m found }\n",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(dashboards); i++)
        ck_assert_msg(strstr(text.data, dashboards[i]) != NULL, "missing: %s", dashboards[i]);
    /* The cookie is looked at before it is taken out. */
    ck_assert(strstr(text.data, "req.cook(craton-dashboard)") < strstr(text.data, "http-request replace-header Cookie"));
    c.as_root = false;
    cr_buf_clear(&text);
    ck_assert_ok(cr_haproxy_config(&c, 20000, &text, &err));
    ck_assert_ptr_null(strstr(text.data, "chroot"));
    /* Connections of a trusted proxy belong to many people; the limit of requests goes by the forwarded address. */
    c = public_config();
    c.tls_cert[0] = c.tls_key[0] = 0;
    strcpy(c.trusted_proxies, "10.0.0.0/8,fd00::/8");
    cr_buf_clear(&text);
    ck_assert_ok(cr_haproxy_config(&c, 20000, &text, &err));
    ck_assert_ptr_nonnull(strstr(text.data, "acl from_proxy src 10.0.0.0/8 fd00::/8\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "table hub_connections if !from_proxy\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "http-request deny deny_status 403 if !from_proxy\n"));
    /* With few descriptors the doors together still let through less than the hub can hold. */
    cr_buf_clear(&text);
    ck_assert_ok(cr_haproxy_config(&c, 1024, &text, &err));
    ck_assert_ptr_nonnull(strstr(text.data, "maxconn 65 pool-max-conn"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("daemon_config");
    TCase *files = tcase_create("files"), *values = tcase_create("values");
    tcase_add_checked_fixture(files, make_dir, remove_dir);
    tcase_add_test(files, argv_wins_over_file_over_default);
    tcase_add_test(files, room_is_made_from_memory_and_machine);
    tcase_add_test(files, file_mistakes_name_file_and_line);
    tcase_add_test(files, the_port_of_schedulers_is_its_own);
    tcase_add_test(files, file_that_others_can_write_is_refused);
    tcase_add_test(values, values_are_checked);
    tcase_add_test(values, a_public_address_needs_tls_and_a_domain);
    tcase_add_test(values, addresses_of_the_three_forms);
    tcase_add_test(values, addresses_below_a_base);
    tcase_add_test(values, a_base_is_a_plain_path);
    tcase_add_test(values, client_ids_of_two_servers_differ);
    tcase_add_test(values, haproxy_text_keeps_its_promises);
    suite_add_tcase(s, files);
    suite_add_tcase(s, values);
    return s;
}

CHECK_MAIN(suite())
