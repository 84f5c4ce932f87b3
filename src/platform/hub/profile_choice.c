/* profile_choice.c - groups decide what is seen; runner/profile.h decides what fits. */
#include "platform/hub/profile_choice.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/text.h"
#include "platform/identity/groups.h"

typedef struct seen {
    const cr_profile_set *set;
    bool at[CR_PROFILES_MAX];
    int n, standard;                  /* standard: place of the default among those that are seen */
} seen;

static void on_group(void *user, const char *group) {
    seen *v = user;
    for (int i = 0; i < v->set->n; i++)
        for (int k = 0; k < v->set->at[i].n_groups; k++)
            if (strcmp(v->set->at[i].groups[k], group) == 0)
                v->at[i] = true;
}

/* Of the person whose server it is, whoever asks. */
static cr_status look_as(cr_hub *hub, int64_t user_id, seen *ret, cr_err *err) {
    seen v = {.set = hub->profiles, .standard = -1};
    CR_TRY(cr_groups_of(hub->db, user_id, on_group, &v, err));
    for (int i = 0; i < v.set->n; i++) {
        v.at[i] = v.at[i] || !v.set->at[i].n_groups;
        v.n += v.at[i];
        if (v.at[i] && (v.standard < 0 || v.set->at[i].standard))
            v.standard = i;
    }
    *ret = v;
    return CR_OK;
}

static cr_status look(const cr_lab *s, seen *ret, cr_err *err) { return look_as(s->hub, s->user_id, ret, err); }

static cr_status nothing_open(cr_err *err) {
    CR_FAIL(err, CR_DENIED, "no profile is open to you, so there is no server to start");
    cr_err_hint(err, "ask your administrator to put you into a group that may use one");
    return CR_DENIED;
}

/* ---- from user_options ---- */

/* A text, number or truth value as it would stand in a form. */
static cr_status text_of(const char *key, const json_t *v, char out[CR_PROFILE_ANSWER_MAX + 1], cr_err *err) {
    int n = -1;
    if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v))
        n = snprintf(out, CR_PROFILE_ANSWER_MAX + 1, "%s", json_string_value(v));
    else if (json_is_integer(v))
        n = snprintf(out, CR_PROFILE_ANSWER_MAX + 1, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v) && json_real_value(v) > -1e9 && json_real_value(v) < 1e9) {
        n = snprintf(out, CR_PROFILE_ANSWER_MAX + 1, "%.6f", json_real_value(v));
        while (n > 2 && out[n - 1] == '0' && out[n - 2] != '.')
            out[--n] = 0;
    }
    if (n < 0 || n > CR_PROFILE_ANSWER_MAX)
        return CR_FAIL(err, CR_INVALID, "the answer to option '%.40s' must be a text of at most %d bytes, or a number", key, CR_PROFILE_ANSWER_MAX);
    return CR_OK;
}

static cr_status no_option(const cr_profile *p, const char *key, cr_err *err) {
    const char *names[CR_PROFILE_OPTIONS_MAX + 1];
    for (int i = 0; i < p->n_options; i++)
        names[i] = p->options[i].slug;
    const char *near = cr_text_nearest(key, names, p->n_options);
    return CR_FAIL(err, CR_INVALID, "profile %s has no option '%.40s'%s%s%s", p->slug, key, near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

static cr_status take(const cr_profile *p, const char *key, const json_t *value, cr_profile_asked *asked, json_t *kept, cr_err *err) {
    char given[CR_PROFILE_ANSWER_MAX + 1], answer[CR_PROFILE_ANSWER_MAX + 1];
    const cr_profile_option *o = cr_profile_option_find(p, key);
    if (!o)
        return no_option(p, key, err);
    if (json_object_get(kept, o->slug))
        return CR_FAIL(err, CR_INVALID, "option '%s' is answered twice", o->slug);
    CR_TRY(text_of(key, value, given, err));
    CR_TRY(cr_profile_answer(o, given, answer, err));
    CR_TRY(cr_profile_ask(asked, o->slug, answer, err));
    return json_object_set_new(kept, o->slug, json_string(answer)) == 0 ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for a choice");
}

static const cr_profile *open_profile(const seen *v, const json_t *given, cr_err *err) {
    const json_t *name = json_object_get(given, "profile");
    if (v->standard < 0)
        return nothing_open(err), NULL;
    if (!name || json_is_null(name))
        return &v->set->at[v->standard];
    const cr_profile *p = json_is_string(name) ? cr_profile_find(v->set, json_string_value(name)) : NULL;
    if (p && v->at[p - v->set->at])
        return p;
    char list[200] = "";
    for (int i = 0; i < v->set->n; i++)
        if (v->at[i] && strlen(list) < 150)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? ", " : "", v->set->at[i].slug);
    CR_FAIL(err, CR_INVALID, "No such profile: '%.40s'. Options include: %s", json_is_string(name) ? json_string_value(name) : "(not a text)", list);
    return NULL;
}

/* *ret_kept: the same in its one spelling. */
static cr_status read_choice(const seen *v, const json_t *given, cr_profile_asked *ret_asked, json_t **ret_kept, cr_err *err) {
    cr_profile_asked asked = {0};
    const json_t *nested = json_object_get(given, "options");
    const char *key;
    json_t *value;
    const cr_profile *p = open_profile(v, given, err);
    if (!p)
        return err ? err->status : CR_INVALID;
    if (nested && !json_is_object(nested) && !json_is_null(nested))
        return CR_FAIL(err, CR_INVALID, "options must be an object");
    snprintf(asked.profile, sizeof asked.profile, "%s", p->slug);
    json_t *kept = json_pack("{s:s}", "profile", p->slug);
    cr_status status = kept ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for a choice");
    json_object_foreach((json_t *)(uintptr_t)given, key, value)
        if (status == CR_OK && strcmp(key, "profile") != 0 && strcmp(key, "options") != 0)
            status = take(p, key, value, &asked, kept, err);
    json_object_foreach((json_t *)(uintptr_t)nested, key, value)
        if (status == CR_OK)
            status = take(p, key, value, &asked, kept, err);
    if (status != CR_OK) {
        json_decref(kept);
        return status;
    }
    *ret_asked = asked;
    *ret_kept = kept;
    return CR_OK;
}

/* ---- keeping ---- */

/* Steals kept. What is the same already is not written again: most starts choose nothing. */
static cr_status keep(cr_lab *s, json_t *kept, cr_err *err) {
    if (json_equal(kept, s->user_options)) {
        json_decref(kept);
        return CR_OK;
    }
    cr_auto_free char *text = json_dumps(kept, JSON_COMPACT);
    cr_status status = !text ? CR_FAIL(err, CR_MEMORY, "no memory for a choice")
                       : strlen(text) > CR_CHOICE_MAX ? CR_FAIL(err, CR_LIMIT, "user_options are longer than %d bytes", CR_CHOICE_MAX)
                       : cr_db_run(s->hub->db, err, "UPDATE servers SET user_options = ? WHERE id = ?", "ti", text, s->id);
    if (status != CR_OK) {
        json_decref(kept);
        return status;
    }
    json_decref(s->user_options);
    s->user_options = kept;
    return CR_OK;
}

cr_status cr_choice_set(cr_lab *s, const json_t *given, cr_err *err) {
    cr_profile_asked asked;
    json_t *kept;
    seen v;
    if (!s->hub->profiles->n) {
        kept = json_deep_copy(given);
        return kept ? keep(s, kept, err) : CR_FAIL(err, CR_MEMORY, "no memory for a choice");
    }
    CR_TRY(look(s, &v, err));
    CR_TRY(read_choice(&v, given, &asked, &kept, err));
    return keep(s, kept, err);
}

cr_status cr_choice_set_form(cr_lab *s, const cr_pairs *form, cr_err *err) {
    const char *slug = cr_pairs_get(form, "profile");
    if (!slug || !s->hub->profiles->n)
        return CR_OK;
    const cr_profile *p = cr_profile_find(s->hub->profiles, slug);
    json_t *given = json_pack("{s:s}", "profile", slug);
    for (int i = 0; p && i < p->n_options; i++) {
        char field[2 * CR_PROFILE_SLUG_MAX + 8];
        snprintf(field, sizeof field, "%s--%s", p->slug, p->options[i].slug);
        const char *answer = cr_pairs_get(form, field);
        if (answer)
            json_object_set_new(given, p->options[i].slug, json_string(answer));
    }
    cr_status status = given ? cr_choice_set(s, given, err) : CR_FAIL(err, CR_MEMORY, "no memory for a choice");
    json_decref(given);
    return status;
}

/* ---- starting ---- */

cr_status cr_choice_for_start(cr_lab *s, cr_runner_start *start, cr_err *err) {
    const cr_config *c = s->hub->config;
    cr_profile_given given;
    cr_auto_arena cr_arena arena;
    seen v;
    cr_arena_init(&arena, 64 << 10);
    s->guarantee_bytes = 0;
    start->limits = (cr_server_limits){c->memory_bytes, (uint32_t)c->cpu_milli, (uint32_t)c->pids};
    if (s->hub->profiles->n) {
        json_t *kept;
        cr_err why = CR_ERR_INIT;
        CR_TRY(look(s, &v, err));
        if (v.standard < 0)
            return nothing_open(err);
        if (read_choice(&v, s->user_options, &start->profile, &kept, &why) != CR_OK) {
            cr_log(CR_LOG_INFO, "a choice fits no more: the default is taken", "user=%s", s->user);    /* why quotes the answer, which may be a secret */
            json_t *nothing = json_object();
            cr_status status = read_choice(&v, nothing, &start->profile, &kept, err);
            json_decref(nothing);
            CR_TRY(status);
        }
        CR_TRY(keep(s, kept, err));
        CR_TRY(cr_profile_apply(v.set, &start->profile, c->memory_bytes, (uint32_t)c->cpu_milli, &arena, &given, err));
        start->limits.memory_bytes = given.memory_bytes;
        start->limits.cpu_milli = given.cpu_milli;
        s->guarantee_bytes = given.guarantee_bytes;
    }
    s->memory_bytes = start->limits.memory_bytes;
    s->cpu_milli = start->limits.cpu_milli;
    return CR_OK;
}

/* ---- software ---- */

cr_status cr_choice_software(cr_hub *hub, int64_t user_id, bool ret_open[CR_SOFTWARE_MAX], cr_err *err) {
    seen v;
    memset(ret_open, 0, CR_SOFTWARE_MAX * sizeof ret_open[0]);
    if (!hub->profiles->n_software)
        return CR_OK;
    CR_TRY(look_as(hub, user_id, &v, err));
    for (int i = 0; i < v.set->n; i++)
        for (int k = 0; v.at[i] && k < v.set->n_software; k++)
            ret_open[k] = ret_open[k] || cr_profile_may_give(&v.set->at[i], v.set->software[k].slug);
    return CR_OK;
}

const char *cr_choice_whole_software(const cr_lab *s, char out[CR_PROFILE_SLUG_MAX + 1]) {
    const cr_config *c = s->hub->config;
    cr_profile_asked asked;
    cr_profile_given given;
    json_t *kept;
    seen v;
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, 64 << 10);
    out[0] = 0;
    if (!s->hub->profiles->n_software || look(s, &v, NULL) != CR_OK || read_choice(&v, s->user_options, &asked, &kept, NULL) != CR_OK)
        return out;
    json_decref(kept);
    if (cr_profile_apply(v.set, &asked, c->memory_bytes, (uint32_t)c->cpu_milli, &arena, &given, NULL) == CR_OK && given.software && given.software->whole)
        snprintf(out, CR_PROFILE_SLUG_MAX + 1, "%s", given.software->slug);
    return out;
}

/* ---- the page ---- */

static const char *answer_of(const cr_lab *s, const cr_profile *p, const cr_profile_option *o, char buf[CR_PROFILE_ANSWER_MAX + 1]) {
    const char *chosen = json_string_value(json_object_get(s->user_options, "profile"));
    const char *answer = chosen && strcmp(chosen, p->slug) == 0 ? json_string_value(json_object_get(s->user_options, o->slug)) : NULL;
    if (!answer || cr_profile_answer(o, answer, buf, NULL) != CR_OK)
        cr_profile_answer_standard(o, buf);
    return buf;
}

char *cr_choice_amounts(uint64_t memory_bytes, int64_t cpu_milli, char out[80]) {
    char memory[16], cpu[32];
    out[0] = 0;
    if (memory_bytes)
        snprintf(out, 80, "%s of memory", cr_text_bytes(memory_bytes, memory, sizeof memory));
    if (cpu_milli > 0)
        snprintf(out + strlen(out), 80 - strlen(out), "%s%s %s", out[0] ? ", " : "", cr_profile_number_text(cpu_milli, cpu),
                 cpu_milli == 1000 ? "CPU" : "CPUs");
    return out;
}

static json_t *choice_values(const cr_profile_option *o, const char *answer, const char *language) {
    json_t *all = json_array();
    for (int i = 0; i < o->n_choices; i++) {
        const cr_profile_choice *c = &o->choices[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:b}", "slug", c->slug, "title", cr_profile_words_in(&c->title, language),
                                             "description", cr_profile_words_in(&c->description, language), "chosen", strcmp(c->slug, answer) == 0));
    }
    return all;
}

static json_t *option_values(const cr_lab *s, const cr_profile *p, const cr_profile_option *o, const char *language) {
    char answer[CR_PROFILE_ANSWER_MAX + 1], min[32], max[32], step[32], id[2 * CR_PROFILE_SLUG_MAX + 8];
    const char *unit = o->target == CR_PROFILE_SETS_MEMORY ? "GiB" : o->target == CR_PROFILE_SETS_CPU ? "CPUs" : "";
    answer_of(s, p, o, answer);
    snprintf(id, sizeof id, "%s--%s", p->slug, o->slug);
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "id", id, "title", cr_profile_words_in(&o->title, language),
                     "description", cr_profile_words_in(&o->description, language), "is_list", o->kind == CR_PROFILE_CHOICES, "is_number", o->kind == CR_PROFILE_NUMBER, "is_text", o->kind == CR_PROFILE_TEXT,
                     "answer", answer, "min", cr_profile_number_text(o->min, min), "max", cr_profile_number_text(o->max, max),
                     "step", cr_profile_number_text(o->step ? o->step : 1, step), "pattern", o->pattern ? o->pattern : "", "unit", unit,
                     "choices", choice_values(o, answer, language));
}

static json_t *profile_values(const cr_lab *s, const cr_profile *p, bool chosen, bool alone, const char *language) {
    const cr_config *c = s->hub->config;
    uint64_t memory = p->gives.memory_bytes ? p->gives.memory_bytes : c->memory_bytes;
    int64_t cpu = p->gives.cpu_milli >= 0 ? p->gives.cpu_milli : c->cpu_milli;
    char text[80];
    json_t *options = json_array();
    for (int i = 0; i < p->n_options; i++)
        json_array_append_new(options, option_values(s, p, &p->options[i], language));
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o}", "slug", p->slug, "title", cr_profile_words_in(&p->title, language),
                     "description", cr_profile_words_in(&p->description, language), "amounts", cr_choice_amounts(memory, cpu, text),
                     "chosen", chosen, "alone", alone, "has_options", p->n_options > 0, "options", options);
}

json_t *cr_choice_page(cr_lab *s, const char *language) {
    seen v;
    cr_err err = CR_ERR_INIT;
    json_t *all = json_array();
    if (!s->hub->profiles->n || look(s, &v, &err) != CR_OK)
        return json_pack("{s:b, s:b, s:o}", "ask", 0, "none", 0, "profiles", all);
    const char *chosen = json_string_value(json_object_get(s->user_options, "profile"));
    const cr_profile *p = chosen ? cr_profile_find(v.set, chosen) : NULL;
    int at = p && v.at[p - v.set->at] ? (int)(p - v.set->at) : v.standard;
    bool ask = v.n > 1;
    for (int i = 0; i < v.set->n; i++) {
        if (!v.at[i])
            continue;
        ask = ask || v.set->at[i].n_options;
        json_array_append_new(all, profile_values(s, &v.set->at[i], i == at, v.n == 1, language));
    }
    return json_pack("{s:b, s:b, s:o}", "ask", ask, "none", v.n == 0, "profiles", all);
}

int cr_choice_place(const cr_lab *s, const char *slug) {
    const cr_profile_set *set = s->hub->profiles;
    if (!slug)
        slug = json_string_value(json_object_get(s->user_options, "profile"));
    const cr_profile *p = slug ? cr_profile_find(set, slug) : NULL;
    p = p ? p : cr_profile_standard(set);
    return p ? (int)(p - set->at) : 0;
}

const char *cr_choice_title(const cr_lab *s, const char *language) {
    const char *chosen = json_string_value(json_object_get(s->user_options, "profile"));
    const cr_profile *p = chosen && s->hub->profiles->n > 1 ? cr_profile_find(s->hub->profiles, chosen) : NULL;
    return p ? cr_profile_words_in(&p->title, language) : "";
}
