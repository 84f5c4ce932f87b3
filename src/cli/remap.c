/* remap.c - the operation regrid: the grid of an array told by its coordinates, the wanted one by a word or a file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/evaluate.h"

enum { CELLS_MOST = 1 << 28 };

typedef struct place {            /* where the cells of something are */
    cr_labelled *lat, *lon;
    bool curvilinear;
    cr_grid *grid;
} place;

static void place_done(place *p) {
    cr_labelled_unref(p->lat);
    cr_labelled_unref(p->lon);
    cr_grid_unref(p->grid);
    *p = (place){0};
}

typedef cr_status (*getter)(const void *from, const char *name, cr_labelled **ret_array, cr_err *err);
static cr_status from_inputs(const void *from, const char *name, cr_labelled **ret_array, cr_err *err) {
    return cr_inputs_get(from, name, ret_array, err);
}
static cr_status from_dataset(const void *from, const char *name, cr_labelled **ret_array, cr_err *err) {
    return cr_dataset_get(from, name, ret_array, err);
}

/* ---- bounds ---- */

/* Pairs of n cells as n + 1 borders; false: cells do not touch. */
static bool join_pairs(const double *pairs, int64_t n, double *borders) {
    bool flip = n > 1 && (pairs[1] - pairs[0]) * (pairs[2] + pairs[3] - pairs[0] - pairs[1]) < 0;
    for (int64_t k = 0; k < n; k++) {
        double first = pairs[2 * k + flip], last = pairs[2 * k + !flip];
        if (k > 0 && !(fabs(remainder(first - borders[k], 360)) <= 1e-4 * fabs(last - first)))
            return false;
        borders[k] = first;
        borders[k + 1] = last;
    }
    return true;
}

/* The pairs of those of m cells whose labels are in row, in its order, and turned as it is; false: they are not all there. */
static bool pick_pairs(const double *row, int64_t n, const double *labels, int64_t m, const double *pairs, double *picked) {
    for (int64_t i = 0, at = 0; i < n; i++) {
        double turns = 0;
        int64_t tried = 0;
        for (; tried < m; tried++, at = (at + 1) % m) {
            turns = nearbyint((row[i] - labels[at]) / 360);
            if (fabs(row[i] - labels[at] - 360 * turns) <= 1e-4)
                break;
        }
        if (tried == m)
            return false;
        picked[2 * i] = pairs[2 * at] + 360 * turns;
        picked[2 * i + 1] = pairs[2 * at + 1] + 360 * turns;
        at = (at + 1) % m;
    }
    return true;
}

/* Borders of n cells at row from the bounds of m cells, of which they may be some; *ret_borders stays NULL when they are others, or when
 * some that do not touch were selected. */
static cr_status borders_from(cr_context *c, cr_labelled *row, const double *at, cr_labelled *bounds, getter get, const void *from,
                              double **ret_borders, cr_err *err) {
    cr_auto_free double *pairs = NULL, *labels = NULL;
    int64_t n = cr_labelled_shape(row)[0], m = cr_labelled_shape(bounds)[0], n_values = 0;
    cr_labelled *whole = NULL;
    CR_TRY(cr_load_doubles(c, bounds, &pairs, &n_values, err));
    if (get(from, cr_labelled_name(row), &whole, NULL) != CR_OK)
        return CR_OK;
    bool fits = cr_labelled_kind(whole) == CR_KIND_NUMBERS && cr_labelled_ndim(whole) == 1 && cr_labelled_shape(whole)[0] == m;
    cr_status status = fits ? cr_load_doubles(c, whole, &labels, &n_values, err) : CR_OK;
    cr_labelled_unref(whole);
    if (status != CR_OK || !fits)
        return status;
    cr_auto_free double *picked = calloc((size_t)n + 1, 2 * sizeof *picked), *borders = calloc((size_t)n + 1, sizeof *borders);
    if (!picked || !borders)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld borders of cells", (long long)n);
    if (!pick_pairs(at, n, labels, m, pairs, picked))
        return CR_OK;
    if (!join_pairs(picked, n, borders)) {
        if (n != m)
            return CR_OK;
        status = CR_FAIL(err, CR_INVALID, "cells of %s overlap or leave gaps", cr_labelled_name(bounds));
        cr_err_hint(err, "Regridding needs cells that touch.");
        return status;
    }
    *ret_borders = borders;
    borders = NULL;
    return CR_OK;
}

/* Borders of a row of cells: of the variable that its attribute names or of its own name and "_bnds", "_bounds"; NULL: there are none. */
static cr_status borders_of(cr_context *c, cr_labelled *row, const double *at, getter get, const void *from, double **ret_borders,
                            cr_err *err) {
    char names[3][300] = {"", "", ""};
    for (int k = 0; k < cr_labelled_n_attrs(row); k++) {
        const cr_attr *a = cr_labelled_attr(row, k);
        if (strcmp(a->name, "bounds") == 0 && a->dtype == CR_STRING && a->n == 1)
            snprintf(names[0], sizeof names[0], "%s", *(const char *const *)a->values);
    }
    snprintf(names[1], sizeof names[1], "%s_bnds", cr_labelled_name(row));
    snprintf(names[2], sizeof names[2], "%s_bounds", cr_labelled_name(row));
    for (int k = 0; k < 3; k++) {
        cr_labelled *bounds = NULL;
        if (!*names[k] || get(from, names[k], &bounds, NULL) != CR_OK)
            continue;
        bool fits = cr_labelled_kind(bounds) == CR_KIND_NUMBERS && cr_labelled_ndim(bounds) == 2 && cr_labelled_shape(bounds)[0] > 0 &&
                    cr_labelled_shape(bounds)[1] == 2;
        cr_status status = fits ? borders_from(c, row, at, bounds, get, from, ret_borders, err) : CR_OK;
        cr_labelled_unref(bounds);
        return status;
    }
    return CR_OK;
}

/* ---- grids ---- */

/* The place of latitudes and longitudes that were found; takes neither reference. */
static cr_status make_grid(cr_context *c, place *p, getter get, const void *from, cr_err *err) {
    cr_auto_free double *lat = NULL, *lon = NULL, *lat_borders = NULL, *lon_borders = NULL;
    int64_t ny = 0, nx = 0;
    int ndim = cr_labelled_ndim(p->lat);
    bool same = cr_labelled_ndim(p->lon) == ndim && strcmp(cr_labelled_dim(p->lat, 0), cr_labelled_dim(p->lon, 0)) == 0;
    p->curvilinear = ndim == 2 && same && strcmp(cr_labelled_dim(p->lat, 1), cr_labelled_dim(p->lon, 1)) == 0;
    if (!p->curvilinear && (ndim != 1 || cr_labelled_ndim(p->lon) != 1 || same))
        return CR_FAIL(err, CR_UNSUPPORTED, "%s and %s are neither a row and a column of cells nor have the same two dimensions",
                       cr_labelled_name(p->lat), cr_labelled_name(p->lon));
    CR_TRY(cr_load_doubles(c, p->lat, &lat, &ny, err));
    CR_TRY(cr_load_doubles(c, p->lon, &lon, &nx, err));
    if (p->curvilinear)
        return cr_grid_curvilinear(c, 2, cr_labelled_shape(p->lat), lat, lon, 0, NULL, NULL, NULL, &p->grid, err);
    CR_TRY(borders_of(c, p->lat, lat, get, from, &lat_borders, err));
    CR_TRY(borders_of(c, p->lon, lon, get, from, &lon_borders, err));
    return cr_grid_rectilinear(ny, lat, lat_borders, nx, lon, lon_borders, NULL, &p->grid, err);
}

static cr_status axis_new(cr_context *c, const char *name, int64_t n, double first, double step, bool north, cr_labelled **ret, cr_err *err) {
    const char *units = north ? "degrees_north" : "degrees_east", *standard = north ? "latitude" : "longitude";
    cr_attr attrs[] = {{"units", CR_STRING, 1, &units}, {"standard_name", CR_STRING, 1, &standard}};
    cr_auto_free double *values = calloc((size_t)n, sizeof *values);
    cr_array *array = NULL;
    cr_labelled *plain = NULL;
    if (!values)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld labels", (long long)n);
    for (int64_t k = 0; k < n; k++)
        values[k] = first + (double)k * step;
    CR_TRY(cr_array_copy_memory(CR_F64, 1, &n, values, &array, err));
    cr_status status = cr_labelled_new(c, name, &name, array, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, err);
    if (status == CR_OK)
        status = cr_labelled_with_attrs(plain, 2, attrs, ret, err);
    cr_labelled_unref(plain);
    cr_array_unref(array);
    return status;
}

/* r360x180, as CDO has it: so many columns from 0 E on, so many rows from the south, both around the whole Earth. */
static bool is_regular(const char *word, int64_t *nx, int64_t *ny) {
    const char *by = *word == 'r' ? strchr(word, 'x') : NULL;
    char columns[24];
    if (!by || by - word - 1 >= (int)sizeof columns)
        return false;
    snprintf(columns, sizeof columns, "%.*s", (int)(by - word - 1), word + 1);
    return cr_parse_int(columns, 1, INT32_MAX, nx, NULL) == CR_OK && cr_parse_int(by + 1, 1, INT32_MAX, ny, NULL) == CR_OK;
}

static cr_status regular(cr_context *c, int64_t nx, int64_t ny, const place *from, place *p, cr_err *err) {
    if (nx < 3 || ny < 2 || nx * ny > CELLS_MOST)
        return CR_FAIL(err, CR_INVALID, "a grid has at least 3 columns and 2 rows, and at most %d cells", (int)CELLS_MOST);
    const char *lat = from->curvilinear ? "lat" : cr_labelled_name(from->lat), *lon = from->curvilinear ? "lon" : cr_labelled_name(from->lon);
    CR_TRY(axis_new(c, lat, ny, -90 + 90.0 / (double)ny, 180.0 / (double)ny, true, &p->lat, err));
    CR_TRY(axis_new(c, lon, nx, 0, 360.0 / (double)nx, false, &p->lon, err));
    cr_dataset *none = NULL;
    CR_TRY(cr_dataset_new(c, 0, NULL, 0, NULL, &none, err));
    cr_status status = make_grid(c, p, from_dataset, none, err);
    cr_dataset_unref(none);
    return status;
}

/* The first latitudes and the first longitudes are the place's. */
static void take(place *p, cr_labelled *a) {
    if (!p->lat && cr_is_latitude(a))
        p->lat = cr_labelled_ref(a);
    else if (!p->lon && cr_is_longitude(a))
        p->lon = cr_labelled_ref(a);
}

static cr_status of_dataset(cr_context *c, cr_dataset *d, const char *path, place *p, cr_err *err) {
    for (int k = 0; k < cr_dataset_n_variables(d); k++) {
        cr_labelled *a = NULL;
        if (cr_dataset_get(d, cr_dataset_name(d, k), &a, NULL) != CR_OK)
            continue;
        take(p, a);
        cr_labelled_unref(a);
    }
    return p->lat && p->lon ? make_grid(c, p, from_dataset, d, err)
                            : CR_FAIL(err, CR_NOT_FOUND, "%s has no latitudes and longitudes", path);
}

static cr_status of_file(cr_context *c, const char *path, place *p, cr_err *err) {
    cr_dataset *d = NULL;
    CR_TRY(cr_dataset_open(c, path, NULL, &d, err));
    cr_status status = of_dataset(c, d, path, p, err);
    cr_dataset_unref(d);
    return status;
}

/* Coordinates of a that are latitudes and longitudes; CR_NOT_FOUND without a message when there are none. */
static bool find_place(cr_labelled *a, place *p) {
    for (int k = 0; k < cr_labelled_n_coords(a); k++) {
        cr_labelled *coord = NULL;
        if (cr_labelled_coord(a, cr_labelled_coord_name(a, k), &coord, NULL) != CR_OK)
            continue;
        take(p, coord);
        cr_labelled_unref(coord);
    }
    return p->lat && p->lon;
}

/* ---- the operation ---- */

static bool has_dim(cr_labelled *a, const char *dim) {
    return cr_labelled_axis(a, dim) >= 0;
}

/* Names of the dimensions of a grid. */
static void dims_of(const place *p, const char *dims[2]) {
    dims[0] = cr_labelled_dim(p->lat, 0);
    dims[1] = p->curvilinear ? cr_labelled_dim(p->lat, 1) : cr_labelled_dim(p->lon, 0);
}

/* The dimensions of the grid last. */
static cr_status turn(cr_labelled *a, const place *p, cr_labelled **ret_array, cr_err *err) {
    const char *dims[CR_MAX_DIMS], *own[2];
    int n = 0;
    dims_of(p, own);
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        if (strcmp(cr_labelled_dim(a, k), own[0]) != 0 && strcmp(cr_labelled_dim(a, k), own[1]) != 0)
            dims[n++] = cr_labelled_dim(a, k);
    dims[n] = own[0];
    dims[n + 1] = own[1];
    return cr_labelled_transpose(a, dims, ret_array, err);
}

/* a, whose last dimensions were those of from, with data on the cells of to. */
static cr_status relabelled(cr_context *c, cr_labelled *a, const place *from, const place *to, cr_array *data, cr_labelled **ret_array,
                            cr_err *err) {
    const char *dims[CR_MAX_DIMS], *old[2];
    int ndim = cr_labelled_ndim(a), n = cr_labelled_n_attrs(a);
    cr_labelled *now = NULL, *next = NULL;
    cr_auto_free cr_attr *attrs = calloc((size_t)n + 1, sizeof *attrs);
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d attributes", n);
    for (int k = 0; k < n; k++)
        attrs[k] = *cr_labelled_attr(a, k);
    for (int k = 0; k < ndim - 2; k++)
        dims[k] = cr_labelled_dim(a, k);
    dims_of(from, old);
    dims_of(to, dims + ndim - 2);
    CR_TRY(cr_labelled_new(c, cr_labelled_name(a), dims, data, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &now, err));
    cr_status status = cr_labelled_with_attrs(now, n, attrs, &next, err);
    for (int k = 0; k < cr_labelled_n_coords(a) + 2 && status == CR_OK; k++) {
        int kept = k - 2;
        cr_labelled *coord = k == 0 ? cr_labelled_ref(to->lat) : k == 1 ? cr_labelled_ref(to->lon) : NULL;
        cr_labelled_become(&now, next);
        next = NULL;
        if (!coord)
            status = cr_labelled_coord(a, cr_labelled_coord_name(a, kept), &coord, err);
        bool goes = kept >= 0 && coord && (has_dim(coord, old[0]) || has_dim(coord, old[1]));
        if (status == CR_OK && goes)
            next = cr_labelled_ref(now);
        else if (status == CR_OK)
            status = cr_labelled_with_coord(now, coord, &next, err);
        cr_labelled_unref(coord);
    }
    cr_labelled_unref(now);
    if (status == CR_OK)
        *ret_array = next;
    return status;
}

typedef struct asked {
    cr_weights_options options;
    cr_regrid_options values;
    const cr_label_text *grid;
} asked;

static cr_status read_words(const cr_expr *e, asked *q, int *at, cr_err *err) {
    for (int k = 0; k < e->n_words; k++) {
        const cr_label_text *w = &e->words[k];
        *at = w->at;
        if (!w->quoted && strcmp(w->text, "skipna") == 0)
            q->values = (cr_regrid_options){true, 1.0};
        else if (!w->quoted && cr_regrid_method_find(w->text, &q->options.method, NULL) == CR_OK)
            continue;
        else if (q->grid)
            return CR_FAIL(err, CR_INVALID, "\"%.60s\" is no method: bilinear, conservative, nearest, and skipna behind", w->text);
        else
            q->grid = w;
    }
    if (q->grid)
        return CR_OK;
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "regrid needs a grid");
    cr_err_hint(err, "For instance r360x180 (columns and rows), or the name of a file between quotes.");
    return CR_INVALID;
}

static cr_status target_of(cr_context *c, const cr_inputs *inputs, const asked *q, const place *from, place *to, int *at, cr_err *err) {
    int64_t nx, ny;
    *at = q->grid->at;
    if (!q->grid->quoted && is_regular(q->grid->text, &nx, &ny))
        return regular(c, nx, ny, from, to, err);
    if (q->grid->quoted)
        return of_file(c, q->grid->text, to, err);
    const cr_inputs *named = cr_inputs_called(inputs, q->grid->text);
    if (named)
        return of_dataset(c, named->sets[0], q->grid->text, to, err);
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "\"%.60s\" is no grid", q->grid->text);
    cr_err_hint(err, "For instance r360x180 (columns and rows), or the name of a file between quotes.");
    return CR_INVALID;
}

cr_status cr_apply_regrid(cr_context *c, const cr_inputs *inputs, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at,
                          cr_err *err) {
    asked q = {0};
    place from = {0}, to = {0};
    cr_weights *weights = NULL;
    cr_labelled *turned = NULL;
    cr_array *data = NULL;
    CR_TRY(read_words(e, &q, at, err));
    *at = e->at;
    if (!find_place(a, &from) || cr_labelled_kind(a) != CR_KIND_NUMBERS) {
        bool numbers = cr_labelled_kind(a) == CR_KIND_NUMBERS;
        place_done(&from);
        *ret_array = each ? cr_labelled_ref(a) : NULL;
        return each ? CR_OK
                    : CR_FAIL(err, numbers ? CR_NOT_FOUND : CR_TYPE, numbers ? "%s has no coordinates of latitude and longitude" : "%s is not numbers",
                              cr_labelled_name(a) ? cr_labelled_name(a) : "the array");
    }
    e->used = true;
    cr_status status = make_grid(c, &from, from_inputs, inputs, err);
    if (status == CR_OK)
        status = target_of(c, inputs, &q, &from, &to, at, err);
    if (status == CR_OK)
        status = cr_weights_make(c, from.grid, to.grid, &q.options, &weights, err);
    if (status == CR_OK)
        status = turn(a, &from, &turned, err);
    if (status == CR_OK)
        status = cr_array_regrid(cr_labelled_array(turned), weights, &q.values, &data, err);
    if (status == CR_OK)
        status = relabelled(c, turned, &from, &to, data, ret_array, err);
    cr_array_unref(data);
    cr_labelled_unref(turned);
    cr_weights_unref(weights);
    place_done(&to);
    place_done(&from);
    return status;
}
