/* plural.h - which of a language's plural forms a number takes: the expression in C that a catalogue's header has, plural=(n != 1).
 *
 * Source: GNU gettext manual, "Plural forms". Read are n, whole numbers, parentheses, ! * / % + - < <= > >= == != && || and ?:. A division by zero, which C
 * leaves open, is 0.
 */
#ifndef CR_PLATFORM_HTTP_PLURAL_H
#define CR_PLATFORM_HTTP_PLURAL_H

#include <stdint.h>
#include "base/error.h"

enum { CR_PLURAL_MAX = 400 };      /* bytes of an expression */

/* CR_FORMAT: it is no such expression. */
cr_status cr_plural_check(const char *expression, cr_err *err) CR_MUST_USE;
/* Of one that was checked; a number that is no form is 0. */
int cr_plural_form(const char *expression, int n_forms, int64_t n);

#endif
