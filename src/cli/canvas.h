/* canvas.h - paper that pictures are drawn on: pixels (PNG) or SVG. Decision 0028.
 *
 * Lengths are points of the picture, from the left and from above; a canvas of pixels has `scale` pixels a point. Text is UTF-8 from files:
 * SVG escapes it, pixels draw what the font has and a box for the rest; control characters are left out in both.
 *
 * Ownership: cr_canvas_free; the bytes go to the caller's buffer. One thread. Invariant: the same calls give the same bytes on every machine.
 */
#ifndef CR_CLI_CANVAS_H
#define CR_CLI_CANVAS_H

#include <stdbool.h>
#include "base/buf.h"
#include "cli/colours.h"

typedef struct cr_canvas cr_canvas;
typedef enum cr_anchor { CR_ANCHOR_LEFT, CR_ANCHOR_MIDDLE, CR_ANCHOR_RIGHT } cr_anchor;

enum { CR_CANVAS_WIDEST = 8000, CR_CANVAS_BYTES = 256 << 20 };

/* CR_INVALID: more than CR_CANVAS_WIDEST pixels on a side. */
cr_status cr_canvas_new(bool svg, double width, double height, double scale, cr_canvas **ret_canvas, cr_err *err) CR_MUST_USE;
void cr_canvas_free(cr_canvas *k);
double cr_canvas_scale(const cr_canvas *k);
void cr_canvas_fill(cr_canvas *k, double x, double y, double w, double h, cr_rgb colour);
/* Corners of a line that is drawn in one piece; n >= 1. xy: x and y in turn. */
void cr_canvas_line(cr_canvas *k, const double *xy, int n, double thick, cr_rgb colour);
/* y is the line that letters stand on. up: read from below. */
void cr_canvas_text(cr_canvas *k, double x, double y, double size, cr_anchor anchor, bool up, cr_rgb colour, const char *text);
double cr_text_width(const char *text, double size);
/* iw x ih colours, row-major from above, over a rectangle; a colour is a rectangle, not a gradient. */
cr_status cr_canvas_image(cr_canvas *k, double x, double y, double w, double h, int iw, int ih, const cr_rgb *colours, cr_err *err) CR_MUST_USE;
/* The file. */
cr_status cr_canvas_finish(cr_canvas *k, cr_buf *out, cr_err *err) CR_MUST_USE;

/* PNG (W3C, third edition) of w x h colours, 8 bits each, without a palette. */
cr_status cr_png(int w, int h, const cr_rgb *pixels, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
