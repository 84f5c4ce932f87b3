/* plural.c - recursive descent, by the precedence of C. It is short, and read anew for each number. */
#include "platform/http/plural.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 40 };

typedef struct state {
    const char *p;
    uint64_t n;
    int depth;
    bool failed;
} state;

static void blanks(state *s) {
    while (*s->p == ' ' || *s->p == '\t')
        s->p++;
}

static bool take(state *s, const char *sign) {
    size_t n = strlen(sign);
    blanks(s);
    if (strncmp(s->p, sign, n) != 0)
        return false;
    s->p += n;
    return true;
}

static uint64_t choice(state *s);

static uint64_t primary(state *s) {
    uint64_t v = 0;
    blanks(s);
    if (*s->p == '!' && s->p[1] != '=') {
        s->p++;
        if (++s->depth > DEPTH_MAX)
            s->failed = true;
        v = s->failed ? 0 : !primary(s);
        s->depth--;
    } else if (take(s, "(")) {
        v = choice(s);
        s->failed = s->failed || !take(s, ")");
    } else if (*s->p == 'n') {
        s->p++;
        v = s->n;
    } else if (isdigit((unsigned char)*s->p)) {
        char *end;
        v = strtoull(s->p, &end, 10);
        s->p = end;
    } else {
        s->failed = true;
    }
    return v;
}

static uint64_t apply(const char *sign, uint64_t a, uint64_t b) {
    switch (sign[0]) {
    case '*': return a * b;
    case '/': return b ? a / b : 0;
    case '%': return b ? a % b : 0;
    case '+': return a + b;
    case '-': return a - b;
    case '<': return sign[1] ? a <= b : a < b;
    case '>': return sign[1] ? a >= b : a > b;
    case '=': return a == b;
    case '!': return a != b;
    case '&': return a && b;
    default: return a || b;
    }
}

/* Of two-place signs, weakest first; within a level the longer sign is tried first. */
static const char *const levels[][4] = {{"||"}, {"&&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/", "%"}};

static uint64_t binary(state *s, size_t level) {
    if (level == CR_ARRAY_LEN(levels))
        return primary(s);
    uint64_t v = binary(s, level + 1);
    for (bool more = true; more && !s->failed;) {
        more = false;
        for (int i = 0; i < 4 && levels[level][i] && !more; i++)
            if (take(s, levels[level][i])) {
                v = apply(levels[level][i], v, binary(s, level + 1));
                more = true;
            }
    }
    return v;
}

static uint64_t choice(state *s) {
    if (++s->depth > DEPTH_MAX)
        s->failed = true;
    uint64_t v = s->failed ? 0 : binary(s, 0);
    if (!s->failed && take(s, "?")) {
        uint64_t yes = choice(s);
        s->failed = s->failed || !take(s, ":");
        uint64_t no = s->failed ? 0 : choice(s);
        v = v ? yes : no;
    }
    s->depth--;
    return v;
}

static bool evaluate(const char *expression, uint64_t n, uint64_t *ret) {
    state s = {expression, n, 0, strlen(expression) > CR_PLURAL_MAX};
    *ret = s.failed ? 0 : choice(&s);
    blanks(&s);
    return !s.failed && *s.p == 0;
}

cr_status cr_plural_check(const char *expression, cr_err *err) {
    uint64_t v;
    if (!evaluate(expression, 1, &v))
        return CR_FAIL(err, CR_FORMAT, "'%.60s' is no expression for plural forms such as n != 1", expression);
    return CR_OK;
}

int cr_plural_form(const char *expression, int n_forms, int64_t n) {
    uint64_t v;
    return evaluate(expression, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, &v) && v < (uint64_t)n_forms ? (int)v : 0;
}
