/* pairs.h - what browsers send as name=value text: query strings, forms (x-www-form-urlencoded) and Cookie headers; percent-coding.
 *
 * Everything here reads bytes from strangers: lengths and counts are bounded, decoded text is valid UTF-8 without NUL, anything else
 * is CR_INVALID with a message that says which part was refused. Results live in the caller's arena. Fuzzed by fuzz/fuzz_pairs.c.
 */
#ifndef CR_PLATFORM_HTTP_PAIRS_H
#define CR_PLATFORM_HTTP_PAIRS_H

#include <stdbool.h>
#include "base/arena.h"
#include "base/buf.h"

enum { CR_PAIRS_MAX = 64 };

typedef struct cr_pair {
    const char *name, *value;
} cr_pair;
typedef struct cr_pairs {
    cr_pair at[CR_PAIRS_MAX];
    int n;
} cr_pairs;

/* '+' is a space in queries and forms, not in paths. */
cr_status cr_percent_decode(cr_arena *arena, const char *text, size_t n, bool plus_is_space, const char **ret_text, cr_err *err) CR_MUST_USE;
/* Everything but letters, digits and "-._~" becomes %XX; characters of `keep` stay too. */
void cr_percent_encode(cr_buf *out, const char *text, const char *keep);

cr_status cr_pairs_parse_form(cr_arena *arena, const char *text, size_t n, cr_pairs *pairs, cr_err *err) CR_MUST_USE;
/* Names of cookies are not decoded; values neither (RFC 6265); malformed parts are skipped, as browsers of other sites may add them. */
cr_status cr_pairs_parse_cookies(cr_arena *arena, const char *header, cr_pairs *pairs, cr_err *err) CR_MUST_USE;

const char *cr_pairs_get(const cr_pairs *pairs, const char *name);      /* the first, or NULL */
int cr_pairs_count(const cr_pairs *pairs, const char *name);

#endif
