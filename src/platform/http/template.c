/* template.c - a template is cut into tokens once; sections know where they end. */
#include "platform/http/template.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/map.h"
#include "base/text.h"

enum { DEPTH_MAX = 16, TOKENS_MAX = 4096, TEMPLATES_MAX = 64, NAME_MAX_LEN = 63, SOURCE_MAX = 4 << 20, SAID_MAX = 64 << 10 };

/* PLURAL is a section of forms with a FORM between each two. */
typedef enum token_kind { TEXT, VALUE, SAID, SECTION, INVERTED, PLURAL, FORM, END, PARTIAL } token_kind;
typedef struct token {
    token_kind kind;
    const char *text;         /* TEXT: into the copy */
    size_t len;
    int end;                  /* SECTION, INVERTED, PLURAL: index of the END */
    char name[NAME_MAX_LEN + 1];
} token;

typedef struct tmpl {
    char *copy;
    token *tokens;
    int n;
} tmpl;

struct cr_templates {
    cr_map by_name;
    const cr_texts *texts;
};

typedef struct scope {
    const struct scope *outer;
    const json_t *value;
    int depth;
} scope;

cr_status cr_templates_new(const cr_texts *texts, cr_templates **ret_set, cr_err *err) {
    cr_templates *set = calloc(1, sizeof *set);
    if (!set)
        return CR_FAIL(err, CR_MEMORY, "no memory for templates");
    cr_map_init(&set->by_name, TEMPLATES_MAX);
    set->texts = texts;
    *ret_set = set;
    return CR_OK;
}

static void tmpl_free(tmpl *t) {
    if (t) {
        free(t->copy);
        free(t->tokens);
        free(t);
    }
}

void cr_templates_free(cr_templates *set) {
    if (!set)
        return;
    const char *name;
    void *t;
    for (size_t i = 0; (i = cr_map_next(&set->by_name, i, &name, &t));)
        tmpl_free(t);
    cr_map_done(&set->by_name);
    free(set);
}

static bool name_ok(const char *s, size_t n) {
    if (n == 0 || n > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '.'))
            return false;
    return true;
}

static cr_status push(tmpl *t, token tk, cr_err *err) {
    if (t->n >= TOKENS_MAX)
        return CR_FAIL(err, CR_LIMIT, "more than %d tags", TOKENS_MAX);
    if ((t->n & (t->n - 1)) == 0) {
        token *more = realloc(t->tokens, sizeof *more * (t->n ? 2 * (size_t)t->n : 1));
        if (!more)
            return CR_FAIL(err, CR_MEMORY, "no memory for a template");
        t->tokens = more;
    }
    t->tokens[t->n++] = tk;
    return CR_OK;
}

/* One tag's inside, without braces. */
static cr_status push_tag(tmpl *t, const char *s, size_t n, int *open, int *depth, cr_err *err) {
    token tk = {.kind = VALUE};
    if (n && s[0] == '!')
        return CR_OK;
    if (n == 1 && s[0] == '|') {
        if (*depth == 0 || t->tokens[open[*depth - 1]].kind != PLURAL)
            return CR_FAIL(err, CR_FORMAT, "{{|}} stands outside of a plural");
        tk.kind = FORM;
        return push(t, tk, err);
    }
    if (n && strchr("#^?/>~", s[0])) {
        tk.kind = s[0] == '#' ? SECTION : s[0] == '^' ? INVERTED : s[0] == '?' ? PLURAL : s[0] == '/' ? END : s[0] == '~' ? SAID : PARTIAL;
        s++, n--;
    }
    while (n && s[0] == ' ')
        s++, n--;
    while (n && s[n - 1] == ' ')
        n--;
    if (!name_ok(s, n))
        return CR_FAIL(err, CR_FORMAT, "bad name in the tag {{%.*s}}", (int)CR_MIN(n, 40u), s);
    memcpy(tk.name, s, n);
    if (tk.kind == SECTION || tk.kind == INVERTED || tk.kind == PLURAL) {
        if (*depth >= DEPTH_MAX)
            return CR_FAIL(err, CR_LIMIT, "sections are nested deeper than %d", DEPTH_MAX);
        open[(*depth)++] = t->n;
    } else if (tk.kind == END) {
        if (*depth == 0 || strcmp(t->tokens[open[*depth - 1]].name, tk.name) != 0)
            return CR_FAIL(err, CR_FORMAT, "{{/%s}} closes nothing", tk.name);
        t->tokens[open[--*depth]].end = t->n;
    }
    return push(t, tk, err);
}

static cr_status cut(tmpl *t, size_t n, cr_err *err) {
    int open[DEPTH_MAX], depth = 0;
    const char *s = t->copy, *end = s + n;
    while (s < end) {
        const char *tag = memmem(s, (size_t)(end - s), "{{", 2);
        const char *stop = tag ? tag : end;
        if (stop > s)
            CR_TRY(push(t, (token){.kind = TEXT, .text = s, .len = (size_t)(stop - s)}, err));
        if (!tag)
            break;
        const char *close = memmem(tag, (size_t)(end - tag), "}}", 2);
        if (!close)
            return CR_FAIL(err, CR_FORMAT, "a {{ is not closed");
        CR_TRY(push_tag(t, tag + 2, (size_t)(close - tag - 2), open, &depth, err));
        s = close + 2;
    }
    if (depth)
        return CR_FAIL(err, CR_FORMAT, "{{#%s}} is not closed", t->tokens[open[depth - 1]].name);
    return CR_OK;
}

/* ?name|one|many, as {{?name}}one{{|}}many{{/name}} with the forms that the language has. */
static cr_status add_plural(const cr_texts *texts, char *message, cr_buf *out, cr_err *err) {
    char *one = strchr(message, '|'), *many = one ? strchr(one + 1, '|') : NULL;
    if (!many || strchr(many + 1, '|') || !name_ok(message + 1, (size_t)(one - message - 1)))
        return CR_FAIL(err, CR_FORMAT, "[[%.60s]] is not of the form ?name|one|many", message);
    *one++ = *many++ = 0;
    bool known = cr_texts_form(texts, one, 0) != NULL;      /* else both are English, whatever the language has */
    int n = known ? cr_texts_forms(texts) : 2;
    cr_buf_addf(out, "{{?%s}}", message + 1);
    for (int k = 0; k < n; k++) {
        const char *form = known ? cr_texts_form(texts, one, k) : k ? many : one;
        cr_buf_addf(out, "%s%s", k ? "{{|}}" : "", form ? form : many);
    }
    cr_buf_addf(out, "{{/%s}}", message + 1);
    return CR_OK;
}

/* The text with its messages in the language. */
static cr_status translate(const cr_texts *texts, const char *text, size_t n, cr_buf *out, cr_err *err) {
    for (const char *s = text, *end = text + n; s < end;) {
        const char *open = memmem(s, (size_t)(end - s), "[[", 2);
        const char *close = open ? memmem(open, (size_t)(end - open), "]]", 2) : NULL;
        cr_buf_add(out, s, (size_t)((open ? open : end) - s));
        if (!open)
            break;
        if (!close)
            return CR_FAIL(err, CR_FORMAT, "a [[ is not closed");
        cr_auto_free char *message = strndup(open + 2, (size_t)(close - open - 2));
        if (!message)
            return CR_FAIL(err, CR_MEMORY, "no memory for a template");
        if (message[0] == '?')
            CR_TRY(add_plural(texts, message, out, err));
        else
            cr_buf_adds(out, cr_texts_get(texts, message));
        s = close + 2;
    }
    return cr_buf_check(out, err);
}

static cr_status make(const cr_templates *set, const char *text, size_t n, tmpl *t, cr_err *err) {
    cr_auto_buf cr_buf whole;
    cr_buf_init(&whole, SOURCE_MAX);
    CR_TRY(translate(set->texts, text, n, &whole, err));
    size_t len = whole.len;
    t->copy = len ? cr_buf_take(&whole) : strdup("");
    if (!t->copy)
        return CR_FAIL(err, CR_MEMORY, "no memory for a template");
    return cut(t, len, err);
}

cr_status cr_templates_add(cr_templates *set, const char *name, const char *text, size_t n, cr_err *err) {
    tmpl *t = calloc(1, sizeof *t);
    if (!t)
        return CR_FAIL(err, CR_MEMORY, "no memory for a template");
    cr_status status = make(set, text, n, t, err);
    if (status == CR_OK && cr_map_get(&set->by_name, name))
        status = CR_FAIL(err, CR_EXISTS, "two templates of this name");
    if (status == CR_OK)
        status = cr_map_set(&set->by_name, name, t, err);
    if (status != CR_OK) {
        tmpl_free(t);
        cr_err_context(err, "template %s", name);
    }
    return status;
}

static cr_status check_partials(const cr_templates *set, const char *name, int depth, cr_err *err) {
    const tmpl *t = cr_map_get(&set->by_name, name);
    if (!t)
        return CR_FAIL(err, CR_NOT_FOUND, "no template is named %s", name);
    if (depth > DEPTH_MAX)
        return CR_FAIL(err, CR_FORMAT, "template %s includes itself", name);
    for (int i = 0; i < t->n; i++)
        if (t->tokens[i].kind == PARTIAL)
            CR_TRY(check_partials(set, t->tokens[i].name, depth + 1, err));
    return CR_OK;
}

cr_status cr_templates_check(const cr_templates *set, cr_err *err) {
    const char *name;
    void *t;
    for (size_t i = 0; (i = cr_map_next(&set->by_name, i, &name, &t));)
        CR_TRY(check_partials(set, name, 0, err));
    return CR_OK;
}

static void escape_html(cr_buf *out, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '&': cr_buf_adds(out, "&amp;"); break;
        case '<': cr_buf_adds(out, "&lt;"); break;
        case '>': cr_buf_adds(out, "&gt;"); break;
        case '"': cr_buf_adds(out, "&quot;"); break;
        case '\'': cr_buf_adds(out, "&#39;"); break;
        default: cr_buf_addc(out, *text);
        }
    }
}

/* The first scope outwards that has the first part of a.b.c decides. */
static const json_t *look_up(const scope *sc, const char *name) {
    if (strcmp(name, ".") == 0)
        return sc->value;
    char part[NAME_MAX_LEN + 1];
    size_t n = strcspn(name, ".");
    memcpy(part, name, n);
    part[n] = 0;
    const json_t *v = NULL;
    for (; sc && !v; sc = sc->outer)
        v = json_object_get(sc->value, part);
    while (v && name[n] == '.') {
        name += n + 1;
        n = strcspn(name, ".");
        memcpy(part, name, n);
        part[n] = 0;
        v = json_object_get(v, part);
    }
    return v;
}

static bool shown(const json_t *v) {
    return v && !json_is_null(v) && !json_is_false(v) && !(json_is_string(v) && !json_string_length(v)) &&
           !(json_is_array(v) && !json_array_size(v));
}

static void put_value(cr_buf *out, const json_t *v) {
    if (json_is_string(v))
        escape_html(out, json_string_value(v));
    else if (json_is_integer(v))
        cr_buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        cr_buf_addf(out, "%g", json_real_value(v));
    else if (json_is_true(v))
        cr_buf_adds(out, "true");
}

static void put_said(const cr_texts *texts, cr_buf *out, const json_t *v) {
    char text[40];
    cr_auto_buf cr_buf said;
    cr_buf_init(&said, SAID_MAX);
    snprintf(text, sizeof text, "%g", json_number_value(v));      /* 0.5 as in English; the texts have their own comma */
    cr_texts_say(texts, json_is_string(v) ? json_string_value(v) : text, &said);
    if (json_is_string(v) || json_is_real(v))
        escape_html(out, said.failed && json_is_string(v) ? json_string_value(v) : cr_buf_str(&said));
    else
        put_value(out, v);
}

static void render(const cr_templates *set, const tmpl *t, int from, int to, const scope *sc, cr_buf *out);

static void render_section(const cr_templates *set, const tmpl *t, int i, const scope *sc, cr_buf *out) {
    const token *tk = &t->tokens[i];
    const json_t *v = look_up(sc, tk->name);
    if (tk->kind == INVERTED) {
        if (!shown(v))
            render(set, t, i + 1, tk->end, sc, out);
    } else if (shown(v)) {
        size_t items = json_is_array(v) ? json_array_size(v) : 1;
        for (size_t k = 0; k < items && !out->failed; k++) {
            scope inner = {sc, json_is_array(v) ? json_array_get(v, k) : v, sc->depth + 1};
            render(set, t, i + 1, tk->end, &inner, out);
        }
    }
}

/* The form that the number takes; in English, and for what is no number, the last form is as good as any. */
static void render_plural(const cr_templates *set, const tmpl *t, int i, const scope *sc, cr_buf *out) {
    const json_t *v = look_up(sc, t->tokens[i].name);
    int end = t->tokens[i].end, begin = i + 1, form = cr_texts_form_of(set->texts, json_integer_value(v));
    for (int j = i + 1; j <= end; j++) {
        const token *tk = &t->tokens[j];
        if (tk->kind == SECTION || tk->kind == INVERTED || tk->kind == PLURAL) {
            j = tk->end;
        } else if (tk->kind == FORM || j == end) {
            if (form-- == 0 || j == end) {
                render(set, t, begin, j, sc, out);
                return;
            }
            begin = j + 1;
        }
    }
}

static void render(const cr_templates *set, const tmpl *t, int from, int to, const scope *sc, cr_buf *out) {
    for (int i = from; i < to && !out->failed; i++) {
        const token *tk = &t->tokens[i];
        switch (tk->kind) {
        case TEXT: cr_buf_add(out, tk->text, tk->len); break;
        case VALUE: put_value(out, look_up(sc, tk->name)); break;
        case SAID: put_said(set->texts, out, look_up(sc, tk->name)); break;
        case SECTION: case INVERTED:
            render_section(set, t, i, sc, out);
            i = tk->end;
            break;
        case PARTIAL: {
            const tmpl *p = cr_map_get(&set->by_name, tk->name);
            if (p)
                render(set, p, 0, p->n, sc, out);
            break;
        }
        case PLURAL:
            render_plural(set, t, i, sc, out);
            i = tk->end;
            break;
        case FORM: case END: break;
        }
    }
}

cr_status cr_template_render(const cr_templates *set, const char *name, const json_t *values, cr_buf *out, cr_err *err) {
    const tmpl *t = cr_map_get(&set->by_name, name);
    if (!t)
        return CR_FAIL(err, CR_NOT_FOUND, "no template is named %s", name);
    scope sc = {NULL, values, 0};
    render(set, t, 0, t->n, &sc, out);
    return cr_buf_check(out, err);
}
