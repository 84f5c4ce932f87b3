/* test_mail_text.c - addresses of mail and mail servers, and messages in which nothing typed makes a line. */
#include "../check_main.h"

#include <stdio.h>
#include <string.h>
#include "platform/identity/mail_text.h"

START_TEST(addresses) {
    static const char *const right[] = {"a@b", "ada.lovelace+x@Example.ORG", "o'hara!#$%&*/=?^_`{|}~-@x-y.example", "1@2.3"};
    static const char *const wrong[] = {"", "@", "a@", "@b", "a b@c", "a@b c", "a@b\r\nX: y", "a\n@b", "a@b@c", ".a@b", "a.@b", "a..b@c", "a@-b", "a@b-", "a@b..c", "a@.b",
                                        "a@b.", "<a@b>", "\"a\"@b", "a,b@c", "a@b,c", "a@[1.2.3.4]", "\xc3\xa4@b", "a@b\xc3\xa4", "a\x7f@b", "a(b)@c", "a:b@c"};
    char out[CR_MAIL_ADDRESS_MAX + 1], longest[400];
    cr_err err = CR_ERR_INIT;
    for (size_t i = 0; i < CR_ARRAY_LEN(right); i++)
        ck_assert_ok(cr_mail_address(right[i], out, &err));
    ck_assert_ok(cr_mail_address("Ada@Example.ORG", out, &err));
    ck_assert_str_eq(out, "Ada@example.org");
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++)
        ck_assert_msg(cr_mail_address(wrong[i], out, &err) == CR_INVALID, "%s", wrong[i]);
    for (int local = 63; local <= 66; local++) {      /* 64 bytes before the @, 254 in all */
        snprintf(longest, sizeof longest, "%0*d@b", local, 0);
        ck_assert_int_eq(cr_mail_address(longest, out, &err), local <= 64 ? CR_OK : CR_INVALID);
    }
    for (int tail = 1; tail < 63; tail++) {
        snprintf(longest, sizeof longest, "%0*d@%0*d.%0*d.%0*d.%0*d", 62, 0, 63, 0, 63, 0, 61, 0, tail, 0);
        ck_assert_int_eq(cr_mail_address(longest, out, &err), strlen(longest) <= CR_MAIL_ADDRESS_MAX ? CR_OK : CR_INVALID);
    }
}
END_TEST

START_TEST(servers) {
    static const char *const right[] = {"smtp://mail.example.org", "smtp://mail:587", "smtps://localhost:465", "smtp://127.0.0.1:25", "smtp://[2001:db8::1]:587", "smtps://[::1]"};
    static const char *const wrong[] = {"", "smtp://", "mail:25", "http://mail", "smtp://u@mail", "smtp://u:p@mail", "smtp://mail/", "smtp://mail/x", "smtp://mail:", "smtp://mail:0",
                                        "smtp://mail:65536", "smtp://mail:+25", "smtp://mail:25x", "smtp://mail,http://evil", "smtp://ma il", "smtp://[::1", "smtp://[]", "smtp://[x]:1",
                                        "smtp://[::1]x:25", "smtp://mail?x", "SMTP://mail", "smtp://mail\n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(right); i++)
        ck_assert_msg(cr_mail_server_is_right(right[i]), "%s", right[i]);
    for (size_t i = 0; i < CR_ARRAY_LEN(wrong); i++)
        ck_assert_msg(!cr_mail_server_is_right(wrong[i]), "%s", wrong[i]);
}
END_TEST

static const cr_mail_words good = {.kind = CR_MAIL_INVITE, .from = "hub@x.test", .to = "ada@y.test", .name = "ada", .hub = "https://hub.x.test", .link = "https://hub.x.test/hub/join/0",
                                   .life = "2 days", .id = "0123abc", .date_s = 1795953845};

START_TEST(a_message) {
    static const char wanted[] =
        "From: <hub@x.test>\r\nTo: <ada@y.test>\r\nSubject: Your account at https://hub.x.test\r\nDate: Sun, 29 Nov 2026 12:04:05 +0000\r\n"
        "Message-ID: <0123abc@x.test>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        "Content-Language: en\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello ada,\r\n";
    cr_auto_buf cr_buf out;
    cr_err err = CR_ERR_INIT;
    cr_buf_init(&out, CR_MAIL_TEXT_MAX);
    ck_assert_ok(cr_mail_text(&good, &out, &err));
    ck_assert_int_eq(strncmp(cr_buf_str(&out), wanted, sizeof wanted - 1), 0);
    ck_assert(strstr(out.data, "\r\n    https://hub.x.test/hub/join/0\r\n") && strstr(out.data, "It works once, for 2 days.") && !strchr(out.data, '{'));
    cr_buf_done(&out);
    cr_buf_init(&out, CR_MAIL_TEXT_MAX);
    cr_mail_words test = good;
    test.kind = CR_MAIL_TEST;
    test.name = test.link = test.life = "";
    ck_assert_ok(cr_mail_text(&test, &out, &err));
    ck_assert(strstr(out.data, "\r\n\r\nHello,\r\n"));
}
END_TEST

START_TEST(no_value_makes_a_line) {
    static const char *const bad[] = {"a\rb", "a\nb", "a\r\nBcc: x@y", "a\tb", "\xc3\xa4", "a\x7f", "\x01"};
    char longer[CR_MAIL_URL_MAX + 2];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    for (size_t i = 0; i <= CR_ARRAY_LEN(bad); i++) {
        const char *value = i < CR_ARRAY_LEN(bad) ? bad[i] : longer;
        for (int field = 0; field < 7; field++) {
            cr_mail_words w = good;
            const char **const at[] = {&w.from, &w.to, &w.name, &w.hub, &w.link, &w.life, &w.id};
            cr_auto_buf cr_buf out;
            cr_err err = CR_ERR_INIT;
            *at[field] = value;
            cr_buf_init(&out, CR_MAIL_TEXT_MAX);
            ck_assert_int_eq(cr_mail_text(&w, &out, &err), CR_INVALID);
            ck_assert_uint_eq(out.len, 0);
        }
    }
}
END_TEST

/* A catalogue's words: other letters than ASCII's come coded, and a line break in a subject makes no header. */
START_TEST(in_another_language) {
    static const char po[] = "msgid \"A test of {hub}\"\nmsgstr \"Prüfung für {hub}\\nBcc: eve@x.test, mit recht vielen Wörtern, die länger sind als eine Zeile\"\n\n"
                             "msgid \"Hello,\\n\\nthe hub at {hub} can send mail: this is one.\\n\"\nmsgstr \"Grüß Gott {und} {hub} {\"\n";
    cr_mail_words w = good;
    cr_texts *t;
    cr_auto_buf cr_buf out;
    cr_err err = CR_ERR_INIT;
    cr_buf_init(&out, CR_MAIL_TEXT_MAX);
    ck_assert_ok(cr_texts_new("de", &t, &err));
    ck_assert_ok(cr_texts_add(t, "de.po", po, sizeof po - 1, NULL, NULL, NULL, &err));
    w.kind = CR_MAIL_TEST;
    w.texts = t;
    ck_assert_ok(cr_mail_text(&w, &out, &err));
    for (const char *p = out.data; *p; p++)
        ck_assert((unsigned char)*p < 0x7F);
    ck_assert(strstr(out.data, "\r\nSubject: =?UTF-8?B?UHLDvGZ1bmcgZsO8ciBodHRwczovL2h1Yi"));
    ck_assert(!strstr(out.data, "\nBcc") && strstr(out.data, "?=\r\n =?UTF-8?B?"));
    /* RFC 2047 2: lines with encoded words have 76 bytes at most. */
    for (const char *line = out.data, *end; (end = strstr(line, "\r\n")); line = end + 2) {
        const char *word = strstr(line, "=?");
        ck_assert(!word || word > end || end - line <= 76);
    }
    /* The body's braces do not fit their message, so it is the English one. */
    ck_assert(strstr(out.data, "Content-Language: de\r\nContent-Type: text/plain; charset=us-ascii\r\n") && strstr(out.data, "\r\n\r\nHello,\r\n"));
    cr_texts_free(t);
}
END_TEST

START_TEST(kinds) {
    cr_mail_kind kind;
    for (int k = 0; k < CR_MAIL_N_KINDS; k++)
        ck_assert(cr_mail_kind_of(cr_mail_kind_text((cr_mail_kind)k), &kind) && (int)kind == k);
    ck_assert(!cr_mail_kind_of("", &kind) && !cr_mail_kind_of("x", &kind));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mail_text");
    TCase *t = tcase_create("mail_text");
    tcase_add_test(t, addresses);
    tcase_add_test(t, servers);
    tcase_add_test(t, a_message);
    tcase_add_test(t, no_value_makes_a_line);
    tcase_add_test(t, in_another_language);
    tcase_add_test(t, kinds);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
