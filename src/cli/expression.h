/* expression.h - the language of `craton calc`: text to a tree. docs/shell.md describes it, docs/decisions/0018 says why it is so.
 *
 *   program  = statement { ";" statement } [ ";" ]          statement = [ NAME "=" ] result { "," result }
 *   result   = or { "|" stage tail }                        what is left of a bar is what the stage works on; tail goes on calculating
 *   or       = and { "or" and }                             and = not { "and" not }          not = "not" not | compare
 *   compare  = sum [ "==" "!=" "<" "<=" ">" ">=" sum ]      sum = product { "+" "-" product }
 *   product  = sign { "*" "/" "//" "%" sign }               sign = "-" sign | power          power = postfix [ "**" sign ]
 *   postfix  = operand { "." OPERATION "(" arguments ")" }
 *   operand  = NUMBER | [ FILE "." ] ( NAME | TEXT | "*" ) | "_" | "(" result ")" | FUNCTION "(" result arguments ")"
 *   stage    = { MODIFIER } OPERATION arguments             arguments in brackets with commas, or as words with blanks
 *
 * Operations are rows of one table; what follows a name is read as its row says. x.mean(time), mean(x, time) and x | mean time are the
 * same tree.
 *
 * Ownership: everything lies in the arena of the caller. Invariants: 1. every node knows the byte it begins at; 2. trees are at most
 * CR_EXPR_DEEPEST deep and have at most CR_EXPR_MOST nodes; 3. the text is UTF-8 and never read beyond its NUL.
 */
#ifndef CR_CLI_EXPRESSION_H
#define CR_CLI_EXPRESSION_H

#include "base/arena.h"
#include "craton/array.h"

enum { CR_EXPR_LONGEST = 64 << 10, CR_EXPR_DEEPEST = 100, CR_EXPR_MOST = 4096, CR_EXPR_MEMORY = 8 << 20, CR_EXPR_DIMS = 16 };

typedef enum cr_verb_kind {
    CR_VERB_REDUCE,               /* dimensions; detail: cr_reduction, perhaps with CR_VERB_SAMPLE */
    CR_VERB_MEDIAN,               /* dimensions */
    CR_VERB_QUANTILE,             /* a number, then dimensions */
    CR_VERB_MAP,                  /* detail: cr_map_op; results as other arguments */
    CR_VERB_WHERE, CR_VERB_SEL, CR_VERB_NEAREST, CR_VERB_ISEL,
    CR_VERB_BY, CR_VERB_PERIOD, CR_VERB_RESAMPLE, CR_VERB_WEIGHTED, CR_VERB_ROLLING,
    CR_VERB_ANOMALY, CR_VERB_NAME, CR_VERB_ATTRS, CR_VERB_TO, CR_VERB_TRANSPOSE, CR_VERB_REGRID,
    CR_VERB_ALONG,                /* detail: cr_along */
    CR_VERB_CORR, CR_VERB_FILL, CR_VERB_INTERP, CR_VERB_POINTS
} cr_verb_kind;

enum { CR_VERB_SAMPLE = 1 << 8 };   /* std and var of a sample: divided by N - 1 */
enum cr_along { CR_ALONG_SUMS, CR_ALONG_DIFFERENCES, CR_ALONG_FORWARD, CR_ALONG_SLOPE, CR_ALONG_REST };

typedef enum cr_takes {
    CR_TAKES_NOTHING, CR_TAKES_WORDS, CR_TAKES_ONE_WORD, CR_TAKES_NUMBER_WORDS, CR_TAKES_RESULTS, CR_TAKES_MAYBE_RESULT, CR_TAKES_RESULT_WORDS, CR_TAKES_LABELS
} cr_takes;

typedef struct cr_verb {
    const char *name;
    cr_verb_kind kind;
    int detail;                   /* of the kind */
    cr_takes takes;
    int least, most;              /* of what it takes */
    bool modifies;                /* wants a reduction behind it */
    const char *arguments, *help; /* for people */
} cr_verb;

extern const cr_verb cr_verbs[];  /* ends with a row without a name */
const cr_verb *cr_verb_find(const char *name, size_t length);   /* NULL: none */

/* What an operator of CDO or a program of NCO is here, for hints: a stage of an expression ("yearly mean"), or a whole command. false: not known. */
bool cr_known_elsewhere(const char *word, size_t n, char *buf, size_t size, bool *ret_command);

typedef struct cr_label_text {    /* one label as it was written */
    const char *text;             /* NULL: left out, in a range */
    int at;
    bool quoted;
} cr_label_text;

typedef struct cr_keyed {         /* dim=label, dim=from:to[:step], dim=[label, ...] */
    const char *key;
    int at;
    enum { CR_KEYED_ONE, CR_KEYED_RANGE, CR_KEYED_LIST } form;
    int n;                        /* labels: 1, 2 or 3, length */
    cr_label_text *labels;
} cr_keyed;

typedef enum cr_expr_kind {
    CR_EXPR_WHOLE, CR_EXPR_REAL, CR_EXPR_NAME, CR_EXPR_EACH /* "*" */, CR_EXPR_IT /* "_" */, CR_EXPR_MAP /* an operator */, CR_EXPR_VERB
} cr_expr_kind;

typedef struct cr_expr {
    cr_expr_kind kind;
    int at;                       /* byte */
    int64_t whole;
    double real;
    const char *name;
    const char *file;             /* of a name or "*": NAME=FILE of the command; NULL: files without a name */
    cr_map_op op;
    const cr_verb *verb;
    int n_args;                   /* operands of an operator; of a verb: what it works on, then results */
    struct cr_expr **args;
    int n_words;
    cr_label_text *words;
    int n_keys;
    cr_keyed *keys;
    bool used;                    /* left to the evaluation: it has met a variable that it could work on */
} cr_expr;

typedef struct cr_statement {
    const char *name;             /* NULL: no assignment */
    int at;
    int n;
    cr_expr **results;
    bool each;                    /* "*" is in it */
} cr_statement;

typedef struct cr_program {
    int n;
    cr_statement *statements;
} cr_program;

/* text: at most CR_EXPR_LONGEST bytes of UTF-8. On failure *ret_at is the byte that is wrong. Pointers go into the arena. */
cr_status cr_program_parse(const char *text, cr_arena *memory, cr_program *ret_program, int *ret_at, cr_err *err) CR_MUST_USE;

#endif
