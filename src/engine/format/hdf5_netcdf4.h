/* hdf5_netcdf4.h - the NetCDF-4 model in an HDF5 file: which datasets are dimensions, which variables, and how they belong together.
 *
 * A dimension is a dataset that carries the marks of an HDF5 dimension scale. It may be a variable too (a coordinate variable), or only stand
 * for its length. A variable names its dimensions by references in DIMENSION_LIST, or by numbers in _Netcdf4Coordinates, or, being a
 * dimension scale, by itself; else its dimensions are called phony_dim_0, ... as the NetCDF library calls them, numbered after the
 * dimensions of the opened group and those above it.
 *
 * The length of an unlimited dimension is that of the longest variable that uses it, in its group or below.
 *
 * Sources: "NetCDF-4 format" in the NetCDF user's guide, appendix "File format specifications"; HDF5 Dimension Scale specification 1.0.
 */
#ifndef CR_ENGINE_FORMAT_HDF5_NETCDF4_H
#define CR_ENGINE_FORMAT_HDF5_NETCDF4_H

#include "engine/format/hdf5_dataset.h"
#include "engine/format/hdf5_group.h"
#include "engine/format/model.h"

typedef struct nc_dim {
    const char *name;
    uint64_t addr;                 /* object header of the scale; H5_UNDEF: phony */
    int64_t id, length;
    bool unlimited;
    int group;                     /* 0: the root, and so on along the opened path */
    bool used;                     /* by a variable of the opened group */
} nc_dim;

typedef struct nc_var {
    const char *name;
    uint64_t addr;
    h5_dataset dataset;
    h5_attr *attrs;
    int n_attrs, group;
    bool is_scale, dim_only;
    int n_ids;                     /* _Netcdf4Coordinates */
    int64_t ids[CR_MAX_DIMS];
    bool has_refs;                 /* DIMENSION_LIST: address of each axis's scale, or H5_UNDEF */
    uint64_t refs[CR_MAX_DIMS];
} nc_var;

typedef struct nc_scan {           /* what was found; everything in the parse's temporary arena but names */
    h5_ctx *x;
    uint64_t root;
    int n_dims, cap_dims, n_vars, cap_vars, n_groups, cap_groups, n_seen, cap_seen;
    nc_dim *dims;                  /* do not keep pointers: it grows */
    nc_var *vars;                  /* of every group on the path */
    const char **groups;           /* names of those below the opened one */
    uint64_t *seen;                /* groups visited below the path */
    int *by_addr, *by_id;          /* dims that are scales, ordered by address and by id; made by nc_index_dims */
    int n_indexed;
    int64_t next_id;
} nc_scan;

/* Finds dimensions and variables of one group. group: its number on the path. last: it is the opened one, whose child groups count. */
cr_status nc_scan_group(nc_scan *s, uint64_t addr, int group, bool last, cr_err *err) CR_MUST_USE;
cr_status nc_index_dims(nc_scan *s, cr_err *err) CR_MUST_USE;
/* Index of the dimension of one axis of a variable, -1: it has none and gets a phony one. */
int nc_var_dim(const nc_scan *s, const nc_var *v, int axis);
/* Lengths of unlimited dimensions from the variables on the path and in the groups below. */
cr_status nc_measure_unlimited(nc_scan *s, const uint64_t *path, int n_path, cr_err *err) CR_MUST_USE;

/* The attributes that a user sees, in the arena `keep`. Those that only serve the format are left out, and those of types that
 * cr_attr cannot hold. */
cr_status nc_attrs(h5_ctx *x, const h5_attr *attrs, int n, cr_attr **ret_attrs, int *ret_n, cr_err *err) CR_MUST_USE;
/* n integers of an attribute, NULL when it does not hold integers; in temp. */
cr_status nc_attr_integers(h5_ctx *x, const h5_attr *a, int64_t **ret_values, cr_err *err) CR_MUST_USE;

#endif
