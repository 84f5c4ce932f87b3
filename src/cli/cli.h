/* cli.h - the command `craton`: what its subcommands share.
 *
 * A subcommand is a row of the table in main.c and a file of its own. It gets argv from its own name on, writes results to standard
 * output and errors to standard error, and returns the exit code (the third column of CR_STATUS_TABLE). Everything about arrays goes
 * through the installed headers. What comes from files is shown through cr_cli_text, so that no name or attribute can steer a
 * terminal.
 */
#ifndef CR_CLI_CLI_H
#define CR_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>
#include "base/buf.h"
#include "base/option.h"
#include "craton/craton.h"

enum { CR_CLI_OUTPUT_MAX = 256 << 20 };

typedef struct cr_cli_command {
    const char *name, *operands, *summary;
    int (*run)(const struct cr_cli_command *self, int argc, char **argv);
    const char *examples;         /* one a line */
    const char *about;            /* of the manual page; paragraphs with an empty line between */
} cr_cli_command;

extern const cr_cli_command cr_cli_commands[];  /* ends with a row without a name */

int cr_cli_info(const cr_cli_command *self, int argc, char **argv);
int cr_cli_rechunk(const cr_cli_command *self, int argc, char **argv);
int cr_cli_convert(const cr_cli_command *self, int argc, char **argv);
int cr_cli_calc(const cr_cli_command *self, int argc, char **argv);
int cr_cli_explain(const cr_cli_command *self, int argc, char **argv);
int cr_cli_diff(const cr_cli_command *self, int argc, char **argv);
int cr_cli_plot(const cr_cli_command *self, int argc, char **argv);
int cr_cli_admin(const cr_cli_command *self, int argc, char **argv);
/* The actions of admin, below its options. */
int cr_cli_actions(void);
/* Their names on standard output, a blank between two: for completion. */
void cr_cli_action_names(void);

/* "craton: message", and the hint below it; returns the exit code. */
int cr_cli_fail(const cr_err *err);
/* The same about byte `at` of an expression, which is shown with a mark below that byte. */
int cr_cli_fail_in(const char *text, int at, cr_err *err);
/* The text of `craton NAME --help`, or what else is asked for of its rows. Values with bars between them ("zstd|lz4") are choices, FILE
 * is the name of a file: completion offers these. */
typedef enum cr_cli_form { CR_CLI_TEXT, CR_CLI_MAN, CR_CLI_BASH, CR_CLI_ZSH } cr_cli_form;
extern cr_cli_form cr_cli_form_now;
int cr_cli_help(const cr_cli_command *self, const cr_option *rows);
/* `craton --man NAME` (NULL: of the program), `craton --completion SHELL`. */
int cr_cli_page(const char *name);
int cr_cli_completion(const char *shell);
/* The operations of calc, below its options. */
int cr_cli_verbs(void);
/* Writes b to standard output; CR_IO when that fails (a full disk, a closed pipe is success). */
cr_status cr_cli_put(const cr_buf *b, cr_err *err) CR_MUST_USE;

typedef struct cr_cli_screen {
    int columns;                  /* 0: no limit */
    bool colour, utf8;
} cr_cli_screen;
void cr_cli_screen_of(FILE *out, cr_cli_screen *ret_screen);
/* Appends s as one line: control characters and bytes that are no UTF-8 become \xHH, line breaks a blank. At most `most` characters,
 * then an ellipsis; 0: all. Returns the characters written. */
size_t cr_cli_text(cr_buf *b, const char *s, size_t most, bool utf8);
/* Characters of b from byte `from` on. */
size_t cr_cli_columns(const cr_buf *b, size_t from);

#endif
