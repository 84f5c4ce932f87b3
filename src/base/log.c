/* log.c - structured lines to one descriptor. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
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

static void write_format(cr_log_level level, const char *event, const char *fmt, va_list ap) {
    char detail[3072] = "";
    if (fmt)
        vsnprintf(detail, sizeof detail, fmt, ap);
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
    if (level < sink.least)
        return;
    char detail[2048];
    snprintf(detail, sizeof detail, "status=%s message=\"%s\"%s%s%s", cr_status_name(err->status), err->message,
             err->hint[0] ? " hint=\"" : "", err->hint, err->hint[0] ? "\"" : "");
    write_line(level, event, detail);
}
