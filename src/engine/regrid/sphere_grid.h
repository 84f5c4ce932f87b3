/* sphere_grid.h - what a grid is inside, and the questions that regridding asks of it.
 *
 * Invariants
 *  1. Immutable; refs is atomic. Every cell that is not masked has a finite centre and, where corners are known, an area.
 */
#ifndef CR_ENGINE_REGRID_SPHERE_GRID_H
#define CR_ENGINE_REGRID_SPHERE_GRID_H

#include <stdatomic.h>
#include "craton/regrid.h"
#include "base/error.h"
#include "engine/regrid/sphere.h"

struct cr_grid {
    atomic_int refs;
    int ndim;
    int64_t shape[2];             /* ndim 1: {n, 1}, as cr_grid_shape shows it */
    int64_t ny, nx, n;            /* ndim 1: 1, n, n */
    bool rectilinear, round;      /* round: rows go around the Earth */
    int64_t fold;                 /* not rectilinear: column x of the last row lies beside column fold - x of it; -1: there is no fold */
    double *lat, *lon;            /* rectilinear: ny and nx; else n each */
    double *lat_bounds, *lon_bounds; /* rectilinear: ny + 1, nx + 1 */
    int n_corners;                /* else: per cell; 0: not known */
    double *lat_corners, *lon_corners;
    uint8_t *mask;                /* NULL: all cells are there */
};

static inline bool cr_grid_has(const cr_grid *g, int64_t cell) { return g->mask == NULL || g->mask[cell] != 0; }
static inline bool cr_grid_knows_corners(const cr_grid *g) { return g->rectilinear || g->n_corners > 0; }
static inline double cr_grid_lat(const cr_grid *g, int64_t cell) { return g->lat[g->rectilinear ? cell / g->nx : cell]; }
static inline double cr_grid_lon(const cr_grid *g, int64_t cell) { return g->lon[g->rectilinear ? cell % g->nx : cell]; }
static inline cr_vec cr_grid_centre(const cr_grid *g, int64_t cell) { return cr_vec_of(cr_grid_lat(g, cell), cr_grid_lon(g, cell)); }
static inline int64_t cr_grid_across(const cr_grid *g, int64_t x) { return (g->fold - x + 2 * g->nx) % g->nx; }
/* Its corners, tidy and counterclockwise. Corners are known. */
void cr_grid_polygon(const cr_grid *g, int64_t cell, cr_polygon *ret_polygon);
/* Area between parallels and meridians. Rectilinear. */
double cr_grid_box_area(const cr_grid *g, int64_t cell);
/* cr_grid_areas(), where rectilinear cells may be taken as polygons too. c: CR_CANCELLED when it is; NULL: it cannot be. */
cr_status cr_grid_areas_as(const cr_context *c, const cr_grid *g, bool polygons, double *ret_areas, cr_err *err) CR_MUST_USE;

#endif
