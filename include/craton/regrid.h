/* regrid.h - from one grid of the sphere to another: weights, made once, applied to any number of arrays.
 *
 * A cr_grid says where cells are: on rows of latitude and columns of longitude (rectilinear), or anywhere (curvilinear, or a plain list of
 * cells). A cr_weights is a sparse matrix from the cells of one grid to those of another. cr_array_regrid makes an array on the target grid out of
 * one whose last axes are the source grid; like everything in array.h it is lazy, and a part of the result reads only the rows of
 * the source that it needs. Other axes pass through.
 *
 * Methods
 *  bilinear      The value at the centre of a target cell, from the four source centres around it. On rectilinear sources linear in longitude
 *                and latitude. On others: the point of the bilinear surface through the four centres, as points of space, that lies
 *                in the direction of the target, which needs no longitude and holds at the poles (ESMF Reference Manual, "Bilinear Regridding").
 *                Beyond the last row of a rectilinear source that goes around the Earth, at most one row away from the pole, the pole is taken to
 *                be there with the mean of the last row (ESMF's "all average"), unless no_poles.
 *  conservative  First order: means over target cells of what the source cells under them hold (Jones 1999, Mon. Wea. Rev. 127).
 *                Between rectilinear grids cells end at parallels and meridians, and areas are products of differences of longitude and of
 *                sin(latitude). Else cells are polygons of arcs of great circles, cut by Sutherland and Hodgman's rule and
 *                measured by the angle formula of Van Oosterom and Strackee (1983, IEEE Trans. Biomed. Eng. 30).
 *  nearest       The source cell whose centre is nearest on the sphere; of several the first.
 *
 * Longitudes may be in any turn (-180 to 180, 0 to 360), latitudes may fall. Rectilinear longitudes go around the Earth when the gap between
 * the last and the first is no wider than one and a half of the widest step.
 *
 * Missing values. mask of a grid: cells that are not there (land): they get no values, and give none. NaN in the data: by default it spreads to
 * every target cell that it has a part in; with skipna the others count for it, as far as cr_regrid_options says. These options
 * are xESMF's.
 *
 * Ownership: constructors return a new reference in ret_x; everything given is copied. Threads: grids and weights are immutable and may
 * be shared.
 */
#ifndef CRATON_REGRID_H
#define CRATON_REGRID_H

#include "craton/array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CR_GRID_CORNERS_MOST 16

typedef struct cr_grid cr_grid;
typedef struct cr_weights cr_weights;

/* ---- grids ------------------------------------------------------------------------------------------------------- */

/* Degrees. lat: ny centres that rise or fall, in [-90, 90]; lon: nx centres that rise or fall, less than one turn in all. lat_bounds: ny + 1, lon_bounds:
 * nx + 1 borders of cells in the same direction, or NULL: midway between centres, the outermost as far out as in, at most to the pole.
 * mask: ny * nx bytes, 0: the cell is not there; NULL: all are. CR_INVALID says which number is wrong. */
CR_API cr_status cr_grid_rectilinear(int64_t ny, const double *lat, const double *lat_bounds, int64_t nx, const double *lon,
                                     const double *lon_bounds, const uint8_t *mask, cr_grid **ret_grid, cr_err *err) CR_MUST_USE;
/* Cells anywhere. ndim 2: shape (ny, nx), neighbours in the array are neighbours on the sphere; ndim 1: a list. lat, lon: one per cell.
 * lat_corners, lon_corners: n_corners (3 to CR_GRID_CORNERS_MOST) per cell, in either turning sense, repeats allowed; NULL with 0: not known, which
 * conservative regridding does not take. Masked cells may have any numbers. CR_INVALID names the first cell with NaN, no area, or crossing edges.
 * Every cell is looked at, which takes a moment for millions: a cancel of c is heard; NULL: nobody's. */
CR_API cr_status cr_grid_curvilinear(cr_context *c, int ndim, const int64_t *shape, const double *lat, const double *lon, int n_corners,
                                     const double *lat_corners, const double *lon_corners, const uint8_t *mask, cr_grid **ret_grid,
                                     cr_err *err) CR_MUST_USE;
CR_API cr_grid *cr_grid_ref(cr_grid *g);
CR_API void cr_grid_unref(cr_grid *g);                        /* NULL is allowed */
CR_API int cr_grid_ndim(const cr_grid *g);
CR_API const int64_t *cr_grid_shape(const cr_grid *g);
/* Areas of all cells in steradians, between parallels and meridians or of polygons (see cr_weights_areas for both kinds together); 0 for masked ones of curvilinear grids. CR_INVALID: corners are not known. */
CR_API cr_status cr_grid_areas(const cr_grid *g, double *ret_areas, cr_err *err) CR_MUST_USE;

/* ---- weights ----------------------------------------------------------------------------------------------------- */

typedef enum cr_regrid_method { CR_REGRID_BILINEAR, CR_REGRID_CONSERVATIVE, CR_REGRID_NEAREST, CR_REGRID_METHOD_COUNT } cr_regrid_method;
CR_API const char *cr_regrid_method_name(cr_regrid_method m);
/* CR_NOT_FOUND lists what there is. */
CR_API cr_status cr_regrid_method_find(const char *name, cr_regrid_method *ret_method, cr_err *err) CR_MUST_USE;

/* Conservative: what a target cell is that source cells cover in part. FRACAREA: the mean over the covered part, so that a constant stays
 * what it is. DSTAREA: that times the covered share, so that value times area sums to the same. */
typedef enum cr_regrid_norm { CR_REGRID_FRACAREA, CR_REGRID_DSTAREA } cr_regrid_norm;

typedef struct cr_weights_options {
    cr_regrid_method method;
    cr_regrid_norm norm;
    bool no_poles;                /* bilinear: nothing beyond the last row */
} cr_weights_options;

/* Works with all threads of the context; what it needs at once stays within its memory limit (CR_MEMORY: the weights are too many). A cancel
 * is heard within a moment. The weights do not depend on threads. Target cells that nothing lies under get no weights. */
CR_API cr_status cr_weights_make(cr_context *c, const cr_grid *from, const cr_grid *to, const cr_weights_options *options,
                                 cr_weights **ret_weights, cr_err *err) CR_MUST_USE;
/* From n triplets in any order: row, col count from 0 (target, source cell, row-major). CR_RANGE: outside of the grids; CR_INVALID: not finite. */
CR_API cr_status cr_weights_from_triplets(int src_ndim, const int64_t *src_shape, int dst_ndim, const int64_t *dst_shape, int64_t n,
                                          const int64_t *row, const int64_t *col, const double *weight, cr_weights **ret_weights,
                                          cr_err *err) CR_MUST_USE;
/* A file of ESMF's (row, col, S) or SCRIP's form (dst_address, src_address, remap_matrix, as CDO writes it), NetCDF of any kind. Shapes: of
 * the grids, as arrays have them; NULL with ndim 0: as the file says. CR_FORMAT: damaged, or indices outside of the grids. */
CR_API cr_status cr_weights_read(cr_context *c, const char *path, int src_ndim, const int64_t *src_shape, int dst_ndim,
                                 const int64_t *dst_shape, cr_weights **ret_weights, cr_err *err) CR_MUST_USE;
/* NetCDF-4 in ESMF's form, for xESMF and ESMF: row, col (from 1), S, grid dimensions, areas and fractions where known. */
CR_API cr_status cr_weights_write(cr_context *c, const cr_weights *w, const char *path, bool overwrite, cr_err *err) CR_MUST_USE;
CR_API cr_weights *cr_weights_ref(cr_weights *w);
CR_API void cr_weights_unref(cr_weights *w);                  /* NULL is allowed */
CR_API int64_t cr_weights_count(const cr_weights *w);
CR_API int cr_weights_source(const cr_weights *w, int64_t ret_shape[2]); /* number of axes */
CR_API int cr_weights_target(const cr_weights *w, int64_t ret_shape[2]);
/* Areas of the cells of the source or the target, in steradians, as the weights were made with them: value times area is what conservative
 * weights keep. Borrowed; NULL unless the weights were made here, and are conservative. */
CR_API const double *cr_weights_areas(const cr_weights *w, bool of_source);
/* All weights, cr_weights_count() of each, sorted by row and column. */
CR_API void cr_weights_triplets(const cr_weights *w, int64_t *ret_row, int64_t *ret_col, double *ret_weight);

/* ---- application ------------------------------------------------------------------------------------------------- */

typedef struct cr_regrid_options {
    bool skipna;                  /* NaN is left out; the weights of the others are scaled up to what all would be ... */
    double na_thres;              /* ... where no more than this share of them is NaN (0 to 1); else the result is NaN */
} cr_regrid_options;

/* The last axes of a are the source grid; they become those of the target grid. float32 stays float32, everything else becomes float64.
 * Sums are made in double, in the order of source cells. Target cells without weights are NaN. options NULL: NaN spreads. */
CR_API cr_status cr_array_regrid(cr_array *a, cr_weights *w, const cr_regrid_options *options, cr_array **ret_array, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
