/* arguments.c - words, labels and lists of arguments of expressions, as each operation takes them; failures and memory of the parser. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/parser.h"

/* ---- failures and memory ---- */

/* The first failure counts. Returns NULL for every caller. */
void *cr_parse_fail(parser *s, const char *where, cr_status status, const char *hint, const char *message) {
    if (s->status == CR_OK) {
        s->status = cr_err_set(s->err, status, __FILE__, __LINE__, "%s", message);
        if (hint)
            cr_err_hint(s->err, "%s", hint);
        s->at = (int)(where - s->text);
    }
    return NULL;
}

void *cr_parse_expected(parser *s, const char *what) {
    char message[200];
    snprintf(message, sizeof message, "%s expected%s", what, *s->p ? "" : ", but here is the end");
    return cr_parse_fail(s, s->p, CR_INVALID, NULL, message);
}

void *cr_parse_get(parser *s, size_t n, size_t size) {
    void *found = s->status == CR_OK ? cr_arena_calloc(s->memory, n, size) : NULL;
    return found ? found : cr_parse_fail(s, s->p, CR_LIMIT, NULL, "the expression is too large");
}

char *cr_parse_copy(parser *s, const char *from, size_t n) {
    char *text = cr_parse_get(s, n + 1, 1);
    if (text)
        memcpy(text, from, n);
    return text;
}

/* One more element at the end of an array of n. */
void *cr_parse_grown(parser *s, void *array, int n, size_t size) {
    if (n > 0 && (n & (n - 1)) != 0)
        return array;
    void *wider = cr_parse_get(s, n ? 2 * (size_t)n : 1, size);
    if (wider && n > 0)
        memcpy(wider, array, (size_t)n * size);
    return wider;
}

/* ---- words ---- */

/* "text" or 'text', with the quote and \ in it behind a \. */
const char *cr_parse_quoted(parser *s) {
    const char *begin = s->p++, *end = s->p;
    char quote = *begin;
    while (*end && *end != quote)
        end += *end == '\\' && (end[1] == quote || end[1] == '\\') ? 2 : 1;
    if (!*end)
        return cr_parse_fail(s, begin, CR_INVALID, NULL, "this text has no closing quote");
    char *text = cr_parse_get(s, (size_t)(end - s->p) + 1, 1), *to = text;
    if (!text)
        return NULL;
    while (s->p < end) {
        s->p += *s->p == '\\' && (s->p[1] == quote || s->p[1] == '\\');
        *to++ = *s->p++;
    }
    s->p++;
    return text;
}

/* ---- arguments ---- */

bool cr_parse_add_arg(parser *s, cr_expr *e, cr_expr *arg) {
    if (!e || !arg || !(e->args = cr_parse_grown(s, e->args, e->n_args, sizeof *e->args)))
        return false;
    e->args[e->n_args++] = arg;
    return true;
}

/* ":MM" behind the hour of a date, and behind that ":SS": no label of a range has two digits there, for years have four. */
static size_t clock_length(const char *label, size_t n) {
    const char *t = memchr(label, 'T', n);
    if (!t || t - label < 8 || label + n - t != 3 || !is_digit(t[1]) || !is_digit(t[2]))
        return n;
    for (int k = 0; k < 2 && label[n] == ':' && is_digit(label[n + 1]) && is_digit(label[n + 2]) && !is_digit(label[n + 3]); k++)
        n += 3;
    if (label[n] == '.' && is_digit(label[n + 1]))
        for (n++; is_digit(label[n]);)
            n++;
    return n;
}

/* A label as it stands: "text", or letters, digits, and . + - up to the next blank or sign. */
static bool read_label(parser *s, cr_label_text *to) {
    to->at = (int)(s->p - s->text);
    if (is_quote(*s->p)) {
        to->quoted = true;
        return (to->text = cr_parse_quoted(s)) != NULL;
    }
    size_t n = 0;
    while (is_letter(s->p[n]) || is_digit(s->p[n]) || (s->p[n] && strchr(".+-", s->p[n])))
        n++;
    if (n == 0) {
        cr_parse_expected(s, "a label");
        return false;
    }
    n = clock_length(s->p, n);
    to->text = cr_parse_copy(s, s->p, n);
    s->p += n;
    return to->text != NULL;
}

static bool label_begins(parser *s) { return is_letter(*s->p) || is_digit(*s->p) || (*s->p && strchr(".+-\"'", *s->p)); }

static bool read_range(parser *s, cr_keyed *k) {
    if (!(k->labels = cr_parse_get(s, 3, sizeof *k->labels)))
        return false;
    k->form = CR_KEYED_RANGE;
    for (k->n = 0; k->n < 3; k->n++) {
        k->labels[k->n].at = (int)(s->p - s->text);
        if (label_begins(s) && !read_label(s, &k->labels[k->n]))
            return false;
        if (*s->p != ':') {
            k->n++;
            break;
        }
        if (k->n < 2)
            s->p++;
    }
    if (*s->p == ':') {
        cr_parse_fail(s, s->p, CR_INVALID, "FROM:TO:STEP; a time is written 2000-01-01, 2000-01-01T06 or 2000-01-01T06:00.", "a range has at most three parts");
        return false;
    }
    if (k->n == 1) {
        k->form = CR_KEYED_ONE;
        if (!k->labels[0].text)
            cr_parse_expected(s, "a label");
    }
    return s->status == CR_OK;
}

static bool read_list(parser *s, cr_keyed *k) {
    k->form = CR_KEYED_LIST;
    s->p++;
    do {
        blanks(s);
        if (!(k->labels = cr_parse_grown(s, k->labels, k->n, sizeof *k->labels)) || !read_label(s, &k->labels[k->n]))
            return false;
        k->n++;
    } while (accept(s, ','));
    if (!accept(s, ']'))
        cr_parse_expected(s, "\",\" or \"]\"");
    return s->status == CR_OK;
}

static bool read_key(parser *s, cr_expr *e) {
    blanks(s);
    size_t n = word_length(s->p);
    if (!(e->keys = cr_parse_grown(s, e->keys, e->n_keys, sizeof *e->keys)))
        return false;
    cr_keyed *k = &e->keys[e->n_keys];
    *k = (cr_keyed){.at = (int)(s->p - s->text)};
    if (is_quote(*s->p)) {
        k->key = cr_parse_quoted(s);
    } else if (n > 0) {
        k->key = cr_parse_copy(s, s->p, n);
        s->p += n;
    }
    if (!k->key || !accept(s, '=')) {
        char example[80];
        snprintf(example, sizeof example, "For instance: %s %s", e->verb->name, e->verb->arguments);
        return cr_parse_fail(s, s->text + k->at, CR_INVALID, example, "NAME=LABEL expected") != NULL;
    }
    blanks(s);
    e->n_keys++;
    return *s->p == '[' ? read_list(s, k) : read_range(s, k);
}

static bool read_word(parser *s, cr_expr *e) {
    blanks(s);
    if (!(e->words = cr_parse_grown(s, e->words, e->n_words, sizeof *e->words)))
        return false;
    cr_label_text *w = &e->words[e->n_words];
    *w = (cr_label_text){.at = (int)(s->p - s->text)};
    if (is_quote(*s->p)) {
        w->quoted = true;
        w->text = cr_parse_quoted(s);
    } else {
        size_t n = word_length(s->p);
        while (n > 0 && s->p[n] == '.' && word_length(s->p + n + 1) > 0) /* time.month */
            n += 1 + word_length(s->p + n + 1);
        if (n == 0) {
            cr_parse_expected(s, "a name");
            return false;
        }
        w->text = cr_parse_copy(s, s->p, n);
        s->p += n;
    }
    e->n_words += w->text != NULL;
    return w->text != NULL;
}

static bool read_number_word(parser *s, cr_expr *e) {
    blanks(s);
    if (!(e->words = cr_parse_grown(s, e->words, e->n_words, sizeof *e->words)))
        return false;
    cr_label_text *w = &e->words[e->n_words];
    *w = (cr_label_text){.at = (int)(s->p - s->text)};
    if (!is_digit(*s->p) && *s->p != '.') {
        cr_parse_expected(s, "a number");
        return false;
    }
    e->n_words++;
    return read_label(s, w);
}

static bool read_one(parser *s, cr_expr *e) {
    if (e->verb->takes == CR_TAKES_LABELS)
        return read_key(s, e);
    if (e->verb->takes == CR_TAKES_RESULTS || e->verb->takes == CR_TAKES_MAYBE_RESULT)
        return cr_parse_add_arg(s, e, cr_parse_result(s));
    if (e->verb->takes == CR_TAKES_RESULT_WORDS && e->n_args < 2)
        return cr_parse_add_arg(s, e, cr_parse_result(s));
    return e->verb->takes == CR_TAKES_NUMBER_WORDS && e->n_words == 0 ? read_number_word(s, e) : read_word(s, e);
}

bool cr_parse_counted(parser *s, const cr_expr *e) {
    int n = e->n_keys + e->n_words + CR_MAX(e->n_args - 1, 0);
    if (n >= e->verb->least && n <= e->verb->most)
        return true;
    char message[120], hint[200];
    snprintf(message, sizeof message, "%s takes %s arguments", e->verb->name,
             e->verb->most == 0 ? "no" : n < e->verb->least ? "more" : "fewer");
    snprintf(hint, sizeof hint, "%s %s: %s", e->verb->name, e->verb->arguments, e->verb->help);
    return cr_parse_fail(s, s->text + e->at, CR_INVALID, hint, message) != NULL;
}

/* After "(": up to ")". */
bool cr_parse_bracketed(parser *s, cr_expr *e) {
    while (!accept(s, ')')) {
        if (e->verb->takes == CR_TAKES_NOTHING) {
            cr_parse_expected(s, "\")\"");
            return false;
        }
        if (!read_one(s, e))
            return false;
        blanks(s);
        if (*s->p != ',' && *s->p != ')') {
            cr_parse_expected(s, "\",\" or \")\"");
            return false;
        }
        accept(s, ',');
    }
    return true;
}

/* Whether a word or key of a stage begins here. */
static bool word_follows(parser *s, const cr_expr *e) {
    blanks(s);
    if (word_at(s->p, "and") || word_at(s->p, "or"))
        return false;
    return word_length(s->p) > 0 || is_quote(*s->p) || (e->verb->takes == CR_TAKES_NUMBER_WORDS && e->n_words == 0 && (is_digit(*s->p) || *s->p == '.'));
}

bool cr_parse_words(parser *s, cr_expr *e) {
    cr_takes takes = e->verb->takes;
    if (takes == CR_TAKES_NOTHING || takes == CR_TAKES_MAYBE_RESULT)
        return true;
    if (takes == CR_TAKES_RESULTS && e->verb->kind == CR_VERB_WHERE)
        return cr_parse_add_arg(s, e, cr_parse_operators(s, cr_parse_sign(s), 0)); /* all up to the next bar */
    if (takes == CR_TAKES_RESULTS || takes == CR_TAKES_RESULT_WORDS) {
        cr_parse_expected(s, "\"(\"");
        return false;
    }
    while (e->n_words + e->n_keys < e->verb->most && word_follows(s, e))
        if (!read_one(s, e))
            return false;
    return true;
}
