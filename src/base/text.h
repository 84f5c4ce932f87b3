/* text.h - small text helpers: people-friendly sizes and durations, checked number parsing, checked products. */
#ifndef CR_BASE_TEXT_H
#define CR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Marks a sentence that a page shows and that stands in no call that tools/texts knows by itself, so that it comes into the catalogue. */
#define N_(text) text

/* "1.5 GiB", "240 B"; returns buf (needs 16 bytes). */
char *cr_text_bytes(uint64_t bytes, char *buf, size_t size);
/* "3.2 s", "4 min 10 s"; returns buf (needs 24 bytes). */
char *cr_text_duration(int64_t ms, char *buf, size_t size);
/* In words, rounded: "45 seconds", "1 minute", "4 hours", "1 hour 30 minutes", "3 days"; returns buf (needs 40 bytes). */
char *cr_text_span(int64_t ms, char *buf, size_t size);
/* "512", "512M", "48G", "1.5GiB", "20 MB": K, M, G, T are powers of 1024 unless written KB, MB, GB, TB. */
cr_status cr_parse_bytes(const char *text, uint64_t *ret_bytes, cr_err *err) CR_MUST_USE;
/* The whole text must be one decimal integer within the bounds. */
cr_status cr_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value, cr_err *err) CR_MUST_USE;
/* strtod with a point whatever the locale of the program says: for what files and users wrote. */
double cr_parse_real(const char *text, char **ret_end);
bool cr_text_is_utf8(const char *s, size_t n);
/* How many of n bytes fit where at most `most` are: no half of a character, which a page could not hold. */
size_t cr_text_fit(const char *s, size_t n, size_t most);
/* Text from elsewhere on its way to people: one line of UTF-8 without control characters, and without what turns its direction, in place. */
void cr_text_clean(char *s);
/* Bytes of the character at s when it is one that steers terminals or turns the direction of writing, beyond ASCII; 0: it is another. */
size_t cr_text_steers(const char *s);
bool cr_starts_with(const char *s, const char *prefix);
bool cr_ends_with(const char *s, const char *suffix);
/* Product of n extents, each >= 0; false on overflow of int64_t. */
bool cr_product(const int64_t *extents, int n, int64_t *ret_product);
/* The one of n words that is written most like this one, NULL when none is near. */
const char *cr_text_nearest(const char *word, const char *const *words, int n);

#endif
