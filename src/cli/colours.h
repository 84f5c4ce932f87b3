/* colours.h - values as colours: sequential where values are more or less, diverging where both signs matter, grey where there is none.
 *
 * Both maps are laid out in OKLab (Ottosson 2020), in which equal distances look equal: lightness rises evenly along the sequential map, and
 * falls evenly to both sides of the middle of the diverging one, so that maps can be read in grey and by those who tell few hues apart.
 */
#ifndef CR_CLI_COLOURS_H
#define CR_CLI_COLOURS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cr_rgb {
    uint8_t r, g, b;
} cr_rgb;

#define CR_RGB_MISSING ((cr_rgb){0xc8, 0xc8, 0xc8})
#define CR_RGB_INK ((cr_rgb){0x26, 0x26, 0x26})
#define CR_RGB_PALE ((cr_rgb){0xd8, 0xd8, 0xd8})
#define CR_RGB_PAPER ((cr_rgb){0xff, 0xff, 0xff})
#define CR_RGB_LINE ((cr_rgb){0x1f, 0x5f, 0xa8})

/* share 0 to 1, others are cut; NaN is CR_RGB_MISSING. */
cr_rgb cr_colour(double share, bool diverging);
/* Where v lies between low and high; 0.5 when they are equal. */
double cr_share(double v, double low, double high);

#endif
