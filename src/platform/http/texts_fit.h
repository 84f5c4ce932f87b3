/* texts_fit.h - places in sentences (%s, %2$d), how a finished sentence is compared with one that has places, and whether a translation fits its message. */
#ifndef CR_PLATFORM_HTTP_TEXTS_FIT_H
#define CR_PLATFORM_HTTP_TEXTS_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include "platform/http/po.h"

enum { CR_TEXTS_PLACES_MAX = 8 };
/* Two messages that show how the language writes a number and a day; the signs between are taken from their translations. */
#define CR_TEXTS_NUMBER "1.5"
#define CR_TEXTS_DAY "YYYY-MM-DD"

typedef struct cr_texts_place {
    size_t len;               /* of the whole, %2$lld */
    int number;               /* 2; 0: the next one */
    char kind;                /* s: any text; d: a whole number; f: a number; % : the sign itself */
} cr_texts_place;
/* Does a place begin here? */
bool cr_texts_place_at(const char *p, cr_texts_place *ret_place);
size_t cr_texts_weight(const char *text);     /* bytes outside of places */

typedef struct cr_texts_value {
    const char *s;
    size_t n;
} cr_texts_value;
/* Is it this sentence? Then what stands in its places, pointing into the sentence. */
bool cr_texts_match(const char *pattern, const char *sentence, cr_texts_value values[CR_TEXTS_PLACES_MAX], int *ret_n);

/* Has each form of the translation what the message has: places, or tags and markup? why: one line. */
bool cr_texts_entry_fits(const cr_po_entry *entry, char *why, size_t size);

#endif
