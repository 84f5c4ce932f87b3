/* test_expression.c - the grammar of `craton calc`: what binds to what, three spellings of one tree, arguments, places of errors, limits. */
#include "../check_main.h"

#include <string.h>
#include "base/buf.h"
#include "cli/expression.h"

/* The tree as one line: (sub (mean x time) 273.15). */
static void dump(const cr_expr *e, cr_buf *b) {
    switch (e->kind) {
    case CR_EXPR_WHOLE: cr_buf_addf(b, "%lld", (long long)e->whole); return;
    case CR_EXPR_REAL: cr_buf_addf(b, "%g", e->real); return;
    case CR_EXPR_NAME: cr_buf_addf(b, "%s%s%s", e->file ? e->file : "", e->file ? ":" : "", e->name); return;
    case CR_EXPR_EACH: cr_buf_addf(b, "%s%s*", e->file ? e->file : "", e->file ? ":" : ""); return;
    case CR_EXPR_IT: cr_buf_adds(b, "_"); return;
    default: break;
    }
    cr_buf_addf(b, "(%s", e->kind == CR_EXPR_MAP ? cr_map_name(e->op) : e->verb->name);
    for (int k = 0; k < e->n_args; k++) {
        cr_buf_addc(b, ' ');
        dump(e->args[k], b);
    }
    for (int k = 0; k < e->n_words; k++)
        cr_buf_addf(b, " %s", e->words[k].text);
    for (int k = 0; k < e->n_keys; k++) {
        cr_buf_addf(b, " %s%s", e->keys[k].key, e->keys[k].form == CR_KEYED_LIST ? "=[" : "=");
        for (int i = 0; i < e->keys[k].n; i++)
            cr_buf_addf(b, "%s%s", i == 0 ? "" : e->keys[k].form == CR_KEYED_LIST ? "," : ":", e->keys[k].labels[i].text ? e->keys[k].labels[i].text : "");
        cr_buf_adds(b, e->keys[k].form == CR_KEYED_LIST ? "]" : "");
    }
    cr_buf_addc(b, ')');
}

static void same(const char *text, const char *tree) {
    cr_auto_arena cr_arena memory;
    cr_auto_buf cr_buf b;
    cr_err err = CR_ERR_INIT;
    cr_program p;
    int at;
    cr_arena_init(&memory, CR_EXPR_MEMORY);
    cr_buf_init(&b, 1 << 16);
    ck_assert_ok(cr_program_parse(text, &memory, &p, &at, &err));
    for (int k = 0; k < p.n; k++) {
        if (k > 0)
            cr_buf_adds(&b, "; ");
        if (p.statements[k].name)
            cr_buf_addf(&b, "%s = ", p.statements[k].name);
        for (int i = 0; i < p.statements[k].n; i++) {
            cr_buf_adds(&b, i ? ", " : "");
            dump(p.statements[k].results[i], &b);
        }
    }
    ck_assert_str_eq(cr_buf_str(&b), tree);
}

START_TEST(what_binds_to_what) {
    same("a + b * c - d", "(subtract (add a (multiply b c)) d)");
    same("a - b - c / d / e", "(subtract (subtract a b) (divide (divide c d) e))");
    same("-a ** 2", "(negative (power a 2))");
    same("a ** -b ** c", "(power a (negative (power b c)))");
    same("a < b + 1 and not c == d or e", "(logical_or (logical_and (less a (add b 1)) (logical_not (equal c d))) e)");
    same("(a + b) * c", "(multiply (add a b) c)");
    same("a // b % c", "(remainder (floor_divide a b) c)");
    same("-x.abs()", "(negative (abs x))");
    same("2 ** -1 + 7", "7.5");
    same("3 * -4 + x", "(add -12 x)");
    same("9223372036854775807 + 1 + x", "(add 9.22337e+18 x)");
    same("order + android + nothing", "(add (add order android) nothing)"); /* words that begin like operators */
}
END_TEST

START_TEST(three_spellings_are_one_tree) {
    same("mean(x, time, lat)", "(mean x time lat)");
    same("x.mean(time, lat)", "(mean x time lat)");
    same("x | mean time lat", "(mean x time lat)");
    same("x | mean(time, lat)", "(mean x time lat)");
    same("a + b | mean time - 273.15 * 2 | max", "(max (subtract (mean (add a b) time) 546.3))");
    same("x | monthly mean | weighted mean lat lon - 273.15", "(subtract (mean (weighted (mean (monthly x))) lat lon) 273.15)");
    same("x.groupby(\"time.month\").mean()", "(mean (groupby x time.month))");
    same("x | by time.month mean", "(mean (by x time.month))");
    same("x | weighted(a * b) sum lat > 3", "(greater (sum (weighted x (multiply a b)) lat) 3)");
    same("where(c > 0, a, b)", "(where a (greater c 0) b)");
    same("a | where _ > 0 or b", "(where a (logical_or (greater _ 0) b))");
    same("a.where(c, 0)", "(where a c 0)");
}
END_TEST

START_TEST(arguments) {
    same("x.sel(time=2000-01:2010, lat=-30:30)", "(sel x time=2000-01:2010 lat=-30:30)");
    same("x | sel time=2000-01 - 3", "(subtract (sel x time=2000-01) 3)");
    same("x | isel time=::-2 lat=[0, -1] lon=3:", "(isel x time=::-2 lat=[0,-1] lon=3:)");
    same("x.sel(time=\"2000-01-01T06:00\":)", "(sel x time=2000-01-01T06:00:)");
    same("x | quantile 0.9 time", "(quantile x 0.9 time)");
    same("x.quantile(.5)", "(quantile x .5)");
    same("x | attrs units=degC long_name=\"a \\\"b\\\" \\\\ c\"", "(attrs x units=degC long_name=a \"b\" \\ c)");
    same("\"a strange name\" + 1", "(add a strange name 1)");
    same("x = a; y = x|max; x, y | min;", "x = a; y = (max x); x, (min y)");
    same("* | monthly mean", "(mean (monthly *))");
    same("obs.tos - obs.\"a b\".max() * obs.* + obs . x", "(add (subtract obs:tos (multiply (max obs:a b) obs:*)) obs:x)");
    same("x.sel(time=2000-01-01T06:00:2000-01-02T18:30:15.5)", "(sel x time=2000-01-01T06:00:2000-01-02T18:30:15.5)");
    same("x.sel(time=2000-01-01T06:2000-01-02T18:2)", "(sel x time=2000-01-01T06:2000-01-02T18:2)"); /* a step is no minute */
    same("x.corr(y + 1, time, lat)", "(corr x (add y 1) time lat)");
    same("x | attrs a='b \"c' d=\"e'f\"", "(attrs x a=b \"c d=e'f)");
    same("temp\xc3\xa9rature * 2", "(multiply temp\xc3\xa9rature 2)");
}
END_TEST

static void fails(const char *text, cr_status expected, int place) {
    cr_auto_arena cr_arena memory;
    cr_err err = CR_ERR_INIT;
    cr_program p;
    int at = -1;
    cr_arena_init(&memory, CR_EXPR_MEMORY);
    ck_assert_fails(cr_program_parse(text, &memory, &p, &at, &err), expected);
    ck_assert_msg(at == place, "%s: marked at %d, not %d: %s", text, at, place, err.message);
}

START_TEST(places_of_errors) {
    fails("", CR_INVALID, 0);
    fails("a +", CR_INVALID, 3);
    fails("a b", CR_INVALID, 2);
    fails("a | mean(time", CR_INVALID, 13);
    fails("a.sel(lat)", CR_INVALID, 6);
    fails("a.sel(lat=1:2:3:4)", CR_INVALID, 15);
    fails("a.sel(lat=[1, 2)", CR_INVALID, 15);
    fails("a.sel()", CR_INVALID, 2);
    fails("sqrt(a, b)", CR_INVALID, 8);
    fails("a | clip 1 2", CR_INVALID, 9);
    fails("1.2.3", CR_INVALID, 4);
    fails("3x", CR_INVALID, 0);
    fails("1e999", CR_INVALID, 0);
    fails("_ = a", CR_INVALID, 0);
    fails("x = *", CR_INVALID, 0);
    fails("a \xff", CR_INVALID, 0);
}
END_TEST

START_TEST(limits) {
    enum { N = 70000 };
    char *text = malloc(N + 1);
    memset(text, '(', N);
    text[N] = 0;
    fails(text, CR_LIMIT, 0);                 /* longer than may be */
    text[60000] = 0;
    fails(text, CR_LIMIT, CR_EXPR_DEEPEST / 2);
    memset(text, '-', 60000);
    fails(text, CR_LIMIT, CR_EXPR_DEEPEST - 1);
    free(text);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("expression");
    TCase *t = tcase_create("expression");
    tcase_add_test(t, what_binds_to_what);
    tcase_add_test(t, three_spellings_are_one_tree);
    tcase_add_test(t, arguments);
    tcase_add_test(t, places_of_errors);
    tcase_add_test(t, limits);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
