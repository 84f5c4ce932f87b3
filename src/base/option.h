/* option.h - command-line options from one table: the parser and --help come from the same rows.
 *
 * static const cr_option rows[] = {
 *     {'o', "output", "FILE", "write the result to FILE", CR_OPTION_TEXT, &output},
 *     {0},
 * };
 */
#ifndef CR_BASE_OPTION_H
#define CR_BASE_OPTION_H

#include <stdio.h>
#include "base/error.h"

typedef enum cr_option_kind { CR_OPTION_FLAG, CR_OPTION_TEXT, CR_OPTION_INT, CR_OPTION_BYTES } cr_option_kind;

typedef struct cr_option {
    char letter;              /* 0: long form only */
    const char *name;         /* NULL ends the table */
    const char *value;        /* name of the value in the help; NULL for a flag */
    const char *help;
    cr_option_kind kind;
    void *target;             /* bool *, const char **, int64_t * or uint64_t * */
} cr_option;

/* Fills the targets, of 256 rows at most (CR_INTERNAL with more); *ret_first is the index in argv of the first operand (argv is permuted). */
cr_status cr_option_parse(const cr_option *rows, int argc, char **argv, int *ret_first, cr_err *err) CR_MUST_USE;
void cr_option_help(const cr_option *rows, FILE *out);

#endif
