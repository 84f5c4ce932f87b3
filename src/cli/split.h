/* split.h - one result in several files, by a name with fields in braces: {variable}, {year}, {month}, {season}, {day}, {hour}, {dayofyear}, {DIM}. */
#ifndef CR_CLI_SPLIT_H
#define CR_CLI_SPLIT_H

#include "base/buf.h"
#include "cli/evaluate.h"

/* r NULL: only says whether the file could be written. */
typedef cr_status (*cr_split_write)(void *user, const cr_results *r, const char *path, cr_err *err);

bool cr_split_wanted(const char *path);        /* whether a name has a field */
/* Calls write for each file, in the order of the labels, when it has agreed to all of them; stops at the first failure. CR_NOT_FOUND: no result has the dimension. */
cr_status cr_split_results(cr_context *c, const cr_results *r, const char *path, cr_split_write write, void *user, cr_err *err) CR_MUST_USE;

#endif
