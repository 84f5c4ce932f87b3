/* po.c - one line after the other; what is collected is given out when the next entry begins. */
#include "platform/http/po.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/text.h"

enum { CONTEXT, ID, PLURAL, FORMS, N_TEXTS = FORMS + CR_PO_FORMS_MAX };

typedef struct reader {
    cr_po_each each;
    void *user;
    int line, entries;
    int at;                   /* into which text quoted lines go; -1: none */
    bool has_id;
    cr_po_entry e;
    cr_buf texts[N_TEXTS];
} reader;

static void begin(reader *r) {
    r->e = (cr_po_entry){0};
    r->has_id = false;
    r->at = -1;
    for (int i = 0; i < N_TEXTS; i++)
        cr_buf_clear(&r->texts[i]);
}

static cr_status give(reader *r, cr_err *err) {
    if (r->has_id) {
        if (r->e.n == 0)
            return CR_FAIL(err, CR_FORMAT, "line %d: a msgid without msgstr", r->e.line);
        if (++r->entries > CR_PO_ENTRIES_MAX)
            return CR_FAIL(err, CR_LIMIT, "line %d: more than %d entries", r->line, CR_PO_ENTRIES_MAX);
        for (int i = 0; i < N_TEXTS; i++)
            CR_TRY(cr_buf_check(&r->texts[i], err));
        r->e.context = cr_buf_str(&r->texts[CONTEXT]);
        r->e.id = cr_buf_str(&r->texts[ID]);
        r->e.plural = cr_buf_str(&r->texts[PLURAL]);
        for (int i = 0; i < r->e.n; i++)
            r->e.form[i] = cr_buf_str(&r->texts[FORMS + i]);
        CR_TRY(r->each(r->user, &r->e, err));
    }
    begin(r);
    return CR_OK;
}

static bool add_escape(cr_buf *out, char c) {
    static const char names[] = "ntr\\\"", values[] = "\n\t\r\\\"";
    const char *at = c ? strchr(names, c) : NULL;
    if (at)
        cr_buf_addc(out, values[at - names]);
    return at != NULL;
}

/* "..." and nothing behind it. */
static cr_status add_quoted(reader *r, const char *s, const char *end, cr_err *err) {
    cr_buf *out = &r->texts[r->at];
    if (s == end || *s != '"')
        return CR_FAIL(err, CR_FORMAT, "line %d: a text in double quotes is missing", r->line);
    for (s++; s < end && *s != '"'; s++) {
        if (*s != '\\')
            cr_buf_addc(out, *s);
        else if (++s == end || !add_escape(out, *s))
            return CR_FAIL(err, CR_FORMAT, "line %d: only \\n, \\t, \\r, \\\\ and \\\" stand behind a backslash", r->line);
    }
    if (s == end)
        return CR_FAIL(err, CR_FORMAT, "line %d: the text has no end", r->line);
    for (s++; s < end; s++)
        if (*s != ' ' && *s != '\t')
            return CR_FAIL(err, CR_FORMAT, "line %d: something stands behind the text", r->line);
    if (out->failed)
        return CR_FAIL(err, CR_LIMIT, "line %d: a text of more than %d bytes", r->line, CR_PO_TEXT_MAX);
    return CR_OK;
}

/* Which text a keyword begins; -1: none. ret_rest: behind it. */
static int keyword(const char *s, const char *end, const char **ret_rest) {
    static const struct { const char *word; int at; } words[] = {{"msgctxt", CONTEXT}, {"msgid_plural", PLURAL}, {"msgid", ID}, {"msgstr", FORMS}};
    for (size_t i = 0; i < CR_ARRAY_LEN(words); i++) {
        size_t n = strlen(words[i].word);
        if ((size_t)(end - s) <= n || strncmp(s, words[i].word, n) != 0)
            continue;
        int at = words[i].at;
        s += n;
        if (at == FORMS && *s == '[') {
            if (end - s < 3 || !isdigit((unsigned char)s[1]) || s[2] != ']' || s[1] - '0' >= CR_PO_FORMS_MAX)
                return -1;
            at += s[1] - '0';
            s += 3;
        }
        while (s < end && (*s == ' ' || *s == '\t'))
            s++;
        *ret_rest = s;
        return at;
    }
    return -1;
}

static cr_status read_keyword(reader *r, const char *s, const char *end, cr_err *err) {
    int at = keyword(s, end, &s);
    if (at < 0)
        return CR_FAIL(err, CR_FORMAT, "line %d: neither a comment nor msgctxt, msgid, msgid_plural or msgstr", r->line);
    if (r->has_id && (at == CONTEXT || at == ID))
        CR_TRY(give(r, err));
    bool right = at == CONTEXT ? r->texts[CONTEXT].len == 0 : at == ID ? r->e.n == 0 : at == PLURAL ? r->has_id && r->e.n == 0 && r->texts[PLURAL].len == 0
                 : r->has_id && at - FORMS == r->e.n;
    if (!right)
        return CR_FAIL(err, CR_FORMAT, "line %d: this does not follow what stands before it", r->line);
    if (at == ID) {
        r->has_id = true;
        r->e.line = r->line;
    } else if (at >= FORMS) {
        r->e.n = at - FORMS + 1;
    }
    r->at = at;
    return add_quoted(r, s, end, err);
}

static bool has_flag(const char *s, const char *end, const char *flag) {
    size_t n = strlen(flag);
    return memmem(s, (size_t)(end - s), flag, n) != NULL;
}

static cr_status read_line(reader *r, const char *s, const char *end, cr_err *err) {
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (end > s && (end[-1] == '\r' || end[-1] == ' '))
        end--;
    if (s == end)
        return CR_OK;
    if (*s == '#') {
        if (r->has_id)      /* the comments of the next one */
            CR_TRY(give(r, err));
        if (end - s > 1 && s[1] == ',') {
            r->e.c_format = r->e.c_format || (has_flag(s, end, "c-format") && !has_flag(s, end, "no-c-format"));
            r->e.fuzzy = r->e.fuzzy || has_flag(s, end, "fuzzy");
        }
        return CR_OK;
    }
    if (*s != '"')
        return read_keyword(r, s, end, err);
    if (r->at < 0)
        return CR_FAIL(err, CR_FORMAT, "line %d: a text without a keyword before it", r->line);
    return add_quoted(r, s, end, err);
}

static cr_status read_lines(reader *r, const char *text, size_t n, cr_err *err) {
    for (const char *s = text, *end = text + n; s < end;) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        r->line++;
        CR_TRY(read_line(r, s, stop ? stop : end, err));
        s = stop ? stop + 1 : end;
    }
    return give(r, err);
}

cr_status cr_po_read(const char *text, size_t n, cr_po_each each, void *user, cr_err *err) {
    reader r = {.each = each, .user = user};
    if (n > CR_PO_BYTES_MAX)
        return CR_FAIL(err, CR_LIMIT, "the catalogue is longer than %d bytes", CR_PO_BYTES_MAX);
    if (!cr_text_is_utf8(text, n) || memchr(text, 0, n))
        return CR_FAIL(err, CR_FORMAT, "the catalogue is not text in UTF-8");
    for (int i = 0; i < N_TEXTS; i++)
        cr_buf_init(&r.texts[i], CR_PO_TEXT_MAX);
    begin(&r);
    cr_status status = read_lines(&r, text, n, err);
    for (int i = 0; i < N_TEXTS; i++)
        cr_buf_done(&r.texts[i]);
    return status;
}

bool cr_po_is_translated(const cr_po_entry *e) {
    for (int i = 0; i < e->n; i++)
        if (!e->form[i][0])
            return false;
    return e->n > 0 && !e->fuzzy;
}

void cr_po_header(const char *header, const char *name, char *buf, size_t size) {
    size_t n = strlen(name);
    buf[0] = 0;
    for (const char *line = header; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        line += n + 1;
        line += strspn(line, " ");
        snprintf(buf, size, "%.*s", (int)CR_MIN(strcspn(line, "\n"), size - 1), line);
        return;
    }
}
