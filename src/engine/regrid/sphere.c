/* sphere.c - see sphere.h. Differences of neighbouring corners come before products: cells are small, and so are their differences exact. */
#include "engine/regrid/sphere.h"

#define DEGREE 0.017453292519943295
#define ON_EDGE 1e-15             /* of the triple product: such a corner lies on the edge */

cr_vec cr_vec_of(double lat, double lon) {
    double l = remainder(lon, 360) * DEGREE, c = fabs(lat) == 90 ? 0 : cos(lat * DEGREE);
    return (cr_vec){c * cos(l), c * sin(l), sin(lat * DEGREE)};
}

/* Van Oosterom and Strackee 1983: tan(E / 2) = a . (b x c) / (1 + a.b + b.c + c.a). */
static double triangle_area(cr_vec a, cr_vec b, cr_vec c) {
    double triple = cr_vec_dot(a, cr_vec_cross(cr_vec_minus(b, a), cr_vec_minus(c, a)));
    return 2 * atan2(triple, 1 + cr_vec_dot(a, b) + cr_vec_dot(b, c) + cr_vec_dot(c, a));
}

double cr_polygon_area(const cr_polygon *p) {
    double sum = 0;
    for (int i = 2; i < p->n; i++)
        sum += triangle_area(p->p[0], p->p[i - 1], p->p[i]);
    return sum;
}

static bool same(cr_vec a, cr_vec b) {
    cr_vec d = cr_vec_minus(a, b);
    return cr_vec_dot(d, d) < 1e-28;
}

void cr_polygon_tidy(cr_polygon *p) {
    int n = 0;
    for (int i = 0; i < p->n; i++)
        if (n == 0 || !same(p->p[n - 1], p->p[i]))
            p->p[n++] = p->p[i];
    while (n > 1 && same(p->p[n - 1], p->p[0]))
        n--;
    p->n = n;
}

void cr_polygon_reverse(cr_polygon *p) {
    for (int i = 0, k = p->n - 1; i < k; i++, k--) {
        cr_vec t = p->p[i];
        p->p[i] = p->p[k];
        p->p[k] = t;
    }
}

/* On which side of the great circle from a to b is v? Positive: to the left. */
static double side(cr_vec a, cr_vec b, cr_vec v) {
    double d = cr_vec_dot(cr_vec_cross(a, cr_vec_minus(b, a)), cr_vec_minus(v, a));
    return fabs(d) < ON_EDGE ? 0 : d;
}

static bool is_convex(const cr_polygon *p) {
    for (int i = 0; i < p->n; i++)
        if (side(p->p[i], p->p[(i + 1) % p->n], p->p[(i + 2) % p->n]) < 0)
            return false;
    return true;
}

bool cr_polygon_crosses_itself(const cr_polygon *p) {
    for (int i = 0; i < p->n; i++)
        for (int k = i + 2; k < p->n; k++) {
            if (i == 0 && k == p->n - 1)
                continue;
            cr_vec a = p->p[i], b = p->p[i + 1], c = p->p[k], d = p->p[(k + 1) % p->n];
            double s = side(a, b, c), t = side(a, b, d), u = side(c, d, a), v = side(c, d, b);
            if (((s > 0 && t < 0) || (s < 0 && t > 0)) && ((u > 0 && v < 0) || (u < 0 && v > 0)))
                return true;
        }
    return false;
}

/* Where the edge from p to q meets a plane through the centre that they are dp and dq away from. */
static cr_vec meet(cr_vec p, cr_vec q, double dp, double dq) {
    double t = dp / (dp - dq);
    cr_vec v = {p.x + t * (q.x - p.x), p.y + t * (q.y - p.y), p.z + t * (q.z - p.z)};
    double length = sqrt(cr_vec_dot(v, v));
    return (cr_vec){v.x / length, v.y / length, v.z / length};
}

/* What of p lies to the left of the edge from a to b (Sutherland and Hodgman 1974). */
static void cut(const cr_polygon *p, cr_vec a, cr_vec b, cr_polygon *out) {
    out->n = 0;
    if (p->n == 0)
        return;
    cr_vec last = p->p[p->n - 1];
    double d_last = side(a, b, last);
    for (int i = 0; i < p->n; i++) {
        cr_vec v = p->p[i];
        double d = side(a, b, v);
        if (((d > 0 && d_last < 0) || (d < 0 && d_last > 0)) && out->n < CR_POLYGON_MOST)
            out->p[out->n++] = meet(last, v, d_last, d);
        if (d >= 0 && out->n < CR_POLYGON_MOST)
            out->p[out->n++] = v;
        last = v;
        d_last = d;
    }
}

static double shared_with_convex(const cr_polygon *a, const cr_polygon *b) {
    cr_polygon work[2];
    const cr_polygon *now = a;
    for (int i = 0; i < b->n; i++) {
        cr_polygon *next = &work[i & 1];
        cut(now, b->p[i], b->p[(i + 1) % b->n], next);
        now = next;
        if (now->n < 3)
            return 0;
    }
    return cr_polygon_area(now);
}

double cr_polygon_shared(const cr_polygon *a, const cr_polygon *b) {
    if (is_convex(b))
        return shared_with_convex(a, b);
    if (is_convex(a))
        return shared_with_convex(b, a);
    double sum = 0; /* a fan of triangles, of which some turn the other way and are taken away again */
    for (int i = 2; i < b->n; i++) {
        cr_polygon t = {.n = 3, .p = {b->p[0], b->p[i - 1], b->p[i]}};
        double area = cr_polygon_area(&t);
        if (area < 0)
            cr_polygon_reverse(&t);
        double part = shared_with_convex(a, &t);
        sum += area < 0 ? -part : part;
    }
    return sum;
}
