/* bilinear.c - the four source centres around a target centre.
 *
 * Rectilinear sources: two bisections. Others: four neighbouring centres make a quad; the quad that a direction goes through is found in a tree,
 * and its place on the quad's surface by a quadratic equation. Where quads lie over each other, as on grids with a fold, the first counts. */
#include <stdlib.h>

#include "engine/regrid/search.h"

#define INSIDE 1e-9               /* of the side of a quad: neither gaps nor a border twice */

/* ---- rectilinear ---- */

typedef struct axis {             /* rising */
    int64_t n;
    bool turned;                  /* position i is the grid's n - 1 - i */
    double *v;
} axis;

typedef struct axes {
    axis y, x;
} axes;

static int64_t place(const axis *a, int64_t i) { return a->turned ? a->n - 1 - i : i; }

static cr_status make_axis(axis *a, int64_t n, const double *v, cr_err *err) {
    a->n = n;
    a->turned = n > 1 && v[1] < v[0];
    a->v = malloc((size_t)n * sizeof *v);
    if (a->v == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for an axis of %lld", (long long)n);
    for (int64_t i = 0; i < n; i++)
        a->v[i] = v[place(a, i)];
    return CR_OK;
}

/* The last position that is not above v; -1: none. */
static int64_t below(const axis *a, double v) {
    int64_t lo = -1, hi = a->n - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo + 1) / 2;
        if (a->v[mid] <= v)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

typedef struct between {
    int64_t at[2];                /* of the grid */
    double part[2];
} between;

static bool along_x(const cr_grid *g, const axis *a, double lon, between *ret) {
    double first = a->v[0], v = lon - 360 * floor((lon - first) / 360);
    if (v >= first + 360)
        v = first;
    if (v > a->v[a->n - 1] && !g->round && v - 360 >= first - INSIDE) /* just before the first */
        v = first;
    int64_t i = below(a, v);
    if (i == a->n - 1) {
        bool last = v <= a->v[i] + INSIDE;
        if (!last && !g->round)
            return false;
        double gap = first + 360 - a->v[i], t = last ? 0 : (v - a->v[i]) / gap;
        *ret = (between){{place(a, i), place(a, 0)}, {1 - t, t}};
        return true;
    }
    double t = (v - a->v[i]) / (a->v[i + 1] - a->v[i]);
    *ret = (between){{place(a, i), place(a, i + 1)}, {1 - t, t}};
    return true;
}

static bool along_y(const axis *a, double lat, between *ret) {
    int64_t i = below(a, lat);
    if (i < 0) {
        if (lat < a->v[0] - INSIDE)
            return false;
        i = 0;
    } else if (i == a->n - 1) {
        if (lat > a->v[i] + INSIDE)
            return false;
        *ret = (between){{place(a, i), place(a, i)}, {1, 0}};
        return true;
    }
    double t = CR_MAX(0, (lat - a->v[i]) / (a->v[i + 1] - a->v[i]));
    *ret = (between){{place(a, i), place(a, i + 1)}, {1 - t, t}};
    return true;
}

/* Towards the pole from the last row, which lies one step from it at most. */
static cr_status beyond(const cr_search *s, const axes *a, double lat, const between *x, cr_found *f, cr_err *err) {
    const cr_grid *g = s->from;
    int64_t n = a->y.n, last = lat > 0 ? n - 1 : 0, next = lat > 0 ? n - 2 : 1;
    if (s->options.no_poles || !g->round || n < 2)
        return CR_OK;
    double edge = a->y.v[last], pole = lat > 0 ? 90 : -90, step = fabs(edge - a->y.v[next]);
    if (fabs(pole - edge) > step * (1 + 1e-6) || (lat > 0) != (lat > edge))
        return CR_OK;
    double t = (lat - edge) / (pole - edge);
    int64_t row = place(&a->y, last) * g->nx, there = 0;
    for (int64_t i = 0; i < g->nx; i++)
        there += cr_grid_has(g, row + i);
    for (int k = 0; k < 2; k++)
        if (there == 0 || (x->part[k] != 0 && t < 1 && !cr_grid_has(g, row + x->at[k])))
            return CR_OK;
    for (int k = 0; k < 2; k++)
        CR_TRY(cr_found_add(f, row + x->at[k], (1 - t) * x->part[k], err));
    for (int64_t i = 0; i < g->nx; i++)
        if (cr_grid_has(g, row + i))
            CR_TRY(cr_found_add(f, row + i, t / (double)there, err));
    return CR_OK;
}

static cr_status find_rectilinear(const cr_search *s, int64_t cell, cr_found *f, double *ret_share, cr_err *err) {
    const axes *a = s->data;
    between x, y;
    double lat = cr_grid_lat(s->to, cell);
    *ret_share = 1;
    if (!along_x(s->from, &a->x, cr_grid_lon(s->to, cell), &x))
        return CR_OK;
    if (!along_y(&a->y, lat, &y))
        return beyond(s, a, lat, &x, f, err);
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++)
            if (y.part[j] * x.part[i] != 0 && !cr_grid_has(s->from, y.at[j] * s->from->nx + x.at[i]))
                return CR_OK;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++)
            CR_TRY(cr_found_add(f, y.at[j] * s->from->nx + x.at[i], y.part[j] * x.part[i], err));
    return CR_OK;
}

/* ---- quads ---- */

/* Rows of quads, and one more across a fold of the last row, where its cells lie beside others of its own. */
static int64_t quads_in_row(const cr_grid *g) { return g->round ? g->nx : g->nx - 1; }

static void quad_cells(const cr_grid *g, int32_t quad, int64_t *ret) {
    int64_t y = quad / quads_in_row(g), x = quad % quads_in_row(g), next = x + 1 == g->nx ? 0 : x + 1;
    if (y == g->ny - 1) {
        ret[0] = y * g->nx + x;
        ret[1] = y * g->nx + next;
        ret[2] = y * g->nx + cr_grid_across(g, next);
        ret[3] = y * g->nx + cr_grid_across(g, x);
        return;
    }
    ret[0] = y * g->nx + x;
    ret[1] = y * g->nx + next;
    ret[2] = (y + 1) * g->nx + next;
    ret[3] = (y + 1) * g->nx + x;
}

static cr_box quad_box(const void *user, int32_t quad) {
    int64_t cells[4];
    cr_polygon p = {.n = 4};
    quad_cells(user, quad, cells);
    for (int k = 0; k < 4; k++)
        p.p[k] = cr_grid_centre(user, cells[k]);
    return cr_box_of(&p);
}

typedef struct flat {
    double x, y;
} flat;

static double cross(flat a, flat b) { return a.x * b.y - a.y * b.x; }

static bool within(double *t) {
    if (!(*t >= -INSIDE && *t <= 1 + INSIDE))
        return false;
    *t = CR_MIN(1, CR_MAX(0, *t));
    return true;
}

/* (1-s)(1-t) q0 + s(1-t) q1 + st q2 + (1-s)t q3 = 0 in a plane, with s and t in [0, 1]. */
static bool solve(const flat *q, double *ret_s, double *ret_t) {
    flat a = q[0], b = {q[1].x - q[0].x, q[1].y - q[0].y}, c = {q[3].x - q[0].x, q[3].y - q[0].y};
    flat d = {q[0].x - q[1].x + q[2].x - q[3].x, q[0].y - q[1].y + q[2].y - q[3].y};
    /* a + s b + t (c + s d) = 0, so that (a + s b) x (c + s d) = 0 */
    double k2 = cross(b, d), k1 = cross(a, d) + cross(b, c), k0 = cross(a, c), root[2];
    double disc = k1 * k1 - 4 * k2 * k0;
    if (disc < 0)
        return false;
    double h = -(k1 + copysign(sqrt(disc), k1)) / 2;
    root[0] = h != 0 ? k0 / h : NAN; /* the one that is left when the quad is a parallelogram */
    root[1] = k2 != 0 ? h / k2 : NAN;
    for (int i = 0; i < 2; i++) {
        double s = root[i];
        if (!within(&s))
            continue;
        flat p = {a.x + s * b.x, a.y + s * b.y}, v = {c.x + s * d.x, c.y + s * d.y};
        double t = -(p.x * v.x + p.y * v.y) / (v.x * v.x + v.y * v.y);
        if (!within(&t))
            continue;
        *ret_s = s;
        *ret_t = t;
        return true;
    }
    return false;
}

/* Two directions across v, so that what lies in the direction of v is at the origin. */
static void plane_of(cr_vec v, cr_vec *ret_e, cr_vec *ret_n) {
    cr_vec other = fabs(v.z) < 0.9 ? (cr_vec){0, 0, 1} : (cr_vec){1, 0, 0}, e = cr_vec_cross(other, v);
    double length = sqrt(cr_vec_dot(e, e));
    *ret_e = (cr_vec){e.x / length, e.y / length, e.z / length};
    *ret_n = cr_vec_cross(v, *ret_e);
}

static bool on_quad(const cr_search *s, int32_t quad, cr_vec v, cr_vec e, cr_vec n, int64_t *cells, double *weights) {
    flat q[4];
    double x, y;
    quad_cells(s->from, quad, cells);
    for (int k = 0; k < 4; k++) {
        cr_vec c = cr_grid_centre(s->from, cells[k]), away = cr_vec_minus(c, v);
        if (cr_vec_dot(c, v) <= 0)
            return false;
        q[k] = (flat){cr_vec_dot(away, e), cr_vec_dot(away, n)};
    }
    if (!solve(q, &x, &y))
        return false;
    weights[0] = (1 - x) * (1 - y);
    weights[1] = x * (1 - y);
    weights[2] = x * y;
    weights[3] = (1 - x) * y;
    return true;
}

static cr_status find_on_quads(const cr_search *s, int64_t cell, cr_found *f, double *ret_share, cr_err *err) {
    const cr_box_tree *t = s->tree;
    cr_vec v = cr_grid_centre(s->to, cell), e, n;
    cr_box b = cr_box_none();
    cr_box_add(&b, v);
    plane_of(v, &e, &n);
    int32_t best = INT32_MAX;
    int64_t cells[4], best_cells[4];
    double w[4], best_w[4];
    *ret_share = 1;
    for (int32_t i = 0; i < t->n_nodes;) {
        if (!cr_box_overlaps(&t->nodes[i].box, &b)) {
            i = t->nodes[i].skip;
            continue;
        }
        if (cr_box_node_is_leaf(t, i))
            for (int32_t k = t->nodes[i].begin; k < t->nodes[i].end; k++)
                if (t->order[k] < best && on_quad(s, t->order[k], v, e, n, cells, w)) {
                    best = t->order[k];
                    memcpy(best_cells, cells, sizeof cells);
                    memcpy(best_w, w, sizeof w);
                }
        i++;
    }
    if (best == INT32_MAX)
        return CR_OK;
    for (int k = 0; k < 4; k++)
        CR_TRY(cr_found_add(f, best_cells[k], best_w[k], err));
    return CR_OK;
}

/* Quads of which all corners are there. */
static cr_status make_quads(cr_search *s, cr_err *err) {
    const cr_grid *g = s->from;
    int64_t n = (g->ny - (g->fold < 0)) * quads_in_row(g), cells[4];
    int32_t kept = 0, *items = malloc(((size_t)n + 1) * sizeof *items);
    if (items == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to search %lld cells", (long long)n);
    for (int32_t q = 0; q < n; q++) {
        quad_cells(g, q, cells);
        items[kept] = q;
        kept += cr_grid_has(g, cells[0]) && cr_grid_has(g, cells[1]) && cr_grid_has(g, cells[2]) && cr_grid_has(g, cells[3]);
    }
    cr_status status = cr_box_tree_new(s->context, kept, items, quad_box, g, &s->tree, err);
    if (status != CR_OK)
        free(items);
    return status;
}

cr_status cr_search_bilinear(cr_search *s, cr_err *err) {
    const cr_grid *g = s->from;
    if (g->ndim == 1 || (!g->rectilinear && (g->ny < 2 || g->nx < 2))) {
        cr_status status = CR_FAIL(err, CR_INVALID, "bilinear regridding needs a source of two axes, with two cells or more along each");
        cr_err_hint(err, "take \"nearest\" for a list of cells");
        return status;
    }
    s->find = g->rectilinear ? find_rectilinear : find_on_quads;
    if (!g->rectilinear)
        return make_quads(s, err);
    axes *a = calloc(1, sizeof *a);
    if (a == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to regrid");
    s->data = a;
    cr_status status = make_axis(&a->y, g->ny, g->lat, err);
    if (status == CR_OK)
        status = make_axis(&a->x, g->nx, g->lon, err);
    return status;
}

void cr_search_done(cr_search *s) {
    if (s->options.method == CR_REGRID_BILINEAR && s->data != NULL) {
        axes *a = s->data;
        free(a->y.v);
        free(a->x.v);
    } else if (s->options.method == CR_REGRID_CONSERVATIVE && s->data != NULL) {
        cr_search_overlaps_done(s->data);
    }
    free(s->data);
    cr_box_tree_free(s->tree);
}
