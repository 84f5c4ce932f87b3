/* blocks.c - pictures of characters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/colours.h"
#include "cli/picture.h"
#include "cli/ticks.h"

enum { MARGIN = 8, WIDEST = 200, NARROWEST = 20, DEFAULT_COLUMNS = 80, ROWS_MOST = 60 };

typedef struct sheet {
    const cr_plot *plot;
    cr_buf *out;
    bool colour, utf8, many_colours;
    int w, h;                     /* characters of the plane */
} sheet;

static void spaces(cr_buf *b, int n) { cr_buf_addf(b, "%*s", CR_MAX(n, 0), ""); }

static void words(sheet *s, const char *text, int most) { (void)cr_cli_text(s->out, text, (size_t)CR_MAX(most, 4), s->utf8); }

/* ---- colours ---- */

/* The nearest of the 6 x 6 x 6 colours that every terminal with 256 has. */
static int of_cube(cr_rgb c) {
    int r = (c.r * 5 + 127) / 255, g = (c.g * 5 + 127) / 255, b = (c.b * 5 + 127) / 255;
    return 16 + 36 * r + 6 * g + b;
}

static void colour(sheet *s, cr_rgb c, bool back) {
    if (s->many_colours)
        cr_buf_addf(s->out, "\033[%d;2;%d;%d;%dm", back ? 48 : 38, c.r, c.g, c.b);
    else
        cr_buf_addf(s->out, "\033[%d;5;%dm", back ? 48 : 38, of_cube(c));
}

static void plain(sheet *s) {
    if (s->colour)
        cr_buf_adds(s->out, "\033[0m");
}

/* From nothing to full, as many steps as there are characters; missing is blank. */
static void shade(sheet *s, double share) {
    static const char *const blocks[] = {"\u2591", "\u2592", "\u2593", "\u2588"}, *const letters[] = {".", ":", "-", "=", "+", "*", "#", "%", "@"};
    int n = s->utf8 ? (int)CR_ARRAY_LEN(blocks) : (int)CR_ARRAY_LEN(letters);
    if (isnan(share)) {
        cr_buf_addc(s->out, ' ');
        return;
    }
    int k = (int)(CR_MIN(CR_MAX(share, 0), 1) * n);
    cr_buf_adds(s->out, (s->utf8 ? blocks : letters)[CR_MIN(k, n - 1)]);
}

/* ---- beside the plane ---- */

/* Texts of the y axis for each row; "" where there is none. */
static void row_labels(const sheet *s, const cr_plot_axis *a, double first, double last, char (*labels)[CR_TICK_TEXT]) {
    cr_tick ticks[CR_TICKS_MOST];
    int n = cr_ticks(a->scale, a->calendar, first, last, CR_MAX(s->h / 4, 2), !s->utf8, ticks);
    for (int i = 0; i < n; i++) {
        int row = (int)floor((last - ticks[i].at) / (last - first) * s->h);
        memcpy(labels[CR_MIN(CR_MAX(row, 0), s->h - 1)], ticks[i].text, CR_TICK_TEXT);
    }
}

static void margin(sheet *s, const char *label) {
    cr_buf label_text;
    cr_buf_init(&label_text, 1024);
    size_t n = cr_cli_text(&label_text, label, MARGIN, s->utf8);
    spaces(s->out, MARGIN - (int)n);
    cr_buf_adds(s->out, cr_buf_str(&label_text));
    cr_buf_addc(s->out, ' ');
    cr_buf_done(&label_text);
}

/* Ticks below the plane, each where it belongs, as long as they do not meet. */
static void below(sheet *s, const cr_plot_axis *a) {
    cr_tick ticks[CR_TICKS_MOST];
    double first = cr_axis_first(a), last = cr_axis_last(a);
    int n = cr_ticks(a->scale, a->calendar, first, last, CR_MAX(s->w / 14, 2), !s->utf8, ticks), at = -MARGIN - 1;
    for (int i = 0; i < n; i++) {
        int k = first > last ? n - 1 - i : i, width = 0;
        for (const char *t = ticks[k].text; *t; t++)
            width += ((unsigned char)*t & 0xc0) != 0x80;
        int begin = (int)((ticks[k].at - first) / (last - first) * s->w) - width / 2;
        if (begin < at + (i > 0) || begin + width > s->w + 1)
            continue;
        spaces(s->out, begin - at);
        cr_buf_adds(s->out, ticks[k].text);
        at = begin + width;
    }
    cr_buf_addc(s->out, '\n');
    if (*a->label) {
        spaces(s->out, MARGIN + 1);
        words(s, a->label, s->w);
        cr_buf_addc(s->out, '\n');
    }
}

static void above(sheet *s) {
    words(s, s->plot->title, s->w + MARGIN);
    cr_buf_addc(s->out, '\n');
    if (s->plot->subtitle[0]) {
        words(s, s->plot->subtitle, s->w + MARGIN);
        cr_buf_addc(s->out, '\n');
    }
}

/* ---- fields ---- */

static void bar(sheet *s) {
    const cr_plot *p = s->plot;
    int steps = CR_MIN(s->w / 2, 32);
    char low[40], high[40];
    snprintf(low, sizeof low, "%.6g", p->low);
    snprintf(high, sizeof high, "%.6g", p->high);
    margin(s, low);
    for (int i = 0; i < steps; i++) {
        double share = (i + 0.5) / steps;
        if (s->colour) {
            colour(s, cr_colour(share, p->diverging), true);
            cr_buf_addc(s->out, ' ');
        } else {
            shade(s, share);
        }
    }
    plain(s);
    cr_buf_addf(s->out, " %s  ", high);
    words(s, p->label, CR_MAX(s->w - steps - (int)strlen(high) - 3, 20));
    cr_buf_addc(s->out, '\n');
}

static void field_row(sheet *s, const double *upper, const double *lower) {
    const cr_plot *p = s->plot;
    for (int x = 0; x < s->w; x++) {
        double a = cr_share(upper[x], p->low, p->high), b = cr_share(lower[x], p->low, p->high);
        if (!s->colour) {
            shade(s, isnan(a) ? b : isnan(b) ? a : (a + b) / 2);
            continue;
        }
        colour(s, cr_colour(a, p->diverging), !s->utf8);
        if (s->utf8) {
            colour(s, cr_colour(b, p->diverging), true);
            cr_buf_adds(s->out, "\u2580");
        } else {
            cr_buf_addc(s->out, ' ');
        }
    }
    plain(s);
}

static cr_status print_field(sheet *s, cr_err *err) {
    const cr_plot *p = s->plot;
    s->h = (int)CR_MIN(CR_MAX(lround(s->w * cr_picture_aspect(p) / 2), 4), ROWS_MOST);
    cr_auto_free double *values = malloc((size_t)s->w * 2 * (size_t)s->h * sizeof *values);
    cr_auto_free char(*labels)[CR_TICK_TEXT] = calloc((size_t)s->h, sizeof *labels);
    if (!values || !labels)
        return CR_FAIL(err, CR_MEMORY, "no memory for a picture");
    cr_plot_pixels(p, s->w, 2 * s->h, values);
    row_labels(s, &p->y, cr_axis_first(&p->y), cr_axis_last(&p->y), labels);
    for (int y = 0; y < s->h; y++) {
        margin(s, labels[y]);
        field_row(s, values + (size_t)(2 * y) * (size_t)s->w, values + (size_t)(2 * y + 1) * (size_t)s->w);
        cr_buf_addc(s->out, '\n');
    }
    below(s, &p->x);
    bar(s);
    return CR_OK;
}

/* ---- lines ---- */

/* Dots of a character of braille, 2 across and 4 down; without UTF-8 a character is one dot. */
static void dot(const sheet *s, uint8_t *cells, int x, int y) {
    static const uint8_t bits[4][2] = {{1, 8}, {2, 16}, {4, 32}, {64, 128}};
    int across = s->utf8 ? 2 : 1, down = s->utf8 ? 4 : 1;
    if (x >= 0 && y >= 0 && x < s->w * across && y < s->h * down)
        cells[(y / down) * s->w + x / across] |= s->utf8 ? bits[y % 4][x % 2] : 1;
}

static void stroke(const sheet *s, uint8_t *cells, double ax, double ay, double bx, double by) {
    int n = (int)CR_MIN(ceil(CR_MAX(fabs(bx - ax), fabs(by - ay))), 10000);
    for (int k = 0; k <= n; k++)
        dot(s, cells, (int)floor(ax + (n ? (bx - ax) * k / n : 0)), (int)floor(ay + (n ? (by - ay) * k / n : 0)));
}

static void line_dots(const sheet *s, double low, double high, uint8_t *cells) {
    const cr_plot *p = s->plot;
    double first = cr_axis_first(&p->x), last = cr_axis_last(&p->x), before[2] = {NAN, NAN};
    double across = s->w * (s->utf8 ? 2 : 1) - 1e-6, down = s->h * (s->utf8 ? 4 : 1) - 1e-6;
    for (int64_t i = 0; i < p->x.n; i++) {
        double x = ((p->x.borders[i] + p->x.borders[i + 1]) / 2 - first) / (last - first) * across;
        double ends[2] = {(high - p->least[i]) / (high - low) * down, (high - p->largest[i]) / (high - low) * down};
        if (isfinite(ends[0]) && isfinite(ends[1])) {
            stroke(s, cells, x, ends[0], x, ends[1]);
            if (isfinite(before[1]))
                stroke(s, cells, before[0], before[1], x, (ends[0] + ends[1]) / 2);
        }
        before[0] = x;
        before[1] = (ends[0] + ends[1]) / 2;
    }
}

static cr_status print_line(sheet *s, cr_err *err) {
    const cr_plot *p = s->plot;
    s->h = (int)CR_MIN(CR_MAX(s->w / 5, 8), 24);
    double room = p->high > p->low ? 0 : 0.5, low = p->low - room, high = p->high + room;
    cr_auto_free uint8_t *cells = calloc((size_t)s->w, (size_t)s->h);
    cr_auto_free char(*labels)[CR_TICK_TEXT] = calloc((size_t)s->h, sizeof *labels);
    if (!cells || !labels)
        return CR_FAIL(err, CR_MEMORY, "no memory for a picture");
    line_dots(s, low, high, cells);
    row_labels(s, &p->y, low, high, labels);
    for (int y = 0; y < s->h; y++) {
        margin(s, labels[y]);
        if (s->colour)
            colour(s, CR_RGB_LINE, false);
        for (int x = 0; x < s->w; x++) {
            uint8_t c = cells[y * s->w + x];
            if (!s->utf8 || !c)
                cr_buf_addc(s->out, c ? '*' : ' ');
            else  /* U+2800 on, whose low byte is the dots */
                cr_buf_addf(s->out, "\xe2%c%c", (char)(0xa0 | c >> 6), (char)(0x80 | (c & 0x3f)));
        }
        plain(s);
        cr_buf_addc(s->out, '\n');
    }
    below(s, &p->x);
    return CR_OK;
}

/* ---- histograms: a row for each bin ---- */

static cr_status print_histogram(sheet *s, cr_err *err) {
    static const char *const eighths[] = {"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
    const cr_plot *p = s->plot;
    double most = 1;
    for (int64_t i = 0; i < p->x.n; i++)
        most = CR_MAX(most, p->values[i]);
    for (int64_t i = 0; i < p->x.n; i++) {
        double long_as = p->values[i] / most * (s->w - 12);
        char text[40];
        int digits = 5;
        while (snprintf(text, sizeof text, "%.*g", digits, p->x.borders[i]) > MARGIN && digits > 1)      /* cut, it would be another number */
            digits--;
        margin(s, text);
        if (s->colour)
            colour(s, CR_RGB_LINE, false);
        for (int k = 0; k < (int)long_as; k++)
            cr_buf_adds(s->out, s->utf8 ? "\u2588" : "#");
        if (s->utf8)
            cr_buf_adds(s->out, eighths[(int)((long_as - floor(long_as)) * 8)]);
        plain(s);
        cr_buf_addf(s->out, " %.0f\n", p->values[i]);
    }
    margin(s, "");
    words(s, p->x.label, s->w);
    cr_buf_addf(s->out, "\n%*s %s of values from the number on the left to the one below", MARGIN, "", "number");
    if (p->n_missing)
        cr_buf_addf(s->out, "; %lld are missing", (long long)p->n_missing);
    cr_buf_addc(s->out, '\n');
    return cr_buf_check(s->out, err);
}

cr_status cr_picture_text(const cr_plot *p, const cr_cli_screen *screen, bool ascii, cr_buf *out, cr_err *err) {
    const char *kind = getenv("COLORTERM");
    int columns = screen->columns ? screen->columns : DEFAULT_COLUMNS;
    sheet s = {.plot = p, .out = out, .colour = screen->colour && !ascii, .utf8 = screen->utf8 && !ascii,
               .w = CR_MIN(CR_MAX(columns - MARGIN - 2, NARROWEST), WIDEST)};
    s.many_colours = kind && (strcmp(kind, "truecolor") == 0 || strcmp(kind, "24bit") == 0);
    above(&s);
    cr_status status = p->form == CR_PLOT_LINE ? print_line(&s, err) : p->form == CR_PLOT_HISTOGRAM ? print_histogram(&s, err) : print_field(&s, err);
    return status == CR_OK ? cr_buf_check(out, err) : status;
}
