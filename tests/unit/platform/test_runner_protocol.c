/* What crosses the boundaries inside: packets between hub and helper, the helper's files, answers of HAProxy and of user servers. */
#include "../check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "platform/hub/probe.h"
#include "platform/proxy/proxy_text.h"
#include "platform/runner/account.h"
#include "platform/runner/group_folder.h"
#include "platform/runner/protocol.h"
#include "platform/runner/record.h"

static cr_msg good_start(void) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_START);
    strcpy(m.as_cr_msg_start.id.account, "ada");
    strcpy(m.as_cr_msg_start.id.server, "gpu");
    m.as_cr_msg_start.id.generation = 7;
    strcpy(m.as_cr_msg_start.user, "Ada Lovelace");
    memset(m.as_cr_msg_start.token, 'a', CR_RUNNER_TOKEN_LEN);
    m.as_cr_msg_start.limits = (cr_server_limits){1 << 30, 1500, 256};
    return m;
}

static cr_status check(const cr_msg *m) { return cr_msg_check(m, cr_msg_size(m), true, NULL); }

START_TEST(a_good_start_passes) {
    cr_err err = CR_ERR_INIT;
    cr_msg m = good_start();
    ck_assert_ok(cr_msg_check(&m, cr_msg_size(&m), true, &err));
    m.as_cr_msg_start.id.server[0] = 0;
    memset(m.as_cr_msg_start.id.server, 0, sizeof m.as_cr_msg_start.id.server);
    ck_assert_ok(cr_msg_check(&m, cr_msg_size(&m), true, &err));
}
END_TEST

START_TEST(length_side_and_version_are_checked) {
    cr_msg m = good_start();
    for (size_t n = 0; n < sizeof m + 1; n++)
        if (n != cr_msg_size(&m))
            ck_assert_int_ne(cr_msg_check(&m, n < sizeof m ? n : sizeof m, true, NULL), CR_OK);
    ck_assert_int_ne(cr_msg_check(&m, cr_msg_size(&m), false, NULL), CR_OK);   /* START does not come from the helper */
    m.head.magic ^= 1;
    ck_assert_int_ne(check(&m), CR_OK);
    for (uint32_t kind = CR_MSG_COUNT; kind < CR_MSG_COUNT + 3; kind++) {
        m = good_start();
        m.head.kind = kind;
        ck_assert_int_ne(cr_msg_check(&m, sizeof(cr_msg_start), true, NULL), CR_OK);
    }
    cr_msg_init(&m, CR_MSG_EVENT);
    ck_assert_int_ne(cr_msg_check(&m, cr_msg_size(&m), true, NULL), CR_OK);    /* nor EVENT from the hub */
    cr_msg_init(&m, CR_MSG_CONFIG);
    ck_assert_int_ne(cr_msg_check(&m, cr_msg_size(&m), true, NULL), CR_OK);    /* above all not the settings */
}
END_TEST

START_TEST(names_are_checked) {
    static const char *const bad[] = {"", "A", "1a", "-a", "a-", "a_b", "a.b", "../x", "a/b", "a b", "\xC3\xA9", "root\n"};
    static const char *const logs[] = {"cratond", "haproxy", "up"};   /* ACCOUNT.log would be the platform's, and then the account's */
    for (size_t i = 0; i < CR_ARRAY_LEN(logs); i++) {
        cr_msg m = good_start();
        strcpy(m.as_cr_msg_start.id.account, logs[i]);
        ck_assert_msg(check(&m) != CR_OK, "account '%s' passed", logs[i]);
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        cr_msg m = good_start();
        memset(m.as_cr_msg_start.id.account, 0, sizeof m.as_cr_msg_start.id.account);
        strcpy(m.as_cr_msg_start.id.account, bad[i]);
        ck_assert_msg(check(&m) != CR_OK, "account '%s' passed", bad[i]);
        if (!bad[i][0])
            continue;
        m = good_start();
        memset(m.as_cr_msg_start.id.server, 0, sizeof m.as_cr_msg_start.id.server);
        strcpy(m.as_cr_msg_start.id.server, bad[i]);
        ck_assert_msg(check(&m) != CR_OK, "server '%s' passed", bad[i]);
    }
    ck_assert(cr_account_is_valid("abcdefghijabcdefghijabcdefghijab"));
    ck_assert(!cr_account_is_valid("abcdefghijabcdefghijabcdefghijabc"));
}
END_TEST

START_TEST(users_are_checked) {
    static const char *const bad[] = {"", ".", "..", "a/b", "a\nb", "\x7F", "\xFF\xFE", "\xC2\x85"};
    static const char *const fine[] = {"ada", "Ada Lovelace", "zo\xC3\xAB", "a@b.org", "\xF0\x9F\x8C\x8D", "%2F", "$(id)"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        cr_msg m = good_start();
        memset(m.as_cr_msg_start.user, 0, sizeof m.as_cr_msg_start.user);
        strcpy(m.as_cr_msg_start.user, bad[i]);
        ck_assert_msg(check(&m) != CR_OK, "user %zu passed", i);
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(fine); i++) {
        cr_msg m = good_start();
        memset(m.as_cr_msg_start.user, 0, sizeof m.as_cr_msg_start.user);
        strcpy(m.as_cr_msg_start.user, fine[i]);
        ck_assert_msg(check(&m) == CR_OK, "user '%s' refused", fine[i]);
    }
}
END_TEST

/* A text without its end, or with bytes hidden behind it. */
START_TEST(texts_end_inside_their_fields) {
    cr_msg m = good_start();
    memset(m.as_cr_msg_start.id.account, 'a', sizeof m.as_cr_msg_start.id.account);
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.id.account[20] = 'x';
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    memset(m.as_cr_msg_start.user, 'a', sizeof m.as_cr_msg_start.user);
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.user[200] = 'x';
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.token[CR_RUNNER_TOKEN_LEN] = 'a';
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.token[3] = 'G';
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.token[CR_RUNNER_TOKEN_LEN - 1] = 0;
    ck_assert_int_ne(check(&m), CR_OK);
}
END_TEST

START_TEST(numbers_are_in_range) {
    cr_msg m = good_start();
    m.as_cr_msg_start.id.generation = 0;
    ck_assert_int_ne(check(&m), CR_OK);
    m.as_cr_msg_start.id.generation = UINT64_MAX;
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.limits.memory_bytes = UINT64_MAX;
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.limits.pids = UINT32_MAX;
    ck_assert_int_ne(check(&m), CR_OK);
    cr_msg_init(&m, CR_MSG_STOP);
    strcpy(m.as_cr_msg_stop.id.account, "ada");
    m.as_cr_msg_stop.id.generation = 1;
    ck_assert_int_eq(check(&m), CR_OK);
    m.as_cr_msg_stop.grace_ms = CR_GRACE_MAX_MS + 1;
    ck_assert_int_ne(check(&m), CR_OK);
    cr_msg_init(&m, CR_MSG_REMOVE_ACCOUNT);
    strcpy(m.as_cr_msg_remove.account, "ada");
    ck_assert_int_eq(check(&m), CR_OK);
    m.as_cr_msg_remove.purge = 2;
    ck_assert_int_ne(check(&m), CR_OK);
    cr_msg_init(&m, CR_MSG_MEASURE);
    strcpy(m.as_cr_msg_measure.account, "ada");
    ck_assert_int_eq(check(&m), CR_OK);
    strcpy(m.as_cr_msg_measure.account, "../ada");
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.cleaning = 1;
    m.as_cr_msg_start.folders = (1u << CR_FOLDERS_MAX) - 1;
    ck_assert_int_eq(check(&m), CR_OK);
    m.as_cr_msg_start.cleaning = 2;
    ck_assert_int_ne(check(&m), CR_OK);
    m = good_start();
    m.as_cr_msg_start.folders = 1u << CR_FOLDERS_MAX;
    ck_assert_int_ne(check(&m), CR_OK);
}
END_TEST

/* Any single byte changed: the checks may pass or refuse, but what passes keeps the promises that paths are made from. */
START_TEST(no_byte_smuggles_a_path) {
    cr_msg base = good_start();
    for (size_t i = 0; i < sizeof(cr_msg_start); i++) {
        /* The long texts are at the end; in these each value is put into every 13th byte. */
        int step = i < 1024 ? 1 : 13;
        for (int v = (int)i % step; v < 256; v += step) {
            cr_msg m = base;
            ((unsigned char *)&m)[i] = (unsigned char)v;
            if (cr_msg_check(&m, sizeof(cr_msg_start), true, NULL) != CR_OK)
                continue;
            ck_assert(cr_account_is_valid(m.as_cr_msg_start.id.account));
            ck_assert(cr_server_name_is_valid(m.as_cr_msg_start.id.server));
            ck_assert_ptr_null(strchr(m.as_cr_msg_start.user, '/'));
            ck_assert_uint_eq(strlen(m.as_cr_msg_start.token), CR_RUNNER_TOKEN_LEN);
        }
    }
}
END_TEST

START_TEST(packets_travel_whole) {
    int pair[2];
    cr_err err = CR_ERR_INIT;
    cr_msg m = good_start(), got;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    ck_assert_ok(cr_msg_send(pair[0], &m, &err));
    ck_assert_ok(cr_msg_receive(pair[1], true, &got, &err));
    ck_assert_mem_eq(&got, &m, cr_msg_size(&m));
    char big[sizeof(cr_msg) + 64] = {0};
    memcpy(big, &m, sizeof m);
    ck_assert_int_gt(send(pair[0], big, sizeof big, 0), 0);
    ck_assert_fails(cr_msg_receive(pair[1], true, &got, &err), CR_FORMAT);
    close(pair[0]);
    ck_assert_fails(cr_msg_receive(pair[1], true, &got, &err), CR_NO_FILE);
    close(pair[1]);
}
END_TEST

static cr_record good_record(void) {
    cr_record r = {.id = {"ada", "", 9}, .limits = {1 << 30, 500, 100}, .user = "Ada Lovelace", .uid = 20001, .state = CR_SERVER_RUNNING,
                   .pid = 4711, .start_ticks = 123456789, .boot_id = "2bfd0710-f654-4a18-b55b-32b306bd66fb", .socket_ready = 1,
                   .started_ms = 1795495432281, .text = "a = b", .folders = "class,staff"};
    return r;
}

START_TEST(records_come_back_equal) {
    cr_err err = CR_ERR_INIT;
    cr_record r = good_record(), got;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 8192);
    ck_assert_ok(cr_record_format(&r, &text, &err));
    ck_assert_ok(cr_record_parse(text.data, &got, &err));
    ck_assert_mem_eq(&got, &r, sizeof r);
}
END_TEST

START_TEST(a_record_cut_anywhere_is_noticed) {
    cr_err err = CR_ERR_INIT;
    cr_record r = good_record(), got;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 8192);
    ck_assert_ok(cr_record_format(&r, &text, &err));
    for (size_t n = 0; n + 4 < text.len; n++) {
        char cut[8192];
        memcpy(cut, text.data, n);
        cut[n] = 0;
        ck_assert_int_ne(cr_record_parse(cut, &got, &err), CR_OK);
    }
    char bad[] = "account ../x\ngeneration 3\nuser u\nend\n";
    ck_assert_fails(cr_record_parse(bad, &got, &err), CR_FORMAT);
}
END_TEST

START_TEST(a_record_says_what_could_have_been_asked_for) {
    static const char *const changes[][2] = {
        {"user Ada Lovelace\n", "user ../ada\n"}, {"user Ada Lovelace\n", "user a\tb\n"}, {"pids 100\n", "pids 4194305\n"},
        {"cpu_milli 500\n", "cpu_milli 4096001\n"}, {"pid 4711\n", "pid 2147483648\n"}, {"generation 9\n", "generation 0\n"},
    };
    cr_err err = CR_ERR_INIT;
    cr_record r = good_record(), got;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 8192);
    ck_assert_ok(cr_record_format(&r, &text, &err));
    for (size_t i = 0; i < CR_ARRAY_LEN(changes); i++) {
        char bad[8192];
        const char *at = strstr(text.data, changes[i][0]);
        ck_assert_ptr_nonnull(at);
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - text.data), text.data, changes[i][1], at + strlen(changes[i][0]));
        ck_assert_msg(cr_record_parse(bad, &got, &err) == CR_FORMAT, "%s was taken", changes[i][1]);
    }
}
END_TEST

/* From the helper, which is trusted more than the hub: still nothing is read behind the end of a field. */
START_TEST(settings_come_as_a_whole_record) {
    cr_err err = CR_ERR_INIT;
    cr_msg m;
    cr_msg_init(&m, CR_MSG_CONFIG);
    cr_config *c = &m.as_cr_msg_config.config;
    strcpy(c->bind, "127.0.0.1");
    strcpy(c->state_dir, "/s");
    strcpy(c->run_dir, "/r");
    strcpy(c->prefix, "/p");
    ck_assert_ok(cr_msg_check(&m, cr_msg_size(&m), false, &err));
    memset(c->domain, 'd', sizeof c->domain);
    ck_assert_fails(cr_msg_check(&m, cr_msg_size(&m), false, &err), CR_FORMAT);
    memset(c->domain, 0, sizeof c->domain);
    memset(c->log_file, '/', sizeof c->log_file);
    ck_assert_fails(cr_msg_check(&m, cr_msg_size(&m), false, &err), CR_FORMAT);
    memset(c->log_file, 0, sizeof c->log_file);
    memset(&c->preimport, 2, 1);
    ck_assert_fails(cr_msg_check(&m, cr_msg_size(&m), false, &err), CR_FORMAT);
    memset(&c->preimport, 1, 1);
    memset(&c->as_root, 255, 1);
    ck_assert_fails(cr_msg_check(&m, cr_msg_size(&m), false, &err), CR_FORMAT);
    memset(&c->as_root, 0, 1);
    ck_assert_ok(cr_msg_check(&m, cr_msg_size(&m), false, &err));
}
END_TEST

static cr_status read_accounts(const char *text, size_t n, cr_err *err) {
    static const cr_config config = {.state_dir = "/s", .as_root = true, .uid_first = 20001, .uid_count = 100, .account_prefix = "cr-"};
    char copy[256];
    cr_accounts *a = NULL;
    memcpy(copy, text, n);
    copy[n] = 0;
    cr_status status = cr_accounts_parse(&config, copy, n, "list", &a, err);
    cr_accounts_close(a);
    return status;
}

START_TEST(a_list_of_accounts_is_taken_whole_or_not) {
    static const char good[] = "next 20009\nada 20001\nnext 20002\neve 20003\n", cut[] = "next 20009\nada 20001\n\0eve 20003\n";
    static const char *const bad[] = {"ada 20001\neve 20001\n", "ada 20001\nada 20002\n", "ada\n", "../x 20001\n", "ada -1\n", "ada 4294967295\n"};
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(read_accounts(good, sizeof good - 1, &err));
    ck_assert_ok(read_accounts("", 0, &err));
    ck_assert_int_eq(read_accounts(cut, sizeof cut - 1, &err), CR_FORMAT);   /* else eve would be given another user id */
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert_msg(read_accounts(bad[i], strlen(bad[i]), &err) != CR_OK, "taken: %s", bad[i]);
        ck_assert_ptr_nonnull(strstr(err.hint, "backup"));
    }
}
END_TEST

/* The word of the first line is no reason to lose somebody: with "next" as its first account the list was read without it. */
START_TEST(an_account_may_be_called_next) {
    static const cr_config config = {.state_dir = "/s", .as_root = true, .uid_first = 20001, .uid_count = 100, .account_prefix = "cr-"};
    char text[] = "next 20003\nnext 20001\nada 20002\n", twice[] = "next 20003\nnext 20001\nnext 20002\n";
    cr_accounts *a = NULL;
    cr_account u;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_accounts_parse(&config, text, strlen(text), "list", &a, &err));
    ck_assert_ok(cr_account_find(a, "next", &u, &err));
    ck_assert_uint_eq(u.uid, 20001);
    ck_assert_ok(cr_account_find(a, "ada", &u, &err));
    ck_assert_uint_eq(u.uid, 20002);
    cr_accounts_close(a);
    ck_assert_int_eq(read_accounts(twice, strlen(twice), &err), CR_FORMAT);
}
END_TEST

START_TEST(answers_of_haproxy) {
    char map[] = "0x1 /user/ada/ ada.7\n\n0x2 /user/a;del/ x.1\nadd\n0x3 only\n0x4 /user/eve/ eve.12\n", *rest = map;
    const char *key, *value;
    ck_assert(cr_proxy_text_map(&rest, &key, &value));
    ck_assert(strcmp(key, "/user/ada/") == 0 && strcmp(value, "ada.7") == 0);
    ck_assert(cr_proxy_text_map(&rest, &key, &value));
    ck_assert(strcmp(key, "/user/eve/") == 0 && strcmp(value, "eve.12") == 0);
    ck_assert(!cr_proxy_text_map(&rest, &key, &value));
    char servers[] = "1\n# be_id be_name\n4 usock 3 ada.7 - 2 0 0 0\n5 hub 1 x.1 - 2 0 1 1\n4 usock 5 a'b.1 - 2 0 0\n4 usock 4 eve.12 - 0 33 0\n";
    bool off;
    rest = servers;
    ck_assert(cr_proxy_text_server(&rest, "usock", &value, &off) && strcmp(value, "ada.7") == 0 && !off);
    ck_assert(cr_proxy_text_server(&rest, "usock", &value, &off) && strcmp(value, "eve.12") == 0 && off);
    ck_assert(!cr_proxy_text_server(&rest, "usock", &value, &off));
    ck_assert_int_eq(cr_proxy_text_pid("Name: HAProxy\nPid: 4711\nUptime: 1\n"), 4711);
    static const char *const none[] = {"", "\nPid: \n", "\nPid: -3\n", "\nPid: 99999999999999999999\n", "\nPid: 12x\n", "xPid: 12\n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(none); i++)
        ck_assert_int_eq(cr_proxy_text_pid(none[i]), 0);
}
END_TEST

START_TEST(answers_of_a_server) {
    static const struct { const char *head; int status; } rows[] = {
        {"HTTP/1.1 200 OK\r\n", 200}, {"HTTP/1.0 503 no", 503}, {"HTTP/1.1 404\r\n", 404}, {"HTTP/1.1  200", 0}, {"HTTP/1.1 +20 ", 0},
        {"HTTP/1.1 2000 ", 0}, {"HTTP/2.0 200 ", 0}, {"HTTP/1.1 99 x ", 0}, {"HTTP/1.1 600 ", 0}, {"HTTP/1.1 20", 0}, {"", 0},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++)
        ck_assert_msg(cr_probe_status(rows[i].head) == rows[i].status, "%s: %d", rows[i].head, cr_probe_status(rows[i].head));
}
END_TEST

/* A server goes on while the operator turns the setting round: its kernels get the folders that it has. */
START_TEST(folders_are_kept_by_name) {
    char names[CR_FOLDER_NAMES_SIZE];
    cr_group_folders f = {0}, turned = {0};
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_folders_read("one a; two b; three c", &f.names, &err));
    ck_assert_ok(cr_folders_read("three c; two b", &turned.names, &err));
    ck_assert_str_eq(cr_group_folders_names(&f, 5, names), "a,c");
    ck_assert_uint_eq(cr_group_folders_set(&f, names), 5);
    ck_assert_uint_eq(cr_group_folders_set(&turned, names), 1);
    ck_assert_str_eq(cr_group_folders_names(&f, 0, names), "");
    const char *const others[] = {"", ",", "5", "aa", ",,x,", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"};
    for (size_t i = 0; i < CR_ARRAY_LEN(others); i++)
        ck_assert_uint_eq(cr_group_folders_set(&f, others[i]), 0);
    /* All that there can be fit. */
    memset(&f, 0, sizeof f);
    for (int i = 0; i < CR_FOLDERS_MAX; i++)
        snprintf(f.names.name[i], sizeof f.names.name[i], "a%031d", i);
    f.names.n = CR_FOLDERS_MAX;
    ck_assert_uint_eq(cr_group_folders_set(&f, cr_group_folders_names(&f, (1u << CR_FOLDERS_MAX) - 1, names)), (1u << CR_FOLDERS_MAX) - 1);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("runner_protocol");
    TCase *t = tcase_create("packets");
    tcase_add_test(t, a_good_start_passes);
    tcase_add_test(t, length_side_and_version_are_checked);
    tcase_add_test(t, names_are_checked);
    tcase_add_test(t, users_are_checked);
    tcase_add_test(t, texts_end_inside_their_fields);
    tcase_add_test(t, numbers_are_in_range);
    tcase_add_test(t, no_byte_smuggles_a_path);
    tcase_add_test(t, packets_travel_whole);
    tcase_add_test(t, folders_are_kept_by_name);
    tcase_add_test(t, records_come_back_equal);
    tcase_add_test(t, a_record_cut_anywhere_is_noticed);
    tcase_add_test(t, a_record_says_what_could_have_been_asked_for);
    tcase_add_test(t, settings_come_as_a_whole_record);
    tcase_add_test(t, a_list_of_accounts_is_taken_whole_or_not);
    tcase_add_test(t, an_account_may_be_called_next);
    tcase_add_test(t, answers_of_haproxy);
    tcase_add_test(t, answers_of_a_server);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
