/* parser.h - between the files of the parser of expressions: its state, words and signs, and what reads arguments.
 *
 * A function that fails says so in the parser, where the first failure counts, and returns NULL or false; `at` is the byte that is wrong.
 */
#ifndef CR_CLI_PARSER_H
#define CR_CLI_PARSER_H

#include <string.h>

#include "cli/expression.h"

typedef struct parser {
    const char *text, *p;
    cr_arena *memory;
    cr_err *err;
    int depth, nodes, at;             /* at: what is wrong */
    bool each;
    cr_status status;
} parser;

/* ---- failures and memory ---- */

/* Returns NULL for every caller. */
void *cr_parse_fail(parser *s, const char *where, cr_status status, const char *hint, const char *message);
void *cr_parse_expected(parser *s, const char *what);
void *cr_parse_get(parser *s, size_t n, size_t size);
char *cr_parse_copy(parser *s, const char *from, size_t n);
void *cr_parse_grown(parser *s, void *array, int n, size_t size);      /* one more element at the end of an array of n */

/* ---- words and signs ---- */

static inline void blanks(parser *s) { s->p += strspn(s->p, " \t\r\n"); }

static inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80; }
static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

static inline size_t word_length(const char *p) {
    size_t n = 0;
    while (is_letter(p[n]) || (n > 0 && is_digit(p[n])))
        n++;
    return n;
}

static inline bool sign_at(const char *p, const char *sign) { return strncmp(p, sign, strlen(sign)) == 0; }

static inline bool accept(parser *s, char c) {
    blanks(s);
    if (*s->p != c)
        return false;
    s->p++;
    return true;
}

static inline bool word_at(const char *p, const char *word) {
    size_t n = word_length(p);
    return n == strlen(word) && memcmp(p, word, n) == 0;
}

static inline bool is_quote(char c) { return c == '"' || c == '\''; }

const char *cr_parse_quoted(parser *s);

/* ---- arguments of operations ---- */

bool cr_parse_add_arg(parser *s, cr_expr *e, cr_expr *arg);
bool cr_parse_bracketed(parser *s, cr_expr *e);          /* behind "(", up to ")" */
bool cr_parse_words(parser *s, cr_expr *e);              /* of a stage, with blanks between */
bool cr_parse_counted(parser *s, const cr_expr *e);      /* whether they are as many as the operation takes */

/* ---- the grammar, for arguments that are results ---- */

cr_expr *cr_parse_result(parser *s);
cr_expr *cr_parse_sign(parser *s);
cr_expr *cr_parse_operators(parser *s, cr_expr *left, int least);       /* of at least this level behind left */

#endif
