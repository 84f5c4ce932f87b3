/* table.h - results of `craton calc` on standard output. */
#ifndef CR_CLI_TABLE_H
#define CR_CLI_TABLE_H

#include "cli/cli.h"
#include "cli/evaluate.h"

enum { CR_TABLE_MOST = 100000, CR_CSV_MOST = 10 << 20 };  /* values that are printed; rows of a CSV file */

/* Values of all results as columns of text: labels, then values; one table per result. A result of more than CR_TABLE_MOST values is
 * summed up. */
cr_status cr_table_text(const cr_results *r, const cr_cli_screen *screen, cr_buf *out, cr_err *err) CR_MUST_USE;
/* One table as CSV (RFC 4180, lines end in LF): a column for each dimension, one for each result, in as many digits as the values have; missing is empty.
 * CR_INVALID: results on other dimensions; CR_LIMIT: more than CR_CSV_MOST rows. */
cr_status cr_table_csv(const cr_results *r, cr_buf *out, cr_err *err) CR_MUST_USE;
/* One object as xarray.Dataset.to_dict() makes it, missing values null, times in ISO 8601. CR_LIMIT: too many values. */
cr_status cr_table_json(const cr_results *r, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
