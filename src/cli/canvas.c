/* canvas.c - lines and letters with soft edges on pixels, or elements of SVG 1.1. */
#include "cli/canvas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/stroke_font.h"

struct cr_canvas {
    bool svg;
    double width, height, scale;
    cr_buf text;                  /* SVG */
    int w, h;                     /* pixels */
    cr_rgb *pixels;
    uint8_t *cover;               /* of what is drawn now, 0 to 255 */
    int left, top, right, bottom; /* where cover is not 0 */
};

cr_status cr_canvas_new(bool svg, double width, double height, double scale, cr_canvas **ret_canvas, cr_err *err) {
    if (!(width * scale >= 1 && height * scale >= 1 && width * scale <= CR_CANVAS_WIDEST && height * scale <= CR_CANVAS_WIDEST))
        return CR_FAIL(err, CR_INVALID, "a picture of %.0f x %.0f pixels; each side has 1 to %d", width * scale, height * scale, CR_CANVAS_WIDEST);
    cr_canvas *k = calloc(1, sizeof *k);
    if (!k)
        return CR_FAIL(err, CR_MEMORY, "no memory for a picture");
    *k = (cr_canvas){.svg = svg, .width = width, .height = height, .scale = scale, .w = (int)lround(width * scale), .h = (int)lround(height * scale)};
    cr_buf_init(&k->text, CR_CANVAS_BYTES);
    if (!svg) {
        k->pixels = malloc((size_t)k->w * (size_t)k->h * sizeof *k->pixels);
        k->cover = calloc((size_t)k->w, (size_t)k->h);
        if (!k->pixels || !k->cover) {
            cr_canvas_free(k);
            return CR_FAIL(err, CR_MEMORY, "no memory for a picture of %.0f x %.0f pixels", width * scale, height * scale);
        }
        memset(k->pixels, 0xff, (size_t)k->w * (size_t)k->h * sizeof *k->pixels);
    }
    cr_buf_addf(&k->text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
                          "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %.10g %.10g\">\n",
                k->w, k->h, width, height);
    if (svg)
        cr_canvas_fill(k, 0, 0, width, height, CR_RGB_PAPER);
    *ret_canvas = k;
    return CR_OK;
}

void cr_canvas_free(cr_canvas *k) {
    if (!k)
        return;
    cr_buf_done(&k->text);
    free(k->pixels);
    free(k->cover);
    free(k);
}

double cr_canvas_scale(const cr_canvas *k) { return k->scale; }

/* ---- pixels ---- */

static uint8_t mix(uint8_t below, uint8_t above, int cover) { return (uint8_t)((below * (255 - cover) + above * cover + 127) / 255); }

static void blend(cr_rgb *p, cr_rgb c, int cover) { *p = (cr_rgb){mix(p->r, c.r, cover), mix(p->g, c.g, cover), mix(p->b, c.b, cover)}; }

/* What one side of a rectangle covers of pixel i. */
static double share_of(double from, double to, int i) { return CR_MAX(CR_MIN(to, i + 1) - CR_MAX(from, i), 0); }

static void fill_pixels(cr_canvas *k, double x, double y, double w, double h, cr_rgb colour) {
    int left = (int)CR_MAX(floor(x), 0), right = (int)CR_MIN(ceil(x + w), k->w), top = (int)CR_MAX(floor(y), 0), bottom = (int)CR_MIN(ceil(y + h), k->h);
    for (int j = top; j < bottom; j++)
        for (int i = left; i < right; i++)
            blend(&k->pixels[(size_t)j * (size_t)k->w + (size_t)i], colour, (int)(255 * share_of(x, x + w, i) * share_of(y, y + h, j) + 0.5));
}

/* One piece of a line: pixels as near as half its thickness. The strongest cover of all pieces counts, so that corners are not darker. */
static void add_piece(cr_canvas *k, double ax, double ay, double bx, double by, double thick) {
    double half = CR_MAX(thick, 1) / 2, reach = half + 1, dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
    int left = (int)CR_MAX(floor(CR_MIN(ax, bx) - reach), 0), right = (int)CR_MIN(ceil(CR_MAX(ax, bx) + reach), k->w);
    int top = (int)CR_MAX(floor(CR_MIN(ay, by) - reach), 0), bottom = (int)CR_MIN(ceil(CR_MAX(ay, by) + reach), k->h);
    for (int j = top; j < bottom; j++)
        for (int i = left; i < right; i++) {
            double px = i + 0.5 - ax, py = j + 0.5 - ay, at = length > 0 ? (px * dx + py * dy) / length : 0;
            at = CR_MIN(CR_MAX(at, 0), 1);
            double far = hypot(px - at * dx, py - at * dy), cover = CR_MIN(CR_MAX(half + 0.5 - far, 0), 1) * CR_MIN(thick, 1);
            uint8_t *c = &k->cover[(size_t)j * (size_t)k->w + (size_t)i], now = (uint8_t)(255 * cover + 0.5);
            *c = CR_MAX(*c, now);
        }
    k->left = CR_MIN(k->left, left);
    k->right = CR_MAX(k->right, right);
    k->top = CR_MIN(k->top, top);
    k->bottom = CR_MAX(k->bottom, bottom);
}

static void begin_cover(cr_canvas *k) {
    k->left = k->w;
    k->top = k->h;
    k->right = k->bottom = 0;
}

static void end_cover(cr_canvas *k, cr_rgb colour) {
    for (int j = k->top; j < k->bottom; j++)
        for (int i = k->left; i < k->right; i++) {
            size_t at = (size_t)j * (size_t)k->w + (size_t)i;
            blend(&k->pixels[at], colour, k->cover[at]);
            k->cover[at] = 0;
        }
}

/* ---- letters ---- */

/* The next character; malformed bytes and controls are 0xfffd. */
static unsigned next_code(const char **s) {
    unsigned char c = (unsigned char)**s;
    int n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if ((int)strnlen(*s, (size_t)n) < n || !cr_text_is_utf8(*s, (size_t)n)) {
        ++*s;
        return 0xfffd;
    }
    unsigned code = n == 1 ? c : c & (0xffu >> (n + 1));
    for (int k = 1; k < n; k++)
        code = code << 6 | ((unsigned char)(*s)[k] & 0x3f);
    *s += n;
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ? ' ' : code;
}

static const cr_glyph *glyph_of(unsigned code) {
    static const cr_glyph unknown = {0, 8, "0,0 0,16 8,16 8,0 0,0"};
    const cr_glyph *g = cr_glyph_find(code);
    return g ? g : &unknown;
}

double cr_text_width(const char *text, double size) {
    double units = 0;
    for (const char *s = text; *s;)
        units += glyph_of(next_code(&s))->width + CR_GLYPH_SPACE;
    return CR_MAX(units - CR_GLYPH_SPACE, 0) * size * 0.72 / CR_GLYPH_HEIGHT;
}

typedef struct pen {              /* from the units of a letter to pixels */
    double x, y, unit, thick;
    bool up;
} pen;

static void place(const pen *p, double x, double y, double *ret) {
    ret[0] = p->up ? p->x - y * p->unit : p->x + x * p->unit;
    ret[1] = p->up ? p->y - x * p->unit : p->y - y * p->unit;
}

enum { POINTS_MOST = 16, PIECES = 6 };

/* Quadratic B-spline through the ends: curves between the middles of the sides of the polygon, drawn to its corners. */
static void add_curve(cr_canvas *k, const pen *p, double (*at)[2], int n) {
    double last[2] = {at[0][0], at[0][1]}, a[2], b[2];
    for (int i = 1; i < n - 1; i++) {
        double end[2], from[2] = {last[0], last[1]};
        for (int d = 0; d < 2; d++)
            end[d] = i == n - 2 ? at[n - 1][d] : (at[i][d] + at[i + 1][d]) / 2;
        for (int step = 1; step <= PIECES; step++) {
            double t = (double)step / PIECES, q[2];
            for (int d = 0; d < 2; d++)
                q[d] = (1 - t) * (1 - t) * from[d] + 2 * t * (1 - t) * at[i][d] + t * t * end[d];
            place(p, last[0], last[1], a);
            place(p, q[0], q[1], b);
            add_piece(k, a[0], a[1], b[0], b[1], p->thick);
            last[0] = q[0];
            last[1] = q[1];
        }
    }
}

static void add_straight(cr_canvas *k, const pen *p, double (*at)[2], int n) {
    double a[2], b[2];
    for (int i = 1; i < n; i++) {
        place(p, at[i - 1][0], at[i - 1][1], a);
        place(p, at[i][0], at[i][1], b);
        add_piece(k, a[0], a[1], b[0], b[1], p->thick);
    }
}

static void add_glyph(cr_canvas *k, const pen *p, const cr_glyph *g) {
    for (const char *s = g->strokes; *s;) {
        double at[POINTS_MOST][2];
        int n = 0;
        bool rounded = *s == '~';
        s += rounded;
        while (*s && *s != ';' && n < POINTS_MOST) {
            char *end;
            at[n][0] = (double)strtol(s, &end, 10);
            at[n][1] = (double)strtol(*end == ',' ? end + 1 : end, &end, 10);
            s = end + (*end == ' ');
            n++;
        }
        s += *s == ';';
        if (rounded)
            add_curve(k, p, at, n);
        else
            add_straight(k, p, at, n);
    }
}

static void text_pixels(cr_canvas *k, double x, double y, double size, cr_anchor anchor, bool up, cr_rgb colour, const char *text) {
    double width = cr_text_width(text, size), shift = anchor == CR_ANCHOR_LEFT ? 0 : anchor == CR_ANCHOR_MIDDLE ? width / 2 : width;
    pen p = {(x - (up ? 0 : shift)) * k->scale, (y + (up ? shift : 0)) * k->scale, size * 0.72 / CR_GLYPH_HEIGHT * k->scale, 0, up};
    p.thick = size * 0.085 * k->scale;
    begin_cover(k);
    for (const char *s = text; *s;) {
        const cr_glyph *g = glyph_of(next_code(&s));
        add_glyph(k, &p, g);
        double step = (g->width + CR_GLYPH_SPACE) * p.unit;
        p.x += up ? 0 : step;
        p.y -= up ? step : 0;
    }
    end_cover(k, colour);
}

/* ---- SVG ---- */

static void add_colour(cr_buf *b, cr_rgb c) { cr_buf_addf(b, "#%02x%02x%02x", c.r, c.g, c.b); }

static void add_text(cr_buf *b, const char *text) {
    for (const char *s = text; *s;) {
        const char *from = s;
        unsigned code = next_code(&s);
        const char *entity = code == '&' ? "&amp;" : code == '<' ? "&lt;" : code == '>' ? "&gt;" : code == ' ' ? " "
                           : code == 0xfffd || code == 0xfffe || code == 0xffff ? "\ufffd" : NULL;
        if (entity)
            cr_buf_adds(b, entity);
        else
            cr_buf_add(b, from, (size_t)(s - from));
    }
}

static void add_base64(cr_buf *b, const cr_buf *bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = (const unsigned char *)cr_buf_str(bytes);
    for (size_t k = 0; k < bytes->len; k += 3) {
        size_t left = bytes->len - k;
        unsigned v = (unsigned)s[k] << 16 | (left > 1 ? (unsigned)s[k + 1] << 8 : 0) | (left > 2 ? s[k + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=', left > 2 ? digits[v & 63] : '='};
        cr_buf_add(b, four, 4);
    }
}

/* ---- what is drawn ---- */

void cr_canvas_fill(cr_canvas *k, double x, double y, double w, double h, cr_rgb colour) {
    if (!k->svg) {
        fill_pixels(k, x * k->scale, y * k->scale, w * k->scale, h * k->scale, colour);
        return;
    }
    cr_buf_addf(&k->text, "<rect x=\"%.6g\" y=\"%.6g\" width=\"%.6g\" height=\"%.6g\" fill=\"", x, y, w, h);
    add_colour(&k->text, colour);
    cr_buf_adds(&k->text, "\"/>\n");
}

void cr_canvas_line(cr_canvas *k, const double *xy, int n, double thick, cr_rgb colour) {
    if (!k->svg) {
        begin_cover(k);
        for (int i = 0; i < n; i++) {
            const double *a = xy + 2 * CR_MAX(i - 1, 0), *b = xy + 2 * i;
            if (i > 0 || n == 1)
                add_piece(k, a[0] * k->scale, a[1] * k->scale, b[0] * k->scale, b[1] * k->scale, thick * k->scale);
        }
        end_cover(k, colour);
        return;
    }
    cr_buf_adds(&k->text, "<polyline points=\"");
    for (int i = 0; i < n; i++)
        cr_buf_addf(&k->text, "%s%.6g,%.6g", i ? " " : "", xy[2 * i], xy[2 * i + 1]);
    if (n == 1)
        cr_buf_addf(&k->text, " %.6g,%.6g", xy[0], xy[1]);
    cr_buf_addf(&k->text, "\" fill=\"none\" stroke-width=\"%.3g\" stroke-linecap=\"round\" stroke-linejoin=\"round\" stroke=\"", thick);
    add_colour(&k->text, colour);
    cr_buf_adds(&k->text, "\"/>\n");
}

void cr_canvas_text(cr_canvas *k, double x, double y, double size, cr_anchor anchor, bool up, cr_rgb colour, const char *text) {
    static const char *const anchors[] = {"start", "middle", "end"};
    if (!k->svg) {
        text_pixels(k, x, y, size, anchor, up, colour, text);
        return;
    }
    cr_buf_addf(&k->text, "<text x=\"%.6g\" y=\"%.6g\" font-family=\"sans-serif\" font-size=\"%.4g\" text-anchor=\"%s\" fill=\"", x, y, size, anchors[anchor]);
    add_colour(&k->text, colour);
    cr_buf_addc(&k->text, '"');
    if (up)
        cr_buf_addf(&k->text, " transform=\"rotate(-90 %.6g %.6g)\"", x, y);
    cr_buf_addc(&k->text, '>');
    add_text(&k->text, text);
    cr_buf_adds(&k->text, "</text>\n");
}

cr_status cr_canvas_image(cr_canvas *k, double x, double y, double w, double h, int iw, int ih, const cr_rgb *colours, cr_err *err) {
    if (!k->svg) {
        int left = (int)lround(x * k->scale), top = (int)lround(y * k->scale), right = (int)lround((x + w) * k->scale), bottom = (int)lround((y + h) * k->scale);
        for (int j = CR_MAX(top, 0); j < CR_MIN(bottom, k->h); j++)
            for (int i = CR_MAX(left, 0); i < CR_MIN(right, k->w); i++)
                k->pixels[(size_t)j * (size_t)k->w + (size_t)i] =
                    colours[(size_t)((int64_t)(j - top) * ih / (bottom - top)) * (size_t)iw + (size_t)((int64_t)(i - left) * iw / (right - left))];
        return CR_OK;
    }
    cr_auto_buf cr_buf png;
    cr_buf_init(&png, CR_CANVAS_BYTES / 2);
    CR_TRY(cr_png(iw, ih, colours, &png, err));
    cr_buf_addf(&k->text, "<image x=\"%.6g\" y=\"%.6g\" width=\"%.6g\" height=\"%.6g\" preserveAspectRatio=\"none\" "
                          "style=\"image-rendering:pixelated\" xlink:href=\"data:image/png;base64,", x, y, w, h);
    add_base64(&k->text, &png);
    cr_buf_adds(&k->text, "\"/>\n");
    return CR_OK;
}

cr_status cr_canvas_finish(cr_canvas *k, cr_buf *out, cr_err *err) {
    if (!k->svg)
        return cr_png(k->w, k->h, k->pixels, out, err);
    cr_buf_adds(&k->text, "</svg>\n");
    CR_TRY(cr_buf_check(&k->text, err));
    cr_buf_add(out, cr_buf_str(&k->text), k->text.len);
    return cr_buf_check(out, err);
}
