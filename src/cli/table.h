/* table.h - results of `craton calc` on standard output. */
#ifndef CR_CLI_TABLE_H
#define CR_CLI_TABLE_H

#include "cli/cli.h"
#include "cli/evaluate.h"

enum { CR_TABLE_MOST = 100000 };  /* values that are printed */

/* Values of all results as columns of text: labels, then values; one table per result. A result of more than CR_TABLE_MOST values is
 * summed up. */
cr_status cr_table_text(const cr_results *r, const cr_cli_screen *screen, cr_buf *out, cr_err *err) CR_MUST_USE;
/* One object as xarray.Dataset.to_dict() makes it, missing values null, times in ISO 8601. CR_LIMIT: too many values. */
cr_status cr_table_json(const cr_results *r, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
