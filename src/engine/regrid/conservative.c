/* conservative.c - what source and target cells share.
 *
 * Between rectilinear grids a shared area is the product of a stretch of longitude and one of sin(latitude): what each row and each
 * column of the target shares with those of the source is found once. Else polygons are cut by each other. */
#include <stdlib.h>

#include "engine/regrid/search.h"

#define DEGREE 0.017453292519943295
#define SLIVER 1e-14              /* of the smaller cell: what cells that only touch share by rounding */

/* ---- rectilinear ---- */

typedef struct overlap {
    int32_t at;                   /* row or column of the source */
    double size;
} overlap;

typedef struct overlap_list {     /* per row or column of the target */
    overlap *items;
    int64_t *begin;
    int64_t n, cap;
} overlap_list;

typedef struct overlaps {
    overlap_list y, x;
} overlaps;

void cr_search_overlaps_done(void *data) {
    overlaps *o = data;
    free(o->y.items);
    free(o->y.begin);
    free(o->x.items);
    free(o->x.begin);
}

static cr_status add_overlap(overlap_list *l, int64_t at, double size, cr_err *err) {
    if (size <= 0)
        return CR_OK;
    if (l->n == l->cap) {
        int64_t cap = l->cap == 0 ? 256 : 2 * l->cap;
        overlap *more = realloc(l->items, (size_t)cap * sizeof *more);
        if (more == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory to regrid");
        l->items = more;
        l->cap = cap;
    }
    l->items[l->n++] = (overlap){(int32_t)at, size};
    return CR_OK;
}

/* In a rising order of both ends, whatever the axis does. */
static void ends(const double *bounds, int64_t i, double *lo, double *hi) {
    *lo = fmin(bounds[i], bounds[i + 1]);
    *hi = fmax(bounds[i], bounds[i + 1]);
}

static cr_status rows_shared(const cr_grid *from, const cr_grid *to, overlap_list *l, cr_err *err) {
    for (int64_t j = 0; j < to->ny; j++) {
        double a, b, c, d;
        ends(to->lat_bounds, j, &a, &b);
        for (int64_t i = 0; i < from->ny; i++) {
            ends(from->lat_bounds, i, &c, &d);
            double lo = CR_MAX(a, c), hi = CR_MIN(b, d);
            CR_TRY(add_overlap(l, i, hi > lo ? sin(hi * DEGREE) - sin(lo * DEGREE) : 0, err));
        }
        l->begin[j + 1] = l->n;
    }
    return CR_OK;
}

static cr_status columns_shared(const cr_grid *from, const cr_grid *to, overlap_list *l, cr_err *err) {
    for (int64_t j = 0; j < to->nx; j++) {
        double a, b, c, d;
        ends(to->lon_bounds, j, &a, &b);
        for (int64_t i = 0; i < from->nx; i++) {
            ends(from->lon_bounds, i, &c, &d);
            double sum = 0;
            for (double turn = 360 * ceil((a - d) / 360); c + turn < b; turn += 360) /* it may lie on both ends */
                sum += CR_MAX(0, CR_MIN(b, d + turn) - CR_MAX(a, c + turn));
            CR_TRY(add_overlap(l, i, sum < 1e-12 ? 0 : sum * DEGREE, err)); /* borders that are the same but for a turn are not, by rounding */
        }
        l->begin[j + 1] = l->n;
    }
    return CR_OK;
}

static cr_status find_boxes(const cr_search *s, int64_t cell, cr_found *f, double *ret_share, cr_err *err) {
    const overlaps *o = s->data;
    int64_t y = cell / s->to->nx, x = cell % s->to->nx, first = f->n;
    double covered = 0, area = cr_grid_box_area(s->to, cell);
    for (int64_t j = o->y.begin[y]; j < o->y.begin[y + 1]; j++)
        for (int64_t i = o->x.begin[x]; i < o->x.begin[x + 1]; i++) {
            int64_t source = o->y.items[j].at * s->from->nx + o->x.items[i].at;
            double shared = o->y.items[j].size * o->x.items[i].size;
            if (!cr_grid_has(s->from, source))
                continue;
            CR_TRY(cr_found_add(f, source, shared, err));
            covered += shared;
        }
    for (int64_t k = first; k < f->n; k++)
        f->weight[k] /= s->options.norm == CR_REGRID_DSTAREA ? area : covered;
    *ret_share = covered / area;
    return CR_OK;
}

static cr_status prepare_boxes(cr_search *s, cr_err *err) {
    overlaps *o = calloc(1, sizeof *o);
    if (o == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to regrid");
    s->data = o;
    o->y.begin = calloc((size_t)s->to->ny + 1, sizeof(int64_t));
    o->x.begin = calloc((size_t)s->to->nx + 1, sizeof(int64_t));
    if (o->y.begin == NULL || o->x.begin == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to regrid");
    CR_TRY(rows_shared(s->from, s->to, &o->y, err));
    CR_TRY(columns_shared(s->from, s->to, &o->x, err));
    s->find = find_boxes;
    return CR_OK;
}

/* ---- polygons ---- */

static cr_box cell_box(const void *user, int32_t item) {
    cr_polygon p;
    cr_grid_polygon(user, item, &p);
    return cr_box_of(&p);
}

static cr_status find_polygons(const cr_search *s, int64_t cell, cr_found *f, double *ret_share, cr_err *err) {
    const cr_box_tree *t = s->tree;
    cr_polygon target, source;
    cr_grid_polygon(s->to, cell, &target);
    cr_box b = cr_box_of(&target);
    double covered = 0, area = cr_polygon_area(&target);
    int64_t first = f->n;
    for (int32_t i = 0; i < t->n_nodes;) {
        if (!cr_box_overlaps(&t->nodes[i].box, &b)) {
            i = t->nodes[i].skip;
            continue;
        }
        if (cr_context_cancelled(s->context)) /* a cell may lie over all of the source */
            return CR_FAIL(err, CR_CANCELLED, "cancelled");
        for (int32_t k = t->nodes[i].begin; k < t->nodes[i].end && cr_box_node_is_leaf(t, i); k++) {
            cr_grid_polygon(s->from, t->order[k], &source);
            cr_box other = cr_box_of(&source);
            double shared = cr_box_overlaps(&other, &b) ? cr_polygon_shared(&source, &target) : 0;
            if (shared <= 0 || shared < SLIVER * CR_MIN(area, cr_polygon_area(&source)))
                continue;
            CR_TRY(cr_found_add(f, t->order[k], shared, err));
            covered += shared;
        }
        i++;
    }
    for (int64_t k = first; k < f->n; k++)
        f->weight[k] /= s->options.norm == CR_REGRID_DSTAREA ? area : covered;
    *ret_share = covered / area;
    return CR_OK;
}

static cr_status check_width(const char *what, const cr_grid *g, cr_err *err) {
    for (int64_t i = 0; i < g->nx && g->rectilinear; i++)
        if (fabs(g->lon_bounds[i + 1] - g->lon_bounds[i]) > 87)
            return CR_FAIL(err, CR_UNSUPPORTED, "column %lld of the %s grid is %g degrees wide; between grids of which one is curvilinear, 87 are "
                           "possible", (long long)i, what, fabs(g->lon_bounds[i + 1] - g->lon_bounds[i]));
    for (int64_t i = 0; i < g->ny && g->rectilinear; i++)
        if (fabs(g->lat_bounds[i + 1] - g->lat_bounds[i]) > 87)
            return CR_FAIL(err, CR_UNSUPPORTED, "row %lld of the %s grid is %g degrees high; between grids of which one is curvilinear, 87 are "
                           "possible", (long long)i, what, fabs(g->lat_bounds[i + 1] - g->lat_bounds[i]));
    return CR_OK;
}

static cr_status check_corners(const char *what, const cr_grid *g, cr_err *err) {
    if (cr_grid_knows_corners(g))
        return CR_OK;
    cr_status s = CR_FAIL(err, CR_INVALID, "conservative regridding needs the corners of the cells of the %s grid", what);
    cr_err_hint(err, "give bounds (CF 7.1), or take \"bilinear\" or \"nearest\"");
    return s;
}

cr_status cr_search_conservative(cr_search *s, cr_err *err) {
    int32_t *items, n;
    CR_TRY(check_corners("source", s->from, err));
    CR_TRY(check_corners("target", s->to, err));
    if (s->from->rectilinear && s->to->rectilinear)
        return prepare_boxes(s, err);
    CR_TRY(check_width("source", s->from, err));
    CR_TRY(check_width("target", s->to, err));
    s->find = find_polygons;
    CR_TRY(cr_search_items(s->from, &items, &n, err));
    cr_status status = cr_box_tree_new(s->context, n, items, cell_box, s->from, &s->tree, err);
    if (status != CR_OK)
        free(items);
    return status;
}
