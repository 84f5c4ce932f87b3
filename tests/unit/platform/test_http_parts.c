/* test_http_parts.c - what reads strangers' bytes: percent-coding, forms, cookies, templates, routes, origin rules. */
#include "../check_main.h"

#include <string.h>
#include "platform/http/guard.h"
#include "platform/http/pairs.h"
#include "platform/http/route.h"
#include "platform/http/template.h"

/* ---- pairs ---- */

START_TEST(form_is_decoded) {
    cr_auto_arena cr_arena a;
    cr_err err = CR_ERR_INIT;
    cr_pairs p = {0};
    cr_arena_init(&a, 1 << 16);
    const char *text = "name=ada+l&pass=%C3%A9%26%3D&&empty=&flag&name=second";
    ck_assert_ok(cr_pairs_parse_form(&a, text, strlen(text), &p, &err));
    ck_assert_int_eq(p.n, 5);
    ck_assert_str_eq(cr_pairs_get(&p, "name"), "ada l");
    ck_assert_str_eq(cr_pairs_get(&p, "pass"), "\xC3\xA9&=");
    ck_assert_str_eq(cr_pairs_get(&p, "empty"), "");
    ck_assert_str_eq(cr_pairs_get(&p, "flag"), "");
    ck_assert_int_eq(cr_pairs_count(&p, "name"), 2);
    ck_assert_ptr_null(cr_pairs_get(&p, "nam"));
}
END_TEST

START_TEST(form_refuses_bad_bytes) {
    static const char *const bad[] = {"a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "%c3=x", "a=b%4"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        cr_auto_arena cr_arena a;
        cr_err err = CR_ERR_INIT;
        cr_pairs p = {0};
        cr_arena_init(&a, 1 << 16);
        ck_assert_fails(cr_pairs_parse_form(&a, bad[i], strlen(bad[i]), &p, &err), CR_INVALID);
    }
}
END_TEST

START_TEST(form_is_bounded) {
    cr_auto_arena cr_arena a;
    cr_err err = CR_ERR_INIT;
    cr_pairs p = {0};
    char text[4 * (CR_PAIRS_MAX + 1) + 1] = "";
    cr_arena_init(&a, 1 << 20);
    for (int i = 0; i <= CR_PAIRS_MAX; i++)
        strcat(text, "a=b&");
    ck_assert_fails(cr_pairs_parse_form(&a, text, strlen(text), &p, &err), CR_LIMIT);
}
END_TEST

START_TEST(cookies_of_browsers) {
    cr_auto_arena cr_arena a;
    cr_err err = CR_ERR_INIT;
    cr_pairs p = {0};
    cr_arena_init(&a, 1 << 16);
    ck_assert_ok(cr_pairs_parse_cookies(&a, " __Host-craton-login=aa ; junk; =x;b=c=d;;__Host-craton-login=bb", &p, &err));
    ck_assert_int_eq(cr_pairs_count(&p, "__Host-craton-login"), 2);
    ck_assert_str_eq(cr_pairs_get(&p, "__Host-craton-login"), "aa");
    ck_assert_str_eq(cr_pairs_get(&p, "b"), "c=d");
    ck_assert_int_eq(p.n, 3);
}
END_TEST

START_TEST(percent_encode_keeps_what_is_plain) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 1000);
    cr_percent_encode(&b, "/hub/x?a=b c&\xC3\xA9~", "/");
    ck_assert_str_eq(cr_buf_str(&b), "/hub/x%3Fa%3Db%20c%26%C3%A9~");
}
END_TEST

/* ---- templates ---- */

static char *show(const char *text, json_t *values) {
    cr_templates *set;
    cr_err err = CR_ERR_INIT;
    cr_buf out;
    cr_buf_init(&out, 1 << 16);
    ck_assert_ok(cr_templates_new(NULL, &set, &err));
    ck_assert_ok(cr_templates_add(set, "part", "<i>{{who}}</i>", 14, &err));
    ck_assert_ok(cr_templates_add(set, "page", text, strlen(text), &err));
    ck_assert_ok(cr_templates_check(set, &err));
    ck_assert_ok(cr_template_render(set, "page", values, &out, &err));
    cr_templates_free(set);
    json_decref(values);
    return cr_buf_take(&out);
}

START_TEST(template_always_escapes) {
    cr_auto_free char *html = show("<a title=\"{{v}}\">{{v}}</a>{{>part}}", json_pack("{s:s, s:s}", "v", "\"><script>'&", "who", "<b>"));
    ck_assert_str_eq(html, "<a title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">&quot;&gt;&lt;script&gt;&#39;&amp;</a><i>&lt;b&gt;</i>");
}
END_TEST

START_TEST(template_sections) {
    cr_auto_free char *html = show("{{#list}}[{{name}}{{#last}}.{{/last}}{{outer}}]{{/list}}{{^none}}no{{/none}}{{#empty}}x{{/empty}}{{^empty}}e{{/empty}}{{a.b}}{{! note }}",
                                   json_pack("{s:[{s:s, s:b}, {s:s, s:b}], s:s, s:[], s:{s:i}}", "list", "name", "p", "last", 0, "name", "q",
                                             "last", 1, "outer", "!", "empty", "a", "b", 7));
    ck_assert_str_eq(html, "[p!][q.!]noe7");
}
END_TEST

START_TEST(template_errors_are_found_when_loaded) {
    static const char *const bad[] = {"{{#a}}", "{{/a}}", "{{#a}}{{/b}}", "{{a", "{{}}", "{{a b}}", "{{{a}}}", "{{&a}}",
                                      "{{#a}}{{#b}}{{/a}}{{/b}}"};
    cr_err err = CR_ERR_INIT;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        cr_templates *set;
        ck_assert_ok(cr_templates_new(NULL, &set, &err));
        ck_assert_fails(cr_templates_add(set, "bad", bad[i], strlen(bad[i]), &err), CR_FORMAT);
        cr_templates_free(set);
    }
    cr_templates *set;
    ck_assert_ok(cr_templates_new(NULL, &set, &err));
    ck_assert_ok(cr_templates_add(set, "a", "{{>b}}", 6, &err));
    ck_assert_fails(cr_templates_check(set, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_templates_add(set, "b", "{{>a}}", 6, &err));
    ck_assert_fails(cr_templates_check(set, &err), CR_FORMAT);
    cr_templates_free(set);
}
END_TEST

/* ---- routes ---- */

static void nothing(struct cr_request *req) { (void)req; }

static const cr_route routes[] = {
    {CR_GET, "/hub/a", CR_ROUTE_PAGE, CR_CSRF_NONE, nothing},
    {CR_POST, "/hub/a", CR_ROUTE_PAGE, CR_CSRF_SESSION, nothing},
    {CR_GET, "/hub/users/:name", CR_ROUTE_API, CR_CSRF_NONE, nothing},
    {CR_GET, "/hub/users/:name/x/:other", CR_ROUTE_API, CR_CSRF_NONE, nothing},
    {CR_GET, "/hub/user/:name/*", CR_ROUTE_PAGE, CR_CSRF_NONE, nothing},
    {0},
};

static const cr_route *find(cr_method method, const char *path, cr_route_match *m, cr_arena *a) {
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_route_find(routes, method, path, a, m, &err));
    return m->route;
}

START_TEST(routes_match) {
    cr_auto_arena cr_arena a;
    cr_route_match m;
    cr_arena_init(&a, 1 << 16);
    ck_assert_ptr_eq(find(CR_GET, "/hub/a", &m, &a), &routes[0]);
    ck_assert_ptr_eq(find(CR_HEAD, "/hub/a", &m, &a), &routes[0]);
    ck_assert_ptr_eq(find(CR_POST, "/hub/a", &m, &a), &routes[1]);
    ck_assert_ptr_null(find(CR_DELETE, "/hub/a", &m, &a));
    ck_assert_uint_eq(m.allowed, CR_GET | CR_HEAD | CR_POST);
    ck_assert_ptr_null(find(CR_GET, "/hub/a/", &m, &a));
    ck_assert_uint_eq(m.allowed, 0);
    ck_assert_ptr_null(find(CR_GET, "/hub/users/", &m, &a));
    ck_assert_ptr_eq(find(CR_GET, "/hub/users/a%64a", &m, &a), &routes[2]);
    ck_assert_str_eq(m.param[0], "ada");
    /* An encoded slash stays inside its parameter. */
    ck_assert_ptr_eq(find(CR_GET, "/hub/users/a%2Fx%2Fb", &m, &a), &routes[2]);
    ck_assert_str_eq(m.param[0], "a/x/b");
    ck_assert_ptr_eq(find(CR_GET, "/hub/users/p/x/q", &m, &a), &routes[3]);
    ck_assert_str_eq(m.param[1], "q");
    ck_assert_ptr_eq(find(CR_GET, "/hub/user/ada/lab/tree/%41", &m, &a), &routes[4]);
    ck_assert_str_eq(m.param[0], "ada");
    ck_assert_str_eq(m.param[1], "lab/tree/%41");
}
END_TEST

START_TEST(routes_refuse_bad_parameters) {
    cr_auto_arena cr_arena a;
    cr_route_match m;
    cr_err err = CR_ERR_INIT;
    cr_arena_init(&a, 1 << 16);
    ck_assert_fails(cr_route_find(routes, CR_GET, "/hub/users/%00", &a, &m, &err), CR_INVALID);
    ck_assert_fails(cr_route_find(routes, CR_GET, "/hub/users/%ff", &a, &m, &err), CR_INVALID);
    ck_assert_fails(cr_route_find(routes, CR_GET, "/hub/users/%4", &a, &m, &err), CR_INVALID);
}
END_TEST

/* ---- origin rules ---- */

#define HUB "http://127.0.0.1:8000"

START_TEST(guard_rules) {
    static const struct {
        cr_guard_facts facts;
        bool allowed;
    } rows[] = {
        /* method, Origin, Sec-Fetch-Site, -Mode, -Dest */
        {{CR_GET, NULL, NULL, NULL, NULL, HUB}, true},
        {{CR_GET, NULL, "none", "navigate", "document", HUB}, true},
        {{CR_GET, NULL, "same-origin", "cors", "empty", HUB}, true},
        {{CR_GET, NULL, "cross-site", "navigate", "document", HUB}, true},
        {{CR_GET, NULL, "same-site", "cors", "empty", HUB}, false},
        {{CR_GET, NULL, "cross-site", "no-cors", "image", HUB}, false},
        {{CR_GET, NULL, "cross-site", "navigate", "iframe", HUB}, false},
        {{CR_GET, NULL, "same-origin", "navigate", "embed", HUB}, false},
        {{CR_POST, HUB, "same-origin", "navigate", "document", HUB}, true},
        {{CR_POST, HUB, NULL, NULL, NULL, HUB}, true},
        {{CR_POST, NULL, NULL, NULL, NULL, HUB}, true},
        {{CR_POST, "http://127.0.0.1:8001", NULL, NULL, NULL, HUB}, false},
        {{CR_POST, "null", NULL, NULL, NULL, HUB}, false},
        {{CR_POST, NULL, "same-origin", "navigate", "document", HUB}, false},
        {{CR_POST, HUB, "same-site", "navigate", "document", HUB}, false},
        {{CR_POST, "http://eve.localhost:8001", "cross-site", "navigate", "document", HUB}, false},
        {{CR_DELETE, "http://eve.localhost:8001", NULL, NULL, NULL, HUB}, false},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        cr_err err = CR_ERR_INIT;
        cr_status got = cr_guard_check(&rows[i].facts, &err);
        ck_assert_msg((got == CR_OK) == rows[i].allowed, "row %zu: %s", i, err.message);
        ck_assert(got == CR_OK || got == CR_DENIED);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("http_parts");
    TCase *t = tcase_create("all");
    tcase_add_test(t, form_is_decoded);
    tcase_add_test(t, form_refuses_bad_bytes);
    tcase_add_test(t, form_is_bounded);
    tcase_add_test(t, cookies_of_browsers);
    tcase_add_test(t, percent_encode_keeps_what_is_plain);
    tcase_add_test(t, template_always_escapes);
    tcase_add_test(t, template_sections);
    tcase_add_test(t, template_errors_are_found_when_loaded);
    tcase_add_test(t, routes_match);
    tcase_add_test(t, routes_refuse_bad_parameters);
    tcase_add_test(t, guard_rules);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
