/* profile.c - looking up, checking answers, and what they give. */
#include "platform/runner/profile.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "platform/runner/env_names.h"

enum { GIB_PER_THOUSAND = 1000, NUMBER_MOST = 1000000000 };

bool cr_profile_slug_is_right(const char *slug) {
    size_t n = strlen(slug);
    return n && n <= CR_PROFILE_SLUG_MAX && slug[0] != '-' && strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

const cr_profile *cr_profile_find(const cr_profile_set *set, const char *slug) {
    for (int i = 0; i < set->n; i++)
        if (strcmp(set->at[i].slug, slug) == 0)
            return &set->at[i];
    return NULL;
}

const cr_profile *cr_profile_standard(const cr_profile_set *set) {
    for (int i = 0; i < set->n; i++)
        if (set->at[i].standard)
            return &set->at[i];
    return NULL;
}

const cr_software *cr_profile_software(const cr_profile_set *set, const char *slug) {
    for (int i = 0; i < set->n_software; i++)
        if (strcmp(set->software[i].slug, slug) == 0)
            return &set->software[i];
    return NULL;
}

bool cr_profile_may_give(const cr_profile *p, const char *software) {
    if (p->gives.software && strcmp(p->gives.software, software) == 0)
        return true;
    for (int i = 0; i < p->n_options; i++)
        for (int k = 0; k < p->options[i].n_choices; k++)
            if (p->options[i].choices[k].gives.software && strcmp(p->options[i].choices[k].gives.software, software) == 0)
                return true;
    return false;
}

const char *cr_profile_words_in(const cr_profile_words *words, const char *language) {
    size_t n = language ? strlen(language) : 0, root = language ? strcspn(language, "-") : 0;
    const char *by_root = NULL;
    for (int i = 0; language && i < words->n; i++) {
        const char *of = words->in[i].language;
        if (strlen(of) == n && memcmp(of, language, n) == 0)
            return words->in[i].text;
        if (strlen(of) == root && memcmp(of, language, root) == 0)
            by_root = words->in[i].text;
    }
    return by_root ? by_root : words->text;
}

const cr_profile_option *cr_profile_option_find(const cr_profile *p, const char *slug) {
    for (int i = 0; i < p->n_options; i++)
        if (strcmp(p->options[i].slug, slug) == 0)
            return &p->options[i];
    return NULL;
}

/* ---- names of variables ---- */

cr_status cr_profile_env_check(const char *name, cr_err *err) {
    size_t n = strlen(name);
    const char *rule;
    if (!cr_env_name_is_right(name, n))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is no name of a variable: letters, digits and '_', at most %d, not beginning with a digit", name,
                       CR_ENV_NAME_MAX);
    if (cr_env_name_may_set(CR_ENV_OPERATOR, name, n, &rule))
        return CR_OK;
    if (cr_ends_with(rule, "*"))
        return CR_FAIL(err, CR_INVALID, "the variable %s is kept: names that begin with %.*s are not a profile's to set", name,
                       (int)strlen(rule) - 1, rule);
    return CR_FAIL(err, CR_INVALID, "the variable %s is kept: a profile cannot set it", name);
}

/* ---- numbers: decimal, three places ---- */

cr_status cr_profile_number(const char *text, int64_t *ret_thousandths, cr_err *err) {
    const char *p = text + (text[0] == '-');
    int64_t whole = 0, part = 0;
    int digits = 0;
    for (; *p >= '0' && *p <= '9' && whole <= NUMBER_MOST; p++, digits++)
        whole = whole * 10 + (*p - '0');
    if (*p == '.' && digits) {
        int scale = 100;
        for (p++; *p >= '0' && *p <= '9' && scale; p++, scale /= 10)
            part += (*p - '0') * scale;
        while (*p == '0')
            p++;
        if (p[-1] == '.')
            digits = 0;
    }
    if (!digits || *p || whole > NUMBER_MOST)
        return CR_FAIL(err, CR_INVALID, "'%.40s' is no number with at most three decimal places, up to a thousand million", text);
    *ret_thousandths = (whole * 1000 + part) * (text[0] == '-' ? -1 : 1);
    return CR_OK;
}

char *cr_profile_number_text(int64_t v, char buf[32]) {
    int64_t a = v < 0 ? -v : v;
    int n = snprintf(buf, 32, "%s%lld.%03d", v < 0 ? "-" : "", (long long)(a / 1000), (int)(a % 1000));
    while (n > 1 && buf[n - 1] == '0')
        buf[--n] = 0;
    if (buf[n - 1] == '.')
        buf[n - 1] = 0;
    return buf;
}

/* ---- answers ---- */

static cr_status answer_number(const cr_profile_option *o, const char *given, char *ret, cr_err *err) {
    char min[32], max[32], step[32];
    int64_t v;
    if (cr_profile_number(given, &v, NULL) != CR_OK || v < o->min || v > o->max || (v - o->min) % o->step != 0)
        return CR_FAIL(err, CR_INVALID, "%s must be a number from %s to %s in steps of %s, not '%.40s'", o->title.text, cr_profile_number_text(o->min, min),
                       cr_profile_number_text(o->max, max), cr_profile_number_text(o->step, step), given);
    cr_profile_number_text(v, ret);
    return CR_OK;
}

static bool is_plain_text(const char *s) {
    size_t n = strlen(s);
    if (n > CR_PROFILE_ANSWER_MAX || !cr_text_is_utf8(s, n))
        return false;
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p < 0x20 || *p == 0x7F || (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0))
            return false;
    return true;
}

static bool matches(const char *pattern, const char *text) {
    regex_t re;
    regmatch_t all;
    if (regcomp(&re, pattern, REG_EXTENDED) != 0)
        return false;
    bool whole = regexec(&re, text, 1, &all, 0) == 0 && all.rm_so == 0 && all.rm_eo == (regoff_t)strlen(text);
    regfree(&re);
    return whole;
}

cr_status cr_profile_answer(const cr_profile_option *o, const char *given, char ret_answer[CR_PROFILE_ANSWER_MAX + 1], cr_err *err) {
    char list[200] = "";
    if (o->kind == CR_PROFILE_NUMBER)
        return answer_number(o, given, ret_answer, err);
    if (o->kind == CR_PROFILE_TEXT) {
        if (!is_plain_text(given))
            return CR_FAIL(err, CR_INVALID, "%s must be at most %d bytes of text in one line", o->title.text, CR_PROFILE_ANSWER_MAX);
        if (!matches(o->pattern, given))
            return CR_FAIL(err, CR_INVALID, "%s must be of the form %s, which '%.60s' is not", o->title.text, o->pattern, given);
        strcpy(ret_answer, given);
        return CR_OK;
    }
    for (int i = 0; i < o->n_choices; i++) {
        if (strcmp(o->choices[i].slug, given) == 0) {
            strcpy(ret_answer, given);
            return CR_OK;
        }
        if (strlen(list) < 150)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", o->choices[i].slug);
        else if (!cr_ends_with(list, "..."))
            strcat(list, ", ...");
    }
    return CR_FAIL(err, CR_INVALID, "%s has no choice '%.40s'; there are %s", o->title.text, given, list);
}

void cr_profile_answer_standard(const cr_profile_option *o, char ret_answer[CR_PROFILE_ANSWER_MAX + 1]) {
    char number[32];
    snprintf(ret_answer, CR_PROFILE_ANSWER_MAX + 1, "%s", o->kind == CR_PROFILE_NUMBER ? cr_profile_number_text(o->number, number)
             : o->kind == CR_PROFILE_TEXT ? o->text : o->choices[o->standard].slug);
}

cr_status cr_profile_ask(cr_profile_asked *asked, const char *slug, const char *answer, cr_err *err) {
    size_t have = strlen(asked->answers), room = sizeof asked->answers - have;
    if (snprintf(asked->answers + have, room, "%s=%s\n", slug, answer) >= (int)room) {
        memset(asked->answers + have, 0, room);
        return CR_FAIL(err, CR_LIMIT, "the answers to the options are too long");
    }
    return CR_OK;
}

/* ---- what it gives ---- */

static void set_env(cr_profile_given *g, const char *name, const char *value) {
    for (int i = 0; i < g->n_env; i++)
        if (strcmp(g->env[i].name, name) == 0) {
            g->env[i].value = value;
            return;
        }
    if (g->n_env < (int)CR_ARRAY_LEN(g->env))
        g->env[g->n_env++] = (cr_profile_env){name, value};
}

static void add_gives(const cr_profile_set *set, cr_profile_given *g, const cr_profile_gives *more) {
    if (more->memory_bytes)
        g->memory_bytes = more->memory_bytes;
    if (more->guarantee_bytes)
        g->guarantee_bytes = more->guarantee_bytes;
    if (more->cpu_milli >= 0)
        g->cpu_milli = (uint32_t)more->cpu_milli;
    if (more->software)
        g->software = cr_profile_software(set, more->software);
    if (more->n_kernels) {
        g->n_kernels = more->n_kernels;
        g->kernels = more->kernels;
    }
    for (int i = 0; i < more->n_env; i++)
        set_env(g, more->env[i].name, more->env[i].value);
}

static cr_status add_answer(const cr_profile_set *set, cr_profile_given *g, const cr_profile_option *o, const char *given, cr_arena *a, cr_err *err) {
    char answer[CR_PROFILE_ANSWER_MAX + 1];
    int64_t v = 0;
    CR_TRY(cr_profile_answer(o, given, answer, err));
    if (o->kind == CR_PROFILE_CHOICES) {
        for (int i = 0; i < o->n_choices; i++)
            if (strcmp(o->choices[i].slug, answer) == 0)
                add_gives(set, g, &o->choices[i].gives);
        return CR_OK;
    }
    if (o->target != CR_PROFILE_SETS_ENV)
        CR_TRY(cr_profile_number(answer, &v, err));
    if (o->target == CR_PROFILE_SETS_MEMORY)
        g->memory_bytes = ((uint64_t)v << 30) / GIB_PER_THOUSAND;
    else if (o->target == CR_PROFILE_SETS_CPU)
        g->cpu_milli = (uint32_t)v;
    else {
        const char *copy = cr_arena_strdup(a, answer);
        if (!copy)
            return CR_FAIL(err, CR_MEMORY, "no memory for a profile");
        set_env(g, o->env, copy);
    }
    return CR_OK;
}

cr_status cr_profile_apply(const cr_profile_set *set, const cr_profile_asked *asked, uint64_t memory_bytes, uint32_t cpu_milli, cr_arena *a,
                           cr_profile_given *ret_given, cr_err *err) {
    cr_profile_given g = {.memory_bytes = memory_bytes, .cpu_milli = cpu_milli};
    const cr_profile *p = asked->profile[0] ? cr_profile_find(set, asked->profile) : cr_profile_standard(set);
    if (!p && (asked->profile[0] || asked->answers[0]))
        return CR_FAIL(err, CR_NOT_FOUND, "there is no profile '%s'", asked->profile);
    const char *answers[CR_PROFILE_OPTIONS_MAX] = {NULL};
    char *rest = cr_arena_strdup(a, asked->answers);
    if (!rest)
        return CR_FAIL(err, CR_MEMORY, "no memory for a profile");
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *equals = strchr(line, '=');
        if (!line[0])
            continue;
        if (equals)
            *equals = 0;
        const cr_profile_option *o = equals ? cr_profile_option_find(p, line) : NULL;
        if (!o || answers[o - p->options])
            return CR_FAIL(err, CR_INVALID, "profile %s has no option '%.40s', or it is answered twice", p->slug, line);
        answers[o - p->options] = equals + 1;
    }
    if (p)
        add_gives(set, &g, &p->gives);
    for (int i = 0; p && i < p->n_options; i++) {
        char standard[CR_PROFILE_ANSWER_MAX + 1];
        cr_profile_answer_standard(&p->options[i], standard);
        CR_TRY(add_answer(set, &g, &p->options[i], answers[i] ? answers[i] : standard, a, err));
    }
    g.guarantee_bytes = CR_MIN(g.guarantee_bytes, g.memory_bytes);
    *ret_given = g;
    return CR_OK;
}
