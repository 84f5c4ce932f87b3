/* scope_words.h - scopes in plain words, for the people who are asked whether a program may have them. */
#ifndef CR_PLATFORM_HUB_SCOPE_WORDS_H
#define CR_PLATFORM_HUB_SCOPE_WORDS_H

#include "platform/identity/scope.h"

/* What the scope lets one do, "see accounts"; "" for what gives nothing to people's programs. */
const char *cr_scope_words(cr_scope scope);
/* [{text, words, whose}], without what follows from another one, and without learning who me is. */
json_t *cr_scope_sentences(const cr_scopes *set, const char *me);

#endif
