/* texts.c - the messages of one language: a map of exact texts, and patterns for sentences with something put in. */
#include "platform/http/texts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "platform/http/plural.h"
#include "platform/http/po.h"
#include "platform/http/texts_fit.h"

enum { PATTERNS_MAX = 4096, DEPTH_MAX = 3, LOOKS_MAX = 64 };

typedef struct message {
    char *id, *plural;        /* plural: "" when there is none */
    char *forms[CR_PO_FORMS_MAX];
    int n;
    bool c_format;
} message;

/* A msgid, or a msgid_plural, of a sentence of the program. */
typedef struct pattern {
    char *text;
    const message *m;
    size_t weight;            /* bytes outside its places: the one that says most is tried first */
} pattern;

struct cr_texts {
    char language[CR_TEXTS_LANGUAGE_MAX + 1], plural[CR_PLURAL_MAX + 1];
    int n_forms;
    cr_map by_id;
    pattern *patterns;
    size_t n_patterns;
    bool sorted;
    char comma[8];            /* between whole and decimal part */
    const char *day;          /* DD.MM.YYYY in the language's order */
};

bool cr_texts_is_language(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");
    if ((n != 2 && n != 3) || strlen(s) > CR_TEXTS_LANGUAGE_MAX)
        return false;
    for (s += n; *s; s += n) {
        if (*s++ != '-')
            return false;
        n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        if (n < 2 || n > 8)
            return false;
    }
    return true;
}

cr_status cr_texts_new(const char *language, cr_texts **ret_texts, cr_err *err) {
    cr_texts *t = calloc(1, sizeof *t);
    if (!t)
        return CR_FAIL(err, CR_MEMORY, "no memory for texts");
    snprintf(t->language, sizeof t->language, "%s", language);
    strcpy(t->plural, "n != 1");
    t->n_forms = 2;
    strcpy(t->comma, ".");
    t->day = CR_TEXTS_DAY;
    cr_map_init(&t->by_id, 2 * CR_PO_ENTRIES_MAX);
    *ret_texts = t;
    return CR_OK;
}

static void message_free(message *m) {
    if (!m)
        return;
    free(m->id);
    free(m->plural);
    for (int i = 0; i < CR_PO_FORMS_MAX; i++)
        free(m->forms[i]);
    free(m);
}

void cr_texts_free(cr_texts *t) {
    if (!t)
        return;
    void *m;
    for (size_t i = 0; (i = cr_map_next(&t->by_id, i, NULL, &m));)
        message_free(m);
    cr_map_done(&t->by_id);
    for (size_t i = 0; i < t->n_patterns; i++)
        free(t->patterns[i].text);
    free(t->patterns);
    free(t);
}

/* ---- reading ---- */

typedef struct adding {
    cr_texts *t;
    const cr_texts *known;
    const char *file;
    cr_texts_problem problem;
    void *user;
    bool ids_only;
} adding;

static void tell(const adding *a, int line, const char *what) {
    char text[1000];
    snprintf(text, sizeof text, "%s:%d: %s", a->file, line, what);
    if (a->problem)
        a->problem(a->user, text);
}

/* "nplurals=2; plural=(n != 1);" */
static cr_status read_header(cr_texts *t, const char *header, cr_err *err) {
    char value[CR_PLURAL_MAX + 1], *plural, *count;
    cr_po_header(header, "Plural-Forms", value, sizeof value);
    if (!value[0])
        return CR_OK;
    count = strstr(value, "nplurals=");
    plural = strstr(value, "plural=");
    long n = count ? strtol(count + 9, NULL, 10) : 0;
    if (!plural || n < 1 || n > CR_PO_FORMS_MAX)
        return CR_FAIL(err, CR_FORMAT, "Plural-Forms is not of the form nplurals=2; plural=(n != 1);, with at most %d forms", CR_PO_FORMS_MAX);
    plural += 7;
    plural[strcspn(plural, ";")] = 0;
    CR_TRY(cr_plural_check(plural, err));
    snprintf(t->plural, sizeof t->plural, "%s", plural);
    t->n_forms = (int)n;
    return CR_OK;
}

static cr_status add_pattern(cr_texts *t, const char *text, const message *m, cr_err *err) {
    if (t->n_patterns >= PATTERNS_MAX)
        return CR_FAIL(err, CR_LIMIT, "more than %d sentences with places", PATTERNS_MAX);
    if ((t->n_patterns & (t->n_patterns - 1)) == 0) {
        pattern *more = realloc(t->patterns, sizeof *more * (t->n_patterns ? 2 * t->n_patterns : 1));
        if (!more)
            return CR_FAIL(err, CR_MEMORY, "no memory for texts");
        t->patterns = more;
    }
    pattern p = {.text = strdup(text), .m = m, .weight = cr_texts_weight(text)};
    if (!p.text)
        return CR_FAIL(err, CR_MEMORY, "no memory for texts");
    t->patterns[t->n_patterns++] = p;
    t->sorted = false;
    return CR_OK;
}

static cr_status fill(message *m, const cr_po_entry *e, cr_err *err) {
    for (int i = 0; i < CR_PO_FORMS_MAX; i++) {
        free(m->forms[i]);
        m->forms[i] = i < e->n ? strdup(e->form[i]) : NULL;
        if (i < e->n && !m->forms[i])
            return CR_FAIL(err, CR_MEMORY, "no memory for texts");
    }
    m->n = e->n;
    m->c_format = e->c_format;
    return CR_OK;
}

static cr_status add_message(cr_texts *t, const cr_po_entry *e, cr_err *err) {
    message *m = cr_map_get(&t->by_id, e->id);
    if (m)
        return fill(m, e, err);
    m = calloc(1, sizeof *m);
    cr_status status = m && (m->id = strdup(e->id)) && (m->plural = strdup(e->plural)) ? fill(m, e, err) : CR_FAIL(err, CR_MEMORY, "no memory for texts");
    if (status == CR_OK)
        status = cr_map_set(&t->by_id, e->id, m, err);
    if (status != CR_OK) {
        message_free(m);
        return status;
    }
    if (e->c_format && strchr(e->id, '%'))
        CR_TRY(add_pattern(t, e->id, m, err));
    if (e->c_format && e->plural[0])
        CR_TRY(add_pattern(t, e->plural, m, err));
    return CR_OK;
}

/* What kind of message it is, and what its plural, says the hub and not the file: a translation is compared with that. */
static cr_status on_entry(void *user, const cr_po_entry *given, cr_err *err) {
    adding *a = user;
    cr_po_entry e = *given;
    char why[300];
    if (!e.id[0])
        return e.context[0] || a->ids_only ? CR_OK : read_header(a->t, e.form[0], err);
    if (a->ids_only)
        return add_message(a->t, &e, err);
    if (!cr_po_is_translated(&e))
        return CR_OK;
    const message *m = a->known ? cr_map_get(&a->known->by_id, e.id) : NULL;
    e.c_format = m ? m->c_format : e.c_format;
    if (a->known && !m)
        tell(a, e.line, "this hub has no such text");
    else if (m && strcmp(m->plural, e.plural) != 0)
        tell(a, e.line, "this text has another plural, or none");
    else if (e.plural[0] && e.n != a->t->n_forms)
        tell(a, e.line, "it has not as many forms as the header says");
    else if (!cr_texts_entry_fits(&e, why, sizeof why))
        tell(a, e.line, why);
    else
        return add_message(a->t, &e, err);
    return CR_OK;
}

static int heaviest_first(const void *x, const void *y) {
    const pattern *a = x, *b = y;
    return a->weight != b->weight ? (a->weight < b->weight) - (a->weight > b->weight) : strcmp(a->text, b->text);
}

static cr_status add(adding *a, const char *po, size_t n, cr_err *err) {
    cr_texts *t = a->t;
    cr_status status = cr_po_read(po, n, on_entry, a, err);
    if (status != CR_OK)
        cr_err_context(err, "%s", a->file);
    if (t->n_patterns)
        qsort(t->patterns, t->n_patterns, sizeof *t->patterns, heaviest_first);
    const char *number = cr_texts_get(t, CR_TEXTS_NUMBER);
    snprintf(t->comma, sizeof t->comma, "%.*s", (int)(sizeof t->comma - 1), number[0] == '1' && number[strlen(number) - 1] == '5' ? number + 1 : ".5");
    t->comma[strlen(t->comma) - 1] = 0;
    t->day = cr_texts_get(t, CR_TEXTS_DAY);      /* also after a failure: the one of before may be gone */
    return status;
}

cr_status cr_texts_add(cr_texts *t, const char *file, const char *po, size_t n, const cr_texts *known, cr_texts_problem problem, void *user, cr_err *err) {
    /* All of it is read before anything of it is used: a file that ends in the middle of nothing changes nothing. */
    cr_texts *trial = NULL;
    CR_TRY(cr_texts_new(t->language, &trial, err));
    adding a = {.t = trial, .known = known, .file = file};
    cr_status status = add(&a, po, n, err);
    cr_texts_free(trial);
    CR_TRY(status);
    a = (adding){t, known, file, problem, user, false};
    return add(&a, po, n, err);
}

cr_status cr_texts_add_ids(cr_texts *t, const char *file, const char *po, size_t n, cr_err *err) {
    adding a = {.t = t, .file = file, .ids_only = true};
    return add(&a, po, n, err);
}

/* ---- looking up ---- */

const char *cr_texts_language(const cr_texts *t) { return t ? t->language : "en"; }
int cr_texts_forms(const cr_texts *t) { return t ? t->n_forms : 2; }
int cr_texts_form_of(const cr_texts *t, int64_t n) { return t ? cr_plural_form(t->plural, t->n_forms, n) : n != 1; }

const char *cr_texts_get(const cr_texts *t, const char *id) {
    const message *m = t ? cr_map_get(&t->by_id, id) : NULL;
    return m && m->n && m->forms[0][0] ? m->forms[0] : id;
}

const char *cr_texts_form(const cr_texts *t, const char *id, int k) {
    const message *m = t ? cr_map_get(&t->by_id, id) : NULL;
    return m && k >= 0 && k < m->n && m->forms[k][0] ? m->forms[k] : NULL;
}

/* ---- saying ---- */

typedef struct saying {
    const cr_texts *t;
    cr_buf *out;
    int looks;                /* how often the patterns were gone through: strangers' texts may be compared, too */
} saying;

static bool say(saying *y, const char *s, size_t n, int depth);

/* 2026-11-24, alone or before T or a blank and a time. */
static bool is_day(const char *s, size_t n) {
    static const char form[] = "dddd-dd-dd";
    if (n < 10 || (n > 10 && s[10] != 'T' && s[10] != ' '))
        return false;
    for (int i = 0; i < 10; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != '-')
            return false;
    return true;
}

static void say_day(const cr_texts *t, const char *s, size_t n, cr_buf *out) {
    for (const char *p = t->day; *p;) {
        static const struct { const char *name; int at, len; } parts[] = {{"YYYY", 0, 4}, {"MM", 5, 2}, {"DD", 8, 2}};
        size_t i = 0;
        while (i < CR_ARRAY_LEN(parts) && strncmp(p, parts[i].name, (size_t)parts[i].len) != 0)
            i++;
        if (i < CR_ARRAY_LEN(parts))
            cr_buf_add(out, s + parts[i].at, (size_t)parts[i].len);
        else
            cr_buf_addc(out, *p);
        p += i < CR_ARRAY_LEN(parts) ? parts[i].len : 1;
    }
    if (n > 10) {
        cr_buf_addc(out, ' ');
        cr_buf_add(out, s + 11, n - 11);
    }
}

/* 1.5, 1.5 GiB: digits, a point, digits, and then nothing or a blank. */
static bool is_decimal(const char *s, size_t n) {
    size_t i = 0, point;
    while (i < n && isdigit((unsigned char)s[i]))
        i++;
    if (i == 0 || i == n || s[i] != '.')
        return false;
    point = i++;
    while (i < n && isdigit((unsigned char)s[i]))
        i++;
    return i > point + 1 && (i == n || s[i] == ' ');
}

static void say_plain(const cr_texts *t, const char *s, size_t n, cr_buf *out) {
    const char *point = is_decimal(s, n) ? memchr(s, '.', n) : NULL;
    if (is_day(s, n)) {
        say_day(t, s, n, out);
    } else if (point) {
        cr_buf_add(out, s, (size_t)(point - s));
        cr_buf_adds(out, t->comma);
        cr_buf_add(out, point + 1, n - (size_t)(point - s) - 1);
    } else {
        cr_buf_add(out, s, n);
    }
}

/* What stood in a sentence: words with a blank between may be a sentence, or a span of time; names of people have none. */
static void say_value(saying *y, const char *s, size_t n, int depth) {
    for (; n && *s == ' '; s++, n--)
        cr_buf_addc(y->out, ' ');
    if (depth >= DEPTH_MAX || !memchr(s, ' ', n) || !say(y, s, n, depth + 1))
        say_plain(y->t, s, n, y->out);
}

static void put(saying *y, const char *form, const cr_texts_value *values, int n_values, int depth) {
    int next = 0;
    for (const char *p = form; *p;) {
        cr_texts_place place;
        if (!cr_texts_place_at(p, &place)) {
            cr_buf_addc(y->out, *p++);
            continue;
        }
        p += place.len;
        int k = place.kind == '%' ? -1 : place.number ? place.number - 1 : next++;
        if (k < 0)
            cr_buf_addc(y->out, '%');
        else if (k < n_values)
            say_value(y, values[k].s, values[k].n, depth);
    }
}

static const char *form_for(const cr_texts *t, const message *m, const cr_texts_value *values, int n) {
    return m->forms[m->n < 2 || n == 0 ? 0 : cr_plural_form(t->plural, m->n, strtoll(values[0].s, NULL, 10))];
}

static bool say_whole(saying *y, const char *s, size_t n, int depth) {
    char copy[CR_TEXTS_SENTENCE_MAX + 1];
    memcpy(copy, s, n);
    copy[n] = 0;
    const cr_texts *t = y->t;
    const message *m = cr_map_get(&t->by_id, copy);
    if (m && m->n && m->forms[0][0] && !strchr(copy, '%')) {
        cr_buf_adds(y->out, m->forms[0]);
        return true;
    }
    for (size_t i = 0; i < t->n_patterns && y->looks < LOOKS_MAX; i++) {
        cr_texts_value values[CR_TEXTS_PLACES_MAX];
        int count;
        const pattern *p = &t->patterns[i];
        if (!p->m->c_format || !p->m->forms[0][0] || !cr_texts_match(p->text, copy, values, &count))
            continue;
        put(y, form_for(t, p->m, values, count), values, count, depth);
        return true;
    }
    y->looks++;
    return false;
}

/* The whole, or sentence for sentence ("A. B"), or what stands before a colon and what stands behind it ("while: why"). */
static bool say(saying *y, const char *s, size_t n, int depth) {
    if (n == 0 || n > CR_TEXTS_SENTENCE_MAX)
        return false;
    if (say_whole(y, s, n, depth))
        return true;
    size_t begin = y->out->len;
    for (size_t i = 1; depth < DEPTH_MAX && i + 2 < n && y->looks < LOOKS_MAX; i++) {
        if (s[i + 1] != ' ' || !strchr(".?!:;", s[i]))
            continue;
        size_t head = s[i] == ':' || s[i] == ';' ? i : i + 1;      /* a sentence has its full stop in the catalogue, a context no colon */
        size_t rest = i + 2;
        bool known = say_whole(y, s, head, depth + 1);
        if (!known)
            say_plain(y->t, s, head, y->out);
        cr_buf_add(y->out, s + head, rest - head);
        bool known_rest = say(y, s + rest, n - rest, depth + 1);
        if (known || known_rest) {
            if (!known_rest)
                say_plain(y->t, s + rest, n - rest, y->out);
            return true;
        }
        y->out->len = begin;
        if (y->out->data)
            y->out->data[begin] = 0;
    }
    return false;
}

void cr_texts_say(const cr_texts *t, const char *sentence, cr_buf *out) {
    saying y = {t, out, 0};
    size_t n = strlen(sentence);
    if (!t)
        cr_buf_adds(out, sentence);
    else if (!say(&y, sentence, n, 0))
        say_plain(t, sentence, n, out);
}
