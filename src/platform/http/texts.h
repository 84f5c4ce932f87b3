/* texts.h - what people read, in one language. The English sentence is the key, as in gettext; programs, log and API go on speaking English.
 *
 * Two kinds of messages, see docs/decisions/0032-texts.md:
 *  - of templates: exact texts with {{tags}} and markup in them. A translation is taken when it has the same tags and markup, in any order.
 *  - of the program: sentences that C code has made, flagged c-format, whose msgid has %s, %d and so on where words and numbers stood. A finished
 *    sentence is compared with them, what stood there is taken out of it and put into the translation, as text. So sentences that are in the database, or
 *    were said by the helper, can be translated when somebody reads them, in the language of who reads. Nothing of a catalogue is ever a format of printf.
 *
 * A message may come several times, from several files: the last one counts. A set of one language is made once and then only read.
 *
 * Invariants
 *  1. A translation adds no markup and no tag that the message has not.
 *  2. cr_texts_say never fails and never says less than it was given: what it does not know stays English.
 *  3. Its time is bounded: of a sentence the first CR_TEXTS_SENTENCE_MAX bytes are compared, parts of parts to a fixed depth.
 */
#ifndef CR_PLATFORM_HTTP_TEXTS_H
#define CR_PLATFORM_HTTP_TEXTS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

enum { CR_TEXTS_SENTENCE_MAX = 2000, CR_TEXTS_LANGUAGE_MAX = 15 };

typedef struct cr_texts cr_texts;

/* Is it a code such as de, pt-BR, zh-Hans? */
bool cr_texts_is_language(const char *code);

cr_status cr_texts_new(const char *language, cr_texts **ret_texts, cr_err *err) CR_MUST_USE;
void cr_texts_free(cr_texts *texts);
/* Told of each message that is left out: "FILE:LINE: why". */
typedef void (*cr_texts_problem)(void *user, const char *what);
/* A catalogue. CR_FORMAT, CR_LIMIT: nothing of it is used. known: messages that are none of its ids are problems, and what kind each is (c-format, its
 * plural) is asked there; NULL: all are taken, as the file says. */
cr_status cr_texts_add(cr_texts *texts, const char *file, const char *po, size_t n, const cr_texts *known, cr_texts_problem problem, void *user,
                       cr_err *err) CR_MUST_USE;
/* The same for a catalogue without translations, whose ids are then known. */
cr_status cr_texts_add_ids(cr_texts *texts, const char *file, const char *po, size_t n, cr_err *err) CR_MUST_USE;

const char *cr_texts_language(const cr_texts *texts);     /* "en" of NULL */
/* The translation of exactly this; itself when there is none. NULL speaks English. */
const char *cr_texts_get(const cr_texts *texts, const char *id);
/* Form k of the message with this singular; NULL when there is none. And which form a number takes, and how many there are. */
const char *cr_texts_form(const cr_texts *texts, const char *id, int k);
int cr_texts_form_of(const cr_texts *texts, int64_t n);
int cr_texts_forms(const cr_texts *texts);
/* A sentence, a span of time or an amount that the program has made, as text (not HTML). */
void cr_texts_say(const cr_texts *texts, const char *sentence, cr_buf *out);

#endif
