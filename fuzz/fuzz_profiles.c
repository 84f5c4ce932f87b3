/* fuzz_profiles.c - profiles.yaml over any bytes; and answers to its options, which come from the hub: the input's part behind a NUL. */
#include <stdio.h>
#include "fuzz_text.h"
#include "platform/runner/profile.h"

static const char *text_behind(const uint8_t *data, size_t size, size_t *ret_n) {
    const uint8_t *nul = memchr(data, 0, size);
    *ret_n = nul ? (size_t)(nul - data) : size;
    return nul && nul + 1 < data + size ? (const char *)nul + 1 : NULL;
}

static void check_gives(const cr_profile_gives *g) {
    fuzz_must(g->cpu_milli >= -1 && g->cpu_milli <= 4096000 && (!g->memory_bytes || g->memory_bytes >= (uint64_t)64 << 20));
    for (int i = 0; i < g->n_env; i++)
        fuzz_must(cr_profile_env_check(g->env[i].name, NULL) == CR_OK && !strchr(g->env[i].value, '\n'));
}

static void check_software(const cr_profile_set *set) {
    for (int i = 0; i < set->n_software; i++) {
        const cr_software *w = &set->software[i];
        fuzz_must(w->prefix[0] == '/' && w->prefix[1] && !strstr(w->prefix, "/../") && !strpbrk(w->prefix, "${}\"' \n") && w->title[0]);
        fuzz_must(cr_profile_software(set, w->slug) == w && strcmp(w->slug, CR_SOFTWARE_OWN) != 0);
    }
}

static void check_words(const cr_profile_words *w, bool may_be_empty) {
    fuzz_must(w->text && (may_be_empty || w->text[0]) && w->n >= 0 && w->n <= CR_PROFILE_LANGUAGES_MAX);
    for (int i = 0; i < w->n; i++)
        fuzz_must(w->in[i].text[0] && cr_profile_words_in(w, w->in[i].language) == w->in[i].text);
    fuzz_must(cr_profile_words_in(w, NULL) == w->text);
}

static void check_said(const cr_profile *p) {
    check_words(&p->title, false);
    check_words(&p->description, true);
    for (int i = 0; i < p->n_options; i++) {
        check_words(&p->options[i].title, false);
        check_words(&p->options[i].description, true);
        for (int k = 0; k < p->options[i].n_choices; k++) {
            check_words(&p->options[i].choices[k].title, false);
            check_words(&p->options[i].choices[k].description, true);
        }
    }
}

static void check_given(const cr_profile_given *g) {
    fuzz_must(g->memory_bytes >= (uint64_t)63 << 20 && g->cpu_milli <= 4096000 && g->n_env <= CR_PROFILE_ENV_ALL_MAX);
    for (int i = 0; i < g->n_env; i++)
        fuzz_must(cr_profile_env_check(g->env[i].name, NULL) == CR_OK && !strchr(g->env[i].value, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t n;
    const char *answers = text_behind(data, size, &n);
    char *text = fuzz_text(data, n);
    cr_profile_set set;
    cr_profile_given given;
    cr_err err = CR_ERR_INIT;
    cr_arena arena;
    cr_arena_init(&arena, 1 << 20);
    if (cr_profiles_parse("f", text, n, &set, &err) != CR_OK) {
        fuzz_must(err.message[0] != 0);
    } else {
        fuzz_must(set.n > 0 && cr_profile_standard(&set));
        check_software(&set);
        for (int i = 0; i < set.n; i++) {
            cr_profile_asked asked = {0};
            check_gives(&set.at[i].gives);
            check_said(&set.at[i]);
            snprintf(asked.profile, sizeof asked.profile, "%s", set.at[i].slug);
            fuzz_must(cr_profile_apply(&set, &asked, (uint64_t)1 << 30, 0, &arena, &given, NULL) == CR_OK);   /* the defaults always fit */
            check_given(&given);
            snprintf(asked.answers, sizeof asked.answers, "%.*s", (int)(answers ? size - n - 1 : 0), answers ? answers : "");
            if (cr_profile_apply(&set, &asked, (uint64_t)1 << 30, 0, &arena, &given, NULL) == CR_OK)
                check_given(&given);
        }
        cr_profiles_done(&set);
    }
    cr_arena_done(&arena);
    free(text);
    return 0;
}
