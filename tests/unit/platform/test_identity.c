/* test_identity.c - names and accounts, passwords, sign-in limits, sessions, tokens, one-time links, CSRF, PKCE. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "platform/db/schema.h"
#include "platform/identity/device.h"
#include "platform/identity/onetime.h"
#include "platform/identity/session.h"
#include "platform/identity/throttle.h"

static char dir[64];
static cr_db *db;
static cr_secret secret;

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    char path[96];
    scratch_make(dir, "id");
    snprintf(path, sizeof path, "%s/key", dir);
    ck_assert_ok(cr_secret_open(path, &secret, &err));
    snprintf(path, sizeof path, "%s/db", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &db, &err));
}

static void teardown(void) {
    cr_db_close(db);
    scratch_remove(dir);
}

START_TEST(names) {
    static const struct {
        const char *typed, *name, *account;       /* name NULL: refused */
    } rows[] = {
        {"ada", "ada", "ada"}, {"  Ada.Lovelace ", "ada.lovelace", "ada-lovelace"}, {"ada-l", "ada-l", "ada-l"},
        {"a@b.org", "a@b.org", "a-b-org"}, {"7seas", "7seas", "u7seas"}, {"a--b", "a--b", "a--b"}, {"a._b", "a._b", "a-b"},
        {"hub", "hub", "hub-2"}, {"x", "x", "x"}, {"9", "9", "u9"},
        {"up", "up", "up-2"}, {"cratond", "cratond", "cratond-2"}, {"HAProxy", "haproxy", "haproxy-2"},   /* STATE/log/up.log is not a person's */
        {"", NULL, NULL}, {"   ", NULL, NULL}, {".ada", NULL, NULL}, {"ada.", NULL, NULL}, {"ada-", NULL, NULL}, {"a b", NULL, NULL},
        {"a/b", NULL, NULL}, {"../etc", NULL, NULL}, {"a%2fb", NULL, NULL}, {"a\nb", NULL, NULL}, {"jos\xC3\xA9", NULL, NULL},
        {"xn--abc", NULL, NULL}, {"a;b", NULL, NULL}, {"<b>", NULL, NULL}, {"a+b", NULL, NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, NULL},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        char name[CR_NAME_MAX + 1], account[CR_ACCOUNT_MAX + 1];
        cr_err err = CR_ERR_INIT;
        cr_status status = cr_name_normalize(rows[i].typed, name, &err);
        ck_assert_msg((status == CR_OK) == (rows[i].name != NULL), "%s: %s", rows[i].typed, err.message);
        if (status != CR_OK) {
            ck_assert_ptr_nonnull(strstr(err.hint, "for example"));
            continue;
        }
        ck_assert_str_eq(name, rows[i].name);
        cr_account_choice(name, 1, account);
        ck_assert_str_eq(account, rows[i].account);
    }
}
END_TEST

/* Whatever the name, every choice is a valid account and the choices differ. */
START_TEST(accounts_are_always_valid) {
    static const char *const odd[] = {"", "-", "...", "@@@", "9", "a-------------------------------------------z", "\xC3\xA9t\xC3\xA9",
                                        "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz"};
    for (size_t i = 0; i < CR_ARRAY_LEN(odd); i++) {
        char before[CR_ACCOUNT_MAX + 1] = "";
        for (int n = 1; n < 12; n++) {
            char account[CR_ACCOUNT_MAX + 1];
            cr_account_choice(odd[i], n, account);
            size_t len = strlen(account);
            ck_assert(len >= 1 && len <= CR_ACCOUNT_MAX);
            ck_assert(account[0] >= 'a' && account[0] <= 'z');
            ck_assert_uint_eq(strspn(account, "abcdefghijklmnopqrstuvwxyz0123456789-"), len);
            ck_assert(account[len - 1] != '-');
            ck_assert_str_ne(account, before);
            strcpy(before, account);
        }
    }
}
END_TEST

static cr_person add(const char *name, bool admin) {
    cr_person p = {.admin = admin};
    cr_err err = CR_ERR_INIT;
    snprintf(p.name, sizeof p.name, "%s", name);
    ck_assert_ok(cr_person_add(db, &p, &err));
    return p;
}

START_TEST(colliding_accounts) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada.l", false), b = add("ada-l", false), c = add("ada_l", false), again = {0};
    ck_assert_str_eq(a.account, "ada-l");
    ck_assert_str_eq(b.account, "ada-l-2");
    ck_assert_str_eq(c.account, "ada-l-3");
    strcpy(again.name, "ada.l");
    ck_assert_fails(cr_person_add(db, &again, &err), CR_EXISTS);
    /* The form of a demo's account is kept for demos. */
    ck_assert_str_eq(add("demo-0123abcd", false).account, "demo-0123abcd-2");
    ck_assert_str_eq(add("demo-0123abcx", false).account, "demo-0123abcx");
    cr_person demo = {.demo = true};
    strcpy(demo.name, "demo-89abcdef");
    ck_assert_ok(cr_person_add(db, &demo, &err));
    ck_assert_str_eq(demo.account, "demo-89abcdef");
    ck_assert(!cr_account_is_demo("demo-") && !cr_account_is_demo("demo-0123abc") && !cr_account_is_demo("demo-0123abcde"));
    /* An account is not given to a second person, because files may still carry it. */
    ck_assert_ok(cr_person_remove(db, a.id, &err));
    ck_assert_str_eq(add("ada.l", false).account, "ada-l-4");
}
END_TEST

START_TEST(last_administrator_stays) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("root1", true);
    ck_assert_fails(cr_person_remove(db, a.id, &err), CR_CONFLICT);
    ck_assert_fails(cr_person_set_disabled(db, a.id, true, &err), CR_CONFLICT);
    cr_person b = add("root2", true);
    ck_assert_ok(cr_person_set_disabled(db, a.id, true, &err));
    ck_assert_fails(cr_person_remove(db, b.id, &err), CR_CONFLICT);
}
END_TEST

static bool is_right(const char *password, const char *hash) {
    bool right = true;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_password_verify(password, hash, &right, &err));
    return right;
}

START_TEST(passwords) {
    char hash[CR_PASSWORD_HASH_BYTES];
    cr_err err = CR_ERR_INIT;
    ck_assert_fails(cr_password_check("short", "ada", &err), CR_INVALID);
    ck_assert_fails(cr_password_check("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", "ada", &err), CR_INVALID);
    ck_assert_fails(cr_password_check("adalovelace", "adalovelace", &err), CR_INVALID);
    ck_assert_fails(cr_password_check("bad\xff\xff\xff\xff\xff\xff\xff", "ada", &err), CR_INVALID);
    char big[300];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    ck_assert_fails(cr_password_check(big, "ada", &err), CR_INVALID);
    ck_assert_ok(cr_password_check("rivers and stones", "ada", &err));
    ck_assert_ok(cr_password_hash("rivers and stones", hash, &err));
    ck_assert_ptr_nonnull(strstr(hash, "$argon2id$"));
    ck_assert(is_right("rivers and stones", hash));
    ck_assert(!is_right("rivers and stone", hash));
    ck_assert(!is_right("", hash));
    ck_assert(!is_right("x", NULL));
}
END_TEST

START_TEST(passwords_without_memory) {
    cr_err err = CR_ERR_INIT;
    char hash[CR_PASSWORD_HASH_BYTES], other[CR_PASSWORD_HASH_BYTES];
    bool right;
    unsigned long pages = 0;
    ck_assert_ok(cr_password_hash("rivers and stones", hash, &err));
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert(f && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    struct rlimit all, little;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &all), 0);
    little = (struct rlimit){pages * (rlim_t)sysconf(_SC_PAGESIZE) + (32 << 20), all.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &little), 0);
    cr_status known = cr_password_verify("rivers and stones", hash, &right, &err), unknown = cr_password_verify("rivers and stones", NULL, &right, &err);
    cr_status made = cr_password_hash("rivers and stones", other, &err);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
    /* Nobody is told that the right password is wrong, nor by this whether there is such a person. */
    ck_assert_int_eq(known, CR_BUSY);
    ck_assert_int_eq(unknown, CR_BUSY);
    ck_assert_int_eq(made, CR_BUSY);
    ck_assert_ptr_nonnull(strstr(err.message, "not enough memory"));
    ck_assert(is_right("rivers and stones", hash));
}
END_TEST

/* One attempt from beginning to end; the ms to wait when it is not let through. */
static int64_t try_once(cr_throttle *t, const char *name, const char *address, const char *device, int64_t now, cr_attempt_end how) {
    cr_attempt a;
    int64_t wait = cr_throttle_begin(t, name, address, device, now, &a);
    if (!wait)
        cr_throttle_end(t, &a, how);
    return wait;
}

START_TEST(throttle_grows_and_fades) {
    cr_throttle *t;
    cr_err err = CR_ERR_INIT;
    int64_t now = 1000000, wait, before = 0;
    ck_assert_ok(cr_throttle_new(&t, &err));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_WRONG), 0);
    for (int i = 0; i < 14; i++) {
        /* The wait that was told is the true one: a millisecond earlier nothing goes, then one attempt. */
        wait = try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_WRONG);
        ck_assert_int_ge(wait, before);
        ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now + wait - 1, CR_ATTEMPT_WRONG), 1);
        now += wait;
        ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_WRONG), 0);
        before = wait;
    }
    ck_assert_int_eq(before, 15 * 60 * 1000);
    /* Another address is free, another name too. */
    ck_assert_int_eq(try_once(t, "ada", "10.0.0.2", NULL, now, CR_ATTEMPT_NOT_MADE), 0);
    ck_assert_int_eq(try_once(t, "eve", "10.0.0.1", NULL, now, CR_ATTEMPT_NOT_MADE), 0);
    ck_assert_int_gt(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_NOT_MADE), 0);
    ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now + 2 * 3600 * 1000, CR_ATTEMPT_NOT_MADE), 0);
    /* Many names from one address are held back too, and a network of IPv6 is one address. */
    for (int i = 0; i < 50; i++) {
        char name[16], address[64];
        snprintf(name, sizeof name, "n%d", i);
        snprintf(address, sizeof address, "2001:db8:0:7::%x", i + 1);
        ck_assert_int_eq(try_once(t, name, address, NULL, now, CR_ATTEMPT_WRONG), 0);
    }
    ck_assert_int_gt(try_once(t, "fresh", "2001:db8:0:7:ffff::9", NULL, now, CR_ATTEMPT_WRONG), 0);
    ck_assert_int_eq(try_once(t, "fresh", "2001:db8:0:8::9", NULL, now, CR_ATTEMPT_NOT_MADE), 0);
    cr_throttle_free(t);
}
END_TEST

START_TEST(throttle_counts_at_arrival) {
    cr_throttle *t;
    cr_err err = CR_ERR_INIT;
    cr_attempt a[100];
    int64_t now = 1000000;
    int through = 0;
    ck_assert_ok(cr_throttle_new(&t, &err));
    for (int i = 0; i < 60; i++)
        through += cr_throttle_begin(t, "ada", "10.0.0.1", NULL, now, &a[through]) == 0;
    ck_assert_int_eq(through, 5);
    ck_assert_int_eq(cr_throttle_strangers(t), 5);
    /* Nothing tried: as if they had not come. */
    for (int i = 0; i < through; i++)
        cr_throttle_end(t, &a[i], CR_ATTEMPT_NOT_MADE);
    ck_assert_int_eq(cr_throttle_strangers(t), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_WRONG), 0);
    ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_RIGHT), 0);
    for (int i = 0; i < 5; i++)      /* a right one clears the pair */
        ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_WRONG), 0);
    /* An end is an end. */
    cr_throttle_end(t, &a[0], CR_ATTEMPT_WRONG);
    ck_assert_int_eq(cr_throttle_strangers(t), 0);
    /* From a hundred addresses at once: the name has thirty. (Nine are used up above.) */
    for (through = 0; through < 100; through++) {
        char address[32];
        snprintf(address, sizeof address, "10.1.0.%d", through);
        if (cr_throttle_begin(t, "ada", address, NULL, now, &a[through]))
            break;
    }
    ck_assert_int_eq(through, 30 - 9);
    cr_throttle_free(t);
}
END_TEST

START_TEST(throttle_lets_a_class_in) {
    cr_throttle *t;
    cr_err err = CR_ERR_INIT;
    cr_attempt a[60];
    char name[16];
    ck_assert_ok(cr_throttle_new(&t, &err));
    /* A few mistakes before, then forty at one address in one moment, again and again. */
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ck_assert_int_eq(try_once(t, name, "10.0.0.1", NULL, 1000, CR_ATTEMPT_WRONG), 0);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof name, "n%d", i);
            ck_assert_int_eq(cr_throttle_begin(t, name, "10.0.0.1", NULL, 1000, &a[i]), 0);
        }
        for (int i = 0; i < 40; i++)
            cr_throttle_end(t, &a[i], CR_ATTEMPT_RIGHT);
    }
    /* But one address does not fill the queue. */
    int n = 0;
    while (n < 60 && cr_throttle_begin(t, snprintf(name, sizeof name, "n%d", n) ? name : "", "10.0.0.1", NULL, 1000, &a[n]) == 0)
        n++;
    ck_assert_int_eq(n, 48);
    ck_assert_int_eq(try_once(t, "other", "10.0.0.2", NULL, 1000, CR_ATTEMPT_RIGHT), 0);
    cr_throttle_free(t);
}
END_TEST

START_TEST(throttle_knows_devices) {
    cr_throttle *t;
    cr_err err = CR_ERR_INIT;
    int64_t now = 1000000;
    char address[32];
    ck_assert_ok(cr_throttle_new(&t, &err));
    for (int i = 0; i < 200; i++) {      /* at the owner's address too */
        snprintf(address, sizeof address, "10.0.0.%d", i);
        try_once(t, "ada", address, NULL, now, CR_ATTEMPT_WRONG);
    }
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        try_once(t, name, "10.0.0.1", NULL, now, CR_ATTEMPT_WRONG);
    }
    ck_assert_int_gt(try_once(t, "ada", "10.9.9.9", NULL, now, CR_ATTEMPT_RIGHT), 0);
    ck_assert_int_gt(try_once(t, "ada", "10.0.0.1", NULL, now, CR_ATTEMPT_RIGHT), 0);
    ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", "0123456789abcdef", now, CR_ATTEMPT_RIGHT), 0);
    /* Who holds the cookie has no more guesses than a pair. */
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", "0123456789abcdef", now, CR_ATTEMPT_WRONG), 0);
    ck_assert_int_eq(try_once(t, "ada", "10.0.0.77", "0123456789abcdef", now, CR_ATTEMPT_WRONG), 1000);
    ck_assert_int_eq(try_once(t, "ada", "10.0.0.1", "fedcba9876543210", now, CR_ATTEMPT_RIGHT), 0);
    /* Many browsers of one name: five attempts at a time, right or wrong. */
    cr_attempt a[20];
    int through = 0;
    for (int i = 0; i < 20; i++) {
        char id[20];
        snprintf(id, sizeof id, "%016d", i);
        through += cr_throttle_begin(t, "bob", "10.0.0.1", id, now, &a[through]) == 0;
    }
    ck_assert_int_eq(through, 5);
    for (int i = 0; i < through; i++)
        cr_throttle_end(t, &a[i], CR_ATTEMPT_RIGHT);
    ck_assert_int_eq(try_once(t, "bob", "10.0.0.1", "0000000000000019", now, CR_ATTEMPT_RIGHT), 0);
    cr_throttle_free(t);
}
END_TEST

START_TEST(throttle_is_bounded) {
    cr_throttle *t;
    cr_err err = CR_ERR_INIT;
    char name[32], address[64];
    ck_assert_ok(cr_throttle_new(&t, &err));
    for (int i = 0; i < 10; i++)
        try_once(t, "ada", "10.9.9.9", NULL, 1000, CR_ATTEMPT_WRONG);
    for (int i = 0; i < 60000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        snprintf(address, sizeof address, "10.%d.%d.1", i / 250, i % 250);
        ck_assert_int_eq(try_once(t, name, address, NULL, 1000, CR_ATTEMPT_WRONG), 0);
    }
    /* Who was held back still is, through all that. */
    ck_assert_int_gt(try_once(t, "ada", "10.9.9.9", NULL, 1000, CR_ATTEMPT_WRONG), 0);
    cr_throttle_free(t);
}
END_TEST

START_TEST(devices) {
    const int64_t now = 1900000000, day = 86400;
    char one[CR_DEVICE_COOKIE_MAX + 1], two[CR_DEVICE_COOKIE_MAX + 1], id[CR_DEVICE_ID_LEN + 1] = "", again[CR_DEVICE_ID_LEN + 1], name[16];
    ck_assert(!cr_device_find(&secret, NULL, "ada", now, id));
    ck_assert(!cr_device_find(&secret, "", "ada", now, id));
    cr_device_renew(&secret, NULL, "ada", now, one);
    ck_assert_uint_eq(strlen(one), CR_DEVICE_ENTRY_LEN);
    ck_assert(cr_device_find(&secret, one, "ada", now, id));
    ck_assert_int_eq(strncmp(one, id, CR_DEVICE_ID_LEN), 0);
    ck_assert(!cr_device_find(&secret, one, "ad", now, id));
    ck_assert(!cr_device_find(&secret, one, "adaa", now, id));
    ck_assert(!cr_device_find(&secret, one, "eve", now, id));
    /* For half a year; not from the future. */
    ck_assert(cr_device_find(&secret, one, "ada", now + 179 * day, id));
    ck_assert(!cr_device_find(&secret, one, "ada", now + 181 * day, id));
    ck_assert(!cr_device_find(&secret, one, "ada", now - 3 * day, id));
    /* Every digit counts. */
    for (size_t i = 0; i < strlen(one); i++) {
        strcpy(two, one);
        two[i] = two[i] == '0' ? '1' : '0';
        ck_assert_msg(!cr_device_find(&secret, two, "ada", now, id), "digit %zu", i);
        two[i] = 'G';
        ck_assert(!cr_device_find(&secret, two, "ada", now, id));
        two[i] = 0;
        ck_assert(!cr_device_find(&secret, two, "ada", now, id));
    }
    cr_secret other = secret;
    other.key[0] ^= 1;
    ck_assert(!cr_device_find(&other, one, "ada", now, id));
    /* A new id each time, one entry per name, the four newest. */
    ck_assert(cr_device_find(&secret, one, "ada", now, id));
    cr_device_renew(&secret, one, "ada", now, two);
    ck_assert_uint_eq(strlen(two), CR_DEVICE_ENTRY_LEN);
    ck_assert(cr_device_find(&secret, two, "ada", now, again));
    ck_assert_str_ne(id, again);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "n%d", i);
        strcpy(one, two);
        cr_device_renew(&secret, one, name, now, two);
    }
    ck_assert_uint_eq(strlen(two), CR_DEVICE_COOKIE_MAX);
    ck_assert(cr_device_find(&secret, two, "ada", now, id) && cr_device_find(&secret, two, "n0", now, id) && cr_device_find(&secret, two, "n2", now, id));
    strcpy(one, two);
    cr_device_renew(&secret, one, "n3", now, two);
    ck_assert_uint_eq(strlen(two), CR_DEVICE_COOKIE_MAX);
    ck_assert(!cr_device_find(&secret, two, "ada", now, id) && cr_device_find(&secret, two, "n3", now, id));
}
END_TEST

START_TEST(sessions) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", false), who;
    char token[CR_TOKEN_LEN + 1], other[CR_TOKEN_LEN + 1];
    int64_t id;
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, token, &err));
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, other, &err));
    ck_assert_str_ne(token, other);
    ck_assert_ok(cr_session_find(db, token, &id, &who, &err));
    ck_assert_str_eq(who.name, "ada");
    char wrong[CR_TOKEN_LEN + 1];
    strcpy(wrong, token);
    wrong[5] = wrong[5] == '0' ? '1' : '0';
    ck_assert_fails(cr_session_find(db, wrong, &id, &who, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_session_find(db, "' OR 1=1 --", &id, &who, &err), CR_NOT_FOUND);
    /* Only hashes are stored. */
    cr_query q = CR_QUERY_INIT;
    ck_assert_ok(cr_query_open(db, &q, &err, "SELECT count(*) FROM sessions WHERE hex(hash) = upper(?) OR CAST(hash AS TEXT) = ?", "tt", token, token));
    ck_assert(cr_query_next(&q));
    ck_assert_int_eq(cr_query_int(&q, 0), 0);
    cr_query_close(&q);
    ck_assert_ok(cr_db_run(db, &err, "UPDATE sessions SET expires_ms = ? WHERE id = ?", "ii", cr_wall_ms() - 1, id));
    ck_assert_fails(cr_session_find(db, token, &id, &who, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_session_find(db, other, &id, &who, &err));
    ck_assert_ok(cr_person_set_disabled(db, a.id, true, &err));
    ck_assert_fails(cr_session_find(db, other, &id, &who, &err), CR_NOT_FOUND);
}
END_TEST

START_TEST(tokens_end_with_their_session) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", false), who;
    char session[CR_TOKEN_LEN + 1], text[CR_TOKEN_LEN + 1];
    int64_t id;
    cr_token found, what = {.kind = CR_TOKEN_OAUTH, .user_id = a.id};
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, session, &err));
    ck_assert_ok(cr_session_find(db, session, &id, &who, &err));
    what.session_id = id;
    ck_assert_ok(cr_token_issue(db, &what, NULL, 60000, "note", text, &err));
    ck_assert_ok(cr_token_find(db, text, &found, &who, &err));
    ck_assert_int_eq(found.kind, CR_TOKEN_OAUTH);
    ck_assert_int_eq(found.session_id, id);
    ck_assert_ok(cr_session_end(db, id, &err));
    ck_assert_fails(cr_token_find(db, text, &found, &who, &err), CR_NOT_FOUND);
    what.session_id = 0;
    ck_assert_ok(cr_token_issue(db, &what, NULL, -5, NULL, text, &err));
    ck_assert_fails(cr_token_find(db, text, &found, &who, &err), CR_NOT_FOUND);
}
END_TEST

/* A number is given again, also to somebody else: who keeps one keeps the hash with it. */
START_TEST(a_tokens_number_is_not_the_token) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", false), b = add("bob", false), who;
    char text[CR_TOKEN_LEN + 1];
    cr_token old, again, what = {.kind = CR_TOKEN_API, .user_id = a.id};
    ck_assert_ok(cr_token_issue(db, &what, NULL, 0, NULL, text, &err));
    ck_assert_ok(cr_token_find(db, text, &old, &who, &err));
    ck_assert_ok(cr_token_get(db, old.id, &again, &who, &err));
    ck_assert_mem_eq(old.hash, again.hash, sizeof old.hash);
    ck_assert_ok(cr_token_remove(db, a.id, old.id, &err));
    what.user_id = b.id;
    ck_assert_ok(cr_token_issue(db, &what, NULL, 0, NULL, text, &err));
    ck_assert_ok(cr_token_get(db, old.id, &again, &who, &err));
    ck_assert_str_eq(who.name, "bob");
    ck_assert_mem_ne(old.hash, again.hash, sizeof old.hash);
}
END_TEST

START_TEST(one_time_links) {
    cr_err err = CR_ERR_INIT;
    cr_onetime what = {.kind = CR_ONETIME_INVITE, .name = "eve"}, found;
    char token[CR_TOKEN_LEN + 1];
    ck_assert_ok(cr_onetime_make(db, &what, 0, token, &err));
    ck_assert_ok(cr_onetime_find(db, token, &found, &err));
    ck_assert_int_eq(found.kind, CR_ONETIME_INVITE);
    ck_assert_str_eq(found.name, "eve");
    ck_assert_int_le(found.expires_ms, cr_wall_ms() + 3600 * 1000);
    ck_assert_ok(cr_onetime_use(db, token, &err));
    ck_assert_fails(cr_onetime_use(db, token, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_onetime_find(db, token, &found, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_onetime_make(db, &what, 0, token, &err));
    ck_assert_ok(cr_db_run(db, &err, "UPDATE links SET expires_ms = ?", "i", cr_wall_ms() - 1));
    ck_assert_fails(cr_onetime_find(db, token, &found, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_onetime_use(db, token, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_onetime_find(db, "short", &found, &err), CR_NOT_FOUND);
}
END_TEST

static void count_rooms(void *user, const cr_onetime *link) {
    ck_assert_str_eq(link->group, "course");
    ck_assert_int_eq(link->seats, 3);
    *(int64_t *)user = link->used;
}

START_TEST(links_of_rooms_have_seats) {
    cr_err err = CR_ERR_INIT;
    cr_onetime what = {.kind = CR_ONETIME_INVITE, .seats = 3, .group = "course", .note = "Tuesday", .life_ms = 7200 * 1000}, found;
    char token[CR_TOKEN_LEN + 1];
    char name[CR_NAME_MAX + 1];
    int64_t used = -1;
    ck_assert_ok(cr_onetime_make(db, &what, 0, token, &err));
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_ok(cr_onetime_find(db, token, &found, &err));
        ck_assert_str_eq(found.group, "course");
        ck_assert_int_gt(found.expires_ms, cr_wall_ms() + 3600 * 1000);
        ck_assert_ok(cr_onetime_list(db, true, count_rooms, &used, &err));
        ck_assert_int_eq(used, i);
        ck_assert_ok(cr_onetime_use(db, token, &err));
    }
    ck_assert_fails(cr_onetime_use(db, token, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_onetime_find(db, token, &found, &err), CR_NOT_FOUND);
    ck_assert_str_eq(err.message, "all seats of this link are taken");
    found.used = 0;
    ck_assert_ok(cr_onetime_look(db, token, &found, &err));      /* for who has a seat */
    ck_assert_int_eq(found.used, 3);
    ck_assert_ok(cr_onetime_list(db, true, count_rooms, &used, &err));
    ck_assert_int_eq(used, 3);
    ck_assert_fails(cr_onetime_close(db, token, name, &err), CR_NOT_FOUND);      /* the link is not the number of its row */
}
END_TEST

/* A link that somebody has when the platform is upgraded. */
START_TEST(links_of_an_older_version) {
    cr_err err = CR_ERR_INIT;
    cr_db *old;
    cr_onetime found;
    char path[96], token[CR_TOKEN_LEN + 1];
    unsigned char hash[CR_HASH_BYTES];
    int before_rooms = 0;
    int64_t used = -1;
    while (cr_schema[before_rooms].version < 10)
        before_rooms++;
    snprintf(path, sizeof path, "%s/old", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, before_rooms, &old, &err));
    cr_token_make(token);
    cr_token_hash(token, hash);
    ck_assert_ok(cr_db_run(old, &err, "INSERT INTO links (hash, kind, name, created_ms, expires_ms) VALUES (?, 'invite', 'eve', 1, ?)", "bi", hash,
                           sizeof hash, cr_wall_ms() + 60000));
    cr_db_close(old);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &old, &err));
    ck_assert_ok(cr_onetime_find(old, token, &found, &err));
    ck_assert_str_eq(found.name, "eve");
    ck_assert_str_eq(found.group, "");
    ck_assert_ok(cr_onetime_list(old, true, count_rooms, &used, &err));
    ck_assert_int_eq(used, -1);                        /* it is no room's */
    ck_assert_ok(cr_onetime_use(old, token, &err));
    ck_assert_fails(cr_onetime_use(old, token, &err), CR_NOT_FOUND);
    cr_db_close(old);
}
END_TEST

START_TEST(when_a_session_was_proved) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", true);
    char token[CR_TOKEN_LEN + 1];
    int64_t before = cr_wall_ms(), ms = 0;
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, token, &err));
    int64_t id = cr_db_last_id(db);
    ck_assert_ok(cr_session_proved(db, id, &ms, &err));
    ck_assert(before <= ms && ms <= cr_wall_ms());
    ck_assert_ok(cr_session_prove(db, id, 1000, &err));
    ck_assert_ok(cr_session_proved(db, id, &ms, &err));
    ck_assert_int_eq(ms, 1000);
    ck_assert_ok(cr_session_end(db, id, &err));
    ck_assert_fails(cr_session_proved(db, id, &ms, &err), CR_NOT_FOUND);
}
END_TEST

/* Whoever is signed in when the hub is brought up to date has proved it when the session began. */
START_TEST(sessions_of_an_older_version) {
    cr_db *old;
    cr_err err = CR_ERR_INIT;
    char path[96];
    int before_proofs = 0;
    int64_t ms = 0;
    while (cr_schema[before_proofs].version < 12)
        before_proofs++;
    snprintf(path, sizeof path, "%s/older", dir);
    ck_assert_ok(cr_db_open(path, cr_schema, before_proofs, &old, &err));
    ck_assert_ok(cr_db_run(old, &err, "INSERT INTO users (id, name, account, created_ms) VALUES (1, 'ada', 'ada', 1)", ""));
    ck_assert_ok(cr_db_run(old, &err, "INSERT INTO sessions (id, hash, user_id, created_ms, expires_ms) VALUES (7, x'00', 1, 1234, 1 << 50)", ""));
    cr_db_close(old);
    ck_assert_ok(cr_db_open(path, cr_schema, cr_schema_len, &old, &err));
    ck_assert_ok(cr_session_proved(old, 7, &ms, &err));
    ck_assert_int_eq(ms, 1234);
    cr_db_close(old);
}
END_TEST

static bool works(const char *token) {
    cr_onetime found;
    return cr_onetime_find(db, token, &found, NULL) == CR_OK;
}

START_TEST(links_end_with_the_rights_of_their_maker) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("root1", true), b = add("root2", true), c = add("root3", true), d = add("root4", true), ada = add("ada", false);
    cr_person makers[] = {b, c, d};
    cr_onetime invite = {.kind = CR_ONETIME_INVITE}, password = {.kind = CR_ONETIME_PASSWORD, .user_id = a.id};
    char own[CR_TOKEN_LEN + 1], of[3][CR_TOKEN_LEN + 1], of_ada[CR_TOKEN_LEN + 1], control[CR_TOKEN_LEN + 1];
    ck_assert_ok(cr_onetime_make(db, &invite, a.id, own, &err));
    ck_assert_ok(cr_onetime_make(db, &invite, 0, control, &err));
    for (int i = 0; i < 3; i++)
        ck_assert_ok(cr_onetime_make(db, &password, makers[i].id, of[i], &err));
    ck_assert(works(of[0]) && works(of[1]) && works(of[2]));
    ck_assert_ok(cr_person_set_disabled(db, b.id, true, &err));
    ck_assert(!works(of[0]) && works(of[1]));
    ck_assert_ok(cr_person_set_admin(db, c.id, false, &err));
    ck_assert(!works(of[1]) && works(of[2]));
    ck_assert_ok(cr_person_remove(db, d.id, &err));
    ck_assert(!works(of[2]) && works(own) && works(control));
    /* Those for a person end with his account's being open, and with the password. */
    password.user_id = ada.id;
    ck_assert_ok(cr_onetime_make(db, &password, a.id, of_ada, &err));
    ck_assert_ok(cr_person_set_disabled(db, ada.id, true, &err));
    ck_assert(!works(of_ada));
    ck_assert_ok(cr_person_set_disabled(db, ada.id, false, &err));
    ck_assert_ok(cr_onetime_make(db, &password, a.id, of_ada, &err));
    ck_assert_ok(cr_person_set_password(db, ada.id, "$argon2id$new", &err));
    ck_assert(!works(of_ada) && works(own));
}
END_TEST

/* An API token of a person, made by somebody (0: the person) with another token (NULL: none). */
static void give(int64_t owner, int64_t maker, const char *with, char text[CR_TOKEN_LEN + 1]) {
    cr_err err = CR_ERR_INIT;
    cr_token used = {0};
    cr_person who;
    if (with)
        ck_assert_ok(cr_token_find(db, with, &used, &who, &err));
    cr_token what = {.kind = CR_TOKEN_API, .user_id = owner, .made_by = maker, .made_with = used.id};
    ck_assert_ok(cr_token_issue(db, &what, NULL, 0, NULL, text, &err));
}

static bool opens(const char *text) {
    cr_token token;
    cr_person who;
    return cr_token_find(db, text, &token, &who, NULL) == CR_OK;
}

/* What an administrator gave to somebody, and all that was made by means of it, ends with his rights, however they end. */
START_TEST(tokens_end_with_the_rights_of_their_makers) {
    cr_err err = CR_ERR_INIT;
    add("keeper", true);
    for (int how = 0; how < 4; how++) {
        char name[16], given[CR_TOKEN_LEN + 1], second[CR_TOKEN_LEN + 1], third[CR_TOKEN_LEN + 1], own[CR_TOKEN_LEN + 1], other[CR_TOKEN_LEN + 1];
        snprintf(name, sizeof name, "root%d", how);
        cr_person maker = add(name, true);
        snprintf(name, sizeof name, "boss%d", how);
        cr_person boss = add(name, true);
        snprintf(name, sizeof name, "ada%d", how);
        cr_person ada = add(name, false);
        give(boss.id, maker.id, NULL, given);
        give(boss.id, boss.id, given, second);         /* for the same person, as the holder of the first */
        give(ada.id, boss.id, second, third);          /* for a third one, by boss's rights */
        give(boss.id, boss.id, NULL, own);
        give(ada.id, boss.id, own, other);
        /* The first being gone does not cut the chain. */
        ck_assert_ok(cr_db_run(db, &err, "DELETE FROM tokens WHERE id = (SELECT min(token_id) FROM token_makers WHERE user_id = ?)", "i", maker.id));
        ck_assert(!opens(given) && opens(second) && opens(third) && opens(own) && opens(other));
        if (how == 0)
            ck_assert_ok(cr_person_set_admin(db, maker.id, false, &err));
        else if (how == 1)
            ck_assert_ok(cr_person_set_disabled(db, maker.id, true, &err));
        else if (how == 2)
            ck_assert_ok(cr_person_remove(db, maker.id, &err));
        else
            ck_assert_ok(cr_person_set_password(db, maker.id, "$argon2id$new", &err));
        ck_assert_msg(!opens(second) && !opens(third), "way %d", how);
        ck_assert(opens(own) && opens(other));
        ck_assert_ok(cr_person_set_admin(db, boss.id, false, &err));
        ck_assert(opens(own) && !opens(other));
    }
}
END_TEST

/* Who knew the old password has nothing left. */
START_TEST(what_ends_with_a_password) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("root1", true), b = add("ada", false), who;
    char session[CR_TOKEN_LEN + 1], own[CR_TOKEN_LEN + 1], given[CR_TOKEN_LEN + 1], others[CR_TOKEN_LEN + 1], invite[CR_TOKEN_LEN + 1];
    int64_t id;
    cr_onetime what = {.kind = CR_ONETIME_INVITE};
    cr_token server = {.kind = CR_TOKEN_SERVER, .user_id = a.id};
    char of_server[CR_TOKEN_LEN + 1];
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, session, &err));
    ck_assert_ok(cr_token_issue(db, &server, NULL, 0, NULL, of_server, &err));
    ck_assert_ok(cr_onetime_make(db, &what, a.id, invite, &err));
    give(a.id, 0, NULL, own);
    give(b.id, a.id, NULL, given);
    give(b.id, 0, NULL, others);
    /* All or nothing: what fails at the end has ended nothing. */
    ck_assert_ok(cr_db_run(db, &err, "CREATE TRIGGER no BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'no'); END", ""));
    ck_assert_fails(cr_person_set_password(db, a.id, "$argon2id$new", &err), CR_EXISTS);
    ck_assert_fails(cr_person_set_disabled(db, b.id, true, &err), CR_EXISTS);
    ck_assert(works(invite) && opens(own) && opens(given) && opens(others) && cr_session_find(db, session, &id, &who, &err) == CR_OK);
    cr_person c = add("root2", true);
    ck_assert_fails(cr_person_set_admin(db, a.id, false, &err), CR_EXISTS);
    ck_assert(works(invite) && opens(given) && c.id != a.id);
    ck_assert_ok(cr_db_run(db, &err, "DROP TRIGGER no", ""));
    ck_assert_ok(cr_person_set_password(db, a.id, "$argon2id$new", &err));
    ck_assert_fails(cr_session_find(db, session, &id, &who, &err), CR_NOT_FOUND);
    ck_assert(!works(invite) && !opens(own) && !opens(given));
    ck_assert(opens(others) && opens(of_server));
}
END_TEST

START_TEST(no_password_link_for_the_disabled) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", false);
    cr_onetime what = {.kind = CR_ONETIME_PASSWORD, .user_id = a.id};
    char token[CR_TOKEN_LEN + 1];
    ck_assert_ok(cr_person_set_disabled(db, a.id, true, &err));
    ck_assert_fails(cr_onetime_make(db, &what, 0, token, &err), CR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.message, "disabled"));
    ck_assert_ok(cr_person_set_disabled(db, a.id, false, &err));
    ck_assert_ok(cr_onetime_make(db, &what, 0, token, &err));
}
END_TEST

START_TEST(sessions_are_bounded) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", false), b = add("eve", false);
    char first[CR_TOKEN_LEN + 1], second[CR_TOKEN_LEN + 1], other[CR_TOKEN_LEN + 1], more[CR_TOKEN_LEN + 1];
    cr_person who;
    int64_t id;
    ck_assert_ok(cr_session_make(db, b.id, CR_SESSION_LIFE_MS, other, &err));
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, first, &err));
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, second, &err));
    for (int i = 0; i < CR_SESSIONS_MOST - 1; i++)
        ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, more, &err));
    ck_assert_fails(cr_session_find(db, first, &id, &who, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_session_find(db, second, &id, &who, &err));
    ck_assert_ok(cr_session_find(db, other, &id, &who, &err));
}
END_TEST

/* As many sign-ins at one server as somebody likes, in one session. */
START_TEST(tokens_of_a_sign_in_are_bounded) {
    cr_err err = CR_ERR_INIT;
    cr_person a = add("ada", false), who;
    char session[CR_TOKEN_LEN + 1], other[CR_TOKEN_LEN + 1], given[CR_TOKENS_OF_SIGN_IN + 1][CR_TOKEN_LEN + 1];
    cr_token what = {.kind = CR_TOKEN_OAUTH, .user_id = a.id}, found;
    ck_assert_ok(cr_session_make(db, a.id, CR_SESSION_LIFE_MS, session, &err));
    ck_assert_ok(cr_session_find(db, session, &what.session_id, &who, &err));
    snprintf(what.client, sizeof what.client, "another");
    ck_assert_ok(cr_token_issue(db, &what, NULL, CR_SESSION_LIFE_MS, NULL, other, &err));
    snprintf(what.client, sizeof what.client, "service");
    for (int i = 0; i <= CR_TOKENS_OF_SIGN_IN; i++)
        ck_assert_ok(cr_token_issue(db, &what, NULL, CR_SESSION_LIFE_MS, NULL, given[i], &err));
    ck_assert_fails(cr_token_find(db, given[0], &found, &who, &err), CR_NOT_FOUND);
    for (int i = 1; i <= CR_TOKENS_OF_SIGN_IN; i++)
        ck_assert_ok(cr_token_find(db, given[i], &found, &who, &err));
    ck_assert_ok(cr_token_find(db, other, &found, &who, &err));
}
END_TEST

START_TEST(csrf_is_bound_to_session_and_purpose) {
    char a[CR_TOKEN_LEN + 1], b[CR_TOKEN_LEN + 1];
    cr_csrf_make(&secret, "session", "s1", a);
    cr_csrf_make(&secret, "session", "s2", b);
    ck_assert_str_ne(a, b);
    ck_assert(cr_csrf_is_right(&secret, "session", "s1", a));
    ck_assert(!cr_csrf_is_right(&secret, "session", "s2", a));
    ck_assert(!cr_csrf_is_right(&secret, "pre", "s1", a));
    ck_assert(!cr_csrf_is_right(&secret, "session", "s1", NULL));
    ck_assert(!cr_csrf_is_right(&secret, "session", "s1", ""));
    a[63] = a[63] == '0' ? '1' : '0';
    ck_assert(!cr_csrf_is_right(&secret, "session", "s1", a));
}
END_TEST

/* RFC 7636, appendix B. */
START_TEST(pkce_of_the_rfc) {
    const char *verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", *challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    ck_assert(cr_pkce_is_right(verifier, challenge));
    ck_assert(!cr_pkce_is_right(verifier, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN"));
    ck_assert(!cr_pkce_is_right("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", challenge));
    ck_assert(!cr_pkce_is_right("", challenge));
    ck_assert(!cr_pkce_is_right(challenge, challenge));     /* "plain" is not accepted */
    ck_assert(cr_pkce_challenge_is_wellformed(challenge));
    ck_assert(!cr_pkce_challenge_is_wellformed(""));
    ck_assert(!cr_pkce_challenge_is_wellformed("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("identity");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names);
    tcase_add_test(t, accounts_are_always_valid);
    tcase_add_test(t, colliding_accounts);
    tcase_add_test(t, last_administrator_stays);
    tcase_add_test(t, passwords);
    tcase_add_test(t, passwords_without_memory);
    tcase_add_test(t, throttle_grows_and_fades);
    tcase_add_test(t, throttle_counts_at_arrival);
    tcase_add_test(t, throttle_lets_a_class_in);
    tcase_add_test(t, throttle_knows_devices);
    tcase_add_test(t, throttle_is_bounded);
    tcase_add_test(t, devices);
    tcase_add_test(t, sessions);
    tcase_add_test(t, tokens_end_with_their_session);
    tcase_add_test(t, a_tokens_number_is_not_the_token);
    tcase_add_test(t, one_time_links);
    tcase_add_test(t, links_of_rooms_have_seats);
    tcase_add_test(t, links_of_an_older_version);
    tcase_add_test(t, links_end_with_the_rights_of_their_maker);
    tcase_add_test(t, when_a_session_was_proved);
    tcase_add_test(t, sessions_of_an_older_version);
    tcase_add_test(t, tokens_end_with_the_rights_of_their_makers);
    tcase_add_test(t, what_ends_with_a_password);
    tcase_add_test(t, no_password_link_for_the_disabled);
    tcase_add_test(t, sessions_are_bounded);
    tcase_add_test(t, tokens_of_a_sign_in_are_bounded);
    tcase_add_test(t, csrf_is_bound_to_session_and_purpose);
    tcase_add_test(t, pkce_of_the_rfc);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
