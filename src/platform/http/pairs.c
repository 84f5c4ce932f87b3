/* pairs.c - percent-coding, forms, cookies. */
#include "platform/http/pairs.h"

#include "base/text.h"

static int digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

cr_status cr_percent_decode(cr_arena *arena, const char *text, size_t n, bool plus_is_space, const char **ret_text, cr_err *err) {
    char *out = cr_arena_alloc(arena, n + 1);
    if (!out)
        return CR_FAIL(err, CR_LIMIT, "the request is too large");
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = n - i > 2 ? digit(text[i + 1]) : -1;
            int low = n - i > 2 ? digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return CR_FAIL(err, CR_INVALID, "a %% is not followed by two hexadecimal digits");
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == 0)
            return CR_FAIL(err, CR_INVALID, "the text contains a zero byte");
        out[len++] = c;
    }
    if (!cr_text_is_utf8(out, len))
        return CR_FAIL(err, CR_INVALID, "the text is not valid UTF-8");
    out[len] = 0;
    *ret_text = out;
    return CR_OK;
}

void cr_percent_encode(cr_buf *out, const char *text, const char *keep) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c) ||
                     (keep && strchr(keep, c));
        if (plain)
            cr_buf_addc(out, (char)c);
        else
            cr_buf_addf(out, "%%%02X", c);
    }
}

static cr_status add(cr_pairs *pairs, const char *name, const char *value, cr_err *err) {
    if (pairs->n >= CR_PAIRS_MAX)
        return CR_FAIL(err, CR_LIMIT, "more than %d fields", CR_PAIRS_MAX);
    pairs->at[pairs->n++] = (cr_pair){name, value};
    return CR_OK;
}

cr_status cr_pairs_parse_form(cr_arena *arena, const char *text, size_t n, cr_pairs *pairs, cr_err *err) {
    const char *end = text + n;
    while (text < end) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        if (!stop)
            stop = end;
        if (stop > text) {
            const char *equals = memchr(text, '=', (size_t)(stop - text));
            const char *name_end = equals ? equals : stop;
            const char *name, *value = "";
            CR_TRY(cr_percent_decode(arena, text, (size_t)(name_end - text), true, &name, err));
            if (equals)
                CR_TRY(cr_percent_decode(arena, equals + 1, (size_t)(stop - equals - 1), true, &value, err));
            CR_TRY(add(pairs, name, value, err));
        }
        text = stop + 1;
    }
    return CR_OK;
}

cr_status cr_pairs_parse_cookies(cr_arena *arena, const char *header, cr_pairs *pairs, cr_err *err) {
    while (*header) {
        header += strspn(header, " \t;");
        size_t n = strcspn(header, ";");
        const char *equals = memchr(header, '=', n);
        if (equals && equals > header) {
            const char *end = header + n;
            while (end > equals + 1 && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            const char *name = cr_arena_strndup(arena, header, (size_t)(equals - header));
            const char *value = cr_arena_strndup(arena, equals + 1, (size_t)(end - equals - 1));
            if (!name || !value)
                return CR_FAIL(err, CR_LIMIT, "the request is too large");
            CR_TRY(add(pairs, name, value, err));
        }
        header += n;
    }
    return CR_OK;
}

const char *cr_pairs_get(const cr_pairs *pairs, const char *name) {
    for (int i = 0; i < pairs->n; i++)
        if (strcmp(pairs->at[i].name, name) == 0)
            return pairs->at[i].value;
    return NULL;
}

int cr_pairs_count(const cr_pairs *pairs, const char *name) {
    int n = 0;
    for (int i = 0; i < pairs->n; i++)
        n += strcmp(pairs->at[i].name, name) == 0;
    return n;
}
