/* sphere.h - points, polygons and areas on the unit sphere. Polygons turn counterclockwise seen from outside, edges are arcs of great circles. */
#ifndef CR_ENGINE_REGRID_SPHERE_H
#define CR_ENGINE_REGRID_SPHERE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cr_vec {
    double x, y, z;
} cr_vec;

enum { CR_POLYGON_MOST = 64 };    /* corners of what is left when one cell is cut by another */

typedef struct cr_polygon {
    int n;
    cr_vec p[CR_POLYGON_MOST];
} cr_polygon;

static inline cr_vec cr_vec_minus(cr_vec a, cr_vec b) { return (cr_vec){a.x - b.x, a.y - b.y, a.z - b.z}; }
static inline double cr_vec_dot(cr_vec a, cr_vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline cr_vec cr_vec_cross(cr_vec a, cr_vec b) {
    return (cr_vec){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

/* Degrees. The same place in another turn is the same vector, bit by bit, and all longitudes of a pole are one. */
cr_vec cr_vec_of(double lat, double lon);
/* Area in steradians; negative when the polygon turns clockwise. Smaller than half the sphere. */
double cr_polygon_area(const cr_polygon *p);
/* Corners that repeat the one before them leave. */
void cr_polygon_tidy(cr_polygon *p);
void cr_polygon_reverse(cr_polygon *p);
/* Do two edges that are no neighbours cross? */
bool cr_polygon_crosses_itself(const cr_polygon *p);
/* Area of what two polygons share. Neither needs to be convex. */
double cr_polygon_shared(const cr_polygon *a, const cr_polygon *b);

#endif
