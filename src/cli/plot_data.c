/* plot_data.c - which part of an array is drawn, and its values in blocks. */
#include "cli/plot_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

void cr_plot_done(cr_plot *p) {
    free(p->x.borders);
    free(p->y.borders);
    free(p->values);
    free(p->least);
    free(p->largest);
    free(p->lat);
    free(p->lon);
    *p = (cr_plot){0};
}

double cr_axis_first(const cr_plot_axis *a) {
    double first = a->borders[0], last = a->borders[a->n];
    return a->down ? CR_MAX(first, last) : CR_MIN(first, last);
}

double cr_axis_last(const cr_plot_axis *a) {
    double first = a->borders[0], last = a->borders[a->n];
    return a->down ? CR_MIN(first, last) : CR_MAX(first, last);
}

/* ---- words ---- */

static const char *text_attr(const cr_labelled *a, const char *name) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *t = cr_labelled_attr(a, k);
        if (strcmp(t->name, name) == 0 && t->dtype == CR_STRING && t->n == 1)
            return *(const char *const *)t->values;
    }
    return NULL;
}

/* "sea surface temperature [K]" */
static void describe(const cr_labelled *a, char *buf, size_t size, bool with_units) {
    const char *name = text_attr(a, "long_name"), *units = text_attr(a, "units");
    if (!name || !*name)
        name = text_attr(a, "standard_name");
    if (!name || !*name)
        name = cr_labelled_name(a) ? cr_labelled_name(a) : "result";
    bool known = with_units && units && *units && strcmp(units, "1") != 0;
    snprintf(buf, size, known ? "%.100s [%.50s]" : "%.100s", name, units);
    for (char *c = buf; name == text_attr(a, "standard_name") && *c && *c != '['; c++)
        *c = *c == '_' ? ' ' : *c;
}

/* ---- choosing ---- */

/* Borders of cells: named by an attribute of a variable (CF 7.1), or as is usual. */
static bool is_bounds(const cr_dataset *d, const char *name) {
    bool found = cr_ends_with(name, "_bnds") || cr_ends_with(name, "_bounds") || cr_starts_with(name, "bounds_");
    for (int k = 0; k < cr_dataset_n_variables(d) && !found; k++) {
        cr_labelled *a = NULL;
        if (cr_dataset_get(d, cr_dataset_name(d, k), &a, NULL) != CR_OK)
            continue;
        const char *bounds = text_attr(a, "bounds");
        found = bounds && strcmp(bounds, name) == 0;
        cr_labelled_unref(a);
    }
    return found;
}

cr_status cr_plot_choose(const cr_dataset *d, const char **ret_name, cr_err *err) {
    int most = 0;
    for (int k = 0; k < cr_dataset_n_variables(d); k++) {
        cr_labelled *a = NULL;
        const char *name = cr_dataset_name(d, k);
        if (cr_dataset_is_coord(d, k) || is_bounds(d, name) || cr_dataset_get(d, name, &a, NULL) != CR_OK)
            continue;
        if (cr_labelled_kind(a) == CR_KIND_NUMBERS && cr_labelled_ndim(a) > most) {
            most = cr_labelled_ndim(a);
            *ret_name = name;
        }
        cr_labelled_unref(a);
    }
    if (most > 0)
        return CR_OK;
    cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "the file has no variable of numbers with dimensions");
    cr_err_hint(err, "craton info lists what is there; coordinates are drawn when they are named: craton plot FILE lat");
    return CR_NOT_FOUND;
}

/* Dimensions of the plane; NULL: as many as there are. */
typedef struct plane {
    char dims[2][256];            /* y, x */
    cr_labelled *lat, *lon;       /* two-dimensional places of the cells; NULL: none */
} plane;

static void plane_done(plane *p) {
    cr_labelled_unref(p->lat);
    cr_labelled_unref(p->lon);
    *p = (plane){0};
}

static bool set_dims(plane *p, const char *y, const char *x) {
    if (strlen(y) >= sizeof p->dims[0] || strlen(x) >= sizeof p->dims[1] || strcmp(y, x) == 0)
        return false;
    strcpy(p->dims[0], y);
    strcpy(p->dims[1], x);
    return true;
}

static bool lies_on(const cr_labelled *coord, const cr_labelled *a) {
    return cr_labelled_ndim(coord) == 2 && cr_labelled_axis(a, cr_labelled_dim(coord, 0)) >= 0 && cr_labelled_axis(a, cr_labelled_dim(coord, 1)) >= 0;
}

/* Latitudes and longitudes of the array: of rows and columns, or of each cell. */
static bool find_earth(cr_labelled *a, plane *p) {
    char rows[256] = "", columns[256] = "";
    for (int k = 0; k < cr_labelled_n_coords(a); k++) {
        cr_labelled *coord = NULL;
        if (cr_labelled_coord(a, cr_labelled_coord_name(a, k), &coord, NULL) != CR_OK)
            continue;
        bool numbers = cr_labelled_kind(coord) == CR_KIND_NUMBERS, lat = numbers && cr_is_latitude(coord), lon = numbers && cr_is_longitude(coord);
        if ((lat || lon) && cr_labelled_ndim(coord) == 1)
            snprintf(lat ? rows : columns, sizeof rows, "%s", cr_labelled_dim(coord, 0));
        cr_labelled **place = lat ? &p->lat : &p->lon;
        if ((lat || lon) && !*place && lies_on(coord, a))
            *place = cr_labelled_ref(coord);
        cr_labelled_unref(coord);
    }
    if (*rows && *columns && set_dims(p, rows, columns)) {
        cr_labelled_unref(p->lat);
        cr_labelled_unref(p->lon);
        p->lat = p->lon = NULL;
        return true;
    }
    bool both = p->lat && p->lon && cr_labelled_axis(p->lon, cr_labelled_dim(p->lat, 0)) == 0 &&
                cr_labelled_axis(p->lon, cr_labelled_dim(p->lat, 1)) == 1;
    if (both && set_dims(p, cr_labelled_dim(p->lat, 0), cr_labelled_dim(p->lat, 1)))
        return true;
    plane_done(p);
    return false;
}

/* Of several dimensions: those with latitudes and longitudes, else the last two that have more than one element. */
static void find_plane(cr_labelled *a, plane *p) {
    int found[2] = {-1, -1}, n = 0;
    if (find_earth(a, p))
        return;
    for (int k = cr_labelled_ndim(a) - 1; k >= 0 && n < 2; k--)
        if (cr_labelled_shape(a)[k] > 1)
            found[n++] = k;
    if (n == 2)
        (void)set_dims(p, cr_labelled_dim(a, found[1]), cr_labelled_dim(a, found[0]));
}

/* "time 2000-01-16 (the first of 12)" behind what is there. */
static void say_taken(cr_labelled *a, const char *dim, int64_t extent, char *buf, size_t size) {
    cr_labelled *label = NULL;
    double value = 0;
    char text[80] = "0";
    size_t n = strlen(buf);
    if (cr_labelled_coord(a, dim, &label, NULL) == CR_OK && cr_labelled_array(label) && cr_labelled_ndim(label) == 0 &&
        cr_labelled_kind(label) == CR_KIND_TIMES) {
        int64_t us;
        cr_date date;
        if (cr_labelled_load(label, &us, sizeof us, NULL) == CR_OK && us != CR_TIME_MISSING) {
            cr_date_from_us(cr_labelled_calendar(label), us, &date);
            cr_date_text(&date, text, sizeof text);
        }
    } else if (label && cr_labelled_kind(label) == CR_KIND_TEXT && cr_labelled_ndim(label) == 0) {
        snprintf(text, sizeof text, "%.70s", cr_labelled_text_values(label)[0]);
    } else if (label && cr_labelled_dtype(label) == CR_F64 && cr_labelled_load(label, &value, sizeof value, NULL) == CR_OK) {
        snprintf(text, sizeof text, "%.7g", value);
    }
    cr_labelled_unref(label);
    if (extent > 1)
        snprintf(buf + n, size - n, "%s%.60s %s (first of %lld)", n ? ", " : "", dim, text, (long long)extent);
    else
        snprintf(buf + n, size - n, "%s%.60s %s", n ? ", " : "", dim, text);
}

/* The first element of dimensions that are not in the plane. */
static cr_status cut(cr_labelled *a, const plane *p, cr_labelled **ret_array, char *said, size_t size, cr_err *err) {
    cr_labelled *now = cr_labelled_ref(a);
    for (int k = 0; k < cr_labelled_ndim(a); k++) {
        const char *dim = cr_labelled_dim(a, k);
        cr_labelled *next = NULL;
        bool stays = *p->dims[0] ? strcmp(dim, p->dims[0]) == 0 || strcmp(dim, p->dims[1]) == 0 : cr_labelled_shape(a)[k] > 1;
        if (stays)
            continue;
        cr_status status = cr_isel(now, dim, 0, &next, err);
        if (status != CR_OK) {
            cr_labelled_unref(now);
            return status;
        }
        say_taken(next, dim, cr_labelled_shape(a)[k], said, size);
        cr_labelled_become(&now, next);
    }
    *ret_array = now;
    return CR_OK;
}

/* ---- axes ---- */

/* Of labels: a time in microseconds, and room for what is computed from it. */
#define FARTHEST 4e18

/* Borders between n places, and as far again at both ends; false: they neither rise nor fall, or are too far or too close to be told apart. */
static bool borders_between(const double *at, int64_t n, int64_t block, int64_t blocks, double *borders) {
    bool falls = n > 1 && at[n - 1] < at[0];
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(at[k]) || (k > 0 && (falls ? at[k] >= at[k - 1] : at[k] <= at[k - 1])))
            return false;
    for (int64_t b = 0; b <= blocks; b++) {
        int64_t k = CR_MIN(b * block, n);
        borders[b] = n == 1 ? at[0] + (b ? 0.5 : -0.5)
                   : k == 0 ? at[0] - (at[1] - at[0]) / 2
                   : k == n ? at[n - 1] + (at[n - 1] - at[n - 2]) / 2
                            : (at[k - 1] + at[k]) / 2;
        if (!(fabs(borders[b]) <= FARTHEST) || (b > 0 && (falls ? borders[b] >= borders[b - 1] : borders[b] <= borders[b - 1])))
            return false;
    }
    return true;
}

static void name_axis(cr_labelled *coord, cr_plot_axis *axis) {
    const char *positive = text_attr(coord, "positive");
    axis->down = positive && strcmp(positive, "down") == 0;
    if (cr_labelled_kind(coord) == CR_KIND_TIMES) {
        axis->scale = CR_SCALE_TIMES;
        axis->calendar = cr_labelled_calendar(coord);
    } else if (cr_is_latitude(coord)) {
        axis->scale = CR_SCALE_LATITUDES;
    } else if (cr_is_longitude(coord)) {
        axis->scale = CR_SCALE_LONGITUDES;
    } else {
        describe(coord, axis->label, sizeof axis->label, true);
    }
}

/* Of dimension k in blocks; labels that cannot be an axis are left for positions. */
static cr_status make_axis(cr_context *c, cr_labelled *a, int k, int64_t block, cr_plot_axis *axis, cr_err *err) {
    const char *dim = cr_labelled_dim(a, k);
    int64_t n = cr_labelled_shape(a)[k], got = 0;
    cr_auto_free double *at = NULL;
    cr_labelled *index = NULL;
    bool done = false;
    axis->n = (n + block - 1) / block;
    axis->borders = calloc((size_t)axis->n + 1, sizeof *axis->borders);
    if (!axis->borders)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld borders", (long long)axis->n);
    if (cr_labelled_coord(a, dim, &index, NULL) == CR_OK && cr_labelled_array(index) && cr_labelled_ndim(index) == 1) {
        cr_status status = cr_load_doubles(c, index, &at, &got, err);
        done = status == CR_OK && borders_between(at, n, block, axis->n, axis->borders);
        if (done)
            name_axis(index, axis);
        if (status != CR_OK) {
            cr_labelled_unref(index);
            return status;
        }
    }
    cr_labelled_unref(index);
    if (done)
        return CR_OK;
    snprintf(axis->label, sizeof axis->label, "%.150s", dim);
    for (int64_t b = 0; b <= axis->n; b++)
        axis->borders[b] = (double)CR_MIN(b * block, n) - 0.5;
    return CR_OK;
}

/* ---- values in blocks ---- */

/* Axis `axis` of a in blocks of `block`, each reduced. */
static cr_status by_blocks(cr_array *a, int axis, int64_t block, cr_reduction r, cr_array **ret_array, cr_err *err) {
    int64_t n = cr_array_shape(a)[axis], blocks = (n + block - 1) / block;
    cr_reduce_options options = {.skipna = true};
    cr_auto_free int32_t *codes = calloc((size_t)n + 1, sizeof *codes);
    if (!codes)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld cells", (long long)n);
    for (int64_t k = 0; k < n; k++)
        codes[k] = (int32_t)(k / block);
    return cr_array_group(r, a, 1, &axis, codes, blocks, &options, ret_array, err);
}

/* Means of blocks while boxes stream by, each of whole blocks: no sum depends on the order in which they come. */
typedef struct averaging {
    int64_t block[2], nx;
    double *values;
} averaging;

static cr_status average_box(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    const averaging *k = user;
    const double *v = data;
    for (int64_t i = 0; i < count[0]; i += k->block[0])
        for (int64_t j = 0; j < count[1]; j += k->block[1]) {
            int64_t rows = CR_MIN(k->block[0], count[0] - i), columns = CR_MIN(k->block[1], count[1] - j), n = 0;
            double sum = 0;
            for (int64_t y = i; y < i + rows; y++)
                for (int64_t x = j; x < j + columns; x++) {
                    double one = v[y * count[1] + x];
                    sum += isnan(one) ? 0 : one;
                    n += !isnan(one);
                }
            k->values[(start[0] + i) / k->block[0] * k->nx + (start[1] + j) / k->block[1]] = n ? sum / (double)n : NAN;
        }
    return CR_OK;
}

/* n means of blocks of a plane, nx in a row; blocks of one cell are the cells. */
static cr_status load_means(cr_context *c, cr_array *a, const int64_t block[2], int64_t nx, int64_t n, double **ret_values, cr_err *err) {
    enum { BOX = 256 };               /* cells on a side, about */
    cr_array *real = NULL;
    cr_auto_free double *values = calloc((size_t)n + 1, sizeof *values);
    if (!values)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld cells", (long long)n);
    CR_TRY(cr_array_cast(a, CR_F64, &real, err));
    averaging k = {{block[0], block[1]}, nx, values};
    int64_t boxes[2] = {CR_MAX(BOX / block[0], 1) * block[0], CR_MAX(BOX / block[1], 1) * block[1]};
    cr_sink sink = {.chunks = boxes, .write = average_box, .user = &k};
    cr_status status = block[0] == 1 && block[1] == 1 ? cr_compute(c, 1, &real, (void *[]){values}, err) : cr_compute_to(c, 1, &real, &sink, err);
    cr_array_unref(real);
    if (status == CR_OK) {
        *ret_values = values;
        values = NULL;
    }
    return status;
}

/* Cells in the middle of blocks. */
static cr_status load_middles(cr_context *c, cr_labelled *a, const int64_t block[2], int64_t n, double **ret_values, cr_err *err) {
    cr_slice slices[2];
    cr_array *picked = NULL, *real = NULL;
    for (int k = 0; k < 2; k++) {
        int64_t extent = cr_labelled_shape(a)[k], blocks = (extent + block[k] - 1) / block[k];
        int64_t start = CR_MIN(block[k] / 2, extent - 1 - (blocks - 1) * block[k]);   /* also the last block, which may be short, has it */
        slices[k] = (cr_slice){start, block[k], blocks};
    }
    cr_auto_free double *values = calloc((size_t)n + 1, sizeof *values);
    if (!values)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld cells", (long long)n);
    cr_status status = cr_array_slice(cr_labelled_array(a), slices, &picked, err);
    if (status == CR_OK)
        status = cr_array_cast(picked, CR_F64, &real, err);
    if (status == CR_OK)
        status = cr_compute(c, 1, &real, (void *[]){values}, err);
    cr_array_unref(real);
    cr_array_unref(picked);
    if (status == CR_OK) {
        *ret_values = values;
        values = NULL;
    }
    return status;
}

/* Least and largest of those that are finite; false: there is none. */
static bool range_of(const double *v, int64_t n, double *low, double *high) {
    bool any = false;
    for (int64_t k = 0; k < n; k++) {
        if (!isfinite(v[k]))
            continue;
        *low = any ? CR_MIN(*low, v[k]) : v[k];
        *high = any ? CR_MAX(*high, v[k]) : v[k];
        any = true;
    }
    return any;
}

static cr_status none_to_draw(cr_labelled *a, cr_err *err) {
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "all values of %.100s that would be drawn are missing", cr_labelled_name(a) ?: "the result");
    cr_err_hint(err, "Select others, for instance: craton plot FILE 'tos.isel(time=10)'");
    return CR_INVALID;
}

/* Differences must be numbers too, and larger than the steps between numbers. */
static cr_status check_span(cr_plot *p, cr_err *err) {
    double largest = CR_MAX(fabs(p->low), fabs(p->high));
    if (largest > 1e300) {
        cr_err_set(err, CR_RANGE, __FILE__, __LINE__, "values from %g to %g cannot be drawn", p->low, p->high);
        cr_err_hint(err, "--low and --high say which are.");
        return CR_RANGE;
    }
    if (p->high - p->low < largest * 1e-12 || p->high - p->low < 1e-300) {    /* one value, but for rounding: in the middle */
        double room = CR_MAX(largest * 1e-3, 1e-290);
        p->low -= room;
        p->high += room;
    }
    return CR_OK;
}

/* Limits that were asked for; colours from the middle when both signs weigh: the lesser side is at least a tenth of the other. */
static cr_status limit(const cr_plot_options *o, cr_plot *p, cr_err *err) {
    p->low = o->has_low ? o->low : p->low;
    p->high = o->has_high ? o->high : p->high;
    if (p->low > p->high)
        return CR_FAIL(err, CR_INVALID, "the lowest value drawn, %g, lies above the highest, %g", p->low, p->high);
    CR_TRY(check_span(p, err));
    p->diverging = p->low < 0 && p->high > 0 && CR_MIN(-p->low, p->high) >= 0.1 * CR_MAX(-p->low, p->high);
    if (p->diverging && !o->has_low && !o->has_high) {
        p->high = CR_MAX(-p->low, p->high);
        p->low = -p->high;
    }
    return CR_OK;
}

/* ---- forms ---- */

/* What of the Earth cells with places of their own cover: longitudes in the turn in which they lie together. */
static void frame(cr_plot *p) {
    double low[2] = {0}, high[2] = {0}, south = 0, north = 0;
    int64_t n = p->x.n * p->y.n;
    for (int turn = 0; turn < 2; turn++) {
        bool any = false;
        for (int64_t k = 0; k < n; k++) {
            if (!isfinite(p->lon[k]) || !isfinite(p->lat[k]))
                continue;
            double lon = p->lon[k] - 360 * floor((p->lon[k] + (turn ? 0 : 180)) / 360);
            low[turn] = any ? CR_MIN(low[turn], lon) : lon;
            high[turn] = any ? CR_MAX(high[turn], lon) : lon;
            any = true;
        }
    }
    (void)range_of(p->lat, n, &south, &north);
    int better = high[1] - low[1] < high[0] - low[0] - 1e-6;
    /* Half a cell, about, at each side. */
    double side = 0.01 + CR_MAX(high[better] - low[better], north - south) / (double)CR_MAX(CR_MAX(p->x.n, p->y.n), 2) / 2;
    p->x.borders[0] = low[better] - side;
    p->x.borders[p->x.n] = CR_MIN(high[better] + side, low[better] - side + 360);
    p->y.borders[0] = CR_MAX(south - side, -90);
    p->y.borders[p->y.n] = CR_MIN(north + side, 90);
    p->x.scale = CR_SCALE_LONGITUDES;
    p->y.scale = CR_SCALE_LATITUDES;
}

static cr_status make_curved(cr_context *c, const plane *where, const int64_t block[2], const int64_t shape[2], cr_plot *p, cr_err *err) {
    p->form = CR_PLOT_CURVED;
    p->y.n = (shape[0] + block[0] - 1) / block[0];
    p->x.n = (shape[1] + block[1] - 1) / block[1];
    p->x.borders = calloc((size_t)p->x.n + 1, sizeof *p->x.borders);
    p->y.borders = calloc((size_t)p->y.n + 1, sizeof *p->y.borders);
    if (!p->x.borders || !p->y.borders)
        return CR_FAIL(err, CR_MEMORY, "no memory for borders");
    CR_TRY(load_middles(c, where->lat, block, p->x.n * p->y.n, &p->lat, err));
    CR_TRY(load_middles(c, where->lon, block, p->x.n * p->y.n, &p->lon, err));
    for (int64_t k = 0; k < p->x.n * p->y.n; k++)
        if (!(fabs(p->lat[k]) <= 90.001 && fabs(p->lon[k]) <= 1e5))
            p->lat[k] = p->lon[k] = NAN;      /* no place: fill values, as a rule */
    frame(p);
    return CR_OK;
}

static cr_status make_field(cr_context *c, cr_labelled *a, const plane *where, const cr_plot_options *o, cr_plot *p, cr_err *err) {
    const char *dims[2] = {where->dims[0], where->dims[1]};
    cr_labelled *turned = NULL;
    int64_t block[2];
    CR_TRY(cr_labelled_transpose(a, dims, &turned, err));
    const int64_t *shape = cr_labelled_shape(turned);
    for (int k = 0; k < 2; k++)
        block[k] = CR_MAX((shape[k] + o->most - 1) / o->most, 1);
    cr_status status = CR_OK;
    if (where->lat) {
        status = make_curved(c, where, block, shape, p, err);
    } else {
        p->form = CR_PLOT_FIELD;
        status = make_axis(c, turned, 0, block[0], &p->y, err);
        if (status == CR_OK)
            status = make_axis(c, turned, 1, block[1], &p->x, err);
    }
    if (status == CR_OK)
        status = load_means(c, cr_labelled_array(turned), block, p->x.n, p->x.n * p->y.n, &p->values, err);
    if (status == CR_OK && !range_of(p->values, p->x.n * p->y.n, &p->low, &p->high))
        status = none_to_draw(a, err);
    cr_labelled_unref(turned);
    return status == CR_OK ? limit(o, p, err) : status;
}

static cr_status make_line(cr_context *c, cr_labelled *a, const cr_plot_options *o, cr_plot *p, cr_err *err) {
    int64_t n = cr_labelled_shape(a)[0], block = (n + 2 * o->most - 1) / (2 * o->most);
    cr_array *real = NULL, *least = NULL, *largest = NULL;
    double low = 0, high = 0;
    p->form = CR_PLOT_LINE;
    CR_TRY(make_axis(c, a, 0, block, &p->x, err));
    p->least = calloc((size_t)p->x.n + 1, sizeof *p->least);
    p->largest = calloc((size_t)p->x.n + 1, sizeof *p->largest);
    if (!p->least || !p->largest)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld values", (long long)p->x.n);
    cr_status status = cr_array_cast(cr_labelled_array(a), CR_F64, &real, err);
    if (status == CR_OK)
        status = by_blocks(real, 0, block, CR_REDUCE_MIN, &least, err);
    if (status == CR_OK)
        status = by_blocks(real, 0, block, CR_REDUCE_MAX, &largest, err);
    if (status == CR_OK)
        status = cr_compute(c, 2, (cr_array *[]){least, largest}, (void *[]){p->least, p->largest}, err);
    cr_array_unref(largest);
    cr_array_unref(least);
    cr_array_unref(real);
    if (status == CR_OK && (!range_of(p->least, p->x.n, &p->low, &high) || !range_of(p->largest, p->x.n, &low, &p->high)))
        status = none_to_draw(a, err);
    return status == CR_OK ? limit(&(cr_plot_options){.has_low = o->has_low, .low = o->low, .has_high = o->has_high, .high = o->high}, p, err)
                           : status;
}

/* Counts while boxes stream by. */
typedef struct counting {
    cr_plot *plot;
    int ndim;
} counting;

static cr_status count_box(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    counting *k = user;
    cr_plot *p = k->plot;
    const double *v = data;
    int64_t n = 1;
    double width = (p->high - p->low) / (double)p->x.n;
    for (int d = 0; d < k->ndim; d++)
        n *= count[d];
    for (int64_t i = 0; i < n; i++) {
        if (!(v[i] >= p->low && v[i] <= p->high)) {
            p->n_missing += !isfinite(v[i]);
            continue;
        }
        int64_t bin = width > 0 ? (int64_t)((v[i] - p->low) / width) : 0;
        bin = CR_MIN(CR_MAX(bin, 0), p->x.n - 1);
        /* Borders are what decides: a division may round across one. */
        bin -= bin > 0 && v[i] < p->x.borders[bin];
        bin += bin < p->x.n - 1 && v[i] >= p->x.borders[bin + 1];
        p->values[bin]++;
    }
    return CR_OK;
}

static cr_status ends_of(cr_context *c, cr_array *real, cr_plot *p, cr_err *err) {
    cr_reduce_options options = {.skipna = true};
    cr_array *ends[2] = {NULL, NULL};
    cr_status status = cr_array_reduce(CR_REDUCE_MIN, real, 0, NULL, &options, &ends[0], err);
    if (status == CR_OK)
        status = cr_array_reduce(CR_REDUCE_MAX, real, 0, NULL, &options, &ends[1], err);
    if (status == CR_OK)
        status = cr_compute(c, 2, ends, (void *[]){&p->low, &p->high}, err);
    cr_array_unref(ends[0]);
    cr_array_unref(ends[1]);
    return status;
}

static cr_status fill_bins(cr_context *c, cr_labelled *a, cr_array *real, const cr_plot_options *o, cr_plot *p, cr_err *err) {
    CR_TRY(ends_of(c, real, p, err));
    if (isnan(p->low))
        return none_to_draw(a, err);
    p->low = o->has_low ? o->low : p->low;
    p->high = o->has_high ? o->high : p->high;
    if (!isfinite(p->low) || !isfinite(p->high))
        return CR_FAIL(err, CR_INVALID, "there are infinite values; --low and --high say what is counted");
    if (p->low > p->high)
        return CR_FAIL(err, CR_INVALID, "the lowest value counted, %g, lies above the highest, %g", p->low, p->high);
    CR_TRY(check_span(p, err));
    /* Sturges' rule with room for more: pictures have it. */
    p->x.n = o->bins ? o->bins : (int64_t)CR_MIN(CR_MAX(ceil(2 * cbrt((double)cr_array_size(real))), 10), 60);
    p->x.borders = calloc((size_t)p->x.n + 1, sizeof *p->x.borders);
    p->values = calloc((size_t)p->x.n + 1, sizeof *p->values);
    if (!p->x.borders || !p->values)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld bins", (long long)p->x.n);
    for (int64_t k = 0; k <= p->x.n; k++)
        p->x.borders[k] = k == p->x.n ? p->high : p->low + (double)k * (p->high - p->low) / (double)p->x.n;
    counting k = {p, cr_array_ndim(real)};
    cr_sink sink = {.serial = true, .write = count_box, .user = &k};
    return cr_compute_to(c, 1, &real, &sink, err);
}

static cr_status make_histogram(cr_context *c, cr_labelled *a, const cr_plot_options *o, cr_plot *p, cr_err *err) {
    cr_array *real = NULL;
    p->form = CR_PLOT_HISTOGRAM;
    CR_TRY(cr_array_cast(cr_labelled_array(a), CR_F64, &real, err));
    cr_status status = fill_bins(c, a, real, o, p, err);
    cr_array_unref(real);
    if (status == CR_OK) {
        describe(a, p->x.label, sizeof p->x.label, true);
        snprintf(p->label, sizeof p->label, "number of values");
    }
    return status;
}

static cr_status only_numbers(cr_labelled *a, cr_err *err) {
    const char *name = cr_labelled_name(a) ? cr_labelled_name(a) : "the result";
    if (cr_labelled_kind(a) != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "%.100s is not numbers", name);
    if (cr_array_size(cr_labelled_array(a)) > 1)
        return CR_OK;
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%.100s is %s, which is no picture", name,
               cr_array_size(cr_labelled_array(a)) ? "a single value" : "empty");
    cr_err_hint(err, "craton calc prints values.");
    return CR_INVALID;
}

cr_status cr_plot_make(cr_context *c, cr_labelled *a, const cr_plot_options *options, cr_plot *ret_plot, cr_err *err) {
    cr_plot p = {0};
    plane where = {0};
    cr_labelled *part = NULL;
    CR_TRY(only_numbers(a, err));
    describe(a, p.title, sizeof p.title, false);
    describe(a, p.label, sizeof p.label, true);
    cr_status status = CR_OK;
    if (options->histogram) {
        status = make_histogram(c, a, options, &p, err);
    } else {
        find_plane(a, &where);
        status = cut(a, &where, &part, p.subtitle, sizeof p.subtitle, err);
        if (status == CR_OK)
            status = *where.dims[0] ? make_field(c, part, &where, options, &p, err) : make_line(c, part, options, &p, err);
    }
    cr_labelled_unref(part);
    plane_done(&where);
    if (status == CR_OK)
        *ret_plot = p;
    else
        cr_plot_done(&p);
    return status;
}
