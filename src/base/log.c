/* log.c - structured lines to one descriptor. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/text.h"

static struct {
    const char *component;
    cr_log_level least;
    int fd;
} sink = {"craton", CR_LOG_INFO, 2};

void cr_log_setup(const char *component, cr_log_level least, int fd) {
    sink.component = component;
    sink.least = least;
    sink.fd = fd;
}

static void write_line(cr_log_level level, const char *event, const char *detail) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char when[32], line[4096];
    int n = snprintf(line, sizeof line - 1, "%s %s %s: %s%s%s", cr_iso8601(cr_wall_ms(), when, sizeof when), names[level],
                     sink.component, event, detail[0] ? " " : "", detail);
    size_t len = n < 0 ? 0 : n > (int)sizeof line - 2 ? sizeof line - 2 : (size_t)n;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = '?';   /* a line break from outside must not begin a second, forged line */
    if (!cr_text_is_utf8(line, len))   /* bytes of a damaged file: programs that read the log as text must not stumble over them */
        for (size_t i = 0; i < len; i++)
            if ((unsigned char)line[i] >= 0x80)
                line[i] = '?';
    line[len] = 0;
    cr_text_clean(line);     /* logs are read at terminals, and C1 of UTF-8 steers them, too */
    line[len++] = '\n';
    ssize_t done = write(sink.fd, line, len);
    (void)done;   /* a full disk under the log must not stop the service */
}

/* ---- fields ---- */

typedef struct fields {
    char *text;
    size_t len, size;
    bool full;                /* what follows is left out: a value that is cut ends with its quotation mark all the same */
    bool quoted;              /* inside quotation marks */
    va_list args;
} fields;

/* In one piece or not at all: neither a character nor an escape is cut. Room for a closing mark stays. */
static void put(fields *f, const char *bytes, size_t n) {
    f->full |= n + 2 > f->size - f->len;
    if (f->full)
        return;
    memcpy(f->text + f->len, bytes, n);
    f->len += n;
}

static void put_mark(fields *f) {
    put(f, "\"", 1);
    if (!f->full)
        f->quoted = !f->quoted;
}

static size_t character_len(const char *s, size_t left) {
    unsigned char c = (unsigned char)*s;
    size_t n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    return n < left ? n : left;
}

static void put_escaped(fields *f, const char *s, size_t n) {
    char escape[8];
    for (size_t i = 0, len; i < n; i += len) {
        unsigned char c = (unsigned char)s[i];
        len = character_len(s + i, n - i);
        if (c == '"' || c == '\\')
            put(f, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", c));
        else if (c == '\n' || c == '\r' || c == '\t')
            put(f, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't'));
        else if (c < 0x20 || c == 0x7F)
            put(f, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
        else
            put(f, s + i, len);
    }
}

/* Beyond ASCII too: what steers terminals becomes a blank when the line is written. */
static bool needs_marks(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7F || s[i] == '"' || s[i] == '=' || s[i] == '\\')
            return true;
    return false;
}

static void put_value(fields *f, const char *s, size_t n) {
    bool marks = !f->quoted && needs_marks(s, n);
    if (marks)
        put_mark(f);
    put_escaped(f, s, n);
    if (marks && f->quoted && !f->full)
        put_mark(f);
}

static void put_number(fields *f, char kind, int longs, bool is_size) {
    char text[32];
    unsigned long long u;
    if (kind == 'd' || kind == 'i') {
        long long d = longs > 1 ? va_arg(f->args, long long) : longs ? va_arg(f->args, long) : is_size ? va_arg(f->args, ssize_t) : va_arg(f->args, int);
        put(f, text, (size_t)snprintf(text, sizeof text, "%lld", d));
        return;
    }
    u = longs > 1 ? va_arg(f->args, unsigned long long) : longs ? va_arg(f->args, unsigned long) : is_size ? va_arg(f->args, size_t) : va_arg(f->args, unsigned);
    put(f, text, (size_t)(kind == 'x' ? snprintf(text, sizeof text, "%llx", u) : snprintf(text, sizeof text, "%llu", u)));
}

/* One conversion, behind its '%'; the end of it. */
static const char *put_conversion(fields *f, const char *at) {
    size_t most = SIZE_MAX;
    int longs = 0;
    bool is_size = false;
    if (*at == '.')
        for (most = 0, at++; *at >= '0' && *at <= '9'; at++)
            most = most * 10 + (size_t)(*at - '0');
    for (; *at == 'l' || *at == 'z'; at++)
        *at == 'l' ? (void)longs++ : (void)(is_size = true);
    if (*at == 's') {
        const char *s = va_arg(f->args, const char *);
        s = s ? s : "(null)";
        put_value(f, s, strnlen(s, most));
    } else if (*at && strchr("diux", *at)) {
        put_number(f, *at, longs, is_size);
    } else {
        f->full = true;       /* none that log.h allows: nothing that follows can be read right */
        return "";
    }
    return at + 1;
}

/* A format that is one %s is a text of another kind than fields (an audit row is JSON). */
static void write_format(cr_log_level level, const char *event, const char *fmt, va_list ap) {
    char detail[3072] = "";
    fields f = {.text = detail, .size = sizeof detail};
    va_copy(f.args, ap);
    if (fmt && strcmp(fmt, "%s") == 0) {
        snprintf(detail, sizeof detail, "%s", va_arg(f.args, const char *));
        fmt = NULL;
    }
    while (fmt && *fmt) {
        if (*fmt == '"')
            fmt++, put_mark(&f);
        else if (*fmt == '%')
            fmt = put_conversion(&f, fmt + 1);
        else
            put(&f, fmt++, 1);
    }
    if (f.quoted)
        detail[f.len++] = '"';
    if (f.len)
        detail[f.len] = 0;
    va_end(f.args);
    write_line(level, event, detail);
}

void cr_log(cr_log_level level, const char *event, const char *fmt, ...) {
    if (level < sink.least)
        return;
    va_list ap;
    va_start(ap, fmt);
    write_format(level, event, fmt, ap);
    va_end(ap);
}

/* ---- events that strangers cause ---- */

enum { KINDS_MAX = 32 };
static struct {
    const char *event;        /* NULL: free */
    cr_log_level level;
    unsigned long long n;
} often[KINDS_MAX];

void cr_log_often(cr_log_level level, const char *event, const char *fmt, ...) {
    size_t i = 0;
    if (level < sink.least)
        return;
    while (i + 1 < KINDS_MAX && often[i].event && strcmp(often[i].event, event) != 0)
        i++;                  /* more kinds than there are: the last ones share */
    if (!often[i].event) {
        often[i].event = event;
        often[i].level = level;
    }
    if (often[i].n++ >= CR_LOG_OFTEN_MAX)
        return;
    va_list ap;
    va_start(ap, fmt);
    write_format(level, event, fmt, ap);
    va_end(ap);
}

void cr_log_often_tell(void) {
    for (size_t i = 0; i < KINDS_MAX && often[i].event; i++) {
        if (often[i].n > CR_LOG_OFTEN_MAX)
            cr_log(often[i].level, often[i].event, "more=%llu", often[i].n - CR_LOG_OFTEN_MAX);
        often[i].n = 0;
    }
}

void cr_log_err(cr_log_level level, const char *event, const cr_err *err) {
    if (err->hint[0])
        cr_log(level, event, "status=%s message=\"%s\" hint=\"%s\"", cr_status_name(err->status), err->message, err->hint);
    else
        cr_log(level, event, "status=%s message=\"%s\"", cr_status_name(err->status), err->message);
}
