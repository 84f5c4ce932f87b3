/* expression.c - the parser: one function per rule of the grammar. */
#include "cli/parser.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- nodes ---- */

static cr_expr *node(parser *s, cr_expr_kind kind, const char *where) {
    if (++s->nodes > CR_EXPR_MOST)
        return cr_parse_fail(s, where, CR_LIMIT, NULL, "the expression has too many parts");
    cr_expr *e = cr_parse_get(s, 1, sizeof *e);
    if (e) {
        e->kind = kind;
        e->at = (int)(where - s->text);
    }
    return e;
}

static bool is_number(const cr_expr *e) { return e && (e->kind == CR_EXPR_WHOLE || e->kind == CR_EXPR_REAL); }

/* Arithmetic of plain numbers, as Python does it: 2 ** -1 is 0.5, 7 // 2 is 3. False: it is left to arrays. */
static bool fold(cr_map_op op, const cr_expr *a, const cr_expr *b, cr_expr *to) {
    bool whole = a->kind == CR_EXPR_WHOLE && (!b || b->kind == CR_EXPR_WHOLE), fits = false;
    double x = a->kind == CR_EXPR_WHOLE ? (double)a->whole : a->real, y = !b ? 0 : b->kind == CR_EXPR_WHOLE ? (double)b->whole : b->real;
    switch (op) {
    case CR_MAP_ADD: to->real = x + y; fits = whole && !__builtin_add_overflow(a->whole, b->whole, &to->whole); break;
    case CR_MAP_SUBTRACT: to->real = x - y; fits = whole && !__builtin_sub_overflow(a->whole, b->whole, &to->whole); break;
    case CR_MAP_MULTIPLY: to->real = x * y; fits = whole && !__builtin_mul_overflow(a->whole, b->whole, &to->whole); break;
    case CR_MAP_NEGATIVE: to->real = -x; fits = whole && !__builtin_sub_overflow(0, a->whole, &to->whole); break;
    case CR_MAP_DIVIDE: to->real = x / y; break;
    case CR_MAP_POWER:
        to->real = pow(x, y);
        fits = whole && y >= 0 && fabs(to->real) <= 9007199254740992.0;
        to->whole = fits ? (int64_t)to->real : 0;
        break;
    default: return false;
    }
    to->kind = fits ? CR_EXPR_WHOLE : CR_EXPR_REAL;
    return fits || isfinite(to->real);
}

static cr_expr *operation(parser *s, cr_map_op op, const char *where, cr_expr *left, cr_expr *right) {
    cr_expr number = {0};
    bool one = cr_map_arity(op) == 1;
    if (is_number(left) && (one || is_number(right)) && fold(op, left, one ? NULL : right, &number)) {
        cr_expr *folded = node(s, number.kind, where);
        if (folded) {
            folded->whole = number.whole;
            folded->real = number.real;
        }
        return folded;
    }
    cr_expr *e = node(s, CR_EXPR_MAP, where);
    if (!e || !cr_parse_add_arg(s, e, left) || (cr_map_arity(op) == 2 && !cr_parse_add_arg(s, e, right)))
        return NULL;
    e->op = op;
    return e;
}

/* Every way down the grammar that can come back to itself goes through here. */
static bool enter(parser *s) {
    if (s->status == CR_OK && ++s->depth <= CR_EXPR_DEEPEST)
        return true;
    cr_parse_fail(s, s->p, CR_LIMIT, NULL, "the expression is nested too deeply");
    return false;
}

/* ---- operations ---- */

/* What it is called here, for who comes from elsewhere. */
static void *no_operation(parser *s, const char *where, size_t n) {
    char message[100], here[200], hint[300];
    bool command;
    snprintf(message, sizeof message, "there is no operation \"%.*s\"", (int)CR_MIN(n, 60), where);
    if (cr_known_elsewhere(where, n, here, sizeof here, &command))
        snprintf(hint, sizeof hint, "%.*s is here: %s", (int)CR_MIN(n, 60), where, here);
    else
        snprintf(hint, sizeof hint, "craton help calc lists the operations.");
    return cr_parse_fail(s, where, CR_NOT_FOUND, hint, message);
}

static const cr_verb *read_verb(parser *s) {
    blanks(s);
    size_t n = word_length(s->p);
    const cr_verb *v = n ? cr_verb_find(s->p, n) : NULL;
    if (!v && n > 0)
        return no_operation(s, s->p, n);
    if (!v)
        return cr_parse_fail(s, s->p, CR_INVALID, "craton help calc lists the operations.", "the name of an operation expected");
    s->p += n;
    return v;
}

static cr_expr *verb_node(parser *s, const cr_verb *v, const char *where, cr_expr *on) {
    cr_expr *e = v ? node(s, CR_EXPR_VERB, where) : NULL;
    if (!e || !cr_parse_add_arg(s, e, on))
        return NULL;
    e->verb = v;
    return e;
}

/* x.mean(time) */
static cr_expr *parse_method(parser *s, cr_expr *on) {
    blanks(s);
    const char *where = s->p;
    cr_expr *e = verb_node(s, read_verb(s), where, on);
    if (e && !accept(s, '('))
        return cr_parse_fail(s, s->p, CR_INVALID, "Operations behind a point have brackets: x.mean(time), x.mean().", "\"(\" expected");
    return e && cr_parse_bracketed(s, e) && cr_parse_counted(s, e) ? e : NULL;
}

/* mean(x, time); where(condition, a, b) is numpy.where */
static cr_expr *parse_function(parser *s, const cr_verb *v, const char *where) {
    cr_expr *on = cr_parse_result(s);
    blanks(s);
    if (on && *s->p != ',' && *s->p != ')')
        return cr_parse_expected(s, "\",\" or \")\"");
    accept(s, ',');
    cr_expr *e = verb_node(s, v, where, on);
    if (!e || !cr_parse_bracketed(s, e))
        return NULL;
    if (v->kind == CR_VERB_WHERE && e->n_args == 3) {
        cr_expr *condition = e->args[0];
        e->args[0] = e->args[1];
        e->args[1] = condition;
    } else if (v->kind == CR_VERB_WHERE) {
        return cr_parse_fail(s, where, CR_INVALID, "where(CONDITION, A, B), or A.where(CONDITION)", "where takes three arguments here");
    }
    return cr_parse_counted(s, e) ? e : NULL;
}

/* monthly mean; weighted mean lat lon */
static cr_expr *parse_stage(parser *s, cr_expr *on) {
    for (cr_expr *e = NULL;; on = e) {
        blanks(s);
        const char *where = s->p;
        e = verb_node(s, read_verb(s), where, on);
        if (!e)
            return NULL;
        blanks(s);
        if (!(*s->p == '(' ? accept(s, '(') && cr_parse_bracketed(s, e) : cr_parse_words(s, e)) || !cr_parse_counted(s, e))
            return NULL;
        blanks(s);
        if (!e->verb->modifies || word_length(s->p) == 0)
            return e;
    }
}

/* ---- operands ---- */

static cr_expr *parse_number(parser *s) {
    const char *where = s->p;
    size_t n = 0, length = 0;
    char *end, digits[400];
    while (length < sizeof digits - 1 && where[length] && strchr("0123456789.eE+-", where[length]))
        length++;
    memcpy(digits, where, length);
    digits[length] = 0;
    n = strspn(digits, "0123456789");
    bool whole = where[n] != '.' && where[n] != 'e' && where[n] != 'E';
    cr_expr *e = node(s, whole ? CR_EXPR_WHOLE : CR_EXPR_REAL, where);
    errno = 0;
    double real = cr_parse_real(digits, &end);
    if (!e || end == digits || !isfinite(real) || is_letter(where[end - digits]))
        return cr_parse_fail(s, where, CR_INVALID, NULL, "this is no number");
    s->p += end - digits;
    e->real = real;
    if (whole) {
        errno = 0;
        e->whole = strtoll(digits, &end, 10);
        if (errno)
            e->kind = CR_EXPR_REAL;
    }
    return e;
}

static cr_expr *parse_name(parser *s) {
    const char *where = s->p;
    size_t n = word_length(where);
    cr_expr *e = node(s, n == 1 && *where == '_' ? CR_EXPR_IT : CR_EXPR_NAME, where);
    if (!e)
        return NULL;
    const cr_verb *v = cr_verb_find(where, n);
    s->p += n;
    blanks(s);
    if (v && *s->p == '(') {
        s->p++;
        return parse_function(s, v, where);
    }
    if (*s->p == '(')
        return no_operation(s, where, n);
    return (e->name = cr_parse_copy(s, where, n)) ? e : NULL;
}

static cr_expr *parse_operand(parser *s) {
    blanks(s);
    const char *where = s->p;
    if (is_digit(*where) || (*where == '.' && is_digit(where[1])))
        return parse_number(s);
    if (word_length(where) > 0)
        return parse_name(s);
    if (is_quote(*where)) {
        cr_expr *e = node(s, CR_EXPR_NAME, where);
        return e && (e->name = cr_parse_quoted(s)) ? e : NULL;
    }
    if (*where == '*') {
        s->p++;
        s->each = true;
        return node(s, CR_EXPR_EACH, where);
    }
    if (*where != '(')
        return cr_parse_expected(s, "a variable or a number");
    s->p++;
    cr_expr *e = cr_parse_result(s);
    return e && !accept(s, ')') ? cr_parse_expected(s, "\")\"") : e;
}

/* obs.tos, obs."10m_wind", obs.*: of a file with a name. false: what stands behind the point is an operation. */
static bool read_of_file(parser *s, cr_expr *e) {
    blanks(s);
    size_t n = word_length(s->p);
    const char *after = s->p + n + strspn(s->p + n, " \t\r\n");
    if (e->kind != CR_EXPR_NAME || e->file || (n > 0 && (*after == '(' || cr_verb_find(s->p, n))) || (n == 0 && !is_quote(*s->p) && *s->p != '*'))
        return false;
    e->file = e->name;
    if (*s->p == '*') {
        s->p++;
        s->each = true;
        e->kind = CR_EXPR_EACH;
    } else if (is_quote(*s->p)) {
        e->name = cr_parse_quoted(s);
    } else {
        e->name = cr_parse_copy(s, s->p, n);
        s->p += n;
    }
    return true;
}

static cr_expr *parse_postfix(parser *s) {
    cr_expr *e = parse_operand(s);
    while (e && accept(s, '.'))
        if (!read_of_file(s, e))
            e = parse_method(s, e);
    return s->status == CR_OK ? e : NULL;
}

/* "-" and "not" before, "**" behind, which binds closer than a sign before it: -2 ** 2 is -4. */
cr_expr *cr_parse_sign(parser *s) {
    cr_expr *e = NULL;
    if (!enter(s))
        return NULL;
    blanks(s);
    const char *where = s->p;
    if (*where == '-' || *where == '+') {
        s->p++;
        e = cr_parse_sign(s);
        e = *where == '-' ? operation(s, CR_MAP_NEGATIVE, where, e, NULL) : e;
    } else if (word_at(where, "not")) {
        s->p += 3;
        e = cr_parse_operators(s, cr_parse_sign(s), 3);
        e = operation(s, CR_MAP_LOGICAL_NOT, where, e, NULL);
    } else {
        e = parse_postfix(s);
        blanks(s);
        where = s->p;
        if (e && sign_at(s->p, "**")) {
            s->p += 2;
            e = operation(s, CR_MAP_POWER, where, e, cr_parse_sign(s));
        }
    }
    s->depth--;
    return e;
}

/* ---- operators, by what binds closer ---- */

static const struct binary { const char *sign; int level; cr_map_op op; } binaries[] = {
    {"or", 1, CR_MAP_LOGICAL_OR}, {"and", 2, CR_MAP_LOGICAL_AND},
    {"==", 3, CR_MAP_EQUAL}, {"!=", 3, CR_MAP_NOT_EQUAL}, {"<=", 3, CR_MAP_LESS_EQUAL}, {">=", 3, CR_MAP_GREATER_EQUAL}, {"<", 3, CR_MAP_LESS},
    {">", 3, CR_MAP_GREATER}, {"+", 4, CR_MAP_ADD}, {"-", 4, CR_MAP_SUBTRACT}, {"//", 5, CR_MAP_FLOOR_DIVIDE}, {"/", 5, CR_MAP_DIVIDE},
    {"*", 5, CR_MAP_MULTIPLY}, {"%", 5, CR_MAP_REMAINDER}};
enum { COMPARES = 3 };

static const struct binary *binary_at(const char *p) {
    for (size_t k = 0; k < CR_ARRAY_LEN(binaries); k++)
        if (is_letter(binaries[k].sign[0]) ? word_at(p, binaries[k].sign) : sign_at(p, binaries[k].sign))
            return &binaries[k];
    return NULL;
}

/* Operators of at least this level behind left. */
cr_expr *cr_parse_operators(parser *s, cr_expr *left, int least) {
    if (!left || !enter(s))
        return NULL;
    for (;;) {
        blanks(s);
        const struct binary *b = binary_at(s->p);
        if (!left || !b || b->level < least)
            break;
        const char *where = s->p;
        s->p += strlen(b->sign);
        cr_expr *right = cr_parse_operators(s, cr_parse_sign(s), b->level + 1);
        left = operation(s, b->op, where, left, right);
        blanks(s);
        if (left && b->level == COMPARES && binary_at(s->p) && binary_at(s->p)->level == COMPARES)
            left = cr_parse_fail(s, s->p, CR_INVALID, "Write \"and\" between them: 0 < x and x < 1.", "comparisons do not come in a row");
    }
    s->depth--;
    return left;
}

cr_expr *cr_parse_result(parser *s) {
    if (!enter(s))
        return NULL;
    cr_expr *e = cr_parse_operators(s, cr_parse_sign(s), 0);
    while (e && accept(s, '|'))
        e = cr_parse_operators(s, parse_stage(s, e), 0);
    s->depth--;
    return e;
}

/* ---- statements ---- */

static bool parse_statement(parser *s, cr_statement *to) {
    blanks(s);
    size_t n = word_length(s->p);
    const char *after = s->p + n;
    *to = (cr_statement){.at = (int)(s->p - s->text)};
    after += strspn(after, " \t\r\n");
    if (n > 0 && after[0] == '=' && after[1] != '=') {
        if (n == 1 && *s->p == '_')
            return cr_parse_fail(s, s->p, CR_INVALID, NULL, "_ is what an operation works on; it cannot be assigned") != NULL;
        to->name = cr_parse_copy(s, s->p, n);
        s->p = after + 1;
    }
    s->each = false;
    do {
        cr_expr *e = cr_parse_result(s);
        if (!e || !(to->results = cr_parse_grown(s, to->results, to->n, sizeof *to->results)))
            return false;
        to->results[to->n++] = e;
        if (to->name && to->n == 1)
            break;
    } while (accept(s, ','));
    to->each = s->each;
    if (to->each && to->name)
        return cr_parse_fail(s, s->text + to->at, CR_INVALID, NULL, "* is several variables; they cannot have one name") != NULL;
    blanks(s);
    if (*s->p && *s->p != ';')
        cr_parse_fail(s, s->p, CR_INVALID, "An operation stands behind what it works on, x | mean time, or before brackets, mean(x, time). A name with a blank or sign in it stands between quotes.",
                "an operator, \"|\" or \";\" expected");
    return s->status == CR_OK;
}

cr_status cr_program_parse(const char *text, cr_arena *memory, cr_program *ret_program, int *ret_at, cr_err *err) {
    parser s = {.text = text, .p = text, .memory = memory, .err = err};
    cr_program program = {0};
    size_t n = strnlen(text, CR_EXPR_LONGEST + 1);
    *ret_at = 0;
    if (n > CR_EXPR_LONGEST)
        return CR_FAIL(err, CR_LIMIT, "the expression is longer than %d bytes", CR_EXPR_LONGEST);
    if (!cr_text_is_utf8(text, n))
        return CR_FAIL(err, CR_INVALID, "the expression is not UTF-8");
    do {
        if ((program.statements = cr_parse_grown(&s, program.statements, program.n, sizeof *program.statements)) == NULL ||
            !parse_statement(&s, &program.statements[program.n]))
            break;
        program.n++;
        accept(&s, ';');
        blanks(&s);
    } while (*s.p);
    *ret_at = s.at;
    if (s.status == CR_OK)
        *ret_program = program;
    return s.status;
}
