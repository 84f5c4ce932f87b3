/* test_profile.c - profiles.yaml: what is read, what is refused and where, and what a choice gives. */
#include "../check_main.h"

#include <stdio.h>
#include "base/buf.h"
#include "platform/runner/profile.h"

static cr_err err;

static cr_status parse(const char *text, cr_profile_set *set) {
    memset(&err, 0, sizeof err);
    return cr_profiles_parse("f", text, strlen(text), set, &err);
}

static const char GOOD[] =
    "# front-ends\n"
    "profiles:\n"
    "  - slug: small\n"
    "    display_name: Small\n"
    "    memory: 4G\n"
    "    cpu: 2\n"
    "    environment: {DATA: /data, GDAL_CACHEMAX: '512'}\n"
    "    kernels: [python3, ir]\n"
    "  - slug: large\n"
    "    default: true\n"
    "    groups: [teachers, 'egi:vo.example.eu']\n"
    "    memory: 48G\n"
    "    options:\n"
    "      size:\n"
    "        choices:\n"
    "          half: {memory: 24G, environment: {SIZE: half}}\n"
    "          whole: {default: true}\n"
    "      threads:\n"
    "        number: {min: 1, max: 8, step: 0.5, default: 2}\n"
    "        sets: OMP_NUM_THREADS\n"
    "      ram:\n"
    "        number: {min: 1, max: 64, default: 48}\n"
    "        sets: memory\n"
    "      bucket:\n"
    "        text: {pattern: '[a-z]+(-[a-z]+)*', default: open}\n"
    "        sets: BUCKET\n";

START_TEST(reading) {
    cr_profile_set set;
    ck_assert_ok(parse(GOOD, &set));
    ck_assert_int_eq(set.n, 2);
    const cr_profile *small = cr_profile_find(&set, "small"), *large = cr_profile_find(&set, "large");
    ck_assert(small && large && !cr_profile_find(&set, "medium"));
    ck_assert_str_eq(small->title.text, "Small");
    ck_assert_str_eq(large->title.text, "large");
    ck_assert(small->gives.memory_bytes == (uint64_t)4 << 30 && small->gives.cpu_milli == 2000);
    ck_assert(small->gives.n_env == 2 && small->gives.n_kernels == 2 && small->n_groups == 0);
    ck_assert_str_eq(small->gives.env[1].value, "512");
    ck_assert(cr_profile_standard(&set) == large && large->gives.cpu_milli == -1 && large->n_groups == 2 && large->n_options == 4);
    ck_assert_str_eq(set.text, GOOD);
    cr_profiles_done(&set);
    ck_assert_ok(parse("profiles: [{slug: a}, {slug: b}]", &set));
    ck_assert_str_eq(cr_profile_standard(&set)->slug, "a");
    cr_profiles_done(&set);
}
END_TEST

/* Words of the file in the reader's language: exactly it, its root, English, or else what stands first. */
START_TEST(languages) {
    static const char text[] =
        "profiles:\n"
        "  - slug: a\n"
        "    display_name: {de: Klein, en: Small, pt: Pequeno, pt-BR: Pequenino}\n"
        "    description: {no: Liten, fr: Petit}\n"
        "    options:\n"
        "      o:\n"
        "        display_name: {en-GB: Colour, de: Farbe}\n"
        "        choices: {x: {display_name: {de: Eins}}, y: {display_name: Two}}\n";
    static const struct { const char *language, *title, *description, *option, *choice; } cases[] = {
        {NULL, "Small", "Liten", "Colour", "Eins"}, {"en", "Small", "Liten", "Colour", "Eins"}, {"de", "Klein", "Liten", "Farbe", "Eins"},
        {"de-AT", "Klein", "Liten", "Farbe", "Eins"}, {"pt", "Pequeno", "Liten", "Colour", "Eins"}, {"pt-BR", "Pequenino", "Liten", "Colour", "Eins"},
        {"pt-PT", "Pequeno", "Liten", "Colour", "Eins"}, {"fr", "Small", "Petit", "Colour", "Eins"}, {"d", "Small", "Liten", "Colour", "Eins"},
        {"", "Small", "Liten", "Colour", "Eins"},
    };
    cr_profile_set set;
    ck_assert_ok(parse(text, &set));
    const cr_profile *p = &set.at[0];
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        ck_assert_str_eq(cr_profile_words_in(&p->title, cases[i].language), cases[i].title);
        ck_assert_str_eq(cr_profile_words_in(&p->description, cases[i].language), cases[i].description);
        ck_assert_str_eq(cr_profile_words_in(&p->options[0].title, cases[i].language), cases[i].option);
        ck_assert_str_eq(cr_profile_words_in(&p->options[0].choices[0].title, cases[i].language), cases[i].choice);
        ck_assert_str_eq(cr_profile_words_in(&p->options[0].choices[1].title, cases[i].language), "Two");
    }
    cr_profiles_done(&set);
}
END_TEST

#define ONE(rest) "profiles:\n  - slug: a\n" rest

START_TEST(refusing) {
    static const struct { const char *text, *says; } bad[] = {
        {"", "f:1:1: the file is empty"},
        {"profile: []", "f:1:1: the file has no key 'profile'; did you mean 'profiles'?"},
        {"profiles: {}", "f:1:11: `profiles:` must be a list"},
        {"profiles: []", "must be a list"},
        {"- a", "f:1:1: the file must be lines"},
        {"profiles:\n  - display_name: x\n", "f:2:5: a profile needs a slug"},
        {"profiles:\n  - slug: Big One\n", "f:2:11: slug must be"},
        {"profiles: [{slug: a}, {slug: a}]", "f:1:30: a second profile is called a"},
        {ONE("    memroy: 4G\n"), "f:3:5: a profile has no key 'memroy'; did you mean 'memory'?"},
        {ONE("    nothing-like-it: 4G\n"), "f:3:5: a profile has no key 'nothing-like-it'"},
        {ONE("    memory: lots\n"), "f:3:13: memory must be a size"},
        {ONE("    display_name: [Small]\n"), "f:3:19: display_name must be a text, or one for each language"},
        {ONE("    display_name: {}\n"), "f:3:19: display_name must be a text, or one for each language"},
        {ONE("    display_name:\n      en: Small\n      de_DE: Klein\n"), "f:5:7: 'de_DE' is no code of a language, such as en, de or pt-BR"},
        {ONE("    display_name: {en: Small, en: Little}\n"), "f:3:31: 'en' is there already, in line 3"},
        {ONE("    display_name: {en: Small, de: ''}\n"), "f:3:35: display_name is empty in language de"},
        {ONE("    description: {de: {en: x}}\n"), "f:3:23: description must be a text"},
        {ONE("    options: {o: {choices: {a: {display_name: {deutsch: Eins}}}}}\n"), "f:3:48: 'deutsch' is no code of a language"},
        {ONE("    memory: 1M\n"), "from 64M"},
        {ONE("    guarantee: some\n"), "f:3:16: guarantee must be a size"},
        {ONE("    memory: 1G\n    guarantee: 2G\n"), "guarantee is more than memory"},
        {ONE("    memory: 4G\n    memory: 8G\n"), "f:4:5: 'memory' is there already, in line 3"},
        {ONE("    cpu: -1\n"), "f:3:10: cpu must be"},
        {ONE("    cpu: 0.001\n"), "least useful"},
        {ONE("    default: maybe\n"), "f:3:14: default must be true or false"},
        {"profiles: [{slug: a, default: true}, {slug: b, default: true}]", "the first is a"},
        {ONE("    environment: {JUPYTERHUB_API_TOKEN: x}\n"), "f:3:19: the variable JUPYTERHUB_API_TOKEN is kept"},
        {ONE("    environment: {PATH: /tmp}\n"), "the variable PATH is kept"},
        {ONE("    environment: {LD_PRELOAD: x}\n"), "begin with LD_"},
        {ONE("    environment: {PYTHONPATH: x}\n"), "begin with PYTHON"},
        {ONE("    environment: {HOME: x}\n"), "HOME is kept"},
        {ONE("    environment: {DASK_GATEWAY__ADDRESS: x}\n"), "kept"},
        {ONE("    environment: {'A B': x}\n"), "no name of a variable"},
        {ONE("    environment: {1A: x}\n"), "no name of a variable"},
        {ONE("    environment: {A: \"x\\ny\"}\n"), "line break"},
        {ONE("    environment: {A: [1]}\n"), "must be a text"},
        {ONE("    environment: [A]\n"), "environment must be lines"},
        {ONE("    kernels: python3\n"), "kernels must be a list"},
        {ONE("    kernels: ['--x']\n"), "no name of a kernel"},
        {ONE("    groups: []\n"), "groups must be a list"},
        {ONE("    options: {o: {}}\n"), "f:3:18: an option has one of"},
        {ONE("    options: {o: {choices: {a: {}}, number: {min: 1, max: 2}}}\n"), "one of choices, number, text"},
        {ONE("    options: {o: {choices: {a: {memory: 4G, size: 1}}}}\n"), "a choice has no key 'size'"},
        {ONE("    options: {o: {choices: {a: {default: true}, b: {default: true}}}}\n"), "a second choice is the default"},
        {ONE("    options: {o: {choices: {a: {}}, sets: X}}\n"), "`sets` is for numbers"},
        {ONE("    options: {o: {number: {min: 1, max: 2}}}\n"), "needs `sets`"},
        {ONE("    options: {o: {number: {min: 1}, sets: X}}\n"), "needs min and max"},
        {ONE("    options: {o: {number: {min: 3, max: 2}, sets: X}}\n"), "max is less than min"},
        {ONE("    options: {o: {number: {min: 1, max: 2, default: 3}, sets: X}}\n"), "not one of the numbers"},
        {ONE("    options: {o: {number: {min: 1, max: 2, step: 0}, sets: X}}\n"), "step must be"},
        {ONE("    options: {o: {number: {min: 1, max: 2, default: 1.5}, sets: X}}\n"), "not one of the numbers"},
        {ONE("    options: {o: {number: {min: 0, max: 2}, sets: memory}}\n"), "memory is in GiB"},
        {ONE("    options: {o: {number: {min: 0, max: 2}, sets: cpu}}\n"), "cpu is from"},
        {ONE("    options: {o: {number: {min: 0, max: 2}, sets: LD_PRELOAD}}\n"), "kept"},
        {ONE("    options: {o: {text: {pattern: 'a*'}, sets: memory}}\n"), "set by a number"},
        {ONE("    options: {o: {text: {pattern: 'a('}, sets: X}}\n"), "no extended regular expression"},
        {ONE("    options: {o: {text: {pattern: '(a)\\1'}, sets: X}}\n"), "back references"},
        {ONE("    options: {o: {text: {pattern: '(a{99}){99}'}, sets: X}}\n"), "multiply"},
        {ONE("    options: {o: {text: {pattern: 'a+'}, sets: X}}\n"), "(the empty text) does not fit"},
        {ONE("    options: {o: {text: {pattern: 'a+', default: b}, sets: X}}\n"), "'b' does not fit"},
        {ONE("    options: {profile: {choices: {a: {}}}}\n"), "cannot be called 'profile'"},
        {ONE("    description: &x text\n"), "f:3:18: anchors"},
        {ONE("    description: *x\n"), "references"},
        {ONE("    description: !!str x\n"), "tags"},
        {ONE("    memory: 4G\n---\nprofiles: []\n"), "second document"},
        {ONE("    ? [a]\n    : b\n"), "a key must be a word"},
        {ONE("    memory: [\n"), "f:"},
        {ONE("   memory: 4G\n"), "f:3:"},
        {ONE("\tmemory: 4G\n"), "f:3:1: "},
        {ONE("    software: geo\n"), "f:3:15: there is no software 'geo'"},
        {"software: {geo: {prefix: /e}}\n" ONE("    software: goe\n"), "did you mean 'geo'?"},
        {"software: []\n" ONE(""), "f:1:11: software must be lines"},
        {"software: {geo: {}}\n" ONE(""), "needs its prefix"},
        {"software: {geo: {prefix: opt/geo}}\n" ONE(""), "f:1:26: prefix must be the absolute path"},
        {"software: {geo: {prefix: /}}\n" ONE(""), "absolute path"},
        {"software: {geo: {prefix: /opt/../home/eve}}\n" ONE(""), "leads upwards"},
        {"software: {geo: {prefix: /opt/..}}\n" ONE(""), "leads upwards"},
        {"software: {geo: {prefix: '/opt/a b'}}\n" ONE(""), "a character other than"},
        {"software: {geo: {prefix: '/opt/${HOME}'}}\n" ONE(""), "a character other than"},
        {"software: {geo: {prefix: /opt, run: all}}\n" ONE(""), "run must be kernels"},
        {"software: {geo: {prefix: /opt, packages: x}}\n" ONE(""), "has no key 'packages'"},
        {"software: {craton: {prefix: /opt}}\n" ONE(""), "cannot be called 'craton'"},
        {"software: {python3: {prefix: /opt}}\n" ONE(""), "cannot be called 'python3'"},
        {"profiles: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "too deep"},
        {"profiles: \xff\xfe", "f:1:"},
    };
    cr_profile_set set;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert_msg(parse(bad[i].text, &set) != CR_OK, "taken: %s", bad[i].text);
        ck_assert_msg(strstr(err.message, bad[i].says), "%s\n  says: %s\n  not:  %s", bad[i].text, err.message, bad[i].says);
    }
}
END_TEST

static void repeat(cr_buf *out, const char *begin, const char *format, int n, const char *end) {
    cr_buf_clear(out);
    cr_buf_adds(out, begin);
    for (int i = 0; i < n; i++)
        cr_buf_addf(out, format, i);
    cr_buf_adds(out, end);
}

START_TEST(sizes) {
    cr_profile_set set;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 1 << 20);
    static const struct { const char *begin, *format, *end, *says; int most; } much[] = {
        {"profiles:\n", "  - slug: p%d\n", "", "more than 32 profiles", 32},
        {"profiles: [{slug: a, environment: {", "E%d: x, ", "}}]", "more than 32 variables", 32},
        {"profiles: [{slug: a, groups: [", "g%d, ", "]}]", "more than 32 entries", 32},
        {"profiles: [{slug: a, options: {o: {choices: {", "c%d: {}, ", "}}}}]", "more than 32 choices", 32},
        {"profiles: [{slug: a}]\nsoftware: {", "w%d: {prefix: /opt/e}, ", "}", "more than 32 software", 32},
        {"profiles: [{slug: a, options: {", "o%d: {choices: {a: {}}}, ", "}}]", "at most 8 options", 8},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(much); i++) {
        repeat(&text, much[i].begin, much[i].format, much[i].most, much[i].end);
        ck_assert_ok(parse(text.data, &set));
        cr_profiles_done(&set);
        repeat(&text, much[i].begin, much[i].format, much[i].most + 1, much[i].end);
        ck_assert(parse(text.data, &set) != CR_OK);
        ck_assert_msg(strstr(err.message, much[i].says), "%s", err.message);
    }
    repeat(&text, "profiles:\n", "  # comment %d\n", 8000, "");
    ck_assert_fails(parse(text.data, &set), CR_LIMIT);
}
END_TEST

static cr_status apply(const cr_profile_set *set, const char *profile, const char *answers, cr_arena *a, cr_profile_given *g) {
    cr_profile_asked asked = {0};
    memset(&err, 0, sizeof err);
    snprintf(asked.profile, sizeof asked.profile, "%s", profile);
    snprintf(asked.answers, sizeof asked.answers, "%s", answers);
    return cr_profile_apply(set, &asked, (uint64_t)1 << 30, 500, a, g, &err);
}

static const char *env_of(const cr_profile_given *g, const char *name) {
    for (int i = 0; i < g->n_env; i++)
        if (strcmp(g->env[i].name, name) == 0)
            return g->env[i].value;
    return "";
}

START_TEST(giving) {
    cr_profile_set set, none = {0};
    cr_profile_given g;
    cr_auto_arena cr_arena a;
    cr_arena_init(&a, 1 << 20);
    ck_assert_ok(parse(GOOD, &set));
    ck_assert_ok(apply(&set, "small", "", &a, &g));
    ck_assert(g.memory_bytes == (uint64_t)4 << 30 && g.cpu_milli == 2000 && g.n_env == 2 && g.n_kernels == 2);
    ck_assert_ok(apply(&set, "", "", &a, &g));
    ck_assert(g.memory_bytes == (uint64_t)48 << 30 && g.cpu_milli == 500 && g.n_kernels == 0);
    ck_assert_str_eq(env_of(&g, "OMP_NUM_THREADS"), "2");
    ck_assert_str_eq(env_of(&g, "BUCKET"), "open");
    ck_assert_ok(apply(&set, "large", "ram=2.000\nsize=half\nthreads=7.5\nbucket=a-b\n", &a, &g));
    ck_assert(g.memory_bytes == (uint64_t)2 << 30);   /* the later option of the file counts */
    ck_assert_str_eq(env_of(&g, "OMP_NUM_THREADS"), "7.5");
    ck_assert_str_eq(env_of(&g, "SIZE"), "half");
    static const struct { const char *profile, *answers, *says; } bad[] = {
        {"huge", "", "no profile 'huge'"}, {"small", "size=half\n", "no option 'size'"}, {"large", "size=quarter\n", "there are half, whole"},
        {"large", "size=half\nsize=half\n", "twice"}, {"large", "threads=9\n", "from 1 to 8 in steps of 0.5"}, {"large", "threads=1.25\n", "from 1"},
        {"large", "threads=x\n", "from 1"}, {"large", "ram=65\n", "from 1 to 64"}, {"large", "bucket=A\n", "of the form"},
        {"large", "bucket=a-b;c\n", "of the form"}, {"large", "bucket\n", "no option"}, {"large", "ram=1e1\n", "from 1"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        ck_assert(apply(&set, bad[i].profile, bad[i].answers, &a, &g) != CR_OK);
        ck_assert_msg(strstr(err.message, bad[i].says), "%s: %s", bad[i].answers, err.message);
    }
    cr_profiles_done(&set);
    ck_assert_ok(apply(&none, "", "", &a, &g));
    ck_assert(g.memory_bytes == (uint64_t)1 << 30 && g.cpu_milli == 500 && g.n_env == 0);
    ck_assert_fails(apply(&none, "small", "", &a, &g), CR_NOT_FOUND);
    ck_assert_fails(apply(&none, "", "a=b\n", &a, &g), CR_NOT_FOUND);
}
END_TEST

START_TEST(software) {
    static const char text[] =
        "software:\n"
        "  geo: {display_name: Geo 2026, prefix: /opt/envs/geo-2026}\n"
        "  old: {prefix: /opt/..envs/old., run: server}\n"
        "profiles:\n"
        "  - slug: course\n"
        "    software: geo\n"
        "    options:\n"
        "      with: {choices: {new: {}, old: {software: old}, ours: {software: craton}}}\n"
        "  - slug: plain\n";
    cr_profile_set set;
    cr_profile_given g;
    cr_auto_arena cr_arena a;
    cr_arena_init(&a, 1 << 20);
    ck_assert_ok(parse(text, &set));
    ck_assert(set.n_software == 2 && !set.software[0].whole && set.software[1].whole);
    ck_assert_str_eq(set.software[0].title, "Geo 2026");
    ck_assert_str_eq(set.software[1].title, "old");
    ck_assert_ok(apply(&set, "course", "", &a, &g));
    ck_assert_ptr_eq(g.software, cr_profile_software(&set, "geo"));
    ck_assert_ok(apply(&set, "course", "with=old\n", &a, &g));
    ck_assert_ptr_eq(g.software, cr_profile_software(&set, "old"));
    ck_assert_ok(apply(&set, "course", "with=ours\n", &a, &g));
    ck_assert_ptr_null(g.software);
    ck_assert_ok(apply(&set, "plain", "", &a, &g));
    ck_assert_ptr_null(g.software);
    const cr_profile *course = cr_profile_find(&set, "course"), *plain = cr_profile_find(&set, "plain");
    ck_assert(cr_profile_may_give(course, "geo") && cr_profile_may_give(course, "old") && !cr_profile_may_give(plain, "geo"));
    cr_profiles_done(&set);
}
END_TEST

START_TEST(numbers) {
    static const struct { const char *text; int64_t v; const char *back; } good[] = {
        {"0", 0, "0"}, {"1", 1000, "1"}, {"2.50", 2500, "2.5"}, {"-0.125", -125, "-0.125"}, {"48.0000", 48000, "48"}, {"1000000000", 1000000000000, "1000000000"},
    };
    static const char *const bad[] = {"", "-", ".5", "1.", "1.2345", "1e3", "0x10", " 1", "1 ", "99999999999999999999", "1000000001", "1,5", "--1", "nan"};
    char text[32];
    int64_t v;
    for (size_t i = 0; i < CR_ARRAY_LEN(good); i++) {
        ck_assert_ok(cr_profile_number(good[i].text, &v, &err));
        ck_assert_msg(v == good[i].v, "%s", good[i].text);
        ck_assert_str_eq(cr_profile_number_text(v, text), good[i].back);
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++)
        ck_assert_msg(cr_profile_number(bad[i], &v, NULL) != CR_OK, "taken: '%s'", bad[i]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("profile");
    TCase *t = tcase_create("profile");
    tcase_add_test(t, reading);
    tcase_add_test(t, languages);
    tcase_add_test(t, refusing);
    tcase_add_test(t, sizes);
    tcase_add_test(t, giving);
    tcase_add_test(t, software);
    tcase_add_test(t, numbers);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
