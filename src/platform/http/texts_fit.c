/* texts_fit.c - see texts_fit.h. */
#include "platform/http/texts_fit.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAGS_MAX = 64 };

/* ---- places ---- */

bool cr_texts_place_at(const char *p, cr_texts_place *ret) {
    const char *s = p + 1;
    if (*p != '%')
        return false;
    *ret = (cr_texts_place){.number = 0};
    if (*s == '%') {
        *ret = (cr_texts_place){2, 0, '%'};
        return true;
    }
    if (s[0] >= '1' && s[0] <= '0' + CR_TEXTS_PLACES_MAX && s[1] == '$') {
        ret->number = s[0] - '0';
        s += 2;
    }
    s += strspn(s, "-0123456789.*");
    s += strspn(s, "lzjh");
    if (!*s || !strchr("sdiufgc", *s))
        return false;
    ret->kind = *s == 's' || *s == 'c' ? 's' : *s == 'f' || *s == 'g' ? 'f' : 'd';
    ret->len = (size_t)(s + 1 - p);
    return true;
}

size_t cr_texts_weight(const char *text) {
    cr_texts_place place;
    size_t n = 0;
    for (const char *p = text; *p;) {
        bool is = cr_texts_place_at(p, &place);
        n += !is || place.kind == '%';
        p += is ? place.len : 1;
    }
    return n;
}

static bool is_number(const char *s, size_t n, bool whole) {
    size_t i = n && *s == '-' ? 1 : 0, digits = 0;
    for (; i < n; i++) {
        digits += isdigit((unsigned char)s[i]) != 0;
        if (!isdigit((unsigned char)s[i]) && (whole || s[i] != '.'))
            return false;
    }
    return digits > 0;
}

/* The text up to the next place, with %% as %; returns where the place begins. */
static const char *next_literal(const char *p, char *literal, size_t size, size_t *ret_n, cr_texts_place *ret_place) {
    size_t n = 0;
    ret_place->len = 0;
    while (*p && n + 1 < size) {
        cr_texts_place place;
        if (!cr_texts_place_at(p, &place)) {
            literal[n++] = *p++;
        } else if (place.kind == '%') {
            literal[n++] = '%';
            p += 2;
        } else {
            *ret_place = place;
            break;
        }
    }
    *ret_n = n;
    return p;
}

/* Each place takes as little as it can, so the time is a product of lengths at worst; the last literal stands at the end. */
bool cr_texts_match(const char *pattern, const char *sentence, cr_texts_value values[CR_TEXTS_PLACES_MAX], int *ret_n) {
    char literal[CR_PO_TEXT_MAX + 1];
    const char *end = sentence + strlen(sentence);
    cr_texts_place place;
    size_t n;
    int count = 0;
    const char *p = next_literal(pattern, literal, sizeof literal, &n, &place);
    if ((size_t)(end - sentence) < n || memcmp(sentence, literal, n) != 0)
        return false;
    const char *s = sentence + n;
    while (place.len) {
        char kind = place.kind;
        if (count == CR_TEXTS_PLACES_MAX)
            return false;
        p = next_literal(p + place.len, literal, sizeof literal, &n, &place);
        const char *at;
        if (!place.len)
            at = (size_t)(end - s) >= n && memcmp(end - n, literal, n) == 0 ? end - n : NULL;
        else
            at = n ? memmem(s, (size_t)(end - s), literal, n) : s;
        if (!at || (kind != 's' && !is_number(s, (size_t)(at - s), kind == 'd')))
            return false;
        values[count++] = (cr_texts_value){s, (size_t)(at - s)};
        s = at + n;
    }
    *ret_n = count;
    return s == end;
}

/* ---- translations ---- */

static bool say_why(char *why, size_t size, const char *what, const char *which, size_t n) {
    snprintf(why, size, "%s: %.*s", what, (int)(n > 100 ? 100 : n), which);
    return false;
}

/* The same places: a form of a plural may leave out the number, which is the first. */
static bool places_fit(const char *id, const char *text, bool is_plural, char *why, size_t size) {
    char want[CR_TEXTS_PLACES_MAX] = {0}, have[CR_TEXTS_PLACES_MAX] = {0};
    cr_texts_place place;
    int n = 0, next = 0;
    for (const char *p = id; *p; p += cr_texts_place_at(p, &place) ? place.len : 1)
        if (cr_texts_place_at(p, &place) && place.kind != '%' && n < CR_TEXTS_PLACES_MAX)
            want[n++] = place.kind;
    for (const char *p = text; *p;) {
        if (*p == '%' && !cr_texts_place_at(p, &place))
            return say_why(why, size, "a percent sign that is neither a place nor written %%", p, strcspn(p, " "));
        if (*p != '%') {
            p++;
            continue;
        }
        int k = place.number ? place.number - 1 : next++;
        if (place.kind != '%' && (k >= n || want[k] != place.kind || have[k]))
            return say_why(why, size, "a place that the message has not, or twice", p, place.len);
        if (place.kind != '%')
            have[k] = 1;
        else if (!place.number)
            next--;
        p += place.len;
    }
    for (int k = is_plural ? 1 : 0; k < n; k++)
        if (!have[k])
            return say_why(why, size, "the translation leaves out a place of the message", id, strlen(id));
    return true;
}

typedef struct tag {
    const char *s;
    size_t n;
    bool used;
} tag;

/* What is no text: {{tags}}, <markup>. -1: too much, or one without end; or a sign that could become one beside what stands around the message. */
static int read_tags(const char *text, tag tags[TAGS_MAX]) {
    int n = 0;
    for (const char *p = text; *p;) {
        bool braces = p[0] == '{' && p[1] == '{';
        if (!braces && *p != '<') {
            if (*p == '>' || *p == '"' || *p == '{' || *p == '}' || (*p == '[' && p[1] == '[') || (*p == ']' && p[1] == ']'))
                return -1;
            p++;
            continue;
        }
        const char *end = strstr(p, braces ? "}}" : ">");
        if (!end || n == TAGS_MAX)
            return -1;
        end += braces ? 2 : 1;
        tags[n++] = (tag){p, (size_t)(end - p), false};
        p = end;
    }
    return n;
}

/* Sections and markup lie in one another: what was opened last is closed first. */
static bool is_nested(const tag *tags, int n) {
    const tag *open[TAGS_MAX];
    int depth = 0;
    for (int i = 0; i < n; i++) {
        const char *s = tags[i].s;
        bool braces = s[0] == '{', opens = braces ? s[2] == '#' || s[2] == '^' : s[1] != '/', closes = braces ? s[2] == '/' : s[1] == '/';
        if (opens)
            open[depth++] = &tags[i];
        else if (closes) {
            if (depth == 0)
                return false;
            const tag *o = open[--depth];
            size_t head = braces ? 3 : 1, name = braces ? tags[i].n - 5 : tags[i].n - 3;
            if (o->s[0] != s[0] || o->n < head + name || strncmp(o->s + head, s + head + (braces ? 0 : 1), name) != 0)
                return false;
        }
    }
    return depth == 0;
}

static bool tags_fit(const char *id, const char *text, bool is_plural, char *why, size_t size) {
    tag want[TAGS_MAX], have[TAGS_MAX];
    int n = read_tags(id, want), m = read_tags(text, have);
    if (n < 0 || m < 0)
        return say_why(why, size, "a quotation mark, a bracket or a brace outside of tags and markup", text, strlen(text));
    for (int i = 0; i < m; i++) {
        int k = 0;
        while (k < n && (want[k].used || want[k].n != have[i].n || memcmp(want[k].s, have[i].s, have[i].n) != 0))
            k++;
        if (k == n)
            return say_why(why, size, "the message has no such tag, or not as often", have[i].s, have[i].n);
        want[k].used = true;
    }
    for (int k = 0; k < n; k++)
        if (!want[k].used && !(is_plural && want[k].s[0] == '{' && !strchr("#^/", want[k].s[2])))
            return say_why(why, size, "the translation leaves out a tag", want[k].s, want[k].n);
    if (!is_nested(have, m))
        return say_why(why, size, "tags are not closed in the order in which they were opened", text, strlen(text));
    return true;
}

/* {words} of mails, where the translation may say less, but not leave out the link. */
static bool words_fit(const char *id, const char *text, char *why, size_t size) {
    for (const char *p = text; (p = strchr(p, '{')); p++) {
        char word[40];
        size_t n = strcspn(p, "}");
        if (p[1] == '{' || (p > text && p[-1] == '{'))
            continue;
        if (!p[n] || n + 2 > sizeof word)
            return say_why(why, size, "a brace that is not closed", p, strlen(p));
        snprintf(word, sizeof word, "%.*s", (int)n + 1, p);
        if (!strstr(id, word))
            return say_why(why, size, "the message has no such word", word, strlen(word));
    }
    if (strstr(id, "{link}") && !strstr(text, "{link}"))
        return say_why(why, size, "the translation leaves out", "{link}", 6);
    return true;
}

/* {hub} and not {{hub}}, which is a piece of a page. */
static bool is_of_mail(const char *id) {
    for (const char *p = id; (p = strstr(p, "{hub}")); p++)
        if (p == id || p[-1] != '{')
            return true;
    return false;
}

bool cr_texts_entry_fits(const cr_po_entry *e, char *why, size_t size) {
    for (int i = 0; i < e->n; i++) {
        const char *id = e->plural[0] ? e->plural : e->id;
        if (strchr(e->form[i], '|') && e->plural[0] && !e->c_format)
            return say_why(why, size, "a form of a plural cannot have this sign", "|", 1);
        bool mail = !e->c_format && is_of_mail(id);
        if (e->c_format ? !places_fit(id, e->form[i], e->plural[0], why, size) : mail ? !words_fit(id, e->form[i], why, size)
                        : !tags_fit(id, e->form[i], e->plural[0], why, size))
            return false;
    }
    return true;
}
