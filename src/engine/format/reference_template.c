/* reference_template.c - the expressions of reference files: the part of Jinja that the specification of kerchunk shows. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/format/reference.h"

enum { MAX_ARGUMENTS = 16, MAX_NAME = 100, MAX_WIDTH = 20 };

typedef struct value {
    const char *text;             /* NULL: number */
    int64_t number;
} value;

typedef struct reader {
    const char *at, *end, *whole;
    const cr_reference_scope *scope;
    cr_arena *arena;
    int depth;
} reader;

static cr_status expand(const char *text, const cr_reference_scope *scope, cr_arena *arena, int depth, cr_buf *out, cr_err *err);
static cr_status sum(reader *r, value *ret, cr_err *err);

static cr_status fail_here(const reader *r, const char *what, cr_err *err) {
    cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "in the template \"%.200s\": %s at \"%.*s\"", r->whole, what,
                               (int)CR_MIN(r->end - r->at, (ptrdiff_t)40), r->at);
    cr_err_hint(err, "templates can hold names, integers, texts, + - * // %% and calls like {{f(c='x')}}; write the references without others");
    return status;
}

static void skip_blanks(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n'))
        r->at++;
}

static bool take(reader *r, const char *sign) {
    size_t n = strlen(sign);
    skip_blanks(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, sign, n) != 0)
        return false;
    r->at += n;
    return true;
}

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the templates of the references need too much memory"); }

static cr_status fail_number(const reader *r, cr_err *err) {
    return CR_FAIL(err, CR_FORMAT, "in the template \"%.200s\": a number is too large, or divided by zero", r->whole);
}

/* ---- what expressions are made of ------------------------------------------------------------------------------------------- */

static cr_status take_name(reader *r, char name[MAX_NAME + 1], cr_err *err) {
    size_t n = 0;
    skip_blanks(r);
    while (r->at + n < r->end && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_'))
        n++;
    if (n == 0 || n > MAX_NAME || isdigit((unsigned char)*r->at))
        return fail_here(r, "a name is expected", err);
    memcpy(name, r->at, n);
    name[n] = 0;
    r->at += n;
    return CR_OK;
}

static cr_status text_literal(reader *r, value *ret, cr_err *err) {
    char quote = *r->at++;
    const char *close = memchr(r->at, quote, (size_t)(r->end - r->at));
    if (!close || memchr(r->at, '\\', (size_t)(close - r->at)))
        return fail_here(r, "a text without end, or with a backslash,", err);
    ret->text = cr_arena_strndup(r->arena, r->at, (size_t)(close - r->at));
    r->at = close + 1;
    return ret->text ? CR_OK : no_room(err);
}

static cr_status number_literal(reader *r, value *ret, cr_err *err) {
    char digits[MAX_WIDTH + 1];
    size_t n = 0;
    while (r->at < r->end && isdigit((unsigned char)*r->at) && n < MAX_WIDTH)
        digits[n++] = *r->at++;
    digits[n] = 0;
    ret->text = NULL;
    return cr_parse_int(digits, 0, INT64_MAX, &ret->number, NULL) == CR_OK ? CR_OK : fail_number(r, err);
}

static const cr_reference_name *find_name(const cr_reference_scope *scope, const char *name) {
    for (int i = 0; i < scope->n; i++)
        if (strcmp(scope->names[i].name, name) == 0)
            return &scope->names[i];
    return NULL;
}

/* A template used with arguments sees these alone, as in fsspec. */
static cr_status call(reader *r, const char *text, const cr_reference_name *arguments, int n, value *ret, cr_err *err) {
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_REFERENCE_URL_MAX);
    cr_reference_scope inner = {arguments, n, r->scope->templates};
    CR_TRY(expand(text, &inner, r->arena, r->depth + 1, &out, err));
    ret->text = cr_arena_strdup(r->arena, cr_buf_str(&out));
    return ret->text ? CR_OK : no_room(err);
}

static cr_status take_arguments(reader *r, cr_reference_name *arguments, int *ret_n, cr_err *err) {
    int n = 0;
    while (!take(r, ")")) {
        char name[MAX_NAME + 1];
        value v = {0};
        if (n == MAX_ARGUMENTS || (n > 0 && !take(r, ",")))
            return fail_here(r, "\",\" or \")\" is expected, and not more than 16 arguments,", err);
        CR_TRY(take_name(r, name, err));
        if (!take(r, "="))
            return fail_here(r, "an argument needs \"name=\"", err);
        CR_TRY(sum(r, &v, err));
        const char *own = cr_arena_strdup(r->arena, name);
        if (!own)
            return no_room(err);
        arguments[n++] = (cr_reference_name){own, v.text, v.number};
    }
    *ret_n = n;
    return CR_OK;
}

static cr_status named(reader *r, value *ret, cr_err *err) {
    char name[MAX_NAME + 1];
    cr_reference_name arguments[MAX_ARGUMENTS];
    int n = 0;
    CR_TRY(take_name(r, name, err));
    const cr_reference_name *known = find_name(r->scope, name);
    if (known) {
        *ret = (value){known->text, known->number};
        return CR_OK;
    }
    const char *text = json_string_value(json_object_get(r->scope->templates, name));
    if (!text)
        return CR_FAIL(err, CR_FORMAT, "the template \"%.200s\" uses \"%s\", which is not defined", r->whole, name);
    if (take(r, "("))
        CR_TRY(take_arguments(r, arguments, &n, err));
    return call(r, text, arguments, n, ret, err);
}

static cr_status primary(reader *r, value *ret, cr_err *err) {
    skip_blanks(r);
    if (r->depth > CR_REFERENCE_DEPTH_MAX)
        return CR_FAIL(err, CR_LIMIT, "the template \"%.200s\" is nested deeper than %d levels", r->whole, CR_REFERENCE_DEPTH_MAX);
    if (r->at < r->end && (*r->at == '\'' || *r->at == '"'))
        return text_literal(r, ret, err);
    if (r->at < r->end && isdigit((unsigned char)*r->at))
        return number_literal(r, ret, err);
    bool minus = take(r, "-");
    if (!minus && !take(r, "("))
        return named(r, ret, err);
    r->depth++;
    CR_TRY(minus ? primary(r, ret, err) : sum(r, ret, err));
    r->depth--;
    if (!minus)
        return take(r, ")") ? CR_OK : fail_here(r, "\")\" is missing", err);
    if (ret->text)
        return fail_here(r, "a text cannot be negative;", err);
    return __builtin_sub_overflow((int64_t)0, ret->number, &ret->number) ? fail_number(r, err) : CR_OK;
}

/* ---- operators ----------------------------------------------------------------------------------------------------------------- */

/* "%d" and "%03d" for one number, as printf has them. */
static cr_status format_number(const reader *r, value *a, int64_t number, cr_err *err) {
    const char *percent = strchr(a->text, '%'), *p = percent ? percent + 1 : "";
    bool zeros = *p == '0';
    int64_t width = 0;
    for (; isdigit((unsigned char)*p) && width <= MAX_WIDTH; p++)
        width = width * 10 + (*p - '0');
    if (*p != 'd' || width > MAX_WIDTH || strchr(p, '%'))
        return fail_here(r, "only one \"%d\" or \"%03d\" can be formatted;", err);
    a->text = cr_arena_printf(r->arena, zeros ? "%.*s%0*lld%s" : "%.*s%*lld%s", (int)(percent - a->text), a->text, (int)width, (long long)number,
                              p + 1);
    return a->text ? CR_OK : no_room(err);
}

/* Python's floor division and remainder. */
static bool divide(char sign, int64_t a, int64_t b, int64_t *ret) {
    if (b == 0 || (b == -1 && a == INT64_MIN))
        return false;
    int64_t q = a / b, m = a % b;
    if (m != 0 && (m < 0) != (b < 0)) {
        q--;
        m += b;
    }
    *ret = sign == '/' ? q : m;
    return true;
}

static cr_status combine(const reader *r, char sign, value *a, const value *b, cr_err *err) {
    if (sign == '%' && a->text && !b->text)
        return format_number(r, a, b->number, err);
    if (sign == '+' && a->text && b->text) {
        if (strlen(a->text) + strlen(b->text) > CR_REFERENCE_URL_MAX)
            return CR_FAIL(err, CR_LIMIT, "the template \"%.200s\" makes a text of more than %d bytes", r->whole, CR_REFERENCE_URL_MAX);
        a->text = cr_arena_printf(r->arena, "%s%s", a->text, b->text);
        return a->text ? CR_OK : no_room(err);
    }
    if (a->text || b->text)
        return fail_here(r, "text and numbers cannot be combined in this way;", err);
    bool ok = sign == '+' ? !__builtin_add_overflow(a->number, b->number, &a->number)
              : sign == '-' ? !__builtin_sub_overflow(a->number, b->number, &a->number)
              : sign == '*' ? !__builtin_mul_overflow(a->number, b->number, &a->number)
                            : divide(sign, a->number, b->number, &a->number);
    return ok ? CR_OK : fail_number(r, err);
}

static cr_status product(reader *r, value *ret, cr_err *err) {
    CR_TRY(primary(r, ret, err));
    for (;;) {
        value b = {0};
        char sign = take(r, "//") ? '/' : take(r, "*") ? '*' : take(r, "%") ? '%' : 0;
        if (!sign)
            return CR_OK;
        CR_TRY(primary(r, &b, err));
        CR_TRY(combine(r, sign, ret, &b, err));
    }
}

static cr_status sum(reader *r, value *ret, cr_err *err) {
    CR_TRY(product(r, ret, err));
    for (;;) {
        value b = {0};
        char sign = take(r, "+") ? '+' : take(r, "-") ? '-' : 0;
        if (!sign)
            return CR_OK;
        CR_TRY(product(r, &b, err));
        CR_TRY(combine(r, sign, ret, &b, err));
    }
}

/* ---- templates ------------------------------------------------------------------------------------------------------------------- */

static cr_status evaluate(const char *from, const char *to, const char *whole, const cr_reference_scope *scope, cr_arena *arena, int depth,
                          cr_buf *out, cr_err *err) {
    reader r = {from, to, whole, scope, arena, depth};
    value v = {0};
    CR_TRY(sum(&r, &v, err));
    skip_blanks(&r);
    if (r.at != r.end)
        return fail_here(&r, "not understood", err);
    if (v.text)
        cr_buf_adds(out, v.text);
    else
        cr_buf_addf(out, "%lld", (long long)v.number);
    return CR_OK;
}

static cr_status expand(const char *text, const cr_reference_scope *scope, cr_arena *arena, int depth, cr_buf *out, cr_err *err) {
    if (depth > CR_REFERENCE_DEPTH_MAX)
        return CR_FAIL(err, CR_LIMIT, "templates use each other deeper than %d levels: \"%.200s\"", CR_REFERENCE_DEPTH_MAX, text);
    if (strstr(text, "{%") || strstr(text, "{#")) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "the template \"%.200s\" holds a statement of Jinja", text);
        cr_err_hint(err, "write the references without templates: fsspec's ReferenceFileSystem does so with save_json()");
        return status;
    }
    for (const char *at = text; *at;) {
        const char *open = strstr(at, "{{");
        cr_buf_add(out, at, open ? (size_t)(open - at) : strlen(at));
        if (!open)
            break;
        const char *close = strstr(open + 2, "}}");
        if (!close)
            return CR_FAIL(err, CR_FORMAT, "in the template \"%.200s\": \"}}\" is missing", text);
        CR_TRY(evaluate(open + 2, close, text, scope, arena, depth, out, err));
        at = close + 2;
    }
    return cr_buf_check(out, err);
}

cr_status cr_reference_expand(const char *text, const cr_reference_scope *scope, cr_arena *arena, cr_buf *out, cr_err *err) {
    return expand(text, scope, arena, 0, out, err);
}
