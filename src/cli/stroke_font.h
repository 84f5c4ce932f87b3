/* stroke_font.h - letters as lines: what PNG pictures are labelled with, so that they need no font of the machine and look alike everywhere. */
#ifndef CR_CLI_STROKE_FONT_H
#define CR_CLI_STROKE_FONT_H

/* Capitals are 20 high, small letters 14, what hangs below reaches -6; x from 0. */
typedef struct cr_glyph {
    unsigned code;
    int width;                    /* without the space to the next */
    /* Strokes, separated by ";": "x,y x,y ..." is straight, behind "~" rounded: the inner points pull a curve, which goes from the first
     * to the last. */
    const char *strokes;
} cr_glyph;

enum { CR_GLYPH_HEIGHT = 20, CR_GLYPH_SPACE = 5 };

/* NULL: it has none. */
const cr_glyph *cr_glyph_find(unsigned code);

#endif
