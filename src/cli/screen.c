/* screen.c - where output goes: width, colours, characters that may be shown. */
#include <ctype.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/text.h"
#include "cli/cli.h"

cr_status cr_cli_put(const cr_buf *b, cr_err *err) {
    CR_TRY(cr_buf_check(b, err));
    if (fwrite(cr_buf_str(b), 1, b->len, stdout) == b->len && fflush(stdout) == 0)
        return CR_OK;
    return errno == EPIPE ? CR_OK : CR_FAIL_ERRNO(err, "cannot write the output");
}

void cr_cli_screen_of(FILE *out, cr_cli_screen *ret_screen) {
    cr_cli_screen s = {0};
    bool terminal = isatty(fileno(out));
    const char *columns = getenv("COLUMNS"), *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    int64_t given = 0;
    struct winsize size;
    if (columns && cr_parse_int(columns, 20, 10000, &given, NULL) == CR_OK)
        s.columns = (int)given;
    else if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        s.columns = size.ws_col;
    s.colour = terminal && !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
    s.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    *ret_screen = s;
}

/* Bytes of the character at s; 0: no valid UTF-8. */
static size_t character(const char *s) {
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return strnlen(s, n) == n && cr_text_is_utf8(s, n) ? n : 0;
}

size_t cr_cli_text(cr_buf *b, const char *s, size_t most, bool utf8) {
    size_t shown = 0, mark = b->len, mark_shown = 0, ellipsis = utf8 ? 1 : 3;
    while (*s) {
        size_t n = character(s);
        bool control = n == 0 || (unsigned char)*s < 0x20 || *s == 0x7f || cr_text_steers(s) > 0;
        size_t width = *s == '\n' || *s == '\t' ? 1 : control || (n > 1 && !utf8) ? 4 * CR_MAX(n, 1) : 1;
        if (most && shown + width > most) {
            b->len = b->data ? mark : 0;
            if (b->data)
                b->data[b->len] = 0;
            cr_buf_adds(b, utf8 ? "\u2026" : "...");
            return mark_shown + ellipsis;
        }
        if (*s == '\n' || *s == '\t') {
            cr_buf_addc(b, ' ');
        } else if (width > 1) {
            for (size_t i = 0; i < CR_MAX(n, 1); i++)
                cr_buf_addf(b, "\\x%02x", (unsigned char)s[i]);
        } else {
            cr_buf_add(b, s, n);
        }
        shown += width;
        s += CR_MAX(n, 1);
        if (!most || shown + ellipsis <= most) {
            mark = b->len;
            mark_shown = shown;
        }
    }
    return shown;
}

size_t cr_cli_columns(const cr_buf *b, size_t from) {
    size_t n = 0;
    for (size_t i = from; i < b->len; i++)
        n += ((unsigned char)b->data[i] & 0xc0) != 0x80;
    return n;
}

int cr_cli_fail(const cr_err *err) {
    cr_cli_screen screen;
    cr_auto_buf cr_buf b;
    cr_cli_screen_of(stderr, &screen);
    cr_buf_init(&b, 64 << 10);
    cr_buf_adds(&b, "craton: ");
    cr_cli_text(&b, err->message, 0, screen.utf8);   /* it may quote names of a file */
    if (err->hint[0]) {
        cr_buf_adds(&b, "\n  ");
        cr_cli_text(&b, err->hint, 0, screen.utf8);
    }
    fprintf(stderr, "%s\n", cr_buf_str(&b));
    return cr_status_exit(err->status);
}
