/* sphere_grid.c - making grids: every number is looked at once, here. */
#include "engine/regrid/sphere_grid.h"

#include <stdio.h>
#include <stdlib.h>
#include "engine/exec/run.h"

#define DEGREE 0.017453292519943295
#define TURN (360 * (1 + 1e-9))   /* bounds are often rounded */
#define NOTHING 1e-16             /* steradians: a square of 6 cm */

cr_grid *cr_grid_ref(cr_grid *g) {
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void cr_grid_unref(cr_grid *g) {
    if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(g->lat);
    free(g->lon);
    free(g->lat_bounds);
    free(g->lon_bounds);
    free(g->lat_corners);
    free(g->lon_corners);
    free(g->mask);
    free(g);
}

int cr_grid_ndim(const cr_grid *g) { return g->ndim; }
const int64_t *cr_grid_shape(const cr_grid *g) { return g->shape; }

/* "(3, 4)" or "7"; returns buf. */
static char *cell_text(const cr_grid *g, int64_t cell, char *buf, size_t size) {
    if (g->ndim == 2)
        snprintf(buf, size, "(%lld, %lld)", (long long)(cell / g->nx), (long long)(cell % g->nx));
    else
        snprintf(buf, size, "%lld", (long long)cell);
    return buf;
}

/* ---- rectilinear ---- */

/* Finite, strictly rising or falling. */
static cr_status check_axis(const char *what, int64_t n, const double *v, double lo, double hi, cr_err *err) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(v[i]) || v[i] < lo || v[i] > hi)
            return CR_FAIL(err, CR_INVALID, "%s %lld is %g; it must be a number from %g to %g", what, (long long)i, v[i], lo, hi);
        if (i > 0 && (v[i] == v[i - 1] || (v[i] > v[i - 1]) != (v[1] > v[0]))) {
            cr_status s = CR_FAIL(err, CR_INVALID, "%s neither rises nor falls: number %lld is %g, the one before it %g", what, (long long)i,
                                  v[i], v[i - 1]);
            cr_err_hint(err, "sort the axis, or write longitudes without the jump at 180 or 360 degrees");
            return s;
        }
    }
    return CR_OK;
}

static void bounds_between(int64_t n, const double *v, double *b) {
    for (int64_t i = 1; i < n; i++)
        b[i] = (v[i - 1] + v[i]) / 2;
    b[0] = n > 1 ? v[0] - (b[1] - v[0]) : v[0] - 0.5;
    b[n] = n > 1 ? v[n - 1] + (v[n - 1] - b[n - 1]) : v[0] + 0.5;
}

/* As given, or midway. */
static cr_status set_bounds(const char *what, int64_t n, const double *v, const double *given, double most, double *b, cr_err *err) {
    if (given == NULL) {
        bounds_between(n, v, b);
        for (int64_t i = 0; i <= n; i++)
            b[i] = CR_MAX(-most, CR_MIN(most, b[i]));
    } else {
        memcpy(b, given, ((size_t)n + 1) * sizeof *b);
        for (int64_t i = 0; i <= n && most == 90; i++) /* rounded ones just beyond the pole */
            b[i] = fabs(b[i]) > 90 && fabs(b[i]) < 90.001 ? copysign(90, b[i]) : b[i];
    }
    CR_TRY(check_axis(what, n + 1, b, -most, most, err));
    for (int64_t i = 0; i < n; i++)
        if (given != NULL && (v[i] < fmin(b[i], b[i + 1]) - 1e-6 || v[i] > fmax(b[i], b[i + 1]) + 1e-6))
            return CR_FAIL(err, CR_INVALID, "the centre %g of cell %lld does not lie between its %s, %g and %g", v[i], (long long)i, what, b[i],
                           b[i + 1]);
    return CR_OK;
}

static bool goes_round(int64_t n, const double *lon) {
    double widest = 0, span = fabs(lon[n - 1] - lon[0]);
    for (int64_t i = 1; i < n; i++)
        widest = fmax(widest, fabs(lon[i] - lon[i - 1]));
    return n > 2 && span < 360 && 360 - span <= 1.5 * widest;
}

static cr_grid *grid_new(int64_t ny, int64_t nx) {
    cr_grid *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    atomic_init(&g->refs, 1);
    g->ndim = 2;
    g->shape[0] = g->ny = ny;
    g->shape[1] = g->nx = nx;
    g->n = ny * nx;
    g->fold = -1;
    return g;
}

static cr_status copy(void *ret, const void *from, int64_t n, size_t item, cr_err *err) {
    if (from == NULL)
        return CR_OK;
    void *to = malloc((size_t)n * item);
    if (to == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a grid of %lld numbers", (long long)n);
    memcpy(to, from, (size_t)n * item);
    *(void **)ret = to;
    return CR_OK;
}

static cr_status check_size(int64_t ny, int64_t nx, cr_err *err) {
    if (ny < 1 || nx < 1 || ny > INT32_MAX || nx > INT32_MAX || ny * nx > INT32_MAX - 1)
        return CR_FAIL(err, CR_INVALID, "a grid of %lld x %lld cells; 1 to 2^31 - 2 are possible", (long long)ny, (long long)nx);
    return CR_OK;
}

/* Longitudes that jump once, by more than half a turn, are made to go on, upwards or downwards from the first: 350, 355, 0, 5 goes on with 360.
 * Where each step is the shorter way says which of the two. */
static void unroll(int64_t n, double *v) {
    int64_t up = 0, shorter = 0, at = 0;
    for (int64_t i = 1; i < n; i++) {
        up += v[i] > v[i - 1];
        shorter += remainder(v[i] - v[i - 1], 360) > 0 ? 1 : -1;
    }
    if (up == 0 || up == n - 1 || (up != 1 && up != n - 2)) /* in order as they are, or in none */
        return;
    bool rising = up != 1 || (n == 3 && shorter > 0);
    for (int64_t i = 1; i < n && at == 0; i++)
        at = (v[i] > v[i - 1]) != rising ? i : 0;
    if (at == 0 || fabs(v[at] - v[at - 1]) <= 180)
        return;
    for (int64_t i = at; i < n; i++)
        v[i] += rising ? 360 : -360;
}

static cr_status fill_rectilinear(cr_grid *g, const double *lat, const double *lat_bounds, const double *lon, const double *lon_bounds,
                                  const uint8_t *mask, cr_err *err) {
    g->rectilinear = true;
    CR_TRY(copy(&g->lat, lat, g->ny, sizeof *lat, err));
    CR_TRY(copy(&g->lon, lon, g->nx, sizeof *lon, err));
    CR_TRY(copy(&g->mask, mask, g->n, 1, err));
    g->lat_bounds = malloc(((size_t)g->ny + 1) * sizeof(double));
    g->lon_bounds = malloc(((size_t)g->nx + 1) * sizeof(double));
    cr_auto_free double *own = malloc(((size_t)g->nx + 1) * sizeof(double));
    if (g->lat_bounds == NULL || g->lon_bounds == NULL || own == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a grid of %lld cells", (long long)g->n);
    CR_TRY(check_axis("latitude", g->ny, g->lat, -90, 90, err));
    unroll(g->nx, g->lon);
    CR_TRY(check_axis("longitude", g->nx, g->lon, -1080, 1080, err));
    CR_TRY(set_bounds("bounds of latitude", g->ny, g->lat, lat_bounds, 90, g->lat_bounds, err));
    if (lon_bounds != NULL) {
        memcpy(own, lon_bounds, ((size_t)g->nx + 1) * sizeof *own);
        unroll(g->nx + 1, own);
        double turn = isfinite(own[0]) ? 360 * rint((g->lon[0] - (own[0] + own[1]) / 2) / 360) : 0;
        for (int64_t i = 0; i <= g->nx; i++)
            own[i] += turn;
    }
    CR_TRY(set_bounds("bounds of longitude", g->nx, g->lon, lon_bounds != NULL ? own : NULL, 1440, g->lon_bounds, err));
    double span = fabs(g->lon_bounds[g->nx] - g->lon_bounds[0]);
    g->round = goes_round(g->nx, g->lon);
    if (lon_bounds == NULL && (g->round || span > 360)) { /* irregular ones need not meet otherwise */
        double end = g->lon[0] < g->lon[g->nx - 1] || g->nx == 1 ? 360 : -360, middle = (g->lon[g->nx - 1] + g->lon[0] + end) / 2;
        g->lon_bounds[g->nx] = middle;
        g->lon_bounds[0] = middle - end;
        span = 360;
    }
    if (span > TURN || fabs(g->lon[g->nx - 1] - g->lon[0]) > TURN) {
        cr_status s = CR_FAIL(err, CR_INVALID, "longitudes span %g degrees, more than one turn", span);
        cr_err_hint(err, "leave out the columns that are there twice");
        return s;
    }
    return CR_OK;
}

cr_status cr_grid_rectilinear(int64_t ny, const double *lat, const double *lat_bounds, int64_t nx, const double *lon,
                              const double *lon_bounds, const uint8_t *mask, cr_grid **ret_grid, cr_err *err) {
    CR_TRY(check_size(ny, nx, err));
    cr_grid *g = grid_new(ny, nx);
    if (g == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a grid");
    cr_status status = fill_rectilinear(g, lat, lat_bounds, lon, lon_bounds, mask, err);
    if (status == CR_OK)
        *ret_grid = g;
    else
        cr_grid_unref(g);
    return status;
}

/* ---- curvilinear ---- */

static cr_status check_cell(const cr_grid *g, int64_t cell, cr_err *err) {
    char text[64];
    double lat = g->lat[cell], lon = g->lon[cell];
    if (!isfinite(lat) || !isfinite(lon) || fabs(lat) > 90.001 || fabs(lon) > 1440) {
        cr_status s = CR_FAIL(err, CR_INVALID, "cell %s lies at latitude %g, longitude %g", cell_text(g, cell, text, sizeof text), lat,
                              lon);
        cr_err_hint(err, "mask cells that are nowhere");
        return s;
    }
    if (g->n_corners == 0)
        return CR_OK;
    for (int k = 0; k < g->n_corners; k++) {
        lat = g->lat_corners[cell * g->n_corners + k];
        lon = g->lon_corners[cell * g->n_corners + k];
        if (!isfinite(lat) || !isfinite(lon) || fabs(lat) > 90.001 || fabs(lon) > 1440)
            return CR_FAIL(err, CR_INVALID, "corner %d of cell %s lies at latitude %g, longitude %g", k,
                           cell_text(g, cell, text, sizeof text), lat, lon);
    }
    cr_polygon p;
    cr_grid_polygon(g, cell, &p);
    const char *wrong = p.n < 3 || cr_polygon_area(&p) < NOTHING ? "has no area" : cr_polygon_crosses_itself(&p) ? "has edges that cross" : NULL;
    if (wrong != NULL) {
        cr_status s = CR_FAIL(err, CR_INVALID, "cell %s %s", cell_text(g, cell, text, sizeof text), wrong);
        cr_err_hint(err, "corners go around the cell, in either direction; mask cells that are none");
        return s;
    }
    for (int i = 0; i < p.n; i++)
        for (int k = 0; k < i; k++)
            if (cr_vec_dot(p.p[i], p.p[k]) < 0.05)
                return CR_FAIL(err, CR_INVALID, "cell %s is wider than 87 degrees", cell_text(g, cell, text, sizeof text));
    return CR_OK;
}

static double step_between(const cr_grid *g, int64_t a, int64_t b) {
    cr_vec d = cr_vec_minus(cr_grid_centre(g, a), cr_grid_centre(g, b));
    return cr_vec_dot(d, d);
}

/* Are the first and the last of most rows neighbours? */
static bool columns_meet(const cr_grid *g) {
    int64_t rows = 0, meet = 0;
    for (int64_t y = 0; y < g->ny && g->nx > 3; y++) {
        int64_t first = y * g->nx, last = first + g->nx - 1;
        if (!cr_grid_has(g, first) || !cr_grid_has(g, first + 1) || !cr_grid_has(g, last) || !cr_grid_has(g, last - 1))
            continue;
        double around = step_between(g, last, first), here = CR_MAX(step_between(g, first, first + 1), step_between(g, last - 1, last));
        rows++;
        meet += around > 0 && around <= 4 * here; /* squares */
    }
    return rows > 0 && 10 * meet >= 9 * rows;
}

/* Grids of three poles have the two northern ones in their last row, which is folded between them (Madec and Imbard 1996, Clim. Dyn. 12). */
static int64_t find_fold(const cr_grid *g) {
    int64_t last = (g->ny - 1) * g->nx;
    for (int64_t fold = g->nx - 2; g->round && g->ny > 1 && fold <= g->nx + 1; fold++) {
        int64_t cells = 0, beside = 0;
        for (int64_t x = 0; x < g->nx; x++) {
            int64_t other = (fold - x + 2 * g->nx) % g->nx, next = (x + 1) % g->nx, way = llabs(other - x);
            if (CR_MIN(way, g->nx - way) < 3 || !cr_grid_has(g, last + x) || !cr_grid_has(g, last + other) || !cr_grid_has(g, last + next) ||
                !cr_grid_has(g, last + x - g->nx))
                continue;
            double here = CR_MAX(step_between(g, last + x, last + next), step_between(g, last + x, last + x - g->nx));
            cells++;
            beside += step_between(g, last + x, last + other) <= 4 * here; /* squares */
        }
        if (cells > g->nx / 4 && 10 * beside >= 9 * cells)
            return fold;
    }
    return -1;
}

static cr_status fill_curvilinear(cr_context *c, cr_grid *g, const double *lat, const double *lon, int n_corners, const double *lat_corners,
                                  const double *lon_corners, const uint8_t *mask, cr_err *err) {
    if (n_corners != 0 && (n_corners < 3 || n_corners > CR_GRID_CORNERS_MOST || lat_corners == NULL || lon_corners == NULL))
        return CR_FAIL(err, CR_INVALID, "cells of %d corners; 3 to %d are possible, or 0 when they are not known", n_corners,
                       CR_GRID_CORNERS_MOST);
    g->n_corners = n_corners;
    CR_TRY(copy(&g->lat, lat, g->n, sizeof *lat, err));
    CR_TRY(copy(&g->lon, lon, g->n, sizeof *lon, err));
    CR_TRY(copy(&g->mask, mask, g->n, 1, err));
    if (n_corners > 0) {
        CR_TRY(copy(&g->lat_corners, lat_corners, g->n * n_corners, sizeof *lat, err));
        CR_TRY(copy(&g->lon_corners, lon_corners, g->n * n_corners, sizeof *lon, err));
    }
    for (int64_t i = 0; i < g->n; i++) {
        if (c != NULL && cr_context_cancelled(c))
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        if (cr_grid_has(g, i))
            CR_TRY(check_cell(g, i, err));
    }
    g->round = g->ndim == 2 && columns_meet(g);
    g->fold = find_fold(g);
    return CR_OK;
}

cr_status cr_grid_curvilinear(cr_context *c, int ndim, const int64_t *shape, const double *lat, const double *lon, int n_corners,
                              const double *lat_corners, const double *lon_corners, const uint8_t *mask, cr_grid **ret_grid, cr_err *err) {
    if (ndim < 1 || ndim > 2)
        return CR_FAIL(err, CR_INVALID, "a grid of %d axes; 1 and 2 are possible", ndim);
    CR_TRY(check_size(ndim == 2 ? shape[0] : 1, shape[ndim - 1], err));
    cr_grid *g = grid_new(ndim == 2 ? shape[0] : 1, shape[ndim - 1]);
    if (g == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for a grid");
    g->ndim = ndim;
    if (ndim == 1) {
        g->shape[0] = g->nx;
        g->shape[1] = 1;
    }
    if (c != NULL)
        cr_context_begin(c);
    cr_status status = fill_curvilinear(c, g, lat, lon, n_corners, lat_corners, lon_corners, mask, err);
    if (c != NULL)
        cr_context_end(c);
    if (status == CR_OK)
        *ret_grid = g;
    else
        cr_grid_unref(g);
    return status;
}

/* ---- cells ---- */

void cr_grid_polygon(const cr_grid *g, int64_t cell, cr_polygon *p) {
    if (g->rectilinear) {
        const double *la = &g->lat_bounds[cell / g->nx], *lo = &g->lon_bounds[cell % g->nx];
        *p = (cr_polygon){.n = 4, .p = {cr_vec_of(la[0], lo[0]), cr_vec_of(la[0], lo[1]), cr_vec_of(la[1], lo[1]), cr_vec_of(la[1], lo[0])}};
    } else {
        p->n = g->n_corners;
        for (int k = 0; k < g->n_corners; k++) {
            double lat = g->lat_corners[cell * g->n_corners + k];
            p->p[k] = cr_vec_of(fabs(lat) > 90 ? copysign(90, lat) : lat, g->lon_corners[cell * g->n_corners + k]);
        }
    }
    cr_polygon_tidy(p);
    if (cr_polygon_area(p) < 0)
        cr_polygon_reverse(p);
}

double cr_grid_box_area(const cr_grid *g, int64_t cell) {
    const double *la = &g->lat_bounds[cell / g->nx], *lo = &g->lon_bounds[cell % g->nx];
    return fabs(sin(la[1] * DEGREE) - sin(la[0] * DEGREE)) * fabs(lo[1] - lo[0]) * DEGREE;
}

cr_status cr_grid_areas(const cr_grid *g, double *ret_areas, cr_err *err) {
    return cr_grid_areas_as(NULL, g, !g->rectilinear, ret_areas, err);
}

cr_status cr_grid_areas_as(const cr_context *c, const cr_grid *g, bool polygons, double *ret_areas, cr_err *err) {
    if (!cr_grid_knows_corners(g))
        return CR_FAIL(err, CR_INVALID, "the corners of the grid are not known, and so are its areas");
    for (int64_t i = 0; i < g->n; i++) {
        cr_polygon p = {.n = 0};
        if (c != NULL && cr_context_cancelled(c))
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        if (polygons && (g->rectilinear || cr_grid_has(g, i)))
            cr_grid_polygon(g, i, &p);
        ret_areas[i] = polygons ? cr_polygon_area(&p) : cr_grid_box_area(g, i);
    }
    return CR_OK;
}
