/* test_people_list.c - lists of people as they are typed, and as spreadsheets and registration forms give them out. */
#include "../check_main.h"

#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "platform/identity/people_list.h"

static char found[4096];
static bool columns;

static cr_status note(void *user, const cr_people_line *line, cr_err *err) {
    size_t n = strlen(found);
    snprintf(found + n, sizeof found - n, "%d|%s|%s|%s\n", line->number, line->name, line->label, line->address);
    return user && strcmp(line->name, user) == 0 ? CR_FAIL(err, CR_CONFLICT, "not this one") : CR_OK;
}

static void expect(const char *text, bool has_columns, const char *rows) {
    cr_err err = CR_ERR_INIT;
    found[0] = 0;
    columns = !has_columns;
    ck_assert_ok(cr_people_list_read(text, note, NULL, &columns, &err));
    ck_assert_str_eq(found, rows);
    ck_assert_int_eq(columns, has_columns);
}

START_TEST(typed) {
    expect("", false, "");
    expect("\r\n \n\t\n", false, "");
    expect("ada\nbob\r\ncarl\rdora", false, "1|ada||\n2|bob||\n3|carl||\n4|dora||\n");
    expect("  ada , Ada  Lovelace;London\n\nbob\tBob <bob@x.test>, later", false,
           "1|ada|Ada  Lovelace, London|\n3|bob|Bob <bob@x.test>, later|bob@x.test\n");
    expect("ada@x.test, Ada", false, "1|ada@x.test|Ada|\n");      /* the name is no address to be written to */
    expect(",Ada without a name", false, "1||Ada without a name|\n");
    expect("user1\nuser2", false, "1|user1||\n2|user2||\n");
}
END_TEST

START_TEST(tables) {
    expect("\xEF\xBB\xBFUser,Full name,Email\r\nada,\"Lovelace, Ada\",ada@x.test\r\n", true, "2|ada|Lovelace, Ada, ada@x.test|ada@x.test\n");
    expect("Name;E-Mail;Benutzername\nAda Lovelace;ada@x.test;ada\n;;\nBob;;bob", true,
           "2|ada|Ada Lovelace, ada@x.test|ada@x.test\n4|bob|Bob|\n");
    /* A form without user names: the addresses are the names. */
    expect("Timestamp\tName\tEmail address\n2026\tAda\tada@x.test", true, "2|ada@x.test|2026, Ada|ada@x.test\n");
    /* In a table only its own separator separates. */
    expect("user,remark\nada,tea; no milk", true, "2|ada|tea; no milk|\n");
    expect("\n\nuser\nada\n", true, "4|ada||\n");
}
END_TEST

START_TEST(quoted) {
    expect("\"ada\" ,\"the \"\"first\"\", of all\"\nbob", false, "1|ada|the \"first\", of all|\n2|bob||\n");
    expect("ada,\"two\r\nlines\"\nbob", false, "1|ada|two lines|\n3|bob||\n");
    expect("ada, \"Lovelace\" Ada", false, "1|ada|Lovelace Ada|\n");
    expect("ada,\"\"\nbob", false, "1|ada||\n2|bob||\n");
    cr_err err = CR_ERR_INIT;
    ck_assert_fails(cr_people_list_read("ada\nbob,\"no end\ncarl", note, NULL, &columns, &err), CR_INVALID);
    ck_assert_str_eq(err.message, "line 2: the quotation mark that begins there does not end");
}
END_TEST

START_TEST(limits) {
    char text[4 * CR_MAIL_ADDRESS_MAX + 200], rows[8];
    cr_err err = CR_ERR_INIT;
    /* Cut, and still too long to be what it was meant to be; never inside a character. */
    memset(text, 'x', 1000);
    text[1000] = 0;
    found[0] = 0;
    ck_assert_ok(cr_people_list_read(text, note, NULL, &columns, &err));
    ck_assert_int_eq(strlen(found), strlen("1|||\n") + CR_NAME_MAX + 1);
    for (size_t i = 0; i < 1000; i += 2)
        memcpy(text + i, "\xC5\xBC", 2);
    memcpy(text, "a,", 2);
    found[0] = 0;
    ck_assert_ok(cr_people_list_read(text, note, NULL, &columns, &err));
    ck_assert(cr_text_is_utf8(found, strlen(found)));
    memset(text, '@', 1000);
    memcpy(text, "a,", 2);
    found[0] = 0;
    ck_assert_ok(cr_people_list_read(text, note, NULL, &columns, &err));
    ck_assert_int_eq(strlen(strrchr(found, '|')), 2 + CR_MAIL_ADDRESS_MAX + 1);
    memset(text, ',', 200);
    text[200] = 0;
    text[0] = 'a';
    ck_assert_fails(cr_people_list_read(text, note, NULL, &columns, &err), CR_LIMIT);
    snprintf(rows, sizeof rows, "b");
    err = (cr_err)CR_ERR_INIT;
    ck_assert_fails(cr_people_list_read("a\n\nb,c\nd", note, rows, &columns, &err), CR_CONFLICT);
    ck_assert_str_eq(err.message, "line 3 (b): not this one");
}
END_TEST

static Suite *people_list_suite(void) {
    Suite *s = suite_create("people_list");
    TCase *c = tcase_create("lists");
    tcase_add_test(c, typed);
    tcase_add_test(c, tables);
    tcase_add_test(c, quoted);
    tcase_add_test(c, limits);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(people_list_suite())
