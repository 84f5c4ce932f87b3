/* buf.c - growable bytes with a maximum. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void cr_buf_init(cr_buf *b, size_t max_bytes) {
    *b = (cr_buf){NULL, 0, 0, max_bytes, false};
}

void cr_buf_done(cr_buf *b) {
    free(b->data);
    *b = (cr_buf){NULL, 0, 0, b->max, false};
}

void cr_buf_clear(cr_buf *b) {
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

char *cr_buf_reserve(cr_buf *b, size_t n) {
    if (b->failed || n > b->max || b->len > b->max - n) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        char *p = realloc(b->data, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->data = p;
        b->cap = cap;
        b->data[b->len] = 0;
    }
    return b->data + b->len;
}

void cr_buf_advance(cr_buf *b, size_t n) {
    b->len += n;
    b->data[b->len] = 0;
}

void cr_buf_add(cr_buf *b, const void *bytes, size_t n) {
    char *p = cr_buf_reserve(b, n);
    if (!p)
        return;
    if (n)
        memcpy(p, bytes, n);
    cr_buf_advance(b, n);
}

void cr_buf_adds(cr_buf *b, const char *s) { cr_buf_add(b, s, strlen(s)); }
void cr_buf_addc(cr_buf *b, char c) { cr_buf_add(b, &c, 1); }

void cr_buf_addf(cr_buf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n >= 0 ? cr_buf_reserve(b, (size_t)n) : NULL;
    if (p) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void cr_buf_consume(cr_buf *b, size_t n) {
    if (n >= b->len) {
        b->len = 0;
    } else {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data)
        b->data[b->len] = 0;
}

const char *cr_buf_str(const cr_buf *b) { return b->data ? b->data : ""; }

char *cr_buf_take(cr_buf *b) {
    if (b->failed)
        return NULL;
    char *p = b->data ? b->data : calloc(1, 1);
    b->data = NULL;
    cr_buf_done(b);
    return p;
}

cr_status cr_buf_check(const cr_buf *b, cr_err *err) {
    if (b->failed)
        return CR_FAIL(err, CR_LIMIT, "a buffer would grow past its maximum of %zu bytes", b->max);
    return CR_OK;
}
