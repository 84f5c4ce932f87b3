/* profile.h - server profiles: what a person may choose for a server, and what each choice gives it.
 *
 * The operator writes STATE/profiles.yaml (docs/profiles.md has every key). The helper reads it at its start and sends its text to the hub,
 * which reads it with the same code: the hub shows and remembers choices, the helper looks up what a choice gives. So a START carries
 * names of the operator's file and answers to its questions, never a limit or a variable that is not in the file.
 *
 * A set is made once and not changed; everything in it lies in its arena. Pure functions; any thread.
 *
 * Invariants
 *  1. Names (slugs) are [a-z0-9][a-z0-9-]{0,31}, unique among their sisters; exactly one profile is the default, and one choice of each list.
 *  2. No variable has a name that is Craton's, Jupyter's, Python's or the loader's (env_names.c); no value has a control character.
 *  3. Whatever is asked for, cr_profile_apply gives what the file says, or a sentence that says what does not fit.
 */
#ifndef CR_PLATFORM_RUNNER_PROFILE_H
#define CR_PLATFORM_RUNNER_PROFILE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"

enum {
    CR_PROFILE_FILE_MAX = 64 << 10, CR_PROFILES_MAX = 32, CR_PROFILE_OPTIONS_MAX = 8, CR_PROFILE_CHOICES_MAX = 32, CR_PROFILE_ENV_MAX = 32,
    CR_PROFILE_ENV_ALL_MAX = 64,      /* of a server, with all options */
    CR_PROFILE_GROUPS_MAX = 32, CR_PROFILE_KERNELS_MAX = 8, CR_SOFTWARE_MAX = 32,
    CR_PROFILE_SLUG_MAX = 32,         /* bytes, as are all below */
    CR_PROFILE_LANGUAGES_MAX = 40,
    CR_PROFILE_TITLE_MAX = 80, CR_PROFILE_TEXT_MAX = 500, CR_PROFILE_VALUE_MAX = 500,
    CR_SOFTWARE_PREFIX_MAX = 200,
    CR_PROFILE_ANSWER_MAX = 128,      /* of an option */
    CR_PROFILE_ANSWERS_MAX = CR_PROFILE_OPTIONS_MAX * (CR_PROFILE_SLUG_MAX + CR_PROFILE_ANSWER_MAX + 2)
};

/* What people read: as the file has it, or in the languages in which the file has it. */
typedef struct cr_profile_said { const char *language, *text; } cr_profile_said;
typedef struct cr_profile_words {
    const char *text;                 /* for who reads none of the languages: the English one, or the first */
    int n;                            /* 0: there is one text, which is for everybody */
    cr_profile_said *in;
} cr_profile_words;

typedef struct cr_profile_env { const char *name, *value; } cr_profile_env;

/* Craton's own environment, as a software environment: PREFIX/env/current, which nobody defines. */
#define CR_SOFTWARE_OWN "craton"

/* A software environment of the operator's: a venv, or one of conda. Whether it can be used is asked at each start (software.h). */
typedef struct cr_software {
    const char *slug, *title;
    const char *prefix;               /* absolute; letters, digits and /._+@- only, no '..' */
    bool whole;                       /* the server itself runs from it; else its kernels do */
} cr_software;

/* What a profile gives, and what a choice gives instead. */
typedef struct cr_profile_gives {
    uint64_t memory_bytes;            /* 0: not said */
    uint64_t guarantee_bytes;         /* counted when it starts (hub/admission.h); 0: not said */
    int64_t cpu_milli;                /* 1000 = one CPU, 0: no limit; -1: not said */
    int n_env, n_kernels;             /* n_kernels 0: not said */
    cr_profile_env *env;
    const char **kernels;             /* the first is the one for new notebooks */
    const char *software;             /* a slug of the set, or CR_SOFTWARE_OWN; NULL: not said */
} cr_profile_gives;

typedef struct cr_profile_choice {
    const char *slug;
    cr_profile_words title, description;
    bool standard;
    cr_profile_gives gives;
} cr_profile_choice;

typedef enum cr_profile_kind { CR_PROFILE_CHOICES, CR_PROFILE_NUMBER, CR_PROFILE_TEXT } cr_profile_kind;
typedef enum cr_profile_target { CR_PROFILE_SETS_ENV, CR_PROFILE_SETS_MEMORY, CR_PROFILE_SETS_CPU } cr_profile_target;

typedef struct cr_profile_option {
    const char *slug;
    cr_profile_words title, description;
    cr_profile_kind kind;
    int n_choices, standard;          /* standard: place of the default choice */
    cr_profile_choice *choices;
    cr_profile_target target;         /* of numbers and texts; memory is in GiB */
    const char *env;                  /* CR_PROFILE_SETS_ENV: the variable */
    int64_t min, max, step, number;   /* thousandths; number is the default */
    const char *pattern, *text;       /* POSIX extended expression for the whole answer; the default */
} cr_profile_option;

typedef struct cr_profile {
    const char *slug;
    cr_profile_words title, description;
    bool standard;
    cr_profile_gives gives;
    int n_groups, n_options;
    const char **groups;              /* who sees it; none: everybody */
    cr_profile_option *options;
} cr_profile;

typedef struct cr_profile_set {
    cr_arena arena;
    const char *text;                 /* as written */
    size_t text_bytes;
    int n;                            /* 0: there is no file; every server gets what the settings say */
    cr_profile *at;
    int n_software;
    cr_software *software;
} cr_profile_set;

/* What is asked for: zeroes mean the default profile with its defaults. In START. */
typedef struct cr_profile_asked {
    char profile[CR_PROFILE_SLUG_MAX + 1];
    char answers[CR_PROFILE_ANSWERS_MAX + 1];    /* lines SLUG=ANSWER of options */
} cr_profile_asked;

/* What it gives. */
typedef struct cr_profile_given {
    uint64_t memory_bytes;
    uint64_t guarantee_bytes;         /* at most memory_bytes; 0: by the settings */
    uint32_t cpu_milli;               /* 0: no limit */
    int n_env, n_kernels;
    cr_profile_env env[CR_PROFILE_ENV_ALL_MAX];
    const char *const *kernels;
    const cr_software *software;      /* NULL: Craton's own */
} cr_profile_given;

/* profile_file.c. name: how the file is called in messages, which begin NAME:LINE:COLUMN. *ret_set is to be given to cr_profiles_done
 * when this succeeds. */
cr_status cr_profiles_parse(const char *name, const char *text, size_t n, cr_profile_set *ret_set, cr_err *err) CR_MUST_USE;
void cr_profiles_done(cr_profile_set *set);

const cr_profile *cr_profile_find(const cr_profile_set *set, const char *slug);      /* NULL: there is none */
const cr_profile *cr_profile_standard(const cr_profile_set *set);                    /* NULL: there are none */
/* NULL: there is none, as CR_SOFTWARE_OWN. */
const cr_software *cr_profile_software(const cr_profile_set *set, const char *slug);
/* Could this profile, by itself or by a choice, give that software? */
bool cr_profile_may_give(const cr_profile *p, const char *software);
/* For a reader of this language (de, pt-BR; NULL: of none): in exactly it, in it without what follows the hyphen, or words->text. */
const char *cr_profile_words_in(const cr_profile_words *words, const char *language);
const cr_profile_option *cr_profile_option_find(const cr_profile *p, const char *slug);

/* The answer in its one spelling (numbers without needless zeroes). CR_INVALID says what would fit. */
cr_status cr_profile_answer(const cr_profile_option *o, const char *given, char ret_answer[CR_PROFILE_ANSWER_MAX + 1], cr_err *err) CR_MUST_USE;
void cr_profile_answer_standard(const cr_profile_option *o, char ret_answer[CR_PROFILE_ANSWER_MAX + 1]);
/* Adds a line to asked->answers. */
cr_status cr_profile_ask(cr_profile_asked *asked, const char *slug, const char *answer, cr_err *err) CR_MUST_USE;

/* memory_bytes, cpu_milli: of the settings, for what is not said. The arena holds texts of *ret_given. CR_NOT_FOUND: no such profile. */
cr_status cr_profile_apply(const cr_profile_set *set, const cr_profile_asked *asked, uint64_t memory_bytes, uint32_t cpu_milli, cr_arena *a,
                           cr_profile_given *ret_given, cr_err *err) CR_MUST_USE;

/* For cr_profiles_parse, and a test of its own. */
cr_status cr_profile_env_check(const char *name, cr_err *err) CR_MUST_USE;
bool cr_profile_slug_is_right(const char *slug);
cr_status cr_profile_number(const char *text, int64_t *ret_thousandths, cr_err *err) CR_MUST_USE;
char *cr_profile_number_text(int64_t thousandths, char buf[32]);

#endif
