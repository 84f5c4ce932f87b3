/* setting.h - files of settings, one "key = value" a line; blank lines and lines that begin with # say nothing.
 *
 * The one reader for all of them: STATE/config, a provider of sign-ins, a service. What keys there are is the caller's table.
 */
#ifndef CR_BASE_SETTING_H
#define CR_BASE_SETTING_H

#include "base/buf.h"

/* Takes one setting; key and value are trimmed, inside the text that is read, and may be changed. */
typedef cr_status (*cr_setting_fn)(void *user, char *key, char *value, cr_err *err);

/* Calls set for each line of text, in order, until one fails; text is changed on the way. The error gets the context "WHERE line N", or
 * "line N" when where is NULL. */
cr_status cr_settings_read(char *text, const char *where, cr_setting_fn set, void *user, cr_err *err) CR_MUST_USE;
/* One key of a table; set is given the user pointer of the reader. */
typedef struct cr_setting_row {
    const char *key, *value_name, *help;
    cr_status (*set)(void *user, const char *value, cr_err *err);
} cr_setting_row;
/* Sets what the row of this key says, for a cr_setting_fn. An unknown key, or text that is none: CR_INVALID, with the hint. */
cr_status cr_setting_set(const cr_setting_row *rows, size_t n, const char *hint, void *user, const char *key, const char *value,
                         cr_err *err) CR_MUST_USE;
/* The line of a --help for one key. */
void cr_setting_help(cr_buf *out, const char *key, const char *value_name, const char *help);

#endif
