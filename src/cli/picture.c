/* picture.c - where title, axes, field and colour bar are. */
#include "cli/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/canvas.h"
#include "cli/ticks.h"

/* Points of the layout. */
enum { LEFT = 88, RIGHT = 128, RIGHT_PLAIN = 32, TOP = 62, BOTTOM = 62, TALLEST = 900, BAR_AWAY = 18, BAR_WIDE = 18, SMALL = 15, LARGE = 20 };

typedef struct box {
    double x, y, w, h;
} box;

static bool is_field(const cr_plot *p) { return p->form == CR_PLOT_FIELD || p->form == CR_PLOT_CURVED; }

double cr_picture_aspect(const cr_plot *p) {
    bool earth = p->x.scale == CR_SCALE_LONGITUDES && p->y.scale == CR_SCALE_LATITUDES;
    bool plane = is_field(p) && p->x.scale == CR_SCALE_NUMBERS && p->y.scale == CR_SCALE_NUMBERS;
    double w = is_field(p) ? fabs(cr_axis_last(&p->x) - cr_axis_first(&p->x)) : 0, h = is_field(p) ? fabs(cr_axis_last(&p->y) - cr_axis_first(&p->y)) : 0;
    double aspect = w > 0 ? h / w : 0;
    if (earth && aspect > 0.2 && aspect < 5) {
        /* A degree of longitude is shorter than one of latitude away from the equator; the whole Earth is drawn 2 to 1. */
        double middle = (cr_axis_first(&p->y) + cr_axis_last(&p->y)) / 2;
        return aspect / CR_MAX(cos(middle * 3.14159265358979 / 180), 0.25);
    }
    return plane && aspect > 0.25 && aspect < 4 ? aspect : is_field(p) ? 0.6 : 0.5;
}

static double along(const cr_plot_axis *a, double v) { return (v - cr_axis_first(a)) / (cr_axis_last(a) - cr_axis_first(a)); }

/* ---- words ---- */

typedef struct fitting {
    char text[256];
} fitting;

/* s cut to a width, with an ellipsis of dots; cut between characters. */
static fitting fit(const char *s, double size, double most) {
    fitting f;
    int n = CR_MIN(snprintf(f.text, sizeof f.text - 4, "%s", s), (int)sizeof f.text - 5);
    while (n > 0 && cr_text_width(f.text, size) > most) {
        do
            n--;
        while (n > 0 && ((unsigned char)f.text[n] & 0xc0) == 0x80);
        snprintf(f.text + n, sizeof f.text - (size_t)n, "...");
    }
    return f;
}

static void title_text(cr_canvas *k, double x, double y, double size, double most, const char *s) {
    cr_canvas_text(k, x, y, size, CR_ANCHOR_LEFT, false, CR_RGB_INK, fit(s, size, most).text);
}

static void side_text(cr_canvas *k, double x, const char *label, box at) {
    double most = at.h + TOP / 2 + BOTTOM / 2;
    cr_canvas_text(k, x, at.y + at.h / 2, SMALL, CR_ANCHOR_MIDDLE, true, CR_RGB_INK, fit(label, SMALL, most).text);
}

/* ---- axes ---- */

static void x_axis(cr_canvas *k, const cr_plot_axis *a, box at) {
    cr_tick ticks[CR_TICKS_MOST];
    int n = cr_ticks(a->scale, a->calendar, cr_axis_first(a), cr_axis_last(a), (int)(at.w / 95), false, ticks);
    for (int i = 0; i < n; i++) {
        double x = at.x + along(a, ticks[i].at) * at.w;
        cr_canvas_line(k, (double[]){x, at.y + at.h, x, at.y + at.h + 6}, 2, 1, CR_RGB_INK);
        cr_canvas_text(k, x, at.y + at.h + 23, SMALL, CR_ANCHOR_MIDDLE, false, CR_RGB_INK, ticks[i].text);
    }
    cr_canvas_text(k, at.x + at.w / 2, at.y + at.h + 47, SMALL, CR_ANCHOR_MIDDLE, false, CR_RGB_INK, fit(a->label, SMALL, at.w + RIGHT_PLAIN).text);
}

static void y_ticks(cr_canvas *k, const cr_plot_axis *a, double first, double last, box at, bool grid) {
    cr_tick ticks[CR_TICKS_MOST];
    int n = cr_ticks(a->scale, a->calendar, first, last, (int)(at.h / 50), false, ticks);
    for (int i = 0; i < n; i++) {
        double y = at.y + at.h - (ticks[i].at - first) / (last - first) * at.h;
        if (grid)
            cr_canvas_line(k, (double[]){at.x, y, at.x + at.w, y}, 2, 0.7, CR_RGB_PALE);
        cr_canvas_line(k, (double[]){at.x - 6, y, at.x, y}, 2, 1, CR_RGB_INK);
        cr_canvas_text(k, at.x - 10, y + 5, SMALL, CR_ANCHOR_RIGHT, false, CR_RGB_INK, ticks[i].text);
    }
}

static void frame_of(cr_canvas *k, box b) {
    cr_canvas_line(k, (double[]){b.x, b.y, b.x + b.w, b.y, b.x + b.w, b.y + b.h, b.x, b.y + b.h, b.x, b.y}, 5, 1, CR_RGB_INK);
}

static void titles(cr_canvas *k, const cr_plot *p, box at, double right) {
    title_text(k, at.x, p->subtitle[0] ? 28 : 40, LARGE, right - at.x, p->title);
    if (p->subtitle[0])
        title_text(k, at.x, 50, SMALL, right - at.x, p->subtitle);
}

/* ---- fields ---- */

static cr_status field(cr_canvas *k, const cr_plot *p, box at, cr_err *err) {
    int w = CR_MAX((int)lround(at.w * cr_canvas_scale(k)), 1), h = CR_MAX((int)lround(at.h * cr_canvas_scale(k)), 1);
    cr_auto_free double *values = malloc((size_t)w * (size_t)h * sizeof *values);
    cr_auto_free cr_rgb *colours = malloc((size_t)w * (size_t)h * sizeof *colours);
    if (!values || !colours)
        return CR_FAIL(err, CR_MEMORY, "no memory for a picture of %d x %d pixels", w, h);
    cr_plot_pixels(p, w, h, values);
    for (int64_t i = 0; i < (int64_t)w * h; i++)
        colours[i] = cr_colour(cr_share(values[i], p->low, p->high), p->diverging);
    return cr_canvas_image(k, at.x, at.y, at.w, at.h, w, h, colours, err);
}

static cr_status colour_bar(cr_canvas *k, const cr_plot *p, box at, cr_err *err) {
    cr_rgb colours[256];
    cr_tick ticks[CR_TICKS_MOST];
    box bar = {at.x + at.w + BAR_AWAY, at.y, BAR_WIDE, at.h};
    for (int i = 0; i < 256; i++)
        colours[i] = cr_colour((255 - i) / 255.0, p->diverging);
    CR_TRY(cr_canvas_image(k, bar.x, bar.y, bar.w, bar.h, 1, 256, colours, err));
    frame_of(k, bar);
    int n = cr_ticks(CR_SCALE_NUMBERS, 0, p->low, p->high, (int)(at.h / 50), false, ticks);
    for (int i = 0; i < n; i++) {
        double y = bar.y + bar.h - (p->high > p->low ? (ticks[i].at - p->low) / (p->high - p->low) : 0.5) * bar.h;
        cr_canvas_line(k, (double[]){bar.x + bar.w, y, bar.x + bar.w + 5, y}, 2, 1, CR_RGB_INK);
        cr_canvas_text(k, bar.x + bar.w + 9, y + 5, SMALL, CR_ANCHOR_LEFT, false, CR_RGB_INK, ticks[i].text);
    }
    side_text(k, CR_PICTURE_POINTS - 12, p->label, at);
    return CR_OK;
}

static cr_status draw_field(cr_canvas *k, const cr_plot *p, box at, cr_err *err) {
    CR_TRY(field(k, p, at, err));
    frame_of(k, at);
    x_axis(k, &p->x, at);
    y_ticks(k, &p->y, cr_axis_first(&p->y), cr_axis_last(&p->y), at, false);
    side_text(k, 20, p->y.label, at);
    return colour_bar(k, p, at, err);
}

/* ---- lines and histograms ---- */

/* Each block from its least to its largest value, in the order that keeps the pen short; a gap where all is missing. */
static cr_status draw_line(cr_canvas *k, const cr_plot *p, box at, cr_err *err) {
    cr_auto_free double *xy = malloc(((size_t)p->x.n + 1) * 4 * sizeof *xy);
    double room = p->high > p->low ? (p->high - p->low) * 0.04 : 0.5, low = p->low - room, high = p->high + room, before = low;
    int n = 0;
    if (!xy)
        return CR_FAIL(err, CR_MEMORY, "no memory for a line of %lld points", (long long)p->x.n);
    y_ticks(k, &p->y, low, high, at, true);
    for (int64_t i = 0; i <= p->x.n; i++) {
        bool there = i < p->x.n && isfinite(p->least[i]) && isfinite(p->largest[i]);
        if (!there && n > 0) {
            cr_canvas_line(k, xy, n, 1.6, CR_RGB_LINE);
            n = 0;
        }
        if (!there)
            continue;
        bool up = fabs(p->least[i] - before) <= fabs(p->largest[i] - before);
        for (int end = 0; end < (p->least[i] < p->largest[i] ? 2 : 1); end++) {
            double v = end == up ? p->largest[i] : p->least[i], shown = CR_MIN(CR_MAX(v, low), high);
            xy[2 * n] = at.x + along(&p->x, (p->x.borders[i] + p->x.borders[i + 1]) / 2) * at.w;
            xy[2 * n + 1] = at.y + at.h - (shown - low) / (high - low) * at.h;
            before = v;
            n++;
        }
    }
    frame_of(k, at);
    x_axis(k, &p->x, at);
    side_text(k, 20, p->label, at);
    return CR_OK;
}

static void draw_histogram(cr_canvas *k, const cr_plot *p, box at) {
    double most = 1;
    for (int64_t i = 0; i < p->x.n; i++)
        most = CR_MAX(most, p->values[i]);
    most *= 1.04;
    y_ticks(k, &p->y, 0, most, at, true);
    for (int64_t i = 0; i < p->x.n; i++) {
        double left = at.x + along(&p->x, p->x.borders[i]) * at.w, right = at.x + along(&p->x, p->x.borders[i + 1]) * at.w, h = p->values[i] / most * at.h;
        double gap = right - left > 6 ? 1 : 0;
        if (h > 0)
            cr_canvas_fill(k, left + gap, at.y + at.h - h, right - left - gap, h, CR_RGB_LINE);
    }
    frame_of(k, at);
    x_axis(k, &p->x, at);
    side_text(k, 20, p->label, at);
}

cr_status cr_picture_file(const cr_plot *p, bool svg, int width, cr_buf *out, cr_err *err) {
    bool bar = is_field(p);
    box at = {LEFT, TOP, CR_PICTURE_POINTS - LEFT - (bar ? RIGHT : RIGHT_PLAIN), 0};
    double aspect = cr_picture_aspect(p);
    at.h = at.w * aspect;
    if (at.h > TALLEST) {
        at.h = TALLEST;
        double w = at.h / aspect;
        at.x += (at.w - w) / 2;
        at.w = w;
    }
    /* The field begins and ends with pixels. */
    double scale = (double)width / CR_PICTURE_POINTS;
    at.h = CR_MAX(nearbyint(at.h * scale), 1) / scale;
    cr_canvas *k = NULL;
    CR_TRY(cr_canvas_new(svg, CR_PICTURE_POINTS, TOP + at.h + BOTTOM, scale, &k, err));
    cr_status status = CR_OK;
    titles(k, p, at, CR_PICTURE_POINTS - 20);
    if (bar)
        status = draw_field(k, p, at, err);
    else if (p->form == CR_PLOT_LINE)
        status = draw_line(k, p, at, err);
    else
        draw_histogram(k, p, at);
    if (status == CR_OK)
        status = cr_canvas_finish(k, out, err);
    cr_canvas_free(k);
    return status;
}
