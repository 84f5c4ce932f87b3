/* panels.h - how an array goes from one chunk grid to another in boxes that fit into memory. Arithmetic only.
 *
 * A panel is a box of whole destination chunks. A source chunk is read once for each panel that it meets; reads() is how often on average.
 */
#ifndef CR_EXEC_PANELS_H
#define CR_EXEC_PANELS_H

#include <stdint.h>
#include "craton/array.h"

typedef struct cr_panel_grid {
    int ndim;
    size_t itemsize;
    int64_t shape[CR_MAX_DIMS], source[CR_MAX_DIMS], chunk[CR_MAX_DIMS];
    int64_t panel[CR_MAX_DIMS];       /* a multiple of chunk, or the whole axis */
} cr_panels;

/* Sets panel: at most most_bytes, unless one chunk is more already. The fewest reads, then the largest panel. */
void cr_panels_choose(cr_panels *p, uint64_t most_bytes);
double cr_panels_reads(const cr_panels *p);                       /* >= 1 */
double cr_panels_bytes(const cr_panels *p);
int64_t cr_panels_count(const cr_panels *p);
/* Chunks of an intermediate array to which and from which panels of most_bytes read everything about once. */
void cr_panels_between(const cr_panels *p, uint64_t most_bytes, int64_t *ret_chunk);

#endif
