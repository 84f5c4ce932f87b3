/* box_tree.h - which of many small things on the sphere are near a point, or overlap a box: a tree of bounding boxes in space.
 *
 * Boxes in space know no date line and no poles. Items are split at the median of the longest side until few are left. About 12 bytes
 * for an item, in the end.
 *
 * Invariants
 *  1. Immutable after making. Answers follow from the items alone.
 */
#ifndef CR_ENGINE_REGRID_BOX_TREE_H
#define CR_ENGINE_REGRID_BOX_TREE_H

#include "base/error.h"
#include "craton/context.h"
#include "engine/regrid/sphere.h"

typedef struct cr_box {
    float lo[3], hi[3];
} cr_box;

typedef struct cr_box_node {
    cr_box box;
    int32_t begin, end;           /* of `order`; a leaf when there are items and the next node does not lie inside */
    int32_t skip;                 /* the node after all below this one */
} cr_box_node;

typedef struct cr_box_tree {
    int32_t n_items, n_nodes;
    int32_t *order;
    cr_box_node *nodes;           /* each before what is below it, first child next to it */
} cr_box_tree;

static inline bool cr_box_overlaps(const cr_box *a, const cr_box *b) {
    for (int i = 0; i < 3; i++)
        if (a->lo[i] > b->hi[i] || a->hi[i] < b->lo[i])
            return false;
    return true;
}

/* Nothing lies in it yet. */
static inline cr_box cr_box_none(void) { return (cr_box){{4, 4, 4}, {-4, -4, -4}}; }
/* Rounded outwards. */
void cr_box_add(cr_box *b, cr_vec v);
/* Around a polygon, with what its surface bulges out. */
cr_box cr_box_of(const cr_polygon *p);

/* items[0..n-1]: numbers handed to box_of; taken as `order`. CR_CANCELLED: the context was. */
cr_status cr_box_tree_new(const cr_context *c, int32_t n, int32_t *items, cr_box (*box_of)(const void *user, int32_t item), const void *user,
                          cr_box_tree **ret_tree, cr_err *err) CR_MUST_USE;
void cr_box_tree_free(cr_box_tree *t);
static inline bool cr_box_node_is_leaf(const cr_box_tree *t, int32_t i) { return t->nodes[i].skip == i + 1; }
/* The item nearest to v; of several the lowest number. -1: there are none. */
int32_t cr_box_tree_nearest(const cr_box_tree *t, cr_vec v, cr_vec (*at)(const void *user, int32_t item), const void *user);

#endif
