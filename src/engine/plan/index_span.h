/* index_span.h - the least and the greatest of any stretch of a list of positions, in a time that hardly grows with its length.
 *
 * Columns (columns.c) ask for the chunks that a stretch of a list looks at, for each of up to 65,536 columns, over and over while a size is
 * chosen. Least and greatest of each 16 neighbours are kept, of each 16 of these, and so on: a fifteenth of the list each step. Belongs to the arena.
 * Immutable once made.
 */
#ifndef CR_PLAN_INDEX_SPAN_H
#define CR_PLAN_INDEX_SPAN_H

#include <stdint.h>

#include "base/arena.h"

#define CR_INDEX_SPAN_LEVELS 16           /* 16^16 positions are more than there can be */

typedef struct cr_index_span {
    const int64_t *index;
    int64_t n;
    int n_levels;
    int64_t *least[CR_INDEX_SPAN_LEVELS], *most[CR_INDEX_SPAN_LEVELS];
} cr_index_span;

/* index: n positions, which must outlive it. NULL: the arena has no room. */
const cr_index_span *cr_index_span_make(cr_arena *arena, const int64_t *index, int64_t n);
/* Of index[lo .. hi - 1]; 0 <= lo < hi <= n. */
void cr_index_span_ask(const cr_index_span *s, int64_t lo, int64_t hi, int64_t *ret_least, int64_t *ret_most);

#endif
