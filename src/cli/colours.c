/* colours.c - two maps. */
#include "cli/colours.h"

#include <math.h>
#include <stddef.h>

typedef struct lab {
    double l, a, b;
} lab;

/* Places in OKLab, evenly along the map. Lightness is a straight line between the ends (and the middle of the diverging map); hue and strength
 * of colour were chosen within what a screen shows. */
static const lab sequential[] = {{0.24, 0.020, -0.110}, {0.38, -0.015, -0.125}, {0.52, -0.060, -0.075}, {0.66, -0.105, 0.010}, {0.80, -0.095, 0.110},
                                 {0.94, -0.020, 0.150}};
static const lab diverging[] = {{0.36, -0.010, -0.135}, {0.56, -0.035, -0.120}, {0.765, -0.030, -0.060}, {0.97, 0, 0}, {0.765, 0.070, 0.045},
                                {0.56, 0.145, 0.075}, {0.36, 0.130, 0.055}};

static uint8_t encode(double linear) {
    double v = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;   /* IEC 61966-2-1 */
    return (uint8_t)(v <= 0 ? 0 : v >= 1 ? 255 : v * 255 + 0.5);
}

/* bottosson.github.io/posts/oklab */
static cr_rgb of_lab(lab c) {
    double l = c.l + 0.3963377774 * c.a + 0.2158037573 * c.b, m = c.l - 0.1055613458 * c.a - 0.0638541728 * c.b,
           s = c.l - 0.0894841775 * c.a - 1.2914855480 * c.b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (cr_rgb){encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s), encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                    encode(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

double cr_share(double v, double low, double high) { return isnan(v) ? NAN : high > low ? (v - low) / (high - low) : 0.5; }

cr_rgb cr_colour(double share, bool both) {
    const lab *map = both ? diverging : sequential;
    int n = (int)(both ? sizeof diverging : sizeof sequential) / (int)sizeof *map - 1;
    if (isnan(share))
        return CR_RGB_MISSING;
    double at = (share < 0 ? 0 : share > 1 ? 1 : share) * n;
    int k = at >= n ? n - 1 : (int)at;
    double part = at - k;
    return of_lab((lab){map[k].l + part * (map[k + 1].l - map[k].l), map[k].a + part * (map[k + 1].a - map[k].a),
                        map[k].b + part * (map[k + 1].b - map[k].b)});
}
