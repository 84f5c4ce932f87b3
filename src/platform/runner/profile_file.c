/* profile_file.c - the tree of profiles.yaml becomes a set; every refusal says where, what, and what would be right. */
#include <regex.h>
#include <stdio.h>
#include "base/text.h"
#include "platform/http/texts.h"
#include "platform/runner/profile.h"
#include "platform/runner/profile_yaml.h"

enum { ARENA_MAX = 8 << 20, KEYS_MOST = 13, MEMORY_LEAST_MIB = 64, MEMORY_MOST_GIB = 65536, CPU_MOST = 4096, PATTERN_MAX = 120, REPEATS_MOST = 256 };

typedef struct reader {
    const char *name;
    cr_arena *arena;
    const cr_profile_set *set;        /* its software, which is read first */
    cr_err *err;
} reader;

#define FAIL(r, at, ...) cr_yaml_fail((r)->name, (at)->line, (at)->column, CR_INVALID, (r)->err, __VA_ARGS__)

static cr_status no_memory(const reader *r) { return CR_FAIL(r->err, CR_MEMORY, "%s is too large for its memory", r->name); }

/* ---- the shape ---- */

/* Values of a map by its known keys; an unknown one is refused with the nearest. */
static cr_status open_map(const reader *r, const cr_yaml *map, const char *what, const char *const *keys, const cr_yaml **ret) {
    int n = 0;
    while (keys[n])
        n++;
    if (map->kind != CR_YAML_MAP)
        return FAIL(r, map, "%s must be lines `key: value`", what);
    for (const cr_yaml *v = map->first; v; v = v->next) {
        int i = 0;
        while (i < n && strcmp(keys[i], v->key->text) != 0)
            i++;
        if (i < n) {
            ret[i] = v;
            continue;
        }
        const char *near = cr_text_nearest(v->key->text, keys, n);
        return FAIL(r, v->key, "%s has no key '%.60s'%s%s%s", what, v->key->text, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return CR_OK;
}

static cr_status check_text(const reader *r, const cr_yaml *v, const char *what, size_t most, bool lines) {
    if (v->kind != CR_YAML_TEXT)
        return FAIL(r, v, "%s must be a text", what);
    if (strlen(v->text) > most)
        return FAIL(r, v, "%s is longer than %zu bytes", what, most);
    for (const unsigned char *p = (const unsigned char *)v->text; *p; p++)
        if ((*p < 0x20 && !(lines && *p == '\n')) || *p == 0x7F || (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0))
            return FAIL(r, v, "%s has a line break or a control character", what);
    return CR_OK;
}

static cr_status read_title(const reader *r, const cr_yaml *v, const char *slug, const char **ret) {
    *ret = slug;
    if (!v)
        return CR_OK;
    CR_TRY(check_text(r, v, "display_name", CR_PROFILE_TITLE_MAX, false));
    *ret = v->text[0] ? v->text : slug;
    return CR_OK;
}

/* {en: Small, de: Klein} */
static cr_status read_languages(const reader *r, const cr_yaml *map, const char *what, size_t most, bool lines, cr_profile_words *ret) {
    if (map->kind != CR_YAML_MAP || !map->n)
        return FAIL(r, map, "%s must be a text, or one for each language, as {en: Small, de: Klein}", what);
    if (map->n > CR_PROFILE_LANGUAGES_MAX)
        return FAIL(r, map, "%s is in more than %d languages", what, CR_PROFILE_LANGUAGES_MAX);
    ret->in = cr_arena_calloc(r->arena, (size_t)map->n, sizeof *ret->in);
    if (!ret->in)
        return no_memory(r);
    for (const cr_yaml *v = map->first; v; v = v->next) {
        if (!cr_texts_is_language(v->key->text))
            return FAIL(r, v->key, "'%.40s' is no code of a language, such as en, de or pt-BR", v->key->text);
        CR_TRY(check_text(r, v, what, most, lines));
        if (!v->text[0])
            return FAIL(r, v, "%s is empty in language %s", what, v->key->text);
        ret->in[ret->n++] = (cr_profile_said){v->key->text, v->text};
    }
    ret->text = ret->in[0].text;
    ret->text = cr_profile_words_in(ret, "en");
    return CR_OK;
}

static cr_status read_words_in(const reader *r, const cr_yaml *v, const char *what, size_t most, bool lines, const char *otherwise, cr_profile_words *ret) {
    *ret = (cr_profile_words){.text = otherwise};
    if (!v)
        return CR_OK;
    if (v->kind != CR_YAML_TEXT)
        return read_languages(r, v, what, most, lines, ret);
    CR_TRY(check_text(r, v, what, most, lines));
    if (v->text[0])
        ret->text = v->text;
    return CR_OK;
}

/* display_name and description of a profile, an option or a choice. */
static cr_status read_said(const reader *r, const cr_yaml *title, const cr_yaml *description, const char *slug, cr_profile_words *ret_title,
                           cr_profile_words *ret_description) {
    CR_TRY(read_words_in(r, title, "display_name", CR_PROFILE_TITLE_MAX, false, slug, ret_title));
    return read_words_in(r, description, "description", CR_PROFILE_TEXT_MAX, true, "", ret_description);
}

static cr_status read_yes(const reader *r, const cr_yaml *v, bool *ret) {
    static const char *const yes[] = {"true", "yes", "on", "True"}, *const no[] = {"false", "no", "off", "False"};
    if (!v)
        return CR_OK;
    for (size_t i = 0; v->kind == CR_YAML_TEXT && i < CR_ARRAY_LEN(yes); i++) {
        if (strcmp(v->text, yes[i]) == 0 || strcmp(v->text, no[i]) == 0) {
            *ret = strcmp(v->text, yes[i]) == 0;
            return CR_OK;
        }
    }
    return FAIL(r, v, "default must be true or false");
}

static cr_status check_slug(const reader *r, const cr_yaml *v, const char *what) {
    if (v->kind != CR_YAML_TEXT || !cr_profile_slug_is_right(v->text))
        return FAIL(r, v, "%s must be at most %d small letters, digits and '-', beginning with a letter or digit", what, CR_PROFILE_SLUG_MAX);
    return CR_OK;
}

/* ---- what is given ---- */

static cr_status read_memory(const reader *r, const cr_yaml *v, const char *what, uint64_t *ret) {
    uint64_t bytes;
    if (!v)
        return CR_OK;
    if (v->kind != CR_YAML_TEXT || cr_parse_bytes(v->text, &bytes, NULL) != CR_OK)
        return FAIL(r, v, "%s must be a size such as 4G or 512M", what);
    if (bytes < (uint64_t)MEMORY_LEAST_MIB << 20 || bytes > (uint64_t)MEMORY_MOST_GIB << 30)
        return FAIL(r, v, "%s must be from %dM to %dG", what, MEMORY_LEAST_MIB, MEMORY_MOST_GIB);
    *ret = bytes;
    return CR_OK;
}

static cr_status read_cpu(const reader *r, const cr_yaml *v, int64_t *ret) {
    int64_t milli;
    *ret = -1;
    if (!v)
        return CR_OK;
    if (v->kind != CR_YAML_TEXT || cr_profile_number(v->text, &milli, NULL) != CR_OK || milli < 0 || milli > CPU_MOST * 1000)
        return FAIL(r, v, "cpu must be a number of CPUs such as 2 or 0.5, at most %d; 0 is no limit", CPU_MOST);
    if (milli && milli < 10)
        return FAIL(r, v, "cpu is less than the least useful share, 0.01");
    *ret = milli;
    return CR_OK;
}

static cr_status check_env_name(const reader *r, const cr_yaml *v) {
    cr_err why = CR_ERR_INIT;
    if (v->kind != CR_YAML_TEXT || cr_profile_env_check(v->text, &why) != CR_OK)
        return FAIL(r, v, "%s", v->kind == CR_YAML_TEXT ? why.message : "a variable must be a word");
    return CR_OK;
}

static cr_status read_env(const reader *r, const cr_yaml *map, cr_profile_gives *g) {
    if (!map)
        return CR_OK;
    if (map->kind != CR_YAML_MAP)
        return FAIL(r, map, "environment must be lines `NAME: value`");
    if (map->n > CR_PROFILE_ENV_MAX)
        return FAIL(r, map, "environment has more than %d variables", CR_PROFILE_ENV_MAX);
    g->env = cr_arena_calloc(r->arena, (size_t)map->n + 1, sizeof *g->env);
    if (!g->env)
        return no_memory(r);
    for (const cr_yaml *v = map->first; v; v = v->next) {
        CR_TRY(check_env_name(r, v->key));
        CR_TRY(check_text(r, v, "the value of a variable", CR_PROFILE_VALUE_MAX, false));
        g->env[g->n_env++] = (cr_profile_env){v->key->text, v->text};
    }
    return CR_OK;
}

static cr_status read_words(const reader *r, const cr_yaml *list, const char *what, int most, size_t bytes, const char ***ret, int *ret_n) {
    if (!list)
        return CR_OK;
    if (list->kind != CR_YAML_LIST || !list->n)
        return FAIL(r, list, "%s must be a list such as [one, two]", what);
    if (list->n > most)
        return FAIL(r, list, "%s has more than %d entries", what, most);
    *ret = cr_arena_calloc(r->arena, (size_t)list->n, sizeof **ret);
    if (!*ret)
        return no_memory(r);
    for (const cr_yaml *v = list->first; v; v = v->next) {
        CR_TRY(check_text(r, v, what, bytes, false));
        if (!v->text[0])
            return FAIL(r, v, "%s has an empty entry", what);
        (*ret)[(*ret_n)++] = v->text;
    }
    return CR_OK;
}

static cr_status read_kernels(const reader *r, const cr_yaml *list, cr_profile_gives *g) {
    CR_TRY(read_words(r, list, "kernels", CR_PROFILE_KERNELS_MAX, 64, &g->kernels, &g->n_kernels));
    const cr_yaml *v = list ? list->first : NULL;
    for (; v; v = v->next)
        if (v->text[0] == '-' || strspn(v->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(v->text))
            return FAIL(r, v, "'%.60s' is no name of a kernel, as `jupyter kernelspec list` shows them (python3, ir)", v->text);
    return CR_OK;
}

static cr_status read_software_name(const reader *r, const cr_yaml *v, const char **ret) {
    const char *names[CR_SOFTWARE_MAX + 1] = {CR_SOFTWARE_OWN};
    if (!v)
        return CR_OK;
    CR_TRY(check_slug(r, v, "software"));
    for (int i = 0; i < r->set->n_software; i++)
        names[i + 1] = r->set->software[i].slug;
    if (strcmp(v->text, CR_SOFTWARE_OWN) != 0 && !cr_profile_software(r->set, v->text)) {
        const char *near = cr_text_nearest(v->text, names, r->set->n_software + 1);
        return FAIL(r, v, "there is no software '%s'%s%s%s; it is defined under `software:` at the beginning of a line", v->text,
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    *ret = v->text;
    return CR_OK;
}

static cr_status read_gives(const reader *r, const cr_yaml *memory, const cr_yaml *guarantee, const cr_yaml *cpu, const cr_yaml *env,
                            const cr_yaml *kernels, const cr_yaml *software, cr_profile_gives *g) {
    CR_TRY(read_memory(r, memory, "memory", &g->memory_bytes));
    CR_TRY(read_memory(r, guarantee, "guarantee", &g->guarantee_bytes));
    if (g->memory_bytes && g->guarantee_bytes > g->memory_bytes)
        return FAIL(r, guarantee, "guarantee is more than memory");
    CR_TRY(read_cpu(r, cpu, &g->cpu_milli));
    CR_TRY(read_env(r, env, g));
    CR_TRY(read_software_name(r, software, &g->software));
    return read_kernels(r, kernels, g);
}

/* ---- options ---- */

enum { C_TITLE, C_DESCRIPTION, C_DEFAULT, C_MEMORY, C_CPU, C_ENV, C_KERNELS, C_GUARANTEE, C_SOFTWARE };
static const char *const choice_keys[KEYS_MOST] = {"display_name", "description", "default", "memory", "cpu", "environment", "kernels", "guarantee",
                                                  "software"};

static cr_status read_choices(const reader *r, const cr_yaml *map, cr_profile_option *o) {
    if (map->kind != CR_YAML_MAP || !map->n)
        return FAIL(r, map, "choices must be lines `name:`, each with what it gives");
    if (map->n > CR_PROFILE_CHOICES_MAX)
        return FAIL(r, map, "there are more than %d choices", CR_PROFILE_CHOICES_MAX);
    o->kind = CR_PROFILE_CHOICES;
    o->choices = cr_arena_calloc(r->arena, (size_t)map->n, sizeof *o->choices);
    if (!o->choices)
        return no_memory(r);
    int defaults = 0;
    for (const cr_yaml *v = map->first; v; v = v->next) {
        const cr_yaml *at[KEYS_MOST] = {NULL};
        cr_profile_choice *c = &o->choices[o->n_choices];
        CR_TRY(check_slug(r, v->key, "the name of a choice"));
        CR_TRY(open_map(r, v, "a choice", choice_keys, at));
        c->slug = v->key->text;
        CR_TRY(read_said(r, at[C_TITLE], at[C_DESCRIPTION], c->slug, &c->title, &c->description));
        CR_TRY(read_yes(r, at[C_DEFAULT], &c->standard));
        CR_TRY(read_gives(r, at[C_MEMORY], at[C_GUARANTEE], at[C_CPU], at[C_ENV], at[C_KERNELS], at[C_SOFTWARE], &c->gives));
        if (c->standard && ++defaults > 1)
            return FAIL(r, at[C_DEFAULT], "a second choice is the default");
        if (c->standard)
            o->standard = o->n_choices;
        o->n_choices++;
    }
    o->choices[o->standard].standard = true;
    return CR_OK;
}

static cr_status read_target(const reader *r, const cr_yaml *option, const cr_yaml *v, cr_profile_option *o) {
    if (!v)
        return FAIL(r, option, "an option without choices needs `sets`: memory, cpu, or the name of a variable");
    o->target = v->kind == CR_YAML_TEXT && strcmp(v->text, "memory") == 0 ? CR_PROFILE_SETS_MEMORY
                : v->kind == CR_YAML_TEXT && strcmp(v->text, "cpu") == 0 ? CR_PROFILE_SETS_CPU : CR_PROFILE_SETS_ENV;
    if (o->target != CR_PROFILE_SETS_ENV) {
        if (o->kind != CR_PROFILE_NUMBER)
            return FAIL(r, v, "%s is set by a number, not by a text", v->text);
        return CR_OK;
    }
    CR_TRY(check_env_name(r, v));
    o->env = v->text;
    return CR_OK;
}

static cr_status read_number(const reader *r, const cr_yaml *v, const char *what, int64_t *ret) {
    if (v && (v->kind != CR_YAML_TEXT || cr_profile_number(v->text, ret, NULL) != CR_OK))
        return FAIL(r, v, "%s must be a number with at most three decimal places", what);
    return CR_OK;
}

static cr_status read_bounds(const reader *r, const cr_yaml *map, cr_profile_option *o) {
    static const char *const keys[] = {"min", "max", "step", "default", NULL};
    const cr_yaml *at[KEYS_MOST] = {NULL};
    o->kind = CR_PROFILE_NUMBER;
    CR_TRY(open_map(r, map, "number", keys, at));
    if (!at[0] || !at[1])
        return FAIL(r, map, "a number needs min and max");
    CR_TRY(read_number(r, at[0], "min", &o->min));
    CR_TRY(read_number(r, at[1], "max", &o->max));
    o->step = 1000;
    CR_TRY(read_number(r, at[2], "step", &o->step));
    if (o->step <= 0)
        return FAIL(r, at[2], "step must be more than 0");
    if (o->min > o->max)
        return FAIL(r, at[1], "max is less than min");
    o->number = o->min;
    CR_TRY(read_number(r, at[3], "default", &o->number));
    if (o->number < o->min || o->number > o->max || (o->number - o->min) % o->step)
        return FAIL(r, at[3], "the default is not one of the numbers from min to max");
    return CR_OK;
}

static cr_status check_range(const reader *r, const cr_yaml *map, const cr_profile_option *o) {
    if (o->target == CR_PROFILE_SETS_MEMORY && (o->min < 63 || o->max > (int64_t)MEMORY_MOST_GIB * 1000))
        return FAIL(r, map, "memory is in GiB, from 0.063 to %d", MEMORY_MOST_GIB);
    if (o->target == CR_PROFILE_SETS_CPU && (o->min < 10 || o->max > CPU_MOST * 1000))
        return FAIL(r, map, "cpu is from 0.01 to %d", CPU_MOST);
    return CR_OK;
}

/* Expressions whose search could take for ever, or much memory: back references and repetitions of repetitions by large numbers. */
static bool is_cheap(const char *pattern) {
    int64_t repeats = 1;
    for (const char *p = pattern; *p; p++) {
        if (*p == '\\' && p[1]) {
            if (p[1] >= '0' && p[1] <= '9')
                return false;
            p++;
            continue;
        }
        int64_t most = 0, one = 0;
        for (const char *q = p + 1; *p == '{' && *q && *q != '}'; q++) {
            one = *q >= '0' && *q <= '9' && one < REPEATS_MOST + 1 ? one * 10 + (*q - '0') : *q == ',' ? 0 : one;
            most = CR_MAX(most, one);
        }
        repeats *= CR_MAX(most, (int64_t)1);
        if (repeats > REPEATS_MOST)
            return false;
    }
    return true;
}

static cr_status read_pattern(const reader *r, const cr_yaml *map, cr_profile_option *o) {
    static const char *const keys[] = {"pattern", "default", NULL};
    const cr_yaml *at[KEYS_MOST] = {NULL};
    char answer[CR_PROFILE_ANSWER_MAX + 1], why[80];
    regex_t re;
    o->kind = CR_PROFILE_TEXT;
    CR_TRY(open_map(r, map, "text", keys, at));
    if (!at[0])
        return FAIL(r, map, "a text needs a pattern");
    CR_TRY(check_text(r, at[0], "pattern", PATTERN_MAX, false));
    if (!is_cheap(at[0]->text))
        return FAIL(r, at[0], "the pattern has back references, or repetitions that multiply to more than %d", REPEATS_MOST);
    int rc = regcomp(&re, at[0]->text, REG_EXTENDED | REG_NOSUB);
    if (rc) {
        regerror(rc, NULL, why, sizeof why);
        return FAIL(r, at[0], "the pattern is no extended regular expression: %s", why);
    }
    regfree(&re);
    o->pattern = at[0]->text;
    o->text = "";
    if (at[1]) {
        CR_TRY(check_text(r, at[1], "default", CR_PROFILE_ANSWER_MAX, false));
        o->text = at[1]->text;
    }
    if (cr_profile_answer(o, o->text, answer, NULL) != CR_OK)
        return FAIL(r, at[1] ? at[1] : map, "the default %s%s%s does not fit the pattern", at[1] ? "'" : "(the empty text)", o->text, at[1] ? "'" : "");
    return CR_OK;
}

enum { O_TITLE, O_DESCRIPTION, O_CHOICES, O_NUMBER, O_TEXT, O_SETS };
static const char *const option_keys[KEYS_MOST] = {"display_name", "description", "choices", "number", "text", "sets"};

static cr_status read_option(const reader *r, const cr_yaml *v, cr_profile_option *o) {
    const cr_yaml *at[KEYS_MOST] = {NULL};
    CR_TRY(check_slug(r, v->key, "the name of an option"));
    o->slug = v->key->text;
    if (strcmp(o->slug, "profile") == 0 || strcmp(o->slug, "options") == 0)
        return FAIL(r, v->key, "an option cannot be called '%s'", o->slug);
    CR_TRY(open_map(r, v, "an option", option_keys, at));
    CR_TRY(read_said(r, at[O_TITLE], at[O_DESCRIPTION], o->slug, &o->title, &o->description));
    if (!at[O_CHOICES] + !at[O_NUMBER] + !at[O_TEXT] != 2)
        return FAIL(r, v, "an option has one of choices, number, text");
    if (at[O_CHOICES]) {
        if (at[O_SETS])
            return FAIL(r, at[O_SETS]->key, "each choice says what it gives; `sets` is for numbers and texts");
        return read_choices(r, at[O_CHOICES], o);
    }
    CR_TRY(at[O_NUMBER] ? read_bounds(r, at[O_NUMBER], o) : read_pattern(r, at[O_TEXT], o));
    CR_TRY(read_target(r, v, at[O_SETS], o));
    return check_range(r, v, o);
}

static cr_status read_options(const reader *r, const cr_yaml *map, cr_profile *p) {
    if (!map)
        return CR_OK;
    if (map->kind != CR_YAML_MAP || !map->n)
        return FAIL(r, map, "options must be lines `name:`, each with choices, number or text");
    if (map->n > CR_PROFILE_OPTIONS_MAX)
        return FAIL(r, map, "a profile has at most %d options", CR_PROFILE_OPTIONS_MAX);
    p->options = cr_arena_calloc(r->arena, (size_t)map->n, sizeof *p->options);
    if (!p->options)
        return no_memory(r);
    for (const cr_yaml *v = map->first; v; v = v->next)
        CR_TRY(read_option(r, v, &p->options[p->n_options++]));
    return CR_OK;
}

/* ---- software ---- */

static cr_status read_prefix(const reader *r, const cr_yaml *v, const char **ret) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@-";
    if (v->kind != CR_YAML_TEXT || v->text[0] != '/' || !v->text[1])
        return FAIL(r, v, "prefix must be the absolute path of a venv or a conda environment, such as /opt/envs/geo");
    if (strlen(v->text) > CR_SOFTWARE_PREFIX_MAX)
        return FAIL(r, v, "prefix is longer than %d bytes", CR_SOFTWARE_PREFIX_MAX);
    if (strspn(v->text, allowed) != strlen(v->text))
        return FAIL(r, v, "prefix has a character other than letters, digits and /._+@-");
    for (const char *p = v->text; *p; p += strcspn(p, "/"))
        if (strcspn(++p, "/") == 2 && p[0] == '.' && p[1] == '.')
            return FAIL(r, v, "prefix leads upwards by '..'; write where it leads");
    *ret = v->text;
    return CR_OK;
}

static cr_status read_run(const reader *r, const cr_yaml *v, bool *ret_whole) {
    if (v && (v->kind != CR_YAML_TEXT || (strcmp(v->text, "kernels") != 0 && strcmp(v->text, "server") != 0)))
        return FAIL(r, v, "run must be kernels (the server stays Craton's) or server (all of it runs there)");
    *ret_whole = v && strcmp(v->text, "server") == 0;
    return CR_OK;
}

static cr_status read_software(const reader *r, const cr_yaml *map, cr_profile_set *set) {
    static const char *const keys[] = {"display_name", "prefix", "run", NULL};
    if (!map)
        return CR_OK;
    if (map->kind != CR_YAML_MAP || !map->n)
        return FAIL(r, map, "software must be lines `name:`, each with the prefix of an environment");
    if (map->n > CR_SOFTWARE_MAX)
        return FAIL(r, map, "there are more than %d software environments", CR_SOFTWARE_MAX);
    set->software = cr_arena_calloc(r->arena, (size_t)map->n, sizeof *set->software);
    if (!set->software)
        return no_memory(r);
    for (const cr_yaml *v = map->first; v; v = v->next) {
        const cr_yaml *at[KEYS_MOST] = {NULL};
        cr_software *w = &set->software[set->n_software];
        CR_TRY(check_slug(r, v->key, "the name of a software environment"));
        w->slug = v->key->text;
        /* It is the name of a kernel, and these are others. */
        if (strcmp(w->slug, CR_SOFTWARE_OWN) == 0 || cr_starts_with(w->slug, "python") || strcmp(w->slug, "ir") == 0 || cr_starts_with(w->slug, "julia"))
            return FAIL(r, v->key, "a software environment cannot be called '%s': that is Craton's own, or a kernel's name", w->slug);
        CR_TRY(open_map(r, v, "a software environment", keys, at));
        if (!at[1])
            return FAIL(r, v, "a software environment needs its prefix, the path of a venv or a conda environment");
        CR_TRY(read_title(r, at[0], w->slug, &w->title));
        CR_TRY(read_prefix(r, at[1], &w->prefix));
        CR_TRY(read_run(r, at[2], &w->whole));
        set->n_software++;
    }
    return CR_OK;
}

/* ---- profiles ---- */

enum { P_SLUG, P_TITLE, P_DESCRIPTION, P_DEFAULT, P_MEMORY, P_CPU, P_ENV, P_KERNELS, P_GROUPS, P_OPTIONS, P_GUARANTEE, P_SOFTWARE };
static const char *const profile_keys[KEYS_MOST] = {"slug", "display_name", "description", "default", "memory", "cpu", "environment", "kernels",
                                                   "groups", "options", "guarantee", "software"};

static int most_env(const cr_profile *p) {
    int all = p->gives.n_env;
    for (int i = 0; i < p->n_options; i++) {
        int most = p->options[i].env != NULL;
        for (int k = 0; k < p->options[i].n_choices; k++)
            most = CR_MAX(most, p->options[i].choices[k].gives.n_env);
        all += most;
    }
    return all;
}

static cr_status read_profile(const reader *r, const cr_yaml *v, cr_profile_set *set) {
    const cr_yaml *at[KEYS_MOST] = {NULL};
    cr_profile *p = &set->at[set->n];
    CR_TRY(open_map(r, v, "a profile", profile_keys, at));
    if (!at[P_SLUG])
        return FAIL(r, v, "a profile needs a slug, the name by which it is remembered and asked for");
    CR_TRY(check_slug(r, at[P_SLUG], "slug"));
    p->slug = at[P_SLUG]->text;
    if (cr_profile_find(set, p->slug))
        return FAIL(r, at[P_SLUG], "a second profile is called %s", p->slug);
    CR_TRY(read_said(r, at[P_TITLE], at[P_DESCRIPTION], p->slug, &p->title, &p->description));
    CR_TRY(read_yes(r, at[P_DEFAULT], &p->standard));
    if (p->standard && cr_profile_standard(set))
        return FAIL(r, at[P_DEFAULT], "a second profile is the default; the first is %s", cr_profile_standard(set)->slug);
    CR_TRY(read_gives(r, at[P_MEMORY], at[P_GUARANTEE], at[P_CPU], at[P_ENV], at[P_KERNELS], at[P_SOFTWARE], &p->gives));
    CR_TRY(read_words(r, at[P_GROUPS], "groups", CR_PROFILE_GROUPS_MAX, 255, &p->groups, &p->n_groups));
    CR_TRY(read_options(r, at[P_OPTIONS], p));
    if (most_env(p) > CR_PROFILE_ENV_ALL_MAX)
        return FAIL(r, v, "the profile and its options could set %d variables; a server has at most %d", most_env(p), CR_PROFILE_ENV_ALL_MAX);
    set->n++;
    return CR_OK;
}

static cr_status read_root(const reader *r, const cr_yaml *root, cr_profile_set *set) {
    static const char *const keys[] = {"profiles", "software", NULL};
    const cr_yaml *at[KEYS_MOST] = {NULL}, none = {.line = 1, .column = 1};
    if (!root)
        return FAIL(r, &none, "the file is empty; remove it, or write `profiles:` and a list");
    CR_TRY(open_map(r, root, "the file", keys, at));
    CR_TRY(read_software(r, at[1], set));
    const cr_yaml *list = at[0];
    if (!list || list->kind != CR_YAML_LIST || !list->n)
        return FAIL(r, list ? list : root, "`profiles:` must be a list, each entry beginning with `- slug:`");
    if (list->n > CR_PROFILES_MAX)
        return FAIL(r, list, "there are more than %d profiles", CR_PROFILES_MAX);
    set->at = cr_arena_calloc(r->arena, (size_t)list->n, sizeof *set->at);
    if (!set->at)
        return no_memory(r);
    for (const cr_yaml *v = list->first; v; v = v->next)
        CR_TRY(read_profile(r, v, set));
    if (!cr_profile_standard(set))
        set->at[0].standard = true;
    return CR_OK;
}

cr_status cr_profiles_parse(const char *name, const char *text, size_t n, cr_profile_set *ret_set, cr_err *err) {
    cr_profile_set set = {.text_bytes = n};
    cr_yaml *root = NULL;
    if (n > CR_PROFILE_FILE_MAX)
        return CR_FAIL(err, CR_LIMIT, "%s is longer than %d KiB", name, CR_PROFILE_FILE_MAX >> 10);
    cr_arena_init(&set.arena, ARENA_MAX);
    const reader r = {name, &set.arena, &set, err};
    set.text = cr_arena_strndup(&set.arena, text, n);
    cr_status status = set.text ? cr_yaml_parse(name, text, n, &set.arena, &root, err) : no_memory(&r);
    if (status == CR_OK)
        status = read_root(&r, root, &set);
    if (status != CR_OK) {
        cr_arena_done(&set.arena);
        return status;
    }
    *ret_set = set;
    return CR_OK;
}

void cr_profiles_done(cr_profile_set *set) {
    cr_arena_done(&set->arena);
    *set = (cr_profile_set){0};
}
