/* catalogues, plural forms, sentences that are recognised, and what the shipped languages say. */
#include "../check_main.h"
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "platform/http/plural.h"
#include "platform/http/po.h"
#include "platform/http/template.h"
#include "platform/http/texts_fit.h"
#include "platform/hub/languages.h"

#define HEADER(forms) "msgid \"\"\nmsgstr \"\"\n\"Language: xx\\n\"\n\"Plural-Forms: " forms "\\n\"\n\n"
#define TWO HEADER("nplurals=2; plural=(n != 1);")

static char problems[4000];
static void note(void *user, const char *what) {
    strncat(problems, what, sizeof problems - strlen(problems) - 2);
    strcat(problems, "\n");
}

static cr_texts *texts_of(const char *po) {
    cr_texts *t;
    cr_err err = CR_ERR_INIT;
    problems[0] = 0;
    ck_assert_ok(cr_texts_new("xx", &t, &err));
    ck_assert_ok(cr_texts_add(t, "xx.po", po, strlen(po), NULL, note, NULL, &err));
    return t;
}

static void check_said(const cr_texts *t, const char *english, const char *want) {
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, 10000);
    cr_texts_say(t, english, &out);
    ck_assert_str_eq(cr_buf_str(&out), want);
}

/* ---- .po ---- */

START_TEST(a_catalogue_as_tools_write_it) {
    cr_texts *t = texts_of(TWO "# a translator\n#. for\n#: src/a.c:1\n#, c-format\nmsgid \"%s\\n\"\n\"runs\"\nmsgstr \"läuft: \"\n\"%s\\t\\\"\\\\\"\n\n"
                           "#, fuzzy\nmsgid \"old\"\nmsgstr \"alt\"\n\n#, fuzzy\nmsgctxt \"menu\"\nmsgid \"guess\"\nmsgstr \"Ahnung\"\n\n#~ msgid \"gone\"\n#~ msgstr \"weg\"\n\nmsgid \"empty\"\nmsgstr \"\"\n\n"
                           "msgid \"one\"\nmsgid_plural \"many\"\nmsgstr[0] \"eins\"\nmsgstr[1] \"viele\"\n");
    ck_assert_str_eq(problems, "");
    check_said(t, "una\nruns", "läuft: una\t\"\\");
    ck_assert_str_eq(cr_texts_get(t, "old"), "old");
    ck_assert_str_eq(cr_texts_get(t, "guess"), "guess");
    ck_assert_str_eq(cr_texts_get(t, "gone"), "gone");
    ck_assert_str_eq(cr_texts_get(t, "empty"), "empty");
    ck_assert_str_eq(cr_texts_form(t, "one", 1), "viele");
    ck_assert_ptr_null(cr_texts_form(t, "one", 2));
    cr_texts_free(t);
}
END_TEST

START_TEST(what_is_wrong_in_a_file_is_said_with_its_line) {
    static const struct { const char *po, *says; } bad[] = {
        {"msgid \"a\"\n", "line 1: a msgid without msgstr"},
        {"msgid \"a\nmsgstr \"b\"\n", "line 1: the text has no end"},
        {"msgid \"a\"\nmsgstr \"\\x\"\n", "line 2: only"},
        {"msgid \"a\"\nmsgstr \"b\" c\n", "line 2: something stands behind"},
        {"msgstr \"b\"\n", "line 1: this does not follow"},
        {"msgctxt \"a\"\nmsgctxt \"b\"\n", "line 2: this does not follow"},
        {"msgid \"a\"\nmsgstr[1] \"b\"\n", "line 2: this does not follow"},
        {"msgid \"a\"\nmsgstr[9] \"b\"\n", "line 2: neither"},
        {"\"b\"\n", "line 1: a text without a keyword"},
        {"\n\nnonsense\n", "line 3: neither"},
        {"msgid \"\xff\"\n", "UTF-8"},
        {"msgid \"\"\nmsgstr \"Plural-Forms: nplurals=9; plural=n;\\n\"\n", "Plural-Forms"},
        {"msgid \"\"\nmsgstr \"Plural-Forms: nplurals=2; plural=n +;\\n\"\n", "no expression"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        cr_texts *t;
        cr_err err = CR_ERR_INIT;
        ck_assert_ok(cr_texts_new("xx", &t, &err));
        ck_assert_msg(cr_texts_add(t, "xx.po", bad[i].po, strlen(bad[i].po), NULL, note, NULL, &err) == CR_FORMAT, "%zu", i);
        ck_assert_msg(strstr(err.message, bad[i].says) && strstr(err.message, "xx.po"), "%s", err.message);
        cr_texts_free(t);
    }
}
END_TEST

static cr_status count(void *user, const cr_po_entry *e, cr_err *err) {
    ++*(int *)user;
    return CR_OK;
}

START_TEST(files_have_limits) {
    cr_auto_buf cr_buf many, longer;
    cr_err err = CR_ERR_INIT;
    int n = 0;
    cr_buf_init(&many, CR_PO_BYTES_MAX);
    for (int i = 0; i <= CR_PO_ENTRIES_MAX; i++)
        cr_buf_addf(&many, "msgid \"%d\"\nmsgstr \"x\"\n", i);
    ck_assert_fails(cr_po_read(many.data, many.len, count, &n, &err), CR_LIMIT);
    cr_buf_init(&longer, CR_PO_BYTES_MAX);
    cr_buf_adds(&longer, "msgid \"");
    for (int i = 0; i <= CR_PO_TEXT_MAX; i++)
        cr_buf_addc(&longer, 'a');
    cr_buf_adds(&longer, "\"\nmsgstr \"x\"\n");
    ck_assert_fails(cr_po_read(longer.data, longer.len, count, &n, &err), CR_LIMIT);
}
END_TEST

/* ---- plural forms ---- */

START_TEST(plural_forms_of_gettexts_manual) {
    static const struct { const char *expression; int forms, want[8]; } rows[] = {      /* of 0 1 2 4 5 11 21 101 */
        {"0", 1, {0, 0, 0, 0, 0, 0, 0, 0}},
        {"n != 1", 2, {1, 0, 1, 1, 1, 1, 1, 1}},
        {"n>1", 2, {0, 0, 1, 1, 1, 1, 1, 1}},
        {"n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2", 3, {2, 0, 1, 1, 1, 1, 0, 0}},
        {"n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2", 3, {2, 0, 1, 1, 2, 2, 2, 2}},
        {"(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2)", 3, {2, 0, 1, 1, 2, 2, 0, 0}},
        {"n/(n-n)", 2, {0, 0, 0, 0, 0, 0, 0, 0}},
        {"n+7", 2, {0, 0, 0, 0, 0, 0, 0, 0}},
        {"!(n==1)", 2, {1, 0, 1, 1, 1, 1, 1, 1}},
    };
    static const int64_t numbers[] = {0, 1, 2, 4, 5, 11, 21, 101};
    static const char *const bad[] = {"", "n n", "(n", "n)", "n ?1", "m", "n = 1", "n;", "-n", "n & 1"};
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        ck_assert_int_eq(cr_plural_check(rows[i].expression, NULL), CR_OK);
        for (int k = 0; k < 8; k++)
            ck_assert_msg(cr_plural_form(rows[i].expression, rows[i].forms, numbers[k]) == rows[i].want[k], "%s of %d", rows[i].expression, (int)numbers[k]);
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(cr_plural_check(bad[i], NULL) == CR_FORMAT, "%s", bad[i]);
    char deep[CR_PLURAL_MAX + 1];
    memset(deep, '(', CR_PLURAL_MAX);
    deep[CR_PLURAL_MAX] = 0;
    ck_assert_int_eq(cr_plural_check(deep, NULL), CR_FORMAT);
}
END_TEST

/* ---- sentences ---- */

START_TEST(sentences_are_recognised_and_their_values_kept) {
    cr_texts *t = texts_of(TWO
        "#, c-format\nmsgid \"the files of %s take %s, and %s are allowed\"\nmsgstr \"%3$s sind erlaubt, %1$s hat %2$s\"\n\n"
        "#, c-format\nmsgid \"It waits, number %d of %d: %s It starts.\"\nmsgstr \"Wartet, %d von %d: %s Startet.\"\n\n"
        "msgid \"others are starting.\"\nmsgstr \"andere starten.\"\n\n"
        "msgid \"others\"\nmsgstr \"DIE ANDEREN\"\n\n"
        "#, c-format\nmsgid \"%s ends in %s.\"\nmsgstr \"%s endet in %s.\"\n\n"
        "#, c-format\nmsgid \"ends in %s.\"\nmsgstr \"Ende in %s.\"\n\n"
        "#, c-format\nmsgid \"%d minute\"\nmsgid_plural \"%d minutes\"\nmsgstr[0] \"eine Minute\"\nmsgstr[1] \"%d Minuten\"\n\n"
        "#, c-format\nmsgid \"%d %% of %s\"\nmsgstr \"%d %% von %s\"\n\n"
        "msgid \"1.5\"\nmsgstr \"1,5\"\n\nmsgid \"YYYY-MM-DD\"\nmsgstr \"DD.MM.YYYY\"\n");
    ck_assert_str_eq(problems, "");
    check_said(t, "the files of una take 1.5 GiB, and 2.25 GiB are allowed", "2,25 GiB sind erlaubt, una hat 1,5 GiB");
    check_said(t, "It waits, number 2 of 5: others are starting. It starts.", "Wartet, 2 von 5: andere starten. Startet.");
    check_said(t, "It waits, number two of 5: x It starts.", "It waits, number two of 5: x It starts.");
    check_said(t, "others ends in 1 minute.", "others endet in eine Minute.");      /* a word alone is a name */
    check_said(t, "ends in 30 minutes.", "Ende in 30 Minuten.");
    check_said(t, "While reading: others are starting. The rest is new.", "While reading: andere starten. The rest is new.");
    check_said(t, "80 % of it", "80 % von it");
    check_said(t, "2026-11-24T08:30:00Z", "24.11.2026 08:30:00Z");
    check_said(t, "2026-11-24", "24.11.2026");
    check_said(t, "1.2.3", "1.2.3");
    check_said(t, "nobody knows this", "nobody knows this");
    check_said(t, "", "");
    check_said(NULL, "1.5 GiB", "1.5 GiB");
    /* What somebody typed is no place and no markup: it comes out as it went in. */
    check_said(t, "the files of %s{{csrf}} take %n, and <b> are allowed", "<b> sind erlaubt, %s{{csrf}} hat %n");
    cr_texts_free(t);
}
END_TEST

START_TEST(no_sentence_takes_long) {
    cr_auto_buf cr_buf po, text, out;
    cr_buf_init(&po, CR_PO_BYTES_MAX);
    cr_buf_init(&text, 100000);
    cr_buf_init(&out, 100000);
    cr_buf_adds(&po, TWO);
    for (int i = 0; i < 1000; i++)
        cr_buf_addf(&po, "#, c-format\nmsgid \"%%s a %%s a %%s a %%s b%d\"\nmsgstr \"%%s %%s %%s %%s\"\n", i);
    cr_texts *t = texts_of(cr_buf_str(&po));
    for (int i = 0; i < 900; i++)
        cr_buf_adds(&text, i % 3 ? "a " : "a. ");
    cr_texts_say(t, cr_buf_str(&text), &out);      /* the test's own limit of time says the rest */
    ck_assert_str_eq(cr_buf_str(&out), cr_buf_str(&text));
    for (int i = 0; i < 4000; i++)
        cr_buf_adds(&text, "a. ");
    cr_buf_clear(&out);
    cr_texts_say(t, cr_buf_str(&text), &out);
    ck_assert_str_eq(cr_buf_str(&out), cr_buf_str(&text));
    cr_texts_free(t);
}
END_TEST

/* ---- translations that do not fit ---- */

START_TEST(a_translation_adds_nothing_but_words) {
    static const struct { const char *entry, *says; } bad[] = {
        {"msgid \"a {{x}}\"\nmsgstr \"b\"\n", "leaves out a tag"},
        {"msgid \"a {{x}}\"\nmsgstr \"{{x}} {{x}}\"\n", "no such tag"},
        {"msgid \"a {{x}}\"\nmsgstr \"{{csrf}} {{x}}\"\n", "no such tag"},
        {"msgid \"a\"\nmsgstr \"<script>\"\n", "no such tag"},
        {"msgid \"at {{hub}}\"\nmsgstr \"{{hub}}<script>\"\n", "no such tag"},      /* no mail */
        {"msgid \"a <b>c</b>\"\nmsgstr \"<b>c</b> <img src=x>\"\n", "no such tag"},
        {"msgid \"a <b>c</b>\"\nmsgstr \"</b>c<b>\"\n", "order"},
        {"msgid \"{{#x}}a{{/x}} {{^y}}b{{/y}}\"\nmsgstr \"{{#x}}a{{^y}}{{/x}}b{{/y}}\"\n", "order"},
        {"msgid \"a\"\nmsgstr \"b\\\" onclick=\\\"x\"\n", "quotation mark"},
        {"msgid \"a\"\nmsgstr \"b>\"\n", "quotation mark"},
        {"msgid \"a\"\nmsgstr \"b [[c]]\"\n", "quotation mark"},
        {"msgid \"a\"\nmsgstr \"b {\"\n", "brace"},         /* before {{x}} the page could not be read any more */
        {"msgid \"a {{x}}\"\nmsgstr \"{{x}}}\"\n", "brace"},
        {"#, c-format\nmsgid \"a %s\"\nmsgstr \"b\"\n", "leaves out a place"},
        {"#, c-format\nmsgid \"a %s\"\nmsgstr \"b %d\"\n", "a place that the message has not"},
        {"#, c-format\nmsgid \"a %s\"\nmsgstr \"b %2$s\"\n", "a place that the message has not"},
        {"#, c-format\nmsgid \"a %s\"\nmsgstr \"b %s %s\"\n", "a place that the message has not"},
        {"#, c-format\nmsgid \"a %s\"\nmsgstr \"b %s 5 %\"\n", "percent sign"},
        {"msgid \"one {{n}}\"\nmsgid_plural \"many {{n}}\"\nmsgstr[0] \"eins\"\n", "not as many forms"},
        {"msgid \"Hello, {hub}, {link}\"\nmsgstr \"{hub}\"\n", "{link}"},
        {"msgid \"Hello, {hub}, {link}\"\nmsgstr \"{hub} {link} {password}\"\n", "no such word"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        char po[1000];
        snprintf(po, sizeof po, "%s%s\nmsgid \"fine\"\nmsgstr \"gut\"\n", TWO, bad[i].entry);
        cr_texts *t = texts_of(po);
        ck_assert_msg(strstr(problems, bad[i].says) && strstr(problems, "xx.po:"), "%s: %s", bad[i].entry, problems);
        ck_assert_str_eq(cr_texts_get(t, "fine"), "gut");      /* the rest of the file counts */
        cr_texts_free(t);
    }
    cr_texts *t = texts_of(TWO "msgid \"one {{n}}\"\nmsgid_plural \"many {{n}}\"\nmsgstr[0] \"eins\"\nmsgstr[1] \"{{n}} viele\"\n\n"
                           "msgid \"Hello{name}, {hub}, {link}\"\nmsgstr \"\\\"Guten Tag\\\" {link}\"\n");
    ck_assert_str_eq(problems, "");      /* a form may be without its number, a mail without names, and mails have quotation marks */
    cr_texts_free(t);
}
END_TEST

/* A flag or a plural of its own would have it compared with something else than the message. */
START_TEST(the_hub_says_what_a_message_is) {
    static const char ids[] = "msgid \"Sign in\"\nmsgstr \"\"\n\n#, c-format\nmsgid \"%s runs\"\nmsgstr \"\"\n\n"
                              "msgid \"one {{n}}\"\nmsgid_plural \"many {{n}}\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n";
    static const struct { const char *entry, *says; } bad[] = {
        {"#, c-format\nmsgid \"Sign in\"\nmsgstr \"<script>\"\n", "no such tag"},
        {"msgid \"Sign in\"\nmsgid_plural \"<script>\"\nmsgstr[0] \"<script>\"\nmsgstr[1] \"<script>\"\n", "another plural"},
        {"msgid \"one {{n}}\"\nmsgid_plural \"many {{csrf}}\"\nmsgstr[0] \"{{csrf}}\"\nmsgstr[1] \"{{csrf}}\"\n", "another plural"},
        {"msgid \"%s runs\"\nmsgstr \"läuft\"\n", "leaves out a place"},
    };
    cr_texts *known, *t;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_texts_new("en", &known, &err));
    ck_assert_ok(cr_texts_add_ids(known, "ids.pot", ids, sizeof ids - 1, &err));
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        char po[1000];
        problems[0] = 0;
        snprintf(po, sizeof po, "%s%s\nmsgid \"Sign in\"\nmsgstr \"Anmelden\"\n\nmsgid \"%%s runs\"\nmsgstr \"%%s läuft\"\n", TWO, bad[i].entry);
        ck_assert_ok(cr_texts_new("xx", &t, &err));
        ck_assert_ok(cr_texts_add(t, "xx.po", po, strlen(po), known, note, NULL, &err));
        ck_assert_msg(strstr(problems, bad[i].says), "%s: %s", bad[i].entry, problems);
        ck_assert_str_eq(cr_texts_get(t, "Sign in"), "Anmelden");
        ck_assert_str_eq(cr_texts_get(t, "one {{n}}"), "one {{n}}");
        check_said(t, "una runs", "una läuft");      /* its flag has been lost on the way, and that changes nothing */
        cr_texts_free(t);
    }
    cr_texts_free(known);
}
END_TEST

START_TEST(templates_in_a_language) {
    cr_templates *set;
    cr_err err = CR_ERR_INIT;
    cr_texts *t = texts_of(HEADER("nplurals=3; plural=n==1 ? 0 : n==2 ? 1 : 2;")
                           "msgid \"Hello, {{name}}\"\nmsgstr \"{{name}}, guten Tag\"\n\n"
                           "msgid \"{{n}} file\"\nmsgid_plural \"{{n}} files\"\nmsgstr[0] \"eine Datei\"\nmsgstr[1] \"zwei Dateien\"\nmsgstr[2] \"{{n}} Dateien\"\n\n"
                           "msgid \"you & I\"\nmsgstr \"du & ich\"\n\nmsgid \"1.5\"\nmsgstr \"1,5\"\n");
    static const char page[] = "[[Hello, {{name}}]]: {{#rows}}[[?n|{{n}} file|{{n}} files]];{{/rows}} {{~size}} {{size}} {{~s}} {{~n}} [[new]] [[?x|o|m]]";
    cr_auto_buf cr_buf out, english;
    cr_buf_init(&out, 10000);
    cr_buf_init(&english, 10000);
    json_t *values = json_pack("{s:s, s:[{s:i}, {s:i}, {s:i}, {s:i}], s:s, s:s, s:i, s:i}", "name", "<i>", "rows", "n", 0, "n", 1, "n", 2, "n", 3, "size", "1.5 GiB",
                               "s", "you & I", "n", 7, "x", 1);
    ck_assert_ok(cr_templates_new(t, &set, &err));
    ck_assert_ok(cr_templates_add(set, "page", page, strlen(page), &err));
    ck_assert_ok(cr_template_render(set, "page", values, &out, &err));
    ck_assert_str_eq(cr_buf_str(&out), "&lt;i&gt;, guten Tag: 0 Dateien;eine Datei;zwei Dateien;3 Dateien; 1,5 GiB 1.5 GiB du &amp; ich 7 new o");
    cr_templates_free(set);
    ck_assert_ok(cr_templates_new(NULL, &set, &err));
    ck_assert_ok(cr_templates_add(set, "page", page, strlen(page), &err));
    ck_assert_ok(cr_template_render(set, "page", values, &english, &err));
    ck_assert_str_eq(cr_buf_str(&english), "Hello, &lt;i&gt;: 0 files;1 file;2 files;3 files; 1.5 GiB 1.5 GiB you &amp; I 7 new o");
    static const char *const bad[] = {"[[a", "[[?n|a]]", "[[?n|a|b|c]]", "[[?|a|b]]", "{{|}}", "{{#a}}{{|}}{{/a}}", "{{?a}}"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(cr_templates_add(set, "bad", bad[i], strlen(bad[i]), &err) == CR_FORMAT, "%s", bad[i]);
    json_decref(values);
    cr_templates_free(set);
    cr_texts_free(t);
}
END_TEST

/* ---- languages ---- */

static const char *root(void) { return getenv("CRATON_SOURCE") ? getenv("CRATON_SOURCE") : "."; }

/* Each sentence, with something in its places, is one that is recognised. */
static cr_status is_recognised(void *user, const cr_po_entry *e, cr_err *err) {
    cr_auto_buf cr_buf sentence, said;
    cr_texts_place place;
    cr_buf_init(&sentence, CR_PO_TEXT_MAX);
    cr_buf_init(&said, 4 * CR_PO_TEXT_MAX);
    for (const char *p = e->id; e->c_format && *p;) {
        bool is = cr_texts_place_at(p, &place);
        if (is)
            cr_buf_adds(&sentence, place.kind == 's' ? "Zq" : place.kind == 'd' ? "7" : place.kind == 'f' ? "1.5" : "%");
        else
            cr_buf_addc(&sentence, *p);
        p += is ? place.len : 1;
    }
    if (!e->c_format || strcmp(e->id, e->form[0]) == 0)
        return CR_OK;
    cr_texts_say(user, cr_buf_str(&sentence), &said);
    ck_assert_msg(strcmp(cr_buf_str(&sentence), cr_buf_str(&said)) != 0, "stays English: %s", e->id);
    return CR_OK;
}

START_TEST(what_is_shipped_fits_its_messages) {
    static cr_languages all;
    char path[1200];
    cr_err err = CR_ERR_INIT;
    problems[0] = 0;
    snprintf(path, sizeof path, "%s/web/texts", root());
    ck_assert_ok(cr_languages_load(path, "/nowhere", note, NULL, &all, &err));
    ck_assert_int_ge(all.n, 3);
    ck_assert_str_eq(all.at[0].code, "en");
    for (int i = 1; i < all.n; i++) {      /* once more, with somebody who listens: what does not fit is a problem, also in ours */
        cr_auto_buf cr_buf po;
        cr_texts *again;
        cr_buf_init(&po, CR_PO_BYTES_MAX);
        snprintf(path, sizeof path, "%s/web/texts/%s.po", root(), all.at[i].code);
        ck_assert_ok(cr_file_read(path, &po, &err));
        ck_assert_ok(cr_texts_new(all.at[i].code, &again, &err));
        ck_assert_ok(cr_texts_add(again, path, po.data, po.len, NULL, note, NULL, &err));
        ck_assert_ok(cr_po_read(po.data, po.len, is_recognised, again, &err));
        cr_texts_free(again);
    }
    ck_assert_str_eq(problems, "");
    const cr_texts *de = all.at[cr_languages_find(&all, "de-AT")].texts;
    check_said(de, "Your server waits in the queue, number 2 of 3: all memory for servers is in use. It starts by itself. Last time it took about 1 hour 1 minute.",
               "Ihr Server wartet in der Schlange, Nummer 2 von 3: aller Speicher für Server ist belegt. Er startet von selbst. Letztes Mal dauerte es etwa 1 Stunde 1 Minute.");
    check_said(de, "It ran out of memory: the limit is 1.5 GiB. Close notebooks you do not need, load less at once, or ask your administrator for more.",
               "Der Speicher reichte nicht: die Grenze ist 1,5 GiB. Schließen Sie Notebooks, die Sie nicht brauchen, laden Sie weniger auf einmal, oder bitten Sie die "
               "Administration um mehr.");
    check_said(de, "your servers are on your home page: /base/hub/home", "Ihre Server stehen auf Ihrer Startseite: /base/hub/home");
    ck_assert_int_eq(cr_languages_accept(&all, "de-CH, fr;q=0.9, *;q=0.5"), cr_languages_find(&all, "de"));
    ck_assert_int_eq(cr_languages_accept(&all, "xx, de;q=0.2, FR-ca;q=0.7"), cr_languages_find(&all, "fr"));
    ck_assert_int_eq(cr_languages_accept(&all, "de;q=0, en;q=0.1"), 0);
    ck_assert_int_eq(cr_languages_accept(&all, "xx, ,;;q=,q=1"), -1);
    ck_assert_int_eq(cr_languages_accept(&all, NULL), -1);
    cr_languages_free(&all);
}
END_TEST

START_TEST(codes) {
    static const char *const good[] = {"de", "pt-BR", "zh-Hans", "ast", "zh-Hant-TW"}, *const bad[] = {"", "d", "DE", "de_AT", "de-", "../de", "deutsch", "de-x", "en\n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(good); i++)
        ck_assert_msg(cr_texts_is_language(good[i]), "%s", good[i]);
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(!cr_texts_is_language(bad[i]), "%s", bad[i]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("texts");
    TCase *t = tcase_create("texts");
    tcase_add_test(t, a_catalogue_as_tools_write_it);
    tcase_add_test(t, what_is_wrong_in_a_file_is_said_with_its_line);
    tcase_add_test(t, files_have_limits);
    tcase_add_test(t, plural_forms_of_gettexts_manual);
    tcase_add_test(t, sentences_are_recognised_and_their_values_kept);
    tcase_add_test(t, no_sentence_takes_long);
    tcase_add_test(t, a_translation_adds_nothing_but_words);
    tcase_add_test(t, the_hub_says_what_a_message_is);
    tcase_add_test(t, templates_in_a_language);
    tcase_add_test(t, what_is_shipped_fits_its_messages);
    tcase_add_test(t, codes);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
