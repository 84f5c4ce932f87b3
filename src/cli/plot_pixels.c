/* plot_pixels.c - a field on pixels: cells of rows and columns, or quadrangles with places of their own. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/plot_data.h"

/* ---- rows and columns ---- */

/* Cells of each of n pixels, first and one behind the last, in the order of the axis. `flip`: the first pixel is the last of what is shown. */
static void cells_of(const cr_plot_axis *a, int n, bool flip, int64_t (*ret_cells)[2]) {
    double first = cr_axis_first(a), last = cr_axis_last(a);
    bool rises = a->borders[a->n] > a->borders[0];
    for (int i = 0; i < n; i++) {
        double ends[2] = {first + (last - first) * (flip ? n - i : i) / n, first + (last - first) * (flip ? n - i - 1 : i + 1) / n};
        double low = CR_MIN(ends[0], ends[1]), high = CR_MAX(ends[0], ends[1]), middle = (low + high) / 2;
        int64_t found[3];             /* cells with these values */
        double wanted[3] = {low, middle, high};
        for (int k = 0; k < 3; k++) {
            int64_t from = 0, to = a->n - 1;
            while (from < to) {
                int64_t half = (from + to) / 2;
                bool before = rises ? wanted[k] < a->borders[half + 1] : wanted[k] > a->borders[half + 1];
                if (before)
                    to = half;
                else
                    from = half + 1;
            }
            found[k] = from;
        }
        /* Of the cells that a pixel touches those count whose middle is in it. */
        int64_t begin = CR_MIN(found[0], found[2]), end = CR_MAX(found[0], found[2]);
        while (begin < end) {
            double m = (a->borders[begin] + a->borders[begin + 1]) / 2;
            if (m >= low && m < high)
                break;
            begin++;
        }
        while (end > begin) {
            double m = (a->borders[end] + a->borders[end + 1]) / 2;
            if (m >= low && m < high)
                break;
            end--;
        }
        double m = (a->borders[begin] + a->borders[begin + 1]) / 2;
        bool holds = m >= low && m < high;
        ret_cells[i][0] = holds ? begin : found[1];
        ret_cells[i][1] = holds ? end + 1 : found[1] + 1;
    }
}

static void paint_rows(const cr_plot *p, int w, int h, double *out) {
    cr_auto_free int64_t(*columns)[2] = calloc((size_t)w + 1, sizeof *columns), (*rows)[2] = calloc((size_t)h + 1, sizeof *rows);
    for (int64_t k = 0; k < (int64_t)w * h; k++)
        out[k] = NAN;
    if (!columns || !rows)
        return;
    cells_of(&p->x, w, false, columns);
    cells_of(&p->y, h, true, rows);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double sum = 0;
            int64_t n = 0;
            for (int64_t i = rows[y][0]; i < rows[y][1]; i++)
                for (int64_t j = columns[x][0]; j < columns[x][1]; j++) {
                    double v = p->values[i * p->x.n + j];
                    sum += isnan(v) ? 0 : v;
                    n += !isnan(v);
                }
            out[(int64_t)y * w + x] = n ? sum / (double)n : NAN;
        }
}

/* ---- cells with places of their own ---- */

typedef struct spot {
    double x, y;                  /* pixels */
} spot;

/* Which side of the line from a to b: > 0 on one, < 0 on the other. */
static double side(spot a, spot b, double x, double y) { return (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x); }

typedef struct painting {
    int w, h;
    double *sums;
    int32_t *counts;
} painting;

/* All pixels whose middle is in the triangle. */
static void triangle(painting *g, spot a, spot b, spot c, double value) {
    double area = side(a, b, c.x, c.y);
    int left = (int)floor(CR_MAX(CR_MIN(CR_MIN(a.x, b.x), c.x), 0)), right = (int)ceil(CR_MIN(CR_MAX(CR_MAX(a.x, b.x), c.x), g->w));
    int top = (int)floor(CR_MAX(CR_MIN(CR_MIN(a.y, b.y), c.y), 0)), bottom = (int)ceil(CR_MIN(CR_MAX(CR_MAX(a.y, b.y), c.y), g->h));
    if (area == 0)
        return;
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++) {
            double u = side(a, b, x + 0.5, y + 0.5) / area, v = side(b, c, x + 0.5, y + 0.5) / area, t = side(c, a, x + 0.5, y + 0.5) / area;
            if (u < 0 || v < 0 || t < 0)
                continue;
            g->sums[(int64_t)y * g->w + x] += value;
            g->counts[(int64_t)y * g->w + x]++;
        }
}

/* The corner between four cells around (i, j), as seen from the cell whose longitude is `near`; beyond the edge as far again as inside. */
static void corner(const cr_plot *p, int64_t i, int64_t j, double near, double *ret_lon, double *ret_lat) {
    double lon = 0, lat = 0;
    for (int k = 0; k < 4; k++) {
        int64_t at[2] = {i - 1 + k / 2, j - 1 + k % 2}, n[2] = {p->y.n, p->x.n}, inside[2], mirrored[2];
        for (int d = 0; d < 2; d++) {
            inside[d] = CR_MIN(CR_MAX(at[d], 0), n[d] - 1);
            mirrored[d] = CR_MIN(CR_MAX(2 * inside[d] - at[d], 0), n[d] - 1);
        }
        int64_t in = inside[0] * p->x.n + inside[1], back = mirrored[0] * p->x.n + mirrored[1];
        double here = p->lon[in] - 360 * nearbyint((p->lon[in] - near) / 360), there = p->lon[back] - 360 * nearbyint((p->lon[back] - near) / 360);
        lon += (2 * here - there) / 4;
        lat += (2 * p->lat[in] - p->lat[back]) / 4;
    }
    *ret_lon = lon;
    *ret_lat = lat;
}

static void cell(const cr_plot *p, painting *g, int64_t i, int64_t j) {
    double value = p->values[i * p->x.n + j], lon = p->lon[i * p->x.n + j], first = cr_axis_first(&p->x), last = cr_axis_last(&p->x);
    double south = cr_axis_first(&p->y), north = cr_axis_last(&p->y);
    spot corners[4];
    if (isnan(value) || !isfinite(lon))
        return;
    lon -= 360 * floor((lon - first) / 360);
    for (int k = 0; k < 4; k++) {
        double x, y;
        corner(p, i + k / 2, j + (k == 1 || k == 2), lon, &x, &y);
        if (!isfinite(x) || !isfinite(y) || fabs(x - lon) > 90)
            return;
        corners[k] = (spot){(x - first) / (last - first) * g->w, (north - y) / (north - south) * g->h};
    }
    double turn = 360 / (last - first) * g->w;
    for (int shift = -1; shift <= 1; shift++) {   /* what crosses the seam is on both sides of it */
        spot c[4];
        for (int k = 0; k < 4; k++)
            c[k] = (spot){corners[k].x + shift * turn, corners[k].y};
        triangle(g, c[0], c[1], c[2], value);
        triangle(g, c[0], c[2], c[3], value);
    }
}

static void paint_cells(const cr_plot *p, int w, int h, double *out) {
    cr_auto_free int32_t *counts = calloc((size_t)w * (size_t)h + 1, sizeof *counts);
    painting g = {w, h, out, counts};
    for (int64_t k = 0; k < (int64_t)w * h; k++)
        out[k] = 0;
    for (int64_t i = 0; i < p->y.n && counts; i++)
        for (int64_t j = 0; j < p->x.n; j++)
            cell(p, &g, i, j);
    for (int64_t k = 0; k < (int64_t)w * h; k++)
        out[k] = counts && counts[k] ? out[k] / counts[k] : NAN;
}

void cr_plot_pixels(const cr_plot *p, int w, int h, double *ret_values) {
    if (p->form == CR_PLOT_CURVED)
        paint_cells(p, w, h, ret_values);
    else
        paint_rows(p, w, h, ret_values);
}
