/* picture.h - a plot as a picture (PNG, SVG) or as characters of a terminal. */
#ifndef CR_CLI_PICTURE_H
#define CR_CLI_PICTURE_H

#include "cli/cli.h"
#include "cli/plot_data.h"

enum { CR_PICTURE_POINTS = 960 };     /* width on which letters and margins are laid out */

/* width: pixels; the height follows. */
cr_status cr_picture_file(const cr_plot *p, bool svg, int width, cr_buf *out, cr_err *err) CR_MUST_USE;
/* Blocks of two colours a character where the screen has colours, else shades; ascii: no other characters. */
cr_status cr_picture_text(const cr_plot *p, const cr_cli_screen *screen, bool ascii, cr_buf *out, cr_err *err) CR_MUST_USE;
/* Height over width of the plane of a plot, as it should look. */
double cr_picture_aspect(const cr_plot *p);

#endif
