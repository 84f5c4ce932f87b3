/* search.h - between the methods and the builder of weights (build.c).
 *
 * A method prepares what it needs to look things up, then finds the weights of one target cell at a time, from any thread, in any order. Several
 * weights from one source cell are added up by the builder, in the order in which they were found.
 */
#ifndef CR_ENGINE_REGRID_SEARCH_H
#define CR_ENGINE_REGRID_SEARCH_H

#include "engine/array/weights.h"
#include "engine/exec/run.h"
#include "engine/regrid/box_tree.h"
#include "engine/regrid/sphere_grid.h"

typedef struct cr_found {         /* the weights of some target cells */
    int32_t *col;
    double *weight;
    int64_t n, cap;
    int64_t most;                 /* CR_MEMORY when there would be more */
} cr_found;
cr_status cr_found_add(cr_found *f, int64_t col, double weight, cr_err *err) CR_MUST_USE;

typedef struct cr_search {
    const cr_context *context;    /* whether it is cancelled: preparing asks, and find() where one cell may take long */
    const cr_grid *from, *to;
    cr_weights_options options;
    cr_box_tree *tree;            /* may be NULL */
    void *data;                   /* the method's own */
    /* The weights of target cell `cell`, which is not masked; *ret_share: the share of it that was covered (conservative). */
    cr_status (*find)(const struct cr_search *s, int64_t cell, cr_found *f, double *ret_share, cr_err *err);
} cr_search;

cr_status cr_search_bilinear(cr_search *s, cr_err *err) CR_MUST_USE;
cr_status cr_search_conservative(cr_search *s, cr_err *err) CR_MUST_USE;
cr_status cr_search_nearest(cr_search *s, cr_err *err) CR_MUST_USE;
void cr_search_done(cr_search *s);
void cr_search_overlaps_done(void *data);  /* conservative.c: what `data` points to */
/* All cells of the source that are there: a block for cr_box_tree_new. */
cr_status cr_search_items(const cr_grid *g, int32_t **ret_items, int32_t *ret_n, cr_err *err) CR_MUST_USE;

#endif
