/* walk.h - what a program looks at: every node below its root with the access it is looked at through, in boxes of the domain.
 *
 * Users come before what they use. What several look at through the same access, in boxes that overlap, is looked at once, in a box that holds
 * theirs: shifts of shifts would otherwise have a part for every way that leads to it. lower.c makes the program's values of the items. */
#ifndef CR_PLAN_WALK_H
#define CR_PLAN_WALK_H

#include "engine/plan/plan.h"

typedef struct cr_walk_item {        /* a node through an access, in a box of the domain */
    int32_t node, box;
    const cr_access *access;
    int32_t into;                 /* the item that looks at all of this one too; -1: none */
    int32_t same, next;           /* items of the same node and access; of the same node */
    int32_t value;                /* -1: not yet */
    int64_t first_link, n_links;  /* elementwise: items of its inputs */
    int dim;                      /* concat: `value` of a segment is an item until it is known */
    int64_t n_segments;
    cr_segment *segments;
} cr_walk_item;

typedef struct cr_walk {
    cr_plan *plan;
    cr_program *p;
    cr_walk_item *items;
    int32_t n_items, cap_items;
    int32_t *links;
    int32_t n_links, cap_links;
    int64_t *boxes;               /* 2 * ndim each: from, to; the first is everything */
    int32_t n_boxes, cap_boxes;
    int32_t *nodes;               /* that have items which wait, a heap: the last first */
    int32_t n_nodes, cap_nodes;
    cr_idtable known;             /* (node, access): its latest item; (node, 0): the node's latest */
} cr_walk;

/* Collects all below a node that is looked at everywhere; *ret_root: its item. cr_walk_done afterwards, whatever came of it. */
cr_status cr_walk_make(cr_walk *k, cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_root, cr_err *err) CR_MUST_USE;
void cr_walk_done(cr_walk *k);
/* CR_LIMIT: items and program together are more than planning may hold. */
cr_status cr_walk_check(const cr_walk *k, cr_err *err) CR_MUST_USE;

static inline size_t cr_box_words(const cr_program *p) { return 2 * (size_t)CR_MAX(1, p->ndim); }
static inline int64_t *cr_walk_box(const cr_walk *k, int32_t box) { return k->boxes + (size_t)box * cr_box_words(k->p); }
/* The item that looks at all that item i was to look at. */
static inline int32_t cr_walk_seen(const cr_walk *k, int32_t i) {
    while (k->items[i].into >= 0)
        i = k->items[i].into;
    return i;
}

/* For lists that grow while a program is made: room for one more than n. */
#define CR_PROGRAM_MOST_VALUES (1 << 24)
cr_status cr_plan_grow(void **items, int32_t n, int32_t *cap, size_t size, cr_err *err) CR_MUST_USE;
/* First words of keys of memos. */
static inline uint64_t cr_memo_key(int32_t what, int32_t scope) { return (uint64_t)(uint32_t)what << 32 | (uint32_t)scope; }

#endif
