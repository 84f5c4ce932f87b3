/* plot_data.h - what `craton plot` draws: a field on a plane, a line or a histogram, small enough to be held whatever the array's size.
 *
 * A field of more cells than `most` along a dimension comes as means of blocks of cells that lie together, so that nothing between two
 * pixels is passed over; a line comes as the least and the largest value of each block. Both and the counts of a histogram are made while
 * the array streams by within the memory limit of the context.
 *
 * Ownership: cr_plot_done frees everything. Missing values are NaN. Units: coordinates as in the file, times in microseconds (cf.h).
 *
 * Invariants: 1. values are row-major, y.n rows of x.n; 2. borders of an axis, n + 1 of them, rise or fall throughout; 3. low <= high.
 */
#ifndef CR_CLI_PLOT_DATA_H
#define CR_CLI_PLOT_DATA_H

#include "cli/evaluate.h"

typedef enum cr_plot_form { CR_PLOT_FIELD, CR_PLOT_CURVED /* cells with places of their own */, CR_PLOT_LINE, CR_PLOT_HISTOGRAM } cr_plot_form;
typedef enum cr_plot_scale { CR_SCALE_NUMBERS, CR_SCALE_LATITUDES, CR_SCALE_LONGITUDES, CR_SCALE_TIMES } cr_plot_scale;

typedef struct cr_plot_axis {
    char label[160];              /* name and units, for people; "" for latitudes, longitudes and times */
    cr_plot_scale scale;
    cr_calendar calendar;
    int64_t n;
    double *borders;              /* n + 1; of CR_PLOT_CURVED only the first and the last are set */
    bool down;                    /* larger values are below: depths, pressures */
} cr_plot_axis;

typedef struct cr_plot {
    cr_plot_form form;
    char title[200], subtitle[200], label[160];   /* label: what the values are, with units */
    cr_plot_axis x, y;            /* y of lines and histograms is empty */
    double *values;               /* fields: y.n * x.n; histograms: x.n counts */
    double *least, *largest;      /* lines: x.n each */
    double *lat, *lon;            /* CR_PLOT_CURVED: y.n * x.n */
    double low, high;             /* of the values */
    bool diverging;               /* both signs matter: colours from the middle, which is 0 */
    int64_t n_missing;            /* histograms */
} cr_plot;

typedef struct cr_plot_options {
    bool histogram;
    int bins;                     /* 0: by the number of values */
    int most;                     /* cells along a dimension that are told apart */
    bool has_low, has_high;
    double low, high;
} cr_plot_options;

enum { CR_PLOT_CELLS_MOST = 4096, CR_PLOT_BINS_MOST = 1000 };

/* CR_INVALID: a single value, or none; CR_TYPE: no numbers. Of more than two dimensions the first of those before the plane is taken, and
 * the subtitle says so. */
cr_status cr_plot_make(cr_context *c, cr_labelled *a, const cr_plot_options *options, cr_plot *ret_plot, cr_err *err) CR_MUST_USE;
void cr_plot_done(cr_plot *p);
/* The name of the variable of the file that is drawn when none is named: of those with most dimensions the first. CR_NOT_FOUND: no numbers. */
cr_status cr_plot_choose(const cr_dataset *d, const char **ret_name, cr_err *err) CR_MUST_USE;
/* A field on w x h pixels, NaN where there is nothing: the mean of the cells in a pixel, or the cell that it lies in. */
void cr_plot_pixels(const cr_plot *p, int w, int h, double *ret_values);
/* First and last of what an axis shows, from left to right and from below. */
double cr_axis_first(const cr_plot_axis *a);
double cr_axis_last(const cr_plot_axis *a);

#endif
