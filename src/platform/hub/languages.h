/* languages.h - the languages of the pages: their texts and templates, read once; and which of them is a reader's.
 *
 * Texts come from PREFIX/share/craton/web/texts/CODE.po, and over them from STATE/texts/CODE.po, which are the operator's. English is always there.
 * What is wrong in a file of the operator's is told and left out; it never keeps the hub from starting.
 *
 * A reader's language is, in this order: what the person has chosen (users.language), what this browser has chosen (a cookie, before sign-in), what the
 * browser asks for (Accept-Language), the setting `language`.
 */
#ifndef CR_PLATFORM_HUB_LANGUAGES_H
#define CR_PLATFORM_HUB_LANGUAGES_H

#include "platform/http/template.h"
#include "platform/http/texts.h"

enum { CR_LANGUAGES_MAX = 40 };

typedef struct cr_language {
    char code[CR_TEXTS_LANGUAGE_MAX + 1];
    cr_texts *texts;          /* NULL: English as it is in the templates */
    cr_templates *templates;  /* NULL until somebody makes them */
} cr_language;
typedef struct cr_languages {
    cr_language at[CR_LANGUAGES_MAX];      /* the first is English, the others in the order of their codes */
    int n;
} cr_languages;

/* own: STATE/texts, may be missing. problem: told of what is left out of its files. */
cr_status cr_languages_load(const char *shipped, const char *own, cr_texts_problem problem, void *user, cr_languages *ret, cr_err *err) CR_MUST_USE;
void cr_languages_free(cr_languages *all);
/* The place of exactly this code, or of the code without what follows a hyphen; -1: there is none. */
int cr_languages_find(const cr_languages *all, const char *code);
/* RFC 9110 12.5.4; -1: none of them is there. */
int cr_languages_accept(const cr_languages *all, const char *header);

#endif
